"""Contents of destroyed papers whose files are still to be removed. archive.let_go() lists them in the append that
destroys the paper; service/removal.py removes the files."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection


def list_left(conn: Connection[Any], limit: int) -> list[UUID]:
    """Up to `limit` contents of destroyed papers whose files were not noted as removed."""
    return [content for (content,) in conn.execute(LEFT, [limit])]


def note_removed(conn: Connection[Any], contents: Sequence[UUID]) -> None:
    """Record that the files of these contents are gone. Durable on return. Idempotent."""
    conn.execute(NOTE, [list(contents)])


LEFT = "select content from archive.destroyed_content where removed_at is null order by content limit %s"
NOTE = "select archive.note_removed(%s::uuid[])"
