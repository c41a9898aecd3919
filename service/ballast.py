"""A file that reserves disk space for the embedded Postgres: it shrinks when the disk is full and is refilled later.
Lists and metadata need no space, but content is shown only after its access-log line is written, which does. So does
the next WAL segment, without which Postgres stops. The supervisor of serve calls adjust() in each of its rounds."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from service.logs import log_line

RESERVE_BYTES = 24 << 20
"""Free space that the ballast maintains: a WAL segment of 16 MiB, and pages of tables and indexes."""
PIECE_BYTES = 8 << 20
"""Space freed beyond the reserve, so that not every round truncates the file."""
RUSH_BYTES = 4 << 20
"""Largest fall of free space between two rounds at which the file shrinks: a fast writer would fill it too."""
BLOCK_BYTES = 512
"""The unit of st_blocks, on every file system."""
NAME = "ballast"


def remove_ballast(home: Path) -> None:
    """Remove the file where no ballast is kept."""
    with suppress(OSError):
        (home / NAME).unlink()


class Ballast:
    """Keeps a ballast file of at most `size_bytes`. Filling it leaves `floor_bytes` free, because uploads are refused
    below that."""

    def __init__(self, home: Path, size_bytes: int, floor_bytes: int) -> None:
        self._path, self._size_bytes, self._floor_bytes = home / NAME, size_bytes, floor_bytes
        self._held_bytes = self._size_on_disk()
        self._free_bytes = 0  # in the previous round
        self._failed = False

    def adjust(self) -> None:
        """Shrink or fill the file as the free space requires. A file system error is logged once and not raised."""
        try:
            self._adjust_size()
        except OSError as error:
            if not self._failed:
                log_line("warning", f"ballast {self._path} cannot be changed, retrying: {error.strerror}")
            self._failed = True

    def _adjust_size(self) -> None:
        found = os.statvfs(self._path.parent)
        free_bytes = found.f_bavail * found.f_frsize
        fallen, self._free_bytes = self._free_bytes - free_bytes, free_bytes
        missing = self._size_bytes - self._held_bytes
        if self._held_bytes and free_bytes < RESERVE_BYTES and fallen < RUSH_BYTES:
            self._shrink_file(RESERVE_BYTES + PIECE_BYTES - free_bytes)
        elif missing > 0 and free_bytes >= max(self._floor_bytes, RESERVE_BYTES + 2 * PIECE_BYTES) + missing:
            self._fill_file()

    def _shrink_file(self, wanted_bytes: int) -> None:
        left = max(0, self._held_bytes - wanted_bytes)
        self._truncate_file(left)
        self._held_bytes = left
        log_line("error", f"disk is full: the ballast gave space to the database, {left} bytes of it are left")

    def _fill_file(self) -> None:
        """Allocate disk blocks for the whole file. When the disk has no space for all of them, restore the previous
        size."""
        descriptor = self._open_file()
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            os.ftruncate(descriptor, self._size_bytes)
        except OSError:
            os.ftruncate(descriptor, self._held_bytes)
            raise
        finally:
            os.close(descriptor)
        self._held_bytes = self._size_bytes
        self._failed = False

    def _size_on_disk(self) -> int:
        """Bytes that an earlier serve left on the disk; a larger file is truncated. Blocks are counted, because a copy
        of HOME may have holes."""
        try:
            found = self._path.lstat()
            if found.st_size > self._size_bytes:
                self._truncate_file(self._size_bytes)
        except OSError:
            return 0
        return min(found.st_size, found.st_blocks * BLOCK_BYTES, self._size_bytes)

    def _truncate_file(self, size_bytes: int) -> None:
        descriptor = self._open_file()
        try:
            os.ftruncate(descriptor, size_bytes)
        finally:
            os.close(descriptor)

    def _open_file(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(0, "it is not a regular file")
        return descriptor
