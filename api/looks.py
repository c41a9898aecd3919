"""What the access log is told of lists and single papers: a line each list, and one for each sensitive paper in it.

Who reads contents, histories or a Check is told of where these are read.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from api.call import About, Call
from domain.access import AccessAction, AccessKind
from projections.customer_documents import Listed, Row


class Paper(msgspec.Struct, frozen=True):
    """What of a row's item tells which paper it is."""

    id: UUID
    kind: str


paper_in = msgspec.json.Decoder(Paper).decode


async def record_list(
    call: Call,
    rows: Iterable[Listed],
    *,
    kind: AccessKind,
    customer: UUID | None = None,
    action: AccessAction = "list",
) -> None:
    """Rows of a list or of a look-up that are about to be shown."""
    papers = (paper_in(row.item) for row in rows if call.is_sensitive(row.type))
    await record_papers(call, action, kind, customer, [about(p.kind, p.id, customer, kind) for p in papers])


async def record_papers(
    call: Call, action: AccessAction, kind: AccessKind, customer: UUID | None, sensitive: Iterable[About]
) -> None:
    """The line of a list, and those of the sensitive papers in it: these say whose papers they are, and an answer with
    one waits for them all."""
    papers = [*sensitive]
    await call.look(action, {"customer": customer, "kind": kind}, *papers, sensitive=bool(papers))


async def record_paper(call: Call, row: Row, *, sensitive: bool = False) -> None:
    """What is known of one paper. `sensitive`: also where its type is not."""
    action: AccessAction = "document" if row.kind == "document" else "authorization"
    said = about(row.kind, row.id, row.customer, None)
    await call.look(action, said, sensitive=sensitive or call.is_sensitive(row.type))


def about(kind: str, paper: UUID, customer: UUID | None, listed: AccessKind | None) -> About:
    room: About = {"document": paper} if kind == "document" else {"authorization": paper}
    return {"customer": customer, **room, "kind": listed}
