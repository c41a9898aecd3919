"""Who may see which screen and send which form; what is behind them has the API's own rights (test_api_access.py)."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import pytest

from desk.pages import PAGES
from tests.http.desk import a_customer, archived, at, issued
from tests.http.served import Served

Address = tuple[str, str]
Looking = Callable[[str | None], httpx.Client]
ROLES = ("viewer", "staff", "supervisor", "operator", "station", "integration")
ANYONE = "anyone, signed in or not"
USERS = "users, whatever their role"
READERS = "viewer staff supervisor operator"
DESK = "staff supervisor operator"
HTML = {"Accept": "text/html"}

# For each screen by hand: who may. What is of users alone is in test_sign_in_pages.py.
TABLE: dict[Address, str] = {
    ("GET", "/"): f"{READERS} integration station",
    ("GET", "/find"): f"{READERS} integration",
    ("POST", "/find"): f"{READERS} integration",
    ("GET", "/search"): f"{READERS} integration",
    ("POST", "/search"): f"{READERS} integration",
    ("GET", "/customers"): f"{READERS} integration",
    ("GET", "/add"): DESK,
    ("POST", "/add"): DESK,
    ("POST", "/add/file"): DESK,
    ("POST", "/add/refused"): DESK,
    ("POST", "/add/scan"): DESK,
    ("POST", "/add/note"): f"{DESK} integration",
    ("POST", "/add/undo"): DESK,
    ("GET", "/choice"): DESK,
    ("POST", "/choice"): DESK,
    ("GET", "/customers/new"): "operator integration",
    ("POST", "/customers/new"): "operator integration",
    ("GET", "/customers/{id}/edit"): "operator integration",
    ("POST", "/customers/{id}/edit"): "operator integration",
    ("GET", "/customers/{id}/form"): f"{DESK} integration",
    ("POST", "/customers/{id}/form"): f"{DESK} integration",
    ("GET", "/customers/{id}/export"): "supervisor operator",
    ("GET", "/customers/{id}"): READERS,
    ("GET", "/customers/{id}/timeline"): READERS,
    ("GET", "/customers/{id}/timeline.json"): READERS,
    ("GET", "/customers/{id}/timeline.csv"): READERS,
    ("GET", "/documents/{id}"): READERS,
    ("GET", "/documents/{id}/print"): READERS,
    ("GET", "/documents/{id}/timeline"): READERS,
    ("GET", "/documents/{id}/timeline.json"): READERS,
    ("GET", "/documents/{id}/timeline.csv"): READERS,
    ("POST", "/documents/{id}/content"): "supervisor operator",
    ("POST", "/documents/{id}/{change}"): DESK,
    ("GET", "/authorizations/{id}"): READERS,
    ("POST", "/authorizations/{id}/{step}"): DESK,
    ("GET", "/authorizations/{id}/timeline"): READERS,
    ("GET", "/authorizations/{id}/timeline.json"): READERS,
    ("GET", "/authorizations/{id}/timeline.csv"): READERS,
    ("GET", "/work"): f"{READERS} integration",
    ("POST", "/work/reopen"): DESK,
    ("GET", "/operators"): "operator",
    ("POST", "/operators"): "operator",
    ("GET", "/sign-in"): ANYONE,
    ("POST", "/sign-in"): ANYONE,
    ("GET", "/sign-in/elsewhere"): ANYONE,
    ("GET", "/sign-in/elsewhere/back"): ANYONE,
    ("GET", "/docs"): ANYONE,
    ("GET", "/docs/try"): ANYONE,
    ("GET", "/assets/{digest}/{name:path}"): ANYONE,
    ("POST", "/sign-out"): USERS,
    ("GET", "/password"): USERS,
    ("POST", "/password"): USERS,
    ("GET", "/settings"): USERS,
    ("POST", "/settings"): USERS,
}
CELLS = [(address, role) for address, who in TABLE.items() if who not in (ANYONE, USERS) for role in ROLES]


def test_every_screen_stands_in_the_table_of_rights_and_no_other() -> None:
    assert {(page.method, page.path) for page in PAGES} == set(TABLE)


@pytest.fixture(scope="module")
def known(served: Served) -> dict[str, str]:
    """Papers and a customer that are there, for the addresses."""
    desk, customer = served.as_("operator"), a_customer(served)
    letter = archived(desk, customer)
    form = issued(desk, customer)
    desk.get(f"/v1/documents/{letter['id']}", headers=at(form["position"])).raise_for_status()
    return {"customers": customer, "documents": letter["id"], "authorizations": form["authorization"]["id"]}


@pytest.fixture(scope="module")
def looking(served: Served) -> Iterator[Looking]:
    """A plain client with a role's token, or nobody's: pages are no part of the contract of openapi.json."""
    with ExitStack() as made:

        @cache
        def client(role: str | None) -> httpx.Client:
            token = {"Authorization": served.as_(role).headers["Authorization"]} if role else {}
            return made.enter_context(httpx.Client(base_url=served.url, headers={**HTML, **token}, timeout=60))

        yield client


def address_of(path: str, known: dict[str, str]) -> str:
    room = path.strip("/").split("/")[0]
    return path.format(id=known.get(room, ""), change="describe", step="suspend")


@pytest.mark.parametrize(("address", "role"), CELLS)
def test_each_role_sees_the_screens_that_it_may_and_no_other(
    looking: Looking, known: dict[str, str], address: Address, role: str
) -> None:
    """An empty form is wrong for whoever may send it, and forbidden for all others."""
    method, path = address
    sent: dict[str, Any] = {"data": {"nothing": ""}} if method == "POST" else {}
    answer = looking(role).request(method, address_of(path, known), **sent)
    assert answer.status_code < 500
    assert (answer.status_code == 403) is (role not in TABLE[address].split()), answer.text[:300]


@pytest.mark.parametrize("address", [address for address, who in TABLE.items() if who is not ANYONE])
def test_who_is_not_signed_in_is_asked_to(looking: Looking, known: dict[str, str], address: Address) -> None:
    method, path = address
    sent: dict[str, Any] = {"data": {"nothing": ""}} if method == "POST" else {}
    answer = looking(None).request(method, address_of(path, known), **sent)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("room", ["documents", "authorizations"])
def test_a_paper_that_is_hidden_is_as_absent_as_one_that_is_not_there(served: Served, room: str) -> None:
    desk, customer = served.as_("operator"), a_customer(served)
    paper = issued(desk, customer, type="READING_DISABILITY")["authorization"]["id"]
    blind = {"Authorization": served.as_("staff", without=["health"]).headers["Authorization"], **HTML}
    hidden, absent = (httpx.get(f"{served.url}/{room}/{one}", headers=blind) for one in (paper, uuid4()))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert without(hidden.text, paper) == without(absent.text, str(absent.url).rpartition("/")[2])


def without(text: str, paper: str) -> str:
    """A page without what is this request's own: its address and its reference."""
    return re.sub(r"<code>[0-9a-f]{32}</code>", "", text.replace(paper, ""))
