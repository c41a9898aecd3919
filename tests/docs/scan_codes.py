"""How many typing errors each scheme of scan codes notices, measured. test_scan_codes.py holds the page to it.

    .venv/bin/python -m tests.docs.scan_codes

writes what stands under the mark in docs/scan-codes.md. Figures are the same on every machine: the seed is fixed.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from random import Random
from string import ascii_uppercase, digits
from typing import NamedTuple

from domain.scan_code import NUMBERS, Scheme, is_well_formed, luhn, make_code, mod11

PAGE = Path(__file__).parents[2] / "docs" / "scan-codes.md"
MARK = "<!-- from here on made by tests/docs/scan_codes.py -->\n"
SEED = 97
CODES, ERRORS = 1_000, 5_000
ISSUED, TWO_DIGIT_ERRORS = 1_000_000, 100_000

Slip = Callable[[Random, str], str]


def page(text: str) -> str:
    """The page with what stands under its mark made anew; the rest is written by hand."""
    return "".join([text.partition(MARK)[0], MARK, "\n", "\n".join([*noticed(), "", *landings()]), "\n"])


# -- errors noticed ---------------------------------------------------------------------------------------------


def noticed() -> Iterator[str]:
    yield f"Errors that are detected, of {ERRORS:,} in {CODES:,} random codes for each kind and scheme:\n"
    yield f"| Error | {' | '.join(COLUMNS)} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for kind, slip in SLIPS.items():
        shares = [_share(_missed(scheme, issue, slip)) for scheme, issue in COLUMNS.values()]
        yield f"| {kind} | {' | '.join(shares)} |"


def _missed(scheme: Scheme, issue: Callable[[Random], str], slip: Slip) -> int:
    """A code on which this error changes nothing is passed over."""
    rng = Random(SEED)
    codes = cycle([issue(rng) for _ in range(CODES)])
    wrong = (typed for code in codes if (typed := slip(rng, code)) != code)
    return sum(is_well_formed(typed, [scheme]) for typed in islice(wrong, ERRORS))


def _share(missed: int) -> str:
    """Rounded down, so that only "all" means all."""
    per_mille = (ERRORS - missed) * 1000 // ERRORS
    return "**all**" if missed == 0 else f"{per_mille / 10} %" if missed < ERRORS else "none"


def luhn_code(payload: str) -> str:
    return f"{payload}{-luhn(payload + '0') % 10}"


def mod11_code(payload: str) -> str:
    return payload + "0123456789X"[-mod11(payload + "0") % 11]


def _number(rng: Random, length: int) -> str:
    return f"{rng.randrange(10**length):0{length}d}"


def _ours(rng: Random) -> str:
    return make_code("".join(rng.choices(ascii_uppercase, k=2)), rng.randrange(NUMBERS))


COLUMNS: dict[str, tuple[Scheme, Callable[[Random], str]]] = {
    "`mod97`, our 16 characters": (Scheme.MOD97, _ours),
    "`luhn`, 14 digits": (Scheme.LUHN, lambda rng: luhn_code(_number(rng, 13))),
    "`mod11`, 10 digits": (Scheme.MOD11, lambda rng: mod11_code(_number(rng, 9))),
    "`none`, 12 digits": (Scheme.NONE, lambda rng: _number(rng, 12)),
}


# -- kinds of errors --------------------------------------------------------------------------------------------


def single(rng: Random, code: str) -> str:
    return _changed(rng, code, [rng.randrange(len(code))])


def two(rng: Random, code: str) -> str:
    return _changed(rng, code, rng.sample(range(len(code)), 2))


def _changed(rng: Random, code: str, places: Sequence[int]) -> str:
    """Another sign of the same kind at each of these places."""
    signs = list(code)
    for i in places:
        signs[i] = rng.choice(OTHERS[signs[i]])
    return "".join(signs)


# X among digits stands for ten, and people put a digit in its place.
ALPHABETS = dict.fromkeys(ascii_uppercase, ascii_uppercase) | dict.fromkeys(digits + "X", digits)
OTHERS = {sign: alphabet.replace(sign, "") for sign, alphabet in ALPHABETS.items()}


def swap(rng: Random, code: str) -> str:
    i = rng.randrange(len(code) - 1)
    return code[:i] + code[i + 1] + code[i] + code[i + 2 :]


def jump_swap(rng: Random, code: str) -> str:
    i = rng.randrange(len(code) - 2)
    return code[:i] + code[i : i + 3][::-1] + code[i + 3 :]


def double(rng: Random, code: str) -> str:
    i = rng.randrange(len(code))
    return code[: i + 1] + code[i:]


def drop(rng: Random, code: str) -> str:
    i = rng.randrange(len(code))
    return code[:i] + code[i + 1 :]


def twin(rng: Random, code: str) -> str:
    i = rng.randrange(len(code) - 1)
    return code[:i] + rng.choice(ALPHABETS[code[i]]) * 2 + code[i + 2 :] if code[i] == code[i + 1] else code


def phonetic(rng: Random, code: str) -> str:
    i = rng.randrange(len(code) - 1)
    heard = PHONETIC.get(code[i : i + 2])
    return code[:i] + heard + code[i + 2 :] if heard else code


# Thirteen for thirty and so on to nineteen for ninety, and back.
PHONETIC = {f"1{d}": f"{d}0" for d in "3456789"} | {f"{d}0": f"1{d}" for d in "3456789"}
SLIPS: dict[str, Slip] = {
    "one wrong character": single,
    "two neighbours swapped, `ab` → `ba`": swap,
    "two swapped across a third, `abc` → `cba`": jump_swap,
    "one character doubled": double,
    "one character left out": drop,
    "a pair mistaken, `aa` → `bb`": twin,
    "misheard, `15` → `50` or back": phonetic,
    "two wrong characters anywhere": two,
}


# -- errors that land on the code of another ---------------------------------------------------------------------


class Stock(NamedTuple):
    """Issued codes: their numbers, what stands before and behind the number, how one is written and checked."""

    numbers: Sequence[int]
    written: Callable[[int], str]
    prefix_length: int
    check_digits: int
    scheme: Scheme


def landings() -> Iterator[str]:
    yield f"Two random wrong digits in one of {ISSUED:,} issued codes, {TWO_DIGIT_ERRORS:,} times:\n"
    yield "| Issued codes | accepted as the code of another authorization |\n|---|---|"
    for name, stock in stocks().items():
        yield f"| {name} | {landed(stock):,} of {TWO_DIGIT_ERRORS:,} |"


def stocks() -> dict[str, Stock]:
    rng = Random(SEED)
    serials = [int(rng.random() * NUMBERS) for _ in range(ISSUED)]
    ours = Stock(serials, lambda number: make_code("DA", number), 2, 2, Scheme.MOD97)
    return {
        "ours: 12 random digits behind one prefix": ours,
        "our check digits on sequential numbers": ours._replace(numbers=range(ISSUED)),
        "`luhn`, 7 digits, sequential": Stock(range(ISSUED), lambda n: luhn_code(f"{n:06d}"), 0, 1, Scheme.LUHN),
    }


def landed(stock: Stock) -> int:
    """Only digits go wrong: a wrong prefix could not be the code of another here."""
    rng, begin, found = Random(SEED), stock.prefix_length, 0
    issued: Collection[int] = stock.numbers if isinstance(stock.numbers, range) else set(stock.numbers)
    for _ in range(TWO_DIGIT_ERRORS):
        code = stock.written(rng.choice(stock.numbers))
        wrong = _changed(rng, code, rng.sample(range(begin, len(code)), 2))
        found += int(wrong[begin : -stock.check_digits]) in issued and is_well_formed(wrong, [stock.scheme])
    return found


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
