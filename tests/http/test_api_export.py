"""Everything about one person as a BagIt bag (docs/domain.md G12): what is in it, for whom, and what it leaves out."""

import io
import json
import secrets
import socket
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import bagit
import httpx
import pytest

from tests.builders.events import A_GROUND
from tests.builders.papers import a_caller
from tests.http import wire
from tests.http.desk import (
    IBANS,
    a_customer,
    a_letter,
    access_lines,
    archived,
    at,
    corrected,
    debt_issued,
    handed_in,
    item_of,
    noted,
    problem_of,
    replace,
    select_file,
    stepped,
)
from tests.http.memory import MIB, memory_of
from tests.http.served import Served, wait_until

GROWTH_BYTES_MAX = 32 * MIB
# bagit 1.9.0 calls re.sub() in a way that Python 3.13 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.count. is passed:DeprecationWarning")
PAGES = {"index.html", "overview.pdf"}


@pytest.fixture
def boss(served: Served) -> httpx.Client:
    return served.as_("supervisor")


def download(client: httpx.Client, customer: str, **query: str) -> httpx.Response:
    return client.get(f"/v1/customers/{customer}/export", params=query, timeout=120)


class Unpacked:
    """The bag of an answer, unpacked and found valid; `files` are those of its payload."""

    def __init__(self, answer: httpx.Response, folder: Path) -> None:
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            assert packed.testzip() is None
            assert len(set(packed.namelist())) == len(packed.namelist())
            packed.extractall(folder)
        [root] = folder.iterdir()
        self.bag = bagit.Bag(str(root))
        self.bag.validate()
        payload = root / "data"
        self.files = {str(p.relative_to(payload)): p.read_bytes() for p in payload.rglob("*") if p.is_file()}

    def json(self, path: str) -> Any:
        return json.loads(self.files[path])

    @property
    def papers(self) -> list[dict[str, Any]]:
        return [self.json(path) for path in sorted(self.files) if path.endswith("/paper.json")]

    @property
    def whole(self) -> bytes:
        """All files but the papers' contents, in one: what is said anywhere."""
        return b"".join(data for path, data in self.files.items() if path.endswith((".json", ".html")))


# -- what is in it ------------------------------------------------------------------------------------------------


