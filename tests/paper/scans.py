"""Pages as scanners and telephones deliver them: our forms, letters and bar codes, in every bad state. Seeded."""

import functools
import io
import random
import textwrap
from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final

import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from domain import scan_code
from paper import form
from tests.paper import files

A4_MM = (210, 297)
_WORDS = (
    "de het een van en in op te dat is die niet zijn voor met aan er om ook als bij nog dan naar uit door over maar "
    "heeft wordt kunnen bibliotheek machtiging lidmaatschap toestemming ondertekening rekening"
)
_PLANES = 4
_PLANES_SIGMA = 36.8
"""Of the mean of four planes of random bytes."""


def a_code(number: int) -> str:
    return scan_code.make_code("DA", number)


def a_form_page(code: str, dpi: int, **changes: Any) -> Image.Image:
    """Our form as it was printed, in grey."""
    usual: dict[str, Any] = {
        "language": "nl",
        "library": "Openbare Bibliotheek Rivierenland",
        "type_label": "Toestemming van de ouder",
        "kind": "authorization",
        "customer_id": "100234",
        "customer_name": "Jolanda de Vries-van der Berg",
        "issued_on": date(2026, 11, 24),
        "scan_code": code,
    }
    return drawn(form.draw(form.FormContent(**usual | changes)), dpi)


def drawn(pdf: bytes, dpi: int, page: int = 0) -> Image.Image:
    picture: Image.Image = pypdfium2.PdfDocument(pdf)[page].render(scale=dpi / 72).to_pil()
    return picture.convert("L")


def pages_in(pdf: bytes) -> int:
    return len(pypdfium2.PdfDocument(pdf))


def pixels_of(dpi: int) -> tuple[int, int]:
    """A4 in that resolution."""
    return round(A4_MM[0] * dpi / 25.4), round(A4_MM[1] * dpi / 25.4)


@functools.cache
def a_letter(number: int, dpi: int = 200) -> Image.Image:
    """A page of text without any code, each number another."""
    chance, scale = random.Random(number), dpi / 100
    picture = Image.new("L", pixels_of(dpi), 255)
    draw, plain = ImageDraw.Draw(picture), ImageFont.load_default(15 * scale)
    draw.text((80 * scale, 60 * scale), "Openbare Bibliotheek Rivierenland", 0, ImageFont.load_default(26 * scale))
    top = 200 * scale
    for _ in range(chance.randint(2, 7)):
        text = textwrap.fill(" ".join(chance.choices(_WORDS.split(), k=chance.randint(15, 90))), 75)
        draw.multiline_text((80 * scale, top), text, 0, plain, spacing=6 * scale)
        top += (text.count("\n") + 2) * 21 * scale
    pen = [(90 * scale + 12 * scale * step, top + chance.randint(-15, 15) * scale) for step in range(10)]
    draw.line(pen, 40, round(2 * scale))
    return picture


def a_bar_code(text: str, kind: zxingcpp.BarcodeFormat, dpi: int, module_mm: float, high_mm: float) -> Image.Image:
    """Bars of any width in pixels, as a printer and a scanner make them."""
    modules = Image.fromarray(zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(text, kind), scale=1))
    wide, high = round(modules.width * module_mm * 4 * dpi / 25.4), round(high_mm * 4 * dpi / 25.4)
    line = modules.convert("L").crop((0, 5, modules.width, 6)).resize((wide, high), Image.Resampling.NEAREST)
    return line.resize((max(1, wide // 4), max(1, high // 4)), Image.Resampling.BOX)


@functools.lru_cache(maxsize=16)
def grain(size: tuple[int, int], sigma: float, seed: int) -> Image.Image:
    """Grey 128 with noise that is nearly Gaussian."""
    chance = random.Random(seed)
    planes = [Image.frombytes("L", size, chance.randbytes(size[0] * size[1])) for _ in range(_PLANES)]
    one, other = (ImageChops.add(first, second, 2) for first, second in (planes[:2], planes[2:]))
    return ImageChops.add(one, other, 2).point(
        [round(128 + (level - 127.5) * sigma / _PLANES_SIGMA) for level in range(256)]
    )


def grainy(page: Image.Image, sigma: float, seed: int = 0) -> Image.Image:
    """With room for the grain above white and below black."""
    return ImageChops.add(
        page.point([round(12 + 0.88 * level) for level in range(256)]), grain(page.size, sigma, seed), 1, -128
    )


def faint(page: Image.Image) -> Image.Image:
    """Ink of 110 on paper of 170."""
    return page.point([110 + level * 60 // 255 for level in range(256)])


def blurred(page: Image.Image, radius: float) -> Image.Image:
    return page.filter(ImageFilter.GaussianBlur(radius))


def specked(page: Image.Image, part: float, seed: int = 0) -> Image.Image:
    """Black and white pixels strewn over it."""
    chance = random.Random(seed)
    rolls = Image.frombytes("L", page.size, chance.randbytes(page.width * page.height))
    black = rolls.point([255 * (level < 128 * part) for level in range(256)])
    white = rolls.point([255 * (level > 255 - 128 * part) for level in range(256)])
    return ImageChops.lighter(ImageChops.subtract(page, black), white)


def compressed(page: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(files.saved(page, "JPEG", quality=quality))).convert("L")


def turned(page: Image.Image, degrees: float) -> Image.Image:
    """As it lay on the glass, its corners cut off."""
    return page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)


LADDER: Final[Mapping[str, Callable[[Image.Image, int], Image.Image]]] = MappingProxyType(
    {
        "clean": lambda page, seed: page,
        "grain 12, JPEG 75": lambda page, seed: compressed(grainy(page, 12, seed), 75),
        "grain 20, blur 0.8, JPEG 50": lambda page, seed: compressed(grainy(blurred(page, 0.8), 20, seed), 50),
        "grain 40, JPEG 50": lambda page, seed: compressed(grainy(page, 40, seed), 50),
        "faint, grain 4, JPEG 50": lambda page, seed: compressed(grainy(faint(page), 4, seed), 50),
        "faint, grain 12, JPEG 50": lambda page, seed: compressed(grainy(faint(page), 12, seed), 50),
        "blur 2, JPEG 50": lambda page, seed: compressed(blurred(page, 2), 50),
        "specks 5 %": lambda page, seed: specked(page, 0.05, seed),
        "specks 15 %": lambda page, seed: specked(page, 0.15, seed),
    }
)
"""From what a good scanner delivers to what nobody would keep."""
