"""View customer documents (E1 to E6): every paper of a customer, authorizations without a file included.

An authorization and its evidence are one row of the list: the authorization's, showing what is on its document. A
withdrawn document has a row of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any, assert_never, get_args
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from domain.authorization import (
    AuthorizationCancelled,
    AuthorizationEvent,
    AuthorizationExpired,
    AuthorizationIssued,
    AuthorizationReassigned,
    AuthorizationRegistered,
    AuthorizationReinstated,
    AuthorizationResumed,
    AuthorizationRevoked,
    AuthorizationSigned,
    AuthorizationStatus,
    AuthorizationSuperseded,
    AuthorizationSuspended,
    CollectionReported,
    EvidenceAttached,
    EvidenceRestored,
    EvidenceWithdrawn,
    MandateAmended,
    RevocationReceived,
    Terms,
)
from domain.calendar import add_months, day_before
from domain.customer import Customer
from domain.document import (
    ContentReplaced,
    CustomerLinked,
    CustomerUnlinked,
    Description,
    DocumentArchived,
    DocumentDescribed,
    DocumentEvent,
    DocumentReassigned,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.document_type import DocumentType, keep_until
from domain.envelope import Recorded, UnsetType
from domain.mandate import MONTHS_DISPUTABLE
from domain.promises import require_value
from domain.refusals import N_, FieldError, ValidationFailed
from domain.values import Kind, Source, TypeStamp
from projections.reading import (
    CHECKED_POSITION,
    NO_FLOOR,
    Cursor,
    Floor,
    Moment,
    format_moment,
    json_text,
    like_pattern,
    read_cursor,
    require_position,
    text_array,
    unknown_cursor,
    write_cursor,
)
from projections.view import RowVersion, Versions, View, value_or_none
from store import register

NAME = "customer_documents"
PaperEvent = DocumentEvent | AuthorizationEvent
EVENTS = frozenset(get_args(PaperEvent))
ENDS_WITH_VALIDITY = ("entitlement_end", "mandate_end")


class Row(RowVersion, frozen=True, gc=False):
    """The table's columns, in its order. Personal fields are None when they were erased. `item` is its ItemBase as
    JSON: lists send it as it stands, which saves reading, building and writing thirty fields a row.

    A joint paper has a row of `linked` False for its customer, which names the `linked_customers`, and beside it for
    each of them the same row with `linked` True."""

    kind: str
    type: str
    labels: dict[str, str]
    status: str
    source: str
    original_held: bool
    recorded_at: datetime
    actor: str
    branch: str
    file_name: str | None = None
    note: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    pages: int | None = None
    preview: bool = False
    password_protected: bool = False
    flags: list[str] = msgspec.field(default_factory=list)
    content_version: int = 0
    content_id: UUID | None = None
    sealed_size_bytes: int | None = None
    sealed_sha256: str | None = None
    received_on: date | None = None
    scan_code: str | None = None
    evidence: UUID | None = None
    evidence_of: UUID | None = None
    shelf_mark: str | None = None
    external_id: str | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    paper: str | None = None
    number_suffix: str | None = None
    seen_on: date | None = None
    item: str = ""
    title: str | None = None
    last_collection_on: date | None = None
    retention_from: date | None = None
    linked: bool = False
    linked_customers: list[str] = msgspec.field(default_factory=list)
    withdrawn_evidence: UUID | None = None


# -- events to rows ---------------------------------------------------------------------------------------------


def evolve(row: Row | None, recorded: Recorded[PaperEvent]) -> Row:
    """The next version of a paper's row."""
    after = _apply_event(row, recorded)
    return msgspec.structs.replace(after, item=json_text(item_base_of(after)))


