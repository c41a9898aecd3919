"""Lists of another system: lines with usual values, numbers that hold, and files that came with them."""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, BinaryIO

import msgspec

from domain.importing import ImportLine
from domain.received_file import Examined, Received
from domain.scan_code import luhn, mod11
from service.import_lines import HEADER
from tests.builders.papers import an_iban, an_upload


class GivenFile(msgspec.Struct, frozen=True):
    """What a line names, open and hashed."""

    name: str
    file: BinaryIO
    size: int
    sha256: bytes


def a_given_file(plain: bytes, name: str = "scan.pdf") -> GivenFile:
    return GivenFile(name, io.BytesIO(plain), len(plain), hashlib.sha256(plain).digest())


def examine(files: Sequence[Received]) -> list[Examined]:
    """All are PDFs of two pages."""
    return [an_upload(plain_of(file), name=file.name) for file in files]


def plain_of(file: Received) -> bytes:
    file.file.seek(0)
    return file.file.read()


def a_line(**changes: Any) -> ImportLine:
    """A guardian's consent of customer 100234, without a file."""
    return ImportLine(**{"customer": "100234", "type": "GUARDIAN_CONSENT", **changes})


def a_mandate_line(**changes: Any) -> ImportLine:
    usual = {"iban": an_iban("INGB"), "debtor_name": "J. Peeters", "signature_date": date(2026, 3, 1)}
    return a_line(**{"type": "DEBT_AUTHORIZATION", **usual, **changes})


def a_file_line(plain: bytes, **changes: Any) -> ImportLine:
    return a_line(**{"type": "LETTER", "file": a_given_file(plain), **changes})


def a_list(rows: Iterable[Mapping[str, str]]) -> str:
    """A list as its file; columns that a row does not name are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def a_luhn_code(number: int) -> str:
    return next(code for digit in range(10) if luhn(code := f"{number:09d}{digit}") == 0)


def a_mod11_code(number: int) -> str:
    return next(code for digit in "0123456789X" if mod11(code := f"{number:08d}{digit}") == 0)
