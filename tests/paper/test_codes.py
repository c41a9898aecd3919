"""Codes on pages: ours are read from whatever a scanner delivers, and nothing is ever read that is not there."""

import random
import string
from typing import Any

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from paper import codes
from tests.paper import corpus, scans
from tests.paper.readings import page_images, read_from

LONGEST = "A1B2C3D4" * 8
CORPUS_READ_MIN, FORMS_READ_MIN = 0.95, 0.99
BARS = [getattr(zxingcpp.BarcodeFormat, kind) for kind in ("Code128", "Code39", "EAN13", "EAN8")]


def an_image_of(text: str, kind: Any = zxingcpp.BarcodeFormat.QRCode, scale: int = 5) -> Image.Image:
    barcode = zxingcpp.create_barcode(text, kind)
    return Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale=scale)).convert("L")


def a_sheet(*images: Image.Image, size: tuple[int, int] = (1654, 2339)) -> Image.Image:
    """Pictures side by side on white."""
    sheet, left, top, high = Image.new("L", size, 255), 20, 20, 0
    for image in images:
        if left + image.width > size[0]:
            left, top, high = 20, top + high + 20, 0
        sheet.paste(image, (left, top))
        left, high = left + image.width + 20, max(high, image.height)
    return sheet


# -- our forms


def rungs(*resolutions: int, seeds: range) -> list[Any]:
    return [
        pytest.param(dpi, rung, seed, id=f"{dpi} dpi, {rung}, {seed}")
        for dpi in resolutions
        for rung in scans.LADDER
        for seed in seeds
    ]


def form_on_rung(dpi: int, rung: str, seed: int) -> tuple[str, Image.Image]:
    """A form, laid on the glass either way and not quite straight, in the state of that rung."""
    chance = random.Random(f"{dpi} {rung} {seed}")
    code = LONGEST if seed % 4 == 3 else scans.a_code(chance.randrange(10**12))
    page = scans.a_form_page(code, dpi, language=chance.choice(["nl", "en", "de"]))
    page = scans.turned(page, chance.choice((0, 180)) + chance.uniform(-3, 3))
    return code, scans.LADDER[rung](page, seed)


@pytest.mark.parametrize(("dpi", "rung", "seed"), rungs(150, seeds=range(1)))
def test_our_form_is_read_in_every_state(dpi: int, rung: str, seed: int) -> None:
    code, page = form_on_rung(dpi, rung, seed)
    assert read_from(page) == (code,)


@pytest.mark.long
def test_99_of_100_forms_are_read_and_none_wrongly() -> None:
    read, wrong, forms = 0, 0, 0
    for param in rungs(150, 200, 300, seeds=range(1, 13)):
        code, page = form_on_rung(*param.values)
        found = read_from(page)
        forms, read, wrong = forms + 1, read + (code in found), wrong + bool({*found} - {code})
    assert wrong == 0
    assert read >= FORMS_READ_MIN * forms, (read, forms)


@pytest.mark.parametrize("degrees", [-3, 3, 45, 90, 177, 180, 183, 270])
def test_our_form_is_read_however_it_lies(degrees: float) -> None:
    page = scans.a_form_page(scans.a_code(7), 200).rotate(degrees, Image.Resampling.BICUBIC, True, fillcolor=255)
    assert read_from(page) == (scans.a_code(7),)


# -- what others print


def test_19_of_20_codes_of_the_corpus_are_read_and_none_wrongly() -> None:
    samples = [param.values[0] for param in corpus.samples("codes")]
    if samples == [None]:
        pytest.skip(f"NOT TESTED, the corpus is not there: {corpus.FOLDER}")
    read, missed = 0, []
    for sample in samples:
        found = {text for image in page_images(sample) for text in read_from(image)}
        told = {codes._visible_text(text) for text in sample.code_texts}
        assert found <= told, sample.path
        read += found == told
        missed += [sample.path] * (found != told)
    assert read >= CORPUS_READ_MIN * len(samples), missed


TEXTS = {"EAN13": "5901234123457", "EAN8": "96385074"}


@pytest.mark.parametrize("kind", ["QRCode", "Code128", "Code39", "EAN13", "EAN8"])
def test_each_of_these_kinds_is_read_from_a_page(kind: str) -> None:
    text = TEXTS.get(kind, "DA48271903665144")
    page = scans.turned(a_sheet(an_image_of(text, getattr(zxingcpp.BarcodeFormat, kind))), 1.5)
    assert read_from(page) == (text,)


@pytest.mark.parametrize("kind", ["QRCode", "Code128", "Code39", "EAN13", "EAN8", "DataMatrix", "Aztec", "PDF417"])
def test_every_kind_is_read_from_a_small_picture(kind: str) -> None:
    text = TEXTS.get(kind, "DA48271903665144")
    image = an_image_of(text, getattr(zxingcpp.BarcodeFormat, kind), scale=3)
    page = scans.turned(a_sheet(image, size=(1000, 700)), 1.5)
    assert read_from(page) == (text,)


