"""The follower that minds the clock (service/lapses.py): silent stations, and sessions that nobody came back to."""

import itertools
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.archive import Archive
from domain.limits import Limits
from domain.scan_session import ScanState
from service.lapses import end_scans, run_lapses
from store.clocks import AGREEMENT_SECONDS, Times, Trust, find_disagreement, load_times
from tests.builders.memory import Clock
from tests.builders.papers import a_caller, a_note
from tests.builders.scans import FEEDER, GLASS, Scans
from tests.http.served import wait_until
from tests.service.program import Program, paper_of

HERE = "WEST"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scans(archive: Program) -> Scans:
    return archive.scans


def later(archive: Program, by: timedelta) -> Archive:
    """The archive as it is so long from now."""
    return archive.archive.with_clock(Clock(datetime.now(UTC) + by))


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


def expired_since(archive: Program, session: UUID, ago: timedelta) -> None:
    """The session expired so long ago, by the clock of the database."""
    archive.follow()
    archive.tamper(
        "update archive.archive_events set recorded_at = clock_timestamp() - %s"
        " where originator_id = %s and topic = 'scan-expired.v1'",
        ago,
        session,
    )
    archive.sql(
        "update views.scan_sessions set changed_at = clock_timestamp() - %s where id = %s and to_position is null",
        ago,
        session,
    )


def test_a_session_that_nobody_touched_for_a_day_ends_and_a_day_later_leaves_nothing(
    archive: Program, scans: Scans
) -> None:
    session = scans.handed_in(2)
    assert ended_after(archive, 24 * HOUR - MINUTE) == 0
    assert ended_after(archive, 24 * HOUR + MINUTE) == 1
    assert scans.state(session).state is ScanState.EXPIRED
    assert last_event(archive, session) == ("scan-expired.v1", "system", HERE)
    assert len(scans.plain(session)) == 2
    expired_since(archive, session, 24 * HOUR + MINUTE)
    assert ended_after(archive, 0 * HOUR) == 1
    assert scans.state(session).state is ScanState.CANCELLED
    assert last_event(archive, session) == ("scan-cancelled.v1", "system", HERE)
    assert archive.sql("select 1 from keys.paper where paper = %s", session) == []
    assert archive.files() == {}


def test_a_wrong_clock_destroys_no_page_and_the_session_is_reopened_with_all(archive: Program, scans: Scans) -> None:
    """The guard let it through: the program's clock is years ahead. Before, pages and key went at once."""
    session = scans.handed_in(2)
    before = scans.plain(session)
    assert ended_after(archive, 26_400 * HOUR) == 1
    assert ended_after(archive, 26_400 * HOUR) == 0
    assert scans.reopen(session).state.state is ScanState.REVIEW
    assert scans.plain(session) == before
    assert ended_after(archive, 0 * HOUR) == 0
    scans.ok(session)


def test_the_grace_is_a_setting(archive: Program, scans: Scans) -> None:
    session, short = scans.handed_in(1), Limits(scan_grace_hours=1)
    assert ended_after(archive, 25 * HOUR, short) == 1
    expired_since(archive, session, HOUR - MINUTE)
    assert end_scans(archive.store.pool, later(archive, 0 * HOUR), short, HERE) == 0
    expired_since(archive, session, HOUR + MINUTE)
    assert end_scans(archive.store.pool, later(archive, 0 * HOUR), short, HERE) == 1


def test_a_session_without_pages_has_nothing_to_keep(archive: Program, scans: Scans) -> None:
    session = scans.handed_in(0)
    assert ended_after(archive, 25 * HOUR) == 1
    assert scans.state(session).state is ScanState.CANCELLED


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
    assert end_scans(archive.store.pool, archive.archive.with_clock(asked), Limits(), HERE) == 0
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
        target=run_lapses,
        args=(archive.store.pool, later(archive, 25 * HOUR), Limits(clock_tolerance_seconds=1e6), HERE, stop),
        kwargs={"look_seconds": 0.01},
    )
    following.start()
    try:
        time.sleep(0.1)
        archive.sql("alter table views.away rename to scan_sessions")
        until = time.monotonic() + 20
        while scans.state(session).state is not ScanState.EXPIRED:
            assert time.monotonic() < until, "the session was not ended"
            time.sleep(0.02)
    finally:
        stop.set()
        following.join(20)
    assert not following.is_alive()