def _apply_event(row: Row | None, recorded: Recorded[PaperEvent]) -> Row:
    body = recorded.envelope.body
    match body:
        case DocumentArchived():
            return _row_from_archiving(recorded, body)
        case IdentitySeen():
            return _row_from_verification(recorded, body)
        case AuthorizationRegistered():
            return _row_from_registration(recorded, body)
        case AuthorizationIssued():
            return _row_from_issue(recorded, body)
    row = require_value(row, "a paper begins with the event that archives, notes, issues or registers it")
    match body:
        case DocumentDescribed(new=new):
            return _next_version(row, recorded, **_columns_of_description(new))
        case DocumentReclassified(new=stamp):
            return _next_version(row, recorded, type=stamp.code, labels=stamp.labels)
        case DocumentWithdrawn():
            return _next_version(row, recorded, status=DocumentStatus.WITHDRAWN.value)
        case DocumentRestored():
            return _next_version(row, recorded, status=DocumentStatus.ARCHIVED.value)
        case DocumentReassigned(customer=customer):
            return _next_version(row, recorded, customer=customer, linked_customers=_links_without(row, customer))
        case ContentReplaced():
            return _next_version(row, recorded, content_version=row.content_version + 1, **_columns_of_content(body))
        case CustomerLinked(linked=customer):
            return _next_version(row, recorded, linked_customers=[*row.linked_customers, str(customer)])
        case CustomerUnlinked(linked=customer):
            return _next_version(row, recorded, linked_customers=_links_without(row, customer))
        case AuthorizationSigned():
            return _next_version(row, recorded, **_columns_of_signature(row, body))
        case EvidenceAttached(document=document):
            return _next_version(row, recorded, original_held=False, evidence=document, withdrawn_evidence=None)
        case EvidenceWithdrawn():
            return _next_version(row, recorded, **_columns_of_withdrawal(row, body))
        case EvidenceRestored():
            return _next_version(row, recorded, **_columns_of_restoration(row, body))
        case AuthorizationSuspended():
            return _next_version(row, recorded, status=AuthorizationStatus.SUSPENDED.value)
        case AuthorizationResumed():
            return _next_version(row, recorded, status=AuthorizationStatus.ACTIVE.value)
        case AuthorizationRevoked(effective_on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.REVOKED, day_before(on)))
        case AuthorizationSuperseded(on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.SUPERSEDED, on))
        case AuthorizationExpired(on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.EXPIRED, on))
        case AuthorizationReinstated(status=status):
            return _next_version(row, recorded, **_columns_of_reinstatement(row, status))
        case AuthorizationCancelled(on=on):
            return _next_version(row, recorded, **_columns_of_end(row, AuthorizationStatus.CANCELLED, on))
        case CollectionReported(due_on=due_on):
            return _next_version(row, recorded, **_columns_of_collection(row, due_on))
        case AuthorizationReassigned(customer=customer):
            return _next_version(row, recorded, customer=customer)
        case MandateAmended() | RevocationReceived():  # not shown here, but the ETag moves
            return _next_version(row, recorded)
    assert_never(body)


def _links_without(row: Row, customer: UUID) -> list[str]:
    return [linked for linked in row.linked_customers if linked != str(customer)]


def _row_from_archiving(recorded: Recorded[PaperEvent], body: DocumentArchived) -> Row:
    return _first_version(
        recorded,
        customer=body.customer,
        kind=Kind.DOCUMENT,
        stamp=body.type,
        status=DocumentStatus.ARCHIVED.value,
        source=body.source,
        content_version=1,
        evidence_of=body.evidence_of,
        external_id=value_or_none(body.external_id),
        **_columns_of_content(body),
        **_columns_of_description(body.description),
    )


def _columns_of_content(body: DocumentArchived | ContentReplaced) -> dict[str, Any]:
    content, digest = body.content, value_or_none(body.sha256)
    return {
        "file_name": value_or_none(body.file_name),
        "media_type": content.media_type,
        "size_bytes": content.size_bytes,
        "sha256": digest.hex() if digest else None,
        "pages": content.pages,
        "preview": content.preview,
        "password_protected": content.password_protected,
        "flags": list(content.flags),
        "content_id": content.id,
        "sealed_size_bytes": content.sealed_size_bytes,
        "sealed_sha256": content.sealed_sha256.hex(),
    }


def _columns_of_description(given: Description | UnsetType) -> dict[str, Any]:
    found = value_or_none(given)
    return {
        "note": found.note if found else None,
        "received_on": found.received_on if found else None,
        "title": found.title if found else None,
    }


def _row_from_verification(recorded: Recorded[PaperEvent], body: IdentitySeen) -> Row:
    return _first_version(
        recorded,
        customer=body.customer,
        kind=Kind.DOCUMENT,
        stamp=body.type,
        status=DocumentStatus.ARCHIVED.value,
        source=Source.NONE,
        external_id=value_or_none(body.external_id),
        paper=value_or_none(body.paper),
        number_suffix=value_or_none(body.number_suffix),
        seen_on=body.seen_on,
        **_columns_of_description(body.description),
    )


def _row_from_issue(recorded: Recorded[PaperEvent], body: AuthorizationIssued) -> Row:
    return _first_version(
        recorded,
        customer=body.customer,
        kind=body.type.kind,
        stamp=body.type,
        status=AuthorizationStatus.ISSUED.value,
        source=Source.NONE,
        note=value_or_none(body.note),
        scan_code=value_or_none(body.scan_code),
        external_id=value_or_none(body.external_id),
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        retention_from=body.valid_until,
    )


