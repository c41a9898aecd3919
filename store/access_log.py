"""The access log: who read what.

A line about a sensitive read is committed before the first byte of the answer leaves; api/ waits for it. Lines about
other lists and searches are noted: written in groups a moment later, and kept in memory while the database is
unavailable.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from functools import cache
from logging import getLogger
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, OperationalError
from psycopg.errors import DiskFull
from psycopg.rows import scalar_row, tuple_row
from psycopg_pool import PoolTimeout

from domain.access import Rights
from domain.refusals import Unavailable
from store.pools import Connect

BATCH_MAX = 500
GROUP_SECONDS = 0.1
RETRY_SECONDS = 1.0
ROOM_SECONDS = (0.1, 0.2, 0.4)
SAID_EVERY_SECONDS = 60.0
NOTED_MAX = 10_000  # lines of 300 bytes in memory; beyond that, reads that would be noted are refused
END_SECONDS = 2.0
logger = getLogger("dossier.access_log")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One read: an AccessAction of domain/access.py and the papers it read. `seconds_ago`: its age when the line is
    written."""

    actor: str
    branch: str
    action: str
    status: int
    trace_id: str
    customer: UUID | None = None
    document: UUID | None = None
    authorization: UUID | None = None
    kind: str | None = None
    scan_session: UUID | None = None
    page: int | None = None
    seconds_ago: float = 0.0


