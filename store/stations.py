"""Scan stations and the scanners that they offer: what each says of itself every few seconds, in table scan.station."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import args_row, tuple_row


class Station(msgspec.Struct, frozen=True):
    """`actor` is the name of its token; `scanners` as it sent them; `silent_seconds`: for how long it said nothing.
    `owned_since` is when its branch took the name: sessions from before are another branch's."""

    name: str
    actor: str
    branch: str
    seen_at: datetime
    scanners: list[dict[str, Any]]
    silent_seconds: float
    owned_since: datetime


async def report_station(
    conn: AsyncConnection[Any], name: str, actor: str, branch: str, scanners: str, *, revoked: Sequence[str] = ()
) -> bool:
    """Store what a station has now (`scanners`: JSON). False when the name belongs to another branch, or to another
    token of the branch that is none of the `revoked` ones and said something within ten minutes."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(REPORT, [name, actor, branch, scanners, list(revoked)], prepare=True)
        return await cursor.fetchone() is not None


async def release_name(conn: AsyncConnection[Any], name: str) -> bool:
    """Make the name free for any branch; False when no station has it."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(RELEASE, [name])
        return await cursor.fetchone() is not None


async def touch_station(conn: AsyncConnection[Any], name: str, actor: str) -> bool:
    """That it is there; False when there is no such station of this token."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(SEEN, [name, actor], prepare=True)
        return await cursor.fetchone() is not None


async def list_stations(conn: AsyncConnection[Any]) -> Sequence[Station]:
    async with conn.cursor(row_factory=args_row(Station)) as cursor:
        await cursor.execute(ALL, prepare=True)
        return await cursor.fetchall()


REPORT = """
    insert into scan.station as s (name, actor, branch, scanners)
    values (%s, %s, %s, %s::jsonb)
    on conflict (name) do update
    set actor = excluded.actor, scanners = excluded.scanners, branch = excluded.branch, seen_at = clock_timestamp(),
        owned_since = case when s.branch = excluded.branch then s.owned_since else clock_timestamp() end
    where s.actor = excluded.actor
        or s.branch = excluded.branch
            and (s.actor = any (%s) or s.seen_at < clock_timestamp() - interval '10 minutes')
    returning true
"""
RELEASE = "delete from scan.station where name = %s returning true"
SEEN = """
    update scan.station set seen_at = clock_timestamp()
    where name = %s and actor = %s
    returning true
"""
ALL = """
    select
        name, actor, branch, seen_at, scanners,
        extract(epoch from clock_timestamp() - seen_at)::float,
        greatest(owned_since, timestamptz '1970-01-01')
    from scan.station
    order by name
"""
