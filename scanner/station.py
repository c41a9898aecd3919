"""A scan station: offers its scanners to the archive, scans what it is asked to, and brings the pages (delivery.py).

    reporter   tells every few seconds what scanners there are and how they are
    poller     asks for jobs, a long poll; a pass of a session is taken on once
    scanners   one thread a pass, around one process a device (device_process.py)
    delivery   one thread; what is not delivered yet outlives a crash

Everything goes out from here, so it works behind any router. Nothing of it knows a database.
"""

import fcntl
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from scanner import spool
from scanner.archive import Archive, Job, Offer, Unreachable
from scanner.delivery import Delivery, Outcome, outcome_of
from scanner.device_process import DeviceProcess
from scanner.errors import DeviceFault, Fault
from scanner.messages import Describe, Faulted, Opened, PageDone, Scan
from scanner.profiles import PageSource, Profile, profiles_of
from scanner.spool import Spool

REPORT_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.5
POLL_SECONDS: Final = 20
RETRY_SECONDS: Final = 2.0
_STATES: Final = {
    Fault.JAMMED: "jammed",
    Fault.COVER_OPEN: "cover_open",
    Fault.OUT_OF_PAPER: "out_of_paper",
    Fault.OFFLINE: "offline",
    Fault.BUSY: "busy",
}
logger = logging.getLogger("dossier.station")


class Scanner(msgspec.Struct):
    """A configured device. `id` is its name at the archive, `fault` what it last suffered."""

    id: str
    device: str
    profiles: dict[str, Profile]
    sources: tuple[str, ...] = ()
    fault: Fault | None = None
    looked_at: float = 0.0
    in_use: bool = False

    @property
    def offer(self) -> Offer:
        state = "busy" if self.in_use else _STATES.get(self.fault, "ready") if self.fault else "ready"
        sources = self.sources or (PageSource.FLATBED.value,)
        return Offer(id=self.id, name=self.device, state=state, sources=sources, profiles=tuple(self.profiles))


