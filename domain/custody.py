"""Whether a paper may be destroyed: the one rule that disposal and erasure ask before they destroy anything. Pure.

A hold covers a paper when it is on the paper itself, on its authorization or its evidence, or on any customer of one of
these: a joint paper is covered by the hold on each of its customers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec

from domain.authorization import Authorization
from domain.document import Document
from domain.hold import Hold, Holds, holds_in_force
from domain.refusals import RetentionNotReached, UnderLegalHold

HeldPaper = Document | Authorization


class Custody(msgspec.Struct, frozen=True, kw_only=True):
    """A paper with everything whose holds cover it. `partners`: the authorization of evidence, or every document that
    was ever evidence of the authorization. `customers`: the holds of each customer of these papers, by reference."""

    paper: HeldPaper
    partners: Sequence[HeldPaper]
    customers: Mapping[UUID, Holds]

    def holds_on(self, today: date) -> Holds:
        """The holds in force that cover the paper. Raises LookupError when the holds of a customer are not given."""
        papers = (self.paper, *self.partners)
        own = (held for paper in papers for held in paper.holds)
        of_customers = (held for customer in customers_of(papers) for held in self.customers[customer])
        return holds_in_force(dict.fromkeys((*own, *of_customers)), today)


def customers_of(papers: Iterable[HeldPaper]) -> Sequence[UUID]:
    """The references of all customers of these papers, linked ones included."""
    found: dict[UUID, None] = {}
    for paper in papers:
        found[paper.customer] = None
        found.update(dict.fromkeys(sorted(paper.linked) if isinstance(paper, Document) else ()))
    return [*found]


def partners_of(paper: HeldPaper) -> Sequence[UUID]:
    """The ids of the papers whose holds cover this one too."""
    if isinstance(paper, Authorization):
        return paper.evidence_papers
    return [paper.evidence_of] if paper.evidence_of else []


def require_destroyable(custody: Custody, *, kept_until: date | None, today: date) -> None:
    """Raise UnderLegalHold or RetentionNotReached unless the paper may be destroyed today. `kept_until`: the last day
    on which its retention rule keeps it; None: that day is not known, so the paper is kept."""
    require_unheld(custody, today)
    if kept_until is None or today <= kept_until:
        raise RetentionNotReached(kept_until=kept_until)


def require_unheld(custody: Custody, today: date) -> None:
    """Raise UnderLegalHold if a hold covers the paper today."""
    if holds := custody.holds_on(today):
        raise UnderLegalHold(holds=[held.id for held in holds])


def end_of_hold(holds: Iterable[Hold]) -> date | None:
    """The last day of the longest of these holds; None without holds, the last day of the calendar without an end."""
    return max((held.until or date.max for held in holds), default=None)
