"""Authenticates a request, a program by its token and a user by the session cookie, and checks the verb of its route.

After that, handlers query with the caller's rights and find only what exists for it.
"""

import re
from typing import Any
from urllib.parse import unquote

from api.call import Call
from api.parts import Parts, SignInSession
from domain.access import Principal, Verb, require_verb
from domain.refusals import PasswordMustBeChanged, Unauthenticated
from web.cookies import cookie_of
from web.origin import require_own_page
from web.route import Route

BEARER = re.compile(r"Bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)


async def admit_call(route: Route, req: Any, resp: Any, parts: Parts, params: dict[str, str]) -> Call:
    """The call of a request. Raises Unauthenticated, Forbidden, ForeignPage, PasswordMustBeChanged."""
    if route.verb is Verb.PUBLIC:
        return Call(req, resp, parts, None, {}, params)
    principal, session = await caller_of(route, req, parts)
    if session is not None and session.must_change and route.verb is not Verb.SESSION:
        raise PasswordMustBeChanged
    call = req.context.call = Call(req, resp, parts, principal, {}, params, session)  # a page about a refusal needs it
    require_verb(principal, route.verb)
    req.scope["state"]["asker"] = call.asker
    await call.know_types()
    return call


async def caller_of(route: Route, req: Any, parts: Parts) -> tuple[Principal, SignInSession | None]:
    """The caller: the token's if there is a token, even beside a cookie; else the session's."""
    authorization = req.get_header("Authorization")
    if authorization is not None:
        found = BEARER.fullmatch(authorization.strip())
        principal = await parts.catalogue.principal(found[1]) if found else None
        if principal is None:
            raise Unauthenticated
        return principal, None
    session = await session_of(req, parts, passive=route.passive)
    if session is None:
        raise Unauthenticated
    return session.principal, session


async def session_of(req: Any, parts: Parts, *, passive: bool = False) -> SignInSession | None:
    """The session of the cookie, None without one. Raises ForeignPage.

    A page names the user it was made for in Archive-User: a page that one user left open must not act as the user who
    signed in after.
    """
    cookie = cookie_of(req)
    if cookie is None:
        return None
    require_own_page(req)
    session = await parts.sessions.session(cookie, passive=passive)
    meant = req.get_header("Archive-User")
    return session if session and (meant is None or unquote(meant) == session.principal.name) else None
