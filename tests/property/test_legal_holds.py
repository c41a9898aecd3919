"""No paper under a legal hold may be destroyed, whatever happened to it: random histories of the aggregates.

The oracle keeps by hand who a paper belongs to and which holds were placed and not lifted; it shares no line with
domain/custody.py.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import authorization, customer_file, document
from domain.authorization import AttachEvidence, Issue, Terms, WithdrawEvidence
from domain.custody import Custody, HeldPaper, customers_of, partners_of, require_destroyable
from domain.customer_file import CustomerFile, HoldCustomer
from domain.document import ArchiveDocument, Description, LinkCustomer, UnlinkCustomer
from domain.hold import LiftHold, PlaceHold
from domain.refusals import Refusal, RetentionNotReached, UnderLegalHold
from domain.values import Source
from tests.builders.papers import a_content, a_document_type

BEGIN = date(2026, 1, 1)
CUSTOMERS = [UUID(int=n) for n in range(1, 4)]
LETTER, CONSENT = a_document_type("LETTER"), a_document_type("GUARDIAN_CONSENT")
STEPS = 25


@dataclass
class Told:
    """What the oracle knows of a paper."""

    customers: set[UUID]
    evidence_of: UUID | None = None
    joint: set[UUID] = field(default_factory=set)


class World:
    def __init__(self, seed: int) -> None:
        self.chance, self.today, self.given = random.Random(seed), BEGIN, 100
        self.states: dict[UUID, HeldPaper] = {}
        self.files: dict[UUID, CustomerFile] = {}
        self.told: dict[UUID, Told] = {}
        self.holds: dict[UUID, tuple[UUID, date | None]] = {}
        self.lifted: list[tuple[UUID, UUID]] = []
        self.archive(None)
        self.issue()

    def new(self) -> UUID:
        self.given += 1
        return UUID(int=self.given)

    def act(self) -> None:
        acts: list[Callable[[], Any]] = [
            lambda: self.archive(None), self.issue, self.attach, self.withdraw, self.link, self.unlink, self.move,
            self.place, self.place, self.place, self.lift, self.lift, self.sleep,
        ]  # fmt: skip
        with suppress(Refusal):
            self.chance.choice(acts)()

    # -- what happens -------------------------------------------------------------------------------------------

    def archive(self, statement: UUID | None) -> UUID:
        paper = self.new()
        customer = self.customer() if statement is None else self.states[statement].customer
        command = ArchiveDocument(
            customer=customer,
            type=LETTER if statement is None else CONSENT,
            source=Source.FILE,
            content=a_content(),
            sha256=b"plain",
            file_name=None,
            description=Description(None, self.today),
            evidence_of=statement,
        )
        self.evolve(paper, command)
        self.told[paper] = Told({customer}, statement)
        return paper

    def issue(self) -> None:
        paper, customer = self.new(), self.customer()
        lapses_on = BEGIN + timedelta(days=90_000)
        self.evolve(
            paper,
            Issue(customer=customer, type=CONSENT, scan_code="x", language="en", lapses_on=lapses_on, today=self.today),
        )
        self.told[paper] = Told({customer})

    def attach(self) -> None:
        statement = self.statement()
        state = self.states[statement]
        if isinstance(state, authorization.Authorization) and state.evidence is None:
            paper = self.archive(statement)
            terms = Terms(signed_on=self.today)
            self.evolve(
                statement,
                AttachEvidence(document=paper, type=CONSENT, source=Source.FILE, terms=terms, today=self.today),
            )

    def withdraw(self) -> None:
        statement = self.statement()
        state = self.states[statement]
        if isinstance(state, authorization.Authorization) and state.evidence is not None:
            lapses_on = self.today + timedelta(days=9_000)
            paper = state.evidence
            self.evolve(paper, document.Withdraw("x"))
            self.evolve(statement, WithdrawEvidence(document=paper, lapses_on=lapses_on, today=self.today, reason="x"))

    def link(self) -> None:
        paper, customer = self.document(), self.customer()
        self.evolve(paper, LinkCustomer(customer, "x"))
        self.told[paper].joint |= {customer} - self.told[paper].customers

    def unlink(self) -> None:
        paper, customer = self.document(), self.customer()
        self.evolve(paper, UnlinkCustomer(customer, "x"))
        self.told[paper].joint.discard(customer)

    def move(self) -> None:
        """An authorization and all its papers move together."""
        paper, customer = self.chance.choice([*self.told]), self.customer()
        statement = self.told[paper].evidence_of or paper
        for other, about in self.told.items():
            if statement in (other, about.evidence_of):
                state = self.states[other]
                moves = document if isinstance(state, document.Document) else authorization
                self.evolve(other, moves.Reassign(customer, "x"))
                about.customers, about.joint = {customer}, about.joint - {customer}

    def place(self) -> None:
        hold, until = self.new(), self.chance.choice((None, self.today + timedelta(days=self.chance.randrange(-5, 90))))
        target = self.chance.choice([*self.told, *CUSTOMERS])
        command = PlaceHold(hold=hold, until=until, today=self.today, reason="x")
        if target in CUSTOMERS:
            self.evolve_file(target, HoldCustomer(target, command))
        else:
            self.evolve(target, command)
        assert until is None or until >= self.today
        self.holds[hold] = target, until

    def lift(self) -> None:
        """Sometimes one that was lifted already, or is on another paper, and that changes nothing."""
        if self.holds and self.chance.random() < 0.8:
            hold, (target, _) = self.chance.choice([*self.holds.items()])
        else:
            target, hold = self.chance.choice([*self.lifted, (self.chance.choice([*self.told]), UUID(int=99))])
        command = LiftHold(hold, "x")
        if target in CUSTOMERS:
            self.evolve_file(target, command)
        else:
            self.evolve(target, command)
        assert self.holds.pop(hold)[0] == target
        self.lifted.append((target, hold))

    def sleep(self) -> None:
        self.today += timedelta(days=self.chance.choice((1, 10, 60)))

    # -- states -------------------------------------------------------------------------------------------------

    def evolve(self, paper: UUID, command: Any) -> None:
        state: Any = self.states.get(paper)
        about: Any = document if isinstance(command, ArchiveDocument) or isinstance(state, document.Document) else None
        about = about or authorization
        for event in about.decide(state, command):
            state = about.evolve(state, event)
        self.states[paper] = state

    def evolve_file(self, customer: UUID, command: Any) -> None:
        state = self.files.get(customer)
        for event in customer_file.decide(state, command):
            state = customer_file.evolve(state, event)
        if state:
            self.files[customer] = state

    def customer(self) -> UUID:
        return self.chance.choice(CUSTOMERS)

    def document(self) -> UUID:
        return self.chance.choice([p for p, s in self.states.items() if isinstance(s, document.Document)])

    def statement(self) -> UUID:
        return self.chance.choice([p for p, s in self.states.items() if isinstance(s, authorization.Authorization)])

    # -- what is asked ------------------------------------------------------------------------------------------

    def custody(self, paper: UUID) -> Custody:
        state = self.states[paper]
        partners = [self.states[other] for other in partners_of(state)]
        customers = customers_of([state, *partners])
        holds = {one: self.files[one].holds if one in self.files else () for one in customers}
        return Custody(paper=state, partners=partners, customers=holds)

    def covering(self, paper: UUID) -> set[str]:
        """The oracle: the holds in force on the paper, its authorization or evidence, or any customer of these."""
        about = self.told[paper]
        papers = {paper} | {other for other, t in self.told.items() if paper == t.evidence_of}
        papers |= {about.evidence_of} if about.evidence_of else set()
        targets = papers | {c for p in papers for c in self.told[p].customers | self.told[p].joint}
        return {
            str(hold)
            for hold, (target, until) in self.holds.items()
            if target in targets and (until is None or until >= self.today)
        }


def assert_holds_win(world: World, counted: dict[str, int]) -> None:
    for paper in world.told:
        kept_until = world.today + timedelta(days=world.chance.randrange(-3, 2))
        expected, answer = world.covering(paper), answer_for(world, paper, kept_until)
        if expected:
            assert answer == expected
        else:
            assert answer == {"kept" if world.today <= kept_until else "destroyable"}
        counted["held" if expected else answer.pop()] += 1


def answer_for(world: World, paper: UUID, kept_until: date) -> set[str]:
    """The ids of the holds that refuse, or what was answered without one."""
    try:
        require_destroyable(world.custody(paper), kept_until=kept_until, today=world.today)
    except UnderLegalHold as refused:
        return {*refused.extra["holds"]}
    except RetentionNotReached:
        return {"kept"}
    return {"destroyable"}


@pytest.mark.parametrize("histories", [1_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_nothing_under_a_hold_may_be_destroyed(histories: int) -> None:
    """The floors say that each answer was given often, so the comparison is not hollow."""
    counted = dict.fromkeys(("held", "kept", "destroyable"), 0)
    for seed in range(histories):
        world = World(seed)
        for _ in range(STEPS):
            world.act()
        assert_holds_win(world, counted)
    assert all(times > histories for times in counted.values()), counted
