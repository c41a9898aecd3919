"""The feed as it happens (GET /v1/events/stream): the same events as page by page, once each, whatever befalls it."""

import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event as Flag
from typing import Any

import httpx
import pytest

from api.events import MANY, RETRY_MS, STREAM_PAGE
from domain.access import Role
from service.prepare import system_caller
from tests.http.desk import a_customer, archived, corrected, noted, view
from tests.http.memory import MIB, memory_of
from tests.http.served import OWN_PASSWORD, Served, serving, wait_until
from tests.http.streams import Message, Stream
from tests.http.test_api_events import feed, writing

READERS = [role.value for role in Role if role is not Role.STATION]
SMALL = {"DOSSIER_WORKERS": "1", "DOSSIER_EVENTS_HEARTBEAT_SECONDS": "1", "DOSSIER_EVENTS_STREAMS_MAX": "3"}
SHUTDOWN_STREAMS = 50
IDLE_STREAMS, ASKED = (200, 200) if os.environ.get("DOSSIER_LONG") == "1" else (50, 40)
# The grace for requests under way is 26 s: a stop that waited for a stream would take that long.
STOP_SECONDS = 15


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    """One worker with few places and short terms."""
    with serving(**SMALL) as running:
        yield running


def placed(small: Served, client: httpx.Client | None = None, **query: Any) -> Stream:
    """A stream, as soon as the places of those that were left are free."""
    found: list[Stream] = []

    def opened() -> bool:
        stream = Stream(small, client or small.as_("staff"), **query)
        if stream.status == 200:
            found.append(stream)
        else:
            stream.close()
        return bool(found)

    wait_until(opened, 20, "no place")
    return found[0]


def ids(messages: list[Message]) -> list[int | None]:
    return [message.id for message in messages]


# -- what is sent -------------------------------------------------------------------------------------------------


