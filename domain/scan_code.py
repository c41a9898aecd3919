"""Scan codes: the codes of our printed forms, and the text that desks and scanners read from them (docs/domain.md §5).

Pure. Ownership of a code, and that no code is reused, are claims made by the use cases of domain/archive.py.
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
# Letters that people read in place of the digits of our codes. Never in the prefix, where they are letters.
OURS_TYPED = re.compile(r"[A-Z]{2}[0-9OIL]{14}")
LOOKALIKES = str.maketrans("OIL", "011")
FOREIGN = re.compile(r"[A-Za-z0-9]{1,64}")
LUHN = re.compile(r"[0-9]{6,32}")
MOD11 = re.compile(r"[0-9]{5,31}[0-9X]")
ONCE = bytes.maketrans(b"0123456789", bytes(range(10)))
# Twice a digit; for a result of two digits, their sum.
TWICE = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
# ISO/IEC 15424: the prefix by which a scanner reports the kind of barcode, as in `]C1` or `]Q3`.
SYMBOLOGY = re.compile(r"\A\][A-Za-z][A-Za-z0-9]")
# Minus, hyphen bullet and modifier minus look like dashes but belong to other Unicode categories.
DASHES = "\u2212\u2043\u02d7"


class Scheme(StrEnum):
    """The check scheme of a document type's codes: ours, or the one of imported paper."""

    MOD97 = "mod97"
    NONE = "none"
    LUHN = "luhn"
    MOD11 = "mod11"


def make_code(prefix: str, number: int) -> str:
    """Our code of 16 characters: prefix, 12 digits, and two check digits that make the whole 1 modulo 97 (ISO 7064 MOD
    97-10).

    Raises ValueError unless the prefix has two capital letters and 0 <= number < 10**12.
    """
    code = f"{prefix}{number:012d}00"
    if not OURS.fullmatch(code):
        raise ValueError("a code has two capital letters and a number of 12 digits")
    return f"{code[:-2]}{98 - mod97(code):02d}"


def random_number() -> int:
    """An unpredictable number, because the code opens a customer's data."""
    return secrets.randbelow(NUMBERS)


def prefix_of(type_code: str) -> str:
    """Two letters that show the type to the desk: DEBT_AUTHORIZATION is DA, LETTER is LE; X fills a missing letter."""
    words = re.findall(r"[A-Z]+", type_code.upper())
    letters = words[0][0] + words[1][0] if len(words) > 1 else "".join(words)[:2]
    return letters.ljust(2, "X")


def group_code(code: str) -> str:
    """A canonical code as it is printed and read aloud: `DA 4827 1903 6651 44`; other codes in groups of four."""
    start = 2 if OURS.fullmatch(code) else 0
    groups = [code[:start], *(code[i : i + 4] for i in range(start, len(code), 4))]
    return " ".join(filter(None, groups))


def candidates(text: str) -> tuple[str, ...]:
    """The canonical forms that typed or scanned text may mean, in the order in which to look them up.

    Our own form comes first, and only with valid check digits; then the text as a foreign code. Empty when it is no
    code.
    """
    folded = _fold_code(text)
    return tuple(dict.fromkeys(filter(None, (_parse_own_code(folded), folded))))


def is_well_formed(text: str, schemes: Iterable[Scheme]) -> bool:
    """True if the text is a code of ours or of one of these schemes, issued or not."""
    folded = _fold_code(text)
    return any(_canonical_form(folded, scheme) for scheme in (Scheme.MOD97, *schemes))


def parse_code(text: str, scheme: Scheme) -> str:
    """The canonical form of an imported code. Our own codes are accepted under every scheme, for forms that we printed.

    Raises ScanCodeMalformed; also under `none` for a code in our form with wrong check digits, which is a typing error.
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
    """Our code, or None. It is rebuilt and compared, because 00, 01 and 99 also give 1 modulo 97 and no code of ours
    ends in them."""
    if not OURS_TYPED.fullmatch(folded):
        return None
    code = folded[:2] + folded[2:].translate(LOOKALIKES)
    return code if code == make_code(code[:2], int(code[2:14])) else None


def _fold_code(text: str) -> str:
    """Capital ASCII letters and digits, at most 64; empty when the text has other characters or is too long."""
    if FOREIGN.fullmatch(text):  # most codes need no folding
        return text.upper()
    if len(text) > TYPED_CHARACTERS_MAX:
        return ""
    signs = "".join(c for c in unicodedata.normalize("NFKC", text) if not _is_dropped(c))
    code = SYMBOLOGY.sub("", signs)
    return code.upper() if FOREIGN.fullmatch(code) else ""


def _is_dropped(sign: str) -> bool:
    """True if to ignore the character: blanks and line ends, dashes, and the invisible characters of text copied from a
    PDF."""
    return sign.isspace() or sign in DASHES or unicodedata.category(sign) in ("Pd", "Cf")


def luhn(digits: str) -> int:
    """The Luhn sum (ISO/IEC 7812-1 annex B) modulo 10 of a number with its check digit; 0 when it is valid."""
    signs = digits.encode()
    return sum(signs[-1::-2].translate(ONCE) + signs[-2::-2].translate(TWICE)) % 10


def mod11(digits: str) -> int:
    """The sum modulo 11 with weights 1, 2, 3, … from the right, X = 10; 0 when it is valid.

    Used by ISBN-10 and the PICA numbers of Dutch and German libraries. The weights continue: the eleventh place from
    the right has no weight, in every scheme of this family that libraries use.
    """
    values = (10 if d == "X" else int(d) for d in reversed(digits))
    return sum(weight * value for weight, value in enumerate(values, start=1)) % 11
