"""A document: archived content of one customer, or a paper that was seen and not kept. Decide / evolve, no I/O."""

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.destruction import DestructionGround
from domain.document_type import DocumentType
from domain.envelope import UNSET, Event, Sealed, UnsetType
from domain.hold import Hold, Holds, LiftHold, PlaceHold, require_liftable, require_placeable, without_hold
from domain.promises import require_value
from domain.refusals import N_, FieldError, IllegalTransition, ValidationFailed
from domain.values import Content, Kind, Source, TypeStamp


class DocumentStatus(StrEnum):
    ARCHIVED = "archived"
    WITHDRAWN = "withdrawn"
    DESTROYED = "destroyed"


class Description(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text that people add to a document; corrected as a whole, so that a correction carries both versions.

    The title was added later: an event without one is written and read as before.
    """

    note: str | None
    received_on: date
    title: str | None = None


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
    """No upload for a "verify, do not keep" type: records that a paper was seen, never the paper itself."""

    customer: UUID
    type: DocumentType
    paper: str
    number_suffix: str
    seen_on: date
    note: str | None = None
    external_id: str | None = None


class Describe(msgspec.Struct, frozen=True, kw_only=True):
    """Change the description; an UNSET part stays as it is."""

    note: str | UnsetType | None = UNSET
    received_on: date | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    today: date
    reason: str


class Reclassify(msgspec.Struct, frozen=True):
    type: DocumentType
    reason: str


class Withdraw(msgspec.Struct, frozen=True):
    reason: str


class Restore(msgspec.Struct, frozen=True):
    reason: str


class Reassign(msgspec.Struct, frozen=True):
    """Move the document to the right customer (G2)."""

    customer: UUID
    reason: str


class ReplaceContent(msgspec.Struct, frozen=True, kw_only=True):
    """Add a better scan or a further page as a new version; earlier versions are kept (G4)."""

    content: Content
    sha256: bytes
    file_name: str | None
    reason: str


class LinkCustomer(msgspec.Struct, frozen=True):
    """Link a second customer to a joint paper, who then sees it too (G6)."""

    customer: UUID
    reason: str


class UnlinkCustomer(msgspec.Struct, frozen=True):
    customer: UUID
    reason: str


class DestroyDocument(msgspec.Struct, frozen=True):
    """Destroy the content and the key of the document (G10). Only its tombstone stays: ids, type, dates, digests."""

    ground: DestructionGround


Command = (
    ArchiveDocument
    | NoteSeen
    | Describe
    | Reclassify
    | Withdraw
    | Restore
    | Reassign
    | ReplaceContent
    | LinkCustomer
    | UnlinkCustomer
    | PlaceHold
    | LiftHold
    | DestroyDocument
)


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


class DocumentReassigned(Event, frozen=True, kw_only=True):
    """`customer` is the right customer, `old` the previous one."""

    topic: ClassVar[str] = "document-reassigned.v1"
    customer: UUID
    old: UUID
    reason: Sealed[str] = UNSET


class ContentReplaced(Event, frozen=True, kw_only=True):
    """Old and new file names are sealed; the old content stays under its own id."""

    topic: ClassVar[str] = "content-replaced.v1"
    customer: UUID
    old_content: UUID
    content: Content
    old_sha256: Sealed[bytes] = UNSET
    sha256: Sealed[bytes] = UNSET
    old_file_name: Sealed[str | None] = UNSET
    file_name: Sealed[str | None] = UNSET
    reason: Sealed[str] = UNSET


class CustomerLinked(Event, frozen=True, kw_only=True):
    """`linked` is the added customer; `customer` stays the primary one."""

    topic: ClassVar[str] = "customer-linked.v1"
    customer: UUID
    linked: UUID
    reason: Sealed[str] = UNSET


class CustomerUnlinked(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "customer-unlinked.v1"
    customer: UUID
    linked: UUID
    reason: Sealed[str] = UNSET


class DocumentHoldPlaced(Event, frozen=True, kw_only=True):
    """A legal hold on the document, in force up to and including `until`; None: until it is lifted."""

    topic: ClassVar[str] = "document-hold-placed.v1"
    customer: UUID
    hold: UUID
    until: date | None
    reason: Sealed[str] = UNSET


class DocumentHoldLifted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-hold-lifted.v1"
    customer: UUID
    hold: UUID
    reason: Sealed[str] = UNSET


class ContentDestroyed(Event, frozen=True, kw_only=True):
    """The last event of a document. Its append deletes the document's key, so it has no sealed field. `contents` are
    all contents that the document ever had."""

    topic: ClassVar[str] = "content-destroyed.v1"
    customer: UUID
    was: DocumentStatus
    contents: tuple[UUID, ...]
    ground: DestructionGround


DocumentEvent = (
    DocumentArchived
    | IdentitySeen
    | DocumentDescribed
    | DocumentReclassified
    | DocumentWithdrawn
    | DocumentRestored
    | DocumentReassigned
    | ContentReplaced
    | CustomerLinked
    | CustomerUnlinked
    | DocumentHoldPlaced
    | DocumentHoldLifted
    | ContentDestroyed
)


class ContentVersion(msgspec.Struct, frozen=True):
    """A content version. `sha256` and `name` are None when the paper's key is destroyed."""

    content: Content
    sha256: bytes | None
    name: str | None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a document. `description` is None when the paper's key is destroyed. `files` holds every content
    version; the last one is shown.

    `linked` are further customers of a joint paper; `customer` is the primary one (I1).
    """

    customer: UUID
    type: TypeStamp
    source: Source
    status: DocumentStatus
    version: int
    description: Description | None
    files: tuple[ContentVersion, ...] = ()
    evidence_of: UUID | None = None
    linked: frozenset[UUID] = frozenset()
    holds: Holds = ()

    @property
    def is_archived(self) -> bool:
        return self.status is DocumentStatus.ARCHIVED


def decide(state: Document | None, command: Command) -> Sequence[DocumentEvent]:
    match command:
        case ArchiveDocument():
            return [_archive_document(command)]
        case NoteSeen():
            return [_note_seen(command)]
    if state is None:
        raise AssertionError("use cases refuse an absent document before they decide")
    if state.status is DocumentStatus.DESTROYED:
        return _decide_destroyed(command)
    match command:
        case Describe():
            return _describe_document(state, command)
        case Reclassify():
            return _reclassify_document(state, command)
        case Withdraw(reason=reason):
            _require_status(state, DocumentStatus.ARCHIVED)
            return [DocumentWithdrawn(customer=state.customer, reason=reason)]
        case Restore(reason=reason):
            _require_status(state, DocumentStatus.WITHDRAWN)
            return [DocumentRestored(customer=state.customer, reason=reason)]
        case Reassign(customer=customer, reason=reason):
            moved = DocumentReassigned(customer=customer, old=state.customer, reason=reason)
            return [moved] if customer != state.customer else []
        case ReplaceContent():
            return _replace_content(state, command)
        case LinkCustomer(customer=customer, reason=reason):
            linked = CustomerLinked(customer=state.customer, linked=customer, reason=reason)
            return [linked] if customer not in _customers_of(state) else []
        case UnlinkCustomer():
            return _unlink_customer(state, command)
        case PlaceHold(hold=hold, until=until, reason=reason):
            require_placeable(command)
            return [DocumentHoldPlaced(customer=state.customer, hold=hold, until=until, reason=reason)]
        case LiftHold(hold=hold, reason=reason):
            require_liftable(state.holds, command)
            return [DocumentHoldLifted(customer=state.customer, hold=hold, reason=reason)]
        case DestroyDocument(ground=ground):
            contents = tuple(file.content.id for file in state.files)
            return [ContentDestroyed(customer=state.customer, was=state.status, contents=contents, ground=ground)]


def _decide_destroyed(command: Command) -> Sequence[DocumentEvent]:
    """Destroying again changes nothing, so that an interrupted disposal can be repeated. All else is refused."""
    if isinstance(command, DestroyDocument):
        return []
    raise IllegalTransition(state=DocumentStatus.DESTROYED.value)


def require_archivable(
    document_type: DocumentType, source: Source, ground: str | None, *, evidence: bool = False
) -> None:
    """Raise a refusal unless the type accepts a file from this source; a "verify, do not keep" type requires a legal
    ground (edge case 19).

    Evidence of an issued form is accepted although its type was switched off in between.
    """
    if not evidence:
        document_type.require_active()
    document_type.require_source(source)
    if document_type.definition.verify_only and not ground:
        raise ValidationFailed(
            FieldError(
                "ground",
                N_("is required: copies of this document type are kept only on a legal ground"),
            )
        )


def _archive_document(command: ArchiveDocument) -> DocumentArchived:
    require_archivable(command.type, command.source, command.ground, evidence=command.evidence_of is not None)
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
    command.type.require_usable(Source.NONE)
    return IdentitySeen(
        customer=command.customer,
        type=command.type.stamp,
        seen_on=command.seen_on,
        paper=command.paper,
        number_suffix=command.number_suffix,
        description=Description(command.note, command.seen_on),
        external_id=command.external_id,
    )


def _describe_document(state: Document, command: Describe) -> Sequence[DocumentEvent]:
    _require_status(state, DocumentStatus.ARCHIVED)
    old = state.description
    if old is None:
        return []
    new = Description(
        old.note if command.note is UNSET else command.note,
        old.received_on if command.received_on is UNSET else command.received_on,
        old.title if command.title is UNSET else command.title,
    )
    if new.received_on > command.today:
        raise ValidationFailed(FieldError("received_on", N_("must not be in the future")))
    return [DocumentDescribed(customer=state.customer, old=old, new=new, reason=command.reason)] if new != old else []


def _reclassify_document(state: Document, command: Reclassify) -> Sequence[DocumentEvent]:
    _require_status(state, DocumentStatus.ARCHIVED)
    command.type.require_usable(state.source)
    if command.type.definition.kind is not Kind.DOCUMENT or state.evidence_of is not None:
        raise ValidationFailed(FieldError("type", N_("evidence and authorizations keep their type")))
    if command.type.code == state.type.code:
        return []
    return [
        DocumentReclassified(customer=state.customer, old=state.type, new=command.type.stamp, reason=command.reason)
    ]


def require_replaceable(state: Document) -> None:
    """Raise a refusal unless the document is archived and has content."""
    _require_status(state, DocumentStatus.ARCHIVED)
    if not state.files:
        raise ValidationFailed(FieldError("file", N_("has nothing to replace: this paper was seen and not kept")))


def _replace_content(state: Document, command: ReplaceContent) -> Sequence[DocumentEvent]:
    require_replaceable(state)
    old = state.files[-1]
    if old.sha256 is None or old.sha256 == command.sha256:
        return []
    return [
        ContentReplaced(
            customer=state.customer,
            old_content=old.content.id,
            content=command.content,
            old_sha256=old.sha256,
            sha256=command.sha256,
            old_file_name=old.name,
            file_name=command.file_name,
            reason=command.reason,
        )
    ]


def _unlink_customer(state: Document, command: UnlinkCustomer) -> Sequence[DocumentEvent]:
    """Unlink a customer. The primary customer cannot be unlinked (I1); no event for a customer who is not linked."""
    if command.customer == state.customer:
        raise ValidationFailed(FieldError("customer", N_("is the primary customer: move the document instead")))
    if command.customer not in state.linked:
        return []
    return [CustomerUnlinked(customer=state.customer, linked=command.customer, reason=command.reason)]


def _customers_of(state: Document) -> frozenset[UUID]:
    return state.linked | {state.customer}


def _require_status(state: Document, status: DocumentStatus) -> None:
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
                files=(_file_from(event),),
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
    state = require_value(state, "a document begins with DocumentArchived or IdentitySeen")
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
        case DocumentReassigned(customer=customer):
            linked = state.linked - {customer}
            return msgspec.structs.replace(state, version=version, customer=customer, linked=linked)
        case ContentReplaced():
            return msgspec.structs.replace(state, version=version, files=(*state.files, _file_from(event)))
        case CustomerLinked(linked=customer):
            return msgspec.structs.replace(state, version=version, linked=state.linked | {customer})
        case CustomerUnlinked(linked=customer):
            return msgspec.structs.replace(state, version=version, linked=state.linked - {customer})
        case DocumentHoldPlaced(hold=hold, until=until):
            return msgspec.structs.replace(state, version=version, holds=(*state.holds, Hold(hold, until)))
        case DocumentHoldLifted(hold=hold):
            return msgspec.structs.replace(state, version=version, holds=without_hold(state.holds, hold))
        case ContentDestroyed():
            files = tuple(ContentVersion(file.content, None, None) for file in state.files)
            status = DocumentStatus.DESTROYED
            return msgspec.structs.replace(state, version=version, status=status, description=None, files=files)


def _file_from(event: DocumentArchived | ContentReplaced) -> ContentVersion:
    return ContentVersion(event.content, event.sha256 or None, event.file_name or None)


def fold(events: Iterable[DocumentEvent]) -> Document | None:
    state: Document | None = None
    for event in events:
        state = evolve(state, event)
    return state
