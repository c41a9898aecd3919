"""Idempotency-Key: the first answer again, twins in flight, another body; and a second Save without a key."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from tests.http.desk import (
    a_customer,
    a_letter,
    a_mandate,
    archived,
    at,
    correct,
    hand_in,
    issue,
    issued,
    no_upload,
    noted,
    pointers,
    problem_of,
    select_file,
    step,
    view,
)
from tests.http.served import Served

TWINS = 20
REPEATED = ("Location", "ETag", "Archive-Position")
Send = Callable[..., httpx.Response]


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def a_key() -> dict[str, str]:
    return {"Idempotency-Key": f"key-{secrets.token_hex(8)}"}


def assert_replayed(first: httpx.Response, second: httpx.Response) -> None:
    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert {n: second.headers.get(n) for n in REPEATED} == {n: first.headers.get(n) for n in REPEATED}
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"


def test_a_file_sent_again_with_its_key_gets_the_first_answer(served: Served, staff: httpx.Client) -> None:
    customer, data, key = a_customer(served), a_letter(), a_key()
    first = select_file(staff, customer, data, headers=key, note="once")
    second = select_file(staff, customer, data, headers=key, note="once")
    assert_replayed(first, second)
    assert len(view(staff, customer, first.json()["position"])) == 1
    assert served.contents() == served.named_contents()


def test_the_first_answer_is_told_again_although_the_document_was_changed_meanwhile(
    served: Served, staff: httpx.Client
) -> None:
    customer, data, key = a_customer(served), a_letter(), a_key()
    first = select_file(staff, customer, data, headers=key, note="before")
    assert correct(staff, first.json()["id"], "describe", 1, note="after", reason="typing error").is_success
    assert_replayed(first, select_file(staff, customer, data, headers=key, note="before"))


def test_an_authorization_sent_again_with_its_key_gets_the_first_answer(served: Served, staff: httpx.Client) -> None:
    customer, key = a_customer(served), a_key()
    body = {"type": "DEBT_AUTHORIZATION", "mandate": a_mandate()}
    first = no_upload(staff, customer, headers=key, **body)
    assert_replayed(first, no_upload(staff, customer, headers=key, **body))
    assert len(view(staff, customer, first.json()["position"])) == 1


@pytest.mark.parametrize(
    ("verb", "body"),
    [("describe", {"note": "a"}), ("reclassify", {"type": "FORM"}), ("withdraw", {})],
)
def test_a_correction_sent_again_with_its_key_gets_the_first_answer(
    served: Served, staff: httpx.Client, verb: str, body: dict[str, Any]
) -> None:
    """Although its If-Match is stale by then."""
    item, key = archived(staff, a_customer(served)), {**a_key(), "If-Match": '"1"'}
    address, said = f"/v1/documents/{item['id']}/{verb}", {**body, "reason": "by mistake"}
    first = staff.post(address, json=said, headers=key)
    assert_replayed(first, staff.post(address, json=said, headers=key))
    assert problem_of(staff.post(address, json=said, headers={"If-Match": '"1"'}), 412) == "precondition-failed"


@pytest.mark.parametrize(
    "changes",
    [{"note": "another"}, {"type": "FORM"}, {"received_on": "2026-01-02"}, {"external_id": "x"}, {"data": b"another"}],
)
def test_a_key_with_another_body_is_refused(served: Served, staff: httpx.Client, changes: dict[str, Any]) -> None:
    customer, key = a_customer(served), a_key()
    sent: dict[str, Any] = {"data": a_letter(), "note": "one", "name": "a.txt", "headers": key}
    first = select_file(staff, customer, **sent)
    if changes.get("external_id"):
        changes = {"external_id": secrets.token_hex(8)}
    assert problem_of(select_file(staff, customer, **{**sent, **changes}), 422) == "idempotency-key-reused"
    assert len(view(staff, customer, first.json()["position"])) == 1


def test_a_key_with_another_customer_branch_or_address_is_refused(served: Served, staff: httpx.Client) -> None:
    customer, data, key = a_customer(served), a_letter(), a_key()
    assert select_file(staff, customer, data, headers=key).status_code == 201
    others = (
        select_file(staff, a_customer(served), data, headers=key),
        select_file(staff, customer, data, headers={**key, "Archive-Branch": "ELSEWHERE"}),
        no_upload(staff, customer, headers=key),
    )
    assert {problem_of(answer, 422) for answer in others} == {"idempotency-key-reused"}


def test_a_key_belongs_to_one_caller(served: Served, staff: httpx.Client) -> None:
    customer, data, key = a_customer(served), a_letter(), a_key()
    assert select_file(staff, customer, data, headers=key).status_code == 201
    mine = select_file(served.as_("supervisor"), customer, data, headers=key, duplicate="allow")
    assert mine.status_code == 201
    assert "Idempotency-Replayed" not in mine.headers


def test_a_refusal_does_not_use_up_a_key(served: Served, staff: httpx.Client) -> None:
    customer, data, key = a_customer(served), a_letter(), a_key()
    assert problem_of(select_file(staff, "nobody", data, headers=key), 422) == "customer-unknown"
    assert select_file(staff, customer, data, headers=key).status_code == 201


@pytest.mark.parametrize("key", ["x" * 201, "two words", "ümlaut".encode().decode("latin-1")])
def test_a_key_that_is_none_is_named(served: Served, staff: httpx.Client, key: str) -> None:
    headers = httpx.Headers({"Idempotency-Key": key}, encoding="latin-1")
    answer = select_file(staff, a_customer(served), headers=headers)  # type: ignore[arg-type]  # httpx takes both
    assert pointers(answer) == {"/header/Idempotency-Key"}


def test_twenty_twins_at_once_are_one_document(served: Served, staff: httpx.Client) -> None:
    customer, data, key = a_customer(served), a_letter(), a_key()
    answers = at_once(lambda: select_file(staff, customer, data, headers=key))
    assert_one(answers, view(staff, customer, answers[0].json()["position"]))
    assert served.contents() == served.named_contents()


def test_twenty_twins_at_once_are_one_authorization(served: Served, staff: httpx.Client) -> None:
    customer, key = a_customer(served), a_key()
    answers = at_once(lambda: no_upload(staff, customer, headers=key))
    assert_one(answers, view(staff, customer, answers[0].json()["position"]))


def test_twenty_saves_at_once_without_a_key_are_one_document_and_nineteen_duplicates(
    served: Served, staff: httpx.Client
) -> None:
    """C7: a second click stores once, even where the page did not send a key."""
    customer, data = a_customer(served), a_letter()
    answers = at_once(lambda: select_file(staff, customer, data))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert (len(made), len(refused)) == (1, TWINS - 1)
    assert {problem_of(answer, 409) for answer in refused} == {"duplicate-content"}
    assert {answer.json()["existing"] for answer in refused} == {made[0]["id"]}
    assert len(view(staff, customer, made[0]["position"])) == 1
    assert served.contents() == served.named_contents()


def at_once(send: Send) -> list[httpx.Response]:
    with ThreadPoolExecutor(TWINS) as pool:
        return [future.result() for future in [pool.submit(send) for _ in range(TWINS)]]


def assert_one(answers: list[httpx.Response], rows: list[dict[str, Any]]) -> None:
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert [row["id"] for row in rows] == [answers[0].json()["id"]]


def test_the_same_content_again_is_a_warning_that_names_the_earlier_and_may_be_overruled(
    served: Served, staff: httpx.Client
) -> None:
    """C8 and edge case 6."""
    customer, data = a_customer(served), a_letter()
    first = archived(staff, customer, data, name="monday.pdf")
    again = select_file(staff, customer, data, name="tuesday.pdf")
    assert problem_of(again, 409) == "duplicate-content"
    assert again.json()["existing"] == first["id"]
    second = archived(staff, customer, data, name="tuesday.pdf", duplicate="allow")
    assert {row["id"] for row in view(staff, customer, second["position"])} == {first["id"], second["id"]}


def test_the_same_content_on_another_customer_is_taken_without_a_hint(served: Served, staff: httpx.Client) -> None:
    """Edge case 6."""
    data = a_letter()
    archived(staff, a_customer(served), data)
    answer = select_file(staff, a_customer(served), data)
    assert answer.status_code == 201
    assert set(answer.json()) == set(archived(staff, a_customer(served)))


def test_an_authorization_may_be_noted_twice_where_no_rule_forbids_it(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    first, second = noted(staff, customer), noted(staff, customer)
    assert first["id"] != second["id"]
    rows = staff.get(f"/v1/customers/{customer}/documents", headers=at(second["position"])).json()["items"]
    assert len(rows) == 2


def twins(send: Callable[[], httpx.Response]) -> set[tuple[int, str]]:
    """What all are told who send the same at once with one key."""
    with ThreadPoolExecutor(TWINS) as pool:
        answers = [answer.result() for answer in [pool.submit(send) for _ in range(TWINS)]]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count(None) == 1
    return {(answer.status_code, answer.text) for answer in answers}


def corrections(
    client: httpx.Client, item: dict[str, Any], verb: str, key: dict[str, str], **body: Any
) -> httpx.Response:
    headers = {**key, "If-Match": '"1"'}
    return client.post(f"/v1/documents/{item['id']}/{verb}", json={"reason": "a", **body}, headers=headers)


Key = dict[str, str]
AT_ONCE: dict[str, Callable[[httpx.Client, str, Key], Callable[[], httpx.Response]]] = {
    "describe": lambda c, customer, key: partial(corrections, c, archived(c, customer), "describe", key, note="a"),
    "withdraw": lambda c, customer, key: partial(corrections, c, archived(c, customer), "withdraw", key),
    "suspend": lambda c, customer, key: partial(step, c, noted(c, customer)["id"], "suspend", 1, key, reason="a"),
    "cancel": lambda c, customer, key: partial(
        step, c, issued(c, customer)["authorization"]["id"], "cancel", 1, key, reason="a"
    ),
    "issue": lambda c, customer, key: partial(issue, c, customer, key),
    "hand in": lambda c, customer, key: partial(hand_in, c, issued(c, customer)["scan_code"], a_letter(), headers=key),
    "note": lambda c, customer, key: partial(
        no_upload, c, None, key, type=None, scan_code=issued(c, customer)["scan_code"]
    ),
    "replace": lambda c, customer, key: partial(replaced, c, archived(c, customer), a_letter(), key),
}


def replaced(client: httpx.Client, item: dict[str, Any], data: bytes, key: Key) -> httpx.Response:
    headers, files = {**key, "If-Match": '"1"'}, {"file": ("better.pdf", data)}
    return client.put(f"/v1/documents/{item['id']}/content", data={"reason": "a"}, files=files, headers=headers)


@pytest.mark.parametrize("what", AT_ONCE)
def test_twins_in_flight_are_told_of_one_change_and_none_is_refused_for_the_other(served: Served, what: str) -> None:
    """Who was a moment later meets the version, the state or the evidence that its own twin made."""
    boss, customer = served.as_("supervisor"), a_customer(served)
    for _ in range(3):
        [(status, _)] = twins(AT_ONCE[what](boss, customer, a_key()))
        assert status in (200, 201)
    assert served.contents() == served.named_contents()
