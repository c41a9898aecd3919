"""A signed form comes back (D2, D8, D9), by No upload or as a file, as use cases over ports in memory."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.access import NO_RIGHTS, Rights
from domain.archive import Outcome
from domain.authorization import (
    AuthorizationSigned,
    AuthorizationStatus,
    Cancel,
    EvidenceAttached,
    ReportCollection,
    Revoke,
    Suspend,
)
from domain.catalogue import SHIPPED
from domain.document import DocumentArchived, Withdraw
from domain.mandate import CollectionOutcome, Mandate
from domain.refusals import (
    AuthorizationNotActive,
    CustomerErased,
    DuplicateContent,
    ExternalIdTaken,
    FieldError,
    FilePasswordProtected,
    FileTypeNotAllowed,
    IbanInvalid,
    IdempotencyKeyReused,
    IllegalTransition,
    MandateExists,
    MandateReferenceTaken,
    NotFound,
    Refusal,
    ScanCodeOtherCustomer,
    ScanCodeRedeemed,
    SourceNotAllowed,
    ValidationFailed,
)
from domain.values import Source
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import (
    PDF,
    a_caller,
    a_mandate,
    a_note,
    a_verification,
    an_iban,
    an_order,
    an_upload,
)

TODAY, YESTERDAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 23), date(2026, 11, 25)
ISSUED, ACTIVE = AuthorizationStatus.ISSUED, AuthorizationStatus.ACTIVE
UNSIGNED = a_mandate(signature_date=None)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def issue_mandate(desk: MemoryDesk, **mandate: Any) -> UUID:
    return desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(**{"signature_date": None, **mandate}))


def revoke(desk: MemoryDesk, paper: UUID) -> None:
    desk.change(paper, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))


# -- as a file --------------------------------------------------------------------------------------------------


def test_the_signed_form_is_one_save_of_document_signature_and_evidence(desk: MemoryDesk) -> None:
    form = desk.issue()
    outcome = desk.attach(form, note="at the desk", received_on=YESTERDAY, external_id="crm-9")
    assert desk.topics[1:] == ["document-archived.v1", "authorization-signed.v1", "evidence-attached.v1"]
    issued, archived, signed, attached = [r.envelope for r in outcome.recorded]
    assert issued.originator_id == signed.originator_id == attached.originator_id == form
    assert isinstance(archived.body, DocumentArchived)
    assert (archived.body.evidence_of, archived.body.external_id) == (form, "crm-9")
    assert isinstance(signed.body, AuthorizationSigned)
    assert (signed.body.source, signed.body.terms.signed_on) == (Source.FILE, YESTERDAY)
    assert isinstance(attached.body, EvidenceAttached)
    assert attached.body.document == archived.originator_id
    assert len({r.envelope.meta.command_id for r in outcome.recorded[1:]}) == 1
    assert (outcome.customer, outcome.position) == ("100234", desk.log.last_position())


def test_the_type_and_the_customer_are_those_of_the_form(desk: MemoryDesk) -> None:
    form = desk.issue(customer="100235", type="READING_DISABILITY")
    desk.attach(form)
    document = desk.document(desk.evidence(form))
    assert (document.type.code, document.customer) == ("READING_DISABILITY", desk.keys.references["100235"])


def test_what_agrees_with_the_form_may_be_said(desk: MemoryDesk) -> None:
    assert desk.attach(desk.issue(), customer="100234", type="GUARDIAN_CONSENT").recorded
    assert desk.note_signed(desk.issue(), customer="100234", type="GUARDIAN_CONSENT").recorded


@pytest.mark.parametrize(
    ("order", "signed_on"),
    [
        ({}, TODAY),
        ({"received_on": YESTERDAY}, YESTERDAY),
        ({"signed_on": YESTERDAY, "received_on": TODAY}, YESTERDAY),
    ],
    ids=["today", "not after it was received", "as it says"],
)
def test_a_form_is_signed_when_it_says_else_when_it_was_received(
    desk: MemoryDesk, order: dict[str, Any], signed_on: date
) -> None:
    form = issue_mandate(desk)
    desk.attach(form, **order)
    state = desk.authorization(form)
    assert state.mandate is not None
    assert (state.signed_on, state.mandate.signature_date) == (signed_on, signed_on)


def test_the_form_comes_in_although_its_type_was_switched_off_and_its_customer_is_not_known_any_more(
    desk: MemoryDesk,
) -> None:
    forms = desk.issue(), desk.issue()
    desk.define("GUARDIAN_CONSENT", active=False)
    desk.customers.known.clear()
    desk.attach(forms[0])
    desk.note_signed(forms[1])
    assert [desk.authorization(f).status for f in forms] == [ACTIVE, ACTIVE]


REFUSED_FILES: dict[str, tuple[dict[str, Any], dict[str, Any], type[Exception]]] = {
    "another customer": ({"customer": "100235"}, {}, ScanCodeOtherCustomer),
    "an unknown customer": ({"customer": "nobody"}, {}, ScanCodeOtherCustomer),
    "another type": ({"type": "LETTER"}, {}, ValidationFailed),
    "received tomorrow": ({"received_on": TOMORROW}, {}, ValidationFailed),
    "signed tomorrow": ({"signed_on": TOMORROW}, {}, ValidationFailed),
    "password not taken": ({}, {"password_protected": True}, FilePasswordProtected),
    "media type not taken": ({}, {"media_type": "image/png"}, FileTypeNotAllowed),
}


@pytest.mark.parametrize(("order", "file", "refusal"), REFUSED_FILES.values(), ids=REFUSED_FILES.keys())
def test_a_refused_paper_leaves_its_form_as_it_was(
    desk: MemoryDesk, order: dict[str, Any], file: dict[str, Any], refusal: type[Exception]
) -> None:
    form = desk.issue()
    desk.define("GUARDIAN_CONSENT", password_protected_allowed=False, media_types=("application/pdf",))
    before, put = desk.trace(), len(desk.contents.put_in_order)
    archive = an_order(**{"customer": None, "type": None, "authorization": form, **order})
    with pytest.raises(refusal):
        desk.archive.filing.archive_file(archive, an_upload(**file), a_caller(idempotency_key="k"), EVERYTHING)
    assert (desk.trace(), len(desk.contents.put_in_order)) == (before, put)
    assert not desk.attach(form, key="k").replayed


def test_a_type_that_takes_no_files_any_more_takes_none_of_its_forms_either(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.define("GUARDIAN_CONSENT", sources=(Source.SCAN,))
    for use in (desk.attach, desk.note_signed):
        with pytest.raises(SourceNotAllowed):
            use(form)
    assert desk.authorization(form).status is ISSUED


@pytest.mark.parametrize("rights", [NO_RIGHTS, Rights(list(SHIPPED), "WEST"), Rights(["LETTER"])])
def test_a_form_that_a_caller_may_not_see_does_not_exist(desk: MemoryDesk, rights: Rights) -> None:
    form = desk.issue()
    before = desk.trace()
    with pytest.raises(NotFound):
        desk.archive.filing.archive_file(an_order(authorization=form), an_upload(), a_caller(), rights)
    with pytest.raises(NotFound):
        desk.archive.noting.note_authorization(a_note(authorization=form), a_caller(), rights)
    assert desk.trace() == before


def test_what_is_no_authorization_takes_no_evidence(desk: MemoryDesk) -> None:
    for paper in (desk.file(), UUID(int=9)):
        with pytest.raises(NotFound):
            desk.attach(paper, b"other")


def test_a_second_paper_is_told_of_the_first_and_dropped(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    before = desk.trace()
    for plain in (PDF, b"better"):
        with pytest.raises(ScanCodeRedeemed) as refused:
            desk.attach(form, plain)
        assert refused.value.extra == {"existing": str(desk.evidence(form))}
    assert desk.trace() == before


def test_a_withdrawn_paper_opens_its_code_again(desk: MemoryDesk) -> None:
    """Also for the very same file."""
    form = desk.issue()
    desk.attach(form)
    first = desk.evidence(form)
    desk.correct(first, Withdraw("bad scan"))
    desk.attach(form)
    assert desk.evidence(form) != first
    assert desk.authorization(form).status is AuthorizationStatus.ACTIVE


def test_the_paper_of_what_is_over_is_kept_and_brings_nothing_to_life(desk: MemoryDesk) -> None:
    revoked, suspended = desk.issue(), desk.issue()
    for form in (revoked, suspended):
        desk.note_signed(form)
    revoke(desk, revoked)
    desk.change(suspended, Suspend(TODAY, "x"))
    desk.attach(revoked, b"one")
    desk.attach(suspended, b"two")
    assert desk.authorization(revoked).status is AuthorizationStatus.REVOKED
    assert desk.authorization(suspended).status is AuthorizationStatus.SUSPENDED
    assert not desk.authorization(revoked).original_held


def test_a_form_that_was_cancelled_or_has_lapsed_takes_no_paper(desk: MemoryDesk) -> None:
    cancelled, lapsed = desk.issue(), desk.issue()
    desk.change(cancelled, Cancel(TODAY, "x"))
    desk.clock.move_to(TODAY + timedelta(days=181))
    before = desk.trace()
    for form, status in [(cancelled, "cancelled"), (lapsed, "expired")]:
        for use in (desk.attach, desk.note_signed):
            with pytest.raises(AuthorizationNotActive) as refused:
                use(form)
            assert refused.value.extra == {"authorization_status": status}
    assert desk.trace() == before


def test_the_same_content_on_the_same_customer_is_told_and_may_be_added_anyway(desk: MemoryDesk) -> None:
    letter, form = desk.file(), desk.issue()
    with pytest.raises(DuplicateContent) as refused:
        desk.attach(form)
    assert refused.value.extra == {"existing": str(letter)}
    assert desk.authorization(form).status is ISSUED
    desk.attach(form, duplicate_allowed=True)
    assert desk.authorization(form).status is ACTIVE


def test_a_taken_external_id_refuses_the_paper(desk: MemoryDesk) -> None:
    letter, form = desk.file(external_id="crm-1"), desk.issue()
    before = desk.trace()
    with pytest.raises(ExternalIdTaken) as of_file:
        desk.attach(form, b"other", external_id="crm-1")
    with pytest.raises(ExternalIdTaken) as of_note:
        desk.note_signed(form, external_id="crm-1")
    assert of_file.value.extra == of_note.value.extra == {"existing": str(letter)}
    assert desk.trace() == before


# -- by No upload -----------------------------------------------------------------------------------------------


def test_a_form_is_noted_as_signed_and_its_original_kept(desk: MemoryDesk) -> None:
    form = desk.issue()
    outcome = desk.note_signed(form, shelf_mark="C 1", signed_on=YESTERDAY, note="by the mother", external_id="crm-1")
    signed = outcome.recorded[-1].envelope.body
    assert isinstance(signed, AuthorizationSigned)
    assert (signed.shelf_mark, signed.note, signed.terms.signed_on) == ("C 1", "by the mother", YESTERDAY)
    state = desk.authorization(form)
    assert (state.status, state.original_held, state.evidence) == (ACTIVE, True, None)
    assert desk.contents.put_in_order == []


REFUSED_NOTES: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "another customer": ({"customer": "100235"}, ScanCodeOtherCustomer),
    "another type": ({"type": "DEBT_AUTHORIZATION"}, ValidationFailed),
    "original not held": ({"original_held": False}, ValidationFailed),
    "signed tomorrow": ({"signed_on": TOMORROW}, ValidationFailed),
    "seen, not signed": ({"verification": a_verification()}, ValidationFailed),
    "collection data of no mandate": ({"mandate": a_mandate()}, ValidationFailed),
}


@pytest.mark.parametrize(("note", "refusal"), REFUSED_NOTES.values(), ids=REFUSED_NOTES.keys())
def test_a_refused_note_leaves_its_form_as_it_was(
    desk: MemoryDesk, note: dict[str, Any], refusal: type[Exception]
) -> None:
    form = desk.issue()
    before = desk.trace()
    with pytest.raises(refusal):
        desk.note_signed(form, key="k", **note)
    assert desk.trace() == before
    assert not desk.note_signed(form, key="k").replayed


def test_a_form_is_noted_once(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.note_signed(form)
    with pytest.raises(IllegalTransition) as refused:
        desk.note_signed(form)
    assert refused.value.extra == {"state": "active"}
    desk.attach(form)
    with pytest.raises(ScanCodeRedeemed):
        desk.note_signed(form)


def test_the_paper_that_arrives_later_clears_the_original_held(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.note_signed(form)
    desk.attach(form)
    assert desk.topics[1:] == ["authorization-signed.v1", "document-archived.v1", "evidence-attached.v1"]
    assert not desk.authorization(form).original_held


def test_what_was_typed_off_the_paper_is_laid_over_what_the_form_says(desk: MemoryDesk) -> None:
    form = issue_mandate(desk, bic="GKCCBEBB", mandate_reference="UMR 1")
    desk.note_signed(form, mandate=Mandate(iban="nl13 test 0123 4567 89", debtor_name="J. Maes"))
    mandate = desk.authorization(form).mandate
    assert mandate is not None
    assert (mandate.iban, mandate.debtor_name) == ("NL13TEST0123456789", "J. Maes")
    assert (mandate.bic, mandate.mandate_reference, mandate.signature_date) == ("GKCCBEBB", "UMR 1", TODAY)


@pytest.mark.parametrize(
    ("mandate", "refusal"),
    [
        (Mandate(iban="BE68539007547035"), IbanInvalid),
        (Mandate(bic="x"), FieldError),
        (Mandate(signature_date=TOMORROW), ValidationFailed),
        (Mandate(mandate_reference="UMR 1"), MandateReferenceTaken),
    ],
    ids=["IBAN", "BIC", "signed tomorrow", "reference taken"],
)
def test_what_was_typed_wrong_off_the_paper_is_refused(
    desk: MemoryDesk, mandate: Mandate, refusal: type[Exception]
) -> None:
    desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate(mandate_reference="UMR 1", iban=an_iban("ABNA")))
    form = issue_mandate(desk)
    before = desk.trace()
    with pytest.raises(refusal):
        desk.note_signed(form, mandate=mandate)
    assert desk.trace() == before


def test_a_mandate_signed_with_its_data_can_be_collected(desk: MemoryDesk) -> None:
    form = issue_mandate(desk)
    desk.attach(form)
    paid = ReportCollection(presented_on=TODAY, due_on=TODAY, outcome=CollectionOutcome.PAID, today=TODAY)
    assert desk.change(form, paid).recorded


# -- one mandate in force for an account (I6) -------------------------------------------------------------------


@pytest.mark.parametrize("by_file", [False, True], ids=["noted", "archived"])
def test_only_one_of_two_forms_for_the_same_account_can_be_signed(desk: MemoryDesk, by_file: bool) -> None:
    first, second = issue_mandate(desk), issue_mandate(desk)
    desk.note_signed(first)
    before = desk.trace()
    with pytest.raises(MandateExists) as refused:
        desk.attach(second) if by_file else desk.note_signed(second)
    assert refused.value.extra == {"existing": str(first)}
    assert desk.trace() == before
    revoke(desk, first)
    desk.attach(second) if by_file else desk.note_signed(second)
    assert desk.authorization(second).status is ACTIVE


# -- Idempotency-Key, races, erasure ----------------------------------------------------------------------------


def test_a_second_save_with_its_key_answers_the_first_again(desk: MemoryDesk) -> None:
    for use in (desk.attach, desk.note_signed):
        form, key = desk.issue(), use.__name__
        first, second = use(form, key=key), use(form, key=key)
        assert (first.replayed, second.replayed) == (False, True)
        assert (second.customer, second.position) == (first.customer, first.position)
        assert list(second.recorded) == list(first.recorded)
        with pytest.raises(IdempotencyKeyReused):
            use(form, key=key, note="another request")


def test_a_replay_answers_the_first_although_more_happened_since(desk: MemoryDesk) -> None:
    form = desk.issue()
    first = desk.note_signed(form, key="k")
    desk.attach(form)
    assert list(desk.note_signed(form, key="k").recorded) == list(first.recorded)


def test_a_twin_that_was_quicker_is_answered_and_the_own_copy_dropped(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.log.before_append.append(lambda: desk.attach(form, key="k"))
    outcome = desk.attach(form, key="k")
    assert outcome.replayed
    assert len(desk.contents.plain) == 1
    assert desk.authorization(form).evidence is not None


def lost_races(desk: MemoryDesk) -> dict[str, tuple[Any, Any, type[Refusal]]]:
    """What the quicker one does, what the other does, and what that one is told."""
    return {
        "two files of one name elsewhere": (
            lambda f: desk.attach(f, b"quicker", external_id="crm-1"),
            lambda f: desk.attach(f, external_id="crm-1"),
            ScanCodeRedeemed,
        ),
        "two files": (lambda f: desk.attach(f, b"quicker"), desk.attach, ScanCodeRedeemed),
        "the same file twice": (desk.attach, desk.attach, ScanCodeRedeemed),
        "two notes": (desk.note_signed, desk.note_signed, IllegalTransition),
        "a file, then a note": (desk.attach, desk.note_signed, ScanCodeRedeemed),
        "cancelled meanwhile": (lambda f: desk.change(f, Cancel(TODAY, "x")), desk.attach, AuthorizationNotActive),
    }


@pytest.mark.parametrize("name", lost_races(MemoryDesk()))
def test_of_two_at_once_one_wins_and_the_other_is_told_who(desk: MemoryDesk, name: str) -> None:
    quicker, other, refusal = lost_races(desk)[name]
    form = desk.issue()
    won: list[Outcome] = []
    desk.log.before_append.append(lambda: won.append(quicker(form)))
    with pytest.raises(refusal) as refused:
        other(form)
    assert desk.log.last_position() == won[0].position
    assert len(desk.contents.plain) == (desk.authorization(form).evidence is not None)
    if refusal is ScanCodeRedeemed:
        assert refused.value.extra == {"existing": str(desk.evidence(form))}


def test_a_note_and_then_a_file_are_no_conflict(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.log.before_append.append(lambda: desk.note_signed(form))
    desk.attach(form)
    assert desk.topics[1:] == ["authorization-signed.v1", "document-archived.v1", "evidence-attached.v1"]


def test_of_a_form_that_moves_meanwhile_its_old_customers_files_are_no_duplicates(desk: MemoryDesk) -> None:
    desk.file()
    form = desk.issue()
    desk.log.before_append.append(
        lambda: desk.archive.corrections.reassign_authorization(
            form, "100235", "x", a_caller(), rights=EVERYTHING, expected_version=None
        )
    )
    desk.attach(form)
    assert desk.document(desk.evidence(form)).customer == desk.keys.references["100235"]


def test_an_erased_customers_form_takes_nothing(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.keys.erase("100234")
    for use in (desk.attach, desk.note_signed):
        with pytest.raises(CustomerErased):
            use(form)


def test_a_form_whose_customer_was_erased_while_its_file_was_stored_drops_it(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.log.before_append.append(lambda: desk.keys.erase("100234"))
    with pytest.raises(CustomerErased):
        desk.attach(form)
    assert desk.contents.plain == {}