def test_all_codes_of_a_page_are_read_each_once() -> None:
    bars = an_image_of("LIBRARY-CARD", zxingcpp.BarcodeFormat.Code128)
    page = a_sheet(an_image_of("one"), bars, an_image_of("two"), an_image_of("one"))
    assert sorted(read_from(page)) == ["LIBRARY-CARD", "one", "two"]


@pytest.mark.parametrize("kind", BARS, ids=str)
def test_bars_are_read_through_grain(kind: Any) -> None:
    text = TEXTS.get(kind.name, "DA48271903665144")
    bars = scans.a_bar_code(text, kind, 200, 0.5, 12)
    page = scans.compressed(scans.grainy(scans.faint(scans.turned(a_sheet(bars), 2)), 4, 1), 50)
    assert read_from(page) == (text,)


@pytest.mark.long
def test_bars_are_read_rightly_or_not_at_all() -> None:
    read = 0
    for seed in range(60):
        told, page = a_page_of_bars(seed)
        found = {*read_from(page)}
        assert found <= told, seed
        read += len(found)
    assert read > 100


def a_page_of_bars(seed: int) -> tuple[set[str], Image.Image]:
    """Bars finer than they should be, in one of the states of the ladder."""
    chance = random.Random(seed)
    page, told, top = Image.new("L", scans.pixels_of(200), 255), set(), 40
    while top < 2200:
        kind = chance.choice(BARS)
        digits = {"EAN13": 12, "EAN8": 7}.get(kind.name)
        text = "".join(chance.choices(string.digits + string.ascii_uppercase * (not digits), k=digits or 9))
        barcode = zxingcpp.create_barcode(text, kind)
        told.add(barcode.text)
        bars = scans.a_bar_code(text, kind, 200, chance.choice([0.2, 0.25, 0.33, 0.4]), chance.uniform(5, 12))
        page.paste(bars, (chance.randrange(100, 1500 - bars.width), top))
        top += bars.height + 40
    rung = chance.choice(sorted(scans.LADDER))
    return told, scans.LADDER[rung](scans.turned(page, chance.uniform(-3, 3)), seed)


# -- nothing


def a_table() -> Image.Image:
    page = scans.a_letter(3)
    draw = ImageDraw.Draw(page)
    for step in range(0, 1600, 40):
        draw.line((40 + step, 300, 40 + step, 1900), 0, 3)
        draw.line((40, 300 + step, 1600, 300 + step), 0, 3)
    return page


def some_stripes() -> Image.Image:
    page, chance, left = Image.new("L", (1654, 2339), 255), random.Random(5), 60
    while left < 1500:
        wide = chance.randint(2, 9)
        ImageDraw.Draw(page).rectangle((left, 200, left + wide, 700), 0)
        left += wide + chance.randint(2, 9)
    return page


def random_modules() -> Image.Image:
    modules = b"".join(random.Random(8).choices((b"\0", b"\xff"), k=120 * 160))
    return Image.frombytes("L", (120, 160), modules).resize((1200, 1600), Image.Resampling.NEAREST)


NOTHING = {
    "white": Image.new("L", (1654, 2339), 255),
    "black": Image.new("L", (1654, 2339), 0),
    "a letter": scans.a_letter(1),
    "a grainy letter": scans.grainy(scans.a_letter(2), 20),
    "a faint letter": scans.faint(scans.a_letter(4)),
    "a table": a_table(),
    "stripes": some_stripes(),
    "noise": scans.grain((1654, 2339), 60, 1),
    "modules": random_modules(),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_read_where_nothing_is(name: str) -> None:
    assert read_from(NOTHING[name]) == ()


@pytest.mark.long
@pytest.mark.parametrize("sample", corpus.samples("good"))
def test_nothing_is_read_from_the_good_files_of_the_corpus(sample: corpus.Sample) -> None:
    assert [read_from(image) for image in page_images(sample) if read_from(image)] == []


# -- bounds


def test_a_text_is_printable_and_has_no_more_than_256_signs() -> None:
    told = " \r\n\tone\x00two\u200b\u202ethree\x1d" + "x" * 300
    [text] = read_from(a_sheet(an_image_of(told)))
    assert text == ("one two  three " + "x" * 300)[: codes.CHARACTERS_MAX]


def test_256_signs_are_whole() -> None:
    assert read_from(a_sheet(an_image_of("x" * 256))) == ("x" * 256,)


def test_no_more_than_50_codes_are_told() -> None:
    images = [an_image_of(f"code {number:03}", scale=3) for number in range(60)]
    assert len(read_from(a_sheet(*images[:50]))) == 50
    assert len(read_from(a_sheet(*images))) == codes.CODES_MAX


def test_a_code_without_text_is_none() -> None:
    assert read_from(a_sheet(an_image_of(" \n\0 "))) == ()


@given(wide=st.integers(1, 90), high=st.integers(1, 90), level=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_no_size_is_too_small_to_be_looked_at(wide: int, high: int, level: int) -> None:
    assert codes.find_texts(Image.new("L", (wide, high), level)) == ()


@pytest.mark.parametrize("size", [(16_000, 1), (1, 16_000), (16_000, 262)])
def test_no_shape_is_too_long_to_be_looked_at(size: tuple[int, int]) -> None:
    assert codes.find_texts(Image.new("L", size, 255)) == ()
