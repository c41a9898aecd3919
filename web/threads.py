"""Work in threads that uses what a request has open: a request that is cancelled ends only after its thread.

Use cases run in `Blocking`; uploads.py writes by `finish_in_thread`. paper/client.py may not import web/ and has its
own way to the same end.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from domain.refusals import Unavailable

T = TypeVar("T")
BLOCKING_WAITING_MAX = 200


async def finish_in_thread(work: Callable[[], None]) -> None:
    """Run it in a thread and be cancelled only after it: a file closed under a running write could be another's."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await wait_for_end(running)
        raise


async def wait_for_end(work: "asyncio.Future[Any]") -> None:
    """Wait for the end of work that cannot be interrupted, however often the waiting task is cancelled."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    work.exception()  # asyncio logs a failure that nobody asked for


class Blocking:
    """Use cases are synchronous: they run in as many threads as there are connections for them, no more."""

    def __init__(self, threads: int, *, waiting_max: int = BLOCKING_WAITING_MAX) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="use-case")
        self._waiting, self._waiting_max = 0, waiting_max

    async def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result. Cancelled, it ends only after the thread has: what the thread uses stays open."""
        if self._waiting >= self._waiting_max:
            raise Unavailable
        self._waiting += 1
        work = self._executor.submit(function, *arguments)
        ended = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            if not work.cancel():
                await wait_for_end(ended)
            raise
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
