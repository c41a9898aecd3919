"""`dossier export customer`: everything about a person as a folder, whole or not there at all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bagit
import pytest

from tests.service.program import ROOT, Program, paper_of

# bagit 1.9.0 calls re.sub() in a way that Python 3.13 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.count. is passed:DeprecationWarning")


def export(archive: Program, folder: Path, *more: object, code: int = 0, **variables: str) -> Any:
    done = archive.run("export", "customer", "100234", folder, *more, "--json", code=code, **variables)
    return json.loads(done.out) if done.out else None


def read(folder: Path, path: str) -> Any:
    return json.loads((folder / "data" / path).read_bytes())


def test_everything_about_a_customer_is_a_valid_bag_that_only_its_owner_can_read(
    archive: Program, tmp_path: Path
) -> None:
    archive.some_of_each()
    archive.letter(type="READING_DISABILITY")
    archive.follow()
    folder = tmp_path / "bag"
    assert export(archive, folder, "--language", "de") == {"folder": str(folder), "customer": "100234", "papers": 7}
    bagit.Bag(str(folder)).validate()
    assert len([*folder.glob("data/papers/*/paper.json")]) == 7
    assert 'lang="de"' in (folder / "data" / "index.html").read_text(encoding="utf-8")
    assert {p.stat().st_mode & 0o077 for p in (folder, *folder.rglob("*"))} == {0}
    archive.follow()
    [[exported]] = archive.sql("select customer from views.audit_history where action = 'customer-exported'")
    assert archive.sql("select customer from access.log where action = 'export'") == [(exported,)]


@pytest.mark.parametrize(
    ("setting", "by"), [("no", {"role": "unknown"}), ("yes", {"role": "unknown", "name": "j.smit"})]
)
def test_a_setting_adds_the_names_of_staff(archive: Program, tmp_path: Path, setting: str, by: dict[str, str]) -> None:
    archive.letter()
    archive.follow()
    export(archive, tmp_path / "bag", DOSSIER_EXPORT_NAMES=setting)
    assert [line["by"] for line in read(tmp_path / "bag", "history.json")] == [by]


def test_an_unknown_customer_is_not_found_and_leaves_nothing(archive: Program, tmp_path: Path) -> None:
    archive.follow()
    archive.run("export", "customer", "999", tmp_path / "bag", code=3)
    assert not [*tmp_path.glob("*bag*")]


def test_a_folder_with_files_is_left_alone(archive: Program, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "other").touch()
    export(archive, tmp_path / "bag", code=5)
    export(archive, tmp_path / "no" / "bag", code=5)
    assert [p.name for p in (tmp_path / "bag").iterdir()] == ["other"]


def test_views_that_are_behind_are_no_export(archive: Program, tmp_path: Path) -> None:
    archive.letter()
    export(archive, tmp_path / "bag", code=75)
    assert not [*tmp_path.glob("*bag*")]


def test_a_damaged_content_is_no_export(archive: Program, tmp_path: Path) -> None:
    file = archive.content_file(archive.letter())
    archive.follow()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.unlink()
    file.write_bytes(data)
    export(archive, tmp_path / "bag", code=1)
    assert not [*tmp_path.glob("*bag*")]


def test_a_destroyed_content_is_told(archive: Program, tmp_path: Path) -> None:
    letter = archive.letter()
    archive.follow()
    archive.sql("delete from keys.paper where paper = %s", paper_of(letter))
    export(archive, tmp_path / "bag")
    [paper] = (tmp_path / "bag" / "data" / "papers").glob("*/paper.json")
    assert [one["state"] for one in json.loads(paper.read_bytes())["contents"]] == ["destroyed"]


def test_a_killed_export_is_not_taken_for_one_and_the_next_one_clears_it(archive: Program, tmp_path: Path) -> None:
    for _ in range(20):
        archive.letter(size_bytes=2_000_000)
    archive.follow()
    words = [sys.executable, "-m", "service", "export", "customer", "100234", str(tmp_path / "bag")]
    running = subprocess.Popen(words, cwd=ROOT, env=archive.env, stdout=subprocess.DEVNULL)
    unfinished = tmp_path / ".bag.dossier-unfinished"
    while not unfinished.exists() and running.poll() is None:
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "bag").exists()
    archive.follow()
    export(archive, tmp_path / "bag")
    assert not unfinished.exists()
    bagit.Bag(str(tmp_path / "bag")).validate()
