"""How fast the views follow the log and are made anew, as ratios to what the same machine can do at the same time.

    ./run bench projections [PAPERS]

The library's ProjectionRunner writes the same rows by the same code, one event a transaction; both begin without keys
in memory, as a projector does that did not write the papers itself.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from domain.envelope import Recorded
from projections import customer_documents, shadow
from projections.customer_documents import ItemContext
from projections.rebuild import rebuild
from projections.view import pause_collector, project_page
from projections.views import VIEWS, table_of
from store.keys import Keys
from store.mapper import SealingMapper
from tests.benchmarks.databases import a_migrated_database
from tests.views.crowd import fill
from tests.views.desk import EVERYTHING, Desk, following, open_desk

PAPERS = 60_000
ROUNDS = 5
LIBRARY_SECONDS = 1.5
BESIDE = "library"
COPY = "copy (select * from archive.archive_events order by notification_id) to stdout (format binary)"


class Measured:
    """Wall and processor time of one step; the ratios are those of wall time, taken close to each other."""

    def __init__(self) -> None:
        self.begun, self.cpu_begun = time.perf_counter(), time.process_time()
        self.seconds = self.cpu_seconds = 0.0

    def stop(self) -> None:
        self.seconds = time.perf_counter() - self.begun
        self.cpu_seconds = time.process_time() - self.cpu_begun


@contextmanager
def measured() -> Iterator[Measured]:
    taken = Measured()
    yield taken
    taken.stop()


def tell(what: str, value: str, bar: str = "") -> None:
    print(f"{what:<58} {value:>14}   {bar}", flush=True)


def tell_machine(more: str = "") -> None:
    """With its Python: one that was built without optimizations takes a third longer."""
    tell("Python", platform.python_version(), sys.base_prefix)
    tell("load, cores", f"{os.getloadavg()[0]:.1f}, {os.cpu_count()}", more)


def tell_ratios(what: str, ratios: Sequence[float], bar: str) -> None:
    """Their median; both sides of each were measured one after the other, so that a slow moment is in both."""
    tell(what, f"{statistics.median(ratios):.2f}", f"bar {bar}   {min(ratios):.2f}–{max(ratios):.2f}")


def main() -> None:
    papers = int(sys.argv[1]) if len(sys.argv) > 1 else PAPERS
    with a_migrated_database() as url, open_desk(url) as desk:
        run(desk, papers)


def run(desk: Desk, papers: int) -> None:
    tell_machine()
    follow(desk, papers)
    read_the_log(desk)
    make_anew(desk)
    latency(desk)
    reads(desk)


def follow(desk: Desk, papers: int) -> None:
    """A round: papers come in, all views take them, then the library takes what it can in its time."""
    ours, cpu, theirs, events = [], [], [], 0
    for n in range(ROUNDS):
        filled = fill(desk, papers // ROUNDS, customers=max(papers // 100, 1), round_=n)
        with measured() as taken:
            desk.follow()
        ours.append(filled / taken.seconds)
        cpu.append(taken.cpu_seconds / filled * 1e6)
        theirs.append(by_the_library(desk))
        events += filled
    tell("events of papers", f"{events:,}")
    tell("follow: all views, keys cold, events/s", f"{statistics.median(ours):,.0f}")
    tell("  processor time an event, this process", f"{statistics.median(cpu):.1f} us")
    tell("library's ProjectionRunner, events/s", f"{statistics.median(theirs):,.0f}")
    tell_ratios("ratio", [a / b for a, b in zip(ours, theirs, strict=True)], "20")


# -- the library's way ------------------------------------------------------------------------------------------


class Shared:
    """What the library constructs its parts without: it takes classes, not objects."""

    keys: Keys


class Archive(Application[UUID]):
    name = "archive"

    def construct_mapper(self) -> SealingMapper:
        return SealingMapper(Shared.keys.cipher_of)


class Tables(PostgresTrackingRecorder):
    def take(self, envelope: Any, tracking: Tracking) -> None:
        event = Recorded(tracking.notification_id, envelope.meta.occurred_at, envelope)
        with self.datastore.transaction(commit=True) as cursor:
            for view in VIEWS.values():
                project_page(cursor.connection, view, f"{BESIDE}.{view.name}", [(event, event.recorded_at)])
            self._insert_tracking(cursor, tracking)


class ByTheLibrary(Projection[Tables]):
    name = BESIDE

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.take(domain_event, tracking)


def by_the_library(desk: Desk) -> float:
    """Events a second of the library's runner."""
    with psycopg.connect(desk.url, autocommit=True) as conn:
        conn.execute(f"create schema if not exists {BESIDE}")
        for view in VIEWS.values():
            conn.execute(f"create table if not exists {BESIDE}.{view.name} (like {table_of(view)} including indexes)")
    Shared.keys = desk.keys
    desk.keys.forget_all()
    with ProjectionRunner(
        application_class=Archive, projection_class=ByTheLibrary, view_class=Tables, env=library_env(desk.url)
    ) as runner:
        begun, first = time.perf_counter(), runner.view.max_tracking_id("archive") or 0
        time.sleep(LIBRARY_SECONDS)
        last = runner.view.max_tracking_id("archive") or 0
        return (last - first) / (time.perf_counter() - begun)


