"""Rows become a JPEG that can be read, and what is damaged is seen."""

import io

import pytest
from PIL import Image, ImageDraw

from scanner import pages
from scanner.driver import Raster
from scanner.errors import DeviceFault, Fault

SIZE = (640, 400)


def a_page(mode: str = "L", paper: int = 250, size: tuple[int, int] = SIZE) -> Image.Image:
    """A page with writing down to its last rows, and a white margin at the right."""
    page = Image.new(mode, size, (paper,) * len(mode))
    for row in range(0, size[1], 20):
        ImageDraw.Draw(page).text((20, row), "the quick brown fox jumps over the lazy dog", (30,) * len(mode))
    return page


def a_raster(picture: Image.Image) -> Raster:
    return Raster(*picture.size, len(picture.mode), bytearray(picture.tobytes()))


def as_jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def decoded_as_sane_does(data: bytes) -> Image.Image:
    """A cut picture filled up, without a word."""
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return picture.copy()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_page_is_a_jpeg_with_its_resolution_and_nothing_else(mode: str) -> None:
    data = pages.encode_page(a_raster(a_page(mode)), 300)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert (picture.format, picture.mode, picture.size, picture.info["dpi"]) == ("JPEG", mode, SIZE, (300, 300))
        assert set(picture.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
        assert not picture.getexif()


def test_a_page_that_cannot_be_read_back_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of memory or of the encoder: the bytes are decoded again before anybody relies on them."""
    save = Image.Image.save

    def half(picture: Image.Image, out: io.BytesIO, kind: str, **options: object) -> None:
        save(picture, out, kind, **options)
        out.truncate(out.tell() // 2)

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(DeviceFault) as raised:
        pages.encode_page(a_raster(a_page()), 300)
    assert raised.value.fault is Fault.DAMAGED_PAGE


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.97])
def test_a_picture_cut_anywhere_is_seen(mode: str, share: float) -> None:
    data = as_jpeg(a_page(mode))
    cut = decoded_as_sane_does(data[: int(len(data) * share)])
    assert pages.warnings_of(a_raster(cut)) == (pages.DAMAGED,)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("paper", [255, 250, 200, 64, 0])
def test_an_even_margin_is_no_damage(mode: str, paper: int) -> None:
    """White paper, the black of an open lid, cardboard: none of them is the gray of a decoder."""
    for page in (a_page(mode, paper), Image.new(mode, SIZE, (paper,) * len(mode))):
        again = decoded_as_sane_does(as_jpeg(page))
        assert pages.warnings_of(a_raster(again)) == ()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 8)])
def test_small_pages_are_looked_at_too(size: tuple[int, int]) -> None:
    assert pages.warnings_of(a_raster(Image.new("L", size, 128))) == (pages.DAMAGED,)
    assert pages.warnings_of(a_raster(Image.new("L", size, 255))) == ()
    assert pages.encode_page(a_raster(Image.new("L", size, 255)), 300)
