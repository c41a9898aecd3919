"""The built-in register in a browser: find, add and change a customer."""

import re
import secrets
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.desks import Desk
from tests.http.desk import a_customer, item_of


def a_number() -> str:
    return f"n{secrets.token_hex(5)}"


def a_card() -> str:
    return f"2900{secrets.randbelow(10**10):010}"


def adding(desks: Callable[..., Desk]) -> tuple[Desk, Page]:
    desk = desks(role="operator")
    desk.expected = ("Failed to load resource",)
    return desk, desk.open("/customers/new")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def test_a_customer_is_added_found_and_changed(desks: Callable[..., Desk]) -> None:
    desk, page = adding(desks)
    number, card, name = a_number(), a_card(), f"Zoë Öztürk-{secrets.token_hex(3)}"
    expect(page.get_by_label("Customer number")).to_be_focused()
    page.get_by_label("Customer number").fill(number)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Birth date").fill("30-11-2014")
    page.get_by_label("Card numbers").fill(f"{card} {a_card()}")
    save(page)
    page.wait_for_url(f"**/customers/{number}")
    expect(page.locator("#who")).to_contain_text(name)

    page.goto("/customers")
    page.get_by_label("Name, card number, birth date or customer number").fill(card)
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Customers found").get_by_role("link", name=name).click()
    page.wait_for_url(f"**/customers/{number}")

    page.goto(f"/customers/{number}/edit")
    expect(page.get_by_label("Card numbers")).to_have_value(re.compile(f"^{card} "))
    page.get_by_label("Branch").fill("NORTH")
    save(page)
    page.wait_for_url(f"**/customers/{number}")
    changed = item_of(desk.served.as_("operator").get(f"/v1/customers/{number}"))
    assert (changed["name"], changed["home_branch"], changed["birth_date"]) == (name, "NORTH", "2014-11-30")
    assert len(changed["card_numbers"]) == 2


def test_a_number_that_is_taken_is_refused_and_nobody_is_written_over(desks: Callable[..., Desk]) -> None:
    desk, page = adding(desks)
    taken = a_customer(desk.served, name="Eva Bos")
    page.get_by_label("Customer number").fill(taken)
    page.get_by_label("Name", exact=True).fill("Somebody else")
    save(page)
    summary = page.locator("[data-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("already belongs to another customer")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Somebody else")
    summary.get_by_role("link", name="Customer number").click()
    expect(page.get_by_label("Customer number")).to_be_focused()
    assert item_of(desk.served.as_("staff").get(f"/v1/customers/{taken}"))["name"] == "Eva Bos"
    assert desk.violations() == []


def test_each_wrong_field_is_named_and_everything_is_kept(desks: Callable[..., Desk]) -> None:
    desk, page = adding(desks)
    page.get_by_label("Customer number").fill(a_number())
    page.get_by_label("Name", exact=True).fill("Eva Bos")
    page.get_by_label("Birth date").fill("1-1-2199")
    page.get_by_label("Branch").fill("no branch!")
    page.get_by_label("Card numbers").fill("123 123")
    save(page)
    summary = page.locator("[data-summary]")
    expect(summary).to_be_focused()
    links = summary.get_by_role("link").all_inner_texts()
    assert {"Birth date", "Branch", "Card numbers"} == set(links)
    for label in links:
        summary.get_by_role("link", name=label).click()
        expect(page.locator(":focus")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Card numbers")).to_have_value("123 123")
    expect(page.get_by_label("Birth date")).to_have_value("01/01/2199")
    assert desk.violations() == []


def test_a_number_that_cannot_be_one_is_refused(desks: Callable[..., Desk]) -> None:
    _, page = adding(desks)
    page.get_by_label("Customer number").fill("with a space")
    page.get_by_label("Name", exact=True).fill("Eva Bos")
    save(page)
    page.locator("[data-summary]").get_by_role("link", name="Customer number").click()
    expect(page.get_by_label("Customer number")).to_have_value("with a space")


def test_a_card_of_somebody_else_is_refused(desks: Callable[..., Desk]) -> None:
    desk, page = adding(desks)
    card = a_card()
    a_customer(desk.served, card_numbers=[card])
    page.get_by_label("Customer number").fill(a_number())
    page.get_by_label("Name", exact=True).fill("Eva Bos")
    page.get_by_label("Card numbers").fill(card)
    save(page)
    page.locator("[data-summary]").get_by_role("link", name="Card numbers").click()
    expect(page.get_by_label("Card numbers")).to_be_focused()


def test_a_search_says_how_many_there_are_and_what_to_do_with_none(desk: Desk) -> None:
    page = desk.open("/customers")
    expect(page.get_by_role("heading", name="Find a customer")).to_be_visible()
    field = page.get_by_label("Name, card number, birth date or customer number")
    expect(field).to_be_focused()
    field.fill("Xqzvwkjh")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="No customer found")).to_be_visible()
    assert "q=Xqzvwkjh" in page.url
    number = a_customer(desk.served)
    field.fill(number)
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text=number)).to_be_visible()
    expect(page.get_by_text("1 customer", exact=True)).to_be_visible()


def test_staff_who_may_not_change_the_register_are_not_offered_it(desk: Desk) -> None:
    desk.expected = ("Failed to load resource",)
    page = desk.open("/customers")
    expect(page.get_by_role("link", name="Add customer")).to_have_count(0)
    page.goto("/customers/new")
    expect(page.get_by_text("Your account may not do this.", exact=False)).to_be_visible()


def test_a_name_cannot_become_markup(desks: Callable[..., Desk]) -> None:
    desk = desks(role="operator")
    customer = a_customer(desk.served, name='<img src=x onerror=alert(1)> & "quoted"')
    page = desk.open(f"/customers/{customer}/edit")
    expect(page.get_by_label("Name", exact=True)).to_have_value('<img src=x onerror=alert(1)> & "quoted"')
    expect(page.locator("#who")).to_contain_text("<img src=x")
