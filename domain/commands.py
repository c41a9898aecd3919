"""A command of a caller: one append of all that it changes, and the first answer when its Idempotency-Key comes again.

Use cases hold a `Commands` and return only after the commit. An attempt is a plain method, repeated after a lost race.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, overload
from uuid import UUID

import msgspec

from domain.authorization import EvidenceAttached
from domain.changes import Change, Steps
from domain.envelope import Envelope, Meta, Recorded
from domain.ports import (
    AlreadyClaimed,
    Clock,
    CommandKey,
    CustomerReference,
    CustomerReferenceRaced,
    EventLog,
    FirstUse,
    Ids,
    KeyRing,
    Replayed,
    VersionConflict,
)
from domain.refusals import (
    CustomerErased,
    DuplicateContent,
    ExternalIdTaken,
    MandateExists,
    MandateReferenceTaken,
    Refusal,
    ScanCodeTaken,
    ScannerBusy,
    Unavailable,
)

T = TypeVar("T")
P = ParamSpec("P")
ATTEMPTS = 5
RETRIED_CLAIMS = ("late-pages", "customer-file")
"""Claims whose retry finds their owner."""
LOST_RACES = (CustomerReferenceRaced, VersionConflict)
MAX_POSITION = 2**63 - 1


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The actor, branch and request of a command. `idempotency_key` is None when the caller sent none."""

    actor: str
    branch: str
    correlation_id: UUID
    idempotency_key: str | None = None


