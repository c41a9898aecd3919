"""Signs users in and out, shows the caller's own session, saves its choices and changes passwords."""

from typing import Annotated, Any, Literal

import msgspec

from api.call import Call
from api.parts import Person, Signed, SignInSession
from domain.moment import Moment, format_moment
from domain.refusals import N_, FieldError, Forbidden, IdentityUnknown, SignInFailed
from domain.values import parse_branch_code
from web.cookies import cookie_of, expire_cookie, set_cookie
from web.origin import address_of, require_no_other_page

# Any text: domain/users.py has the rules for passwords. The limit is more than people type; normalizing much longer
# text takes minutes, because the time grows with the square of the length.
SECRET_CHARACTERS_MAX = 1000
Secret = Annotated[str, msgspec.Meta(max_length=SECRET_CHARACTERS_MAX)]


class SignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """User name and password."""

    user: Secret
    password: Secret


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new password."""

    new: Secret
    old: Secret | None = None


class ChoiceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Preferences: the branch for this session, the rest for the user. A field that is left out stays unchanged."""

    branch: str | None = None
    language: Literal["en", "nl", "de"] | None = None
    keys_off: bool | None = None


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The caller."""

    user: str
    role: str
    branch: str
    language: str | None = None
    keys_off: bool = False
    must_change_password: bool = False
    ends_at: Moment | None = None


async def sign_in(call: Call) -> None:
    """POST /session."""
    body = await call.body(SignInBody)
    signed = await come_in(call, body.user, body.password)
    call.answer(answer(call, signed.session), status=201)


async def show_session(call: Call) -> None:
    """GET /session: the caller, its branch and the end of the session. A token has no session and no end."""
    call.answer(answer(call, call.session))


async def choose_settings(call: Call) -> None:
    """PUT /session: saves the given preferences and extends the session."""
    require_session(call)
    body = await call.body(ChoiceBody)
    branch = parse_branch_code(body.branch) if body.branch else None
    await save_choices(call, branch=branch, language=body.language, keys_off=body.keys_off)
    call.answer(answer(call, await session_after_choice(call)))


async def change_password(call: Call) -> None:
    """PUT /session/password: changes the password, ends every session of the user and begins a new one."""
    require_session(call)
    body = await call.body(PasswordBody)
    signed = await new_password(call, body.old, body.new)
    call.answer(answer(call, signed.session))


async def sign_out(call: Call) -> None:
    """DELETE /session."""
    require_session(call)
    await go_out(call)
    call.resp.status = 204


# -- used by the pages too --------------------------------------------------------------------------------------------


async def come_in(call: Call, user: str, password: str) -> Signed:
    """Begins a session and sets its cookie. The session of the browser's old cookie ends, because another person may
    have set that cookie (session fixation). Raises SignInFailed, TooManyRequests, ForeignPage."""
    require_no_other_page(call.req)
    if max(len(user), len(password)) > SECRET_CHARACTERS_MAX:
        raise SignInFailed
    signed = await call.parts.sessions.sign_in(user, password, address=client_address(call), trace_id=call.trace_id)
    if signed is None:
        raise SignInFailed
    return await replace_cookie(call, signed)


async def come_in_as(call: Call, person: Person) -> Signed:
    """As come_in(), for a person whom the library's identity provider has signed in. Raises IdentityUnknown."""
    signed = await call.parts.sessions.sign_in_as(person, trace_id=call.trace_id)
    if signed is None:
        raise IdentityUnknown
    return await replace_cookie(call, signed)


async def replace_cookie(call: Call, signed: Signed) -> Signed:
    if before := cookie_of(call.req):
        await call.parts.sessions.sign_out(before)
    set_cookie(call.req, call.resp, signed.cookie)
    return signed


async def new_password(call: Call, old: str | None, new: str) -> Signed:
    """Changes the password and sets the cookie of a new session. Raises FieldError (/old, /new), TooManyRequests."""
    for name, typed in (("old", old or ""), ("new", new)):
        if len(typed) > SECRET_CHARACTERS_MAX:
            raise FieldError(name, N_("must have at most {limit} characters"), limit=SECRET_CHARACTERS_MAX)
    signed = await call.parts.sessions.change_password(
        require_session(call), old, new, address=client_address(call), trace_id=call.trace_id
    )
    set_cookie(call.req, call.resp, signed.cookie)
    return signed


async def save_choices(call: Call, **choices: Any) -> None:
    """Saves `branch` for this session, `language` and `keys_off` for the user; None leaves a value unchanged."""
    await call.parts.sessions.choose(require_session(call), **choices)


async def go_out(call: Call) -> None:
    if cookie := cookie_of(call.req):
        await call.parts.sessions.sign_out(cookie)
    expire_cookie(call.req, call.resp)


def require_session(call: Call) -> SignInSession:
    """The caller's session. Raises Forbidden for a token, which has none."""
    if call.session is None:
        raise Forbidden
    return call.session


def client_address(call: Call) -> str:
    return address_of(call.req, call.parts.trusted_proxies)


async def session_after_choice(call: Call) -> SignInSession | None:
    cookie = cookie_of(call.req)
    return await call.parts.sessions.session(cookie) if cookie else None


def answer(call: Call, session: SignInSession | None) -> SessionAnswer:
    principal = session.principal if session else call.principal
    chosen: dict[str, Any] = {}
    if session is not None:
        chosen = {
            "language": session.language,
            "keys_off": session.keys_off,
            "must_change_password": session.must_change,
            "ends_at": format_moment(session.ends_at),
        }
    branch = principal.branch or (session and session.branch) or call.parts.branch
    return SessionAnswer(user=principal.name, role=principal.role, branch=branch, **chosen)
