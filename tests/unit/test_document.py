"""Rules of documents: given events, when a command, then events or a refusal."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.document import (
    ArchiveDocument,
    Command,
    ContentDestroyed,
    ContentReplaced,
    ContentVersion,
    CustomerLinked,
    CustomerUnlinked,
    Describe,
    Description,
    DestroyDocument,
    Document,
    DocumentArchived,
    DocumentDescribed,
    DocumentEvent,
    DocumentReassigned,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
    LinkCustomer,
    NoteSeen,
    Reassign,
    Reclassify,
    ReplaceContent,
    Restore,
    UnlinkCustomer,
    Withdraw,
    decide,
    evolve,
    fold,
)
from domain.document_type import DocumentType
from domain.envelope import UNSET
from domain.refusals import DocumentTypeInactive, IllegalTransition, SourceNotAllowed, ValidationFailed
from domain.values import Source
from tests.builders.events import A_GROUND
from tests.builders.papers import a_content, a_document_type

CUSTOMER, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = date(2026, 11, 24)
FILE = ContentVersion(a_content(), b"plain", "letter.pdf")
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
    assert (state.version, state.status, state.files) == (1, DocumentStatus.ARCHIVED, (FILE,))
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
    assert [e.field for e in refused.value.errors] == ["ground"]


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
    assert (state.source, state.files, state.version) == (Source.NONE, (), 1)


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
    assert [e.field for e in refused.value.errors] == ["received_on"]


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
    assert (state.status, state.version, state.files) == (DocumentStatus.WITHDRAWN, 2, (FILE,))
    restored = decide(state, Restore("was right"))
    assert restored == [DocumentRestored(customer=CUSTOMER, reason="was right")]
    assert given(*archived(), *withdrawn, *restored).status is DocumentStatus.ARCHIVED


# -- status x command -------------------------------------------------------------------------------------------

BETTER = a_content(id=UUID(int=9), size_bytes=99)
COMMANDS: dict[str, tuple[Command, str]] = {
    "describe": (describing(note="x"), "archived"),
    "reclassify": (Reclassify(a_document_type("FORM"), "x"), "archived"),
    "withdraw": (Withdraw("x"), "archived"),
    "restore": (Restore("x"), "withdrawn"),
    "replace": (ReplaceContent(content=BETTER, sha256=b"better", file_name=None, reason="x"), "archived"),
    # A withdrawn paper may be the evidence of an authorization that moves.
    "reassign": (Reassign(OTHER, "x"), "archived withdrawn"),
    "link": (LinkCustomer(OTHER, "x"), "archived withdrawn"),
    "unlink": (UnlinkCustomer(THIRD, "x"), "archived withdrawn"),
    "destroy": (DestroyDocument(A_GROUND), "archived withdrawn"),
}
BEFORE: dict[DocumentStatus, list[DocumentEvent]] = {
    DocumentStatus.ARCHIVED: [],
    DocumentStatus.WITHDRAWN: [WITHDRAWN],
    DocumentStatus.DESTROYED: [
        ContentDestroyed(customer=CUSTOMER, was=DocumentStatus.ARCHIVED, contents=(), ground=A_GROUND)
    ],
}


@pytest.mark.parametrize("status", DocumentStatus)
@pytest.mark.parametrize(("command", "allowed"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_life_cycle_allows_what_the_table_says_and_a_refusal_names_the_state(
    status: DocumentStatus, command: Command, allowed: str
) -> None:
    joint = CustomerLinked(customer=CUSTOMER, linked=THIRD, reason="both")
    state = given(*archived(), joint, *BEFORE[status])
    if status in allowed.split():
        assert len(decide(state, command)) == 1
        return
    if isinstance(command, DestroyDocument):
        assert decide(state, command) == [], "a disposal that was interrupted is repeated"
        return
    with pytest.raises(IllegalTransition) as refused:
        decide(state, command)
    assert refused.value.extra == {"state": status}


def test_what_is_destroyed_keeps_the_ids_of_its_contents_and_nothing_that_was_sealed() -> None:
    [destroyed] = decide(given(*archived(), WITHDRAWN), DestroyDocument(A_GROUND))
    contents = (FILE.content.id,)
    assert destroyed == ContentDestroyed(
        customer=CUSTOMER, was=DocumentStatus.WITHDRAWN, contents=contents, ground=A_GROUND
    )
    state = given(*archived(), WITHDRAWN, destroyed)
    assert (state.status, state.version, state.description) == (DocumentStatus.DESTROYED, 3, None)
    assert state.files == (ContentVersion(FILE.content, None, None),)


# -- to the right customer, and joint papers (I1) ---------------------------------------------------------------


def test_moving_remembers_the_customer_of_before() -> None:
    events = decide(given(*archived()), Reassign(OTHER, "of the daughter"))
    assert events == [DocumentReassigned(customer=OTHER, old=CUSTOMER, reason="of the daughter")]
    assert given(*archived(), *events).customer == OTHER
    assert decide(given(*archived(), *events), Reassign(OTHER, "again")) == []


def test_a_linked_customer_sees_the_paper_beside_the_primary_one() -> None:
    events = decide(given(*archived()), LinkCustomer(OTHER, "signed by both"))
    assert events == [CustomerLinked(customer=CUSTOMER, linked=OTHER, reason="signed by both")]
    state = given(*archived(), *events)
    assert (state.customer, state.linked) == (CUSTOMER, frozenset({OTHER}))


@pytest.mark.parametrize("customer", [CUSTOMER, OTHER])
def test_who_has_the_paper_already_is_not_linked_again(customer: UUID) -> None:
    joint = CustomerLinked(customer=CUSTOMER, linked=OTHER, reason="both")
    assert decide(given(*archived(), joint), LinkCustomer(customer, "again")) == []


def test_unlinking_leaves_the_primary_customer() -> None:
    joint = [*archived(), CustomerLinked(customer=CUSTOMER, linked=OTHER, reason="both")]
    events = decide(given(*joint), UnlinkCustomer(OTHER, "signed by one"))
    assert events == [CustomerUnlinked(customer=CUSTOMER, linked=OTHER, reason="signed by one")]
    assert given(*joint, *events).linked == frozenset()
    assert decide(given(*joint), UnlinkCustomer(THIRD, "was never there")) == []


def test_the_primary_customer_is_not_unlinked() -> None:
    joint = CustomerLinked(customer=CUSTOMER, linked=OTHER, reason="both")
    with pytest.raises(ValidationFailed) as refused:
        decide(given(*archived(), joint), UnlinkCustomer(CUSTOMER, "x"))
    assert [e.field for e in refused.value.errors] == ["customer"]


def test_a_joint_paper_that_moves_to_a_linked_customer_has_that_one_once() -> None:
    joint = [*archived(), *(CustomerLinked(customer=CUSTOMER, linked=c, reason="x") for c in (OTHER, THIRD))]
    state = given(*joint, *decide(given(*joint), Reassign(OTHER, "it is hers")))
    assert (state.customer, state.linked) == (OTHER, frozenset({THIRD}))


# -- new contents (G4) ------------------------------------------------------------------------------------------


def replacing(sha256: bytes = b"better", file_name: str | None = "scan 2.pdf") -> ReplaceContent:
    return ReplaceContent(content=BETTER, sha256=sha256, file_name=file_name, reason="the back was missing")


def test_a_new_content_names_the_one_of_before_and_both_are_kept() -> None:
    events = decide(given(*archived()), replacing())
    assert events == [
        ContentReplaced(
            customer=CUSTOMER,
            old_content=a_content().id,
            content=BETTER,
            old_sha256=b"plain",
            sha256=b"better",
            old_file_name="letter.pdf",
            file_name="scan 2.pdf",
            reason="the back was missing",
        )
    ]
    assert given(*archived(), *events).files == (FILE, ContentVersion(BETTER, b"better", "scan 2.pdf"))


def test_the_content_that_is_shown_already_replaces_nothing() -> None:
    assert decide(given(*archived()), replacing(sha256=b"plain")) == []


def test_a_content_of_before_may_come_back() -> None:
    replaced = [*archived(), *decide(given(*archived()), replacing())]
    [event] = decide(given(*replaced), replacing(sha256=b"plain"))
    assert isinstance(event, ContentReplaced)
    assert event.old_sha256 == b"better"


def test_a_paper_that_was_only_seen_has_no_content_to_replace() -> None:
    [seen] = decide(None, see(a_document_type("IDENTIFICATION")))
    with pytest.raises(ValidationFailed) as refused:
        decide(given(seen), replacing())
    assert [e.field for e in refused.value.errors] == ["file"]


def test_an_erased_content_is_not_replaced() -> None:
    [event] = archived()
    assert isinstance(event, DocumentArchived)
    assert decide(given(replace(event, sha256=UNSET, file_name=UNSET)), replacing()) == []


@pytest.mark.parametrize("evidence", [False, True])
def test_evidence_comes_in_although_its_type_was_switched_off_meanwhile(evidence: bool) -> None:
    off = a_document_type("GUARDIAN_CONSENT", active=False)
    command = archive(off)
    assert isinstance(command, ArchiveDocument)
    if evidence:
        [event] = decide(None, replace(command, evidence_of=UUID(int=5)))
        assert isinstance(event, DocumentArchived)
        assert event.evidence_of == UUID(int=5)
    else:
        with pytest.raises(DocumentTypeInactive):
            decide(None, command)


# -- folds ------------------------------------------------------------------------------------------------------


def test_the_version_counts_every_event() -> None:
    """And nothing but what its own event says is changed by any of them."""
    state: Document | None = None
    joint: list[Command] = [
        LinkCustomer(OTHER, "x"),
        LinkCustomer(THIRD, "x"),
        UnlinkCustomer(THIRD, "x"),
        Reassign(OTHER, "x"),
    ]
    commands = [
        archive(),
        *(COMMANDS[n][0] for n in ("describe", "reclassify", "withdraw", "restore", "replace")),
        *joint,
    ]
    for version, command in enumerate(commands, 1):
        [event] = decide(state, command)
        state = evolve(state, event)
        assert state.version == version
    assert state == Document(
        customer=OTHER,
        type=a_document_type("FORM").stamp,
        source=Source.FILE,
        status=DocumentStatus.ARCHIVED,
        version=len(commands),
        description=Description("x", RECEIVED.received_on),
        files=(FILE, ContentVersion(BETTER, b"better", None)),
    )
