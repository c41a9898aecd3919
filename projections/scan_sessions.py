"""View scan_sessions, for the desk and the stations; the pages of a session are read from the log
(domain/scanning.py).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, assert_never, get_args
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row, scalar_row, tuple_row

from domain.envelope import Recorded
from domain.promises import require_value
from domain.scan_session import (
    CONFIRMATION_MINUTES,
    EXPIRED,
    OVER,
    PageCaptured,
    PagesArchived,
    PagesArranged,
    ScanCancelled,
    ScanClosed,
    ScanConfirmed,
    ScanEvent,
    ScanExpired,
    ScanFinished,
    ScanInterrupted,
    ScannerYielded,
    ScanReopened,
    ScanStarted,
    ScanState,
    state_reopened,
)
from projections.reading import OPEN, PINNED, read_cursor, write_cursor
from projections.view import RowVersion, Versions, View

NAME = "scan_sessions"
EVENTS = frozenset(get_args(ScanEvent))
NOBODY = UUID(int=0)


class ScanSessionRow(RowVersion, frozen=True, gc=False):
    """The table's columns, in its order. `passes`: the number of the last pass, `pages`: the number of pages.

    `last_page`: the highest page number, which can be above `pages` because numbers may be missing.
    """

    state: str
    scanner: str | None
    station: str | None
    source: str | None
    profile: str | None
    passes: int
    pages: int
    last_page: int
    problem: str | None
    actor: str
    branch: str
    started_at: datetime
    changed_at: datetime


def evolve(row: ScanSessionRow | None, recorded: Recorded[ScanEvent]) -> ScanSessionRow:
    """The next version of a session's row."""
    body = recorded.envelope.body
    if isinstance(body, ScanStarted):
        return _first_version(recorded, body)
    row = require_value(row, "a session begins with ScanStarted")
    return msgspec.structs.replace(
        row,
        from_position=recorded.position,
        version=recorded.envelope.originator_version,
        changed_at=recorded.recorded_at,
        **_columns_after(row, body),
    )


def _columns_after(row: ScanSessionRow, body: ScanEvent) -> dict[str, Any]:
    match body:
        case ScanConfirmed(number=number):
            return {"state": ScanState.SCANNING.value, "passes": number, "problem": None}
        case PageCaptured(n=n, replaced=replaced):
            return {"pages": row.pages + (replaced is None), "last_page": max(n, row.last_page)}
        case PagesArranged(pages=pages):
            return {"pages": len(pages), "last_page": len(pages)}
        case ScanFinished():
            return {"state": ScanState.REVIEW.value, "problem": None}
        case ScanInterrupted(problem=problem):
            return {"state": ScanState.FAILED.value, "problem": problem}
        case PagesArchived(pages=gone):
            return {"pages": row.pages - len(gone), "last_page": row.pages - len(gone)}
        case ScanCancelled():
            return {"state": ScanState.CANCELLED.value, "pages": 0, "last_page": 0}
        case ScanExpired():
            return {"state": ScanState.EXPIRED.value}
        case ScanReopened():
            return {"state": state_reopened(row.problem).value}
        case ScanClosed():
            return {"state": ScanState.ARCHIVED.value}
        case ScannerYielded():
            return {}
        case ScanStarted():
            raise AssertionError("a session begins once")
    assert_never(body)


def _first_version(recorded: Recorded[ScanEvent], body: ScanStarted) -> ScanSessionRow:
    envelope, device = recorded.envelope, body.device
    return ScanSessionRow(
        id=envelope.originator_id,
        customer=NOBODY,
        from_position=recorded.position,
        to_position=None,
        created_position=recorded.position,
        version=envelope.originator_version,
        state=(ScanState.AWAITING_CONFIRMATION if device else ScanState.REVIEW).value,
        scanner=device.scanner if device else None,
        station=device.station if device else None,
        source=device.source.value if device else None,
        profile=device.profile if device else None,
        passes=0,
        pages=0,
        last_page=0,
        problem=None,
        actor=envelope.meta.actor,
        branch=envelope.meta.branch,
        started_at=recorded.recorded_at,
        changed_at=recorded.recorded_at,
    )


VIEW = View(
    name=NAME,
    row=ScanSessionRow,
    key=("id", "customer", "from_position"),
    json=(),
    events=EVENTS,
    fold=lambda stored: Versions(evolve, EVENTS, stored),
    read=ScanSessionRow,
    shape=1,
)


# -- queries ----------------------------------------------------------------------------------------------------


class ScanSessionPage(msgspec.Struct, frozen=True):
    """`position`: that of the view. `next`: the cursor of the next page, None at the end."""

    rows: list[ScanSessionRow]
    position: int
    next: str | None


