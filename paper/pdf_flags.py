"""What is active or attached in a PDF, by the names in its bytes. Pure; pdfs.py adds what pdfium counts.

Time grows with the size of the file alone, whatever is in it.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

from paper.content import Content

_INFLATED_BYTES_MAX: Final = 16 * 1024 * 1024
_DEFLATED_BYTES_MAX: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 4096
_DICTIONARY_BYTES_MAX: Final = 512
_ACTION_BYTES_MAX: Final = 1024
# Names long enough not to turn up by chance in the packed bytes of a scan, as /JS does.
_NAMES: Final = (
    ("javascript", re.compile(rb"/JavaScript\b")),
    ("attachments", re.compile(rb"/(?:EmbeddedFiles?|FileAttachment)\b")),
    ("active-content", re.compile(rb"/(?:Launch|RichMedia|SubmitForm|ImportData|GoToR|GoToE|Movie|Rendition)\b")),
)
_ADDRESS: Final = re.compile(rb"/S\s{0,9}/URI\b")
_OPEN_ACTION: Final = re.compile(rb"/OpenAction\s{0,9}(?:(\d{1,10})\s{1,9}\d{1,5}\s{1,9}R\b|(?=<<))")
_OBJECT: Final = re.compile(rb"(?<!\d)(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_NUMBERS: Final = re.compile(rb"\s*(?:\d{1,10}\s+)+")
_STREAM: Final = re.compile(rb">>\s*stream\r?\n")
_ESCAPE: Final = re.compile(rb"#([0-9A-Fa-f]{2})")


def find(content: Content) -> set[str]:
    """Flags of messages.Finding. An address that opens with the file is active content, one behind a link is not."""
    found, pointed, has_address = set[str](), set[int](), False
    for part in _readable(content):
        found |= {name for name, pattern in _NAMES if pattern.search(part)}
        has_address = has_address or _ADDRESS.search(part) is not None
        for action in _OPEN_ACTION.finditer(part):
            if action[1]:
                pointed.add(int(action[1]))
            elif _is_address(part, action.end()):
                found.add("active-content")
    if pointed and has_address and any(_leads_to_address(part, pointed) for part in _readable(content)):
        found.add("active-content")
    return found


def _leads_to_address(part: bytes | Content, objects: set[int]) -> bool:
    """Whether one of these objects lies in this part and is an action that opens an address."""
    plain = ((int(header[1]), header.end()) for header in _OBJECT.finditer(part))
    return any(number in objects and _is_address(part, at) for number, at in (*_packed(part), *plain))


def _packed(part: bytes | Content) -> Iterator[tuple[int, int]]:
    """Number and place of each object, where the part is an unpacked object stream (ISO 32000 7.5.7)."""
    if header := _NUMBERS.match(part):
        numbers = [int(number) for number in header[0].split()]
        yield from ((number, header.end() + at) for number, at in zip(numbers[::2], numbers[1::2], strict=False))


def _is_address(part: bytes | Content, at: int) -> bool:
    return _ADDRESS.search(part[at : at + _ACTION_BYTES_MAX].partition(b"endobj")[0]) is not None


def _readable(content: Content) -> Iterator[bytes | Content]:
    """The file, and its compressed object streams unpacked to 16 MiB in all: names hide there since PDF 1.5."""
    yield content if content.find(b"#") < 0 else _unescaped(content[:])
    left, unread = _INFLATED_BYTES_MAX, _DEFLATED_BYTES_MAX
    for start in _STREAM.finditer(content):
        if content.rfind(b"/ObjStm", max(0, start.start() - _DICTIONARY_BYTES_MAX), start.start()) < 0:
            continue
        part, read = _inflated(content, start.end(), left, unread)
        if part:
            yield _unescaped(part)
        left, unread = left - len(part), unread - read
        if left <= 0 or unread <= 0:
            return


def _inflated(content: Content, at: int, bytes_max: int, read_max: int) -> tuple[bytes, int]:
    """What the bytes from `at` unpack to, and how many were read for it; nothing where they are broken.

    Read in pieces, because a file can claim a stream every few bytes.
    """
    unpacking, part, read = zlib.decompressobj(), bytearray(), 0
    while not unpacking.eof and len(part) < bytes_max and read < read_max and at + read < len(content):
        piece = content[at + read : at + read + _PIECE_BYTES]
        read += len(piece)
        try:
            part += unpacking.decompress(piece, bytes_max - len(part))
        except zlib.error:
            return b"", read
    return bytes(part), read


def _unescaped(part: bytes) -> bytes:
    """Names with #xx spelled out, as ISO 32000 7.3.5 allows (and malware likes)."""
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), part)
