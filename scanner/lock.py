"""A lock for each device, because SANE lets two processes scan on one device at the same time and mixes their pages.
Each device has a lock file; the kernel releases the lock when its holder ends, however it ends."""

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
    """Content of the lock file of a device in use."""

    device: str
    holder: str
    pid: int


@contextmanager
def lock_device(folder: Path, device: str, holder: str) -> Iterator[None]:
    """Hold the device exclusively. Raises BUSY, with the holder, when another process holds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The file is never removed: a process that had just opened it would lock a file that others no longer find.
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
    """The holder in the file; None between another process's lock and its note."""
    try:
        return msgspec.json.decode(os.pread(file, _BYTES_MAX, 0), type=LockNote).holder
    except msgspec.DecodeError:
        return None


def _write_note(file: int, text: bytes) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, text, 0)


def _file_name_of(device: str) -> str:
    """A name for the lock file: device names contain slashes and can be longer than file names."""
    return hashlib.sha256(device.encode()).hexdigest()[:32]
