"""What web workers hear of the views and the catalogue, and tell the follower (store/signals.py)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from store import signals
from store.signals import Signals
from tests.views.desk import Desk

LONG = 20.0


def with_signals(desk: Desk, run: Callable[[Signals], Awaitable[Any]]) -> Any:
    """A question to the signals of one web worker, in its event loop."""

    async def go() -> Any:
        kwargs = {"autocommit": True}
        async with AsyncConnectionPool(desk.url, min_size=1, max_size=2, kwargs=kwargs, open=False) as pool:
            opened = Signals(desk.url, connection=pool.connection)
            await opened.open()
            try:
                return await run(opened)
            finally:
                await opened.close()

    return asyncio.run(go())


async def heard(condition: Callable[[], bool]) -> bool:
    for _ in range(int(LONG * 100)):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


@asynccontextmanager
async def listening_to(desk: Desk, channel: str) -> Any:
    async with await AsyncConnection.connect(desk.url, autocommit=True) as conn:
        await conn.execute(f"listen {channel}")
        yield conn


def test_a_change_of_the_catalogue_is_heard_also_after_the_connection_was_cut(desk: Desk) -> None:
    changes: list[None] = []

    async def hear(opened: Signals) -> None:
        opened.on_catalogue(lambda: changes.append(None))
        assert await heard(lambda: opened.listening)
        before = len(changes)
        desk.rows("select pg_notify(%s, '')", signals.CATALOGUE)
        assert await heard(lambda: len(changes) > before)
        before = len(changes)
        cut = desk.rows(CUT)
        assert len(cut) == 1
        assert await heard(lambda: len(changes) > before and opened.listening)

    with_signals(desk, hear)


CUT = """
    select pg_terminate_backend(pid)
    from pg_stat_activity
    where datname = current_database() and query like 'listen%%'
"""


def test_followers_are_told_of_many_commits_once(desk: Desk) -> None:
    async def tell(opened: Signals) -> tuple[int, float]:
        async with listening_to(desk, signals.NEW_EVENTS) as conn:
            begun = time.monotonic()
            for _ in range(100):
                opened.announce_events()
                await asyncio.sleep(0.001)
            told = [n async for n in conn.notifies(timeout=3 * signals.QUIET_SECONDS)]
            return len(told), time.monotonic() - begun

    told, seconds = with_signals(desk, tell)
    assert 1 <= told <= 1 + seconds / signals.QUIET_SECONDS
