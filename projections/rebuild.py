"""Rebuilds views beside the live ones, compares and swaps them; `replay` does the same without the swap.

Uploads and the follower continue meanwhile; only the swap stops them, for some milliseconds.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg.errors import LockNotAvailable

from domain.refusals import NotFound, Unavailable
from projections import shadow, tracking
from projections.parking import Parked, insert_parked, is_poison, project_or_park, with_care
from projections.shadow import Comparison, Difference
from projections.view import Step, View, copy_rows, pause_collector, redact_papers, steps_of
from projections.views import VIEWS
from store.log import Log

LOCK = 4_701_912_009
CLOSE_ENOUGH = 200
ROUNDS_MAX = 20
SWAP_WAIT = "40ms"
SWAP_TRIES = 200
SWAP_PAUSE_SECONDS = 0.05
T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with the position reached and the position to reach."""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one view. `differences` are the first of `different` rows; `identical`: there are no differences.

    `identical` None: the old rows had an older shape and were not compared. `parked`: events that the view still cannot
    process. `swap_ms`: how long the follower had to wait.
    """

    view: str
    events: int
    position: int
    seconds: float
    identical: bool | None
    different: int
    differences: Sequence[Difference]
    parked: Sequence[Parked]
    swap_ms: float | None = None


class ShadowTable(msgspec.Struct):
    """A shadow table while it is filled: it contains all events up to `position`.

    `caught_up`: streams of the events that were added after the load.
    """

    view: View
    position: int = 0
    as_of: datetime | None = None
    events: int = 0
    parked: list[Parked] = msgspec.field(default_factory=list)
    held: set[UUID] = msgspec.field(default_factory=set)
    caught_up: set[UUID] = msgspec.field(default_factory=set)

    def copy(self) -> "ShadowTable":
        return msgspec.structs.replace(self, parked=[*self.parked], held={*self.held}, caught_up={*self.caught_up})


def rebuild(
    url: str, log: Log, view: str | None = None, *, role: str | None = None, progress: Progress = lambda *_: None
) -> list[Rebuilt]:
    """Rebuild one view or all from the log and swap them in. The old table stays as NAME_old until the next rebuild.

    Raises NotFound for an unknown view; Unavailable while another rebuild runs, or when readers kept the old table
    locked.
    """
    with _lock_rebuilds(url, role) as conn:
        return _rebuild(conn, log, _require_views(view), progress)


def rebuild_outdated(url: str, log: Log, *, role: str | None = None) -> list[Rebuilt]:
    """Rebuild the views whose rows have an older shape than this release makes; they cannot be rolled back."""
    with _lock_rebuilds(url, role) as conn:
        return _rebuild(conn, log, [VIEWS[t.name] for t in tracking.list_tracked(conn) if t.is_outdated])


def _rebuild(
    conn: psycopg.Connection[Any], log: Log, views: Sequence[View], progress: Progress = lambda *_: None
) -> list[Rebuilt]:
    begun = time.monotonic()
    with _create_shadows(conn, views, logged=True) as made:
        _load_shadows(conn, log, made, progress)
        return [_finish_rebuild(conn, log, beside, begun) for beside in made]


def replay(
    url: str,
    log: Log,
    view: str | None = None,
    *,
    from_position: int = 0,
    to_position: int | None = None,
    role: str | None = None,
    progress: Progress = lambda *_: None,
) -> list[Rebuilt]:
    """Process the events from..to (inclusive) again and compare with the live view of that position; nothing changes.

    With `from_position` the earlier rows are copied from the live view.
    """
    begun = time.monotonic()
    with _lock_rebuilds(url, role) as conn, _create_shadows(conn, _require_views(view), logged=False) as made:
        if from_position > 1:
            for beside in made:
                _seed_shadow(conn, beside, from_position - 1)
        else:
            _load_shadows(conn, log, made, progress, to_position)
        return [_finish_replay(conn, log, beside, to_position, begun) for beside in made]


def roll_back(url: str, view: str, *, role: str | None = None) -> int:
    """Swap back the table from before the last rebuild; the follower continues from the returned position.

    Raises NotFound when there is no such table, or when events were parked at the swap, which the table lacks;
    Unavailable as in rebuild().
    """
    with _lock_rebuilds(url, role) as conn:
        return _retry_while_locked(lambda: _roll_back(conn, view))


def _roll_back(conn: psycopg.Connection[Any], view: str) -> int:
    with conn.transaction():
        tracking.lock_views(conn, [view])
        row = conn.execute(GO_BACK, [view]).fetchone()
        if row is None:
            raise NotFound
        conn.execute(FORGET_PARKED, [view])
        shadow.exchange_back(conn, VIEWS[view], wait=SWAP_WAIT)
        return int(row[0])


def _require_views(name: str | None) -> list[View]:
    if name is not None and name not in VIEWS:
        raise NotFound
    return [VIEWS[name]] if name else [*VIEWS.values()]


@contextmanager
def _lock_rebuilds(url: str, role: str | None) -> Iterator[psycopg.Connection[Any]]:
    with tracking.connect(url, role=role) as conn, pause_collector():
        conn.execute("set maintenance_work_mem = '256MB'")
        conn.execute(
            "set client_connection_check_interval = '1s'"
        )  # the server releases the lock soon after this process is killed
        row = conn.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if row != (True,):
            raise Unavailable
        try:
            yield conn
        finally:  # at close the server unlocks too late for a rebuild that follows at once
            with suppress(psycopg.Error):
                conn.execute("select pg_advisory_unlock(%s)", [LOCK])


@contextmanager
def _create_shadows(
    conn: psycopg.Connection[Any], views: Sequence[View], *, logged: bool
) -> Iterator[list[ShadowTable]]:
    """Create tables beside the live ones. Those not swapped in are dropped in any case, because they hold clear
    text.
    """
    try:
        for v in views:
            shadow.create(conn, v, logged=logged)
        yield [ShadowTable(v) for v in views]
    finally:
        with suppress(psycopg.Error):
            for v in views:
                shadow.drop(conn, v)


# -- filling ----------------------------------------------------------------------------------------------------


def _load_shadows(
    conn: psycopg.Connection[Any], log: Log, made: Sequence[ShadowTable], progress: Progress, up_to: int | None = None
) -> None:
    """Load all events up to the rearmost live view: read and decrypted once, folded for each view, written by COPY."""
    destroyed: list[list[UUID]] = [[] for _ in made]
    live = min(t.position for t in tracking.list_tracked(conn, [b.view.name for b in made]))
    until = live if up_to is None else min(live, up_to)
    try:
        as_of = _copy_events(conn, log, made, until, progress, destroyed)
    except Exception as error:
        if not is_poison(error):
            raise
        _empty_shadows(conn, made)  # poison is rare: start again on the slower way, which can park it
        until, as_of = 0, None
    for beside, gone in zip(made, destroyed, strict=True):
        beside.position, beside.as_of = until, as_of
        shadow.create_indexes(conn, beside.view)
        redact_papers(conn, beside.view, shadow.shadow_of(beside.view), gone)


def _copy_events(
    conn: psycopg.Connection[Any],
    log: Log,
    made: Sequence[ShadowTable],
    until: int,
    progress: Progress,
    destroyed: Sequence[list[UUID]],
) -> datetime | None:
    """Copy rows in their final form, so that no row has to be found and changed later.

    An open row waits in the fold only while more events of its paper are to come. Rows of papers that turn out to be
    `destroyed`, a list for each table, are already written: this process may hold a key for a minute after its end.
    """
    last: dict[UUID, int] = dict(conn.execute(LAST, [until]).fetchall())
    folds = [beside.view.fold(()) for beside in made]
    as_of: datetime | None = None
    for page in log.load_event_pages(0, until):
        events = steps_of(page, as_of)
        as_of = events[-1][1]
        for beside, fold, gone in zip(made, folds, destroyed, strict=True):
            for recorded, moment in events:
                fold.add_event(recorded, moment)
            taken = fold.take_rows(last)
            copy_rows(conn, beside.view, shadow.shadow_of(beside.view), taken.rows)
            gone += taken.destroyed
            beside.events += len(page)
        progress(page[-1].position, until)
    if any(fold.pending_count for fold in folds):
        raise LookupError("a paper's last event did not come")
    return as_of


def _empty_shadows(conn: psycopg.Connection[Any], made: Sequence[ShadowTable]) -> None:
    for beside in made:
        shadow.truncate(conn, beside.view)
        beside.events = 0


def _seed_shadow(conn: psycopg.Connection[Any], beside: ShadowTable, position: int) -> None:
    shadow.copy_rows_at(conn, beside.view, position)
    shadow.create_indexes(conn, beside.view)
    row = conn.execute(AS_OF, [position]).fetchone()
    beside.position, beside.as_of = position, row[0] if row else None
    beside.held = {key for (key,) in conn.execute(HELD, [beside.view.name, position])}


def _catch_up(conn: psycopg.Connection[Any], log: Log, beside: ShadowTable, until: int) -> None:
    """Bring the shadow to a position that the live view has reached, in the follower's way."""
    for page in log.load_event_pages(beside.position, until):
        events = steps_of(page, beside.as_of)
        _take_events(conn, beside, events)
        beside.as_of = events[-1][1]
        beside.events += len(page)
        beside.caught_up.update(recorded.envelope.originator_id for recorded in page)
    beside.position = until


