"""Pages that a station brings after their session was archived (edge cases 5, 24): no sheet is lost in silence."""

from uuid import UUID

import pytest

from domain import scan_session
from domain.archive import LoadedScanSession
from domain.refusals import IllegalTransition
from domain.scan_session import Interrupt, ScanState, Start, TakeUp
from tests.builders.memory import MemoryDesk
from tests.builders.papers import a_caller
from tests.builders.scans import EVERYWHERE, FEEDER, NOW, Scans, after, an_image, folded, sheet


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def scans(desk: MemoryDesk) -> Scans:
    return Scans(desk.archive)


def archived_too_early(scans: Scans) -> UUID:
    """The station fell silent after two sheets, and somebody made do with them."""
    session = scans.start(FEEDER, branch="WEST")
    for n in (1, 2):
        scans.put(session, n, capture=f"1.{n}")
    scans.archive.scanning.interrupt_scan(session, "scanner-offline", a_caller())
    scans.ok(session)
    return session


def late(scans: Scans, session: UUID, n: int) -> tuple[LoadedScanSession, bool]:
    page = an_image(n, capture=f"1.{n}")
    return scans.archive.scanning.capture_page(session, n, page, a_caller(actor="station"), EVERYWHERE)


def test_a_late_page_begins_a_session_that_somebody_has_to_look_at(scans: Scans) -> None:
    session = archived_too_early(scans)
    found, is_new = late(scans, session, 3)
    assert (is_new, found.id != session, found.state.device) == (True, True, FEEDER)
    assert (found.state.state, found.state.problem) == (ScanState.FAILED, "scanner-offline")
    assert (found.branch, found.actor) == ("WEST", "station")
    assert scans.plain(found.id) == [b"\xff\xd8 page 3"]
    assert scans.state(session).state is ScanState.ARCHIVED


def test_all_that_come_late_are_in_one_session_in_their_order_and_none_twice(desk: MemoryDesk, scans: Scans) -> None:
    session = archived_too_early(scans)
    found = {late(scans, session, n)[0].id for n in (3, 4, 5)}
    topics = desk.topics
    found |= {again.id for again, is_new in (late(scans, session, n) for n in (3, 4, 5)) if not is_new}
    assert desk.topics == topics
    [taker] = found
    assert scans.plain(taker) == [b"\xff\xd8 page %d" % n for n in (3, 4, 5)]
    assert [*scans.state(taker).pages] == [1, 2, 3]


def test_a_page_that_is_in_the_document_is_not_taken_up_again(desk: MemoryDesk, scans: Scans) -> None:
    """Its acknowledgement was lost on the way."""
    session = archived_too_early(scans)
    before = desk.trace()
    found, is_new = late(scans, session, 2)
    assert (found.id, is_new, desk.trace()) == (session, False, before)


def test_what_comes_after_these_were_archived_too_begins_another_one(scans: Scans) -> None:
    session = archived_too_early(scans)
    first, _ = late(scans, session, 3)
    scans.ok(first.id, external_id="late")
    second, _ = late(scans, session, 4)
    assert len({session, first.id, second.id}) == 3
    assert late(scans, session, 3)[1] is False
    assert late(scans, session, 5)[0].id == second.id
    assert scans.plain(second.id) == [b"\xff\xd8 page 4", b"\xff\xd8 page 5"]


def test_what_a_person_cancelled_takes_no_late_page(desk: MemoryDesk, scans: Scans) -> None:
    """Of the session, or of the one that took up the first of them."""
    cancelled = scans.start(FEEDER)
    scans.cancel(cancelled)
    taken_up = archived_too_early(scans)
    scans.cancel(late(scans, taken_up, 3)[0].id)
    before = desk.trace()
    for session in (cancelled, taken_up):
        with pytest.raises(IllegalTransition) as refused:
            late(scans, session, 4)
        assert refused.value.extra == {"state": ScanState.CANCELLED}
    assert desk.trace() == before


def test_a_caller_at_a_screen_adds_nothing_to_what_is_archived(desk: MemoryDesk, scans: Scans) -> None:
    session = archived_too_early(scans)
    before = desk.trace()
    with pytest.raises(IllegalTransition):
        scans.put(session, 3)
    assert desk.trace() == before


def test_of_two_late_pages_at_once_one_begins_the_session_and_both_are_in_it(desk: MemoryDesk, scans: Scans) -> None:
    session, other = archived_too_early(scans), []
    desk.log.before_append.append(lambda: other.append(late(scans, session, 4)[0].id))
    found, _ = late(scans, session, 3)
    assert other == [found.id]
    assert len(scans.state(found.id).pages) == 2


def test_the_scanner_is_not_held_for_them_and_more_may_be_scanned(scans: Scans) -> None:
    found, _ = late(scans, archived_too_early(scans), 3)
    scans.finish(scans.start(FEEDER))
    own = scans.confirm(found.id).state.passes
    scans.put(found.id, 2, 9, capture=f"{own}.1")
    scans.finish(found.id, own)
    assert scans.state(found.id).state is ScanState.REVIEW


def test_a_further_pass_and_pages_that_come_still_later_are_all_there(scans: Scans) -> None:
    """Both were named as passes of the first session, and of two sheets with one name the second was lost."""
    session = archived_too_early(scans)
    found, _ = late(scans, session, 3)
    own = scans.confirm(found.id).state.passes
    assert all(scans.put(found.id, n, 10 + n, capture=f"{own}.{n}") for n in (1, 2, 3))
    assert late(scans, session, 4)[1]
    scans.finish(found.id, own)
    assert sorted(scans.plain(found.id)) == sorted(b"\xff\xd8 page %d" % mark for mark in (3, 4, 11, 12, 13))
    assert scans.confirm(found.id).state.passes == own + 1


def test_a_session_of_late_pages_is_one_whose_station_fell_silent() -> None:
    taken_up = folded(None, scan_session.decide(None, TakeUp(FEEDER, NOW)))
    assert (taken_up.state, taken_up.problem, taken_up.passes) == (ScanState.FAILED, "scanner-offline", 0)


def test_a_sheet_that_came_is_known_whatever_became_of_its_session() -> None:
    for end in (scan_session.Cancel(), scan_session.ArchivePages((1,), UUID(int=0xD0C))):
        state = after(None, Start(FEEDER, NOW), sheet(1, 1, 1), Interrupt("scanner-offline"), end)
        assert scan_session.decide(state, sheet(1, 1, 1)) == []
        with pytest.raises(IllegalTransition):
            scan_session.decide(state, sheet(1, 2, 2))
