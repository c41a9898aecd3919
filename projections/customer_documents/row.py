"""The row of the view customer_documents: one version of one paper, document or authorization. fold.py makes it."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from projections.view import RowVersion

NAME = "customer_documents"


class PaperRow(RowVersion, frozen=True, gc=False):
    """The table's columns, in its order. Personal fields are None after erasure.

    `item` is the row's ItemBase as JSON: lists send it unchanged, which saves reading, building and writing thirty
    fields a row. A joint paper has a row with `linked` False for its customer, which names the `linked_customers`, and
    for each of these a copy with `linked` True.
    """

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
