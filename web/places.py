"""Places for large bodies in one worker process: so many in all, and so many of one caller; web/wrapper.py takes them.

Who has all its own places waits for one of those, and meanwhile holds none that another could have.
"""

import asyncio

from domain.limits import Limits
from domain.refusals import Unavailable


class Caller:
    """The places of one caller. `here`: its uploads that have a place or wait for one."""

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.waits: set[asyncio.Timeout] = set()
        self.here = 0


class Places:
    """Each caller is a key that means nothing else."""

    def __init__(self, limits: Limits) -> None:
        self._places = asyncio.Semaphore(limits.uploads_concurrent_max)
        self._per_caller, self._wait_seconds = limits.uploads_per_caller_max, limits.queue_wait_seconds
        self._callers: dict[bytes, Caller] = {}

    async def take(self, key: bytes) -> None:
        """Wait for a place until none of this caller's has come free for `queue_wait_seconds`. Raises Unavailable."""
        caller = self._callers.setdefault(key, Caller(self._per_caller))
        caller.here += 1
        try:
            async with asyncio.timeout(self._wait_seconds) as wait:
                caller.waits.add(wait)
                await self._take(caller)
        except BaseException as error:
            self._leave(key, caller)
            if isinstance(error, TimeoutError):
                raise Unavailable(retry_after_seconds=self._wait_seconds) from None
            raise
        finally:
            caller.waits.discard(wait)

    def give_back(self, key: bytes) -> None:
        caller = self._callers[key]
        self._places.release()
        caller.places.release()
        self._leave(key, caller)
        until = asyncio.get_running_loop().time() + self._wait_seconds
        for wait in caller.waits:
            if not wait.expired():
                wait.reschedule(until)

    async def _take(self, caller: Caller) -> None:
        await caller.places.acquire()
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            caller.places.release()
            raise

    def _leave(self, key: bytes, caller: Caller) -> None:
        caller.here -= 1
        if not caller.here:
            del self._callers[key]
