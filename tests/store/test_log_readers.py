"""Readers by position: nothing is skipped and nothing comes twice, whatever writers do meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.administration import STREAM, TokenRevoked, UserDisabled
from domain.document_type import DocumentTypeChanged, DocumentTypeDefined, stream_of
from domain.envelope import Envelope
from domain.ports import VersionConflict
from domain.values import uuid7
from store.mapper import SealingMapper
from store.recorder import LOCK
from tests.builders.events import an_envelope
from tests.builders.papers import a_document_type
from tests.builders.postgres_log import PostgresLog, archive_letter, ask, open_log
from tests.fixtures.database import create_database, drop_database

WRITERS, COMMANDS = 16, 50
DEFINED = DocumentTypeDefined(code="LETTER", definition=a_document_type().definition)
CHANGED = DocumentTypeChanged(code="LETTER", old=DEFINED.definition, new=a_document_type(active=False).definition)


@pytest.fixture
def parts(db: str) -> Iterator[PostgresLog]:
    with open_log(db) as opened:
        yield opened


@pytest.fixture
def reader(db: str) -> Iterator[PostgresLog]:
    """Another process."""
    with open_log(db) as opened:
        yield opened


def note(parts: PostgresLog, name: str = "kiosk") -> int:
    """Append an event without sealed fields to a stream of its own; its position."""
    return parts.log.append([an_envelope(TokenRevoked(name=name), uuid7())]).positions[0]


@contextmanager
def under_way(url: str) -> Iterator[Callable[[], None]]:
    """An append of another process that has drawn its position and is not committed. Yields what commits it."""
    stored = SealingMapper(lambda _: None).to_stored_event(an_envelope(TokenRevoked(name="late"), uuid7()))
    with psycopg.connect(url) as conn:
        conn.execute("select pg_advisory_xact_lock_shared(%s)", [LOCK])
        conn.execute(
            "insert into archive.archive_events (originator_id, originator_version, recorded_at, topic, state)"
            " values (%s, %s, now(), %s, %s)",
            [stored.originator_id, stored.originator_version, stored.topic, stored.state],
        )
        yield conn.commit
        conn.rollback()


def positions(parts: PostgresLog, after: int = 0) -> list[int]:
    return [r.position for r in parts.log.load_events_after(after, 1000)]


# -- Holes ----------------------------------------------------------------------------------------------------


def test_a_reader_stops_before_a_position_that_may_still_come(parts: PostgresLog, reader: PostgresLog) -> None:
    first = note(parts)
    with under_way(parts.url) as commit:
        later = note(parts)
        assert positions(reader) == [first]
        commit()
    assert positions(reader) == [first, first + 1, later]


def test_a_reader_passes_a_position_that_was_rolled_back(parts: PostgresLog, reader: PostgresLog) -> None:
    first = note(parts)
    with under_way(parts.url):
        pass
    later = note(parts)
    assert positions(reader) == [first, later]
    assert later == first + 2


def test_the_librarys_own_reader_is_fenced_too(parts: PostgresLog, reader: PostgresLog) -> None:
    first = note(parts)
    with under_way(parts.url) as commit:
        later = note(parts)
        assert [n.id for n in reader.recorder.select_notifications(None, 10)] == [first]
        assert [n.id for n in reader.recorder.select_notifications(1, 10)] == [first]
        assert [n.id for n in reader.recorder.select_notifications(first, 10, inclusive_of_start=False)] == []
        assert [n.id for n in reader.recorder.select_notifications(1, 10, topics=["token-revoked.v1"])] == [first]
        commit()
    assert [n.id for n in reader.recorder.select_notifications(None, 10)] == [first, first + 1, later]
    assert [n.id for n in reader.recorder.select_notifications(first, 10, stop=first + 1)] == [first, first + 1]


def test_a_filter_by_topic_is_no_hole(parts: PostgresLog, reader: PostgresLog) -> None:
    note(parts)
    parts.log.append([an_envelope(DEFINED, stream_of("LETTER"))])
    last = note(parts)
    found = reader.recorder.select_notifications(None, 10, topics=["token-revoked.v1"])
    assert [n.id for n in found] == [last - 2, last]


def test_a_page_ends_where_it_was_asked_to(parts: PostgresLog, reader: PostgresLog) -> None:
    all_ = [note(parts) for _ in range(5)]
    assert [r.position for r in reader.log.load_events_after(0, 2)] == all_[:2]
    assert [r.position for r in reader.log.load_events_after(all_[1], 2)] == all_[2:4]
    assert positions(reader, all_[-1]) == []


def test_who_begins_behind_a_hole_does_not_lead_others_over_it(parts: PostgresLog, reader: PostgresLog) -> None:
    """A position in an address or on a command line is somebody's guess: nothing before it is settled by it."""
    first = note(parts)
    with under_way(parts.url) as commit:
        late, later = first + 1, note(parts)
        assert positions(reader, after=late) == [later]
        assert positions(reader) == [first]
        commit()
    assert positions(reader) == [first, late, later]