def _row_from_registration(recorded: Recorded[PaperEvent], body: AuthorizationRegistered) -> Row:
    """Its source is `none` until evidence is attached, whatever brought it: the list takes the evidence's."""
    return _first_version(
        recorded,
        customer=body.customer,
        kind=body.type.kind,
        stamp=body.type,
        status=AuthorizationStatus.ACTIVE.value,
        source=Source.NONE,
        original_held=body.original_held,
        note=value_or_none(body.note),
        shelf_mark=value_or_none(body.shelf_mark),
        scan_code=value_or_none(body.scan_code),
        external_id=value_or_none(body.external_id),
        last_collection_on=body.last_collection_on,
        **_columns_of_terms(body.terms),
    )


def _columns_of_terms(terms: Terms) -> dict[str, Any]:
    """While it is in force its retention counts from where it would end by itself."""
    return {**msgspec.structs.asdict(terms), "retention_from": terms.valid_until}


def _columns_of_signature(row: Row, body: AuthorizationSigned) -> dict[str, Any]:
    """A note and an id of the day of the signature take the place of the form's."""
    return {
        "status": AuthorizationStatus.ACTIVE.value,
        "original_held": body.original_held,
        "shelf_mark": value_or_none(body.shelf_mark),
        "note": row.note if value_or_none(body.note) is None else body.note,
        "external_id": row.external_id if value_or_none(body.external_id) is None else body.external_id,
        **_columns_of_terms(body.terms),
    }


def _columns_of_withdrawal(row: Row, body: EvidenceWithdrawn) -> dict[str, Any]:
    """`withdrawn_evidence` stays until a paper is attached or restored."""
    return {
        **_columns_of_ground(row, body),
        "original_held": body.original_held,
        "evidence": None,
        "withdrawn_evidence": body.document,
    }


def _columns_of_restoration(row: Row, body: EvidenceRestored) -> dict[str, Any]:
    return {
        **_columns_of_ground(row, body),
        "original_held": False,
        "evidence": body.document,
        "withdrawn_evidence": None,
    }


def _columns_of_ground(row: Row, body: EvidenceWithdrawn | EvidenceRestored) -> dict[str, Any]:
    """What counts as signed; the retention of what is over counts from its end, whatever becomes of its paper."""
    signed = {name: getattr(body, name) for name in ("signed_on", "valid_from", "valid_until")}
    retention_from = row.retention_from if body.status is body.was else body.valid_until
    return {"status": body.status.value, **signed, "retention_from": retention_from}


def _columns_of_end(row: Row, status: AuthorizationStatus, last_day: date) -> dict[str, Any]:
    """docs/domain.md §4: a mandate is kept from its end or its last collection, whichever is later."""
    return {"status": status.value, "retention_from": max(last_day, row.last_collection_on or last_day)}


def _columns_of_reinstatement(row: Row, status: AuthorizationStatus) -> dict[str, Any]:
    """Its retention counts again from where it would end by itself."""
    ends = row.valid_until
    return {"status": status.value, "retention_from": ends and max(ends, row.last_collection_on or ends)}


def _columns_of_collection(row: Row, due_on: date) -> dict[str, Any]:
    last = max(due_on, row.last_collection_on or due_on)
    return {"last_collection_on": last, "retention_from": row.retention_from and max(last, row.retention_from)}


def _first_version(
    recorded: Recorded[PaperEvent],
    *,
    customer: UUID,
    kind: Kind,
    stamp: TypeStamp,
    status: str,
    source: Source,
    original_held: bool = False,
    **fields: Any,
) -> Row:
    envelope = recorded.envelope
    return Row(
        id=envelope.originator_id,
        customer=customer,
        from_position=recorded.position,
        to_position=None,
        created_position=recorded.position,
        version=envelope.originator_version,
        kind=str(kind),
        type=stamp.code,
        labels=stamp.labels,
        status=status,
        source=str(source),
        original_held=original_held,
        recorded_at=recorded.recorded_at,
        actor=envelope.meta.actor,
        branch=envelope.meta.branch,
        **fields,
    )


def _next_version(row: Row, recorded: Recorded[PaperEvent], **changes: Any) -> Row:
    return msgspec.structs.replace(
        row, from_position=recorded.position, version=recorded.envelope.originator_version, **changes
    )


def row_and_copies(row: Row) -> Sequence[Row]:
    """The row, and a copy for each customer that is linked: there it is a document on its own, evidence or not."""
    if not row.linked_customers:
        return (row,)
    copy = msgspec.structs.replace(row, linked=True, linked_customers=[], evidence_of=None)
    return (row, *(msgspec.structs.replace(copy, customer=UUID(customer)) for customer in row.linked_customers))


