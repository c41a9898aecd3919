"""The SQL of the view customer_documents, for queries.py.

Each statement is written whole. A {hole} is filled when the module is loaded, with one of the instants below; only the
list and the count have more of them, for filters and order: a filter that is not given costs neither a plan nor a
parameter.
"""

from collections.abc import Callable
from datetime import date
from functools import cache

import msgspec

from projections.customer_documents.fold import VIEW
from projections.customer_documents.items import OF_EVIDENCE
from projections.reading import CHECKED_POSITION
from store import register

COUNTED_MAX = 1_000
# How many rows a list asks for, as constants in its text: with a parameter Postgres plans each list again, which takes
# longer than to answer it.
FETCHED = (21, 51, 101, 201)

# -- instants ---------------------------------------------------------------------------------------------------

# A column of a row's evidence at the same instant.
EVIDENCE = """case when r.evidence is not null then (
                select e.{column}
                from views.customer_documents as e
                where e.id = r.evidence and not e.linked and {evidence_holds}
            ) end"""


def _holes_of(*, row_holds: str, evidence_holds: str, visible_today: str) -> dict[str, str]:
    """Values for the holes of a statement about one instant; `visible_today` hides rows beside their type at that
    instant."""
    columns = ("item", "source", "file_name", "title", "received_on")
    evidence = {f"{name}_of_evidence": EVIDENCE.format(column=name, evidence_holds=evidence_holds) for name in columns}
    return {"row_holds": row_holds, "evidence_holds": evidence_holds, "visible_today": visible_today, **evidence}


NOW = _holes_of(row_holds="r.to_position is null", evidence_holds="e.to_position is null", visible_today="true")
# A paper that is hidden today shows nothing of its past, because its earlier type may have been a mistake.
THEN = _holes_of(
    row_holds="r.from_position <= %(as_of)s and (r.to_position is null or r.to_position > %(as_of)s)",
    evidence_holds="e.from_position <= %(as_of)s and (e.to_position is null or e.to_position > %(as_of)s)",
    visible_today="""exists (
                select from views.customer_documents as n
                where n.id = r.id and n.to_position is null and n.type = any(%(types)s::text[])
            )""",
)

# -- one paper --------------------------------------------------------------------------------------------------


def _select_column(name: str) -> str:
    if name in OF_EVIDENCE:
        return f"coalesce(e.{name}, r.{name})"
    return "r.labels::text" if name == "labels" else f"r.{name}"


# The library-system ids of a row's customers by their references. An erased customer has no id.
CUSTOMER_IDS = """(
            select json_object_agg(c.reference, c.customer_id)::text
            from keys.customer as c
            where c.reference = any(r.customer || r.linked_customers::uuid[])
        )"""
# The position of the view, CUSTOMER_IDS, the columns of Row and the item of the evidence; nulls where there is no such
# row.
PAPER = """
    select {position}, {customer_ids}, {columns}, e.item
    from views.tracking as t
    left join views.customer_documents as r
        on r.id = %(id)s and not r.linked
        and {row_holds} and r.type = any(%(types)s::text[])
        and {visible_today}
        and (%(branch)s::text is null or r.branch = %(branch)s)
    left join views.customer_documents as e on e.id = r.evidence and not e.linked and {evidence_holds}
    where t.name = 'customer_documents'
"""
FIND_PAPER, FIND_PAPER_THEN = (
    PAPER.format(
        position=CHECKED_POSITION,
        customer_ids=CUSTOMER_IDS,
        columns=", ".join(map(_select_column, VIEW.columns)),
        **instant,
    )
    for instant in (NOW, THEN)
)

