"""A multipart form with at most one file, taken in to a temporary file without a name; web/multipart.py cuts it.

While bytes are awaited no thread is held; nothing has a name on disk, so nothing is left behind however it ends.
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
from web.threads import finish_in_thread

FIELD_BYTES_MAX = 32 * 1024
# Written and hashed at once: up to this much on the event loop (under a millisecond), more in a thread.
PIECE_BYTES = 1024 * 1024
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class ReceivedFile:
    """The plain bytes of an upload in a temporary file without a name, open until the form is left.

    `size` in bytes, `sha256` the 32 bytes of the digest, `file` at its beginning. A thread that reads it must have
    ended before the form is left.
    """

    def __init__(self, name: str, file: FileIO) -> None:
        self.name, self.file = name, file
        self.size = 0
        self.sha256 = b""

    @property
    def fd(self) -> int:
        return self.file.fileno()


class UploadForm:
    """What was sent: the fields by name, and the file if one was chosen."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.file: ReceivedFile | None = None


@asynccontextmanager
async def receive_form(
    req: Any, *, fields: Collection[str], limits: Limits, tmp: Path, file: str = "file"
) -> AsyncIterator[UploadForm]:
    """Take the whole form, its parts in any order; the file part is called `file`, all others must be in `fields`.

    Refuses (and closes the file) on: another media type, no or a wrong boundary, an end before the last boundary, a
    part unknown (/form/NAME) or sent twice, text that is not UTF-8, a file over the limit, too little room on disk.
    An empty file is given out with size 0; a form sent with no file chosen has none.
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
    """Take the whole body as one file. Refuses as receive_form does."""
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
    """Refuse before the first byte what would bring the disk under its floor."""
    if free_bytes(tmp) < size_bytes + limits.disk_free_bytes_min:
        raise InsufficientStorage


def free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Reception:
    """A form on its way in."""

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
        return require_value(self.form.file, "begin_file() made it")

    def begin(self, part: Part) -> None:
        self.end_text()
        if part.name in self.seen:
            raise field_refused(part.name, N_("stands twice"))
        if part.name != self.file_part and part.name not in self.known:
            raise field_refused(part.name, N_("is not a field of this form"))
        self.seen.add(part.name)
        self.part = part.name
        if part.name == self.file_part:
            self.begin_file(part.file_name)

    def begin_file(self, file_name: str | None) -> None:
        """A browser sends a file field with nothing chosen as an empty part with an empty name."""
        if file_name is None:
            raise field_refused(self.file_part, N_("must be sent as a file, with a file name"))
        if file_name:
            with disk_full_refused():
                self.open = open_unnamed(self.tmp)
            name = displayable(file_name, f"/form/{self.file_part}", self.limits.file_name_characters_max)
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
        """Hash and write what is held. In a thread both let others run; afterwards nothing is held."""
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
    """A file without a name, in memory without a folder: making one on disk waits for others' fsyncs, a millisecond."""
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
    return ValidationFailed(FieldError("/form/" + part.replace("~", "~0").replace("/", "~1"), detail))


def text_of_field(part: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise field_refused(part, N_("must be UTF-8")) from None
    if "\0" in text:
        raise field_refused(part, N_("must not contain control characters"))
    return text
