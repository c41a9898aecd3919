"""A signed form comes back (B9, D2, D8, D9): as a file or kept on paper, one row, one winner, never twice."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.http import wire
from tests.http.desk import (
    CONSENT,
    DEBT,
    IBANS,
    a_customer,
    a_letter,
    a_mandate,
    a_text,
    an_iban,
    archived,
    at,
    check,
    correct,
    corrected,
    debt_issued,
    hand_in,
    handed_in,
    issued,
    item_of,
    no_upload,
    pointers,
    problem_of,
    said_in,
    select_file,
    step,
    stepped,
    view,
)
from tests.http.served import Served, serving
from tests.paper.files import a_locked_pdf

ROUNDS, ROUNDS_LONG = 25, 200
FUTURE = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()  # two days, so that no zone matters
ANSWERED = ("position", "customer")


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def note_signed(client: httpx.Client, code: str, **more: Any) -> httpx.Response:
    """POST /authorizations with a code: signed, and kept on paper."""
    return no_upload(client, more.pop("customer", None), **{"type": None, "scan_code": code, **more})


def read(client: httpx.Client, item: dict[str, Any]) -> dict[str, Any]:
    """GET /authorizations/{id} as it is after this answer."""
    return item_of(client.get(f"/v1/authorizations/{item['id']}", headers=at(item["position"])))


# -- it was not the right paper -----------------------------------------------------------------------------------


def test_a_withdrawn_paper_takes_its_signature_along_everywhere(served: Served, staff: httpx.Client) -> None:
    customer, data = a_customer(served), a_letter()
    form = debt_issued(staff, customer)
    signed = handed_in(staff, form["scan_code"], data)
    paper = signed["evidence"]
    position = corrected(staff, {"id": paper, "version": 1}, "withdraw")["position"]
    by_id = {row["id"]: row for row in view(staff, customer, position)}
    assert by_id.keys() == {signed["id"], paper}
    row = by_id[signed["id"]]
    said = ("status", "source", "evidence", "withdrawn_evidence", "signed_on", "original_held")
    assert [row[name] for name in said] == ["issued", "none", None, paper, None, False]
    assert by_id[paper]["status"] == "withdrawn"
    one = item_of(staff.get(f"/v1/authorizations/{signed['id']}", headers=at(position)))
    assert (one["status"], one["mandate"]["signature_date"]) == ("issued", None)
    checked = item_of(check(staff, form["scan_code"]))
    assert (checked["authorization"]["status"], checked["collection"]["status"]) == ("issued", "issued")
    assert said_in(staff, f"documents/{paper}", position).startswith("document-withdrawn")
    assert said_in(staff, f"authorizations/{signed['id']}", position).startswith("evidence-withdrawn")
    day = signed["signed_on"]
    asked = step(staff, signed["id"], "collections", one["version"], presented_on=day, due_on=day, outcome="paid")
    assert problem_of(asked, 409) == "authorization-not-active"
    (then,) = view(staff, customer, as_of=signed["position"])
    assert (then["status"], then["evidence"]) == ("active", paper)
    again = handed_in(staff, form["scan_code"], data)
    assert (again["status"], again["withdrawn_evidence"]) == ("active", None)
    refused = correct(staff, paper, "restore", 2, reason="x")
    assert problem_of(refused, 409) == "scan-code-redeemed"
    assert refused.json()["existing"] == again["evidence"]
    corrected(staff, {"id": again["evidence"], "version": 1}, "withdraw")
    position = corrected(staff, {"id": paper, "version": 2}, "restore")["position"]
    assert read(staff, {**signed, "position": position})["evidence"] == paper
    assert said_in(staff, f"authorizations/{signed['id']}", position).startswith("evidence-restored")


def originals(client: httpx.Client, position: int) -> list[str]:
    """What the work list says is held on a shelf, on all its pages: other tests leave originals too."""
    found, link = [], "/v1/work-list/originals?limit=200"
    while link:
        answer = client.get(link, headers=at(position))
        found += [one["id"] for one in item_of(answer)["items"]]
        link = answer.links.get("next", {}).get("url", "")
    return found


def test_a_note_by_mistake_is_taken_back_everywhere(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    form = debt_issued(staff, customer)
    signed = item_of(note_signed(staff, form["scan_code"], original={"held": True, "shelf_mark": "B 1"}))
    assert signed["id"] in originals(staff, signed["position"])
    undone = stepped(staff, signed, "withdraw", reason="the form of the neighbour")
    said = ("status", "original_held", "shelf_mark", "signed_on", "evidence")
    assert [undone[name] for name in said] == ["issued", False, None, None, None]
    assert signed["id"] not in originals(staff, undone["position"])
    one = read(staff, undone)
    assert (one["status"], one["mandate"]["signature_date"]) == ("issued", None)
    checked = item_of(check(staff, form["scan_code"]))
    assert (checked["authorization"]["status"], checked["collection"]["status"]) == ("issued", "issued")
    [last, *_] = item_of(staff.get(f"/v1/authorizations/{signed['id']}/history", headers=at(undone["position"])))[
        "items"
    ]
    assert (last["action"], last["reason"]) == ("note-withdrawn", "the form of the neighbour")
    assert last["before"] == {"status": "active", "original_held": True}
    (then,) = view(staff, customer, as_of=signed["position"])
    assert (then["status"], then["original_held"], then["shelf_mark"]) == ("active", True, "B 1")
    again = handed_in(staff, form["scan_code"])
    assert (again["status"], again["id"]) == ("active", signed["id"])


def test_a_note_is_not_taken_back_beside_its_paper_or_a_collection(served: Served, staff: httpx.Client) -> None:
    form = debt_issued(staff, a_customer(served))
    signed = item_of(note_signed(staff, form["scan_code"]))
    scanned = handed_in(staff, form["scan_code"])
    refused = step(staff, signed["id"], "withdraw", "*", reason="x")
    assert problem_of(refused, 409) == "evidence-attached"
    assert refused.json()["existing"] == scanned["evidence"]
    corrected(staff, {"id": scanned["evidence"], "version": 1}, "withdraw")
    day = signed["signed_on"]
    step(staff, signed["id"], "collections", "*", presented_on=day, due_on=day, outcome="rejected")
    assert problem_of(step(staff, signed["id"], "withdraw", "*", reason="x"), 409) == "collection-presented"


def test_a_paper_that_was_withdrawn_beside_the_note_signs_alone_when_it_is_restored(
    served: Served, staff: httpx.Client
) -> None:
    form = debt_issued(staff, a_customer(served))
    signed = item_of(note_signed(staff, form["scan_code"]))
    scanned = handed_in(staff, form["scan_code"])
    position = corrected(staff, {"id": scanned["evidence"], "version": 1}, "withdraw")["position"]
    undone = stepped(staff, read(staff, {**signed, "position": position}), "withdraw")
    position = corrected(staff, {"id": scanned["evidence"], "version": 2}, "restore")["position"]
    after = read(staff, {**undone, "position": position})
    assert (after["status"], after["signed_on"], after["original_held"]) == ("active", signed["signed_on"], False)


# -- as a file ----------------------------------------------------------------------------------------------------


def test_the_paper_of_a_form_is_one_row_with_its_authorization(served: Served, staff: httpx.Client) -> None:
    """B9: not two rows; type and customer are taken from the code."""
    customer, data = a_customer(served), a_letter()
    made = issued(staff, customer)
    answer = hand_in(
        staff, made["scan_code"], data, name="signed.pdf", received_on="2026-02-03", signed_on="2026-02-01"
    )
    assert answer.status_code == 201
    item = answer.json()
    assert item["id"] == made["authorization"]["id"]
    assert answer.headers["Location"] == f"/v1/documents/{item['evidence']}"
    assert (answer.headers["ETag"], answer.headers["Archive-Position"]) == ('"1"', str(item["position"]))
    said = {
        "customer": customer, "kind": "authorization", "type": CONSENT, "status": "active", "source": "file",
        "file_name": "signed.pdf", "media_type": "application/pdf", "size_bytes": len(data), "pages": 1,
        "scan_code": made["scan_code"], "original_held": False, "received_on": "2026-02-03", "signed_on": "2026-02-01",
        "content_version": 1, "version": 3,
    }  # fmt: skip
    assert {name: item[name] for name in said} == said
    assert view(staff, customer, item["position"]) == [{n: v for n, v in item.items() if n not in ANSWERED}]


def test_the_document_itself_is_read_by_its_own_id(served: Served, staff: httpx.Client) -> None:
    customer, data = a_customer(served), a_letter()
    item = handed_in(staff, issued(staff, customer)["scan_code"], data, note="with the post")
    document = item_of(staff.get(f"/v1/documents/{item['evidence']}", headers=at(item["position"])))
    assert (document["kind"], document["type"], document["customer"]) == ("document", CONSENT, customer)
    assert (document["note"], document["status"], document["version"]) == ("with the post", "archived", 1)
    assert staff.get(f"/v1/documents/{item['evidence']}/content").content == data
    assert said_in(staff, f"documents/{item['evidence']}") == "document-archived"
    told = "evidence-attached authorization-signed authorization-issued"
    assert said_in(staff, f"authorizations/{item['id']}") == told


def test_the_whole_save_is_one_moment(served: Served, staff: httpx.Client) -> None:
    """Document, signature and evidence: nobody ever sees one without the others."""
    customer = a_customer(served)
    item = handed_in(staff, issued(staff, customer)["scan_code"])
    history = item_of(staff.get(f"/v1/customers/{customer}/history", headers=at(item["position"])))["items"]
    saved = history[:-1]
    assert {h["action"] for h in saved} == {"document-archived", "authorization-signed", "evidence-attached"}
    assert len({h["recorded_at"] for h in saved}) == 1
    for before in sorted(h["position"] for h in history):
        rows = view(staff, customer, as_of=before)
        assert len(rows) == 1, "the evidence is never a row of its own"


def test_a_mandate_is_complete_with_its_signature(served: Served, staff: httpx.Client) -> None:
    item = handed_in(staff, debt_issued(staff, a_customer(served))["scan_code"], signed_on="2026-02-01")
    statement = read(staff, item)
    assert statement["collection"] == {"complete": True, "last_collection_on": None}
    assert statement["mandate"]["signature_date"] == statement["signed_on"] == "2026-02-01"
    assert statement["mandate"]["iban"] == IBANS[0]


def test_without_a_day_it_was_signed_when_it_came_in(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    given = handed_in(staff, issued(staff, customer)["scan_code"], received_on="2026-02-03")
    assert (given["signed_on"], given["received_on"]) == ("2026-02-03", "2026-02-03")
    today = {datetime.now(ZoneInfo(served.settings.timezone)).date().isoformat()}
    left_out = handed_in(staff, issued(staff, customer)["scan_code"])
    today |= {datetime.now(ZoneInfo(served.settings.timezone)).date().isoformat()}
    assert left_out["signed_on"] == left_out["received_on"]
    assert left_out["signed_on"] in today


def test_signed_on_the_last_day_of_the_year_and_scanned_on_the_first_of_the_next(
    served: Served, staff: httpx.Client
) -> None:
    """Edge case 22: both days are kept as they were said."""
    item = handed_in(
        staff, issued(staff, a_customer(served))["scan_code"], signed_on="2025-12-31", received_on="2026-01-01"
    )
    assert (item["signed_on"], item["received_on"]) == ("2025-12-31", "2026-01-01")


def test_today_is_that_of_where_the_institution_stands() -> None:
    """Edge case 22, two time zones: here another day than in UTC, whatever hour it is."""
    zone = "Pacific/Kiritimati" if datetime.now(UTC).hour >= 10 else "Etc/GMT+12"
    with serving(DOSSIER_TIMEZONE=zone, DOSSIER_WORKERS="1") as there:
        staff, customer = there.as_("staff"), a_customer(there)
        today = datetime.now(ZoneInfo(zone)).date()
        assert today != datetime.now(UTC).date()
        item = handed_in(staff, issued(staff, customer)["scan_code"])
        assert item["signed_on"] == item["received_on"] == today.isoformat()
        code = issued(staff, customer)["scan_code"]
        tomorrow = (today + timedelta(days=1)).isoformat()
        assert pointers(hand_in(staff, code, signed_on=tomorrow)) == {"/form/signed_on"}
        assert pointers(note_signed(staff, code, signed_on=tomorrow)) == {"/signed_on"}
        assert note_signed(staff, code, signed_on=today.isoformat()).status_code == 201


def test_customer_and_type_may_be_said_and_then_they_have_to_agree(served: Served, staff: httpx.Client) -> None:
    """D8."""
    customer, other = a_customer(served), a_customer(served)
    code = issued(staff, customer)["scan_code"]
    with wire.nothing_stored(served):
        assert problem_of(hand_in(staff, code, customer=other), 409) == "scan-code-other-customer"
        assert problem_of(note_signed(staff, code, customer=other), 409) == "scan-code-other-customer"
        assert pointers(hand_in(staff, code, type="LETTER")) == {"/form/type"}
        assert pointers(note_signed(staff, code, type=DEBT)) == {"/type"}
        assert problem_of(hand_in(staff, code, customer="nobody-at-all"), 409) == "scan-code-other-customer"
    assert handed_in(staff, code, customer=customer, type=CONSENT)["status"] == "active"


def test_an_unsigned_form_is_no_evidence(served: Served, staff: httpx.Client) -> None:
    """Edge case 9: it stays issued, and the same code is good when it comes back signed."""
    customer = a_customer(served)
    made = issued(staff, customer)
    with wire.nothing_stored(served):
        answer = hand_in(staff, made["scan_code"], signed="no")
        assert pointers(answer) == {"/form/signed"}
        assert pointers(hand_in(staff, made["scan_code"], signed="perhaps")) == {"/form/signed"}
    assert view(staff, customer, made["position"])[0]["status"] == "issued"
    assert handed_in(staff, made["scan_code"], signed="yes")["status"] == "active"


def test_an_unsigned_form_without_a_code_is_none_either(served: Served, staff: httpx.Client) -> None:
    """It would stand on the account as an authorization; a letter needs no signature."""
    customer = a_customer(served)
    with wire.nothing_stored(served):
        for kind in (CONSENT, DEBT):
            assert pointers(select_file(staff, customer, type=kind, signed="no")) == {"/form/signed"}
    assert select_file(staff, customer, type="FORM", signed="no").status_code == 201


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"signed_on": FUTURE}, "/form/signed_on"),
        ({"received_on": FUTURE}, "/form/received_on"),
        ({"signed_on": "1 January"}, "/form/signed_on"),
        ({"note": "x" * 4001}, "/form/note"),
        ({"external_id": "two\nlines"}, "/form/external_id"),
    ],
)
def test_a_wrong_field_is_named_and_the_code_is_still_good(
    served: Served, staff: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    with wire.nothing_stored(served):
        assert pointers(hand_in(staff, code, **fields)) == {pointer}
    assert hand_in(staff, code).status_code == 201


BAD_FILES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "no byte": (lambda: b"", "form.pdf", "file-empty"),
    "an executable": (lambda: b"MZ\x90\0\x03\0\0\0" + bytes(200), "form.pdf", "file-type-not-allowed"),
    "a page of the web": (lambda: b"<!doctype html><script>1</script>", "form.pdf", "file-type-not-allowed"),
    "a text that is called a PDF": (a_text, "form.pdf", "file-type-not-allowed"),
    "a cut PDF": (lambda: a_letter()[:200], "form.pdf", "file-damaged"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_leaves_the_form_as_it_was(served: Served, staff: httpx.Client, what: str) -> None:
    """Edge case 7."""
    make, name, slug = BAD_FILES[what]
    code = issued(staff, a_customer(served))["scan_code"]
    with wire.nothing_stored(served):
        answer = hand_in(staff, code, make(), name=name)
        assert problem_of(answer, answer.status_code) == slug
    assert check(staff, code).status_code == 200


def test_a_file_with_a_password_is_taken_where_its_type_takes_it(served: Served, staff: httpx.Client) -> None:
    item = handed_in(staff, issued(staff, a_customer(served))["scan_code"], a_locked_pdf(secrets.token_hex(4)))
    assert (item["password_protected"], item["preview"], item["status"]) == (True, False, "active")


def test_the_same_file_twice_on_a_customer_is_warned_of_on_two_it_is_not(served: Served, staff: httpx.Client) -> None:
    """Edge case 6, with codes."""
    customer, data = a_customer(served), a_letter()
    first = handed_in(staff, issued(staff, customer)["scan_code"], data)
    code = issued(staff, customer)["scan_code"]
    with wire.nothing_stored(served):
        again = hand_in(staff, code, data)
        assert problem_of(again, 409) == "duplicate-content"
        assert again.json()["existing"] == first["evidence"]
    assert hand_in(staff, code, data, duplicate="allow").status_code == 201
    elsewhere = hand_in(staff, issued(staff, a_customer(served))["scan_code"], data)
    assert elsewhere.status_code == 201


def test_an_external_id_is_that_of_the_document(served: Served, staff: httpx.Client) -> None:
    external, customer = secrets.token_hex(6), a_customer(served)
    item = handed_in(staff, issued(staff, customer)["scan_code"], external_id=external)
    found = staff.get("/v1/documents", params={"external_id": external}, headers=at(item["position"])).json()["items"]
    assert [row["id"] for row in found] == [item["evidence"]]
    again = hand_in(staff, issued(staff, customer)["scan_code"], external_id=external)
    assert problem_of(again, 409) == "external-id-taken"


# -- kept on paper ------------------------------------------------------------------------------------------------


def test_no_upload_by_code_notes_the_signature_and_where_the_paper_is(served: Served, staff: httpx.Client) -> None:
    """D2: type and customer may be left out."""
    customer = a_customer(served)
    made = issued(staff, customer, note="of the form", valid_until="2099-01-01")
    answer = note_signed(staff, made["scan_code"], signed_on="2026-01-02", original={"held": True, "shelf_mark": "C 3"})
    assert answer.status_code == 201
    item = answer.json()
    assert answer.headers["Location"] == f"/v1/authorizations/{item['id']}"
    assert answer.headers["ETag"] == '"2"'
    said = {
        "id": made["authorization"]["id"], "customer": customer, "status": "active", "source": "none",
        "original_held": True, "shelf_mark": "C 3", "evidence": None, "signed_on": "2026-01-02", "note": "of the form",
        "valid_until": "2099-01-01", "scan_code": made["scan_code"], "file_name": None, "version": 2,
    }  # fmt: skip
    assert {name: item[name] for name in said} == said
    assert view(staff, customer, item["position"]) == [{n: v for n, v in item.items() if n not in ANSWERED}]
    assert said_in(staff, f"authorizations/{item['id']}") == "authorization-signed authorization-issued"


def test_without_a_file_the_original_must_be_kept_also_by_code(served: Served, staff: httpx.Client) -> None:
    """D7, I3."""
    code = issued(staff, a_customer(served))["scan_code"]
    for original in ({"held": False}, None):
        assert pointers(note_signed(staff, code, original=original)) == {"/original/held"}
    assert check(staff, code).json()["authorization"]["status"] == "issued"


def test_what_was_written_on_the_form_takes_the_place_of_what_was_printed(served: Served, staff: httpx.Client) -> None:
    made = issued(staff, a_customer(served), type=DEBT, mandate={"debtor_name": "J. de Vries"})
    before = check(staff, made["scan_code"]).json()["collection"]
    item = item_of(
        note_signed(
            staff, made["scan_code"], mandate={"iban": IBANS[1], "signature_date": "2026-01-31"}, note="by hand"
        )
    )
    statement = read(staff, item)
    assert statement["mandate"] == {
        **{name: before[name] for name in statement["mandate"]}, "iban": IBANS[1], "signature_date": "2026-01-31",
    }  # fmt: skip
    assert (statement["note"], statement["signed_on"]) == ("by hand", "2026-01-31")
    assert statement["collection"]["complete"] is True


def test_a_wrong_iban_on_the_paper_is_told_and_the_form_stays_issued(served: Served, staff: httpx.Client) -> None:
    code = issued(staff, a_customer(served), type=DEBT)["scan_code"]
    assert problem_of(note_signed(staff, code, mandate={"iban": "NL92ABNA0417164300"}), 422) == "iban-invalid"
    assert check(staff, code).json()["collection"]["status"] == "issued"


def test_it_is_noted_once(served: Served, staff: httpx.Client) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    item_of(note_signed(staff, code))
    again = note_signed(staff, code)
    assert problem_of(again, 409) == "illegal-transition"
    assert again.json()["state"] == "active"


def test_an_external_id_of_the_note_finds_the_authorization(served: Served, staff: httpx.Client) -> None:
    """The caller's own id is kept wherever it may be given."""
    external = secrets.token_hex(6)
    item = item_of(note_signed(staff, issued(staff, a_customer(served))["scan_code"], external_id=external))
    assert item["external_id"] == external
    found = staff.get("/v1/authorizations", params={"external_id": external}, headers=at(item["position"])).json()
    assert [row["id"] for row in found["items"]] == [item["id"]]


