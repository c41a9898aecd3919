"""Invariants I1 to I7 and I10 to I13 of docs/domain.md §3, one plain example each; random lives: tests/property."""

from datetime import date, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest

from domain.access import Rights
from domain.archive import AmendMandate
from domain.authorization import AuthorizationEvent, ReportCollection, Revoke, Suspend
from domain.catalogue import SHIPPED
from domain.customer_file import CustomerFileEvent
from domain.document import DocumentEvent, LinkCustomer, UnlinkCustomer
from domain.document import decide as decide_document
from domain.iban import parse_mandate_reference
from domain.mandate import Amendment, CollectionOutcome
from domain.refusals import (
    DocumentTypeInactive,
    FieldError,
    IllegalTransition,
    MandateExists,
    MandateReferenceTaken,
    NotFound,
    ScanCodeRedeemed,
    SourceNotAllowed,
    ValidationFailed,
)
from domain.values import Source
from store.mapper import PLANS
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import IBAN, a_caller, a_mandate, a_seen_note, an_order, an_upload

TODAY = date(2026, 11, 24)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def test_i1_a_document_has_exactly_one_primary_customer_whoever_else_is_linked(desk: MemoryDesk) -> None:
    state = desk.document(desk.file())
    other = UUID(int=5)
    assert decide_document(state, LinkCustomer(other, "x"))
    with pytest.raises(ValidationFailed):
        decide_document(state, UnlinkCustomer(state.customer, "x"))


def test_i2_a_type_must_be_active_and_take_the_source(desk: MemoryDesk) -> None:
    desk.define("LETTER", active=False)
    desk.define("FORM", sources=(Source.SCAN,))
    before = desk.trace()
    with pytest.raises(DocumentTypeInactive):
        desk.file()
    with pytest.raises(SourceNotAllowed):
        desk.file(type="FORM")
    assert desk.trace() == before


def test_i3_no_upload_is_for_authorizations_whose_original_is_kept_or_for_what_was_seen(desk: MemoryDesk) -> None:
    form = desk.issue()
    before = desk.trace()
    with pytest.raises(SourceNotAllowed):
        desk.note(type="LETTER")
    with pytest.raises(ValidationFailed):
        desk.note(original_held=False)
    with pytest.raises(ValidationFailed):
        desk.note_signed(form, original_held=False)
    with pytest.raises(ValidationFailed):
        desk.archive.noting.note_authorization(a_seen_note(original_held=True), a_caller())
    assert desk.trace() == before
    assert desk.authorization(desk.note()).original_held


def test_i4_a_code_is_of_one_authorization_and_is_redeemed_once(desk: MemoryDesk) -> None:
    forms = [desk.issue() for _ in range(10)]
    assert len({desk.code(f) for f in forms}) == 10
    desk.attach(forms[0])
    with pytest.raises(ScanCodeRedeemed):
        desk.attach(forms[0], b"a further page")


def test_i5_the_customer_of_an_authorization_is_that_of_its_evidence(desk: MemoryDesk) -> None:
    paper = desk.file(type="GUARDIAN_CONSENT")
    for customer in ("100235", "100234"):
        desk.archive.corrections.reassign_authorization(
            paper, customer, "x", a_caller(), rights=EVERYTHING, expected_version=None
        )
        assert desk.authorization(paper).customer == desk.document(desk.evidence(paper)).customer


def test_i6_one_mandate_in_force_for_a_customer_creditor_and_iban(desk: MemoryDesk) -> None:
    first = desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    before = desk.trace()
    with pytest.raises(MandateExists):
        desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    assert desk.trace() == before
    desk.change(first, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))
    assert desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())


def test_i6_a_mandate_reference_is_given_once_and_has_35_characters_of_the_latin_set(desk: MemoryDesk) -> None:
    desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate(mandate_reference="UMR 1"))
    with pytest.raises(MandateReferenceTaken):
        desk.note(customer="100235", type="DEBT_AUTHORIZATION", mandate=a_mandate(mandate_reference="UMR 1"))
    assert parse_mandate_reference("A" * 35)
    for wrong in ("A" * 36, "ÄRGER", "", "a//b"):
        with pytest.raises(FieldError):
            parse_mandate_reference(wrong)


