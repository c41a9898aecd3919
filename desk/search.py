"""Search customer (S5): a page without scripts, a dialog with them. It carries the fields of Add along."""

from collections.abc import Mapping

from api.call import Call
from desk import render
from desk.add import texts
from desk.door import ask
from desk.fields import fields_of
from domain.customer import fold_text

FOUND_MAX = 20
OWN = ("q", "customer", "check")


async def show_search(call: Call) -> None:
    """GET /search?q=."""
    await show_with(call, texts(call))


async def search(call: Call) -> None:
    """POST /search: with the fields of the page that opened it."""
    await show_with(call, await fields_of(call))


async def show_with(call: Call, fields: Mapping[str, str]) -> None:
    query = fields.get("q", "").strip()
    found = await ask(call, "GET", "/v1/customers", query={"q": query, "limit": FOUND_MAX}) if query else None
    items = found.body["items"] if found else None
    render.show(
        call,
        "search.html",
        q=query,
        found=[{**one, "words": mark_words(one["name"], query)} for one in items] if items is not None else None,
        namesakes=len(items or []) > len({one["name"] for one in items or []}),
        most=FOUND_MAX,
        kept=without(fields, *OWN),
        leads_to="/add" if fields.get("type") else "/choice",
    )


def without(fields: Mapping[str, str], *names: str) -> dict[str, str]:
    """The fields that are not empty, except the named ones."""
    return {name: value for name, value in fields.items() if value and name not in names}


def mark_words(name: str, query: str) -> list[tuple[str, str]]:
    """Splits each word of a name into the part that the query matched and the rest."""
    wanted = fold_text(query).split()
    return [split_word(word, wanted) for word in name.split()]


def split_word(word: str, wanted: list[str]) -> tuple[str, str]:
    folded = fold_text(word)
    length = max((len(one) for one in wanted if folded.startswith(one)), default=0)
    length = length if len(folded) == len(word) or not length else len(word)
    return word[:length], word[length:]