VIEW = View(
    name=NAME,
    row=Row,
    key=("id", "customer", "from_position"),
    json=("labels",),
    events=EVENTS,
    fold=lambda stored: Versions(evolve, EVENTS, stored),
    read=Row,
    shape=3,
    expand=row_and_copies,
)


def fold_item(recorded: Sequence[Recorded[Any]]) -> Row:
    """The row that these events make, as `page` and `one` show it once the view has them: the answer to a write.

    They are all events of one paper, or of an authorization and the document that is its evidence.
    """
    fold = VIEW.fold(())
    for event in recorded:
        fold.add_event(event, event.recorded_at)
    rows = {row.id: row for row in fold.take_rows().rows if isinstance(row, Row) and row.to_position is None}
    listed = next((row for row in rows.values() if row.evidence_of not in rows), None)
    listed = require_value(listed, "they are events of a paper")
    return with_evidence(listed, rows.get(listed.evidence) if listed.evidence else None)


# -- what is shown ----------------------------------------------------------------------------------------------

# What an authorization shows of its document; its own columns of these names are empty.
OF_EVIDENCE = (
    "source",
    "file_name",
    "media_type",
    "size_bytes",
    "sha256",
    "pages",
    "preview",
    "password_protected",
    "flags",
    "content_version",
    "content_id",
    "sealed_size_bytes",
    "sealed_sha256",
    "received_on",
    "title",
)


def with_evidence(row: Row, evidence: Row | None) -> Row:
    """The row as the queries give it."""
    if evidence is None:
        return row
    shown = {name: getattr(evidence, name) for name in OF_EVIDENCE}
    return msgspec.structs.replace(row, **shown, item=_merge_evidence(row.item, evidence.item))


def _merge_evidence(item: str, evidence: str | None) -> str:
    if evidence is None:
        return item
    own, theirs = (msgspec.json.decode(text, type=dict[str, msgspec.Raw]) for text in (item, evidence))
    return json_text(own | {name: theirs[name] for name in own if name in OF_EVIDENCE})


class Verification(msgspec.Struct, frozen=True):
    """What was seen at the desk."""

    paper: str | None
    number_suffix: str | None
    seen_on: date


class ItemBase(msgspec.Struct, frozen=True, kw_only=True):
    """What of an item depends neither on who reads it nor on the day; `version` is the ETag. `withdrawn_evidence`: the
    paper of an authorization that was withdrawn last, while it has no other."""

    id: UUID
    kind: str
    type: str
    status: str
    source: str
    file_name: str | None
    title: str | None
    note: str | None
    media_type: str | None
    size_bytes: int | None
    sha256: str | None
    pages: int | None
    scan_code: str | None
    evidence: UUID | None
    withdrawn_evidence: UUID | None
    original_held: bool
    shelf_mark: str | None
    received_on: date | None
    signed_on: date | None
    valid_from: date | None
    valid_until: date | None
    verification: Verification | None
    external_id: str | None
    preview: bool
    password_protected: bool
    flags: Sequence[str]
    recorded_at: Moment
    actor: str
    branch: str
    version: int
    content_version: int


class Item(ItemBase, frozen=True, kw_only=True):
    """A paper, as a row of the list."""

    type_label: str
    keep_until: date | None
    hold: bool
    of_age: bool | None


def item_base_of(row: Row) -> ItemBase:
    return ItemBase(
        id=row.id,
        kind=row.kind,
        type=row.type,
        status=row.status,
        source=row.source,
        file_name=row.file_name,
        title=row.title,
        note=row.note,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        pages=row.pages,
        scan_code=row.scan_code,
        evidence=row.evidence,
        withdrawn_evidence=row.withdrawn_evidence,
        original_held=row.original_held,
        shelf_mark=row.shelf_mark,
        received_on=row.received_on,
        signed_on=row.signed_on,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        verification=Verification(row.paper, row.number_suffix, row.seen_on) if row.seen_on else None,
        external_id=row.external_id,
        preview=row.preview,
        password_protected=row.password_protected,
        flags=row.flags,
        recorded_at=format_moment(row.recorded_at),
        actor=row.actor,
        branch=row.branch,
        version=row.version,
        content_version=row.content_version,
    )


class Listed(msgspec.Struct, frozen=True, gc=False):
    """What a list needs of a row. `item` has what is shown of its evidence, `key` is what the list is sorted by."""

    item: str
    type: str
    labels: dict[str, str]
    retention_from: date | None
    last_collection_on: date | None
    created_position: int
    key: str | None = None


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """What an item depends on beside its row: the types and the day, who reads it, whose it is."""

    types: Mapping[str, DocumentType]
    language: str
    today: date
    birth_date: date | None = None


