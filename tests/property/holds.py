"""What holds after every step of lives.py: the invariants I1 to I7 and I10 to I13, and that nothing was left behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, invariant

from domain import authorization, document
from domain.access import Rights
from domain.authorization import Authorization
from domain.catalogue import SHIPPED
from domain.document import Document
from domain.refusals import NotFound, ScanCodeUnknown
from tests.builders.papers import CREDITOR, a_caller
from tests.property.model import HEALTH, IN_FORCE, Data, Model, Paper, Statement
from tests.property.places import Place

CUSTOMERS = ("100234", "100235", "100236")
DESKS = (("j.smit", "CENTRAL"), ("p.jansen", "WEST"), ("kiosk", "EAST"))
SECRET = "Geheim"  # stands in every word that is personal
NO_HEALTH = Rights([code for code in SHIPPED if code not in HEALTH])
ONLY_WEST = Rights(list(SHIPPED), "WEST")


class Holds(RuleBasedStateMachine):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place, self.archive = place, place.archive
        self.model = Model(place.clock.today(), CUSTOMERS, CREDITOR)
        self.read_to = 0

    def teardown(self) -> None:
        self.place.close()

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        states = {paper: self.told(paper) for paper in self.model.statements}
        papers = {paper: self.told_document(paper) for paper in self.model.papers}
        self.one_customer(papers)
        self.one_code_and_one_paper_of_it(states)
        self.evidence_has_the_customer_of_its_authorization(states, papers)
        self.one_mandate_for_an_account(states)
        self.nothing_is_collected_without_data(states)
        self.nothing_personal_is_stored_in_clear(states)
        self.sensitive_papers_do_not_exist_without_permission()
        stored = [content for p in self.model.papers.values() for content in p.contents]
        assert sorted(self.place.contents.plain.values()) == sorted(stored), "content without an event, or none"

    def told(self, paper: UUID) -> Authorization:
        """I3, I11, and that the folded state is the model's."""
        s, envelopes = self.model.statements[paper], self.archive.ports.log.load(paper)
        state = authorization.fold(e.body for e in envelopes)
        assert state is not None
        assert said_of(state, self.customer(state.customer)) == said_by(s)
        end = s.end()
        assert (state.due_on, state.status_on(self.model.today).value) == (
            end and end[0],
            s.on(self.model.today).status,
        )
        self.has_a_ground_that_one_can_see(state)
        assert all((e.meta.actor, e.meta.branch) in [*DESKS, ("system", s.branch)] for e in envelopes)
        assert self.place.holders(paper) == {s.customer}
        return state

    def has_a_ground_that_one_can_see(self, state: Authorization) -> None:
        """I14: what counts as signed has a paper that is not withdrawn, or its original on a shelf."""
        visible = state.evidence is not None and self.model.papers[state.evidence].status == "archived"
        assert visible or state.original_held or state.status_on(self.model.today) not in IN_FORCE
        assert state.evidence is None or visible, "withdrawn evidence is told as evidence"

    def told_document(self, paper: UUID) -> Document:
        p, envelopes = self.model.papers[paper], self.archive.ports.log.load(paper)
        state = document.fold(e.body for e in envelopes)
        assert state is not None
        assert state.description is not None
        assert (
            self.customer(state.customer),
            {self.customer(c) for c in state.linked},
            state.type.code,
            state.source.value,
            state.status.value,
            state.version,
            state.description.note,
            [self.place.contents.plain[f.content.id] for f in state.files],
            state.evidence_of,
        ) == (p.customer, p.linked, p.type, p.source, p.status, p.version, p.note, p.contents, p.evidence_of)
        assert all((e.meta.actor, e.meta.branch) in DESKS for e in envelopes)
        assert self.place.holders(paper) == {p.customer, *p.linked}
        return state

    def one_customer(self, papers: dict[UUID, Document]) -> None:
        """I1."""
        assert all(state.customer not in state.linked for state in papers.values())

    def one_code_and_one_paper_of_it(self, states: dict[UUID, Authorization]) -> None:
        """I4, I13: a code is never given twice, and redeemed once."""
        codes = [s.scan_code for s in states.values() if s.scan_code]
        assert len(codes) == len(set(codes))
        for paper in states:
            topics = [e.body.topic for e in self.archive.ports.log.load(paper)]
            withdrawn = topics.count("evidence-withdrawn.v1") - topics.count("evidence-restored.v1")
            assert topics.count("evidence-attached.v1") - withdrawn in (0, 1)
            unsigned = topics.count("evidence-withdrawn.v1") + topics.count("note-withdrawn.v1")
            assert topics.count("authorization-signed.v1") <= 1 + unsigned

    def evidence_has_the_customer_of_its_authorization(
        self, states: dict[UUID, Authorization], papers: dict[UUID, Document]
    ) -> None:
        """I5."""
        for paper, state in states.items():
            if state.evidence:
                evidence = papers[state.evidence]
                assert (evidence.customer, evidence.evidence_of) == (state.customer, paper)
        archived = [p.evidence_of for p in papers.values() if p.evidence_of and p.is_archived]
        assert sorted(archived) == sorted(p for p, s in states.items() if s.evidence)
        assert all(p.customer == states[p.evidence_of].customer for p in papers.values() if p.evidence_of)

    def one_mandate_for_an_account(self, states: dict[UUID, Authorization]) -> None:
        """I6."""
        mandates = [(s.customer, s.status, s.mandate) for s in states.values() if s.mandate]
        accounts = [(c, m.creditor_id, m.iban) for c, status, m in mandates if status in IN_FORCE and m.iban]
        assert len(accounts) == len(set(accounts))
        given = [m.mandate_reference.upper() for _, _, m in mandates if m.mandate_reference]
        assert len(given) == len(set(given)) == len(mandates)
        assert all(len(reference) <= 35 for reference in given)

    def nothing_is_collected_without_data(self, states: dict[UUID, Authorization]) -> None:
        """I7."""
        for paper, state in states.items():
            if state.signed_on:
                assert state.signed_on <= self.model.today
                assert state.mandate is None or state.mandate.signature_date == state.signed_on
            if state.status in IN_FORCE and (state.mandate is None or not state.mandate.is_complete):
                topics = {e.body.topic for e in self.archive.ports.log.load(paper)}
                assert not topics & {"collection-reported.v1", "mandate-amended.v1"}

    def nothing_personal_is_stored_in_clear(self, states: dict[UUID, Authorization]) -> None:
        """I10, of what came since the last look."""
        words = [SECRET, SECRET.lower(), *CUSTOMERS, *(s.scan_code for s in states.values() if s.scan_code)]
        words += [s.mandate.iban for s in states.values() if s.mandate and s.mandate.iban]
        for position, state in self.place.stored(self.read_to):
            assert [word for word in words if word.encode() in state] == []
            self.read_to = position

    def sensitive_papers_do_not_exist_without_permission(self) -> None:
        """I12; and with own-branch-only rights, nothing of another branch."""
        things: dict[UUID, Statement | Paper] = {**self.model.statements, **self.model.papers}
        for paper, thing in things.items():
            assert self.archive.papers.is_visible(paper, NO_HEALTH) == (thing.type not in HEALTH)
            assert self.archive.papers.is_visible(paper, ONLY_WEST) == (thing.branch == "WEST")
        for paper, s in self.model.statements.items():
            if s.type in HEALTH:
                self.is_hidden(paper, s.code)

    def is_hidden(self, paper: UUID, code: str | None) -> None:
        asked: list[Callable[[], object]] = [
            lambda: self.archive.life.load_outcome(paper, NO_HEALTH),
            lambda: self.archive.forms.check_form(paper, a_caller(), NO_HEALTH),
            lambda: self.archive.forms.load_printed_form(paper, NO_HEALTH),
        ]
        asked += [lambda: self.archive.forms.find_form(code, NO_HEALTH)] if code else []
        for ask in asked:
            try:
                ask()
            except (NotFound, ScanCodeUnknown):
                continue
            raise AssertionError("a sensitive paper was shown")

    def customer(self, reference: UUID) -> str:
        return self.archive.keys.customer_ids([reference])[reference]


def said_of(state: Authorization, customer: str) -> dict[str, Any]:
    mandate = state.mandate and Data(
        state.mandate.debtor_name,
        state.mandate.iban,
        state.mandate.bic,
        state.mandate.mandate_reference,
        state.mandate.creditor_id,
        state.mandate.signature_date,
        state.mandate.sequence_type and state.mandate.sequence_type.value,
    )
    return {
        "customer": customer,
        "type": state.type.code,
        "status": state.status.value,
        "version": state.version,
        "code": state.scan_code,
        "form_ends": state.form_lapses_on,
        "signed": state.signed_on,
        "valid_until": state.valid_until,
        "held": state.original_held,
        "data": mandate,
        "evidence": state.evidence,
        "revoked_from": state.revocation and state.revocation.effective_on,
        "out_of_force": state.ended_on and state.ended_on + timedelta(days=1),
        "last_due": state.last_due_on,
    }


def said_by(statement: Statement) -> dict[str, Any]:
    beside = ("branch", "noted", "issued_with", "suspended_from", "taken_back", "withdrawn_beside", "before_end")
    return {name: value for name, value in vars(statement).items() if name not in beside}
