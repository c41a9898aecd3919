"""The log when something is in its way: locks held elsewhere, connections cut, answers lost, maintenance under way."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import PersistenceError
from psycopg import sql
from psycopg_pool import PoolTimeout

from domain.ports import AlreadyClaimed, Appended, Claim, CommandKey, Replayed
from domain.refusals import IdempotencyInFlight, Unavailable
from domain.values import uuid7
from store.recorder import LOCK, ArchiveRecorder, make_datastore
from tests.builders.events import a_letter, an_envelope
from tests.builders.papers import a_content
from tests.builders.postgres_log import PostgresLog, archive_letter, ask, open_log

LOCK_WAIT_SECONDS = 2.0
RETRIES_OF_THE_LIBRARY = 10
TERMINATE = """
    select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@pytest.fixture
def parts(db: str) -> Iterator[PostgresLog]:
    with open_log(db, connections=4) as opened:
        archive_letter(opened.log, opened.keys)
        yield opened


def archive(parts: PostgresLog, key: str | None = None, claims: list[Claim] | None = None) -> tuple[UUID, Appended]:
    command = CommandKey("j.smit", key, b"body") if key else None
    return archive_letter(parts.log, parts.keys, command=command, claims=claims or [])


@contextmanager
def holding(url: str, statement: str, *values: object) -> Iterator[psycopg.Connection]:
    """Another session's transaction that did this and is not finished."""
    with psycopg.connect(url) as conn:
        conn.execute(statement, values)
        yield conn
        conn.rollback()


# -- Locks ----------------------------------------------------------------------------------------------------


def test_a_lock_held_elsewhere_is_told_after_its_two_seconds_and_not_after_ten_tries(parts: PostgresLog) -> None:
    with holding(parts.url, "select pg_advisory_xact_lock(%s)", LOCK), ThreadPoolExecutor(2) as threads:
        begun = time.monotonic()
        without, with_key = threads.submit(archive, parts), threads.submit(archive, parts, "k")
        assert isinstance(without.exception(), Unavailable)
        assert isinstance(with_key.exception(), IdempotencyInFlight)
        waited = time.monotonic() - begun
    assert LOCK_WAIT_SECONDS * 0.9 < waited < LOCK_WAIT_SECONDS * RETRIES_OF_THE_LIBRARY / 2
    assert archive(parts, "k")


def test_a_twin_that_takes_too_long_is_in_flight_and_waits_no_longer_for_another_key(parts: PostgresLog) -> None:
    row = "insert into archive.command values ('j.smit', 'k', 'body', '{}', now())"
    with holding(parts.url, row), ThreadPoolExecutor(1) as threads:
        twin = threads.submit(archive, parts, "k")
        assert archive(parts, "another")
        assert isinstance(twin.exception(), IdempotencyInFlight)


def test_a_twin_that_is_rolled_back_lets_the_waiting_one_pass(parts: PostgresLog) -> None:
    row = "insert into archive.command values ('j.smit', 'k', 'body', '{}', now())"
    with ThreadPoolExecutor(1) as threads:
        with holding(parts.url, row):
            waiting = threads.submit(archive, parts, "k")
            wait_until_blocked(parts.url)
            assert not waiting.done()
        assert waiting.result()


def test_a_claim_under_way_is_waited_for(parts: PostgresLog) -> None:
    owner = uuid7()
    row = "insert into archive.claim values ('external-id', 'value', %s)"
    with ThreadPoolExecutor(1) as threads, holding(parts.url, row, owner) as other:
        claim = Claim(kind="external-id", digest=b"value", owner=uuid7())
        waiting = threads.submit(archive, parts, None, [claim])
        wait_until_blocked(parts.url)
        other.commit()
        refused = waiting.exception()
    assert isinstance(refused, AlreadyClaimed)
    assert refused.owner == owner


def test_a_claim_that_is_released_just_as_another_meets_it_is_the_others(parts: PostgresLog) -> None:
    """Between the INSERT that finds it in the way and the question whose it is: it was once nobody's then."""
    first, second = uuid7(), uuid7()
    archive(parts, claims=[Claim(kind="external-id", digest=b"value", owner=first)])
    with psycopg.connect(parts.url, autocommit=True) as conn:
        conn.execute(sql.SQL(LET_GO).format(sql.Literal(first)))
    archive(parts, claims=[Claim(kind="external-id", digest=b"value", owner=second)])
    assert parts.log.owners_of_claims("external-id", [b"value"]) == {b"value": second}


LET_GO = """
    create function let_go() returns trigger language plpgsql as $$
    begin
        delete from archive.claim where owner = {};
        return null;
    end $$;
    create trigger let_go after insert on archive.claim for each statement execute function let_go()
"""


