"""A content folder on a disk of the test's, marked as that of one archive."""

from pathlib import Path
from uuid import UUID

from store.content_directory import ContentDirectory, make_root
from store.marker import Marker

ARCHIVE = UUID("0199a000-0000-7000-8000-00000000a7c1")


def content_directory(root: Path, *, unnamed: bool | None = None) -> ContentDirectory:
    """Made, or opened where it was made before."""
    make_root(root, Marker(ARCHIVE))
    return opened_directory(root, unnamed=unnamed)


def opened_directory(root: Path, *, unnamed: bool | None = None) -> ContentDirectory:
    return ContentDirectory(root, lambda: ARCHIVE, unnamed=unnamed)
