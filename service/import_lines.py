"""Reads the source of `dossier import`: a CSV list, or a folder sorted by customer and type; import_run.py imports
it. A file is named by a path within the folder of the list: no list can make the import archive a file outside of
it."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from domain.file_name import displayable
from domain.importing import ImportLine
from domain.limits import Limits
from domain.refusals import ContentTooLarge, FieldError, Refusal
from domain.values import parse_customer_id, parse_date, parse_prose
from service.csv_lines import FileUnreadable, parse_records

HEADER = [
    "file",
    "customer",
    "type",
    "received_on",
    "note",
    "scan_code",
    "iban",
    "debtor_name",
    "mandate_reference",
    "signature_date",
    "external_id",
]
FURTHER = ["last_collection_on"]
COLUMNS = [*HEADER, *FURTHER]
MANIFEST = "manifest.csv"
NEEDED = ("customer", "type")
NAME_CHARACTERS_MAX = 70  # of a debtor, the limit of SEPA messages
EXTERNAL_ID_CHARACTERS_MAX = 200
NUMBER_CHARACTERS_MAX = 256

LineErrors = tuple[Refusal | FieldError, ...]
ParseCell = Callable[[str, str], Any]
"""Parses a text; the second argument is its field. Raises FieldError."""
Column = tuple[str, ParseCell]
"""Name, parser."""


class ListedFile(msgspec.Struct, frozen=True):
    """An open file of the list. `size` in bytes, `sha256` the 32 bytes of the digest."""

    name: str
    file: FileIO
    size: int
    sha256: bytes


class ListedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list, or a file of the folder. `place` names it for people, `texts` holds its fields in the
    order of COLUMNS, `read` is the progress after it (see Listing.size). `path` is the path of its file; `parsed` is
    without the file."""

    number: int
    place: str
    texts: Sequence[str]
    read: int
    parsed: ImportLine | LineErrors
    path: Path | None = None

    @property
    def row(self) -> dict[str, str]:
        """`texts` by column; empty for a line with a wrong number of fields."""
        return dict(zip(COLUMNS, self.texts, strict=False))


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """All lines in order. `root` is the folder of the files with links resolved; `size` is the `read` of the last
    line."""

    root: Path
    size: int
    lines: Iterator[ListedLine]


def listing_of(source: Path, limits: Limits) -> Listing:
    """Open a list or a folder. FileUnreadable is raised here, or by `lines` at the place that cannot be read."""
    source = source.resolve()
    manifest = source / MANIFEST if source.is_dir() else source
    if manifest.is_file():
        return Listing(root=manifest.parent, size=manifest.stat().st_size, lines=_iter_manifest(manifest, limits))
    files = _list_files(source)
    return Listing(root=source, size=len(files), lines=_iter_folder(source, files))


# -- a list in CSV ------------------------------------------------------------------------------------------------


def _iter_manifest(manifest: Path, limits: Limits) -> Iterator[ListedLine]:
    columns = _build_readers(limits)
    with manifest.open("rb") as file:
        for line in parse_records(file, HEADER, FURTHER):
            place = f"line {line.number}"
            if isinstance(line.fields, FieldError):
                yield ListedLine(number=line.number, place=place, texts=(), read=line.end, parsed=(line.fields,))
                continue
            texts = [field.strip() for field in line.fields]
            path = manifest.parent / texts[0].replace("\\", "/") if texts[0] else None
            parsed = _parse_line(texts[1:], columns)
            yield ListedLine(number=line.number, place=place, texts=texts, read=line.end, parsed=parsed, path=path)


def _build_readers(limits: Limits) -> list[Column]:
    """The parser of each column but `file`. Rules that depend on the type are checked in the domain."""
    number = _build_printable_reader(NUMBER_CHARACTERS_MAX)
    readers: dict[str, ParseCell] = {
        "customer": parse_customer_id,
        "type": number,
        "received_on": parse_date,
        "note": partial(parse_prose, characters_max=limits.note_characters_max),
        "scan_code": number,
        "iban": number,
        "debtor_name": _build_printable_reader(NAME_CHARACTERS_MAX),
        "mandate_reference": number,
        "signature_date": parse_date,
        "external_id": _build_printable_reader(EXTERNAL_ID_CHARACTERS_MAX),
        "last_collection_on": parse_date,
    }
    return [(name, readers[name]) for name in COLUMNS[1:]]


