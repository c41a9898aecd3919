"""Scan codes: what is printed, what people and guns make of it, and that no slip of a kind people make gets through."""

import re
from collections.abc import Callable, Iterator
from string import ascii_uppercase, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.refusals import ScanCodeMalformed
from domain.scan_code import (
    NUMBERS,
    TYPED_CHARACTERS_MAX,
    Scheme,
    candidates,
    group_code,
    is_well_formed,
    make_code,
    parse_code,
    prefix_of,
    random_number,
)

CODE = "DA48271903665144"
CARD = "20001012345678"
PREFIXES = st.text(ascii_uppercase, min_size=2, max_size=2)
CODES = st.builds(make_code, PREFIXES, st.integers(0, NUMBERS - 1))
OUR_FORM = re.compile(r"[A-Z]{2}[0-9]{14}")
BLANKS = [" ", "\u00a0", "\u2009", "\u202f", "\u3000", "\u200b", "\ufeff"]
DASHES = ["-", "\u2010", "\u2011", "\u2013", "\u2014", "\u2212", "\u00ad", "\uff0d", "\u2043", "\u02d7"]
ENDS = ["", "\r", "\n", "\r\n", "\t", "\x1d"]
Slip = Callable[[str], Iterator[str]]
LOOKALIKES = {"0": "0Oo", "1": "1IiLl"}


# -- making -----------------------------------------------------------------------------------------------------


def test_the_code_of_the_rules_is_made_and_printed_in_groups() -> None:
    assert make_code("DA", 482719036651) == CODE
    assert group_code(CODE) == "DA 4827 1903 6651 44"


@given(PREFIXES, st.integers(0, NUMBERS - 1))
def test_a_code_is_1_modulo_97_with_letters_as_in_an_iban(prefix: str, number: int) -> None:
    code = make_code(prefix, number)
    assert re.fullmatch(rf"{prefix}{number:012d}[0-9]{{2}}", code)
    assert int("".join(str(ord(c) - 55) if c > "9" else c for c in code)) % 97 == 1


@pytest.mark.parametrize(
    ("prefix", "number"), [("D", 1), ("da", 1), ("D1", 1), ("DAN", 1), ("DA", -1), ("DA", NUMBERS)]
)
def test_nothing_else_becomes_a_code(prefix: str, number: int) -> None:
    with pytest.raises(ValueError, match="two capital letters"):
        make_code(prefix, number)


