"""What every `ContentStore` promises, asked of each: a new one joins by a line in STORES."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ports import AlreadyStored, ContentStore, Missing
from tests.builders.content import content_directory
from tests.builders.memory_content import MemoryContent

MIB = 1024 * 1024


class Sweepable(ContentStore, Protocol):
    def discard_unfinished(self, before: float) -> int: ...


STORES: dict[str, Callable[[Path], Sweepable]] = {
    "directory": lambda folder: content_directory(folder / "content"),
    "directory with named temporaries": lambda folder: content_directory(folder / "content", unnamed=False),
    "memory": lambda _folder: MemoryContent(),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Sweepable:
    return STORES[request.param](tmp_path)


def new_key() -> str:
    return str(uuid4())


def everything(store: ContentStore, key: str) -> bytes:
    return b"".join(store.read(key))


def listed(store: ContentStore) -> list[str]:
    return sorted(key for key, _ in store.list_keys())


def test_what_was_put_is_read_back(store: Sweepable) -> None:
    key = new_key()

    size = store.put(key, [b"a paper", b"", b" of two pieces"])

    assert size == store.size(key) == 21
    assert everything(store, key) == b"a paper of two pieces"


def test_content_may_be_empty(store: Sweepable) -> None:
    key = new_key()

    assert store.put(key, []) == 0
    assert store.size(key) == 0
    assert list(store.read(key)) == []


def test_the_source_may_be_a_generator_and_is_asked_once(store: Sweepable) -> None:
    asked: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield bytes([number]) * 70_000

    key = new_key()

    assert store.put(key, chunks()) == 210_000
    assert asked == [0, 1, 2]
    assert everything(store, key) == b"\0" * 70_000 + b"\1" * 70_000 + b"\2" * 70_000


def test_a_key_is_written_once(store: Sweepable) -> None:
    key = new_key()
    store.put(key, [b"first"])

    with pytest.raises(AlreadyStored):
        store.put(key, [b"second"])

    assert everything(store, key) == b"first"


def test_the_same_bytes_again_are_refused_too(store: Sweepable) -> None:
    key, chunks = new_key(), [b"same"]
    store.put(key, chunks)

    with pytest.raises(AlreadyStored):
        store.put(key, chunks)


def test_of_sixteen_at_once_one_wins_and_its_bytes_stay(store: Sweepable) -> None:
    for _ in range(20):
        key, barrier = new_key(), threading.Barrier(16)

        def put(mark: int, key: str = key, barrier: threading.Barrier = barrier) -> int | None:
            barrier.wait()
            try:
                store.put(key, [bytes([mark]) * 1_000, bytes([mark]) * 1_000])
            except AlreadyStored:
                return None
            return mark

        with ThreadPoolExecutor(16) as pool:
            winners = [mark for mark in pool.map(put, range(16)) if mark is not None]

        assert len(winners) == 1
        assert everything(store, key) == bytes(winners) * 2_000


def test_large_content_comes_in_pieces_of_at_most_one_mebibyte(store: Sweepable) -> None:
    key, content = new_key(), os.urandom(2 * MIB + 7)
    store.put(key, [content])

    pieces = list(store.read(key))

    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= MIB
    assert all(pieces)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(first=st.integers(0, 3_100), length=st.integers(0, 3_100))
def test_a_range_is_a_slice_that_names_its_last_byte(store: Sweepable, first: int, length: int) -> None:
    key, content = str(UUID(int=1)), bytes(range(250)) * 12
    if store.size(key) is None:
        store.put(key, [content])

    assert b"".join(store.read(key, first, first + length - 1)) == content[first : first + length]
    assert b"".join(store.read(key, first)) == content[first:]


def test_a_range_across_pieces_is_whole(store: Sweepable) -> None:
    key, content = new_key(), os.urandom(3 * MIB)
    store.put(key, [content])

    pieces = list(store.read(key, MIB - 5, 2 * MIB + 5))

    assert b"".join(pieces) == content[MIB - 5 : 2 * MIB + 6]
    assert max(map(len, pieces)) <= MIB


def test_a_range_cannot_begin_before_the_content(store: Sweepable) -> None:
    key = new_key()
    store.put(key, [b"paper"])

    with pytest.raises(ValueError, match="-1"):
        list(store.read(key, -1))


def test_an_absent_key_is_missing_and_has_no_size(store: Sweepable) -> None:
    with pytest.raises(Missing):
        list(store.read(new_key()))
    assert store.size(new_key()) is None


def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: Sweepable) -> None:
    key, other = new_key(), new_key()
    store.put(key, [b"paper"])
    store.put(other, [b"stays"])

    store.delete(key)
    store.delete(key)

    assert store.size(key) is None
    assert listed(store) == [other]
    assert everything(store, other) == b"stays"


def test_a_reader_that_has_begun_reads_on_when_the_key_is_deleted_or_hears_that_it_is_missing(store: Sweepable) -> None:
    key, content = new_key(), os.urandom(2 * MIB)
    store.put(key, [content])
    pieces = store.read(key)
    got = next(pieces)
    store.delete(key)

    try:
        rest = b"".join(pieces)
    except Missing:
        return

    assert got + rest == content


def test_each_key_is_listed_once_whatever_the_order_of_arrival(store: Sweepable) -> None:
    # Ids that share their beginning (made within one moment) or their end (the folder of the directory).
    alike = [f"0199a000-0000-7000-8000-{number:012x}" for number in (3, 0xFFFFFFFFFFFF, 0x100, 1, 2)]
    keys = [new_key() for _ in range(40)] + alike
    for key in keys:
        store.put(key, [b"paper"])

    assert listed(store) == sorted(keys)


def test_keys_tell_when_they_were_written(store: Sweepable) -> None:
    # File systems round to their own tick, so a second either way is no disagreement.
    before = time.time() - 1
    store.put(new_key(), [b"paper"])

    [(_, written)] = store.list_keys()

    assert before <= written <= time.time() + 1


def test_keys_may_be_deleted_while_they_are_listed(store: Sweepable) -> None:
    keys = sorted(new_key() for _ in range(10))
    for key in keys:
        store.put(key, [b"paper"])

    seen = []
    for key, _ in store.list_keys():
        seen.append(key)
        store.delete(key)

    assert sorted(seen) == keys
    assert listed(store) == []


class ClientGone(OSError):
    """What a source may raise: even an error of the system is not taken for one of the disk."""


@pytest.mark.parametrize("error", [ClientGone, RuntimeError, KeyboardInterrupt, FileExistsError])
def test_a_source_that_breaks_leaves_nothing_and_its_error_rises(store: Sweepable, error: type[BaseException]) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise error

    key = new_key()

    with pytest.raises(error):
        store.put(key, breaking())

    assert store.size(key) is None
    assert listed(store) == []
    assert store.discard_unfinished(before=time.time() + 60) == 0
    assert store.put(key, [b"the second try"]) == 14


def test_a_half_written_key_is_not_to_be_seen(store: Sweepable) -> None:
    key, seen = new_key(), []

    def watching() -> Iterator[bytes]:
        for _ in range(2):
            yield b"x" * 100_000
            seen.append((store.size(key), listed(store)))

    store.put(key, watching())

    assert seen == [(None, []), (None, [])]
    assert store.size(key) == 200_000


@pytest.mark.parametrize(
    "key",
    [
        "",
        "paper",
        "../../etc/passwd",
        "..",
        "0199a000-0000-7000-8000-00000000000",
        "0199a000-0000-7000-8000-0000000000000",
        "0199A000-0000-7000-8000-00000000000a",
        "0199a00000007000800000000000000a",
        "0199a000-0000-7000-8000-00000000000a\n",
        "0199a000-0000-7000-8000-0000000000/a",
        "0199a000-0000-7000-8000-00000000000\0",
        "٠199a000-0000-7000-8000-00000000000a",
    ],
)
def test_a_key_is_the_text_of_a_uuid_and_nothing_else(store: Sweepable, key: str) -> None:
    asked: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        asked.append(b"")
        yield b""

    uses: list[Callable[[], object]] = [
        lambda: store.put(key, chunks()),
        lambda: list(store.read(key)),
        lambda: store.size(key),
        lambda: store.delete(key),
    ]
    for use in uses:
        with pytest.raises(ValueError):  # noqa: PT011 - the text differs by store
            use()

    assert asked == []
