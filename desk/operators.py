"""The operators' screen (S12): views, parked events, storage, scanners. Operations are queued, not run here."""

from datetime import timedelta
from operator import itemgetter

from api.call import Call
from desk import render
from desk.door import ask
from desk.fields import fields_of, fill_fields, new_key
from desk.refused import problem_of
from domain.refusals import Refusal
from web.statuses import status_of

TABLE_MINUTES = 15
EVERY_SECONDS = 5


async def show_operators(call: Call) -> None:
    """GET /operators."""
    await show_with(call)


async def queue_operation(call: Call) -> None:
    """POST /operators: queues the operation of the pressed button."""
    fields = await fields_of(call)
    try:
        key = {"Idempotency-Key": fields.get("key") or new_key()}
        await ask(call, "POST", "/v1/operations", headers=key, body=fill_fields(fields, "kind", "view"))
    except Refusal as refusal:
        await show_with(call, refusal)
    else:
        render.go(call, "/operators")


async def show_with(call: Call, refusal: Refusal | None = None) -> None:
    seen = (await ask(call, "GET", "/v1/operations")).body
    scanners = await ask(call, "GET", "/v1/scanners")
    stations = await ask(call, "GET", "/v1/scan-stations")
    now = call.parts.archive.clock.now()
    render.show(
        call,
        "operators.html",
        status=status_of(refusal) if refusal else 200,
        problem=problem_of(call, refusal) if refusal else None,
        seen=seen,
        scanners=scanners.body["items"],
        stations=stations.body["items"],
        minutes=[now - timedelta(minutes=ago) for ago in range(60, -1, -TABLE_MINUTES)],
        quarters={name: quarters(seen[name]) for name in ("events_by_minute", "reads_by_minute")},
        now=now,
        every=EVERY_SECONDS,
        verified=next((one for one in seen["tasks"] if one["kind"] == "verify" and one["ended_at"]), None),
        ended=max((one for one in seen["tasks"] if one["ended_at"]), key=itemgetter("ended_at"), default=None),
        running={(one["kind"], one["view"]) for one in seen["tasks"] if not one["ended_at"]},
        key=new_key(),
    )


def quarters(by_minute: list[int]) -> list[int]:
    """Sums per quarter of an hour, for the table beside a chart."""
    return [sum(by_minute[at : at + TABLE_MINUTES]) for at in range(0, len(by_minute), TABLE_MINUTES)]
