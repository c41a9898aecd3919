"""The life of an authorization (G7) as a use case over ports in memory: rights, versions, replays, claims, calendar."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.access import Rights
from domain.archive import AmendMandate, SupersedeBy
from domain.authorization import (
    AuthorizationExpired,
    AuthorizationRevoked,
    AuthorizationStatus,
    Cancel,
    ReportCollection,
    Resume,
    Revoke,
    Suspend,
)
from domain.catalogue import SHIPPED
from domain.document import Withdraw
from domain.life import Order
from domain.mandate import Amendment, CollectionOutcome, SequenceType
from domain.refusals import (
    CustomerErased,
    FieldError,
    IbanInvalid,
    IdempotencyKeyReused,
    IllegalTransition,
    MandateExists,
    MandateReferenceTaken,
    NotFound,
    PreconditionFailed,
    ValidationFailed,
)
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import CREDITOR, IBAN, a_caller, a_mandate, an_iban

TODAY, YESTERDAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 23), date(2026, 11, 25)
ABN = an_iban("ABNA")


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def mandate(desk: MemoryDesk, customer: str = "100234", **data: Any) -> UUID:
    return desk.note(customer=customer, type="DEBT_AUTHORIZATION", mandate=a_mandate(**data))


def amend(**changes: Any) -> AmendMandate:
    return AmendMandate(Amendment(**changes), "changed banks")


def revoke(effective_on: date = TODAY) -> Revoke:
    return Revoke(received_on=TODAY, effective_on=effective_on, today=TODAY, reason="by letter")


def collection(**changes: Any) -> ReportCollection:
    usual: dict[str, Any] = {"presented_on": TODAY, "due_on": TODAY, "outcome": CollectionOutcome.PAID, "today": TODAY}
    return ReportCollection(**usual | changes)


STEPS: list[tuple[Order, str]] = [
    (amend(iban=ABN), "mandate-amended.v1"),
    (Suspend(TODAY, "abroad"), "authorization-suspended.v1"),
    (revoke(), "authorization-revoked.v1"),
    (revoke(TOMORROW), "revocation-received.v1"),
    (collection(), "collection-reported.v1"),
]
each_step = pytest.mark.parametrize(("order", "topic"), STEPS, ids=[topic for _, topic in STEPS])


@each_step
def test_a_step_is_the_next_event_of_its_authorization(desk: MemoryDesk, order: Order, topic: str) -> None:
    paper = mandate(desk)
    outcome = desk.change(paper, order, version=1)
    assert desk.topics[1:] == [topic]
    assert [r.envelope.originator_version for r in outcome.recorded] == [1, 2]
    assert (outcome.customer, outcome.position, outcome.replayed) == ("100234", desk.log.last_position(), False)
    meta = outcome.recorded[-1].envelope.meta
    assert (meta.actor, meta.branch, meta.occurred_at) == ("j.smit", "CENTRAL", desk.clock.now())


def test_a_step_tells_of_the_evidence_along_with_its_authorization(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    outcome = desk.change(form, Suspend(TODAY, "x"))
    assert {r.envelope.originator_id for r in outcome.recorded} == {form, desk.evidence(form)}
    assert outcome.recorded == desk.archive.life.load_outcome(form, EVERYTHING).recorded


def test_what_was_read_must_be_what_stands(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.change(paper, Suspend(TODAY, "x"), version=1)
    before = desk.trace()
    for stale in (1, 3):
        with pytest.raises(PreconditionFailed) as refused:
            desk.change(paper, Resume(TODAY, "x"), version=stale)
        assert refused.value.values == {"version": 2}
    assert desk.trace() == before


def test_two_steps_at_one_version_and_the_second_is_told(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.log.before_append.append(lambda: desk.change(paper, Suspend(TODAY, "x"), version=1))
    with pytest.raises(PreconditionFailed) as refused:
        desk.change(paper, revoke(), version=1)
    assert refused.value.values == {"version": 2}


def test_without_a_version_the_second_of_two_steps_is_decided_anew(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.log.before_append.append(lambda: desk.change(paper, Suspend(TODAY, "x")))
    with pytest.raises(IllegalTransition) as refused:
        desk.change(paper, Suspend(TODAY, "y"))
    assert refused.value.extra == {"state": "suspended"}


@pytest.mark.parametrize("rights", [Rights([]), Rights(["LETTER"]), Rights(list(SHIPPED), "WEST")])
def test_what_a_caller_may_not_see_does_not_exist(desk: MemoryDesk, rights: Rights) -> None:
    paper = mandate(desk)
    before = desk.trace()
    with pytest.raises(NotFound):
        desk.change(paper, Suspend(TODAY, "x"), rights=rights)
    with pytest.raises(NotFound):
        desk.archive.life.load_outcome(paper, rights)
    assert not desk.archive.papers.is_visible(paper, rights)
    assert desk.trace() == before


def test_a_paper_is_of_the_branch_where_it_came_in_whoever_changed_it_since(desk: MemoryDesk) -> None:
    paper, letter = mandate(desk), desk.file()
    elsewhere = a_caller(branch="WEST")
    desk.archive.life.change_authorization(
        paper, Suspend(TODAY, "x"), elsewhere, rights=EVERYTHING, expected_version=None
    )
    desk.archive.corrections.correct_document(
        letter, Withdraw("x"), elsewhere, rights=EVERYTHING, expected_version=None
    )
    for branch, seen in [("CENTRAL", True), ("WEST", False)]:
        rights = Rights(list(SHIPPED), branch)
        assert [desk.archive.papers.is_visible(p, rights) for p in (paper, letter)] == [seen, seen]


def test_what_is_no_authorization_is_not_found(desk: MemoryDesk) -> None:
    for paper in (desk.file(), UUID(int=99)):
        with pytest.raises(NotFound):
            desk.change(paper, Suspend(TODAY, "x"))
        with pytest.raises(NotFound):
            desk.archive.life.load_outcome(paper, EVERYTHING)


@each_step
def test_a_step_sent_twice_is_done_once(desk: MemoryDesk, order: Order, topic: str) -> None:
    paper = mandate(desk)
    first, second = (desk.change(paper, order, version=1, key="k") for _ in range(2))
    assert desk.topics[1:] == [topic]
    assert (first.replayed, second.replayed) == (False, True)
    assert list(second.recorded) == list(first.recorded)


def test_a_twin_that_was_quicker_is_answered(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.log.before_append.append(lambda: desk.change(paper, revoke(), version=1, key="k"))
    assert desk.change(paper, revoke(), version=1, key="k").replayed
    assert desk.topics[1:] == ["authorization-revoked.v1"]


def test_a_key_is_for_one_step_of_one_authorization(desk: MemoryDesk) -> None:
    paper, other = mandate(desk), mandate(desk, iban=ABN)
    desk.change(paper, Suspend(TODAY, "x"), key="k")
    others: list[tuple[UUID, Order]] = [
        (other, Suspend(TODAY, "x")),
        (paper, Suspend(TODAY, "y")),
        (paper, Resume(TODAY, "x")),
        (paper, amend(debtor_name="x")),
        (paper, SupersedeBy(other, "x")),
    ]
    for again, order in others:
        with pytest.raises(IdempotencyKeyReused):
            desk.change(again, order, key="k")


@pytest.mark.parametrize(
    ("order", "other"),
    [
        (amend(debtor_name="x"), amend(debtor_name="y")),
        (collection(), collection(due_on=TOMORROW)),
        (revoke(), revoke(TOMORROW)),
    ],
)
def test_a_key_is_for_one_content_of_a_step(desk: MemoryDesk, order: Order, other: Order) -> None:
    paper = mandate(desk)
    desk.change(paper, order, key="k")
    with pytest.raises(IdempotencyKeyReused):
        desk.change(paper, other, key="k")


@pytest.mark.parametrize("order", [Suspend(TODAY, "x"), collection(), revoke(), amend(debtor_name="x")])
def test_a_step_sent_again_after_midnight_is_the_same_request(desk: MemoryDesk, order: Any) -> None:
    paper = mandate(desk)
    desk.change(paper, order, key="k")
    desk.clock.move_to(TOMORROW)
    again = order if isinstance(order, AmendMandate) else replace(order, today=TOMORROW)
    assert desk.change(paper, again, key="k").replayed


def test_an_erased_customers_authorization_takes_no_step(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.keys.erase("100234")
    for order, _ in STEPS[1:]:
        with pytest.raises((CustomerErased, IllegalTransition)):
            desk.change(paper, order)
    assert desk.topics[1:] == []


# -- amending ---------------------------------------------------------------------------------------------------


def test_the_numbers_of_an_amendment_are_folded(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.change(paper, amend(iban=" nl91 abna 0417 1643 00", bic="abnanl2a", mandate_reference=" UMR 2 "))
    data = desk.authorization(paper).mandate
    assert data is not None
    assert (data.iban, data.bic, data.mandate_reference) == ("NL91ABNA0417164300", "ABNANL2A", "UMR 2")
    assert data.sequence_type is SequenceType.FIRST


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, ValidationFailed),
        ({"iban": "BE68539007547035"}, IbanInvalid),
        ({"iban": ""}, IbanInvalid),
        ({"bic": "x"}, FieldError),
        ({"mandate_reference": "//"}, FieldError),
    ],
)
def test_an_amendment_that_is_wrong_or_says_nothing_is_refused(
    desk: MemoryDesk, change: dict[str, str], refusal: type[Exception]
) -> None:
    paper = mandate(desk)
    before = desk.trace()
    with pytest.raises(refusal):
        desk.change(paper, amend(**change))
    assert desk.trace() == before


def test_what_is_as_it_was_amends_nothing(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    outcome = desk.change(paper, amend(iban=IBAN), version=1)
    assert desk.topics == ["authorization-registered.v2"]
    assert outcome.position == desk.log.last_position()


def test_a_new_account_is_claimed_and_the_old_one_let_go(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.change(paper, amend(iban=ABN))
    with pytest.raises(MandateExists) as refused:
        mandate(desk, iban=ABN)
    assert refused.value.extra == {"existing": str(paper)}
    assert mandate(desk)


def test_an_account_of_another_mandate_is_not_amended_to(desk: MemoryDesk) -> None:
    first, second = mandate(desk), mandate(desk, iban=ABN)
    before = desk.trace()
    with pytest.raises(MandateExists) as refused:
        desk.change(second, amend(iban=IBAN))
    assert refused.value.extra == {"existing": str(first)}
    assert desk.trace() == before


def test_who_amends_to_an_account_that_is_taken_what_was_revoked_meanwhile_is_told_that_it_was(
    desk: MemoryDesk,
) -> None:
    mandate(desk)
    paper = mandate(desk, iban=ABN)
    desk.log.before_append.append(lambda: desk.change(paper, revoke()))
    with pytest.raises(IllegalTransition) as refused:
        desk.change(paper, amend(iban=IBAN))
    assert refused.value.extra == {"state": "revoked"}


def test_a_reference_that_was_ever_given_belongs_to_its_mandate(desk: MemoryDesk) -> None:
    first, second = mandate(desk, mandate_reference="UMR 1"), mandate(desk, iban=ABN)
    desk.change(first, amend(mandate_reference="UMR 2"))
    for taken in ("UMR 1", "umr 2"):
        with pytest.raises(MandateReferenceTaken):
            desk.change(second, amend(mandate_reference=taken))
    desk.change(first, amend(mandate_reference="UMR 1"))
    assert desk.authorization(first).mandate.mandate_reference == "UMR 1"  # type: ignore[union-attr]  # it is a mandate


@pytest.mark.parametrize("by_file", [False, True], ids=["noted", "archived"])
def test_a_mandate_without_collection_data_is_completed_as_one_of_this_institution(
    desk: MemoryDesk, by_file: bool
) -> None:
    """It is then in the way of a second one like any other."""
    come_in = desk.file if by_file else desk.note
    paper = come_in(type="DEBT_AUTHORIZATION", signed_on=YESTERDAY)
    desk.change(paper, amend(iban=IBAN))
    data = desk.authorization(paper).mandate
    assert data is not None
    assert (data.iban, data.creditor_id, data.signature_date) == (IBAN, CREDITOR, YESTERDAY)
    assert (data.sequence_type, data.is_complete) == (SequenceType.RECURRING, True)
    assert data.mandate_reference
    with pytest.raises(MandateExists) as refused:
        mandate(desk)
    assert refused.value.extra == {"existing": str(paper)}
    assert desk.change(paper, collection()).recorded


def test_two_mandates_without_data_cannot_be_completed_for_one_account(desk: MemoryDesk) -> None:
    first, second = (desk.note(type="DEBT_AUTHORIZATION") for _ in range(2))
    desk.change(first, amend(iban=IBAN))
    with pytest.raises(MandateExists):
        desk.change(second, amend(iban=IBAN))


# -- what an end lets go ----------------------------------------------------------------------------------------


def test_an_account_is_free_again_when_its_mandate_is_over(desk: MemoryDesk) -> None:
    successor = mandate(desk, iban=ABN)
    for end in (revoke(), SupersedeBy(successor, "a new form")):
        paper = mandate(desk)
        desk.change(paper, end)
        assert desk.authorization(paper).status in ("revoked", "superseded")
    assert mandate(desk)


@pytest.mark.parametrize("order", [Suspend(TODAY, "x"), revoke(TOMORROW)])
def test_an_account_is_not_free_as_long_as_its_mandate_may_come_back(desk: MemoryDesk, order: Order) -> None:
    desk.change(mandate(desk), order)
    with pytest.raises(MandateExists):
        mandate(desk)


def test_the_reference_of_what_is_over_is_not_given_again(desk: MemoryDesk) -> None:
    paper = mandate(desk, mandate_reference="UMR 1")
    desk.change(paper, revoke())
    with pytest.raises(MandateReferenceTaken):
        mandate(desk, mandate_reference="UMR 1")


def test_a_cancelled_forms_code_and_reference_are_not_given_again(desk: MemoryDesk) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(mandate_reference="UMR 1", signature_date=None))
    code = desk.code(form)
    desk.change(form, Cancel(TODAY, "never came back"))
    with pytest.raises(MandateReferenceTaken):
        mandate(desk, mandate_reference="UMR 1")
    assert desk.archive.forms.find_form(code, EVERYTHING) == form


# -- superseding ------------------------------------------------------------------------------------------------


def test_a_form_that_was_issued_may_take_its_place_and_is_then_signed(desk: MemoryDesk) -> None:
    """The only way to sign a new form for the same account: the old mandate ends first."""
    old = mandate(desk)
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    with pytest.raises(MandateExists):
        desk.attach(form)
    desk.change(old, SupersedeBy(form, "a new form"))
    desk.attach(form)
    assert desk.authorization(old).status is AuthorizationStatus.SUPERSEDED
    assert desk.authorization(form).status is AuthorizationStatus.ACTIVE


def test_what_takes_its_place_must_be_another_that_the_caller_may_see(desk: MemoryDesk) -> None:
    paper, foreign, letter = mandate(desk), mandate(desk, "100235"), desk.file()
    hidden = desk.note(type="READING_DISABILITY")
    before = desk.trace()
    for by in (paper, foreign, letter, UUID(int=99)):
        with pytest.raises(ValidationFailed) as refused:
            desk.change(paper, SupersedeBy(by, "x"))
        assert [e.field for e in refused.value.errors] == ["by"]
    rights = Rights([c for c in SHIPPED if c != "READING_DISABILITY"])
    told = []
    for by in (hidden, UUID(int=99)):
        with pytest.raises(ValidationFailed) as refused:
            desk.change(paper, SupersedeBy(by, "x"), rights=rights)
        told.append(str(refused.value.errors[0]))
    assert told[0] == told[1]
    assert desk.trace() == before


# -- the calendar -----------------------------------------------------------------------------------------------


def test_what_the_calendar_decided_is_written_down_once_by_the_system(desk: MemoryDesk) -> None:
    paper = desk.note(valid_until=TODAY)
    assert not desk.archive.life.lapse_authorization(paper)
    desk.clock.move_to(TOMORROW)
    assert desk.archive.life.lapse_authorization(paper)
    assert not desk.archive.life.lapse_authorization(paper)
    envelope = desk.log.load(paper)[-1]
    assert isinstance(envelope.body, AuthorizationExpired)
    assert (envelope.meta.actor, envelope.meta.branch, envelope.body.on) == ("system", "CENTRAL", TODAY)


def test_a_revocation_of_a_later_day_comes_into_force_on_that_day_and_frees_its_account(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    desk.change(paper, revoke(TOMORROW))
    assert not desk.archive.life.lapse_authorization(paper)
    desk.clock.move_to(TOMORROW)
    assert desk.archive.life.lapse_authorization(paper)
    event = desk.log.load(paper)[-1].body
    assert isinstance(event, AuthorizationRevoked)
    assert (event.effective_on, event.reason) == (TOMORROW, "by letter")
    assert mandate(desk)


def test_two_that_write_down_the_same_end_write_it_once(desk: MemoryDesk) -> None:
    paper = desk.note(valid_until=TODAY)
    desk.clock.move_to(TOMORROW)
    desk.log.before_append.append(lambda: desk.archive.life.lapse_authorization(paper))
    assert not desk.archive.life.lapse_authorization(paper)
    assert desk.topics[1:] == ["authorization-expired.v1"]


def test_an_erased_customers_authorizations_end_as_well(desk: MemoryDesk) -> None:
    paper = desk.note(valid_until=TODAY)
    desk.keys.erase("100234")
    desk.clock.move_to(TOMORROW)
    assert desk.archive.life.lapse_authorization(paper)


def test_a_mandate_that_is_collected_goes_on(desk: MemoryDesk) -> None:
    paper = mandate(desk)
    for year in (2029, 2032):
        desk.clock.move_to(date(year, 11, 20))
        desk.change(
            paper, collection(presented_on=desk.clock.today(), due_on=desk.clock.today(), today=desk.clock.today())
        )
        assert not desk.archive.life.lapse_authorization(paper)
    desk.clock.move_to(date(2035, 11, 20))
    assert not desk.archive.life.lapse_authorization(paper)
    desk.clock.move_to(date(2035, 11, 21))
    assert desk.archive.life.lapse_authorization(paper)
