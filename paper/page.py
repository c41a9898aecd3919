"""Inspects one page image from a scanner or telephone: decodes it fully, finds its codes, and warns about defects.

Pure; child.py calls it under limits. pictures.py decodes, codes.py finds codes, ink.py measures. A defect that a person
can see on the page and decide about is a warning, never a refusal.
"""

import math
from typing import Final

from PIL import Image

from domain.finding import PageFinding
from domain.limits import Limits
from domain.refusals import FileTypeNotAllowed
from paper import codes, ink, media_types, pictures, rendering
from paper.content import Content
from paper.pictures import DecodedPicture

BLANK: Final = "blank"
DARK: Final = "dark"
SKEWED: Final = "skewed"
SMALL: Final = "small"
DAMAGED: Final = "page-damaged"

BLANK_INK_MAX: Final = 0.0001
"""Share of the page: as much as a pen stroke of 1 cm on A4."""
DARK_PAPER_MAX: Final = 100
SKEW_DEGREES_MIN: Final = 2.0
SMALL_DPI_MIN: Final = 150
SMALL_PIXELS_MIN: Final = 1_200

_READING_WIDTH: Final = 1_654
"""A4 at 200 dpi."""
_FILLER: Final = range(127, 130)
_FILLER_ROWS: Final = 8
_FILLER_PIXELS: Final = 64
_EDGE_PIXELS: Final = 8
_BORDER_SHARE: Final = 12
"""A scanner that gives Letter for A4 leaves out a seventeenth of the page."""
_WHITE_MIN: Final = 248


def inspect(content: Content, limits: Limits) -> PageFinding:
    """Decode the picture to its end and return the finding.

    Raises FileTypeNotAllowed for a file that is no picture, FileDamaged, and FileTooManyPixels also for a second page.
    """
    with pictures.refuse_failures():
        media_type = media_types.detect(content, "")
        if media_type not in pictures.PICTURES:
            raise FileTypeNotAllowed(found=media_type)
        return _finding_of(media_type, pictures.decode_only_page(content, media_type, _READING_WIDTH, limits))


def _finding_of(media_type: str, page: DecodedPicture) -> PageFinding:
    grey = _upright_grey(page)
    paper, on_it = ink.paper_and_ink(grey)
    lines = ink.find_lines(on_it)
    wide, high = page.full_size
    on_side = page.orientation >= rendering.ON_SIDE
    return PageFinding(
        media_type=media_type,
        width_px=high if on_side else wide,
        height_px=wide if on_side else high,
        dpi=_dpi_of(page),
        scan_codes=codes.find_texts(grey),
        warnings=_warnings_of(page, paper, on_it, lines),
        look=ink.look_of(on_it, lines),
    )


def _upright_grey(page: DecodedPicture) -> Image.Image:
    """The upright page in grey, at the size at which codes are found."""
    wide, high = page.width, page.height
    scale = min(1.0, math.sqrt(codes.PIXELS_MAX / (wide * high)), rendering.SIDE_MAX / max(wide, high))
    grey = rendering.reduce_page(page, (max(1, int(wide * scale)), max(1, int(high * scale)))).convert("L")
    return grey.transpose(rendering.UPRIGHT[page.orientation]) if page.orientation in rendering.UPRIGHT else grey


def _dpi_of(page: DecodedPicture) -> int | None:
    """The resolution if it is equal across and down, else None: a fax has more dots across than down."""
    across, down = page.dpi or (0.0, 1.0)
    return round(across) if round(across) == round(down) else None


def _warnings_of(page: DecodedPicture, paper: int, on_it: Image.Image, lines: ink.InkLines | None) -> tuple[str, ...]:
    words = {
        BLANK: ink.ink_share(on_it) <= BLANK_INK_MAX,
        DARK: paper <= DARK_PAPER_MAX,
        SKEWED: lines is not None and abs(lines.skew_degrees) >= SKEW_DEGREES_MIN,
        SMALL: _is_small(page),
        DAMAGED: _ends_in_filler(page),
    }
    return tuple(word for word, is_so in words.items() if is_so)


def _is_small(page: DecodedPicture) -> bool:
    """True if small print of a whole page could hardly be read.

    A high resolution identifies a small sheet of paper: programs that do not know the resolution write 72 or 96.
    """
    return max(page.full_size) < SMALL_PIXELS_MIN and (page.dpi is None or min(page.dpi) < SMALL_DPI_MIN)


def _ends_in_filler(page: DecodedPicture) -> bool:
    """True if the picture without its white borders ends in the grey of missing blocks.

    A JPEG that was cut and then closed decodes without an error, with this grey in place of the missing part. A back
    end may have put a white border around it, which a JPEG encoder blurs into the last _EDGE_PIXELS of the grey.
    """
    rows = page.rows(max(0, page.height - page.height // _BORDER_SHARE - _FILLER_ROWS), page.height).convert("L")
    borders = rows.point([255 * (level < _WHITE_MIN) for level in range(256)]).getbbox()
    if borders is None:
        return False
    return any(_is_filler(rows, borders[2] - inset, borders[3] - inset) for inset in (0, _EDGE_PIXELS))


def _is_filler(rows: Image.Image, right: int, bottom: int) -> bool:
    end = rows.crop((max(0, right - _FILLER_PIXELS), max(0, bottom - _FILLER_ROWS), max(1, right), max(1, bottom)))
    return all(level in _FILLER for level in end.getextrema())
