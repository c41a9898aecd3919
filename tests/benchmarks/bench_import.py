"""How fast `dossier import` takes papers without a file, as a ratio to psycopg's executemany of as many rows.

    ./run bench import

Both write 100 papers a commit into the same database, fsync on, in turns: ours from the list on the disk through
service/import_run.py, with every number checked, every customer looked up and given a key, every claim made; raw by
executemany into tables made like those of the archive, with their indexes and the leaf, rows of the same size. First
the events alone, then also the other rows that come with them: the keys of the paper and of its customer, the claims.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice, permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.document_type import DefineType
from domain.importing import build_importing
from domain.values import uuid7
from paper.client import Examiner
from service.import_lines import listing_of
from service.import_run import CONNECTIONS, Importer, import_listing
from service.prepare import make_folders, prepare_archive
from service.settings import load_settings_from
from service.wiring import APP_ROLE, Store, open_store, role_of
from tests.benchmarks.bench_projections import tell, tell_machine, tell_ratios
from tests.benchmarks.databases import a_database
from tests.builders.imports import a_list, a_luhn_code
from tests.builders.logins import one_login
from tests.builders.papers import a_caller, a_document_type, an_iban
from tests.service.program import environment

LINES, REPEATS, COMMIT, BAR = 4_000, 2, 100, 0.5
ROUNDS = REPEATS * 6  # orders of the three ways
SEGMENTS = 80  # of 16 MiB, more than all rounds fill
TWINS = """
    create schema bench;
    create table bench.event (like archive.archive_events including all);
    create table bench.paper (like keys.paper including all);
    create table bench.customer (like keys.customer including all);
    create table bench.claim (like archive.claim including all);
"""
EVENT = """
    insert into bench.event (originator_id, originator_version, recorded_at, topic, state)
    values (%s, %s, %s, %s, %b)
"""
PAPER = "insert into bench.paper (paper, customer, wrapped) values (%s, %s, %b)"
CUSTOMER = "insert into bench.customer (reference, customer_id, kek_version, wrapped) values (%s, %s, %s, %b)"
CLAIM = "insert into bench.claim (kind, digest, owner) values (%s, %b, %s)"
LAST = "select originator_id, topic, state from archive.archive_events order by notification_id desc limit 1"
CUSTOMERS = """
    copy register.customer (customer_id, name, search_name, kind, status) from stdin
