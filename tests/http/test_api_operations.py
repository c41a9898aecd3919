"""What operators watch and ask for over HTTP. That it is carried out: tests/service/test_operations.py."""

from typing import Any

import httpx
import pytest

from projections.views import VIEWS
from tests.http.desk import a_customer, archived, at, item_of, pointers, problem_of
from tests.http.served import Served, wait_until

OPERATIONS = "/v1/operations"
SECONDS = 60


def asked(client: httpx.Client, kind: str, view: str | None = None, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(OPERATIONS, json={"kind": kind, **({"view": view} if view else {})}, headers=headers)


def seen(client: httpx.Client) -> dict[str, Any]:
    return item_of(client.get(OPERATIONS))


def ended(client: httpx.Client, task: str) -> dict[str, Any]:
    """The task, once it has ended."""
    found: list[dict[str, Any]] = []

    def has_ended() -> bool:
        found[:] = [one for one in seen(client)["tasks"] if one["id"] == task and one["ended_at"]]
        return found != []

    wait_until(has_ended, SECONDS, "the task does not end")
    return found[0]


def test_what_is_recorded_and_read_is_counted_and_every_view_is_there(served: Served) -> None:
    operator, desk, customer = served.as_("operator"), served.as_("staff"), a_customer(served)
    before = seen(operator)
    letter = archived(desk, customer)
    assert desk.get(f"/v1/documents/{letter['id']}/content", headers=at(letter["position"])).is_success
    after = seen(operator)
    assert [one["view"] for one in after["views"]] == [*VIEWS]
    assert min(one["position"] for one in after["views"]) >= letter["position"]
    assert after["position"] >= letter["position"]
    for name in ("events_by_minute", "reads_by_minute"):
        assert len(after[name]) == 60
        assert sum(after[name]) > sum(before[name])
    assert after["content_free_bytes"] > 0


@pytest.mark.parametrize("kind", ["pause", "resume", "back"])
def test_what_is_about_one_view_has_to_name_it(served: Served, kind: str) -> None:
    assert pointers(asked(served.as_("operator"), kind)) == {"/view"}


@pytest.mark.parametrize("kind", ["pause", "resume", "back", "replay", "rebuild"])
def test_a_view_that_there_is_not_is_refused_before_anything_is_written_down(served: Served, kind: str) -> None:
    before = seen(served.as_("operator"))["tasks"]
    refused = asked(served.as_("operator"), kind, "nothing")
    assert pointers(refused) == {"/view"}
    assert "customer_documents" in refused.json()["errors"][0]["detail"]
    assert seen(served.as_("operator"))["tasks"] == before


def test_everything_is_verified_and_not_one_view(served: Served) -> None:
    assert pointers(asked(served.as_("operator"), "verify", "customer_documents")) == {"/view"}


@pytest.mark.parametrize("body", [{"kind": "destroy"}, {}, {"kind": "verify", "role": "operator"}])
def test_what_cannot_be_asked_for_is_refused(served: Served, body: dict[str, str]) -> None:
    assert pointers(served.as_("operator").post(OPERATIONS, json=body))


def test_the_same_key_asks_once_and_tells_what_became_of_it(served: Served) -> None:
    operator = served.as_("operator")
    first = asked(operator, "replay", "authorizations", key="again-and-again")
    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first.headers
    assert (first.json()["begun_at"], first.json()["result"]) == (None, None)
    ended(operator, first.json()["id"])
    second = asked(operator, "replay", "authorizations", key="again-and-again")
    assert (second.status_code, second.headers["Idempotency-Replayed"]) == (202, "true")
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["result"][0]["view"] == "authorizations"
    assert [one["id"] for one in seen(operator)["tasks"]].count(first.json()["id"]) == 1


def test_a_key_is_not_taken_for_something_else_and_not_for_another_person(served: Served) -> None:
    operator, other = served.as_("operator"), served.as_("operator", branch="NORTH")
    first = item_of(asked(operator, "replay", "authorizations", key="one-key"))
    assert problem_of(asked(operator, "replay", key="one-key"), 422) == "idempotency-key-reused"
    assert problem_of(asked(operator, "verify", key="one-key"), 422) == "idempotency-key-reused"
    second = item_of(asked(other, "replay", "audit_history", key="one-key"))
    assert second["id"] != first["id"]
    assert (second["branch"], second["actor"] != first["actor"]) == ("NORTH", True)
    compared = [ended(operator, task["id"])["result"][0]["view"] for task in (first, second)]
    assert compared == ["authorizations", "audit_history"]


def test_what_operators_see_names_nobody(served: Served) -> None:
    """What is parked, found and asked for names views, positions and ids."""
    operator = served.as_("operator")
    archived(served.as_("staff"), a_customer(served, name="Wilhelmina Kraaijenbrink"), note="a private note")
    told = operator.get(OPERATIONS).text
    assert "Kraaijenbrink" not in told
    assert "private" not in told
