"""What was done, by whom, when, before and after: of a customer, a document, an authorization, and over all."""

import secrets
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from projections.reading import write_cursor
from tests.http.desk import a_customer, a_mandate, access_lines, archived, at, corrected, noted, pointers, problem_of
from tests.http.served import Served

ITEM = {
    "position", "recorded_at", "occurred_at", "actor", "branch", "action", "subject", "reason", "before", "after",
}  # fmt: skip


class Story(msgspec.Struct, frozen=True):
    """A letter that was described, reclassified, withdrawn and brought back; a mandate; a paper about health."""

    customer: str
    letter: dict[str, Any]
    mandate: dict[str, Any]
    health: dict[str, Any]
    branch: str
    position: int


@pytest.fixture(scope="module")
def story(served: Served) -> Story:
    """Told by two staff members, the second at a branch that nobody else writes for."""
    staff, branch = served.as_("staff"), f"B{secrets.token_hex(4).upper()}"
    elsewhere = served.as_("staff", branch=branch)
    customer = a_customer(served)
    letter = archived(staff, customer, note="first words", received_on="2026-03-01", name="brief.pdf")
    described = corrected(staff, letter, "describe", note="second words", reason="a typing error")
    reclassified = corrected(staff, described, "reclassify", type="FORM", reason="it is a form")
    withdrawn = corrected(elsewhere, reclassified, "withdraw", reason="the wrong customer")
    restored = corrected(staff, withdrawn, "restore", reason="it was the right one")
    mandate = noted(elsewhere, customer, type="DEBT_AUTHORIZATION", mandate=a_mandate(), note="signed at the desk")
    health = noted(elsewhere, customer, type="READING_DISABILITY")
    return Story(customer, restored, mandate, health, branch, health["position"])


