"""Scan sessions as desks and stations look for them: the work list, jobs, scanners in use, what the clock ends."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection

from domain.scan_session import MovePage, RemovePage, Rotate
from projections import scan_sessions
from projections.rebuild import rebuild, replay
from projections.scan_sessions import ScanSessionRow
from projections.views import VIEWS
from store.stations import StationReports
from tests.builders.memory import MemoryDesk
from tests.builders.papers import a_caller
from tests.builders.scans import EVERYWHERE, FEEDER, GLASS, Scans, an_image
from tests.views.desk import Desk

WEST_GLASS = replace(GLASS, scanner="west-1:flatbed", station="west-1")
SECOND = replace(FEEDER, scanner="desk-2:second")


# -- events to rows ---------------------------------------------------------------------------------------------


@pytest.fixture
def memory() -> MemoryDesk:
    return MemoryDesk()


def row_of(memory: MemoryDesk, session: UUID) -> ScanSessionRow:
    """As the log's events make it."""
    fold = scan_sessions.VIEW.fold(())
    for recorded in memory.log.load_recorded([session], 1 << 62):
        fold.add_event(recorded, recorded.recorded_at)
    [row] = [row for row in fold.take_rows().rows if isinstance(row, ScanSessionRow) and row.to_position is None]
    return row


def shown(memory: MemoryDesk, session: UUID) -> tuple[object, ...]:
    row = row_of(memory, session)
    return row.state, row.passes, row.pages, row.last_page, row.problem


def test_a_row_says_who_began_where_with_what(memory: MemoryDesk) -> None:
    row = row_of(memory, Scans(memory.archive).start(GLASS, actor="a.visser", branch="WEST"))
    assert (row.actor, row.branch, row.scanner, row.station, row.source, row.profile) == (
        "a.visser", "WEST", "desk-2:flatbed", "desk-2", "flatbed", "letter",
    )  # fmt: skip
    assert row.started_at == row.changed_at == memory.clock.now()
    assert row.customer == UUID(int=0)


def test_a_row_of_the_callers_own_pages_has_no_scanner(memory: MemoryDesk) -> None:
    row = row_of(memory, Scans(memory.archive).start())
    assert (row.state, row.scanner, row.station, row.source, row.profile) == ("review", None, None, None, None)


STEPS: list[tuple[Callable[[Scans, UUID], Any], tuple[object, ...]]] = [
    (lambda scans, session: None, ("scanning", 1, 0, 0, None)),
    (lambda scans, session: scans.put(session, 1, capture="1.1"), ("scanning", 1, 1, 1, None)),
    (lambda scans, session: scans.put(session, 4, capture="1.2"), ("scanning", 1, 2, 4, None)),
    (lambda scans, session: scans.finish(session, 1, "scanner-jammed"), ("failed", 1, 2, 4, "scanner-jammed")),
    (lambda scans, session: scans.put(session, 4, 9), ("failed", 1, 2, 4, "scanner-jammed")),
    (lambda scans, session: scans.put(session, 2), ("failed", 1, 3, 4, "scanner-jammed")),
    (lambda scans, session: scans.arrange(session, Rotate(4, 90)), ("failed", 1, 3, 3, "scanner-jammed")),
    (lambda scans, session: scans.confirm(session), ("scanning", 2, 3, 3, None)),
    (lambda scans, session: scans.put(session, 4, capture="2.1"), ("scanning", 2, 4, 4, None)),
    (lambda scans, session: scans.finish(session, 2), ("review", 2, 4, 4, None)),
    (lambda scans, session: scans.arrange(session, MovePage(4, 1)), ("review", 2, 4, 4, None)),
    (lambda scans, session: scans.arrange(session, RemovePage(2)), ("review", 2, 3, 3, None)),
    (lambda scans, session: scans.ok(session, [2]), ("review", 2, 2, 2, None)),
    (lambda scans, session: scans.ok(session), ("archived", 2, 0, 0, None)),
]


def test_a_row_follows_the_session_step_by_step(memory: MemoryDesk) -> None:
    scans = Scans(memory.archive)
    session = scans.start(FEEDER)
    for step, then in STEPS:
        memory.clock.moment += timedelta(seconds=1)
        step(scans, session)
        state, row = scans.state(session), row_of(memory, session)
        assert shown(memory, session) == then
        assert then == (state.state, state.passes, len(state.pages), state.last_place, state.problem)
        assert row.version == state.version
        assert row.changed_at == memory.archive.scanning.load_scan_session(session, EVERYWHERE).touched_at


def test_a_cancelled_row_has_no_pages(memory: MemoryDesk) -> None:
    scans = Scans(memory.archive)
    session = scans.handed_in(2)
    scans.cancel(session)
    assert shown(memory, session) == ("cancelled", 0, 0, 0, None)


