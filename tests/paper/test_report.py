"""The PDF of a report: headings, paragraphs and tables over as many pages as they need."""

import asyncio
import time
from datetime import date
from typing import Any

import msgspec
import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pytest

from domain.limits import Limits
from domain.report import PrintedReport, ReportRow, ReportSection
from paper import messages, report
from paper.messages import FormFault
from tests.paper.pools import Pool


def a_report(rows: int = 3, **changes: Any) -> PrintedReport:
    table = ReportSection(
        heading="Papers",
        paragraphs=["The newest first."],
        columns=("No.", "Paper", "Files"),
        widths=(0.1, 0.6, 0.3),
        rows=[
            ReportRow((str(n), f"Letter {n}: from Rotterdam, about the card"), (f"papers/{n}.pdf",))
            for n in range(rows)
        ],
    )
    values: dict[str, Any] = {
        "language": "nl",
        "title": "What the library keeps about you",
        "library": "Openbare Bibliotheek Rivierenland",
        "day": date(2026, 11, 24),
        "page_of": "Page {page} of {pages}",
        "paragraphs": ["Made on 24 November 2026."],
        "sections": [table, ReportSection(heading="Who looked", columns=("When",), widths=(1.0,))],
    }
    return PrintedReport(**values | changes)


def pages_of(pdf: bytes) -> list[str]:
    opened = pypdfium2.PdfDocument(pdf)
    return [page.get_textpage().get_text_range() for page in opened]


def test_it_has_every_row_its_files_and_its_page_number() -> None:
    [page] = pages_of(report.draw_report(a_report()))
    for words in ("What the library keeps", "Letter 2: from Rotterdam", "papers/2.pdf", "Page 1 of 1", "Who looked"):
        assert words in page


def test_a_long_table_repeats_its_head_on_each_page() -> None:
    pages = pages_of(report.draw_report(a_report(200)))
    assert len(pages) > 3
    assert all("Paper" in page and f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, start=1))
    assert sum(page.count("from Rotterdam") for page in pages) == 200


@pytest.mark.parametrize("text", ["", "x" * 5_000, "\u202e\x00\ud83d", "李" * 300, "{page} {nobody}"])
def test_any_text_is_drawn(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    row = ReportRow((text, text), (text,))
    section = ReportSection(
        heading=text, paragraphs=[text], columns=("a", "b", "c"), widths=(0.2, 0.4, 0.4), rows=[row]
    )
    assert pages_of(report.draw_report(a_report(title=text, library=text, paragraphs=[text], sections=[section])))


def test_the_same_report_is_the_same_bytes_through_the_pool(pool: Pool) -> None:
    drawn = asyncio.run(pool.examiner.draw_report(msgspec.json.encode(a_report(200))))
    assert drawn == report.draw_report(a_report(200))


def test_the_longest_report_is_drawn_in_half_the_time_of_a_child() -> None:
    begun = time.process_time()
    report.draw_report(a_report(3_000))
    assert time.process_time() - begun < Limits().decode_seconds_max / 2


@pytest.mark.parametrize("data", [b"{}", b"no JSON", b" " * (messages.REPORT_BYTES_MAX + 1)])
def test_what_is_no_report_is_a_fault(pool: Pool, data: bytes) -> None:
    with pytest.raises(FormFault):
        asyncio.run(pool.examiner.draw_report(data))
