"""The position of each view: follow.py and rebuild.py read and move it, the command pauses and shows it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import args_row

from domain.refusals import NotFound
from projections.view import View
from projections.views import VIEWS

CHANNEL_LOG = "archive"
TCP_USER_TIMEOUT_MS = 30_000

LAG_SECONDS = """
    extract(epoch from clock_timestamp() - (
        select e.recorded_at
        from archive.archive_events as e
        where e.notification_id > t.position
        order by e.notification_id
        limit 1
    ))
"""
"""The age in seconds, by the database's clock, of the oldest event that the view of row `t` of views.tracking has not
processed; null where it has processed all."""


class Tracked(msgspec.Struct, frozen=True):
    """The state of a view, which contains all events up to `position`. `as_of`: the highest recorded_at up to there.

    `held`: customers and papers with a parked event (parking.blocked_keys_of). `shape`: that of its rows (View.shape).
    """

    name: str
    position: int
    as_of: datetime | None
    paused: bool
    shape: int
    held: frozenset[UUID]

    @property
    def is_outdated(self) -> bool:
        """True if it holds rows that this release would make differently."""
        return self.position > 0 and self.shape < VIEWS[self.name].shape


class Status(msgspec.Struct, frozen=True):
    """One line of `dossier projection status`. `lag` counts positions, including holes."""

    view: str
    position: int
    last: int
    lag: int
    paused: bool
    parked: int
    rebuilt_at: datetime | None


class NotLeader(Exception):
    """Another process moved a view, so it is the leader. No row of the page was written."""


def connect(url: str, *, role: str | None = None) -> psycopg.Connection[Any]:
    """A session that writes views. A crash may lose its last commits, rows and position together; they are then
    repeated."""
    given = conninfo_to_dict(url)
    options = ["-c synchronous_commit=off", "-c timezone=UTC", *([f"-c role={role}"] if role else [])]
    conninfo = make_conninfo(
        url,
        application_name=given.get("application_name", "dossier projector"),
        tcp_user_timeout=given.get("tcp_user_timeout", TCP_USER_TIMEOUT_MS),
        options=" ".join([str(given.get("options") or ""), *options]),
    )
    return psycopg.connect(conninfo, autocommit=True)


def list_tracked(conn: psycopg.Connection[Any], names: Iterable[str] = VIEWS) -> list[Tracked]:
    with conn.cursor(row_factory=args_row(_tracked_from_columns)) as cursor:
        return cursor.execute(TRACKED, [list(names)], prepare=True).fetchall()


def _tracked_from_columns(
    name: str, position: int, as_of: datetime | None, paused: bool, shape: int, held: Sequence[UUID] | None
) -> Tracked:
    return Tracked(name, position, as_of, paused, shape, frozenset(held or ()))


def lock_views(conn: psycopg.Connection[Any], names: Iterable[str]) -> list[Tracked]:
    """Lock the rows of some views until the end of the transaction: no other session moves, swaps or resumes them
    meanwhile."""
    names = list(names)
    lock(conn, names)
    return list_tracked(conn, names)


def lock(conn: psycopg.Connection[Any], names: Sequence[str]) -> None:
    """Lock the rows of some views until the end of the transaction, without a look at them."""
    conn.execute(LOCK, [names], prepare=True)


def require_unmoved(conn: psycopg.Connection[Any], expected: Iterable[Tracked]) -> list[Tracked]:
    """Lock some views at their expected positions and return those that are not paused. Raises NotLeader if one has
    moved."""
    before = {t.name: t.position for t in expected}
    now = lock_views(conn, before)
    if before != {t.name: t.position for t in now}:
        raise NotLeader
    return [t for t in now if not t.paused]


def advance_views(conn: psycopg.Connection[Any], views: Sequence[View], position: int, as_of: datetime | None) -> None:
    """Move views; a view that was empty gets the shape of its first rows.

    It sends no NOTIFY, which would take a server-wide lock at each commit: a reader that waits for a position queries
    it (store/standing.py).
    """
    conn.execute(ADVANCE, [position, as_of, [v.name for v in views], [v.shape for v in views]], prepare=True)


def advance_unmoved(
    conn: psycopg.Connection[Any],
    expected: Sequence[Tracked],
    shapes: Sequence[int],
    position: int,
    as_of: datetime | None,
) -> None:
    """As advance_views(), after lock() in the same transaction. Fails, with the transaction, if a view has moved,
    was paused or has parked events."""
    names, places = [t.name for t in expected], [t.position for t in expected]
    conn.execute(ADVANCE_UNMOVED, [position, as_of, names, shapes, places, len(names)], prepare=True)


def list_states(conn: psycopg.Connection[Any], last: int) -> list[Status]:
    """The states of all views; `last` is the log's last position."""
    with conn.cursor(row_factory=args_row(Status)) as cursor:
        return cursor.execute(STATUS, {"last": last}).fetchall()


def pause_view(conn: psycopg.Connection[Any], view: str) -> None:
    """Pause a view after the current batch; `parking.resume_view` resumes it. Raises NotFound for an unknown view."""
    if conn.execute(PAUSE, [view]).rowcount == 0:
        raise NotFound


TRACKED = """
    select t.name, t.position, t.as_of, t.paused, t.shape, (
        select array_agg(distinct key)
        from views.parked as p, unnest(array[p.customer, p.other_customer, p.subject]) as key
        where p.view = t.name and key is not null
    )
    from views.tracking as t
    where t.name = any(%s)
    order by t.name
"""
LOCK = "select 1 from views.tracking where name = any(%s) order by name for update"
ADVANCE = """
    update views.tracking as t
    set position = %s, as_of = %s, shape = case when t.position = 0 then v.shape else t.shape end
    from unnest(%s::text[], %s::int[]) as v (name, shape)
    where t.name = v.name
"""
# The division fails unless all of them were moved. So it needs no answer before the commit.
ADVANCE_UNMOVED = """
    with advanced as (
        update views.tracking as t
        set position = %s, as_of = %s, shape = case when t.position = 0 then v.shape else t.shape end
        from unnest(%s::text[], %s::int[], %s::bigint[]) as v (name, shape, position)
        where t.name = v.name and t.position = v.position and not t.paused
            and not exists (select from views.parked as p where p.view = t.name)
        returning 1
    )
    select 1 / (count(*) = %s)::int from advanced
"""
STATUS = """
    select t.name, t.position, greatest(%(last)s, t.position), greatest(%(last)s - t.position, 0), t.paused,
        (select count(*) from views.parked as p where p.view = t.name), t.rebuilt_at
    from views.tracking as t
    order by t.name
"""
PAUSE = "update views.tracking set paused = true where name = %s"
