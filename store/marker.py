"""The file ARCHIVE in a folder of the archive: the archive's id, and the newest event at the time of writing.

store/content_directory.py compares the id before it stores or removes anything; service/belonging.py compares all of it
with the database and writes it.
"""

import os
from pathlib import Path
from typing import Self
from uuid import UUID

import msgspec

from store.private_files import write_private

MARKER = "ARCHIVE"
BYTES_MAX = 1_000


class MarkedEvent(msgspec.Struct, frozen=True):
    """The position of an event in the log and the hash over the log up to it."""

    position: int
    leaf: bytes


class Marker(msgspec.Struct, frozen=True):
    """The marker. `seen` is the newest event at the time of writing; None for an empty log and in the key folder."""

    archive: UUID
    seen: MarkedEvent | None = None

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """The marker in the text. Raises ValueError for a text that is not a marker."""
        words = text.decode("ascii").split()
        match words:
            case ["archive", archive]:
                return cls(UUID(archive))
            case ["archive", archive, "seen", position, leaf]:
                return cls(UUID(archive), MarkedEvent(int(position), bytes.fromhex(leaf)))
        raise ValueError("not a marker")

    def to_bytes(self) -> bytes:
        seen = f"seen {self.seen.position} {self.seen.leaf.hex()}\n" if self.seen else ""
        return f"archive {self.archive}\n{seen}".encode()


def find_marker(folder: Path | int) -> Marker | None:
    """The marker of a folder (a path or a descriptor); None when it has none. Raises ValueError and OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY) if isinstance(folder, Path) else folder
    try:
        return Marker.parse(_load_bytes(opened))
    except FileNotFoundError:
        return None
    finally:
        if isinstance(folder, Path):
            os.close(opened)


def _load_bytes(folder: int) -> bytes:
    file = os.open(MARKER, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(file, BYTES_MAX)
    finally:
        os.close(file)


def write_marker(folder: Path, marker: Marker) -> None:
    """Write the marker atomically. Durable on return."""
    write_private(folder / MARKER, marker.to_bytes())
