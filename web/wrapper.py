"""What stands before Falcon on every request: framing checks, body limits and deadlines, HEAD, trace id, access log.

Falcon reads the first body event before it routes and takes a disconnect for the end of a body; both are mended here,
so a handler sees either the whole body or an exception. Refusals become problems in web/problems.py.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from domain.limits import Limits
from domain.refusals import (
    N_,
    ContentTooLarge,
    InternalError,
    LengthRequired,
    MalformedRequest,
    Refusal,
    RequestTimeout,
    UnsupportedMediaType,
    UploadGaveWay,
)
from web.places import Place, Places
from web.problems import PART, BodyIncomplete, Write, best_language, build_problem, failure_line
from web.subpath import rooted_header, strip_base

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# What multipart/form-data adds to a file: its other fields, part headers, boundaries.
FORM_OVERHEAD_BYTES = 64 * 1024
# Bodies up to this size neither wait for a place nor cost the connection when a handler leaves them unread.
SMALL_BODY_BYTES = 64 * 1024
# How long an answered request's unread body is still taken in, so that the answer is not lost in a reset.
LINGER_SECONDS = 5.0
LINGER_BYTES = 256 * 1024 * 1024
# The longest wait for the next piece of a body; below gunicorn's own (web/worker.py), which ends it without an answer.
SILENCE_SECONDS = 20.0
ENDLESS = 1 << 62
PATH_CHARACTERS_MAX = 2048
QUERY_BYTES_MAX = 4096
HOSTS_REMEMBERED_MAX = 1000

WATCHED = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"content-encoding", b"content-type", b"expect", b"traceparent"}
)
HOST = re.compile(rb"([A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]*)(/.*)?", re.IGNORECASE | re.DOTALL)
# U+FFFD is what the server made of bytes that are no UTF-8.
BAD_PATH = re.compile(r"[\x00-\x1f\x7f\\\ufffd]|(?:^|/)\.\.(?:/|$)")
LENGTH = re.compile(rb"[0-9]{1,19}")
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
PARSED_WHOLE = re.compile(rb"application/(?:[a-z0-9.+-]*\+)?json|application/x-www-form-urlencoded|text/.*")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

# Sent with every answer that does not set its own. `same-origin` and not `no-referrer`, which would make browsers send
# `Origin: null` with forms.
DEFAULT_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
    (b"server", b"dossier"),
)
CLOSE = (b"connection", b"close")
NO_BODY_YET: Message = {"type": "http.request", "body": b"", "more_body": True}
NO_BODY: Message = {"type": "http.request", "body": b"", "more_body": False}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


class AccessLine(msgspec.Struct):
    """One answered request. The route is a template; paths and queries name people and are never written."""

    time: datetime
    part: str
    pid: int
    method: str
    route: str
    status: int
    ms: float
    bytes: int
    trace_id: str


class HeadAnswered(Exception):
    """Unwinds a handler that streams a body to a HEAD request. Never leaves this module."""


class Front:
    """An ASGI application around another. One stands in each worker process; its limits count per process.

    `hosts` are the host names answered to, lower case and without port; empty: any that is well-formed. `base` is the
    sub-path of DOSSIER_PUBLIC_URL (web/subpath.py).
    `uploading` hears of each large body that it comes in (1) and is through (-1).
    `write` takes one JSON line a request, and one for each exception that the application let through.
    """

    def __init__(
        self,
        app: Application,
        *,
        limits: Limits,
        write: Write,
        hosts: Collection[str] = (),
        base: str = "",
        uploading: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.app, self.limits, self.write, self.base = app, limits, write, base
        self.hosts = frozenset(host.lower() for host in hosts)
        self.hosts_seen: set[bytes] = set()
        self.places = Places(limits)
        self.uploading = uploading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Exchange(self, scope, receive, send).run()
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def check_host(self, host: bytes | None) -> None:
        """Refuse a missing, malformed or foreign Host; well-formed ones are remembered, up to a number."""
        if host in self.hosts_seen:
            return
        if host is None:
            raise MalformedRequest(reason=N_("it has no Host header"))
        found = HOST.fullmatch(host)
        if found is None:
            raise MalformedRequest(reason=N_("its Host header is malformed"))
        if self.hosts and found[1].decode("ascii").lower().rstrip(".") not in self.hosts:
            raise MalformedRequest(reason=N_("its Host header names another server"))
        if len(self.hosts_seen) < HOSTS_REMEMBERED_MAX:
            self.hosts_seen.add(host)

    def length_max(self, kind: bytes) -> int:
        """The limit of a body by its media type: what is parsed whole in memory gets less than what is streamed."""
        if not kind or PARSED_WHOLE.fullmatch(kind):
            return self.limits.json_body_bytes_max
        return self.limits.upload_bytes_max


class Exchange:
    """One request and its answer; the application gets `receive` and `send` in place of the server's."""

    __slots__ = (
        "began", "body_began", "expects", "form", "front", "got", "head", "last_byte", "lost", "method", "opened",
        "over", "place", "scope", "sent", "server_receive", "server_send", "sound", "status", "trace_id", "want",
    )  # fmt: skip

    def __init__(self, front: Front, scope: Scope, receive: Receive, send: Send) -> None:
        self.front, self.scope, self.server_receive, self.server_send = front, scope, receive, send
        self.began = time.perf_counter()
        self.method: str = scope["method"]
        self.head = self.method == "HEAD"
        self.over = asyncio.Event() if self.head else None
        self.trace_id = ""
        self.want = self.got = self.sent = self.status = 0
        self.body_began = self.last_byte = 0.0
        # `sound`: it passed the checks; `lost`: no more of its body is to come, or to be waited for.
        self.sound = self.form = self.expects = self.opened = self.lost = False
        self.place: Place | None = None

    async def run(self) -> None:
        """Check, let the application answer, write the log line, take in what was left unread."""
        try:
            self.check()
            self.sound = True
            await self.front.app(self.scope, self.receive, self.send)
        except Refusal as refusal:
            await self.refuse(refusal)
        except BodyIncomplete:
            await self.refuse(MalformedRequest(reason=N_("its body ended early")))
        except HeadAnswered:
            pass
        except Exception as error:  # noqa: BLE001  # the process edge: above this is only the server, which would quote it
            await self.fail(error)
        finally:
            self.finish()
        if self.got < self.want:
            await self.linger()

    def finish(self) -> None:
        if self.place is not None:
            self.front.places.give_back(self.place)
            self.front.uploading(-1)
        if self.over is not None:
            self.over.set()
        for end in self.scope.get("state", {}).get("at_end", ()):
            end()
        self.log()

    def check(self) -> None:
        """Everything that can be refused before the application runs and before a byte of the body is read."""
        scope = self.scope
        seen: dict[bytes, bytes] = {}
        twice = None
        for name, value in scope["headers"]:
            if name in WATCHED:
                if name in seen:
                    twice = name
                seen[name] = value
        self.trace_id = trace_id(None if twice == b"traceparent" else seen.get(b"traceparent"))
        state = scope.setdefault("state", {})
        state["trace_id"], state["head"], state["base"] = self.trace_id, self.head, self.front.base
        self.check_framing(seen)
        if twice is not None and twice != b"traceparent":
            raise MalformedRequest(reason=N_("a header stands twice that may stand once"))
        self.front.check_host(seen.get(b"host"))
        check_target(scope, seen[b"host"])
        scope["path"] = strip_base(scope["path"], self.front.base)
        if self.head:
            scope["method"] = "GET"

    def check_framing(self, seen: dict[bytes, bytes]) -> None:
        """How long the body is, in the one way that is taken: Content-Length, plain, within the limit."""
        if b"transfer-encoding" in seen:
            self.want = ENDLESS
            raise LengthRequired
        length = seen.get(b"content-length")
        if length is None:
            # Whether this address has such a method at all is said first (web/app.py).
            self.scope["state"]["length_missing"] = self.method in WITH_BODY
            return
        self.expects = b"expect" in seen
        self.want = int(length) if LENGTH.fullmatch(length) else ENDLESS
        if self.want == 0:
            return
        if seen.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise UnsupportedMediaType(reason=N_("a Content-Encoding is not taken, send it plain"))
        kind = seen.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self.form = kind.startswith(b"multipart/")
        limit = self.front.length_max(kind)
        if self.want > (limit + FORM_OVERHEAD_BYTES if self.form else limit):
            raise ContentTooLarge(limit_bytes=limit)

    async def receive(self) -> Message:
        """Falcon's first call is answered at once, so it can refuse (401, 404) before a byte of the body is read."""
        if not self.opened:
            self.opened = True
            return NO_BODY_YET if self.want else NO_BODY
        if self.got < self.want:
            return await self.receive_body()
        if self.over is not None:
            await self.over.wait()
            return {"type": "http.disconnect"}
        return await self.server_receive()

    async def receive_body(self) -> Message:
        """The next piece of the body. RequestTimeout when it is too slow, BodyIncomplete when it will not come."""
        now = asyncio.get_running_loop().time
        if not self.body_began:
            await self.take_place()
            self.body_began = self.last_byte = now()
        try:
            async with asyncio.timeout_at(self.deadline()) as wait:
                with self.place.awaits(wait) if self.place else nullcontext():
                    message = await self.server_receive()
        except TimeoutError:
            self.lost = True
            raise self.too_slow() from None
        self.got += len(message.get("body", b""))
        self.last_byte = now()
        if self.place:
            self.place.received_bytes = self.got
        if self.got > self.want or (self.got < self.want and not message.get("more_body", False)):
            self.lost = True
            raise BodyIncomplete("the body ended before its Content-Length")
        return message

    def deadline(self) -> float:
        """Loop time at which the next piece must be here: silence, mean rate after a grace, and total are bounded."""
        limits = self.front.limits
        by_rate = limits.upload_grace_seconds + self.got / limits.upload_rate_bytes_per_second_min
        return min(self.last_byte + SILENCE_SECONDS, self.body_began + min(by_rate, limits.upload_seconds_max))

    def too_slow(self) -> RequestTimeout:
        if self.place and self.place.gave_way:
            return UploadGaveWay(retry_after_seconds=self.front.limits.queue_wait_seconds)
        return RequestTimeout()

    async def take_place(self) -> None:
        """Wait for one of the places for large bodies. Asked for here, so callers refused before (401) need none."""
        if not self.form and self.want <= SMALL_BODY_BYTES:
            return
        self.place = await self.front.places.take(self.asker)
        self.front.uploading(1)

    @property
    def asker(self) -> bytes:
        """Whose place it takes (api/admission.py); all who need not say who they are count as one caller."""
        return bytes(self.scope["state"].get("asker", b""))

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self.server_send({**message, "headers": self.with_defaults(message.get("headers", ()))})
        elif self.head:
            await self.server_send(END)
            if message.get("more_body", False):
                raise HeadAnswered
        else:
            self.sent += len(message.get("body", b""))
            await self.server_send(message)

    def with_defaults(self, headers: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name for name, _ in headers}
        if base := self.front.base:
            headers = [(name, rooted_header(name, value, base)) for name, value in headers]
        complete = [*headers, *[header for header in DEFAULT_HEADERS if header[0] not in present]]
        complete.append((b"request-id", self.trace_id.encode("ascii")))
        if self.must_close():
            complete.append(CLOSE)
        return complete

    def must_close(self) -> bool:
        """Whether the connection has to go: what follows an unsound request is not trusted, nor is an unread body."""
        if not self.sound or self.scope["state"].get("length_missing"):
            return True
        if self.got == self.want:
            return False
        return self.lost or self.want - self.got > SMALL_BODY_BYTES or (self.expects and not self.body_began)

    async def refuse(self, refusal: Refusal) -> None:
        if self.status:
            return  # too late: the server cuts the connection, since the answer is not complete
        path = self.scope["path"] if self.scope["path"].startswith("/") else "/"
        language = header(self.scope, b"accept-language")
        answer = build_problem(
            refusal,
            instance=path[:PATH_CHARACTERS_MAX],
            trace_id=self.trace_id,
            language=best_language(language.decode("latin-1") if language else None),
            base=self.front.base,
        )
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})

    async def fail(self, error: Exception) -> None:
        self.front.write(failure_line(error, level="error", trace_id=self.trace_id))
        await self.refuse(InternalError())

    async def linger(self) -> None:
        """Take in an answered request's unread body for a while: closing on it would reset the answer away."""
        if self.lost or (self.expects and not self.body_began):
            return
        until = min(self.want, self.got + LINGER_BYTES)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self.got < until:
                    message = await self.server_receive()
                    self.got += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def log(self) -> None:
        line = AccessLine(
            datetime.now(UTC),
            PART,
            os.getpid(),
            self.method if self.method in METHODS else "OTHER",
            self.scope.get("state", {}).get("route") or "-",
            self.status,
            round((time.perf_counter() - self.began) * 1000, 3),
            self.sent,
            self.trace_id,
        )
        self.front.write(msgspec.json.encode(line) + b"\n")


