"""The real clock: days are those of where the institution stands (edge case 22: signed 31 Dec, scanned 1 Jan)."""

from datetime import UTC, date, datetime

import pytest

from store.system import SystemClock


@pytest.mark.parametrize(
    ("timezone", "day"),
    [
        ("Europe/Amsterdam", date(2027, 1, 1)),
        ("UTC", date(2026, 12, 31)),
        ("America/Curacao", date(2026, 12, 31)),
        ("Pacific/Kiritimati", date(2027, 1, 1)),
    ],
)
def test_a_moment_belongs_to_the_day_of_the_institution(timezone: str, day: date) -> None:
    assert SystemClock(timezone).day_of(datetime(2026, 12, 31, 23, 30, tzinfo=UTC)) == day


def test_today_is_the_day_of_now() -> None:
    clock = SystemClock("Pacific/Kiritimati")
    before, today, after = clock.day_of(clock.now()), clock.today(), clock.day_of(clock.now())
    assert before <= today <= after
