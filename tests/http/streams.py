"""An event stream on a socket of its own, read message by message, and cut in every way that a network knows."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from tests.http.served import Served

WAIT_SECONDS, LIFE_SECONDS = 30.0, 120.0


class Message(NamedTuple):
    """One block of the stream. `event` and `data` are None in one that is no event; `comment` begins with a colon."""

    id: int | None
    event: str | None
    data: Any
    comment: str | None
    retry: int | None


class Stream:
    """GET /v1/events/stream as this client. Both terms are for a broken product: the longest that a read waits, and,
    since heartbeats come while nothing else does, the longest that it is read."""

    def __init__(
        self,
        served: Served,
        client: httpx.Client,
        *,
        last: int | str | None = None,
        receive_bytes: int = 0,
        **query: Any,
    ) -> None:
        self._socket = socket.socket()
        if receive_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(WAIT_SECONDS)
        self._socket.connect((served.settings.host, served.settings.port))
        headers = {"Host": "localhost", **said_by(client)}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        lines = [f"GET /v1/events/stream?{urlencode(query, doseq=True)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = self._socket.makefile("rb")
        self.status, self.headers = self._head()
        self._unread, self._until = b"", time.monotonic() + LIFE_SECONDS

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _head(self) -> tuple[int, dict[str, str]]:
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._file.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    # -- reading ------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Message]:
        """Every block until the end of the stream."""
        while (block := self._block()) is not None:
            yield parse(block)

    def _block(self) -> str | None:
        assert time.monotonic() < self._until, "what was waited for does not come"
        while b"\n\n" not in self._unread:
            if not (chunk := self._chunk()):
                return None
            self._unread += chunk
        block, _, self._unread = self._unread.partition(b"\n\n")
        return block.decode()

    def _chunk(self) -> bytes:
        size = int(self._file.readline() or b"0", 16)
        data = self._file.read(size)
        self._file.readline()
        return data if len(data) == size else b""

    def problem(self) -> dict[str, Any]:
        """The body of an answer that is no stream."""
        problem: dict[str, Any] = json.loads(self._file.read(int(self.headers["content-length"])))
        return problem

    def events(self) -> Iterator[Message]:
        """Without those that only tell a screen where it stands."""
        return (message for message in self if message.event not in (None, "now"))

    def event(self) -> Message:
        """The next one."""
        return next(self.events())

    def up_to(self, position: int) -> list[Message]:
        """The events up to the one at this position, which must come."""
        found: list[Message] = []
        for message in self.events():
            assert message.id is not None
            found.append(message)
            if message.id >= position:
                return found
        raise AssertionError(f"the stream ended before {position}")

    def heartbeat(self) -> Message:
        return next(message for message in self if message.comment is not None)

    # -- its end ------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Cut as by a network: the other side gets a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def said_by(client: httpx.Client) -> dict[str, str]:
    """Who it is: a token, or the cookie of a session."""
    kept = ("Authorization", "Sec-Fetch-Site")
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return {n: client.headers[n] for n in kept if n in client.headers} | ({"Cookie": cookies} if cookies else {})


def parse(block: str) -> Message:
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(": ") if not line.startswith(":") else ("comment", "", line[1:].strip())
        assert name in ("id", "event", "data", "retry", "comment"), line
        assert name not in fields, f"{name} twice in {block}"
        fields[name] = value
    data = json.loads(fields["data"]) if "data" in fields else None
    number = {name: int(fields[name]) if name in fields else None for name in ("id", "retry")}
    return Message(number["id"], fields.get("event"), data, fields.get("comment"), number["retry"])
