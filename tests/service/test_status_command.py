"""`dossier status` beside a running archive, and beside one that does not run."""

import json
import re
from pathlib import Path

from tests.http.served import Served
from tests.service.program import Program, command, environment

COMMIT = re.compile(r"[0-9a-f]{40}")


def test_beside_a_running_archive_it_tells_parts_views_and_room(served: Served) -> None:
    ended = command("status", "--json", env=environment(served.home, served.settings.database_url))
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["problems"] == []
    assert {part["part"] for part in told["parts"]} >= {"paper", "projector", "web"}
    assert all(part["pid"] and part["beat_seconds"] < 60 for part in told["parts"])
    assert {"view", "position", "lag_events", "lag_seconds", "parked"} == set(told["views"][0])
    assert told["content"]["free_bytes"] > 0
    assert COMMIT.fullmatch(told["commit"])
    assert told["settings"]["DOSSIER_HOME"] == str(served.home)
    assert [key["name"] for key in told["keys"]] == ["kek.1"]
    assert all({"station", "branch", "silent_seconds", "scanners"} == set(one) for one in told["stations"])


def test_the_last_verification_and_the_last_sweep_are_told_and_what_they_found(archive: Program) -> None:
    archive.letter()
    archive.run("verify")
    archive.run("sweep")
    told = {run["run"]: run for run in json.loads(archive.run("status", "--json", code=1).out)["runs"]}
    assert (told["verify"]["problems"], told["verify"]["result"]["contents"]) == (0, 1)
    assert told["verify"]["age_seconds"] < 600
    assert told["sweep"]["result"]["contents"] == 0
    [content] = [path for path in archive.store.settings.content_directory.rglob("*-*") if path.is_file()]
    content.unlink()
    archive.run("verify", code=6)
    ended = archive.run("status", code=1)
    assert "problem\tthe last verification found 1 problems: run `dossier verify`" in ended.out


def test_what_is_wrong_is_told_with_what_to_do_and_code_1(archive: Program) -> None:
    archive.sql(
        "insert into views.parked (view, position, as_of, subject, topic, error_type)"
        " values ('audit_history', 1, now(), gen_random_uuid(), 'document-archived.v1', 'AssertionError')"
    )
    ended = archive.run("status", code=1)
    assert "problem\tno `dossier serve` runs on this DOSSIER_HOME" in ended.out
    assert "problem\taudit_history has 1 parked events: run `dossier projection parked`" in ended.out


def test_a_database_that_is_away_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    url = f"postgresql://archivist:secret-word@/dossier?host={tmp_path}"
    ended = command("status", "--json", env=environment(tmp_path / "home", url))
    assert ended.code == 1
    assert "the database cannot be reached" in ended.out
    assert "secret-word" not in ended.out + ended.err
