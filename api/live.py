"""What the open event streams of one web worker share: where the views stand, a word when they move on, what was read.

One task asks for all, and only while there is a stream. api/events.py has the streams.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from domain.refusals import Refusal, Unavailable

T = TypeVar("T")
Standing = Callable[[], Awaitable[tuple[int, int]]]
# While the views are behind the log they are asked ever more rarely; when nothing is heard, once a second.
LOOK_SECONDS = (0.005, 1.0)
# To wake three hundred streams takes some 10 ms of a worker: what happens within so long is told at once.
STEP_SECONDS = 0.1
# Of eight connections that read: whatever the streams want to know, the others wait for no more than this many.
READINGS_AT_ONCE = 2
FULL_RETRY_SECONDS = 5


class Live:
    """Lives in one event loop. `standing` tells where the views stand and where the log ends; `unavailable` are what
    it and the readings may raise while the database is away; `streams` hears of each that comes (1) and goes (-1)."""

    def __init__(
        self,
        standing: Standing,
        *,
        streams_max: int,
        unavailable: tuple[type[Exception], ...],
        streams: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._standing, self._streams_max, self._count = standing, streams_max, streams
        self.unavailable: tuple[type[Exception], ...] = (Refusal, *unavailable)
        self.position = 0
        self._streams: dict[Any, str] = {}
        self._moved, self._heard = asyncio.Event(), asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[Any] | None = None
        self._settled = 0
        self._readings: dict[Hashable, asyncio.Task[Any]] = {}
        self._reading = asyncio.Semaphore(READINGS_AT_ONCE)

    # -- streams ------------------------------------------------------------------------------------------------

    def enter(self, stream: Any, reader: str, stopping: asyncio.Event | None) -> None:
        """Take a stream of this reader in. Unavailable when there are too many."""
        if len(self._streams) >= self._streams_max:
            self._make_room(reader)
        self._streams[stream] = reader
        self._count(1)
        self._keep_watching()
        if self._ending is None and stopping is not None:
            self._ending = asyncio.create_task(stopping.wait())
            self._ending.add_done_callback(lambda _: self._step())

    def _make_room(self, reader: str) -> None:
        """The one who has most gives a stream to somebody who has fewer, so that nobody keeps all others out."""
        held = Counter(self._streams.values())
        [(greediest, most)] = held.most_common(1) or [("", 0)]
        if most <= held[reader] + 1:
            raise Unavailable(retry_after_seconds=FULL_RETRY_SECONDS)
        self.leave(next(stream for stream, held_by in self._streams.items() if held_by == greediest))
        self._step()

    def leave(self, stream: Any) -> None:
        if self._streams.pop(stream, None) is not None:
            self._count(-1)

    def lasts(self, stream: Any) -> bool:
        """Until it gives its place to another, or the worker ends."""
        return stream in self._streams and not self.is_ending

    @property
    def is_ending(self) -> bool:
        return self._ending is not None and self._ending.done()

    async def wait(self, seconds: float) -> None:
        """Until the views moved on, the worker ends, or so long."""
        self._keep_watching()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()

    async def position_now(self) -> int:
        """Where the views stand just now."""
        return (await self._standing())[0]

    async def close(self) -> None:
        tasks = [task for task in (self._watching, self._ending, *self._readings.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the watch ----------------------------------------------------------------------------------------------

    def note_events(self) -> None:
        """Called when there are new events, which the views take in a moment."""
        self._heard.set()

    def _keep_watching(self) -> None:
        """A watch that failed in a way that nobody thought of begins again with the next stream that waits."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        pause, longest = LOOK_SECONDS
        while self._streams:
            before, behind = self.position, await self._look()
            if self.position != before:
                await asyncio.sleep(STEP_SECONDS)
            pause = min(2 * pause, longest) if behind else longest
            if await self._hears_within(pause):
                pause = LOOK_SECONDS[0]

    async def _look(self) -> bool:
        """Whether the views are behind the log; streams are woken when they moved."""
        try:
            position, last = await self._standing()
        except self.unavailable:
            return False
        if position != self.position:
            self._settled, self.position = self.position, position
            self._step()
        return position < last

    async def _hears_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()
                self._heard.clear()
                return True
        return False

    def _step(self) -> None:
        self._readings.clear()
        self._moved.set()
        self._moved = asyncio.Event()

    # -- readings -----------------------------------------------------------------------------------------------

    async def share_reading(self, after: int, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What streams with the same `key` (rights and wishes) read behind `after`: once for all who keep up. Who is
        further behind reads alone, so that what is remembered stays as small as what has just happened."""
        if after < self._settled:
            return await self._one_of_few(read)
        task = self._readings.get((after, key))
        if task is None:
            task = self._readings[after, key] = asyncio.create_task(self._one_of_few(read))
            task.add_done_callback(lambda done: self._forget_failure((after, key), done))
        if task.done():
            found: T = task.result()
            return found
        shared: T = await asyncio.shield(task)
        return shared

    async def _one_of_few(self, read: Callable[[], Awaitable[T]]) -> T:
        async with self._reading:
            return await read()

    def _forget_failure(self, key: Hashable, done: "asyncio.Task[Any]") -> None:
        """A failure is for those who wait for it, and not remembered."""
        if (done.cancelled() or done.exception()) and self._readings.get(key) is done:
            del self._readings[key]
