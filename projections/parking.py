"""Parks events that a view cannot process, and later events of the same customer or paper; all others continue."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import args_row

from domain.envelope import Recorded
from domain.refusals import NotFound, Refusal
from projections import tracking
from projections.view import Step, View, project_page, second_customer_of
from projections.views import VIEWS, table_of
from store.log import Log

BEHIND = "behind-a-parked-event"
logger = logging.getLogger("dossier.projections")
T = TypeVar("T")


class Parked(msgspec.Struct, frozen=True):
    """A parked event. `error_type` is a class name: a message could name a person."""

    view: str
    position: int
    as_of: datetime
    customer: UUID | None
    other_customer: UUID | None
    subject: UUID
    topic: str
    error_type: str
    parked_at: datetime | None = None

    @property
    def blocked_keys(self) -> frozenset[UUID]:
        """Customers and papers whose later events wait behind this one."""
        return _set_of(self.customer, self.other_customer, self.subject)


class Resumed(msgspec.Struct, frozen=True):
    """`applied`: parked events that the view now has. `parked`: events that are still parked or were parked again."""

    view: str
    applied: int
    parked: int


NOT_POISON = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    MemoryError,
    Refusal,
    tracking.NotLeader,
)


def is_poison(error: Exception) -> bool:
    """True if the event itself is at fault, not the database, the network, the machine or another leader."""
    return not isinstance(error, NOT_POISON)


def with_care(write: Callable[[bool], T]) -> T:
    """Run `write` in one transaction; if an event is poison, run it again with its argument True (carefully)."""
    try:
        return write(False)
    except Exception as error:
        if not is_poison(error):
            raise
    return write(True)


def blocked_keys_of(recorded: Recorded[Any]) -> frozenset[UUID]:
    """The keys that an event blocks when it is parked, and that it waits for: its customer, the other customer of a
    move or a link, and its stream, which may have come from another customer."""
    body = recorded.envelope.body
    return _set_of(getattr(body, "customer", None), second_customer_of(body), recorded.envelope.originator_id)


def _set_of(*keys: UUID | None) -> frozenset[UUID]:
    return frozenset(key for key in keys if key)


def project_or_park(
    conn: psycopg.Connection[Any],
    view: View,
    table: str,
    page: Sequence[Step],
    held: Iterable[UUID],
    careful: bool,
    *,
    beat: Callable[[], None] = lambda: None,
) -> list[Parked]:
    """Write a page into a table in the caller's transaction; returns the events that it could not process.

    `beat` is called for each page, and for each event when it is careful.
    """
    beat()
    holding = set(held)
    if careful or (holding and not all(holding.isdisjoint(blocked_keys_of(recorded)) for recorded, _ in page)):
        return project_one_by_one(conn, view, table, page, holding, beat=beat)
    project_page(conn, view, table, page)
    return []


def project_one_by_one(
    conn: psycopg.Connection[Any],
    view: View,
    table: str,
    page: Iterable[Step],
    held: Iterable[UUID],
    *,
    beat: Callable[[], None] = lambda: None,
) -> list[Parked]:
    """Write event by event, each in a savepoint; failed and blocked events are returned, not stored."""
    holding, found = set(held), list[Parked]()
    for step in page:
        beat()
        keys = blocked_keys_of(step[0])
        error_type = _try_event(conn, view, table, step) if holding.isdisjoint(keys) else BEHIND
        if error_type:
            holding |= keys
            found.append(_parked_from(view, step, error_type))
    return found


def _try_event(conn: psycopg.Connection[Any], view: View, table: str, step: Step) -> str | None:
    """The type name of the error that the event raised, None on success."""
    try:
        with conn.transaction():
            project_page(conn, view, table, [step])
    except Exception as error:
        if not is_poison(error):
            raise
        return type(error).__name__
    return None


def _parked_from(view: View, step: Step, error_type: str) -> Parked:
    recorded, as_of = step
    envelope = recorded.envelope
    return Parked(
        view=view.name,
        position=recorded.position,
        as_of=as_of,
        customer=getattr(envelope.body, "customer", None),
        other_customer=second_customer_of(envelope.body),
        subject=envelope.originator_id,
        topic=envelope.body.topic,
        error_type=error_type,
    )


def insert_parked(conn: psycopg.Connection[Any], found: Sequence[Parked]) -> None:
    if not found:
        return
    with conn.cursor() as cursor:
        cursor.executemany(PARK, [msgspec.structs.astuple(p)[:-1] for p in found])


def log_parked(parked: Parked) -> None:
    """The default alarm; its text names no person."""
    logger.error("view %s parked %s at position %d: %s", parked.view, parked.topic, parked.position, parked.error_type)


def list_parked(conn: psycopg.Connection[Any], view: str | None = None) -> list[Parked]:
    """Parked events of one view or of all, in the order of the log."""
    with conn.cursor(row_factory=args_row(Parked)) as cursor:
        return cursor.execute(PARKED, {"view": view}).fetchall()


def resume_view(conn: psycopg.Connection[Any], log: Log, view: str) -> Resumed:
    """Resume a paused view and retry its parked events in order. Raises NotFound for an unknown view."""
    if view not in VIEWS:
        raise NotFound
    with conn.transaction():
        tracking.lock_views(conn, [view])
        held = list_parked(conn, view)
        conn.execute(FORGET, [view])
        again = project_one_by_one(conn, VIEWS[view], table_of(VIEWS[view]), _load_steps(log, held), ())
        insert_parked(conn, again)
        conn.execute(RESUME, [view])
        conn.execute(f"notify {tracking.CHANNEL_LOG}")
    return Resumed(view, len(held) - len(again), len(again))


def _load_steps(log: Log, held: Sequence[Parked]) -> list[Step]:
    """The parked events from the log, each with its original as_of."""
    if not held:
        return []
    as_of = {p.position: p.as_of for p in held}
    recorded = log.load_recorded([*{p.subject for p in held}], held[-1].position)
    return [(r, as_of[r.position]) for r in recorded if r.position in as_of]


PARK = """
    insert into views.parked (view, position, as_of, customer, other_customer, subject, topic, error_type)
    values (%s, %s, %s, %s, %s, %s, %s, %s)
"""
PARKED = """
    select view, position, as_of, customer, other_customer, subject, topic, error_type, parked_at
    from views.parked
    where %(view)s::text is null or view = %(view)s
    order by view, position
"""
FORGET = "delete from views.parked where view = %s"
RESUME = "update views.tracking set paused = false where name = %s"
