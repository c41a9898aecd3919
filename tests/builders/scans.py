"""What a scanner and whoever stands at it do: devices, page images, sessions in each of their states."""

import functools
import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain import page_look, scan_session
from domain.archive import Archive, ArchiveFile, Examined, InspectedPage, LoadedScanSession, Outcome, Reach
from domain.scan_session import (
    ArchivePages,
    Arrangement,
    Cancel,
    Capture,
    CapturedPage,
    Command,
    Confirm,
    Expire,
    Finish,
    ScanEvent,
    ScannerChoice,
    ScanSession,
    Start,
)
from domain.values import ScannerSource, Source
from tests.builders.memory import EVERYTHING, MemoryContents
from tests.builders.papers import a_caller, a_content, an_order, an_upload

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PAGES_MAX = 500
GLASS = ScannerChoice(scanner="desk-2:flatbed", station="desk-2", source=ScannerSource.FLATBED, profile="letter")
FEEDER = ScannerChoice(scanner="desk-2:feeder", station="desk-2", source=ScannerSource.FEEDER, profile="letter")


def a_page(mark: int = 1, **changes: Any) -> CapturedPage:
    """A page image that no other `mark` looks like."""
    usual: dict[str, Any] = {
        "content": a_content(id=UUID(int=0xC000 + mark), media_type="image/jpeg"),
        "sha256": hashlib.sha256(b"%d" % mark).digest(),
        "width_px": 2480,
        "height_px": 3508,
        "dpi": 300,
        "scan_codes": (),
        "warnings": (),
        "look": a_look(mark),
    }
    return CapturedPage(**usual | changes)


@functools.cache
def a_look(mark: int) -> bytes:
    """The map of a page that looks like that of no other mark: ink strewn over a third of its cells."""
    chance = random.Random(mark)
    return page_look.pack_map(bytes(15 * (chance.random() < 0.3) for _ in range(page_look.WIDE * page_look.HIGH)))


def an_image(mark: int = 1, **changes: Any) -> InspectedPage:
    """The same as it comes in; `file` is its bytes."""
    plain = changes.pop("plain", b"\xff\xd8 page %d" % mark)
    usual: dict[str, Any] = {
        "file": an_upload(plain, name=None, media_type="image/jpeg", pages=1),
        "width_px": 2480,
        "height_px": 3508,
        "dpi": 300,
        "scan_codes": (),
        "warnings": (),
        "look": a_look(mark),
    }
    return InspectedPage(**usual | changes)


