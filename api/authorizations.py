"""No upload, and one authorization with its mandate."""

import msgspec

from api.answers import answer_item, item_of, outcome_of
from api.bodies import AuthorizationBody, note_authorization_of
from api.call import Call
from api.documents import by_external_id, require_type
from domain.access import Verb, may
from domain.iban import masked
from domain.refusals import NotFound
from projections import authorizations, customer_documents


async def note(call: Call) -> None:
    """POST /authorizations: No upload (D1 to D7)."""
    caller = call.caller()
    order = note_authorization_of(await call.body(AuthorizationBody), call.parts.limits)
    await require_type(call, order.type)
    answer_item(call, await outcome_of(call, call.parts.archive.note_authorization, order, caller), status=201)


async def show(call: Call) -> None:
    """GET /authorizations/{id}: the row of the view and the mandate. An IBAN is whole only for who may amend it."""
    at = await call.position_of(call.as_of())
    await call.wait_for_views()
    async with call.parts.connection() as conn:
        row, position = await customer_documents.one(conn, call.id(), call.rights, as_of=at)
        statement, _ = await authorizations.one(conn, call.id(), call.rights, as_of=at)
    if row is None or statement is None:
        raise NotFound
    mandate = statement.mandate
    if mandate is not None and mandate.iban and not may(call.principal, Verb.DOCUMENTS_CORRECT):
        mandate = msgspec.structs.replace(mandate, iban=masked(mandate.iban))
    answer = item_of(
        call,
        row,
        customer=await call.customer_of(row),
        mandate=mandate,
        collection={"complete": statement.complete},
    )
    call.answer(answer, position=position, version=row.version)


async def look_up(call: Call) -> None:
    """GET /authorizations?external_id=."""
    await by_external_id(call, documents=False)
