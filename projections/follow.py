"""Keeps the views up with the log: one leader follows, the others are on standby. rebuild.py rebuilds a view."""

import itertools
import logging
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from projections import tracking
from projections.parking import Parked, insert_parked, log_parked, project_or_park, with_care
from projections.tracking import NotLeader, Tracked
from projections.view import Step, View, pause_collector, project_page, steps_of
from projections.views import VIEWS, table_of
from store.hints import READER, Hints
from store.log import Log

LEADER = 4_701_912_008
PAGE = 5_000
STANDBY_SECONDS = 1.0
POLL_SECONDS = 0.5
HOT_SECONDS = 0.2
HOT_POLL_SECONDS = 0.005
# Minimum time between two pages while events come singly: a page costs as much as ten events in it.
GATHER_SECONDS = 0.002
KNOWN_SECONDS = 0.1
PIPELINED_MAX = 8
BACK_OFF_SECONDS = (0.05, 5.0)
logger = logging.getLogger("dossier.projections")


class State(msgspec.Struct):
    """Counters of the follower since its start; positions of views are in views.tracking.

    `refused`: pages that were not written because another process had moved a view.
    """

    leading: bool = False
    events: int = 0
    restarts: int = 0
    refused: int = 0


class Behind(msgspec.Struct, frozen=True):
    """A page of events that takes some views to `position`; `more`: the log has later events already."""

    views: Sequence[Tracked]
    events: Sequence[Step]
    position: int
    more: bool