def wait_until_blocked(url: str) -> None:
    """Some session of this database waits for a lock."""
    deadline = time.monotonic() + 10
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    while ask(url, waiting) == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_commands_that_wait_for_each_other_end_in_a_refusal_and_not_in_a_fault(parts: PostgresLog) -> None:
    """Postgres ends one of two that claim the same values in opposite order; that one may be sent again."""
    start = Barrier(2)

    def claim(*values: bytes) -> tuple[UUID, Appended]:
        paper = uuid7()
        claims = [Claim(kind="external-id", digest=value, owner=paper) for value in values]
        start.wait()
        return archive_letter(parts.log, parts.keys, paper=paper, claims=claims)

    many = [bytes([n, m]) for n in range(40) for m in range(100)]
    with ThreadPoolExecutor(2) as threads:
        running: list[Future[tuple[UUID, Appended]]] = [
            threads.submit(claim, *many),
            threads.submit(claim, *reversed(many)),
        ]
        told = [type(error) for r in running if (error := r.exception())]
    assert told in ([AlreadyClaimed], [Unavailable])


def test_maintenance_of_the_table_does_not_stop_appends(parts: PostgresLog) -> None:
    """The lock that VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY hold for their whole run."""
    with holding(parts.url, "lock table archive.archive_events in share update exclusive mode"):
        assert archive(parts)


# -- Connections ----------------------------------------------------------------------------------------------


def test_after_its_idle_connections_were_cut_the_log_works_as_if_nothing_had_been(db: str) -> None:
    with open_log(db, connections=1) as parts:
        archive(parts)
        owner = parts.keys.owner_of("100234")
        assert not owner.fresh
        ask(db, TERMINATE)
        paper, _ = archive(parts)
        assert len(parts.log.load(paper)) == 1


@pytest.mark.parametrize(
    "ask_for",
    [
        lambda recorder: recorder.select_events(uuid4()),
        lambda recorder: recorder.max_notification_id(),
        lambda recorder: recorder.select_notifications(1, 10),
    ],
    ids=["a stream", "the last position", "notifications"],
)
def test_a_database_that_is_away_is_asked_once(db: str, ask_for: Callable[[ArchiveRecorder], object]) -> None:
    """The library asks ten times: with 5 s for each wait a correction held its thread for 52 s."""
    with make_datastore(db.replace("/test_", "/gone_"), connections=1, wait_seconds=0.1, role=None) as gone:
        with pytest.raises((PersistenceError, PoolTimeout)):
            ask_for(ArchiveRecorder(gone))
        assert gone.pool.get_stats()["requests_num"] == 1


def test_a_cut_connection_in_the_middle_of_an_append_is_unavailable_and_leaves_nothing(parts: PostgresLog) -> None:
    before = ask(parts.url, "select count(*) from archive.archive_events")
    with holding(parts.url, "select pg_advisory_xact_lock(%s)", LOCK) as other, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(archive, parts, "k")
        wait_until_blocked(parts.url)
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and pid <> %s"
        ask(parts.url, cut, other.info.backend_pid)
        assert isinstance(waiting.exception(), Unavailable)
    assert ask(parts.url, "select count(*) from archive.archive_events") == before
    assert archive(parts, "k")


def test_a_connection_that_is_cut_under_an_append_that_was_sent_is_told_when_it_is_asked(parts: PostgresLog) -> None:
    owner, paper = parts.keys.owner_of("100234"), uuid7()
    parts.keys.new_paper(paper)
    letter = an_envelope(a_letter(owner.reference, content=a_content(id=uuid7())), paper)
    later = parts.log.append_later([letter], papers={paper: owner})
    with holding(parts.url, "select pg_advisory_xact_lock(%s)", LOCK) as other:
        later.send()
        wait_until_blocked(parts.url)
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and pid <> %s"
        ask(parts.url, cut, other.info.backend_pid)
        with pytest.raises(Unavailable):
            later.result()
    assert list(parts.log.load(paper)) == []
    assert archive(parts, "k")


def test_a_client_that_never_heard_its_answer_sends_its_key_and_another_paper_and_is_told(parts: PostgresLog) -> None:
    """The commit came through and the connection did not: a retry has new ids, and only the key knows."""
    paper, appended = archive(parts, "k")
    with pytest.raises(Replayed) as replayed:
        archive(parts, "k")
    assert replayed.value.earlier.papers == (paper,)
    assert replayed.value.earlier.position == appended.positions[-1]


def test_no_connection_free_in_time_is_unavailable(db: str) -> None:
    with (
        open_log(db, connections=1, wait_seconds=0.2) as parts,
        parts.recorder.datastore.get_connection(),
        pytest.raises(Unavailable),
    ):
        parts.log.load_recorded([uuid7()], 1)


def test_a_key_is_forgotten_after_its_term_and_its_papers_stay(parts: PostgresLog) -> None:
    paper, _ = archive(parts, "k")
    assert ask(parts.url, "select archive.expire_commands(interval '1 hour')") == [(0,)]
    assert ask(parts.url, "select archive.expire_commands(interval '0')") == [(1,)]
    assert parts.log.find_command(CommandKey("j.smit", "k", b"other body")) is None
    assert len(parts.log.load(paper)) == 1