def test_a_stream_begins_now_and_says_at_once_where_that_is(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    before = noted(staff, customer)
    view(staff, customer, before["position"])
    with Stream(served, staff, customer=customer) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        first = next(iter(stream))
        assert (first.retry, first.event) == (RETRY_MS, None)
        assert first.id is not None
        assert first.id >= before["position"]
        made = noted(staff, customer)
        event = stream.event()
    assert (event.id, event.event) == (made["position"], "authorization-registered.v2")
    assert event.data["subject"] == made["id"]


def test_nothing_on_the_way_may_keep_it_back(served: Served) -> None:
    with Stream(served, served.as_("staff")) as stream:
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["cache-control"] == "no-store"
        assert "content-length" not in stream.headers


@pytest.mark.parametrize("role", READERS)
def test_a_stream_sends_each_role_what_the_feed_tells_it(served: Served, role: str) -> None:
    staff, customer, client = served.as_("staff"), a_customer(served), served.as_(role)
    before = served.last_position()
    archived(staff, customer, note="a word")
    noted(staff, customer, type="READING_DISABILITY")
    served.new_token(f"t-{secrets.token_hex(4)}", "viewer")
    last = corrected(staff, archived(staff, customer), "withdraw")["position"]
    queries: list[dict[str, Any]] = [{}, {"brief": "true"}]
    for query in queries:
        with Stream(served, client, after=before, **query) as stream:
            messages = stream.up_to(last)
        events = feed(client, last, after=before, **query)
        assert [message.data for message in messages] == [e for e in events if int(e["id"]) <= last]
        assert ids(messages) == [int(message.data["id"]) for message in messages]
        names = {message.event for message in messages}
        assert names == ({"position"} if query else {message.data["type"] for message in messages})


def test_a_stream_of_a_topic_and_of_a_customer(served: Served) -> None:
    staff, customer, other = served.as_("staff"), a_customer(served), a_customer(served)
    with Stream(served, staff, customer=customer, type=["document-withdrawn", "document-restored.v1"]) as stream:
        next(iter(stream))
        mine, theirs = archived(staff, customer), archived(staff, other)
        corrected(staff, theirs, "withdraw")
        withdrawn = corrected(staff, mine, "withdraw")
        restored = corrected(staff, withdrawn, "restore")
        assert ids(stream.up_to(restored["position"])) == [withdrawn["position"], restored["position"]]


def test_a_customers_first_paper_comes_to_who_listened_before(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    with Stream(served, staff, customer=customer, brief="true") as stream:
        next(iter(stream))
        made = noted(staff, customer)
        assert stream.event().id == made["position"]


def test_who_hears_of_an_event_finds_it_in_the_views(served: Served) -> None:
    """Without waiting for a position: a screen loads its rows again at once."""
    staff, customer = served.as_("staff"), a_customer(served)
    with Stream(served, staff, customer=customer, brief="true") as stream, ThreadPoolExecutor(1) as pool:
        next(iter(stream))
        working = pool.submit(lambda: [noted(staff, customer)["id"] for _ in range(25)])
        for n in range(25):
            event = stream.event()
            rows = staff.get(f"/v1/customers/{customer}/documents").json()["items"]
            assert event.data["subject"] in {row["id"] for row in rows}, n
        working.result()


def test_a_screen_is_told_where_the_stream_stands_by_events_that_its_script_hears(small: Served) -> None:
    with placed(small, brief="true") as stream:
        first, beat = next(iter(stream)), stream.heartbeat()
    for message in (first, beat):
        assert (message.event, message.data) == ("now", {"position": message.id})


def test_more_brief_events_than_anybody_can_follow_are_told_as_many(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    before = served.last_position()
    with ThreadPoolExecutor(8) as pool:
        made = sorted(pool.map(lambda _: noted(staff, customer)["position"], range(STREAM_PAGE + 5)))
    view(staff, customer, made[-1])
    with Stream(served, staff, after=before, customer=customer, brief="true") as stream:
        many = stream.event()
        assert (many.event, many.data) == ("many", {"position": many.id})
        assert many.id is not None
        assert many.id >= made[-1]
        following = noted(staff, customer)["position"]
        assert ids([stream.event()]) == [following]
    with Stream(served, staff, after=before, customer=customer) as whole:
        assert ids(whole.up_to(made[-1])) == made
    assert MANY.startswith(b"id: ")


# -- going on -----------------------------------------------------------------------------------------------------


def test_who_comes_again_gets_what_came_meanwhile(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    made = [noted(staff, customer)["position"] for _ in range(4)]
    with Stream(served, staff, customer=customer, after=made[0]) as stream:
        assert ids(stream.up_to(made[-1])) == made[1:]
    with Stream(served, staff, customer=customer, after=made[0], last=made[2]) as stream:
        assert ids(stream.up_to(made[-1])) == made[3:], "a browser sends its first address again, and where it was"


def test_from_the_position_of_before_its_first_event_nothing_is_lost(served: Served) -> None:
    """A browser that was cut off before anything came has the position that stands at the beginning."""
    staff, customer = served.as_("staff"), a_customer(served)
    with Stream(served, staff, customer=customer) as stream:
        begun = next(iter(stream)).id
    made = noted(staff, customer)["position"]
    with Stream(served, staff, customer=customer, last=begun) as stream:
        assert stream.event().id == made


def test_cut_at_random_beside_writers_every_event_comes_once_and_in_order(served: Served) -> None:
    program, customer = served.as_("integration"), a_customer(served)
    chance, got, cuts = random.Random(11), [served.last_position()], 0

    def follow_a_while() -> None:
        with Stream(served, program, last=got[-1]) as stream:
            for message in stream.events():
                assert message.id is not None
                got.append(message.id)
                if chance.random() < 0.1:
                    stream.drop()
                    return

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(writing, served, customer, each=12)
        while not working.done():
            follow_a_while()
            cuts += 1
            noted(served.as_("staff"), customer)  # so that the last of them does not wait for ever
        written = working.result()
    with Stream(served, program, last=got[-1]) as stream:
        last = noted(served.as_("staff"), customer)["position"]
        got += [message.id for message in stream.up_to(last) if message.id is not None]
    assert got[1:] == sorted(set(got[1:]))
    assert {*written, last} <= set(got)
    assert cuts > 1


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"after": "soon"}, "/query/after"),
        ({"after": 10**15}, "/query/after"),
        ({"last": "soon"}, "/header/Last-Event-ID"),
        ({"last": 10**15}, "/header/Last-Event-ID"),
        ({"type": "nothing"}, "/query/type"),
        ({"brief": "2"}, "/query/brief"),
    ],
)
def test_a_wrong_wish_is_told_before_the_stream_begins(served: Served, wish: dict[str, Any], pointer: str) -> None:
    with Stream(served, served.as_("staff"), **wish) as stream:
        assert (stream.status, stream.headers["content-type"]) == (422, "application/problem+json")
        assert [error["pointer"] for error in stream.problem()["errors"]] == [pointer]


# -- rights while it lasts ----------------------------------------------------------------------------------------


