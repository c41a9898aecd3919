"""Moves, new contents, joint papers (docs/domain.md G2, G4, G6): rows, keys, histories and contents of both customers.

On an archive of their own, so that `dossier verify` can say at the end that all of it hangs together.
"""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http import wire
from tests.http.desk import (
    CONSENT,
    DEBT,
    IBANS,
    a_customer,
    a_letter,
    a_mandate,
    a_text,
    access_lines,
    archived,
    at,
    check,
    correct,
    corrected,
    debt_issued,
    handed_in,
    issued,
    item_of,
    noted,
    pointers,
    problem_of,
    replace,
    said_in,
    select_file,
    step,
    stepped,
    view,
)
from tests.http.served import Served, serving
from tests.paper.files import a_jpeg, a_locked_pdf
from tests.service.program import command, environment

CORRECTIONS = ("reassign", "link-customer", "unlink-customer")
JOINED = {"reassign": "document-reassigned", "link-customer": "customer-linked", "unlink-customer": "customer-unlinked"}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


@pytest.fixture
def boss(served: Served) -> httpx.Client:
    return served.as_("supervisor")


def read(client: httpx.Client, document: str, position: int = 0) -> dict[str, Any]:
    return item_of(client.get(f"/v1/documents/{document}", headers=at(position)))


def content(client: httpx.Client, document: str, position: int = 0, **query: Any) -> httpx.Response:
    return client.get(f"/v1/documents/{document}/content", params=query, headers=at(position))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def wrapped_for(served: Served, paper: str) -> set[str]:
    """Whose keys open a paper."""
    found = (
        "select c.customer_id from keys.paper as p join keys.customer as c on c.reference = p.customer where paper = %s"
    )
    return {customer for (customer,) in served.sql(found, [paper])}


