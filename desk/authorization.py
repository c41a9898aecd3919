"""The page of one authorization (G7): its terms, its paper, and each step of its life with a reason.

A step is sent with the version the page was rendered from; after a conflict the page shows both the other change and
the typed text. Neighbour: document.py.
"""

from asyncio import gather
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.call import Call
from desk import acts, past, render
from desk.changes import (
    Fields,
    OpenForm,
    customers_found,
    end_of_log,
    is_searching,
    only_reason,
    reply_or_refusal,
    show_change,
    to_customer,
)
from desk.door import Reply, ask
from desk.facts import instant_of, pages_of
from desk.fields import change, fields_of, fill_fields
from domain.administration import SYSTEM
from domain.refusals import Forbidden, NotFound, Refusal

IN_FORCE = ("active", "suspended")
HISTORY_SHOWN = 6
ENDS = ("authorization-expired", "authorization-revoked")


def amendment(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), **fill_fields(fields, "debtor_name", "iban", "bic", "mandate_reference")}


def revocation(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "received_on": fields.get("received_on", ""), **fill_fields(fields, "effective_on")}


def succession(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "by": fields.get("by", "")}


def collection(fields: Fields) -> dict[str, Any]:
    required = {name: fields.get(name, "") for name in ("presented_on", "due_on", "outcome")}
    return {**required, **fill_fields(fields, "reference")}


class LifeStep(NamedTuple):
    """One step: the states that offer it, whether only mandates have it, the verb it needs, the builder of its body."""

    states: tuple[str, ...]
    body: Callable[[Fields], dict[str, Any]] = only_reason
    mandates_only: bool = False
    verb: str = "authorizations.change"


STEPS = {
    "amend": LifeStep(IN_FORCE, amendment, mandates_only=True),
    "suspend": LifeStep(("active",)),
    "resume": LifeStep(("suspended",)),
    "revoke": LifeStep(IN_FORCE, revocation),
    "supersede": LifeStep(IN_FORCE, succession),
    "cancel": LifeStep(("issued",)),
    "withdraw": LifeStep(IN_FORCE, verb="documents.correct"),
    "reinstate": LifeStep(("expired", "revoked")),
    "collections": LifeStep(
        ("active", "suspended", "revoked", "expired", "superseded"), collection, True, "collections.report"
    ),
    "reassign": LifeStep(
        ("issued", *IN_FORCE, "revoked", "expired", "superseded", "cancelled"), to_customer, verb="documents.move"
    ),
}


async def show_authorization(call: Call) -> None:
    """GET /authorizations/{id}: now or as of a moment; `change` names the step whose form is open."""
    await show_with(call, OpenForm(call.text("change")))


async def take_step(call: Call) -> None:
    """POST /authorizations/{id}/{step}: redirects to the page, or shows it with the refusal and the typed fields."""
    name, fields = call.params["step"], await fields_of(call)
    if name not in STEPS:
        raise NotFound
    if name == "reassign" and is_searching(fields):
        await show_with(call, OpenForm(name, fields, found=await customers_found(call, fields)))
        return
    path = f"/v1/authorizations/{{id}}/{name}"
    reply = await reply_or_refusal(change(call, path, fields, STEPS[name].body(fields), id=call.params["id"]))
    if isinstance(reply, Refusal):
        await show_with(call, OpenForm(name, fields, reply))
    else:
        render.go(call, f"/authorizations/{call.params['id']}", done=name, at=reply.position)


async def show_with(call: Call, form: OpenForm) -> None:
    facts = await facts_of(call, at=await end_of_log(call) if form.refusal else None)
    item = facts["item"]
    offered = [] if facts["past"] else [name for name in STEPS if is_offered(call, name, item, facts["ended_by"])]
    render.show(
        call,
        "authorization.html",
        **facts,
        **await show_change(call, "authorizations", item, form, offered),
        successors=await successors(call, item) if "supersede" in offered else [],
    )


async def facts_of(call: Call, *, at: str | None) -> dict[str, Any]:
    """Everything the page shows, read at position `at` or later; the default is the position in the address."""
    as_of = past.as_of(call)
    item = (await read_authorization(call, at=at)).body
    customer, history, instant = await gather(
        ask(call, "GET", "/v1/customers/{id}", id=item["customer"]),
        ask(
            call,
            "GET",
            "/v1/authorizations/{id}/history",
            query={"limit": HISTORY_SHOWN, "as_of": as_of},
            id=item["id"],
        ),
        instant_of(call, item, as_of),
    )
    reader = acts.reader_of(call)
    return {
        "item": item,
        "image": await image_of(call, item, as_of),
        "customer": customer.body,
        "history": [acts.act(one, reader) for one in history.body["items"]],
        "ended_by": next((one["actor"] for one in history.body["items"] if one["action"] in ENDS), None),
        "past": instant,
    }


async def image_of(call: Call, item: Mapping[str, Any], as_of: str | None) -> str | None:
    """The address of the first page of its paper; None without one, or if this reader may not see it."""
    if item["evidence"] is None:
        return None
    try:
        paper = (await ask(call, "GET", "/v1/documents/{id}", query={"as_of": as_of}, id=item["evidence"])).body
    except (NotFound, Forbidden):
        return None
    pages = pages_of(call, paper, paper)
    return f"{pages['address']}1" if pages else None


async def read_authorization(call: Call, *, at: str | None) -> Reply:
    """The authorization, read at the position of the step that redirected here, or later."""
    at = at or call.text("at")
    return await ask(
        call,
        "GET",
        "/v1/authorizations/{id}",
        query={"as_of": call.text("as_of")},
        headers={"Archive-Min-Position": at} if at else {},
        id=call.params["id"],
    )


def is_offered(call: Call, name: str, item: Mapping[str, Any], ended_by: str | None) -> bool:
    """True if the page offers the step. Only an end by the calendar (`ended_by` the system) can be reinstated, and only
    what No upload noted can be taken back."""
    found = STEPS[name]
    fits = item["kind"] == "mandate" or not found.mandates_only
    needed = {"reinstate": ended_by == SYSTEM, "withdraw": item["original_held"]}
    return fits and item["status"] in found.states and needed.get(name, True) and render.may_use(call, found.verb)


async def successors(call: Call, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The customer's other authorizations that can supersede this one."""
    query = {"kind": item["kind"], "limit": call.parts.limits.list_page_max}
    listed = await ask(call, "GET", "/v1/customers/{id}/documents", query=query, id=item["customer"])
    others = [other for other in listed.body["items"] if other["id"] != item["id"]]
    return [other for other in others if other["status"] in ("issued", "active")]
