"""Assembles page images into one PDF without loss. child.py streams the pieces while they are made.

A JPEG is embedded byte for byte, a PNG with its compressed pixels; other pictures are compressed again without loss.
img2pdf knows how a picture is stored in a PDF; this module writes the file around it and so holds one page at a time in
memory. The file has no date and no name: the same pages give the same bytes.
"""

import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from PIL import GifImagePlugin, Image, ImageChops

from domain.limits import Limits
from domain.refusals import FileTypeNotAllowed
from paper import media_types, pictures, rendering
from paper.media_types import JPEG, PNG
from paper.pictures import DecodedPicture


def _import_img2pdf() -> Any:
    """Import img2pdf without its side effects: pikepdf (5 MiB in every process, unused) and another way to read
    GIFs.
    """
    loaded, strategy = sys.modules.get("pikepdf"), GifImagePlugin.LOADING_STRATEGY
    sys.modules["pikepdf"] = None  # type: ignore[assignment]  # So that importing it fails, says the import system.
    try:
        import img2pdf  # type: ignore[import-untyped]  # It ships without types.
    finally:
        del sys.modules["pikepdf"]
        if loaded:
            sys.modules["pikepdf"] = loaded
        GifImagePlugin.LOADING_STRATEGY = strategy
    return img2pdf


img2pdf: Final = _import_img2pdf()

PRODUCER: Final = "Dossier"
DPI_ASSUMED: Final = 300
SIDE_POINTS_MAX: Final = 14_400
"""ISO 32000, annex C: five metres."""

_HEADER: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_PACKING: Final = 1
"""Of zlib: a photo of 12 megapixels takes 0.4 s; level 6 takes 2.3 s for 7 % fewer bytes."""
_STRIP_PIXELS: Final = 1_000_000
_UNFILTERED, _UP = b"\0", b"\2"

_PLACING: Final = {
    1: (False, 0),
    2: (True, 0),
    3: (False, 180),
    4: (True, 180),
    5: (True, 270),
    6: (False, 90),
    7: (True, 90),
    8: (False, 270),
}
"""EXIF orientation -> whether the picture is mirrored, and how far it is then turned clockwise."""

_PNG_COLOURS: Final = {0: img2pdf.Colorspace.L, 2: img2pdf.Colorspace.RGB, 3: img2pdf.Colorspace.P}
"""Colour types of PNG without transparency."""
_PNG_NOTES: Final = frozenset({b"eXIf", b"iTXt", b"tEXt", b"zTXt"})
"""Chunks that can hold the orientation. They may follow the pixels; a file without them need not be decoded."""
_PROFILES: Final = {
    img2pdf.Colorspace.L: b"GRAY",
    img2pdf.Colorspace.RGB: b"RGB ",
    img2pdf.Colorspace.CMYK: b"CMYK",
    img2pdf.Colorspace["CMYK;I"]: b"CMYK",
}
_PROFILE_BYTES_MAX: Final = 1024 * 1024


