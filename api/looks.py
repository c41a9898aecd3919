"""Writes the access log of lists and single papers: a line for a list, and one for each sensitive paper in it.

Contents, histories and Checks write their lines where they are read.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from api.call import About, Call
from domain.access import AccessAction, AccessKind
from projections.customer_documents import ListedPaper, PaperRow


class LookedAtPaper(msgspec.Struct, frozen=True):
    """The fields of a row's item that identify its paper."""

    id: UUID
    kind: str


paper_in = msgspec.json.Decoder(LookedAtPaper).decode


async def record_list(
    call: Call,
    rows: Iterable[ListedPaper],
    *,
    kind: AccessKind,
    customer: UUID | None = None,
    action: AccessAction = "list",
) -> None:
    """Writes the lines of a list or a lookup before its rows are sent."""
    papers = (paper_in(row.item) for row in rows if call.is_sensitive(row.type))
    await record_papers(call, action, kind, customer, [about(p.kind, p.id, customer, kind) for p in papers])


async def record_papers(
    call: Call, action: AccessAction, kind: AccessKind, customer: UUID | None, sensitive: Iterable[About]
) -> None:
    """Writes the line of a list and one for each sensitive paper in it, with its customer. If there is a sensitive
    paper, the answer waits for the commit of all lines."""
    papers = [*sensitive]
    await call.record_look(action, {"customer": customer, "kind": kind}, *papers, sensitive=bool(papers))


async def record_paper(call: Call, row: PaperRow, *, sensitive: bool = False) -> None:
    """Writes the line of a single paper. `sensitive` makes the read wait for it even if the type is not sensitive."""
    action: AccessAction = "document" if row.kind == "document" else "authorization"
    said = about(row.kind, row.id, row.customer, None)
    await call.record_look(action, said, sensitive=sensitive or call.is_sensitive(row.type))


def about(kind: str, paper: UUID, customer: UUID | None, listed: AccessKind | None) -> About:
    room: About = {"document": paper} if kind == "document" else {"authorization": paper}
    return {"customer": customer, **room, "kind": listed}
