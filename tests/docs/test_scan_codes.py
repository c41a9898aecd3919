"""docs/scan-codes.md shows what the schemes do today, and its figures keep what the rules promise of ours."""

from tests.docs.scan_codes import PAGE, SLIPS, page, two


def test_the_tables_are_what_is_measured() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "drifted: .venv/bin/python -m tests.docs.scan_codes"


def test_our_codes_notice_every_error_of_a_kind_people_make() -> None:
    shares = {row[1]: row[2] for row in cells() if row[1] in SLIPS}
    assert shares.keys() == SLIPS.keys()
    assert {kind for kind, share in shares.items() if share != "**all**"} == {k for k, s in SLIPS.items() if s is two}


def test_no_error_of_two_digits_lands_on_the_code_of_another() -> None:
    """Counted beside numbers of which one in ten does: the count is able to find them."""
    landed = {row[1]: int(row[2].split()[0].replace(",", "")) for row in cells() if row[2].endswith(" of 100,000")}
    assert landed["ours: 12 random digits behind one prefix"] == 0
    assert landed["`luhn`, 7 digits, sequential"] > 10_000


def cells() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| ")]
