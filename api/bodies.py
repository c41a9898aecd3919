"""Declares the bodies of requests and answers as structs; decoding checks them, openapi.json is generated from them."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from domain.archive import AmendMandate, IssueForm, NoteAuthorization, SeenPaper, SupersedeBy
from domain.authorization import ReportCollection, Revoke
from domain.customer import Customer, CustomerStatus
from domain.document_type import CODE, Definition, Retention
from domain.limits import Limits
from domain.mandate import Amendment, CollectionOutcome, Mandate, SequenceType
from domain.refusals import N_, FieldError, ValidationFailed
from domain.scan_code import Scheme
from domain.scan_session import ScanState
from domain.values import (
    REASON_CHARACTERS_MAX,
    Kind,
    ScannerSource,
    Sensitivity,
    Source,
    parse_customer_id,
    parse_prose,
    reason_of,
)
from projections.customer_documents import Item
from projections.reading import Moment
from projections.work_list import Why

DUE_AFTER = timedelta(days=366)
# Text has no control characters, and Postgres refuses NUL: a view could never process an event with one.
VISIBLE = r"^[^\x00-\x1f\x7f-\x9f]*$"


def single_line(characters_max: int, characters_min: int | None = None) -> msgspec.Meta:
    return msgspec.Meta(min_length=characters_min, max_length=characters_max, pattern=VISIBLE)


Code = Annotated[str, msgspec.Meta(pattern=CODE)]
Language = Annotated[str, msgspec.Meta(pattern="^[A-Za-z][A-Za-z-]{1,7}$")]
Short = Annotated[str, single_line(200, 1)]
Line = Annotated[str, single_line(200)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]
# The text as it was typed or scanned, line end included; domain/scan_code.py normalizes it.
ScanCode = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Token = Annotated[str, single_line(256, 1)]
# Any text: domain/users.py has the rules for passwords. The limit is more than people type; normalizing much longer
# text takes minutes, because the time grows with the square of the length.
SECRET_CHARACTERS_MAX = 1000
Secret = Annotated[str, msgspec.Meta(max_length=SECRET_CHARACTERS_MAX)]


class CustomerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole entry of a customer. A field that is left out becomes empty."""

    name: str
    birth_date: date | None = None
    card_numbers: list[str] = []
    home_branch: str | None = None
    kind: str = "person"


class CustomerAnswer(msgspec.Struct, frozen=True):
    """A customer of the register."""

    id: str
    name: str
    birth_date: date | None
    card_numbers: tuple[str, ...]
    home_branch: str | None
    kind: str
    status: str


