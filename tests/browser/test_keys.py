"""The keys of the desk: each does what the dialog of Alt+K says, can be switched off, and leaves fields alone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desks import Desk, a_user
from tests.http.desk import a_customer, archived, view
from tests.http.scanning import a_page, filled

LISTED = {
    "Alt+Q", "Alt+P", "Alt+L", "Alt+N", "Alt+W", "Alt+A", "Alt+M", "Alt+K", "Ctrl+Enter", "Escape",
    "ArrowUp ArrowDown Home End", "PageUp PageDown", "+ - 0", "R",
}  # fmt: skip


@pytest.fixture
def customer(desk: Desk) -> str:
    return a_customer(desk.served, name="Anna de Vries")


def keys_of(page: Page) -> Page:
    page.keyboard.press("Alt+k")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    return page


def test_all_keys_are_listed_and_the_button_shows_them_too(desk: Desk) -> None:
    page = desk.open("/work")
    page.get_by_role("button", name="Keys").click()
    listed = page.get_by_role("dialog", name="Keys").locator("[name=key]").all()
    assert {one.get_attribute("value") for one in listed} == LISTED
    assert desk.violations() == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Keys")).to_be_focused()


@pytest.mark.parametrize(("key", "source"), [("p", "scan"), ("l", "file"), ("n", "none")])
def test_a_source_has_its_key_here_and_from_elsewhere(desk: Desk, customer: str, key: str, source: str) -> None:
    page = desk.open("/add?source=none" if source != "none" else "/add?source=file")
    page.keyboard.press(f"Alt+{key}")
    expect(page.locator(f"[type=radio][value={source}]")).to_be_checked()
    page.goto(f"/customers/{customer}")
    page.keyboard.press(f"Alt+{key}")
    expect(page).to_have_url(re.compile(rf"/add\?source={source}&customer={customer}"))


def test_the_code_field_is_there_from_anywhere_and_escape_clears_it(desk: Desk, customer: str) -> None:
    page = desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    page.get_by_label("Note").fill("a note")
    page.keyboard.press("Alt+q")
    field = page.get_by_label("Card number or scan code")
    expect(field).to_be_focused()
    page.keyboard.type("123")
    page.keyboard.press("Escape")
    expect(field).to_have_value("")
    expect(page.get_by_label("Note")).to_have_value("a note")


def test_the_papers_their_past_and_their_timeline_have_keys(desk: Desk, customer: str) -> None:
    letter = archived(desk.served.as_("staff"), customer)
    assert view(desk.served.as_("staff"), customer, letter["position"])
    page = desk.open(f"/add?source=none&customer={customer}")
    page.keyboard.press("Alt+w")
    expect(page).to_have_url(re.compile(f"/customers/{customer}$"))
    moments = page.get_by_role("slider", name="As of")
    expect(moments).to_be_visible()  # what changed, and when, is known
    page.keyboard.press("Alt+m")
    expect(moments).to_be_focused()
    page.keyboard.press("Alt+a")
    expect(page).to_have_url(re.compile("timeline"))


def test_control_enter_saves_the_form_in_view(desk: Desk, customer: str) -> None:
    page = desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    page.get_by_label("Note").focus()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alertdialog")).to_contain_text("Anna de Vries")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#noted")).to_contain_text("Anna de Vries")
    assert len(view(desk.served.as_("staff"), customer)) == 1


def test_in_a_list_the_arrows_go_from_row_to_row(desk: Desk, customer: str) -> None:
    staff = desk.served.as_("staff")
    last = [archived(staff, customer) for _ in range(3)][-1]
    assert len(view(staff, customer, last["position"])) == 3
    page = desk.open(f"/customers/{customer}")
    links = page.locator("table.rows a.open")
    expect(links).to_have_count(3)
    links.first.focus()
    for key, place in (("ArrowDown", 1), ("End", 2), ("ArrowUp", 1), ("Home", 0)):
        page.keyboard.press(key)
        expect(links.nth(place)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/documents/"))


def test_keys_of_one_letter_work_in_the_viewer_alone(desks: Callable[..., Desk]) -> None:
    desk = desks()
    session = filled(desk.served.as_("staff"), a_page(), a_page())
    page = desk.open(f"/add?source=scan&session={session['id']}")
    page.get_by_label("Description").focus()
    page.keyboard.type("R")
    page.locator("main").focus()
    page.keyboard.press("r")
    expect(page.locator("#page-view img")).to_have_attribute("src", re.compile(r"\.0$"))
    page.locator("#page-view").focus()
    page.keyboard.press("PageDown")
    expect(page.get_by_role("link", name="Page 2")).to_have_attribute("aria-current", "true")
    page.locator("#page-view").focus()
    page.keyboard.press("r")
    expect(page.locator("#page-view img")).to_have_attribute("src", re.compile(r"\.90$"))
    expect(page.get_by_label("Description")).to_have_value("R")


def test_a_key_that_is_switched_off_does_nothing_and_stays_off(desk: Desk) -> None:
    page = keys_of(desk.open("/add?source=file"))
    page.get_by_role("checkbox", name=re.compile("Source: No upload")).uncheck()
    page.get_by_role("button", name="Close").click()
    for _ in range(2):
        page.keyboard.press("Alt+n")
        page.keyboard.press("Alt+q")
        expect(page.get_by_label("Card number or scan code")).to_be_focused()
        expect(page.locator("[type=radio][value=file]")).to_be_checked()
        page.reload()


def test_all_keys_together_are_switched_off_for_the_user(desks: Callable[..., Desk]) -> None:
    """Kept with the user, so that it holds at every desk."""
    desk = desks(role=None)
    desk.come_in(a_user(desk.served))
    page = keys_of(desk.open("/add?source=file"))
    page.get_by_role("checkbox", name="Use these keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("Alt+n")
    expect(page.locator("[type=radio][value=file]")).to_be_checked()
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.get_by_role("checkbox", name="Use these keys", include_hidden=True)).not_to_be_checked()
    page.keyboard.press("Alt+k")
    page.keyboard.press("Alt+n")
    expect(page.locator("[type=radio][value=file]")).to_be_checked()
    page.get_by_role("button", name="Keys").click()
    page.get_by_role("checkbox", name="Use these keys").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("Alt+n")
    expect(page.locator("[type=radio][value=none]")).to_be_checked()


def test_what_is_behind_a_dialog_is_not_there_for_keys(desk: Desk) -> None:
    page = desk.open("/add?source=none")
    page.locator("#about").get_by_role("button", name="Search customer").click()
    page.keyboard.press("Alt+q")
    expect(page.get_by_role("searchbox")).to_be_focused()
