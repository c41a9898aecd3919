"""Removes content that no event names: what remains of uploads that died after the content and before its event.

content_directory.py holds the content; who calls this knows the log.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import msgspec

from domain.ports import ContentStore

BATCH_KEYS_MAX = 500
SURPLUS_MAX = 50


class Sweepable(ContentStore, Protocol):
    """A content store that also knows what its own interrupted puts may leave."""

    def discard_unfinished(self, before: float) -> int:
        """Remove what was begun and last written before a time (seconds since the epoch); how many there were."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that were removed, how many of that age are named by events, how many unfinished files were removed."""

    removed: tuple[str, ...]
    named: int
    unfinished: int


class SweepRefused(Exception):
    """Far more content without an event than with one: rather the wrong or an older log than so many dead uploads."""


def sweep_contents(
    store: Sweepable, referenced: Callable[[Sequence[str]], set[str]], *, older_than_seconds: float, now: float
) -> Swept:
    """Remove content last written more than `older_than_seconds` before `now` (epoch seconds) that no event names.

    `referenced` tells which of up to 500 keys events name; it is asked again right before they are removed. The age
    must be longer than any upload may take from its content to its event: that is what makes the race harmless.
    SweepRefused, with nothing removed, when over 50 more are without an event than with one.
    """
    before = now - older_than_seconds
    named, orphans = 0, list[str]()
    for keys in _split_batches(key for key, written in store.list_keys() if written < before):
        known = referenced(keys)
        named += len(known.intersection(keys))
        orphans += [key for key in keys if key not in known]
    if len(orphans) > named + SURPLUS_MAX:
        raise SweepRefused(f"{len(orphans)} contents have no event, {named} have one: is this the right log?")
    removed = tuple(key for keys in _split_batches(orphans) for key in _remove_orphans(store, referenced, keys))
    return Swept(removed=removed, named=named, unfinished=store.discard_unfinished(before))


def _remove_orphans(
    store: Sweepable, referenced: Callable[[Sequence[str]], set[str]], keys: Sequence[str]
) -> list[str]:
    known = referenced(keys)
    orphans = [key for key in keys if key not in known]
    for key in orphans:
        store.delete(key)
    return orphans


def _split_batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH_KEYS_MAX)):
        yield batch
