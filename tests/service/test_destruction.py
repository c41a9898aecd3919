"""A destroyed paper on a real archive: key, files, images and rows go, verify and replay find nothing wrong, and a
process that is killed anywhere leaves what the next one finishes."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from uuid import UUID

import pytest

from projections.rebuild import rebuild, replay
from service.removal import remove_destroyed
from service.sweep import sweep
from store.keys import Keys
from tests.builders.events import A_GROUND
from tests.builders.papers import a_caller
from tests.service.program import FILE_NAME, NOTE, ROOT, Program, paper_of

ROUNDS, PAPERS = 5, 60
# As a run of a disposal does it: paper by paper, then the files.
DESTROY = """
import os, sys
from uuid import UUID
from service.database import embedded_address
from service.removal import remove_destroyed
from service.settings import load_settings_from
from service.wiring import APP_ROLE, open_store, role_of
from tests.builders.events import A_GROUND
from tests.builders.papers import a_caller

url = os.environ["DOSSIER_DATABASE_URL"]
with open_store(load_settings_from(os.environ), url, role=role_of(url, APP_ROLE)) as store:
    archive = store.archive()
    for paper in sys.argv[1:]:
        archive.destroying.destroy_paper(UUID(paper), A_GROUND, a_caller())
        print(paper, flush=True)
        remove_destroyed(store)
