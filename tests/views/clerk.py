"""Does at random what a desk does, and keeps by hand, in a few lines a command, what the lists must show then."""

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec

from domain.access import Role
from domain.administration import CreateToken, ExportArchive, ExportCustomer, RevokeToken
from domain.archive import AmendMandate, Outcome, SupersedeBy
from domain.authorization import Cancel, Reinstate, Resume, Suspend
from domain.catalogue import SHIPPED
from domain.customer import CustomerStatus
from domain.document import Command, Describe, Reclassify, Restore, Withdraw
from domain.holding import placed_hold
from domain.life import Order, TakeBackNote
from domain.mandate import Amendment, CollectionOutcome
from domain.refusals import Refusal
from domain.values import Kind
from tests.builders.events import A_GROUND
from tests.builders.papers import a_caller, a_mandate
from tests.views.desk import CUSTOMERS, Desk, paper_of

LETTERS = [code for code, d in SHIPPED.items() if d.kind is Kind.DOCUMENT and not d.verify_only]
AUTHORIZATIONS = [code for code, d in SHIPPED.items() if d.kind is Kind.AUTHORIZATION]
NOTES = (None, "about the card", "wissel 12 € / ü", "O'Brien; drop table", "\\N", "a\tb\nc", "", "x" * 4000)
IBANS = ("BE68539007547034", "NL91ABNA0417164300", "DE89370400440532013000")
ENDED = ("revoked", "superseded", "expired", "cancelled")
# What a paper is after an event; others leave it as it is.
STATUS = {
    "document-withdrawn": "withdrawn",
    "document-restored": "archived",
    "authorization-signed": "active",
    "authorization-suspended": "suspended",
    "authorization-resumed": "active",
    "authorization-revoked": "revoked",
    "authorization-superseded": "superseded",
    "authorization-expired": "expired",
    "authorization-cancelled": "cancelled",
    "content-destroyed": "destroyed",
    "authorization-destroyed": "destroyed",
}


class Shown(msgspec.Struct):
    """A line of a customer's list; `actions` are those of the paper itself, oldest first, `files` the names of its
    contents (None once it is destroyed), `noted`: the original of an authorization is a ground beside its evidence.
    Evidence is a line for the customers to whom it is `linked`, and lends its own to its authorization."""

    customer: str
    kind: str
    type: str
    status: str
    source: str
    note: str | None
    actions: list[str]
    title: str | None = None
    files: list[str | None] = []
    evidence: UUID | None = None
    evidence_of: UUID | None = None
    linked: list[str] = []
    noted: bool = False


