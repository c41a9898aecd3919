"""An authorization: a signed statement that the library may act on, with or without its paper. A mandate is one kind.

Decide / evolve, no I/O. Mandate rules: domain/mandate.py. The use cases of domain/archive.py load, decide and append.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.calendar import add_months, day_after, day_before
from domain.destruction import DestructionGround
from domain.document_type import DocumentType
from domain.envelope import UNSET, Event, Sealed, UnsetType
from domain.hold import Hold, Holds, LiftHold, PlaceHold, require_liftable, require_placeable, without_hold
from domain.mandate import (
    Amendment,
    CollectionOutcome,
    Mandate,
    amend_mandate,
    apply_collection,
    diff_fields,
    last_day,
    stays_with_bank,
)
from domain.promises import require_value
from domain.refusals import (
    N_,
    AuthorizationNotActive,
    CollectionPresented,
    EvidenceAttachedSince,
    EvidenceChanged,
    FieldError,
    IllegalTransition,
    LapseStands,
    ScanCodeRedeemed,
    SourceNotAllowed,
    ValidationFailed,
)
from domain.values import Kind, Source, TypeStamp


class AuthorizationStatus(StrEnum):
    """issued → active ⇄ suspended → revoked | expired | superseded; issued → cancelled | expired (docs/domain.md §3).
    Active or suspended → issued when the only evidence is withdrawn, and back when it is restored; → issued, or
    cancelled without a scan code, when it was noted by mistake. Expired, or revoked by the calendar, → the previous
    status, when the calendar was wrong. Any ended one → destroyed, when its retention has ended."""

    ISSUED = "issued"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    DESTROYED = "destroyed"


ISSUED, ACTIVE, SUSPENDED = AuthorizationStatus.ISSUED, AuthorizationStatus.ACTIVE, AuthorizationStatus.SUSPENDED
IN_FORCE = (ACTIVE, SUSPENDED)
ENDED = (
    AuthorizationStatus.REVOKED,
    AuthorizationStatus.EXPIRED,
    AuthorizationStatus.SUPERSEDED,
    AuthorizationStatus.CANCELLED,
)


class ExpiryCause(StrEnum):
    FORM = "form"  # never signed within the time printed on the form
    VALIDITY = "validity"
    NO_COLLECTION = "no-collection"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The signed terms, as far as staff typed them."""

    signed_on: date
    valid_from: date | None = None
    valid_until: date | None = None


# -- commands ---------------------------------------------------------------------------------------------------


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Issue a form with a scan code (F1). It can be signed up to and including `lapses_on`."""

    customer: UUID
    type: DocumentType
    scan_code: str
    language: str
    lapses_on: date
    today: date
    mandate: Mandate | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    note: str | None = None
    external_id: str | None = None


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """Record an authorization of a customer: by No upload, or together with the evidence that is stored in the same
    save."""

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
    scan_code: str | None = None
    last_collection_on: date | None = None
    """For a mandate that was used in another system: the due date of its last collection there, for the 36-month
    rule."""


class NoteSigned(msgspec.Struct, frozen=True, kw_only=True):
    """No upload by code: the signed form is kept on paper (D2). A `mandate` replaces the one that the form was issued
    with."""

    type: DocumentType
    original_held: bool
    shelf_mark: str | None
    terms: Terms
    today: date
    mandate: Mandate | None = None
    note: str | None = None
    external_id: str | None = None


class AttachEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Attach the archived `document` as evidence. The first evidence of an issued form also signs it."""

    document: UUID
    type: DocumentType
    source: Source
    terms: Terms
    today: date


class WithdrawEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraw the `document`. `lapses_on`: the last day on which a new paper is accepted, when no form gives that
    day."""

    document: UUID
    lapses_on: date
    today: date
    reason: str


class RestoreEvidence(msgspec.Struct, frozen=True, kw_only=True):
    document: UUID
    today: date
    reason: str


class WithdrawNote(msgspec.Struct, frozen=True, kw_only=True):
    """Take back what No upload noted by mistake. `lapses_on`: as in WithdrawEvidence."""

    lapses_on: date
    today: date
    reason: str


class Amend(msgspec.Struct, frozen=True):
    amendment: Amendment
    today: date
    reason: str
    blank: Mandate
    """The reference and creditor that the archive fills in for a mandate that was noted without collection data."""


class Suspend(msgspec.Struct, frozen=True):
    today: date
    reason: str


class Resume(msgspec.Struct, frozen=True):
    today: date
    reason: str


class Revoke(msgspec.Struct, frozen=True, kw_only=True):
    """Revoke on behalf of the customer. `received_on`: the day the customer's word arrived. `effective_on`: the first
    day on which the authorization no longer holds; may be later than today."""

    received_on: date
    effective_on: date
    today: date
    reason: str


class Supersede(msgspec.Struct, frozen=True):
    by: UUID
    successor: "Authorization"
    today: date
    reason: str


class Cancel(msgspec.Struct, frozen=True):
    today: date
    reason: str


class ReportCollection(msgspec.Struct, frozen=True, kw_only=True):
    presented_on: date
    due_on: date
    outcome: CollectionOutcome
    today: date
    reference: str | None = None


class Lapse(msgspec.Struct, frozen=True):
    """Apply what the calendar has decided up to `today`: an expiry, or a revocation that has become effective."""

    today: date


class Reinstate(msgspec.Struct, frozen=True):
    """Undo a Lapse that was recorded on a wrong day, or before a collection of its time was reported."""

    today: date
    reason: str


class Reassign(msgspec.Struct, frozen=True):
    customer: UUID
    reason: str


class DestroyAuthorization(msgspec.Struct, frozen=True):
    """Destroy the key of an ended authorization (G10); the use case destroys its evidence in the same append."""

    ground: DestructionGround
    today: date


Command = (
    Issue
    | Register
    | NoteSigned
    | AttachEvidence
    | WithdrawEvidence
    | RestoreEvidence
    | WithdrawNote
    | Amend
    | Suspend
    | Resume
    | Revoke
    | Supersede
    | Cancel
    | ReportCollection
    | Lapse
    | Reinstate
    | Reassign
    | PlaceHold
    | LiftHold
    | DestroyAuthorization
)


# -- events -----------------------------------------------------------------------------------------------------


class AuthorizationIssued(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-issued.v1"
    customer: UUID
    type: TypeStamp
    language: str
    lapses_on: date
    valid_from: date | None
    valid_until: date | None
    scan_code: Sealed[str] = UNSET
    mandate: Sealed[Mandate | None] = UNSET
    note: Sealed[str | None] = UNSET
    external_id: Sealed[str | None] = UNSET


class AuthorizationRegistered(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-registered.v2"
    customer: UUID
    type: TypeStamp
    source: Source
    original_held: bool
    terms: Terms
    last_collection_on: date | None
    shelf_mark: Sealed[str | None] = UNSET
    mandate: Sealed[Mandate | None] = UNSET
    note: Sealed[str | None] = UNSET
    external_id: Sealed[str | None] = UNSET
    scan_code: Sealed[str | None] = UNSET


class AuthorizationSigned(Event, frozen=True, kw_only=True):
    """An issued form was returned with a signature. `mandate`: the complete collection data as signed."""

    topic: ClassVar[str] = "authorization-signed.v1"
    customer: UUID
    source: Source
    original_held: bool
    terms: Terms
    shelf_mark: Sealed[str | None] = UNSET
    mandate: Sealed[Mandate | None] = UNSET
    note: Sealed[str | None] = UNSET
    external_id: Sealed[str | None] = UNSET


class EvidenceAttached(Event, frozen=True, kw_only=True):
    """The paper of an authorization is archived, so the original need not be kept on a shelf any longer (D9)."""

    topic: ClassVar[str] = "evidence-attached.v1"

    customer: UUID
    document: UUID
    original_was_held: bool


class EvidenceWithdrawn(Event, frozen=True, kw_only=True):
    """The paper of an authorization was withdrawn. `was` is the status before; `status` and the fields after it
    describe the authorization afterwards: when the paper was its only ground, it is issued again until `lapses_on`."""

    topic: ClassVar[str] = "evidence-withdrawn.v1"
    customer: UUID
    document: UUID
    was: AuthorizationStatus
    status: AuthorizationStatus
    original_held: bool
    signed_on: date | None
    lapses_on: date | None
    valid_from: date | None
    valid_until: date | None
    mandate: Sealed[Mandate | None] = UNSET
    reason: Sealed[str] = UNSET


class EvidenceRestored(Event, frozen=True, kw_only=True):
    """A withdrawn paper is valid again: the inverse of EvidenceWithdrawn, with the same fields. The original need not
    be kept any longer."""

    topic: ClassVar[str] = "evidence-restored.v1"
    customer: UUID
    document: UUID
    was: AuthorizationStatus
    status: AuthorizationStatus
    original_was_held: bool
    signed_on: date | None
    valid_from: date | None
    valid_until: date | None
    mandate: Sealed[Mandate | None] = UNSET
    reason: Sealed[str] = UNSET


class NoteWithdrawn(Event, frozen=True, kw_only=True):
    """No upload had noted the authorization by mistake, so its original is not held. `was` is the status before; the
    fields after it describe the authorization afterwards: issued again until `lapses_on` when it has a scan code,
    cancelled without one."""

    topic: ClassVar[str] = "note-withdrawn.v1"
    customer: UUID
    on: date
    was: AuthorizationStatus
    status: AuthorizationStatus
    lapses_on: date | None
    valid_from: date | None
    valid_until: date | None
    mandate: Sealed[Mandate | None] = UNSET
    reason: Sealed[str] = UNSET


class MandateAmended(Event, frozen=True, kw_only=True):
    """`fields` are the changed fields; `same_bank` is None when the account did not change."""

    topic: ClassVar[str] = "mandate-amended.v1"
    customer: UUID
    fields: tuple[str, ...]
    same_bank: bool | None
    old: Sealed[Mandate | None] = UNSET
    new: Sealed[Mandate] = UNSET
    reason: Sealed[str] = UNSET


class AuthorizationSuspended(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-suspended.v1"
    customer: UUID
    on: date
    reason: Sealed[str] = UNSET


class AuthorizationResumed(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-resumed.v1"
    customer: UUID
    on: date
    reason: Sealed[str] = UNSET


class RevocationReceived(Event, frozen=True, kw_only=True):
    """The customer revokes it from a later day on; AuthorizationRevoked follows on that day."""

    topic: ClassVar[str] = "revocation-received.v1"
    customer: UUID
    received_on: date
    effective_on: date
    reason: Sealed[str] = UNSET


class AuthorizationRevoked(Event, frozen=True, kw_only=True):
    """`was` is the status before: a suspended authorization can be revoked too."""

    topic: ClassVar[str] = "authorization-revoked.v1"
    customer: UUID
    was: AuthorizationStatus
    received_on: date
    effective_on: date
    reason: Sealed[str | None] = UNSET


class AuthorizationSuperseded(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-superseded.v1"
    customer: UUID
    was: AuthorizationStatus
    on: date
    by: UUID
    reason: Sealed[str] = UNSET


class AuthorizationExpired(Event, frozen=True, kw_only=True):
    """`on` is the last day on which the authorization was valid."""

    topic: ClassVar[str] = "authorization-expired.v1"
    customer: UUID
    was: AuthorizationStatus
    on: date
    cause: ExpiryCause


class AuthorizationReinstated(Event, frozen=True, kw_only=True):
    """An end that the calendar recorded is undone; `was` is the status of that end. `status` is issued or active: an
    earlier suspension and a later revocation follow as events of their own."""

    topic: ClassVar[str] = "authorization-reinstated.v1"
    customer: UUID
    was: AuthorizationStatus
    status: AuthorizationStatus
    reason: Sealed[str] = UNSET


class AuthorizationCancelled(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-cancelled.v1"
    customer: UUID
    on: date
    reason: Sealed[str] = UNSET


class CollectionReported(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "collection-reported.v1"
    customer: UUID
    presented_on: date
    due_on: date
    outcome: CollectionOutcome
    reference: Sealed[str | None] = UNSET


class AuthorizationReassigned(Event, frozen=True, kw_only=True):
    """`customer` is the right customer, `old` the previous one."""

    topic: ClassVar[str] = "authorization-reassigned.v1"
    customer: UUID
    old: UUID
    reason: Sealed[str] = UNSET


class AuthorizationHoldPlaced(Event, frozen=True, kw_only=True):
    """A legal hold on the authorization, in force up to and including `until`; None: until it is lifted."""

    topic: ClassVar[str] = "authorization-hold-placed.v1"
    customer: UUID
    hold: UUID
    until: date | None
    reason: Sealed[str] = UNSET


class AuthorizationHoldLifted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "authorization-hold-lifted.v1"
    customer: UUID
    hold: UUID
    reason: Sealed[str] = UNSET


class AuthorizationDestroyed(Event, frozen=True, kw_only=True):
    """The last event of an authorization. Its append deletes the authorization's key, so it has no sealed field.
    `original_held`: an original lay on a shelf, which a person has to destroy."""

    topic: ClassVar[str] = "authorization-destroyed.v1"
    customer: UUID
    was: AuthorizationStatus
    original_held: bool
    ground: DestructionGround


AuthorizationEvent = (
    AuthorizationIssued
    | AuthorizationRegistered
    | AuthorizationSigned
    | EvidenceAttached
    | EvidenceWithdrawn
    | EvidenceRestored
    | NoteWithdrawn
    | MandateAmended
    | AuthorizationSuspended
    | AuthorizationResumed
    | RevocationReceived
    | AuthorizationRevoked
    | AuthorizationSuperseded
    | AuthorizationExpired
    | AuthorizationReinstated
    | AuthorizationCancelled
    | CollectionReported
    | AuthorizationReassigned
    | AuthorizationHoldPlaced
    | AuthorizationHoldLifted
    | AuthorizationDestroyed
)


# -- state ------------------------------------------------------------------------------------------------------


class Unsigned(msgspec.Struct, frozen=True):
    """The terms of an authorization before it was signed."""

    valid_from: date | None = None
    valid_until: date | None = None
    signature_date: date | None = None


class Lapsed(msgspec.Struct, frozen=True):
    """The state of an authorization before the calendar ended it."""

    status: AuthorizationStatus
    revocation: RevocationReceived | None


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an authorization.

    `mandate` and `scan_code` are None after an erasure. `ended_on`: its last day in force, once it has ended; for a
    suspended one the day before the suspension. `revocation`: a revocation of a later day is recorded.

    `noted`: recorded by No upload, so the original on its shelf is a ground beside the evidence. `suspension` survives
    the paper: an authorization that is signed again is suspended again. `withdrawn` maps each withdrawn paper to the
    terms that it alone had signed, or None. `lapsed`: the calendar ended it, and this was not undone.
    """

    customer: UUID
    type: TypeStamp
    status: AuthorizationStatus
    version: int
    original_held: bool = False
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    form_lapses_on: date | None = None
    revocation: RevocationReceived | None = None
    last_due_on: date | None = None
    ended_on: date | None = None
    mandate: Mandate | None = None
    scan_code: str | None = None
    evidence: UUID | None = None
    noted: bool = False
    suspension: AuthorizationSuspended | None = None
    unsigned: Unsigned = Unsigned()
    withdrawn: Mapping[UUID, Terms | None] = {}
    lapsed: Lapsed | None = None
    holds: Holds = ()

    @property
    def evidence_papers(self) -> Sequence[UUID]:
        """All documents that were ever archived as its evidence."""
        return [*self.withdrawn, *([self.evidence] if self.evidence else [])]

    @property
    def lapses_on(self) -> date | None:
        """The last day on which it is valid, as far as is known; None when it has no end or has ended."""
        if self.status is ISSUED:
            return self.form_lapses_on
        ends = [self.valid_until, self._last_day_without_collection()] if self.status in IN_FORCE else []
        return min(filter(None, ends), default=None)

    def _last_day_without_collection(self) -> date | None:
        if self.type.kind is not Kind.MANDATE or self.signed_on is None:
            return None
        return last_day(signed_on=self.signed_on, last_due_on=self.last_due_on)

    @property
    def due_on(self) -> date | None:
        """The first day on which Lapse returns an event; None when there is no such day."""
        lapses_on = self.lapses_on
        days = [day_after(lapses_on) if lapses_on else None]
        days += [self.revocation.effective_on if self.revocation else None]
        return min((day for day in days if day), default=None)

    def as_of(self, today: date) -> "Authorization":
        """The state on a day, including what the calendar decided and no event records yet."""
        state = self
        for event in decide(self, Lapse(today)):
            state = evolve(state, event)
        return state

    def status_on(self, today: date) -> AuthorizationStatus:
        return self.as_of(today).status


