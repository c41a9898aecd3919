"""Content as files in 256 folders of one directory, written once; content_format.py says what stands in them.

A file is written without a name, flushed, and only then linked to its name: what has a name is complete. Keys are
UUIDs, and the folder is the end of the key, because ids of today all begin alike.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from heapq import nsmallest
from pathlib import Path
from typing import TypeVar

from domain.ports import AlreadyStored, Missing
from domain.refusals import InsufficientStorage, Unavailable

PIECE_BYTES_MAX = 1024 * 1024
KEYS_PER_PASS = 200_000
FOLDERS = tuple(f"{number:02x}" for number in range(256))
UNFINISHED = ".unfinished-"

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# EFBIG stands for the limit on the size of one file: no room either, as far as this content goes.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_Look = TypeVar("_Look")


class ContentDirectory:
    """A `ContentStore` on a local file system. Holds no state but the path: share it among threads and processes.

    Keys are UUIDs as lower-case text, else ValueError. A disk that fails raises Unavailable, a full one
    InsufficientStorage, each with the cause attached.
    """

    def __init__(self, root: Path, *, unnamed: bool | None = None) -> None:
        """Make what is missing of `root` and its 256 folders, durably, for the owner only (0700; files 0600).

        `unnamed` says whether files are written without a name (None: find out). Where the file system cannot do
        that they get a temporary name, and what a crash leaves of those `discard_unfinished` removes.
        """
        self._root = root.absolute()
        with _disk_faults():
            _make_folders(self._root)
        self._temporary = _unnamed if unnamed or (unnamed is None and _links_unnamed(self._root)) else _named

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Store the chunks as a new file and return its size in bytes; AlreadyStored when the key exists.

        On return the bytes and the name are on the disk. When anything raises, the chunks included, nothing is left.
        """
        with _opened(self._path(key).parent) as folder:
            with self._temporary(folder) as (file, name):
                size = sum(_write(file, chunk) for chunk in chunks)
                with _disk_faults():
                    os.fdatasync(file)
                _link(folder, name, key)
            _settle(folder, key)
        return size

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Bytes first..last inclusive, cut at the end of the file, in pieces of at most 1 MiB.

        Missing comes with the first piece. The file stays open until the iterator is used up or closed.
        """
        if first < 0:
            raise ValueError(f"a range cannot begin at {first}")
        return _pieces(self._path(key), first, last)

    def size(self, key: str) -> int | None:
        """Size in bytes, None when there is no such key."""
        found = _found(self._path(key), Path.stat)
        return found.st_size if found else None

    def delete(self, key: str) -> None:
        """Remove the key. On return its name is gone from the disk, also when an earlier call was cut short."""
        path = self._path(key)
        with _disk_faults(), _opened(path.parent) as folder:
            with suppress(FileNotFoundError):
                os.unlink(key, dir_fd=folder)
            os.fsync(folder)

    def keys(self, after: str = "") -> Iterator[tuple[str, float]]:
        """All keys greater than `after` in rising order, each with the time of its last write (epoch seconds).

        Memory is bounded: every 200,000 keys cost one look into all folders. Keys that come or go meanwhile may or may
        not be seen; all others are seen exactly once.
        """
        while names := nsmallest(KEYS_PER_PASS, self._names(after)):
            for name in names:
                if found := _found(self._path(name), Path.stat):
                    yield name, found.st_mtime
            after = names[-1]

    def free_bytes(self) -> int:
        """Bytes that may still be written here, for the floor below which uploads are refused."""
        with _disk_faults():
            room = os.statvfs(self._root)
        return room.f_bavail * room.f_frsize

    def discard_unfinished(self, before: float) -> int:
        """Remove temporary files last written before a time (seconds since the epoch); how many there were."""
        count = 0
        for folder in (self._root, *(self._root / name for name in FOLDERS)):
            with _disk_faults():
                count += _discard(folder, before)
        return count

    def _names(self, after: str) -> Iterator[str]:
        for folder in FOLDERS:
            with _disk_faults(), os.scandir(self._root / folder) as entries:
                yield from (entry.name for entry in entries if entry.name > after and _KEY.fullmatch(entry.name))

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not the key of a content: {key!r}")
        return self._root / key[-2:] / key


def _make_folders(root: Path) -> None:
    """Each process flushes the root, so none goes on with folders that another made but has not flushed yet."""
    to_flush = {path.parent for path in (root, *root.parents) if not path.exists()} | {root}
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (root / name for name in FOLDERS):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            to_flush.add(folder)
    for path in to_flush:
        _flush_folder(path)


def _links_unnamed(root: Path) -> bool:
    """Whether a file written here without a name can be linked to one: not on NFS, not where /proc is missing."""
    probe = _temporary_name()
    with _opened(root) as folder, suppress(Unavailable, InsufficientStorage):
        with _unnamed(folder) as (_, name):
            _link(folder, name, probe)
        os.unlink(probe, dir_fd=folder)
        return True
    return False


@contextmanager
def _unnamed(folder: int) -> Iterator[tuple[int, str]]:
    """A new file that vanishes unless it is linked, and the name by which it can be."""
    with _opened(".", os.O_WRONLY | os.O_TMPFILE, folder) as file:
        yield file, f"/proc/self/fd/{file}"


@contextmanager
def _named(folder: int) -> Iterator[tuple[int, str]]:
    """A new file under a temporary name, which is taken away at the end."""
    name = _temporary_name()
    with _opened(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder) as file:
        try:
            yield file, name
        finally:
            with _disk_faults():
                os.unlink(name, dir_fd=folder)


def _temporary_name() -> str:
    return UNFINISHED + secrets.token_hex(16)


def _write(file: int, chunk: bytes) -> int:
    rest = memoryview(chunk)
    with _disk_faults():
        while rest:
            rest = rest[os.write(file, rest) :]
    return len(chunk)


def _link(folder: int, name: str, key: str) -> None:
    with _disk_faults():
        try:
            # With a folder given Python calls linkat(AT_SYMLINK_FOLLOW), which alone can name an unnamed file.
            os.link(name, key, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            # Whoever won may not have flushed the name yet, and the caller may take this answer for "it is safe".
            os.fsync(folder)
            raise AlreadyStored(key) from None


def _settle(folder: int, key: str) -> None:
    """Flush the new name, or take it back: after a failed flush nobody knows what is on the disk."""
    with _disk_faults():
        try:
            os.fsync(folder)
        except OSError:
            with suppress(OSError):
                os.unlink(key, dir_fd=folder)
            raise


def _pieces(path: Path, first: int, last: int | None) -> Iterator[bytes]:
    file = _found(path, lambda path: os.open(path, os.O_RDONLY))
    if file is None:
        raise Missing(path.name)
    try:
        while (count := PIECE_BYTES_MAX if last is None else min(last + 1 - first, PIECE_BYTES_MAX)) > 0:
            with _disk_faults():
                piece = os.pread(file, count, first)
            if not piece:
                return
            yield piece
            first += len(piece)
    finally:
        os.close(file)


def _found(path: Path, look: Callable[[Path], _Look]) -> _Look | None:
    """What the look at a file gives, None when there is no such file.

    A folder that is not there either is a fault: then the volume is not mounted, and nothing is known about the file.
    """
    with _disk_faults():
        try:
            return look(path)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise
            return None


def _discard(folder: Path, before: float) -> int:
    unfinished = [path for path in folder.iterdir() if path.name.startswith(UNFINISHED)]
    stale = [path for path in unfinished if (found := _found(path, Path.stat)) and found.st_mtime < before]
    for path in stale:
        path.unlink(missing_ok=True)
    if stale:
        _flush_folder(folder)
    return len(stale)


def _flush_folder(path: Path) -> None:
    with _opened(path) as folder:
        os.fsync(folder)


@contextmanager
def _opened(path: Path | str, flags: int = os.O_RDONLY, folder: int | None = None) -> Iterator[int]:
    with _disk_faults():
        file = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _disk_faults() -> Iterator[None]:
    """What the system says, in the words of the archive. Never around the caller's own iterator: its errors are his."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise InsufficientStorage() from error
        raise Unavailable() from error
