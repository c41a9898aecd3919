"""Sign-in through the library's own identity provider: OpenID Connect, code flow with PKCE, state and nonce. Needs the
extra `oidc`. The screens send a browser to the provider and receive it back; the archive decides who may sign in. No
claim is used before signature, issuer, audience, time and nonce were checked."""

import base64
import hashlib
import secrets
import time
from typing import Any

import httpx
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.parts import Person, SignInRedirect
from domain.administration import Identity
from domain.refusals import IdentityNotProven, Unavailable

# Asymmetric signatures only: never a shared secret, never "none".
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
DISCOVERY = "/.well-known/openid-configuration"
SCOPE = "openid profile email"
LEEWAY_SECONDS = 60
TIMEOUT_SECONDS = 10.0
KEPT_SECONDS = 3600.0
SUBJECT_CHARACTERS_MAX = 255
"""OpenID Connect Core, section 2."""


class Metadata(msgspec.Struct, frozen=True):
    """The fields needed from the provider's metadata."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str | None = None


class IdentityProvider:
    """A client of one provider, for one event loop. `claim` of the ID token is the display name; no user is matched by
    it."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, claim: str) -> None:
        self._issuer, self._client_id, self._client_secret, self._claim = issuer, client_id, client_secret, claim
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self._metadata_at = self._keys_at = 0.0

    async def close(self) -> None:
        await self._http.aclose()

    async def begin(self, redirect_uri: str) -> SignInRedirect:
        """The address to send a browser to, and the values that it has to bring back. Raises Unavailable when the
        provider does not answer."""
        metadata = await self._load_metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri,
            SCOPE,
            state,
            nonce=nonce,
            code_challenge=challenge_of(verifier),
            code_challenge_method="S256",
        )
        return SignInRedirect(address=address, state=state, nonce=nonce, verifier=verifier)

    async def person_of(self, code: str, redirect_uri: str, *, nonce: str, verifier: str, issuer: str | None) -> Person:
        """The person for an authorization code. `issuer` is the `iss` parameter beside it, if the provider sends one
        (RFC 9207). Raises IdentityNotProven, or Unavailable when the provider does not answer."""
        if issuer not in (None, self._issuer):
            raise IdentityNotProven
        tokens = await self._exchange_code(code, redirect_uri, verifier)
        claims = await self._check_claims(tokens, nonce)
        subject, name = claims.get("sub"), claims.get(self._claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX:
            raise IdentityNotProven
        return Person(Identity(self._issuer, subject), name if isinstance(name, str) and name else None)

    # -- the provider ---------------------------------------------------------------------------------------------

    async def _load_metadata(self) -> Metadata:
        """The provider's metadata, cached for an hour. Metadata of another issuer is refused (OpenID Connect Discovery,
        section 4.3)."""
        if self._metadata is None or time.monotonic() - self._metadata_at > KEPT_SECONDS:
            found = await self._fetch_json(self._issuer.rstrip("/") + DISCOVERY, Metadata)
            if found.issuer != self._issuer:
                raise Unavailable
            self._metadata, self._metadata_at = found, time.monotonic()
        return self._metadata

    async def _exchange_code(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        endpoint = (await self._load_metadata()).token_endpoint
        try:
            answer = await self._http.post(endpoint, data=form, auth=(self._client_id, self._client_secret))
        except httpx.HTTPError:
            raise Unavailable from None
        if answer.status_code >= 500:
            raise Unavailable
        if answer.status_code != 200:
            raise IdentityNotProven
        try:
            return msgspec.json.decode(answer.content, type=Tokens)
        except msgspec.DecodeError:
            raise IdentityNotProven from None

    async def _check_claims(self, tokens: Tokens, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that passes the checks of OpenID Connect Core, section 3.1.3.7."""
        try:
            token = await self._check_signature(tokens.id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {"iss": {"value": self._issuer}, "aud": {"value": self._client_id}},
                {"nonce": nonce, "client_id": self._client_id, "access_token": tokens.access_token},
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError):
            raise IdentityNotProven from None
        return dict(claims)

    async def _check_signature(self, id_token: str) -> jwt.Token:
        """Verify the signature; if that fails, once more with freshly loaded keys, because the provider may have
        changed them."""
        try:
            return jwt.decode(id_token, await self._load_keys(), ALGORITHMS)
        except (JoseError, ValueError):
            return jwt.decode(id_token, await self._load_keys(anew=True), ALGORITHMS)

    async def _load_keys(self, *, anew: bool = False) -> KeySet:
        if anew or self._keys is None or time.monotonic() - self._keys_at > KEPT_SECONDS:
            found = await self._fetch_json((await self._load_metadata()).jwks_uri, dict[str, Any])
            try:
                self._keys = KeySet.import_key_set(found)
            except (JoseError, ValueError, KeyError, TypeError):
                raise Unavailable from None
            self._keys_at = time.monotonic()
        return self._keys

    async def _fetch_json(self, address: str, kind: Any) -> Any:
        try:
            answer = await self._http.get(address, headers={"Accept": "application/json"})
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=kind)
        except (httpx.HTTPError, msgspec.DecodeError):
            raise Unavailable from None


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of RFC 7636, section 4.2: it does not reveal the verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
