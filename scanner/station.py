"""A scan station: offers its scanners to the archive, scans what it is asked to, and brings the pages.

    reporter   tells what scanners there are and how they are, when that changes and now and then
    poller     asks for jobs, a long poll; a pass of a session is taken on once
    scanners   a thread each, around one process a pass (offered.py)
    delivery   one thread; what is not delivered yet outlives a crash (delivery.py)

Everything goes out from here, so it works behind any router. Nothing of it knows a database.
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
    """`devices` are SANE's names, or `simulated:…`; `changes` are those of profiles_of(), `names` those of names_of().
    `state` is a folder of its own: spool and locks. Raises ValueError for what of them cannot be used."""

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
        """`beat` is called each time that the archive was asked for jobs: within half a minute while all is well."""
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
        """Until `until` returns, and a second more at most. What was cut off by an earlier end is delivered, and said
        to be cut off. No thread is waited for: whatever they are at, they may be ended at any point of it."""
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
        """What is scanned in this moment is cut off; what is left to deliver then, the next start does."""
        self._is_ending = True
        until = monotonic() + END_SECONDS
        for scanner in self._scanners.values():
            if current := scanner.current:
                current.stop(_CUT_OFF)
        while (self._is_scanning() or self._delivery.list_passes()) and monotonic() < until:
            sleep(END_SECONDS / 20)

    # -- what there is ------------------------------------------------------------------------------------------

    def _run_reporter(self) -> None:
        complaint = Complaint("the archive is not told of the scanners")
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
        """Patiently while nothing is to be done; else it is looked often who has cancelled what."""
        complaint = Complaint("no jobs can be asked for")
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
        """Whether something is to be done, or is being done. Raises Unreachable."""
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
        """A pass is scanned once, whatever becomes of it: what the archive goes on telling is not taken again."""
        scanner = self._scanners.get(job.scanner.rpartition(":")[2])
        if scanner is None:
            self._decline_job(job, Fault.OFFLINE, f"a job for {job.scanner}, which this station has not")
        elif job.profile not in scanner.profiles:
            self._decline_job(job, Fault.INVALID, f"a job with profile {job.profile}, which this station has not")
        elif scanner.current is not None:
            # One that was stopped lets go in a moment; then the archive still tells this job.
            if not scanner.current.is_stopped:
                self._decline_job(job, Fault.BUSY, f"{scanner.device} is at another job")
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
        logger.error("%s", why)

    def _record_end(self, job: PassJob, outcome: PassOutcome) -> None:
        """Where the disk is full it is tried again with the next jobs: pages that are delivered make room."""
        try:
            self._delivery.record_outcome(job, outcome)
            self._unended.pop(job, None)
        except OSError as error:
            if job not in self._unended:
                logger.error("the end of %s cannot be noted: %s", job.spool_id, error)
            self._unended[job] = outcome

    def _stop_unwanted(self, jobs: Sequence[PassJob]) -> None:
        """What the archive does not tell any more was cancelled, or given up for lost: then it goes on."""
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
    """A token that is not taken does not become better by waiting."""
    complaint.report(str(error), grace_seconds=0 if isinstance(error, StationRefused) else GRACE_SECONDS)


def run_with_restarts(work: Callable[[], None]) -> None:
    """To the end of the work. What nobody foresaw must not end a thread that all the others rely on."""
    while True:
        try:
            return work()
        except Exception as error:  # noqa: BLE001  # the edge of the thread
            logger.error("%s is begun anew: %s", work.__qualname__, type(error).__name__)
            sleep(RETRY_SECONDS)


def devices_by_id(devices: Sequence[str]) -> dict[str, str]:
    """Devices by their names at the archive. Raises ValueError where two would have the same."""
    found: dict[str, str] = {}
    for device in devices:
        if found.setdefault(scanner_id_of(device), device) != device:
            raise ValueError(
                f"{device} and {found[scanner_id_of(device)]} cannot be told apart by letters and digits alone"
            )
    return found


def scanner_id_of(device: str) -> str:
    """A device's name as a part of an address: letters, digits and . _ -, at most 64."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", device).strip("-._")
    return plain[:64] or "scanner"


@contextmanager
def lock_state(state: Path) -> Iterator[None]:
    """A spool has one station; the kernel drops the lock however it ends."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "station.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another station runs on {state}") from None
        yield


class AlreadyRunning(Exception):
    """Another station has this folder."""
