"""The view retention: rows of events, and any history against a model that looks at all events each time."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain import authorization, customer_file, document
from domain.authorization import AuthorizationIssued, AuthorizationRegistered, AuthorizationSigned
from domain.calendar import add_months
from domain.catalogue import SHIPPED
from domain.customer import CustomerStatus
from domain.document import Describe, IdentitySeen, Reclassify, Withdraw
from domain.document_type import Retention
from projections.rebuild import rebuild
from tests.views.clerk import Clerk
from tests.views.desk import CUSTOMERS, Desk, paper_of

SHORT = [pytest.param(seed, 80, id=str(seed)) for seed in range(3)]
LONG = [pytest.param(seed, 400, id=f"long-{seed}", marks=pytest.mark.long) for seed in range(200, 220)]
LEFT = CustomerStatus.LEFT
ENDS = (
    authorization.AuthorizationRevoked,
    authorization.AuthorizationSuperseded,
    authorization.AuthorizationExpired,
    authorization.AuthorizationCancelled,
    authorization.NoteWithdrawn,
)


def due(desk: Desk, paper: UUID) -> date | None:
    desk.follow()
    ((day,),) = desk.rows("select due_on from views.retention where id = %s and to_position is null", paper)
    assert isinstance(day, date | None)
    return day


def state(desk: Desk, paper: UUID) -> str:
    desk.follow()
    ((found,),) = desk.rows("select state from views.retention where id = %s and to_position is null", paper)
    return str(found)


def with_rule(code: str, trigger: str, months: int) -> Any:
    return replace(SHIPPED[code], retention=Retention(trigger=trigger, months=months))


# -- what a day comes from --------------------------------------------------------------------------------------


def test_a_letter_waits_for_the_end_of_the_membership(desk: Desk) -> None:
    letter = paper_of(desk.letter())
    other = paper_of(desk.letter(CUSTOMERS[1]))
    assert (due(desk, letter), state(desk, letter)) == (None, "waiting")
    desk.report(CUSTOMERS[0], LEFT, date(2026, 3, 1))
    assert (due(desk, letter), state(desk, letter)) == (date(2028, 3, 2), "dated")
    assert due(desk, other) is None


def test_what_is_archived_later_for_who_has_left_has_its_day_at_once(desk: Desk) -> None:
    desk.letter()
    desk.report(CUSTOMERS[0], LEFT, date(2026, 3, 1))
    desk.follow()
    assert due(desk, paper_of(desk.letter())) == date(2028, 3, 2)


def test_a_corrected_report_and_a_return_move_the_day(desk: Desk) -> None:
    letter = paper_of(desk.letter())
    desk.report(CUSTOMERS[0], LEFT, date(2026, 3, 1))
    desk.report(CUSTOMERS[0], LEFT, date(2026, 4, 1))
    assert due(desk, letter) == date(2028, 4, 2)
    desk.report(CUSTOMERS[0], CustomerStatus.DECEASED, date(2026, 2, 1))
    assert due(desk, letter) == date(2028, 2, 2)
    desk.report(CUSTOMERS[0], CustomerStatus.ACTIVE, date(2026, 5, 1))
    assert due(desk, letter) is None


def test_a_moved_paper_waits_for_its_new_customer(desk: Desk) -> None:
    letter = paper_of(desk.letter())
    desk.report(CUSTOMERS[0], LEFT, date(2026, 3, 1))
    desk.move(letter, CUSTOMERS[1])
    assert due(desk, letter) is None
    desk.report(CUSTOMERS[1], LEFT, date(2026, 6, 1))
    assert due(desk, letter) == date(2028, 6, 2)


def test_a_joint_paper_waits_as_long_as_it_is_joint(desk: Desk) -> None:
    letter = paper_of(desk.letter())
    desk.link(letter, CUSTOMERS[1])
    desk.report(CUSTOMERS[0], LEFT, date(2026, 3, 1))
    assert due(desk, letter) is None
    desk.unlink(letter, CUSTOMERS[1])
    assert due(desk, letter) == date(2028, 3, 2)


def test_a_mandate_has_its_day_from_its_end_and_its_last_collection(desk: Desk) -> None:
    mandate, today = paper_of(desk.mandate()), desk.clock.today()
    assert due(desk, mandate) is None
    desk.collect(mandate, today)
    assert due(desk, mandate) is None
    desk.revoke(mandate)
    assert due(desk, mandate) == add_months(today, 14) + timedelta(days=1)


def test_evidence_has_no_day_of_its_own(desk: Desk) -> None:
    outcome = desk.letter(type="GUARDIAN_CONSENT")
    papers = {r.envelope.originator_id for r in outcome.recorded}
    desk.report(CUSTOMERS[0], LEFT, date(2026, 3, 1))
    assert sorted(state(desk, paper) for paper in papers) == ["evidence", "waiting"]


def test_a_paper_of_another_type_has_the_days_of_that_type(desk: Desk) -> None:
    letter = paper_of(desk.letter(received_on=date(2026, 1, 31)))
    desk.define("FORM", with_rule("FORM", "received", 1))
    desk.correct(letter, Reclassify(desk.types()["FORM"], "a form"))
    assert due(desk, letter) == date(2026, 3, 1)
    desk.correct(letter, Describe(received_on=date(2026, 1, 1), today=desk.clock.today(), reason="read again"))
    assert due(desk, letter) == date(2026, 2, 2)


# -- rules ------------------------------------------------------------------------------------------------------


def test_a_changed_rule_moves_the_days_of_all_papers_of_the_type_and_of_no_other(desk: Desk) -> None:
    letters = [paper_of(desk.letter(customer, received_on=date(2026, 1, 1))) for customer in CUSTOMERS[:3]]
    form = paper_of(desk.letter(type="FORM"))
    desk.report(CUSTOMERS[1], LEFT, date(2026, 3, 1))
    desk.follow()
    before = desk.rows("select count(*) from views.retention where id = %s", form)
    desk.define("LETTER", with_rule("LETTER", "received", 12))
    assert [due(desk, letter) for letter in letters] == [date(2027, 1, 2)] * 3
    desk.define("LETTER", with_rule("LETTER", "membership_end", 12))
    assert [due(desk, letter) for letter in letters] == [None, date(2027, 3, 2), None]
    desk.define("LETTER", replace(SHIPPED["LETTER"], retention=None))
    assert {state(desk, letter) for letter in letters} == {"unlimited"}
    assert desk.rows("select count(*) from views.retention where id = %s", form) == before


def test_what_changes_no_day_makes_no_row(desk: Desk) -> None:
    letter = paper_of(desk.letter())
    desk.follow()
    desk.correct(letter, Withdraw("a mistake"))
    desk.define("LETTER", replace(SHIPPED["LETTER"], labels={"en": "Epistle"}))
    desk.report(CUSTOMERS[1], LEFT, date(2026, 3, 1))
    desk.follow()
    assert desk.rows("select count(*) from views.retention where id = %s", letter) == [(1,)]


# -- any history ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "commands"), SHORT + LONG)
def test_any_history_has_the_days_of_the_model_live_and_made_again(desk: Desk, seed: int, commands: int) -> None:
    """In pages of many events and of a few."""
    clerk, chance = RecordsClerk(desk, seed), random.Random(seed)
    for _ in range(5):
        clerk.work(commands // 5 if chance.random() < 0.5 else 3)
        clerk.sleep()
        desk.follow()
        assert kept(desk) == {paper: expected(desk, paper) for paper in clerk.papers}
    assert [r.identical for r in rebuild(desk.url, desk.log, "retention")] == [True]
    assert kept(desk) == {paper: expected(desk, paper) for paper in clerk.papers}


class RecordsClerk(Clerk):
    """A clerk who also changes the rules of types."""

    def _change_a_type(self) -> None:
        code = self.chance.choice([*SHIPPED])
        triggers = ("received", "membership_end", "entitlement_end", "mandate_end", "age_limit", "verification")
        rule = Retention(trigger=self.chance.choice(triggers), months=self.chance.randrange(40))
        self.desk.define(code, replace(SHIPPED[code], retention=self.chance.choice((None, rule, rule))))


def kept(desk: Desk) -> dict[UUID, tuple[str, date | None]]:
    rows = desk.rows("select id, state, due_on from views.retention where to_position is null and part = 'paper'")
    return {paper: (found, day) for paper, found, day in rows}


def expected(desk: Desk, paper: UUID) -> tuple[str, date | None]:
    """From the states of the domain and the last definition of the type, without a word of the view's own."""
    events = [e.body for e in desk.log.load(paper)]
    now: Any = document.fold(e for e in events if isinstance(e, document.DocumentEvent))
    now = now or authorization.fold(e for e in events if isinstance(e, authorization.AuthorizationEvent))
    if now.status == "destroyed":
        return "destroyed", None
    if getattr(now, "evidence_of", None):
        return "evidence", None
    rule = desk.types()[now.type.code].definition.retention
    if rule is None:
        return "unlimited", None
    begins = begins_on(desk, rule.trigger, now, events)
    if begins is None:
        return "waiting", None
    days = [add_months(begins, rule.months)]
    if getattr(now, "last_due_on", None):
        days.append(add_months(now.last_due_on, 13))
    return "dated", max(days) + timedelta(days=1)


