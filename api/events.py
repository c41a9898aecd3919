"""Sends the feed of events to other programs as CloudEvents 1.0, page by page or live as server-sent events.

projections/feed.py decides which events a reader gets, the log has their fields; api/live.py has the state that all
streams of a worker share.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal
from uuid import UUID

import msgspec

from api.call import Call, encode_json
from api.parts import Parts
from domain.access import Principal, Verb, may, rights_of
from domain.document_type import DocumentType
from domain.envelope import Recorded
from domain.moment import Moment, format_moment
from domain.refusals import N_, FieldError, ValidationFailed
from projections import feed
from projections.audit_history import CUSTOMER
from projections.feed import TOPICS, FeedRow
from projections.history_items import render_fields
from projections.reading import NOBODY
from projections.view import OTHER_CUSTOMER
from web.pointers import Pointer, in_header, in_query

SOURCE = "/v1/events"
NOW = "now"
SEALED = ("document", "authorization", "customer")
WITH_FIELDS = (*SEALED, "document_type", "scan_session")
ACTIONS = {name: action for action, topic in TOPICS.items() for name in (action, topic)}
STREAM_PAGE = 100
# The pause between two full pages of a stream that is behind, in which the worker serves others.
STREAM_PAUSE_SECONDS = 0.05
RETRY_MS = 3_000
STREAM_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """CloudEvents 1.0, JSON format. `id` is the position; `subject` the id of the document, authorization, scan
    session or customer, the code of a document type, a name. `data`: the event's fields, `actor` and `branch`."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = SOURCE
    type: str
    subject: str
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]


class FeedFilters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a request. `brief`: only the customers of the papers, not the fields of events, for screens."""

    customer: str | None
    actions: tuple[str, ...] | None
    brief: bool


class FeedScope(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the feed that a reader gets. `personal`: with sealed fields; `whole_iban`: IBANs are not masked."""

    reader: feed.FeedRights
    asked: FeedFilters
    personal: bool
    whole_iban: bool


class FeedItem(msgspec.Struct, frozen=True, gc=False):
    """An event as it is sent. `personal`: sealed fields of it were opened."""

    position: int
    name: str
    text: bytes
    personal: bool


class Reading(msgspec.Struct, frozen=True):
    """The events of one reading. `position`: where the next reading continues; `end`: the position of the views."""

    items: Sequence[FeedItem]
    position: int
    end: int


# -- page by page -------------------------------------------------------------------------------------------------


async def list_events(call: Call) -> None:
    """GET /events: the events after `after`. A reader that continues with `position` gets every event exactly once."""
    asked, limit = parse_query(call), call.limit()
    wish = call.text("after") or "0"
    await call.wait_for_views()
    after = await call.parts.live.position_now() if wish == NOW else position_in(wish, in_query("after"))
    found = await read_events(call.parts, look_of(call.principal, call.types, asked), after, limit)
    await require_past(call, after, found.end, in_query("after"))
    if any(item.personal for item in found.items):
        await record_reading(call, asked)
    following = str(found.position) if found.position < found.end else None
    items = [msgspec.Raw(item.text) for item in found.items]
    call.page(items, position=found.position, next_cursor=following, step="after")


async def record_reading(call: Call, asked: FeedFilters) -> None:
    """Records a read of the history in the access log, because the reader gets the fields of events."""
    reference = await call.parts.customers.reference_of(asked.customer) if asked.customer else None
    await call.record_access("history", customer=reference)


def parse_query(call: Call) -> FeedFilters:
    return FeedFilters(customer=call.text("customer"), actions=actions_in(call), brief=call.text("brief") == "true")


def actions_in(call: Call) -> tuple[str, ...] | None:
    """The actions of the parameter `type`, which may be repeated: a topic, or its name without the version for all
    versions."""
    given = call.req.params.get("type") or []
    found = {ACTIONS.get(name, "") for name in ([given] if isinstance(given, str) else given)}
    if "" in found:
        allowed = ", ".join(sorted(TOPICS))
        raise ValidationFailed(FieldError(in_query("type"), N_("must be one of {allowed}"), allowed=allowed))
    return tuple(sorted(found)) or None


def position_in(text: str, pointer: Pointer) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValidationFailed(FieldError(pointer, N_("must be a position")))
    return int(text)


async def require_past(call: Call, after: int, end: int, pointer: Pointer) -> None:
    """Raises ValidationFailed for a position after the end of the log: after a restore of an older log its readers
    would wait there for ever."""
    if after <= end:
        return
    last = await call.parts.blocking(call.parts.last_position)
    if after > last:
        raise ValidationFailed(FieldError(pointer, N_("is beyond the end of the log, {position}"), position=last))


# -- as it happens ------------------------------------------------------------------------------------------------


