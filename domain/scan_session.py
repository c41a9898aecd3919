"""A scan session: pages on their way from a scanner, or from any other program, into documents (B1 to B11).

Decide / evolve, no I/O. Its images are sealed under a key of its own, which goes when it is over; domain/scanning.py
loads, decides and appends. Nobody's name is known here: a session belongs to no customer until it is archived.
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
    """State of a scan session; `failed` keeps its pages and takes more, `expired` keeps them for a grace."""

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


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Which scanner, as its station calls it, and how it is asked to scan."""

    scanner: str
    station: str
    source: ScannerSource
    profile: str


class CapturedPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page image as it came, with what paper/ found on it. `capture` names the pass and the sheet at a station, so
    that a page that is sent twice is known; `look` is its map (page_look.py), `like` the contents of pages that show
    the same sheet; `degrees` is how it is to be turned, clockwise."""

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
    """Without a device the pages come from the caller. A feeder begins at once, the glass waits for a Yes (B2)."""

    device: Device | None
    now: datetime


class TakeUp(msgspec.Struct, frozen=True):
    """A station's pages came after their session was archived: this one takes them, for somebody to look at."""

    device: Device
    now: datetime


class Confirm(msgspec.Struct, frozen=True):
    """The "Yes" of the flatbed, and of every further pass."""

    now: datetime
    pages_max: int


class Capture(msgspec.Struct, frozen=True):
    """A page at place `n`, from 1. One of a station goes to the end should its place be taken, for it came late."""

    n: int
    page: CapturedPage
    pages_max: int


class Finish(msgspec.Struct, frozen=True):
    """The station is done with pass `number`; `problem` is a slug of a problem, `told` the driver's own text."""

    number: int
    problem: str | None = None
    told: str | None = None


class Stop(msgspec.Struct, frozen=True):
    """Somebody wants no more of the pass under way. The pages that are there stay, and so does a sheet that is through
    the scanner but still on its way."""


class Rotate(msgspec.Struct, frozen=True):
    n: int
    degrees: int


class MovePage(msgspec.Struct, frozen=True):
    n: int
    to: int


class RemovePage(msgspec.Struct, frozen=True):
    n: int


class CollatePasses(msgspec.Struct, frozen=True):
    """The last two passes of a one-sided feeder were the fronts and the backs of one stack; batch.collate()."""

    last_first: bool


class CollateSheets(msgspec.Struct, frozen=True):
    """As a person says: each sheet by its front and its back, or by the one page that there is of it."""

    sheets: tuple[tuple[int, ...], ...]


class ArchivePages(msgspec.Struct, frozen=True):
    """These pages, in this order, have become a document."""

    numbers: tuple[int, ...]
    document: UUID


class Cancel(msgspec.Struct, frozen=True):
    pass


class Expire(msgspec.Struct, frozen=True):
    """Nobody came back to it, by the calendar. A wrong clock may say so, so its pages stay for a grace."""


class Reopen(msgspec.Struct, frozen=True):
    """Somebody comes back to a session that the calendar ended."""


class DropExpired(msgspec.Struct, frozen=True):
    """The grace of a session that the calendar ended is over."""


class Interrupt(msgspec.Struct, frozen=True):
    """Nothing comes of the pass any more: the station fell silent."""

    problem: str


class YieldScanner(msgspec.Struct, frozen=True):
    """Another session wants its scanner: refused while it keeps that, ScannerBusy."""

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
    device: Device | None
    at: datetime


class ScanConfirmed(Event, frozen=True, kw_only=True):
    """A pass begins; `number` counts them from 1."""

    topic: ClassVar[str] = "scan-confirmed.v1"
    number: int
    at: datetime


class PageCaptured(Event, frozen=True, kw_only=True):
    """At place `n`; `replaced` is the content of the page that was there, `like` those of pages that look the same."""

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
    """A page by its content, and how it is turned."""

    content: UUID
    degrees: int


class PagesArranged(Event, frozen=True, kw_only=True):
    """The pages as they are now, in their order; a removed one is missing."""

    topic: ClassVar[str] = "pages-arranged.v1"
    pages: tuple[Placed, ...]


