"""The access log's writer: what waits for its line, what is written in groups, what an outage does to both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.refusals import Unavailable
from store import access_log
from store.access_log import Access, AccessLog

NOTED_MAX = 5


class Database:
    """Lends one connection as the application's role, or fails as an outage does; counts the statements."""

    def __init__(self, db: str) -> None:
        self.db, self.is_away, self.lent = db, False, 0
        self.hangs_until: asyncio.Event | None = None
        self.refused = 0

    def run(self, work: Callable[[AccessLog], Awaitable[None]]) -> None:
        async def running() -> None:
            conn = await AsyncConnection.connect(self.db, autocommit=True, options="-c role=dossier_app")
            async with conn:
                await work(AccessLog(lambda: self._lend(conn), noted_max=NOTED_MAX))

        asyncio.run(running())

    @asynccontextmanager
    async def _lend(self, conn: AsyncConnection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
        if self.is_away:
            self.refused += 1
            raise psycopg.OperationalError
        self.lent += 1
        hang, self.hangs_until = self.hangs_until, None
        if hang is not None:
            await hang.wait()
        yield conn

    def lines(self) -> list[str]:
        with psycopg.connect(self.db) as conn:
            return [trace for (trace,) in conn.execute("select trace_id from access.log order by id")]


@pytest.fixture
def database(db: str) -> Database:
    return Database(db)


def a_read(trace: str) -> Access:
    return Access(actor="j.smit", branch="MAIN", action="list", status=200, trace_id=trace)


def test_noted_lines_are_written_in_groups(database: Database) -> None:
    async def work(log: AccessLog) -> None:
        for n in range(NOTED_MAX):
            log.note(a_read(str(n)))
        while len(database.lines()) < NOTED_MAX:
            await asyncio.sleep(0.01)

    database.run(work)
    assert (database.lines(), database.lent) == (["0", "1", "2", "3", "4"], 1)


def test_as_many_as_there_is_room_for_are_noted_during_an_outage_and_not_one_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "RETRY_SECONDS", 0.05)

    async def work(log: AccessLog) -> None:
        database.is_away = True
        for n in range(NOTED_MAX):
            log.note(a_read(str(n)))
        with pytest.raises(Unavailable):
            log.note(a_read("too many"))
        with pytest.raises(Unavailable):
            await log.record(a_read("waits for its line"))
        await asyncio.sleep(0.1)
        database.is_away = False
        while log._noted:
            await asyncio.sleep(0.01)
        log.note(a_read("later"))
        await log.close()

    database.run(work)
    assert database.lines() == ["0", "1", "2", "3", "4", "later"]


def test_a_line_says_when_it_was_noted_and_not_when_it_was_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "RETRY_SECONDS", 0.3)

    async def work(log: AccessLog) -> None:
        database.is_away = True
        log.note(a_read("early"))
        await asyncio.sleep(0.1)  # the first try fails
        database.is_away = False
        await log.record(a_read("late"))
        await log.close()

    database.run(work)
    with psycopg.connect(database.db) as conn:
        in_time = conn.execute("select trace_id from access.log order by at").fetchall()
    assert (database.lines(), in_time) == (["late", "early"], [("early",), ("late",)])


def test_a_noted_line_that_the_table_refuses_fails_nobody_who_waits(database: Database) -> None:
    async def work(log: AccessLog) -> None:
        log.note(a_read("no\0text"))
        await asyncio.sleep(0)
        await log.record(a_read("waits for its line"))
        await log.close()

    database.run(work)
    assert database.lines() == ["waits for its line"]


def test_a_line_that_somebody_waits_for_does_not_wait_behind_noted_ones(database: Database) -> None:
    async def work(log: AccessLog) -> None:
        database.hangs_until = answered = asyncio.Event()
        log.note(a_read("noted"))
        while not database.lent:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(log.record(a_read("waited for")), 10)
        assert database.lines() == ["waited for"]
        answered.set()
        await log.close()

    database.run(work)
    assert database.lines() == ["waited for", "noted"]


def test_an_end_in_an_outage_tries_again_with_pauses(database: Database) -> None:
    async def work(log: AccessLog) -> None:
        database.is_away = True
        log.note(a_read("lost"))
        await log.close()
        assert database.refused <= 3

    database.run(work)


def test_what_is_noted_is_written_before_the_end(database: Database) -> None:
    async def work(log: AccessLog) -> None:
        log.note(a_read("last"))
        await log.close()

    database.run(work)
    assert database.lines() == ["last"]
