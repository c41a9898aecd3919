"""One document (S9): its pages, what is known of it, and every correction (G1 to G6) with its reason.

Corrections are sent once, at the version that was read. What somebody else changed meanwhile is shown beside what was
typed, and nothing of that is lost. facts.py reads what is shown. Neighbour: authorization.py.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from api.call import Call
from desk import render
from desk.changes import (
    Fields,
    OpenForm,
    customers_found,
    end_of_log,
    is_searching,
    only_reason,
    show_change,
    to_customer,
)
from desk.door import Reply, ask, ask_all
from desk.facts import facts_of, pages_of, read
from desk.fields import change, fields_of, new_key
from desk.file import Heard
from domain.refusals import Forbidden, NotFound, Refusal


def new_type(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "type": fields.get("type", "")}


def description(fields: Fields) -> dict[str, Any]:
    texts = {name: fields.get(name) or None for name in ("title", "note")}
    day = {"received_on": fields["received_on"]} if fields.get("received_on") else {}
    return {**only_reason(fields), **texts, **day}


class Correction(NamedTuple):
    """One correction: in which states it is offered, whose right it is, its body. `named`: it needs another customer,
    who is looked for first."""

    states: tuple[str, ...]
    verb: str
    body: Callable[[Fields], dict[str, Any]] = only_reason
    named: bool = False


EVER = ("archived", "withdrawn")
CORRECTIONS = {
    "reclassify": Correction(("archived",), "documents.correct", new_type),
    "describe": Correction(("archived",), "documents.correct", description),
    "reassign": Correction(EVER, "documents.move", to_customer, named=True),
    "link-customer": Correction(EVER, "documents.move", to_customer, named=True),
    "unlink-customer": Correction(EVER, "documents.move", to_customer),
    "content": Correction(("archived",), "documents.move"),
    "withdraw": Correction(("archived",), "documents.correct"),
    "restore": Correction(("withdrawn",), "documents.correct"),
}


async def show_document(call: Call) -> None:
    """GET /documents/{id}, as it is or as it was; `change` names the form that is open."""
    await show_with(call, OpenForm(call.text("change")))


async def print_view(call: Call) -> None:
    """GET /documents/{id}/print: its facts and its pages, one on a sheet."""
    item = (await read(call)).body
    customer = await ask(call, "GET", "/v1/customers/{id}", id=item["customer"])
    pages = pages_of(call, item, item)
    if pages is None:
        raise NotFound
    await call.record_look(
        "print",
        {"customer": await call.parts.customers.reference_of(item["customer"]), "document": UUID(item["id"])},
        sensitive=True,
    )
    render.show(call, "document_print.html", item=item, customer=customer.body, pages=pages)


async def correct_document(call: Call) -> None:
    """POST /documents/{id}/{change}: back to the page when it is done, else the page with what was typed."""
    name, fields = call.params["change"], await fields_of(call)
    if name not in CORRECTIONS or name == "content":
        raise NotFound
    kind = CORRECTIONS[name]
    if kind.named and is_searching(fields):
        await show_with(call, OpenForm(name, fields, found=await customers_found(call, fields)))
        return
    path = f"/v1/documents/{{id}}/{name}"
    await try_change(call, name, fields, change(call, path, fields, kind.body(fields), id=call.params["id"]))


async def replace_content(call: Call) -> None:
    """POST /documents/{id}/content?version=&key=: they stand in the address, for the body goes on as it comes."""
    heard, version, key = Heard(call), call.text("version") or "", call.text("key") or new_key()
    headers = {"If-Match": f'"{version}"', "Idempotency-Key": key}
    sent = ask(call, "PUT", "/v1/documents/{id}/content", headers=headers, form=aiter(heard), id=call.params["id"])
    heard.fields |= {"version": version, "key": key}
    await try_change(call, "content", heard.fields, sent)


async def try_change(call: Call, name: str, fields: Fields, change: Awaitable[Reply]) -> None:
    try:
        done = await change
    except (NotFound, Forbidden):
        raise
    except Refusal as refusal:
        await show_with(call, OpenForm(name, fields, refusal))
    else:
        render.go(call, f"/documents/{call.params['id']}", done=name, at=done.position)


async def show_with(call: Call, form: OpenForm) -> None:
    facts = await facts_of(call, at=await end_of_log(call) if form.refusal else None)
    item = facts["item"]
    offered = [] if facts["past"] else [name for name in CORRECTIONS if is_offered(call, name, item)]
    render.show(
        call,
        "document.html",
        **facts,
        **await show_change(call, "documents", item, form, offered),
        types=await types_for(call, item) if "reclassify" in offered else [],
    )


def is_offered(call: Call, name: str, item: Mapping[str, Any]) -> bool:
    """Evidence keeps its type, what was only seen has no content, and only who is linked can be unlinked."""
    kind = CORRECTIONS[name]
    needed = {
        "reclassify": item["evidence_of"] is None,
        "content": item["content_version"] > 0,
        "unlink-customer": bool(item["linked_customers"]),
    }
    return item["status"] in kind.states and needed.get(name, True) and render.may_use(call, kind.verb)


async def types_for(call: Call, item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The types of documents that take what came by this source: code and label."""
    listed = await ask_all(call, "/v1/document-types")
    fitting = [one for one in listed if one["kind"] == "document" and item["source"] in one["sources"]]
    return [(one["code"], one["label"]) for one in fitting if one["active"] and one["code"] != item["type"]]