# -- decide -----------------------------------------------------------------------------------------------------


def decide(state: Authorization | None, command: Command) -> Sequence[AuthorizationEvent]:
    match command:
        case Issue():
            return [_issue_form(command)]
        case Register():
            return [_register_authorization(command)]
    state = require_value(state, "use cases refuse an absent authorization before they decide")
    if state.status is AuthorizationStatus.DESTROYED:
        return _decide_destroyed(command)
    match command:
        case NoteSigned():
            return [_note_signed(state, command), *_suspend_again(state)]
        case AttachEvidence():
            return _attach_evidence(state, command)
        case WithdrawEvidence():
            return _withdraw_evidence(state, command)
        case RestoreEvidence():
            return _restore_evidence(state, command)
        case WithdrawNote():
            return [_withdraw_note(state, command)]
        case Amend():
            return _amend_mandate(state, command)
        case Suspend(today=today, reason=reason):
            _require_status(state, today, ACTIVE)
            return [AuthorizationSuspended(customer=state.customer, on=today, reason=reason)]
        case Resume(today=today, reason=reason):
            _require_status(state, today, SUSPENDED)
            return [AuthorizationResumed(customer=state.customer, on=today, reason=reason)]
        case Revoke():
            return _revoke_authorization(state, command)
        case Supersede():
            return [_supersede_authorization(state, command)]
        case Cancel(today=today, reason=reason):
            _require_status(state, today, ISSUED)
            return [AuthorizationCancelled(customer=state.customer, on=today, reason=reason)]
        case ReportCollection():
            return [_report_collection(state, command)]
        case Lapse(today=today):
            return _lapse_by_calendar(state, today)
        case Reinstate():
            return _reinstate_authorization(state, command)
        case Reassign(customer=customer, reason=reason):
            moved = AuthorizationReassigned(customer=customer, old=state.customer, reason=reason)
            return [moved] if customer != state.customer else []
        case PlaceHold(hold=hold, until=until, reason=reason):
            require_placeable(command)
            return [AuthorizationHoldPlaced(customer=state.customer, hold=hold, until=until, reason=reason)]
        case LiftHold(hold=hold, reason=reason):
            require_liftable(state.holds, command)
            return [AuthorizationHoldLifted(customer=state.customer, hold=hold, reason=reason)]
        case DestroyAuthorization():
            return _destroy_authorization(state, command)