"""
Line = Callable[[int], dict[str, str]]


def main() -> None:
    with archive() as (importer, conn, home):
        tell_machine()
        numbers = count()
        for what, line in WAYS.items():
            compare(importer, conn, home / "manifest.csv", what, line, numbers)


@contextmanager
def archive() -> Iterator[tuple[Importer, psycopg.Connection[Any], Path]]:
    """Opened as the command opens it, with a customer for every line of all lists."""
    with a_database() as (home, url):
        settings = load_settings_from(environment(home / "home", url))
        make_folders(settings)
        prepare_archive(settings, one_login(url), lambda _: None)
        role = role_of(url, APP_ROLE)
        opened = open_store(settings, url, role=role, connections=CONNECTIONS)
        with opened as store, psycopg.connect(url) as conn:
            make_segments(conn)
            conn.execute(TWINS)
            register_customers(conn, len(WAYS) * (ROUNDS + 1) * LINES)
            mandates = a_document_type("DEBT_AUTHORIZATION", scheme="luhn")
            store.archive().catalogues.define_type(DefineType(mandates.code, mandates.definition), a_caller())
            yield importer_of(store), conn, home


def make_segments(conn: psycopg.Connection[Any]) -> None:
    """The files of the server's log as they are in an archive in use, where each is written again after a checkpoint.
    In a new one each is made first, for as long as 16 MiB take to become durable, in the midst of whoever comes next.
    """
    with psycopg.connect(conn.info.dsn, autocommit=True) as own:
        for _ in range(SEGMENTS):
            own.execute("select pg_logical_emit_message(false, 'bench', '')")
            own.execute("select pg_switch_wal()")
        own.execute("checkpoint")


def register_customers(conn: psycopg.Connection[Any], number: int) -> None:
    with conn.cursor() as cursor, cursor.copy(CUSTOMERS) as copy:
        for n in range(number):
            copy.write_row((f"c{n}", f"Customer {n}", f" customer {n} ", "person", "active"))
    conn.commit()


def importer_of(store: Store) -> Importer:
    """None of the lists names a file, so nobody listens at the socket."""
    limits = store.settings.limits
    return Importer(
        importing=build_importing(store.ports(), store.settings.creditor_id),
        caller=a_caller(),
        examiner=Examiner(Path("/nowhere"), limits),
        limits=limits,
        free_bytes=store.directory.free_bytes,
    )


# -- lines ------------------------------------------------------------------------------------------------------


def consent(n: int) -> dict[str, str]:
    return {
        "customer": f"c{n}",
        "type": "GUARDIAN_CONSENT",
        "note": "from the old system, folder 12",
        "signature_date": "2025-03-01",
    }


def mandate(n: int) -> dict[str, str]:
    return {
        "customer": f"c{n}",
        "type": "DEBT_AUTHORIZATION",
        "iban": an_iban("INGB", n),
        "debtor_name": f"Customer {n}",
        "mandate_reference": f"LIB-{n:08d}",
        "signature_date": "2025-03-01",
    }


def mandate_with_codes(n: int) -> dict[str, str]:
    return mandate(n) | {"scan_code": a_luhn_code(n), "external_id": f"old-{n:08d}"}


WAYS: dict[str, Line] = {
    "a consent: its key, one claim": consent,
    "a mandate: IBAN, reference, three claims": mandate,
    "that, a scan code and an external id: four claims": mandate_with_codes,
}


# -- the two sides ------------------------------------------------------------------------------------------------


def compare(
    importer: Importer, conn: psycopg.Connection[Any], manifest: Path, what: str, line: Line, numbers: Iterator[int]
) -> None:
    """Rates in turns; a ratio is that of one round, so that a slow moment is in both. Each way follows each other one
    as often, for what one has written is on its way to the disk while the next one runs. The first list warms up."""
    ours = partial(taken, importer, manifest)
    write_list(manifest, line, numbers)
    ours()
    raw = Raw(conn)
    ways: list[Callable[[], object]] = [ours, raw.events, raw.all_rows]
    found = []
    for order in [*permutations(ways)] * REPEATS:
        write_list(manifest, line, numbers)
        rates = {write: rate(write) for write in order}
        found.append([rates[write] for write in ways])
    mine, events, all_rows = (statistics.median(side) for side in zip(*found, strict=True))
    tell(what, f"{mine:,.0f}", "events/s")
    tell_ratios(f"  to executemany of the events, {events:,.0f}/s", [f[0] / f[1] for f in found], f"{BAR}")
    tell_ratios(f"  to executemany of all its rows, {all_rows:,.0f}/s", [f[0] / f[2] for f in found], "–")


def write_list(manifest: Path, line: Line, numbers: Iterator[int]) -> None:
    manifest.write_text(a_list(line(n) for n in islice(numbers, LINES)))


def rate(write: Callable[[], object]) -> float:
    begun = time.perf_counter()
    write()
    return LINES / (time.perf_counter() - begun)


def taken(importer: Importer, manifest: Path) -> None:
    done = import_listing(listing_of(manifest, importer.limits), importer, lambda told: None)
    assert done.taken == LINES, done


class Raw:
    """Rows of the size and number of the last paper that ours wrote."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        paper, self._topic, self._state = self._one(LAST)
        (self._wrapped,) = self._one("select wrapped from keys.paper where paper = %s", paper)
        self._kinds = [kind for (kind,) in conn.execute("select kind from archive.claim where owner = %s", [paper])]
        conn.rollback()

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._conn.execute(query.encode(), values).fetchone()
        assert row is not None
        return row

    def events(self) -> None:
        for _ in range(0, LINES, COMMIT):
            self._insert(EVENT, [self._event(uuid7()) for _ in range(COMMIT)])
            self._conn.commit()

    def all_rows(self) -> None:
        for _ in range(0, LINES, COMMIT):
            papers = [(uuid7(), uuid4()) for _ in range(COMMIT)]
            self._insert(CUSTOMER, [(owner, owner.hex, 1, self._wrapped) for _, owner in papers])
            self._insert(PAPER, [(paper, owner, self._wrapped) for paper, owner in papers])
            self._insert(CLAIM, [(kind, os.urandom(16), paper) for paper, _ in papers for kind in self._kinds])
            self._insert(EVENT, [self._event(paper) for paper, _ in papers])
            self._conn.commit()

    def _event(self, paper: UUID) -> tuple[Any, ...]:
        return paper, 1, datetime.now(UTC), self._topic, self._state

    def _insert(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with self._conn.cursor() as cursor:
            cursor.executemany(statement.encode(), rows)


if __name__ == "__main__":
    main()