def test_a_later_file_with_the_same_code_takes_the_place_of_the_original(served: Served, staff: httpx.Client) -> None:
    """D9 and edge case 8: one row in the view, not two."""
    customer = a_customer(served)
    code = issued(staff, customer)["scan_code"]
    noted = item_of(note_signed(staff, code, signed_on="2026-01-02"))
    assert [row["original_held"] for row in view(staff, customer, noted["position"])] == [True]
    item = handed_in(staff, code, signed_on="2026-01-09")
    assert (item["original_held"], item["status"], item["source"]) == (False, "active", "file")
    assert item["signed_on"] == "2026-01-02", "it was signed when it was noted"
    rows = view(staff, customer, item["position"])
    assert [(row["id"], row["evidence"]) for row in rows] == [(noted["id"], item["evidence"])]
    [attached, *_] = item_of(staff.get(f"/v1/authorizations/{item['id']}/history"))["items"]
    assert attached["before"] == {"evidence": None, "original_held": True}
    assert attached["after"] == {"evidence": item["evidence"], "original_held": False}


# -- once ---------------------------------------------------------------------------------------------------------


def test_a_code_is_redeemed_once_and_a_better_scan_is_a_new_version(served: Served, staff: httpx.Client) -> None:
    """I4, edge case 3."""
    customer = a_customer(served)
    code = issued(staff, customer)["scan_code"]
    item = handed_in(staff, code)
    with wire.nothing_stored(served):
        for answer in (hand_in(staff, code), note_signed(staff, code), check(staff, code)):
            assert problem_of(answer, 409) == "scan-code-redeemed"
            assert answer.json()["existing"] == item["evidence"]
    assert len(view(staff, customer)) == 1


