"""The printed form: one page of A4 that people read and sign, and whose code a scanner reads back."""

import asyncio
import hashlib
import io
import os
import random
import re
import subprocess
import sys
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pikepdf
import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # The same.
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.graphics.barcode import qrencoder

from domain.refusals import Unavailable
from paper import form, form_sheet, form_text, form_words, messages
from paper.form import FormContent
from paper.messages import FormFault
from tests.paper.pools import Pool, a_pool

OURS, LONGEST = "DA48271903665144", "A1B2C3D4" * 8
LANGUAGES = ["en", "nl", "de"]
MM = 72 / 25.4
MARGIN_MM, QR_MM = 20.0, 30.0


def a_mandate(**changes: Any) -> FormContent:
    """Everything that a mandate can tell."""
    values: dict[str, Any] = {
        "language": "nl",
        "library": "Openbare Bibliotheek Rivierenland",
        "type_label": "Incassomachtiging",
        "kind": "mandate",
        "customer_id": "100234",
        "customer_name": "Jolanda de Vries-van der Berg",
        "birth_date": date(1984, 3, 9),
        "issued_on": date(2026, 11, 24),
        "lapses_on": date(2027, 2, 22),
        "valid_from": date(2026, 12, 1),
        "scan_code": OURS,
        "debtor_name": "J. de Vries",
        "iban": "NL91ABNA0417164300",
        "bic": "ABNANL2A",
        "mandate_reference": "DOS-2026-000123",
        "creditor_id": "NL98ZZZ999999990000",
        "sequence_type": "recurring",
    }
    return FormContent(**values | changes)


def a_consent(**changes: Any) -> FormContent:
    """An authorization that is no mandate, for a minor."""
    values: dict[str, Any] = {
        "language": "en",
        "library": "Rivierenland Library",
        "type_label": "Guardian consent",
        "kind": "authorization",
        "customer_id": "100981",
        "customer_name": "Noor Jansen",
        "birth_date": date(2014, 6, 30),
        "guardian": True,
        "issued_on": date(2026, 11, 24),
        "scan_code": "GC48271903665144",
    }
    return FormContent(**values | changes)


def a_full_page(language: str, filler: str) -> FormContent:
    """Every text as long as it may be, every line that can be there, nothing of the mandate's own data."""
    name = (filler * 200)[:200]
    return a_mandate(
        language=language,
        library=name,
        type_label=name,
        customer_id=(filler.replace(" ", "") * 64)[:64],
        customer_name=name,
        birth_date=date(2014, 9, 30),
        guardian=True,
        valid_until=date(2030, 9, 30),
        note=(filler * 4000)[:4000],
        scan_code=LONGEST,
        debtor_name=name,
        iban=None,
        bic=None,
        mandate_reference=None,
        creditor_id=None,
        sequence_type=None,
    )


def page_of(pdf: bytes) -> Any:
    """The only page there is."""
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    return document[0]


def text_of(printed: FormContent) -> str:
    """What a reader of the screen is told, with single blanks."""
    return " ".join(str(page_of(form.draw(printed)).get_textpage().get_text_range()).split())


def picture_of(pdf: bytes, dpi: int) -> Image.Image:
    """What a scanner makes of the page, grey."""
    picture: Image.Image = page_of(pdf).render(scale=dpi / 72).to_pil()
    return picture.convert("L")


def codes_on(picture: Image.Image) -> list[tuple[str, str]]:
    """Text and error level of every QR code on it."""
    return [(code.text, code.ec_level) for code in zxingcpp.read_barcodes(picture)]


def lines_to_write_on(printed: FormContent) -> int:
    """Horizontal lines but those below the headings."""
    paths = page_of(form.draw(printed)).get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH])
    bounds = [path.get_bounds() for path in paths]
    rules = [right - left for left, bottom, right, top in bounds if top - bottom < 1 * MM and right - left > 20 * MM]
    headings = 3 + (printed.kind == "mandate") - (printed.note is None)
    return len(rules) - headings


