"""Use cases of a customer's file: what is reported about a customer, and where the file is found."""

from collections.abc import Callable
from datetime import date
from functools import partial
from uuid import UUID

import msgspec

from domain import customer_file
from domain.changes import Change, in_stream
from domain.claims import Claims
from domain.commands import Caller, CallerRequest, Commands, Outcome
from domain.customer import CustomerStatus
from domain.customer_file import CustomerFile, ReportCustomer
from domain.ports import Clock, CustomerDirectory, CustomerReference, EventLog, Ids, KeyRing
from domain.promises import require_value
from domain.refusals import NotFound


class FoundFile(msgspec.Struct, frozen=True):
    """A customer's file as it is in the log."""

    stream: UUID
    state: CustomerFile


class CustomerFiles(msgspec.Struct, frozen=True, kw_only=True):
    commands: Commands
    claims: Claims
    log: EventLog
    keys: KeyRing
    customers: CustomerDirectory
    clock: Clock
    ids: Ids

    def report_customer(self, customer: str, status: CustomerStatus, on: date, reason: str, caller: Caller) -> Outcome:
        """Record that the customer has died, left, was deleted in the library system or is active again, and show it in
        the register. Idempotent: repeating a report returns no new event. Durable on return. Raises NotFound for a
        customer whom neither the register nor the archive knows."""
        report = partial(self._report_of, status, on, reason)
        outcome = self.change_file(customer, report, caller, "report", status, on, reason)
        found = require_value(self.find_file(customer), "a report leaves a file with an event")
        self.customers.set_status(customer, found.state.status)  # of now: this may be the answer to an older request
        return outcome

    def _report_of(self, status: CustomerStatus, on: date, reason: str, owner: CustomerReference) -> ReportCustomer:
        return ReportCustomer(customer=owner.reference, status=status, on=on, today=self.clock.today(), reason=reason)

    def change_file(
        self,
        customer: str,
        command: Callable[[CustomerReference], customer_file.Command],
        caller: Caller,
        *asked: object,
    ) -> Outcome:
        """Apply one command to the customer's file, which begins with it. `asked` is the command as its Idempotency-Key
        compares it. Raises NotFound, CustomerErased and the refusals of the command. Durable on return."""
        request = self.commands.request_of(caller, "customer-file", customer, *asked)
        return self.commands.answer_once(request, partial(self._change_once, customer, command, request))

    def _change_once(
        self,
        customer: str,
        command: Callable[[CustomerReference], customer_file.Command],
        request: CallerRequest,
    ) -> Outcome:
        owner = self._require_owner(customer)
        found = self.find_file(customer)
        stream, version = (found.stream, found.state.version) if found else (self.ids.new(), 0)
        events = customer_file.decide(found.state if found else None, command(owner))
        change = Change(steps=in_stream(stream, events), versions={stream: version})
        if found is None:
            self.keys.new_paper(stream)
            claim = self.claims.claim_of("customer-file", customer, stream)
            change = msgspec.structs.replace(change, claims=[claim], papers={stream: owner})
        return self.commands.append_to_paper(stream, change, request)

    def _require_owner(self, customer: str) -> CustomerReference:
        """The customer's reference; also of one who has papers and whom the register no longer knows."""
        owner = self.keys.owner_of(customer)
        if owner.fresh and not self.customers.exists(customer):
            raise NotFound
        return owner

    def find_file(self, customer: str) -> FoundFile | None:
        """The customer's file; None until something was recorded in it."""
        digest = self.keys.claim_digest("customer-file", customer.encode())
        stream = self.log.owners_of_claims("customer-file", [digest]).get(digest)
        if stream is None:
            return None
        state = customer_file.fold(e.body for e in self.log.load(stream))
        return FoundFile(stream, require_value(state, "a file is claimed with its first event"))
