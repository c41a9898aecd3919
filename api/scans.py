"""Runs scan sessions from the first page to the document (B1 to B11); api/stations.py gives their jobs to stations."""

import hashlib
import re
import tempfile
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import IO, Annotated, Literal
from uuid import UUID

import msgspec

from api.answers import answer_made, outcome_of
from api.bodies import Code, ScanCode, Short, Token, note_of, single_line
from api.call import Call
from api.content import SAFE_HEADERS, Streamed, first_piece
from api.documents import require_room, require_type
from api.scan_codes import authorization_of_code
from api.stations import device, stations_of_branch
from domain import batch, refusals
from domain.access import Role
from domain.archive import ArchiveFile, Examined, InspectedPage, LoadedScanSession, Outcome, Reach
from domain.changes import require_version
from domain.document_type import schemes_of
from domain.moment import Moment, format_moment
from domain.page_image import PageImage
from domain.ports import Missing
from domain.refusals import (
    N_,
    FieldError,
    FileTypeNotAllowed,
    NotFound,
    PageTypeNotAllowed,
    ValidationFailed,
)
from domain.scan_session import (
    Arrangement,
    CapturedPage,
    CollatePasses,
    CollateSheets,
    Finish,
    MovePage,
    RemovePage,
    Rotate,
    ScanState,
    require_archivable,
)
from domain.values import ScannerSource, Source, parse_customer_id
from projections import scan_sessions
from projections.reading import SCANS
from web.pointers import in_header
from web.problems import catalog, detail
from web.statuses import status_of
from web.subpath import base_of
from web.uploads import ReceivedFile, receive_file

PDF = "application/pdf"
CAPTURE = re.compile(r"[0-9]{1,6}\.[0-9]{1,6}")
PIECE_BYTES = 1024 * 1024


PageNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Sheet = Annotated[list[PageNumber], msgspec.Meta(min_length=1, max_length=2)]


class ScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scan session to begin. Without a scanner, the caller sends the pages."""

    scanner: Short | None = None
    profile: Short | None = None
    source: ScannerSource | None = None


class RotateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rotation of a page, clockwise."""

    degrees: Literal[90, 180, 270]


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new place of a page."""

    to: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class CollateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order in which pages of two passes become sheets: `backs` or `sheets`, not both. Pages that `sheets` does not
    name keep their places around the sheets.
    """

    backs: Literal["as_scanned", "reversed"] | None = None
    sheets: Annotated[list[Sheet], msgspec.Meta(min_length=1)] | None = None


class NothingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class FinishBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a pass."""

    number: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = msgspec.field(name="pass")
    problem: Short | None = None
    told: Annotated[str, single_line(500)] | None = None


class ArchiveScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document that the pages become: by a checked scan code, or by customer and type."""

    scan_code: ScanCode | None = None
    check_token: Token | None = None
    customer: str | None = None
    type: Code | None = None
    pages: list[PageNumber] | None = None
    received_on: date | None = None
    signed_on: date | None = None
    note: str | None = None
    ground: str | None = None
    external_id: Short | None = None
    duplicate: Literal["allow", "warn"] | None = None


class ScanPage(msgspec.Struct, frozen=True):
    """A page of a scan session."""

    n: int
    sha256: str
    width_px: int
    height_px: int
    dpi: int | None
    scan_codes: tuple[str, ...]
    warnings: tuple[str, ...]
    degrees: int


class ScanProblem(msgspec.Struct, frozen=True):
    """The problem that stopped a pass, in the caller's language."""

    type: str
    title: str
    status: int
    detail: str


class ScanItem(msgspec.Struct, frozen=True, kw_only=True):
    """A scan session."""

    id: UUID
    state: ScanState
    scanner: str | None
    source: ScannerSource | None
    profile: str | None
    pages: list[ScanPage]
    problem: ScanProblem | None
    documents: list[UUID]
    passes: int
    actor: str
    branch: str
    version: int


class SplitDocument(msgspec.Struct, frozen=True):
    """Pages that seem to belong together."""

    scan_codes: tuple[str, ...]
    pages: tuple[int, ...]


