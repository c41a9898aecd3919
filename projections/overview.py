"""The state of the archive for operators: positions of the views, parked events, recorded events and reads by
minute.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import args_row, scalar_row

MINUTES = 60
PARKED_MAX = 100


class ViewState(msgspec.Struct, frozen=True):
    """`lag` counts positions, including holes; `per_second`: events recorded in the last minute that the view has, as a
    rate."""

    view: str
    position: int
    lag: int
    per_second: float
    paused: bool
    parked: int
    rebuilt_at: datetime | None
    has_previous: bool


class ParkedEvent(msgspec.Struct, frozen=True):
    """`error_type` is a class name: a message could name a person."""

    view: str
    position: int
    topic: str
    subject: UUID
    error_type: str
    parked_at: datetime


async def list_views(conn: AsyncConnection[Any]) -> Sequence[ViewState]:
    async with conn.cursor(row_factory=args_row(ViewState)) as cursor:
        return await (await cursor.execute(VIEWS, prepare=True)).fetchall()


async def list_parked(conn: AsyncConnection[Any]) -> Sequence[ParkedEvent]:
    """The first PARKED_MAX parked events, in the order of the log."""
    async with conn.cursor(row_factory=args_row(ParkedEvent)) as cursor:
        return await (await cursor.execute(PARKED, [PARKED_MAX], prepare=True)).fetchall()


async def last_position(conn: AsyncConnection[Any]) -> int:
    async with conn.cursor(row_factory=scalar_row) as cursor:
        found = await (await cursor.execute(LAST, prepare=True)).fetchone()
    return int(found or 0)


async def events_by_minute(conn: AsyncConnection[Any]) -> list[int]:
    """Events recorded in each of the last sixty minutes, the current one last."""
    return await _count_by_minute(conn, EVENTS)


async def reads_by_minute(conn: AsyncConnection[Any]) -> list[int]:
    """Lines of the access log in each of the last sixty minutes, the current one last."""
    return await _count_by_minute(conn, READS)


async def _count_by_minute(conn: AsyncConnection[Any], query: str) -> list[int]:
    counted = dict(await (await conn.execute(query.encode(), prepare=True)).fetchall())
    return [counted.get(ago, 0) for ago in reversed(range(MINUTES))]


LAST = "select max(notification_id) from archive.archive_events"
VIEWS = """
    select t.name, t.position,
        greatest((select coalesce(max(notification_id), 0) from archive.archive_events) - t.position, 0),
        (
            select round(count(*) / 60.0, 1)::float8
            from (
                select recorded_at, notification_id
                from archive.archive_events
                order by notification_id desc
                limit 100000
            ) as lately
            where recorded_at > clock_timestamp() - interval '1 minute' and notification_id <= t.position
        ),
        t.paused, (select count(*) from views.parked as p where p.view = t.name), t.rebuilt_at,
        t.previous_position is not null
    from views.tracking as t
    order by t.name
"""
PARKED = """
    select view, position, topic, subject, error_type, parked_at
    from views.parked
    order by position, view
    limit %s
"""
# Times in the log rise with positions except for an instant, so only the last rows are read.
EVENTS = """
    select floor(extract(epoch from clock_timestamp() - recorded_at) / 60)::int as ago, count(*)
    from (
        select recorded_at
        from archive.archive_events
        order by notification_id desc
        limit 100000
    ) as lately
    where recorded_at > clock_timestamp() - interval '60 minutes'
    group by ago
"""
READS = """
    select floor(extract(epoch from clock_timestamp() - at) / 60)::int as ago, count(*)
    from (select at from access.log order by id desc limit 100000) as lately
    where at > clock_timestamp() - interval '60 minutes'
    group by ago
"""
