"""The front alone, driven by ASGI messages: what it refuses before the application, what the application gets."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.limits import Limits
from domain.refusals import NotFound, RequestTimeout
from web import wrapper
from web.problems import BodyIncomplete
from web.wrapper import HOSTS_REMEMBERED_MAX, Front, Message, Receive, Scope, Send, header

LIMITS = Limits(upload_bytes_max=1_000_000, json_body_bytes_max=1_000)
DISCONNECT: Message = {"type": "http.disconnect"}
FORM = ("content-type", "multipart/form-data; boundary=b")
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Served:
    """What one request led to: the messages sent, the log lines, and the order in which server and front spoke."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.lines: list[bytes] = []
        self.order: list[str] = []
        self.scopes: list[Scope] = []

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def slug(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["type"]).rpartition("/")[2]


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads as falcon does: one event, then until no more is announced."""
    size = 0
    while True:
        event = await receive()
        size += len(event.get("body", b""))
        if not event.get("more_body", False):
            break
    scope["state"]["size"] = size
    await greet(scope, receive, send)


def request(method: str, path: str, query: bytes, headers: Iterable[tuple[str, str]]) -> Scope:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query, "state": {},
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }  # fmt: skip


async def exchange(front: Front, scope: Scope, events: Iterable[Message], app: Handler) -> Served:
    """Serve one request; after the scripted events the client stays silent."""
    served, coming = Served(), iter(events)

    async def receive() -> Message:
        served.order.append("receive")
        for event in coming:
            return event
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Message) -> None:
        served.order.append(message["type"])
        served.sent.append(message)

    async def recorded(inner: Scope, receive: Receive, send: Send) -> None:
        served.order.append("app")
        served.scopes.append(inner)
        await app(inner, receive, send)

    front.app, front.write = recorded, served.lines.append
    await front(scope, receive, send)
    return served


def serve(
    method: str = "GET",
    path: str = "/v1/x",
    *,
    query: bytes = b"",
    headers: Iterable[tuple[str, str]] = (("host", "archive.example"),),
    events: Iterable[Message] = (),
    app: Handler = greet,
    limits: Limits = LIMITS,
    hosts: Iterable[str] = (),
) -> Served:
    front = Front(app, limits=limits, write=lambda line: None, hosts=frozenset(hosts))
    return asyncio.run(exchange(front, request(method, path, query, headers), events, app))


def posted(length: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("host", "a"), ("content-length", str(length)), *more]


# --- refused before the application, before a byte of the body ---


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("archive.example", True), ("archive.example:8080", True), ("127.0.0.1:1", True), ("[::1]:8080", True),
        ("a_b", True), ("ARCHIVE.example.", True), ("", False), ("a/b@c", False), ("a@b", False), ("a b", False),
        ("a:b", False), ("a,b", False), ("-a", False), ("a:123456", False), ("[::1", False), ("é", False),
        (":80", False),
    ],
)  # fmt: skip
def test_a_host_has_to_be_well_formed(host: str, taken: bool) -> None:
    served = serve(headers=[("host", host)])
    assert (served.status == 200) is taken
    if not taken:
        assert (served.slug, "app" in served.order) == ("malformed-request", False)


def test_a_request_without_host_or_with_two_is_refused() -> None:
    assert serve(headers=[]).slug == "malformed-request"
    assert serve(headers=[("host", "a"), ("host", "a")]).slug == "malformed-request"


def test_where_hosts_are_named_a_foreign_one_is_refused() -> None:
    hosts = ["Archive.Example", "127.0.0.1"]
    assert serve(headers=[("host", "archive.example:80")], hosts=hosts).status == 200
    assert serve(headers=[("host", "evil.example")], hosts=hosts).slug == "malformed-request"
    assert serve(headers=[("host", "archive.example.evil")], hosts=hosts).slug == "malformed-request"


def test_hosts_are_remembered_up_to_a_number_only() -> None:
    front = Front(greet, limits=LIMITS, write=lambda line: None)
    for number in range(HOSTS_REMEMBERED_MAX + 100):
        front.check_host(f"h{number}".encode())
    assert len(front.hosts_seen) == HOSTS_REMEMBERED_MAX


@pytest.mark.parametrize(
    "path", ["/a\0b", "/a\r\nb", "/a/../b", "/..", "/a\\b", "/a\x7fb", "/\ufffd", "*", "a", "/" + "x" * 2048]
)
def test_a_path_that_others_read_differently_is_refused(path: str) -> None:
    served = serve(path=path)
    assert (served.status, served.slug, "app" in served.order) == (400, "malformed-request", False)


@pytest.mark.parametrize("path", ["/", "/a/..b/c..", "/a/./b", "/é/日", "/a b", "/" + "x" * 2047])
def test_an_ordinary_path_passes(path: str) -> None:
    assert serve(path=path).status == 200


def test_a_query_may_be_long_but_not_endless_and_has_no_nul() -> None:
    assert serve(query=b"q=" + b"x" * 4094).status == 200
    assert serve(query=b"q=" + b"x" * 4095).slug == "malformed-request"
    assert serve(query=b"q=a%00b").slug == "malformed-request"


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        ("http://a/v1/x", "a", "/v1/x"), ("HTTP://A:80/v1/%41", "a:80", "/v1/A"), ("https://a", "a", "/"),
        ("http://b/v1/x", "a", None), ("http://u@a/x", "a", None), ("ftp://a/x", "a", None), ("a:443", "a", None),
        ("http://a/%2e%2e/x", "a", None),
    ],
)  # fmt: skip
def test_a_target_in_absolute_form_is_taken_when_it_agrees_with_host(target: str, host: str, path: str | None) -> None:
    served = serve(path=target, headers=[("host", host)])
    assert [scope["path"] for scope in served.scopes] == ([path] if path else [])
    assert served.status == (200 if path else 400)


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ([("transfer-encoding", "chunked")], 411, "length-required"),
        ([("transfer-encoding", "gzip, chunked")], 411, "length-required"),
        ([("transfer-encoding", "identity"), ("content-length", "5")], 411, "length-required"),
        ([("content-length", "5"), ("content-length", "5")], 400, "malformed-request"),
        ([("content-length", "5"), ("content-encoding", "gzip")], 415, "unsupported-media-type"),
        ([("content-length", "1001"), ("content-type", "application/json")], 413, "content-too-large"),
        ([("content-length", "1001"), ("content-type", "Application/Problem+JSON; a=b")], 413, "content-too-large"),
        ([("content-length", "1001"), ("content-type", "application/x-www-form-urlencoded")], 413, "content-too-large"),
        ([("content-length", "1001")], 413, "content-too-large"),
        ([("content-length", "1000001"), ("content-type", "image/png")], 413, "content-too-large"),
        ([("content-length", str(1_000_000 + 65537)), FORM], 413, "content-too-large"),
        ([("content-length", "9" * 30), FORM], 413, "content-too-large"),
    ],
)
def test_a_body_framed_or_sized_otherwise_is_refused_unread(
    headers: list[tuple[str, str]], status: int, slug: str
) -> None:
    served = serve("POST", headers=[("host", "a"), *headers], events=[DISCONNECT])
    assert (served.status, served.slug) == (status, slug)
    assert "app" not in served.order
    assert served.order[0] == "http.response.start", "the answer waits for no byte of the body"


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (1000, "application/json"), (1000, ""), (1_000_000, "image/png"), (1_000_000, "application/octet-stream"),
        (1_000_000 + 65536, FORM[1]),
    ],
)  # fmt: skip
def test_a_body_at_its_limit_is_taken(length: int, kind: str) -> None:
    events = [piece(b"x" * length, more=False)]
    served = serve("POST", headers=posted(length, ("content-type", kind)), events=events, app=read_all)
    assert (served.status, served.scopes[0]["state"]["size"]) == (200, length)


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_methods_that_carry_no_body_need_no_length(method: str) -> None:
    assert serve(method).status == 200


def test_a_post_of_nothing_and_identity_encoding_are_taken() -> None:
    assert serve("POST", headers=posted(0), app=read_all).status == 200
    one = posted(1, ("content-encoding", "identity"))
    assert serve("POST", headers=one, events=[piece(b"x", more=False)], app=read_all).status == 200


def test_a_refusal_tells_path_without_query_trace_id_and_language() -> None:
    unsound = [("host", "a"), ("host", "b"), ("accept-language", "xx")]
    served = serve("POST", "/v1/a b", query=b"q=secret", headers=unsound)
    members = json.loads(served.body)
    assert members["instance"] == "/v1/a%20b"
    assert re.fullmatch("[0-9a-f]{32}", members["trace_id"])
    assert b"secret" not in served.body


# --- what the application gets ---


@pytest.mark.parametrize(
    ("traceparent", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ('"}{"level":"x', False),
    ],
)
def test_the_trace_id_is_the_callers_when_valid_else_new(traceparent: str, kept: bool) -> None:
    served = serve(headers=[("host", "a"), ("traceparent", traceparent)])
    found = served.scopes[0]["state"]["trace_id"]
    assert (found == "0af7651916cd43dd8448eb211c80319c") is kept
    assert re.fullmatch("[0-9a-f]{32}", found)
    assert json.loads(served.lines[0])["trace_id"] == found


def test_two_traceparents_count_as_none() -> None:
    twice = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")] * 2
    served = serve(headers=[("host", "a"), *twice])
    assert served.status == 200
    assert served.scopes[0]["state"]["trace_id"] != "0af7651916cd43dd8448eb211c80319c"


def test_the_application_is_asked_before_the_body_is_awaited() -> None:
    """Falcon wants an event before it routes; it gets one that says that more is to come."""

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": True}
        raise NotFound

    served = serve("POST", headers=posted(10, ("expect", "100-continue")), app=refusing)
    assert (served.status, served.slug) == (404, "not-found")
    assert "receive" not in served.order, "asking for the body would have the server send 100 Continue"
    assert served.headers["connection"] == "close"


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=6), st.integers(0, 6))
@example([b"abc"], 0)
def test_a_body_is_whole_or_the_application_learns_that_it_is_not(pieces: list[bytes], kept: int) -> None:
    length = sum(map(len, pieces))
    ends_early = sum(map(len, pieces[:kept])) < length
    for end in (DISCONNECT, piece(b"", more=False)):
        errors: list[Exception] = []

        async def reading(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await read_all(scope, receive, send)
            except BodyIncomplete as error:
                errors.append(error)  # noqa: B023  # called within this round only
                raise

        served = serve("POST", headers=posted(length), events=[*map(piece, pieces[:kept]), end], app=reading)
        assert bool(errors) is ends_early
        assert served.status == (400 if ends_early else 200)


def test_a_body_longer_than_announced_is_not_whole_either() -> None:
    served = serve("POST", headers=posted(2), events=[piece(b"abc", more=False)], app=read_all)
    assert (served.status, served.slug) == (400, "malformed-request")


def test_after_the_body_the_application_can_wait_for_the_client_to_leave() -> None:
    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        await read_all(scope, receive, send)
        assert await receive() == DISCONNECT

    assert serve("POST", headers=posted(1), events=[piece(b"x", more=False), DISCONNECT], app=watching).status == 200


@pytest.mark.parametrize(
    ("limits", "pieces"),
    [
        (Limits(upload_grace_seconds=0.05, upload_rate_bytes_per_second_min=1_000_000), []),
        (Limits(upload_grace_seconds=0.05, upload_rate_bytes_per_second_min=1_000_000), [b"x" * 100]),
        (Limits(upload_grace_seconds=5, upload_seconds_max=0.05), [b"x" * 100]),
    ],
)
def test_a_body_that_comes_too_slowly_is_given_up(limits: Limits, pieces: list[bytes]) -> None:
    caught: list[Exception] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await read_all(scope, receive, send)
        except RequestTimeout as error:
            caught.append(error)
            raise

    served = serve("POST", headers=posted(1000), events=map(piece, pieces), app=reading, limits=limits)
    assert (served.status, served.slug, len(caught)) == (408, "request-timeout", 1)
    assert served.headers["connection"] == "close"
    assert served.order[-1] == "http.response.body", "nobody waits for the rest"


def test_a_burst_buys_no_endless_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapper, "SILENCE_SECONDS", 0.05)
    events = [piece(b"x" * 100_000)]
    limits = Limits(upload_rate_bytes_per_second_min=1)
    served = serve("POST", headers=posted(200_000, FORM), events=events, app=read_all, limits=limits)
    assert served.status == 408


# --- places for large bodies ---


class Hall:
    """Uploads of some length at one front, all with their body sent; each stays inside until it is released."""

    def __init__(self, *, places: int, wait: float, of_one: int = 8, contested: int = 64 * 1024) -> None:
        limits = Limits(
            uploads_concurrent_max=places,
            uploads_per_caller_max=of_one,
            queue_wait_seconds=wait,
            upload_rate_bytes_per_second_contested=contested,
        )
        self.front = Front(self.stay, limits=limits, write=lambda line: None)
        self.inside = 0
        self.released = asyncio.Event()

    async def stay(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["state"]["asker"] = header(scope, b"user-agent") or b""
        while (await receive())["more_body"]:
            pass
        self.inside += 1
        await self.released.wait()
        self.inside -= 1
        await greet(scope, receive, send)

    def enter(self, length: int, caller: str = "", *, sent: int | None = None) -> asyncio.Task[Served]:
        """`caller` stands for whoever a token names. After `sent` bytes its client falls silent."""
        who = [("user-agent", caller)] if caller else []
        scope = request("POST", "/x", b"", posted(length, ("content-type", "image/png"), *who))
        first = length if sent is None else sent
        return asyncio.create_task(exchange(self.front, scope, [piece(b"x" * first, more=first < length)], self.stay))


async def settled() -> None:
    """Let every task run as far as it gets."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_more_large_bodies_than_places_wait_their_turn() -> None:
    async def run() -> list[Served]:
        hall = Hall(places=2, wait=60)
        uploads = [hall.enter(70_000) for _ in range(5)]
        await settled()
        assert hall.inside == 2
        hall.released.set()
        return await asyncio.gather(*uploads)

    assert [served.status for served in asyncio.run(run())] == [200] * 5


