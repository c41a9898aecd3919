"""Legal holds (G9): who may be held until when, what a hold covers, and that nothing under one may be destroyed."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.archive import Outcome
from domain.custody import require_destroyable, require_unheld
from domain.document import Withdraw
from domain.hold import LiftHold
from domain.holding import HoldOrder, placed_hold
from domain.refusals import NotFound, PreconditionFailed, RetentionNotReached, UnderLegalHold, ValidationFailed
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import a_caller, a_mandate

TODAY = date(2026, 11, 24)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
ANYHOW: Any = {"rights": EVERYTHING, "expected_version": None}


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def hold_document(desk: MemoryDesk, paper: UUID, until: date | None = None, version: int | None = None) -> Outcome:
    order = HoldOrder("a court asks for it", until)
    return desk.archive.holding.hold_document(paper, order, a_caller(), rights=EVERYTHING, expected_version=version)


def hold_authorization(desk: MemoryDesk, paper: UUID) -> UUID:
    order = HoldOrder("the bank disputes it")
    return placed_hold(desk.archive.holding.hold_authorization(paper, order, a_caller(), **ANYHOW)).id


def hold_customer(desk: MemoryDesk, customer: str = "100234", until: date | None = None) -> UUID:
    return placed_hold(desk.archive.holding.hold_customer(customer, HoldOrder("an inquiry", until), a_caller())).id


def may_be_destroyed(desk: MemoryDesk, paper: UUID, today: date = TODAY) -> bool:
    """Of a paper whose retention has ended."""
    try:
        require_destroyable(desk.archive.holding.load_custody(paper), kept_until=YESTERDAY, today=today)
    except UnderLegalHold:
        return False
    return True


def link(desk: MemoryDesk, paper: UUID, customer: str) -> None:
    desk.archive.corrections.link_customer(paper, customer, "a joint letter", a_caller(), **ANYHOW)


# -- placing and lifting ----------------------------------------------------------------------------------------


def test_a_hold_covers_a_paper_until_it_is_lifted(desk: MemoryDesk) -> None:
    paper = desk.file()
    assert may_be_destroyed(desk, paper)
    hold = placed_hold(hold_document(desk, paper))
    assert not may_be_destroyed(desk, paper)
    assert (hold.reason, hold.until, hold.actor) == ("a court asks for it", None, "j.smit")
    desk.archive.holding.release_document(paper, LiftHold(hold.id, "decided"), a_caller(), **ANYHOW)
    assert may_be_destroyed(desk, paper)
    assert desk.topics[-2:] == ["document-hold-placed.v1", "document-hold-lifted.v1"]


def test_a_hold_with_a_last_day_covers_that_day_and_not_the_next(desk: MemoryDesk) -> None:
    paper = desk.file()
    hold_document(desk, paper, until=TODAY)
    assert not may_be_destroyed(desk, paper, TODAY)
    assert may_be_destroyed(desk, paper, TOMORROW)


def test_a_hold_of_the_past_is_refused_and_changes_nothing(desk: MemoryDesk) -> None:
    paper = desk.file()
    before = desk.trace()
    with pytest.raises(ValidationFailed) as refused:
        hold_document(desk, paper, until=YESTERDAY)
    assert refused.value.errors[0].field == "until"
    with pytest.raises(ValidationFailed):
        hold_customer(desk, until=YESTERDAY)
    assert desk.trace() == before


def test_only_the_hold_that_is_lifted_ends(desk: MemoryDesk) -> None:
    paper = desk.note()
    first, second = hold_authorization(desk, paper), hold_authorization(desk, paper)
    release = desk.archive.holding.release_authorization
    release(paper, LiftHold(first, "decided"), a_caller(), **ANYHOW)
    assert [held.id for held in desk.archive.holding.list_holds(paper)] == [second]
    assert not may_be_destroyed(desk, paper)
    with pytest.raises(NotFound):
        release(paper, LiftHold(first, "decided again"), a_caller(), **ANYHOW)


def test_a_hold_is_lifted_only_where_it_was_placed(desk: MemoryDesk) -> None:
    paper = desk.file()
    hold = placed_hold(hold_document(desk, paper)).id
    with pytest.raises(NotFound):
        desk.archive.holding.release_document(desk.file(b"another"), LiftHold(hold, "x"), a_caller(), **ANYHOW)
    with pytest.raises(NotFound):
        desk.archive.holding.release_customer("100234", LiftHold(hold, "x"), a_caller())
    assert not may_be_destroyed(desk, paper)


def test_a_hold_is_placed_at_the_version_that_was_read(desk: MemoryDesk) -> None:
    paper = desk.file()
    hold_document(desk, paper, version=1)
    with pytest.raises(PreconditionFailed):
        hold_document(desk, paper, version=1)


def test_a_repeated_request_places_one_hold(desk: MemoryDesk) -> None:
    caller = a_caller(idempotency_key="k-1")
    first, second = (desk.archive.holding.hold_customer("100234", HoldOrder("x"), caller) for _ in range(2))
    assert second.replayed
    assert placed_hold(first) == placed_hold(second)
    assert len(desk.archive.holding.list_holds_of_customer("100234")) == 1


# -- what a hold covers -----------------------------------------------------------------------------------------


def test_a_hold_on_a_customer_covers_the_papers_of_that_customer_whenever_they_came(desk: MemoryDesk) -> None:
    earlier = desk.file(b"earlier")
    hold = hold_customer(desk)
    later, other = desk.file(b"later"), desk.file(b"of another", customer="100235")
    assert [may_be_destroyed(desk, paper) for paper in (earlier, later, other)] == [False, False, True]
    desk.archive.holding.release_customer("100234", LiftHold(hold, "closed"), a_caller())
    assert may_be_destroyed(desk, earlier)


def test_a_hold_on_a_customer_covers_a_paper_while_it_is_of_that_customer(desk: MemoryDesk) -> None:
    paper = desk.file(customer="100235")
    hold_customer(desk)
    move = desk.archive.corrections.reassign_document
    move(paper, "100234", "wrong customer", a_caller(), **ANYHOW)
    assert not may_be_destroyed(desk, paper)
    move(paper, "100235", "it was right", a_caller(), **ANYHOW)
    assert may_be_destroyed(desk, paper)


def test_a_hold_on_any_customer_of_a_joint_paper_covers_it(desk: MemoryDesk) -> None:
    paper = desk.file()
    link(desk, paper, "100235")
    hold_customer(desk, "100235")
    assert not may_be_destroyed(desk, paper)


def test_a_hold_on_evidence_or_on_its_joint_customer_covers_the_authorization(desk: MemoryDesk) -> None:
    held, joint = (desk.file(name, type="GUARDIAN_CONSENT") for name in (b"one", b"two"))
    hold_document(desk, desk.evidence(held))
    link(desk, desk.evidence(joint), "100235")
    hold_customer(desk, "100235")
    assert not may_be_destroyed(desk, held)
    assert not may_be_destroyed(desk, joint)


def test_a_hold_on_an_authorization_covers_all_papers_that_were_its_evidence(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form, b"first")
    withdrawn = desk.evidence(form)
    desk.correct(withdrawn, Withdraw("the wrong page"))
    desk.attach(form, b"second")
    hold_authorization(desk, form)
    assert not may_be_destroyed(desk, withdrawn)
    assert not may_be_destroyed(desk, desk.evidence(form))


def test_a_hold_on_withdrawn_evidence_covers_its_authorization(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    paper = desk.evidence(form)
    desk.correct(paper, Withdraw("the wrong page"))
    hold_document(desk, paper)
    assert not may_be_destroyed(desk, form)


def test_the_holds_of_a_paper_name_where_each_was_placed(desk: MemoryDesk) -> None:
    paper = desk.note()
    own, of_customer = hold_authorization(desk, paper), hold_customer(desk)
    listed = desk.archive.holding.list_holds(paper)
    assert [held.id for held in listed] == [own, of_customer]
    found = desk.archive.customer_files.find_file("100234")
    assert found is not None
    assert [held.stream for held in listed] == [paper, found.stream]


# -- what may be destroyed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept_until", [TODAY, TOMORROW, None], ids=["today", "tomorrow", "unknown"])
def test_a_paper_that_its_rule_still_keeps_is_not_destroyed(desk: MemoryDesk, kept_until: date | None) -> None:
    custody = desk.archive.holding.load_custody(desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate()))
    with pytest.raises(RetentionNotReached) as refused:
        require_destroyable(custody, kept_until=kept_until, today=TODAY)
    assert refused.value.extra == {"keep_until": kept_until and kept_until.isoformat()}


def test_a_refusal_names_the_holds(desk: MemoryDesk) -> None:
    paper = desk.file()
    holds = [placed_hold(hold_document(desk, paper)).id, hold_customer(desk)]
    with pytest.raises(UnderLegalHold) as refused:
        require_unheld(desk.archive.holding.load_custody(paper), TODAY)
    assert refused.value.extra == {"holds": [str(hold) for hold in holds]}


def test_a_customer_whose_holds_are_not_given_is_no_customer_without_holds(desk: MemoryDesk) -> None:
    custody = desk.archive.holding.load_custody(desk.file())
    with pytest.raises(LookupError):
        require_unheld(replace(custody, customers={}), TODAY)
