"""Parses the Range of a request for a content (RFC 9110, section 14). Pure; web/headers.py parses entity tags."""

import re
from typing import NamedTuple

from domain.refusals import MalformedRequest, RangeNotSatisfiable
from web.headers import weak_match

ONE_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
HEADER_CHARACTERS_MAX = 100


class WholeContent(NamedTuple):
    """Answer 200 with the whole content."""

    size: int


class RangePart(NamedTuple):
    """Answer 206 with the bytes `first` to `last`, both inclusive and both inside the content."""

    first: int
    last: int
    size: int


def parse_range(range_header: str | None, if_range: str | None, *, etag: str, size: int) -> WholeContent | RangePart:
    """The part of a content of `size` bytes to send. Raises RangeNotSatisfiable when the range begins after its end.

    Several ranges, other units and malformed ones are ignored, so the whole content is sent; so it is for an If-Range
    that is stale or a date (contents have none).
    """
    if range_header is None or size == 0 or (if_range is not None and if_range.strip() != etag):
        return WholeContent(size)
    found = ONE_RANGE.fullmatch(range_header) if len(range_header) <= HEADER_CHARACTERS_MAX else None
    if found is None or not (found[1] or found[2]):
        return WholeContent(size)
    return suffix_range(int(found[2]), size) if not found[1] else range_between(found[1], found[2], size)


def suffix_range(length: int, size: int) -> RangePart:
    if length == 0:
        raise RangeNotSatisfiable(size_bytes=size)
    return RangePart(max(0, size - length), size - 1, size)


def range_between(first_digits: str, last_digits: str, size: int) -> WholeContent | RangePart:
    first = int(first_digits)
    last = int(last_digits) if last_digits else size - 1
    if last_digits and first > last:
        return WholeContent(size)
    if first >= size:
        raise RangeNotSatisfiable(size_bytes=size)
    return RangePart(first, min(last, size - 1), size)


def not_modified(if_none_match: str | None, *, etag: str) -> bool:
    """True if a GET is answered with 304. A malformed If-None-Match is ignored."""
    if if_none_match is None:
        return False
    try:
        return weak_match(if_none_match, etag)
    except MalformedRequest:
        return False