async def stream_events(call: Call) -> None:
    """GET /events/stream: sends events from the reader's last position, or from now, until the token is revoked or the
    worker ends."""
    asked, live = parse_query(call), call.parts.live
    await call.wait_for_views()
    after = await beginning(call)
    if look_of(call.principal, call.types, asked).personal:
        await record_reading(call, asked)
    opened = EventStream(call, asked, after)
    live.enter(opened, call.principal.name, call.req.scope["state"].get("stopping"))
    call.at_end(partial(live.leave, opened))
    call.resp.set_headers(STREAM_HEADERS)
    call.resp.sse = opened


async def beginning(call: Call) -> int:
    """The position to begin after: Last-Event-ID if there is one, else `after`. A browser that reconnects repeats its
    first address and adds Last-Event-ID."""
    pointer, wish = in_header("Last-Event-ID"), call.req.get_header("Last-Event-ID")
    if not wish:
        pointer, wish = in_query("after"), call.text("after") or NOW
    present = await call.parts.live.position_now()
    after = present if wish == NOW else position_in(wish, pointer)
    await require_past(call, after, present, pointer)
    return after


class Message(msgspec.Struct, frozen=True):
    """An event for Falcon's SSE, serialized already, because several streams may send it."""

    text: bytes

    def serialize(self, _: Any) -> bytes:
        return self.text


class Sending(msgspec.Struct, frozen=True):
    """The next page of a stream, built once for all streams with the same filters and rights. `after`: the position at
    which the stream continues; `full`: more events follow."""

    message: Message | None
    after: int
    full: bool


class EventStream:
    """One open stream. It reads a page of the feed only after the reader has received the one before, so a slow reader
    occupies no more than a page and delays no other."""

    def __init__(self, call: Call, asked: FeedFilters, after: int) -> None:
        self._parts, self._live, self._admit = call.parts, call.parts.live, call.req.context.admit
        self._principal, self._types, self._asked, self._after = call.principal, call.types, asked, after
        self._look = look_of(self._principal, self._types, asked)
        self._heartbeat_seconds = call.parts.limits.events_heartbeat_seconds
        self._due = self._now() + self._heartbeat_seconds

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[Message]:
        """Yields the messages of the stream. The position is sent at once and with each heartbeat, so that a browser
        that reconnects begins there."""
        yield Message(b"retry: %d\n" % RETRY_MS + self._standing())
        while self._live.lasts(self):
            try:
                message = await (self._heartbeat() if self._now() >= self._due else self._news())
            except self._live.unavailable:  # the token was revoked, or the database is away
                return
            if message is not None:
                yield message

    async def _heartbeat(self) -> Message:
        await self._see_reader()
        self._due = self._now() + self._heartbeat_seconds
        return Message(b": still here\n" + self._standing())

    def _standing(self) -> bytes:
        """The message with the position; for screens an event, whose scripts must see that a silent stream is alive."""
        return (NOW_BRIEF if self._asked.brief else b"id: %(position)d\n\n") % {b"position": self._after}

    async def _news(self) -> Message | None:
        """The next page; None if there was nothing until the heartbeat was due or the views advanced."""
        if self._live.position > self._after:
            await self._see_changes()
            work = partial(sending, self._parts, self._look, self._after)
            found = await self._live.share_reading(self._after, self._look, work)
            if found.after > self._after:
                self._after = found.after
                if found.full:
                    await asyncio.sleep(STREAM_PAUSE_SECONDS)
                return found.message
        await self._live.wait(self._due - self._now())
        return None

    async def _see_changes(self) -> None:
        """Ends the stream of a revoked or disabled reader. Types, tokens and users are loaded together, so nothing has
        changed while the types are the same object."""
        types = await self._parts.catalogue.types()
        if types is not self._types:
            self._types = types
            await self._see_reader()

    async def _see_reader(self) -> None:
        """Admits the reader again, as a new request. Raises a refusal if it is no longer allowed."""
        self._principal = (await self._admit()).principal
        self._look = look_of(self._principal, self._types, self._asked)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def sending(parts: Parts, look: FeedScope, after: int) -> Sending:
    found = await read_events(parts, look, after, STREAM_PAGE)
    full = len(found.items) == STREAM_PAGE and found.position < found.end
    if full and look.asked.brief:
        return Sending(Message(MANY % {b"position": found.end}), found.end, full=False)
    text = b"".join(message_of(item, brief=look.asked.brief) for item in found.items)
    return Sending(Message(text) if text else None, found.position, full)


def message_of(item: FeedItem, *, brief: bool) -> bytes:
    name = "position" if brief else item.name
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (item.position, name.encode(), item.text)


NOW_BRIEF = b'id: %(position)d\nevent: now\ndata: {"position": %(position)d}\n\n'
# Replaces a full page of brief messages when more follow: the screen reloads its content instead.
MANY = b'id: %(position)d\nevent: many\ndata: {"position": %(position)d}\n\n'


