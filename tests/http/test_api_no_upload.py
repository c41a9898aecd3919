"""No upload (D1 to D8): an authorization is noted, the original stays on paper; what was seen is not kept."""

import secrets
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.http.desk import (
    DEBT,
    IBANS,
    a_customer,
    a_mandate,
    archived,
    at,
    no_upload,
    noted,
    pointers,
    problem_of,
    view,
)
from tests.http.served import CREDITOR, Served

TOMORROW = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011  # two days, so that no zone matters
VERIFICATION = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def mandated(client: httpx.Client, customer: str, **mandate: Any) -> httpx.Response:
    return no_upload(client, customer, type="DEBT_AUTHORIZATION", mandate=a_mandate(**mandate))


def test_an_authorization_is_noted_on_the_account_with_its_original_held(served: Served, staff: httpx.Client) -> None:
    """D3 to D7."""
    customer = a_customer(served)
    answer = no_upload(
        staff,
        customer,
        signed_on="2026-01-02",
        valid_from="2026-01-02",
        valid_until="2027-01-01",
        note="signed at the desk",
        headers={"Archive-Branch": "CENTRAL"},
    )
    assert answer.status_code == 201
    item = answer.json()
    assert answer.headers["Location"] == f"/v1/authorizations/{item['id']}"
    assert (answer.headers["ETag"], answer.headers["Archive-Position"]) == ('"1"', str(item["position"]))
    said = {
        "customer": customer, "kind": "authorization", "type": "GUARDIAN_CONSENT", "status": "active", "source": "none",
        "original_held": True, "shelf_mark": "B 12", "note": "signed at the desk", "evidence": None, "file_name": None,
        "media_type": None, "size_bytes": None, "sha256": None, "pages": None, "scan_code": None,
        "signed_on": "2026-01-02", "valid_from": "2026-01-02", "valid_until": "2027-01-01", "branch": "CENTRAL",
        "actor": "staff", "version": 1, "content_version": 0,
    }  # fmt: skip
    assert {name: item[name] for name in said} == said
    rows = view(staff, customer, item["position"])
    assert rows == [{name: value for name, value in item.items() if name not in ("customer", "position")}]


def test_one_authorization_is_read_with_its_mandate(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    item = mandated(staff, customer, bic="abnanl2a", mandate_reference="UMR 1").json()
    answer = staff.get(f"/v1/authorizations/{item['id']}", headers=at(item["position"]))
    read = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert (read["customer"], read["kind"], read["collection"]) == (
        customer,
        "mandate",
        {"complete": True, "last_collection_on": None},
    )
    assert read["mandate"] == {
        "debtor_name": "J. de Vries", "iban": IBANS[0], "bic": "ABNANL2A", "mandate_reference": "UMR 1",
        "creditor_id": CREDITOR, "signature_date": "2026-01-31", "sequence_type": "recurring",
    }  # fmt: skip
    assert read["signed_on"] == "2026-01-31"


def test_an_authorization_is_no_document(served: Served, staff: httpx.Client) -> None:
    statement, paper = noted(staff, a_customer(served)), archived(staff, a_customer(served))
    after = at(max(statement["position"], paper["position"]))
    for address in (
        f"/v1/documents/{statement['id']}",
        f"/v1/documents/{statement['id']}/content",
        f"/v1/documents/{statement['id']}/history",
        f"/v1/authorizations/{paper['id']}",
        f"/v1/authorizations/{paper['id']}/history",
    ):
        assert problem_of(staff.get(address, headers=after), 404) == "not-found"


def test_without_a_file_the_original_must_be_kept(served: Served, staff: httpx.Client) -> None:
    """D7 and I3."""
    customer = a_customer(served)
    assert pointers(no_upload(staff, customer, original={"held": False})) == {"/original/held"}
    assert pointers(no_upload(staff, customer, original=None)) == {"/original/held"}
    assert view(staff, customer) == []


def test_a_shelf_mark_is_asked_and_not_demanded(served: Served, staff: httpx.Client) -> None:
    item = noted(staff, a_customer(served), original={"held": True})
    assert (item["original_held"], item["shelf_mark"]) == (True, None)


@pytest.mark.parametrize("code", ["LETTER", "FORM", "REGISTRATION_CERTIFICATE", "DEREGISTRATION_CERTIFICATE"])
def test_types_that_need_a_file_cannot_be_noted(served: Served, staff: httpx.Client, code: str) -> None:
    """D4."""
    assert problem_of(no_upload(staff, a_customer(served), type=code), 422) == "source-not-allowed"


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"customer": "nobody-at-all"}, "customer-unknown"),
        ({"type": "NO_SUCH_TYPE"}, "document-type-unknown"),
        ({"mandate": {"iban": "NL00ABNA0417164300"}, "type": "DEBT_AUTHORIZATION"}, "iban-invalid"),
        ({"mandate": {"iban": "NL91ABNA041716430"}, "type": "DEBT_AUTHORIZATION"}, "iban-invalid"),
        ({"mandate": {"iban": "US91ABNA0417164300"}, "type": "DEBT_AUTHORIZATION"}, "iban-invalid"),
    ],
)
def test_what_cannot_be_is_refused_in_its_own_words(
    served: Served, staff: httpx.Client, changes: dict[str, Any], slug: str
) -> None:
    assert problem_of(no_upload(staff, **{"customer": a_customer(served), **changes}), 422) == slug


