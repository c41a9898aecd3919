"""Legal holds: what is under one is neither destroyed nor erased, whatever its retention says. Pure."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

import msgspec

from domain.refusals import N_, FieldError, NotFound, ValidationFailed


class Hold(msgspec.Struct, frozen=True):
    """A hold that nobody has lifted. It is in force up to and including `until`; None: until it is lifted."""

    id: UUID
    until: date | None = None

    def is_in_force(self, today: date) -> bool:
        return self.until is None or today <= self.until


Holds = tuple[Hold, ...]


class PlaceHold(msgspec.Struct, frozen=True, kw_only=True):
    """Place a hold on a document, an authorization or all papers of a customer (G9)."""

    hold: UUID
    until: date | None
    today: date
    reason: str


class LiftHold(msgspec.Struct, frozen=True):
    hold: UUID
    reason: str


def require_placeable(command: PlaceHold) -> None:
    """Raise ValidationFailed for a hold of the past."""
    if command.until is not None and command.until < command.today:
        raise ValidationFailed(FieldError("until", N_("must not be in the past")))


def require_liftable(holds: Holds, command: LiftHold) -> None:
    """Raise NotFound unless the hold is one of these; a lifted one is not."""
    if all(held.id != command.hold for held in holds):
        raise NotFound


def without_hold(holds: Holds, lifted: UUID) -> Holds:
    return tuple(held for held in holds if held.id != lifted)


def holds_in_force(holds: Iterable[Hold], today: date) -> Holds:
    return tuple(held for held in holds if held.is_in_force(today))
