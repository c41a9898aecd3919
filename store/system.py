"""The real clock and ids, implementing domain/ports; tests pass their own."""

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.values import uuid7


class SystemClock:
    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def today(self) -> date:
        return self.day_of(self.now())

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()


class RandomIds:
    def new(self) -> UUID:
        return uuid7()
