"""Parses the form of a page, and sends a change with the form's version and idempotency key."""

import re
from collections.abc import Container, Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from api.call import Call
from desk.door import Reply, ask
from domain.refusals import (
    N_,
    IdempotencyInFlight,
    MalformedRequest,
    Refusal,
    Unavailable,
    UnsupportedMediaType,
)
from domain.values import normalize_typed_day

FIELDS_MAX = 200
URLENCODED = "application/x-www-form-urlencoded"
UNCERTAIN = (Unavailable, IdempotencyInFlight)
DAYS = frozenset({
    "received_on", "signed_on", "seen_on", "valid_from", "valid_until", "birth_date", "effective_on", "presented_on",
    "due_on",
})  # fmt: skip
NUMBER = re.compile(r"[0-9]{1,18}")


async def fields_of(call: Call, *, as_typed: Container[str] = ()) -> dict[str, str]:
    """The fields of an urlencoded form; the last of several values wins.

    Values are stripped, except those in `as_typed` (passwords). Other media types are refused, because a file would be
    read into memory.
    """
    if (call.req.content_type or "").partition(";")[0].strip().lower() != URLENCODED:
        raise UnsupportedMediaType(reason=N_("send it as application/x-www-form-urlencoded"))
    try:
        text = (await call.req.stream.read()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise MalformedRequest(reason=N_("its form is malformed")) from None
    return {name: value if name in as_typed else parse_field(name, value.strip()) for name, value in pairs}


def parse_field(name: str, value: str) -> str:
    return normalize_typed_day(value) if name in DAYS else value


def number(text: str) -> int | None:
    """The value of a digits-only text; None for any other."""
    return int(text) if NUMBER.fullmatch(text) else None


def new_key() -> str:
    """A new Idempotency-Key for a form, so that sending it twice has one effect."""
    return str(uuid4())


def key_after(refusal: Refusal | None, sent: str | None) -> str:
    """The key of a form that is shown again: the same one if the change may have succeeded in spite of the refusal."""
    return sent if sent and isinstance(refusal, UNCERTAIN) else new_key()


def fill_fields(fields: Mapping[str, str], *names: str) -> dict[str, Any]:
    """The named fields that are not empty."""
    return {name: fields[name] for name in names if fields.get(name)}


async def change(call: Call, path: str, fields: Mapping[str, str], body: Mapping[str, Any], **params: Any) -> Reply:
    """POSTs a change with the `key` and `version` of the form."""
    headers = {"If-Match": f'"{fields.get("version", "")}"'}
    if key := fields.get("key"):
        headers["Idempotency-Key"] = key
    return await ask(call, "POST", path, headers=headers, body=body, **params)
