"""Files of every kind, made on the spot: small, whole, and with one thing wrong where a test says so."""

import functools
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pikepdf
import pillow_heif
from PIL import Image, ImageDraw

DOCX_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
ODT = "application/vnd.oasis.opendocument.text"


def a_picture(size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    """Four quarters: red, green above, blue, white below; greys where the mode has no colours."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    width, height = size
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), "red")
    draw.rectangle((width // 2, 0, width, height // 2 - 1), "lime")
    draw.rectangle((0, height // 2, width // 2 - 1, height), "blue")
    return picture if mode == "RGB" else picture.convert(mode)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def a_jpeg(size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    return saved(a_picture(size), "JPEG", **{"quality": 90, **options})


def a_png(size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    return saved(a_picture(size, mode), "PNG", **options)


def a_blank_png(width: int, height: int) -> bytes:
    """Any number of white pixels in few bytes, and made without holding them: 1 bit each."""
    row = b"\0" + b"\xff" * -(-width // 8)
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">2L5B", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in chunks)


def a_lying_png(width: int, height: int) -> bytes:
    """A header that promises what is not there."""
    whole = a_blank_png(8, 1)
    return whole[:8] + _png_chunk(b"IHDR", struct.pack(">2L5B", width, height, 1, 0, 0, 0, 0)) + whole[33:]


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def a_film(kind: str, frames: int = 3, size: tuple[int, int] = (16, 16)) -> bytes:
    """An animated GIF, WEBP, PNG or AVIF, each frame another grey."""
    pictures = [Image.new("RGB", size, (7 * number % 256,) * 3) for number in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=100)


def a_tiff(pages: int = 1, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    pictures = [a_picture(size, mode) for _ in range(pages)]
    return saved(pictures[0], "TIFF", save_all=True, append_images=pictures[1:], **options)


def a_heavy_tiff() -> bytes:
    """One page that takes about a second to draw."""
    return saved(Image.effect_noise((6000, 6000), 50), "TIFF", compression="tiff_adobe_deflate")


def a_slow_tiff(pages: int, width: int = 8000, height: int = 8000) -> bytes:
    """Pages that share one strip of black: a few bytes that take a decoder long. 64 megapixels each."""
    strip = _black(width * height)
    file = bytearray(b"II*\0" + struct.pack("<L", 8 + len(strip) + len(strip) % 2) + strip + b"\0" * (len(strip) % 2))
    entries = ((256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1),
               (278, 4, height), (279, 4, len(strip)))  # fmt: skip
    for page in range(pages):
        after = len(file) + 2 + 12 * len(entries) + 4
        file += struct.pack("<H", len(entries))
        file += b"".join(struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in entries)
        file += struct.pack("<L", after if page + 1 < pages else 0)
    return bytes(file)


@functools.cache
def _black(size: int) -> bytes:
    return zlib.compress(bytes(size), 1)


def a_heic(pictures: int = 1, size: tuple[int, int] = (64, 64), primary: int = 0) -> bytes:
    heif = pillow_heif.from_pillow(a_picture(size))
    for _ in range(pictures - 1):
        heif.add_from_pillow(a_picture(size).convert("L").convert("RGB"))
    file = io.BytesIO()
    heif.save(file, quality=60, primary_index=primary)
    return file.getvalue()


def a_pdf(pages: int = 1, size: tuple[int, int] = (595, 842), content: bytes = b"", catalogue: bytes = b"") -> bytes:
    """PDF 1.4 with a cross-reference table, nothing compressed."""
    kids = b" ".join(b"%d 0 R" % (4 + page) for page in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
        b"<< /Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 %d %d] >>" % (kids, pages, *size),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        *(b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R >>" for _ in range(pages)),
    ]
    file, starts = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        starts.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % start for start in starts)
    file += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(file)


def a_rewritten_pdf(plain: bytes, **options: Any) -> bytes:
    """The PDF as another program would write it: encrypted, linearized, in object streams."""
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as document:
        document.save(file, **options)
    return file.getvalue()


def a_locked_pdf(user: str = "secret", owner: str = "owner") -> bytes:
    return a_rewritten_pdf(a_pdf(), encryption=pikepdf.Encryption(user=user, owner=owner, R=6))


def a_zip(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def a_docx(main: str = DOCX_MAIN, more: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    types = f'<Types><Override PartName="/word/document.xml" ContentType="{main}"/></Types>'
    entries = {"[Content_Types].xml": types.encode(), "word/document.xml": b"<w:document/>" * 50}
    return a_zip({**entries, **more})


def an_odt(
    kind: str = ODT, manifest: bytes = b"<manifest/>", more: Mapping[str, bytes] = MappingProxyType({})
) -> bytes:
    entries = {"mimetype": kind.encode(), "content.xml": b"<office/>", "META-INF/manifest.xml": manifest}
    return a_zip({**entries, **more})


def an_ole(streams: dict[str, bytes], storages: tuple[str, ...] = ()) -> bytes:
    """A compound file of 512-byte sectors: table, directory, then each stream in sectors of its own."""
    padded = {name: data.ljust(4096, b"\0") for name, data in streams.items()}
    names = ["Root Entry", *storages, *padded]
    directory_sectors = -(-len(names) // 4)
    table = [0xFFFFFFFD, *range(2, directory_sectors + 1), 0xFFFFFFFE]
    entries, body = [_ole_entry("Root Entry", 5, 0xFFFFFFFE, 0)], b""
    entries += [_ole_entry(name, 1, 0, 0) for name in storages]
    for name, data in padded.items():
        entries.append(_ole_entry(name, 2, len(table), len(data)))
        sectors = -(-len(data) // 512)
        table += [*range(len(table) + 1, len(table) + sectors), 0xFFFFFFFE]
        body += data.ljust(sectors * 512, b"\0")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 62, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9L", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<109L", 0, *[0xFFFFFFFF] * 108)
    fat = struct.pack("<128L", *table, *[0xFFFFFFFF] * (128 - len(table)))
    return header + fat + b"".join(entries).ljust(directory_sectors * 512, b"\0") + body


def _ole_entry(name: str, kind: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB3L", len(encoded), kind, 1, *[0xFFFFFFFF] * 3)
    return head + bytes(36) + struct.pack("<LLL", start, size, 0)


def a_doc(locked: bool = False, **options: Any) -> bytes:
    return an_ole({"WordDocument": struct.pack("<10xH", 0x0100 if locked else 0)}, **options)


def an_xls(locked: bool = False) -> bytes:
    begin, password, end = (struct.pack("<HH", kind, 0) for kind in (0x0809, 0x002F, 0x000A))
    return an_ole({"Workbook": begin + (password if locked else b"") + end})


def eicar() -> bytes:
    """The harmless test virus, put together here so that no file of the repository is one."""
    return b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS" + b"-TEST-FILE!$H+H*"
