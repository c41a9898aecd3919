"""Scan page (B1 to B11, edge cases 4, 5, 24) as use cases in memory: what is stored, held, let go and refused."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from domain.archive import LoadedScanSession, Outcome, Reach, build_archive
from domain.authorization import AuthorizationStatus, EvidenceAttached
from domain.document import DocumentArchived
from domain.envelope import UNSET, Recorded
from domain.refusals import (
    CheckRequired,
    CustomerErased,
    CustomerUnknown,
    DocumentTypeUnknown,
    DuplicateContent,
    ExternalIdTaken,
    IdempotencyKeyReused,
    IllegalTransition,
    NotFound,
    PreconditionFailed,
    Refusal,
    ScanCodeOtherCustomer,
    ScanCodeRedeemed,
    ScannerBusy,
    ScannerTooManyPages,
    SourceNotAllowed,
    Unavailable,
    ValidationFailed,
)
from domain.scan_session import Finish, MovePage, PageCaptured, RemovePage, Rotate, ScannerChoice, ScanState
from domain.values import Source
from tests.builders.memory import EVERYTHING, MemoryDesk, paper_of
from tests.builders.papers import a_caller
from tests.builders.scans import EVERYWHERE, FEEDER, GLASS, Scans, a_scan_order, an_image

OTHER_GLASS = replace(GLASS, scanner="desk-3:flatbed", station="desk-3")
ORDER = a_scan_order()
TWO_MINUTES, A_MOMENT = timedelta(minutes=2), timedelta(seconds=1)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def scans(desk: MemoryDesk) -> Scans:
    return Scans(desk.archive)


def left_alone(desk: MemoryDesk, refusal: type[Refusal], refused: Callable[[], object]) -> Refusal:
    """The refusal, of which nothing is left."""
    before = desk.trace()
    with pytest.raises(refusal) as raised:
        refused()
    assert desk.trace() == before
    return raised.value


def claims(desk: MemoryDesk, kind: str = "scanner") -> list[UUID]:
    """Who owns something of this kind."""
    return [owner for (k, _), owner in desk.log._recorder._claims.items() if k == kind]


def meanwhile(desk: MemoryDesk, *others: Callable[[], object]) -> None:
    """What somebody else does right before the next append."""
    desk.log.before_append += others


# -- begin ------------------------------------------------------------------------------------------------------


def test_a_session_has_a_key_that_belongs_to_the_intake(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start()
    assert desk.topics == ["scan-started.v1"]
    assert desk.keys.papers == {session: {desk.keys.intake_owner().reference}}
    found = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    assert (found.actor, found.branch, found.state.state) == ("j.smit", "CENTRAL", ScanState.REVIEW)
    assert (found.position, found.touched_at) == (desk.log.last_position(), desk.clock.now())


def test_two_sessions_share_the_intake(desk: MemoryDesk, scans: Scans) -> None:
    first, second = scans.start(), scans.start()
    assert desk.keys.papers[first] == desk.keys.papers[second]


def test_a_feeder_scans_at_once_and_the_glass_waits(scans: Scans) -> None:
    assert scans.state(scans.start(FEEDER)).state is ScanState.SCANNING
    assert scans.state(scans.start(GLASS)).state is ScanState.AWAITING_CONFIRMATION


@pytest.mark.parametrize("device", [GLASS, FEEDER])
def test_a_scanner_that_somebody_has_is_busy_and_its_holder_named(
    desk: MemoryDesk, scans: Scans, device: ScannerChoice
) -> None:
    scans.start(device, actor="a.visser")
    refusal = left_alone(desk, ScannerBusy, lambda: scans.start(device))
    assert refusal.extra == {"holder": "a.visser", "page": 1}


def test_another_scanner_is_free(scans: Scans) -> None:
    scans.start(GLASS)
    assert scans.state(scans.start(OTHER_GLASS)).state is ScanState.AWAITING_CONFIRMATION


@pytest.mark.parametrize(
    "end",
    [
        lambda scans, session: scans.finish(session),
        lambda scans, session: scans.finish(session, problem="scanner-jammed"),
        lambda scans, session: scans.cancel(session),
        lambda scans, session: scans.archive.scanning.interrupt_scan(session, "scanner-offline", a_caller()),
    ],
    ids=["finished", "jammed", "cancelled", "given up"],
)
def test_a_scanner_is_free_when_its_pass_is_over(
    desk: MemoryDesk, scans: Scans, end: Callable[[Scans, UUID], object]
) -> None:
    first = scans.start(FEEDER)
    end(scans, first)
    assert claims(desk) == []
    second = scans.start(FEEDER)
    assert claims(desk) == [second]


def test_a_scanner_is_held_while_pages_come(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start(FEEDER)
    for n in range(1, 4):
        scans.put(session, n, capture=f"1.{n}")
    assert claims(desk) == [session]
    left_alone(desk, ScannerBusy, lambda: scans.start(FEEDER))


def test_a_yes_that_nobody_says_holds_the_scanner_for_two_minutes(desk: MemoryDesk, scans: Scans) -> None:
    first = scans.start(GLASS)
    desk.clock.moment += TWO_MINUTES
    left_alone(desk, ScannerBusy, lambda: scans.start(GLASS))
    desk.clock.moment += A_MOMENT
    assert claims(desk) == [first]
    second = scans.start(GLASS)
    assert claims(desk) == [second]
    assert scans.state(first).state is ScanState.AWAITING_CONFIRMATION


def test_a_late_yes_finds_the_scanner_busy_or_takes_it_again(desk: MemoryDesk, scans: Scans) -> None:
    first = scans.start(GLASS)
    desk.clock.moment += TWO_MINUTES + A_MOMENT
    second = scans.start(GLASS, actor="a.visser")
    refusal = left_alone(desk, ScannerBusy, lambda: scans.confirm(first))
    assert refusal.extra == {"holder": "a.visser", "page": 1}
    scans.cancel(second)
    assert scans.confirm(first).state.state is ScanState.SCANNING
    assert claims(desk) == [first]


def test_a_late_yes_of_a_scanner_that_nobody_took_begins(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start(GLASS)
    desk.clock.moment += timedelta(hours=3)
    assert scans.confirm(session).state.state is ScanState.SCANNING
    left_alone(desk, ScannerBusy, lambda: scans.start(GLASS))


def test_a_late_yes_and_who_takes_the_scanner_in_the_same_moment(desk: MemoryDesk, scans: Scans) -> None:
    """Whoever is first has it, whichever that is."""
    first = scans.start(GLASS)
    desk.clock.moment += TWO_MINUTES + A_MOMENT
    meanwhile(desk, lambda: scans.start(GLASS))
    with pytest.raises(ScannerBusy):
        scans.confirm(first)
    [second] = claims(desk)
    desk.clock.moment += TWO_MINUTES + A_MOMENT
    meanwhile(desk, lambda: scans.confirm(second))
    with pytest.raises(ScannerBusy):
        scans.start(GLASS)
    assert claims(desk) == [second]
    assert scans.state(second).state is ScanState.SCANNING


def test_who_takes_a_scanner_and_asks_again_gets_the_session_that_took_it(desk: MemoryDesk, scans: Scans) -> None:
    """Two sessions have changed by it."""
    first = scans.start(GLASS)
    desk.clock.moment += TWO_MINUTES + A_MOMENT
    second = scans.start(GLASS, key="start")
    assert scans.start(GLASS, key="start") == second != first
    desk.clock.moment += TWO_MINUTES + A_MOMENT
    scans.confirm(first, key="confirm")
    assert scans.confirm(first, key="confirm").id == first
    assert desk.topics.count("scanner-yielded.v1") == 2


def test_a_session_that_ends_after_its_scanner_was_taken_leaves_that_alone(desk: MemoryDesk, scans: Scans) -> None:
    first = scans.start(GLASS)
    desk.clock.moment += TWO_MINUTES + A_MOMENT
    second = scans.start(GLASS)
    scans.cancel(first)
    assert claims(desk) == [second]


def test_a_next_pass_takes_the_scanner_again(desk: MemoryDesk, scans: Scans) -> None:
    first = scans.start(FEEDER)
    scans.finish(first)
    second = scans.start(FEEDER)
    left_alone(desk, ScannerBusy, lambda: scans.confirm(first))
    scans.finish(second)
    assert scans.confirm(first).state.passes == 2
    assert claims(desk) == [first]


# -- the same request again -------------------------------------------------------------------------------------


def test_a_start_that_is_sent_again_is_the_same_session(desk: MemoryDesk, scans: Scans) -> None:
    first = desk.archive.scanning.start_scan(GLASS, a_caller(idempotency_key="k"), asked="the glass")
    scans.confirm(first.id)
    again = desk.archive.scanning.start_scan(GLASS, a_caller(idempotency_key="k"), asked="the glass")
    assert (again.id, again.replayed, again.position) == (first.id, True, first.position)
    assert again.state == first.state
    with pytest.raises(IdempotencyKeyReused):
        desk.archive.scanning.start_scan(OTHER_GLASS, a_caller(idempotency_key="k"), asked="another")


def test_what_a_start_was_answered_is_known_before_its_scanner_is_looked_for(desk: MemoryDesk, scans: Scans) -> None:
    """It may have been switched off since."""
    caller = a_caller(idempotency_key="k")
    assert desk.archive.scanning.find_earlier_start("the glass", caller) is None
    first = desk.archive.scanning.start_scan(GLASS, caller, asked="the glass")
    again = desk.archive.scanning.find_earlier_start("the glass", caller)
    assert again is not None
    assert (again.id, again.state, again.replayed) == (first.id, first.state, True)
    assert desk.archive.scanning.find_earlier_start("the glass", a_caller()) is None
    with pytest.raises(IdempotencyKeyReused):
        desk.archive.scanning.find_earlier_start("another", caller)


def test_a_start_whose_twin_is_under_way_is_the_same_session(desk: MemoryDesk, scans: Scans) -> None:
    begun: list[UUID] = []
    meanwhile(desk, lambda: begun.append(scans.start(GLASS, key="k")))
    assert [scans.start(GLASS, key="k")] == begun
    assert desk.topics == ["scan-started.v1"]


def test_a_yes_that_is_sent_again_begins_one_pass(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start(GLASS)
    first = scans.confirm(session, key="k")
    scans.finish(session)
    again = scans.confirm(session, key="k")
    assert (again.replayed, again.state, again.position) == (True, first.state, first.position)
    assert scans.state(session).state is ScanState.REVIEW
    assert scans.confirm(session, key="another").state.passes == 2


def test_a_turn_that_is_sent_again_turns_once(scans: Scans) -> None:
    session = scans.handed_in()
    for _ in range(2):
        scans.arrange(session, Rotate(1, 90), key="k")
    assert scans.state(session).pages[1].degrees == 90
    with pytest.raises(IdempotencyKeyReused):
        scans.arrange(session, Rotate(1, 180), key="k")


# -- pages ------------------------------------------------------------------------------------------------------


def test_an_image_is_stored_as_it_came_and_its_event_names_it(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start()
    image = an_image(1, scan_codes=("DA48271903665144",), warnings=("dark",), dpi=None)
    found, fresh = desk.archive.scanning.capture_page(session, 1, image, a_caller(), EVERYWHERE)
    page = found.state.pages[1]
    assert fresh
    assert desk.contents.plain == {page.content.id: b"\xff\xd8 page 1"}
    assert (page.content.media_type, page.content.size_bytes) == ("image/jpeg", 9)
    assert (page.sha256, page.scan_codes, page.warnings, page.dpi) == (
        image.file.sha256, ("DA48271903665144",), ("dark",), None,
    )  # fmt: skip


def test_the_same_page_again_is_not_stored_a_second_time(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in(2)
    stored, topics = list(desk.contents.put_in_order), desk.topics
    assert not scans.put(session, 2)
    assert (desk.contents.put_in_order, desk.topics) == (stored, topics)


@pytest.mark.parametrize(
    "change",
    [lambda scans, session: scans.put(session, 1, 9), lambda scans, session: scans.arrange(session, RemovePage(1))],
    ids=["replaced", "removed"],
)
def test_an_image_that_was_replaced_or_removed_is_gone(scans: Scans, change: Callable[[Scans, UUID], object]) -> None:
    session = scans.handed_in(2)
    gone = scans.state(session).pages[1].content.id
    change(scans, session)
    assert gone not in scans.images
    assert scans.images.keys() == {page.content.id for page in scans.state(session).pages.values()}


def test_pages_are_moved_and_turned_without_their_images_being_touched(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in(3)
    stored = dict(scans.images)
    scans.arrange(session, MovePage(3, 1))
    scans.arrange(session, Rotate(1, 270))
    assert scans.plain(session) == [b"\xff\xd8 page 3", b"\xff\xd8 page 1", b"\xff\xd8 page 2"]
    assert (scans.images, len(desk.contents.put_in_order)) == (stored, 3)


@pytest.mark.parametrize("end", [Scans.cancel, Scans.ok])
def test_a_page_for_a_session_that_is_over_leaves_nothing(
    desk: MemoryDesk, scans: Scans, end: Callable[[Scans, UUID], object]
) -> None:
    session = scans.handed_in()
    end(scans, session)
    refusal = left_alone(desk, IllegalTransition, lambda: scans.put(session, 2))
    assert refusal.extra == {"state": scans.state(session).state}


def test_a_page_for_nobody_is_not_found(desk: MemoryDesk, scans: Scans) -> None:
    for session in (uuid4(), desk.file()):
        left_alone(desk, NotFound, lambda session=session: scans.put(session, 1))  # type: ignore[misc]  # bound here


def test_pages_beyond_the_limit_are_refused_and_those_before_stay(desk: MemoryDesk, scans: Scans) -> None:
    few = Scans(build_archive(desk.archive.ports, replace(desk.archive.rules, scan_pages_max=3)))
    session = few.handed_in(3)
    left_alone(desk, ScannerTooManyPages, lambda: few.put(session, 4))
    left_alone(desk, ScannerTooManyPages, lambda: few.put(session, 1, 9, capture="1.1"))
    assert len(few.state(session).pages) == 3


def test_pages_that_come_at_once_are_all_there_and_each_is_stored_once(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start()
    meanwhile(desk, *(lambda n=n: scans.put(session, n) for n in range(2, 6)))
    assert scans.put(session, 1)
    assert scans.plain(session) == [b"\xff\xd8 page %d" % n for n in range(1, 6)]
    assert len(desk.contents.put_in_order) == 5


def test_a_page_that_comes_in_twice_at_once_is_there_once(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start()
    meanwhile(desk, lambda: scans.put(session, 1))
    assert not scans.put(session, 1)
    assert len(scans.images) == len(scans.state(session).pages) == 1


def test_a_page_for_a_session_that_is_cancelled_in_the_same_moment_leaves_nothing(
    desk: MemoryDesk, scans: Scans
) -> None:
    """Its key is gone before its version is looked at: it was once told that the customer was erased."""
    session = scans.handed_in()
    meanwhile(desk, lambda: scans.cancel(session))
    with pytest.raises(IllegalTransition) as refused:
        scans.put(session, 2)
    assert (refused.value.extra, scans.images) == ({"state": "cancelled"}, {})


def test_a_page_whose_session_has_lost_its_key_before_it_is_sealed_leaves_nothing(
    desk: MemoryDesk, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = scans.handed_in()

    def put(paper: UUID, *_: object) -> Any:
        scans.cancel(paper)
        raise CustomerErased  # as the port says

    monkeypatch.setattr(desk.contents, "put", put)
    with pytest.raises(IllegalTransition) as refused:
        scans.put(session, 2)
    assert (refused.value.extra, scans.images) == ({"state": "cancelled"}, {})


def test_a_jam_of_a_session_that_is_cancelled_in_the_same_moment_is_nobodys(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start(FEEDER)
    meanwhile(desk, lambda: scans.cancel(session))
    assert scans.finish(session, problem="scanner-jammed").state.state is ScanState.CANCELLED


# -- nothing is left --------------------------------------------------------------------------------------------


def test_who_cancels_leaves_no_key_no_image_and_no_code(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.start(FEEDER)
    for n in range(1, 4):
        scans.put(session, n, capture=f"1.{n}", scan_codes=("DA48271903665144",))
    scans.cancel(session)
    assert (desk.keys.papers, scans.images, claims(desk)) == ({}, {}, [])
    captured = [e.body for e in desk.log.load(session) if isinstance(e.body, PageCaptured)]
    assert [(c.scan_codes, c.sha256, c.look) for c in captured] == [(UNSET, UNSET, UNSET)] * 3


def test_a_cancel_may_be_asked_for_twice(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in()
    first = scans.cancel(session)
    assert scans.cancel(session) == first
    assert desk.topics.count("scan-cancelled.v1") == 1


def test_what_was_archived_can_no_longer_be_cancelled(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in()
    scans.ok(session)
    left_alone(desk, IllegalTransition, lambda: scans.cancel(session))


def test_a_session_that_nobody_came_back_to_ends(desk: MemoryDesk, scans: Scans) -> None:
    session, since = scans.handed_in(), desk.clock.now() + A_MOMENT
    assert desk.archive.scanning.expire_scan(session, since, a_caller(actor="system"))
    assert len(scans.plain(session)) == 1
    assert not desk.archive.scanning.expire_scan(session, since, a_caller(actor="system"))
    assert not desk.archive.scanning.drop_expired_scan(session, since - A_MOMENT, a_caller(actor="system"))
    assert desk.archive.scanning.drop_expired_scan(session, since + A_MOMENT, a_caller(actor="system"))
    assert (desk.keys.papers, scans.images) == ({}, {})
    left_alone(desk, IllegalTransition, lambda: scans.reopen(session))


def test_a_session_that_was_reopened_is_not_dropped(desk: MemoryDesk, scans: Scans) -> None:
    """After the clock has asked which ones expired, and before it drops them."""
    session, since = scans.handed_in(), desk.clock.now() + A_MOMENT
    assert desk.archive.scanning.expire_scan(session, since, a_caller(actor="system"))
    meanwhile(desk, lambda: scans.reopen(session))
    assert not desk.archive.scanning.drop_expired_scan(session, since + A_MOMENT, a_caller(actor="system"))
    assert len(scans.plain(session)) == 1
    scans.ok(session)


@pytest.mark.parametrize("end", [Scans.cancel, Scans.ok])
def test_what_a_person_discarded_or_saved_is_not_reopened(
    desk: MemoryDesk, scans: Scans, end: Callable[[Scans, UUID], object]
) -> None:
    session = scans.handed_in()
    end(scans, session)
    left_alone(desk, IllegalTransition, lambda: scans.reopen(session))


class EndsMeanwhile:
    """A log whose next look at a session has its events of before it ended, and finds its key gone."""

    def __init__(self, desk: MemoryDesk, end: Callable[[], object]) -> None:
        self._log = desk.log
        self._end: Callable[[], object] | None = end

    def load_recorded(self, streams: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        if self._end is not None:
            before, end, self._end = self._log.last_position(), self._end, None
            end()
            return self._log.load_recorded(streams, before)
        return self._log.load_recorded(streams, up_to)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def test_who_saves_pages_that_another_has_just_saved_is_told_so(desk: MemoryDesk, scans: Scans) -> None:
    """It was told that the pages were others: they were read without the key, which goes with the end."""
    session = scans.handed_in(2)
    seen = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    log: Any = EndsMeanwhile(desk, lambda: scans.ok(session))
    late = Scans(build_archive(replace(desk.archive.ports, log=log), desk.archive.rules))
    with pytest.raises(IllegalTransition):
        late.ok(session, seen=seen)
    assert desk.topics.count("document-archived.v1") == 1


def test_a_session_that_somebody_came_back_to_goes_on(desk: MemoryDesk, scans: Scans) -> None:
    """After the clock has asked which ones are idle, and before it ends them."""
    session, since = scans.handed_in(), desk.clock.now() + A_MOMENT
    desk.clock.moment = since
    meanwhile(desk, lambda: scans.put(session, 2))
    assert not desk.archive.scanning.expire_scan(session, since, a_caller(actor="system"))
    assert len(scans.plain(session)) == 2


def test_only_what_scans_is_given_up(desk: MemoryDesk, scans: Scans) -> None:
    scanning, awaiting = scans.start(FEEDER), scans.start(GLASS)
    assert desk.archive.scanning.interrupt_scan(scanning, "scanner-offline", a_caller(actor="system"))
    assert scans.state(scanning).problem == "scanner-offline"
    for session in (scanning, awaiting, scans.handed_in()):
        assert not desk.archive.scanning.interrupt_scan(session, "scanner-offline", a_caller(actor="system"))


# -- into a document --------------------------------------------------------------------------------------------


def test_pages_become_a_document_of_a_customer_and_the_session_is_over(desk: MemoryDesk, scans: Scans) -> None:
    """B10."""
    session = scans.handed_in(2)
    outcome = scans.ok(session, note="moved house")
    assert desk.topics[-3:] == ["document-archived.v1", "pages-archived.v1", "scan-closed.v1"]
    document = paper_of(outcome)
    event = outcome.recorded[0].envelope.body
    assert isinstance(event, DocumentArchived)
    assert (event.source, event.type.code, event.content.pages, event.file_name) == (Source.SCAN, "LETTER", 2, None)
    assert scans.images == {event.content.id: b"0:\xff\xd8 page 1|0:\xff\xd8 page 2|"}
    assert desk.keys.papers == {document: {desk.keys.references["100234"]}}
    assert (outcome.customer, outcome.position, outcome.replayed) == ("100234", desk.log.last_position(), False)
    state = scans.state(session)
    assert (state.state, state.pages, state.documents) == (ScanState.ARCHIVED, {}, (document,))


def test_pages_come_into_the_document_in_the_order_and_turned_as_asked(scans: Scans) -> None:
    session = scans.handed_in(3)
    scans.arrange(session, Rotate(2, 90))
    scans.ok(session, [3, 2, 1])
    assert [*scans.images.values()] == [b"0:\xff\xd8 page 3|90:\xff\xd8 page 2|0:\xff\xd8 page 1|"]


def test_a_batch_becomes_one_document_after_the_other(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in(4)
    first = paper_of(scans.ok(session, [1, 3]))
    assert scans.plain(session) == [b"\xff\xd8 page 2", b"\xff\xd8 page 4"]
    assert session in desk.keys.papers
    second = paper_of(scans.ok(session, [2], customer="100235"))
    third = paper_of(scans.ok(session))
    assert scans.state(session).documents == (first, second, third)
    assert desk.keys.papers.keys() == {first, second, third}
    assert [*scans.images.values()] == [
        b"0:\xff\xd8 page 1|0:\xff\xd8 page 3|",
        b"0:\xff\xd8 page 4|",
        b"0:\xff\xd8 page 2|",
    ]


def token(desk: MemoryDesk, form: UUID, actor: str = "j.smit") -> str:
    return desk.archive.forms.check_form(form, a_caller(actor=actor), EVERYTHING).check_token


def signed(scans: Scans, session: UUID, form: UUID, check_token: str | None, **order: Any) -> Outcome:
    usual = {"customer": None, "type": None, "authorization": form, "check_token": check_token}
    return scans.ok(session, **usual | order)


def test_a_signed_form_becomes_the_evidence_of_its_authorization(desk: MemoryDesk, scans: Scans) -> None:
    """B9."""
    form, session = desk.issue(), scans.handed_in()
    outcome = signed(scans, session, form, token(desk, form))
    assert desk.topics[-5:] == [
        "document-archived.v1", "authorization-signed.v1", "evidence-attached.v1", "pages-archived.v1",
        "scan-closed.v1",
    ]  # fmt: skip
    state = desk.authorization(form)
    assert (state.status, scans.state(session).documents) == (AuthorizationStatus.ACTIVE, (state.evidence,))
    assert outcome.customer == "100234"
    assert [type(r.envelope.body) for r in outcome.recorded if r.envelope.originator_id == form][-1] is EvidenceAttached


def test_a_code_is_not_good_without_its_check(desk: MemoryDesk, scans: Scans) -> None:
    form, other, session = desk.issue(), desk.issue(customer="100235"), scans.handed_in()
    good = token(desk, form)
    for bad in (None, "", "x.y", token(desk, other), token(desk, form, "a.visser")):
        left_alone(desk, CheckRequired, lambda bad=bad: signed(scans, session, form, bad))  # type: ignore[misc]  # bound here
    desk.clock.moment += timedelta(minutes=10)
    left_alone(desk, CheckRequired, lambda: signed(scans, session, form, good))
    signed(scans, session, form, token(desk, form))


def test_an_authorization_type_without_a_code_gets_its_authorization_in_the_same_save(
    desk: MemoryDesk, scans: Scans
) -> None:
    session = scans.handed_in()
    outcome = scans.ok(session, type="GUARDIAN_CONSENT")
    assert desk.topics[-5:] == [
        "authorization-registered.v2", "document-archived.v1", "evidence-attached.v1", "pages-archived.v1",
        "scan-closed.v1",
    ]  # fmt: skip
    assert outcome.recorded[0].envelope.body.source is Source.SCAN
    assert scans.state(session).documents == (desk.evidence(paper_of(outcome)),)


REFUSED: dict[str, tuple[dict[str, Any], type[Refusal]]] = {
    "unknown customer": ({"customer": "nobody"}, CustomerUnknown),
    "unknown type": ({"type": "NOTHING"}, DocumentTypeUnknown),
    "source not allowed": ({"type": "FORM"}, SourceNotAllowed),
    "a page that is not there": ({"pages": [1, 7]}, ValidationFailed),
    "a page twice": ({"pages": [1, 1]}, ValidationFailed),
    "no page": ({"pages": []}, ValidationFailed),
    "the same content": ({"type": "LETTER"}, DuplicateContent),
    "the same external id": ({"external_id": "crm-1"}, ExternalIdTaken),
}


@pytest.mark.parametrize(("order", "refusal"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_archive_leaves_the_pages_where_they_are(
    desk: MemoryDesk, scans: Scans, order: dict[str, Any], refusal: type[Refusal]
) -> None:
    desk.define("FORM", sources=(Source.FILE,))
    desk.note(external_id="crm-1", customer="100235")
    scans.ok(scans.handed_in(1))
    session = scans.handed_in(1)
    if refusal is ExternalIdTaken:
        scans.put(session, 1, 9)
    left_alone(desk, refusal, lambda: scans.ok(session, **order))
    assert len(scans.plain(session)) == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "received tomorrow": ({"received_on": date(2026, 11, 25)}, "received_on"),
    "signed tomorrow": ({"type": "GUARDIAN_CONSENT", "signed_on": date(2026, 11, 25)}, "signed_on"),
    "verify only without a ground": ({"type": "IDENTIFICATION"}, "ground"),
}


@pytest.mark.parametrize(("order", "field"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_field_is_named_by_its_place_in_the_body(
    desk: MemoryDesk, scans: Scans, order: dict[str, Any], field: str
) -> None:
    """Which is JSON here; Select file has a form."""
    desk.define("IDENTIFICATION", sources=(Source.SCAN, Source.NONE))
    session = scans.handed_in()
    refusal = left_alone(desk, ValidationFailed, lambda: scans.ok(session, **order))
    assert isinstance(refusal, ValidationFailed)
    assert [error.field for error in refusal.errors] == [field]


def test_code_customer_and_type_must_agree(desk: MemoryDesk, scans: Scans) -> None:
    form, session = desk.issue(), scans.handed_in()
    check = token(desk, form)
    left_alone(desk, ScanCodeOtherCustomer, lambda: signed(scans, session, form, check, customer="100235"))
    refusal = left_alone(desk, ValidationFailed, lambda: signed(scans, session, form, check, type="LETTER"))
    assert isinstance(refusal, ValidationFailed)
    assert [error.field for error in refusal.errors] == ["type"]
    signed(scans, session, form, check, customer="100234", type="GUARDIAN_CONSENT")


# -- the same order again ---------------------------------------------------------------------------------------


def archive_letter(scans: Scans, session: UUID, **more: Any) -> Outcome:
    return scans.ok(session, **more)


def archive_consent(scans: Scans, session: UUID, **more: Any) -> Outcome:
    return scans.ok(session, type="GUARDIAN_CONSENT", **more)


@pytest.mark.parametrize("ok", [archive_letter, archive_consent])
@pytest.mark.parametrize("pages", [None, [2, 1], [2]])
def test_an_archive_that_is_sent_again_gives_the_same_answer(
    desk: MemoryDesk, scans: Scans, ok: Callable[..., Outcome], pages: list[int] | None
) -> None:
    session = scans.handed_in(2)
    first = ok(scans, session, pages=pages, key="k")
    before = desk.trace()
    again = ok(scans, session, pages=pages, key="k")
    assert desk.trace() == before
    assert (again.replayed, again.position, again.customer) == (True, first.position, "100234")
    assert papers(again, session) == papers(first, session)
    with pytest.raises(IdempotencyKeyReused):
        ok(scans, session, pages=pages, key="k", note="other")


def papers(outcome: Outcome, session: UUID) -> set[UUID]:
    return {r.envelope.originator_id for r in outcome.recorded} - {session}


def test_a_signed_form_that_is_sent_again_gives_the_same_answer(desk: MemoryDesk, scans: Scans) -> None:
    """By whoever checks the code again, or does not."""
    form, session = desk.issue(), scans.handed_in()
    first = signed(scans, session, form, token(desk, form), key="k")
    again = signed(scans, session, form, "another", key="k")
    assert (again.replayed, again.position) == (True, first.position)


@pytest.mark.parametrize("ok", [archive_letter, archive_consent])
@pytest.mark.parametrize("pages", [None, [2, 1], [2]])
def test_an_archive_whose_twin_is_under_way_is_done_once(
    desk: MemoryDesk, scans: Scans, ok: Callable[..., Outcome], pages: list[int] | None
) -> None:
    session = scans.handed_in(2)
    twins: list[Outcome] = []
    meanwhile(desk, lambda: twins.append(ok(scans, session, pages=pages, key="k")))
    outcome = ok(scans, session, pages=pages, key="k")
    assert (outcome.replayed, papers(outcome, session)) == (True, papers(twins[0], session))
    assert desk.topics.count("document-archived.v1") == 1
    assert_nothing_lost(scans, [session], [outcome])


def test_images_that_a_twin_did_not_archive_stay(desk: MemoryDesk, scans: Scans) -> None:
    """Both asked for all the pages, and another came in between the two looks."""
    session = scans.handed_in(2)
    seen = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    scans.put(session, 3)
    meanwhile(desk, lambda: scans.ok(session, seen=seen, key="k"))
    outcome = scans.ok(session, key="k")
    assert outcome.replayed
    assert scans.plain(session) == [b"\xff\xd8 page 3"]


def test_an_archive_whose_twin_was_first_by_a_moment_is_not_refused(
    desk: MemoryDesk, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knew of the twin when it was asked for, and the session was over when it came to archive it."""
    session, known = scans.handed_in(2), desk.log.find_command
    seen = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    first = scans.ok(session, key="k")
    too_early = [None]
    monkeypatch.setattr(desk.log, "find_command", lambda command: too_early.pop() if too_early else known(command))
    again = scans.ok(session, seen=seen, key="k")
    assert (again.replayed, again.position, too_early) == (True, first.position, [])


