"""`dossier backup`, `backup verify` and `restore`: what was acknowledged before a cut comes back whole, and what cannot
be restored is refused before anything changes."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from service.restore import DROP, TABLES
from store.backups import BackupFolder
from tests.service.program import NOTE, Ended, Program, command, environment


class Saved:
    """An archive, the folders of its back-up, and a data folder and database to restore to."""

    def __init__(self, archive: Program, place: Path, url: str) -> None:
        self.archive, self.place, self.keys = archive, place / "copy", place / "copy-keys"
        self.home, self.url = place / "restored", url

    def back_up(self, *options: object, code: int = 0) -> Any:
        return self.archive.run("backup", self.place, *options, "--json", code=code).json

    def verify(self, *options: object, code: int = 0) -> Any:
        return self.archive.run("backup", "verify", self.place, *options, "--json", code=code).json

    def restore(self, *options: object, code: int = 0, **variables: str) -> Ended:
        return self.archive.run(
            "restore", self.place, "--home", self.home, *options, "--json", code=code,
            **{"DOSSIER_DATABASE_URL": self.url, **variables},
        )  # fmt: skip

    def refuse(self, words: str, *options: object, code: int, **variables: str) -> None:
        """The restore is refused with these words, and nothing was created."""
        ended = self.restore(*options, code=code, **variables)
        assert words in ended.err
        assert not self.home.exists()

    def restored(self, *arguments: object) -> Any:
        """A command on the restored archive."""
        return command(*arguments, "--json", env=environment(self.home, self.url)).json

    def cut(self) -> Path:
        return max((self.place / "cuts").iterdir())

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.cut() / "manifest.json").read_text())
        return found

    def change_manifests(self, **fields: Any) -> None:
        """In both folders, as one who may write in both could."""
        for folder in (self.place, self.keys):
            path = folder / "cuts" / self.cut().name / "manifest.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    def content(self) -> Path:
        return next(path for path in sorted((self.place / "content").glob("*/*")) if path.is_file())


@pytest.fixture
def saved(archive: Program, tmp_path: Path, empty_db: str) -> Saved:
    return Saved(archive, tmp_path, empty_db)


# -- there and back ---------------------------------------------------------------------------------------------


def test_what_was_backed_up_comes_back_and_what_came_later_does_not(saved: Saved) -> None:
    saved.archive.some_of_each()
    letter = saved.archive.letter(note=NOTE)
    saved.archive.follow()
    done = saved.back_up()
    saved.archive.letter()
    told = saved.restore()
    assert f"restored {done['papers']} papers up to position {done['position']} to {saved.home}\n" in told.err
    assert told.json["problems_found"] == 0
    assert (told.json["events"], told.json["position"]) == (done["events"], done["position"])
    paper = letter.recorded[0].envelope.originator_id
    history = saved.restored("history", "document", paper)
    assert [item["after"]["note"] for item in history["items"]] == [NOTE]
    assert {p.name for p in saved.home.joinpath("content").glob("*/*")} == {
        p.name for p in saved.place.joinpath("content").glob("*/*")
    }


def test_a_second_run_copies_what_is_new_alone(saved: Saved) -> None:
    saved.archive.letter()
    saved.archive.letter()
    first = saved.back_up()
    before = {path: path.stat().st_ino for path in saved.place.glob("content/*/*")}
    saved.archive.letter()
    second = saved.back_up()
    assert (first["copied"], first["contents"], second["copied"], second["contents"]) == (2, 2, 1, 3)
    assert before.items() <= {path: path.stat().st_ino for path in saved.place.glob("content/*/*")}.items()
    assert saved.verify()["cuts"] == 2
    assert saved.restore("--to", first["position"]).json["position"] == first["position"]


def test_an_empty_archive_comes_back_too(saved: Saved) -> None:
    assert saved.back_up()["papers"] == 0
    assert saved.restore().json["papers"] == 0


def test_the_folder_of_the_cuts_has_no_key_and_no_name_of_a_person(saved: Saved, tmp_path: Path) -> None:
    saved.archive.letter()
    saved.back_up("--keys-to", tmp_path / "elsewhere")
    kek = (saved.archive.settings.home / "keys" / "kek.1").read_bytes().strip()
    files = [path for path in saved.place.rglob("*") if path.is_file()]
    assert files
    assert {path.name for path in files} & {"keys.dump", "kek.1"} == set()
    assert not [path for path in files if kek in path.read_bytes()]
    assert not saved.keys.exists()
    assert {path.stat().st_mode & 0o077 for path in (*files, saved.place, tmp_path / "elsewhere")} == {0}
    saved.refuse("the keys of this back-up are not there", code=1)
    assert saved.restore("--keys-from", tmp_path / "elsewhere").json["papers"] == 1


def test_cuts_under_load_have_all_that_was_acknowledged_before_and_nothing_dangles(saved: Saved) -> None:
    """Uploads, and scans that are cancelled: their images are removed while the contents are copied."""
    cut_under_load(saved, rounds=3)


@pytest.mark.long
def test_fifty_cuts_under_load(saved: Saved) -> None:
    cut_under_load(saved, rounds=50)


def cut_under_load(saved: Saved, *, rounds: int) -> None:
    """Each cut is restored into a database and a home of its own, and verified."""
    stop, acknowledged = threading.Event(), list[int]()

    def upload() -> None:
        while not stop.is_set():
            acknowledged.append(saved.archive.letter().recorded[-1].position)

    def scan() -> None:
        while not stop.is_set():
            saved.archive.scans.cancel(saved.archive.scans.handed_in(2))

    threads = [threading.Thread(target=work) for work in (upload, scan)]
    taken = list[tuple[list[int], dict[str, Any]]]()
    for thread in threads:
        thread.start()
    try:
        for _ in range(rounds):
            before = [*acknowledged]
            taken.append((before, saved.back_up()))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert saved.verify()["problems_found"] == 0
    for before, done in taken:
        told = saved.restore("--to", done["position"]).json
        assert (told["position"], told["problems_found"]) == (done["position"], 0)
        found = restored_positions(saved)
        assert {*before} <= found
        assert max(found) == done["position"]
        remove_restored(saved)


def restored_positions(saved: Saved) -> set[int]:
    with psycopg.connect(saved.url) as conn:
        return {position for (position,) in conn.execute("select notification_id from archive.archive_events")}


def remove_restored(saved: Saved) -> None:
    with psycopg.connect(saved.url, autocommit=True) as conn:
        conn.execute(DROP)
    shutil.rmtree(saved.home)


# -- what cannot be backed up -----------------------------------------------------------------------------------


def test_a_content_that_the_archive_has_lost_keeps_nothing_else_from_being_saved(saved: Saved) -> None:
    saved.archive.content_file(saved.archive.letter()).unlink()
    saved.archive.letter()
    done = saved.back_up(code=7)
    assert (done["missing"], done["contents"]) == (1, 1)
    assert saved.manifest()["missing"] != []
    assert saved.restore(code=6).json["problems_found"] == 1


def test_two_runs_do_not_write_one_folder(saved: Saved) -> None:
    saved.back_up()
    with BackupFolder(saved.place).lock():
        assert "another back-up is being written" in saved.archive.run("backup", saved.place, code=75).err
    assert saved.verify()["cuts"] == 1


def test_a_run_that_was_killed_leaves_the_cuts_before_it_and_is_removed_by_the_next(saved: Saved) -> None:
    saved.archive.letter()
    saved.back_up()
    saved.archive.letter()
    saved.back_up()
    (saved.cut() / "manifest.json").unlink()
    assert (saved.verify()["cuts"], saved.verify()["unfinished"]) == (1, 1)
    saved.back_up()
    assert (saved.verify()["cuts"], saved.verify()["unfinished"]) == (2, 0)


def test_a_folder_with_other_files_is_left_as_it_is(saved: Saved) -> None:
    saved.place.mkdir()
    (saved.place / "letter.txt").write_text("mine")
    assert "has files and is not a back-up" in saved.archive.run("backup", saved.place, code=1).err
    assert [path.name for path in saved.place.iterdir()] == ["letter.txt"]
    inside = saved.archive.settings.home / "copy"
    assert "is inside a folder of the archive" in saved.archive.run("backup", inside, code=1).err


def test_the_keys_are_not_put_into_the_folder_of_the_cuts(saved: Saved) -> None:
    ended = saved.archive.run("backup", saved.place, "--keys-to", saved.place / "keys", code=1)
    assert "is inside a folder" in ended.err


# -- what cannot be restored ------------------------------------------------------------------------------------


def test_the_back_up_of_another_archive_is_refused(saved: Saved, tmp_path: Path) -> None:
    saved.back_up()
    stranger = uuid4()
    other = BackupFolder(tmp_path / "other")
    other.prepare(stranger)
    ended = saved.archive.run("backup", other.root, code=5)
    assert "is the back-up of another archive" in ended.err
    assert list((other.root / "cuts").iterdir()) == []
    saved.refuse("has the keys of another archive", "--keys-from", other.root, code=5)


def test_a_half_written_back_up_is_refused(saved: Saved) -> None:
    saved.back_up()
    (saved.cut() / "manifest.json").unlink()
    saved.refuse("has no complete back-up", code=1)
    assert "has no complete back-up" in saved.archive.run("backup", "verify", saved.place, code=1).err


def test_a_back_up_of_a_newer_release_is_refused(saved: Saved) -> None:
    saved.back_up()
    saved.change_manifests(migration=9_999, release="99.0")
    saved.refuse("release 99.0 made this back-up", code=1)
    saved.change_manifests(format=9)
    saved.refuse("use a newer release", code=1)


def test_keys_that_are_away_or_changed_are_told(saved: Saved) -> None:
    saved.back_up()
    (saved.keys / "kek.1").write_text("0" * 64)
    saved.refuse("kek.1 was changed", code=6)
    (saved.keys / "kek.1").unlink()
    saved.refuse("kek.1 is missing", code=1)
    shutil.rmtree(saved.keys)
    saved.refuse("give their folder with --keys-from", code=1)
    assert saved.verify()["keys_checked"] is False


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


TAMPERED: dict[str, Callable[[Saved], Path]] = {
    "dump": lambda saved: saved.cut() / "archive.dump",
    "list": lambda saved: saved.cut() / "contents",
    "keys": lambda saved: saved.keys / "cuts" / saved.cut().name / "keys.dump",
    "content": Saved.content,
}


@pytest.mark.parametrize("file", TAMPERED)
def test_a_changed_file_is_found_and_nothing_of_it_is_restored(saved: Saved, file: str) -> None:
    saved.archive.letter()
    saved.back_up()
    flip(TAMPERED[file](saved))
    found = saved.verify(code=6)
    assert found["problems_found"] == 1
    saved.refuse("was changed", code=6)
    with psycopg.connect(saved.url) as conn:
        assert conn.execute(TABLES).fetchone() is None


def test_a_content_that_was_removed_is_found(saved: Saved) -> None:
    saved.archive.letter()
    saved.back_up()
    saved.content().unlink()
    assert saved.verify("--quick", code=6)["problems"][0]["kind"] == "content-missing"
    saved.refuse("is missing or was changed", code=6)
    assert saved.back_up()["copied"] == 1, "the next run puts it back"
    saved.verify()


def test_a_manifest_that_differs_from_its_copy_with_the_keys_is_refused(saved: Saved) -> None:
    """Who can write where the cuts are cannot pass another database off as this one."""
    saved.back_up()
    path = saved.cut() / "manifest.json"
    path.write_text(json.dumps({**saved.manifest(), "papers": 7}))
    saved.refuse("differ: one was changed", code=6)


def test_nothing_is_restored_over_something(saved: Saved, tmp_path: Path) -> None:
    saved.back_up()
    saved.home.mkdir()
    (saved.home / "file").touch()
    assert "is not empty" in saved.restore(code=5).err
    assert [path.name for path in saved.home.iterdir()] == ["file"]
    shutil.rmtree(saved.home)
    live = f"file://{saved.archive.settings.content_directory}"
    saved.refuse("another archive may use it", code=5, DOSSIER_CONTENT_URL=live)
    saved.refuse("has tables", code=5, DOSSIER_DATABASE_URL=saved.archive.url)
    saved.archive.run("verify")


def test_a_position_before_the_oldest_cut_is_refused(saved: Saved) -> None:
    saved.archive.letter()
    saved.back_up()
    saved.refuse("the oldest cut in", "--to", 0, code=1)
