"""Writes an access-log line for each read by command, before anything is shown, as HTTP reads do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from domain.archive import Caller
from service.wiring import Store
from store.access_log import Access, AccessLog
from store.recorder import role_options


def record_reads(store: Store, lines: Sequence[Access]) -> None:
    """Append lines to the access log. They are durable on return; on Unavailable nothing may be shown."""
    if lines:
        asyncio.run(_record_lines(store, lines))


async def _record_lines(store: Store, lines: Sequence[Access]) -> None:
    async with open_view_connection(store) as conn:
        await AccessLog(lambda: _reuse_connection(conn)).record(*lines)


@asynccontextmanager
async def open_view_connection(store: Store) -> AsyncIterator[AsyncConnection[Any]]:
    """Open a connection for the queries of the views, which are asynchronous."""
    conn = await AsyncConnection.connect(store.url, autocommit=True, options=role_options(store.role).get("options"))
    async with conn:
        yield conn


@asynccontextmanager
async def _reuse_connection(conn: AsyncConnection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
    yield conn


def access_of(caller: Caller, action: str, **about: Any) -> Access:
    """The access-log line of a successful read by command; `about` may hold customer, document and authorization."""
    return Access(
        actor=caller.actor,
        branch=caller.branch,
        action=action,
        status=200,
        trace_id=caller.correlation_id.hex,
        **about,
    )
