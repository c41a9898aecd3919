"""A disk without a free byte, with all of HOME and its Postgres on it: who reads is served, who uploads is refused."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from tests.faults.killing import (
    CUSTOMERS,
    LOST_CONNECTION,
    Acknowledged,
    Archive,
    Clients,
    an_archive,
    form,
    get,
    register_customers,
    send,
)
from tests.faults.test_kill_run import counted
from tests.http.served import command_of, parent_of, wait_until

DISK = ("-t", "tmpfs", "-o", "size=420m,mode=0711", "none")
"""Empty it has more than DOSSIER_DISK_FREE_BYTES_MIN, so that uploads begin."""
FULL_SECONDS = 3
BACK_SECONDS = 10


def test_a_full_disk_ends_no_process_serves_readers_refuses_uploads_and_heals() -> None:
    """A worker is killed meanwhile, so one that starts on the full disk is among those who serve. A content may be
    refused: its line in the access log comes first, and Postgres may have no room for it."""
    with an_archive(*DISK) as archive:
        register_customers(archive)
        clients = Clients(archive, 1, seed=1)
        with clients.working():
            clients.wait_for(10)
        paper = next(one for one in clients.acknowledged if one.sha256)

        with without_room(archive.home):
            killed = workers(archive)[0]
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: is_whole(archive, without=killed), BACK_SECONDS, f"no worker stays: {archive.said()}")
            before = lasting(archive)
            said = said_while_full(archive, paper)
            gone = before.items() - lasting(archive).items()

        sys.stdout.write(f"\nfull disk: { ({name: dict(statuses) for name, statuses in said.items()}) }\n")
        assert {*said["live"], *said["list"], *said["metadata"]} == {200}
        assert {*said["content"]} <= {200, 503, 507}
        assert {*said["upload"]} <= {503, 507}
        assert not gone, "processes that died on the full disk"
        assert "SIGBUS" not in archive.output.read_text("utf-8")
        wait_until(lambda: upload(archive) == 201, BACK_SECONDS, f"uploads stay refused: {archive.said()}")
        counted(archive, clients)
        archive.stop()


def said_while_full(archive: Archive, paper: Acknowledged) -> dict[str, Counter[int]]:
    """For some seconds: how often each use was answered with which status."""
    reads = {
        "live": "/livez",
        "list": f"/v1/customers/{paper.customer}/documents",
        "metadata": f"/v1/documents/{paper.paper}",
        "content": f"/v1/documents/{paper.paper}/content",
    }
    said: dict[str, Counter[int]] = {name: Counter() for name in [*reads, "upload"]}
    until = time.monotonic() + FULL_SECONDS
    while time.monotonic() < until:
        for name, path in reads.items():
            said[name][get(archive, path)[0]] += 1
        said["upload"][upload(archive)] += 1
    return said


@contextmanager
def without_room(disk: Path) -> Iterator[None]:
    """Not one byte is left."""
    filler = disk / "filler"
    for size_bytes in (1 << 20, 4096):
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(size_bytes))
    assert os.statvfs(disk).f_bavail == 0
    try:
        yield
    finally:
        filler.unlink()


def workers(archive: Archive) -> list[int]:
    web = [pid for pid, kind in archive.processes().items() if kind == "web"]
    return [pid for pid in web if parent_of(pid) in web]


def is_whole(archive: Archive, *, without: int) -> bool:
    """All workers are there, not the one that was killed, and one answers."""
    serving = workers(archive)
    with suppress(*LOST_CONNECTION):
        return without not in serving and len(serving) == archive.settings.workers and get(archive, "/livez")[0] == 200
    return False


def lasting(archive: Archive) -> dict[int, str]:
    """The processes that end only with the archive, by what they are. A backend ends with its connection, those of a
    killed worker some time after it; but when one crashes, Postgres starts its checkpointer again as well."""
    return {
        pid: kind
        for pid, kind in archive.processes().items()
        if kind != "postgres" or "checkpointer" in command_of(pid)
    }


def upload(archive: Archive) -> int:
    """The status that a file like no other gets."""
    key = uuid4().hex
    return send(archive, key, "/v1/documents", *form(CUSTOMERS[0], key.encode()))[0]
