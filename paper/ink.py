"""What is on a page, apart from what it says: how much ink, how its lines run, what it looks like. Pure, with Pillow.

page.py makes warnings of it. Ink is a picture of its own, white where something is on the paper and black elsewhere.
"""

import math
import statistics
from itertools import pairwise
from typing import Final

from PIL import Image, ImageChops, ImageFilter

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
"""A tenth of what a short letter has: a stroke or two make no line."""

_SPECK: Final = 1
"""Of 255 for a row or column that is all ink: five pixels of A4."""
_BANDS: Final = (2, 33)
_BAND_STEP: Final = 6


def paper_and_ink(grey: Image.Image) -> tuple[int, Image.Image]:
    """How light the paper is (0 to 255), and the ink on it, without the edges and with at most PIXELS."""
    scale = min(1.0, math.sqrt(PIXELS / (grey.width * grey.height)))
    size = (max(1, int(grey.width * scale)), max(1, int(grey.height * scale)))
    across, down = int(size[0] * _EDGE), int(size[1] * _EDGE)
    inner = grey.resize(size, Image.Resampling.BOX).crop((across, down, size[0] - across, size[1] - down))
    # The lightest within two centimetres is paper, so the shadow of a telephone is no ink.
    paper = inner.reduce(_PAPER_PIXELS).filter(ImageFilter.MaxFilter(_PAPER_CELLS))
    darker = ImageChops.subtract(paper.resize(inner.size, Image.Resampling.BILINEAR), inner)
    return round(statistics.median(paper.tobytes())), _above(darker, _CONTRAST)


def ratio(ink: Image.Image) -> float:
    """Which part of the page has ink on it."""
    return ink.histogram()[255] / (ink.width * ink.height)


def skew_degrees(ink: Image.Image) -> float | None:
    """How far the lines of a page fall to the right, in half degrees up to 8. None where there are no lines.

    At the right angle rows of pixels are full and empty in turn. On a page that lies on its side columns are.
    """
    if ratio(ink) < _LINE_INK_MIN:
        return None
    for laid in (ink, ink.transpose(Image.Transpose.ROTATE_90)):
        contrast, angle = _lines(laid)
        if contrast >= _LINE_CONTRAST_MIN:
            return angle
    return None


def _lines(ink: Image.Image) -> tuple[float, float]:
    """How much better the best angle is than the usual one, and that angle.

    Not the page is turned, but a few upright strips of it are moved up and down, each a single column of pixels.
    """
    strips = ink.resize((_COLUMNS, ink.height), Image.Resampling.BOX)
    scores = [(_unevenness(_sheared(strips, angle, ink.width / _COLUMNS)), angle) for angle in _ANGLES]
    best, angle = max(scores)
    return best / max(1.0, statistics.median(score for score, _ in scores)), angle


def _sheared(strips: Image.Image, angle: float, strip_width: float) -> Image.Image:
    fall = math.tan(math.radians(angle)) * strip_width
    place = (1, 0, 0, fall, 1, -fall * strips.width / 2)
    return strips.transform(strips.size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR)


def _unevenness(strips: Image.Image) -> float:
    rows = strips.resize((1, strips.height), Image.Resampling.BOX).tobytes()
    return float(sum((above - below) ** 2 for above, below in pairwise(rows)))


def fingerprint(ink: Image.Image) -> int:
    """64 bits that two scans of one page share, but for a few: where ink gets less from one of 33 bands to the next.

    Left and right are told apart. The bands go from the first ink to the last, so it does not matter where exactly the
    page lay. Of pairs of scans of one letter (moved by 3 mm, turned by half a degree, grainy) 93 to 95 % differ in at
    most 4 bits, of pairs of letters with one letterhead 1 in 1,000. Forms that are printed alike look alike here, too.
    0 without ink.
    """
    wide, high = _BANDS
    # Each band takes a little of its neighbours, for a line that lies on the border of two.
    fine = _written(ink).resize((4 * wide, 4 * high), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(2))
    bands = fine.resize(_BANDS, Image.Resampling.BOX).tobytes()
    below = zip(bands, bands[wide:], strict=False)
    return sum((one > other + _BAND_STEP) << place for place, (one, other) in enumerate(below))


def _written(ink: Image.Image) -> Image.Image:
    """From the first row and column with more than a speck of ink to the last; the whole where there is none."""
    rows = _above(ink.resize((1, ink.height), Image.Resampling.BOX), _SPECK).getbbox()
    columns = _above(ink.resize((ink.width, 1), Image.Resampling.BOX), _SPECK).getbbox()
    return ink.crop((columns[0], rows[1], columns[2], rows[3])) if rows and columns else ink


def _above(picture: Image.Image, level: int) -> Image.Image:
    return picture.point([255 * (one > level) for one in range(256)])
