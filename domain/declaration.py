"""The destruction declaration of a disposal: what was destroyed by whom, when, under which rule. Pure.

It names papers by their ids and digests, and staff by name; no customer and nothing that was sealed.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.authorization import AuthorizationDestroyed, EvidenceAttached
from domain.disposal import DisposalApproved, DisposalCompleted, DisposalProposed, KeptPaper
from domain.document import ContentDestroyed, ContentReplaced, DocumentArchived
from domain.envelope import Recorded
from domain.moment import Moment, format_moment
from domain.promises import require_value


class DestroyedPaper(msgspec.Struct, frozen=True, kw_only=True):
    """A destroyed paper. `contents` are the SHA-256 digests of its sealed contents, those of its evidence included;
    `original_held`: an original lay on a shelf, which a person has to destroy."""

    id: UUID
    type: str
    due_on: date
    trigger: str
    months: int
    legal_basis: str
    destroyed_at: Moment
    destroyed_by: str
    original_held: bool
    contents: Sequence[str]


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    institution: str
    disposal: UUID
    proposed_by: str
    proposed_at: Moment
    approved_by: str | None
    approved_at: Moment | None
    completed_by: str
    completed_at: Moment
    destroyed: Sequence[DestroyedPaper]
    kept: Sequence[KeptPaper]


def build_declaration(
    institution: str, disposal: Sequence[Recorded[Any]], papers: Mapping[UUID, Sequence[Recorded[Any]]]
) -> Declaration:
    """The declaration of a disposal that is done, from its events and those of its papers, evidence included."""
    proposed = _first(disposal, DisposalProposed)
    completed = require_value(_first(disposal, DisposalCompleted), "the disposal is done")
    proposed = require_value(proposed, "a disposal begins with its proposal")
    approved = _first(disposal, DisposalApproved)
    stream = proposed.envelope.originator_id
    destroyed = [
        found
        for listed in proposed.envelope.body.papers
        if (found := _destroyed_paper(stream, listed, papers)) is not None
    ]
    return Declaration(
        institution=institution,
        disposal=stream,
        proposed_by=proposed.envelope.meta.actor,
        proposed_at=format_moment(proposed.recorded_at),
        approved_by=approved.envelope.meta.actor if approved else None,
        approved_at=format_moment(approved.recorded_at) if approved else None,
        completed_by=completed.envelope.meta.actor,
        completed_at=format_moment(completed.recorded_at),
        destroyed=destroyed,
        kept=completed.envelope.body.kept,
    )


def _destroyed_paper(
    disposal: UUID, listed: Any, papers: Mapping[UUID, Sequence[Recorded[Any]]]
) -> DestroyedPaper | None:
    """The paper of the list; None when this disposal did not destroy it."""
    recorded = papers.get(listed.paper, [])
    end = _first(recorded, ContentDestroyed | AuthorizationDestroyed)
    if end is None or end.envelope.body.ground.disposal != disposal:
        return None
    evidence = [r.envelope.body.document for r in recorded if isinstance(r.envelope.body, EvidenceAttached)]
    contents = (digest for paper in (listed.paper, *evidence) for digest in _digests_of(papers.get(paper, [])))
    return DestroyedPaper(
        id=listed.paper,
        type=listed.type,
        due_on=listed.due_on,
        trigger=listed.trigger,
        months=listed.months,
        legal_basis=listed.legal_basis,
        destroyed_at=format_moment(end.recorded_at),
        destroyed_by=end.envelope.meta.actor,
        original_held=getattr(end.envelope.body, "original_held", False),
        contents=[*contents],
    )


def _digests_of(recorded: Iterable[Recorded[Any]]) -> Iterable[str]:
    bodies = (r.envelope.body for r in recorded)
    return (b.content.sealed_sha256.hex() for b in bodies if isinstance(b, DocumentArchived | ContentReplaced))


def _first(recorded: Iterable[Recorded[Any]], kind: Any) -> Recorded[Any] | None:
    return next((r for r in recorded if isinstance(r.envelope.body, kind)), None)


class SigningKey(Protocol):
    """Signs as the institution, with Ed25519 (RFC 8032)."""

    def sign(self, text: bytes) -> bytes:
        """The signature, 64 bytes."""

    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""


class SignedDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """`statement` is the signed text, whose UTF-8 bytes the signature is of; `declaration` is the same to read.
    `signature` and `public_key` are in base64."""

    declaration: Declaration
    statement: str
    algorithm: str
    signature: str
    public_key: str


def sign_declaration(declaration: Declaration, key: SigningKey) -> SignedDeclaration:
    statement = msgspec.json.encode(declaration)
    return SignedDeclaration(
        declaration=declaration,
        statement=statement.decode(),
        algorithm="Ed25519",
        signature=b64encode(key.sign(statement)).decode(),
        public_key=b64encode(key.public_key()).decode(),
    )