def history(client: httpx.Client, address: str, story: Story, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/{address}/history", params=query, headers=at(story.position))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def of_customer(client: httpx.Client, story: Story, **query: Any) -> list[dict[str, Any]]:
    return history(client, f"customers/{story.customer}", story, **query)


def of_letter(client: httpx.Client, story: Story, **query: Any) -> list[dict[str, Any]]:
    return history(client, f"documents/{story.letter['id']}", story, **query)


def actions(items: list[dict[str, Any]]) -> list[str]:
    return [item["action"] for item in items]


LETTER_ACTIONS = [
    "document-restored",
    "document-withdrawn",
    "document-reclassified",
    "document-described",
    "document-archived",
]


def test_a_document_tells_its_life_newest_first(served: Served, story: Story) -> None:
    items = of_letter(served.as_("staff"), story)
    assert actions(items) == LETTER_ACTIONS
    assert all(set(item) == ITEM for item in items)
    assert {(item["subject"]["kind"], item["subject"]["id"]) for item in items} == {("document", story.letter["id"])}
    positions = [item["position"] for item in items]
    assert positions == sorted(positions, reverse=True)
    assert [item["reason"] for item in items] == [
        "it was the right one",
        "the wrong customer",
        "it is a form",
        "a typing error",
        None,
    ]


def test_before_and_after_hold_what_changed_and_nothing_else(served: Served, story: Story) -> None:
    changes = {item["action"]: (item["before"], item["after"]) for item in of_letter(served.as_("staff"), story)}
    begins = changes.pop("document-archived")
    assert changes == {
        "document-described": ({"note": "first words"}, {"note": "second words"}),
        "document-reclassified": ({"type": "LETTER"}, {"type": "FORM"}),
        "document-withdrawn": ({"status": "archived"}, {"status": "withdrawn"}),
        "document-restored": ({"status": "withdrawn"}, {"status": "archived"}),
    }
    assert begins[0] == {}
    said = {name: begins[1][name] for name in ("type", "file_name", "note", "received_on", "status", "sha256")}
    assert said == {
        "type": "LETTER",
        "file_name": "brief.pdf",
        "note": "first words",
        "received_on": "2026-03-01",
        "status": "archived",
        "sha256": story.letter["sha256"],
    }


def test_each_step_is_of_the_paper_as_it_is_called_now_in_the_readers_language(served: Served, story: Story) -> None:
    address, dutch = f"/v1/documents/{story.letter['id']}/history", {"Accept-Language": "nl"}
    for headers, label in (({}, "Form"), (dutch, "Formulier")):
        items = served.as_("staff").get(address, headers=headers).json()["items"]
        assert {item["subject"]["label"] for item in items} == {label}


def test_who_and_where_are_told_with_each_change(served: Served, story: Story) -> None:
    told = {item["action"]: (item["actor"], item["branch"]) for item in of_letter(served.as_("staff"), story)}
    assert told["document-archived"] == ("staff", "MAIN")
    assert told["document-withdrawn"][0].startswith("staff-")
    assert told["document-withdrawn"][1] == story.branch


def test_a_customer_has_the_history_of_all_papers(served: Served, story: Story) -> None:
    items = of_customer(served.as_("staff"), story)
    assert actions(items) == ["authorization-registered", "authorization-registered", *LETTER_ACTIONS]
    assert [item["subject"]["id"] for item in items[:2]] == [story.health["id"], story.mandate["id"]]


def test_an_authorization_has_its_own_history_with_its_mandate(served: Served, story: Story) -> None:
    [item] = history(served.as_("staff"), f"authorizations/{story.mandate['id']}", story)
    assert item["subject"] == {"kind": "authorization", "id": story.mandate["id"], "label": "Debt authorization"}
    assert (item["before"], item["after"]["status"]) == ({}, "active")
    assert item["after"]["original_held"] is True
    assert item["after"]["mandate"]["iban"] == a_mandate()["iban"]


def test_an_iban_is_whole_only_for_who_may_amend_it(served: Served, story: Story) -> None:
    """A viewer's history reads like the viewer's authorization: masked."""
    [item] = history(served.as_("viewer"), f"authorizations/{story.mandate['id']}", story)
    shown = item["after"]["mandate"]["iban"]
    assert shown != a_mandate()["iban"]
    assert "0417" not in shown


def test_a_customer_without_papers_has_an_empty_history(served: Served, story: Story) -> None:
    assert history(served.as_("staff"), f"customers/{a_customer(served)}", story) == []


# -- filters ------------------------------------------------------------------------------------------------------


def test_filters_by_action_actor_branch_and_type(served: Served, story: Story) -> None:
    staff = served.as_("staff")
    assert actions(of_customer(staff, story, action="document-withdrawn")) == ["document-withdrawn"]
    assert actions(of_customer(staff, story, actor="staff")) == [LETTER_ACTIONS[0], *LETTER_ACTIONS[2:]]
    by_branch = of_customer(staff, story, branch=story.branch)
    assert actions(by_branch) == ["authorization-registered", "authorization-registered", "document-withdrawn"]
    of_mandates = of_customer(staff, story, type="DEBT_AUTHORIZATION")
    assert [item["subject"]["id"] for item in of_mandates] == [story.mandate["id"]]
    assert of_customer(staff, story, branch=story.branch, actor="staff") == []


def test_a_paper_is_found_by_the_type_that_it_has_now(served: Served, story: Story) -> None:
    """A reclassified document's whole history goes with its present type."""
    staff = served.as_("staff")
    assert actions(of_customer(staff, story, type="FORM")) == LETTER_ACTIONS
    assert of_customer(staff, story, type="LETTER") == []


def test_a_period_includes_both_its_ends(served: Served, story: Story) -> None:
    """So that the moment which an item shows finds that item."""
    staff = served.as_("staff")
    items = of_letter(staff, story)
    withdrawn, described = items[1]["recorded_at"], items[3]["recorded_at"]
    assert actions(of_letter(staff, story, **{"from": described, "to": withdrawn})) == LETTER_ACTIONS[1:4]
    assert "document-withdrawn" in actions(of_letter(staff, story, **{"from": withdrawn}))
    assert of_letter(staff, story, to="2001-01-01T00:00:00Z") == []
    assert of_letter(staff, story, **{"from": "2999-01-01T00:00:00+02:00"}) == []


def test_as_of_tells_the_history_as_it_was(served: Served, story: Story) -> None:
    staff = served.as_("staff")
    items = of_letter(staff, story)
    reclassified = items[2]
    for as_of in (reclassified["position"], reclassified["recorded_at"]):
        assert actions(of_letter(staff, story, as_of=as_of)) == LETTER_ACTIONS[2:]
    assert of_letter(staff, story, as_of=0) == []


def test_as_of_in_the_future_is_refused_as_a_time_and_as_a_position(served: Served, story: Story) -> None:
    """docs/api-guide.md, "Consistency". A position that nobody was given yet would else pin pages that still change."""
    staff, letter = served.as_("staff"), story.letter["id"]
    addresses = (
        f"/v1/documents/{letter}/history",
        "/v1/history",
        f"/v1/documents/{letter}",
        f"/v1/authorizations/{story.mandate['id']}",
        f"/v1/customers/{story.customer}/documents",
        f"/v1/customers/{story.customer}/history",
    )
    for address in addresses:
        for future in ("2999-01-01T00:00:00Z", 10**15):
            assert pointers(staff.get(address, params={"as_of": future})) == {"/query/as_of"}, address


def test_as_of_a_position_just_given_out_is_waited_for(served: Served, story: Story) -> None:
    """No Archive-Min-Position is needed: the position itself says how far the view must stand."""
    staff = served.as_("staff")
    for _ in range(10):
        item = archived(staff, story.customer)
        rows = staff.get(f"/v1/customers/{story.customer}/documents", params={"as_of": item["position"]}).json()
        assert rows["items"][0]["id"] == item["id"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "yesterday"}, "/query/from"),
        ({"to": "2026-01-01T00:00:00"}, "/query/to"),
        ({"as_of": "-1"}, "/query/as_of"),
        ({"limit": "0"}, "/query/limit"),
        ({"limit": "201"}, "/query/limit"),
        ({"cursor": "made-up"}, "/query/cursor"),
        ({"cursor": write_cursor(-1, 5)}, "/query/cursor"),
        ({"cursor": write_cursor(5, 2**64 - 1)}, "/query/cursor"),
    ],
)
def test_a_wrong_filter_is_named(served: Served, story: Story, query: dict[str, str], pointer: str) -> None:
    staff = served.as_("staff")
    addresses = (f"documents/{story.letter['id']}", f"customers/{story.customer}")
    for address in addresses:
        assert pointers(staff.get(f"/v1/{address}/history", params=query)) == {pointer}
    assert pointers(staff.get("/v1/history", params=query)) == {pointer}


