"""Examines incoming content: its type and whether it is complete. Pure; child.py calls it under limits."""

from domain.finding import Finding
from domain.limits import Limits
from paper import media_types, office, pdfs, pictures, texts
from paper.content import Content


def examine(content: Content, name: str, limits: Limits) -> Finding:
    """Detect the type by the content and decode it to its end. The name decides only between kinds of text.

    Raises FileEmpty, FileTypeNotAllowed, FileDamaged, and FileTooManyPixels for too many pixels, frames or pages or too
    much memory.
    """
    with pictures.refuse_failures():
        return _examine_as(content, media_types.detect(content, name), limits)


def _examine_as(content: Content, media_type: str, limits: Limits) -> Finding:
    pages: int | None = None
    locked, flags = False, tuple[str, ...]()
    if media_type == media_types.PDF:
        pages, locked, flags = pdfs.examine(content, limits)
    elif media_type in pictures.PICTURES:
        pages = pictures.examine(content, media_type, limits)
    elif media_type not in texts.TEXTS:
        locked, flags = office.examine(content, media_type)
    return Finding(
        media_type=media_type,
        pages=pages,
        preview=media_type in media_types.WITH_PREVIEW and not locked,
        password_protected=locked,
        flags=flags,
    )
