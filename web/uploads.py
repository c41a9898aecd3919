"""Receives a multipart form with at most one file into an unnamed temporary file; web/multipart.py splits the form.

No thread is held while it waits for bytes. The file has no name on disk, so a crash leaves nothing behind.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from domain.file_name import UNNAMED, displayable
from domain.limits import Limits
from domain.promises import require_value
from domain.refusals import (
    N_,
    ContentTooLarge,
    FieldError,
    InsufficientStorage,
    LengthRequired,
    ValidationFailed,
)
from web.multipart import Part, Splitter, boundary_of
from web.pointers import in_form
from web.threads import finish_in_thread

FIELD_BYTES_MAX = 32 * 1024
# Up to this much is hashed and written on the event loop, which takes less than a millisecond; more in a thread.
PIECE_BYTES = 1024 * 1024
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class ReceivedFile:
    """The bytes of an upload in an unnamed temporary file, open until the form's context ends.

    `size` is in bytes, `sha256` has 32 bytes, `file` is positioned at its beginning. A thread that reads the file must
    end before the context does.
    """

    def __init__(self, name: str, file: FileIO) -> None:
        self.name, self.file = name, file
        self.size = 0
        self.sha256 = b""

    @property
    def fd(self) -> int:
        return self.file.fileno()


class UploadForm:
    """The fields of a form by name, and its file if one was chosen."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.file: ReceivedFile | None = None


@asynccontextmanager
async def receive_form(
    req: Any, *, fields: Collection[str], limits: Limits, tmp: Path, file: str = "file"
) -> AsyncIterator[UploadForm]:
    """Receives the whole form, its parts in any order; the file part is named by `file`, all others are in `fields`.

    Refuses (and closes the file) on another media type, a missing or invalid boundary, an end before the last boundary,
    a part that is unknown (/form/NAME) or sent twice, text that is not UTF-8, a file over the limit, too little space
    on disk. An empty file has size 0; a form in which no file was chosen has None.
    """
    if req.content_length is None:
        raise LengthRequired
    boundary = boundary_of(req.content_type)
    require_room(tmp, req.content_length, limits)
    small = req.content_length <= PIECE_BYTES
    reception = Reception(fields=frozenset(fields), file_part=file, limits=limits, tmp=None if small else tmp)
    try:
        await reception.take(req.stream, boundary)
        yield reception.form
    finally:
        reception.close()


@asynccontextmanager
async def receive_file(req: Any, *, limits: Limits, tmp: Path) -> AsyncIterator[ReceivedFile]:
    """Receives the whole body as one file. Refuses as receive_form does."""
    if req.content_length is None:
        raise LengthRequired
    require_room(tmp, req.content_length, limits)
    small = req.content_length <= PIECE_BYTES
    reception = Reception(fields=frozenset(), file_part="file", limits=limits, tmp=None if small else tmp)
    try:
        yield await reception.take_body(req.stream)
    finally:
        reception.close()


def require_room(tmp: Path, size_bytes: int, limits: Limits) -> None:
    """Raises InsufficientStorage if a body of this size would leave less than the minimum of free disk space."""
    if free_bytes(tmp) < size_bytes + limits.disk_free_bytes_min:
        raise InsufficientStorage


def free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Reception:
    """The state of a form while it is received."""

    def __init__(self, *, fields: frozenset[str], file_part: str, limits: Limits, tmp: Path | None) -> None:
        self.form = UploadForm()
        self.known, self.file_part, self.limits, self.tmp = fields, file_part, limits, tmp
        self.seen: set[str] = set()
        self.part = ""
        self.text = bytearray()
        self.pieces: list[bytes] = []
        self.held_bytes = 0
        self.digest = hashlib.sha256()
        self.open: FileIO | None = None

    async def take(self, stream: AsyncIterable[bytes], boundary: bytes) -> None:
        splitter = Splitter(boundary)
        async for data in stream:
            for event in splitter.feed(data):
                if isinstance(event, Part):
                    self.begin(event)
                else:
                    self.content(event)
            if self.held_bytes >= PIECE_BYTES:
                await finish_in_thread(self.flush)
        splitter.finish()
        self.finish()

    async def take_body(self, stream: AsyncIterable[bytes]) -> ReceivedFile:
        self.part = self.file_part
        self.begin_file(UNNAMED)
        async for data in stream:
            self.file_content(data)
            if self.held_bytes >= PIECE_BYTES:
                await finish_in_thread(self.flush)
        self.finish()
        return require_value(self.form.file, "begin_file() sets it for a name that is not empty")

    def begin(self, part: Part) -> None:
        self.end_text()
        if part.name in self.seen:
            raise field_refused(part.name, N_("was sent more than once"))
        if part.name != self.file_part and part.name not in self.known:
            raise field_refused(part.name, N_("is not a field of this form"))
        self.seen.add(part.name)
        self.part = part.name
        if part.name == self.file_part:
            self.begin_file(part.file_name)

    def begin_file(self, file_name: str | None) -> None:
        """Opens the file, unless its name is empty: so a browser sends a file field in which nothing was chosen."""
        if file_name is None:
            raise field_refused(self.file_part, N_("must be sent as a file, with a file name"))
        if file_name:
            with disk_full_refused():
                self.open = open_unnamed(self.tmp)
            name = displayable(file_name, in_form(self.file_part), self.limits.file_name_characters_max)
            self.form.file = ReceivedFile(name, self.open)

    def content(self, data: bytes) -> None:
        if self.part == self.file_part:
            self.file_content(data)
        elif len(self.text) + len(data) > FIELD_BYTES_MAX:
            raise field_refused(self.part, N_("is too long"))
        else:
            self.text += data

    def file_content(self, data: bytes) -> None:
        if self.form.file is None:
            raise field_refused(self.file_part, N_("must be sent as a file, with a file name"))
        self.form.file.size += len(data)
        if self.form.file.size > self.limits.upload_bytes_max:
            raise ContentTooLarge(limit_bytes=self.limits.upload_bytes_max)
        self.pieces.append(data)
        self.held_bytes += len(data)

    def end_text(self) -> None:
        if self.part and self.part != self.file_part:
            self.form.fields[self.part] = text_of_field(self.part, bytes(self.text))
        self.text.clear()

    def flush(self) -> None:
        """Hashes and writes the pieces that are held, and drops them. Both release the GIL, so a thread helps."""
        data = b"".join(self.pieces)
        self.pieces.clear()
        self.held_bytes = 0
        self.digest.update(data)
        if self.open is not None:
            with disk_full_refused():
                write_all(self.open, data)

    def finish(self) -> None:
        self.end_text()
        self.flush()
        if self.form.file is not None:
            self.form.file.sha256 = self.digest.digest()
            self.form.file.file.seek(0)

    def close(self) -> None:
        if self.open is not None:
            self.open.close()


def open_unnamed(folder: Path | None) -> FileIO:
    """A file without a name, in memory if `folder` is None. Creating one on disk takes about a millisecond, because it
    waits for fsyncs of other files."""
    if folder is None:
        return FileIO(os.memfd_create("upload"), "r+b")
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


@contextmanager
def disk_full_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise InsufficientStorage from error
        raise


def field_refused(part: str, detail: str) -> ValidationFailed:
    return ValidationFailed(FieldError(in_form(part), detail))


def text_of_field(part: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise field_refused(part, N_("must be UTF-8")) from None
    if "\0" in text:
        raise field_refused(part, N_("must not contain control characters"))
    return text
