"""What holds for every verb: streams, exit codes, words instead of tracebacks, quick starts, a clean end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

import click
import psycopg
import pytest
from click.testing import CliRunner

from domain.disposal import DuePaper
from domain.ports import VersionConflict
from domain.refusals import FieldError, Refusal, ValidationFailed, all_refusals
from projections.disposals import PaperRetentions
from service.__main__ import cli
from service.exits import FAILED, TRY_AGAIN, USAGE, ending_of
from store.postgres import Cluster, choose_folder
from tests.builders.papers import a_caller
from tests.builders.refusals import a_refusal
from tests.http.served import new_home
from tests.service.ended import an_ended
from tests.service.program import NAME, PRIVATE, ROOT, Program, a_stranger, command, environment, paper_of

CODES = {1, 2, 3, 4, 5, 75}
READING = (
    ["version"],
    ["tokens", "list"],
    ["users", "list"],
    ["types", "list"],
    ["history", "customer", "100234"],
    ["projection", "status"],
    ["projection", "parked"],
    ["config", "check"],
    ["openapi"],
)
JSON_LINES = (["events", "tail"], ["events", "show", "1"], ["events", "export"], ["replay"])
RUNNING = {"serve", "migrate", "scan station"}
TRIED_ELSEWHERE = {"backup run", "backup verify", "restore", "export archive", "export customer"}
"""They need a folder, an archive or a server of their own: test_backup.py, test_export_command.py."""
WRITING = {"customers import", "projection back", "projection pause", "projection rebuild", "projection resume"}
WRITING |= {"adopt", "users bind", "users unbind", "disposals propose", "disposals approve", "disposals run"}
WRITING |= {"sweep", "tokens create", "tokens revoke", "users add", "users disable", "users enable", "users reset"}
SECRET = {"tokens create", "users add", "users enable", "users reset"}
SILENT = RUNNING | {"projection back", "projection pause", "tokens revoke", "users disable"} | SECRET
SILENT |= {"adopt", "users bind", "users unbind"}
NOT_SERVED = {"status"}
"""Verbs that print no data, or nothing but a token or a password."""
COLD = {"config check", "customers import", "events show", "history document", "import", "projection rebuild"}
COLD |= {"scan test", "status", "tokens create", "types list", "users add", "verify"}


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every verb with its full name."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for inner in command.commands.values():
        yield from leaves(inner, f"{name} {inner.name}".strip())


VERBS = dict(leaves(cli))


# -- data and words ---------------------------------------------------------------------------------------------


def test_every_reading_verb_prints_json_and_nothing_else_when_asked(filled: Program) -> None:
    for verb in READING:
        ended = filled.run(*verb, "--json")
        assert isinstance(ended.json, dict), verb
        assert ended.err == "", verb


def test_verbs_that_stream_print_one_json_object_a_line(filled: Program) -> None:
    for verb in JSON_LINES:
        ended = filled.run(*verb, "--json")
        assert ended.lines, verb
        assert all(isinstance(line, dict) for line in ended.lines), verb


def test_without_a_terminal_a_list_is_tab_separated_and_has_no_colour(filled: Program) -> None:
    ended = filled.run("types", "list")
    head, *rows = (line.split("\t") for line in ended.out.splitlines())
    assert head[:2] == ["code", "label"]
    assert len(rows) == 9
    assert all(len(row) == len(head) for row in rows)
    assert "\x1b" not in ended.out


def test_a_value_that_could_steer_a_terminal_is_printed_escaped(archive: Program, tmp_path: Path) -> None:
    archive.letter(note="\x1b[2Jcleared\nand a second line")
    archive.follow()
    ended = archive.run("history", "customer", "100234")
    assert "\x1b" not in ended.out
    assert "\\x1b[2Jcleared\\nand a second line" in ended.out
    assert len(ended.out.splitlines()) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    ended = CliRunner().invoke(cli, [*verb.split(), "--help"])
    assert ended.exit_code == 0, ended.output
    assert f"Usage: cli {verb}" in ended.output


def test_every_verb_that_prints_data_takes_json_and_every_one_that_writes_an_actor_and_a_branch() -> None:
    taken = {verb: {option for p in command.params for option in p.opts} for verb, command in VERBS.items()}
    assert {verb for verb, options in taken.items() if "--json" not in options} == SILENT
    for verb in WRITING:
        assert {"--actor", "--branch"} <= taken[verb], verb
    assert set(VERBS) >= WRITING | TRIED_ELSEWHERE


def test_asking_for_help_or_the_version_loads_no_driver() -> None:
    heavy = "{'psycopg', 'falcon', 'eventsourcing', 'cryptography', 'gunicorn', 'rich', 'PIL', 'asyncio'}"
    code = f"import sys, service.__main__; print(*({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def proposed(archive: Program, paper: UUID) -> UUID:
    """A disposal of this paper."""
    listed = DuePaper(
        paper=paper,
        type="OTHER_AUTHORIZATION",
        due_on=date(2020, 1, 1),
        trigger="entitlement_end",
        months=24,
        legal_basis="",
        approval=False,
    )
    return archive.archive.disposals.propose_disposal([listed], a_caller()).id


def test_every_verb_does_its_work_as_a_shell_starts_it(archive: Program, tmp_path: Path) -> None:
    """One of each module of commands; the others in a process that is warm already, as in most tests."""
    archive.some_of_each()
    letter, consent = paper_of(archive.letter()), paper_of(archive.consent())
    due, _ = an_ended(archive), an_ended(archive)
    approved, run = (proposed(archive, due) for _ in range(2))
    archive.follow()
    done = proposed(archive, letter)
    retentions = PaperRetentions(archive.store.pool, archive.archive.catalogues.load_types)
    archive.archive.disposals.run_disposal(done, retentions, a_caller())
    manifest = tmp_path / "customers.csv"
    manifest.write_text(f"id,name,birth_date,card_numbers,home_branch,kind\n200001,{NAME},,,,\n")
    empty = tmp_path / "papers"
    empty.mkdir()
    arguments: dict[str, tuple[object, ...]] = {
        "customers import": (manifest,),
        "disposals approve": (approved, "--reason", "compared"),
        "disposals run": (run,),
        "disposals show": (run,),
        "disposals declaration": (done,),
        "events show": (1,),
        "history authorization": (consent,),
        "history customer": ("100234",),
        "history document": (letter,),
        "projection back": ("authorizations",),
        "projection pause": ("authorizations",),
        "projection resume": ("authorizations",),
        "tokens create": ("kiosk", "--role", "viewer"),
        "tokens revoke": ("kiosk", "--yes"),
        "adopt": ("--yes",),
        "users add": ("j.smit", "--role", "staff"),
        "users bind": ("j.smit", "--subject", "17", "--issuer", "https://id.example"),
        "users unbind": ("j.smit",),
        "users disable": ("j.smit", "--yes"),
        "users enable": ("j.smit",),
        "users reset": ("j.smit",),
        "scan test": ("simulated:flatbed",),
        "import": (empty,),
    }
    users = ("users add", "users bind", "users disable", "users enable")
    first = ("projection rebuild", "projection pause", "tokens create", *users)
    for verb in (*first, *(VERBS.keys() - {*first, *RUNNING, *TRIED_ELSEWHERE})):
        words, code = (*verb.split(), *arguments.get(verb, ())), int(verb in NOT_SERVED)
        ended = command(*words, env=archive.env) if verb in COLD else archive.run(*words, code=code)
        assert ended.code == code, (verb, ended.err)
        assert bool(ended.out) is (verb not in SILENT - SECRET), verb


# -- how a command ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", all_refusals(), ids=lambda refusal: refusal.slug)
def test_every_refusal_has_an_exit_code_of_the_contract(refusal: type[Refusal]) -> None:
    code, words = ending_of(a_refusal(refusal))
    assert code in CODES
    assert words


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("not-found", 3),
        ("customer-unknown", 3),
        ("document-type-unknown", 3),
        ("forbidden", 4),
        ("unauthenticated", 4),
        ("duplicate-content", 5),
        ("precondition-failed", 5),
        ("illegal-transition", 5),
        ("validation-failed", 2),
        ("file-damaged", 2),
        ("unavailable", 75),
        ("insufficient-storage", 75),
        ("idempotency-in-flight", 75),
        ("internal-error", 1),
    ],
)
def test_refusals_end_with_the_code_that_says_what_to_do(slug: str, code: int) -> None:
    refusal = next(kind for kind in all_refusals() if kind.slug == slug)
    assert ending_of(a_refusal(refusal))[0] == code


def test_fields_that_are_wrong_are_each_named() -> None:
    error = ValidationFailed(FieldError("name", "is too long"), FieldError("branch", "is needed"))
    assert ending_of(error) == (USAGE, "name: is too long; branch: is needed")


def test_two_who_changed_the_same_thing_meet_in_a_conflict() -> None:
    assert ending_of(VersionConflict())[0] == 5


def test_an_unforeseen_error_is_told_by_kind_and_place_and_never_by_its_text() -> None:
    try:
        raise RuntimeError(f"about {NAME}")
    except RuntimeError as error:
        code, words = ending_of(error)
    assert code == FAILED
    assert "RuntimeError at service/test_command.py:" in words
    assert NAME not in words


def test_a_database_error_says_nothing_of_the_row_that_it_met(db: str) -> None:
    with psycopg.connect(db) as conn, pytest.raises(psycopg.Error) as caught:
        conn.execute("select cast(%s as int)", [NAME])
    assert NAME in str(caught.value)
    assert NAME not in ending_of(caught.value)[1]


def test_a_lost_database_connection_asks_to_try_again() -> None:
    assert ending_of(psycopg.OperationalError("server closed the connection"))[0] == TRY_AGAIN


def test_what_is_typed_wrongly_is_a_usage_error(tmp_path: Path) -> None:
    env = environment(tmp_path / "home")
    for wrong in (["no-such-verb"], ["tokens", "create", "x"], ["tokens", "create", "x", "--role", "king"], ["events"]):
        ended = command(*wrong, env=env)
        assert ended.code == 2, wrong
        assert ended.out == "", wrong
        assert "Usage: dossier" in ended.err, wrong
    assert not (tmp_path / "home").exists()


def test_a_setting_that_cannot_be_used_ends_every_verb_with_one_sentence(tmp_path: Path) -> None:
    ended = command("tokens", "list", env=environment(tmp_path, DOSSIER_PORT="http"))
    assert ended.code == 2
    assert ended.err.splitlines() == ["dossier: DOSSIER_PORT: 'http' cannot be used (port the web server listens on)"]


# -- before there is an archive ---------------------------------------------------------------------------------


def test_a_mistyped_home_is_told_and_not_made(tmp_path: Path) -> None:
    for verb in (["tokens", "list"], ["verify"], ["events", "export"]):
        ended = command(*verb, env=environment(tmp_path / "elsewhere"))
        assert ended.code == 1
        assert "run `dossier serve` or `dossier migrate` first" in ended.err
    assert not (tmp_path / "elsewhere").exists()


def test_a_database_without_migrations_is_told(tmp_path: Path, empty_db: str) -> None:
    ended = command("tokens", "list", env=environment(tmp_path / "home", empty_db))
    assert ended.code == 1
    assert "run `dossier serve` or `dossier migrate` first" in ended.err
    assert not (tmp_path / "home").exists()


def test_a_database_that_does_not_answer_asks_to_try_again(tmp_path: Path) -> None:
    url = f"postgresql://archivist:secret-word@/dossier?host={tmp_path}"
    ended = command("tokens", "list", env=environment(tmp_path / "home", url))
    assert ended.code == 75
    assert "the database cannot be reached" in ended.err
    assert "secret-word" not in ended.err


def test_a_login_without_rights_is_told_that_it_is_not_allowed(archive: Program) -> None:
    url = a_stranger(archive)
    ended = command("tokens", "list", env={**archive.env, "DOSSIER_DATABASE_URL": url})
    assert (ended.code, ended.err) == (4, "dossier: the database login may not do this\n")


def test_a_home_without_its_key_is_told_and_gets_no_new_one(archive: Program, tmp_path: Path) -> None:
    """A new key would open nothing of what is there, and look as if it did."""
    ended = command("tokens", "list", env=environment(tmp_path / "other", archive.url))
    assert ended.code == 1
    assert "key-encryption key" in ended.err
    assert not (tmp_path / "other").exists()


def test_migrate_prepares_an_empty_database_once(tmp_path: Path, empty_db: str) -> None:
    env = environment(tmp_path / "home", empty_db)
    first = command("migrate", env=env)
    assert first.code == 0
    token = (tmp_path / "home" / "operator.token").read_text()
    again = command("migrate", env=env)
    assert (again.code, again.out) == (0, "")
    assert "migrated:" in first.err
    assert "migrated:" not in again.err
    assert token.strip() not in first.err
    assert (tmp_path / "home" / "operator.token").read_text() == token
    assert command("tokens", "list", "--json", env=env).json["items"][0]["name"] == "operator"


# -- beside serve, without it, and ended ------------------------------------------------------------------------


def test_a_command_starts_the_embedded_database_for_the_moment_and_lets_it_go() -> None:
    with new_home() as home:
        env = environment(home)
        assert command("migrate", env=env).code == 0
        assert not Cluster(choose_folder(home)).is_alive()
        assert command("tokens", "list", "--json", env=env).json["items"]
        assert not Cluster(choose_folder(home)).is_alive()

        follower = subprocess.Popen(
            [sys.executable, "-m", "service", "events", "tail", "--follow", "--json"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert follower.stdout is not None
            first = json.loads(follower.stdout.readline())
            assert command("tokens", "create", "beside", "--role", "viewer", env=env).code == 0
            while first["actor"] == "system":
                first = json.loads(follower.stdout.readline())
            assert first["topic"] == "token-created.v1"
            follower.send_signal(signal.SIGTERM)
            assert follower.wait(20) == 130
        finally:
            follower.kill()
            follower.communicate()
        assert not Cluster(choose_folder(home)).is_alive()


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(filled: Program) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "events", "tail", "--follow", "--limit", "1"],
        cwd=ROOT,
        env=filled.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.split() == ["interrupted"]


def test_a_reader_that_goes_away_ends_the_command_quietly(filled: Program) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "events", "export"],
        cwd=ROOT,
        env=filled.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) != 0
    assert err == ""


def test_nothing_that_names_a_person_stands_in_what_is_printed_unasked(filled: Program) -> None:
    for verb in (["events", "export"], ["events", "tail"], ["tokens", "list"], ["projection", "status"], ["verify"]):
        out = filled.run(*verb).out
        assert not [private for private in PRIVATE if private in out], verb
