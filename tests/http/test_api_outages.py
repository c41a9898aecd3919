"""Parts that fail: the database away, the content folder away or full. Said so, nothing half saved, and back again.

The archive of this file reaches its database through a gate and keeps its content on a small file system of its own.
"""

import itertools
import os
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from desk.contract import ROUTES
from domain.access import Verb
from tests.builders.mounts import mounted
from tests.faults.killing import kind_of
from tests.fixtures.database import create_database, drop_database
from tests.http import wire
from tests.http.desk import (
    a_customer,
    a_letter,
    a_text,
    archived,
    at,
    correct,
    no_upload,
    problem_of,
    replace,
    select_file,
    view,
)
from tests.http.served import Served, parent_of, serving, wait_until
from tests.http.streams import Stream
from tests.paper.files import a_jpeg
from web.route import Route

MIB = 1024 * 1024
VOLUME_BYTES = 6 * MIB
FLOOR_BYTES = 2 * MIB
BACK_SECONDS = 60
AT_ONCE = 24


class Gate:
    """A Unix socket before Postgres's own. Shut, nobody gets through and who is inside is cut off."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self._target = folder, target
        self._path = folder / ".s.PGSQL.5432"
        self._pairs: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def open(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        if self._listener is None:
            return
        self._path.unlink()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        for one in list(self._pairs):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.open()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._pairs |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._pairs.discard(source)
        source.close()


class Volume:
    """The small file system that the content lies on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.content = folder, folder / "content"

    @contextmanager
    def missing(self) -> Iterator[None]:
        """As when it is not mounted."""
        aside = self.content.rename(self.folder / "aside")
        try:
            yield
        finally:
            aside.rename(self.content)

    @contextmanager
    def filled_up_to(self, free_bytes: int) -> Iterator[None]:
        filler = self.folder / "filler"
        with filler.open("wb") as file:
            file.truncate(0)
            while (free := self.free_bytes()) > free_bytes:
                file.write(bytes(min(65536, free - free_bytes)))
                file.flush()
        try:
            yield
        finally:
            filler.unlink()

    def free_bytes(self) -> int:
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize


