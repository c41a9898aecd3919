"""What is unique in an archive: the claims of papers on external ids, contents, codes, mandates and accounts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain import authorization
from domain.authorization import IN_FORCE, Authorization
from domain.changes import Change, in_stream
from domain.document import Document
from domain.ports import Claim, CustomerReference, KeyRing


class Claims(msgspec.Struct, frozen=True):
    """Makes claims: digests of values under the keys of the archive."""

    keys: KeyRing

    def claim_of(self, kind: str, value: str, owner: UUID) -> Claim:
        return Claim(kind=kind, digest=self.keys.claim_digest(kind, value.encode()), owner=owner)

    def claims_of_external_id(self, external_id: str | None, paper: UUID) -> list[Claim]:
        return [self.claim_of("external-id", external_id, paper)] if external_id else []

    def claim_of_content(self, owner: CustomerReference, sha256: bytes, paper: UUID, *, shared: bool) -> Claim:
        return Claim(kind="content", digest=self.keys.claim_digest_within(owner, sha256), owner=paper, shared=shared)

    def claims_of_all_owners(self, state: Document, paper: UUID) -> list[Claim]:
        """`claims_of_contents` for each customer of a document who is not erased, the linked ones included."""
        ids = self.keys.customer_ids([state.customer, *state.linked])
        owners = [self.keys.owner_of(customer) for customer in ids.values()]
        return [claim for owner in owners for claim in self.claims_of_contents(state, owner, paper)]

    def claims_of_contents(self, state: Document, owner: CustomerReference, paper: UUID) -> list[Claim]:
        """The claims by which a later upload of the same file for this customer is recognized; `shared`, so they block
        nothing here. Callers make none for a withdrawn document."""
        digests = {f.sha256 for f in state.files if f.sha256 is not None}
        return [self.claim_of_content(owner, digest, paper, shared=True) for digest in digests]

    def claims_of_reference(self, state: Authorization | None, paper: UUID) -> list[Claim]:
        """The claim on a mandate reference, which is unique for ever (I6)."""
        reference = state and state.mandate and state.mandate.mandate_reference
        return [self.claim_of("mandate-reference", reference.upper(), paper)] if reference else []

    def claims_of_account(self, state: Authorization | None, paper: UUID) -> list[Claim]:
        """The claim on the account: at most one mandate in force per customer, creditor and IBAN; free again after its
        end (I6)."""
        if state is None or state.status not in IN_FORCE or not (state.mandate and state.mandate.iban):
            return []
        customer = msgspec.to_builtins(state.customer)  # the same text as str(), in a quarter of the time
        account = f"{customer}|{state.mandate.creditor_id or ''}|{state.mandate.iban}"
        return [self.claim_of("mandate", account, paper)]

    def change_of_authorization(
        self, paper: UUID, before: Authorization | None, events: Sequence[Any], **more: Any
    ) -> Change:
        """The change of one authorization by these events, with the claims that it makes and releases."""
        after = before
        for event in events:
            after = authorization.evolve(after, event)
        old, new = self.claims_of_account(before, paper), self.claims_of_account(after, paper)
        known, references = self.claims_of_reference(before, paper), self.claims_of_reference(after, paper)
        return Change(
            steps=in_stream(paper, events),
            versions={paper: before.version} if before else {},
            claims=[*more.pop("claims", ()), *(c for c in [*references, *new] if c not in [*known, *old])],
            released=[c for c in old if c not in new],
            **more,
        )