def _decide_destroyed(command: Command) -> Sequence[AuthorizationEvent]:
    """Destroying again changes nothing, so that an interrupted disposal can be repeated. The calendar has nothing left
    to end; all else is refused."""
    if isinstance(command, DestroyAuthorization | Lapse):
        return []
    raise IllegalTransition(state=AuthorizationStatus.DESTROYED.value)


def _destroy_authorization(state: Authorization, command: DestroyAuthorization) -> Sequence[AuthorizationEvent]:
    """Whatever the calendar has ended is recorded first, so that the tombstone shows the end."""
    _require_status(state, command.today, *ENDED)
    lapsed = decide(state, Lapse(command.today))
    now = state.as_of(command.today)
    destroyed = AuthorizationDestroyed(
        customer=now.customer, was=now.status, original_held=now.original_held, ground=command.ground
    )
    return [*lapsed, destroyed]


def require_checkable(state: Authorization, today: date) -> None:
    """Raise AuthorizationNotActive or ScanCodeRedeemed unless its paper can still be archived (Check, B8)."""
    status = state.status_on(today)
    if status not in (ISSUED, ACTIVE):
        raise AuthorizationNotActive(status.value, evidence=state.evidence)
    require_unredeemed(state)


def require_unredeemed(state: Authorization) -> None:
    """Raise ScanCodeRedeemed when the authorization has evidence."""
    if state.evidence is not None:
        raise ScanCodeRedeemed(extra={"existing": str(state.evidence)})


def _issue_form(command: Issue) -> AuthorizationIssued:
    command.type.require_active()
    _require_kind(command.type)
    if errors := [*_errors_in_validity(command.valid_from, command.valid_until), *_errors_in_mandate(command)]:
        raise ValidationFailed(*errors)
    return AuthorizationIssued(
        customer=command.customer,
        type=command.type.stamp,
        language=command.language,
        lapses_on=command.lapses_on,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        scan_code=command.scan_code,
        mandate=command.mandate,
        note=command.note,
        external_id=command.external_id,
    )


def _register_authorization(command: Register) -> AuthorizationRegistered:
    command.type.require_usable(command.source)
    _require_kind(command.type, command.source)
    if errors := [
        *_errors_in_original(command),
        *_errors_in_terms(command.terms, command.today),
        *_errors_in_mandate(command),
        *_errors_in_last_collection(command),
    ]:
        raise ValidationFailed(*errors)
    return AuthorizationRegistered(
        customer=command.customer,
        type=command.type.stamp,
        source=command.source,
        original_held=command.original_held,
        terms=_limit_validity(command.terms, command.type),
        shelf_mark=command.shelf_mark,
        mandate=command.mandate,
        note=command.note,
        external_id=command.external_id,
        scan_code=command.scan_code,
        last_collection_on=command.last_collection_on,
    )


