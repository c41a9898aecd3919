"""A key ring in memory without a cache: what is erased is gone at once. memory_log.py stores in it."""

import hmac
import secrets
from collections.abc import Iterable
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.ports import CustomerReference, CustomerReferenceRaced
from domain.refusals import CustomerErased


class MemoryKeys:
    """`references` and `papers` are what was stored: customer id to reference, paper to those of all who hold it."""

    def __init__(self) -> None:
        self.references: dict[str, UUID] = {}
        self.papers: dict[UUID, frozenset[UUID]] = {}
        self._erased: set[str] = set()
        self._secrets: dict[UUID, bytes] = {}
        self._institution = secrets.token_bytes(32)

    def owner_of(self, customer_id: str) -> CustomerReference:
        if customer_id in self._erased:
            raise CustomerErased
        if known := self.references.get(customer_id):
            return CustomerReference(customer_id, known, fresh=False)
        reference = uuid4()
        self._secrets[reference] = secrets.token_bytes(32)
        return CustomerReference(customer_id, reference, fresh=True)

    def owners_of(self, customer_ids: Iterable[str]) -> dict[str, CustomerReference]:
        return {c: self.owner_of(c) for c in dict.fromkeys(customer_ids) if c not in self._erased}

    def intake_owner(self) -> CustomerReference:
        return self.owner_of(" intake")

    def customer_ids(self, references: Iterable[UUID]) -> dict[UUID, str]:
        names = {reference: customer_id for customer_id, reference in self.references.items()}
        return {r: names[r] for r in references if r in names}

    def new_paper(self, paper: UUID) -> None:
        self._secrets[paper] = secrets.token_bytes(32)

    def keyed_digest(self, kind: str, value: bytes) -> bytes:
        return hmac.digest(self._institution, kind.encode() + b"\x00" + value, "sha256")

    def claim_digest(self, kind: str, value: bytes) -> bytes:
        return self.keyed_digest(kind, value)[:16]

    def claim_digest_within(self, owner: CustomerReference, value: bytes) -> bytes:
        if owner.reference not in self._secrets:
            raise CustomerReferenceRaced
        return hmac.digest(self._secrets[owner.reference], value, "sha256")[:16]

    def cipher_of(self, paper: UUID) -> AESGCM | None:
        secret = self._secrets.get(paper)
        return AESGCM(secret) if secret else None

    def end(self, paper: UUID) -> None:
        self._secrets.pop(paper, None)
        self.papers.pop(paper, None)

    def erase(self, customer_id: str) -> None:
        reference = self.references.pop(customer_id)
        self._erased.add(customer_id)
        self._secrets.pop(reference)
        self.papers = {paper: held - {reference} for paper, held in self.papers.items()}
        for paper in [paper for paper, held in self.papers.items() if not held]:
            self._secrets.pop(paper)
            self.papers.pop(paper)