def history(client: httpx.Client, address: str, position: int = 0, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/{address}/history", params=query, headers=at(position))
    items: list[dict[str, Any]] = item_of(answer)["items"]
    return items


# -- G2: to the right customer ------------------------------------------------------------------------------------


def test_a_document_moves_to_the_right_customer(served: Served, boss: httpx.Client) -> None:
    """Edge case 1."""
    wrong, right, data = a_customer(served), a_customer(served), a_letter()
    item = archived(boss, wrong, data, note="for the twins")
    answer = correct(boss, item["id"], "reassign", 1, customer=right, reason="a slip of the mouse")
    assert answer.status_code == 200
    moved = answer.json()
    assert (moved["customer"], moved["version"], answer.headers["ETag"]) == (right, 2, '"2"')
    assert view(boss, wrong, moved["position"]) == []
    assert ids(view(boss, right)) == [item["id"]]
    assert ids(view(boss, wrong, as_of=item["position"])) == [item["id"]]
    assert view(boss, right, as_of=item["position"]) == []
    assert read(boss, item["id"])["customer"] == right
    assert content(boss, item["id"]).content == data
    assert wrapped_for(served, item["id"]) == {right}


def test_a_move_stands_in_the_history_of_both_customers(served: Served, boss: httpx.Client) -> None:
    wrong, right = a_customer(served), a_customer(served)
    item = archived(boss, wrong)
    moved = corrected(boss, item, "reassign", customer=right, reason="a slip of the mouse")
    for customer in (wrong, right):
        [last] = history(boss, f"customers/{customer}", moved["position"], action="document-reassigned")
        assert (last["before"], last["after"]) == ({"customer": wrong}, {"customer": right})
        assert (last["reason"], last["actor"]) == ("a slip of the mouse", "supervisor")
    assert said_in(boss, f"documents/{item['id']}") == "document-reassigned document-archived"


def test_evidence_and_its_authorization_move_together_whichever_is_asked(served: Served, boss: httpx.Client) -> None:
    """I5: one move, one moment, one row as before."""
    for of in ("document", "authorization"):
        wrong, right = a_customer(served), a_customer(served)
        code = debt_issued(boss, wrong)["scan_code"]
        item = handed_in(boss, code, data := a_letter())
        if of == "document":
            answer = correct(boss, item["evidence"], "reassign", 1, customer=right, reason="a slip")
        else:
            answer = step(boss, item["id"], "reassign", item["version"], customer=right, reason="a slip")
        assert answer.status_code == 200, answer.text
        position = answer.json()["position"]
        assert view(boss, wrong, position) == []
        [row] = view(boss, right)
        assert (row["id"], row["evidence"]) == (item["id"], item["evidence"])
        statement = item_of(boss.get(f"/v1/authorizations/{item['id']}"))
        assert (statement["customer"], statement["mandate"]["iban"]) == (right, IBANS[0])
        assert read(boss, item["evidence"])["customer"] == right
        assert content(boss, item["evidence"]).content == data
        assert wrapped_for(served, item["id"]) == wrapped_for(served, item["evidence"]) == {right}
        told = {
            h["action"]: h["recorded_at"] for h in history(boss, f"customers/{wrong}") if "reassigned" in h["action"]
        }
        assert set(told) == {"document-reassigned", "authorization-reassigned"}
        assert len(set(told.values())) == 1
        assert ids(view(boss, wrong, as_of=item["position"])) == [item["id"]]


def test_an_authorization_without_evidence_moves_alone_and_its_code_with_it(served: Served, boss: httpx.Client) -> None:
    wrong, right = a_customer(served), a_customer(served)
    made = issued(boss, wrong)
    moved = stepped(boss, made["authorization"], "reassign", customer=right)
    assert (moved["customer"], moved["status"]) == (right, "issued")
    assert item_of(check(boss, made["scan_code"]))["customer"]["id"] == right
    item = handed_in(boss, made["scan_code"])
    assert ids(view(boss, right, item["position"])) == [item["id"]]
    assert wrapped_for(served, item["evidence"]) == {right}


def test_the_answer_is_of_the_paper_that_was_asked(served: Served, boss: httpx.Client) -> None:
    wrong, right = a_customer(served), a_customer(served)
    item = handed_in(boss, issued(boss, wrong)["scan_code"])
    moved = correct(boss, item["evidence"], "reassign", 1, customer=right, reason="a slip").json()
    assert (moved["id"], moved["kind"], moved["version"]) == (item["evidence"], "document", 2)
    back = step(boss, item["id"], "reassign", "*", customer=wrong, reason="a slip").json()
    assert (back["id"], back["evidence"], back["customer"]) == (item["id"], item["evidence"], wrong)


def test_a_paper_moves_there_and_back(served: Served, boss: httpx.Client) -> None:
    one, other = a_customer(served), a_customer(served)
    item = archived(boss, one, data := a_letter())
    for n, customer in enumerate((other, one, other, one), start=2):
        item = corrected(boss, item, "reassign", customer=customer)
        assert item["version"] == n
        assert wrapped_for(served, item["id"]) == {customer}
    assert (len(view(boss, one, item["position"])), view(boss, other)) == (1, [])
    assert content(boss, item["id"]).content == data
    positions = [h["position"] for h in history(boss, f"documents/{item['id']}")][::-1]
    owners = [[c for c in (one, other) if view(boss, c, as_of=position)] for position in positions]
    assert owners == [[one], [other], [one], [other], [one]]


def test_a_move_to_where_it_is_already_is_no_event(served: Served, boss: httpx.Client) -> None:
    customer = a_customer(served)
    item = handed_in(boss, issued(boss, customer)["scan_code"])
    with wire.nothing_stored(served):
        same = correct(boss, item["evidence"], "reassign", 1, customer=customer, reason="a slip")
        assert (same.status_code, same.json()["version"]) == (200, 1)
        same = step(boss, item["id"], "reassign", item["version"], customer=customer, reason="a slip")
        assert (same.status_code, same.json()["version"]) == (200, item["version"])


def test_a_withdrawn_document_moves_and_stays_withdrawn(served: Served, boss: httpx.Client) -> None:
    wrong, right = a_customer(served), a_customer(served)
    item = corrected(boss, archived(boss, wrong), "withdraw")
    moved = corrected(boss, item, "reassign", customer=right)
    assert [row["status"] for row in view(boss, right, moved["position"])] == ["withdrawn"]
    assert corrected(boss, moved, "restore")["status"] == "archived"


def test_what_was_only_seen_moves_too(served: Served, boss: httpx.Client) -> None:
    wrong, right = a_customer(served), a_customer(served)
    verification = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}
    item = noted(boss, wrong, type="IDENTIFICATION", original=None, verification=verification)
    moved = corrected(boss, item, "reassign", customer=right)
    assert view(boss, right, moved["position"])[0]["verification"] == verification


def test_a_mandate_does_not_move_to_who_has_one_for_the_account(served: Served, boss: httpx.Client) -> None:
    """I6; and its evidence stays with it."""
    wrong, right = a_customer(served), a_customer(served)
    there = noted(boss, right, type=DEBT, mandate=a_mandate())
    item = handed_in(boss, debt_issued(boss, wrong)["scan_code"])
    with wire.nothing_stored(served):
        for answer in (
            step(boss, item["id"], "reassign", "*", customer=right, reason="a slip"),
            correct(boss, item["evidence"], "reassign", "*", customer=right, reason="a slip"),
        ):
            assert problem_of(answer, 409) == "mandate-exists"
            assert answer.json()["existing"] == there["id"]
    stepped(boss, there, "revoke", received_on="2026-02-01")
    assert step(boss, item["id"], "reassign", "*", customer=right, reason="a slip").status_code == 200
    assert noted(boss, wrong, type=DEBT, mandate=a_mandate())["status"] == "active", "the account is free there now"
    again = step(boss, there["id"], "reassign", "*", customer=wrong, reason="a slip")
    assert again.status_code == 200, "what is over hinders nobody"


