"""What the corrections of documents and the steps of authorizations share: who is looked for, who was first."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from api.call import Call
from desk import acts
from desk.door import ask
from desk.fields import key_after, number
from desk.refused import problem_of
from domain.refusals import PreconditionFailed, Refusal
from web.statuses import status_of

Fields = Mapping[str, str]
FOUND_MAX = 10
SHOWN_MAX = 5


class OpenForm(msgspec.Struct, frozen=True):
    """The form that is open, None for none: what was typed into it, what stood in its way, the customers to choose
    from."""

    name: str | None = None
    fields: Fields = {}
    refusal: Refusal | None = None
    found: list[dict[str, Any]] | None = None


async def show_change(
    call: Call, room: str, item: Mapping[str, Any], form: OpenForm, offered: Sequence[str]
) -> dict[str, Any]:
    """What change.html needs of the forms that are offered. After a late one what others did meanwhile is told."""
    refusal, late = form.refusal, isinstance(form.refusal, PreconditionFailed)
    return {
        "status": status_of(refusal) if refusal else 200,
        "problem": problem_of(call, refusal) if refusal else None,
        "meanwhile": await meanwhile(call, room, item, form.fields) if late else [],
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
    """Whether a customer is looked for first: the button for it was pressed, or nobody is chosen yet."""
    return bool(fields.get("search")) or not fields.get("customer")


async def end_of_log(call: Call) -> str:
    """What a change was refused for may not be in the views yet. The catalogue is told as it stands in the log."""
    return (await ask(call, "GET", "/v1/document-types")).position


async def customers_found(call: Call, fields: Fields) -> list[dict[str, Any]]:
    """Customers for what was typed; none for nothing."""
    query = fields.get("q", "")
    found = await ask(call, "GET", "/v1/customers", query={"q": query, "limit": FOUND_MAX}) if query else None
    return [dict(one) for one in found.body["items"]] if found else []


async def meanwhile(call: Call, room: str, item: Mapping[str, Any], fields: Fields) -> list[acts.Act]:
    """What others did to a paper since the version that the form was made with, newest first."""
    seen = number(fields.get("version", ""))
    steps = 1 if seen is None else item["version"] - seen
    limit = max(1, min(steps, SHOWN_MAX))
    history = await ask(call, "GET", f"/v1/{room}/{{id}}/history", query={"limit": limit}, id=item["id"])
    reader = acts.reader_of(call)
    return [acts.act(one, reader) for one in history.body["items"]]