def _note_signed(state: Authorization, command: NoteSigned) -> AuthorizationSigned:
    require_unredeemed(state)
    status = state.status_on(command.today)
    if status is ACTIVE:
        raise IllegalTransition(state=status.value)
    if status is not ISSUED:
        raise AuthorizationNotActive(status.value)
    command.type.require_source(Source.NONE)
    mandate = command.mandate or state.mandate
    terms = _fill_validity(state, command.terms if command.mandate else _date_terms(state.mandate, command.terms))
    if errors := [*_errors_in_original(command), *_errors_in_terms(terms, command.today), *_errors_in_mandate(command)]:
        raise ValidationFailed(*errors)
    return AuthorizationSigned(
        customer=state.customer,
        source=Source.NONE,
        original_held=command.original_held,
        terms=_limit_validity(terms, command.type),
        shelf_mark=command.shelf_mark,
        mandate=_date_mandate(mandate, terms),
        note=command.note,
        external_id=command.external_id,
    )


def _attach_evidence(state: Authorization, command: AttachEvidence) -> Sequence[AuthorizationEvent]:
    """Attach the paper, and sign an issued form with it. The paper of an ended authorization is kept too, but does not
    reactivate it (edge case 10); a form that was not signed in time accepts no evidence."""
    require_unredeemed(state)
    command.type.require_source(command.source)
    status = state.status_on(command.today)
    if state.signed_on is None and status is not ISSUED:
        raise AuthorizationNotActive(status.value)
    held = EvidenceAttached(customer=state.customer, document=command.document, original_was_held=state.original_held)
    if status is not ISSUED:
        return [held]
    return [_sign_by_paper(state, command), held, *_suspend_again(state)]


def _suspend_again(state: Authorization) -> Sequence[AuthorizationEvent]:
    """Repeat the suspension, if there is one: it was a person's decision and does not end with the paper that is
    replaced."""
    return [msgspec.structs.replace(state.suspension, customer=state.customer)] if state.suspension else []


def _withdraw_evidence(state: Authorization, command: WithdrawEvidence) -> Sequence[AuthorizationEvent]:
    """Withdraw the evidence. An authorization without a ground returns to issued; an ended one stays ended. Returns no
    events when another paper is the evidence."""
    if state.evidence != command.document:
        return []
    if not state.noted and state.last_due_on is not None:
        raise CollectionPresented
    if state.noted or state.status_on(command.today) not in IN_FORCE:
        return [_withdraw_without_effect(state, command)]
    return [_return_to_issued(state, command)]


def _withdraw_without_effect(state: Authorization, command: WithdrawEvidence) -> EvidenceWithdrawn:
    return EvidenceWithdrawn(
        customer=state.customer,
        document=command.document,
        was=state.status,
        status=state.status,
        original_held=state.noted,
        signed_on=state.signed_on,
        lapses_on=state.form_lapses_on,
        valid_from=state.valid_from,
        valid_until=state.valid_until,
        mandate=state.mandate,
        reason=command.reason,
    )


def _return_to_issued(state: Authorization, command: WithdrawEvidence) -> EvidenceWithdrawn:
    """Return to the state before the signature. Amendments stay, because they had reasons of their own. A form whose
    day has passed, and an authorization that never was a form, get the period of a new form."""
    return EvidenceWithdrawn(
        customer=state.customer,
        document=command.document,
        was=state.status,
        status=ISSUED,
        original_held=False,
        signed_on=None,
        lapses_on=_reopened_until(state, command),
        valid_from=state.unsigned.valid_from,
        valid_until=state.unsigned.valid_until,
        mandate=_unsigned_mandate(state),
        reason=command.reason,
    )


def _reopened_until(state: Authorization, command: WithdrawEvidence | WithdrawNote) -> date:
    lapses_on = state.form_lapses_on
    return lapses_on if lapses_on and lapses_on >= command.today else command.lapses_on


def _unsigned_mandate(state: Authorization) -> Mandate | None:
    signature_date = state.unsigned.signature_date
    return state.mandate and msgspec.structs.replace(state.mandate, signature_date=signature_date)


def _withdraw_note(state: Authorization, command: WithdrawNote) -> NoteWithdrawn:
    """Return to the state before the note, as _return_to_issued does. Without a scan code nobody could sign it again,
    so it is cancelled. Its paper proves that the note was right, so that is withdrawn first."""
    _require_status(state, command.today, *IN_FORCE)
    if state.evidence is not None:
        raise EvidenceAttachedSince(extra={"existing": str(state.evidence)})
    if state.last_due_on is not None:
        raise CollectionPresented
    has_code = state.scan_code is not None
    return NoteWithdrawn(
        customer=state.customer,
        on=command.today,
        was=state.status,
        status=ISSUED if has_code else AuthorizationStatus.CANCELLED,
        lapses_on=_reopened_until(state, command) if has_code else None,
        valid_from=state.unsigned.valid_from,
        valid_until=state.unsigned.valid_until,
        mandate=_unsigned_mandate(state),
        reason=command.reason,
    )


def _restore_evidence(state: Authorization, command: RestoreEvidence) -> Sequence[AuthorizationEvent]:
    """Restore the evidence. An authorization that has ended in between stays ended and gets its paper back."""
    if state.evidence == command.document:
        return []
    require_unredeemed(state)
    terms = state.withdrawn.get(command.document)
    if terms is None or state.status_on(command.today) is not ISSUED:
        return [_build_restored(state, command)]
    signed = msgspec.structs.replace(
        state,
        status=ACTIVE,
        mandate=state.mandate and msgspec.structs.replace(state.mandate, signature_date=terms.signed_on),
        **msgspec.structs.asdict(terms),
    )
    return [_build_restored(signed, command, was=ISSUED), *_suspend_again(state)]


