"""Tracks the images of open scan sessions event by event; verify.py reads the log, verify_contents.py the images. An
open session releases images (replaced, removed, archived), an ended one all of them and its key. So an image is known
to be missing only after the whole log was read. Memory holds the images of sessions that are open at the same time."""

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
from projections.view import DESTROYING
from service.verify_contents import NamedContent
from store.keys import INTAKE

NOBODY = UUID(int=0)


class OpenScans:
    """Tracks the images that open sessions hold. `intake` is the owner of sessions; a nil UUID where there never was
    one, or where it is gone."""

    def __init__(self, intake: UUID) -> None:
        self._held: dict[UUID, dict[UUID, NamedContent]] = {}
        self.intake = intake

    def apply_event(self, session: UUID, event: ScanEvent, image: NamedContent | None) -> None:
        """Apply an event of a session; `image` is the content that the event names."""
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
        """Yield the images that must still exist."""
        return (image for held in self._held.values() for image in held.values())


def _drop_images(held: dict[UUID, NamedContent], gone: Iterable[UUID]) -> None:
    for content in gone:
        held.pop(content, None)


def may_be_gone_since(conn: psycopg.Connection[Any], image: NamedContent, position: int) -> bool:
    """True if the content may have been released since: its session has events after this position, or its paper was
    destroyed after it."""
    topics = [kind.topic for kind in DESTROYING]
    row = conn.execute(CHANGED, [image.paper, position, topics, image.paper]).fetchone()
    return row is not None


def intake_of(conn: psycopg.Connection[Any]) -> UUID:
    row = conn.execute("select reference from keys.customer where customer_id = %s", [INTAKE]).fetchone()
    return row[0] if row else NOBODY


CHANGED = """
    select from archive.archive_events as e
    where e.originator_id = %s and e.notification_id > %s and (
        e.topic = any(%s)
        or exists (
            select from archive.archive_events as s
            where s.originator_id = %s and s.originator_version = 1 and s.topic = 'scan-started.v1'
        )
    )
    limit 1
"""