def test_who_waits_too_long_for_a_place_is_told_to_come_back() -> None:
    async def run() -> None:
        hall = Hall(places=1, wait=0.05)
        first = hall.enter(70_000)
        await settled()
        refused = await hall.enter(70_000)
        assert (refused.status, refused.slug, refused.headers["retry-after"]) == (503, "unavailable", "1")
        hall.released.set()
        assert (await first).status == 200
        assert (await hall.enter(70_000)).status == 200

    asyncio.run(run())


def test_a_caller_with_all_its_places_leaves_the_others_to_others() -> None:
    async def run() -> list[Served]:
        hall = Hall(places=3, wait=60, of_one=2)
        uploads = [hall.enter(70_000, "a") for _ in range(64)]
        await settled()
        assert hall.inside == 2
        uploads.append(hall.enter(70_000, "b"))
        await settled()
        assert hall.inside == 3
        hall.released.set()
        return await asyncio.gather(*uploads)

    assert [served.status for served in asyncio.run(run())] == [200] * 65


def test_a_wait_for_ones_own_places_begins_anew_when_one_comes_free() -> None:
    """Twelve uploads of 0.1 s each through one place take far longer than one wait."""

    async def run() -> tuple[list[Served], Hall]:
        hall = Hall(places=2, wait=0.5, of_one=1)
        uploads = [hall.enter(70_000, "a") for _ in range(12)]
        for _ in uploads:
            await asyncio.sleep(0.1)
            hall.released.set()
            await settled()
            hall.released.clear()
        return await asyncio.gather(*uploads), hall

    answers, hall = asyncio.run(run())
    assert [served.status for served in answers] == [200] * 12
    assert hall.front.places._callers == {}