def _build_printable_reader(characters_max: int) -> ParseCell:
    def parse_printable(text: str, field: str) -> str:
        if len(text) > characters_max or not text.isprintable():
            raise FieldError(field, "must have at most {limit} printable characters", limit=characters_max)
        return text

    return parse_printable


def _parse_line(texts: Sequence[str], columns: Sequence[Column]) -> ImportLine | LineErrors:
    values: dict[str, Any] = {}
    wrong: list[FieldError] = []
    for text, (name, read) in zip(texts, columns, strict=True):
        try:
            if text:
                values[name] = read(text, name)
            elif name in NEEDED:
                wrong.append(FieldError(name, "is required"))
        except FieldError as error:
            wrong.append(error)
    return tuple(wrong) or ImportLine(**values)


# -- a folder CUSTOMER/TYPE/FILE ----------------------------------------------------------------------------------


def _list_files(root: Path) -> list[Path]:
    """Every file below the folder, relative to it, in the order of names; hidden ones are skipped."""
    found = [
        (Path(folder) / name).relative_to(root)
        for folder, folders, names in os.walk(root, onerror=_raise_unreadable)
        for name in names
    ]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


def _raise_unreadable(error: OSError) -> None:
    raise FileUnreadable(f"{error.filename} cannot be read: {error.strerror}")


def _iter_folder(root: Path, files: list[Path]) -> Iterator[ListedLine]:
    for number, path in enumerate(files, start=1):
        name = os.fsencode(path).decode(errors="backslashreplace")  # file names are bytes
        place = f"file {number} in {name.rpartition('/')[0] or '.'}"  # the file name could name a person
        folders = name.split("/")[:-1]
        if len(folders) == 2:
            texts, parsed = (name, *folders), _parse_folders(*folders)
        else:
            texts, parsed = (name,), (FieldError("file", "must be in CUSTOMER/TYPE/ of the folder"),)
        yield ListedLine(number=number, place=place, texts=texts, read=number, parsed=parsed, path=root / path)


def _parse_folders(customer: str, type_code: str) -> ImportLine | LineErrors:
    try:
        return ImportLine(customer=parse_customer_id(customer), type=type_code)
    except FieldError as error:
        return (error,)


# -- files --------------------------------------------------------------------------------------------------------


def open_line(listed: ListedLine, root: Path, limits: Limits, stack: ExitStack) -> ImportLine | LineErrors:
    """The line with its file, which stays open until `stack` closes it, or its errors."""
    if not isinstance(listed.parsed, ImportLine) or listed.path is None:
        return listed.parsed
    try:
        return msgspec.structs.replace(listed.parsed, file=_receive_file(listed.path, root, limits, stack))
    except (Refusal, FieldError) as error:
        return (error,)


def _receive_file(path: Path, root: Path, limits: Limits, stack: ExitStack) -> ListedFile:
    """Open a file and hash it in one pass; a file that is too large is refused before it is read."""
    name = displayable(path.name, "file", limits.file_name_characters_max)
    file = stack.enter_context(_open_file(path, root))
    size = os.fstat(file.fileno()).st_size
    if size > limits.upload_bytes_max:
        raise ContentTooLarge(limit_bytes=limits.upload_bytes_max)
    return ListedFile(name, file, size, hashlib.file_digest(file, "sha256").digest())


def _open_file(path: Path, root: Path) -> FileIO:
    """Open a regular file within `root`. Devices and pipes are refused because they block or have no end, links
    because they may lead out of the folder."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            raise FieldError("file", "must be within the folder of the list")
        file = FileIO(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "r")
    except (FileNotFoundError, NotADirectoryError):
        raise FieldError("file", "does not exist") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its path is not valid"
        raise FieldError("file", "cannot be opened: {reason}", reason=reason) from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FieldError("file", "is not a file")
    return file
