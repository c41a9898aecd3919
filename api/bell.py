"""Rings when somebody appended events, on whichever worker or node (store/signals.py). api/stations.py waits for it."""

import asyncio
from contextlib import suppress


class Bell:
    """Lives in one event loop. A hint: a wait ends without it too."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Set at the next ring. Take it before you look, so that no ring falls between the look and the wait."""
        return self._rung


async def wait_for(bell: asyncio.Event, *, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()
