"""Events of documents and authorizations become rows of the view customer_documents. Pure; view.py writes the rows."""

from collections.abc import Sequence
from datetime import date
from typing import Any, assert_never, get_args
from uuid import UUID

import msgspec

from domain.authorization import (
    AuthorizationCancelled,
    AuthorizationDestroyed,
    AuthorizationEvent,
    AuthorizationExpired,
    AuthorizationHoldLifted,
    AuthorizationHoldPlaced,
    AuthorizationIssued,
    AuthorizationReassigned,
    AuthorizationRegistered,
    AuthorizationReinstated,
    AuthorizationResumed,
    AuthorizationRevoked,
    AuthorizationSigned,
    AuthorizationStatus,
    AuthorizationSuperseded,
    AuthorizationSuspended,
    CollectionReported,
    EvidenceAttached,
    EvidenceRestored,
    EvidenceWithdrawn,
    MandateAmended,
    NoteWithdrawn,
    RevocationReceived,
    Terms,
)
from domain.calendar import day_before
from domain.document import (
    ContentDestroyed,
    ContentReplaced,
    CustomerLinked,
    CustomerUnlinked,
    Description,
    DocumentArchived,
    DocumentDescribed,
    DocumentEvent,
    DocumentHoldLifted,
    DocumentHoldPlaced,
    DocumentReassigned,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.envelope import Recorded, UnsetType
from domain.promises import require_value
from domain.values import Kind, Source, TypeStamp
from projections.customer_documents.items import item_base_of, with_evidence
from projections.customer_documents.row import NAME, PaperRow
from projections.reading import json_text
from projections.view import Versions, View, value_or_none

PaperEvent = DocumentEvent | AuthorizationEvent
EVENTS = frozenset(get_args(PaperEvent))


def evolve(row: PaperRow | None, recorded: Recorded[PaperEvent]) -> PaperRow:
    """The next version of a paper's row."""
    after = _apply_event(row, recorded)
    return msgspec.structs.replace(after, item=json_text(item_base_of(after)))


def _apply_event(row: PaperRow | None, recorded: Recorded[PaperEvent]) -> PaperRow:
    body = recorded.envelope.body
    match body:
        case DocumentArchived():
            return _row_from_archiving(recorded, body)
        case IdentitySeen():
            return _row_from_verification(recorded, body)
        case AuthorizationRegistered():
            return _row_from_registration(recorded, body)
        case AuthorizationIssued():
            return _row_from_issue(recorded, body)
    row = require_value(row, "a paper begins with the event that archives, notes, issues or registers it")
    match body:
        case DocumentDescribed(new=new):
            return _next_version(row, recorded, **_columns_of_description(new))
        case DocumentReclassified(new=stamp):
            return _next_version(row, recorded, type=stamp.code, labels=stamp.labels)
        case DocumentWithdrawn():
            return _next_version(row, recorded, status=DocumentStatus.WITHDRAWN.value)
        case DocumentRestored():
            return _next_version(row, recorded, status=DocumentStatus.ARCHIVED.value)
        case DocumentReassigned(customer=customer):
            return _next_version(row, recorded, customer=customer, linked_customers=_links_without(row, customer))
        case ContentReplaced():
            return _next_version(row, recorded, content_version=row.content_version + 1, **_columns_of_content(body))
        case CustomerLinked(linked=customer):
            return _next_version(row, recorded, linked_customers=[*row.linked_customers, str(customer)])
        case CustomerUnlinked(linked=customer):
            return _next_version(row, recorded, linked_customers=_links_without(row, customer))
        case AuthorizationSigned():
            return _next_version(row, recorded, **_columns_of_signature(row, body))
        case EvidenceAttached(document=document):
            return _next_version(row, recorded, original_held=False, evidence=document, withdrawn_evidence=None)
        case EvidenceWithdrawn():
            return _next_version(row, recorded, **_columns_of_withdrawal(row, body))
        case EvidenceRestored():
            return _next_version(row, recorded, **_columns_of_restoration(row, body))
        case NoteWithdrawn():
            return _next_version(row, recorded, **_columns_of_note_withdrawal(row, body))
        case AuthorizationSuspended():
            return _next_version(row, recorded, status=AuthorizationStatus.SUSPENDED.value)
        case AuthorizationResumed():
            return _next_version(row, recorded, status=AuthorizationStatus.ACTIVE.value)
        case AuthorizationRevoked(effective_on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.REVOKED, day_before(on)))
        case AuthorizationSuperseded(on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.SUPERSEDED, on))
        case AuthorizationExpired(on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.EXPIRED, on))
        case AuthorizationReinstated(status=status):
            return _next_version(row, recorded, **_columns_of_reinstatement(row, status))
        case AuthorizationCancelled(on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.CANCELLED, on))
        case CollectionReported(due_on=due_on):
            return _next_version(row, recorded, **_columns_of_collection(row, due_on))
        case AuthorizationReassigned(customer=customer):
            return _next_version(row, recorded, customer=customer)
        case ContentDestroyed():
            return _next_version(row, recorded, status=DocumentStatus.DESTROYED.value, preview=False)
        case AuthorizationDestroyed():
            return _next_version(row, recorded, status=AuthorizationStatus.DESTROYED.value, original_held=False)
        case MandateAmended() | RevocationReceived():  # not shown here, but the ETag moves
            return _next_version(row, recorded)
        case DocumentHoldPlaced() | DocumentHoldLifted() | AuthorizationHoldPlaced() | AuthorizationHoldLifted():
            return _next_version(row, recorded)  # the view `holds` has them
    assert_never(body)