def test_it_is_a_valid_bag_with_every_version_of_every_paper(
    served: Served, boss: httpx.Client, tmp_path: Path
) -> None:
    customer, scans, letter = a_customer(served, birth_date="1990-02-03"), [a_letter(1), a_letter(2)], a_letter()
    item = handed_in(boss, debt_issued(boss, customer)["scan_code"], scans[0], name="scan.pdf", signed_on="2026-01-31")
    item_of(replace(boss, item["evidence"], scans[1], 1, name="Ünsichtbar/better scan.pdf"))
    amended = stepped(boss, item, "amend", iban=IBANS[1], reason="moved to another bank")
    paid = {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid"}
    stepped(boss, amended, "collections", **paid)
    corrected(boss, archived(boss, customer, letter, note="from Rotterdam"), "withdraw")
    noted(boss, customer)
    answer = download(boss, customer)
    assert answer.headers["Content-Type"] == "application/zip"
    assert f'attachment; filename="person-{customer}-' in answer.headers["Content-Disposition"]
    bag = Unpacked(answer, tmp_path)
    assert bag.bag.info["External-Identifier"] == customer
    assert bag.json("person.json")["customer"]["birth_date"] == "1990-02-03"
    assert bag.files["papers/0003-debt_authorization/1-scan.pdf"] == scans[0]
    assert bag.files["papers/0003-debt_authorization/2-better_scan.pdf"] == scans[1]
    assert bag.files["papers/0002-letter/1-letter.pdf"] == letter
    consent, withdrawn, mandate = bag.papers
    assert consent["contents"] == []
    assert consent["paper"]["kind"] == "authorization"
    assert (withdrawn["paper"]["status"], withdrawn["paper"]["note"]) == ("withdrawn", "from Rotterdam")
    assert mandate["mandate"]["iban"] == IBANS[1]
    assert mandate["collections"] == [{**paid}]
    assert [one["state"] for one in mandate["contents"]] == ["included"] * 2
    assert {"keep_until", "hold"} <= mandate["paper"].keys()
    actions = {line["action"] for line in bag.json("history.json")}
    assert {"document-archived", "mandate-amended", "collection-reported", "document-withdrawn"} <= actions


def test_who_looked_and_who_acted_are_told_by_role(served: Served, tmp_path: Path) -> None:
    customer, name = a_customer(served), f"curious-{secrets.token_hex(4)}"
    client = served.client(served.new_token(name, "staff"))
    item = archived(client, customer)
    client.get(f"/v1/documents/{item['id']}/content")
    bag = Unpacked(download(served.as_("supervisor"), customer), tmp_path)
    looked = [line for line in bag.json("viewed.json") if line["action"] == "content"]
    assert [(line["document"], line["by"]) for line in looked] == [(item["id"], {"role": "staff"})]
    assert {"role": "staff"} in [line["by"] for line in bag.json("history.json")]
    assert name.encode() not in bag.whole


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Who looked"), ("nl", "Wie heeft gekeken"), ("de", "Wer hat hineingesehen")]
)
def test_its_pages_are_in_the_persons_language(
    served: Served, boss: httpx.Client, tmp_path: Path, language: str, words: str
) -> None:
    customer = a_customer(served)
    archived(boss, customer, note="<b>bold & brave</b>")
    bag = Unpacked(download(boss, customer, language=language), tmp_path)
    page = bag.files["index.html"].decode()
    assert f'<html lang="{language}">' in page
    assert words in page
    assert "&lt;b&gt;bold &amp; brave" in page
    assert 'href="papers/0001-letter/1-letter.pdf"' in page
    assert bag.files["overview.pdf"].startswith(b"%PDF-")


def test_a_person_without_papers_has_a_bag_of_their_own_data(
    served: Served, boss: httpx.Client, tmp_path: Path
) -> None:
    bag = Unpacked(download(boss, a_customer(served)), tmp_path)
    assert bag.files.keys() == {"person.json", "history.json", "viewed.json", *PAGES}
    assert bag.json("history.json") == bag.json("viewed.json") == []


# -- what is not ----------------------------------------------------------------------------------------------------


def test_what_the_caller_may_not_see_is_nowhere_in_it(served: Served, boss: httpx.Client, tmp_path: Path) -> None:
    """Edge case 18."""
    customer, word = a_customer(served), f"word{secrets.token_hex(6)}"
    archived(boss, customer, note="ordinary")
    archived(boss, customer, type="READING_DISABILITY", note=word, name=f"{word}.pdf")
    blind = served.as_("supervisor", without=("health",))
    bag = Unpacked(download(blind, customer), tmp_path)
    assert [paper["paper"]["note"] for paper in bag.papers] == ["ordinary"]
    assert word.encode() not in bag.whole
    assert b"READING_DISABILITY" not in bag.whole
    assert b"Reading disability" not in bag.whole


def joint_letter(served: Served, boss: httpx.Client) -> tuple[str, str, bytes]:
    """A letter of a mother that a father signed too."""
    mother, father, letter = a_customer(served), a_customer(served), a_letter()
    item = archived(boss, mother, letter, note="of us both", name="both.pdf")
    corrected(boss, item, "link-customer", customer=father, reason="signed by both")
    return mother, father, letter


@pytest.mark.parametrize("whose", [0, 1])
def test_a_joint_paper_is_told_and_never_names_the_other(
    served: Served, boss: httpx.Client, tmp_path: Path, whose: int
) -> None:
    *both, letter = joint_letter(served, boss)
    bag = Unpacked(download(boss, both[whose]), tmp_path)
    [paper] = bag.papers
    assert paper["joint"] is True
    assert bag.files["papers/0001-letter/1-both.pdf"] == letter
    assert both[1 - whose].encode() not in bag.whole
    assert {"document-archived", "customer-linked"} <= {line["action"] for line in bag.json("history.json")}