def texts_on(pdf: bytes) -> list[tuple[float, float, float, float]]:
    """Of every piece of text: left, right and baseline in points, and the size of the type."""
    pieces = []
    for piece in page_of(pdf).get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
        left, _, right, _ = piece.get_bounds()
        pieces.append((left, right, piece.get_matrix().f, piece.get_font_size()))
    return pieces


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("printed", [a_mandate(), a_consent()], ids=["mandate", "consent"])
def test_a_form_is_one_page_of_a4(printed: FormContent, language: str) -> None:
    page = page_of(form.draw(msgspec.structs.replace(printed, language=language)))
    assert [round(side / MM) for side in page.get_size()] == [210, 297]


def test_the_same_form_has_the_same_bytes_whatever_was_drawn_before() -> None:
    first = form.draw(a_mandate())
    assert form.draw(a_consent(customer_name="Ελένη Дмитрий")) != first
    assert form.draw(a_mandate()) == first


def test_the_same_form_has_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys, hashlib; from paper.form import draw_json;"
        "print(hashlib.sha256(draw_json(sys.stdin.buffer.read())).hexdigest())"
    )
    elsewhere = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "LC_ALL": "C", "HOME": str(tmp_path)}
    root = Path(__file__).resolve().parents[2]
    for printed in (a_mandate(), a_consent(), a_full_page("de", "Ångström Ελένη Дмитрий ")):
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=msgspec.json.encode(printed),
            capture_output=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, **elsewhere, "PYTHONPATH": str(root)},
        )
        assert done.stdout.decode().strip() == hashlib.sha256(form.draw(printed)).hexdigest()


@pytest.mark.parametrize("dpi", [150, 200, 300])
@pytest.mark.parametrize("code", [OURS, "GC00000000000001", "7", LONGEST])
def test_the_code_is_read_back_from_a_scan(code: str, dpi: int) -> None:
    assert codes_on(picture_of(form.draw(a_mandate(scan_code=code)), dpi)) == [(code, "H")]


@pytest.mark.parametrize("degrees", [-3, 3])
@pytest.mark.parametrize("code", [OURS, LONGEST])
def test_the_code_is_read_back_from_a_crooked_and_noisy_scan(code: str, degrees: int) -> None:
    picture = picture_of(form.draw(a_mandate(scan_code=code)), 200)
    turned = picture.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=255)
    noise = Image.frombytes("L", turned.size, random.Random(degrees).randbytes(turned.width * turned.height))
    assert codes_on(Image.blend(turned, noise, 0.35)) == [(code, "H")]


@pytest.mark.parametrize(("code", "modules"), [(OURS, 25), (LONGEST, 37)])
def test_the_code_is_large_enough_and_stands_alone(code: str, modules: int) -> None:
    dpi = 600
    picture = picture_of(form.draw(a_mandate(scan_code=code)), dpi).point(lambda level: 255 * (level < 128))
    pixels = dpi / 25.4
    around = [round(mm * pixels) for mm in (210 - MARGIN_MM - QR_MM - 1, MARGIN_MM - 1, 211 - MARGIN_MM, 21 + QR_MM)]
    left, top, right, bottom = picture.crop((around[0], around[1], around[2], around[3])).getbbox() or (0, 0, 0, 0)
    left, top, right, bottom = left + around[0], top + around[1], right + around[0], bottom + around[1]
    bar = picture.crop((left, top + 2, right, top + 3)).tobytes().index(0)
    module_mm = bar / 7 / pixels
    assert module_mm >= 0.8, "seven modules are the upper bar of its first corner"
    assert (right - left) / pixels == pytest.approx(modules * module_mm, rel=0.02)
    quiet = round(4 * module_mm * pixels) - 2
    assert picture.crop((left - quiet, top - quiet, right + quiet, bottom + quiet)).getbbox() == (
        quiet,
        quiet,
        quiet + right - left,
        quiet + bottom - top,
    )


