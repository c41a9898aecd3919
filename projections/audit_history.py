"""The audit history: one row an event, who did what and when, before and after. Never changed, only added to."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

import msgspec
from msgspec import UnsetType
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from domain.administration import TokenCreated, TokenRevoked
from domain.authorization import AuthorizationRegistered, AuthorizationStatus, EvidenceAttached
from domain.document import (
    Description,
    DocumentArchived,
    DocumentDescribed,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.document_type import Definition, DocumentTypeChanged, DocumentTypeDefined, changes
from domain.envelope import UNSET, Recorded
from domain.values import Source
from projections.reading import read_cursor, write_cursor
from projections.view import ArchiveEvent, Taken, View, known

NAME = "audit_history"
Fields = dict[str, Any]


class Row(msgspec.Struct, frozen=True, gc=False):
    """The table's columns, in its order. `before` and `after` hold the changed fields only, without what was erased."""

    position: int
    recorded_at: datetime
    as_of: datetime
    occurred_at: datetime
    actor: str
    branch: str
    action: str
    subject_kind: str
    subject_id: UUID
    subject_name: str | None
    customer: UUID | None
    reason: str | None
    before: Fields
    after: Fields


class Story(msgspec.Struct):
    """What one event tells: about what, why, and what changed."""

    kind: str
    before: Fields
    after: Fields
    name: str | None = None
    reason: str | UnsetType = UNSET


# -- events to rows ---------------------------------------------------------------------------------------------


def row_of(recorded: Recorded[ArchiveEvent], as_of: datetime) -> Row:
    envelope = recorded.envelope
    body, meta, story = envelope.body, envelope.meta, story_of(envelope.body)
    return Row(
        position=recorded.position,
        recorded_at=recorded.recorded_at,
        as_of=as_of,
        occurred_at=meta.occurred_at,
        actor=meta.actor,
        branch=meta.branch,
        action=body.topic.rpartition(".")[0],
        subject_kind=story.kind,
        subject_id=envelope.originator_id,
        subject_name=story.name,
        customer=getattr(body, "customer", None),
        reason=known(story.reason),
        before=story.before,
        after=story.after,
    )


def story_of(body: ArchiveEvent) -> Story:
    """A token's digest appears nowhere: it is not among what changed."""
    match body:
        case DocumentArchived():
            return Story("document", {}, _archived(body))
        case IdentitySeen():
            return Story("document", {}, _seen(body))
        case DocumentDescribed(old=old, new=new, reason=reason):
            return Story("document", *_described(old, new), reason=reason)
        case DocumentReclassified(old=was, new=now, reason=reason):
            return Story("document", {"type": was.code}, {"type": now.code}, reason=reason)
        case DocumentWithdrawn(reason=reason):
            return Story("document", *_status(DocumentStatus.ARCHIVED, DocumentStatus.WITHDRAWN), reason=reason)
        case DocumentRestored(reason=reason):
            return Story("document", *_status(DocumentStatus.WITHDRAWN, DocumentStatus.ARCHIVED), reason=reason)
        case AuthorizationRegistered():
            return Story("authorization", {}, _registered(body))
        case EvidenceAttached():
            return Story("authorization", *_attached(body))
        case DocumentTypeDefined(code=code, definition=definition):
            return Story("document_type", {}, _all_fields(definition), name=code)
        case DocumentTypeChanged(code=code, old=before, new=after):
            return Story("document_type", *changes(before, after), name=code)
        case TokenCreated(name=name):
            return Story("token", {}, _created(body), name=name)
        case TokenRevoked(name=name):
            return Story("token", {"revoked": False}, {"revoked": True}, name=name)
    assert_never(body)


def _present(fields: Fields) -> Fields:
    """Without what was not given and what was erased."""
    return {name: value for name, value in fields.items() if value is not None and value is not UNSET}


def _archived(body: DocumentArchived) -> Fields:
    content, digest = body.content, known(body.sha256)
    return _present(
        {
            "type": body.type.code,
            "source": body.source,
            "status": DocumentStatus.ARCHIVED,
            "file_name": body.file_name,
            "media_type": content.media_type,
            "size_bytes": content.size_bytes,
            "sha256": digest.hex() if digest else None,
            "pages": content.pages,
            **_description(body.description),
            "ground": body.ground,
            "external_id": body.external_id,
            "evidence_of": body.evidence_of,
        }
    )


def _seen(body: IdentitySeen) -> Fields:
    return _present(
        {
            "type": body.type.code,
            "source": Source.NONE,
            "status": DocumentStatus.ARCHIVED,
            "paper": body.paper,
            "number_suffix": body.number_suffix,
            "seen_on": body.seen_on,
            **_description(body.description),
            "external_id": body.external_id,
        }
    )


def _description(description: Description | UnsetType) -> Fields:
    return {} if isinstance(description, UnsetType) else msgspec.structs.asdict(description)