def test_a_joint_paper_can_be_left_out(served: Served, boss: httpx.Client, tmp_path: Path) -> None:
    mother, _, _ = joint_letter(served, boss)
    own = a_letter()
    archived(boss, mother, own, name="own.pdf")
    bag = Unpacked(download(boss, mother, joint="false"), tmp_path)
    joint = next(paper for paper in bag.papers if paper["joint"])
    assert [one["state"] for one in joint["contents"]] == ["left_out"]
    assert [path for path in bag.files if path.endswith(".pdf") and path not in PAGES] == [
        "papers/0001-letter/1-own.pdf"
    ]
    assert b"of us both" not in bag.whole
    assert b"both.pdf" not in bag.whole


def test_of_a_paper_that_was_another_persons_only_the_move_is_told(
    served: Served, boss: httpx.Client, tmp_path: Path
) -> None:
    customer, right = a_customer(served), a_customer(served)
    item = archived(boss, customer, note="passport of somebody else", name="passport.pdf")
    corrected(boss, item, "reassign", customer=right, reason="belongs to somebody else")
    bag = Unpacked(download(boss, customer), tmp_path)
    assert bag.papers == []
    assert b"somebody else" not in bag.whole
    assert b"passport" not in bag.whole
    moved = next(line for line in bag.json("history.json") if line["action"] == "document-reassigned")
    assert (moved["before"]["customer"], moved["after"]["customer"]) == (customer, "other")


def test_of_a_destroyed_paper_it_tells_that_it_was_there(served: Served, boss: httpx.Client, tmp_path: Path) -> None:
    customer, word = a_customer(served), f"word{secrets.token_hex(6)}"
    signed = handed_in(boss, debt_issued(boss, customer)["scan_code"])
    revoked = stepped(boss, signed, "revoke", received_on="2026-02-01")
    items = [archived(boss, customer, note=word, name=f"{word}.pdf"), revoked]
    with served.archive() as archive:
        for item in items:
            archive.destroying.destroy_paper(UUID(item["id"]), A_GROUND, a_caller())
    seen = at(served.last_position())
    bag = Unpacked(boss.get(f"/v1/customers/{customer}/export", headers=seen), tmp_path)
    assert [paper["paper"]["status"] for paper in bag.papers] == ["destroyed"] * 2
    assert {one["state"] for paper in bag.papers for one in paper["contents"]} == {"destroyed"}
    assert word.encode() not in bag.whole
    assert b"NL91ABNA" not in bag.whole


# -- for whom -----------------------------------------------------------------------------------------------------


def test_every_export_is_an_event_and_a_line_before_the_first_byte(served: Served) -> None:
    customer, name = a_customer(served), f"boss-{secrets.token_hex(4)}"
    client = served.client(served.new_token(name, "supervisor"))
    archived(client, customer)
    path = f"/v1/customers/{customer}/export"
    assert download(client, customer, joint="false").status_code == 200
    client.head(path)
    seen = at(served.last_position())
    items = item_of(client.get("/v1/history", params={"action": "customer-exported", "actor": name}, headers=seen))
    [event] = items["items"]
    assert event["subject"]["kind"] == "export"
    assert event["after"] == {"customer": customer, "joint": False}
    assert [(line["action"], line["customer"]) for line in access_lines(served, name, action="export")] == [
        ("export", customer)
    ] * 2
    for reader in ("staff", "viewer"):
        told = item_of(served.as_(reader).get(f"/v1/customers/{customer}/history", headers=seen))["items"]
        assert "customer-exported" not in [item["action"] for item in told]


@pytest.mark.parametrize("role", ["viewer", "staff", "station", "integration"])
def test_an_export_is_for_supervision(served: Served, role: str) -> None:
    assert problem_of(download(served.as_(role), a_customer(served)), 403) == "forbidden"


