"""Connections that the guard ends: half a header, silence, too many, readers that stop; and the backlog it opens."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # gunicorn ships no types

from domain.limits import Limits
from tests.http.tiny import Served, ask, connect, drain, eventually, serving
from web.worker import Protocol, Server, Worker, serve_options

LIMITS = {"header_seconds_max": 1.0, "connections_max": 20}
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("guard"), limits=LIMITS, write_stall_seconds=1.0) as server:
        yield server


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: ", GET[:-2]])
def test_a_header_that_does_not_end_is_cut_at_its_deadline(served: Served, sent: bytes) -> None:
    with connect(served) as client:
        client.sendall(sent)
        begun = time.monotonic()
        assert drain(client) == b""
    assert time.monotonic() - begun > 0.5, "it was given its time"


def test_a_header_that_drips_is_cut_at_the_same_deadline(served: Served) -> None:
    def drip(client: socket.socket) -> None:
        client.sendall(b"GET / HTTP/1.1\r\n")
        for number in range(200):
            client.sendall(f"X-{number}: 1\r\n".encode())
            time.sleep(0.05)

    with connect(served) as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        drip(client)


def test_a_connection_that_served_lives_past_the_deadline_until_it_is_idle_too_long(served: Served) -> None:
    with connect(served) as client:
        for _ in range(3):
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(0.6)
        client.sendall(GET[:20])
        assert drain(client) == b"", "a second header has a deadline too"


def test_connections_over_the_cap_are_refused_and_places_come_back(served: Served) -> None:
    clients = [connect(served) for _ in range(20)]
    for client in clients:
        client.sendall(GET)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    over = [connect(served) for _ in range(5)]
    try:
        assert [drain(client) for client in over] == [b""] * 5
        for client in clients:
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200"), "those within the cap go on"
    finally:
        for client in clients + over:
            client.close()

    def answered() -> bool:
        with connect(served) as client:
            client.sendall(GET)
            try:
                return client.recv(65536).startswith(b"HTTP/1.1 200")
            except ConnectionResetError:
                return False

    eventually(answered)


def test_a_reader_that_stops_is_ended(served: Served) -> None:
    size = 200_000_000
    with connect(served) as client:
        client.sendall(f"GET /big?size={size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        time.sleep(2.0)
        assert len(drain(client)) < size


def test_a_reader_that_is_merely_slow_gets_everything(served: Served) -> None:
    size, got = 12_000_000, 0
    with connect(served) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(f"GET /big?size={size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        while piece := client.recv(600_000):
            got += len(piece)
            time.sleep(0.002)
    assert got > size


def test_who_has_sent_a_whole_write_and_closes_that_direction_gets_the_answer(served: Served) -> None:
    """It was done, and its client not told."""
    with connect(served) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        client.shutdown(socket.SHUT_WR)
        assert drain(client).startswith(b"HTTP/1.1 200 ")


def test_who_leaves_in_the_middle_of_a_write_is_not_waited_for(served: Served) -> None:
    with connect(served) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        client.shutdown(socket.SHUT_WR)
        assert drain(client) == b""


def test_the_backlog_takes_a_burst_while_the_worker_is_busy(served: Served) -> None:
    """asyncio listens with 100, whatever gunicorn is told; a stopped worker shows how many are let in."""
    pid = served.get("/calls")["pid"]
    clients: list[socket.socket] = []
    os.kill(pid, signal.SIGSTOP)
    try:
        clients.extend(connect(served, timeout=2.0) for _ in range(300))
    finally:
        os.kill(pid, signal.SIGCONT)
        for client in clients:
            client.close()
    eventually(lambda: ask(served, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).status == 200)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    body = bytes(60_000)
    headers = [(b"content-length", b"60000"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def test_a_connection_being_closed_does_not_wait_for_ever_for_its_reader() -> None:
    """An answer small enough never to pause writing, to a reader that takes none of it: only closing waits for it."""

    options = serve_options(bind=["127.0.0.1:0"], workers=1, limits=Limits())
    server = Server(lambda: hello, options, on_ready=print, header_seconds=5, write_stall_seconds=0.2)
    worker = Worker(1, os.getpid(), [], server, 30, server.cfg, Logger(server.cfg))
    worker.asgi = hello
    worker.tmp.close()

    async def run() -> bytes:
        worker.loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            async with await worker.loop.create_server(lambda: Protocol(worker), sock=listener):
                with socket.socket() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    client.connect(listener.getsockname())
                    client.sendall(GET)
                    await asyncio.sleep(0.1)
                    assert (worker.nr_conns, len(worker.protocols)) == (1, 1), "it is being closed, with bytes to go"
                    async with asyncio.timeout(5):
                        while worker.nr_conns or worker.protocols:
                            await asyncio.sleep(0.02)
                    return await asyncio.to_thread(drain, client)

    assert len(asyncio.run(run())) < 60_000


def test_callers_who_come_together_are_shared_among_the_workers(tmp_path: Path) -> None:
    """uvloop's own server gave 15 of 16 to the worker that woke first, so that one core served them all."""
    with serving(tmp_path, workers=2, complaint="was sent SIGKILL") as served, ExitStack() as clients:
        first, second = workers(served, 2)

        def come(count: int, *pids: int) -> None:
            before = sum(map(connections, pids))
            for _ in range(count):
                clients.enter_context(connect(served))
            eventually(lambda: sum(map(connections, pids)) == before + count)

        def come_until_even(one: int, other: int) -> None:
            """A worker that starts late, or does not get to run for a moment, is passed over."""
            for _ in range(6):
                come(8, one, other)
                if abs(connections(one) - connections(other)) <= 4:
                    return
            pytest.fail("who has fewest does not get the next")

        come_until_even(first, second)
        os.kill(first, signal.SIGKILL)
        (third,) = set(workers(served, 3)) - {first, second}
        come_until_even(third, second)


def workers(served: Served, started: int) -> list[int]:
    """Their process ids, in the order in which they began."""
    eventually(lambda: (served.home / "log").read_text().count("startup ") == started)
    return [int(pid) for pid in re.findall(r"startup (\d+)", (served.home / "log").read_text())]


def connections(pid: int) -> int:
    """How many callers a worker has: TCP connections to its port, known by their sockets' numbers."""
    with suppress(FileNotFoundError):
        found = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        established = {fields[9] for fields in found if fields[3] == "01"}
        links = [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
        return len(established & {str(link)[8:-1] for link in links if str(link).startswith("socket:")})
    return 0
