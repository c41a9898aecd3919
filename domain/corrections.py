"""Corrections of documents (docs/domain.md G1 to G6), each with a reason; the history keeps the earlier state."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.access import Rights
from domain.authorization import IN_FORCE, RestoreEvidence, WithdrawEvidence
from domain.changes import Change, in_stream, merge_changes, require_version
from domain.claims import Claims
from domain.commands import Caller, CallerRequest, Commands, Outcome, retry_conflicts
from domain.document import Document, LinkCustomer, Reassign, ReplaceContent, Restore, UnlinkCustomer, Withdraw
from domain.papers import Papers
from domain.ports import Clock, Contents, CustomerReference, EventLog, Ids, KeyRing
from domain.promises import require_value
from domain.received_file import Examined, refuse_content, store_content
from domain.refusals import AuthorizationOutOfReach, NotFound


class Move(msgspec.Struct, frozen=True):
    old: CustomerReference
    new: CustomerReference
    reason: str


class Corrections(msgspec.Struct, frozen=True, kw_only=True):
    """Each correction is for a paper that the caller may see, at the version it read (`expected_version`; None: any
    version).

    Raises NotFound, PreconditionFailed and the refusals of the command. Durable on return. A withdrawn paper's form can
    be signed again for `form_days`.
    """

    commands: Commands
    papers: Papers
    claims: Claims
    log: EventLog
    keys: KeyRing
    contents: Contents
    clock: Clock
    ids: Ids
    form_days: int

    def correct_document(
        self, paper: UUID, command: document.Command, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Describe, reclassify, withdraw or restore a document. The effect of withdrawing or restoring on its
        authorization is part of the same append. Raises AuthorizationOutOfReach when the caller may not see that
        authorization."""
        change = partial(self._change_by_command, paper, command, rights)
        return self._apply_correction(paper, _request_of(command), change, caller, rights, expected_version)

    def _change_by_command(self, paper: UUID, command: document.Command, rights: Rights, state: Document) -> Change:
        corrected = Change(steps=in_stream(paper, document.decide(state, command)), versions={paper: state.version})
        match command:
            case Withdraw(reason=reason):
                return merge_changes(corrected, self._withdrawal_change(paper, state, reason, rights))
            case Restore(reason=reason):
                return merge_changes(corrected, self._restoration_change(paper, state, reason, rights))
        return corrected

    def _withdrawal_change(self, paper: UUID, state: Document, reason: str, rights: Rights | None) -> Change:
        """The change beside the document itself: its content claims are released, so that the same content can be added
        again, and an authorization that only this paper signed returns to unsigned."""
        released = self.claims.claims_of_all_owners(state, paper)
        let_go = Change(steps=(), released=released)
        if state.evidence_of is None:
            return let_go
        today = self.clock.today()
        lapses_on = today + timedelta(days=self.form_days)
        command = WithdrawEvidence(document=paper, lapses_on=lapses_on, today=today, reason=reason)
        return merge_changes(let_go, self._authorization_change(state.evidence_of, command, rights))

    def _restoration_change(self, paper: UUID, state: Document, reason: str, rights: Rights) -> Change:
        claims = self.claims.claims_of_all_owners(state, paper)
        taken_up = Change(steps=(), claims=claims)
        if state.evidence_of is None:
            return taken_up
        command = RestoreEvidence(document=paper, today=self.clock.today(), reason=reason)
        return merge_changes(taken_up, self._authorization_change(state.evidence_of, command, rights))

    def _authorization_change(self, statement: UUID, command: authorization.Command, rights: Rights | None) -> Change:
        """The change of the authorization by the command. `rights` None sees every paper."""
        try:
            state = self.papers.load_authorization(statement, rights)
        except NotFound:
            raise AuthorizationOutOfReach from None
        return self.claims.change_of_authorization(statement, state, authorization.decide(state, command))

    def withdraw_ground(self, statement: UUID, reason: str, caller: Caller) -> bool:
        """Undo the signature whose only paper an earlier release withdrew without doing so. Returns False when the
        authorization has a ground or has ended. Raises CollectionPresented. Durable on return."""

        return retry_conflicts(self._withdraw_ground_once, statement, reason, caller)

    def _withdraw_ground_once(self, statement: UUID, reason: str, caller: Caller) -> bool:
        state = authorization.fold(e.body for e in self.log.load(statement))
        if state is None or state.evidence is None or state.status_on(self.clock.today()) not in IN_FORCE:
            return False
        paper = self._load_evidence(state.evidence)
        if paper.is_archived or state.noted:
            return False
        self.commands.append(self._withdrawal_change(state.evidence, paper, reason, None), CallerRequest(caller))
        return True

    def reassign_document(
        self, paper: UUID, customer: str, reason: str, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Move a document to the right customer. An authorization and its papers, withdrawn ones included, move
        together (I5). The keys move too: the key of the previous customer opens none of them any longer."""
        change = partial(self._change_by_move, paper, customer, reason)
        return self._apply_correction(paper, ("reassign", customer, reason), change, caller, rights, expected_version)

    def _change_by_move(self, paper: UUID, customer: str, reason: str, state: Document) -> Change:
        move = self._load_move(state.customer, customer, reason)
        moved = self._move_document(paper, state, move)
        if state.evidence_of is None or not moved.steps:
            return moved
        return merge_changes(moved, self._move_authorization(state.evidence_of, move, but=paper))

    def reassign_authorization(
        self, paper: UUID, customer: str, reason: str, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """As reassign_document, called for the authorization, which may have no evidence."""
        request = self.commands.request_of(caller, paper, "reassign", customer, reason, about=paper)
        attempt = partial(self._reassign_once, paper, customer, reason, request, rights, expected_version)
        return self.commands.answer_once(request, attempt)

    def _reassign_once(
        self,
        paper: UUID,
        customer: str,
        reason: str,
        request: CallerRequest,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        state = self.papers.load_authorization(paper, rights)
        require_version(expected_version, state.version)
        move = self._load_move(state.customer, customer, reason)
        return self.commands.append_to_paper(paper, self._move_authorization(paper, move), request)

    def _load_move(self, old: UUID, customer: str, reason: str) -> Move:
        self.papers.require_customer(customer)
        return Move(self.papers.owner_of(old), self.keys.owner_of(customer), reason)

    def _move_document(self, paper: UUID, state: Document, move: Move) -> Change:
        return Change(
            steps=in_stream(paper, document.decide(state, Reassign(move.new.reference, move.reason))),
            versions={paper: state.version},
            claims=self.claims.claims_of_contents(state, move.new, paper) if state.is_archived else [],
            released=self.claims.claims_of_contents(state, move.old, paper),
            papers={paper: move.new},
            unwrapped=[(paper, move.old.reference)],
        )

    def _move_authorization(self, paper: UUID, move: Move, *, but: UUID | None = None) -> Change:
        """The move of an authorization with all its papers, except `but`, which is moved already."""
        state = authorization.fold(e.body for e in self.log.load(paper))
        state = require_value(state, "evidence is of an authorization")
        events = authorization.decide(state, authorization.Reassign(move.new.reference, move.reason))
        unwrapped = [(paper, move.old.reference)]
        moved = self.claims.change_of_authorization(paper, state, events, papers={paper: move.new}, unwrapped=unwrapped)
        for document_id in state.evidence_papers if events else ():
            if document_id != but:
                moved = merge_changes(moved, self._move_document(document_id, self._load_evidence(document_id), move))
        return moved

    def replace_content(
        self, paper: UUID, file: Examined, reason: str, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Add a new version of the content; earlier versions stay readable for callers with the right (G4)."""
        request = self.commands.request_of(caller, paper, "replace", reason, file.sha256, about=paper)
        attempt = partial(self._replace_once, paper, file, reason, request, rights, expected_version)
        return self.commands.answer_once(request, attempt)

    def _replace_once(
        self,
        paper: UUID,
        file: Examined,
        reason: str,
        request: CallerRequest,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        state = self._load_at_version(paper, rights, expected_version)
        document.require_replaceable(state)
        refuse_content(self.papers.require_type(state.type.code), file)
        owner = self.papers.owner_of(state.customer)
        if state.files[-1].sha256 == file.sha256:
            return self.commands.current_outcome(paper)
        with store_content(self.contents, self.ids.new(), paper, file) as content:
            command = ReplaceContent(content=content, sha256=file.sha256, file_name=file.name, reason=reason)
            change = Change(
                steps=in_stream(paper, document.decide(state, command)),
                versions={paper: state.version},
                claims=[self.claims.claim_of_content(owner, file.sha256, paper, shared=True)],
            )
            return self.commands.append_to_paper(paper, change, request)

    def link_customer(
        self, paper: UUID, customer: str, reason: str, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Link a second customer to a joint paper, whose key then opens it too (G6)."""
        change = partial(self._change_by_link, paper, customer, reason)
        return self._apply_correction(paper, ("link", customer, reason), change, caller, rights, expected_version)

    def _change_by_link(self, paper: UUID, customer: str, reason: str, state: Document) -> Change:
        self.papers.require_customer(customer)
        owner = self.keys.owner_of(customer)
        return Change(
            steps=in_stream(paper, document.decide(state, LinkCustomer(owner.reference, reason))),
            versions={paper: state.version},
            claims=self.claims.claims_of_contents(state, owner, paper) if state.is_archived else [],
            papers={paper: owner},
        )

    def unlink_customer(
        self, paper: UUID, customer: str, reason: str, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Unlink a customer from a joint paper; that customer's key no longer opens it."""
        change = partial(self._change_by_unlink, paper, customer, reason)
        return self._apply_correction(paper, ("unlink", customer, reason), change, caller, rights, expected_version)

    def _change_by_unlink(self, paper: UUID, customer: str, reason: str, state: Document) -> Change:
        self.papers.owner_of(state.customer)  # for an erased customer only the linked customer's wrap remains
        owner = self.keys.owner_of(customer)
        return Change(
            steps=in_stream(paper, document.decide(state, UnlinkCustomer(owner.reference, reason))),
            versions={paper: state.version},
            released=self.claims.claims_of_contents(state, owner, paper),
            unwrapped=[(paper, owner.reference)],
        )

    # -- shared -----------------------------------------------------------------------------------------------

    def _apply_correction(
        self,
        paper: UUID,
        asked: tuple[object, ...],
        change: Callable[[Document], Change],
        caller: Caller,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        """Append the change of the document that the caller read. `asked` is the correction as its Idempotency-Key
        compares it."""
        request = self.commands.request_of(caller, paper, *asked, about=paper)
        attempt = partial(self._correct_once, paper, change, request, rights, expected_version)
        return self.commands.answer_once(request, attempt)

    def _correct_once(
        self,
        paper: UUID,
        change: Callable[[Document], Change],
        request: CallerRequest,
        rights: Rights,
        expected_version: int | None,
    ) -> Outcome:
        state = self._load_at_version(paper, rights, expected_version)
        return self.commands.append_to_paper(paper, change(state), request)

    def _load_at_version(self, paper: UUID, rights: Rights, expected_version: int | None) -> Document:
        state = self.papers.load_document(paper, rights)
        require_version(expected_version, state.version)
        return state

    def _load_evidence(self, paper: UUID) -> Document:
        return require_value(document.fold(e.body for e in self.log.load(paper)), "evidence is a document")


def _request_of(command: document.Command) -> tuple[object, ...]:
    """The correction as its Idempotency-Key compares it: without the day of the request and without the type's
    definition."""
    name = type(command).__name__
    match command:
        case document.Describe():
            asked = {
                n: v for n, v in msgspec.structs.asdict(command).items() if n != "today" and v is not msgspec.UNSET
            }
            return name, asked
        case document.Reclassify(type=document_type, reason=reason):
            return name, document_type.code, reason
    return name, command
