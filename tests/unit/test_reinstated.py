"""An end that the calendar wrote down is taken back (Reinstate): the rules, and the use case over ports in memory."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.authorization import (
    Authorization,
    AuthorizationEvent,
    AuthorizationStatus,
    Cancel,
    Lapse,
    Reassign,
    Reinstate,
    ReportCollection,
    Revoke,
    Suspend,
    decide,
    evolve,
)
from domain.document import Restore, Withdraw
from domain.mandate import CollectionOutcome
from domain.refusals import EvidenceChanged, IllegalTransition, LapseStands, MandateExists
from tests.builders.memory import MemoryDesk
from tests.builders.papers import a_mandate

TODAY, YESTERDAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 23), date(2026, 11, 25)
WRONG_DAY = TODAY + timedelta(days=1_100)
DEBT = "DEBT_AUTHORIZATION"
REINSTATE = Reinstate(TODAY, "the clock was wrong")


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def an_issued_form(desk: MemoryDesk) -> UUID:
    return desk.issue()


def a_mandate_in_force(desk: MemoryDesk) -> UUID:
    return desk.note(type=DEBT, mandate=a_mandate())


def a_suspended_one(desk: MemoryDesk) -> UUID:
    paper = a_mandate_in_force(desk)
    desk.change(paper, Suspend(TODAY, "abroad"))
    return paper


def one_to_be_revoked(desk: MemoryDesk, first: Callable[[MemoryDesk], UUID] = a_mandate_in_force) -> UUID:
    paper = first(desk)
    desk.change(paper, Revoke(received_on=TODAY, effective_on=TOMORROW, today=TODAY, reason="by letter"))
    return paper


def a_suspended_one_to_be_revoked(desk: MemoryDesk) -> UUID:
    return one_to_be_revoked(desk, a_suspended_one)


def one_with_an_end(desk: MemoryDesk) -> UUID:
    paper = desk.issue(valid_until=TOMORROW)
    desk.attach(paper)
    return paper


def lapsed_wrongly(desk: MemoryDesk, paper: UUID) -> Authorization:
    desk.clock.move_to(WRONG_DAY)
    assert desk.archive.life.lapse_authorization(paper)
    desk.clock.move_to(TODAY)
    return desk.authorization(paper)


EACH = pytest.mark.parametrize(
    ("made", "ended"),
    [
        (an_issued_form, "expired"),
        (a_mandate_in_force, "expired"),
        (a_suspended_one, "expired"),
        (one_to_be_revoked, "revoked"),
        (a_suspended_one_to_be_revoked, "revoked"),
        (one_with_an_end, "expired"),
    ],
)


@EACH
def test_what_a_wrong_clock_ended_is_what_it_was_and_does_not_end_again(
    desk: MemoryDesk, made: Callable[[MemoryDesk], UUID], ended: str
) -> None:
    paper = made(desk)
    before = desk.authorization(paper)
    assert lapsed_wrongly(desk, paper).status.value == ended
    desk.change(paper, REINSTATE)
    again = desk.authorization(paper)
    assert replace(again, version=before.version) == before
    assert not desk.archive.life.lapse_authorization(paper)


@EACH
def test_what_the_right_clock_ends_too_stays_ended(
    desk: MemoryDesk, made: Callable[[MemoryDesk], UUID], ended: str
) -> None:
    """Whether the end is written down or not."""
    paper, trace = made(desk), desk.trace()
    due_on = desk.authorization(paper).due_on
    assert due_on is not None
    desk.clock.move_to(due_on)
    for _ in ("not written", "written"):
        with pytest.raises(LapseStands) as refused:
            desk.change(paper, Reinstate(due_on, "it is wanted"))
        assert refused.value.extra == {"on": due_on.isoformat()}
        assert desk.trace() == trace
        desk.archive.life.lapse_authorization(paper)
        trace = desk.trace()
    assert desk.authorization(paper).status.value == ended


def a_person_revokes(desk: MemoryDesk) -> UUID:
    paper = a_mandate_in_force(desk)
    desk.change(paper, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="by letter"))
    return paper


def a_person_revokes_sooner(desk: MemoryDesk) -> UUID:
    paper = one_to_be_revoked(desk)
    desk.change(paper, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="at once after all"))
    return paper


def a_person_cancels(desk: MemoryDesk) -> UUID:
    paper = an_issued_form(desk)
    desk.change(paper, Cancel(TODAY, "never came back"))
    return paper


@pytest.mark.parametrize(
    ("made", "state"),
    [
        (an_issued_form, "issued"),
        (a_mandate_in_force, "active"),
        (a_suspended_one, "suspended"),
        (a_person_revokes, "revoked"),
        (a_person_revokes_sooner, "revoked"),
        (a_person_cancels, "cancelled"),
    ],
)
def test_what_a_person_ended_or_nobody_is_not_taken_back(
    desk: MemoryDesk, made: Callable[[MemoryDesk], UUID], state: str
) -> None:
    paper = made(desk)
    with pytest.raises(IllegalTransition) as refused:
        desk.change(paper, REINSTATE)
    assert refused.value.extra == {"state": state}


def test_an_end_is_taken_back_once(desk: MemoryDesk) -> None:
    paper = a_mandate_in_force(desk)
    lapsed_wrongly(desk, paper)
    desk.change(paper, REINSTATE)
    with pytest.raises(IllegalTransition):
        desk.change(paper, REINSTATE)


def test_a_collection_that_was_reported_late_is_a_reason(desk: MemoryDesk) -> None:
    """36 months count from its due date, so the end was none."""
    long_ago = date(2023, 1, 10)
    paper = desk.note(type=DEBT, mandate=a_mandate(signature_date=long_ago))
    assert desk.archive.life.lapse_authorization(paper)
    with pytest.raises(LapseStands):
        desk.change(paper, REINSTATE)
    order = ReportCollection(
        presented_on=date(2025, 1, 3), due_on=date(2025, 1, 10), outcome=CollectionOutcome.PAID, today=TODAY
    )
    desk.change(paper, order)
    desk.change(paper, REINSTATE)
    assert (desk.authorization(paper).status.value, desk.authorization(paper).lapses_on) == (
        "active", date(2028, 1, 10),
    )  # fmt: skip


def test_an_account_that_another_mandate_has_meanwhile_is_taken(desk: MemoryDesk) -> None:
    """I6."""
    paper = a_mandate_in_force(desk)
    lapsed_wrongly(desk, paper)
    other = a_mandate_in_force(desk)
    with pytest.raises(MandateExists) as refused:
        desk.change(paper, REINSTATE)
    assert refused.value.extra == {"existing": str(other)}
    desk.change(other, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="the older one counts"))
    desk.change(paper, REINSTATE)
    with pytest.raises(MandateExists):
        a_mandate_in_force(desk)


def test_without_its_paper_it_does_not_count_as_signed_again(desk: MemoryDesk) -> None:
    """The evidence went while it was over."""
    form = desk.issue()
    desk.attach(form)
    paper, before = desk.evidence(form), desk.authorization(form)
    lapsed = desk.authorization(form)
    desk.change(form, Revoke(received_on=TODAY, effective_on=TOMORROW, today=TODAY, reason="by letter"))
    lapsed = lapsed_wrongly(desk, form)
    assert lapsed.status is AuthorizationStatus.REVOKED
    desk.correct(paper, Withdraw("not hers"))
    with pytest.raises(EvidenceChanged):
        desk.change(form, REINSTATE)
    desk.correct(paper, Restore("hers after all"))
    desk.change(form, REINSTATE)
    again = desk.authorization(form)
    assert (again.status, again.evidence) == (before.status, before.evidence)
    assert again.revocation is not None


def test_a_paper_that_was_restored_meanwhile_has_not_signed_the_form(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    paper = desk.evidence(form)
    desk.correct(paper, Withdraw("not hers"))
    assert lapsed_wrongly(desk, form).status is AuthorizationStatus.EXPIRED
    desk.correct(paper, Restore("hers after all"))
    with pytest.raises(EvidenceChanged):
        desk.change(form, REINSTATE)


def test_what_was_moved_meanwhile_says_all_of_its_customer_of_now(desk: MemoryDesk) -> None:
    other = UUID(int=77)
    state = desk.authorization(a_suspended_one_to_be_revoked(desk))
    state = evolved(state, *decide(state, Lapse(WRONG_DAY)))
    state = evolved(state, *decide(state, Reassign(other, "of the daughter")))
    events = decide(state, REINSTATE)
    assert [event.topic for event in events] == [
        "authorization-reinstated.v1", "authorization-suspended.v1", "revocation-received.v1",
    ]  # fmt: skip
    assert {event.customer for event in events} == {other}


def evolved(state: Authorization, *events: AuthorizationEvent) -> Authorization:
    for event in events:
        state = evolve(state, event)
    return state
