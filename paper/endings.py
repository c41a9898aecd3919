"""Checks that a file has its end. Decoders tolerate a cut file, an archive must not. Pure, for checks.py.

A cut upload often still decodes (a PNG without IEND, a GIF cut between two frames, a PDF whose cross-reference pdfium
rebuilds), so these functions look for the end that each format prescribes. Bytes after that end are tolerated. Each
raises FileDamaged for a cut file. tiff_directories.py does the same for TIFF.
"""

import re

from domain.refusals import FileDamaged
from paper.content import Content

_PDF_JUNK_BYTES = 4096
_PDF_LINEARIZED = re.compile(rb"/Linearized\b[^>]{0,512}?/L\s+(\d{1,12})|/L\s+(\d{1,12})\b[^>]{0,512}?/Linearized\b")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def check_png(content: Content) -> None:
    """Require the IEND chunk."""
    if content.rfind(_PNG_END) < 0:
        raise FileDamaged()


def check_pdf(content: Content) -> None:
    """Require %%EOF at the end (ISO 32000), and the length that a linearized file states at its start."""
    last = content.rfind(b"%%EOF", max(0, len(content) - _PDF_JUNK_BYTES))
    if last < 0 or b"obj" in content[last:]:
        raise FileDamaged()
    linearized = _PDF_LINEARIZED.search(content[:2048])
    if linearized and int(linearized[1] or linearized[2]) > len(content):
        raise FileDamaged()


def check_rtf(content: Content) -> None:
    """Require that every open group is closed."""
    plain = content[:].replace(b"\\\\", b"")
    opened, closed = (plain.count(brace) - plain.count(b"\\" + brace) for brace in (b"{", b"}"))
    if opened > closed:
        raise FileDamaged()


def check_gif(content: Content) -> None:
    """Follow the blocks up to the trailer."""
    try:
        at = 13 + _colour_table_bytes(content[10])
        while content[at] != 0x3B:
            at = _after_gif_block(content, at)
    except IndexError as cut:
        raise FileDamaged() from cut


def _after_gif_block(content: Content, at: int) -> int:
    match content[at]:
        case 0x2C:
            return _after_sub_blocks(content, at + 11 + _colour_table_bytes(content[at + 9]))
        case 0x21:
            return _after_sub_blocks(content, at + 2)
        case 0x00:
            return at + 1
        case _:
            raise FileDamaged()


def _colour_table_bytes(packed: int) -> int:
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _after_sub_blocks(content: Content, at: int) -> int:
    while length := content[at]:
        at += length + 1
    return at + 1


def iso_boxes(content: Content) -> dict[bytes, tuple[int, int]]:
    """Top-level boxes of an ISO base media file: type -> (first byte, end); the first box of a type counts."""
    boxes: dict[bytes, tuple[int, int]] = {}
    at = 0
    while at < len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        elif size == 0:
            size = len(content) - at
        if len(kind) < 4 or (kind.isalnum() and at + size > len(content)):
            raise FileDamaged()
        if size < 8 or not kind.isalnum():
            break
        boxes.setdefault(kind, (at, at + size))
        at += size
    return boxes
