"""Date arithmetic that saturates at 0001-01-01 and 9999-12-31 instead of raising.

A validity up to the last day is accepted like any other, and an event with such a day must open in every view.
"""

from datetime import date, timedelta
from functools import lru_cache

DAY = timedelta(days=1)


@lru_cache(maxsize=4_096)  # days of ten years: each view asks this for most papers
def add_months(day: date, months: int) -> date:
    """The same day `months` (none or more) later, or the last day of a shorter month: from 29 February the 28th."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > date.max.year:
        return date.max
    for last in (day.day, 30, 29, 28):
        if last <= day.day:
            try:
                return date(year, month + 1, last)
            except ValueError:
                continue
    raise AssertionError("every month has a 28th day")


def day_before(day: date) -> date:
    """The day before; the first day of the calendar stays as it is."""
    return day - DAY if day > date.min else day


def day_after(day: date) -> date | None:
    """The day after; None after the last day of the calendar."""
    return day + DAY if day < date.max else None
