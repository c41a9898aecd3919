"""The moment of the past that an address asks for, in the one way in which links and pages go on with it."""

from datetime import UTC, datetime, time

from api.call import Call
from projections.reading import format_moment

# Nothing was archived before, and from here on every time zone has a day for a moment.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LAST_OF_DAY = time(23, 59, 59, 999000)


def as_of(call: Call) -> str | None:
    """A position, or a moment as times are shown: an address may have a moment in every form that the API takes."""
    asked = call.as_of()
    return format_moment(max(asked, EARLIEST)) if isinstance(asked, datetime) else None if asked is None else str(asked)
