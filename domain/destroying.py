"""Destroys papers whose retention has ended: the end of a document, or of an authorization with all its evidence.

One append writes the last event of each stream and deletes the keys, so there is no instant at which a paper has only
one of them. From then on no sealed field and no content of it can be opened. The files of its contents are removed
afterwards, from the list that the same append writes (store/destroyed_contents.py): whoever is interrupted continues
there.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.authorization import Authorization, DestroyAuthorization
from domain.changes import Change, in_stream, merge_changes, require_version
from domain.claims import Claims
from domain.commands import Caller, CallerRequest, Commands, retry_conflicts
from domain.destruction import DestructionGround
from domain.document import DestroyDocument, Document
from domain.envelope import Envelope
from domain.ports import Clock, EventLog
from domain.promises import require_value
from domain.refusals import NotFound


class Destroying(msgspec.Struct, frozen=True, kw_only=True):
    commands: Commands
    claims: Claims
    log: EventLog
    clock: Clock

    def destroy_paper(
        self, paper: UUID, ground: DestructionGround, caller: Caller, *, version: int | None = None
    ) -> bool:
        """Destroy a paper. Durable on return. Returns False when it was destroyed already.

        The caller has checked date, holds and approval, of this `version` of the paper: of a newer one nothing is
        destroyed (PreconditionFailed). Evidence goes with its authorization: alone it is NotFound. Raises
        IllegalTransition for an authorization that has not ended.
        """
        return retry_conflicts(partial(self._destroy_once, paper, ground, caller, version))

    def _destroy_once(self, paper: UUID, ground: DestructionGround, caller: Caller, version: int | None) -> bool:
        change = self._change_of_paper(paper, ground)
        if change.steps:
            require_version(version, change.versions[paper])
        if change.steps:
            self.commands.append(change, CallerRequest(caller))
        return bool(change.steps)

    def _change_of_paper(self, paper: UUID, ground: DestructionGround) -> Change:
        envelopes = self.log.load(paper)
        found = document.fold(_bodies_of(envelopes, document.DocumentEvent))
        if found is not None and found.evidence_of is None:
            return self._change_of_document(paper, found, ground)
        statement = authorization.fold(_bodies_of(envelopes, authorization.AuthorizationEvent))
        if statement is None:
            raise NotFound
        return self._change_of_authorization(paper, statement, ground)

    def _change_of_document(self, paper: UUID, state: Document, ground: DestructionGround) -> Change:
        """Its content claims are released with it, so that the same file can be archived again. Its external id stays
        claimed: an import that is repeated must not bring the paper back."""
        events = document.decide(state, DestroyDocument(ground))
        if not events:
            return Change(steps=())
        released = self.claims.claims_of_all_owners(state, paper)
        return Change(steps=in_stream(paper, events), versions={paper: state.version}, released=released, ended=[paper])

    def _change_of_authorization(self, paper: UUID, state: Authorization, ground: DestructionGround) -> Change:
        events = authorization.decide(state, DestroyAuthorization(ground, self.clock.today()))
        if not events:
            return Change(steps=())
        change = self.claims.change_of_authorization(paper, state, events, ended=[paper])
        for evidence in state.evidence_papers:
            body = document.fold(_bodies_of(self.log.load(evidence), document.DocumentEvent))
            body = require_value(body, "evidence is a document")
            change = merge_changes(change, self._change_of_document(evidence, body, ground))
        return change


def _bodies_of(envelopes: Iterable[Envelope[Any]], events: Any) -> list[Any]:
    return [envelope.body for envelope in envelopes if isinstance(envelope.body, events)]
