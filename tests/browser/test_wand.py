"""The barcode gun (notes of the desk, rules 1 to 8): caught anywhere, looked up, and never saved by it."""

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desks import Desk
from tests.http.desk import a_customer, issue, view

TYPING_MS = 110


@pytest.fixture
def card() -> str:
    return f"2900{secrets.randbelow(10**9):09}"


@pytest.fixture
def customer(desk: Desk, card: str) -> str:
    return a_customer(desk.served, name="Anna de Vries", card_numbers=[card])


def is_shown(page: Page, name: str = "Anna de Vries") -> None:
    expect(page.locator("#who")).to_contain_text(name)


@pytest.mark.parametrize(
    ("at", "focus"),
    [
        ("/add?source=none", "main"),
        ("/add?source=none", "#who-band .btn"),
        ("/add?source=none", "[name=source]:checked"),
        ("/add?source=none", "#look-up"),
        ("/work", "main"),
        ("/work", ".bar nav a"),
        ("/work", "#look-up"),
    ],
)
def test_a_card_is_looked_up_wherever_the_focus_is(desk: Desk, customer: str, card: str, at: str, focus: str) -> None:
    """Rules 1 to 3."""
    page = desk.open(at)
    page.locator(focus).first.focus()
    desk.shoot_with_wand(card)
    is_shown(page)
    expect(page.locator("#who")).to_have_attribute("data-customer", customer)


def test_in_another_field_it_is_text_and_its_enter_does_nothing(desk: Desk, customer: str, card: str) -> None:
    page = desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    page.get_by_label("Note").focus()
    desk.shoot_with_wand(card)
    expect(page.get_by_label("Note")).to_have_value(card)
    page.get_by_label("Shelf mark").focus()
    desk.shoot_with_wand(card)
    expect(page.get_by_label("Shelf mark")).to_have_value(card)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert view(desk.served.as_("staff"), customer) == []


def test_what_is_typed_slowly_is_left_alone(desk: Desk, customer: str, card: str) -> None:
    page = desk.open("/work")
    page.locator("main").focus()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.type(card[:9], delay=TYPING_MS)
    page.keyboard.press("Enter")
    assert page.url.endswith("/work")
    assert asked == []


def test_enter_in_the_field_of_a_scan_code_checks_and_never_saves(desk: Desk, customer: str) -> None:
    """Rule 2, with everything there that a save needs."""
    staff = desk.served.as_("staff")
    code = issue(staff, customer).json()["scan_code"]
    page = desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    page.get_by_label("Document scan code").focus()
    desk.shoot_with_wand(code)
    expect(page.locator("#collection")).to_contain_text("Anna de Vries")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [row["status"] for row in view(staff, customer)] == ["issued"]


def test_the_code_of_a_form_goes_to_the_code_field_of_the_page(desk: Desk, customer: str) -> None:
    code = issue(desk.served.as_("staff"), customer).json()["scan_code"]
    page = desk.open("/add?source=none")
    page.locator("main").focus()
    desk.shoot_with_wand(code)
    expect(page.locator("#collection")).to_contain_text("Anna de Vries")
    is_shown(page)


def test_the_same_code_twice_is_looked_up_once(desk: Desk, customer: str, card: str) -> None:
    """Rule 7, also where a page was loaded in between."""
    page = desk.open("/add?source=none")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/find" in request.url else None)
    page.locator("main").focus()
    desk.shoot_with_wand(card)
    desk.shoot_with_wand(card)
    is_shown(page)
    assert len(asked) == 1
    page.goto("/work")
    page.get_by_label("Card number or scan code").focus()
    desk.shoot_with_wand(card)
    expect(page.get_by_label("Card number or scan code")).to_have_value(card)
    assert len(asked) == 1


@pytest.mark.parametrize("prefix", ["]C1", "]Q3"])
def test_what_a_gun_says_of_the_barcode_is_dropped(desk: Desk, customer: str, card: str, prefix: str) -> None:
    """Rule 4."""
    desk.expected = ("Failed to load resource",)
    page = desk.open("/add?source=none")
    page.locator("main").focus()
    desk.shoot_with_wand(prefix + card)
    is_shown(page)
    page.goto("/add?source=none")
    desk.shoot_with_wand(f"{prefix}{card}x")
    expect(page.get_by_label("Card number or scan code")).to_have_value(f"{card}x")


def test_a_code_that_nobody_has_is_overwritten_by_the_next_shot(desk: Desk, customer: str, card: str) -> None:
    """Rule 8."""
    desk.expected = ("Failed to load resource",)
    page = desk.open("/add?source=none")
    field = page.get_by_label("Card number or scan code")
    field.focus()
    desk.shoot_with_wand("9999999999999")
    expect(page.get_by_text("No customer or authorization has this code.").first).to_be_visible()
    expect(field).to_be_focused()
    desk.shoot_with_wand(card)
    is_shown(page)


def test_a_dialog_takes_what_is_shot_or_refuses_it_aloud(desk: Desk, customer: str, card: str) -> None:
    """Rule 5."""
    page = desk.open("/add?source=none")
    page.locator("#about").get_by_role("button", name="Search customer").click()
    page.get_by_role("button", name="Cancel").focus()
    desk.shoot_with_wand(card)
    expect(page.get_by_role("radio", name="Anna de Vries")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Keys").click()
    desk.shoot_with_wand(f"{card}1")
    expect(page.get_by_role("alert")).to_have_text(
        "The scanned code was ignored. Close this window first, then scan again."
    )
    expect(page.locator("#who")).to_contain_text("No customer chosen")


def test_three_notes_in_a_row_without_the_mouse(desks: Callable[..., Desk]) -> None:
    """Point 11: code, Ctrl+Enter, Enter, Enter; the next code comes right behind."""
    desk = desks()
    staff = desk.served.as_("staff")
    people = [a_customer(desk.served, name=f"Customer {n}") for n in range(3)]
    codes = [issue(staff, one).json()["scan_code"] for one in people]
    page = desk.open("/add?source=none")
    for n, code in enumerate(codes):
        expect(page.get_by_label("Card number or scan code")).to_be_focused()
        desk.shoot_with_wand(code)
        is_shown(page, f"Customer {n}")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alertdialog")).to_contain_text(f"Customer {n}")
        page.keyboard.press("Enter")
        expect(page.locator("#noted")).to_contain_text(f"Customer {n}")
        page.keyboard.press("Enter")
        expect(page.locator("#noted")).to_have_count(0)
    assert [view(staff, one)[0]["status"] for one in people] == ["active"] * 3
