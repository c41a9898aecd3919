"""A disposal (docs/domain.md G10): a frozen list of papers whose retention has ended, approved by a second person where
a rule asks for it, then destroyed. Decide / evolve, no I/O.

Each disposal is a stream of its own; its key belongs to the intake, because a reason may name a person.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.envelope import UNSET, Event, Sealed
from domain.promises import require_value
from domain.refusals import N_, ApprovalByProposer, ApprovalMissing, FieldError, IllegalTransition, ValidationFailed

PAPERS_MAX = 5_000
"""The most papers that one disposal lists: its event is read whole."""


class DisposalState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    DONE = "done"


class DuePaper(msgspec.Struct, frozen=True, kw_only=True):
    """A paper of the list, with the rule of its type on the day of the proposal. `due_on` is the first day on which it
    may be destroyed; `approval`: the rule asks for a second person."""

    paper: UUID
    type: str
    due_on: date
    trigger: str
    months: int
    legal_basis: str
    approval: bool


class KeptPaper(msgspec.Struct, frozen=True):
    """A paper of the list that was not destroyed; `because` is the slug of the refusal."""

    paper: UUID
    because: str


class Propose(msgspec.Struct, frozen=True):
    papers: tuple[DuePaper, ...]
    actor: str


class Approve(msgspec.Struct, frozen=True):
    actor: str
    reason: str


class Complete(msgspec.Struct, frozen=True):
    """Record the result of the run."""

    destroyed: int
    kept: tuple[KeptPaper, ...]


Command = Propose | Approve | Complete


class DisposalProposed(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "disposal-proposed.v1"
    proposer: str
    papers: tuple[DuePaper, ...]


class DisposalApproved(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "disposal-approved.v1"
    approver: str
    reason: Sealed[str] = UNSET


class DisposalCompleted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "disposal-completed.v1"
    destroyed: int
    kept: tuple[KeptPaper, ...]


DisposalEvent = DisposalProposed | DisposalApproved | DisposalCompleted


class Disposal(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a disposal. `papers` is the list as it was proposed; it never changes."""

    state: DisposalState
    version: int
    proposer: str
    papers: tuple[DuePaper, ...]
    approver: str | None = None
    destroyed: int = 0
    kept: tuple[KeptPaper, ...] = ()

    @property
    def needs_approval(self) -> bool:
        return any(listed.approval for listed in self.papers)


def decide(state: Disposal | None, command: Command) -> Sequence[DisposalEvent]:
    if isinstance(command, Propose):
        return [_propose_disposal(command)]
    state = require_value(state, "use cases refuse an absent disposal before they decide")
    match command:
        case Approve(actor=actor, reason=reason):
            _require_state(state, DisposalState.PROPOSED)
            if actor == state.proposer:
                raise ApprovalByProposer
            return [DisposalApproved(approver=actor, reason=reason)]
        case Complete(destroyed=destroyed, kept=kept):
            require_runnable(state)
            return [DisposalCompleted(destroyed=destroyed, kept=kept)]


def _propose_disposal(command: Propose) -> DisposalProposed:
    if not command.papers:
        raise ValidationFailed(FieldError("due_before", N_("no paper is due before this day")))
    if len(command.papers) > PAPERS_MAX:
        raise ValidationFailed(FieldError("papers", N_("must have at most {limit} entries"), limit=PAPERS_MAX))
    return DisposalProposed(proposer=command.actor, papers=command.papers)


def require_runnable(state: Disposal) -> None:
    """Raise ApprovalMissing, or IllegalTransition after its end, unless the disposal may be run."""
    _require_state(state, DisposalState.PROPOSED, DisposalState.APPROVED)
    if state.needs_approval and state.approver is None:
        raise ApprovalMissing


def _require_state(state: Disposal, *allowed: DisposalState) -> None:
    if state.state not in allowed:
        raise IllegalTransition(state=state.state.value)


def evolve(state: Disposal | None, event: DisposalEvent) -> Disposal:
    if isinstance(event, DisposalProposed):
        return Disposal(state=DisposalState.PROPOSED, version=1, proposer=event.proposer, papers=event.papers)
    state = require_value(state, "a disposal begins with DisposalProposed")
    state = msgspec.structs.replace(state, version=state.version + 1)
    match event:
        case DisposalApproved(approver=approver):
            return msgspec.structs.replace(state, state=DisposalState.APPROVED, approver=approver)
        case DisposalCompleted(destroyed=destroyed, kept=kept):
            return msgspec.structs.replace(state, state=DisposalState.DONE, destroyed=destroyed, kept=kept)


def fold(events: Iterable[DisposalEvent]) -> Disposal | None:
    state: Disposal | None = None
    for event in events:
        state = evolve(state, event)
    return state
