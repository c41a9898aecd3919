"""The sweeper takes what no event names and what is old, that only, and nothing at all when the log looks wrong."""

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from store.content_sweeper import BATCH_KEYS_MAX, SURPLUS_MAX, SweepRefused, SweptContents, sweep_contents
from tests.builders.content import content_directory
from tests.builders.memory_content import MemoryContent

DAY_SECONDS = 86_400.0
NOW = 1_800_000_000.0


class Log:
    """Which contents events name."""

    def __init__(self, *named: str) -> None:
        self.named, self.asked = set(named), list[Sequence[str]]()

    def referenced(self, keys: Sequence[str]) -> set[str]:
        self.asked.append(keys)
        return self.named.intersection(keys)


def stored(content: MemoryContent, *, age_seconds: float) -> str:
    key = str(uuid4())
    content.put(key, [b"paper"])
    content.written_at[key] = NOW - age_seconds
    return key


def swept(content: MemoryContent, referenced: Callable[[Sequence[str]], set[str]]) -> SweptContents:
    return sweep_contents(content, referenced, older_than_seconds=DAY_SECONDS, now=NOW)


def test_old_content_without_an_event_is_removed_and_all_else_stays() -> None:
    content = MemoryContent()
    orphan, named = stored(content, age_seconds=DAY_SECONDS + 1), stored(content, age_seconds=9 * DAY_SECONDS)
    young = stored(content, age_seconds=DAY_SECONDS - 1)

    assert swept(content, Log(named).referenced) == SweptContents(removed=(orphan,), named=1, unfinished=0)
    assert set(content.bytes_of) == {named, young}


def test_content_of_exactly_the_age_stays() -> None:
    content = MemoryContent()
    stored(content, age_seconds=DAY_SECONDS)

    assert swept(content, Log().referenced).removed == ()


def test_the_log_is_asked_in_batches() -> None:
    content = MemoryContent()
    keys = {stored(content, age_seconds=2 * DAY_SECONDS) for _ in range(2 * BATCH_KEYS_MAX + 1)}
    log = Log(*sorted(keys)[7:])

    assert len(swept(content, log.referenced).removed) == 7
    assert [len(asked) for asked in log.asked] == [BATCH_KEYS_MAX, BATCH_KEYS_MAX, 1, 7]


def test_content_that_got_its_event_after_the_first_look_stays() -> None:
    content = MemoryContent()
    key = stored(content, age_seconds=2 * DAY_SECONDS)
    answers = [set[str](), {key}]

    assert swept(content, lambda _keys: answers.pop(0)).removed == ()
    assert content.size(key) == 5


def test_a_log_that_cannot_be_asked_lets_nothing_be_removed() -> None:
    def broken(_keys: Sequence[str]) -> set[str]:
        raise ConnectionError

    content = MemoryContent()
    key = stored(content, age_seconds=2 * DAY_SECONDS)

    with pytest.raises(ConnectionError):
        swept(content, broken)
    assert content.size(key) == 5


@pytest.mark.parametrize("named", [0, 30])
def test_a_log_that_knows_far_too_little_is_not_believed(named: int) -> None:
    content = MemoryContent()
    log = Log(*(stored(content, age_seconds=2 * DAY_SECONDS) for _ in range(named)))
    for _ in range(named + SURPLUS_MAX + 1):
        one_too_many = stored(content, age_seconds=2 * DAY_SECONDS)

    with pytest.raises(SweepRefused, match=f"{named + SURPLUS_MAX + 1} contents have no event, {named} have one"):
        swept(content, log.referenced)
    assert len(content.bytes_of) == 2 * named + SURPLUS_MAX + 1

    content.delete(one_too_many)
    assert len(swept(content, log.referenced).removed) == named + SURPLUS_MAX
    assert set(content.bytes_of) == log.named


def test_old_unfinished_files_go_too(tmp_path: Path) -> None:
    content, file = content_directory(tmp_path), tmp_path / "7f" / ".unfinished-1"
    file.write_bytes(b"half a paper")

    def sweep_at(now: float) -> int:
        return sweep_contents(content, Log().referenced, older_than_seconds=DAY_SECONDS, now=now).unfinished

    assert sweep_at(time.time() + DAY_SECONDS - 60) == 0
    assert sweep_at(time.time() + DAY_SECONDS + 60) == 1
    assert not file.exists()


def test_raced_against_uploads_it_never_takes_what_an_event_names(tmp_path: Path) -> None:
    """1,000 uploads in two threads, some of which die before their event, while a third sweeps without a pause.

    Files are set back two days by the test. An upload of that age has its event, or never will: so the event is
    made first and the file set back then.
    """
    content, log, done, now = content_directory(tmp_path), Log(), threading.Event(), time.time()
    old_orphans, young_orphans, removed = set[str](), set[str](), set[str]()

    def upload(seed: int) -> None:
        random_of = random.Random(seed)
        for _ in range(500):
            key, dies, ages = str(uuid4()), random_of.random() < 0.3, random_of.random() < 0.5
            content.put(key, [key.encode()])
            if not dies:
                log.named.add(key)
            if ages:
                os.utime(tmp_path / key[-2:] / key, (now - 2 * DAY_SECONDS,) * 2)
            if dies:
                (old_orphans if ages else young_orphans).add(key)

    def sweep_on() -> int:
        rounds = 0
        while not done.is_set():
            removed.update(sweep_contents(content, log.referenced, older_than_seconds=DAY_SECONDS, now=now).removed)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(3) as pool:
        rounds = pool.submit(sweep_on)
        try:
            list(pool.map(upload, range(2)))
        finally:
            done.set()

    removed.update(sweep_contents(content, log.referenced, older_than_seconds=DAY_SECONDS, now=now).removed)
    assert rounds.result() > 1
    assert removed == old_orphans
    assert {key for key, _ in content.list_keys()} == log.named | young_orphans
    assert all(b"".join(content.read(key)) == key.encode() for key in log.named)
