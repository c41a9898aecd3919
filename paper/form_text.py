"""Text as form.py can print it: the fonts, signs that they lack, breaking into lines. Nothing here raises for a text.

Noto Sans has all of Latin, Greek and Cyrillic; Space Mono tells 0 from O and 1 from I. Both are of the package
pymupdf-fonts (SIL Open Font License). Scripts that would have to be joined or turned (Arabic, Hebrew, Indic), Chinese,
Japanese, Korean and pictographs are not in Noto Sans: each sign of them is printed as MISSING. There is no bold Noto
Sans: it would cost 1.8 MiB of memory for a few headings, so those are drawn with a stroke around their letters.
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
"""Names of modules of pymupdf_fonts and of fonts at once."""

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
        """From one line to the next."""
        return self.leading / mm


def load_fonts() -> None:
    """Load the fonts. child.py does so before it forks, since a child may open no file; again it costs nothing."""
    for name in FONTS:
        load_font(name)


@cache
def load_font(name: str) -> TTFont:
    """The font, decoded at its first use and known to reportlab from then on."""
    data = importlib.import_module(f"pymupdf_fonts.{name}").fontbuffer
    # Without asciiReadable only the signs that are printed go into the PDF.
    face = TTFont(name, io.BytesIO(data), asciiReadable=0)
    pdfmetrics.registerFont(face)
    return face


def join_lines(text: str) -> str:
    """The text with every blank, tab and line end as one blank, and printable()."""
    return " ".join(replace_unprintable(text).split())


def replace_unprintable(text: str) -> str:
    """What is left without control, bidi and other invisible signs. Tabs and line ends become blanks."""
    signs = (_printed_sign(sign) for sign in unicodedata.normalize("NFC", text))
    return "".join(signs)


def _printed_sign(sign: str) -> str:
    """What is printed for one sign: itself, a blank, MISSING, or nothing."""
    if sign.isspace():
        return _TAB if sign == "\t" else " "
    if unicodedata.category(sign) in ("Cc", "Cf") or _is_selector(sign):
        return ""
    return sign if ord(sign) in load_font(PLAIN).face.charToGlyph else MISSING


def _is_selector(sign: str) -> bool:
    """A variation selector: it would only choose between glyphs."""
    return "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"


def width_of(text: str, style: Style) -> float:
    """How wide one line is, in points."""
    return float(load_font(style.font).stringWidth(text, style.size)) + len(text) * style.stroke


def break_lines(text: str, style: Style, wide: float, count_max: int) -> list[str]:
    """A text of paragraphs as at most `count_max` (1 or more) lines of `wide` points, an ELLIPSIS where it is cut."""
    paragraphs = (replace_unprintable(paragraph) for paragraph in text.splitlines())
    broken = (line for paragraph in paragraphs for line in _break_paragraph(paragraph, style, wide))
    shown = list(islice(broken, count_max + 1))
    if len(shown) > count_max:
        shown = [*shown[: count_max - 1], _shorten_line(shown[count_max - 1], style, wide)]
    return shown


def _break_paragraph(paragraph: str, style: Style, wide: float) -> Iterator[str]:
    """The paragraph's lines, broken between words, and inside a word that is wider than a line."""
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
    """How many signs of the text fit, at least one."""
    room = wide
    for count, sign in enumerate(text):
        room -= width_of(sign, style)
        if room < 0:
            return max(count, 1)
    return len(text)


def _shorten_line(line: str, style: Style, wide: float) -> str:
    return line[: _count_fitting(line, style, wide - width_of(ELLIPSIS, style))].rstrip(" ") + ELLIPSIS
