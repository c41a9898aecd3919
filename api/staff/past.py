"""The moment of the past that an address asks for, in the one way in which links and pages go on with it."""

from datetime import UTC, datetime

from api.call import Call

# Nothing was archived before, and from here on every time zone has a day for a moment.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def as_of(call: Call) -> str | None:
    """A position, or a moment as written(): an address may have a moment in every form that the API takes."""
    asked = call.as_of()
    return written(max(asked, EARLIEST)) if isinstance(asked, datetime) else None if asked is None else str(asked)


def written(at: datetime) -> str:
    """RFC 3339, to the millisecond, as times are stored. Raises OverflowError for what UTC has no day for."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