def test_another_encoder_makes_the_same_code() -> None:
    """The other tests read with the library that wrote, so here its writer is compared with reportlab's."""
    ours = [[level == 0 for level in row] for row in form_sheet.qr_modules(OURS)]
    assert ours in [reportlabs(mask) for mask in range(8)]


def reportlabs(mask: int) -> list[list[bool]]:
    code = qrencoder.QRCode(2, qrencoder.QRErrorCorrectLevel.H)
    code.addData(qrencoder.QRAlphaNum(OURS[:2]))
    code.addData(qrencoder.QRNumber(OURS[2:]))
    code.makeImpl(False, mask)
    return [[bool(dark) for dark in row] for row in code.modules]


EXPECTED = {
    "en": "24 November 2026|22 February 2027 at the latest|9 March 1984|you authorise (A) {library} to send"
    " instructions to your bank to debit your account and (B) your bank to debit your account|within 8 weeks"
    "|from 1 December 2026|Creditor identifier|Mandate reference|Recurrent|Place and date"
    "|Signature of the account holder|it is scanned",
    "nl": "24 november 2026|uiterlijk 22 februari 2027|9 maart 1984|toestemming aan (A) {library} om incasso-opdrachten"
    " te sturen naar uw bank|en aan (B) uw bank|binnen 8 weken|vanaf 1 december 2026"
    "|Incassant-ID|Kenmerk machtiging|Doorlopend|Plaats en datum|Handtekening rekeninghouder|het wordt gescand",
    "de": "24. November 2026|bis zum 22. Februar 2027|9. März 1984|Ich ermächtige (A) {library}, Zahlungen von meinem"
    " Konto mittels Lastschrift einzuziehen|(B) mein Kreditinstitut|innerhalb von acht Wochen|ab 1. Dezember 2026"
    "|Gläubiger-Identifikationsnummer|Mandatsreferenz|Wiederkehrend|Ort und Datum|Unterschrift der Kontoinhaberin"
    "|Das Formular wird gescannt",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mandate_says_all_that_its_customer_signs(language: str) -> None:
    printed = a_mandate(language=language, note="Per kwartaal.")
    text = text_of(printed)
    for part in EXPECTED[language].format(library=printed.library).split("|"):
        assert part in text
    for value in ("DA 4827 1903 6651 44", "NL91 ABNA 0417 1643 00", "ABNANL2A", "DOS-2026-000123", "J. de Vries"):
        assert value in text
    for value in (printed.library, printed.type_label, printed.customer_id, printed.customer_name, "Per kwartaal."):
        assert value in text
    assert printed.creditor_id in text.split()


@pytest.mark.parametrize(
    ("language", "declared", "signed"),
    [
        ("en", "that Rivierenland Library may act on it", "Signature of the parent or guardian"),
        ("nl", "dat Rivierenland Library er voor de hierboven genoemde klant", "Handtekening van de ouder of voogd"),
        ("de", "dass Rivierenland Library für die oben genannte Person", "Unterschrift der gesetzlichen Vertretung"),
    ],
)
def test_an_authorization_says_in_plain_words_what_is_signed(language: str, declared: str, signed: str) -> None:
    text = text_of(a_consent(language=language))
    assert declared in text
    assert signed in text
    assert "IBAN" not in text
    assert "GC 4827 1903 6651 44" in text


def test_a_language_without_words_is_printed_in_english() -> None:
    assert text_of(a_consent(language="fy")) == text_of(a_consent(language="en"))
    assert form_words.language_of("fy")[0] == "en"


def test_every_language_says_the_same_with_the_same_blanks() -> None:
    words = [form_words.language_of(language)[1] for language in LANGUAGES]
    for name in (field.name for field in msgspec.structs.fields(form_words.FormWords)):
        said = [getattr(one, name) for one in words]
        assert len({len(months) for months in said} if name == "months" else {1}) == 1
        assert len({tuple(sorted(set(re.findall(r"{\w+}", str(one))))) for one in said}) == 1, name
        assert all(said)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (None, None, ""),
        (date(2026, 12, 1), None, "Valid from 1 December 2026."),
        (None, date(2032, 6, 29), "Valid up to and including 29 June 2032."),
        (date(2026, 12, 1), date(2032, 6, 29), "Valid from 1 December 2026 up to and including 29 June 2032."),
    ],
)
def test_a_form_says_how_long_it_is_valid(first: date | None, last: date | None, said: str) -> None:
    text = text_of(a_consent(valid_from=first, valid_until=last))
    assert text.count("Valid") == bool(said)
    assert said in text


