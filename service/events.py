"""Formats events for commands: one JSON object each; personal fields stay sealed, or are opened and the access is
logged. An object has position, recorded_at, stream, version, topic, actor, branch, occurred_at, command_id,
correlation_id, `body` (the fields in clear, or all of them) and `sealed` (base64; null when nothing in it is sealed).
"""

from collections.abc import Iterator, Sequence
from typing import Any, get_args
from uuid import UUID

import msgspec

from domain.archive import Caller
from domain.authorization import AuthorizationEvent
from domain.document import DocumentEvent
from domain.envelope import UNSET, Envelope
from domain.moment import format_moment
from domain.refusals import NotFound
from service.access import access_of, record_reads
from service.wiring import Store
from store.access_log import Access
from store.log import Row
from store.mapper import BY_TOPIC, PLANS, SealingMapper, Wire

PAGE = 1_000
Line = dict[str, Any]


# -- rows of the log --------------------------------------------------------------------------------------------


def load_event(store: Store, position: int) -> Row:
    """The event at a position. Raises NotFound."""
    rows = _query_rows(store, AT, position)
    if not rows:
        raise NotFound
    return rows[0]


def load_newest(store: Store, up_to: int, count: int) -> list[Row]:
    """The last `count` events up to a position, in the order of the log."""
    return _query_rows(store, NEWEST, up_to, count)[::-1]


def load_pages(store: Store, after: int, up_to: int) -> Iterator[list[Row]]:
    """Yield all events in (after, up_to] in pages. No snapshot stays open between pages, however slowly they are
    read."""
    while rows := _query_rows(store, PAGE_AFTER, after, up_to, PAGE):
        yield rows
        after = rows[-1][0]


def _query_rows(store: Store, query: str, *bound: int) -> list[Row]:
    with store.pool.connection() as conn:
        found: list[Row] = conn.execute(query, bound).fetchall()
    return found


SELECT = """
    select notification_id, originator_id, originator_version, recorded_at, topic, state
    from archive.archive_events
"""
AT = f"{SELECT} where notification_id = %s"
NEWEST = f"{SELECT} where notification_id <= %s order by notification_id desc limit %s"
PAGE_AFTER = f"{SELECT} where notification_id > %s and notification_id <= %s order by notification_id limit %s"


# -- as they are ------------------------------------------------------------------------------------------------


def format_sealed(rows: Sequence[Row]) -> list[Line]:
    """Format events without using any key."""
    return [_format_sealed_row(row) for row in rows]


def _format_sealed_row(row: Row) -> Line:
    """Format one event. An event that this release cannot read shows its bytes, so that an export is complete."""
    *_, topic, state = row
    try:
        wire: Wire[Any] = BY_TOPIC[topic].decode(state)
    except (KeyError, msgspec.DecodeError):
        return {**_head_of(row), "state": state}
    return {**_head_of(row), **_meta_of(wire), "body": wire.body, "sealed": wire.sealed or None}


def _head_of(row: Row) -> Line:
    position, stream, version, recorded_at, topic, _ = row
    at = format_moment(recorded_at)
    return {"position": position, "recorded_at": at, "stream": stream, "version": version, "topic": topic}


def _meta_of(wire: Wire[Any]) -> Line:
    return {**msgspec.structs.asdict(wire.meta), "occurred_at": format_moment(wire.meta.occurred_at)}


# -- opened -----------------------------------------------------------------------------------------------------


def format_opened(store: Store, rows: Sequence[Row], caller: Caller) -> list[Line]:
    """Format events with all fields whose key exists. Each opened paper is entered in the access log first."""
    mapper, lines = SealingMapper(store.keys.cipher_of), format_sealed(rows)
    store.keys.prefetch_keys(row[1] for row in rows)
    opened = {
        row[0]: envelope
        for line, row in zip(lines, rows, strict=True)
        if line.get("sealed") and (envelope := _open_row(mapper, row))
    }
    record_reads(store, _accesses_of([*opened.values()], caller))
    return [{**line, **_body_of(opened.get(line["position"]))} for line in lines]


def _body_of(envelope: Envelope[Any] | None) -> Line:
    return {"body": envelope.body, "sealed": None} if envelope else {}


def _open_row(mapper: SealingMapper, row: Row) -> Envelope[Any] | None:
    """The opened event; None when no key opens it."""
    _, stream, version, _, topic, state = row
    envelope = mapper.open_event(stream, version, topic, state)
    sealed = PLANS[type(envelope.body)].sealed
    return envelope if any(getattr(envelope.body, name) is not UNSET for name in sealed) else None


def _accesses_of(envelopes: Sequence[Envelope[Any]], caller: Caller) -> list[Access]:
    """One line for each paper; a scan session has no customer and is neither document nor authorization."""
    papers = {envelope.originator_id: envelope.body for envelope in envelopes}
    return [access_of(caller, "export", **_subject_of(paper, body)) for paper, body in papers.items()]


def _subject_of(paper: UUID, body: Any) -> dict[str, UUID]:
    field = PAPER_FIELDS.get(type(body))
    return {"customer": body.customer, field: paper} if field else {}


PAPER_FIELDS = {
    **dict.fromkeys(get_args(DocumentEvent), "document"),
    **dict.fromkeys(get_args(AuthorizationEvent), "authorization"),
}