def render_items(rows: Iterable[Listed], reader: Reader) -> list[msgspec.Raw]:
    """Items as JSON, in the reader's language."""
    return [msgspec.Raw(f"{_render_open_item(row, reader)}}}") for row in rows]


def render_item(row: Row, reader: Reader, **more: Any) -> msgspec.Raw:
    """One of them; `more` are fields that an answer adds to it."""
    added = "".join(f",{json_text(name)}:{json_text(value)}" for name, value in more.items())
    return msgspec.Raw(f"{_render_open_item(row, reader)}{added}}}")


def _render_open_item(row: Row | Listed, reader: Reader) -> str:
    """Without its last brace. Labels are those of the event's day, what else is added follows the rules of today."""
    label = row.labels.get(reader.language) or row.labels.get("en") or row.type
    kind = reader.types.get(row.type)
    of_age = kind.is_of_age(reader.birth_date, reader.today) if kind else None
    return f"{row.item[:-1]},{_render_dated_fields(label, keep_until_of(row, kind), of_age)}"


@lru_cache(maxsize=1_000)
def _render_dated_fields(label: str, keep_until: date | None, of_age: bool | None) -> str:
    """The fields that Item has beyond ItemBase, without braces."""
    return json_text({"type_label": label, "keep_until": keep_until, "hold": False, "of_age": of_age})[1:-1]


def keep_until_of(row: Row | Listed, kind: DocumentType | None) -> date | None:
    """None while the event that the retention counts from is not known, such as the end of a membership."""
    retention = kind.definition.retention if kind else None
    if retention is None or retention.trigger not in ENDS_WITH_VALIDITY:
        return None
    kept = keep_until(retention, ended_on=row.retention_from)
    if kept is None or row.last_collection_on is None:
        return kept
    return max(kept, add_months(row.last_collection_on, MONTHS_DISPUTABLE))


# -- queries ----------------------------------------------------------------------------------------------------


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """`q` is looked for in the file name, title, note, type label, scan code, shelf mark and external id. `documents`:
    only those, or, when False, only authorizations of every kind. `received_from` and `received_to` are included; what
    has no day of receipt was received when it was recorded, by the clocks of `zone`."""

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


class Key(msgspec.Struct, frozen=True):
    """What a list can be sorted by: an SQL expression, its type, and a parser of its text that raises ValueError.
    `ties`: how papers with equal keys follow each other by their positions where the list rises."""

    sql: str
    cast: str
    parse: Callable[[str], object]
    ties: str = "desc"


class Order(msgspec.Struct, frozen=True):
    """How a list is sorted. Without a `key` the positions decide."""

    name: str
    descending: bool
    key: Key | None = None

    @property
    def clauses(self) -> str:
        direction = "desc" if self.descending else "asc"
        if self.key is None:
            return f"r.created_position {direction}"
        return f"{self.key.sql} {direction}, r.created_position {self.ties}"

    @property
    def behind(self) -> str:
        """Holds for the rows that come after the one with these bound values."""
        further, tied = (("<" if down else ">") for down in (self.descending, self.ties == "desc"))
        if self.key is None:
            return f"r.created_position {further} %(before)s"
        key, bound = self.key.sql, f"%(key)s::{self.key.cast}"
        return f"({key} {further} {bound} or {key} = {bound} and r.created_position {tied} %(before)s)"

    @property
    def ties(self) -> str:
        return "desc" if self.descending or self.key is None else self.key.ties


class Page(msgspec.Struct, frozen=True):
    """`position`: where the view stands. `next`: the cursor of the next page, None at the end."""

    rows: list[Listed]
    position: int
    next: str | None = None
    customer: Customer | None = None


async def fetch_page(
    conn: AsyncConnection[Any],
    customer: UUID,
    rights: Rights,
    filters: Filters,
    *,
    as_of: int | None,
    limit: int,
    cursor: str | None = None,
    customer_id: str | None = None,
    sort: str | None = None,
    language: str = "en",
    floor: Floor = NO_FLOOR,
) -> Page:
    """A customer's papers, newest first, or in the order `sort` of SORTS; `language` is that of the labels. `as_of` is
    a position; later pages keep to the one of the first page. Raises ViewBehind, here and below, where the view is
    behind the `floor`.

    With a `customer_id` the register's entry comes along: a statement of its own would cost a third of the whole.
    """
    order = ORDERS[sort or NEWEST]
    place = _parse_cursor(cursor, order) if cursor else None
    at = place.pinned if place else as_of
    given = _filter_values(filters, rights)
    query = _list(
        tuple(given),
        next((n for n in FETCHED if n > limit), limit + 1),
        order.name,
        as_of=at is not None,
        continued=place is not None,
    )
    whose = {"customer": customer, "customer_id": customer_id, "zone": filters.zone, "language": language}
    behind = {"before": place.last, "key": place.key} if place else {}
    rows, position, entry = await _fetch_listed(
        conn, query, {**_common_parameters(rights, at, floor), **given, **whose, **behind}
    )
    more = _write_next_cursor(rows[limit - 1], order, position if at is None else at) if len(rows) > limit else None
    return Page(rows[:limit], position, more, register.customer_from_json(entry) if entry else None)