def test_a_file_that_moved_away_is_no_duplicate_there_any_more_and_one_here(served: Served, boss: httpx.Client) -> None:
    """Edge case 6 after edge case 1."""
    wrong, right, data = a_customer(served), a_customer(served), a_letter()
    item = archived(boss, wrong, data)
    corrected(boss, item, "reassign", customer=right)
    again = select_file(boss, right, data)
    assert problem_of(again, 409) == "duplicate-content"
    assert again.json()["existing"] == item["id"]
    assert select_file(boss, wrong, data).status_code == 201


# -- G6: joint papers ---------------------------------------------------------------------------------------------


def test_a_joint_paper_stands_in_the_list_of_both(served: Served, boss: httpx.Client) -> None:
    mother, father, data = a_customer(served), a_customer(served), a_letter()
    item = archived(boss, mother, data, note="both of us")
    answer = correct(boss, item["id"], "link-customer", 1, customer=father, reason="signed by both")
    assert answer.status_code == 200
    joint = answer.json()
    assert (joint["customer"], joint["version"]) == (mother, 2)
    rows = [view(boss, customer, joint["position"]) for customer in (mother, father)]
    assert rows[0] == rows[1] == [{n: v for n, v in joint.items() if n not in ("customer", "position")}]
    assert read(boss, item["id"])["customer"] == mother, "the primary one (I1)"
    assert wrapped_for(served, item["id"]) == {mother, father}
    assert view(boss, father, as_of=item["position"]) == []
    assert ids(view(boss, father, q="both of us")) == [item["id"]]


def test_a_link_stands_in_the_history_of_both_and_what_comes_later_too(served: Served, boss: httpx.Client) -> None:
    mother, father = a_customer(served), a_customer(served)
    joint = corrected(boss, archived(boss, mother), "link-customer", customer=father, reason="signed by both")
    for customer in (mother, father):
        [last] = history(boss, f"customers/{customer}", joint["position"], action="customer-linked")
        assert (last["before"], last["after"]) == ({"linked_customer": None}, {"linked_customer": father})
        assert last["reason"] == "signed by both"
    apart = corrected(boss, joint, "unlink-customer", customer=father, reason="not signed by him")
    for customer in (mother, father):
        [last] = history(boss, f"customers/{customer}", apart["position"], action="customer-unlinked")
        assert (last["before"], last["after"]) == ({"linked_customer": father}, {"linked_customer": None})


def test_a_change_of_a_joint_paper_is_seen_by_both(served: Served, boss: httpx.Client) -> None:
    mother, father = a_customer(served), a_customer(served)
    joint = corrected(boss, archived(boss, mother), "link-customer", customer=father)
    described = corrected(boss, joint, "describe", note="another note")
    better = item_of(replace(boss, joint["id"], a_text(), described["version"], name="b.txt"))
    withdrawn = corrected(boss, better, "withdraw")
    for customer in (mother, father):
        [row] = view(boss, customer, withdrawn["position"])
        assert (row["note"], row["file_name"], row["status"]) == ("another note", "b.txt", "withdrawn")
        assert row["version"] == withdrawn["version"]


def test_unlinked_it_is_gone_there_and_was_there(served: Served, boss: httpx.Client) -> None:
    mother, father = a_customer(served), a_customer(served)
    joint = corrected(boss, archived(boss, mother), "link-customer", customer=father)
    apart = corrected(boss, joint, "unlink-customer", customer=father)
    assert view(boss, father, apart["position"]) == []
    assert ids(view(boss, mother)) == [joint["id"]]
    assert ids(view(boss, father, as_of=joint["position"])) == [joint["id"]]
    assert wrapped_for(served, joint["id"]) == {mother}
    again = corrected(boss, apart, "link-customer", customer=father)
    assert ids(view(boss, father, again["position"])) == [joint["id"]]


def test_what_changes_nothing_is_no_event(served: Served, boss: httpx.Client) -> None:
    """Linked twice, to itself, unlinked from who is not linked."""
    mother, father = a_customer(served), a_customer(served)
    joint = corrected(boss, archived(boss, mother), "link-customer", customer=father)
    with wire.nothing_stored(served):
        for verb, customer in (
            ("link-customer", father),
            ("link-customer", mother),
            ("unlink-customer", a_customer(served)),
            ("unlink-customer", "nobody-at-all"),
        ):
            answer = correct(boss, joint["id"], verb, 2, customer=customer, reason="x")
            assert (answer.status_code, answer.json()["version"]) == (200, 2), (verb, customer)


