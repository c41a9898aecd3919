"""The bounded pool of threads for use cases: a caller that is cancelled ends after its thread, never before."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from domain.refusals import Unavailable
from web.threads import Blocking


def test_a_cancelled_call_ends_after_its_thread(tmp_path: Path) -> None:
    """What the thread writes to would else be closed, and its number could be another request's file by then."""
    held, let_go = threading.Event(), threading.Event()

    def write_late(file: int) -> None:
        held.set()
        assert let_go.wait(10)
        os.pwrite(file, b"customer A", 0)

    async def leave() -> None:
        blocking = Blocking(1)
        with (tmp_path / "a").open("wb") as file:
            call = asyncio.create_task(blocking(write_late, file.fileno()))
            await asyncio.to_thread(held.wait, 10)
            for _ in range(2):
                call.cancel()
                await asyncio.sleep(0.02)
                assert not call.done()
            let_go.set()
            with pytest.raises(asyncio.CancelledError):
                await call
        blocking.close()

    asyncio.run(leave())
    assert (tmp_path / "a").read_bytes() == b"customer A"


def test_a_cancelled_call_that_waits_for_a_thread_is_never_run() -> None:
    let_go, ran = threading.Event(), list[str]()

    async def leave() -> None:
        blocking = Blocking(1)
        first = asyncio.create_task(blocking(let_go.wait, 10))
        second = asyncio.create_task(blocking(ran.append, "second"))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        let_go.set()
        assert await first
        blocking.close()

    asyncio.run(leave())
    assert ran == []


def test_a_thread_of_a_cancelled_call_counts_until_it_ends() -> None:
    let_go = threading.Event()

    async def leave() -> None:
        blocking = Blocking(1, waiting_max=1)
        call = asyncio.create_task(blocking(let_go.wait, 10))
        await asyncio.sleep(0.02)
        call.cancel()
        await asyncio.sleep(0.02)
        with pytest.raises(Unavailable):
            await blocking(int)
        let_go.set()
        await asyncio.wait([call])
        assert await blocking(int) == 0
        blocking.close()

    asyncio.run(leave())
