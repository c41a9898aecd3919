"""Keys of customers and papers, wrapped in schema `keys` and unwrapped only here.

institution key <- key-encryption key -> customer key -> paper key -> sealed fields and content of that paper.
store/log.py stores new keys with the first events; store/mapper.py and store/contents.py ask for ciphers.
"""

import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from psycopg import AsyncConnection, Connection

from domain.ports import CustomerReference, CustomerReferenceRaced
from domain.refusals import CustomerErased
from domain.values import uuid7
from store.arrays import pack_blobs, pack_texts
from store.key_cache import KeyCache, NewKeys
from store.key_encryption import KEY_BYTES, KeyEncryptionKeys, unwrap_with, wrap_with

# The owner of scan sessions. No customer's id begins with a blank.
INTAKE = " intake"
CLAIM_BYTES = 16  # bytes of a digest; migrations/0029_baseline/claims.sql
PAPERS_REMEMBERED = 8_192  # per generation; holds a page of a follower
CUSTOMERS_REMEMBERED = 2_048  # holds the customers of one import look-up, by reference and by id


class Connections(Protocol):
    """The part of psycopg_pool.ConnectionPool that store/ needs, in autocommit."""

    def connection(self) -> AbstractContextManager[Connection[Any]]: ...


class FreshOwner(msgspec.Struct, frozen=True):
    """A new customer's row of keys.customer, as an argument of archive.append()."""

    reference: UUID
    customer_id: str
    kek_version: int
    wrapped: bytes


class CustomerKey(msgspec.Struct, frozen=True):
    reference: UUID
    customer_id: str
    secret: bytes


class PaperKey(msgspec.Struct, frozen=True):
    cipher: AESGCM
    secret: bytes


class KeyRow(NamedTuple):
    """A paper's key wrapped for one of its customers, and that customer's key as _remember_customer() takes it."""

    paper: UUID
    paper_wrapped: bytes
    reference: UUID
    customer_id: str
    kek_version: int
    wrapped: bytes


