"""The pages for people in the export of a person: one report, written as HTML here and as PDF by paper/report.py."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from html import escape

from babel.dates import format_date, format_datetime

from domain.act_words import ACTS, OUTCOMES, STATUSES, VIEWS
from domain.bag import BagPart
from domain.customer import Customer
from domain.refusals import N_
from domain.report import PrintedReport, ReportRow, ReportSection
from projections.person import PersonOrder, Shown, ShownPaper

Translate = Callable[[str], str]
LOCALES = {"en": "en_GB"}
ROLES = {
    "viewer": N_("Reader"),
    "staff": N_("Staff member"),
    "supervisor": N_("Supervisor"),
    "operator": N_("Operator"),
    "station": N_("Scan station"),
    "integration": N_("Library system"),
    "system": N_("The archive itself"),
    "command": N_("Operator"),
    "unknown": N_("Unknown"),
}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#1b1b1b;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5em 0 2em}
th,td{text-align:left;vertical-align:top;padding:.35em .6em;border-bottom:1px solid #bbb;overflow-wrap:anywhere}
h2{margin-top:2em}
"""


class PersonPages:
    """Builds the report of one export in the language of its order."""

    def __init__(self, order: PersonOrder, shown: Shown, translate: Translate) -> None:
        self._order, self._shown, self._say = order, shown, translate
        self._locale = LOCALES.get(order.language, order.language)

    def report(self) -> PrintedReport:
        say, order = self._say, self._order
        return PrintedReport(
            language=order.language,
            title=say(N_("What {library} keeps about you")).format(library=order.institution),
            library=order.institution,
            day=order.today,
            page_of=say(N_("Page {page} of {pages}")),
            paragraphs=[*self._introduction()],
            sections=[self._person(), self._papers(), self._authorizations(), self._history(), self._looks()],
        )

    def _introduction(self) -> Iterator[str]:
        say, order = self._say, self._order
        made = format_datetime(order.now.astimezone(order.zone), "medium", locale=self._locale)
        yield say(N_("Made on {moment}. The files beside this page are the papers themselves.")).format(moment=made)
        yield say(N_("The files that end in .json have the same data, and all of it, for a computer program to read."))
        if any(paper.joint for paper in self._shown.papers):
            yield say(
                N_("Papers marked with * also concern another person, who is not named here.")
                if order.joint
                else N_("Papers marked with * also concern another person. Their content is left out.")
            )

    def _person(self) -> ReportSection:
        customer = self._order.customer
        rows = [(N_("Customer number"), self._order.customer_id), *(self._register_rows(customer) if customer else ())]
        return ReportSection(
            heading=self._say(N_("Your data")),
            widths=(0.3, 0.7),
            rows=[ReportRow((self._say(label), value)) for label, value in rows if value],
        )

    def _register_rows(self, customer: Customer) -> Iterator[tuple[str, str]]:
        yield N_("Name"), customer.name
        yield N_("Birth date"), self._day(customer.birth_date)
        yield N_("Card numbers"), ", ".join(customer.card_numbers)
        yield N_("Branch"), customer.home_branch or ""

    def _papers(self) -> ReportSection:
        shown = self._shown
        return ReportSection(
            heading=self._say(N_("Papers")),
            paragraphs=self._cut(len(shown.papers), shown.paper_count, "papers/"),
            columns=self._words(N_("No."), N_("Paper"), N_("Status"), N_("Received"), N_("Kept until"), N_("Files")),
            widths=(0.07, 0.27, 0.13, 0.14, 0.14, 0.25),
            rows=[self._paper_row(paper) for paper in shown.papers],
        )

    def _paper_row(self, paper: ShownPaper) -> ReportRow:
        item = paper.item
        texts = [item["type_label"], *(item[name] for name in ("title", "note") if item.get(name))]
        cells = (
            f"{paper.number}{'*' if paper.joint else ''}",
            ": ".join(texts),
            self._say(STATUSES.get(item["status"], item["status"])),
            self._day(item["received_on"] or item["recorded_at"]),
            item.get("keep_because") or self._day(item["keep_until"]),
        )
        return ReportRow(cells, tuple(paper.files))

    def _authorizations(self) -> ReportSection:
        papers = [paper for paper in self._shown.papers if paper.item["kind"] != "document"]
        return ReportSection(
            heading=self._say(N_("Authorizations and collections")),
            columns=self._words(
                N_("No."),
                N_("Authorization"),
                N_("Date of signature"),
                N_("IBAN"),
                N_("Mandate reference"),
                N_("Collections"),
            ),
            widths=(0.07, 0.23, 0.14, 0.2, 0.16, 0.2),
            rows=[self._authorization_row(paper) for paper in papers],
        )

    def _authorization_row(self, paper: ShownPaper) -> ReportRow:
        mandate = paper.collection or {}
        holder = [text for text in (mandate.get("debtor_name"), mandate.get("iban")) if text]
        collections = [
            f"{self._day(one['due_on'])} {self._say(OUTCOMES.get(one['outcome'], one['outcome']))}"
            for one in paper.collections
        ]
        signed = self._day(mandate.get("signature_date") or paper.item["signed_on"])
        reference = mandate.get("mandate_reference") or ""
        cells = (str(paper.number), paper.item["type_label"], signed, ", ".join(holder), reference)
        return ReportRow((*cells, ", ".join(collections)))

    def _history(self) -> ReportSection:
        shown = self._shown
        return ReportSection(
            heading=self._say(N_("What was done")),
            paragraphs=self._cut(len(shown.history), shown.history_count, "history.json"),
            columns=self._words(N_("When"), N_("What"), N_("Paper"), N_("By")),
            widths=(0.22, 0.4, 0.1, 0.28),
            rows=[
                ReportRow(
                    (
                        self._moment(line["recorded_at"]),
                        self._say(ACTS[line["action"]].words if line["action"] in ACTS else line["action"]),
                        self._number(line["subject"]["id"]),
                        self._who(line["by"]),
                    )
                )
                for line in shown.history
            ],
        )

    def _looks(self) -> ReportSection:
        shown = self._shown
        return ReportSection(
            heading=self._say(N_("Who looked")),
            paragraphs=self._cut(len(shown.looks), shown.look_count, "viewed.json"),
            columns=self._words(N_("When"), N_("What"), N_("Paper"), N_("By")),
            widths=(0.22, 0.4, 0.1, 0.28),
            rows=[
                ReportRow(
                    (
                        self._moment(line["at"]),
                        self._say(VIEWS[line["action"]].words if line["action"] in VIEWS else line["action"]),
                        self._number(line["document"] or line["authorization"]),
                        self._who(line["by"]),
                    )
                )
                for line in shown.looks
            ],
        )

    def _cut(self, shown: int, whole: int, file: str) -> list[str]:
        if shown >= whole:
            return []
        text = N_("The first {shown} of {count} are shown; all of them are in {file}.")
        return [self._say(text).format(shown=shown, count=whole, file=file)]

    def _number(self, paper: str | None) -> str:
        return str(self._shown.numbers.get(paper or "", ""))

    def _who(self, by: Mapping[str, str]) -> str:
        role = self._say(ROLES.get(by["role"], by["role"]))
        return f"{by['name']} ({role})" if "name" in by else role

    def _words(self, *words: str) -> list[str]:
        return [self._say(word) for word in words]

    def _day(self, value: str | date | None) -> str:
        """A day of the library's time zone, empty for None."""
        if value is None:
            return ""
        if isinstance(value, str):
            value = self._local(value).date() if "T" in value else date.fromisoformat(value)
        return str(format_date(value, "medium", locale=self._locale))

    def _moment(self, value: str) -> str:
        return str(format_datetime(self._local(value), "short", locale=self._locale))

    def _local(self, value: str) -> datetime:
        return datetime.fromisoformat(value).astimezone(self._order.zone)