def _described(old: Description | UnsetType, new: Description | UnsetType) -> tuple[Fields, Fields]:
    before, after = _description(old), _description(new)
    changed = [name for name in after if name in before and before[name] != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}


def _status(before: DocumentStatus, after: DocumentStatus) -> tuple[Fields, Fields]:
    return {"status": before}, {"status": after}


def _registered(body: AuthorizationRegistered) -> Fields:
    return _present(
        {
            "type": body.type.code,
            "source": body.source,
            "status": AuthorizationStatus.ACTIVE,
            "original_held": body.original_held,
            "shelf_mark": body.shelf_mark,
            **msgspec.structs.asdict(body.terms),
            "mandate": body.mandate,
            "note": body.note,
            "external_id": body.external_id,
        }
    )


def _attached(body: EvidenceAttached) -> tuple[Fields, Fields]:
    before, after = {"evidence": None}, {"evidence": body.document}
    if body.original_was_held:
        return {**before, "original_held": True}, {**after, "original_held": False}
    return before, after


def _all_fields(definition: Definition) -> Fields:
    return _present(msgspec.structs.asdict(definition))


def _created(body: TokenCreated) -> Fields:
    return _present({name: getattr(body, name) for name in ("role", "branch", "own_branch_only", "granted", "without")})


class History:
    """The fold: no event needs another, so nothing is waited for."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, recorded: Recorded[Any], as_of: datetime) -> None:
        self._rows.append(row_of(recorded, as_of))

    def take(self, last: Mapping[UUID, int] | None = None) -> Taken:
        rows, self._rows = self._rows, []
        return Taken(rows)

    @property
    def pending(self) -> int:
        return 0


def _fold(stored: Iterable[Any]) -> History:
    return History()


VIEW = View(name=NAME, row=Row, key=("position",), json=("before", "after"), fold=_fold, read=Row)


# -- queries ----------------------------------------------------------------------------------------------------


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Whose history (`customer`, `subject`; neither: over all), and what of it. Both ends of the time are included."""

    customer: UUID | None = None
    subject: UUID | None = None
    actor: str | None = None
    action: str | None = None
    branch: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Page(msgspec.Struct, frozen=True):
    """`position`: where the view stands. `next`: the cursor of the next page, None at the end."""

    rows: list[Row]
    position: int
    next: str | None = None


async def page(
    conn: AsyncConnection[Any],
    filters: Filters,
    rights: Rights,
    *,
    operations: bool = False,
    as_of: int | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page:
    """What was done, newest first. A paper's history goes with the paper's present type: hidden type, no history.

    The document types' own history is for everyone who may read histories, that of tokens only with `operations`.
    """
    place = read_cursor(cursor) if cursor else None
    bound = {
        **{name: getattr(filters, name) for name in Filters.__struct_fields__},
        "types": rights.types,
        "own_branch": rights.branch,
        "operations": operations,
        "as_of": place.pinned if place else as_of,
        "before": place.last if place else None,
        "limit": limit + 1,
    }
    async with conn.cursor(row_factory=tuple_row) as c:
        await c.execute(_query(bound), bound, prepare=True)
        found = await c.fetchall()
    rows = [Row(*values[1:]) for values in found if values[1] is not None]
    position = found[0][0]
    pinned = position if bound["as_of"] is None else bound["as_of"]
    return Page(rows[:limit], position, write_cursor(pinned, rows[limit - 1].position) if len(rows) > limit else None)


# Only what is asked for stands in the statement, so that each is planned with the index that fits it.
CONDITIONS = {
    "customer": "h.customer = %(customer)s",
    "subject": "h.subject_id = %(subject)s",
    "actor": "h.actor = %(actor)s",
    "action": "h.action = %(action)s",
    "branch": "h.branch = %(branch)s",
    "type": "case h.subject_kind when 'document_type' then h.subject_name else d.type end = %(type)s",
    "since": "h.recorded_at >= %(since)s",
    "until": "h.recorded_at <= %(until)s",
    "as_of": "h.position <= %(as_of)s",
    "before": "h.position < %(before)s",
}
QUERY = """
    select t.position, found.*
    from views.tracking as t
    left join lateral (
        select {columns}
        from views.audit_history as h
        left join views.customer_documents as d on d.id = h.subject_id and d.to_position is null
        where (
            d.type = any(%(types)s) and (%(own_branch)s::text is null or d.branch = %(own_branch)s)
            or h.subject_kind = 'document_type' and h.subject_name = any(%(types)s)
            or h.subject_kind = 'token' and %(operations)s
        )
        {conditions}
        order by h.position desc
        limit %(limit)s
    ) as found on true
    where t.name = 'audit_history'
"""


def _query(bound: Mapping[str, Any]) -> str:
    wanted = [f"and {condition}" for name, condition in CONDITIONS.items() if bound[name] is not None]
    return QUERY.format(columns=", ".join(f"h.{n}" for n in VIEW.columns), conditions="\n        ".join(wanted))
