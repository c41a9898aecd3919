"""Hints between the processes of one HOME (store/hints.py)."""

import os
import select
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from store.hints import FOLLOWER, READER, Hints
from tests.builders.mounts import mounted


def is_heard(hints: Hints, seconds: float = 5.0) -> bool:
    heard = bool(select.select([hints.fileno()], [], [], seconds)[0])
    hints.receive_hints()
    return heard


def test_a_hint_wakes_those_it_is_for_once(tmp_path: Path) -> None:
    with closing(Hints(tmp_path, FOLLOWER)) as follower, closing(Hints(tmp_path, READER)) as reader:
        for _ in range(1_000):  # more than a queue holds: nothing blocks
            reader.send_hint(FOLLOWER)
        assert is_heard(follower)
        assert not is_heard(follower, 0)
        assert not is_heard(reader, 0)
        follower.send_hint(READER)
        assert is_heard(reader)
    assert [*tmp_path.iterdir()] == []


def test_the_socket_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    dies = "import os, sys, pathlib, store.hints as h; x = h.Hints(pathlib.Path(sys.argv[1]), h.READER); os._exit(0)"
    subprocess.run([sys.executable, "-c", dies, str(tmp_path)], check=True)
    assert len([*tmp_path.iterdir()]) == 1
    with closing(Hints(tmp_path, FOLLOWER)) as follower:
        follower.send_hint(READER)
        assert [path.name for path in tmp_path.iterdir()] == [f"{FOLLOWER}-{os.getpid()}"]


def test_on_a_disk_that_only_reads_a_process_starts_tells_and_ends(tmp_path: Path) -> None:
    """An append that is committed must not fail for a hint, and nobody is served by a worker that does not start."""
    with mounted(tmp_path / "run", "-t", "tmpfs", "none") as folder:
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        dead.bind(str(folder / f"{READER}-1"))
        dead.close()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with closing(Hints(folder, FOLLOWER)) as follower:
            follower.send_hint(READER)
            assert not is_heard(follower, 0)


def test_where_the_decoders_socket_has_room_the_hints_have(tmp_path: Path) -> None:
    """The kernel takes 107 bytes for the path of a socket."""
    folder = tmp_path / ("x" * (107 - len(f"{tmp_path}//paper.sock")))
    folder.mkdir()
    longest = f"{FOLLOWER}-{4_194_304}"  # no process has a higher number
    assert len(longest) <= len("paper.sock")
    with closing(Hints(folder, FOLLOWER)) as follower, closing(Hints(folder, READER)) as reader:
        reader.send_hint(FOLLOWER)
        assert is_heard(follower)
