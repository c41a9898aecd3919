"""Distinguishes text from binary by its characters, and mail, comma-separated and plain text. For media_types.py."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from domain.refusals import FileTypeNotAllowed
from paper.content import Content

TXT: Final = "text/plain"
CSV: Final = "text/csv"
EML: Final = "message/rfc822"
TEXTS: Final = frozenset({TXT, CSV, EML})

_BY_ENDING = {"": TXT, "txt": TXT, "text": TXT, "csv": CSV, "eml": EML}

_CHUNK_BYTES = 1024 * 1024
_HEAD_BYTES = 4096
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Loaded here, because a child (child.py) can open no files, not even those of Python's codecs.
_DECODERS = {
    encoding: codecs.getincrementaldecoder(encoding)
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1")
}

# Tab, line ends, form feed and the escape of ISO-2022 mail belong to text; so does the end mark of DOS, at the end.
_CONTROL = r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]|\x1b(?![$(])"
_CONTROL_BYTE = re.compile(_CONTROL.encode("ascii"))
_CONTROL_CHARACTER = re.compile(_CONTROL + r"|[\x80-\x84\x86-\x9f\ufffe\uffff]")
_MARKUP = re.compile(r"\s*<(?:[!?]|/?[a-z][\w:.-]*[\s/>])", re.I)
_ACTIVE = re.compile(r"^\s*<(?:!doctype\s|html\b|head\b|body\b|script\b|svg\b|\?xml\b|\?php\b|iframe\b)", re.I | re.M)
_MAIL_FIELD = re.compile(
    r"^(?:from|to|date|subject|received|return-path|message-id|mime-version|delivered-to):", re.I | re.M
)


def detect(content: Content, ending: str) -> str | None:
    """Media type of a text, None for binary content. Raises FileTypeNotAllowed for markup and other kinds of text."""
    encoding = _detect_encoding(content)
    if encoding is None:
        return None
    head = content[:_HEAD_BYTES].decode(encoding, "ignore").lstrip("\ufeff")
    if _MARKUP.match(head):
        raise FileTypeNotAllowed(found=_markup_name(head))
    media_type = _BY_ENDING.get(ending)
    if media_type is None:
        raise FileTypeNotAllowed(found="text")
    if media_type == EML and _MAIL_FIELD.search(head):
        return EML
    if _ACTIVE.search(head[:1024]):
        raise FileTypeNotAllowed(found=_markup_name(head))
    return TXT if media_type == EML else media_type


def is_markup(head: bytes) -> bool:
    """True if the bytes begin like HTML, XML or a related format."""
    return _MARKUP.match(head.decode("latin-1").removeprefix("\xef\xbb\xbf")) is not None


def _markup_name(head: str) -> str:
    for name in ("svg", "html", "php", "script"):
        if re.search(rf"<[?!]?(?:doctype\s+)?{name}\b", head, re.I):
            return name.upper()
    return "XML"


def _detect_encoding(content: Content) -> str | None:
    """The encoding in which every byte is text; latin-1 stands for all 8-bit encodings, which bytes cannot tell
    apart.
    """
    for bom, encoding in _BOMS:
        if content[: len(bom)] == bom:
            return encoding if _is_clean_unicode(content, encoding) else None
    wide = _detect_wide_encoding(content[:_HEAD_BYTES])
    if wide is not None:
        return wide if _is_clean_unicode(content, wide) else None
    control = _CONTROL_BYTE.search(content)
    if control and not (control.group() == b"\x1a" and not content[control.end() :].strip(b"\x1a")):
        return None
    return "utf-8" if _is_clean_unicode(content, "utf-8") else "latin-1"


def _detect_wide_encoding(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: the zero bytes of its spaces and digits are all on the same side."""
    low, high = head[0::2].count(0), head[1::2].count(0)
    if high and not low:
        return "utf-16-le"
    return "utf-16-be" if low and not high else None


def _is_clean_unicode(content: Content, encoding: str) -> bool:
    try:
        return not any(_CONTROL_CHARACTER.search(text.rstrip("\x1a")) for text in _decode_chunks(content, encoding))
    except UnicodeDecodeError:
        return False


def _decode_chunks(content: Content, encoding: str) -> Iterator[str]:
    decoder = _DECODERS[encoding]("strict")
    for at in range(0, len(content), _CHUNK_BYTES):
        yield decoder.decode(content[at : at + _CHUNK_BYTES], at + _CHUNK_BYTES >= len(content))
