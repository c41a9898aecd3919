"""Packs the dossier of an authorization into a zip: form, evidence, amendments, collections and history.

For 13 months a debtor can demand that the creditor shows the mandate (docs/domain.md §6); the zip is the answer.
"""

import os
import tempfile
import zipfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import IO, Any
from uuid import UUID

import msgspec

from api.answers import item_of
from api.call import Call
from api.content import Streamed, first_piece
from api.forms import draw_form
from api.history import with_customer_ids
from api.scan_codes import collection_of
from domain import authorization
from domain.archive import Outcome
from domain.authorization import (
    Authorization,
    AuthorizationIssued,
    AuthorizationStatus,
    CollectionReported,
    MandateAmended,
)
from domain.document import ContentReplaced, DocumentArchived
from domain.envelope import Recorded
from domain.file_name import printable
from domain.promises import require_value
from domain.refusals import N_, NotFound, PaperDestroyed
from domain.values import Content
from projections import audit_history, customer_documents
from projections.history_items import history_item
from web.headers import ascii_fallback
from web.problems import catalog

PIECE_BYTES = 64 * 1024
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


class Enclosed(msgspec.Struct, frozen=True):
    """A content version of the evidence, with its name in the zip."""

    name: str
    document: UUID
    content: Content


async def send_dossier(call: Call) -> None:
    """GET /authorizations/{id}/dossier. The access log has a line before the first byte is sent, as for all content."""
    archive, statement = call.parts.archive, call.id()
    told = await call.parts.blocking(archive.life.load_outcome, statement, call.rights)
    state = state_of(told)
    if state.status is AuthorizationStatus.DESTROYED:
        raise PaperDestroyed
    rows = await with_customer_ids(call, [audit_history.row_of(r, r.recorded_at) for r in told.recorded])
    papers = [(name, text.encode()) for name, text in texts_of(call, told, state, rows)]
    if isinstance(told.recorded[0].envelope.body, AuthorizationIssued):
        printed = await call.parts.blocking(archive.forms.load_printed_form, statement, call.rights)
        papers.append(("form.pdf", await draw_form(call, printed)))
    await call.record_access("export", customer=state.customer, authorization=statement)
    file = tempfile.TemporaryFile(dir=call.parts.temporary)  # noqa: SIM115  # pieces_of() closes it
    opened = pieces_of(file)
    try:
        size = await call.parts.blocking(pack, call, file, papers, contents_of(told.recorded, state.evidence))
        head = await call.parts.blocking(partial(first_piece, opened))
    except BaseException:
        file.close()
        raise
    call.resp.set_headers({**HEADERS, "Content-Disposition": f'attachment; filename="dossier-{statement}.zip"'})
    call.resp.content_type = "application/zip"
    call.resp.content_length = size
    call.resp.stream = Streamed(call.parts.blocking, head, opened)


def contents_of(recorded: Sequence[Recorded[Any]], evidence: UUID | None) -> list[Enclosed]:
    """Every content version of the evidence, oldest first; none of a withdrawn document."""
    found: list[Enclosed] = []
    for r in recorded:
        body = r.envelope.body
        if isinstance(body, DocumentArchived | ContentReplaced) and r.envelope.originator_id == evidence:
            name = ascii_fallback(printable(body.file_name or "")) or "evidence"
            found.append(Enclosed(f"evidence/{len(found) + 1}-{name}", r.envelope.originator_id, body.content))
    return found


def pack(call: Call, file: IO[bytes], papers: Sequence[tuple[str, bytes]], contents: Sequence[Enclosed]) -> int:
    """Writes the zip and returns its size in bytes. Runs in a thread. Contents are stored without compression, because
    most are compressed already."""
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in papers:
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        for one in contents:
            with packed.open(zipfile.ZipInfo(one.name), "w", force_zip64=True) as target:
                for piece in open_plain(call, one):
                    target.write(piece)
    file.seek(0)
    return os.fstat(file.fileno()).st_size


def open_plain(call: Call, one: Enclosed) -> Iterator[bytes]:
    content = one.content
    opened = call.parts.read_content(one.document, content.id, content.sealed_size_bytes, 0, content.size_bytes - 1)
    if opened is None:
        raise NotFound
    return opened


def pieces_of(file: IO[bytes]) -> Generator[bytes, None, None]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


# -- the texts ----------------------------------------------------------------------------------------------------


def state_of(told: Outcome) -> Authorization:
    bodies = [r.envelope.body for r in told.recorded]
    state = authorization.fold(body for body in bodies if isinstance(body, authorization.AuthorizationEvent))
    return require_value(state, "load_outcome() raises NotFound without it")


def texts_of(
    call: Call, told: Outcome, state: Authorization, rows: Sequence[audit_history.HistoryRow]
) -> Iterable[tuple[str, str]]:
    """The facts for programs (dossier.json) and for people (dossier.txt)."""
    history = [history_item(row, whole_iban=True) for row in rows]
    facts = {
        "authorization": item_of(call, customer_documents.fold_item(told.recorded), customer=told.customer),
        "collection": collection_of(state),
        "amendments": [h for h, r in zip(history, told.recorded, strict=True) if _is_kind(r, MandateAmended)],
        "collections": [
            h.after for h, r in zip(history, told.recorded, strict=True) if _is_kind(r, CollectionReported)
        ],
        "history": history,
    }
    yield "dossier.json", msgspec.json.format(msgspec.json.encode(facts), indent=1).decode()
    yield "dossier.txt", "".join(lines_of(call, facts))


def _is_kind(recorded: Recorded[Any], kind: type[Any]) -> bool:
    return isinstance(recorded.envelope.body, kind)


def lines_of(call: Call, facts: dict[str, Any]) -> Iterator[str]:
    """The text for people, line by line: the mandate, then everything that happened, oldest first."""
    translate = catalog(call.language)
    titles = (
        ("collection", N_("Collection data")),
        ("amendments", N_("Amendments")),
        ("collections", N_("Collections")),
        ("history", N_("History")),
    )
    yield f"{call.parts.institution}\n"
    for name, title in titles:
        value = msgspec.to_builtins(facts[name])
        yield f"\n{translate(title)}\n{'-' * len(translate(title))}\n"
        for entry in value if isinstance(value, list) else [value or {}]:
            yield from (f"{key}: {_text_of(inner)}\n" for key, inner in entry.items() if inner not in (None, {}, ""))
            yield "\n"


def _text_of(value: Any) -> str:
    return ", ".join(f"{k} {_text_of(v)}" for k, v in value.items()) if isinstance(value, dict) else str(value)
