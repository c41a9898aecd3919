"""The built-in register at the desk: find, add and edit customers. Neighbour: search.py (S5)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from api.call import Call
from desk import render
from desk.door import ask
from desk.fields import fields_of, fill_fields
from desk.refused import problem_of
from domain.refusals import N_, FieldError, NotFound, Refusal, ValidationFailed
from web.statuses import status_of

FOUND_MAX = 50


async def search_customers(call: Call) -> None:
    """GET /customers?q=."""
    query = call.text("q")
    found = await ask(call, "GET", "/v1/customers", query={"q": query, "limit": FOUND_MAX}) if query else None
    render.show(call, "customers.html", q=query or "", found=found.body["items"] if found else None, most=FOUND_MAX)


async def edit_customer(call: Call) -> None:
    """GET /customers/{id}/edit."""
    found = await ask(call, "GET", "/v1/customers/{id}", id=call.params["id"])
    customer = found.body
    fields = {**customer, "card_numbers": " ".join(customer["card_numbers"])}
    render.show(call, "customer.html", customer=customer, fields=fields, problem=None)


async def show_new_customer(call: Call) -> None:
    """GET /customers/new."""
    render.show(call, "customer.html", customer=None, fields={"kind": "person"}, problem=None)


async def save_new(call: Call) -> None:
    """POST /customers/new: refuses a number in use, because PUT would overwrite that customer."""
    fields = await fields_of(call)
    try:
        await require_free(call, fields.get("id", ""))
    except Refusal as refusal:
        return show_again(call, None, fields, refusal)
    return await save_customer(call, None, fields.get("id", ""), fields)


async def save(call: Call) -> None:
    """POST /customers/{id}/edit."""
    known = await ask(call, "GET", "/v1/customers/{id}", id=call.params["id"])
    await save_customer(call, known.body, call.params["id"], await fields_of(call))


async def save_customer(
    call: Call, known: Mapping[str, Any] | None, customer_id: str, fields: Mapping[str, str]
) -> None:
    try:
        await ask(call, "PUT", "/v1/customers/{id}", body=body_of(fields), id=customer_id)
    except Refusal as refusal:
        show_again(call, known, fields, refusal)
    else:
        render.go(call, f"/customers/{quote(customer_id, safe='')}")


async def require_free(call: Call, customer_id: str) -> None:
    if not customer_id:
        raise ValidationFailed(FieldError("id", N_("is required")))
    try:
        await ask(call, "GET", "/v1/customers/{id}", id=customer_id)
    except NotFound:
        return
    raise ValidationFailed(FieldError("id", N_("already belongs to another customer")))


def body_of(fields: Mapping[str, str]) -> dict[str, Any]:
    named = {"name": fields.get("name", ""), "card_numbers": fields.get("card_numbers", "").split()}
    return {**named, **fill_fields(fields, "birth_date", "home_branch", "kind")}


def show_again(call: Call, known: Mapping[str, Any] | None, fields: Mapping[str, str], refusal: Refusal) -> None:
    problem = problem_of(call, refusal)
    render.show(call, "customer.html", status=status_of(refusal), customer=known, fields=fields, problem=problem)