class Station:
    """`devices` are SANE's names, or `simulated:…`; `changes` as profiles_of() takes them. `state` is a folder of its
    own: spool and locks."""

    def __init__(self, archive: Archive, devices: Sequence[str], state: Path, *, changes: Sequence[str] = ()) -> None:
        self._archive, self._state = archive, state
        self._spool = Spool(state / "spool")
        self._delivery = Delivery(archive, self._spool, state / "spool")
        self._scanners = {id_of(d): Scanner(id_of(d), d, profiles_of(d, changes)) for d in devices}
        self._scanning: dict[str, DeviceProcess] = {}
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. What was cut off by an earlier end is delivered, and said to be cut off."""
        with only_one(self._state):
            for job in self._delivery.interrupted():
                self._delivery.ended(job, Outcome("scanner-failed", "the station was started anew"))
            threads = [threading.Thread(target=work, args=(stop,)) for work in (self._report, self._delivery.run)]
            for thread in threads:
                thread.start()
            self._poll(stop)
            self._end()
            for thread in threads:
                thread.join()

    # -- what there is ------------------------------------------------------------------------------------------

    def _report(self, stop: threading.Event) -> None:
        told = ""
        while not stop.is_set():
            for scanner in self._scanners.values():
                self._look(scanner)
            try:
                self._archive.report([scanner.offer for scanner in self._scanners.values()])
                told = ""
            except Unreachable as error:
                if str(error) != told:
                    told = str(error)
                    logger.warning("the archive is not told of the scanners: %s", told)
            stop.wait(REPORT_SECONDS)

    def _look(self, scanner: Scanner) -> None:
        """Whether it is there and what it takes paper from; now and then, and never while it scans."""
        now = monotonic()
        if scanner.in_use or (scanner.sources and now - scanner.looked_at < LOOK_AGAIN_SECONDS):
            return
        scanner.looked_at = now
        try:
            scanner.sources = sources_of(scanner.device, self._state)
            if scanner.fault in (Fault.OFFLINE, Fault.FAILED):
                scanner.fault = None
        except DeviceFault as fault:
            scanner.fault = Fault.OFFLINE if fault.fault is not Fault.BUSY else Fault.BUSY
            logger.warning("%s: %s", scanner.device, fault)

    # -- what is to be done -------------------------------------------------------------------------------------

    def _poll(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                jobs = self._archive.jobs(wait_seconds=0 if self._scanning else POLL_SECONDS)
                self._cancel_unwanted(jobs)
            except Unreachable as error:
                logger.warning("no jobs can be asked for: %s", error)
                stop.wait(RETRY_SECONDS)
                continue
            for job in jobs:
                self._take_on(job)
            if self._scanning:
                stop.wait(LOOK_SECONDS)

    def _take_on(self, job: Job) -> None:
        """A pass is scanned once, whatever becomes of it: what the archive goes on telling is not taken again."""
        if job.spool_id in self._scanning or job.spool_id in self._delivery.known() or self._delivery.is_over(job):
            return
        scanner = self._scanners.get(job.scanner.rpartition(":")[2])
        if scanner is None or job.profile not in scanner.profiles:
            logger.error("a job for %s with profile %s, which this station has not", job.scanner, job.profile)
            return
        scan = self._begin(job, scanner)
        scanner.in_use = True
        process = DeviceProcess(scan, self._state)
        with self._lock:
            self._scanning[job.spool_id] = process
        threading.Thread(target=self._scan, args=(job, scanner, process)).start()

    def _begin(self, job: Job, scanner: Scanner) -> Scan:
        profile, source = scanner.profiles[job.profile], PageSource(job.source)
        asked = spool.Job(
            id=job.spool_id, device=scanner.device, source=source, profile=profile, begun_at=datetime.now(UTC)
        )
        self._spool.begin(asked)
        self._delivery.asked(job)
        return Scan(job=job.spool_id, device=scanner.device, holder=job.id, profile=profile, source=source)

    def _scan(self, job: Job, scanner: Scanner, process: DeviceProcess) -> None:
        fault, told = self._listened(scanner, process)
        scanner.fault, scanner.in_use, scanner.looked_at = fault, False, monotonic()
        self._delivery.ended(job, outcome_of(fault, told))
        with self._lock:
            del self._scanning[job.spool_id]

    def _listened(self, scanner: Scanner, process: DeviceProcess) -> tuple[Fault | None, str]:
        """To the end of the pass; the fault that ended it, and the driver's words."""
        with process:
            for event in process.events():
                if isinstance(event, PageDone):
                    self._delivery.wake()
                if isinstance(event, Faulted):
                    logger.warning("%s: %s %s", scanner.device, event.fault, event.raw)
                    return event.fault, event.raw
        return None, ""

    def _cancel_unwanted(self, jobs: Sequence[Job]) -> None:
        """What the archive does not tell any more was cancelled, or given up for lost: then it goes on."""
        wanted, known = {job.spool_id for job in jobs}, self._delivery.known()
        with self._lock:
            others = {name: process for name, process in self._scanning.items() if name not in wanted}
        for name, process in others.items():
            if name in known and not self._archive.wants(known[name]):
                process.cancel()

    def _end(self) -> None:
        """Pages that are done stay in the spool; the next start delivers them."""
        with self._lock:
            for process in self._scanning.values():
                process.cancel()


def sources_of(device: str, state: Path) -> tuple[str, ...]:
    """What the device takes paper from. Raises DeviceFault."""
    with DeviceProcess(Describe(device=device, holder="looking what there is"), state) as process:
        for event in process.events():
            match event:
                case Opened(sources=sources):
                    return tuple(source.value for source in sources)
                case Faulted(fault=fault, raw=raw):
                    raise DeviceFault(fault, raw)
    raise DeviceFault(Fault.FAILED, "the device said nothing")


def id_of(device: str) -> str:
    """A device's name as a part of an address: letters, digits and . _ -, at most 64."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", device).strip("-._")
    return plain[:64] or "scanner"


@contextmanager
def only_one(state: Path) -> Iterator[None]:
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
