"""Runs work in threads for a request; a cancelled request ends only after its thread, which uses its open files.

Use cases run in `Blocking`; web/uploads.py writes with `finish_in_thread`. paper/client.py may not import web/ and
solves the same problem itself.
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
    """Runs `work` in a thread; a cancellation takes effect after it. Else a file could be closed under a running write,
    and its descriptor could already belong to another file."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await wait_for_end(running)
        raise


async def wait_for_end(work: "asyncio.Future[Any]") -> None:
    """Waits for the end of work that cannot be interrupted, however often the waiting task is cancelled."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    work.exception()  # marks the exception as retrieved, so that asyncio does not log it


class Blocking:
    """Runs synchronous use cases in `threads` threads, one for each database connection that they can have."""

    def __init__(self, threads: int, *, waiting_max: int = BLOCKING_WAITING_MAX) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="use-case")
        self._waiting, self._waiting_max = 0, waiting_max

    async def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result. Raises Unavailable when too many calls wait.

        A cancelled call ends only after its thread, so what the thread uses stays open.
        """
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