def test_the_primary_customer_is_not_unlinked_but_moved(served: Served, boss: httpx.Client) -> None:
    """I1."""
    mother, father = a_customer(served), a_customer(served)
    joint = corrected(boss, archived(boss, mother), "link-customer", customer=father)
    answer = correct(boss, joint["id"], "unlink-customer", 2, customer=mother, reason="x")
    assert pointers(answer) == {"/customer"}
    moved = corrected(boss, joint, "reassign", customer=father)
    assert (ids(view(boss, father, moved["position"])), view(boss, mother)) == ([joint["id"]], [])
    assert wrapped_for(served, joint["id"]) == {father}


def test_a_joint_paper_that_moves_keeps_its_second_customer(served: Served, boss: httpx.Client) -> None:
    mother, father, right = (a_customer(served) for _ in range(3))
    joint = corrected(boss, archived(boss, mother, data := a_letter()), "link-customer", customer=father)
    moved = corrected(boss, joint, "reassign", customer=right)
    assert view(boss, mother, moved["position"]) == []
    for customer in (father, right):
        assert ids(view(boss, customer)) == [joint["id"]]
    assert wrapped_for(served, joint["id"]) == {father, right}
    assert content(boss, joint["id"]).content == data


def test_a_third_customer_may_be_linked(served: Served, boss: httpx.Client) -> None:
    customers = [a_customer(served) for _ in range(4)]
    item = archived(boss, customers[0])
    for customer in customers[1:]:
        item = corrected(boss, item, "link-customer", customer=customer)
    for customer in customers:
        assert ids(view(boss, customer, item["position"])) == [item["id"]]
    assert wrapped_for(served, item["id"]) == set(customers)


def test_evidence_of_one_is_a_document_of_its_own_for_the_other(served: Served, boss: httpx.Client) -> None:
    """The authorization is one customer's; its paper may name two."""
    mother, father = a_customer(served), a_customer(served)
    item = handed_in(boss, issued(boss, mother)["scan_code"])
    joint = correct(boss, item["evidence"], "link-customer", 1, customer=father, reason="both signed").json()
    assert ids(view(boss, mother, joint["position"])) == [item["id"]]
    assert [(row["id"], row["kind"]) for row in view(boss, father)] == [(item["evidence"], "document")]


def test_the_file_of_a_joint_paper_is_known_to_both(served: Served, boss: httpx.Client) -> None:
    """Edge case 6: a warning for the second customer as well."""
    mother, father, data = a_customer(served), a_customer(served), a_letter()
    joint = corrected(boss, archived(boss, mother, data), "link-customer", customer=father)
    again = select_file(boss, father, data)
    assert problem_of(again, 409) == "duplicate-content"
    assert again.json()["existing"] == joint["id"]
    corrected(boss, joint, "unlink-customer", customer=father)
    assert select_file(boss, father, data).status_code == 201


# -- both ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", CORRECTIONS)
def test_a_move_says_which_version_it_read_and_why(served: Served, boss: httpx.Client, verb: str) -> None:
    customer, item = a_customer(served), archived(boss, a_customer(served))
    if verb == "unlink-customer":
        item = corrected(boss, item, "link-customer", customer=customer)
    said = {"customer": customer, "reason": "x"}
    assert problem_of(correct(boss, item["id"], verb, None, **said), 428) == "precondition-required"
    for stale in (item["version"] + 1, 'W/"1"', "x"):
        assert problem_of(correct(boss, item["id"], verb, stale, **said), 412) == "precondition-failed"
    for reason in ("", " ", 7, "x" * 1001):
        wrong = correct(boss, item["id"], verb, item["version"], customer=customer, reason=reason)
        assert pointers(wrong) == {"/reason"}
    missing = correct(boss, item["id"], verb, item["version"])
    assert pointers(missing) == {"/customer"}
    unknown = correct(boss, item["id"], verb, item["version"], **said, colour="red")
    assert pointers(unknown) == {"/colour"}
    assert correct(boss, item["id"], verb, item["version"], **said).status_code == 200


@pytest.mark.parametrize("verb", CORRECTIONS)
def test_a_move_sent_again_with_its_key_is_answered_as_before(served: Served, boss: httpx.Client, verb: str) -> None:
    customer, item = a_customer(served), archived(boss, a_customer(served))
    if verb == "unlink-customer":
        item = corrected(boss, item, "link-customer", customer=customer)
    headers = {"If-Match": f'"{item["version"]}"', "Idempotency-Key": secrets.token_hex(8)}
    sent = [
        boss.post(f"/v1/documents/{item['id']}/{verb}", json={"customer": customer, "reason": "x"}, headers=headers)
        for _ in range(2)
    ]
    assert sent[1].json() == sent[0].json()
    assert sent[1].headers["Idempotency-Replayed"] == "true"
    assert said_in(boss, f"documents/{item['id']}", sent[0].json()["position"]).split()[0] == JOINED[verb]
    assert len(history(boss, f"documents/{item['id']}", action=JOINED[verb])) == 1


