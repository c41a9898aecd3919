"""Scan codes: the code of a form that we print, and what desks and guns deliver for it (docs/domain.md §5).

Pure. Who owns a code, and that none is ever used again, is a claim of domain/archive.py.
"""

import re
import secrets
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

from domain.iban import mod97
from domain.refusals import ScanCodeMalformed

NUMBERS = 10**12
TYPED_CHARACTERS_MAX = 256

OURS = re.compile(r"[A-Z]{2}[0-9]{14}")
# What people read into the digits of ours. Never in the prefix, where these are letters.
OURS_TYPED = re.compile(r"[A-Z]{2}[0-9OIL]{14}")
LOOKALIKES = str.maketrans("OIL", "011")
FOREIGN = re.compile(r"[A-Za-z0-9]{1,64}")
LUHN = re.compile(r"[0-9]{6,32}")
MOD11 = re.compile(r"[0-9]{5,31}[0-9X]")
ONCE = bytes.maketrans(b"0123456789", bytes(range(10)))
# A digit twice, and the sum of its digits when these are two.
TWICE = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
# ISO/IEC 15424: what a gun may set before the data to say which kind of barcode it saw, as in `]C1` or `]Q3`.
SYMBOLOGY = re.compile(r"\A\][A-Za-z][A-Za-z0-9]")
# Minus, hyphen bullet and modifier minus look like dashes and stand in other categories.
DASHES = "\u2212\u2043\u02d7"


class Scheme(StrEnum):
    """How the codes of a document type guard themselves: ours, or one that imported paper brings along."""

    MOD97 = "mod97"
    NONE = "none"
    LUHN = "luhn"
    MOD11 = "mod11"


def make_code(prefix: str, number: int) -> str:
    """Our code of 16 characters: prefix, 12 digits, and two by which the whole is 1 modulo 97 (ISO 7064 MOD 97-10).

    Raises ValueError unless the prefix has two capital letters and 0 <= number < 10**12.
    """
    code = f"{prefix}{number:012d}00"
    if not OURS.fullmatch(code):
        raise ValueError("a code has two capital letters and a number of 12 digits")
    return f"{code[:-2]}{98 - mod97(code):02d}"


def random_number() -> int:
    """A number that nobody can guess from another: the code opens a customer's data."""
    return secrets.randbelow(NUMBERS)


def prefix_of(type_code: str) -> str:
    """Two letters that tell the desk the type: DEBT_AUTHORIZATION is DA, LETTER is LE, X fills what is missing."""
    words = re.findall(r"[A-Z]+", type_code.upper())
    letters = words[0][0] + words[1][0] if len(words) > 1 else "".join(words)[:2]
    return letters.ljust(2, "X")


def group_code(code: str) -> str:
    """A canonical code as it is printed and read aloud: `DA 4827 1903 6651 44`, others in fours."""
    start = 2 if OURS.fullmatch(code) else 0
    groups = [code[:start], *(code[i : i + 4] for i in range(start, len(code), 4))]
    return " ".join(filter(None, groups))


def candidates(text: str) -> tuple[str, ...]:
    """The canonical forms that typed or scanned text may stand for, to be looked up in this order.

    Ours comes first, and only when its check digits hold; then the text as a foreign code. Empty: it is no code.
    """
    folded = _fold_code(text)
    return tuple(dict.fromkeys(filter(None, (_parse_own_code(folded), folded))))


def is_well_formed(text: str, schemes: Iterable[Scheme]) -> bool:
    """Whether it is a code of ours or of one of these schemes, known or not."""
    folded = _fold_code(text)
    return any(_canonical_form(folded, scheme) for scheme in (Scheme.MOD97, *schemes))


def parse_code(text: str, scheme: Scheme) -> str:
    """The canonical form of an imported code. Codes of ours are taken under every scheme: forms that we printed.

    Raises ScanCodeMalformed, also under `none` for our own form with wrong check digits: that is a slip of the pen.
    """
    canonical = _canonical_form(_fold_code(text), scheme)
    if canonical is None:
        raise ScanCodeMalformed
    return canonical


def _canonical_form(folded: str, scheme: Scheme) -> str | None:
    if OURS_TYPED.fullmatch(folded):
        return _parse_own_code(folded)
    return folded if _satisfies_scheme(folded, scheme) else None


def _satisfies_scheme(folded: str, scheme: Scheme) -> bool:
    match scheme:
        case Scheme.NONE:
            return folded != ""
        case Scheme.LUHN:
            return LUHN.fullmatch(folded) is not None and luhn(folded) == 0
        case Scheme.MOD11:
            return MOD11.fullmatch(folded) is not None and mod11(folded) == 0
        case Scheme.MOD97:
            return False


def _parse_own_code(folded: str) -> str | None:
    """Made anew and compared: 00, 01 and 99 also leave 1 modulo 97, but no code of ours ends in them."""
    if not OURS_TYPED.fullmatch(folded):
        return None
    code = folded[:2] + folded[2:].translate(LOOKALIKES)
    return code if code == make_code(code[:2], int(code[2:14])) else None


def _fold_code(text: str) -> str:
    """Capital letters and digits of ASCII, at most 64; empty when anything else is left or too much was sent."""
    if FOREIGN.fullmatch(text):  # most are typed or listed as they are
        return text.upper()
    if len(text) > TYPED_CHARACTERS_MAX:
        return ""
    signs = "".join(c for c in unicodedata.normalize("NFKC", text) if not _is_dropped(c))
    code = SYMBOLOGY.sub("", signs)
    return code.upper() if FOREIGN.fullmatch(code) else ""


def _is_dropped(sign: str) -> bool:
    """Blanks and line ends, dashes, and the invisible signs that come along when text is copied out of a PDF."""
    return sign.isspace() or sign in DASHES or unicodedata.category(sign) in ("Pd", "Cf")


def luhn(digits: str) -> int:
    """The sum of Luhn (ISO/IEC 7812-1 annex B) modulo 10 over a number with its check digit: 0 when it holds."""
    signs = digits.encode()
    return sum(signs[-1::-2].translate(ONCE) + signs[-2::-2].translate(TWICE)) % 10


def mod11(digits: str) -> int:
    """The sum modulo 11 with weights 1, 2, 3, … from the right, X = 10: 0 when it holds.

    As in ISBN-10 and in the PICA numbers of Dutch and German libraries. The weights run on: the eleventh place from
    the right weighs nothing, whatever scheme of this family a library uses.
    """
    values = (10 if d == "X" else int(d) for d in reversed(digits))
    return sum(weight * value for weight, value in enumerate(values, start=1)) % 11
