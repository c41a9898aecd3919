"""Finds scan codes on a page from a scanner or telephone, with zxing-cpp and more than one attempt where needed.

Our codes are QR codes (form.py draws them); imported paper has Code 128 and others. Pure; page.py calls it in a limited
child.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import zxingcpp
from PIL import Image, ImageChops, ImageFilter, ImageOps
from zxingcpp import BarcodeFormat, BarcodeFormats, Binarizer

CODES_MAX: Final = 50
CHARACTERS_MAX: Final = 256
PIXELS_MAX: Final = 4_200_000
"""A4 at 200 dpi has 3.9 million: enough for bars of 0.25 mm, and a third of the time that 300 dpi would take."""

_SMALL_PIXELS: Final = 1_100_000
_EDGE_PIXELS: Final = 20
_CUTOFF_PERCENT: Final = 1

_QR: Final = (BarcodeFormat.QRCode,)
_BARS: Final = (BarcodeFormat.Code128, BarcodeFormat.Code39Std)
_EAN: Final = (BarcodeFormat.EAN13, BarcodeFormat.EAN8)
# These cost five times as much on a grainy page, so they are looked for in small pictures only.
_DENSE: Final = (BarcodeFormat.DataMatrix, BarcodeFormat.Aztec, BarcodeFormat.PDF417)
_CORRECTING: Final = frozenset((*_QR, *_DENSE))
"""Kinds with error correction: they are read right or not at all. Bar codes have one check character at most."""


class _Look(msgspec.Struct, frozen=True):
    """One way to look at a page. `small`: only for small pictures, or only for others. `again`: starts from the last
    picture."""

    change: Callable[[Image.Image], Image.Image]
    kinds: tuple[BarcodeFormat, ...]
    binarizer: Binarizer = Binarizer.LocalAverage
    small: bool | None = None
    again: bool = False


def find_texts(page: Image.Image) -> tuple[str, ...]:
    """Texts of the codes on a grey page (`L`) of at most PIXELS_MAX pixels, in the order in which they are found.

    Each text once, at most CODES_MAX, cut to CHARACTERS_MAX; an unprintable character becomes a space. Empty when
    nothing is read.
    """
    found: list[str] = []
    doubtful: set[str] = set()
    picture = page
    for look in _LOOKS:
        if look.small not in (None, _is_small(page)):
            continue
        picture = look.change(picture if look.again else page)
        for text, is_sure in _look_at(look, picture):
            if is_sure or text in doubtful:
                found.append(text)
            doubtful.add(text)
        if found and doubtful <= {*found}:
            break
    return tuple(dict.fromkeys(filter(None, map(_visible_text, found))))[:CODES_MAX]


def _look_at(look: _Look, picture: Image.Image) -> Iterator[tuple[str, bool]]:
    """Each text once, and whether it is certain.

    Bar codes are sometimes misread as others that look valid, but hardly ever twice as the same one.
    """
    # Created for each call: as a constant it makes zxing-cpp report a leak when the process ends.
    kinds = BarcodeFormats(look.kinds)
    found = zxingcpp.read_barcodes(picture, formats=kinds, binarizer=look.binarizer, text_mode=zxingcpp.TextMode.Plain)
    yield from dict.fromkeys((code.text, code.symbology in _CORRECTING) for code in found)


def _visible_text(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()[:CHARACTERS_MAX].strip()


def _as_it_is(page: Image.Image) -> Image.Image:
    return page


def _filter_grains(page: Image.Image) -> Image.Image:
    """The median of three pixels across, then of three down: removes grain and keeps edges.

    It takes a ninth of the time of the median of nine, and works as well for codes.
    """
    across = _median_of(ImageChops.offset(page, -1, 0), page, ImageChops.offset(page, 1, 0))
    return _median_of(ImageChops.offset(across, 0, -1), across, ImageChops.offset(across, 0, 1))


def _median_of(one: Image.Image, two: Image.Image, three: Image.Image) -> Image.Image:
    return ImageChops.lighter(ImageChops.darker(one, two), ImageChops.darker(ImageChops.lighter(one, two), three))


def _resize(page: Image.Image) -> Image.Image:
    """The page at two thirds of its width, or at twice its width if it is small."""
    wide, high = (page.width * 2, page.height * 2) if _is_small(page) else (page.width * 2 // 3, page.height * 2 // 3)
    return page.resize((wide, high), Image.Resampling.BILINEAR)


def _add_border(page: Image.Image) -> Image.Image:
    """The page with a white border, for a code that touches the edge of the picture."""
    return ImageOps.expand(page, _EDGE_PIXELS, 255)


def _shrink_and_smooth(page: Image.Image) -> Image.Image:
    small = _add_border(page if _is_small(page) else page.reduce(2))
    return ImageOps.autocontrast(small.filter(ImageFilter.BoxBlur(1)), cutoff=_CUTOFF_PERCENT)


def _is_small(page: Image.Image) -> bool:
    return page.width * page.height <= _SMALL_PIXELS


_LOOKS: Final = (
    _Look(_as_it_is, (*_QR, *_BARS, *_EAN)),
    # No EAN, which is misread most easily: the unchanged page must be one of the two looks that agree on it.
    _Look(_filter_grains, (*_QR, *_BARS), small=False),
    _Look(_resize, (*_QR, *_BARS, *_EAN), again=True),
    _Look(_add_border, (*_QR, *_DENSE), small=True),
    # No bar codes: at half the size 1 EAN in 4 is misread, always as the same text.
    _Look(_shrink_and_smooth, _QR, Binarizer.GlobalHistogram),
)
"""The first look finds nearly all codes; tests/benchmarks/bench_codes.py measures what each other look adds."""
