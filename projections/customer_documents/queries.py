"""Queries of the view customer_documents: a customer's list, one paper, a file. The SQL is in statements.py.

Each query applies the caller's rights: a paper that the caller may not see is answered like one that does not exist.
"""

from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from domain.customer import Customer
from domain.document import DocumentStatus
from domain.refusals import N_, FieldError, PaperDestroyed, ValidationFailed
from projections.customer_documents import statements
from projections.customer_documents.fold import VIEW
from projections.customer_documents.items import ListedPaper, merge_evidence
from projections.customer_documents.row import PaperRow
from projections.customer_documents.statements import COUNTED_MAX, FETCHED, FILTERS, NEWEST, ORDERS, Order
from projections.reading import (
    NO_FLOOR,
    Cursor,
    Floor,
    like_pattern,
    read_cursor,
    require_position,
    text_array,
    unknown_cursor,
    write_cursor,
)
from store import register

decode_ids = msgspec.json.Decoder(dict[UUID, str]).decode
LABELS, ITEM = VIEW.columns.index("labels"), VIEW.columns.index("item")


class PaperFilters(msgspec.Struct, frozen=True, kw_only=True):
    """`q` is searched for in the file name, title, note, type label, scan code, shelf mark and external id.

    `documents`: True lists documents only, False authorizations of every kind only. `received_from` and `received_to`
    are inclusive; a paper without a day of receipt counts as received on the day of its recording in `zone`.
    """

    kind: str | None = None
    documents: bool | None = None
    type: str | None = None
    status: str | None = None
    source: str | None = None
    original_held: bool | None = None
    received_from: date | None = None
    received_to: date | None = None
    zone: str = "UTC"
    q: str | None = None


class PaperPage(msgspec.Struct, frozen=True):
    """`position`: that of the view. `next`: the cursor of the next page, None at the end."""

    rows: list[ListedPaper]
    position: int
    next: str | None = None
    customer: Customer | None = None


async def fetch_page(
    conn: AsyncConnection[Any],
    customer: UUID,
    rights: Rights,
    filters: PaperFilters,
    *,
    as_of: int | None,
    limit: int,
    cursor: str | None = None,
    customer_id: str | None = None,
    sort: str | None = None,
    language: str = "en",
    floor: Floor = NO_FLOOR,
) -> PaperPage:
    """A customer's papers, newest first or in the order `sort` of SORTS; `language` is that of the labels.

    `as_of` is a position; later pages keep the position of the first page. With a `customer_id` the register's entry
    comes along: a separate statement for it would cost a third of the whole. Raises ValidationFailed for a cursor of
    another order. Each query here raises ViewBehind when the view is behind the `floor`.
    """
    order = ORDERS[sort or NEWEST]
    place = _parse_cursor(cursor, order) if cursor else None
    at = place.pinned if place else as_of
    given = _filter_values(filters, rights)
    fetched = next((n for n in FETCHED if n > limit), limit + 1)
    query = statements.build_list(tuple(given), fetched, order.name, then=at is not None, continued=place is not None)
    whose = {"customer": customer, "customer_id": customer_id, "zone": filters.zone, "language": language}
    behind = {"before": place.last, "key": place.key} if place else {}
    rows, position, entry = await _fetch_listed(
        conn, query, {**_common_parameters(rights, at, floor), **given, **whose, **behind}
    )
    more = _write_next_cursor(rows[limit - 1], order, position if at is None else at) if len(rows) > limit else None
    return PaperPage(rows[:limit], position, more, register.customer_from_json(entry) if entry else None)


def _write_next_cursor(last: ListedPaper, order: Order, pinned: int) -> str:
    return write_cursor(pinned, last.created_position, "" if order.name == NEWEST else order.name, last.key or "")


def _parse_cursor(cursor: str, order: Order) -> Cursor:
    """Raises ValidationFailed for a cursor that belongs to a list in another order."""
    place = read_cursor(cursor)
    if (place.sort or NEWEST) != order.name:
        raise ValidationFailed(FieldError("cursor", N_("belongs to a list with another sort order")))
    try:
        if order.key:
            order.key.parse(place.key)
    except ValueError:
        raise unknown_cursor() from None
    return place


def _filter_values(filters: PaperFilters, rights: Rights) -> dict[str, Any]:
    """The given filters: names in FILTERS, and their values."""
    asked = {
        **msgspec.structs.asdict(filters),
        "branch": rights.branch,
        "q": like_pattern(filters.q) if filters.q else None,
    }
    return {name: value for name, value in asked.items() if name in FILTERS and value is not None}


class Counts(msgspec.Struct, frozen=True):
    """`complete` False: there are more than COUNTED_MAX papers, and the rest was not counted."""

    documents: int
    authorizations: int
    complete: bool
    position: int