def test_redeemed_does_not_name_a_document_that_the_caller_may_not_see(served: Served) -> None:
    """I12. The form may be seen by none of them, so it is unknown: nothing is told of its paper."""
    made = issued(served.as_("staff"), a_customer(served), type="READING_DISABILITY")
    handed_in(served.as_("staff"), made["scan_code"])
    for desk in (served.as_("supervisor", without=("health",)), served.as_("integration")):
        answer = note_signed(desk, made["scan_code"])
        assert problem_of(answer, 404) == "scan-code-unknown"
        assert "existing" not in answer.json()


def test_sent_again_with_its_key_it_is_answered_as_before(served: Served, staff: httpx.Client) -> None:
    customer, data = a_customer(served), a_letter()
    filed, noted = (issued(staff, customer)["scan_code"] for _ in range(2))
    file_key, note_key = ({"Idempotency-Key": secrets.token_hex(8)} for _ in range(2))

    def sent() -> Iterator[httpx.Response]:
        yield hand_in(staff, filed, data, headers=file_key, note="once")
        yield note_signed(staff, noted, headers=note_key, note="once")

    for first, second in zip(sent(), sent(), strict=True):
        assert (second.status_code, second.json()) == (201, first.json())
        assert {n: second.headers[n] for n in ("Location", "ETag", "Archive-Position")} == {
            n: first.headers[n] for n in ("Location", "ETag", "Archive-Position")
        }
        assert second.headers["Idempotency-Replayed"] == "true"
    assert served.contents() == served.named_contents()


