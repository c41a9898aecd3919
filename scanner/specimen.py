"""Draws the pages of the simulated device: signed forms with QR codes, and a library card. They are invented, so the
codes are well formed and were never issued. paper/form.py draws the forms that the library prints."""

from functools import cache
from typing import Final

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFont

from domain.scan_code import group_code, make_code
from scanner.profiles import CARD_HEIGHT_MM, CARD_WIDTH_MM

_MM_PER_INCH: Final = 25.4
_PAPER, _INK, _FAINT, _BALLPOINT = (250, 250, 247), (25, 25, 30), (185, 185, 185), (35, 45, 140)
_GRAIN: Final = 6.0
_GRAIN_PIXELS: Final = 256
_MODULE_MM: Final = 0.8
_LINES: Final = (
    "Customer  100234",
    "I allow the library to act on this authorization until",
    "I revoke it in writing.",
    "",
    "Place and date  ............................",
    "Signature       ............................",
)
_SIGNATURE_MM: Final = ((52, 140), (60, 129), (64, 142), (70, 131), (78, 140), (85, 133), (102, 137))


def scan_code(number: int) -> str:
    """A well-formed code for page `number`; the archive has never issued it."""
    return make_code("DA", 480_000_000_000 + number)


def draw_form(size: tuple[int, int], dpi: int, *, title: str, code: str) -> Image.Image:
    """A form of A4 as on the glass, cut to `size` pixels at `dpi`."""
    sheet = _Sheet(size, dpi)
    sheet.draw_text((20, 20), "Debt authorization", 7)
    sheet.draw_text((20, 32), title, 4)
    sheet.draw_code((155, 15), code)
    sheet.draw_text((155, 46), group_code(code), 3.2)
    for row, line in enumerate(_LINES):
        sheet.draw_text((20, 75 + 11 * row), line, 4.5)
    sheet.draw_line(_SIGNATURE_MM, 0.6, _BALLPOINT)
    return sheet.add_grain()


def draw_card(size: tuple[int, int], dpi: int, *, title: str) -> Image.Image:
    sheet = _Sheet(size, dpi)
    sheet.draw_box((4, 4), (4 + CARD_WIDTH_MM, 4 + CARD_HEIGHT_MM))
    sheet.draw_text((10, 10), "Library card", 5)
    sheet.draw_text((10, 20), title, 3.5)
    sheet.draw_text((10, 45), "2 9004 0100234 1", 4.5)
    return sheet.add_grain()


class _Sheet:
    """A picture with coordinates in millimetres."""

    def __init__(self, size: tuple[int, int], dpi: int) -> None:
        self._scale = dpi / _MM_PER_INCH
        self._picture = Image.new("RGB", size, _PAPER)
        self._draw = ImageDraw.Draw(self._picture)

    def draw_text(self, at_mm: tuple[float, float], words: str, size_mm: float) -> None:
        self._draw.text(self._to_pixels(at_mm), words, _INK, font=_load_font(self._scale * size_mm))

    def draw_line(self, points_mm: tuple[tuple[float, float], ...], width_mm: float, ink: tuple[int, int, int]) -> None:
        points = [self._to_pixels(point) for point in points_mm]
        self._draw.line(points, ink, width=max(1, round(self._scale * width_mm)), joint="curve")

    def draw_box(self, first_mm: tuple[float, float], last_mm: tuple[float, float]) -> None:
        corners = [self._to_pixels(first_mm), self._to_pixels(last_mm)]
        self._draw.rounded_rectangle(corners, self._scale * 3, outline=_FAINT, width=max(1, round(self._scale / 3)))

    def draw_code(self, at_mm: tuple[float, float], content: str) -> None:
        barcode = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode, ec_level="H")
        modules = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, add_quiet_zones=False))
        side = round(self._scale * _MODULE_MM * modules.width)
        left, top = self._to_pixels(at_mm)
        self._picture.paste(modules.resize((side, side), Image.Resampling.NEAREST), (round(left), round(top)))

    def add_grain(self) -> Image.Image:
        """The picture with the grain of a real scan: no two rows of paper are identical."""
        tile = Image.effect_noise((_GRAIN_PIXELS, _GRAIN_PIXELS), _GRAIN)
        grain = Image.new("L", self._picture.size)
        for top in range(0, grain.height, tile.height):
            for left in range(0, grain.width, tile.width):
                grain.paste(tile, (left, top))
        return ImageChops.add(self._picture, grain.convert("RGB"), offset=-128)

    def _to_pixels(self, at_mm: tuple[float, float]) -> tuple[float, float]:
        return self._scale * at_mm[0], self._scale * at_mm[1]


@cache
def _load_font(size: float) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size)
