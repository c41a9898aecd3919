"""Encodes a raster as JPEG, verifies the JPEG by reading it back, and detects damaged pictures. Quality 85, the
resolution in its header, no other metadata. Pure except for Pillow."""

import io
from typing import Final

from PIL import Image, ImageChops, JpegImagePlugin

from scanner.driver import Raster
from scanner.errors import DeviceFault, Fault

QUALITY: Final = 85
DAMAGED: Final = "page-damaged"

_MODES: Final = {1: "L", 3: "RGB"}
_FILLER: Final = 128
"""libjpeg fills the missing blocks of a cut picture with exactly this level, and SANE back ends do not report it."""
_FILLER_ROWS: Final = 8
_FILLER_PIXELS: Final = 64
_BORDER_SHARE: Final = 12
"""Part of the height searched: a Letter scanner lacks a seventeenth of A4. The whole page would cost memory."""
_SCALE: Final = 8


def encode_page(raster: Raster, dpi: int) -> bytes:
    """The page as a JPEG. Raises DAMAGED_PAGE when it cannot be read back."""
    out = io.BytesIO()
    picture_of(raster).save(out, "JPEG", quality=QUALITY, dpi=(dpi, dpi))
    _verify_readable(out, (raster.width, raster.rows))
    return out.getvalue()


def warnings_of(raster: Raster) -> tuple[str, ...]:
    """`page-damaged` for a picture that was truncated inside the back end: it ends in filler."""
    return (DAMAGED,) if _ends_in_filler(picture_of(raster)) else ()


def picture_of(raster: Raster) -> Image.Image:
    mode = _MODES[raster.channels]
    return Image.frombuffer(mode, (raster.width, raster.rows), raster.data, "raw", mode, 0, 1)


def _ends_in_filler(picture: Image.Image) -> bool:
    """True if the picture without its white borders ends in filler. sane-airscan adds a border where a scanner's
    picture is smaller than the requested area."""
    last = picture.crop((0, max(0, picture.height - max(_FILLER_ROWS, picture.height // _BORDER_SHARE)), *picture.size))
    borders = ImageChops.invert(last).getbbox()
    if borders is None:
        return False
    right, bottom = borders[2], borders[3]
    end = last.crop((max(0, right - _FILLER_PIXELS), max(0, bottom - _FILLER_ROWS), right, bottom))
    return all(levels == (_FILLER, _FILLER) for levels in _extremes(end))


def _extremes(picture: Image.Image) -> list[tuple[int, int]]:
    """The lowest and highest level of each channel."""
    return [channel.getextrema() for channel in picture.split()]  # type: ignore[misc]  # pairs of integers, for L


def _verify_readable(file: io.BytesIO, size: tuple[int, int]) -> None:
    """Decode the JPEG at an eighth of the size: every bit is still read, in an eighth of the memory. Raises
    DAMAGED_PAGE."""
    file.seek(0)
    try:
        picture = JpegImagePlugin.JpegImageFile(file)
        same = picture.size == size
        picture.draft(None, (max(1, size[0] // _SCALE), max(1, size[1] // _SCALE)))
        picture.load()
    except OSError as error:
        raise DeviceFault(Fault.DAMAGED_PAGE, str(error)) from error
    if not same:
        raise DeviceFault(Fault.DAMAGED_PAGE, f"{picture.size} instead of {size}")