# -- pages --------------------------------------------------------------------------------------------------------


def test_pages_join_without_a_gap_or_a_double_while_more_is_written(served: Served) -> None:
    """A cursor is pinned to the position of its first page."""
    staff, customer = served.as_("staff"), a_customer(served)
    written = [noted(staff, customer)["position"] for _ in range(7)]
    address, seen = f"/v1/customers/{customer}/history?limit=3", []
    while address:
        page = staff.get(address, headers=at(written[-1]))
        seen += [item["position"] for item in page.json()["items"]]
        noted(staff, customer)
        link = page.headers.get("Link")
        assert (link is None) is (page.json()["next"] is None)
        address = link.partition(">")[0].removeprefix("<") if link else ""
    assert seen == written[::-1]


# -- over all -----------------------------------------------------------------------------------------------------


def test_the_history_over_all_holds_papers_types_and_tokens(served: Served, story: Story) -> None:
    operator = served.as_("operator")
    code, name = f"T_{secrets.token_hex(4).upper()}", f"reader-{secrets.token_hex(4)}"
    body = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary"}
    operator.put(f"/v1/document-types/{code}", json=body)
    changed = operator.put(f"/v1/document-types/{code}", json={**body, "validity_months": 6})
    served.new_token(name, "viewer", branch="EAST")
    served.revoke_token(name)
    last = noted(served.as_("staff"), story.customer)["position"]
    items = operator.get("/v1/history", params={"limit": 5}, headers=at(last)).json()["items"]
    assert actions(items) == [
        "authorization-registered",
        "token-revoked",
        "token-created",
        "document-type-changed",
        "document-type-defined",
    ]
    assert items[1]["subject"] == {"kind": "token", "id": name}
    assert items[2]["after"]["branch"] == "EAST"
    assert (items[3]["before"], items[3]["after"]) == ({"validity_months": None}, {"validity_months": 6})
    assert items[3]["position"] == int(changed.headers["Archive-Position"])
    of_type = operator.get("/v1/history", params={"type": code}).json()["items"]
    assert actions(of_type) == ["document-type-changed", "document-type-defined"]


