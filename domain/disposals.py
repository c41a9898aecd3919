"""Use cases of disposals (docs/domain.md G10, I8): propose, approve, run.

Nothing is destroyed before its date, under a hold, or without a required approval: `run_disposal` asks again for each
paper, right before it is destroyed, whatever was true when it was listed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain import disposal
from domain.authorization import EvidenceAttached
from domain.changes import Change, in_stream
from domain.commands import MAX_POSITION, Caller, CallerRequest, Commands, retry_conflicts
from domain.custody import require_destroyable
from domain.declaration import Declaration, build_declaration
from domain.destroying import Destroying
from domain.destruction import DestructionGround
from domain.disposal import Approve, Complete, Disposal, DisposalState, DuePaper, KeptPaper, Propose, require_runnable
from domain.envelope import Recorded
from domain.holding import Holding
from domain.ports import Clock, EventLog, FirstUse, Ids, KeyRing
from domain.refusals import IllegalTransition, NotFound, Refusal, RetentionNotReached, Unavailable


class Retained(msgspec.Struct, frozen=True):
    """Until when a paper is kept, as of its version `version`; `kept_until` None: that day is not known."""

    version: int
    kept_until: date | None


class Retentions(Protocol):
    """Reads until when papers are kept."""

    def retained(self, papers: Sequence[UUID]) -> Mapping[UUID, Retained]:
        """Until when each of these papers is kept by the rules of today; papers that do not exist are left out."""


class LoadedDisposal(msgspec.Struct, frozen=True):
    id: UUID
    state: Disposal


class Disposals(msgspec.Struct, frozen=True, kw_only=True):
    commands: Commands
    destroying: Destroying
    holding: Holding
    log: EventLog
    keys: KeyRing
    clock: Clock
    ids: Ids

    def propose_disposal(self, papers: Sequence[DuePaper], caller: Caller, *asked: object) -> LoadedDisposal:
        """Freeze a list of due papers. Durable on return. `asked` is the request as its Idempotency-Key compares it:
        what is due may change in between. Raises ValidationFailed for an empty list."""
        request = self.commands.request_of(caller, "propose-disposal", *asked)
        return self.commands.answer_once(request, partial(self._propose_once, papers, request), self._replay)

    def _propose_once(self, papers: Sequence[DuePaper], request: CallerRequest) -> LoadedDisposal:
        stream = self.ids.new()
        events = disposal.decide(None, Propose(tuple(papers), request.caller.actor))
        self.keys.new_paper(stream)
        change = Change(steps=in_stream(stream, events), papers={stream: self.keys.intake_owner()})
        self.commands.append(change, request)
        return self.load_disposal(stream)

    def _replay(self, request: CallerRequest, earlier: FirstUse) -> LoadedDisposal:
        return self.load_disposal(earlier.papers[0])

    def require_runnable(self, found: LoadedDisposal) -> None:
        """Raise ApprovalMissing, or IllegalTransition after its end, unless it may be run."""
        require_runnable(found.state)

    def load_disposal(self, stream: UUID) -> LoadedDisposal:
        """The disposal. Raises NotFound."""
        bodies = [e.body for e in self.log.load(stream)]
        state = disposal.fold(bodies) if bodies and isinstance(bodies[0], disposal.DisposalProposed) else None
        if state is None:
            raise NotFound
        return LoadedDisposal(stream, state)

    def declare_disposal(self, stream: UUID, institution: str) -> Declaration:
        """The declaration of a disposal that is done. Raises NotFound, or IllegalTransition before its end."""
        found = self.load_disposal(stream).state
        if found.state is not DisposalState.DONE:
            raise IllegalTransition(state=found.state.value)
        papers = self._load_streams([listed.paper for listed in found.papers])
        evidence = [
            r.envelope.body.document
            for recorded in papers.values()
            for r in recorded
            if isinstance(r.envelope.body, EvidenceAttached)
        ]
        streams = self._load_streams([stream])
        return build_declaration(institution, streams[stream], papers | self._load_streams(evidence))

    def _load_streams(self, streams: Sequence[UUID]) -> dict[UUID, list[Recorded[Any]]]:
        """The events of each stream."""
        found: dict[UUID, list[Recorded[Any]]] = {stream: [] for stream in streams}
        for recorded in self.log.load_recorded(streams, MAX_POSITION):
            found[recorded.envelope.originator_id].append(recorded)
        return found

    def approve_disposal(self, stream: UUID, reason: str, caller: Caller) -> LoadedDisposal:
        """Approve the list. Durable on return. Raises NotFound, ApprovalByProposer or IllegalTransition."""
        request = self.commands.request_of(caller, "approve-disposal", stream, reason, about=stream)
        attempt = partial(self._change_once, stream, Approve(caller.actor, reason), request)
        return self.commands.answer_once(request, attempt, self._replay)

    def run_disposal(self, stream: UUID, retentions: Retentions, caller: Caller) -> LoadedDisposal:
        """Destroy the papers of the list, all but those that may not be destroyed today; these are named in the result.
        Durable on return.

        A run that was interrupted is continued by the next one. The files of the contents are removed afterwards.
        Raises NotFound, ApprovalMissing or IllegalTransition, or Unavailable while the views are behind.
        """
        state = self.load_disposal(stream).state
        require_runnable(state)
        kept = [*self._destroy_all(stream, state, retentions, caller)]
        complete = Complete(len(state.papers) - len(kept), tuple(kept))
        return retry_conflicts(partial(self._change_once, stream, complete, CallerRequest(caller)))

    def _destroy_all(
        self, stream: UUID, state: Disposal, retentions: Retentions, caller: Caller
    ) -> Iterator[KeptPaper]:
        """Destroy each paper; yields those that are kept."""
        for listed in state.papers:
            try:
                self._destroy_listed(stream, listed, retentions, caller)
            except Unavailable:
                raise
            except Refusal as refusal:
                yield KeptPaper(listed.paper, refusal.slug)

    def _destroy_listed(self, stream: UUID, listed: DuePaper, retentions: Retentions, caller: Caller) -> None:
        custody = self.holding.load_custody(listed.paper)
        if custody.paper.status == "destroyed":
            return
        retained = retentions.retained([listed.paper]).get(listed.paper)
        if retained is None:
            raise RetentionNotReached(kept_until=None)
        if retained.version != custody.paper.version:
            raise Unavailable  # the view is behind: what it says may no longer be true
        require_destroyable(custody, kept_until=retained.kept_until, today=self.clock.today())
        ground = DestructionGround(
            disposal=stream,
            due_on=listed.due_on,
            trigger=listed.trigger,
            months=listed.months,
            legal_basis=listed.legal_basis,
        )
        self.destroying.destroy_paper(listed.paper, ground, caller, version=retained.version)

    def _change_once(self, stream: UUID, command: disposal.Command, request: CallerRequest) -> LoadedDisposal:
        state = self.load_disposal(stream).state
        change = Change(steps=in_stream(stream, disposal.decide(state, command)), versions={stream: state.version})
        self.commands.append(change, request)
        return self.load_disposal(stream)
