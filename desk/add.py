"""Upload customer document (S1): customer, source and type in any order, and what is missing said all the time.

What has been entered travels as the fields of the form from page to page, so that nothing of it is kept here.
Neighbours: search.py and choice.py fill in customer and type, find.py the code field; file.py and note.py save.
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
    """What the page shows of the fields. `types` are those that the source takes, `kind` the chosen one of them;
    `earlier` is the customer's last paper of this type, or of any while none is chosen."""

    fields: Mapping[str, str]
    source: str
    customer: Mapping[str, Any] | None
    types: list[dict[str, Any]]
    kind: Mapping[str, Any] | None
    check: Check
    earlier: Mapping[str, Any] | None


async def home(call: Call) -> None:
    """GET /: deep links of a library system name a card or a customer, all others begin with what their role is for."""
    if customer := call.text("customer"):
        render.go(call, f"/customers/{quote(customer, safe='')}")
    elif card := call.text("card"):
        render.go(call, "/find", code=card)
    else:
        render.go(call, next(path for verb, path in BEGINNINGS if render.may_use(call, verb)))


async def show(call: Call) -> None:
    """GET /add: a link can name source, customer, type and scan code; what was done is named by what it made."""
    await show_with(call, texts(call), done=await find_done(call))


async def show_again(call: Call) -> None:
    """POST /add: the page with what has been entered, and what it now says of it."""
    await show_with(call, await fields_of(call))


def texts(call: Call) -> dict[str, str]:
    """The query as if it were a form: of what stands there several times the last counts."""
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
    """The page with these fields. `refusal` is of the save that they were sent for, `problem` is what else went wrong,
    `looked_up` a code that nobody has.

    A code that was checked is checked again where the page replaces the one that showed it.
    """
    if refusal is not None and fields.get("check_token"):
        fields = {**fields, "check": "again"}
    entry = await entry_of(call, fields)
    scanners = await scanners_of(call, entry.source)
    if entry.source:
        lately.remember_source(call, entry.source)
    pane = await scan.pane(call, entry.fields, scanners) if entry.source == "scan" else None
    told = problem_of(call, refusal) if refusal else problem
    render.show(
        call,
        "add.html",
        status=told.status if told else 200,
        entry=entry,
        fields=entry.fields,
        problem=told,
        existing=await existing_paper(call, told.extra) if told else None,
        done=done,
        looked_up=looked_up,
        scanners=scanners,
        elsewhere=[] if scanners else await scanners_elsewhere(call),
        scan=pane,
        unfinished=await scan.unfinished(call) if pane and not pane.session else [],
        key=key_after(refusal, call.text("key") or fields.get("key")),
    )


async def entry_of(call: Call, fields: Mapping[str, str]) -> AddForm:
    checked = await check(call, fields)
    fields = {**PARTS, **checked.fields}
    source = fields["source"] if fields["source"] in SOURCES else lately.source(call)
    customer = await customer_of(call, fields["customer"])
    types = await types_for(call, source, fields.get("why"))
    kind = next((one for one in types if one["code"] == fields["type"]), None)
    return AddForm(
        fields={**fields, "source": source, "customer": customer["id"] if customer else ""},
        source=source,
        customer=customer,
        types=types,
        kind=kind,
        check=checked,
        earlier=await earlier_of(call, customer, kind),
    )


async def customer_of(call: Call, customer: str) -> Mapping[str, Any] | None:
    """One who is not in the register is not chosen."""
    try:
        return (await ask(call, "GET", "/v1/customers/{id}", id=customer)).body if customer else None
    except NotFound:
        return None


async def types_for(call: Call, source: str, why: str | None = None) -> list[dict[str, Any]]:
    """The types of "Make a choice…" that this source takes; without a file, those that fit the reason for it."""
    listed = await ask_all(call, "/v1/document-types")
    taken = [one for one in listed if one["active"] and (not source or source in one["sources"])]
    if source == "none":
        return [one for one in taken if fits(one, why)]
    return taken


def fits(kind: Mapping[str, Any], why: str | None) -> bool:
    """I3: without a file there is an authorization whose original is held, or a paper that was only seen."""
    if kind["verify_only"]:
        return why != "kept"
    return kind["kind"] != "document" and why != "seen"


async def earlier_of(
    call: Call, customer: Mapping[str, Any] | None, kind: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if customer is None:
        return None
    query = {"type": kind["code"] if kind else None, "limit": 1}
    found = await ask(call, "GET", "/v1/customers/{id}/documents", query=query, id=customer["id"])
    return next(iter(found.body["items"]), None)


async def scanners_of(call: Call, source: str) -> list[dict[str, Any]]:
    """None for who may not see them, unless they are what the page is about: then it is refused."""
    if source != "scan" and not render.may_use(call, "scanners.read"):
        return []
    return await ask_all(call, "/v1/scanners")


async def scanners_elsewhere(call: Call) -> list[dict[str, Any]]:
    """Those of other branches: with none at one's own, the page tells where they are."""
    if not render.may_use(call, "scanners.read"):
        return []
    found = await ask(call, "GET", "/v1/scanners", query={"elsewhere": "true", "limit": LIST_PAGE})
    return list(found.body["items"])
