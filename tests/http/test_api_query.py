"""Query parameters and lists: what is unknown is refused with what exists, every list has pages."""

import secrets
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from desk.contract import ROUTES
from tests.http.desk import a_branch, a_customer, archived, at, item_of, noted, pointers
from tests.http.scanning import filled
from tests.http.served import Served
from tests.http.test_api_work_list import in_days
from tests.http.wire import ask, head
from web.route import Route

V1 = [route for route in ROUTES if route.path.startswith("/v1/")]
LISTS = [route for route in V1 if route.listed]
PATH = {"id": str(UUID(int=7)), "n": "1", "code": "LETTER", "name": "desk-9"}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


# -- what is unknown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", V1, ids=name_of)
def test_an_unknown_parameter_is_refused_with_the_names_there_are(served: Served, route: Route) -> None:
    """`?statuss=active` would list everything."""
    client = served.as_user("operator") if route.path.startswith("/v1/session") else served.as_("operator")
    answer = client.request(route.method, route.path.format_map(PATH), params={"statuss": "active"})
    assert pointers(answer) == {"/query/statuss"}
    assert all(query.name in answer.json()["errors"][0]["detail"] for query in route.query)


def test_every_unknown_name_has_its_own_pointer(served: Served) -> None:
    answer = served.as_("staff").get("/v1/document-types?a/b=1&c~d=&limit=3")
    assert pointers(answer) == {"/query/a~1b", "/query/c~0d"}


IMPOSSIBLE = [
    ("/v1/customers/{customer}/documents", {"status": "bogus"}),
    ("/v1/customers/{customer}/documents", {"type": "NOPE"}),
    ("/v1/customers/{customer}/documents", {"source": "fax"}),
    ("/v1/customers/{customer}/documents", {"original_held": "yes"}),
    ("/v1/customers/{customer}/summary", {"status": "bogus"}),
    ("/v1/customers/{customer}/history", {"action": "document-eaten"}),
    ("/v1/history", {"type": "NOPE"}),
    ("/v1/history", {"branch": "two words"}),
    ("/v1/work-list/ending", {"branch": "two words"}),
    ("/v1/scan-sessions", {"branch": "two words"}),
    ("/v1/access-log", {"action": "stare"}),
    ("/v1/events", {"type": "document-eaten"}),
    ("/v1/events", {"brief": "yes"}),
]


@pytest.mark.parametrize(("path", "query"), IMPOSSIBLE)
def test_a_value_that_nothing_can_have_is_refused(served: Served, path: str, query: dict[str, str]) -> None:
    answer = served.as_("operator").get(path.format(customer=a_customer(served)), params=query)
    assert pointers(answer) == {f"/query/{name}" for name in query}


def test_what_exists_is_named(served: Served) -> None:
    answer = served.as_("staff").get(f"/v1/customers/{a_customer(served)}/documents", params={"type": "LETTRE"})
    assert "LETTER" in answer.json()["errors"][0]["detail"]


def test_a_type_that_the_caller_may_not_see_is_as_unknown_as_one_that_is_not_there(served: Served) -> None:
    path = f"/v1/customers/{a_customer(served)}/documents"
    seen, hidden = served.as_("staff"), served.as_("staff", without=["health"])
    query = {"type": "READING_DISABILITY"}
    assert seen.get(path, params=query).status_code == 200
    assert pointers(hidden.get(path, params=query)) == {"/query/type"}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
def test_a_position_beyond_the_log_is_told_where_the_log_ends(served: Served, path: str) -> None:
    answer = served.as_("operator").get(path, params={"after": "999999999"})
    assert pointers(answer) == {"/query/after"}
    assert f"beyond the end of the log, {served.last_position()}" in answer.json()["errors"][0]["detail"]


# -- what comes first -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/v1/documents", 405), ("POST", "/v1/nowhere", 404), ("POST", "/v1/forms", 411)],
)
def test_whether_the_address_has_the_method_is_said_before_a_missing_length(
    served: Served, method: str, path: str, status: int
) -> None:
    assert ask(served, head(method, path, token=served.operator_token)).status == status


# -- Request-Id -----------------------------------------------------------------------------------------------------

TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKED = [
    ("GET", "/v1/document-types", 200), ("HEAD", "/v1/document-types", 200), ("GET", "/livez", 200),
    ("GET", "/v1/nowhere", 404), ("PUT", "/v1/documents", 405), ("GET", "/v1/customers", 422),
    ("GET", "/problems", 200), ("GET", "/a%00b", 400),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
def test_every_answer_carries_its_request_id(served: Served, method: str, path: str, status: int) -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = served.as_("operator").request(method, path, headers=headers)
    assert (answer.status_code, answer.headers["Request-Id"]) == (status, TRACE)
    if status >= 400:
        assert answer.json()["trace_id"] == TRACE


def test_a_204_says_nothing_but_its_headers(served: Served) -> None:
    desk = served.as_("staff")
    session = filled(desk)
    answer = desk.delete(f"/v1/scan-sessions/{session['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert len(answer.headers["Request-Id"]) == 32


# -- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", LISTS, ids=name_of)
def test_every_list_takes_a_limit_and_goes_on(route: Route) -> None:
    names = {query.name for query in route.query}
    assert "limit" in names
    assert names & {"cursor", "after"}


def pages_of(client: httpx.Client, path: str, headers: dict[str, str] | None = None, **query: Any) -> list[Any]:
    """All items, by the links from page to page, two at a time."""
    items, asked = [], client.build_request("GET", path, params={**query, "limit": 2}).url
    while True:
        answer = client.get(asked, headers=headers)
        found = item_of(answer)
        assert len(found["items"]) <= 2
        items += found["items"]
        assert ("next" in answer.links) is (found["next"] is not None)
        if found["next"] is None:
            return items
        assert found["next"] in str(answer.links["next"]["url"])
        asked = client.build_request("GET", answer.links["next"]["url"]).url


def ids(items: list[Any], name: str = "id") -> list[str]:
    return [item[name] for item in items]


def test_types_stations_and_scanners_come_in_pages(served: Served) -> None:
    station = served.as_("station")
    name = f"desk-{secrets.token_hex(3)}"
    scanner = {"name": "Flatbed", "state": "ready", "sources": ["flatbed"], "profiles": ["letter"]}
    told = {"scanners": [{"id": f"s{n}", **scanner} for n in range(5)]}
    assert station.put(f"/v1/scan-stations/{name}", json=told).status_code == 200
    desk = served.as_("operator")
    for path, key in (("/v1/document-types", "code"), ("/v1/scan-stations", "name"), ("/v1/scanners", "id")):
        whole = desk.get(path, params={"limit": 200}).json()["items"]
        assert ids(pages_of(desk, path), key) == ids(whole, key)
    assert len([one for one in ids(pages_of(desk, "/v1/scanners")) if one.startswith(name)]) == 5


def test_a_search_goes_on_beyond_five_hundred_hits(served: Served) -> None:
    """More than a page may hold, and more than one look at the names gave before."""
    family = f"q{secrets.token_hex(4)}"
    served.sql(
        "insert into register.customer (customer_id, name, search_name, kind, status)"
        " select %(family)s || n, 'Jan ' || %(family)s || n, ' jan ' || %(family)s || n || ' ', 'person', 'active'"
        " from generate_series(1, 503) as n",
        {"family": family},
    )
    desk = served.as_("staff")
    found: list[str] = []
    cursor = None
    while True:
        query: dict[str, Any] = {"q": f"Jan {family}", "limit": 200, **({"cursor": cursor} if cursor else {})}
        page = item_of(desk.get("/v1/customers", params=query))
        found += ids(page["items"])
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(found) == sorted(f"{family}{n}" for n in range(1, 504))


def test_the_work_list_pages_without_a_gap_as_it_was_at_the_first_page(served: Served) -> None:
    branch, customer = a_branch(), a_customer(served)
    desk = served.as_("staff", branch=branch)
    papers = [
        noted(desk, customer, valid_until=day) for day in ("2026-12-20", "2026-12-10", "2026-12-20", "2026-12-15")
    ]
    when = at(papers[-1]["position"])
    for path, days in (("/v1/work-list/ending", {"days": 366}), ("/v1/work-list/originals", {})):
        asked: dict[str, Any] = {"branch": branch, **days}
        whole = ids(item_of(desk.get(path, params=asked, headers=when))["items"])
        assert sorted(whole) == sorted(ids(papers))
        assert ids(pages_of(desk, path, when, **asked)) == whole
        first = item_of(desk.get(path, params={**asked, "limit": 2}, headers=when))
        later = noted(desk, customer, valid_until=in_days(17))
        query = {**asked, "limit": 200, "cursor": first["next"]}
        second = item_of(desk.get(path, params=query, headers=at(later["position"])))
        assert ids(second["items"]) == whole[2:]
        papers.append(later)
        when = at(later["position"])


def test_unfinished_scans_page_as_they_were_at_the_first_page(served: Served) -> None:
    branch = a_branch()
    desk = served.as_("staff", branch=branch)
    sessions = [filled(desk)["id"] for _ in range(5)]
    when = at(served.last_position())
    assert ids(pages_of(desk, "/v1/scan-sessions", when, branch=branch)) == sessions
    first = item_of(desk.get("/v1/scan-sessions", params={"limit": 3}, headers=when))
    assert desk.delete(f"/v1/scan-sessions/{sessions[3]}").status_code == 204
    when = at(served.last_position())
    second = item_of(desk.get("/v1/scan-sessions", params={"limit": 3, "cursor": first["next"]}, headers=when))
    assert ids(second["items"]) == sessions[3:]


def test_an_external_id_is_looked_up_as_a_list(served: Served) -> None:
    desk, own = served.as_("staff"), str(uuid4())
    made = archived(desk, a_customer(served), external_id=own)
    assert ids(pages_of(desk, "/v1/documents", at(made["position"]), external_id=own)) == [made["id"]]


def test_the_access_log_goes_on_whatever_its_ids(served: Served) -> None:
    """Its ids are bigint; a cursor of nine digits ended it at 999,999,999."""
    desk, actor = served.as_("supervisor"), f"reader-{secrets.token_hex(4)}"
    served.sql("select setval(pg_get_serial_sequence('access.log', 'id'), 3000000000)")
    for n in range(5):
        served.sql(
            "insert into access.log (actor, branch, action, status, trace_id) values (%s, 'MAIN', 'content', 200, %s)",
            [actor, f"{n:032}"],
        )
    lines = pages_of(desk, "/v1/access-log", actor=actor)
    assert ids(lines, "trace_id") == [f"{n:032}" for n in reversed(range(5))]


@pytest.mark.parametrize("route", [route for route in LISTS if "{" not in route.path], ids=name_of)
def test_a_cursor_that_the_archive_did_not_make_is_refused(served: Served, route: Route) -> None:
    names = {query.name for query in route.query}
    needed = {query.name: "x" for query in route.query if query.required}
    for wrong in ("x", "!", "kw", "9" * 40):
        name = "cursor" if "cursor" in names else "after"
        answer = served.as_("operator").get(route.path, params={**needed, name: wrong})
        assert pointers(answer) == {f"/query/{name}"}
