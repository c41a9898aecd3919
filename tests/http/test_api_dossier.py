"""The dossier of a dispute (docs/domain.md §6): form, evidence of every version, amendments, collections, history."""

import io
import json
import secrets
import socket
import zipfile
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http import wire
from tests.http.desk import (
    DEBT,
    IBANS,
    a_customer,
    a_letter,
    a_mandate,
    access_lines,
    an_iban,
    archived,
    at,
    debt_issued,
    handed_in,
    item_of,
    noted,
    problem_of,
    replace,
    select_file,
    step,
    stepped,
)
from tests.http.memory import MIB, memory_of
from tests.http.served import Served, wait_until
from web.problems import catalog

GROWTH_BYTES_MAX = 100 * MIB
TEXTS = {"dossier.json", "dossier.txt"}


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def download(client: httpx.Client, authorization: str, **headers: str) -> httpx.Response:
    return client.get(f"/v1/authorizations/{authorization}/dossier", headers=headers)


def opened(answer: httpx.Response) -> dict[str, bytes]:
    """Every file of the zip; its checksums are checked by reading."""
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        assert len(set(names)) == len(names)
        return {name: packed.read(name) for name in names}


def facts(files: dict[str, bytes]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(files["dossier.json"])
    return told


class Dispute:
    """A mandate that was issued, signed, scanned twice, amended, collected from, and then revoked."""

    def __init__(self, served: Served) -> None:
        staff, boss = served.as_("staff"), served.as_("supervisor")
        self.customer, self.scans = a_customer(served), [a_letter(1), a_letter(2)]
        self.form = debt_issued(staff, self.customer)
        item = handed_in(staff, self.form["scan_code"], self.scans[0], name="scan.pdf", signed_on="2026-01-31")
        self.id, self.evidence = item["id"], item["evidence"]
        item_of(replace(boss, self.evidence, self.scans[1], 1, name="better scan.pdf"))
        amended = stepped(staff, item, "amend", iban=IBANS[1], reason="moved to another bank")
        paid = stepped(
            staff,
            amended,
            "collections",
            presented_on="2026-02-01",
            due_on="2026-02-06",
            outcome="paid",
            reference="R 1",
        )
        refunded = stepped(
            staff, paid, "collections", presented_on="2026-03-01", due_on="2026-03-06", outcome="refunded"
        )
        revoked = stepped(staff, refunded, "revoke", received_on="2026-03-20", reason="by letter")
        self.position = revoked["position"]


@pytest.fixture(scope="module")
def dispute(served: Served) -> Dispute:
    return Dispute(served)


# -- what is in it ------------------------------------------------------------------------------------------------


def test_it_is_one_zip_to_be_kept(served: Served, staff: httpx.Client, dispute: Dispute) -> None:
    answer = download(staff, dispute.id)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="dossier-{dispute.id}.zip"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert set(opened(answer)) == {*TEXTS, "form.pdf", "evidence/1-scan.pdf", "evidence/2-better scan.pdf"}


def test_every_version_of_the_evidence_is_in_it_byte_for_byte(staff: httpx.Client, dispute: Dispute) -> None:
    files = opened(download(staff, dispute.id))
    assert [files["evidence/1-scan.pdf"], files["evidence/2-better scan.pdf"]] == dispute.scans


def test_the_form_is_the_one_that_was_printed(staff: httpx.Client, dispute: Dispute) -> None:
    assert opened(download(staff, dispute.id))["form.pdf"] == staff.get(dispute.form["form"]).content


def test_the_facts_are_those_of_the_archive(staff: httpx.Client, dispute: Dispute) -> None:
    told = facts(opened(download(staff, dispute.id)))
    assert set(told) == {"authorization", "collection", "amendments", "collections", "history"}
    read = item_of(staff.get(f"/v1/authorizations/{dispute.id}", headers=at(dispute.position)))
    row = {name: value for name, value in read.items() if name not in ("mandate", "collection")}
    assert told["authorization"] == row
    assert told["collection"] == {
        **read["mandate"], "status": "revoked", "last_collection_on": "2026-03-06", "complete": True,
    }  # fmt: skip
    assert (told["collection"]["iban"], told["collection"]["signature_date"]) == (IBANS[1], "2026-01-31")


def test_amendments_and_collections_are_told_one_by_one(staff: httpx.Client, dispute: Dispute) -> None:
    """Old and new account, and what became of each collection: this is what a dispute is about."""
    told = facts(opened(download(staff, dispute.id)))
    [amendment] = told["amendments"]
    assert (amendment["before"]["iban"], amendment["after"]["iban"]) == (IBANS[0], IBANS[1])
    assert amendment["reason"] == "moved to another bank"
    assert told["collections"] == [
        {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid", "reference": "R 1"},
        {"presented_on": "2026-03-01", "due_on": "2026-03-06", "outcome": "refunded"},
    ]


def test_the_history_is_that_of_authorization_and_evidence_oldest_first(staff: httpx.Client, dispute: Dispute) -> None:
    told = facts(opened(download(staff, dispute.id)))["history"]
    shown = [
        item
        for address in (f"authorizations/{dispute.id}", f"documents/{dispute.evidence}")
        for item in item_of(staff.get(f"/v1/{address}/history", headers=at(dispute.position)))["items"]
    ]
    for item in shown:
        assert item["subject"].pop("label") == "Debt authorization"  # of today, and the dossier is kept
    assert told == sorted(shown, key=lambda item: item["position"])
    assert [item["action"] for item in told][:2] == ["authorization-issued", "document-archived"]
    assert told[-1]["action"] == "authorization-revoked"


def test_a_person_can_read_it_out(staff: httpx.Client, dispute: Dispute) -> None:
    text = opened(download(staff, dispute.id))["dossier.txt"].decode()
    for said in (IBANS[0], IBANS[1], "J. de Vries", "2026-01-31", "refunded", "by letter", "moved to another bank"):
        assert said in text, said


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_its_headings_are_in_the_readers_language(staff: httpx.Client, dispute: Dispute, language: str) -> None:
    text = opened(download(staff, dispute.id, **{"Accept-Language": language}))["dossier.txt"].decode()
    for heading in ("Collection data", "Amendments", "Collections", "History"):
        assert f"\n{catalog(language)(heading)}\n---" in text


def test_the_same_dossier_twice_is_the_same_bytes(staff: httpx.Client, dispute: Dispute) -> None:
    """So that two copies can be compared years later."""
    assert download(staff, dispute.id).content == download(staff, dispute.id).content


def test_a_mandate_without_form_or_evidence_has_a_dossier_as_well(served: Served, staff: httpx.Client) -> None:
    item = noted(staff, a_customer(served), type=DEBT, mandate=a_mandate(iban=an_iban()))
    files = opened(download(staff, item["id"]))
    assert set(files) == TEXTS
    assert facts(files)["collections"] == facts(files)["amendments"] == []


def test_a_consent_has_one_without_collection_data(served: Served, staff: httpx.Client) -> None:
    item = archived(staff, a_customer(served), data := a_letter(), type="GUARDIAN_CONSENT", name="consent.pdf")
    files = opened(download(staff, item["id"]))
    assert set(files) == {*TEXTS, "evidence/1-consent.pdf"}
    assert files["evidence/1-consent.pdf"] == data
    assert facts(files)["collection"] is None


def test_after_a_move_it_names_customers_by_their_own_ids_and_is_read_of_the_right_one(served: Served) -> None:
    """No reference of ours means anything to who gets it; and who looks for reads of the customer finds this one."""
    name = f"reader-{secrets.token_hex(4)}"
    boss = served.client(served.new_token(name, "supervisor"))
    wrong, right = a_customer(served), a_customer(served)
    item = handed_in(boss, debt_issued(boss, wrong)["scan_code"], name="scan.pdf")
    moved = item_of(step(boss, item["id"], "reassign", "*", customer=right, reason="a slip"))
    files = opened(download(boss, moved["id"]))
    told = facts(files)
    assert told["authorization"]["customer"] == right
    moves = [(h["before"], h["after"]) for h in told["history"] if h["action"].endswith("reassigned")]
    assert moves == [({"customer": wrong}, {"customer": right})] * 2
    references = served.sql("select reference::text from keys.customer where customer_id = any(%s)", [[wrong, right]])
    assert not [reference for (reference,) in references if reference.encode() in b"".join(files.values())]
    lines = access_lines(served, name, action="export")
    assert [(line["customer"], line["authorization"]) for line in lines] == [(right, moved["id"])]


# -- names in the zip ---------------------------------------------------------------------------------------------

NAMES = {
    "../../etc/passwd": "climbing",
    "..\\..\\boot.ini": "climbing back",
    "/etc/passwd": "from the root",
    "C:\\Windows\\a.pdf": "from a drive",
    "a/b/c.pdf": "in folders",
    "..": "two dots",
    ".": "one dot",
    "con.pdf": "a device",
    "a\u202efdp.exe": "turned about",
    "létter ünï.pdf": "accents",
    "合同.pdf": "another script",
    "👩‍🦰.pdf": "an emoji",
    "x" * 255 + ".pdf": "very long",
    "a:b|c<d>e?.pdf": "what Windows minds",
    "": "none",
    "   ": "blanks",
    "-rf.pdf": "an option",
    "a\tb.pdf": "a tab",
}


@pytest.mark.parametrize("name", NAMES, ids=NAMES.values())
def test_no_name_of_a_file_leads_out_of_the_zip_or_hides_in_it(served: Served, staff: httpx.Client, name: str) -> None:
    """docs/domain.md §8, 7: whoever unpacks it gets what is in it, beside the texts."""
    customer = a_customer(served)
    answer = select_file(staff, customer, data := a_letter(), type="GUARDIAN_CONSENT", name=name or "x")
    files = opened(download(staff, item_of(answer)["id"]))
    [evidence] = set(files) - TEXTS
    path = PurePosixPath(evidence)
    assert (path.parts[0], len(path.parts)) == ("evidence", 2)
    assert path.name.startswith("1-")
    assert evidence.isascii()
    assert not set(evidence) & set('\\:|<>?*"\t')
    assert len(path.name) < 300
    assert files[evidence] == data


# -- for whom -----------------------------------------------------------------------------------------------------


def test_every_download_is_a_line_of_the_access_log_and_no_event(served: Served, dispute: Dispute) -> None:
    name = f"reader-{secrets.token_hex(4)}"
    client = served.client(served.new_token(name, "staff"))
    before = served.last_position()
    download(client, dispute.id)
    client.head(f"/v1/authorizations/{dispute.id}/dossier")
    assert served.last_position() == before
    lines = access_lines(served, name)
    assert [(line["action"], line["authorization"], line["customer"], line["status"]) for line in lines] == [
        ("export", dispute.id, dispute.customer, 200)
    ] * 2


@pytest.mark.parametrize("role", ["viewer", "station", "integration"])
def test_a_dossier_is_for_the_desk(served: Served, dispute: Dispute, role: str) -> None:
    """It has the whole IBAN and every earlier content."""
    assert problem_of(download(served.as_(role), dispute.id), 403) == "forbidden"


def test_what_is_hidden_or_absent_or_no_authorization_has_none(
    served: Served, staff: httpx.Client, dispute: Dispute
) -> None:
    """Edge case 18: and nobody is told in the log that it was read."""
    hidden = archived(
        staff, a_customer(served), a_letter(), type="READING_DISABILITY", headers={"Archive-Branch": "EAST"}
    )
    name = f"blind-{secrets.token_hex(4)}"
    blind = served.client(served.new_token(name, "staff", without=("health",)))
    west = served.as_("staff", branch="WEST", own_branch_only=True)
    for client, paper in (
        (blind, hidden["id"]), (west, hidden["id"]), (staff, dispute.evidence), (staff, str(uuid4())), (staff, "x"),
        (staff, archived(staff, dispute.customer)["id"]),
    ):  # fmt: skip
        assert problem_of(download(client, paper), 404) == "not-found"
    assert served.as_("operator").get("/v1/access-log", params={"actor": name}).json()["items"] == []


def test_a_dossier_shows_nothing_of_other_papers(served: Served, staff: httpx.Client) -> None:
    customer, word = a_customer(served), f"word{secrets.token_hex(6)}"
    archived(staff, customer, note=word, name=f"{word}.pdf")
    noted(staff, customer, note=word)
    item = handed_in(staff, debt_issued(staff, customer)["scan_code"])
    assert word.encode() not in b"".join(opened(download(staff, item["id"])).values())


# -- large --------------------------------------------------------------------------------------------------------


def large(served: Served, staff: httpx.Client) -> tuple[dict[str, Any], bytes]:
    data = secrets.token_bytes(20 * MIB).hex().encode()
    answer = select_file(staff, a_customer(served), data, type="GUARDIAN_CONSENT", name="large.txt")
    return item_of(answer), data


def test_large_evidence_is_streamed_and_not_held_in_memory(served: Served, staff: httpx.Client) -> None:
    item, data = large(served, staff)
    with memory_of(served) as memory:
        with staff.stream("GET", f"/v1/authorizations/{item['id']}/dossier") as answer:
            size = sum(len(piece) for piece in answer.iter_raw())
        assert size == int(answer.headers["Content-Length"]) > len(data)
    assert memory.growth < GROWTH_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"
    assert opened(download(staff, item["id"]))["evidence/1-large.txt"] == data
    assert served.temporary_files() == []


def test_a_reader_who_leaves_half_way_leaves_nothing_open(served: Served, staff: httpx.Client) -> None:
    item, _ = large(served, staff)
    token = staff.headers["Authorization"].removeprefix("Bearer ")
    for _ in range(3):
        with wire.connect(served) as client:
            client.sendall(wire.head("GET", f"/v1/authorizations/{item['id']}/dossier", token=token))
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            client.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: wire.open_temporaries(served) == [], 30, "a temporary file stays open")
    assert download(staff, item["id"]).status_code == 200
