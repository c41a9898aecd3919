"""Drawn page images, sealed on the disk under their paper's key. api/page_images.py has them drawn.

A cache: it may be deleted at any time, no backup needs it, and a torn, foreign or damaged file is a miss. The files are
in up to 256 folders by a digest of their names. Each folder has an equal share of the space and evicts the images not
used for longest, so that no process needs to know what others write. Files are not flushed: one truncated by a power
loss fails to open.
"""

import errno
import hashlib
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.page_image import PageImage

FOLDER: Final = "page-images"
"""The folder of the cache in HOME."""
FORM: Final = b"DPI1"
KEY_INFO: Final = b"dossier page image key 1"
KEY_BYTES, NONCE_BYTES = 32, 12
IMAGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Larger than any page image; a larger file is not one."""
FOLDERS_MAX: Final = 256
FOLDER_BYTES_MIN: Final = 8 * 1024 * 1024
BLOCK_BYTES: Final = 4096
FRESH_SECONDS: Final = 60.0
"""The recorded time of use is renewed when it is older than this."""
SIZES: Final = ".sizes"
"""In the root: 8 bytes for each folder, the space of its files at the last addition or sweep."""
SIZE_BYTES: Final = 8
UNFINISHED: Final = ".unfinished-"
UNFINISHED_SECONDS_MAX: Final = 3600.0
BATCH_NAMES_MAX: Final = 500
TELL_AGAIN_SECONDS: Final = 60.0

_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-[0-9]+-[0-9]+-[0-9]+", re.ASCII)
logger = logging.getLogger("dossier.images")


class Secrets(Protocol):
    """The part of store/keys.py that the cache needs."""

    def secret_of(self, paper: UUID) -> bytes | None: ...


class _File(NamedTuple):
    seen_at: float
    size_bytes: int
    path: Path
    content: str
    """The id of its content; "" for an unfinished file."""


class ImageCache:
    """The cache. Shareable among threads and processes; several hosts may use one folder. A failing disk raises
    nothing."""

    def __init__(self, root: Path, keys: Secrets, *, bytes_max: int, free_bytes_min: int, renderer: str) -> None:
        """Configure the cache. `bytes_max` 0 keeps nothing. With less than `free_bytes_min` free on its disk nothing is
        added, and the cached images are removed. `renderer` names the drawing programs: an image drawn by others is a
        miss."""
        self._root, self._keys, self._renderer = root, keys, renderer
        self._free_bytes_min = free_bytes_min
        self._bytes_max = bytes_max
        self._folders = min(max(bytes_max // FOLDER_BYTES_MIN, 1), FOLDERS_MAX)
        self._folder_bytes = bytes_max // self._folders
        self._told_at = -TELL_AGAIN_SECONDS

    def get(self, image: PageImage) -> bytes | None:
        """The JPEG; None when it is not cached or its paper's key is destroyed."""
        if not self._bytes_max:
            return None
        secret = self._keys.secret_of(image.paper)
        sealed = self._load_file(self._path_of(image)) if secret else None
        return self._open_image(secret, image, sealed) if secret and sealed else None

    def put(self, image: PageImage, jpeg: bytes) -> None:
        """Cache the JPEG when there is space, replacing an image of the same name."""
        if not self._bytes_max or _room_of(len(jpeg)) > min(self._folder_bytes, IMAGE_BYTES_MAX):
            return
        secret = self._keys.secret_of(image.paper)
        if secret is None:
            return
        try:
            if not self._has_room():
                self._trim_folder(self._folder_for(image), 0)
                return
            self._write_file(self._path_of(image), self._seal_image(secret, image, jpeg))
        except OSError as error:
            self._log_fault(error)

    def clear_when_full(self, free_bytes_min: int = 0) -> None:
        """Remove every image when the disk has less space than the cache leaves, or than `free_bytes_min`: uploads have
        priority."""
        try:
            if not self._has_room(free_bytes_min):
                for folder in self._list_folders():
                    self._trim_folder(folder, 0)
        except OSError as error:
            self._log_fault(error)

    def sweep_images(self, readable: Callable[[Sequence[str]], set[str]], now: float) -> int:
        """Remove images of contents that are gone or have lost their key, files in the wrong folder or beyond its
        share, and unfinished files. Returns the number of removed files.

        `readable` returns which of up to 500 contents (ids as text) can still be read. `now`: seconds since the epoch.
        """
        self.clear_when_full()
        self._forget_sizes()
        removed = 0
        for folder in self._list_folders():
            with suppress(OSError):
                removed += self._sweep_folder(folder, readable, now)
        return removed

    def remove_images(self, contents: Container[str]) -> None:
        """Remove the images of these contents (ids as text). Best effort: they cannot be opened without their paper's
        key, and the next sweep removes what is left."""
        for folder in self._list_folders():
            with suppress(OSError):
                for file in _list_files(folder):
                    if file.content and file.content in contents:
                        _unlink_quietly(file.path)

    def _sweep_folder(self, folder: Path, readable: Callable[[Sequence[str]], set[str]], now: float) -> int:
        files = list(_list_files(folder))
        contents = sorted({file.content for file in files if file.content})
        batches = (contents[n : n + BATCH_NAMES_MAX] for n in range(0, len(contents), BATCH_NAMES_MAX))
        kept = {content for batch in batches for content in readable(batch)}
        needless = [file for file in files if not self._is_needed(file, folder, kept, now)]
        for file in needless:
            _unlink_quietly(file.path)
        return len(needless) + self._trim_folder(folder, self._folder_bytes)

    def _is_needed(self, file: _File, folder: Path, kept: set[str], now: float) -> bool:
        if not file.content:
            return now - file.seen_at < UNFINISHED_SECONDS_MAX
        return file.content in kept and self._folder_of(file.path.name) == folder

    # -- files ------------------------------------------------------------------------------------------------------

    def _load_file(self, path: Path) -> bytes | None:
        """The bytes of the file; None also for a file of another type or one that is too large."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_size > IMAGE_BYTES_MAX:
                return None
            _note_look(file, found.st_mtime)
            return os.read(file, found.st_size)
        except OSError:
            return None
        finally:
            os.close(file)

    def _write_file(self, path: Path, sealed: bytes) -> None:
        """Put the file in place atomically; a kill leaves a file with an unfinished name, which is swept."""
        for folder in (self._root, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._trim_folder(path.parent, self._folder_bytes, coming_bytes=_room_of(len(sealed)))
        part = path.with_name(UNFINISHED + secrets.token_hex(8))
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(sealed)
            part.replace(path)
        except OSError:
            _unlink_quietly(part)
            raise

    def _trim_folder(self, folder: Path, bytes_max: int, *, coming_bytes: int = 0) -> int:
        """Remove the files not used for longest until `coming_bytes` fit, and return their number."""
        files = list(_list_files(folder))
        total, removed = coming_bytes + sum(file.size_bytes for file in files), 0
        for file in sorted(files) if total > bytes_max else ():
            _unlink_quietly(file.path)
            total, removed = total - file.size_bytes, removed + 1
            if total <= bytes_max:
                break
        self._note_size(folder, total)
        return removed

    def _note_size(self, folder: Path, size_bytes: int) -> None:
        """Record the size of a folder, best effort: the next sweep corrects a missed record."""
        with suppress(OSError):
            notes = os.open(self._root / SIZES, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(notes, size_bytes.to_bytes(SIZE_BYTES), int(folder.name, 16) * SIZE_BYTES)
            finally:
                os.close(notes)

    def _forget_sizes(self) -> None:
        """Clear the recorded sizes, because folders may have been removed; a sweep records the existing ones."""
        with suppress(OSError):
            os.truncate(self._root / SIZES, 0)

    def _list_folders(self) -> Iterator[Path]:
        return (path for n in range(FOLDERS_MAX) if (path := self._root / f"{n:02x}").is_dir())

    def _has_room(self, free_bytes_min: int = 0) -> bool:
        try:
            disk = os.statvfs(self._root)
        except FileNotFoundError:  # the first image creates the folder
            disk = os.statvfs(self._root.parent)
        return disk.f_bavail * disk.f_frsize >= max(self._free_bytes_min, free_bytes_min)

    def _path_of(self, image: PageImage) -> Path:
        return self._folder_for(image) / _name_of(image)

    def _folder_for(self, image: PageImage) -> Path:
        return self._folder_of(_name_of(image))

    def _folder_of(self, name: str) -> Path:
        digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
        return self._root / f"{int.from_bytes(digest) % self._folders:02x}"

    def _log_fault(self, error: OSError) -> None:
        """Log one line a minute: images are drawn each time, and no request is refused for it."""
        now = time.monotonic()
        if now - self._told_at >= TELL_AGAIN_SECONDS:
            self._told_at = now
            cause = errno.errorcode.get(error.errno or 0, type(error).__name__)
            logger.warning("page images are not cached in %s: %s (%s)", self._root, error.strerror, cause)

    # -- sealing ----------------------------------------------------------------------------------------------------

    def _seal_image(self, secret: bytes, image: PageImage, jpeg: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return FORM + nonce + _cipher_of(secret, image).encrypt(nonce, jpeg, self._associated_data(image))

    def _open_image(self, secret: bytes, image: PageImage, sealed: bytes) -> bytes | None:
        """The JPEG; None unless the bytes were sealed as this image."""
        nonce, rest = sealed[len(FORM) : len(FORM) + NONCE_BYTES], sealed[len(FORM) + NONCE_BYTES :]
        if not sealed.startswith(FORM) or not rest:
            return None
        try:
            return _cipher_of(secret, image).decrypt(nonce, rest, self._associated_data(image))
        except InvalidTag:
            return None

    def _associated_data(self, image: PageImage) -> bytes:
        """The data bound to a cached image: its content and view, its paper, and the drawing programs."""
        return FORM + msgspec.msgpack.encode([self._renderer, *msgspec.structs.astuple(image)])


def noted_bytes(root: Path) -> int:
    """The disk space of the images below this root by the recorded sizes, without a look into the folders."""
    try:
        with (root / SIZES).open("rb") as file:
            notes = file.read(FOLDERS_MAX * SIZE_BYTES)
    except OSError:
        return 0
    return sum(int.from_bytes(notes[at : at + SIZE_BYTES]) for at in range(0, len(notes), SIZE_BYTES))


def _cipher_of(secret: bytes, image: PageImage) -> AESGCM:
    """The cipher of an image; its key is derived from the paper's and destroyed with that."""
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=KEY_INFO + image.content.bytes).derive(secret))


def _name_of(image: PageImage) -> str:
    return f"{image.content}-{image.page}-{image.width}-{image.degrees}"


def _room_of(size_bytes: int) -> int:
    """The approximate disk space of a file."""
    return -(-(size_bytes + 64) // BLOCK_BYTES) * BLOCK_BYTES


def _list_files(folder: Path) -> Iterator[_File]:
    """The files of the cache; foreign files are ignored and not counted. The folder may be missing."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            named = _NAME.fullmatch(entry.name)
            if named or entry.name.startswith(UNFINISHED):
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    yield _File(found.st_mtime, _room_of(found.st_size), folder / entry.name, named[1] if named else "")


def _note_look(file: int, noted_at: float) -> None:
    """Record the time of use. A time ahead of the clock is corrected too, because it would keep the file for ever."""
    if abs(time.time() - noted_at) > FRESH_SECONDS:
        with suppress(OSError):  # a read-only disk still serves images
            os.utime(file)


def _unlink_quietly(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