# -- clocks that disagree ---------------------------------------------------------------------------------------

NOW = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
TOLERANCE = 300.0


@contextmanager
def minded(archive: Program, clock: Clock, limits: Limits, **more: Any) -> Iterator[None]:
    stop = threading.Event()
    following = threading.Thread(
        target=run_lapses,
        args=(archive.store.pool, archive.archive.with_clock(clock), limits, HERE, stop),
        kwargs={"look_seconds": 0.01, **more},
    )
    following.start()
    try:
        yield
    finally:
        stop.set()
        following.join(20)
        assert not following.is_alive()


def test_nothing_lapses_while_the_program_clock_is_1100_days_ahead_and_what_is_due_does_after(
    archive: Program, scans: Scans, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock 1,100 days ahead for 12 s ended 5 of 9 authorizations and both scan sessions, for good."""
    session, mandate = scans.handed_in(2), paper_of(archive.mandate())
    due = archive.archive.noting.note_authorization(a_note(customer="100234", valid_until=date(2026, 1, 1)), a_caller())
    archive.follow()
    before, held = archive.store.log.last_position(), scans.state(session)
    clock = Clock(datetime.now(UTC) + timedelta(days=1_100))
    with minded(archive, clock, Limits()):
        wait_until(lambda: "waits until the clocks agree" in caplog.text, 20, "it was not told")
        time.sleep(0.3)  # some 20 looks
        assert archive.store.log.last_position() == before
        assert caplog.text.count("waits until the clocks agree") == 1, "once a minute is enough"
        assert re.search(r"program's clock is 950\d{5} s ahead of the database's", caplog.text)
        clock.moment = datetime.now(UTC)
        wait_until(lambda: archive.store.log.last_position() == before + 1, 20, "what is due does not lapse")
        time.sleep(0.3)
    assert archive.store.log.last_position() == before + 1
    assert last_event(archive, paper_of(due))[:2] == ("authorization-expired.v1", "system")
    assert len(archive.store.log.load(mandate)) == 1
    assert (scans.state(session), len(scans.plain(session))) == (held, 2)
    assert "the clocks agree again" in caplog.text


def test_one_that_stands_by_ends_nothing_until_it_leads(archive: Program, scans: Scans) -> None:
    session, leading = scans.handed_in(1), threading.Event()
    due = archive.archive.noting.note_authorization(a_note(customer="100234", valid_until=date(2026, 1, 1)), a_caller())
    archive.follow()
    before, looks = archive.store.log.last_position(), itertools.count()

    def is_leading() -> bool:
        next(looks)
        return leading.is_set()

    with minded(archive, Clock(datetime.now(UTC)), Limits(), is_leading=is_leading):
        wait_until(lambda: next(looks) > 40, 20, "it does not look")
        assert archive.store.log.last_position() == before
        leading.set()
        wait_until(lambda: archive.store.log.last_position() == before + 1, 20, "the leader lapses nothing")
    assert last_event(archive, paper_of(due))[0] == "authorization-expired.v1"
    assert scans.state(session).state is ScanState.REVIEW


def test_one_that_lost_the_lead_says_no_more_that_lapses_wait(archive: Program, tmp_path: Path) -> None:
    note, leading = tmp_path / "note", threading.Event()
    leading.set()
    clock = Clock(datetime.now(UTC) + timedelta(days=1_100))
    with minded(archive, clock, Limits(), is_leading=leading.is_set, note=note):
        wait_until(note.exists, 20, "the leader does not say that lapses wait")
        leading.clear()
        wait_until(lambda: not note.exists(), 20, "it still says so")


def seen(ahead: float, *, newest: datetime | None = NOW) -> Times:
    """What the clocks show when the program's is so many seconds ahead."""
    return Times(NOW + ahead * SECOND, NOW, newest)


@pytest.mark.parametrize("ahead", [-TOLERANCE, 0.0, TOLERANCE])
def test_clocks_within_the_tolerance_agree(ahead: float) -> None:
    assert find_disagreement(seen(ahead), TOLERANCE) is None
    assert find_disagreement(seen(0, newest=NOW + abs(ahead) * SECOND), TOLERANCE) is None
    assert find_disagreement(seen(0, newest=None), TOLERANCE) is None


def test_each_clock_that_is_off_is_named() -> None:
    assert find_disagreement(seen(301), TOLERANCE) == "the program's clock is 301 s ahead of the database's"
    assert find_disagreement(seen(-301), TOLERANCE) == "the program's clock is 301 s behind the database's"
    future = seen(0, newest=NOW + 301 * SECOND)
    assert find_disagreement(future, TOLERANCE) == "the newest event is dated 301 s ahead of the database's clock"


def test_the_times_are_the_databases_and_that_of_the_newest_event(archive: Program) -> None:
    archive.mandate()
    with archive.store.pool.connection() as conn:
        times = load_times(conn, datetime.now(UTC))
    assert abs(times.skew_seconds) < 60
    assert archive.sql("select max(recorded_at) from archive.archive_events") == [(times.newest,)]


# The whole machine's clock: the program's and the database's are set together. Looks are (step in s, steady time in s).


def waits(trust: Trust, step: float, steady: float, newest: datetime | None = NOW) -> bool:
    moment = NOW + (step + steady) * SECOND
    return trust.find_doubt(Times(moment, moment, newest), steady) is not None


def test_after_a_step_of_the_whole_machine_nothing_lapses_for_an_hour_of_agreement() -> None:
    trust, step = Trust(TOLERANCE), 1_100 * 86_400.0
    assert not waits(trust, 0, 10)
    assert waits(trust, step, 20)
    assert waits(trust, step, 20 + AGREEMENT_SECONDS - 1)
    assert not waits(trust, step, 20 + AGREEMENT_SECONDS)
    assert not waits(trust, step, 30 + AGREEMENT_SECONDS)


def test_a_step_that_is_taken_back_is_forgotten_and_a_second_one_waits_an_hour_of_its_own() -> None:
    trust = Trust(TOLERANCE)
    assert [waits(trust, 0, 10), waits(trust, 86_400, 15), waits(trust, 0, 25)] == [False, True, False]
    assert waits(trust, 86_400, 30)
    assert waits(trust, 2 * 86_400, 3_000)
    assert waits(trust, 2 * 86_400, 30 + AGREEMENT_SECONDS)
    assert not waits(trust, 2 * 86_400, 3_000 + AGREEMENT_SECONDS)


def test_time_that_passes_and_small_corrections_are_no_step() -> None:
    trust = Trust(TOLERANCE)
    looks = [waits(trust, 0, 10), waits(trust, TOLERANCE, 15), waits(trust, 0, 20), waits(trust, -86_400, 100 * 86_400)]
    assert looks == [False, False, False, False]


def test_a_start_after_40_days_of_silence_waits_an_hour_before_it_believes_the_clock() -> None:
    silent = NOW - timedelta(days=41)
    trust = Trust(TOLERANCE)
    assert waits(trust, 0, 10, silent)
    assert waits(trust, 0, 20, NOW), "an event of today proves nothing: the same clock dated it"
    assert not waits(trust, 0, 10 + AGREEMENT_SECONDS, silent)
    assert not waits(Trust(TOLERANCE), 0, 10, NOW - timedelta(days=39))
    assert not waits(Trust(TOLERANCE), 0, 10, None)