@pytest.mark.parametrize("customer", ["a b", "", "x" * 65, "a/b", "ä\n", 7, None, ["c"]])
@pytest.mark.parametrize("verb", CORRECTIONS)
def test_what_is_no_customer_is_named(served: Served, boss: httpx.Client, verb: str, customer: Any) -> None:
    item = archived(boss, a_customer(served))
    assert pointers(correct(boss, item["id"], verb, 1, customer=customer, reason="x")) == {"/customer"}


@pytest.mark.parametrize("verb", CORRECTIONS)
def test_what_is_hidden_or_absent_is_moved_by_nobody(served: Served, boss: httpx.Client, verb: str) -> None:
    """Edge case 18."""
    customer, other = a_customer(served), a_customer(served)
    hidden = archived(boss, customer, type="READING_DISABILITY", headers={"Archive-Branch": "EAST"})
    blind = served.as_("supervisor", without=("health",))
    west = served.as_("supervisor", branch="WEST", own_branch_only=True)
    said: dict[str, Any] = {"customer": other, "reason": "x"}
    with wire.nothing_stored(served):
        for client, paper in (
            (blind, hidden["evidence"]),
            (west, hidden["evidence"]),
            (boss, str(uuid4())),
            (boss, "x"),
        ):
            assert problem_of(correct(client, paper, verb, "*", **said), 404) == "not-found"
        assert problem_of(correct(boss, hidden["id"], verb, "*", **said), 404) == "not-found", "an authorization"
        assert problem_of(step(blind, hidden["id"], "reassign", "*", **said), 404) == "not-found"
        assert problem_of(step(boss, hidden["evidence"], "reassign", "*", **said), 404) == "not-found", "a document"


def test_two_moves_at_once_of_one_version_are_one(served: Served, boss: httpx.Client) -> None:
    customers = [a_customer(served) for _ in range(6)]
    item = handed_in(boss, issued(boss, a_customer(served))["scan_code"])
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda c: correct(boss, item["evidence"], "reassign", 1, customer=c, reason="x"), customers)
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    [moved] = [answer.json() for answer in answers if answer.status_code == 200]
    assert wrapped_for(served, item["id"]) == wrapped_for(served, item["evidence"]) == {moved["customer"]}