def trace_id(traceparent: bytes | None) -> str:
    """The trace id of a valid W3C traceparent, else a new one: 32 hex digits."""
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return found[1].decode("ascii") if found else os.urandom(16).hex()


def check_target(scope: Scope, host: bytes) -> None:
    """Refuse paths that mean another thing to another program, and bring the absolute form into the usual one."""
    if not scope["path"].startswith("/"):
        to_origin_form(scope, host)
    if BAD_PATH.search(scope["path"]):
        raise MalformedRequest(reason=N_("its path has a character or step that is not taken"))
    if len(scope["path"]) > PATH_CHARACTERS_MAX or len(scope["query_string"]) > QUERY_BYTES_MAX:
        raise MalformedRequest(reason=N_("its address is too long"))
    if b"%00" in scope["query_string"]:
        raise MalformedRequest(reason=N_("its query has a NUL"))


def to_origin_form(scope: Scope, host: bytes) -> None:
    """`GET http://host/path`: RFC 9112, section 3.2.2 has every server take it; Host must say the same."""
    found = ABSOLUTE_FORM.fullmatch(scope["raw_path"])
    if found is None or found[1].lower() != host.lower():
        raise MalformedRequest(reason=N_("its target is not a path of this server"))
    scope["raw_path"] = found[2] or b"/"
    scope["path"] = unquote_to_bytes(scope["raw_path"]).decode("utf-8", errors="replace")


def header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
