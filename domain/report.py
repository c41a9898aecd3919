"""A report for people: headings, paragraphs and tables of ready text. HTML and PDF are made from the same one.

All text is in the report's language already. paper/report.py draws the PDF, projections/person_pages.py the HTML.
"""

from collections.abc import Sequence
from datetime import date

import msgspec


class ReportRow(msgspec.Struct, frozen=True):
    """The cells of a row. `files` are shown in its last cell: paths beside the report, as links where there are any."""

    cells: Sequence[str]
    files: Sequence[str] = ()


class ReportSection(msgspec.Struct, frozen=True, kw_only=True):
    """A heading, paragraphs and a table. `widths`: the share of each column; without `columns` a table has no head."""

    heading: str
    paragraphs: Sequence[str] = ()
    columns: Sequence[str] = ()
    widths: Sequence[float] = ()
    rows: Sequence[ReportRow] = ()


class PrintedReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. `page_of` has the placeholders {page} and {pages}."""

    language: str
    title: str
    library: str
    day: date
    page_of: str
    paragraphs: Sequence[str]
    sections: Sequence[ReportSection]
