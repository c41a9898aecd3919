"""The bytes of a document and its page images: whole, in ranges, conditional, proved by digests, never wrong ones."""

import base64
import hashlib
import io
import json
import secrets
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest
from PIL import Image

from tests.builders.events import A_GROUND
from tests.builders.papers import a_caller
from tests.http.desk import a_customer, a_letter, archived, at, corrected, pointers, problem_of, select_file, view
from tests.http.served import Served, wait_until
from tests.paper.files import a_docx, a_film, a_jpeg, a_locked_pdf, saved

CHUNK = 64 * 1024
MIB = 1024 * 1024
SIZE, LARGE = 3 * CHUNK + 1000, 3 * MIB + 77
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
COLOURS = ("red", "lime", "blue")
REPRESENTATION = ("ETag", "Content-Type", "Content-Length", "Content-Range", "Content-Digest", "Repr-Digest",
                  "Content-Disposition", "Accept-Ranges", *SECURITY)  # fmt: skip


class Paper(NamedTuple):
    """An archived file: what was handed in, where it is read."""

    item: dict[str, Any]
    data: bytes
    content: str
    pages: str


def a_long_text(size: int) -> bytes:
    return secrets.token_hex(size // 2 + 1).encode()[: size - 1] + b"\n"


def a_paper(served: Served, data: bytes, *, name: str = "a.txt", customer: str | None = None, **more: Any) -> Paper:
    staff = served.as_("staff")
    item = archived(staff, customer or a_customer(served), data, name=name, **more)
    address = f"/v1/documents/{item['id']}"
    staff.get(address, headers=at(item["position"])).raise_for_status()
    return Paper(item, data, f"{address}/content", f"{address}/pages")


@pytest.fixture(scope="module")
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture(scope="module")
def papers(served: Served) -> dict[int, Paper]:
    """A text of four chunks, held in memory when it is sent, and one that is streamed; by size."""
    return {size: a_paper(served, a_long_text(size)) for size in (SIZE, LARGE)}


def digest_of(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def tag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()}"'


def assert_whole(answer: httpx.Response, data: bytes) -> None:
    assert (answer.status_code, len(answer.content)) == (200, len(data))
    assert answer.content == data
    assert "Content-Range" not in answer.headers
    assert int(answer.headers["Content-Length"]) == len(data)
    assert answer.headers["Content-Digest"] == answer.headers["Repr-Digest"] == digest_of(data)
    assert_guarded(answer, data)


def assert_part(answer: httpx.Response, data: bytes, first: int, last: int) -> None:
    part = data[first : last + 1]
    assert (answer.status_code, len(answer.content)) == (206, len(part))
    assert answer.content == part
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    assert int(answer.headers["Content-Length"]) == len(part)
    assert answer.headers["Content-Digest"] == digest_of(part)
    assert answer.headers["Repr-Digest"] == digest_of(data)
    assert_guarded(answer, data)


def assert_guarded(answer: httpx.Response, data: bytes) -> None:
    assert answer.headers["ETag"] == tag_of(data)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "private" in answer.headers["Cache-Control"]


# -- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, MIB - 1, MIB, MIB + 1, 17 * CHUNK, LARGE]
)
def test_content_comes_back_byte_for_byte_whatever_its_size(served: Served, staff: httpx.Client, size: int) -> None:
    paper = a_paper(served, b"x" if size == 1 else a_long_text(size))
    answer = staff.get(paper.content)
    assert_whole(answer, paper.data)
    assert answer.headers["Content-Type"] == "text/plain"
    assert paper.item["sha256"] == hashlib.sha256(paper.data).hexdigest()


def test_many_readers_at_once_get_the_same_bytes(staff: httpx.Client, papers: dict[int, Paper]) -> None:
    paper = papers[LARGE]
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: staff.get(paper.content), range(24)):
            assert answer.content == paper.data


@pytest.mark.parametrize("version", ["1", ""])
def test_a_content_version_can_be_named(staff: httpx.Client, papers: dict[int, Paper], version: str) -> None:
    assert_whole(staff.get(papers[SIZE].content, params={"content_version": version}), papers[SIZE].data)


