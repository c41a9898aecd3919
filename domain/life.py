"""Changes of an authorization during its life (docs/domain.md G7): amend, suspend, resume, revoke, supersede, cancel,
take back a note, collect, lapse."""

from datetime import date, timedelta
from functools import partial
from uuid import UUID

import msgspec
from msgspec import UNSET

from domain import authorization
from domain.access import Rights
from domain.administration import SYSTEM
from domain.authorization import Amend, Authorization, Lapse, Supersede, WithdrawNote
from domain.changes import require_version
from domain.claims import Claims
from domain.commands import Caller, CallerRequest, Commands, Outcome, retry_conflicts
from domain.iban import parse_bic, parse_iban, parse_mandate_reference
from domain.mandate import Amendment, Mandate, parse_mandate
from domain.papers import Papers
from domain.ports import Clock, EventLog, Ids
from domain.refusals import N_, FieldError, NotFound, ValidationFailed


class AmendMandate(msgspec.Struct, frozen=True):
    """The order to amend a mandate: `amendment` as typed; its numbers are checked here."""

    amendment: Amendment
    reason: str


class SupersedeBy(msgspec.Struct, frozen=True):
    by: UUID
    reason: str


class TakeBackNote(msgspec.Struct, frozen=True):
    reason: str


Order = (
    AmendMandate
    | SupersedeBy
    | TakeBackNote
    | authorization.Suspend
    | authorization.Resume
    | authorization.Revoke
    | authorization.Cancel
    | authorization.Reinstate
    | authorization.ReportCollection
)


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """`creditor` is the institution's SEPA creditor identifier; a form can be signed for `form_days`."""

    commands: Commands
    papers: Papers
    claims: Claims
    log: EventLog
    clock: Clock
    ids: Ids
    creditor: str | None
    form_days: int

    def change_authorization(
        self, paper: UUID, order: Order, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Apply one change to an authorization that the caller may see, at the version it read (None: any version).

        Raises NotFound, PreconditionFailed and the refusals of the life cycle. Durable on return.
        """
        request = self.commands.request_of(caller, paper, *_request_of(order), about=paper)
        attempt = partial(self._change_once, paper, order, request, rights, expected_version)
        return self.commands.answer_once(request, attempt)

    def _change_once(
        self, paper: UUID, order: Order, request: CallerRequest, rights: Rights, expected_version: int | None
    ) -> Outcome:
        state = self.papers.load_authorization(paper, rights)
        require_version(expected_version, state.version)
        events = authorization.decide(state, self._command_of(order, paper, rights))
        change = self.claims.change_of_authorization(paper, state, events)
        return self.commands.append_to_paper(paper, change, request)

    def _command_of(self, order: Order, paper: UUID, rights: Rights) -> authorization.Command:
        match order:
            case AmendMandate(amendment=amendment, reason=reason):
                usual = parse_mandate(Mandate(), paper, self.creditor)
                return Amend(_parse_amendment(amendment), self.clock.today(), reason, usual)
            case SupersedeBy(by=by, reason=reason):
                return Supersede(by, self._load_successor(by, paper, rights), self.clock.today(), reason)
            case TakeBackNote(reason=reason):
                today = self.clock.today()
                return WithdrawNote(lapses_on=today + timedelta(days=self.form_days), today=today, reason=reason)
        return order

    def _load_successor(self, by: UUID, paper: UUID, rights: Rights) -> Authorization:
        try:
            if by != paper:
                return self.papers.load_authorization(by, rights)
        except NotFound:
            pass
        raise ValidationFailed(FieldError("by", N_("must be another authorization of the same customer")))

    def load_outcome(self, paper: UUID, rights: Rights) -> Outcome:
        """All events of an authorization and its evidence, for a caller who may see it. Raises NotFound,
        CustomerErased."""
        self.papers.load_authorization(paper, rights)
        return self.commands.current_outcome(paper)

    def lapse_authorization(self, paper: UUID) -> bool:
        """Record what the calendar decided, as `system`. Returns False when there is nothing to record. Durable on
        return."""
        return retry_conflicts(self._lapse_once, paper)

    def _lapse_once(self, paper: UUID) -> bool:
        envelopes = self.log.load(paper)
        state = authorization.fold(e.body for e in envelopes)
        events = authorization.decide(state, Lapse(self.clock.today()))
        if events:
            caller = Caller(actor=SYSTEM, branch=envelopes[0].meta.branch, correlation_id=self.ids.new())
            self.commands.append(self.claims.change_of_authorization(paper, state, events), CallerRequest(caller))
        return bool(events)


def _parse_amendment(amendment: Amendment) -> Amendment:
    """The amendment with each number parsed by its rule. Raises IbanInvalid, FieldError, or ValidationFailed when
    nothing changes."""
    if not amendment.changes:
        raise ValidationFailed(FieldError("", N_("must contain at least one change")))
    return Amendment(
        debtor_name=amendment.debtor_name,
        iban=amendment.iban if amendment.iban is UNSET else parse_iban(amendment.iban),
        bic=parse_bic(amendment.bic, "bic") if amendment.bic else amendment.bic,
        mandate_reference=(
            amendment.mandate_reference
            if amendment.mandate_reference is UNSET
            else parse_mandate_reference(amendment.mandate_reference, "mandate_reference")
        ),
    )


def _request_of(order: Order) -> tuple[object, ...]:
    """The order as its Idempotency-Key compares it: without the day of the request."""
    name = type(order).__name__
    if isinstance(order, AmendMandate):
        return name, order.amendment.changes, order.reason
    if isinstance(order, SupersedeBy | TakeBackNote):
        return name, order
    return name, msgspec.structs.replace(order, today=date.min)