def test_numbers_are_spread_over_twelve_digits() -> None:
    numbers = {random_number() for _ in range(1000)}
    assert len(numbers) > 990
    assert min(numbers) >= 0
    assert max(numbers) < NUMBERS
    assert {number * 10 // NUMBERS for number in numbers} == set(range(10))


@pytest.mark.parametrize(
    ("type_code", "prefix"),
    [
        ("DEBT_AUTHORIZATION", "DA"),
        ("READING_DISABILITY", "RD"),
        ("GUARDIAN_CONSENT", "GC"),
        ("OTHER_AUTHORIZATION_2", "OA"),
        ("LETTER", "LE"),
        ("FORM_2", "FO"),
        ("2_FORM_3_KEEPERS", "FK"),
        ("a_b", "AB"),
        ("Q", "QX"),
        ("7", "XX"),
        ("", "XX"),
    ],
)
def test_a_prefix_has_the_initials_of_the_type(type_code: str, prefix: str) -> None:
    assert prefix_of(type_code) == prefix


@given(st.text(ascii_uppercase + digits + "_"))
def test_every_type_has_a_prefix_that_a_code_takes(type_code: str) -> None:
    assert make_code(prefix_of(type_code), 0).startswith(prefix_of(type_code))


@pytest.mark.parametrize(
    ("code", "printed"),
    [("12345678901234", "1234 5678 9012 34"), ("A123", "A123"), ("DA4827190366514X", "DA48 2719 0366 514X")],
)
def test_other_codes_stand_in_groups_of_four(code: str, printed: str) -> None:
    assert group_code(code) == printed


# -- folding ----------------------------------------------------------------------------------------------------


@given(CODES)
def test_what_is_printed_stands_for_its_code(code: str) -> None:
    assert candidates(code) == candidates(group_code(code)) == (code,)


@given(CODES, st.data())
def test_however_a_code_is_typed_it_comes_first(code: str, data: st.DataObject) -> None:
    """Small letters, lookalikes among the digits, blanks and dashes anywhere, a gun's mark before and Enter behind."""
    typed = [data.draw(st.sampled_from(spellings(i, c))) for i, c in enumerate(code)]
    between = [data.draw(st.sampled_from(["", *BLANKS, *DASHES])) for _ in typed]
    before, behind = data.draw(st.sampled_from(["", "]C1", "]Q3", " ]d2"])), data.draw(st.sampled_from(ENDS))
    text = before + "".join(a + b for a, b in zip(typed, between, strict=True)) + behind
    assert candidates(text)[0] == code
    assert is_well_formed(text, [])
    assert all(parse_code(text, scheme) == code for scheme in Scheme)


def spellings(place: int, sign: str) -> str:
    wide = chr(ord(sign) + 0xFEE0)
    return (LOOKALIKES.get(sign, sign) if place > 1 else sign + sign.lower()) + wide


@given(st.text())
def test_whatever_is_typed_yields_canonical_forms_or_nothing(text: str) -> None:
    for form in candidates(text):
        assert re.fullmatch(r"[A-Z0-9]{1,64}", form)
        assert form in candidates(form)


@given(st.text() | CODES | st.text(digits, min_size=6, max_size=32), st.sampled_from(Scheme))
def test_what_is_imported_can_be_looked_up_by_the_same_text(text: str, scheme: Scheme) -> None:
    assert is_well_formed(text, [scheme]) is (imported(text, scheme) is not None or is_well_formed(text, []))
    if code := imported(text, scheme):
        assert code in candidates(text)


def imported(text: str, scheme: Scheme) -> str | None:
    try:
        return parse_code(text, scheme)
    except ScanCodeMalformed:
        return None


@pytest.mark.parametrize("sign", [*BLANKS, *DASHES, *ENDS], ids=ascii)
def test_blanks_dashes_and_line_ends_of_all_kinds_are_dropped(sign: str) -> None:
    assert candidates(f"{sign}12{sign}34{sign}{sign}x5{sign}") == ("1234X5",)


@pytest.mark.parametrize(
    "text", ["", " ", "\r\n", "--", "]C1", "12/34", "1_2", "A.B", "é12", "٣٤", "ı1", "12\x00", "\ud800"]
)
def test_other_signs_are_no_code(text: str) -> None:
    assert candidates(text) == ()
    assert not is_well_formed(text, Scheme)


def test_a_foreign_code_keeps_its_letters() -> None:
    """O and I of a foreign code may be meant."""
    assert candidates("lib0-oil1") == ("LIB0OIL1",)


def test_a_prefix_keeps_its_letters() -> None:
    code = make_code("OI", 7)
    assert candidates(code.lower()) == (code,)
    assert candidates("01" + code[2:]) == ("01" + code[2:],)
    assert not is_well_formed("01" + code[2:], [])


def test_only_one_mark_of_a_gun_is_dropped_and_only_in_front() -> None:
    assert candidates("]C1123") == ("123",)
    assert candidates("]C1]C1123") == candidates("123]C1") == ()


def test_a_foreign_code_has_at_most_64_characters() -> None:
    assert candidates("9" * 64) == ("9" * 64,)
    assert candidates("9" * 65) == ()


def test_what_is_sent_has_at_most_256_characters() -> None:
    assert candidates(CODE.ljust(TYPED_CHARACTERS_MAX)) == (CODE,)
    assert candidates(CODE.ljust(TYPED_CHARACTERS_MAX + 1)) == ()


# -- slips ------------------------------------------------------------------------------------------------------


def single_errors(code: str) -> Iterator[str]:
    for i, sign in enumerate(code):
        for other in (ascii_uppercase if sign.isalpha() else digits).replace(sign, ""):
            yield code[:i] + other + code[i + 1 :]


def swaps(code: str) -> Iterator[str]:
    for i in range(15):
        yield code[:i] + code[i + 1] + code[i] + code[i + 2 :]


def jump_swaps(code: str) -> Iterator[str]:
    for i in range(14):
        yield code[:i] + code[i + 2] + code[i + 1] + code[i] + code[i + 3 :]


def doubled(code: str) -> Iterator[str]:
    for i in range(16):
        yield code[: i + 1] + code[i:]


def dropped(code: str) -> Iterator[str]:
    for i in range(16):
        yield code[:i] + code[i + 1 :]


def twins(code: str) -> Iterator[str]:
    for i in range(15):
        if code[i] == code[i + 1]:
            yield from (code[:i] + other * 2 + code[i + 2 :] for other in (digits if i > 1 else ascii_uppercase))


def phonetics(code: str) -> Iterator[str]:
    """Fifteen for fifty and back."""
    for i in range(2, 15):
        if code[i] == "1" and code[i + 1] > "1":
            yield code[:i] + code[i + 1] + "0" + code[i + 2 :]
        if code[i] > "1" and code[i + 1] == "0":
            yield code[:i] + "1" + code[i] + code[i + 2 :]


@pytest.mark.parametrize("slip", [single_errors, swaps, jump_swaps, doubled, dropped, twins, phonetics])
@settings(max_examples=50)
@given(code=CODES | st.builds(make_code, st.sampled_from(["AA", "ZZ"]), st.sampled_from([0, 10**11, 155555555550])))
def test_every_slip_of_a_kind_people_make_is_noticed(slip: Slip, code: str) -> None:
    """At every place, with every digit. A text that is still of our form is noticed beside all other schemes too."""
    wrong = [(text, tuple(Scheme) if OUR_FORM.fullmatch(text) else ()) for text in slip(code) if text != code]
    assert [text for text, schemes in wrong if is_well_formed(text, schemes)] == []


@pytest.mark.parametrize("ending", range(100))
def test_only_the_two_digits_that_were_made_are_taken(ending: int) -> None:
    """02 and 99 leave the same remainder, but only one of them is printed."""
    for number in range(97):
        code = make_code("DA", number)
        text = f"{code[:14]}{ending:02d}"
        assert is_well_formed(text, []) == (text == code)


# -- foreign schemes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["79927398713", "7992 7398 713", "000000", "4539-1488-0343-6467", "0" * 32])
def test_luhn_takes_digits_whose_sum_holds(text: str) -> None:
    assert is_well_formed(text, [Scheme.LUHN])
    assert parse_code(text, Scheme.LUHN) == text.replace(" ", "").replace("-", "")


@pytest.mark.parametrize("text", ["79927398710", "00000", "0" * 33, "7992739871X", "O00000"])
def test_luhn_refuses_other_sums_lengths_and_letters(text: str) -> None:
    assert not is_well_formed(text, [Scheme.LUHN])
    with pytest.raises(ScanCodeMalformed):
        parse_code(text, Scheme.LUHN)


# Numbers of the German authority file (Goethe, Bach), and the examples of the ISBN standard.
MOD11 = ["118540238", "11850553X", "11850553x", "0-306-40615-2", "0-8044-2957-X", "000000", "0" * 32]


@pytest.mark.parametrize("text", MOD11)
def test_mod_11_takes_the_numbers_of_libraries(text: str) -> None:
    assert parse_code(text, Scheme.MOD11) == text.replace("-", "").upper()


@pytest.mark.parametrize("text", ["118540239", "118505530", "1185055X3", "X18540238", "00000", "0" * 33, "11850553XX"])
def test_mod_11_refuses_other_sums_lengths_and_an_x_elsewhere(text: str) -> None:
    assert not is_well_formed(text, [Scheme.MOD11])
    with pytest.raises(ScanCodeMalformed):
        parse_code(text, Scheme.MOD11)


@pytest.mark.parametrize("text", ["1", "anything goes 1", "DA4827190366514", "9" * 64])
def test_a_type_without_a_scheme_takes_what_it_gets(text: str) -> None:
    assert parse_code(text, Scheme.NONE) == text.replace(" ", "").upper()
    assert not is_well_formed(text, [Scheme.LUHN, Scheme.MOD97])


def test_our_form_with_wrong_check_digits_is_refused_even_without_a_scheme() -> None:
    assert not is_well_formed("DA48271903665145", Scheme)
    for scheme in Scheme:
        with pytest.raises(ScanCodeMalformed):
            parse_code("DA 4827 I9O3 6651 45", scheme)


# -- edge case 2, as a careful librarian tries it ---------------------------------------------------------------


@pytest.mark.parametrize("slip", ["DA 4827 1903 6652 44", "DB 4827 1903 6651 44", "DA 8427 1903 6651 44"])
def test_one_wrong_digit_or_letter_or_two_swapped_is_mistyped(slip: str) -> None:
    assert not is_well_formed(slip, Scheme)
    assert CODE not in candidates(slip)


def test_o_for_0_and_i_or_l_for_1_find_the_code() -> None:
    assert candidates("da 4827 i9o3 6651 44")[0] == candidates("DA 4827 L9O3 6651 44")[0] == CODE


def test_the_card_number_typed_instead_is_never_taken_for_a_code_of_ours() -> None:
    assert candidates(CARD) == (CARD,)
    assert not is_well_formed(CARD, [Scheme.MOD97])
    assert is_well_formed(CARD, [Scheme.NONE])


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\t"])
def test_enter_from_the_gun_changes_nothing(ending: str) -> None:
    assert candidates(CODE + ending) == candidates("]Q3" + CODE.lower() + ending) == (CODE,)


def test_what_is_said_tells_the_desk_what_to_do() -> None:
    with pytest.raises(ScanCodeMalformed, match="Compare it with the paper, group by group"):
        parse_code("DA 4827 1903 6651 45", Scheme.MOD97)
