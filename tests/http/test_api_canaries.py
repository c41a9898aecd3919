"""What names a person is nowhere in clear: not in the log's schema, the keys, content files, temporary files, or logs.

Canaries – words like no other – go in wherever a caller can put a word. Then everything that rests on the disk outside
the views and the register, which are searched and therefore clear (docs/architecture.md), is looked through for them.
"""

import base64
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from domain.scan_code import group_code
from store.postgres import Cluster, choose_folder
from tests.http.desk import (
    DEBT,
    a_customer,
    a_letter,
    an_iban,
    archived,
    at,
    check,
    correct,
    corrected,
    hand_in,
    handed_in,
    issued,
    item_of,
    no_upload,
    noted,
    replace,
    select_file,
    step,
    stepped,
    token_for,
    wrongly_lapsed,
)
from tests.http.scanning import a_code_page, a_page, a_station, cancel, filled, put, started
from tests.http.scanning import archived as archived_scan
from tests.http.served import Served
from tests.paper.files import a_jpeg, a_pdf

LETTERS = "abcdefghijkmnopqrstuvwxyz"


def a_canary(length: int = 16) -> str:
    """No two alike, and none a part of anything else."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


class Sent(msgspec.Struct, frozen=True):
    """What was put in: the words by the place they were put, the position after the last of it, and since when."""

    words: dict[str, str]
    position: int
    began_at: float


@pytest.fixture(scope="module")
def sent(served: Served) -> Sent:
    """Everything that a caller can say, said once, and the same said wrongly."""
    staff, words, began_at = served.as_("staff"), words_of_all_places(), time.time()
    customer = f"c-{words['customer id']}"
    person = {"name": f"Jan {words['name']}", "card_numbers": [words["card number"]], "birth_date": "1971-05-23"}
    assert served.as_("operator").put(f"/v1/customers/{customer}", json=person).status_code == 201
    say_with_files(staff, customer, words)
    say_without_files(staff, customer, words)
    say_with_forms(served, customer, words)
    say_on_the_way(served, customer, words)
    say_with_scans(served, customer, words)
    say_wrongly(staff, customer, words)
    look_for(served, staff, customer, words)
    return Sent(words, noted(staff, customer)["position"], began_at)


ON_PAGES = (
    "code on a page", "code on an archived page", "code on a cancelled page", "code on a replaced page",
    "metadata of a page", "drivers words",
)  # fmt: skip
"""What is on pages is shown to whoever looks through them, and is in no view."""


def words_of_all_places() -> dict[str, str]:
    places = (
        "customer id", "name", "card number", "file name", "note", "external id", "ground", "content", "metadata",
        "corrected note", "reason to describe", "reason to reclassify", "reason to withdraw", "reason to restore",
        "shelf mark", "debtor", "authorization note", "authorization external id", "paper", "seen note",
        "evidence name", "refused name", "refused note", "refused reason", "refused field", "unknown customer",
        "query", "wrong token", "path",
        "form note", "form debtor", "form external id", "signed note", "signed external id", "signed shelf mark",
        "signed debtor", "scanned name", "amended debtor", "reason to amend", "reason to suspend", "reason to resume",
        "reason to revoke later", "reason to revoke", "reason to supersede", "reason to cancel", "collection reference",
        "reason to reinstate", "reason to take back", "reason to reassign", "reason to move",
        "reason to link", "reason to unlink",
        "reason to replace", "replaced name", "replaced content", "title", "refused step", "refused token",
        "idempotency key", "scan note", *ON_PAGES,
    )  # fmt: skip
    words = {place: a_canary() for place in places}
    references = {f"{place} reference": a_canary().upper() for place in ("form", "amended")}
    ibans = {f"{place} IBAN": an_iban() for place in ("form", "signed", "amended")}
    words = {**words, **references, **ibans, "number suffix": a_canary(8), "IBAN": an_iban()}
    return {**words, "reference": a_canary().upper(), "code": "LETTER"}


def say_with_files(staff: httpx.Client, customer: str, words: dict[str, str]) -> None:
    document = archived(
        staff,
        customer,
        f"Dear library, I am {words['content']}.".encode(),
        name=f"letter of {words['file name']}.txt",
        note=words["note"],
        external_id=words["external id"],
    )
    described = corrected(staff, document, "describe", note=words["corrected note"], reason=words["reason to describe"])
    reclassified = corrected(staff, described, "reclassify", type="FORM", reason=words["reason to reclassify"])
    withdrawn = corrected(staff, reclassified, "withdraw", reason=words["reason to withdraw"])
    corrected(staff, withdrawn, "restore", reason=words["reason to restore"])
    drawn = archived(staff, customer, a_jpeg(comment=words["metadata"].encode()), name="photo.jpg")
    staff.get(f"/v1/documents/{drawn['id']}/pages/1", headers=at(drawn["position"]))
    archived(staff, customer, a_letter(), type="IDENTIFICATION", ground=words["ground"])
    archived(staff, customer, a_letter(), type="GUARDIAN_CONSENT", name=f"{words['evidence name']}.pdf")


def say_without_files(staff: httpx.Client, customer: str, words: dict[str, str]) -> None:
    noted(
        staff,
        customer,
        type="DEBT_AUTHORIZATION",
        original={"held": True, "shelf_mark": words["shelf mark"]},
        mandate={"debtor_name": words["debtor"], "iban": words["IBAN"], "mandate_reference": words["reference"]},
        note=words["authorization note"],
        external_id=words["authorization external id"],
    )
    seen = {"paper": words["paper"], "number_suffix": words["number suffix"], "seen_on": "2026-01-02"}
    answer = no_upload(staff, customer, type="IDENTIFICATION", original={"held": False}, verification=seen,
                       note=words["seen note"])  # fmt: skip
    assert answer.status_code == 201, answer.text


def say_with_forms(served: Served, customer: str, words: dict[str, str]) -> None:
    """Issued, printed, checked, signed on paper, then scanned; the code itself is a canary from then on."""
    staff = served.as_("staff")
    mandate = {
        "debtor_name": words["form debtor"], "iban": words["form IBAN"], "mandate_reference": words["form reference"],
    }  # fmt: skip
    made = issued(staff, customer, type=DEBT, mandate=mandate, note=words["form note"],
                  external_id=words["form external id"])  # fmt: skip
    words["scan code"] = code = made["scan_code"]
    assert staff.get(made["form"]).status_code == 200
    token = token_for(staff, group_code(code).lower())
    signed = {"debtor_name": words["signed debtor"], "iban": words["signed IBAN"]}
    answer = no_upload(
        staff, None, type=None, scan_code=code, check_token=token, mandate=signed, note=words["signed note"],
        external_id=words["signed external id"], original={"held": True, "shelf_mark": words["signed shelf mark"]},
        headers={"Idempotency-Key": words["idempotency key"]},
    )  # fmt: skip
    item = item_of(answer)
    handed_in(staff, code, name=f"{words['scanned name']}.pdf")
    live(staff, item | {"version": 3}, customer, words)
    assert staff.get(f"/v1/authorizations/{item['id']}/dossier").status_code == 200
    ended = wrongly_lapsed(served, noted(staff, customer, valid_until="2031-01-01"))
    stepped(staff, ended, "reinstate", reason=words["reason to reinstate"])
    stepped(staff, noted(staff, customer), "withdraw", reason=words["reason to take back"])
    cancelled = issued(staff, customer)
    stepped(staff, cancelled["authorization"], "cancel", reason=words["reason to cancel"])
    words["cancelled code"] = cancelled["scan_code"]


def live(staff: httpx.Client, item: dict[str, Any], customer: str, words: dict[str, str]) -> None:
    amended = stepped(
        staff, item, "amend", debtor_name=words["amended debtor"], iban=words["amended IBAN"],
        mandate_reference=words["amended reference"], reason=words["reason to amend"],
    )  # fmt: skip
    presented = {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid"}
    collected = stepped(staff, amended, "collections", **presented, reference=words["collection reference"])
    suspended = stepped(staff, collected, "suspend", reason=words["reason to suspend"])
    resumed = stepped(staff, suspended, "resume", reason=words["reason to resume"])
    later = {"received_on": "2026-02-01", "effective_on": "2999-01-01"}
    warned = stepped(staff, resumed, "revoke", **later, reason=words["reason to revoke later"])
    stepped(staff, warned, "revoke", received_on="2026-02-01", reason=words["reason to revoke"])
    superseded, by = noted(staff, customer), noted(staff, customer)
    stepped(staff, superseded, "supersede", by=by["id"], reason=words["reason to supersede"])


def say_on_the_way(served: Served, customer: str, words: dict[str, str]) -> None:
    """Moved, joined, parted, replaced, titled."""
    boss, other = served.as_("supervisor"), a_customer(served)
    item = archived(boss, other, a_letter(), type="GUARDIAN_CONSENT")
    item_of(step(boss, item["id"], "reassign", "*", customer=customer, reason=words["reason to reassign"]))
    letter = archived(boss, customer)
    moved = corrected(boss, letter, "reassign", customer=other, reason=words["reason to move"])
    joint = corrected(boss, moved, "link-customer", customer=customer, reason=words["reason to link"])
    apart = corrected(boss, joint, "unlink-customer", customer=customer, reason=words["reason to unlink"])
    better = replace(
        boss, letter["id"], f"I wrote {words['replaced content']}.".encode(), apart["version"],
        name=f"{words['replaced name']}.txt", reason=words["reason to replace"],
    )  # fmt: skip
    corrected(boss, item_of(better), "describe", title=words["title"])


def say_with_scans(served: Served, customer: str, words: dict[str, str]) -> None:
    """Pages that stay, that become a document, that are replaced, that are cancelled; a driver that says something."""
    staff, station = served.as_("staff"), a_station(served)
    staying = filled(staff, a_code_page(words["code on a page"], comment=words["metadata of a page"].encode()))
    assert staying["pages"][0]["scan_codes"] == [words["code on a page"]]
    assert put(staff, staying, 2, a_code_page(words["code on a replaced page"])).status_code == 201
    assert put(staff, staying, 2, a_page()).status_code == 201
    archived_scan(
        staff, filled(staff, a_code_page(words["code on an archived page"])), customer, note=words["scan note"]
    )
    cancelled = filled(staff, a_code_page(words["code on a cancelled page"]))
    assert cancelled["pages"][0]["scan_codes"] == [words["code on a cancelled page"]]
    assert cancel(staff, cancelled).status_code == 204
    of = started(staff, scanner=station.scanner("feeder"))
    assert station.finish(station.job(of), "scanner-failed", f"I/O: {words['drivers words']}").status_code == 200


def say_wrongly(staff: httpx.Client, customer: str, words: dict[str, str]) -> None:
    """Refusals at the edge, in a use case and in the database."""
    again = select_file(staff, customer, name=f"{words['refused name']}.pdf", external_id=words["external id"])
    assert again.status_code == 409
    assert select_file(staff, f"c-{words['unknown customer']}", note=words["refused note"]).status_code == 422
    assert select_file(staff, customer, a_pdf()[:99], name=f"{words['refused name']}.pdf").status_code == 422
    document = archived(staff, customer)["id"]
    assert correct(staff, document, "restore", 1, reason=words["refused reason"]).status_code == 409
    assert correct(staff, document, "restore", 9, reason=words["refused reason"]).status_code == 412
    for body in ({words["refused field"]: 1}, {"note": [words["refused field"]]}, {"type": words["refused field"]}):
        assert staff.post("/v1/authorizations", json=body).status_code == 422
    broken = b'{"note": "' + words["refused field"].encode()
    assert staff.post("/v1/authorizations", content=broken, headers={"Content-Type": "application/json"}).is_error
    mandate = {"iban": words["IBAN"], "debtor_name": words["debtor"]}
    assert no_upload(staff, customer, type="DEBT_AUTHORIZATION", mandate=mandate).status_code == 409
    assert check(staff, words["scan code"]).status_code == 409
    assert check(staff, words["refused token"]).status_code == 422
    assert hand_in(staff, words["cancelled code"], check_token=words["refused token"]).status_code == 409
    statement = noted(staff, customer)
    steps: tuple[tuple[str, dict[str, Any]], ...] = (
        ("resume", {}), ("cancel", {}), ("amend", {"iban": words["refused step"]}),
    )  # fmt: skip
    for verb, body in steps:
        assert step(staff, statement["id"], verb, 1, reason=words["refused step"], **body).is_error


def look_for(served: Served, staff: httpx.Client, customer: str, words: dict[str, str]) -> None:
    """Names in addresses: of searches, of filters, of what is not there."""
    for query in (words["name"], words["card number"], words["query"], customer):
        assert staff.get("/v1/customers", params={"q": query}).status_code == 200
    staff.get(f"/v1/customers/{customer}/documents", params={"q": words["query"]})
    staff.get("/v1/documents", params={"external_id": words["external id"]})
    staff.get("/v1/history", params={"actor": words["query"], "as_of": words["query"]})
    staff.get("/v1/history", headers={"traceparent": words["path"], "Idempotency-Key": words["path"]})
    for path in (f"/v1/customers/{words['path']}", f"/v1/{words['path']}", f"/problems/{words['path']}"):
        assert staff.get(path).status_code == 404
    assert served.client(words["wrong token"]).get("/v1/history").status_code == 401


# -- looking ------------------------------------------------------------------------------------------------------


def forms(word: str) -> dict[str, bytes]:
    """How a word may stand somewhere without being seen at once."""
    plain = word.encode()
    encoded = {
        "UTF-8": plain,
        "UTF-16": word.encode("utf-16-le"),
        "UTF-16 the other way": word.encode("utf-16-be"),
        "UTF-32": word.encode("utf-32-le"),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
        "JSON": "".join(f"\\u{ord(sign):04x}" for sign in word).encode(),
        "percent": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "octal": "".join(f"\\{byte:03o}" for byte in plain).encode(),
        "backwards": plain[::-1],
        "capitals": word.upper().encode(),
    }
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            encoded[f"{name} at {shift}"] = encode(b"x" * shift + plain)[shift + 1 : -4]
    return encoded


def found_in(places: Iterator[tuple[str, bytes]], words: dict[str, str]) -> list[str]:
    wanted = [(place, form, value) for place, word in words.items() for form, value in forms(word).items()]
    return [f"{place} as {form} in {where}" for where, data in places for place, form, value in wanted if value in data]


def dumped(served: Served, *schemas: str) -> bytes:
    """All rows of these schemas as SQL, by Postgres's own program; bytes are hex there."""
    program = binaries(Cluster(choose_folder(served.home))) / "pg_dump"
    chosen = [f"--schema={schema}" for schema in schemas]
    return subprocess.run(
        [str(program), "--inserts", *chosen, served.database_url], check=True, capture_output=True
    ).stdout