@pytest.fixture(scope="module")
def gate(cluster_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    [host] = parse_qs(urlsplit(cluster_url).query)["host"]
    made = Gate(tmp_path_factory.mktemp("gate"), f"{host}/.s.PGSQL.5432")
    made.open()
    yield made
    made.shut()


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    folder = tmp_path_factory.mktemp("volume") / "mounted"
    with mounted(folder, "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "none"):
        yield Volume(folder)


@pytest.fixture(scope="module")
def archive(cluster_url: str, template: str, gate: Gate, volume: Volume) -> Iterator[Served]:
    name = f"outages_{uuid4().hex}"
    direct = create_database(cluster_url, name, template)
    through = re.sub("host=[^&]+", f"host={gate.folder}", direct)
    settings = {
        "DOSSIER_CONTENT_URL": f"file://{volume.content}",
        "DOSSIER_DISK_FREE_BYTES_MIN": str(FLOOR_BYTES),
        "DOSSIER_QUEUE_WAIT_SECONDS": "0.5",
    }
    with serving(through, **settings) as running:
        running.database_url = direct
        yield running
    drop_database(cluster_url, name)


@pytest.fixture(scope="module")
def staff(archive: Served) -> httpx.Client:
    return archive.as_("supervisor")


@pytest.fixture(scope="module")
def document(archive: Served, staff: httpx.Client) -> dict[str, Any]:
    """Callers wait for half a second here; on a busy machine the first decoder is loaded later than that."""
    customer = a_customer(archive)
    wait_until(lambda: select_file(staff, customer).status_code == 201, BACK_SECONDS, "no file is examined")
    return archived(staff, customer)


def back(archive: Served, staff: httpx.Client) -> None:
    """Without a restart everything is well again: in each worker, for readers and for writers."""
    wait_until(lambda: staff.get("/readyz").status_code == 200, BACK_SECONDS, "it did not come back")
    wait_until(lambda: all_well(archive.as_("operator")), BACK_SECONDS, "a worker did not come back")


def all_well(operator: httpx.Client) -> bool:
    """So many at once that each worker gets some."""

    def call(n: int) -> bool:
        if n % 2:
            return operator.get("/v1/history", params={"limit": 1}).status_code == 200
        return operator.put(f"/v1/customers/well-{n}", json={"name": "Jan"}).is_success

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return all(list(pool.map(call, range(AT_ONCE))))


def nobody_is_known(client: httpx.Client) -> bool:
    """For a moment a worker goes by the rights that it read last; so many at once that each worker gets some."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return all(list(pool.map(lambda _: client.get("/v1/session").status_code == 503, range(AT_ONCE))))


def assert_unavailable(answer: httpx.Response) -> None:
    assert problem_of(answer, 503) == "unavailable"
    assert int(answer.headers["Retry-After"]) >= 1


# -- the database is away -----------------------------------------------------------------------------------------


def called(client: httpx.Client, route: Route, document: dict[str, Any]) -> httpx.Response:
    """A good call of a route."""
    customers = route.path.startswith("/v1/customers/{id}")
    path = route.path.replace("{id}", document["customer"] if customers else document["id"])
    path = path.replace("{n}", "1").replace("{code}", "LETTER").replace("{name}", "desk")
    query = {query.name: "1" for query in route.query if query.required}
    if route.path.endswith("/stream"):  # which has no end, but for who asks for what is not there yet
        query["after"] = "9" * 15
    if route.form:
        put = route.method == "PUT"
        return replace(client, document["id"], a_letter(), 1) if put else select_file(client, document["customer"])
    headers = {"If-Match": '"1"'}
    if (route.method, route.path) == A_PAGE:
        return client.put(path, content=a_jpeg(), headers={**headers, "Content-Type": "image/jpeg"})
    body = BODIES.get(route.path.rpartition("/")[2], {"reason": "because"}) if route.body else None
    return client.request(route.method, path, params=query, json=body, headers=headers)


A_PAGE = ("PUT", "/v1/scan-sessions/{id}/pages/{n}")
BODIES: dict[str, dict[str, Any]] = {
    "{id}": {"name": "Jan"},
    "{code}": {"labels": {"en": "Letter"}, "kind": "document", "sensitivity": "ordinary"},
    "authorizations": {"type": "GUARDIAN_CONSENT", "customer": "1", "original": {"held": True}},
    "reclassify": {"type": "FORM", "reason": "because"},
    "forms": {"type": "GUARDIAN_CONSENT", "customer": "1"},
    "reassign": {"customer": "1", "reason": "because"},
    "link-customer": {"customer": "1", "reason": "because"},
    "unlink-customer": {"customer": "1", "reason": "because"},
    "amend": {"debtor_name": "K. de Vries", "reason": "because"},
    "revoke": {"received_on": "2026-02-01", "reason": "because"},
    "supersede": {"by": str(uuid4()), "reason": "because"},
    "collections": {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid"},
    "scan-sessions": {},
    "{name}": {"scanners": []},
    "finish": {"pass": 1},
    "rotate": {"degrees": 90},
    "move": {"to": 1},
    "remove": {},
    "archive": {"customer": "1", "type": "LETTER"},
    "collate": {"backs": "reversed"},
    "operations": {"kind": "verify"},
    "session": {"language": "nl"},
    "password": {"new": "four words of a kind"},
}
NEED_THE_DATABASE = [route for route in ROUTES if route.verb is not Verb.PUBLIC]
NEED_IT_NOT = ["/livez", "/version", "/openapi.json", "/problems", "/problems/unavailable"]


def test_without_the_database_every_call_is_unavailable_and_afterwards_none_is(
    archive: Served, gate: Gate, document: dict[str, Any]
) -> None:
    operator = archive.as_("operator")
    before = wire.stored(archive)

    def call_all() -> dict[str, httpx.Response]:
        with ThreadPoolExecutor(len(NEED_THE_DATABASE)) as pool:
            answers = list(pool.map(lambda route: called(operator, route, document), NEED_THE_DATABASE))
        return {f"{r.method} {r.path}": answer for r, answer in zip(NEED_THE_DATABASE, answers, strict=True)}

    with gate.away():
        wait_until(lambda: nobody_is_known(operator), BACK_SECONDS, "a worker goes on with whom it knew")
        for route, answer in call_all().items():
            assert answer.status_code == 503, f"{route}: {answer.status_code} {answer.text[:300]}"
            assert_unavailable(answer)
        for address in NEED_IT_NOT:
            assert operator.get(address).status_code == 200, address
        ready = operator.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["database"]) == (503, "no answer")
        assert ready.json()["parts"]["content"] == "ok"
    back(archive, operator)
    assert {**wire.stored(archive), "contents": before["contents"]} == before
    wait_until(lambda: all(a.status_code < 500 for a in call_all().values()), BACK_SECONDS, "a call is not back")


def test_no_restart_was_needed(archive: Served, gate: Gate, staff: httpx.Client) -> None:
    """The same processes serve before and after. What operators asked for has a process of its own, which ends with it,
    and a decoder whose asker has left gets a successor: both are waited for."""
    wait_until(lambda: not operations_under_way(archive), BACK_SECONDS, "an operation does not end")
    before = settled_processes(archive)
    with gate.away():
        assert_unavailable(staff.get("/v1/document-types"))
    back(archive, staff)
    wait_until(lambda: set(archive.processes()) == before, BACK_SECONDS, "others serve")


def operations_under_way(archive: Served) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = archive.as_("operator").get("/v1/operations").json()["tasks"]
    return [task for task in tasks if task["ended_at"] is None]


def settled_processes(archive: Served) -> set[int]:
    """The processes of the archive, once two looks half a second apart find the same."""
    looks = [set[int](), set(archive.processes())]

    def is_settled() -> bool:
        time.sleep(0.5)
        looks[:] = [looks[1], set(archive.processes())]
        return looks[0] == looks[1]

    wait_until(is_settled, BACK_SECONDS, "processes come and go")
    return looks[1]


def test_who_followed_what_happened_goes_on_where_the_database_left_it(
    archive: Served, gate: Gate, staff: httpx.Client
) -> None:
    """The stream lasts, or ends properly; either way nothing is lost and nothing comes twice."""
    customer = a_customer(archive)
    with Stream(archive, staff, customer=customer) as stream:
        made = [archived(staff, customer, a_text(), name="a.txt")["position"]]
        heard = [stream.event().id]
        with gate.away():
            assert_unavailable(staff.get("/v1/events"))
            with Stream(archive, staff) as refused:
                assert refused.status == 503
        back(archive, staff)
        made += [archived(staff, customer, a_text(), name="a.txt")["position"] for _ in range(2)]
        heard += [message.id for message in itertools.islice(stream.events(), 2)]
    if len(heard) < len(made):
        with Stream(archive, staff, customer=customer, last=heard[-1]) as again:
            heard += [message.id for message in again.up_to(made[-1])]
    assert heard == made


@pytest.mark.parametrize("victim", ["worker", "arbiter"])
def test_a_door_that_dies_while_the_database_is_away_opens_again_and_says_so(
    archive: Served, gate: Gate, staff: httpx.Client, victim: str
) -> None:
    """A worker could not begin without the database: it took the others along, and connections were refused."""
    [arbiter], workers = door(archive)
    killed = arbiter if victim == "arbiter" else workers[0]
    with gate.away():
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in archive.processes(), BACK_SECONDS, "it lives")
        wait_until(lambda: whole(archive), BACK_SECONDS, "the door stays shut")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda _: staff.get("/v1/document-types"), range(AT_ONCE)))
        for answer in answers:
            assert_unavailable(answer)
        assert staff.get("/livez").status_code == 200
        assert whole(archive)
    back(archive, staff)


def door(archive: Served) -> tuple[list[int], list[int]]:
    """gunicorn's arbiter, whose parent is the supervisor, and the workers, whose parent it is."""
    webs = {pid: parent_of(pid) for pid in archive.processes() if kind_of(pid) == "web"}
    arbiters = [pid for pid, parent in webs.items() if parent == archive.process.pid]
    return arbiters, [pid for pid, parent in webs.items() if parent in arbiters]


def whole(archive: Served) -> bool:
    """An arbiter, all its workers, and an answer."""
    arbiters, workers = door(archive)
    if len(arbiters) != 1 or len(workers) != archive.settings.workers:
        return False
    try:
        return archive.client(None).get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_uploads_cut_off_by_the_database_are_stored_once_or_not_at_all(
    archive: Served, gate: Gate, staff: httpx.Client
) -> None:
    """Each is sent again with its key until it is taken; a cut in the middle of a commit must not double it."""
    customers = [a_customer(archive) for _ in range(6)]
    stop = threading.Event()

    def upload(customer: str) -> list[str]:
        ids = []
        while not stop.is_set():
            data, key = a_letter(), {"Idempotency-Key": secrets.token_hex(8)}
            answer = select_file(staff, customer, data, headers=key)
            while answer.status_code != 201:
                assert (answer.status_code, answer.json()["type"]) in (
                    (503, "/problems/unavailable"),
                    (409, "/problems/idempotency-in-flight"),
                ), answer.text
                answer = select_file(staff, customer, data, headers=key)
            ids.append(answer.json()["id"])
        return ids

    with ThreadPoolExecutor(len(customers)) as pool:
        uploads = [pool.submit(upload, customer) for customer in customers]
        for _ in range(3):
            wait_for_events(archive, 6)
            with gate.away():
                assert_unavailable_soon(staff)
            back(archive, staff)
        stop.set()
        taken = {customer: done.result() for customer, done in zip(customers, uploads, strict=True)}
    last = archived(staff, customers[0])
    wait_until(lambda: views_are_at(staff, last["position"]), BACK_SECONDS, "the views did not catch up")
    for customer, ids in taken.items():
        rows = [row["id"] for row in view(staff, customer, last["position"], limit=200)]
        assert sorted(rows) == sorted([*ids, *([last["id"]] if customer == customers[0] else [])])
    assert archive.named_contents() <= archive.contents(), "a document without its content"
    assert wire.open_temporaries(archive) == []


def views_are_at(staff: httpx.Client, position: int) -> bool:
    return staff.get("/v1/history", params={"limit": 1}, headers=at(position)).status_code == 200


def wait_for_events(archive: Served, more: int) -> None:
    wanted = archive.last_position() + more
    wait_until(lambda: archive.last_position() >= wanted, BACK_SECONDS, "no work gets done")


def assert_unavailable_soon(staff: httpx.Client) -> None:
    wait_until(lambda: staff.get("/v1/document-types").status_code == 503, BACK_SECONDS, "it is not said")


def test_what_failed_says_nothing_of_anybody_in_the_log(archive: Served, document: dict[str, Any]) -> None:
    said = archive.said()
    assert '"status":503' in said
    assert document["customer"] not in said
    assert document["file_name"] not in said


# -- the content is away, or its disk is full ---------------------------------------------------------------------


def test_without_the_content_folder_files_are_unavailable_and_the_rest_is_not(
    archive: Served, volume: Volume, staff: httpx.Client, document: dict[str, Any]
) -> None:
    address = f"/v1/documents/{document['id']}"
    with wire.nothing_stored(archive):
        with volume.missing():
            assert_unavailable(select_file(staff, document["customer"]))
            assert_unavailable(staff.get(f"{address}/content"))
            assert_unavailable(staff.get(f"{address}/pages/1?width=317"))  # one that nobody has looked at yet
            ready = staff.get("/readyz")
            assert (ready.status_code, ready.json()["parts"]["content"]) == (
                503,
                "its file ARCHIVE is missing: is the volume mounted?",
            )
            assert staff.get(address).status_code == 200
            assert staff.get(f"/v1/customers/{document['customer']}/documents").status_code == 200
            assert staff.get("/livez").status_code == 200
        back(archive, staff)
        assert staff.get(f"{address}/content").status_code == 200
    assert select_file(staff, document["customer"]).status_code == 201


def test_a_full_disk_refuses_files_before_they_come_and_takes_all_else(
    archive: Served, volume: Volume, staff: httpx.Client, document: dict[str, Any]
) -> None:
    """Near the floor nothing more is taken: Postgres and the log may lie on the same disk."""
    customer, letter = document["customer"], archived(staff, a_customer(archive))
    with wire.nothing_stored(archive), volume.filled_up_to(FLOOR_BYTES - 65536):
        assert problem_of(select_file(staff, customer), 507) == "insufficient-storage"
        ready = staff.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"]["content"].startswith("only ")
        assert staff.get(f"/v1/documents/{document['id']}/content").status_code == 200
    with volume.filled_up_to(FLOOR_BYTES - 65536):
        assert correct(staff, letter["id"], "describe", 1, note="no room needed", reason="because").status_code == 200
        assert no_upload(staff, customer).status_code == 201
    with volume.filled_up_to(FLOOR_BYTES + 2 * 65536):
        assert select_file(staff, customer, a_text(), name="a.txt").status_code == 201


def test_a_disk_that_fills_up_under_a_file_keeps_nothing_of_it(
    archive: Served, volume: Volume, staff: httpx.Client
) -> None:
    customer, large = a_customer(archive), a_text() * (FLOOR_BYTES // 16)
    with wire.nothing_stored(archive), volume.filled_up_to(FLOOR_BYTES + 65536):
        answer = select_file(staff, customer, large, name="large.txt")
        assert problem_of(answer, 507) == "insufficient-storage"
        assert view(staff, customer) == []
    item = archived(staff, customer, a_text(), name="small.txt")
    assert staff.get(f"/v1/documents/{item['id']}/content", headers=at(item["position"])).status_code == 200
