"""What the use cases need from outside, as Protocols. store/ fills them; tests/ fill them in memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, BinaryIO, Protocol
from uuid import UUID

import msgspec

from domain.customer import Customer
from domain.envelope import Envelope, Recorded


class AlreadyStored(Exception):
    """`ContentStore.put` met a key that exists: content is created once and never overwritten."""


class Missing(Exception):
    """`ContentStore.read` met a key that does not exist."""


class ContentDamaged(Exception):
    """Content at rest was changed, cut, swapped, or opened with another key or id. What came before it is authentic."""


class ContentStore(Protocol):
    """Bytes at rest under opaque keys. One suite, tests/contract/, holds every implementation to this."""

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Store the chunks under a new key and return their size in bytes. Durable on return; else AlreadyStored."""

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Bytes first..last inclusive (last None: to the end), in pieces of at most 1 MiB. Missing if absent."""

    def size(self, key: str) -> int | None:
        """Size in bytes, None when there is no such key."""

    def delete(self, key: str) -> None:
        """Remove the key; removing an absent one is no error."""

    def list_keys(self) -> Iterator[tuple[str, float]]:
        """All keys, each once, in an order of the store's own, with the time of creation (seconds since the epoch)."""


class Owner(msgspec.Struct, frozen=True):
    """A customer as the log knows it: a random reference. `fresh`: made just now, stored with the first events."""

    customer_id: str
    reference: UUID
    fresh: bool


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A value that one paper owns: a keyed digest of 16 bytes, made of its kind as well, never the value. One that is
    `shared` does not mind an earlier owner."""

    kind: str
    digest: bytes
    owner: UUID
    shared: bool = False


class CommandKey(msgspec.Struct, frozen=True):
    """An actor's Idempotency-Key as a keyed digest in hex, with that of the request it was first used for."""

    actor: str
    key: str
    body: bytes


class Appended(msgspec.Struct, frozen=True):
    """`positions` of the events in their order; one `recorded_at` for all of a command, UTC, whole milliseconds."""

    positions: tuple[int, ...]
    recorded_at: datetime


class Earlier(msgspec.Struct, frozen=True):
    """What a command key was used for: the papers it changed, up to and including `position`."""

    papers: tuple[UUID, ...]
    position: int


class Replayed(Exception):
    """`EventLog.append` met a command key that is already there with the same body: nothing was appended."""

    def __init__(self, earlier: Earlier) -> None:
        super().__init__()
        self.earlier = earlier


class AlreadyClaimed(Exception):
    """`EventLog.append` met a claim that another paper owns: nothing was appended."""

    def __init__(self, kind: str, owner: UUID) -> None:
        super().__init__(kind)
        self.kind, self.owner = kind, owner


class VersionConflict(Exception):
    """`EventLog.append` met a stream that grew meanwhile: nothing was appended; load, decide, append again."""


class OwnerRaced(Exception):
    """Two first papers of one customer met: nothing was appended; ask for the owner again and repeat."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Content at rest: `sha256` is of the plain bytes, `sealed_sha256` of what lies on the disk."""

    size_bytes: int
    sha256: bytes
    sealed_size_bytes: int
    sealed_sha256: bytes


class Later(Protocol):
    """An append with everything in it sealed. Whoever sends it has to ask for its result."""

    def send(self) -> None:
        """Put it under way and do not wait."""

    def result(self) -> Appended:
        """Wait until it is decided; sent now if it was not. Raises what `EventLog.append` raises."""