def test_a_row_that_yielded_its_scanner_goes_on_waiting(memory: MemoryDesk) -> None:
    scans = Scans(memory.archive)
    first = scans.start(GLASS)
    memory.clock.moment += timedelta(minutes=3)
    scans.start(GLASS)
    row = row_of(memory, first)
    assert (row.state, row.version) == ("awaiting_confirmation", 2)
    assert row.started_at < row.changed_at


# -- questions --------------------------------------------------------------------------------------------------


@pytest.fixture
def scans(desk: Desk) -> Scans:
    return Scans(desk.archive)


def unfinished(desk: Desk, branch: str | None = None, limit: int = 50) -> list[UUID]:
    desk.follow()
    found = desk.ask(lambda conn: scan_sessions.list_unfinished(conn, branch=branch, limit=limit))
    return [row.id for row in found.rows]


def jobs(desk: Desk, station: str) -> list[tuple[UUID, int, int]]:
    desk.follow()
    return [
        (row.id, row.passes, row.last_page) for row in desk.ask(lambda conn: scan_sessions.list_jobs(conn, station))
    ]


def in_use(desk: Desk, *names: str) -> set[str]:
    desk.follow()
    return desk.ask(lambda conn: scan_sessions.scanners_in_use(conn, names))


def asked(desk: Desk, query: Callable[[Any, datetime], Any], before: datetime) -> set[UUID]:
    desk.follow()
    with psycopg.connect(desk.url, autocommit=True) as conn:
        return set(query(conn, before))


def in_a_moment() -> datetime:
    """Later than anything that happened so far."""
    return datetime.now(UTC) + timedelta(seconds=1)


def test_the_work_list_has_what_is_not_over_the_longest_untouched_first(desk: Desk, scans: Scans) -> None:
    first, second, third, over, gone = (scans.handed_in(1) for _ in range(5))
    awaiting = scans.start(GLASS)
    scans.ok(over, duplicate_allowed=True)
    scans.cancel(gone)
    scans.put(first, 2)
    assert unfinished(desk) == [second, third, awaiting, first]
    assert unfinished(desk, limit=2) == [second, third]


def test_the_work_list_of_a_branch_is_its_own(desk: Desk, scans: Scans) -> None:
    central, west = scans.start(), scans.start(branch="WEST")
    assert (unfinished(desk, "CENTRAL"), unfinished(desk, "WEST"), unfinished(desk, "EAST")) == ([central], [west], [])
    assert unfinished(desk) == [central, west]


def test_a_job_is_told_until_its_session_scans_no_more(desk: Desk, scans: Scans) -> None:
    session, other = scans.start(GLASS), scans.start(WEST_GLASS)
    assert jobs(desk, "desk-2") == []
    scans.confirm(session)
    scans.confirm(other)
    assert jobs(desk, "desk-2") == [(session, 1, 0)]
    scans.put(session, 1, capture="1.1")
    scans.put(session, 3, capture="1.2")
    assert jobs(desk, "desk-2") == [(session, 1, 3)]
    scans.finish(session)
    assert jobs(desk, "desk-2") == []
    scans.confirm(session)
    assert jobs(desk, "desk-2") == [(session, 2, 3)]
    scans.cancel(session)
    assert (jobs(desk, "desk-2"), jobs(desk, "west-1")) == ([], [(other, 1, 0)])


def test_a_scanner_is_in_use_while_it_scans_or_waits_for_a_yes(desk: Desk, scans: Scans) -> None:
    awaiting, scanning = scans.start(GLASS), scans.start(FEEDER)
    done = scans.start(SECOND)
    scans.finish(done)
    scans.start(WEST_GLASS)
    assert in_use(desk, "desk-2") == {"desk-2:flatbed", "desk-2:feeder"}
    assert in_use(desk, "desk-2", "west-1") == {"desk-2:flatbed", "desk-2:feeder", "west-1:flatbed"}
    assert in_use(desk) == set()
    scans.cancel(awaiting)
    scans.finish(scanning, problem="scanner-jammed")
    assert in_use(desk, "desk-2") == set()


def test_a_scanner_whose_yes_nobody_says_is_free_after_two_minutes(desk: Desk, scans: Scans) -> None:
    """By the database's clock, for the one of a test stands still."""
    session = scans.start(GLASS)
    scans.start(FEEDER)
    desk.follow()
    age(desk, session, timedelta(minutes=1, seconds=50))
    assert in_use(desk, "desk-2") == {"desk-2:flatbed", "desk-2:feeder"}
    age(desk, session, timedelta(minutes=2, seconds=1))
    assert in_use(desk, "desk-2") == {"desk-2:feeder"}