async def count_papers(
    conn: AsyncConnection[Any], customer: UUID, rights: Rights, filters: PaperFilters, *, as_of: int | None
) -> Counts:
    """The number of papers that `fetch_page` lists on all its pages together."""
    given = _filter_values(filters, rights)
    bound = {**_common_parameters(rights, as_of), **given, "customer": customer, "zone": filters.zone}
    ((position, documents, authorizations),) = await _fetch_rows(
        conn, statements.build_count(tuple(given), then=as_of is not None), bound
    )
    return Counts(documents, authorizations, documents + authorizations <= COUNTED_MAX, position)


class FoundPaper(msgspec.Struct, frozen=True):
    """A document or authorization with the library-system ids of its customers by reference, without those of erased
    ones. `row` is None if the paper does not exist for this caller; `position` is that of the view."""

    row: PaperRow | None
    position: int
    customer_ids: dict[UUID, str]


async def find_paper(
    conn: AsyncConnection[Any], paper: UUID, rights: Rights, *, as_of: int | None = None, floor: Floor = NO_FLOOR
) -> FoundPaper:
    """One document or authorization. One statement fetches the customers' ids too, because a second one took a third
    of the time."""
    bound = {**_common_parameters(rights, as_of, floor), "id": paper}
    (position, ids, *values), *_ = await _fetch_rows(
        conn, statements.FIND_PAPER if as_of is None else statements.FIND_PAPER_THEN, bound
    )
    row = _row_from_columns(values) if values[0] else None
    return FoundPaper(row, require_position(position), decode_ids(ids) if ids else {})


class StoredFile(msgspec.Struct, frozen=True):
    """The columns that sending a document's content needs."""

    id: UUID
    customer: UUID
    status: str
    file_name: str | None
    media_type: str
    size_bytes: int
    sha256: str
    pages: int | None
    preview: bool
    content_version: int
    content_id: UUID
    sealed_size_bytes: int


STATUS = StoredFile.__struct_fields__.index("status")


async def find_file(
    conn: AsyncConnection[Any],
    document: UUID,
    rights: Rights,
    *,
    content_version: int | None = None,
    floor: Floor = NO_FLOOR,
) -> StoredFile | None:
    """The file, or None if the document does not exist for this caller or has no readable content (of this version).

    An earlier version is readable for a caller who may see the document today; it has today's customer and status.
    Raises PaperDestroyed for a caller who may see the tombstone.
    """
    bound = {**_common_parameters(rights, None, floor), "id": document, "content_version": content_version}
    ((position, *values),) = await _fetch_rows(
        conn, statements.FIND_FILE if content_version is None else statements.FIND_FILE_VERSION, bound
    )
    require_position(position)
    if values[0] is None:
        return None
    if values[STATUS] == DocumentStatus.DESTROYED:
        raise PaperDestroyed
    return StoredFile(*values)


async def find_by_external_id(
    conn: AsyncConnection[Any], external_id: str, rights: Rights, *, documents: bool, as_of: int | None = None
) -> PaperPage:
    """The documents (evidence included) or authorizations with the caller's own id; there are at most a few."""
    bound = {**_common_parameters(rights, as_of), "external_id": external_id, "documents": documents}
    rows, position, _ = await _fetch_listed(
        conn, statements.FIND_EXTERNAL if as_of is None else statements.FIND_EXTERNAL_THEN, bound
    )
    return PaperPage(rows, position)


def _common_parameters(rights: Rights, as_of: int | None, floor: Floor = NO_FLOOR) -> dict[str, Any]:
    least = {"minimum": floor.position, "writer": floor.writer, "known_types": floor.types}
    return {"types": text_array(tuple(rights.types)), "branch": rights.branch, "as_of": as_of, **least}


async def _fetch_rows(conn: AsyncConnection[Any], query: str, bound: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, bound, prepare=True)
        return await cursor.fetchall()


async def _fetch_listed(
    conn: AsyncConnection[Any], query: str, bound: dict[str, Any]
) -> tuple[list[ListedPaper], int, str | None]:
    """Rows, position and register entry of one statement, so that they belong together."""
    (position, entry, *_), *rows = await _fetch_rows(conn, query, bound)
    return [_build_listed(*values) for values in rows], require_position(position), entry


def _build_listed(
    position: int,
    item: str,
    code: str,
    labels: str,
    retention_from: date | None,
    last_collection_on: date | None,
    evidence: str | None,
    key: str | None,
) -> ListedPaper:
    shown = merge_evidence(item, evidence)
    return ListedPaper(shown, code, _parse_labels(labels), retention_from, last_collection_on, position, key)


def _row_from_columns(values: list[Any]) -> PaperRow:
    """A PaperRow from VIEW.columns and the evidence's item."""
    *own, evidence = values
    own[LABELS] = _parse_labels(own[LABELS])
    own[ITEM] = merge_evidence(own[ITEM], evidence)
    return PaperRow(*own)


@lru_cache(maxsize=1_000)
def _parse_labels(text: str) -> dict[str, str]:
    """The labels of this JSON, cached: a page has a handful of types, and parsing was a fifth of its cost."""
    return msgspec.json.decode(text, type=dict[str, str])