class ScanFinished(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "scan-finished.v1"
    number: int


class ScanInterrupted(Event, frozen=True, kw_only=True):
    """The pages that are there stay. `told` is the driver's own text, for operators only."""

    topic: ClassVar[str] = "scan-interrupted.v1"
    problem: str
    told: Sealed[str | None] = UNSET


class PagesArchived(Event, frozen=True, kw_only=True):
    """These contents are in the document, unchanged; here they go."""

    topic: ClassVar[str] = "pages-archived.v1"
    document: UUID
    pages: tuple[UUID, ...]


class ScanCancelled(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "scan-cancelled.v1"


class ScanExpired(Event, frozen=True, kw_only=True):
    """Nobody came back to it. Its pages and its key stay until it is reopened or, after a grace, cancelled."""

    topic: ClassVar[str] = "scan-expired.v1"


class ScanReopened(Event, frozen=True, kw_only=True):
    """Somebody came back to a session that had expired."""

    topic: ClassVar[str] = "scan-reopened.v1"


class ScanClosed(Event, frozen=True, kw_only=True):
    """Every page is in a document, or was removed."""

    topic: ClassVar[str] = "scan-closed.v1"


class ScannerYielded(Event, frozen=True, kw_only=True):
    """Nobody said Yes in time, and another session has the scanner. Should somebody say it after all in this moment,
    the version of the stream decides who has it."""

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
    """`pages` by their place; places may be missing while pages come in. `passes`: the number of the last one, begun
    `asked_at`; before the first that is 0, and when it was started."""

    state: ScanState
    version: int
    device: Device | None
    asked_at: datetime
    passes: int = 0
    pages: dict[int, CapturedPage] = {}
    captures: frozenset[str] = frozenset()
    problem: str | None = None
    documents: tuple[UUID, ...] = ()

    @property
    def last_place(self) -> int:
        return max(self.pages, default=0)

    @property
    def is_shut(self) -> bool:
        """Whether its key is gone: the digest of a page is read with it."""
        return any(not page.sha256 for page in self.pages.values())

    @property
    def pages_in_order(self) -> list[tuple[int, CapturedPage]]:
        return sorted(self.pages.items())

    @property
    def twin_places(self) -> frozenset[int]:
        """Places of pages that show the same sheet as one before them: it was fed twice, perhaps."""
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
    """For the desk its station fell silent: pages are here that whoever archived the others has not seen."""
    return [
        ScanStarted(device=command.device, at=command.now),
        ScanInterrupted(problem=ScannerOffline.slug, told=None),
    ]


def _confirm_pass(state: ScanSession, command: Confirm) -> Sequence[ScanEvent]:
    """From the caller alone there is nothing to confirm."""
    _require_state(state, AWAITING, REVIEW, FAILED)
    if state.device is None:
        raise IllegalTransition(state=state.state.value)
    if state.last_place >= command.pages_max:
        raise ScannerTooManyPages
    return [ScanConfirmed(number=_next_pass(state), at=command.now)]


def _next_pass(state: ScanSession) -> int:
    """Sheets are known by pass and number. Those that came late are named by the passes of another session, and more of
    them may come: passes of its own begin far behind those."""
    return FIRST_PASS_OF_ITS_OWN if state.passes == 0 and state.captures else state.passes + 1


def _capture_page(state: ScanSession, command: Capture) -> Sequence[ScanEvent]:
    """The same again changes nothing: a station's sheet by its capture, since two sheets may look alike to the last
    bit, and whatever has become of the session; a caller's page by its place and digest."""
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
"""Of more pages that look the same the latest are named."""


def pages_like(page: CapturedPage, others: Iterable[CapturedPage]) -> tuple[UUID, ...]:
    """The contents of the pages with the same codes that show the same sheet. Blank pages are like none."""
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
    """A station that was given up may still come back and say that all is well; of an older pass nothing is taken."""
    if state.state not in (SCANNING, FAILED) or command.number != state.passes:
        return []
    if command.problem is None:
        return [ScanFinished(number=command.number)]
    if state.state is FAILED and state.problem == command.problem:
        return []
    return [ScanInterrupted(problem=command.problem, told=command.told)]


def _stop_pass(state: ScanSession) -> Sequence[ScanEvent]:
    """Who asks again has not heard the answer, and a pass may have come to its end meanwhile."""
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
                raise ValidationFailed(FieldError("/to", N_("must be a page of the session")))
            placed.insert(to - 1, placed.pop(at))
        case RemovePage():
            del placed[at]
    return [PagesArranged(pages=tuple(placed))]


def _collate_pages(state: ScanSession, command: CollatePasses | CollateSheets) -> Sequence[ScanEvent]:
    """Sheet by sheet from where the first of these pages was; the others around them as they were."""
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
    _require_pages(state, numbers, "/sheets")
    return numbers


def _sides_of_passes(state: ScanSession) -> tuple[Sequence[int], Sequence[int]]:
    """Places of the pages that the last two passes brought, in the order of their sheets: who collated them the wrong
    way may say the other. A pass that brought nothing, or nothing that is still there, was none."""
    passes: defaultdict[int, list[int]] = defaultdict(list)
    for number, _, n in sorted((*_parse_capture(page.capture), n) for n, page in state.pages.items() if page.capture):
        passes[number].append(n)
    fronts, backs = [*list(passes.values())[-2:], [], []][:2]
    return fronts, backs


def _parse_capture(capture: str) -> tuple[int, int]:
    """Pass and sheet."""
    number, _, sheet = capture.partition(".")
    return int(number), int(sheet)


def _cancel_session(state: ScanSession) -> Sequence[ScanEvent]:
    """Who asks again has not heard the answer."""
    if state.state is CANCELLED:
        return []
    _require_state(state, AWAITING, SCANNING, REVIEW, FAILED, EXPIRED)
    return [ScanCancelled()]


def _expire_session(state: ScanSession) -> Sequence[ScanEvent]:
    """A session without pages has nothing to keep."""
    if state.state in (*OVER, EXPIRED):
        return []
    return [ScanExpired()] if state.pages else [ScanCancelled()]


def _reopen_session(state: ScanSession) -> Sequence[ScanEvent]:
    """Idempotent: the command again returns no events."""
    _require_state(state, EXPIRED, REVIEW, FAILED)
    return [ScanReopened()] if state.state is EXPIRED else []


def _archive_pages(state: ScanSession, command: ArchivePages) -> Sequence[ScanEvent]:
    require_archivable(state, command.numbers)
    gone = tuple(state.pages[n].content.id for n in command.numbers)
    archived = PagesArchived(document=command.document, pages=gone)
    return [archived, ScanClosed()] if len(gone) == len(state.pages) else [archived]


def require_archivable(state: ScanSession, numbers: Sequence[int]) -> None:
    """There is something to archive: each page once, and each of this session."""
    _require_state(state, REVIEW, FAILED)
    if not numbers:
        raise ValidationFailed(FieldError("/pages", N_("there are no pages to archive")))
    _require_pages(state, numbers, "/pages")


def _require_pages(state: ScanSession, numbers: Sequence[int], pointer: str) -> None:
    if len(set(numbers)) < len(numbers) or not set(numbers) <= state.pages.keys():
        raise ValidationFailed(FieldError(pointer, N_("must be pages of the session, each once")))


def require_unchanged(seen: ScanSession, state: ScanSession, numbers: Sequence[int]) -> None:
    """These pages are what they were when somebody made a document of them; else PreconditionFailed."""
    if any(seen.pages.get(n) != state.pages.get(n) for n in numbers):
        raise PreconditionFailed(version=state.version)


def _require_page(state: ScanSession, n: int) -> None:
    if n not in state.pages:
        raise NotFound


def _require_state(state: ScanSession, *allowed: ScanState) -> None:
    if state.state not in allowed:
        raise IllegalTransition(state=state.state.value)


def keeps_scanner(state: ScanSession, now: datetime) -> bool:
    """Whether others have to wait for its scanner: while it scans, and for two minutes while a Yes is awaited."""
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
    """The state of a session that is reopened: that in which it expired, as its last problem tells."""
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
