"""Signatures of the institution: Ed25519 (RFC 8032), with a key derived from the institution's key, so that no other
secret has to be kept or restored. store/keys.py has the institution's key."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KIND, NUMBER = "signing-key", b"1"


class Digests(Protocol):
    """The part of the key ring that signing needs."""

    def keyed_digest(self, kind: str, value: bytes) -> bytes: ...


class Signer:
    """Implements domain/declaration.SigningKey."""

    def __init__(self, keys: Digests) -> None:
        self._keys = keys

    def sign(self, text: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._key().sign(text)

    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self._key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._keys.keyed_digest(KIND, NUMBER))
