"""Reading what an import is given: a list in CSV, a folder by customer and type, and the files that they name."""

import os
from contextlib import ExitStack
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from domain.importing import ImportLine
from domain.limits import Limits
from domain.refusals import ContentTooLarge, FieldError
from service.csv_lines import FileUnreadable
from service.import_lines import HEADER, MANIFEST, ListedLine, listing_of, open_line
from tests.builders.imports import a_list

LIMITS = Limits(upload_bytes_max=100, note_characters_max=20)
NEEDED: dict[str, Any] = {"customer": "100234", "type": "LETTER"}


def listed(source: Path) -> list[ListedLine]:
    return list(listing_of(source, LIMITS).lines)


def of_list(folder: Path, *rows: dict[str, str]) -> list[ListedLine]:
    manifest = folder / MANIFEST
    manifest.write_text(a_list(rows))
    return listed(manifest)


def line_of(folder: Path, **columns: str) -> ImportLine:
    [line] = of_list(folder, NEEDED | columns)
    assert isinstance(line.parsed, ImportLine), line.parsed
    return line.parsed


def wrong_in(folder: Path, **columns: str) -> list[str]:
    [line] = of_list(folder, NEEDED | columns)
    assert isinstance(line.parsed, tuple)
    return [str(error) for error in line.parsed]


def given(folder: Path, name: str, content: bytes = b"a paper") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# -- lines ------------------------------------------------------------------------------------------------------------


def test_every_column_is_read(tmp_path: Path) -> None:
    columns = {
        "received_on": "2024-02-29",
        "note": "Ünïcode, comma",
        "scan_code": "DA 4827",
        "iban": "BE68 5390 0754 7034",
        "debtor_name": "J. Peeters",
        "mandate_reference": "LIB-1",
        "signature_date": "2024-02-28",
        "external_id": "old-1",
    }
    dates = {"received_on": date(2024, 2, 29), "signature_date": date(2024, 2, 28)}
    assert line_of(tmp_path, **columns) == ImportLine(**NEEDED | columns | dates)


def test_blanks_around_a_field_are_not_part_of_it_and_an_empty_one_is_none(tmp_path: Path) -> None:
    assert line_of(tmp_path, customer=" 100234\t", note="  ") == ImportLine(**NEEDED)


WRONG = {
    "customer": ["customer: is required"],
    "received_on": ["received_on: must be a date like 2026-11-24"],
    "note": ["note: must have at most 20 characters"],
    "debtor_name": ["debtor_name: must have at most 70 printable characters"],
    "external_id": ["external_id: must have at most 200 printable characters"],
    "iban": ["iban: must have at most 256 printable characters"],
}
TEXTS = {"customer": "", "received_on": "29.02.2024", "iban": "a\x1bb", "external_id": "x" * 201}


@pytest.mark.parametrize("column", WRONG)
def test_a_wrong_field_is_named_by_its_column(tmp_path: Path, column: str) -> None:
    assert wrong_in(tmp_path, **{column: TEXTS.get(column, "x" * 71)}) == WRONG[column]


def test_all_that_is_wrong_with_a_line_is_told_at_once(tmp_path: Path) -> None:
    assert len(wrong_in(tmp_path, customer="", type="", signature_date="soon")) == 3


def test_the_limits_themselves_are_taken(tmp_path: Path) -> None:
    line = line_of(tmp_path, note="n" * 20, debtor_name="d" * 70, external_id="e" * 200)
    assert (len(line.note or ""), len(line.debtor_name or ""), len(line.external_id or "")) == (20, 70, 200)


