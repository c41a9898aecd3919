"""Range, If-Range and If-None-Match, held against a second, slower reading of RFC 9110."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.refusals import RangeNotSatisfiable
from web.ranges import RangePart, WholeContent, not_modified, parse_range

ETAG = '"7"'


def reference(header: str, size: int) -> range | str:
    """The bytes to send by the letter of RFC 9110, section 14: by listing candidates, not by arithmetic."""
    unit, equals, spec = header.partition("=")
    spec = spec.strip(" \t")
    if not equals or unit.lower() != "bytes" or not re.fullmatch(r"[0-9]*-[0-9]*", spec) or spec == "-" or size == 0:
        return range(size)
    first, _, last = spec.partition("-")
    if first and last and int(first) > int(last):
        return range(size)
    if first:
        chosen = [at for at in range(size) if at >= int(first) and (not last or at <= int(last))]
    else:
        chosen = [at for at in range(size) if size - at <= int(last)]
    return range(chosen[0], chosen[-1] + 1) if chosen else "unsatisfiable"


numbers = st.one_of(st.just(""), st.integers(0, 40).map(str), st.integers(0, 40).map(lambda n: f"00{n}"))
headers = st.one_of(
    st.builds(lambda unit, a, b: f"{unit}={a}-{b}", st.sampled_from(["bytes", "Bytes", "items", ""]), numbers, numbers),
    st.text("bytes=-0123456789, ", max_size=20),
)


@given(headers, st.integers(0, 30))
@example("bytes=-0", 10)
@example("bytes=9-", 10)
@example("bytes=10-", 10)
@example("bytes= 0-3 ", 10)
@example("bytes=0-0,-1", 10)
def test_one_range_gives_the_bytes_that_the_rfc_names(header: str, size: int) -> None:
    expected = reference(header, size)
    if expected == "unsatisfiable":
        with pytest.raises(RangeNotSatisfiable) as refusal:
            parse_range(header, None, etag=ETAG, size=size)
        assert refusal.value.values == {"size_bytes": size}
        return
    found = parse_range(header, None, etag=ETAG, size=size)
    first, last = (0, size - 1) if isinstance(found, WholeContent) else (found.first, found.last)
    assert range(first, last + 1) == expected


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=0-0, -1", "bytes=,0-1"])
def test_several_ranges_are_answered_with_the_whole(header: str) -> None:
    assert parse_range(header, None, etag=ETAG, size=10) == WholeContent(10)


def test_a_header_of_endless_digits_is_ignored_and_not_computed() -> None:
    assert parse_range("bytes=0-" + "9" * 10_000, None, etag=ETAG, size=10) == WholeContent(10)


def test_no_range_and_empty_content_give_the_whole() -> None:
    assert parse_range(None, None, etag=ETAG, size=10) == WholeContent(10)
    assert parse_range("bytes=0-", None, etag=ETAG, size=0) == WholeContent(0)


@pytest.mark.parametrize(
    ("if_range", "partial"),
    [
        ('"7"', True),
        (' "7" ', True),
        ('"6"', False),
        ('W/"7"', False),
        ("Tue, 24 Nov 2026 09:30:11 GMT", False),
        ("", False),
    ],
)
def test_a_stale_or_weak_if_range_gives_the_whole(if_range: str, partial: bool) -> None:
    assert isinstance(parse_range("bytes=0-1", if_range, etag=ETAG, size=10), RangePart) is partial
    assert isinstance(parse_range("bytes=99-", '"6"', etag=ETAG, size=10), WholeContent)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False), ("*", True), ('"7"', True), ('W/"7"', True), ('"6", W/"7"', True), ('"6" , "8"', False),
        ('"6"', False), ("7", False), ('"7', False), ("", False), ('"a,b","7"', True), ('"6""7"', False),
    ],
)  # fmt: skip
def test_if_none_match_compares_weakly_and_ignores_what_is_malformed(header: str | None, expected: bool) -> None:
    assert not_modified(header, etag=ETAG) is expected
