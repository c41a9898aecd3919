"""How long a paper is kept: each trigger, the 13 months of a dispute, and what makes a rule shorter."""

from datetime import date
from typing import Any

import pytest

from domain.catalogue import SHIPPED
from domain.retention import PaperFacts, Rule, Trigger, due_on, is_shorter, keep_until, rule_of
from tests.builders.papers import a_document_type

DAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("trigger", "facts", "kept"),
    [
        ("mandate_end", {"ends_on": DAY}, date(2027, 5, 31)),
        ("mandate_end", {"ends_on": DAY, "last_collection_on": date(2026, 6, 1)}, date(2027, 8, 1)),
        ("mandate_end", {"ends_on": DAY, "last_collection_on": date(2025, 6, 1)}, date(2027, 5, 31)),
        ("entitlement_end", {"ends_on": DAY}, date(2027, 5, 31)),
        ("age_limit", {"born_on": date(2008, 2, 29)}, date(2027, 4, 28)),
        ("membership_end", {"left_on": DAY}, date(2027, 5, 31)),
        ("received", {"received_on": DAY}, date(2027, 5, 31)),
        ("verification", {"received_on": DAY}, date(2027, 5, 31)),
        ("verification", {"received_on": DAY, "left_on": date(2026, 4, 1), "is_copy": False}, date(2027, 6, 1)),
    ],
)
def test_each_trigger_counts_from_its_own_day(trigger: str, facts: dict[str, Any], kept: date) -> None:
    assert keep_until(Rule(trigger, 14), PaperFacts(**facts)) == kept


@pytest.mark.parametrize("trigger", [*Trigger, "of another release"])
def test_until_its_trigger_has_happened_the_day_is_unknown(trigger: str) -> None:
    assert due_on(Rule(trigger, 0), PaperFacts(last_collection_on=DAY)) is None


def test_a_paper_is_due_the_day_after_it_had_to_be_kept() -> None:
    assert due_on(Rule("received", 1), PaperFacts(received_on=DAY)) == date(2026, 5, 1)


def test_without_a_rule_and_behind_the_calendar_nothing_is_ever_due() -> None:
    facts = PaperFacts(received_on=date(9999, 6, 1))
    assert due_on(None, facts) is None
    assert due_on(Rule("received", 12), facts) is None


def test_a_mandate_is_kept_thirteen_months_after_its_last_collection_however_short_the_rule() -> None:
    facts = PaperFacts(ends_on=DAY, last_collection_on=DAY)
    assert keep_until(Rule("mandate_end", 1), facts) == date(2027, 4, 30)


def test_the_age_of_the_capacity_rule_counts_and_eighteen_without_one() -> None:
    assert rule_of(SHIPPED["GUARDIAN_CONSENT"]) == Rule("age_limit", 12, 18)
    assert rule_of(a_document_type("GUARDIAN_CONSENT", capacity_years=16).definition) == Rule("age_limit", 12, 16)
    assert rule_of(a_document_type("LETTER", retention=None).definition) is None


@pytest.mark.parametrize(
    ("old", "new", "shorter"),
    [
        (Rule("received", 24), Rule("received", 24), False),
        (Rule("received", 24), Rule("received", 25), False),
        (Rule("received", 24), Rule("received", 23), True),
        (Rule("received", 24), Rule("membership_end", 240), True),
        (Rule("age_limit", 24, 18), Rule("age_limit", 24, 16), True),
        (Rule("age_limit", 24, 18), Rule("age_limit", 24, 21), False),
        (None, Rule("received", 240), True),
        (Rule("received", 24), None, False),
        (None, None, False),
    ],
)
def test_a_rule_is_shorter_if_any_paper_may_be_due_earlier(old: Rule | None, new: Rule | None, shorter: bool) -> None:
    assert is_shorter(old, new) is shorter
