"""A device process: reads one request from standard input, writes events to the original standard output, then
exits. It lives as long as its job, so leaks and hangs of a back end end with it. One thread does everything: SIGTERM
cancels, its handler sets a flag that is checked at every row. device_process.py starts it."""

import fcntl
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from scanner import messages
from scanner.acquisition import Acquisition
from scanner.driver import Device, Driver
from scanner.errors import DeviceFault, Fault
from scanner.lock import lock_device
from scanner.messages import Describe, DeviceMessage, Devices, Finished, ListDevices, Opened, Request, Scan, fault_event
from scanner.simulated import SCHEME, SimulatedDriver
from scanner.spool import Spool

MEMORY_BYTES_MAX: Final = 640 * 1024 * 1024
"""Private memory. A page of A4 at 600 dpi in colour takes about 280 MiB, one of A3 520 MiB."""


class DeviceChild:
    def __init__(self, locks: Path, spool: Spool, out: BinaryIO) -> None:
        self._locks, self._spool, self._out = locks, spool, out
        self._cancelled = False
        signal.signal(signal.SIGTERM, self._set_cancelled)

    def answer_request(self, request: Request) -> None:
        """Send all events of the request; the last one is sent just before the device is released."""
        try:
            self._perform_request(request)
        except DeviceFault as fault:
            self._send_event(fault_event(fault))
        except Exception as error:  # noqa: BLE001  # the edge of the process: the parent receives the cause
            self._send_event(fault_event(DeviceFault(Fault.FAILED, _place_of(error))))

    def _set_cancelled(self, *_: object) -> None:
        self._cancelled = True

    def _send_event(self, event: DeviceMessage) -> None:
        try:
            self._out.write(messages.encode_message(event))
            self._out.flush()
        except BrokenPipeError:  # the parent has ended, and the kernel is about to end this process too
            os._exit(1)

    def _perform_request(self, request: Request) -> None:
        match request:
            case ListDevices():
                self._send_event(Devices(tuple(_driver_for("").devices())))
                self._send_event(Finished())
            case Describe(device=name, holder=holder):
                with self._open_device(name, holder) as device:
                    self._send_event(Opened(name, tuple(device.sources())))
                    self._send_event(Finished())
            case Scan(device=name, holder=holder):
                with self._open_device(name, holder) as device:
                    self._perform_scan(request, device)

    def _perform_scan(self, scan: Scan, device: Device) -> None:
        """Send the final event before `cancel`: a device that hangs there must not delay the receiver of the pages."""
        job = Acquisition(
            scan,
            self._spool,
            self._send_event,
            is_cancelled=lambda: self._cancelled,
            now=lambda: datetime.now(UTC),
        )
        try:
            self._send_event(job.run(device))
        except DeviceFault as fault:
            # An interrupted call reports another fault.
            self._send_event(fault_event(DeviceFault(Fault.CANCELLED, fault.raw) if self._cancelled else fault))
        finally:
            device.cancel()

    @contextmanager
    def _open_device(self, name: str, holder: str) -> Iterator[Device]:
        with lock_device(self._locks, name, holder):
            device = _driver_for(name).open(name)
            try:
                yield device
            finally:
                device.close()


def main() -> NoReturn:
    """Run `python -m scanner.child LOCKS SPOOL`; both are folders."""
    # Back ends print to standard output; their text must not mix with the events.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = messages.decode_request(FileIO(0, closefd=False).readline())
    _end_with_parent()
    _limit_memory()
    DeviceChild(Path(sys.argv[1]), Spool(Path(sys.argv[2])), out).answer_request(request)
    # Skip the interpreter's shutdown, so that no code of a driver runs again.
    os._exit(0)


def _driver_for(name: str) -> Driver:
    """The driver of a device. python-sane is loaded only for devices of SANE."""
    if name.startswith(SCHEME):
        return SimulatedDriver()
    try:
        from scanner.sane_driver import SaneDriver
    except ImportError as error:
        raise DeviceFault(Fault.FAILED, "python-sane is not installed (the extra `scanner`)") from error
    return SaneDriver()


def _end_with_parent() -> None:
    """End this process by SIGIO when the parent ends, which closes the other end of standard input. The kernel sends
    the signal even while a back end hangs in C, whichever thread of the parent is alive."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([0], [], [], 0)[0]:  # the parent has ended already, so no signal will come
        os._exit(1)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _place_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


if __name__ == "__main__":
    main()
