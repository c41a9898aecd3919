"""The message after a save (S7) and its Undo, which withdraws a paper for 30 seconds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from api.call import Call
from desk import lately, render
from desk.door import Reply, ask
from desk.fields import change, fields_of, new_key
from domain.refusals import N_, NotFound
from web.problems import catalog

UNDO = timedelta(seconds=30)
ON_THE_WAY = timedelta(seconds=5)  # from the last second that a page shows to the arrival of the press
WHY = N_("Undone right after saving: saved by mistake")
NOTED = ("authorization-registered", "authorization-signed")
# What an Undo withdraws: its collection, the field that names it, the parameter of the message that tells of it.
DOCUMENT, NOTE = ("documents", "id", "undone"), ("authorizations", "noted", "unnoted")


class SavedPaper(msgspec.Struct, frozen=True, kw_only=True):
    """A paper and its customer; `undo_seconds` is how long Undo is still offered."""

    item: Mapping[str, Any]
    customer: Mapping[str, Any]
    undo_seconds: int
    key: str


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What the message reports. `statement` is the authorization whose evidence was undone, `unnoted` one whose
    recording was undone; `at` is the last position."""

    saved: list[SavedPaper]
    noted: SavedPaper | None
    undone: SavedPaper | None
    statement: SavedPaper | None
    unnoted: SavedPaper | None
    at: str


async def find_done(call: Call) -> Done:
    """The papers that the address names as saved, leaving out those the reader may not see."""
    at = call.text("at") or "0"
    saved = [paper for one in values_of(call, "saved") if (paper := await paper_of(call, "documents", one, at))]
    noted = await noted_of(call, at)
    undone = await paper_of(call, "documents", call.text("undone"), at)
    statement = await paper_of(call, "authorizations", undone.item["evidence_of"], at) if undone else None
    unnoted = await paper_of(call, "authorizations", call.text("unnoted"), at)
    if used := [paper.item["type"] for paper in [*saved, *([noted] if noted else [])]]:
        lately.remember_types(call, used)
    return Done(saved=saved, noted=noted, undone=undone, statement=statement, unnoted=unnoted, at=at)


async def noted_of(call: Call, at: str) -> SavedPaper | None:
    if seen := await paper_of(call, "documents", call.text("seen"), at):
        return seen
    noted = await paper_of(call, "authorizations", call.text("noted"), at)
    if noted is None or (done_at := await noted_at(call, noted.item["id"], at)) is None:
        return noted
    return msgspec.structs.replace(noted, undo_seconds=seconds_of_undo(done_at, call.parts.archive.clock.now()))


async def noted_at(call: Call, statement: str, at: str | None = None) -> str | None:
    """The time at which No upload recorded it; None if anything else has happened to it since. A form is older than its
    recording, so `recorded_at` does not tell."""
    headers = {"Archive-Min-Position": at} if at else {}
    path = "/v1/authorizations/{id}/history"
    [last, *_] = (await ask(call, "GET", path, query={"limit": 1}, headers=headers, id=statement)).body["items"]
    return last["recorded_at"] if last["action"] in NOTED and last["after"].get("original_held") else None


def values_of(call: Call, name: str) -> list[str]:
    value = call.req.params.get(name) or []
    return value if isinstance(value, list) else [value]


async def paper_of(call: Call, kind: str, paper: str | None, at: str) -> SavedPaper | None:
    if not paper:
        return None
    try:
        item = (await ask(call, "GET", f"/v1/{kind}/{{id}}", headers={"Archive-Min-Position": at}, id=paper)).body
        customer = (await ask(call, "GET", "/v1/customers/{id}", id=item["customer"])).body
    except NotFound:
        return None
    now = call.parts.archive.clock.now()
    return SavedPaper(item=item, customer=customer, undo_seconds=seconds_left(item, now), key=new_key())


def seconds_left(item: Mapping[str, Any], now: datetime) -> int:
    """How many seconds more a page offers Undo of a document."""
    return seconds_of_undo(item["recorded_at"], now) if item["status"] == "archived" else 0


def seconds_of_undo(recorded_at: str, now: datetime) -> int:
    """How many seconds of the time for Undo are left."""
    return max(0, round((datetime.fromisoformat(recorded_at) + UNDO - now).total_seconds()))


def is_fresh(recorded_at: str | None, now: datetime) -> bool:
    """True if Undo is still accepted; later a withdrawal needs a reason of its own."""
    return recorded_at is not None and now <= datetime.fromisoformat(recorded_at) + UNDO + ON_THE_WAY


async def undo_save(call: Call) -> None:
    """POST /add/undo: withdraws what was just saved or recorded; later it redirects to the page of the paper."""
    fields = await fields_of(call)
    room, field, told = NOTE if "noted" in fields else DOCUMENT
    item = (await ask(call, "GET", f"/v1/{room}/{{id}}", id=fields.get(field, ""))).body
    done_at = await noted_at(call, item["id"]) if "noted" in fields else item["recorded_at"]
    if not is_fresh(done_at, call.parts.archive.clock.now()):
        render.go(call, f"/{room}/{item['id']}")
        return
    reason = catalog(call.language)(WHY)
    withdrawn = await change(call, f"/v1/{room}/{{id}}/withdraw", fields, {"reason": reason}, id=item["id"])
    render.go(call, "/add", source=fields.get("source"), **{told: item["id"]}, at=withdrawn.position)


def go_on(call: Call, source: str, made: Reply, *, same_customer: bool, session: str | None = None) -> None:
    """Redirects to an empty Add with the message. `made` is the API's 201, `session` a scan with pages left."""
    item = made.body
    paper = item["evidence"] or item["id"]
    customer = item["customer"] if same_customer else None
    render.go(call, "/add", source=source, customer=customer, session=session, saved=paper, at=made.position)
