"""Signals new events to the requests that wait in one worker, whichever worker or node appended them.

store/signals.py rings it; api/stations.py waits for it.
"""

import asyncio
from contextlib import suppress


class Bell:
    """A bell for one event loop. It is only a hint: a signal can be lost, so every wait has a time limit."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def next(self) -> asyncio.Event:
        """The event that the next ring sets. Take it before the query, so that no ring is lost between the query and
        the wait."""
        return self._rung


async def wait_for(bell: asyncio.Event, *, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()
