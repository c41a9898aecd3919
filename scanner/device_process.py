"""The parent's side of a device process: starts it, reads its events, watches and ends it. child.py is the other
side. SANE is never loaded here, because its back ends crash, deadlock and hang, and would take the caller with them."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from domain.promises import require_value
from scanner import messages
from scanner.driver import DeviceInfo
from scanner.errors import DeviceFault, Fault
from scanner.messages import DeviceMessage, Devices, Faulted, Finished, ListDevices, PageDone, Request, Scan
from scanner.spool import Spool

LISTING_SECONDS_MAX: Final = 60.0
"""Discovery on a network returns nothing for some seconds, and then all devices."""

_TICK_SECONDS: Final = 0.1
_PIECE_BYTES: Final = 65_536


class ProcessLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Timeouts after which the process is killed: without an event, after `cancel`, and in total."""

    silence_seconds: float = 15.0
    cancel_seconds: float = 5.0
    job_seconds: float = 3_600.0


class DeviceProcess:
    """One request and its process. Leaving the `with` block ends the process; `cancel` may be called from any
    thread."""

    def __init__(
        self, request: Request, state: Path, patience: ProcessLimits | None = None, *, spool: Path | None = None
    ) -> None:
        """Start the process. All users of a device share the folder `state`, which holds its lock and, by default,
        the spool."""
        self._request = request
        folder = spool or state / "spool"
        self._spool = Spool(folder)
        self._patience = patience or _patience_for(request)
        self._started_at = self._heard_at = time.monotonic()
        self._cancelled_at: float | None = None
        self._unread = b""
        self._ending = threading.Lock()
        self._process = _start_process(state / "locks", folder)
        self._exit = os.pidfd_open(self._process.pid)
        with suppress(BrokenPipeError):
            _require_pipe(self._process.stdin).write(messages.encode_message(request))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_process()

    @property
    def pid(self) -> int:
        return self._process.pid

    def iter_events(self) -> Iterator[DeviceMessage]:
        """Yield all events, once; the last one is Finished or Faulted, and the device is free then. A page that
        reached the spool is reported even when the process died at that moment."""
        told: set[int] = set()
        while (event := self._next_event()) is not None and not isinstance(event, Faulted | Finished):
            if isinstance(event, PageDone):
                told.add(event.page.number)
            yield event
        if event is not None:
            self._end_process(patiently=True)
            yield event
        else:
            ending = self._fault_without_end()
            self._end_process()
            yield from self._unreported_pages(told)
            yield ending

    def cancel(self) -> None:
        """Ask the device to stop; finished pages stay. The process is killed when it does not stop within
        `cancel_seconds`."""
        with self._ending:
            if self._cancelled_at is None and self._process.returncode is None:
                self._cancelled_at = time.monotonic()
                signal.pidfd_send_signal(self._exit, signal.SIGTERM)

    def _next_event(self) -> DeviceMessage | None:
        """The next event; None when the process has ended or a timeout has passed."""
        while (line := self._next_line()) is None:
            if self._is_overdue() or not self._receive_piece():
                return None
        self._heard_at = time.monotonic()
        return messages.decode_event(line)

    def _next_line(self) -> bytes | None:
        line, end, rest = self._unread.partition(b"\n")
        if not end:
            return None
        self._unread = rest
        return line

    def _receive_piece(self) -> bool:
        """Wait a moment for output. False when the process has ended and all output was read; an incomplete line is
        no event."""
        out = _require_pipe(self._process.stdout).fileno()
        readable, _, _ = select.select([out, self._exit], [], [], _TICK_SECONDS)
        piece = os.read(out, _PIECE_BYTES) if out in readable else b""
        self._unread += piece
        return bool(piece) or not readable

    def _is_overdue(self) -> bool:
        now, patience = time.monotonic(), self._patience
        return (
            now - self._heard_at > patience.silence_seconds
            or now - self._started_at > patience.job_seconds
            or (self._cancelled_at is not None and now - self._cancelled_at > patience.cancel_seconds)
        )

    def _fault_without_end(self) -> Faulted:
        if self._cancelled_at is not None:
            return Faulted(fault=Fault.CANCELLED)
        if self._is_overdue():
            return Faulted(fault=Fault.TIMEOUT, raw="the device sent no more data in time")
        return Faulted(fault=Fault.FAILED, raw="the device process died")

    def _unreported_pages(self, told: set[int]) -> Iterator[PageDone]:
        if isinstance(self._request, Scan):
            job, first = self._request.job, self._request.first_page
            for page in self._spool.list_pages(job):
                if page.number >= first and page.number not in told:
                    yield PageDone(page, str(self._spool.picture_path(job, page.number).absolute()))

    def _end_process(self, *, patiently: bool = False) -> None:
        """End the process and the children of its back end; both are gone on return."""
        if self._process.returncode is not None:
            return
        if patiently:
            select.select([self._exit], [], [], self._patience.cancel_seconds)
        with self._ending:
            # Before the wait, because until then the pid, which is also the group's id, cannot be reused.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            os.close(self._exit)
        for pipe in (self._process.stdin, self._process.stdout):
            _require_pipe(pipe).close()


def list_devices(state: Path) -> list[DeviceInfo]:
    """The devices that SANE finds, listed in a process of its own. Raises DeviceFault."""
    with DeviceProcess(ListDevices(), state) as process:
        found: list[DeviceInfo] = []
        for event in process.iter_events():
            match event:
                case Devices(items=items):
                    found += items
                case Faulted(fault=fault, raw=raw):
                    raise DeviceFault(fault, raw)
    return found


def _patience_for(request: Request) -> ProcessLimits:
    match request:
        case Scan(profile=profile):
            return ProcessLimits(silence_seconds=profile.silence_seconds_max)
        case ListDevices():
            return ProcessLimits(silence_seconds=LISTING_SECONDS_MAX)
    return ProcessLimits()


def _start_process(locks: Path, spool: Path) -> subprocess.Popen[bytes]:
    """Start the process in a process group of its own: some back ends fork, and Ctrl-C at the terminal is the
    parent's to handle."""
    command = [sys.executable, "-P", "-m", "scanner.child", str(locks), str(spool)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, process_group=0)


def _require_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    return require_value(pipe, "the process of a device has both pipes")
