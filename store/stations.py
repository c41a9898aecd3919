"""Scan stations and their scanners: the report that each sends every few seconds, in table scan.station."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row, tuple_row

from store.pools import Connect


class StationRow(msgspec.Struct, frozen=True):
    """A station. `actor` is the name of its token; `scanners` as it reported them; `silent_seconds`: the time since its
    last report. `owned_since`: when its branch took the name; earlier sessions belong to another branch."""

    name: str
    actor: str
    branch: str
    seen_at: datetime
    scanners: list[dict[str, Any]]
    silent_seconds: float
    owned_since: datetime


class StationReports:
    """The reports of the stations. `connection` borrows an autocommit connection from a pool."""

    def __init__(self, connection: Connect) -> None:
        self._connection = connection

    async def report_station(
        self, name: str, actor: str, branch: str, scanners: str, *, revoked: Sequence[str] = ()
    ) -> bool:
        """Store the report of a station (`scanners`: JSON). Returns False when the name belongs to another branch, or
        to another token of the branch that is not in `revoked` and has reported within ten minutes."""
        return await self._has_changed(REPORT, [name, actor, branch, scanners, list(revoked)])

    async def release_name(self, name: str) -> bool:
        """Release the name for any branch. Returns False when no station has it."""
        return await self._has_changed(RELEASE, [name])

    async def touch_station(self, name: str, actor: str) -> bool:
        """Record that the station is alive. Returns False when this token has no such station."""
        return await self._has_changed(SEEN, [name, actor])

    async def list_stations(self) -> Sequence[StationRow]:
        async with self._connection() as conn, conn.cursor(row_factory=args_row(StationRow)) as cursor:
            await cursor.execute(ALL, prepare=True)
            return await cursor.fetchall()

    async def _has_changed(self, statement: LiteralString, values: Sequence[Any]) -> bool:
        async with self._connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement, values, prepare=True)
            return await cursor.fetchone() is not None


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
