"""Scan page without scripts: what the pane says of a session, and what OK makes of its pages (scan.js does more)."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from tests.builders.papers import a_caller
from tests.http.desk import a_customer, issued, view
from tests.http.pages import Page, Visitor
from tests.http.scanning import a_code_page, a_form_page, a_page, filled, image, session
from tests.http.served import Served


@pytest.fixture
def desk(served: Served) -> Iterator[Visitor]:
    with Visitor(served) as visitor:
        yield visitor


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture
def customer(served: Served) -> str:
    return a_customer(served, name="Anna de Vries")


def shown(desk: Visitor, of: dict[str, Any], **fields: str) -> Page:
    return desk.open("/add", source="scan", session=of["id"], **fields)


def ok(desk: Visitor, of: dict[str, Any], key: str = "", **fields: str) -> httpx.Response:
    form = {"session": of["id"], "version": str(of["version"]), **fields}
    return desk.client.post("/add/scan", params={"key": key or str(uuid4())}, data=form)


def rows(staff: httpx.Client, customer: str, answer: httpx.Response) -> list[dict[str, Any]]:
    """The customer's papers, with what this answer has saved."""
    return view(staff, customer, int(parse_qs(urlsplit(answer.headers["location"]).query)["at"][0]))


def offered(page: Page) -> list[str]:
    return [attributes["value"] for attributes, _ in page.all("button", **{"data-act": "use"})]


# -- what is shown --------------------------------------------------------------------------------------------------


def test_a_batch_begins_with_its_first_document_and_another_can_be_taken(
    desk: Visitor, staff: httpx.Client, customer: str
) -> None:
    forms = [a_form_page(staff, issued(staff, customer)["form"]) for _ in range(2)]
    of = filled(staff, forms[0], a_page(), forms[1])
    assert shown(desk, of).value("pages") == "1,2"
    assert shown(desk, of, pages="3").value("pages") == "3"
    assert shown(desk, of, pages="all").value("pages") == "all"
    assert shown(desk, of, pages="9").value("pages") == "1,2"


def test_one_document_is_all_its_pages_but_those_left_out(desk: Visitor, staff: httpx.Client) -> None:
    of = filled(staff, a_page(), a_page(), a_page())
    assert shown(desk, of).value("pages") == ""
    some = shown(desk, of, pages="1,3")
    assert some.value("pages") == "1,3"
    assert "2 of 3 pages; the others stay here" in some.text_of("rail")


def test_codes_are_offered_of_the_pages_that_are_taken(desk: Visitor, staff: httpx.Client, customer: str) -> None:
    form = issued(staff, customer)
    of = filled(staff, a_page(), a_form_page(staff, form["form"]), a_code_page("https://example.org"))
    assert offered(shown(desk, of, pages="all")) == [form["scan_code"]]
    assert offered(shown(desk, of, pages="1")) == []


def test_a_session_that_is_over_is_none(desk: Visitor, staff: httpx.Client, customer: str) -> None:
    saved, discarded = filled(staff), filled(staff)
    ok(desk, saved, customer=customer, type="LETTER")
    staff.delete(f"/v1/scan-sessions/{discarded['id']}")
    assert "These pages were saved." in shown(desk, saved).text_of("scan")
    for of in (discarded, {"id": str(uuid4())}, {"id": "no-id"}):
        page = shown(desk, of)
        assert "These pages no longer exist" in page.text_of("scan")
        assert page.value("session") == ""


