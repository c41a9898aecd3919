"""The feed: events in the order of the log, as far as a reader may see them.

Its rows and rights are those of audit_history.py; the content of an event is read from the log (store/log.py). The feed
ends at the position of the rearmost view. The follower reads behind the fence, so no later event can appear below that
position, and every view contains each event of the feed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from projections.audit_history import SUBJECTED, VISIBLE
from projections.view import EVENTS

POSITIONS_MAX = 5_000
"""Positions that one query covers; a reader who may see little of a long log continues with the next query."""
TOPICS = {event.topic.rpartition(".")[0]: event.topic for event in EVENTS}
"""Topics by their name without version, which is the `action` of the history."""


class FeedRights(msgspec.Struct, frozen=True, kw_only=True):
    """The rights of a reader: papers of these types, limited to `branch` if given.

    `operations` adds the administration, `scans` the scan sessions, limited to `scan_branch` if given.
    """

    types: tuple[str, ...]
    branch: str | None = None
    operations: bool = False
    scans: bool = False
    scan_branch: str | None = None


class FeedSelection(msgspec.Struct, frozen=True, kw_only=True):
    """A narrower feed: of one customer, including papers moved away; of some actions (keys of TOPICS)."""

    customer: UUID | None = None
    actions: tuple[str, ...] | None = None


class FeedRow(msgspec.Struct, frozen=True, gc=False):
    """Some columns of audit_history, in this order."""

    position: int
    recorded_at: datetime
    actor: str
    branch: str
    action: str
    subject_kind: str
    subject_id: UUID
    subject_name: str | None
    customer: UUID | None
    other_customer: UUID | None


class FeedPage(msgspec.Struct, frozen=True):
    """`position`: the page is complete up to it, so the next one begins there. `end`: the position of the rearmost
    view."""

    rows: Sequence[FeedRow]
    position: int
    end: int


async def fetch_page(
    conn: AsyncConnection[Any], reader: FeedRights, wanted: FeedSelection, *, after: int, limit: int
) -> FeedPage:
    """The first events after a position, at most `limit` of the next POSITIONS_MAX positions."""
    bound = {
        "types": list(reader.types),
        "own_branch": reader.branch,
        "operations": reader.operations,
        "exports": reader.operations,
        "scans": reader.scans,
        "scan_branch": reader.scan_branch,
        "customer": wanted.customer,
        "actions": None if wanted.actions is None else list(wanted.actions),
        "after": after,
        "up_to": after + POSITIONS_MAX,
        "limit": limit,
    }
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(QUERY, bound, prepare=True)
        found = await cursor.fetchall()
    end: int = found[0][0] or 0
    rows = [FeedRow(*values[1:]) for values in found if values[1] is not None]
    position = rows[-1].position if len(rows) == limit else max(after, min(end, after + POSITIONS_MAX))
    return FeedPage(rows, position, end)


QUERY = f"""
    select t.position, found.*
    from (select min(position) as position from views.tracking) as t
    left join lateral (
        select {", ".join(f"h.{name}" for name in FeedRow.__struct_fields__)}
        from {SUBJECTED}
        where h.position > %(after)s and h.position <= least(t.position, %(up_to)s)
        and (
            {VISIBLE}
            or h.subject_kind = 'scan_session' and %(scans)s and (%(scan_branch)s::text is null or exists (
                select from views.scan_sessions as s
                where s.id = h.subject_id and s.to_position is null and s.branch = %(scan_branch)s
            ))
        )
        and (%(customer)s::uuid is null or h.customer = %(customer)s or h.other_customer = %(customer)s)
        and (%(actions)s::text[] is null or h.action = any(%(actions)s))
        order by h.position
        limit %(limit)s
    ) as found on true
    order by found.position
"""  # noqa: S608  # constants of ours
