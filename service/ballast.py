"""A file that reserves room for the embedded Postgres: cut in pieces when the disk is full, filled again later.

Lists and metadata need no room; a content is shown only after its line in the access log is written, and that does. So
does the next WAL segment, without which Postgres stops. serve's supervisor looks at it in each of its rounds.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from service.logs import log_line

RESERVE_BYTES = 24 << 20
"""Least free room while the ballast lasts: a WAL segment of 16 MiB, and pages of tables and indexes."""
PIECE_BYTES = 8 << 20
"""Cut beyond the reserve, so that not every look has to cut a few pages."""
RUSH_BYTES = 4 << 20
"""A fall of free room between two looks beyond which nothing is cut: a fast writer would take the ballast too."""
BLOCK_BYTES = 512
"""The unit of st_blocks, on every file system."""
NAME = "ballast"


def remove_ballast(home: Path) -> None:
    """Remove the file for good, where no ballast is kept."""
    with suppress(OSError):
        (home / NAME).unlink()


class Ballast:
    """`floor_bytes` stay free beside it: below them uploads are refused, and the ballast must not cause that."""

    def __init__(self, home: Path, size_bytes: int, floor_bytes: int) -> None:
        self._path, self._size_bytes, self._floor_bytes = home / NAME, size_bytes, floor_bytes
        self._held_bytes = self._size_on_disk()
        self._free_bytes = 0  # at the look before
        self._failed = False

    def adjust(self) -> None:
        """Cut or fill the file as free room requires. An error of the file system is logged once and raises nothing."""
        try:
            self._adjust_size()
        except OSError as error:
            if not self._failed:
                log_line("warning", f"the ballast {self._path} cannot be changed: {error.strerror}")
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
        log_line("error", f"the disk is full: room was made for the database, {left} bytes of ballast are left")

    def _fill_file(self) -> None:
        """Fill the file to its whole size with blocks of the disk; without room for all, it stays as it was."""
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
        """Bytes that an earlier serve left on the disk; a larger file is cut. Blocks count, because a copy of HOME may
        have holes."""
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
            raise OSError(0, "it is no file")
        return descriptor
