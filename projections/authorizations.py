"""View authorizations: terms of authorizations and collection data of mandates; customer_documents lists them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.rows import scalar_row, tuple_row

from domain import authorization
from domain.access import Rights
from domain.authorization import (
    Authorization,
    AuthorizationEvent,
    AuthorizationIssued,
    AuthorizationRegistered,
    AuthorizationSigned,
    AuthorizationStatus,
    EvidenceRestored,
    EvidenceWithdrawn,
    MandateAmended,
    NoteWithdrawn,
    RevocationReceived,
)
from domain.envelope import UNSET, Recorded
from domain.mandate import Mandate
from domain.promises import require_value
from domain.values import Kind, TypeStamp
from projections.view import RowVersion, Versions, View, value_or_none

NAME = "authorizations"
EVENTS = frozenset(get_args(AuthorizationEvent))


class AuthorizationRow(RowVersion, frozen=True, gc=False):
    """The table's columns, in its order: a domain.authorization.Authorization and the columns that the list shows.

    `complete`: None for an authorization that is no mandate, and after erasure (I7). `due_on`: the first day on which
    the calendar ends it.
    """

    kind: str
    type: str
    labels: dict[str, str]
    status: str
    original_held: bool
    recorded_at: datetime
    actor: str
    branch: str
    signed_on: date | None
    valid_from: date | None
    valid_until: date | None
    mandate: Mandate | None
    complete: bool | None
    note: str | None = None
    shelf_mark: str | None = None
    external_id: str | None = None
    evidence: UUID | None = None
    form_lapses_on: date | None = None
    ended_on: date | None = None
    revocation_received_on: date | None = None
    revocation_effective_on: date | None = None
    last_collection_on: date | None = None
    scan_code: str | None = None
    due_on: date | None = None


def evolve(row: AuthorizationRow | None, recorded: Recorded[AuthorizationEvent]) -> AuthorizationRow:
    """The next version of an authorization's row.

    Only the domain knows the effect of an event: the row becomes a domain state, is evolved and becomes a row again.
    """
    body = recorded.envelope.body
    state = authorization.evolve(_state_from_row(row) if row else None, body)
    changes = {**_columns_from_state(state), **_notes_of(row, body), "complete": _is_complete(row, state, body)}
    if row is None:
        return _first_version(recorded, state.type, changes)
    version = recorded.envelope.originator_version
    return msgspec.structs.replace(row, from_position=recorded.position, version=version, **changes)


def _first_version(
    recorded: Recorded[AuthorizationEvent], stamp: TypeStamp, columns: dict[str, Any]
) -> AuthorizationRow:
    envelope = recorded.envelope
    return AuthorizationRow(
        id=envelope.originator_id,
        from_position=recorded.position,
        to_position=None,
        created_position=recorded.position,
        version=envelope.originator_version,
        kind=str(stamp.kind),
        type=stamp.code,
        labels=stamp.labels,
        recorded_at=recorded.recorded_at,
        actor=envelope.meta.actor,
        branch=envelope.meta.branch,
        **columns,
    )


def _columns_from_state(state: Authorization) -> dict[str, Any]:
    revocation = state.revocation
    return {
        "customer": state.customer,
        "status": state.status.value,
        "original_held": state.original_held,
        "signed_on": state.signed_on,
        "valid_from": state.valid_from,
        "valid_until": state.valid_until,
        "mandate": state.mandate,
        "evidence": state.evidence,
        "form_lapses_on": state.form_lapses_on,
        "ended_on": state.ended_on,
        "revocation_received_on": revocation.received_on if revocation else None,
        "revocation_effective_on": revocation.effective_on if revocation else None,
        "last_collection_on": state.last_due_on,
        "scan_code": state.scan_code,
        "due_on": state.due_on,
    }


def _state_from_row(row: AuthorizationRow) -> Authorization:
    """The domain state that a row was made from (inverse of _columns_from_state)."""
    return Authorization(
        customer=row.customer,
        type=TypeStamp(row.type, Kind(row.kind), row.labels),
        status=AuthorizationStatus(row.status),
        version=row.version,
        original_held=row.original_held,
        signed_on=row.signed_on,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        form_lapses_on=row.form_lapses_on,
        revocation=_revocation_from_row(row),
        last_due_on=row.last_collection_on,
        ended_on=row.ended_on,
        mandate=row.mandate,
        scan_code=row.scan_code,
        evidence=row.evidence,
    )


def _revocation_from_row(row: AuthorizationRow) -> RevocationReceived | None:
    if row.revocation_received_on is None or row.revocation_effective_on is None:
        return None
    return RevocationReceived(
        customer=row.customer, received_on=row.revocation_received_on, effective_on=row.revocation_effective_on
    )


def _is_complete(row: AuthorizationRow | None, state: Authorization, body: AuthorizationEvent) -> bool | None:
    """True if the collection data is complete; an event without such data keeps the earlier answer."""
    match body:
        case AuthorizationIssued(mandate=given) | AuthorizationRegistered(mandate=given):
            pass
        case AuthorizationSigned(mandate=given) | MandateAmended(new=given):
            pass
        case EvidenceWithdrawn(mandate=given) | EvidenceRestored(mandate=given) | NoteWithdrawn(mandate=given):
            pass
        case _:
            return row.complete if row else None
    if state.type.kind is not Kind.MANDATE or given is UNSET:
        return None
    return state.mandate is not None and state.mandate.is_complete


def _notes_of(row: AuthorizationRow | None, body: AuthorizationEvent) -> dict[str, Any]:
    """The notes of staff. A note and an id given with the signature replace those of the form."""
    match body:
        case AuthorizationIssued():
            return {"note": value_or_none(body.note), "external_id": value_or_none(body.external_id)}
        case AuthorizationRegistered():
            noted = {"note": value_or_none(body.note), "external_id": value_or_none(body.external_id)}
            return {**noted, "shelf_mark": value_or_none(body.shelf_mark)}
        case AuthorizationSigned():
            row = require_value(row, "only an issued form is signed")
            return {
                "note": row.note if value_or_none(body.note) is None else body.note,
                "external_id": row.external_id if value_or_none(body.external_id) is None else body.external_id,
                "shelf_mark": value_or_none(body.shelf_mark),
            }
        case NoteWithdrawn():
            return {"shelf_mark": None}
    return {}


def _build_fold(stored: Iterable[AuthorizationRow]) -> Versions[AuthorizationRow]:
    return Versions(evolve, EVENTS, stored, redact)


def row_from_columns(*values: Any) -> AuthorizationRow:
    """A row from the driver's values, with the mandate converted from plain JSON."""
    row = AuthorizationRow(*values)
    return msgspec.structs.replace(row, mandate=msgspec.convert(row.mandate, Mandate | None))


