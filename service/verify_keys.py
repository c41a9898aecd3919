"""Whose keys open which paper: what the log tells, against the wraps that there are; verify.py reads the log.

Customers of a paper stand in its events in clear, so they are known also where the key is gone. A paper that got events
since the check began may have changed hands, and is left for the next time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg

from domain.authorization import AuthorizationReassigned
from domain.document import CustomerLinked, CustomerUnlinked, DocumentReassigned

Connection = psycopg.Connection[Any]
Lost = tuple[UUID, int]


def remember_holders(conn: Connection, told: Iterable[tuple[UUID, Any]], lost: Sequence[Lost]) -> None:
    """Take in a page of the log: papers with the bodies of their events in order; papers and positions of events that
    cannot be opened because there is no key."""
    changes = holders(told)
    for query, holds in ((LEAVE, False), (JOIN, True)):
        if pairs := [pair for pair, now in changes.items() if now is holds]:
            conn.execute(query, [[paper for paper, _ in pairs], [customer for _, customer in pairs]])
    if lost:
        conn.execute(LOSE, [[paper for paper, _ in lost], [position for _, position in lost]])


def holders(told: Iterable[tuple[UUID, Any]]) -> dict[tuple[UUID, UUID], bool]:
    """Papers and customers, and whether the paper is theirs after these events."""
    found: dict[tuple[UUID, UUID], bool] = {}
    for paper, body in told:
        match body:
            case DocumentReassigned(old=old) | AuthorizationReassigned(old=old):
                found[paper, old] = False
            case CustomerLinked(linked=linked):
                found[paper, linked] = True
            case CustomerUnlinked(linked=linked):
                found[paper, linked] = False
        found[paper, body.customer] = True
    return found


def check_keys(conn: Connection, up_to: int) -> Iterator[tuple[str, UUID, int | None]]:
    """Kind, paper and position of what is wrong, when the whole log was taken in."""
    conn.execute("analyze holder, lost")
    for kind, query in WRONG.items():
        for paper, position in conn.execute(query, {"up_to": up_to}):
            yield kind, paper, position


def count_erased(conn: Connection) -> int:
    """Events that nobody can open because every customer of their paper was erased."""
    row = conn.execute(ERASED).fetchone()
    return row[0] if row else 0


TABLES = """
    create temporary table holder (paper uuid, customer uuid, primary key (paper, customer));
    create temporary table lost (paper uuid not null, position bigint not null)
"""
JOIN = "insert into holder select * from unnest(%s::uuid[], %s::uuid[]) on conflict do nothing"
LEAVE = """
    delete from holder as h
    using unnest(%s::uuid[], %s::uuid[]) as l (paper, customer)
    where h.paper = l.paper and h.customer = l.customer
"""
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
ERASED = f"select count(*) from lost as p where not {WRAPPED} and not {HELD}"  # noqa: S608  # constants of this module
WRONG = {
    "key-does-not-open": f"select p.paper, p.position from lost as p where {WRAPPED}",  # noqa: S608  # as above
    "key-missing": f"""
        select p.paper, p.position
        from lost as p
        where not {WRAPPED} and {HELD} and {UNCHANGED}
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
        where exists (select from holder as h where h.paper = p.paper)
            and not exists (select from holder as h where h.paper = p.paper and h.customer = p.customer)
            and {UNCHANGED}
    """,  # noqa: S608  # as above
}
