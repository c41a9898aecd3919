"""Parses `as_of` of an address into the one form that pages and their links use."""

from datetime import UTC, datetime, time

from api.call import Call
from domain.moment import format_moment

# No archive is older, and any later moment has a date in every time zone.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LAST_OF_DAY = time(23, 59, 59, 999000)


def as_of(call: Call) -> str | None:
    """The position or the formatted moment in the address; None for now."""
    asked = call.as_of()
    return format_moment(max(asked, EARLIEST)) if isinstance(asked, datetime) else None if asked is None else str(asked)
