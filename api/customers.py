"""Reads and writes the register of customers, and lists the documents and authorizations of one customer."""

from datetime import date
from functools import partial
from typing import Literal

import msgspec

from api.answers import items_of
from api.bodies import CustomerAnswer, Reason, answer_of_customer, customer_answer
from api.call import Call
from api.looks import record_list
from domain.access import AccessKind
from domain.customer import Customer, CustomerStatus, parse_customer, parse_query
from domain.moment import Moment, format_moment
from domain.refusals import N_, FieldError, NotFound, ValidationFailed
from domain.scan_code import candidates, is_well_formed
from domain.values import parse_customer_id, parse_date, reason_of
from projections import customer_documents, moments
from projections.customer_documents import PaperFilters
from projections.reading import DOCUMENTS, HISTORY, NOBODY
from web.pointers import in_path, in_query

CustomerEvent = Literal["deceased", "left", "deleted_in_source", "returned"]
EVENT_STATUS: dict[CustomerEvent, CustomerStatus] = {
    "deceased": CustomerStatus.DECEASED,
    "left": CustomerStatus.LEFT,
    "deleted_in_source": CustomerStatus.DELETED_IN_SOURCE,
    "returned": CustomerStatus.ACTIVE,
}
HITS_MAX = 1_000  # for one search, over all its pages


class CustomerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole entry of a customer. A field that is left out becomes empty."""

    name: str
    birth_date: date | None = None
    card_numbers: list[str] = []
    home_branch: str | None = None
    kind: str = "person"


class ReportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened to a customer. `returned`: the customer is active again, or an earlier report was a mistake."""

    event: CustomerEvent
    on: date
    reason: Reason


class Instant(msgspec.Struct, frozen=True):
    """The instant that an `as_of` names."""

    position: int
    at: Moment | None


class SummaryAnswer(msgspec.Struct, frozen=True):
    """The number of papers in the list with these filters; at most 1,001 are counted."""

    customer: CustomerAnswer
    documents: int
    authorizations: int
    complete: bool
    as_of: Instant | None
    position: int


class ChangesAnswer(msgspec.Struct, frozen=True):
    """The moments at which the papers of a customer changed, from the last 500 events."""

    moments: list[Moment]
    complete: bool
    position: int


async def put_customer(call: Call) -> None:
    """PUT /customers/{id}: 201 when it is new. The log has no event of it; its position is in the answer."""
    body = await call.body(CustomerBody)
    customer = parse_customer(
        parse_customer_id(call.params["id"], in_path("id")),
        name=body.name,
        birth_date=body.birth_date,
        card_numbers=body.card_numbers,
        home_branch=body.home_branch,
        kind=body.kind,
        today=call.parts.archive.clock.today(),
    )
    created = await call.parts.customers.put(customer)
    position = await call.parts.blocking(call.parts.last_position)
    call.answer(customer_answer(customer), status=201 if created else 200, position=position)


async def report_customer(call: Call) -> None:
    """POST /customers/{id}/report: repeating a report changes nothing."""
    body = await call.body(ReportBody)
    report = partial(
        call.parts.archive.customer_files.report_customer,
        parse_customer_id(call.params["id"], in_path("id")),
        EVENT_STATUS[body.event],
        body.on,
        reason_of(body.reason),
        call.caller(),
    )
    outcome = await call.parts.blocking(report)
    if outcome.replayed:
        call.resp.set_header("Idempotency-Replayed", "true")
    customer = await call.parts.customers.get(outcome.customer)
    call.answer(answer_of_customer(customer, outcome.customer), position=outcome.position)


async def search_customers(call: Call) -> None:
    """GET /customers?q=: finds customers by id, card number, birth date or name, the best match first.

    The register has no history, so a later page shows the register as it is at that time."""
    query = call.text("q")
    if query is None or not query.strip():
        raise ValidationFailed(FieldError(in_query("q"), N_("is required: a name, card number, birth date or id")))
    if len(query) > 200:
        raise ValidationFailed(FieldError(in_query("q"), N_("must have at most {limit} characters"), limit=200))
    found = await call.parts.customers.search(query, min(call.offset(), HITS_MAX) + call.limit() + 1)
    only = await call.parts.customers.reference_of(found[0].id) if len(found) == 1 else None
    await call.record_look("search", {"customer": only, "kind": parse_query(query).kind}, sensitive=False)
    position = await call.parts.blocking(call.parts.last_position)
    call.send_page_of([customer_answer(c) for c in found], position=position)


