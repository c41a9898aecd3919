"""The outside parts that the use cases need, as Protocols. store/ implements them; tests/ implement them in memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, BinaryIO, Protocol
from uuid import UUID

import msgspec

from domain.customer import Customer, CustomerStatus
from domain.envelope import Envelope, Recorded


class AlreadyStored(Exception):
    """`ContentStore.put` found the key already stored: content is created once and never overwritten."""


class Missing(Exception):
    """`ContentStore.read` found no such key."""


class ContentDamaged(Exception):
    """Stored content was changed, truncated or swapped, or opened with another key or id. The bytes returned before are
    authentic."""


class ContentStore(Protocol):
    """Stored bytes under opaque keys. The suite tests/contract/ holds for every implementation."""

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Store the chunks under a new key and return their size in bytes. Durable on return. Raises AlreadyStored."""

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Bytes first..last inclusive (last None: to the end), in pieces of at most 1 MiB. Raises Missing."""

    def size(self, key: str) -> int | None:
        """Size in bytes; None when there is no such key."""

    def delete(self, key: str) -> None:
        """Remove the key. Idempotent: removing an absent key is no error."""

    def list_keys(self) -> Iterator[tuple[str, float]]:
        """All keys, each once, in the store's own order, with the time of creation (seconds since the epoch)."""


class CustomerReference(msgspec.Struct, frozen=True):
    """A customer in the log: a random reference. `fresh`: new, to be stored with the first events."""

    customer_id: str
    reference: UUID
    fresh: bool


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A value that one paper owns: a keyed digest of 16 bytes over kind and value, never the value itself. A `shared`
    claim does not conflict with an earlier owner."""

    kind: str
    digest: bytes
    owner: UUID
    shared: bool = False


class CommandKey(msgspec.Struct, frozen=True):
    """An actor's Idempotency-Key as a keyed digest in hex, with the digest of the request it was first used for."""

    actor: str
    key: str
    body: bytes


class Appended(msgspec.Struct, frozen=True):
    """The result of an append: `positions` of the events in order; one `recorded_at` for all, UTC, whole
    milliseconds."""

    positions: tuple[int, ...]
    recorded_at: datetime


class FirstUse(msgspec.Struct, frozen=True):
    """The first use of a command key: the papers it changed, up to and including `position`."""

    papers: tuple[UUID, ...]
    position: int


class NothingAppended(Exception):
    """An append that changed nothing: whatever was stored for it is not named by any event."""


class Replayed(NothingAppended):
    """`EventLog.append` found the command key already used with the same body: nothing was appended."""

    def __init__(self, earlier: FirstUse) -> None:
        super().__init__()
        self.earlier = earlier


class AlreadyClaimed(NothingAppended):
    """`EventLog.append` found a claim that another paper owns: nothing was appended."""

    def __init__(self, kind: str, owner: UUID) -> None:
        super().__init__(kind)
        self.kind, self.owner = kind, owner


class VersionConflict(NothingAppended):
    """`EventLog.append` found a stream that has grown: nothing was appended; load, decide and append again."""


class CustomerReferenceRaced(NothingAppended):
    """Two first papers of one customer were appended at once: nothing was appended; load the owner again and retry."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Content at rest. `sha256` is of the plain bytes, `sealed_sha256` of the bytes on the disk."""

    size_bytes: int
    sha256: bytes
    sealed_size_bytes: int
    sealed_sha256: bytes


class UnsentAppend(Protocol):
    """A sealed append that is not sent yet. The caller that sends it must fetch its result."""

    def send(self) -> None:
        """Send it without waiting for the answer."""

    def result(self) -> Appended:
        """Wait for the answer; sends it first if needed. Raises what `EventLog.append` raises."""


