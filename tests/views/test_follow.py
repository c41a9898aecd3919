"""The follower: nothing missed, nothing twice, whatever is cut, killed, paused or poisoned meanwhile."""

import random
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.document import DocumentWithdrawn, Withdraw
from domain.envelope import Envelope, Meta
from domain.ports import VersionConflict
from domain.refusals import NotFound
from domain.values import uuid7
from projections import follow, parking, tracking
from projections.follow import LEADER
from projections.parking import Parked
from projections.rebuild import replay
from projections.tracking import NotLeader
from projections.views import VIEWS
from store.hints import FOLLOWER, READER, Hints
from store.recorder import LOCK as LOG_LOCK
from tests.views.crowd import fill
from tests.views.desk import CUSTOMERS, Desk, following, open_log, paper_of

ROOT = Path(__file__).resolve().parents[2]
META = Meta("j.smit", "CENTRAL", datetime(2026, 11, 24, tzinfo=UTC), UUID(int=8), UUID(int=9))


def until(condition: Callable[[], bool], what: str, *, seconds: float = 20.0) -> None:
    for _ in range(int(seconds * 50)):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def is_complete(desk: Desk) -> None:
    """Every event of the log is in the history once, and a replay finds nothing else anywhere."""
    missing = desk.rows(
        "select count(*) filter (where h.position is null), count(*) - count(distinct e.notification_id)"
        " from archive.archive_events as e left join views.audit_history as h on h.position = e.notification_id"
    )
    assert missing == [(0, 0)]
    assert [r.identical for r in replay(desk.url, desk.log)] == [True] * len(VIEWS)


def cut_projectors(desk: Desk) -> int:
    """End the sessions of every follower, as a network or a failover does."""
    cut = desk.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'dossier projector' and datname = current_database()"
    )
    return len(cut)


# -- one leader -------------------------------------------------------------------------------------------------


def test_of_two_followers_one_leads_and_the_other_takes_over(desk: Desk) -> None:
    with following(desk) as first:
        until(lambda: first.state.leading, "the first leads")
        with following(desk) as second:
            desk.wait_until(desk.letter().position)
            assert not second.state.leading
            cut_projectors(desk)
            until(lambda: first.state.leading or second.state.leading, "one leads again")
            desk.wait_until(desk.letter().position)
            assert not (first.state.leading and second.state.leading)
    with following(desk):
        desk.wait_until(desk.letter().position)
    is_complete(desk)


def test_whoever_expects_a_view_elsewhere_may_not_write(desk: Desk) -> None:
    with tracking.connect(desk.url) as conn:
        before = tracking.list_tracked(conn)
        desk.letter()
        desk.follow()
        with pytest.raises(NotLeader), conn.transaction():
            tracking.require_unmoved(conn, before)


