"""A scanner that a station offers. Its one thread either checks whether the device answers or scans a pass
(device_process.py), so that the device does one thing at a time. station.py gives it passes."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final

from scanner.archive import Offer, PassJob
from scanner.delivery import PassOutcome, outcome_of
from scanner.device_process import DeviceProcess
from scanner.errors import DeviceFault, Fault
from scanner.messages import Describe, Faulted, Opened, PageDone, Scan
from scanner.profiles import PageSource, Profile

LOOK_SECONDS: Final = 30.0
LOOK_AGAIN_SECONDS: Final = 5.0
"""Interval while the device is offline or busy."""
_STATES: Final = {
    Fault.JAMMED: "jammed",
    Fault.COVER_OPEN: "cover_open",
    Fault.OUT_OF_PAPER: "out_of_paper",
    Fault.OFFLINE: "offline",
    Fault.BUSY: "busy",
}
_SEEN_TO: Final = frozenset({Fault.OFFLINE, Fault.BUSY})
logger = logging.getLogger("dossier.station")


class Pass:
    """A pass that is being scanned. `stop` may be called from any thread, also before it starts."""

    def __init__(self, job: PassJob, scan: Scan) -> None:
        self.job, self.scan = job, scan
        self._stopped: PassOutcome | None = None
        self._process: DeviceProcess | None = None
        self._lock = threading.Lock()

    @property
    def is_stopped(self) -> bool:
        return self._stopped is not None

    def stop(self, outcome: PassOutcome) -> None:
        """Ask the device to stop; it is killed soon after if it does not. Finished pages stay."""
        with self._lock:
            self._stopped = self._stopped or outcome
            if self._process is not None:
                self._process.cancel()

    def run(self, state: Path, on_page: Callable[[], object]) -> tuple[Fault | None, str]:
        """Scan to the end; returns the fault that ended the pass and the driver's words. The device is free on
        return."""
        fault, told = None, ""
        with self._start_process(state) as process:
            for event in process.iter_events():
                match event:
                    case PageDone():
                        on_page()
                    case Faulted():
                        fault, told = event.fault, event.raw
        return fault, told

    def outcome_of(self, fault: Fault | None, told: str) -> PassOutcome:
        return self._stopped if fault is Fault.CANCELLED and self._stopped else outcome_of(fault, told)

    def _start_process(self, state: Path) -> DeviceProcess:
        with self._lock:
            self._process = DeviceProcess(self.scan, state)
            if self._stopped:
                self._process.cancel()
        return self._process


class OfferedScanner:
    """A configured device. `ended` is called with each pass and its outcome, `changed` on a new state."""

    def __init__(
        self,
        device: str,
        called: str,
        profiles: dict[str, Profile],
        state: Path,
        *,
        on_page: Callable[[], object],
        ended: Callable[[PassJob, PassOutcome], object],
        changed: Callable[[], object],
    ) -> None:
        self.device, self.name, self.profiles = device, called, profiles
        self._state, self._on_page, self._ended, self._changed = state, on_page, ended, changed
        self._given: SimpleQueue[Pass] = SimpleQueue()
        self._looks_at = 0.0
        self._sources: tuple[PageSource, ...] | None = None
        self._fault: Fault | None = None
        self.current: Pass | None = None

    def current_offer(self, name: str) -> Offer | None:
        """The offer for the desk; None until the device's sources are known."""
        if self._sources is None:
            return None
        state = "busy" if self.current else _STATES.get(self._fault, "ready") if self._fault else "ready"
        return Offer(id=name, name=self.name, state=state, sources=self._sources, profiles=tuple(self.profiles))

    def give_pass(self, work: Pass) -> None:
        """Start a pass. Only the thread that gives passes may call it, and only while there is no current one."""
        self.current = work
        self._given.put(work)

    def run(self) -> None:
        """Scan passes and check the device, until the process ends."""
        while True:
            try:
                work = self._given.get(timeout=max(0.0, self._looks_at - monotonic()))
            except Empty:
                self._look_at_device()
            else:
                self._scan_pass(work)

    def _look_at_device(self) -> None:
        """Check whether the device answers. That does not clear a jam: only the next pass does."""
        before = self._sources, self._fault
        try:
            self._sources = sources_of(self.device, self._state)
            self._fault = None if self._fault in _SEEN_TO else self._fault
        except (DeviceFault, OSError) as error:
            is_busy = isinstance(error, DeviceFault) and error.fault is Fault.BUSY
            self._fault = Fault.BUSY if is_busy else Fault.OFFLINE
            self._sources = self._sources or (PageSource.FLATBED,)
            if before[1] is not self._fault:
                logger.warning(
                    "scanner %s is not available, checking again in %.0f s: %s", self.device, LOOK_AGAIN_SECONDS, error
                )
        self._schedule_look()
        if before != (self._sources, self._fault):
            self._changed()

    def _scan_pass(self, work: Pass) -> None:
        self._changed()
        try:
            self._fault, told = work.run(self._state, self._on_page)
        except Exception as error:  # noqa: BLE001  # no process could be started, or an unforeseen error: the pass ends
            self._fault, told = Fault.FAILED, f"{type(error).__name__}: {error}"
        if self._fault is not None:
            logger.warning("scanner %s ended pass %s: %s %s", self.device, work.job.spool_id, self._fault, told)
        self._ended(work.job, work.outcome_of(self._fault, told))
        self._schedule_look()
        self.current = None
        self._changed()

    def _schedule_look(self) -> None:
        self._looks_at = monotonic() + (LOOK_AGAIN_SECONDS if self._fault in _SEEN_TO else LOOK_SECONDS)


def sources_of(device: str, state: Path) -> tuple[PageSource, ...]:
    """The paper sources of the device. Raises DeviceFault."""
    with DeviceProcess(Describe(device=device, holder="checking the device"), state) as process:
        for event in process.iter_events():
            match event:
                case Opened(sources=sources):
                    return sources
                case Faulted(fault=fault, raw=raw):
                    raise DeviceFault(fault, raw)
    raise DeviceFault(Fault.FAILED, "the device process sent no answer")