def test_the_slowest_body_gives_way_to_another_caller_that_waits() -> None:
    async def run() -> None:
        hall = Hall(places=3, wait=0.5)
        slow, slowest, own = (hall.enter(70_000, who, sent=n) for who, n in (("a", 2_000), ("b", 1_000), ("c", 500)))
        await settled()
        waiting = hall.enter(70_000, "c")
        gone = await slowest
        assert (gone.status, gone.slug, gone.headers["retry-after"]) == (408, "request-timeout", "1")
        assert "others waited" in json.loads(gone.body)["detail"]
        await settled()
        assert (hall.inside, slow.done(), own.done()) == (1, False, False)
        hall.released.set()
        assert (await waiting).status == 200
        slow.cancel(), own.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("waiter", "sent", "contested"), [("a", 1_000, 64 * 1024), ("b", 1_000, 1_000), ("b", None, 64 * 1024)]
)
def test_a_body_gives_way_to_no_upload_of_its_caller_nor_when_it_is_fast_or_whole(
    waiter: str, sent: int | None, contested: int
) -> None:
    async def run() -> None:
        hall = Hall(places=1, wait=0.5, contested=contested)
        first = hall.enter(70_000, "a", sent=sent)
        await settled()
        assert (await hall.enter(70_000, waiter)).status == 503
        assert not first.done()
        first.cancel()

    asyncio.run(run())


