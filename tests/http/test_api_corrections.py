"""Corrections over HTTP (G1, G3, G5): describe, reclassify, withdraw, restore; reason, version, history."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.desk import (
    a_customer,
    archived,
    at,
    correct,
    corrected,
    noted,
    pointers,
    problem_of,
    select_file,
    view,
)
from tests.http.served import Served

BODIES: dict[str, dict[str, Any]] = {
    "describe": {"note": "another note"},
    "reclassify": {"type": "FORM"},
    "withdraw": {},
    "restore": {},
}
DONE = {
    "describe": "document-described",
    "reclassify": "document-reclassified",
    "withdraw": "document-withdrawn",
    "restore": "document-restored",
}
DESKS_AT_ONCE = 8


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def a_document(served: Served, **fields: Any) -> dict[str, Any]:
    return archived(served.as_("staff"), a_customer(served), **fields)


def ready_for(verb: str, staff: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
    """The document in the state that the verb begins from."""
    return corrected(staff, document, "withdraw") if verb == "restore" else document


def history(client: httpx.Client, document: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/documents/{document['id']}/history", headers=at(document["position"]))
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


# -- what a correction does ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", BODIES)
def test_a_correction_answers_the_new_version_which_the_views_have(
    served: Served, staff: httpx.Client, verb: str
) -> None:
    document = ready_for(verb, staff, a_document(served))
    answer = correct(staff, document["id"], verb, document["version"], reason="because", **BODIES[verb])
    item = answer.json()
    assert answer.status_code == 200
    assert item["version"] == document["version"] + 1
    assert answer.headers["ETag"] == f'"{item["version"]}"'
    assert int(answer.headers["Archive-Position"]) == item["position"] > document["position"]
    read = staff.get(f"/v1/documents/{item['id']}", headers=at(item["position"]))
    assert read.headers["ETag"] == answer.headers["ETag"]
    beside: dict[str, Any] = {"linked_customers": [], "evidence_of": None}  # told to who reads the document alone
    assert read.json() == {**{name: value for name, value in item.items() if name != "position"}, **beside}
    assert view(staff, item["customer"], item["position"])[0]["version"] == item["version"]


@pytest.mark.parametrize("verb", BODIES)
def test_a_correction_is_in_the_history_with_its_reason_actor_and_branch(served: Served, verb: str) -> None:
    east = served.as_("staff", branch="EAST")
    document = ready_for(verb, served.as_("staff"), a_document(served))
    reason = f"reason {secrets.token_hex(4)} – «ümlaut» 🙂"
    done = corrected(east, document, verb, reason=reason, **BODIES[verb])
    newest = history(served.as_("staff"), done)[0]
    assert (newest["reason"], newest["branch"], newest["position"]) == (reason, "EAST", done["position"])
    assert newest["actor"].startswith("staff-")
    assert newest["action"] == DONE[verb]


def test_describe_changes_what_is_named_and_leaves_the_rest(served: Served, staff: httpx.Client) -> None:
    document = a_document(served, note="a note", received_on="2026-02-03")
    moved = corrected(staff, document, "describe", received_on="2026-02-04")
    assert (moved["note"], moved["received_on"]) == ("a note", "2026-02-04")
    emptied = corrected(staff, moved, "describe", note=None)
    assert (emptied["note"], emptied["received_on"]) == (None, "2026-02-04")
    entries = history(staff, emptied)
    assert (entries[0]["before"], entries[0]["after"]) == ({"note": "a note"}, {"note": None})
    assert (entries[1]["before"], entries[1]["after"]) == ({"received_on": "2026-02-03"}, {"received_on": "2026-02-04"})


@pytest.mark.parametrize(
    ("verb", "body"),
    [("describe", {"note": "the same"}), ("describe", {}), ("reclassify", {"type": "LETTER"})],
)
def test_a_correction_that_changes_nothing_is_no_event(
    served: Served, staff: httpx.Client, verb: str, body: dict[str, Any]
) -> None:
    document = a_document(served, note="the same")
    same = corrected(staff, document, verb, **body)
    assert same["version"] == 1
    assert len(history(staff, same)) == 1


def test_a_withdrawn_document_is_hidden_from_viewers_content_and_kept(served: Served, staff: httpx.Client) -> None:
    """Withdraw hides with the content kept; a desk that may restore it still reads it."""
    data = b"Dear library, " + secrets.token_hex(8).encode()
    document = a_document(served, data=data, name="a.txt")
    withdrawn = corrected(staff, document, "withdraw")
    address, viewer = f"/v1/documents/{document['id']}/content", served.as_("viewer")
    assert withdrawn["status"] == "withdrawn"
    assert problem_of(viewer.get(address, headers=at(withdrawn["position"])), 404) == "not-found"
    assert staff.get(address).content == data
    restored = corrected(staff, withdrawn, "restore")
    assert restored["status"] == "archived"
    assert viewer.get(address, headers=at(restored["position"])).content == data


def test_a_reclassified_document_goes_where_its_new_type_is_seen(served: Served, staff: httpx.Client) -> None:
    """A letter that turns out to be an identification is gone for who may not see those, history included."""
    code = f"T_{secrets.token_hex(4).upper()}"
    kind = {"labels": {"en": "Medical"}, "kind": "document", "sensitivity": "health"}
    assert served.as_("supervisor").put(f"/v1/document-types/{code}", json=kind).status_code == 201
    document, viewer = a_document(served), served.as_("viewer")
    address = f"/v1/documents/{document['id']}"
    assert viewer.get(address, headers=at(document["position"])).status_code == 200
    moved = corrected(staff, document, "reclassify", type=code)
    for path in (address, f"{address}/history", f"{address}/content"):
        assert problem_of(viewer.get(path, headers=at(moved["position"])), 404) == "not-found"
    assert (moved["type"], moved["type_label"]) == (code, "Medical")


# -- which version ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", BODIES)
def test_a_correction_needs_the_version_that_was_read(served: Served, staff: httpx.Client, verb: str) -> None:
    document = ready_for(verb, staff, a_document(served))
    said = {"reason": "because", **BODIES[verb]}
    assert problem_of(correct(staff, document["id"], verb, None, **said), 428) == "precondition-required"
    for stale in (document["version"] + 1, '"0"', 'W/"1"', "1", '"abc"', '"1", "2"'):
        answer = correct(staff, document["id"], verb, stale, **said)
        assert problem_of(answer, 412) == "precondition-failed", stale
    assert len(history(staff, document)) == document["version"]


def test_a_stale_version_is_told_the_present_one(served: Served, staff: httpx.Client) -> None:
    document = a_document(served)
    corrected(staff, document, "describe", note="a colleague was quicker")
    answer = correct(staff, document["id"], "describe", 1, note="mine", reason="because")
    assert problem_of(answer, 412) == "precondition-failed"
    assert "version 2" in answer.json()["detail"]


def test_any_version_may_be_named_on_purpose(served: Served, staff: httpx.Client) -> None:
    document = a_document(served)
    corrected(staff, document, "describe", note="meanwhile")
    assert correct(staff, document["id"], "withdraw", "*", reason="whatever it says").status_code == 200


def test_of_desks_that_correct_one_version_at_once_one_wins(served: Served, staff: httpx.Client) -> None:
    document = a_document(served)

    def note(n: int) -> httpx.Response:
        return correct(staff, document["id"], "describe", 1, note=f"desk {n}", reason="because")

    with ThreadPoolExecutor(DESKS_AT_ONCE) as pool:
        answers = list(pool.map(note, range(DESKS_AT_ONCE)))
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert {problem_of(answer, 412) for answer in lost} == {"precondition-failed"}
    entries = history(staff, won)
    assert [entry["after"].get("note") for entry in entries] == [won["note"], None]


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "changes", "pointer"),
    [
        *[(verb, {"reason": None}, "/reason") for verb in BODIES],
        *[(verb, {"reason": ""}, "/reason") for verb in BODIES],
        *[(verb, {"reason": "x" * 1001}, "/reason") for verb in BODIES],
        *[(verb, {"reason": 7}, "/reason") for verb in BODIES],
        *[(verb, {"colour": "red"}, "/colour") for verb in BODIES],
        ("describe", {"note": "x" * 4001}, "/note"),
        ("describe", {"note": "bell \a"}, "/note"),
        ("describe", {"note": ["a"]}, "/note"),
        ("describe", {"received_on": "tomorrow"}, "/received_on"),
        ("describe", {"received_on": "2999-01-01"}, "/received_on"),
        ("describe", {"received_on": None}, "/received_on"),
        ("reclassify", {"type": None}, "/type"),
        ("reclassify", {"type": "letter"}, "/type"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_changed(
    served: Served, staff: httpx.Client, verb: str, changes: dict[str, Any], pointer: str
) -> None:
    document = ready_for(verb, staff, a_document(served))
    said = {"reason": "because", **BODIES[verb], **changes}
    kept = {name: value for name, value in said.items() if value is not None or name == "received_on"}
    assert pointers(correct(staff, document["id"], verb, document["version"], **kept)) == {pointer}
    assert len(history(staff, document)) == document["version"]


def test_a_reason_of_blanks_is_no_reason(served: Served, staff: httpx.Client) -> None:
    document = a_document(served)
    assert pointers(correct(staff, document["id"], "withdraw", 1, reason=" \t\n ")) == {"/reason"}
    assert pointers(correct(staff, document["id"], "withdraw", 1, reason="bell \a")) == {"/reason"}


def test_a_reason_of_exactly_the_limit_is_taken(served: Served, staff: httpx.Client) -> None:
    reason = "é" * 1000
    done = corrected(staff, a_document(served), "withdraw", reason=reason)
    assert history(staff, done)[0]["reason"] == reason


@pytest.mark.parametrize(
    ("before", "verb", "state"),
    [
        ("archived", "restore", "archived"),
        ("withdrawn", "withdraw", "withdrawn"),
        ("withdrawn", "describe", "withdrawn"),
        ("withdrawn", "reclassify", "withdrawn"),
    ],
)
def test_a_step_that_the_state_does_not_allow_is_refused_in_words(
    served: Served, staff: httpx.Client, before: str, verb: str, state: str
) -> None:
    document = a_document(served)
    if before == "withdrawn":
        document = corrected(staff, document, "withdraw")
    answer = correct(staff, document["id"], verb, document["version"], reason="because", **BODIES[verb])
    assert problem_of(answer, 409) == "illegal-transition"
    assert state in answer.json()["detail"]
    assert len(history(staff, document)) == document["version"]


def test_a_type_that_does_not_fit_is_refused(served: Served, staff: httpx.Client) -> None:
    supervisor, document = served.as_("supervisor"), a_document(served)
    code = f"T_{secrets.token_hex(4).upper()}"
    kind = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary", "sources": ["scan"]}

    def reclassified_to(code: str) -> httpx.Response:
        return correct(staff, document["id"], "reclassify", document["version"], type=code, reason="because")

    supervisor.put(f"/v1/document-types/{code}", json=kind)
    assert problem_of(reclassified_to(code), 422) == "source-not-allowed"
    supervisor.put(f"/v1/document-types/{code}", json={**kind, "sources": ["file"], "active": False})
    assert problem_of(reclassified_to(code), 422) == "document-type-inactive"
    assert problem_of(reclassified_to("NO_SUCH_TYPE"), 422) == "document-type-unknown"
    assert pointers(reclassified_to("DEBT_AUTHORIZATION")) == {"/type"}


def test_a_type_that_the_caller_may_not_see_is_unknown_to_it(served: Served) -> None:
    """I12: nobody learns by a correction that a type exists."""
    desk, document = served.as_("staff", without=("health",)), a_document(served)
    code = f"T_{secrets.token_hex(4).upper()}"
    served.as_("supervisor").put(
        f"/v1/document-types/{code}", json={"labels": {"en": "M"}, "kind": "document", "sensitivity": "health"}
    )
    answer = correct(desk, document["id"], "reclassify", 1, type=code, reason="because")
    assert problem_of(answer, 422) == "document-type-unknown"


def test_evidence_keeps_its_type(served: Served, staff: httpx.Client) -> None:
    item = select_file(staff, a_customer(served), type="GUARDIAN_CONSENT").json()
    answer = correct(staff, item["evidence"], "reclassify", 1, type="LETTER", reason="because")
    assert pointers(answer) == {"/type"}


# -- for whom -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", BODIES)
def test_what_is_not_there_or_not_to_be_seen_cannot_be_corrected(
    served: Served, staff: httpx.Client, verb: str
) -> None:
    east = served.as_("staff", branch="EAST", own_branch_only=True)
    said = {"reason": "because", **BODIES[verb]}
    document = a_document(served)
    authorization = noted(staff, document["customer"])
    for client, paper in (
        (staff, str(uuid4())),
        (staff, "no-uuid"),
        (staff, authorization["id"]),
        (east, document["id"]),
    ):
        assert problem_of(correct(client, paper, verb, 1, **said), 404) == "not-found", paper
    assert len(history(staff, document)) == 1


@pytest.mark.parametrize("verb", BODIES)
@pytest.mark.parametrize("role", ["viewer", "station", "integration"])
def test_a_role_without_the_verb_is_told_so_before_anything_else(served: Served, role: str, verb: str) -> None:
    document = a_document(served)
    assert problem_of(correct(served.as_(role), document["id"], verb, None), 403) == "forbidden"
    assert problem_of(correct(served.as_(role), str(uuid4()), verb, None), 403) == "forbidden"