@pytest.mark.parametrize("version", ["0", "2", "-1", "x", "1.0", "9" * 30])
def test_a_content_version_that_is_none_is_named(staff: httpx.Client, papers: dict[int, Paper], version: str) -> None:
    answer = staff.get(papers[SIZE].content, params={"content_version": version})
    assert pointers(answer) == {"/query/content_version"}


# -- ranges -------------------------------------------------------------------------------------------------------


RANGES = [
    ("bytes=0-0", lambda n: (0, 0)),
    ("bytes=0-", lambda n: (0, n - 1)),
    ("bytes=0-999", lambda n: (0, 999)),
    ("bytes=-1", lambda n: (n - 1, n - 1)),
    ("bytes=-999", lambda n: (n - 999, n - 1)),
    ("bytes=-99999999", lambda n: (0, n - 1)),
    ("bytes=100-", lambda n: (100, n - 1)),
    ("bytes=0-99999999", lambda n: (0, n - 1)),
    (f"bytes={CHUNK - 1}-{CHUNK}", lambda n: (CHUNK - 1, CHUNK)),
    (f"bytes={CHUNK}-{2 * CHUNK - 1}", lambda n: (CHUNK, 2 * CHUNK - 1)),
    (f"bytes={CHUNK - 5}-{2 * CHUNK + 5}", lambda n: (CHUNK - 5, 2 * CHUNK + 5)),
    (f"bytes={3 * CHUNK}-{3 * CHUNK}", lambda n: (3 * CHUNK, 3 * CHUNK)),
    ("BYTES=1-2", lambda n: (1, 2)),
    ("bytes= 1-2", lambda n: (1, 2)),
]
Bounds = Callable[[int], tuple[int, int]]


@pytest.mark.parametrize("size", [SIZE, LARGE])
@pytest.mark.parametrize(("wanted", "bounds"), RANGES)
def test_a_range_is_those_bytes_and_no_other(
    staff: httpx.Client, papers: dict[int, Paper], size: int, wanted: str, bounds: Bounds
) -> None:
    answer = staff.get(papers[size].content, headers={"Range": wanted})
    assert_part(answer, papers[size].data, *bounds(size))


def test_the_last_byte_has_a_range_and_the_next_has_none(staff: httpx.Client, papers: dict[int, Paper]) -> None:
    for size, paper in papers.items():
        last = staff.get(paper.content, headers={"Range": f"bytes={size - 1}-"})
        assert_part(last, paper.data, size - 1, size - 1)
        for beyond in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=99999999-", "bytes=-0"):
            answer = staff.get(paper.content, headers={"Range": beyond})
            assert problem_of(answer, 416) == "range-not-satisfiable"
            assert answer.headers["Content-Range"] == f"bytes */{size}"
            assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    "wanted",
    ["bytes=0-1,5-6", "bytes=0-1, -1", "bytes=5-1", "bytes=", "bytes=-", "bytes", "bytes=a-b", "bytes=1", "lines=0-1",
     "bytes=1-2-3", "bytes=--1", "bytes=" + "1" * 200 + "-"],
)  # fmt: skip
def test_several_ranges_and_what_is_none_count_as_no_range(
    staff: httpx.Client, papers: dict[int, Paper], wanted: str
) -> None:
    assert_whole(staff.get(papers[SIZE].content, headers={"Range": wanted}), papers[SIZE].data)


def test_ranges_one_after_the_other_are_the_whole(staff: httpx.Client, papers: dict[int, Paper]) -> None:
    """As a client does that goes on after a cut."""
    data, step = b"", 50_001
    paper = papers[SIZE]
    while len(data) < SIZE:
        data += staff.get(paper.content, headers={"Range": f"bytes={len(data)}-{len(data) + step}"}).content
    assert data == paper.data


def test_if_range_gives_the_part_only_of_the_same_content(staff: httpx.Client, papers: dict[int, Paper]) -> None:
    paper = papers[SIZE]
    same = staff.get(paper.content, headers={"Range": "bytes=5-9", "If-Range": tag_of(paper.data)})
    assert_part(same, paper.data, 5, 9)
    for other in ('"another"', f"W/{tag_of(paper.data)}", "Tue, 24 Nov 2026 09:30:00 GMT", "x"):
        answer = staff.get(paper.content, headers={"Range": "bytes=5-9", "If-Range": other})
        assert_whole(answer, paper.data)
    assert_whole(staff.get(paper.content, headers={"If-Range": tag_of(paper.data)}), paper.data)


