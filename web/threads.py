"""Work in threads that uses what a request has open: a request that is cancelled ends only after it.

service/wiring.py waits by it for use cases, uploads.py for writes. paper/client.py, which no door may import and which
imports none, has the same for its own writes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any


async def finish_in_thread(work: Callable[[], None]) -> None:
    """Run it in a thread and be cancelled only after it: a file closed under a running write could be another's."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await outlive(running)
        raise


async def outlive(work: "asyncio.Future[Any]") -> None:
    """Wait for the end of work that cannot be interrupted, however often the waiting task is cancelled."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    work.exception()  # asyncio logs a failure that nobody asked for
