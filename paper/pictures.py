"""Decodes pictures: every frame to its last byte, or single pages for rendering.py. Home of Pillow and libheif.

Pixels are counted from the headers before any decoding. All of it runs in a limited child (child.py).
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from typing import IO, Any, Final, cast

import msgspec
import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from domain.limits import Limits
from domain.refusals import FileDamaged, FileTooManyPixels, NotFound, Refusal
from paper import endings, tiff_directories
from paper.content import Content, Mapped
from paper.media_types import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP

# Pillow imports this when it meets a CIELAB picture, which is too late: a child can open no more files.
_PRELOADED: Final = (ImageCms,)

# Each type has exactly one decoder; Pillow never guesses among all of its own.
_DECODERS: Final[dict[str, type[ImageFile.ImageFile]]] = {
    JPEG: JpegImagePlugin.JpegImageFile,
    PNG: PngImagePlugin.PngImageFile,
    TIFF: TiffImagePlugin.TiffImageFile,
    WEBP: WebPImagePlugin.WebPImageFile,
    AVIF: AvifImagePlugin.AvifImageFile,
    GIF: GifImagePlugin.GifImageFile,
    BMP: BmpImagePlugin.BmpImageFile,
}
PICTURES: Final = frozenset({*_DECODERS, HEIC})

DPI_MIN: Final = 50
DPI_MAX: Final = 4_800

_ORIENTATION_TAG = 0x0112
_JPEG_SCALE_MAX = 8
_JPEG_SCAN = b"\xff\xda"
"""Marker of a scan; inside a scan 0xff is followed by 0 or by a restart marker (ITU T.81 B.1.1.5)."""
_INCHES_MAX = 24
"""No desk scanner takes more than A2."""


class DecodedPicture(msgspec.Struct, frozen=True):
    """A decoded picture: its size in pixels, rows [top, bottom) of it on demand, its EXIF orientation (1 to 8).

    `full_size`: the size in the file, from which a JPEG may be decoded smaller. `dpi`: across and down, if the file
    states it credibly.
    """

    width: int
    height: int
    rows: Callable[[int, int], Image.Image]
    orientation: int
    full_size: tuple[int, int]
    dpi: tuple[float, float] | None


@contextmanager
def refuse_failures() -> Iterator[None]:
    """Turn any exception of a decoder into a refusal: FileTooManyPixels for lack of memory, else FileDamaged.

    Decoders raise arbitrary exceptions for bad bytes; for the sender they all mean the same.
    """
    try:
        yield
    except Refusal:
        raise
    except (MemoryError, Image.DecompressionBombError) as too_much:
        raise FileTooManyPixels() from too_much
    except Exception as broken:
        raise FileDamaged() from broken


def configure(limits: Limits) -> None:
    """Set Pillow's pixel limit and one thread for each decoder. Once in a process, before any picture."""
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = limits.image_pixels_max
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.options.DECODE_THREADS = 0


def examine(content: Content, media_type: str, limits: Limits) -> int:
    """Decode every frame and return the number of pages; a film of any length is one page.

    Raises FileDamaged, FileTooManyPixels for too many pixels in a frame or in all frames or for too many frames, and
    any exception of a decoder.
    """
    if media_type == HEIC:
        return _examine_heif(content, limits)
    picture = _open_complete(content, media_type, limits)
    _check_file_pixels(_frame_pixels(picture, limits), limits)
    frames = _decode_frames(picture, limits)
    return frames if media_type == TIFF else 1


def decode_only_page(content: Content, media_type: str, width: int, limits: Limits) -> DecodedPicture:
    """The page of a picture with exactly one, checked like examine() and decoded once.

    A JPEG is decoded in grey and only as large as `width` pixels need. Raises FileTooManyPixels also for a second page.
    """
    if media_type == HEIC:
        if len(_open_heif(content, limits)) > 1:
            raise FileTooManyPixels()
        return _decode_heif_page(content, 1, limits)
    picture = _open_complete(content, media_type, limits)
    if isinstance(picture, TiffImagePlugin.TiffImageFile) and picture.n_frames > 1:
        raise FileTooManyPixels()
    return _decode_reduced(picture, width, "L")


def decode_page(content: Content, media_type: str, number: int, width: int, limits: Limits) -> DecodedPicture:
    """Page `number` (from 1). A JPEG is decoded only as large as an image of `width` pixels needs.

    Raises NotFound for a missing page.
    """
    if media_type == HEIC:
        return _decode_heif_page(content, number, limits)
    if number != 1 and media_type != TIFF:
        raise NotFound()
    picture = open_picture(content, media_type, limits)
    try:
        picture.seek(number - 1)
    except EOFError as beyond:
        raise NotFound() from beyond
    check_pixels(picture.size, limits)
    return _decode_reduced(picture, width)


def check_pixels(size: tuple[int, int], limits: Limits) -> None:
    """Raises FileTooManyPixels above the limit and FileDamaged for a picture without pixels."""
    width, height = size
    if width * height > limits.image_pixels_max:
        raise FileTooManyPixels()
    if width < 1 or height < 1:
        raise FileDamaged()


def _check_file_pixels(frame_pixels: Iterable[int], limits: Limits) -> None:
    """Raises FileTooManyPixels when all frames together have more than the limit."""
    if any(pixels > limits.file_pixels_max for pixels in accumulate(frame_pixels)):
        raise FileTooManyPixels()


