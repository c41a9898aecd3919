"""Work lists of the desk: authorizations that end soon, originals to be scanned. Reads views.authorizations."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from projections.reading import OPEN, PINNED, read_cursor, text_array, unknown_cursor, write_cursor

EndReason = Literal["revocation", "form", "validity", "unused"]


class WorkListRow(msgspec.Struct, frozen=True):
    """One authorization; `ends_on` is the first day after its end by the calendar."""

    created_position: int
    id: UUID
    customer: UUID
    kind: str
    type: str
    labels: dict[str, str]
    status: str
    branch: str
    recorded_at: datetime
    ends_on: date | None
    valid_until: date | None
    form_lapses_on: date | None
    revocation_effective_on: date | None
    shelf_mark: str | None

    @property
    def why(self) -> EndReason | None:
        """The reason of the end: `revocation`, `form`, `validity` or `unused` (a mandate without a collection)."""
        if self.ends_on is None:
            return None
        if self.revocation_effective_on == self.ends_on:
            return "revocation"
        if self.form_lapses_on is not None and self.status == "issued":
            return "form"
        return "validity" if self.valid_until == self.ends_on - timedelta(days=1) else "unused"


class WorkListPage(msgspec.Struct, frozen=True):
    """`position`: that of the view. `next`: the cursor of the next page, None at the end."""

    rows: list[WorkListRow]
    position: int
    next: str | None


async def list_ending(
    conn: AsyncConnection[Any],
    rights: Rights,
    *,
    until: date,
    limit: int,
    branch: str | None = None,
    cursor: str | None = None,
) -> WorkListPage:
    """Authorizations that the calendar ends on or before a day, the first to end first; of one branch or of all visible
    ones."""
    return await _fetch_page(conn, ENDING, rights, limit=limit, branch=branch, cursor=cursor, until=until)


async def list_originals(
    conn: AsyncConnection[Any], rights: Rights, *, limit: int, branch: str | None = None, cursor: str | None = None
) -> WorkListPage:
    """Papers on a shelf that wait for their scan, the longest waiting first; of one branch or of all visible ones."""
    return await _fetch_page(conn, ORIGINALS, rights, limit=limit, branch=branch, cursor=cursor)


async def _fetch_page(
    conn: AsyncConnection[Any],
    queries: tuple[str, str],
    rights: Rights,
    *,
    limit: int,
    branch: str | None,
    cursor: str | None,
    **bound: Any,
) -> WorkListPage:
    place = read_cursor(cursor) if cursor else None
    first, later = queries
    values = {
        **bound,
        "types": text_array(tuple(rights.types)),
        "branch": rights.branch,
        "asked": branch,
        "limit": limit + 1,
        "pinned": place.pinned if place else None,
        "last": place.last if place else None,
        "day": _parse_day(place.key) if place else None,
    }
    async with conn.cursor(row_factory=tuple_row) as rows:
        await rows.execute(later if place else first, values, prepare=True)
        (position, *_), *found = await rows.fetchall()
    waiting = [WorkListRow(*row) for row in found]
    return WorkListPage(waiting[:limit], position, _next_cursor(place.pinned if place else position, waiting, limit))


def _parse_day(key: str) -> date:
    """The day of the last item; the earliest date for a list that is not ordered by days."""
    try:
        return date.fromisoformat(key) if key else date.min
    except ValueError:
        raise unknown_cursor() from None


def _next_cursor(pinned: int, found: Sequence[WorkListRow], limit: int) -> str | None:
    if len(found) <= limit:
        return None
    last = found[limit - 1]
    return write_cursor(pinned, last.created_position, key=last.ends_on.isoformat() if last.ends_on else "")


# A paper that is hidden today shows nothing of its past, because its earlier type may have been a mistake.
SEEN_TODAY = """exists (
    select from views.authorizations as n
    where n.id = r.id and n.to_position is null and n.type = any(%(types)s::text[])
)"""
VISIBLE = """
    r.type = any(%(types)s::text[])
    and (%(branch)s::text is null or r.branch = %(branch)s) and (%(asked)s::text is null or r.branch = %(asked)s)
"""


def _build_statements(waits: str, *, order: str, behind: str) -> tuple[str, str]:
    """SQL of the first page and of a later one: a row with the view's position, then the columns of WorkListRow."""
    first = f"{OPEN.format('r')} and {VISIBLE} and {waits}"
    later = f"{PINNED.format('r')} and {SEEN_TODAY} and {VISIBLE} and {waits} and {behind}"
    return _build_statement(first, order), _build_statement(later, order)


def _build_statement(where: str, order: str) -> str:
    nothing = ", ".join(["null"] * (len(WorkListRow.__struct_fields__) - 1))
    columns = ", ".join(f"r.{COLUMNS.get(name, name)}" for name in WorkListRow.__struct_fields__)
    return f"""
        select position, {nothing}
        from views.tracking
        where name = 'authorizations'
        union all (
            select {columns}
            from views.authorizations as r
            where {where}
            order by {order}
            limit %(limit)s
        )
    """  # noqa: S608  # constants of this module


COLUMNS = {"ends_on": "due_on"}
ENDING = _build_statements(
    "r.due_on <= %(until)s",
    order="r.due_on, r.created_position",
    behind="(r.due_on, r.created_position) > (%(day)s, %(last)s)",
)
ORIGINALS = _build_statements("r.original_held", order="r.created_position", behind="r.created_position > %(last)s")
