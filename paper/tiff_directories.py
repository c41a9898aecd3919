"""Checks that a TIFF is whole by following its directories. Pure; endings.py does the same for other formats.

Decoders miss a cut here: Pillow treats a next directory beyond the end as the end of the chain, and libtiff draws an
old-style JPEG from its remaining bytes. Layout: TIFF 6.0 section 2; BigTIFF has 64-bit offsets.
"""

import struct

import msgspec

from domain.refusals import FileDamaged
from paper.content import Content

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {3: "H", 4: "L", 16: "Q"}
_PIXEL_DATA = ((273, 279), (324, 325), (513, 514))
"""Tags of the offsets of pixel data and of its sizes in bytes: strips, tiles, the JPEG of section 22."""
_PIXEL_TAGS = frozenset(tag for pair in _PIXEL_DATA for tag in pair)


class _Layout(msgspec.Struct, frozen=True):
    """Byte order and widths: formats of the entry count, of an entry, and of an offset."""

    order: str
    count: str
    entry: struct.Struct
    offset: str


def check_directories(content: Content, pages_max: int) -> None:
    """Check that directories, tag values and pixel data of the first `pages_max` pages are in the file, else
    FileDamaged."""
    try:
        layout = _layout_of(content)
        at = _number_at(layout, content, layout.offset, 8 if layout.offset == "Q" else 4)
        seen: set[int] = set()
        while at and at not in seen and len(seen) <= pages_max:
            seen.add(at)
            at = _check_page(layout, content, at)
    except struct.error as cut:
        raise FileDamaged() from cut


def _layout_of(content: Content) -> _Layout:
    order = "<" if content[:2] == b"II" else ">"
    if b"+" in content[2:4]:
        return _Layout(order, "Q", struct.Struct(order + "HHQ8s"), "Q")
    return _Layout(order, "H", struct.Struct(order + "HHL4s"), "L")


def _check_page(layout: _Layout, content: Content, at: int) -> int:
    """Check one directory and return where the next one starts, 0 after the last."""
    first = at + struct.calcsize(layout.order + layout.count)
    end = first + _number_at(layout, content, layout.count, at) * layout.entry.size
    if end > len(content):
        raise FileDamaged()
    values = {
        tag: _values_of(layout, content, tag, kind, length, inline)
        for tag, kind, length, inline in layout.entry.iter_unpack(content[first:end])
    }
    for offsets, lengths in _PIXEL_DATA:
        pieces = zip(values.get(offsets, ()), values.get(lengths, ()), strict=False)
        if any(offset + length > len(content) for offset, length in pieces):
            raise FileDamaged()
    return _number_at(layout, content, layout.offset, end)


def _values_of(layout: _Layout, content: Content, tag: int, kind: int, length: int, inline: bytes) -> tuple[int, ...]:
    """All values of a tag must lie in the file; those of the tags in _PIXEL_DATA are returned."""
    size = _TYPE_BYTES.get(kind, 0) * length
    at = _number_at(layout, inline, layout.offset, 0) if size > len(inline) else 0
    if at + size > len(content):
        raise FileDamaged()
    if tag not in _PIXEL_TAGS or kind not in _NUMBERS:
        return ()
    return struct.unpack_from(f"{layout.order}{length}{_NUMBERS[kind]}", content if at else inline, at)


def _number_at(layout: _Layout, content: Content, kind: str, at: int) -> int:
    return int(struct.unpack_from(layout.order + kind, content, at)[0])
