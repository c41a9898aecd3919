"""Verifies that everything acknowledged exists, is intact, and is shown correctly: a checker independent of the writer,
with its own SQL.

    views      live rows = replay of the log            log       order, form, leaves; every event opens
    register   claims, commands, keys name papers       contents  each content of the log exists, bit by bit
    keys       a paper opens for its customers alone    scans     open sessions have their pages, ended ones no key
    grounds    a signed authorization has a paper or an original

Nothing is changed or repaired. verify_contents.py reads the contents, verify_keys.py compares the keys, verify_scans.py
tracks the pages of sessions.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from struct import pack
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import asdict
from psycopg_pool import PoolTimeout

from domain.envelope import UNSET
from domain.refusals import Refusal
from domain.scan_session import ScanCancelled, ScanClosed, ScanEvent, ScanStarted
from projections.rebuild import replay
from projections.view import DESTROYING
from projections.views import VIEWS, table_of
from service import verify_keys
from service.grounds import find_groundless
from service.verify_contents import NamedContent, check_content, count_unnamed
from service.verify_scans import OpenScans, intake_of, may_be_gone_since
from service.wiring import Store
from store import runs
from store.mapper import BY_TOPIC, EventPlan, SealingMapper, Wire

logger = logging.getLogger("dossier.verify")
PAGE = 1_000
PROBLEMS_MAX = 1_000
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Progress = Callable[[int, int], None]
Row = tuple[int, UUID, int, datetime, str, bytes, bytes | None]
Connection = psycopg.Connection[Any]


class Discrepancy(msgspec.Struct, frozen=True):
    """One finding. `kind` is stable; `id` is the id of a stream, a content or a row. No field names a person."""

    kind: str
    id: str
    position: int | None = None
    detail: str = ""


class Report(msgspec.Struct, kw_only=True):
    """The result. `problems` holds the first 1,000 of `problems_found`. `erased_events` cannot be opened because all
    customers of their paper were erased, `ended_scan_events` because their session ended, `destroyed_events` because
    their paper was destroyed; `destroyed_contents` are the contents of such papers, `destroyed_left` those whose file
    is still to be removed. `orphans` and `in_flight` are contents that no event names, older and younger than a
    day."""

    position: int
    events: int = 0
    erased_events: int = 0
    ended_scan_events: int = 0
    destroyed_events: int = 0
    contents: int = 0
    content_bytes: int = 0
    destroyed_contents: int = 0
    destroyed_left: int = 0
    orphans: int = 0
    in_flight: int = 0
    views: int = 0
    seconds: float = 0.0
    problems_found: int = 0
    problems: list[Discrepancy] = msgspec.field(default_factory=list)

    def add_problem(self, kind: str, subject: object, position: int | None = None, detail: str = "") -> None:
        self.problems_found += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Discrepancy(kind, str(subject), position, detail))


def record_verification(store: Store, report: Report) -> None:
    """Record when the verification ended and what it found, for `dossier status` and /metrics; problems by kind
    only. A failure is logged and not raised: the findings, perhaps of hours, are reported anyway."""
    kinds = Counter(problem.kind for problem in report.problems)
    counts = {name: value for name, value in asdict(report).items() if name != "problems"}
    result = {**counts, "kinds": kinds}
    try:
        with store.pool.connection() as conn:
            runs.record_run(conn, "verify", seconds=report.seconds, problems=report.problems_found, result=result)
    except (psycopg.Error, PoolTimeout) as error:
        logger.warning(
            "recording the verification as last run failed, its report is not affected: %s", type(error).__name__
        )


def verify(
    store: Store,
    *,
    quick: bool = False,
    views: bool = True,
    projector_role: str | None = None,
    progress: Progress = lambda *_: None,
) -> Report:
    """Check everything up to the current end of the log. `quick` does not read the bytes of contents. Raises
    Unavailable when a rebuild is under way or the database connection is lost: then there is no result."""
    begun = time.monotonic()
    report = Report(position=store.log.fence())
    if views:
        _check_views(store, report, projector_role)
    with store.pool.connection() as conn:
        conn.execute(NAMED + verify_keys.TABLES)
        try:
            scans = OpenScans(intake_of(conn))
            _check_log(store, conn, report, scans, quick=quick, progress=progress)
            _check_sets(conn, report, scans.intake)
            _check_removed(store, conn, report)
        finally:
            if not conn.broken:
                conn.execute("drop table named, holder, ended, destroyed, lost")
    _check_grounds(store, report)
    _check_store(store, report)
    report.seconds = time.monotonic() - begun
    return report


# -- views ------------------------------------------------------------------------------------------------------


def _check_views(store: Store, report: Report, role: str | None) -> None:
    """Compare the views with a replay. A log that cannot be replayed is a finding; _check_log() reports its cause."""
    try:
        found = replay(store.projector_url, store.log, role=role)
    except (Refusal, psycopg.OperationalError):
        raise
    except Exception as error:  # noqa: BLE001  # a damaged log must not hide the other findings
        report.add_problem("view-cannot-be-replayed", "views", detail=type(error).__name__)
        return
    report.views = len(found)
    for rebuilt in found:
        for difference in rebuilt.differences:
            what = f"{difference.kind}: {', '.join(difference.columns)}"
            report.add_problem("view-differs", f"{rebuilt.view} {' '.join(difference.key)}", detail=what)
        report.problems_found += rebuilt.different - len(rebuilt.differences)
    _check_ahead(store, report)


def _check_ahead(store: Store, report: Report) -> None:
    """Report rows at a position that their view has not reached. A replay ignores them as newer than its end, but
    readers see them, or miss rows that end there."""
    with store.pool.connection() as conn:
        for view in VIEWS.values():
            latest = "greatest(from_position, to_position)" if view.is_versioned else "position"
            query = AHEAD.format(key=", ".join(view.key), table=table_of(view), latest=latest)
            for key, position in conn.execute(query, [view.name, PROBLEMS_MAX]):
                report.add_problem("view-differs", f"{view.name} {key}", position, "ahead of the log")


# -- the log ----------------------------------------------------------------------------------------------------


def _check_log(
    store: Store, conn: Connection, report: Report, scans: OpenScans, *, quick: bool, progress: Progress
) -> None:
    for kind, query in ORDER.items():
        for subject, position in conn.execute(query, [report.position]):
            report.add_problem(kind, subject, position)
    for rows in _iter_pages(conn, report.position):
        report.events += len(rows)
        _check_contents(store, conn, report, _check_page(store, conn, report, rows, scans), quick=quick)
        progress(rows[-1][0], report.position)
    images = list(scans.list_images())
    for first in range(0, len(images), PAGE):
        _check_contents(store, conn, report, images[first : first + PAGE], quick=quick)
    row = conn.execute(COUNT, [report.position]).fetchone()
    if row is not None and row[0] != report.events:
        report.add_problem("events-miscounted", "archive_events", detail=f"read {report.events} of {row[0]}")


def _iter_pages(conn: Connection, up_to: int) -> Iterator[list[Row]]:
    after = 0
    while rows := conn.execute(EVENTS, [after, up_to, PAGE]).fetchall():
        yield rows
        after = rows[-1][0]


def _check_page(
    store: Store, conn: Connection, report: Report, rows: Sequence[Row], scans: OpenScans
) -> Sequence[NamedContent]:
    """Check every event of a page; returns the contents that they name, except images of scans, which later events
    may release."""
    store.keys.prefetch_keys(row[1] for row in rows)
    reader = PageReader(store, report, scans)
    for row in rows:
        reader.check(row)
    verify_keys.remember_holders(conn, reader.told, reader.lost, scans.intake)
    return reader.named


def _destroyed_among(conn: Connection, report: Report, named: Sequence[NamedContent]) -> set[UUID]:
    """The papers among these contents that were destroyed, up to the position of the report."""
    papers, topics = [content.paper for content in named], [kind.topic for kind in DESTROYING]
    return {paper for (paper,) in conn.execute(DESTROYED, [papers, topics, report.position])}


def _check_contents(
    store: Store, conn: Connection, report: Report, named: Sequence[NamedContent], *, quick: bool
) -> None:
    gone = _destroyed_among(conn, report, named)
    for content in named:
        if content.paper in gone:
            continue
        problem = check_content(store, content, quick=quick)
        if problem and not may_be_gone_since(conn, content, report.position):
            report.add_problem(problem[0], content.id, content.position, problem[1])
        report.contents += 1
        report.content_bytes += content.content.sealed_size_bytes
    _remember_contents(conn, report, named)


class PageReader:
    """Checks the events of one page. `told` collects papers with the bodies of their events, `lost` those whose key
    is missing, with their position."""

    def __init__(self, store: Store, report: Report, scans: OpenScans) -> None:
        self._keys, self._report, self._scans = store.keys, report, scans
        self._mapper = SealingMapper(store.keys.cipher_of, self._report_tampered)
        self._position = 0
        self.named: list[NamedContent] = []
        self.told: list[tuple[UUID, Any]] = []
        self.lost: list[tuple[UUID, int]] = []

    def check(self, row: Row) -> None:
        position, stream, version, recorded_at, topic, state, leaf = row
        self._position = position
        if recorded_at.microsecond % 1000:
            self._report.add_problem("time-not-whole-milliseconds", stream, position)
        if leaf != leaf_of(stream, version, recorded_at, topic, state):
            self._report.add_problem("leaf-differs", stream, position)
        plan = BY_TOPIC.get(topic)
        if plan is None:
            self._report.add_problem("topic-unknown", stream, position)
            return
        try:
            wire: Wire[Any] = plan.decode(state)
        except msgspec.DecodeError:
            self._report.add_problem("event-unreadable", stream, position)
            return
        self._open_event(row, plan, wire)

    def _open_event(self, row: Row, plan: EventPlan, wire: Wire[Any]) -> None:
        position, stream, version, _, topic, state, _ = row
        if bool(plan.sealed) != bool(wire.sealed):
            self._report.add_problem(
                "sealed-part-missing" if plan.sealed else "sealed-part-unexpected", stream, position
            )
        body, sealed = wire.body, plan.sealed and wire.sealed
        if hasattr(body, "customer") or isinstance(body, ScanStarted | ScanCancelled | ScanClosed):
            self.told.append((stream, body))
        if sealed and self._keys.cipher_of(stream) is None:
            self.lost.append((stream, position))
        elif sealed:
            body = self._mapper.open_event(stream, version, topic, state).body
        named = content_of_event(body, stream, position)
        if isinstance(body, ScanEvent):
            self._scans.apply_event(stream, body, named)
        elif named:
            self.named.append(named)

    def _report_tampered(self, stream: UUID, _version: int) -> None:
        self._report.add_problem("event-tampered", stream, self._position)


def content_of_event(body: Any, paper: UUID, position: int) -> NamedContent | None:
    """The content that an event names, with its digest if that could be opened; None when it names none."""
    content, digest = getattr(body, "content", None), getattr(body, "sha256", UNSET)
    return NamedContent(content, paper, position, digest if isinstance(digest, bytes) else None) if content else None


def leaf_of(stream: UUID, version: int, recorded_at: datetime, topic: str, state: bytes) -> bytes:
    """The leaf hash as the schema defines it; times in microseconds since 2000, as in Postgres."""
    microseconds = (recorded_at - EPOCH) // MICROSECOND
    head = b"\x00" + stream.bytes + pack(">qq", version, microseconds) + pack(">i", len(topic)) + topic.encode()
    return hashlib.sha256(head + state).digest()


def _remember_contents(conn: Connection, report: Report, named: Sequence[NamedContent]) -> None:
    """Store the contents of a page in a temporary table for _check_sets(), which needs all contents of the log."""
    if not named:
        return
    ids = [content.id for content in named]
    conn.execute(REMEMBER, [ids, [content.paper for content in named], [content.position for content in named]])
    for subject, position in conn.execute(NAMED_TWICE, [ids, [content.position for content in named]]):
        report.add_problem("content-named-twice", subject, position)


# -- tables beside the log --------------------------------------------------------------------------------------


def _check_sets(conn: Connection, report: Report, intake: UUID) -> None:
    conn.execute("analyze named")
    for kind, query in BESIDE.items():
        for subject, position in conn.execute(query, {"up_to": report.position}):
            report.add_problem(kind, subject, position)
    for kind, paper, position in verify_keys.check_keys(conn, report.position, intake):
        report.add_problem(kind, paper, position)
    lost = verify_keys.count_lost(conn)
    report.erased_events, report.ended_scan_events = lost.erased, lost.ended_scans
    report.destroyed_events = lost.destroyed


def _check_grounds(store: Store, report: Report) -> None:
    for found in find_groundless(store, report.position):
        detail = f"{found.status}; its paper {found.document} is withdrawn"
        report.add_problem("signed-without-ground", found.authorization, found.position, detail)


def _check_removed(store: Store, conn: Connection, report: Report) -> None:
    """Report files of destroyed papers that are noted as removed and exist."""
    for content, is_removed in conn.execute(DESTROYED_CONTENTS):
        report.destroyed_contents += 1
        report.destroyed_left += not is_removed
        if is_removed and store.directory.size(str(content)) is not None:
            report.add_problem("content-not-removed", content)


def _check_store(store: Store, report: Report) -> None:
    report.orphans, report.in_flight = count_unnamed(store, now=time.time())


AHEAD = """
    select concat_ws(' ', {key}), {latest}
    from {table}
    where {latest} > (select position from views.tracking where name = %s)
    limit %s
