"""What stands around a customer's list: how many papers, by the same filters and rights, and when something changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.http.desk import (
    a_customer,
    archived,
    at,
    corrected,
    debt_issued,
    handed_in,
    issued,
    item_of,
    noted,
    pointers,
    problem_of,
    select_file,
    view,
)
from tests.http.served import Served

COUNTED_MAX, CHANGES_MAX = 1_000, 500


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def summary(client: httpx.Client, customer: str, position: int = 0, **query: Any) -> dict[str, Any]:
    return item_of(client.get(f"/v1/customers/{customer}/summary", params=query, headers=at(position)))


def counts(client: httpx.Client, customer: str, position: int = 0, **query: Any) -> tuple[int, int]:
    found = summary(client, customer, position, **query)
    assert found["complete"] is True
    return found["documents"], found["authorizations"]


def changes(client: httpx.Client, customer: str, position: int = 0) -> list[str]:
    found = item_of(client.get(f"/v1/customers/{customer}/changes", headers=at(position)))
    assert found["complete"] is True
    moments: list[str] = found["moments"]
    return moments


# -- how many -------------------------------------------------------------------------------------------------------


def test_documents_and_authorizations_are_counted_apart_and_evidence_is_no_row(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    archived(staff, customer)
    noted(staff, customer)
    form = debt_issued(staff, customer)
    last = handed_in(staff, form["scan_code"])
    assert counts(staff, customer, last["position"]) == (1, 2)
    assert summary(staff, customer)["customer"]["id"] == customer


def test_a_customer_without_papers_has_none_and_an_unknown_one_is_not_found(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    assert counts(staff, customer) == (0, 0)
    assert changes(staff, customer) == []
    for address in ("summary", "changes"):
        assert problem_of(staff.get(f"/v1/customers/nobody/{address}"), 404) == "not-found"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (3, 2)),
        ({"papers": "documents"}, (3, 0)),
        ({"papers": "authorizations"}, (0, 2)),
        ({"kind": "mandate"}, (0, 1)),
        ({"type": "FORM"}, (1, 0)),
        ({"status": "withdrawn"}, (1, 0)),
        ({"source": "none"}, (0, 2)),
        ({"original_held": "true"}, (0, 1)),
        ({"original_held": "false"}, (3, 1)),
        ({"q": "needle"}, (1, 0)),
        ({"q": "needle", "papers": "authorizations"}, (0, 0)),
    ],
)
def test_the_counts_are_those_of_the_list_with_the_same_filters(
    served: Served, staff: httpx.Client, query: dict[str, str], expected: tuple[int, int]
) -> None:
    customer = a_customer(served)
    archived(staff, customer, note="a needle in a letter")
    archived(staff, customer, type="FORM")
    corrected(staff, archived(staff, customer), "withdraw")
    noted(staff, customer)
    last = debt_issued(staff, customer)
    assert counts(staff, customer, last["position"], **query) == expected
    listed = [item["kind"] == "document" for item in view(staff, customer, 0, **query)]
    assert (sum(listed), len(listed) - sum(listed)) == expected


def test_a_period_takes_both_of_its_ends_and_what_has_no_day_of_receipt_counts_as_recorded(
    served: Served, staff: httpx.Client
) -> None:
    customer, zone = a_customer(served), ZoneInfo("Europe/Amsterdam")
    old = archived(staff, customer, received_on="2019-05-21")
    last = noted(staff, customer)
    today = datetime.fromisoformat(last["recorded_at"]).astimezone(zone).date()
    position = last["position"]
    for query, expected in (
        ({"received_from": "2019-05-21", "received_to": "2019-05-21"}, (1, 0)),
        ({"received_from": "2019-05-22"}, (0, 1)),
        ({"received_to": "2019-05-20"}, (0, 0)),
        ({"received_from": f"{today}", "received_to": f"{today}"}, (0, 1)),
    ):
        assert counts(staff, customer, position, **query) == expected, query
    assert [item["id"] for item in view(staff, customer, position, received_to="2019-12-31")] == [old["id"]]


@pytest.mark.parametrize("name", ["papers", "original_held", "received_from", "received_to"])
def test_a_filter_that_is_none_is_refused(served: Served, staff: httpx.Client, name: str) -> None:
    customer = a_customer(served)
    for address in ("summary", "documents"):
        assert pointers(staff.get(f"/v1/customers/{customer}/{address}", params={name: "maybe"})) == {f"/query/{name}"}


def test_what_a_reader_may_not_see_is_not_counted_and_moved_nothing(served: Served, staff: httpx.Client) -> None:
    customer, viewer = a_customer(served), served.as_("viewer")
    archived(staff, customer)
    hidden = archived(staff, customer, type="READING_DISABILITY")
    position = hidden["position"]
    assert counts(staff, customer, position) == (1, 1)
    assert counts(viewer, customer, position) == (1, 0)
    assert len(changes(staff, customer, position)) == 2
    assert len(changes(viewer, customer, position)) == 1


def test_beyond_a_thousand_only_the_newest_are_counted(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    first = archived(staff, customer)
    assert summary(staff, customer, first["position"])["documents"] == 1
    with copies(served, first["id"], COUNTED_MAX - 1):
        assert summary(staff, customer)["complete"] is True
    with copies(served, first["id"], COUNTED_MAX):
        found = summary(staff, customer)
        assert (found["documents"], found["complete"]) == (COUNTED_MAX + 1, False)


@contextmanager
def copies(served: Served, paper: str, count: int) -> Iterator[None]:
    """So many rows like that of this paper, behind the archive's back: to archive as many takes a minute."""
    names = ", ".join(name for (name,) in served.sql(
        "select column_name::text from information_schema.columns where table_schema = 'views'"
        " and table_name = 'customer_documents' and column_name <> 'id' order by ordinal_position"
    ))  # fmt: skip
    made = served.sql(
        f"insert into views.customer_documents (id, {names}) select gen_random_uuid(), {names}"  # noqa: S608  # columns
        " from views.customer_documents, generate_series(1, %s) where id = %s returning id",
        [count, paper],
    )
    try:
        yield
    finally:
        served.sql("delete from views.customer_documents where id = any(%s)", [[row_id for (row_id,) in made]])


