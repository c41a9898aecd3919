"""A document: archived content (or a paper that was seen and not kept) of one customer. Decide / evolve, no I/O."""

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.document_type import DocumentType
from domain.envelope import UNSET, Event, Sealed, UnsetType
from domain.refusals import N_, FieldError, IllegalTransition, ValidationFailed
from domain.values import Content, Kind, Source, TypeStamp


class DocumentStatus(StrEnum):
    ARCHIVED = "archived"
    WITHDRAWN = "withdrawn"


class Description(msgspec.Struct, frozen=True):
    """What people say about a document; corrected as a whole, so that a correction carries both."""

    note: str | None
    received_on: date


class ArchiveDocument(msgspec.Struct, frozen=True, kw_only=True):
    customer: UUID
    type: DocumentType
    source: Source
    content: Content
    sha256: bytes
    file_name: str | None
    description: Description
    evidence_of: UUID | None = None
    ground: str | None = None
    external_id: str | None = None


class NoteSeen(msgspec.Struct, frozen=True, kw_only=True):
    """No upload for a "verify, do not keep" type: what was seen, never the paper itself."""

    customer: UUID
    type: DocumentType
    paper: str
    number_suffix: str
    seen_on: date
    note: str | None = None
    external_id: str | None = None


class Describe(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is UNSET stays as it is."""

    note: str | UnsetType | None = UNSET
    received_on: date | UnsetType = UNSET
    today: date
    reason: str


class Reclassify(msgspec.Struct, frozen=True):
    type: DocumentType
    reason: str


class Withdraw(msgspec.Struct, frozen=True):
    reason: str


class Restore(msgspec.Struct, frozen=True):
    reason: str


Command = ArchiveDocument | NoteSeen | Describe | Reclassify | Withdraw | Restore


class DocumentArchived(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-archived.v1"
    customer: UUID
    type: TypeStamp
    source: Source
    content: Content
    evidence_of: UUID | None = None
    sha256: Sealed[bytes] = UNSET
    file_name: Sealed[str | None] = UNSET
    description: Sealed[Description] = UNSET
    ground: Sealed[str | None] = UNSET
    external_id: Sealed[str | None] = UNSET


class IdentitySeen(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "identity-seen.v1"
    customer: UUID
    type: TypeStamp
    seen_on: date
    paper: Sealed[str] = UNSET
    number_suffix: Sealed[str] = UNSET
    description: Sealed[Description] = UNSET
    external_id: Sealed[str | None] = UNSET


class DocumentDescribed(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-described.v1"
    customer: UUID
    old: Sealed[Description] = UNSET
    new: Sealed[Description] = UNSET
    reason: Sealed[str] = UNSET


class DocumentReclassified(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-reclassified.v1"
    customer: UUID
    old: TypeStamp
    new: TypeStamp
    reason: Sealed[str] = UNSET


class DocumentWithdrawn(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-withdrawn.v1"
    customer: UUID
    reason: Sealed[str] = UNSET


class DocumentRestored(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-restored.v1"
    customer: UUID
    reason: Sealed[str] = UNSET


DocumentEvent = (
    DocumentArchived | IdentitySeen | DocumentDescribed | DocumentReclassified | DocumentWithdrawn | DocumentRestored
)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`description` is None when the paper's key is gone. `contents` holds every version, the last is shown."""

    customer: UUID
    type: TypeStamp
    source: Source
    status: DocumentStatus
    version: int
    description: Description | None
    contents: tuple[Content, ...] = ()
    evidence_of: UUID | None = None


def decide(state: Document | None, command: Command) -> Sequence[DocumentEvent]:
    match command:
        case ArchiveDocument():
            return [_archive(command)]
        case NoteSeen():
            return [_note_seen(command)]
    if state is None:
        raise AssertionError("use cases refuse an absent document before they decide")
    match command:
        case Describe():
            return _describe(state, command)
        case Reclassify():
            return _reclassify(state, command)
        case Withdraw(reason=reason):
            _require(state, DocumentStatus.ARCHIVED)
            return [DocumentWithdrawn(customer=state.customer, reason=reason)]
        case Restore(reason=reason):
            _require(state, DocumentStatus.WITHDRAWN)
            return [DocumentRestored(customer=state.customer, reason=reason)]


def require_archivable(kind: DocumentType, source: Source, ground: str | None) -> None:
    """The type takes a file from this source; a "verify, do not keep" type only with a legal ground (edge case 19)."""
    kind.require(source)
    if kind.definition.verify_only and not ground:
        raise ValidationFailed(
            FieldError("/form/ground", N_("this type is verified, not kept: give the legal ground for a copy"))
        )


def _archive(command: ArchiveDocument) -> DocumentArchived:
    require_archivable(command.type, command.source, command.ground)
    return DocumentArchived(
        customer=command.customer,
        type=command.type.stamp,
        source=command.source,
        content=command.content,
        evidence_of=command.evidence_of,
        sha256=command.sha256,
        file_name=command.file_name,
        description=command.description,
        ground=command.ground,
        external_id=command.external_id,
    )


def _note_seen(command: NoteSeen) -> IdentitySeen:
    command.type.require(Source.NONE)
    return IdentitySeen(
        customer=command.customer,
        type=command.type.stamp,
        seen_on=command.seen_on,
        paper=command.paper,
        number_suffix=command.number_suffix,
        description=Description(command.note, command.seen_on),
        external_id=command.external_id,
    )


def _describe(state: Document, command: Describe) -> Sequence[DocumentEvent]:
    _require(state, DocumentStatus.ARCHIVED)
    old = state.description
    if old is None:
        return []
    new = Description(
        old.note if command.note is UNSET else command.note,
        old.received_on if command.received_on is UNSET else command.received_on,
    )
    if new.received_on > command.today:
        raise ValidationFailed(FieldError("/received_on", N_("must not be in the future")))
    return [DocumentDescribed(customer=state.customer, old=old, new=new, reason=command.reason)] if new != old else []


def _reclassify(state: Document, command: Reclassify) -> Sequence[DocumentEvent]:
    _require(state, DocumentStatus.ARCHIVED)
    command.type.require(state.source)
    if command.type.definition.kind is not Kind.DOCUMENT or state.evidence_of is not None:
        raise ValidationFailed(FieldError("/type", N_("evidence and authorizations keep their type")))
    if command.type.code == state.type.code:
        return []
    return [
        DocumentReclassified(customer=state.customer, old=state.type, new=command.type.stamp, reason=command.reason)
    ]


def _require(state: Document, status: DocumentStatus) -> None:
    if state.status is not status:
        raise IllegalTransition(state=state.status.value)


def evolve(state: Document | None, event: DocumentEvent) -> Document:
    match event:
        case DocumentArchived():
            return Document(
                customer=event.customer,
                type=event.type,
                source=event.source,
                status=DocumentStatus.ARCHIVED,
                version=1,
                description=event.description or None,
                contents=(event.content,),
                evidence_of=event.evidence_of,
            )
        case IdentitySeen():
            return Document(
                customer=event.customer,
                type=event.type,
                source=Source.NONE,
                status=DocumentStatus.ARCHIVED,
                version=1,
                description=event.description or None,
            )
    assert state is not None, "a document begins with DocumentArchived or IdentitySeen"
    version = state.version + 1
    match event:
        case DocumentDescribed(new=new):
            return msgspec.structs.replace(state, version=version, description=new or None)
        case DocumentReclassified(new=stamp):
            return msgspec.structs.replace(state, version=version, type=stamp)
        case DocumentWithdrawn():
            return msgspec.structs.replace(state, version=version, status=DocumentStatus.WITHDRAWN)
        case DocumentRestored():
            return msgspec.structs.replace(state, version=version, status=DocumentStatus.ARCHIVED)


def fold(events: Iterable[DocumentEvent]) -> Document | None:
    state: Document | None = None
    for event in events:
        state = evolve(state, event)
    return state
