"""Forms (F1 to F4): an authorization is issued with its scan code, and printed as often as it is needed."""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pytest
import zxingcpp

from domain.scan_code import group_code, is_well_formed
from tests.http.desk import (
    CONSENT,
    DEBT,
    IBANS,
    a_customer,
    a_mandate,
    access_lines,
    archived,
    at,
    debt_issued,
    handed_in,
    issue,
    issued,
    noted,
    pointers,
    problem_of,
    stepped,
    view,
)
from tests.http.served import CREDITOR, Served

OURS = re.compile(r"[A-Z]{2}[0-9]{14}")
FORM_DAYS = 180
RENDERED_DPI = 150


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def a_type(served: Served, **changes: Any) -> str:
    code = f"T_{secrets.token_hex(4).upper()}"
    usual = {"labels": {"en": "Trust"}, "kind": "authorization", "sensitivity": "ordinary", "sources": ["file", "none"]}
    answer = served.as_("supervisor").put(f"/v1/document-types/{code}", json={**usual, **changes})
    assert answer.status_code == 201, answer.text
    return code


# -- issue --------------------------------------------------------------------------------------------------------


def test_a_form_is_an_issued_authorization_with_a_scan_code(served: Served, staff: httpx.Client) -> None:
    """F1."""
    customer = a_customer(served, card_numbers=[secrets.token_hex(5)], birth_date="1971-05-23")
    answer = issue(
        staff, customer, valid_from="2026-01-02", valid_until="2099-01-01", note="for the twins",
        external_id=(external := secrets.token_hex(6)), headers={"Archive-Branch": "CENTRAL"},
    )  # fmt: skip
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"authorization", "scan_code", "customer", "form", "position"}
    row = made["authorization"]
    assert answer.headers["Location"] == f"/v1/authorizations/{row['id']}"
    assert (answer.headers["ETag"], answer.headers["Archive-Position"]) == ('"1"', str(made["position"]))
    assert OURS.fullmatch(made["scan_code"])
    assert is_well_formed(made["scan_code"], ())
    assert made["scan_code"].startswith("GC")
    assert made["form"] == f"/v1/forms/{row['id']}.pdf"
    register = staff.get(f"/v1/customers/{customer}").json()
    assert made["customer"] == register
    said = {
        "kind": "authorization", "type": CONSENT, "type_label": "Guardian consent", "status": "issued",
        "source": "none", "scan_code": made["scan_code"], "evidence": None, "original_held": False, "shelf_mark": None,
        "signed_on": None, "valid_from": "2026-01-02", "valid_until": "2099-01-01", "note": "for the twins",
        "external_id": external, "branch": "CENTRAL", "actor": "staff", "version": 1, "content_version": 0,
    }  # fmt: skip
    assert {name: row[name] for name in said} == said


def test_what_was_issued_is_in_the_customers_documents(served: Served, staff: httpx.Client) -> None:
    """E2: all authorizations appear, also those that nobody has signed."""
    customer = a_customer(served)
    made = issued(staff, customer)
    rows = view(staff, customer, made["position"])
    assert rows == [{n: v for n, v in made["authorization"].items() if n not in ("customer", "position")}]
    assert [row["id"] for row in view(staff, customer, status="issued")] == [made["authorization"]["id"]]


def test_a_mandates_form_has_its_collection_data_and_what_the_archive_knows_itself(
    served: Served, staff: httpx.Client
) -> None:
    made = debt_issued(staff, a_customer(served))
    read = staff.get(f"/v1/authorizations/{made['authorization']['id']}", headers=at(made["position"])).json()
    reference = read["mandate"].pop("mandate_reference")
    assert 1 <= len(reference) <= 35
    assert read["mandate"] == {
        "debtor_name": "J. de Vries", "iban": IBANS[0], "bic": None, "creditor_id": CREDITOR, "signature_date": None,
        "sequence_type": "recurring",
    }  # fmt: skip
    assert read["collection"] == {"complete": False, "last_collection_on": None}


def test_a_mandates_form_may_be_issued_empty_and_still_has_a_reference(served: Served, staff: httpx.Client) -> None:
    """The customer fills in the rest with a pen."""
    made = issued(staff, a_customer(served), type=DEBT)
    read = staff.get(f"/v1/authorizations/{made['authorization']['id']}", headers=at(made["position"])).json()
    assert read["mandate"]["mandate_reference"]
    assert read["mandate"]["creditor_id"] == CREDITOR
    assert read["mandate"]["iban"] is None


