"""The follower for deadlines: appends events as `system` for everything that has expired. It covers validity, the 36
months of a mandate without a collection, forms that were not signed, revocations with a later date, scans whose station
is silent, and abandoned scan sessions. The views list what is due; the use cases check each one against the log."""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from domain.administration import SYSTEM
from domain.archive import Archive, Caller
from domain.limits import Limits
from projections import authorizations, scan_sessions
from service.beats import ignore_beat, is_sole_leader, wait_with_beats
from service.logs import reason_of
from store.clocks import Stopped, Times, Trust, load_times, steady_seconds
from store.keys import Connections
from store.private_files import write_private

LOOK_SECONDS = 5.0
ALARM_SECONDS = 60.0
PAGE = 500
logger = logging.getLogger("dossier.lapses")


def run_lapses(
    connections: Connections,
    archive: Archive,
    limits: Limits,
    branch: str,
    stop: threading.Event,
    *,
    look_seconds: float = LOOK_SECONDS,
    beat: Callable[[], None] = ignore_beat,
    is_leading: Callable[[], bool] = is_sole_leader,
    note: Path | None = None,
) -> None:
    """Check for due items every `look_seconds` until `stop`. A process that does not lead compares the clocks too, so
    that it knows of a clock step when it becomes the leader. Nothing expires while the clocks disagree by more than the
    tolerance; meanwhile the log says so once a minute, and the file `note` says it to /readyz and `dossier status`."""
    trust, alarm = Trust(limits.clock_tolerance_seconds), Alarm(note)
    while not wait_with_beats(stop, look_seconds, beat):
        try:
            with connections.connection() as conn:
                times = load_times(conn, archive.clock.now())
            steady = steady_seconds()
            wrong = trust.find_doubt(times, steady)
            if not is_leading():
                alarm.withdraw()
                continue
            alarm.report(wrong, times, steady)
            if wrong:
                continue
            settled = archive.with_clock(Stopped(archive.clock, times.program))
            lapse_due(connections, settled, beat)
            end_scans(connections, settled, limits, branch, beat)
        except Exception as error:  # noqa: BLE001  # the edge of the thread: it must outlive a database that is away
            logger.warning("expiry check failed, retrying in %.0f s: %s", look_seconds, reason_of(error))


def note_path_of(home: Path) -> Path:
    """The file in which the projector of this HOME explains why nothing expires; absent while the clocks agree."""
    return home / "run" / "lapses-wait"


def load_note(note: Path) -> str | None:
    try:
        return note.read_text("utf-8")
    except OSError:
        return None


class Alarm:
    """Logs that expiry waits: at once, every minute again, and when it resumes. The file `note` is rewritten at each
    check, because it includes the remaining wait."""

    def __init__(self, note: Path | None) -> None:
        self._told: float | None = None
        self._note = note

    def report(self, wrong: str | None, times: Times, steady: float) -> None:
        self._write_note(wrong)
        if wrong is None and self._told is not None:
            logger.warning("the clocks agree again, expiry resumes")
            self._told = None
        elif wrong is not None and (self._told is None or steady - self._told >= ALARM_SECONDS):
            logger.error(
                "expiry of authorizations and scans waits until the clocks agree: %s (program %s, database %s)",
                wrong,
                times.program.isoformat(timespec="seconds"),
                times.database.isoformat(timespec="seconds"),
            )
            self._told = steady

    def withdraw(self) -> None:
        """Say nothing more: another one leads, and tells it for itself."""
        self._told = None
        self._write_note(None)

    def _write_note(self, wrong: str | None) -> None:
        """Write or remove the note. A full disk is ignored, because the log has the same message."""
        with suppress(OSError):
            if self._note and wrong:
                write_private(self._note, wrong.encode())
            elif self._note:
                self._note.unlink(missing_ok=True)


def lapse_due(connections: Connections, archive: Archive, beat: Callable[[], None] = ignore_beat) -> int:
    """Append events for everything due today in the institution's time zone; returns their number. Durable on
    return."""
    today, written = archive.clock.today(), 0
    passed: list[UUID] = []
    while True:
        with connections.connection() as conn:
            due = authorizations.list_due(conn, today, PAGE, passed=passed)
        if not due:
            return written
        written += end_each(due, archive.life.lapse_authorization, beat)
        passed += due  # the view shows the new events a moment later


def end_scans(
    connections: Connections, archive: Archive, limits: Limits, branch: str, beat: Callable[[], None] = ignore_beat
) -> int:
    """Interrupt scans of a silent station, expire abandoned sessions, and destroy the pages of sessions that expired
    longer than the grace ago; returns the number. Durable on return. The grace starts at the database's time of the
    expiry event and ends when both clocks agree that it has passed."""
    now = archive.clock.now()
    since = now - timedelta(hours=limits.scan_session_hours)
    with connections.connection() as conn:
        dropped_before = min(now, load_times(conn, now).database) - timedelta(hours=limits.scan_grace_hours)
        expired = scan_sessions.list_expired(conn, dropped_before)
        abandoned = scan_sessions.list_abandoned(conn, now - timedelta(seconds=limits.scan_silence_seconds))
        untouched = scan_sessions.list_untouched(conn, since)
    caller = Caller(actor=SYSTEM, branch=branch, correlation_id=archive.ids.new())
    interrupt = partial(archive.scanning.interrupt_scan, problem="scanner-offline", caller=caller)
    expire = partial(archive.scanning.expire_scan, untouched_since=since, caller=caller)
    drop = partial(archive.scanning.drop_expired_scan, untouched_since=dropped_before, caller=caller)
    return end_each(abandoned, interrupt, beat) + end_each(untouched, expire, beat) + end_each(expired, drop, beat)


def end_each(papers: Iterable[UUID], end: Callable[[UUID], object], beat: Callable[[], None] = ignore_beat) -> int:
    """Call `end` for each paper; returns how many were changed. A failure, as with an erased paper, is logged and does
    not stop the others."""
    count = 0
    for paper in papers:
        beat()
        try:
            count += bool(end(paper))
        except Exception as error:  # noqa: BLE001  # it concerns this paper alone, or the next one fails too
            logger.warning("expiring %s failed, retrying at the next check: %s", paper, reason_of(error))
    return count
