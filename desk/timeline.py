"""Timeline (S10): the changes of a customer's papers or of one paper, newest first; with the right, also its views.

Each act links to the list, or the paper, right after it. Exports the changes as JSON and CSV.
"""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from api.call import Call, encode_json
from desk import acts, render
from desk.door import ask
from desk.past import LAST_OF_DAY
from domain.act_words import OF_PAPERS, VIEWS
from domain.values import normalize_typed_day, parse_date
from web.headers import content_disposition
from web.pointers import in_query

FILTERS = ("show", "actor", "action", "from", "to")
EXPORTS = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
VIEWS_SHOWN = 200
LABELS_MAX = 200
EXPORTED_AT_ONCE = 200
VIEWS_VERB = "access-log.read"
# Characters at which a spreadsheet starts a formula, or ends the cell before it (OWASP, CSV injection).
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
# Spreadsheets with a decimal comma (Dutch, German) split cells at the semicolon.
FORMULA_BEHIND = re.compile(r";(\"*)(?=[=+@-])")
COLUMNS = (
    "position", "recorded_at", "actor", "branch", "action", "kind", "id", "label", "reason", "before", "after",
)  # fmt: skip


class TimelineSubject(NamedTuple):
    """The customer or paper of a timeline: `path` its page, `history` its route, `views` its access-log filter."""

    kind: str
    path: str
    history: str
    customer: dict[str, Any]
    label: str
    views: dict[str, str]


async def of_customer(call: Call) -> None:
    """GET /customers/{id}/timeline."""
    await show_timeline(call, await customer(call))


async def of_document(call: Call) -> None:
    await show_timeline(call, await paper(call, "documents"))


async def of_authorization(call: Call) -> None:
    await show_timeline(call, await paper(call, "authorizations"))


async def customer(call: Call) -> TimelineSubject:
    found = await ask(call, "GET", "/v1/customers/{id}", id=call.params["id"])
    name = found.body["id"]
    return TimelineSubject(
        "customers", f"/customers/{name}", "/v1/customers/{id}/history", found.body, "", {"customer": name}
    )


async def paper(call: Call, room: str) -> TimelineSubject:
    found = await ask(call, "GET", f"/v1/{room}/{{id}}", id=call.params["id"])
    owner = await ask(call, "GET", "/v1/customers/{id}", id=found.body["customer"])
    label = found.body.get("title") or found.body["type_label"]
    name = found.body["id"]
    return TimelineSubject(room, f"/{room}/{name}", f"/v1/{room}/{{id}}/history", owner.body, label, {"paper": name})


async def show_timeline(call: Call, of: TimelineSubject) -> None:
    chosen = {name: call.text(name) for name in FILTERS}
    watched = render.may_use(call, VIEWS_VERB)
    reader = acts.reader_of(call)
    if watched and is_of_views(chosen):
        told, seen, following = await only_views(call, of, chosen, reader)
    else:
        told, seen, following = await with_changes(call, of, chosen, reader, watched=watched)
    render.show(
        call,
        "timeline.html",
        of=of,
        customer=of.customer,
        summary=await summary(call, of.customer["id"]) if of.kind == "customers" else None,
        days=[*days(call, merge_by_time(told, seen))],
        next=following,
        continued=call.text("cursor") is not None,
        kept={**chosen, "lang": call.text("lang")},
        watched=watched,
        actions=[(name, reader.translate(words)) for name, (words, _) in OF_PAPERS.items()],
        looks=[(name, reader.translate(words)) for name, (words, _) in VIEWS.items()] if watched else [],
        actors=sorted({act.actor for act in (*told, *seen)}),
    )


def is_of_views(chosen: Mapping[str, str | None]) -> bool:
    """True if the filters leave only views."""
    return chosen["show"] == "views" or chosen["action"] in VIEWS


Shown = tuple[list[acts.Act], list[acts.Act], str | None]


