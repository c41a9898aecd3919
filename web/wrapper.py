"""Guards every request before Falcon: framing checks, body limits and deadlines, HEAD, trace id, access log.

Falcon reads the first body event before it routes, and treats a disconnect as the end of a body. The wrapper prevents
both, so a handler gets either the whole body or an exception. Refusals become problems in web/problems.py.
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
    SlowUploadStopped,
    UnsupportedMediaType,
)
from web.places import Place, Places
from web.problems import PART, BodyIncomplete, Write, best_language, build_problem, failure_line
from web.subpath import rooted_header, strip_base

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# The most that multipart/form-data adds to a file: other fields, part headers, boundaries.
FORM_OVERHEAD_BYTES = 64 * 1024
# Bodies up to this size need no place, and the connection stays open when a handler leaves them unread.
SMALL_BODY_BYTES = 64 * 1024
# The unread body of an answered request is read this long, so that a reset does not destroy the answer.
LINGER_SECONDS = 5.0
LINGER_BYTES = 256 * 1024 * 1024
# The longest wait for the next piece of a body; shorter than gunicorn's (web/worker.py), which sends no answer.
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
# The server writes U+FFFD for bytes that are not UTF-8.
BAD_PATH = re.compile(r"[\x00-\x1f\x7f\\\ufffd]|(?:^|/)\.\.(?:/|$)")
LENGTH = re.compile(rb"[0-9]{1,19}")
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
PARSED_WHOLE = re.compile(rb"application/(?:[a-z0-9.+-]*\+)?json|application/x-www-form-urlencoded|text/.*")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

# Added to every answer that does not set them itself. The policy is `same-origin`, because browsers send
# `Origin: null` with forms under `no-referrer`.
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
    """One answered request. `route` is the template: paths and queries can name people and are never logged."""

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
    """Ends a handler that streams a body to a HEAD request. It is caught in this module."""


class Front:
    """An ASGI application around another, one in each worker process; its limits count per process.

    `hosts` are the accepted host names, without port; empty accepts any well-formed name. `base` is the sub-path of
    DOSSIER_PUBLIC_URL (web/subpath.py). `uploading` is called with 1 when a large body begins and with -1 when its
    request ends. `write` gets one JSON line for each request, and one for each exception that the application did not
    handle.
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
        """Refuses a missing, malformed or foreign Host; remembers the first HOSTS_REMEMBERED_MAX accepted ones."""
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
        """The limit of a body in bytes, by its media type: lower for types that are parsed whole in memory."""
        if not kind or PARSED_WHOLE.fullmatch(kind):
            return self.limits.json_body_bytes_max
        return self.limits.upload_bytes_max


class Exchange:
    """One request and its answer; the application gets its `receive` and `send` instead of the server's."""

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
        # `sound`: the request passed the checks; `lost`: the rest of its body will not be read.
        self.sound = self.form = self.expects = self.opened = self.lost = False
        self.place: Place | None = None

    async def run(self) -> None:
        """Checks the request, calls the application, writes the log line and reads the unread rest of the body."""
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
        except Exception as error:  # noqa: BLE001  # the process edge: the server above would log it with its values
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
            raise MalformedRequest(reason=N_("a header that is allowed once was sent more than once"))
        self.front.check_host(seen.get(b"host"))
        check_target(scope, seen[b"host"])
        scope["path"] = strip_base(scope["path"], self.front.base)
        if self.head:
            scope["method"] = "GET"

    def check_framing(self, seen: dict[bytes, bytes]) -> None:
        """Sets `want` from Content-Length. Refuses a chunked or compressed body and one over its limit."""
        if b"transfer-encoding" in seen:
            self.want = ENDLESS
            raise LengthRequired
        length = seen.get(b"content-length")
        if length is None:
            # web/app.py refuses it, after it has refused methods that the address does not have.
            self.scope["state"]["length_missing"] = self.method in WITH_BODY
            return
        self.expects = b"expect" in seen
        self.want = int(length) if LENGTH.fullmatch(length) else ENDLESS
        if self.want == 0:
            return
        if seen.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise UnsupportedMediaType(reason=N_("send it without a Content-Encoding"))
        kind = seen.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self.form = kind.startswith(b"multipart/")
        limit = self.front.length_max(kind)
        if self.want > (limit + FORM_OVERHEAD_BYTES if self.form else limit):
            raise ContentTooLarge(limit_bytes=limit)

    async def receive(self) -> Message:
        """The next ASGI message. The first is empty, so that Falcon can refuse (401, 404) before the body is read."""
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
        """The next piece of the body. Raises RequestTimeout when it is too slow, BodyIncomplete when the body ends
        before its Content-Length or exceeds it."""
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
        """The loop time by which the next piece must arrive. It bounds silence, the mean rate after a grace period, and
        the total time."""
        limits = self.front.limits
        by_rate = limits.upload_grace_seconds + self.got / limits.upload_rate_bytes_per_second_min
        return min(self.last_byte + SILENCE_SECONDS, self.body_began + min(by_rate, limits.upload_seconds_max))

    def too_slow(self) -> RequestTimeout:
        if self.place and self.place.gave_way:
            return SlowUploadStopped(retry_after_seconds=self.front.limits.queue_wait_seconds)
        return RequestTimeout()

    async def take_place(self) -> None:
        """Waits for one of the places for large bodies. Called at the first read, so that a request refused before
        (401) needs no place."""
        if not self.form and self.want <= SMALL_BODY_BYTES:
            return
        self.place = await self.front.places.take(self.asker)
        self.front.uploading(1)

    @property
    def asker(self) -> bytes:
        """The caller whose place it takes (api/admission.py); all anonymous callers share one."""
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
        """True if the connection must be closed: after a request that failed the checks, or with a body left unread."""
        if not self.sound or self.scope["state"].get("length_missing"):
            return True
        if self.got == self.want:
            return False
        return self.lost or self.want - self.got > SMALL_BODY_BYTES or (self.expects and not self.body_began)

    async def refuse(self, refusal: Refusal) -> None:
        if self.status:
            return  # the answer has begun, so the server cuts the connection before its end
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
        """Reads the unread body of an answered request for a while: closing now would reset the connection and destroy
        the answer."""
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
    """Refuses paths that programs read differently, and turns the absolute form into the origin form."""
    if not scope["path"].startswith("/"):
        to_origin_form(scope, host)
    if BAD_PATH.search(scope["path"]):
        raise MalformedRequest(reason=N_('its path contains a forbidden character or a ".." segment'))
    if len(scope["path"]) > PATH_CHARACTERS_MAX or len(scope["query_string"]) > QUERY_BYTES_MAX:
        raise MalformedRequest(reason=N_("its address is too long"))
    if b"%00" in scope["query_string"]:
        raise MalformedRequest(reason=N_("its query contains a NUL character"))


def to_origin_form(scope: Scope, host: bytes) -> None:
    """Rewrites `GET http://host/path`, which every server has to accept (RFC 9112, section 3.2.2), to its path.

    Refuses it when its host differs from the Host header.
    """
    found = ABSOLUTE_FORM.fullmatch(scope["raw_path"])
    if found is None or found[1].lower() != host.lower():
        raise MalformedRequest(reason=N_("its target is not a path of this server"))
    scope["raw_path"] = found[2] or b"/"
    scope["path"] = unquote_to_bytes(scope["raw_path"]).decode("utf-8", errors="replace")


def header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