def binaries(cluster: Cluster) -> Path:
    """The tools lie beside the program that the running server was started from."""
    pid = int((cluster.data / "postmaster.pid").read_text().split("\n")[0])
    return Path(f"/proc/{pid}/exe").resolve().parent


def files(served: Served, since: float) -> Iterator[tuple[str, bytes]]:
    """Every file under HOME and of the program's output written since, but the database's own: it has the views."""
    cluster = choose_folder(served.home)
    for folder in (served.home, served.output, cluster):
        for path in folder.rglob("*"):
            if path.is_file() and "pgdata" not in path.parts and path.stat().st_mtime > since - 2:
                yield str(path.relative_to(folder)), path.read_bytes()


def postgres_log(served: Served) -> bytes:
    """What the server said since its start; a quiet one said so only."""
    said = (choose_folder(served.home) / "postgres.log").read_bytes()
    assert b"database system is ready" in said
    return said


def test_a_search_finds_what_it_looks_for_in_every_form() -> None:
    """Else the tests below would pass whatever stood there."""
    word = a_canary()
    for form, value in forms(word).items():
        assert found_in(iter([("a file", b"\x00\x01" + value + b"rest")]), {"a place": word}), form
    for shift in range(6):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            hidden = encode(secrets.token_bytes(shift) + word.encode() + secrets.token_bytes(7))
            assert found_in(iter([("a file", hidden)]), {"a place": word}), shift
    assert found_in(iter([("a file", secrets.token_bytes(10_000))]), {"a place": word}) == []