def test_lines_are_numbered_as_an_editor_does_and_empty_ones_count(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text(",".join(HEADER) + '\n\n,1,LETTER,,,,,,,,\n,2,LE"TTER\n')
    first, second = listed(manifest)
    assert (first.number, first.place, second.place) == (3, "line 3", "line 4")
    assert isinstance(second.parsed, tuple)
    assert second.read == manifest.stat().st_size


@pytest.mark.parametrize("header", ["", "file;customer;type", ",".join(reversed(HEADER))])
def test_another_header_is_no_list(tmp_path: Path, header: str) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text(header + "\n")
    with pytest.raises(FileUnreadable, match="first line must be exactly file,customer"):
        listed(manifest)


# -- a folder ---------------------------------------------------------------------------------------------------------


def test_a_folder_with_a_list_in_it_is_that_list(tmp_path: Path) -> None:
    given(tmp_path, "100235/FORM/a.pdf")
    of_list(tmp_path, NEEDED)
    [line] = listed(tmp_path)
    assert line.parsed == ImportLine(**NEEDED)


def test_without_one_its_files_stand_by_customer_and_type(tmp_path: Path) -> None:
    for name in ("100235/FORM/b.pdf", "100234/LETTER/a.pdf", "100234/LETTER/.DS_Store", ".git/x/y"):
        given(tmp_path, name)
    first, second = listed(tmp_path)
    assert (first.parsed, second.parsed) == (
        ImportLine(**NEEDED),
        ImportLine(customer="100235", type="FORM"),
    )
    assert (first.row["file"], first.place) == ("100234/LETTER/a.pdf", "file 1 in 100234/LETTER")
    assert (first.read, listing_of(tmp_path, LIMITS).size) == (1, 2)


@pytest.mark.parametrize("name", ["stray.pdf", "100234/stray.pdf", "100234/LETTER/2024/deep.pdf"])
def test_a_file_that_stands_elsewhere_is_told_and_not_guessed_at(tmp_path: Path, name: str) -> None:
    given(tmp_path, name)
    [line] = listed(tmp_path)
    assert [str(e) for e in line.parsed] == ["file: must be in CUSTOMER/TYPE/ of the folder"]  # type: ignore[union-attr]  # is none


def test_a_name_that_is_no_text_is_shown_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "100234/LETTER").mkdir(parents=True)
    with open(os.fsencode(tmp_path / "100234/LETTER") + b"/\xff.pdf", "wb") as file:  # noqa: PTH123  # a name of bytes
        file.write(b"x")
    [line] = listed(tmp_path)
    assert line.row["file"] == "100234/LETTER/\\xff.pdf"
    assert opened_line(line, tmp_path).file is not None


# -- files ------------------------------------------------------------------------------------------------------------


def opened_line(line: ListedLine, folder: Path) -> ImportLine:
    with ExitStack() as stack:
        found = open_line(line, folder.resolve(), LIMITS, stack)
    assert isinstance(found, ImportLine), found
    return found


def refused_file(folder: Path, name: str) -> Exception:
    [line] = of_list(folder, NEEDED | {"file": name})
    with ExitStack() as stack:
        found = open_line(line, folder.resolve(), LIMITS, stack)
    assert isinstance(found, tuple), found
    return found[0]


def test_a_file_is_found_beside_the_list_hashed_and_closed_afterwards(tmp_path: Path) -> None:
    given(tmp_path, "scans/a.pdf", b"a paper")
    [line] = of_list(tmp_path, NEEDED | {"file": "scans/a.pdf"})
    with ExitStack() as stack:
        found = open_line(line, tmp_path.resolve(), LIMITS, stack)
        assert isinstance(found, ImportLine)
        assert found.file is not None
        assert (found.file.name, found.file.size) == ("a.pdf", 7)
        assert found.file.sha256 == sha256(b"a paper").digest()
    assert found.file.file.closed


def test_folders_may_be_set_apart_as_windows_does(tmp_path: Path) -> None:
    given(tmp_path, "scans/a.pdf")
    [line] = of_list(tmp_path, NEEDED | {"file": r"scans\a.pdf"})
    assert opened_line(line, tmp_path).file is not None


def test_nothing_outside_the_folder_is_taken(tmp_path: Path) -> None:
    given(tmp_path, "secret")
    inside = tmp_path / "delivery"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "folder").symlink_to(tmp_path)
    for name in ("../secret", str(tmp_path / "secret"), "link", "folder/secret"):
        assert str(refused_file(inside, name)) == "file: must be within the folder of the list"


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    given(tmp_path, "a.pdf")
    (tmp_path / "b.pdf").symlink_to("a.pdf")
    [line] = of_list(tmp_path, NEEDED | {"file": "b.pdf"})
    assert opened_line(line, tmp_path).file is not None


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert str(refused_file(tmp_path, "pipe")) == "file: is not a file"
    assert str(refused_file(tmp_path, "folder")).startswith("file: ")
    assert str(refused_file(tmp_path, "absent.pdf")) == "file: does not exist"
    assert str(refused_file(tmp_path, "x" * 300)).startswith("file: cannot be opened: ")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    given(tmp_path, "large", b"x" * 101)
    given(tmp_path, "fits", b"x" * 100)
    assert isinstance(refused_file(tmp_path, "large"), ContentTooLarge)
    [line] = of_list(tmp_path, NEEDED | {"file": "fits"})
    assert opened_line(line, tmp_path).file is not None


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert isinstance(refused_file(tmp_path, "loop"), FieldError)
