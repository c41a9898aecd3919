"""Checks what one part of the program promises another, with an exception: `python -O` leaves out an assert.

What a caller, a file or a device can bring about is a refusal instead (domain/refusals.py).
"""

from typing import TypeVar

T = TypeVar("T")


class PromiseBroken(Exception):
    """A defect of this program; the text is the promise."""


def require_value(value: T | None, promise: str) -> T:
    """The value. Raises PromiseBroken where there is none."""
    if value is None:
        raise PromiseBroken(promise)
    return value
