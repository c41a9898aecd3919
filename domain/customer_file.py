"""The file of a customer: what was reported about the customer. Decide / evolve, no I/O.

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
from domain.refusals import N_, FieldError, IllegalTransition, ValidationFailed


class ReportCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Report that the customer has died, left, or was deleted in the library system `on` this day; `active`: that the
    customer is a customer again, and earlier reports no longer count."""

    customer: UUID
    status: CustomerStatus
    on: date
    today: date
    reason: str


Command = ReportCustomer


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


CustomerFileEvent = CustomerDeceasedReported | CustomerLeft | CustomerDeletedInSource | CustomerReturned


class CustomerFile(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a customer's file. `reported` has the day of the last report of each kind since the customer was
    last active."""

    customer: UUID
    version: int
    status: CustomerStatus = CustomerStatus.ACTIVE
    reported: dict[CustomerStatus, date] = {}

    @property
    def ended_on(self) -> date | None:
        """The day on which the membership ended: the earliest that was reported. None while the customer is active."""
        return min(self.reported.values(), default=None)


REPORTS: dict[CustomerStatus, type[CustomerFileEvent]] = {
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


def _with_report(state: CustomerFile, status: CustomerStatus, on: date) -> CustomerFile:
    return msgspec.structs.replace(state, status=status, reported={**state.reported, status: on})


def fold(events: Iterable[CustomerFileEvent]) -> CustomerFile | None:
    state = None
    for event in events:
        state = evolve(state, event)
    return state
