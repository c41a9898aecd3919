"""Heartbeats of the parts of one `serve`, in memory that the supervisor and all its children share. A part beats from
the loop that does its work, never from a thread beside it, so a part that hangs stops beating. The supervisor
(service/serve.py) checks the age of the last beat; service/metrics.py and `dossier status` show the same table."""

import mmap
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

LOOPS = {"projector": ("sweeps", "operations", "lapses")}
"""Further loops of a part; each has its own heartbeat."""
BEAT_SECONDS = 1.0
PID, SINCE, BEAT, RESTARTS = range(4)


class PartStatus(msgspec.Struct, frozen=True):
    """State of one part. `since` is its start in seconds since the epoch; `beat_seconds` is the age of its last beat,
    for several loops that of the most silent one."""

    part: str
    pid: int
    since: float
    beat_seconds: float
    restarts: int


class Beats:
    """The table of heartbeats, created before the fork. CLOCK_MONOTONIC stops while a machine sleeps, so sleep is not
    counted as silence."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = tuple(parts)
        self._names = [name for part in parts for name in self._names_of(part)]
        self._cells: Any = memoryview(mmap.mmap(-1, 8 * 4 * len(self._names))).cast("d")

    def beat_of(self, name: str) -> "Beat":
        """The heartbeat of a part, or of one of its loops as PART.LOOP."""
        return Beat(self._cells, 4 * self._names.index(name))

    def record_start(self, part: str, pid: int, *, again: bool) -> None:
        """Record that a process of this part has started; `again` counts it as a restart."""
        for name in self._names_of(part):
            self.beat_of(name)()
        at = 4 * self._names.index(part)
        self._cells[at + PID], self._cells[at + SINCE] = pid, time.time()
        self._cells[at + RESTARTS] += again

    def reset_all(self) -> None:
        """Restart the clock of every heartbeat, after the supervisor itself was late."""
        for name in self._names:
            self.beat_of(name)()

    def find_silent_loop(self, part: str, seconds: float) -> tuple[str, float] | None:
        """The first loop of a part whose last beat is older than `seconds`, with its age in seconds; None when there is
        none."""
        ages = ((name, self.beat_of(name).age_seconds()) for name in self._names_of(part))
        return next(((name, age) for name, age in ages if age > seconds), None)

    def part_statuses(self) -> list[PartStatus]:
        """The state of every part, in the order of `parts`."""
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
    """One heartbeat; the loop that does the work calls it."""

    def __init__(self, cells: Any, at: int) -> None:
        self._cells, self._at = cells, at + BEAT

    def __call__(self) -> None:
        self._cells[self._at] = time.monotonic()

    def age_seconds(self) -> float:
        """Seconds since the last beat."""
        last: float = self._cells[self._at]
        return max(0.0, time.monotonic() - last)


def ignore_beat() -> None:
    """A heartbeat without an observer, for commands and tests."""


def is_sole_leader() -> bool:
    """The `is_leading` of a loop that has no competitors, as in tests."""
    return True


def wait_with_beats(stop: threading.Event, seconds: float, beat: Callable[[], None]) -> bool:
    """Wait up to `seconds` and keep beating; True when `stop` was set."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        beat()
        if stop.wait(min(left, BEAT_SECONDS)):
            return True
    return stop.is_set()
