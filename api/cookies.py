"""The cookie of a session: for no script, this host alone, over HTTPS for HTTPS alone. api/own_session.py gives it."""

from typing import Any

COOKIE = "dossier_session"
COOKIE_CHARACTERS_MAX = 100


def cookie_of(req: Any) -> str | None:
    """The one that is there: of two, one may be what another host of the domain has set."""
    found = req.get_cookie_values(COOKIE) or []
    return found[0] if len(found) == 1 and len(found[0]) <= COOKIE_CHARACTERS_MAX else None


def give(req: Any, resp: Any, value: str) -> None:
    resp.set_cookie(COOKIE, value, path="/", http_only=True, same_site="Lax", secure=req.scheme == "https")


def take(resp: Any) -> None:
    resp.unset_cookie(COOKIE, path="/", same_site="Lax")
