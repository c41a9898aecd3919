"""The history of a customer, a document or an authorization for `dossier history`; api/history.py serves it by HTTP.
The views answer, as of a position or a moment; every reading is entered in the access log before it is shown."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection

from domain.access import Rights
from domain.archive import Caller
from domain.moment import parse_moment
from domain.refusals import N_, FieldError, NotFound, Unavailable
from projections import audit_history, customer_documents, moments
from projections.audit_history import HistoryFilters
from projections.history_items import HistoryItem, history_item
from projections.reading import NOBODY
from service.access import access_of, open_view_connection, record_reads
from service.wiring import Store
from store.keys import customer_ids, reference_of

PAGE = 200
POLL_SECONDS = 0.05
Connection = AsyncConnection[Any]


class HistorySubject(msgspec.Struct, frozen=True):
    """Customer or paper of a history. A customer without archived papers has no reference, and an empty history."""

    customer: UUID | None = None
    document: UUID | None = None
    authorization: UUID | None = None


class HistoryReading(msgspec.Struct, frozen=True):
    """`items` newest first, `position` of the view, `last` position of the log."""

    items: list[HistoryItem]
    position: int
    last: int


def history_of_customer(store: Store, customer_id: str, caller: Caller, *, as_of: str | None) -> HistoryReading:
    """Load the history of a customer. Raises NotFound for an id unknown to log and register."""

    async def find_customer(conn: Connection) -> HistorySubject:
        reference = await reference_of(conn, customer_id)
        if reference is None and store.register.get(customer_id) is None:
            raise NotFound
        return HistorySubject(customer=reference)

    return _load_logged(store, find_customer, caller, as_of)


def history_of_paper(store: Store, paper: UUID, caller: Caller, *, document: bool, as_of: str | None) -> HistoryReading:
    """Load the history of a document or an authorization. Raises NotFound when it is of the other kind."""

    async def find_paper(conn: Connection) -> HistorySubject:
        row = (await customer_documents.find_paper(conn, paper, _all_rights(store))).row
        if row is None or (row.kind == "document") is not document:
            raise NotFound
        return HistorySubject(row.customer, paper if document else None, None if document else paper)

    return _load_logged(store, find_paper, caller, as_of)


def _all_rights(store: Store) -> Rights:
    """All rights: the account can read the keys of the archive, so it may read everything."""
    return Rights(list(store.archive().catalogues.load_types()))


def _load_logged(
    store: Store, find: Callable[[Connection], Awaitable[HistorySubject]], caller: Caller, as_of: str | None
) -> HistoryReading:
    """Find the subject, write the access-log line, then load the items."""

    async def find_subject() -> tuple[HistorySubject, int | None]:
        async with open_view_connection(store) as conn:
            await wait_for_views(store, conn, store.log.last_position())
            return await find(conn), await _position_of(store, conn, as_of)

    async def load_history(subject: HistorySubject, position: int | None) -> HistoryReading:
        async with open_view_connection(store) as conn:
            return await _load_items(store, conn, subject, position)

    subject, position = asyncio.run(find_subject())
    record_reads(store, [access_of(caller, "history", **msgspec.structs.asdict(subject))])
    return asyncio.run(load_history(subject, position))


async def _load_items(store: Store, conn: Connection, subject: HistorySubject, as_of: int | None) -> HistoryReading:
    paper = subject.document or subject.authorization
    # Without a reference there would be no filter, and the history would include all customers.
    about = HistoryFilters(subject=paper) if paper else HistoryFilters(customer=subject.customer or NOBODY)
    items: list[HistoryItem] = []
    cursor: str | None = None
    while True:
        page = await audit_history.fetch_page(
            conn, about, _all_rights(store), operations=True, exports=True, as_of=as_of, limit=PAGE, cursor=cursor
        )
        ids = await customer_ids(conn, audit_history.customers_in(page.rows))
        rows = [audit_history.with_customer_ids(row, ids) for row in page.rows]
        items += [history_item(row, whole_iban=True) for row in rows]
        cursor = page.next
        if cursor is None:
            return HistoryReading(items, page.position, store.log.last_position())


async def _position_of(store: Store, conn: Connection, as_of: str | None) -> int | None:
    """The position that --as-of names: itself, or the last one recorded at that moment or before."""
    if as_of is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", as_of):
        if int(as_of) > store.log.last_position():
            raise FieldError("as-of", N_("must not be in the future"))
        return int(as_of)
    moment: datetime = parse_moment(as_of, "as-of")
    if moment > store.archive().clock.now():
        raise FieldError("as-of", N_("must not be in the future"))
    instant = await moments.position_at(conn, moment)
    if not instant.final:
        if not await wait_for_views(store, conn, store.log.fence()):
            raise Unavailable
        instant = await moments.position_at(conn, moment)
    return instant.position


async def wait_for_views(store: Store, conn: Connection, position: int) -> bool:
    """Wait until the views have reached `position`; False on a timeout."""
    deadline = time.monotonic() + store.settings.limits.min_position_wait_seconds
    while True:
        row = await (await conn.execute(WHERE_VIEWS_STAND)).fetchone()
        if row is not None and row[0] >= position:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)


WHERE_VIEWS_STAND = "select min(position) from views.tracking where name in ('audit_history', 'customer_documents')"
