"""One device, one job, whoever asks: SANE lets two processes scan on one device at once and mixes them up.

A lock file for each device; the kernel lets go of it when its holder ends, however that comes.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from scanner.errors import DeviceFault, Fault

_BYTES_MAX = 4_096


class LockNote(msgspec.Struct, frozen=True):
    """What stands in the file of a device that is in use."""

    device: str
    holder: str
    pid: int


@contextmanager
def lock_device(folder: Path, device: str, holder: str) -> Iterator[None]:
    """The device is this process' alone within. BUSY, with who holds it, when it is somebody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A file is never removed: who opened it a moment before would lock a file that nobody else finds.
    file = os.open(folder / f"{_file_name_of(device)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire_lock(file)
        _write_note(file, msgspec.json.encode(LockNote(device, holder, os.getpid())))
        try:
            yield
        finally:
            _write_note(file, b"")
    finally:
        os.close(file)


def _acquire_lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DeviceFault(Fault.BUSY, "locked", holder=_holder_of(file)) from None


def _holder_of(file: int) -> str | None:
    """None in the moment between another's lock and its note."""
    try:
        return msgspec.json.decode(os.pread(file, _BYTES_MAX, 0), type=LockNote).holder
    except msgspec.DecodeError:
        return None


def _write_note(file: int, text: bytes) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, text, 0)


def _file_name_of(device: str) -> str:
    """Names of devices have slashes, and can be longer than a file's name may be."""
    return hashlib.sha256(device.encode()).hexdigest()[:32]
