"""Checks between parts of the program, raised as exceptions: `python -O` removes asserts.

A condition that a caller, a file or a device can cause is a refusal instead (domain/refusals.py).
"""

from typing import TypeVar

T = TypeVar("T")


class PromiseBroken(Exception):
    """A defect of this program; the text is the broken promise."""


def require_value(value: T | None, promise: str) -> T:
    """The value. Raises PromiseBroken when it is None."""
    if value is None:
        raise PromiseBroken(promise)
    return value
