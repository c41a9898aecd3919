"""Use cases of legal holds (docs/domain.md G9): place, lift, list, and the holds that keep a paper from destruction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.access import Rights
from domain.authorization import Authorization, AuthorizationHoldLifted, AuthorizationHoldPlaced
from domain.changes import Change, in_stream, require_version
from domain.commands import MAX_POSITION, Caller, CallerRequest, Commands, Outcome
from domain.custody import Custody, HeldPaper, customers_of, partners_of
from domain.customer_file import CustomerHoldLifted, CustomerHoldPlaced, HoldCustomer
from domain.customer_files import CustomerFiles, FoundFile
from domain.document import Document, DocumentHoldLifted, DocumentHoldPlaced
from domain.envelope import Recorded
from domain.hold import Hold, Holds, LiftHold, PlaceHold
from domain.papers import Papers
from domain.ports import Clock, EventLog, Ids, KeyRing
from domain.promises import require_value
from domain.refusals import NotFound

PLACED = (DocumentHoldPlaced, AuthorizationHoldPlaced, CustomerHoldPlaced)
LIFTED = (DocumentHoldLifted, AuthorizationHoldLifted, CustomerHoldLifted)
Decide = Callable[[Any, Any], Sequence[Any]]


class HoldOrder(msgspec.Struct, frozen=True):
    """A hold that a person asks for; `until` None: until it is lifted."""

    reason: str
    until: date | None = None


class PlacedHold(msgspec.Struct, frozen=True):
    """A hold that was placed and not lifted. `stream` is what it is on; `reason` None: its key is destroyed."""

    id: UUID
    until: date | None
    reason: str | None
    actor: str
    placed_at: datetime
    stream: UUID


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Each change is of a paper that the caller may see, at the version it read (`expected_version`; None: any
    version). Raises NotFound, PreconditionFailed and the refusals of the command. Durable on return."""

    commands: Commands
    papers: Papers
    files: CustomerFiles
    log: EventLog
    keys: KeyRing
    clock: Clock
    ids: Ids

    def hold_document(
        self, paper: UUID, order: HoldOrder, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Place a hold on a document. `placed_hold` reads it from the outcome."""
        return self._place(paper, self.papers.load_document, document.decide, order, caller, rights, expected_version)

    def hold_authorization(
        self, paper: UUID, order: HoldOrder, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Place a hold on an authorization. `placed_hold` reads it from the outcome."""
        load, decide = self.papers.load_authorization, authorization.decide
        return self._place(paper, load, decide, order, caller, rights, expected_version)

    def release_document(
        self, paper: UUID, command: LiftHold, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Lift a hold from a document. Raises NotFound for a hold that is not on it, or no longer."""
        return self._lift(paper, self.papers.load_document, document.decide, command, caller, rights, expected_version)

    def release_authorization(
        self, paper: UUID, command: LiftHold, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Lift a hold from an authorization. Raises NotFound for a hold that is not on it, or no longer."""
        load, decide = self.papers.load_authorization, authorization.decide
        return self._lift(paper, load, decide, command, caller, rights, expected_version)

    def _place(
        self,
        paper: UUID,
        load: Callable[[UUID, Rights], HeldPaper],
        decide: Decide,
        order: HoldOrder,
        caller: Caller,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        request = self.commands.request_of(caller, paper, "hold", order.until, order.reason, about=paper)
        command = PlaceHold(hold=self.ids.new(), until=order.until, today=self.clock.today(), reason=order.reason)
        attempt = partial(self._change_once, paper, load, decide, command, request, rights, expected_version)
        return self.commands.answer_once(request, attempt)

    def _lift(
        self,
        paper: UUID,
        load: Callable[[UUID, Rights], HeldPaper],
        decide: Decide,
        command: LiftHold,
        caller: Caller,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        request = self.commands.request_of(caller, paper, "lift-hold", command.hold, command.reason, about=paper)
        attempt = partial(self._change_once, paper, load, decide, command, request, rights, expected_version)
        return self.commands.answer_once(request, attempt)

    def _change_once(
        self,
        paper: UUID,
        load: Callable[[UUID, Rights], HeldPaper],
        decide: Decide,
        command: PlaceHold | LiftHold,
        request: CallerRequest,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        state = load(paper, rights)
        require_version(expected_version, state.version)
        change = Change(steps=in_stream(paper, decide(state, command)), versions={paper: state.version})
        return self.commands.append_to_paper(paper, change, request)

    # -- customers --------------------------------------------------------------------------------------------

    def hold_customer(self, customer: str, order: HoldOrder, caller: Caller) -> Outcome:
        """Place a hold on all papers of a customer, those that come later included. `placed_hold` reads it from the
        outcome. Raises NotFound for a customer whom neither the register nor the archive knows."""
        placed = PlaceHold(hold=self.ids.new(), until=order.until, today=self.clock.today(), reason=order.reason)
        return self.files.change_file(
            customer, lambda owner: HoldCustomer(owner.reference, placed), caller, "hold", order.until, order.reason
        )

    def release_customer(self, customer: str, command: LiftHold, caller: Caller) -> Outcome:
        """Lift a hold from a customer. Raises NotFound for a hold that is not on the customer, or no longer."""
        return self.files.change_file(
            customer, lambda owner: command, caller, "lift-hold", command.hold, command.reason
        )

    # -- what holds a paper -----------------------------------------------------------------------------------

    def load_custody(self, paper: UUID) -> Custody:
        """The paper with everything whose holds cover it, from the log. Raises NotFound."""
        state = self._load(paper)
        partners = [self._load(partner) for partner in partners_of(state)]
        return Custody(paper=state, partners=partners, customers=self._holds_of(customers_of([state, *partners])))

    def list_holds(self, paper: UUID) -> list[PlacedHold]:
        """The holds in force that cover a paper, the oldest first. Raises NotFound."""
        state = self._load(paper)
        partners = partners_of(state)
        files = self._files_of(customers_of([state, *map(self._load, partners)]))
        return self._holds_in_force([paper, *partners, *(found.stream for found in files.values())])

    def list_holds_of_customer(self, customer: str) -> list[PlacedHold]:
        """The holds in force on a customer, the oldest first."""
        found = self.files.find_file(customer)
        return self._holds_in_force([found.stream]) if found else []

    def _holds_in_force(self, streams: Sequence[UUID]) -> list[PlacedHold]:
        recorded, today = self.log.load_recorded(streams, MAX_POSITION), self.clock.today()
        return [held for held in placed_holds(recorded) if Hold(held.id, held.until).is_in_force(today)]

    def _load(self, paper: UUID) -> HeldPaper:
        bodies = [envelope.body for envelope in self.log.load(paper)]
        folded: Document | Authorization | None = None
        if bodies and isinstance(bodies[0], document.DocumentEvent):
            folded = document.fold(bodies)
        elif bodies and isinstance(bodies[0], authorization.AuthorizationEvent):
            folded = authorization.fold(bodies)
        if folded is None:
            raise NotFound
        return folded

    def _holds_of(self, customers: Iterable[UUID]) -> dict[UUID, Holds]:
        customers = [*customers]
        files = self._files_of(customers)
        return {customer: files[customer].state.holds if customer in files else () for customer in customers}

    def _files_of(self, customers: Iterable[UUID]) -> dict[UUID, FoundFile]:
        """The files of these customers by their references; an erased customer has none."""
        ids = self.keys.customer_ids(customers)
        found = {reference: self.files.find_file(customer) for reference, customer in ids.items()}
        return {reference: file for reference, file in found.items() if file}


def placed_holds(recorded: Iterable[Recorded[Any]]) -> Iterator[PlacedHold]:
    """The holds of these events that none of them lifts, in the order of the log."""
    found: dict[UUID, PlacedHold] = {}
    for one in recorded:
        body = one.envelope.body
        if isinstance(body, PLACED):
            found[body.hold] = _placed_by(one)
        elif isinstance(body, LIFTED):
            del found[body.hold]
    yield from found.values()


def placed_hold(outcome: Outcome) -> PlacedHold:
    """The hold that a command placed."""
    last = (one for one in outcome.recorded if one.position == outcome.position)
    return _placed_by(require_value(next(last, None), "an outcome ends with the command's last event"))


def _placed_by(one: Recorded[Any]) -> PlacedHold:
    body, envelope = one.envelope.body, one.envelope
    return PlacedHold(
        id=body.hold,
        until=body.until,
        reason=body.reason or None,
        actor=envelope.meta.actor,
        placed_at=one.recorded_at,
        stream=envelope.originator_id,
    )
