"""The event log, implementing domain/ports.EventLog: `eventsourcing` with our mapper and recorder, and readers by
position."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import EventStore, StoredEvent
from psycopg import Cursor
from psycopg.rows import tuple_row

from domain.envelope import Envelope, Meta, Recorded, Unreadable
from domain.ports import Appended, Claim, CommandKey, CustomerReference, FirstUse, UnsentAppend
from domain.promises import require_value
from domain.refusals import CustomerErased
from store.keys import KeyRow, Keys
from store.mapper import PLANS, EventUnreadable, SealingMapper
from store.recorder import AppendBatch, ArchiveRecorder, append_arguments, translate_errors
from store.sealed_append import SealedAppend

Row = tuple[int, UUID, int, datetime, str, bytes]


class Log:
    """The log of one archive. Thread-safe. `on_append` is called after every commit, to wake followers."""

    def __init__(
        self, recorder: ArchiveRecorder, keys: Keys, mapper: SealingMapper, on_append: Callable[[], None] | None = None
    ) -> None:
        self._recorder, self._keys, self._mapper = recorder, keys, mapper
        self._shut = SealingMapper(lambda _: None)
        self._events = EventStore[UUID](mapper, recorder)
        self._on_append = on_append or (lambda: None)
        self._catalogues: dict[tuple[str, ...], list[Envelope[Any]]] = {}

    # -- by stream ----------------------------------------------------------------------------------------------

    def load(self, stream: UUID, after: int = 0) -> Sequence[Envelope[Any]]:
        with translate_errors():
            return list(self._events.get(stream, gt=after or None))  # type: ignore[arg-type]  # the mapper makes envelopes

    def load_recorded(self, streams: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        with translate_errors(), self._open_cursor() as cursor:
            rows = cursor.execute(OF_STREAMS, [list(streams), up_to], prepare=True).fetchall()
        return self._open_rows(rows)

    def load_topics(self, topics: Sequence[str]) -> Sequence[Envelope[Any]]:
        """The events of these topics, from memory while their number is unchanged: counting reads a small index."""
        known = self._catalogues.get(tuple(topics))
        with translate_errors(), self._open_cursor() as cursor:
            count = cursor.execute(COUNT_OF_TOPICS, [list(topics)], prepare=True).fetchone()
            if known is not None and count == (len(known),):
                return known
            rows = cursor.execute(OF_TOPICS, [list(topics)], prepare=True).fetchall()
        envelopes = [r.envelope for r in self._open_rows(rows)]
        self._catalogues[tuple(topics)] = envelopes
        return envelopes

    # -- append -------------------------------------------------------------------------------------------------

    def owners_of_claims(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        with translate_errors(), self._open_cursor() as cursor:
            return dict(cursor.execute(CLAIMED, [kind, list(digests)], prepare=True).fetchall())

    def find_command(self, command: CommandKey) -> FirstUse | None:
        return self._recorder.find_command(command)

    def append(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        released: Sequence[Claim] = (),
        papers: Mapping[UUID, CustomerReference] | None = None,
        unwrapped: Sequence[tuple[UUID, UUID]] = (),
        ended: Sequence[UUID] = (),
        forgotten: Sequence[UUID] = (),
        command: CommandKey | None = None,
    ) -> Appended:
        """Append the events; see EventLog.append. A paper that loses a wrap keeps its key, so cached keys stay valid,
        here and in other processes: the views decide who may read it, the wrap whose erasure destroys it."""
        papers = papers or {}
        stored, batch = self._seal_batch(envelopes, claims, papers)
        batch = msgspec.structs.replace(
            batch, command=command, released=released, unwrapped=unwrapped, ended=ended, forgotten=forgotten
        )
        return self._run_append(papers, lambda: self._recorder.append(stored, batch))

    def append_later(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        papers: Mapping[UUID, CustomerReference],
    ) -> UnsentAppend:
        """Seal an append of new papers to be sent later. Their keys are not cached, because an import does not read its
        papers again: the last 16,000 keys would fill the processor's cache and made an import a tenth slower."""
        stored, batch = self._seal_batch(envelopes, claims, papers)
        decided = partial(self._run_append, papers, kept=False)
        return SealedAppend(self._recorder.datastore, append_arguments(stored, batch), decided)

    def _seal_batch(
        self, envelopes: Sequence[Envelope[Any]], claims: Sequence[Claim], papers: Mapping[UUID, CustomerReference]
    ) -> tuple[list[StoredEvent], AppendBatch]:
        fresh = {o.reference: o for o in papers.values() if o.fresh}
        return [self._mapper.to_stored_event(e) for e in envelopes], AppendBatch(
            claims=claims,
            owners=[self._keys.wrap_new_owner(o) for o in fresh.values()],
            wraps=[(paper, o.reference, self._keys.wrap_paper_key(paper, o)) for paper, o in papers.items()],
            guarded=_papers_to_guard(envelopes, papers),
            contents=[(c.id, e.originator_id) for e in envelopes if (c := getattr(e.body, "content", None))],
            writer=envelopes[-1].meta.actor,
        )

    def _run_append(
        self, papers: Mapping[UUID, CustomerReference], append: Callable[[], Appended], *, kept: bool = True
    ) -> Appended:
        stored = False
        try:
            appended = append()
            stored = True
        except CustomerErased:
            self._keys.forget_all()  # a key erased elsewhere must not stay readable here for its minute
            raise
        finally:
            self._keys.settle_keys(papers, kept=kept or not stored)
        with suppress(RuntimeError):  # only a hint, and its event loop may be closed already
            self._on_append()
        return appended

    # -- by position --------------------------------------------------------------------------------------------

    def load_events_after(self, after: int, limit: int) -> list[Recorded[Any]]:
        """Up to `limit` events after a position, in order; no event can appear before the last of them later.

        Their papers' keys come with them: a follower waits for one answer instead of two.
        """
        mark = self._keys.mark()

        def page() -> Sequence[tuple[Any, ...]]:
            with self._open_cursor() as cursor:
                return cursor.execute(AFTER, [after, limit], prepare=True).fetchall()

        with translate_errors():
            rows = self._recorder.drop_unsettled(after, page(), page, lambda row: row[0])
        self._keys.remember_keys((KeyRow(row[1], *row[6:]) for row in rows if row[6] is not None), mark)
        return self._open_rows(row[:6] for row in rows)

    def load_events_at(self, positions: Sequence[int], *, opened: Collection[int]) -> list[Recorded[Any]]:
        """The events at these positions, in any order. Outside `opened` the sealed fields are UNSET, as if the key were
        destroyed."""
        with translate_errors(), self._open_cursor() as cursor:
            rows = cursor.execute(AT, [list(positions)], prepare=True).fetchall()
        shut = [self._open_row(row, self._shut) for row in rows if row[0] not in opened]
        return shut + self._open_rows(row for row in rows if row[0] in opened)

    def catalogue_version(self) -> int:
        """The number of changes of types, tokens and users."""
        with translate_errors(), self._open_cursor() as cursor:
            row = cursor.execute(CATALOGUE_VERSION, prepare=True).fetchone()
        return int(require_value(row, "the catalogue has one version")[0])

    def last_position(self) -> int:
        """The highest committed position; an append with a lower one may still be in progress."""
        with translate_errors():
            return self._recorder.max_notification_id() or 0

    def load_event_pages(self, after: int, up_to: int, page: int = 5_000) -> Iterator[list[Recorded[Any]]]:
        """All events in (after, up_to], for rebuilds; `up_to` is at most a position that `fence` returned."""
        while rows := self._rows_between(after, up_to, page):
            yield self._open_rows(rows)
            after = rows[-1][0]

    def _rows_between(self, after: int, up_to: int, limit: int) -> Sequence[Row]:
        with translate_errors(), self._open_cursor() as cursor:
            return cursor.execute(BETWEEN, [after, up_to, limit], prepare=True).fetchall()

    def fence(self) -> int:
        """Wait for the appends in progress; every position up to the returned one is final."""
        return self._recorder.fence()

    def _open_rows(self, rows: Iterable[Row]) -> list[Recorded[Any]]:
        rows = list(rows)
        self._keys.prefetch_keys(stream for _, stream, _, _, topic, _ in rows if not topic.startswith(CLEAR))
        return [self._open_row(row, self._mapper) for row in rows]

    def _open_row(self, row: Row, mapper: SealingMapper) -> Recorded[Any]:
        """The event of a row; Unreadable instead of an exception, so that later events can still be read."""
        position, stream, version, at, topic, state = row
        try:
            return Recorded(position, at, mapper.open_event(stream, version, topic, state))
        except EventUnreadable:
            nobody = Meta("", "", at, NO_COMMAND, NO_COMMAND)
            return Recorded(position, at, Envelope(stream, version, Unreadable(topic), nobody))

    @contextmanager
    def _open_cursor(self) -> Iterator[Cursor[Any]]:
        """A cursor with tuples in binary format: the library's dictionaries cost more than opening the events, and
        reading a COPY row by row costs four times as much as a whole result."""
        with (
            self._recorder.datastore.get_connection() as conn,
            conn.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            yield cursor


def _papers_to_guard(envelopes: Sequence[Envelope[Any]], papers: Mapping[UUID, CustomerReference]) -> list[UUID]:
    """The papers that must not be erased meanwhile: all except those whose first event and wrap are in this append.
    Compared by the integers of their ids, as in store/keys.py."""
    sealed = {e.originator_id.int: e.originator_id for e in envelopes if PLANS[type(e.body)].sealed}
    wrapped = {paper.int: paper for paper in papers}
    new = {e.originator_id.int for e in envelopes if e.originator_version == 1} & wrapped.keys()
    return [paper for number, paper in (sealed | wrapped).items() if number not in new]


NO_COMMAND = UUID(int=0)
CLEAR = ("document-type-", "token-")


CLAIMED = "select digest, owner from archive.claim where kind = %s and digest = any(%b)"
OF_STREAMS = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
    where originator_id = any(%s) and notification_id <= %s
    order by notification_id
"""
COUNT_OF_TOPICS = """
    select count(*)
    from archive.archive_events
    where topic = any(%s) and (topic like 'document-type-%%' or topic like 'token-%%')
"""
OF_TOPICS = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
    where topic = any(%s) and (topic like 'document-type-%%' or topic like 'token-%%')
    order by notification_id
"""
CATALOGUE_VERSION = "select version from archive.catalogue"
AT = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
    where notification_id = any(%s)
"""
AFTER = """
    select e.notification_id, e.originator_id, e.originator_version, e.recorded_at, e.topic, e.state,
        k.paper_wrapped, k.reference, k.customer_id, k.kek_version, k.wrapped
    from (
        select notification_id, originator_id, originator_version, recorded_at, topic, state
        from archive.archive_events
        where notification_id > %s
        order by notification_id
        limit %s
    ) as e
    left join lateral (
        select p.wrapped as paper_wrapped, c.reference, c.customer_id, c.kek_version, c.wrapped
        from keys.paper as p
        join keys.customer as c on c.reference = p.customer
        where p.paper = e.originator_id
        limit 1
    ) as k on true
    order by e.notification_id
"""
BETWEEN = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
    where notification_id > %s and notification_id <= %s
    order by notification_id
    limit %s
"""
