"""A scan station: offers its scanners to the archive, scans the jobs that it receives, and delivers the pages.

    reporter   reports the scanners and their states, on changes and every 30 s
    poller     polls for jobs, a long poll; accepts each pass of a session once
    scanners   a thread each, with one process a pass (offered.py)
    delivery   one thread; undelivered pages survive a crash (delivery.py)

All connections are outbound, so the station works behind any router. It uses no database.
"""

import fcntl
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from scanner import spool
from scanner.archive import ArchiveClient, PassJob, StationRefused, Unreachable
from scanner.complaint import GRACE_SECONDS, Complaint
from scanner.delivery import Delivery, PassOutcome, outcome_of
from scanner.errors import DeviceFault, Fault
from scanner.messages import Scan
from scanner.names import names_of
from scanner.offered import OfferedScanner, Pass
from scanner.profiles import PageSource, profiles_of
from scanner.spool import Spool

REPORT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.3
RETRY_SECONDS: Final = 2.0
END_SECONDS: Final = 1.0
_CUT_OFF: Final = PassOutcome("scanner-failed", "the station was stopped")
logger = logging.getLogger("dossier.station")


class Station:
    """The station of one machine. `devices` are SANE's names, or `simulated:…`; `changes` are those of
    profiles_of(), `names` those of names_of(). `state` is a folder of its own, for spool and locks. Raises
    ValueError for values that cannot be used."""

    def __init__(
        self,
        archive: ArchiveClient,
        devices: Sequence[str],
        state: Path,
        *,
        changes: Sequence[str] = (),
        names: Sequence[str] = (),
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called before each poll: at least every half minute while the archive answers."""
        self._archive, self._state, self._beat = archive, state, beat
        self._spool = Spool(state / "spool")
        self._delivery = Delivery(archive, self._spool, state / "spool")
        self._changed = threading.Event()
        self._is_ending = False
        self._unended: dict[PassJob, PassOutcome] = {}
        called = names_of(devices, names)
        self._scanners = {
            name: OfferedScanner(
                device,
                called[device],
                profiles_of(device, changes),
                state,
                on_page=self._delivery.wake,
                ended=self._record_end,
                changed=self._changed.set,
            )
            for name, device in devices_by_id(devices).items()
        }

    def run(self, until: Callable[[], object]) -> None:
        """Run until `until` returns, and at most a second longer. Passes that an earlier end interrupted are
        delivered and reported as interrupted. The threads are not joined: they may be ended at any point."""
        with lock_state(self._state):
            self._delivery.sweep_leftovers()
            for job in self._delivery.list_interrupted():
                self._record_end(job, _CUT_OFF)
            scanning = [scanner.run for scanner in self._scanners.values()]
            for work in (self._delivery.run, self._run_reporter, self._run_poller, *scanning):
                threading.Thread(target=run_with_restarts, args=(work,), daemon=True).start()
            until()
            self._stop_scans()

    def _stop_scans(self) -> None:
        """Stop running scans and deliver for at most END_SECONDS; the next start delivers the rest."""
        self._is_ending = True
        until = monotonic() + END_SECONDS
        for scanner in self._scanners.values():
            if current := scanner.current:
                current.stop(_CUT_OFF)
        while (self._is_scanning() or self._delivery.list_passes()) and monotonic() < until:
            sleep(END_SECONDS / 20)

    # -- what there is ------------------------------------------------------------------------------------------

    def _run_reporter(self) -> None:
        complaint = Complaint("reporting the scanners to the archive fails")
        while True:
            self._changed.clear()
            offers = [scanner.current_offer(name) for name, scanner in self._scanners.items()]
            try:
                self._archive.report_scanners([offer for offer in offers if offer is not None])
                complaint.resolve()
                self._changed.wait(REPORT_SECONDS)
            except Unreachable as error:
                report_trouble(complaint, error)
                sleep(RETRY_SECONDS)

    # -- what is to be done -------------------------------------------------------------------------------------

    def _run_poller(self) -> None:
        """Long-poll while idle; poll every 0.3 s during a scan to notice cancellations."""
        complaint = Complaint("polling the archive for jobs fails")
        is_busy = is_away = False
        while not self._is_ending:
            self._beat()
            try:
                is_busy = self._poll_jobs(wait_seconds=0 if is_busy or is_away else POLL_SECONDS)
            except Unreachable as error:
                report_trouble(complaint, error)
                is_away = True
                sleep(RETRY_SECONDS)
                continue
            complaint.resolve()
            if is_away:
                is_away = False
                self._delivery.wake()
            sleep(LOOK_SECONDS if is_busy else 0)

    def _poll_jobs(self, *, wait_seconds: int) -> bool:
        """Poll once and accept new jobs; True while a job is listed or a scan runs. Raises Unreachable."""
        jobs = self._archive.fetch_jobs(wait_seconds=wait_seconds)
        for job, outcome in [*self._unended.items()]:
            self._record_end(job, outcome)
        self._stop_unwanted(jobs)
        there = {job.spool_id for job in self._delivery.list_passes()}
        for job in jobs:
            if job.spool_id not in there and not self._delivery.is_finished(job):
                self._accept_job(job)
        return bool(jobs) or self._is_scanning()

    def _accept_job(self, job: PassJob) -> None:
        """Start a pass, or decline it. A pass is scanned once, whatever its outcome, although the archive may list
        it again."""
        scanner = self._scanners.get(job.scanner.rpartition(":")[2])
        if scanner is None:
            self._decline_job(job, Fault.OFFLINE, f"a job for {job.scanner}, which this station does not have")
        elif job.profile not in scanner.profiles:
            self._decline_job(job, Fault.INVALID, f"a job with profile {job.profile}, which this station does not have")
        elif scanner.current is not None:
            # A stopped pass frees the device in a moment; the archive then still lists this job.
            if not scanner.current.is_stopped:
                self._decline_job(job, Fault.BUSY, f"{scanner.device} is scanning another job")
        elif not self._is_ending and self._archive.awaits_pass(job):
            self._begin_pass(job, scanner)

    def _begin_pass(self, job: PassJob, scanner: OfferedScanner) -> None:
        profile, source = scanner.profiles[job.profile], PageSource(job.source)
        asked = spool.SpoolJob(
            id=job.spool_id, device=scanner.device, source=source, profile=profile, begun_at=datetime.now(UTC)
        )
        scan = Scan(
            job=job.spool_id,
            device=scanner.device,
            holder=job.id,
            profile=profile,
            source=source,
            pages_max=job.pages_max,
        )
        try:
            self._spool.begin_job(asked)
            self._delivery.record_job(job)
        except (DeviceFault, OSError) as error:
            self._decline_job(job, Fault.NO_ROOM, str(error))
        else:
            scanner.give_pass(Pass(job, scan))

    def _decline_job(self, job: PassJob, fault: Fault, why: str) -> None:
        self._delivery.decline_pass(job, outcome_of(fault, why))
        logger.error("declined pass %s: %s", job.spool_id, why)

    def _record_end(self, job: PassJob, outcome: PassOutcome) -> None:
        """Record the end of a pass. On a full disk, retry with the next poll: delivered pages free space."""
        try:
            self._delivery.record_outcome(job, outcome)
            self._unended.pop(job, None)
        except OSError as error:
            if job not in self._unended:
                logger.error("recording the end of pass %s failed, retrying at each poll: %s", job.spool_id, error)
            self._unended[job] = outcome

    def _stop_unwanted(self, jobs: Sequence[PassJob]) -> None:
        """Stop scans that the archive no longer lists because a person cancelled them. A pass that the archive has
        only given up as lost continues."""
        wanted = {job.spool_id for job in jobs}
        for scanner in self._scanners.values():
            current = scanner.current
            if current is None or current.is_stopped or current.job.spool_id in wanted:
                continue
            if not self._archive.wants_pages(current.job):
                current.stop(PassOutcome())

    def _is_scanning(self) -> bool:
        return any(scanner.current for scanner in self._scanners.values())


def report_trouble(complaint: Complaint, error: Unreachable) -> None:
    """Report the error; a refused token at once, because waiting does not help."""
    complaint.report(str(error), grace_seconds=0 if isinstance(error, StationRefused) else GRACE_SECONDS)


def run_with_restarts(work: Callable[[], None]) -> None:
    """Run `work` until it returns. An unforeseen error must not end a thread that the others need, so it is logged
    and `work` is called again."""
    while True:
        try:
            return work()
        except Exception as error:  # noqa: BLE001  # the edge of the thread
            logger.error(
                "%s failed, restarting it in %.0f s: %s", work.__qualname__, RETRY_SECONDS, type(error).__name__
            )
            sleep(RETRY_SECONDS)


def devices_by_id(devices: Sequence[str]) -> dict[str, str]:
    """Devices by their ids at the archive. Raises ValueError where two have the same id."""
    found: dict[str, str] = {}
    for device in devices:
        if found.setdefault(scanner_id_of(device), device) != device:
            raise ValueError(
                f"{device} and {found[scanner_id_of(device)]} cannot be told apart by letters and digits alone"
            )
    return found


def scanner_id_of(device: str) -> str:
    """A device's name as part of a URL: letters, digits and . _ -, at most 64."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", device).strip("-._")
    return plain[:64] or "scanner"


@contextmanager
def lock_state(state: Path) -> Iterator[None]:
    """Lock the state folder, because a spool has one station; the kernel releases the lock however the process ends."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "station.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another station runs on {state}") from None
        yield


class AlreadyRunning(Exception):
    """Another station has this folder."""
