"""What an operator meets when something is missing: a sentence, and a program that goes on when it can."""

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from service.projector import run_sweeps
from tests.http.served import wait_until
from tests.service.program import Program, command

OLD_SECONDS = 48 * 3600


def test_a_lost_key_is_said_in_words_and_not_as_an_error_in_the_program(archive: Program) -> None:
    """The key of another archive, then none: neither opens what is there, and no new one may be made."""
    kek = archive.settings.home / "keys" / "kek.1"
    ways: tuple[Callable[[], object], ...] = (lambda: kek.write_text("ab" * 32 + "\n"), kek.unlink)
    for lose in ways:
        lose()

        ended = command("migrate", env=archive.env)

        assert ended.code == 1
        assert ended.err.startswith(f"dossier: {kek} is ")
        assert ended.err.endswith(": put the copy of it back\n")
    assert not kek.exists()


def test_a_sweep_that_was_refused_by_command_is_said_in_words(archive: Program) -> None:
    orphans(archive, 51)

    ended = archive.run("sweep", code=1)

    assert ended.err == "dossier: 51 contents have no event, 0 have one: is this the right log?\n"
    assert len(archive.files()) == 51


def test_serve_sweeps_again_after_a_sweep_that_was_refused(archive: Program, caplog: pytest.LogCaptureFixture) -> None:
    """It ended the thread: from then on nothing was swept any more until the projector was started again."""
    surplus = orphans(archive, 51)
    stop = threading.Event()
    sweeper = threading.Thread(
        target=run_sweeps, args=(archive.store, archive.settings.limits, stop), kwargs={"pause_seconds": 0.01}
    )
    sweeper.start()
    try:
        wait_until(lambda: "nothing was removed: 51 contents" in caplog.text, 20, "no sweep was refused")
        surplus[0].unlink()
        wait_until(lambda: archive.files() == {}, 20, "nothing was swept any more")
    finally:
        stop.set()
        sweeper.join(20)


def test_one_that_stands_by_sweeps_nothing_that_all_share(archive: Program) -> None:
    surplus, leading, looks = orphans(archive, 1), threading.Event(), itertools.count()
    archive.letter("100234")

    def is_leading() -> bool:
        next(looks)
        return leading.is_set()

    stop = threading.Event()
    sweeper = threading.Thread(
        target=run_sweeps,
        args=(archive.store, archive.settings.limits, stop),
        kwargs={"pause_seconds": 0.01, "is_leading": is_leading},
    )
    sweeper.start()
    try:
        wait_until(lambda: next(looks) > 20, 20, "it does not look")
        assert surplus[0].exists()
        leading.set()
        wait_until(lambda: not surplus[0].exists(), 20, "the leader sweeps nothing")
    finally:
        stop.set()
        sweeper.join(20)


def orphans(archive: Program, count: int) -> list[Path]:
    """Contents that no event names, old enough to be swept."""
    made = []
    for _ in range(count):
        content = str(uuid4())
        archive.store.directory.put(content, [b"orphan"])
        path = archive.settings.content_directory / content[-2:] / content
        os.utime(path, (time.time() - OLD_SECONDS,) * 2)
        made.append(path)
    return made
