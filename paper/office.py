"""Office files: encryption and macros, read from their directories alone (zip_directories.py, compound_files.py)."""

import re
import struct

from domain.refusals import FileDamaged
from paper import compound_files, endings, zip_directories
from paper.content import Content

_MACRO_STORAGES = frozenset({"Macros", "_VBA_PROJECT", "_VBA_PROJECT_CUR", "VBA"})
_RTF_OBJECT = re.compile(rb"\\obj(?:data|update|autlink|ocx|emb|html)\b")
_WORD_ENCRYPTED = 0x0100
_EXCEL_FILE_PASS = 0x002F
_EXCEL_PEEK_BYTES = 8192


def examine(content: Content, media_type: str) -> tuple[bool, tuple[str, ...]]:
    """True if the file needs a password, and its flags. Raises FileDamaged, and FileTooManyPixels if it unpacks too
    large."""
    if content[:4] in zip_directories.SIGNATURES:
        return _examine_zip(content)
    if content[:8] == compound_files.SIGNATURE:
        return _examine_compound(content, media_type)
    if content[:5] == b"{\\rtf":
        endings.check_rtf(content)
        return False, ("active-content",) if _RTF_OBJECT.search(content) else ()
    if not compound_files.is_whole_word_2(content):
        raise FileDamaged()
    return False, ()


def _examine_zip(content: Content) -> tuple[bool, tuple[str, ...]]:
    entries = zip_directories.read_directory(content)
    manifests = [entry for entry in entries if entry.name == "META-INF/manifest.xml"]
    locked = any(entry.encrypted for entry in entries) or any(
        b"encryption-data" in zip_directories.peek(content, manifest) for manifest in manifests
    )
    return locked, tuple(sorted({flag for entry in entries for flag in _zip_flags(entry.name)}))


def _zip_flags(name: str) -> list[str]:
    folders = name.lower().split("/")
    flags = []
    if folders[-1] == "vbaproject.bin" or folders[0] in ("basic", "scripts"):
        flags.append("macros")
    if "embeddings" in folders:
        flags.append("attachments")
    if "activex" in folders:
        flags.append("active-content")
    return flags


def _examine_compound(content: Content, media_type: str) -> tuple[bool, tuple[str, ...]]:
    file = compound_files.parse(content)
    compound_files.check_streams(content, file)
    names = {stream.name for stream in file.streams}
    flags = set()
    if names & _MACRO_STORAGES:
        flags.add("macros")
    if any(name.startswith("__attach_version1.0_") for name in names) or "ObjectPool" in names:
        flags.add("attachments")
    return _is_locked(content, file, media_type), tuple(sorted(flags))


def _is_locked(content: Content, file: compound_files.CompoundFile, media_type: str) -> bool:
    if media_type == compound_files.DOC:
        header = compound_files.read(content, file, "WordDocument", 32)
        return len(header) > 12 and bool(struct.unpack_from("<H", header, 10)[0] & _WORD_ENCRYPTED)
    if media_type == compound_files.XLS:
        book = compound_files.read(content, file, "Workbook", _EXCEL_PEEK_BYTES)
        return _has_record(book or compound_files.read(content, file, "Book", _EXCEL_PEEK_BYTES), _EXCEL_FILE_PASS)
    return media_type == compound_files.LOCKED_OOXML


def _has_record(book: bytes, wanted: int) -> bool:
    at = 0
    while at + 4 <= len(book):
        kind, length = struct.unpack_from("<HH", book, at)
        if kind == wanted:
            return True
        at += 4 + length
    return False
