"""The library's recorder on our schema: one append function, readers protected against gaps. store/log.py uses it.

Gaps: positions are drawn before the commit, so a reader may see 7 before 6. Every append holds a shared advisory lock
from before it draws its positions. A reader that meets a gap takes that lock exclusively for an instant, notes the last
position and reads again: a position missing then was rolled back (docs/design-notes.md, the order of the log).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg
from eventsourcing.persistence import Notification, PersistenceError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import dict_row, tuple_row
from psycopg.sql import SQL
from psycopg_pool import PoolTimeout

from domain.ports import (
    AlreadyClaimed,
    Appended,
    Claim,
    CommandKey,
    CustomerReferenceRaced,
    FirstUse,
    Replayed,
    VersionConflict,
)
from domain.promises import require_value
from domain.refusals import (
    CustomerErased,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    InsufficientStorage,
    Unavailable,
)
from store.arrays import pack_blobs, pack_ids, pack_texts
from store.keys import FreshOwner
from store.pools import make_pool

LOCK = 4_701_912_007
SCHEMA, TABLE = "archive", "archive_events"
FENCE_WAIT = "500ms"
FAULTS = (PersistenceError, psycopg.Error, PoolTimeout)
R = TypeVar("R")


class AppendBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that an append stores together with its events. `wraps` are (paper, customer reference, wrapped key).

    `writer` is the actor, whose own reads wait for the append (store/standing.py). `unwrapped` are (paper, customer
    reference), `guarded` the papers that must still have a key before any wrap is added, `contents` are (content,
    paper). `ended` papers and `forgotten` contents are removed in the same commit.
    """

    command: CommandKey | None = None
    claims: Sequence[Claim] = ()
    released: Sequence[Claim] = ()
    owners: Sequence[FreshOwner] = ()
    wraps: Sequence[tuple[UUID, UUID, bytes]] = ()
    unwrapped: Sequence[tuple[UUID, UUID]] = ()
    guarded: Sequence[UUID] = ()
    contents: Sequence[tuple[UUID, UUID]] = ()
    ended: Sequence[UUID] = ()
    forgotten: Sequence[UUID] = ()
    writer: str | None = None

    @property
    def has_removals(self) -> bool:
        """True if the append removes keys or contents."""
        return bool(self.ended or self.forgotten)


def without_retries(method: Any) -> Any:
    """A method of the library without its retries: for an unavailable database it retries ten times, each time waiting
    for a connection, and blocks a use case's thread for that long. Retrying is the caller's decision."""
    return method.__wrapped__


