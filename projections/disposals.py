"""Papers whose retention has ended, from the view customer_documents: for the due list, and once more before each is
destroyed. Evidence is part of its authorization."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import args_row

from domain.disposal import DuePaper
from domain.disposals import Retained
from domain.document_type import DocumentType
from domain.promises import require_value
from projections.customer_documents.items import keep_until_of
from store.keys import Connections

DAY = timedelta(days=1)


class RetainedRow(msgspec.Struct, frozen=True):
    """The columns that a retention is computed from. `original_held`: an original lies on the shelf."""

    id: UUID
    customer: UUID
    kind: str
    type: str
    status: str
    version: int
    original_held: bool
    retention_from: date | None
    last_collection_on: date | None


class DueRow(msgspec.Struct, frozen=True):
    """A paper that may be destroyed by its date, and what a disposal lists of it."""

    row: RetainedRow
    listed: DuePaper


class PaperRetentions:
    """Implements domain/disposals.Retentions by the rules of the document types now. Thread-safe as the pool is."""

    def __init__(self, pool: Connections, load_types: Callable[[], Mapping[str, DocumentType]]) -> None:
        self._pool, self._load_types = pool, load_types

    def retained(self, papers: Sequence[UUID]) -> dict[UUID, Retained]:
        with self._pool.connection() as conn:
            rows = _read_rows(conn, OF_PAPERS, {"papers": list(papers)})
        types = self._load_types()
        return {row.id: Retained(row.version, keep_until_of(row, types.get(row.type))) for row in rows}

    def list_due(self, due_before: date, types: Sequence[str] | None, limit: int) -> list[DueRow]:
        """The papers that may be destroyed before this day, by their dates: the first `limit`, oldest first."""
        known = self._load_types()
        wanted = [*known] if types is None else [*types]
        with self._pool.connection() as conn:
            rows = _read_rows(conn, ENDED, {"types": wanted})
        due = [found for row in rows if (found := _due(row, known.get(row.type), due_before))]
        return sorted(due, key=lambda one: (one.listed.due_on, one.row.id))[:limit]


def _due(row: RetainedRow, document_type: DocumentType | None, due_before: date) -> DueRow | None:
    kept = keep_until_of(row, document_type)
    if document_type is None or kept is None or kept + DAY >= due_before:
        return None
    rule = require_value(document_type.definition.retention, "without a rule no day is known")
    listed = DuePaper(
        paper=row.id,
        type=row.type,
        due_on=kept + DAY,
        trigger=rule.trigger,
        months=rule.months,
        legal_basis=rule.legal_basis,
        approval=rule.approval,
    )
    return DueRow(row, listed)


def _read_rows(conn: Connection[Any], query: str, bound: dict[str, Any]) -> list[RetainedRow]:
    with conn.cursor(row_factory=args_row(RetainedRow)) as cursor:
        return cursor.execute(query, bound).fetchall()


COLUMNS = """
    r.id, r.customer, r.kind, r.type, r.status, r.version, r.original_held, r.retention_from, r.last_collection_on
"""
OF_PAPERS = f"""
    select {COLUMNS}
    from views.customer_documents as r
    where r.id = any(%(papers)s) and r.to_position is null and not r.linked
"""  # noqa: S608  # a constant of this module
ENDED = f"""
    select {COLUMNS}
    from views.customer_documents as r
    where r.to_position is null and not r.linked and r.evidence_of is null and r.type = any(%(types)s)
        and r.status in ('archived', 'withdrawn', 'revoked', 'expired', 'superseded', 'cancelled')
        and r.retention_from is not null
"""  # noqa: S608  # as above
