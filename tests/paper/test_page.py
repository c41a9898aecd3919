"""One page image: what it is, the codes on it, and the warnings that a person at the desk should have."""

import asyncio
import io
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from domain import page_look, refusals
from domain.finding import PageFinding
from domain.limits import Limits
from paper import ink, page
from tests.paper import files, scans
from tests.paper.pools import Pool, a_descriptor

LIMITS = Limits()


def found_of(picture: Image.Image, kind: str = "JPEG", **options: Any) -> PageFinding:
    usual = {"quality": 85} if kind == "JPEG" else {}
    return page.inspect(files.saved(picture, kind, **usual | options), LIMITS)


def a_scan(number: int = 1, dpi: int = 200) -> Image.Image:
    """A letter as a good scanner delivers it."""
    return scans.grainy(scans.a_letter(number, dpi), 4, number)


# -- what it is


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "AVIF"])
def test_a_page_is_told_by_its_content(kind: str) -> None:
    found = found_of(scans.a_form_page(scans.a_code(1), 150).convert("RGB"), kind)
    assert found == PageFinding(
        media_type=f"image/{kind.lower()}",
        width_px=1241,
        height_px=1754,
        dpi=None,
        scan_codes=(scans.a_code(1),),
        warnings=(),
        look=found.look,
    )


def test_a_photo_of_a_telephone_is_a_page() -> None:
    found = page.inspect(files.a_heic(size=(640, 480)), LIMITS)
    assert (found.media_type, found.width_px, found.height_px) == ("image/heic", 640, 480)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_page_has_the_size_in_which_it_is_seen_and_its_codes_are_read(kind: str, orientation: int) -> None:
    upright = scans.a_form_page(scans.a_code(2), 100)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = found_of(stored, kind, exif=exif)
    assert (found.width_px, found.height_px) == upright.size
    assert found.scan_codes == (scans.a_code(2),)


@pytest.mark.parametrize("dpi", [150, 200, 300, 600])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_resolution_does_not_matter_for_what_is_found(dpi: int, mode: str) -> None:
    found = found_of(scans.a_form_page(scans.a_code(3), dpi).convert(mode), dpi=(dpi, dpi))
    assert (found.dpi, found.scan_codes, found.warnings) == (dpi, (scans.a_code(3),), ())
    assert found.width_px == pytest.approx(dpi * 210 / 25.4, abs=1)


@pytest.mark.parametrize(
    ("told", "dpi"),
    [
        ((200, 200), 200),
        ((199.6, 200.4), 200),
        ((50, 50), 50),
        ((49, 49), None),
        ((4800, 4800), 4800),
        ((4801, 4801), None),
        ((204, 98), None),
        ((0, 0), None),
        ((1, 1), None),
    ],
)
def test_dots_an_inch_are_told_where_they_can_be_so(told: tuple[float, float], dpi: int | None) -> None:
    assert found_of(Image.new("L", (600, 900), 200), "TIFF", dpi=told).dpi == dpi


def test_a_camera_that_says_72_is_not_believed() -> None:
    assert found_of(Image.new("L", (1728, 1000), 200), dpi=(72, 72)).dpi == 72
    assert found_of(Image.new("L", (1729, 1000), 200), dpi=(72, 72)).dpi is None


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", refusals.FileEmpty),
        (b"hello", refusals.FileTypeNotAllowed),
        (files.a_pdf(), refusals.FileTypeNotAllowed),
        (files.a_locked_pdf(), refusals.FileTypeNotAllowed),
        (files.a_zip({"page.png": b"x"}), refusals.FileTypeNotAllowed),
        (files.a_jpeg()[:400], refusals.FileDamaged),
        (files.a_png()[:-5], refusals.FileDamaged),
        (files.a_heic()[:-50], refusals.FileDamaged),
        (files.a_lying_png(40, 30), refusals.FileDamaged),
        (files.a_blank_png(10_000, 9_000), refusals.FileTooManyPixels),
        (files.a_lying_png(60_000, 60_000), refusals.FileTooManyPixels),
        (files.a_tiff(2), refusals.FileTooManyPixels),
        (files.a_heic(2), refusals.FileTooManyPixels),
    ],
)
def test_what_is_no_page_is_refused_by_its_own_name(pool: Pool, data: bytes, refusal: type[refusals.Refusal]) -> None:
    with pytest.raises(refusal), a_descriptor(data) as descriptor:
        asyncio.run(pool.examiner.inspect(descriptor, size=len(data)))


def test_a_picture_of_as_many_pixels_as_are_allowed_is_a_page(pool: Pool) -> None:
    data = files.a_blank_png(10_000, 7_000)
    with a_descriptor(data) as descriptor:
        found = asyncio.run(pool.examiner.inspect(descriptor, size=len(data)))
    assert (found.width_px, found.height_px, found.warnings) == (10_000, 7_000, (page.BLANK,))


