"""Checks a request's query parameters against those of its route; unknown names and impossible values are refused.

api/call.py parses numbers, times and positions, and refuses malformed ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed
from web.pointers import in_query


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter with its meaning and the JSON schema of its value."""

    name: str
    meaning: str
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})
    required: bool = False


QueryValues = Mapping[str, str | Sequence[str]]


def require_known(parameters: Sequence[Parameter], given: QueryValues) -> None:
    """Raises ValidationFailed for all parameters that are unknown or have an impossible value; it names what exists.

    An empty value counts as absent.
    """
    if errors := [*_find_errors({parameter.name: parameter for parameter in parameters}, given)]:
        raise ValidationFailed(*errors)


def _find_errors(known: Mapping[str, Parameter], given: QueryValues) -> Iterator[FieldError]:
    for name, value in given.items():
        parameter = known.get(name)
        if parameter is None:
            yield _unknown_name(name, known)
        elif parameter.schema["type"] != "array" and value:
            yield from _value_errors(parameter, value)


def _unknown_name(name: str, known: Mapping[str, Parameter]) -> FieldError:
    pointer = in_query(name)
    if not known:
        return FieldError(pointer, N_("is unknown: this address has no query parameters"))
    return FieldError(pointer, N_("is unknown; the parameters of this address are {known}"), known=", ".join(known))


def _value_errors(parameter: Parameter, value: str | Sequence[str]) -> Iterator[FieldError]:
    pointer = in_query(parameter.name)
    allowed = ("true", "false") if parameter.schema["type"] == "boolean" else parameter.schema.get("enum")
    if not isinstance(value, str):
        yield FieldError(pointer, N_("must be given only once"))
    elif allowed and value not in allowed:
        yield FieldError(pointer, N_("must be one of {allowed}"), allowed=", ".join(allowed))