def test_a_fence_waits_for_the_appends_under_way(parts: PostgresLog) -> None:
    with under_way(parts.url) as commit, ThreadPoolExecutor(1) as threads:
        settled = threads.submit(parts.log.fence)
        time.sleep(0.05)
        assert not settled.done()
        commit()
        assert settled.result() == parts.log.last_position() == 1


def test_sixteen_writers_conflicts_and_vacuum_and_no_reader_skips(parts: PostgresLog, db: str) -> None:
    """A reader without the fence runs beside; what it misses is printed, since that is a matter of luck."""
    done = threading.Event()
    with open_log(db, connections=WRITERS) as writers, open_log(db) as one, open_log(db) as two:
        readers = [Following(lambda p: one.log.load_events_after(p, 500), lambda r: r.position, done),
                   Following(lambda p: two.recorder.select_notifications(p, 100, inclusive_of_start=False),
                             lambda n: int(n.id), done),
                   Following(lambda p: unfenced(db, p), int, done)]  # fmt: skip
        with ThreadPoolExecutor(WRITERS) as threads, readers[0], readers[1], readers[2], vacuuming(db, done):
            shared = [uuid7() for _ in range(COMMANDS)]
            conflicts = sum(threads.map(lambda n: write(writers, n, shared), range(WRITERS)))
            done.set()
        written = [p for (p,) in ask(db, "select notification_id from archive.archive_events order by 1")]
    fenced, library, control = (r.seen for r in readers)
    holes = written[-1] - len(written)
    print(f"{len(written)} events, {holes} holes; without a fence missed: {len(set(written) - set(control))}")  # noqa: T201  # the control is told, not judged
    assert conflicts > 0
    assert holes > 0
    assert fenced == written
    assert library == written


def write(parts: PostgresLog, writer: int, shared: list[UUID]) -> int:
    """Commands of one to three events, every other one into a stream that all writers want; the conflicts met."""
    conflicts = 0
    for n, wanted in enumerate(shared):
        envelopes: list[Envelope[Any]] = [
            an_envelope(TokenRevoked(name=f"{writer}"), uuid7()) for _ in range((writer + n) % 3)
        ]
        stream = wanted if n % 2 else uuid7()
        try:
            parts.log.append([*envelopes, an_envelope(TokenRevoked(name=f"{writer}"), stream)])
        except VersionConflict:
            conflicts += 1
    return conflicts


def unfenced(url: str, after: int) -> list[int]:
    return [p for (p,) in ask(url, "select notification_id from archive.archive_events where notification_id > %s"
                                   " order by notification_id limit 500", after)]  # fmt: skip


class Following(threading.Thread):
    """Reads on from its last position until the writers are done and nothing is left."""

    def __init__(self, read: Callable[[int], Any], position: Callable[[Any], int], done: threading.Event) -> None:
        super().__init__()
        self._read, self._position, self._done = read, position, done
        self.seen: list[int] = []

    def run(self) -> None:
        while True:
            last = self._done.is_set()
            page = self._read(self.seen[-1] if self.seen else 0)
            self.seen += [self._position(row) for row in page]
            if last and not page:
                return

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


@contextmanager
def vacuuming(url: str, done: threading.Event) -> Iterator[None]:
    def run() -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            while not done.is_set():
                conn.execute("vacuum analyze archive.archive_events")

    thread = threading.Thread(target=run)
    thread.start()
    yield
    done.set()
    thread.join()


