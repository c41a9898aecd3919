"""Flags for active content and attachments of a PDF, by the names in its bytes. Pure; pdfs.py adds pdfium's counts.

Its time grows with the size of the file alone, whatever the content.
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
_REFERENCES_MAX: Final = 4
"""References followed from a trigger: to additional actions, to one of them, and to two next actions."""
# Names that are too long to occur by chance in the compressed bytes of a scan, as /JS does.
_NAMES: Final = (
    ("javascript", re.compile(rb"/JavaScript\b")),
    ("attachments", re.compile(rb"/(?:EmbeddedFiles?|FileAttachment)\b")),
    ("active-content", re.compile(rb"/(?:Launch|RichMedia|SubmitForm|ImportData|GoToR|GoToE|Movie|Rendition)\b")),
)
_ADDRESS: Final = re.compile(rb"/S\s{0,9}/URI\b")
_REFERENCE: Final = rb"(\d{1,10})\s{1,9}\d{1,5}\s{1,9}R\b"
# Triggers without a click: opening the file, a page, or a field (ISO 32000 12.6.3); a link has /A.
_TRIGGER: Final = re.compile(rb"/(?:OpenAction|AA)\s{0,9}(?:%b|(?=<<))" % _REFERENCE)
_FOLLOWED: Final = re.compile(rb"/(?:Next|[OCEXDUKFV]|Fo|Bl|P[OCVI]|W[CSP]|D[SP])\s{0,9}%b" % _REFERENCE)
_BRACKETS: Final = re.compile(rb"<<|>>|\((?:[^()\\]|\\.)*\)", re.DOTALL)
_OBJECT: Final = re.compile(rb"(?<!\d)(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_NUMBERS: Final = re.compile(rb"\s*(?:\d{1,10}\s+)+")
_STREAM: Final = re.compile(rb">>\s*stream\r?\n")
_ESCAPE: Final = re.compile(rb"#([0-9A-Fa-f]{2})")


def find_flags(content: Content) -> set[str]:
    """The flags of messages.Finding. An address that opens without a click is active content, one behind a link is
    not.
    """
    found, has_address = set[str](), False
    for part in _readable_parts(content):
        found |= {name for name, pattern in _NAMES if pattern.search(part)}
        has_address = has_address or _ADDRESS.search(part) is not None
    if has_address and "active-content" not in found and _opens_address(content):
        found.add("active-content")
    return found


def _opens_address(content: Content) -> bool:
    """True if an action that needs no click opens an address."""
    pointed, seen = set[int](), set[int]()
    for part in _readable_parts(content):
        at = 0
        while trigger := _TRIGGER.search(part, at):
            at = trigger.end()
            if trigger[1]:
                pointed.add(int(trigger[1]))
                continue
            action = _dictionary_at(part, at)
            if _ADDRESS.search(action):
                return True
            pointed |= _references_in(action)
            at += len(action)
    for _ in range(_REFERENCES_MAX):
        seen |= pointed
        actions = (
            [action for part in _readable_parts(content) for action in _dictionaries_of(part, pointed)]
            if pointed
            else []
        )
        if any(_ADDRESS.search(action) for action in actions):
            return True
        pointed = {number for action in actions for number in _references_in(action)} - seen
    return False


def _references_in(action: bytes) -> set[int]:
    """The objects that hold an additional action or the next action."""
    return {int(reference[1]) for reference in _FOLLOWED.finditer(action)}


def _dictionaries_of(part: bytes | Content, objects: set[int]) -> Iterator[bytes]:
    """The dictionaries of these objects in this part; each byte is read at most once."""
    plain = ((int(header[1]), header.end()) for header in _OBJECT.finditer(part))
    done = 0
    for at in sorted(at for number, at in (*_object_places(part), *plain) if number in objects):
        if at >= done:
            yield (found := _dictionary_at(part, at))
            done = at + len(found)


def _dictionary_at(part: bytes | Content, at: int) -> bytes:
    """The dictionary that begins here, cut at _ACTION_BYTES_MAX; empty where none begins."""
    rest = bytes(part[at : at + _ACTION_BYTES_MAX])
    if not rest.lstrip().startswith(b"<<"):
        return b""
    depth = 0
    for bracket in _BRACKETS.finditer(rest):
        depth += (bracket[0] == b"<<") - (bracket[0] == b">>")
        if depth == 0:
            return rest[: bracket.end()]
    return rest


def _object_places(part: bytes | Content) -> Iterator[tuple[int, int]]:
    """Number and place of each object if the part is an inflated object stream (ISO 32000 7.5.7)."""
    if header := _NUMBERS.match(part):
        numbers = [int(number) for number in header[0].split()]
        yield from ((number, header.end() + at) for number, at in zip(numbers[::2], numbers[1::2], strict=False))


def _readable_parts(content: Content) -> Iterator[bytes | Content]:
    """The file, and its object streams inflated to 16 MiB in all: since PDF 1.5 names can be inside them."""
    yield content if content.find(b"#") < 0 else _unescape_names(content[:])
    left, unread = _INFLATED_BYTES_MAX, _DEFLATED_BYTES_MAX
    for start in _STREAM.finditer(content):
        if content.rfind(b"/ObjStm", max(0, start.start() - _DICTIONARY_BYTES_MAX), start.start()) < 0:
            continue
        part, read = _inflate(content, start.end(), left, unread)
        if part:
            yield _unescape_names(part)
        left, unread = left - len(part), unread - read
        if left <= 0 or unread <= 0:
            return


def _inflate(content: Content, at: int, bytes_max: int, read_max: int) -> tuple[bytes, int]:
    """The inflated bytes from `at` and the number of bytes read; no inflated bytes where the data is broken.

    It reads in pieces, because a file can claim a stream every few bytes.
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


def _unescape_names(part: bytes) -> bytes:
    """The part with #xx in names decoded, which ISO 32000 7.3.5 allows and malware uses."""
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), part)