def test_the_history_over_all_takes_every_filter(served: Served, story: Story) -> None:
    query = {"branch": story.branch, "action": "authorization-registered", "type": "DEBT_AUTHORIZATION"}
    [item] = served.as_("staff").get("/v1/history", params=query, headers=at(story.position)).json()["items"]
    assert item["subject"]["id"] == story.mandate["id"]
    actor = item["actor"]
    items = served.as_("staff").get("/v1/history", params={"actor": actor}, headers=at(story.position)).json()["items"]
    assert {row["branch"] for row in items} == {story.branch}


def test_tokens_are_in_the_history_of_operators_only(served: Served) -> None:
    served.new_token(f"hidden-{secrets.token_hex(4)}", "viewer")
    last = noted(served.as_("staff"), a_customer(served))["position"]
    for role in ("viewer", "staff", "supervisor"):
        query = {"action": "token-created"}
        assert served.as_(role).get("/v1/history", params=query, headers=at(last)).json()["items"] == []


def test_no_secret_of_a_token_is_in_the_history(served: Served) -> None:
    token = served.new_token(f"secret-{secrets.token_hex(4)}", "viewer")
    last = noted(served.as_("staff"), a_customer(served))["position"]
    answer = served.as_("operator").get("/v1/history", params={"action": "token-created"}, headers=at(last))
    assert token not in answer.text
    assert "digest" not in answer.text


# -- rights -------------------------------------------------------------------------------------------------------


def test_what_a_reader_may_not_see_has_no_history_for_it(served: Served, story: Story) -> None:
    """Edge case 18: invisible in every list, not only refused when opened."""
    viewer = served.as_("viewer")
    health = story.health["id"]
    address = f"/v1/authorizations/{health}/history"
    answer = viewer.get(address, headers=at(story.position))
    assert problem_of(answer, 404) == "not-found"
    absent = viewer.get(f"/v1/authorizations/{uuid4()}/history").json()
    assert {k: v for k, v in answer.json().items() if k not in ("instance", "trace_id")} == {
        k: v for k, v in absent.items() if k not in ("instance", "trace_id")
    }
    assert health not in {item["subject"]["id"] for item in of_customer(viewer, story)}
    over_all = viewer.get("/v1/history", params={"branch": story.branch}, headers=at(story.position)).json()["items"]
    assert health not in {item["subject"]["id"] for item in over_all}
    of_type = viewer.get("/v1/history", params={"type": "READING_DISABILITY"})
    assert pointers(of_type) == {"/query/type"}, "a type that does not exist for a reader"
    assert health in {item["subject"]["id"] for item in of_customer(served.as_("staff"), story)}


def test_a_sensitivity_can_be_taken_from_staff_and_given_to_a_viewer(served: Served, story: Story) -> None:
    def sees(client: httpx.Client) -> bool:
        return story.health["id"] in {item["subject"]["id"] for item in of_customer(client, story)}

    assert not sees(served.as_("staff", without=("health",)))
    assert sees(served.as_("viewer", granted=("health",)))


def test_a_reader_of_its_own_branch_sees_the_history_of_that_branch_only(served: Served, story: Story) -> None:
    own = served.as_("staff", branch=story.branch, own_branch_only=True)
    items = of_customer(own, story)
    assert {item["subject"]["id"] for item in items} == {story.mandate["id"], story.health["id"]}
    assert problem_of(own.get(f"/v1/documents/{story.letter['id']}/history"), 404) == "not-found"


