"""docs/operations.md does what it says: its blocks are run, its tables are those of the program."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.connections import (
    OF_A_WORKER,
    OF_COMMANDS,
    OF_OTHERS,
    READ_CONNECTIONS,
    WRITE_CONNECTIONS,
    count_connections,
    max_connections_for,
)
from service.import_lines import COLUMNS, HEADER
from service.serve import STOP_SECONDS
from store.postgres import ENDING_S_MAX
from tests.docs.reference import DOCS
from tests.http.desk import a_customer, archived, noted
from tests.http.served import ROOT, Served, new_home
from tests.service.program import command
from web.wrapper import AccessLine

PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")


def part(heading: str) -> str:
    [found] = re.findall(rf"^## {heading}\n(.+?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def first_column(text: str) -> list[str]:
    return [
        name for cell in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", cell)
    ]


# -- back up, bring back ----------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that the account of Postgres can go through, for the copy and for what is made of it."""
    with new_home() as home:
        yield home


def test_nobody_is_told_to_install_a_package_of_our_name_from_an_index() -> None:
    """The one there is somebody else's."""
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md"), *DOCS.rglob("*.service")]
    told = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    assert [line for line in told if re.search(r"pip3? install\b.*[\s'\"]dossier(?![\w/.-])", line)] == []


def run(line: str, env: dict[str, str], **instead: str) -> Any:
    """A printed line with other folders; its answer as JSON."""
    assert f"    ./run {line}\n" in PAGE
    for name, value in instead.items():
        line = line.replace(name, value)
    return command(*line.split(), "--json", env=env).json


def test_what_was_backed_up_comes_back_whole(served: Served, elsewhere: Path) -> None:
    """The lines as printed, beside a running archive with the embedded Postgres."""
    customer = a_customer(served)
    letter = archived(served.as_("operator"), customer, note="still there")
    last = noted(served.as_("operator"), customer)["position"]
    environment = {**os.environ, "DOSSIER_HOME": str(served.home)}
    home = str(elsewhere / "home")
    paths = {"/backup": str(elsewhere), "/elsewhere": str(elsewhere), "/srv/dossier-try": home, "41200": str(last)}

    run("backup /backup/dossier --keys-to /elsewhere/keys", environment, **paths)
    archived(served.as_("operator"), customer, note="came after the copy")
    told = run(
        "restore /backup/dossier --home /srv/dossier-try --keys-from /elsewhere/keys --to 41200", environment, **paths
    )

    assert (told["position"], told["problems_found"]) == (last, 0)
    restored = {**environment, "DOSSIER_HOME": home}
    history = command("history", "document", letter["id"], "--json", env=restored).json
    assert [item["after"]["note"] for item in history["items"]] == ["still there"]
    everything = command("history", "customer", customer, "--json", env=restored).json
    assert len(everything["items"]) == 2, "what came after the copy is not in it"


# -- what is there ----------------------------------------------------------------------------------------------


def test_the_data_folder_is_as_it_is_drawn(served: Served) -> None:
    drawn = dict(re.findall(r"^\| `([a-z./0-9-]+)` \| ([^|]*) \|", part("The data folder"), re.MULTILINE))
    found = {path.name + "/" * path.is_dir() for path in served.home.iterdir()}
    assert {name.partition("/")[0] for name in drawn} == {n.rstrip("/") for n in found} | {"postgres.place"}
    for name, modes in drawn.items():
        if name != "postgres.place":
            assert mode(served.home / name.partition("/")[0]) == modes[:4], name
    assert mode(served.home / "keys/kek.1") == "0600"
    assert {mode(path) for path in served.home.joinpath("content").glob("*/*")} <= {"0600"}


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def test_every_part_of_readyz_is_explained(served: Served) -> None:
    watched = part("What to watch").partition("Metrics for")[0]
    assert first_column(watched) == list(served.client(None).get("/readyz").json()["parts"])


def test_every_metric_is_explained(served: Served) -> None:
    assert served.as_("operator").get("/v1/documents/nothing").status_code == 404  # what nothing had is not told
    text = served.as_("operator").get("/metrics").text
    told = {re.sub(r"\{.*", "", name) for name in first_column(part("What to watch")) if name.startswith("dossier_")}
    assert told == set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) | set(
        re.findall(r"^(dossier_view_\w+)", text, re.MULTILINE)
    )


def test_every_problem_of_verify_is_explained() -> None:
    code = "".join(file.read_text() for file in (ROOT / "service").glob("verify*.py"))
    kinds = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))
    assert set(first_column(part("Verify"))) - {"--quick", "--no-views"} == kinds


def test_the_fields_of_an_access_line_are_those(served: Served) -> None:
    served.client(None).get("/livez")
    lines = [json.loads(line) for line in served.said().splitlines() if '"route"' in line]
    assert all(list(line) == list(AccessLine.__struct_fields__) for line in lines)
    assert ", ".join(f"`{name}`" for name in ("time", "part", "pid", "method")) in part("The log")
    for name in AccessLine.__struct_fields__:
        assert f"`{name}`" in part("The log"), name


def test_what_the_rooms_say_is_json(served: Served) -> None:
    """But for the first words of a start."""
    said = [line for line in (served.output / "stderr").read_text().splitlines() if not line.startswith("{")]
    begin = ("migrated: ", "operator token: ", "keep a copy of ", "sign in at ", "its password ", "content folder: ")
    assert all(line.startswith(begin) for line in said), said


def test_every_column_of_a_list_to_import_is_explained() -> None:
    told = part("Importing from another system")
    assert f"\n    {','.join(HEADER)}\n" in told
    assert sorted(first_column(told)) == sorted(COLUMNS)


# -- numbers ----------------------------------------------------------------------------------------------------


def test_a_stop_gets_the_time_that_it_may_need() -> None:
    children, units = 3, [*(ROOT / "docs/systemd").glob("dossier*.service")]
    assert units
    for unit in units:
        [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        assert int(seconds) > children * STOP_SECONDS + ENDING_S_MAX


def test_the_connections_are_counted_right() -> None:
    assert 2 * WRITE_CONNECTIONS + READ_CONNECTIONS + 1 == OF_A_WORKER
    assert f"opens up to {OF_A_WORKER} connections to Postgres, all else {OF_OTHERS}" in PAGE
    assert f"{count_connections(8)} for 8 workers" in PAGE
    assert (
        max_connections_for(1)
        == max_connections_for(2)
        == 100
        < count_connections(8) + OF_COMMANDS
        == max_connections_for(8)
    )