def test_what_was_said_stands_in_the_views_and_the_register(served: Served, sent: Sent) -> None:
    """They are searched. So the canaries went in, and the dump shows them where they are."""
    said = [place for place in sent.words if place not in NOT_KEPT]
    clear = dumped(served, "views", "register")
    assert [place for place in said if sent.words[place].encode() not in clear] == []


NOT_KEPT = {
    "content", "metadata", "refused name", "refused note", "refused reason", "refused field", "unknown customer",
    "query", "wrong token", "path", "replaced content", "refused step", "refused token", "idempotency key",
    *ON_PAGES,
}  # fmt: skip


def of_people(sent: Sent) -> dict[str, str]:
    return {place: word for place, word in sent.words.items() if place != "code"}


def test_nothing_of_it_stands_in_the_log_or_among_the_keys(served: Served, sent: Sent) -> None:
    """The library's own customer id alone is known to the keys: they are what makes a reference a person."""
    words = of_people(sent)
    archive, keys = dumped(served, "archive"), dumped(served, "keys")
    assert len(archive) > 10_000
    assert found_in(iter([("archive", archive)]), words) == []
    assert sent.words["customer id"].encode() in keys
    del words["customer id"]
    assert found_in(iter([("keys", keys)]), words) == []


def test_what_is_on_pages_stands_in_no_view_either(served: Served, sent: Sent) -> None:
    words = {place: sent.words[place] for place in ON_PAGES}
    everything = dumped(served, "archive", "keys", "register", "access", "views", "scan", "public")
    assert found_in(iter([("the database", everything)]), words) == []


