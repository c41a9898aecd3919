"""What a desk hands in: document types, files, orders, callers. Usual values; a test names what differs."""

import hashlib
import io
from datetime import date
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from domain.archive import ArchiveFile, Caller, Examined, IssueForm, NoteAuthorization, SeenPaper
from domain.catalogue import SHIPPED
from domain.document_type import DocumentType
from domain.iban import mod97
from domain.mandate import Mandate
from domain.values import Content

PDF = b"%PDF-1.7 a letter of two pages"
IBAN = "BE68539007547034"
CREDITOR = "DE98ZZZ09999999999"


def an_iban(bank: str, account: int = 1) -> str:
    """An account at a Dutch bank, whose code has four letters."""
    number = f"{bank}{account:010d}"
    return f"NL{98 - mod97(number + 'NL00'):02d}{number}"


def a_document_type(code: str = "LETTER", *, version: int = 1, **changes: Any) -> DocumentType:
    """The shipped type of this code, changed where a test says so."""
    return DocumentType(code, replace(SHIPPED[code], **changes), version)


def a_content(**changes: Any) -> Content:
    usual: dict[str, Any] = {
        "id": UUID("0193f3a0-0000-7000-8000-00000000c001"),
        "media_type": "application/pdf",
        "size_bytes": len(PDF),
        "sealed_size_bytes": len(PDF) + 28,
        "sealed_sha256": hashlib.sha256(b"sealed").digest(),
        "pages": 2,
        "preview": True,
    }
    return Content(**usual | changes)


def an_upload(plain: bytes = PDF, **changes: Any) -> Examined:
    """A file that was received and examined; `file` stands at its end, as reading leaves it."""
    file = io.BytesIO(plain)
    file.seek(0, io.SEEK_END)
    usual: dict[str, Any] = {
        "file": file,
        "name": "letter.pdf",
        "size_bytes": len(plain),
        "sha256": hashlib.sha256(plain).digest(),
        "media_type": "application/pdf",
        "pages": 2,
        "preview": True,
        "password_protected": False,
        "flags": (),
    }
    return Examined(**usual | changes)


def an_order(**changes: Any) -> ArchiveFile:
    """Select file: a letter of customer 100234."""
    return ArchiveFile(**{"customer": "100234", "type": "LETTER", **changes})


def a_note(**changes: Any) -> NoteAuthorization:
    """No upload: a guardian's consent whose original is kept."""
    usual: dict[str, Any] = {
        "customer": "100234",
        "type": "GUARDIAN_CONSENT",
        "original_held": True,
        "shelf_mark": "B 12",
    }
    return NoteAuthorization(**usual | changes)


def a_form(**changes: Any) -> IssueForm:
    """Issue: a guardian's consent in Dutch."""
    return IssueForm(**{"customer": "100234", "type": "GUARDIAN_CONSENT", "language": "nl", **changes})


def a_mandate_form(**changes: Any) -> IssueForm:
    """Issue: a debt authorization, its collection data printed; signed it is later."""
    return a_form(**{"type": "DEBT_AUTHORIZATION", "mandate": a_mandate(signature_date=None), **changes})


def a_mandate(**changes: Any) -> Mandate:
    usual: dict[str, Any] = {"debtor_name": "J. Peeters", "iban": IBAN, "signature_date": date(2026, 11, 20)}
    return Mandate(**usual | changes)


def a_mandate_note(**changes: Any) -> NoteAuthorization:
    return a_note(**{"type": "DEBT_AUTHORIZATION", "mandate": a_mandate(), **changes})


def a_verification(**changes: Any) -> SeenPaper:
    usual: dict[str, Any] = {"paper": "passport", "number_suffix": "X41", "seen_on": date(2026, 11, 24)}
    return SeenPaper(**usual | changes)


def a_seen_note(**changes: Any) -> NoteAuthorization:
    """No upload of what is verified and not kept: a passport that was seen."""
    usual = {"type": "IDENTIFICATION", "verification": a_verification(), "original_held": False, "shelf_mark": None}
    return a_note(**usual | changes)


def a_caller(**changes: Any) -> Caller:
    usual: dict[str, Any] = {"actor": "j.smit", "branch": "CENTRAL", "correlation_id": UUID(int=7)}
    return Caller(**usual | changes)
