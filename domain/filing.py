"""Select file: documents, and the evidence of authorizations, for a customer or by the scan code of an issued form."""

from functools import partial
from uuid import UUID

import msgspec

from domain.access import NO_RIGHTS, Rights
from domain.arrivals import Arrival, Arrivals, refuse_file
from domain.changes import NOTHING, Change, merge_changes
from domain.check_tokens import CheckTokens
from domain.commands import Caller, CallerRequest, Commands, Outcome, outcome_of
from domain.orders import ArchiveFile, require_agreement, without_token
from domain.papers import Papers
from domain.ports import Clock, Contents, Ids, KeyRing
from domain.received_file import Examined, store_content
from domain.values import Kind


class Filing(msgspec.Struct, frozen=True, kw_only=True):
    commands: Commands
    papers: Papers
    arrivals: Arrivals
    checks: CheckTokens
    keys: KeyRing
    contents: Contents
    clock: Clock
    ids: Ids

    def archive_file(self, order: ArchiveFile, file: Examined, caller: Caller, rights: Rights = NO_RIGHTS) -> Outcome:
        """Select file (C1 to C8): store the content, then append its event. A file of an authorization type also
        registers its authorization; the signed form of an issued authorization is attached to that one (D9). `rights`
        are those of a caller who names an authorization. Durable on return."""
        request = self.commands.request_of(caller, without_token(order), file.sha256)
        if order.authorization is None:
            attempt = partial(self.archive_new, order, file, request)
        else:
            attempt = partial(self.archive_evidence, order.authorization, order, file, request, rights)
        return self.commands.answer_once(request, attempt)

    def archive_new(
        self,
        order: ArchiveFile,
        file: Examined,
        request: CallerRequest,
        paper: UUID | None = None,
        along: Change = NOTHING,
    ) -> Outcome:
        """One attempt to archive the file as a new document, under the id `paper` if given; `along` joins the save."""
        today = self.clock.today()
        document_type = self.papers.require_type(order.type or "")
        refuse_file(document_type, order, file, today)
        self.papers.require_customer(order.customer or "")
        owner = self.keys.owner_of(order.customer or "")
        statement = None if document_type.definition.kind is Kind.DOCUMENT else self.ids.new()
        paper = paper or self.ids.new()
        self.keys.new_paper(paper)
        with store_content(self.contents, self.ids.new(), paper, file) as content:
            arrival = Arrival(
                paper=paper,
                owner=owner,
                type=document_type,
                file=file,
                content=content,
                statement=statement,
                today=today,
            )
            change = merge_changes(self.arrivals.change_for_new(order, arrival), along)
            return outcome_of(owner, self.commands.append(change, request))

    def archive_evidence(
        self,
        statement: UUID,
        order: ArchiveFile,
        file: Examined,
        request: CallerRequest,
        rights: Rights,
        paper: UUID | None = None,
        along: Change = NOTHING,
    ) -> Outcome:
        """One attempt to append document, signature and evidence in one save, with `paper` and `along` as for a new
        document. The loser of a race is refused with the winner's document."""
        today = self.clock.today()
        state = self.papers.load_authorization(statement, rights)
        self.checks.require_check(order.check_token, statement, state, request.caller.actor)
        document_type, owner = self.papers.require_type(state.type.code), self.papers.owner_of(state.customer)
        require_agreement(state, owner.customer_id, order)
        refuse_file(document_type, order, file, today)
        paper = paper or self.ids.new()
        self.keys.new_paper(paper)
        with store_content(self.contents, self.ids.new(), paper, file) as content:
            arrival = Arrival(
                paper=paper,
                owner=owner,
                type=document_type,
                file=file,
                content=content,
                statement=statement,
                today=today,
            )
            change = merge_changes(self.arrivals.change_for_evidence(statement, state, order, arrival), along)
            return self.commands.append_to_paper(statement, change, request)
