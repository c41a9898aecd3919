"""View retention: how long each paper is kept, by the rule of its type and by what happened to it and its customer.

A row is a paper, a customer or a rule. A report changes all rows of that customer's papers, and a changed rule all rows
of its type, so this fold needs rows of other streams than those of its events (RELATED).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, assert_never, get_args
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.authorization import (
    AuthorizationCancelled,
    AuthorizationExpired,
    AuthorizationIssued,
    AuthorizationReassigned,
    AuthorizationRegistered,
    AuthorizationReinstated,
    AuthorizationRevoked,
    AuthorizationSigned,
    AuthorizationStatus,
    AuthorizationSuperseded,
    CollectionReported,
    EvidenceRestored,
    EvidenceWithdrawn,
    NoteWithdrawn,
)
from domain.calendar import day_before
from domain.customer_file import (
    STATUS_AFTER,
    CustomerDeceasedReported,
    CustomerDeletedInSource,
    CustomerLeft,
    CustomerReturned,
    ReportEvent,
)
from domain.document import (
    CustomerLinked,
    CustomerUnlinked,
    DocumentArchived,
    DocumentDescribed,
    DocumentReassigned,
    DocumentReclassified,
    IdentitySeen,
)
from domain.document_type import DocumentTypeChanged, DocumentTypeDefined, TypeEvent
from domain.envelope import Envelope, Recorded
from domain.promises import require_value
from domain.retention import PaperFacts, Rule, Trigger, due_on, rule_of, trigger_of
from projections.reading import NOBODY
from projections.view import DESTROYING, EVENTS, RelatedRows, RowChanges, RowVersion, Step, View, value_or_none

NAME = "retention"
PAPER, CUSTOMER, RULE = "paper", "customer", "rule"
DATED, WAITING, UNLIMITED, EVIDENCE, DESTROYED, FACT = "dated", "waiting", "unlimited", "evidence", "destroyed", "fact"
DOCUMENT, NOTE, AUTHORIZATION = "document", "note", "authorization"
BeginsPaper = DocumentArchived | IdentitySeen | AuthorizationIssued | AuthorizationRegistered
ChangesPaper = (
    DocumentDescribed
    | DocumentReclassified
    | DocumentReassigned
    | CustomerLinked
    | CustomerUnlinked
    | AuthorizationSigned
    | EvidenceWithdrawn
    | EvidenceRestored
    | NoteWithdrawn
    | AuthorizationRevoked
    | AuthorizationSuperseded
    | AuthorizationExpired
    | AuthorizationReinstated
    | AuthorizationCancelled
    | CollectionReported
    | AuthorizationReassigned
)
BEGINS_PAPER, CHANGES_PAPER = frozenset(get_args(BeginsPaper)), frozenset(get_args(ChangesPaper))
OF_PAPERS, OF_CUSTOMERS = BEGINS_PAPER | CHANGES_PAPER, frozenset(get_args(ReportEvent))
OF_TYPES = frozenset(get_args(TypeEvent))


class RetentionRow(RowVersion, frozen=True, gc=False):
    """The table's columns, in its order.

    Of a paper: the trigger and months of its rule, the days that happened to it and its customer (domain/retention.py)
    and what follows from them. `due_on`: the first day on which it may be destroyed. Of a customer: `reported`, the day
    of the last report of each kind. Of a rule: those of its type.
    """

    part: str
    type: str | None = None
    trigger: str | None = None
    months: int | None = None
    age_years: int | None = None
    evidence_of: UUID | None = None
    kind: str | None = None
    received_on: date | None = None
    valid_until: date | None = None
    ended_on: date | None = None
    last_collection_on: date | None = None
    left_on: date | None = None
    born_on: date | None = None
    linked_customers: list[str] = msgspec.field(default_factory=list)
    reported: dict[str, date] | None = None
    due_on: date | None = None
    state: str = FACT
    hold: bool = False


# -- events to rows ---------------------------------------------------------------------------------------------


class RetentionFold:
    """The fold. It keeps the rules, the customers of whom something was reported, and the papers that they may change.

    A rebuild keeps all papers to its end, because a report or a rule may change them as long as events come.
    """

    def __init__(self, stored: Iterable[RetentionRow] = ()) -> None:
        self._open: dict[UUID, RetentionRow] = {}
        self._rules: dict[str, RetentionRow] = {}
        self._customers: dict[UUID, RetentionRow] = {}
        self._papers_of: dict[UUID, dict[UUID, None]] = defaultdict(dict)
        self._stored: dict[UUID, int] = {}
        self._changed: dict[UUID, None] = {}
        self._ended: list[RetentionRow] = []
        self._closed: list[tuple[UUID, int, int]] = []
        self._destroyed: dict[UUID, None] = {}
        for row in stored:
            self._keep(row)
            self._stored[row.id] = row.from_position

    def add_event(self, recorded: Recorded[Any], as_of: datetime) -> None:
        body, stream = recorded.envelope.body, recorded.envelope.originator_id
        kind = type(body)
        if kind in BEGINS_PAPER:
            self._put(None, self._applied(_begin_paper(recorded)))
        elif kind in CHANGES_PAPER:
            row = require_value(self._open.get(stream), "a paper begins with the event that brings it")
            self._replace(row, self._applied(_change_paper(row, body)), recorded)
        elif kind in DESTROYING:
            row = require_value(self._open.get(stream), "what is destroyed was a paper")
            self._destroyed[stream] = None
            self._replace(row, replace(redact(row), state=DESTROYED, due_on=None), recorded)
        elif kind in OF_CUSTOMERS:
            self._add_report(recorded)
        elif kind in OF_TYPES:
            self._add_rule(recorded)
        elif kind not in EVENTS:
            raise LookupError("an event of another release")

    def _add_report(self, recorded: Recorded[ReportEvent]) -> None:
        body, stream = recorded.envelope.body, recorded.envelope.originator_id
        row = self._open.get(stream)
        if row is None:
            self._put(None, _report(_first_row(recorded, CUSTOMER, body.customer), body))
        else:
            self._replace(row, _report(row, body), recorded)
        self._apply_again(self._papers_of.get(body.customer, {}), recorded)

    def _add_rule(self, recorded: Recorded[TypeEvent]) -> None:
        body, stream = recorded.envelope.body, recorded.envelope.originator_id
        definition = body.definition if isinstance(body, DocumentTypeDefined) else body.new
        rule, row = rule_of(definition), self._open.get(stream)
        if row is None:
            self._put(None, _with_rule(_first_row(recorded, RULE, NOBODY, type=body.code), rule))
        else:
            self._replace(row, _with_rule(row, rule), recorded)
        of_type = [row.id for row in self._open.values() if row.part == PAPER and row.type == body.code]
        self._apply_again(of_type, recorded)

    def _apply_again(self, papers: Iterable[UUID], recorded: Recorded[Any]) -> None:
        for paper in [*papers]:
            row = self._open[paper]
            self._replace(row, self._applied(row), recorded, version=row.version)

    def _applied(self, row: RetentionRow) -> RetentionRow:
        """The paper's row with the rule of its type and the days of its customer, and with what follows from them."""
        if row.state == DESTROYED:
            return row
        rule, customer = self._rules.get(row.type or ""), self._customers.get(row.customer)
        return _with_day(row, _rule_from(rule) if rule else None, customer)

    # -- versions -----------------------------------------------------------------------------------------------

    def _replace(
        self, before: RetentionRow, after: RetentionRow, recorded: Recorded[Any], version: int | None = None
    ) -> None:
        """End the row and put the next one; nothing when the event changed none of its columns. An event with a sealed
        day makes one anyway: without the paper's key it would be left out."""
        if after == before and type(recorded.envelope.body) is not DocumentDescribed:
            return
        version = recorded.envelope.originator_version if version is None else version
        self._put(before, replace(after, from_position=recorded.position, version=version))

    def _put(self, before: RetentionRow | None, row: RetentionRow) -> None:
        if before is not None:
            self._end_version(before, row.from_position)
        self._keep(row)
        self._changed[row.id] = None

    def _end_version(self, row: RetentionRow, position: int) -> None:
        if row.part == PAPER:
            self._papers_of[row.customer].pop(row.id, None)
        if row.id in self._stored:
            self._closed.append((row.id, self._stored.pop(row.id), position))
        elif row.from_position < position:
            self._ended.append(replace(row, to_position=position))

    def _keep(self, row: RetentionRow) -> None:
        self._open[row.id] = row
        match row.part:
            case "paper":
                self._papers_of[row.customer][row.id] = None
            case "customer":
                self._customers[row.customer] = row
            case "rule":
                self._rules[require_value(row.type, "a rule is of a type")] = row

    def take_rows(self, last: Mapping[UUID, int] | None = None) -> RowChanges:
        """With `last`, only versions that have ended."""
        ready = self._changed if last is None else {}
        rows = [redact(r) if r.id in self._destroyed else r for r in (*self._ended, *(self._open[i] for i in ready))]
        taken = RowChanges(rows, self._closed, [*self._destroyed])
        self._ended, self._closed, self._destroyed = [], [], {}
        if last is None:
            self._changed, self._open = {}, {}
        return taken

    @property
    def pending_count(self) -> int:
        return len(self._open)


