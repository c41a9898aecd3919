"""What waits for somebody at the desk: authorizations about to end, originals held; only those that the caller sees."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.http.desk import CONSENT, a_branch, a_customer, handed_in, issued, item_of, noted, pointers
from tests.http.scanning import filled
from tests.http.served import Served

ENDING, ORIGINALS = "/v1/work-list/ending", "/v1/work-list/originals"
READING = "READING_DISABILITY"


def waiting(client: httpx.Client, path: str, position: int, **query: Any) -> dict[str, dict[str, Any]]:
    answer = client.get(path, params=query, headers={"Archive-Min-Position": str(position)})
    return {item["id"]: item for item in item_of(answer)["items"]}


def in_days(days: int) -> str:
    return (date.today() + timedelta(days=days)).isoformat()  # noqa: DTZ011  # bounds are a day away from what is asked


def test_what_ends_within_the_days_is_listed_with_its_customer_and_why(served: Served) -> None:
    desk, customer = served.as_("staff"), a_customer(served, name="Eva Bos")
    soon = noted(desk, customer, valid_until=in_days(10))
    later = noted(desk, customer, valid_until=in_days(60))
    listed = waiting(desk, ENDING, later["position"], days=30)
    assert later["id"] not in listed
    found = listed[soon["id"]]
    assert (found["customer"], found["customer_name"], found["why"]) == (customer, "Eva Bos", "validity")
    assert found["ends_on"] == in_days(11)
    assert later["id"] in waiting(desk, ENDING, later["position"], days=90)


def test_a_form_that_nobody_signed_says_so(served: Served) -> None:
    branch, customer = a_branch(), a_customer(served)
    desk = served.as_("staff", branch=branch)
    form = issued(desk, customer)
    found = waiting(desk, ENDING, form["position"], days=366, branch=branch)[form["authorization"]["id"]]
    assert found["why"] == "form"


def test_an_original_is_listed_until_its_scan_is_there(served: Served) -> None:
    branch, customer = a_branch(), a_customer(served)
    desk = served.as_("staff", branch=branch)
    form = issued(desk, customer)
    held = noted(desk, customer, type=None, scan_code=form["scan_code"], original={"held": True, "shelf_mark": "C 3"})
    assert waiting(desk, ORIGINALS, held["position"], branch=branch)[held["id"]]["shelf_mark"] == "C 3"
    paper = handed_in(desk, form["scan_code"])
    assert waiting(desk, ORIGINALS, paper["position"], branch=branch) == {}


@pytest.mark.parametrize("path", [ENDING, ORIGINALS])
def test_a_paper_of_a_sensitivity_that_the_caller_lacks_does_not_wait_for_it(served: Served, path: str) -> None:
    branch, customer = a_branch(), a_customer(served)
    health = noted(served.as_("staff", branch=branch), customer, type=READING, valid_until=in_days(5))
    seen, hidden = served.as_("staff"), served.as_("staff", without=["health"])
    assert waiting(seen, path, health["position"], branch=branch).keys() == {health["id"]}
    assert waiting(hidden, path, health["position"], branch=branch) == {}


def test_one_branch_only_is_shown_its_own(served: Served) -> None:
    customer = a_customer(served)
    here = noted(served.as_("staff", branch="NORTH"), customer, type=CONSENT, valid_until=in_days(5))
    assert here["id"] not in waiting(
        served.as_("staff", branch="SOUTH", own_branch_only=True), ENDING, here["position"]
    )


@pytest.mark.parametrize("path", [ENDING, ORIGINALS])
def test_one_branch_is_asked_for_and_gets_its_own_however_much_waits_elsewhere(served: Served, path: str) -> None:
    """They were picked out of the first two hundred of all."""
    customer, reader, (east, west) = a_customer(served), served.as_("operator"), (a_branch(), a_branch())
    here, there = (
        noted(served.as_("staff", branch=branch), customer, valid_until=in_days(5)) for branch in (east, west)
    )
    for branch, paper in ((east, here), (west, there)):
        assert waiting(reader, path, there["position"], branch=branch).keys() == {paper["id"]}
    own = served.as_("staff", branch=east, own_branch_only=True)
    assert waiting(own, path, there["position"]).keys() == {here["id"]}
    assert waiting(own, path, there["position"], branch=west) == {}


def test_without_a_branch_those_of_all_are_listed(served: Served) -> None:
    customer, branches = a_customer(served), (a_branch(), a_branch())
    papers = [noted(served.as_("staff", branch=branch), customer, valid_until=in_days(0)) for branch in branches]
    assert {paper["id"] for paper in papers} <= waiting(served.as_("operator"), ENDING, papers[-1]["position"]).keys()


def test_unfinished_scans_of_one_branch_are_asked_for(served: Served) -> None:
    east, west = a_branch(), a_branch()
    here, _ = (filled(served.as_("staff", branch=branch)) for branch in (east, west))
    last = served.last_position()
    asked = waiting(served.as_("operator"), "/v1/scan-sessions", last, branch=east)
    assert asked.keys() == {here["id"]}
    assert waiting(served.as_("staff", branch=east), "/v1/scan-sessions", last, branch=west) == {}


@pytest.mark.parametrize("days", ["-1", "367", "soon"])
def test_days_are_a_number_of_a_year(served: Served, days: str) -> None:
    assert pointers(served.as_("staff").get(ENDING, params={"days": days})) == {"/query/days"}