class SplitItem(msgspec.Struct, frozen=True, kw_only=True):
    """The documents that the pages of a session seem to be. Each page is in one document, or a separator, or blank."""

    id: UUID
    documents: list[SplitDocument]
    separators: tuple[int, ...]
    blanks: tuple[int, ...]
    repeated: tuple[str, ...]
    version: int


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished scan session."""

    id: UUID
    state: str
    scanner: str | None
    pages: int
    actor: str
    branch: str
    started_at: Moment
    changed_at: Moment
    version: int


async def start_session(call: Call) -> None:
    """POST /scan-sessions. Without a scanner, the caller sends the pages."""
    body = await call.body(ScanBody)
    if body.scanner is None and (body.source or body.profile):
        raise ValidationFailed(FieldError("scanner", N_("is required")))
    use, caller = call.parts.archive.scanning, call.caller()
    session = await call.parts.blocking(use.find_earlier_start, body, caller)
    if session is None:
        chosen = await device(call, body.scanner, body.source, body.profile) if body.scanner else None
        session = await call.parts.blocking(partial(use.start_scan, chosen, caller, asked=body))
    call.resp.set_header("Location", f"/v1/scan-sessions/{session.id}")
    answer_session(call, session, status=201)


async def list_sessions(call: Call) -> None:
    """GET /scan-sessions?branch=: the unfinished sessions, the one with the oldest change first."""
    await call.wait_for_views(SCANS)
    own, asked, cursor = call.principal.branch, call.parse_branch_filter(), call.text("cursor")
    async with call.parts.connection() as conn:
        found = await scan_sessions.list_unfinished(conn, branch=own or asked, limit=call.limit(), cursor=cursor)
    mine = not (own and asked and own != asked)
    items = [item_from_row(row) for row in found.rows] if mine else []
    call.page(items, position=found.position, next_cursor=found.next if mine else None)


async def show_session(call: Call) -> None:
    answer_session(call, await session_of(call))


async def confirm_scan(call: Call) -> None:
    """POST /scan-sessions/{id}/confirm: confirms the next pass; 202, because the station begins a moment later."""
    session = await call.parts.blocking(
        call.parts.archive.scanning.confirm_scan, call.id(), call.caller(), await reach_of(call)
    )
    answer_session(call, session, status=202)


async def stop_scan(call: Call) -> None:
    """POST /scan-sessions/{id}/stop: ends the running pass; its pages stay in the session for review."""
    stopped = partial(call.parts.archive.scanning.stop_scan, call.id(), call.caller(), await reach_of(call))
    answer_session(call, await call.parts.blocking(stopped))


async def cancel_session(call: Call) -> None:
    """DELETE /scan-sessions/{id}: cancels the session and destroys its pages."""
    cancelling = partial(call.parts.archive.scanning.cancel_scan, call.id(), call.caller(), await reach_of(call))
    session = await call.parts.blocking(cancelling)
    if session.replayed:
        call.resp.set_header("Idempotency-Replayed", "true")
    call.resp.status = 204


async def reopen_session(call: Call) -> None:
    """POST /scan-sessions/{id}/reopen: takes back the expiry of a session, with all its pages."""
    reopened = partial(call.parts.archive.scanning.reopen_scan, call.id(), call.caller(), await reach_of(call))
    answer_session(call, await call.parts.blocking(reopened))


async def finish_pass(call: Call) -> None:
    """POST /scan-sessions/{id}/finish: the station reports that a pass is complete, or why it stopped."""
    body = await call.body(FinishBody)
    if body.problem is not None and body.problem not in SCANNER_PROBLEMS:
        raise ValidationFailed(FieldError("problem", N_("is not the name of a scanner problem")))
    done = Finish(body.number, body.problem, body.told)
    session = await call.parts.blocking(
        call.parts.archive.scanning.finish_pass, call.id(), done, call.caller(), await reach_of(call)
    )
    answer_session(call, session)


SCANNER_PROBLEMS = {refusal.slug: refusal for refusal in refusals.all_refusals() if refusal.slug.startswith("scanner-")}


async def suggest_split(call: Call) -> None:
    """GET /scan-sessions/{id}/split: suggests the documents of a batch, which a person archives by `pages`."""
    session = await session_of(call)
    found = batch.split_batch(batch_pages(call, session))
    item = SplitItem(
        id=session.id,
        documents=[SplitDocument(document.codes, document.pages) for document in found.documents],
        separators=found.separators,
        blanks=found.blanks,
        repeated=found.repeated,
        version=session.state.version,
    )
    call.answer(item, position=session.position, version=session.state.version)


def batch_pages(call: Call, session: LoadedScanSession) -> list[batch.BatchPage]:
    """The pages with the scan codes of the archive's forms and of imported ones."""
    known = schemes_of(call.types.values())
    return [
        batch.page_of(n, page.scan_codes, blank="blank" in page.warnings, schemes=known)
        for n, page in session.state.pages_in_order
    ]