async def only_views(
    call: Call, of: TimelineSubject, chosen: Mapping[str, str | None], reader: acts.ActReader
) -> Shown:
    """Views alone, paged by the access log."""
    if chosen["show"] == "changes" or (chosen["action"] and chosen["action"] not in VIEWS):
        return [], [], None
    more = {"action": chosen["action"], "cursor": call.text("cursor")}
    lines = await looks(call, of, chosen, **period(call, chosen), **more)
    return [], await acts_of_looks(call, of, lines["items"], reader, {}), lines["next"]


async def with_changes(
    call: Call, of: TimelineSubject, chosen: Mapping[str, str | None], reader: acts.ActReader, *, watched: bool
) -> Shown:
    """Changes, paged by the history, with the views of the same time."""
    found = await history(call, of, chosen, cursor=call.text("cursor"))
    told = [acts.act(item, reader) for item in found["items"]]
    wants_views = watched and chosen["show"] != "changes" and not chosen["action"]
    seen = await views(call, of, chosen, found, reader) if wants_views else []
    return told, seen, found["next"]


# -- reads ----------------------------------------------------------------------------------------------------------


async def summary(call: Call, customer: str) -> dict[str, Any]:
    """The counts of a customer's papers, for the tabs."""
    found: dict[str, Any] = (await ask(call, "GET", "/v1/customers/{id}/summary", id=customer)).body
    return found


async def history(call: Call, of: TimelineSubject, chosen: Mapping[str, str | None], **more: Any) -> dict[str, Any]:
    query = {"actor": chosen["actor"], "action": chosen["action"], **period(call, chosen), **more}
    found = await ask(call, "GET", of.history, query=query, id=call.params["id"])
    body: dict[str, Any] = found.body
    return body


def period(call: Call, chosen: Mapping[str, str | None]) -> dict[str, str]:
    """The bounds of the date filter: whole days in the library's time zone."""
    bounds = {}
    if text := chosen["from"]:
        bounds["from"] = moment(call, parse_date(normalize_typed_day(text), in_query("from")), time.min)
    if text := chosen["to"]:
        bounds["to"] = moment(call, parse_date(normalize_typed_day(text), in_query("to")), LAST_OF_DAY)
    return bounds


def moment(call: Call, day: date, at: time) -> str:
    return datetime.combine(day, at, call.parts.zone).isoformat()


async def views(
    call: Call, of: TimelineSubject, chosen: Mapping[str, str | None], found: Mapping[str, Any], reader: acts.ActReader
) -> list[acts.Act]:
    """The views in the time span of this page of the history."""
    lines = await looks(call, of, chosen, **{**period(call, chosen), **time_span(call, found)})
    labels = {item["subject"]["id"]: item["subject"].get("label", "") for item in found["items"]}
    return await acts_of_looks(call, of, lines["items"], reader, labels)


async def looks(
    call: Call, of: TimelineSubject, chosen: Mapping[str, str | None], **query: str | None
) -> dict[str, Any]:
    query = {"actor": chosen["actor"], **of.views, **query, "limit": str(VIEWS_SHOWN)}
    body: dict[str, Any] = (await ask(call, "GET", "/v1/access-log", query=query)).body
    return body


async def acts_of_looks(
    call: Call, of: TimelineSubject, lines: Sequence[Mapping[str, Any]], reader: acts.ActReader, labels: dict[str, str]
) -> list[acts.Act]:
    if any(paper not in labels for line in lines if (paper := subject_of_look(line))):
        labels |= await labels_of(call, of.customer["id"])
    return group_looks(call, [acts.view(line, reader, labels) for line in lines])


def subject_of_look(line: Mapping[str, Any]) -> str | None:
    paper: str | None = line["document"] or line["authorization"]
    return paper


async def labels_of(call: Call, customer: str) -> dict[str, str]:
    """Labels of the customer's papers, for views of papers that this page of the history does not name."""
    found = await ask(call, "GET", "/v1/customers/{id}/documents", query={"limit": LABELS_MAX}, id=customer)
    labels: dict[str, str] = {}
    for item in found.body["items"]:
        label = item["title"] or item["type_label"]
        labels |= {name: label for name in (item["id"], item["evidence"]) if name}
    return labels


