"""The folder of a back-up: what it holds, and how a complete cut is told from an unfinished one. docs/operations.md
describes it for operators.

    ARCHIVE                 the archive's id (store/marker.py)
    content/                sealed contents, shared by all cuts (store/content_directory.py)
    cuts/NAME/archive.dump  database without keys and without the rows of the views
    cuts/NAME/contents      a line for each content that the database names: id, size in bytes, SHA-256
    cuts/NAME/manifest.json written last; a cut without it is unfinished

The folder of the keys is another one, with ARCHIVE, the key-encryption keys, and for each cut `keys.dump` and a copy of
its manifest. A cut is never changed, and a content is never copied twice.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import UUID

import msgspec

from store.content_directory import ContentDirectory, make_root
from store.marker import MARKER, Marker, find_marker, write_marker
from store.private_files import sync_folder, write_private

FORMAT = 1
CUTS, CONTENT, MANIFEST, CONTENTS = "cuts", "content", "manifest.json", "contents"
ARCHIVE_DUMP, KEYS_DUMP = "archive.dump", "keys.dump"
PIECE_BYTES = 1024 * 1024


class BackupUnfit(Exception):
    """The folder holds no back-up that can be used here; the sentence says why and what to do."""


class BackupDamaged(Exception):
    """A file of the back-up differs from what its manifest says."""


class BackupForeign(Exception):
    """The folder belongs to another archive."""


class BackupBusy(Exception):
    """Another back-up is being written to the same folder."""


class FileDigest(msgspec.Struct, frozen=True):
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one cut. `position` is its newest event and `newest_leaf` that event's hash; 0 and "" for an empty
    log. `missing` lists contents that the archive itself had lost. `files` has the digests of all other files,
    those in the folder of the keys included."""

    format: int
    cut: str
    archive: UUID
    release: str
    migration: int
    server_version: int
    begun_at: datetime
    ended_at: datetime
    position: int
    newest_leaf: str
    events: int
    papers: int
    customers: int
    contents: int
    content_bytes: int
    missing: list[str]
    files: dict[str, FileDigest]


class StoredContentLine(msgspec.Struct, frozen=True):
    """A line of the file `contents`."""

    key: str
    size_bytes: int
    sha256: str

    @classmethod
    def parse(cls, line: str) -> "StoredContentLine":
        """The parts of a line. Raises ValueError."""
        key, size, sha256 = line.split()
        return cls(key, int(size), sha256)

    def to_text(self) -> str:
        return f"{self.key} {self.size_bytes} {self.sha256}\n"


class BackupFolder:
    """A folder of cuts: of the database and the contents, or of the keys. Reading needs no lock."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def require_archive(self) -> UUID:
        """The archive that the folder belongs to. Raises BackupUnfit for a folder that is no back-up."""
        try:
            marker = find_marker(self.root)
        except ValueError:
            raise BackupDamaged(f"{self.root / MARKER} is damaged") from None
        except OSError as error:
            raise BackupUnfit(f"{self.root} cannot be read: {error.strerror}") from None
        if marker is None:
            raise BackupUnfit(f"{self.root} is not a back-up: it has no file {MARKER}")
        return marker.archive

    def prepare(self, archive: UUID) -> None:
        """Create the folder for this archive. Raises BackupForeign for one of another archive, BackupUnfit for one with
        other files."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            marker = find_marker(self.root)
        except ValueError:
            raise BackupDamaged(f"{self.root / MARKER} is damaged") from None
        if marker is None:
            if any(self.root.iterdir()):
                raise BackupUnfit(f"{self.root} has files and is not a back-up: give a new folder")
            write_marker(self.root, Marker(archive))
        elif marker.archive != archive:
            raise BackupForeign(
                f"{self.root} is the back-up of another archive ({marker.archive}; this one is {archive}):"
                " give another folder"
            )
        (self.root / CUTS).mkdir(mode=0o700, exist_ok=True)
        sync_folder(self.root)

    def prepare_contents(self, archive: UUID) -> ContentDirectory:
        """Create the folder of the contents and open it."""
        make_root(self.root / CONTENT, Marker(archive))
        return self.open_contents(archive)

    def open_contents(self, archive: UUID) -> ContentDirectory:
        return ContentDirectory(self.root / CONTENT, lambda: archive)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of writers. Raises BackupBusy."""
        with open_private(self.root / "lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupBusy(f"another back-up is being written to {self.root}: wait for it") from None
            yield

    def create_cut(self, name: str) -> Path:
        """An empty folder for a cut, after removing unfinished ones. Call it with the lock held."""
        for unfinished in self.list_unfinished():
            shutil.rmtree(unfinished)
        cut = self.path_of(name)
        cut.mkdir(mode=0o700)
        return cut

    def finish_cut(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the cut a complete one. Durable on return."""
        cut = self.path_of(manifest.cut)
        for path in cut.iterdir():
            flush_file(path)
        write_private(cut / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        sync_folder(cut.parent)

    def path_of(self, name: str) -> Path:
        return self.root / CUTS / name

    def list_cuts(self) -> list[Manifest]:
        """The complete cuts, oldest first. Raises BackupUnfit, BackupDamaged."""
        return [self.load_manifest(path.name) for path in self._list_folders() if (path / MANIFEST).exists()]

    def list_unfinished(self) -> list[Path]:
        return [path for path in self._list_folders() if not (path / MANIFEST).exists()]

    def load_manifest(self, name: str) -> Manifest:
        """The manifest of a cut. Raises BackupUnfit for one of a later format, BackupDamaged."""
        path = self.path_of(name) / MANIFEST
        try:
            text = path.read_bytes()
            found = msgspec.json.decode(text, type=_Format).format
            if found > FORMAT:
                raise BackupUnfit(f"{path} has format {found}, this release reads up to {FORMAT}: use a newer release")
            manifest = msgspec.json.decode(text, type=Manifest)
        except (OSError, msgspec.DecodeError):
            raise BackupDamaged(f"{path} cannot be read: use another cut or another copy") from None
        if manifest.cut != name or manifest.archive != self.require_archive():
            raise BackupDamaged(f"{path} does not describe this cut: use another cut or another copy")
        return manifest

    def require_file(self, manifest: Manifest, name: str) -> Path:
        """The path of a file of the cut whose bytes are those of the manifest. Raises BackupDamaged."""
        path = self.path_of(manifest.cut) / name
        try:
            intact = digest_file(path) == manifest.files[name]
        except (OSError, KeyError):
            intact = False
        if not intact:
            raise BackupDamaged(f"{path} is missing or was changed: use another cut or another copy")
        return path

    def iter_contents(self, cut: str) -> Iterator[StoredContentLine]:
        """The lines of the file `contents`, in the order of their ids. Raises BackupDamaged."""
        path = self.path_of(cut) / CONTENTS
        try:
            with path.open(encoding="ascii") as lines:
                yield from map(StoredContentLine.parse, lines)
        except (OSError, ValueError):
            raise BackupDamaged(f"{path} cannot be read: use another cut or another copy") from None

    def _list_folders(self) -> list[Path]:
        try:
            return sorted(path for path in (self.root / CUTS).iterdir() if path.is_dir())
        except FileNotFoundError:
            return []


class _Format(msgspec.Struct):
    format: int


def name_cut(now: datetime) -> str:
    """The name of a cut; names sort by time."""
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def digest_file(path: Path) -> FileDigest:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileDigest(os.fstat(file.fileno()).st_size, digest.hexdigest())


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file for writing, for this account alone."""
    return open(path, mode, encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600))


def flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
