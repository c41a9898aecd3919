"""Draws the printed form of an authorization (F2): one A4 page as a PDF. child.py calls it.

Words are in form_words.py, fonts and line breaks in form_text.py, drawing in form_sheet.py; this module has the layout.
The bytes depend on the form and the libraries only: not on the clock or on forms drawn before.
"""

from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from reportlab.lib.units import mm

from domain.scan_code import group_code
from paper import form_text, form_words
from paper.form_sheet import FormSheet
from paper.form_text import MONO, PLAIN, Style
from paper.form_words import FormWords
from paper.messages import FormFault

LEFT: Final = 20.0
RIGHT: Final = 190.0
TOP: Final = 20.0
BOTTOM: Final = 277.0
MODULES_MM: Final = 30.0
"""Side of the code without its quiet zone: 25 modules of 1.2 mm for codes of ours, 37 of 0.81 mm for the longest."""
QUIET_MODULES: Final = 4

_LIBRARY = Style(PLAIN, 11, 14, thick=True)
_TITLE = Style(PLAIN, 20, 25, thick=True)
_LONG_TITLE = Style(PLAIN, 15, 19, thick=True)
_KIND = Style(PLAIN, 11, 15)
_HEADING = Style(PLAIN, 9.5, 12, thick=True)
_LABEL = Style(PLAIN, 7.5, 10, 0.25)
_VALUE = Style(PLAIN, 11, 14)
_LONG_VALUE = Style(PLAIN, 9, 11)
_BODY = Style(PLAIN, 9.5, 13)
_SMALL = Style(PLAIN, 8.5, 12, 0.25)
_CODE = Style(MONO, 13.5, 18)
_LONG_CODE = Style(MONO, 9, 12)
"""A text too long for one line is set smaller, on as many lines as its place has."""

_WIDTH: Final = RIGHT - LEFT
_GUTTER: Final = 5.0
_FIRST: Final = 88.0
_SECOND: Final = _WIDTH - _FIRST - _GUTTER
"""The two columns of all fields."""
_HEAD_WIDTH: Final = 108.0
_CODE_WIDTH: Final = 60.0
"""Fits the 20 characters of our code in groups on one line, and the longest possible code on three."""
_FIELD: Final = 12.0
_SIGNATURE: Final = 22.0
_GUARDIAN: Final = 14.0
_SQUARE: Final = 3.2
_PARAGRAPH: Final = 1.2
_STATEMENT_LINES_MAX: Final = 12
"""No sentence to be signed comes near it, because its names are cut to _NAME_WIDTH."""
_NAME_WIDTH: Final = 110.0
NOTE_LINES_MAX: Final = 12


class FormContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the form prints, as plain values.

    `type_label` is already in the form's language; a form in a language without words here is printed in English.
    `guardian`: the customer is a minor by the rule of the type. `lapses_on`: the last day on which the form can be
    signed; `valid_until`: the last day of its effect. `scan_code` is canonical. The fields from `debtor_name` on belong
    to a mandate; a field that is None there gets a line to be filled in by hand.
    """

    language: str
    library: str
    type_label: str
    kind: Literal["authorization", "mandate"]
    customer_id: str
    customer_name: str
    birth_date: date | None = None
    guardian: bool = False
    issued_on: date
    lapses_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    note: str | None = None
    scan_code: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9]{1,64}\Z")]
    debtor_name: str | None = None
    iban: str | None = None
    bic: str | None = None
    mandate_reference: str | None = None
    creditor_id: str | None = None
    sequence_type: Literal["first", "recurring", "one_off"] | None = None


class _Field(msgspec.Struct, frozen=True):
    """A label with its value, or with a line to write on."""

    label: str
    value: str | None
    wide: float
    lines_max: int = 1


_forms = msgspec.json.Decoder(FormContent)


def draw_json(data: bytes) -> bytes:
    """The PDF of a Form in JSON. Raises FormFault for other JSON and for any failure to draw it."""
    try:
        return draw(_forms.decode(data))
    except msgspec.MsgspecError as fault:
        raise FormFault(str(fault)) from fault
    except Exception as fault:
        # A failure is a defect of ours. The message is left out, because it could quote the printed data.
        raise FormFault(type(fault).__name__) from fault


def draw(form: FormContent) -> bytes:
    """The PDF of a form: one page of A4, the same bytes for the same form."""
    language, words = form_words.language_of(form.language)
    title = f"{form_text.join_lines(form.type_label)} {group_code(form.scan_code)}"
    sheet = FormSheet(title=title, author=form_text.join_lines(form.library), language=language, day=form.issued_on)
    top = max(_draw_head(sheet, form, words), _draw_code(sheet, form.scan_code))
    top = _draw_customer(sheet, form, words, top + 6)
    top = _draw_statement(sheet, form, words, top + 3)
    if form.kind == "mandate":
        top = _draw_collection(sheet, form, words, top + 4)
    if form.note and form.note.strip():
        _draw_note(sheet, form.note, words, top + 4, _top_of_signing(form) - 3)
    _draw_signing(sheet, form, words)
    sheet.draw_text(LEFT, BOTTOM - _SMALL.leading_mm, words.readable, _SMALL, _WIDTH)
    return sheet.finish()


def _draw_head(sheet: FormSheet, form: FormContent, words: FormWords) -> float:
    """Draw the upper left: the library, the type, the day of issue, and the last day on which the form can be
    signed.
    """
    top = sheet.draw_text(LEFT, TOP - 1, form_text.join_lines(form.library), _LIBRARY, _HEAD_WIDTH, 2) + 5
    title = form_text.join_lines(form.type_label)
    top = sheet.draw_text(LEFT, top, title, _choose_style(title, _TITLE, _LONG_TITLE, _HEAD_WIDTH), _HEAD_WIDTH, 2)
    if form.kind == "mandate":
        top = sheet.draw_text(LEFT, top, words.mandate, _KIND, _HEAD_WIDTH)
    top = sheet.draw_text(
        LEFT, top + 3, words.issued.format(first=words.format_date(form.issued_on)), _SMALL, _HEAD_WIDTH
    )
    if form.lapses_on:
        top = sheet.draw_text(
            LEFT, top, words.lapses.format(last=words.format_date(form.lapses_on)), _SMALL, _HEAD_WIDTH
        )
    return top


def _draw_code(sheet: FormSheet, code: str) -> float:
    """Draw the upper right, where no hole is punched and no staple set: the QR code, and its text in groups to read
    aloud."""
    module = sheet.draw_qr_code(RIGHT - MODULES_MM, TOP, MODULES_MM, code)
    top = TOP + MODULES_MM + QUIET_MODULES * module
    groups = group_code(code)
    return sheet.draw_text_right(
        RIGHT, top, groups, _choose_style(groups, _CODE, _LONG_CODE, _CODE_WIDTH), _CODE_WIDTH, 3
    )


def _draw_customer(sheet: FormSheet, form: FormContent, words: FormWords, top: float) -> float:
    top = _draw_heading(sheet, top, words.customer)
    fields = [_Field(words.name, form.customer_name, _FIRST, 3), _Field(words.number, form.customer_id, 42, 4)]
    if form.birth_date:
        fields.append(_Field(words.birth_date, words.format_date(form.birth_date), 35))
    top = _draw_row(sheet, top, fields)
    return sheet.draw_text(LEFT, top, words.minor, _BODY, _WIDTH) if form.guardian else top


def _draw_statement(sheet: FormSheet, form: FormContent, words: FormWords, top: float) -> float:
    """Draw in plain words what the signature declares, and for how long."""
    top = _draw_heading(sheet, top, words.statement)
    says = [words.direct_debit, words.refund] if form.kind == "mandate" else [words.declaration]
    for paragraph in [*says, *_texts_of_validity(form, words)]:
        text = paragraph.format(library=_shorten(form.library), type=_shorten(form.type_label))
        top = sheet.draw_text(LEFT, top, text, _BODY, _WIDTH, _STATEMENT_LINES_MAX) + _PARAGRAPH
    return top - _PARAGRAPH


def _texts_of_validity(form: FormContent, words: FormWords) -> list[str]:
    first = words.format_date(form.valid_from) if form.valid_from else ""
    last = words.format_date(form.valid_until) if form.valid_until else ""
    if first and last:
        return [words.from_until.format(first=first, last=last)]
    if first:
        return [words.only_from.format(first=first)]
    return [words.only_until.format(last=last)] if last else []


def _draw_collection(sheet: FormSheet, form: FormContent, words: FormWords, top: float) -> float:
    top = _draw_heading(sheet, top, words.collection)
    creditor = _Field(words.creditor, form.library, _FIRST, 2)
    top = _draw_row(sheet, top, [creditor, _Field(words.creditor_id, form.creditor_id, _SECOND, 2)])
    reference = _Field(words.reference, form.mandate_reference, _FIRST, 2)
    if form.sequence_type:
        payment = words.one_off if form.sequence_type == "one_off" else words.recurring
        top = _draw_row(sheet, top, [reference, _Field(words.payment, payment, _SECOND)])
    else:
        _draw_choice(sheet, RIGHT - _SECOND, top, words)
        top = _draw_row(sheet, top, [reference])
    top = _draw_row(sheet, top, [_Field(words.debtor, form.debtor_name, _WIDTH, 2)])
    return _draw_row(sheet, top, [_Field("IBAN", _group_by_four(form.iban), _FIRST), _Field("BIC", form.bic, _SECOND)])


def _draw_choice(sheet: FormSheet, left: float, top: float, words: FormWords) -> None:
    """Draw the types of payment, to be ticked by hand."""
    top = sheet.draw_text(left, top, words.payment, _LABEL, _SECOND)
    for option in (words.recurring, words.one_off):
        sheet.draw_box(left, top + 0.9, _SQUARE)
        left = sheet.draw_word(left + _SQUARE + 1.5, top, option, _BODY) + 4


def _draw_note(sheet: FormSheet, note: str, words: FormWords, top: float, bottom: float) -> None:
    """Draw as many lines of the note as fit above `bottom`."""
    top = _draw_heading(sheet, top, words.note)
    room = int((bottom - top) / _BODY.leading_mm)
    sheet.draw_text(LEFT, top, note.strip(), _BODY, _WIDTH, min(room, NOTE_LINES_MAX))


def _top_of_signing(form: FormContent) -> float:
    """The top of the signature, which is at the foot of every form at the same place; a guardian's fields are above
    it.
    """
    return BOTTOM - 8 - _SIGNATURE - (_GUARDIAN if form.guardian else 0)


def _draw_signing(sheet: FormSheet, form: FormContent, words: FormWords) -> None:
    """Draw the fields for signature, place and date, to be filled in by hand."""
    top = _top_of_signing(form)
    signature = words.debtor_signature if form.kind == "mandate" else words.signature
    if form.guardian:
        signature = words.guardian_signature
        _draw_row(
            sheet, top, [_Field(words.guardian_name, None, _FIRST), _Field(words.guardian_capacity, None, _SECOND)]
        )
        top += _GUARDIAN
    signing = [_Field(words.place_and_date, None, _FIRST), _Field(signature, None, _SECOND)]
    _draw_row(sheet, top, signing, _SIGNATURE)


def _draw_heading(sheet: FormSheet, top: float, text: str) -> float:
    top = sheet.draw_text(LEFT, top, text, _HEADING, _WIDTH) + 0.5
    sheet.draw_rule(LEFT, top, _WIDTH)
    return top + 1.5


def _draw_row(sheet: FormSheet, top: float, fields: list[_Field], high: float = _FIELD) -> float:
    """Draw fields side by side; returns the bottom of the longest."""
    left, bottom = LEFT, top + high
    for field in fields:
        bottom = max(bottom, _draw_field(sheet, left, top, field, high))
        left += field.wide + _GUTTER
    return bottom


def _draw_field(sheet: FormSheet, left: float, top: float, field: _Field, high: float) -> float:
    below = sheet.draw_text(left, top, field.label, _LABEL, field.wide)
    if value := form_text.join_lines(field.value or ""):
        style = _choose_style(value, _VALUE, _LONG_VALUE, field.wide)
        return sheet.draw_text(left, below, value, style, field.wide, field.lines_max) + 1
    sheet.draw_rule(left, top + high - 2, field.wide, 0)
    return top + high


def _choose_style(line: str, style: Style, smaller: Style, wide: float) -> Style:
    return style if form_text.width_of(line, style) <= wide * mm else smaller


def _group_by_four(iban: str | None) -> str | None:
    return None if iban is None else " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))


def _shorten(name: str) -> str:
    """The name on one line, cut to _NAME_WIDTH, for use inside a sentence."""
    return "".join(form_text.break_lines(form_text.join_lines(name), _BODY, _NAME_WIDTH * mm, 1))