def test_two_forms_for_the_same_account_may_be_out_and_the_second_signature_is_refused(
    served: Served, staff: httpx.Client
) -> None:
    """I6 counts what is in force; a form that nobody signed hinders nobody."""
    customer = a_customer(served)
    first, second = debt_issued(staff, customer), debt_issued(staff, customer)
    handed_in(staff, first["scan_code"])
    body = {"scan_code": second["scan_code"], "original": {"held": True}}
    answer = staff.post("/v1/authorizations", json=body)
    assert problem_of(answer, 409) == "mandate-exists"
    assert answer.json()["existing"] == first["authorization"]["id"]


def test_every_form_has_a_code_of_its_own(served: Served, staff: httpx.Client) -> None:
    """Many desks at once; each code is one claim, written with its authorization."""
    customer = a_customer(served)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: issued(staff, customer), range(40)))
    codes, ids = {m["scan_code"] for m in made}, {m["authorization"]["id"] for m in made}
    assert len(codes) == len(ids) == 40
    claims = (
        "select owner::text, count(*) from archive.claim where kind = 'scan-code' and owner = any(%s) group by owner"
    )
    assert dict(served.sql(claims, [list(ids)])) == dict.fromkeys(ids, 1)


def test_what_is_refused_claims_no_code(served: Served, staff: httpx.Client) -> None:
    count = "select count(*) from archive.claim where kind = 'scan-code'"
    external = secrets.token_hex(6)
    issued(staff, customer := a_customer(served), external_id=external)
    before = served.sql(count)
    assert problem_of(issue(staff, customer, external_id=external), 409) == "external-id-taken"
    assert pointers(issue(staff, customer, valid_from="2026-02-02", valid_until="2026-02-01")) == {"/valid_until"}
    assert served.sql(count) == before


def test_the_same_request_with_its_key_is_the_same_form(served: Served, staff: httpx.Client) -> None:
    """A second sheet with another code would be a second authorization."""
    customer, headers = a_customer(served), {"Idempotency-Key": secrets.token_hex(8)}
    first = issue(staff, customer, headers=headers)
    again = issue(staff, customer, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert {n: again.headers[n] for n in ("Location", "ETag", "Archive-Position")} == {
        n: first.headers[n] for n in ("Location", "ETag", "Archive-Position")
    }
    assert len(view(staff, customer, first.json()["position"])) == 1
    other = issue(staff, customer, headers=headers, note="another")
    assert problem_of(other, 422) == "idempotency-key-reused"


def test_a_replay_tells_the_form_as_it_was_issued_whatever_became_of_it(served: Served, staff: httpx.Client) -> None:
    customer, headers = a_customer(served), {"Idempotency-Key": secrets.token_hex(8)}
    first = issue(staff, customer, headers=headers)
    handed_in(staff, first.json()["scan_code"])
    assert issue(staff, customer, headers=headers).json() == first.json()


def test_two_desks_with_one_key_issue_one_form(served: Served, staff: httpx.Client) -> None:
    customer, headers = a_customer(served), {"Idempotency-Key": secrets.token_hex(8)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: issue(staff, customer, headers=headers), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["scan_code"] for answer in answers}) == 1
    assert len(view(staff, customer, answers[0].json()["position"])) == 1


@pytest.mark.parametrize("code", ["LETTER", "FORM", "IDENTIFICATION", "REGISTRATION_CERTIFICATE"])
def test_no_form_is_issued_for_what_is_no_authorization(served: Served, staff: httpx.Client, code: str) -> None:
    assert problem_of(issue(staff, a_customer(served), type=code), 422) == "source-not-allowed"


