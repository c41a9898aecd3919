"""Reads and sets the cookie of a sign-in session; api/own_session.py uses it.

Scripts cannot read it, it is sent to this host only and, if it was set over HTTPS, over HTTPS only. Over HTTPS its name
begins with `__Host-`: browsers accept such a name only from the host itself, so another host of the domain cannot set a
second cookie. Below a sub-path the prefix is `__Secure-`, because `__Host-` requires the path `/`.
"""

from datetime import UTC, datetime
from typing import Any

from web.subpath import base_of

COOKIE = "dossier_session"
COOKIE_CHARACTERS_MAX = 100
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


def name_of(req: Any) -> str:
    if req.scheme != "https":
        return COOKIE
    return f"__Secure-{COOKIE}" if base_of(req.scope) else f"__Host-{COOKIE}"


def cookie_of(req: Any) -> str | None:
    """The cookie's value. None if there are two, because another host of the domain may have set one of them."""
    found = req.get_cookie_values(name_of(req)) or []
    return found[0] if len(found) == 1 and len(found[0]) <= COOKIE_CHARACTERS_MAX else None


def set_cookie(req: Any, resp: Any, value: str) -> None:
    _set(req, resp, value)


def expire_cookie(req: Any, resp: Any) -> None:
    """Deletes the cookie by an empty one that has expired. It is `Secure` as well: else browsers refuse the name."""
    _set(req, resp, "", expires=LONG_AGO)


def _set(req: Any, resp: Any, value: str, **more: Any) -> None:
    secure = req.scheme == "https"
    resp.set_cookie(name_of(req), value, path="/", http_only=True, same_site="Lax", secure=secure, **more)