def test_what_was_on_pages_that_are_gone_can_be_read_by_nobody(served: Served, sent: Sent) -> None:
    """With every key that there is; of what stays, that can be read."""
    with served.archive() as archive:
        streams = {
            stream
            for (stream,) in served.sql("select originator_id from archive.archive_events where topic like 'page%%'")
        }
        readable = str([archive.ports.log.load(stream) for stream in streams])
    assert sent.words["code on a page"] in readable
    for gone in ("code on a cancelled page", "code on an archived page"):
        assert sent.words[gone] not in readable


def test_nothing_of_it_stands_in_the_access_log(served: Served, sent: Sent) -> None:
    assert found_in(iter([("access", dumped(served, "access"))]), of_people(sent)) == []


def test_nothing_of_it_stands_in_a_file_or_in_what_the_program_or_postgres_said(served: Served, sent: Sent) -> None:
    looked_at = {**dict(files(served, sent.began_at)), "postgres.log": postgres_log(served)}
    assert "stderr" in looked_at
    assert sum(name.startswith("content/") for name in looked_at) >= 5
    assert found_in(iter(looked_at.items()), of_people(sent)) == []


def test_nothing_of_it_stands_in_the_metrics(served: Served, sent: Sent) -> None:
    answer = served.as_("operator").get("/metrics")
    assert answer.status_code == 200
    assert found_in(iter([("metrics", answer.content)]), of_people(sent)) == []


def test_the_plain_digest_of_a_content_stands_nowhere_in_clear(served: Served) -> None:
    """It would tell who has a file that one has oneself: it is sealed, and compared by an HMAC of the customer's."""
    item = archived(served.as_("staff"), a_customer(served))
    assert item["sha256"].encode() not in dumped(served, "archive", "keys")


FIRST_WORDS = ("migrated: ", "operator token: ", "keep a copy of ", "sign in at ", "its password for the first ")


def test_what_the_program_says_is_one_json_object_a_line(served: Served, sent: Sent) -> None:
    """But for the few lines to whoever starts it; each request's line names a route and no address."""
    lines = (served.output / "stderr").read_text().splitlines()
    requests: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{") and '"route"' in line]
    assert len(requests) > 20
    assert {*requests[0]} == {"time", "part", "pid", "method", "route", "status", "ms", "bytes", "trace_id"}
    plain = [line for line in lines if not line.startswith("{")]
    assert plain == [line for line in plain if line.startswith(FIRST_WORDS)]
    assert not [line for line in lines if quote(sent.words["customer id"]) in line]
