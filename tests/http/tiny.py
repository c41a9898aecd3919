"""A small application behind the real front, served by the real gunicorn with the guard, and a raw client for it.

Run as a module it is the server; `serving` starts it so. It knows nothing of the archive.
"""

import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import falcon
import falcon.asgi
import msgspec

from domain.limits import Limits
from domain.refusals import Unauthenticated
from web import problems, worker
from web.uploads import receive_form
from web.wrapper import Front

ROOT = Path(__file__).parents[2]
FIELDS = frozenset({"customer", "type", "note"})


class Tiny:
    """The handlers. `calls` counts them, so that a smuggled request shows even when its answer is lost."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.home, self.limits = Path(config["home"]), Limits(**config["limits"])
        self.startup_fails = config["startup_fails"]
        self.calls = 0
        self.log = os.open(self.home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: bytes) -> None:
        os.write(self.log, line)

    def note(self, text: str) -> None:
        self.write(json.dumps({"note": text}).encode() + b"\n")

    def app(self) -> "falcon.asgi.App[Any, Any]":
        app = falcon.asgi.App(middleware=[self])
        problems.install(app, write=self.write, unavailable=(FileNotFoundError,))
        for path in (
            "/hello",
            "/echo",
            "/form",
            "/ignore",
            "/deny",
            "/events",
            "/big",
            "/fault",
            "/cut",
            "/name/{name}",
        ):
            app.add_route(path, Resource(self, path.split("/")[1]))
        app.add_route("/calls", Calls(self))
        return app

    async def process_startup(self, scope: Any, event: Any) -> None:
        if self.startup_fails:
            raise ConnectionRefusedError("no database")
        self.stopping = scope["state"]["stopping"]
        self.note(f"startup {os.getpid()}")

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        self.note(f"shutdown {os.getpid()}")

    async def process_resource(self, req: Any, resp: Any, resource: Any, params: Any) -> None:
        req.scope["state"]["route"] = req.uri_template
        if not isinstance(resource, Calls):
            self.calls += 1


class Resource:
    def __init__(self, tiny: Tiny, verb: str) -> None:
        self.tiny, self.verb = tiny, verb

    async def on_get(self, req: Any, resp: Any, name: str = "") -> None:
        resp.content_type = "text/plain"
        if self.verb == "events":
            resp.content_type = "text/event-stream"
            resp.stream = self.events(heed=req.get_param("heed") == "1")
        elif self.verb == "big":
            size = req.get_param_as_int("size") or 0
            resp.content_length = size
            resp.stream = zeros(size)
        elif self.verb == "fault":
            raise LookupError("customer Jansen, 1970-01-01")
        elif self.verb == "cut":
            resp.stream = self.faulty()
        else:
            state = req.scope["state"]
            resp.text = f"{self.verb} {name or state['trace_id']} {os.getpid()}"

    async def on_post(self, req: Any, resp: Any) -> None:
        if self.verb == "deny":
            raise Unauthenticated
        if self.verb == "form":
            await self.take_form(req, resp)
        elif self.verb == "echo":
            digest, size = hashlib.sha256(), 0
            async for piece in req.stream:
                digest.update(piece)
                size += len(piece)
            self.tiny.note(f"echoed {size}")
            resp.media = {"size": size, "sha256": digest.hexdigest()}
        else:
            resp.text = "not read"

    async def take_form(self, req: Any, resp: Any) -> None:
        async with receive_form(req, fields=FIELDS, limits=self.tiny.limits, tmp=self.tiny.home) as form:
            received = form.file
            if received is not None:
                (self.tiny.home / f"stored-{received.sha256.hex()}").write_bytes(received.file.read())
            name, size = (received.name, received.size) if received else (None, 0)
            resp.media = {"fields": form.fields, "name": name, "size": size}

    async def events(self, *, heed: bool) -> AsyncIterator[bytes]:
        try:
            yield b": begin\n\n"
            if heed:
                await self.tiny.stopping.wait()
                yield b": end\n\n"
            else:
                await asyncio.sleep(3600)
        finally:
            self.tiny.note("events left")

    async def faulty(self) -> AsyncIterator[bytes]:
        yield b"begin"
        raise LookupError("customer Jansen, 1970-01-01")


class Calls:
    """How often the other handlers ran, and which files without a name are open."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny = tiny

    async def on_get(self, req: Any, resp: Any) -> None:
        links = (link_of(entry) for entry in Path("/proc/self/fd").iterdir())
        nameless = [link for link in links if link.startswith(str(self.tiny.home)) and "(deleted)" in link]
        resp.media = {"calls": self.tiny.calls, "open": len(nameless), "pid": os.getpid()}


