"""One event of every class, each with all of its fields filled in, and envelopes to put events into."""

import hashlib
from datetime import UTC, date, datetime
from uuid import UUID

from msgspec.structs import replace

from domain.access import Role
from domain.administration import (
    ArchiveExported,
    CustomerExported,
    TokenCreated,
    TokenRevoked,
    UserAdded,
    UserBound,
    UserDisabled,
    UserEnabled,
    UserPasswordChanged,
    UserPasswordReset,
    UserUnbound,
)
from domain.authorization import (
    AuthorizationCancelled,
    AuthorizationDestroyed,
    AuthorizationExpired,
    AuthorizationHoldLifted,
    AuthorizationHoldPlaced,
    AuthorizationIssued,
    AuthorizationReassigned,
    AuthorizationRegistered,
    AuthorizationReinstated,
    AuthorizationResumed,
    AuthorizationRevoked,
    AuthorizationSigned,
    AuthorizationStatus,
    AuthorizationSuperseded,
    AuthorizationSuspended,
    CollectionReported,
    EvidenceAttached,
    EvidenceRestored,
    EvidenceWithdrawn,
    ExpiryCause,
    MandateAmended,
    NoteWithdrawn,
    RevocationReceived,
    Terms,
)
from domain.customer import CustomerStatus
from domain.customer_file import (
    CustomerDeceasedReported,
    CustomerDeletedInSource,
    CustomerHoldLifted,
    CustomerHoldPlaced,
    CustomerLeft,
    CustomerReturned,
)
from domain.destruction import DestructionGround
from domain.disposal import DisposalApproved, DisposalCompleted, DisposalProposed, DuePaper, KeptPaper
from domain.document import (
    ContentDestroyed,
    ContentReplaced,
    CustomerLinked,
    CustomerUnlinked,
    Description,
    DocumentArchived,
    DocumentDescribed,
    DocumentHoldLifted,
    DocumentHoldPlaced,
    DocumentReassigned,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.document_type import DocumentTypeChanged, DocumentTypeDefined
from domain.envelope import Envelope, Event, Meta
from domain.mandate import CollectionOutcome, Mandate, SequenceType
from domain.scan_session import (
    PageCaptured,
    PagesArchived,
    PagesArranged,
    Placed,
    ScanCancelled,
    ScanClosed,
    ScanConfirmed,
    ScanExpired,
    ScanFinished,
    ScanInterrupted,
    ScannerChoice,
    ScannerYielded,
    ScanReopened,
    ScanStarted,
)
from domain.values import ScannerSource, Sensitivity, Source
from tests.builders.papers import CREDITOR, IBAN, PDF, a_content, a_document_type

CUSTOMER = UUID("4b1f0d6e-8a0e-4d0f-9a53-1f2e3d4c5b6a")
OTHER_CUSTOMER = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
PAPER = UUID("0193f3a0-0000-7000-8000-00000000000a")
OTHER_PAPER = UUID("0193f3a0-0000-7000-8000-00000000000b")
A_PASSWORD = UUID("0193f3a0-0000-7000-8000-00000000000c")

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
MOVED_MANDATE = replace(MANDATE, iban="DE89370400440532013000", bic="COBADEFF", sequence_type=SequenceType.FIRST)
TERMS = Terms(signed_on=date(2026, 11, 20), valid_from=date(2026, 12, 1), valid_until=date(2029, 11, 30))
HOLD = UUID("0193f3a0-0000-7000-8000-00000000d001")
SCAN_CODE = "DA48271903665144"
SCANNED_AT = datetime(2026, 11, 24, 9, 30, 11, 123000, tzinfo=UTC)
A_DEVICE = ScannerChoice(scanner="desk-2:flatbed", station="desk-2", source=ScannerSource.FLATBED, profile="letter")
A_GROUND = DestructionGround(
    disposal=UUID("0193f3a0-0000-7000-8000-00000000000d"),
    due_on=date(2030, 1, 20),
    trigger="mandate_end",
    months=14,
    legal_basis="SEPA rulebook",
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
    DocumentReassigned(customer=CUSTOMER, old=OTHER_CUSTOMER, reason="of the daughter"),
    ContentReplaced(
        customer=CUSTOMER,
        old_content=UUID("0193f3a0-0000-7000-8000-00000000c000"),
        content=a_content(),
        old_sha256=hashlib.sha256(b"one page").digest(),
        sha256=hashlib.sha256(PDF).digest(),
        old_file_name="scan.pdf",
        file_name="scan 2.pdf",
        reason="the back was missing",
    ),
    CustomerLinked(customer=CUSTOMER, linked=OTHER_CUSTOMER, reason="signed by both"),
    CustomerUnlinked(customer=CUSTOMER, linked=OTHER_CUSTOMER, reason="signed by one only"),
    DocumentHoldPlaced(customer=CUSTOMER, hold=HOLD, until=date(2027, 6, 30), reason="a court asks for it"),
    DocumentHoldLifted(customer=CUSTOMER, hold=HOLD, reason="the court has decided"),
    ContentDestroyed(
        customer=CUSTOMER, was=DocumentStatus.ARCHIVED, contents=(a_content().id, A_PASSWORD), ground=A_GROUND
    ),
    AuthorizationIssued(
        customer=CUSTOMER,
        type=a_document_type("DEBT_AUTHORIZATION").stamp,
        language="nl",
        lapses_on=date(2027, 2, 20),
        valid_from=date(2026, 12, 1),
        valid_until=date(2029, 11, 30),
        scan_code=SCAN_CODE,
        mandate=MANDATE,
        note="handed over at the desk",
        external_id="crm-4714",
    ),
    AuthorizationRegistered(
        customer=CUSTOMER,
        type=a_document_type("DEBT_AUTHORIZATION").stamp,
        source=Source.NONE,
        original_held=True,
        terms=TERMS,
        shelf_mark="B 12",
        mandate=MANDATE,
        last_collection_on=date(2026, 11, 21),
        note="account of the mother",
        external_id="crm-4713",
        scan_code="199917",
    ),
    AuthorizationSigned(
        customer=CUSTOMER,
        source=Source.NONE,
        original_held=True,
        terms=TERMS,
        shelf_mark="B 13",
        mandate=MANDATE,
        note="signed at home",
        external_id="crm-4714",
    ),
    EvidenceAttached(customer=CUSTOMER, document=OTHER_PAPER, original_was_held=True),
    EvidenceWithdrawn(
        customer=CUSTOMER,
        document=OTHER_PAPER,
        was=AuthorizationStatus.ACTIVE,
        status=AuthorizationStatus.ISSUED,
        original_held=True,
        signed_on=date(2026, 11, 20),
        lapses_on=date(2027, 2, 20),
        valid_from=date(2026, 12, 1),
        valid_until=date(2029, 11, 30),
        mandate=MANDATE,
        reason="the page of another form",
    ),
    EvidenceRestored(
        customer=CUSTOMER,
        document=OTHER_PAPER,
        was=AuthorizationStatus.ISSUED,
        status=AuthorizationStatus.ACTIVE,
        original_was_held=True,
        signed_on=date(2026, 11, 20),
        valid_from=date(2026, 12, 1),
        valid_until=date(2029, 11, 30),
        mandate=MANDATE,
        reason="it was the right one",
    ),
    NoteWithdrawn(
        customer=CUSTOMER,
        on=date(2027, 1, 4),
        was=AuthorizationStatus.ACTIVE,
        status=AuthorizationStatus.ISSUED,
        lapses_on=date(2027, 2, 20),
        valid_from=date(2026, 12, 1),
        valid_until=date(2029, 11, 30),
        mandate=MANDATE,
        reason="noted for the neighbour",
    ),
    MandateAmended(
        customer=CUSTOMER,
        fields=("iban", "bic"),
        same_bank=False,
        old=MANDATE,
        new=MOVED_MANDATE,
        reason="changed banks",
    ),
    AuthorizationSuspended(customer=CUSTOMER, on=date(2027, 3, 1), reason="abroad for a year"),
    AuthorizationResumed(customer=CUSTOMER, on=date(2028, 3, 1), reason="is back"),
    RevocationReceived(
        customer=CUSTOMER, received_on=date(2028, 4, 1), effective_on=date(2028, 5, 1), reason="by letter"
    ),
    AuthorizationRevoked(
        customer=CUSTOMER,
        was=AuthorizationStatus.ACTIVE,
        received_on=date(2028, 4, 1),
        effective_on=date(2028, 5, 1),
        reason="by letter",
    ),
    AuthorizationSuperseded(
        customer=CUSTOMER,
        was=AuthorizationStatus.SUSPENDED,
        on=date(2028, 5, 1),
        by=OTHER_PAPER,
        reason="a new form",
    ),
    AuthorizationExpired(
        customer=CUSTOMER, was=AuthorizationStatus.ACTIVE, on=date(2029, 11, 20), cause=ExpiryCause.NO_COLLECTION
    ),
    AuthorizationReinstated(
        customer=CUSTOMER,
        was=AuthorizationStatus.EXPIRED,
        status=AuthorizationStatus.ACTIVE,
        reason="the clock was wrong",
    ),
    AuthorizationCancelled(customer=CUSTOMER, on=date(2026, 12, 24), reason="never came back"),
    CollectionReported(
        customer=CUSTOMER,
        presented_on=date(2027, 1, 4),
        due_on=date(2027, 1, 11),
        outcome=CollectionOutcome.PAID,
        reference="fee 2027",
    ),
    AuthorizationReassigned(customer=CUSTOMER, old=OTHER_CUSTOMER, reason="of the daughter"),
    AuthorizationHoldPlaced(customer=CUSTOMER, hold=HOLD, until=date(2027, 6, 30), reason="the bank disputes it"),
    AuthorizationHoldLifted(customer=CUSTOMER, hold=HOLD, reason="the dispute is settled"),
    CustomerDeceasedReported(
        customer=CUSTOMER, was=CustomerStatus.ACTIVE, on=date(2027, 5, 3), reason="told by the daughter"
    ),
    CustomerLeft(customer=CUSTOMER, was=CustomerStatus.ACTIVE, on=date(2027, 5, 1), reason="moved to Gent"),
    CustomerDeletedInSource(
        customer=CUSTOMER, was=CustomerStatus.LEFT, on=date(2027, 6, 1), reason="not in the file of June"
    ),
    CustomerReturned(customer=CUSTOMER, was=CustomerStatus.LEFT, on=date(2028, 1, 2), reason="back from Gent"),
    CustomerHoldPlaced(customer=CUSTOMER, hold=HOLD, until=date(2028, 1, 1), reason="an inquiry by the prosecutor"),
    CustomerHoldLifted(customer=CUSTOMER, hold=HOLD, reason="the inquiry was closed"),
    AuthorizationDestroyed(customer=CUSTOMER, was=AuthorizationStatus.EXPIRED, original_held=True, ground=A_GROUND),
    DisposalProposed(
        proposer="j.smit",
        papers=(
            DuePaper(
                paper=PAPER,
                type="DEBT_AUTHORIZATION",
                due_on=date(2030, 1, 21),
                trigger="mandate_end",
                months=14,
                legal_basis="SEPA rulebook",
                approval=True,
            ),
        ),
    ),
    DisposalApproved(approver="m.jansen", reason="list compared with the rules"),
    DisposalCompleted(destroyed=0, kept=(KeptPaper(PAPER, "under-legal-hold"),)),
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
    UserAdded(
        name="j.smit",
        password=A_PASSWORD,
        role=Role.STAFF,
        branch="WEST",
        own_branch_only=True,
        granted=(Sensitivity.HEALTH,),
        without=(Sensitivity.IDENTITY,),
    ),
    UserBound(name="j.smit", issuer="https://id.example.org", subject="248289761001"),
    UserUnbound(name="j.smit", issuer="https://id.example.org", subject="248289761001"),
    UserPasswordReset(name="j.smit", password=A_PASSWORD),
    UserPasswordChanged(name="j.smit", password=A_PASSWORD),
    UserDisabled(name="j.smit"),
    UserEnabled(name="j.smit", password=A_PASSWORD),
    CustomerExported(customer=CUSTOMER, joint=True),
    ArchiveExported(position=412),
    ScanStarted(device=A_DEVICE, at=SCANNED_AT),
    ScanConfirmed(number=2, at=SCANNED_AT),
    PageCaptured(
        n=3,
        replaced=UUID("0193f3a0-0000-7000-8000-000000000071"),
        content=a_content(media_type="image/jpeg"),
        width_px=2480,
        height_px=3508,
        dpi=300,
        warnings=("skewed",),
        capture="2.3",
        like=(OTHER_PAPER,),
        sha256=hashlib.sha256(PDF).digest(),
        scan_codes=(SCAN_CODE,),
        look=b"a map",
    ),
    PagesArranged(pages=(Placed(PAPER, 90), Placed(OTHER_PAPER, 0))),
    ScanFinished(number=2),
    ScanInterrupted(problem="scanner-jammed", told="Document feeder jammed"),
    PagesArchived(document=PAPER, pages=(OTHER_PAPER,)),
    ScanCancelled(),
    ScanExpired(),
    ScanReopened(),
    ScanClosed(),
    ScannerYielded(),
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