def test_a_paper_that_became_hidden_is_sent_no_more(served: Served) -> None:
    staff, viewer, customer = served.as_("staff"), served.as_("viewer"), a_customer(served)
    letter = archived(staff, customer)
    view(staff, customer, letter["position"])
    with Stream(served, viewer, customer=customer) as stream:
        next(iter(stream))
        hidden = corrected(staff, letter, "reclassify", type="IDENTIFICATION")
        corrected(staff, hidden, "describe", note="more")
        seen = noted(staff, customer)
        assert stream.event().id == seen["position"]


def test_a_type_that_became_sensitive_is_sent_no_more(served: Served) -> None:
    operator, viewer, customer = served.as_("operator"), served.as_("viewer"), a_customer(served)
    code = f"T_{secrets.token_hex(4).upper()}"
    body = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary"}
    operator.put(f"/v1/document-types/{code}", json=body).raise_for_status()
    with Stream(served, viewer, customer=customer) as stream:
        next(iter(stream))
        made = archived(operator, customer, type=code)
        assert stream.event().id == made["position"]
        operator.put(f"/v1/document-types/{code}", json={**body, "sensitivity": "health"}).raise_for_status()
        wait_until(lambda: viewer.get(f"/v1/document-types/{code}").status_code == 404, 20, "it is still known")
        archived(operator, customer, type=code)
        seen = noted(operator, customer)
        assert stream.event().id == seen["position"]


def test_a_heartbeat_tells_that_it_lives_and_where_it_is(small: Served) -> None:
    staff, customer = small.as_("staff"), a_customer(small)
    with placed(small, staff, customer=customer) as stream:
        next(iter(stream))
        first = stream.heartbeat()
        assert (first.event, first.data) == (None, None)
        assert first.id is not None
        position = noted(staff, a_customer(small))["position"]
        wait_until(lambda: stream.heartbeat().id == position, 20, "what was not for it does not count as seen")


def test_a_stream_ends_soon_after_its_token_is_revoked(small: Served) -> None:
    name = f"gone-{secrets.token_hex(4)}"
    client = small.client(small.new_token(name, "viewer"))
    with placed(small, client) as stream, placed(small) as other:
        stream.heartbeat()
        small.revoke_token(name)
        for message in stream:
            assert message.event != "document-archived.v1"
        other.heartbeat()
        other.heartbeat()
    with Stream(small, client) as refused:
        assert refused.status == 401


def test_who_is_no_more_is_told_of_nothing_more(small: Served) -> None:
    """Not even until the next heartbeat: of a token, and of a user whose browser listens."""
    customer, names = a_customer(small), [f"gone-{secrets.token_hex(4)}" for _ in range(2)]
    token, browser = small.client(small.new_token(names[0], "viewer")), small.browser()
    small.come_in(browser, names[1], small.new_user(names[1], "viewer"))
    browser.put("/v1/session/password", json={"new": OWN_PASSWORD}).raise_for_status()
    with placed(small, token) as first, placed(small, browser) as second:
        for stream in (first, second):
            stream.heartbeat()
        small.revoke_token(names[0])
        with small.users() as users:
            assert users.disable_user(names[1], system_caller(small.settings))
        archived(small.as_("staff"), customer)
        for stream in (first, second):
            assert [message for message in stream if message.event] == []


def test_a_busy_stream_ends_as_well(small: Served) -> None:
    """Whether the token is good is asked in time, not only when there is nothing to send."""
    name, customer = f"busy-{secrets.token_hex(4)}", a_customer(small)
    staff, client = small.as_("staff"), small.client(small.new_token(name, "viewer"))
    over = Flag()

    def keep_busy() -> None:
        while not over.is_set():
            noted(staff, customer)

    with placed(small, client) as stream, ThreadPoolExecutor(1) as pool:
        pool.submit(keep_busy)
        stream.event()
        small.revoke_token(name)
        try:
            for _ in stream:
                pass
        finally:
            over.set()


def test_a_stream_of_a_user_ends_with_the_session_and_makes_it_no_longer(small: Served) -> None:
    name = f"user-{secrets.token_hex(3)}"
    browser = small.browser()
    small.come_in(browser, name, small.new_user(name, "staff"))
    browser.put("/v1/session/password", json={"new": OWN_PASSWORD}).raise_for_status()
    small.sql(
        "update staff.session set last_seen_at = last_seen_at - interval '20 minutes' where user_name = %s", [name]
    )
    seen = "select last_seen_at from staff.session where user_name = %s"
    before = small.sql(seen, [name])
    with placed(small, browser) as stream:
        stream.heartbeat()
        stream.heartbeat()
        assert small.sql(seen, [name]) == before
        assert browser.delete("/v1/session").is_success
        assert [message for message in stream if message.event] == []


