"""The file of a customer: what was reported about the customer, and legal holds. Decide / evolve, no I/O.

Its stream has a random id that is not derived from the customer's; the claim `customer-file` on the customer's id finds
it (domain/customer_files.py). Papers are no part of it: two desks never conflict on unrelated papers of one customer.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.customer import CustomerStatus
from domain.envelope import UNSET, Event, Sealed
from domain.hold import Hold, Holds, LiftHold, PlaceHold, require_liftable, require_placeable, without_hold
from domain.refusals import N_, FieldError, IllegalTransition, NotFound, ValidationFailed


class ReportCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Report that the customer has died, left, or was deleted in the library system `on` this day; `active`: that the
    customer is a customer again, and earlier reports no longer count."""

    customer: UUID
    status: CustomerStatus
    on: date
    today: date
    reason: str


class HoldCustomer(msgspec.Struct, frozen=True):
    """Place a legal hold on all papers of the customer, those that come later included."""

    customer: UUID
    placed: PlaceHold


Command = ReportCustomer | HoldCustomer | LiftHold


class CustomerDeceasedReported(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "customer-deceased-reported.v1"
    customer: UUID
    was: CustomerStatus
    on: date
    reason: Sealed[str] = UNSET


class CustomerLeft(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "customer-left.v1"
    customer: UUID
    was: CustomerStatus
    on: date
    reason: Sealed[str] = UNSET


class CustomerDeletedInSource(Event, frozen=True, kw_only=True):
    """The library system no longer knows the customer. Nothing is destroyed by that alone."""

    topic: ClassVar[str] = "customer-deleted-in-source.v1"
    customer: UUID
    was: CustomerStatus
    on: date
    reason: Sealed[str] = UNSET


class CustomerReturned(Event, frozen=True, kw_only=True):
    """The customer is a customer again, or an earlier report was a mistake."""

    topic: ClassVar[str] = "customer-returned.v1"
    customer: UUID
    was: CustomerStatus
    on: date
    reason: Sealed[str] = UNSET


class CustomerHoldPlaced(Event, frozen=True, kw_only=True):
    """A legal hold on all papers of the customer, in force up to and including `until`; None: until it is lifted."""

    topic: ClassVar[str] = "customer-hold-placed.v1"
    customer: UUID
    hold: UUID
    until: date | None
    reason: Sealed[str] = UNSET


class CustomerHoldLifted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "customer-hold-lifted.v1"
    customer: UUID
    hold: UUID
    reason: Sealed[str] = UNSET


ReportEvent = CustomerDeceasedReported | CustomerLeft | CustomerDeletedInSource | CustomerReturned
CustomerFileEvent = ReportEvent | CustomerHoldPlaced | CustomerHoldLifted


class CustomerFile(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a customer's file. `reported` has the day of the last report of each kind since the customer was
    last active."""

    customer: UUID
    version: int
    status: CustomerStatus = CustomerStatus.ACTIVE
    reported: dict[CustomerStatus, date] = {}
    holds: Holds = ()

    @property
    def ended_on(self) -> date | None:
        """The day on which the membership ended: the earliest that was reported. None while the customer is active."""
        return min(self.reported.values(), default=None)


REPORTS: dict[CustomerStatus, type[ReportEvent]] = {
    CustomerStatus.ACTIVE: CustomerReturned,
    CustomerStatus.DECEASED: CustomerDeceasedReported,
    CustomerStatus.LEFT: CustomerLeft,
    CustomerStatus.DELETED_IN_SOURCE: CustomerDeletedInSource,
}
STATUS_AFTER = {kind: status for status, kind in REPORTS.items()}
"""The customer's status after each of these events."""


def decide(state: CustomerFile | None, command: Command) -> Sequence[CustomerFileEvent]:
    match command:
        case ReportCustomer():
            return _report_customer(state, command)
        case HoldCustomer(customer=customer, placed=placed):
            require_placeable(placed)
            hold, until, reason = placed.hold, placed.until, placed.reason
            return [CustomerHoldPlaced(customer=customer, hold=hold, until=until, reason=reason)]
        case LiftHold(hold=hold, reason=reason):
            if state is None:
                raise NotFound
            require_liftable(state.holds, command)
            return [CustomerHoldLifted(customer=state.customer, hold=hold, reason=reason)]


def _report_customer(state: CustomerFile | None, command: ReportCustomer) -> Sequence[CustomerFileEvent]:
    """No event for a report that is known already, whatever its reason."""
    if command.on > command.today:
        raise ValidationFailed(FieldError("on", N_("must not be in the future")))
    was, kind = state.status if state else CustomerStatus.ACTIVE, REPORTS[command.status]
    if was is command.status is CustomerStatus.ACTIVE:
        raise IllegalTransition(state=was.value)
    if state is not None and was is command.status and state.reported[was] == command.on:
        return []
    return [kind(customer=command.customer, was=was, on=command.on, reason=command.reason)]


def evolve(state: CustomerFile | None, event: CustomerFileEvent) -> CustomerFile:
    state = state or CustomerFile(customer=event.customer, version=0)
    state = msgspec.structs.replace(state, version=state.version + 1)
    match event:
        case CustomerDeceasedReported(on=on):
            return _with_report(state, CustomerStatus.DECEASED, on)
        case CustomerLeft(on=on):
            return _with_report(state, CustomerStatus.LEFT, on)
        case CustomerDeletedInSource(on=on):
            return _with_report(state, CustomerStatus.DELETED_IN_SOURCE, on)
        case CustomerReturned():
            return msgspec.structs.replace(state, status=CustomerStatus.ACTIVE, reported={})
        case CustomerHoldPlaced(hold=hold, until=until):
            return msgspec.structs.replace(state, holds=(*state.holds, Hold(hold, until)))
        case CustomerHoldLifted(hold=hold):
            return msgspec.structs.replace(state, holds=without_hold(state.holds, hold))


def _with_report(state: CustomerFile, status: CustomerStatus, on: date) -> CustomerFile:
    return msgspec.structs.replace(state, status=status, reported={**state.reported, status: on})


def fold(events: Iterable[CustomerFileEvent]) -> CustomerFile | None:
    state = None
    for event in events:
        state = evolve(state, event)
    return state