def test_no_form_is_issued_of_a_type_that_is_switched_off_or_unknown(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    assert problem_of(issue(staff, customer, type=a_type(served, active=False)), 422) == "document-type-inactive"
    assert problem_of(issue(staff, customer, type="NO_SUCH_TYPE"), 422) == "document-type-unknown"


def test_no_form_is_issued_for_a_customer_whom_nobody_knows(staff: httpx.Client) -> None:
    assert problem_of(issue(staff, "nobody-at-all"), 422) == "customer-unknown"


def test_a_type_that_the_caller_may_not_see_is_unknown_to_it(served: Served) -> None:
    """I12, edge case 18."""
    customer = a_customer(served)
    for client in (served.as_("staff", without=("health",)), served.as_("integration")):
        assert problem_of(issue(client, customer, type="READING_DISABILITY"), 422) == "document-type-unknown"
    assert issue(served.as_("staff"), customer, type="READING_DISABILITY").status_code == 201


WRONG = [
    ({"type": None}, "/type"),
    ({"customer": None}, "/customer"),
    ({"customer": 7}, "/customer"),
    ({"customer": "a b"}, "/customer"),
    ({"type": "consent"}, "/type"),
    ({"language": "fr"}, "/language"),
    ({"valid_from": "1 January"}, "/valid_from"),
    ({"valid_from": "2026-02-01", "valid_until": "2026-01-01"}, "/valid_until"),
    ({"note": "x" * 4001}, "/note"),
    ({"note": "a\0b"}, "/note"),
    ({"external_id": ""}, "/external_id"),
    ({"mandate": {}}, "/mandate"),
    ({"type": DEBT, "mandate": {"creditor_id": "DE99ZZZ09999999999"}}, "/mandate/creditor_id"),
    ({"type": DEBT, "mandate": {"mandate_reference": "a//b"}}, "/mandate/mandate_reference"),
    ({"type": DEBT, "mandate": {"bic": "ABNA"}}, "/mandate/bic"),
    ({"type": DEBT, "mandate": {"debtor_name": "\0"}}, "/mandate/debtor_name"),
    ({"type": DEBT, "mandate": {"signature_date": "2999-01-01"}}, "/mandate/signature_date"),
    ({"scan_code": "DA48271903665144"}, "/scan_code"),
]


@pytest.mark.parametrize(("changes", "pointer"), WRONG)
def test_a_wrong_field_is_named(served: Served, staff: httpx.Client, changes: dict[str, Any], pointer: str) -> None:
    customer = a_customer(served)
    assert pointers(issue(staff, **{"customer": customer, **changes})) == {pointer}
    assert view(staff, customer) == []


def test_a_wrong_iban_is_refused_in_its_own_words(served: Served, staff: httpx.Client) -> None:
    answer = issue(staff, a_customer(served), type=DEBT, mandate={"iban": "NL92ABNA0417164300"})
    assert problem_of(answer, 422) == "iban-invalid"


def test_a_mandate_reference_is_given_once_on_forms_too(served: Served, staff: httpx.Client) -> None:
    """I6: also when the form was never signed."""
    reference = f"LIB/{secrets.token_hex(6)}"
    made = issued(staff, a_customer(served), type=DEBT, mandate={"mandate_reference": reference})
    again = issue(staff, a_customer(served), type=DEBT, mandate={"mandate_reference": reference.lower()})
    assert problem_of(again, 409) == "mandate-reference-taken"
    cancelled = stepped(staff, made["authorization"], "cancel")
    assert cancelled["status"] == "cancelled"
    still = issue(staff, a_customer(served), type=DEBT, mandate={"mandate_reference": reference})
    assert problem_of(still, 409) == "mandate-reference-taken"


# -- print --------------------------------------------------------------------------------------------------------


def printed(client: httpx.Client, made: dict[str, Any]) -> bytes:
    answer = client.get(made["form"])
    assert answer.status_code == 200, answer.text
    return answer.content


def text_of(pdf: bytes) -> str:
    """All that stands on the sheet, its line breaks as blanks."""
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 1
        return " ".join(document[0].get_textpage().get_text_bounded().split())


def codes_on(pdf: bytes) -> list[str]:
    """What a gun reads off the printed sheet."""
    with pypdfium2.PdfDocument(pdf) as document:
        image = document[0].render(scale=RENDERED_DPI / 72).to_pil()
    return [found.text for found in zxingcpp.read_barcodes(image)]


def test_the_form_is_one_page_that_is_shown_and_not_kept_by_anyone_between(served: Served, staff: httpx.Client) -> None:
    """F2."""
    answer = staff.get(issued(staff, a_customer(served))["form"])
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")
    assert answer.headers["Content-Disposition"] == 'inline; filename="form.pdf"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_the_code_is_on_it_for_the_gun_and_for_the_eye(served: Served, staff: httpx.Client) -> None:
    made = issued(staff, a_customer(served))
    pdf = printed(staff, made)
    assert codes_on(pdf) == [made["scan_code"]]
    assert group_code(made["scan_code"]) in text_of(pdf)


def test_the_customer_and_the_collection_data_are_on_it(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served, name="Anneke Bakkers-Vos", birth_date="1971-05-23")
    reference = f"UMR {secrets.token_hex(4)}"
    mandate = {"debtor_name": "P. Bakkers", "iban": IBANS[1], "bic": "GKCCBEBB", "mandate_reference": reference}
    text = text_of(printed(staff, issued(staff, customer, type=DEBT, mandate=mandate, note="on Fridays")))
    for said in (
        "Anneke Bakkers-Vos",
        customer,
        "P. Bakkers",
        "GKCCBEBB",
        reference,
        "Debt authorization",
        "on Fridays",
    ):
        assert said in text, said
    assert IBANS[1] in text.replace(" ", "")
    assert CREDITOR in text.replace(" ", "")


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_a_form_is_printed_in_the_language_that_it_was_issued_in(
    served: Served, staff: httpx.Client, language: str
) -> None:
    made = issued(staff, a_customer(served), language=language)
    labels = staff.get(f"/v1/document-types/{CONSENT}").json()["labels"]
    for reader in ("en", "nl", "de", "fr"):
        pdf = staff.get(made["form"], headers={"Accept-Language": reader}).content
        assert labels[language] in text_of(pdf)


@pytest.mark.parametrize(("wanted", "language"), [("nl-BE, de", "nl"), ("de", "de"), ("fr", "en"), ("*", "en")])
def test_a_form_without_a_language_is_printed_in_the_callers(
    served: Served, staff: httpx.Client, wanted: str, language: str
) -> None:
    made = issued(staff, a_customer(served), headers={"Accept-Language": wanted})
    labels = staff.get(f"/v1/document-types/{CONSENT}").json()["labels"]
    assert labels[language] in text_of(printed(staff, made))


def test_printing_again_is_the_same_sheet_byte_for_byte(served: Served, staff: httpx.Client) -> None:
    """F3: by either process, also when it was signed meanwhile: the code stays the same."""
    made = debt_issued(staff, a_customer(served))
    first = printed(staff, made)
    for _ in range(6):
        with httpx.Client(base_url=served.url, headers=staff.headers) as elsewhere:
            assert elsewhere.get(made["form"]).content == first
    handed_in(staff, made["scan_code"])
    assert printed(staff, made) == first


def test_the_form_keeps_what_it_was_issued_with(served: Served, staff: httpx.Client) -> None:
    """What was signed is what stood on it, whatever was amended since."""
    made = debt_issued(staff, a_customer(served))
    item = handed_in(staff, made["scan_code"])
    stepped(staff, item, "amend", debtor_name="K. Another", iban=IBANS[2])
    text = text_of(printed(staff, made))
    assert "J. de Vries" in text
    assert "K. Another" not in text
    assert IBANS[0] in text.replace(" ", "")


def test_a_form_keeps_the_label_of_its_day_and_is_printed_although_its_type_was_switched_off(
    served: Served, staff: httpx.Client
) -> None:
    """Edge case 20."""
    code = a_type(served, labels={"en": "Old name of it"})
    made = issued(staff, a_customer(served), type=code)
    first = printed(staff, made)
    renamed = {"labels": {"en": "New name of it"}, "kind": "authorization", "sensitivity": "ordinary", "active": False}
    assert served.as_("supervisor").put(f"/v1/document-types/{code}", json=renamed).status_code == 200
    assert printed(staff, made) == first
    assert "Old name of it" in text_of(first)


def test_a_minors_form_asks_for_the_guardian(served: Served, staff: httpx.Client) -> None:
    """Edge case 13, by the capacity rule of the type."""
    today = datetime.now(ZoneInfo(served.settings.timezone)).date()
    code = a_type(served, capacity_years=16)
    minor = a_customer(served, birth_date=(today - timedelta(days=15 * 365)).isoformat())
    adult = a_customer(served, birth_date=(today - timedelta(days=17 * 366)).isoformat())
    of_minor, of_adult = (text_of(printed(staff, issued(staff, c, type=code))) for c in (minor, adult))
    assert "guardian" in of_minor.lower()
    assert "guardian" not in of_adult.lower()


def test_the_last_day_for_the_signature_is_on_it_and_in_the_history(served: Served, staff: httpx.Client) -> None:
    """F4: it lapses on its own date."""
    before = datetime.now(ZoneInfo(served.settings.timezone)).date()
    made = issued(staff, a_customer(served))
    after = datetime.now(ZoneInfo(served.settings.timezone)).date()
    history = staff.get(f"/v1/authorizations/{made['authorization']['id']}/history", headers=at(made["position"]))
    [item] = history.json()["items"]
    lapses_on = date.fromisoformat(item["after"]["lapses_on"])
    assert before + timedelta(days=FORM_DAYS) <= lapses_on <= after + timedelta(days=FORM_DAYS)
    assert str(lapses_on.year) in text_of(printed(staff, made))


def test_every_print_is_a_line_of_the_access_log(served: Served) -> None:
    """And nothing else: no event."""
    name = f"printer-{secrets.token_hex(4)}"
    desk = served.client(served.new_token(name, "supervisor"))
    made = issued(desk, customer := a_customer(served))
    before, began = served.last_position(), datetime.now(UTC) - timedelta(milliseconds=1)
    printed(desk, made)
    assert desk.head(made["form"]).content == b""
    assert served.last_position() == before
    lines = access_lines(served, name)
    assert [line["action"] for line in lines] == ["form", "form"]
    for line in lines:
        assert (line["customer"], line["authorization"]) == (customer, made["authorization"]["id"])
        assert (line["document"], line["status"]) == (None, 200)
        assert began <= datetime.fromisoformat(line["at"])


def test_head_says_what_get_would(served: Served, staff: httpx.Client) -> None:
    made = issued(staff, a_customer(served))
    got, asked = staff.get(made["form"]), staff.head(made["form"])
    for name in ("Content-Type", "Content-Length", "Content-Disposition", "Cache-Control"):
        assert asked.headers[name] == got.headers[name]


def test_what_was_never_issued_has_no_form(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    registered, letter = noted(staff, customer), archived(staff, customer)
    with_paper = archived(staff, customer, type=CONSENT)
    for paper in (registered["id"], letter["id"], with_paper["id"], with_paper["evidence"], str(uuid4()), "x", "%20"):
        assert problem_of(staff.get(f"/v1/forms/{paper}.pdf"), 404) == "not-found", paper
    made = issued(staff, customer)
    for address in (f"/v1/forms/{made['authorization']['id']}", f"{made['form']}x", made["form"].upper()):
        assert problem_of(staff.get(address), 404) == "not-found", address


def test_a_form_does_not_exist_for_who_may_not_see_it(served: Served) -> None:
    """Edge case 18, and another branch: the same answer as for an absent one, and no line that tells of it."""
    made = issued(
        served.as_("staff"), a_customer(served), type="READING_DISABILITY", headers={"Archive-Branch": "EAST"}
    )
    for client in (
        served.as_("staff", without=("health",)),
        served.as_("integration"),
        served.as_("staff", branch="WEST", own_branch_only=True),
    ):
        hidden, absent = client.get(made["form"]), client.get(f"/v1/forms/{uuid4()}.pdf")
        assert problem_of(hidden, 404) == problem_of(absent, 404) == "not-found"
        assert hidden.json().keys() == absent.json().keys()
    assert served.as_("staff", branch="EAST", own_branch_only=True).get(made["form"]).status_code == 200


def test_a_program_issues_and_prints_forms(served: Served) -> None:
    """The library system's own screen may be where somebody asks for a form."""
    program, customer = served.as_("integration"), a_customer(served)
    made = issued(program, customer, type=DEBT, mandate={"iban": a_mandate()["iban"]})
    assert codes_on(printed(program, made)) == [made["scan_code"]]


@pytest.mark.parametrize(
    "name", ["Ω≈ç√ ∆˚¬", "محمد عبد الله", "漢字 かな", "👩‍🦰 Emoji", "a" * 200, "<b>&amp;</b>", "Zoë  Ångström"]
)
def test_a_form_is_printed_for_every_name(served: Served, staff: httpx.Client, name: str) -> None:
    made = issued(
        staff, a_customer(served, name=name), note=f"{name} {name}", type=DEBT, mandate={"debtor_name": name[:70]}
    )
    assert codes_on(printed(staff, made)) == [made["scan_code"]]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_validity_at_an_end_of_the_calendar_is_printed_and_lives(
    served: Served, staff: httpx.Client, day: str
) -> None:
    customer = a_customer(served)
    made = issued(staff, customer, valid_from=day, valid_until="9999-12-31", type="READING_DISABILITY")
    assert codes_on(printed(staff, made)) == [made["scan_code"]]
    item = handed_in(staff, made["scan_code"])
    assert (item["status"], item["valid_until"]) == ("active", "9999-12-31")
    assert [row["id"] for row in view(staff, customer, item["position"])] == [item["id"]]
    assert served.sql("select * from views.parked") == []