def _write_next_cursor(last: Listed, order: Order, pinned: int) -> str:
    return write_cursor(pinned, last.created_position, "" if order.name == NEWEST else order.name, last.key or "")


def _parse_cursor(cursor: str, order: Order) -> Cursor:
    """Raises ValidationFailed where the cursor belongs to a list in another order."""
    place = read_cursor(cursor)
    if (place.sort or NEWEST) != order.name:
        raise ValidationFailed(FieldError("/query/cursor", N_("belongs to a list with another sort order")))
    try:
        if order.key:
            order.key.parse(place.key)
    except ValueError:
        raise unknown_cursor() from None
    return place


def _filter_values(filters: Filters, rights: Rights) -> dict[str, Any]:
    """What is asked for beside the customer: names in NARROWER, and their values."""
    asked = {
        **msgspec.structs.asdict(filters),
        "branch": rights.branch,
        "q": like_pattern(filters.q) if filters.q else None,
    }
    return {name: value for name, value in asked.items() if name in NARROWER and value is not None}


class Counts(msgspec.Struct, frozen=True):
    """`complete` False: there are more than COUNTED_MAX, and no more of them were counted."""

    documents: int
    authorizations: int
    complete: bool
    position: int


async def count_papers(
    conn: AsyncConnection[Any], customer: UUID, rights: Rights, filters: Filters, *, as_of: int | None
) -> Counts:
    """How many papers `page` lists, all its pages together."""
    given = _filter_values(filters, rights)
    bound = {**_common_parameters(rights, as_of), **given, "customer": customer, "zone": filters.zone}
    ((position, documents, authorizations),) = await _fetch_rows(
        conn, _counting(tuple(given), as_of is not None), bound
    )
    return Counts(documents, authorizations, documents + authorizations <= COUNTED_MAX, position)


async def find_paper(
    conn: AsyncConnection[Any], paper: UUID, rights: Rights, *, as_of: int | None = None, floor: Floor = NO_FLOOR
) -> tuple[Row | None, int]:
    """One document or authorization, None when it does not exist for this caller; and where the view stands."""
    bound = {**_common_parameters(rights, as_of, floor), "id": paper}
    (position, *values), *_ = await _fetch_rows(conn, ONE if as_of is None else ONE_AS_OF, bound)
    return (_row_from_columns(values) if values[0] else None), require_position(position)


class File(msgspec.Struct, frozen=True):
    """What is needed to send a document's content."""

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


async def find_file(
    conn: AsyncConnection[Any],
    document: UUID,
    rights: Rights,
    *,
    content_version: int | None = None,
    floor: Floor = NO_FLOOR,
) -> File | None:
    """None when there is no such document for this caller, or it has no content (version) that can be read.

    An earlier version is for whoever may see the document today, and has the document's customer and status of today.
    """
    bound = {**_common_parameters(rights, None, floor), "id": document, "content_version": content_version}
    ((position, *values),) = await _fetch_rows(conn, FILE if content_version is None else FILE_VERSION, bound)
    require_position(position)
    return File(*values) if values[0] else None


async def find_by_external_id(
    conn: AsyncConnection[Any], external_id: str, rights: Rights, *, documents: bool, as_of: int | None = None
) -> Page:
    """What a caller knows by its own id: documents (evidence included), or authorizations. At most a few."""
    bound = {**_common_parameters(rights, as_of), "external_id": external_id, "documents": documents}
    rows, position, _ = await _fetch_listed(conn, EXTERNAL if as_of is None else EXTERNAL_AS_OF, bound)
    return Page(rows, position)


def _common_parameters(rights: Rights, as_of: int | None, floor: Floor = NO_FLOOR) -> dict[str, Any]:
    least = {"minimum": floor.position, "writer": floor.writer, "known_types": floor.types}
    return {"types": text_array(tuple(rights.types)), "branch": rights.branch, "as_of": as_of, **least}


async def _fetch_rows(conn: AsyncConnection[Any], query: str, bound: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, bound, prepare=True)
        return await cursor.fetchall()


async def _fetch_listed(
    conn: AsyncConnection[Any], query: str, bound: dict[str, Any]
) -> tuple[list[Listed], int, str | None]:
    """Rows, position and register entry out of one statement, so that they belong together."""
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
) -> Listed:
    shown = _merge_evidence(item, evidence)
    return Listed(shown, code, _parse_labels(labels), retention_from, last_collection_on, position, key)