def test_a_slow_body_keeps_its_place_while_nobody_waits_for_one() -> None:
    async def run() -> None:
        hall = Hall(places=2, wait=0.1)
        slow = hall.enter(70_000, "a", sent=100)
        hall.released.set()
        for _ in range(5):
            assert (await hall.enter(70_000, "b")).status == 200
            await asyncio.sleep(0.05)
        assert not slow.done()
        slow.cancel()

    asyncio.run(run())


def test_a_body_that_the_server_does_not_read_gives_way_to_nobody() -> None:
    """A disk that hangs makes every upload slow; none is its client's fault."""

    async def run() -> None:
        hall = Hall(places=1, wait=0.3)

        async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            scope["state"]["asker"] = b"a"
            await receive()
            await hall.released.wait()
            await receive()
            await greet(scope, receive, send)

        scope = request("POST", "/x", b"", posted(70_000, ("content-type", "image/png")))
        pieces = [piece(b"x" * 1_000), piece(b"x" * 69_000, more=False)]
        first = asyncio.create_task(exchange(hall.front, scope, pieces, hanging))
        await settled()
        assert (await hall.enter(70_000, "b")).status == 503
        hall.released.set()
        assert (await first).status == 200

    asyncio.run(run())


def test_small_bodies_need_no_place() -> None:
    async def run() -> None:
        hall = Hall(places=1, wait=60)
        uploads = [hall.enter(length) for length in (65_537, 65_536, 65_536)]
        await settled()
        assert hall.inside == 3
        hall.released.set()
        await asyncio.gather(*uploads)

    asyncio.run(run())


