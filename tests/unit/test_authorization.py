"""Rules of authorizations and mandates: given events, when a command, then events or a refusal."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.authorization import (
    AttachEvidence,
    AuthorizationRegistered,
    AuthorizationStatus,
    EvidenceAttached,
    Mandate,
    Register,
    Terms,
    decide,
    fold,
)
from domain.envelope import UNSET
from domain.refusals import DocumentTypeInactive, SourceNotAllowed, ValidationFailed
from domain.values import Source
from tests.builders.papers import IBAN, a_document_type, a_mandate

CUSTOMER, DOCUMENT = UUID(int=1), UUID(int=2)
TODAY = date(2026, 11, 24)
TOMORROW = TODAY + timedelta(days=1)


def registering(code: str = "GUARDIAN_CONSENT", **changes: Any) -> Register:
    usual: dict[str, Any] = {
        "customer": CUSTOMER,
        "type": a_document_type(code),
        "source": Source.NONE,
        "original_held": True,
        "shelf_mark": "B 12",
        "terms": Terms(signed_on=TODAY),
        "today": TODAY,
        "note": "by the father",
    }
    return Register(**usual | changes)


def registered(**changes: Any) -> AuthorizationRegistered:
    [event] = decide(None, registering(**changes))
    assert isinstance(event, AuthorizationRegistered)
    return event


def pointers(command: Register) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        decide(None, command)
    return [e.pointer for e in refused.value.errors]


def test_registering_keeps_everything_that_was_given() -> None:
    assert registered() == AuthorizationRegistered(
        customer=CUSTOMER,
        type=a_document_type("GUARDIAN_CONSENT").stamp,
        source=Source.NONE,
        original_held=True,
        terms=Terms(signed_on=TODAY),
        shelf_mark="B 12",
        mandate=None,
        note="by the father",
        external_id=None,
    )


def test_a_registered_authorization_is_active_and_its_original_held() -> None:
    state = fold([registered()])
    assert state is not None
    assert (state.status, state.version, state.original_held) == (AuthorizationStatus.ACTIVE, 1, True)


def test_without_a_file_the_original_must_be_held() -> None:
    assert pointers(registering(original_held=False)) == ["/original/held"]


def test_beside_its_evidence_the_original_need_not_be_held() -> None:
    assert not registered(source=Source.FILE, original_held=False).original_held


@pytest.mark.parametrize("source", [Source.FILE, Source.NONE])
def test_a_document_is_no_authorization(source: Source) -> None:
    letter = a_document_type("LETTER", sources=tuple(Source))
    with pytest.raises(SourceNotAllowed):
        decide(None, registering(type=letter, source=source))


def test_a_type_that_is_switched_off_takes_nothing() -> None:
    with pytest.raises(DocumentTypeInactive):
        decide(None, registering(type=a_document_type("GUARDIAN_CONSENT", active=False)))


def test_a_signature_is_of_today_or_earlier() -> None:
    assert registered(terms=Terms(signed_on=TODAY))
    assert pointers(registering(terms=Terms(signed_on=TOMORROW))) == ["/signed_on"]


def test_validity_may_end_on_its_first_day_and_not_before() -> None:
    assert registered(terms=Terms(signed_on=TODAY, valid_from=TOMORROW, valid_until=TOMORROW))
    backwards = Terms(signed_on=TODAY, valid_from=TOMORROW, valid_until=TODAY)
    assert pointers(registering(terms=backwards)) == ["/valid_until"]


def test_all_wrong_fields_are_named_at_once() -> None:
    command = registering(
        original_held=False,
        terms=Terms(signed_on=TOMORROW, valid_from=TODAY, valid_until=TODAY - timedelta(days=1)),
        mandate=a_mandate(signature_date=TOMORROW),
    )
    assert pointers(command) == ["/original/held", "/signed_on", "/valid_until", "/mandate", "/mandate/signature_date"]


def test_collection_data_is_for_mandates_only() -> None:
    assert registered(code="DEBT_AUTHORIZATION", mandate=a_mandate()).mandate == a_mandate()
    assert pointers(registering(mandate=a_mandate())) == ["/mandate"]


def test_a_mandate_is_never_signed_in_the_future() -> None:
    tomorrow = a_mandate(signature_date=TOMORROW)
    assert pointers(registering("DEBT_AUTHORIZATION", mandate=tomorrow)) == ["/mandate/signature_date"]


@pytest.mark.parametrize(
    ("iban", "signature_date", "complete"),
    [(IBAN, TODAY, True), (None, TODAY, False), (IBAN, None, False), (None, None, False)],
)
def test_a_mandate_is_complete_with_iban_and_signature_date(
    iban: str | None, signature_date: date | None, complete: bool
) -> None:
    assert Mandate(iban=iban, signature_date=signature_date).complete is complete


def test_evidence_clears_original_held_and_remembers_that_it_was() -> None:
    state = fold([registered()])
    events = decide(state, AttachEvidence(DOCUMENT))
    assert events == [EvidenceAttached(customer=CUSTOMER, document=DOCUMENT, original_was_held=True)]
    state = fold([registered(), *events])
    assert state is not None
    assert (state.evidence, state.original_held, state.version) == (DOCUMENT, False, 2)


def test_an_erased_mandate_folds_to_none() -> None:
    event = registered(code="DEBT_AUTHORIZATION", mandate=a_mandate())
    erased = AuthorizationRegistered(
        customer=event.customer, type=event.type, source=event.source, original_held=True, terms=event.terms
    )
    assert erased.mandate is UNSET
    state = fold([erased])
    assert state is not None
    assert state.mandate is None