def test_i7_without_iban_and_signature_date_a_mandate_is_active_and_neither_collected_nor_amended(
    desk: MemoryDesk,
) -> None:
    paper = desk.note(type="DEBT_AUTHORIZATION")
    assert desk.authorization(paper).status == "active"
    with pytest.raises(IllegalTransition):
        desk.change(paper, collected())
    with pytest.raises(ValidationFailed):
        desk.change(paper, AmendMandate(Amendment(debtor_name="x"), "x"))
    desk.change(paper, AmendMandate(Amendment(iban=IBAN), "x"))
    assert desk.change(paper, collected()).recorded


def collected() -> ReportCollection:
    return ReportCollection(presented_on=TODAY, due_on=TODAY, outcome=CollectionOutcome.PAID, today=TODAY)


def test_i7_a_signature_is_never_of_the_future_and_no_end_touches_its_date(desk: MemoryDesk) -> None:
    with pytest.raises(ValidationFailed):
        desk.note(signed_on=TODAY + timedelta(days=1))
    paper = desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    before = desk.authorization(paper)
    desk.change(paper, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))
    after = desk.authorization(paper)
    assert (after.signed_on, after.mandate) == (before.signed_on, before.mandate)


SECRETS: dict[str, Any] = {
    "note": "Zwijgende noot",
    "shelf_mark": "Plank Q77",
    "external_id": "crm-Geheim-1",
    "mandate": a_mandate(debtor_name="Rekeninghouder Q", mandate_reference="UMR-Q-4711"),
}


def test_i10_no_personal_word_stands_in_clear_in_what_is_stored(desk: MemoryDesk) -> None:
    paper = desk.note(type="DEBT_AUTHORIZATION", **SECRETS)
    desk.change(paper, Suspend(TODAY, "Reden van het hart"))
    form = desk.issue(note="Nota Bene Q")
    desk.archive.filing.archive_file(
        an_order(authorization=form, customer=None, type=None, ground="Grondslag Q"),
        an_upload(name="Naam Q.pdf"),
        a_caller(),
        EVERYTHING,
    )
    stored = b"".join(n.state for n in desk.log._recorder.select_notifications(None, 1 << 31))
    words = [
        *("Zwijgende", "Q77", "Geheim", "Rekeninghouder", "UMR-Q-4711", IBAN, "Reden van", "Nota Bene"),
        *("Grondslag", "Naam Q", desk.code(form), "100234"),
    ]
    assert [word for word in words if word.encode() in stored] == []
    assert b"GUARDIAN_CONSENT" in stored, "what is not personal can be read"


def test_i11_every_event_names_who_did_it_and_where(desk: MemoryDesk) -> None:
    paper = desk.note(valid_until=TODAY)
    desk.clock.move_to(TODAY + timedelta(days=1))
    desk.archive.life.lapse_authorization(paper)
    assert [(e.meta.actor, e.meta.branch) for e in desk.log.load(paper)] == [
        ("j.smit", "CENTRAL"),
        ("system", "CENTRAL"),
    ]


@pytest.mark.parametrize("code", [c for c, d in SHIPPED.items() if d.sensitivity != "ordinary"])
def test_i12_a_sensitive_paper_does_not_exist_without_its_permission(desk: MemoryDesk, code: str) -> None:
    paper = desk.file(type=code, ground="x")
    ordinary = Rights([c for c, d in SHIPPED.items() if d.sensitivity == "ordinary"])
    assert (desk.archive.papers.is_visible(paper, EVERYTHING), desk.archive.papers.is_visible(paper, ordinary)) == (
        True,
        False,
    )
    with pytest.raises(NotFound):
        desk.archive.life.load_outcome(paper, ordinary)


def test_i13_two_desks_with_one_code_in_one_second_and_one_wins(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.log.before_append.append(lambda: desk.attach(form, b"quicker"))
    with pytest.raises(ScanCodeRedeemed):
        desk.attach(form)
    assert [t for t in desk.topics if t == "evidence-attached.v1"] == ["evidence-attached.v1"]


def test_every_event_class_seals_something_or_names_nobody() -> None:
    """A new event is looked at here: its sealed fields, or why it has none."""
    without = {
        k.__name__
        for k in [*get_args(AuthorizationEvent), *get_args(DocumentEvent), *get_args(CustomerFileEvent)]
        if not PLANS[k].sealed
    }
    assert without == {"EvidenceAttached", "AuthorizationExpired", "ContentDestroyed", "AuthorizationDestroyed"}