def test_an_unknown_customer_has_none(served: Served, boss: httpx.Client) -> None:
    assert problem_of(download(boss, f"c{secrets.token_hex(5)}"), 404) == "not-found"
    assert problem_of(download(boss, "no such/../one"), 404) == "not-found"


@pytest.mark.parametrize("query", [{"language": "fr"}, {"joint": "maybe"}, {"papers": "all"}])
def test_an_impossible_wish_is_refused(served: Served, boss: httpx.Client, query: dict[str, str]) -> None:
    assert problem_of(download(boss, a_customer(served), **query), 422) == "validation-failed"


# -- large --------------------------------------------------------------------------------------------------------


def a_large_customer(served: Served, boss: httpx.Client) -> str:
    customer = a_customer(served)
    for _ in range(4):
        data = secrets.token_bytes(8 * MIB).hex().encode()
        item_of(select_file(boss, customer, data, name="large.txt"))
    return customer


def test_it_is_streamed_and_never_lies_on_the_disk(served: Served, boss: httpx.Client) -> None:
    customer = a_large_customer(served, boss)
    download(boss, a_customer(served))
    with memory_of(served) as memory, boss.stream("GET", f"/v1/customers/{customer}/export") as answer:
        size = 0
        for piece in answer.iter_raw():
            size += len(piece)
            assert served.temporary_files() == []
            assert wire.open_temporaries(served) == []
    assert size > 64 * MIB
    assert memory.growth < GROWTH_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"


@pytest.mark.long
def test_a_thousand_papers_take_no_more_memory(served: Served, boss: httpx.Client) -> None:
    customer = a_customer(served)
    for n in range(1_000):
        archived(boss, customer, secrets.token_bytes(50_000).hex().encode(), name=f"{n}.txt", note=f"letter {n}")
    assert download(boss, customer).status_code == 200
    with memory_of(served) as memory, boss.stream("GET", f"/v1/customers/{customer}/export") as answer:
        size = sum(map(len, answer.iter_raw()))
    assert size > 90 * MIB
    assert memory.growth < GROWTH_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"


def test_an_export_that_fails_half_way_is_cut_off(served: Served, boss: httpx.Client) -> None:
    """A zip without its end is no zip; and the operator hears of the damage."""
    customer = a_customer(served)
    item = archived(boss, customer, secrets.token_bytes(2 * MIB).hex().encode(), name="damaged.txt")
    before = len(served.errors())
    file = file_of(served, item)
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    received = bytearray()
    with (  # noqa: PT012  # the failure comes while the answer is read
        pytest.raises(httpx.HTTPError),
        boss.stream("GET", f"/v1/customers/{customer}/export") as answer,
    ):
        for piece in answer.iter_raw():
            received += piece
    assert answer.status_code == 200
    assert not zipfile.is_zipfile(io.BytesIO(received))
    assert len(served.errors()) > before
    file.write_bytes(whole)
    assert download(boss, customer).status_code == 200


def file_of(served: Served, item: dict[str, Any]) -> Path:
    [[content]] = served.sql("select content::text from archive.content where paper = %s", [item["id"]])
    name = str(content)
    return served.settings.content_directory / name[-2:] / name


def test_a_reader_who_leaves_half_way_leaves_nothing_open(served: Served, boss: httpx.Client) -> None:
    customer = a_large_customer(served, boss)
    token = boss.headers["Authorization"].removeprefix("Bearer ")
    for _ in range(3):
        with wire.connect(served) as client:
            client.sendall(wire.head("GET", f"/v1/customers/{customer}/export", token=token))
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            client.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not open_contents(served), 30, "a content file stays open")
    assert download(boss, customer).status_code == 200


def open_contents(served: Served) -> list[str]:
    folder = str(served.settings.content_directory)
    return [
        target
        for pid in served.processes()
        for target in wire.links(Path(f"/proc/{pid}/fd"))
        if target.startswith(folder) and not Path(target).is_dir()
    ]
