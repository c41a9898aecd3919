"""Removes content that no event names: the remains of uploads that failed after the content and before its event.

content_directory.py holds the content; the caller knows the log.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import msgspec

from domain.ports import ContentStore

BATCH_KEYS_MAX = 500
SURPLUS_MAX = 50


class Sweepable(ContentStore, Protocol):
    """A content store that can also remove the remains of its own interrupted puts."""

    def discard_unfinished(self, before: float) -> int:
        """Remove unfinished files last written before a time (seconds since the epoch) and return their number."""


class SweptContents(msgspec.Struct, frozen=True, kw_only=True):
    """The removed keys, the number of contents of that age that events name, and the number of removed unfinished
    files."""

    removed: tuple[str, ...]
    named: int
    unfinished: int


class SweepRefused(Exception):
    """Far more content without an event than with one, which means a wrong or older log rather than failed uploads."""


def sweep_contents(
    store: Sweepable, referenced: Callable[[Sequence[str]], set[str]], *, older_than_seconds: float, now: float
) -> SweptContents:
    """Remove content last written more than `older_than_seconds` before `now` (epoch seconds) that no event names.

    `referenced` returns which of up to 500 keys events name; it is called again right before the removal. The age must
    be longer than any upload may take from its content to its event, which makes the race harmless. Raises
    SweepRefused, with nothing removed, when over 50 more contents are without an event than with one.
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
    return SweptContents(removed=removed, named=named, unfinished=store.discard_unfinished(before))


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
