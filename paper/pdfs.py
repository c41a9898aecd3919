"""Reads PDFs with pdfium: loads every page, collects the flags, draws one page for rendering.py.

Nothing in a PDF is executed: the pdfium of pypdfium2 has no JavaScript engine, and no action is followed.
"""

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # The same.
from PIL import Image

from domain.limits import Limits
from domain.refusals import FileDamaged, FilePasswordProtected, FileTooManyPixels, NotFound
from paper import endings, pdf_flags
from paper.content import Content

_BELOW: Final = 1 - 1e-6


def examine(content: Content, limits: Limits) -> tuple[int | None, bool, tuple[str, ...]]:
    """Number of pages, need of a password (then the number is None), and the flags.

    Raises FileDamaged, FileTooManyPixels for too many pages, and pdfium's own errors.
    """
    endings.check_pdf(content)
    try:
        with _open_document(content) as document:
            if len(document) > limits.pdf_pages_max:
                raise FileTooManyPixels()
            for number in range(len(document)):
                document.get_page(number).close()
            return len(document), False, _flags_of(content, document)
    except FilePasswordProtected:
        return None, True, ()


def draw_page(content: Content, number: int, scale: Callable[[float, float], float], limits: Limits) -> Image.Image:
    """The picture of page `number` (from 1); `scale` gives the pixels per point for a page's width and height in
    points.

    Raises NotFound for a missing page, FilePasswordProtected, FileDamaged, and FileTooManyPixels when the pictures on
    the page together have more pixels than all frames of a file may have.
    """
    with _open_document(content) as document:
        document.init_forms()
        if not 1 <= number <= len(document):
            raise NotFound()
        page = document.get_page(number - 1)
        width, height = page.get_size()
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise FileDamaged()
        sizes = (picture.get_px_size() for picture in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]))
        if sum(across * down for across, down in sizes) > limits.file_pixels_max:
            raise FileTooManyPixels()
        # pdfium rounds up, so the scale is a little smaller than requested.
        bitmap = page.render(scale=scale(width, height) * _BELOW, rev_byteorder=True, limit_image_cache=True)
        picture: Image.Image = bitmap.to_pil().convert("RGB")
        return picture


@contextmanager
def _open_document(content: Content) -> Iterator[Any]:
    """The document, read from the given memory. Raises FilePasswordProtected and FileDamaged."""
    first = content if isinstance(content, bytes) else ctypes.byref(ctypes.c_char.from_buffer(content))
    handle = pdfium.FPDF_LoadMemDocument64(first, len(content), None)
    if not handle:
        locked = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD
        raise FilePasswordProtected() if locked else FileDamaged()
    with pypdfium2.PdfDocument(handle) as document:
        if len(document) < 1:
            raise FileDamaged()
        yield document


def _flags_of(content: Content, document: Any) -> tuple[str, ...]:
    """The flags that warn staff before they open the original: from pdfium's counts and from the names in the file."""
    found = pdf_flags.find_flags(content)
    if pdfium.FPDFDoc_GetJavaScriptActionCount(document) > 0:
        found.add("javascript")
    if pdfium.FPDFDoc_GetAttachmentCount(document) > 0:
        found.add("attachments")
    return tuple(sorted(found))
