"""Issue a form at the desk: from the choice of a type to the printed sheet and the authorization's page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desks import Desk
from tests.http.desk import a_customer, an_iban, check, item_of


def at_form(desk: Desk, name: str = "Eva Bos") -> Page:
    return desk.open(f"/customers/{a_customer(desk.served, name=name)}/form")


def issue(page: Page) -> None:
    page.get_by_role("button", name="Issue the form").click()


def test_a_debt_authorization_is_issued_and_its_sheet_printed(desk: Desk) -> None:
    page, iban = at_form(desk), an_iban()
    expect(page.get_by_text("Issues an authorization with its own scan code for Eva Bos", exact=False)).to_be_visible()
    page.get_by_label("Document type").select_option(label="Debt authorization")
    page.get_by_label("Account holder").fill("E. Bos")
    page.get_by_label("IBAN").fill(iban)
    issue(page)
    page.wait_for_url("**/authorizations/*")
    expect(page.get_by_role("status").filter(has_text="Form issued – print it now.")).to_be_visible()
    expect(page.locator("main")).to_contain_text(iban[-2:])
    sheet = page.request.get(page.get_by_role("link", name="Print form").get_attribute("href") or "")
    assert (sheet.status, sheet.headers["content-type"]) == (200, "application/pdf")
    code = page.locator(".facts code").first.inner_text()
    found = item_of(check(desk.served.as_("staff"), code))
    assert (found["customer"]["name"], found["collection"]["iban"]) == ("Eva Bos", iban)


def test_collection_data_is_asked_for_mandates_alone_and_does_not_count_for_others(desk: Desk) -> None:
    page = at_form(desk)
    expect(page.get_by_label("IBAN")).to_be_hidden()
    page.get_by_label("Document type").select_option(label="Debt authorization")
    page.get_by_label("IBAN").fill("not one at all")
    page.get_by_label("Document type").select_option(label="Guardian consent")
    expect(page.get_by_label("IBAN")).to_be_hidden()
    issue(page)
    expect(page.get_by_role("heading", name="Guardian consent")).to_be_visible()


def test_the_form_is_in_the_language_that_was_chosen(desk: Desk) -> None:
    page = at_form(desk)
    page.get_by_label("Document type").select_option(label="Guardian consent")
    page.get_by_label("Language of the form").select_option("nl")
    issue(page)
    page.wait_for_url("**/authorizations/*")
    authorization = page.url.partition("?")[0].rpartition("/")[2]
    history = item_of(desk.served.as_("staff").get(f"/v1/authorizations/{authorization}/history"))
    assert history["items"][0]["after"]["language"] == "nl"


def test_what_is_refused_keeps_what_was_typed_and_leads_to_its_field(desk: Desk) -> None:
    desk.expected = ("Failed to load resource",)
    page = at_form(desk)
    page.get_by_label("Document type").select_option(label="Debt authorization")
    page.get_by_label("Description").fill("Fees and charges")
    page.get_by_label("IBAN").fill("NL00ABNA0000000000")
    issue(page)
    summary = page.locator("[data-summary]")
    expect(summary).to_be_focused()
    for label, value in (("Description", "Fees and charges"), ("IBAN", "NL00ABNA0000000000")):
        expect(page.get_by_role("textbox", name=label)).to_have_value(value)
    summary.get_by_role("link").first.click()
    wrong = page.locator(":focus")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    assert wrong.get_attribute("aria-describedby")
    assert desk.violations() == []


def test_a_form_needs_a_type_and_says_so(desk: Desk) -> None:
    desk.expected = ("Failed to load resource",)
    page = at_form(desk)
    issue(page)
    expect(page.get_by_label("Document type")).to_be_focused()  # the browser asks for it
    page.locator("form.enter").evaluate("one => { one.noValidate = true }")
    issue(page)
    expect(page.locator("[data-summary]")).to_be_focused()
    expect(page.locator("#type-wrong")).to_be_visible()


def test_a_double_click_issues_one_form(desk: Desk) -> None:
    page = at_form(desk)
    page.get_by_label("Document type").select_option(label="Guardian consent")
    page.get_by_role("button", name="Issue the form").dblclick()
    page.wait_for_url("**/authorizations/*")
    page.get_by_role("link", name="View customer documents").click()
    expect(page.get_by_role("row").filter(has_text="Guardian consent")).to_have_count(1)


def test_ctrl_enter_issues_the_form(desk: Desk) -> None:
    page = at_form(desk)
    page.get_by_label("Document type").select_option(label="Guardian consent")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/authorizations/*")


@pytest.mark.parametrize("role", ["viewer"])
def test_who_may_issue_none_is_offered_none(desks: Callable[..., Desk], role: str) -> None:
    desk = desks(role=role)
    desk.expected = ("Failed to load resource",)
    customer = a_customer(desk.served)
    page = desk.open(f"/customers/{customer}")
    expect(page.get_by_role("link", name="Issue a form")).to_have_count(0)
    page.goto(f"/customers/{customer}/form")
    expect(page.get_by_text("Your account may not do this.", exact=False)).to_be_visible()


def test_it_is_found_from_the_customers_documents(desk: Desk) -> None:
    customer = a_customer(desk.served)
    page = desk.open(f"/customers/{customer}")
    page.get_by_role("link", name="Issue a form").click()
    expect(page.get_by_role("heading", name="Issue a form")).to_be_visible()


def test_without_scripts_a_form_is_issued_too(desks: Callable[..., Desk]) -> None:
    desk = desks(java_script_enabled=False)
    page = at_form(desk)
    page.get_by_label("Document type").select_option(label="Guardian consent")
    issue(page)
    page.wait_for_url("**/authorizations/*")
    expect(page.get_by_role("status").filter(has_text="Form issued – print it now.")).to_be_visible()
