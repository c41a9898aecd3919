"""What scan sessions hold, taken in event by event; verify.py reads the log, verify_contents.py the images.

A session gives images up while it goes on (replaced, removed, archived) and all of them at its end, key included. So an
image can be missed only when the whole log was read. In memory are the images of sessions that are open at once.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import psycopg

from domain.promises import require_value
from domain.scan_session import (
    PageCaptured,
    PagesArchived,
    PagesArranged,
    ScanCancelled,
    ScanClosed,
    ScanEvent,
)
from service.verify_contents import NamedContent
from store.keys import INTAKE

NOBODY = UUID(int=0)


class OpenScans:
    """`intake` is whom sessions belong to; nobody where there never was one, or where it is gone."""

    def __init__(self, intake: UUID) -> None:
        self._held: dict[UUID, dict[UUID, NamedContent]] = {}
        self.intake = intake

    def apply_event(self, session: UUID, event: ScanEvent, image: NamedContent | None) -> None:
        """`image` is what the event names."""
        held = self._held.setdefault(session, {})
        match event:
            case PageCaptured(replaced=replaced):
                image = require_value(image, "a page has a content")
                held[image.id] = image
                _drop_images(held, [replaced] if replaced else [])
            case PagesArranged(pages=pages):
                _drop_images(held, held.keys() - {page.content for page in pages})
            case PagesArchived(pages=gone):
                _drop_images(held, gone)
            case ScanCancelled() | ScanClosed():
                del self._held[session]

    def list_images(self) -> Iterator[NamedContent]:
        """Those that must be there still."""
        return (image for held in self._held.values() for image in held.values())


def _drop_images(held: dict[UUID, NamedContent], gone: Iterable[UUID]) -> None:
    for content in gone:
        held.pop(content, None)


def may_be_gone_since(conn: psycopg.Connection[Any], image: NamedContent, position: int) -> bool:
    """Whether it may have gone since: its session got events behind this position."""
    row = conn.execute(CHANGED, [image.paper, position, image.paper]).fetchone()
    return row is not None


def intake_of(conn: psycopg.Connection[Any]) -> UUID:
    row = conn.execute("select reference from keys.customer where customer_id = %s", [INTAKE]).fetchone()
    return row[0] if row else NOBODY


CHANGED = """
    select from archive.archive_events as e
    where e.originator_id = %s and e.notification_id > %s and exists (
        select from archive.archive_events as s
        where s.originator_id = %s and s.originator_version = 1 and s.topic = 'scan-started.v1'
    )
    limit 1
"""
