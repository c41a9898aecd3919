"""Who looked through lists, searched, printed, saw a scanned page: their lines in the access log (docs/domain.md §1).

What is sensitive waits for its line; other lists have it a moment later. Contents and histories: test_api_access.py.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.http.desk import (
    CONSENT,
    a_customer,
    a_text,
    access_lines,
    archived,
    at,
    handed_in,
    issued,
    noted,
    pointers,
    refusing_lines,
    view,
)
from tests.http.pages import Visitor
from tests.http.scanning import SESSIONS, filled
from tests.http.scanning import archived as archived_scan
from tests.http.served import Served, wait_until

Line = dict[str, Any]
HEALTH_FORM = "READING_DISABILITY"


class Reader:
    """A supervisor of its own, so that its lines are its alone."""

    def __init__(self, served: Served, **rights: Any) -> None:
        self.served, self.name = served, f"reader-{secrets.token_hex(4)}"
        self.client = served.client(served.new_token(self.name, "supervisor", **rights))

    def get(self, path: str, status: int = 200, **query: Any) -> httpx.Response:
        answer = self.client.get(path, params=query, headers=at(self.served.last_position()))
        assert answer.status_code == status, answer.text
        return answer

    def lines(self, count: int = 1, **query: Any) -> list[Line]:
        """Its lines in the order of its reads, when there are so many."""
        found: list[Line] = []

        def enough() -> bool:
            found[:] = access_lines(self.served, self.name, **query)[::-1]
            return len(found) >= count

        wait_until(enough, 20, f"not {count} lines")
        return found

    def said(self, count: int = 1) -> list[tuple[str, str | None]]:
        return [(line["action"], line["kind"]) for line in self.lines(count)]


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture
def reader(served: Served) -> Reader:
    return Reader(served)


def list_of(customer: str) -> str:
    return f"/v1/customers/{customer}/documents"


# -- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_is_a_line_with_its_customer(served: Served, staff: httpx.Client, reader: Reader) -> None:
    customer = archived_for(served, staff)
    reader.get(list_of(customer))
    reader.get(list_of(customer), q="van der Berg")
    lines = reader.lines(2)
    assert [(line["action"], line["customer"], line["kind"]) for line in lines] == [
        ("list", customer, "papers"),
        ("list", customer, "words"),
    ]


def test_each_sensitive_paper_in_a_list_is_a_line_of_its_own(
    served: Served, staff: httpx.Client, reader: Reader
) -> None:
    customer = archived_for(served, staff)
    form, letter = health_of(staff, customer), noted(staff, customer)
    reader.get(list_of(customer))
    assert [(line["customer"], line["authorization"]) for line in reader.lines(2)] == [
        (customer, None),
        (customer, form["id"]),
    ]
    assert access_lines(served, reader.name, paper=form["id"]) != []
    assert access_lines(served, reader.name, paper=letter["id"]) == []


def test_a_supervisor_who_may_not_see_a_paper_is_not_told_that_it_was_listed(
    served: Served, staff: httpx.Client, reader: Reader
) -> None:
    customer = a_customer(served)
    health_of(staff, customer)
    reader.get(list_of(customer))
    blind = served.as_("supervisor", without=("health",))
    told = blind.get("/v1/access-log", params={"actor": reader.name}).json()["items"]
    assert [(line["action"], line["authorization"]) for line in told] == [("list", None)]


def test_work_lists_and_look_ups_are_lines(served: Served, staff: httpx.Client, reader: Reader) -> None:
    customer, external_id = a_customer(served), secrets.token_hex(8)
    form = health_of(staff, customer, external_id=external_id)
    reader.get("/v1/work-list/ending")
    reader.get("/v1/authorizations", external_id=external_id)
    found = reader.lines(3)
    assert {("list", "ending"), ("search", "external-id")} <= {(one["action"], one["kind"]) for one in found}
    assert [line["authorization"] for line in found if line["action"] == "search"] == [None, form["id"]]


@pytest.mark.parametrize("listed", ["ending", "originals"])
def test_a_sensitive_paper_in_a_work_list_is_a_line(
    served: Served, staff: httpx.Client, reader: Reader, listed: str
) -> None:
    branch = f"B{secrets.token_hex(3).upper()}"
    customer = a_customer(served)
    paper = noted(staff, customer, type=HEALTH_FORM, valid_until=soon(), headers={"Archive-Branch": branch})
    reader.get(f"/v1/work-list/{listed}", branch=branch)
    assert [(line["kind"], line["customer"], line["authorization"]) for line in reader.lines(2)] == [
        (listed, None, None),
        (listed, customer, paper["id"]),
    ]


# -- what waits for its line, and what does not -----------------------------------------------------------------------


def test_a_list_without_sensitive_papers_does_not_wait_for_its_line(
    served: Served, staff: httpx.Client, reader: Reader
) -> None:
    customer = archived_for(served, staff)
    with psycopg.connect(served.database_url) as locking:
        locking.execute("lock table access.log in access exclusive mode")
        reader.get(list_of(customer))
        locking.rollback()
    assert [line["customer"] for line in reader.lines()] == [customer]


def test_while_no_line_can_be_written_ordinary_lists_go_on_and_their_lines_come_later(
    served: Served, staff: httpx.Client, reader: Reader
) -> None:
    customer = archived_for(served, staff)
    with refusing_lines(served):
        reader.get(list_of(customer))
        reader.get("/v1/customers", q=customer)
        reader.get(f"/v1/customers/{customer}")
        assert served.sql("select count(*) from access.log where actor = %s", [reader.name]) == [(0,)]
    assert reader.said(3) == [("list", "papers"), ("search", "number"), ("customer", None)]


@pytest.mark.parametrize("where", ["list", "paper", "look-up", "print"])
def test_where_no_line_can_be_written_nothing_sensitive_is_shown(
    served: Served, staff: httpx.Client, where: str
) -> None:
    customer, external_id = a_customer(served), secrets.token_hex(8)
    form, visitor = health_of(staff, customer, external_id=external_id), Visitor(served)
    reads: dict[str, Callable[[], httpx.Response]] = {
        "list": lambda: staff.get(list_of(customer)),
        "paper": lambda: staff.get(f"/v1/authorizations/{form['id']}"),
        "look-up": lambda: staff.get("/v1/authorizations", params={"external_id": external_id}),
        "print": lambda: visitor.client.get(f"/documents/{form['evidence']}/print"),
    }
    view(staff, customer, form["position"])
    with visitor:
        with refusing_lines(served):
            answer = reads[where]()
        again = reads[where]()
    assert (answer.status_code, form["type_label"] in answer.text) == (500, False)
    assert (again.status_code, form["type_label"] in again.text) == (200, True)


# -- searches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kind"),
    [("van der Berg", "name"), ("1990-02-03", "birth-date"), ("Berg 1990", "name"), ("29000001", "number")],
)
def test_a_search_tells_what_kind_of_words_were_typed_and_not_the_words(reader: Reader, typed: str, kind: str) -> None:
    reader.get("/v1/customers", q=typed)
    assert reader.said() == [("search", kind)]


def test_a_search_that_finds_one_customer_names_it(served: Served, staff: httpx.Client, reader: Reader) -> None:
    customer = archived_for(served, staff)
    reader.get("/v1/customers", q=customer)
    reader.get(f"/v1/customers/{customer}")
    assert [(line["action"], line["customer"]) for line in reader.lines(2)] == [
        ("search", customer),
        ("customer", customer),
    ]


# -- screens and prints -----------------------------------------------------------------------------------------------


def test_a_screen_is_one_line_for_what_it_asks_twice(served: Served, staff: httpx.Client) -> None:
    customer = archived_for(served, staff)
    before = len(list_lines(served, customer))
    with Visitor(served, "supervisor") as visitor:
        visitor.open(f"/customers/{customer}")
    wait_until(lambda: len(list_lines(served, customer)) > before, 20, "no line")
    assert len(list_lines(served, customer)) == before + 1


def list_lines(served: Served, customer: str) -> list[Line]:
    query = {"customer": customer, "action": "list"}
    items: list[Line] = served.as_("operator").get("/v1/access-log", params=query).json()["items"]
    return items


def test_a_document_that_is_printed_is_a_line(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    with Visitor(served, "staff", **at(paper["position"])) as visitor:
        visitor.open(f"/documents/{paper['id']}/print")
    [line] = lines_about(served, paper["id"], action="print")
    assert line["document"] == paper["id"]


def lines_about(served: Served, paper: str, **query: Any) -> list[Line]:
    query = {"paper": paper, **query}
    items: list[Line] = served.as_("operator").get("/v1/access-log", params=query).json()["items"]
    return items


# -- who saw my form --------------------------------------------------------------------------------------------------


def test_a_look_at_a_scanned_page_names_session_and_page_and_later_its_paper(
    served: Served, staff: httpx.Client, reader: Reader
) -> None:
    of, customer = filled(reader.client), a_customer(served)
    reader.get(f"{SESSIONS}/{of['id']}/pages/1")
    [line] = reader.lines()
    assert (line["action"], line["scan_session"], line["page"], line["customer"]) == ("page", of["id"], 1, None)
    saved = archived_scan(reader.client, of, customer)
    reader.get(list_of(customer))
    for query in ({"paper": saved["id"]}, {"customer": customer}, {"scan_session": of["id"]}):
        assert line in access_lines(served, reader.name, **query)
    assert access_lines(served, reader.name, scan_session=saved["id"]) == []
    refused = served.as_("operator").get("/v1/access-log", params={"scan_session": "mine"})
    assert pointers(refused) == {"/query/scan_session"}


def test_looks_at_the_scan_of_a_hidden_paper_are_hidden(served: Served, reader: Reader) -> None:
    of, customer = filled(reader.client), a_customer(served)
    reader.get(f"{SESSIONS}/{of['id']}/pages/1")
    blind = served.as_("supervisor", without=("health",))
    assert blind.get("/v1/access-log", params={"actor": reader.name}).json()["items"] != []
    archived_scan(reader.client, of, customer, type=HEALTH_FORM)
    reader.get(list_of(customer))
    told = blind.get("/v1/access-log", params={"actor": reader.name, "scan_session": of["id"]})
    assert told.json()["items"] == []


def test_who_saw_an_authorization_is_who_saw_its_paper_too(served: Served, staff: httpx.Client, reader: Reader) -> None:
    customer = a_customer(served)
    signed = handed_in(staff, issued(staff, customer, type=CONSENT)["scan_code"])
    reader.get(f"/v1/documents/{signed['evidence']}/content")
    reader.get(f"/v1/authorizations/{signed['id']}")
    reader.lines(2)
    asked = {line["action"] for line in access_lines(served, reader.name, paper=signed["id"])}
    assert asked == {"content", "authorization"}
    assert {line["action"] for line in access_lines(served, reader.name, paper=signed["evidence"])} == {"content"}


def archived_for(served: Served, staff: httpx.Client) -> str:
    """A customer with a letter."""
    customer = a_customer(served)
    archived(staff, customer, a_text(), name="a.txt")
    return customer


def health_of(staff: httpx.Client, customer: str, **more: Any) -> dict[str, Any]:
    return archived(staff, customer, type=HEALTH_FORM, **more)


def soon() -> str:
    return (datetime.now(UTC).date() + timedelta(days=5)).isoformat()
