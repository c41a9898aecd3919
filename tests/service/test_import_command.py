"""`dossier import`: what the command makes of a list or a folder; what lines may say is tested beside the parser."""

import csv
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from domain.document_type import DefineType
from tests.builders.imports import a_list, a_luhn_code, a_mod11_code
from tests.builders.papers import a_caller, a_document_type, an_iban
from tests.service.program import NAME, Program

MANDATES = "select count(*) from archive.archive_events where topic = 'authorization-registered.v2'"
TEXT = "Dear library, please send my reminders by post.\n"


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """A folder as another system hands it over: a letter, and a program that calls itself a PDF."""
    folder = tmp_path / "delivery"
    (folder / "scans").mkdir(parents=True)
    (folder / "scans/letter.txt").write_text(TEXT)
    (folder / "scans/program.pdf").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(200))
    return folder


LETTER = {"file": "scans/letter.txt", "customer": "100234", "type": "LETTER", "external_id": "old-1"}
PROGRAM = {"file": "scans/program.pdf", "customer": "100234", "type": "LETTER"}
MANDATE = {
    "customer": "100235",
    "type": "DEBT_AUTHORIZATION",
    "iban": an_iban("INGB"),
    "debtor_name": NAME,
    "mandate_reference": "LIB-1",
    "signature_date": "2025-03-01",
}


def a_manifest(folder: Path, *rows: dict[str, str]) -> Path:
    manifest = folder / "manifest.csv"
    manifest.write_text(a_list(rows))
    return manifest


def counts(told: dict[str, Any]) -> tuple[int, int, int]:
    return told["taken"], told["there"], told["refused"]


# -- what is taken ----------------------------------------------------------------------------------------------------


def test_files_and_authorizations_are_taken_and_a_second_time_nothing_is(archive: Program, delivery: Path) -> None:
    manifest = a_manifest(delivery, LETTER, MANDATE)
    first = archive.run("import", manifest, "--json", "--actor", "migration", "--branch", "WEST").json
    assert counts(first) == (2, 0, 0)
    last = archive.store.log.fence()
    [letter, mandate] = archive.store.log.load_events_after(last - 2, 10)
    assert {r.envelope.meta.actor for r in (letter, mandate)} == {"migration"}
    assert {r.envelope.meta.branch for r in (letter, mandate)} == {"WEST"}
    assert letter.envelope.body.content.media_type == "text/plain"
    assert mandate.envelope.body.mandate.debtor_name == NAME
    again = archive.run("import", delivery, "--json").json
    assert counts(again) == (0, 2, 0)
    assert archive.store.log.fence() == last
    assert archive.run("verify", "--no-views", "--json").json["problems_found"] == 0


def test_a_folder_without_a_list_is_taken_by_customer_and_type(archive: Program, tmp_path: Path) -> None:
    for name in ("100234/LETTER/a.txt", "100235/FORM/b.txt", "100235/FORM/c.txt", "stray.txt"):
        path = tmp_path / "sorted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    ended = archive.run("import", tmp_path / "sorted", "--json", code=7)
    assert counts(ended.json) == (3, 0, 1)
    assert ended.err == "file 4 in .: file: must be in CUSTOMER/TYPE/ of the folder\n"
    assert counts(archive.run("import", tmp_path / "sorted", "--json", code=7).json) == (0, 3, 1)


def test_what_was_imported_stands_in_the_view(archive: Program, delivery: Path) -> None:
    archive.run("import", a_manifest(delivery, LETTER, MANDATE))
    archive.follow()
    rows = archive.sql("select kind, type, original_held from views.customer_documents order by kind")
    assert rows == [("document", "LETTER", False), ("mandate", "DEBT_AUTHORIZATION", True)]


# -- what is told -----------------------------------------------------------------------------------------------------


def test_a_refused_line_is_told_by_number_and_column_and_the_rest_is_taken(archive: Program, delivery: Path) -> None:
    wrong = MANDATE | {"iban": "BE68539007547035", "mandate_reference": "LIB-2"}
    ended = archive.run("import", a_manifest(delivery, PROGRAM, wrong, LETTER), "--json", code=7)
    assert counts(ended.json) == (1, 0, 2)
    first, second = ended.err.splitlines()
    assert first.startswith("line 2: file: This file type")
    assert second.startswith("line 3: iban: The IBAN has a wrong check number")


def test_an_authorization_whose_time_is_over_is_taken_and_told(archive: Program, delivery: Path) -> None:
    old = MANDATE | {"signature_date": "2015-01-31"}
    ended = archive.run("import", a_manifest(delivery, old), "--json")
    assert (counts(ended.json), ended.json["ended"]) == ((1, 0, 0), 1)
    assert ended.err.startswith("line 2: 36 months without a collection ended on 2018-01-31")


def test_a_dry_run_tells_of_every_line_and_stores_nothing(archive: Program, delivery: Path) -> None:
    double = LETTER | {"external_id": "old-2"}
    manifest = a_manifest(delivery, LETTER, PROGRAM, MANDATE, double)
    before, files = archive.store.log.fence(), archive.files()
    told = archive.run("import", manifest, "--dry-run", "--json", code=7).json
    assert (counts(told), told["dry_run"]) == ((2, 0, 2), True)
    assert [(i["line"], i["outcome"], i["paper"]) for i in told["items"]] == [
        (2, "taken", None),
        (3, "refused", None),
        (4, "taken", None),
        (5, "refused", None),
    ]
    assert told["items"][3]["words"].endswith("(line 2)")
    assert (archive.store.log.fence(), archive.files()) == (before, files)
    table = archive.run("import", manifest, "--dry-run", code=7)
    assert table.out.splitlines()[1] == "2\tscans/letter.txt\t100234\ttaken\t"
    assert "taken 2, there 0, refused 2" in table.err