def test_twins_with_one_key_are_both_told_of_the_one_that_was_stored(served: Served, staff: httpx.Client) -> None:
    code, data, key = (
        issued(staff, a_customer(served))["scan_code"],
        a_letter(),
        {"Idempotency-Key": secrets.token_hex(8)},
    )
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: hand_in(staff, code, data, headers=key), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["evidence"] for answer in answers}) == 1
    assert served.contents() == served.named_contents()


def race(served: Served, rounds: int) -> None:
    """Two desks scan the same form in the same instant; one wins, the other is told what is archived."""
    staff = served.as_("staff")
    desks = [served.as_("staff", branch=branch) for branch in ("EAST", "WEST")]
    customer = a_customer(served)
    wins = dict.fromkeys(range(2), 0)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            code = issued(staff, customer)["scan_code"]
            files = [a_letter(), a_letter()]
            answers = list(pool.map(hand_in, desks, [code, code], files))
            [winner] = [n for n, answer in enumerate(answers) if answer.status_code == 201]
            item, loser = answers[winner].json(), answers[1 - winner]
            assert problem_of(loser, 409) == "scan-code-redeemed"
            assert loser.json()["existing"] == item["evidence"]
            content = staff.get(f"/v1/documents/{item['evidence']}/content", headers=at(item["position"]))
            assert content.content == files[winner]
            wins[winner] += 1
    print(f"{rounds} rounds, won by the first {wins[0]}, by the second {wins[1]}")  # noqa: T201  # the figures
    rows = view(staff, customer, limit=200)
    assert len(rows) == rounds
    assert all(row["evidence"] for row in rows)
    assert served.contents() == served.named_contents()


