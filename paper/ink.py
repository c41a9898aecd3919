"""Measures a page without reading it: amount of ink, angle of its lines, a small map of its look. Pure, with Pillow.

page.py makes warnings of it. Ink is a picture of its own: white where the paper is marked, black elsewhere.
"""

import math
import statistics
from itertools import pairwise
from typing import Final, NamedTuple

from PIL import Image, ImageChops, ImageFilter

from domain import page_look

PIXELS: Final = 1_000_000
"""A4 at 100 dpi."""
_CONTRAST: Final = 40
_EDGE: Final = 0.04
_PAPER_PIXELS: Final = 16
_PAPER_CELLS: Final = 5

_COLUMNS: Final = 32
_ANGLES: Final = tuple(half / 2 for half in range(-16, 17))
_LINE_CONTRAST_MIN: Final = 4.0
"""Text and forms have 4.5 to 170, photographs up to 3.3."""
_LINE_INK_MIN: Final = 0.002
"""A tenth of the ink of a short letter: one or two strokes are no line."""

_SPECK: Final = 1
"""Of 255, which is a row or column full of ink: five pixels of A4."""


def paper_and_ink(grey: Image.Image) -> tuple[int, Image.Image]:
    """The lightness of the paper (0 to 255), and the ink on it without the edges, with at most PIXELS."""
    scale = min(1.0, math.sqrt(PIXELS / (grey.width * grey.height)))
    size = (max(1, int(grey.width * scale)), max(1, int(grey.height * scale)))
    across, down = int(size[0] * _EDGE), int(size[1] * _EDGE)
    inner = grey.resize(size, Image.Resampling.BOX).crop((across, down, size[0] - across, size[1] - down))
    # The lightest value within two centimetres counts as paper, so the shadow of a telephone is no ink.
    paper = inner.reduce(_PAPER_PIXELS).filter(ImageFilter.MaxFilter(_PAPER_CELLS))
    darker = ImageChops.subtract(paper.resize(inner.size, Image.Resampling.BILINEAR), inner)
    return round(statistics.median(paper.tobytes())), _mark_above(darker, _CONTRAST)


def ink_share(ink: Image.Image) -> float:
    """The share of the page that has ink on it."""
    return ink.histogram()[255] / (ink.width * ink.height)


class InkLines(NamedTuple):
    """The ink rotated so that its lines run across, and their slope to the right in steps of half a degree, up to 8."""

    laid: Image.Image
    skew_degrees: float


def find_lines(ink: Image.Image) -> InkLines | None:
    """The lines of a page, or None.

    At the right angle rows of pixels are full and empty in turn; on a page that lies on its side columns are.
    """
    if ink_share(ink) < _LINE_INK_MIN:
        return None
    for laid in (ink, ink.transpose(Image.Transpose.ROTATE_90)):
        contrast, angle = _find_angle(laid)
        if contrast >= _LINE_CONTRAST_MIN:
            return InkLines(laid, angle)
    return None


def _find_angle(ink: Image.Image) -> tuple[float, float]:
    """The contrast of the best angle compared with the median one, and that angle.

    The page itself is not rotated: a few upright strips, each reduced to one column of pixels, are shifted up and down.
    """
    strips = ink.resize((_COLUMNS, ink.height), Image.Resampling.BOX)
    scores = [(_unevenness(_shear(strips, angle, ink.width / _COLUMNS)), angle) for angle in _ANGLES]
    best, angle = max(scores)
    return best / max(1.0, statistics.median(score for score, _ in scores)), angle


def _shear(strips: Image.Image, angle: float, strip_width: float) -> Image.Image:
    fall = math.tan(math.radians(angle)) * strip_width
    place = (1, 0, 0, fall, 1, -fall * strips.width / 2)
    return strips.transform(strips.size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR)


def _unevenness(strips: Image.Image) -> float:
    rows = strips.resize((1, strips.height), Image.Resampling.BOX).tobytes()
    return float(sum((above - below) ** 2 for above, below in pairwise(rows)))


def look_of(ink: Image.Image, lines: InkLines | None) -> bytes:
    """The map of page_look.py: the amount of ink in each cell, after straightening the page and moving its ink to the
    corner.

    The scale is that of the page, so a little ink stays small. A page with an odd shape is cut.
    """
    straight = _straighten(ink, lines) if lines else ink
    scale = min(page_look.WIDE / straight.width, page_look.HIGH / straight.height)
    written = _crop_to_ink(straight)
    size = (max(1, round(written.width * scale)), max(1, round(written.height * scale)))
    # Each cell includes a little of its neighbours, for a stroke on the border of two cells.
    fine = written.resize((2 * size[0], 2 * size[1]), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.5))
    cells = Image.new("L", (page_look.WIDE, page_look.HIGH))
    cells.paste(fine.resize(size, Image.Resampling.BOX).crop((0, 0, *cells.size)), (0, 0))
    return page_look.pack_map(cells.point([level * page_look.LEVELS // 256 for level in range(256)]).tobytes())


def _straighten(ink: Image.Image, lines: InkLines) -> Image.Image:
    laid, angle = lines
    strips = laid.resize((_COLUMNS, laid.height), Image.Resampling.BOX)
    fine = (angle + tenth / 10 for tenth in range(-5, 6))
    best = max(fine, key=lambda one: _unevenness(_shear(strips, one, laid.width / _COLUMNS)))
    return ink.rotate(best, Image.Resampling.BILINEAR)


def _crop_to_ink(ink: Image.Image) -> Image.Image:
    """The ink from the first row and column with more than a speck to the last; the whole picture without any."""
    rows = _mark_above(ink.resize((1, ink.height), Image.Resampling.BOX), _SPECK).getbbox()
    columns = _mark_above(ink.resize((ink.width, 1), Image.Resampling.BOX), _SPECK).getbbox()
    return ink.crop((columns[0], rows[1], columns[2], rows[3])) if rows and columns else ink


def _mark_above(picture: Image.Image, level: int) -> Image.Image:
    return picture.point([255 * (one > level) for one in range(256)])
