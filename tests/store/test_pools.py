"""Pools after an outage: nobody is given a connection that died while it lay idle, and one that lives is kept."""

import asyncio
from contextlib import suppress

import psycopg
import pytest

from store.pools import AsyncPool, Pool, make_async_pool, make_pool

SIZE = 4


def a_pool(db: str) -> Pool:
    return make_pool(db, min_size=SIZE, max_size=SIZE, wait_seconds=10.0, kwargs={"autocommit": True})


def an_async_pool(db: str) -> AsyncPool:
    return make_async_pool(db, min_size=SIZE, max_size=SIZE, wait_seconds=10.0, kwargs={"autocommit": True})


def end_all_others(db: str) -> int:
    """What an outage does to connections that nobody uses just then."""
    with psycopg.connect(db, autocommit=True) as conn:
        ended = conn.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    assert all(done for (done,) in ended)
    return len(ended)


def test_nobody_is_given_a_connection_that_died_idle(db: str) -> None:
    with a_pool(db) as pool:
        pool.wait()
        assert end_all_others(db) == SIZE
        for _ in range(2 * SIZE):
            with pool.connection() as conn:
                assert conn.execute("select 7").fetchone() == (7,)


def test_nobody_is_given_a_connection_that_died_idle_in_an_event_loop(db: str) -> None:
    async def outage() -> None:
        async with an_async_pool(db) as pool:
            await pool.wait()
            assert end_all_others(db) == SIZE
            for _ in range(2 * SIZE):
                async with pool.connection() as conn:
                    assert await (await conn.execute("select 7")).fetchone() == (7,)

    asyncio.run(outage())


def test_a_connection_that_lives_and_was_told_something_is_kept(db: str) -> None:
    """What can be read is not always the end: a notification, a notice, a ticket of TLS."""
    with make_pool(db, min_size=1, max_size=1, wait_seconds=10.0, kwargs={"autocommit": True}) as pool:
        with pool.connection() as conn:
            conn.execute("listen told")
            before = conn.info.backend_pid
        with psycopg.connect(db, autocommit=True) as other:
            other.execute("notify told")
        with pool.connection() as conn:
            assert conn.info.backend_pid == before


def test_a_connection_that_dies_in_use_is_the_users_failure_and_the_next_is_well(db: str) -> None:
    with a_pool(db) as pool:
        with suppress(psycopg.OperationalError), pool.connection() as conn:
            end_all_others(db)
            assert conn.execute("select 7") is None, "it was ended"
        with pool.connection() as conn:
            assert conn.execute("select 7").fetchone() == (7,)


def test_a_database_that_is_not_there_is_a_bounded_wait(db: str) -> None:
    nowhere = make_pool(db.replace("/test_", "/gone_"), min_size=1, max_size=1, wait_seconds=0.2, kwargs={})
    with pytest.raises(psycopg.OperationalError), nowhere, nowhere.connection():
        raise AssertionError("there is no such database")