# -- the events of a reader ---------------------------------------------------------------------------------------


def look_of(principal: Principal, types: Mapping[str, DocumentType], asked: FeedFilters) -> FeedScope:
    """The feed of this reader. Sealed fields need the permission to read histories; other programs read the paper."""
    seen = rights_of(principal, types.values())
    reader = feed.FeedRights(
        types=tuple(seen.types),
        branch=seen.branch,
        operations=may(principal, Verb.OPERATIONS),
        scans=may(principal, Verb.SCANS_USE),
        scan_branch=principal.branch,
    )
    personal = not asked.brief and may(principal, Verb.HISTORY_READ)
    return FeedScope(
        reader=reader, asked=asked, personal=personal, whole_iban=may(principal, Verb.AUTHORIZATIONS_CHANGE)
    )


async def read_events(parts: Parts, look: FeedScope, after: int, limit: int) -> Reading:
    """Up to `limit` events after `after`, with the fields that this reader gets."""
    customer, actions = look.asked.customer, look.asked.actions
    reference = (await parts.customers.reference_of(customer) or NOBODY) if customer else None
    async with parts.connection() as conn:
        wanted = feed.FeedSelection(customer=reference, actions=actions)
        page = await feed.fetch_page(conn, look.reader, wanted, after=after, limit=limit)
    said = {} if look.asked.brief or not page.rows else await events_of_rows(parts, look, page.rows)
    references = {r for row in page.rows for r in (row.customer, row.other_customer) if r}
    ids = await parts.customers.ids_of(references) if references else {}
    return Reading([item_of(row, said.get(row.position), ids, look) for row in page.rows], page.position, page.end)


async def events_of_rows(parts: Parts, look: FeedScope, rows: Sequence[FeedRow]) -> dict[int, Recorded[Any]]:
    """The events of the log by position. Sealed fields are opened only if this reader gets them; the scan codes of
    pages are never opened."""
    opened = {row.position for row in rows if look.personal and row.subject_kind in SEALED}
    found = await parts.blocking(partial(parts.events_at, [row.position for row in rows], opened=opened))
    return {recorded.position: recorded for recorded in found}


def item_of(row: FeedRow, recorded: Recorded[Any] | None, ids: Mapping[UUID, str], look: FeedScope) -> FeedItem:
    topic = TOPICS[row.action]
    event = CloudEvent(
        id=str(row.position),
        type=topic,
        subject=subject_of(row, ids),
        time=format_moment(row.recorded_at),
        data=brief_data(row, ids) if look.asked.brief else full_data(row, recorded, ids, look),
    )
    personal = look.personal and row.subject_kind in SEALED
    return FeedItem(row.position, topic, encode_json(event), personal)


def subject_of(row: FeedRow, ids: Mapping[UUID, str]) -> str:
    """The id of a customer is the library system's; that of an erased one is the file's own."""
    name = ids.get(row.customer) if row.subject_kind == CUSTOMER and row.customer else row.subject_name
    return name or str(row.subject_id)


def brief_data(row: FeedRow, ids: Mapping[UUID, str]) -> dict[str, Any]:
    references = [r for r in (row.customer, row.other_customer) if r]
    return {"kind": row.subject_kind, "customers": [ids[r] for r in references if r in ids]}


def full_data(row: FeedRow, recorded: Recorded[Any] | None, ids: Mapping[UUID, str], look: FeedScope) -> dict[str, Any]:
    """The `data` of an event. Events about users, tokens and other administration have only names, actor and branch."""
    acted = {"actor": row.actor, "branch": row.branch}
    if recorded is None or row.subject_kind not in WITH_FIELDS:
        return {"name": row.subject_name, **acted}
    fields = fields_of(recorded.envelope.body, ids)
    if row.subject_kind == "scan_session":
        fields.pop("document", None)  # the reader may lack the permission for its type
    return {**render_fields(fields, whole_iban=look.whole_iban), **acted}


def fields_of(body: Any, ids: Mapping[UUID, str]) -> dict[str, Any]:
    """The fields of an event by the names of docs/events.md, without sealed or erased ones; customers have the library
    system's ids."""
    fields: dict[str, Any] = with_hex_digests(msgspec.to_builtins(body, builtin_types=(bytes,)))
    customers = {"customer", OTHER_CUSTOMER.get(type(body), "customer")} & fields.keys()
    return {**fields, **{name: ids.get(getattr(body, name)) for name in customers}}


def with_hex_digests(value: Any) -> Any:
    """Digests in hexadecimal, as everywhere else."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: with_hex_digests(inner) for name, inner in value.items()}
        case list() | tuple():
            return [with_hex_digests(inner) for inner in value]
    return value
