"""Value types of more than one aggregate, parsed once at the edge and trusted behind it."""

import os
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed

REASON_CHARACTERS_MAX = 1000


class Source(StrEnum):
    """The three sources of the help page's "Import customer document" (`none` is No upload)."""

    SCAN = "scan"
    FILE = "file"
    NONE = "none"


class ScannerSource(StrEnum):
    """The paper source of a scanner. The flatbed asks for a Yes, the feeder does not."""

    FLATBED = "flatbed"
    FEEDER = "feeder"


class Kind(StrEnum):
    DOCUMENT = "document"
    AUTHORIZATION = "authorization"
    MANDATE = "mandate"


class Sensitivity(StrEnum):
    ORDINARY = "ordinary"
    FINANCIAL = "financial"
    IDENTITY = "identity"
    HEALTH = "health"


class TypeStamp(msgspec.Struct, frozen=True):
    """The document type as an event stores it, so that old rows keep the label of their day (edge case 20)."""

    code: str
    kind: Kind
    labels: dict[str, str]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The stored bytes of one content version. `sealed_*` describe the ciphertext at rest, `size_bytes` the plain
    bytes."""

    id: UUID
    media_type: str
    size_bytes: int
    sealed_size_bytes: int
    sealed_sha256: bytes
    pages: int | None = None
    preview: bool = False
    password_protected: bool = False
    flags: tuple[str, ...] = ()


# In a URL path . and .. are steps, so no customer could have them as an id.
CUSTOMER_ID = re.compile(r"(?!\.\.?\Z)[^\s/\\?#%\x00-\x1f\x7f]{1,64}")
BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
NO_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
TYPED_DAY = re.compile(r"([0-9]{1,2})[-./ ]([0-9]{1,2})[-./ ]([0-9]{4})")
NO_DAY = N_("must be a date like 2026-11-24")
# No invisible characters, so that no actor in a history can look like another.
UNSEEN = r"\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
ACTOR = re.compile(f"[^{UNSEEN}]{{1,80}}")


def parse_customer_id(text: str, field: str = "customer") -> str:
    """The library system's own id: 1 to 64 printable characters without blanks or any of / \\ ? # %."""
    if not CUSTOMER_ID.fullmatch(text):
        raise FieldError(field, N_("must be a customer number of 1 to 64 characters without blanks"))
    return text


def parse_branch_code(text: str, field: str = "branch") -> str:
    """A branch code; a branch needs no creation before its first use."""
    if not BRANCH.fullmatch(text):
        raise FieldError(field, N_("must be a branch code of 1 to 32 letters, digits, dots, dashes or underscores"))
    return text


def normalize_typed_day(text: str) -> str:
    """A day as staff type it, day first and with the whole year (3-12-2026, 3.12.2026, 3/12/2026), as YYYY-MM-DD.
    Returns other text unchanged; parse_date() refuses what is no day."""
    found = TYPED_DAY.fullmatch(text.strip())
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}" if found else text


def parse_date(text: str, field: str) -> date:
    """A date in the form YYYY-MM-DD; raises FieldError."""
    try:
        return date.fromisoformat(text if DAY.fullmatch(text) else "")
    except ValueError:
        raise FieldError(field, NO_DAY) from None


def parse_prose(text: str, field: str, *, characters_max: int) -> str:
    """Free text of people: any language, several lines, no control characters except line ends and tabs. Raises
    FieldError."""
    if len(text) > characters_max:
        raise FieldError(field, N_("must have at most {limit} characters"), limit=characters_max)
    if NO_PROSE.search(text):
        raise FieldError(field, N_("must not contain control characters"))
    return text


def reason_of(text: str, field: str = "reason") -> str:
    """The reason of a correction, which is required (G1 to G7). Raises FieldError."""
    if not text.strip():
        raise ValidationFailed(FieldError(field, N_("is required")))
    return parse_prose(text, field, characters_max=REASON_CHARACTERS_MAX)


MILLISECONDS = (1 << 48) - 1
RANDOM = 0xFFF << 64 | (1 << 62) - 1
VERSION_7 = 0x7 << 76 | 0x2 << 62  # with the variant


def uuid7(now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> UUID:
    """A time-ordered id of RFC 9562: 48 bits of milliseconds, 74 random bits."""
    number = (now_ms() & MILLISECONDS) << 80 | int.from_bytes(os.urandom(10)) & RANDOM | VERSION_7
    return msgspec.convert(number.to_bytes(16), UUID)  # UUID() checks in Python which of six forms it is given


def time_of(id_: UUID) -> datetime:
    """The time at which uuid7() made the id, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