async def show_customer(call: Call) -> None:
    """GET /customers/{id}. It writes no line if this request has already written one about the customer."""
    customer = await require_customer(call)
    reference = await call.parts.customers.reference_of(customer.id)
    if not call.has_named(reference):
        await call.record_look("customer", {"customer": reference}, sensitive=False)
    call.answer(customer_answer(customer))


async def require_customer(call: Call) -> Customer:
    customer = await call.parts.customers.get(call.params["id"])
    if customer is None:
        raise NotFound
    return customer


async def list_documents(call: Call) -> None:
    """GET /customers/{id}/documents: lists the customer's documents and authorizations (E1 to E6)."""
    filters, sort = await filters_of(call), call.text("sort")
    limit, cursor, as_of = call.limit(), call.text("cursor"), await call.position_of(call.as_of(), DOCUMENTS)
    reference = await call.parts.customers.reference_of(call.params["id"])
    page = await call.query_view(
        DOCUMENTS,
        lambda conn, floor: customer_documents.fetch_page(
            conn,
            reference or NOBODY,
            call.rights,
            filters,
            as_of=as_of,
            limit=limit,
            cursor=cursor,
            customer_id=call.params["id"],
            sort=sort,
            language=call.language,
            floor=floor,
        ),
    )
    if page.customer is None:
        raise NotFound
    await record_list(call, page.rows, kind=kind_of(filters), customer=reference)
    items = items_of(call, page)
    call.page(items, position=page.position, next_cursor=page.next, customer=customer_answer(page.customer))


async def show_summary(call: Call) -> None:
    """GET /customers/{id}/summary: the number of papers in the list, and the instant that `as_of` names."""
    filters, as_of = await filters_of(call), await call.position_of(call.as_of(), DOCUMENTS, HISTORY)
    await call.wait_for_views(DOCUMENTS)
    customer = await require_customer(call)
    reference = await call.parts.customers.reference_of(customer.id)
    async with call.parts.connection() as conn:
        found = await customer_documents.count_papers(conn, reference or NOBODY, call.rights, filters, as_of=as_of)
        at = await moments.moment_of(conn, as_of) if as_of else None
    await call.record_look("list", {"customer": reference, "kind": kind_of(filters)}, sensitive=False)
    instant = Instant(as_of, format_moment(at) if at else None) if as_of is not None else None
    answer = SummaryAnswer(
        customer_answer(customer), found.documents, found.authorizations, found.complete, instant, found.position
    )
    call.answer(answer, position=found.position)


async def list_changes(call: Call) -> None:
    """GET /customers/{id}/changes: the moments at which the customer's papers changed."""
    await call.wait_for_views(HISTORY, DOCUMENTS)
    customer = await require_customer(call)
    reference = await call.parts.customers.reference_of(customer.id)
    async with call.parts.connection() as conn:
        found = await moments.fetch_changes(conn, reference or NOBODY, call.rights)
    await call.record_look("list", {"customer": reference, "kind": "papers"}, sensitive=False)
    answer = ChangesAnswer([format_moment(at) for at in found.moments], found.complete, found.position)
    call.answer(answer, position=found.position)


def kind_of(filters: PaperFilters) -> AccessKind:
    """The kind of list for the access log, which does not record the words searched for."""
    return "papers" if filters.q is None else "words"


async def filters_of(call: Call) -> PaperFilters:
    """The filters of the query. A typed scan code is searched for in its stored form."""
    text, papers, held = call.text("q"), call.text("papers"), call.text("original_held")
    return PaperFilters(
        kind=call.text("kind"),
        documents=papers == "documents" if papers else None,
        type=await call.parse_type_filter(),
        status=call.text("status"),
        source=call.text("source"),
        original_held=held == "true" if held else None,
        received_from=day_of(call, "received_from"),
        received_to=day_of(call, "received_to"),
        zone=call.parts.zone.key,
        q=parse_card_code(text) or text if text else None,
    )


def day_of(call: Call, name: str) -> date | None:
    text = call.text(name)
    return parse_date(text, in_query(name)) if text else None


def parse_card_code(text: str) -> str | None:
    return next(iter(candidates(text)), None) if is_well_formed(text, ()) else None
