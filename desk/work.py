"""The work list (S11): unfinished scans, authorizations about to end, originals not yet scanned."""

from asyncio import gather
from datetime import timedelta
from typing import Any

from api.call import Call
from desk import render
from desk.door import LIST_PAGE, ask, ask_all
from desk.fields import fields_of
from domain.access import Verb

DAYS = 30
MOST = LIST_PAGE
"""The length of each list; the API sorts those first that wait longest or end soonest."""


async def show_work(call: Call) -> None:
    """GET /work: for the reader's branch, or with `?all` for all branches."""
    branch = None if call.text("all") else call.branch()
    asked = {"branch": branch, "limit": MOST}
    ending, originals = await gather(
        ask(call, "GET", "/v1/work-list/ending", query={"days": DAYS, **asked}),
        ask(call, "GET", "/v1/work-list/originals", query=asked),
    )
    scans: list[Any] = []
    scanners: list[Any] = []
    if render.may_use(call, Verb.SCANS_USE):
        scans = (await ask(call, "GET", "/v1/scan-sessions", query=asked)).body["items"]
    if scans and render.may_use(call, Verb.SCANNERS_READ):
        scanners = await ask_all(call, "/v1/scanners")
    render.show(
        call,
        "work.html",
        scans=scans,
        scanners={one["id"]: one["name"] for one in scanners},
        ending=ending.body["items"],
        originals=originals.body["items"],
        mine=branch is not None,
        most=MOST,
        days=DAYS,
        idle=timedelta(hours=call.parts.limits.scan_session_hours),
        grace=timedelta(hours=call.parts.limits.scan_grace_hours),
    )


async def reopen_scan(call: Call) -> None:
    """POST /work/reopen: reopens an expired scan and redirects to it."""
    session = (await fields_of(call)).get("session", "")
    await ask(call, "POST", "/v1/scan-sessions/{id}/reopen", id=session)
    render.go(call, "/add", source="scan", session=session)