# -- places -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [Stream.close, Stream.drop])
def test_streams_over_the_limit_are_unavailable_and_places_come_back(
    small: Served, leave: Callable[[Stream], None]
) -> None:
    """However they are left: a place is free again when the server noticed."""
    with ExitStack() as stack:
        streams = [stack.enter_context(placed(small)) for _ in range(3)]
        with Stream(small, small.as_("staff")) as one_more:
            assert one_more.status == 503
            assert one_more.headers["retry-after"] == "5"
            assert one_more.problem()["type"] == "/problems/unavailable"
        for stream in streams:
            leave(stream)
        for _ in range(3):
            stack.enter_context(placed(small))


def test_one_reader_keeps_nobody_out(small: Served) -> None:
    """Who has most gives up a place to who has fewer, and gets none of those back."""
    greedy, other = small.as_("staff"), small.as_("viewer")
    with ExitStack() as stack:
        streams = [stack.enter_context(placed(small, greedy)) for _ in range(3)]
        first = stack.enter_context(Stream(small, other))
        assert first.status == 200
        assert [message for message in streams[0] if message.event] == [], "it ends properly"
        with Stream(small, greedy) as again, Stream(small, other) as second:
            assert (again.status, second.status) == (503, 503), "two and one are as even as three can be"
        assert first.heartbeat()
        assert all(stream.heartbeat() for stream in streams[1:])


def test_a_head_takes_no_place(small: Served) -> None:
    for _ in range(7):
        wait_until(lambda: small.as_("staff").head("/v1/events/stream").status_code == 200, 20, "no place")
    with placed(small) as stream:
        assert stream.heartbeat()


def test_a_stop_ends_all_streams_at_once_and_properly(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as archive, ExitStack() as stack:
        staff, customer = archive.as_("staff"), a_customer(archive)
        streams = [stack.enter_context(Stream(archive, staff)) for _ in range(SHUTDOWN_STREAMS)]
        last = noted(staff, customer)["position"]
        for stream in streams:
            assert stream.up_to(last)
        began = time.monotonic()
        archive.process.send_signal(signal.SIGTERM)
        for stream in streams:
            assert [message for message in stream if message.event] == []
        archive.process.wait(STOP_SECONDS)
        with capsys.disabled():
            sys.stdout.write(f"\n  {SHUTDOWN_STREAMS} open streams: stopped after {time.monotonic() - began:.1f} s\n")


# -- what it costs ------------------------------------------------------------------------------------------------


def seconds_of(ask: Callable[[], httpx.Response], times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        assert ask().status_code == 200
        found.append(time.perf_counter() - began)
    return sorted(found)


def test_idle_streams_are_told_and_cost_others_little(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """How little is printed, and no matter of passing."""
    staff, customer = served.as_("staff"), a_customer(served)
    noted(staff, customer)

    def ask() -> httpx.Response:
        return staff.get(f"/v1/customers/{customer}/documents")

    alone = seconds_of(ask, ASKED)
    with ExitStack() as stack, memory_of(served) as memory:
        streams = [stack.enter_context(Stream(served, staff, brief="true")) for _ in range(IDLE_STREAMS)]
        assert {stream.status for stream in streams} == {200}
        beside = seconds_of(ask, ASKED)
        began = time.perf_counter()
        last = noted(staff, customer)["position"]
        for stream in streams:
            stream.up_to(last)
        told = time.perf_counter() - began
    p50, p95 = ASKED // 2, ASKED * 19 // 20
    with capsys.disabled():
        sys.stdout.write(
            f"\n  {IDLE_STREAMS} idle streams: a list p50 {alone[p50] * 1e3:.1f} -> {beside[p50] * 1e3:.1f} ms,"
            f" p95 {alone[p95] * 1e3:.1f} -> {beside[p95] * 1e3:.1f} ms; one event to all {told * 1e3:.0f} ms;"
            f" {memory.growth / MIB:.1f} MiB\n"
        )


def test_who_does_not_read_holds_up_nobody_and_holds_no_more_than_a_page(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    before, note = served.last_position(), "w" * 4_000
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: noted(staff, customer, note=note), range(400)):
            pass
    with ExitStack() as stack, memory_of(served) as memory:
        deaf = [
            stack.enter_context(Stream(served, staff, after=before, customer=customer, receive_bytes=4096))
            for _ in range(30)
        ]
        assert {stream.status for stream in deaf} == {200}
        with Stream(served, staff, customer=customer, brief="true") as hearing:
            next(iter(hearing))
            for _ in range(20):
                made = noted(staff, customer)["position"]
                assert hearing.event().id == made
    assert memory.growth < 60 * MIB