class Clerk:
    """`papers` are in the order of their making."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.customers = CUSTOMERS[:4]
        self.papers: dict[UUID, Shown] = {}
        self.reported: set[str] = set()
        self.holds: dict[UUID, UUID] = {}
        self.holds_of_customers: dict[UUID, str] = {}
        self.refused = 0
        self._labels = 0

    def work(self, commands: int) -> None:
        moves: tuple[Callable[[], None], ...] = (
            self._letter, self._letter, self._file_of_an_authorization, self._consent, *[self._mandate] * 2, self._seen,
            *[self._form] * 2, *[self._sign] * 2, *[self._attach] * 2, *[self._change] * 8, self._end_wrongly,
            *[self._correct] * 6, *[self._move] * 3, *[self._link] * 2, self._unlink, self._replace,
            self._change_a_type, self._change_tokens, *[self._report] * 2,
            self._hold, self._release, self._hold_customer, self._release_customer,
            self._destroy,
        )  # fmt: skip
        for _ in range(commands):
            try:
                self.chance.choice(moves)()
            except Refusal:
                self.refused += 1

    def sleep(self) -> None:
        """Weeks or years pass, and what has ended meanwhile is written down."""
        self.desk.clock.moment += timedelta(days=self.chance.choice((0, 0, 1, 20, 400)))
        for paper in self._of_kind("authorization", "mandate"):
            if self.desk.archive.life.lapse_authorization(paper):
                self._learn(paper, self.desk.log.load(paper)[-1].body.topic)

    # -- what comes in ------------------------------------------------------------------------------------------

    def _letter(self) -> None:
        customer, kind, note, name = self._customer(), self.chance.choice(LETTERS), self._note(), self._file_name()
        external = f"ext-{self.chance.randrange(40)}" if self.chance.random() < 0.3 else None
        outcome = self.desk.letter(
            customer, type=kind, note=note, external_id=external, received_on=self._day(), file_name=name
        )
        self._take(outcome, Shown(customer, "document", kind, "archived", "file", note, [], files=[name]))

    def _file_of_an_authorization(self) -> None:
        customer, kind, note = self._customer(), self.chance.choice(AUTHORIZATIONS), self._note()
        outcome = self.desk.letter(customer, type=kind, note=note)
        statement = self._take(outcome, Shown(customer, "authorization", kind, "active", "none", note, []))
        self._take_evidence(outcome, statement, note)

    def _consent(self) -> None:
        customer, kind, note = self._customer(), self.chance.choice(AUTHORIZATIONS), self._note()
        outcome = self.desk.consent(customer, type=kind, note=note, valid_until=self.today + timedelta(days=30))
        self._take(outcome, Shown(customer, "authorization", kind, "active", "none", note, [], noted=True))

    def _mandate(self) -> None:
        """A second one for the same account is refused."""
        customer, note = self._customer(), self._note()
        data = a_mandate(iban=self.chance.choice([None, *IBANS]))
        outcome = self.desk.mandate(customer, mandate=data, note=note)
        self._take(outcome, Shown(customer, "mandate", "DEBT_AUTHORIZATION", "active", "none", note, [], noted=True))

    def _seen(self) -> None:
        customer = self._customer()
        outcome = self.desk.seen(customer)
        self._take(outcome, Shown(customer, "document", "IDENTIFICATION", "archived", "none", None, []))

    # -- forms --------------------------------------------------------------------------------------------------

    def _form(self) -> None:
        customer, note = self._customer(), self._note()
        kind = self.chance.choice([*AUTHORIZATIONS, *["DEBT_AUTHORIZATION"] * 3])
        until = self.chance.choice([None, self.today + timedelta(days=300)])
        outcome = self.desk.form(customer, type=kind, note=note, valid_until=until)
        what = "mandate" if kind == "DEBT_AUTHORIZATION" else "authorization"
        self._take(outcome, Shown(customer, what, kind, "issued", "none", note, []))

    def _sign(self) -> None:
        statement, note = self._statement("issued"), self._note()
        mandate = a_mandate() if self.papers[statement].kind == "mandate" and self.chance.random() < 0.5 else None
        outcome = self.desk.sign(statement, note=note, mandate=mandate)
        if self._learn_from(outcome, statement):
            self.papers[statement].noted = True
            self.papers[statement].note = self.papers[statement].note if note is None else note

    def _attach(self) -> None:
        statement, note = self._statement("issued", "active"), self._note()
        outcome = self.desk.attach(statement, note=note)
        if self._learn_from(outcome, statement):
            self._take_evidence(outcome, statement, note)

    # -- the life of an authorization ---------------------------------------------------------------------------

    def _change(self) -> None:
        statement = self._statement("issued", "active", "suspended")
        match self.chance.randrange(5 if self.papers[statement].kind == "mandate" else 3):
            case 0:
                outcome = self.desk.revoke(statement, later_days=self.chance.choice((0, 10)))
            case 1 | 2:
                outcome = self.desk.change(statement, self._order(statement))
            case _:
                outcome = self.desk.collect(statement, self._day(), self.chance.choice([*CollectionOutcome]))
        self._learn_from(outcome, statement)

    def _end_wrongly(self) -> None:
        """A clock is years ahead for a moment, and what it ended is taken back."""
        statement = self._statement("issued", "active", "suspended")
        was, right = self.papers[statement].status, self.desk.clock.moment
        self.desk.clock.moment += timedelta(days=1_500)
        if self.desk.archive.life.lapse_authorization(statement):
            self._learn(statement, self.desk.log.load(statement)[-1].body.topic)
        self.desk.clock.moment = right
        outcome = self.desk.change(statement, Reinstate(self.today, "the clock was wrong"))
        self._learn_from(outcome, statement)
        self.papers[statement].status = was

    def _order(self, statement: UUID) -> Order:
        """Mostly one that fits."""
        shown, reason = self.papers[statement], "so it was said"
        amend = AmendMandate(Amendment(iban=self.chance.choice(IBANS), debtor_name=f"J. {self._labels}"), reason)
        suspend, resume, cancel = (kind(self.today, reason) for kind in (Suspend, Resume, Cancel))
        others = [(p, s) for p, s in self.papers.items() if (s.customer, s.kind) == (shown.customer, shown.kind)]
        heirs = [p for p, s in others if s.status in ("issued", "active") and p != statement]
        supersede = SupersedeBy(self.chance.choice(heirs or [statement]), reason)
        more: list[Order] = [supersede, amend, amend] if shown.kind == "mandate" else [supersede]
        back = [TakeBackNote("noted for another")] if shown.noted else []
        fitting: dict[str, list[Order]] = {
            "issued": [cancel],
            "active": [suspend, *more, *back],
            "suspended": [resume, resume, *more, *back],
        }
        everything: list[Order] = [suspend, resume, cancel, supersede, amend, TakeBackNote("no note at all")]
        return self.chance.choice(fitting.get(shown.status, everything) if self.chance.random() < 0.8 else everything)

    # -- what is corrected --------------------------------------------------------------------------------------

    def _correct(self) -> None:
        """Mostly of documents; authorizations refuse, and so does what is withdrawn already."""
        paper = self._any("document") if self.chance.random() < 0.8 else self._any()
        command = self._command() if self.papers[paper].status != "withdrawn" else Restore("no mistake")
        if self._learn_from(self.desk.correct(paper, command), paper):
            shown = self.papers[paper]
            match command:
                case Describe(note=str() | None as note, title=title):
                    shown.note, shown.title = note, title or None
                case Reclassify(type=kind):
                    shown.type = kind.code
                case Withdraw() | Restore() if shown.evidence_of:
                    self._learn_of_evidence(paper, shown.evidence_of)

    def _learn_of_evidence(self, paper: UUID, statement: UUID) -> None:
        """What its only ground was is issued without it; what is over stays so."""
        about = self.papers[statement]
        for envelope in self.desk.log.load(statement)[len(about.actions) :]:
            self._learn(statement, envelope.body.topic)
        if self.papers[paper].status == "withdrawn":
            about.evidence = None
            about.status = "issued" if about.status in ("active", "suspended") and not about.noted else about.status
        else:
            about.evidence = paper
            about.status = "active" if about.status == "issued" else about.status

    def _command(self) -> Command:
        match self.chance.randrange(4):
            case 0:
                title = self.chance.choice((None, "a title", "größer / \\ 'x'"))
                return Describe(
                    note=self._note(), received_on=self._day(), title=title, today=self.today, reason="read again"
                )
            case 1:
                return Reclassify(self.desk.types()[self.chance.choice([*LETTERS, "GUARDIAN_CONSENT"])], "another")
            case 2:
                return Withdraw("a mistake")
        return Restore("no mistake")

    def _move(self) -> None:
        """An authorization and all its papers go together."""
        paper, customer = self._any(), self._customer()
        shown = self.papers[paper]
        move = self.desk.move if shown.kind == "document" else self.desk.move_authorization
        statement = paper if shown.kind != "document" else shown.evidence_of
        if self._learn_from(move(paper, customer), paper):
            self._now_of(paper, customer)
            for other, s in self.papers.items():
                if statement and other != paper and statement in (other, s.evidence_of):
                    self._learn(other, f"{'document' if s.kind == 'document' else 'authorization'}-reassigned.v1")
                    self._now_of(other, customer)

    def _now_of(self, paper: UUID, customer: str) -> None:
        shown = self.papers[paper]
        shown.customer, shown.linked = customer, [c for c in shown.linked if c != customer]

    def _link(self) -> None:
        paper, customer = self._any("document"), self._customer()
        if self._learn_from(self.desk.link(paper, customer), paper):
            self.papers[paper].linked.append(customer)

    def _unlink(self) -> None:
        paper = self.chance.choice([p for p, shown in self.papers.items() if shown.linked] or [self._any("document")])
        customer = self.chance.choice(self.papers[paper].linked or [self._customer()])
        if self._learn_from(self.desk.unlink(paper, customer), paper):
            self.papers[paper].linked.remove(customer)

    def _replace(self) -> None:
        paper, name = self._any("document"), self._file_name()
        if self._learn_from(self.desk.replace(paper, name), paper):
            self.papers[paper].files.append(name)

    def _destroy(self) -> None:
        """An authorization goes with all its papers; one that has not ended refuses, and so does evidence alone."""
        ended = [p for p, s in self.papers.items() if s.status in ENDED]
        paper = self.chance.choice(ended) if ended and self.chance.random() < 0.5 else self._any()
        if self.desk.archive.destroying.destroy_paper(paper, A_GROUND, a_caller()):
            for gone in [paper, *(p for p, s in self.papers.items() if s.evidence_of == paper)]:
                shown = self.papers[gone]
                for envelope in self.desk.log.load(gone)[len(shown.actions) :]:
                    self._learn(gone, envelope.body.topic)
                shown.note, shown.title, shown.files = None, None, [None] * len(shown.files)

    # -- what was done ------------------------------------------------------------------------------------------

    def _take(self, outcome: Outcome, shown: Shown) -> UUID:
        paper = paper_of(outcome)
        self.papers[paper] = shown
        self._learn_from(outcome, paper)
        return paper

    def _take_evidence(self, outcome: Outcome, statement: UUID, note: str | None) -> None:
        (paper,) = {r.envelope.originator_id for r in outcome.recorded} - {statement} - self.papers.keys()
        about = self.papers[statement]
        self.papers[paper] = Shown(
            about.customer, "document", about.type, "archived", "file", note, [], files=["letter.pdf"],
            evidence_of=statement,
        )  # fmt: skip
        self._learn_from(outcome, paper)
        about.evidence = paper

    def _learn_from(self, outcome: Outcome, paper: UUID) -> Sequence[str]:
        """What an outcome tells of a paper that is new."""
        topics = [r.envelope.body.topic for r in outcome.recorded if r.envelope.originator_id == paper]
        new = topics[len(self.papers[paper].actions) :]
        for topic in new:
            self._learn(paper, topic)
        return new

    def _learn(self, paper: UUID, topic: str) -> None:
        shown, action = self.papers[paper], topic.rpartition(".")[0]
        shown.actions.append(action)
        shown.status = STATUS.get(action, shown.status)
        if action == "note-withdrawn":
            shown.noted, shown.status = False, "issued" if "authorization-issued" in shown.actions else "cancelled"

    # -- customers ----------------------------------------------------------------------------------------------

    def _report(self) -> None:
        status = self.chance.choice([*CustomerStatus])
        outcome = self.desk.report(self._customer(), status, self._day())
        self.reported |= {r.envelope.body.topic.rpartition(".")[0] for r in outcome.recorded}

    # -- legal holds --------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Some are for a day that has passed, and refused."""
        paper = self._any()
        outcome = self.desk.hold(paper, until=self._until(), is_document=self.papers[paper].kind == "document")
        self._learn_from(outcome, paper)
        self.holds[placed_hold(outcome).id] = paper

    def _release(self) -> None:
        hold, paper = self.chance.choice([*self.holds.items()] or [(UUID(int=1), self._any())])
        self._learn_from(self.desk.release(paper, hold, is_document=self.papers[paper].kind == "document"), paper)

    def _hold_customer(self) -> None:
        customer = self._customer()
        outcome = self.desk.hold_customer(customer, until=self._until())
        self.holds_of_customers[placed_hold(outcome).id] = customer
        self.reported.add("customer-hold-placed")

    def _release_customer(self) -> None:
        hold, customer = self.chance.choice([*self.holds_of_customers.items()] or [(UUID(int=1), self._customer())])
        self.desk.release_customer(customer, hold)
        self.reported.add("customer-hold-lifted")

    def _until(self) -> date | None:
        return self.chance.choice((None, self.today, self.today + timedelta(days=100), self.today - timedelta(days=1)))

    # -- catalogues ---------------------------------------------------------------------------------------------

    def _change_a_type(self) -> None:
        self._labels += 1
        labels = {"en": f"label {self._labels}", "nl": "etiket"}
        code = self.chance.choice([*LETTERS, *AUTHORIZATIONS])
        self.desk.define(code, msgspec.structs.replace(SHIPPED[code], labels=labels, active=self._labels % 5 > 0))

    def _change_tokens(self) -> None:
        name = f"token-{self.chance.randrange(3)}"
        create = CreateToken(name=name, digest=self.chance.randbytes(32), role=Role.STAFF, branch="EAST")
        exports = ExportCustomer(customer=None, joint=True), ExportArchive(position=1)
        command: CreateToken | RevokeToken | ExportCustomer | ExportArchive = self.chance.choice(
            (create, RevokeToken(name), *exports)
        )
        self.desk.archive.catalogues.administer(command, a_caller(actor="cli:root"))

    # -- values -------------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.desk.clock.today()

    def _of_kind(self, *kinds: str) -> list[UUID]:
        return [paper for paper, shown in self.papers.items() if not kinds or shown.kind in kinds]

    def _any(self, *kinds: str) -> UUID:
        """A paper of these kinds; a letter is made where there is none yet."""
        if not self._of_kind(*kinds):
            self._letter() if "document" in kinds or not kinds else self._consent()
        return self.chance.choice(self._of_kind(*kinds))

    def _statement(self, *statuses: str) -> UUID:
        """Mostly an authorization that is so."""
        found = [paper for paper in self._of_kind("authorization", "mandate") if self.papers[paper].status in statuses]
        return (
            self.chance.choice(found) if found and self.chance.random() < 0.8 else self._any("authorization", "mandate")
        )

    def _customer(self) -> str:
        return self.chance.choice(self.customers)

    def _note(self) -> str | None:
        return self.chance.choice(NOTES)

    def _file_name(self) -> str:
        return self.chance.choice(("letter.pdf", "brief ü.pdf", "with\\back\tslash.pdf", "'quoted\".pdf"))

    def _day(self) -> date:
        return self.today - timedelta(days=self.chance.randrange(400))
