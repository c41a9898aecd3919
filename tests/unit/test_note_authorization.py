"""No upload (D1 to D7) as a use case over ports in memory: authorizations, mandates, and what was only seen."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from domain.archive import NoteAuthorization, Outcome
from domain.authorization import AuthorizationRegistered
from domain.document import Description, IdentitySeen
from domain.document_type import DefineType
from domain.mandate import Mandate
from domain.refusals import (
    CustomerErased,
    CustomerUnknown,
    DocumentTypeInactive,
    DocumentTypeUnknown,
    ExternalIdTaken,
    FieldError,
    IbanInvalid,
    IdempotencyKeyReused,
    MandateExists,
    MandateReferenceTaken,
    SourceNotAllowed,
    ValidationFailed,
)
from domain.values import Source
from tests.builders.memory import MemoryArchive
from tests.builders.papers import (
    CREDITOR,
    IBAN,
    a_caller,
    a_document_type,
    a_mandate,
    a_mandate_note,
    a_note,
    a_seen_note,
    a_verification,
)

TODAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 25)
OTHER_IBAN = "NL91ABNA0417164300"


@pytest.fixture
def desk() -> MemoryArchive:
    return MemoryArchive()


def save(desk: MemoryArchive, order: NoteAuthorization, key: str | None = None) -> Outcome:
    return desk.archive.noting.note_authorization(order, a_caller(idempotency_key=key))


def registered(desk: MemoryArchive, order: NoteAuthorization) -> AuthorizationRegistered:
    [recorded] = save(desk, order).recorded
    assert isinstance(recorded.envelope.body, AuthorizationRegistered)
    return recorded.envelope.body


def noted_mandate(desk: MemoryArchive, **changes: Any) -> Mandate:
    mandate = registered(desk, a_mandate_note(mandate=a_mandate(**changes))).mandate
    assert isinstance(mandate, Mandate)
    return mandate


def test_an_authorization_is_noted_with_its_original_held(desk: MemoryArchive) -> None:
    event = registered(desk, a_note(note="by the father", external_id="crm-1"))
    assert (event.source, event.original_held, event.shelf_mark) == (Source.NONE, True, "B 12")
    assert (event.note, event.external_id, event.terms.signed_on) == ("by the father", "crm-1", TODAY)
    assert event.customer == desk.keys.references["100234"]


def test_nothing_goes_into_the_content_store(desk: MemoryArchive) -> None:
    save(desk, a_note())
    assert desk.contents.put_in_order == []


REFUSED: dict[str, tuple[NoteAuthorization, type[Exception]]] = {
    "unknown customer": (a_note(customer="nobody"), CustomerUnknown),
    "unknown type": (a_note(type="NOTHING"), DocumentTypeUnknown),
    "type switched off": (a_note(type="OTHER_AUTHORIZATION"), DocumentTypeInactive),
    "a document needs its file": (a_note(type="LETTER"), SourceNotAllowed),
    "original not held": (a_note(original_held=False), ValidationFailed),
    "signed tomorrow": (a_note(signed_on=TOMORROW), ValidationFailed),
    "ends before it begins": (a_note(valid_from=TOMORROW, valid_until=TODAY), ValidationFailed),
    "collection data of no mandate": (a_note(mandate=a_mandate()), ValidationFailed),
    "mandate signed tomorrow": (a_mandate_note(mandate=a_mandate(signature_date=TOMORROW)), ValidationFailed),
    "IBAN": (a_mandate_note(mandate=a_mandate(iban="BE68539007547035")), IbanInvalid),
    "BIC": (a_mandate_note(mandate=a_mandate(bic="x")), FieldError),
    "creditor identifier": (a_mandate_note(mandate=a_mandate(creditor_id="x")), FieldError),
    "mandate reference": (a_mandate_note(mandate=a_mandate(mandate_reference="//")), FieldError),
    "seen, but not said what": (a_seen_note(verification=None), ValidationFailed),
    "seen tomorrow": (a_seen_note(verification=a_verification(seen_on=TOMORROW)), ValidationFailed),
}


@pytest.mark.parametrize(("order", "refusal"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_leaves_nothing(desk: MemoryArchive, order: NoteAuthorization, refusal: type[Exception]) -> None:
    switched_off = a_document_type("OTHER_AUTHORIZATION", active=False).definition
    desk.archive.catalogues.define_type(DefineType("OTHER_AUTHORIZATION", switched_off), a_caller())
    before = desk.log.last_position()
    with pytest.raises(refusal):
        save(desk, order, key="k")
    assert desk.log.last_position() == before
    assert (desk.keys.references, desk.keys.papers) == ({}, {})
    assert not save(desk, a_note(), key="k").replayed


def test_a_verified_paper_is_noted_by_what_was_seen(desk: MemoryArchive) -> None:
    order = a_seen_note(note="valid", external_id="crm-1")
    event = save(desk, order).recorded[0].envelope.body
    assert isinstance(event, IdentitySeen)
    assert (event.paper, event.number_suffix, event.seen_on) == ("passport", "X41", TODAY)
    assert (event.description, event.external_id) == (Description("valid", TODAY), "crm-1")


# -- Mandates -------------------------------------------------------------------------------------------------


def test_collection_data_is_folded_and_completed(desk: MemoryArchive) -> None:
    mandate = noted_mandate(desk, iban="be68 5390 0754 7034", bic="gkccbebb", signature_date=None)
    assert (mandate.iban, mandate.bic, mandate.creditor_id) == (IBAN, "GKCCBEBB", CREDITOR)
    assert mandate.signature_date == TODAY
    assert mandate.is_complete


def test_a_reference_that_was_not_given_is_made_and_is_one(desk: MemoryArchive) -> None:
    reference = noted_mandate(desk).mandate_reference
    assert reference is not None
    assert reference.startswith("M")
    assert len(reference) <= 35


def test_the_signature_date_is_that_of_the_mandate_then_of_the_form_then_today(desk: MemoryArchive) -> None:
    earlier, earliest = date(2026, 11, 20), date(2026, 11, 10)
    both = a_mandate_note(mandate=a_mandate(signature_date=earliest), signed_on=earlier)
    form = a_mandate_note(mandate=a_mandate(signature_date=None, iban=OTHER_IBAN), signed_on=earlier)
    neither = a_mandate_note(mandate=a_mandate(signature_date=None, iban=None))
    for order, expected in [(both, earliest), (form, earlier), (neither, TODAY)]:
        event = registered(desk, order)
        assert isinstance(event.mandate, Mandate)
        assert (event.mandate.signature_date, event.terms.signed_on) == (expected, expected)


def test_a_mandate_without_collection_data_is_noted_and_is_not_complete(desk: MemoryArchive) -> None:
    assert registered(desk, a_mandate_note(mandate=None)).mandate is None
    incomplete = noted_mandate(desk, iban=None)
    assert not incomplete.is_complete


def test_a_second_mandate_for_the_same_account_and_creditor_names_the_first(desk: MemoryArchive) -> None:
    first = save(desk, a_mandate_note()).recorded[0].envelope.originator_id
    with pytest.raises(MandateExists) as refused:
        save(desk, a_mandate_note())
    assert UUID(refused.value.extra["existing"]) == first
    assert desk.topics == ["authorization-registered.v2"]


@pytest.mark.parametrize(
    "order",
    [
        a_mandate_note(mandate=a_mandate(iban=OTHER_IBAN)),
        a_mandate_note(customer="100235"),
        a_mandate_note(mandate=a_mandate(creditor_id="NL69ZZZ123456780000")),
    ],
    ids=["another account", "another customer", "another creditor"],
)
def test_a_mandate_that_differs_in_one_of_the_three_is_another(desk: MemoryArchive, order: NoteAuthorization) -> None:
    save(desk, a_mandate_note())
    assert save(desk, order).recorded


@pytest.mark.parametrize("again", ["UMR 1", "umr 1", " UMR 1 "])
def test_a_reference_belongs_to_one_mandate_of_the_whole_institution(desk: MemoryArchive, again: str) -> None:
    save(desk, a_mandate_note(mandate=a_mandate(mandate_reference="UMR 1")))
    other = a_mandate(mandate_reference=again, iban=OTHER_IBAN)
    with pytest.raises(MandateReferenceTaken) as refused:
        save(desk, a_mandate_note(customer="100235", mandate=other))
    assert refused.value.extra == {}, "whose reference it is must not be told to who may not see that customer"


def test_after_a_taken_reference_the_account_is_still_free(desk: MemoryArchive) -> None:
    save(desk, a_mandate_note(mandate=a_mandate(mandate_reference="UMR 1")))
    with pytest.raises(MandateReferenceTaken):
        save(desk, a_mandate_note(mandate=a_mandate(mandate_reference="UMR 1", iban=OTHER_IBAN)))
    assert save(desk, a_mandate_note(mandate=a_mandate(iban=OTHER_IBAN))).recorded


def test_an_institution_without_creditor_identifier_notes_mandates_all_the_same() -> None:
    assert noted_mandate(MemoryArchive(creditor=None)).creditor_id is None


# -- Idempotency-Key, erasure, races --------------------------------------------------------------------------


@pytest.mark.parametrize("order", [a_mandate_note(), a_note(), a_seen_note()])
def test_a_second_save_with_its_key_answers_the_first_again(desk: MemoryArchive, order: NoteAuthorization) -> None:
    first, second = save(desk, order, key="k"), save(desk, order, key="k")
    assert (first.replayed, second.replayed) == (False, True)
    assert list(second.recorded) == list(first.recorded)


def test_a_key_is_for_one_request_only(desk: MemoryArchive) -> None:
    save(desk, a_note(), key="k")
    with pytest.raises(IdempotencyKeyReused):
        save(desk, a_note(shelf_mark="B 13"), key="k")


def test_a_twin_that_was_quicker_is_answered(desk: MemoryArchive) -> None:
    twin: list[Outcome] = []
    desk.log.before_append.append(lambda: twin.append(save(desk, a_mandate_note(), key="k")))
    outcome = save(desk, a_mandate_note(), key="k")
    assert outcome.replayed
    assert list(outcome.recorded) == list(twin[0].recorded)


def test_a_taken_external_id_names_its_paper(desk: MemoryArchive) -> None:
    first = save(desk, a_note(external_id="crm-1")).recorded[0].envelope.originator_id
    with pytest.raises(ExternalIdTaken) as refused:
        save(desk, a_seen_note(external_id="crm-1"))
    assert UUID(refused.value.extra["existing"]) == first


def test_an_erased_customer_takes_nothing_new(desk: MemoryArchive) -> None:
    save(desk, a_note())
    desk.keys.erase("100234")
    with pytest.raises(CustomerErased):
        save(desk, a_note())


def test_two_first_papers_of_one_customer_both_arrive(desk: MemoryArchive) -> None:
    desk.log.before_append.append(lambda: save(desk, a_note(shelf_mark="quicker")))
    assert save(desk, a_note()).recorded
    assert len(desk.topics) == 2
    assert len(desk.keys.references) == 1