def library_env(url: str) -> dict[str, str]:
    given = conninfo_to_dict(url)
    os.environ["PGPASSFILE"] = str(given["passfile"])  # the library has no setting for it
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(given["dbname"]),
        "POSTGRES_HOST": str(given["host"]),
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": str(given["user"]),
        "POSTGRES_PASSWORD": "",
        "POSTGRES_SCHEMA": "archive",
        "CREATE_TABLE": "no",
        f"{BESIDE.upper()}_POSTGRES_SCHEMA": BESIDE,
        f"{BESIDE.upper()}_CREATE_TABLE": "yes",
    }


# -- reading and making anew ------------------------------------------------------------------------------------


def read_the_log(desk: Desk) -> None:
    last, ratios, speeds = desk.log.fence(), [], []
    events = desk.log.last_position()
    for _ in range(ROUNDS):
        with psycopg.connect(desk.url) as conn, measured() as copied, conn.cursor().copy(COPY) as copy:
            for _ in copy:
                pass
        desk.keys.forget_all()
        with pause_collector(), measured() as opened:
            for _ in desk.log.load_event_pages(0, last):
                pass
        ratios.append(copied.seconds / opened.seconds)
        speeds.append(events / opened.seconds)
    tell("log read + open + decode, keys cold, events/s", f"{statistics.median(speeds):,.0f}")
    tell_ratios("ratio to COPY of the same rows", ratios, "0.28")


def make_anew(desk: Desk) -> None:
    ratios, speeds, swaps, identical = [], [], [], []
    events = desk.log.last_position()
    for _ in range(3):
        ready = ready_rows(desk)
        with measured() as taken:
            found = rebuild(desk.url, desk.log)
        ratios.append(ready / taken.seconds)
        speeds.append(events / taken.seconds)
        swaps += [r.swap_ms or 0.0 for r in found]
        identical += [r.identical for r in found]
    tell("rebuild of all views, compared and swapped, events/s", f"{statistics.median(speeds):,.0f}")
    tell("  seconds per million events", f"{1e6 / statistics.median(speeds):.1f}")
    tell("  identical", f"{identical.count(True)} of {len(identical)}")
    tell_ratios("ratio to INSERT ... SELECT of the ready rows", ratios, "0.05")
    tell("longest swap", f"{max(swaps):.1f} ms", "bar 50 ms")


def ready_rows(desk: Desk) -> float:
    """Seconds in which the server itself fills tables like the views, without indexes."""
    seconds = 0.0
    with psycopg.connect(desk.url, autocommit=True) as conn:
        for view in VIEWS.values():
            shadow.create(conn, view, logged=True)
            with measured() as inserted:
                conn.execute(f"insert into {shadow.shadow_of(view)} select * from {table_of(view)}")  # noqa: S608  # constants
            seconds += inserted.seconds
            shadow.drop(conn, view)
    return seconds


def latency(desk: Desk) -> None:
    """From the answer of an append to its row in the view, appends 20 ms and 400 ms apart (hot, idle)."""
    with following(desk), psycopg.connect(desk.url, autocommit=True) as conn:
        for pause in (0.02, 0.4):
            took = [once(desk, conn, pause) for _ in range(20)]
            tell(f"append to view, every {pause:.2f} s, median / worst",
                 f"{statistics.median(took):.1f} / {max(took):.1f} ms")  # fmt: skip


def once(desk: Desk, conn: psycopg.Connection[Any], pause: float) -> float:
    time.sleep(pause)
    position = desk.letter().position
    begun = time.perf_counter()
    conn.execute("notify archive")
    while conn.execute("select min(position) from views.tracking").fetchone() < (position,):  # type: ignore[operator]
        time.sleep(0.0005)
    return (time.perf_counter() - begun) * 1000


def reads(desk: Desk) -> None:
    """A page of 50 rows of the customer's list, out of the view and into the items of the answer."""
    reference, types = desk.reference("crowd-0-0"), desk.types()
    desk.follow()

    async def many(conn: Any) -> float:
        begun = time.perf_counter()
        for _ in range(300):
            page = await customer_documents.fetch_page(
                conn, reference, EVERYTHING, customer_documents.PaperFilters(), as_of=None, limit=50
            )
            customer_documents.render_items(
                page.rows, ItemContext(types=types, language="nl", today=date(2026, 11, 25))
            )
        return (time.perf_counter() - begun) / 300

    tell("list of a customer, one connection", f"{desk.ask(many) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
