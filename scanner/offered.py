"""A scanner that a station offers. It has a thread, and so one thing at a time is done with the device: it is looked
whether it is there, or a pass is scanned (device_process.py). station.py gives passes.
"""

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
"""While it is away, or in other hands."""
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
    """A pass on its way through the device. `stop` is for any thread, also before it has begun."""

    def __init__(self, job: PassJob, scan: Scan) -> None:
        self.job, self.scan = job, scan
        self._stopped: PassOutcome | None = None
        self._process: DeviceProcess | None = None
        self._lock = threading.Lock()

    @property
    def is_stopped(self) -> bool:
        return self._stopped is not None

    def stop(self, outcome: PassOutcome) -> None:
        """The device is asked to stop, and made to soon after; the pages that are done stay."""
        with self._lock:
            self._stopped = self._stopped or outcome
            if self._process is not None:
                self._process.cancel()

    def run(self, state: Path, on_page: Callable[[], object]) -> tuple[Fault | None, str]:
        """To its end: the fault that ended it, and the driver's words. The device is free on return."""
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
    """A configured device. `called` is its name for people; `ended` is told of each pass, `changed` of a new state."""

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
        """None until it is known what it is."""
        if self._sources is None:
            return None
        state = "busy" if self.current else _STATES.get(self._fault, "ready") if self._fault else "ready"
        return Offer(id=name, name=self.name, state=state, sources=self._sources, profiles=tuple(self.profiles))

    def give_pass(self, work: Pass) -> None:
        """For the one thread that gives passes, and only while there is no current one."""
        self.current = work
        self._given.put(work)

    def run(self) -> None:
        """For ever."""
        while True:
            try:
                work = self._given.get(timeout=max(0.0, self._looks_at - monotonic()))
            except Empty:
                self._look_at_device()
            else:
                self._scan_pass(work)

    def _look_at_device(self) -> None:
        """That it is there says nothing of a jam: only the next pass does."""
        before = self._sources, self._fault
        try:
            self._sources = sources_of(self.device, self._state)
            self._fault = None if self._fault in _SEEN_TO else self._fault
        except (DeviceFault, OSError) as error:
            is_busy = isinstance(error, DeviceFault) and error.fault is Fault.BUSY
            self._fault = Fault.BUSY if is_busy else Fault.OFFLINE
            self._sources = self._sources or (PageSource.FLATBED,)
            if before[1] is not self._fault:
                logger.warning("%s: %s", self.device, error)
        self._schedule_look()
        if before != (self._sources, self._fault):
            self._changed()

    def _scan_pass(self, work: Pass) -> None:
        self._changed()
        try:
            self._fault, told = work.run(self._state, self._on_page)
        except Exception as error:  # noqa: BLE001  # no process could be started, or what nobody foresaw: the pass ends
            self._fault, told = Fault.FAILED, f"{type(error).__name__}: {error}"
        if self._fault is not None:
            logger.warning("%s: %s %s", self.device, self._fault, told)
        self._ended(work.job, work.outcome_of(self._fault, told))
        self._schedule_look()
        self.current = None
        self._changed()

    def _schedule_look(self) -> None:
        self._looks_at = monotonic() + (LOOK_AGAIN_SECONDS if self._fault in _SEEN_TO else LOOK_SECONDS)


def sources_of(device: str, state: Path) -> tuple[PageSource, ...]:
    """What the device takes paper from. Raises DeviceFault."""
    with DeviceProcess(Describe(device=device, holder="looking what there is"), state) as process:
        for event in process.iter_events():
            match event:
                case Opened(sources=sources):
                    return sources
                case Faulted(fault=fault, raw=raw):
                    raise DeviceFault(fault, raw)
    raise DeviceFault(Fault.FAILED, "the device said nothing")
