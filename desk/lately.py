"""Recent choices of a desk, in cookies of its browser only: the last source, the last types, the scanner.

They hold nothing about customers.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from api.call import Call

SOURCE, TYPES = "source", "lately"
TYPES_MAX = 5
YEAR_SECONDS = 366 * 86400


def source(call: Call) -> str:
    """The source chosen last; empty at a new desk."""
    found = cookie(call, SOURCE)
    return found if found in ("scan", "file", "none") else ""


def types(call: Call) -> list[str]:
    """Codes of the document types used last, latest first."""
    return [code for code in cookie(call, TYPES).split(".") if code][:TYPES_MAX]


def remember_source(call: Call, chosen: str) -> None:
    remember(call, SOURCE, chosen)


def remember_types(call: Call, codes: Iterable[str]) -> None:
    remember(call, TYPES, ".".join([*dict.fromkeys([*codes, *types(call)])][:TYPES_MAX]))


def cookie(call: Call, name: str) -> str:
    values: Any = call.req.get_cookie_values(name)
    return unquote(values[-1]) if values else ""


def remember(call: Call, name: str, value: str) -> None:
    """Sets the cookie for a year. The value is escaped, because scanner names are not always ASCII."""
    if value != cookie(call, name):
        kept = quote(value, safe="/:")
        call.resp.set_cookie(name, kept, max_age=YEAR_SECONDS, path="/", secure=False, http_only=True, same_site="Lax")
