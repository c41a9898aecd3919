"""The identity of the database: the archive's id, its newest event and contents. service/belonging.py compares it."""

from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from store.keys import Connections
from store.marker import MarkedEvent

NEWEST_CONTENTS = 16


class ArchiveIdentity(msgspec.Struct, frozen=True):
    """The archive's id. `content_marked`: the content folder has received its marker."""

    id: UUID
    content_marked: bool


class ArchiveId:
    """The id of the archive, `known` or queried once. Thread-safe."""

    def __init__(self, pool: Connections, known: UUID | None = None) -> None:
        self._pool, self._known = pool, known

    def __call__(self) -> UUID:
        if self._known is None:
            with self._pool.connection() as conn:
                self._known = load_identity(conn).id
        return self._known


def load_identity(conn: Connection[Any]) -> ArchiveIdentity:
    """The identity in the database. Raises LookupError when its row is missing."""
    row = conn.execute(IDENTITY).fetchone()
    if row is None:
        raise LookupError("the database has no row in archive.identity")
    return ArchiveIdentity(*row)


def note_content_marked(conn: Connection[Any]) -> None:
    """Record that the content folder has received its marker."""
    conn.execute("update archive.identity set content_marked = true")


def newest_event(conn: Connection[Any]) -> MarkedEvent | None:
    """The newest event; None in an empty log."""
    row = conn.execute(NEWEST).fetchone()
    return MarkedEvent(*row) if row else None


def has_event(conn: Connection[Any], event: MarkedEvent) -> bool:
    """True if the log has this very event at this position."""
    return conn.execute(HAS_EVENT, [event.position, event.leaf]).fetchone() is not None


def newest_contents(conn: Connection[Any]) -> list[str]:
    """The keys of the newest contents that the log names; ids rise with time."""
    return [key for (key,) in conn.execute(CONTENTS, [NEWEST_CONTENTS])]


IDENTITY = "select id, content_marked from archive.identity"
NEWEST = """
    select notification_id, leaf
    from archive.archive_events
    order by notification_id desc
    limit 1
"""
HAS_EVENT = "select true from archive.archive_events where notification_id = %s and leaf = %s"
CONTENTS = "select content::text from archive.content order by content desc limit %s"
