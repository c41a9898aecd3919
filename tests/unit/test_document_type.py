"""Document types: the catalogue's events, retention dates, and what the archive ships (domain rules, section 4)."""

from datetime import date

import pytest

from domain.catalogue import SHIPPED
from domain.document_type import (
    DefineType,
    DocumentTypeChanged,
    DocumentTypeDefined,
    Retention,
    TypeEvent,
    decide,
    diff_definitions,
    evolve,
    fold,
    keep_until,
    stream_of,
)
from domain.refusals import DocumentTypeInactive, SourceNotAllowed
from domain.values import Kind, Sensitivity, Source
from tests.builders.papers import a_document_type

LETTER = a_document_type()
RENAMED = a_document_type(labels={"en": "Post"}).definition


def test_a_new_code_defines_a_type() -> None:
    [event] = decide(None, DefineType("LETTER", LETTER.definition))
    assert event == DocumentTypeDefined(code="LETTER", definition=LETTER.definition)
    assert evolve(None, event) == LETTER


def test_a_change_carries_old_and_new() -> None:
    [event] = decide(LETTER, DefineType("LETTER", RENAMED))
    assert event == DocumentTypeChanged(code="LETTER", old=LETTER.definition, new=RENAMED)
    changed = evolve(LETTER, event)
    assert (changed.definition, changed.version) == (RENAMED, 2)


def test_defining_the_same_again_changes_nothing() -> None:
    assert decide(LETTER, DefineType("LETTER", LETTER.definition)) == []


def test_the_catalogue_keeps_the_order_in_which_types_were_defined() -> None:
    form = a_document_type("FORM").definition
    events: list[TypeEvent] = [
        DocumentTypeDefined(code="LETTER", definition=LETTER.definition),
        DocumentTypeDefined(code="FORM", definition=form),
        DocumentTypeChanged(code="LETTER", old=LETTER.definition, new=RENAMED),
    ]
    types = fold(events)
    assert [(code, t.version) for code, t in types.items()] == [("LETTER", 2), ("FORM", 1)]


def test_before_and_after_hold_the_changed_fields_only() -> None:
    assert diff_definitions(LETTER.definition, RENAMED) == (
        {"labels": {"en": "Letter", "nl": "Brief", "de": "Brief"}},
        {"labels": {"en": "Post"}},
    )


def test_a_stream_belongs_to_its_code_for_ever() -> None:
    assert str(stream_of("LETTER")) == "a88c26e5-92cc-5ac4-92b5-03f7c8e064a7"
    assert stream_of("LETTER") != stream_of("FORM")


def test_a_type_requires_to_be_active_before_it_looks_at_the_source() -> None:
    LETTER.require_usable(Source.FILE)
    with pytest.raises(DocumentTypeInactive):
        a_document_type(active=False).require_usable(Source.NONE)
    with pytest.raises(SourceNotAllowed):
        LETTER.require_usable(Source.NONE)


def test_a_paper_is_kept_for_its_period_after_the_trigger() -> None:
    retention = Retention(trigger="mandate_end", months=14)
    assert keep_until(retention, ended_on=date(2026, 12, 31)) == date(2028, 2, 29)
    assert keep_until(retention, ended_on=None) is None
    assert keep_until(None, ended_on=date(2026, 12, 31)) is None


# domain rules, section 4, written out: code, kind, sensitivity, months of retention, English label, No upload
CATALOGUE = [
    ("DEBT_AUTHORIZATION", Kind.MANDATE, Sensitivity.FINANCIAL, 14, "Debt authorization", True),
    ("READING_DISABILITY", Kind.AUTHORIZATION, Sensitivity.HEALTH, 3, "Reading disability form", True),
    ("GUARDIAN_CONSENT", Kind.AUTHORIZATION, Sensitivity.ORDINARY, 12, "Guardian consent", True),
    ("IDENTIFICATION", Kind.DOCUMENT, Sensitivity.IDENTITY, 0, "Identification", True),
    ("LETTER", Kind.DOCUMENT, Sensitivity.ORDINARY, 24, "Letter", False),
    ("FORM", Kind.DOCUMENT, Sensitivity.ORDINARY, 24, "Form", False),
    ("REGISTRATION_CERTIFICATE", Kind.DOCUMENT, Sensitivity.ORDINARY, 24, "Registration certificate", False),
    ("DEREGISTRATION_CERTIFICATE", Kind.DOCUMENT, Sensitivity.ORDINARY, 24, "Deregistration certificate", False),
    ("OTHER_AUTHORIZATION", Kind.AUTHORIZATION, Sensitivity.ORDINARY, 24, "Other authorization", True),
]


def test_the_shipped_catalogue_is_the_one_of_the_domain_rules() -> None:
    """Rule A2, docs/domain.md §4."""
    shipped = [
        (code, d.kind, d.sensitivity, d.retention and d.retention.months, d.labels["en"], Source.NONE in d.sources)
        for code, d in SHIPPED.items()
    ]
    assert shipped == CATALOGUE


def test_every_shipped_type_has_its_label_in_three_languages() -> None:
    assert {tuple(d.labels) for d in SHIPPED.values()} == {("en", "nl", "de")}
    assert all(label for d in SHIPPED.values() for label in d.labels.values())


def test_only_identification_is_verified_and_not_kept() -> None:
    assert [code for code, d in SHIPPED.items() if d.verify_only] == ["IDENTIFICATION"]


def test_no_upload_is_offered_where_no_file_is_needed_only() -> None:
    """I3: authorizations, mandates, and what is verified and not kept."""
    for definition in SHIPPED.values():
        fileless = definition.kind is not Kind.DOCUMENT or definition.verify_only
        assert (Source.NONE in definition.sources) is fileless


@pytest.mark.parametrize(
    ("day", "of_age"), [(date(2026, 11, 23), False), (date(2026, 11, 24), True), (date(2030, 1, 1), True)]
)
def test_who_reaches_the_age_of_the_capacity_rule_signs_alone_from_that_birthday_on(day: date, of_age: bool) -> None:
    assert a_document_type("GUARDIAN_CONSENT").is_of_age(date(2008, 11, 24), day) is of_age


def test_without_a_rule_or_a_birth_date_nobody_knows_who_signs() -> None:
    assert a_document_type("LETTER").is_of_age(date(2020, 1, 1), date(2026, 1, 1)) is None
    assert a_document_type("GUARDIAN_CONSENT").is_of_age(None, date(2026, 1, 1)) is None