def test_two_that_both_believe_to_lead_write_nothing_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is no more than order; what keeps a second leader from writing is where the views stand."""
    monkeypatch.setattr(follow, "_try_lock", lambda _: True)
    monkeypatch.setattr(follow, "PAGE", 3)
    with following(desk) as first, following(desk) as second:
        for n in range(60):
            desk.letter(CUSTOMERS[n % 7])
        desk.wait_until(desk.log.last_position())
        until(lambda: first.state.refused + second.state.refused > 0, "one was refused")
    is_complete(desk)


def test_a_view_that_was_paused_meanwhile_is_left_out_of_the_batch(desk: Desk) -> None:
    desk.follow()
    with psycopg.connect(desk.url, autocommit=True) as conn:
        before = tracking.list_tracked(conn)
        tracking.pause_view(conn, "authorizations")
        with conn.transaction():
            assert {t.name for t in tracking.require_unmoved(conn, before)} == {*VIEWS} - {"authorizations"}


def test_a_cut_connection_is_made_again_and_nothing_is_lost(desk: Desk) -> None:
    with following(desk) as follower:
        for _ in range(5):
            desk.wait_until(desk.letter().position)
            assert cut_projectors(desk) == 1
        desk.wait_until(desk.letter().position)
        assert follower.state.restarts >= 1
    is_complete(desk)


def test_a_follower_killed_at_any_moment_loses_and_doubles_nothing(desk: Desk) -> None:
    chance = random.Random(20261124)
    killed_behind = 0
    for _ in range(6):
        fill(desk, 900, customers=30)
        kill_while_it_follows(desk, chance)
        killed_behind += _position(desk) < desk.log.last_position()
        ((rows, events),) = desk.rows(
            "select (select count(*) from views.audit_history), count(*) from archive.archive_events"
            " where notification_id <= (select position from views.tracking where name = 'audit_history')"
        )
        assert rows == events
    assert killed_behind > 0, "every kill came too late to cut anything"
    desk.follow()
    is_complete(desk)


def kill_while_it_follows(desk: Desk, chance: random.Random) -> None:
    """At any moment from its first step on, beside uploads."""
    before = _position(desk)
    child = subprocess.Popen([sys.executable, "-m", "tests.views.follow_forever", desk.url], cwd=ROOT)
    try:
        until(lambda: leads(desk) or _position(desk) > before, "the child follows")
        time.sleep(chance.random() * 0.15)
        for _ in range(chance.randrange(10)):
            desk.letter(chance.choice(CUSTOMERS))
    finally:
        child.kill()
        child.wait()


def leads(desk: Desk) -> bool:
    return bool(desk.rows("select from pg_locks where locktype = 'advisory' and objid = %s", LEADER & 0xFFFFFFFF))


def _position(desk: Desk) -> int:
    ((position,),) = desk.rows("select min(position) from views.tracking")
    return int(position)


# -- the order of the log ---------------------------------------------------------------------------------------


def test_sixteen_writers_with_rolled_back_appends_leave_no_event_out(desk: Desk) -> None:
    """A refused append has drawn its positions: holes. Concurrent ones commit out of order: holes for a moment."""
    taken = paper_of(desk.letter())
    conflicts: list[int] = []

    def write(seed: int) -> None:
        with open_log(desk.url, connections=1) as (log, keys):
            other = Desk(desk.url, log, keys)
            for n in range(12):
                other.letter(CUSTOMERS[(seed + n) % len(CUSTOMERS)])
                try:
                    log.append([Envelope(taken, 1, DocumentWithdrawn(customer=UUID(int=1), reason="x"), META)])
                except VersionConflict:
                    conflicts.append(seed)

    with following(desk):
        writers = [threading.Thread(target=write, args=[seed]) for seed in range(16)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        desk.wait_until(desk.log.fence())
    assert len(conflicts) == 16 * 12
    ((holes,),) = desk.rows("select max(notification_id) - count(*) from archive.archive_events")
    assert holes > 16 * 11  # the last ones lie behind the last event
    is_complete(desk)


def test_an_append_that_is_under_way_is_waited_for_and_not_passed_over(desk: Desk) -> None:
    """It has drawn its position, a later one is committed before it."""
    with following(desk), psycopg.connect(desk.url) as slow:
        desk.wait_until(desk.log.last_position())
        slow.execute("select pg_advisory_xact_lock_shared(%s)", [LOG_LOCK])
        (drawn,) = slow.execute(APPEND_AGAIN).fetchone() or (0,)
        later = desk.letter().position
        assert later > drawn
        time.sleep(0.3)  # time enough to read what is committed
        assert _position(desk) < drawn
        slow.commit()
        desk.wait_until(later)
    is_complete(desk)


APPEND_AGAIN = """
    insert into archive.archive_events (originator_id, originator_version, topic, state, recorded_at)
    select gen_random_uuid(), 1, topic, state, clock_timestamp() from archive.archive_events where notification_id = 1
    returning notification_id
