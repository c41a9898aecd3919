"""Read your own writes: what a caller was told is in all that it reads next; others do not wait for it.

Many clients, two web servers and a projector that stops at random: tests/property/test_own_writes.py.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from desk.contract import ROUTES
from tests.http.desk import a_customer, a_letter, archived, at, correct, corrected, noted, problem_of, view
from tests.http.pages import Visitor
from tests.http.served import Served

# Reads that ask no view: the log, the register, tables of their own, or a stream that begins where the views stand.
NO_VIEW = {
    "/v1/customers",
    "/v1/customers/{id}",
    "/v1/authorizations/{id}/dossier",
    "/v1/forms/{id}.pdf",
    "/v1/scan-codes/{code}",
    "/v1/scan-stations",
    "/v1/scan-stations/{name}/jobs",
    "/v1/scan-sessions/{id}",
    "/v1/scan-sessions/{id}/pages/{n}",
    "/v1/scan-sessions/{id}/split",
    "/v1/disposals/{id}",
    "/v1/disposals/{id}/declaration",
    "/v1/document-types",
    "/v1/document-types/{code}",
    "/v1/operations",
    "/v1/events/stream",
    "/v1/keys/signing",
    "/v1/session",
}
READS = [route for route in ROUTES if route.method == "GET" and route.path.startswith("/v1/")]


@contextmanager
def held_up(served: Served) -> Iterator[None]:
    """The projector waits meanwhile: it takes nothing into the views."""
    with psycopg.connect(served.database_url) as holding:
        holding.execute("select from views.tracking for update")
        yield


@contextmanager
def paused(served: Served, view: str) -> Iterator[None]:
    """As `dossier projection pause` and `resume` do it."""
    served.sql("update views.tracking set paused = true where name = %s", [view])
    try:
        yield
    finally:
        served.sql("update views.tracking set paused = false where name = %s", [view])
        served.sql("notify archive")


@pytest.fixture
def writer(served: Served) -> httpx.Client:
    """A caller of its own, who may do everything."""
    return served.as_("operator", branch="MAIN")


def test_what_was_just_written_is_read_at_once(served: Served, writer: httpx.Client) -> None:
    """No header is sent, and each ETag is good for the next change."""
    customer = a_customer(served)
    for n in range(10):
        saved = archived(writer, customer, a_letter(), note="one")
        read = writer.get(f"/v1/documents/{saved['id']}")
        assert (read.status_code, read.headers["ETag"]) == (200, '"1"')
        assert corrected(writer, saved, "describe", note="two")["version"] == 2
        read = writer.get(f"/v1/documents/{saved['id']}")
        assert (read.json()["note"], read.headers["ETag"]) == ("two", '"2"')
        assert correct(writer, saved["id"], "withdraw", read.headers["ETag"], reason="x").status_code == 200
        assert len(writer.get(f"/v1/documents/{saved['id']}/history").json()["items"]) == 3
        assert writer.get(f"/v1/documents/{saved['id']}/content").status_code == 200
        assert writer.get(f"/v1/customers/{customer}/summary").json()["documents"] == n + 1


def test_while_the_projector_is_away_a_writer_is_told_to_come_again_and_others_are_answered(
    served: Served, writer: httpx.Client
) -> None:
    customer, reader = a_customer(served), served.as_("viewer")
    first = archived(writer, customer, a_letter())
    view(reader, customer, first["position"])
    with held_up(served):
        second = archived(writer, customer, a_letter())
        begun = time.monotonic()
        refused = writer.get(f"/v1/documents/{second['id']}")
        assert problem_of(refused, 503) == "unavailable"
        assert int(refused.headers["Retry-After"]) >= 1
        assert time.monotonic() - begun < 5
        assert reader.get(f"/v1/documents/{second['id']}").status_code == 404
        assert [item["id"] for item in view(reader, customer)] == [first["id"]]
        past = writer.get(f"/v1/customers/{customer}/documents", params={"as_of": first["position"]})
        assert [item["id"] for item in past.json()["items"]] == [first["id"]]
        waiting = reader.get(f"/v1/documents/{second['id']}", headers=at(second["position"]))
        assert problem_of(waiting, 503) == "unavailable"
    assert writer.get(f"/v1/documents/{second['id']}").status_code == 200


def test_every_read_of_a_view_waits_for_its_caller(served: Served, writer: httpx.Client) -> None:
    """Of the route table: whoever adds a read of a view has to call wait_for_views()."""
    customer = a_customer(served)
    paper, statement = archived(writer, customer, a_letter()), noted(writer, customer)
    writer.get(f"/v1/documents/{paper['id']}")
    ids = {"authorizations": statement["id"], "customers": customer}
    queries = {"/v1/documents": {"external_id": "x"}, "/v1/authorizations": {"external_id": "x"}}

    def ask(path: str) -> httpx.Response:
        named = {"id": ids.get(path.split("/")[2], paper["id"]), "n": "1", "name": "S1", "code": "LETTER"}
        return writer.get(path.format_map(named), params=queries.get(path, {"q": "x"} if path == "/v1/search" else {}))

    asked = [route.path for route in READS if route.path not in NO_VIEW]
    with held_up(served), ThreadPoolExecutor(len(asked)) as pool:
        archived(writer, customer, a_letter())
        answers = dict(zip(asked, pool.map(ask, asked), strict=True))
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(asked, 503)
    assert {route.path for route in READS} >= NO_VIEW


def test_a_paused_view_is_told_to_its_writer_and_nothing_else_waits_for_it(
    served: Served, writer: httpx.Client
) -> None:
    customer, reader = a_customer(served), served.as_("staff")
    earlier = archived(writer, customer, a_letter())
    assert writer.get(f"/v1/documents/{earlier['id']}/history").status_code == 200
    with paused(served, "audit_history"):
        saved = archived(writer, customer, a_letter())
        for path in (f"documents/{saved['id']}", f"documents/{saved['id']}/content", f"customers/{customer}/summary"):
            assert writer.get(f"/v1/{path}").status_code == 200
        assert len(view(writer, customer)) == 2
        assert view(reader, customer, saved["position"])[0]["id"] == saved["id"]
        assert len(view(writer, customer, as_of=saved["position"])) == 2
        for client, headers in ((writer, {}), (reader, at(saved["position"]))):
            refused = client.get(f"/v1/documents/{saved['id']}/history", headers=headers)
            assert problem_of(refused, 503) == "view-paused"
            assert refused.headers["Retry-After"] == "30"
        others = reader.get(f"/v1/documents/{earlier['id']}/history")
        assert (others.status_code, len(others.json()["items"])) == (200, 1)
    with paused(served, "customer_documents"):
        later = archived(writer, customer, a_letter())
        for client, headers in ((writer, {}), (reader, at(later["position"]))):
            assert problem_of(client.get(f"/v1/documents/{later['id']}", headers=headers), 503) == "view-paused"
        assert reader.get(f"/v1/documents/{saved['id']}").status_code == 200
    assert len(writer.get(f"/v1/documents/{later['id']}/history").json()["items"]) == 1


def test_a_screen_shows_what_its_reader_wrote(served: Served) -> None:
    """The screens ask the same routes."""
    customer, clerk = a_customer(served), served.as_user("staff")
    with (
        httpx.Client(base_url=served.url, cookies=clerk.cookies, headers={"Accept": "text/html"}) as browser,
        Visitor(served, "viewer") as other,
    ):
        for _ in range(5):
            saved = archived(clerk, customer, a_letter())
            assert saved["id"] in browser.get(f"/customers/{customer}").text
        with held_up(served):
            archived(clerk, customer, a_letter())
            page = browser.get(f"/customers/{customer}")
            assert (page.status_code, page.headers["Retry-After"]) == (503, "1")
            assert other.client.get(f"/customers/{customer}").status_code == 200


def test_what_another_wrote_is_not_waited_for(served: Served, writer: httpx.Client) -> None:
    """Not even by who asks all the time."""
    customer = a_customer(served)
    view(writer, customer)
    with held_up(served):
        others: list[dict[str, Any]] = [archived(served.as_("staff"), customer, a_letter()) for _ in range(3)]
        assert view(writer, customer) == []
    assert len(view(writer, customer, others[-1]["position"])) == 3
