"""The code field on every page: looks up a card number, a customer number or a scan code.

It never saves, because a barcode scanner presses Enter by itself. On Add it fills in the page's fields.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from api.call import Call
from desk import add, render
from desk.checking import existing_paper
from desk.door import ask
from desk.fields import fields_of
from desk.refused import ShownProblem, problem_of
from desk.search import show_with as show_search
from desk.search import without
from domain.customer import card_code
from domain.refusals import N_, Refusal, ScanCodeMalformed, ScanCodeUnknown
from domain.scan_code import SYMBOLOGY, is_well_formed
from web.problems import catalog

CHARACTERS_MAX = 200
EXACT_AMONG = 20
OURS = re.compile(r"[A-Z]{2}[0-9OIL]{8,20}", re.IGNORECASE)
OWN = ("code", "at", "check")
UNKNOWN = N_("No customer or authorization has this code.")
FITS_SEVERAL = N_("This code matches {count} customers. Choose one.")


class FoundCustomers(msgspec.Struct, frozen=True, kw_only=True):
    """The matches of a code: `customers` with exactly this card or number, `form` the answer of Check for a scan code.

    `refusal` says why the form can no longer be used, or that the code is mistyped.
    """

    customers: list[dict[str, Any]]
    form: Mapping[str, Any] | None = None
    refusal: Refusal | None = None


async def show_find(call: Call) -> None:
    """GET /find?code=."""
    await find(call, add.texts(call))


async def search(call: Call) -> None:
    """POST /find: with the fields of Add."""
    await find(call, await fields_of(call))


async def find(call: Call, fields: Mapping[str, str]) -> None:
    code = clean_code(fields.get("code", ""))
    adding = fields.get("at") == "add"
    if not code:
        await (add.show_with(call, without(fields, *OWN)) if adding else go_to_customers(call))
    elif is_name(code):
        await (show_search(call, {**without(fields, *OWN), "q": code}) if adding else go_to_customers(call, code))
    else:
        found = await look_up(call, code)
        await (choose_on_add(call, fields, code, found) if adding else go_to_match(call, code, found))


def clean_code(text: str) -> str:
    """The code without what a barcode scanner adds: control characters, the symbology prefix, blanks at the ends."""
    printable = "".join(sign for sign in text[:CHARACTERS_MAX] if sign.isprintable())
    return SYMBOLOGY.sub("", printable).strip()


def is_name(code: str) -> bool:
    return not any(sign.isdigit() for sign in code)


async def go_to_customers(call: Call, query: str | None = None) -> None:
    render.go(call, "/customers", q=query)


# -- look-up ------------------------------------------------------------------------------------------------------


async def look_up(call: Call, code: str) -> FoundCustomers:
    """The customers and the form of a code. Check is called if the check digits are right or no customer matches."""
    listed = await ask(call, "GET", "/v1/customers", query={"q": code, "limit": EXACT_AMONG})
    customers = [one for one in listed.body["items"] if is_exactly(one, code)]
    may_check = render.may_use(call, "scan-codes.check")
    if not may_check or (customers and not is_well_formed(code, ())):
        return FoundCustomers(customers=customers)
    try:
        form = (await ask(call, "GET", "/v1/scan-codes/{code}", code=code)).body
    except ScanCodeUnknown:
        return FoundCustomers(customers=customers)
    except ScanCodeMalformed as refusal:
        return FoundCustomers(customers=customers, refusal=refusal if looks_like_ours(code) else None)
    except Refusal as refusal:
        return FoundCustomers(customers=customers, refusal=refusal)
    return FoundCustomers(customers=[one for one in customers if one["id"] != form["customer"]["id"]], form=form)


def is_exactly(customer: Mapping[str, Any], code: str) -> bool:
    return customer["id"] == code or card_code(code) in map(card_code, customer["card_numbers"])


def looks_like_ours(code: str) -> bool:
    return OURS.fullmatch(card_code(code)) is not None


# -- on Add -------------------------------------------------------------------------------------------------------


async def choose_on_add(call: Call, fields: Mapping[str, str], code: str, found: FoundCustomers) -> None:
    entered = without(fields, *OWN)
    if len(found.customers) + (found.form is not None) > 1:
        show_several(call, code, found, kept=entered)
    elif found.form or (found.refusal and not found.customers):
        await add.show_with(call, {**entered, "scan_code": code, "check": "found"})
    elif found.customers:
        await add.show_with(call, {**entered, "customer": found.customers[0]["id"]})
    else:
        await add.show_with(call, entered, problem=unknown_code(call), looked_up=code)


def show_several(call: Call, code: str, found: FoundCustomers, *, kept: Mapping[str, str] | None) -> None:
    """Lists several matches. `kept` are the fields to carry to Add; with None each match links to the customer."""
    count = len(found.customers) + (found.form is not None)
    sentence = catalog(call.language)(FITS_SEVERAL).format(count=count)
    render.show(call, "find.html", code=code, found=found, kept=kept, sentence=sentence, problem=None)


def unknown_code(call: Call) -> ShownProblem:
    sentence = catalog(call.language)(UNKNOWN)
    return ShownProblem(slug="code.unknown", status=404, title=sentence, detail="", errors=(), extra={})


# -- on other pages -----------------------------------------------------------------------------------------------


async def go_to_match(call: Call, code: str, found: FoundCustomers) -> None:
    """Redirects to the customer's documents; for a used form, to the customer of the paper that used it."""
    people = [one["id"] for one in found.customers] + ([found.form["customer"]["id"]] if found.form else [])
    if not people and found.refusal and (paper := await existing_paper(call, found.refusal.extra)):
        people = [paper["customer"]]
    if len(people) == 1:
        render.go(call, f"/customers/{quote(people[0], safe='')}")
    elif people:
        show_several(call, code, found, kept=None)
    else:
        problem = problem_of(call, found.refusal) if found.refusal else unknown_code(call)
        render.show(call, "find.html", status=problem.status, code=code, found=found, kept=None, problem=problem)
