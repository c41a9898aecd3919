"""The page of one document (S9): its pages, its details, and each correction (G1 to G6) with a reason.

A correction is sent with the version the page was rendered from; after a conflict the page shows both the other change
and the typed text. facts.py reads the details. Neighbour: authorization.py.
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
    reply_or_refusal,
    show_change,
    to_customer,
)
from desk.door import Reply, ask, ask_all
from desk.facts import facts_of, pages_of, read_document
from desk.fields import change, fields_of, new_key
from desk.file import StreamedForm
from domain.refusals import NotFound, Refusal


def new_type(fields: Fields) -> dict[str, Any]:
    return {**only_reason(fields), "type": fields.get("type", "")}


def description(fields: Fields) -> dict[str, Any]:
    texts = {name: fields.get(name) or None for name in ("title", "note")}
    day = {"received_on": fields["received_on"]} if fields.get("received_on") else {}
    return {**only_reason(fields), **texts, **day}


class Correction(NamedTuple):
    """One correction: the states that offer it, the verb it needs, the builder of its body.

    `needs_customer`: the form searches for another customer first.
    """

    states: tuple[str, ...]
    verb: str
    body: Callable[[Fields], dict[str, Any]] = only_reason
    needs_customer: bool = False


EVER = ("archived", "withdrawn")
CORRECTIONS = {
    "reclassify": Correction(("archived",), "documents.correct", new_type),
    "describe": Correction(("archived",), "documents.correct", description),
    "reassign": Correction(EVER, "documents.move", to_customer, needs_customer=True),
    "link-customer": Correction(EVER, "documents.move", to_customer, needs_customer=True),
    "unlink-customer": Correction(EVER, "documents.move", to_customer),
    "content": Correction(("archived",), "documents.move"),
    "withdraw": Correction(("archived",), "documents.correct"),
    "restore": Correction(("withdrawn",), "documents.correct"),
}


async def show_document(call: Call) -> None:
    """GET /documents/{id}: now or as of a moment; `change` names the form that is open."""
    await show_with(call, OpenForm(call.text("change")))


async def print_view(call: Call) -> None:
    """GET /documents/{id}/print: its details, then each page on a sheet of its own."""
    item = (await read_document(call)).body
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
    """POST /documents/{id}/{change}: redirects to the page, or shows it with the refusal and the typed fields."""
    name, fields = call.params["change"], await fields_of(call)
    if name not in CORRECTIONS or name == "content":
        raise NotFound
    kind = CORRECTIONS[name]
    if kind.needs_customer and is_searching(fields):
        await show_with(call, OpenForm(name, fields, found=await customers_found(call, fields)))
        return
    path = f"/v1/documents/{{id}}/{name}"
    await try_change(call, name, fields, change(call, path, fields, kind.body(fields), id=call.params["id"]))


async def replace_content(call: Call) -> None:
    """POST /documents/{id}/content?version=&key=: both are in the address, because the body is streamed to the API."""
    upload, version, key = StreamedForm(call), call.text("version") or "", call.text("key") or new_key()
    headers = {"If-Match": f'"{version}"', "Idempotency-Key": key}
    sent = ask(call, "PUT", "/v1/documents/{id}/content", headers=headers, form=aiter(upload), id=call.params["id"])
    upload.fields |= {"version": version, "key": key}
    await try_change(call, "content", upload.fields, sent)


async def try_change(call: Call, name: str, fields: Fields, change: Awaitable[Reply]) -> None:
    reply = await reply_or_refusal(change)
    if isinstance(reply, Refusal):
        await show_with(call, OpenForm(name, fields, reply))
    else:
        render.go(call, f"/documents/{call.params['id']}", done=name, at=reply.position)


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
    """True if the page offers the correction. Evidence keeps its type, a paper only seen has no content to replace, and
    a document without a second customer has nobody to unlink."""
    kind = CORRECTIONS[name]
    needed = {
        "reclassify": item["evidence_of"] is None,
        "content": item["content_version"] > 0,
        "unlink-customer": bool(item["linked_customers"]),
    }
    return item["status"] in kind.states and needed.get(name, True) and render.may_use(call, kind.verb)


async def types_for(call: Call, item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Code and label of the document types that accept this document's source."""
    listed = await ask_all(call, "/v1/document-types")
    fitting = [one for one in listed if one["kind"] == "document" and item["source"] in one["sources"]]
    return [(one["code"], one["label"]) for one in fitting if one["active"] and one["code"] != item["type"]]
