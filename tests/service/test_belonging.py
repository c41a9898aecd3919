"""Whose content folder and keys are at hand (service/belonging.py): another archive's, an older copy's, none's.

Nothing is acknowledged into such a folder and nothing swept from it; the command says which it is.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from store.marker import MARKER, Marker, find_marker, write_marker
from tests.builders.mounts import mounted
from tests.fixtures.database import create_database, drop_database
from tests.service.program import Program, program
from tests.service.warm import Warm

OLD_SECONDS = 48 * 3600
CONFLICT = 5


def marker_of(archive: Program) -> Marker:
    found = find_marker(archive.settings.content_directory)
    assert found is not None
    return found


def age(archive: Program) -> None:
    """As if all contents had come two days ago: old enough to be swept."""
    for path in archive.files():
        os.utime(path, (time.time() - OLD_SECONDS,) * 2)


def become_another(archive: Program) -> None:
    """Each archive has an id of its own; those of tests are copies of one database."""
    archive.sql("update archive.identity set id = gen_random_uuid()")


def test_the_first_start_marks_both_folders_with_the_id_of_the_database(archive: Program) -> None:
    [(identity, marked)] = archive.sql("select id, content_marked from archive.identity")
    assert marked
    assert marker_of(archive).archive == identity
    assert find_marker(archive.settings.home / "keys") == Marker(identity)
    for folder in (archive.settings.content_directory, archive.settings.home / "keys"):
        assert (folder / MARKER).stat().st_mode & 0o777 == 0o600


def test_an_empty_archive_at_the_folder_of_another_sweeps_nothing(
    archive: Program, tmp_path: Path, cluster_url: str, template: str, warm: Warm
) -> None:
    """All 45 contents were removed: below 51 surplus contents the sweep took every log for the right one."""
    for _ in range(45):
        archive.letter()
    age(archive)
    become_another(archive)
    archive.run("adopt", "--yes")
    name = f"other_{uuid4().hex}"
    try:
        with program(tmp_path / "other", create_database(cluster_url, name, template), warm) as other:
            elsewhere = {"DOSSIER_CONTENT_URL": f"file://{archive.settings.content_directory}"}
            for verb in ("sweep", "verify", "migrate"):
                ended = other.run(verb, code=CONFLICT, **elsewhere)
                assert "holds the contents of another archive" in ended.err
    finally:
        drop_database(cluster_url, name)
    assert len(archive.files()) == 45
    archive.run("sweep")
    assert len(archive.files()) == 45


def test_an_older_copy_of_the_database_neither_serves_from_nor_sweeps_the_folder_of_the_newer_one(
    tmp_path: Path, cluster_url: str, template: str, warm: Warm
) -> None:
    """A restore drill with DOSSIER_CONTENT_URL left in the configuration: 302 of 786 files were removed."""
    name, home = f"newer_{uuid4().hex}", tmp_path / "home"
    url = create_database(cluster_url, name, template)
    with program(home, url, warm) as archive:
        for _ in range(8):
            archive.letter()
    older = create_database(cluster_url, f"older_{name}", name)
    try:
        with program(home, url, warm) as archive:
            archive.letter()
            archive.run("sweep")
            age(archive)
            for verb in ("sweep", "verify", "migrate"):
                ended = archive.run(verb, code=CONFLICT, DOSSIER_DATABASE_URL=older)
                assert "of this archive, which this database lacks: it is an older copy" in ended.err
            assert len(archive.files()) == 9
            archive.run("adopt", "--yes", DOSSIER_DATABASE_URL=older)
            archive.run("sweep", DOSSIER_DATABASE_URL=older)
            assert len(archive.files()) == 8, "adopted for good: what that database does not name is swept"
    finally:
        drop_database(cluster_url, f"older_{name}")
        drop_database(cluster_url, name)


@pytest.mark.parametrize("what", ["unmounted", "marker lost", "older copy of the folder"])
def test_a_folder_that_lacks_what_the_log_names_is_refused_in_words(
    archive: Program, tmp_path: Path, what: str
) -> None:
    root = archive.settings.content_directory
    shutil.copytree(root, tmp_path / "older")
    for _ in range(4):
        archive.letter()
    ways: dict[str, tuple[Callable[[], object], str]] = {
        "unmounted": (lambda: root.rename(tmp_path / "aside"), f"{root} has no file ARCHIVE: mount its volume"),
        "marker lost": (lambda: (root / MARKER).unlink(), f"{root} has no file ARCHIVE: mount its volume"),
        "older copy of the folder": (
            lambda: (root.rename(tmp_path / "aside"), (tmp_path / "older").rename(root)),
            f"{root} lacks 4 of the newest 4 contents",
        ),
    }
    spoil, words = ways[what]
    spoil()
    before = {path.relative_to(root) for path in root.rglob("*")} if root.exists() else None
    if what == "older copy of the folder":
        assert archive.run("verify", "--json", code=6).json["problems_found"] >= 4, "verify is there to name them"
    for verb in ("migrate", "sweep") if what == "older copy of the folder" else ("migrate", "sweep", "verify"):
        ended = archive.run(verb, code=1)
        assert words in ended.err
        assert "`dossier adopt`" in ended.err
    assert ({path.relative_to(root) for path in root.rglob("*")} if root.exists() else None) == before


def test_an_archive_of_before_is_adopted_once_when_its_contents_are_there(archive: Program, tmp_path: Path) -> None:
    for _ in range(3):
        archive.letter()
    root = archive.settings.content_directory
    archive.sql("update archive.identity set content_marked = false")
    (root / MARKER).unlink()
    aside = root.rename(tmp_path / "aside")
    assert "lacks 3 of the newest 3" in archive.run("migrate", code=1).err, "its volume is not mounted"
    assert not root.exists()
    aside.rename(root)
    assert "names this archive" in archive.run("migrate").err
    assert archive.sql("select content_marked from archive.identity") == [(True,)]
    (root / MARKER).unlink()
    archive.run("migrate", code=1)
    assert archive.run("adopt", "--yes").code == 0
    archive.run("migrate")


def test_a_new_archive_does_not_take_a_folder_with_contents(archive: Program) -> None:
    archive.sql("update archive.identity set content_marked = false")
    root = archive.settings.content_directory
    (root / MARKER).unlink()
    (root / "00" / "0199a000-0000-7000-8000-000000000000").write_bytes(b"of whom?")
    assert "holds contents, and this database names none" in archive.run("migrate", code=1).err


def test_keys_of_another_archive_are_told_as_that(archive: Program) -> None:
    write_marker(archive.settings.home / "keys", Marker(uuid4()))
    for verb in (("migrate",), ("tokens", "list")):
        ended = archive.run(*verb, code=CONFLICT)
        assert "holds the keys of another archive" in ended.err


def test_keys_that_were_brought_back_without_the_marker_get_it_again(archive: Program) -> None:
    (archive.settings.home / "keys" / MARKER).unlink()
    archive.run("migrate")
    assert find_marker(archive.settings.home / "keys") == Marker(marker_of(archive).archive)


def test_a_sweep_notes_how_far_the_log_has_come(archive: Program) -> None:
    for _ in range(2):
        archive.letter()
        archive.run("sweep")
        seen = marker_of(archive).seen
        assert seen is not None
        assert seen.position == archive.store.log.last_position()


def test_a_question_is_asked_before_a_folder_is_adopted(archive: Program) -> None:
    before = marker_of(archive)
    become_another(archive)
    assert archive.run("adopt", code=130).code == 130
    assert marker_of(archive) == before


def test_a_start_on_read_only_content_serves_what_is_there(archive: Program, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "none") as disk:
        shutil.copytree(archive.settings.content_directory, disk / "content")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        archive.run("migrate", DOSSIER_CONTENT_URL=f"file://{disk}/content")
        archive.run("verify", DOSSIER_CONTENT_URL=f"file://{disk}/content")
