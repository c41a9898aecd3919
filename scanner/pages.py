"""From rows to the page that is kept: a JPEG that was read back whole, and what is odd about it.

Quality 85, the resolution in its header, no metadata else. Pure but for Pillow.
"""

import io
from typing import Final

from PIL import Image, JpegImagePlugin

from scanner.driver import Raster
from scanner.errors import DeviceFault, Fault

QUALITY: Final = 85
DAMAGED: Final = "page-damaged"

_MODES: Final = {1: "L", 3: "RGB"}
# libjpeg fills the blocks that a cut picture lacks with exactly this, and SANE back ends say nothing of it.
_FILLER: Final = 128
_FILLER_ROWS: Final = 8
_FILLER_PIXELS: Final = 64
_SCALE: Final = 8


def encoded(raster: Raster, dpi: int) -> bytes:
    """The page as a JPEG. Raises DAMAGED_PAGE when it cannot be read back."""
    size = (raster.width, raster.rows)
    mode = _MODES[raster.channels]
    picture = Image.frombuffer(mode, size, raster.data, "raw", mode, 0, 1)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, dpi=(dpi, dpi))
    _read_back(out, size)
    return out.getvalue()


def warnings_of(raster: Raster) -> tuple[str, ...]:
    """`page-damaged` for a picture that was cut on its way through the back end: filler where it ends."""
    rows = range(raster.rows - 1, max(-1, raster.rows - 1 - _FILLER_ROWS), -1)
    return (DAMAGED,) if all(_ends_in_filler(raster, row) for row in rows) else ()


def _ends_in_filler(raster: Raster, row: int) -> bool:
    end = (row + 1) * raster.width * raster.channels
    count = min(_FILLER_PIXELS, raster.width) * raster.channels
    return raster.data[end - count : end] == bytes([_FILLER]) * count


def _read_back(file: io.BytesIO, size: tuple[int, int]) -> None:
    """At an eighth of the size every bit is read all the same, in an eighth of the memory."""
    file.seek(0)
    try:
        picture = JpegImagePlugin.JpegImageFile(file)
        same = picture.size == size
        picture.draft(None, (max(1, size[0] // _SCALE), max(1, size[1] // _SCALE)))
        picture.load()
    except OSError as error:
        raise DeviceFault(Fault.DAMAGED_PAGE, str(error)) from error
    if not same:
        raise DeviceFault(Fault.DAMAGED_PAGE, f"{picture.size} in place of {size}")