# -- when ---------------------------------------------------------------------------------------------------------


def test_as_of_a_position_and_as_of_its_moment_are_the_same(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    first = archived(staff, customer)
    last = archived(staff, customer)
    then = summary(staff, customer, last["position"], as_of=first["position"])
    assert (then["documents"], then["as_of"]["position"]) == (1, first["position"])
    again = summary(staff, customer, as_of=then["as_of"]["at"])
    assert again["as_of"] == then["as_of"]
    assert again["documents"] == 1
    assert summary(staff, customer)["as_of"] is None


def test_before_the_first_event_there_is_no_moment(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    assert summary(staff, customer, as_of="2001-01-01T00:00:00Z")["as_of"] == {"position": 0, "at": None}


def test_the_future_has_no_counts(served: Served, staff: httpx.Client) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = staff.get(f"/v1/customers/{a_customer(served)}/summary", params={"as_of": later})
    assert pointers(answer) == {"/query/as_of"}


def test_each_change_has_its_moment_and_as_of_it_the_list_has_the_change(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    document = archived(staff, customer)
    noted(staff, customer)
    last = corrected(staff, document, "withdraw")
    moments = changes(staff, customer, last["position"])
    assert moments == sorted(set(moments), reverse=True)
    assert len(moments) == 3
    withdrawn, with_note, first = moments
    assert [item["status"] for item in view(staff, customer, as_of=withdrawn)] == ["active", "withdrawn"]
    assert [item["status"] for item in view(staff, customer, as_of=with_note)] == ["active", "archived"]
    assert [item["status"] for item in view(staff, customer, as_of=first)] == ["archived"]


def test_what_one_save_did_is_one_moment(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    last = handed_in(staff, issued(staff, customer)["scan_code"])
    assert len(changes(staff, customer, last["position"])) == 2


def test_a_move_is_a_change_for_both_customers(served: Served, staff: httpx.Client) -> None:
    supervisor, wrong, right = served.as_("supervisor"), a_customer(served), a_customer(served)
    moved = corrected(supervisor, archived(staff, wrong), "reassign", customer=right)
    left, came = changes(staff, wrong, moved["position"]), changes(staff, right)
    assert (len(left), came) == (2, left[:1])
    assert counts(staff, wrong) == (0, 0)
    assert counts(staff, right) == (1, 0)


def test_of_more_than_five_hundred_events_only_the_last_ones_tell_their_moments(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer)
    assert len(changes(staff, customer, paper["position"])) == 1
    for count, complete in ((CHANGES_MAX - 1, True), (CHANGES_MAX, False)):
        with happened(served, paper["id"], count):
            found = item_of(staff.get(f"/v1/customers/{customer}/changes"))
        assert (len(found["moments"]), found["complete"]) == (CHANGES_MAX, complete)


@contextmanager
def happened(served: Served, paper: str, count: int) -> Iterator[None]:
    """So many events of this paper before its first one, a second apart, behind the archive's back."""
    served.sql(
        "insert into views.audit_history (position, as_of, recorded_at, occurred_at, actor, branch, action,"
        " subject_kind, subject_id, customer, before, after)"
        " select -n, as_of - n * interval '1 second', recorded_at, occurred_at, actor, branch, action, subject_kind,"
        " subject_id, customer, before, after"
        " from views.audit_history, generate_series(1, %s) as n where subject_id = %s",
        [count, paper],
    )
    try:
        yield
    finally:
        served.sql("delete from views.audit_history where position < 0")


# -- what hangs together --------------------------------------------------------------------------------------------


def test_a_document_names_whom_it_is_linked_with_and_what_it_is_evidence_of(
    served: Served, staff: httpx.Client
) -> None:
    supervisor, customer, partner = served.as_("supervisor"), a_customer(served), a_customer(served)
    document = archived(staff, customer)
    alone = item_of(staff.get(f"/v1/documents/{document['id']}", headers=at(document["position"])))
    assert (alone["linked_customers"], alone["evidence_of"]) == ([], None)
    linked = corrected(supervisor, document, "link-customer", customer=partner)
    joint = item_of(staff.get(f"/v1/documents/{document['id']}", headers=at(linked["position"])))
    assert (joint["customer"], joint["linked_customers"]) == (customer, [partner])
    row = handed_in(staff, issued(staff, customer)["scan_code"])
    evidence = item_of(staff.get(f"/v1/documents/{row['evidence']}", headers=at(row["position"])))
    assert evidence["evidence_of"] == row["id"]


# -- who read it ----------------------------------------------------------------------------------------------------


def test_who_read_one_paper_is_asked_by_its_id_whoever_it_belonged_to(served: Served, staff: httpx.Client) -> None:
    supervisor, wrong, right = served.as_("supervisor"), a_customer(served), a_customer(served)
    document, other = archived(staff, wrong), archived(staff, wrong)
    for paper in (document, other):
        assert staff.get(f"/v1/documents/{paper['id']}/content", headers=at(other["position"])).status_code == 200
    moved = corrected(supervisor, document, "reassign", customer=right)
    assert staff.get(f"/v1/documents/{document['id']}/content", headers=at(moved["position"])).status_code == 200
    read = item_of(supervisor.get("/v1/access-log", params={"paper": document["id"]}))["items"]
    assert [(line["action"], line["document"]) for line in read] == [("content", document["id"])] * 2
    assert [line["customer"] for line in read] == [right, wrong]
    assert item_of(supervisor.get("/v1/access-log", params={"paper": str(uuid4())}))["items"] == []
    assert pointers(supervisor.get("/v1/access-log", params={"paper": "mine"})) == {"/query/paper"}


# -- page images that a browser has already -------------------------------------------------------------------------


def test_a_page_image_that_a_browser_has_is_not_drawn_again_and_still_counts_as_read(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    document = item_of(select_file(staff, customer))
    address = f"/v1/documents/{document['id']}/pages/1?width=200"
    first = staff.get(address, headers=at(document["position"]))
    again = staff.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    wider = staff.get(address.replace("200", "300"), headers={"If-None-Match": first.headers["ETag"]})
    assert wider.status_code == 200
    lines = item_of(served.as_("supervisor").get("/v1/access-log", params={"paper": document["id"]}))["items"]
    assert [line["status"] for line in lines] == [200, 304, 200]