class AccessLog:
    """The writer of the access log, for one event loop. `connection` borrows an autocommit connection from a pool.
    Lines that arrive together are one INSERT and one commit. One task writes recorded lines, another noted ones: in an
    outage no recorded line waits for a noted one."""

    def __init__(self, connection: Connect, *, noted_max: int = NOTED_MAX) -> None:
        self._connection, self._noted_max = connection, noted_max
        self._waiting: list[tuple[Access, asyncio.Future[None]]] = []
        self._noted: deque[tuple[Access, float]] = deque()
        self._due, self._said = 0.0, -math.inf
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._noter: asyncio.Task[None] | None = None

    async def record(self, *accesses: Access) -> None:
        """Write lines. Durable on return. Raises Unavailable: then the caller must not show the data."""
        loop = asyncio.get_running_loop()
        lines = [(access, loop.create_future()) for access in accesses]
        self._waiting += lines
        self._writer = self._keep_running(self._writer, self._write_waiting)
        await asyncio.gather(*(done for _, done in lines))

    def note(self, access: Access) -> None:
        """Queue a line, to be written within GROUP_SECONDS or when the database is back. Raises Unavailable when too
        many lines wait: then the caller must not show the data."""
        if len(self._noted) >= self._noted_max:
            raise Unavailable
        if not self._noted:
            self._due = time.monotonic() + GROUP_SECONDS
        self._noted.append((access, time.monotonic()))
        self._noter = self._keep_running(self._noter, self._write_noted)

    async def close(self) -> None:
        """Write the waiting lines within END_SECONDS, and log how many remain."""
        self._due = 0.0
        self._hurry.set()
        if tasks := [task for task in (self._writer, self._noter) if task is not None]:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*tasks), END_SECONDS)
        if self._noted:
            logger.error("access log: %d lines of lists and searches were not written", len(self._noted))

    @staticmethod
    def _keep_running(
        task: asyncio.Task[None] | None, write: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        return asyncio.create_task(write()) if task is None or task.done() else task

    async def _write_waiting(self) -> None:
        while self._waiting:
            await self._write_waiting_batch()

    async def _write_noted(self) -> None:
        while self._noted:
            await self._until_due()
            self._hurry.clear()
            await self._write_noted_batch()

    async def _until_due(self) -> None:
        """Wait until noted lines are due or the log is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._due - time.monotonic())):
                await self._hurry.wait()

    async def _write_waiting_batch(self) -> None:
        batch = self._waiting[:BATCH_MAX]
        del self._waiting[:BATCH_MAX]
        error = await self._insert_lines([access for access, _ in batch])
        for _, done in batch:
            if not done.done():
                done.set_exception(error) if error else done.set_result(None)

    async def _write_noted_batch(self) -> None:
        """Write queued lines in a statement of their own, so that their failure fails no waiting caller. A line whose
        commit was not confirmed is written again: a duplicate line is better than a lost one."""
        batch = [self._noted[n] for n in range(min(BATCH_MAX, len(self._noted)))]
        now = time.monotonic()
        error = await self._insert_lines([msgspec.structs.replace(line, seconds_ago=now - at) for line, at in batch])
        if error is None:
            for _ in batch:
                self._noted.popleft()
            self._due = now if len(self._noted) >= BATCH_MAX else now + GROUP_SECONDS
        else:
            self._due = now + RETRY_SECONDS
            self._log_failure(error, now)

    def _log_failure(self, error: Exception, now: float) -> None:
        """Log a failure, at most once a minute."""
        if now >= self._said + SAID_EVERY_SECONDS:
            self._said = now
            why = type(error).__name__
            logger.error("access log: %d lines wait, retrying every %g s: %s", len(self._noted), RETRY_SECONDS, why)

    async def _insert_lines(self, lines: list[Access]) -> Exception | None:
        """Insert the lines as one JSON text: eight arrays of parameters cost the driver more than everything else
        here."""
        try:
            await self._insert_with_patience(msgspec.json.encode(lines).decode())
        except (OperationalError, PoolTimeout):
            return Unavailable()
        except Exception as error:  # noqa: BLE001  # every caller that waits for this line needs the error
            return error
        return None

    async def _insert_with_patience(self, lines: str) -> None:
        """Insert, and retry on a full disk: `serve` frees space within a moment while ballast is left
        (service/ballast.py)."""
        for pause in (*ROOM_SECONDS, None):
            try:
                async with self._connection() as conn:
                    await conn.execute(INSERT, [lines], prepare=True)
                return
            except DiskFull:
                if pause is None:
                    raise
            await asyncio.sleep(pause)


class AccessLogLine(msgspec.Struct, frozen=True):
    """A line of the access log as it is read."""

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
    kind: str | None
    scan_session: UUID | None
    page: int | None


async def load_access_lines(
    conn: AsyncConnection[Any],
    rights: Rights,
    *,
    customer: UUID | None,
    paper: UUID | None,
    limit: int,
    before: int | None,
    **wanted: Any,
) -> tuple[list[AccessLogLine], int | None]:
    """Lines before the line `before`, newest first, and the last of them (None at the end of the log). `wanted`:
    further FILTERS with their values; None matches any.

    The lines of a paper include those of its evidence, and those of the scan session that it came from. A reader who
    may not see a paper does not learn that it was read (I12).
    """
    papers = await _papers_of(conn, paper) if paper else None
    sessions = await _ids_from(conn, SESSIONS_OF_PAPERS, papers) if papers else []
    sessions += await _ids_from(conn, SESSIONS_OF_CUSTOMER, customer) if customer else []
    given = {"customer": customer, "papers": papers, "before": before, **wanted}
    given = {name: value for name, value in given.items() if value is not None}
    bound = {**given, "sessions": sessions, "types": rights.types, "own_branch": rights.branch, "limit": limit + 1}
    async with conn.cursor(row_factory=tuple_row) as rows:
        await rows.execute(_build_query(tuple(given), scanned=bool(sessions)), bound, prepare=True)
        lines = [AccessLogLine(*row) for row in await rows.fetchall()]
    return lines[:limit], lines[limit - 1].id if len(lines) > limit else None


async def _papers_of(conn: AsyncConnection[Any], paper: UUID) -> list[UUID]:
    """The paper and, for an authorization, every evidence that it ever had."""
    return [paper, *await _ids_from(conn, EVIDENCE, paper)]


async def _ids_from(conn: AsyncConnection[Any], query: str, value: Any) -> list[UUID]:
    async with conn.cursor(row_factory=scalar_row) as rows:
        await rows.execute(query, [value], prepare=True)
        return await rows.fetchall()


async def count_missed_checks(conn: AsyncConnection[Any], actor: str) -> int:
    """The number of unknown scan codes that this actor asked for in the last minute."""
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
EVIDENCE = """
    select distinct evidence
    from views.customer_documents
    where id = %s and evidence is not null
"""
SESSIONS_OF_PAPERS = """
    select subject_id
    from views.audit_history
    where action = 'pages-archived' and (after ->> 'document')::uuid = any(%s)
"""
SESSIONS_OF_CUSTOMER = """
    select distinct h.subject_id
    from views.customer_documents as d
    join views.audit_history as h on h.action = 'pages-archived' and (h.after ->> 'document')::uuid = d.id
    where d.customer = %s and d.to_position is null and d.kind = 'document' and d.source = 'scan'
"""
# Times are shown to the millisecond, and `until` includes the shown millisecond.
FILTERS = {
    "customer": "customer = %(customer)s",
    "papers": "coalesce(document, authorization_id) = any(%(papers)s)",
    "scan_session": "scan_session = %(scan_session)s",
    "actor": "actor = %(actor)s",
    "action": "action = %(action)s",
    "since": "at >= %(since)s",
    "until": "at < %(until)s + interval '1 millisecond'",
    "before": "id < %(before)s",
}
SCANNED = ("customer", "papers")
SEEN = """exists (
    select from views.customer_documents as d
    where d.id = {paper} and d.to_position is null
        and d.type = any(%(types)s) and (%(own_branch)s::text is null or d.branch = %(own_branch)s)
)"""


@cache
def _build_query(given: tuple[str, ...], *, scanned: bool) -> str:
    """The query with only the requested filters, so that a cached plan uses their index."""
    or_scanned = {name: f"({FILTERS[name]} or scan_session = any(%(sessions)s))" for name in SCANNED if scanned}
    asked = [{**FILTERS, **or_scanned}[name] for name in given]
    return f"""
        select
            id, at, actor, branch, action, customer, document, authorization_id, status, trace_id, kind, scan_session,
            page
        from access.log
        where (coalesce(document, authorization_id) is null
            or {SEEN.format(paper="coalesce(log.document, log.authorization_id)")})
            and (scan_session is null or not exists (
                select from views.audit_history as h
                where h.subject_id = log.scan_session and h.action = 'pages-archived'
                    and not {SEEN.format(paper="(h.after ->> 'document')::uuid")}
            ))
            {"".join(f" and {one}" for one in asked)}
        order by id desc
        limit %(limit)s
    """  # noqa: S608  # constants of this module


INSERT = """
    insert into access.log (
        at, actor, branch, action, customer, document, authorization_id, status, trace_id, kind, scan_session, page
    )
    select
        clock_timestamp() - make_interval(secs => seconds_ago), actor, branch, action, customer, document,
        "authorization", status, trace_id, kind, scan_session, page
    from json_to_recordset(%s::json) as line (
        actor text, branch text, action text, customer uuid, document uuid, "authorization" uuid, status int,
        trace_id text, kind text, scan_session uuid, page int, seconds_ago float8
    )
"""
