"""A zip that is sent while it is written: take() gives the bytes so far. No part of it is a file on the disk."""

import time
import zipfile
from typing import IO

MANY_BYTES = 1024 * 1024
"""The bytes at which `is_full`: a MiB, as for other streams."""


class ZipStream:
    """The target of a domain.bag.Bag: a zip with one folder, `root`. Small and large files alike have 64-bit sizes,
    because a size is known only behind the file."""

    def __init__(self, root: str) -> None:
        self._root, self._sink = root, _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w")  # type: ignore[call-overload]  # a file that can only be written
        self._file: IO[bytes] | None = None
        self._at = time.gmtime()[:6]

    def begin(self, path: str, *, compress: bool) -> None:
        entry = zipfile.ZipInfo(f"{self._root}/{path}", self._at)
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        self._file = self._zip.open(entry, "w", force_zip64=True)

    def write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)

    def end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self) -> None:
        """Write the directory of the zip."""
        self._zip.close()

    @property
    def is_full(self) -> bool:
        """True if MANY_BYTES wait to be taken."""
        return self._sink.size_bytes >= MANY_BYTES

    def take(self) -> bytes:
        """The bytes written since the last call."""
        return self._sink.take()


class _Sink:
    """What zipfile writes to. It has no position, so zipfile never goes back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces, self.size_bytes = [], 0
        return taken
