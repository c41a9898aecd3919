"""Which image of a page: everything that determines its bytes, except the program that draws it."""

from uuid import UUID

import msgspec


class PageImage(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of page `page` (from 1) of a content, `width` pixels wide, turned by `degrees` clockwise. `sha256` is that
    of the plain content."""

    paper: UUID
    content: UUID
    sha256: bytes
    media_type: str
    page: int
    width: int
    degrees: int = 0
