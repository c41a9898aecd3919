"""Days reckoned on: shorter months, leap days, and the two ends of the calendar."""

from datetime import date

import pytest

from domain.calendar import add_months, day_after, day_before


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 36, date(2027, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2023, 2, 28), 12, date(2024, 2, 28)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2026, 3, 31), 1, date(2026, 4, 30)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 11, 24), 14, date(2028, 1, 24)),
        (date(2026, 11, 24), 0, date(2026, 11, 24)),
        (date(1, 1, 1), 36, date(4, 1, 1)),
        (date(9996, 12, 31), 36, date(9999, 12, 31)),
        (date(9997, 1, 1), 36, date.max),
        (date.max, 1_800, date.max),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_a_shorter_month(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


def test_the_neighbours_of_a_day() -> None:
    assert day_before(date(2024, 3, 1)) == date(2024, 2, 29)
    assert day_after(date(2024, 12, 31)) == date(2025, 1, 1)


def test_before_the_first_day_there_is_none_and_the_day_after_the_last_never_comes() -> None:
    assert day_before(date.min) == date.min
    assert day_after(date.max) is None
