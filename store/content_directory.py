"""Content as files in 256 folders of one directory, written once; content_format.py defines their bytes.

A file is written without a name, flushed, and only then linked to its name: a named file is complete. Keys are UUIDs;
the folder is the end of the key, because ids of one day begin alike. A root is written to only when its marker
(store/marker.py) names this archive, because another volume may be mounted there.
"""

import errno
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from domain.ports import AlreadyStored, Missing
from domain.refusals import InsufficientStorage, Unavailable
from store.marker import Marker, find_marker, write_marker

PIECE_BYTES_MAX = 1024 * 1024
TELL_AGAIN_SECONDS = 60.0
UNMARKED = "its file ARCHIVE is missing: is the volume mounted?"
FOREIGN = "its file ARCHIVE names another archive"
FOLDERS = tuple(f"{number:02x}" for number in range(256))
UNFINISHED = ".unfinished-"

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# EFBIG is the limit on the size of one file: no space either, for this content.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_Look = TypeVar("_Look")
_told_at: dict[str, float] = {}
logger = logging.getLogger("dossier.content")


class ContentDirectory:
    """A `ContentStore` on a local file system. Shareable among threads and processes.

    Keys are UUIDs as lower-case text, else ValueError. A root of another archive and a failing disk raise Unavailable,
    a full disk InsufficientStorage, each with an OSError as the cause. The log records the cause.
    """

    def __init__(self, root: Path, archive: Callable[[], UUID], *, unnamed: bool | None = None) -> None:
        """Open the root that make_root() made. `archive` returns the id that its marker must name.

        `unnamed` says if files are written without a name (None: detect it). Where the file system cannot do that they
        get a temporary name; `discard_unfinished` removes those that a crash leaves.
        """
        self._root, self._archive, self._unnamed = root.absolute(), archive, unnamed

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Store the chunks as a new file and return its size in bytes. Raises AlreadyStored when the key exists.

        On return the bytes and the name are on the disk. After any exception, from the chunks too, nothing is left.
        """
        with self._open_root() as root, _open_descriptor(_folder_of(key), folder=root) as folder:
            with self._new_file(root, folder) as (file, name):
                size = sum(_write_all(file, chunk) for chunk in chunks)
                with _disk_faults():
                    os.fdatasync(file)
                _link_name(folder, name, key)
            _flush_name(folder, key)
        return size

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Bytes first..last inclusive, cut at the end of the file, in pieces of at most 1 MiB.

        Missing is raised with the first piece. The file stays open until the iterator is exhausted or closed.
        """
        if first < 0:
            raise ValueError(f"a range cannot begin at {first}")
        return self._pieces_of(self._path_of(key), first, last)

    def size(self, key: str) -> int | None:
        """Size in bytes, None when there is no such key."""
        found = self._look_at(self._path_of(key), Path.stat)
        return found.st_size if found else None

    def delete(self, key: str) -> None:
        """Remove the key. On return its name is gone from the disk, also when an earlier call was interrupted."""
        with self._open_root() as root, _open_descriptor(_folder_of(key), folder=root) as folder, _disk_faults():
            with suppress(FileNotFoundError):
                os.unlink(key, dir_fd=folder)
            os.fsync(folder)

    def list_keys(self) -> Iterator[tuple[str, float]]:
        """All keys, each once, with the time of the last write (seconds since the epoch); folder by folder.

        Memory use is that of one folder of 256. A key that is added or removed meanwhile may or may not be listed.
        """
        for name in FOLDERS:
            with self._open_root() as root, _open_descriptor(name, folder=root) as folder, _disk_faults():
                found = sorted(_list_folder(folder))
            yield from found

    def free_bytes(self) -> int:
        """Bytes that can still be written here, for the limit below which uploads are refused."""
        with _disk_faults():
            room = os.statvfs(self._root)
        return room.f_bavail * room.f_frsize

    def require_writable(self) -> None:
        """Write one byte as an upload would, and discard it; raises as put() does."""
        with self._open_root() as root, self._new_file(root, root) as (file, _):
            _write_all(file, b"\0")

    def discard_unfinished(self, before: float) -> int:
        """Remove temporary files last written before a time (seconds since the epoch) and return their number."""
        count = 0
        for name in (".", *FOLDERS):
            with self._open_root() as root, _open_descriptor(name, folder=root) as folder, _disk_faults():
                count += _discard_stale(folder, before)
        return count

    @contextmanager
    def _open_root(self) -> Iterator[int]:
        """The root as a descriptor, after comparing its marker: operations on the descriptor stay on that volume, even
        when another one is mounted over it at this moment."""
        archive = self._archive()
        with _disk_faults():
            try:
                root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                raise FileNotFoundError(errno.ENOENT, UNMARKED) from None
        try:
            with _disk_faults():
                _require_marker(root, archive)
            yield root
        finally:
            os.close(root)

    def _new_file(self, root: int, folder: int) -> "_Temporary":
        """A new file for writing. Success of an unnamed file is remembered; failure is retried each time, because the
        reason may have been a full or failing disk."""
        if self._unnamed is None and _links_unnamed(root):
            self._unnamed = True
        return _open_unnamed(folder) if self._unnamed else _open_named(folder)

    def _pieces_of(self, path: Path, first: int, last: int | None) -> Iterator[bytes]:
        file = self._look_at(path, lambda path: os.open(path, os.O_RDONLY))
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

    def _look_at(self, path: Path, look: Callable[[Path], _Look]) -> _Look | None:
        """The result of `look` at a file; None when this archive's root has no such file.

        Raises when the root belongs to another archive or the folder is missing too: then nothing is known about the
        file.
        """
        with _disk_faults():
            try:
                return look(path)
            except FileNotFoundError:
                pass
        with self._open_root() as root, _open_descriptor(path.parent.name, folder=root):
            return None

    def _path_of(self, key: str) -> Path:
        return self._root / _folder_of(key) / key