def test_a_scan_code_of_no_form_is_unknown(served: Served, staff: httpx.Client) -> None:
    answer = no_upload(staff, a_customer(served), scan_code="DA 4827 1903 6651 44")
    assert problem_of(answer, 404) == "scan-code-unknown"


INCOMPLETE = {"complete": False, "last_collection_on": None}
WRONG = [
    ({"signed_on": TOMORROW}, "/signed_on"),
    ({"valid_from": "2026-02-01", "valid_until": "2026-01-01"}, "/valid_until"),
    ({"signed_on": "1 January"}, "/signed_on"),
    ({"note": "x" * 4001}, "/note"),
    ({"external_id": ""}, "/external_id"),
    ({"customer": "a b"}, "/customer"),
    ({"original": {"held": True, "shelf": "B 12"}}, "/original/shelf"),
    ({"original": {"held": "yes"}}, "/original/held"),
    ({"mandate": {"iban": IBANS[0]}}, "/mandate"),
    ({"type": DEBT, "mandate": {"signature_date": TOMORROW}}, "/mandate/signature_date"),
    ({"type": DEBT, "mandate": {"mandate_reference": "x" * 36}}, "/mandate/mandate_reference"),
    ({"type": DEBT, "mandate": {"mandate_reference": "ünique"}}, "/mandate/mandate_reference"),
    ({"type": DEBT, "mandate": {"mandate_reference": "a//b"}}, "/mandate/mandate_reference"),
    ({"type": DEBT, "mandate": {"creditor_id": "DE99ZZZ09999999999"}}, "/mandate/creditor_id"),
    ({"type": DEBT, "mandate": {"bic": "ABNA"}}, "/mandate/bic"),
    ({"type": DEBT, "mandate": {"sequence_type": "sometimes"}}, "/mandate/sequence_type"),
    ({"colour": "red"}, "/colour"),
]


@pytest.mark.parametrize(("changes", "pointer"), WRONG)
def test_a_wrong_field_is_named(served: Served, staff: httpx.Client, changes: dict[str, Any], pointer: str) -> None:
    customer = a_customer(served)
    answer = no_upload(staff, **{"customer": customer, **changes})
    assert pointer in pointers(answer)
    assert view(staff, customer) == []


def test_what_is_missing_is_named_at_once(staff: httpx.Client) -> None:
    assert pointers(staff.post("/v1/authorizations", json={})) == {"/type", "/customer"}


def test_signed_today_and_every_form_of_an_iban_are_taken(served: Served, staff: httpx.Client) -> None:
    for iban in IBANS:
        spaced = " ".join(iban[at_ : at_ + 4] for at_ in range(0, len(iban), 4)).lower()
        item = mandated(staff, a_customer(served), iban=spaced).json()
        read = staff.get(f"/v1/authorizations/{item['id']}", headers=at(item["position"])).json()
        assert read["mandate"]["iban"] == iban


