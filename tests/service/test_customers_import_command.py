"""`dossier customers import`: what the command makes of a file; what a line may hold is tested beside the parser."""

from pathlib import Path

from tests.service.program import NAME, Program

HEADER = "id,name,birth_date,card_numbers,home_branch,kind\n"
GOOD = f"200001,{NAME},1980-02-29,2900 2901,CENTRAL,person\n200002,School De Linde,,,,organisation\n"
BAD = f"200003,{NAME},1980-02-30,,,person\n"


def test_customers_are_taken_in_and_a_second_time_nothing_changes(archive: Program, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(HEADER + GOOD)
    first = archive.run("customers", "import", file, "--json").json
    assert (first["created"], first["changed"], first["unchanged"], first["refused"]) == (2, 0, 0, 0)
    taken = archive.store.register.get("200001")
    assert taken is not None
    assert (taken.name, taken.card_numbers) == (NAME, ("2900", "2901"))
    again = archive.run("customers", "import", file, "--json", "--actor", "nightly", "--branch", "WEST").json
    assert (again["created"], again["unchanged"]) == (0, 2)


def test_a_dry_run_tells_the_same_and_stores_nothing(archive: Program, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(HEADER + GOOD)
    told = archive.run("customers", "import", file, "--dry-run", "--json").json
    assert (told["created"], told["dry_run"]) == (2, True)
    assert archive.store.register.get("200001") is None


def test_a_refused_line_is_told_by_number_and_column_and_the_rest_is_taken(archive: Program, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(HEADER + GOOD + BAD)
    ended = archive.run("customers", "import", file, "--json", code=7)
    assert (ended.json["created"], ended.json["refused"]) == (2, 1)
    assert ended.err.startswith("line 4: birth_date")
    assert archive.store.register.get("200003") is None


def test_when_no_line_can_be_taken_the_import_failed(archive: Program, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(HEADER + BAD)
    assert archive.run("customers", "import", file, "--json", code=1).json["refused"] == 1
    file.write_text("number;name\n")
    assert archive.run("customers", "import", file, code=1).out == ""
    archive.run("customers", "import", tmp_path / "absent.csv", code=2)
