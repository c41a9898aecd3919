"""The sheet that form.py draws on, with reportlab: one page of A4 and the few marks of a form.

Places and sizes are millimetres from the upper left corner; only type is measured in points, in form_text.py.
"""

import io
from datetime import date
from itertools import groupby
from typing import Final

import zxingcpp
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from paper import form_text
from paper.form_text import Style

_HEIGHT: Final = A4[1]
_HAIRLINE: Final = 0.5
_RULE_SHADE: Final = 0.6
_FILL_AND_STROKE: Final = 2
_CAP_HEIGHT: Final = 0.714
"""Cap height of Noto Sans in parts of its size; it centres a line of type in its leading."""


class FormSheet:
    """One page. Each draw_ method returns where its mark ends, so that the next one can begin there."""

    def __init__(self, *, title: str, author: str, language: str, day: date) -> None:
        self._file = io.BytesIO()
        form_text.load_fonts()
        self._canvas = Canvas(
            self._file,
            A4,
            pageCompression=1,
            invariant=1,
            pdfVersion=(1, 7),
            lang=language,
            initialFontName=form_text.PLAIN,  # type: ignore[arg-type]  # its stubs call the name a number
        )
        self._canvas.setTitle(title)
        self._canvas.setAuthor(author)
        self._canvas.setSubject("")
        self._canvas.setCreator("Dossier")
        self._canvas.setDateFormatter(lambda *_: f"D:{day:%Y%m%d}000000Z")
        self._canvas.setViewerPreference("DisplayDocTitle", "true")
        # A printer that fits pages to its paper would make the code smaller.
        self._canvas.setViewerPreference("PrintScaling", "None")

    def draw_text(self, left: float, top: float, text: str, style: Style, wide: float, count_max: int = 1) -> float:
        """Draw the text on at most `count_max` lines, broken and cut to the width; returns its bottom."""
        for line in form_text.break_lines(text, style, wide * mm, count_max):
            self._draw_line(left * mm, top, line, style)
            top += style.leading_mm
        return top

    def draw_word(self, left: float, top: float, text: str, style: Style) -> float:
        """Draw a short text on one line without cutting it; returns its right end."""
        self._draw_line(left * mm, top, text, style)
        return left + form_text.width_of(text, style) / mm

    def draw_text_right(
        self, right: float, top: float, text: str, style: Style, wide: float, count_max: int = 1
    ) -> float:
        """Draw the text like draw_text(), each line ending at `right`."""
        for line in form_text.break_lines(text, style, wide * mm, count_max):
            self._draw_line(right * mm - form_text.width_of(line, style), top, line, style)
            top += style.leading_mm
        return top

    def draw_rule(self, left: float, top: float, wide: float, shade: float = _RULE_SHADE) -> None:
        """Draw a thin line: light to separate, dark to write on."""
        self._canvas.setStrokeGray(shade)
        self._canvas.setLineWidth(_HAIRLINE)
        self._canvas.line(left * mm, _HEIGHT - top * mm, (left + wide) * mm, _HEIGHT - top * mm)

    def draw_box(self, left: float, top: float, side: float) -> None:
        """Draw an empty square to tick."""
        self._canvas.setStrokeGray(0)
        self._canvas.setLineWidth(_HAIRLINE)
        self._canvas.rect(left * mm, _HEIGHT - (top + side) * mm, side * mm, side * mm)

    def draw_qr_code(self, left: float, top: float, side: float, content: str) -> float:
        """Draw a QR code of level H, `side` wide without its quiet zone; returns the side of one module.

        All bars are one path, so that no viewer shows seams between them.
        """
        rows = qr_modules(content)
        module = side / len(rows)
        path = self._canvas.beginPath()
        for number, row in enumerate(rows):
            below = _HEIGHT - (top + (number + 1) * module) * mm
            for start, length in _dark_runs(row):
                path.rect((left + start * module) * mm, below, length * module * mm, module * mm)
        self._canvas.setFillGray(0)
        self._canvas.drawPath(path, stroke=0, fill=1)
        return module

    def finish(self) -> bytes:
        """The bytes of the PDF; nothing can be drawn afterwards."""
        self._canvas.showPage()
        self._canvas.save()
        return self._file.getvalue()

    def _draw_line(self, left_points: float, top: float, line: str, style: Style) -> None:
        baseline = _HEIGHT - top * mm - (style.leading + _CAP_HEIGHT * style.size) / 2
        self._canvas.setFont(style.font, style.size)
        self._canvas.setFillGray(style.shade)
        if style.thick:
            self._canvas.setStrokeGray(style.shade)
            self._canvas.setLineWidth(style.stroke)
        self._canvas.drawString(
            left_points,
            baseline,
            line,
            mode=_FILL_AND_STROKE if style.thick else None,
            charSpace=style.stroke,
        )


def qr_modules(content: str) -> list[bytes]:
    """The rows of a QR code, a byte a module: 0 is dark."""
    code = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode, ec_level="H")
    picture = Image.fromarray(zxingcpp.write_barcode_to_image(code, add_quiet_zones=False))
    pixels = picture.tobytes()
    return [pixels[start : start + picture.width] for start in range(0, len(pixels), picture.width)]


def _dark_runs(row: bytes) -> list[tuple[int, int]]:
    """Start and length of each dark bar of a row."""
    runs, start = [], 0
    for level, group in groupby(row):
        length = len(list(group))
        if level == 0:
            runs.append((start, length))
        start += length
    return runs