def render_html(report: PrintedReport) -> bytes:
    """The report as one page that needs nothing else. Files are links to paths beside it."""
    return "".join(_lines_of(report)).encode()


def _lines_of(report: PrintedReport) -> Iterator[str]:
    title = escape(report.title)
    yield f'<!doctype html>\n<html lang="{report.language}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    yield f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n<body>\n'
    yield f"<h1>{title}</h1>\n"
    yield from (f"<p>{escape(text)}</p>\n" for text in report.paragraphs)
    for section in report.sections:
        yield f"<h2>{escape(section.heading)}</h2>\n"
        yield from (f"<p>{escape(text)}</p>\n" for text in section.paragraphs)
        yield from _table_lines(section)
    yield "</body>\n</html>\n"


def _table_lines(section: ReportSection) -> Iterator[str]:
    if not section.rows:
        yield "<p>–</p>\n"
        return
    yield "<table>\n"
    if section.columns:
        heads = "".join(f"<th>{escape(name)}</th>" for name in section.columns)
        yield f"<tr>{heads}</tr>\n"
    for row in section.rows:
        cells = [*map(escape, row.cells), *(["<br>".join(map(_link, row.files))] if _has_files(section, row) else [])]
        first = "td" if section.columns else "th"
        others = "".join(f"<td>{cell}</td>" for cell in cells[1:])
        yield f"<tr><{first}>{cells[0]}</{first}>{others}</tr>\n"
    yield "</table>\n"


def _has_files(section: ReportSection, row: ReportRow) -> bool:
    return bool(section.columns) and len(row.cells) < len(section.columns)


def _link(path: str) -> str:
    return f'<a href="{escape(path)}">{escape(path.rpartition("/")[2])}</a>'


def pages_of(report: PrintedReport, pdf: bytes) -> list[BagPart]:
    """The pages for people as files of the payload."""
    return [BagPart("index.html", lambda: [render_html(report)]), BagPart("overview.pdf", lambda: [pdf])]


def bag_info(order: PersonOrder, program: str) -> dict[str, str]:
    """The fields of bag-info.txt (RFC 8493, section 2.2.2)."""
    return {
        "Source-Organization": order.institution,
        "Bagging-Date": order.today.isoformat(),
        "External-Identifier": order.customer_id,
        "External-Description": "Everything that the archive keeps about one person",
        "Bag-Software-Agent": program,
    }
