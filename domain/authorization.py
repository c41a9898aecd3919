"""An authorization: a signed statement the library may act on, with or without its paper. Mandates are a kind of it."""

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.document_type import DocumentType
from domain.envelope import UNSET, Event, Sealed
from domain.refusals import N_, FieldError, SourceNotAllowed, ValidationFailed
from domain.values import Kind, Source, TypeStamp


class AuthorizationStatus(StrEnum):
    """The life cycle of domain.md §3; what changes it comes with the events of an authorization's life."""

    ACTIVE = "active"


class SequenceType(StrEnum):
    FIRST = "first"
    RECURRING = "recurring"
    ONE_OFF = "one_off"


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """Collection data of a SEPA mandate. Complete when IBAN and signature date are known (I7)."""

    debtor_name: str | None = None
    iban: str | None = None
    bic: str | None = None
    mandate_reference: str | None = None
    creditor_id: str | None = None
    signature_date: date | None = None
    sequence_type: SequenceType = SequenceType.RECURRING

    @property
    def complete(self) -> bool:
        return self.iban is not None and self.signature_date is not None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed, as far as staff typed it."""

    signed_on: date
    valid_from: date | None = None
    valid_until: date | None = None


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """Note an authorization on an account: by No upload, or beside its evidence that arrives in the same save."""

    customer: UUID
    type: DocumentType
    source: Source
    original_held: bool
    shelf_mark: str | None
    terms: Terms
    today: date
    mandate: Mandate | None = None
    note: str | None = None
    external_id: str | None = None


class AttachEvidence(msgspec.Struct, frozen=True):
    document: UUID


Command = Register | AttachEvidence


class AuthorizationRegistered(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-registered.v1"
    customer: UUID
    type: TypeStamp
    source: Source
    original_held: bool
    terms: Terms
    shelf_mark: Sealed[str | None] = UNSET
    mandate: Sealed[Mandate | None] = UNSET
    note: Sealed[str | None] = UNSET
    external_id: Sealed[str | None] = UNSET


class EvidenceAttached(Event, frozen=True, kw_only=True):
    """The paper of an authorization is archived: the original need not be kept on a shelf any longer (D9)."""

    topic: ClassVar[str] = "evidence-attached.v1"

    customer: UUID
    document: UUID
    original_was_held: bool


AuthorizationEvent = AuthorizationRegistered | EvidenceAttached


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    customer: UUID
    type: TypeStamp
    status: AuthorizationStatus
    version: int
    original_held: bool
    mandate: Mandate | None
    evidence: UUID | None = None


def decide(state: Authorization | None, command: Command) -> Sequence[AuthorizationEvent]:
    match command:
        case Register():
            return [_register(command)]
        case AttachEvidence(document=document):
            assert state is not None, "use cases refuse an absent authorization before they decide"
            return [EvidenceAttached(customer=state.customer, document=document, original_was_held=state.original_held)]


def _register(command: Register) -> AuthorizationRegistered:
    command.type.require(command.source)
    if command.type.definition.kind is Kind.DOCUMENT:
        # I3: No upload is for authorizations and mandates; a "verify only" type notes what was seen instead.
        raise SourceNotAllowed(type=command.type.code, source=command.source.value)
    if errors := [*_wrong_original(command), *_wrong_terms(command), *_wrong_mandate(command)]:
        raise ValidationFailed(*errors)
    return AuthorizationRegistered(
        customer=command.customer,
        type=command.type.stamp,
        source=command.source,
        original_held=command.original_held,
        terms=command.terms,
        shelf_mark=command.shelf_mark,
        mandate=command.mandate,
        note=command.note,
        external_id=command.external_id,
    )


def _wrong_original(command: Register) -> Iterable[FieldError]:
    if command.source is Source.NONE and not command.original_held:
        yield FieldError("/original/held", N_("must be true: without a file the original must be kept on paper"))


def _wrong_terms(command: Register) -> Iterable[FieldError]:
    terms = command.terms
    if terms.signed_on > command.today:
        yield FieldError("/signed_on", N_("must not be in the future"))
    if terms.valid_from and terms.valid_until and terms.valid_until < terms.valid_from:
        yield FieldError("/valid_until", N_("must not be before valid_from"))


def _wrong_mandate(command: Register) -> Iterable[FieldError]:
    if command.mandate is None:
        return
    if command.type.definition.kind is not Kind.MANDATE:
        yield FieldError("/mandate", N_("is only for types of kind mandate"))
    signed = command.mandate.signature_date
    if signed is not None and signed > command.today:
        yield FieldError("/mandate/signature_date", N_("must not be in the future"))


def evolve(state: Authorization | None, event: AuthorizationEvent) -> Authorization:
    match event:
        case AuthorizationRegistered():
            return Authorization(
                customer=event.customer,
                type=event.type,
                status=AuthorizationStatus.ACTIVE,
                version=1,
                original_held=event.original_held,
                mandate=event.mandate or None,
            )
        case EvidenceAttached(document=document):
            assert state is not None, "an authorization begins with AuthorizationRegistered"
            return msgspec.structs.replace(state, version=state.version + 1, original_held=False, evidence=document)


def fold(events: Iterable[AuthorizationEvent]) -> Authorization | None:
    state: Authorization | None = None
    for event in events:
        state = evolve(state, event)
    return state
