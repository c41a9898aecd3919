"""The access log: who read what. A line is committed before the first byte of the answer leaves; api/ waits for it.

Lines that come together are written together: one INSERT, one commit for all that waited meanwhile.
"""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from domain.access import Rights
from domain.refusals import Unavailable
from store.pools import Connect

BATCH_MAX = 500


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One read. `action` is content, page, check, form, history or export."""

    actor: str
    branch: str
    action: str
    status: int
    trace_id: str
    customer: UUID | None = None
    document: UUID | None = None
    authorization: UUID | None = None


class AccessLog:
    """Lives in one event loop. `connection` borrows a connection in autocommit from a pool."""

    def __init__(self, connection: Connect) -> None:
        self._connection = connection
        self._waiting: list[tuple[Access, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, access: Access) -> None:
        """Durable on return, else Unavailable: then nothing may be shown."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((access, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while batch := self._waiting[:BATCH_MAX]:
            del self._waiting[:BATCH_MAX]
            error = await self._insert([access for access, _ in batch])
            for _, done in batch:
                if not done.done():
                    done.set_exception(error) if error else done.set_result(None)

    async def _insert(self, lines: list[Access]) -> Exception | None:
        """As one JSON text: eight arrays of parameters cost the driver more than all else here."""
        try:
            async with self._connection() as conn:
                await conn.execute(INSERT, [msgspec.json.encode(lines).decode()], prepare=True)
        except (OperationalError, PoolTimeout):
            return Unavailable()
        except Exception as error:  # noqa: BLE001  # all who wait for this line must hear of it, or they wait for ever
            return error
        return None


class Line(msgspec.Struct, frozen=True):
    """A line of the log as it is read."""

    id: int
    at: datetime
    actor: str
    branch: str
    action: str
    customer: UUID | None
    document: UUID | None
    authorization: UUID | None
    status: int
    trace_id: str


async def read(
    conn: AsyncConnection[Any],
    rights: Rights,
    *,
    customer: UUID | None,
    paper: UUID | None,
    actor: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: int | None,
) -> tuple[list[Line], int | None]:
    """Lines newest first that stand before the line `before`, and the last of them (None at the end of the log).

    Who may not see a paper is not told that somebody read it (I12).
    """
    bound = {
        "types": rights.types,
        "own_branch": rights.branch,
        "customer": customer,
        "paper": paper,
        "actor": actor,
        "action": action,
        "since": since,
        "until": until,
        "before": before,
        "limit": limit + 1,
    }
    async with conn.cursor(row_factory=tuple_row) as rows:
        await rows.execute(READ, bound, prepare=True)
        lines = [Line(*row) for row in await rows.fetchall()]
    return lines[:limit], lines[limit - 1].id if len(lines) > limit else None


async def missed_checks(conn: AsyncConnection[Any], actor: str) -> int:
    """How often this actor asked for scan codes that are none, in the last minute."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(MISSED_CHECKS, [actor], prepare=True)
        found = await cursor.fetchone()
    return int(found[0]) if found else 0


MISSED_CHECKS = """
    select count(*)
    from access.log
    where actor = %s and action = 'check' and status >= 400 and status in (404, 422)
        and at > clock_timestamp() - interval '1 minute'
"""
# Times are shown to the millisecond, and `to` includes what it shows.
READ = """
    select id, at, actor, branch, action, customer, document, authorization_id, status, trace_id
    from access.log
    where (%(customer)s::uuid is null or customer = %(customer)s)
        and (%(paper)s::uuid is null or coalesce(document, authorization_id) = %(paper)s)
        and (%(actor)s::text is null or actor = %(actor)s)
        and (%(action)s::text is null or action = %(action)s)
        and (%(since)s::timestamptz is null or at >= %(since)s)
        and (%(until)s::timestamptz is null or at < %(until)s + interval '1 millisecond')
        and (%(before)s::bigint is null or id < %(before)s)
        and (
            coalesce(document, authorization_id) is null
            or exists (
                select from views.customer_documents as d
                where d.id = coalesce(log.document, log.authorization_id) and d.to_position is null
                    and d.type = any(%(types)s) and (%(own_branch)s::text is null or d.branch = %(own_branch)s)
            )
        )
    order by id desc
    limit %(limit)s
"""
INSERT = """
    insert into access.log (actor, branch, action, customer, document, authorization_id, status, trace_id)
    select actor, branch, action, customer, document, "authorization", status, trace_id
    from json_to_recordset(%s::json) as line (
        actor text, branch text, action text, customer uuid, document uuid, "authorization" uuid, status int,
        trace_id text
    )
"""
