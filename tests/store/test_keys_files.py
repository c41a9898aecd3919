"""The key-encryption key's file: made once, for the owner only, complete or not there, also when many start at once."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from store.key_encryption import KeyEncryptionKeys, KeyUnfit, load_or_make_keys

STARTERS = 8
PLACE = b"where it belongs"


def sealed_by(folder: Path) -> bytes:
    return load_or_make_keys(folder)[0].wrap_key(b"secret", bound_to=PLACE)


def opens(folder: Path, wrapped: bytes, version: int = 1) -> bool:
    return load_or_make_keys(folder)[0].unwrap_key(wrapped, version=version, bound_to=PLACE) == b"secret"


def test_the_first_start_makes_a_key_and_says_so_and_the_next_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    _, made = load_or_make_keys(folder)
    assert made
    wrapped = sealed_by(folder)
    _, made = load_or_make_keys(folder)
    assert not made
    assert opens(folder, wrapped)


def test_file_and_folder_are_for_the_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_or_make_keys(tmp_path / "keys")
    finally:
        os.umask(old)
    assert [oct(p.stat().st_mode & 0o777) for p in (tmp_path / "keys", tmp_path / "keys" / "kek.1")] == [
        "0o700",
        "0o600",
    ]


def test_nothing_but_the_key_is_left(tmp_path: Path) -> None:
    load_or_make_keys(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kek.1"]


def test_what_a_killed_start_left_does_not_hinder_the_next(tmp_path: Path) -> None:
    """In a container the next process has the same number."""
    (tmp_path / f".kek.1.{os.getpid()}").write_text("half a k")
    assert load_or_make_keys(tmp_path)[1]


def test_two_archives_have_two_keys(tmp_path: Path) -> None:
    with pytest.raises(InvalidTag):
        opens(tmp_path / "two", sealed_by(tmp_path / "one"))


def start(folder: Path, together: Barrier) -> bytes:
    together.wait()
    return sealed_by(folder)


def _start_in_a_process(folder: Path, together: Barrier, answer: "os.PathLike[str]") -> None:
    Path(answer).write_bytes(start(folder, together))


def test_of_eight_processes_at_once_one_makes_the_key_and_all_use_it(tmp_path: Path) -> None:
    context = get_context("spawn")
    together, folder = context.Barrier(STARTERS), tmp_path / "keys"
    answers = [tmp_path / f"answer.{n}" for n in range(STARTERS)]
    processes = [context.Process(target=_start_in_a_process, args=(folder, together, answer)) for answer in answers]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * STARTERS
    assert all(opens(folder, answer.read_bytes()) for answer in answers)


def test_of_eight_threads_at_once_one_makes_the_key_and_all_use_it(tmp_path: Path) -> None:
    for n in range(10):
        together, folder = threading.Barrier(STARTERS), tmp_path / f"keys.{n}"

        def begin(together: threading.Barrier = together, folder: Path = folder) -> bytes:
            together.wait()
            return sealed_by(folder)

        with ThreadPoolExecutor(STARTERS) as threads:
            wrapped = [threads.submit(begin) for _ in range(STARTERS)]
        assert all(opens(folder, w.result()) for w in wrapped)
        assert [p.name for p in folder.iterdir()] == ["kek.1"]


def test_the_highest_version_wraps_and_every_version_opens(tmp_path: Path) -> None:
    old = sealed_by(tmp_path)
    for version in ("2", "10"):
        (tmp_path / f"kek.{version}").touch(0o600)
    (tmp_path / "kek.2").write_text("02" * 32 + "\n")
    (tmp_path / "kek.10").write_text("10" * 32 + "\n")
    keys, made = load_or_make_keys(tmp_path)
    assert (keys.current, made) == (10, False)
    assert opens(tmp_path, old, version=1)
    assert opens(tmp_path, sealed_by(tmp_path), version=10)


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_a_key_that_is_none_stops_the_start(tmp_path: Path, text: str) -> None:
    """Going on with another key would make all that is written now unreadable for the right one."""
    (tmp_path / "kek.1").touch(0o600)
    (tmp_path / "kek.1").write_text(text)
    with pytest.raises(KeyUnfit, match=r"kek\.1 is damaged"):
        load_or_make_keys(tmp_path)
    assert (tmp_path / "kek.1").read_text() == text


def test_a_wrapped_key_opens_only_where_it_belongs() -> None:
    keys = KeyEncryptionKeys({1: b"\x01" * 32})
    wrapped = keys.wrap_key(b"secret", bound_to=PLACE)
    assert keys.unwrap_key(wrapped, version=1, bound_to=PLACE) == b"secret"
    with pytest.raises(InvalidTag):
        keys.unwrap_key(wrapped, version=1, bound_to=b"elsewhere")
    with pytest.raises(KeyError):
        keys.unwrap_key(wrapped, version=2, bound_to=PLACE)


def test_a_file_beside_the_keys_is_named_in_words(tmp_path: Path) -> None:
    load_or_make_keys(tmp_path)
    (tmp_path / "kek.9.bak").write_text("00" * 32)
    with pytest.raises(KeyUnfit, match=r"kek\.9\.bak is not a key in use"):
        load_or_make_keys(tmp_path)
