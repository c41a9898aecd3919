"""Sign in (S13), sign out, a new password. Works without scripts; what a session is, api/own_session.py knows."""

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
# A path of this host, which neither //elsewhere nor /\elsewhere is, and no way round in a circle.
LOCAL = re.compile(r"/(?![/\\]|sign-(?:in|out)\b)[^\x00-\x1f\x7f]*")
SECRETS = ("password", "old", "new", "again")


async def show_sign_in(call: Call) -> None:
    """GET /sign-in?next=: who is signed in goes on at once."""
    following = local(call.text("next"))
    if await session_of(call.req, call.parts) is not None:
        go(call, following)
    else:
        show_sign_in_form(call, following=following)


async def sign_in(call: Call) -> None:
    """POST /sign-in: on to where one wanted to be, by way of a password of one's own where one is due."""
    require_own_page(call.req)
    fields = await fields_of(call, as_typed=SECRETS)
    following, name = local(fields.get("next")), fields.get("user", "")
    try:
        signed = await own_session.come_in(call, name, fields.get("password", ""))
    except Refusal as refusal:
        return show_sign_in_form(call, following=following, user_name=name, refusal=refusal)
    if signed.session.must_change:
        return go(call, "/password", next=following)
    return go(call, following)


async def show_password(call: Call) -> None:
    """GET /password?next=."""
    show_password_form(call, following=local(call.text("next")))


async def change_password(call: Call) -> None:
    """POST /password."""
    fields = await fields_of(call, as_typed=SECRETS)
    following, due = local(fields.get("next")), own_session.require_session(call).must_change
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
    """The old one is not asked of who has just come in by it."""
    if fields.get("new") != fields.get("again"):
        raise FieldError("/again", N_("is not the same as above"))
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


def local(path: str | None) -> str:
    """Where somebody wanted to be, if that is a page of ours: another page may have written the link."""
    return path if path and LOCAL.fullmatch(path) else HOME