async def list_unfinished(
    conn: AsyncConnection[Any], *, branch: str | None, limit: int, cursor: str | None = None
) -> ScanSessionPage:
    """Sessions that have not ended, expired ones included, the longest untouched first: the work list."""
    place = read_cursor(cursor) if cursor else None
    bound = {
        "over": [s.value for s in OVER],
        "branch": branch,
        "limit": limit + 1,
        "pinned": place.pinned if place else None,
        "last": place.last if place else None,
    }
    async with conn.cursor(row_factory=tuple_row) as found:
        await found.execute(UNFINISHED_LATER if place else UNFINISHED, bound, prepare=True)
        (position, *_), *values = await found.fetchall()
    rows = [ScanSessionRow(*one) for _, *one in values]
    pinned = place.pinned if place else position
    return ScanSessionPage(
        rows[:limit], position, write_cursor(pinned, rows[limit - 1].from_position) if rows[limit:] else None
    )


async def list_jobs(conn: AsyncConnection[Any], station: str) -> list[ScanSessionRow]:
    """Sessions that the station has to scan now, started since its branch owns the station's name."""
    return await _fetch_rows(conn, JOBS, {"station": station, "scanning": ScanState.SCANNING.value})


async def scanners_in_use(conn: AsyncConnection[Any], stations: Collection[str]) -> set[str]:
    """Scanners of these stations that are scanning or wait for a confirmation."""
    bound = {
        "stations": list(stations),
        "scanning": ScanState.SCANNING.value,
        "awaiting": ScanState.AWAITING_CONFIRMATION.value,
        "minutes": CONFIRMATION_MINUTES,
    }
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(IN_USE, bound, prepare=True)
        return {scanner for (scanner,) in await cursor.fetchall()}


def list_untouched(conn: Connection[Any], before: datetime) -> Sequence[UUID]:
    """Sessions that have not ended and had no event since `before`.

    Sessions made for late pages are left out: no person started them, so perhaps no person knows of them.
    """
    ended = [s.value for s in (*OVER, EXPIRED)]
    bound = {"ended": ended, "failed": ScanState.FAILED.value, "before": before}
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(UNTOUCHED, bound).fetchall()


def list_expired(conn: Connection[Any], before: datetime) -> Sequence[UUID]:
    """Sessions that the calendar ended before `before` and that were not reopened."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(EXPIRED_BEFORE, [before]).fetchall()


def list_abandoned(conn: Connection[Any], before: datetime) -> Sequence[UUID]:
    """Sessions that are scanning, without an event and without contact to their station since `before`."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(ABANDONED, {"scanning": ScanState.SCANNING.value, "before": before}).fetchall()


async def _fetch_rows(conn: AsyncConnection[Any], query: str, bound: dict[str, Any]) -> list[ScanSessionRow]:
    async with conn.cursor(row_factory=args_row(ScanSessionRow)) as cursor:
        await cursor.execute(query, bound, prepare=True)
        return await cursor.fetchall()


COLUMNS = ", ".join(VIEW.columns)


def _select_unfinished(where: str) -> str:
    """SQL: a row with the view's position, then the columns of ScanSessionRow after a null."""
    return f"""
        select position, {", ".join(["null"] * len(VIEW.columns))}
        from views.tracking
        where name = 'scan_sessions'
        union all (
            select null, {COLUMNS}
            from views.scan_sessions as r
            where {where} and state <> all (%(over)s) and (%(branch)s::text is null or branch = %(branch)s)
            order by from_position
            limit %(limit)s
        )
    """  # noqa: S608  # constants of this module


UNFINISHED = _select_unfinished(OPEN.format("r"))
UNFINISHED_LATER = _select_unfinished(f"{PINNED.format('r')} and from_position > %(last)s")
JOBS = f"""
    select {COLUMNS}
    from views.scan_sessions
    where to_position is null and state = %(scanning)s and station = %(station)s
        and not exists (select from scan.station where name = %(station)s and owned_since > started_at)
    order by changed_at
"""  # noqa: S608  # constants of this module
IN_USE = """
    select scanner
    from views.scan_sessions
    where to_position is null and station = any (%(stations)s) and (
        state = %(scanning)s
        or state = %(awaiting)s and started_at > clock_timestamp() - make_interval(mins => %(minutes)s)
    )
"""
UNTOUCHED = """
    select id
    from views.scan_sessions
    where to_position is null and state <> all (%(ended)s) and changed_at < %(before)s
        and not (state = %(failed)s and passes = 0)
"""
# The state is a constant: a plan for a bound state could not use the index of unfinished sessions.
EXPIRED_BEFORE = f"""
    select id
    from views.scan_sessions
    where to_position is null and state = '{EXPIRED.value}' and changed_at < %s
"""  # noqa: S608  # a constant of domain/scan_session.py
ABANDONED = """
    select s.id
    from views.scan_sessions as s
    left join scan.station as t on t.name = s.station
    where s.to_position is null and s.state = %(scanning)s and s.changed_at < %(before)s
        and (t.seen_at is null or t.seen_at < %(before)s)
"""
