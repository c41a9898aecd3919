"""Connection pools that survive an outage: no caller gets a connection that died while idle.

psycopg's own pool detects that by failing a caller, once per dead connection, or by querying the server before each
use; and its pauses between attempts to connect grow up to minutes after the database is back.
"""

import select
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, ConnectionPool

# The duration of one attempt to connect; the next caller starts a new one, which tries at once.
RECONNECT_SECONDS = 4.0
CONNECT_SECONDS = 10

Pool = ConnectionPool[Connection[Any]]
AsyncPool = AsyncConnectionPool[AsyncConnection[Any]]
Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]
"""Borrows a connection."""


def limit_connect_time(url: str) -> str:
    """The URL with a time limit for each attempt to connect, unless it has one: psycopg's default is 130 s."""
    given = conninfo_to_dict(url)
    return url if "connect_timeout" in given else make_conninfo(url, connect_timeout=CONNECT_SECONDS)


def make_pool(
    url: str,
    *,
    min_size: int,
    max_size: int,
    wait_seconds: float,
    kwargs: dict[str, Any],
    configure: Callable[[Connection[Any]], None] | None = None,
) -> Pool:
    """A pool that is not open yet. A caller that waits longer than `wait_seconds` for a connection gets PoolTimeout."""

    def check(conn: Connection[Any]) -> None:
        if is_readable(conn):
            try:
                ConnectionPool.check_connection(conn)
            except Exception:
                pool.drain()
                raise

    pool: Pool = ConnectionPool(
        url,
        min_size=min_size,
        max_size=max_size,
        timeout=wait_seconds,
        reconnect_timeout=RECONNECT_SECONDS,
        kwargs=kwargs,
        configure=configure,
        check=check,
        open=False,
    )
    return pool


def make_async_pool(
    url: str, *, min_size: int, max_size: int, wait_seconds: float, kwargs: dict[str, Any]
) -> AsyncPool:
    """As make_pool, for an event loop."""

    async def check(conn: AsyncConnection[Any]) -> None:
        if is_readable(conn):
            try:
                await AsyncConnectionPool.check_connection(conn)
            except Exception:
                await pool.drain()
                raise

    pool: AsyncPool = AsyncConnectionPool(
        url,
        min_size=min_size,
        max_size=max_size,
        timeout=wait_seconds,
        reconnect_timeout=RECONNECT_SECONDS,
        kwargs=kwargs,
        check=check,
        open=False,
    )
    return pool


def is_readable(conn: Connection[Any] | AsyncConnection[Any]) -> bool:
    """True if the idle connection has data or was closed by the server: almost always the latter, and then all others
    are closed too.

    Asks the kernel and not the server, which takes microseconds.
    """
    idle = select.poll()
    idle.register(conn.fileno(), select.POLLIN)
    return bool(idle.poll(0))
