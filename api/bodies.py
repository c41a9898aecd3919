"""Bodies of requests and answers as structs: decoding checks them, openapi.json is generated from them."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.archive import NoteAuthorization, Verification
from domain.authorization import Mandate, SequenceType
from domain.customer import Customer
from domain.document_type import Definition, Retention
from domain.limits import Limits
from domain.refusals import N_, FieldError, ScanCodeUnknown, ValidationFailed
from domain.values import Kind, Sensitivity, Source, customer_id, prose
from projections.reading import Moment

REASON_CHARACTERS_MAX = 1000
# Control characters are nobody's text, and Postgres takes no NUL: an event with one could never enter a view.
VISIBLE = r"^[^\x00-\x1f\x7f-\x9f]*$"


def line(characters_max: int, characters_min: int | None = None) -> msgspec.Meta:
    return msgspec.Meta(min_length=characters_min, max_length=characters_max, pattern=VISIBLE)


Code = Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]{0,63}$")]
Language = Annotated[str, msgspec.Meta(pattern="^[A-Za-z][A-Za-z-]{1,7}$")]
Short = Annotated[str, line(200, 1)]
Line = Annotated[str, line(200)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]


class CustomerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PUT /customers/{id}."""

    name: str
    birth_date: date | None = None
    card_numbers: list[str] = []
    home_branch: str | None = None
    kind: str = "person"


class CustomerAnswer(msgspec.Struct, frozen=True):
    id: str
    name: str
    birth_date: date | None
    card_numbers: tuple[str, ...]
    home_branch: str | None
    kind: str
    status: str


class Original(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    held: bool
    shelf_mark: Line | None = None


class MandateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    debtor_name: Annotated[str, line(70)] | None = None
    iban: Annotated[str, line(50)] | None = None
    bic: Annotated[str, line(20)] | None = None
    mandate_reference: Annotated[str, line(70)] | None = None
    creditor_id: Annotated[str, line(50)] | None = None
    signature_date: date | None = None
    sequence_type: SequenceType = SequenceType.RECURRING


class VerificationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    paper: Short
    number_suffix: Annotated[str, line(8, 1)]
    seen_on: date


class AuthorizationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /authorizations: No upload."""

    type: Code | None = None
    customer: str | None = None
    scan_code: Annotated[str, line(64)] | None = None
    original: Original | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    mandate: MandateBody | None = None
    verification: VerificationBody | None = None
    note: str | None = None
    external_id: Short | None = None


class DescribeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field left out stays as it is; `note` null removes the note."""

    reason: Reason
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    received_on: date | msgspec.UnsetType = msgspec.UNSET


class ReclassifyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Code
    reason: Reason


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason


class RetentionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    trigger: Short
    months: Annotated[int, msgspec.Meta(ge=0, le=1200)]
    legal_basis: Line = ""
    approval: bool = False


class TypeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PUT /document-types/{code}: the whole definition, as domain.md §4 names its fields."""

    labels: dict[Language, Short]
    kind: Kind
    sensitivity: Sensitivity
    sources: tuple[Source, ...] = (Source.SCAN, Source.FILE)
    media_types: tuple[Short, ...] = ()
    scheme: Line | None = None
    capacity_years: Annotated[int, msgspec.Meta(ge=0, le=150)] | None = None
    validity_months: Annotated[int, msgspec.Meta(ge=1, le=1200)] | None = None
    retention: RetentionBody | None = None
    verify_only: bool = False
    password_protected_allowed: bool = True
    active: bool = True


class TypeAnswer(msgspec.Struct, frozen=True):
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


class HistoryItem(msgspec.Struct, frozen=True):
    position: int
    recorded_at: Moment
    occurred_at: Moment
    actor: str
    branch: str
    action: str
    subject: dict[str, Any]
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]


class AccessItem(msgspec.Struct, frozen=True):
    at: Moment
    actor: str
    branch: str
    action: str
    customer: str | None
    document: UUID | None
    authorization: UUID | None
    status: int
    trace_id: str


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


def definition_of(body: TypeBody) -> Definition:
    if "en" not in body.labels:
        raise ValidationFailed(FieldError("/labels", N_("needs an English label (en)")))
    retention = Retention(**msgspec.structs.asdict(body.retention)) if body.retention else None
    return Definition(**{**msgspec.structs.asdict(body), "retention": retention})


def note_authorization_of(body: AuthorizationBody, limits: Limits) -> NoteAuthorization:
    """The use case's order. A scan code names no form yet that was issued: codes come with issued forms."""
    if body.scan_code:
        raise ScanCodeUnknown
    missing = [FieldError(f"/{n}", N_("is required")) for n in ("type", "customer") if getattr(body, n) is None]
    if missing:
        raise ValidationFailed(*missing)
    assert body.type is not None
    assert body.customer is not None
    return NoteAuthorization(
        customer=customer_id(body.customer, "/customer"),
        type=body.type,
        original_held=body.original.held if body.original else False,
        shelf_mark=body.original.shelf_mark if body.original else None,
        signed_on=body.signed_on,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        mandate=Mandate(**msgspec.structs.asdict(body.mandate)) if body.mandate else None,
        verification=Verification(**msgspec.structs.asdict(body.verification)) if body.verification else None,
        note=note_of(body.note, limits, "/note"),
        external_id=body.external_id,
    )


def note_of(text: str | None, limits: Limits, pointer: str) -> str | None:
    """A note of people, None when there is nothing in it."""
    return prose(text, pointer, characters_max=limits.note_characters_max) if text and text.strip() else None


def reason_of(text: str) -> str:
    """Why something is corrected: every correction says so (domain.md §2, G)."""
    if not text.strip():
        raise ValidationFailed(FieldError("/reason", N_("is required")))
    return prose(text, "/reason", characters_max=REASON_CHARACTERS_MAX)
