"""Numbers of the bank by their own check rules; tests/property/test_domain_numbers.py looks for what slips through."""

import pytest

from domain.iban import LENGTHS, mask_iban, mod97, parse_bic, parse_creditor_id, parse_iban, parse_mandate_reference
from domain.refusals import FieldError, IbanInvalid

# The examples of the ISO 13616 registry.
VALID = [
    "BE68539007547034",
    "NL91ABNA0417164300",
    "DE89370400440532013000",
    "FR1420041010050500013M02606",
    "GB29NWBK60161331926819",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "LU280019400644750000",
]
# The European Economic Area, then those that joined, of the EPC's list of SEPA countries.
SEPA = """
AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK
AD AL CH GB GI MC MD ME MK RS SM VA
"""


@pytest.mark.parametrize("number", VALID)
def test_the_examples_of_the_registry_are_ibans(number: str) -> None:
    assert parse_iban(number) == number


@pytest.mark.parametrize("written", ["BE68 5390 0754 7034", "be68-5390-0754-7034", "\tBE68539007547034\n"])
def test_blanks_dashes_and_small_letters_are_folded(written: str) -> None:
    assert parse_iban(written) == "BE68539007547034"


@pytest.mark.parametrize(
    "number",
    [
        "",
        "BE",
        "BE68539007547035",
        "BE6853900754703",
        "BE685390075470340",
        "XX68539007547034",
        "US64SVBKUS6S3300958879",
        "6853900754703412",
        "BE68.5390.0754.7034",
        "BE٦٨539007547034",
        "BE6853900754703４",
    ],
)
def test_a_wrong_country_length_check_number_or_sign_is_refused(number: str) -> None:
    with pytest.raises(IbanInvalid):
        parse_iban(number)


def test_the_remainder_of_every_valid_iban_is_one() -> None:
    assert {mod97(number[4:] + number[:4]) for number in VALID} == {1}


def test_all_of_sepa_has_a_length() -> None:
    assert set(SEPA.split()) <= LENGTHS.keys()


@pytest.mark.parametrize("number", ["DE98ZZZ09999999999", "de98 zzz 09999999999", "DE98ABC09999999999"])
def test_the_business_code_of_a_creditor_identifier_is_not_checked(number: str) -> None:
    assert parse_creditor_id(number)[:4] == "DE98"


@pytest.mark.parametrize(
    "number", ["", "DE98ZZZ09999999998", "DE99ZZZ09999999999", "DE98ZZZ", "98ZZZ09999999999", "DE٩٨ZZZ09999999999"]
)
def test_a_wrong_creditor_identifier_is_refused_at_its_field(number: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse_creditor_id(number)
    assert refused.value.field == "mandate.creditor_id"


@pytest.mark.parametrize("number", ["GKCCBEBB", " gkccbebb ", "DEUTDEFF500"])
def test_a_bic_has_eight_or_eleven_signs(number: str) -> None:
    assert parse_bic(number) == number.strip().upper()


@pytest.mark.parametrize("number", ["", "GKCCBEB", "GKCCBEBB5", "GKCCBEBB5000", "12CCBEBB"])
def test_another_length_or_form_is_no_bic(number: str) -> None:
    with pytest.raises(FieldError):
        parse_bic(number)


@pytest.mark.parametrize("reference", ["M1", "A" * 35, "a+?:().,'- b/c", "  M1  "])
def test_a_reference_takes_the_latin_set_of_sepa(reference: str) -> None:
    assert parse_mandate_reference(reference) == reference.strip()


@pytest.mark.parametrize("reference", ["", "  ", "A" * 36, "é", "/M1", "M1/", "M//1", "M_1", "M1\n2", "M٣"])
def test_another_sign_or_length_is_no_reference(reference: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse_mandate_reference(reference)
    assert refused.value.field == "mandate.mandate_reference"


def test_a_masked_iban_shows_country_check_number_and_last_four() -> None:
    assert mask_iban("BE68539007547034") == "BE68••••••••7034"
