"""A withdrawn paper and its authorization, as use cases over ports in memory (I14): no ground, no signature."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from domain.access import Rights
from domain.authorization import AuthorizationStatus, Cancel, ReportCollection, Resume, Revoke, Suspend
from domain.catalogue import SHIPPED
from domain.document import Restore, Withdraw
from domain.life import AmendMandate
from domain.mandate import Amendment, CollectionOutcome
from domain.refusals import AuthorizationOutOfReach, CollectionPresented, MandateExists, ScanCodeRedeemed
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import a_caller, a_mandate, an_iban, an_order, an_upload

TODAY, LAST_WEEK = date(2026, 11, 24), date(2026, 11, 17)
DEBT = "DEBT_AUTHORIZATION"
ISSUED, ACTIVE, SUSPENDED = AuthorizationStatus.ISSUED, AuthorizationStatus.ACTIVE, AuthorizationStatus.SUSPENDED


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def signed_mandate(desk: MemoryDesk, plain: bytes = b"scan") -> tuple[UUID, UUID]:
    """A mandate that was issued without a date and signed by its scan; and its paper."""
    form = desk.issue(type=DEBT, mandate=a_mandate(signature_date=None))
    desk.attach(form, plain)
    return form, desk.evidence(form)


def collect(desk: MemoryDesk, form: UUID) -> None:
    order = ReportCollection(presented_on=TODAY, due_on=TODAY, outcome=CollectionOutcome.REJECTED, today=TODAY)
    desk.change(form, order)


def test_without_its_only_paper_a_form_is_issued_as_before_in_one_append(desk: MemoryDesk) -> None:
    form = desk.issue(type=DEBT, mandate=a_mandate(signature_date=None))
    before = desk.authorization(form)
    desk.attach(form)
    paper = desk.evidence(form)
    outcome = desk.correct(paper, Withdraw("not hers"))
    after = desk.authorization(form)
    assert desk.topics[-2:] == ["document-withdrawn.v1", "evidence-withdrawn.v1"]
    assert outcome.position == desk.log.last_position()
    assert {e.meta.command_id for e in (desk.log.load(paper)[-1], desk.log.load(form)[-1])} == {
        desk.log.load(form)[-1].meta.command_id
    }
    for name in ("status", "signed_on", "valid_from", "valid_until", "form_lapses_on", "mandate", "evidence", "due_on"):
        assert getattr(after, name) == getattr(before, name)


def test_restoring_is_the_inverse(desk: MemoryDesk) -> None:
    form, paper = signed_mandate(desk)
    before = desk.authorization(form)
    desk.correct(paper, Withdraw("not hers"))
    desk.clock.move_to(TODAY + timedelta(days=30))
    desk.correct(paper, Restore("hers after all"))
    after = desk.authorization(form)
    for name in (
        "status",
        "signed_on",
        "valid_from",
        "valid_until",
        "mandate",
        "evidence",
        "original_held",
        "withdrawn",
    ):
        assert getattr(after, name) == getattr(before, name)


def test_of_what_a_file_registered_nothing_counts_as_signed_either(desk: MemoryDesk) -> None:
    """It has no form: it waits for its paper as long as a new form does, then it has expired."""
    statement = desk.file(type="READING_DISABILITY")
    paper = desk.evidence(statement)
    desk.correct(paper, Withdraw("of the neighbour"))
    state = desk.authorization(statement)
    assert (state.status, state.signed_on, state.form_lapses_on) == (ISSUED, None, TODAY + timedelta(days=180))
    assert state.status_on(TODAY + timedelta(days=181)) is AuthorizationStatus.EXPIRED
    desk.correct(paper, Restore("hers"))
    assert desk.authorization(statement).status is ACTIVE


def test_where_the_original_is_held_it_is_held_again_and_nothing_else_changes(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.note_signed(form)
    desk.attach(form)
    assert not desk.authorization(form).original_held
    desk.correct(desk.evidence(form), Withdraw("bad scan"))
    state = desk.authorization(form)
    assert (state.status, state.original_held, state.evidence, state.signed_on) == (ACTIVE, True, None, TODAY)


def test_a_paper_under_which_a_collection_was_presented_stays(desk: MemoryDesk) -> None:
    """A rejected one as well: money was asked for. What is over meanwhile is no exception."""
    form, paper = signed_mandate(desk)
    collect(desk, form)
    trace = desk.trace()
    with pytest.raises(CollectionPresented):
        desk.correct(paper, Withdraw("not hers"))
    assert desk.trace() == trace
    desk.change(form, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))
    with pytest.raises(CollectionPresented):
        desk.correct(paper, Withdraw("not hers"))


def test_a_held_original_is_ground_enough_for_collections(desk: MemoryDesk) -> None:
    form = desk.issue(type=DEBT, mandate=a_mandate(signature_date=None))
    desk.note_signed(form)
    collect(desk, form)
    desk.attach(form)
    desk.correct(desk.evidence(form), Withdraw("bad scan"))
    assert desk.authorization(form).status is ACTIVE


def test_a_paper_is_not_restored_beside_another_one(desk: MemoryDesk) -> None:
    form, first = signed_mandate(desk)
    desk.correct(first, Withdraw("bad scan"))
    desk.attach(form, b"better")
    trace = desk.trace()
    with pytest.raises(ScanCodeRedeemed) as refused:
        desk.correct(first, Restore("x"))
    assert refused.value.extra == {"existing": str(desk.evidence(form))}
    assert desk.trace() == trace


def test_a_mandate_is_not_restored_beside_another_of_its_account(desk: MemoryDesk) -> None:
    _, paper = signed_mandate(desk)
    desk.correct(paper, Withdraw("x"))
    signed_mandate(desk, b"another")
    with pytest.raises(MandateExists):
        desk.correct(paper, Restore("x"))


@pytest.mark.parametrize("back", ["restored", "scanned anew", "noted"])
def test_a_suspension_outlives_the_paper(desk: MemoryDesk, back: str) -> None:
    form, paper = signed_mandate(desk)
    desk.change(form, Suspend(TODAY, "abroad"))
    desk.correct(paper, Withdraw("bad scan"))
    assert desk.authorization(form).status is ISSUED
    desk.clock.move_to(TODAY + timedelta(days=3))
    if back == "restored":
        desk.correct(paper, Restore("x"))
    elif back == "noted":
        desk.note_signed(form)
    else:
        desk.attach(form, b"better")
    state = desk.authorization(form)
    assert (state.status, state.ended_on) == (SUSPENDED, TODAY - timedelta(days=1))
    desk.change(form, Resume(desk.clock.today(), "is back"))
    assert desk.authorization(form).status is ACTIVE


def test_an_announced_revocation_outlives_the_paper(desk: MemoryDesk) -> None:
    form, paper = signed_mandate(desk)
    later = TODAY + timedelta(days=5)
    desk.change(form, Revoke(received_on=TODAY, effective_on=later, today=TODAY, reason="x"))
    desk.correct(paper, Withdraw("bad scan"))
    assert desk.authorization(form).status_on(later) is AuthorizationStatus.REVOKED


def test_an_amendment_outlives_the_paper_and_the_date_of_signature_does_not(desk: MemoryDesk) -> None:
    form, paper = signed_mandate(desk)
    iban = an_iban("ABNA", 7)
    desk.change(form, AmendMandate(Amendment(iban=iban), "changed banks"))
    desk.correct(paper, Withdraw("bad scan"))
    mandate = desk.authorization(form).mandate
    assert mandate is not None
    assert (mandate.iban, mandate.signature_date) == (iban, None)


@pytest.mark.parametrize("ended", ["revoked", "expired"])
def test_what_is_over_stays_over_without_its_paper_and_with_it(desk: MemoryDesk, ended: str) -> None:
    form, paper = signed_mandate(desk)
    if ended == "revoked":
        desk.change(form, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))
    else:
        desk.clock.move_to(TODAY + timedelta(days=1_200))
        assert desk.archive.life.lapse_authorization(form)
    desk.correct(paper, Withdraw("x"))
    state = desk.authorization(form)
    assert (state.status.value, state.evidence, state.original_held) == (ended, None, False)
    desk.correct(paper, Restore("x"))
    assert (desk.authorization(form).status.value, desk.authorization(form).evidence) == (ended, paper)


def test_a_paper_that_is_restored_brings_no_cancelled_form_to_life(desk: MemoryDesk) -> None:
    form, paper = signed_mandate(desk)
    desk.correct(paper, Withdraw("x"))
    desk.change(form, Cancel(TODAY, "x"))
    desk.correct(paper, Restore("x"))
    assert desk.authorization(form).status is AuthorizationStatus.CANCELLED


def test_a_form_whose_day_has_passed_gets_a_new_one(desk: MemoryDesk) -> None:
    form, paper = signed_mandate(desk)
    later = TODAY + timedelta(days=300)
    desk.clock.move_to(later)
    desk.correct(paper, Withdraw("bad scan"))
    assert desk.authorization(form).status_on(later) is ISSUED
    assert desk.authorization(form).form_lapses_on == later + timedelta(days=180)


def test_who_may_not_see_the_authorization_withdraws_no_paper_of_it(desk: MemoryDesk) -> None:
    form = desk.issue()
    order = an_order(customer=None, type=None, authorization=form)
    desk.archive.filing.archive_file(order, an_upload(), a_caller(branch="WEST"), EVERYTHING)
    paper, trace = desk.evidence(form), desk.trace()
    for command in (Withdraw("x"), Restore("x")):
        with pytest.raises(AuthorizationOutOfReach):
            desk.archive.corrections.correct_document(
                paper, command, a_caller(branch="WEST"), rights=Rights(list(SHIPPED), "WEST"), expected_version=None
            )
        assert desk.trace() == trace
        desk.correct(paper, Withdraw("x")) if isinstance(command, Withdraw) else None
        trace = desk.trace()


def test_a_withdrawn_file_is_in_nobodys_way(desk: MemoryDesk) -> None:
    letter = desk.file(b"the same")
    desk.correct(letter, Withdraw("by mistake"))
    again = desk.file(b"the same")
    desk.correct(letter, Restore("both"))
    assert again != letter


def test_the_date_of_a_form_survives_the_arrival_of_its_paper(desk: MemoryDesk) -> None:
    form = desk.issue(type=DEBT, mandate=a_mandate(signature_date=LAST_WEEK))
    desk.attach(form)
    state = desk.authorization(form)
    assert state.mandate is not None
    assert state.signed_on == state.mandate.signature_date == LAST_WEEK
    noted = desk.issue(type=DEBT, mandate=a_mandate(signature_date=LAST_WEEK, iban=an_iban("RABO", 5)))
    desk.note_signed(noted)
    assert desk.authorization(noted).signed_on == LAST_WEEK
