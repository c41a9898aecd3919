"""The orders of a desk: archive a file, or note an authorization without one."""

from datetime import date
from typing import TypeVar
from uuid import UUID

import msgspec

from domain.authorization import Authorization
from domain.mandate import Mandate
from domain.refusals import N_, FieldError, ScanCodeOtherCustomer, ValidationFailed
from domain.values import Source


class ArchiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """The order to archive a file. `authorization`: the file is its signed form, found by the scan code; customer and
    type may then be omitted. `check_token`: the token of that code's Check; without one no Check is required. `source`:
    how the file was made."""

    customer: str | None = None
    type: str | None = None
    authorization: UUID | None = None
    check_token: str | None = None
    received_on: date | None = None
    signed_on: date | None = None
    note: str | None = None
    ground: str | None = None
    external_id: str | None = None
    duplicate_allowed: bool = False
    source: Source = Source.FILE


class SeenPaper(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a paper that was seen and is not kept: its kind, the last digits of its number, the day."""

    paper: str
    number_suffix: str
    seen_on: date


class NoteAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """The order to note an authorization without a file. `authorization`: it was issued with a form, found by the scan
    code; customer and type may then be omitted. `check_token` as for ArchiveFile."""

    customer: str | None = None
    type: str | None = None
    authorization: UUID | None = None
    check_token: str | None = None
    original_held: bool = False
    shelf_mark: str | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    mandate: Mandate | None = None
    verification: SeenPaper | None = None
    note: str | None = None
    external_id: str | None = None
    last_collection_on: date | None = None


Order = TypeVar("Order", ArchiveFile, NoteAuthorization)


def without_token(order: Order) -> Order:
    """The order as its Idempotency-Key compares it: a second Check before the repeated request changes nothing."""
    return msgspec.structs.replace(order, check_token=None)


def require_agreement(state: Authorization, customer: str, order: ArchiveFile | NoteAuthorization) -> None:
    """Raise a refusal unless the code's customer and type match those of the order (D8)."""
    if order.customer not in (None, customer):
        raise ScanCodeOtherCustomer
    if order.type not in (None, state.type.code):
        raise ValidationFailed(FieldError("type", N_("is not the type that the form was issued for")))
