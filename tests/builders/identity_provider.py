"""A small identity provider on this machine: OpenID Connect's code flow with PKCE, and whatever faults a test wants.

It signs in without asking who anybody is: `person` is. What is wrong with its next word a test says beforehand.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "dossier", "a secret of both"


class Asked(msgspec.Struct, frozen=True):
    """What a browser came with to be signed in."""

    redirect_uri: str
    nonce: str
    challenge: str


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the next word: claims that are others (None: missing), another key, algorithm or answer."""

    claims: dict[str, Any] = {}
    key: RSAKey | None = None
    algorithm: str = "RS256"
    id_token: str | None = None
    status: int = 200
    issuer: str | None = None


class Provider:
    def __init__(self) -> None:
        self.person: dict[str, Any] = {}
        self.wrong = Wrong()
        self.away = False
        self.key = a_key()
        self.requests: list[str] = []
        self._codes: dict[str, Asked] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"provider": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, **more: str) -> dict[str, str]:
        return {
            "DOSSIER_OIDC_ISSUER": self.issuer,
            "DOSSIER_OIDC_CLIENT_ID": CLIENT_ID,
            "DOSSIER_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            **more,
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- what it answers ------------------------------------------------------------------------------------------

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes back to. What is asked wrongly is a fault of the archive: it fails."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = Asked(query["redirect_uri"], query["nonce"], query["code_challenge"])
        issuer = self.wrong.issuer or self.issuer
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': issuer})}"

    def token(self, authorization: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """A code is good once, for the client that asked, at the place that it named, with the verifier it has."""
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '+')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        good = (
            authorization in (f"Basic {basic}", f"Basic {plain}")
            and asked is not None
            and form["redirect_uri"] == asked.redirect_uri
            and base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked.challenge
        )
        if not good or asked is None:
            return 400, {"error": "invalid_grant"}
        return self.wrong.status, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked)}

    def id_token(self, asked: Asked) -> str:
        if self.wrong.id_token is not None:
            return self.wrong.id_token
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "subject",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked.nonce,
            **self.person,
            **self.wrong.claims,
        }
        known = {name: value for name, value in claims.items() if value is not None}
        key = self.wrong.key or self.key
        return jwt.encode({"alg": self.wrong.algorithm, "kid": self.key.kid}, known, key, [self.wrong.algorithm])


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        self.provider.requests.append(path.path)
        if self.provider.away:
            self._say(503, {})
        elif path.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(path.query).items()}
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(query))
            self.end_headers()
        else:
            answers = {"/.well-known/openid-configuration": self.provider.metadata, "/jwks": self.provider.keys}
            self._say(200, answers[path.path]())

    def do_POST(self) -> None:
        self.provider.requests.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._say(*self.provider.token(self.headers.get("Authorization", ""), form))

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the base gives it
        """Nothing: tests look at `requests`."""


def a_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"}, private=True)


@contextmanager
def providing() -> Iterator[Provider]:
    made = Provider()
    try:
        yield made
    finally:
        made.close()
