"""Several desks do at random what desks do; after every step the archive is held against the model and the invariants.

model.py says what is right, places.py where it is tried. A command may be met by another desk's, which slips in ahead
of its append: the answer must then be as if that one had come first.
"""

from collections.abc import Callable
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from domain.document_type import DefineType
from tests.builders.papers import a_caller, a_document_type
from tests.property.acting import (
    ACCOUNTS,
    Desk,
    contents,
    desks,
    has_statement,
    kinds,
    known,
    past_days,
    pick,
    statement_kinds,
)
from tests.property.correcting import Correcting
from tests.property.filing import Filing
from tests.property.model import Data
from tests.property.steps import Steps

STORY = (
    "withdraw", "withdraw", "withdraw", "restore", "restore", "attach", "attach", "collect", "collect", "suspend",
    "resume", "sign", "revoke",
)  # fmt: skip


class Lives(Filing, Steps, Correcting):
    @rule(kind=kinds, label=st.integers(0, 3))
    def switch(self, kind: str, label: int) -> None:
        """A type is renamed and switched off or on; that forms of it still come in is the model's."""
        off = kind not in self.model.off and label > 0
        definition = a_document_type(kind, labels={"en": f"label {label}"}, active=not off).definition
        self.archive.catalogues.define_type(DefineType(kind, definition), a_caller())
        (self.model.off.add if off else self.model.off.discard)(kind)
        self.left = self.place.trace()

    @precondition(lambda self: self.last)
    @rule()
    def send_again(self) -> None:
        """With the same Idempotency-Key, whatever happened since."""
        assert self.last is not None
        send, first = self.last
        before, stored = self.place.trace(), len(self.place.contents.plain)
        again = send()
        assert (again.replayed, again.position, again.customer) == (True, first.position, first.customer)
        assert list(again.recorded) == list(first.recorded)
        assert (self.place.trace(), len(self.place.contents.plain)) == (before, stored)

    @has_statement
    @rule(desk=desks, other=desks, n=pick, quicker=pick, slower=pick, to=known, content=contents)
    def two_at_once(self, desk: Desk, other: Desk, n: int, quicker: int, slower: int, to: str, content: bytes) -> None:
        """Two desks, one authorization or its paper, one instant."""
        paper = self.rather(n, lambda s: s.status in ("issued", "active"))
        commands = self.contested(paper, to, content)
        self.interruption = lambda: commands[quicker % len(commands)](other)
        commands[slower % len(commands)](desk)
        self.interruption = None

    @rule(
        desk=desks, customer=known, kind=statement_kinds, account=st.sampled_from(ACCOUNTS),
        dated=st.none() | past_days, content=contents, acts=st.lists(st.sampled_from(STORY), min_size=3, max_size=8),
    )  # fmt: skip
    def story_of_a_form(
        self,
        desk: Desk,
        customer: str,
        kind: str,
        account: str,
        dated: int | None,
        content: bytes,
        acts: list[str],
    ) -> None:
        """A form comes back, and what Undo is about happens to it: of single acts few meet on one authorization."""
        known_before = len(self.model.statements)
        asked = {"given": Data(iban=account), "dated": dated, "ends": None, "external": None, "slip": None}
        self.issue(desk=desk, customer=customer, kind=kind, **asked)
        paper = [*self.model.statements][-1] if len(self.model.statements) > known_before else None
        if paper is None:
            return
        for act in ("attach", *acts):
            self.act_on(desk, paper, content, act)
            if act == "withdraw":  # which the next act may make up for
                self.everything_is_as_the_model_says()

    def act_on(self, desk: Desk, paper: UUID, content: bytes, act: str) -> None:
        s = self.model.statements[paper]
        papers = [d for d, p in self.model.papers.items() if p.evidence_of == paper]
        if act == "attach":
            self.attach_to(desk, paper, content, anyway=len(papers) % 2 == 0)
        elif act == "sign":
            self.sign_form(desk, paper)
        elif act == "revoke":
            self.revoke_one(desk, paper)
        elif act in ("suspend", "resume"):
            self.suspend_one(desk, paper, resume=act == "resume")
        elif act == "collect":
            self.collect_one(desk, paper)
        elif act == "withdraw" and (s.evidence or papers):
            self.withdraw_one(desk, s.evidence or papers[-1])
        elif act == "restore" and papers:
            withdrawn = [d for d in papers if self.model.papers[d].status == "withdrawn"]
            self.withdraw_one(desk, (withdrawn or papers)[0], back=True)

    def contested(self, paper: UUID, to: str, content: bytes) -> list[Callable[[Desk], None]]:
        evidence = self.model.statements[paper].evidence
        of_statement: list[Callable[[Desk], None]] = [
            lambda desk: self.attach_to(desk, paper, content),
            lambda desk: self.attach_to(desk, paper, content, anyway=False),
            lambda desk: self.sign_form(desk, paper),
            lambda desk: self.revoke_one(desk, paper),
            lambda desk: self.suspend_one(desk, paper),
            lambda desk: self.cancel_one(desk, paper),
            lambda desk: self.amend_one(desk, paper, Data(iban=ACCOUNTS[0])),
            lambda desk: self.move_one(desk, paper, to),
        ]
        if evidence is None:
            return of_statement
        return [
            *of_statement,
            lambda desk: self.withdraw_one(desk, evidence),
            lambda desk: self.move_paper(desk, evidence, to),
            lambda desk: self.link_one(desk, evidence, to),
            lambda desk: self.unlink_one(desk, evidence, to),
            lambda desk: self.replace_one(desk, evidence, content),
        ]
