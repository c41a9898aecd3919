"""Items: papers as the API shows them, as JSON. An item is the part stored with its row and what today's rules add."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.calendar import add_months
from domain.document_type import DocumentType, keep_until
from domain.mandate import MONTHS_DISPUTABLE
from domain.moment import Moment, format_moment
from projections.customer_documents.row import PaperRow
from projections.reading import json_text

ENDS_WITH_VALIDITY = ("entitlement_end", "mandate_end")
# The columns that an authorization shows of its document; its own columns of these names are empty.
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


def with_evidence(row: PaperRow, evidence: PaperRow | None) -> PaperRow:
    """The row with the columns of its evidence, as the queries return it."""
    if evidence is None:
        return row
    shown = {name: getattr(evidence, name) for name in OF_EVIDENCE}
    return msgspec.structs.replace(row, **shown, item=merge_evidence(row.item, evidence.item))


def merge_evidence(item: str, evidence: str | None) -> str:
    if evidence is None:
        return item
    own, theirs = (msgspec.json.decode(text, type=dict[str, msgspec.Raw]) for text in (item, evidence))
    return json_text(own | {name: theirs[name] for name in own if name in OF_EVIDENCE})


class Verification(msgspec.Struct, frozen=True):
    """The identity paper that was seen at the desk."""

    paper: str | None
    number_suffix: str | None
    seen_on: date


class ItemBase(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an item that depends neither on its reader nor on the day; `version` is the ETag.

    `withdrawn_evidence`: the last withdrawn paper of an authorization that has no other.
    """

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


def item_base_of(row: PaperRow) -> ItemBase:
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


class ListedPaper(msgspec.Struct, frozen=True, gc=False):
    """The columns of a list entry. `item` includes the data of the evidence, `key` is the value that the list is sorted
    by."""

    item: str
    type: str
    labels: dict[str, str]
    retention_from: date | None
    last_collection_on: date | None
    created_position: int
    key: str | None = None


class ItemContext(msgspec.Struct, frozen=True, kw_only=True):
    """The context of an item beside its row: document types, the day, the reader's language and the customer's birth
    date."""

    types: Mapping[str, DocumentType]
    language: str
    today: date
    birth_date: date | None = None


def render_items(rows: Iterable[ListedPaper], reader: ItemContext) -> list[msgspec.Raw]:
    """Items as JSON, in the reader's language."""
    return [msgspec.Raw(f"{_render_open_item(row, reader)}}}") for row in rows]


def render_item(row: PaperRow, reader: ItemContext, **more: Any) -> msgspec.Raw:
    """One item as JSON; `more` are fields that an answer adds to it."""
    added = "".join(f",{json_text(name)}:{json_text(value)}" for name, value in more.items())
    return msgspec.Raw(f"{_render_open_item(row, reader)}{added}}}")


def _render_open_item(row: PaperRow | ListedPaper, reader: ItemContext) -> str:
    """The item without its last brace. Labels are those of the event's day; the other added fields follow today's
    rules."""
    label = row.labels.get(reader.language) or row.labels.get("en") or row.type
    document_type = reader.types.get(row.type)
    of_age = document_type.is_of_age(reader.birth_date, reader.today) if document_type else None
    return f"{row.item[:-1]},{_render_dated_fields(label, keep_until_of(row, document_type), of_age)}"


@lru_cache(maxsize=1_000)
def _render_dated_fields(label: str, keep_until: date | None, of_age: bool | None) -> str:
    """The fields that Item has beyond ItemBase, without braces."""
    return json_text({"type_label": label, "keep_until": keep_until, "hold": False, "of_age": of_age})[1:-1]


class RetainedPaper(Protocol):
    """A paper as far as its retention needs it."""

    @property
    def retention_from(self) -> date | None: ...

    @property
    def last_collection_on(self) -> date | None: ...


def keep_until_of(row: RetainedPaper, document_type: DocumentType | None) -> date | None:
    """The end of the retention; None while the event that starts it is unknown, such as the end of a membership."""
    retention = document_type.definition.retention if document_type else None
    if retention is None or retention.trigger not in ENDS_WITH_VALIDITY:
        return None
    kept = keep_until(retention, ended_on=row.retention_from)
    if kept is None or row.last_collection_on is None:
        return kept
    return max(kept, add_months(row.last_collection_on, MONTHS_DISPUTABLE))
