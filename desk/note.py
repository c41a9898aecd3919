"""No upload (D1 to D8): records an authorization whose paper is kept, or a paper only seen, after a question."""

from collections.abc import Iterator
from typing import Any

from api.call import Call
from desk import render
from desk.add import AddForm, entry_of, show_with
from desk.door import Reply, ask
from desk.fields import fields_of, fill_fields, new_key
from domain.refusals import N_, CheckRequired, FieldError, Refusal, ValidationFailed

SEEN = ("paper", "number_suffix", "seen_on")
MANDATE = ("debtor_name", "iban", "bic", "mandate_reference")


async def save_note(call: Call) -> None:
    """POST /add/note: asks for confirmation first (D5), records when confirmed."""
    fields = {**await fields_of(call), "source": "none"}
    entry = await entry_of(call, fields)
    try:
        require_enough(entry)
        if not fields.get("confirmed"):
            render.show(call, "confirm.html", entry=entry, fields={**entry.fields, "key": fields.get("key", "")})
            return
        noted = await note(call, entry, fields.get("key") or new_key())
    except Refusal as refusal:
        await show_with(call, fields, refusal=refusal)
    else:
        go_on(call, noted)


def require_enough(entry: AddForm) -> None:
    if entry.fields.get("scan_code") and not entry.check.is_current:
        raise CheckRequired
    if missing := [FieldError(name, N_("is required")) for name in missing_fields(entry)]:
        raise ValidationFailed(*missing)


def missing_fields(entry: AddForm) -> Iterator[str]:
    if entry.customer is None:
        yield "customer"
    if entry.document_type is None:
        yield "type"
    elif entry.document_type["verify_only"]:
        yield from (f"verification/{name}" for name in SEEN if not entry.fields.get(name))


async def note(call: Call, entry: AddForm, key: str) -> Reply:
    return await ask(call, "POST", "/v1/authorizations", headers={"Idempotency-Key": key}, body=body_of(entry))


def body_of(entry: AddForm) -> dict[str, Any]:
    """The body of the request; for a paper only seen, just the details that were seen."""
    fields = entry.fields
    body = fill_fields(fields, "customer", "type", "note")
    if entry.document_type is not None and entry.document_type["verify_only"]:
        return {**body, "verification": fill_fields(fields, *SEEN)}
    code = fill_fields(fields, "scan_code", "check_token") if entry.check.is_current else {}
    mandate = fill_fields(fields, *MANDATE)
    return {
        **body,
        **code,
        **fill_fields(fields, "signed_on", "valid_from", "valid_until"),
        "original": {"held": True, **fill_fields(fields, "shelf_mark")},
        **({"mandate": mandate} if mandate else {}),
    }


def go_on(call: Call, noted: Reply) -> None:
    item = noted.body
    name = "seen" if item["kind"] == "document" else "noted"
    render.go(call, "/add", **{"source": "none", name: item["id"], "at": noted.position})
