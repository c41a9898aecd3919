"""A `ContentStore` in memory, for tests that need one and test another thing; tests/contract/ holds it to the port."""

import time
from collections.abc import Iterable, Iterator
from threading import Lock
from uuid import UUID

from domain.ports import AlreadyStored, Missing

PIECE_BYTES_MAX = 1024 * 1024


class MemoryContent:
    """Bytes by key in `bytes_of`, epoch seconds by key in `written_at`: a test may change both."""

    def __init__(self) -> None:
        self.bytes_of: dict[str, bytes] = {}
        self.written_at: dict[str, float] = {}
        self._lock = Lock()

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        _check(key)
        content = b"".join(chunks)
        with self._lock:
            if key in self.bytes_of:
                raise AlreadyStored(key)
            self.bytes_of[key], self.written_at[key] = content, time.time()
        return len(content)

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        if first < 0:
            raise ValueError(f"a range cannot begin at {first}")
        _check(key)
        return self._pieces(key, first, last)

    def size(self, key: str) -> int | None:
        _check(key)
        content = self.bytes_of.get(key)
        return None if content is None else len(content)

    def delete(self, key: str) -> None:
        _check(key)
        with self._lock:
            self.bytes_of.pop(key, None)
            self.written_at.pop(key, None)

    def list_keys(self) -> Iterator[tuple[str, float]]:
        with self._lock:
            found = list(self.written_at.items())
        yield from found

    def discard_unfinished(self, before: float) -> int:
        return 0

    def _pieces(self, key: str, first: int, last: int | None) -> Iterator[bytes]:
        if key not in self.bytes_of:
            raise Missing(key)
        wanted = self.bytes_of[key][first : None if last is None else max(last + 1, 0)]
        for start in range(0, len(wanted), PIECE_BYTES_MAX):
            yield wanted[start : start + PIECE_BYTES_MAX]


def _check(key: str) -> None:
    if str(UUID(key)) != key:
        raise ValueError(f"not the key of a content: {key!r}")
