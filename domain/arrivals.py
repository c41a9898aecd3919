"""A file becomes a paper: the change by which a stored file enters the log.

filing.py and scanning.py archive one file, importing.py a batch.
"""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.authorization import AttachEvidence, Authorization, Register, Terms
from domain.changes import Change
from domain.claims import Claims
from domain.document import ArchiveDocument, Description
from domain.document_type import DocumentType
from domain.orders import ArchiveFile
from domain.ports import Claim, CustomerReference, KeyRing
from domain.received_file import Examined, refuse_content
from domain.refusals import N_, FieldError, ValidationFailed
from domain.values import Content


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A paper about to be appended: its id, its file, stored as `content`, its owner, the authorization that it is
    evidence of, and the day."""

    paper: UUID
    owner: CustomerReference
    type: DocumentType
    file: Examined
    content: Content
    statement: UUID | None
    today: date


def refuse_file(document_type: DocumentType, order: ArchiveFile, file: Examined, today: date) -> None:
    """Raise every refusal that is possible before a byte of content is stored."""
    evidence = order.authorization is not None
    document.require_archivable(document_type, order.source, order.ground, evidence=evidence)
    refuse_content(document_type, file)
    late = [n for n in ("received_on", "signed_on") if (day := getattr(order, n)) is not None and day > today]
    if late:
        raise ValidationFailed(*(FieldError(name, N_("must not be in the future")) for name in late))


class Arrivals(msgspec.Struct, frozen=True):
    """Builds the changes of arrivals."""

    claims: Claims
    keys: KeyRing

    def change_for_new(self, order: ArchiveFile, arrival: Arrival, register: Register | None = None) -> Change:
        """The change that adds a new document. The authorization of a file that is its evidence is registered in the
        same save, from `register` when the caller knows more than the order says."""
        archived = _archive_steps(order, arrival)
        claims = self._claims_of(order, arrival, arrival.statement or arrival.paper)
        papers = {arrival.paper: arrival.owner}
        if arrival.statement is None:
            return Change(steps=archived, claims=claims, papers=papers)
        papers[arrival.statement] = arrival.owner
        self.keys.new_paper(arrival.statement)
        registered = authorization.decide(None, register or _registration_of(order, arrival))
        attached = authorization.decide(authorization.fold(registered), _attachment_of(order, arrival))
        beside = self.claims.change_of_authorization(
            arrival.statement, None, [*registered, *attached], claims=claims, papers=papers
        )
        return msgspec.structs.replace(beside, steps=[*beside.steps[:1], *archived, *beside.steps[1:]])

    def change_for_evidence(
        self, statement: UUID, state: Authorization, order: ArchiveFile, arrival: Arrival
    ) -> Change:
        """The change that adds the signed form of an issued authorization: document, signature and evidence."""
        events = authorization.decide(state, _attachment_of(order, arrival))
        claims = self._claims_of(order, arrival, arrival.paper)
        change = self.claims.change_of_authorization(
            statement, state, events, claims=claims, papers={arrival.paper: arrival.owner}
        )
        return msgspec.structs.replace(change, steps=[*_archive_steps(order, arrival), *change.steps])

    def _claims_of(self, order: ArchiveFile, arrival: Arrival, named: UUID) -> list[Claim]:
        """The claims on the content, and on the external id for the paper that it names."""
        sha256, shared = arrival.file.sha256, order.duplicate_allowed
        return [
            self.claims.claim_of_content(arrival.owner, sha256, arrival.paper, shared=shared),
            *self.claims.claims_of_external_id(order.external_id, named),
        ]


def _archive_steps(order: ArchiveFile, arrival: Arrival) -> list[tuple[UUID, Any]]:
    archive = ArchiveDocument(
        customer=arrival.owner.reference,
        type=arrival.type,
        source=order.source,
        content=arrival.content,
        sha256=arrival.file.sha256,
        file_name=arrival.file.name,
        description=Description(order.note, order.received_on or arrival.today),
        evidence_of=arrival.statement,
        ground=order.ground,
        external_id=order.external_id,
    )
    return [(arrival.paper, event) for event in document.decide(None, archive)]


def _registration_of(order: ArchiveFile, arrival: Arrival) -> Register:
    return Register(
        customer=arrival.owner.reference,
        type=arrival.type,
        source=order.source,
        original_held=False,
        shelf_mark=None,
        terms=_terms_of(order, arrival.today),
        today=arrival.today,
        note=order.note,
        external_id=order.external_id,
    )


def _attachment_of(order: ArchiveFile, arrival: Arrival) -> AttachEvidence:
    return AttachEvidence(
        document=arrival.paper,
        type=arrival.type,
        source=order.source,
        terms=_terms_of(order, arrival.today),
        today=arrival.today,
    )


def _terms_of(order: ArchiveFile, today: date) -> Terms:
    """The terms of an order: signed on the stated day, else at the latest on the day of receipt."""
    return Terms(signed_on=order.signed_on or min(order.received_on or today, today))
