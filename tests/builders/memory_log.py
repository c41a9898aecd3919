"""An event log in memory: the library's own recorder in memory, our mapper, and every refusal of store/recorder.py."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

from eventsourcing.persistence import EventStore, IntegrityError, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from domain.envelope import Envelope, Recorded
from domain.ports import (
    AlreadyClaimed,
    Appended,
    Claim,
    Clock,
    CommandKey,
    CustomerReference,
    CustomerReferenceRaced,
    FirstUse,
    Replayed,
    UnsentAppend,
    VersionConflict,
)
from domain.refusals import CustomerErased, IdempotencyKeyReused
from store.mapper import PLANS, SealingMapper
from tests.builders.memory_keys import MemoryKeys


class MemoryRecorder(POPOApplicationRecorder):
    """One lock around a whole append, as the library has it; positions have no holes."""

    def __init__(self, keys: MemoryKeys, clock: Clock) -> None:
        super().__init__()
        self._keys, self._clock = keys, clock
        self._commands: dict[tuple[str, str], tuple[bytes, FirstUse]] = {}
        self._claims: dict[tuple[str, bytes], UUID] = {}
        self.recorded_at: list[datetime] = []

    def append(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        claims: Sequence[Claim],
        released: Sequence[Claim],
        papers: Mapping[UUID, CustomerReference],
        unwrapped: Sequence[tuple[UUID, UUID]],
        ended: Sequence[UUID],
        command: CommandKey | None,
    ) -> Appended:
        """The checks in the order of archive.append(); nothing is changed before the last of them is passed."""
        with self._database_lock:
            if command and (earlier := self.find_command(command)):
                raise Replayed(earlier)
            self._check_owners(papers)
            wraps = self._rewrapped(stored_events, papers, unwrapped)
            self._check_keys(stored_events, wraps)
            self._check_ended(stored_events, ended)
            owned = self._reclaimed(claims, released)
            try:
                positions = tuple(self._insert_events(stored_events) or ())
            except IntegrityError as error:
                raise VersionConflict from error
            self._claims = owned
            self._keys.references |= {o.customer_id: o.reference for o in papers.values()}
            self._keys.papers |= wraps
            for paper in ended:
                self._keys.end(paper)
            return self._settle(stored_events, positions, command)

    def find_command(self, command: CommandKey) -> FirstUse | None:
        body, earlier = self._commands.get((command.actor, command.key), (command.body, None))
        if body != command.body:
            raise IdempotencyKeyReused
        return earlier

    def _check_owners(self, papers: Mapping[UUID, CustomerReference]) -> None:
        for owner in papers.values():
            if self._keys.references.get(owner.customer_id, owner.reference) != owner.reference:
                raise CustomerReferenceRaced
            if not owner.fresh and owner.customer_id not in self._keys.references:
                raise CustomerErased

    def _rewrapped(
        self,
        stored_events: Sequence[StoredEvent],
        papers: Mapping[UUID, CustomerReference],
        unwrapped: Sequence[tuple[UUID, UUID]],
    ) -> dict[UUID, frozenset[UUID]]:
        """Those who hold the papers that get or lose a wrap, as it will be."""
        new = {e.originator_id for e in stored_events if e.originator_version == 1}
        if not papers.keys() <= self._keys.papers.keys() | new:
            raise CustomerErased
        wraps = {p: self._keys.papers.get(p, frozenset()) | {owner.reference} for p, owner in papers.items()}
        for paper, customer in unwrapped:
            wraps[paper] = wraps.get(paper, self._keys.papers.get(paper, frozenset())) - {customer}
        without_event = {p for p, _ in unwrapped} - {e.originator_id for e in stored_events}
        if without_event or not all(wraps.values()):
            for event in stored_events:
                if list(self.select_events(event.originator_id, gt=event.originator_version - 1, limit=1)):
                    raise VersionConflict
            raise ValueError("a paper is unwrapped without an event, or left without a key")
        return wraps

    def _check_keys(self, stored_events: Sequence[StoredEvent], wraps: Mapping[UUID, frozenset[UUID]]) -> None:
        sealed = {plan.topic for plan in PLANS.values() if plan.sealed}
        guarded = {e.originator_id for e in stored_events if e.topic in sealed}
        if not guarded <= self._keys.papers.keys() | wraps.keys():
            raise CustomerErased

    def _check_ended(self, stored_events: Sequence[StoredEvent], ended: Sequence[UUID]) -> None:
        for paper in ended:
            stream = [*self.select_events(paper), *(e for e in stored_events if e.originator_id == paper)]
            topics = [e.topic for e in stream]
            if topics[-1] in ("content-destroyed.v1", "authorization-destroyed.v1"):
                continue
            if topics[:1] != ["scan-started.v1"] or not {"scan-closed.v1", "scan-cancelled.v1"} & {*topics}:
                raise ValueError(
                    "a paper would lose its keys that is no scan session and not destroyed, or one that goes on"
                )

    def _reclaimed(self, claims: Sequence[Claim], released: Sequence[Claim]) -> dict[tuple[str, bytes], UUID]:
        """Who owns what, as it will be."""
        given_back = {(c.kind, c.digest, c.owner) for c in released}
        owned = {value: owner for value, owner in self._claims.items() if (*value, owner) not in given_back}
        for claim in claims:
            holder = owned.setdefault((claim.kind, claim.digest), claim.owner)
            if holder != claim.owner and not claim.shared:
                raise AlreadyClaimed(claim.kind, holder)
        return owned

    def owners_of_claims(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        return {d: self._claims[kind, d] for d in digests if (kind, d) in self._claims}

    def _settle(
        self, stored_events: Sequence[StoredEvent], positions: tuple[int, ...], command: CommandKey | None
    ) -> Appended:
        now = self._clock.now()
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.recorded_at += [at] * len(positions)
        if command:
            changed = tuple(sorted({UUID(str(e.originator_id)) for e in stored_events}))
            self._commands[command.actor, command.key] = command.body, FirstUse(changed, positions[-1])
        return Appended(positions, at)


class MemoryLater:
    """Nobody sees whether it happens when it is sent or when it is asked for. `told` hears of both."""

    def __init__(self, append: Callable[[], Appended], told: Callable[[str], None]) -> None:
        self._append, self._told = append, told

    def send(self) -> None:
        self._told("sent")

    def result(self) -> Appended:
        self._told("asked")
        return self._append()


class MemoryLog:
    """`before_append` is what somebody else does first: each runs once, ahead of the next append. `later` is what was
    done with those that are not waited for, by their number."""

    def __init__(self, keys: MemoryKeys, clock: Clock) -> None:
        self._recorder = MemoryRecorder(keys, clock)
        self.mapper = SealingMapper(keys.cipher_of)
        self._events = EventStore[UUID](self.mapper, self._recorder)
        self.before_append: list[Callable[[], object]] = []
        self.later: list[str] = []
        self._numbers = count()

    def load(self, stream: UUID, after: int = 0) -> Sequence[Envelope[Any]]:
        return list(self._events.get(stream, gt=after or None))  # type: ignore[arg-type]  # the mapper makes envelopes

    def load_recorded(self, streams: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        return [r for r in self._all() if r.envelope.originator_id in streams and r.position <= up_to]

    def load_topics(self, topics: Sequence[str]) -> Sequence[Envelope[Any]]:
        return [r.envelope for r in self._all() if r.envelope.body.topic in topics]

    def find_command(self, command: CommandKey) -> FirstUse | None:
        return self._recorder.find_command(command)

    def owners_of_claims(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        return self._recorder.owners_of_claims(kind, digests)

    def append(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        released: Sequence[Claim] = (),
        papers: Mapping[UUID, CustomerReference] | None = None,
        unwrapped: Sequence[tuple[UUID, UUID]] = (),
        ended: Sequence[UUID] = (),
        forgotten: Sequence[UUID] = (),
        command: CommandKey | None = None,
    ) -> Appended:
        while self.before_append:
            self.before_append.pop(0)()
        stored = [self.mapper.to_stored_event(e) for e in envelopes]
        return self._recorder.append(
            stored,
            claims=claims,
            released=released,
            papers=papers or {},
            unwrapped=unwrapped,
            ended=ended,
            command=command,
        )

    def append_later(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        papers: Mapping[UUID, CustomerReference],
    ) -> UnsentAppend:
        number = next(self._numbers)
        append = partial(self.append, envelopes, claims=claims, papers=papers)
        return MemoryLater(append, lambda done: self.later.append(f"{done} {number}"))

    def last_position(self) -> int:
        return self._recorder.max_notification_id() or 0

    def topics(self, after: int = 0) -> list[str]:
        return [n.topic for n in self._recorder.select_notifications(after, 1 << 31, inclusive_of_start=False)]

    def _all(self) -> list[Recorded[Any]]:
        found = self._recorder.select_notifications(None, 1 << 31)
        return [
            Recorded(int(n.id), at, self.mapper.to_domain_event(n))
            for n, at in zip(found, self._recorder.recorded_at, strict=True)
        ]
