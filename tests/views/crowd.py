"""Many papers quickly: whole batches in one append, with the mix of events that a library's desk makes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.authorization import AttachEvidence, Register, Terms
from domain.document import ArchiveDocument, Describe, Description, Withdraw
from domain.document_type import DocumentType
from domain.envelope import Envelope, Meta
from domain.ports import CustomerReference
from domain.values import Source, uuid7
from tests.builders.papers import a_content, a_document_type, a_mandate
from tests.views.desk import Desk

TODAY = date(2026, 11, 24)
LETTER, CONSENT = a_document_type("LETTER"), a_document_type("GUARDIAN_CONSENT")
MANDATE = a_document_type("DEBT_AUTHORIZATION")
Body = tuple[UUID, Any]


def fill(desk: Desk, papers: int, *, customers: int, papers_at_once: int = 200, round_: int = 0) -> int:
    """Append about 1.5 events a paper for these customers of a round; returns how many events."""
    owners = [desk.keys.owner_of(f"crowd-{round_}-{n}") for n in range(customers)]
    events, later = 0, list[Body]()
    versions: dict[UUID, int] = {}
    for begin in range(0, papers, papers_at_once):
        now, wraps, corrections = later, dict[UUID, CustomerReference](), list[Body]()
        for n in range(begin, min(begin + papers_at_once, papers)):
            owner = owners[n % customers]
            made, corrected = _paper(n, owner.reference)
            now += made
            corrections += corrected
            wraps.update((stream, owner) for stream, _ in made)
        for stream in wraps:
            desk.keys.new_paper(stream)
        desk.log.append(list(_envelopes(now, versions)), papers=wraps)
        owners = [msgspec.structs.replace(o, fresh=o.fresh and o not in wraps.values()) for o in owners]
        events, later = events + len(now), corrections
    if later:
        desk.log.append(list(_envelopes(later, versions)))
    return events + len(later)


def _paper(n: int, customer: UUID) -> tuple[Sequence[Body], Sequence[Body]]:
    """The events of one paper, and those that come a while later."""
    kind = n % 10
    if kind == 8:
        return _with_evidence(n, customer), []
    paper = uuid7()
    if kind == 9:
        register = _register(customer, MANDATE, Source.NONE, mandate=a_mandate(mandate_reference=f"M{n}"))
        return _in(paper, authorization.decide(None, register)), []
    archived = document.decide(None, _letter(n, customer, LETTER, None))
    described = [] if kind < 6 else document.decide(document.fold(archived), _describe(n))
    withdrawn = [] if kind < 7 else document.decide(document.fold(archived), Withdraw("a mistake"))
    return _in(paper, archived), _in(paper, [*described, *withdrawn])


def _with_evidence(n: int, customer: UUID) -> Sequence[Body]:
    statement, paper = uuid7(), uuid7()
    registered = authorization.decide(None, _register(customer, CONSENT, Source.FILE))
    attach = AttachEvidence(document=paper, type=CONSENT, source=Source.FILE, terms=Terms(signed_on=TODAY), today=TODAY)
    attached = authorization.decide(authorization.fold(registered), attach)
    archived = document.decide(None, _letter(n, customer, CONSENT, statement))
    return [*_in(statement, [*registered, *attached]), *_in(paper, archived)]


def _letter(n: int, customer: UUID, kind: DocumentType, evidence_of: UUID | None) -> ArchiveDocument:
    return ArchiveDocument(
        customer=customer,
        type=kind,
        source=Source.FILE,
        content=a_content(id=uuid7()),
        sha256=n.to_bytes(32),
        file_name=f"scan {n:06} of the desk.pdf",
        description=Description(f"letter number {n} about the library card", TODAY),
        evidence_of=evidence_of,
        external_id=f"ext-{n}",
    )


def _register(customer: UUID, kind: DocumentType, source: Source, **fields: Any) -> Register:
    return Register(
        customer=customer,
        type=kind,
        source=source,
        original_held=source is Source.NONE,
        shelf_mark="B 12",
        terms=Terms(signed_on=TODAY),
        today=TODAY,
        **fields,
    )


def _describe(n: int) -> Describe:
    return Describe(note=f"letter number {n}, looked at again", today=TODAY, reason="a better description")


def _in(stream: UUID, bodies: Sequence[Any]) -> Sequence[Body]:
    return [(stream, body) for body in bodies]


def _envelopes(bodies: Sequence[Body], versions: dict[UUID, int]) -> Iterator[Envelope[Any]]:
    meta = Meta("j.smit", "CENTRAL", datetime.now(UTC), uuid7(), uuid7())
    for stream, body in bodies:
        versions[stream] = versions.get(stream, 0) + 1
        yield Envelope(stream, versions[stream], body, meta)
