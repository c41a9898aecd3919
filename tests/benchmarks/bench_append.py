"""How fast the log takes events, as a ratio to the plainest INSERT that the same server takes at the same time.

    ./run bench append

Both sides write one event a transaction, from as many threads of the same processes, in turns: raw into a table made
like the log's, with its indexes and its leaf, states of the same size; ours through store/log.py, fsync on for both.
Then 16 writers against a fenced reader, and against one that takes what it sees.
"""

import itertools
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from itertools import repeat
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import psycopg

from domain.document import Description, DocumentDescribed
from domain.envelope import Envelope, Meta
from domain.ports import Claim, CommandKey, VersionConflict
from domain.values import uuid7
from store.keys import Keys
from store.log import Log
from store.mapper import SealingMapper
from tests.benchmarks.bench_projections import tell, tell_machine
from tests.benchmarks.databases import a_migrated_database
from tests.builders.events import a_letter
from tests.builders.papers import a_content
from tests.views.desk import open_desk, open_log

PROCESSES = 4
SECONDS = 1.2
# Writers, rounds, and the ratio to reach: the goal is set for 32; fewer are printed beside it.
LOADS = ((32, 7, 0.35), (8, 3, None), (1, 3, None))
FENCE_WRITERS, FENCE_SECONDS = 16, 5.0
META = Meta("j.smit", "CENTRAL", datetime(2026, 11, 24, tzinfo=UTC), UUID(int=8), UUID(int=9))
TWIN = "create schema bench; create table bench.twin (like archive.archive_events including all)"
INSERT = """
    insert into bench.twin (originator_id, originator_version, recorded_at, topic, state)
    values (%s, %s, %s, %s, %b)
"""
Append = Callable[[], None]


def main() -> None:
    with a_migrated_database() as url:
        run(url)


def run(url: str) -> None:
    with open_desk(url), psycopg.connect(url) as conn:
        conn.execute(TWIN)
        settings = [conn.execute(f"show {name}").fetchone() for name in ("fsync", "synchronous_commit")]
    tell_machine(f"fsync, synchronous_commit: {settings}")
    with writers(url) as pipes:
        for count, rounds, bar in LOADS:
            compare(pipes, count, rounds, bar)
    fence(url)


def compare(pipes: Sequence[Connection], count: int, rounds: int, bar: float | None) -> None:
    """Rates of the three ways in turns; the ratios are those of one round, so that a slow moment is in both."""
    ways = ("raw", "correction", "letter")
    found = [{way: rate(pipes, way, count) for way in ways} for _ in range(rounds)]
    raw, *ours = (statistics.median(f[way] for f in found) for way in ways)
    tell(f"{count} writers: raw INSERT, /s", f"{raw:,.0f}")
    for way, speed, told in zip(ways[1:], ours, (f"bar {bar}" if bar else "", ""), strict=True):
        ratios = [f[way] / f["raw"] for f in found]
        tell(f"  {SAYS[way]}, /s", f"{speed:,.0f}")
        tell("  ratio, median", f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}–{max(ratios):.2f}   {told}")


SAYS = {
    "correction": "a correction: event, Idempotency-Key, guard of its key",
    "letter": "a new letter: that, its key, claim, content",
}


def rate(pipes: Sequence[Connection], way: str, count: int) -> float:
    """Appends a second of `count` writers, spread over the processes."""
    begin = time.monotonic() + 0.05
    shares = [len(range(n, count, len(pipes))) for n in range(len(pipes))]
    for pipe, share in zip(pipes, shares, strict=True):
        pipe.send((way, share, begin, begin + SECONDS))
    return sum(int(pipe.recv()) for pipe in pipes) / SECONDS


# -- the processes that write -----------------------------------------------------------------------------------