def make_root(root: Path, marker: Marker) -> None:
    """Create the missing parts of `root` and its 256 folders, for the owner only (0700; files 0600), and mark it."""
    root = root.absolute()
    with _disk_faults():
        _make_folders(root)
        write_marker(root, marker)


def holds_content(root: Path) -> bool:
    """True if a folder that may not be ours contains any content."""
    with suppress(FileNotFoundError):
        return any(_KEY.fullmatch(path.name) for name in FOLDERS for path in root.joinpath(name).glob("*"))
    return False


def _folder_of(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"not the key of a content: {key!r}")
    return key[-2:]


def _require_marker(root: int, archive: UUID) -> None:
    try:
        marker = find_marker(root)
    except ValueError:
        raise OSError(errno.EBADMSG, "its file ARCHIVE is damaged") from None
    if marker is None:
        raise FileNotFoundError(errno.ENOENT, UNMARKED)
    if marker.archive != archive:
        raise OSError(errno.ESTALE, FOREIGN)


def _list_folder(folder: int) -> Iterator[tuple[str, float]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _KEY.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    yield entry.name, entry.stat().st_mtime


def _make_folders(root: Path) -> None:
    """Create the folders. Each process flushes the root, so that none continues with folders that another one has not
    flushed yet."""
    to_flush = {path.parent for path in (root, *root.parents) if not path.exists()} | {root}
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (root / name for name in FOLDERS):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            to_flush.add(folder)
    for path in to_flush:
        _flush_folder(path)


def _links_unnamed(folder: int) -> bool:
    """True if a file written here without a name can be linked to one: not on NFS, and not where /proc is missing."""
    probe = _temporary_name()
    with suppress(OSError):
        file = os.open(".", os.O_WRONLY | os.O_TMPFILE, 0o600, dir_fd=folder)
        try:
            os.link(f"/proc/self/fd/{file}", probe, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(file)
        os.unlink(probe, dir_fd=folder)
        return True
    return False


_Temporary = AbstractContextManager[tuple[int, str]]


@contextmanager
def _open_unnamed(folder: int) -> Iterator[tuple[int, str]]:
    """A new file that vanishes unless it is linked, and the path for linking it."""
    with _open_descriptor(".", os.O_WRONLY | os.O_TMPFILE, folder) as file:
        yield file, f"/proc/self/fd/{file}"


@contextmanager
def _open_named(folder: int) -> Iterator[tuple[int, str]]:
    """A new file under a temporary name, which is removed at the end."""
    name = _temporary_name()
    with _open_descriptor(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder) as file:
        try:
            yield file, name
        finally:
            with _disk_faults():
                os.unlink(name, dir_fd=folder)


def _temporary_name() -> str:
    return UNFINISHED + secrets.token_hex(16)


def _write_all(file: int, chunk: bytes) -> int:
    rest = memoryview(chunk)
    with _disk_faults():
        while rest:
            rest = rest[os.write(file, rest) :]
    return len(chunk)


def _link_name(folder: int, name: str, key: str) -> None:
    with _disk_faults():
        try:
            # With a folder Python calls linkat(AT_SYMLINK_FOLLOW), the only call that can name an unnamed file.
            os.link(name, key, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            # The faster process may not have flushed the name yet, and the caller may read this answer as "it is
            # stored".
            os.fsync(folder)
            raise AlreadyStored(key) from None


def _flush_name(folder: int, key: str) -> None:
    """Flush the new name, or remove it: after a failed flush the state of the disk is unknown."""
    with _disk_faults():
        try:
            os.fsync(folder)
        except OSError:
            with suppress(OSError):
                os.unlink(key, dir_fd=folder)
            raise


def _discard_stale(folder: int, before: float) -> int:
    with os.scandir(folder) as entries:
        unfinished = [entry for entry in entries if entry.name.startswith(UNFINISHED)]
        stale = [entry.name for entry in unfinished if _modified_at(entry) < before]
    for name in stale:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    if stale:
        os.fsync(folder)
    return len(stale)


def _modified_at(entry: "os.DirEntry[str]") -> float:
    """The time of the last write; the current time for a removed file."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _flush_folder(path: Path) -> None:
    with _open_descriptor(path) as folder:
        os.fsync(folder)


@contextmanager
def _open_descriptor(path: Path | str, flags: int = os.O_RDONLY, folder: int | None = None) -> Iterator[int]:
    with _disk_faults():
        file = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _disk_faults() -> Iterator[None]:
    """Translate system errors into refusals and log them. Never used around the caller's own iterator, whose errors
    belong to the caller."""
    try:
        yield
    except OSError as error:
        _log_cause(error.strerror or type(error).__name__)
        if error.errno in _NO_ROOM:
            raise InsufficientStorage() from error
        raise Unavailable() from error


def _log_cause(cause: str) -> None:
    """Log one line per cause and minute, because every request meets an unavailable disk."""
    now = time.monotonic()
    if now - _told_at.get(cause, -TELL_AGAIN_SECONDS) >= TELL_AGAIN_SECONDS:
        _told_at[cause] = now
        logger.error("content store: %s; files are refused until this is repaired", cause)
