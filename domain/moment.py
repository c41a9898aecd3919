"""Moments as text in RFC 3339, as the API and its readers write them."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


def format_moment(at: datetime) -> Moment:
    """RFC 3339 in UTC to the millisecond, the precision of stored times."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:-6]}Z"


def parse_moment(text: str, field: str) -> datetime:
    """An RFC 3339 time, in UTC. Raises ValidationFailed."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a query is a blank
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):  # an offset can lead out of the calendar
        detail = N_("must be a time like 2026-11-24T09:30:00Z or a position")
        raise ValidationFailed(FieldError(field, detail)) from None
    if moment.tzinfo is None:
        detail = N_("must say its offset from UTC, as in 2026-11-24T09:30:00Z")
        raise ValidationFailed(FieldError(field, detail))
    return in_utc
