"""Whose keys open which paper: what the log tells, against the wraps that there are; verify.py reads the log.

Customers of a paper stand in its events in clear, so they are known also where the key is gone; a scan session is the
intake's until it is over, and then nobody's. A paper that got events since the check began may have changed hands, and
is left for the next time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg

from domain.authorization import AuthorizationReassigned
from domain.document import CustomerLinked, CustomerUnlinked, DocumentReassigned
from domain.scan_session import ScanCancelled, ScanClosed, ScanStarted

Connection = psycopg.Connection[Any]
Lost = tuple[UUID, int]


def remember_holders(conn: Connection, told: Sequence[tuple[UUID, Any]], lost: Sequence[Lost], intake: UUID) -> None:
    """Take in a page of the log: papers with the bodies of their events in order; papers and positions of events that
    cannot be opened because there is no key."""
    changes = holders_after(told, intake)
    for query, holds in ((LEAVE, False), (JOIN, True)):
        if pairs := [pair for pair, now in changes.items() if now is holds]:
            conn.execute(query, [[paper for paper, _ in pairs], [customer for _, customer in pairs]])
    if over := [paper for paper, body in told if isinstance(body, ScanCancelled | ScanClosed)]:
        conn.execute(END, [over])
    if lost:
        conn.execute(LOSE, [[paper for paper, _ in lost], [position for _, position in lost]])


def holders_after(told: Iterable[tuple[UUID, Any]], intake: UUID) -> dict[tuple[UUID, UUID], bool]:
    """Papers and customers, and whether the paper is theirs after these events."""
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
    """Kind, paper and position of what is wrong, when the whole log was taken in."""
    conn.execute("analyze holder, ended, lost")
    for kind, query in WRONG.items():
        for paper, position in conn.execute(query, {"up_to": up_to, "intake": intake}):
            yield kind, paper, position


def count_lost(conn: Connection) -> tuple[int, int]:
    """Events that nobody can open because every customer of their paper was erased; because their scan is over."""
    counts = [conn.execute(query).fetchone() for query in (ERASED, OVER)]
    erased, over = (row[0] if row else 0 for row in counts)
    return erased, over


TABLES = """
    create temporary table holder (paper uuid, customer uuid, primary key (paper, customer));
    create temporary table ended (paper uuid primary key);
    create temporary table lost (paper uuid not null, position bigint not null)
"""
JOIN = "insert into holder select * from unnest(%s::uuid[], %s::uuid[]) on conflict do nothing"
LEAVE = """
    delete from holder as h
    using unnest(%s::uuid[], %s::uuid[]) as l (paper, customer)
    where h.paper = l.paper and h.customer = l.customer
"""
END = "insert into ended select * from unnest(%s::uuid[]) on conflict do nothing"
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
ERASED = f"select count(*) from lost as p where not {WRAPPED} and not {HELD} and not {ENDED}"  # noqa: S608  # constants of this module
OVER = f"select count(*) from lost as p where not {WRAPPED} and {ENDED}"  # noqa: S608  # as above
WRONG = {
    "key-does-not-open": f"select p.paper, p.position from lost as p where {WRAPPED}",  # noqa: S608  # as above
    "key-missing": f"""
        select p.paper, p.position
        from lost as p
        where not {WRAPPED} and {HELD} and {UNCHANGED}
        union all
        select p.paper, null  -- a scan that goes on and has nothing sealed yet
        from holder as p
        where p.customer = %(intake)s and not {WRAPPED} and {UNCHANGED}
            and not exists (select from lost as l where l.paper = p.paper)
    """,  # noqa: S608  # as above
    # Of papers that have a key at all: an event that cannot be opened tells of the others.
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
        where (exists (select from holder as h where h.paper = p.paper) or {ENDED})
            and not exists (select from holder as h where h.paper = p.paper and h.customer = p.customer)
            and {UNCHANGED}
    """,  # noqa: S608  # as above
}