def test_a_report_has_a_line_for_every_line_and_is_for_its_owner_only(
    archive: Program, delivery: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    archive.run("import", a_manifest(delivery, LETTER, PROGRAM), "--report", report, code=7)
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    with report.open(newline="") as file:
        taken, refused = csv.DictReader(file)
    assert (taken["line"], taken["file"], taken["outcome"]) == ("2", "scans/letter.txt", "taken")
    assert archive.sql("select count(*) from keys.paper where paper = %s", taken["paper"]) == [(1,)]
    assert (refused["outcome"], refused["paper"]) == ("refused", "")
    assert refused["words"].startswith("file: ")


def test_a_report_never_takes_the_place_of_the_list_or_of_a_paper(archive: Program, delivery: Path) -> None:
    manifest = a_manifest(delivery, LETTER)
    archive.run("import", manifest, "--report", manifest, code=2)
    archive.run("import", delivery, "--report", delivery / "scans/letter.txt", code=2)
    assert (delivery / "scans/letter.txt").read_text() == TEXT
    assert manifest.read_text() == a_list([LETTER])


def test_when_no_line_can_be_taken_the_import_failed(archive: Program, delivery: Path) -> None:
    assert counts(archive.run("import", a_manifest(delivery, PROGRAM), "--json", code=1).json) == (0, 0, 1)
    (delivery / "manifest.csv").write_text("number;name\n")
    assert archive.run("import", delivery, code=1).out == ""
    archive.run("import", delivery / "absent.csv", code=2)
    assert counts(archive.run("import", a_manifest(delivery), "--json").json) == (0, 0, 0)


def test_nothing_of_the_import_is_left_when_it_has_ended(archive: Program, delivery: Path) -> None:
    with TemporaryDirectory(prefix="dossier-") as scratch:
        archive.run("import", a_manifest(delivery, LETTER), TMPDIR=scratch)
        assert list(Path(scratch).iterdir()) == []


def test_files_are_looked_at_wherever_temporary_ones_lie(archive: Program, delivery: Path, tmp_path: Path) -> None:
    """The path of a socket has an end."""
    far = tmp_path / ("a" * 60)
    far.mkdir()
    archive.run("import", a_manifest(delivery, LETTER), TMPDIR=str(far))


# -- edge case 26 -------------------------------------------------------------------------------------------------


class Migration:
    """400 mandates of 400 customers with codes of three schemes; every 20th has the code of the one before it, every
    25th an account with a slip in it."""

    DOUBLE, WRONG = set(range(19, 400, 20)), set(range(4, 400, 25))
    SCHEMES = ("none", "luhn", "mod11")

    def __init__(self, archive: Program, folder: Path) -> None:
        self._archive, self._folder = archive, folder
        for scheme in self.SCHEMES:
            definition = a_document_type("DEBT_AUTHORIZATION", scheme=scheme).definition
            archive.archive.catalogues.define_type(DefineType(f"MANDATE_{scheme.upper()}", definition), a_caller())
        customers = folder / "customers.csv"
        lines = "".join(f"m{n},Customer {n},,,,person\n" for n in range(400))
        customers.write_text(f"id,name,birth_date,card_numbers,home_branch,kind\n{lines}")
        archive.run("customers", "import", customers)

    def manifest(self, *, mended: bool = False) -> Path:
        return a_manifest(self._folder, *self._rows(mended=mended))

    def _rows(self, *, mended: bool) -> Iterator[dict[str, str]]:
        for n in range(400):
            slip = n in self.WRONG and not mended
            yield {
                "customer": f"m{n}",
                "type": f"MANDATE_{self.SCHEMES[n // 2 % 3].upper()}",
                "scan_code": self._code(n - 1 if n in self.DOUBLE and not mended else n),
                "iban": an_iban("INGB", n) if not slip else an_iban("INGB", n)[:-1] + "x",
                "debtor_name": f"Customer {n}",
                "mandate_reference": f"LIB-{n:04d}",
                "signature_date": "2025-03-01",
                "external_id": f"old-{n}" if n % 2 else "",
            }

    def _code(self, n: int) -> str:
        """The scheme of a pair of lines is the same, so that one of them may have the code of the other."""
        return (f"OLD{n:05d}", a_luhn_code(n), a_mod11_code(n))[n // 2 % 3]


def test_edge_case_26_four_hundred_mandates_with_foreign_codes_are_migrated(archive: Program, tmp_path: Path) -> None:
    """Dry run, import, the same again, then the list with its slips mended: every mandate once, nothing half done."""
    migration = Migration(archive, tmp_path)
    refused = len(migration.DOUBLE | migration.WRONG)
    manifest = migration.manifest()

    told = archive.run("import", manifest, "--dry-run", "--json", code=7).json
    assert counts(told) == (400 - refused, 0, refused)
    assert archive.sql(MANDATES) == [(0,)]

    done = archive.run("import", manifest, "--json", code=7)
    assert counts(done.json) == (400 - refused, 0, refused)
    assert len(done.err.splitlines()) == refused
    assert "line 21: scan_code: " in done.err and "(line 20)" in done.err  # noqa: PT018  # of one line
    assert archive.sql(MANDATES) == [(400 - refused,)]

    assert counts(archive.run("import", manifest, "--json", code=7).json) == (0, 400 - refused, refused)
    assert counts(archive.run("import", migration.manifest(mended=True), "--json").json) == (refused, 400 - refused, 0)
    assert archive.sql(MANDATES) == [(400,)]
    assert archive.sql("select count(*) from archive.claim where kind = 'scan-code'") == [(400,)]
    assert json.loads(archive.run("verify", "--no-views", "--json").out)["problems_found"] == 0