class EventLog(Protocol):
    """The log. `append` is one transaction and durable on return; a paper's key is stored with its first event."""

    def owners_of_claims(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        """Which papers own these values; what nobody owns is left out."""

    def load(self, stream: UUID, after: int = 0) -> Sequence[Envelope[Any]]:
        """The events of a stream behind a version, in order; sealed fields are UNSET where the key is gone."""

    def load_recorded(self, streams: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        """The events of some streams up to a position, in the order of the log."""

    def load_topics(self, topics: Sequence[str]) -> Sequence[Envelope[Any]]:
        """Every event of these topics in the order of the log: for small catalogues only."""

    def find_command(self, command: CommandKey) -> Earlier | None:
        """What the key was used for, None when it is new. Raises IdempotencyKeyReused for another body."""

    def append(
        self,
        envelopes: Sequence[Envelope[Any]],
        *,
        claims: Sequence[Claim] = (),
        released: Sequence[Claim] = (),
        papers: Mapping[UUID, Owner] | None = None,
        unwrapped: Sequence[tuple[UUID, UUID]] = (),
        ended: Sequence[UUID] = (),
        forgotten: Sequence[UUID] = (),
        command: CommandKey | None = None,
    ) -> Appended:
        """Append all or nothing. `papers` get a key wrapped for their owner: new papers, and those that an owner comes
        to. `unwrapped` are (paper, customer reference): that customer's wrap goes. `ended` papers lose every wrap and
        their contents' names, `forgotten` contents theirs. `released` claims go before `claims` are made, but for those
        that another paper owns. Raises what stands above this class, IdempotencyKeyReused, IdempotencyInFlight,
        CustomerErased, or Unavailable."""

    def append_later(
        self, envelopes: Sequence[Envelope[Any]], *, claims: Sequence[Claim] = (), papers: Mapping[UUID, Owner]
    ) -> Later:
        """As `append` of new papers, in parts: a caller with many of them prepares the next while one is under way."""


class KeyRing(Protocol):
    """Keys of customers and papers. Key bytes never leave the store."""

    def owner_of(self, customer_id: str) -> Owner:
        """The customer's reference, made when there is none yet. CustomerErased when the key was destroyed."""

    def owners_of(self, customer_ids: Iterable[str]) -> dict[str, Owner]:
        """As `owner`, for many in one question; those whose key was destroyed are left out."""

    def intake_owner(self) -> Owner:
        """Whom papers belong to whose customer is not known yet; made when there is none."""

    def customer_ids(self, references: Iterable[UUID]) -> dict[UUID, str]:
        """The library-system ids of some references."""

    def new_paper(self, paper: UUID) -> None:
        """Make a key for a paper that is about to be appended."""

    def keyed_digest(self, kind: str, value: bytes) -> bytes:
        """A keyed digest of 32 bytes under the institution's key, for tokens and command bodies."""

    def claim_digest(self, kind: str, value: bytes) -> bytes:
        """The first 16 bytes of it, for claims."""

    def claim_digest_within(self, owner: Owner, value: bytes) -> bytes:
        """As claim_digest under the customer's own key: equal values of two customers stay unlinkable."""


class Contents(Protocol):
    """Sealed content of papers."""

    def put(self, paper: UUID, content: UUID, file: BinaryIO) -> Stored:
        """Seal the file from its start under the paper's key and store it. Durable on return. CustomerErased when the
        key is gone."""

    def drop(self, content: UUID) -> None:
        """Remove content that no event came to name."""


class Passwords(Protocol):
    """Passwords of users, as what costs time and memory to guess at (argon2id). Each has an id of its own."""

    def lock_user(self, folded_name: str) -> AbstractContextManager[None]:
        """One at a time for each user: others wait, and who waits too long is refused as when nothing answers."""

    def put(self, password: UUID, user: str, plain: str, *, once: bool) -> None:
        """Durable on return. `once`: somebody else made it, so it is good for one sign-in and for a while."""

    def matches(self, password: UUID | None, plain: str) -> bool:
        """Takes as long for None, an unknown id and one that is too old, which nothing matches."""

    def keep_only(self, user: str, password: UUID | None) -> None:
        """Forget all others of this user, and with them every session that they opened."""

    def end_sessions_from_elsewhere(self, user: str) -> None:
        """End the sessions that an identity provider's word opened for this user. Durable on return."""

    def find_one_time(self, passwords: Iterable[UUID]) -> dict[UUID, bool]:
        """Of each that is there, whether it is a one-time password."""


class CustomerDirectory(Protocol):
    """The customers of the library. Built in: store/register.py; adapters to library systems take its place.

    Every call raises Unavailable when the directory cannot answer. One suite, tests/contract/, holds all to this.
    """

    def exists(self, customer_id: str) -> bool:
        """Whether the library knows this id just now."""

    def get(self, customer_id: str) -> Customer | None:
        """The customer of exactly this id."""

    def existing_ids(self, customer_ids: Iterable[str]) -> set[str]:
        """Those of the ids that the library knows just now, in one question to the directory."""

    def search(self, text: str, limit: int) -> Sequence[Customer]:
        """At most `limit` (1 to 200) customers for what was typed into one box, the best first.

        First whoever has exactly this id or card number (blanks and hyphens do not count), then by birth date, by the
        beginning of the id, by beginnings of words of the name in any order, then by names spelled alike.
        """


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment in UTC."""

    def today(self) -> date:
        """The present day where the institution stands."""

    def day_of(self, moment: datetime) -> date:
        """The day that it was there at some moment."""


class Ids(Protocol):
    def new(self) -> UUID:
        """A new time-ordered id (UUIDv7)."""
