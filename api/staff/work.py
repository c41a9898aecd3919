"""The work list (S11): scans that nobody finished, authorizations about to end, originals that wait for their scan."""

from datetime import timedelta

from api.call import Call
from api.staff import render
from api.staff.door import ask
from domain.access import Verb

DAYS = 30


async def show(call: Call) -> None:
    """GET /work."""
    scans = (await ask(call, "GET", "/v1/scan-sessions")).body["items"] if render.allowed(call, Verb.SCANS_USE) else []
    ending = await ask(call, "GET", "/v1/work-list/ending", query={"days": DAYS})
    originals = await ask(call, "GET", "/v1/work-list/originals")
    mine = call.text("all") is None
    branch = call.branch()
    render.show(
        call,
        "work.html",
        scans=[one for one in scans if not mine or one["branch"] == branch],
        ending=[one for one in ending.body["items"] if not mine or one["branch"] == branch],
        originals=[one for one in originals.body["items"] if not mine or one["branch"] == branch],
        mine=mine,
        days=DAYS,
        idle=timedelta(hours=call.parts.limits.scan_session_hours),
    )
