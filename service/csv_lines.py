"""Reads CSV lists of commands: the customers of service/customers_csv.py and the papers of service/import_lines.py. A
line of the file is a record."""

import csv
from collections.abc import Iterator, Sequence
from itertools import count
from typing import BinaryIO

import msgspec

from domain.refusals import FieldError

LINE_BYTES_MAX = 64 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class FileUnreadable(Exception):
    """The file as a whole, or from some line on, cannot be read. Records stored before stay stored."""


class Record(msgspec.Struct, frozen=True):
    """A line, numbered as an editor does, the header being line 1. `end` is the offset of the byte after it. `fields`
    has as many items as the header, or is the error of the line."""

    number: int
    end: int
    fields: list[str] | FieldError


def parse_records(file: BinaryIO, header: Sequence[str], further: Sequence[str] = ()) -> Iterator[Record]:
    """Yield all lines after the header that are not empty. The columns in `further` may be missing; their fields are
    then empty. Raises FileUnreadable."""
    lines = _iter_lines(file)
    _, _, first = next(lines, (1, 0, ""))
    columns = first.rstrip("\r\n").split(",")
    if columns not in ([*header], [*header, *further]):
        raise FileUnreadable(f"the first line must be exactly {','.join(header)}; it is {first.strip()[:80]!r}")
    left_out = [""] * (len(header) + len(further) - len(columns))
    for number, end, text in lines:
        if text.strip():
            fields = _split_fields(text, len(columns))
            yield Record(number, end, fields if isinstance(fields, FieldError) else [*fields, *left_out])


def _iter_lines(file: BinaryIO) -> Iterator[tuple[int, int, str]]:
    """Yield number, end offset and text of each line. A line of the file is a record: fields must not contain line
    breaks, so a forgotten quote spoils its own line and not the thousands after it."""
    end = 0
    for number in count(1):
        raw = file.readline(LINE_BYTES_MAX)
        if not raw:
            return
        if len(raw) == LINE_BYTES_MAX and not raw.endswith(b"\n"):
            raise FileUnreadable(f"line {number} has more than {LINE_BYTES_MAX} bytes; is this a CSV file?")
        end += len(raw)
        try:
            yield number, end, raw.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").decode()
        except UnicodeDecodeError:
            raise FileUnreadable(f"line {number} is not UTF-8; save the file as CSV in UTF-8 and start again") from None


def _split_fields(text: str, count: int) -> list[str] | FieldError:
    """The fields of a line, or its error. Most lines have no quotes and are split at commas."""
    plain = text.rstrip("\r\n")
    try:
        fields = next(csv.reader([text], strict=True)) if '"' in plain or "\r" in plain else plain.split(",")
    except csv.Error:
        return FieldError("", "has a quote that is not closed, or text after a closing one")
    return fields if len(fields) == count else FieldError("", f"has {len(fields)} fields and not {count}")