def _first_row(recorded: Recorded[Any], part: str, customer: UUID, **columns: Any) -> RetentionRow:
    envelope = recorded.envelope
    return RetentionRow(
        id=envelope.originator_id,
        customer=customer,
        from_position=recorded.position,
        to_position=None,
        created_position=recorded.position,
        version=envelope.originator_version,
        part=part,
        **columns,
    )


def _begin_paper(recorded: Recorded[BeginsPaper]) -> RetentionRow:
    body = recorded.envelope.body
    return _first_row(recorded, PAPER, body.customer, type=body.type.code, **_first_days(recorded.envelope))


def _first_days(envelope: Envelope[BeginsPaper]) -> dict[str, Any]:
    """An issued form counts as received on the day of its issue, in UTC."""
    body = envelope.body
    match body:
        case DocumentArchived(description=description):
            described = value_or_none(description)
            received_on = described.received_on if described else None
            return {"kind": DOCUMENT, "received_on": received_on, "evidence_of": body.evidence_of}
        case IdentitySeen(seen_on=seen_on):
            return {"kind": NOTE, "received_on": seen_on}
        case AuthorizationIssued(valid_until=until):
            return {"kind": AUTHORIZATION, "received_on": envelope.meta.occurred_at.date(), "valid_until": until}
        case AuthorizationRegistered(terms=terms, last_collection_on=last):
            days = {"received_on": terms.signed_on, "valid_until": terms.valid_until, "last_collection_on": last}
            return {"kind": AUTHORIZATION, **days}
    assert_never(body)