@pytest.mark.parametrize(
    ("sequence_type", "said", "unsaid"),
    [("first", "Recurrent", "One-off"), ("recurring", "Recurrent", "One-off"), ("one_off", "One-off", "Recurrent")],
)
def test_the_type_of_payment_is_named(sequence_type: str, said: str, unsaid: str) -> None:
    text = text_of(a_mandate(language="en", sequence_type=sequence_type))
    assert said in text
    assert unsaid not in text


def test_a_type_of_payment_that_is_not_known_is_ticked_by_hand() -> None:
    text = text_of(a_mandate(language="en", sequence_type=None))
    assert "Recurrent" in text
    assert "One-off" in text


def test_what_a_mandate_does_not_know_gets_a_line_to_write_on() -> None:
    assert lines_to_write_on(a_mandate()) == 2, "place and date, and the signature"
    for field in ("debtor_name", "iban", "bic", "mandate_reference", "creditor_id"):
        assert lines_to_write_on(a_mandate(**{field: None})) == 3, field
        assert lines_to_write_on(a_mandate(**{field: " \u200b\t"})) == 3, f"a blank {field} is none"
    nothing = a_mandate(debtor_name=None, iban=None, bic=None, mandate_reference=None, creditor_id=None)
    assert lines_to_write_on(nothing) == 7


def test_a_guardian_writes_name_and_capacity() -> None:
    minor, adult = a_consent(), a_consent(guardian=False)
    assert lines_to_write_on(minor) == lines_to_write_on(adult) + 2
    assert "Name of the parent or guardian" in text_of(minor)
    assert "guardian" not in text_of(adult).replace("Guardian consent", "")


def test_a_foreign_code_is_printed_in_fours() -> None:
    assert "1234 5678 9" in text_of(a_consent(scan_code="123456789"))
    assert "A1B2 C3D4 " * 7 + "A1B2 C3D4" in text_of(a_consent(scan_code=LONGEST))


