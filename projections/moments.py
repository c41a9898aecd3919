"""Moments and positions of the log. "As of T" is the log up to the last position whose as_of is at most T.

It also lists the moments at which a customer's papers changed, to choose a past from.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from domain.promises import require_value
from projections.audit_history import SUBJECTED

CHANGES_MAX = 500


class LogMoment(msgspec.Struct, frozen=True):
    """`position` 0: nothing was recorded yet. `final`: no later event can change the answer.

    If not final, let the log settle (Log.fence), wait until the views reach its last position, and ask again: that
    answer holds for a past moment.
    """

    position: int
    final: bool


async def position_at(conn: AsyncConnection[Any], at: datetime) -> LogMoment:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(AT, {"at": at}, prepare=True)
        return LogMoment(*require_value(await cursor.fetchone(), "views.tracking has a row for each view"))


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


async def moment_of(conn: AsyncConnection[Any], position: int) -> datetime | None:
    """The first moment as of which the log was at this position; None before its first event."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(MOMENT, {"position": position}, prepare=True)
        found = await cursor.fetchone()
    return found[0] if found else None


MOMENT = """
    select as_of
    from views.audit_history
    where position <= %(position)s
    order by position desc
    limit 1
"""


class Changes(msgspec.Struct, frozen=True):
    """Newest first, each moment once. `complete` False: there are older ones. `position`: that of the view."""

    moments: list[datetime]
    complete: bool
    position: int


async def fetch_changes(conn: AsyncConnection[Any], customer: UUID, rights: Rights) -> Changes:
    """The moments of the last CHANGES_MAX events of this customer's papers that the reader may see.

    The state as of each of these moments includes the event of that moment.
    """
    bound = {"customer": customer, "types": rights.types, "own_branch": rights.branch}
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(CHANGES, bound, prepare=True)
        found = await cursor.fetchall()
    moments = [at for _, at in found if at is not None]
    return Changes([*dict.fromkeys(moments[:CHANGES_MAX])], len(moments) <= CHANGES_MAX, found[0][0])


# A customer's past includes events that moved papers away or linked them: a separate scan, so each has its index.
SCAN = """(
            select h.position, h.as_of
            from {subjected}
            where h.{column} = %(customer)s and d.type = any(%(types)s)
                and (%(own_branch)s::text is null or d.branch = %(own_branch)s)
            order by h.position desc
            limit {limit}
        )"""
SCANS = " union ".join(
    SCAN.format(subjected=SUBJECTED, column=column, limit=CHANGES_MAX + 1) for column in ("customer", "other_customer")
)
CHANGES = f"""
    select t.position, found.as_of
    from views.tracking as t
    left join lateral (
        select * from ({SCANS}) as scanned order by position desc limit {CHANGES_MAX + 1}
    ) as found on true
    where t.name = 'audit_history'
    order by found.position desc
"""  # noqa: S608  # constants of this module
