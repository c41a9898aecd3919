"""Declares the fields and bodies that several resources share. A resource declares its own beside its handlers.

Bodies are structs: decoding checks them, and openapi.json is generated from them.
"""

from datetime import date
from typing import Annotated

import msgspec

from domain.customer import Customer, CustomerStatus
from domain.document_type import CODE
from domain.limits import Limits
from domain.mandate import Mandate, SequenceType
from domain.values import REASON_CHARACTERS_MAX, parse_prose
from projections.customer_documents import Item

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


class CustomerAnswer(msgspec.Struct, frozen=True):
    """A customer of the register."""

    id: str
    name: str
    birth_date: date | None
    card_numbers: tuple[str, ...]
    home_branch: str | None
    kind: str
    status: str


class MandateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Collection data of a SEPA mandate."""

    debtor_name: Annotated[str, single_line(70)] | None = None
    iban: Annotated[str, single_line(50)] | None = None
    bic: Annotated[str, single_line(20)] | None = None
    mandate_reference: Annotated[str, single_line(70)] | None = None
    creditor_id: Annotated[str, single_line(50)] | None = None
    signature_date: date | None = None
    sequence_type: SequenceType | None = None


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason of a change."""

    reason: Reason


class CustomerReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customer to whom a paper is moved or linked, and the reason."""

    customer: str
    reason: Reason


class SavedItem(Item, frozen=True, kw_only=True):
    """A paper after a write."""

    customer: str
    position: int


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


def mandate_of(body: MandateBody | None) -> Mandate | None:
    return Mandate(**msgspec.structs.asdict(body)) if body else None


def note_of(text: str | None, limits: Limits, field: str) -> str | None:
    """A note as people typed it; None if it is blank."""
    return parse_prose(text, field, characters_max=limits.note_characters_max) if text and text.strip() else None