def _links_without(row: PaperRow, customer: UUID) -> list[str]:
    return [linked for linked in row.linked_customers if linked != str(customer)]


def _row_from_archiving(recorded: Recorded[PaperEvent], body: DocumentArchived) -> PaperRow:
    return _first_version(
        recorded,
        customer=body.customer,
        kind=Kind.DOCUMENT,
        stamp=body.type,
        status=DocumentStatus.ARCHIVED.value,
        source=body.source,
        content_version=1,
        evidence_of=body.evidence_of,
        external_id=value_or_none(body.external_id),
        **_columns_of_content(body),
        **_columns_of_description(body.description),
    )


def _columns_of_content(body: DocumentArchived | ContentReplaced) -> dict[str, Any]:
    content, digest = body.content, value_or_none(body.sha256)
    return {
        "file_name": value_or_none(body.file_name),
        "media_type": content.media_type,
        "size_bytes": content.size_bytes,
        "sha256": digest.hex() if digest else None,
        "pages": content.pages,
        "preview": content.preview,
        "password_protected": content.password_protected,
        "flags": list(content.flags),
        "content_id": content.id,
        "sealed_size_bytes": content.sealed_size_bytes,
        "sealed_sha256": content.sealed_sha256.hex(),
    }


def _columns_of_description(given: Description | UnsetType) -> dict[str, Any]:
    found = value_or_none(given)
    return {
        "note": found.note if found else None,
        "received_on": found.received_on if found else None,
        "title": found.title if found else None,
    }


def _row_from_verification(recorded: Recorded[PaperEvent], body: IdentitySeen) -> PaperRow:
    return _first_version(
        recorded,
        customer=body.customer,
        kind=Kind.DOCUMENT,
        stamp=body.type,
        status=DocumentStatus.ARCHIVED.value,
        source=Source.NONE,
        external_id=value_or_none(body.external_id),
        paper=value_or_none(body.paper),
        number_suffix=value_or_none(body.number_suffix),
        seen_on=body.seen_on,
        **_columns_of_description(body.description),
    )


def _row_from_issue(recorded: Recorded[PaperEvent], body: AuthorizationIssued) -> PaperRow:
    return _first_version(
        recorded,
        customer=body.customer,
        kind=body.type.kind,
        stamp=body.type,
        status=AuthorizationStatus.ISSUED.value,
        source=Source.NONE,
        note=value_or_none(body.note),
        scan_code=value_or_none(body.scan_code),
        external_id=value_or_none(body.external_id),
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        retention_from=body.valid_until,
    )


def _row_from_registration(recorded: Recorded[PaperEvent], body: AuthorizationRegistered) -> PaperRow:
    """The source is `none` until evidence is attached, whatever brought the authorization: the list shows the
    evidence's."""
    return _first_version(
        recorded,
        customer=body.customer,
        kind=body.type.kind,
        stamp=body.type,
        status=AuthorizationStatus.ACTIVE.value,
        source=Source.NONE,
        original_held=body.original_held,
        note=value_or_none(body.note),
        shelf_mark=value_or_none(body.shelf_mark),
        scan_code=value_or_none(body.scan_code),
        external_id=value_or_none(body.external_id),
        last_collection_on=body.last_collection_on,
        **_columns_of_terms(body.terms),
    )


def _columns_of_terms(terms: Terms) -> dict[str, Any]:
    """While the authorization is in force its retention counts from the end of its validity."""
    return {**msgspec.structs.asdict(terms), "retention_from": terms.valid_until}


def _columns_of_signature(row: PaperRow, body: AuthorizationSigned) -> dict[str, Any]:
    """A note and an id given with the signature replace those of the form."""
    return {
        "status": AuthorizationStatus.ACTIVE.value,
        "original_held": body.original_held,
        "shelf_mark": value_or_none(body.shelf_mark),
        "note": row.note if value_or_none(body.note) is None else body.note,
        "external_id": row.external_id if value_or_none(body.external_id) is None else body.external_id,
        **_columns_of_terms(body.terms),
    }


def _columns_of_withdrawal(row: PaperRow, body: EvidenceWithdrawn) -> dict[str, Any]:
    """`withdrawn_evidence` stays until a paper is attached or restored."""
    return {
        **_columns_of_ground(row, body),
        "original_held": body.original_held,
        "evidence": None,
        "withdrawn_evidence": body.document,
    }