class Original(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paper original: kept or not, and on which shelf."""

    held: bool
    shelf_mark: Line | None = None


class MandateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Collection data of a SEPA mandate."""

    debtor_name: Annotated[str, single_line(70)] | None = None
    iban: Annotated[str, single_line(50)] | None = None
    bic: Annotated[str, single_line(20)] | None = None
    mandate_reference: Annotated[str, single_line(70)] | None = None
    creditor_id: Annotated[str, single_line(50)] | None = None
    signature_date: date | None = None
    sequence_type: SequenceType | None = None


class VerificationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paper that was verified at the desk."""

    paper: Short
    number_suffix: Annotated[str, single_line(8, 1)]
    seen_on: date


class AuthorizationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authorization without an upload. `type` and `customer` may be left out with a scan code."""

    type: Code | None = None
    customer: str | None = None
    scan_code: ScanCode | None = None
    check_token: Token | None = None
    original: Original | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    mandate: MandateBody | None = None
    verification: VerificationBody | None = None
    note: str | None = None
    external_id: Short | None = None
    last_collection_on: date | None = None


class DescribeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that is left out stays as it is; null removes it."""

    reason: Reason
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    received_on: date | msgspec.UnsetType = msgspec.UNSET
    title: Line | msgspec.UnsetType | None = msgspec.UNSET


class ReclassifyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The right type of a document, and the reason."""

    type: Code
    reason: Reason


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason of a change."""

    reason: Reason


class CustomerReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customer to whom a paper is moved or linked, and the reason."""

    customer: str
    reason: Reason


class FormBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form to issue."""

    type: Code
    customer: str
    mandate: MandateBody | None = None
    language: Literal["en", "nl", "de"] | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    note: str | None = None
    external_id: Short | None = None


class AmendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Collection data to change. A field that is left out stays as it is."""

    reason: Reason
    debtor_name: Annotated[str, single_line(70, 1)] | msgspec.UnsetType = msgspec.UNSET
    iban: Annotated[str, single_line(50, 1)] | msgspec.UnsetType = msgspec.UNSET
    bic: Annotated[str, single_line(20)] | msgspec.UnsetType | None = msgspec.UNSET
    mandate_reference: Annotated[str, single_line(70, 1)] | msgspec.UnsetType = msgspec.UNSET


class RevokeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A revocation by the customer."""

    reason: Reason
    received_on: date
    effective_on: date | None = None


class SupersedeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The authorization that replaces this one, and the reason."""

    by: UUID
    reason: Reason


class CollectionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One direct debit that was presented."""

    presented_on: date
    due_on: date
    outcome: CollectionOutcome
    reference: Annotated[str, single_line(140)] | None = None


class RetentionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The retention of papers of a type."""

    trigger: Short
    months: Annotated[int, msgspec.Meta(ge=0, le=1200)]
    legal_basis: Line = ""
    approval: bool = False


class TypeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole definition of a document type."""

    labels: dict[Language, Short]
    kind: Kind
    sensitivity: Sensitivity
    sources: tuple[Source, ...] = (Source.SCAN, Source.FILE)
    media_types: tuple[Short, ...] = ()
    scheme: Scheme | None = None
    capacity_years: Annotated[int, msgspec.Meta(ge=0, le=150)] | None = None
    validity_months: Annotated[int, msgspec.Meta(ge=1, le=1200)] | None = None
    retention: RetentionBody | None = None
    verify_only: bool = False
    password_protected_allowed: bool = True
    active: bool = True


class TypeAnswer(msgspec.Struct, frozen=True):
    """A document type."""

    code: str
    label: str
    labels: dict[str, str]
    kind: Kind
    sensitivity: Sensitivity
    sources: tuple[Source, ...]
    media_types: tuple[str, ...]
    scheme: str | None
    capacity_years: int | None
    validity_months: int | None
    retention: Retention | None
    verify_only: bool
    password_protected_allowed: bool
    active: bool
    version: int


class ScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scan session to begin. Without a scanner, the caller sends the pages."""

    scanner: Short | None = None
    profile: Short | None = None
    source: ScannerSource | None = None


class RotateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rotation of a page, clockwise."""

    degrees: Literal[90, 180, 270]


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new place of a page."""

    to: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


PageNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Sheet = Annotated[list[PageNumber], msgspec.Meta(min_length=1, max_length=2)]


class CollateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order in which pages of two passes become sheets: `backs` or `sheets`, not both. Pages that `sheets` does not
    name keep their places around the sheets.
    """

    backs: Literal["as_scanned", "reversed"] | None = None
    sheets: Annotated[list[Sheet], msgspec.Meta(min_length=1)] | None = None


class NothingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class FinishBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a pass."""

    number: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = msgspec.field(name="pass")
    problem: Short | None = None
    told: Annotated[str, single_line(500)] | None = None


class ArchiveScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document that the pages become: by a checked scan code, or by customer and type."""

    scan_code: ScanCode | None = None
    check_token: Token | None = None
    customer: str | None = None
    type: Code | None = None
    pages: list[PageNumber] | None = None
    received_on: date | None = None
    signed_on: date | None = None
    note: str | None = None
    ground: str | None = None
    external_id: Short | None = None
    duplicate: Literal["allow", "warn"] | None = None


class ScanPage(msgspec.Struct, frozen=True):
    """A page of a scan session."""

    n: int
    sha256: str
    width_px: int
    height_px: int
    dpi: int | None
    scan_codes: tuple[str, ...]
    warnings: tuple[str, ...]
    degrees: int


class ScanProblem(msgspec.Struct, frozen=True):
    """The problem that stopped a pass, in the caller's language."""

    type: str
    title: str
    status: int
    detail: str


class ScanItem(msgspec.Struct, frozen=True, kw_only=True):
    """A scan session."""

    id: UUID
    state: ScanState
    scanner: str | None
    source: ScannerSource | None
    profile: str | None
    pages: list[ScanPage]
    problem: ScanProblem | None
    documents: list[UUID]
    passes: int
    actor: str
    branch: str
    version: int


class SplitDocument(msgspec.Struct, frozen=True):
    """Pages that seem to belong together."""

    scan_codes: tuple[str, ...]
    pages: tuple[int, ...]


class SplitItem(msgspec.Struct, frozen=True, kw_only=True):
    """The documents that the pages of a session seem to be. Each page is in one document, or a separator, or blank."""

    id: UUID
    documents: list[SplitDocument]
    separators: tuple[int, ...]
    blanks: tuple[int, ...]
    repeated: tuple[str, ...]
    version: int


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished scan session."""

    id: UUID
    state: str
    scanner: str | None
    pages: int
    actor: str
    branch: str
    started_at: Moment
    changed_at: Moment
    version: int


class OwnScanner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scanner as its station describes it."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: Short
    state: Literal["ready", "busy", "offline", "jammed", "cover_open", "out_of_paper"]
    sources: Annotated[list[ScannerSource], msgspec.Meta(min_length=1)]
    profiles: Annotated[list[Short], msgspec.Meta(min_length=1)]


class StationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scanners of a station."""

    scanners: Annotated[list[OwnScanner], msgspec.Meta(max_length=100)]


class StationItem(msgspec.Struct, frozen=True):
    """A scan station."""

    name: str
    branch: str
    seen_at: Moment
    state: str


class ScannerItem(msgspec.Struct, frozen=True):
    """A scanner."""

    id: str
    name: str
    station: str
    branch: str
    state: str
    sources: list[str]
    profiles: list[str]


class JobItem(msgspec.Struct, frozen=True):
    """A pass that a station has to scan."""

    id: UUID
    scanner: str
    source: str
    profile: str
    number: int = msgspec.field(name="pass")
    first_page: int
    pages_max: int


class Instant(msgspec.Struct, frozen=True):
    """The instant that an `as_of` names."""

    position: int
    at: Moment | None


class SummaryAnswer(msgspec.Struct, frozen=True):
    """The number of papers in the list with these filters; at most 1,001 are counted."""

    customer: CustomerAnswer
    documents: int
    authorizations: int
    complete: bool
    as_of: Instant | None
    position: int


class ChangesAnswer(msgspec.Struct, frozen=True):
    """The moments at which the papers of a customer changed, from the last 500 events."""

    moments: list[Moment]
    complete: bool
    position: int


class DocumentItem(Item, frozen=True, kw_only=True):
    """A document."""

    customer: str | None
    linked_customers: list[str]
    evidence_of: UUID | None


class CollectionState(msgspec.Struct, frozen=True):
    """The state of collection: possible or not, and the day of the last one."""

    complete: bool | None
    last_collection_on: date | None


class AuthorizationItem(Item, frozen=True, kw_only=True):
    """An authorization with its mandate."""

    customer: str | None
    mandate: Mandate | None
    collection: CollectionState


class SavedItem(Item, frozen=True, kw_only=True):
    """A paper after a write."""

    customer: str
    position: int


class FormAnswer(msgspec.Struct, frozen=True):
    """An issued form."""

    authorization: SavedItem
    scan_code: str
    customer: CustomerAnswer
    form: str
    position: int


class CollectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Collection data with the whole IBAN, which staff compare with the paper."""

    debtor_name: str | None = None
    iban: str | None = None
    bic: str | None = None
    mandate_reference: str | None = None
    creditor_id: str | None = None
    signature_date: date | None = None
    sequence_type: SequenceType | None = None
    status: str
    last_collection_on: date | None
    complete: bool


class CheckAnswer(msgspec.Struct, frozen=True):
    """The form of a scan code."""

    scan_code: str
    customer: CustomerAnswer
    authorization: Item
    collection: CollectionAnswer | None
    check_token: str


class SignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """User name and password."""

    user: Secret
    password: Secret


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new password."""

    new: Secret
    old: Secret | None = None


class ChoiceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Preferences: the branch for this session, the rest for the user. A field that is left out stays unchanged."""

    branch: str | None = None
    language: Literal["en", "nl", "de"] | None = None
    keys_off: bool | None = None


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The caller."""

    user: str
    role: str
    branch: str
    language: str | None = None
    keys_off: bool = False
    must_change_password: bool = False
    ends_at: Moment | None = None


class TaskBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task to queue."""

    kind: Literal["pause", "resume", "replay", "rebuild", "back", "verify"]
    view: str | None = None


class ViewItem(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a view."""

    view: str
    position: int
    lag: int
    per_second: float
    paused: bool
    parked: int
    rebuilt_at: Moment | None
    has_previous: bool


class ParkedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a view could not process."""

    view: str
    position: int
    topic: str
    subject: UUID
    error_type: str
    parked_at: Moment


class TaskItem(msgspec.Struct, frozen=True, kw_only=True):
    """A task that an operator queued."""

    id: UUID
    kind: str
    view: str | None
    actor: str
    branch: str
    asked_at: Moment
    begun_at: Moment | None
    ended_at: Moment | None
    done: int
    total: int
    result: Any


class OperationsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the views, the parked events and the tasks."""

    position: int
    views: list[ViewItem]
    parked: list[ParkedItem]
    tasks: list[TaskItem]
    events_by_minute: list[int]
    reads_by_minute: list[int]
    content_free_bytes: int


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization on the work list."""

    id: UUID
    kind: str
    type: str
    type_label: str
    status: str
    customer: str | None
    customer_name: str | None
    branch: str
    recorded_at: Moment
    ends_on: date | None
    why: Why | None
    shelf_mark: str | None


class AccessItem(msgspec.Struct, frozen=True):
    """One read in the access log."""

    at: Moment
    actor: str
    branch: str
    action: str
    customer: str | None
    document: UUID | None
    authorization: UUID | None
    status: int
    trace_id: str
    kind: str | None
    scan_session: UUID | None
    page: int | None


def customer_answer(customer: Customer) -> CustomerAnswer:
    return CustomerAnswer(
        customer.id,
        customer.name,
        customer.birth_date,
        customer.card_numbers,
        customer.home_branch,
        str(customer.kind),
        customer.status,
    )


def answer_of_customer(customer: Customer | None, customer_id: str) -> CustomerAnswer:
    """The answer's customer. One that the library system no longer knows has only an id (docs/domain.md §7)."""
    return customer_answer(customer or Customer(id=customer_id, name="", status=CustomerStatus.DELETED_IN_SOURCE))


def definition_of(body: TypeBody) -> Definition:
    if "en" not in body.labels:
        raise ValidationFailed(FieldError("labels", N_("needs an English label (en)")))
    retention = Retention(**msgspec.structs.asdict(body.retention)) if body.retention else None
    return Definition(**{**msgspec.structs.asdict(body), "retention": retention})


def note_authorization_of(body: AuthorizationBody, limits: Limits, statement: UUID | None) -> NoteAuthorization:
    """The use case's order. `statement` is the authorization that the scan code stands for."""
    if statement is None:
        missing = [FieldError(n, N_("is required")) for n in ("type", "customer") if getattr(body, n) is None]
        if missing:
            raise ValidationFailed(*missing)
    return NoteAuthorization(
        customer=None if body.customer is None else parse_customer_id(body.customer),
        type=body.type,
        authorization=statement,
        check_token=body.check_token,
        original_held=body.original.held if body.original else False,
        shelf_mark=body.original.shelf_mark if body.original else None,
        signed_on=body.signed_on,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        mandate=mandate_of(body.mandate),
        verification=SeenPaper(**msgspec.structs.asdict(body.verification)) if body.verification else None,
        note=note_of(body.note, limits, "note"),
        external_id=body.external_id,
        last_collection_on=body.last_collection_on,
    )


def mandate_of(body: MandateBody | None) -> Mandate | None:
    return Mandate(**msgspec.structs.asdict(body)) if body else None


def issue_form_of(body: FormBody, limits: Limits, language: str) -> IssueForm:
    """The use case's order. A form without a language is printed in the caller's, or in English if forms lack that."""
    return IssueForm(
        customer=parse_customer_id(body.customer),
        type=body.type,
        language=body.language or (language if language in FORM_LANGUAGES else "en"),
        mandate=mandate_of(body.mandate),
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        note=note_of(body.note, limits, "note"),
        external_id=body.external_id,
    )


FORM_LANGUAGES = ("en", "nl", "de")


def amendment_of(body: AmendBody) -> AmendMandate:
    amendment = Amendment(
        debtor_name=body.debtor_name, iban=body.iban, bic=body.bic, mandate_reference=body.mandate_reference
    )
    return AmendMandate(amendment, reason_of(body.reason))


def revocation_of(body: RevokeBody, today: date) -> Revoke:
    return Revoke(
        received_on=body.received_on,
        effective_on=body.effective_on or body.received_on,
        today=today,
        reason=reason_of(body.reason),
    )


def superseding_of(body: SupersedeBody) -> SupersedeBy:
    return SupersedeBy(body.by, reason_of(body.reason))


def collection_of(body: CollectionBody, today: date) -> ReportCollection:
    """The use case's order. Refuses a due day over a year ahead: 2062 typed for 2026 would keep a mandate alive."""
    if body.due_on - body.presented_on > DUE_AFTER:
        raise ValidationFailed(FieldError("due_on", N_("is more than a year after the day of presentation")))
    return ReportCollection(**msgspec.structs.asdict(body), today=today)


def note_of(text: str | None, limits: Limits, field: str) -> str | None:
    """A note as people typed it; None if it is blank."""
    return parse_prose(text, field, characters_max=limits.note_characters_max) if text and text.strip() else None
