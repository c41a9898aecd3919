"""IBAN and SEPA creditor identifiers by their check rules: ISO 13616 (MOD 97), SEPA's Latin set for references."""

import re
from string import ascii_uppercase, digits

from domain.refusals import N_, FieldError, IbanInvalid

# Lengths by country, ISO 13616 registry: the SEPA area and its neighbours that pay into it.
LENGTHS = {
    "AD": 24, "AL": 28, "AT": 20, "BA": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22,
    "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GI": 23, "GL": 18, "GR": 27,
    "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "RS": 22,
    "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip
# Position of the bank identifier in the BBAN, ISO 13616 registry: (first, end) after the check number.
BANK = {
    "AD": (0, 4), "AL": (0, 3), "AT": (0, 5), "BA": (0, 3), "BE": (0, 3), "BG": (0, 4), "CH": (0, 5), "CY": (0, 3),
    "CZ": (0, 4), "DE": (0, 8), "DK": (0, 4), "EE": (0, 2), "ES": (0, 4), "FI": (0, 3), "FO": (0, 4), "FR": (0, 5),
    "GB": (0, 4), "GI": (0, 4), "GL": (0, 4), "GR": (0, 3), "HR": (0, 7), "HU": (0, 3), "IE": (0, 4), "IS": (0, 2),
    "IT": (1, 6), "LI": (0, 5), "LT": (0, 5), "LU": (0, 3), "LV": (0, 4), "MC": (0, 5), "MD": (0, 2), "ME": (0, 3),
    "MK": (0, 3), "MT": (0, 4), "NL": (0, 4), "NO": (0, 4), "PL": (0, 3), "PT": (0, 4), "RO": (0, 4), "RS": (0, 3),
    "SE": (0, 3), "SI": (0, 2), "SK": (0, 4), "SM": (1, 6), "TR": (0, 5), "UA": (0, 6), "VA": (0, 3), "XK": (0, 2),
}  # fmt: skip
BLANKS = re.compile(r"[\s-]")
IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+")
REFERENCE = re.compile(r"[A-Za-z0-9+?/:().,' -]{1,35}")
CREDITOR = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9]{1,28}")
# Includes digits, which stay the same: for a missing character translate() would raise and catch an exception.
NUMBERS = {ord(sign): str(n) for n, sign in enumerate(digits + ascii_uppercase)}
BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?")


def parse_iban(text: str) -> str:
    """The IBAN without blanks, in capitals. Raises IbanInvalid for a wrong country, length or check number."""
    folded = (text if text.isalnum() else BLANKS.sub("", text)).upper()
    if not IBAN.fullmatch(folded) or len(folded) != LENGTHS.get(folded[:2]):
        raise IbanInvalid
    if mod97(folded[4:] + folded[:4]) != 1:
        raise IbanInvalid
    return folded


def parse_creditor_id(text: str, field: str = "mandate.creditor_id") -> str:
    """A SEPA creditor identifier. Its check number ignores the business code in places 5 to 7 (EPC262-08)."""
    folded = re.sub(r"\s", "", text).upper()
    if not CREDITOR.fullmatch(folded) or mod97(folded[7:] + folded[:4]) != 1:
        raise FieldError(field, N_("is not a SEPA creditor identifier; compare it with the contract of your bank"))
    return folded


def parse_bic(text: str, field: str = "mandate.bic") -> str:
    """A BIC in capitals; raises FieldError unless it has 8 or 11 characters."""
    folded = text.strip().upper()
    if not BIC.fullmatch(folded):
        raise FieldError(field, N_("must be a BIC of 8 or 11 letters and digits"))
    return folded


def parse_mandate_reference(text: str, field: str = "mandate.mandate_reference") -> str:
    """A UMR: at most 35 characters of SEPA's Latin set, no slash at either end and no two in a row."""
    stripped = text.strip()
    if not REFERENCE.fullmatch(stripped) or stripped[0] == "/" or stripped[-1] == "/" or "//" in stripped:
        raise FieldError(field, N_("must have 1 to 35 letters, digits or + ? / : ( ) . , ' - and blanks"))
    return stripped


def mod97(text: str) -> int:
    """The number modulo 97 (ISO 7064 MOD 97-10), with letters A = 10 … Z = 35."""
    return int(text.translate(NUMBERS)) % 97


def is_same_bank(one: str, other: str) -> bool:
    """True if two IBANs from parse_iban() name the same bank."""
    return one[:2] == other[:2] and _bank_of(one) == _bank_of(other)


def _bank_of(value: str) -> str:
    first, end = BANK[value[:2]]
    return value[4:][first:end]


def mask_iban(value: str) -> str:
    """The IBAN for readers who need not compare it: country, check number and the last four characters."""
    return value[:4] + "•" * (len(value) - 8) + value[-4:]
