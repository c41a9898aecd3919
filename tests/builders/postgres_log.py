"""The real log on a database of a test, put together as service/wiring.py does, and what comes to it from outside."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from domain.archive import Archive, Ports, Rules, build_archive
from domain.catalogue import SHIPPED
from domain.ports import Appended, Claim, CommandKey, EventLog, KeyRing
from domain.values import uuid7
from store.key_encryption import KeyEncryptionKeys
from store.keys import Keys, make_institution_key
from store.log import Log
from store.mapper import SealingMapper
from store.pools import make_pool
from store.recorder import LOCK, ArchiveRecorder, make_datastore, role_options
from store.system import RandomIds
from tests.builders.events import a_letter, an_envelope
from tests.builders.memory import Clock, Directory, MemoryContents
from tests.builders.papers import CREDITOR, a_caller, a_content

KEK = KeyEncryptionKeys({1: bytes(range(32))})


class PostgresLog(NamedTuple):
    """`damaged` collects (stream, version) of values that could not be opened although their key is there."""

    url: str
    keys: Keys
    recorder: ArchiveRecorder
    log: Log
    damaged: list[tuple[UUID, int]]


@contextmanager
def open_log(
    url: str, *, connections: int = 2, wait_seconds: float = 5.0, role: str | None = None, kek: KeyEncryptionKeys = KEK
) -> Iterator[PostgresLog]:
    """One process's log. Open two on one database for two processes: they share nothing else."""
    with psycopg.connect(url, autocommit=True) as conn:
        make_institution_key(conn, kek)
    kwargs = {"autocommit": True, **role_options(role)}
    damaged: list[tuple[UUID, int]] = []
    events = make_datastore(url, connections=connections, wait_seconds=wait_seconds, role=role)
    with make_pool(url, min_size=1, max_size=connections, wait_seconds=wait_seconds, kwargs=kwargs) as pool, events:
        keys = Keys(pool, kek)
        recorder = ArchiveRecorder(events)
        mapper = SealingMapper(keys.cipher_of, lambda paper, version: damaged.append((paper, version)))
        yield PostgresLog(url, keys, recorder, Log(recorder, keys, mapper), damaged)


def an_archive(parts: PostgresLog, clock: Clock) -> Archive:
    """All use cases on this log, with contents and customers in memory."""
    archive = build_archive(
        Ports(
            log=parts.log,
            keys=parts.keys,
            contents=MemoryContents(),
            customers=Directory("100234", "100235"),
            clock=clock,
            ids=RandomIds(),
        ),
        Rules(creditor=CREDITOR),
    )
    archive.catalogues.ship_types(SHIPPED, a_caller(actor="system"))
    return archive


def archive_letter(
    log: EventLog,
    keys: KeyRing,
    customer_id: str = "100234",
    *,
    paper: UUID | None = None,
    claims: Sequence[Claim] = (),
    command: CommandKey | None = None,
) -> tuple[UUID, Appended]:
    """Append a new paper of this customer, with its first event; its id and what append() answered."""
    paper = paper or uuid7()
    owner = keys.owner_of(customer_id)
    keys.new_paper(paper)
    letter = a_letter(owner.reference, content=a_content(id=uuid7()))
    return paper, log.append([an_envelope(letter, paper)], claims=claims, papers={paper: owner}, command=command)


def erase(url: str, customer_id: str) -> int:
    """What an erasure does to the database; the last position that is under it."""
    with psycopg.connect(url) as conn:
        conn.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        conn.execute("delete from keys.customer where customer_id = %s", [customer_id])
        [position] = one(conn, "select coalesce(max(notification_id), 0) from archive.archive_events")
    return int(position)


def one(conn: psycopg.Connection[Any], statement: str, *values: Any) -> tuple[Any, ...]:
    """The one row of a statement."""
    rows = conn.execute(statement, values).fetchall()
    assert len(rows) == 1, rows
    return rows[0]  # type: ignore[no-any-return]  # rows of any kind


def ask(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, asked by the superuser on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = conn.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