def _build_restored(
    after: Authorization, command: RestoreEvidence, was: AuthorizationStatus | None = None
) -> EvidenceRestored:
    """The EvidenceRestored event. `was`: the previous status, when it differs from that of `after`."""
    return EvidenceRestored(
        customer=after.customer,
        document=command.document,
        was=was or after.status,
        status=after.status,
        original_was_held=after.original_held,
        signed_on=after.signed_on,
        valid_from=after.valid_from,
        valid_until=after.valid_until,
        mandate=after.mandate,
        reason=command.reason,
    )


def _sign_by_paper(state: Authorization, command: AttachEvidence) -> AuthorizationSigned:
    terms = _fill_validity(state, _date_terms(state.mandate, command.terms))
    if errors := [*_errors_in_terms(terms, command.today)]:
        raise ValidationFailed(*errors)
    return AuthorizationSigned(
        customer=state.customer,
        source=command.source,
        original_held=False,
        terms=_limit_validity(terms, command.type),
        shelf_mark=None,
        mandate=_date_mandate(state.mandate, terms),
        note=None,
        external_id=None,
    )


def _amend_mandate(state: Authorization, command: Amend) -> Sequence[AuthorizationEvent]:
    """Amend the collection data. A mandate that was noted without them must get its IBAN first (I7)."""
    if state.type.kind is not Kind.MANDATE:
        raise ValidationFailed(FieldError("", N_("only mandates can be amended")))
    _require_status(state, command.today, *IN_FORCE)
    amendment, old = command.amendment, state.mandate
    if not (old and old.is_complete) and not amendment.iban:
        raise ValidationFailed(FieldError("iban", N_("is required first: the mandate has no collection data yet")))
    new = amend_mandate(old or command.blank, amendment)
    new = msgspec.structs.replace(new, signature_date=new.signature_date or state.signed_on)
    fields = diff_fields(old, new)
    if not fields:
        return []
    return [
        MandateAmended(
            customer=state.customer,
            fields=tuple(fields),
            same_bank=stays_with_bank(old, amendment) if old else None,
            old=old,
            new=new,
            reason=command.reason,
        )
    ]


def _revoke_authorization(state: Authorization, command: Revoke) -> Sequence[AuthorizationEvent]:
    _require_status(state, command.today, *IN_FORCE)
    if command.received_on > command.today:
        raise ValidationFailed(FieldError("received_on", N_("must not be in the future")))
    dates = {"received_on": command.received_on, "effective_on": command.effective_on}
    if command.effective_on > command.today:
        return [RevocationReceived(customer=state.customer, reason=command.reason, **dates)]
    return [AuthorizationRevoked(customer=state.customer, was=state.status, reason=command.reason, **dates)]


def _supersede_authorization(state: Authorization, command: Supersede) -> AuthorizationSuperseded:
    _require_status(state, command.today, *IN_FORCE)
    other = command.successor
    fits = other.customer == state.customer and other.type.kind is state.type.kind
    if not fits or other.status_on(command.today) not in (ISSUED, ACTIVE):
        raise ValidationFailed(FieldError("by", N_("must be an issued or active authorization of the same customer")))
    return AuthorizationSuperseded(
        customer=state.customer, was=state.status, on=command.today, by=command.by, reason=command.reason
    )


def _report_collection(state: Authorization, command: ReportCollection) -> CollectionReported:
    """Record a collection. For an ended mandate, collections of its time can still be reported: refunds arrive weeks
    later."""
    if state.type.kind is not Kind.MANDATE:
        raise ValidationFailed(FieldError("", N_("only mandates have collections")))
    now = state.as_of(command.today)
    if now.status is ISSUED or (now.status is not ACTIVE and not _presented_in_time(now, command)):
        raise AuthorizationNotActive(now.status.value)
    if state.mandate is None or not state.mandate.is_complete:
        raise IllegalTransition(state="incomplete")
    if command.presented_on > command.today:
        raise ValidationFailed(FieldError("presented_on", N_("must not be in the future")))
    return CollectionReported(
        customer=state.customer,
        presented_on=command.presented_on,
        due_on=command.due_on,
        outcome=command.outcome,
        reference=command.reference,
    )


def _presented_in_time(state: Authorization, command: ReportCollection) -> bool:
    return state.signed_on is not None and state.ended_on is not None and command.presented_on <= state.ended_on


def _lapse_by_calendar(state: Authorization, today: date) -> Sequence[AuthorizationEvent]:
    if state.due_on is None or state.due_on > today:
        return []
    revoked = state.revocation
    if revoked and revoked.effective_on == state.due_on:
        return [
            AuthorizationRevoked(
                customer=state.customer,
                was=state.status,
                received_on=revoked.received_on,
                effective_on=revoked.effective_on,
                reason=revoked.reason or None,
            )
        ]
    on = require_value(state.lapses_on, "what is due is one or the other")
    return [AuthorizationExpired(customer=state.customer, was=state.status, on=on, cause=_expiry_cause(state))]


def _reinstate_authorization(state: Authorization, command: Reinstate) -> Sequence[AuthorizationEvent]:
    """Undo the end, unless it would lapse again at once. The authorization returns in the state it would have now, so
    it needs its ground."""
    now = state.as_of(command.today)
    if now.lapsed is None:
        raise IllegalTransition(state=now.status.value)
    _require_ground(now, now.lapsed.status)
    events: list[AuthorizationEvent] = [
        AuthorizationReinstated(
            customer=now.customer,
            was=now.status,
            status=ISSUED if now.lapsed.status is ISSUED else ACTIVE,
            reason=command.reason,
        )
    ]
    if now.lapsed.status is SUSPENDED:
        events += _suspend_again(now)
    if now.lapsed.revocation:
        events += [msgspec.structs.replace(now.lapsed.revocation, customer=now.customer)]
    again = now
    for event in events:
        again = evolve(again, event)
    if again.due_on and again.due_on <= command.today:
        raise LapseStands(on=again.due_on)
    return events


