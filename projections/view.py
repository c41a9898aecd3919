"""The parts of a view that follow.py and rebuild.py use: its table, its fold, and the writing of a page of events."""

import gc
import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
import psycopg
from msgspec import UnsetType
from psycopg.rows import args_row, scalar_row

from domain.administration import AdministrationEvent
from domain.authorization import AuthorizationDestroyed, AuthorizationEvent, AuthorizationReassigned
from domain.customer_file import CustomerFileEvent
from domain.disposal import DisposalEvent
from domain.document import ContentDestroyed, CustomerLinked, CustomerUnlinked, DocumentEvent, DocumentReassigned
from domain.document_type import TypeEvent
from domain.envelope import Event, Recorded
from domain.scan_session import ScanEvent
from projections.reading import json_text, text_array

ArchiveEvent = (
    DocumentEvent | AuthorizationEvent | CustomerFileEvent | DisposalEvent | ScanEvent | TypeEvent | AdministrationEvent
)
EVENTS: frozenset[type[Event]] = frozenset(get_args(ArchiveEvent))
OTHER_CUSTOMER: dict[type[Event], str] = {
    DocumentReassigned: "old",
    AuthorizationReassigned: "old",
    CustomerLinked: "linked",
    CustomerUnlinked: "linked",
}
DESTROYING: frozenset[type[Event]] = frozenset({ContentDestroyed, AuthorizationDestroyed})
"""After one of these events no row of its paper has a personal value, earlier rows included."""
COPY_ROWS_MIN = 20
REDACTED_PAPERS_MAX = 1_000

T = TypeVar("T")
Step = tuple[Recorded[Any], datetime]
"""An event and the highest recorded_at up to its position."""


class RowVersion(msgspec.Struct, frozen=True, gc=False):
    """A paper during [from_position, to_position) of the log; to_position None: its present version."""

    id: UUID
    customer: UUID
    from_position: int
    to_position: int | None
    created_position: int
    version: int


V = TypeVar("V", bound=RowVersion)


class RowChanges(msgspec.Struct):
    """Changes for a table: `rows` are new; `closed` are (id, from_position, to_position) of its rows that end. Of
    `destroyed` papers the table's rows are redacted; the new ones are already."""

    rows: Sequence[msgspec.Struct]
    closed: Sequence[tuple[UUID, int, int]] = ()
    destroyed: Sequence[UUID] = ()


class Fold(Protocol):
    """Turns events into rows; pure. The follower, a rebuild and the answer to a write use the same fold."""

    def add_event(self, recorded: Recorded[Any], as_of: datetime) -> None: ...

    def take_rows(self, last: Mapping[UUID, int] | None = None) -> RowChanges:
        """Remove and return the rows that are ready.

        `last` has the last version of each stream with more than one event: its open row stays until then. Without
        `last` every open row is ready.
        """

    @property
    def pending_count(self) -> int:
        """Number of rows that the fold still holds."""


class View(msgspec.Struct, frozen=True):
    """A table of schema views. `key` orders its canonical dump, `json` names its jsonb columns.

    `events` are the classes that make its rows. `read` makes a row from the driver's values. `expand` returns a row of
    the fold and its copies, which have `linked`. `shape` increases whenever events make other rows than before: serve
    then rebuilds older ones. `redact` returns the row that the events make without the key of their paper; `paper` is
    the column with the paper's id. None: the rows have no personal value.
    """

    name: str
    row: type[msgspec.Struct]
    key: tuple[str, ...]
    json: tuple[str, ...]
    events: frozenset[type[Event]]
    fold: Callable[[Iterable[Any]], Fold]
    read: Callable[..., msgspec.Struct]
    shape: int
    expand: Callable[[Any], Sequence[msgspec.Struct]] | None = None
    redact: Callable[[Any], msgspec.Struct] | None = None
    paper: str = "id"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.row.__struct_fields__

    @property
    def is_versioned(self) -> bool:
        """True if rows are versions that end (RowVersion); else one row per event, written once."""
        return issubclass(self.row, RowVersion)