# -- conditions and HEAD --------------------------------------------------------------------------------------------


def test_who_has_the_content_is_told_so(staff: httpx.Client, papers: dict[int, Paper]) -> None:
    for paper in papers.values():
        tag = tag_of(paper.data)
        for have in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            for more in ({}, {"Range": "bytes=0-1"}):
                answer = staff.get(paper.content, headers={"If-None-Match": have, **more})
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["ETag"] == tag
        for other in ('"x"', tag.strip('"'), '"x', f'"{tag_of(b"")}"'):
            assert_whole(staff.get(paper.content, headers={"If-None-Match": other}), paper.data)


@pytest.mark.parametrize("size", [SIZE, LARGE])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-9"}, {"Range": "bytes=99999999-"}, {"If-None-Match": "*"}])
def test_head_has_the_headers_of_get_and_no_body(
    staff: httpx.Client, papers: dict[int, Paper], size: int, headers: dict[str, str]
) -> None:
    got, head = (staff.request(method, papers[size].content, headers=headers) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert {n: head.headers.get(n) for n in REPRESENTATION} == {n: got.headers.get(n) for n in REPRESENTATION}


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["plain letter.txt", "🎉 feest 👩‍👩‍👧.txt", "מכתב.txt", "رسالة.txt", "brief \u202efdp.exe.txt", 'a"b;c\'d.txt',
     "100%41.txt", "x" * 300 + ".txt", "é" * 300 + ".txt", "漢" * 250 + ".txt", "../../etc/passwd.txt", "..",
     "a\tb.txt", "naïve*file.txt"],
)  # fmt: skip
def test_the_name_arrives_whole_at_whoever_saves_the_file(served: Served, staff: httpx.Client, name: str) -> None:
    paper = a_paper(served, a_long_text(200), name=name)
    disposition = staff.get(paper.content).headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    assert name_in(disposition) == paper.item["file_name"]
    assert len(paper.item["file_name"]) <= 255
    assert "/" not in paper.item["file_name"]
    assert "\u202e" not in paper.item["file_name"]


def name_in(disposition: str) -> str:
    """RFC 6266: `filename*` wins over `filename`."""
    kind, *parameters = disposition.split("; ")
    assert kind == "attachment"
    values = dict(parameter.split("=", 1) for parameter in parameters)
    if "filename*" in values:
        charset, _, text = values["filename*"].partition("''")
        assert charset == "UTF-8"
        return unquote(text, errors="strict")
    return values["filename"].strip('"')


def test_no_content_is_ever_html(served: Served, staff: httpx.Client) -> None:
    """What a browser would run is refused; tags in a text stay text, guarded against guessing."""
    page = f"<html><script>alert('{secrets.token_hex(8)}')</script></html>\n".encode()
    assert problem_of(select_file(staff, a_customer(served), page, name="a.txt"), 415) == "file-type-not-allowed"
    text = f"Dear <b>library</b>, {secrets.token_hex(8)}\n".encode()
    answer = staff.get(a_paper(served, text).content)
    assert answer.headers["Content-Type"] == "text/plain"
    assert_whole(answer, text)


# -- page images ----------------------------------------------------------------------------------------------------


def coloured(kind: str, size: tuple[int, int] = (600, 400)) -> bytes:
    """Three pages or frames: red, green, blue."""
    pages = [Image.new("RGB", size, colour) for colour in COLOURS]
    return saved(pages[0], kind, save_all=True, append_images=pages[1:]) + unlike(kind)


def unlike(kind: str) -> bytes:
    """Bytes behind the end that make a file like no other and that its readers pass over."""
    return b"%" + secrets.token_hex(8).encode() + b"\n" if kind == "PDF" else b""


def image_of(answer: httpx.Response) -> Image.Image:
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg"), answer.text[:500]
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    with Image.open(io.BytesIO(answer.content)) as image:
        image.load()
        assert image.format == "JPEG"
        return image.convert("RGB")


def colour_of(image: Image.Image) -> str:
    """The colour in the middle, as far as JPEG kept it."""
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return COLOURS[max(range(3), key=lambda band: pixel[band])]


