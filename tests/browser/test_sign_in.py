"""Sign in (S13), a new password, settings: in a browser, in every language, with and without scripts."""

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.desks import Desk
from tests.http.served import OWN_PASSWORD, Served

REFUSED = "Failed to load resource: the server responded with a status of 4"
EVERYWHERE = [
    ("nl", 320, "dark"),
    pytest.param("en", 1280, "light", marks=pytest.mark.long),
    pytest.param("de", 320, "light", marks=pytest.mark.long),
]


def a_newcomer(served: Served) -> tuple[str, str]:
    name = f"new-{secrets.token_hex(4)}"
    served.sql("delete from staff.attempt")
    return name, served.new_user(name, "staff")


@pytest.mark.parametrize(("language", "width", "scheme"), EVERYWHERE)
def test_the_way_in_is_for_everyone(
    desks: Callable[..., Desk], served: Served, language: str, width: int, scheme: str
) -> None:
    """Each page on it, and what is said where something is wrong."""

    def sound(there: str) -> None:
        expect(page.locator(there)).to_have_count(1)
        assert page.locator("html").get_attribute("lang") == language
        assert desk.violations() == []
        assert not desk.is_too_wide()

    desk = desks(None, width=width, language=language, color_scheme=scheme)
    desk.expected = (REFUSED,)
    name, password = a_newcomer(served)
    page = desk.open("/settings")
    expect(page.locator(".gate .library")).to_have_text("Library")  # whose archive it is, before a password is given
    sound("#user:focus")
    page.locator("#user").fill(name)
    page.locator("#password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("[data-summary]")).to_be_focused()
    sound("[data-summary]")
    page.locator("#password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/password?**")
    sound("#new")
    page.locator("#new").fill("short")
    page.locator("#again").fill("short")
    page.keyboard.press("Enter")
    sound("#new[aria-invalid]")
    page.locator("#new").fill(OWN_PASSWORD)
    page.locator("#again").fill(OWN_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    sound("#language")
    desk.open("/password")
    sound("#old")


def test_a_password_can_be_looked_at_while_it_is_typed(desks: Callable[..., Desk]) -> None:
    page = desks(None).open("/sign-in")
    page.get_by_label("Password", exact=True).fill("correct horse")
    button = page.get_by_role("button", name="Show password")
    for pressed, kind in ((True, "text"), (False, "password")):
        button.click()
        expect(page.locator("#password")).to_have_attribute("type", kind)
        expect(button).to_have_attribute("aria-pressed", str(pressed).lower())
    assert page.locator("#password").input_value() == "correct horse"


def test_without_scripts_all_of_it_works(desks: Callable[..., Desk], served: Served) -> None:
    desk = desks(None, java_script_enabled=False)
    name, password = a_newcomer(served)
    page = desk.open("/work")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    assert page.get_by_role("button", name="Show password").count() == 0
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password", exact=True).fill(OWN_PASSWORD)
    page.get_by_label("New password again").fill(OWN_PASSWORD)
    page.get_by_role("button", name="Save password").click()
    expect(page).to_have_url(f"{served.url}/work")
    page.locator(".menu summary").click()
    page.get_by_role("link", name="Your settings").click()
    page.get_by_label("Branch", exact=True).fill("EAST")
    page.locator("#language").select_option("nl")
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    expect(page.locator(".menu summary")).to_have_text(f"{name}, EAST")
    page.get_by_role("button", name="en", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{served.url}/sign-in")
    desk.open("/work")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
