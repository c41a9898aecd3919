"""What was saved (S7): the line that says so, and Undo, which withdraws with its reason while it is fresh."""

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
ON_THE_WAY = timedelta(seconds=5)  # between the last second that a page shows and the press that arrives here
WHY = N_("Undone at once: saved by mistake")


class SavedPaper(msgspec.Struct, frozen=True, kw_only=True):
    """An item with the name of its customer; `undo_seconds`: as long as it can still be undone."""

    item: Mapping[str, Any]
    customer: Mapping[str, Any]
    undo_seconds: int
    key: str


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`statement`: the authorization of what was undone, as it is without its paper. `at`: the position of the last."""

    saved: list[SavedPaper]
    noted: SavedPaper | None
    undone: SavedPaper | None
    statement: SavedPaper | None
    at: str


async def find_done(call: Call) -> Done:
    """What the address says was done; what the reader may not see was not."""
    at = call.text("at") or "0"
    saved = [paper for one in many(call, "saved") if (paper := await paper_of(call, "documents", one, at))]
    noted = await noted_of(call, at)
    undone = await paper_of(call, "documents", call.text("undone"), at)
    statement = await paper_of(call, "authorizations", undone.item["evidence_of"], at) if undone else None
    if used := [paper.item["type"] for paper in [*saved, *([noted] if noted else [])]]:
        lately.remember_types(call, used)
    return Done(saved=saved, noted=noted, undone=undone, statement=statement, at=at)


async def noted_of(call: Call, at: str) -> SavedPaper | None:
    seen = await paper_of(call, "documents", call.text("seen"), at)
    return seen or await paper_of(call, "authorizations", call.text("noted"), at)


def many(call: Call, name: str) -> list[str]:
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
    """As long as a page offers Undo."""
    if item["status"] != "archived":
        return 0
    return max(0, round((datetime.fromisoformat(item["recorded_at"]) + UNDO - now).total_seconds()))


def is_fresh(item: Mapping[str, Any], now: datetime) -> bool:
    """Whether Undo is still taken; later it is a correction like others, and asks its reason."""
    return now <= datetime.fromisoformat(item["recorded_at"]) + UNDO + ON_THE_WAY


async def undo_save(call: Call) -> None:
    """POST /add/undo: withdraw what was saved just now. Later it is withdrawn on its own page, with a reason."""
    fields = await fields_of(call)
    paper = fields.get("id", "")
    item = (await ask(call, "GET", "/v1/documents/{id}", id=paper)).body
    if not is_fresh(item, call.parts.archive.clock.now()):
        render.go(call, f"/documents/{item['id']}")
        return
    reason = catalog(call.language)(WHY)
    withdrawn = await change(call, "/v1/documents/{id}/withdraw", fields, {"reason": reason}, id=item["id"])
    render.go(call, "/add", source=fields.get("source"), undone=item["id"], at=withdrawn.position)


def go_on(call: Call, source: str, made: Reply, *, same_customer: bool, session: str | None = None) -> None:
    """To the empty page with the line of what was saved. `made` is the archive's 201, `session` a scan that goes on."""
    item = made.body
    paper = item["evidence"] or item["id"]
    customer = item["customer"] if same_customer else None
    render.go(call, "/add", source=source, customer=customer, session=session, saved=paper, at=made.position)