NAMES = [
    "Łukasz Żółć-Šťastný",
    "Nguyễn Thị Ánh Tuyết",
    "Ελένη Παπαδοπούλου",
    "Дмитрий Ковальчук Ґалаґан",
    "Þórður Ægisson d'Œuvre",
    "İbrahim Çağrı Öztürk",
    "Siôn Ŵyn O’Brien-ß ẞ",
    "Ɓala Ŋgozi Ẹniọlá",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_latin_greek_and_cyrillic_are_printed_as_they_are(name: str) -> None:
    assert name in text_of(a_consent(customer_name=name))


@pytest.mark.parametrize("name", ["李小龙", "محمد", "דוד", "सीता", "😀👩‍👧"])
def test_a_sign_without_a_glyph_is_printed_as_missing(name: str) -> None:
    visible = sum(sign.isprintable() for sign in name)
    assert f"Ana {form_text.MISSING * visible} Li" in text_of(a_consent(customer_name=f"Ana {name} Li"))


def test_invisible_signs_are_dropped_and_blanks_are_one() -> None:
    hostile = "An\0na\u202e \u2066\t\r\n\u200bVa\u00adn\ufeff \ufe0fE\u0301\x1b[31m"
    assert "Anna VanE\u0301[31m".replace("VanE\u0301", "Van É") in text_of(a_consent(customer_name=hostile))


def test_a_note_keeps_its_lines() -> None:
    pdf = form.draw(a_consent(note="First line\twith a tab\r\n\r\n  Third line\u2028Fourth line\n\n"))
    text = page_of(pdf).get_textpage().get_text_range()
    assert re.search(r"First line +with a tab\s+Third line\s+Fourth line", text)
    baselines = {round(baseline, 1) for _, _, baseline, size in texts_on(pdf) if size == 9.5}
    first, third, fourth = sorted(baselines, reverse=True)[-3:]
    assert first - third == pytest.approx(2 * (third - fourth), abs=0.3)


def test_a_note_is_cut_only_where_it_is_too_long() -> None:
    whole = "\n".join(f"line {number}." for number in range(1, form.NOTE_LINES_MAX + 1))
    text = text_of(a_consent(note=whole))
    assert f"line {form.NOTE_LINES_MAX}. " in text
    assert form_text.ELLIPSIS not in text.replace("guardian, …", "")
    cut = text_of(a_consent(note=whole + "\nmore"))
    assert f"line {form.NOTE_LINES_MAX}.… " in cut
    assert "more" not in cut


@pytest.mark.parametrize("note", [None, "", " \n\t", "\u2028"])
def test_without_a_note_there_is_no_word_of_one(note: str | None) -> None:
    assert "Note" not in text_of(a_consent(note=note))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "filler",
    [
        "W",
        "Sint-Willibrordus ",
        "i",
        "Щ",
        "v\N{COMBINING ACUTE ACCENT}\N{COMBINING DIAERESIS}",
        "李",
        "\t\n",
        "{x}%s\\",
    ],
)
def test_the_fullest_page_is_still_one_and_nothing_lies_on_anything(language: str, filler: str) -> None:
    pdf = form.draw(a_full_page(language, filler))
    assert codes_on(picture_of(pdf, 150)) == [(LONGEST, "H")]
    pieces = texts_on(pdf)
    for left, right, baseline, _ in pieces:
        assert left >= MARGIN_MM * MM - 1
        assert right <= (210 - MARGIN_MM) * MM + 1
        assert MARGIN_MM * MM <= baseline <= (297 - MARGIN_MM) * MM
        beside_code = baseline > (297 - MARGIN_MM - QR_MM) * MM
        assert not beside_code or right <= (210 - MARGIN_MM - QR_MM * (1 + 4 / 25)) * MM
    for one, other in combinations(pieces, 2):
        assert not lie_on_each_other(one, other), (one, other)


