"""One event of every class, each with all of its fields filled in, and envelopes to put events into."""

import hashlib
from datetime import UTC, date, datetime
from uuid import UUID

from msgspec.structs import replace

from domain.access import Role
from domain.administration import TokenCreated, TokenRevoked
from domain.authorization import AuthorizationRegistered, EvidenceAttached, Mandate, SequenceType, Terms
from domain.document import (
    Description,
    DocumentArchived,
    DocumentDescribed,
    DocumentReclassified,
    DocumentRestored,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.document_type import DocumentTypeChanged, DocumentTypeDefined
from domain.envelope import Envelope, Event, Meta
from domain.values import Sensitivity, Source
from tests.builders.papers import CREDITOR, IBAN, PDF, a_content, a_document_type

CUSTOMER = UUID("4b1f0d6e-8a0e-4d0f-9a53-1f2e3d4c5b6a")
PAPER = UUID("0193f3a0-0000-7000-8000-00000000000a")
OTHER_PAPER = UUID("0193f3a0-0000-7000-8000-00000000000b")

LETTER, FORM = a_document_type("LETTER"), a_document_type("FORM")
MANDATE = Mandate(
    debtor_name="J. Peeters-Ångström",
    iban=IBAN,
    bic="GKCCBEBB",
    mandate_reference="UMR 2026/11",
    creditor_id=CREDITOR,
    signature_date=date(2026, 11, 20),
    sequence_type=SequenceType.FIRST,
)
EVERY: tuple[Event, ...] = (
    DocumentArchived(
        customer=CUSTOMER,
        type=LETTER.stamp,
        source=Source.FILE,
        content=a_content(flags=("macros",)),
        evidence_of=OTHER_PAPER,
        sha256=hashlib.sha256(PDF).digest(),
        file_name="verhuizing.pdf",
        description=Description("Moved to Gent, brief von 20.", date(2026, 11, 20)),
        ground="Art. 6(1)(c)",
        external_id="crm-4711",
    ),
    IdentitySeen(
        customer=CUSTOMER,
        type=a_document_type("IDENTIFICATION").stamp,
        seen_on=date(2026, 11, 24),
        paper="passport",
        number_suffix="X41",
        description=Description("photo fits", date(2026, 11, 24)),
        external_id="crm-4712",
    ),
    DocumentDescribed(
        customer=CUSTOMER,
        old=Description(None, date(2026, 11, 20)),
        new=Description("Moved to Ghent", date(2026, 11, 19)),
        reason="typing error",
    ),
    DocumentReclassified(customer=CUSTOMER, old=LETTER.stamp, new=FORM.stamp, reason="it is a form"),
    DocumentWithdrawn(customer=CUSTOMER, reason="of the neighbour"),
    DocumentRestored(customer=CUSTOMER, reason="was right after all"),
    AuthorizationRegistered(
        customer=CUSTOMER,
        type=a_document_type("DEBT_AUTHORIZATION").stamp,
        source=Source.NONE,
        original_held=True,
        terms=Terms(signed_on=date(2026, 11, 20), valid_from=date(2026, 12, 1), valid_until=date(2029, 11, 30)),
        shelf_mark="B 12",
        mandate=MANDATE,
        note="account of the mother",
        external_id="crm-4713",
    ),
    EvidenceAttached(customer=CUSTOMER, document=OTHER_PAPER, original_was_held=True),
    DocumentTypeDefined(code="LETTER", definition=LETTER.definition),
    DocumentTypeChanged(
        code="DEBT_AUTHORIZATION",
        old=a_document_type("DEBT_AUTHORIZATION").definition,
        new=a_document_type(
            "DEBT_AUTHORIZATION", media_types=("application/pdf",), validity_months=36, active=False
        ).definition,
    ),
    TokenCreated(
        name="kiosk",
        digest=hashlib.sha256(b"token").digest(),
        role=Role.STAFF,
        branch="WEST",
        own_branch_only=True,
        granted=(Sensitivity.HEALTH,),
        without=(Sensitivity.IDENTITY,),
    ),
    TokenRevoked(name="kiosk"),
)
BY_KIND: dict[type[Event], Event] = {type(event): event for event in EVERY}

META = Meta(
    actor="j.smit",
    branch="CENTRAL",
    occurred_at=datetime(2026, 11, 24, 9, 30, 11, 123456, tzinfo=UTC),
    command_id=UUID("0193f3a0-0000-7000-8000-00000000cccc"),
    correlation_id=UUID("0193f3a0-0000-7000-8000-00000000dddd"),
)


def an_envelope(body: Event, stream: UUID = PAPER, version: int = 1, meta: Meta = META) -> Envelope[Event]:
    return Envelope(stream, version, body, meta)


def a_letter(customer: UUID = CUSTOMER, **changes: object) -> DocumentArchived:
    event = replace(BY_KIND[DocumentArchived], customer=customer, **changes)
    assert isinstance(event, DocumentArchived)
    return event