def redact(row: AuthorizationRow) -> AuthorizationRow:
    """The row without personal values: the one that the same events make when the paper's key is destroyed."""
    return msgspec.structs.replace(row, **dict.fromkeys(PERSONAL))


PERSONAL = ("mandate", "complete", "note", "shelf_mark", "external_id", "scan_code")
"""The columns that come from sealed fields."""
VIEW = View(
    name=NAME,
    row=AuthorizationRow,
    key=("id", "customer", "from_position"),
    json=("labels", "mandate"),
    events=EVENTS,
    fold=_build_fold,
    read=row_from_columns,
    shape=2,
    redact=redact,
)


async def find_authorization(
    conn: AsyncConnection[Any], authorization: UUID, rights: Rights, *, as_of: int | None = None
) -> tuple[AuthorizationRow | None, int]:
    """One authorization, or None if it does not exist for this caller; and the position of the view."""
    bound = {"id": authorization, "types": rights.types, "branch": rights.branch, "as_of": as_of}
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(ONE if as_of is None else ONE_AS_OF, bound, prepare=True)
        found = require_value(await cursor.fetchone(), "views.tracking has a row for each view")
    return (row_from_columns(*found[1:]) if found[1] is not None else None), found[0]


def list_due(conn: Connection[Any], today: date, limit: int, *, passed: Sequence[UUID] = ()) -> list[UUID]:
    """Authorizations that the calendar has ended by `today` and that no event has ended yet, the longest due first.

    `passed` are left out: authorizations that could not be ended would otherwise come first for ever.
    """
    bound = {"today": today, "limit": limit, "passed": list(passed)}
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(DUE, bound, prepare=True).fetchall()


def _build_find(held: str) -> str:
    return f"""
        select t.position, {", ".join(f"r.{name}" for name in VIEW.columns)}
        from views.tracking as t
        left join views.authorizations as r on r.id = %(id)s and {held} and r.type = any(%(types)s)
            and (%(branch)s::text is null or r.branch = %(branch)s)
        where t.name = 'authorizations'
    """  # noqa: S608  # constants of this module


ONE = _build_find("r.to_position is null")
ONE_AS_OF = _build_find("r.from_position <= %(as_of)s and (r.to_position is null or r.to_position > %(as_of)s)")
DUE = """
    select id
    from views.authorizations
    where to_position is null and due_on <= %(today)s and id <> all(%(passed)s)
    order by due_on, id
    limit %(limit)s
"""
