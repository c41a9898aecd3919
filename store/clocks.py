"""True if the clocks that decide about lapses agree: the program's, the database's, the newest event's, the machine's.

service/lapses.py asks before each look; /readyz and /metrics report the same comparison.
"""

import time
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from psycopg import Connection

from domain.ports import Clock

AGREEMENT_SECONDS = 3600.0
"""After the machine's clock was set forward, operators have this long to notice the alarm before anything lapses."""
QUIET = timedelta(days=40)
"""An archive in use writes more often: a longer gap before a start may mean that the clock was set forward
meanwhile."""


class Times(msgspec.Struct, frozen=True):
    """The clocks at one moment; `newest` is the recorded_at of the newest event, by the database's clock."""

    program: datetime
    database: datetime
    newest: datetime | None

    @property
    def skew_seconds(self) -> float:
        """How far the program's clock is ahead of the database's."""
        return (self.program - self.database).total_seconds()


def load_times(conn: Connection[Any], program: datetime) -> Times:
    """The clocks now, with `program` as the program's."""
    [row] = conn.execute(TIMES).fetchall()
    return Times(program, *row)


TIMES = """
    select clock_timestamp(), (
        select recorded_at from archive.archive_events order by notification_id desc limit 1
    )
"""


def find_disagreement(times: Times, tolerance_seconds: float) -> str | None:
    """Which clock is wrong, in words; None while they agree within the tolerance."""
    skew = times.skew_seconds
    if abs(skew) > tolerance_seconds:
        return f"the program's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the database's"
    if times.newest and (ahead := (times.newest - times.database).total_seconds()) > tolerance_seconds:
        return f"the newest event is dated {ahead:.0f} s ahead of the database's clock"
    return None


class Trust:
    """The machine's own clock in one process: a step forward moves the program's and the database's clock alike.

    A clock that is never set detects the step. A step that is taken back is forgotten at once; after any other, nothing
    lapses until all clocks have agreed for an hour.
    """

    def __init__(self, tolerance_seconds: float) -> None:
        self._tolerance = tolerance_seconds
        self._trusted: float | None = None  # when the steady clock began, by a trusted clock
        self._doubted: tuple[float, float] | None = None  # the same by a doubted clock, and since when

    def find_doubt(self, times: Times, steady: float) -> str | None:
        """The reason, in words, why nothing may lapse at these times; None when lapses are allowed."""
        if wrong := find_disagreement(times, self._tolerance):
            self._doubted = None
            return wrong
        began = times.program.timestamp() - steady
        if (
            self._trusted is None
            and self._doubted is None
            and not (times.newest and times.program - times.newest > QUIET)
        ):
            self._trusted = began
        if self._trusted is not None and began - self._trusted <= self._tolerance:
            self._trusted, self._doubted = began, None
            return None
        if self._doubted is None or abs(began - self._doubted[0]) > self._tolerance:
            self._doubted = began, steady
        left = self._doubted[1] + AGREEMENT_SECONDS - steady
        if left <= 0:
            self._trusted, self._doubted = began, None
            return None
        return f"{self._cause_of(began)}; unless it is set again, what is due lapses in {left:.0f} s"

    def _cause_of(self, began: float) -> str:
        if self._trusted is None:
            return f"nothing was written in the {QUIET.days} days before, the clock may have been set while nothing ran"
        return f"the machine's clock was set forward by {began - self._trusted:.0f} s"


def steady_seconds() -> float:
    """A clock that is never set and that keeps running while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Stopped:
    """A clock that stays at one compared moment; its days are those of `clock`."""

    def __init__(self, clock: Clock, moment: datetime) -> None:
        self._clock, self._moment = clock, moment

    def now(self) -> datetime:
        return self._moment

    def today(self) -> date:
        return self.day_of(self._moment)

    def day_of(self, moment: datetime) -> date:
        return self._clock.day_of(moment)
