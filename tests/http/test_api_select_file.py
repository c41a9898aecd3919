"""Select file (C1 to C8): what is archived, what is refused, and that a refusal leaves nothing behind."""

import hashlib
import json
import re
import secrets
from datetime import date, timedelta
from http.client import HTTPConnection
from itertools import permutations
from typing import Any

import httpx
import pytest

from tests.http.desk import (
    a_customer,
    a_letter,
    a_text,
    archived,
    at,
    pointers,
    problem_of,
    select_file,
    view,
)
from tests.http.served import Served
from tests.paper.files import a_blank_png, a_docx, a_jpeg, a_locked_pdf, a_pdf, a_png, a_zip

ITEM = {
    "id", "kind", "type", "type_label", "status", "source", "file_name", "note", "media_type", "size_bytes", "sha256",
    "pages", "scan_code", "evidence", "original_held", "shelf_mark", "received_on", "recorded_at", "actor", "branch",
    "keep_until", "hold", "version", "content_version",
}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def test_a_file_is_archived_with_what_was_said_of_it(served: Served, staff: httpx.Client) -> None:
    customer, letter = a_customer(served), a_letter(pages=2)
    answer = select_file(
        staff,
        customer,
        letter,
        name="letter of march.pdf",
        note="about the fine",
        received_on="2026-03-14",
        external_id=(external := secrets.token_hex(4)),
        headers={"Archive-Branch": "CENTRAL"},
    )
    assert answer.status_code == 201
    item = answer.json()
    assert set(item) >= ITEM | {"customer", "position"}
    said = {name: item[name] for name in ("customer", "type", "note", "received_on", "external_id", "file_name")}
    assert said == {
        "customer": customer,
        "type": "LETTER",
        "note": "about the fine",
        "received_on": "2026-03-14",
        "external_id": external,
        "file_name": "letter of march.pdf",
    }
    found = {name: item[name] for name in ("kind", "status", "source", "media_type", "size_bytes", "pages", "sha256")}
    assert found == {
        "kind": "document",
        "status": "archived",
        "source": "file",
        "media_type": "application/pdf",
        "size_bytes": len(letter),
        "pages": 2,
        "sha256": hashlib.sha256(letter).hexdigest(),
    }
    assert (item["actor"], item["branch"], item["type_label"]) == ("staff", "CENTRAL", "Letter")
    assert (item["version"], item["content_version"], item["hold"], item["original_held"]) == (1, 1, False, False)
    assert MOMENT.fullmatch(item["recorded_at"])


def test_the_answer_names_where_it_lies_its_version_and_its_position(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    answer = select_file(staff, customer)
    item = answer.json()
    assert answer.headers["Location"] == f"/v1/documents/{item['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Archive-Position"] == str(item["position"])
    read = staff.get(answer.headers["Location"], headers=at(item["position"]))
    assert read.headers["ETag"] == '"1"'
    beside: dict[str, Any] = {"linked_customers": [], "evidence_of": None}  # told to who reads the document alone
    assert read.json() == {**{name: value for name, value in item.items() if name != "position"}, **beside}
    assert view(staff, customer, item["position"]) == [
        {name: value for name, value in item.items() if name not in ("position", "customer")}
    ]


@pytest.mark.parametrize("order", list(permutations(("file", "customer", "type"))))
def test_the_parts_of_the_form_may_come_in_any_order(
    served: Served, staff: httpx.Client, order: tuple[str, ...]
) -> None:
    given: dict[str, Any] = {
        "file": ("a.pdf", a_letter()),
        "customer": (None, a_customer(served)),
        "type": (None, "LETTER"),
    }
    answer = staff.post("/v1/documents", files=[(name, given[name]) for name in order])
    assert answer.status_code == 201, answer.text


def test_what_is_left_out_has_its_default(served: Served, staff: httpx.Client) -> None:
    item = archived(staff, a_customer(served))
    assert (item["note"], item["external_id"], item["branch"]) == (None, None, "MAIN")
    assert abs(date.fromisoformat(item["received_on"]) - date.today()) <= timedelta(days=1)  # noqa: DTZ011  # two zones
    blank = archived(staff, a_customer(served), note="  ", received_on="", external_id="", duplicate="")
    assert (blank["note"], blank["external_id"]) == (None, None)