@pytest.mark.parametrize("address", ["documents/{letter}", "authorizations/{mandate}", "customers/{customer}", ""])
@pytest.mark.parametrize("role", ["station", "integration"])
def test_who_may_read_no_history_is_told_so_whatever_the_object(
    served: Served, story: Story, role: str, address: str
) -> None:
    filled = address.format(letter=story.letter["id"], mandate=story.mandate["id"], customer=story.customer)
    answer = served.as_(role).get(f"/v1/{filled}/history" if filled else "/v1/history")
    assert problem_of(answer, 403) == "forbidden"


def test_a_history_is_asked_for_at_the_address_of_its_kind(served: Served, story: Story) -> None:
    staff = served.as_("staff")
    wrong = (
        f"documents/{story.mandate['id']}",
        f"authorizations/{story.letter['id']}",
        f"documents/{uuid4()}",
        "documents/no-uuid",
        "customers/nobody-at-all",
    )
    for address in wrong:
        assert problem_of(staff.get(f"/v1/{address}/history"), 404) == "not-found", address


# -- reads of it --------------------------------------------------------------------------------------------------


def test_every_read_of_a_history_is_in_the_access_log(served: Served, story: Story) -> None:
    name = f"curious-{secrets.token_hex(3)}"
    reader = served.client(served.new_token(name, "staff", branch="SOUTH"))
    of_letter(reader, story)
    history(reader, f"authorizations/{story.mandate['id']}", story)
    of_customer(reader, story)
    traced = reader.get("/v1/history", headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    assert traced.status_code == 200
    lines = access_lines(served, name, "supervisor")
    seen = [(line["action"], line["customer"], line["document"], line["authorization"]) for line in lines]
    assert seen == [
        ("history", None, None, None),
        ("history", story.customer, None, None),
        ("history", story.customer, None, story.mandate["id"]),
        ("history", story.customer, story.letter["id"], None),
    ]
    assert {line["branch"] for line in lines} == {"SOUTH"}
    assert lines[0]["trace_id"] == "ab" * 16


def test_a_refused_read_of_a_history_is_not_in_the_access_log(served: Served, story: Story) -> None:
    name = f"refused-{secrets.token_hex(3)}"
    reader = served.client(served.new_token(name, "viewer"))
    assert reader.get(f"/v1/authorizations/{story.health['id']}/history").status_code == 404
    assert served.as_("supervisor").get("/v1/access-log", params={"actor": name}).json()["items"] == []


def test_the_access_log_is_filtered_paged_and_for_supervisors(served: Served, story: Story) -> None:
    name = f"often-{secrets.token_hex(3)}"
    reader, supervisor = served.client(served.new_token(name, "staff")), served.as_("supervisor")
    for _ in range(5):
        of_letter(reader, story)
    reader.get(f"/v1/documents/{story.letter['id']}/content")
    address, seen = f"/v1/access-log?actor={name}&limit=2", []
    while address:
        page = supervisor.get(address)
        seen += page.json()["items"]
        link = page.headers.get("Link")
        address = link.partition(">")[0].removeprefix("<") if link else ""
    assert [line["action"] for line in seen] == ["content", *["history"] * 5]
    by_action = supervisor.get("/v1/access-log", params={"actor": name, "action": "content"}).json()["items"]
    assert [line["document"] for line in by_action] == [story.letter["id"]]
    by_customer = supervisor.get("/v1/access-log", params={"actor": name, "customer": story.customer}).json()["items"]
    assert len(by_customer) == 6
    assert supervisor.get("/v1/access-log", params={"customer": "nobody-at-all"}).json()["items"] == []
    since = supervisor.get("/v1/access-log", params={"actor": name, "from": "2999-01-01T00:00:00Z"}).json()["items"]
    assert since == []
    for role in ("viewer", "staff", "integration", "station"):
        assert problem_of(served.as_(role).get("/v1/access-log"), 403) == "forbidden"