def _frame_pixels(picture: ImageFile.ImageFile, limits: Limits) -> Iterator[int]:
    """Pixels of each frame, from the headers; the picture is at its first frame before and afterwards."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        yield picture.width * picture.height * getattr(picture, "n_frames", 1)
        return
    with suppress(EOFError):
        for frame in range(limits.image_frames_max):
            picture.seek(frame)
            yield picture.width * picture.height
    picture.seek(0)


def open_picture(content: Content, media_type: str, limits: Limits) -> ImageFile.ImageFile:
    """A picture (no HEIC) with only its header read. Raises FileTooManyPixels."""
    file = content if isinstance(content, Mapped) else io.BytesIO(content)
    file.seek(0)
    picture = _DECODERS[media_type](cast(IO[bytes], file))
    check_pixels(picture.size, limits)
    return picture


def _open_complete(content: Content, media_type: str, limits: Limits) -> ImageFile.ImageFile:
    """A picture (no HEIC) with only its header read. Raises FileDamaged if the file has no end."""
    if media_type == PNG:
        endings.check_png(content)
    if media_type == JPEG:
        _check_scans(content, limits)
    if media_type == TIFF:
        tiff_directories.check_directories(content, limits.image_frames_max)
    if media_type == AVIF:
        _check_iso(content, limits)
    picture = open_picture(content, media_type, limits)
    if media_type == GIF:
        # After the pixel check, so that a false header costs no walk through the blocks.
        endings.check_gif(content)
    return picture


def _check_scans(content: Content, limits: Limits) -> None:
    """Each scan of a progressive JPEG processes all pixels again, so it counts as a frame."""
    width, height = open_picture(content, JPEG, limits).size
    _check_file_pixels((width * height for _ in _places_of(content, _JPEG_SCAN)), limits)


def _places_of(content: Content, pattern: bytes) -> Iterator[int]:
    at = content.find(pattern)
    while at >= 0:
        yield at
        at = content.find(pattern, at + len(pattern))


def _check_iso(content: Content, limits: Limits) -> None:
    """Check that boxes are whole and that every declared picture size (ispe, ISO 23008-12 6.5.3) is within the
    limit.
    """
    first, end = endings.iso_boxes(content).get(b"meta", (0, 0))
    meta = content[first:end]
    at = meta.find(b"ispe")
    while at >= 0:
        width, height = int.from_bytes(meta[at + 8 : at + 12], "big"), int.from_bytes(meta[at + 12 : at + 16], "big")
        check_pixels((width, height), limits)
        at = meta.find(b"ispe", at + 4)


def _decode_frames(picture: ImageFile.ImageFile, limits: Limits) -> int:
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        # At an eighth of the size every bit of the scan is still read, so a cut or garbled scan fails too.
        picture.draft(None, (max(1, picture.width // _JPEG_SCALE_MAX), max(1, picture.height // _JPEG_SCALE_MAX)))
    for frame in range(limits.image_frames_max + 1):
        try:
            picture.seek(frame)
        except EOFError:
            return frame
        check_pixels(picture.size, limits)
        if frame < limits.image_frames_max:
            picture.load()
    raise FileTooManyPixels()


def _decode_reduced(picture: ImageFile.ImageFile, width: int, mode: str | None = None) -> DecodedPicture:
    full_size = picture.size
    picture.draft(mode, (width, width))
    picture.load()
    return DecodedPicture(
        *picture.size, _rows_of(picture), orientation_of(picture), full_size, dpi_of(picture, full_size)
    )


def _rows_of(picture: Image.Image) -> Callable[[int, int], Image.Image]:
    return lambda top, bottom: picture.crop((0, top, picture.width, bottom))


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) for a metadata block that cannot be read."""
    try:
        told = picture.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  Pillow raises arbitrary exceptions for broken metadata.
        return 1
    return told if told in range(1, 9) else 1


def dpi_of(picture: Image.Image, size: tuple[int, int]) -> tuple[float, float] | None:
    """The resolution in the file, or None if it is not credible: cameras always write 72, which would be a page of a
    metre."""
    try:
        across, down = map(float, picture.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    credible = all(DPI_MIN <= dots <= DPI_MAX for dots in (across, down))
    return (across, down) if credible and max(size[0] / across, size[1] / down) <= _INCHES_MAX else None


# libheif is called directly, not by its Pillow plugin: the plugin's second copy of a 48 megapixel photo of a
# telephone (354 MiB in all against 245) would leave no room for making a page image of it.


def _examine_heif(content: Content, limits: Limits) -> int:
    pictures = _open_heif(content, limits)
    if len(pictures) > limits.image_frames_max:
        raise FileTooManyPixels()
    for number in range(len(pictures)):
        check_pixels(pictures[number].size, limits)
    _check_file_pixels((width * height for width, height in (picture.size for picture in pictures)), limits)
    for number in range(len(pictures)):
        # Opened again, so that the pixels of one picture are freed before the next is decoded.
        _open_heif(content, limits)[number].load()
    return len(pictures)


def _decode_heif_page(content: Content, number: int, limits: Limits) -> DecodedPicture:
    """Page `number`: the picture that the file calls primary is page 1, the others follow in their order."""
    pictures = _open_heif(content, limits)
    order = sorted(range(len(pictures)), key=lambda index: index != pictures.primary_index)
    if not 1 <= number <= len(order):
        raise NotFound()
    picture = pictures[order[number - 1]]
    check_pixels(picture.size, limits)
    picture.load()
    width, height = picture.size
    return DecodedPicture(width, height, _heif_rows_of(picture), 1, (width, height), None)


def _open_heif(content: Content, limits: Limits) -> Any:
    _check_iso(content, limits)
    return pillow_heif.open_heif(bytes(content), convert_hdr_to_8bit=True)


def _heif_rows_of(picture: Any) -> Callable[[int, int], Image.Image]:
    def rows(top: int, bottom: int) -> Image.Image:
        strip = picture.data[top * picture.stride : bottom * picture.stride]
        size = (picture.size[0], bottom - top)
        return Image.frombuffer(picture.mode, size, strip, "raw", picture.mode, picture.stride, 1)

    return rows
