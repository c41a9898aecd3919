"""Upload customer document (S1): customer, source and type in any order, and what is missing said all the time."""

from api.call import Call
from api.staff import render
from api.staff.door import ask


async def home(call: Call) -> None:
    """GET /: deep links of a library system name a card or a customer, all others begin at the desk."""
    if customer := call.text("customer"):
        render.go(call, f"/customers/{customer}")
    elif card := call.text("card"):
        render.go(call, "/find", code=card)
    else:
        render.go(call, "/add")


async def find(call: Call) -> None:
    """GET /find?code=."""
    found = await ask(call, "GET", "/v1/customers", query={"q": call.text("code"), "limit": 2})
    render.go(call, f"/customers/{found.body['items'][0]['id']}")


async def show(call: Call) -> None:
    """GET /add."""
    chosen = call.text("customer")
    customer = (await ask(call, "GET", "/v1/customers/{id}", id=chosen)).body if chosen else None
    render.show(call, "add.html", customer=customer, source=call.text("source"))
