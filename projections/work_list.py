"""What waits for somebody at the desk: authorizations about to end, originals held. Read from views.authorizations."""

from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import args_row, scalar_row

from domain.access import Rights
from projections.reading import text_array

ITEMS_MAX = 200
Why = Literal["revocation", "form", "validity", "unused"]


class Waiting(msgspec.Struct, frozen=True):
    """One authorization; `ends_on` is the first day on which it is over by the calendar."""

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
    def why(self) -> Why | None:
        """What ends it: `revocation`, `form`, `validity` or `unused` (a mandate without a collection)."""
        if self.ends_on is None:
            return None
        if self.revocation_effective_on == self.ends_on:
            return "revocation"
        if self.form_lapses_on is not None and self.status == "issued":
            return "form"
        return "validity" if self.valid_until == self.ends_on - timedelta(days=1) else "unused"


async def ending(
    conn: AsyncConnection[Any], rights: Rights, *, until: date, branch: str | None = None
) -> tuple[list[Waiting], int]:
    """What ends by itself on or before a day, the first to end first, at most 200; and where the view stood. Of one
    branch, or of all that may be seen."""
    return await _fetch(conn, ENDING, rights, branch, until=until)


async def originals(
    conn: AsyncConnection[Any], rights: Rights, *, branch: str | None = None
) -> tuple[list[Waiting], int]:
    """Papers that wait on a shelf for their scan, the longest waiting first, at most 200; else likewise."""
    return await _fetch(conn, ORIGINALS, rights, branch)


async def _fetch(
    conn: AsyncConnection[Any], query: str, rights: Rights, asked: str | None, **bound: Any
) -> tuple[list[Waiting], int]:
    types = text_array(tuple(rights.types))
    values = {"types": types, "branch": rights.branch, "asked": asked, "limit": ITEMS_MAX, **bound}
    async with conn.cursor(row_factory=scalar_row) as cursor:
        position = await (await cursor.execute(POSITION, prepare=True)).fetchone()
    assert position is not None, "views.tracking has a row for each view"
    async with conn.cursor(row_factory=args_row(Waiting)) as cursor:
        return await (await cursor.execute(query, values, prepare=True)).fetchall(), position


# Asked before the rows, so that they are at least as new as it says.
POSITION = "select position from views.tracking where name = 'authorizations'"
COLUMNS = """
    id, customer, kind, type, labels, status, branch, recorded_at, due_on, valid_until, form_lapses_on,
    revocation_effective_on, shelf_mark
"""
VISIBLE = """
    type = any(%(types)s::text[])
    and (%(branch)s::text is null or branch = %(branch)s) and (%(asked)s::text is null or branch = %(asked)s)
"""
ENDING = f"""
    select {COLUMNS}
    from views.authorizations
    where to_position is null and due_on <= %(until)s and {VISIBLE}
    order by due_on, id
    limit %(limit)s
"""  # noqa: S608  # constants of this module
ORIGINALS = f"""
    select {COLUMNS}
    from views.authorizations
    where to_position is null and original_held and {VISIBLE}
    order by created_position
    limit %(limit)s
"""  # noqa: S608  # constants of this module
