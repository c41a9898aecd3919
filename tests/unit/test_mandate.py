"""Mandates (docs/domain.md §6): completion, amendments, collections, 36 months. Their life: test_authorization.py."""

from datetime import date, timedelta
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from domain.authorization import (
    Amend,
    AuthorizationExpired,
    AuthorizationStatus,
    CollectionReported,
    Command,
    ExpiryCause,
    Lapse,
    MandateAmended,
    Register,
    ReportCollection,
    Revoke,
    Suspend,
    Terms,
    decide,
    evolve,
)
from domain.mandate import Amendment, CollectionOutcome, Mandate, SequenceType, amend_mandate, diff_fields, last_day
from domain.refusals import AuthorizationNotActive, IllegalTransition
from tests.builders.papers import CREDITOR, a_mandate, an_iban
from tests.unit.test_authorization import (
    CUSTOMER,
    TODAY,
    TOMORROW,
    YESTERDAY,
    after,
    given,
    issued,
    registered,
    registering,
    wrong_fields,
)

RABO, SAME_BANK, OTHER_BANK = an_iban("RABO", 1), an_iban("RABO", 2), an_iban("ABNA", 1)
BELGIAN = "BE68539007547034"
BLANK = Mandate(mandate_reference="M 1", creditor_id=CREDITOR, sequence_type=SequenceType.RECURRING)
FULL = Mandate(
    debtor_name="J. Peeters",
    iban=RABO,
    bic="RABONL2U",
    mandate_reference="UMR 1",
    creditor_id=CREDITOR,
    signature_date=TODAY,
    sequence_type=SequenceType.RECURRING,
)


def noting(mandate: Mandate | None = FULL, *, signed_on: date = TODAY, **terms: Any) -> Register:
    return registering("DEBT_AUTHORIZATION", mandate=mandate, terms=Terms(signed_on=signed_on, **terms))


def noted(mandate: Mandate | None = FULL, **changes: Any) -> Any:
    [event] = decide(None, noting(mandate, **changes))
    return event


def amending(today: date = TODAY, **changes: Any) -> Amend:
    return Amend(Amendment(**changes), today, "changed banks", BLANK)


def collecting(**changes: Any) -> ReportCollection:
    usual: dict[str, Any] = {
        "presented_on": TODAY,
        "due_on": TODAY,
        "outcome": CollectionOutcome.PAID,
        "today": TODAY,
    }
    return ReportCollection(**usual | changes)


# -- amendments -------------------------------------------------------------------------------------------------


def test_an_amendment_keeps_old_and_new_and_names_what_changed() -> None:
    state = given(noted())
    [event] = decide(state, amending(debtor_name="J. Maes"))
    assert event == MandateAmended(
        customer=CUSTOMER,
        fields=("debtor_name",),
        same_bank=None,
        old=FULL,
        new=replace(FULL, debtor_name="J. Maes"),
        reason="changed banks",
    )
    assert evolve(state, event).mandate == replace(FULL, debtor_name="J. Maes")


def test_the_same_again_changes_nothing() -> None:
    again = amending(debtor_name="J. Peeters", iban=RABO, bic="RABONL2U", mandate_reference="UMR 1")
    assert decide(given(noted()), again) == []


@pytest.mark.parametrize(
    ("iban", "same_bank", "bic", "sequence"),
    [
        (SAME_BANK, True, "RABONL2U", SequenceType.RECURRING),
        (OTHER_BANK, False, None, SequenceType.FIRST),
        (BELGIAN, False, None, SequenceType.FIRST),
    ],
    ids=["the same bank", "another bank", "another country"],
)
def test_a_new_account_at_another_bank_makes_the_next_collection_the_first(
    iban: str, same_bank: bool, bic: str | None, sequence: SequenceType
) -> None:
    [event] = decide(given(noted()), amending(iban=iban))
    assert isinstance(event, MandateAmended)
    assert (event.same_bank, event.new) == (same_bank, replace(FULL, iban=iban, bic=bic, sequence_type=sequence))
    assert event.fields == (("iban",) if same_bank else ("iban", "bic", "sequence_type"))


def test_the_bic_of_the_new_bank_is_kept() -> None:
    assert amend_mandate(FULL, Amendment(iban=OTHER_BANK, bic="ABNANL2A")).bic == "ABNANL2A"
    assert amend_mandate(FULL, Amendment(bic=None)).bic is None


def test_a_one_off_mandate_stays_one_at_any_bank() -> None:
    once = replace(FULL, sequence_type=SequenceType.ONE_OFF)
    assert amend_mandate(once, Amendment(iban=OTHER_BANK)) == replace(once, iban=OTHER_BANK, bic=None)


def test_a_mandate_that_waits_for_its_first_collection_waits_at_the_other_bank_too() -> None:
    first = replace(FULL, sequence_type=SequenceType.FIRST)
    [event] = decide(given(noted(first)), amending(iban=OTHER_BANK))
    assert isinstance(event, MandateAmended)
    assert event.fields == ("iban", "bic")


