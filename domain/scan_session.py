"""A scan session: pages from a scanner or another program, until they are documents (B1 to B11).

Decide / evolve, no I/O. Its images are sealed under the session's own key, which is destroyed at its end;
domain/scanning.py loads, decides and appends. A session belongs to no customer until it is archived, so it holds no
name.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain import page_look
from domain.batch import collate_sides
from domain.envelope import UNSET, Event, Sealed
from domain.promises import require_value
from domain.refusals import (
    N_,
    FieldError,
    IllegalTransition,
    NotFound,
    PreconditionFailed,
    ScannerBusy,
    ScannerOffline,
    ScannerTooManyPages,
    ValidationFailed,
)
from domain.values import Content, ScannerSource

CONFIRMATION_MINUTES = 2
FIRST_PASS_OF_ITS_OWN = 1_001


class ScanState(StrEnum):
    """The state of a scan session. `failed` keeps its pages and accepts more; `expired` keeps them for a grace."""

    AWAITING_CONFIRMATION = "awaiting_confirmation"
    SCANNING = "scanning"
    REVIEW = "review"
    FAILED = "failed"
    ARCHIVED = "archived"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


AWAITING, SCANNING, REVIEW = ScanState.AWAITING_CONFIRMATION, ScanState.SCANNING, ScanState.REVIEW
FAILED, ARCHIVED, CANCELLED = ScanState.FAILED, ScanState.ARCHIVED, ScanState.CANCELLED
EXPIRED = ScanState.EXPIRED
OVER = (ARCHIVED, CANCELLED)


class ScannerChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A scanner by its station's name for it, and the settings of the scan."""

    scanner: str
    station: str
    source: ScannerSource
    profile: str


class CapturedPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page image and the findings of paper/. `capture` names the pass and the sheet at a station, so that a
    repeated upload is recognized. `look` is its map (page_look.py), `like` the contents of pages that show the same
    sheet. `degrees` is the rotation to apply, clockwise."""

    content: Content
    sha256: bytes
    width_px: int
    height_px: int
    dpi: int | None
    scan_codes: tuple[str, ...]
    warnings: tuple[str, ...]
    look: bytes
    like: tuple[UUID, ...] = ()
    capture: str | None = None
    degrees: int = 0


# -- commands ---------------------------------------------------------------------------------------------------


class Start(msgspec.Struct, frozen=True):
    """Start a session. Without a device the caller sends the pages. A feeder starts at once; the flatbed waits for a
    Yes (B2)."""

    device: ScannerChoice | None
    now: datetime


class TakeUp(msgspec.Struct, frozen=True):
    """Start a session for pages that a station sent after their session was archived, so that a person reviews them."""

    device: ScannerChoice
    now: datetime


class Confirm(msgspec.Struct, frozen=True):
    """Confirm a pass: the "Yes" of the flatbed, and of every further pass."""

    now: datetime
    pages_max: int


class Capture(msgspec.Struct, frozen=True):
    """Add a page at place `n`, from 1. A station's page goes to the end when its place is occupied, because it came
    late."""

    n: int
    page: CapturedPage
    pages_max: int


class Finish(msgspec.Struct, frozen=True):
    """Finish pass `number` of the station. `problem` is a problem slug, `told` the driver's own text."""

    number: int
    problem: str | None = None
    told: str | None = None


class Stop(msgspec.Struct, frozen=True):
    """Stop the current pass. Its pages stay, and so does a sheet that has left the scanner but was not sent yet."""


class Rotate(msgspec.Struct, frozen=True):
    n: int
    degrees: int


class MovePage(msgspec.Struct, frozen=True):
    n: int
    to: int


class RemovePage(msgspec.Struct, frozen=True):
    n: int


class CollatePasses(msgspec.Struct, frozen=True):
    """Interleave the last two passes of a one-sided feeder, fronts and backs of one stack; batch.collate_sides()."""

    last_first: bool


