"""What the corrections of documents and the steps of authorizations share: who is looked for, who was first."""

from collections.abc import Mapping
from typing import Any

from api.call import Call
from api.staff import acts
from api.staff.door import ask
from api.staff.fields import number

FOUND_MAX = 10
SHOWN_MAX = 5


def is_searching(fields: Mapping[str, str]) -> bool:
    """Whether a customer is looked for first: the button for it was pressed, or nobody is chosen yet."""
    return bool(fields.get("search")) or not fields.get("customer")


async def end_of_log(call: Call) -> str:
    """What a change was refused for may not be in the views yet. The catalogue is told as it stands in the log."""
    return (await ask(call, "GET", "/v1/document-types")).position


async def found_for(call: Call, fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """Customers for what was typed; none for nothing."""
    query = fields.get("q", "")
    found = await ask(call, "GET", "/v1/customers", query={"q": query, "limit": FOUND_MAX}) if query else None
    return [dict(one) for one in found.body["items"]] if found else []


async def meanwhile(call: Call, room: str, item: Mapping[str, Any], fields: Mapping[str, str]) -> list[acts.Act]:
    """What others did to a paper since the version that the form was made with, newest first."""
    seen = number(fields.get("version", ""))
    steps = 1 if seen is None else item["version"] - seen
    limit = max(1, min(steps, SHOWN_MAX))
    history = await ask(call, "GET", f"/v1/{room}/{{id}}/history", query={"limit": limit}, id=item["id"])
    reader = acts.reader_of(call)
    return [acts.act(one, reader) for one in history.body["items"]]
