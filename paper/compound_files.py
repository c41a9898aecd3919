"""Reads OLE compound files: the directory and the few bytes that tell type, encryption and macros.

Layout: [MS-CFB]; Word [MS-DOC] 2.5.2, Excel [MS-XLS] 2.4.117. For media_types.py and checks.py.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from domain.refusals import FileDamaged, FileTypeNotAllowed
from paper.content import Content

DOC: Final = "application/msword"
XLS: Final = "application/vnd.ms-excel"
MSG: Final = "application/vnd.ms-outlook"
LOCKED_OOXML: Final = "application/encrypted"
"""Open XML under a password is an OLE file whose type cannot be told from outside."""

SIGNATURE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_MAIN_STREAMS = (
    ("EncryptedPackage", LOCKED_OOXML),
    ("WordDocument", DOC),
    ("Workbook", XLS),
    ("Book", XLS),
    ("__properties_version1.0", MSG),
)
_REGULAR_SECTOR_MAX = 0xFFFFFFFA
_FAT_IN_HEADER = 109
_MINI_SECTOR_BYTES = 64
_ROOT = 5
_STREAM = 2


class Stream(msgspec.Struct, frozen=True):
    """A directory entry: `kind` 1 storage, 2 stream, 5 root; `size` in bytes."""

    name: str
    kind: int
    start: int
    size: int


class CompoundFile(msgspec.Struct, frozen=True):
    """The parsed directory; `fat` holds the next sector of each sector."""

    sector_bytes: int
    mini_cutoff: int
    fat: tuple[int, ...]
    mini_fat_start: int
    streams: tuple[Stream, ...]


def media_type(content: Content) -> str:
    """Media type of the file by the names of its streams. FileTypeNotAllowed for other kinds, FileDamaged for a cut
    file."""
    names = {stream.name for stream in parse(content).streams}
    for name, named in _MAIN_STREAMS:
        if name in names:
            return named
    raise FileTypeNotAllowed(found="OLE")


def parse(content: Content) -> CompoundFile:
    """Directory and allocation table. Raises FileDamaged when a chain leaves the file or is circular."""
    try:
        return _parse(content)
    except (struct.error, IndexError, ValueError) as broken:
        raise FileDamaged() from broken


def read(content: Content, file: CompoundFile, name: str, size_max: int) -> bytes:
    """The first `size_max` bytes of the stream with this name, empty without such a stream. Raises FileDamaged."""
    for stream in file.streams:
        if stream.name == name and stream.kind == _STREAM:
            if stream.size < file.mini_cutoff:
                return _read_mini(content, file, stream)[:size_max]
            sectors = _chain(file.fat, stream.start)
            wanted = sectors[: -(-min(stream.size, size_max) // file.sector_bytes)]
            return b"".join(_sectors(content, file.sector_bytes, wanted))[: min(stream.size, size_max)]
    return b""


def check_streams(content: Content, file: CompoundFile) -> None:
    """Check that every stream has all its bytes inside the file, in sectors of its own. Raises FileDamaged."""
    used = 0
    for stream in file.streams:
        own_sectors = stream.kind == _ROOT or (stream.kind == _STREAM and stream.size >= file.mini_cutoff)
        if own_sectors and stream.size:
            sectors = _chain(file.fat, stream.start)
            used += len(sectors)
            if used > len(file.fat) or _end(file, sectors, stream.size) > len(content):
                raise FileDamaged()


def _end(file: CompoundFile, sectors: list[int], size: int) -> int:
    """The end of the stream in the file: of its last byte, or of one of its full sectors if that is later."""
    whole, rest = divmod(size, file.sector_bytes)
    if len(sectors) < whole + bool(rest):
        raise FileDamaged()
    ends = [(number + 2) * file.sector_bytes for number in sectors[:whole]]
    if rest:
        ends.append((sectors[whole] + 1) * file.sector_bytes + rest)
    return max(ends)


def is_whole_word_2(content: Content) -> bool:
    """True if a Word 2 file has the size that its header states at byte 32; True for other files."""
    return content[:2] != b"\xdb\xa5" or len(content) >= int.from_bytes(content[32:36], "little")


def _parse(content: Content) -> CompoundFile:
    shift, mini_shift = struct.unpack_from("<HH", content, 30)
    if (shift, mini_shift) not in ((9, 6), (12, 6)):
        raise ValueError(shift)
    directory, _, mini_cutoff, mini_fat, _, difat, _ = struct.unpack_from("<7L", content, 48)
    sector_bytes = 1 << shift
    fat = tuple(_fat(content, sector_bytes, difat))
    listing = b"".join(_sectors(content, sector_bytes, _chain(fat, directory)))
    return CompoundFile(
        sector_bytes=sector_bytes,
        mini_cutoff=mini_cutoff,
        fat=fat,
        mini_fat_start=mini_fat,
        streams=tuple(_streams(listing)),
    )


def _fat(content: Content, sector_bytes: int, difat: int) -> Iterator[int]:
    """The allocation table: the header lists its first sectors, a chain of further lists the others."""
    listed = [n for n in struct.unpack_from(f"<{_FAT_IN_HEADER}L", content, 76) if n <= _REGULAR_SECTOR_MAX]
    per_sector = sector_bytes // 4
    lists = 0
    while difat <= _REGULAR_SECTOR_MAX:
        lists += 1
        if lists * sector_bytes > len(content):
            raise ValueError(difat)
        *more, difat = struct.unpack(f"<{per_sector}L", _sector(content, sector_bytes, difat))
        listed += [n for n in more if n <= _REGULAR_SECTOR_MAX]
    if len(listed) * sector_bytes > len(content):
        raise ValueError(len(listed))
    for number in listed:
        yield from struct.unpack(f"<{per_sector}L", _sector(content, sector_bytes, number))


def _streams(listing: bytes) -> Iterator[Stream]:
    for at in range(0, len(listing) - 127, 128):
        length, kind = struct.unpack_from("<HB", listing, at + 64)
        start, size = struct.unpack_from("<LL", listing, at + 116)
        if kind:
            name = listing[at : at + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
            yield Stream(name, kind, start, size)


def _chain(table: tuple[int, ...], start: int) -> list[int]:
    sectors: list[int] = []
    while start <= _REGULAR_SECTOR_MAX:
        if start >= len(table) or len(sectors) > len(table):
            raise FileDamaged()
        sectors.append(start)
        start = table[start]
    return sectors


def _sectors(content: Content, sector_bytes: int, numbers: list[int]) -> Iterator[bytes]:
    return (_sector(content, sector_bytes, number) for number in numbers)


def _sector(content: Content, sector_bytes: int, number: int) -> bytes:
    at = (number + 1) * sector_bytes
    if at >= len(content):
        raise FileDamaged()
    return content[at : at + sector_bytes]


def _read_mini(content: Content, file: CompoundFile, stream: Stream) -> bytes:
    """A stream below the cut-off, which is stored in 64-byte pieces inside the root's own stream."""
    root = next((entry for entry in file.streams if entry.kind == _ROOT), None)
    if root is None:
        raise FileDamaged()
    table_bytes = b"".join(_sectors(content, file.sector_bytes, _chain(file.fat, file.mini_fat_start)))
    table = tuple(number for (number,) in struct.iter_unpack("<L", table_bytes[: len(table_bytes) // 4 * 4]))
    store = b"".join(_sectors(content, file.sector_bytes, _chain(file.fat, root.start)))
    pieces = (store[n * _MINI_SECTOR_BYTES : (n + 1) * _MINI_SECTOR_BYTES] for n in _chain(table, stream.start))
    return b"".join(pieces)[: stream.size]