class _Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A page image as a PDF holds it."""

    size: tuple[int, int]
    dpi: tuple[float, float] | None
    orientation: int
    colours: Any
    format: Any
    data: "bytes | _Packing"
    palette: bytes = b""
    depth: int = 8
    profile: bytes | None = None


def assemble_pdf(pages: Iterable[tuple[bytes, int]], limits: Limits) -> Iterator[bytes]:
    """The PDF of page images, in pieces. Each image comes with its clockwise turn in degrees (0, 90, 180, 270).

    A page has the size that its file states, or that of DPI_ASSUMED where the file states nothing credible. Raises
    FileTypeNotAllowed for a file that is no picture, FileDamaged and FileTooManyPixels; page.py has checked for all
    three before.
    """
    document = img2pdf.pdfdoc(engine=img2pdf.Engine.internal, producer=PRODUCER, nodate=True)
    file = _File(document.writer)
    yield from file.emit([_HEADER])
    for content, degrees in pages:
        with pictures.refuse_failures():
            _add_page(document, _picture_of(content, limits), degrees)
        yield from file.emit_streams()
    document.finalize()
    yield from file.emit_rest()


class _File:
    """Writes a PDF and records where each object begins. Objects with a stream are written and forgotten at once."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._size = 0
        self._places: dict[int, int] = {}
        self._seen = 0

    def emit(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._size += len(piece)
            yield piece

    def emit_streams(self) -> Iterator[bytes]:
        """The objects with a stream that were added since the last call."""
        added = self._writer.objects[self._seen :]
        self._seen += len(added)
        for one in added:
            if one.stream is not None:
                yield from self._emit_object(one)
                one.stream = None

    def emit_rest(self) -> Iterator[bytes]:
        """The objects that refer to others, and the cross-reference table (ISO 32000 7.5.4)."""
        objects = self._writer.objects
        for one in objects:
            if one.identifier not in self._places:
                yield from self._emit_object(one)
        start = self._size
        yield from self.emit([b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)])
        yield from self.emit(b"%010d 00000 n \n" % self._places[one.identifier] for one in objects)
        names = {b"/Size": len(objects) + 1, b"/Info": self._writer.docinfo, b"/Root": self._writer.catalog}
        yield from self.emit([b"trailer\n", img2pdf.parse(names), b"\nstartxref\n%d\n%%%%EOF\n" % start])

    def _emit_object(self, one: Any) -> Iterator[bytes]:
        self._places[one.identifier] = self._size
        length = self._length_of(one)
        yield from self.emit([b"%d 0 obj\n" % one.identifier, img2pdf.parse(one.content)])
        if one.stream is not None:
            yield from self.emit([b"\nstream\n"])
            begin = self._size
            yield from self.emit(one.stream if length else [one.stream])
            if length:
                length.content = self._size - begin
            yield from self.emit([b"\nendstream"])
        yield from self.emit([b"\nendobj\n"])

    def _length_of(self, one: Any) -> Any:
        """A separate object for the length of a stream that is not known before (ISO 32000 7.3.10, example 3), else
        None."""
        if not isinstance(one.stream, _Packing):
            return None
        length = img2pdf.MyPdfDict()
        self._writer.addobj(length)
        one[img2pdf.MyPdfName.Length] = length
        return length


def _add_page(document: Any, picture: _Picture, degrees: int) -> None:
    mirrored, turned = _PLACING[picture.orientation]
    wide, high = _size_in_points(picture)
    document.add_imagepage(
        picture.colours,
        *picture.size,
        picture.format,
        picture.data,
        None,
        -wide if mirrored else wide,
        high,
        wide if mirrored else 0.0,
        0.0,
        wide,
        high,
        palette=picture.palette,
        depth=picture.depth,
        rotate=(turned + degrees) % 360,
        iccp=picture.profile,
    )


def _size_in_points(picture: _Picture) -> tuple[float, float]:
    across, down = picture.dpi or (DPI_ASSUMED, DPI_ASSUMED)
    wide, high = picture.size[0] * 72 / across, picture.size[1] * 72 / down
    fitting = min(1.0, SIDE_POINTS_MAX / max(wide, high))
    return wide * fitting, high * fitting


def _picture_of(content: bytes, limits: Limits) -> _Picture:
    media_type = media_types.detect(content, "")
    if media_type not in pictures.PICTURES:
        raise FileTypeNotAllowed(found=media_type)
    if media_type == JPEG:
        return _picture_of_jpeg(content, limits)
    return (_picture_of_png(content, limits) if media_type == PNG else None) or _repack_picture(
        content, media_type, limits
    )


def _picture_of_jpeg(content: bytes, limits: Limits) -> _Picture:
    picture = pictures.open_picture(content, JPEG, limits)
    colours = img2pdf.Colorspace[picture.mode]
    if colours is img2pdf.Colorspace.CMYK and "adobe" in picture.info:
        # Adobe programs write inverted CMYK.
        colours = img2pdf.Colorspace["CMYK;I"]
    return _Picture(
        size=picture.size,
        dpi=pictures.dpi_of(picture, picture.size),
        orientation=pictures.orientation_of(picture),
        colours=colours,
        format=img2pdf.ImageFormat.JPEG,
        data=content,
        profile=_profile_of(picture, colours),
    )


