"""The event log behind domain/ports.EventLog: `eventsourcing` with our mapper and recorder, and readers by position."""

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
from domain.ports import Appended, Claim, CommandKey, Earlier, Later, Owner
from domain.promises import require_value
from domain.refusals import CustomerErased
from store.keys import Keys
from store.mapper import PLANS, EventUnreadable, SealingMapper
from store.recorder import ArchiveRecorder, Batch, append_arguments, translate_errors
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
        """From memory while there are as many of them as then: counting costs one look into a small index."""
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

    def find_command(self, command: CommandKey) -> Earlier | None:
        return self._recorder.find_command(command)

    def append(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        released: Sequence[Claim] = (),
        papers: Mapping[UUID, Owner] | None = None,
        unwrapped: Sequence[tuple[UUID, UUID]] = (),
        ended: Sequence[UUID] = (),
        forgotten: Sequence[UUID] = (),
        command: CommandKey | None = None,
    ) -> Appended:
        """A paper that loses a wrap keeps its key, so what is cached of it stays right, here and in other processes.
        Who may read it is asked of the views; the wrap decides whose erasure takes it along."""
        papers = papers or {}
        stored, batch = self._seal_batch(envelopes, claims, papers)
        batch = msgspec.structs.replace(
            batch, command=command, released=released, unwrapped=unwrapped, ended=ended, forgotten=forgotten
        )
        return self._run_append(papers, lambda: self._recorder.append(stored, batch))

    def append_later(
        self, envelopes: Sequence[Envelope[Any]], *, claims: Sequence[Claim] = (), papers: Mapping[UUID, Owner]
    ) -> Later:
        """Of papers that come in thousands nobody asks here again: their keys are not kept. Those of the last 16,000
        would push all else out of the processor's own memory, and an import took a tenth longer for it."""
        stored, batch = self._seal_batch(envelopes, claims, papers)
        decided = partial(self._run_append, papers, kept=False)
        return SealedAppend(self._recorder.datastore, append_arguments(stored, batch), decided)

    def _seal_batch(
        self, envelopes: Sequence[Envelope[Any]], claims: Sequence[Claim], papers: Mapping[UUID, Owner]
    ) -> tuple[list[StoredEvent], Batch]:
        fresh = {o.reference: o for o in papers.values() if o.fresh}
        return [self._mapper.to_stored_event(e) for e in envelopes], Batch(
            claims=claims,
            owners=[self._keys.wrap_new_owner(o) for o in fresh.values()],
            wraps=[(paper, o.reference, self._keys.wrap_paper_key(paper, o)) for paper, o in papers.items()],
            guarded=_papers_to_guard(envelopes, papers),
            contents=[(c.id, e.originator_id) for e in envelopes if (c := getattr(e.body, "content", None))],
            writer=envelopes[-1].meta.actor,
        )

    def _run_append(
        self, papers: Mapping[UUID, Owner], append: Callable[[], Appended], *, kept: bool = True
    ) -> Appended:
        stored = False
        try:
            appended = append()
            stored = True
        except CustomerErased:
            self._keys.forget_all()  # what was erased elsewhere is not to be read here until its minute is over
            raise
        finally:
            self._keys.settle_keys(papers, kept=kept or not stored)
        with suppress(RuntimeError):  # no more than a hint, and the loop that passes it on may be closed already
            self._on_append()
        return appended

    # -- by position --------------------------------------------------------------------------------------------

    def read_after(self, after: int, limit: int) -> list[Recorded[Any]]:
        """Up to `limit` events behind position `after`, in order; none can appear before the last one later on."""

        def page() -> Sequence[Row]:
            with self._open_cursor() as cursor:
                return cursor.execute(AFTER, [after, limit], prepare=True).fetchall()

        with translate_errors():
            rows = self._recorder.drop_unsettled(after, page(), page, lambda row: row[0])
        return self._open_rows(rows)

    def read_positions(self, positions: Sequence[int], *, opened: Collection[int]) -> list[Recorded[Any]]:
        """The events at some positions, in any order. Of those that are not to be `opened` the sealed fields are UNSET,
        as if the key were gone."""
        with translate_errors(), self._open_cursor() as cursor:
            rows = cursor.execute(AT, [list(positions)], prepare=True).fetchall()
        shut = [self._open_row(row, self._shut) for row in rows if row[0] not in opened]
        return shut + self._open_rows(row for row in rows if row[0] in opened)

    def catalogue_version(self) -> int:
        """How often types, tokens and users were changed."""
        with translate_errors(), self._open_cursor() as cursor:
            row = cursor.execute(CATALOGUE_VERSION, prepare=True).fetchone()
        return int(require_value(row, "the catalogue has one version")[0])

    def last_position(self) -> int:
        """The highest position that is committed; a lower one may still be under way."""
        with translate_errors():
            return self._recorder.max_notification_id() or 0

    def read_pages(self, after: int, up_to: int, page: int = 5_000) -> Iterator[list[Recorded[Any]]]:
        """All events in (after, up_to], for rebuilds; `up_to` is at most what a `fence` has settled."""
        while rows := self._read_between(after, up_to, page):
            yield self._open_rows(rows)
            after = rows[-1][0]

    def _read_between(self, after: int, up_to: int, limit: int) -> Sequence[Row]:
        with translate_errors(), self._open_cursor() as cursor:
            return cursor.execute(BETWEEN, [after, up_to, limit], prepare=True).fetchall()

    def fence(self) -> int:
        """Wait for the appends under way; every position up to the answer is settled."""
        return self._recorder.fence()

    def _open_rows(self, rows: Iterable[Row]) -> list[Recorded[Any]]:
        rows = list(rows)
        self._keys.prefetch_keys(stream for _, stream, _, _, topic, _ in rows if not topic.startswith(CLEAR))
        return [self._open_row(row, self._mapper) for row in rows]

    def _open_row(self, row: Row, mapper: SealingMapper) -> Recorded[Any]:
        """One event that cannot be read must not keep readers from all that come after it."""
        position, stream, version, at, topic, state = row
        try:
            return Recorded(position, at, mapper.open_event(stream, version, topic, state))
        except EventUnreadable:
            nobody = Meta("", "", at, NO_COMMAND, NO_COMMAND)
            return Recorded(position, at, Envelope(stream, version, Unreadable(topic), nobody))

    @contextmanager
    def _open_cursor(self) -> Iterator[Cursor[Any]]:
        """Rows as tuples, sent in binary: the library's own are dictionaries, which cost more than opening them, and
        the driver takes a COPY row by row, which costs four times as much as a whole answer."""
        with (
            self._recorder.datastore.get_connection() as conn,
            conn.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            yield cursor


def _papers_to_guard(envelopes: Sequence[Envelope[Any]], papers: Mapping[UUID, Owner]) -> list[UUID]:
    """Papers that must not have been erased meanwhile: all but those whose first event and wrap come together. By the
    numbers of their ids, as in store/keys.py."""
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
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
    where notification_id > %s
    order by notification_id
    limit %s
"""
BETWEEN = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
    where notification_id > %s and notification_id <= %s
    order by notification_id
    limit %s
"""