class CallerRequest(msgspec.Struct, frozen=True):
    """A command as its caller sent it. `key` is None without an Idempotency-Key. `about` is the paper that the caller
    named, whose outcome answers a repeated request; None: the outcome of all papers that the first one changed."""

    caller: Caller
    key: CommandKey | None = None
    about: UUID | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The events of the papers of a command, up to the command's own events. `position`: that of the command's last
    event. `replayed`: it is the result of the first request with this key."""

    customer: str
    recorded: Sequence[Recorded[Any]]
    position: int
    replayed: bool = False


def outcome_of(owner: CustomerReference, recorded: Sequence[Recorded[Any]]) -> Outcome:
    """The outcome of a command that made new papers of this owner."""
    return Outcome(customer=owner.customer_id, recorded=recorded, position=recorded[-1].position)


def retry_conflicts(attempt: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `attempt`, repeated after a lost race, at most ATTEMPTS times: two first papers of a customer, or
    two changes of a stream. Raises Unavailable after that."""
    for _ in range(ATTEMPTS):
        try:
            return attempt(*args, **kwargs)
        except LOST_RACES:
            continue
    raise Unavailable


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    log: EventLog
    keys: KeyRing
    clock: Clock
    ids: Ids

    # -- repeated requests ------------------------------------------------------------------------------------

    def request_of(self, caller: Caller, *parts: object, about: UUID | None = None) -> CallerRequest:
        """The caller's request, recognized by `parts` when its Idempotency-Key comes again. Only digests are stored,
        because programs put personal names into such keys."""
        if caller.idempotency_key is None:
            return CallerRequest(caller, None, about)
        body = self.keys.keyed_digest("command", msgspec.msgpack.encode((caller.branch, parts)))
        key = self.keys.keyed_digest("idempotency-key", caller.idempotency_key.encode())
        return CallerRequest(caller, CommandKey(caller.actor, key.hex(), body), about)

    @overload
    def answer_once(self, request: CallerRequest, attempt: Callable[[], Outcome]) -> Outcome: ...

    @overload
    def answer_once(
        self, request: CallerRequest, attempt: Callable[[], T], replay: Callable[[CallerRequest, FirstUse], T]
    ) -> T: ...

    def answer_once(self, request: CallerRequest, attempt: Callable[[], Any], replay: Any = None) -> Any:
        """The answer to the first request with this Idempotency-Key, made by `replay`, or else the result of `attempt`.

        A twin request may be stored between this look-up and the decision, which is then refused because of the twin's
        work. So the look-up is repeated before a refusal is raised.
        """
        replay = replay or self.replay_outcome
        if earlier := self.find_earlier(request):
            return replay(request, earlier)
        try:
            return retry_conflicts(attempt)
        except Replayed as replayed:
            return replay(request, replayed.earlier)
        except Unavailable:
            raise
        except Refusal:
            if earlier := self.find_earlier(request):
                return replay(request, earlier)
            raise

    def find_earlier(self, request: CallerRequest) -> FirstUse | None:
        """The first use of the request's key, looked up before deciding: a second Save must not be refused as a
        duplicate of the first."""
        return self.log.find_command(request.key) if request.key else None

    # -- append -----------------------------------------------------------------------------------------------

    def append(self, change: Change, request: CallerRequest) -> Sequence[Recorded[Any]]:
        """Append the change and return its events as recorded. Durable on return. Raises Replayed, VersionConflict,
        CustomerReferenceRaced and the refusals of claims."""
        envelopes = self.wrap_steps(change.steps, request.caller, change.versions)
        try:
            appended = self.log.append(
                envelopes,
                claims=change.claims,
                released=change.released,
                papers=change.papers,
                unwrapped=change.unwrapped,
                ended=change.ended,
                forgotten=change.forgotten,
                command=request.key,
            )
        except AlreadyClaimed as taken:
            if taken.kind in RETRIED_CLAIMS or self._is_outdated(change):
                raise VersionConflict from None
            raise refusal_of(taken) from None
        except CustomerErased:  # the key may have gone with a paper that was destroyed meanwhile
            if self._is_outdated(change):
                raise VersionConflict from None
            raise
        pairs = zip(appended.positions, envelopes, strict=True)
        return [Recorded(position, appended.recorded_at, envelope) for position, envelope in pairs]

    def append_to_paper(self, paper: UUID, change: Change, request: CallerRequest) -> Outcome:
        """Append a change of existing papers and return the outcome of the paper that the caller named. Appends nothing
        for a change without steps."""
        if not change.steps:
            return self.current_outcome(paper)
        return self.outcome_at([paper], self.append(change, request)[-1].position)

    def wrap_steps(self, steps: Steps, caller: Caller, known: Mapping[UUID, int]) -> list[Envelope[Any]]:
        """The events with the caller, the time and their versions, after the `known` version of each stream."""
        meta = Meta(caller.actor, caller.branch, self.clock.now(), self.ids.new(), caller.correlation_id)
        versions = dict(known)
        envelopes = []
        for stream, body in steps:
            version = versions[stream] = versions.get(stream, 0) + 1
            envelopes.append(Envelope(stream, version, body, meta))
        return envelopes

    def _is_outdated(self, change: Change) -> bool:
        """True if a stream has grown. Claims are checked before versions, and the newer state may need other claims.
        RETRIED_CLAIMS are always retried."""
        return any(len(self.log.load(stream)) != version for stream, version in change.versions.items())

    # -- outcomes ---------------------------------------------------------------------------------------------

    def replay_outcome(self, request: CallerRequest, earlier: FirstUse) -> Outcome:
        papers = [request.about] if request.about else earlier.papers
        return msgspec.structs.replace(self.outcome_at(papers, earlier.position), replayed=True)

    def outcome_at(self, papers: Sequence[UUID], position: int) -> Outcome:
        """The outcome of these papers at `position`, with the evidence of an authorization. Raises CustomerErased."""
        recorded = self.log.load_recorded(papers, position)
        attached = [b.document for r in recorded if isinstance(b := r.envelope.body, EvidenceAttached)]
        if missing := [paper for paper in attached if paper not in papers]:
            recorded = self.log.load_recorded([*papers, *missing], position)
        of_papers = [r for r in recorded if r.envelope.originator_id in papers]
        owners = [b.customer for r in of_papers if hasattr(b := r.envelope.body, "customer")]
        return Outcome(customer=customer_id_of(self.keys, owners[-1]), recorded=recorded, position=position)

    def current_outcome(self, paper: UUID) -> Outcome:
        """The outcome of a command that changed nothing: the current events of the paper."""
        told = self.outcome_at([paper], MAX_POSITION)
        return msgspec.structs.replace(told, position=told.recorded[-1].position)


def customer_id_of(keys: KeyRing, reference: UUID) -> str:
    """The id of the customer with this reference. Raises CustomerErased."""
    found = keys.customer_ids([reference])
    if reference not in found:
        raise CustomerErased
    return found[reference]


def refusal_of(taken: AlreadyClaimed) -> Refusal:
    """The refusal for a claim that another paper owns."""
    existing = {"existing": str(taken.owner)}
    match taken.kind:
        case "content":
            return DuplicateContent(extra=existing)
        case "external-id":
            return ExternalIdTaken(extra=existing)
        case "mandate":
            return MandateExists(extra=existing)
        case "mandate-reference":
            return MandateReferenceTaken()
        case "scanner":
            return ScannerBusy(extra={"session": str(taken.owner)})
        case "scan-code":
            return ScanCodeTaken(extra=existing)
    raise AssertionError(f"a claim of an unknown kind: {taken.kind}")
