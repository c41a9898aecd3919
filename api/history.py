"""Shows the history of a customer, a document, an authorization or the whole archive, and the access log."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from api.call import Call
from domain.access import Verb, may
from domain.moment import Moment, format_moment
from domain.refusals import N_, FieldError, NotFound, ValidationFailed
from projections import audit_history, customer_documents
from projections.audit_history import HistoryFilters
from projections.history_items import history_item
from projections.reading import DOCUMENTS, HISTORY, NOBODY, read_cursor, write_cursor
from web.pointers import in_query


class AccessItem(msgspec.Struct, frozen=True):
    """One read in the access log."""

    at: Moment
    actor: str
    branch: str
    action: str
    customer: str | None
    document: UUID | None
    authorization: UUID | None
    status: int
    trace_id: str
    kind: str | None
    scan_session: UUID | None
    page: int | None


async def of_customer(call: Call) -> None:
    """GET /customers/{id}/history."""
    customer = await call.parts.customers.get(call.params["id"])
    if customer is None:
        raise NotFound
    await call.wait_for_views(HISTORY, DOCUMENTS)
    reference = await call.parts.customers.reference_of(customer.id)
    await call.record_access("history", customer=reference)
    await answer_history(call, HistoryFilters(customer=reference or NOBODY))


async def of_document(call: Call) -> None:
    await of_paper(call, document=True)


async def of_authorization(call: Call) -> None:
    await of_paper(call, document=False)


async def of_paper(call: Call, *, document: bool) -> None:
    """GET /documents/{id}/history and /authorizations/{id}/history."""
    await call.wait_for_views(HISTORY, DOCUMENTS)
    async with call.parts.connection() as conn:
        row = (await customer_documents.find_paper(conn, call.id(), call.rights)).row
    if row is None or (row.kind == "document") is not document:
        raise NotFound
    await call.record_access(
        "history",
        customer=row.customer,
        document=row.id if document else None,
        authorization=None if document else row.id,
    )
    await answer_history(call, HistoryFilters(subject=row.id))


async def of_all(call: Call) -> None:
    """GET /history: audit queries over everything that the caller may see."""
    await call.wait_for_views(HISTORY, DOCUMENTS)
    await call.record_access("history")
    await answer_history(call, HistoryFilters())


async def answer_history(call: Call, about: HistoryFilters) -> None:
    limit, cursor, as_of = call.limit(), call.text("cursor"), await call.position_of(call.as_of(), HISTORY, DOCUMENTS)
    wanted = msgspec.structs.replace(
        about,
        actor=call.text("actor"),
        action=call.text("action"),
        branch=call.parse_branch_filter(),
        type=await call.parse_type_filter(),
        since=call.moment("from"),
        until=call.moment("to"),
    )
    await call.wait_for_views(HISTORY, DOCUMENTS)
    async with call.parts.connection() as conn:
        page = await audit_history.fetch_page(
            conn,
            wanted,
            call.rights,
            as_of=as_of,
            operations=may(call.principal, Verb.OPERATIONS),
            exports=may(call.principal, Verb.CUSTOMERS_EXPORT),
            limit=limit,
            cursor=cursor,
        )
    whole = may(call.principal, Verb.AUTHORIZATIONS_CHANGE)
    rows = await with_customer_ids(call, page.rows)
    items = [
        history_item(row, whole_iban=whole, labels=page.labels.get(row.subject_id), language=call.language)
        for row in rows
    ]
    call.page(items, position=page.position, next_cursor=page.next)


async def with_customer_ids(call: Call, rows: Sequence[audit_history.HistoryRow]) -> list[audit_history.HistoryRow]:
    """The rows with the library system's ids of the customers in moves and links."""
    references = audit_history.customers_in(rows)
    ids = await call.parts.customers.ids_of(references) if references else {}
    return [audit_history.with_customer_ids(row, ids) for row in rows]


async def access_log(call: Call) -> None:
    """GET /access-log: the reads, newest first, filtered by actor, action, customer, paper, scan session and period.

    A line about a paper appears once the views have the paper, because they decide who may see it."""
    await call.wait_for_views(DOCUMENTS)
    customer = call.text("customer")
    cursor = call.text("cursor")
    reference = await call.parts.customers.reference_of(customer) if customer else None
    if customer and reference is None:
        call.page([], position=0, next_cursor=None)
        return
    lines, following = await call.parts.read_access(
        call.rights,
        customer=reference,
        paper=uuid_of(call, "paper"),
        scan_session=uuid_of(call, "scan_session"),
        actor=call.text("actor"),
        action=call.text("action"),
        since=call.moment("from"),
        until=call.moment("to"),
        limit=call.limit(),
        before=read_cursor(cursor).last if cursor else None,
    )
    names = await call.parts.customers.ids_of({line.customer for line in lines if line.customer})
    items = [access_item(line, names) for line in lines]
    position = await call.parts.blocking(call.parts.last_position)
    call.page(items, position=position, next_cursor=write_cursor(position, following) if following else None)


def uuid_of(call: Call, name: str) -> UUID | None:
    text = call.text(name)
    try:
        return UUID(text) if text else None
    except ValueError:
        raise ValidationFailed(FieldError(in_query(name), N_("must be an id"))) from None


def access_item(line: Any, names: Mapping[Any, str]) -> AccessItem:
    return AccessItem(
        format_moment(line.at),
        line.actor,
        line.branch,
        line.action,
        names.get(line.customer),
        line.document,
        line.authorization,
        line.status,
        line.trace_id,
        line.kind,
        line.scan_session,
        line.page,
    )