def test_a_move_and_a_step_at_once_leave_both_or_tell_one_to_read_again(served: Served, boss: httpx.Client) -> None:
    """Document and authorization are two streams: the move takes both, and neither is left behind."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            right, item = a_customer(served), handed_in(boss, issued(boss, a_customer(served))["scan_code"])
            move = pool.submit(correct, boss, item["evidence"], "reassign", "*", customer=right, reason="x")
            rest = pool.submit(step, boss, item["id"], "suspend", "*", reason="x")
            assert (move.result().status_code, rest.result().status_code) == (200, 200)
            last = max(move.result().json()["position"], rest.result().json()["position"])
            [row] = view(boss, right, last)
            assert (row["id"], row["status"], row["evidence"]) == (item["id"], "suspended", item["evidence"])


# -- G4: another content ------------------------------------------------------------------------------------------


def test_a_new_content_is_shown_and_the_earlier_one_is_kept(served: Served, boss: httpx.Client) -> None:
    customer, first, second = a_customer(served), a_letter(2), a_jpeg((300, 200))
    item = archived(boss, customer, first, name="bad.pdf", note="stays")
    answer = replace(boss, item["id"], second, 1, name="better.jpg", reason="the first was cut off")
    assert answer.status_code == 200
    better = answer.json()
    said = {
        "id": item["id"], "customer": customer, "version": 2, "content_version": 2, "file_name": "better.jpg",
        "media_type": "image/jpeg", "size_bytes": len(second), "pages": 1, "note": "stays", "type": "LETTER",
        "recorded_at": item["recorded_at"], "received_on": item["received_on"],
    }  # fmt: skip
    assert {name: better[name] for name in said} == said
    assert answer.headers["ETag"] == '"2"'
    assert content(boss, item["id"], better["position"]).content == second
    assert content(boss, item["id"], content_version=1).content == first
    assert content(boss, item["id"], content_version=2).content == second
    [row] = view(boss, customer)
    assert row == {n: v for n, v in better.items() if n not in ("customer", "position")}
    assert view(boss, customer, as_of=item["position"])[0]["file_name"] == "bad.pdf"


def test_a_new_content_is_told_with_what_was_before(served: Served, boss: httpx.Client) -> None:
    item = archived(boss, a_customer(served), a_letter(), name="bad.pdf")
    better = item_of(replace(boss, item["id"], a_text(), 1, name="good.txt", reason="the first was cut off"))
    last = history(boss, f"documents/{item['id']}", better["position"])[0]
    assert (last["action"], last["reason"]) == ("content-replaced", "the first was cut off")
    assert last["before"] == {"file_name": "bad.pdf", "sha256": item["sha256"]}
    assert {n: last["after"][n] for n in ("file_name", "sha256")} == {
        "file_name": "good.txt",
        "sha256": better["sha256"],
    }


def test_earlier_contents_are_for_who_corrects_documents(served: Served, boss: httpx.Client) -> None:
    """Bytes, parts of them, and pages: whoever only reads sees what is shown."""
    item = archived(boss, a_customer(served), first := a_letter(2), name="a.pdf")
    better = item_of(replace(boss, item["id"], a_letter(1), 1))
    address = f"/v1/documents/{item['id']}"
    for role in ("staff", "supervisor", "operator"):
        client = served.as_(role)
        assert content(client, item["id"], better["position"], content_version=1).content == first
        page = client.get(f"{address}/pages/2", params={"content_version": 1, "width": 100})
        assert page.headers["Content-Type"] == "image/jpeg"
        part = client.get(f"{address}/content?content_version=1", headers={"Range": "bytes=0-7"})
        assert (part.status_code, part.content) == (206, first[:8])
    viewer = served.as_("viewer")
    for path in ("content", "pages/1", "pages/2"):
        hidden = viewer.get(f"{address}/{path}", params={"content_version": 1})
        assert problem_of(hidden, 404) == "not-found"
    assert viewer.get(f"{address}/content", params={"content_version": 2}).status_code == 200
    assert viewer.get(f"{address}/pages/1").status_code == 200
    assert problem_of(viewer.get(f"{address}/pages/2"), 404) == "not-found", "the new one has one page"
    for version in ("3", "0", "-1", "x", "1.5", "99999999999"):
        assert pointers(boss.get(f"{address}/content", params={"content_version": version})) == {
            "/query/content_version"
        }


def test_who_read_an_earlier_content_is_in_the_access_log(served: Served) -> None:
    name = f"reader-{secrets.token_hex(4)}"
    client = served.client(served.new_token(name, "supervisor"))
    item = archived(client, customer := a_customer(served))
    better = item_of(replace(client, item["id"], a_letter(), 1))
    content(client, item["id"], better["position"], content_version=1)
    client.get(f"/v1/documents/{item['id']}/pages/1?content_version=1")
    lines = access_lines(served, name)
    assert [(line["action"], line["document"], line["customer"]) for line in lines] == [
        ("page", item["id"], customer),
        ("content", item["id"], customer),
    ]


def test_the_same_content_again_changes_nothing(served: Served, boss: httpx.Client) -> None:
    item = archived(boss, a_customer(served), data := a_letter())
    with wire.nothing_stored(served):
        same = replace(boss, item["id"], data, 1, name="another name.pdf")
        assert (same.status_code, same.json()["version"], same.headers["ETag"]) == (200, 1, '"1"')
        assert same.json()["file_name"] == item["file_name"]


def test_a_content_may_come_back(served: Served, boss: httpx.Client) -> None:
    """A, then B, then A again: three versions, each readable."""
    item = archived(boss, customer := a_customer(served), a := a_letter())
    b = a_letter()
    second = item_of(replace(boss, item["id"], b, 1))
    third = item_of(replace(boss, item["id"], a, 2))
    assert (second["content_version"], third["content_version"]) == (2, 3)
    shown = [content(boss, item["id"], third["position"], content_version=n).content for n in (1, 2, 3)]
    assert shown == [a, b, a]
    for data in (a, b):
        assert problem_of(select_file(boss, customer, data), 409) == "duplicate-content"


def test_what_another_document_of_the_customer_has_may_be_the_new_content(served: Served, boss: httpx.Client) -> None:
    customer, data = a_customer(served), a_letter()
    first, second = archived(boss, customer, data), archived(boss, customer)
    assert item_of(replace(boss, second["id"], data, 1))["sha256"] == first["sha256"]


def test_a_better_scan_of_evidence_is_the_same_row(served: Served, boss: httpx.Client) -> None:
    """I4 and edge case 3: further pages are a new version of the same document."""
    item = handed_in(boss, issued(boss, customer := a_customer(served))["scan_code"], a_letter(1))
    better = item_of(replace(boss, item["evidence"], a_letter(3), 1))
    assert (better["id"], better["kind"], better["pages"]) == (item["evidence"], "document", 3)
    [row] = view(boss, customer, better["position"])
    assert (row["id"], row["pages"], row["content_version"], row["status"]) == (item["id"], 3, 2, "active")
    assert row["version"] == item["version"], "the authorization did not change"


BAD_FILES: dict[str, tuple[Callable[[], bytes], str, int, str]] = {
    "no byte": (lambda: b"", "a.pdf", 422, "file-empty"),
    "an executable": (lambda: b"MZ\x90\0\x03\0\0\0" + bytes(200), "a.pdf", 415, "file-type-not-allowed"),
    "a cut PDF": (lambda: a_letter()[:200], "a.pdf", 422, "file-damaged"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_replaces_nothing(served: Served, boss: httpx.Client, what: str) -> None:
    make, name, status, slug = BAD_FILES[what]
    item = archived(boss, a_customer(served), data := a_letter())
    with wire.nothing_stored(served):
        assert problem_of(replace(boss, item["id"], make(), 1, name=name), status) == slug
    assert content(boss, item["id"], item["position"]).content == data


def test_the_rules_of_the_type_hold_for_a_new_content(served: Served, boss: httpx.Client) -> None:
    code = f"STRICT_{secrets.token_hex(3).upper()}"
    strict = {
        "labels": {"en": "Strict"}, "kind": "document", "sensitivity": "ordinary", "sources": ["file"],
        "media_types": ["application/pdf"], "password_protected_allowed": False,
    }  # fmt: skip
    assert boss.put(f"/v1/document-types/{code}", json=strict).status_code == 201
    item = archived(boss, a_customer(served), type=code)
    with wire.nothing_stored(served):
        assert problem_of(replace(boss, item["id"], a_jpeg(), 1), 415) == "file-type-not-allowed"
        assert problem_of(replace(boss, item["id"], a_locked_pdf(), 1), 422) == "file-password-protected"
    assert boss.put(f"/v1/document-types/{code}", json={**strict, "active": False}).status_code == 200
    assert replace(boss, item["id"], a_letter(), 1).status_code == 200, "what is there lives on (edge case 20)"


def test_a_new_content_says_which_version_was_read_and_why(served: Served, boss: httpx.Client) -> None:
    item = archived(boss, a_customer(served))
    with wire.nothing_stored(served):
        assert problem_of(replace(boss, item["id"], a_letter(), None), 428) == "precondition-required"
        for stale in (2, 'W/"1"', "x"):
            assert problem_of(replace(boss, item["id"], a_letter(), stale), 412) == "precondition-failed"
        for reason in (None, "", "  ", "x" * 1001):
            assert pointers(replace(boss, item["id"], a_letter(), 1, reason=reason)) == {"/form/reason"}
        headers = {"If-Match": '"1"'}
        address = f"/v1/documents/{item['id']}/content"
        no_file = boss.put(address, files={"reason": (None, "x")}, headers=headers)
        assert pointers(no_file) == {"/form/file"}
        other = boss.put(
            address, files={"reason": (None, "x"), "colour": (None, "red"), "file": a_letter()}, headers=headers
        )
        assert pointers(other) == {"/form/colour"}
        as_json = boss.put(address, json={"reason": "x"}, headers=headers)
        assert problem_of(as_json, 415) == "unsupported-media-type"


def test_what_is_withdrawn_or_was_only_seen_has_no_content_to_replace(served: Served, boss: httpx.Client) -> None:
    withdrawn = corrected(boss, archived(boss, a_customer(served)), "withdraw")
    verification = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}
    seen = noted(boss, a_customer(served), type="IDENTIFICATION", original=None, verification=verification)
    with wire.nothing_stored(served):
        refused = replace(boss, withdrawn["id"], a_letter(), 2)
        assert problem_of(refused, 409) == "illegal-transition"
        assert refused.json()["state"] == "withdrawn"
        assert pointers(replace(boss, seen["id"], a_letter(), 1)) == {"/form/file"}


def test_what_is_hidden_or_absent_gets_no_new_content(served: Served, boss: httpx.Client) -> None:
    hidden = archived(boss, a_customer(served), type="READING_DISABILITY")
    blind = served.as_("supervisor", without=("health",))
    others = [served.as_(role) for role in ("viewer", "staff", "station", "integration")]
    with wire.nothing_stored(served):
        for client, paper in ((blind, hidden["evidence"]), (boss, hidden["id"]), (boss, str(uuid4())), (boss, "x")):
            assert problem_of(replace(client, paper, a_letter(), "*"), 404) == "not-found"
        for other in others:
            assert problem_of(replace(other, hidden["evidence"], a_letter(), 1), 403) == "forbidden"


def test_contents_are_replaced_once_by_one_of_many(served: Served, boss: httpx.Client) -> None:
    item = archived(boss, a_customer(served))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: replace(boss, item["id"], a_letter(), 1), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    assert served.contents() == served.named_contents()


def test_a_large_content_is_replaced_and_both_are_read_in_pieces(served: Served, boss: httpx.Client) -> None:
    """Streamed in and out: more than is held in memory."""
    first, second = (secrets.token_bytes(3_000_000).hex().encode() for _ in range(2))
    item = archived(boss, a_customer(served), first, name="a.txt")
    better = item_of(replace(boss, item["id"], second, 1, name="b.txt"))
    assert content(boss, item["id"], better["position"]).content == second
    assert content(boss, item["id"], content_version=1).content == first


# -- afterwards ---------------------------------------------------------------------------------------------------


def test_after_all_of_it_the_archive_verifies(served: Served) -> None:
    """Keys, contents, claims and views. What the tests behind this one erase stays in the views: scrubbing them is an
    erasure's own work."""
    ended = command("verify", "--json", env=environment(served.home, served.database_url))
    assert (ended.code, ended.json["problems"]) == (0, []), ended.out
    assert ended.json["contents"] > 40
    assert served.sql("select * from views.parked") == []
    assert served.errors() == []


