"""View customer documents (S8): all documents and authorizations of a customer, as they are or were."""

from api.call import Call
from api.staff import render
from api.staff.door import ask

FILTERS = ("kind", "type", "status", "source", "q", "as_of", "cursor")


async def show(call: Call) -> None:
    """GET /customers/{id}."""
    query = {name: call.text(name) for name in FILTERS}
    listed = await ask(call, "GET", "/v1/customers/{id}/documents", query=query, id=call.params["id"])
    render.show(
        call, "view.html", customer=listed.body["customer"], items=listed.body["items"], next=listed.body["next"]
    )
