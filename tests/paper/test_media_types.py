"""Which type content is: told by its bytes, never by its name."""

import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from paper import media_types
from tests.paper import files

MADE = {
    "application/pdf": files.a_pdf(),
    "image/jpeg": files.a_jpeg(),
    "image/png": files.a_png(),
    "image/tiff": files.a_tiff(),
    "image/heic": files.a_heic(),
    "image/webp": files.a_film("WEBP", 1),
    "image/avif": files.a_film("AVIF", 1),
    "image/gif": files.a_film("GIF", 1),
    "image/bmp": files.saved(files.a_picture(), "BMP"),
    "text/rtf": rb"{\rtf1 a letter}",
    files.DOCX_MAIN.removesuffix(".main+xml"): files.a_docx(),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": files.a_docx(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    ),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": files.a_docx(
        "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    ),
    files.ODT: files.an_odt(),
    "application/vnd.oasis.opendocument.spreadsheet": files.an_odt("application/vnd.oasis.opendocument.spreadsheet"),
    "application/vnd.oasis.opendocument.presentation": files.an_odt("application/vnd.oasis.opendocument.presentation"),
    "application/msword": files.a_doc(),
    "application/vnd.ms-excel": files.an_xls(),
    "application/vnd.ms-outlook": files.an_ole({"__properties_version1.0": b""}),
    "application/encrypted": files.an_ole({"EncryptionInfo": b"", "EncryptedPackage": b""}),
}
MAIL = b"From: a@example.org\r\nSubject: my card\r\n\r\n<html>Good morning</html>\r\n"

REFUSED = {
    "HTML": b"<!DOCTYPE html>\n<html><body>hello</body></html>",
    "HTML after blanks": b"\n\n   <html>",
    "HTML under a line of text": b"hello\n<html><script>alert(1)</script>",
    "HTML in UTF-16": "<html>".encode("utf-16"),
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "XML": b"\xef\xbb\xbf<invoice>1</invoice>",
    "PHP": b"<?php phpinfo();",
    "script": b"#!/bin/sh\nrm -rf /\n",
    "EXE": b"MZ\x90\0\x03" + bytes(60) + b"PE\0\0",
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(60),
    "EICAR": files.eicar(),
    "gzip": b"\x1f\x8b\x08\0" + bytes(20),
    "bzip2": b"BZh91AY&SY" + bytes(20),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(20),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20),
    "PostScript": b"%!PS-Adobe-3.0\nshowpage",
    "film": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(20),
    "ZIP": files.a_zip({"letter.txt": b"hello"}),
    "empty ZIP": files.a_zip({}),
    "JAR": files.a_zip({"META-INF/MANIFEST.MF": b"Main-Class: A", "A.class": b""}),
    "e-book": files.an_odt("application/epub+zip"),
    "document with macros by type": files.a_docx("application/vnd.ms-word.document.macroEnabled.main+xml"),
    "other OLE": files.an_ole({"PowerPoint Document": b""}),
    "zeros": bytes(100),
}


@pytest.mark.parametrize("media_type", MADE)
@pytest.mark.parametrize("name", ["letter.pdf", "letter.txt", "letter", "letter.exe", ""])
def test_binary_types_are_told_by_their_bytes_whatever_the_name(media_type: str, name: str) -> None:
    assert media_types.detect(MADE[media_type], name) == media_type


def test_every_allowed_type_is_made_in_these_tests() -> None:
    assert set(MADE) | {"text/plain", "text/csv", "message/rfc822"} == set(media_types.ALLOWED)


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", ["letter.txt", "letter.csv", "letter"])
def test_other_kinds_are_refused_as_a_type(kind: str, name: str) -> None:
    with pytest.raises(refusals.FileTypeNotAllowed):
        media_types.detect(REFUSED[kind], name)


def test_nothing_is_no_file() -> None:
    with pytest.raises(refusals.FileEmpty):
        media_types.detect(b"", "letter.pdf")


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("note.txt", b"Good morning", "text/plain"),
        ("NOTE.TXT", b"Good morning", "text/plain"),
        ("note", b"Good morning", "text/plain"),
        ("list.csv", b"name;card\r\nJansen;1\r\n", "text/csv"),
        ("mail.eml", MAIL, "message/rfc822"),
        ("mail.eml", b"Good morning", "text/plain"),
        ("note.txt", b"From: a@example.org\r\n\r\nGood morning", "text/plain"),
    ],
)
def test_the_name_chooses_among_texts(name: str, data: bytes, media_type: str) -> None:
    assert media_types.detect(data, name) == media_type


