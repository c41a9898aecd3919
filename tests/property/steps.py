"""Commands of random lives: the life of an authorization, and the calendar."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from domain.archive import AmendMandate, Caller, Outcome, SupersedeBy
from domain.authorization import Cancel, Reinstate, ReportCollection, Resume, Revoke, Suspend
from domain.life import Order, TakeBackNote
from domain.mandate import Amendment, CollectionOutcome
from tests.builders.memory import EVERYTHING
from tests.property.acting import (
    Acting,
    Desk,
    days,
    desks,
    expected,
    has_statement,
    maybe_account,
    past_days,
    pick,
    references,
)
from tests.property.holds import SECRET
from tests.property.model import IN_FORCE, Data, Why


class Steps(Acting):
    def change(
        self,
        desk: Desk,
        paper: UUID,
        order: Order,
        how: str,
        why: Callable[[], Why],
        apply: Callable[[], bool],
    ) -> None:
        version = self.version(how, paper)

        def all_why() -> Why:
            return {**self.model.stale(version, self.model.statements[paper].version), **why()}

        def act(caller: Caller) -> Outcome:
            return self.archive.life.change_authorization(
                paper, order, caller, rights=EVERYTHING, expected_version=version
            )

        self.do(desk, all_why, act, lambda _: apply())

    @has_statement
    @rule(
        desk=desks, n=pick, how=expected, iban=maybe_account, reference=references,
        debtor=st.sampled_from([None, f"M. {SECRET}"]), bic=st.sampled_from([None, "ABNANL2A"]),
    )  # fmt: skip
    def amend(self, desk: Desk, n: int, how: str, **changed: str | None) -> None:
        paper, data = self.rather(n, lambda s: s.is_mandate and s.status in IN_FORCE), Data(**changed)  # type: ignore[arg-type]  # words only
        self.amend_one(desk, paper, data, how)

    def amend_one(self, desk: Desk, paper: UUID, data: Data, how: str = "any") -> None:
        given = {"iban": data.iban, "mandate_reference": data.reference, "debtor_name": data.debtor, "bic": data.bic}
        amendment = Amendment(**{name: value for name, value in given.items() if value is not None})
        self.change(
            desk,
            paper,
            AmendMandate(amendment, SECRET),
            how,
            lambda: self.model.unamendable(paper, data),
            lambda: self.model.amend(paper, data),
        )

    @has_statement
    @rule(desk=desks, n=pick, how=expected, resume=st.booleans())
    def suspend(self, desk: Desk, n: int, how: str, resume: bool) -> None:
        was = "suspended" if resume else "active"
        self.suspend_one(desk, self.rather(n, lambda s: s.status == was), how, resume=resume)

    def suspend_one(self, desk: Desk, paper: UUID, how: str = "any", *, resume: bool = False) -> None:
        today = self.model.today
        was, becomes = ("suspended", "active") if resume else ("active", "suspended")

        def done() -> bool:
            s = self.model.statements[paper]
            s.status, s.version, s.out_of_force = becomes, s.version + 1, None if resume else today
            s.suspended_from = s.out_of_force
            return True

        order = Resume(today, SECRET) if resume else Suspend(today, SECRET)
        self.change(desk, paper, order, how, lambda: self.model.illegal(paper, was), done)

    @has_statement
    @rule(desk=desks, n=pick, how=expected, received=past_days | st.just(1), effective=days)
    def revoke(self, desk: Desk, n: int, how: str, received: int, effective: int) -> None:
        self.revoke_one(desk, self.rather(n, lambda s: s.status in IN_FORCE), how, received, effective)

    def revoke_one(self, desk: Desk, paper: UUID, how: str = "any", received: int = 0, effective: int = 0) -> None:
        order = Revoke(
            received_on=self.day(received), effective_on=self.day(effective), today=self.model.today, reason=SECRET
        )

        def why() -> Why:
            late = {"ValidationFailed": None} if received > 0 else {}
            return {**self.model.illegal(paper, *IN_FORCE), **late}

        def revoked() -> bool:
            self.model.revoke(paper, order.effective_on)
            return True

        self.change(desk, paper, order, how, why, revoked)

    @has_statement
    @rule(desk=desks, n=pick, by=pick, how=expected)
    def supersede(self, desk: Desk, n: int, by: int, how: str) -> None:
        paper, today = self.rather(n, lambda s: s.status in IN_FORCE), self.model.today
        old = self.model.statements[paper]
        successor = self.rather(by, lambda s: (s.customer, s.type) == (old.customer, old.type))

        def superseded() -> bool:
            s = self.model.statements[paper]
            s.version += 1
            s.over("superseded", today + timedelta(days=1))
            return True

        why = lambda: self.model.no_successor(paper, successor)  # noqa: E731  # beside its twin
        self.change(desk, paper, SupersedeBy(successor, SECRET), how, why, superseded)

    @has_statement
    @rule(desk=desks, n=pick, how=expected)
    def cancel(self, desk: Desk, n: int, how: str) -> None:
        self.cancel_one(desk, self.rather(n, lambda s: s.status == "issued"), how)

    def cancel_one(self, desk: Desk, paper: UUID, how: str = "any") -> None:
        today = self.model.today

        def cancelled() -> bool:
            s = self.model.statements[paper]
            s.version += 1
            s.over("cancelled", today + timedelta(days=1))
            return True

        self.change(desk, paper, Cancel(today, SECRET), how, lambda: self.model.illegal(paper, "issued"), cancelled)

    @has_statement
    @rule(desk=desks, n=pick, how=expected)
    def take_back_note(self, desk: Desk, n: int, how: str) -> None:
        paper = self.rather(n, lambda s: s.noted and s.status in IN_FORCE and not s.evidence)

        def taken_back() -> bool:
            self.model.take_back_note(paper)
            return True

        why = lambda: self.model.untakeable(paper)  # noqa: E731  # beside its twin
        self.change(desk, paper, TakeBackNote(SECRET), how, why, taken_back)

    @has_statement
    @rule(desk=desks, n=pick, how=expected)
    def reinstate(self, desk: Desk, n: int, how: str) -> None:
        self.reinstate_one(
            desk, self.rather(n, lambda s: s.before_end and s.again().on(self.model.today).before_end is None), how
        )

    def reinstate_one(self, desk: Desk, paper: UUID, how: str = "any") -> None:
        def reinstated() -> bool:
            self.model.reinstate(paper)
            return True

        order = Reinstate(self.model.today, SECRET)
        self.change(desk, paper, order, how, lambda: self.model.unreinstatable(paper), reinstated)

    @has_statement
    @rule(desk=desks, n=pick, how=expected, presented=days, due=days, outcome=st.sampled_from(CollectionOutcome))
    def collect(self, desk: Desk, n: int, how: str, presented: int, due: int, outcome: CollectionOutcome) -> None:
        self.collect_one(desk, self.rather(n, lambda s: s.complete and s.signed), how, presented, due, outcome)

    def collect_one(
        self,
        desk: Desk,
        paper: UUID,
        how: str = "any",
        presented: int = 0,
        due: int = 0,
        outcome: CollectionOutcome = CollectionOutcome.PAID,
    ) -> None:
        order = ReportCollection(
            presented_on=self.day(presented),
            due_on=self.day(due),
            outcome=outcome,
            today=self.model.today,
            reference=SECRET,
        )

        def collected() -> bool:
            self.model.collect(paper, order.due_on, outcome.value)
            return True

        why = lambda: self.model.uncollectable(paper, order.presented_on)  # noqa: E731  # beside its twin
        self.change(desk, paper, order, how, why, collected)

    # -- the calendar -------------------------------------------------------------------------------------------

    @rule(n=st.sampled_from([1, 1, 1, 29, 180, 366, 1096]))
    def days_pass(self, n: int) -> None:
        self.place.clock.move_to(self.place.clock.today() + timedelta(days=n))
        self.model.today = self.place.clock.today()

    @has_statement
    @rule(n=st.sampled_from([1, 40, 200, 1100]))
    def a_clock_is_wrong_for_a_moment(self, n: int) -> None:
        """All that it ends can be taken back by the right one."""
        right = self.model.today
        self.days_pass(n)
        self.write_down_what_is_due()
        self.place.clock.move_to(right)
        self.model.today = right

    @has_statement
    @rule()
    def write_down_what_is_due(self) -> None:
        for paper in [*self.model.statements]:
            assert self.archive.life.lapse_authorization(paper) == self.model.lapse(paper)
        self.left = self.place.trace()