# The position of the view and the columns of queries.StoredFile.
FIND_FILE = f"""
    select {CHECKED_POSITION}, r.id, r.customer, r.status, r.file_name, r.media_type, r.size_bytes, r.sha256, r.pages,
        r.preview, r.content_version, r.content_id, r.sealed_size_bytes
    from views.tracking as t
    left join views.customer_documents as r
        on r.id = %(id)s and not r.linked and r.to_position is null
        and r.content_id is not null and (r.sha256 is not null or r.status = 'destroyed')
        and r.type = any(%(types)s::text[]) and (%(branch)s::text is null or r.branch = %(branch)s)
    where t.name = 'customer_documents'
"""  # noqa: S608  # a constant of reading.py
# The same for an earlier content version `v`, with the customer and the status of today's row `r`.
FIND_FILE_VERSION = f"""
    select {CHECKED_POSITION}, v.id, r.customer, r.status, v.file_name, v.media_type, v.size_bytes, v.sha256, v.pages,
        v.preview, v.content_version, v.content_id, v.sealed_size_bytes
    from views.tracking as t
    left join (
        views.customer_documents as r
        join views.customer_documents as v on v.id = r.id and not v.linked and v.content_version = %(content_version)s
            and v.content_id is not null and (v.sha256 is not null or r.status = 'destroyed')
    )
        on r.id = %(id)s and not r.linked and r.to_position is null
        and r.type = any(%(types)s::text[]) and (%(branch)s::text is null or r.branch = %(branch)s)
    where t.name = 'customer_documents'
    order by v.from_position desc
    limit 1
"""  # noqa: S608  # a constant of reading.py

# -- lists ------------------------------------------------------------------------------------------------------

# A first row with the position of the view and the customer's entry in the register, then the columns of a Listed.
EXTERNAL = """
    select {position}, null, null, null, null::date, null::date, null, null
    from views.tracking as t
    where t.name = 'customer_documents'
    union all (
        select r.created_position, r.item, r.type, r.labels::text, r.retention_from, r.last_collection_on,
            {item_of_evidence}, null::text
        from views.customer_documents as r
        where r.external_id = %(external_id)s and not r.linked and (r.kind = 'document') = %(documents)s
            and {row_holds} and r.type = any(%(types)s::text[])
            and {visible_today}
            and (%(branch)s::text is null or r.branch = %(branch)s)
        order by r.created_position desc
    )
"""
FIND_EXTERNAL, FIND_EXTERNAL_THEN = (EXTERNAL.format(position=CHECKED_POSITION, **instant) for instant in (NOW, THEN))

# Evidence is part of the row of its authorization; withdrawn evidence has a row of its own, like any withdrawn paper.
LIST = """
    select {position}, ({entry}), null, null, null::date, null::date, null, null
    from views.tracking as t
    where t.name = 'customer_documents'
    union all (
        select r.created_position, r.item, r.type, r.labels::text, r.retention_from, r.last_collection_on,
            {item_of_evidence}, {key}::text
        from views.customer_documents as r
        where r.customer = %(customer)s and (r.evidence_of is null or r.status = 'withdrawn')
            and {row_holds} and r.type = any(%(types)s::text[])
            and {visible_today}
            {filters}
        order by {order}
        limit {limit}
    )
"""
COUNT = """
    select t.position, count(*) filter (where c.kind = 'document'), count(*) filter (where c.kind <> 'document')
    from views.tracking as t
    left join lateral (
        select r.kind
        from views.customer_documents as r
        where r.customer = %(customer)s and (r.evidence_of is null or r.status = 'withdrawn')
            and {row_holds} and r.type = any(%(types)s::text[])
            and {visible_today}
            {filters}
        limit {limit}
    ) as c on true
    where t.name = 'customer_documents'
    group by t.position
"""
# An authorization was received when its evidence was; a paper without a day of receipt, on the day of its recording.
RECEIVED_ON = "coalesce({received_on_of_evidence}, r.received_on, (r.recorded_at at time zone %(zone)s)::date)"
FILTERS = {
    "kind": "r.kind = %(kind)s",
    "documents": "(r.kind = 'document') = %(documents)s",
    "type": "r.type = %(type)s",
    "status": "r.status = %(status)s",
    "source": "coalesce({source_of_evidence}, r.source) = %(source)s",
    "original_held": "r.original_held = %(original_held)s",
    "received_from": f"{RECEIVED_ON} >= %(received_from)s",
    "received_to": f"{RECEIVED_ON} <= %(received_to)s",
    "q": """public.unaccent(concat_ws(
                ' ', r.file_name, {file_name_of_evidence}, r.title, {title_of_evidence}, r.note, r.scan_code,
                r.shelf_mark, r.external_id,
                (select string_agg(value, ' ') from jsonb_each_text(r.labels))
            )) ilike public.unaccent(%(q)s)""",
    "branch": "r.branch = %(branch)s",
}