class ArchiveRecorder(PostgresApplicationRecorder):
    """The recorder of the archive's log."""

    select_events = without_retries(PostgresApplicationRecorder.select_events)
    max_notification_id = without_retries(PostgresApplicationRecorder.max_notification_id)

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name=TABLE)
        self.select_events_statement = SQL(SELECT_EVENTS).format()
        self._safe = 0

    def append(self, stored_events: Sequence[StoredEvent], batch: AppendBatch) -> Appended:
        """Append in one transaction. Durable on return. Keys are checked before versions, so a key that does not match
        is a VersionConflict when another command's events are the reason."""
        try:
            return self._append_once(stored_events, batch)
        except ValueError:
            if self._is_overtaken(stored_events):
                raise VersionConflict from None
            raise

    def _is_overtaken(self, stored_events: Sequence[StoredEvent]) -> bool:
        of = [cast("UUID", e.originator_id) for e in stored_events], [e.originator_version for e in stored_events]
        with translate_errors(), self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(OVERTAKEN, of, prepare=True).fetchone() is not None

    def _append_once(self, stored_events: Sequence[StoredEvent], batch: AppendBatch) -> Appended:
        with (
            translate_errors(with_key=batch.command is not None),
            self.datastore.get_connection() as conn,
            conn.transaction() if batch.has_removals else nullcontext(),
            conn.cursor(row_factory=tuple_row) as cursor,
        ):
            row = cursor.execute(APPEND, append_arguments(stored_events, batch), prepare=True).fetchone()
            positions, at, papers = require_value(row, "archive.append() returns one row")
            if batch.has_removals and papers is None:
                cursor.execute(LET_GO, [list(batch.ended), list(batch.forgotten)], prepare=True)
        if papers is not None:
            raise Replayed(FirstUse(tuple(papers), self._last_of(papers, at)))
        return Appended(tuple(positions), at)

    def find_command(self, command: CommandKey) -> FirstUse | None:
        with translate_errors(), self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(EARLIER, [command.actor, command.key], prepare=True).fetchone()
        if row is None:
            return None
        body, papers, at = row
        if body != command.body:
            raise IdempotencyKeyReused
        return FirstUse(tuple(papers), self._last_of(papers, at))

    def _last_of(self, papers: Sequence[UUID], at: datetime) -> int:
        with translate_errors(), self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(LAST_OF, [list(papers), at], prepare=True).fetchone()
        return int(require_value(row, "an aggregate has one row")[0])

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The library's reader, made safe: it never passes a position that may still be committed."""

        def read() -> Sequence[Notification]:
            unfenced: Sequence[Notification] = without_retries(PostgresApplicationRecorder.select_notifications)(
                self, start, limit, stop, topics, inclusive_of_start=inclusive_of_start
            )
            return unfenced

        after = 0 if start is None else start - 1 if inclusive_of_start else start
        return self.drop_unsettled(after, read(), read, lambda n: int(n.id))

    def drop_unsettled(
        self, after: int, page: Sequence[R], again: Callable[[], Sequence[R]], position: Callable[[R], int]
    ) -> Sequence[R]:
        """The part of a page (in rising order, all after `after`) before which no later commit can appear."""
        if self._count_settled(after, page, position) < len(page):
            try:
                self.fence()
            except (Unavailable, IdempotencyInFlight):
                return page[: self._count_settled(after, page, position)]
            page = again()
            page = page[: self._count_settled(after, page, position)]
        if page and after <= self._safe:  # a reader's own starting position says nothing about earlier ones
            self._safe = max(self._safe, position(page[-1]))
        return page

    def _count_settled(self, after: int, page: Sequence[R], position: Callable[[R], int]) -> int:
        before = after
        for n, row in enumerate(page):
            here = position(row)
            if here > self._safe and here != max(self._safe, before) + 1:
                return n
            before = here
        return len(page)

    def fence(self) -> int:
        """Wait until every append that drew a position has ended; every position up to the returned one is final."""
        with translate_errors(), self.datastore.transaction(commit=True) as cursor:
            cursor.execute(f"set local lock_timeout = '{FENCE_WAIT}'")
            cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
            row = cursor.execute(self.max_notification_id_statement).fetchone()
        self._safe = max(self._safe, (row and row["max"]) or 0)
        return self._safe


class Datastore(PostgresDatastore):
    def register_type_adapters(self) -> None:
        """Register none, because archive.append() takes plain arrays. Registering needs the database, and a process
        must start without it to answer that nothing is available."""


def make_datastore(url: str, *, connections: int, wait_seconds: float, role: str | None) -> PostgresDatastore:
    """A pool for use cases in autocommit. Open it after the fork; a wait longer than `wait_seconds` is Unavailable."""
    store = Datastore("", "", "", "", "", pool_size=connections, connect_timeout=wait_seconds, schema=SCHEMA)
    store.pool = make_pool(  # type: ignore[assignment]  # rows are dicts by row_factory, which no type can tell
        url,
        min_size=connections,
        max_size=connections,
        wait_seconds=wait_seconds,
        kwargs={"row_factory": dict_row, **index_options(role)},
        configure=store.after_connect_func(),
    )
    return store


def role_options(role: str | None) -> dict[str, str]:
    """Connection options: this role, and UTC, whatever time zone the database has."""
    return {"options": "-c timezone=UTC" + (f" -c role={role}" if role else "")}


def index_options(role: str | None) -> dict[str, str]:
    """As role_options, for use cases: each of their queries has an index. A connection caches its plans, and a plan
    made while a table fitted one page would scan the table at every query until it is next analyzed: an import into a
    young archive fell from 6,500 to 1,300 papers a second within 20,000."""
    return {"options": f"{role_options(role)['options']} -c enable_seqscan=off"}


