"""Issue a form (F1 to F4): creates an authorization with a scan code, printed as the sheet the customer signs."""

from collections.abc import Mapping
from typing import Any

from api.call import Call
from desk import render
from desk.door import ask, ask_all
from desk.fields import fields_of, fill_fields, key_after, new_key
from desk.refused import problem_of
from domain.refusals import Refusal
from web.statuses import status_of

DEBTOR_NAME_CHARACTERS = 70
MANDATE_FIELDS = ("debtor_name", "iban", "bic", "mandate_reference")


async def show_form(call: Call) -> None:
    """GET /customers/{id}/form: most account holders are the customer, so that name is filled in."""
    customer = await ask(call, "GET", "/v1/customers/{id}", id=call.params["id"])
    holder = customer.body["name"][:DEBTOR_NAME_CHARACTERS]
    await show_with(call, {"type": call.text("type") or "", "debtor_name": holder})


async def issue_form(call: Call) -> None:
    """POST /customers/{id}/form: redirects to the new authorization, which offers its form for printing."""
    fields = await fields_of(call)
    mandates = [document_type["code"] for document_type in await types_for(call) if document_type["kind"] == "mandate"]
    try:
        issued = await ask(
            call,
            "POST",
            "/v1/forms",
            headers={"Idempotency-Key": fields.get("key") or new_key()},
            body=body_of(call, fields, is_mandate=fields.get("type") in mandates),
        )
    except Refusal as refusal:
        await show_with(call, fields, refusal)
    else:
        render.go(call, f"/authorizations/{issued.body['authorization']['id']}", done="issue", at=issued.position)


def body_of(call: Call, fields: Mapping[str, str], *, is_mandate: bool) -> dict[str, Any]:
    """The body of the request. Collection data typed for a mandate is left out after a change to another type."""
    mandate = fill_fields(fields, *MANDATE_FIELDS) if is_mandate else {}
    return {
        "customer": call.params["id"],
        "type": fields.get("type", ""),
        "language": fields.get("language") or call.language,
        **({"mandate": mandate} if mandate else {}),
        **fill_fields(fields, "valid_from", "valid_until", "note"),
    }


async def show_with(call: Call, fields: Mapping[str, str], refusal: Refusal | None = None) -> None:
    customer = await ask(call, "GET", "/v1/customers/{id}", id=call.params["id"])
    render.show(
        call,
        "form.html",
        status=status_of(refusal) if refusal else 200,
        customer=customer.body,
        types=await types_for(call),
        fields=fields,
        problem=problem_of(call, refusal) if refusal else None,
        key=key_after(refusal, fields.get("key")),
    )


async def types_for(call: Call) -> list[dict[str, Any]]:
    """The active types that are authorizations."""
    types = await ask_all(call, "/v1/document-types")
    return [document_type for document_type in types if document_type["active"] and document_type["kind"] != "document"]