# -- Pages for rebuilds ---------------------------------------------------------------------------------------


def test_pages_are_what_reading_gives(parts: PostgresLog, reader: PostgresLog) -> None:
    for n in range(3):
        archive_letter(parts.log, parts.keys, f"customer {n}")
    parts.log.append([an_envelope(DEFINED, stream_of("LETTER"))])
    with under_way(parts.url):
        pass
    last = note(parts)
    read = reader.log.load_events_after(0, 100)
    assert [r for page in reader.log.load_event_pages(0, last, page=2) for r in page] == read
    assert [len(page) for page in reader.log.load_event_pages(0, last, page=2)] == [2, 2, 1]
    assert [r for page in reader.log.load_event_pages(1, 3) for r in page] == [r for r in read if 1 < r.position <= 3]
    assert list(reader.log.load_event_pages(last, last)) == []


# -- Catalogues -----------------------------------------------------------------------------------------------

TOPICS = ["document-type-defined.v1", "document-type-changed.v1"]


def test_a_change_of_another_process_is_seen_at_the_next_look(parts: PostgresLog, reader: PostgresLog) -> None:
    assert list(reader.log.load_topics(TOPICS)) == []
    parts.log.append([an_envelope(DEFINED, stream_of("LETTER"))])
    assert [e.body for e in reader.log.load_topics(TOPICS)] == [DEFINED]
    parts.log.append([an_envelope(CHANGED, stream_of("LETTER"), 2)])
    assert [e.body for e in reader.log.load_topics(TOPICS)] == [DEFINED, CHANGED]
    assert [e.body for e in reader.log.load_topics(TOPICS[:1])] == [DEFINED]


def test_a_change_that_comes_to_be_committed_late_is_seen_then(parts: PostgresLog, reader: PostgresLog) -> None:
    with under_way(parts.url) as commit:
        note(parts, "early")
        assert [e.body.name for e in reader.log.load_topics(["token-revoked.v1"])] == ["early"]
        commit()
    assert [e.body.name for e in reader.log.load_topics(["token-revoked.v1"])] == ["late", "early"]


def test_a_catalogue_that_did_not_change_is_not_read_again(parts: PostgresLog) -> None:
    parts.log.append([an_envelope(DEFINED, stream_of("LETTER"))])
    assert parts.log.load_topics(TOPICS) is parts.log.load_topics(TOPICS)


def test_other_processes_are_told_of_a_catalogue_and_not_of_a_paper(parts: PostgresLog) -> None:
    with psycopg.connect(parts.url, autocommit=True) as conn:
        conn.execute("listen dossier_catalogue")
        archive_letter(parts.log, parts.keys)
        assert list(conn.notifies(timeout=0.1)) == []
        parts.log.append([an_envelope(DEFINED, stream_of("LETTER"))])
        assert [n.channel for n in conn.notifies(timeout=10, stop_after=1)] == ["dossier_catalogue"]
        parts.log.append([an_envelope(UserDisabled(name="j.smit"), STREAM)])
        assert [n.channel for n in conn.notifies(timeout=10, stop_after=1)] == ["dossier_catalogue"]


# -- Two archives on one server -------------------------------------------------------------------------------


@pytest.fixture
def neighbour(cluster_url: str, template: str) -> Iterator[PostgresLog]:
    """Another institution's archive: a database of the same server."""
    name = f"test_{uuid4().hex}"
    with open_log(create_database(cluster_url, name, template)) as opened:
        yield opened
    drop_database(cluster_url, name)


def test_two_archives_of_one_server_do_not_disturb_each_other(parts: PostgresLog, neighbour: PostgresLog) -> None:
    first, _ = archive_letter(parts.log, parts.keys)
    with psycopg.connect(neighbour.url) as conn:
        conn.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        archive_letter(parts.log, parts.keys)
        assert parts.log.fence() == 2
    _, appended = archive_letter(neighbour.log, neighbour.keys)
    assert appended.positions == (1,)
    assert list(neighbour.log.load(first)) == []
    assert neighbour.keys.owner_of("100234").reference != parts.keys.owner_of("100234").reference