def _picture_of_png(content: bytes, limits: Limits) -> _Picture | None:
    """The compressed pixels unchanged. None for interlaced or transparent pictures, which a PDF compresses
    otherwise.
    """
    picture = pictures.open_picture(content, PNG, limits)
    depth, kind, interlaced = content[24], content[25], content[28]
    if kind not in _PNG_COLOURS or interlaced or "transparency" in picture.info:
        return None
    chunks = list(_png_chunks(content))
    return _Picture(
        size=picture.size,
        dpi=pictures.dpi_of(picture, picture.size),
        orientation=pictures.orientation_of(picture) if any(name in _PNG_NOTES for name, _ in chunks) else 1,
        colours=_PNG_COLOURS[kind],
        format=img2pdf.ImageFormat.PNG,
        data=b"".join(data for name, data in chunks if name == b"IDAT"),
        palette=b"".join(data for name, data in chunks if name == b"PLTE") if kind == 3 else b"",
        depth=depth,
        profile=_profile_of(picture, _PNG_COLOURS[kind]),
    )


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and data of each chunk up to IEND; bytes after it are ignored."""
    name, at, whole = b"", 8, memoryview(content)
    while name != b"IEND":
        size, name = struct.unpack_from(">I4s", whole, at)
        yield name, whole[at + 8 : at + 8 + size]
        at += size + 12


def _profile_of(picture: Image.Image, colours: Any) -> bytes | None:
    """The colour profile if it fits such a picture (ICC.1, 7.2), else None: readers refuse a page with any other
    profile."""
    profile = picture.info.get("icc_profile") or b""
    if colours not in _PROFILES or not 128 <= len(profile) <= _PROFILE_BYTES_MAX:
        return None
    return profile if (profile[16:20], profile[36:40]) == (_PROFILES[colours], b"acsp") else None


def _repack_picture(content: bytes, media_type: str, limits: Limits) -> _Picture:
    """Decode the picture and compress it again: two levels as a fax, grey of up to 16 bits, else RGB of 8 bits, on
    white."""
    page = pictures.decode_page(content, media_type, 1, sys.maxsize, limits)
    picture = _Picture(
        size=(page.width, page.height),
        dpi=page.dpi,
        orientation=page.orientation,
        colours=img2pdf.Colorspace["1"],
        format=img2pdf.ImageFormat.CCITTGroup4,
        data=b"",
        depth=1,
    )
    mode = page.rows(0, 1).mode
    if mode == "1":
        return msgspec.structs.replace(picture, data=img2pdf.transcode_monochrome(page.rows(0, page.height)))
    deep = mode.startswith("I;16")
    return msgspec.structs.replace(
        picture,
        colours=img2pdf.Colorspace[rendering.flatten(page.rows(0, 1)).mode],
        format=img2pdf.ImageFormat.PNG,
        data=_Packing(page, deep),
        depth=16 if deep else 8,
    )


class _Packing:
    """The rows of a page, compressed as in a PNG while they are read: memory has no room for a large picture and its
    result.

    The length is not known in advance, so len() is 0 for img2pdf.
    """

    def __init__(self, page: DecodedPicture, deep: bool) -> None:
        self._page, self._deep = page, deep

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[bytes]:
        packer = zlib.compressobj(_PACKING)
        for rows in self._filter_rows():
            yield packer.compress(rows)
        yield packer.flush()

    def _filter_rows(self) -> Iterator[bytes]:
        above: Image.Image | None = None
        step = max(1, _STRIP_PIXELS // self._page.width)
        for top in range(0, self._page.height, step):
            strip = self._page.rows(top, min(top + step, self._page.height))
            if self._deep:
                yield _tag_rows(_UNFILTERED, strip.tobytes("raw", "I;16B"), strip.height)
                continue
            strip = rendering.flatten(strip)
            yield _tag_rows(_UP, _subtract_row_above(strip, above).tobytes(), strip.height)
            above = strip.crop((0, strip.height - 1, strip.width, strip.height))


def _subtract_row_above(strip: Image.Image, above: Image.Image | None) -> Image.Image:
    """Each row minus the row above it, modulo 256 (PNG 9.2, filter type 2)."""
    moved = Image.new(strip.mode, strip.size)
    if above:
        moved.paste(above, (0, 0))
    moved.paste(strip, (0, 1))
    return ImageChops.subtract_modulo(strip, moved)


def _tag_rows(tag: bytes, data: bytes, rows: int) -> bytes:
    stride = len(data) // rows
    return b"".join(tag + data[at : at + stride] for at in range(0, len(data), stride))
