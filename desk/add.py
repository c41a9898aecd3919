"""Upload customer document (S1): customer, source and type in any order; the page always lists what is missing.

The form's fields carry the input from page to page; the server stores none of it. Neighbours: search.py and choice.py
fill in customer and type, find.py handles the code field, file.py, scanned.py and note.py save.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from api.call import Call
from desk import lately, render, scan
from desk.checking import Check, check, existing_paper
from desk.door import LIST_PAGE, ask, ask_all
from desk.fields import fields_of, key_after
from desk.refused import ShownProblem, problem_of
from desk.saved import Done, find_done
from domain.access import Verb
from domain.refusals import NotFound, Refusal

SOURCES = ("scan", "file", "none")
PARTS = {"source": "", "customer": "", "type": ""}
BEGINNINGS = (
    (Verb.DOCUMENTS_ARCHIVE, "/add"),
    (Verb.DOCUMENTS_READ, "/customers"),
    (Verb.AUTHORIZATIONS_READ, "/work"),
    (Verb.SESSION, "/settings"),
)


class AddForm(msgspec.Struct, frozen=True, kw_only=True):
    """The entered fields, resolved. `types` are the types available for the source, `document_type` the chosen one.

    `earlier` is the customer's latest paper of this type, or of any type while none is chosen.
    """

    fields: Mapping[str, str]
    source: str
    customer: Mapping[str, Any] | None
    types: list[dict[str, Any]]
    document_type: Mapping[str, Any] | None
    check: Check
    earlier: Mapping[str, Any] | None


async def home(call: Call) -> None:
    """GET /: redirects a deep link of a library system to the customer, other readers to their first page."""
    if customer := call.text("customer"):
        render.go(call, f"/customers/{quote(customer, safe='')}")
    elif card := call.text("card"):
        render.go(call, "/find", code=card)
    else:
        render.go(call, next(path for verb, path in BEGINNINGS if render.may_use(call, verb)))


async def show(call: Call) -> None:
    """GET /add: the query may preset source, customer, type and scan code, and names what has just been saved."""
    await show_with(call, texts(call), done=await find_done(call))


async def show_again(call: Call) -> None:
    """POST /add: shows the page again for the entered fields."""
    await show_with(call, await fields_of(call))


def texts(call: Call) -> dict[str, str]:
    """The query parameters as form fields; the last of several values wins."""
    params = call.req.params.items()
    return {name: value[-1] if isinstance(value, list) else value for name, value in params}


async def show_with(
    call: Call,
    fields: Mapping[str, str],
    *,
    refusal: Refusal | None = None,
    problem: ShownProblem | None = None,
    done: Done | None = None,
    looked_up: str = "",
) -> None:
    """Shows the page with these fields.

    `refusal` is the answer to a save, `problem` any other problem, `looked_up` a code that matched nothing. After a
    refusal the page checks a checked code again, because the new page needs its own answer of Check.
    """
    if refusal is not None and fields.get("check_token"):
        fields = {**fields, "check": "again"}
    entry = await entry_of(call, fields)
    scanners = await scanners_of(call, entry.source)
    if entry.source:
        lately.remember_source(call, entry.source)
    pane = await scan.pane(call, entry.fields, scanners) if entry.source == "scan" else None
    shown = problem_of(call, refusal) if refusal else problem
    render.show(
        call,
        "add.html",
        status=shown.status if shown else 200,
        entry=entry,
        fields=entry.fields,
        problem=shown,
        existing=await existing_paper(call, shown.extra) if shown else None,
        done=done,
        looked_up=looked_up,
        scanners=scanners,
        elsewhere=[] if scanners else await scanners_elsewhere(call),
        scan=pane,
        unfinished=await scan.unfinished_scans(call) if pane and not pane.session else [],
        key=key_after(refusal, call.text("key") or fields.get("key")),
    )


async def entry_of(call: Call, fields: Mapping[str, str]) -> AddForm:
    checked = await check(call, fields)
    fields = {**PARTS, **checked.fields}
    source = fields["source"] if fields["source"] in SOURCES else lately.source(call)
    customer = await customer_of(call, fields["customer"])
    types = await types_for(call, source, fields.get("why"))
    document_type = next((one for one in types if one["code"] == fields["type"]), None)
    return AddForm(
        fields={**fields, "source": source, "customer": customer["id"] if customer else ""},
        source=source,
        customer=customer,
        types=types,
        document_type=document_type,
        check=checked,
        earlier=await earlier_of(call, customer, document_type),
    )


async def customer_of(call: Call, customer: str) -> Mapping[str, Any] | None:
    """The customer from the register; None for an unknown id."""
    try:
        return (await ask(call, "GET", "/v1/customers/{id}", id=customer)).body if customer else None
    except NotFound:
        return None


async def types_for(call: Call, source: str, why: str | None = None) -> list[dict[str, Any]]:
    """The active types for this source ("Make a choice…"); for No upload, those that fit the reason `why`."""
    listed = await ask_all(call, "/v1/document-types")
    available = [one for one in listed if one["active"] and (not source or source in one["sources"])]
    if source == "none":
        return [one for one in available if fits_reason(one, why)]
    return available


def fits_reason(document_type: Mapping[str, Any], why: str | None) -> bool:
    """I3: No upload records an authorization whose original is kept, or a paper that was only seen."""
    if document_type["verify_only"]:
        return why != "kept"
    return document_type["kind"] != "document" and why != "seen"


async def earlier_of(
    call: Call, customer: Mapping[str, Any] | None, document_type: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if customer is None:
        return None
    query = {"type": document_type["code"] if document_type else None, "limit": 1}
    found = await ask(call, "GET", "/v1/customers/{id}/documents", query=query, id=customer["id"])
    return next(iter(found.body["items"]), None)


async def scanners_of(call: Call, source: str) -> list[dict[str, Any]]:
    """The scanners; none for a reader without the right, except on Scan page, where the API refuses."""
    if source != "scan" and not render.may_use(call, "scanners.read"):
        return []
    return await ask_all(call, "/v1/scanners")


async def scanners_elsewhere(call: Call) -> list[dict[str, Any]]:
    """The scanners of other branches, which the page names where this branch has none."""
    if not render.may_use(call, "scanners.read"):
        return []
    found = await ask(call, "GET", "/v1/scanners", query={"elsewhere": "true", "limit": LIST_PAGE})
    return list(found.body["items"])
