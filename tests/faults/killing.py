"""Work on a served archive while its processes are killed with -9, and the count of what was acknowledged."""

import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from service.settings import load_settings_from
from tests.builders.mounts import mounted
from tests.http.served import ROOT, SERVE, belongs, command_of, environment_of, name_of, new_home, pids, wait_until

ACKNOWLEDGED_PER_KILL_MIN = 20
RETRY_SECONDS = 0.05
RECOVERY_SECONDS = 90
CUSTOMERS = [f"kill-{n}" for n in range(6)]
LOST_CONNECTION = (OSError, http.client.HTTPException)


class Acknowledged(msgspec.Struct, frozen=True):
    """What a client was told with a 201. `sha256` None: no file was sent."""

    key: str
    paper: str
    customer: str
    sha256: str | None
    replayed: bool


class Archive:
    """The served program as a group of processes that can be killed one by one or all at once."""

    def __init__(self, home: Path) -> None:
        self.environment = environment_of(home, None, {})
        self.settings = load_settings_from(self.environment)
        self.home = self.settings.home
        self.output = home.parent / "output"
        self.start()
        self.token = (self.home / "operator.token").read_text().strip()

    def start(self) -> None:
        with self.output.open("ab") as out:
            begins = out.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        wait_until(lambda: b"\nready " in b"\n" + self.output.read_bytes()[begins:], RECOVERY_SECONDS, self.said())

    def said(self) -> str:
        return self.output.read_text("utf-8", errors="replace")[-3000:]

    def processes(self) -> dict[int, str]:
        """Every process of this archive by what it is."""
        return {pid: kind_of(pid) for pid in pids() if belongs(pid, str(self.home)) and kind_of(pid) != "other"}

    def kill(self, victim: str, chance: random.Random) -> None:
        """Kill one process of this kind, or all of them; serve is started again when it was among them."""
        if victim == "all":
            killed = [*self.processes()]
        else:
            wait_until(lambda: victim in self.processes().values(), RECOVERY_SECONDS, f"no {victim} came back")
            killed = [chance.choice([pid for pid, kind in self.processes().items() if kind == victim])]
        for pid in killed:
            end(pid)
        if self.process.pid in killed:
            self.process.wait(RECOVERY_SECONDS)  # which takes a moment where much is to be done
        time.sleep(0.05)
        if self.process.poll() is not None:
            wait_until(
                lambda: not {"web", "projector", "paper"} & {*self.processes().values()},
                RECOVERY_SECONDS,
                "children live on",
            )
            self.start()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.said()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )


VICTIMS = ("web", "web", "projector", "paper", "postgres", "postmaster", "keeper", "supervisor", "all")


def kind_of(pid: int) -> str:
    """What a process of the archive is, by its command line and its place in the tree."""
    command, name = command_of(pid), name_of(pid)
    if command.startswith("postgres:"):
        return "postgres"
    if "/postgres " in command and "pgdata" in command:
        return "keeper" if command.startswith(("sh ", "/bin/sh")) else "postmaster"
    for kind in ("web", "projector", "paper"):
        if name == f"dossier-{kind}"[:15]:
            return kind
    return "supervisor" if "service.serve" in command else "other"


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class Clients:
    """Threads that upload files and note authorizations, each request repeated under its key until it is answered."""

    def __init__(self, archive: Archive, count: int, seed: int) -> None:
        self._archive, self._stop = archive, threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[tuple[int, bytes]] = []
        self._threads = [threading.Thread(target=self._work, args=(random.Random(seed + n),)) for n in range(count)]

    @contextmanager
    def working(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def wait_for(self, more: int) -> None:
        """Until so many more requests were acknowledged."""
        wanted = len(self.acknowledged) + more
        wait_until(
            lambda: len(self.acknowledged) >= wanted, RECOVERY_SECONDS, f"no work gets done: {self._archive.said()}"
        )

    def _work(self, chance: random.Random) -> None:
        while not self._stop.is_set():
            key, customer = uuid4().hex, chance.choice(CUSTOMERS)
            if chance.random() < 0.7:
                plain = f"{key}\n".encode() * chance.randint(1, 3000)
                self._until_answered(
                    key, customer, "/v1/documents", *form(customer, plain), hashlib.sha256(plain).hexdigest()
                )
            else:
                body = {"type": "OTHER_AUTHORIZATION", "customer": customer, "original": {"held": True}}
                self._until_answered(
                    key, customer, "/v1/authorizations", json.dumps(body).encode(), "application/json", None
                )

    def _until_answered(
        self, key: str, customer: str, path: str, body: bytes, content_type: str, sha256: str | None
    ) -> None:
        while True:
            status, headers, answer = send(self._archive, key, path, body, content_type)
            if status == 201:
                found = Acknowledged(key, json.loads(answer)["id"], customer, sha256, "idempotency-replayed" in headers)
                with self._lock:
                    self.acknowledged.append(found)
                return
            if status not in (0, 409, 503):  # a twin of ours may still be under way
                self.refused.append((status, answer))
                return
            if self._stop.wait(RETRY_SECONDS):
                return


def send(archive: Archive, key: str, path: str, body: bytes, content_type: str) -> tuple[int, dict[str, str], bytes]:
    """Status 0: the connection was lost."""
    settings = archive.settings
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=20)
    headers = {"Authorization": f"Bearer {archive.token}", "Content-Type": content_type, "Idempotency-Key": key}
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    except LOST_CONNECTION:
        return 0, {}, b""
    finally:
        connection.close()


def form(customer: str, plain: bytes) -> tuple[bytes, str]:
    fields = {"customer": customer, "type": "LETTER"}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    return "".join([*parts, head]).encode() + plain + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def get(archive: Archive, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(archive.settings.host, archive.settings.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {archive.token}", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def register_customers(archive: Archive) -> None:
    lines = ["id,name,birth_date,card_numbers,home_branch,kind", *(f"{c},Kill Run,,,," for c in CUSTOMERS)]
    manifest = archive.home.parent / "customers.csv"
    manifest.write_text("\n".join(lines) + "\n")
    done = archive.command("customers", "import", str(manifest))
    assert done.returncode == 0, done.stderr


def listed(archive: Archive) -> dict[str, dict[str, Any]]:
    """Every paper of every customer, by its id."""
    found: dict[str, dict[str, Any]] = {}
    for customer in CUSTOMERS:
        path: str | None = f"/v1/customers/{customer}/documents?limit=200"
        while path:
            status, _, body = get(archive, path)
            assert status == 200, body
            page = json.loads(body)
            found |= {item["id"]: {**item, "customer": customer} for item in page["items"]}
            path = f"/v1/customers/{customer}/documents?limit=200&cursor={page['next']}" if page["next"] else None
    return found


@contextmanager
def an_archive(*mount: str) -> Iterator[Archive]:
    """`mount`: what `mount` is told of the file system that HOME is then on."""
    with new_home() as home, mounted(home, *mount) if mount else nullcontext():
        archive = Archive(home)
        try:
            yield archive
        finally:
            if archive.process.poll() is None:
                archive.process.kill()
            archive.process.wait()
            for pid in archive.processes():
                end(pid)
            if mount:
                wait_until(lambda: not archive.processes(), RECOVERY_SECONDS, "processes hold the file system")
