"""Forms cut into parts: however the bytes arrive, and as Falcon's own reader cuts them."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest
from falcon.asgi.multipart import MultipartForm
from falcon.asgi.stream import BoundedStream
from falcon.media.multipart import MultipartParseOptions
from hypothesis import example, given
from hypothesis import strategies as st

from domain.refusals import MalformedRequest, UnsupportedMediaType
from web.multipart import PART_HEADER_BYTES_MAX, Part, Splitter, boundary_of

BOUNDARY = b"-x-"
Piece = tuple[str, str | None, bytes]

# Bytes that look like the beginning of a delimiter are the hard ones.
contents = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n---x", b"x", b"a" * 50, b"\0"]), max_size=12
).map(b"".join)
texts = st.text("abcäß日 ;=._'", min_size=1, max_size=12)
pieces = st.tuples(
    texts, st.none() | texts, contents.filter(lambda c: b"\r\n--" + BOUNDARY not in b"\r\n" + c + b"\r\n")
)
forms = st.lists(pieces, min_size=1, max_size=5)


def written(form: Iterable[Piece], *, boundary: bytes = BOUNDARY) -> bytes:
    body = b""
    for name, file_name, content in form:
        told = f'form-data; name="{name}"' + ("" if file_name is None else f'; filename="{file_name}"')
        body += b"--" + boundary + b"\r\nContent-Disposition: " + told.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + b"--" + boundary + b"--\r\n"


def cut(data: Iterable[bytes]) -> tuple[list[Piece], bool]:
    splitter, parts = Splitter(BOUNDARY), list[Piece]()
    for piece in data:
        for event in splitter.feed(piece):
            if isinstance(event, Part):
                parts.append((event.name, event.file_name, b""))
            else:
                parts[-1] = (*parts[-1][:2], parts[-1][2] + event)
    return parts, is_whole(splitter)


def is_whole(splitter: Splitter) -> bool:
    try:
        splitter.finish()
    except MalformedRequest:
        return False
    return True


def part_with(disposition: bytes) -> tuple[str, str | None]:
    [(name, file_name, _)] = cut([b"---x-\r\nContent-Disposition: " + disposition + b"\r\n\r\n\r\n---x---"])[0]
    return name, file_name


def split_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[first:last] for first, last in pairwise(ends)]


async def cut_by_falcon(data: bytes) -> list[Piece]:
    async def never() -> dict[str, object]:
        raise AssertionError("all of it was given at once")

    stream = BoundedStream(never, {"type": "http.request", "body": data, "more_body": False}, len(data))
    form = MultipartForm(stream, BOUNDARY, len(data), MultipartParseOptions())
    return [(part.name or "", part.filename, await part.stream.read()) async for part in form]


@given(forms, st.lists(st.integers(0, 10_000), max_size=8))
@example([("a", None, b""), ("b", "f", b"\r\n--" + BOUNDARY[:-1])], [3, 4, 5])
def test_a_form_is_cut_the_same_however_its_bytes_arrive(form: list[Piece], places: list[int]) -> None:
    data = written(form)
    assert cut(split_at(data, places)) == (form, True)


@given(forms)
def test_byte_by_byte_is_the_same_as_all_at_once(form: list[Piece]) -> None:
    data = written(form)
    assert cut(data[i : i + 1] for i in range(len(data))) == cut([data]) == (form, True)


@given(forms)
def test_falcons_reader_sees_the_same_parts(form: list[Piece]) -> None:
    data = written(form)
    assert asyncio.run(cut_by_falcon(data)) == cut([data])[0]


@given(forms, st.integers(0, 10_000))
def test_a_form_cut_short_anywhere_is_never_complete(form: list[Piece], place: int) -> None:
    data = written(form).removesuffix(b"--\r\n")
    assert not cut([data[: place % (len(data) + 1)]])[1]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_any_bytes_are_taken_or_refused_and_nothing_else(data: bytes, places: list[int]) -> None:
    try:
        parts, closed = cut(split_at(b"--" + BOUNDARY + data, places))
    except MalformedRequest:
        return
    assert all(len(content) <= len(data) for _, _, content in parts)
    assert closed in (True, False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"---x-junk\r\n\r\n", "boundary"),
        (b"---x-" + b" " * 300, "boundary"),
        (b"junk ---x-\r\n", "boundary"),
        (b"---x-\n\r\n", "boundary"),
        (b"---x-\r\nContent-Type: a/b\r\n\r\n", "part header"),
        (b'---x-\r\nContent-Disposition: attachment; name="a"\r\n\r\n', "part header"),
        (b"---x-\r\nContent-Disposition: form-data\r\n\r\n", "without a name"),
        (b"---x-\r\nno colon\r\n\r\n", "part header"),
        (b'---x-\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: 1\r\n\r\nab\r\n---x---', "part header"),
        (
            b'---x-\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
            "transfer enc",
        ),
        (b"---x-\r\nA: " + b"b" * PART_HEADER_BYTES_MAX, "too many headers"),
        (b"---x-\r\n" + b"A: b\r\n" * 9, "too many headers"),
    ],
)
def test_what_is_no_form_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest) as refusal:
        cut([data])
    assert reason in refusal.value.values["reason"]


def test_what_stands_before_the_first_and_after_the_last_boundary_is_dropped() -> None:
    data = b"preamble\r\n" + written([("a", None, b"1")]) + b"epilogue\r\n---x-\r\nmore"
    assert cut([data]) == ([("a", None, b"1")], True)


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ('form-data; name="file"; filename="a.pdf"', ("file", "a.pdf")),
        ("form-data;name=file;filename=a.pdf", ("file", "a.pdf")),
        ('FORM-DATA; NAME="f"; FileName="é.pdf"', ("f", "é.pdf")),
        ('form-data; name="f"; filename="a%22b.pdf"', ("f", 'a"b.pdf')),
        (r'form-data; name="f"; filename="a\"b\\c.pdf"', ("f", 'a"b\\c.pdf')),
        (r'form-data; name="f"; filename="C:\temp\new.pdf"', ("f", r"C:\temp\new.pdf")),
        ("form-data; name=f; filename=\"x.pdf\"; filename*=UTF-8''%e2%82%ac.pdf", ("f", "€.pdf")),
        ("form-data; name=f; filename*=iso-8859-1'en'%e9.pdf", ("f", "é.pdf")),
        ("form-data; name=f; filename=\"x.pdf\"; filename*=UTF-8''%ff", ("f", "x.pdf")),
        ("form-data; name=f; filename=\"x.pdf\"; filename*=koi8-r''%ff", ("f", "x.pdf")),
        ('form-data; name="f"; filename=""', ("f", "")),
        ('form-data; name="a"; name="b"', ("a", None)),
    ],
)
def test_names_of_fields_and_files_are_read_as_clients_write_them(disposition: str, expected: tuple[str, str]) -> None:
    assert part_with(disposition.encode()) == expected


def test_a_file_name_that_is_not_utf_8_is_read_as_latin_1() -> None:
    assert part_with(b'form-data; name="f"; filename="\xe9.pdf"') == ("f", "é.pdf")


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; BOUNDARY="a b:c"', b"a b:c"),
        ("multipart/form-data;boundary=" + "x" * 70, b"x" * 70),
    ],
)
def test_the_boundary_is_found(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "rest", ["", "; boundary=", '; boundary=""', "; boundary=" + "x" * 71, '; boundary="a "', "; boundary=é"]
)
def test_a_form_without_a_usable_boundary_is_refused(rest: str) -> None:
    with pytest.raises(MalformedRequest):
        boundary_of("multipart/form-data" + rest)


@pytest.mark.parametrize(
    "content_type", [None, "", "application/json", "multipart/mixed; boundary=a", "multipart/form-datax"]
)
def test_another_media_type_is_no_form(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        boundary_of(content_type)
