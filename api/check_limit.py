"""Slows down the guessing of scan codes, because a code gives access to a customer's data (docs/domain.md §5).

It counts an actor's misses in the access log, which all workers share. api/scan_codes.py uses it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from domain.refusals import TooManyRequests


class CheckLimit:
    """The limit for one event loop. `misses(actor)` returns the number of misses in the last minute."""

    def __init__(self, misses: Callable[[str], Awaitable[int]], *, misses_max: int) -> None:
        self._misses, self._misses_max = misses, misses_max
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take_turn(self, actor: str) -> AsyncIterator[None]:
        """Allows one lookup of an actor at a time, so that the first miss counts before the second lookup.

        Raises TooManyRequests."""
        lock = self._turns.setdefault(actor, asyncio.Lock())
        async with lock:
            if await self._misses(actor) >= self._misses_max:
                raise TooManyRequests(retry_after_seconds=60)
            yield
