"""Days reckoned on: short months, leap days, and the two ends of the calendar."""

from datetime import date

import pytest

from domain.calendar import add_months, day_after, day_before


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 11, 24), 0, date(2026, 11, 24)),
        (date(2026, 11, 24), 1, date(2026, 12, 24)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 3, 31), 1, date(2026, 4, 30)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 2, 28), 24, date(2028, 2, 28)),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_a_shorter_month(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


def test_the_calendar_ends_without_an_error() -> None:
    assert add_months(date(9999, 12, 1), 1) == date.max
    assert add_months(date(9990, 6, 1), 1200) == date.max
    assert (day_before(date.min), day_after(date.max)) == (date.min, None)


def test_the_days_beside_a_day() -> None:
    assert (day_before(date(2028, 3, 1)), day_after(date(2028, 2, 28))) == (date(2028, 2, 29), date(2028, 2, 29))