def assert_nothing_lost(scans: Scans, sessions: list[UUID], outcomes: list[Outcome]) -> None:
    """What lies in the content store are the images of the sessions and the contents of the documents."""
    named = {page.content.id for session in sessions for page in scans.state(session).pages.values()}
    archived = [r.envelope.body for o in outcomes for r in o.recorded]
    named |= {event.content.id for event in archived if isinstance(event, DocumentArchived)}
    assert scans.images.keys() == named


# -- two desks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("customer", ["100234", "100235"])
def test_of_two_desks_that_archive_the_same_session_one_wins(desk: MemoryDesk, scans: Scans, customer: str) -> None:
    """Also when both make the same file for the same customer of it: that is no duplicate of theirs."""
    session = scans.handed_in(2)
    won: list[Outcome] = []
    meanwhile(desk, lambda: won.append(scans.ok(session, actor="a.visser")))
    with pytest.raises(IllegalTransition) as refused:
        scans.ok(session, customer=customer)
    assert refused.value.extra == {"state": "archived"}
    assert_nothing_lost(scans, [session], won)


def test_of_two_desks_with_one_code_one_wins_and_the_other_is_told_of_the_document(
    desk: MemoryDesk, scans: Scans
) -> None:
    """Edge case 4, each with a session of its own."""
    form, mine, theirs = desk.issue(), scans.handed_in(), scans.handed_in(2)
    won: list[Outcome] = []
    check = token(desk, form, "a.visser")
    meanwhile(desk, lambda: won.append(signed(scans, theirs, form, check, actor="a.visser")))
    with pytest.raises(ScanCodeRedeemed) as refused:
        signed(scans, mine, form, token(desk, form))
    assert refused.value.extra["existing"] == str(desk.evidence(form))
    assert scans.state(mine).state is ScanState.REVIEW
    assert_nothing_lost(scans, [mine, theirs], won)


