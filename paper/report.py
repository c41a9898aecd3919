"""Draws a report (domain/report.py) as a PDF: pages of A4 with headings, paragraphs and tables. child.py calls it.

The bytes depend on the report and the libraries only. Fonts and line breaks are in form_text.py.
"""

import io
from collections.abc import Sequence
from typing import Final

import msgspec
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from domain.report import PrintedReport, ReportSection
from paper import form_text
from paper.form_text import PLAIN, Style
from paper.messages import FormFault

_LEFT: Final = 20.0
_WIDTH: Final = 170.0
_TOP: Final = 20.0
_BOTTOM: Final = 275.0
_FOOT: Final = 282.0
_GUTTER: Final = 2.0
_CELL_LINES_MAX: Final = 12
_PARAGRAPH_LINES_MAX: Final = 40
_RULE_SHADE: Final = 0.6
_RULE_POINTS: Final = 0.5
_FILL_AND_STROKE: Final = 2

_TITLE = Style(PLAIN, 18, 23, thick=True)
_HEADING = Style(PLAIN, 12, 16, thick=True)
_BODY = Style(PLAIN, 9.5, 13)
_HEAD = Style(PLAIN, 8, 11, thick=True)
_CELL = Style(PLAIN, 8, 11)
_SMALL = Style(PLAIN, 7.5, 10, 0.25)

_reports = msgspec.json.Decoder(PrintedReport)


def draw_report_json(data: bytes) -> bytes:
    """The PDF of a PrintedReport in JSON. Raises FormFault for other JSON and for any failure to draw it."""
    try:
        return draw_report(_reports.decode(data))
    except msgspec.MsgspecError as fault:
        raise FormFault(str(fault)) from fault
    except Exception as fault:
        # A failure is a defect of ours. The message is left out, because it could quote the printed data.
        raise FormFault(type(fault).__name__) from fault


def draw_report(report: PrintedReport) -> bytes:
    """The PDF of a report: it is laid out twice, because each page names the number of pages."""
    first = _Sheet(report, pages=0)
    first.draw()
    second = _Sheet(report, pages=first.page)
    return second.draw()


class _Sheet:
    """The pages of one report, filled from top to bottom."""

    def __init__(self, report: PrintedReport, *, pages: int) -> None:
        self._report, self._pages, self.page = report, pages, 1
        self._file = io.BytesIO()
        form_text.load_fonts()
        self._canvas = Canvas(
            self._file,
            A4,
            pageCompression=1,
            invariant=1,
            pdfVersion=(1, 7),
            lang=report.language,
            initialFontName=PLAIN,  # type: ignore[arg-type]  # its stubs call the name a number
        )
        self._canvas.setTitle(form_text.join_lines(report.title))
        self._canvas.setAuthor(form_text.join_lines(report.library))
        self._canvas.setSubject("")
        self._canvas.setCreator("Dossier")
        self._canvas.setDateFormatter(lambda *_: f"D:{report.day:%Y%m%d}000000Z")
        self._canvas.setViewerPreference("DisplayDocTitle", "true")
        self._top = _TOP

    def draw(self) -> bytes:
        self._draw_paragraph(self._report.title, _TITLE)
        for text in self._report.paragraphs:
            self._draw_paragraph(text, _BODY)
        for section in self._report.sections:
            self._draw_section(section)
        self._end_page()
        self._canvas.save()
        return self._file.getvalue()

    def _draw_section(self, section: ReportSection) -> None:
        self._top += 4
        self._make_room(30)
        self._draw_paragraph(section.heading, _HEADING)
        for text in section.paragraphs:
            self._draw_paragraph(text, _BODY)
        if not section.rows:
            self._draw_paragraph("–", _BODY)
            return
        self._draw_head(section)
        for row in section.rows:
            cells = [*row.cells, "\n".join(row.files)] if len(row.cells) < len(section.widths) else [*row.cells]
            self._draw_row(section, cells)

    def _draw_row(self, section: ReportSection, cells: Sequence[str]) -> None:
        broken = _break_cells(cells, section.widths, _CELL)
        high = max(map(len, broken)) * _CELL.leading_mm + 1.5
        if self._make_room(high):
            self._draw_head(section)
        self._draw_cells(broken, section.widths, _CELL)

    def _draw_head(self, section: ReportSection) -> None:
        if section.columns:
            self._draw_cells(_break_cells(section.columns, section.widths, _HEAD), section.widths, _HEAD)

    def _draw_cells(self, broken: Sequence[Sequence[str]], widths: Sequence[float], style: Style) -> None:
        left = _LEFT
        for lines, share in zip(broken, widths, strict=True):
            for number, line in enumerate(lines):
                self._draw_line(left, self._top + number * style.leading_mm, line, style)
            left += share * _WIDTH
        self._top += max(map(len, broken)) * style.leading_mm + 0.7
        self._draw_rule()
        self._top += 0.8

    def _draw_paragraph(self, text: str, style: Style) -> None:
        for line in form_text.break_lines(text, style, _WIDTH * mm, _PARAGRAPH_LINES_MAX):
            self._make_room(style.leading_mm)
            self._draw_line(_LEFT, self._top, line, style)
            self._top += style.leading_mm
        self._top += 1.2

    def _draw_line(self, left: float, top: float, line: str, style: Style) -> None:
        self._canvas.setFont(style.font, style.size)
        self._canvas.setFillGray(style.shade)
        if style.thick:
            self._canvas.setStrokeGray(style.shade)
            self._canvas.setLineWidth(style.stroke)
        self._canvas.drawString(
            left * mm,
            A4[1] - top * mm - style.size,
            line,
            mode=_FILL_AND_STROKE if style.thick else None,
            charSpace=style.stroke,
        )

    def _draw_rule(self) -> None:
        self._canvas.setStrokeGray(_RULE_SHADE)
        self._canvas.setLineWidth(_RULE_POINTS)
        self._canvas.line(_LEFT * mm, A4[1] - self._top * mm, (_LEFT + _WIDTH) * mm, A4[1] - self._top * mm)

    def _make_room(self, high: float) -> bool:
        """Begin a page if less than `high` millimetres are left; True if it did."""
        if self._top + high <= _BOTTOM:
            return False
        self._end_page()
        self.page, self._top = self.page + 1, _TOP
        return True

    def _end_page(self) -> None:
        number = self._report.page_of.format(page=self.page, pages=self._pages)
        foot = f"{form_text.join_lines(self._report.title)} · {number}"
        for line in form_text.break_lines(foot, _SMALL, _WIDTH * mm, 1):
            self._draw_line(_LEFT, _FOOT, line, _SMALL)
        self._canvas.showPage()


def _break_cells(cells: Sequence[str], widths: Sequence[float], style: Style) -> list[list[str]]:
    return [
        form_text.break_lines(cell, style, (share * _WIDTH - _GUTTER) * mm, _CELL_LINES_MAX)
        for cell, share in zip(cells, widths, strict=True)
    ]
