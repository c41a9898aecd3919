"""What a scanner and whoever stands at it do: devices, page images, sessions in each of their states."""

import hashlib
import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain import scan_session
from domain.archive import Inspected
from domain.scan_session import (
    ArchivePages,
    Cancel,
    Capture,
    CapturedPage,
    Command,
    Confirm,
    Device,
    Finish,
    ScanEvent,
    ScanSession,
    Start,
)
from domain.values import ScannerSource
from tests.builders.papers import a_content, an_upload

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PAGES_MAX = 500
GLASS = Device(scanner="desk-2:flatbed", station="desk-2", source=ScannerSource.FLATBED, profile="letter")
FEEDER = Device(scanner="desk-2:feeder", station="desk-2", source=ScannerSource.FEEDER, profile="letter")


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
        "fingerprint": fingerprint(mark),
    }
    return CapturedPage(**usual | changes)


def fingerprint(mark: int) -> int:
    """64 bits that differ from those of every other mark in about half."""
    return int.from_bytes(hashlib.sha256(b"mark %d" % mark).digest()[:8])


def an_image(mark: int = 1, **changes: Any) -> Inspected:
    """The same as it comes in; `file` is its bytes."""
    plain = changes.pop("plain", b"\xff\xd8 page %d" % mark)
    usual: dict[str, Any] = {
        "file": an_upload(plain, name=None, media_type="image/jpeg", pages=1),
        "width_px": 2480,
        "height_px": 3508,
        "dpi": 300,
        "scan_codes": (),
        "warnings": (),
        "fingerprint": fingerprint(mark),
    }
    return Inspected(**usual | changes)


def a_document_of(plain: bytes, pages: int) -> Any:
    """What paper/ puts together of pages, as archive_scan() takes it."""
    return an_upload(plain, file=io.BytesIO(plain), name=None, pages=pages)


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


STATES = {
    "awaiting_confirmation": awaiting,
    "scanning": scanning,
    "review": reviewed,
    "failed": failed,
    "archived": archived,
    "cancelled": cancelled,
}