class CollateSheets(msgspec.Struct, frozen=True):
    """Arrange the sheets as a person says: each by its front and back, or by its only page."""

    sheets: tuple[tuple[int, ...], ...]


class ArchivePages(msgspec.Struct, frozen=True):
    """Remove these pages, in this order, because they are now a document."""

    numbers: tuple[int, ...]
    document: UUID


class Cancel(msgspec.Struct, frozen=True):
    pass


class Expire(msgspec.Struct, frozen=True):
    """End an unused session by the calendar. The clock may be wrong, so its pages stay for a grace period."""


class Reopen(msgspec.Struct, frozen=True):
    """Reopen a session that the calendar ended."""


class DropExpired(msgspec.Struct, frozen=True):
    """Destroy the pages of an expired session after the grace period."""


class Interrupt(msgspec.Struct, frozen=True):
    """Interrupt the pass: its station no longer reports."""

    problem: str


class YieldScanner(msgspec.Struct, frozen=True):
    """Release the scanner for another session. Raises ScannerBusy while this session keeps it."""

    now: datetime


Arrangement = Rotate | MovePage | RemovePage | CollatePasses | CollateSheets
Command = (
    Start
    | TakeUp
    | Confirm
    | Capture
    | Finish
    | Stop
    | Rotate
    | MovePage
    | RemovePage
    | CollatePasses
    | CollateSheets
    | ArchivePages
    | Cancel
    | Expire
    | Reopen
    | DropExpired
    | Interrupt
    | YieldScanner
)


# -- events -----------------------------------------------------------------------------------------------------


class ScanStarted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "scan-started.v1"
    device: ScannerChoice | None
    at: datetime


class ScanConfirmed(Event, frozen=True, kw_only=True):
    """A pass begins; passes are numbered from 1."""

    topic: ClassVar[str] = "scan-confirmed.v1"
    number: int
    at: datetime


class PageCaptured(Event, frozen=True, kw_only=True):
    """A page at place `n`. `replaced` is the content of the page that was there, `like` the contents of pages that look
    the same."""

    topic: ClassVar[str] = "page-captured.v2"
    n: int
    replaced: UUID | None
    content: Content
    width_px: int
    height_px: int
    dpi: int | None
    warnings: tuple[str, ...]
    capture: str | None
    like: tuple[UUID, ...]
    sha256: Sealed[bytes] = UNSET
    scan_codes: Sealed[tuple[str, ...]] = UNSET
    look: Sealed[bytes] = UNSET


class Placed(msgspec.Struct, frozen=True):
    """A page by its content, and its rotation in degrees."""

    content: UUID
    degrees: int


class PagesArranged(Event, frozen=True, kw_only=True):
    """The pages in their new order; a removed page is missing."""

    topic: ClassVar[str] = "pages-arranged.v1"
    pages: tuple[Placed, ...]


