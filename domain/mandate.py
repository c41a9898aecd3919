"""Collection data of a SEPA direct debit mandate and its rules (docs/domain.md §6), for domain/authorization.py."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.calendar import add_months
from domain.iban import is_same_bank, parse_bic, parse_creditor_id, parse_iban, parse_mandate_reference

MONTHS_WITHOUT_COLLECTION = 36
MONTHS_DISPUTABLE = 13  # months to dispute an unauthorised collection; the creditor must show the mandate until then


class SequenceType(StrEnum):
    FIRST = "first"
    RECURRING = "recurring"
    ONE_OFF = "one_off"


class CollectionOutcome(StrEnum):
    PAID = "paid"
    REJECTED = "rejected"
    RETURNED = "returned"
    REFUNDED = "refunded"


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """Collection data of a SEPA mandate. Complete when IBAN and signature date are known.

    `sequence_type` is None only in a caller's input; the use cases fill it in.
    """

    debtor_name: str | None = None
    iban: str | None = None
    bic: str | None = None
    mandate_reference: str | None = None
    creditor_id: str | None = None
    signature_date: date | None = None
    sequence_type: SequenceType | None = None

    @property
    def is_complete(self) -> bool:
        return self.iban is not None and self.signature_date is not None


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """The values to change; an UNSET part stays as it is."""

    debtor_name: str | UnsetType = UNSET
    iban: str | UnsetType = UNSET
    bic: str | UnsetType | None = UNSET
    mandate_reference: str | UnsetType = UNSET

    @property
    def changes(self) -> dict[str, str | None]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}


def amend_mandate(mandate: Mandate, amendment: Amendment) -> Mandate:
    """The mandate with its new data. After a change of bank the next collection is a first one again, and a BIC that
    was not given again is removed, because it belonged to the previous bank."""
    changes = amendment.changes
    if mandate.iban and stays_with_bank(mandate, amendment) is False:
        changes.setdefault("bic", None)
        new = msgspec.structs.replace(mandate, **changes)
        return new if new.sequence_type is SequenceType.ONE_OFF else _restart_sequence(new)
    return msgspec.structs.replace(mandate, **changes)


def _restart_sequence(mandate: Mandate) -> Mandate:
    return msgspec.structs.replace(mandate, sequence_type=SequenceType.FIRST)


def stays_with_bank(mandate: Mandate, amendment: Amendment) -> bool | None:
    """True if the new account is at the bank of the old one; None when the account does not change."""
    if mandate.iban is None or amendment.iban is UNSET or amendment.iban == mandate.iban:
        return None
    return is_same_bank(mandate.iban, amendment.iban)


def diff_fields(old: Mandate | None, new: Mandate) -> Sequence[str]:
    """The names of the changed fields."""
    before = old or Mandate()
    return [name for name in Mandate.__struct_fields__ if getattr(before, name) != getattr(new, name)]


def apply_collection(mandate: Mandate | None, outcome: CollectionOutcome) -> Mandate | None:
    """The mandate after a collection: after a first one that the bank accepted, the next ones recur. A rejected
    collection changes nothing."""
    if mandate is None or mandate.sequence_type is not SequenceType.FIRST or outcome is CollectionOutcome.REJECTED:
        return mandate
    return msgspec.structs.replace(mandate, sequence_type=SequenceType.RECURRING)


def last_day(*, signed_on: date, last_due_on: date | None) -> date:
    """The last day of a mandate without a further collection: 36 months after the due date of the last one, whatever
    its outcome; without any collection 36 months after the signature. From 29 February it is the 28th.

    A due date before the signature is a typing error and ends nothing.
    """
    return add_months(max(signed_on, last_due_on or signed_on), MONTHS_WITHOUT_COLLECTION)


def parse_mandate(given: Mandate, paper: UUID, creditor: str | None) -> Mandate:
    """The collection data with every number parsed, and completed with the reference, creditor and sequence type that
    the archive knows."""
    return msgspec.structs.replace(
        given,
        iban=parse_iban(given.iban) if given.iban else None,
        bic=parse_bic(given.bic) if given.bic else None,
        mandate_reference=parse_mandate_reference(given.mandate_reference or reference_of(paper)),
        creditor_id=parse_creditor_id(given.creditor_id) if given.creditor_id else creditor,
        sequence_type=given.sequence_type or SequenceType.RECURRING,
    )


def reference_of(paper: UUID) -> str:
    """The mandate reference for a mandate without one of its own; 33 characters."""
    return f"M{paper.hex.upper()}"
