"""Rules of documents: given events, when a command, then events or a refusal."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.document import (
    ArchiveDocument,
    Command,
    Describe,
    Description,
    Document,
    DocumentArchived,
    DocumentDescribed,
    DocumentEvent,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
    NoteSeen,
    Reclassify,
    Restore,
    Withdraw,
    decide,
    evolve,
    fold,
)
from domain.document_type import DocumentType
from domain.envelope import UNSET
from domain.refusals import DocumentTypeInactive, IllegalTransition, SourceNotAllowed, ValidationFailed
from domain.values import Source
from tests.builders.papers import a_content, a_document_type

CUSTOMER, TODAY = UUID(int=1), date(2026, 11, 24)
RECEIVED = Description("moved house", date(2026, 11, 20))


def archive(kind: DocumentType | None = None, source: Source = Source.FILE, ground: str | None = None) -> Command:
    return ArchiveDocument(
        customer=CUSTOMER,
        type=kind or a_document_type(),
        source=source,
        content=a_content(),
        sha256=b"plain",
        file_name="letter.pdf",
        description=RECEIVED,
        ground=ground,
        external_id="crm-1",
    )


def see(kind: DocumentType) -> Command:
    return NoteSeen(
        customer=CUSTOMER, type=kind, paper="passport", number_suffix="X41", seen_on=date(2026, 11, 24), note="valid"
    )


def describing(**changes: Any) -> Describe:
    return Describe(**{"today": TODAY, "reason": "typo", **changes})


def archived(kind: DocumentType | None = None) -> list[DocumentEvent]:
    return list(decide(None, archive(kind)))


def given(*events: DocumentEvent) -> Document:
    state = fold(events)
    assert state is not None
    return state


WITHDRAWN = DocumentWithdrawn(customer=CUSTOMER, reason="of the neighbour")


def test_archiving_keeps_everything_that_was_given() -> None:
    assert archived() == [
        DocumentArchived(
            customer=CUSTOMER,
            type=a_document_type().stamp,
            source=Source.FILE,
            content=a_content(),
            sha256=b"plain",
            file_name="letter.pdf",
            description=RECEIVED,
            ground=None,
            external_id="crm-1",
        )
    ]


def test_an_archived_document_stands_at_version_one_with_its_content() -> None:
    state = given(*archived())
    assert (state.version, state.status, state.contents) == (1, DocumentStatus.ARCHIVED, (a_content(),))
    assert state.description == RECEIVED


def test_a_type_that_is_switched_off_takes_nothing() -> None:
    with pytest.raises(DocumentTypeInactive):
        decide(None, archive(a_document_type(active=False)))


def test_a_type_takes_only_its_own_sources() -> None:
    scans_only = a_document_type(sources=(Source.SCAN,))
    assert decide(None, archive(scans_only, Source.SCAN))
    with pytest.raises(SourceNotAllowed):
        decide(None, archive(scans_only, Source.FILE))


@pytest.mark.parametrize("ground", [None, ""])
def test_a_paper_that_is_verified_and_not_kept_is_refused_without_a_ground(ground: str | None) -> None:
    with pytest.raises(ValidationFailed) as refused:
        decide(None, archive(a_document_type("IDENTIFICATION"), ground=ground))
    assert [e.pointer for e in refused.value.errors] == ["/form/ground"]


def test_a_paper_that_is_verified_and_not_kept_is_archived_with_its_ground() -> None:
    [event] = decide(None, archive(a_document_type("IDENTIFICATION"), ground="Art. 6(1)(c)"))
    assert isinstance(event, DocumentArchived)
    assert event.ground == "Art. 6(1)(c)"


def test_what_was_seen_is_noted_without_content() -> None:
    [event] = decide(None, see(a_document_type("IDENTIFICATION")))
    assert isinstance(event, IdentitySeen)
    assert (event.paper, event.number_suffix, event.description) == (
        "passport",
        "X41",
        Description("valid", date(2026, 11, 24)),
    )
    state = given(event)
    assert (state.source, state.contents, state.version) == (Source.NONE, (), 1)


def test_nothing_is_seen_for_a_type_without_no_upload() -> None:
    with pytest.raises(SourceNotAllowed):
        decide(None, see(a_document_type("LETTER")))


def test_a_description_is_corrected_with_old_and_new() -> None:
    better = Description("moved to Ghent", date(2026, 11, 19))
    events = decide(given(*archived()), describing(note="moved to Ghent", received_on=date(2026, 11, 19)))
    assert events == [DocumentDescribed(customer=CUSTOMER, old=RECEIVED, new=better, reason="typo")]
    assert given(*archived(), *events).description == better


@pytest.mark.parametrize(
    ("command", "better"),
    [
        (describing(note="moved to Ghent"), Description("moved to Ghent", RECEIVED.received_on)),
        (describing(note=None), Description(None, RECEIVED.received_on)),
        (describing(received_on=TODAY), Description(RECEIVED.note, TODAY)),
    ],
)
def test_a_part_that_is_left_out_stays_as_it_is(command: Describe, better: Description) -> None:
    [event] = decide(given(*archived()), command)
    assert isinstance(event, DocumentDescribed)
    assert event.new == better


def test_a_paper_is_never_received_in_the_future() -> None:
    with pytest.raises(ValidationFailed) as refused:
        decide(given(*archived()), describing(received_on=TODAY + timedelta(days=1)))
    assert [e.pointer for e in refused.value.errors] == ["/received_on"]


@pytest.mark.parametrize("command", [describing(), describing(note=RECEIVED.note, received_on=RECEIVED.received_on)])
def test_the_same_description_changes_nothing(command: Describe) -> None:
    assert decide(given(*archived()), command) == []


def test_an_erased_description_is_not_written_anew() -> None:
    [event] = archived()
    assert isinstance(event, DocumentArchived)
    state = given(replace(event, description=UNSET))
    assert state.description is None
    assert decide(state, describing(note="back again")) == []


def test_reclassifying_keeps_the_labels_of_both_days() -> None:
    renamed = a_document_type("FORM", labels={"en": "Paper form"})
    events = decide(given(*archived()), Reclassify(renamed, "is a form"))
    assert events == [
        DocumentReclassified(
            customer=CUSTOMER, old=a_document_type("LETTER").stamp, new=renamed.stamp, reason="is a form"
        )
    ]
    assert given(*archived(), *events).type.labels == {"en": "Paper form"}


def test_reclassifying_to_the_same_type_changes_nothing() -> None:
    assert decide(given(*archived()), Reclassify(a_document_type(version=9), "again")) == []


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (a_document_type("GUARDIAN_CONSENT"), ValidationFailed),
        (a_document_type("DEBT_AUTHORIZATION"), ValidationFailed),
        (a_document_type("FORM", active=False), DocumentTypeInactive),
        (a_document_type("FORM", sources=(Source.SCAN,)), SourceNotAllowed),
    ],
)
def test_a_document_becomes_only_what_its_source_and_kind_allow(kind: DocumentType, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        decide(given(*archived()), Reclassify(kind, "why not"))


def test_evidence_keeps_its_type() -> None:
    [event] = archived()
    assert isinstance(event, DocumentArchived)
    state = given(replace(event, evidence_of=UUID(int=5)))
    with pytest.raises(ValidationFailed):
        decide(state, Reclassify(a_document_type("FORM"), "is a form"))


def test_withdraw_hides_and_restore_brings_back() -> None:
    withdrawn = decide(given(*archived()), Withdraw("of the neighbour"))
    assert withdrawn == [WITHDRAWN]
    state = given(*archived(), *withdrawn)
    assert (state.status, state.version, state.contents) == (DocumentStatus.WITHDRAWN, 2, (a_content(),))
    restored = decide(state, Restore("was right"))
    assert restored == [DocumentRestored(customer=CUSTOMER, reason="was right")]
    assert given(*archived(), *withdrawn, *restored).status is DocumentStatus.ARCHIVED


@pytest.mark.parametrize(
    "command",
    [Withdraw("again"), describing(note="x"), Reclassify(a_document_type("FORM"), "x")],
)
def test_a_withdrawn_document_can_only_be_restored(command: Command) -> None:
    with pytest.raises(IllegalTransition) as refused:
        decide(given(*archived(), WITHDRAWN), command)
    assert refused.value.values == {"state": "withdrawn"}


def test_an_archived_document_cannot_be_restored() -> None:
    with pytest.raises(IllegalTransition):
        decide(given(*archived()), Restore("why"))


def test_the_version_counts_every_event() -> None:
    state: Document | None = None
    events = [*archived(), WITHDRAWN, DocumentRestored(customer=CUSTOMER, reason="x")]
    for version, event in enumerate(events, 1):
        state = evolve(state, event)
        assert state.version == version
