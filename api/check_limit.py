"""Guessing of scan codes is slowed down: a code opens a customer's data (docs/domain.md §5). Asked by scan_codes.py.

What counts are an actor's misses in the access log, which all workers share.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from domain.refusals import TooManyRequests


class CheckLimit:
    """`misses(actor)` counts those of the last minute. Lives in one event loop."""

    def __init__(self, misses: Callable[[str], Awaitable[int]], *, misses_max: int) -> None:
        self._misses, self._misses_max = misses, misses_max
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take_turn(self, actor: str) -> AsyncIterator[None]:
        """One look-up of an actor at a time, so that many at once are not all looked up before the first miss counts.

        Raises TooManyRequests."""
        lock = self._turns.setdefault(actor, asyncio.Lock())
        async with lock:
            if await self._misses(actor) >= self._misses_max:
                raise TooManyRequests(retry_after_seconds=60)
            yield