@cache
def build_list(given: tuple[str, ...], limit: int, sort: str, *, then: bool, continued: bool) -> str:
    """The list narrowed by the `given` names of FILTERS; `continued`: behind the row of the cursor."""
    order, instant = ORDERS[sort], THEN if then else NOW
    filters = [*(FILTERS[name] for name in given), *([order.behind_cursor] if continued else [])]
    return LIST.format(
        position=CHECKED_POSITION,
        entry=register.ENTRY,
        key=order.key.sql.format(**instant) if order.key else "null",
        filters=_join_filters(filters, instant),
        order=order.order_by.format(**instant),
        limit=limit,
        **instant,
    )


@cache
def build_count(given: tuple[str, ...], *, then: bool) -> str:
    """The number of papers that the list with these filters has, up to COUNTED_MAX + 1."""
    instant = THEN if then else NOW
    filters = _join_filters([FILTERS[name] for name in given], instant)
    return COUNT.format(filters=filters, limit=COUNTED_MAX + 1, **instant)


def _join_filters(filters: list[str], instant: dict[str, str]) -> str:
    return "\n            ".join(f"and {condition}" for condition in filters).format(**instant)


# -- orders of a list -------------------------------------------------------------------------------------------


class Key(msgspec.Struct, frozen=True):
    """A sort key: an SQL expression, its type, and a parser of its text that raises ValueError.

    `ties`: the direction of positions among papers with equal keys in an ascending list.
    """

    sql: str
    cast: str
    parse: Callable[[str], object]
    ties: str = "desc"


class Order(msgspec.Struct, frozen=True):
    """The order of a list. Without a `key` it is that of positions."""

    name: str
    descending: bool
    key: Key | None = None

    @property
    def order_by(self) -> str:
        direction = "desc" if self.descending else "asc"
        if self.key is None:
            return f"r.created_position {direction}"
        return f"{self.key.sql} {direction}, r.created_position {self.ties}"

    @property
    def behind_cursor(self) -> str:
        """The condition for rows after the row of the cursor, whose values are bound."""
        further, tied = (("<" if down else ">") for down in (self.descending, self.ties == "desc"))
        if self.key is None:
            return f"r.created_position {further} %(before)s"
        key, bound = self.key.sql, f"%(key)s::{self.key.cast}"
        return f"({key} {further} {bound} or {key} = {bound} and r.created_position {tied} %(before)s)"

    @property
    def ties(self) -> str:
        return "desc" if self.descending or self.key is None else self.key.ties


# Papers in force first, then those that wait, then ended ones: the order that people look for in every language.
STATUSES = (
    "active", "suspended", "issued", "archived", "expired", "superseded", "revoked", "cancelled", "withdrawn",
    "destroyed",
)  # fmt: skip
LABEL = """lower(public.unaccent(coalesce(r.labels ->> %(language)s, r.labels ->> 'en', r.type))) collate "C\""""
RANK = f"coalesce(array_position(array{[*STATUSES]}, r.status), {len(STATUSES) + 1})"


def _parse_label(text: str) -> str:
    if "\0" in text:
        raise ValueError("text in Postgres cannot contain NUL")
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
