"""From a moment to a position of the log: "as of T" is the log up to the last position whose as_of is at most T."""

from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row


class Instant(msgspec.Struct, frozen=True):
    """`position` 0: nothing was recorded yet. `final`: no later event can change the answer; else let the log settle
    (Log.fence), wait until the views stand at its last position, and ask again: that answer holds for a past moment."""

    position: int
    final: bool


async def position_at(conn: AsyncConnection[Any], at: datetime) -> Instant:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(AT, {"at": at}, prepare=True)
        found = await cursor.fetchone()
    assert found is not None, "views.tracking has a row for each view"
    return Instant(*found)


AT = """
    select
        coalesce((
            select h.position
            from views.audit_history as h
            where h.as_of <= %(at)s
            order by h.as_of desc, h.position desc
            limit 1
        ), 0),
        coalesce(t.as_of > %(at)s, false)
    from views.tracking as t
    where t.name = 'audit_history'
"""
