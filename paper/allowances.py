"""How long a request may take. Pure; broker.py holds each child to it, and child.py has the kernel do so too."""

from typing import Final

import msgspec

from domain.limits import Limits
from paper import messages

_MEBIBYTE: Final = 1024 * 1024
_PROCESSOR_PART: Final = 0.75
KEPT_PROCESSOR_SECONDS: Final = 1.0
"""A child that has used more takes no further upload."""


class Allowance(msgspec.Struct, frozen=True):
    """Seconds of wall and of processor time that a step of a request may take, and the number of its steps."""

    seconds: float
    processor_seconds: float
    steps: int


def allowance_of(request: messages.Request, limits: Limits) -> Allowance:
    """The time and the steps of a request. An upload gets processor time by its size; each page of an Assemble is a
    step.

    Processor time is always below wall time, which tells a file that needs too long from a machine that is too busy.
    """
    most = _processor_seconds_max(limits)
    if isinstance(request, messages.Examine | messages.Inspect):
        most = min(most, limits.decode_seconds_per_mebibyte * max(1.0, request.size / _MEBIBYTE))
    steps = len(request.parts) if isinstance(request, messages.Assemble) else 1
    return Allowance(limits.decode_seconds_max, most, steps)


def lifetime_seconds(first: Allowance, limits: Limits) -> float:
    """Processor seconds of a child whose first request has this allowance, including all requests that may follow."""
    return KEPT_PROCESSOR_SECONDS + max(first.processor_seconds * first.steps, _processor_seconds_max(limits))


def _processor_seconds_max(limits: Limits) -> float:
    """Processor seconds of a step that may use all of its wall time."""
    return limits.decode_seconds_max * _PROCESSOR_PART
