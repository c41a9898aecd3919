"""Whose scanners and sessions: those of the caller's own branch. And a start that is sent again."""

import secrets
from typing import Any

import httpx
import pytest

from tests.http.desk import item_of, pointers, problem_of
from tests.http.scanning import (
    FEEDER,
    SESSIONS,
    Station,
    a_page,
    a_scanner,
    a_station,
    cancel,
    confirm,
    filled,
    put,
    session,
    start,
    started,
)
from tests.http.served import Served


@pytest.fixture(scope="module")
def west(served: Served) -> Station:
    return a_station(served, branch="WEST")


@pytest.fixture(scope="module")
def east(served: Served) -> Station:
    return a_station(served, branch="EAST")


def seen(client: httpx.Client, *stations: Station) -> dict[str, set[str]]:
    """Of these stations those that a caller sees, and those whose scanners it sees."""
    names = {station.name for station in stations}
    return {
        "stations": {item["name"] for item in item_of(client.get("/v1/scan-stations"))["items"]} & names,
        "scanners": {item["station"] for item in item_of(client.get("/v1/scanners", params={"limit": 200}))["items"]}
        & names,
    }


@pytest.mark.parametrize("rights", [{}, {"own_branch_only": True}], ids=["writes there", "reads there alone, too"])
def test_who_has_a_branch_of_its_own_sees_its_scanners_alone(
    served: Served, west: Station, east: Station, rights: dict[str, Any]
) -> None:
    desk = served.as_("staff", branch="WEST", **rights)
    assert seen(desk, west, east) == {"stations": {west.name}, "scanners": {west.name}}
    mine = started(desk, scanner=west.scanner())
    assert mine["branch"] == "WEST"
    cancel(desk, mine)
    assert pointers(start(desk, scanner=east.scanner())) == {"/scanner"}
    assert pointers(start(desk, {"Archive-Branch": "EAST"}, scanner=east.scanner())) == {"/scanner"}


def test_who_has_none_sees_and_uses_those_of_all(served: Served, west: Station, east: Station) -> None:
    desk = served.as_("staff")
    both = {west.name, east.name}
    assert seen(desk, west, east) == {"stations": both, "scanners": both}
    for station in (west, east):
        cancel(desk, started(desk, scanner=station.scanner()))


def test_a_scanner_that_is_not_there_and_one_of_another_branch_are_told_alike(served: Served, east: Station) -> None:
    """So nobody learns what others have."""
    desk = served.as_("staff", branch="WEST")
    theirs, nowhere = start(desk, scanner=east.scanner()).json(), start(desk, scanner="nowhere:glass").json()
    assert {**theirs, "trace_id": ""} == {**nowhere, "trace_id": ""}


def test_a_station_whose_branch_changes_is_offered_there(served: Served) -> None:
    """It was moved, with another --branch."""
    moved = a_station(served)
    for branch in ("WEST", "EAST"):
        report = {"scanners": [a_scanner()]}
        moved.client.put(f"/v1/scan-stations/{moved.name}", json=report, headers={"Archive-Branch": branch})
        desks = {name: seen(served.as_("staff", branch=name), moved) for name in ("WEST", "EAST")}
        assert [name for name, found in desks.items() if found["scanners"]] == [branch]


@pytest.mark.parametrize("rights", [{}, {"own_branch_only": True}], ids=["writes there", "reads there alone, too"])
def test_a_session_of_another_branch_is_not_there(served: Served, rights: dict[str, Any]) -> None:
    theirs = filled(served.as_("staff", branch="WEST"))
    desk = served.as_("staff", branch="EAST", **rights)
    address = f"{SESSIONS}/{theirs['id']}"
    answers = [
        desk.get(address), desk.get(f"{address}/split"), desk.post(f"{address}/collate", json={"sheets": [[1]]}),
        put(desk, theirs, 2, a_page()), cancel(desk, theirs), desk.get(f"{address}/pages/1"),
    ]  # fmt: skip
    assert [problem_of(answer, 404) for answer in answers] == ["not-found"] * len(answers)
    assert theirs["id"] not in {item["id"] for item in item_of(desk.get(SESSIONS, params={"limit": 200}))["items"]}
    assert session(served.as_("staff"), theirs) == theirs


# -- a start that is sent again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [[a_scanner(state="offline"), FEEDER], [FEEDER], []], ids=["off", "unplugged", "all"])
def test_a_start_that_is_sent_again_is_answered_though_its_scanner_has_gone(
    served: Served, gone: list[dict[str, Any]]
) -> None:
    """Its answer was lost on the way, and then the scanner was switched off."""
    station, desk = a_station(served), served.as_("staff")
    key, scanner = {"Idempotency-Key": secrets.token_hex(8)}, station.scanner()
    first = start(desk, key, scanner=scanner)
    assert first.status_code == 201
    assert station.report(*gone).status_code == 200
    again = start(desk, key, scanner=scanner)
    assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (201, first.json(), "true")
    assert again.headers["Location"] == first.headers["Location"]
    new = start(desk, {"Idempotency-Key": secrets.token_hex(8)}, scanner=scanner)
    assert new.status_code in (422, 503)
    assert problem_of(start(desk, key, scanner=scanner, profile="photo"), 422) == "idempotency-key-reused"


def test_a_start_that_is_sent_again_is_the_first_answer_whatever_became_of_it(served: Served) -> None:
    station, desk = a_station(served), served.as_("staff")
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first = start(desk, key, scanner=station.scanner())
    confirm(desk, first.json())
    cancel(desk, first.json())
    assert start(desk, key, scanner=station.scanner()).json() == first.json()