"""


def test_views_that_stand_at_different_positions_come_together(desk: Desk) -> None:
    with following(desk), psycopg.connect(desk.url, autocommit=True) as conn:
        desk.wait_until(desk.letter().position)
        tracking.pause_view(conn, "authorizations")
        desk.wait_until(desk.consent().position)
        behind = {t.name: t.position for t in tracking.list_tracked(conn)}
        assert behind["authorizations"] < behind["audit_history"] == behind["customer_documents"]
        parking.resume_view(conn, desk.log, "authorizations")
        desk.wait_until(desk.consent().position)
    is_complete(desk)


# -- signals and state ------------------------------------------------------------------------------------------


def test_a_notification_wakes_an_idle_follower(desk: Desk) -> None:
    """With the poll out of the way only the notification can."""
    with following(desk, poll_seconds=30.0), psycopg.connect(desk.url, autocommit=True) as conn:
        desk.wait_until(desk.log.last_position())
        time.sleep(0.5)  # past the time in which it looks again by itself
        position = desk.letter().position
        conn.execute(f"notify {tracking.CHANNEL_LOG}")
        desk.wait_until(position, seconds=10)
        conn.execute(f"notify {tracking.CHANNEL_LOG}")  # so that it sees that it shall stop


def test_status_tells_where_each_view_stands(desk: Desk) -> None:
    desk.letter()
    last = desk.follow()
    with psycopg.connect(desk.url, autocommit=True) as conn:
        tracking.pause_view(conn, "authorizations")
        desk.letter()
        shown = {s.view: s for s in tracking.list_states(conn, desk.log.last_position())}
    assert [*shown] == sorted(VIEWS)
    assert all((s.position, s.last, s.lag, s.parked) == (last, last + 1, 1, 0) for s in shown.values())
    assert [s.view for s in shown.values() if s.paused] == ["authorizations"]


def test_a_paused_view_stands_still_until_it_is_resumed(desk: Desk) -> None:
    with following(desk), psycopg.connect(desk.url, autocommit=True) as conn:
        desk.wait_until(desk.log.last_position())
        for view in VIEWS:
            tracking.pause_view(conn, view)
        position = desk.letter().position
        time.sleep(0.7)  # longer than the poll
        assert _position(desk) < position
        for view in VIEWS:
            assert parking.resume_view(conn, desk.log, view) == parking.Resumed(view, applied=0, parked=0)
        desk.wait_until(position)
    is_complete(desk)


def test_an_unknown_view_cannot_be_paused_or_resumed(desk: Desk) -> None:
    with psycopg.connect(desk.url, autocommit=True) as conn:
        with pytest.raises(NotFound):
            tracking.pause_view(conn, "nonsense")
        with pytest.raises(NotFound):
            parking.resume_view(conn, desk.log, "nonsense")


# -- poison -----------------------------------------------------------------------------------------------------


def poison_the_fold(desk: Desk, customer: str) -> UUID:
    """An event that no fold can take: a correction of a paper that was never archived."""
    paper = uuid7()
    owner = desk.keys.owner_of(customer)
    desk.keys.new_paper(paper)
    body = DocumentWithdrawn(customer=owner.reference, reason="x")
    desk.log.append([Envelope(paper, 1, body, META)], papers={paper: owner})
    return paper


def refuse_in_the_table(desk: Desk, refused: bool) -> None:
    """A fault of the table, or of a program that is mended later."""
    with psycopg.connect(desk.url, autocommit=True) as conn:
        if refused:
            conn.execute("alter table views.customer_documents add constraint fault check (file_name <> 'poison.pdf')")
        else:
            conn.execute("alter table views.customer_documents drop constraint fault")


def parked_in(desk: Desk, view: str) -> list[Parked]:
    return [p for p in desk.parked() if p.view == view]


def test_poison_parks_its_customer_and_the_others_go_on(desk: Desk) -> None:
    alarms: list[Parked] = []
    before, first = desk.letter(CUSTOMERS[1]), desk.letter()
    poisoned = poison_the_fold(desk, CUSTOMERS[0])
    behind = desk.letter()
    others = desk.letter(CUSTOMERS[1])
    with following(desk, on_parked=alarms.append):
        desk.wait_until(desk.log.last_position())
        later = desk.correct(paper_of(first), Withdraw("twice"))
        desk.wait_until(later.position)
    found = parked_in(desk, "customer_documents")
    assert [(p.subject, p.error_type) for p in found] == [
        (poisoned, "PromiseBroken"),
        (paper_of(behind), parking.BEHIND),
        (paper_of(first), parking.BEHIND),
    ]
    assert [(a.view, a.position) for a in alarms] == [(p.view, p.position) for p in desk.parked()]
    ids = {i for (i,) in desk.rows("select id from views.customer_documents where to_position is null")}
    assert ids == {paper_of(before), paper_of(first), paper_of(others)}
    assert parked_in(desk, "audit_history") == []


def test_an_event_that_this_release_cannot_read_is_parked_and_does_not_stop_the_views(desk: Desk) -> None:
    """One of a later release, as after a downgrade, and one that is damaged."""
    paper = paper_of(desk.letter())
    add_to_the_log(desk, paper, 2, "document-framed.v9", b"\x93")
    add_to_the_log(desk, uuid7(), 1, "document-archived.v1", b"\xc1")
    other = desk.letter(CUSTOMERS[1])
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(other.position)
    topics = ["document-framed.v9", "document-archived.v1"]
    assert [(p.view, p.topic) for p in desk.parked()] == [(view, topic) for view in sorted(VIEWS) for topic in topics]
    ids = {i for (i,) in desk.rows("select id from views.customer_documents")}
    assert ids == {paper, paper_of(other)}


def add_to_the_log(desk: Desk, stream: UUID, version: int, topic: str, state: bytes) -> None:
    """Past the append function, as only the owner of the database may."""
    with psycopg.connect(desk.url, autocommit=True) as conn:
        conn.execute(
            "insert into archive.archive_events (originator_id, originator_version, recorded_at, topic, state)"
            " values (%s, %s, date_trunc('milliseconds', clock_timestamp()), %s, %s)",
            [stream, version, topic, state],
        )


def test_after_the_fault_is_mended_parked_events_are_taken_in_their_order(desk: Desk) -> None:
    refuse_in_the_table(desk, True)
    fine = desk.letter()
    poisoned = desk.letter(file_name="poison.pdf")
    with following(desk):
        desk.wait_until(desk.correct(paper_of(fine), Withdraw("twice")).position)
        assert [p.error_type for p in parked_in(desk, "customer_documents")] == ["CheckViolation", parking.BEHIND]
        with psycopg.connect(desk.url, autocommit=True) as conn:
            still = parking.resume_view(conn, desk.log, "customer_documents")
            assert (still.applied, still.parked) == (0, 2)
            refuse_in_the_table(desk, False)
            done = parking.resume_view(conn, desk.log, "customer_documents")
        assert (done.applied, done.parked) == (2, 0)
        desk.wait_until(desk.correct(paper_of(poisoned), Withdraw("also")).position)
    assert desk.parked() == []
    is_complete(desk)


def test_a_parked_paper_that_is_moved_stays_in_order_and_holds_back_its_new_customer(desk: Desk) -> None:
    poisoned = paper_of(desk.letter(file_name="poison.pdf"))
    refuse_in_the_table(desk, True)
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(desk.log.last_position())
    moved = desk.move(poisoned, CUSTOMERS[1])
    behind = desk.letter(CUSTOMERS[1])
    other = desk.letter(CUSTOMERS[2])
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(other.position)
    found = parked_in(desk, "customer_documents")
    assert [(p.subject, p.error_type) for p in found] == [
        (poisoned, "CheckViolation"),
        (poisoned, parking.BEHIND),
        (paper_of(behind), parking.BEHIND),
    ]
    assert found[1].blocked_keys == {desk.reference(), desk.reference(CUSTOMERS[1]), poisoned}
    assert [p.position for p in found][1:] == [moved.position, behind.position]
    refuse_in_the_table(desk, False)
    with psycopg.connect(desk.url, autocommit=True) as conn:
        assert parking.resume_view(conn, desk.log, "customer_documents") == parking.Resumed("customer_documents", 3, 0)
    is_complete(desk)


def test_what_comes_to_a_parked_customer_waits_and_so_does_what_leaves_it(desk: Desk) -> None:
    """A move and a link are about two customers: behind a parked event of either they keep their order."""
    away, here, joint = (paper_of(desk.letter(c)) for c in (CUSTOMERS[0], CUSTOMERS[1], CUSTOMERS[1]))
    poison_the_fold(desk, CUSTOMERS[0])
    desk.move(away, CUSTOMERS[1])
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(desk.log.last_position())
    assert [p.subject for p in parked_in(desk, "customer_documents")][1:] == [away]
    desk.move(here, CUSTOMERS[2])
    desk.link(joint, CUSTOMERS[0])
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(desk.log.last_position())
    assert [p.subject for p in parked_in(desk, "customer_documents")][1:] == [away, here, joint]


def test_text_that_the_database_cannot_hold_is_poison_too(desk: Desk) -> None:
    desk.letter(file_name="a\x00b.pdf")
    other = desk.letter(CUSTOMERS[1])
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(other.position)
    assert {(p.view, p.error_type) for p in desk.parked()} == {
        ("audit_history", "UntranslatableCharacter"),
        ("customer_documents", "DataError"),
    }


def test_a_parked_event_is_told_of_without_naming_a_person(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    refuse_in_the_table(desk, True)
    desk.letter(file_name="poison.pdf", note="a secret")
    with following(desk):
        desk.wait_until(desk.log.last_position())
    assert [r.levelname for r in caplog.records if "parked" in r.getMessage()] == ["ERROR"]
    assert "poison.pdf" not in caplog.text
    assert "secret" not in caplog.text


def test_a_full_disk_or_a_lock_is_no_poison() -> None:
    errors: list[Any] = [psycopg.errors.DiskFull(), psycopg.errors.LockNotAvailable(), NotLeader(), MemoryError()]
    assert not any(parking.is_poison(error) for error in errors)
    assert parking.is_poison(KeyError("x"))


def test_a_hint_wakes_an_idle_follower_and_readers_hear_when_it_is_done(desk: Desk, tmp_path: Path) -> None:
    """With the poll out of the way only the hint can."""
    with (
        closing(Hints(tmp_path, FOLLOWER)) as hints,
        closing(Hints(tmp_path, READER)) as reader,
        following(desk, poll_seconds=30.0, hints=hints),
    ):
        desk.wait_until(desk.log.last_position())
        time.sleep(0.5)  # past the time in which it looks again by itself
        reader.receive_hints()
        position = desk.letter().position
        reader.send_hint(FOLLOWER)
        assert select.select([reader.fileno()], [], [], 10)[0]
        assert _position(desk) == position
        reader.send_hint(FOLLOWER)  # so that it sees that it shall stop