def test_the_pool_finds_the_same(pool: Pool) -> None:
    data = files.saved(a_scan(), "JPEG", quality=85)
    with a_descriptor(data + b"what belongs to nobody") as descriptor:
        assert asyncio.run(pool.examiner.inspect(descriptor, size=len(data))) == page.inspect(data, LIMITS)


# -- warnings


def test_a_good_scan_has_no_warning() -> None:
    assert found_of(a_scan()).warnings == ()


@pytest.mark.parametrize("sigma", [0, 4, 10])
@pytest.mark.parametrize("paper", [40, 130, 245, 255])
def test_an_empty_sheet_is_blank_whatever_its_colour_and_grain(paper: int, sigma: float) -> None:
    sheet = scans.grainy(Image.new("L", scans.pixels_of(150), paper), sigma, 3)
    assert page.BLANK in found_of(sheet).warnings


@pytest.mark.parametrize("sigma", [0, 4, 14])
def test_a_stroke_of_a_pen_is_not_blank_and_a_speck_is(sigma: float) -> None:
    for centimetres, blank in ((2, False), (0.1, True)):
        sheet = Image.new("L", scans.pixels_of(200), 235)
        ImageDraw.Draw(sheet).line((500, 700, 500 + round(centimetres * 200 / 2.54), 720), 60, 4)
        assert (page.BLANK in found_of(scans.grainy(sheet, sigma, 5)).warnings) is blank


