"""Lists the work of the desk: authorizations about to end and originals held; api/scans.py lists unfinished scans."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec

from api.call import Call
from api.looks import about, record_papers
from domain.access import AccessKind
from domain.customer import Customer
from domain.moment import Moment, format_moment
from projections import work_list
from projections.reading import AUTHORIZATIONS
from projections.work_list import EndReason, WorkListPage, WorkListRow


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization on the work list."""

    id: UUID
    kind: str
    type: str
    type_label: str
    status: str
    customer: str | None
    customer_name: str | None
    branch: str
    recorded_at: Moment
    ends_on: date | None
    why: EndReason | None
    shelf_mark: str | None


async def ending(call: Call) -> None:
    """GET /work-list/ending?days=&branch=: authorizations that end by the calendar within `days`, earliest first."""
    days = call.number("days", default=30, low=0, high=366)
    await call.wait_for_views(AUTHORIZATIONS)
    until = call.parts.archive.clock.today() + timedelta(days=days)
    async with call.parts.connection() as conn:
        found = await work_list.list_ending(conn, call.rights, until=until, **paging(call))
    await answer(call, found, "ending")


async def originals(call: Call) -> None:
    """GET /work-list/originals?branch=: papers on a shelf that are not scanned yet, the oldest first."""
    await call.wait_for_views(AUTHORIZATIONS)
    async with call.parts.connection() as conn:
        found = await work_list.list_originals(conn, call.rights, **paging(call))
    await answer(call, found, "originals")


def paging(call: Call) -> dict[str, Any]:
    return {"branch": call.parse_branch_filter(), "limit": call.limit(), "cursor": call.text("cursor")}


async def answer(call: Call, found: WorkListPage, kind: AccessKind) -> None:
    sensitive = (one for one in found.rows if call.is_sensitive(one.type))
    await record_papers(call, "list", kind, None, [about(one.kind, one.id, one.customer, kind) for one in sensitive])
    ids = await call.parts.customers.ids_of({one.customer for one in found.rows})
    known = await call.parts.customers.get_all(ids.values())
    items = [item_of(call, one, known.get(ids.get(one.customer, ""))) for one in found.rows]
    call.page(items, position=found.position, next_cursor=found.next)


def item_of(call: Call, one: WorkListRow, customer: Customer | None) -> WorkItem:
    return WorkItem(
        id=one.id,
        kind=one.kind,
        type=one.type,
        type_label=one.labels.get(call.language) or one.labels.get("en") or one.type,
        status=one.status,
        customer=customer.id if customer else None,
        customer_name=customer.name if customer else None,
        branch=one.branch,
        recorded_at=format_moment(one.recorded_at),
        ends_on=one.ends_on,
        why=one.why,
        shelf_mark=one.shelf_mark,
    )
