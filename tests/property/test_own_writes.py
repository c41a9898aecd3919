"""Read your own writes, at random: eight callers write and read at once through two web servers of one archive, each of
two workers; no read is stale, no paper absent, no ETag old. With DOSSIER_LONG=1 twenty times as many."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.imports import a_list
from tests.http.desk import CONSENT, a_customer, a_letter, a_mandate
from tests.http.scanning import JPEG, a_page
from tests.http.served import ROOT, Served, environment_of, name_of, serving

CLIENTS, LETTERS = 8, 200
TURNS = 200 if os.environ.get("DOSSIER_LONG") == "1" else 10


class Caller:
    """One principal; every request goes out on a connection of its own, to either server. `known` are the note, the
    status and the ETag of each paper as the last answer of a write told them."""

    def __init__(self, urls: list[str], token: str, customer: str, seed: int) -> None:
        self.urls, self.customer, self.chance = urls, customer, random.Random(seed)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.known: dict[str, dict[str, Any]] = {}
        self.events = 0
        self.reads = 0

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {}), "Connection": "close"}
        url = self.chance.choice(self.urls) + path
        answer = httpx.request(method, url, headers=headers, timeout=60, verify=False, **more)
        assert answer.status_code in (200, 201), f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer

    def turn(self) -> None:
        self.chance.choice([self.upload, self.note, self.amend, self.describe, self.withdraw, self.scan])()
        for read in self.chance.sample(
            [self.one, self.listed, self.searched, self.counted, self.history, self.content, self.page], 3
        ):
            read()
            self.reads += 1

    # -- writes -------------------------------------------------------------------------------------------------

    def told(self, answer: httpx.Response) -> None:
        item, etag = answer.json(), answer.headers["ETag"]
        fields = {name: item[name] for name in ("kind", "note", "status")}
        amendable = item["type"] == "DEBT_AUTHORIZATION" and item["status"] == "active"
        self.known[item["id"]] = {"etag": etag, "amendable": amendable, **fields}
        self.events += 1

    def upload(self) -> None:
        form = {"customer": self.customer, "type": "LETTER", "note": self.word()}
        self.told(self.ask("POST", "/v1/documents", data=form, files={"file": ("a.pdf", a_letter())}))

    def note(self) -> None:
        body = {"customer": self.customer, "type": CONSENT, "original": {"held": True}, "note": self.word()}
        self.told(self.ask("POST", "/v1/authorizations", json=body))

    def scan(self) -> None:
        """A session whose one page becomes a document."""
        session = self.ask("POST", "/v1/scan-sessions", json={}).json()
        self.ask("PUT", f"/v1/scan-sessions/{session['id']}/pages/1", content=a_page(), headers=JPEG)
        body = {"customer": self.customer, "type": "LETTER", "note": self.word(), "duplicate": "allow"}
        self.told(self.ask("POST", f"/v1/scan-sessions/{session['id']}/archive", json=body))

    def amend(self) -> None:
        """The data of a mandate, or a mandate first."""
        active = [paper for paper, known in self.known.items() if known["amendable"]]
        if not active:
            body = {"customer": self.customer, "type": "DEBT_AUTHORIZATION", "original": {"held": True}}
            self.told(
                self.ask("POST", "/v1/authorizations", json={**body, "note": self.word(), "mandate": a_mandate()})
            )
            return
        headers = {"If-Match": self.known[active[0]]["etag"]}
        body = {"debtor_name": f"J. {self.word()}", "reason": "x"}
        self.told(self.ask("POST", f"/v1/authorizations/{active[0]}/amend", json=body, headers=headers))

    def describe(self) -> None:
        self.correct("describe", note=self.word())

    def withdraw(self) -> None:
        self.correct("withdraw")

    def correct(self, verb: str, **body: Any) -> None:
        """At the ETag that the last answer had: nobody else changes it, so it is never stale."""
        open_ = [paper for paper, known in self.known.items() if known["status"] == "archived"]
        if not open_:
            self.upload()
            return
        paper = self.chance.choice(open_)
        headers = {"If-Match": self.known[paper]["etag"]}
        self.told(self.ask("POST", f"/v1/documents/{paper}/{verb}", json={"reason": "x", **body}, headers=headers))

    def word(self) -> str:
        return f"{self.chance.getrandbits(40):x}"

    # -- reads --------------------------------------------------------------------------------------------------

    def paper(self, *, document: bool = False) -> str | None:
        found = [p for p, known in self.known.items() if not document or known["kind"] == "document"]
        return self.chance.choice(found) if found else None

    def one(self) -> None:
        if paper := self.paper():
            known = self.known[paper]
            room = "documents" if known["kind"] == "document" else "authorizations"
            answer = self.ask("GET", f"/v1/{room}/{paper}")
            item = answer.json()
            assert (answer.headers["ETag"], item["note"], item["status"]) == tuple(
                known[name] for name in ("etag", "note", "status")
            )

    def listed(self) -> None:
        items = self.ask("GET", f"/v1/customers/{self.customer}/documents?limit=200").json()["items"]
        shown = {item["id"]: (item["note"], item["status"]) for item in items}
        wanted = {paper: (known["note"], known["status"]) for paper, known in [*self.known.items()][-150:]}
        assert wanted.items() <= shown.items()

    def searched(self) -> None:
        """By its note."""
        if paper := self.paper():
            note = self.known[paper]["note"]
            items = self.ask("GET", f"/v1/customers/{self.customer}/documents", params={"q": note}).json()["items"]
            assert paper in [item["id"] for item in items]

    def counted(self) -> None:
        found = self.ask("GET", f"/v1/customers/{self.customer}/summary").json()
        if found["complete"]:
            assert found["documents"] + found["authorizations"] == len(self.known)

    def history(self) -> None:
        if paper := self.paper():
            known = self.known[paper]
            room = "documents" if known["kind"] == "document" else "authorizations"
            items = self.ask("GET", f"/v1/{room}/{paper}/history").json()["items"]
            assert f'"{len(items)}"' == known["etag"]

    def content(self) -> None:
        if paper := self.paper(document=True):
            assert self.ask("GET", f"/v1/documents/{paper}/content").content.startswith(b"%PDF")

    def page(self) -> None:
        """The screen of the customer."""
        text = self.ask("GET", f"/customers/{self.customer}", headers={"Accept": "text/html"}).text
        newest = [*self.known][-1:]
        assert all(paper in text for paper in newest)


@contextmanager
def two_servers() -> Iterator[tuple[list[Served], list[str]]]:
    """Web processes of two starts on one database and one content folder; one of their projectors leads."""
    with serving() as first, serving(None, ROOT, first) as second:
        yield [first, second], [first.url, second.url]


@pytest.fixture(scope="module")
def archive() -> Iterator[tuple[list[Served], list[str]]]:
    with two_servers() as found:
        yield found


def test_no_caller_ever_reads_less_than_it_wrote(archive: tuple[list[Served], list[str]], tmp_path: Path) -> None:
    """While a command beside the servers imports what another system has."""
    (served, _), urls = archive
    names = [f"caller-{n}" for n in range(CLIENTS)]
    tokens = served.new_tokens(names, "supervisor")
    callers = [Caller(urls, token, a_customer(served), n) for n, token in enumerate(tokens)]

    def live(caller: Caller) -> None:
        for _ in range(TURNS):
            caller.turn()

    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        imported = pool.submit(import_letters, served, tmp_path, a_customer(served))
        for done in [pool.submit(live, caller) for caller in callers]:
            done.result()
        assert imported.result() == LETTERS
    assert all(caller.events for caller in callers)
    reads = sum(caller.reads for caller in callers)
    assert reads == 3 * TURNS * CLIENTS


def test_while_no_projector_moves_a_writer_is_told_to_come_again_and_others_are_answered(
    archive: tuple[list[Served], list[str]],
) -> None:
    nodes, urls = archive
    mine, theirs = (httpx.Client(headers={"Authorization": f"Bearer {t}"}, verify=False) for t in two_tokens(nodes[0]))
    customer = a_customer(nodes[0])
    with mine, theirs:
        with standing_still(nodes):
            form = {"customer": customer, "type": "LETTER"}
            made = mine.post(f"{urls[0]}/v1/documents", data=form, files={"file": ("a.pdf", a_letter())})
            assert made.status_code == 201
            for url in urls:
                begun = time.monotonic()
                refused = mine.get(url + made.headers["Location"])
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
                assert time.monotonic() - begun < 5
                listed = theirs.get(f"{url}/v1/customers/{customer}/documents")
                assert (listed.status_code, listed.json()["items"]) == (200, [])
        assert [mine.get(url + made.headers["Location"]).status_code for url in urls] == [200, 200]


def test_a_type_made_at_one_node_is_known_at_the_other_although_no_signal_comes(
    archive: tuple[list[Served], list[str]],
) -> None:
    """Every worker of both is asked; nobody hears of the change meanwhile."""
    (served, _), urls = archive
    [token] = served.new_tokens(["maker"], "supervisor")
    customer, code = a_customer(served), f"MADE_{os.urandom(4).hex().upper()}"
    caller = Caller(urls, token, customer, 1)
    kind = {"labels": {"en": "First"}, "kind": "document", "sensitivity": "ordinary", "sources": ["file"]}
    caller.listed()
    with unheard(served):
        assert caller.ask("PUT", f"/v1/document-types/{code}", json=kind).status_code == 201
        form = {"customer": customer, "type": code}
        caller.told(caller.ask("POST", "/v1/documents", data=form, files={"file": ("a.pdf", a_letter())}))
        for read in [caller.one, caller.listed, caller.counted, caller.history, caller.content, caller.page] * 8:
            read()


def import_letters(served: Served, folder: Path, customer: str) -> int:
    """How many of them `dossier import` has taken."""
    rows = [{"file": f"{n}.txt", "customer": customer, "type": "LETTER", "external_id": f"{n}"} for n in range(LETTERS)]
    for row in rows:
        (folder / row["file"]).write_text(f"Dear library, this is letter {row['external_id']}.\n")
    (folder / "manifest.csv").write_text(a_list(rows))
    command = [sys.executable, "-m", "service", "import", str(folder), "--json", "--actor", "migration"]
    environment = environment_of(served.home, None, {})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(json.loads(done.stdout)["taken"])


@contextmanager
def unheard(served: Served) -> Iterator[None]:
    """The sessions of the web workers that listen are stopped: Postgres tells them nothing."""
    listening = "select pid from pg_stat_activity where query like 'listen%%' and datname = current_database()"
    pids = [pid for (pid,) in served.sql(listening)]
    assert len(pids) >= 4, "two workers of two nodes"
    with stopped(pids):
        yield


def two_tokens(served: Served) -> list[str]:
    return served.new_tokens(["writing", "reading"], "staff")


@contextmanager
def standing_still(nodes: list[Served]) -> Iterator[None]:
    projectors = [pid for node in nodes for pid in node.processes() if name_of(pid) == "dossier-project"]
    assert projectors
    with stopped(projectors):
        yield


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