def _row_from_columns(values: list[Any]) -> Row:
    """VIEW.columns and the evidence's item."""
    *own, evidence = values
    own[LABELS] = _parse_labels(own[LABELS])
    own[ITEM] = _merge_evidence(own[ITEM], evidence)
    return Row(*own)


@lru_cache(maxsize=1_000)
def _parse_labels(text: str) -> dict[str, str]:
    """Read once for each wording: a page of rows has a handful of types, and JSON was a fifth of its cost."""
    return msgspec.json.decode(text, type=dict[str, str])


def _shown(name: str) -> str:
    if name in OF_EVIDENCE:
        return f"coalesce(e.{name}, r.{name})"
    return "r.labels::text" if name == "labels" else f"r.{name}"


LABELS, ITEM = VIEW.columns.index("labels"), VIEW.columns.index("item")
# How many rows a list asks for, as constants in its text: with a parameter Postgres plans each list anew, which takes
# longer than to answer it.
FETCHED = (21, 51, 101, 201)
COUNTED_MAX = 1_000
OPEN = "{0}.to_position is null"
HELD = "{0}.from_position <= %(as_of)s and ({0}.to_position is null or {0}.to_position > %(as_of)s)"
# Beside the type of that time: what is hidden today shows nothing of its past, when its type may have been a mistake.
SEEN_TODAY = """exists (
    select from views.customer_documents as n
    where n.id = r.id and n.to_position is null and n.type = any(%(types)s::text[])
)"""
OF_OWN_BRANCH = "(%(branch)s::text is null or r.branch = %(branch)s)"


def _evidence(name: str, held: str) -> str:
    """A column of a row's evidence, of the same instant."""
    return f"""
        case when r.evidence is not null then (
            select e.{name}
            from views.customer_documents as e
            where e.id = r.evidence and not e.linked and {held.format("e")}
        ) end
    """  # noqa: S608  # constants of this module


def _visible(held: str) -> str:
    """The rows that hold at one instant and that the caller may see."""
    return " and ".join([held.format("r"), "r.type = any(%(types)s::text[])", *([SEEN_TODAY] if held == HELD else [])])


def _whole_by(where: str, held: str) -> str:
    """The view's position and what _whole() takes, nulls where there is no such row."""
    return f"""
        select {CHECKED_POSITION}, {", ".join(_shown(name) for name in VIEW.columns)}, e.item
        from views.tracking as t
        left join views.customer_documents as r on {_visible(held)} and {where}
        left join views.customer_documents as e on e.id = r.evidence and not e.linked and {held.format("e")}
        where t.name = 'customer_documents'
    """  # noqa: S608  # constants of this module


def _listed_by(
    where: str,
    held: str,
    *,
    entry: str = "null",
    limit: int | str = "all",
    key: str = "null",
    order: str = "r.created_position desc",
) -> str:
    """A first row with the view's position and the register's entry, then what _listed() takes."""
    return f"""
        select {CHECKED_POSITION}, {entry}, null, null, null::date, null::date, null, null
        from views.tracking as t
        where t.name = 'customer_documents'
        union all (
            select r.created_position, r.item, r.type, r.labels::text, r.retention_from, r.last_collection_on,
                {_evidence("item", held)}, {key}::text
            from views.customer_documents as r
            where {_visible(held)} and {where}
            order by {order}
            limit {limit}
        )
    """  # noqa: S608  # constants of this module


# An authorization was received when its evidence was; what has no day of receipt, on the day when it was recorded.
# Evidence stands in the row of its authorization; once it is withdrawn, in one of its own like all that is withdrawn.
LISTED = "(r.evidence_of is null or r.status = 'withdrawn')"
RECEIVED_ON = "coalesce({received_on_of_evidence}, r.received_on, (r.recorded_at at time zone %(zone)s)::date)"
# What narrows the list, each only where it is asked for: what is not there costs neither a plan nor a parameter.
NARROWER = {
    "kind": "r.kind = %(kind)s",
    "documents": "(r.kind = 'document') = %(documents)s",
    "type": "r.type = %(type)s",
    "status": "r.status = %(status)s",
    "source": "coalesce({source_of_evidence}, r.source) = %(source)s",
    "original_held": "r.original_held = %(original_held)s",
    "received_from": f"{RECEIVED_ON} >= %(received_from)s",
    "received_to": f"{RECEIVED_ON} <= %(received_to)s",
    "q": """public.unaccent(concat_ws(
        ' ', r.file_name, {file_name_of_evidence}, r.title, {title_of_evidence}, r.note, r.scan_code, r.shelf_mark,
        r.external_id,
        (select string_agg(value, ' ') from jsonb_each_text(r.labels))
    )) ilike public.unaccent(%(q)s)""",
    "branch": "r.branch = %(branch)s",
}
# What is in force, what waits, then what is over: in every language the order that people look for.
STATUSES = (
    "active", "suspended", "issued", "archived", "expired", "superseded", "revoked", "cancelled", "withdrawn",
    "destroyed",
)  # fmt: skip
LABEL = """lower(public.unaccent(coalesce(r.labels ->> %(language)s, r.labels ->> 'en', r.type))) collate "C\""""
RANK = f"coalesce(array_position(array{[*STATUSES]}, r.status), {len(STATUSES) + 1})"


