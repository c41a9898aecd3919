"""Upload customer document without scripts: every way from the empty page to what is in the customer's documents."""

import secrets
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.http.desk import (
    CONSENT,
    DEBT,
    a_customer,
    a_letter,
    archived,
    at,
    debt_issued,
    handed_in,
    issued,
    noted,
    said_in,
    select_file,
    view,
)
from tests.http.pages import Page, Visitor
from tests.http.served import Served
from tests.paper.files import a_docx, a_locked_pdf

HELD = {"aria-disabled": "true"}


@pytest.fixture
def desk(served: Served) -> Iterator[Visitor]:
    with Visitor(served) as visitor:
        yield visitor


def a_card() -> str:
    return f"29{secrets.randbelow(10**12):012}"


def save_file(desk: Visitor, page: Page, data: bytes, name: str = "letter.pdf", **fields: str) -> Page:
    """Press Save on a page of Select file."""
    action = page.one("enter")[1]["action"]
    own = {"customer", "type", "scan_code", "check_token", "note", "received_on", "signed_on", "ground"}
    sent = {name: value for name, value in page.fields().items() if name in own}
    return desk.send(action, {**sent, **fields}, files={"file": (name, data)} if name else None)


def save_note(desk: Visitor, page: Page, **fields: str) -> Page:
    """Press Save on a page of No upload: what is answered."""
    return desk.send(page.one("enter")[1]["action"], {**page.fields(), **fields})


def confirm(desk: Visitor, question: Page) -> Page:
    return desk.send("/add/note", {**question.fields(), "confirmed": "1"})


def position_of(done: Page) -> int:
    """Where the log stood when it was saved: the page's address has it."""
    return int(parse_qs(urlsplit(str(done.answer.url)).query)["at"][0])


# -- S1 -----------------------------------------------------------------------------------------------------------


def test_nothing_is_active_before_a_source_is_chosen(desk: Visitor) -> None:
    """Rules A1 and D1."""
    page = desk.open("/add")
    assert [one["value"] for one, _ in page.all("input", type="radio", name="source")] == ["scan", "file", "none"]
    assert page.all("input", type="radio", checked="") == []
    assert not page.has("scan-code")
    assert not page.has("file")
    assert page.one("save")[1].items() >= HELD.items()
    assert "Nothing to save yet" in page.text_of("outcome")


def test_a_desk_has_its_last_source_again(desk: Visitor, served: Served) -> None:
    desk.open("/add", source="none")
    assert desk.open("/add").all("input", name="source", checked="")[0][0]["value"] == "none"
    with Visitor(served) as other:
        assert other.open("/add").all("input", name="source", checked="") == []


