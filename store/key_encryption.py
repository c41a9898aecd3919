"""The key-encryption key: the only secret outside the database. store/keys.py wraps customer keys under it."""

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.private_files import sync_folder

KEY_BYTES = 32


class KeyEncryptionKeys:
    """All versions of the key-encryption key; the highest wraps, all unwrap. Rotation re-wraps and drops the old
    version."""

    def __init__(self, versions: dict[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in versions.items()}
        self.versions = frozenset(versions)
        self.current = max(versions)

    def wrap_key(self, key: bytes, *, bound_to: bytes) -> bytes:
        return wrap_with(self._ciphers[self.current], key, bound_to=bound_to)

    def unwrap_key(self, wrapped: bytes, *, version: int, bound_to: bytes) -> bytes:
        """The unwrapped key. Raises InvalidTag or KeyError when another key wrapped it."""
        return unwrap_with(self._ciphers[version], wrapped, bound_to=bound_to)

    def has_wrapped(self, version: int, wrapped: bytes, bound_to: bytes = b"institution") -> bool:
        """True if this version wrapped it."""
        try:
            self.unwrap_key(wrapped, version=version, bound_to=bound_to)
        except (InvalidTag, KeyError, ValueError):  # ValueError: too short to be a wrapped key
            return False
        return True


def wrap_with(cipher: AESGCM, key: bytes, *, bound_to: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + cipher.encrypt(nonce, key, bound_to)


def unwrap_with(cipher: AESGCM, wrapped: bytes, *, bound_to: bytes) -> bytes:
    return cipher.decrypt(wrapped[:12], wrapped[12:], bound_to)


def load_or_make_keys(folder: Path) -> tuple[KeyEncryptionKeys, bool]:
    """The keys of `folder` (files kek.1, kek.2, …, 0600, 64 hex digits), and True when the first was created by this
    call.

    A new key is durable before it is used: without it no personal data can ever be read again.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if found := load_keys(folder):
        return found, False
    _write_key(folder / "kek.1", secrets.token_bytes(KEY_BYTES))
    return KeyEncryptionKeys({1: _load_key(folder / "kek.1")}), True


def load_keys(folder: Path) -> KeyEncryptionKeys | None:
    """The keys of `folder`; None when it has none. Raises KeyUnfit."""
    versions = {_version_of(p): _load_key(p) for p in folder.glob("kek.[0-9]*")}
    if not versions:
        return None
    _require_private(folder)
    return KeyEncryptionKeys(versions)


class KeyUnfit(ValueError):
    """A file of the key folder is not a key-encryption key, or others may read it; the sentence says what to do."""


def _require_private(path: Path) -> None:
    """Raise KeyUnfit when others can use the path. A path that root gives to this account's group, as a mount of
    secrets does, counts as private."""
    status = path.stat()
    given = 0o050 if status.st_uid == 0 and os.geteuid() != 0 else 0
    if status.st_mode & 0o077 & ~given:
        mode = 700 if path.is_dir() else 600
        raise KeyUnfit(f"others can use {path} (mode {status.st_mode & 0o777:04o}): chmod {mode} {path}")


def _load_key(path: Path) -> bytes:
    _require_private(path)
    try:
        key = bytes.fromhex(path.read_text().strip())
    except PermissionError:
        raise KeyUnfit(f"{path} cannot be read by this account: chown it to the account that serves") from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyUnfit(f"{path} is damaged, a kek file has {2 * KEY_BYTES} hex digits: put the copy of it back")
    return key


def _version_of(path: Path) -> int:
    if not path.suffix[1:].isdecimal() or path.stem != "kek":
        raise KeyUnfit(f"{path} is not a key in use: move it out of this folder, or name it kek.N")
    return int(path.suffix[1:])


def _write_key(path: Path, key: bytes) -> None:
    """Create the key file once and durably; a slower process keeps the first one's key. The temporary name is random,
    because in a container the next start may have the process id of the killed one."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    sync_folder(path.parent)