def test_a_forgotten_wrap_would_be_noticed(served: Served, boss: httpx.Client) -> None:
    """Else the test above would say nothing of keys."""
    item = archived(boss, a_customer(served), type=CONSENT, external_id=secrets.token_hex(4))
    stepped(boss, {**item, "version": 2}, "reassign", customer=a_customer(served))
    served.sql("delete from keys.paper where paper = %s", [item["evidence"]])
    ended = command("verify", "--json", "--no-views", env=environment(served.home, served.database_url))
    assert ended.code == 6
    assert item["evidence"] in {problem["id"] for problem in ended.json["problems"]}


# -- an erasure ---------------------------------------------------------------------------------------------------


def erase(served: Served, customer: str) -> None:
    """What an erasure will do: the customer's key goes, and with it every wrap that it made."""
    with served.archive() as archive:
        digest = archive.keys.keyed_digest("erased", customer.encode())
    served.sql(
        "with gone as (delete from keys.customer where customer_id = %s returning reference)"
        " insert into keys.erasure (reference, customer_digest) select reference, %s from gone",
        [customer, digest],
    )


def test_erasing_the_wrong_customer_leaves_what_was_moved_away(served: Served, boss: httpx.Client) -> None:
    """The key of before opens nothing of it any more; that of the right one opens all."""
    wrong, right = a_customer(served), a_customer(served)
    stays, moves = archived(boss, wrong), archived(boss, wrong, data := a_letter())
    moved = corrected(boss, moves, "reassign", customer=right)
    erase(served, wrong)
    assert wrapped_for(served, moves["id"]) == {right}
    assert wrapped_for(served, stays["id"]) == set()
    assert content(boss, moves["id"], moved["position"]).content == data


