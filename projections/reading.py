"""Parts that the queries of the views share: cursors, patterns, floors."""

import base64
import binascii
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed

Position = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
NOBODY = UUID(int=0)
"""The reference of a customer of whom nothing was archived: no row has it."""


DOCUMENTS, HISTORY = "customer_documents", "audit_history"
AUTHORIZATIONS, SCANS = "authorizations", "scan_sessions"
"""Names of views, for callers that state which view they read."""


class ViewBehind(Exception):
    """The view is behind the floor of its reader; no row was returned."""


class StaleTypes(Exception):
    """The catalogue is at `version`, newer than the reader's document types; no row was returned."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


class Floor(msgspec.Struct, frozen=True):
    """The minimum that a read must include: events up to `position`, and all earlier writes of `writer`.

    `types`: the version of the catalogue that the reader's rights come from; None skips that check.
    """

    position: int = 0
    writer: str | None = None
    types: int | None = None


NO_FLOOR = Floor()
# Selects a view's position, with the floor bound: null when the view is behind it; when the types are old, the negative
# version of the catalogue. It costs 10 µs of the server in each answer; a separate statement would cost 200 µs.
CHECKED_POSITION = """case
    when (select version from archive.catalogue) > %(known_types)s::bigint then -(select version from archive.catalogue)
    when t.position >= greatest(
        %(minimum)s::bigint,
        (select max(notification_id) from archive.archive_events where writer = %(writer)s)
    )
    then t.position
end"""


def require_position(position: int | None) -> int:
    """The position of the view. Raises ViewBehind or StaleTypes for the other values of CHECKED_POSITION."""
    if position is None:
        raise ViewBehind
    if position < 0:
        raise StaleTypes(-position)
    return position


# The rows of a view that hold now, and those that held at the position %(pinned)s.
OPEN = "{0}.to_position is null"
PINNED = "{0}.from_position <= %(pinned)s and ({0}.to_position is null or {0}.to_position > %(pinned)s)"


class Cursor(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The start of the next page: after `last`, in the view as it was at position `pinned` of the first page.

    In a list with another order than positions it is after the value `key` of the order `sort` first.
    """

    pinned: Position
    last: Position
    sort: str = ""
    key: str = ""


def write_cursor(pinned: int, last: int, sort: str = "", key: str = "") -> str:
    cursor = Cursor(pinned, last, sort, key)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The cursor in a text. Raises ValidationFailed for a text that write_cursor() did not make."""
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise unknown_cursor() from None


def unknown_cursor() -> ValidationFailed:
    return ValidationFailed(FieldError("cursor", N_("is not a cursor issued by this archive")))


def like_pattern(text: str) -> str:
    """A LIKE pattern for "contains", with the wildcards in the text escaped."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(maxsize=1_000)
def text_array(texts: tuple[str, ...]) -> str:
    """An array of codes in Postgres text form, cached: for a list the driver would examine each code at every query."""
    if any(set(text) & set('"\\') for text in texts):
        raise ValueError("a code of a type has neither quotes nor backslashes")
    return "{" + ",".join(f'"{text}"' for text in texts) + "}"