def test_of_two_desks_with_one_code_one_wins_and_the_other_is_told_who(served: Served) -> None:
    """I13, edge case 4."""
    race(served, ROUNDS)


@pytest.mark.long
def test_of_two_desks_with_one_code_one_wins_two_hundred_times(served: Served) -> None:
    race(served, ROUNDS_LONG)


def test_a_note_and_a_scan_of_one_code_at_once_are_one_row(served: Served, staff: httpx.Client) -> None:
    """The note first, then its paper; or the paper, and the note is told of it. Never half of each."""
    customer = a_customer(served)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            code = issued(staff, customer)["scan_code"]
            scan, note = pool.submit(hand_in, staff, code), pool.submit(note_signed, staff, code)
            item = item_of(scan.result())
            if note.result().status_code != 201:
                assert problem_of(note.result(), 409) == "scan-code-redeemed"
            told = said_in(staff, f"authorizations/{item['id']}", item["position"])
            assert told == "evidence-attached authorization-signed authorization-issued"
    assert {row["original_held"] for row in view(staff, customer)} == {False}


# -- what is over, what was changed -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["suspend", "revoke", "supersede"])
def test_an_older_scan_of_what_is_over_is_archived_and_brings_nothing_back(
    served: Served, staff: httpx.Client, verb: str
) -> None:
    """Edge case 10."""
    customer = a_customer(served)
    code = issued(staff, customer)["scan_code"]
    noted = item_of(note_signed(staff, code, signed_on="2026-01-02"))
    other = issued(staff, customer)["authorization"]["id"]
    body: dict[str, dict[str, Any]] = {
        "suspend": {}, "revoke": {"received_on": "2026-02-01"}, "supersede": {"by": other},
    }  # fmt: skip
    over = stepped(staff, noted, verb, **body[verb])
    item = handed_in(staff, code)
    assert (item["status"], item["original_held"]) == (over["status"], False)
    assert staff.get(f"/v1/documents/{item['evidence']}", headers=at(item["position"])).status_code == 200
    assert said_in(staff, f"authorizations/{item['id']}").split()[0] == "evidence-attached"


