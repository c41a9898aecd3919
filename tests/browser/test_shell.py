"""What every page owes: no violation of axe, no sideways scroll, a language, a policy that is kept."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.desks import Desk, a_user


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_user_menu_can_be_read_and_closes_by_a_press_elsewhere(desks: Callable[..., Desk], scheme: str) -> None:
    desk = desks(None, color_scheme=scheme)
    desk.come_in(a_user(desk.served))
    page = desk.open("/settings")
    page.locator(".menu summary").click()
    settings = page.get_by_role("link", name="Your settings")
    expect(settings).to_be_visible()
    ink, ground = page.evaluate(
        """() => [getComputedStyle(document.querySelector(".menu a")).color,
            getComputedStyle(document.querySelector(".menu > div")).backgroundColor]"""
    )
    assert ink != ground
    assert desk.violations() == []
    page.locator("main h1").click()
    expect(settings).to_be_hidden()
    page.locator(".menu summary").click()
    expect(settings).to_be_visible()
    page.locator("#look-up").focus()
    expect(settings).to_be_hidden()


@pytest.mark.parametrize(
    ("role", "path"), [("viewer", "/customers"), ("staff", "/add"), ("supervisor", "/add"), ("operator", "/add")]
)
def test_every_role_begins_with_a_page_of_its_own(desks: Callable[..., Desk], role: str, path: str) -> None:
    desk = desks(None)
    desk.come_in(a_user(desk.served, role))
    page = desk.open("/")
    page.wait_for_url(f"**{path}")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text("Not live")).to_have_count(0)


def test_a_page_that_follows_nothing_says_nothing_of_it(desk: Desk) -> None:
    page = desk.open("/customers")
    expect(page.locator("[data-keys]")).to_be_visible()  # its scripts have run
    expect(page.locator(".live")).to_be_hidden()
