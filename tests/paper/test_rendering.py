"""Page images: upright, clean, of the size that was asked for."""

import io
from typing import Any

import msgspec
import pikepdf
import pytest
from PIL import Image

from domain import refusals
from domain.limits import Limits
from paper import rendering
from tests.paper import files

LIMITS = Limits()
RED, LIME, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def page_image(data: bytes, media_type: str, page: int = 1, width: int = 800) -> Image.Image:
    jpeg = rendering.draw_page_image(data, media_type, page, width, LIMITS)
    picture = Image.open(io.BytesIO(jpeg), formats=("JPEG",))
    picture.load()
    return picture


def corners(picture: Image.Image) -> list[tuple[int, int, int]]:
    """Colours of the four quarters, left to right, top to bottom, each rounded to full or none."""
    places = [(x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    pixels = [picture.convert("RGB").getpixel((int(picture.width * x), int(picture.height * y))) for x, y in places]
    return [tuple(255 * (level > 127) for level in pixel) for pixel in pixels if isinstance(pixel, tuple)]  # type: ignore[misc]  # three levels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_page_stands_upright_whatever_way_the_camera_was_held(kind: str, orientation: int) -> None:
    upright = files.a_picture((200, 120))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = page_image(files.saved(stored, kind, exif=exif), f"image/{kind.lower()}")
    assert picture.size == (200, 120)
    assert corners(picture) == [RED, LIME, BLUE, WHITE]


@pytest.mark.parametrize("width", [16, 100, 399])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_image_is_as_wide_as_was_asked(width: int, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = page_image(
        files.a_jpeg((400, 300) if orientation == 1 else (300, 400), exif=exif), "image/jpeg", 1, width
    )
    assert picture.width == width
    assert abs(picture.height - width * 3 / 4) <= 1


@pytest.mark.parametrize(("asked", "given"), [(1, 16), (16, 16), (2400, 2400), (100_000, 2400)])
def test_widths_are_held_to_the_limits_on_both_sides(asked: int, given: int) -> None:
    assert page_image(files.a_pdf(), "application/pdf", 1, asked).width == given


def test_a_small_picture_is_not_blown_up() -> None:
    assert page_image(files.a_png((40, 30)), "image/png").size == (40, 30)


@pytest.mark.parametrize("size", [(1400, 14_000), (400, 60_000), (1, 100_000), (60_000, 40), (100_000, 1)])
def test_a_page_of_extreme_shape_stays_small(size: tuple[int, int]) -> None:
    for data, media_type in ((files.a_blank_png(*size), "image/png"), (files.a_pdf(size=size), "application/pdf")):
        picture = page_image(data, media_type, 1, 2400)
        assert picture.width <= 2400
        assert picture.height <= rendering.SIDE_MAX
        assert picture.width * picture.height <= rendering.PIXELS_MAX * 1.01


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_every_kind_of_pixel_is_shown(mode: str, kind: str) -> None:
    grey = files.a_picture((80, 60)).convert("L")
    source = (
        grey.convert("I").point(lambda level: level * 257).convert("I;16") if mode == "I;16" else grey.convert(mode)
    )
    picture = page_image(files.saved(source, kind), f"image/{kind.lower()}", 1, 40)
    assert picture.mode in ("L", "RGB")
    shown = picture.convert("L").getpixel((35, 25))
    assert isinstance(shown, int)
    assert shown > 245


def test_four_inks_are_shown_as_colours() -> None:
    assert corners(page_image(files.saved(files.a_picture(mode="CMYK"), "JPEG", quality=95), "image/jpeg"))[3] == WHITE


def test_what_is_transparent_is_shown_white() -> None:
    clear = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    assert corners(page_image(files.saved(clear, "PNG"), "image/png")) == [WHITE] * 4
    palette = Image.new("P", (40, 30), 0)
    assert corners(page_image(files.saved(palette, "PNG", transparency=0), "image/png")) == [WHITE] * 4


def test_a_large_picture_is_the_same_when_it_is_converted_in_strips() -> None:
    large = files.a_picture((3000, 2000), "RGBA")
    assert corners(page_image(files.saved(large, "PNG", compress_level=1), "image/png", 1, 700)) == [
        RED,
        LIME,
        BLUE,
        WHITE,
    ]


def test_pages_of_a_tiff_and_of_a_heic_are_counted_from_one() -> None:
    pages = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    tiff = files.saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert [corners(page_image(tiff, "image/tiff", number))[0] for number in (1, 2, 3)] == [RED, LIME, BLUE]
    heic = files.a_heic(2, primary=1)
    assert page_image(heic, "image/heic", 1).size == (64, 64)
    assert corners(page_image(heic, "image/heic", 2)) == [RED, LIME, BLUE, WHITE]


@pytest.mark.parametrize(
    ("data", "media_type", "page"),
    [
        (files.a_pdf(2), "application/pdf", 3),
        (files.a_pdf(2), "application/pdf", 0),
        (files.a_tiff(2), "image/tiff", 3),
        (files.a_tiff(2), "image/tiff", 0),
        (files.a_heic(), "image/heic", 2),
        (files.a_jpeg(), "image/jpeg", 2),
        (files.a_film("GIF"), "image/gif", 2),
        (files.a_docx(), files.DOCX_MAIN.removesuffix(".main+xml"), 1),
        (b"hello", "text/plain", 1),
    ],
)
def test_a_page_that_is_not_there_is_not_found(data: bytes, media_type: str, page: int) -> None:
    with pytest.raises(refusals.NotFound):
        page_image(data, media_type, page)


def test_a_locked_pdf_and_a_broken_picture_have_no_image() -> None:
    with pytest.raises(refusals.FilePasswordProtected):
        page_image(files.a_locked_pdf(), "application/pdf")
    with pytest.raises(refusals.FileDamaged):
        page_image(files.a_png()[:60], "image/png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_nothing_of_the_original_but_its_looks_is_in_the_image(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    options: dict[str, Any] = {"exif": exif, "icc_profile": b"SECRET profile" * 20}
    if kind == "JPEG":
        options |= {"comment": b"SECRET comment"}
    data = files.saved(files.a_picture(), kind, **options) + b"SECRET <script>alert(1)</script>"
    image = rendering.draw_page_image(data, f"image/{kind.lower()}", 1, 800, LIMITS)
    assert b"SECRET" in data
    assert b"SECRET" not in image
    assert image.endswith(b"\xff\xd9")
    assert not Image.open(io.BytesIO(image)).getexif()


def test_a_pdf_page_is_drawn_with_its_fields_and_on_white() -> None:
    square = b"1 0 0 rg 0 421 297 421 re f"
    picture = page_image(files.a_pdf(content=square), "application/pdf", 1, 300)
    assert picture.size == (300, 425)
    assert corners(picture) == [RED, WHITE, WHITE, WHITE]


@pytest.mark.parametrize("size", [(0, 0), (-100, 100)])
def test_a_pdf_page_without_a_sound_size_is_still_answered(size: tuple[int, int]) -> None:
    try:
        assert page_image(files.a_pdf(size=size), "application/pdf").width <= 800
    except refusals.FileDamaged:
        assert size[0] <= 0


@pytest.mark.parametrize("is_nested", [False, True])
def test_pixels_of_all_pictures_on_a_pdf_page_are_limited_on_both_sides(is_nested: bool) -> None:
    data = a_pdf_of_pictures([(30, 20), (40, 10), (5, 5)], is_nested=is_nested)
    rendering.draw_page_image(data, "application/pdf", 1, 100, msgspec.structs.replace(LIMITS, file_pixels_max=1025))
    with pytest.raises(refusals.FileTooManyPixels):
        rendering.draw_page_image(
            data, "application/pdf", 1, 100, msgspec.structs.replace(LIMITS, file_pixels_max=1024)
        )


def a_pdf_of_pictures(sizes: list[tuple[int, int]], *, is_nested: bool) -> bytes:
    """One page with grey pictures of these sizes, on itself or in a form that it shows."""
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(files.a_pdf())) as pdf:
        pictures = pikepdf.Dictionary()
        for number, (wide, high) in enumerate(sizes):
            picture = pdf.make_stream(bytes(wide * high))
            picture.update(
                {"/Type": pikepdf.Name.XObject, "/Subtype": pikepdf.Name.Image, "/Width": wide, "/Height": high}
            )
            picture.update({"/ColorSpace": pikepdf.Name.DeviceGray, "/BitsPerComponent": 8})
            pictures[f"/P{number}"] = picture
        shown = pdf.make_stream(b"".join(b"q 90 0 0 90 0 0 cm /P%d Do Q\n" % number for number in range(len(sizes))))
        resources = pikepdf.Dictionary(XObject=pictures)
        if is_nested:
            shown.update({"/Type": pikepdf.Name.XObject, "/Subtype": pikepdf.Name.Form, "/Resources": resources})
            shown["/BBox"] = pikepdf.Array([0, 0, 595, 842])
            resources, shown = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=shown)), pdf.make_stream(b"/F Do")
        pdf.pages[0].obj.Resources, pdf.pages[0].obj.Contents = resources, shown
        pdf.save(file)
    return file.getvalue()
