"""Commands of random lives: corrections of documents, and moves of what belongs together."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from domain import document
from domain.archive import Caller, Outcome
from domain.document import Describe, Reclassify, Restore, Withdraw
from tests.builders.memory import EVERYTHING
from tests.builders.papers import an_upload
from tests.property.acting import (
    Acting,
    Desk,
    contents,
    desks,
    expected,
    has_paper,
    has_statement,
    kinds,
    known,
    pick,
    somebody,
)
from tests.property.holds import SECRET
from tests.property.model import KINDS, Why


class Correcting(Acting):
    def correct(
        self,
        desk: Desk,
        paper: UUID,
        how: str,
        use_case: Callable[..., Outcome],
        why: Callable[[], Why],
        apply: Callable[[], bool],
    ) -> None:
        version = self.version(how, paper)

        def all_why() -> Why:
            thing = self.model.papers.get(paper) or self.model.statements[paper]
            return {**self.model.stale(version, thing.version), **why()}

        self.do(
            desk,
            all_why,
            lambda caller: use_case(caller, rights=EVERYTHING, expected_version=version),
            lambda _: apply(),
        )

    @has_paper
    @rule(desk=desks, n=pick, how=expected, note=st.sampled_from([None, SECRET, f"{SECRET} again"]))
    def describe(self, desk: Desk, n: int, how: str, note: str | None) -> None:
        paper = self.paper(n)
        command = Describe(note=note, today=self.model.today, reason=SECRET)

        def described() -> bool:
            p = self.model.papers[paper]
            changed, p.note = p.note != note, note
            p.version += changed
            return changed

        self.correct_one(desk, paper, how, command, lambda: self.model.withdrawn(paper), described)

    def correct_one(
        self,
        desk: Desk,
        paper: UUID,
        how: str,
        command: document.Command,
        why: Callable[[], Why],
        apply: Callable[[], bool],
    ) -> None:
        def use_case(caller: Caller, **more: Any) -> Outcome:
            return self.archive.corrections.correct_document(paper, command, caller, **more)

        self.correct(desk, paper, how, use_case, why, apply)

    @has_paper
    @rule(desk=desks, n=pick, how=expected, kind=kinds)
    def reclassify(self, desk: Desk, n: int, how: str, kind: str) -> None:
        paper = self.paper(n)
        command = Reclassify(self.archive.catalogues.load_types()[kind], SECRET)

        def why() -> Why:
            p = self.model.papers[paper]
            right = {**self.model.withdrawn(paper), **self.model.bad_type(kind)}
            if p.source == "none" and kind in ("LETTER", "FORM"):
                right["SourceNotAllowed"] = None
            if KINDS[kind] != "document" or p.evidence_of:
                right["ValidationFailed"] = None
            return right

        def reclassified() -> bool:
            p = self.model.papers[paper]
            changed, p.type = p.type != kind, kind
            p.version += changed
            return changed

        self.correct_one(desk, paper, how, command, why, reclassified)

    @has_paper
    @rule(desk=desks, n=pick, how=expected, back=st.booleans())
    def withdraw(self, desk: Desk, n: int, how: str, back: bool) -> None:
        """Mostly the paper of an authorization."""
        was = "withdrawn" if back else "archived"
        fitting = [d for d, p in self.model.papers.items() if p.evidence_of and p.status == was]
        collected = [
            d for d in fitting if (s := self.model.papers[d].evidence_of) and self.model.statements[s].last_due
        ]
        fitting = collected if collected and n % 2 else fitting
        self.withdraw_one(desk, fitting[n % len(fitting)] if fitting and n % 3 else self.paper(n), how, back=back)

    def withdraw_one(self, desk: Desk, paper: UUID, how: str = "any", *, back: bool = False) -> None:
        def why() -> Why:
            return self.model.unrestorable(paper) if back else self.model.unwithdrawable(paper)

        def done() -> bool:
            self.model.restore(paper) if back else self.model.withdraw(paper)
            return True

        self.correct_one(desk, paper, how, Restore(SECRET) if back else Withdraw(SECRET), why, done)

    @has_paper
    @rule(desk=desks, n=pick, how=expected, to=somebody)
    def move(self, desk: Desk, n: int, how: str, to: str) -> None:
        self.move_paper(desk, self.paper(n), to, how)

    def move_paper(self, desk: Desk, paper: UUID, to: str, how: str = "any") -> None:
        def use_case(caller: Caller, **more: Any) -> Outcome:
            return self.archive.corrections.reassign_document(paper, to, SECRET, caller, **more)

        def statement() -> UUID | None:
            return self.model.papers[paper].evidence_of

        self.correct(
            desk,
            paper,
            how,
            use_case,
            lambda: self.model.immovable(statement(), to),
            lambda: self.model.move(paper, statement(), to),
        )

    @has_statement
    @rule(desk=desks, n=pick, how=expected, to=somebody)
    def move_statement(self, desk: Desk, n: int, how: str, to: str) -> None:
        self.move_one(desk, self.statement(n), to, how)

    def move_one(self, desk: Desk, paper: UUID, to: str, how: str = "any") -> None:
        def use_case(caller: Caller, **more: Any) -> Outcome:
            return self.archive.corrections.reassign_authorization(paper, to, SECRET, caller, **more)

        def moved() -> bool:
            return self.model.move(self.model.statements[paper].evidence, paper, to)

        self.correct(desk, paper, how, use_case, lambda: self.model.immovable(paper, to), moved)

    @has_paper
    @rule(desk=desks, n=pick, how=expected, to=somebody)
    def link(self, desk: Desk, n: int, how: str, to: str) -> None:
        self.link_one(desk, self.paper(n), to, how)

    def link_one(self, desk: Desk, paper: UUID, to: str, how: str = "any") -> None:
        def use_case(caller: Caller, **more: Any) -> Outcome:
            return self.archive.corrections.link_customer(paper, to, SECRET, caller, **more)

        self.correct(
            desk, paper, how, use_case, lambda: self.model.bad_customer(to), lambda: self.model.link(paper, to)
        )

    @has_paper
    @rule(desk=desks, n=pick, how=expected, customer=known)
    def unlink(self, desk: Desk, n: int, how: str, customer: str) -> None:
        self.unlink_one(desk, self.paper(n), customer, how)

    def unlink_one(self, desk: Desk, paper: UUID, customer: str, how: str = "any") -> None:
        def use_case(caller: Caller, **more: Any) -> Outcome:
            return self.archive.corrections.unlink_customer(paper, customer, SECRET, caller, **more)

        def why() -> Why:
            return {"ValidationFailed": None} if self.model.papers[paper].customer == customer else {}

        self.correct(desk, paper, how, use_case, why, lambda: self.model.unlink(paper, customer))

    @has_paper
    @rule(desk=desks, n=pick, how=expected, content=contents)
    def replace(self, desk: Desk, n: int, how: str, content: bytes) -> None:
        self.replace_one(desk, self.paper(n), content, how)

    def replace_one(self, desk: Desk, paper: UUID, content: bytes, how: str = "any") -> None:
        upload = an_upload(content, name=f"{SECRET} 2.pdf")

        def use_case(caller: Caller, **more: Any) -> Outcome:
            return self.archive.corrections.replace_content(paper, upload, SECRET, caller, **more)

        def why() -> Why:
            nothing = {} if self.model.papers[paper].contents else {"ValidationFailed": None}
            return {**self.model.withdrawn(paper), **nothing}

        self.correct(desk, paper, how, use_case, why, lambda: self.model.replace(paper, content))