def age(desk: Desk, session: UUID, by: timedelta) -> None:
    """As if it had been started so long ago."""
    desk.rows(
        "update views.scan_sessions set started_at = clock_timestamp() - %s where id = %s returning id", by, session
    )


def test_what_nobody_touched_since_is_untouched_whatever_it_waits_for(desk: Desk, scans: Scans) -> None:
    review, scanning, awaiting = scans.handed_in(1), scans.start(FEEDER), scans.start(GLASS)
    scans.ok(scans.handed_in(1))
    scans.cancel(scans.handed_in(1))
    assert asked(desk, scan_sessions.list_untouched, in_a_moment()) == {review, scanning, awaiting}
    between = moment_between(desk)
    scans.put(review, 2)
    assert asked(desk, scan_sessions.list_untouched, between) == {scanning, awaiting}


def test_late_pages_wait_for_somebody_however_long(desk: Desk, scans: Scans) -> None:
    session = scans.start(FEEDER)
    scans.put(session, 1, capture="1.1")
    scans.archive.scanning.interrupt_scan(session, "scanner-offline", a_caller())
    scans.ok(session)
    late = an_image(2, capture="1.2")
    taker = scans.archive.scanning.capture_page(session, 2, late, a_caller(), EVERYWHERE)[0].id
    assert asked(desk, scan_sessions.list_untouched, in_a_moment()) == set()
    scans.confirm(taker)
    assert asked(desk, scan_sessions.list_untouched, in_a_moment()) == {taker}


def moment_between(desk: Desk) -> datetime:
    """Behind all that happened, before what comes."""
    ((moment,),) = desk.rows("select clock_timestamp() from pg_sleep(0.003)")
    assert isinstance(moment, datetime)
    return moment


def report(desk: Desk, name: str) -> None:
    def told(conn: AsyncConnection[Any]) -> Awaitable[bool]:
        return StationReports(lambda: nullcontext(conn)).report_station(name, "a-station", "CENTRAL", "[]")

    assert desk.ask(told)


def test_a_scan_is_abandoned_when_nothing_comes_and_its_station_is_silent(desk: Desk, scans: Scans) -> None:
    report(desk, "desk-2")
    scanning, nowhere = scans.start(FEEDER), scans.start(replace(FEEDER, scanner="lost:1", station="lost"))
    scans.start(GLASS)
    scans.finish(scans.start(SECOND))
    between = moment_between(desk)
    assert asked(desk, scan_sessions.list_abandoned, between) == {scanning, nowhere}
    report(desk, "desk-2")
    assert asked(desk, scan_sessions.list_abandoned, between) == {nowhere}
    scans.put(nowhere, 1, capture="1.1")
    assert asked(desk, scan_sessions.list_abandoned, between) == set()
    assert asked(desk, scan_sessions.list_abandoned, in_a_moment()) == {scanning, nowhere}


# -- made anew --------------------------------------------------------------------------------------------------


def test_the_view_made_anew_is_the_same(desk: Desk, scans: Scans) -> None:
    session = scans.start(FEEDER)
    for step, _ in STEPS[:-1]:
        step(scans, session)
    scans.cancel(scans.handed_in(2))
    scans.start(GLASS)
    desk.letter()
    desk.follow()
    before = desk.rows("select * from views.scan_sessions order by id, from_position")
    assert [r.identical for r in replay(desk.url, desk.log)] == [True] * len(VIEWS)
    assert [r.identical for r in rebuild(desk.url, desk.log)] == [True] * len(VIEWS)
    assert desk.rows("select * from views.scan_sessions order by id, from_position") == before
    assert len(before) > len(STEPS)


def test_what_a_scan_was_stays_when_its_key_is_gone(desk: Desk, scans: Scans) -> None:
    """Nothing in the view is sealed, so it has nothing of what was on the pages either."""
    session = scans.start(FEEDER)
    scans.put(session, 1, capture="1.1", scan_codes=("DA48271903665144",))
    scans.cancel(session)
    desk.follow()
    everything = desk.rows("select v::text from views.scan_sessions as v")
    history = desk.rows("select h::text from views.audit_history as h")
    assert "DA48271903665144" not in str([everything, history])
    assert [r.identical for r in replay(desk.url, desk.log)] == [True] * len(VIEWS)


def test_an_end_by_the_clock_is_that_of_the_system(desk: Desk, scans: Scans) -> None:
    session = scans.handed_in(1)
    desk.archive.scanning.expire_scan(session, in_a_moment(), a_caller(actor="system"))
    desk.follow()
    [(actor, state)] = desk.rows(
        "select actor, state from views.scan_sessions where id = %s and to_position is null", session
    )
    assert (actor, state) == ("j.smit", "expired")
