"""How fast the views follow the log and are made anew, as ratios to what the same machine can do at the same time.

    .venv/bin/python -m tests.benchmarks.bench_projections [PAPERS]

The library's ProjectionRunner writes the same rows by the same code, one event a transaction, its keys in memory.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from domain.envelope import Recorded
from migrations.runner import migrate
from projections import customer_documents, shadow
from projections.rebuild import rebuild
from projections.view import project
from projections.views import VIEWS, table_of
from store.keys import Keys
from store.mapper import SealingMapper
from store.postgres import Cluster
from tests.fixtures.database import create_database
from tests.views.crowd import fill
from tests.views.desk import EVERYTHING, Desk, following, open_desk

PAPERS = 20_000
LIBRARY_SECONDS = 5.0
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


def main() -> None:
    papers = int(sys.argv[1]) if len(sys.argv) > 1 else PAPERS
    with tempfile.TemporaryDirectory(prefix="dossier-bench-") as home:
        Path(home).chmod(0o755)
        with Cluster(Path(home) / "postgres") as cluster:
            url = create_database(cluster.url, "bench")
            migrate(url)
            with open_desk(url) as desk:
                run(desk, papers)


def run(desk: Desk, papers: int) -> None:
    events = fill(desk, papers, customers=max(papers // 20, 1))
    tell("events of papers", f"{events:,}", f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    followed = follow(desk)
    library = by_the_library(desk)
    tell("follow: all views, keys cold, events/s", f"{events / followed.seconds:,.0f}")
    tell("  processor time an event, this process", f"{followed.cpu_seconds / events * 1e6:.1f} us")
    tell("library's ProjectionRunner, events/s", f"{library:,.0f}")
    tell("ratio", f"{events / followed.seconds / library:.1f}", "bar 20")
    read_the_log(desk, events)
    make_anew(desk, events)
    latency(desk)
    reads(desk)


def follow(desk: Desk) -> Measured:
    with measured() as taken:
        desk.follow()
    return taken


# -- the library's way ------------------------------------------------------------------------------------------


class Shared:
    """What the library constructs its parts without: it takes classes, not objects."""

    keys: Keys


class Archive(Application[UUID]):
    name = "archive"

    def construct_mapper(self) -> SealingMapper:
        return SealingMapper(Shared.keys.cipher)


class Tables(PostgresTrackingRecorder):
    def take(self, envelope: Any, tracking: Tracking) -> None:
        event = Recorded(tracking.notification_id, envelope.meta.occurred_at, envelope)
        with self.datastore.transaction(commit=True) as cursor:
            for view in VIEWS.values():
                project(cursor.connection, view, f"{BESIDE}.{view.name}", [(event, event.recorded_at)])
            self._insert_tracking(cursor, tracking)


class ByTheLibrary(Projection[Tables]):
    name = BESIDE

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.take(domain_event, tracking)


def by_the_library(desk: Desk) -> float:
    """Events a second of the library's runner."""
    with psycopg.connect(desk.url, autocommit=True) as conn:
        conn.execute(f"create schema {BESIDE}")
        for view in VIEWS.values():
            conn.execute(f"create table {BESIDE}.{view.name} (like {table_of(view)} including indexes)")
        papers = [paper for (paper,) in conn.execute("select paper from keys.paper limit 8000")]
    Shared.keys = desk.keys
    desk.keys.prefetch(papers)
    with ProjectionRunner(
        application_class=Archive, projection_class=ByTheLibrary, view_class=Tables, env=library_env(desk.url)
    ) as runner:
        begun, first = time.perf_counter(), runner.view.max_tracking_id("archive") or 0
        time.sleep(LIBRARY_SECONDS)
        last = runner.view.max_tracking_id("archive") or 0
        return (last - first) / (time.perf_counter() - begun)


def library_env(url: str) -> dict[str, str]:
    given = conninfo_to_dict(url)
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


def read_the_log(desk: Desk, events: int) -> None:
    last = desk.log.fence()
    with psycopg.connect(desk.url) as conn, measured() as copied, conn.cursor().copy(COPY) as copy:
        for _ in copy:
            pass
    desk.keys.forget_all()
    with measured() as opened:
        for _ in desk.log.pages(0, last):
            pass
    tell("log read + open + decode, events/s", f"{events / opened.seconds:,.0f}")
    tell("ratio to COPY of the same rows", f"{copied.seconds / opened.seconds:.2f}", "bar 0.28")


def make_anew(desk: Desk, events: int) -> None:
    ready = 0.0
    with psycopg.connect(desk.url, autocommit=True) as conn:
        for view in VIEWS.values():
            shadow.create(conn, view, logged=True)
            with measured() as inserted:
                conn.execute(f"insert into {shadow.shadow_of(view)} select * from {table_of(view)}")  # noqa: S608  # constants
            ready += inserted.seconds
    with measured() as taken:
        found = rebuild(desk.url, desk.log)
    tell("INSERT ... SELECT of the ready rows, events/s", f"{events / ready:,.0f}")
    tell("rebuild of all views, compared and swapped, events/s", f"{events / taken.seconds:,.0f}")
    tell("  seconds per million events", f"{taken.seconds / events * 1e6:.1f}")
    tell("  identical", ", ".join(str(r.identical) for r in found))
    tell("ratio", f"{ready / taken.seconds:.2f}", "bar 0.05")
    tell("longest swap", f"{max(r.swap_ms or 0 for r in found):.1f} ms", "bar 50 ms")


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
    reference, types = desk.reference("crowd-0"), desk.types()
    desk.follow()

    async def many(conn: Any) -> float:
        begun = time.perf_counter()
        for _ in range(300):
            page = await customer_documents.page(
                conn, reference, EVERYTHING, customer_documents.Filters(), as_of=None, limit=50
            )
            [customer_documents.item(row, types=types, language="nl") for row in page.rows]
        return (time.perf_counter() - begun) / 300

    tell("list of a customer, one connection", f"{desk.ask(many) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