def test_other_authorizations_have_nothing_to_amend_or_to_collect() -> None:
    consent = given(registered())
    assert wrong_fields(consent, amending(debtor_name="x")) == [""]
    assert wrong_fields(consent, collecting()) == [""]


def test_changed_fields_stand_in_the_order_of_the_collection_data() -> None:
    assert diff_fields(None, replace(BLANK, iban=RABO)) == [
        "iban",
        "mandate_reference",
        "creditor_id",
        "sequence_type",
    ]
    assert diff_fields(FULL, FULL) == []


# -- without its collection data (I7) ---------------------------------------------------------------------------


@pytest.mark.parametrize("mandate", [None, replace(FULL, iban=None)], ids=["no data", "no IBAN"])
def test_the_iban_comes_first(mandate: Mandate | None) -> None:
    state = given(noted(mandate))
    assert wrong_fields(state, amending(debtor_name="J. Maes")) == ["iban"]
    with pytest.raises(IllegalTransition) as refused:
        decide(state, collecting())
    assert refused.value.extra == {"state": "incomplete"}


def test_a_mandate_noted_without_data_is_completed_with_what_the_archive_itself_knows() -> None:
    state = given(noted(None, signed_on=YESTERDAY))
    [event] = decide(state, amending(iban=RABO, debtor_name="J. Peeters"))
    new = replace(BLANK, iban=RABO, debtor_name="J. Peeters", signature_date=YESTERDAY)
    assert isinstance(event, MandateAmended)
    assert (event.old, event.new, event.same_bank) == (None, new, None)
    assert new.is_complete
    assert decide(evolve(state, event), collecting())


def test_a_mandate_without_an_iban_is_completed_and_keeps_the_rest() -> None:
    [event] = decide(given(noted(replace(FULL, iban=None, bic=None))), amending(iban=RABO))
    assert isinstance(event, MandateAmended)
    assert (event.new, event.same_bank) == (replace(FULL, bic=None), None)


def test_a_completed_mandate_takes_amendments_without_an_iban() -> None:
    state = after(given(noted(None)), amending(iban=RABO), amending(debtor_name="J. Maes"))
    assert state.mandate is not None
    assert state.mandate.debtor_name == "J. Maes"


def test_an_erased_amendment_folds_to_no_collection_data() -> None:
    [event] = decide(given(noted()), amending(debtor_name="J. Maes"))
    assert isinstance(event, MandateAmended)
    assert evolve(given(noted()), replace(event, old=UNSET, new=UNSET, reason=UNSET)).mandate is None


# -- collections ------------------------------------------------------------------------------------------------


def test_a_collection_keeps_everything_that_was_reported() -> None:
    state = given(noted())
    [event] = decide(state, collecting(presented_on=YESTERDAY, due_on=TOMORROW, reference="fee 2026"))
    assert event == CollectionReported(
        customer=CUSTOMER,
        presented_on=YESTERDAY,
        due_on=TOMORROW,
        outcome=CollectionOutcome.PAID,
        reference="fee 2026",
    )
    assert evolve(state, event).last_due_on == TOMORROW


def test_nothing_is_presented_in_the_future() -> None:
    assert wrong_fields(given(noted()), collecting(presented_on=TOMORROW)) == ["presented_on"]


@pytest.mark.parametrize(
    ("before", "outcome", "then"),
    [
        ("first", "paid", "recurring"),
        ("first", "returned", "recurring"),
        ("first", "refunded", "recurring"),
        ("first", "rejected", "first"),
        ("recurring", "paid", "recurring"),
        ("recurring", "rejected", "recurring"),
        ("one_off", "paid", "one_off"),
    ],
)
def test_after_a_first_collection_that_the_bank_took_on_the_next_recur(before: str, outcome: str, then: str) -> None:
    state = given(noted(replace(FULL, sequence_type=SequenceType(before))))
    state = after(state, collecting(outcome=CollectionOutcome(outcome)))
    assert state.mandate is not None
    assert state.mandate.sequence_type == then


def test_a_collection_reported_late_does_not_hide_a_later_one() -> None:
    state = after(given(noted()), collecting(due_on=TOMORROW), collecting(due_on=YESTERDAY))
    assert state.last_due_on == TOMORROW


ENDED: dict[str, Command] = {
    "revoked": Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"),
    "suspended": Suspend(TODAY, "x"),
    "expired": Lapse(date(2099, 1, 1)),
}


@pytest.mark.parametrize("ending", ENDED)
def test_of_what_is_not_in_force_collections_of_its_time_can_still_be_reported(ending: str) -> None:
    """A refund comes weeks later."""
    state = given(noted(signed_on=date(2026, 1, 1), valid_until=YESTERDAY if ending == "expired" else None))
    state = after(state, ENDED[ending])
    refund = collecting(presented_on=YESTERDAY, outcome=CollectionOutcome.REFUNDED)
    assert after(state, refund).last_due_on == TODAY
    assert after(state, refund).status == ending
    with pytest.raises(AuthorizationNotActive) as refused:
        decide(state, collecting(presented_on=TODAY))
    assert refused.value.extra == {"authorization_status": ending}