def test_a_form_that_was_cancelled_is_no_evidence_of_anything(served: Served, staff: httpx.Client) -> None:
    made = issued(staff, a_customer(served))
    stepped(staff, made["authorization"], "cancel")
    with wire.nothing_stored(served):
        for answer in (hand_in(staff, made["scan_code"]), note_signed(staff, made["scan_code"])):
            assert problem_of(answer, 409) == "authorization-not-active"
            assert answer.json()["authorization_status"] == "cancelled"


def test_a_second_mandate_for_the_account_is_refused_when_it_is_signed(served: Served, staff: httpx.Client) -> None:
    """I6: and nothing of its paper stays."""
    customer = a_customer(served)
    first, second = debt_issued(staff, customer), debt_issued(staff, customer)
    handed_in(staff, first["scan_code"])
    with wire.nothing_stored(served):
        answer = hand_in(staff, second["scan_code"])
        assert problem_of(answer, 409) == "mandate-exists"
        assert answer.json()["existing"] == first["authorization"]["id"]


def a_type(served: Served, code: str, **changes: Any) -> None:
    usual = {
        "labels": {"en": "Old name"}, "kind": "authorization", "sensitivity": "ordinary", "sources": ["file", "none"],
    }  # fmt: skip
    answer = served.as_("supervisor").put(f"/v1/document-types/{code}", json={**usual, **changes})
    assert answer.is_success, answer.text


