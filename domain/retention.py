"""How long a paper is kept: the rule of its type applied to what happened to it and to its customer. Pure.

A rule counts months from a trigger (docs/domain.md §4). The day is unknown until the trigger has happened.
"""

from datetime import date
from enum import StrEnum

import msgspec

from domain.calendar import add_months, day_after
from domain.document_type import Definition
from domain.mandate import MONTHS_DISPUTABLE

AGE_LIMIT_YEARS = 18
"""The age limit of a type without a capacity rule."""


class Trigger(StrEnum):
    """What a retention period counts from. `mandate_end`: the end of the mandate or its last collection, whichever is
    later. `age_limit`: the birthday that the capacity rule names. `verification`: the day of receipt of a copy that was
    kept on a legal ground."""

    MANDATE_END = "mandate_end"
    ENTITLEMENT_END = "entitlement_end"
    AGE_LIMIT = "age_limit"
    MEMBERSHIP_END = "membership_end"
    RECEIVED = "received"
    VERIFICATION = "verification"


class Rule(msgspec.Struct, frozen=True):
    """The retention of a type as it is applied. A trigger that this release does not know never happens."""

    trigger: str
    months: int
    age_years: int = AGE_LIMIT_YEARS


class PaperFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The days that a retention can count from; None: it has not happened, or is not known. `ends_on` is the end of an
    authorization or, while it is in force, of its validity; `left_on` the end of the customer's membership. `is_copy`:
    the paper or its content is kept, not only a note that it was seen."""

    received_on: date | None = None
    ends_on: date | None = None
    last_collection_on: date | None = None
    left_on: date | None = None
    born_on: date | None = None
    is_copy: bool = True


def rule_of(definition: Definition) -> Rule | None:
    """The rule of a type; None: its papers are kept without limit."""
    retention = definition.retention
    if retention is None:
        return None
    return Rule(retention.trigger, retention.months, definition.capacity_years or AGE_LIMIT_YEARS)


def trigger_of(rule: Rule, *, is_copy: bool) -> str:
    """The trigger that counts for a paper: a note of what was seen, of which nothing is kept, belongs to the
    membership."""
    if rule.trigger == Trigger.VERIFICATION and not is_copy:
        return Trigger.MEMBERSHIP_END
    return rule.trigger


def counts_from(rule: Rule, facts: PaperFacts) -> date | None:
    """The day of the trigger; None until it has happened."""
    match trigger_of(rule, is_copy=facts.is_copy):
        case Trigger.MANDATE_END | Trigger.ENTITLEMENT_END:
            return facts.ends_on and max(facts.ends_on, facts.last_collection_on or facts.ends_on)
        case Trigger.AGE_LIMIT:
            return facts.born_on and add_months(facts.born_on, 12 * rule.age_years)
        case Trigger.MEMBERSHIP_END:
            return facts.left_on
        case Trigger.RECEIVED | Trigger.VERIFICATION:
            return facts.received_on
    return None


def keep_until(rule: Rule | None, facts: PaperFacts) -> date | None:
    """The last day on which the paper must be kept; None while that is unknown, or without a rule. A mandate is kept
    while a collection can be disputed, however short the rule."""
    begins = counts_from(rule, facts) if rule else None
    if rule is None or begins is None:
        return None
    kept = add_months(begins, rule.months)
    if facts.last_collection_on is None:
        return kept
    return max(kept, add_months(facts.last_collection_on, MONTHS_DISPUTABLE))


def due_on(rule: Rule | None, facts: PaperFacts) -> date | None:
    """The first day on which the paper may be destroyed; None while that is unknown."""
    kept = keep_until(rule, facts)
    return day_after(kept) if kept else None


def is_shorter(old: Rule | None, new: Rule | None) -> bool:
    """True if papers may be due earlier under the new rule: fewer months, a lower age, another trigger, or a rule where
    there was none."""
    if new is None or old == new:
        return False
    if old is None or old.trigger != new.trigger:
        return True
    return new.months < old.months or new.age_years < old.age_years
