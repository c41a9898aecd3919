"""docs/events.md is exact: its columns, its bytes, its numbers, and its way to a new version of an event."""

import re
from struct import pack
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.events import CloudEvent
from desk.contract import ROUTES
from domain.document import DocumentWithdrawn
from domain.envelope import UNSET, Event, Sealed
from domain.limits import Limits
from projections.feed import POSITIONS_MAX
from store import mapper, recorder
from store.mapper import BY_TOPIC, PLANS, plan_of
from tests.builders import golden
from tests.docs.reference import EVENTS

PAGE = EVENTS.read_text(encoding="utf-8")
WITHDRAWN = "document-withdrawn.v1"


def part(heading: str) -> str:
    """What stands under a heading of the page."""
    [found] = re.findall(rf"^## {heading}\n(.+?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_the_columns_are_those_of_the_table(db: str) -> None:
    with psycopg.connect(db) as connection:
        rows = connection.execute(
            "select attname from pg_attribute where attrelid = 'archive.archive_events'::regclass and attnum > 0"
            " order by attnum"
        ).fetchall()
    assert sorted(first_column(part("A row of the log"))) == sorted(name for (name,) in rows)


def test_every_topic_is_said_to_be_read_by_somebody() -> None:
    assert first_column(part("Who reads what")) == [plan.topic for plan in PLANS.values()]


def test_the_feed_is_as_the_page_says() -> None:
    feed = part("The feed")
    attributes, wishes = (first_column(table) for table in re.findall(r"(?:^\|.+\n)+", feed, re.MULTILINE))
    assert attributes == list(CloudEvent.__struct_fields__)
    [route] = [route for route in ROUTES if route.path == "/v1/events"]
    assert [wish.partition("=")[0] for wish in wishes] == [query.name for query in route.query]
    limits = Limits()
    assert f"every {limits.events_heartbeat_seconds:.0f} s," in feed
    assert f"room for {limits.events_streams_max} in each worker" in feed
    assert f"looks at {POSITIONS_MAX:,} positions" in feed


def test_the_lock_and_the_wait_are_those_of_the_code() -> None:
    assert f"shared advisory lock {recorder.LOCK}." in part("One save")
    assert f"at most {recorder.FENCE_WAIT.replace('ms', ' ms')}" in part("Order and holes")


@pytest.mark.parametrize("topic", golden.topics())
def test_stored_bytes_read_as_the_page_says(topic: str) -> None:
    """By MessagePack and AES-GCM alone, as another program would."""
    file = golden.of(topic)
    body, meta, sealed = msgspec.msgpack.decode(bytes.fromhex(file.state))
    assert list(meta) == ["actor", "branch", "occurred_at", "command_id", "correlation_id"]
    assert UUID(bytes=meta["command_id"]) == file.meta.command_id
    names = BY_TOPIC[topic].sealed
    written = BY_TOPIC[topic].event_class.__struct_fields__  # of an outdated topic: fewer than it reads as
    assert list(body) == [name for name in file.event if name in written and name not in names]
    assert golden.plain(opened(file, topic, sealed) if sealed else []) == [file.event[name] for name in names]


def opened(file: golden.Golden, topic: str, sealed: bytes) -> list[Any]:
    bound = file.stream.bytes + pack(">q", file.version) + topic.encode()
    values: list[Any] = msgspec.msgpack.decode(
        AESGCM(bytes.fromhex(file.paper_key)).decrypt(sealed[:12], sealed[12:], bound)
    )
    return values


# -- the example of a new version -------------------------------------------------------------------------------


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> type[Event]:
    """The example as printed takes the place of today's class."""
    [code] = re.findall(r"```python\n(.+?)```", part("A new version of one"), re.DOTALL)
    names: dict[str, Any] = {
        "__name__": "events_page", "ClassVar": ClassVar, "Event": Event, "Sealed": Sealed, "UNSET": UNSET, "UUID": UUID,
    }  # fmt: skip
    exec(code, names)
    kinds = [*(kind for kind in PLANS if kind is not DocumentWithdrawn), names["DocumentWithdrawn"], *names["UPCASTS"]]
    plans = {kind: plan_of(kind) for kind in kinds}
    monkeypatch.setattr(mapper, "PLANS", plans)
    monkeypatch.setattr(mapper, "BY_TOPIC", {plan.topic: plan for plan in plans.values()})
    monkeypatch.setattr(mapper, "UPCASTS", names["UPCASTS"])
    successor: type[Event] = names["DocumentWithdrawn"]
    return successor


def test_the_example_reads_what_today_stores(second_version: type[Event]) -> None:
    file = golden.of(WITHDRAWN)
    body = file.mapper().open_event(file.stream, file.version, WITHDRAWN, bytes.fromhex(file.state)).body
    assert type(body) is second_version
    assert golden.plain(body) == {**file.event, "on_request": False}


def test_the_example_hands_on_that_the_key_is_gone(second_version: type[Event]) -> None:
    file = golden.of(WITHDRAWN)
    body = file.mapper(erased=True).open_event(file.stream, file.version, WITHDRAWN, bytes.fromhex(file.state)).body
    assert body == second_version(customer=UUID(file.event["customer"]), on_request=False)
    assert body.reason is UNSET
