"""How long a reader waits for the views: for a position, and for what it wrote itself (store/standing.py)."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from domain.refusals import ViewPaused
from projections import tracking
from store.standing import Standing
from tests.views.desk import CUSTOMERS, Desk, following

LONG = 20.0
T = TypeVar("T")


def with_standing(desk: Desk, run: Callable[[Standing], Awaitable[T]]) -> T:
    """A question of one web worker, in its event loop."""

    async def go() -> T:
        kwargs = {"autocommit": True}
        async with AsyncConnectionPool(desk.url, min_size=1, max_size=2, kwargs=kwargs, open=False) as pool:
            return await run(Standing(pool.connection))

    return asyncio.run(go())


def is_shown(desk: Desk, writer: str) -> bool:
    return with_standing(desk, lambda s: s.views_at(0, wait_seconds=0, writer=writer)) is not None


def test_whoever_waits_for_a_position_waits_until_every_view_is_there(desk: Desk) -> None:
    position = desk.letter().position
    assert not with_standing(desk, lambda s: s.views_at(position, wait_seconds=0.1))

    async def wait(standing: Standing) -> int | None:
        waiting = asyncio.create_task(standing.views_at(position, wait_seconds=LONG))
        await asyncio.to_thread(desk.follow)
        return await waiting

    assert with_standing(desk, wait)
    with psycopg.connect(desk.url, autocommit=True) as conn:
        tracking.pause_view(conn, "authorizations")
    last = desk.letter().position
    with following(desk):
        desk.wait_until(last)
    with pytest.raises(ViewPaused):
        with_standing(desk, lambda s: s.views_at(last, wait_seconds=LONG))
    assert with_standing(desk, lambda s: s.views_at(last, wait_seconds=LONG, views=["audit_history", "scan_sessions"]))


def test_a_view_that_was_set_back_is_not_taken_to_stand_where_it_stood(desk: Desk) -> None:
    """Postgres may lose the last commits of the follower in a crash, rows and position alike."""
    desk.letter()
    last = desk.follow()

    async def ask(standing: Standing) -> tuple[bool, bool]:
        before = await standing.views_at(last, wait_seconds=0) is not None
        desk.rows("update views.tracking set position = position - 1 where name = 'audit_history' returning 1")
        return before, await standing.views_at(last, wait_seconds=0) is not None

    assert with_standing(desk, ask) == (True, False)


def test_a_writer_waits_for_its_own_writes_and_nobody_else_does(desk: Desk) -> None:
    desk.letter(actor="j.smit")
    assert [is_shown(desk, name) for name in ("j.smit", "j.smi", "J.SMIT", "m.bakker", "")] == [False, *[True] * 4]
    desk.follow()
    assert is_shown(desk, "j.smit")
    desk.letter(actor="m.bakker")
    assert [is_shown(desk, name) for name in ("j.smit", "m.bakker")] == [True, False]


def test_of_an_append_of_several_events_the_last_is_waited_for(desk: Desk) -> None:
    """The position that the caller was told is that of the last event; each append makes one entry of the index."""
    form = desk.form()
    attached = desk.attach(form.recorded[0].envelope.originator_id)
    assert len(attached.recorded) > 2
    told = desk.rows("select notification_id, writer from archive.archive_events where writer <> 'system' order by 1")
    assert [position for position, _ in told] == [form.position, attached.position]

    desk.rows("update views.tracking set position = %s returning 1", attached.position - 1)
    assert not is_shown(desk, told[-1][1])
    desk.rows("update views.tracking set position = %s returning 1", attached.position)
    assert is_shown(desk, told[-1][1])


def test_what_is_written_while_one_waits_is_not_waited_for(desk: Desk) -> None:
    """Else a caller that goes on to write would wait for ever."""
    desk.letter()

    async def wait(standing: Standing) -> int | None:
        waiting = asyncio.create_task(standing.views_at(0, wait_seconds=LONG, writer="j.smit"))
        await asyncio.sleep(0.05)
        position = await asyncio.to_thread(desk.follow)
        await asyncio.to_thread(desk.letter)
        desk.rows("update views.tracking set position = %s returning 1", position)
        return await waiting

    assert with_standing(desk, wait)


def test_an_answer_is_never_older_than_its_question(desk: Desk) -> None:
    """Many who ask share a question: one that was on its way before somebody came is not theirs."""
    stop = threading.Event()

    async def one(standing: Standing, n: int) -> bool:
        for _ in range(12):
            outcome = await asyncio.to_thread(desk.letter, CUSTOMERS[n], actor=f"clerk {n}")
            if (await standing.load_look(f"clerk {n}")).written != outcome.position:
                return False
        return True

    async def all_at_once(standing: Standing) -> list[bool]:
        noise = asyncio.create_task(asking(standing, stop))
        try:
            return await asyncio.gather(*(one(standing, n) for n in range(4)))
        finally:
            stop.set()
            await noise

    assert with_standing(desk, all_at_once) == [True] * 4


async def asking(standing: Standing, stop: threading.Event) -> None:
    while not stop.is_set():
        await standing.load_look("m.bakker")


def test_a_reader_waits_for_the_first_hint_only_while_hints_come(desk: Desk) -> None:
    """Without hints (a follower on another node) it looks at once, as it does for a position that was heard of."""
    position = desk.letter().position

    async def wait(standing: Standing) -> tuple[bool, bool, bool, bool]:
        with standing.open_patience(position, wait_seconds=LONG) as unheard:
            pass
        standing.wake_at(position - 1)
        with (
            standing.open_patience(position - 1, wait_seconds=LONG) as old,
            standing.open_patience(position, wait_seconds=LONG) as new,
        ):
            standing.wake_at(0)
            waiting = asyncio.create_task(new.wait_for_next())
            standing.wake_at(position)
            return unheard.is_early, old.is_early, new.is_early, await waiting

    assert with_standing(desk, wait) == (False, False, True, True)


def test_a_database_that_fails_is_told_to_each_who_asked(desk: Desk) -> None:
    class Away(Exception):
        pass

    def connection() -> Any:
        raise Away

    async def ask() -> list[Any]:
        standing = Standing(connection)
        looks = (standing.load_look(name) for name in ("j.smit", "m.bakker"))
        return [type(found) for found in await asyncio.gather(*looks, return_exceptions=True)]

    assert asyncio.run(ask()) == [Away, Away]