@pytest.mark.parametrize(("kind", "name"), [("TIFF", "a.tif"), ("PDF", "a.pdf")])
def test_each_page_has_its_own_image(served: Served, staff: httpx.Client, kind: str, name: str) -> None:
    paper = a_paper(served, coloured(kind), name=name)
    assert (paper.item["pages"], paper.item["preview"]) == (3, True)
    images = [image_of(staff.get(f"{paper.pages}/{page}")) for page in (1, 2, 3)]
    assert [colour_of(image) for image in images] == list(COLOURS)
    assert staff.head(f"{paper.pages}/1").status_code == 200
    for page in ("0", "4", "-1", "x", "1.0", "1000001", "9" * 30, "٣", "+1"):
        assert problem_of(staff.get(f"{paper.pages}/{page}"), 404) == "not-found"


def test_a_picture_has_one_page(served: Served, staff: httpx.Client) -> None:
    paper = a_paper(served, a_jpeg((300, 200), comment=secrets.token_bytes(8)), name="a.jpg")
    assert image_of(staff.get(f"{paper.pages}/1")).size == (300, 200)
    assert problem_of(staff.get(f"{paper.pages}/2"), 404) == "not-found"


def test_a_page_image_holds_nothing_of_the_originals_bytes(served: Served, staff: httpx.Client) -> None:
    canary = secrets.token_hex(16).encode()
    paper = a_paper(served, a_jpeg((300, 200), comment=canary), name="a.jpg")
    assert canary in staff.get(paper.content).content
    assert canary not in staff.get(f"{paper.pages}/1").content


@pytest.mark.parametrize(("width", "expected"), [("16", 16), ("17", 17), ("500", 500), ("2400", 2400), ("", 1000)])
def test_a_page_is_drawn_as_wide_as_asked(served: Served, staff: httpx.Client, width: str, expected: int) -> None:
    paper = a_paper(served, a_letter(), name="a.pdf")
    assert image_of(staff.get(f"{paper.pages}/1", params={"width": width})).width == expected


@pytest.mark.parametrize("width", ["15", "2401", "0", "-1", "x", "1e3", "9" * 30])
def test_a_width_that_is_none_is_named(served: Served, staff: httpx.Client, width: str) -> None:
    paper = a_paper(served, a_letter(), name="a.pdf")
    assert pointers(staff.get(f"{paper.pages}/1", params={"width": width})) == {"/query/width"}


def test_a_small_picture_is_not_blown_up(served: Served, staff: httpx.Client) -> None:
    paper = a_paper(
        served, a_film("GIF", size=(20 + secrets.randbelow(200), 16 + secrets.randbelow(200))), name="a.gif"
    )
    assert image_of(staff.get(f"{paper.pages}/1", params={"width": "2400"})).width < 230
    assert image_of(staff.get(f"{paper.pages}/1", params={"width": "16"})).width == 16


@pytest.mark.parametrize(
    ("make", "name"),
    [(lambda: a_long_text(100), "a.txt"), (lambda: a_docx(more={secrets.token_hex(4): b""}), "a.docx"),
     (lambda: a_locked_pdf(user=secrets.token_hex(4)), "a.pdf")],
)  # fmt: skip
def test_what_has_no_preview_has_no_page_and_is_read_all_the_same(
    served: Served, staff: httpx.Client, make: Callable[[], bytes], name: str
) -> None:
    paper = a_paper(served, make(), name=name)
    assert paper.item["preview"] is False
    assert problem_of(staff.get(f"{paper.pages}/1"), 404) == "not-found"
    assert staff.get(paper.content).content == paper.data


# -- withdrawn, damaged, gone ---------------------------------------------------------------------------------------


