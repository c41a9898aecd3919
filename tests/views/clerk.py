"""Does at random what a desk does, and keeps by hand, in a few lines a command, what the lists must show then."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec

from domain.access import Role
from domain.administration import CreateToken, RevokeToken
from domain.catalogue import SHIPPED
from domain.document import Command, Describe, Reclassify, Restore, Withdraw
from domain.refusals import Refusal
from domain.values import Kind
from tests.builders.papers import a_caller, a_mandate
from tests.views.desk import CUSTOMERS, Desk, paper_of

TODAY = datetime.now(UTC).date()
LETTERS = [code for code, d in SHIPPED.items() if d.kind is Kind.DOCUMENT and not d.verify_only]
AUTHORIZATIONS = [code for code, d in SHIPPED.items() if d.kind is Kind.AUTHORIZATION]
NOTES = (None, "about the card", "wissel 12 € / ü", "O'Brien; drop table", "\\N", "a\tb\nc", "", "x" * 4000)


class Shown(msgspec.Struct):
    """A line of a customer's list; `actions` are those of the paper itself, oldest first."""

    customer: str
    kind: str
    type: str
    status: str
    source: str
    note: str | None
    actions: list[str]
    evidence: UUID | None = None


class Clerk:
    """`papers` are in the order of their making; the evidence of an authorization is none of its own."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.customers = CUSTOMERS[:4]
        self.papers: dict[UUID, Shown] = {}
        self.refused = 0
        self._labels = 0

    def work(self, commands: int) -> None:
        moves: tuple[Callable[[], None], ...] = (
            self._letter, self._letter, self._file_of_an_authorization, self._consent, self._mandate, self._seen,
            *[self._correct] * 6, self._correct_evidence, self._change_a_type, self._change_tokens,
        )  # fmt: skip
        for _ in range(commands):
            try:
                self.chance.choice(moves)()
            except Refusal:
                self.refused += 1

    # -- what comes in ------------------------------------------------------------------------------------------

    def _letter(self) -> None:
        customer, kind, note = self._customer(), self.chance.choice(LETTERS), self._note()
        external = f"ext-{self.chance.randrange(40)}" if self.chance.random() < 0.3 else None
        outcome = self.desk.letter(
            customer, type=kind, note=note, external_id=external, received_on=self._day(), file_name=self._file_name()
        )
        self.papers[paper_of(outcome)] = Shown(
            customer, "document", kind, "archived", "file", note, ["document-archived"]
        )

    def _file_of_an_authorization(self) -> None:
        customer, kind, note = self._customer(), self.chance.choice(AUTHORIZATIONS), self._note()
        outcome = self.desk.letter(customer, type=kind, note=note)
        statement, evidence = dict.fromkeys(r.envelope.originator_id for r in outcome.recorded)
        actions = ["authorization-registered", "evidence-attached"]
        self.papers[statement] = Shown(customer, "authorization", kind, "active", "file", note, actions, evidence)

    def _consent(self) -> None:
        customer, kind, note = self._customer(), self.chance.choice(AUTHORIZATIONS), self._note()
        outcome = self.desk.consent(customer, type=kind, note=note, valid_until=TODAY + timedelta(days=30))
        actions = ["authorization-registered"]
        self.papers[paper_of(outcome)] = Shown(customer, "authorization", kind, "active", "none", note, actions)

    def _mandate(self) -> None:
        """A second one for the same account is refused."""
        customer, note = self._customer(), self._note()
        data = a_mandate(iban=self.chance.choice([None, "BE68539007547034", "NL91ABNA0417164300"]))
        outcome = self.desk.mandate(customer, mandate=data, note=note)
        actions, kind = ["authorization-registered"], "DEBT_AUTHORIZATION"
        self.papers[paper_of(outcome)] = Shown(customer, "mandate", kind, "active", "none", note, actions)

    def _seen(self) -> None:
        customer = self._customer()
        paper = paper_of(self.desk.seen(customer))
        self.papers[paper] = Shown(customer, "document", "IDENTIFICATION", "archived", "none", None, ["identity-seen"])

    # -- what is corrected --------------------------------------------------------------------------------------

    def _correct(self) -> None:
        """Of any paper; authorizations are no documents and refuse, and so does what is withdrawn already."""
        if not self.papers:
            return
        paper = self.chance.choice([*self.papers])
        shown, command = self.papers[paper], self._command()
        version = self.desk.correct(paper, command).recorded[-1].envelope.originator_version
        if version > len(shown.actions):
            self._apply(shown, command)

    def _correct_evidence(self) -> None:
        """Its authorization's line keeps its own note and status."""
        evidence = [shown.evidence for shown in self.papers.values() if shown.evidence]
        if evidence:
            self.desk.correct(self.chance.choice(evidence), self._command())

    def _apply(self, shown: Shown, command: Command) -> None:
        match command:
            case Describe(note=str() | None as note):
                shown.note = note
                shown.actions.append("document-described")
            case Reclassify(type=kind):
                shown.type = kind.code
                shown.actions.append("document-reclassified")
            case Withdraw():
                shown.status = "withdrawn"
                shown.actions.append("document-withdrawn")
            case Restore():
                shown.status = "archived"
                shown.actions.append("document-restored")

    def _command(self) -> Command:
        match self.chance.randrange(4):
            case 0:
                return Describe(note=self._note(), received_on=self._day(), today=TODAY, reason="read again")
            case 1:
                return Reclassify(self.desk.types()[self.chance.choice([*LETTERS, "GUARDIAN_CONSENT"])], "another")
            case 2:
                return Withdraw("a mistake")
        return Restore("no mistake")

    # -- catalogues ---------------------------------------------------------------------------------------------

    def _change_a_type(self) -> None:
        self._labels += 1
        labels = {"en": f"label {self._labels}", "nl": "etiket"}
        code = self.chance.choice([*LETTERS, *AUTHORIZATIONS])
        self.desk.define(code, msgspec.structs.replace(SHIPPED[code], labels=labels, active=self._labels % 5 > 0))

    def _change_tokens(self) -> None:
        name = f"token-{self.chance.randrange(3)}"
        create = CreateToken(name=name, digest=self.chance.randbytes(32), role=Role.STAFF, branch="EAST")
        command: CreateToken | RevokeToken = self.chance.choice((create, RevokeToken(name)))
        self.desk.archive.administer(command, a_caller(actor="cli:root"))

    # -- values -------------------------------------------------------------------------------------------------

    def _customer(self) -> str:
        return self.chance.choice(self.customers)

    def _note(self) -> str | None:
        return self.chance.choice(NOTES)

    def _file_name(self) -> str:
        return self.chance.choice(("letter.pdf", "brief ü.pdf", "with\\back\tslash.pdf", "'quoted\".pdf"))

    def _day(self) -> date:
        return TODAY - timedelta(days=self.chance.randrange(400))
