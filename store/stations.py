"""Scan stations and the scanners that they offer: what each says of itself every few seconds, in table scan.station."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import args_row, tuple_row


class Station(msgspec.Struct, frozen=True):
    """`actor` is the name of its token; `scanners` as it sent them; `silent_seconds`: for how long it said nothing."""

    name: str
    actor: str
    branch: str
    seen_at: datetime
    scanners: list[dict[str, Any]]
    silent_seconds: float


async def report(
    conn: AsyncConnection[Any], name: str, actor: str, branch: str, scanners: str, *, revoked: Sequence[str] = ()
) -> bool:
    """What a station has now (`scanners`: JSON); False when the name is that of another token, which is none of the
    `revoked` ones and said something within ten minutes."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(REPORT, [name, actor, branch, scanners, list(revoked)], prepare=True)
        return await cursor.fetchone() is not None


async def seen(conn: AsyncConnection[Any], name: str, actor: str) -> bool:
    """That it is there; False when there is no such station of this token."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(SEEN, [name, actor], prepare=True)
        return await cursor.fetchone() is not None


async def stations(conn: AsyncConnection[Any]) -> Sequence[Station]:
    async with conn.cursor(row_factory=args_row(Station)) as cursor:
        await cursor.execute(ALL, prepare=True)
        return await cursor.fetchall()


REPORT = """
    insert into scan.station as s (name, actor, branch, scanners)
    values (%s, %s, %s, %s::jsonb)
    on conflict (name) do update
    set actor = excluded.actor, scanners = excluded.scanners, branch = excluded.branch, seen_at = clock_timestamp()
    where s.actor = excluded.actor or s.actor = any (%s) or s.seen_at < clock_timestamp() - interval '10 minutes'
    returning true
"""
SEEN = """
    update scan.station set seen_at = clock_timestamp()
    where name = %s and actor = %s
    returning true
"""
ALL = """
    select name, actor, branch, seen_at, scanners, extract(epoch from clock_timestamp() - seen_at)::float
    from scan.station
    order by name
"""