"""


def destroy(archive: Program, *papers: UUID) -> None:
    for paper in papers:
        assert archive.archive.destroying.destroy_paper(paper, A_GROUND, a_caller())


def left(archive: Program) -> int:
    [(count,)] = archive.sql("select count(*) from archive.destroyed_content where removed_at is null")
    return int(count)


def text_of(archive: Program) -> str:
    """All rows of all views."""
    tables = [name for (name,) in archive.sql("select tablename::text from pg_tables where schemaname = 'views'")]
    return "".join(str(archive.sql(f"select t::text from views.{name} as t")) for name in tables)  # noqa: S608  # names of tables


def test_key_file_and_rows_go_and_verify_finds_nothing_wrong(archive: Program) -> None:
    gone, kept = archive.letter(), archive.letter(note="of another")
    file = archive.content_file(gone)
    archive.follow()
    assert NOTE in text_of(archive)
    destroy(archive, paper_of(gone))
    assert remove_destroyed(archive.store) == 1
    archive.follow()
    assert not file.exists()
    assert archive.content_file(kept).exists()
    assert archive.sql("select 1 from keys.paper where paper = %s", paper_of(gone)) == []
    assert NOTE not in text_of(archive)
    told = archive.run("verify", "--json").json
    assert (told["problems"], told["destroyed_events"], told["erased_events"]) == ([], 1, 0)
    assert (told["destroyed_contents"], told["destroyed_left"], told["contents"]) == (1, 0, 1)


def test_history_stays_readable_and_says_under_which_rule(archive: Program) -> None:
    paper = paper_of(archive.letter())
    destroy(archive, paper)
    archive.follow()
    last, first = archive.run("history", "document", paper, "--json").json["items"]
    assert (first["action"], last["action"]) == ("document-archived", "content-destroyed")
    assert last["after"] == {
        "status": "destroyed",
        "disposal": str(A_GROUND.disposal),
        "due_on": "2030-01-20",
        "trigger": "mandate_end",
        "months": 14,
        "legal_basis": "SEPA rulebook",
    }
    assert "file_name" not in first["after"]


def test_the_table_that_a_rebuild_has_kept_loses_the_values_too(archive: Program) -> None:
    paper = paper_of(archive.letter())
    archive.follow()
    rebuild(archive.store.projector_url, archive.store.log)
    assert FILE_NAME in str(archive.sql("select t::text from views.customer_documents_old as t"))
    destroy(archive, paper)
    archive.follow()
    assert FILE_NAME not in text_of(archive)


def test_a_replay_between_the_end_of_the_key_and_the_view_finds_no_difference(archive: Program) -> None:
    """The live rows still have the values, and nobody can read them again from the log."""
    paper = paper_of(archive.letter())
    archive.follow()
    destroy(archive, paper)
    archive.store.keys.forget_all()
    assert {r.view: r.differences for r in replay(archive.store.projector_url, archive.store.log) if r.different} == {}
    archive.follow()
    assert all(r.identical for r in rebuild(archive.store.projector_url, archive.store.log))


def test_a_rebuild_by_a_process_that_still_holds_the_key_makes_the_same_rows(
    archive: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = paper_of(archive.letter())
    archive.follow()
    destroy(archive, paper)
    archive.follow()
    monkeypatch.setattr(Keys, "forget_key", lambda *_: None)
    assert archive.store.keys.cipher_of(paper) is not None, "the cache has not heard of it"
    monkeypatch.setattr(archive.store.log, "load_event_pages", one_by_one(archive.store.log.load_event_pages))
    assert all(r.identical for r in replay(archive.store.projector_url, archive.store.log))


def one_by_one(read: Callable[..., object]) -> Callable[..., object]:
    return lambda after, up_to, page=1: read(after, up_to, 1)


# -- interrupted --------------------------------------------------------------------------------------------------


def test_a_process_that_ends_after_the_append_leaves_the_file_to_the_next_sweep(archive: Program) -> None:
    """Also where most contents are of destroyed papers, which is no wrong log."""
    outcomes = [archive.letter() for _ in range(60)]
    destroy(archive, *map(paper_of, outcomes))
    assert left(archive) == 60
    told = sweep(archive.store, archive.settings.limits)
    assert (told.destroyed, told.contents, left(archive)) == (60, 0, 0)
    assert archive.files() == {}
    assert sweep(archive.store, archive.settings.limits).destroyed == 0


def test_a_process_that_ends_between_a_file_and_its_note_is_continued(archive: Program) -> None:
    gone = archive.letter()
    destroy(archive, paper_of(gone))
    archive.content_file(gone).unlink()
    assert remove_destroyed(archive.store) == 1
    assert left(archive) == 0


def test_killed_anywhere_it_goes_on(archive: Program) -> None:
    """kill -9 of the process that destroys, at any step; the next one destroys the rest."""
    chance = random.Random(7)
    papers = [paper_of(archive.letter()) for _ in range(PAPERS)]
    kept = archive.letter()
    for _ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", DESTROY, *map(str, papers)],
            env={**archive.env, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(chance.randrange(1, PAPERS // ROUNDS)):
            process.stdout.readline()
        time.sleep(chance.random() / 100)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        archive.follow()
        assert archive.run("verify", "--json").json["problems"] == []
    subprocess.run(
        [sys.executable, "-c", DESTROY, *map(str, papers)],
        env={**archive.env, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    archive.follow()
    told = archive.run("verify", "--json").json
    assert (told["problems"], told["destroyed_contents"], told["destroyed_left"]) == ([], PAPERS, 0)
    assert [*archive.files()] == [archive.content_file(kept)]
    [(events,)] = archive.sql("select count(*) from archive.archive_events where topic = 'content-destroyed.v1'")
    assert events == PAPERS


# -- what verify finds --------------------------------------------------------------------------------------------


def test_a_key_that_came_back_is_found(archive: Program) -> None:
    """As from an older backup of the keys."""
    gone = paper_of(archive.letter())
    [row] = archive.sql("select paper, customer, wrapped from keys.paper where paper = %s", gone)
    destroy(archive, gone)
    archive.sql("insert into keys.paper values (%s, %s, %s)", *row)
    found = archive.run("verify", "--no-views", "--json", code=6).json["problems"]
    assert [(p["kind"], p["id"]) for p in found] == [("wrap-left-over", str(gone))]


def test_a_file_that_came_back_is_found(archive: Program) -> None:
    gone = archive.letter()
    file = archive.content_file(gone)
    plain = file.read_bytes()
    destroy(archive, paper_of(gone))
    remove_destroyed(archive.store)
    file.write_bytes(plain)
    found = archive.run("verify", "--no-views", "--json", code=6).json["problems"]
    assert [(p["kind"], p["id"]) for p in found] == [("content-not-removed", file.name)]


def test_a_missing_key_of_any_other_paper_is_a_loss(archive: Program) -> None:
    gone, lost = paper_of(archive.letter()), paper_of(archive.letter())
    destroy(archive, gone)
    remove_destroyed(archive.store)
    archive.sql("delete from keys.paper where paper = %s", lost)
    found = archive.run("verify", "--no-views", "--json", code=6).json["problems"]
    assert [(p["kind"], p["id"]) for p in found] == [("key-missing", str(lost))]


def test_the_database_takes_keys_of_destroyed_papers_alone(archive: Program) -> None:
    paper = paper_of(archive.letter())
    with pytest.raises(Exception, match="no scan session and not destroyed"):
        archive.sql("select archive.let_go(array[%s]::uuid[], '{}')", paper)
