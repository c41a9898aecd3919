"""Shares work among the open event streams of one web worker: the position of the views, its changes, and readings.

One task polls for all streams, and only while there is one. api/events.py has the streams.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from domain.refusals import Refusal, Unavailable

T = TypeVar("T")
Standing = Callable[[], Awaitable[tuple[int, int]]]
# The shortest and longest pause between polls: it doubles while the views are behind the log; idle, it is the longest.
LOOK_SECONDS = (0.005, 1.0)
# Waking three hundred streams takes about 10 ms of a worker, so events within this time are sent together.
STEP_SECONDS = 0.1
# Streams use at most this many of the eight reading connections at once, so other requests keep the rest.
READINGS_AT_ONCE = 2
FULL_RETRY_SECONDS = 5


class Live:
    """The shared state of one event loop.

    `standing` returns the position of the views and the end of the log. `unavailable` are the exceptions that it and
    the readings raise while the database is away. `streams` is called with 1 for each stream that begins and with -1
    for each that ends.
    """

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
        """Registers a stream of this reader. Raises Unavailable when there are too many."""
        if len(self._streams) >= self._streams_max:
            self._make_room(reader)
        self._streams[stream] = reader
        self._count(1)
        self._keep_watching()
        if self._ending is None and stopping is not None:
            self._ending = asyncio.create_task(stopping.wait())
            self._ending.add_done_callback(lambda _: self._step())

    def _make_room(self, reader: str) -> None:
        """Ends a stream of the reader with the most streams, if `reader` has at least two fewer; else raises
        Unavailable. So no reader can keep the others out."""
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
        """True if the stream may continue: False once it had to make room for another, or the worker ends."""
        return stream in self._streams and not self.is_ending

    @property
    def is_ending(self) -> bool:
        return self._ending is not None and self._ending.done()

    async def wait(self, seconds: float) -> None:
        """Waits until the views advance or the worker ends, at most `seconds`."""
        self._keep_watching()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()

    async def position_now(self) -> int:
        """The current position of the views."""
        return (await self._standing())[0]

    async def close(self) -> None:
        tasks = [task for task in (self._watching, self._ending, *self._readings.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the watch ----------------------------------------------------------------------------------------------

    def note_events(self) -> None:
        """Polls sooner, because there are new events that the views will have in a moment."""
        self._heard.set()

    def _keep_watching(self) -> None:
        """Starts the watch unless it runs; one that failed unexpectedly restarts with the next stream that waits."""
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
        """Polls the views, wakes the streams if they advanced, and returns whether they are behind the log."""
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
        """The result of `read`, shared by all streams with the same `key` (rights and filters) at position `after`.

        A stream that is further behind reads alone, so that only the latest readings are kept in memory.
        """
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
        """Removes a failed reading: only those that wait for it get the failure."""
        if (done.cancelled() or done.exception()) and self._readings.get(key) is done:
            del self._readings[key]
