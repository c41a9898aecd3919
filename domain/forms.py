"""Forms with scan codes: issued, found by code, and checked before their paper is archived (F1 to F4, B5 to B8)."""

from datetime import date, timedelta
from functools import partial
from uuid import UUID

import msgspec

from domain import authorization
from domain.access import Rights
from domain.authorization import Authorization, AuthorizationIssued, AuthorizationStatus, Issue, require_checkable
from domain.check_tokens import CheckTokens
from domain.claims import Claims
from domain.commands import MAX_POSITION, Caller, CallerRequest, Commands, Outcome, outcome_of
from domain.customer import Customer
from domain.document_type import DocumentType, schemes_of
from domain.mandate import Mandate, parse_mandate
from domain.papers import Papers, load_types
from domain.ports import Clock, CustomerDirectory, CustomerReference, EventLog, Ids, KeyRing, VersionConflict
from domain.refusals import NotFound, PaperDestroyed, ScanCodeMalformed, ScanCodeTaken, ScanCodeUnknown
from domain.scan_code import candidates, is_well_formed, make_code, prefix_of, random_number
from domain.values import Kind


class IssueForm(msgspec.Struct, frozen=True, kw_only=True):
    """The order to issue a form. `language` is that of the printed form: en, nl or de."""

    customer: str
    type: str
    language: str
    mandate: Mandate | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    note: str | None = None
    external_id: str | None = None


class CheckedForm(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a Check (B6, B7) and the token that proves it for some minutes. `customer` is None when the library
    system no longer knows it."""

    authorization: UUID
    state: Authorization
    outcome: Outcome
    customer: Customer | None
    check_token: str


class PrintedForm(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the sheet of an issued authorization. Every print is the same except for the customer's current
    name."""

    authorization: UUID
    issued: AuthorizationIssued
    issued_on: date
    state: Authorization
    customer_id: str
    customer: Customer | None


class Forms(msgspec.Struct, frozen=True, kw_only=True):
    """`creditor` is the institution's SEPA creditor identifier; a form can be signed for `form_days`."""

    commands: Commands
    papers: Papers
    claims: Claims
    checks: CheckTokens
    log: EventLog
    keys: KeyRing
    customers: CustomerDirectory
    clock: Clock
    ids: Ids
    creditor: str | None
    form_days: int

    def issue_form(self, order: IssueForm, caller: Caller) -> Outcome:
        """Issue a form (F1): the authorization and its scan code in one append. Durable on return."""
        request = self.commands.request_of(caller, order)
        return self.commands.answer_once(request, partial(self._issue_once, order, request))

    def _issue_once(self, order: IssueForm, request: CallerRequest) -> Outcome:
        document_type = self.papers.require_type(order.type)
        self.papers.require_customer(order.customer)
        owner = self.keys.owner_of(order.customer)
        statement = self.ids.new()
        code = make_code(prefix_of(document_type.code), random_number())
        events = authorization.decide(None, self._build_issue(order, document_type, owner, statement, code))
        self.keys.new_paper(statement)
        claims = [
            self.claims.claim_of("scan-code", code, statement),
            *self.claims.claims_of_external_id(order.external_id, statement),
        ]
        change = self.claims.change_of_authorization(statement, None, events, claims=claims, papers={statement: owner})
        try:
            return outcome_of(owner, self.commands.append(change, request))
        except ScanCodeTaken:  # the same one of 10^12 numbers: draw another
            raise VersionConflict from None

    def _build_issue(
        self, order: IssueForm, document_type: DocumentType, owner: CustomerReference, statement: UUID, code: str
    ) -> Issue:
        """The Issue command. A mandate's form shows a reference and the creditor even when no other data is known
        yet."""
        mandate, today = order.mandate, self.clock.today()
        if document_type.definition.kind is Kind.MANDATE:
            mandate = parse_mandate(mandate or Mandate(), statement, self.creditor)
        return Issue(
            customer=owner.reference,
            type=document_type,
            scan_code=code,
            language=order.language,
            lapses_on=today + timedelta(days=self.form_days),
            today=today,
            mandate=mandate,
            valid_from=order.valid_from,
            valid_until=order.valid_until,
            note=order.note,
            external_id=order.external_id,
        )

    def load_printed_form(self, statement: UUID, rights: Rights) -> PrintedForm:
        """The form of an authorization, also for another print: the code stays the same (F3). Raises NotFound when no
        form was issued, PaperDestroyed, or CustomerErased."""
        state = self.papers.load_authorization(statement, rights)
        if state.status is AuthorizationStatus.DESTROYED:
            raise PaperDestroyed
        recorded = self.log.load_recorded([statement], MAX_POSITION)
        issued = recorded[0].envelope.body
        if not isinstance(issued, AuthorizationIssued):
            raise NotFound
        customer_id = self.papers.customer_id(state.customer)
        return PrintedForm(
            authorization=statement,
            issued=issued,
            issued_on=self.clock.day_of(recorded[0].recorded_at),
            state=state,
            customer_id=customer_id,
            customer=self.customers.get(customer_id),
        )

    # -- Check ------------------------------------------------------------------------------------------------

    def find_form(self, text: str, rights: Rights) -> UUID:
        """The authorization of a typed or scanned code, in any status. Raises ScanCodeMalformed, or ScanCodeUnknown,
        also when the caller may not see the authorization."""
        digests = [self.keys.claim_digest("scan-code", code.encode()) for code in candidates(text)]
        owners = self.log.owners_of_claims("scan-code", digests) if digests else {}
        for digest in digests:
            if digest in owners and self.papers.is_visible(owners[digest], rights):
                return owners[digest]
        known = schemes_of(load_types(self.log).values())
        raise ScanCodeUnknown if is_well_formed(text, known) else ScanCodeMalformed

    def customer_of_form(self, statement: UUID, rights: Rights) -> UUID:
        """The reference of the form's customer, whether or not its paper can still be archived."""
        return self.papers.load_authorization(statement, rights).customer

    def check_form(self, statement: UUID, caller: Caller, rights: Rights) -> CheckedForm:
        """Check (B5 to B8): the customer and content of a form. The use case writes nothing; its caller writes the
        access log.

        Raises AuthorizationNotActive, ScanCodeRedeemed, CustomerErased.
        """
        state = self.papers.load_authorization(statement, rights)
        outcome = self.commands.current_outcome(statement)
        require_checkable(state, self.clock.today())
        return CheckedForm(
            authorization=statement,
            state=state,
            outcome=outcome,
            customer=self.customers.get(outcome.customer),
            check_token=self.checks.issue_token(statement, state, caller.actor),
        )
