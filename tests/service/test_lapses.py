"""The follower that minds the clock (service/lapses.py): silent stations, and sessions that nobody came back to."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.archive import Archive
from domain.limits import Limits
from domain.scan_session import ScanState
from service.lapses import end_scans, keep_lapsing
from tests.builders.memory import Clock
from tests.builders.scans import FEEDER, GLASS, Scans
from tests.service.program import Program

HERE = "WEST"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scans(archive: Program) -> Scans:
    return archive.scans


def later(archive: Program, by: timedelta) -> Archive:
    """The archive as it is so long from now."""
    return replace(archive.archive, clock=Clock(datetime.now(UTC) + by))


def ended_after(archive: Program, by: timedelta, limits: Limits = Limits()) -> int:  # noqa: B008  # it never changes
    """How many the clock ends when it is looked at so long from now, with the views up to date."""
    archive.follow()
    return end_scans(archive.store.pool, later(archive, by), limits, HERE)


def last_event(archive: Program, session: UUID) -> tuple[str, str, str]:
    """Topic, actor and branch."""
    event = archive.store.log.load(session)[-1]
    return event.body.topic, event.meta.actor, event.meta.branch


def heard(archive: Program, station: str, by: timedelta) -> None:
    """A station that says something so long from now."""
    archive.sql(
        "insert into scan.station (name, actor, branch, seen_at, scanners)"
        " values (%s, 'a-station', 'MAIN', clock_timestamp() + %s, '[]')"
        " on conflict (name) do update set seen_at = excluded.seen_at",
        station,
        by,
    )


# -- sessions that nobody came back to --------------------------------------------------------------------------


def test_a_session_that_nobody_touched_for_a_day_ends_and_leaves_nothing(archive: Program, scans: Scans) -> None:
    session = scans.handed_in(2)
    assert ended_after(archive, 24 * HOUR - MINUTE) == 0
    assert ended_after(archive, 24 * HOUR + MINUTE) == 1
    assert scans.state(session).state is ScanState.CANCELLED
    assert last_event(archive, session) == ("scan-cancelled.v1", "system", HERE)
    assert archive.sql("select 1 from keys.paper where paper = %s", session) == []
    assert archive.files() == {}


def test_the_term_is_a_setting(archive: Program, scans: Scans) -> None:
    scans.handed_in(1)
    short = Limits(scan_session_hours=1)
    assert ended_after(archive, HOUR - MINUTE, short) == 0
    assert ended_after(archive, HOUR + MINUTE, short) == 1


def test_a_session_that_waits_for_its_yes_or_failed_ends_as_well(archive: Program, scans: Scans) -> None:
    awaiting, failed = scans.start(GLASS), scans.start(FEEDER)
    scans.finish(failed, problem="scanner-jammed")
    assert ended_after(archive, 25 * HOUR) == 2
    assert {scans.state(s).state for s in (awaiting, failed)} == {ScanState.CANCELLED}
    assert archive.sql("select 1 from archive.claim where kind = 'scanner'") == []


def test_what_is_over_is_not_ended_again(archive: Program, scans: Scans) -> None:
    scans.cancel(scans.handed_in(1))
    scans.ok(scans.handed_in(1))
    assert ended_after(archive, 25 * HOUR) == 0


def test_who_came_back_after_the_view_was_asked_keeps_the_session(archive: Program, scans: Scans) -> None:
    """The view may lag; whether it is idle is asked of the log."""
    session = scans.handed_in(1)
    archive.follow()
    asked = Clock(datetime.now(UTC) + 24 * HOUR)
    time.sleep(0.01)
    scans.put(session, 2)
    assert end_scans(archive.store.pool, replace(archive.archive, clock=asked), Limits(), HERE) == 0
    assert len(scans.plain(session)) == 2


# -- stations that fell silent ----------------------------------------------------------------------------------


def test_a_scan_whose_station_is_silent_fails_and_keeps_its_pages(archive: Program, scans: Scans) -> None:
    """Edge case 24: the scanner is unplugged between Yes and OK."""
    heard(archive, "desk-2", -2 * MINUTE)
    session = scans.start(FEEDER)
    scans.put(session, 1, capture="1.1")
    assert ended_after(archive, 55 * SECOND) == 0
    assert ended_after(archive, 65 * SECOND) == 1
    state = scans.state(session)
    assert (state.state, state.problem, len(scans.plain(session))) == (ScanState.FAILED, "scanner-offline", 1)
    assert last_event(archive, session) == ("scan-interrupted.v1", "system", HERE)
    assert archive.sql("select 1 from archive.claim where kind = 'scanner'") == []
    assert ended_after(archive, 65 * SECOND) == 0


def test_a_scan_goes_on_while_its_station_says_something_or_pages_come(archive: Program, scans: Scans) -> None:
    heard(archive, "desk-2", 10 * SECOND)
    session = scans.start(FEEDER)
    assert ended_after(archive, 65 * SECOND) == 0
    assert ended_after(archive, 75 * SECOND) == 1
    assert scans.state(session).problem == "scanner-offline"


def test_the_silence_is_a_setting(archive: Program, scans: Scans) -> None:
    scans.start(FEEDER)
    short = Limits(scan_silence_seconds=5.0)
    assert ended_after(archive, 3 * SECOND, short) == 0
    assert ended_after(archive, 7 * SECOND, short) == 1


def test_only_what_scans_is_given_up(archive: Program, scans: Scans) -> None:
    scans.start(GLASS)
    scans.handed_in(1)
    scans.finish(scans.start(FEEDER))
    assert ended_after(archive, 10 * MINUTE) == 0


# -- the follower -----------------------------------------------------------------------------------------------


def test_one_that_cannot_be_ended_does_not_keep_the_others(
    archive: Program, scans: Scans, caplog: pytest.LogCaptureFixture
) -> None:
    """Its key is lost, so that nothing can be written of it."""
    lost, other = scans.start(FEEDER), scans.start(replace(FEEDER, scanner="desk-2:second"))
    archive.sql("delete from keys.paper where paper = %s", lost)
    archive.store.keys.forget_all()
    with caplog.at_level(logging.WARNING, "dossier.lapses"):
        assert ended_after(archive, 2 * MINUTE) == 1
    assert scans.state(other).state is ScanState.FAILED
    assert [str(lost) in message for message in caplog.messages] == [True]


def test_the_follower_ends_what_is_due_and_outlives_a_database_that_is_away(archive: Program, scans: Scans) -> None:
    session = scans.handed_in(1)
    archive.follow()
    archive.sql("alter table views.scan_sessions rename to away")
    stop = threading.Event()
    following = threading.Thread(
        target=keep_lapsing,
        args=(archive.store.pool, later(archive, 25 * HOUR), Limits(), HERE, stop),
        kwargs={"look_seconds": 0.01},
    )
    following.start()
    try:
        time.sleep(0.1)
        archive.sql("alter table views.away rename to scan_sessions")
        until = time.monotonic() + 20
        while scans.state(session).state is not ScanState.CANCELLED:
            assert time.monotonic() < until, "the session was not ended"
            time.sleep(0.02)
    finally:
        stop.set()
        following.join(20)
    assert not following.is_alive()
