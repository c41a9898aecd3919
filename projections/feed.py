"""The feed: what happened, in the order of the log, as far as a reader may see it. Neighbour: audit_history.py, whose
rows and whose rights these are; what an event says is read from the log (store/log.py).

It ends where the rearmost view stands. The follower reads behind the fence, so nothing can appear later below that, and
whoever hears of an event finds it in every view.
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
"""How far one question looks: a reader who may see little of a long log goes on with the next."""
TOPICS = {kind.topic.rpartition(".")[0]: kind.topic for kind in EVENTS}
"""By the name without its version, which is what the history keeps."""


class FeedRights(msgspec.Struct, frozen=True, kw_only=True):
    """What exists for whoever asks: papers of these types, of `branch` alone where it is given; with `operations` who
    administers what; with `scans` the scan sessions, those of `scan_branch` alone where it is given."""

    types: tuple[str, ...]
    branch: str | None = None
    operations: bool = False
    scans: bool = False
    scan_branch: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What of it: of one customer, whoever had the paper; of some actions (keys of TOPICS)."""

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
    """`position`: up to there all that was wanted is in it, so that is where to go on. `end`: where the views stand."""

    rows: Sequence[FeedRow]
    position: int
    end: int


async def page(conn: AsyncConnection[Any], reader: FeedRights, wanted: Wanted, *, after: int, limit: int) -> FeedPage:
    """The first events behind a position, at most `limit` of the next POSITIONS_MAX."""
    bound = {
        "types": list(reader.types),
        "own_branch": reader.branch,
        "operations": reader.operations,
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