def test_erasing_one_customer_leaves_a_joint_paper_to_the_other(served: Served, boss: httpx.Client) -> None:
    """Edge case 17."""
    mother, father = a_customer(served), a_customer(served)
    joint = corrected(boss, archived(boss, mother, data := a_letter()), "link-customer", customer=father)
    erase(served, mother)
    assert wrapped_for(served, joint["id"]) == {father}
    assert content(boss, joint["id"], joint["position"]).content == data


@pytest.mark.parametrize("verb", ["reassign", "link-customer"])
def test_nothing_moves_to_who_is_unknown_or_erased(served: Served, boss: httpx.Client, verb: str) -> None:
    item, erased = archived(boss, a_customer(served)), a_customer(served)
    statement = noted(boss, item["customer"])
    archived(boss, erased)
    erase(served, erased)
    fresh = serving_elsewhere(served, boss)
    with wire.nothing_stored(served):
        unknown = correct(boss, item["id"], verb, 1, customer="nobody-at-all", reason="x")
        assert problem_of(unknown, 422) == "customer-unknown"
        gone = correct(fresh, item["id"], verb, 1, customer=erased, reason="x")
        assert problem_of(gone, 410) == "customer-erased"
        if verb == "reassign":
            of_authorization = step(boss, statement["id"], verb, 1, customer="nobody-at-all", reason="x")
            assert problem_of(of_authorization, 422) == "customer-unknown"
            of_authorization = step(boss, statement["id"], verb, 1, customer=erased, reason="x")
            assert problem_of(of_authorization, 410) == "customer-erased"


def serving_elsewhere(served: Served, client: httpx.Client) -> httpx.Client:
    """Another connection; either process is to refuse, also one that has the erased customer's key in memory."""
    return served.client(client.headers["Authorization"].removeprefix("Bearer "))
