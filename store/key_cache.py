"""Keys in memory for store/keys.py: those that were read, for a minute, and new ones until they are stored."""

import threading
import time
from collections.abc import Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

CACHE_SECONDS = 60.0
NEW_KEYS_MAX = 8_192  # more than all uploads in progress
DROPS_MAX = 8_192  # more than the keys destroyed during one read


class KeyCache(Generic[K, V]):
    """Entries for at most 60 s after they were put in, in two generations of `generation` entries. Thread-safe.

    An entry that is dropped while a caller reads it is not cached: the caller takes mark() before it reads and passes
    it to put().
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._younger: dict[K, tuple[V, float]] = {}
        self._older: dict[K, tuple[V, float]] = {}
        self._drops = 0
        self._dropped: dict[K, int] = {}  # number of the last drop of each key; older drops are forgotten:
        self._dropped_before = 0

    def mark(self) -> int:
        """The number of the last drop."""
        return self._drops

    def get(self, key: K) -> V | None:
        entry = self._younger.get(key) or self._older.get(key)
        return entry[0] if entry and time.monotonic() - entry[1] < CACHE_SECONDS else None

    def put(self, entries: Iterable[tuple[K, V]], *, mark: int | None = None) -> None:
        """Add entries; with `mark`, only those not dropped since."""
        now = time.monotonic()
        fresh = {key: (value, now) for key, value in entries}
        with self._lock:
            if mark is not None and mark < self._drops:
                fresh = {k: entry for k, entry in fresh.items() if self._dropped.get(k, self._dropped_before) <= mark}
            if len(self._younger) + len(fresh) > self._generation:
                self._older, self._younger = self._younger, {}
            self._younger.update(fresh)

    def drop(self, key: K) -> None:
        with self._lock:
            self._younger.pop(key, None)
            self._older.pop(key, None)
            self._drops += 1
            self._dropped.pop(key, None)  # keep the newest last
            self._dropped[key] = self._drops
            if len(self._dropped) > DROPS_MAX:
                self._dropped_before = self._dropped.pop(next(iter(self._dropped)))

    def clear(self) -> None:
        with self._lock:
            self._younger, self._older, self._dropped = {}, {}, {}
            self._drops += 1
            self._dropped_before = self._drops


class NewKeys(Generic[K, V]):
    """Entries until they are taken, however slowly a file is stored. When there are too many the oldest are dropped:
    they belong to commands that ended before they tried to append. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > NEW_KEYS_MAX:
                del self._entries[next(iter(self._entries))]

    def take(self, keys: Iterable[K]) -> list[tuple[K, V]]:
        """Remove and return the entries of these keys."""
        with self._lock:
            return [(key, self._entries.pop(key)) for key in keys if key in self._entries]