def test_a_place_is_given_back_when_the_application_fails() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        raise LookupError

    front = Front(failing, limits=Limits(uploads_concurrent_max=1, queue_wait_seconds=0.01), write=lambda line: None)

    async def twice() -> list[int]:
        scopes = [request("POST", "/x", b"", posted(3, FORM)) for _ in range(2)]
        return [(await exchange(front, scope, [piece(b"abc", more=False)], failing)).status for scope in scopes]

    assert asyncio.run(twice()) == [500, 500]


# --- the answer ---


TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_defaults_are_added_and_give_way_to_the_applications_own() -> None:
    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"cache-control", b"private"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    assert serve(headers=[("host", "a"), ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")]).headers == {
        "content-length": "5", "x-content-type-options": "nosniff", "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin", "x-frame-options": "DENY", "cache-control": "no-store",
        "server": "dossier", "request-id": TRACE,
    }  # fmt: skip
    served = serve(app=own)
    assert served.headers["cache-control"] == "private"
    assert len(served.sent[0]["headers"]) == len(served.headers)


def test_head_is_get_without_the_body_and_with_its_headers() -> None:
    served = serve("HEAD")
    assert (served.scopes[0]["method"], served.scopes[0]["state"]["head"]) == ("GET", True)
    assert (served.status, served.headers["content-length"], served.body) == (200, "5", b"")
    assert json.loads(served.lines[0])["method"] == "HEAD"
    assert serve("HEAD", "/..").body == b""


def test_head_of_an_endless_stream_ends_at_its_first_piece() -> None:
    left: list[bool] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(1000):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            left.append(True)

    served = serve("HEAD", app=endless)
    assert left == [True]
    assert served.sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]


