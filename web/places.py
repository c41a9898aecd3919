"""Limits the large bodies that one worker process receives at once, in total and per caller; web/wrapper.py uses it.

A caller that has all its own places waits for one of them and does not occupy a place of others meanwhile. When all
places are taken, the slowest body is ended for a caller that waits: it gives way.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from domain.limits import Limits
from domain.refusals import Unavailable

# Shares of `queue_wait_seconds` (1 s and 2 s of 5): a body gives way to a caller that has waited for the first, if the
# server has waited for the body's client for the second; a fast connection has reached its rate by then.
PRESSES_AFTER, SPARED_FOR = 0.2, 0.4


class CallerPlaces:
    """The places of one caller. `here` counts its uploads that have a place or wait for one."""

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.waits: set[asyncio.Timeout] = set()
        self.here = 0


class Place:
    """The place of one body. Its rate counts only the time in which the server waited for the client."""

    def __init__(self, key: bytes) -> None:
        self.key, self.received_bytes, self.gave_way = key, 0, False
        self._wait: asyncio.Timeout | None = None
        self._since = self._waited_seconds = 0.0

    @contextmanager
    def awaits(self, wait: asyncio.Timeout) -> Iterator[None]:
        """Marks the wait for the next piece of the body; give_way() ends it with TimeoutError."""
        now = asyncio.get_running_loop().time
        self._wait, self._since, self.gave_way = wait, now(), False
        try:
            yield
        finally:
            self._wait = None
            self._waited_seconds += now() - self._since

    def bytes_per_second(self, now: float, spared_seconds: float) -> float | None:
        """The rate of the body; None while the server does not wait for the client, or has waited less than
        `spared_seconds` in total."""
        seconds = self._waited_seconds + now - self._since
        return None if self._wait is None or seconds < spared_seconds else self.received_bytes / seconds

    def give_way(self, now: float) -> None:
        if self._wait is not None:
            self.gave_way = True
            self._wait.reschedule(now)


class Places:
    """The places of one worker process. A caller is an opaque key."""

    def __init__(self, limits: Limits) -> None:
        self._places = asyncio.Semaphore(limits.uploads_concurrent_max)
        self._per_caller, self._wait_seconds = limits.uploads_per_caller_max, limits.queue_wait_seconds
        self._contested = limits.upload_rate_bytes_per_second_contested
        self._callers: dict[bytes, CallerPlaces] = {}
        self._taken: set[Place] = set()

    async def take(self, key: bytes) -> Place:
        """Waits for a place. Raises Unavailable when none of this caller's places became free for
        `queue_wait_seconds`."""
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
        """Makes the slowest body of another caller give way, and then the next, until it is cancelled."""
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._wait_seconds * PRESSES_AFTER)
            if (slowest := self._slowest(key, now())) is not None:
                slowest.give_way(now())

    def _slowest(self, key: bytes, now: float) -> Place | None:
        """The slowest body of another caller, if its rate is below `upload_rate_bytes_per_second_contested`."""
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