def _take_events(conn: psycopg.Connection[Any], beside: ShadowTable, events: Sequence[Step]) -> None:
    def write(careful: bool) -> list[Parked]:
        with conn.transaction():
            return project_or_park(conn, beside.view, shadow.shadow_of(beside.view), events, beside.held, careful)

    found = with_care(write)
    beside.parked += found
    for parked in found:
        beside.held |= parked.blocked_keys


# -- comparing and swapping -------------------------------------------------------------------------------------


def _finish_replay(
    conn: psycopg.Connection[Any], log: Log, beside: ShadowTable, to_position: int | None, begun: float
) -> Rebuilt:
    live = _live_position(conn, beside)
    _catch_up(conn, log, beside, max(beside.position, live if to_position is None else min(live, to_position)))
    found = shadow.compare(conn, beside.view, beside.position)
    shadow.drop(conn, beside.view)
    return _build_result(beside, begun, [found])


def _finish_rebuild(conn: psycopg.Connection[Any], log: Log, beside: ShadowTable, begun: float) -> Rebuilt:
    """Compare nearly all rows while the live view continues, and the newest ones under the lock of the swap."""
    _approach_live(conn, log, beside)
    since, (live,) = beside.position, tracking.list_tracked(conn, [beside.view.name])
    found = None if live.is_outdated else shadow.compare(conn, beside.view, since)
    beside.caught_up.clear()
    _drop_old(conn, beside.view)

    def attempt() -> tuple[ShadowTable, Comparison, float]:
        _approach_live(conn, log, beside)
        return _swap_in(conn, log, beside.copy(), since)

    swapped, rest, swap_ms = _retry_while_locked(attempt)
    if found is None:
        shadow.drop_old(conn, beside.view)
    return _build_result(swapped, begun, [found, rest] if found else None, swap_ms)


