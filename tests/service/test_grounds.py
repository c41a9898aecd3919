"""Archives in which a release before `evidence-withdrawn` withdrew papers: found, named, mended when that is asked for.

That release appended DocumentWithdrawn alone; its bytes are those of tests/store/golden.
"""

from typing import Any
from uuid import UUID

import pytest

from domain import document
from domain.access import Rights
from domain.authorization import ReportCollection, Revoke, Suspend
from domain.changes import Change, in_stream
from domain.commands import CallerRequest
from domain.document import Restore, Withdraw
from domain.mandate import CollectionOutcome
from tests.builders.papers import a_caller, a_mandate, a_mandate_form, an_iban, an_order, an_upload
from tests.service.program import Program, paper_of

REASON = "not ours after all"


class Desk:
    """Signs by paper, and withdraws as that release did."""

    def __init__(self, program: Program) -> None:
        self.program, self.archive = program, program.archive
        self.everything, self.accounts = Rights([*self.archive.catalogues.load_types()]), 0

    def signed(self) -> tuple[UUID, UUID]:
        """A mandate whose form came back, and its paper."""
        self.accounts += 1
        form = a_mandate_form(mandate=a_mandate(iban=an_iban("INGB", self.accounts)))
        issued = self.archive.forms.issue_form(form, a_caller())
        statement = paper_of(issued)
        order = an_order(customer=None, type=None, authorization=statement)
        saved = self.archive.filing.archive_file(
            order, an_upload(f"%PDF-1.7 {statement}".encode()), a_caller(), self.everything
        )
        [paper] = {r.envelope.originator_id for r in saved.recorded} - {statement}
        return statement, paper

    def withdrawn_by_the_older_release(self) -> tuple[UUID, UUID]:
        statement, paper = self.signed()
        self.withdraw_alone(paper)
        return statement, paper

    def withdraw_alone(self, paper: UUID) -> None:
        state = document.fold(e.body for e in self.program.store.log.load(paper))
        assert state is not None
        steps = in_stream(paper, document.decide(state, Withdraw(REASON)))
        self.archive.corrections.commands.append(
            Change(steps=steps, versions={paper: state.version}), CallerRequest(a_caller())
        )  # what it appended

    def correct(self, paper: UUID, command: document.Command) -> None:
        self.archive.corrections.correct_document(
            paper, command, a_caller(), rights=self.everything, expected_version=None
        )

    def step(self, statement: UUID, order: Any) -> None:
        self.archive.life.change_authorization(
            statement, order, a_caller(), rights=self.everything, expected_version=None
        )

    def collect(self, statement: UUID) -> None:
        today = self.archive.clock.today()
        self.step(
            statement, ReportCollection(presented_on=today, due_on=today, outcome=CollectionOutcome.PAID, today=today)
        )

    def status(self, statement: UUID) -> str:
        self.program.follow()
        [(status,)] = self.program.sql(
            "select status from views.customer_documents where id = %s and to_position is null", statement
        )
        return str(status)


@pytest.fixture
def desk(archive: Program) -> Desk:
    return Desk(archive)


def named(archive: Program) -> list[str]:
    report = archive.run("verify", "--json", "--no-views", code=6).json
    assert {problem["kind"] for problem in report["problems"]} == {"signed-without-ground"}
    return sorted(problem["id"] for problem in report["problems"])


def test_verify_names_what_counts_as_signed_though_its_only_paper_is_withdrawn(archive: Program, desk: Desk) -> None:
    statement, _ = desk.withdrawn_by_the_older_release()
    suspended, _ = desk.withdrawn_by_the_older_release()
    desk.step(suspended, Suspend(archive.archive.clock.today(), REASON))
    assert named(archive) == sorted(map(str, (statement, suspended)))


def test_what_has_a_ground_or_is_over_is_not_named(archive: Program, desk: Desk) -> None:
    desk.signed()
    _, paper = desk.signed()
    desk.correct(paper, Withdraw(REASON))  # as it is done now
    _, restored = desk.withdrawn_by_the_older_release()
    desk.correct(restored, Restore(REASON))
    over, _ = desk.withdrawn_by_the_older_release()
    today = archive.archive.clock.today()
    desk.step(over, Revoke(received_on=today, effective_on=today, today=today, reason=REASON))
    archive.corrected()
    assert archive.run("verify", "--json").json["problems_found"] == 0
    assert archive.run("grounds", "--json").json == {"items": []}


def test_nothing_is_changed_without_being_asked(archive: Program, desk: Desk) -> None:
    statement, paper = desk.withdrawn_by_the_older_release()
    last = archive.store.log.last_position()
    [found] = archive.run("grounds", "--json", code=6).json["items"]
    assert (found["authorization"], found["document"]) == (str(statement), str(paper))
    assert (found["status"], found["collected"]) == ("active", False)
    assert archive.store.log.last_position() == last
    assert desk.status(statement) == "active"


@pytest.mark.parametrize("reason", ["", " ", "a\x1bb"])
def test_a_reason_that_no_correction_may_have_mends_nothing(archive: Program, desk: Desk, reason: str) -> None:
    desk.withdrawn_by_the_older_release()
    before = archive.store.log.last_position()
    archive.run("grounds", "--mend", "--yes", "--reason", reason, code=2)
    assert archive.store.log.last_position() == before


def test_mended_it_is_issued_again_and_takes_its_form_again(archive: Program, desk: Desk) -> None:
    statement, _ = desk.withdrawn_by_the_older_release()
    content = an_upload(f"%PDF-1.7 {statement}".encode())
    mended = archive.run("grounds", "--mend", "--yes", "--actor", "b.visser", "--reason", "by hand")
    assert "1 of 1 authorizations are back in the state issued" in mended.err
    assert desk.status(statement) == "issued"
    history = archive.run("history", "authorization", statement, "--json").json["items"]
    assert (history[0]["action"], history[0]["actor"], history[0]["reason"]) == (
        "evidence-withdrawn", "b.visser", "by hand",
    )  # fmt: skip
    assert archive.run("verify", "--json").json["problems_found"] == 0
    assert archive.run("grounds", "--mend", "--yes", "--json").json == {"items": []}
    # The very same file comes in by the same code, since a withdrawn paper claims nothing.
    again = an_order(customer=None, type=None, authorization=statement)
    desk.archive.filing.archive_file(again, content, a_caller(), desk.everything)
    assert desk.status(statement) == "active"


def test_what_money_was_asked_for_with_is_named_and_left(archive: Program, desk: Desk) -> None:
    collected, paper = desk.signed()
    desk.collect(collected)
    desk.withdraw_alone(paper)
    other, _ = desk.withdrawn_by_the_older_release()
    mended = archive.run("grounds", "--mend", "--yes", code=7)
    assert "1 of 2 authorizations are back in the state issued" in mended.err
    assert (desk.status(collected), desk.status(other)) == ("active", "issued")
    assert named(archive) == [str(collected)]
    desk.correct(paper, Restore(REASON))
    assert archive.run("verify", "--json", "--no-views").json["problems_found"] == 0