class Scans:
    """Somebody at a scanner: what api/scans.py does of the use cases, in the same steps. `read` gives the plain image
    of a page of a session; without it contents are in memory."""

    def __init__(self, archive: Archive, read: Callable[[UUID, CapturedPage], bytes] | None = None) -> None:
        self.archive = archive
        self.read = read or self._remembered

    def _remembered(self, _: UUID, page: CapturedPage) -> bytes:
        return self.images.get(page.content.id, b"gone")

    @property
    def images(self) -> dict[UUID, bytes]:
        """Plain bytes of everything that lies in the content store."""
        contents = self.archive.ports.contents
        assert isinstance(contents, MemoryContents)
        return contents.plain

    def start(self, device: ScannerChoice | None = None, *, key: str | None = None, **caller: Any) -> UUID:
        return self.archive.scanning.start_scan(device, a_caller(idempotency_key=key, **caller), asked=device).id

    def put(self, session: UUID, n: int, mark: int | None = None, **image: Any) -> bool:
        """Whether it was new."""
        return self.put_in(session, n, mark, **image)[1]

    def put_in(self, session: UUID, n: int, mark: int | None = None, **image: Any) -> tuple[LoadedScanSession, bool]:
        """The session that has it, which is another one for late pages, and whether it was new."""
        page = an_image(n if mark is None else mark, **image)
        return self.archive.scanning.capture_page(session, n, page, a_caller(), EVERYWHERE)

    def handed_in(self, pages: int = 1, **caller: Any) -> UUID:
        """A session of the caller's own pages."""
        session = self.start(**caller)
        for n in range(1, pages + 1):
            self.put(session, n)
        return session

    def confirm(self, session: UUID, *, key: str | None = None) -> LoadedScanSession:
        return self.archive.scanning.confirm_scan(session, a_caller(idempotency_key=key), EVERYWHERE)

    def finish(self, session: UUID, number: int = 1, problem: str | None = None) -> LoadedScanSession:
        return self.archive.scanning.finish_pass(session, Finish(number, problem, "told"), a_caller(), EVERYWHERE)

    def arrange(
        self, session: UUID, command: Arrangement, *, key: str | None = None, version: int | None = None
    ) -> LoadedScanSession:
        caller = a_caller(idempotency_key=key)
        return self.archive.scanning.arrange_pages(session, command, caller, EVERYWHERE, version=version)

    def cancel(self, session: UUID) -> LoadedScanSession:
        return self.archive.scanning.cancel_scan(session, a_caller(), EVERYWHERE)

    def reopen(self, session: UUID) -> LoadedScanSession:
        return self.archive.scanning.reopen_scan(session, a_caller(), EVERYWHERE)

    def state(self, session: UUID) -> ScanSession:
        return self.archive.scanning.load_scan_session(session, EVERYWHERE).state

    def plain(self, session: UUID) -> list[bytes]:
        """The images of a session as they lie there, in its order."""
        return [self.read(session, page) for _, page in self.state(session).pages_in_order]

    def ok(
        self,
        session: UUID,
        pages: Sequence[int] | None = None,
        *,
        seen: LoadedScanSession | None = None,
        key: str | None = None,
        actor: str = "j.smit",
        **order: Any,
    ) -> Outcome:
        """OK, for a letter of customer 100234 if nothing else is said. `seen`: when the file was put together."""
        seen = seen or self.archive.scanning.load_scan_session(session, EVERYWHERE)
        numbers = [n for n, _ in seen.state.pages_in_order] if pages is None else pages
        file = self.document_of(seen, numbers)
        caller = a_caller(idempotency_key=key, actor=actor)
        return self.archive.scanning.archive_scan(
            seen, pages, numbers, a_scan_order(**order), file, caller, rights=EVERYTHING, reach=EVERYWHERE
        )

    def document_of(self, seen: LoadedScanSession, numbers: Sequence[int]) -> Examined:
        """Stands for the PDF: the images behind one another, each with how it is turned."""
        pages = [seen.state.pages[n] for n in numbers if n in seen.state.pages]
        plain = b"".join(b"%d:%b|" % (p.degrees, self.read(seen.id, p)) for p in pages)
        return an_upload(plain, name=None, pages=len(pages))


def a_scan_order(**changes: Any) -> ArchiveFile:
    return an_order(**{"source": Source.SCAN, **changes})


EVERYWHERE = Reach()


# -- sessions ---------------------------------------------------------------------------------------------------


def after(state: ScanSession | None, *commands: Command) -> ScanSession:
    """What a session is when all of this was done."""
    for command in commands:
        state = folded(state, scan_session.decide(state, command))
    assert state is not None
    return state


def folded(state: ScanSession | None, events: Any) -> ScanSession:
    for event in events:
        assert isinstance(event, ScanEvent)
        state = scan_session.evolve(state, event)
    assert state is not None
    return state


def confirm(**changes: Any) -> Confirm:
    return Confirm(**{"now": NOW, "pages_max": PAGES_MAX, **changes})


def capture(n: int, mark: int | None = None, **changes: Any) -> Capture:
    """A caller's page at place n; with `capture="PASS.SHEET"` that of a station."""
    return Capture(n, a_page(n if mark is None else mark, **changes), PAGES_MAX)


def sheet(number: int, sheet_: int, n: int, mark: int | None = None, **changes: Any) -> Capture:
    """Sheet of a pass as a station sends it."""
    usual = 100 * number + sheet_ if mark is None else mark
    return capture(n, usual, capture=f"{number}.{sheet_}", **changes)


def awaiting() -> ScanSession:
    return after(None, Start(GLASS, NOW))


def scanning() -> ScanSession:
    """The first pass, with two sheets so far."""
    return after(None, Start(FEEDER, NOW), sheet(1, 1, 1), sheet(1, 2, 2))


def reviewed() -> ScanSession:
    return after(scanning(), Finish(1))


def failed() -> ScanSession:
    return after(scanning(), Finish(1, "scanner-jammed", "Document feeder jammed"))


def handed_in(pages: int = 3) -> ScanSession:
    """From the caller alone."""
    return after(None, Start(None, NOW), *(capture(n) for n in range(1, pages + 1)))


def archived() -> ScanSession:
    return after(handed_in(1), ArchivePages((1,), UUID(int=0xD0C)))


def cancelled() -> ScanSession:
    return after(handed_in(1), Cancel())


def expired() -> ScanSession:
    return after(reviewed(), Expire())


STATES = {
    "awaiting_confirmation": awaiting,
    "scanning": scanning,
    "review": reviewed,
    "failed": failed,
    "archived": archived,
    "cancelled": cancelled,
    "expired": expired,
}