class EventLog(Protocol):
    """The event log. `append` is one transaction and durable on return; a paper's key is stored with its first
    event."""

    def owners_of_claims(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        """The papers that own these values, by digest; a free value is left out."""

    def load(self, stream: UUID, after: int = 0) -> Sequence[Envelope[Any]]:
        """The events of a stream after a version, in order; sealed fields are UNSET where the key is destroyed."""

    def load_recorded(self, streams: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        """The events of these streams up to a position, in the order of the log."""

    def load_topics(self, topics: Sequence[str]) -> Sequence[Envelope[Any]]:
        """Every event of these topics in the order of the log; for small catalogues only."""

    def find_command(self, command: CommandKey) -> FirstUse | None:
        """The first use of the key; None when it is new. Raises IdempotencyKeyReused for another body."""

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
        """Append all or nothing. Durable on return.

        `papers` get a key wrapped for their owner: new papers, and papers that get a further owner. `unwrapped` are
        (paper, customer reference): that customer's wrap is deleted. `ended` papers (scan sessions that are over,
        destroyed papers) lose every wrap and the names of their contents, `forgotten` contents lose theirs. `released`
        claims are deleted before `claims` are made, except those that another paper owns. Raises the exceptions above
        this class, IdempotencyKeyReused, IdempotencyInFlight, CustomerErased, or Unavailable.
        """

    def append_later(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        papers: Mapping[UUID, CustomerReference],
    ) -> UnsentAppend:
        """`append` of new papers in two steps: a caller with many papers prepares the next append while one is under
        way."""


class KeyRing(Protocol):
    """Keys of customers and papers. Key bytes never leave the store."""

    def owner_of(self, customer_id: str) -> CustomerReference:
        """The customer's reference, created on first use. Raises CustomerErased when the key was destroyed."""

    def owners_of(self, customer_ids: Iterable[str]) -> dict[str, CustomerReference]:
        """As `owner_of`, for many customers in one query; customers whose key was destroyed are left out."""

    def intake_owner(self) -> CustomerReference:
        """The owner of papers whose customer is not known yet; created on first use."""

    def customer_ids(self, references: Iterable[UUID]) -> dict[UUID, str]:
        """The library-system ids of these references; erased ones are left out."""

    def new_paper(self, paper: UUID) -> None:
        """Create a key for a paper that is about to be appended."""

    def keyed_digest(self, kind: str, value: bytes) -> bytes:
        """A digest of 32 bytes under the institution's key, for tokens and command bodies."""

    def claim_digest(self, kind: str, value: bytes) -> bytes:
        """The first 16 bytes of `keyed_digest`, for claims."""

    def claim_digest_within(self, owner: CustomerReference, value: bytes) -> bytes:
        """As claim_digest, under the customer's own key: equal values of two customers stay unlinkable."""


class Contents(Protocol):
    """Sealed content of papers."""

    def put(self, paper: UUID, content: UUID, file: BinaryIO) -> Stored:
        """Seal the file from its start under the paper's key and store it. Durable on return. Raises CustomerErased
        when the key is destroyed."""

    def drop(self, content: UUID) -> None:
        """Remove content that no event names."""


class Passwords(Protocol):
    """Passwords of users, hashed so that a guess costs time and memory (argon2id). Each has its own id."""

    def lock_user(self, folded_name: str) -> AbstractContextManager[None]:
        """Hold the user's lock. Other callers wait; one that waits too long gets Unavailable."""

    def put(self, password: UUID, user: str, plain: str, *, once: bool) -> None:
        """Store a password. Durable on return. `once`: another person made it, so it is valid for one sign-in and some
        days."""

    def matches(self, password: UUID | None, plain: str) -> bool:
        """True if the password matches. Takes the same time for None, an unknown id and an expired password, which
        never match."""

    def keep_only(self, user: str, password: UUID | None) -> None:
        """Delete the user's other passwords, and with them every session that they opened."""

    def end_sessions_from_elsewhere(self, user: str) -> None:
        """End the user's sessions that an identity provider's sign-in opened. Durable on return."""

    def find_one_time(self, passwords: Iterable[UUID]) -> dict[UUID, bool]:
        """For each stored password of these ids: whether it is a one-time password."""


class CustomerDirectory(Protocol):
    """The customers of the library. Built in: store/register.py; adapters to library systems replace it.

    Every call raises Unavailable when the directory cannot answer. The suite tests/contract/ holds for every
    implementation.
    """

    def exists(self, customer_id: str) -> bool:
        """True if the library currently knows this id."""

    def get(self, customer_id: str) -> Customer | None:
        """The customer with exactly this id, or None."""

    def existing_ids(self, customer_ids: Iterable[str]) -> set[str]:
        """The ids that the library currently knows, in one query."""

    def set_status(self, customer_id: str, status: CustomerStatus) -> None:
        """Show the status that was last reported for the customer. Idempotent; an unknown customer is no error."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time in UTC."""

    def today(self) -> date:
        """The current day in the institution's time zone."""

    def day_of(self, moment: datetime) -> date:
        """The day of a moment in the institution's time zone."""


class Ids(Protocol):
    def new(self) -> UUID:
        """A new time-ordered id (UUIDv7)."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The outside parts of one archive."""

    log: EventLog
    keys: KeyRing
    contents: Contents
    customers: CustomerDirectory
    clock: Clock
    ids: Ids
