"""What a person sees on a terminal: tables, bars, questions, Ctrl-C; off a terminal there is none of it."""

import json
import re
import signal

import psycopg
import pytest

from projections.views import VIEWS
from tests.http.served import free_port, prepared_home, wait_until
from tests.service.program import Program, environment
from tests.service.terminal import CTRL_C, terminal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_list_is_a_table_on_a_terminal_and_tab_separated_in_a_pipe(filled: Program) -> None:
    with terminal("types", "list", env=filled.env) as shown:
        assert shown.ended() == 0
    assert "\t" not in shown.screen
    assert re.search(r"code +label", COLOUR.sub("", shown.screen))
    assert len([line for line in shown.screen.splitlines() if "LETTER" in line]) == 1


def test_long_work_draws_a_bar_on_the_terminal_and_leaves_stdout_to_the_data(filled: Program) -> None:
    with terminal("replay", "--json", env=filled.env, out_apart=True) as shown:
        assert shown.ended() == 0
        assert shown.process.stdout is not None
        lines = [json.loads(line) for line in shown.process.stdout.read().splitlines()]
    assert [line["identical"] for line in lines] == [True] * len(VIEWS)
    assert "replaying" in shown.screen
    assert COLOUR.search(shown.screen)
    assert filled.run("replay", "--json").err == ""


def test_no_color_is_minded(filled: Program) -> None:
    for verb in (["replay"], ["types", "list"]):
        with terminal(*verb, env={**filled.env, "NO_COLOR": "1"}) as shown:
            assert shown.ended() == 0
        codes = {code for found in COLOUR.findall(shown.screen) for code in found[2:-1].split(";") if code}
        assert not [code for code in codes if 30 <= int(code) <= 49 or 90 <= int(code) <= 107], verb


def test_a_revocation_asks_first_and_does_as_it_is_told(archive: Program) -> None:
    for name in ("kept", "ended"):
        archive.run("tokens", "create", name, "--role", "viewer")
    with terminal("tokens", "revoke", "kept", env=archive.env) as asked:
        asked.wait_for("Revoke the token kept? [y/N]")
        asked.type("n\n")
        assert asked.ended() == 1
    assert "nothing was changed" in asked.screen
    with terminal("tokens", "revoke", "ended", env=archive.env) as asked:
        asked.wait_for("Revoke the token ended?")
        asked.type("y\n")
        assert asked.ended() == 0
    assert revoked(archive) == {"operator": False, "kept": False, "ended": True}


def test_yes_spares_the_question(archive: Program) -> None:
    archive.run("tokens", "create", "ended", "--role", "viewer")
    with terminal("tokens", "revoke", "ended", "--yes", env=archive.env) as shown:
        assert shown.ended() == 0
    assert "Revoke" not in shown.screen.replace("revoked", "")
    assert revoked(archive)["ended"] is True


def test_ctrl_c_at_a_question_changes_nothing(archive: Program) -> None:
    archive.run("tokens", "create", "kept", "--role", "viewer")
    with terminal("tokens", "revoke", "kept", env=archive.env) as asked:
        asked.wait_for("Revoke the token kept?")
        asked.type(CTRL_C)
        assert asked.ended() == 130
    assert "Traceback" not in asked.screen
    assert revoked(archive)["kept"] is False


def revoked(archive: Program) -> dict[str, bool]:
    return {item["name"]: item["revoked"] for item in archive.run("tokens", "list", "--json").json["items"]}


@pytest.mark.parametrize("verb", [["events", "tail", "--follow", "--limit", "1"], ["verify"], ["replay"]])
def test_ctrl_c_ends_whatever_is_under_way_with_130(filled: Program, verb: list[str]) -> None:
    """The log of a verb that would end by itself is held, so that it is surely at work when the key is pressed."""
    with psycopg.connect(filled.url) as conn:
        conn.execute("lock table archive.archive_events in access exclusive mode")
        with terminal(*verb, env=filled.env) as shown:
            wait_for_a_waiting_lock(filled)
            shown.type(CTRL_C)
            assert shown.ended() == 130
    assert shown.screen.split()[-1] == "interrupted"
    assert "Traceback" not in shown.screen


def wait_for_a_waiting_lock(archive: Program) -> None:
    waiting = "select count(*) from pg_locks where not granted and relation = 'archive.archive_events'::regclass"
    wait_until(lambda: archive.sql(waiting)[0][0] > 0, 30, "nothing waits for the log")


def test_ctrl_c_on_the_terminal_of_serve_ends_all_of_it_with_0() -> None:
    with prepared_home() as home:
        env = environment(home, DOSSIER_PORT=str(free_port()), DOSSIER_WORKERS="1")
        with terminal("serve", env=env) as shown:
            shown.wait_for("ready http://127.0.0.1:")
            shown.type(CTRL_C)
            assert shown.ended() == 0
        assert "Traceback" not in shown.screen
        assert signal.SIGINT.name not in shown.screen