def _require_ground(state: Authorization, status: AuthorizationStatus) -> None:
    """Raise EvidenceChanged when the ground changed after the end: a paper withdrawn since then is no ground, and a
    paper restored since then has not signed the form."""
    has_ground = state.evidence is not None or state.noted
    if has_ground == (status is ISSUED):
        raise EvidenceChanged


def _expiry_cause(state: Authorization) -> ExpiryCause:
    if state.status is ISSUED:
        return ExpiryCause.FORM
    return ExpiryCause.VALIDITY if state.lapses_on == state.valid_until else ExpiryCause.NO_COLLECTION


def _require_status(state: Authorization, today: date, *allowed: AuthorizationStatus) -> None:
    status = state.status_on(today)
    if status not in allowed:
        raise IllegalTransition(state=status.value)


def _require_kind(document_type: DocumentType, source: Source = Source.NONE) -> None:
    """Raise SourceNotAllowed for a plain document type (I3): No upload is for authorizations and mandates. For a
    "verify only" type the use cases note what was seen instead."""
    if document_type.definition.kind is Kind.DOCUMENT:
        raise SourceNotAllowed(type=document_type.code, source=source.value)


def _errors_in_original(command: Register | NoteSigned) -> Iterable[FieldError]:
    without_file = isinstance(command, NoteSigned) or command.source is Source.NONE
    if without_file and not command.original_held:
        yield FieldError("original.held", N_("must be true: without a file the original must be kept on paper"))


def _errors_in_terms(terms: Terms, today: date) -> Iterable[FieldError]:
    if terms.signed_on > today:
        yield FieldError("signed_on", N_("must not be in the future"))
    yield from _errors_in_validity(terms.valid_from, terms.valid_until)


def _errors_in_validity(valid_from: date | None, valid_until: date | None) -> Iterable[FieldError]:
    if valid_from and valid_until and valid_until < valid_from:
        yield FieldError("valid_until", N_("must not be before valid_from"))


def _errors_in_mandate(command: Issue | Register | NoteSigned) -> Iterable[FieldError]:
    if command.mandate is None:
        return
    if command.type.definition.kind is not Kind.MANDATE:
        yield FieldError("mandate", N_("is only for types of kind mandate"))
    signed = command.mandate.signature_date
    if signed is not None and signed > command.today:
        yield FieldError("mandate.signature_date", N_("must not be in the future"))


def _errors_in_last_collection(command: Register) -> Iterable[FieldError]:
    day = command.last_collection_on
    if day is None:
        return
    if command.type.definition.kind is not Kind.MANDATE:
        yield FieldError("last_collection_on", N_("is only for types of kind mandate"))
    if not command.terms.signed_on <= day <= command.today:
        yield FieldError("last_collection_on", N_("must lie between the signature and today"))


def _fill_validity(state: Authorization, terms: Terms) -> Terms:
    """The signed terms, with the validity of the form where the terms have none."""
    return msgspec.structs.replace(
        terms,
        valid_from=terms.valid_from or state.valid_from,
        valid_until=terms.valid_until or state.valid_until,
    )


def _limit_validity(terms: Terms, document_type: DocumentType) -> Terms:
    months = document_type.definition.validity_months
    if terms.valid_until is not None or months is None:
        return terms
    return msgspec.structs.replace(terms, valid_until=add_months(terms.valid_from or terms.signed_on, months))


def _date_terms(mandate: Mandate | None, terms: Terms) -> Terms:
    """The terms dated by the mandate's signature date, which takes precedence over the date given with the paper
    (docs/domain.md §6)."""
    return msgspec.structs.replace(terms, signed_on=_signature_date(mandate) or terms.signed_on)


def _date_mandate(mandate: Mandate | None, terms: Terms) -> Mandate | None:
    """The mandate with the signature date of its authorization: both are the same date."""
    return mandate and msgspec.structs.replace(mandate, signature_date=terms.signed_on)


# -- evolve -----------------------------------------------------------------------------------------------------


def evolve(state: Authorization | None, event: AuthorizationEvent) -> Authorization:
    match event:
        case AuthorizationIssued():
            return _state_from_issued(event)
        case AuthorizationRegistered():
            return _state_from_registered(event)
    state = require_value(state, "an authorization begins with AuthorizationIssued or AuthorizationRegistered")
    state = msgspec.structs.replace(state, version=state.version + 1)
    match event:
        case AuthorizationSigned():
            return _apply_signature(state, event)
        case EvidenceAttached(document=document):
            return msgspec.structs.replace(state, original_held=False, evidence=document)
        case EvidenceWithdrawn():
            return _apply_withdrawal(state, event)
        case EvidenceRestored():
            return _apply_restoration(state, event)
        case NoteWithdrawn():
            return _apply_note_withdrawal(state, event)
        case MandateAmended(new=new):
            return msgspec.structs.replace(state, mandate=new or None)
        case AuthorizationSuspended(on=on):
            return msgspec.structs.replace(state, status=SUSPENDED, ended_on=day_before(on), suspension=event)
        case AuthorizationResumed():
            return msgspec.structs.replace(state, status=ACTIVE, ended_on=None, suspension=None)
        case RevocationReceived():
            return msgspec.structs.replace(state, revocation=event)
        case AuthorizationRevoked(effective_on=on):
            lapsed = _build_lapsed(state) if state.revocation and state.revocation.effective_on == on else None
            return _end_authorization(state, AuthorizationStatus.REVOKED, day_before(on), lapsed)
        case AuthorizationSuperseded(on=on):
            return _end_authorization(state, AuthorizationStatus.SUPERSEDED, on)
        case AuthorizationExpired(on=on):
            return _end_authorization(state, AuthorizationStatus.EXPIRED, on, _build_lapsed(state))
        case AuthorizationReinstated(status=status):
            return msgspec.structs.replace(state, status=status, ended_on=None, lapsed=None)
        case AuthorizationCancelled(on=on):
            return _end_authorization(state, AuthorizationStatus.CANCELLED, on)
        case CollectionReported(due_on=due_on, outcome=outcome):
            return msgspec.structs.replace(
                state,
                last_due_on=max(due_on, state.last_due_on or due_on),
                mandate=apply_collection(state.mandate, outcome),
            )
        case AuthorizationReassigned(customer=customer):
            return msgspec.structs.replace(state, customer=customer)
        case AuthorizationHoldPlaced(hold=hold, until=until):
            return msgspec.structs.replace(state, holds=(*state.holds, Hold(hold, until)))
        case AuthorizationHoldLifted(hold=hold):
            return msgspec.structs.replace(state, holds=without_hold(state.holds, hold))
        case AuthorizationDestroyed():
            return _apply_destruction(state)


