"""Days reckoned on. The calendar ends at 0001-01-01 and 9999-12-31, and so does every reckoning, without an error:

a validity up to its last day is taken like any other, and an event with one must open in every view.
"""

from datetime import date, timedelta
from functools import lru_cache

DAY = timedelta(days=1)


@lru_cache(maxsize=4_096)  # days of ten years: of most papers it is asked again, by each view
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
    return day - DAY if day > date.min else day


def day_after(day: date) -> date | None:
    """None: it never comes."""
    return day + DAY if day < date.max else None
