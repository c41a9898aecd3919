"""Removes content that no event names after a day, page images of content that can no longer be read, stale
temporary files and old Idempotency-Keys."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import asdict

from domain.limits import Limits
from service.beats import ignore_beat
from service.belonging import note_newest_event, require_content_folder
from service.removal import remove_destroyed
from service.wiring import UNAVAILABLE, Store
from store import runs
from store.content_sweeper import sweep_contents as sweep_content


class SweepCounts(msgspec.Struct, frozen=True):
    """What was removed. `destroyed` are contents of destroyed papers that an interruption had left."""

    contents: int
    destroyed: int
    page_images: int
    temporary_files: int
    idempotency_keys: int


def sweep(store: Store, limits: Limits, beat: Callable[[], None] = ignore_beat) -> SweepCounts:
    """Remove what is no longer needed; safe beside uploads, because content younger than `orphan_age_hours` is kept.
    Raises StoreUnfit or OtherArchive for a content folder that does not belong to this database; then no content is
    removed."""
    begun, root = time.monotonic(), store.settings.content_directory
    images = sweep_images(store, beat)
    with store.pool.connection() as conn:
        require_content_folder(conn, root)
    destroyed = remove_destroyed(store, beat)

    def find_named(keys: Sequence[str]) -> set[str]:
        beat()
        return contents_in_log(store, keys)

    swept = sweep_content(
        store.directory,
        find_named,
        older_than_seconds=limits.orphan_age_hours * 3600,
        now=time.time(),
    )
    with store.pool.connection() as conn:
        note_newest_event(conn, root)
        row = conn.execute(EXPIRE, [limits.idempotency_key_hours]).fetchone()
        done = SweepCounts(len(swept.removed), destroyed, images, swept.unfinished, row[0] if row else 0)
        runs.record_run(conn, "sweep", seconds=time.monotonic() - begun, problems=0, result=asdict(done))
    return done


def note_refusal(store: Store, error: Exception) -> None:
    """Record a refused sweep, so that the last run shows that it removed nothing, and the type of the reason."""
    with suppress(*UNAVAILABLE), store.pool.connection() as conn:
        runs.record_run(conn, "sweep", seconds=0.0, problems=1, result={"error": type(error).__name__})


def sweep_images(store: Store, beat: Callable[[], None]) -> int:
    """Remove page images of unreadable content; returns their number. The cache is swept even when the content
    folder is not."""

    def find_readable(contents: Sequence[str]) -> set[str]:
        beat()
        with store.pool.connection() as conn:
            return {content for (content,) in conn.execute(READABLE, [list(contents)])}

    return store.page_images.sweep_images(find_readable, time.time())


def contents_in_log(store: Store, keys: Sequence[str]) -> set[str]:
    """The contents among `keys` that the log names."""
    with store.pool.connection() as conn:
        return {key for (key,) in conn.execute(REFERENCED, [list(keys)])}


EXPIRE = "select archive.expire_commands(make_interval(hours => %s))"
REFERENCED = "select content::text from archive.content where content = any(%s::uuid[])"
READABLE = """
    select c.content::text
    from archive.content as c
    where c.content = any(%s::uuid[]) and exists (
        select from keys.paper as p
        where p.paper = c.paper
    )
"""