def test_who_watches_for_the_end_of_a_head_request_is_released() -> None:
    watchers: list[asyncio.Task[Message]] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

        async def watch() -> Message:
            return await receive()

        watchers.append(asyncio.create_task(watch()))
        await greet(scope, receive, send)

    async def run() -> Message:
        front = Front(watched, limits=LIMITS, write=lambda line: None)
        await exchange(front, request("HEAD", "/x", b"", [("host", "a")]), [], watched)
        return await asyncio.wait_for(watchers[0], 5)

    assert asyncio.run(run()) == DISCONNECT


@pytest.mark.parametrize(("length", "closes"), [(65_536, False), (65_537, True)])
def test_a_body_left_unread_is_taken_in_after_the_answer(length: int, closes: bool) -> None:
    """Closing on unread bytes resets the connection, and the answer with it."""
    events = [piece(b"x" * 60_000), piece(b"x" * (length - 60_000), more=False)]
    served = serve("POST", headers=posted(length, ("content-type", "image/png")), events=events)
    assert served.order == ["app", "http.response.start", "http.response.body", "receive", "receive"]
    assert (served.headers.get("connection") == "close") is closes


def test_an_unread_body_that_does_not_come_is_not_awaited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapper, "LINGER_SECONDS", 0.05)
    assert serve("POST", headers=posted(10)).status == 200
    monkeypatch.setattr(wrapper, "LINGER_SECONDS", 3600)
    monkeypatch.setattr(wrapper, "LINGER_BYTES", 20)
    endless = (piece(b"x" * 10) for _ in range(1_000_000))
    served = serve("POST", headers=posted(10**15, FORM), events=endless)
    assert (served.status, served.order.count("receive")) == (413, 2)


def test_a_fault_of_the_application_is_a_problem_that_says_nothing() -> None:
    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("customer Jansen")

    served = serve(app=faulty)
    assert (served.status, served.slug) == (500, "internal-error")
    assert b"Jansen" not in served.body + b"".join(served.lines)
    assert json.loads(served.lines[0])["failure"][0]["type"] == "builtins.LookupError"


def test_a_fault_within_an_answer_leaves_it_cut_and_quotes_nothing() -> None:
    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
        raise LookupError("customer Jansen")

    served = serve(app=faulty)
    assert [message.get("more_body") for message in served.sent] == [None, True]
    assert b"Jansen" not in b"".join(served.lines)


# --- the log ---


def test_a_log_line_holds_the_route_and_never_the_path_or_query() -> None:
    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["route"] = "/v1/customers/{id}"
        await greet(scope, receive, send)

    served = serve(path="/v1/customers/100234", query=b"q=Jansen", app=routed)
    (line,) = served.lines
    members = json.loads(line)
    assert list(members) == ["time", "part", "pid", "method", "route", "status", "ms", "bytes", "trace_id"]
    assert (members["method"], members["route"], members["status"], members["bytes"]) == (
        "GET", "/v1/customers/{id}", 200, 5,
    )  # fmt: skip
    assert line.endswith(b"}\n")
    assert not re.search(rb"100234|Jansen", line)


def test_a_refused_or_unknown_request_is_logged_without_its_words() -> None:
    members = json.loads(serve("JANSEN", "/100234\0").lines[0])
    assert (members["method"], members["route"], members["status"]) == ("OTHER", "-", 400)


# --- other scopes ---


def test_lifespan_passes_and_websockets_are_refused() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def send(message: Message) -> None:
        seen.append(message["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    front = Front(app, limits=LIMITS, write=lambda line: None)
    asyncio.run(front({"type": "lifespan"}, receive, send))
    asyncio.run(front({"type": "websocket"}, receive, send))
    assert seen == ["lifespan", "websocket.close"]
