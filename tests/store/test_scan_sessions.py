"""Scan sessions on Postgres: what they hold goes in the transaction of their end; of two at one instant one wins."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from domain.archive import Outcome
from domain.refusals import IllegalTransition, ScannerBusy
from domain.scan_session import RemovePage, ScanState
from tests.builders.memory import Clock, paper_of
from tests.builders.papers import a_caller
from tests.builders.postgres_log import PostgresLog, an_archive, ask, open_log
from tests.builders.scans import FEEDER, GLASS, Scans

ROUNDS = 12
A_WHILE = timedelta(minutes=5)


class Desk(NamedTuple):
    parts: PostgresLog
    scans: Scans
    clock: Clock

    def wraps(self, paper: UUID) -> int:
        return len(ask(self.parts.url, "select 1 from keys.paper where paper = %s", paper))

    def named(self, session: UUID) -> set[UUID]:
        """The contents of a session that a sweeper leaves alone."""
        return {c for (c,) in ask(self.parts.url, "select content from archive.content where paper = %s", session)}

    def holders(self) -> list[UUID]:
        return [owner for (owner,) in ask(self.parts.url, "select owner from archive.claim where kind = 'scanner'")]

    def kept(self, session: UUID) -> set[UUID]:
        return {page.content.id for page in self.scans.state(session).pages.values()}


@pytest.fixture
def desk(db: str) -> Iterator[Desk]:
    """As the application, which owns nothing."""
    with open_log(db, connections=4, role="dossier_app") as parts:
        clock = Clock(datetime.now(UTC))
        yield Desk(parts, Scans(an_archive(parts, clock)), clock)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each answers or raises, all begun at one instant."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return work()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


# -- what is held and let go ------------------------------------------------------------------------------------


def test_a_session_holds_its_key_and_the_names_of_its_pages(desk: Desk) -> None:
    session = desk.scans.handed_in(3)
    assert desk.wraps(session) == 1
    assert desk.named(session) == desk.kept(session)
    assert len(desk.named(session)) == 3


def test_a_page_that_goes_takes_its_name_along(desk: Desk) -> None:
    session = desk.scans.handed_in(3)
    desk.scans.put(session, 1, 9)
    assert desk.named(session) == desk.kept(session)
    desk.scans.arrange(session, RemovePage(2))
    assert desk.named(session) == desk.kept(session)
    desk.scans.ok(session, [1])
    assert desk.named(session) == desk.kept(session)
    assert (len(desk.named(session)), desk.wraps(session)) == (1, 1)


@pytest.mark.parametrize("end", [Scans.cancel, Scans.ok])
def test_a_session_that_is_over_holds_nothing(desk: Desk, end: Callable[[Scans, UUID], object]) -> None:
    session, other = desk.scans.handed_in(2), desk.scans.handed_in(1)
    end(desk.scans, session)
    assert (desk.wraps(session), desk.named(session)) == (0, set())
    assert (desk.wraps(other), len(desk.named(other))) == (1, 1)


def test_a_document_of_its_pages_opens_for_its_customer_alone(desk: Desk) -> None:
    document = paper_of(desk.scans.ok(desk.scans.handed_in(2)))
    holders = "select c.customer_id from keys.paper as p join keys.customer as c on c.reference = p.customer"
    assert ask(desk.parts.url, f"{holders} where p.paper = %s", document) == [("100234",)]
    assert len(desk.named(document)) == 1


def test_an_end_that_cannot_be_written_lets_nothing_go(desk: Desk) -> None:
    """Keys and events are one transaction: what is let go after an append that failed would be lost."""
    session = desk.scans.handed_in(2)
    with psycopg.connect(desk.parts.url, autocommit=True) as conn:
        conn.execute(
            """
            create function deny() returns trigger language plpgsql as $$
            begin raise exception 'no' using errcode = '53300'; end $$;
            create constraint trigger deny after insert on archive.archive_events
            deferrable initially deferred for each row execute function deny()
            """
        )
    for end in (desk.scans.cancel, desk.scans.ok):
        with pytest.raises(Exception, match="cannot answer just now"):
            end(session)
    assert (desk.wraps(session), len(desk.named(session)), len(desk.scans.plain(session))) == (1, 2, 2)


def test_after_the_end_no_other_process_can_read_what_was_on_the_pages(desk: Desk) -> None:
    session = desk.scans.start()
    desk.scans.put(session, 1, scan_codes=("DA48271903665144",))
    desk.scans.cancel(session)
    with open_log(desk.parts.url) as other:
        captured = other.log.load(session)[1].body
    assert not captured.scan_codes
    assert not captured.sha256


# -- at one instant ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [GLASS, FEEDER])
def test_of_two_desks_that_want_one_scanner_one_has_it(desk: Desk, device: Any) -> None:
    for _ in range(ROUNDS):
        begun = at_once(*[lambda: desk.scans.start(device)] * 3)
        [session] = [b for b in begun if isinstance(b, UUID)]
        assert [type(b) for b in begun if b != session] == [ScannerBusy] * 2
        assert desk.holders() == [session]
        desk.scans.cancel(session)


def test_a_late_yes_and_another_desk_never_both_have_the_scanner(desk: Desk) -> None:
    for _ in range(ROUNDS):
        first = desk.scans.start(GLASS)
        desk.clock.moment += A_WHILE
        late, other = at_once(lambda: desk.scans.confirm(first), lambda: desk.scans.start(GLASS))  # noqa: B023  # it runs now
        scans = desk.scans.state(first).state is ScanState.SCANNING
        assert [isinstance(late, ScannerBusy), isinstance(other, ScannerBusy)] == [not scans, scans]
        [holder] = desk.holders()
        assert holder == (first if scans else other)
        for session in {first, holder}:
            desk.scans.cancel(session)
        assert desk.holders() == []


def test_pages_at_one_instant_are_all_there(desk: Desk) -> None:
    session = desk.scans.start()
    fresh = at_once(*[lambda n=n: desk.scans.put(session, n) for n in (1, 2, 3, 4)])
    assert fresh == [True] * 4
    assert [page[-1:] for page in desk.scans.plain(session)] == [b"1", b"2", b"3", b"4"]
    assert desk.named(session) == desk.kept(session) == desk.scans.images.keys()


def test_a_page_and_the_end_of_its_session_at_one_instant_leave_nothing_behind(desk: Desk) -> None:
    ends: list[Callable[[UUID], Any]] = [desk.scans.cancel, partial(desk.scans.ok, duplicate_allowed=True)]
    for end in ends * (ROUNDS // 2):
        session = desk.scans.handed_in(1)
        put, ended = at_once(lambda: desk.scans.put(session, 2), lambda: end(session))  # noqa: B023  # it runs now
        assert put is True or isinstance(put, IllegalTransition)
        assert not isinstance(ended, Exception)
        state = desk.scans.state(session)
        kept = {page.content.id for page in state.pages.values()}
        assert desk.named(session) == kept
        assert desk.wraps(session) == (state.state is ScanState.REVIEW)
        documents = {content for paper in state.documents for content in desk.named(paper)}
        assert desk.scans.images.keys() == kept | documents
        desk.scans.images.clear()


def test_of_two_desks_that_archive_one_session_one_wins(desk: Desk) -> None:
    for round_ in range(ROUNDS):
        session = desk.scans.start()
        desk.scans.put(session, 1, 1000 + round_)
        desk.scans.put(session, 2, 2000 + round_)
        done = at_once(*[lambda c=c: desk.scans.ok(session, customer=c) for c in ("100234", "100234", "100235")])  # noqa: B023  # it runs now
        [won] = [d for d in done if isinstance(d, Outcome)]
        assert [type(d) for d in done if d is not won] == [IllegalTransition] * 2
        assert desk.scans.state(session).documents == (paper_of(won),)
        assert desk.scans.images.keys() == desk.named(paper_of(won))
        desk.scans.images.clear()


def test_twins_of_one_archive_make_one_document(desk: Desk) -> None:
    for round_ in range(ROUNDS):
        session = desk.scans.handed_in(2)
        order: dict[str, Any] = {"key": f"k{round_}", "duplicate_allowed": True}
        done = at_once(*[lambda o=order: desk.scans.ok(session, **o)] * 3)  # noqa: B023  # it runs now
        assert sorted(d.replayed for d in done) == [False, True, True]
        documents = desk.scans.state(session).documents
        assert {r.envelope.originator_id for d in done for r in d.recorded} - {session} == {*documents}
        assert len(documents) == 1
        assert desk.scans.images.keys() == desk.named(documents[0])
        desk.scans.images.clear()


def test_a_start_by_twins_is_one_session(desk: Desk) -> None:
    for round_ in range(ROUNDS):
        caller = a_caller(idempotency_key=f"k{round_}")
        begun = at_once(*[lambda c=caller: desk.scans.archive.scanning.start_scan(None, c, asked=None)] * 3)
        assert sorted(b.replayed for b in begun) == [False, True, True]
        assert len({b.id for b in begun}) == 1
