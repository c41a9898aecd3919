"""Removes the files of destroyed papers: their contents and page images. Each call continues where another one was
interrupted, from the list that the destroying append has written."""

from collections.abc import Callable

from domain.refusals import Unavailable
from service.beats import ignore_beat
from service.belonging import require_content_folder
from service.wiring import Store
from store import destroyed_contents
from store.clocks import load_times

BATCH = 500


def require_right_clock(store: Store) -> None:
    """Raise Unavailable unless this program and the database agree about the time: by a clock that is years ahead every
    retention would have ended."""
    now = store.archive().clock.now()
    with store.pool.connection() as conn:
        skew = load_times(conn, now).skew_seconds
    if abs(skew) > store.settings.limits.clock_tolerance_seconds:
        raise Unavailable


def remove_destroyed(store: Store, beat: Callable[[], None] = ignore_beat) -> int:
    """Remove what is left of destroyed papers; returns the number of contents. Each file is gone from the disk before
    it is noted. Raises StoreUnfit or OtherArchive, with nothing removed, for a content folder of another database."""
    with store.pool.connection() as conn:
        if not destroyed_contents.list_left(conn, 1):
            return 0
        require_content_folder(conn, store.settings.content_directory)
    removed = 0
    while count := _remove_batch(store, beat):
        removed += count
    return removed


def _remove_batch(store: Store, beat: Callable[[], None]) -> int:
    with store.pool.connection() as conn:
        left = destroyed_contents.list_left(conn, BATCH)
    for content in left:
        beat()
        store.directory.delete(str(content))
    if left:
        store.page_images.remove_images({str(content) for content in left})
        with store.pool.connection() as conn:
            destroyed_contents.note_removed(conn, left)
    return len(left)