def begins_on(desk: Desk, trigger: str, now: Any, events: Sequence[Any]) -> date | None:
    if trigger == "verification":
        trigger = "membership_end" if isinstance(events[0], IdentitySeen) else "received"
    match trigger:
        case "received":
            return received_on(desk, now, events)
        case "membership_end":
            return None if getattr(now, "linked", None) else left_on(desk, now.customer)
        case "entitlement_end" | "mandate_end":
            return ends_on(now, events) if isinstance(now, authorization.Authorization) else None
    return None


def ends_on(now: authorization.Authorization, events: Sequence[Any]) -> date | None:
    """The day of the event that ended it, also where it was suspended before and so no longer in force."""
    ended = None
    if now.status not in ("issued", "active", "suspended"):
        over = [e for e in events if isinstance(e, ENDS)][-1]
        ended = over.effective_on - timedelta(days=1) if hasattr(over, "effective_on") else over.on
    ends = ended or now.valid_until
    return max(ends, now.last_due_on or ends) if ends else None


def received_on(desk: Desk, now: Any, events: Sequence[Any]) -> date:
    if isinstance(now, document.Document):
        assert now.description is not None
        return events[0].seen_on if isinstance(events[0], IdentitySeen) else now.description.received_on
    signed = [e.terms.signed_on for e in events if isinstance(e, AuthorizationRegistered | AuthorizationSigned)]
    if signed:
        return signed[-1]
    assert isinstance(events[0], AuthorizationIssued)
    return desk.log.load(now_stream(desk, events[0]))[0].meta.occurred_at.date()


def now_stream(desk: Desk, event: AuthorizationIssued) -> UUID:
    """The stream of a form by its event."""
    digest = desk.keys.claim_digest("scan-code", str(event.scan_code).encode())
    return desk.log.owners_of_claims("scan-code", [digest])[digest]


def left_on(desk: Desk, reference: UUID) -> date | None:
    customer = desk.keys.customer_ids([reference])[reference]
    found = desk.archive.customer_files.find_file(customer)
    events = [e.body for e in desk.log.load(found.stream) if hasattr(e.body, "on")] if found else []
    since = [e for e in events if isinstance(e, customer_file.CustomerReturned)]
    reports = {type(e): e.on for e in events[events.index(since[-1]) + 1 if since else 0 :]}
    return min(reports.values(), default=None)