def lie_on_each_other(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two pieces of text share more than a hair of width, on lines closer than their type is high."""
    width = min(one[1], other[1]) - max(one[0], other[0])
    return width > 1 and abs(one[2] - other[2]) < 0.75 * min(one[3], other[3])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fullest_page_still_has_room_for_a_note(language: str) -> None:
    printed = msgspec.structs.replace(a_full_page(language, "W"), note="one\ntwo")
    text = text_of(printed)
    assert "one two" in text


@given(
    name=st.text(max_size=250),
    note=st.text(max_size=600),
    number=st.text(max_size=80),
    language=st.sampled_from(LANGUAGES),
)
@settings(max_examples=60, deadline=None)
def test_no_text_stops_a_form(name: str, note: str, number: str, language: str) -> None:
    printed = a_mandate(
        language=language,
        library=name,
        type_label=name,
        customer_name=name,
        customer_id=number,
        note=note,
        debtor_name=name,
        iban=number,
        bic=number,
        mandate_reference=number,
        creditor_id=number,
    )
    assert page_of(form.draw(printed)).get_textpage().count_chars() > 0


def test_every_sign_of_the_first_planes_is_drawn_or_replaced() -> None:
    for start in range(0, 0x30000, 4000):
        signs = "".join(map(chr, range(start, start + 4000)))
        page_of(form.draw(a_consent(note=signs, customer_name=signs)))


def test_the_file_tells_its_title_language_and_day_and_brings_its_fonts() -> None:
    with pikepdf.open(io.BytesIO(form.draw(a_mandate(language="de")))) as pdf:
        assert str(pdf.Root.Lang) == "de"
        assert str(pdf.docinfo["/Title"]) == "Incassomachtiging DA 4827 1903 6651 44"
        assert str(pdf.docinfo["/Author"]) == "Openbare Bibliotheek Rivierenland"
        assert str(pdf.docinfo["/CreationDate"]) == "D:20261124000000Z"
        assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
        assert str(pdf.Root.ViewerPreferences.PrintScaling) == "/None"
        fonts = pdf.pages[0].Resources.Font
        assert len(fonts) >= 2
        for font in fonts.values():
            assert "/FontFile2" in font.FontDescriptor
            assert "/ToUnicode" in font


# Through the pool.


def printed_by(pool: Pool, data: bytes) -> bytes:
    return asyncio.run(pool.examiner.draw_form(data))


@pytest.mark.parametrize(
    "printed", [a_mandate(), a_consent(), a_full_page("de", "李 W ")], ids=["mandate", "consent", "full"]
)
def test_the_pool_draws_the_same_form(pool: Pool, printed: FormContent) -> None:
    assert printed_by(pool, msgspec.json.encode(printed)) == form.draw(printed)


def test_many_forms_at_once_are_drawn(pool: Pool) -> None:
    forms = [a_mandate(customer_id=str(number)) for number in range(40)]

    async def draw_all() -> list[bytes]:
        return await asyncio.gather(*(pool.examiner.draw_form(msgspec.json.encode(printed)) for printed in forms))

    assert asyncio.run(draw_all()) == [form.draw(printed) for printed in forms]


def fields(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(a_mandate()) | changes)


WRONG_FORMS = [
    b"",
    b"SECRET",
    b"[]",
    b'{"language": "nl"}',
    fields(shoe_size="SECRET"),
    fields(birth_date="SECRET"),
    fields(library=None),
    fields(customer_name=["SECRET"]),
    fields(guardian="SECRET"),
    fields(kind="document"),
    fields(sequence_type="last"),
    *(fields(scan_code=code) for code in ("", "da48271903665144", "DA48 2719", OURS + "\n", "A" * 65)),
]


@pytest.mark.parametrize("data", WRONG_FORMS)
def test_what_is_no_form_is_a_fault_that_tells_nothing_personal(pool: Pool, data: bytes) -> None:
    with pytest.raises(FormFault) as fault:
        printed_by(pool, data)
    assert str(fault.value) not in ("", "no child could draw it")
    assert "SECRET" not in str(fault.value)


def test_the_size_of_a_form_is_limited_on_both_sides(pool: Pool) -> None:
    data = msgspec.json.encode(a_mandate())
    largest = data.ljust(messages.FORM_BYTES_MAX)
    assert printed_by(pool, largest) == form.draw(a_mandate())
    with pytest.raises(FormFault):
        printed_by(pool, largest + b" ")


def test_the_longest_note_and_names_fit_the_limit() -> None:
    printed = a_full_page("de", "\N{GRINNING FACE}")
    assert len(msgspec.json.encode(printed)) < messages.FORM_BYTES_MAX
    assert len(msgspec.json.encode(msgspec.structs.replace(printed, note="\x01" * 4000))) < messages.FORM_BYTES_MAX


def test_a_form_that_takes_too_long_is_not_drawn(tmp_path: Path) -> None:
    with a_pool(tmp_path, decode_seconds_max=0.001) as pool, pytest.raises((FormFault, Unavailable)):
        printed_by(pool, msgspec.json.encode(a_full_page("de", "W ")))


def test_who_asks_for_a_form_does_not_load_what_draws_it() -> None:
    script = (
        "import sys, paper.client; print(sorted({'reportlab', 'zxingcpp', 'PIL', 'pymupdf_fonts'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]"
