"""Days as staff type them: day first, with the whole year; all else is left to be refused."""

import pytest

from domain.values import normalize_typed_day


@pytest.mark.parametrize("text", ["3-12-2026", "03.12.2026", "3/12/2026", " 3 12 2026 ", "2026-12-03"])
def test_a_day_is_read_in_every_way_to_type_it(text: str) -> None:
    assert normalize_typed_day(text) == "2026-12-03"


@pytest.mark.parametrize("text", ["3-12-26", "12-2026", "tomorrow", "", "3-12-20261"])
def test_what_is_no_whole_day_is_left_as_it_is(text: str) -> None:
    assert normalize_typed_day(text) == text
