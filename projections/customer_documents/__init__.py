"""View customer_documents (E1 to E6): every paper of a customer, including authorizations without a file.

An authorization and its evidence are one row of the list: the authorization's, showing the data of its document. A
withdrawn document has its own row. Parts: row.py and fold.py (events to rows), items.py (rows to JSON), statements.py
(SQL) and queries.py.
"""

from projections.customer_documents.fold import EVENTS, PERSONAL, VIEW, evolve, fold_item, redact, row_and_copies
from projections.customer_documents.items import (
    Item,
    ItemBase,
    ItemContext,
    ListedPaper,
    item_base_of,
    render_item,
    render_items,
    with_evidence,
)
from projections.customer_documents.queries import (
    Counts,
    FoundPaper,
    PaperFilters,
    PaperPage,
    StoredFile,
    count_papers,
    fetch_page,
    find_by_external_id,
    find_file,
    find_paper,
)
from projections.customer_documents.row import NAME, PaperRow
from projections.customer_documents.statements import COUNTED_MAX, NEWEST, SORTS

__all__ = [
    "COUNTED_MAX",
    "EVENTS",
    "NAME",
    "NEWEST",
    "PERSONAL",
    "SORTS",
    "VIEW",
    "Counts",
    "FoundPaper",
    "Item",
    "ItemBase",
    "ItemContext",
    "ListedPaper",
    "PaperFilters",
    "PaperPage",
    "PaperRow",
    "StoredFile",
    "count_papers",
    "evolve",
    "fetch_page",
    "find_by_external_id",
    "find_file",
    "find_paper",
    "fold_item",
    "item_base_of",
    "redact",
    "render_item",
    "render_items",
    "row_and_copies",
    "with_evidence",
]
