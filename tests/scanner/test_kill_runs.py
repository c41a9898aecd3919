"""The device process killed with -9 at random points of batches of five pages: none is lost, none is there twice.

A person then puts back what was not scanned, which is what the numbers on the screen tell, and the job goes on.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from scanner.device_process import DeviceProcess
from scanner.messages import Faulted, Finished, PageDone
from scanner.profiles import PageSource
from tests.scanner.devices import Desk, codes_of
from tests.scanner.escl import DEVICE, Scanner, text_of

SHEETS = 5
LOOK_SECONDS = 0.0005
FILES = ("{:04d}.jpg.part", "{:04d}.jpg", "{:04d}.json.part", "{:04d}.json")


def test_no_page_is_lost_or_doubled_by_kills(scanner: Scanner, desk: Desk) -> None:
    run(scanner, desk, kills=12, seed=1)


@pytest.mark.long
def test_no_page_is_lost_or_doubled_by_many_kills(scanner: Scanner, desk: Desk) -> None:
    run(scanner, desk, kills=200, seed=2)


def run(scanner: Scanner, desk: Desk, *, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    killed, batches, within = 0, 0, 0
    while killed < kills:
        batches += 1
        job = f"batch-{batches}"
        told: list[PageDone] = []
        while (first := len(desk.spool.list_pages(job)) + 1) <= SHEETS:
            pages, ending = passed(scanner, desk, job, first, chance)
            told += pages
            killed += isinstance(ending, Faulted)
            within += isinstance(ending, Faulted) and bool(pages)
        check(desk, job, told)
    print(f"{killed} kills in {batches} batches, {within} of them after a page of their pass")  # noqa: T201  # what was hit
    assert within > killed / 10, f"{killed} kills, and no more than {within} of them after a page"


def passed(
    scanner: Scanner, desk: Desk, job: str, first: int, chance: random.Random
) -> tuple[list[PageDone], Finished | Faulted]:
    """One pass of the sheets that are left, with one kill at some point of it, or after its end."""
    scanner.load(SHEETS - first + 1, first=first)
    request = desk.request(DEVICE, job=job, source=PageSource.FEEDER, first_page=first)
    with DeviceProcess(request, desk.state) as process:
        over = threading.Event()
        victim = os.pidfd_open(process.pid)
        killer = threading.Thread(target=kill, args=(victim, point(desk, job, first, chance), over))
        killer.start()
        *events, ending = process.iter_events()
        over.set()
        killer.join()
        os.close(victim)
    assert isinstance(ending, Finished | Faulted)
    return [event for event in events if isinstance(event, PageDone)], ending


def point(desk: Desk, job: str, first: int, chance: random.Random) -> Callable[[], bool]:
    """A moment, or the appearance of a file: most of what matters takes too short to be hit by chance."""
    until = time.monotonic() + chance.uniform(0, 1.0)
    number = chance.randint(first, SHEETS)
    file = desk.spool.picture_path(job, number).with_name(chance.choice(FILES).format(number))
    return file.exists if chance.random() < 0.7 else lambda: time.monotonic() > until


def kill(victim: int, reached: Callable[[], bool], over: threading.Event) -> None:
    while not reached():
        if over.wait(LOOK_SECONDS):
            return
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(victim, signal.SIGKILL)


def check(desk: Desk, job: str, told: list[PageDone]) -> None:
    pages = desk.spool.list_pages(job)
    assert [done.page.number for done in told] == [*range(1, SHEETS + 1)]
    assert [done.page for done in told] == pages
    assert [codes_of(Path(done.path)) for done in told] == [[text_of(page.number)] for page in pages]
    assert desk.spool.list_damaged(job) == []