def test_a_shadow_of_a_telephone_is_no_ink() -> None:
    shadow = Image.linear_gradient("L").resize((1200, 1600)).point([130 + level // 3 for level in range(256)])
    assert page.BLANK in found_of(scans.grainy(shadow, 4)).warnings


def test_what_lies_beyond_the_edge_of_the_paper_is_no_ink() -> None:
    sheet = Image.new("L", scans.pixels_of(200), 240)
    ImageDraw.Draw(sheet).rectangle((0, 0, 40, 2339), 20)
    assert page.BLANK in found_of(sheet).warnings


@pytest.mark.parametrize(("paper", "dark"), [(80, True), (140, False)])
def test_a_dark_page_is_told(paper: int, dark: bool) -> None:
    picture = a_scan().point([level * paper // 255 for level in range(256)])
    assert (page.DARK in found_of(picture).warnings) is dark


@pytest.mark.parametrize("degrees", [-7, -2.5, -1, 0, 1, 2.5, 7])
@pytest.mark.parametrize("laid", [0, 90, 180])
def test_a_page_that_lies_askew_is_told(degrees: float, laid: int) -> None:
    picture = a_scan(2, 100).rotate(laid, expand=True)
    found = found_of(scans.turned(picture, degrees))
    assert (page.SKEWED in found.warnings) is (abs(degrees) >= page.SKEW_DEGREES_MIN)


@pytest.mark.parametrize("degrees", [-6, -3.5, 0, 0.5, 4])
def test_how_far_it_lies_askew_is_measured_in_half_degrees(degrees: float) -> None:
    _, on_it = ink.paper_and_ink(scans.turned(a_scan(3, 100), degrees))
    lines = ink.find_lines(on_it)
    assert lines is not None
    assert lines.skew_degrees == pytest.approx(-degrees, abs=0.5)


@pytest.mark.parametrize("picture", [Image.new("L", (900, 1200), 250), scans.grain((900, 1200), 50, 1)])
def test_where_no_lines_are_nothing_is_askew(picture: Image.Image) -> None:
    assert page.SKEWED not in found_of(picture).warnings


@pytest.mark.parametrize(
    ("size", "told", "small"),
    [
        ((827, 1170), {"dpi": (100, 100)}, True),
        ((848, 1200), {"dpi": (96, 96)}, False),
        ((1011, 638), {"dpi": (300, 300)}, False),
        ((1011, 638), {"dpi": (149, 149)}, True),
        ((1011, 638), {"dpi": (150, 150)}, False),
        ((1199, 900), {}, True),
        ((1200, 900), {}, False),
    ],
    ids=["A4 at 100", "more at 96", "a card at 300", "at 149", "at 150", "1199 pixels", "1200 pixels"],
)
def test_too_few_pixels_are_told(size: tuple[int, int], told: dict[str, Any], small: bool) -> None:
    assert (page.SMALL in found_of(a_scan(4).resize(size), **told).warnings) is small


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("dpi", "part"), [(150, 0.3), (150, 0.6), (150, 0.9), (400, 0.5)])
def test_a_jpeg_that_was_cut_and_closed_is_told(dpi: int, part: float, mode: str) -> None:
    whole = files.saved(a_scan(5, dpi).convert(mode), "JPEG", quality=80)
    assert page.DAMAGED not in page.inspect(whole, LIMITS).warnings
    cut = whole[: int(len(whole) * part)] + b"\xff\xd9"
    assert Image.open(io.BytesIO(cut)).load() is not None, "a decoder says nothing of it"
    assert page.DAMAGED in page.inspect(cut, LIMITS).warnings


def test_a_page_that_was_cut_on_its_way_and_packed_anew_is_told() -> None:
    whole = files.saved(a_scan(6, 100), "JPEG", quality=80)
    cut = Image.open(io.BytesIO(whole[: len(whole) // 2] + b"\xff\xd9"))
    for kind in ("JPEG", "PNG", "TIFF"):
        assert page.DAMAGED in found_of(cut, kind).warnings


@pytest.mark.parametrize("border", [1, 5, 8, 60, 208])
def test_a_cut_page_with_a_white_border_is_told(border: int) -> None:
    whole = files.saved(a_scan(6, 200), "JPEG", quality=80)
    cut = Image.open(io.BytesIO(whole[: len(whole) // 3] + b"\xff\xd9"))
    for picture, is_cut in ((cut, True), (Image.open(io.BytesIO(whole)), False)):
        sheet = Image.new("L", (picture.width + border, picture.height + border), 255)
        sheet.paste(picture, (0, 0))
        assert (page.DAMAGED in found_of(sheet).warnings) is is_cut


# -- the same page again


def scanned_again(number: int, seed: int) -> Image.Image:
    """The same sheet, a millimetre or two elsewhere on the glass and not quite straight."""
    moved = scans.a_letter(number).rotate(
        0.2 * seed, Image.Resampling.BICUBIC, fillcolor=255, translate=(9 * seed, -7 * seed)
    )
    return scans.compressed(scans.grainy(moved, 5, seed), 80)


def look_of(picture: Image.Image) -> bytes:
    on_it = ink.paper_and_ink(picture)[1]
    return ink.look_of(on_it, ink.find_lines(on_it))


def are_alike(one: bytes, other: bytes) -> bool:
    return page_look.is_same_sheet(page_look.unpack_map(one), page_look.unpack_map(other))


def test_two_scans_of_a_sheet_look_alike_and_two_letters_do_not() -> None:
    first = [look_of(scanned_again(number, 0)) for number in range(12)]
    again = [look_of(scanned_again(number, 1)) for number in range(12)]
    assert sum(map(are_alike, first, again)) >= 11
    assert not any(are_alike(one, other) for n, one in enumerate(first) for m, other in enumerate(again) if n != m)


def a_filled_form(number: int) -> Image.Image:
    """One printed form, three answers of a few words on it."""
    form, chance = scans.a_form_page(scans.a_code(5), 200).copy(), random.Random(number)
    for line in range(3):
        answer = " ".join(chance.choices(["ja", "nee", "moeder", "vader", "voogd", "zaterdag", "2026"], k=3))
        ImageDraw.Draw(form).text((600, 1260 + 72 * line), answer, 40, font_size=36)
    return form


def test_forms_of_one_layout_are_told_apart_by_what_is_written_on_them() -> None:
    """They were all called duplicates, and a warning that is always there is read by nobody."""
    filled = [scans.compressed(scans.grainy(a_filled_form(number), 4, number), 80) for number in range(8)]
    looks = [look_of(form) for form in filled]
    assert not any(are_alike(looks[n], looks[m]) for n in range(8) for m in range(n))
    again = look_of(scans.compressed(scans.grainy(scans.turned(a_filled_form(3), 0.3), 4, 99), 80))
    assert [are_alike(again, look) for look in looks] == [number == 3 for number in range(8)]


@pytest.mark.parametrize("degrees", [90, 180])
def test_pages_that_lie_on_their_side_or_head_are_compared_too(degrees: int) -> None:
    first, again = (
        [look_of(scanned_again(number, seed).rotate(degrees, expand=True)) for number in range(6)] for seed in (0, 1)
    )
    assert sum(map(are_alike, first, again)) >= 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_file_in_another_format_looks_like_itself(kind: str) -> None:
    assert are_alike(found_of(a_scan(7, 100)).look, found_of(a_scan(7, 100), kind).look)


def test_the_map_of_a_page_takes_a_few_kilobytes() -> None:
    assert not any(page_look.unpack_map(look_of(Image.new("L", (800, 1000), 255))))
    assert all(100 < len(look_of(scans.a_letter(number))) < 4_000 for number in range(5))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (40, 1), (1, 3000), (16_000, 20)])
def test_no_size_is_too_odd_to_be_looked_at(size: tuple[int, int]) -> None:
    found = found_of(Image.new("L", size, 255), "PNG")
    assert (found.width_px, found.height_px) == size


def test_who_asks_does_not_load_what_looks() -> None:
    script = "import sys, paper.client; print(sorted({'zxingcpp', 'PIL', 'img2pdf'} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]"