def test_paper_of_a_type_that_was_switched_off_still_comes_in_and_keeps_the_label_of_its_day(
    served: Served, staff: httpx.Client
) -> None:
    """Edge case 20."""
    customer, kind = a_customer(served), f"T_{secrets.token_hex(4).upper()}"
    a_type(served, kind)
    filed, noted = (issued(staff, customer, type=kind)["scan_code"] for _ in range(2))
    a_type(served, kind, labels={"en": "New name"}, active=False)
    assert problem_of(select_file(staff, customer, type=kind), 422) == "document-type-inactive"
    assert check(staff, filed).json()["authorization"]["type_label"] == "Old name"
    item, note = handed_in(staff, filed), item_of(note_signed(staff, noted))
    assert {item["type_label"], note["type_label"]} == {"Old name"}
    assert {row["type_label"] for row in view(staff, customer, note["position"])} == {"Old name"}


def test_a_mandate_may_be_signed_by_another_holder_of_the_account_and_for_a_school(
    served: Served, staff: httpx.Client
) -> None:
    """Edge case 12."""
    school = a_customer(served, name="De Regenboog", kind="organisation")
    mandate = {"debtor_name": "Stichting Scholen Oost", "iban": an_iban()}
    item = handed_in(staff, issued(staff, school, type=DEBT, mandate=mandate)["scan_code"])
    assert read(staff, item)["mandate"]["debtor_name"] == "Stichting Scholen Oost"
    assert view(staff, school, item["position"])[0]["kind"] == "mandate"


