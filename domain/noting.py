"""No upload: authorizations that stay on paper, and papers that are seen and not kept."""

from datetime import date
from functools import partial
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.access import NO_RIGHTS, Rights
from domain.authorization import Authorization, NoteSigned, Register, Terms
from domain.changes import Change, in_stream
from domain.check_tokens import CheckTokens
from domain.claims import Claims
from domain.commands import Caller, CallerRequest, Commands, Outcome, outcome_of
from domain.document import NoteSeen
from domain.document_type import DocumentType
from domain.mandate import Mandate, parse_mandate
from domain.orders import NoteAuthorization, require_agreement, without_token
from domain.papers import Papers
from domain.ports import Clock, CustomerReference, Ids, KeyRing
from domain.refusals import N_, FieldError, ValidationFailed
from domain.values import Kind, Source


class Noting(msgspec.Struct, frozen=True, kw_only=True):
    """`creditor` is the institution's SEPA creditor identifier."""

    commands: Commands
    papers: Papers
    claims: Claims
    checks: CheckTokens
    keys: KeyRing
    clock: Clock
    ids: Ids
    creditor: str | None

    def note_authorization(self, order: NoteAuthorization, caller: Caller, rights: Rights = NO_RIGHTS) -> Outcome:
        """No upload (D1 to D8): note an authorization without a file, or a paper that was seen and is not kept. Durable
        on return."""
        request = self.commands.request_of(caller, without_token(order))
        if order.authorization is None:
            attempt = partial(self._note_new, order, request)
        else:
            attempt = partial(self._note_signed, order.authorization, order, request, rights)
        return self.commands.answer_once(request, attempt)

    def _note_new(self, order: NoteAuthorization, request: CallerRequest) -> Outcome:
        document_type = self.papers.require_type(order.type or "")
        self.papers.require_customer(order.customer or "")
        owner = self.keys.owner_of(order.customer or "")
        build = self._change_for_seen if document_type.definition.verify_only else self._change_for_authorization
        return outcome_of(owner, self.commands.append(build(order, document_type, owner), request))

    def _change_for_seen(
        self, order: NoteAuthorization, document_type: DocumentType, owner: CustomerReference
    ) -> Change:
        paper = self.ids.new()
        events = document.decide(None, _build_note_seen(order, document_type, owner, self.clock.today()))
        self.keys.new_paper(paper)
        claims = self.claims.claims_of_external_id(order.external_id, paper)
        return Change(steps=in_stream(paper, events), claims=claims, papers={paper: owner})

    def _change_for_authorization(
        self, order: NoteAuthorization, document_type: DocumentType, owner: CustomerReference
    ) -> Change:
        statement = self.ids.new()
        register = build_registration(order, document_type, owner, statement, self.clock.today(), self.creditor)
        events = authorization.decide(None, register)
        self.keys.new_paper(statement)
        claims = self.claims.claims_of_external_id(order.external_id, statement)
        return self.claims.change_of_authorization(statement, None, events, claims=claims, papers={statement: owner})

    def _note_signed(
        self, statement: UUID, order: NoteAuthorization, request: CallerRequest, rights: Rights
    ) -> Outcome:
        """No upload by code (D2): the issued form was signed and is kept on paper."""
        state = self.papers.load_authorization(statement, rights)
        self.checks.require_check(order.check_token, statement, state, request.caller.actor)
        document_type, customer = self.papers.require_type(state.type.code), self.papers.customer_id(state.customer)
        require_agreement(state, customer, order)
        if order.verification is not None:
            raise ValidationFailed(
                FieldError("verification", N_("is only for document types that are seen and not kept"))
            )
        if order.last_collection_on is not None:
            raise ValidationFailed(
                FieldError("last_collection_on", N_("is only for a mandate that was signed in another system"))
            )
        events = authorization.decide(state, self._note_signed_of(state, order, document_type, statement))
        claims = self.claims.claims_of_external_id(order.external_id, statement)
        change = self.claims.change_of_authorization(statement, state, events, claims=claims)
        return self.commands.append_to_paper(statement, change, request)

    def _note_signed_of(
        self, state: Authorization, order: NoteAuthorization, document_type: DocumentType, statement: UUID
    ) -> NoteSigned:
        today = self.clock.today()
        given = order.mandate and merge_mandates(state.mandate, order.mandate)
        terms = _terms_of_note(order, given or state.mandate, today)
        return NoteSigned(
            type=document_type,
            original_held=order.original_held,
            shelf_mark=order.shelf_mark,
            terms=terms,
            today=today,
            mandate=_complete_mandate(given, document_type, statement, terms, self.creditor),
            note=order.note,
            external_id=order.external_id,
        )


def build_registration(
    order: NoteAuthorization,
    document_type: DocumentType,
    owner: CustomerReference,
    statement: UUID,
    today: date,
    creditor: str | None,
    scan_code: str | None = None,
) -> Register:
    """The Register command of an authorization without a file, also of a line of an import."""
    if order.verification is not None:
        raise ValidationFailed(FieldError("verification", N_("is only for document types that are seen and not kept")))
    terms = _terms_of_note(order, order.mandate, today)
    mandate = _complete_mandate(order.mandate, document_type, statement, terms, creditor)
    return Register(
        customer=owner.reference,
        type=document_type,
        source=Source.NONE,
        original_held=order.original_held,
        shelf_mark=order.shelf_mark,
        terms=terms,
        today=today,
        mandate=mandate,
        note=order.note,
        external_id=order.external_id,
        scan_code=scan_code,
        last_collection_on=order.last_collection_on,
    )


def _complete_mandate(
    given: Mandate | None, document_type: DocumentType, statement: UUID, terms: Terms, creditor: str | None
) -> Mandate | None:
    if given is None or document_type.definition.kind is not Kind.MANDATE:
        return given
    return msgspec.structs.replace(parse_mandate(given, statement, creditor), signature_date=terms.signed_on)


# Fields that must be empty for a paper that is only seen.
NOT_SEEN = (
    "original_held",
    "shelf_mark",
    "signed_on",
    "valid_from",
    "valid_until",
    "mandate",
    "last_collection_on",
)


def _terms_of_note(order: NoteAuthorization, mandate: Mandate | None, today: date) -> Terms:
    """The terms of a note. The signature date is that of the mandate, else `signed_on`, else today (docs/domain.md
    §6)."""
    signed = (mandate and mandate.signature_date) or order.signed_on or today
    return Terms(signed_on=signed, valid_from=order.valid_from, valid_until=order.valid_until)


def _build_note_seen(
    order: NoteAuthorization, document_type: DocumentType, owner: CustomerReference, today: date
) -> NoteSeen:
    given = [name for name in NOT_SEEN if getattr(order, name)]
    if given:
        raise ValidationFailed(*(FieldError(n, N_("is not recorded for a paper that is only seen")) for n in given))
    if order.verification is None:
        raise ValidationFailed(FieldError("verification", N_("is required: enter the paper that was seen")))
    if order.verification.seen_on > today:
        raise ValidationFailed(FieldError("verification.seen_on", N_("must not be in the future")))
    return NoteSeen(
        customer=owner.reference,
        type=document_type,
        paper=order.verification.paper,
        number_suffix=order.verification.number_suffix,
        seen_on=order.verification.seen_on,
        note=order.note,
        external_id=order.external_id,
    )


def merge_mandates(issued: Mandate | None, given: Mandate) -> Mandate:
    """The mandate of the form, with the values that staff typed from the signed paper in their places."""
    typed = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not None}
    return msgspec.structs.replace(issued or Mandate(), **typed)
