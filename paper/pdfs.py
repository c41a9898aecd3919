"""PDFs: every page loaded, what is active in them named, one page drawn for rendering.py. pdfium lives here.

Nothing in a PDF is ever run: the pdfium of pypdfium2 has no JavaScript engine, and no action is followed.
"""

import ctypes
import math
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # The same.
from PIL import Image

from domain.limits import Limits
from domain.refusals import FileDamaged, FilePasswordProtected, FileTooManyPixels, NotFound
from paper import endings
from paper.content import Content

_INFLATED_BYTES_MAX: Final = 16 * 1024 * 1024
_BELOW: Final = 1 - 1e-6
# Names long enough not to turn up by chance in the packed bytes of a scan, as /JS does.
_NAMES = (
    ("javascript", re.compile(rb"/JavaScript\b")),
    ("attachments", re.compile(rb"/(?:EmbeddedFiles?|FileAttachment)\b")),
    ("active-content", re.compile(rb"/(?:Launch|RichMedia|SubmitForm|ImportData|GoToR|GoToE|Movie|Rendition)\b")),
)
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_OBJECT_STREAM = re.compile(rb"/ObjStm\b[^>]{0,512}>>\s*stream\r?\n|/ObjStm\b.{0,512}?>>\s*stream\r?\n", re.S)


def examine(content: Content, limits: Limits) -> tuple[int | None, bool, tuple[str, ...]]:
    """Number of pages, whether a password is needed (then the pages are unknown: None), and the flags.

    Raises FileDamaged, FileTooManyPixels for the number of pages, and pdfium's own errors.
    """
    endings.check_pdf(content)
    try:
        with _opened(content) as document:
            if len(document) > limits.pdf_pages_max:
                raise FileTooManyPixels()
            for number in range(len(document)):
                document.get_page(number).close()
            return len(document), False, _flags(content, document)
    except FilePasswordProtected:
        return None, True, ()


def draw(content: Content, number: int, scale: Callable[[float, float], float]) -> Image.Image:
    """Page `number` (from 1); `scale` says pixels a point for a page of that width and height in points.

    Raises NotFound for a page that is not there, FilePasswordProtected, FileDamaged.
    """
    with _opened(content) as document:
        document.init_forms()
        if not 1 <= number <= len(document):
            raise NotFound()
        page = document.get_page(number - 1)
        width, height = page.get_size()
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise FileDamaged()
        # pdfium rounds up, so the scale stays a breath below what was asked.
        bitmap = page.render(scale=scale(width, height) * _BELOW, rev_byteorder=True, limit_image_cache=True)
        picture: Image.Image = bitmap.to_pil().convert("RGB")
        return picture


@contextmanager
def _opened(content: Content) -> Iterator[Any]:
    """The document, read where it lies. Raises FilePasswordProtected and FileDamaged."""
    first = content if isinstance(content, bytes) else ctypes.byref(ctypes.c_char.from_buffer(content))
    handle = pdfium.FPDF_LoadMemDocument64(first, len(content), None)
    if not handle:
        locked = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD
        raise FilePasswordProtected() if locked else FileDamaged()
    with pypdfium2.PdfDocument(handle) as document:
        if len(document) < 1:
            raise FileDamaged()
        yield document


def _flags(content: Content, document: Any) -> tuple[str, ...]:
    """What a desk should know before it opens the original: by pdfium's own count, and by the names in the file."""
    found = {name for part in _readable(content) for name, pattern in _NAMES if pattern.search(part)}
    if pdfium.FPDFDoc_GetJavaScriptActionCount(document) > 0:
        found.add("javascript")
    if pdfium.FPDFDoc_GetAttachmentCount(document) > 0:
        found.add("attachments")
    return tuple(sorted(found))


def _readable(content: Content) -> Iterator[bytes | Content]:
    """The file, and its compressed object streams unpacked to 16 MiB in all: names hide there since PDF 1.5."""
    yield content if content.find(b"#") < 0 else _unescaped(content[:])
    left = _INFLATED_BYTES_MAX
    for start in _OBJECT_STREAM.finditer(content):
        try:
            part = zlib.decompressobj().decompress(content[start.end() : start.end() + left], left)
        except zlib.error:
            continue
        yield _unescaped(part)
        left -= len(part)
        if left <= 0:
            return


def _unescaped(part: bytes) -> bytes:
    """Names with #xx spelled out, as ISO 32000 7.3.5 allows (and malware likes)."""
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), part)