def _change_paper(row: RetentionRow, body: ChangesPaper) -> RetentionRow:
    return replace(row, **_changed_columns(row, body))


def _changed_columns(row: RetentionRow, body: ChangesPaper) -> dict[str, Any]:
    match body:
        case DocumentDescribed(new=new):
            described = value_or_none(new)
            return {"received_on": described.received_on} if described and row.kind == DOCUMENT else {}
        case DocumentReclassified(new=stamp):
            return {"type": stamp.code}
        case DocumentReassigned(customer=customer):
            return {"customer": customer, "linked_customers": _links_without(row, customer)}
        case CustomerLinked(linked=customer):
            return {"linked_customers": [*row.linked_customers, str(customer)]}
        case CustomerUnlinked(linked=customer):
            return {"linked_customers": _links_without(row, customer)}
        case AuthorizationSigned(terms=terms):
            return {"received_on": terms.signed_on, "valid_until": terms.valid_until}
        case EvidenceWithdrawn() | EvidenceRestored():  # what has ended keeps its end, whatever happens to its paper
            return {} if body.status is body.was else {"valid_until": body.valid_until}
        case NoteWithdrawn():
            ended_on = None if body.status is AuthorizationStatus.ISSUED else body.on
            return {"valid_until": body.valid_until, "ended_on": ended_on}
        case AuthorizationRevoked(effective_on=on):
            return {"ended_on": day_before(on)}
        case AuthorizationSuperseded(on=on) | AuthorizationExpired(on=on) | AuthorizationCancelled(on=on):
            return {"ended_on": on}
        case AuthorizationReinstated():
            return {"ended_on": None}
        case CollectionReported(due_on=on):
            return {"last_collection_on": max(on, row.last_collection_on or on)}
        case AuthorizationReassigned(customer=customer):
            return {"customer": customer}
    assert_never(body)


def _links_without(row: RetentionRow, customer: UUID) -> list[str]:
    return [linked for linked in row.linked_customers if linked != str(customer)]


def _report(row: RetentionRow, body: ReportEvent) -> RetentionRow:
    match body:
        case CustomerReturned():
            return replace(row, reported={}, left_on=None)
        case CustomerDeceasedReported() | CustomerLeft() | CustomerDeletedInSource():
            reported = {**(row.reported or {}), STATUS_AFTER[type(body)].value: body.on}
            return replace(row, reported=reported, left_on=min(reported.values()))
    assert_never(body)


def _with_rule(row: RetentionRow, rule: Rule | None) -> RetentionRow:
    if rule is None:
        return replace(row, trigger=None, months=None, age_years=None)
    return replace(row, trigger=rule.trigger, months=rule.months, age_years=rule.age_years)


def _rule_from(row: RetentionRow) -> Rule | None:
    if row.trigger is None or row.months is None or row.age_years is None:
        return None
    return Rule(row.trigger, row.months, row.age_years)


