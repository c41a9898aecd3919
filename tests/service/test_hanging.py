"""A part that hangs is found by its silence, killed and started again; nobody is blamed for the silence of all."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from projections.follow import Follower
from service.beats import Beats, wait_with_beats
from service.parts_door import fetch_part_statuses
from tests.http.desk import CONSENT
from tests.http.served import name_of, prepared_home, wait_until
from tests.service.program import Program
from tests.service.running import Running, log_lines, running

SECONDS = 40
SILENCE = 6
AWAKE_SECONDS = 2  # the supervisor looks five times a second: who would be blamed is killed at its first look
NOTE = {"type": CONSENT, "customer": "late", "original": {"held": True}}


@pytest.fixture(scope="module")
def watched() -> Iterator[Running]:
    with (
        prepared_home() as home,
        running(home, DOSSIER_SILENCE_SECONDS_MAX=str(SILENCE), DOSSIER_VIEW_LAG_SECONDS_MAX="1") as archive,
    ):
        yield archive
        assert archive.stop() == 0


def pid_of(archive: Running, part: str) -> int:
    return pids_of(archive)[part]


def pids_of(archive: Running) -> dict[str, int]:
    """As the supervisor tells them, once it answers: while a young part waits to be started again it does not."""
    told = dict[str, int]()

    def is_told() -> bool:
        told.update({one.part: one.pid for one in fetch_part_statuses(archive.home) or ()})
        return bool(told)

    wait_until(is_told, SECONDS, "the supervisor does not answer")
    return told


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Those that ended since they were listed, as a decoder does after its last file, get none."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def said(archive: Running, words: str) -> list[str]:
    return [line for line in log_lines(archive.err) if words in line]


def readyz(client: httpx.Client) -> str:
    return str(client.get("/readyz").json()["parts"]["projections"])


def test_a_part_that_hangs_is_killed_and_replaced_and_the_log_says_which_and_since_when(watched: Running) -> None:
    before = {part: pid_of(watched, part) for part in ("projector", "web", "paper")}
    signal_all(before.values(), signal.SIGSTOP)
    for part, pid in before.items():
        wait_until(partial(is_replaced, watched, part, pid), SECONDS, f"{part} was not replaced")
        (line,) = said(watched, f"(pid {pid}) gave no heartbeat for {SILENCE} s")
        assert f"{part} hangs: {part}" in line
        assert "killing and restarting it" in line
        (line,) = said(watched, f"{part} (pid {pid}) was ended by SIGKILL; restarting it")
    wait_until(lambda: answers(watched), SECONDS, "nothing answers")
    standing = {one.part: one for one in fetch_part_statuses(watched.home) or ()}
    assert [standing[part].restarts for part in before] == [1, 1, 1]
    assert all(one.beat_seconds < SILENCE for one in standing.values())


def is_replaced(archive: Running, part: str, before: int) -> bool:
    return pid_of(archive, part) != before


def answers(archive: Running) -> bool:
    try:
        return httpx.get(f"{archive.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_views_that_stand_still_are_told_in_seconds_and_catch_up_behind_a_replaced_projector(watched: Running) -> None:
    with watched.client() as client:
        os.kill(pid_of(watched, "projector"), signal.SIGSTOP)
        client.put("/v1/customers/late", json={"name": "Late"})
        made = client.post("/v1/authorizations", json=NOTE)
        assert made.status_code == 201, made.text
        wait_until(lambda: "s behind" in readyz(client), SECONDS, "nobody says that the views lag")
        wait_until(lambda: readyz(client) == "ok", SECONDS, "the views did not catch up")
        assert [i["id"] for i in client.get("/v1/customers/late/documents").json()["items"]] == [made.json()["id"]]


def test_who_was_stopped_together_with_all_others_kills_nobody(watched: Running) -> None:
    """As Ctrl-Z does, or a machine that sleeps."""
    pids = pids_of(watched)
    names = {pid: name_of(pid) for pid in watched.processes()}
    group = [pid for pid, name in names.items() if name.startswith("dossier") or pid == watched.process.pid]
    for number, seconds in ((signal.SIGSTOP, 1.2 * SILENCE), (signal.SIGCONT, AWAKE_SECONDS)):
        signal_all(group, number)
        time.sleep(seconds)
    assert pids_of(watched) == pids


def test_a_long_careful_batch_gives_signs_with_each_event(archive: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slowest way of the follower must not be taken for hanging."""
    for _ in range(6):
        archive.letter()
    beats, stop = list[int](), threading.Event()
    monkeypatch.setattr("projections.follow.with_care", lambda write: write(True))
    follower = Follower(archive.url, archive.store.log, beat=lambda: beats.append(1))
    thread = threading.Thread(target=follower.run, args=[stop])
    thread.start()
    archive.wait_until_views_at(archive.store.log.fence())
    stop.set()
    thread.join(SECONDS)
    assert len(beats) > 6 * len(follower._views)


def test_of_several_loops_the_most_silent_one_counts() -> None:
    beats = Beats(["paper", "projector"])
    beats.record_start("projector", 17, again=True)
    time.sleep(0.05)
    for name in ("projector", "projector.sweeps", "projector.operations"):
        beats.beat_of(name)()
    silent = beats.find_silent_loop("projector", 0.04)
    assert silent is not None
    assert silent[0] == "projector.lapses"
    assert beats.part_statuses()[1].restarts == 1
    beats.reset_all()
    assert beats.find_silent_loop("projector", 0.04) is None


def test_a_loop_that_waits_for_an_hour_gives_signs_meanwhile() -> None:
    beats, stop = list[int](), threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert wait_with_beats(stop, 3600, lambda: beats.append(1))
    assert beats
    assert not wait_with_beats(threading.Event(), 0.01, lambda: beats.append(1))


def test_nobody_answers_where_nothing_is_served(tmp_path: Path) -> None:
    assert fetch_part_statuses(tmp_path) is None