class ScanFinished(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "scan-finished.v1"
    number: int


class ScanInterrupted(Event, frozen=True, kw_only=True):
    """The pass ended early; its pages stay. `told` is the driver's own text, for operators only."""

    topic: ClassVar[str] = "scan-interrupted.v1"
    problem: str
    told: Sealed[str | None] = UNSET


class PagesArchived(Event, frozen=True, kw_only=True):
    """These contents are in the document, unchanged; the session no longer has them."""

    topic: ClassVar[str] = "pages-archived.v1"
    document: UUID
    pages: tuple[UUID, ...]


class ScanCancelled(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "scan-cancelled.v1"


class ScanExpired(Event, frozen=True, kw_only=True):
    """The session was not used in time. Its pages and its key stay until it is reopened or, after a grace period,
    cancelled."""

    topic: ClassVar[str] = "scan-expired.v1"


class ScanReopened(Event, frozen=True, kw_only=True):
    """A person reopened an expired session."""

    topic: ClassVar[str] = "scan-reopened.v1"


class ScanClosed(Event, frozen=True, kw_only=True):
    """Every page is in a document, or was removed."""

    topic: ClassVar[str] = "scan-closed.v1"


class ScannerYielded(Event, frozen=True, kw_only=True):
    """The Yes was not given in time, and another session has the scanner. If the Yes arrives at the same moment, the
    version of the stream decides which session gets it."""

    topic: ClassVar[str] = "scanner-yielded.v1"


ScanEvent = (
    ScanStarted
    | ScanConfirmed
    | PageCaptured
    | PagesArranged
    | ScanFinished
    | ScanInterrupted
    | PagesArchived
    | ScanCancelled
    | ScanExpired
    | ScanReopened
    | ScanClosed
    | ScannerYielded
)


# -- state ------------------------------------------------------------------------------------------------------


class ScanSession(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a session. `pages` by place; places may be missing while pages arrive. `passes`: the number of the
    last pass, which began `asked_at`; before the first pass 0 and the time of the start."""

    state: ScanState
    version: int
    device: ScannerChoice | None
    asked_at: datetime
    passes: int = 0
    pages: dict[int, CapturedPage] = {}
    captures: frozenset[str] = frozenset()
    problem: str | None = None
    documents: tuple[UUID, ...] = ()

    @property
    def last_place(self) -> int:
        """The highest place of a page; 0 without pages."""
        return max(self.pages, default=0)

    @property
    def is_shut(self) -> bool:
        """True if its key is destroyed: then the digests of its pages cannot be read."""
        return any(not page.sha256 for page in self.pages.values())

    @property
    def pages_in_order(self) -> list[tuple[int, CapturedPage]]:
        """The pages with their places, in order."""
        return sorted(self.pages.items())

    @property
    def twin_places(self) -> frozenset[int]:
        """The places of pages that show the same sheet as an earlier page, which was perhaps fed twice."""
        twins, seen, liked = set(), set[UUID](), set[UUID]()
        for n, page in self.pages_in_order:
            if page.content.id in liked or not seen.isdisjoint(page.like):
                twins.add(n)
            seen.add(page.content.id)
            liked.update(page.like)
        return frozenset(twins)


# -- decide -----------------------------------------------------------------------------------------------------


def decide(state: ScanSession | None, command: Command) -> Sequence[ScanEvent]:
    if isinstance(command, Start):
        return _start_session(command)
    if isinstance(command, TakeUp):
        return _take_up(command)
    state = require_value(state, "use cases refuse an absent session before they decide")
    match command:
        case Confirm():
            return _confirm_pass(state, command)
        case Capture():
            return _capture_page(state, command)
        case Finish():
            return _finish_pass(state, command)
        case Stop():
            return _stop_pass(state)
        case Rotate() | MovePage() | RemovePage():
            return _arrange_pages(state, command)
        case CollatePasses() | CollateSheets():
            return _collate_pages(state, command)
        case ArchivePages():
            return _archive_pages(state, command)
        case Cancel():
            return _cancel_session(state)
        case Expire():
            return _expire_session(state)
        case Reopen():
            return _reopen_session(state)
        case DropExpired():
            return [ScanCancelled()] if state.state is EXPIRED else []
        case Interrupt(problem=problem):
            interrupted = ScanInterrupted(problem=problem, told=None)
            return [interrupted] if state.state is SCANNING else []
        case YieldScanner(now=now):
            if keeps_scanner(state, now):
                raise ScannerBusy
            return [ScannerYielded()] if state.state is AWAITING else []


def _start_session(command: Start) -> Sequence[ScanEvent]:
    started = ScanStarted(device=command.device, at=command.now)
    if command.device is None or command.device.source is ScannerSource.FLATBED:
        return [started]
    return [started, ScanConfirmed(number=1, at=command.now)]


def _take_up(command: TakeUp) -> Sequence[ScanEvent]:
    """Start the session as interrupted: the desk sees a station that fell silent, with pages that the person who
    archived the others has not seen."""
    return [
        ScanStarted(device=command.device, at=command.now),
        ScanInterrupted(problem=ScannerOffline.slug, told=None),
    ]


def _confirm_pass(state: ScanSession, command: Confirm) -> Sequence[ScanEvent]:
    """Begin a pass. Raises IllegalTransition for a session without a device."""
    _require_state(state, AWAITING, REVIEW, FAILED)
    if state.device is None:
        raise IllegalTransition(state=state.state.value)
    if state.last_place >= command.pages_max:
        raise ScannerTooManyPages
    return [ScanConfirmed(number=_next_pass(state), at=command.now)]


def _next_pass(state: ScanSession) -> int:
    """The number of the next pass. Sheets are identified by pass and number. Late pages carry the pass numbers of
    another session, and more may arrive, so passes of this session begin far above those."""
    return FIRST_PASS_OF_ITS_OWN if state.passes == 0 and state.captures else state.passes + 1


def _capture_page(state: ScanSession, command: Capture) -> Sequence[ScanEvent]:
    """Add a page. Idempotent: a station's sheet is recognized by its capture, because two sheets may be equal to the
    last bit, in every state of the session; a caller's page by its place and digest."""
    page, n = command.page, command.n
    if page.capture is not None and page.capture in state.captures:
        return []
    _require_state(state, SCANNING, REVIEW, FAILED)
    there = state.pages.get(n)
    if there is not None and page.capture is not None:
        n, there = state.last_place + 1, None
    elif there is not None and there.sha256 == page.sha256:
        return []
    if n > command.pages_max:
        raise ScannerTooManyPages
    return [
        PageCaptured(
            n=n,
            replaced=there.content.id if there else None,
            content=page.content,
            width_px=page.width_px,
            height_px=page.height_px,
            dpi=page.dpi,
            warnings=page.warnings,
            capture=page.capture,
            sha256=page.sha256,
            scan_codes=page.scan_codes,
            look=page.look,
            like=pages_like(page, (one for m, one in state.pages_in_order if m != n)),
        )
    ]


LIKE_MAX = 8
"""At most this many similar pages are named, the latest."""


def pages_like(page: CapturedPage, others: Iterable[CapturedPage]) -> tuple[UUID, ...]:
    """The contents of the pages with the same codes that show the same sheet. Blank pages match none."""
    if "blank" in page.warnings:
        return ()
    cells = page_look.unpack_map(page.look)
    same = (
        other.content.id
        for other in others
        if other.scan_codes == page.scan_codes
        and "blank" not in other.warnings
        and page_look.is_same_sheet(cells, page_look.unpack_map(other.look))
    )
    return tuple(same)[-LIKE_MAX:]


def _finish_pass(state: ScanSession, command: Finish) -> Sequence[ScanEvent]:
    """Finish the pass. A station that was given up may return and report success; reports about older passes are
    ignored."""
    if state.state not in (SCANNING, FAILED) or command.number != state.passes:
        return []
    if command.problem is None:
        return [ScanFinished(number=command.number)]
    if state.state is FAILED and state.problem == command.problem:
        return []
    return [ScanInterrupted(problem=command.problem, told=command.told)]


def _stop_pass(state: ScanSession) -> Sequence[ScanEvent]:
    """Stop the pass. Idempotent: no event when the pass has ended already."""
    _require_state(state, SCANNING, REVIEW, FAILED)
    return [ScanFinished(number=state.passes)] if state.state is SCANNING else []


def _arrange_pages(state: ScanSession, command: Rotate | MovePage | RemovePage) -> Sequence[ScanEvent]:
    _require_state(state, REVIEW, FAILED)
    _require_page(state, command.n)
    places = [n for n, _ in state.pages_in_order]
    at = places.index(command.n)
    placed = [Placed(page.content.id, page.degrees) for _, page in state.pages_in_order]
    match command:
        case Rotate(degrees=degrees):
            placed[at] = Placed(placed[at].content, (placed[at].degrees + degrees) % 360)
        case MovePage(to=to):
            if not 1 <= to <= len(placed):
                raise ValidationFailed(FieldError("to", N_("must be a page of this session")))
            placed.insert(to - 1, placed.pop(at))
        case RemovePage():
            del placed[at]
    return [PagesArranged(pages=tuple(placed))]


def _collate_pages(state: ScanSession, command: CollatePasses | CollateSheets) -> Sequence[ScanEvent]:
    """Arrange the pages sheet by sheet from the place of the first of them; the other pages keep their order."""
    _require_state(state, REVIEW, FAILED)
    numbers = _sheet_by_sheet(state, command)
    places, chosen = [n for n, _ in state.pages_in_order], {*numbers}
    others = [n for n in places if n not in chosen]
    before = min(map(places.index, numbers))
    order = [*others[:before], *numbers, *others[before:]]
    if order == places:
        return []
    return [PagesArranged(pages=tuple(Placed(state.pages[n].content.id, state.pages[n].degrees) for n in order))]


def _sheet_by_sheet(state: ScanSession, command: CollatePasses | CollateSheets) -> Sequence[int]:
    if isinstance(command, CollatePasses):
        return collate_sides(*_sides_of_passes(state), last_first=command.last_first)
    numbers = [n for sheet in command.sheets for n in sheet]
    _require_pages(state, numbers, "sheets")
    return numbers


def _sides_of_passes(state: ScanSession) -> tuple[Sequence[int], Sequence[int]]:
    """The places of the pages of the last two passes, in the order of their sheets, so that a wrong collation can be
    repeated the other way. A pass without remaining pages is ignored."""
    passes: defaultdict[int, list[int]] = defaultdict(list)
    for number, _, n in sorted((*_parse_capture(page.capture), n) for n, page in state.pages.items() if page.capture):
        passes[number].append(n)
    fronts, backs = [*list(passes.values())[-2:], [], []][:2]
    return fronts, backs


def _parse_capture(capture: str) -> tuple[int, int]:
    """The pass and the sheet of a capture."""
    number, _, sheet = capture.partition(".")
    return int(number), int(sheet)


def _cancel_session(state: ScanSession) -> Sequence[ScanEvent]:
    """Cancel the session. Idempotent: repeating the command returns no events."""
    if state.state is CANCELLED:
        return []
    _require_state(state, AWAITING, SCANNING, REVIEW, FAILED, EXPIRED)
    return [ScanCancelled()]


def _expire_session(state: ScanSession) -> Sequence[ScanEvent]:
    """Expire the session; one without pages is cancelled, because it has nothing to keep."""
    if state.state in (*OVER, EXPIRED):
        return []
    return [ScanExpired()] if state.pages else [ScanCancelled()]


def _reopen_session(state: ScanSession) -> Sequence[ScanEvent]:
    """Reopen the session. Idempotent: repeating the command returns no events."""
    _require_state(state, EXPIRED, REVIEW, FAILED)
    return [ScanReopened()] if state.state is EXPIRED else []


def _archive_pages(state: ScanSession, command: ArchivePages) -> Sequence[ScanEvent]:
    require_archivable(state, command.numbers)
    gone = tuple(state.pages[n].content.id for n in command.numbers)
    archived = PagesArchived(document=command.document, pages=gone)
    return [archived, ScanClosed()] if len(gone) == len(state.pages) else [archived]


def require_archivable(state: ScanSession, numbers: Sequence[int]) -> None:
    """Raise a refusal unless the numbers are pages of this session, at least one, each once."""
    _require_state(state, REVIEW, FAILED)
    if not numbers:
        raise ValidationFailed(FieldError("pages", N_("there are no pages to archive")))
    _require_pages(state, numbers, "pages")


def _require_pages(state: ScanSession, numbers: Sequence[int], field: str) -> None:
    if len(set(numbers)) < len(numbers) or not set(numbers) <= state.pages.keys():
        raise ValidationFailed(FieldError(field, N_("must be pages of this session, each listed once")))


def require_unchanged(seen: ScanSession, state: ScanSession, numbers: Sequence[int]) -> None:
    """Raise PreconditionFailed unless these pages are the same as when the document was made of them."""
    if any(seen.pages.get(n) != state.pages.get(n) for n in numbers):
        raise PreconditionFailed(version=state.version)


def _require_page(state: ScanSession, n: int) -> None:
    if n not in state.pages:
        raise NotFound


def _require_state(state: ScanSession, *allowed: ScanState) -> None:
    if state.state not in allowed:
        raise IllegalTransition(state=state.state.value)


def keeps_scanner(state: ScanSession, now: datetime) -> bool:
    """True if other sessions must wait for its scanner: during a scan, and for two minutes while a Yes is awaited."""
    if state.state is AWAITING:
        return now - state.asked_at <= timedelta(minutes=CONFIRMATION_MINUTES)
    return state.state is SCANNING


# -- evolve -----------------------------------------------------------------------------------------------------


def evolve(state: ScanSession | None, event: ScanEvent) -> ScanSession:
    if isinstance(event, ScanStarted):
        return _state_from_started(event)
    state = require_value(state, "a session begins with ScanStarted")
    state = msgspec.structs.replace(state, version=state.version + 1)
    match event:
        case ScanConfirmed(number=number, at=at):
            return msgspec.structs.replace(state, state=SCANNING, passes=number, asked_at=at, problem=None)
        case PageCaptured():
            return _apply_capture(state, event)
        case PagesArranged(pages=placed):
            return msgspec.structs.replace(state, pages=_apply_arrangement(state, placed))
        case ScanFinished():
            return msgspec.structs.replace(state, state=REVIEW, problem=None)
        case ScanInterrupted(problem=problem):
            return msgspec.structs.replace(state, state=FAILED, problem=problem)
        case PagesArchived(document=document, pages=gone):
            kept = [page for _, page in state.pages_in_order if page.content.id not in gone]
            return msgspec.structs.replace(
                state, pages=dict(enumerate(kept, 1)), documents=(*state.documents, document)
            )
        case ScanCancelled():
            return msgspec.structs.replace(state, state=CANCELLED, pages={})
        case ScanExpired():
            return msgspec.structs.replace(state, state=EXPIRED)
        case ScanReopened():
            return msgspec.structs.replace(state, state=state_reopened(state.problem))
        case ScanClosed():
            return msgspec.structs.replace(state, state=ARCHIVED)
        case ScannerYielded():
            return state


def state_reopened(problem: str | None) -> ScanState:
    """The state of a reopened session: the one in which it expired, according to its last problem."""
    return FAILED if problem else REVIEW


def _state_from_started(event: ScanStarted) -> ScanSession:
    if event.device is None:
        return ScanSession(state=REVIEW, version=1, device=None, asked_at=event.at)
    return ScanSession(state=AWAITING, version=1, device=event.device, asked_at=event.at)


def _apply_capture(state: ScanSession, event: PageCaptured) -> ScanSession:
    page = CapturedPage(
        content=event.content,
        sha256=event.sha256 or b"",
        width_px=event.width_px,
        height_px=event.height_px,
        dpi=event.dpi,
        scan_codes=event.scan_codes or (),
        warnings=event.warnings,
        look=event.look or b"",
        like=event.like,
        capture=event.capture,
    )
    captures = state.captures | {event.capture} if event.capture else state.captures
    return msgspec.structs.replace(state, pages={**state.pages, event.n: page}, captures=captures)


def _apply_arrangement(state: ScanSession, placed: Sequence[Placed]) -> dict[int, CapturedPage]:
    pages = {page.content.id: page for page in state.pages.values()}
    turned = (msgspec.structs.replace(pages[p.content], degrees=p.degrees) for p in placed)
    return dict(enumerate(turned, 1))


def fold(events: Iterable[ScanEvent]) -> ScanSession | None:
    state: ScanSession | None = None
    for event in events:
        state = evolve(state, event)
    return state