def _with_day(row: RetentionRow, rule: Rule | None, customer: RetentionRow | None) -> RetentionRow:
    """Only the day of the customer that the trigger needs is copied. A joint paper waits for such a day as long as it
    belongs to several customers, whose days differ."""
    trigger = trigger_of(rule, is_copy=row.kind != NOTE) if rule and not row.evidence_of else None
    alone = customer if not row.linked_customers else None
    left_on = alone.left_on if alone and trigger == Trigger.MEMBERSHIP_END else None
    born_on = alone.born_on if alone and trigger == Trigger.AGE_LIMIT else None
    due = due_on(rule, _facts_of(row, left_on, born_on)) if trigger else None
    return RetentionRow(
        row.id,
        row.customer,
        row.from_position,
        row.to_position,
        row.created_position,
        row.version,
        row.part,
        row.type,
        trigger,
        rule.months if rule else None,
        rule.age_years if rule else None,
        row.evidence_of,
        row.kind,
        row.received_on,
        row.valid_until,
        row.ended_on,
        row.last_collection_on,
        left_on,
        born_on,
        row.linked_customers,
        row.reported,
        due,
        _state_of(row, rule, due),
        row.hold,
    )


def _facts_of(row: RetentionRow, left_on: date | None, born_on: date | None) -> PaperFacts:
    return PaperFacts(
        received_on=row.received_on,
        ends_on=row.ended_on or row.valid_until,
        last_collection_on=row.last_collection_on,
        left_on=left_on,
        born_on=born_on,
        is_copy=row.kind != NOTE,
    )


def redact(row: RetentionRow) -> RetentionRow:
    """The row without the day of receipt of a document, which is sealed, and with the day that follows without it."""
    if row.kind != DOCUMENT:
        return row
    bare = replace(row, received_on=None)
    if row.state not in (DATED, WAITING):
        return bare
    due = due_on(_rule_from(row), _facts_of(bare, row.left_on, row.born_on))
    return replace(bare, due_on=due, state=WAITING if due is None else DATED)


def _state_of(row: RetentionRow, rule: Rule | None, due: date | None) -> str:
    if row.evidence_of is not None:
        return EVIDENCE
    if rule is None:
        return UNLIMITED
    return WAITING if due is None else DATED


# -- the view ---------------------------------------------------------------------------------------------------


def bind_related(page: Sequence[Step]) -> dict[str, Any] | None:
    """The parameters of RELATED for the events of a page; None when no row is needed."""
    papers, customers, reported, types = set[UUID](), set[UUID](), set[UUID](), set[str]()
    for recorded, _ in page:
        envelope, kind = recorded.envelope, type(recorded.envelope.body)
        if kind in OF_PAPERS or kind in DESTROYING:
            customers.add(envelope.body.customer)
            if envelope.originator_version > 1:
                papers.add(envelope.originator_id)
        elif kind in OF_CUSTOMERS:
            customers.add(envelope.body.customer)
            reported.add(envelope.body.customer)
        elif kind is DocumentTypeChanged and rule_of(envelope.body.old) != rule_of(envelope.body.new):
            types.add(envelope.body.code)
    if not (papers or customers or types):
        return None
    return {
        "papers": list(papers),
        "customers": list(customers),
        "reported": list(reported),
        "types": list(types),
    }


# The open rows that some events change or are applied to: papers of the events, all rules, the customers of the papers
# (all customers where a rule changes), and the papers of customers and types whose days change. A row may come twice.
RELATED = """
    select {columns} from {table} where to_position is null and part = 'rule'
    union all
    select {columns} from {table} where to_position is null and id = any(%(papers)s)
    union all
    select {columns} from {table} where to_position is null and customer = any(%(customers)s) and part = 'customer'
    union all
    select {columns} from {table} where to_position is null and cardinality(%(types)s::text[]) > 0 and part = 'customer'
    union all
    select {columns} from {table} where to_position is null and customer = any(%(reported)s) and part = 'paper'
    union all
    select {columns} from {table} where to_position is null and type = any(%(types)s) and part = 'paper'
"""


def row_from_columns(*values: Any) -> RetentionRow:
    """A row from the driver's values, with the reports converted from plain JSON."""
    row = RetentionRow(*values)
    if not row.reported:
        return row
    return replace(row, reported=msgspec.convert(row.reported, dict[str, date]))


VIEW = View(
    name=NAME,
    row=RetentionRow,
    key=("id", "customer", "from_position"),
    json=("reported",),
    events=OF_PAPERS | DESTROYING | OF_CUSTOMERS | OF_TYPES,
    fold=RetentionFold,
    read=row_from_columns,
    shape=1,
    redact=redact,
    related=RelatedRows(sql=RELATED, bind=bind_related),
)
