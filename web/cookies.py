"""The cookie of a session: for no script, this host alone, over HTTPS for HTTPS alone. api/own_session.py gives it.

Over HTTPS its name begins with `__Host-`, which browsers take from nobody but this host itself: another host of the
domain cannot set a second one. Below a sub-path it is `__Secure-`, for `__Host-` demands the path `/`.
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
    """The one that is there: of two, one may be what another host of the domain has set."""
    found = req.get_cookie_values(name_of(req)) or []
    return found[0] if len(found) == 1 and len(found[0]) <= COOKIE_CHARACTERS_MAX else None


def set_cookie(req: Any, resp: Any, value: str) -> None:
    _set(req, resp, value)


def expire_cookie(req: Any, resp: Any) -> None:
    """An empty one that has expired. It says `Secure` as the one before: without it browsers refuse these names."""
    _set(req, resp, "", expires=LONG_AGO)


def _set(req: Any, resp: Any, value: str, **more: Any) -> None:
    secure = req.scheme == "https"
    resp.set_cookie(name_of(req), value, path="/", http_only=True, same_site="Lax", secure=secure, **more)