class Versions(Generic[V]):
    """Fold of a view with one row per paper: `evolve` returns its next version for each of `events`."""

    def __init__(
        self,
        evolve: Callable[[V | None, Recorded[Any]], V],
        events: Container[type[Event]],
        stored: Iterable[V] = (),
        redact: Callable[[V], V] | None = None,
    ) -> None:
        self._evolve, self._events, self._redact = evolve, events, redact
        self._open = {row.id: row for row in stored}
        self._stored = {row.id: row.from_position for row in self._open.values()}
        self._changed: dict[UUID, None] = {}
        self._ended: list[V] = []
        self._closed: list[tuple[UUID, int, int]] = []
        self._destroyed: dict[UUID, None] = {}

    def add_event(self, recorded: Recorded[Any], as_of: datetime) -> None:
        kind, stream = type(recorded.envelope.body), recorded.envelope.originator_id
        if kind not in self._events:
            if kind not in EVENTS:
                raise LookupError("an event of another release")
            return
        before = self._open.get(stream)
        after = self._evolve(before, recorded)
        if before is not None:
            self._end_version(before, recorded.position)
        self._open[stream] = after
        self._changed[stream] = None
        if kind in DESTROYING:
            self._destroyed[stream] = None

    def _end_version(self, row: V, position: int) -> None:
        if row.id in self._stored:
            self._closed.append((row.id, self._stored.pop(row.id), position))
        else:
            self._ended.append(msgspec.structs.replace(row, to_position=position))

    def take_rows(self, last: Mapping[UUID, int] | None = None) -> RowChanges:
        ready = self._changed if last is None else [i for i in self._changed if self._open[i].version >= last.get(i, 1)]
        rows = [*self._ended, *(self._open.pop(i) for i in ready)]
        if self._redact is not None and self._destroyed:
            rows = [self._redact(row) if row.id in self._destroyed else row for row in rows]
        taken = RowChanges(rows, self._closed, [*self._destroyed])
        self._changed, self._ended, self._closed, self._destroyed = {}, [], [], {}
        return taken

    @property
    def pending_count(self) -> int:
        return len(self._open)


@contextmanager
def pause_collector() -> Iterator[None]:
    """Pause the garbage collector. Pages of events have no cycles and are freed with their last reference.

    Their number would start the collector several times per page: with it following costs 54 instead of 48 µs of the
    processor an event, and a rebuild a seventh more.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def value_or_none(value: T | UnsetType) -> T | None:
    """A sealed value, or None after erasure: views show erased values as absent."""
    return None if isinstance(value, UnsetType) else value


def second_customer_of(body: Event) -> UUID | None:
    """The second customer of an event: the former one of a moved paper, the linked one of a joint paper."""
    name = OTHER_CUSTOMER.get(type(body))
    return getattr(body, name) if name else None


def steps_of(page: Iterable[Recorded[Any]], as_of: datetime | None) -> list[Step]:
    """The events with the running maximum of recorded_at, which stays constant while a clock goes back."""
    found: list[Step] = []
    for recorded in page:
        as_of = recorded.recorded_at if as_of is None else max(as_of, recorded.recorded_at)
        found.append((recorded, as_of))
    return found


def project_page(conn: psycopg.Connection[Any], view: View, table: str, page: Sequence[Step]) -> None:
    """Bring a table of this view forward by some events, in the caller's transaction."""
    fold = view.fold(_open_rows(conn, view, table, page))
    for recorded, as_of in page:
        fold.add_event(recorded, as_of)
    write_rows(conn, view, table, fold.take_rows())


def _open_rows(conn: psycopg.Connection[Any], view: View, table: str, page: Sequence[Step]) -> Sequence[Any]:
    """The open rows that these events will change: those of papers that began before this page."""
    if not view.is_versioned:
        return []
    envelopes = [recorded.envelope for recorded, _ in page]
    changed = {e.originator_id for e in envelopes if e.originator_version > 1 and type(e.body) in view.events}
    if not changed:
        return []
    with conn.cursor(row_factory=args_row(view.read)) as cursor:
        return cursor.execute(statements_of(view, table).open_rows, [list(changed)]).fetchall()


def write_rows(conn: psycopg.Connection[Any], view: View, table: str, taken: RowChanges) -> None:
    sql = statements_of(view, table)
    if taken.closed:
        columns = [list(column) for column in zip(*taken.closed, strict=True)]
        with conn.cursor(row_factory=scalar_row) as cursor:
            closed = cursor.execute(sql.close, columns).fetchone()
        if closed != len(taken.closed):  # python -O would remove an assert
            raise LookupError(f"{table}: {closed} of {len(taken.closed)} open rows were there")
    if taken.destroyed:
        _redact_everywhere(conn, view, table, taken.destroyed)
    if len(taken.rows) < COPY_ROWS_MIN:
        insert_rows(conn, sql.insert, encode_rows(view, taken.rows))
    else:
        copy_rows(conn, view, table, taken.rows)