"""
ORDER = {
    "version-gap": """
        select distinct on (originator_id) originator_id, notification_id
        from (
            select originator_id, originator_version, notification_id,
                row_number() over (partition by originator_id order by originator_version) as n
            from archive.archive_events
            where notification_id <= %s
        ) as e
        where originator_version <> n
        order by originator_id, originator_version
    """,
    "version-order": """
        select distinct on (originator_id) originator_id, notification_id
        from (
            select originator_id, originator_version, notification_id,
                lag(notification_id) over (partition by originator_id order by originator_version) as before
            from archive.archive_events
            where notification_id <= %s
        ) as e
        where notification_id <= before
        order by originator_id, originator_version
    """,
    "position-twice": """
        select min(originator_id::text), notification_id
        from archive.archive_events
        where notification_id <= %s
        group by notification_id
        having count(*) > 1
    """,
}
DESTROYED = """
    select distinct originator_id
    from archive.archive_events
    where originator_id = any(%s) and topic = any(%s) and notification_id <= %s
"""
DESTROYED_CONTENTS = "select content, removed_at is not null from archive.destroyed_content"
COUNT = "select count(*) from archive.archive_events where notification_id <= %s"
EVENTS = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state, leaf
    from archive.archive_events
    where notification_id > %s and notification_id <= %s
    order by notification_id
    limit %s
"""
NAMED = "create temporary table named (content uuid primary key, paper uuid not null, position bigint not null);"
REMEMBER = """
    insert into named (content, paper, position)
    select * from unnest(%s::uuid[], %s::uuid[], %s::bigint[])
    on conflict do nothing
"""
NAMED_TWICE = """
    select c.content, c.position
    from unnest(%s::uuid[], %s::bigint[]) as c (content, position)
    join named as n using (content)
    where n.position <> c.position
"""
# Papers with events newer than the check are skipped: their rows may be newer than the events that were read.
BESIDE = {
    "content-not-listed": """
        select n.content, n.position
        from named as n
        where not exists (select from archive.content as c where c.content = n.content and c.paper = n.paper)
            and not exists (
                select from archive.destroyed_content as d
                join destroyed as p on p.paper = d.paper
                where d.content = n.content and d.paper = n.paper
            )
            and not exists (
                select from archive.archive_events as e
                where e.originator_id = n.paper and e.notification_id > %(up_to)s
            )
    """,
    "content-listed-unnamed": """
        select c.content, null::bigint
        from archive.content as c
        where not exists (select from named as n where n.content = c.content)
            and not exists (
                select from archive.archive_events as e
                where e.originator_id = c.paper and e.notification_id > %(up_to)s
            )
    """,
    "content-of-destroyed": """
        select c.content, null::bigint
        from archive.content as c
        join destroyed as p on p.paper = c.paper
    """,
    "claim-without-paper": """
        select distinct c.owner, null::bigint
        from archive.claim as c
        where not exists (select from archive.archive_events as e where e.originator_id = c.owner)
    """,
    "command-without-paper": """
        select distinct p.paper, null::bigint
        from archive.command as c
        cross join unnest(c.papers) as p (paper)
        where not exists (
            select from archive.archive_events as e where e.originator_id = p.paper and e.recorded_at = c.recorded_at
        )
    """,
    "key-without-paper": """
        select distinct k.paper, null::bigint
        from keys.paper as k
        where not exists (select from archive.archive_events as e where e.originator_id = k.paper)
    """,
}
