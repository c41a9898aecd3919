"""Text for form.py: fonts, replacement of characters that they lack, line breaks. Nothing here raises for any text.

Noto Sans has all of Latin, Greek and Cyrillic; Space Mono distinguishes 0 from O and 1 from I. Both come from the
package pymupdf-fonts (SIL Open Font License). Noto Sans lacks scripts that need joining or reordering (Arabic, Hebrew,
Indic), Chinese, Japanese, Korean and pictographs: each of their characters is printed as MISSING. A bold Noto Sans
would cost 1.8 MiB of memory for a few headings, so headings get a stroke around their letters instead.
"""

import importlib
import io
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Final

import msgspec
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

MISSING: Final = "\N{REPLACEMENT CHARACTER}"
ELLIPSIS: Final = "…"

PLAIN: Final = "NotoSans_Regular"
MONO: Final = "SpaceMono_Bold"
FONTS: Final = (PLAIN, MONO)
"""Each is the name of a font and of its module in pymupdf_fonts."""

_THICKENING: Final = 0.03
_TAB: Final = "    "
_WORD = re.compile(r" *[^ ]+")


class Style(msgspec.Struct, frozen=True):
    """A font, its size and leading in points, its shade (0 black, 1 white), and whether its letters are thickened."""

    font: str
    size: float
    leading: float
    shade: float = 0.0
    thick: bool = False

    @property
    def stroke(self) -> float:
        """Points around each letter, and between two of them."""
        return _THICKENING * self.size if self.thick else 0.0

    @property
    def leading_mm(self) -> float:
        """The distance between two lines in millimetres."""
        return self.leading / mm


def load_fonts() -> None:
    """Load the fonts; repeating it costs nothing. child.py calls it before the fork, because a child may open no
    file.
    """
    for name in FONTS:
        load_font(name)


@cache
def load_font(name: str) -> TTFont:
    """The font, decoded and registered with reportlab at its first use."""
    data = importlib.import_module(f"pymupdf_fonts.{name}").fontbuffer
    # Without asciiReadable the PDF contains only the characters that are printed.
    face = TTFont(name, io.BytesIO(data), asciiReadable=0)
    pdfmetrics.registerFont(face)
    return face


def join_lines(text: str) -> str:
    """The printable text on one line: every space, tab and line end becomes one space."""
    return " ".join(replace_unprintable(text).split())


def replace_unprintable(text: str) -> str:
    """The text without control, bidi and other invisible characters. Tabs and line ends become spaces."""
    signs = (_printed_sign(sign) for sign in unicodedata.normalize("NFC", text))
    return "".join(signs)


def _printed_sign(sign: str) -> str:
    """The text printed for one character: itself, spaces, MISSING, or nothing."""
    if sign.isspace():
        return _TAB if sign == "\t" else " "
    if unicodedata.category(sign) in ("Cc", "Cf") or _is_selector(sign):
        return ""
    return sign if ord(sign) in load_font(PLAIN).face.charToGlyph else MISSING


def _is_selector(sign: str) -> bool:
    """True if the character is a variation selector, which only chooses between glyphs."""
    return "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"


def width_of(text: str, style: Style) -> float:
    """The width of one line in points."""
    return float(load_font(style.font).stringWidth(text, style.size)) + len(text) * style.stroke


def break_lines(text: str, style: Style, wide: float, count_max: int) -> list[str]:
    """A text of paragraphs as at most `count_max` (1 or more) lines of `wide` points, with an ELLIPSIS where it is
    cut.
    """
    paragraphs = (replace_unprintable(paragraph) for paragraph in text.splitlines())
    broken = (line for paragraph in paragraphs for line in _break_paragraph(paragraph, style, wide))
    shown = list(islice(broken, count_max + 1))
    if len(shown) > count_max:
        shown = [*shown[: count_max - 1], _shorten_line(shown[count_max - 1], style, wide)]
    return shown


def _break_paragraph(paragraph: str, style: Style, wide: float) -> Iterator[str]:
    """The lines of a paragraph, broken between words, and inside a word that is wider than a line."""
    line = ""
    for word in _WORD.findall(paragraph):
        if width_of(line + word, style) <= wide:
            line += word
            continue
        if line:
            yield line
        line = word.lstrip(" ")
        while width_of(line, style) > wide:
            count = _count_fitting(line, style, wide)
            yield line[:count]
            line = line[count:]
    yield line


def _count_fitting(text: str, style: Style, wide: float) -> int:
    """The number of leading characters that fit, at least one."""
    room = wide
    for count, sign in enumerate(text):
        room -= width_of(sign, style)
        if room < 0:
            return max(count, 1)
    return len(text)


def _shorten_line(line: str, style: Style, wide: float) -> str:
    return line[: _count_fitting(line, style, wide - width_of(ELLIPSIS, style))].rstrip(" ") + ELLIPSIS
