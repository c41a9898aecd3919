"""Compares the key wraps with the customers that each paper has according to the log; verify.py reads the log. The
customers of a paper are in clear in its events, so they are known also without the key; an open scan session belongs to
the intake, an ended one to nobody. Papers with events newer than the check are skipped, because their customers may
have changed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from domain.authorization import AuthorizationReassigned
from domain.document import CustomerLinked, CustomerUnlinked, DocumentReassigned
from domain.scan_session import ScanCancelled, ScanClosed, ScanStarted
from projections.view import DESTROYING

Connection = psycopg.Connection[Any]
Lost = tuple[UUID, int]


def remember_holders(conn: Connection, told: Sequence[tuple[UUID, Any]], lost: Sequence[Lost], intake: UUID) -> None:
    """Process a page of the log: papers with the bodies of their events in order; papers and positions of events that
    cannot be opened because there is no key."""
    changes = holders_after(told, intake)
    for query, holds in ((LEAVE, False), (JOIN, True)):
        if pairs := [pair for pair, now in changes.items() if now is holds]:
            conn.execute(query, [[paper for paper, _ in pairs], [customer for _, customer in pairs]])
    if over := [paper for paper, body in told if isinstance(body, ScanCancelled | ScanClosed)]:
        conn.execute(END, [over])
    if destroyed := [paper for paper, body in told if type(body) in DESTROYING]:
        conn.execute(DESTROY, [destroyed])
        conn.execute(ABANDON, [destroyed])
    if lost:
        conn.execute(LOSE, [[paper for paper, _ in lost], [position for _, position in lost]])


def holders_after(told: Iterable[tuple[UUID, Any]], intake: UUID) -> dict[tuple[UUID, UUID], bool]:
    """For each (paper, customer), True if the customer holds the paper after these events."""
    found: dict[tuple[UUID, UUID], bool] = {}
    for paper, body in told:
        match body:
            case ScanStarted() | ScanCancelled() | ScanClosed():
                found[paper, intake] = isinstance(body, ScanStarted)
                continue
            case DocumentReassigned(old=old) | AuthorizationReassigned(old=old):
                found[paper, old] = False
            case CustomerLinked(linked=linked):
                found[paper, linked] = True
            case CustomerUnlinked(linked=linked):
                found[paper, linked] = False
        found[paper, body.customer] = True
    return found


def check_keys(conn: Connection, up_to: int, intake: UUID) -> Iterator[tuple[str, UUID, int | None]]:
    """Yield kind, paper and position of each problem, after the whole log was processed."""
    conn.execute("analyze holder, ended, destroyed, lost")
    for kind, query in WRONG.items():
        for paper, position in conn.execute(query, {"up_to": up_to, "intake": intake}):
            yield kind, paper, position


class LostEvents(msgspec.Struct, frozen=True):
    """Numbers of events that cannot be opened, by the reason: every customer of their paper was erased, their scan
    ended, their paper was destroyed."""

    erased: int
    ended_scans: int
    destroyed: int


def count_lost(conn: Connection) -> LostEvents:
    counts = [conn.execute(query).fetchone() for query in (ERASED, OVER, GONE)]
    return LostEvents(*(row[0] if row else 0 for row in counts))


TABLES = """
    create temporary table holder (paper uuid, customer uuid, primary key (paper, customer));
    create temporary table ended (paper uuid primary key);
    create temporary table destroyed (paper uuid primary key);
    create temporary table lost (paper uuid not null, position bigint not null)
"""
JOIN = "insert into holder select * from unnest(%s::uuid[], %s::uuid[]) on conflict do nothing"
LEAVE = """
    delete from holder as h
    using unnest(%s::uuid[], %s::uuid[]) as l (paper, customer)
    where h.paper = l.paper and h.customer = l.customer
"""
END = "insert into ended select * from unnest(%s::uuid[]) on conflict do nothing"
DESTROY = "insert into destroyed select * from unnest(%s::uuid[]) on conflict do nothing"
ABANDON = "delete from holder where paper = any(%s)"
LOSE = "insert into lost select * from unnest(%s::uuid[], %s::bigint[])"
WRAPPED = "exists (select from keys.paper as k where k.paper = p.paper)"
HELD = """
    exists (
        select from holder as h
        where h.paper = p.paper and not exists (select from keys.erasure as e where e.reference = h.customer)
    )
"""
UNCHANGED = """
    not exists (
        select from archive.archive_events as e
        where e.originator_id = p.paper and e.notification_id > %(up_to)s
    )
"""
ENDED = "exists (select from ended as s where s.paper = p.paper)"
DESTROYED = "exists (select from destroyed as d where d.paper = p.paper)"
ERASED = f"select count(*) from lost as p where not {WRAPPED} and not {HELD} and not {ENDED} and not {DESTROYED}"  # noqa: S608  # constants of this module
GONE = f"select count(*) from lost as p where not {WRAPPED} and {DESTROYED}"  # noqa: S608  # as above
OVER = f"select count(*) from lost as p where not {WRAPPED} and {ENDED}"  # noqa: S608  # as above
WRONG = {
    "key-does-not-open": f"select p.paper, p.position from lost as p where {WRAPPED}",  # noqa: S608  # as above
    "key-missing": f"""
        select p.paper, p.position
        from lost as p
        where not {WRAPPED} and {HELD} and {UNCHANGED}
        union all
        select p.paper, null  -- an open scan without a sealed event
        from holder as p
        where p.customer = %(intake)s and not {WRAPPED} and {UNCHANGED}
            and not exists (select from lost as l where l.paper = p.paper)
    """,  # noqa: S608  # as above
    # Only papers that have a key: papers without one are reported by their unreadable events.
    "wrap-missing": f"""
        select distinct p.paper, null::bigint
        from holder as p
        where {WRAPPED}
            and not exists (select from keys.paper as k where k.paper = p.paper and k.customer = p.customer)
            and not exists (select from keys.erasure as e where e.reference = p.customer)
            and {UNCHANGED}
    """,  # noqa: S608  # as above
    "wrap-left-over": f"""
        select distinct p.paper, null::bigint
        from keys.paper as p
        where (exists (select from holder as h where h.paper = p.paper) or {ENDED} or {DESTROYED})
            and not exists (select from holder as h where h.paper = p.paper and h.customer = p.customer)
            and {UNCHANGED}
    """,  # noqa: S608  # as above
}