@contextmanager
def translate_errors(*, with_key: bool = False) -> Iterator[None]:
    """Translate database errors into the exceptions of domain/ports.py and domain/refusals.py."""
    try:
        yield
    except FAULTS as error:
        raise _refusal_from(error, with_key=with_key) from error


def _refusal_from(error: Exception, *, with_key: bool) -> Exception:
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(cause, psycopg.Error):
        return Unavailable()
    state = cause.sqlstate
    match state:
        case "DX409":
            return CustomerReferenceRaced()
        case "DX410":
            return CustomerErased()
        case "DX422":
            return IdempotencyKeyReused()
        case "DX423":
            kind, owner = (cause.diag.message_detail or "").split()
            return AlreadyClaimed(kind, UUID(owner))
        case "DX500":
            return ValueError(str(cause))
        case "23505":
            return VersionConflict()
        case "55P03":
            return IdempotencyInFlight() if with_key else Unavailable()
        case "53100":
            return InsufficientStorage()
    if state is None or state[:2] in ("08", "25", "40", "53", "57"):
        return Unavailable()
    return error


def append_arguments(events: Sequence[StoredEvent], batch: AppendBatch) -> tuple[Any, ...]:
    """The arguments of APPEND."""
    command, claims, released, owners, wraps = batch.command, batch.claims, batch.released, batch.owners, batch.wraps
    return (
        pack_ids(cast("UUID", e.originator_id) for e in events),
        _array_text([str(e.originator_version) for e in events]),
        _array_text([e.topic for e in events]),
        pack_blobs(e.state for e in events),
        *((command.actor, command.key, command.body) if command else (None, None, None)),
        _array_text([c.kind for c in claims]),
        pack_blobs(c.digest for c in claims),
        pack_ids(c.owner for c in claims),
        _array_text(["t" if c.shared else "f" for c in claims]),
        _array_text([c.kind for c in released]),
        pack_blobs(c.digest for c in released),
        pack_ids(c.owner for c in released),
        pack_ids(o.reference for o in owners),
        pack_texts(o.customer_id for o in owners),
        _array_text([str(o.kek_version) for o in owners]),
        pack_blobs(o.wrapped for o in owners),
        pack_ids(w[0] for w in wraps),
        pack_ids(w[1] for w in wraps),
        pack_blobs(w[2] for w in wraps),
        pack_ids(u[0] for u in batch.unwrapped),
        pack_ids(u[1] for u in batch.unwrapped),
        pack_ids(batch.guarded),
        pack_ids(c[0] for c in batch.contents),
        pack_ids(c[1] for c in batch.contents),
        batch.writer,
    )


def _array_text(words: list[str]) -> str | None:
    """An array in Postgres' text form, for words without quotes; None when it is empty, as in store/arrays.py."""
    text = ",".join(words)
    return f"{{{text}}}" if text else None


APPEND = """
    select positions, at, replay_papers
    from archive.append(
        %s::uuid[], %s::bigint[], %s::text[], %s::bytea[],
        %s, %s, %b,
        %s::text[], %s::bytea[], %s::uuid[], %s::boolean[],
        %s::text[], %s::bytea[], %s::uuid[],
        %s::uuid[], %s::text[], %s::int[], %s::bytea[],
        %s::uuid[], %s::uuid[], %s::bytea[],
        %s::uuid[], %s::uuid[],
        %s::uuid[],
        %s::uuid[], %s::uuid[],
        %s
    )
"""
LET_GO = "select archive.let_go(%s::uuid[], %s::uuid[])"
EARLIER = "select body, papers, recorded_at from archive.command where actor = %s and key = %s"
OVERTAKEN = """
    select 1
    from unnest(%s::uuid[], %s::bigint[]) as w (id, version)
    join archive.archive_events as e on e.originator_id = w.id and e.originator_version = w.version
    limit 1
"""
LAST_OF = """
    select max(notification_id)
    from archive.archive_events
    where originator_id = any(%s) and recorded_at = %s
"""
SELECT_EVENTS = """
    select originator_id, originator_version, topic, state
    from archive.archive_events
    where originator_id = %s
"""