def test_who_is_not_of_age_is_flagged_and_nothing_is_deleted(served: Served, staff: httpx.Client) -> None:
    """Edge case 13: by the capacity rule of the type, on the day of the reader."""
    kind = f"T_{secrets.token_hex(4).upper()}"
    a_type(served, kind, capacity_years=16)
    today = datetime.now(ZoneInfo(served.settings.timezone)).date()
    child = a_customer(served, birth_date=(today - timedelta(days=10 * 365)).isoformat())
    item = handed_in(staff, issued(staff, child, type=kind)["scan_code"])
    assert [row["of_age"] for row in view(staff, child, item["position"])] == [False]
    grown = today.replace(year=today.year - 16, day=min(today.day, 28)).isoformat()
    served.as_("operator").put(f"/v1/customers/{child}", json={"name": "Jan", "birth_date": grown})
    assert [(row["of_age"], row["status"]) for row in view(staff, child)] == [(True, "active")]


def test_a_program_notes_by_code_and_archives_no_files(served: Served) -> None:
    program = served.as_("integration")
    code = issued(program, a_customer(served), type=DEBT, mandate={"iban": an_iban()})["scan_code"]
    assert problem_of(hand_in(program, code), 403) == "forbidden"
    item = item_of(note_signed(program, code))
    assert (item["status"], item["actor"]) == ("active", "integration")
    assert "•" in read(program, item)["mandate"]["iban"], "an IBAN is whole only for who may amend it"


@pytest.mark.parametrize("day", ["0001-01-01", "1900-02-28"])
def test_a_signature_of_long_ago_is_kept_and_what_is_over_by_it_is_over(
    served: Served, staff: httpx.Client, day: str
) -> None:
    """No day that a calendar has makes a mistake of ours: an authorization without validity goes on."""
    item = handed_in(staff, issued(staff, a_customer(served))["scan_code"], signed_on=day, received_on=day)
    assert (item["signed_on"], item["received_on"], item["status"]) == (day, day, "active")
    assert read(staff, item)["signed_on"] == day


def test_a_file_of_an_authorization_type_without_a_code_is_still_one_save(served: Served, staff: httpx.Client) -> None:
    """docs/domain.md §3: registered, archived, attached; there is no code to it then."""
    item = archived(staff, a_customer(served), type=DEBT)
    assert (item["scan_code"], item["status"], item["kind"]) == (None, "active", "mandate")
    assert read(staff, item)["collection"]["complete"] is False


def test_its_collection_data_is_given_later_by_an_amendment(served: Served, staff: httpx.Client) -> None:
    """I7: the IBAN first."""
    item = archived(staff, a_customer(served), type=DEBT, signed_on="2026-01-31")
    row = {**item, "version": read(staff, item)["version"]}
    amended = stepped(staff, row, "amend", iban=a_mandate()["iban"], debtor_name="J. de Vries")
    statement = read(staff, amended)
    assert statement["collection"]["complete"] is True
    assert statement["mandate"]["signature_date"] == "2026-01-31"