class Follower:
    """Follows the log with every view, as `role` in its session; `on_parked` is called for every parked event.

    `poll_seconds`: how often it looks without a notification, and so how soon it stops. `beat` is called while it makes
    progress, also within a batch, so that a supervisor can detect a hanging follower.
    """

    def __init__(
        self,
        url: str,
        log: Log,
        *,
        role: str | None = None,
        views: Mapping[str, View] = VIEWS,
        clock: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
        on_parked: Callable[[Parked], None] = log_parked,
        beat: Callable[[], None] = lambda: None,
        hints: Hints | None = None,
    ) -> None:
        self._url, self._log, self._role = url, log, role
        self._views, self._clock, self._on_parked = views, clock, on_parked
        self._poll_seconds, self._beat, self._hints = poll_seconds, beat, hints
        self.state = State()
        self._hot_until = self._gather_until = 0.0
        self._known: list[Tracked] = []
        self._known_until, self._is_fresh = 0.0, True

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set, which takes effect within a second. Reconnects a lost session with growing
        pauses."""
        shortest, longest = BACK_OFF_SECONDS
        wait = shortest
        while not stop.is_set():
            self._beat()
            followed = self.state.events
            try:
                with tracking.connect(self._url, role=self._role) as conn:
                    self._lead(conn, stop)
            except Exception as error:  # edge of the process: retry after any error
                wait = shortest if self.state.events > followed else min(2 * wait, longest)
                self.state.restarts += 1
                logger.warning("follower failed, restarting in %.2f s", wait, exc_info=error)
                stop.wait(wait)
            finally:
                self.state.leading = False

    def _lead(self, conn: psycopg.Connection[Any], stop: threading.Event) -> None:
        """Lock, then follow. The lock belongs to the session, like every write: without the session it can do
        neither.
        """
        while not _try_lock(conn):
            self._beat()
            if stop.wait(STANDBY_SECONDS):
                return
        conn.execute(f"listen {tracking.CHANNEL_LOG}")  # before the first look, so that no event is missed
        self.state.leading = True
        self._forget_views()
        while not stop.is_set():
            self._beat()
            with pause_collector():
                seconds = self._step(conn)
            self._wait(conn, seconds)
            self._gather()

    def _step(self, conn: psycopg.Connection[Any]) -> float:
        """Bring the rearmost views forward by one page; returns the seconds to wait before the next look.

        For HOT_SECONDS after events it looks every few milliseconds, so that appenders need not notify on each commit.
        """
        began = self._clock()
        behind = self._next_page(conn)
        if behind is None:
            return HOT_POLL_SECONDS if self._clock() < self._hot_until else self._poll_seconds
        try:
            self._apply_page(conn, behind)
        except NotLeader:
            self.state.refused += 1
            if self._is_fresh:
                raise
            self._forget_views()
            return 0.0
        if self._hints is not None:
            self._hints.send_hint(READER, behind.position)
        self._hot_until = self._clock() + HOT_SECONDS
        self.state.events += len(behind.events)
        if behind.more:
            return 0.0
        self._gather_until = began + GATHER_SECONDS
        return HOT_POLL_SECONDS

    def _wait(self, conn: psycopg.Connection[Any], seconds: float) -> None:
        """Wait for the next notification or hint, at most this long."""
        if self._hints is None:
            for _ in conn.notifies(timeout=seconds, stop_after=1):
                pass
            return
        for _ in conn.notifies(timeout=0, stop_after=1):
            return
        select.select([conn.fileno(), self._hints.fileno()], [], [], seconds)
        self._hints.receive_hints()

    def _gather(self) -> None:
        """Let events gather if the last page was recent; the first event after a pause never waits."""
        time.sleep(max(0.0, self._gather_until - self._clock()))

    def _next_page(self, conn: psycopg.Connection[Any]) -> Behind | None:
        """The next events for the rearmost views: one page serves all views at the same position."""
        running = [t for t in self._views_now(conn) if not t.paused]
        if not running:
            return None
        positions = sorted({t.position for t in running})
        page = self._log.load_events_after(positions[0], PAGE)
        if not page:
            return None
        position, more = page[-1].position, len(page) == PAGE
        if len(positions) > 1 and position > positions[1]:  # first up to the next view, then on with it
            position, more = positions[1], True
            page = [*itertools.takewhile(lambda r: r.position <= position, page)]
        rearmost = [t for t in running if t.position == positions[0]]
        return Behind(rearmost, steps_of(page, rearmost[0].as_of), position, more)

    def _views_now(self, conn: psycopg.Connection[Any]) -> list[Tracked]:
        """The state of the views, cached for KNOWN_SECONDS: it saves a busy follower a query per page.

        _write_page() detects a view that was paused or moved meanwhile.
        """
        now = self._clock()
        self._is_fresh = now >= self._known_until
        if self._is_fresh:
            self._known, self._known_until = tracking.list_tracked(conn, self._views), now + KNOWN_SECONDS
        return self._known

    def _forget_views(self) -> None:
        self._known_until = 0.0

    def _apply_page(self, conn: psycopg.Connection[Any], behind: Behind) -> None:
        parked = self._write_in_pipeline(conn, behind) if len(behind.events) <= PIPELINED_MAX else None
        if parked is None:
            parked = with_care(lambda careful: self._write_page(conn, behind, careful))
        for one in parked:
            self._on_parked(one)
            self._forget_views()

    def _write_in_pipeline(self, conn: psycopg.Connection[Any], behind: Behind) -> list[Parked] | None:
        """Write a few events with one message to the server instead of ten, as if no view had moved meanwhile. None on
        failure and with parked events: the slower way finds out what has happened."""
        if any(t.held for t in behind.views):
            return None
        as_of = behind.events[-1][1] if behind.events else behind.views[0].as_of
        shapes = [self._views[t.name].shape for t in behind.views]
        try:
            with conn.pipeline(), conn.transaction():
                tracking.lock(conn, [t.name for t in behind.views])
                for view in (self._views[t.name] for t in behind.views):
                    project_page(conn, view, table_of(view), behind.events)
                tracking.advance_unmoved(conn, behind.views, shapes, behind.position, as_of)
        except Exception as error:  # noqa: BLE001  # the pipeline's first error says little about its cause
            logger.debug(
                "pipelined write up to position %d failed, writing it again: %s", behind.position, type(error).__name__
            )
            return None
        self._remember_views(behind.views, behind.position, as_of)
        return []

    def _write_page(self, conn: psycopg.Connection[Any], behind: Behind, careful: bool) -> list[Parked]:
        """Write rows and positions of a page in one transaction; returns the parked events."""
        parked: list[Parked] = []
        with conn.transaction():
            running = tracking.require_unmoved(conn, behind.views)
            for now in running:
                view = self._views[now.name]
                parked += project_or_park(conn, view, table_of(view), behind.events, now.held, careful, beat=self._beat)
            insert_parked(conn, parked)
            as_of = behind.events[-1][1] if behind.events else behind.views[0].as_of
            tracking.advance_views(conn, [self._views[t.name] for t in running], behind.position, as_of)
        self._remember_views(running, behind.position, as_of)
        return parked

    def _remember_views(self, moved: Sequence[Tracked], position: int, as_of: datetime | None) -> None:
        here = {t.name: msgspec.structs.replace(t, position=position, as_of=as_of) for t in moved}
        self._known = [here.get(t.name, t) for t in self._known]


def _try_lock(conn: psycopg.Connection[Any]) -> bool:
    """Take the leader's lock, without waiting: a waiting session would hold up CREATE INDEX CONCURRENTLY."""
    row = conn.execute("select pg_try_advisory_lock(%s)", [LEADER]).fetchone()
    return row is not None and bool(row[0])