def test_what_was_destroyed_is_gone_for_whoever_may_see_its_tombstone(served: Served, staff: httpx.Client) -> None:
    paper = a_paper(served, saved(Image.new("RGB", (60, 40)), "PDF"), name="letter.pdf", note="about the card")
    with served.archive() as archive:
        archive.destroying.destroy_paper(UUID(paper.item["id"]), A_GROUND, a_caller())
    position = at(served.last_position())
    tombstone = staff.get(f"/v1/documents/{paper.item['id']}", headers=position).json()
    assert (tombstone["status"], tombstone["file_name"], tombstone["note"], tombstone["sha256"]) == (
        "destroyed", None, None, None,
    )  # fmt: skip
    for address in (paper.content, f"{paper.content}?content_version=1", f"{paper.pages}/1"):
        assert problem_of(staff.get(address), 410) == "paper-destroyed"
        assert served.as_("staff", without=["ordinary"]).get(address).status_code == 404
    found = staff.get(f"/v1/documents/{paper.item['id']}/history").json()["items"]
    assert [one["action"] for one in found] == ["content-destroyed", "document-archived"]
    assert "about the card" not in staff.get(f"/v1/documents/{paper.item['id']}/history").text


def test_what_was_withdrawn_is_read_by_the_desk_alone(served: Served, staff: httpx.Client) -> None:
    viewer, paper = served.as_("viewer"), a_paper(served, a_letter(), name="a.pdf")
    assert viewer.get(paper.content).content == paper.data
    withdrawn = corrected(staff, paper.item, "withdraw")
    for address in (paper.content, f"{paper.pages}/1"):
        assert staff.get(address, headers=at(withdrawn["position"])).status_code == 200
        assert problem_of(viewer.get(address), 404) == "not-found"
    restored = corrected(staff, withdrawn, "restore")
    assert viewer.get(paper.content, headers=at(restored["position"])).content == paper.data


