"""Sign in (S13), sign out, set a password. Works without scripts. Neighbour: api/own_session.py keeps the sessions."""

import re
from collections.abc import Mapping

from api import own_session
from api.admission import session_of
from api.call import Call
from desk.fields import fields_of
from desk.refused import problem_of
from desk.render import go, show
from domain.refusals import N_, FieldError, Refusal, ValidationFailed
from web.origin import require_own_page
from web.problems import headers_of
from web.statuses import status_of

HOME = "/"
# A path on this host: //host and /\host lead elsewhere, and the sign-in pages would lead in a circle.
LOCAL = re.compile(r"/(?![/\\]|sign-(?:in|out)\b)[^\x00-\x1f\x7f]*")
SECRETS = ("password", "old", "new", "again")


async def show_sign_in(call: Call) -> None:
    """GET /sign-in?next=: redirects a reader who is already signed in."""
    following = local_path(call.text("next"))
    if await session_of(call.req, call.parts) is not None:
        go(call, following)
    else:
        show_sign_in_form(call, following=following)


async def sign_in(call: Call) -> None:
    """POST /sign-in: redirects to `next`, or first to the password page after a one-time password."""
    require_own_page(call.req)
    fields = await fields_of(call, as_typed=SECRETS)
    following, name = local_path(fields.get("next")), fields.get("user", "")
    try:
        signed = await own_session.come_in(call, name, fields.get("password", ""))
    except Refusal as refusal:
        return show_sign_in_form(call, following=following, user_name=name, refusal=refusal)
    if signed.session.must_change:
        return go(call, "/password", next=following)
    return go(call, following)


async def show_password(call: Call) -> None:
    """GET /password?next=."""
    show_password_form(call, following=local_path(call.text("next")))


async def change_password(call: Call) -> None:
    """POST /password."""
    fields = await fields_of(call, as_typed=SECRETS)
    following, due = local_path(fields.get("next")), own_session.require_session(call).must_change
    try:
        await new_password(call, fields, due=due)
    except (Refusal, FieldError) as wrong:
        refusal = ValidationFailed(wrong) if isinstance(wrong, FieldError) else wrong
        call.resp.set_headers(headers_of(refusal))
        return show_password_form(call, following=following, refusal=refusal)
    if due:
        return go(call, following)
    return show_password_form(call, following=following, changed=True)


async def new_password(call: Call, fields: Mapping[str, str], *, due: bool) -> None:
    """Sets the password. The old one is not asked for while it is `due` for a change, at the first sign-in."""
    if fields.get("new") != fields.get("again"):
        raise FieldError("again", N_("must match the password above"))
    await own_session.new_password(call, None if due else fields.get("old", ""), fields.get("new", ""))


async def sign_out(call: Call) -> None:
    """POST /sign-out."""
    await own_session.go_out(call)
    go(call, "/sign-in")


def show_sign_in_form(call: Call, *, following: str, user_name: str = "", refusal: Refusal | None = None) -> None:
    if refusal is not None:
        call.resp.set_headers(headers_of(refusal))
    show(
        call,
        "sign_in.html",
        status=status_of(refusal) if refusal else 200,
        next=following,
        user_name=user_name,
        elsewhere=call.parts.identity_provider is not None,
        problem=problem_of(call, refusal) if refusal else None,
    )


def show_password_form(call: Call, *, following: str, refusal: Refusal | None = None, changed: bool = False) -> None:
    due = own_session.require_session(call).must_change and not changed
    problem = problem_of(call, refusal) if refusal else None
    status = status_of(refusal) if refusal else 200
    show(call, "password.html", status=status, next=following, due=due, changed=changed, problem=problem)


def local_path(path: str | None) -> str:
    """`path` if it is a page of this host, else the home page: the link may come from a foreign page."""
    return path if path and LOCAL.fullmatch(path) else HOME
