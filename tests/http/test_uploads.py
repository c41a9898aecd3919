"""Forms received whole: fields and file, limits on both sides, names made safe, nothing left open or on disk."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.file_name import UNNAMED, displayable
from domain.limits import Limits
from domain.refusals import (
    ContentTooLarge,
    InsufficientStorage,
    LengthRequired,
    MalformedRequest,
    Refusal,
    UnsupportedMediaType,
    ValidationFailed,
)
from web import uploads
from web.uploads import FIELD_BYTES_MAX, PIECE_BYTES, UploadForm, receive_form

FIELDS = frozenset({"customer", "note", "type"})
LIMITS = Limits(upload_bytes_max=3_000_000, disk_free_bytes_min=0)


class Sent:
    """A request as receive_form reads it; `pieces` is how its body arrives."""

    def __init__(self, pieces: Iterable[bytes], content_type: str | None, length: int | None) -> None:
        self.pieces, self.content_type, self.content_length = list(pieces), content_type, length
        self.stream = self.arriving()

    async def arriving(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(0)
            yield piece


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    told = f'form-data; name="{name}"' + ("" if file_name is None else f'; filename="{file_name}"')
    return b"--b\r\nContent-Disposition: " + told.encode() + b"\r\n\r\n" + content + b"\r\n"


def sent(*parts: bytes, end: bytes = b"--b--\r\n", piece: int = 65536) -> Sent:
    body = b"".join(parts) + end
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    return Sent(pieces, "multipart/form-data; boundary=b", len(body))


class Taken(msgspec.Struct):
    fields: dict[str, str]
    name: str | None = None
    size: int | None = None
    sha256: bytes | None = None
    content: bytes | None = None


def receive(request: Sent, tmp: Path, limits: Limits = LIMITS) -> Taken:
    async def run() -> Taken:
        async with receive_form(request, fields=FIELDS, limits=limits, tmp=tmp) as form:
            return taken(form)

    before = open_descriptors()
    try:
        return asyncio.run(run())
    finally:
        assert open_descriptors() == before
        assert list(tmp.iterdir()) == []


def taken(form: UploadForm) -> Taken:
    if form.file is None:
        return Taken(form.fields)
    content = form.file.file.read()
    assert os.fstat(form.file.fd).st_nlink == 0, "the file has a name on disk"
    return Taken(form.fields, form.file.name, form.file.size, form.file.sha256, content)


def open_descriptors() -> set[str]:
    return {str(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


@pytest.mark.parametrize("size", [0, 1, 20_000, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3_000_000])
@pytest.mark.parametrize("file_first", [True, False])
def test_fields_and_file_are_received_in_any_order_and_size(tmp_path: Path, size: int, file_first: bool) -> None:
    content = os.urandom(size)
    fields = part("customer", b"100234") + part("note", "Zoë\r\n2".encode())
    file = part("file", content, "letter.pdf")
    form = receive(sent(file + fields if file_first else fields + file), tmp_path)
    digest = hashlib.sha256(content).digest()
    assert form == Taken({"customer": "100234", "note": "Zoë\r\n2"}, "letter.pdf", size, digest, content)


@given(st.binary(max_size=400), st.integers(1, 50))
def test_the_bytes_stored_are_the_bytes_sent_however_they_arrive(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, piece: int
) -> None:
    if b"\r\n--b" in b"\r\n" + content + b"\r\n":
        return
    form = receive(sent(part("file", content, "a"), piece=piece), tmp_path_factory.mktemp("form"))
    assert (form.content, form.sha256) == (content, hashlib.sha256(content).digest())


def test_a_form_with_no_file_chosen_has_none(tmp_path: Path) -> None:
    assert receive(sent(part("customer", b"1"), part("file", b"", "")), tmp_path).name is None
    assert receive(sent(part("customer", b"1")), tmp_path) == Taken({"customer": "1"})


@pytest.mark.parametrize(
    ("parts", "pointer", "detail"),
    [
        ([part("colour", b"red")], "/form/colour", "is not a field of this form"),
        ([part("a/b~c", b"")], "/form/a~1b~0c", "is not a field of this form"),
        ([part("note", b"1"), part("note", b"2")], "/form/note", "was sent more than once"),
        ([part("file", b"1", "a"), part("file", b"2", "b")], "/form/file", "was sent more than once"),
        ([part("note", b"\xff")], "/form/note", "must be UTF-8"),
        ([part("note", b"a\0b")], "/form/note", "must not contain control characters"),
        ([part("note", b"x" * (FIELD_BYTES_MAX + 1))], "/form/note", "is too long"),
        ([part("file", b"1")], "/form/file", "must be sent as a file, with a file name"),
        ([part("file", b"1", "")], "/form/file", "must be sent as a file, with a file name"),
        ([part("file", b"1", "x" * 4097)], "/form/file", "has a name that is too long"),
    ],
)
def test_a_wrong_part_is_refused_by_its_name(tmp_path: Path, parts: list[bytes], pointer: str, detail: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        receive(sent(part("file", b"first", "a.pdf") if "file" not in pointer else b"", *parts), tmp_path)
    assert [(error.field, error.detail) for error in refusal.value.errors] == [(pointer, detail)]


def test_the_longest_field_and_the_largest_file_are_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    limits = Limits(upload_bytes_max=5_000, disk_free_bytes_min=0)
    note, file = b"x" * FIELD_BYTES_MAX, b"y" * 5_000
    assert receive(sent(part("note", note), part("file", file, "a")), tmp_path, limits).size == 5_000
    with pytest.raises(ContentTooLarge) as refusal:
        receive(sent(part("file", file + b"y", "a")), tmp_path, limits)
    assert refusal.value.values == {"limit_bytes": 5_000}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Sent([], "multipart/form-data; boundary=b", None), LengthRequired),
        (Sent([b"{}"], "application/json", 2), UnsupportedMediaType),
        (Sent([], "multipart/form-data", 0), MalformedRequest),
        (sent(end=b""), MalformedRequest),
        (sent(part("file", b"x" * 2_000_000, "a"), end=b""), MalformedRequest),
        (sent(part("customer", b"1"), end=b"--b"), MalformedRequest),
        (Sent([b"junk"], "multipart/form-data; boundary=b", 4), MalformedRequest),
    ],
)
def test_what_is_not_a_whole_form_is_refused(tmp_path: Path, request_: Sent, expected: type[Refusal]) -> None:
    with pytest.raises(expected):
        receive(request_, tmp_path)


def test_a_disk_near_its_floor_is_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    request = sent(part("file", b"x", "a"))
    with pytest.raises(InsufficientStorage):
        receive(request, tmp_path, Limits(disk_free_bytes_min=1 << 60))

    async def first() -> bytes:
        return await anext(request.stream)

    assert asyncio.run(first()) == request.pieces[0], "something was taken from the stream"


def test_a_disk_full_on_the_way_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full takes no byte, as a full disk; the real write meets it."""

    def on_full_disk(**_: object) -> object:
        return open("/dev/full", "w+b", buffering=0)  # noqa: PTH123  # a device, closed by the form

    monkeypatch.setattr("web.uploads.tempfile.TemporaryFile", on_full_disk)
    for size in (PIECE_BYTES + 1, PIECE_BYTES * 2):
        with pytest.raises(InsufficientStorage) as refusal:
            receive(sent(part("file", b"x" * size, "a")), tmp_path)
        cause = refusal.value.__cause__
        assert isinstance(cause, OSError)
        assert cause.errno == errno.ENOSPC


