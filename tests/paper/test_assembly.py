"""The PDF of scanned pages: it has every byte or every pixel of them, stands as they stand, and tells nothing else."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pytest
from PIL import Image, ImageChops

from domain import refusals
from domain.limits import Limits
from paper import assembly, checks, messages, pictures, rendering
from tests.builders.mounts import mounted
from tests.paper import files
from tests.paper.pools import Pool, a_descriptor, a_pool

MIB = 1024 * 1024


def pdf_of(*pages: bytes | tuple[bytes, int]) -> bytes:
    """The PDF of these images, each alone or with the degrees by which it is turned."""
    parts = [page if isinstance(page, tuple) else (page, 0) for page in pages]
    return b"".join(assembly.assemble_pdf(parts, Limits()))


@contextmanager
def image_of(pdf: bytes, page: int = 0) -> Iterator[Any]:
    """The image of a page as the PDF holds it."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        yield document.pages[page].Resources.XObject.Im0


def data_of(pdf: bytes, page: int = 0) -> bytes:
    with image_of(pdf, page) as image:
        data: bytes = image.read_raw_bytes()
        return data


def pixels_of(pdf: bytes, page: int = 0) -> Image.Image:
    """The image of a page, unpacked by another program than the one that packed it."""
    with image_of(pdf, page) as image:
        return pikepdf.PdfImage(image).as_pil_image()


def drawn(pdf: bytes, size: tuple[int, int], page: int = 0) -> Image.Image:
    """What a reader of the PDF sees, in that size."""
    sheet = pypdfium2.PdfDocument(pdf)[page]
    picture: Image.Image = sheet.render(scale=size[0] / sheet.get_width()).to_pil().convert("RGB")
    return picture.resize(size)