def test_everything_that_is_missing_is_named_at_once(staff: httpx.Client) -> None:
    answer = staff.post("/v1/documents", files={"note": (None, "x")})
    assert pointers(answer) == {"/form/customer", "/form/type", "/form/file"}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"customer": "a b"}, "/form/customer"),
        ({"customer": "x" * 65}, "/form/customer"),
        ({"received_on": "14-03-2026"}, "/form/received_on"),
        ({"received_on": "2026-02-30"}, "/form/received_on"),
        ({"received_on": "2999-01-01"}, "/form/received_on"),
        ({"note": "x" * 4001}, "/form/note"),
        ({"note": "bell \a"}, "/form/note"),
        ({"external_id": "x" * 201}, "/form/external_id"),
        ({"external_id": "two\nlines"}, "/form/external_id"),
        ({"duplicate": "perhaps"}, "/form/duplicate"),
        ({"colour": "red"}, "/form/colour"),
    ],
)
def test_a_wrong_field_is_named(served: Served, staff: httpx.Client, fields: dict[str, Any], pointer: str) -> None:
    answer = select_file(staff, **{"customer": a_customer(served), **fields})
    assert pointers(answer) == {pointer}


def test_a_note_of_exactly_the_limit_is_taken_with_every_script_and_line(served: Served, staff: httpx.Client) -> None:
    note = "Één café\n日本語 🎉 עברית\t" + "x" * 4000
    assert archived(staff, a_customer(served), note=note[:4000])["note"] == note[:4000]


@pytest.mark.parametrize(
    ("fields", "status", "slug"),
    [
        ({"type": "NO_SUCH_TYPE"}, 422, "document-type-unknown"),
        ({"customer": "nobody-at-all"}, 422, "customer-unknown"),
        ({"scan_code": "DA482719036651 44"}, 404, "scan-code-unknown"),
    ],
)
def test_what_does_not_exist_is_refused(
    served: Served, staff: httpx.Client, fields: dict[str, Any], status: int, slug: str
) -> None:
    assert problem_of(select_file(staff, **{"customer": a_customer(served), **fields}), status) == slug


