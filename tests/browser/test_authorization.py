"""An authorization in a browser: each step of its life with its reason, refusals that keep what was typed, the past."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.desks import Desk
from tests.http.desk import (
    DEBT,
    IBANS,
    a_customer,
    a_mandate,
    an_iban,
    at,
    debt_issued,
    handed_in,
    item_of,
    noted,
    stepped,
    wrongly_lapsed,
)
from tests.http.served import Served

DAY = "2026-10-01"


def a_debt(served: Served, customer: str | None = None, **more: Any) -> dict[str, Any]:
    """An active mandate with its collection data."""
    whose = customer or a_customer(served)
    return noted(served.as_("staff"), whose, type=DEBT, mandate=a_mandate(iban=an_iban()), **more)


def opened(desk: Desk, item: dict[str, Any], query: str = "") -> Page:
    """Its page, not before the archive shows what was done last."""
    return desk.open(f"/authorizations/{item['id']}?at={item['position']}{query}")


def step(page: Page, name: str) -> Locator:
    """The form of a step, opened as people do."""
    form = page.locator("details").filter(has=page.locator("summary", has_text=name))
    form.locator("summary").click()
    return form


def send(form: Locator, name: str, **typed: str) -> None:
    for label, text in typed.items():
        form.get_by_label(label.replace("_", " ")).fill(text)
    form.get_by_role("button", name=name, exact=True).click()


def recorded(page: Page, said: str) -> None:
    expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()


def fact(page: Page, name: str) -> Locator:
    return page.locator(".facts > div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def names(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".change summary").all_inner_texts()]


# -- each step --------------------------------------------------------------------------------------------------------


def test_a_mandate_is_suspended_and_resumed(desk: Desk) -> None:
    page = opened(desk, a_debt(desk.served))
    send(step(page, "Suspend"), "Suspend", Reason="Card is lost")
    recorded(page, "Authorization suspended.")
    expect(fact(page, "Status")).to_contain_text("Suspended")
    expect(page.get_by_text("does not count until it is resumed. Reason: Card is lost")).to_be_visible()
    assert "Suspend" not in names(page)
    send(step(page, "Resume"), "Resume", Reason="Card was found")
    recorded(page, "Authorization resumed.")
    expect(fact(page, "Status")).to_contain_text("Active")
    expect(page.get_by_text("Authorization suspended by", exact=False)).to_be_visible()


def test_what_a_wrong_clock_ended_is_taken_back(desk: Desk) -> None:
    page = opened(desk, wrongly_lapsed(desk.served, a_debt(desk.served)))
    expect(fact(page, "Status")).to_contain_text("Expired")
    send(step(page, "Reinstate the authorization"), "Reinstate the authorization", Reason="The clock was wrong")
    recorded(page, "Authorization reinstated.")
    expect(fact(page, "Status")).to_contain_text("Active")
    assert "Reinstate the authorization" not in names(page)
    expect(page.get_by_text("Authorization reinstated by", exact=False)).to_be_visible()


def test_an_amendment_is_typed_beside_what_stands_and_starts_the_collections_anew(desk: Desk) -> None:
    mandate = a_debt(desk.served)
    page = opened(desk, mandate)
    form = step(page, "Amend the mandate")
    expect(form.get_by_text("Now: J. de Vries")).to_be_visible()
    send(form, "Amend the mandate", IBAN=IBANS[1], Reason="Moved to another bank")
    recorded(page, "Mandate amended.")
    expect(fact(page, "IBAN")).to_have_text("BE68 5390 0754 7034")
    expect(fact(page, "Payment type")).to_have_text("First")


def test_a_revocation_tells_when_the_word_came_in_and_ends_it(desk: Desk) -> None:
    page = opened(desk, a_debt(desk.served))
    form = step(page, "Revoke")
    expect(form.get_by_label("Received on")).not_to_have_value("")
    send(form, "Revoke", Reason="By letter")
    recorded(page, "Authorization revoked.")
    expect(fact(page, "Status")).to_contain_text("Revoked")
    assert names(page) == ["Report a collection"]


def test_what_cannot_be_taken_back_is_drawn_apart(desk: Desk) -> None:
    page = opened(desk, a_debt(desk.served))

    def ink(name: str) -> str:
        button = step(page, name).get_by_role("button", name=name, exact=True)
        return str(button.evaluate("(button) => getComputedStyle(button).color"))

    assert ink("Revoke") == ink("Supersede")
    assert ink("Revoke") not in {ink("Suspend"), ink("Amend the mandate")}


def test_another_one_takes_its_place(desk: Desk) -> None:
    customer = a_customer(desk.served)
    old = a_debt(desk.served, customer)
    page = opened(desk, old)
    form = step(page, "Supersede")
    expect(form.get_by_text("This customer has no other authorization.", exact=False)).to_be_visible()
    newer = debt_issued(desk.served.as_("staff"), customer)
    page = opened(desk, {**old, "position": newer["position"]})
    form = step(page, "Supersede")
    form.get_by_label("Superseded by").select_option(newer["authorization"]["id"])
    send(form, "Supersede", Reason="A new form")
    recorded(page, "Authorization superseded.")
    expect(fact(page, "Status")).to_contain_text("Superseded")


def test_a_collection_is_reported_without_a_reason(desk: Desk) -> None:
    page = opened(desk, a_debt(desk.served))
    form = step(page, "Report a collection")
    form.get_by_label("Outcome").select_option("paid")
    send(form, "Report a collection", Presented_on=DAY, Due_on=DAY)
    recorded(page, "Collection reported.")
    expect(fact(page, "Last collection")).to_have_text("1 Oct 2026")
    expect(page.get_by_text("Collection reported by", exact=False)).to_be_visible()
    expect(page.locator("#history ~ dl, .head:has(#history) ~ dl")).to_contain_text("Outcome: Paid")


def test_a_form_that_nobody_signed_is_printed_again_or_cancelled(desk: Desk) -> None:
    form = debt_issued(desk.served.as_("staff"), a_customer(desk.served))
    page = opened(desk, {**form["authorization"], "position": form["position"]})
    expect(page.get_by_text("Not signed yet.", exact=False)).to_be_visible()
    expect(page.get_by_text("incomplete", exact=False)).to_have_count(0)
    sheet = page.request.get(page.get_by_role("link", name="Print form").get_attribute("href") or "")
    assert sheet.body().startswith(b"%PDF-")
    assert names(page) == ["Cancel the form"]
    send(step(page, "Cancel the form"), "Cancel the form", Reason="Changed her mind")
    recorded(page, "Form cancelled.")
    expect(fact(page, "Status")).to_contain_text("Cancelled")
    expect(page.get_by_role("link", name="Print form")).to_have_count(0)


def test_a_mandate_without_collection_data_says_that_nothing_can_be_collected(desk: Desk) -> None:
    page = opened(desk, noted(desk.served.as_("staff"), a_customer(desk.served), type=DEBT))
    expect(page.get_by_text("The collection data is incomplete", exact=False)).to_be_visible()


def test_it_moves_to_a_customer_who_is_looked_for_by_name(desks: Callable[..., Desk]) -> None:
    desk = desks(role="supervisor")
    card = "2900" + an_iban()[-10:]
    other = a_customer(desk.served, name="Wilhelmina Zomer", card_numbers=[card])
    page = opened(desk, a_debt(desk.served))
    form = step(page, "Move to other customer")
    form.get_by_label("Customer").fill(card)
    form.get_by_role("button", name="Search").click()
    chosen = page.get_by_role("radio", name="Wilhelmina Zomer")
    expect(chosen).to_be_checked()
    expect(chosen).to_be_focused()
    form = page.locator("details[open]")
    form.get_by_label("Reason").fill("Wrong person")
    form.get_by_role("button", name="Search").click()  # looks again and moves nothing
    expect(page.locator("details[open]").get_by_label("Reason")).to_have_value("Wrong person")
    send(page.locator("details[open]"), "Move to other customer")
    recorded(page, "Authorization moved to the other customer.")
    expect(page.locator("#who")).to_contain_text("Wilhelmina Zomer")
    expect(page.get_by_role("link", name="View customer documents")).to_have_attribute("href", f"/customers/{other}")


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_what_is_refused_opens_its_step_keeps_what_was_typed_and_leads_to_the_field(desk: Desk) -> None:
    desk.expected = ("Failed to load resource",)
    page = opened(desk, a_debt(desk.served))
    send(
        step(page, "Amend the mandate"), "Amend the mandate", IBAN="NL00ABNA0000000000", Reason="Moved", BIC="ABNANL2A"
    )
    summary = page.locator("[data-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("IBAN")
    form = page.locator("details[open]")
    expect(form.locator("summary")).to_have_text("Amend the mandate")
    expect(form.get_by_label("IBAN")).to_have_value("NL00ABNA0000000000")
    expect(form.get_by_label("BIC")).to_have_value("ABNANL2A")
    expect(form.get_by_label("Reason")).to_have_value("Moved")
    assert desk.violations() == []


@pytest.mark.parametrize(
    ("name", "field"),
    [("Suspend", "Reason"), ("Amend the mandate", "Account holder"), ("Report a collection", "Due on")],
)
def test_a_field_that_is_wrong_is_named_and_the_link_leads_to_it(desk: Desk, name: str, field: str) -> None:
    """What a browser would not let through is typed past it."""
    desk.expected = ("Failed to load resource",)
    page = opened(desk, a_debt(desk.served))
    form = step(page, name)
    for label in ("Reason", "Presented on", "Due on"):
        if form.get_by_label(label).count():
            form.get_by_label(label).fill("2026-10-01" if label.endswith("on") else "Because")
    if form.get_by_label("Outcome").count():
        form.get_by_label("Outcome").select_option("paid")
    wrong = {"Reason": "", "Account holder": "x" * 80, "Due on": "9999-12-31"}[field]
    form.get_by_label(field).evaluate("(one, text) => { one.type = 'text'; one.value = text }", wrong)
    form.locator("form").evaluate("one => { one.noValidate = true }")
    form.get_by_role("button", name=name, exact=True).click()
    summary = page.locator("[data-summary]")
    expect(summary).to_be_focused()
    summary.get_by_role("link", name=field).click()
    again = page.locator("details[open]").get_by_label(field)
    expect(again).to_be_focused()
    expect(again).to_have_attribute("aria-invalid", "true")


def test_who_was_second_sees_both_and_chooses(desk: Desk) -> None:
    desk.expected = ("Failed to load resource",)
    mandate = a_debt(desk.served)
    page = opened(desk, mandate)
    form = step(page, "Amend the mandate")
    amended = stepped(desk.served.as_("supervisor"), mandate, "amend", debtor_name="Jan Smit", reason="A slip")
    send(form, "Amend the mandate", IBAN=IBANS[2], Reason="Moved to another bank")
    both = page.get_by_role("region", name="Changed meanwhile")
    expect(both).to_contain_text("Your text is kept. Compare and choose.")
    expect(both.locator("del")).to_contain_text("J. de Vries")
    expect(both.locator("ins")).to_contain_text("Jan Smit")
    expect(both).to_contain_text("A slip")
    expect(both).to_contain_text(IBANS[2])
    expect(both).to_contain_text("Moved to another bank")
    expect(fact(page, "Account holder")).to_have_text("Jan Smit")
    assert desk.violations() == []
    both.get_by_role("button", name="Save my version").click()
    recorded(page, "Mandate amended.")
    expect(fact(page, "Account holder")).to_have_text("Jan Smit")
    expect(fact(page, "IBAN")).to_have_text("DE89 3704 0044 0532 0130 00")
    assert (
        item_of(desk.served.as_("staff").get(f"/v1/authorizations/{mandate['id']}"))["version"]
        == amended["version"] + 1
    )


def test_who_was_second_can_take_what_is_there(desk: Desk) -> None:
    desk.expected = ("Failed to load resource",)
    mandate = a_debt(desk.served)
    page = opened(desk, mandate)
    form = step(page, "Suspend")
    stepped(desk.served.as_("supervisor"), mandate, "revoke", received_on=DAY)
    send(form, "Suspend", Reason="Card is lost")
    both = page.get_by_role("region", name="Changed meanwhile")
    expect(both).to_contain_text("Authorization revoked")
    expect(both.get_by_role("button", name="Save my version")).to_have_count(0)
    both.get_by_role("link", name="Use their version").click()
    expect(fact(page, "Status")).to_contain_text("Revoked")
    expect(both).to_have_count(0)


# -- the past, and other roles ----------------------------------------------------------------------------------------


def test_the_past_has_no_buttons_and_leads_back_to_now(desk: Desk) -> None:
    mandate = a_debt(desk.served)
    suspended = stepped(desk.served.as_("staff"), mandate, "suspend")
    page = opened(desk, suspended, f"&as_of={mandate['position']}")
    expect(page.get_by_text("You are viewing")).to_be_visible()
    expect(fact(page, "Status")).to_contain_text("Active")
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    assert names(page) == []
    expect(page.get_by_text("Authorization suspended by", exact=False)).to_have_count(0)
    page.get_by_role("link", name="Back to now").click()
    expect(fact(page, "Status")).to_contain_text("Suspended")


def test_a_role_without_the_right_has_no_buttons(desks: Callable[..., Desk]) -> None:
    desk = desks(role="viewer")
    page = opened(desk, a_debt(desk.served))
    expect(fact(page, "IBAN")).to_contain_text("••••")
    assert names(page) == []
    expect(page.get_by_role("link", name="Mandate dossier")).to_have_count(0)
    expect(page.get_by_role("link", name="Print form")).to_have_count(0)


def test_only_who_may_move_papers_is_offered_it(desks: Callable[..., Desk]) -> None:
    desk, mandate = desks(), a_debt(desks().served)
    assert "Move to other customer" not in names(opened(desk, mandate))
    assert "Move to other customer" in names(opened(desks(role="supervisor"), mandate))


def test_who_asks_for_a_page_without_the_right_is_told_who_can_give_it(desks: Callable[..., Desk]) -> None:
    desk = desks(role="viewer")
    desk.expected = ("Failed to load resource",)
    page = desk.open(f"/customers/{a_customer(desk.served)}/form")
    expect(page.get_by_text("Ask your Dossier administrator for access.", exact=False)).to_be_visible()
    assert desk.violations() == []


def test_its_paper_and_its_dossier_are_one_press_away(desk: Desk) -> None:
    staff = desk.served.as_("staff")
    form = debt_issued(staff, a_customer(desk.served))
    signed = handed_in(staff, form["scan_code"])
    page = opened(desk, signed)
    with page.expect_download() as dossier:
        page.get_by_role("link", name="Mandate dossier").click()
    assert dossier.value.path().read_bytes().startswith(b"PK")
    image = page.get_by_role("img", name="First page of the document")
    expect(image).to_be_visible()
    image.evaluate("image => image.decode()")  # it came
    page.get_by_role("link", name="Open the document").click()
    page.wait_for_url(f"**/documents/{signed['evidence']}")
    assert staff.get(f"/v1/documents/{signed['evidence']}", headers=at(signed["position"])).is_success
