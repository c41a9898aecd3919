"""Reads and verifies what the page and the print-out of a document show (S9). Neighbour: document.py."""

import hashlib
from asyncio import gather
from collections.abc import Mapping
from typing import Any

from api.call import Call
from desk import acts, past, render
from desk.door import Reply, ask, open_file
from domain.refusals import NotFound
from web.headers import digest_field

PAGES_SHOWN = 100
"""Page images per web page; a longer document has several."""
HISTORY_SHOWN = 5


async def facts_of(call: Call, *, at: str | None = None) -> dict[str, Any]:
    """Everything the page shows, read at position `at` or later; the default is the position in the address."""
    as_of = past.as_of(call)
    found = await read_document(call, as_of, at=at)
    item: dict[str, Any] = found.body
    now = (await read_document(call)).body if as_of else item
    customer, linked, statement, history, earlier, instant = await gather(
        ask(call, "GET", "/v1/customers/{id}", id=item["customer"]),
        gather(*[ask(call, "GET", "/v1/customers/{id}", id=other) for other in item["linked_customers"]]),
        statement_of(call, item, as_of),
        history_of(call, item, limit=HISTORY_SHOWN, as_of=as_of),
        earlier_of(call, item),
        instant_of(call, item, as_of),
    )
    reader = acts.reader_of(call)
    return {
        "item": item,
        "present": now,
        "position": found.position,
        "customer": customer.body,
        "linked": [other.body for other in linked],
        "statement": statement,
        "history": [acts.act(one, reader) for one in history],
        "earlier": earlier,
        "past": instant,
        "readable": item["sha256"] is not None and may_read(call, item, now),
        "version": version_query(item, now),
        "pages": pages_of(call, item, now),
        "verified": await has_digest(call, item, now),
        "while_member": is_kept_while_member(call, item["type"]),
    }


def is_kept_while_member(call: Call, code: str) -> bool:
    """True if the type's retention begins with the end of the membership."""
    retention = call.types[code].definition.retention if code in call.types else None
    return retention is not None and retention.trigger == "membership_end"


async def read_document(call: Call, as_of: str | None = None, *, at: str | None = None) -> Reply:
    """The document, read at the position of the correction that redirected here, or later."""
    at = at or call.text("at")
    headers = {"Archive-Min-Position": at} if at and not as_of else {}
    return await ask(call, "GET", "/v1/documents/{id}", query={"as_of": as_of}, headers=headers, id=call.params["id"])


async def statement_of(call: Call, item: Mapping[str, Any], as_of: str | None) -> dict[str, Any] | None:
    """The authorization that the document proves; None if there is none or this reader may not see it."""
    if item["evidence_of"] is None:
        return None
    try:
        found = await ask(call, "GET", "/v1/authorizations/{id}", query={"as_of": as_of}, id=item["evidence_of"])
    except NotFound:
        return None
    statement: dict[str, Any] = found.body
    return statement


async def history_of(call: Call, item: Mapping[str, Any], **query: Any) -> list[dict[str, Any]]:
    found = await ask(call, "GET", "/v1/documents/{id}/history", query=query, id=item["id"])
    items: list[dict[str, Any]] = found.body["items"]
    return items


async def earlier_of(call: Call, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The replaced contents, for readers who correct documents: the event that replaced each, and its last position."""
    if item["content_version"] < 2 or not render.may_use(call, "documents.correct"):
        return []
    replaced = await history_of(call, item, action="content-replaced", limit=200)
    return [{**one, "content_version": n, "as_of": one["position"] - 1} for n, one in enumerate(reversed(replaced), 1)]


async def instant_of(call: Call, item: Mapping[str, Any], as_of: str | None) -> dict[str, Any] | None:
    if as_of is None:
        return None
    if not as_of.isdigit():
        return {"as_of": as_of, "at": as_of}
    found = await ask(call, "GET", "/v1/customers/{id}/summary", query={"as_of": as_of}, id=item["customer"])
    return {"as_of": as_of, "at": found.body["as_of"]["at"]}


# -- content --------------------------------------------------------------------------------------------------------


def pages_of(call: Call, item: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any] | None:
    """Numbers and address of the page images; None if there are none or this reader may not see them."""
    if not (item["preview"] and item["pages"]) or not may_read(call, item, now):
        return None
    first = first_page(call, item["pages"])
    return {
        "address": f"/v1/documents/{item['id']}/pages/",
        "query": version_query(item, now),
        "first": first,
        "last": min(first + PAGES_SHOWN - 1, item["pages"]),
        "count": item["pages"],
    }


def may_read(call: Call, item: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """True if this reader may read the content; withdrawn and replaced content is for those who correct documents."""
    if now["status"] == "destroyed":
        return False
    current = now["status"] == "archived" and item["content_version"] == now["content_version"]
    return current or render.may_use(call, "documents.correct")


def version_query(item: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    is_old = item["content_version"] != now["content_version"]
    return {"content_version": item["content_version"]} if is_old else {}


def first_page(call: Call, count: int) -> int:
    wanted = call.number("page", default=1, low=1, high=count)
    return (wanted - 1) // PAGES_SHOWN * PAGES_SHOWN + 1


async def has_digest(call: Call, item: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any] | None:
    """With `?verify`: whether the stored bytes match both the digest sent with them and the one shown."""
    if not call.text("verify") or item["sha256"] is None or not may_read(call, item, now):
        return None
    digest = hashlib.sha256()
    async with open_file(call, "/v1/documents/{id}/content", query=version_query(item, now), id=item["id"]) as (
        headers,
        pieces,
    ):
        async for piece in pieces:
            digest.update(piece)
    sent = headers.get("repr-digest") == digest_field(digest.digest())
    return {"at": call.parts.archive.clock.now().isoformat(), "same": sent and digest.hexdigest() == item["sha256"]}
