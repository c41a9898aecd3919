"""The envelope around every event and the mark of what is sealed in it; store/mapper.py reads both."""

from datetime import datetime
from typing import Annotated, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["UNSET", "Envelope", "Event", "Meta", "Recorded", "Sealed", "Unreadable", "UnsetType"]

T = TypeVar("T")
E_co = TypeVar("E_co", covariant=True)

Sealed = Annotated[T | UnsetType, msgspec.Meta(extra={"sealed": True})]
"""A personal field: written under the paper's key, UNSET when that key is gone. Never written as UNSET."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every event. The topic is its stored name: chosen, versioned, never a module path, never changed."""

    topic: ClassVar[str]


class Meta(msgspec.Struct, frozen=True):
    """Who did it, where, when by their clock, and which command it came of. Times are UTC."""

    actor: str
    branch: str
    occurred_at: datetime
    command_id: UUID
    correlation_id: UUID


class Envelope(msgspec.Struct, Generic[E_co], frozen=True):
    """What the event store keeps: an event in its stream. The first two names are those of the library."""

    originator_id: UUID
    originator_version: int
    body: E_co
    meta: Meta


class Unreadable(msgspec.Struct, frozen=True):
    """Stands in the log for an event that this release cannot read: of a later one, or damaged. No fold takes it."""

    topic: str


class Recorded(msgspec.Struct, Generic[E_co], frozen=True):
    """An envelope as the log has it: `position` rises over the whole log and may have holes."""

    position: int
    recorded_at: datetime
    envelope: Envelope[E_co]