# -- pages --------------------------------------------------------------------------------------------------------


async def store_page(call: Call) -> None:
    """PUT /scan-sessions/{id}/pages/{n}: stores one page image; 201 if the page is new, 200 otherwise."""
    parts, n = call.parts, page_number(call)
    await require_room(call)
    reach = await reach_of(call)
    await parts.blocking(
        parts.archive.scanning.load_scan_session, call.id(), reach
    )  # refuses before the page is received
    async with receive_file(call.req, limits=parts.limits, tmp=parts.temporary) as received:
        page = await inspect_page(call, received)
        session, fresh = await parts.blocking(
            parts.archive.scanning.capture_page, call.id(), n, page, call.caller(), reach
        )
    answer_session(call, session, status=201 if fresh else 200)


async def inspect_page(call: Call, received: ReceivedFile) -> InspectedPage:
    """The received page with the findings of the limited child process."""
    try:
        found = await call.parts.examiner.inspect(received.fd, size=received.size, asker=call.asker)
    except FileTypeNotAllowed as refusal:
        raise PageTypeNotAllowed(**refusal.values) from None
    return InspectedPage(
        file=Examined(
            file=received.file,
            name=None,
            size_bytes=received.size,
            sha256=received.sha256,
            media_type=found.media_type,
            pages=1,
            preview=True,
            password_protected=False,
            flags=(),
        ),
        width_px=found.width_px,
        height_px=found.height_px,
        dpi=found.dpi,
        scan_codes=found.scan_codes,
        warnings=found.warnings,
        look=found.look,
        capture=capture_of(call),
    )


def capture_of(call: Call) -> str | None:
    """The station's pass and sheet of this page, by which a repeated page is recognised."""
    text: str | None = call.req.get_header("Archive-Capture")
    if text is not None and not CAPTURE.fullmatch(text):  # the log stores it unchanged
        raise ValidationFailed(FieldError(in_header("Archive-Capture"), N_("must be a pass and a sheet, like 2.13")))
    return text


async def page_image(call: Call) -> None:
    """GET /scan-sessions/{id}/pages/{n}: the image as it was received; with `width` a rotated JPEG of that width."""
    width = call.number("width", default=0, low=16, high=2400)
    session = await session_of(call)
    page = session.state.pages.get(page_number(call))
    if page is None:
        raise NotFound
    await call.record_access("page", scan_session=session.id, page=page_number(call))
    call.resp.set_headers(SAFE_HEADERS)
    try:
        await (send_turned(call, session, page, width) if width else send_original(call, session, page))
    except Missing:  # the page was removed, archived or cancelled meanwhile
        raise NotFound from None


async def send_turned(call: Call, session: LoadedScanSession, page: CapturedPage, width: int) -> None:
    image = PageImage(
        paper=session.id,
        content=page.content.id,
        sha256=page.sha256,
        media_type=page.content.media_type,
        page=1,
        width=width,
        degrees=page.degrees,
    )
    plain = partial(pieces, call, session, page)
    call.resp.data = await call.parts.page_images.draw(image, asker=call.asker, plain=plain)
    call.resp.content_type = "image/jpeg"


async def send_original(call: Call, session: LoadedScanSession, page: CapturedPage) -> None:
    opened = pieces(call, session, page)
    head = await call.parts.blocking(partial(first_piece, opened))
    call.resp.content_type = page.content.media_type
    call.resp.content_length = page.content.size_bytes
    call.resp.stream = Streamed(call.parts.blocking, head, opened)


async def rotate(call: Call) -> None:
    body = await call.body(RotateBody)
    await arrange(call, Rotate(page_number(call), body.degrees))


