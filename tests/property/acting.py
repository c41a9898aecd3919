"""How a desk acts in random lives: one command, what it is answered, what it leaves. The commands: filing.py, steps.py,
correcting.py."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from domain.archive import Caller, Outcome
from domain.refusals import FieldError, Refusal
from tests.builders.papers import a_caller, an_iban
from tests.property.holds import CUSTOMERS, DESKS, SECRET, Holds
from tests.property.model import KINDS, Data, Statement, Why
from tests.property.places import Place

FORM_DAYS = 180
ACCOUNTS = (an_iban("RABO", 1), an_iban("RABO", 2), an_iban("ABNA", 1), "BE68539007547034")

known = st.sampled_from([CUSTOMERS[0], *CUSTOMERS])
somebody = st.sampled_from([*[CUSTOMERS[0]] * 8, *CUSTOMERS * 4, "nobody"])
pick = st.integers(0, 99)
kinds = st.sampled_from(sorted(KINDS))
document_kinds = st.sampled_from(["LETTER", "LETTER", "FORM", "IDENTIFICATION", "GUARDIAN_CONSENT"])
statement_kinds = st.sampled_from(["DEBT_AUTHORIZATION"] * 3 + ["GUARDIAN_CONSENT", "READING_DISABILITY"])
contents = st.sampled_from([b"Geheim one", b"Geheim two", b"Geheim three"])
externals = st.sampled_from([None] * 8 + [f"crm-{SECRET}-1", f"crm-{SECRET}-2"])
maybe_account = st.sampled_from([None, *ACCOUNTS])
references = st.sampled_from([None, None, None, f"{SECRET} 1", f"{SECRET} 1".lower(), f"{SECRET} 2"])
days = st.sampled_from([-400, -30, -1, 0, 0, 1, 30])
past_days = st.sampled_from([-400, -30, -1, 0, 0])
expected = st.sampled_from(["any"] * 4 + ["read"] * 4 + ["stale"])
desks = st.sampled_from(DESKS)
datas = st.builds(
    Data,
    debtor=st.sampled_from([None, f"J. {SECRET}"]),
    iban=st.sampled_from([None, *[ACCOUNTS[0]] * 3, *ACCOUNTS]),
    bic=st.sampled_from([None, "RABONL2U"]),
    reference=references,
    signature=st.none(),
    sequence=st.sampled_from([None, "first", "one_off"]),
)

Desk = tuple[str, str]
Act = Callable[[Caller], Any]


def slips(*names: str) -> st.SearchStrategy[str | None]:
    """What somebody gets wrong now and then; most commands should come through."""
    return st.sampled_from([None] * 3 * len(names) + list(names))


has_form = precondition(lambda self: any(s.code for s in self.model.statements.values()))
has_statement = precondition(lambda self: self.model.statements)
has_paper = precondition(lambda self: self.model.papers)


class Acting(Holds):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.interruption: Callable[[], None] | None = None
        self.last: tuple[Callable[[], Outcome], Outcome] | None = None
        self.keys, self.left = 0, place.trace()

    # -- one command --------------------------------------------------------------------------------------------

    def do(self, desk: Desk, why: Callable[[], Why], act: Act, apply: Callable[[Any], bool]) -> None:
        """Act at a desk; what it answers, and what it leaves, must be what the model says."""
        self.keys += 1
        caller = a_caller(actor=desk[0], branch=desk[1], idempotency_key=f"key {self.keys}")
        interrupted, right, before = self._interruption(), why(), self.place.trace()
        try:
            answer = act(caller)
        except (Refusal, FieldError) as refusal:
            self._refused(refusal, why() if interrupted else right, self.left if interrupted else before)
            return
        finally:
            self.place.before_append.clear()
        right, before = (why(), self.left) if interrupted else (right, before)
        assert right == {}, f"should have been refused: {right}"
        changed = apply(answer)
        assert (self.place.trace() != before) == changed
        if isinstance(answer, Outcome) and changed:
            assert not answer.replayed
            self.last = (lambda: act(caller)), answer
        self.left = self.place.trace()

    def _interruption(self) -> list[bool]:
        """Filled when another desk's command has slipped in."""
        happened: list[bool] = []
        if interruption := self.interruption:
            self.interruption = None

            def slip_in() -> None:
                happened.append(True)
                interruption()
                self.left = self.place.trace()

            self.place.before_append.append(slip_in)
        return happened

    def _refused(self, refusal: Refusal | FieldError, right: Why, before: object) -> None:
        name = type(refusal).__name__
        assert name in right, f"{refusal!r}, which should have been {right or 'done'}"
        if isinstance(refusal, Refusal) and (told := right[name]) is not None:
            assert refusal.extra == told
        assert self.place.trace() == before, "a refused command left a trace"
        self.left = before

    def version(self, how: str, paper: UUID) -> int | None:
        thing = self.model.statements.get(paper) or self.model.papers[paper]
        return {"any": None, "read": thing.version, "stale": thing.version - 1}[how]

    def statement(self, n: int) -> UUID:
        return [*self.model.statements][n % len(self.model.statements)]

    def rather(self, n: int, fits: Callable[[Statement], object]) -> UUID:
        """Most times one for which the command makes sense."""
        fitting = [p for p, s in self.model.statements.items() if fits(s.on(self.model.today))]
        return fitting[n % len(fitting)] if fitting and n % 5 else self.statement(n)

    def paper(self, n: int) -> UUID:
        return [*self.model.papers][n % len(self.model.papers)]

    def form(self, n: int) -> UUID:
        forms = [p for p, s in self.model.statements.items() if s.code]
        return forms[n % len(forms)]

    def day(self, offset: int) -> date:
        return self.model.today + timedelta(days=offset)
