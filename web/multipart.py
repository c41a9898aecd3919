"""Splits multipart/form-data (RFC 7578) into parts as the bytes arrive. Pure; web/uploads.py feeds it.

The library `multipart` splits. It ignores filename* and uses the last of two names, so this module reads the names.
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
    """The beginning of a part: the name of its field and, for a file, the sender's name of the file (may be empty)."""

    name: str
    file_name: str | None


def boundary_of(content_type: str | None) -> bytes:
    """The boundary in a form's Content-Type. Raises UnsupportedMediaType for anything but multipart/form-data."""
    kind, _, _ = (content_type or "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType(reason=N_("send it as multipart/form-data"))
    boundary = parameters((content_type or "")[len(kind) :]).get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise MalformedRequest(reason=N_("its Content-Type has no usable boundary"))
    return boundary.encode("ascii")


class Splitter:
    """Splits a form. Feed it the body piece by piece, then call `finish`; both raise MalformedRequest."""

    def __init__(self, boundary: bytes) -> None:
        # Latin-1 has a character for each byte, so text_of() gets the header's bytes back and decodes them.
        self._parser = PushMultipartParser(boundary, max_header_size=PART_HEADER_BYTES_MAX, header_charset="latin-1")

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """Yields each part, then its content in pieces as they arrive; bytes outside of parts are dropped."""
        with malformed_refused():
            for event in self._parser.parse(data) if data else ():
                if event is not None:  # the end of a part
                    yield event if isinstance(event, bytes) else part_of(event)

    def finish(self) -> None:
        """Raises MalformedRequest if the form ended before its last boundary."""
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
    """The part that a segment begins. Headers other than these two are ignored (RFC 7578, section 4.8)."""
    if segment.header("Content-Transfer-Encoding", "").strip().lower() not in PLAIN_ENCODINGS:
        raise MalformedRequest(reason=N_("its form has a part in a transfer encoding"))
    _, _, rest = text_of(segment.header("Content-Disposition").encode("latin-1")).partition(";")
    values = parameters(";" + rest)
    if "name" not in values:
        raise MalformedRequest(reason=N_("its form has a part without a name"))
    extended = extended_value(values.get("filename*", ""))
    return Part(values["name"], values.get("filename") if extended is None else extended)


def text_of(value: bytes) -> str:
    """A header value as text: UTF-8, as browsers send it, else Latin-1, which can decode every byte."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def parameters(text: str) -> dict[str, str]:
    """The `; name=value` pairs of a header, the first of each name, up to the first malformed one."""
    found: dict[str, str] = {}
    at = 0
    while match := PARAMETER.match(text, at):
        found.setdefault(match[1].lower(), unquote_value(match[2]))
        at = match.end()
    return found


def unquote_value(value: str) -> str:
    """The value of a quoted string. A backslash escapes only quotes and backslashes, so that Windows paths survive;
    browsers write a quote as %22 (HTML)."""
    if not value.startswith('"'):
        return value
    return re.sub(r'\\(["\\])', r"\1", value[1:-1]).replace("%22", '"')


def extended_value(value: str) -> str | None:
    """Decodes charset'language'percent-encoded (RFC 8187). None if it is absent or cannot be decoded."""
    charset, quote, rest = value.partition("'")
    _, second_quote, encoded = rest.partition("'")
    if not (quote and second_quote) or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None