def _drop_old(conn: psycopg.Connection[Any], view: View) -> None:
    """Drop the old table together with the roll-back to it: the swap may never happen."""
    with conn.transaction():
        conn.execute(NO_WAY_BACK, [view.name])
        shadow.drop_old(conn, view)


def _retry_while_locked(attempt: Callable[[], T]) -> T:
    """Try briefly, with pauses: a reader waits for one try at most."""
    for _ in range(SWAP_TRIES):
        try:
            return attempt()
        except LockNotAvailable:
            time.sleep(SWAP_PAUSE_SECONDS)
    raise Unavailable


def _approach_live(conn: psycopg.Connection[Any], log: Log, beside: ShadowTable) -> None:
    for _ in range(ROUNDS_MAX):
        live = _live_position(conn, beside)
        behind = live - beside.position
        _catch_up(conn, log, beside, live)
        if behind <= CLOSE_ENOUGH:
            return


def _live_position(conn: psycopg.Connection[Any], beside: ShadowTable) -> int:
    return tracking.list_tracked(conn, [beside.view.name])[0].position


def _swap_in(
    conn: psycopg.Connection[Any], log: Log, beside: ShadowTable, since: int
) -> tuple[ShadowTable, Comparison, float]:
    """Swap in one transaction: the follower waits from its first lock on, readers only for the renaming."""
    with conn.transaction():
        live = tracking.lock_views(conn, [beside.view.name])[0]
        begun = time.monotonic()
        _catch_up(conn, log, beside, live.position)
        rest = shadow.compare_since(conn, beside.view, since, live.position, [*beside.caught_up])
        shadow.exchange(conn, beside.view, wait=SWAP_WAIT)
        conn.execute(SWAPPED, {"view": live.name, "shape": beside.view.shape})
        conn.execute(FORGET_PARKED, [live.name])
        insert_parked(conn, beside.parked)
    return beside, rest, (time.monotonic() - begun) * 1000


def _build_result(
    beside: ShadowTable, begun: float, found: Sequence[Comparison] | None, swap_ms: float | None = None
) -> Rebuilt:
    """The result; `found` None means that nothing was compared."""
    different = sum(comparison.count for comparison in found or ())
    return Rebuilt(
        view=beside.view.name,
        events=beside.events,
        position=beside.position,
        seconds=time.monotonic() - begun,
        identical=None if found is None else different == 0,
        different=different,
        differences=[difference for comparison in found or () for difference in comparison.differences],
        parked=beside.parked,
        swap_ms=swap_ms,
    )


LAST = """
    select originator_id, max(originator_version)
    from archive.archive_events
    where originator_version > 1 and notification_id <= %s
    group by originator_id
"""
AS_OF = "select max(as_of) from views.audit_history where position <= %s"
HELD = """
    select distinct key
    from views.parked, unnest(array[customer, other_customer, subject]) as key
    where view = %s and position <= %s and key is not null
"""
FORGET_PARKED = "delete from views.parked where view = %s"
NO_WAY_BACK = "update views.tracking set previous_position = null, previous_as_of = null where name = %s"
SWAPPED = """
    update views.tracking as t
    set shape = %(shape)s, rebuilt_at = clock_timestamp(), previous_as_of = t.as_of, previous_position = case
        when t.shape = %(shape)s and not exists (select from views.parked as p where p.view = t.name) then t.position
    end
    where t.name = %(view)s
"""
GO_BACK = """
    update views.tracking as t
    set position = t.previous_position, as_of = t.previous_as_of, previous_as_of = t.as_of, previous_position = case
        when not exists (select from views.parked as p where p.view = t.name) then t.position
    end
    where t.name = %s and t.previous_position is not null
    returning t.position
"""