def _redact_everywhere(conn: psycopg.Connection[Any], view: View, table: str, papers: Sequence[UUID]) -> None:
    """Redact these papers' rows of the table, and of the one that the last rebuild has kept beside it."""
    redact_papers(conn, view, table, papers)
    old = f"{table}_old"
    if conn.execute("select to_regclass(%s) is not null", [old]).fetchone() == (True,):
        redact_papers(conn, view, old, papers)


def redact_papers(conn: psycopg.Connection[Any], view: View, table: str, papers: Sequence[UUID]) -> None:
    """Replace the rows of destroyed papers by redacted ones, as far as they differ. Idempotent."""
    if view.redact is None:
        return
    for first in range(0, len(papers), REDACTED_PAPERS_MAX):
        _redact_some(conn, view, table, papers[first : first + REDACTED_PAPERS_MAX], view.redact)


def _redact_some(
    conn: psycopg.Connection[Any],
    view: View,
    table: str,
    papers: Sequence[UUID],
    redact: Callable[[Any], msgspec.Struct],
) -> None:
    sql = statements_of(view, table)
    with conn.cursor(row_factory=args_row(view.read)) as cursor:
        stored = cursor.execute(sql.of_papers, [list(papers)]).fetchall()
    changed = {getattr(row, view.paper) for row in stored if redact(row) != row}
    if changed:
        conn.execute(sql.remove, [list(changed)])
        rows = [redact(row) for row in stored if getattr(row, view.paper) in changed]
        insert_rows(conn, sql.insert, encode_rows(view, rows))


def insert_rows(conn: psycopg.Connection[Any], statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows one by one. executemany() batches them, but inside a pipeline it waits for its answer."""
    with conn.cursor() as cursor:
        if conn.pgconn.pipeline_status:
            for values in rows:
                cursor.execute(statement, values, prepare=True)
        else:
            cursor.executemany(statement, rows)


def copy_rows(conn: psycopg.Connection[Any], view: View, table: str, rows: Iterable[msgspec.Struct]) -> None:
    with conn.cursor() as cursor, cursor.copy(statements_of(view, table).copy) as copy:
        for values in encode_rows(view, rows):
            copy.write_row(values)


def encode_rows(view: View, rows: Iterable[msgspec.Struct]) -> Iterable[Sequence[Any]]:
    """Rows as parameters. Ids, times and structures are text already, because the driver takes far longer for them."""
    renderings = renderings_of(view)
    for row in rows if view.expand is None else itertools.chain.from_iterable(map(view.expand, rows)):
        values = list(msgspec.to_builtins(msgspec.structs.astuple(row)))
        for n, render in renderings:
            if values[n] is not None:
                values[n] = render(values[n])
        yield values


@cache
def renderings_of(view: View) -> Sequence[tuple[int, Callable[[Any], str]]]:
    """Columns that are still structures among builtin types, by index, with the function that makes text of them."""
    lists = [name for name, hint in get_type_hints(view.row).items() if hint == list[str] and name not in view.json]
    places = view.columns.index
    return [*((places(name), json_text) for name in view.json), *((places(name), _encode_list) for name in lists)]


def _encode_list(value: list[str]) -> str:
    return text_array(tuple(value))


class Statements(msgspec.Struct, frozen=True):
    open_rows: str
    of_papers: str
    remove: str
    close: str
    insert: str
    copy: str


@cache
def statements_of(view: View, table: str) -> Statements:
    """SQL for one table; its names are constants of ours. Copies close with their row and are not counted."""
    columns = ", ".join(view.columns)
    places = ", ".join(["%s"] * len(view.columns))
    copy = "linked" if view.expand else "false"
    return Statements(
        open_rows=f"select {columns} from {table} where id = any(%s) and to_position is null and not {copy}",  # noqa: S608  # constants
        of_papers=f"select {columns} from {table} where {view.paper} = any(%s) and not {copy}",  # noqa: S608  # constants
        remove=f"delete from {table} where {view.paper} = any(%s)",  # noqa: S608  # constants
        close=CLOSE.format(table=table, copy=copy),
        insert=f"insert into {table} ({columns}) values ({places})",  # noqa: S608  # constants
        copy=f"copy {table} ({columns}) from stdin",
    )


CLOSE = """
    with closed as (
        update {table} as v set to_position = c.to_position
        from unnest(%s::uuid[], %s::bigint[], %s::bigint[]) as c (id, from_position, to_position)
        where v.id = c.id and v.from_position = c.from_position and v.to_position is null
        returning {copy} as copied
    )
    select count(*) filter (where not copied) from closed
"""