BAD_FILES = {
    "empty": (b"", "letter.pdf", 422, "file-empty"),
    "executable": (b"MZ\x90\0\x03\0\0\0" + bytes(200), "letter.pdf", 415, "file-type-not-allowed"),
    "html": (b"<!doctype html><script>alert(1)</script>", "letter.txt", 415, "file-type-not-allowed"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing.png", 415, "file-type-not-allowed"),
    "zip": (a_zip({"a.txt": b"a"}), "letter.docx", 415, "file-type-not-allowed"),
    "cut PDF": (a_letter()[:200], "letter.pdf", 422, "file-damaged"),
    "cut JPEG": (a_jpeg((400, 300))[:-400], "photo.jpg", 422, "file-damaged"),
    "pixels": (a_blank_png(12_000, 12_000), "poster.png", 422, "file-too-many-pixels"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_is_refused_and_leaves_nothing(served: Served, staff: httpx.Client, what: str) -> None:
    """Rule C8, edge case 7."""
    data, name, status, slug = BAD_FILES[what]
    customer, before = a_customer(served), served.contents()
    answer = select_file(staff, customer, data, name=name)
    assert problem_of(answer, status) == slug
    assert served.contents() == before
    assert served.temporary_files() == []
    assert view(staff, customer) == []


def test_the_name_of_a_file_says_nothing_about_what_it_is(served: Served, staff: httpx.Client) -> None:
    item = archived(staff, a_customer(served), a_jpeg(), name="letter.pdf")
    assert (item["media_type"], item["file_name"]) == ("image/jpeg", "letter.pdf")


def test_a_file_with_a_password_is_taken_with_a_flag_and_without_preview(served: Served, staff: httpx.Client) -> None:
    item = archived(staff, a_customer(served), a_locked_pdf(secrets.token_hex(4)))
    assert (item["password_protected"], item["preview"]) == (True, False)
    assert (
        problem_of(staff.get(f"/v1/documents/{item['id']}/pages/1", headers=at(item["position"])), 404) == "not-found"
    )


def test_a_type_may_refuse_passwords_and_kinds_of_file_and_be_switched_off(served: Served, staff: httpx.Client) -> None:
    operator, customer = served.as_("operator"), a_customer(served)
    code = f"STRICT_{secrets.token_hex(3).upper()}"
    strict = {
        "labels": {"en": "Strict"}, "kind": "document", "sensitivity": "ordinary", "sources": ["file"],
        "media_types": ["application/pdf"], "password_protected_allowed": False,
    }  # fmt: skip
    assert operator.put(f"/v1/document-types/{code}", json=strict).status_code == 201
    assert problem_of(select_file(staff, customer, a_locked_pdf(), type=code), 422) == "file-password-protected"
    assert problem_of(select_file(staff, customer, a_png(), type=code), 415) == "file-type-not-allowed"
    assert archived(staff, customer, type=code)["type"] == code
    assert operator.put(f"/v1/document-types/{code}", json={**strict, "active": False}).status_code == 200
    assert problem_of(select_file(staff, customer, type=code), 422) == "document-type-inactive"
    assert operator.put(f"/v1/document-types/{code}", json={**strict, "sources": ["scan"]}).status_code == 200
    assert problem_of(select_file(staff, customer, type=code), 422) == "source-not-allowed"


def test_macros_are_flagged(served: Served, staff: httpx.Client) -> None:
    """Edge case 7."""
    docx = a_docx(more={"word/vbaProject.bin": secrets.token_bytes(64)})
    item = archived(staff, a_customer(served), docx, name="form.docx")
    assert "macros" in item["flags"]


def test_an_identification_needs_a_legal_ground(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    assert pointers(select_file(staff, customer, type="IDENTIFICATION")) == {"/form/ground"}
    item = archived(staff, customer, type="IDENTIFICATION", ground="court order 12/2026")
    assert item["type"] == "IDENTIFICATION"


def test_a_file_of_an_authorization_type_is_one_row_with_its_evidence(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    answer = select_file(staff, customer, type="GUARDIAN_CONSENT")
    item = answer.json()
    assert (item["kind"], item["status"], item["source"]) == ("authorization", "active", "file")
    assert item["original_held"] is False
    assert answer.headers["Location"] == f"/v1/documents/{item['evidence']}"
    assert [row["id"] for row in view(staff, customer, item["position"])] == [item["id"]]
    evidence = staff.get(f"/v1/documents/{item['evidence']}").json()
    assert (evidence["kind"], evidence["file_name"], evidence["customer"]) == ("document", "letter.pdf", customer)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Scans\\brief.pdf", "brief.pdf"),
        ("brief \u202efdp.exe", "brief fdp.exe"),
        ("🎉 feest.pdf", "🎉 feest.pdf"),
        ("מכתב.pdf", "מכתב.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_names_of_files_are_made_safe_to_show(served: Served, staff: httpx.Client, given: str, shown: str) -> None:
    """Rule C3, edge case 7."""
    assert archived(staff, a_customer(served), name=given)["file_name"] == shown


def test_an_external_id_finds_its_document_and_is_given_once(served: Served, staff: httpx.Client) -> None:
    customer, external = a_customer(served), f"migr/{secrets.token_hex(4)} ü"
    item = archived(staff, customer, external_id=external)
    found = staff.get("/v1/documents", params={"external_id": external}, headers=at(item["position"])).json()
    assert [row["id"] for row in found["items"]] == [item["id"]]
    again = select_file(staff, a_customer(served), external_id=external)
    assert problem_of(again, 409) == "external-id-taken"
    assert again.json()["existing"] == item["id"]
    assert staff.get("/v1/documents", params={"external_id": "none"}).json()["items"] == []
    assert pointers(staff.get("/v1/documents")) == {"/query/external_id"}


def test_a_branch_writes_as_itself_whatever_the_header_says(served: Served) -> None:
    east = served.as_("staff", branch="EAST")
    assert archived(east, a_customer(served), headers={"Archive-Branch": "WEST"})["branch"] == "EAST"
    answer = select_file(served.as_("staff"), a_customer(served), headers={"Archive-Branch": "no branch!"})
    assert pointers(answer) == {"/header/Archive-Branch"}


def test_a_file_over_the_limit_is_refused_on_its_length(served: Served, staff: httpx.Client) -> None:
    """No byte of such a body is waited for."""
    host, port = served.settings.host, served.settings.port
    length = served.settings.limits.upload_bytes_max + 1_000_000
    connection = HTTPConnection(host, port, timeout=30)
    connection.putrequest("POST", "/v1/documents")
    for name, value in {
        "Authorization": staff.headers["Authorization"],
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(length),
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["type"]) == (413, "/problems/content-too-large")
    connection.close()


def test_two_pages_of_one_customer_come_newest_first(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    first, second = archived(staff, customer, a_text(), name="1.txt"), archived(staff, customer, a_pdf(2), name="2.pdf")
    assert first["position"] < second["position"]
    names = [item["file_name"] for item in view(staff, customer, second["position"])]
    assert names == ["2.pdf", "1.txt"]
