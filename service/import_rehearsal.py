"""A dry run of an import: appends are kept in memory, all other calls go to the ports of the archive. So each line
has the outcome that it would have in the import itself, also where it depends on earlier lines. A line costs about 1
KB of memory until the end, one with an external id 2 KB."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from msgspec.structs import replace

from domain.envelope import Envelope, Recorded
from domain.ports import AlreadyClaimed, Claim, CustomerReference, EventLog, KeyRing, Ports, Stored

PIECE_BYTES = 1024 * 1024


def rehearsal_of(ports: Ports) -> Ports:
    """The ports, storing nothing; use them only to prepare and import lines."""
    return replace(ports, log=RehearsedLog(ports.log), keys=RehearsedKeys(ports.keys), contents=RehearsedContents())


class RehearsedLog:
    """Remembers claims with their owners, and the first events of papers with an external id."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._owners: dict[tuple[str, bytes], UUID] = {}
        self._firsts: dict[UUID, Envelope[Any]] = {}

    def __getattr__(self, reading: str) -> Any:
        return getattr(self._log, reading)

    def owners_of_claims(self, kind: str, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        would_be = {digest: self._owners[kind, digest] for digest in digests if (kind, digest) in self._owners}
        return self._log.owners_of_claims(kind, digests) | would_be

    def load_recorded(self, streams: Sequence[UUID], up_to: int) -> list[Recorded[Any]]:
        would_be = [self._firsts[stream] for stream in streams if stream in self._firsts]
        return [
            *self._log.load_recorded(streams, up_to),
            *(Recorded(up_to, one.meta.occurred_at, one) for one in would_be),
        ]

    def append_later(
        self, envelopes: Sequence[Envelope[Any]], *, claims: Sequence[Claim], papers: object
    ) -> "RehearsedAppend":
        return RehearsedAppend(partial(self._record_append, envelopes, claims))

    def _record_append(self, envelopes: Sequence[Envelope[Any]], claims: Sequence[Claim]) -> None:
        for kind in dict.fromkeys(claim.kind for claim in claims):
            for owner in self.owners_of_claims(kind, [claim.digest for claim in claims if claim.kind == kind]).values():
                raise AlreadyClaimed(kind, owner)
        self._owners.update(((claim.kind, claim.digest), claim.owner) for claim in claims)
        known = {claim.owner for claim in claims if claim.kind == "external-id"}
        firsts = (envelope for envelope in envelopes if envelope.originator_version == 1)
        self._firsts.update((first.originator_id, first) for first in firsts if first.originator_id in known)


class RehearsedAppend:
    def __init__(self, append: Callable[[], None]) -> None:
        self._append = append

    def send(self) -> None:
        """Do nothing: a dry run has no database to send to."""

    def result(self) -> None:
        self._append()


class RehearsedKeys:
    """A customer without a reference keeps the new one of this run, as if it had been stored."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._new: dict[str, CustomerReference] = {}

    def __getattr__(self, reading: str) -> Any:
        return getattr(self._keys, reading)

    def owners_of(self, customer_ids: Iterable[str]) -> dict[str, CustomerReference]:
        wanted = set(customer_ids)
        found = self._keys.owners_of(wanted - self._new.keys())
        self._new |= {name: replace(owner, fresh=False) for name, owner in found.items() if owner.fresh}
        return found | {name: self._new[name] for name in wanted & self._new.keys()}

    def new_paper(self, paper: UUID) -> None:
        """Do nothing: a dry run seals no field."""

    def claim_digest_within(self, owner: CustomerReference, value: bytes) -> bytes:
        """For a new customer, whose key is not stored, use the institution's key."""
        if owner.customer_id in self._new:
            return self._keys.claim_digest("rehearsal", owner.reference.bytes + value)
        return self._keys.claim_digest_within(owner, value)


class RehearsedContents:
    def put(self, paper: UUID, content: UUID, file: BinaryIO) -> Stored:
        file.seek(0)
        digest = hashlib.sha256()
        for piece in iter(partial(file.read, PIECE_BYTES), b""):
            digest.update(piece)
        return Stored(size_bytes=file.tell(), sha256=digest.digest(), sealed_size_bytes=0, sealed_sha256=b"")

    def drop(self, content: UUID) -> None:
        """Do nothing: a dry run stores no content."""