def time_span(call: Call, found: Mapping[str, Any]) -> dict[str, str]:
    """The time span of a page: open upwards on the first page, downwards on the last."""
    moments = [item["recorded_at"] for item in found["items"]]
    upper = {"to": moments[0]} if moments and call.text("cursor") else {}
    lower = {"from": moments[-1]} if moments and found["next"] else {}
    return {**upper, **lower}


# -- order ----------------------------------------------------------------------------------------------------------


def group_looks(call: Call, looks: Iterable[acts.Act]) -> list[acts.Act]:
    """Merges views of one kind by one person on one day into one act, so that they do not hide the changes."""
    groups: dict[tuple[date, str, str, str], list[acts.Act]] = {}
    for look in looks:
        groups.setdefault((local_day(call, look.at), look.actor, look.branch, look.words), []).append(look)
    return [acts.merge_acts(group) for group in groups.values()]


def merge_by_time(told: Iterable[acts.Act], seen: Iterable[acts.Act]) -> list[acts.Act]:
    """All acts, newest first; those of one moment in the order of the log."""
    return sorted([*seen, *told], key=lambda one: (one.at[:23], one.position or 0), reverse=True)


def days(call: Call, told: Iterable[acts.Act]) -> Iterator[tuple[date, list[acts.Act]]]:
    for day, group in groupby(told, key=lambda one: local_day(call, one.at)):
        yield day, [*group]


def local_day(call: Call, at: str) -> date:
    return datetime.fromisoformat(at).astimezone(call.parts.zone).date()


# -- export ---------------------------------------------------------------------------------------------------------


async def export_timeline(call: Call, *, room: str, file_format: str) -> None:
    """GET …/timeline.json and …/timeline.csv: streams all changes that match the filters."""
    of = await customer(call) if room == "customers" else await paper(call, room)
    first = await read_export(call, of, None)  # a refusal must come before the first byte of the answer
    write = {"json": as_json, "csv": as_csv}[file_format]
    call.resp.content_type = EXPORTS[file_format]
    name = f"timeline-{call.params['id']}.{file_format}"
    call.resp.set_headers({"Content-Disposition": content_disposition(name), "Cache-Control": "no-store"})
    call.resp.stream = write(items_of(call, of, first))


async def read_export(call: Call, of: TimelineSubject, cursor: str | None) -> dict[str, Any]:
    chosen = {name: call.text(name) for name in FILTERS}
    return await history(call, of, chosen, cursor=cursor, limit=EXPORTED_AT_ONCE)


async def items_of(call: Call, of: TimelineSubject, found: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for item in found["items"]:
        yield item
    while found["next"] is not None:
        found = await read_export(call, of, found["next"])
        for item in found["items"]:
            yield item


async def as_json(items: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    yield b'{"items":['
    before = b"\n"
    async for item in items:
        yield before + encode_json(item)
        before = b",\n"
    yield b"\n]}\n"


async def as_csv(items: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    """CSV in UTF-8 with a byte order mark for spreadsheets; cells that look like formulas are quoted as text."""
    yield "\ufeff".encode() + line(COLUMNS)
    async for item in items:
        subject = item["subject"]
        yield line(
            cell(value)
            for value in (
                item["position"],
                item["recorded_at"],
                item["actor"],
                item["branch"],
                item["action"],
                subject["kind"],
                subject["id"],
                subject.get("label"),
                item["reason"],
                item["before"],
                item["after"],
            )
        )


def line(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def cell(value: Any) -> str:
    if isinstance(value, dict):
        value = msgspec.json.encode(value).decode() if value else ""
    text = FORMULA_BEHIND.sub(r";\1'", "" if value is None else str(value))
    return f"'{text}" if text.startswith(FORMULAS) else text
