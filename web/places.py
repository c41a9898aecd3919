"""Places for large bodies in one worker process: so many in all, and so many of one caller; web/wrapper.py takes them.

A caller with all its own places waits for one of those, and meanwhile holds none that another could have. While all
places are taken, the slowest body gives way to a caller that waits.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from domain.limits import Limits
from domain.refusals import Unavailable

# Shares of `queue_wait_seconds` (1 s and 2 s of 5): a caller has waited so long before a body gives way to it, and
# the server for the body's client, since a fast line is fast by then.
PRESSES_AFTER, SPARED_FOR = 0.2, 0.4


class CallerPlaces:
    """The places of one caller. `here`: its uploads that have a place or wait for one."""

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.waits: set[asyncio.Timeout] = set()
        self.here = 0


class Place:
    """What one body holds. Its rate counts only the time in which the server waited for its client."""

    def __init__(self, key: bytes) -> None:
        self.key, self.received_bytes, self.gave_way = key, 0, False
        self._wait: asyncio.Timeout | None = None
        self._since = self._waited_seconds = 0.0

    @contextmanager
    def awaits(self, wait: asyncio.Timeout) -> Iterator[None]:
        """The wait for the next piece; give_way() ends it with TimeoutError."""
        now = asyncio.get_running_loop().time
        self._wait, self._since, self.gave_way = wait, now(), False
        try:
            yield
        finally:
            self._wait = None
            self._waited_seconds += now() - self._since

    def bytes_per_second(self, now: float, spared_seconds: float) -> float | None:
        """None while the server does not wait for its client, or has not waited for so long in all."""
        seconds = self._waited_seconds + now - self._since
        return None if self._wait is None or seconds < spared_seconds else self.received_bytes / seconds

    def give_way(self, now: float) -> None:
        if self._wait is not None:
            self.gave_way = True
            self._wait.reschedule(now)


class Places:
    """Each caller is a key that means nothing else."""

    def __init__(self, limits: Limits) -> None:
        self._places = asyncio.Semaphore(limits.uploads_concurrent_max)
        self._per_caller, self._wait_seconds = limits.uploads_per_caller_max, limits.queue_wait_seconds
        self._contested = limits.upload_rate_bytes_per_second_contested
        self._callers: dict[bytes, CallerPlaces] = {}
        self._taken: set[Place] = set()

    async def take(self, key: bytes) -> Place:
        """Wait for a place until none of this caller's has come free for `queue_wait_seconds`. Raises Unavailable."""
        caller = self._callers.setdefault(key, CallerPlaces(self._per_caller))
        caller.here += 1
        try:
            async with asyncio.timeout(self._wait_seconds) as wait:
                caller.waits.add(wait)
                await self._take(key, caller)
        except BaseException as error:
            self._leave(key, caller)
            if isinstance(error, TimeoutError):
                raise Unavailable(retry_after_seconds=self._wait_seconds) from None
            raise
        finally:
            caller.waits.discard(wait)
        place = Place(key)
        self._taken.add(place)
        return place

    def give_back(self, place: Place) -> None:
        self._taken.remove(place)
        caller = self._callers[place.key]
        self._places.release()
        caller.places.release()
        self._leave(place.key, caller)
        until = asyncio.get_running_loop().time() + self._wait_seconds
        for wait in caller.waits:
            if not wait.expired():
                wait.reschedule(until)

    async def _take(self, key: bytes, caller: CallerPlaces) -> None:
        await caller.places.acquire()
        pressing = asyncio.create_task(self._press(key)) if self._places.locked() else None
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            caller.places.release()
            raise
        finally:
            if pressing is not None:
                pressing.cancel()

    async def _press(self, key: bytes) -> None:
        """Have the slowest body of another caller give way, and the next as long as this caller still waits."""
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._wait_seconds * PRESSES_AFTER)
            if (slowest := self._slowest(key, now())) is not None:
                slowest.give_way(now())

    def _slowest(self, key: bytes, now: float) -> Place | None:
        """Of the bodies of other callers that come more slowly than a place is worth while somebody waits for it."""
        spared_seconds = self._wait_seconds * SPARED_FOR
        rates = {
            place: rate
            for place in self._taken
            if place.key != key
            and not place.gave_way
            and (rate := place.bytes_per_second(now, spared_seconds)) is not None
            and rate < self._contested
        }
        return min(rates, key=rates.__getitem__, default=None)

    def _leave(self, key: bytes, caller: CallerPlaces) -> None:
        caller.here -= 1
        if not caller.here:
            del self._callers[key]
