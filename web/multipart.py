"""multipart/form-data (RFC 7578) cut into parts as the bytes arrive. Pure; web/uploads.py gives it the bytes.

The library `multipart` cuts. It knows no filename* and takes the last of two names, so names are read here.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from multipart import (  # type: ignore[import-untyped]  # it ships no types
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from domain.refusals import N_, MalformedRequest, UnsupportedMediaType

PART_HEADER_BYTES_MAX = 8 * 1024
# RFC 2046, section 5.1.1: 1 to 70 characters, no blank at the end.
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
# RFC 9110, section 5.6.6: a parameter's value is a token or a quoted string.
PARAMETER = re.compile(
    r';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;\s"]*)[ \t]*', re.DOTALL
)
PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})


class Part(NamedTuple):
    """A part begins: its field's name and, for a file, the name that the sender gave it (may be empty)."""

    name: str
    file_name: str | None


def boundary_of(content_type: str | None) -> bytes:
    """The boundary of a form's Content-Type. UnsupportedMediaType for anything but multipart/form-data."""
    kind, _, _ = (content_type or "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType(reason=N_("send it as multipart/form-data"))
    boundary = parameters((content_type or "")[len(kind) :]).get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise MalformedRequest(reason=N_("its Content-Type has no usable boundary"))
    return boundary.encode("ascii")


class Splitter:
    """Feed it the body piece by piece, then call `finish`. Both raise MalformedRequest for what is no form."""

    def __init__(self, boundary: bytes) -> None:
        # Header values are bytes to us: Latin-1 has a character for each, text_of() decodes them.
        self._parser = PushMultipartParser(boundary, max_header_size=PART_HEADER_BYTES_MAX, header_charset="latin-1")

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """Each part, then its content in pieces as they come; what belongs to no part is dropped."""
        with malformed_refused():
            for event in self._parser.parse(data) if data else ():
                if event is not None:  # the end of a part
                    yield event if isinstance(event, bytes) else part_of(event)

    def finish(self) -> None:
        """Refuse a form that ended before its last boundary."""
        try:
            self._parser.close()
        except MultipartError:
            raise MalformedRequest(reason=N_("its form ends before its last boundary")) from None


@contextmanager
def malformed_refused() -> Iterator[None]:
    try:
        yield
    except ParserLimitReached:
        raise MalformedRequest(reason=N_("its form has a part with too many headers")) from None
    except MultipartError:
        raise MalformedRequest(reason=N_("its form has a malformed boundary or part header")) from None


def part_of(segment: MultipartSegment) -> Part:
    """The part that a segment begins; all headers but these two are ignored, as RFC 7578, section 4.8 has it."""
    if segment.header("Content-Transfer-Encoding", "").strip().lower() not in PLAIN_ENCODINGS:
        raise MalformedRequest(reason=N_("its form has a part in a transfer encoding"))
    _, _, rest = text_of(segment.header("Content-Disposition").encode("latin-1")).partition(";")
    values = parameters(";" + rest)
    if "name" not in values:
        raise MalformedRequest(reason=N_("its form has a part without a name"))
    extended = extended_value(values.get("filename*", ""))
    return Part(values["name"], values.get("filename") if extended is None else extended)


def text_of(value: bytes) -> str:
    """Browsers send names as they are, in UTF-8; what is none is taken as Latin-1, which fits every byte."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def parameters(text: str) -> dict[str, str]:
    """`; name=value` pairs, the first of each name; what is malformed ends them."""
    found: dict[str, str] = {}
    at = 0
    while match := PARAMETER.match(text, at):
        found.setdefault(match[1].lower(), unquote_value(match[2]))
        at = match.end()
    return found


def unquote_value(value: str) -> str:
    """A backslash escapes quotes and backslashes only, so Windows paths stay; browsers write a quote as %22 (HTML)."""
    if not value.startswith('"'):
        return value
    return re.sub(r'\\(["\\])', r"\1", value[1:-1]).replace("%22", '"')


def extended_value(value: str) -> str | None:
    """RFC 8187: charset'language'percent-encoded. None where it is absent or unreadable."""
    charset, quote, rest = value.partition("'")
    _, second_quote, encoded = rest.partition("'")
    if not (quote and second_quote) or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None
