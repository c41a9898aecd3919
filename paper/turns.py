"""Decides which request a decoder takes next. Pure; broker.py calls it.

An asker has at most one request running while others wait; an asker alone may use all decoders but one for its uploads.
Among waiting askers the one that used the decoders least comes first. One decoder is reserved for requests that store:
page images and further uploads of one asker never use all of them.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

import msgspec

HALF_LIFE_SECONDS: Final = 60.0
"""The use of an asker counts half after this time."""

_ASKERS_REMEMBERED: Final = 1_000


class Request(Protocol):
    """`asker`: an opaque key of the asker; `stores`: True for every request but a page image."""

    @property
    def asker(self) -> bytes: ...
    @property
    def stores(self) -> bool: ...


R = TypeVar("R", bound=Request)


class QueueFull(Exception):
    """This asker has the maximum number of requests waiting."""


class Turn(msgspec.Struct, Generic[R]):
    """A queued or running request. `since`: when it was queued or started."""

    request: R
    since: float


class Turns(Generic[R]):
    """The queue for `decoders` decoders. Every time is a reading of one clock, in seconds.

    `wait_seconds`: the longest wait for other askers; for its own earlier requests an asker waits `own_seconds` longer.
    """

    def __init__(self, *, decoders: int, waiting_max: int, wait_seconds: float, own_seconds: float) -> None:
        self._decoders, self._waiting_max = decoders, waiting_max
        self._wait_seconds, self._own_seconds = wait_seconds, own_seconds
        self._pages_max = max(1, decoders - 1)
        self._waiting: dict[bytes, deque[Turn[R]]] = {}
        self._running: dict[bytes, list[Turn[R]]] = {}
        self._used: dict[bytes, tuple[float, float]] = {}

    def join(self, request: R, now: float) -> None:
        """Queue a request. Raises QueueFull."""
        queue = self._waiting.setdefault(request.asker, deque())
        if len(queue) >= self._waiting_max:
            raise QueueFull
        queue.append(Turn(request, now))

    def next(self, now: float) -> R | None:
        """The request that a free decoder takes now; it counts as running until end()."""
        running = sum(map(len, self._running.values()))
        firsts = sum(turns[0].request.stores for turns in self._running.values())
        stores_only = running - firsts >= self._pages_max
        found = min(self._candidates(stores_only=stores_only), key=lambda t: self._rank_of(t, now), default=None)
        if found is None and not stores_only and running < self._decoders - 1:
            found = self._extra_upload()
        if found is None or running >= self._decoders:
            return None
        self._remove(found)
        self._running.setdefault(found.request.asker, []).append(Turn(found.request, now))
        return found.request

    def leave(self, request: R) -> None:
        """Remove a waiting request."""
        for turn in self._waiting.get(request.asker, ()):
            if turn.request is request:
                self._remove(turn)
                return

    def end(self, request: R, now: float) -> None:
        """Record the end of a running request, successful or not."""
        running = self._running[request.asker]
        turn = next(turn for turn in running if turn.request is request)
        running.remove(turn)
        if not running:
            del self._running[request.asker]
        self._used[request.asker] = self._use_of(request.asker, now) + now - turn.since, now
        if len(self._used) > _ASKERS_REMEMBERED:
            least = sorted(self._used, key=lambda asker: self._use_of(asker, now))
            for asker in least[: _ASKERS_REMEMBERED // 2]:
                del self._used[asker]

    def remove_overdue(self, now: float) -> list[R]:
        """Remove and return the requests that have waited too long."""
        late = [turn for queue in self._waiting.values() for turn in queue if now >= self._deadline_of(turn)]
        for turn in late:
            self._remove(turn)
        return [turn.request for turn in late]

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def _candidates(self, *, stores_only: bool) -> Iterator[Turn[R]]:
        """The first request of each asker that has none running; with `stores_only` the first one that stores."""
        for asker, queue in self._waiting.items():
            if asker not in self._running:
                turn = next((turn for turn in queue if turn.request.stores or not stores_only), None)
                if turn is not None:
                    yield turn

    def _extra_upload(self) -> Turn[R] | None:
        """The next upload of an asker that has requests running; None while more than one asker waits."""
        if len(self._waiting) != 1:
            return None
        [queue] = self._waiting.values()
        return next((turn for turn in queue if turn.request.stores), None)

    def _rank_of(self, turn: Turn[R], now: float) -> tuple[float, float]:
        return self._use_of(turn.request.asker, now), turn.since

    def _use_of(self, asker: bytes, now: float) -> float:
        """Seconds of decoder time that an asker used; older use counts less."""
        used, at = self._used.get(asker, (0.0, now))
        return float(used * 0.5 ** ((now - at) / HALF_LIFE_SECONDS))

    def _deadline_of(self, turn: Turn[R]) -> float:
        """The end of the wait. An asker's wait for others begins when its own earlier request has ended."""
        asker = turn.request.asker
        if asker in self._running:
            return turn.since + self._wait_seconds + self._own_seconds
        _, ended = self._used.get(asker, (0.0, turn.since))
        return min(max(turn.since, ended), turn.since + self._own_seconds) + self._wait_seconds

    def _remove(self, turn: Turn[R]) -> None:
        queue = self._waiting[turn.request.asker]
        queue.remove(turn)
        if not queue:
            del self._waiting[turn.request.asker]