class Keys:
    """The key ring. Thread-safe. A key stays in memory for at most 60 s after it was read or its append was tried.

    The caches are keyed by the integer of the id, because a UUID is hashed and compared in Python.
    """

    def __init__(self, pool: Connections, kek: KeyEncryptionKeys) -> None:
        self._pool, self._kek = pool, kek
        self._papers = KeyCache[int, PaperKey](PAPERS_REMEMBERED)
        self._new_papers = NewKeys[int, PaperKey]()
        self._keyless = KeyCache[int, bool](PAPERS_REMEMBERED)
        self._customers = KeyCache[int | str, CustomerKey](CUSTOMERS_REMEMBERED)  # by reference and by customer id
        self._new_customers = NewKeys[int | str, CustomerKey]()  # by reference only, until they are stored
        self._institution: HMAC | None = None
        self._macs: dict[str, HMAC] = {}  # by kind

    # -- customers ----------------------------------------------------------------------------------------------

    def owner_of(self, customer_id: str) -> CustomerReference:
        """The customer's reference. An erasure is not missed through the cache: append() checks the key again under its
        lock."""
        known = self._customers.get(customer_id)
        found = {customer_id: _owner_from(known)} if known else self.owners_of([customer_id])
        if customer_id not in found:
            raise CustomerErased
        return found[customer_id]

    def owners_of(self, customer_ids: Iterable[str]) -> dict[str, CustomerReference]:
        wanted = list(dict.fromkeys(customer_ids))  # two first papers of one customer share a reference
        with self._pool.connection() as conn:
            rows = conn.execute(BY_CUSTOMER_IDS, [pack_texts(wanted)], prepare=True).fetchall()
        found = {key.customer_id: _owner_from(key) for key in map(self._remember_customer, rows)}
        unknown = [customer_id for customer_id in wanted if customer_id not in found]
        erased = self._find_erased(unknown) if unknown else frozenset()
        return found | self._new_owners(customer_id for customer_id in unknown if customer_id not in erased)

    def _new_owners(self, customer_ids: Iterable[str]) -> dict[str, CustomerReference]:
        keys = [CustomerKey(uuid7(), customer_id, os.urandom(KEY_BYTES)) for customer_id in customer_ids]
        for key in keys:
            self._new_customers.put(key.reference.int, key)
        return {key.customer_id: CustomerReference(key.customer_id, key.reference, fresh=True) for key in keys}

    def intake_owner(self) -> CustomerReference:
        return self.owner_of(INTAKE)

    def customer_ids(self, references: Iterable[UUID]) -> dict[UUID, str]:
        wanted = list(references)
        found = {r: key.customer_id for r in wanted if (key := self._customers.get(r.int))}
        if missing := [r for r in wanted if r not in found]:
            with self._pool.connection() as conn:
                found.update(conn.execute(IDS_OF, [missing], prepare=True).fetchall())
        return found

    def _remember_customer(self, row: tuple[UUID, str, int, bytes]) -> CustomerKey:
        reference, customer_id, version, wrapped = row
        secret = self._kek.unwrap_key(wrapped, version=version, bound_to=reference.bytes)
        key = CustomerKey(reference, customer_id, secret)
        self._customers.put([(reference.int, key), (customer_id, key)])
        return key

    def _secret_of(self, owner: CustomerReference) -> bytes:
        """The customer's own key. Raises CustomerReferenceRaced when it was lost after the owner was loaded."""
        number = owner.reference.int
        key = self._new_customers.get(number) or self._customers.get(number) or self._load_customer(owner.reference)
        if key is None:
            raise CustomerReferenceRaced
        return key.secret

    def _load_customer(self, reference: UUID) -> CustomerKey | None:
        with self._pool.connection() as conn:
            row = conn.execute(BY_REFERENCE, [reference], prepare=True).fetchone()
        return self._remember_customer(row) if row else None

    def _find_erased(self, customer_ids: Sequence[str]) -> set[str]:
        digests = {self.keyed_digest("erased", c.encode()): c for c in customer_ids}  # may need a connection of its own
        with self._pool.connection() as conn:
            return {digests[d] for (d,) in conn.execute(ERASED, [pack_blobs(digests)], prepare=True)}

    # -- papers -------------------------------------------------------------------------------------------------

    def new_paper(self, paper: UUID) -> None:
        self._new_papers.put(paper.int, _paper_key(os.urandom(KEY_BYTES)))

    def cipher_of(self, paper: UUID) -> AESGCM | None:
        """The paper's cipher; None when its key is destroyed. One database query when the key is not in memory."""
        entry = self._load_paper_key(paper)
        return entry.cipher if entry else None

    def secret_of(self, paper: UUID) -> bytes | None:
        """The raw key of a paper, to derive content keys (store/contents.py); None when it is destroyed."""
        entry = self._load_paper_key(paper)
        return entry.secret if entry else None

    def _load_paper_key(self, paper: UUID) -> PaperKey | None:
        entry = self._find_cached(paper)
        if entry is None and not self._keyless.get(paper.int):
            _, found = self._load_papers([paper])
            entry = found.get(paper.int)
        return entry

    def _find_cached(self, paper: UUID) -> PaperKey | None:
        number = paper.int
        return self._new_papers.get(number) or self._papers.get(number)

    def prefetch_keys(self, papers: Iterable[UUID]) -> None:
        """Read the keys of many papers in one query; a reader of the log calls this once per page. A paper with events
        has its key from its first event on or never again, so a missing key is remembered for a while."""
        wanted = {p.int: p for p in papers}
        stale = [p for n, p in wanted.items() if self._find_cached(p) is None and not self._keyless.get(n)]
        if stale:
            stored, _ = self._load_papers(stale)
            self._keyless.put((p.int, True) for p in stale if p.int not in stored)

    def mark(self) -> int:
        """Taken before rows for remember_keys() are read, so that a key dropped meanwhile is not cached."""
        return self._papers.mark()

    def remember_keys(self, rows: Iterable[KeyRow], mark: int) -> None:
        """Cache the keys of these rows, those of known papers excepted. What opens no key is left to prefetch_keys(): a
        paper can have another wrap."""
        fresh = {row.paper.int: row for row in rows}
        unknown = [row for number, row in fresh.items() if self._find_cached(row.paper) is None]
        self._papers.put(self._unwrap_all(unknown), mark=mark)

    def _load_papers(self, papers: list[UUID]) -> tuple[set[int], dict[int, PaperKey]]:
        """Read and cache the keys of these papers; returns the papers that have a key, and the unwrapped keys."""
        mark = self._papers.mark()
        with self._pool.connection() as conn:
            rows = conn.execute(PAPERS, [papers], prepare=True, binary=True).fetchall()
        found = self._unwrap_all(rows)
        self._papers.put(found, mark=mark)
        return {paper.int for paper, *_ in rows}, dict(found)

    def _unwrap_all(self, rows: Iterable[tuple[UUID, bytes, UUID, str, int, bytes]]) -> list[tuple[int, PaperKey]]:
        customers: dict[int, AESGCM] = {}
        found: list[tuple[int, PaperKey]] = []
        for paper, wrapped, reference, customer_id, version, customer_wrapped in rows:
            cipher = customers.get(reference.int)
            try:
                if cipher is None:
                    key = self._customers.get(reference.int) or self._remember_customer(
                        (reference, customer_id, version, customer_wrapped)
                    )
                    cipher = customers[reference.int] = AESGCM(key.secret)
                found.append((paper.int, _paper_key(unwrap_with(cipher, wrapped, bound_to=paper.bytes))))
            except (InvalidTag, KeyError, ValueError):  # ValueError: too short to be a wrapped key
                continue  # another key-encryption key: the paper reads as erased, and `verify` reports it
        return found

    def forget_key(self, paper: UUID) -> None:
        """Drop the destroyed key of a paper. A concurrent read or append does not cache it again."""
        self._papers.drop(paper.int)
        self._new_papers.take([paper.int])

    def forget_all(self) -> None:
        """Drop every cached key, because the database reported that one of them was destroyed."""
        self._papers.clear()
        self._keyless.clear()
        self._customers.clear()

    # -- what append() stores -----------------------------------------------------------------------------------

    def settle_keys(self, papers: Mapping[UUID, CustomerReference], *, kept: bool = True) -> None:
        """Move the new keys of a tried append to the aging caches. If it was not stored, a retry may use them for that
        long; if it was, no key is readable for longer after an erasure. With `kept` False the papers' keys are dropped
        at once."""
        mark = self._papers.mark()
        found = self._new_papers.take(paper.int for paper in papers)
        if kept:
            self._papers.put(found, mark=mark)
        self._customers.put(self._new_customers.take(owner.reference.int for owner in papers.values()))

    def wrap_new_owner(self, owner: CustomerReference) -> FreshOwner:
        """The row of a new customer, with its key wrapped."""
        secret = self._secret_of(owner)
        wrapped = self._kek.wrap_key(secret, bound_to=owner.reference.bytes)
        return FreshOwner(owner.reference, owner.customer_id, self._kek.current, wrapped)

    def wrap_paper_key(self, paper: UUID, owner: CustomerReference) -> bytes:
        """The key of a new paper, or of a paper that gets a further owner, wrapped under that customer's key. Raises
        CustomerErased when it is destroyed."""
        key = self._load_paper_key(paper)
        if key is None:
            raise CustomerErased
        return wrap_with(AESGCM(self._secret_of(owner)), key.secret, bound_to=paper.bytes)

    # -- keyed digests ------------------------------------------------------------------------------------------

    def keyed_digest(self, kind: str, value: bytes) -> bytes:
        mac = (self._macs.get(kind) or self._mac_of(kind)).copy()
        mac.update(value)
        return mac.finalize()

    def claim_digest(self, kind: str, value: bytes) -> bytes:
        return self.keyed_digest(kind, value)[:CLAIM_BYTES]

    def claim_digest_within(self, owner: CustomerReference, value: bytes) -> bytes:
        return hmac.digest(self._secret_of(owner), b"content\x00" + value, "sha256")[:CLAIM_BYTES]

    def _mac_of(self, kind: str) -> HMAC:
        """The MAC of a kind, set up once and copied: a third of the cost of a new one, and a paper has up to six
        digests."""
        mac = self._institution_mac().copy()
        mac.update(kind.encode() + b"\x00")
        self._macs[kind] = mac
        return mac

    def _institution_mac(self) -> HMAC:
        if self._institution is None:
            with self._pool.connection() as conn:
                row = conn.execute(INSTITUTION).fetchone()
            if row is None:
                raise LookupError("the institution has no key: run the migrations and `prepare` first")
            secret = self._kek.unwrap_key(row[1], version=row[0], bound_to=b"institution")
            self._institution = HMAC(secret, SHA256())
        return self._institution


