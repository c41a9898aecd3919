"""View customer documents (S8): all documents and authorizations of a customer, now or as of a moment.

The moment (a day and a time, or `as_of`) and the filters are in the address, so that every state of the page can be
bookmarked and sent. assets/view.js replaces the parts that differ.
"""

from asyncio import gather
from collections.abc import Iterator, Mapping
from datetime import datetime, time
from types import SimpleNamespace
from typing import Any

from api.call import Call
from desk import acts, render
from desk.door import Reply, ask
from desk.past import LAST_OF_DAY, as_of
from desk.refused import problem_of
from domain.moment import format_moment
from domain.refusals import N_, FieldError, ValidationFailed
from domain.values import normalize_typed_day, parse_date
from web.pointers import in_query
from web.statuses import status_of

TABS = ("documents", "authorizations")
FILTERS = ("papers", "q", "type", "status", "source", "from", "to", "sort")
SORT = "-received"
ORIGINAL_HELD = "held"  # the filter lists it among the states, where people look for it


async def show_view(call: Call) -> None:
    """GET /customers/{id}; with `at` the list waits for that position, so that it shows the save that linked here."""
    try:
        await show_as_of(call, moment_of(call))
    except ValidationFailed as refusal:
        await show_as_of(call, None, refusal)


async def show_as_of(call: Call, as_of: str | None, refusal: ValidationFailed | None = None) -> None:
    chosen = {name: call.text(name) for name in FILTERS}
    query, sort = {**query_of_filters(chosen), "as_of": as_of}, chosen["sort"] or SORT
    summary, listed = await gather(
        read_list(call, "summary", query),
        read_list(call, "documents", {**query, **papers(chosen), "sort": sort, "cursor": call.text("cursor")}),
    )
    render.show(
        call,
        "view.html",
        status=status_of(refusal) if refusal else 200,
        problem=problem_of(call, refusal) if refusal else None,
        customer=listed.body["customer"],
        items=[
            SimpleNamespace(**item) for item in listed.body["items"]
        ],  # templates read attributes twice as fast as keys
        next=listed.body["next"],
        summary=summary.body,
        past=past_of(call, as_of, summary.body),
        kept={**chosen, "as_of": as_of, "lang": call.text("lang")},
        sort=sort,
        types=[*types_of(call)],
        retention={code: trigger_of(call, code) for code in call.types},
        continued=call.text("cursor") is not None,
    )


async def read_list(call: Call, what: str, query: Mapping[str, Any]) -> Reply:
    """Reads the list or its summary at the position that the script, or the link, asks for, or later."""
    at = call.req.get_header("Archive-Min-Position") or call.text("at")
    headers = {"Archive-Min-Position": at} if at else {}
    return await ask(call, "GET", f"/v1/customers/{{id}}/{what}", query=query, headers=headers, id=call.params["id"])


def query_of_filters(chosen: Mapping[str, str | None]) -> dict[str, Any]:
    """The filters as parameters of the API, which has a parameter of its own for originals held."""
    held = chosen["status"] == ORIGINAL_HELD
    return {
        "q": chosen["q"],
        "type": chosen["type"],
        "status": None if held else chosen["status"],
        "original_held": "true" if held else None,
        "source": chosen["source"],
        "received_from": normalize_typed_day(chosen["from"] or "") or None,
        "received_to": normalize_typed_day(chosen["to"] or "") or None,
    }


def papers(chosen: Mapping[str, str | None]) -> dict[str, str | None]:
    return {"papers": chosen["papers"] if chosen["papers"] in TABS else None}


# -- moments --------------------------------------------------------------------------------------------------------


def moment_of(call: Call) -> str | None:
    """The moment to show; None for now, and for any later time today.

    A chosen minute means its end, so that changes with that time are included.
    """
    text = call.text("day")
    if text is None:
        return as_of(call)
    day = parse_date(normalize_typed_day(text), in_query("day"))
    at = datetime.combine(day, clock_of(call.text("time")), call.parts.zone)
    now = call.parts.archive.clock.now()
    if day > now.astimezone(call.parts.zone).date():
        raise ValidationFailed(FieldError(in_query("day"), N_("must not be in the future")))
    return None if at >= now else rfc3339(at)


def clock_of(text: str | None) -> time:
    """The end of the chosen minute, or of the day if no time was chosen."""
    if text is None:
        return LAST_OF_DAY
    try:
        return time.fromisoformat(text).replace(second=59, microsecond=999000, tzinfo=None)
    except ValueError:
        raise ValidationFailed(FieldError(in_query("time"), N_("must be a time such as 14:05"))) from None


def rfc3339(at: datetime) -> str:
    try:
        return format_moment(at)
    except OverflowError:
        raise ValidationFailed(FieldError(in_query("day"), N_("is not a calendar date"))) from None


def past_of(call: Call, as_of: str | None, summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """The moment shown, None for now: `as_of` for links, `at` the moment itself or that of the position."""
    if as_of is None:
        return None
    at = summary["as_of"]["at"] if as_of.isdigit() else as_of
    local = datetime.fromisoformat(at).astimezone(call.parts.zone) if at else None
    return {
        "as_of": as_of,
        "at": at,
        "day": local.date().isoformat() if local else None,
        "time": local.strftime("%H:%M") if local else None,
    }


# -- choices --------------------------------------------------------------------------------------------------------


def types_of(call: Call) -> Iterator[tuple[str, str]]:
    """Code and label of the types this reader may see, sorted by label."""
    yield from sorted(acts.reader_of(call).labels.items(), key=lambda type_: type_[1].casefold())


def trigger_of(call: Call, code: str) -> str | None:
    """The event that starts the type's retention period; None without one."""
    retention = call.types[code].definition.retention
    return retention.trigger if retention else None
