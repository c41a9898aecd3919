"""Export everything about a customer (G12): the choices; the API sends the zip."""

from api.call import Call
from desk import render
from desk.door import ask


async def show_export(call: Call) -> None:
    """GET /customers/{id}/export."""
    customer = await ask(call, "GET", "/v1/customers/{id}", id=call.params["id"])
    render.show(call, "export.html", customer=customer.body)