async def move(call: Call) -> None:
    body = await call.body(MoveBody)
    await arrange(call, MovePage(page_number(call), body.to))


async def remove(call: Call) -> None:
    if call.req.content_length:  # no body means the same as {}
        await call.body(NothingBody)
    await arrange(call, RemovePage(page_number(call)))


async def collate(call: Call) -> None:
    """POST /scan-sessions/{id}/collate: orders fronts and backs of two passes into sheets."""
    body = await call.body(CollateBody)
    if body.sheets is not None and body.backs is not None:
        raise ValidationFailed(FieldError("sheets", N_("cannot be combined with {other}"), other="backs"))
    if body.sheets is not None:
        await arrange(call, CollateSheets(tuple(map(tuple, body.sheets))))
    elif body.backs is not None:
        await arrange(call, CollatePasses(last_first=body.backs == "reversed"))
    else:
        raise ValidationFailed(FieldError("backs", N_("is required")))


async def arrange(call: Call, command: Arrangement) -> None:
    use, reach = call.parts.archive.scanning.arrange_pages, await reach_of(call)
    change = partial(use, call.id(), command, call.caller(), reach, version=call.version_seen())
    answer_session(call, await call.parts.blocking(change))


def page_number(call: Call) -> int:
    text = call.params["n"]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1_000_000:
        raise NotFound
    return int(text[:9])


# -- into a document ----------------------------------------------------------------------------------------------


async def archive_session(call: Call) -> None:
    """POST /scan-sessions/{id}/archive: archives the pages as one PDF with their bytes unchanged (B9, B10)."""
    body, caller, session = await call.body(ArchiveScanBody), call.caller(), call.id()
    order = await order_of(call, body)
    parts, reach = call.parts, await reach_of(call)
    found = await parts.blocking(
        parts.archive.scanning.load_scan_session, session, reach
    )  # first: a twin may archive it meanwhile
    earlier = await parts.blocking(parts.archive.scanning.find_earlier_archive, session, body.pages, order, caller)
    if earlier is None:
        require_version(call.version_seen(), found.state.version)
        numbers = body.pages if body.pages is not None else [n for n, _ in found.state.pages_in_order]
        require_archivable(found.state, numbers)
        earlier = await archive_pages(call, found, body.pages, numbers, order, reach)
    answer_made(call, earlier)


async def archive_pages(
    call: Call, seen: LoadedScanSession, asked: list[int] | None, numbers: list[int], order: ArchiveFile, reach: Reach
) -> Outcome:
    use, caller = call.parts.archive.scanning, call.caller()
    try:
        async with assemble_pages(call, seen, numbers) as file:
            work = partial(use.archive_scan, seen, asked, numbers, order, file, caller, rights=call.rights, reach=reach)
            return await outcome_of(call, work)
    except Missing:
        gone = partial(use.answer_for_lost_images, seen, asked, numbers, order, caller, reach=reach)
        return await outcome_of(call, gone)


async def order_of(call: Call, body: ArchiveScanBody) -> ArchiveFile:
    statement = await authorization_of_code(call, body.scan_code, body.check_token)
    if statement is None:
        missing = [FieldError(n, N_("is required")) for n in ("customer", "type") if getattr(body, n) is None]
        if missing:
            raise ValidationFailed(*missing)
    if body.type is not None:
        await require_type(call, body.type)
    return ArchiveFile(
        customer=None if body.customer is None else parse_customer_id(body.customer),
        type=body.type,
        authorization=statement,
        check_token=body.check_token,
        received_on=body.received_on,
        signed_on=body.signed_on,
        note=note_of(body.note, call.parts.limits, "note"),
        ground=note_of(body.ground, call.parts.limits, "ground"),
        external_id=body.external_id,
        duplicate_allowed=body.duplicate == "allow",
        source=Source.SCAN,
    )