def test_a_revocation_whose_day_has_come_ends_collections_although_nobody_wrote_it_down() -> None:
    later = Revoke(received_on=YESTERDAY, effective_on=TODAY, today=YESTERDAY, reason="x")
    state = after(given(noted(signed_on=YESTERDAY)), later)
    assert decide(state, collecting(presented_on=YESTERDAY))
    with pytest.raises(AuthorizationNotActive) as refused:
        decide(state, collecting(presented_on=TODAY))
    assert refused.value.extra == {"authorization_status": "revoked"}


# -- 36 months without a collection -----------------------------------------------------------------------------

# (signed or last due, the last day of 36 months)
LAST_DAYS = [
    (date(2026, 11, 24), date(2029, 11, 24)),
    (date(2024, 2, 29), date(2027, 2, 28)),
    (date(2025, 2, 28), date(2028, 2, 28)),
    (date(2026, 12, 31), date(2029, 12, 31)),
]


@pytest.mark.parametrize(("since", "last"), LAST_DAYS)
def test_36_months_are_counted_by_the_calendar(since: date, last: date) -> None:
    assert last_day(signed_on=since, last_due_on=None) == last
    assert last_day(signed_on=date(2000, 1, 1), last_due_on=since) == last


def test_a_due_date_before_the_signature_ends_nothing() -> None:
    assert last_day(signed_on=TODAY, last_due_on=YESTERDAY) == date(2029, 11, 24)
    assert after(given(noted()), collecting(due_on=YESTERDAY)).lapses_on == date(2029, 11, 24)


def test_a_mandate_that_was_in_use_elsewhere_counts_from_its_last_collection_there() -> None:
    [event] = decide(None, replace(noting(signed_on=date(2015, 1, 1)), last_collection_on=date(2026, 11, 1)))
    state = given(event)
    assert (state.status_on(TODAY), state.lapses_on) == (AuthorizationStatus.ACTIVE, date(2029, 11, 1))


@pytest.mark.parametrize(("since", "last"), LAST_DAYS)
@pytest.mark.parametrize("outcome", CollectionOutcome)
def test_a_mandate_lapses_36_months_after_the_due_date_of_its_last_collection_whatever_became_of_it(
    since: date, last: date, outcome: CollectionOutcome
) -> None:
    state = given(noted(signed_on=since - timedelta(days=100)))
    state = after(state, collecting(presented_on=since, due_on=since, outcome=outcome, today=since))
    assert lapses(state, last) == (False, True)


@pytest.mark.parametrize(("since", "last"), LAST_DAYS)
def test_a_mandate_that_was_never_collected_lapses_36_months_after_its_signature(since: date, last: date) -> None:
    [event] = decide(None, replace(noting(signed_on=since), today=date(2027, 1, 1)))
    assert lapses(given(event), last) == (False, True)


def lapses(state: Any, last: date) -> tuple[bool, bool]:
    """On the last day, and on the day after it."""
    expired = AuthorizationExpired(
        customer=CUSTOMER, was=AuthorizationStatus.ACTIVE, on=last, cause=ExpiryCause.NO_COLLECTION
    )
    before, behind = decide(state, Lapse(last)), decide(state, Lapse(last + timedelta(days=1)))
    assert state.due_on == last + timedelta(days=1)
    assert (before, behind) == ([], [expired])
    assert decide(state, Lapse(last - timedelta(days=1))) == []
    return bool(before), bool(behind)


def test_a_validity_that_ends_before_the_36_months_goes_first() -> None:
    state = given(noted(signed_on=TODAY, valid_until=date(2028, 1, 1)))
    [event] = decide(state, Lapse(date(2030, 1, 1)))
    assert isinstance(event, AuthorizationExpired)
    assert (event.on, event.cause) == (date(2028, 1, 1), ExpiryCause.VALIDITY)


def test_the_36_months_go_before_a_validity_that_ends_later() -> None:
    state = given(noted(signed_on=TODAY, valid_until=date(2040, 1, 1)))
    [event] = decide(state, Lapse(date(2030, 1, 1)))
    assert isinstance(event, AuthorizationExpired)
    assert (event.on, event.cause) == (date(2029, 11, 24), ExpiryCause.NO_COLLECTION)


def test_a_suspended_mandate_lapses_as_well() -> None:
    state = after(given(noted()), Suspend(TODAY, "abroad"))
    assert state.status_on(date(2029, 11, 24)) is AuthorizationStatus.SUSPENDED
    assert state.status_on(date(2029, 11, 25)) is AuthorizationStatus.EXPIRED


def test_a_mandate_without_collection_data_lapses_as_well() -> None:
    assert given(noted(None)).lapses_on == date(2029, 11, 24)


def test_an_issued_mandate_has_no_36_months_before_it_is_signed() -> None:
    state = given(issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None)))
    assert state.lapses_on == TODAY + timedelta(days=180)


def test_what_lapsed_takes_no_amendment_even_before_it_is_written_down() -> None:
    late = date(2029, 11, 25)
    for command in (amending(late, debtor_name="x"), Suspend(late, "x")):
        with pytest.raises(IllegalTransition) as refused:
            decide(given(noted()), command)
        assert refused.value.extra == {"state": "expired"}