def _parse_label(text: str) -> str:
    if "\0" in text:
        raise ValueError("Postgres has no such text")
    return text


def _parse_rank(text: str) -> int:
    if not 0 < int(text) <= len(STATUSES) + 1:
        raise ValueError("no status has this rank")
    return int(text)


KEYS = {
    "received": Key(RECEIVED_ON, "date", date.fromisoformat, ties="asc"),
    "recorded": None,
    "type": Key(LABEL, "text", _parse_label),
    "status": Key(RANK, "int", _parse_rank),
}
ORDERS = {f"{sign}{name}": Order(f"{sign}{name}", sign == "-", key) for name, key in KEYS.items() for sign in ("", "-")}
NEWEST = "-recorded"
SORTS = (*ORDERS,)


@cache
def _list(given: tuple[str, ...], limit: int, sort: str, *, as_of: bool, continued: bool) -> str:
    held, order = HELD if as_of else OPEN, ORDERS[sort]
    evidence = _of_evidence(held)
    where = _of_customer(given, held)
    return _listed_by(
        f"{where} and {order.behind.format(**evidence)}" if continued else where,
        held,
        entry=f"({register.ENTRY})",
        limit=limit,
        key=order.key.sql.format(**evidence) if order.key else "null",
        order=order.clauses.format(**evidence),
    )


@cache
def _counting(given: tuple[str, ...], as_of: bool) -> str:
    held = HELD if as_of else OPEN
    return f"""
        select t.position, count(*) filter (where c.kind = 'document'), count(*) filter (where c.kind <> 'document')
        from views.tracking as t
        left join lateral (
            select r.kind
            from views.customer_documents as r
            where {_visible(held)} and {_of_customer(given, held)}
            limit {COUNTED_MAX + 1}
        ) as c on true
        where t.name = 'customer_documents'
        group by t.position
    """  # noqa: S608  # constants of this module


def _of_customer(given: tuple[str, ...], held: str) -> str:
    narrower = [NARROWER[name].format(**_of_evidence(held)) for name in given]
    return " and ".join(["r.customer = %(customer)s", LISTED, *narrower])


def _of_evidence(held: str) -> dict[str, str]:
    return {f"{name}_of_evidence": _evidence(name, held) for name in ("source", "file_name", "title", "received_on")}


BY_ID = f"r.id = %(id)s and not r.linked and {OF_OWN_BRANCH}"
BY_EXTERNAL_ID = f"""r.external_id = %(external_id)s and not r.linked
    and (r.kind = 'document') = %(documents)s and {OF_OWN_BRANCH}"""
ONE, ONE_AS_OF = (_whole_by(BY_ID, held) for held in (OPEN, HELD))
FILE = f"""
    select {CHECKED_POSITION}, {", ".join(f"r.{name}" for name in File.__struct_fields__)}
    from views.tracking as t
    left join views.customer_documents as r
        on r.content_id is not null and r.sha256 is not null and {_visible(OPEN)} and {BY_ID}
    where t.name = 'customer_documents'
"""  # noqa: S608  # constants of this module
OF_TODAY = ("customer", "status")
VERSION_COLUMNS = ", ".join(f"{'r' if name in OF_TODAY else 'v'}.{name}" for name in File.__struct_fields__)
FILE_VERSION = f"""
    select {CHECKED_POSITION}, {VERSION_COLUMNS}
    from views.tracking as t
    left join (
        views.customer_documents as r
        join views.customer_documents as v on v.id = r.id and not v.linked and v.content_version = %(content_version)s
            and v.content_id is not null and v.sha256 is not null
    ) on {_visible(OPEN)} and {BY_ID}
    where t.name = 'customer_documents'
    order by v.from_position desc
    limit 1
"""  # noqa: S608  # constants of this module
EXTERNAL, EXTERNAL_AS_OF = (_listed_by(BY_EXTERNAL_ID, held) for held in (OPEN, HELD))
