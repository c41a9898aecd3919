"""Authorizations with their terms and the collection data of mandates; customer_documents.py lists them."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, assert_never
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from domain.administration import TokenCreated, TokenRevoked
from domain.authorization import AuthorizationRegistered, AuthorizationStatus, EvidenceAttached, Mandate
from domain.document import (
    DocumentArchived,
    DocumentDescribed,
    DocumentReclassified,
    DocumentRestored,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.document_type import DocumentTypeChanged, DocumentTypeDefined
from domain.envelope import UNSET, Recorded
from domain.values import Kind
from projections.view import ArchiveEvent, RowVersion, Versions, View, known

NAME = "authorizations"


class Row(RowVersion, frozen=True, gc=False):
    """The table's columns, in its order. `complete` is None for what is no mandate, and when it was erased (I7)."""

    kind: str
    type: str
    labels: dict[str, str]
    status: str
    original_held: bool
    recorded_at: datetime
    actor: str
    branch: str
    signed_on: date
    valid_from: date | None
    valid_until: date | None
    mandate: Mandate | None
    complete: bool | None
    note: str | None
    shelf_mark: str | None
    external_id: str | None
    evidence: UUID | None = None


def evolve(row: Row | None, recorded: Recorded[ArchiveEvent]) -> Row | None:
    """The next version of an authorization's row; None for an event that is about none."""
    body = recorded.envelope.body
    match body:
        case AuthorizationRegistered():
            return _registered(recorded, body)
        case EvidenceAttached(document=document):
            assert row is not None, "an authorization begins with AuthorizationRegistered"
            return msgspec.structs.replace(
                row,
                from_position=recorded.position,
                version=recorded.envelope.originator_version,
                original_held=False,
                evidence=document,
            )
        case DocumentArchived() | IdentitySeen() | DocumentDescribed() | DocumentReclassified():
            return None
        case DocumentWithdrawn() | DocumentRestored():
            return None
        case DocumentTypeDefined() | DocumentTypeChanged() | TokenCreated() | TokenRevoked():
            return None
    assert_never(body)


def _registered(recorded: Recorded[ArchiveEvent], body: AuthorizationRegistered) -> Row:
    envelope, mandate = recorded.envelope, known(body.mandate)
    return Row(
        id=envelope.originator_id,
        customer=body.customer,
        from_position=recorded.position,
        to_position=None,
        created_position=recorded.position,
        version=envelope.originator_version,
        kind=str(body.type.kind),
        type=body.type.code,
        labels=body.type.labels,
        status=AuthorizationStatus.ACTIVE.value,
        original_held=body.original_held,
        recorded_at=recorded.recorded_at,
        actor=envelope.meta.actor,
        branch=envelope.meta.branch,
        signed_on=body.terms.signed_on,
        valid_from=body.terms.valid_from,
        valid_until=body.terms.valid_until,
        mandate=mandate,
        complete=_complete(body, mandate),
        note=known(body.note),
        shelf_mark=known(body.shelf_mark),
        external_id=known(body.external_id),
    )


def _complete(body: AuthorizationRegistered, mandate: Mandate | None) -> bool | None:
    if body.type.kind is not Kind.MANDATE or body.mandate is UNSET:
        return None
    return mandate is not None and mandate.complete


def _fold(stored: Iterable[Row]) -> Versions[Row]:
    return Versions(evolve, stored)


def row_of(*values: Any) -> Row:
    """A row as the driver gives it: the mandate is plain JSON there."""
    row = Row(*values)
    return msgspec.structs.replace(row, mandate=msgspec.convert(row.mandate, Mandate | None))


VIEW = View(
    name=NAME, row=Row, key=("id", "customer", "from_position"), json=("labels", "mandate"), fold=_fold, read=row_of
)


async def one(
    conn: AsyncConnection[Any], authorization: UUID, rights: Rights, *, as_of: int | None = None
) -> tuple[Row | None, int]:
    """One authorization, None when it does not exist for this caller; and where the view stands."""
    bound = {"id": authorization, "types": rights.types, "branch": rights.branch, "as_of": as_of}
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(ONE if as_of is None else ONE_AS_OF, bound, prepare=True)
        found = await cursor.fetchone()
    assert found is not None, "views.tracking has a row for each view"
    return (row_of(*found[1:]) if found[1] is not None else None), found[0]


def _one(held: str) -> str:
    return f"""
        select t.position, {", ".join(f"r.{name}" for name in VIEW.columns)}
        from views.tracking as t
        left join views.authorizations as r on r.id = %(id)s and {held} and r.type = any(%(types)s)
            and (%(branch)s::text is null or r.branch = %(branch)s)
        where t.name = 'authorizations'
    """  # noqa: S608  # constants of this module


ONE = _one("r.to_position is null")
ONE_AS_OF = _one("r.from_position <= %(as_of)s and (r.to_position is null or r.to_position > %(as_of)s)")