@contextmanager
def writers(url: str) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    pipes = []
    started = []
    for n in range(PROCESSES):
        ours, theirs = context.Pipe()
        started.append(context.Process(target=write_when_told, args=(url, n, theirs), daemon=True))
        started[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    yield pipes
    for pipe, process in zip(pipes, started, strict=True):
        pipe.send(None)
        process.join(10)


def write_when_told(url: str, process: int, pipe: Connection) -> None:
    """Every writer has a paper of its own, whose key is in memory, as after the first look at it."""
    threads = max(count for count, _, _ in LOADS) // PROCESSES
    with ExitStack() as stack:
        log, keys = stack.enter_context(open_log(url, connections=threads))
        raw = [stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(threads)]
        desks = [Writer(log, keys, conn, f"bench-{process}-{n}") for n, conn in enumerate(raw)]
        executor = stack.enter_context(ThreadPoolExecutor(threads))
        pipe.send("ready")
        while (told := pipe.recv()) is not None:
            way, count, begin, end = told
            done = executor.map(Writer.until, desks[:count], repeat(way), repeat(begin), repeat(end))
            pipe.send(sum(done))


class Writer:
    def __init__(self, log: Log, keys: Keys, conn: psycopg.Connection[Any], customer: str) -> None:
        self.log, self.keys, self.conn, self.customer = log, keys, conn, customer
        self.paper = uuid7()
        self._letter(self.paper)
        self._version = itertools.count(1)
        sample = SealingMapper(keys.cipher_of).to_stored_event(self.described())
        self._topic, self._state = sample.topic, sample.state

    def until(self, way: str, begin: float, end: float) -> int:
        """How many were acknowledged between the two moments."""
        ways: dict[str, Append] = {"raw": self._raw, "correction": self._correction, "letter": self._new_letter}
        append = ways[way]
        done = 0
        time.sleep(max(0.0, begin - time.monotonic()))
        while time.monotonic() < end:
            append()
            done += 1
        return done

    def _raw(self) -> None:
        self.conn.execute(INSERT, [uuid7(), 1, datetime.now(UTC), self._topic, self._state], prepare=True)

    def _correction(self) -> None:
        self.log.append([self.described()], command=a_command())

    def _new_letter(self) -> None:
        self._letter(uuid7())

    def _letter(self, paper: UUID) -> None:
        owner = self.keys.owner_of(self.customer)
        self.keys.new_paper(paper)
        letter = a_letter(owner.reference, content=a_content(id=uuid7()))
        claim = Claim(kind="content", digest=os.urandom(16), owner=paper, shared=False)
        self.log.append([Envelope(paper, 1, letter, META)], claims=[claim], papers={paper: owner}, command=a_command())

    def described(self, *, refused: bool = False) -> Envelope[Any]:
        """The next correction of the paper, or one that comes too late."""
        old = Description("moved to Gent, brief von 20.", date(2026, 11, 20))
        new = Description("moved to Ghent, letter of the 20th", date(2026, 11, 20))
        body = DocumentDescribed(customer=UUID(int=1), old=old, new=new, reason="typing error")
        return Envelope(self.paper, 1 if refused else next(self._version), body, META)


def a_command() -> CommandKey:
    return CommandKey("j.smit", os.urandom(16).hex(), os.urandom(32))


# -- the fence --------------------------------------------------------------------------------------------------


def fence(url: str) -> None:
    """Events that a reader who goes on from the last position it saw never sees. Every third append is refused."""
    stop = threading.Event()
    with ExitStack() as stack, ThreadPoolExecutor(FENCE_WRITERS + 2) as executor:
        logs = [stack.enter_context(open_log(url, connections=4)) for _ in range(4)]
        reader, _ = stack.enter_context(open_log(url, connections=1))
        conn = stack.enter_context(psycopg.connect(url, autocommit=True))
        begun = reader.fence()
        desks = [Writer(*logs[n % 4], conn, f"fence-{n}") for n in range(FENCE_WRITERS)]
        begun = reader.fence()
        fenced = executor.submit(
            follow, lambda after: [r.position for r in reader.load_events_after(after, 500)], begun, stop
        )
        unfenced = executor.submit(follow, lambda after: unsafe(conn, after), begun, stop)
        for _ in executor.map(append_and_be_refused, desks):
            pass
        stop.set()
        tell_of_skipped(conn, begun, fenced.result(), unfenced.result())


def follow(read: Callable[[int], list[int]], after: int, stop: threading.Event) -> list[int]:
    """All positions as a follower sees them, until nothing is left after the writers have ended."""
    seen: list[int] = []
    while True:
        ended = stop.is_set()
        page = read(seen[-1] if seen else after)
        seen += page
        if ended and not page:
            return seen


def unsafe(conn: psycopg.Connection[Any], after: int) -> list[int]:
    return [position for (position,) in conn.execute(AFTER, [after], prepare=True)]


def append_and_be_refused(desk: Writer) -> None:
    end = time.monotonic() + FENCE_SECONDS
    for n in itertools.count():
        if time.monotonic() > end:
            return
        try:
            desk.log.append([desk.described(refused=n % 3 == 2)])
        except VersionConflict:
            continue


def tell_of_skipped(conn: psycopg.Connection[Any], begun: int, fenced: list[int], unfenced: list[int]) -> None:
    there = unsafe(conn, begun)
    holes = there[-1] - begun - len(there)
    assert len(set(fenced)) == len(fenced), "a position came twice"
    tell(f"events of {FENCE_WRITERS} writers / holes of refused appends", f"{len(there):,} / {holes:,}")
    tell("skipped by a fenced follower", f"{len(set(there) - set(fenced))}", "bar 0")
    tell("skipped by one that takes what it sees", f"{len(set(there) - set(unfenced))}")


AFTER = "select notification_id from archive.archive_events where notification_id > %s order by notification_id"


if __name__ == "__main__":
    main()
