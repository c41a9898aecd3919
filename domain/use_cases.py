"""The shared part of all use cases: the ports, one append per command, and replays of Idempotency-Keys.

Use cases return only after the commit, and callers get no other result. store/ implements the ports; domain/archive.py
combines the use cases of filing.py, forms.py, corrections.py, life.py and catalogues.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from domain import authorization, document, document_type
from domain.access import Rights
from domain.authorization import IN_FORCE, Authorization
from domain.document import Document
from domain.document_type import DocumentType
from domain.envelope import Envelope, Meta, Recorded
from domain.iban import parse_bic, parse_creditor_id, parse_iban, parse_mandate_reference
from domain.mandate import Mandate, SequenceType
from domain.ports import (
    AlreadyClaimed,
    Appended,
    Claim,
    Clock,
    CommandKey,
    Contents,
    CustomerDirectory,
    CustomerReference,
    CustomerReferenceRaced,
    EventLog,
    Ids,
    KeyRing,
    Replayed,
    VersionConflict,
)
from domain.refusals import (
    CustomerErased,
    CustomerUnknown,
    DocumentTypeUnknown,
    DuplicateContent,
    ExternalIdTaken,
    MandateExists,
    MandateReferenceTaken,
    NotFound,
    PreconditionFailed,
    Refusal,
    ScanCodeTaken,
    ScannerBusy,
    Unavailable,
)

T = TypeVar("T")
P = TypeVar("P", Document, Authorization)
ATTEMPTS = 5
MAX_POSITION = 2**63 - 1
TYPE_TOPICS = [t.topic for t in (document_type.DocumentTypeDefined, document_type.DocumentTypeChanged)]
Steps = Sequence[tuple[UUID, Any]]
"""Events, each with its stream, in the order in which they enter the log."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The actor, branch and request of a command. `idempotency_key` is None when the caller sent none."""

    actor: str
    branch: str
    correlation_id: UUID
    idempotency_key: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The events of the papers of a command, up to the command's own events. `position`: that of the command's last
    event. `replayed`: it is the result of the first request with this key."""

    customer: str
    recorded: Sequence[Recorded[Any]]
    position: int
    replayed: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one command changes. `versions` are those of existing streams, `papers` get a key for their
    owner, `ended` papers lose all their keys, `forgotten` are contents that the log no longer names."""

    steps: Steps
    versions: Mapping[UUID, int] = {}
    claims: Sequence[Claim] = ()
    released: Sequence[Claim] = ()
    papers: Mapping[UUID, CustomerReference] = {}
    unwrapped: Sequence[tuple[UUID, UUID]] = ()
    ended: Sequence[UUID] = ()
    forgotten: Sequence[UUID] = ()


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the use cases. `creditor` is the institution's SEPA creditor identifier, as domain/iban.py
    returns it; a form can be signed for `form_days`."""

    creditor: str | None = None
    form_days: int = 180
    check_token_seconds: int = 600
    scan_pages_max: int = 500


class UseCases(msgspec.Struct, frozen=True, kw_only=True):
    """The ports and settings of all use cases. `creditor` is the institution's SEPA creditor identifier, as
    domain/iban.py returns it; a form can be signed for `form_days`."""

    log: EventLog
    keys: KeyRing
    contents: Contents
    customers: CustomerDirectory
    clock: Clock
    ids: Ids
    creditor: str | None = None
    form_days: int = 180
    check_token_seconds: int = 600
    scan_pages_max: int = 500

    # -- append -----------------------------------------------------------------------------------------------

    def _append_change(
        self, change: Change, caller: Caller, command: CommandKey | None = None
    ) -> Sequence[Recorded[Any]]:
        """Append the change and return its events as recorded. Durable on return. Raises Replayed, VersionConflict,
        CustomerReferenceRaced and the refusals of claims."""
        envelopes = self._wrap_steps(change.steps, caller, change.versions)
        try:
            appended = self.log.append(
                envelopes,
                claims=change.claims,
                released=change.released,
                papers=change.papers,
                unwrapped=change.unwrapped,
                ended=change.ended,
                forgotten=change.forgotten,
                command=command,
            )
        except AlreadyClaimed as taken:
            if taken.kind == "late-pages" or self._is_outdated(change):
                raise VersionConflict from None
            raise refusal_of(taken) from None
        return _pair_with_positions(envelopes, appended)

    def _is_outdated(self, change: Change) -> bool:
        """True if a stream has grown. Claims are checked before versions, and the newer state may need other claims. A
        claim on late pages is always retried, because the retry finds its owner."""
        return any(len(self.log.load(stream)) != version for stream, version in change.versions.items())

    def _append_to_paper(self, paper: UUID, change: Change, caller: Caller, command: CommandKey | None) -> Outcome:
        """Append a change of existing papers and return the outcome of the paper that the caller named. Appends nothing
        for a change without steps."""
        if not change.steps:
            return self._current_outcome(paper)
        try:
            recorded = self._append_change(change, caller, command)
        except Replayed as replayed:
            return self._replay_outcome([paper], replayed.earlier.position)
        return self._outcome_at([paper], recorded[-1].position)

    def _append_new(
        self, change: Change, owner: CustomerReference, caller: Caller, command: CommandKey | None
    ) -> Outcome:
        """Append new papers with everything that belongs to them; a repeated request gets the first answer."""
        try:
            recorded = self._append_change(change, caller, command)
        except Replayed as replayed:
            return self._replay_outcome(replayed.earlier.papers, replayed.earlier.position)
        return self._outcome_of(owner.customer_id, recorded)

    def _wrap_steps(self, steps: Steps, caller: Caller, known: Mapping[UUID, int]) -> list[Envelope[Any]]:
        meta = Meta(caller.actor, caller.branch, self.clock.now(), self.ids.new(), caller.correlation_id)
        versions = dict(known)
        envelopes = []
        for stream, body in steps:
            version = versions[stream] = versions.get(stream, 0) + 1
            envelopes.append(Envelope(stream, version, body, meta))
        return envelopes

    def _retry_conflicts(self, attempt: Callable[[], T]) -> T:
        """Run `attempt` again after a lost race, at most ATTEMPTS times: two first papers of a customer, or two changes
        of a stream. Raises Unavailable after that."""
        for _ in range(ATTEMPTS):
            try:
                return attempt()
            except (CustomerReferenceRaced, VersionConflict):
                continue
        raise Unavailable

    def _answer_once(self, told: Callable[[], T | None], attempt: Callable[[], T]) -> T:
        """The answer to the first request with this Idempotency-Key, from `told`, or else the result of `attempt`.

        A twin request may be stored between this look-up and the decision, which is then refused because of the twin's
        work. So the look-up is repeated before a refusal is raised.
        """
        if earlier := told():
            return earlier
        try:
            return self._retry_conflicts(attempt)
        except Unavailable:
            raise
        except Refusal:
            if earlier := told():
                return earlier
            raise

    # -- answers -----------------------------------------------------------------------------------------------

    def _command_key(self, caller: Caller, *parts: object) -> CommandKey | None:
        """The command key of a request, None without an Idempotency-Key. Only its digest is stored, because programs
        put personal names into such keys."""
        if caller.idempotency_key is None:
            return None
        body = self.keys.keyed_digest("command", msgspec.msgpack.encode((caller.branch, parts)))
        key = self.keys.keyed_digest("idempotency-key", caller.idempotency_key.encode())
        return CommandKey(caller.actor, key.hex(), body)

    def _find_earlier(self, command: CommandKey | None, about: UUID | None = None) -> Outcome | None:
        """The answer to an earlier request with this key, looked up before deciding: a second Save must not be refused
        as a duplicate of the first. `about`: the paper that the caller named, for a command that changes further
        papers."""
        earlier = self.log.find_command(command) if command else None
        return self._replay_outcome([about] if about else earlier.papers, earlier.position) if earlier else None

    def _replay_outcome(self, papers: Sequence[UUID], position: int) -> Outcome:
        return msgspec.structs.replace(self._outcome_at(papers, position), replayed=True)

    def _outcome_at(self, papers: Sequence[UUID], position: int) -> Outcome:
        """The outcome of these papers at `position`, with the evidence of an authorization."""
        recorded = self.log.load_recorded(papers, position)
        attached = [b.document for r in recorded if isinstance(b := r.envelope.body, authorization.EvidenceAttached)]
        if missing := [paper for paper in attached if paper not in papers]:
            recorded = self.log.load_recorded([*papers, *missing], position)
        of_papers = [r for r in recorded if r.envelope.originator_id in papers]
        owners = [b.customer for r in of_papers if hasattr(b := r.envelope.body, "customer")]
        customer = self._customer_id(owners[-1])
        return Outcome(customer=customer, recorded=recorded, position=position)

    def _current_outcome(self, paper: UUID) -> Outcome:
        """The outcome of a command that changed nothing: the current events of the paper."""
        told = self._outcome_at([paper], MAX_POSITION)
        return msgspec.structs.replace(told, position=told.recorded[-1].position)

    def _outcome_of(self, customer: str, recorded: Sequence[Recorded[Any]]) -> Outcome:
        return Outcome(customer=customer, recorded=recorded, position=recorded[-1].position)

    # -- papers -----------------------------------------------------------------------------------------------

    def _load_document(self, paper: UUID, rights: Rights) -> Document:
        return self._load_visible(paper, rights, document.fold, document.DocumentEvent)

    def _load_authorization(self, paper: UUID, rights: Rights | None) -> Authorization:
        return self._load_visible(paper, rights, authorization.fold, authorization.AuthorizationEvent)

    def _load_visible(
        self, paper: UUID, rights: Rights | None, fold: Callable[[Iterable[Any]], P | None], events: Any
    ) -> P:
        """The current state of a paper of this kind. Raises NotFound unless it exists for this reader (`rights` None:
        every paper does)."""
        envelopes = self.log.load(paper)
        state = fold(e.body for e in envelopes if isinstance(e.body, events))
        if state is None or (rights and not rights.may_see(state.type.code, envelopes[0].meta.branch)):
            raise NotFound
        return state

    def is_visible(self, paper: UUID, rights: Rights) -> bool:
        """True if a document or an authorization exists for this reader, according to the log, which is never behind
        like a view."""
        for read in (self._load_document, self._load_authorization):
            try:
                read(paper, rights)
            except NotFound:
                continue
            return True
        return False

    def is_document(self, paper: UUID) -> bool:
        """True if a paper of the log is a document, and not an authorization."""
        return any(isinstance(e.body, document.DocumentEvent) for e in self.log.load(paper))

    def _customer_id(self, reference: UUID) -> str:
        found = self.keys.customer_ids([reference])
        if reference not in found:
            raise CustomerErased
        return found[reference]

    def _owner_of(self, reference: UUID) -> CustomerReference:
        """The owner of existing papers. Raises CustomerErased."""
        return self.keys.owner_of(self._customer_id(reference))

    def _require_customer(self, customer: str) -> None:
        if not self.customers.exists(customer):
            raise CustomerUnknown

    def load_types(self) -> dict[str, DocumentType]:
        """All document types by code."""
        return document_type.fold(e.body for e in self.log.load_topics(TYPE_TOPICS))

    def _require_type(self, code: str) -> DocumentType:
        kind = self.load_types().get(code)
        if kind is None:
            raise DocumentTypeUnknown(type=code)
        return kind

    # -- what is unique ---------------------------------------------------------------------------------------

    def _claim_of(self, kind: str, value: str, owner: UUID) -> Claim:
        return Claim(kind=kind, digest=self.keys.claim_digest(kind, value.encode()), owner=owner)

    def _external_id_claims(self, external_id: str | None, paper: UUID) -> list[Claim]:
        return [self._claim_of("external-id", external_id, paper)] if external_id else []

    def _content_claim(self, owner: CustomerReference, sha256: bytes, paper: UUID, *, shared: bool) -> Claim:
        return Claim(kind="content", digest=self.keys.claim_digest_within(owner, sha256), owner=paper, shared=shared)

    def _reference_claims(self, state: Authorization | None, paper: UUID) -> list[Claim]:
        """The claim on a mandate reference, which is unique for ever (I6)."""
        reference = state and state.mandate and state.mandate.mandate_reference
        return [self._claim_of("mandate-reference", reference.upper(), paper)] if reference else []

    def _account_claims(self, state: Authorization | None, paper: UUID) -> list[Claim]:
        """The claim on the account: at most one mandate in force per customer, creditor and IBAN; free again after its
        end (I6)."""
        if state is None or state.status not in IN_FORCE or not (state.mandate and state.mandate.iban):
            return []
        customer = msgspec.to_builtins(state.customer)  # the same text as str(), in a quarter of the time
        account = f"{customer}|{state.mandate.creditor_id or ''}|{state.mandate.iban}"
        return [self._claim_of("mandate", account, paper)]

    def _change_of_authorization(
        self, paper: UUID, before: Authorization | None, events: Sequence[Any], **more: Any
    ) -> Change:
        """The change of one authorization by these events, with the claims that it makes and releases."""
        after = before
        for event in events:
            after = authorization.evolve(after, event)
        old, new = self._account_claims(before, paper), self._account_claims(after, paper)
        known, references = self._reference_claims(before, paper), self._reference_claims(after, paper)
        return Change(
            steps=in_stream(paper, events),
            versions={paper: before.version} if before else {},
            claims=[*more.pop("claims", ()), *(c for c in [*references, *new] if c not in [*known, *old])],
            released=[c for c in old if c not in new],
            **more,
        )

    # -- mandates ---------------------------------------------------------------------------------------------

    def _parse_mandate(self, given: Mandate, paper: UUID) -> Mandate:
        """The collection data with every number parsed, and completed with the reference, creditor and sequence type
        that the archive knows."""
        return msgspec.structs.replace(
            given,
            iban=parse_iban(given.iban) if given.iban else None,
            bic=parse_bic(given.bic) if given.bic else None,
            mandate_reference=parse_mandate_reference(given.mandate_reference or reference_of(paper)),
            creditor_id=parse_creditor_id(given.creditor_id) if given.creditor_id else self.creditor,
            sequence_type=given.sequence_type or SequenceType.RECURRING,
        )


def reference_of(paper: UUID) -> str:
    """The mandate reference for a mandate without one of its own; 33 characters."""
    return f"M{paper.hex.upper()}"


def require_version(expected: int | None, version: int) -> None:
    """Raise PreconditionFailed unless this is the expected version; None accepts every version."""
    if expected not in (None, version):
        raise PreconditionFailed(version=version)


def merge_changes(one: Change, other: Change) -> Change:
    """One change with the steps of both."""
    return Change(
        steps=[*one.steps, *other.steps],
        versions={**one.versions, **other.versions},
        claims=[*one.claims, *other.claims],
        released=[*one.released, *other.released],
        papers={**one.papers, **other.papers},
        unwrapped=[*one.unwrapped, *other.unwrapped],
        ended=[*one.ended, *other.ended],
        forgotten=[*one.forgotten, *other.forgotten],
    )


def in_stream(stream: UUID, events: Sequence[Any]) -> Steps:
    """The events as steps of one stream."""
    return [(stream, event) for event in events]


def _pair_with_positions(envelopes: Sequence[Envelope[Any]], appended: Appended) -> list[Recorded[Any]]:
    pairs = zip(appended.positions, envelopes, strict=True)
    return [Recorded(position, appended.recorded_at, envelope) for position, envelope in pairs]


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