def _owner_from(key: CustomerKey) -> CustomerReference:
    return CustomerReference(key.customer_id, key.reference, fresh=False)


def _paper_key(secret: bytes) -> PaperKey:
    return PaperKey(AESGCM(secret), secret)


def make_institution_key(conn: Connection[Any], kek: KeyEncryptionKeys) -> None:
    """Create the institution's key unless it exists; the owner of the schema runs it after the migrations."""
    wrapped = kek.wrap_key(os.urandom(KEY_BYTES), bound_to=b"institution")
    conn.execute(MAKE_INSTITUTION, [kek.current, wrapped])


async def reference_of(conn: AsyncConnection[Any], customer_id: str) -> UUID | None:
    """The customer's reference in the log; None when no paper of theirs was ever archived."""
    row = await (await conn.execute(BY_CUSTOMER_IDS, [[customer_id]], prepare=True)).fetchone()
    return row[0] if row else None


async def customer_ids(conn: AsyncConnection[Any], references: Iterable[UUID]) -> dict[UUID, str]:
    """The library-system ids of these references; erased ones are left out."""
    return dict(await (await conn.execute(IDS_OF, [list(references)], prepare=True)).fetchall())


BY_CUSTOMER_IDS = """
    select reference, customer_id, kek_version, wrapped
    from keys.customer
    where customer_id = any(%s)
"""
BY_REFERENCE = """
    select reference, customer_id, kek_version, wrapped
    from keys.customer
    where reference = %s
"""
IDS_OF = "select reference, customer_id from keys.customer where reference = any(%s)"
ERASED = "select customer_digest from keys.erasure where customer_digest = any(%b)"
PAPERS = """
    select p.paper, p.wrapped, c.reference, c.customer_id, c.kek_version, c.wrapped
    from keys.paper as p
    join keys.customer as c on c.reference = p.customer
    where p.paper = any(%s)
"""
INSTITUTION = "select kek_version, wrapped from keys.institution"
MAKE_INSTITUTION = """
    insert into keys.institution (kek_version, wrapped)
    values (%s, %s)
    on conflict do nothing
"""