def test_a_mandate_without_its_collection_data_is_noted_and_incomplete(served: Served, staff: httpx.Client) -> None:
    """I7; a reference is made where none is given."""
    customer = a_customer(served)
    item = noted(staff, customer, type=DEBT, mandate={"debtor_name": "J. de Vries"})
    read = staff.get(f"/v1/authorizations/{item['id']}", headers=at(item["position"])).json()
    assert (read["status"], read["collection"]) == ("active", INCOMPLETE)
    assert 1 <= len(read["mandate"]["mandate_reference"]) <= 35
    bare = noted(staff, customer, type=DEBT)
    read = staff.get(f"/v1/authorizations/{bare['id']}", headers=at(bare["position"])).json()
    assert (read["mandate"], read["collection"]) == (None, INCOMPLETE)


def test_a_signature_date_is_the_mandates_else_signed_on(served: Served, staff: httpx.Client) -> None:
    mandate = {"iban": IBANS[0], "debtor_name": "J."}
    given = noted(staff, a_customer(served), type=DEBT, mandate=mandate, signed_on="2026-01-03")
    read = staff.get(f"/v1/authorizations/{given['id']}", headers=at(given["position"])).json()
    assert (read["signed_on"], read["mandate"]["signature_date"]) == ("2026-01-03", "2026-01-03")
    both = mandated(staff, a_customer(served), signature_date="2026-01-04").json()
    assert both["signed_on"] == "2026-01-04"


def test_a_customer_has_one_active_mandate_for_an_account_and_creditor(served: Served, staff: httpx.Client) -> None:
    """I6."""
    customer = a_customer(served)
    first = mandated(staff, customer).json()
    again = mandated(staff, customer)
    assert problem_of(again, 409) == "mandate-exists"
    assert again.json()["existing"] == first["id"]
    assert mandated(staff, customer, iban=IBANS[1]).status_code == 201
    assert mandated(staff, a_customer(served)).status_code == 201
    assert mandated(staff, customer, creditor_id="NL79ZZZ999999990000").status_code == 201


def test_a_mandate_reference_is_given_once(served: Served, staff: httpx.Client) -> None:
    """I6; and whose it is, is nobody else's business."""
    reference = f"LIB/{secrets.token_hex(6)}"
    assert mandated(staff, a_customer(served), mandate_reference=reference).status_code == 201
    again = mandated(staff, a_customer(served), mandate_reference=reference.upper())
    assert problem_of(again, 409) == "mandate-reference-taken"
    assert "existing" not in again.json()


def test_an_external_id_finds_its_authorization(served: Served, staff: httpx.Client) -> None:
    external = secrets.token_hex(6)
    item = noted(staff, a_customer(served), external_id=external)
    found = staff.get("/v1/authorizations", params={"external_id": external}, headers=at(item["position"])).json()
    assert [row["id"] for row in found["items"]] == [item["id"]]
    assert staff.get("/v1/documents", params={"external_id": external}).json()["items"] == []
    assert problem_of(no_upload(staff, a_customer(served), external_id=external), 409) == "external-id-taken"


def test_what_is_only_verified_is_noted_as_seen_and_not_kept(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    item = noted(staff, customer, type="IDENTIFICATION", original=None, verification=VERIFICATION, note="at the desk")
    assert (item["kind"], item["source"], item["original_held"]) == ("document", "none", False)
    assert item["verification"] == VERIFICATION
    assert view(staff, customer, item["position"])[0]["verification"] == VERIFICATION
    read = staff.get(f"/v1/documents/{item['id']}")
    assert (read.json()["note"], read.json()["customer"]) == ("at the desk", customer)
    for part in ("content", "pages/1"):
        assert problem_of(staff.get(f"/v1/documents/{item['id']}/{part}"), 404) == "not-found"


@pytest.mark.parametrize(
    ("verification", "pointer"),
    [
        (None, "/verification"),
        ({**VERIFICATION, "seen_on": TOMORROW}, "/verification/seen_on"),
        ({**VERIFICATION, "paper": ""}, "/verification/paper"),
        ({**VERIFICATION, "number_suffix": "123456789"}, "/verification/number_suffix"),
    ],
)
def test_what_was_seen_has_to_be_said(
    served: Served, staff: httpx.Client, verification: dict[str, str] | None, pointer: str
) -> None:
    answer = no_upload(staff, a_customer(served), type="IDENTIFICATION", original=None, verification=verification)
    assert pointers(answer) == {pointer}