@contextmanager
def damaged(served: Served, paper: Paper, damage: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """The content file as it is after the damage (None: removed); whole again afterwards."""
    path = file_of(served, paper)
    whole = path.read_bytes()
    broken = damage(whole)
    path.unlink()
    if broken is not None:
        path.write_bytes(broken)
    try:
        yield
    finally:
        path.write_bytes(whole)


def file_of(served: Served, paper: Paper) -> Path:
    found = served.sql("select content_id::text from views.customer_documents where id = %s", [paper.item["id"]])
    name = str(found[0][0])
    return served.settings.content_directory / name[-2:] / name


def flipped(place: int) -> Callable[[bytes], bytes]:
    """One bit of the byte there (from the end when negative) is another."""

    def damage(whole: bytes) -> bytes:
        at_ = place % len(whole)
        return whole[:at_] + bytes([whole[at_] ^ 1]) + whole[at_ + 1 :]

    return damage


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "another format": flipped(0),
    "a flipped bit of the nonce": flipped(6),
    "a flipped bit of the first byte": flipped(12),
    "a flipped bit in the last tag": flipped(-1),
    "cut by a byte": lambda whole: whole[:-1],
    "cut at the end of a chunk": lambda whole: whole[: 12 + 2 * (CHUNK + 16)],
    "two chunks in the other's place": lambda whole: (
        whole[:12] + whole[12 + CHUNK + 16 : 12 + 2 * (CHUNK + 16)] + whole[12 : 12 + CHUNK + 16]
        + whole[12 + 2 * (CHUNK + 16) :]
    ),
    "empty": lambda whole: b"",
    "other bytes of that length": lambda whole: secrets.token_bytes(len(whole)),
    "removed": lambda whole: None,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_content_is_a_clean_refusal_that_the_operator_hears_of(
    served: Served, staff: httpx.Client, papers: dict[int, Paper], damage: str
) -> None:
    paper = papers[SIZE]
    with damaged(served, paper, DAMAGES[damage]):
        answer = staff.get(paper.content)
        assert problem_of(answer, 500) == "internal-error"
        assert not {"ETag", "Content-Digest", "Repr-Digest", "Content-Disposition"} & set(answer.headers)
        assert failures(served, answer.json()["trace_id"]) != []
    assert_whole(staff.get(paper.content), paper.data)


def failures(served: Served, trace_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in served.said().splitlines() if trace_id in line]
    return [line for line in lines if line.get("level") == "error"]


def test_the_content_of_another_paper_in_its_place_is_not_taken_for_it(
    served: Served, staff: httpx.Client, papers: dict[int, Paper]
) -> None:
    other = a_paper(served, a_long_text(SIZE))
    with damaged(served, papers[SIZE], lambda whole: file_of(served, other).read_bytes()):
        assert problem_of(staff.get(papers[SIZE].content), 500) == "internal-error"


def test_of_a_damaged_content_only_the_sound_chunks_are_read(
    served: Served, staff: httpx.Client, papers: dict[int, Paper]
) -> None:
    paper = papers[SIZE]
    with damaged(served, paper, flipped(12 + CHUNK + 16 + 5)):
        assert_part(staff.get(paper.content, headers={"Range": "bytes=0-99"}), paper.data, 0, 99)
        touched = staff.get(paper.content, headers={"Range": f"bytes={CHUNK - 1}-{CHUNK}"})
        assert problem_of(touched, 500) == "internal-error"


def test_a_page_of_a_damaged_content_is_refused(served: Served, staff: httpx.Client) -> None:
    paper = a_paper(served, a_letter(), name="a.pdf")
    with damaged(served, paper, flipped(40)):
        assert problem_of(staff.get(f"{paper.pages}/1"), 500) == "internal-error"
    assert image_of(staff.get(f"{paper.pages}/1")).width == 1000


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-"}, {"Range": f"bytes=-{LARGE}"}])
def test_damage_far_into_a_stream_ends_it_short_with_no_wrong_byte(
    served: Served, staff: httpx.Client, papers: dict[int, Paper], headers: dict[str, str]
) -> None:
    """The status is out by then: the connection is cut, so nobody takes the part for the whole. The digest of the whole
    is known, so it is not read through for that, by whatever range it is asked for."""
    paper = papers[LARGE]
    with damaged(served, paper, flipped(-1)), staff.stream("GET", paper.content, headers=headers) as answer:
        assert int(answer.headers["Content-Length"]) == LARGE
        pieces = answer.iter_raw()
        received = b"".join(until_cut(pieces))
    assert 0 < len(received) < LARGE
    assert paper.data.startswith(received)
    with damaged(served, paper, flipped(-1)):
        answer = staff.get(paper.content, headers={"Range": "bytes=10-"})
        assert problem_of(answer, 500) == "internal-error", "a part is read through before it is promised"
    assert_whole(staff.get(paper.content), paper.data)


def until_cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What arrives until the connection is cut, which it has to be."""
    while True:
        try:
            yield next(pieces)
        except httpx.RemoteProtocolError:
            return


# -- clients that leave -----------------------------------------------------------------------------------------------


LEAVING = 20


def test_clients_that_leave_in_mid_download_leave_nothing_behind(served: Served, staff: httpx.Client) -> None:
    """Each is stuck in its download when it leaves: more than the sockets hold is still to come. Their files stayed
    open until the collector came by."""
    paper = a_paper(served, a_long_text(20 * MIB))
    assert contents_open(served) == 0
    with ExitStack() as stack:
        for _ in range(LEAVING):
            stack.enter_context(begun_download(served, staff, paper))
        wait_until(lambda: contents_open(served) == LEAVING, 20, "a download is not under way")
    wait_until(lambda: contents_open(served) == 0, 20, "a content file stays open")
    assert staff.get(paper.content).content == paper.data
    assert staff.get("/readyz").status_code == 200


def begun_download(served: Served, staff: httpx.Client, paper: Paper) -> socket.socket:
    connection = socket.create_connection((served.settings.host, served.settings.port))
    request = (
        f"GET {paper.content} HTTP/1.1\r\nHost: {served.settings.host}\r\n"
        f"Authorization: {staff.headers['Authorization']}\r\n\r\n"
    )
    connection.sendall(request.encode())
    assert connection.recv(20).startswith(b"HTTP/1.1 200")
    return connection


def contents_open(served: Served) -> int:
    """How many content files the archive's processes hold open."""
    content = str(served.settings.content_directory)
    return sum(target.startswith(content) for pid in served.processes() for target in targets_of(pid))


def targets_of(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            found.append(str(entry.readlink()))
        except OSError:  # closed meanwhile
            continue
    return found


def test_content_is_of_documents_only(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    saved = archived(staff, customer, type="READING_DISABILITY")
    (row,) = view(staff, customer, saved["position"])
    assert problem_of(staff.get(f"/v1/documents/{row['id']}/content"), 404) == "not-found"
    assert staff.get(f"/v1/documents/{row['evidence']}/content").status_code == 200
