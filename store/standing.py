"""Waits until the views show what a reader must see: its own writes, and everything up to a position that it names.

api/call.py calls it before it reads a view. It queries the log each time, so the answer holds for every worker and
node. Concurrent callers share one query, which is sent after each of them has asked.
"""

import asyncio
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import msgspec
from psycopg.rows import tuple_row

from domain.promises import require_value
from domain.refusals import ViewPaused
from store.pools import Connect

# The first and the longest pause of the poll. Without hints (store/hints.py) a view is a few milliseconds behind the
# log, so the pause grows only after ten looks.
POLL_SECONDS = (0.003, 0.05)
POLLS_AT_ONCE = 10
# While hints arrive, a reader waits for its own and polls only in case one was lost.
HINTED_POLL_SECONDS = 0.02
HINTS_COME_SECONDS = 5.0
# An operator pauses a view for minutes or hours.
PAUSED_RETRY_SECONDS = 30


class StandingLook(msgspec.Struct, frozen=True):
    """One snapshot: the position of each view, the paused views, the version of the catalogue, and the last position of
    a writer."""

    views: Mapping[str, int]
    paused: frozenset[str]
    catalogue: int
    written: int

    def views_behind(self, position: int, views: Collection[str]) -> set[str]:
        """The views that are behind a position, of these views or of all."""
        return {name for name, at in self.views.items() if at < position and (not views or name in views)}


class Patience:
    """The wait of one reader until the views are at `position`; created by Standing.open_patience(). `is_early`: a hint
    will come, and a look before it would find nothing new."""

    def __init__(self, position: int, wait_seconds: float, *, pause_seconds: float, is_early: bool) -> None:
        self.position = position
        self._deadline = time.monotonic() + wait_seconds
        self._hinted = asyncio.Event()
        self._pause, self._looks = pause_seconds, 0
        self.is_early = is_early

    def wake_at(self, position: int) -> None:
        """Wake the reader when its position is reached."""
        if position >= self.position:
            self._hinted.set()

    async def wait_for_next(self) -> bool:
        """Wait for a hint or the next poll. Returns False when the time has passed. A hint since the last look
        counts."""
        if time.monotonic() + self._pause > self._deadline:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._hinted.wait()
        self._hinted.clear()
        self._looks += 1
        if self._looks >= POLLS_AT_ONCE:
            self._pause = min(2 * self._pause, POLL_SECONDS[1])
        return True


class Standing:
    """The shared queries and waits of one event loop. `connection` borrows an autocommit connection from a pool."""

    def __init__(self, connection: Connect) -> None:
        self._connection = connection
        self._waiting: list[tuple[str | None, asyncio.Future[StandingLook]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._patient: set[Patience] = set()
        self._heard, self._heard_at = 0, -math.inf

    async def views_at(
        self, position: int, *, wait_seconds: float, writer: str | None = None, views: Collection[str] = ()
    ) -> int | None:
        """Wait until these views, or all, are at `position` and at the last position that `writer` wrote before this
        call. Returns the version of the catalogue at that time, None after `wait_seconds`. Raises ViewPaused when a
        paused view is behind.

        Nothing is cached: a crash of Postgres or `projection back` sets views back, and other workers write too.
        """
        with self.open_patience(position, wait_seconds=wait_seconds) as patience:
            look = await self.load_look(writer)
            patience.position = wanted = max(position, look.written)
            while behind := look.views_behind(wanted, views):
                if behind & look.paused:
                    raise ViewPaused(retry_after_seconds=PAUSED_RETRY_SECONDS)
                if not await patience.wait_for_next():
                    return None
                look = await self.load_look(None)
        return look.catalogue

    @contextmanager
    def open_patience(self, position: int, *, wait_seconds: float) -> Iterator[Patience]:
        """A wait that counts hints; enter it before the first look, so that no hint is missed."""
        hinted = time.monotonic() < self._heard_at + HINTS_COME_SECONDS
        pause_seconds = HINTED_POLL_SECONDS if hinted else POLL_SECONDS[0]
        patience = Patience(
            position, wait_seconds, pause_seconds=pause_seconds, is_early=hinted and self._heard < position
        )
        self._patient.add(patience)
        try:
            yield patience
        finally:
            self._patient.discard(patience)

    def wake_at(self, position: int) -> None:
        """Wake the readers that wait for this position."""
        if position:
            self._heard, self._heard_at = position, time.monotonic()
        for patience in self._patient:
            patience.wake_at(position)

    async def load_look(self, writer: str | None) -> StandingLook:
        """A look at the views, with the last position of `writer`, from the next shared query."""
        answer: asyncio.Future[StandingLook] = asyncio.get_running_loop().create_future()
        self._waiting.append((writer, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answer_waiting())
        return await answer

    async def _answer_waiting(self) -> None:
        while waiting := self._waiting:
            self._waiting = []
            writers = list({writer for writer, _ in waiting if writer is not None})
            try:
                seen, written = await self._query_looks(writers)
            except Exception as error:  # noqa: BLE001  # every waiting caller needs the error
                for _, answer in waiting:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            told = dict(zip(writers, written, strict=True))
            for writer, answer in waiting:
                if not answer.done():
                    answer.set_result(msgspec.structs.replace(seen, written=(writer and told[writer]) or 0))

    async def _query_looks(self, writers: Sequence[str]) -> tuple[StandingLook, Sequence[int | None]]:
        async with self._connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(LOOK, [writers], prepare=True)
            row = require_value(await cursor.fetchone(), "a question without a table has one row")
        names, positions, paused, catalogue, written = row
        return StandingLook(dict(zip(names, positions, strict=True)), frozenset(paused), catalogue, 0), written


# One statement is one snapshot: an append that was confirmed before the query is in it.
LOOK = """
    select
        array_agg(t.name),
        array_agg(t.position),
        coalesce(array_agg(t.name) filter (where t.paused), '{}'),
        (select version from archive.catalogue),
        array(
            select (select max(notification_id) from archive.archive_events where writer = w.name)
            from unnest(%s::text[]) with ordinality as w (name, n)
            order by w.n
        )
    from views.tracking as t
"""
