"""One authorization and its life (G7): what it says, its paper, and every step with its reason."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.call import Call
from api.staff import render
from api.staff.door import Reply, ask
from api.staff.fields import change, fields_of, filled, new_key
from api.staff.refused import problem_of
from domain.refusals import NotFound, Refusal

Fields = Mapping[str, str]
IN_FORCE = ("active", "suspended")


def only_reason(fields: Fields) -> dict[str, Any]:
    return {"reason": fields.get("reason", "")}


def amendment(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), **filled(fields, "debtor_name", "iban", "bic", "mandate_reference")}


def revocation(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "received_on": fields.get("received_on", ""), **filled(fields, "effective_on")}


def succession(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "by": fields.get("by", "")}


def move(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "customer": fields.get("customer", "")}


def collection(fields: Fields) -> dict[str, Any]:
    taken = {name: fields.get(name, "") for name in ("presented_on", "due_on", "outcome")}
    return {**taken, **filled(fields, "reference")}


class Step(NamedTuple):
    """One step of a life: in which states it is offered, to mandates alone or not, whose right it is, its body."""

    states: tuple[str, ...]
    body: Callable[[Fields], dict[str, Any]] = only_reason
    mandates_only: bool = False
    verb: str = "authorizations.change"


STEPS = {
    "amend": Step(IN_FORCE, amendment, mandates_only=True),
    "suspend": Step(("active",)),
    "resume": Step(("suspended",)),
    "revoke": Step(IN_FORCE, revocation),
    "supersede": Step(IN_FORCE, succession),
    "cancel": Step(("issued",)),
    "collections": Step(
        ("active", "suspended", "revoked", "expired", "superseded"), collection, True, "collections.report"
    ),
    "reassign": Step(
        ("issued", *IN_FORCE, "revoked", "expired", "superseded", "cancelled"), move, verb="documents.move"
    ),
}


async def show(call: Call) -> None:
    """GET /authorizations/{id}, as it is or as it was."""
    await show_with(call)


async def step(call: Call) -> None:
    """POST /authorizations/{id}/{step}: back to the page when it is done, else the page with what was typed."""
    name, fields = call.params["step"], await fields_of(call)
    if name not in STEPS:
        raise NotFound
    try:
        done = await change(
            call, f"/v1/authorizations/{{id}}/{name}", fields, STEPS[name].body(fields), id=call.params["id"]
        )
    except NotFound:
        raise
    except Refusal as refusal:
        await show_with(call, typed={name: fields}, refusal=refusal)
    else:
        render.go(call, f"/authorizations/{call.params['id']}", done=name, at=done.position)


async def show_with(call: Call, *, typed: Mapping[str, Fields] | None = None, refusal: Refusal | None = None) -> None:
    """`typed`: the fields of the step that was refused, by its name. At the version that stands now, what was typed
    stays beside what somebody else has changed meanwhile."""
    statement = await read(call)
    item = statement.body
    customer = await ask(call, "GET", "/v1/customers/{id}", id=item["customer"])
    listed = await ask(call, "GET", "/v1/customers/{id}/documents", query={"kind": item["kind"]}, id=item["customer"])
    history = await ask(call, "GET", "/v1/authorizations/{id}/history", query={"limit": 6}, id=call.params["id"])
    render.show(
        call,
        "authorization.html",
        status=refusal.status if refusal else 200,
        customer=customer.body,
        item=item,
        history=history.body["items"],
        successors=[other for other in listed.body["items"] if succeeds(other, item)],
        steps=[] if call.text("as_of") else [name for name in STEPS if offered(call, name, item)],
        typed=typed or {},
        problem=problem_of(call, refusal) if refusal else None,
        done=call.text("done"),
        as_of=call.text("as_of"),
        key=new_key(),
    )


async def read(call: Call) -> Reply:
    """At least as new as the step that led here."""
    at = call.text("at")
    return await ask(
        call,
        "GET",
        "/v1/authorizations/{id}",
        query={"as_of": call.text("as_of")},
        headers={"Archive-Min-Position": at} if at else {},
        id=call.params["id"],
    )


def offered(call: Call, name: str, item: Mapping[str, Any]) -> bool:
    found = STEPS[name]
    return (
        item["status"] in found.states
        and (item["kind"] == "mandate" or not found.mandates_only)
        and render.allowed(call, found.verb)
    )


def succeeds(other: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    return other["id"] != item["id"] and other["status"] in ("issued", "active")
