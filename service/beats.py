"""Signs of life of the parts of one `serve`, in memory that the supervisor and all its children share.

A part beats from the loop that does its work, never from a thread beside it: what hangs gives no sign. The supervisor
(service/serve.py) looks how old the last sign is; service/metrics.py and `dossier status` show the same table.
"""

import mmap
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

LOOPS = {"projector": ("sweeps", "operations", "lapses")}
"""Loops of a part beside its main one; each gives signs of its own."""
BEAT_SECONDS = 1.0
PID, SINCE, BEAT, RESTARTS = range(4)


class PartStatus(msgspec.Struct, frozen=True):
    """One part as it stands: `since` in seconds since the epoch, `beat_seconds` the age of its last sign; of several
    loops that of the most silent one."""

    part: str
    pid: int
    since: float
    beat_seconds: float
    restarts: int


class Beats:
    """To be made before the fork. CLOCK_MONOTONIC stands still while a machine sleeps, so nobody seems to hang then."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = tuple(parts)
        self._names = [name for part in parts for name in self._names_of(part)]
        self._cells: Any = memoryview(mmap.mmap(-1, 8 * 4 * len(self._names))).cast("d")

    def beat_of(self, name: str) -> "Beat":
        """The sign of one part, or of one of its loops as PART.LOOP."""
        return Beat(self._cells, 4 * self._names.index(name))

    def record_start(self, part: str, pid: int, *, again: bool) -> None:
        """A process of this part lives from now on."""
        for name in self._names_of(part):
            self.beat_of(name)()
        at = 4 * self._names.index(part)
        self._cells[at + PID], self._cells[at + SINCE] = pid, time.time()
        self._cells[at + RESTARTS] += again

    def reset_all(self) -> None:
        """Whoever looks has itself stood still: all get a whole time again."""
        for name in self._names:
            self.beat_of(name)()

    def find_silent_loop(self, part: str, seconds: float) -> tuple[str, float] | None:
        """The loop of a part that gave no sign for so long, and for how long; None while all do."""
        ages = ((name, self.beat_of(name).age_seconds()) for name in self._names_of(part))
        return next(((name, age) for name, age in ages if age > seconds), None)

    def part_statuses(self) -> list[PartStatus]:
        found = []
        for part in self.parts:
            at = 4 * self._names.index(part)
            oldest = max(self.beat_of(name).age_seconds() for name in self._names_of(part))
            pid, since, restarts = self._cells[at + PID], self._cells[at + SINCE], self._cells[at + RESTARTS]
            found.append(PartStatus(part, int(pid), since, oldest, int(restarts)))
        return found

    def _names_of(self, part: str) -> list[str]:
        return [part, *(f"{part}.{loop}" for loop in LOOPS.get(part, ()))]


class Beat:
    """Called from a working loop: it is alive."""

    def __init__(self, cells: Any, at: int) -> None:
        self._cells, self._at = cells, at + BEAT

    def __call__(self) -> None:
        self._cells[self._at] = time.monotonic()

    def age_seconds(self) -> float:
        """Seconds since the last sign."""
        last: float = self._cells[self._at]
        return max(0.0, time.monotonic() - last)


def ignore_beat() -> None:
    """The sign of a part that nobody watches: of a command, of a test."""


def is_sole_leader() -> bool:
    """The `is_leading` of a loop without a leader, such as a test's."""
    return True


def wait_with_beats(stop: threading.Event, seconds: float, beat: Callable[[], None]) -> bool:
    """Whether `stop` was set within so long; with signs of life meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        beat()
        if stop.wait(min(left, BEAT_SECONDS)):
            return True
    return stop.is_set()