def test_a_request_given_up_while_it_writes_closes_its_file_after_the_write(tmp_path: Path) -> None:
    """A file closed under a running write might by then be the file of another request."""
    order: list[str] = []

    async def run() -> None:
        writing, released = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        request = sent(part("file", b"x" * PIECE_BYTES * 2, "a"), piece=PIECE_BYTES * 3)

        async def upload() -> None:
            async with receive_form(request, fields=FIELDS, limits=LIMITS, tmp=tmp_path) as form:
                raise AssertionError(form)

        write_all = uploads.write_all

        def slowly(file: object, data: bytes) -> None:
            loop.call_soon_threadsafe(writing.set)
            asyncio.run_coroutine_threadsafe(released.wait(), loop).result(5)
            write_all(file, data)  # type: ignore[arg-type]  # handed through
            order.append("written")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(uploads, "write_all", slowly)
            task = asyncio.create_task(upload())
            await writing.wait()
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done(), "it left while its write was running"
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            order.append("left")

    before = open_descriptors()
    asyncio.run(run())
    assert order == ["written", "left"]
    assert open_descriptors() == before


@given(st.text(st.characters(codec=None), max_size=300))
@example("../../etc/passwd")
@example("C:\\temp\\x.pdf")
@example("\u202efdp.exe")
@example("a\r\nSet-Cookie: x")
@example("CON")
@example(" . ")
def test_a_name_is_safe_to_show_whatever_was_sent(name: str) -> None:
    shown = displayable(name, "/form/file", 255)
    assert 1 <= len(shown) <= 255
    assert not set(shown) & set("/\\\r\n\t\0\x7f\u2028\u2029\u202e\u2066\ufeff\x85")
    assert shown.encode("utf-8")
    assert shown.strip(". ") == shown.strip(". ") != ""
    assert displayable(shown, "/form/file", 255) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("letter.pdf", "letter.pdf"), ("/home/x/letter.pdf", "letter.pdf"), ("C:\\temp\\letter.pdf", "letter.pdf"),
        ("a\u202eb\n.pdf", "ab.pdf"), ("  two   words .pdf ", "two words .pdf"), ("..", UNNAMED), ("a/", UNNAMED),
        ("\u200b", UNNAMED), ("e\u0301.pdf", "é.pdf"), ("x" * 300 + ".pdf", "x" * 251 + ".pdf"), ("x" * 255, "x" * 255),
        ("x" * 300, "x" * 255), ("x." + "y" * 300, "x." + "y" * 253), ("." + "y" * 300, "." + "y" * 254),
        ("نامه\u200cها.pdf", "نامه\u200cها.pdf"),
    ],
)  # fmt: skip
def test_names_are_cleaned_and_cut_with_their_extension_kept(name: str, shown: str) -> None:
    assert displayable(name, "/form/file", 255) == shown
