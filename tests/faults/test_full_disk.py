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

import psycopg
import pytest

from service.ballast import RESERVE_BYTES
from tests.builders.mounts import disk_image
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
from tests.http.served import command_of, embedded_url, parent_of, wait_until

SIZE_BYTES = 520 << 20
"""Empty it has more than DOSSIER_DISK_FREE_BYTES_MIN and the ballast, so that uploads begin."""
FULL_SECONDS = 3
BACK_SECONDS = 10


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """What `mount` is told of an empty disk."""
    if request.param == "tmpfs":
        yield ("-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=0711", "none")
        return
    image = disk_image(tmp_path / "image", SIZE_BYTES, "-m", "0")
    yield ("-o", "loop", str(image))
    image.unlink()


def test_a_full_disk_ends_no_process_serves_every_reader_refuses_uploads_and_heals(disk: tuple[str, ...]) -> None:
    """A worker is killed meanwhile, so one that starts on the full disk is among those who serve. A content needs its
    line in the access log, and Postgres a new WAL segment twice: the ballast has room for them."""
    with an_archive(*disk) as archive:
        register_customers(archive)
        clients = Clients(archive, 1, seed=1)
        with clients.working():
            clients.wait_for(10)
        paper = next(one for one in clients.acknowledged if one.sha256)
        ballast = archive.home / "ballast"
        whole = archive.settings.limits.ballast_bytes
        assert blocks_of(ballast) >= whole

        with without_room(archive.home):
            killed = workers(archive)[0]
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: is_whole(archive, without=killed), BACK_SECONDS, f"no worker stays: {archive.said()}")
            before = lasting(archive)
            said = said_while_full(archive, paper)
            for _ in range(2):
                wait_until(lambda: free_bytes(archive.home) >= RESERVE_BYTES, BACK_SECONDS, "no room is made")
                switch_wal(archive)
                said["content"][get(archive, f"/v1/documents/{paper.paper}/content")[0]] += 1
            gone = before.items() - lasting(archive).items()
            assert blocks_of(ballast) < whole

        sys.stdout.write(f"\nfull disk: { ({name: dict(statuses) for name, statuses in said.items()}) }\n")
        assert {*said["live"], *said["list"], *said["metadata"], *said["content"]} == {200}
        assert {*said["upload"]} <= {503, 507}
        assert not gone, "processes that died on the full disk"
        assert "SIGBUS" not in archive.output.read_text("utf-8")
        wait_until(lambda: upload(archive) == 201, BACK_SECONDS, f"uploads stay refused: {archive.said()}")
        wait_until(lambda: blocks_of(ballast) >= whole, BACK_SECONDS, "the ballast is not taken again")
        counted(archive, clients)
        archive.stop()


def blocks_of(file: Path) -> int:
    """What of it lies on the disk."""
    return file.stat().st_blocks * 512


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def switch_wal(archive: Archive) -> None:
    """The next write begins a new WAL segment."""
    with psycopg.connect(embedded_url(archive.home), autocommit=True) as conn:
        conn.execute("select pg_switch_wal()")


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
    """Somebody takes all that there is, in an instant."""
    filler = disk / "filler"
    with filler.open("xb") as file:
        piece_bytes = free_bytes(disk)
        while piece_bytes >= 4096:
            try:
                os.posix_fallocate(file.fileno(), filler.stat().st_size, piece_bytes)
            except OSError:
                piece_bytes //= 2
            piece_bytes = min(piece_bytes, free_bytes(disk))
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
