"""Sign-in with the library's own identity provider: redirects the browser there and accepts it back.

A signed cookie, valid for ten minutes, holds the state that must come back, so that a forged link signs nobody in.
service/oidc.py talks to the provider.
"""

import base64
import binascii
import hmac
import time
from typing import Any

import msgspec

from api import own_session
from api.call import Call
from api.parts import IdentityProvider
from desk.entrance import local_path, show_sign_in_form
from desk.render import go
from domain.refusals import IdentityNotProven, NotFound, Refusal
from web.origin import origin_of
from web.subpath import base_of

COOKIE = "dossier_sign_in"
HERE, BACK = "/sign-in/elsewhere", "/sign-in/elsewhere/back"
SECONDS = 600


class SignInState(msgspec.Struct, frozen=True, array_like=True):
    """The state of one sign-in, kept in the cookie. `expires` is in seconds since the epoch."""

    state: str
    nonce: str
    verifier: str
    next: str
    expires: int


async def go_to_provider(call: Call) -> None:
    """GET /sign-in/elsewhere?next=."""
    following = local_path(call.text("next"))
    try:
        begun = await provider(call).begin(redirect_uri(call))
    except Refusal as refusal:
        return show_sign_in_form(call, following=following, refusal=refusal)
    way = SignInState(begun.state, begun.nonce, begun.verifier, following, int(time.time()) + SECONDS)
    secure = call.req.scheme == "https"
    call.resp.set_cookie(
        COOKIE, await pack_state(call, way), path=HERE, http_only=True, same_site="Lax", secure=secure, max_age=SECONDS
    )
    return go(call, begun.address)


async def come_back(call: Call) -> None:
    """GET /sign-in/elsewhere/back: signs the person in; the cookie is deleted even after a failure."""
    asked, following = provider(call), "/"
    way = await unpack_state(call, call.req.get_cookie_values(COOKIE) or [])
    call.resp.unset_cookie(COOKIE, path=HERE, same_site="Lax")
    try:
        if way is None or not hmac.compare_digest(way.state.encode(), (call.text("state") or "").encode()):
            raise IdentityNotProven
        following = way.next
        person = await asked.person_of(
            call.text("code") or "",
            redirect_uri(call),
            nonce=way.nonce,
            verifier=way.verifier,
            issuer=call.text("iss"),
        )
        await own_session.come_in_as(call, person)
    except Refusal as refusal:
        return show_sign_in_form(call, following=following, refusal=refusal)
    return go(call, following)


def provider(call: Call) -> IdentityProvider:
    found = call.parts.identity_provider
    if found is None:
        raise NotFound
    return found


def redirect_uri(call: Call) -> str:
    """The redirect URI, which has to be registered with the provider."""
    return origin_of(call.req) + base_of(call.req.scope) + BACK


# -- the cookie -------------------------------------------------------------------------------------------------------


async def pack_state(call: Call, way: SignInState) -> str:
    content = msgspec.msgpack.encode(way)
    return f"{encode_base64(content)}.{encode_base64(await signature(call, content))}"


async def unpack_state(call: Call, found: list[str]) -> SignInState | None:
    """The state from the cookie; None if it is missing, forged or expired."""
    try:
        [whole] = found
        content, signed = (decode_base64(part) for part in whole.split(".", 1))
        way = msgspec.msgpack.decode(content, type=SignInState)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        return None
    genuine = hmac.compare_digest(signed, await signature(call, content))
    return way if genuine and time.time() < way.expires else None


async def signature(call: Call, content: bytes) -> bytes:
    signed: Any = await call.parts.blocking(call.parts.archive.keys.keyed_digest, "sign-in", content)
    return bytes(signed)


def encode_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def decode_base64(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