def differ(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any pixel."""
    assert one.size == other.size
    return max(ImageChops.difference(one.convert("RGB"), other.convert("RGB")).tobytes())


def a_page(mode: str = "RGB", size: tuple[int, int] = (300, 212)) -> Image.Image:
    """Four colours with grain, so that no pixel can be guessed from another."""
    grain = Image.merge("RGB", [Image.frombytes("L", size, os.urandom(size[0] * size[1]))] * 3)
    return Image.blend(files.a_picture(size), grain, 0.3).convert(mode)


# -- nothing is lost


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"by a scanner", "dpi": (200, 200)}])
def test_a_jpeg_is_in_the_pdf_byte_for_byte(mode: str, options: dict[str, Any]) -> None:
    page = files.saved(a_page(mode), "JPEG", quality=80, **options)
    assert data_of(pdf_of(page)) == page


def test_a_jpeg_with_all_that_a_telephone_adds_is_in_the_pdf_byte_for_byte() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    second = files.saved(a_page("L", (40, 30)), "JPEG")
    page = files.saved(a_page(), "MPO", save_all=True, append_images=[a_page()], exif=exif, quality=80) + second
    assert data_of(pdf_of(page)) == page


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "WEBP"])
def test_every_pixel_of_other_pictures_is_in_the_pdf(kind: str, mode: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    page = files.saved(a_page(mode), kind, **options)
    assert differ(pixels_of(pdf_of(page)), Image.open(io.BytesIO(page))) == 0


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw", "packbits", "tiff_deflate"])
def test_every_pixel_of_a_fax_is_in_the_pdf(compression: str) -> None:
    page = files.saved(a_page("1", (1728, 1145)), "TIFF", compression=compression)
    pdf = pdf_of(page)
    assert differ(pixels_of(pdf), Image.open(io.BytesIO(page))) == 0
    with image_of(pdf) as image:
        assert image.Filter[0] == "/CCITTFaxDecode"


def test_the_pixels_of_a_png_are_not_packed_anew() -> None:
    page = files.saved(a_page(size=(60, 40)), "PNG")
    with image_of(pdf_of(page + b"what comes after the end")) as image:
        assert image.read_raw_bytes() in page
        assert image.DecodeParms.Predictor == 15


def test_the_many_chunks_of_a_png_become_one() -> None:
    page = files.saved(a_page(size=(600, 400)), "PNG")
    assert page.count(b"IDAT") > 1
    assert differ(pixels_of(pdf_of(page)), Image.open(io.BytesIO(page))) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_keeps_them(kind: str) -> None:
    deep = Image.frombytes("I;16", (90, 70), os.urandom(90 * 70 * 2))
    with image_of(pdf_of(files.saved(deep, kind))) as image:
        assert image.BitsPerComponent == 16
        assert image.read_bytes() == deep.tobytes("raw", "I;16B")


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP")])
def test_what_is_transparent_lies_on_white(mode: str, kind: str) -> None:
    clear = Image.new("RGBA", (60, 40), (200, 0, 0, 0))
    clear.paste((0, 0, 200, 255), (0, 0, 30, 40))
    options = {"lossless": True} if kind == "WEBP" else {}
    shown = pixels_of(pdf_of(files.saved(clear.convert(mode), kind, **options))).convert("RGB")
    assert shown.getpixel((50, 20)) == (255, 255, 255)
    assert shown.getpixel((10, 20)) != (255, 255, 255)


def test_an_interlaced_png_keeps_its_pixels() -> None:
    # Pillow writes none; this one is of a single pixel, where all passes but the first are empty.
    page = bytearray(files.saved(Image.new("L", (1, 1), 77), "PNG"))
    page[28] = 1
    page[29:33] = zlib.crc32(page[12:29]).to_bytes(4, "big")
    assert pixels_of(pdf_of(bytes(page))).convert("L").getpixel((0, 0)) == 77


def test_a_picture_larger_than_one_strip_keeps_its_pixels() -> None:
    page = files.saved(a_page("RGB", (1500, 2100)), "WEBP", lossless=True, quality=0, method=0)
    assert differ(pixels_of(pdf_of(page)), Image.open(io.BytesIO(page))) == 0


def test_a_photo_of_a_telephone_is_in_the_pdf_as_it_is_decoded() -> None:
    page = files.a_heic(size=(400, 300))
    whole = pictures.decode_page(page, "image/heic", 1, 400, Limits())
    assert differ(pixels_of(pdf_of(page)), whole.rows(0, whole.height)) == 0


# -- as the page stands


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_page_stands_as_its_image_is_shown(kind: str, orientation: int, degrees: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    page = files.saved(files.a_picture((200, 120)), kind, exif=exif)
    image = rendering.draw_page_image(page, f"image/{kind.lower()}", 1, 200, Limits(), degrees=degrees)
    shown = Image.open(io.BytesIO(image)).convert("RGB")
    seen = drawn(pdf_of((page, degrees)), shown.size)
    for across in (0.25, 0.75):
        for down in (0.25, 0.75):
            place = (int(shown.width * across), int(shown.height * down))
            assert differ(*(picture.crop((*place, place[0] + 1, place[1] + 1)) for picture in (shown, seen))) < 40


def test_turning_changes_no_byte_of_the_image() -> None:
    page = files.a_jpeg((200, 120))
    with pikepdf.open(io.BytesIO(pdf_of(*((page, degrees) for degrees in (0, 90, 180, 270))))) as document:
        assert [int(sheet.obj.get("/Rotate", 0)) for sheet in document.pages] == [0, 90, 180, 270]
        assert {sheet.Resources.XObject.Im0.read_raw_bytes() for sheet in document.pages} == {page}


@pytest.mark.parametrize(
    ("told", "points"),
    [
        ((300, 300), (480, 720)),
        ((200, 200), (720, 1080)),
        ((204, 196), (705.8824, 1102.0408)),
        (None, (480, 720)),
        ((72, 72), (480, 720)),
        ((1, 1), (480, 720)),
        ((20_000, 20_000), (480, 720)),
    ],
    ids=["300 dpi", "200 dpi", "fax", "nothing told", "a camera's 72", "one", "more than any scanner has"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_page_is_as_large_as_its_file_says_or_300_dpi(
    kind: str, told: tuple[int, int] | None, points: tuple[float, float]
) -> None:
    page = files.saved(Image.new("L", (2000, 3000), 200), kind, **({"dpi": told} if told else {}))
    with pikepdf.open(io.BytesIO(pdf_of(page))) as document:
        box = [float(side) for side in document.pages[0].MediaBox]
    assert box == pytest.approx([0, 0, *points], abs=0.2 if kind == "PNG" else 0.001)


def test_no_page_is_larger_than_a_pdf_may_have() -> None:
    with pikepdf.open(io.BytesIO(pdf_of(files.a_blank_png(65_000, 200)))) as document:
        assert [float(side) for side in document.pages[0].MediaBox] == pytest.approx(
            [0, 0, 14_400, 14_400 / 325], abs=0.01
        )


def test_a_colour_profile_goes_along_only_where_it_is_one_of_such_a_picture() -> None:
    def profile(space: bytes) -> bytes:
        return (bytes(16) + space + bytes(16) + b"acsp").ljust(200, b"\0")

    def profiled(mode: str, data: bytes, kind: str) -> str:
        with image_of(pdf_of(files.saved(a_page(mode), kind, icc_profile=data))) as image:
            return str(image.ColorSpace[0] if isinstance(image.ColorSpace, pikepdf.Array) else image.ColorSpace)

    for kind in ("JPEG", "PNG"):
        assert profiled("RGB", profile(b"RGB "), kind) == "/ICCBased"
        assert profiled("L", profile(b"GRAY"), kind) == "/ICCBased"
        assert profiled("L", profile(b"RGB "), kind) == "/DeviceGray"
        assert profiled("RGB", b"no profile at all", kind) == "/DeviceRGB"


# -- the file around the pages


def a_batch() -> list[tuple[bytes, int]]:
    return [
        (files.saved(a_page("L", (310, 440)), "JPEG", quality=75, dpi=(200, 200)), 0),
        (files.saved(a_page("RGB", (440, 310)), "JPEG", quality=75), 90),
        (files.saved(a_page("1", (310, 440)), "TIFF", compression="group4", dpi=(200, 200)), 180),
        (files.saved(a_page("RGB"), "PNG"), 270),
        (files.saved(a_page("RGBA"), "PNG"), 0),
        (files.saved(a_page("RGB"), "WEBP"), 0),
        (files.a_heic(), 0),
    ]


def test_the_pages_stand_in_their_order_in_a_sound_pdf(limits: Limits) -> None:
    pdf = pdf_of(*a_batch())
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert document.check_pdf_syntax() == []
        assert [int(page.obj.get("/Rotate", 0)) for page in document.pages] == [0, 90, 180, 270, 0, 0, 0]
    found = checks.examine(pdf, "scan.pdf", limits)
    assert (found.media_type, found.pages, found.flags) == ("application/pdf", 7, ())


def test_the_same_pages_make_the_same_bytes_that_tell_no_more_than_the_producer() -> None:
    batch = a_batch()
    pdf = pdf_of(*batch)
    assert pdf_of(*batch) == pdf
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert dict(document.docinfo) == {"/Producer": "Dossier"}
        assert "/Metadata" not in document.Root
        assert "/ID" not in document.trailer
    assert not re.search(rb"D:\d{8}", re.sub(rb"stream\n.*?endstream", b"", pdf, flags=re.S))


def test_the_places_of_all_objects_are_right() -> None:
    pdf = pdf_of(*a_batch())
    start = int(pdf.rsplit(b"startxref\n", 1)[1].split()[0])
    table = pdf[start:].split(b"trailer")[0].splitlines()[3:]
    for number, line in enumerate(table, 1):
        at = int(line[:10])
        assert pdf[at:].startswith(b"%d 0 obj\n" % number)


@pytest.mark.parametrize(
    ("page", "refusal"),
    [
        (b"hello", refusals.FileTypeNotAllowed),
        (files.a_pdf(), refusals.FileTypeNotAllowed),
        (files.a_png()[:60], refusals.FileDamaged),
        (files.saved(files.a_picture(), "WEBP")[:-20], refusals.FileDamaged),
        (files.a_blank_png(10_000, 9_000), refusals.FileTooManyPixels),
    ],
)
def test_what_is_no_page_is_refused(page: bytes, refusal: type[refusals.Refusal]) -> None:
    with pytest.raises(refusal):
        pdf_of(files.a_jpeg(), page)


def test_pikepdf_is_not_loaded_for_it_nor_are_gifs_read_otherwise() -> None:
    script = (
        "import sys; from PIL import GifImagePlugin as g; before = g.LOADING_STRATEGY; import paper.assembly;"
        "print('pikepdf' in sys.modules, g.LOADING_STRATEGY == before)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=root)
    assert done.stdout.split() == ["False", "True"]


# -- through the pool


def laid(pages: Sequence[tuple[bytes, int]]) -> tuple[bytes, list[tuple[int, int, int]]]:
    """The images one after the other, and where each is."""
    places, at = [], 0
    for page, degrees in pages:
        places.append((at, len(page), degrees))
        at += len(page)
    return b"".join(page for page, _ in pages), places


def assembled(pool: Pool, pages: Sequence[tuple[bytes, int]], before: bytes = b"") -> bytes:
    together, places = laid(pages)
    with a_descriptor(together) as source, a_descriptor(before) as target:
        asyncio.run(pool.examiner.assemble(source, places, target))
        return os.pread(target, os.fstat(target).st_size, 0)


def test_the_pool_makes_the_same_pdf_in_place_of_what_was_there(pool: Pool) -> None:
    batch = a_batch()
    assert assembled(pool, batch, before=b"x" * MIB) == pdf_of(*batch)


def test_a_page_larger_than_one_piece_comes_through_whole(pool: Pool) -> None:
    page = files.saved(a_page("RGB", (2400, 1700)), "JPEG", quality=100)
    assert len(page) > 4 * MIB
    assert data_of(assembled(pool, [(page, 0)])) == page


def test_a_refusal_comes_through_also_when_pages_came_before_it(pool: Pool) -> None:
    with pytest.raises(refusals.FileTypeNotAllowed, match="text/plain"):
        assembled(pool, [*a_batch(), (b"hello", 0)])
    with pytest.raises(refusals.FileTooManyPixels):
        assembled(pool, [(files.a_jpeg(), 0), (files.a_blank_png(10_000, 9_000), 0)])
    assert assembled(pool, [(files.a_jpeg(), 0)])


def test_pages_beyond_the_end_of_the_file_are_damaged(pool: Pool) -> None:
    page = files.a_jpeg()
    with a_descriptor(page) as source, a_descriptor(b"") as target, pytest.raises(refusals.FileDamaged):
        asyncio.run(pool.examiner.assemble(source, [(0, len(page), 0), (len(page) - 5, 10, 0)], target))


def test_the_number_of_pages_is_limited_on_both_sides(pool: Pool) -> None:
    page = files.a_jpeg()
    most = [(0, len(page), 270)] * messages.PARTS_MAX
    with a_descriptor(page) as source, a_descriptor(b"") as target:
        asyncio.run(pool.examiner.assemble(source, most, target))
        assert len(pypdfium2.PdfDocument(os.pread(target, os.fstat(target).st_size, 0))) == messages.PARTS_MAX
        with pytest.raises(refusals.FileTooManyPixels):
            asyncio.run(pool.examiner.assemble(source, [*most, most[0]], target))
        with pytest.raises(refusals.FileEmpty):
            asyncio.run(pool.examiner.assemble(source, [], target))


def test_the_largest_request_fits() -> None:
    part = messages.ImagePart(2**63, 2**32 - 1, 270)
    request = messages.encode_request(messages.Assemble(parts=(part,) * messages.PARTS_MAX), asker=bytes(8))
    assert len(request) <= messages.REQUEST_BYTES_MAX


def test_a_child_that_is_killed_in_the_middle_costs_only_time(tmp_path: Path) -> None:
    batch = [(files.saved(a_page("RGB", (1200, 900)), "WEBP", lossless=True, method=0, quality=0), 0)] * 6
    together, places = laid(batch)

    async def kill_one(pool: Pool, source: int, target: int) -> None:
        question = asyncio.create_task(pool.examiner.assemble(source, places, target))
        while os.fstat(target).st_size < MIB:
            await asyncio.sleep(0.001)
        for child in pool.children():
            os.kill(child, signal.SIGKILL)
        await question

    with a_pool(tmp_path, children=1) as pool, a_descriptor(together) as source, a_descriptor(b"") as target:
        asyncio.run(kill_one(pool, source, target))
        assert os.pread(target, os.fstat(target).st_size, 0) == pdf_of(*batch)


def test_a_question_that_is_cancelled_ends_after_its_write(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller closes the target then: a late write would go into whatever file has its number next."""
    held, let_go, write = threading.Event(), threading.Event(), os.pwrite

    def write_late(file: int, data: bytes, at: int) -> int:
        held.set()
        assert let_go.wait(10)
        return write(file, data, at)

    async def leave(source: int, size: int, target: int) -> None:
        question = asyncio.create_task(pool.examiner.assemble(source, [(0, size, 0)], target))
        await asyncio.to_thread(held.wait, 10)
        for _ in range(2):
            question.cancel()
            await asyncio.sleep(0.02)
            assert not question.done()
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await question

    monkeypatch.setattr(os, "pwrite", write_late)
    page = files.a_jpeg()
    with a_descriptor(page) as source, a_descriptor(b"") as target:
        asyncio.run(leave(source, len(page), target))
        assert os.fstat(target).st_size > 0, "what was begun is written"


def seconds_of(step: Callable[[], object]) -> float:
    begun = time.monotonic()
    step()
    return time.monotonic() - begun


def test_each_page_has_the_time_of_a_request(tmp_path: Path) -> None:
    slow = (files.saved(a_page("RGB", (1500, 1100)), "WEBP", lossless=True, method=0, quality=0), 0)
    seconds = 4 * max(seconds_of(lambda: pdf_of(slow)) for _ in range(3))
    with a_pool(tmp_path, children=1, decode_seconds_max=seconds) as pool:
        assert len(pypdfium2.PdfDocument(assembled(pool, [slow] * 6))) == 6


def test_a_page_that_takes_longer_than_a_request_may_is_refused(tmp_path: Path) -> None:
    ended = (refusals.FileTooManyPixels, refusals.Unavailable)
    with a_pool(tmp_path, children=1, decode_seconds_max=0.001) as pool, pytest.raises(ended):
        assembled(pool, [(files.a_slow_tiff(1), 0)])


def test_a_full_disk_is_told(pool: Pool, tmp_path: Path) -> None:
    page = files.saved(a_page("RGB", (1200, 900)), "JPEG", quality=100)
    with (
        mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=256k", "none") as folder,
        (folder / "target").open("wb") as target,
        a_descriptor(page) as source,
        pytest.raises(refusals.InsufficientStorage),
    ):
        asyncio.run(pool.examiner.assemble(source, [(0, len(page), 0)], target.fileno()))


@pytest.mark.long
def test_500_pages_of_a_mebibyte_need_no_more_memory_than_a_few(tmp_path: Path) -> None:
    page = files.saved(a_page("L", (1700, 1000)), "JPEG", quality=90)
    page += bytes(MIB - len(page))
    with (
        a_pool(tmp_path, children=1, decode_memory_bytes_max=16 * MIB) as pool,
        a_descriptor(page) as source,
        (tmp_path / "target").open("w+b") as target,
    ):
        asyncio.run(pool.examiner.assemble(source, [(0, MIB, 0)] * 500, target.fileno()))
        target.seek(0)
        with pikepdf.open(target) as document:
            assert len(document.pages) == 500
            assert document.pages[499].Resources.XObject.Im0.read_raw_bytes() == page
