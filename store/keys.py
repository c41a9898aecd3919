"""Keys of customers and papers, wrapped in schema `keys`, unwrapped here and nowhere else.

institution key <- key-encryption key -> customer key -> paper key -> sealed fields and content of that paper.
store/log.py stores new keys with the first events; store/mapper.py and store/contents.py ask for ciphers.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import AsyncConnection, Connection

from domain.ports import Owner, OwnerRaced
from domain.refusals import CustomerErased
from store.key_encryption import KEY_BYTES, KeyEncryptionKeys, unwrap, wrap

CACHE_SECONDS = 60.0
GENERATION_PAPERS_MAX = 8_192  # a page of a follower fits in one generation


class Connections(Protocol):
    """What store/ needs of a pool: psycopg_pool.ConnectionPool, in autocommit."""

    def connection(self) -> AbstractContextManager[Connection[Any]]: ...


class FreshOwner(msgspec.Struct, frozen=True):
    """A new customer's row of keys.customer, as archive.append() takes it."""

    reference: UUID
    customer_id: str
    kek_version: int
    wrapped: bytes


class PaperKey(msgspec.Struct, frozen=True):
    cipher: AESGCM
    secret: bytes
    read_at: float


class Keys:
    """The key ring. Thread-safe. A key stays in memory for at most 60 s after it was read."""

    def __init__(self, pool: Connections, kek: KeyEncryptionKeys) -> None:
        self._pool, self._kek = pool, kek
        self._lock = threading.Lock()
        self._papers: dict[int, PaperKey] = {}  # by the number of the id: a UUID is hashed and compared in Python
        self._older: dict[int, PaperKey] = {}
        self._customers: dict[UUID, tuple[str, bytes, float]] = {}
        self._references: dict[str, UUID] = {}
        self._institution: bytes | None = None

    # -- customers ----------------------------------------------------------------------------------------------

    def owner(self, customer_id: str) -> Owner:
        """The customer's reference. Not cached over an erasure: append() checks the key again under its lock."""
        known = self._references.get(customer_id)
        if known is not None and self._customer_secret(known) is not None:
            return Owner(customer_id, known, fresh=False)
        with self._pool.connection() as conn:
            row = conn.execute(BY_CUSTOMER_ID, [customer_id], prepare=True).fetchone()
        if row is not None:
            self._remember_customer(*row)
            return Owner(customer_id, row[0], fresh=False)
        if self._was_erased(customer_id):
            raise CustomerErased
        reference = uuid4()
        with self._lock:
            self._customers[reference] = (customer_id, secrets.token_bytes(KEY_BYTES), time.monotonic())
        return Owner(customer_id, reference, fresh=True)

    def customer_ids(self, references: Iterable[UUID]) -> dict[UUID, str]:
        wanted = list(references)
        found = {r: self._customers[r][0] for r in wanted if self._customer_secret(r) is not None}
        if missing := [r for r in wanted if r not in found]:
            with self._pool.connection() as conn:
                rows = conn.execute(BY_REFERENCES, [missing], prepare=True).fetchall()
            found.update((reference, customer_id) for reference, customer_id in rows)
        return found

    def _remember_customer(self, reference: UUID, customer_id: str, version: int, wrapped: bytes) -> bytes:
        secret = self._kek.unwrap(wrapped, version=version, bound_to=reference.bytes)
        with self._lock:
            self._customers[reference] = (customer_id, secret, time.monotonic())
            self._references[customer_id] = reference
        return secret

    def _customer_secret(self, reference: UUID) -> bytes | None:
        entry = self._customers.get(reference)
        return entry[1] if entry and time.monotonic() - entry[2] < CACHE_SECONDS else None

    def _was_erased(self, customer_id: str) -> bool:
        digest = self.digest("erased", customer_id.encode())  # may itself need a connection
        with self._pool.connection() as conn:
            return conn.execute(ERASED, [digest], prepare=True).fetchone() is not None

    # -- papers -------------------------------------------------------------------------------------------------

    def new_paper(self, paper: UUID) -> None:
        secret = secrets.token_bytes(KEY_BYTES)
        self._hold([(paper, secret)])

    def cipher(self, paper: UUID) -> AESGCM | None:
        """The paper's key, None when it is gone. One look-up in the database when it is not in memory."""
        entry = self._paper(paper)
        return entry.cipher if entry else None

    def secret(self, paper: UUID) -> bytes | None:
        """The raw key, for deriving content keys (store/contents.py)."""
        entry = self._paper(paper)
        return entry.secret if entry else None

    def _paper(self, paper: UUID) -> PaperKey | None:
        entry = self._cached(paper)
        if entry is None:
            self.prefetch([paper])
            entry = self._cached(paper)
        return entry

    def _cached(self, paper: UUID) -> PaperKey | None:
        number = paper.int
        entry = self._papers.get(number) or self._older.get(number)
        return entry if entry and time.monotonic() - entry.read_at < CACHE_SECONDS else None

    def prefetch(self, papers: Iterable[UUID]) -> None:
        """Read the keys of many papers in one query; a reader of the log calls this once a page."""
        stale = [p for p in {p.int: p for p in papers}.values() if self._cached(p) is None]
        if not stale:
            return
        with self._pool.connection() as conn:
            rows = conn.execute(PAPERS, [stale], prepare=True, binary=True).fetchall()
        self._hold(self._unwrap_all(rows))

    def _unwrap_all(self, rows: Sequence[tuple[UUID, bytes, UUID, str, int, bytes]]) -> list[tuple[UUID, bytes]]:
        customers: dict[int, AESGCM] = {}
        found: list[tuple[UUID, bytes]] = []
        for paper, wrapped, reference, customer_id, version, customer_wrapped in rows:
            cipher = customers.get(reference.int)
            try:
                if cipher is None:
                    secret = self._customer_secret(reference) or self._remember_customer(
                        reference, customer_id, version, customer_wrapped
                    )
                    cipher = customers[reference.int] = AESGCM(secret)
                found.append((paper, unwrap(cipher, wrapped, bound_to=paper.bytes)))
            except (InvalidTag, KeyError):
                continue  # a foreign key-encryption key: the paper reads as erased, verify tells of it
        return found

    def _hold(self, secrets_: Sequence[tuple[UUID, bytes]]) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._papers) + len(secrets_) > GENERATION_PAPERS_MAX:
                self._older, self._papers = self._papers, {}
            self._papers.update((p.int, PaperKey(AESGCM(s), s, now)) for p, s in secrets_)

    def forget_all(self) -> None:
        """Drop every cached key: called when keys were destroyed or re-wrapped."""
        with self._lock:
            self._papers.clear()
            self._older.clear()
            self._customers.clear()
            self._references.clear()

    # -- what append() stores -----------------------------------------------------------------------------------

    def fresh(self, owner: Owner) -> FreshOwner:
        secret = self._secret_of(owner)
        wrapped = self._kek.wrap(secret, bound_to=owner.reference.bytes)
        return FreshOwner(owner.reference, owner.customer_id, self._kek.current, wrapped)

    def wrapped(self, paper: UUID, owner: Owner) -> bytes:
        """The paper's key, a new one or that of a paper which this customer comes to, under the customer's key."""
        key = self._paper(paper)
        if key is None:
            raise CustomerErased
        return wrap(AESGCM(self._secret_of(owner)), key.secret, bound_to=paper.bytes)

    def _secret_of(self, owner: Owner) -> bytes:
        entry = self._customers.get(owner.reference)
        if entry is None:  # forgotten between owner() and now
            raise OwnerRaced
        return entry[1]

    # -- keyed digests ------------------------------------------------------------------------------------------

    def digest(self, kind: str, value: bytes) -> bytes:
        return hmac.digest(self._institution_secret(), kind.encode() + b"\x00" + value, "sha256")

    def digest_within(self, owner: Owner, value: bytes) -> bytes:
        return hmac.digest(self._secret_of(owner), b"content\x00" + value, "sha256")

    def _institution_secret(self) -> bytes:
        if self._institution is None:
            with self._pool.connection() as conn:
                row = conn.execute(INSTITUTION).fetchone()
            if row is None:
                raise LookupError("the institution has no key: run the migrations and `prepare` first")
            self._institution = self._kek.unwrap(row[1], version=row[0], bound_to=b"institution")
        return self._institution


def make_institution_key(conn: Connection[Any], kek: KeyEncryptionKeys) -> None:
    """Make the institution's key where there is none; run by the owner of the schema after the migrations."""
    wrapped = kek.wrap(secrets.token_bytes(KEY_BYTES), bound_to=b"institution")
    conn.execute(MAKE_INSTITUTION, [kek.current, wrapped])


async def reference_of(conn: AsyncConnection[Any], customer_id: str) -> UUID | None:
    """The customer's reference in the log, None when nothing of theirs was ever archived."""
    row = await (await conn.execute(BY_CUSTOMER_ID, [customer_id], prepare=True)).fetchone()
    return row[0] if row else None


async def customer_ids(conn: AsyncConnection[Any], references: Iterable[UUID]) -> dict[UUID, str]:
    """The library-system ids of some references."""
    return dict(await (await conn.execute(BY_REFERENCES, [list(references)], prepare=True)).fetchall())


BY_CUSTOMER_ID = """
    select reference, customer_id, kek_version, wrapped
    from keys.customer
    where customer_id = %s
"""
BY_REFERENCES = "select reference, customer_id from keys.customer where reference = any(%s)"
ERASED = "select 1 from keys.erasure where customer_digest = %s"
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
