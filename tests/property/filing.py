"""Commands of random lives: forms, files, No upload, signed forms that come back, codes."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from domain import authorization
from domain.archive import ArchiveFile, Caller, IssueForm, NoteAuthorization, Outcome, SeenPaper
from domain.authorization import Authorization
from domain.mandate import Mandate, SequenceType
from domain.refusals import ScanCodeMalformed
from domain.scan_code import group_code
from tests.builders.memory import EVERYTHING
from tests.builders.papers import CREDITOR, an_upload
from tests.property.acting import (
    FORM_DAYS,
    Acting,
    Desk,
    contents,
    datas,
    desks,
    document_kinds,
    externals,
    has_form,
    has_statement,
    past_days,
    pick,
    slips,
    somebody,
    statement_kinds,
)
from tests.property.holds import CUSTOMERS, SECRET
from tests.property.model import KINDS, VERIFY_ONLY, Data, Paper, Statement, Why


class Filing(Acting):
    # -- what comes in ------------------------------------------------------------------------------------------

    @rule(
        desk=desks, customer=somebody, kind=statement_kinds, given=datas, ends=st.sampled_from([None, 300]),
        dated=st.none() | past_days, external=externals, slip=slips("kind", "data"),
    )  # fmt: skip
    def issue(
        self,
        desk: Desk,
        customer: str,
        kind: str,
        given: Data,
        ends: int | None,
        dated: int | None,
        external: str | None,
        slip: str | None,
    ) -> None:
        kind = "LETTER" if slip == "kind" else kind
        data = given if KINDS[kind] == "mandate" or slip == "data" else None
        valid_until, signature = self.day(ends) if ends else None, None if dated is None else self.day(dated)
        signature = signature if data else None
        order = IssueForm(
            customer=customer,
            type=kind,
            language="nl",
            mandate=mandate_of(data, signature),
            valid_until=valid_until,
            note=SECRET,
            external_id=external,
        )

        def why() -> Why:
            return {
                **self.model.bad_customer(customer),
                **self.model.bad_type(kind, statement=True),
                **self.model.bad_data(kind, data),
                **self.model.taken(external),
            }

        def issued(outcome: Outcome) -> bool:
            paper, state = self.new(outcome)
            self.model.add_statement(
                paper,
                Statement(
                    customer,
                    kind,
                    desk[1],
                    "issued",
                    code=state.scan_code,
                    form_ends=self.model.today + timedelta(days=FORM_DAYS),
                    valid_until=valid_until,
                    issued_with=(valid_until, signature),
                    data=self.filled_in(paper, kind, data or Data(), signature),
                ),
                external,
            )
            return True

        self.do(desk, why, lambda caller: self.archive.forms.issue_form(order, caller), issued)

    @rule(
        desk=desks, customer=somebody, kind=document_kinds, content=contents, anyway=st.booleans(), external=externals,
        ground=st.sampled_from([None, SECRET]),
    )  # fmt: skip
    def file(
        self,
        desk: Desk,
        customer: str,
        kind: str,
        content: bytes,
        anyway: bool,
        external: str | None,
        ground: str | None,
    ) -> None:
        order = ArchiveFile(
            customer=customer,
            type=kind,
            ground=ground,
            duplicate_allowed=anyway,
            external_id=external,
            note=SECRET,
        )

        def why() -> Why:
            return {
                **self.model.bad_customer(customer),
                **self.model.bad_type(kind),
                **({"ValidationFailed": None} if kind in VERIFY_ONLY and not ground else {}),
                **self.model.duplicate(customer, content, anyway=anyway),
                **self.model.taken(external),
            }

        def archived(outcome: Outcome) -> bool:
            streams = list(dict.fromkeys(r.envelope.originator_id for r in outcome.recorded))
            statement = streams[0] if KINDS[kind] != "document" else None
            paper = Paper(customer, kind, desk[1], "file", note=SECRET, contents=[content], evidence_of=statement)
            if statement:
                added = Statement(
                    customer, kind, desk[1], "active", version=2, signed=self.model.today, evidence=streams[1]
                )
                self.model.add_statement(statement, added)
            self.model.add_paper(streams[-1], paper, external)
            return True

        upload = an_upload(content, name=f"{SECRET}.pdf")
        self.do(desk, why, lambda caller: self.archive.filing.archive_file(order, upload, caller), archived)

    @rule(
        desk=desks, customer=somebody, kind=statement_kinds, given=st.none() | datas, signed=past_days,
        ends=st.sampled_from([None, None, 20, 200]), external=externals, slip=slips("kind", "data", "signed", "held"),
    )  # fmt: skip
    def note(
        self,
        desk: Desk,
        customer: str,
        kind: str,
        given: Data | None,
        signed: int,
        ends: int | None,
        external: str | None,
        slip: str | None,
    ) -> None:
        kind, held = "LETTER" if slip == "kind" else kind, slip != "held"
        data = given if KINDS[kind] == "mandate" or slip == "data" else None
        valid_until, signed_on = self.day(ends) if ends else None, self.day(1 if slip == "signed" else signed)
        order = NoteAuthorization(
            customer=customer,
            type=kind,
            mandate=mandate_of(data),
            signed_on=signed_on,
            valid_until=valid_until,
            original_held=held,
            shelf_mark=SECRET,
            note=SECRET,
            external_id=external,
        )

        def why() -> Why:
            filled = self.filled_in(UUID(int=0), kind, data, signed_on)
            return {
                **self.model.bad_customer(customer),
                **self.model.bad_type(kind, statement=True),
                **self.model.bad_data(kind, data),
                **self.model.in_the_way(customer, filled),
                **self.model.taken(external),
                **({} if held and signed_on <= self.model.today else {"ValidationFailed": None}),
            }

        def noted(outcome: Outcome) -> bool:
            paper, _ = self.new(outcome)
            added = Statement(
                customer,
                kind,
                desk[1],
                "active",
                signed=signed_on,
                valid_until=valid_until,
                held=True,
                noted=True,
                data=self.filled_in(paper, kind, data, signed_on),
            )
            self.model.add_statement(paper, added, external)
            return True

        self.do(desk, why, lambda caller: self.archive.noting.note_authorization(order, caller), noted)

    @rule(desk=desks, customer=somebody, seen=st.sampled_from([-30, 0, 0, 0, 1]))
    def see(self, desk: Desk, customer: str, seen: int) -> None:
        verification = SeenPaper(paper="passport", number_suffix=SECRET, seen_on=self.day(seen))
        order = NoteAuthorization(customer=customer, type="IDENTIFICATION", verification=verification, note=SECRET)

        def why() -> Why:
            late = {"ValidationFailed": None} if verification.seen_on > self.model.today else {}
            return {**self.model.bad_customer(customer), **self.model.bad_type("IDENTIFICATION"), **late}

        def noted(outcome: Outcome) -> bool:
            paper = Paper(customer, "IDENTIFICATION", desk[1], "none", note=SECRET)
            self.model.add_paper(outcome.recorded[0].envelope.originator_id, paper)
            return True

        self.do(desk, why, lambda caller: self.archive.noting.note_authorization(order, caller), noted)

    # -- a signed form comes back -------------------------------------------------------------------------------

    @has_statement
    @rule(
        desk=desks, n=pick, content=contents, signed=st.none() | past_days, anyway=st.booleans(), external=externals,
        slip=slips("customer", "kind", "signed"),
    )  # fmt: skip
    def attach(self, desk: Desk, n: int, signed: int | None, slip: str | None, **said: Any) -> None:
        paper = self.rather(n, lambda s: s.status == "issued" or s.held)
        self.attach_to(desk, paper, signed=1 if slip == "signed" else signed, **self.beside(paper, slip), **said)

    def beside(self, paper: UUID, slip: str | None) -> dict[str, Any]:
        """What is said beside a code, though its form says it already."""
        s = self.model.statements[paper]
        customer = next(c for c in CUSTOMERS if (c == s.customer) != (slip == "customer"))
        return {"customer": customer, "kind": "LETTER" if slip == "kind" else s.type} if slip else {}

    def attach_to(
        self,
        desk: Desk,
        paper: UUID,
        content: bytes,
        customer: str | None = None,
        kind: str | None = None,
        signed: int | None = None,
        anyway: bool = True,
        external: str | None = None,
    ) -> None:
        signed_on = None if signed is None else self.day(signed)
        order = ArchiveFile(
            authorization=paper,
            customer=customer,
            type=kind,
            signed_on=signed_on,
            duplicate_allowed=anyway,
            external_id=external,
        )

        def why() -> Why:
            return {
                **self.model.disagrees(paper, customer, kind),
                **self.model.duplicate(self.model.statements[paper].customer, content, anyway=anyway),
                **self.model.taken(external),
                **self.model.unattachable(paper),
                **({"ValidationFailed": None} if signed_on and signed_on > self.model.today else {}),
            }

        def attached(outcome: Outcome) -> bool:
            evidence = [r.envelope.originator_id for r in outcome.recorded if r.envelope.originator_id != paper][-1]
            s = self.model.statements[paper]
            added = Paper(s.customer, s.type, desk[1], "file", contents=[content], evidence_of=paper)
            self.model.attach(paper, evidence, added, signed_on or self.model.today, external)
            return True

        upload = an_upload(content, name=f"{SECRET}.pdf")
        self.do(desk, why, lambda caller: self.archive.filing.archive_file(order, upload, caller, EVERYTHING), attached)

    @has_statement
    @rule(
        desk=desks, n=pick, given=st.none() | datas, signed=past_days, ends=st.sampled_from([None, 20]),
        external=externals, slip=slips("customer", "kind", "signed", "held", "data"),
    )  # fmt: skip
    def sign(self, desk: Desk, n: int, given: Data | None, signed: int, slip: str | None, **said: Any) -> None:
        paper = self.rather(n, lambda s: s.status == "issued")
        data = given if self.model.statements[paper].is_mandate or slip == "data" else None
        beside = self.beside(paper, slip)
        signed = 1 if slip == "signed" else signed
        self.sign_form(desk, paper, data=data, signed=signed, held=slip != "held", **beside, **said)

    def sign_form(
        self,
        desk: Desk,
        paper: UUID,
        customer: str | None = None,
        kind: str | None = None,
        data: Data | None = None,
        signed: int = 0,
        ends: int | None = None,
        held: bool = True,
        external: str | None = None,
    ) -> None:
        signed_on, valid_until = self.day(signed), self.day(ends) if ends else None
        order = NoteAuthorization(
            authorization=paper,
            customer=customer,
            type=kind,
            mandate=mandate_of(data),
            signed_on=signed_on,
            valid_until=valid_until,
            original_held=held,
            shelf_mark=SECRET,
            external_id=external,
        )
        typed = data and Data(**{**vars(data), "sequence": data.sequence or "recurring"})

        def why() -> Why:
            s = self.model.statements[paper]
            over = self.model.laid_over(s.data, typed)
            dated = (over and over.signature) or signed_on
            return {
                **self.model.disagrees(paper, customer, kind),
                **self.model.bad_data(s.type, data, paper),
                **self.model.in_the_way(s.customer, over, paper),
                **self.model.taken(external, paper),
                **({} if held and dated <= self.model.today else {"ValidationFailed": None}),
                **self.model.unsignable(paper),
            }

        def signed_form(_: Outcome) -> bool:
            s = self.model.statements[paper]
            over = data and Data(**{**vars(data), "sequence": data.sequence or (s.data and s.data.sequence)})
            self.model.sign(paper, signed_on, over, valid_until, external)
            return True

        self.do(
            desk, why, lambda caller: self.archive.noting.note_authorization(order, caller, EVERYTHING), signed_form
        )

    # -- codes --------------------------------------------------------------------------------------------------

    @has_form
    @rule(desk=desks, n=pick, typed=st.sampled_from([str, str.lower, group_code]))
    def check(self, desk: Desk, n: int, typed: Callable[[str], str]) -> None:
        paper = self.form(n)
        code = self.model.statements[paper].code or ""

        def checked(found: Any) -> bool:
            assert (found.authorization, found.outcome.customer) == (paper, self.model.statements[paper].customer)
            return False

        def look(caller: Caller) -> Any:
            return self.archive.forms.check_form(
                self.archive.forms.find_form(typed(code), EVERYTHING), caller, EVERYTHING
            )

        self.do(desk, lambda: self.model.uncheckable(paper), look, checked)

    @has_form
    @rule(n=pick, place=st.integers(2, 15), digit=st.sampled_from("0123456789"))
    def mistype(self, n: int, place: int, digit: str) -> None:
        code = self.model.statements[self.form(n)].code or ""
        slip = code[:place] + digit + code[place + 1 :]
        if slip == code:
            return
        try:
            self.archive.forms.find_form(slip, EVERYTHING)
        except ScanCodeMalformed:
            return
        raise AssertionError("a code with one wrong digit was understood")

    # -- values ----------------------------------------------------------------------------------------------------

    def new(self, outcome: Outcome) -> tuple[UUID, Authorization]:
        paper: UUID = outcome.recorded[0].envelope.originator_id
        state = authorization.fold(r.envelope.body for r in outcome.recorded)
        assert state is not None
        return paper, state

    def filled_in(self, paper: UUID, kind: str, data: Data | None, signed: date | None) -> Data | None:
        """What the archive adds to collection data that was typed: reference, creditor, sequence, signature."""
        if data is None or KINDS[kind] != "mandate":
            return None
        return Data(
            **{
                **vars(data),
                "reference": data.reference or f"M{paper.hex.upper()}",
                "creditor": CREDITOR,
                "sequence": data.sequence or "recurring",
                "signature": signed,
            }
        )


def mandate_of(data: Data | None, signature: date | None = None) -> Mandate | None:
    if data is None:
        return None
    return Mandate(
        debtor_name=data.debtor,
        iban=data.iban,
        bic=data.bic,
        mandate_reference=data.reference,
        signature_date=signature,
        sequence_type=SequenceType(data.sequence) if data.sequence else None,
    )