@pytest.mark.parametrize(
    "change",
    [
        lambda scans, session: scans.arrange(session, MovePage(1, 2)),
        lambda scans, session: scans.arrange(session, Rotate(1, 90)),
        lambda scans, session: scans.put(session, 1, 9),
        lambda scans, session: scans.ok(session, [1], customer="100235"),
    ],
    ids=["moved", "turned", "replaced", "archived in part"],
)
def test_a_document_of_pages_that_somebody_changed_meanwhile_is_refused(
    desk: MemoryDesk, scans: Scans, change: Callable[[Scans, UUID], object]
) -> None:
    """Else a page would be in no document, and its image gone."""
    session = scans.handed_in(3)
    meanwhile(desk, lambda: change(scans, session))
    with pytest.raises(PreconditionFailed):
        scans.ok(session, [1, 2])
    assert desk.topics.count("document-archived.v1") == desk.topics.count("pages-archived.v1")
    assert len(scans.plain(session)) == 3 - desk.topics.count("pages-archived.v1")


def test_a_page_that_comes_in_meanwhile_stays_in_the_session(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in(2)
    meanwhile(desk, lambda: scans.put(session, 3))
    scans.ok(session)
    assert scans.plain(session) == [b"\xff\xd8 page 3"]


def test_a_session_that_is_cancelled_while_its_file_is_made_leaves_nothing(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in(2)
    meanwhile(desk, lambda: scans.cancel(session))
    with pytest.raises(IllegalTransition) as refused:
        scans.ok(session)
    assert (refused.value.extra, scans.images, desk.keys.papers) == ({"state": "cancelled"}, {}, {})


GONE: dict[str, tuple[Callable[[Scans, UUID], object], type[Refusal]]] = {
    "archived": (lambda scans, session: scans.ok(session), IllegalTransition),
    "cancelled": (lambda scans, session: scans.cancel(session), IllegalTransition),
    "removed": (lambda scans, session: scans.arrange(session, RemovePage(1)), ValidationFailed),
    "replaced": (lambda scans, session: scans.put(session, 1, 9), PreconditionFailed),
    "nothing that is known": (lambda scans, session: None, Unavailable),
}


@pytest.mark.parametrize(("change", "refusal"), GONE.values(), ids=GONE.keys())
def test_images_that_are_gone_before_a_file_is_made_of_them(
    desk: MemoryDesk, scans: Scans, change: Callable[[Scans, UUID], object], refusal: type[Refusal]
) -> None:
    session = scans.handed_in(1)
    seen = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    change(scans, session)
    with pytest.raises(refusal):
        desk.archive.scanning.answer_for_lost_images(seen, None, [1], ORDER, a_caller(), reach=EVERYWHERE)


def test_images_that_a_twin_archived_are_answered_as_to_the_twin(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in(1)
    seen = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    first = scans.ok(session, key="k")
    caller = a_caller(idempotency_key="k")
    again = desk.archive.scanning.answer_for_lost_images(seen, None, [1], ORDER, caller, reach=EVERYWHERE)
    assert (again.replayed, again.position) == (True, first.position)


# -- whose sessions ---------------------------------------------------------------------------------------------

DOORS: dict[str, Callable[[MemoryDesk, UUID, Reach], object]] = {
    "look": lambda desk, session, reach: desk.archive.scanning.load_scan_session(session, reach),
    "yes": lambda desk, session, reach: desk.archive.scanning.confirm_scan(session, a_caller(), reach),
    "page": lambda desk, session, reach: desk.archive.scanning.capture_page(session, 3, an_image(3), a_caller(), reach),
    "finish": lambda desk, session, reach: desk.archive.scanning.finish_pass(session, Finish(1), a_caller(), reach),
    "stop": lambda desk, session, reach: desk.archive.scanning.stop_scan(session, a_caller(), reach),
    "reopen": lambda desk, session, reach: desk.archive.scanning.reopen_scan(session, a_caller(), reach),
    "turn": lambda desk, session, reach: desk.archive.scanning.arrange_pages(session, Rotate(1, 90), a_caller(), reach),
    "cancel": lambda desk, session, reach: desk.archive.scanning.cancel_scan(session, a_caller(), reach),
    "archive": lambda desk, session, reach: archive_as_seen(desk, session, reach),
}


LONG_AGO, LATER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def archive_as_seen(desk: MemoryDesk, session: UUID, reach: Reach) -> Outcome:
    scans = Scans(desk.archive)
    seen = desk.archive.scanning.load_scan_session(session, EVERYWHERE)
    file = scans.document_of(seen, [1, 2])
    return desk.archive.scanning.archive_scan(
        seen, None, [1, 2], ORDER, file, a_caller(), rights=EVERYTHING, reach=reach
    )


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
@pytest.mark.parametrize(
    "reach",
    [
        Reach(branch="WEST"),
        Reach(stations={"desk-3": LONG_AGO}),
        Reach(stations={"desk-2": LATER}),
        Reach(stations={}),
    ],
    ids=["another branch", "another station", "a station that another branch had then", "no station"],
)
def test_a_session_out_of_reach_is_not_there(
    desk: MemoryDesk, scans: Scans, door: Callable[[MemoryDesk, UUID, Reach], object], reach: Reach
) -> None:
    session = scans.start(FEEDER)
    for n in (1, 2):
        scans.put(session, n, capture=f"1.{n}")
    scans.finish(session)
    left_alone(desk, NotFound, lambda: door(desk, session, reach))


@pytest.mark.parametrize("reach", [Reach(branch="CENTRAL"), Reach(stations={"desk-2": LONG_AGO})])
def test_a_session_within_reach_is(desk: MemoryDesk, scans: Scans, reach: Reach) -> None:
    assert isinstance(desk.archive.scanning.load_scan_session(scans.start(FEEDER), reach), LoadedScanSession)


def test_a_station_does_not_get_at_a_session_without_a_scanner(desk: MemoryDesk, scans: Scans) -> None:
    session = scans.handed_in()
    left_alone(
        desk, NotFound, lambda: desk.archive.scanning.load_scan_session(session, Reach(stations={"desk-2": LONG_AGO}))
    )