def test_the_list_says_what_is_missing_and_the_outcome_what_save_does(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    page = desk.open("/add", source="none", customer=customer)
    assert "Still needed:" in page.text_of("outcome")
    assert page.one("save")[1].items() >= HELD.items()
    page = desk.open("/add", source="none", customer=customer, type=CONSENT)
    assert "The authorization is recorded for Ada Vermeer." in page.text_of("outcome")
    assert "aria-disabled" not in page.one("save")[1]


def test_a_type_that_the_source_does_not_take_is_not_chosen(desk: Visitor, served: Served) -> None:
    page = desk.open("/add", source="none", customer=a_customer(served), type="LETTER")
    assert page.value("type") == ""
    assert "Choose a document type." in page.text_of("outcome")


def test_a_customer_whom_nobody_knows_is_not_chosen(desk: Visitor) -> None:
    assert desk.open("/add", source="file", customer="nobody-at-all").value("customer") == ""


# -- the code field -----------------------------------------------------------------------------------------------


def test_a_card_leads_to_its_customers_documents(desk: Visitor, served: Served) -> None:
    card = a_card()
    customer = a_customer(served, card_numbers=[card])
    for code in (card, f"{card[:4]}-{card[4:]}", f"]C1{card}\r", customer):
        assert desk.led("/find", code=code) == f"/customers/{customer}", code


def test_a_link_of_a_library_system_leads_to_the_customer(desk: Visitor, served: Served) -> None:
    card = a_card()
    customer = a_customer(served, card_numbers=[card])
    assert desk.led("/", customer=customer) == f"/customers/{customer}"
    assert urlsplit(str(desk.open("/", card=card).answer.url)).path == f"/customers/{customer}"
    assert desk.led("/", customer="../sign-out") == "/customers/..%2Fsign-out"


def test_a_scan_code_leads_to_the_customer_of_its_form_before_and_after_it_was_used(
    desk: Visitor, served: Served
) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    code = issued(staff, customer)["scan_code"]
    assert desk.led("/find", code=code.lower()) == f"/customers/{customer}"
    handed_in(staff, code)
    assert desk.led("/find", code=code) == f"/customers/{customer}"


def test_a_code_that_nobody_has_says_so(desk: Visitor) -> None:
    page = desk.open("/find", code=a_card())
    assert page.answer.status_code == 404
    assert "No customer or authorization has this code." in page.main
    assert page.one("look-up")[1]["aria-invalid"] == "true"


def test_a_mistyped_scan_code_says_what_is_wrong(desk: Visitor, served: Served) -> None:
    code = issued(served.as_("staff"), a_customer(served))["scan_code"]
    wrong = code[:-3] + str((int(code[-3]) + 1) % 10) + code[-2:]
    assert "A character of the scan code is wrong" in desk.open("/find", code=wrong).main


def test_a_code_of_two_customers_asks_which(desk: Visitor, served: Served) -> None:
    number = a_card()
    other = a_customer(served, name="Bea Jansen", card_numbers=[number])
    served.as_("operator").put(f"/v1/customers/{number}", json={"name": "Cas Smit"})
    page = desk.open("/find", code=number)
    assert "This code matches 2 customers. Choose one." in page.main
    assert {one["href"] for one, _ in page.all("a", **{"class": "btn pick"})} == {
        f"/customers/{other}",
        f"/customers/{number}",
    }


def test_a_name_in_the_code_field_is_searched(desk: Visitor) -> None:
    assert desk.led("/find", code="de Vries") == "/customers?q=de+Vries"


def test_a_viewer_finds_customers_and_no_forms(served: Served) -> None:
    card = a_card()
    customer = a_customer(served, card_numbers=[card])
    code = issued(served.as_("staff"), customer)["scan_code"]
    with Visitor(served, "viewer") as viewer:
        assert viewer.led("/find", code=card) == f"/customers/{customer}"
        assert viewer.open("/find", code=code).answer.status_code == 404


def test_on_the_page_that_adds_a_card_chooses_its_customer_there(desk: Visitor, served: Served) -> None:
    card = a_card()
    customer = a_customer(served, card_numbers=[card])
    page = desk.open("/find", at="add", source="file", type="LETTER", code=card)
    assert (page.value("customer"), page.value("type")) == (customer, "LETTER")
    assert page.has("file")


def test_on_the_page_that_adds_a_scan_code_is_checked(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    code = debt_issued(served.as_("staff"), customer)["scan_code"]
    page = desk.open("/find", at="add", source="file", code=code)
    assert "Issued for Ada Vermeer" in page.text_of("collection")
    assert "NL91 ABNA 0417 1643 00" in page.text_of("collection")
    assert (page.value("customer"), page.value("type")) == (customer, DEBT)
    assert page.value("check_token")


def test_on_the_page_that_adds_a_code_that_nobody_has_keeps_what_was_entered(desk: Visitor, served: Served) -> None:
    customer, code = a_customer(served), a_card()
    fields = {"at": "add", "source": "none", "customer": customer, "type": CONSENT, "note": "as agreed", "code": code}
    page = desk.send("/find", fields)
    assert page.answer.status_code == 404
    assert "No customer or authorization has this code." in page.text_of("alert")
    assert (page.value("customer"), page.value("type"), page.value("note")) == (customer, CONSENT, "as agreed")


def test_on_the_page_that_adds_a_code_of_two_asks_which_and_goes_on_there(desk: Visitor, served: Served) -> None:
    number = a_card()
    other = a_customer(served, card_numbers=[number])
    served.as_("operator").put(f"/v1/customers/{number}", json={"name": "Cas Smit"})
    page = desk.send("/find", {"at": "add", "source": "none", "note": "as agreed", "code": number})
    assert {one["value"] for one, _ in page.all("button", name="customer")} == {other, number}
    page = desk.send("/add", {**page.fields(), "customer": other})
    assert (page.value("customer"), page.value("note")) == (other, "as agreed")


# -- Check --------------------------------------------------------------------------------------------------------


def test_a_changed_code_voids_its_check_and_what_it_filled_in(desk: Visitor, served: Served) -> None:
    staff = served.as_("staff")
    code, other = (issued(staff, a_customer(served))["scan_code"] for _ in range(2))
    checked = desk.open("/add", source="none", scan_code=code, check="1")
    page = desk.send("/add", {**checked.fields(), "scan_code": other})
    assert not page.text_of("collection").startswith("Code checked")
    assert (page.value("customer"), page.value("type")) == ("", "")
    assert "Check the scan code." in page.text_of("outcome")


def test_a_checked_code_is_shown_as_it_is_printed_whatever_was_changed_since(desk: Visitor, served: Served) -> None:
    """Its groups were grouped again."""
    code = issued(served.as_("staff"), a_customer(served))["scan_code"]
    checked = desk.open("/add", source="none", scan_code=code, check="1")
    page = desk.send("/add", {**checked.fields(), "note": "as agreed"})
    for shown in (checked, page):
        assert f"Document scan code{checked.value('scan_code')} " in shown.text_of("rail")
    assert checked.value("scan_code").replace(" ", "") == code


def test_an_unknown_code_stays_said_until_the_page_goes_on_without_it(desk: Visitor, served: Served) -> None:
    code = a_card()
    checked = desk.open("/add", source="file", scan_code=code, check="1")
    page = desk.send("/add", {**checked.fields(), "customer": a_customer(served), "type": "LETTER"})
    assert "A character of the scan code is wrong" in page.text_of("about")
    assert "Correct the scan code, or continue without one." in page.text_of("outcome")
    (button,) = page.all("button", name="without_code")
    assert button[0]["formaction"] == "/add"
    page = desk.send("/add", {**page.fields(), "without_code": "1"})
    assert page.value("scan_code") == ""
    assert "code" not in page.text_of("rail")
    assert page.value("type") == "LETTER"


def test_another_code_than_the_refused_one_waits_for_its_check(desk: Visitor) -> None:
    checked = desk.open("/add", source="file", scan_code=a_card(), check="1")
    page = desk.send("/add", {**checked.fields(), "scan_code": a_card()})
    assert "Check the scan code." in page.text_of("outcome")
    assert not page.has("without-code")


@pytest.mark.parametrize(("language", "noun"), [("nl", "Notitie"), ("de", "Notiz")])
def test_the_field_of_a_note_is_called_by_a_noun(desk: Visitor, language: str, noun: str) -> None:
    page = desk.open("/add", source="none", lang=language)
    assert f"{noun} (" in page.answer.text.replace('<span class="quiet">', "")


def test_a_code_of_another_customer_names_both_and_can_be_followed(desk: Visitor, served: Served) -> None:
    chosen, owner = a_customer(served, name="Ada Vermeer"), a_customer(served, name="Bea Jansen")
    code = issued(served.as_("staff"), owner)["scan_code"]
    page = desk.send("/add", {"source": "none", "customer": chosen, "scan_code": code, "check": "1"})
    assert "The code belongs to Bea Jansen, not to Ada Vermeer." in page.text_of("about")
    assert page.value("customer") == chosen
    page = desk.send("/add", {**page.fields(), "instead": owner})
    assert page.value("customer") == owner
    assert "Issued for Bea Jansen" in page.text_of("collection")


def test_a_used_code_says_when_and_leads_to_its_paper(desk: Visitor, served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    code = issued(staff, customer)["scan_code"]
    evidence = handed_in(staff, code)["evidence"]
    page = desk.open("/add", source="file", scan_code=code, check="1")
    assert "Already archived on" in page.text_of("about")
    assert page.all("a", href=f"/documents/{evidence}")


# -- S3 -----------------------------------------------------------------------------------------------------------


def test_a_file_is_saved_and_shown(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    page = desk.open("/add", source="file", customer=customer, type="LETTER")
    page = save_file(desk, page, a_letter(2), note="Change of address", received_on="31-1-2026")
    assert "for Ada Vermeer: Letter, letter.pdf, 2 pages" in page.text_of("done")
    assert page.value("customer") == ""  # the next customer
    position = position_of(page)
    (item,) = view(served.as_("staff"), customer, position)
    assert (item["note"], item["received_on"], item["source"]) == ("Change of address", "2026-01-31", "file")


def test_save_and_next_keeps_the_customer(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    page = desk.open("/add", source="file", customer=customer, type="LETTER")
    address = page.one("save-next")[1]["formaction"]
    files = {"file": ("a.pdf", a_letter())}
    page = desk.send(address, {"customer": customer, "type": "LETTER"}, files=files)
    assert page.has("file")
    assert (page.value("customer"), page.value("type")) == (customer, "")


def test_a_file_sent_twice_by_one_page_is_saved_once(desk: Visitor, served: Served) -> None:
    customer, data = a_customer(served), a_letter()
    page = desk.open("/add", source="file", customer=customer, type="LETTER")
    first, second = (save_file(desk, page, data) for _ in range(2))
    assert first.answer.url == second.answer.url
    position = position_of(second)
    assert len(view(served.as_("staff"), customer, position)) == 1


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "empty.pdf", "The file is empty."),
        (b"MZ\x90\0" + bytes(200), "letter.pdf", "This is a program, not a document."),
        (b"%PDF-1.7 cut", "cut.pdf", "The file cannot be read completely."),
    ],
)
def test_a_refused_file_says_why_and_keeps_what_was_entered(
    desk: Visitor, served: Served, data: bytes, name: str, words: str
) -> None:
    customer = a_customer(served)
    page = desk.open("/add", source="file", customer=customer, type="LETTER")
    page = save_file(desk, page, data, name=name, note="as agreed", received_on="2026-01-31")
    assert page.answer.status_code >= 400
    assert words in page.text_of("alert")
    kept = {name: page.value(name) for name in ("customer", "type", "note", "received_on")}
    assert kept == {"customer": customer, "type": "LETTER", "note": "as agreed", "received_on": "31/01/2026"}


def test_a_type_that_takes_no_office_file_says_which_it_is(desk: Visitor, served: Served) -> None:
    definition = {"labels": {"en": "Plan"}, "kind": "document", "sensitivity": "ordinary"}
    code = f"PLAN_{secrets.token_hex(4).upper()}"
    served.as_("operator").put(f"/v1/document-types/{code}", json={**definition, "media_types": ["application/pdf"]})
    page = desk.open("/add", source="file", customer=a_customer(served), type=code)
    page = save_file(desk, page, a_docx(), name="plan.docx")
    assert "This is a Word file. Save it as PDF first." in page.text_of("alert")


def test_a_pdf_with_a_password_is_saved_and_says_that_there_is_no_preview(desk: Visitor, served: Served) -> None:
    page = desk.open("/add", source="file", customer=a_customer(served), type="LETTER")
    assert "This PDF has a password" in save_file(desk, page, a_locked_pdf()).text_of("done")


def test_the_same_file_again_is_told_and_can_be_added_anyway(desk: Visitor, served: Served) -> None:
    customer, data = a_customer(served), a_letter()
    earlier = archived(served.as_("staff"), customer, data)
    page = desk.open("/add", source="file", customer=customer, type="LETTER")
    page = save_file(desk, page, data)
    assert "The same file was added on" in page.text_of("alert")
    assert page.all("a", href=f"/documents/{earlier['id']}")
    assert page.all("input", type="checkbox", name="duplicate", value="allow", form="enter")
    page = save_file(desk, page, data, duplicate="allow")
    assert page.text_of("done").startswith("Saved")


def test_a_file_with_a_checked_code_becomes_the_evidence_of_its_form(desk: Visitor, served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    code = issued(staff, customer)["scan_code"]
    page = desk.open("/add", source="file", scan_code=code, check="1")
    assert page.one("save")[2][0].strip() == "OK"
    page = save_file(desk, page, a_letter())
    assert page.text_of("done").startswith("Saved")
    position = position_of(page)
    (item,) = view(staff, customer, position)
    assert (item["kind"], item["status"], item["evidence"] is not None) == ("authorization", "active", True)


def test_a_copy_of_what_is_only_verified_asks_its_ground(desk: Visitor, served: Served) -> None:
    page = desk.open("/add", source="file", customer=a_customer(served), type="IDENTIFICATION")
    assert "Enter the legal ground." in page.text_of("outcome")
    refused = save_file(desk, page, a_letter(), ground="")
    assert "are kept only on a legal ground" in refused.text_of("alert")
    assert save_file(desk, refused, a_letter(), ground="Wwft art. 33").text_of("done").startswith("Saved")


def test_nothing_chosen_names_every_field(desk: Visitor) -> None:
    page = save_file(desk, desk.open("/add", source="file"), b"", name="")
    assert page.answer.status_code in (415, 422)


# -- S4 -----------------------------------------------------------------------------------------------------------


def test_no_upload_asks_and_then_notes(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    page = desk.open("/add", source="none", customer=customer, type=CONSENT)
    question = save_note(desk, page, shelf_mark="B 12", signed_on="31.1.2026")
    for words in ("Ada Vermeer", "Guardian consent", "B 12", "The original must be kept on paper."):
        assert words in question.main
    assert view(served.as_("staff"), customer) == []
    done = confirm(desk, question)
    assert "Authorization recorded for Ada Vermeer." in done.text_of("noted")
    assert [one["type"] for one, words in done.all("button") if words.startswith("OK")] == ["submit"]
    position = position_of(done)
    (item,) = view(served.as_("staff"), customer, position)
    assert (item["status"], item["original_held"], item["shelf_mark"]) == ("active", True, "B 12")
    assert item["signed_on"] == "2026-01-31"


def test_cancel_of_the_question_keeps_the_form(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    page = desk.open("/add", source="none", customer=customer, type=CONSENT)
    question = save_note(desk, page, shelf_mark="B 12", note="as agreed")
    back = desk.send("/add", question.fields())
    kept = (back.value("customer"), back.value("type"), back.value("shelf_mark"), back.value("note"))
    assert kept == (customer, CONSENT, "B 12", "as agreed")


def test_no_upload_twice_by_one_page_notes_once(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    question = save_note(desk, desk.open("/add", source="none", customer=customer, type=CONSENT))
    first, second = (confirm(desk, question) for _ in range(2))
    assert first.answer.url == second.answer.url
    position = position_of(second)
    assert len(view(served.as_("staff"), customer, position)) == 1


def test_no_upload_by_a_checked_code(desk: Visitor, served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    code = issued(staff, customer)["scan_code"]
    page = desk.open("/add", source="none", scan_code=code, check="1")
    done = confirm(desk, save_note(desk, page, shelf_mark="B 13"))
    position = position_of(done)
    (item,) = view(staff, customer, position)
    assert (item["scan_code"], item["original_held"], item["status"]) == (code, True, "active")


def test_no_upload_by_a_code_that_was_not_checked_is_refused(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    code = issued(served.as_("staff"), customer)["scan_code"]
    page = desk.open("/add", source="none", customer=customer, type=CONSENT)
    refused = save_note(desk, page, scan_code=code)
    assert refused.answer.status_code == 409
    assert "Check the scan code first" in refused.text_of("alert")
    assert refused.value("scan_code") == code


def test_a_form_for_a_mandate_has_the_customer_as_account_holder(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    assert desk.open(f"/customers/{customer}/form", type=DEBT).value("debtor_name") == "Ada Vermeer"


def test_a_mandate_that_exists_already_is_one_click_away(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    first = noted(served.as_("staff"), customer, type=DEBT, mandate={"iban": "NL91ABNA0417164300"})
    page = desk.open("/add", source="none", customer=customer, type=DEBT)
    refused = confirm(desk, save_note(desk, page, iban="NL91 ABNA 0417 1643 00"))
    assert "already has an active mandate" in refused.text_of("alert")
    assert f'href="/authorizations/{first["id"]}"' in refused.answer.text


def test_a_mandate_on_paper_takes_its_collection_data(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    page = desk.open("/add", source="none", customer=customer, type=DEBT)
    wrong = confirm(desk, save_note(desk, page, iban="NL00ABNA0417164300", debtor_name="A. Vermeer"))
    assert "The IBAN is wrong" in wrong.text_of("alert")
    assert wrong.value("debtor_name") == "A. Vermeer"
    done = confirm(desk, save_note(desk, wrong, iban="NL91 ABNA 0417 1643 00"))
    assert "Authorization recorded" in done.text_of("noted")
    position = position_of(done)
    staff = served.as_("staff")
    (item,) = view(staff, customer, position)
    stated = staff.get(f"/v1/authorizations/{item['id']}", headers=at(position)).json()
    assert stated["mandate"]["iban"] == "NL91ABNA0417164300"


def test_an_identity_that_was_seen_leaves_what_was_seen(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    page = desk.open("/add", source="none", customer=customer, type="IDENTIFICATION")
    assert "Enter the details of the paper you saw." in page.text_of("outcome")
    refused = save_note(desk, page)
    assert "Kind of paper: is required" in refused.text_of("alert")
    done = confirm(desk, save_note(desk, refused, paper="Passport", number_suffix="412"))
    assert "Recorded for Ada Vermeer: Identification was seen." in done.text_of("noted")
    position = position_of(done)
    (item,) = view(served.as_("staff"), customer, position)
    assert item["verification"]["number_suffix"] == "412"


# -- S5, S6 -------------------------------------------------------------------------------------------------------


def unlike_any_name() -> str:
    return "".join(secrets.choice("bcdfghjklmnpqrstvwxz") for _ in range(12))


def test_search_finds_none_one_and_many_and_keeps_what_was_entered(desk: Visitor, served: Served) -> None:
    unique, shared = unlike_any_name(), unlike_any_name()
    one = a_customer(served, name=f"Ada {unique}")
    twins = [a_customer(served, name=f"Bea {shared}", birth_date=f"19{year}-05-23") for year in (61, 92)]
    fields = {"source": "none", "note": "as agreed"}
    assert "No customer found." in desk.send("/search", {**fields, "q": unlike_any_name()}).main
    page = desk.send("/search", {**fields, "q": unique})
    assert page.all("input", name="customer", checked="")[0][0]["value"] == one
    page = desk.send("/search", {**fields, "q": shared})
    assert {one["value"] for one, _ in page.all("input", name="customer")} == set(twins)
    assert page.all("input", name="customer", checked="") == []
    assert "compare the birth date" in page.main
    assert page.value("note") == "as agreed"


def test_search_names_its_columns_and_shows_what_people_are_told_apart_by(desk: Visitor, served: Served) -> None:
    name, card = unlike_any_name(), a_card()
    customer = a_customer(served, name=name, birth_date="1961-05-23", card_numbers=[card], home_branch="NORTH")
    page = desk.send("/search", {"source": "file", "q": name})
    heads = next(element for element in page.elements if element[1].get("class") == "heads")[2]
    assert [words for words in heads if words.strip()] == ["Name", "Born", "Card", "Customer", "Branch"]
    [row] = [words for _, words in page.all("label") if name in words]
    for told in ("23 May 1961", card, customer, "NORTH"):
        assert told in row


def test_documents_in_the_bar_are_those_of_the_customer_and_from_there_lead_to_others(
    desk: Visitor, served: Served
) -> None:
    customer = a_customer(served)
    own = f"/customers/{customer}"
    ways = {
        "/work": "/customers",
        f"/add?source=file&customer={customer}": own,
        f"{own}/timeline": own,
        own: "/customers",
    }
    for path, leads_to in ways.items():
        assert desk.open(path).one("bar-documents")[1]["href"] == leads_to, path


def test_after_the_customer_the_type_is_asked_for(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    found = desk.send("/search", {"source": "none", "note": "as agreed", "q": customer})
    ok = next(one for one, words in found.all("button") if words.startswith("OK"))
    choice = desk.send(ok["formaction"], {**found.fields(), "customer": customer})
    assert choice.main.startswith("Make a choice…")
    page = desk.send("/add", {**choice.fields(), "type": CONSENT})
    assert (page.value("customer"), page.value("type"), page.value("note")) == (customer, CONSENT, "as agreed")


@pytest.mark.parametrize(
    ("source", "has", "has_not"),
    [("file", {"LETTER", "FORM", CONSENT}, set()), ("none", {CONSENT, DEBT, "IDENTIFICATION"}, {"LETTER", "FORM"})],
)
def test_the_choice_has_the_types_that_the_source_takes(
    desk: Visitor, source: str, has: set[str], has_not: set[str]
) -> None:
    offered = {one["value"] for one, _ in desk.open("/choice", source=source).all("input", name="type")}
    assert has <= offered
    assert not has_not & offered


def test_without_health_the_form_of_a_reading_disability_is_not_offered(served: Served) -> None:
    with Visitor(served) as all_of_it:
        assert "Reading disability form" in all_of_it.open("/choice", source="file").main
    token = served.new_token(f"desk-{secrets.token_hex(3)}", "staff", without=["health"])
    with Visitor(served, Authorization=f"Bearer {token}") as less:
        assert "Reading disability form" not in less.open("/choice", source="file").main


def test_types_used_lately_at_this_desk_come_first(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    for kind in ("FORM", "LETTER"):
        save_file(desk, desk.open("/add", source="file", customer=customer, type=kind), a_letter())
    offered = [one["value"] for one, _ in desk.open("/choice", source="file").all("input", name="type")]
    assert offered[:2] == ["LETTER", "FORM"]
    assert len(offered) == len(set(offered))


# -- S7 -----------------------------------------------------------------------------------------------------------


def test_undo_withdraws_with_its_reason(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    page = save_file(desk, desk.open("/add", source="file", customer=customer, type="LETTER"), a_letter())
    undo = {name: page.value(name) for name in ("id", "version", "key", "source")}
    done = desk.send("/add/undo", undo)
    assert "Letter of Ada Vermeer is withdrawn" in done.text_of("done")
    staff = served.as_("staff")
    position = position_of(done)
    assert staff.get(f"/v1/documents/{undo['id']}", headers=at(position)).json()["status"] == "withdrawn"
    (withdrawn, *_) = staff.get(f"/v1/documents/{undo['id']}/history", headers=at(position)).json()["items"]
    assert withdrawn["reason"] == "Undone right after saving: saved by mistake"
    assert said_in(staff, f"documents/{undo['id']}", position).startswith("document-withdrawn")


def test_undo_of_an_authorizations_paper_tells_what_became_of_it(desk: Visitor, served: Served) -> None:
    customer = a_customer(served, name="Ada Vermeer")
    kind = "READING_DISABILITY"
    page = save_file(desk, desk.open("/add", source="file", customer=customer, type=kind), a_letter())
    undo = {name: page.value(name) for name in ("id", "version", "key", "source")}
    done = desk.send("/add/undo", undo)
    assert "does not count as signed" in done.text_of("done")
    staff = served.as_("staff")
    paper = staff.get(f"/v1/documents/{undo['id']}", headers=at(position_of(done))).json()
    statement = desk.open(f"/authorizations/{paper['evidence_of']}")
    assert "The document of this authorization was withdrawn." in statement.words
    assert f"/documents/{undo['id']}" in statement.answer.text


@pytest.mark.parametrize("has_code", [True, False])
def test_undo_of_a_note_takes_it_back_and_opens_its_code(desk: Visitor, served: Served, has_code: bool) -> None:
    staff, customer = served.as_("staff"), a_customer(served, name="Ada Vermeer")
    chosen = {"customer": customer, "type": CONSENT}
    if has_code:
        chosen = {"scan_code": issued(staff, customer)["scan_code"], "check": "1"}
    page = confirm(desk, save_note(desk, desk.open("/add", source="none", **chosen), shelf_mark="B 12"))
    undo = {name: page.value(name) for name in ("noted", "version", "key", "source")}
    done = desk.send("/add/undo", undo)
    assert "Guardian consent of Ada Vermeer is no longer recorded." in done.text_of("done")
    (row,) = view(staff, customer, position_of(done))
    now = (row["status"], row["original_held"], row["shelf_mark"], row["signed_on"])
    assert now == ("issued" if has_code else "cancelled", False, None, None)
    (withdrawn, *_) = staff.get(f"/v1/authorizations/{row['id']}/history").json()["items"]
    assert (withdrawn["action"], withdrawn["reason"]) == (
        "note-withdrawn",
        "Undone right after saving: saved by mistake",
    )
    assert "Recording withdrawn: made by mistake" in desk.open(f"/authorizations/{row['id']}").words
    if has_code:
        confirm(desk, save_note(desk, desk.open("/add", source="none", **chosen)))


def test_undo_of_what_was_seen_withdraws_it(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    page = desk.open("/add", source="none", customer=customer, type="IDENTIFICATION")
    done = confirm(desk, save_note(desk, page, paper="Passport", number_suffix="412"))
    undone = desk.send("/add/undo", {name: done.value(name) for name in ("id", "version", "key", "source")})
    assert "is withdrawn" in undone.text_of("done")


def test_what_was_changed_since_is_not_undone(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    page = save_file(desk, desk.open("/add", source="file", customer=customer, type="LETTER"), a_letter())
    undo = {name: page.value(name) for name in ("id", "version", "key", "source")}
    answer = desk.send("/add/undo", {**undo, "version": "9"})
    assert answer.answer.status_code == 412


def test_what_the_reader_may_not_see_was_not_saved(desk: Visitor, served: Served) -> None:
    customer = a_customer(served)
    secret = noted(served.as_("staff"), customer, type="READING_DISABILITY")
    copy = select_file(served.as_("staff"), customer, type="READING_DISABILITY").json()["evidence"]
    token = served.new_token(f"desk-{secrets.token_hex(3)}", "staff", without=["health"])
    with Visitor(served, Authorization=f"Bearer {token}") as less:
        page = less.open("/add", saved=copy, noted=secret["id"])
        assert page.text_of("done") == ""
