"""A BagIt bag (RFC 8493): its files in one fixed order, their digests, and the tag files that end it.

A bag is written once from start to end, so that it can be sent while it is made. A target stores the bytes: a zip
(web/zip_stream.py) or a folder (service/export.py).
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Protocol

import msgspec

ALGORITHM = "sha256"
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "data/"


class BagTarget(Protocol):
    """Stores the files of a bag, one after the other. Paths are relative, with `/`."""

    def begin(self, path: str, *, compress: bool) -> None: ...
    def write(self, data: bytes) -> None: ...
    def end(self) -> None: ...


class BagPart(msgspec.Struct, frozen=True):
    """Bytes of one file of the payload. Consecutive parts with one path are one file.

    `read` is called when the part is written; None: there is nothing to write, and a file of this part alone is left
    out.
    """

    path: str
    read: Callable[[], Iterable[bytes] | None]
    compress: bool = True


class Bag:
    """Writes a bag into its target. Between two steps of put() and finish() the caller can send what was written."""

    def __init__(self, target: BagTarget) -> None:
        self._target = target
        self._digests: dict[str, str] = {}
        self._open: str | None = None
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def put(self, parts: Iterable[BagPart]) -> Generator[None, None, None]:
        """Write the parts, a piece a step."""
        for part in parts:
            pieces = part.read()
            if pieces is None:
                continue
            if self._open != (path := PAYLOAD + part.path):
                self._end_file()
                self._begin_file(path, compress=part.compress)
            for piece in pieces:
                self._digest.update(piece)
                self._size_bytes += len(piece)
                self._target.write(piece)
                yield

    def finish(self, info: Mapping[str, str]) -> Generator[None, None, None]:
        """End the payload and write the tag files; `info` are the fields of bag-info.txt."""
        self._end_file()
        tags: dict[str, str] = {}
        oxum = f"{self._size_bytes}.{len(self._digests)}"
        for path, text in (
            ("bagit.txt", DECLARATION),
            ("bag-info.txt", _render_info({**info, "Payload-Oxum": oxum})),
            (f"manifest-{ALGORITHM}.txt", _render_manifest(self._digests)),
        ):
            tags[path] = hashlib.sha256(text).hexdigest()
            self._write_tag(path, text)
            yield
        self._write_tag(f"tagmanifest-{ALGORITHM}.txt", _render_manifest(tags))

    def _begin_file(self, path: str, *, compress: bool) -> None:
        if path in self._digests:
            raise ValueError("a file of a bag is written once")
        self._open, self._digest = path, hashlib.sha256()
        self._target.begin(path, compress=compress)

    def _end_file(self) -> None:
        if self._open is not None:
            self._target.end()
            self._digests[self._open] = self._digest.hexdigest()
            self._open = None

    def _write_tag(self, path: str, text: bytes) -> None:
        self._target.begin(path, compress=True)
        self._target.write(text)
        self._target.end()


def _render_info(fields: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in fields.items()).encode()


def _render_manifest(digests: Mapping[str, str]) -> bytes:
    """The lines of a manifest. Paths are escaped as section 2.1.3 says; portable_name() leaves nothing to escape."""
    escaped = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
    return "".join(f"{digest}  {path.translate(escaped)}\n" for path, digest in digests.items()).encode()
