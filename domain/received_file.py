"""A received file: what was found in it, and its content at rest. A crash leaves an orphan content, never an event
without content."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol
from uuid import UUID

import msgspec

from domain.document_type import DocumentType
from domain.finding import Finding
from domain.ports import Contents, NothingAppended
from domain.refusals import FilePasswordProtected, FileTypeNotAllowed, Refusal, Unavailable
from domain.values import Content


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A received file and what paper/ found in it. `file` is read from its start."""

    file: BinaryIO
    name: str | None
    size_bytes: int
    sha256: bytes
    media_type: str
    pages: int | None
    preview: bool
    password_protected: bool
    flags: tuple[str, ...]


class Received(Protocol):
    """A received file, complete and hashed, not yet examined."""

    @property
    def name(self) -> str: ...

    @property
    def file(self) -> BinaryIO: ...

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> bytes: ...


def build_examined(received: Received, found: Finding) -> Examined:
    """A received file with its findings."""
    return Examined(
        file=received.file,
        name=received.name or None,
        size_bytes=received.size,
        sha256=received.sha256,
        media_type=found.media_type,
        pages=found.pages,
        preview=found.preview,
        password_protected=found.password_protected,
        flags=found.flags,
    )


class FileChanged(Exception):
    """The stored file differs from the examined one; the stored content is removed again."""


def refuse_content(document_type: DocumentType, file: Examined) -> None:
    """Raise a refusal if the type does not allow such a file."""
    if file.password_protected and not document_type.definition.password_protected_allowed:
        raise FilePasswordProtected
    allowed = document_type.definition.media_types
    if allowed and file.media_type not in allowed:
        raise FileTypeNotAllowed(found=file.media_type)


@contextmanager
def store_content(contents: Contents, content: UUID, paper: UUID, file: Examined) -> Iterator[Content]:
    """Store the file and yield it as content that the caller appends. Drops it when nothing was appended, except when
    the result of the commit is unknown: then the sweeper decides, a day later. Raises FileChanged."""
    stored = put_content(contents, content, paper, file)
    try:
        yield stored
    except Unavailable:
        raise  # the commit may have happened
    except (Refusal, NothingAppended):
        contents.drop(content)
        raise  # after any other error the result is unknown too


def put_content(contents: Contents, content: UUID, paper: UUID, file: Examined) -> Content:
    """Store the file as content. Raises FileChanged, which can happen to a file in another program's folder and
    never to a received one."""
    stored = contents.put(paper, content, file.file)
    if (stored.size_bytes, stored.sha256) != (file.size_bytes, file.sha256):
        contents.drop(content)
        raise FileChanged
    return Content(
        id=content,
        media_type=file.media_type,
        size_bytes=stored.size_bytes,
        sealed_size_bytes=stored.sealed_size_bytes,
        sealed_sha256=stored.sealed_sha256,
        pages=file.pages,
        preview=file.preview,
        password_protected=file.password_protected,
        flags=file.flags,
    )
