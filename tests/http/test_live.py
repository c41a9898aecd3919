"""What the streams of one worker share (api/live.py): one look at the views, one reading for all that keep up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.live import READINGS_AT_ONCE, Live
from domain.refusals import Unavailable


class Views:
    """Where the views stand and where the log ends; a test moves them. `looks` counts who asks."""

    def __init__(self) -> None:
        self.position, self.last, self.looks = 10, 10, 0
        self.away = False

    async def standing(self) -> tuple[int, int]:
        self.looks += 1
        if self.away:
            raise ConnectionError
        return self.position, self.last


class Readings:
    """Counts what was read, and how much at once."""

    def __init__(self) -> None:
        self.done, self.now, self.most = 0, 0, 0
        self.fails = False

    async def read(self) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        if self.fails:
            raise Unavailable
        self.done += 1
        return self.done


def run(test: Callable[[Live, Views, Readings], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        views = Views()
        live = Live(views.standing, streams_max=3, unavailable=(ConnectionError,))
        try:
            return await test(live, views, Readings())
        finally:
            await live.close()

    return asyncio.run(go())


async def standing_at(live: Live, position: int) -> None:
    while live.position != position:
        await live.wait(5)


def test_a_stream_is_woken_when_the_views_moved_on() -> None:
    async def test(live: Live, views: Views, _: Readings) -> None:
        live.enter("one", "somebody", None)
        await standing_at(live, 10)
        views.last = 11
        live.note_events()
        await asyncio.sleep(0.05)
        assert live.position == 10, "the log is ahead, the views are not there yet"
        views.position = 11
        await standing_at(live, 11)

    run(test)


def test_without_a_stream_nobody_looks() -> None:
    async def test(live: Live, views: Views, _: Readings) -> None:
        live.enter("one", "somebody", None)
        await standing_at(live, 10)
        live.leave("one")
        live.note_events()
        await asyncio.sleep(0.05)
        before = views.looks
        live.note_events()
        await asyncio.sleep(0.05)
        assert views.looks == before
        live.enter("two", "somebody", None)
        views.position = views.last = 12
        await standing_at(live, 12)

    run(test)


def test_a_database_that_is_away_and_comes_back_is_waited_for() -> None:
    async def test(live: Live, views: Views, _: Readings) -> None:
        live.enter("one", "somebody", None)
        await standing_at(live, 10)
        views.away = True
        live.note_events()
        await asyncio.sleep(0.05)
        views.away, views.position, views.last = False, 13, 13
        live.note_events()
        await standing_at(live, 13)

    run(test)


def test_all_who_keep_up_share_a_reading() -> None:
    async def test(live: Live, views: Views, readings: Readings) -> None:
        live.enter("one", "somebody", None)
        await standing_at(live, 10)
        views.position = views.last = 20
        live.note_events()
        await standing_at(live, 20)
        found = await asyncio.gather(*(live.share_reading(10, "staff", readings.read) for _ in range(200)))
        assert set(found) == {1}
        assert await live.share_reading(10, "viewer", readings.read) == 2, "other rights, another reading"
        views.position = views.last = 21
        live.note_events()
        await standing_at(live, 21)
        assert await live.share_reading(20, "staff", readings.read) == 3

    run(test)


def test_who_is_far_behind_reads_alone_and_nothing_is_kept_of_it() -> None:
    async def test(live: Live, views: Views, readings: Readings) -> None:
        live.enter("one", "somebody", None)
        await standing_at(live, 10)
        views.position = views.last = 20
        live.note_events()
        await standing_at(live, 20)
        assert await live.share_reading(3, "staff", readings.read) == 1
        assert await live.share_reading(3, "staff", readings.read) == 2

    run(test)


def test_no_more_than_a_few_read_at_once() -> None:
    async def test(live: Live, _: Views, readings: Readings) -> int:
        await asyncio.gather(*(live.share_reading(n, "staff", readings.read) for n in range(20)))
        return readings.most

    assert run(test) == READINGS_AT_ONCE


def test_a_reading_that_failed_fails_for_all_who_wait_and_is_tried_again() -> None:
    async def test(live: Live, _: Views, readings: Readings) -> None:
        readings.fails = True
        found = await asyncio.gather(
            *(live.share_reading(0, "staff", readings.read) for _ in range(3)), return_exceptions=True
        )
        assert [type(failure) for failure in found] == [Unavailable] * 3
        readings.fails = False
        assert await live.share_reading(0, "staff", readings.read) == 1

    run(test)


def test_who_leaves_while_it_is_read_takes_nothing_from_the_others() -> None:
    async def test(live: Live, _: Views, readings: Readings) -> None:
        first = asyncio.create_task(live.share_reading(0, "staff", readings.read))
        second = asyncio.create_task(live.share_reading(0, "staff", readings.read))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == 1

    run(test)


def test_over_the_limit_there_is_no_place_until_somebody_leaves() -> None:
    async def test(live: Live, _: Views, __: Readings) -> None:
        for name in ("one", "two", "three"):
            live.enter(name, "somebody", None)
        with pytest.raises(Unavailable):
            live.enter("four", "somebody", None)
        live.leave("two")
        live.leave("two")
        live.enter("four", "somebody", None)

    run(test)


def test_all_are_woken_when_the_worker_ends() -> None:
    async def test(live: Live, _: Views, __: Readings) -> None:
        stopping = asyncio.Event()
        live.enter("one", "somebody", stopping)
        await standing_at(live, 10)
        waiting = asyncio.create_task(live.wait(60))
        await asyncio.sleep(0)
        assert not live.is_ending
        stopping.set()
        await waiting
        assert live.is_ending

    run(test)
