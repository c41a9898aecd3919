"""Start, stop, reload and loss of workers and master, with requests and streams under way."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import gunicorn  # type: ignore[import-untyped]  # gunicorn ships no types
import pytest

from domain.limits import Limits
from tests.http.tiny import Served, ask, connect, drain, eventually, serving
from web.worker import run

HELLO = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def alive(pid: int) -> bool:
    """A zombie of a master that is gone itself counts as dead."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def open_stream(served: Served, query: str = "") -> socket.socket:
    client = connect(served)
    client.sendall(f"GET /events{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    eventually(lambda: b"begin" in client.recv(65536, socket.MSG_PEEK))
    return client


def stopped(served: Served) -> int:
    """SIGTERM, then wait for the end within the grace and what gunicorn itself needs."""
    served.process.send_signal(signal.SIGTERM)
    return served.process.wait(6 + 4)


def test_the_first_worker_to_serve_says_so_once_for_all(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2, complaint="SIGKILL") as served:
        eventually(lambda: len(served.notes()) == 2)
        for pid in [int(note.split()[1]) for note in served.notes()]:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(served.notes()) == 4)
        time.sleep(1.2)
        assert stopped(served) == 0
        assert served.process.stdout is not None
        assert served.process.stdout.read() == "", "a second line"
        assert not list(tmp_path.rglob("gunicorn.ctl"))


def test_a_stop_ends_endless_streams_and_runs_every_clean_up(tmp_path: Path) -> None:
    """How many had to be forced: the deaf one, and any that had no time to go by itself on a busy machine."""
    with serving(tmp_path, complaint=r"Forcing close of [1-3] connections") as served:
        pid = served.get("/calls")["pid"]
        with open_stream(served) as deaf, open_stream(served, "?heed=1") as heeding, connect(served) as silent:
            assert stopped(served) == 0
            assert b": end" in drain(heeding)
            assert b": end" not in drain(deaf)
            assert drain(silent) == b""
        assert f"shutdown {pid}" in served.notes()
        assert served.notes().count("events left") == 2


def test_a_stop_lets_an_upload_end(tmp_path: Path) -> None:
    with serving(tmp_path) as served, connect(served) as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1000
        )
        time.sleep(0.2)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.sendall(b"x" * 1000)
        answer = drain(client)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"size": 2000' in answer
        assert served.process.wait(10) == 0


def test_a_stop_answers_a_caller_who_has_just_come(tmp_path: Path) -> None:
    """It is connected and its request is on the way; who has been served and waits is closed."""
    with serving(tmp_path) as served, connect(served) as client, connect(served) as idle:
        idle.sendall(HELLO.replace("Connection: close\r\n", "").encode())
        eventually(lambda: b"200" in idle.recv(65536, socket.MSG_PEEK))
        served.process.send_signal(signal.SIGTERM)
        assert drain(idle).count(b"HTTP/1.1") == 1
        client.sendall(HELLO.encode())
        assert drain(client).startswith(b"HTTP/1.1 200 ")
        assert served.process.wait(10) == 0


def test_only_the_master_comes_back_from_run(tmp_path: Path) -> None:
    """Whoever calls run has clean-up of its own behind it, which must not happen in each worker as well."""
    with serving(tmp_path, workers=2) as served:
        eventually(lambda: len(served.notes()) == 2)
        os.kill(int(served.notes()[0].split()[1]), signal.SIGTERM)
        eventually(lambda: len([note for note in served.notes() if note.startswith("startup")]) == 3)
        assert not (tmp_path / "left").exists()
        assert stopped(served) == 0
    assert (tmp_path / "left").read_text() == str(served.process.pid)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, complaint="SIGKILL") as served:
        pid = served.get("/calls")["pid"]
        os.kill(pid, signal.SIGKILL)

        def another() -> bool:
            return bool(served.get("/calls")["pid"] != pid)

        eventually(another)


def test_workers_leave_when_their_master_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2, complaint="Forcing close of 1 connections") as served:
        eventually(lambda: len(served.notes()) == 2)
        pids = [int(note.split()[1]) for note in served.notes()]
        with open_stream(served):
            served.process.kill()
            eventually(lambda: not any(map(alive, pids)), seconds=8)
        assert sum(note.startswith("shutdown") for note in served.notes()) == 2


def test_a_reload_loses_no_request(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as served:
        eventually(lambda: len(served.notes()) == 2)
        served.process.send_signal(signal.SIGHUP)
        statuses = []
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            statuses.append(ask(served, HELLO).status)
        assert set(statuses) == {200}
        assert sum(note.startswith("startup") for note in served.notes()) == 4
        assert sum(note.startswith("shutdown") for note in served.notes()) == 2


def test_a_startup_that_fails_ends_the_server_with_an_exit_code(tmp_path: Path) -> None:
    with serving(tmp_path, startup_fails=True, complaint="$") as served:
        assert served.process.wait(10) == 3


def test_another_gunicorn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn, "__version__", "27.0.2")
    never: Callable[[], object] = pytest.fail
    with pytest.raises(RuntimeError, match=r"needs gunicorn 27\.0\.1"):
        run(never, bind=["127.0.0.1:0"], workers=1, limits=Limits(), on_ready=print)  # type: ignore[arg-type]  # not called