def test_a_session_that_expired_is_reopened_from_the_work_list_with_its_pages(
    served: Served, desk: Visitor, customer: str
) -> None:
    staff = served.as_("staff", branch=f"B{secrets.token_hex(3)}")  # where no other test leaves scans
    desk.client.headers["Authorization"] = staff.headers["Authorization"]
    of = filled(staff, a_page(), a_page())
    with served.archive() as archive:
        assert archive.scanning.expire_scan(UUID(of["id"]), datetime(9000, 1, 1, tzinfo=UTC), a_caller(actor="system"))
    of = session(staff, of)
    assert (of["state"], len(of["pages"])) == ("expired", 2)
    assert image(staff, of, 1).status_code == 200
    refused = staff.post(f"/v1/scan-sessions/{of['id']}/archive", json={"customer": customer, "type": "LETTER"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "This cannot be done while it is expired.")
    assert "Its pages are kept for a while" in shown(desk, of).text_of("scan")
    assert 'action="/work/reopen"' in desk.client.get("/work").text
    answer = desk.client.post("/work/reopen", data={"session": of["id"]})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/add?source=scan&session={of['id']}")
    assert session(staff, of)["state"] == "review"
    assert ok(desk, session(staff, of), customer=customer, type="LETTER").status_code == 303
    gone = staff.post(f"/v1/scan-sessions/{of['id']}/reopen")
    assert (gone.status_code, gone.json()["type"]) == (409, "/problems/illegal-transition")


# -- OK -------------------------------------------------------------------------------------------------------------


def test_pages_without_a_code_are_saved_once_for_a_customer_by_type(
    desk: Visitor, staff: httpx.Client, customer: str
) -> None:
    of = filled(staff, a_page(), a_page())
    answers = [ok(desk, of, key=f"once-{customer}", customer=customer, type="LETTER", note="both") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    [row] = rows(staff, customer, answers[0])
    assert (row["pages"], row["note"], row["source"]) == (2, "both", "scan")


def test_what_is_left_of_a_session_is_shown_again(desk: Visitor, staff: httpx.Client, customer: str) -> None:
    of = filled(staff, a_page(), a_page(), a_page())
    first = ok(desk, of, customer=customer, type="LETTER", pages="1,3")
    assert f"session={of['id']}" in first.headers["location"]
    rest = session(staff, of)
    assert [page["sha256"] for page in rest["pages"]] == [of["pages"][1]["sha256"]]
    last = ok(desk, rest, customer=customer, type="LETTER")
    assert "session=" not in last.headers["location"]
    assert sorted(row["pages"] for row in rows(staff, customer, last)) == [1, 2]


@pytest.mark.parametrize("is_checked", [False, True], ids=["not at all", "another code"])
def test_a_code_that_was_not_checked_saves_nothing(
    desk: Visitor, staff: httpx.Client, customer: str, is_checked: bool
) -> None:
    """B9: a field that was changed since voids its Check, whatever else the form has."""
    code, other = (issued(staff, customer)["scan_code"] for _ in range(2))
    token = staff.get(f"/v1/scan-codes/{other}").json()["check_token"]
    checked = {"by_code": other, "check_token": token} if is_checked else {}
    of = filled(staff)
    refused = ok(desk, of, scan_code=code, customer=customer, type="GUARDIAN_CONSENT", **checked)
    assert refused.status_code == 409
    assert Page(refused).value("scan_code") == code
    assert {row["evidence"] for row in view(staff, customer)} == {None}
    assert session(staff, of)["state"] == "review"


def test_a_code_that_was_checked_becomes_active_with_its_evidence(
    desk: Visitor, staff: httpx.Client, customer: str
) -> None:
    code = issued(staff, customer)["scan_code"]
    token = staff.get(f"/v1/scan-codes/{code}").json()["check_token"]
    done = ok(desk, filled(staff), scan_code=code, by_code=code, check_token=token)
    assert done.status_code == 303
    [row] = rows(staff, customer, done)
    assert (row["status"], row["evidence"] is not None) == ("active", True)


def test_pages_that_somebody_changed_meanwhile_are_shown_and_not_saved(
    desk: Visitor, staff: httpx.Client, customer: str
) -> None:
    of = filled(staff, a_page(), a_page())
    staff.post(f"/v1/scan-sessions/{of['id']}/pages/2/remove", json={})
    refused = ok(desk, of, customer=customer, type="LETTER", note="as typed")
    assert refused.status_code == 412
    page = Page(refused)
    assert (page.value("note"), page.value("version")) == ("as typed", str(session(staff, of)["version"]))
    assert view(staff, customer) == []