def _state_from_issued(event: AuthorizationIssued) -> Authorization:
    return Authorization(
        customer=event.customer,
        type=event.type,
        status=ISSUED,
        version=1,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        form_lapses_on=event.lapses_on,
        mandate=event.mandate or None,
        scan_code=event.scan_code or None,
        unsigned=Unsigned(event.valid_from, event.valid_until, _signature_date(event.mandate)),
    )


def _signature_date(mandate: Mandate | UnsetType | None) -> date | None:
    return mandate.signature_date if mandate else None


def _state_from_registered(event: AuthorizationRegistered) -> Authorization:
    return Authorization(
        customer=event.customer,
        type=event.type,
        status=ACTIVE,
        version=1,
        original_held=event.original_held,
        signed_on=event.terms.signed_on,
        valid_from=event.terms.valid_from,
        valid_until=event.terms.valid_until,
        mandate=event.mandate or None,
        scan_code=event.scan_code or None,
        last_due_on=event.last_collection_on,
        noted=event.original_held,
    )


def _apply_signature(state: Authorization, event: AuthorizationSigned) -> Authorization:
    return msgspec.structs.replace(
        state,
        status=ACTIVE,
        original_held=event.original_held,
        noted=state.noted or event.original_held,
        signed_on=event.terms.signed_on,
        valid_from=event.terms.valid_from,
        valid_until=event.terms.valid_until,
        mandate=event.mandate or None,
    )


def _apply_withdrawal(state: Authorization, event: EvidenceWithdrawn) -> Authorization:
    after = msgspec.structs.replace(
        state,
        status=event.status,
        original_held=event.original_held,
        signed_on=event.signed_on,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        form_lapses_on=event.lapses_on,
        mandate=event.mandate or None,
        evidence=None,
    )
    if event.status is event.was:
        return msgspec.structs.replace(after, withdrawn={**state.withdrawn, event.document: None})
    withdrawn = {**state.withdrawn, event.document: _signed_terms(state)}
    return msgspec.structs.replace(after, ended_on=None, withdrawn=withdrawn)


def _signed_terms(state: Authorization) -> Terms:
    signed_on = require_value(state.signed_on, "what was in force was signed")
    return Terms(signed_on=signed_on, valid_from=state.valid_from, valid_until=state.valid_until)


def _apply_note_withdrawal(state: Authorization, event: NoteWithdrawn) -> Authorization:
    """A paper that was withdrawn while the note stood would sign it alone now: it gets the terms of the note."""
    terms = _signed_terms(state)
    after = msgspec.structs.replace(
        state,
        status=event.status,
        noted=False,
        original_held=False,
        signed_on=None,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        form_lapses_on=event.lapses_on,
        mandate=event.mandate or None,
        ended_on=None,
        withdrawn={paper: signed or terms for paper, signed in state.withdrawn.items()},
    )
    return after if event.status is ISSUED else _end_authorization(after, event.status, event.on)


def _apply_restoration(state: Authorization, event: EvidenceRestored) -> Authorization:
    return msgspec.structs.replace(
        state,
        status=event.status,
        original_held=False,
        signed_on=event.signed_on,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        mandate=event.mandate or None,
        evidence=event.document,
        withdrawn={paper: terms for paper, terms in state.withdrawn.items() if paper != event.document},
    )


def _apply_destruction(state: Authorization) -> Authorization:
    """The tombstone: nothing of what was sealed, and no way back to an earlier status."""
    return msgspec.structs.replace(
        state,
        status=AuthorizationStatus.DESTROYED,
        original_held=False,
        revocation=None,
        mandate=None,
        scan_code=None,
        suspension=None,
        unsigned=Unsigned(),
        withdrawn=dict.fromkeys(state.withdrawn),
        lapsed=None,
    )


def _build_lapsed(state: Authorization) -> Lapsed:
    return Lapsed(state.status, state.revocation)


def _end_authorization(
    state: Authorization, status: AuthorizationStatus, last: date, lapsed: Lapsed | None = None
) -> Authorization:
    """End the authorization. A suspended one was not in force since its suspension; a revocation may be effective
    earlier."""
    ended_on = min(state.ended_on or last, last)
    return msgspec.structs.replace(state, status=status, ended_on=ended_on, revocation=None, lapsed=lapsed)


def fold(events: Iterable[AuthorizationEvent]) -> Authorization | None:
    state: Authorization | None = None
    for event in events:
        state = evolve(state, event)
    return state
