"""Shared by document.py and authorization.py: sending a change, searching for a customer, showing a conflict."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import msgspec

from api.call import Call
from desk import acts
from desk.door import Reply, ask
from desk.fields import key_after, number
from desk.refused import problem_of
from domain.refusals import Forbidden, NotFound, PreconditionFailed, Refusal
from web.statuses import status_of

Fields = Mapping[str, str]
FOUND_MAX = 10
SHOWN_MAX = 5


class OpenForm(msgspec.Struct, frozen=True):
    """The open form (`name` None: none is open): its typed fields, why it was refused, the customers to choose from."""

    name: str | None = None
    fields: Fields = {}
    refusal: Refusal | None = None
    found: list[dict[str, Any]] | None = None


async def reply_or_refusal(change: Awaitable[Reply]) -> Reply | Refusal:
    """The reply to a change, or its refusal, which the page shows beside the form. Raises NotFound and Forbidden."""
    try:
        return await change
    except (NotFound, Forbidden):
        raise
    except Refusal as refusal:
        return refusal


async def show_change(
    call: Call, room: str, item: Mapping[str, Any], form: OpenForm, offered: Sequence[str]
) -> dict[str, Any]:
    """The context of change.html; after a version conflict it includes the changes that others made."""
    refusal, late = form.refusal, isinstance(form.refusal, PreconditionFailed)
    return {
        "status": status_of(refusal) if refusal else 200,
        "problem": problem_of(call, refusal) if refusal else None,
        "meanwhile": await changes_since(call, room, item, form.fields) if late else [],
        "offered": offered,
        "open": form.name,
        "typed": form.fields,
        "found": form.found,
        "key": key_after(refusal, form.fields.get("key", "").removesuffix(f"-{form.name}")),
        "done": call.text("done"),
    }


def only_reason(fields: Fields) -> dict[str, Any]:
    return {"reason": fields.get("reason", "")}


def to_customer(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "customer": fields.get("customer", "")}


def is_searching(fields: Fields) -> bool:
    """True if a customer is searched for first: Search was pressed, or no customer is chosen yet."""
    return bool(fields.get("search")) or not fields.get("customer")


async def end_of_log(call: Call) -> str:
    """The current end of the log. The views may not yet show the change that caused a refusal; reads wait for this
    position. The list of types reports it, because it is read from the log."""
    return (await ask(call, "GET", "/v1/document-types")).position


async def customers_found(call: Call, fields: Fields) -> list[dict[str, Any]]:
    """The customers that match the typed query; an empty query matches none."""
    query = fields.get("q", "")
    found = await ask(call, "GET", "/v1/customers", query={"q": query, "limit": FOUND_MAX}) if query else None
    return [dict(one) for one in found.body["items"]] if found else []


async def changes_since(call: Call, room: str, item: Mapping[str, Any], fields: Fields) -> list[acts.Act]:
    """The changes of a paper after the version in the form, newest first."""
    seen = number(fields.get("version", ""))
    steps = 1 if seen is None else item["version"] - seen
    limit = max(1, min(steps, SHOWN_MAX))
    history = await ask(call, "GET", f"/v1/{room}/{{id}}/history", query={"limit": limit}, id=item["id"])
    reader = acts.reader_of(call)
    return [acts.act(one, reader) for one in history.body["items"]]