def _columns_of_restoration(row: PaperRow, body: EvidenceRestored) -> dict[str, Any]:
    return {
        **_columns_of_ground(row, body),
        "original_held": False,
        "evidence": body.document,
        "withdrawn_evidence": None,
    }


def _columns_of_note_withdrawal(row: PaperRow, body: NoteWithdrawn) -> dict[str, Any]:
    terms = {"signed_on": None, "valid_from": body.valid_from, "valid_until": body.valid_until}
    original = {"original_held": False, "shelf_mark": None}
    if body.status is AuthorizationStatus.ISSUED:
        return {**terms, **original, "status": body.status.value, "retention_from": body.valid_until}
    return {**terms, **original, **_columns_of_end(row, body.status, body.on)}


def _columns_of_ground(row: PaperRow, body: EvidenceWithdrawn | EvidenceRestored) -> dict[str, Any]:
    """The dates that count as signed. The retention of an ended authorization keeps its start whatever happens to its
    paper."""
    signed = {name: getattr(body, name) for name in ("signed_on", "valid_from", "valid_until")}
    retention_from = row.retention_from if body.status is body.was else body.valid_until
    return {"status": body.status.value, **signed, "retention_from": retention_from}


def _columns_of_end(row: PaperRow, status: AuthorizationStatus, last_day: date) -> dict[str, Any]:
    """A mandate is retained from its end or its last collection, whichever is later (docs/domain.md §4)."""
    return {"status": status.value, "retention_from": max(last_day, row.last_collection_on or last_day)}


def _columns_of_reinstatement(row: PaperRow, status: AuthorizationStatus) -> dict[str, Any]:
    """The retention counts from the end of the validity again."""
    ends = row.valid_until
    return {"status": status.value, "retention_from": ends and max(ends, row.last_collection_on or ends)}


def _columns_of_collection(row: PaperRow, due_on: date) -> dict[str, Any]:
    last = max(due_on, row.last_collection_on or due_on)
    return {"last_collection_on": last, "retention_from": row.retention_from and max(last, row.retention_from)}


def _first_version(
    recorded: Recorded[PaperEvent],
    *,
    customer: UUID,
    kind: Kind,
    stamp: TypeStamp,
    status: str,
    source: Source,
    original_held: bool = False,
    **fields: Any,
) -> PaperRow:
    envelope = recorded.envelope
    return PaperRow(
        id=envelope.originator_id,
        customer=customer,
        from_position=recorded.position,
        to_position=None,
        created_position=recorded.position,
        version=envelope.originator_version,
        kind=str(kind),
        type=stamp.code,
        labels=stamp.labels,
        status=status,
        source=str(source),
        original_held=original_held,
        recorded_at=recorded.recorded_at,
        actor=envelope.meta.actor,
        branch=envelope.meta.branch,
        **fields,
    )


def _next_version(row: PaperRow, recorded: Recorded[PaperEvent], **changes: Any) -> PaperRow:
    return msgspec.structs.replace(
        row, from_position=recorded.position, version=recorded.envelope.originator_version, **changes
    )


PERSONAL = (
    "file_name",
    "note",
    "sha256",
    "received_on",
    "scan_code",
    "shelf_mark",
    "external_id",
    "paper",
    "number_suffix",
    "title",
)
"""The columns that come from sealed fields."""


def redact(row: PaperRow) -> PaperRow:
    """The row without personal values: the one that the same events make when the paper's key is destroyed."""
    bare = msgspec.structs.replace(row, **dict.fromkeys(PERSONAL))
    return msgspec.structs.replace(bare, item=json_text(item_base_of(bare)))


def row_and_copies(row: PaperRow) -> Sequence[PaperRow]:
    """The row, and a copy for each linked customer, in whose list even evidence is a document of its own."""
    if not row.linked_customers:
        return (row,)
    copy = msgspec.structs.replace(row, linked=True, linked_customers=[], evidence_of=None)
    return (row, *(msgspec.structs.replace(copy, customer=UUID(customer)) for customer in row.linked_customers))


VIEW = View(
    name=NAME,
    row=PaperRow,
    key=("id", "customer", "from_position"),
    json=("labels",),
    events=EVENTS,
    fold=lambda stored: Versions(evolve, EVENTS, stored, redact),
    read=PaperRow,
    shape=3,
    expand=row_and_copies,
    redact=redact,
)


def fold_item(recorded: Sequence[Recorded[Any]]) -> PaperRow:
    """The row that these events make, as `fetch_page` and `find_paper` show it once the view has them: the answer to a
    write.

    They are all events of one paper, or of an authorization and the document that is its evidence.
    """
    fold = VIEW.fold(())
    for event in recorded:
        fold.add_event(event, event.recorded_at)
    rows = {row.id: row for row in fold.take_rows().rows if isinstance(row, PaperRow) and row.to_position is None}
    listed = next((row for row in rows.values() if row.evidence_of not in rows), None)
    listed = require_value(listed, "they are events of a paper")
    return with_evidence(listed, rows.get(listed.evidence) if listed.evidence else None)
