"""Pages on the disk of this machine, from the scan until the archive has acknowledged them.

    spool/JOB/job.json      the job, written before the first page
    spool/JOB/0001.jpg      the page
    spool/JOB/0001.json     its facts; written last, so a page counts when this file exists

Both files are flushed and renamed, and their folder flushed, in that order: a crash leaves a whole page or none. An
acknowledged page loses its picture and keeps its facts, so that its number is never reused. A job belongs to the one
process that scans it (lock.py); the station reads and deletes pages beside it.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from scanner.errors import DeviceFault, Fault
from scanner.profiles import PageMode, PageSource, Profile

_JOB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_JOB_FILE: Final = "job.json"


class SpoolJob(msgspec.Struct, frozen=True, kw_only=True):
    """The request to the device at the start of the job."""

    id: str
    device: str
    source: PageSource | None
    profile: Profile
    begun_at: datetime


class SpoolPage(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one page, counted from 1 in its job. `sha256` is of the JPEG, in hex."""

    number: int
    sha256: str
    size_bytes: int
    width_px: int
    height_px: int
    dpi: int
    mode: PageMode
    warnings: tuple[str, ...]
    scanned_at: datetime


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Spool:
    """The spool folder, created for its owner alone. Raises NO_ROOM where the disk is full, FAILED where it does not
    work."""

    def __init__(self, folder: Path) -> None:
        self._root = folder

    def begin_job(self, job: SpoolJob) -> None:
        """Create the job's folder. Durable on return. Idempotent: an existing job continues unchanged."""
        folder = self._folder_of(job.id)
        with _translate_disk_faults():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (folder / _JOB_FILE).exists():
                write_file(folder / _JOB_FILE, msgspec.json.encode(job))
                _flush_folder(self._root)

    def store_page(self, job_id: str, page: SpoolPage, data: bytes) -> Path:
        """Store a page. It is durable and listed on return. Raises INVALID when its number is used."""
        picture, facts = self.picture_path(job_id, page.number), self._facts_path(job_id, page.number)
        with _translate_disk_faults():
            if facts.exists():
                raise DeviceFault(Fault.INVALID, f"page {page.number} exists already")
            write_file(picture, data)
            write_file(facts, msgspec.json.encode(page))
        return picture

    def list_job_ids(self) -> list[str]:
        """The ids of all jobs that have a folder, including those whose creation or removal was interrupted."""
        return sorted(folder.name for folder in self._root.glob("*/") if _JOB_ID.fullmatch(folder.name))

    def is_begun(self, job_id: str) -> bool:
        """True if the job was begun and not dropped."""
        return (self._folder_of(job_id) / _JOB_FILE).exists()

    def iter_waiting(self, job_id: str) -> Iterator[SpoolPage]:
        """Yield the pages to be delivered, by number: stored, intact, not acknowledged. Each is read when it is
        reached."""
        return (page for _, page in self._check_pages(job_id) if page is not None)

    def list_pages(self, job_id: str) -> list[SpoolPage]:
        """All pages of iter_waiting()."""
        return list(self.iter_waiting(job_id))

    def list_damaged(self, job_id: str) -> list[int]:
        """Numbers of pages that a damaged disk has changed or cannot read. They are not delivered; the paper has to
        be scanned again."""
        return [number for number, page in self._check_pages(job_id) if page is None]

    def picture_path(self, job_id: str, number: int) -> Path:
        return self._folder_of(job_id) / f"{number:04d}.jpg"

    def forget_page(self, job_id: str, number: int) -> None:
        """Delete the picture; call it only after the archive has acknowledged the page. Durable on return."""
        with _translate_disk_faults():
            self.picture_path(job_id, number).unlink(missing_ok=True)
            _flush_folder(self._folder_of(job_id))

    def drop_job(self, job_id: str) -> None:
        """Delete the job and all its pages, after the archive has stored them or a person has cancelled them."""
        folder = self._folder_of(job_id)
        with _translate_disk_faults(), suppress(FileNotFoundError):
            # job.json first: a crash in the middle must not leave the job listed.
            (folder / _JOB_FILE).unlink(missing_ok=True)
            shutil.rmtree(folder)

    def _check_pages(self, job_id: str) -> Iterator[tuple[int, SpoolPage | None]]:
        """Yield every number that has a picture, with its page if the picture is the one that was stored."""
        for number in self._page_numbers(job_id):
            with suppress(FileNotFoundError):  # it was forgotten or dropped, perhaps at this moment
                yield number, self._load_page(job_id, number)

    def _load_page(self, job_id: str, number: int) -> SpoolPage | None:
        try:
            page = msgspec.json.decode(self._facts_path(job_id, number).read_bytes(), type=SpoolPage)
            data = self.picture_path(job_id, number).read_bytes()
        except FileNotFoundError:
            raise
        except (OSError, msgspec.DecodeError):
            return None
        return page if digest_of(data) == page.sha256 else None

    def _page_numbers(self, job_id: str) -> list[int]:
        return sorted(int(file.stem) for file in self._folder_of(job_id).glob("[0-9]*.json"))

    def _facts_path(self, job_id: str, number: int) -> Path:
        return self._folder_of(job_id) / f"{number:04d}.json"

    def _folder_of(self, job_id: str) -> Path:
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError(f"not the id of a job: {job_id!r}")
        return self._root / job_id


def write_file(path: Path, data: bytes) -> None:
    """Write a file atomically: it has this name and these bytes, or does not exist. Durable on return."""
    part = path.with_name(f"{path.name}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as writer:
        writer.write(data)
        writer.flush()
        os.fsync(file)
    part.rename(path)
    _flush_folder(path.parent)


def _flush_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _translate_disk_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fault = Fault.NO_ROOM if error.errno in _NO_ROOM else Fault.FAILED
        raise DeviceFault(fault, f"the spool: {error.strerror}") from error