@asynccontextmanager
async def assemble_pages(call: Call, session: LoadedScanSession, numbers: Sequence[int]) -> AsyncIterator[Examined]:
    """One PDF of these pages, in a temporary file that is open until the context ends."""
    folder = call.parts.temporary
    with tempfile.TemporaryFile(dir=folder) as pages, tempfile.TemporaryFile(dir=folder) as target:
        places = await call.parts.blocking(copy_pages, call, session, numbers, pages)
        await call.parts.examiner.assemble(pages.fileno(), places, target.fileno(), asker=call.asker)
        size, digest = await call.parts.blocking(size_and_digest, target)
        yield Examined(
            file=target,
            name=None,
            size_bytes=size,
            sha256=digest,
            media_type=PDF,
            pages=len(numbers),
            preview=True,
            password_protected=False,
            flags=(),
        )


def copy_pages(
    call: Call, session: LoadedScanSession, numbers: Sequence[int], target: IO[bytes]
) -> list[tuple[int, int, int]]:
    """Writes the images one after the other; returns offset, size in bytes and degrees of each."""
    places = []
    for page in (session.state.pages[n] for n in numbers):
        places.append((target.tell(), page.content.size_bytes, page.degrees))
        for piece in pieces(call, session, page):
            target.write(piece)
    target.flush()
    return places


def pieces(call: Call, session: LoadedScanSession, page: CapturedPage) -> Generator[bytes, None, None]:
    """The plain bytes of a page image; iterate in a thread. Raises Missing if the image was destroyed meanwhile."""
    content = page.content
    opened = call.parts.read_content(session.id, content.id, content.sealed_size_bytes, 0, content.size_bytes - 1)
    if opened is None:
        raise Missing(str(content.id))
    yield from opened


def size_and_digest(file: IO[bytes]) -> tuple[int, bytes]:
    """The size in bytes and the SHA-256 of the whole file, which is at its beginning afterwards."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    size = file.tell()
    file.seek(0)
    return size, digest.digest()


# -- shared -------------------------------------------------------------------------------------------------------


async def session_of(call: Call) -> LoadedScanSession:
    return await call.parts.blocking(call.parts.archive.scanning.load_scan_session, call.id(), await reach_of(call))


async def reach_of(call: Call) -> Reach:
    """The sessions that the caller may use: a station those on its scanners, others those of their own branch, or all
    if they have none."""
    if call.principal.role is Role.STATION:
        return Reach(stations=await stations_of_branch(call))
    return Reach(branch=call.principal.branch)


def answer_session(call: Call, session: LoadedScanSession, *, status: int = 200) -> None:
    if session.replayed:
        call.resp.set_header("Idempotency-Replayed", "true")
    call.answer(item_of(call, session), status=status, position=session.position, version=session.state.version)


def item_of(call: Call, session: LoadedScanSession) -> ScanItem:
    state, device, twins = session.state, session.state.device, session.state.twin_places
    return ScanItem(
        id=session.id,
        state=state.state,
        scanner=device.scanner if device else None,
        source=device.source if device else None,
        profile=device.profile if device else None,
        pages=[page_of(n, page, twin=n in twins) for n, page in state.pages_in_order],
        problem=problem_of(call, state.problem),
        documents=list(state.documents),
        passes=state.passes,
        actor=session.actor,
        branch=session.branch,
        version=state.version,
    )


def page_of(n: int, page: CapturedPage, *, twin: bool) -> ScanPage:
    return ScanPage(
        n=n,
        sha256=page.sha256.hex(),
        width_px=page.width_px,
        height_px=page.height_px,
        dpi=page.dpi,
        scan_codes=page.scan_codes,
        warnings=(*page.warnings, "duplicate") if twin else page.warnings,
        degrees=page.degrees,
    )


def problem_of(call: Call, slug: str | None) -> ScanProblem | None:
    """The problem that stopped a scan, in the caller's language; the driver's text is not in it."""
    if slug is None:
        return None
    refusal, translate = SCANNER_PROBLEMS[slug](), catalog(call.language)
    return ScanProblem(
        type=f"{base_of(call.req.scope)}/problems/{slug}",
        title=translate(refusal.title),
        status=status_of(refusal),
        detail=detail(refusal, translate),
    )


def item_from_row(row: scan_sessions.ScanSessionRow) -> SessionItem:
    return SessionItem(
        id=row.id,
        state=row.state,
        scanner=row.scanner,
        pages=row.pages,
        actor=row.actor,
        branch=row.branch,
        started_at=format_moment(row.started_at),
        changed_at=format_moment(row.changed_at),
        version=row.version,
    )
