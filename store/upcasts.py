"""Old event versions read as today's: one function per outdated event class, each with a test of its old bytes."""

from collections.abc import Callable
from typing import Any

from domain.envelope import Event

UPCASTS: dict[type[Event], Callable[[Any], Event]] = {}
