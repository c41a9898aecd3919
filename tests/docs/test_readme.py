"""A newcomer types what README.md says, and it is so: the tour, the two commands, the map, the links of every page."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest

from service import exits
from service.__main__ import cli
from service.settings import SETTINGS
from tests.docs.reference import DOCS, verbs
from tests.http.desk import a_customer, item_of, noted
from tests.http.served import ROOT, Served, serving, wait_until

README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
TEXT = README.read_text(encoding="utf-8")
# What `run` itself knows; everything else it hands to the command.
OF_THE_SCRIPT = {"test", "bench", "lock"}
# As typed: in marks, in a block, or set in; with one word more, for commands have groups.
COMMAND = re.compile(r"(?:`dossier|bin/dossier|(?:^ *|`|&& )\./run) ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", re.MULTILINE)
# Made by the program or by its user, not part of the checkout; and places in other people's systems.
MADE = re.compile(
    r"\.venv|\.dossier|/|https?:|~|keys/|content/|cuts/|postgres/|postgres\.|run/|tmp/|page-images/|operator\.token|file:"
    r"|(?:paper|person|history|viewed)\.json"
)


# -- the tour ---------------------------------------------------------------------------------------------------


def block(name: str) -> str:
    """As printed."""
    [text] = re.findall(rf"<!-- {name}: \S+ runs this block -->\n```sh\n(.+?)```", TEXT, re.DOTALL)
    return str(text)


def typed(text: str, served: Served) -> list[Any]:
    """What each line said, at another address and for a customer of its own. Any call that fails ends it."""
    assert shutil.which("curl"), "the tour needs curl: apt-get install curl"
    instead = {
        "http://127.0.0.1:8080": served.url,
        ".dossier/operator.token": str(served.home / "operator.token"),
        "100234": a_customer(served),
    }
    for printed, ours in instead.items():
        assert printed in text, printed
        text = text.replace(printed, ours)
    done = subprocess.run(
        ["sh", "-eu"], input=text, cwd=served.home / "tmp", capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def tour(served: Served) -> list[Any]:
    return typed(block("tour"), served)


def test_the_tour_makes_a_customer_and_five_calls(tour: list[Any]) -> None:
    assert len(tour) == 1 + 5
    assert tour[0]["name"] == "Jan Smit"


def test_select_file_and_no_upload_answer_with_what_was_stored(tour: list[Any]) -> None:
    letter, noted = tour[1:3]
    assert (letter["type"], letter["file_name"], letter["note"]) == ("LETTER", "letter.txt", "asks for paper reminders")
    assert (noted["type"], noted["original_held"], noted["shelf_mark"]) == ("DEBT_AUTHORIZATION", True, "A-3")


def test_both_are_in_the_view(tour: list[Any]) -> None:
    assert [item["id"] for item in tour[3]["items"]] == [tour[2]["id"], tour[1]["id"]]


def test_the_history_tells_who_did_both(tour: list[Any]) -> None:
    assert [(item["actor"], item["action"]) for item in tour[4]["items"]] == [
        ("operator", "authorization-registered"),
        ("operator", "document-archived"),
    ]


def test_the_view_of_before_has_the_letter_alone(tour: list[Any]) -> None:
    assert [item["id"] for item in tour[5]["items"]] == [tour[1]["id"]]


def test_the_tour_leaves_nothing_lying_about(served: Served, tour: list[Any]) -> None:
    assert tour
    assert list((served.home / "tmp").iterdir()) == []


# -- Follow what happens ----------------------------------------------------------------------------------------


def test_the_feed_is_followed_until_ctrl_c(served: Served) -> None:
    text = "".join([*block("tour").splitlines(keepends=True)[:3], block("follow")])
    text = text.replace("http://127.0.0.1:8080", served.url)
    text = text.replace(".dossier/operator.token", str(served.home / "operator.token"))
    with subprocess.Popen(
        ["sh", "-eu", "-c", text], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as shell:
        assert shell.stdout is not None
        assert [event["id"] for event in json.loads(shell.stdout.readline())["items"]] == ["1", "2", "3"]
        assert shell.stdout.readline().startswith("retry: ")
        made = noted(served.as_("staff"), a_customer(served))
        lines = iter(shell.stdout.readline, "")
        assert f"id: {made['position']}\n" in lines
        assert next(lines) == "event: authorization-registered.v2\n"
        os.killpg(shell.pid, signal.SIGINT)


# -- Scan page --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scan() -> Iterator[list[Any]]:
    """Where the tour was typed: with its first lines, and its customer. As the page says, a moment after the start."""
    start = re.findall(r"^DOSSIER_SCANNERS=(\S+) \./run serve$", TEXT, re.MULTILINE)
    with serving(DOSSIER_SCANNERS=start[0]) as served:
        operator = served.as_("operator")
        wait_until(lambda: item_of(operator.get("/v1/scanners"))["items"] != [], 30, "the station has not come")
        first_lines = "".join(block("tour").splitlines(keepends=True)[:3])
        yield typed(first_lines + block("scan"), served)


def test_a_desk_is_offered_the_simulated_scanner(scan: list[Any]) -> None:
    [scanner] = scan[0]["items"]
    assert (scanner["id"], scanner["state"], scanner["sources"]) == ("local:simulated", "ready", ["flatbed", "feeder"])


def test_the_glass_scans_after_a_yes_and_its_page_becomes_a_document(scan: list[Any]) -> None:
    confirmed, seen, letter = scan[1:4]
    assert (confirmed["state"], confirmed["source"]) == ("scanning", "flatbed")
    assert [len(page["scan_codes"]) for page in seen["pages"]] == [1]
    assert (letter["type"], letter["source"], letter["note"], letter["pages"]) == (
        "LETTER", "scan", "from the glass", 1,
    )  # fmt: skip


def test_a_stack_is_shown_as_what_it_seems_to_be_and_archived_by_pages(scan: list[Any]) -> None:
    seen, split, form = scan[4:]
    assert [document["pages"] for document in split["documents"]] == [[1], [2], [3]]
    assert [d["scan_codes"] for d in split["documents"]] == [page["scan_codes"] for page in seen["pages"]]
    assert (form["type"], form["source"], form["pages"]) == ("FORM", "scan", 1)


# -- the commands -----------------------------------------------------------------------------------------------


def test_the_address_is_that_of_the_defaults() -> None:
    host, port = SETTINGS["host"].default, SETTINGS["port"].default
    assert f"prints `ready http://{host}:{port}`" in TEXT
    assert f"archive=http://{host}:{port}/v1" in TEXT
    assert f"`{SETTINGS['home'].default}`" in TEXT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_is_one(page: Path) -> None:
    known = {path.removeprefix("dossier ") for path, _ in verbs("dossier", cli)} | OF_THE_SCRIPT
    groups = {name for name, command in cli.commands.items() if isinstance(command, click.Group)}
    for first, second in COMMAND.findall(page.read_text(encoding="utf-8")):
        named = f"{first} {second}".strip() if first in groups else first
        assert named in known | groups, f"{page.name}: {first} {second}"


def test_what_the_script_itself_knows_stands_in_it() -> None:
    script = (ROOT / "run").read_text()
    assert set(re.findall(r"^([a-z]+)\) ", script, re.MULTILINE)) == OF_THE_SCRIPT


def test_the_exit_codes_are_those_of_the_program() -> None:
    [told] = re.findall(r"scripts may rely on: (.+?)\.\n", TEXT, re.DOTALL)
    codes = {int(number) for number in re.findall(r"\d+", told)}
    assert codes == {*range(exits.PARTLY + 1), exits.TRY_AGAIN, exits.INTERRUPTED}
    assert " ".join(told.split()) in " ".join((cli.help or "").split())


# -- names of files ---------------------------------------------------------------------------------------------


def test_the_map_of_rooms_names_every_folder() -> None:
    made = [*(ROOT / ".gitignore").read_text().split(), ".git/"]
    folders = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir()}
    kept = {folder for folder in folders if not any(fnmatch(folder, pattern) for pattern in made)}
    assert set(re.findall(r"^\| `([^`]+/)` \|", TEXT, re.MULTILINE)) == kept


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        if heading:
            assert heading in headings(found.read_text(encoding="utf-8")), target


def headings(text: str) -> set[str]:
    """As GitHub names them: small letters, dashes for blanks; and the places that a page names itself."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found}
    return named | {*re.findall(r'<a id="([^"]+)">', text)}


@pytest.mark.parametrize("page", [README, DOCS / "events.md"], ids=lambda page: page.name)
def test_the_append_that_a_page_names_is_the_one_in_force(page: Path) -> None:
    """A function of the database is defined anew by a later migration: the pages lead to the last one."""
    defining = [path for path in (ROOT / "migrations").rglob("*.sql") if "function archive.append(" in path.read_text()]
    assert f"`{max(defining).relative_to(ROOT)}`" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """`folder/file.py`, `folder/file.py:function`, and bare names that follow one in the same line."""
    for line in page.read_text(encoding="utf-8").splitlines():
        folder = Path()
        for name in re.findall(r"`([\w./*-]+\.(?:py|md|sql|json|toml|cfg|lock)|[\w.-]+/)(?::\w+)?`", line):
            if MADE.match(name):
                continue
            path = ROOT / name if "/" in name or (ROOT / name).exists() else ROOT / folder / name
            assert path.exists() or list(ROOT.glob(name)), f"{page.name}: {name}"
            folder = Path(name) if name.endswith("/") else Path(name).parent if "/" in name else folder
