"""Saves pages of a scan session as a document (B9, B10), by a checked code or by customer and type.

The session keeps the other pages; the next page shows them for the next document. Neighbour: scan.py.
"""

from collections.abc import Mapping
from typing import Any

from api.call import Call
from desk.add import show_with
from desk.checking import void_changed_code
from desk.door import Reply, ask
from desk.fields import fields_of, fill_fields, new_key, number
from desk.saved import go_on
from desk.scan import OPEN
from domain.refusals import CheckRequired, NotFound, Refusal


async def save_scan(call: Call) -> None:
    """POST /add/scan?key=."""
    fields = void_changed_code(await fields_of(call))
    try:
        made = await archive_scan(call, fields)
    except Refusal as refusal:
        await show_with(call, {**fields, "source": "scan"}, refusal=refusal)
    else:
        rest = await session_with_pages(call, fields["session"])
        go_on(call, "scan", made, same_customer=bool(fields.get("next")), session=rest)


async def archive_scan(call: Call, fields: Mapping[str, str]) -> Reply:
    headers = {"If-Match": f'"{fields.get("version", "")}"', "Idempotency-Key": call.text("key") or new_key()}
    path = "/v1/scan-sessions/{id}/archive"
    return await ask(call, "POST", path, headers=headers, body=body_of(fields), id=fields.get("session", ""))


def body_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """The body of the request: a checked code, or customer and type. Raises CheckRequired for an unchecked code."""
    by_code = bool(fields.get("scan_code"))
    if by_code and not fields.get("check_token"):
        raise CheckRequired
    named = ("scan_code", "check_token") if by_code else ("customer", "type")
    body = fill_fields(fields, *named, "received_on", "signed_on", "note", "ground", "duplicate")
    if pages := [page for text in fields.get("pages", "").split(",") if (page := number(text)) is not None]:
        body["pages"] = pages
    return body


async def session_with_pages(call: Call, session: str) -> str | None:
    """The session, if it is open and has pages left; else None."""
    try:
        found = (await ask(call, "GET", "/v1/scan-sessions/{id}", id=session)).body
    except NotFound:
        return None
    return session if found["pages"] and found["state"] in OPEN else None
