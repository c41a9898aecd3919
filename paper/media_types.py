"""The allow-list, and detection of the media type by the bytes alone. checks.py then reads the content to its end.

The name of a file decides only the kind of a text (txt, csv or eml) and the wording of a refusal.
"""

import re
from types import MappingProxyType
from typing import Final

from domain.refusals import FileDamaged, FileEmpty, FileTypeNotAllowed
from paper import compound_files, texts, zip_directories
from paper.content import Content

PDF: Final = "application/pdf"
JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
TIFF: Final = "image/tiff"
HEIC: Final = "image/heic"
WEBP: Final = "image/webp"
AVIF: Final = "image/avif"
GIF: Final = "image/gif"
BMP: Final = "image/bmp"
RTF: Final = "text/rtf"

ALLOWED: Final = MappingProxyType(
    {
        PDF: ("pdf",),
        JPEG: ("jpg", "jpeg"),
        PNG: ("png",),
        TIFF: ("tif", "tiff"),
        HEIC: ("heic", "heif"),
        WEBP: ("webp",),
        AVIF: ("avif", "avifs"),
        GIF: ("gif",),
        BMP: ("bmp",),
        zip_directories.DOCX: ("docx",),
        zip_directories.XLSX: ("xlsx",),
        zip_directories.PPTX: ("pptx",),
        zip_directories.ODT: ("odt",),
        zip_directories.ODS: ("ods",),
        zip_directories.ODP: ("odp",),
        compound_files.DOC: ("doc",),
        compound_files.XLS: ("xls",),
        compound_files.MSG: ("msg",),
        compound_files.LOCKED_OOXML: (),
        RTF: ("rtf",),
        texts.EML: ("eml",),
        texts.CSV: ("csv",),
        texts.TXT: ("txt",),
    }
)
"""Every accepted media type with its usual name endings."""

WITH_PREVIEW: Final = frozenset({PDF, JPEG, PNG, TIFF, HEIC, WEBP, AVIF, GIF, BMP})
"""Media types that can be drawn as page images."""

_BINARY_ENDINGS = frozenset(
    ending for media_type, endings in ALLOWED.items() if media_type not in texts.TEXTS for ending in endings
)
_HEAD_BYTES = 1024
_PDF_HEADER = b"%PDF-"

_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), JPEG),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TIFF),
    (re.compile(rb"RIFF....WEBP", re.S), WEBP),
    (re.compile(rb"GIF8[79]a"), GIF),
    (re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.S), BMP),
    (re.compile(rb"\{\\rtf"), RTF),
    (re.compile(rb"\xdb\xa5-\0|1\xbe\0\0|\xfe7\0[\x1c#]"), compound_files.DOC),
    (re.compile(rb"\x09[\0\x02\x04][\x04\x06]\0..[\x10\x20\x40\0][\0\x01]", re.S), compound_files.XLS),
)
"""Allowed types with a signature in their first bytes; the last two are Word and Excel before OLE."""

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_REFUSED = (
    (re.compile(rb"MZ.{0,62}\0", re.S), "EXE"),
    (re.compile(rb"\x7fELF|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|\xfe\xed\xfa[\xce\xcf]|\0asm"), "EXE"),
    (re.compile(rb"X5O!P%@AP\[4"), "COM"),
    (re.compile(rb"#!"), "script"),
    (re.compile(rb"L\0\0\0\x01\x14\x02\0"), "LNK"),
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"BZh[1-9]1AY&SY"), "bzip2"),
    (re.compile(rb"\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|MSCF\0"), "archive"),
    (re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), "JPEG 2000"),
    (re.compile(rb"8BPS\0"), "PSD"),
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "PostScript"),
)
"""Refused whatever follows, even a PDF header: a file of two types is treated as the more dangerous one."""


def detect(content: Content, name: str) -> str:
    """Media type of the content, one of ALLOWED. `name` decides only between kinds of text.

    Raises FileEmpty, FileTypeNotAllowed, and FileDamaged for content with a known start and a broken inside.
    """
    if not len(content):
        raise FileEmpty()
    head = content[:_HEAD_BYTES]
    return (
        _by_signature(head)
        or _by_container(content, head)
        or _by_pdf_header(head)
        or texts.detect(content, name_ending(name))
        or _refuse_unknown(name)
    )


def name_ending(name: str) -> str:
    """The lower-case part of a file name after its last full stop; empty without one."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def _by_signature(head: bytes) -> str | None:
    for signature, media_type in _SIGNATURES:
        if signature.match(head):
            return media_type
    for signature, found in _REFUSED:
        if signature.match(head):
            raise FileTypeNotAllowed(found=found)
    return None


def _by_container(content: Content, head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _by_brands(head)
    if head.startswith(zip_directories.SIGNATURES):
        return zip_directories.media_type(content)
    if head.startswith(compound_files.SIGNATURE):
        return compound_files.media_type(content)
    return None


def _by_brands(head: bytes) -> str:
    """ISO base media: brands that name a picture codec decide, else those of the container. Films are refused."""
    box = head[: int.from_bytes(head[:4], "big")]
    brands = [box[8:12], *(box[at : at + 4] for at in range(16, len(box) - 3, 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return AVIF
        if brand in _HEIC_BRANDS:
            return HEIC
    if brands[0] in _HEIF_BRANDS:
        return HEIC
    raise FileTypeNotAllowed(found=brands[0].decode("ascii", "replace"))


def _by_pdf_header(head: bytes) -> str | None:
    """PDF if the header is in the first 1,024 bytes, as readers accept it (PDF 2.0, Annex). A page of markup stays
    markup."""
    return PDF if _PDF_HEADER in head and not texts.is_markup(head) else None


def _refuse_unknown(name: str) -> str:
    """Refuse content of no known type: FileDamaged where the name promises an allowed type, else FileTypeNotAllowed."""
    if name_ending(name) in _BINARY_ENDINGS:
        raise FileDamaged()
    raise FileTypeNotAllowed(found="?")
