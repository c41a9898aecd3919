"""Disposals (G10, I8): a frozen list, a second person, and a run that asks again before each paper."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

import pytest

from domain.authorization import Cancel
from domain.disposal import DuePaper, KeptPaper, Propose, decide
from domain.disposals import LoadedDisposal, Retained
from domain.hold import LiftHold
from domain.holding import HoldOrder, placed_hold
from domain.refusals import (
    ApprovalByProposer,
    ApprovalMissing,
    IllegalTransition,
    NotFound,
    Unavailable,
    ValidationFailed,
)
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import a_caller

TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)
PROPOSER, APPROVER = a_caller(actor="j.smit"), a_caller(actor="m.jansen")
HISTORIES = 300


class Dates:
    """Until when each paper is kept, as a test says; of its present version."""

    def __init__(self, desk: MemoryDesk) -> None:
        self.desk, self.kept = desk, dict[UUID, date | None]()
        self.behind: set[UUID] = set()

    def retained(self, papers: Sequence[UUID]) -> Mapping[UUID, Retained]:
        version = {p: len(self.desk.log.load(p)) - (p in self.behind) for p in papers}
        return {p: Retained(version[p], self.kept[p]) for p in papers if p in self.kept}


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def dates(desk: MemoryDesk) -> Dates:
    return Dates(desk)


def listed(paper: UUID, *, approval: bool = False) -> DuePaper:
    return DuePaper(
        paper=paper, type="LETTER", due_on=TODAY, trigger="received", months=24, legal_basis="", approval=approval
    )


def propose(desk: MemoryDesk, *papers: UUID, approval: bool = False) -> UUID:
    return desk.archive.disposals.propose_disposal([listed(p, approval=approval) for p in papers], PROPOSER).id


def run(desk: MemoryDesk, dates: Dates, disposal: UUID) -> LoadedDisposal:
    return desk.archive.disposals.run_disposal(disposal, dates, APPROVER)


def is_destroyed(desk: MemoryDesk, paper: UUID) -> bool:
    return desk.document(paper).status == "destroyed"


def a_letter(desk: MemoryDesk, dates: Dates, kept: date | None = TODAY - DAY) -> UUID:
    paper = desk.file(b"letter %d" % len(dates.kept))
    dates.kept[paper] = kept
    return paper


def test_a_run_destroys_what_is_listed_and_says_so(desk: MemoryDesk, dates: Dates) -> None:
    one, two = a_letter(desk, dates), a_letter(desk, dates)
    done = run(desk, dates, propose(desk, one)).state
    assert (done.state, done.destroyed, done.kept) == ("done", 1, ())
    assert (is_destroyed(desk, one), is_destroyed(desk, two)) == (True, False)


def test_a_list_without_papers_is_no_disposal(desk: MemoryDesk) -> None:
    with pytest.raises(ValidationFailed):
        decide(None, Propose((), "j.smit"))
    with pytest.raises(NotFound):
        desk.archive.disposals.load_disposal(desk.file())


# -- approval -----------------------------------------------------------------------------------------------------


def test_a_rule_that_asks_for_approval_is_not_run_without_one(desk: MemoryDesk, dates: Dates) -> None:
    paper = a_letter(desk, dates)
    disposal = propose(desk, paper, approval=True)
    with pytest.raises(ApprovalMissing):
        run(desk, dates, disposal)
    assert not is_destroyed(desk, paper)
    approved = desk.archive.disposals.approve_disposal(disposal, "compared", APPROVER).state
    assert (approved.state, approved.approver) == ("approved", "m.jansen")
    run(desk, dates, disposal)
    assert is_destroyed(desk, paper)


def test_nobody_approves_a_list_of_their_own(desk: MemoryDesk, dates: Dates) -> None:
    disposal = propose(desk, a_letter(desk, dates), approval=True)
    with pytest.raises(ApprovalByProposer):
        desk.archive.disposals.approve_disposal(disposal, "it is right", PROPOSER)
    assert desk.topics[-1] == "disposal-proposed.v1"


def test_a_list_is_approved_and_run_once(desk: MemoryDesk, dates: Dates) -> None:
    disposal = propose(desk, a_letter(desk, dates), approval=True)
    desk.archive.disposals.approve_disposal(disposal, "compared", APPROVER)
    with pytest.raises(IllegalTransition):
        desk.archive.disposals.approve_disposal(disposal, "again", APPROVER)
    run(desk, dates, disposal)
    with pytest.raises(IllegalTransition):
        run(desk, dates, disposal)


# -- asked again --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [TODAY, TODAY + DAY, None])
def test_what_is_kept_longer_by_now_stays_and_is_named(desk: MemoryDesk, dates: Dates, kept: date | None) -> None:
    paper = a_letter(desk, dates)
    disposal = propose(desk, paper)
    dates.kept[paper] = kept
    assert run(desk, dates, disposal).state.kept == (KeptPaper(paper, "retention-not-reached"),)
    assert not is_destroyed(desk, paper)


def test_what_came_under_a_hold_stays_and_is_named(desk: MemoryDesk, dates: Dates) -> None:
    paper, other = a_letter(desk, dates), a_letter(desk, dates)
    disposal = propose(desk, paper, other)
    desk.archive.holding.hold_document(
        paper, HoldOrder("a court asks"), APPROVER, rights=EVERYTHING, expected_version=None
    )
    done = run(desk, dates, disposal).state
    assert (done.destroyed, done.kept) == (1, (KeptPaper(paper, "under-legal-hold"),))


def test_an_authorization_in_force_stays_whatever_its_date(desk: MemoryDesk, dates: Dates) -> None:
    form = desk.issue()
    dates.kept[form] = TODAY - DAY
    assert run(desk, dates, propose(desk, form)).state.kept == (KeptPaper(form, "illegal-transition"),)
    desk.change(form, Cancel(TODAY, "not wanted"))
    assert run(desk, dates, propose(desk, form)).state.destroyed == 1


def test_a_view_that_is_behind_decides_nothing(desk: MemoryDesk, dates: Dates) -> None:
    paper = a_letter(desk, dates)
    dates.behind.add(paper)
    disposal = propose(desk, paper)
    with pytest.raises(Unavailable):
        run(desk, dates, disposal)
    assert not is_destroyed(desk, paper)


def test_a_run_that_was_interrupted_goes_on(desk: MemoryDesk, dates: Dates) -> None:
    one, two = a_letter(desk, dates), a_letter(desk, dates)
    disposal = propose(desk, one, two)
    dates.behind.add(two)
    with pytest.raises(Unavailable):
        run(desk, dates, disposal)
    assert (is_destroyed(desk, one), is_destroyed(desk, two)) == (True, False)
    dates.behind.clear()
    assert run(desk, dates, disposal).state.destroyed == 2
    assert [t for t in desk.topics if t == "content-destroyed.v1"] == ["content-destroyed.v1"] * 2


# -- any history --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(HISTORIES // 100))
def test_in_any_history_nothing_goes_before_its_date_under_a_hold_or_without_approval(seed: int) -> None:
    """I8, with holds, dates, proposals, approvals and runs in any order, against what is kept by hand."""
    chance = random.Random(seed)
    for _ in range(100):
        History(chance).live(30)


class History:
    """What a test keeps by hand: the holds on each paper and on the customer, who proposed and approved each list."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.desk = chance, MemoryDesk()
        self.dates = Dates(self.desk)
        self.holds: dict[UUID, list[UUID]] = {}
        self.on_customer: list[UUID] = []
        self.disposals: dict[UUID, tuple[bool, list[UUID]]] = {}
        self.approved: set[UUID] = set()

    def live(self, steps: int) -> None:
        for _ in range(3):
            self.file()
        for _ in range(steps):
            self.chance.choice((self.file, self.hold, self.lift, self.date, self.propose, self.approve, self.run))()

    def file(self) -> None:
        a_letter(self.desk, self.dates, self.chance.choice([None, TODAY, TODAY - DAY, TODAY + DAY]))

    def alive(self) -> list[UUID]:
        return [paper for paper in self.dates.kept if not is_destroyed(self.desk, paper)]

    def date(self) -> None:
        if papers := self.alive():
            self.dates.kept[self.chance.choice(papers)] = self.chance.choice([None, TODAY, TODAY - DAY])

    def hold(self) -> None:
        holding, order = self.desk.archive.holding, HoldOrder("a court asks")
        if self.chance.random() < 0.2:
            self.on_customer.append(placed_hold(holding.hold_customer("100234", order, APPROVER)).id)
        elif papers := self.alive():
            paper = self.chance.choice(papers)
            outcome = holding.hold_document(paper, order, APPROVER, rights=EVERYTHING, expected_version=None)
            self.holds.setdefault(paper, []).append(placed_hold(outcome).id)

    def lift(self) -> None:
        holding = self.desk.archive.holding
        if self.on_customer:
            holding.release_customer("100234", LiftHold(self.on_customer.pop(), "over"), APPROVER)
        for paper, held in self.holds.items():
            if held and not is_destroyed(self.desk, paper):
                command = LiftHold(held.pop(), "over")
                holding.release_document(paper, command, APPROVER, rights=EVERYTHING, expected_version=None)

    def propose(self) -> None:
        approval, papers = self.chance.random() < 0.5, self.chance.sample([*self.dates.kept], 2)
        self.disposals[propose(self.desk, *papers, approval=approval)] = approval, papers

    def approve(self) -> None:
        if self.disposals:
            disposal = self.chance.choice([*self.disposals])
            caller = self.chance.choice([PROPOSER, APPROVER])
            try:
                self.desk.archive.disposals.approve_disposal(disposal, "compared", caller)
            except (ApprovalByProposer, IllegalTransition):
                return
            assert caller is APPROVER
            self.approved.add(disposal)

    def run(self) -> None:
        if not self.disposals:
            return
        disposal = self.chance.choice([*self.disposals])
        approval, papers = self.disposals[disposal]
        before = {*self.alive()}
        try:
            run(self.desk, self.dates, disposal)
        except (ApprovalMissing, IllegalTransition):
            assert {*self.alive()} == before
            return
        gone = before - {*self.alive()}
        may_go = {p for p in papers if (kept := self.dates.kept[p]) and kept < TODAY and not self.holds.get(p)}
        assert gone == (before & may_go if not self.on_customer else set())
        assert not approval or disposal in self.approved


def test_the_list_is_that_of_the_proposal(desk: MemoryDesk, dates: Dates) -> None:
    paper = a_letter(desk, dates)
    disposal = propose(desk, paper)
    a_letter(desk, dates)
    assert [one.paper for one in desk.archive.disposals.load_disposal(disposal).state.papers] == [paper]
