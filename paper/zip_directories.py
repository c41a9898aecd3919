"""Office files in ZIP: only their central directory is read, nothing is extracted. For media_types.py and checks.py.

Layout: PKWARE APPNOTE 6.3.10. The only inflated entries are the two small ones that state the type and the encryption,
up to 1 MiB each, whatever their headers state.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

from domain.refusals import FileDamaged, FileTooManyPixels, FileTypeNotAllowed
from paper.content import Content

_OPENXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
DOCX: Final = _OPENXML + "wordprocessingml.document"
XLSX: Final = _OPENXML + "spreadsheetml.sheet"
PPTX: Final = _OPENXML + "presentationml.presentation"
ODT: Final = _ODF + "text"
ODS: Final = _ODF + "spreadsheet"
ODP: Final = _ODF + "presentation"

SIGNATURES: Final = (b"PK\x03\x04", b"PK\x05\x06")
ENTRIES_MAX: Final = 10_000
UNPACKED_BYTES_MAX: Final = 1024 * 1024 * 1024

_CONTENT_TYPES = "[Content_Types].xml"
_MAIN_PARTS = (
    (b"wordprocessingml.document", DOCX),
    (b"spreadsheetml.sheet", XLSX),
    (b"presentationml.presentation", PPTX),
)
_PEEK_BYTES_MAX = 1024 * 1024
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_COMMENT_BYTES_MAX = 65_535
_ALL_ONES = 0xFFFFFFFF
_OFFICE_STARTS = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"word/", b"xl/", b"ppt/", b"mimetype")


class ZipEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the archive by the central directory; sizes and offset in bytes."""

    name: str
    encrypted: bool
    method: int
    packed: int
    unpacked: int
    offset: int


def media_type(content: Content) -> str:
    """Media type of an office file. FileTypeNotAllowed for any other archive, FileDamaged for a file without its
    end.
    """
    entries = {entry.name: entry for entry in read_directory(content)}
    if "mimetype" in entries:
        named = peek(content, entries["mimetype"]).decode("ascii", "replace").strip()
        if named in (ODT, ODS, ODP):
            return named
        raise FileTypeNotAllowed(found=named[:80])
    if _CONTENT_TYPES in entries:
        return _openxml_type(peek(content, entries[_CONTENT_TYPES]))
    raise FileTypeNotAllowed(found="ZIP")


def _openxml_type(content_types: bytes) -> str:
    for part, named in _MAIN_PARTS:
        if part + b".main+xml" in content_types:
            return named
    raise FileTypeNotAllowed(found="macroEnabled" if b"macroEnabled.main+xml" in content_types else "Open XML")


def read_directory(content: Content) -> list[ZipEntry]:
    """Every entry; each is checked to be inside the file and not to overlap another.

    Raises FileDamaged, and FileTooManyPixels for more than ENTRIES_MAX entries or UNPACKED_BYTES_MAX unpacked.
    """
    end = _end_record(content)
    *_, count, size, start, _ = _END.unpack_from(content, end)
    if start + size > end:
        raise FileDamaged()
    entries = list(_entries(content[start : start + size]))
    if len(entries) % 65_536 != count:
        raise FileDamaged()
    _check_bounds(content, entries, start)
    return entries


def peek(content: Content, entry: ZipEntry) -> bytes:
    """Up to the first MiB of one entry, inflated. Raises FileDamaged for data that does not inflate."""
    *_, name_length, extra_length = _LOCAL.unpack_from(content, entry.offset)
    at = entry.offset + _LOCAL.size + name_length + extra_length
    packed = content[at : at + min(entry.packed, _PEEK_BYTES_MAX)]
    if entry.encrypted:
        return b""
    if entry.method == 0:
        return packed
    try:
        return zlib.decompressobj(-15).decompress(packed, _PEEK_BYTES_MAX)
    except zlib.error as broken:
        raise FileDamaged() from broken


def _end_record(content: Content) -> int:
    tail = max(0, len(content) - _END.size - _COMMENT_BYTES_MAX)
    at = content.rfind(b"PK\x05\x06", tail)
    if 0 <= at <= len(content) - _END.size:
        return at
    if content[30:60].startswith(_OFFICE_STARTS):
        raise FileDamaged()
    raise FileTypeNotAllowed(found="ZIP")


def _entries(directory: bytes) -> Iterator[ZipEntry]:
    at, count = 0, 0
    while at < len(directory):
        count += 1
        if count > ENTRIES_MAX:
            raise FileTooManyPixels()
        try:
            fields = _ENTRY.unpack_from(directory, at)
        except struct.error as short:
            raise FileDamaged() from short
        signature, _, _, flags, method, _, _, _, packed, unpacked, name_length, extra_length, note_length, *_ = fields
        name_at = at + _ENTRY.size
        at = name_at + name_length + extra_length + note_length
        if signature != b"PK\x01\x02" or at > len(directory):
            raise FileDamaged()
        extra = directory[name_at + name_length : name_at + name_length + extra_length]
        sizes = _long_sizes(extra, unpacked, packed, fields[-1])
        yield ZipEntry(
            name=directory[name_at : name_at + name_length].decode("utf-8", "replace").replace("\\", "/"),
            encrypted=bool(flags & 1),
            method=method,
            unpacked=sizes[0],
            packed=sizes[1],
            offset=sizes[2],
        )


def _long_sizes(extra: bytes, *sizes: int) -> list[int]:
    """Sizes of 4 GiB and more are in the ZIP64 extra field (id 1), in order, for each size that is all ones."""
    at, longs = 0, b""
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        longs = extra[at + 4 : at + 4 + length] if kind == 1 else longs
        at += 4 + length
    found = [number for (number,) in struct.iter_unpack("<Q", longs[: len(longs) // 8 * 8])]
    return [found.pop(0) if size == _ALL_ONES and found else size for size in sizes]


def _check_bounds(content: Content, entries: list[ZipEntry], directory_start: int) -> None:
    if sum(entry.unpacked for entry in entries) > UNPACKED_BYTES_MAX:
        raise FileTooManyPixels()
    free_from = 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        after = entry.offset + _LOCAL.size + entry.packed
        if entry.offset < free_from or after > directory_start:
            raise FileDamaged()
        if content[entry.offset : entry.offset + 4] != b"PK\x03\x04":
            raise FileDamaged()
        free_from = after