@pytest.mark.parametrize("name", ["letter.docx", "letter.pdf", "letter.ps1", "letter.html", "letter.js"])
def test_a_text_under_another_name_is_refused_as_a_type(name: str) -> None:
    with pytest.raises(refusals.FileTypeNotAllowed):
        media_types.detect(b"Start-Process calc\r\n", name)


@pytest.mark.parametrize(
    "data",
    [
        "Käse für 3 €".encode(),
        "Käse für 3 €".encode("utf-8-sig"),
        "Käse für 3 €".encode("utf-16"),
        "Käse für 3 €".encode("utf-16-be"),
        "Käse für 3 €".encode("utf-16-le"),
        "Käse für 3 €".encode("utf-32"),
        "Käse für 3 €".encode("cp1252"),
        "Добрый день".encode("cp866"),
        "Добрый день 1".encode("utf-16-le"),
        "おはよう".encode("iso2022_jp"),
        "おはよう".encode("shift_jis"),
        b"a page\x0canother\r\n\ttabbed\x1a",
        b"BMW, a car; MZ, a prefix",
        b"< 18 years and > 65 years",
    ],
)
def test_texts_of_many_encodings_are_text(data: bytes) -> None:
    assert media_types.detect(data, "note.txt") == "text/plain"


@pytest.mark.parametrize("control", [b"\0", b"\x01", b"\x08", b"\x0e", b"\x1b", b"\x1f", b"\x7f", b"\x1a more"])
@pytest.mark.parametrize("before", [10, 5000, 2 * 1024 * 1024])
def test_control_characters_are_no_text_wherever_they_stand(control: bytes, before: int) -> None:
    with pytest.raises(refusals.FileTypeNotAllowed):
        media_types.detect(b"a" * before + control, "note.txt")


def test_a_long_text_is_read_across_pieces() -> None:
    assert media_types.detect("é".encode() * 1_500_001, "note.txt") == "text/plain"


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n\n", bytes(1019)])
def test_a_pdf_header_may_stand_in_the_first_1024_bytes(before: bytes) -> None:
    assert media_types.detect(before + files.a_pdf(), "letter.pdf") == "application/pdf"


@pytest.mark.parametrize("before", [bytes(1020), b"<html>", b"  <script>", b"#!/bin/sh\n", b"MZ\0", b"\x1f\x8b"])
def test_a_pdf_header_behind_something_else_is_no_pdf(before: bytes) -> None:
    with pytest.raises(refusals.Refusal):
        media_types.detect(before + files.a_pdf(), "letter.html")


def test_unknown_bytes_under_an_allowed_name_are_called_damaged() -> None:
    with pytest.raises(refusals.FileDamaged):
        media_types.detect(b"\x01\x02\x03", "letter.pdf")
    with pytest.raises(refusals.FileTypeNotAllowed):
        media_types.detect(b"\x01\x02\x03", "letter.xyz")


def test_an_office_file_without_its_end_is_damaged_and_any_other_archive_is_an_archive() -> None:
    with pytest.raises(refusals.FileDamaged):
        media_types.detect(files.a_docx()[:300], "letter.docx")
    with pytest.raises(refusals.FileTypeNotAllowed):
        media_types.detect(files.a_zip({"letter.txt": b"hello" * 100})[:40], "letter.docx")


def test_an_office_type_is_read_from_stored_entries_too() -> None:
    types = f'<Types><Override ContentType="{files.DOCX_MAIN}"/></Types>'.encode()
    stored = files.a_zip({"[Content_Types].xml": types}, zipfile.ZIP_STORED)
    assert media_types.detect(stored, "letter.docx") == files.DOCX_MAIN.removesuffix(".main+xml")


@given(data=st.binary(max_size=3000), name=st.text(max_size=20))
def test_any_bytes_give_a_type_or_a_refusal(data: bytes, name: str) -> None:
    assert type_or_refusal(data, name) in ANSWERS


@given(data=st.data())
def test_a_whole_file_with_some_bytes_changed_gives_a_type_or_a_refusal(data: st.DataObject) -> None:
    changed = bytearray(data.draw(st.sampled_from(sorted(MADE.values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(changed[: data.draw(st.integers(1, len(changed)))])
    assert type_or_refusal(kept, "letter.pdf") in ANSWERS


ANSWERS = {*media_types.ALLOWED, "file-empty", "file-type-not-allowed", "file-damaged", "file-too-many-pixels"}


def type_or_refusal(data: bytes, name: str) -> str:
    try:
        return media_types.detect(data, name)
    except refusals.Refusal as refusal:
        return refusal.slug
