"""Check tokens (B9): a signed proof, valid for some minutes, that a caller has checked a code. Forms issues it, Filing
and Noting require it.

A token binds its actor, the code and the authorization's version. The institution's key signs it, so none is stored.
"""

import base64
import binascii
import hmac
from typing import Any
from uuid import UUID

import msgspec

from domain.authorization import Authorization
from domain.ports import Clock, KeyRing
from domain.refusals import CheckRequired


class CheckToken(msgspec.Struct, frozen=True, array_like=True):
    """The content of a check token; `expires` in seconds since the epoch."""

    authorization: UUID
    version: int
    expires: int


class CheckTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Use cases issue and require tokens after the replay of an Idempotency-Key, because the save that used a token
    changes the version that the token names. A token is valid for `seconds`."""

    keys: KeyRing
    clock: Clock
    seconds: int

    def issue_token(self, statement: UUID, state: Authorization, actor: str) -> str:
        """The token that proves this actor's Check of this authorization at its current version."""
        expires = int(self.clock.now().timestamp()) + self.seconds
        payload = msgspec.msgpack.encode(CheckToken(statement, state.version, expires))
        return f"{_encode_base64(payload)}.{_encode_base64(self._signature_of(payload, state, actor))}"

    def require_check(self, token: str | None, statement: UUID, state: Authorization, actor: str) -> None:
        """Raise CheckRequired unless this actor checked this code recently and it has not changed since.

        Passes without a token, and for a redeemed code, whose own refusal names the paper.
        """
        if token is None or state.evidence is not None:
            return
        try:
            payload, signature = (_decode_base64(part) for part in token.split(".", 1))
            found = msgspec.msgpack.decode(payload, type=CheckToken)
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise CheckRequired from None
        genuine = hmac.compare_digest(signature, self._signature_of(payload, state, actor))
        current = found == CheckToken(statement, state.version, found.expires)
        if not (genuine and current and self.clock.now().timestamp() < found.expires):
            raise CheckRequired

    def _signature_of(self, payload: bytes, state: Authorization, actor: str) -> bytes:
        bound: list[Any] = [payload, actor, state.scan_code]
        return self.keys.keyed_digest("check-token", msgspec.msgpack.encode(bound))


def _encode_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