def link_of(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


async def zeros(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        yield bytes(min(size, 65536))
        size -= 65536


def main(config: dict[str, Any]) -> int:
    def make() -> Any:
        tiny = Tiny(config)
        return Front(tiny.app(), limits=tiny.limits, write=tiny.write, hosts=config["hosts"])

    def ready(address: str) -> None:
        sys.stdout.write(f"ready {address}\n")
        sys.stdout.flush()

    code = worker.run(
        make,
        bind=[config["bind"]],
        workers=config["workers"],
        limits=Limits(**config["limits"]),
        on_ready=ready,
        graceful_seconds=config["graceful_seconds"],
        write_stall_seconds=config["write_stall_seconds"],
    )
    (Path(config["home"]) / "left").write_text(str(os.getpid()))
    return code


class Served(NamedTuple):
    """A running server."""

    port: int
    home: Path
    process: subprocess.Popen[str]

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "log").read_text().splitlines()]

    def notes(self) -> list[str]:
        return [line["note"] for line in self.log() if "note" in line]

    def get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            ask(self, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").body
        )
        return answer

    def stored(self) -> list[Path]:
        return sorted(self.home.glob("stored-*"))


@contextmanager
def serving(home: Path, *, workers: int = 1, graceful_seconds: int = 6, **settings: Any) -> Iterator[Served]:
    """Start the server and end it; settings: limits, hosts, write_stall_seconds, startup_fails.

    Each line that it writes to stderr must match the regular expression given as `complaint`.
    """
    config = {
        "home": str(home), "workers": workers, "graceful_seconds": graceful_seconds, "bind": "127.0.0.1:0",
        "limits": {}, "hosts": [], "write_stall_seconds": 30.0, "startup_fails": False, "complaint": "", **settings,
    }  # fmt: skip
    command = [sys.executable, "-W", "error", "-m", "tests.http.tiny", json.dumps(config)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(home)}
    with (home / "stderr").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:") or config["startup_fails"], (home / "stderr").read_text()
        yield Served(int(line.rpartition(":")[2] or 0), home, process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(graceful_seconds + 10)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    complaints = (home / "stderr").read_text().splitlines()
    assert all(config["complaint"] and re.search(config["complaint"], line) for line in complaints), complaints


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        members: dict[str, Any] = json.loads(self.body)
        assert members["status"] == self.status
        return members

    @property
    def slug(self) -> str:
        return str(self.problem["type"]).rpartition("/")[2]


def connect(served: Served, *, timeout: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=timeout)


def ask(served: Served, request: str | bytes, *, timeout: float = 10.0) -> Answer:
    """Send raw bytes on a connection of their own and read the one answer until the server closes."""
    answers = parse(converse(served, request, timeout=timeout))
    assert len(answers) == 1, answers
    return answers[0]


def converse(served: Served, request: str | bytes, *, timeout: float = 10.0) -> bytes:
    with connect(served, timeout=timeout) as client:
        client.sendall(request.encode("latin-1") if isinstance(request, str) else request)
        return drain(client)


def drain(client: socket.socket) -> bytes:
    """All that comes until the server closes or resets."""
    pieces = []
    try:
        while piece := client.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def parse(data: bytes) -> list[Answer]:
    """The answers in a stream of bytes; each must be framed by Content-Length, chunks or the end."""
    answers = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        if headers.get("transfer-encoding") == "chunked":
            body, rest = dechunked(rest)
        else:
            length = int(headers.get("content-length", len(rest)))
            body, rest = rest[:length], rest[length:]
        if status >= 200:
            answers.append(Answer(status, headers, body))
        data = rest
    return answers


def dechunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size, 16)
        body, data = body + data[:count], data[count + 2 :]
        if count == 0:
            break
    return body, data


def eventually(check: Any, *, seconds: float = 5.0) -> None:
    """Wait until the check holds; for what another process does in its own time."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(msgspec.json.decode(sys.argv[1])))
