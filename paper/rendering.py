"""Draws page images: each is a new picture of a page, so that no byte of the original reaches a browser."""

import io
import math
from typing import Final

from PIL import Image

from domain.limits import Limits
from domain.refusals import FileDamaged, NotFound
from paper import media_types, pdfs, pictures
from paper.content import Content

WIDTH_MIN: Final = 16
WIDTH_MAX: Final = 2400
PIXELS_MAX: Final = 12_000_000
SIDE_MAX: Final = 16_000
"""Side of a page image of any shape: 2,400 pixels wide up to a ratio of 1 to 2, smaller beyond."""

_QUALITY = 85
_STRIP_PIXELS = 1_000_000
UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_SIDE: Final = 5
"""Orientations from ON_SIDE to 8 lie on their side; UPRIGHT maps an EXIF orientation to its inverse."""
_CLOCKWISE: Final = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def draw_page_image(
    content: Content, media_type: str, page: int, width: int, limits: Limits, *, degrees: int = 0
) -> bytes:
    """JPEG of page `page` (from 1): upright, grey or RGB, on white, without metadata, `width` (16..2400) pixels wide.

    `degrees` (0, 90, 180, 270) turns the upright page clockwise; the width is that of the turned page. A narrower
    picture keeps its size. Raises NotFound for a missing page or a type without page images, FilePasswordProtected,
    FileDamaged, FileTooManyPixels.
    """
    width = min(max(width, WIDTH_MIN), WIDTH_MAX)
    if media_type not in media_types.WITH_PREVIEW:
        raise NotFound()
    with pictures.refuse_failures():
        return _encode_jpeg(_draw_page(content, media_type, page, width, degrees, limits))


def _draw_page(content: Content, media_type: str, number: int, width: int, degrees: int, limits: Limits) -> Image.Image:
    turned = degrees in (90, 270)
    if media_type == media_types.PDF:
        return _turn(
            pdfs.draw_page(content, number, lambda wide, high: _scale_of(wide, high, width, turned), limits), degrees
        )
    page = pictures.decode_page(content, media_type, number, width, limits)
    scale = min(1.0, _scale_of(page.width, page.height, width, turned != (page.orientation >= ON_SIDE)))
    small = reduce_page(page, (max(1, round(page.width * scale)), max(1, round(page.height * scale))))
    upright = small.transpose(UPRIGHT[page.orientation]) if page.orientation in UPRIGHT else small
    return _turn(upright, degrees)


def _turn(upright: Image.Image, degrees: int) -> Image.Image:
    return upright.transpose(_CLOCKWISE[degrees]) if degrees in _CLOCKWISE else upright


def _scale_of(wide: float, high: float, width: int, on_side: bool) -> float:
    """Pixels for each unit of a page that is to be `width` wide when upright."""
    across = high if on_side else wide
    return min(width / across, SIDE_MAX / max(wide, high), math.sqrt(PIXELS_MAX / (wide * high)))


def reduce_page(page: pictures.DecodedPicture, size: tuple[int, int]) -> Image.Image:
    """The page at `size`, with its orientation in the file, grey or RGB on white.

    Colours are converted strip by strip, so a large page is never in memory twice.
    """
    factor = max(1, min(page.width // size[0], page.height // size[1]))
    step = max(1, _STRIP_PIXELS // page.width // factor) * factor
    strips = ((top, flatten(page.rows(top, min(top + step, page.height)))) for top in range(0, page.height, step))
    whole: Image.Image | None = None
    for top, strip in strips:
        if whole is None:
            whole = Image.new(strip.mode, (-(-page.width // factor), -(-page.height // factor)))
        whole.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    if whole is None:
        raise FileDamaged()
    return whole if whole.size == size else whole.resize(size, Image.Resampling.LANCZOS)


def flatten(strip: Image.Image) -> Image.Image:
    """The strip in grey or RGB, with white for transparency."""
    if strip.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in strip.info:
        white = Image.new("RGBA", strip.size, "white")
        white.alpha_composite(strip.convert("RGBA"))
        return white.convert("RGB")
    if strip.mode.startswith("I"):
        return strip.convert("I").point(lambda level: level * (1 / 256)).convert("L")
    if strip.mode in ("1", "F"):
        return strip.convert("L")
    return strip if strip.mode in ("L", "RGB") else strip.convert("RGB")


def _encode_jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
