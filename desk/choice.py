"""Make a choice… (S6): the document types available for the source, recently used ones first."""

from collections.abc import Mapping
from typing import Any

from api.call import Call
from desk import lately, render
from desk.add import texts, types_for
from desk.fields import fields_of
from desk.search import without

OWN = ("type", "q", "check")


async def show(call: Call) -> None:
    """GET /choice?source=."""
    await show_with(call, texts(call))


async def choose(call: Call) -> None:
    """POST /choice: with the fields of the page that opened it."""
    await show_with(call, await fields_of(call))


async def show_with(call: Call, fields: Mapping[str, str]) -> None:
    source = fields.get("source", "")
    types = await types_for(call, source, fields.get("why"))
    used = [one for code in lately.types(call) for one in types if one["code"] == code]
    others = [one for one in types if one not in used]
    render.show(
        call,
        "choice.html",
        lately=used,
        documents=sorted((one for one in others if one["kind"] == "document"), key=is_verified_only),
        authorizations=[one for one in others if one["kind"] != "document"],
        chosen=preset(fields.get("type"), used, types),
        source=source,
        kept=without(fields, *OWN),
    )


def is_verified_only(document_type: Mapping[str, Any]) -> bool:
    """Sort key: types that are only verified come last, because they are seldom chosen."""
    return bool(document_type["verify_only"])


def preset(chosen: str | None, used: list[dict[str, Any]], types: list[dict[str, Any]]) -> str | None:
    """The code to preselect, so that Enter is enough: the chosen type, the only one, or the last one used."""
    if chosen:
        return chosen
    first = types if len(types) == 1 else used
    return first[0]["code"] if first else None
