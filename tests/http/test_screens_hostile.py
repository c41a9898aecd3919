"""Pages and forms under attack: whatever is asked of them they answer or refuse, and nothing leads elsewhere."""

import csv
import io
import re
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.http.desk import DEBT, a_customer, a_mandate, archived, at, corrected, noted
from tests.http.pages import Visitor
from tests.http.scanning import filled
from tests.http.served import Served

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
HUGE = "9" * 5_000  # more digits than Python makes a number of
NO_NUMBERS = ("€", "²", HUGE)


@pytest.fixture
def desk(served: Served) -> Iterator[Visitor]:
    with Visitor(served, "operator") as visitor:
        yield visitor


@pytest.fixture(scope="module")
def customer(served: Served) -> str:
    return a_customer(served)


@pytest.fixture(scope="module")
def papers(served: Served, customer: str) -> dict[str, dict[str, Any]]:
    """One paper of each room, by the room."""
    staff = served.as_("staff")
    made = {
        "documents": archived(staff, customer),
        "authorizations": noted(staff, customer, type=DEBT, mandate=a_mandate()),
    }
    staff.get("/v1/scanners", headers=at(made["authorizations"]["position"]))
    return made


def places(customer: str, papers: dict[str, dict[str, Any]]) -> list[str]:
    """The pages that can be seen as they were."""
    return [f"/customers/{customer}", *(f"/{room}/{paper['id']}" for room, paper in papers.items())]


# -- what an address asks for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", ["+00:00", "%2B00:00", "Z", "000999Z"])
def test_a_moment_is_taken_in_every_form_that_the_api_takes(
    desk: Visitor, customer: str, papers: dict[str, dict[str, Any]], offset: str
) -> None:
    """A plus sign in an address is a blank, and most write it as one."""
    moment = papers["authorizations"]["recorded_at"].removesuffix("Z")
    for path in places(customer, papers):
        answer = desk.client.get(f"{path}?as_of={moment}{offset}")
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59-12:00"])
def test_before_all_times_there_is_an_empty_list(desk: Visitor, customer: str, moment: str) -> None:
    answer = desk.client.get(f"/customers/{customer}?as_of={moment}")
    assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize("position", ["€", "²", "-1", HUGE[:1_000]])
def test_a_position_that_is_none_is_refused(
    desk: Visitor, customer: str, papers: dict[str, dict[str, Any]], position: str
) -> None:
    for path in (*places(customer, papers), f"/add?saved={papers['documents']['id']}"):
        separator = "&" if "?" in path else "?"
        assert desk.client.get(f"{path}{separator}at={quote(position)}").status_code == 422


@pytest.mark.parametrize("bounds", ["to=9999-12-31", "from=0001-01-01", "from=9999-12-31&to=0001-01-01"])
@pytest.mark.parametrize("form", ["timeline", "timeline.csv", "timeline.json"])
def test_a_timeline_ends_with_the_calendar(desk: Visitor, customer: str, form: str, bounds: str) -> None:
    assert desk.client.get(f"/customers/{customer}/{form}?{bounds}").status_code in (200, 422)


@pytest.mark.parametrize("asked", ["from=yesterday", "to=2026-02-30", "actor=a&actor=b", "action=a&action=b"])
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_that_is_refused_is_refused_before_it_begins(
    desk: Visitor, customer: str, kind: str, asked: str
) -> None:
    answer = desk.client.get(f"/customers/{customer}/timeline.{kind}?{asked}")
    assert answer.status_code == 422
    assert "Content-Disposition" not in answer.headers


def test_no_cell_of_an_export_is_a_formula(served: Served, desk: Visitor) -> None:
    """Neither where sheets part lines at commas nor where they part them at semicolons."""
    customer, formula = a_customer(served), "=HYPERLINK(1)"
    reasons = (formula, f"x;{formula}", f'x;"{formula}', f"x\t;{formula}", f"\t{formula}", f"+{formula}", f"@{formula}")
    document = archived(served.as_("staff"), customer, note=f"x;{formula}")
    for reason in reasons:
        document = corrected(served.as_("staff"), document, "describe", note=f"{reason}!", reason=reason)
    served.as_("staff").get("/v1/scanners", headers=at(document["position"]))
    text = desk.client.get(f"/customers/{customer}/timeline.csv").text.lstrip("\ufeff")
    assert text.count("HYPERLINK") > len(reasons)
    for separator in (",", ";"):
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            assert [cell for cell in row if re.match(r'"*[=+@\t-]', cell)] == []


# -- where an answer leads --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["é", "€", '"><b>', "{0.__class__}", "\U0001f4da"])
def test_a_customer_number_in_any_language_is_added_and_found(desk: Visitor, sign: str) -> None:
    number = f"{secrets.token_hex(4)}{sign}"
    added = desk.client.post("/customers/new", data={"id": number, "name": "Jan de Vries"})
    assert (added.status_code, added.headers["Location"]) == (303, f"/customers/{quote(number)}")
    assert "Jan de Vries" in desk.client.get(added.headers["Location"]).text
    changed = desk.client.post(f"/customers/{quote(number)}/edit", data={"name": "Piet de Vries"})
    assert (changed.status_code, changed.headers["Location"]) == (303, f"/customers/{quote(number)}")


@pytest.mark.parametrize("number", [".", ".."])
def test_a_step_of_an_address_is_no_customer_number(desk: Visitor, number: str) -> None:
    assert desk.client.post("/customers/new", data={"id": number, "name": "Jan de Vries"}).status_code == 422


def test_a_page_that_is_missing_leads_nowhere_else(served: Served) -> None:
    answer = httpx.get(f"{served.url}//evil.example/x", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert 'href="//' not in answer.text


def test_a_branch_that_is_none_is_refused_on_a_page(
    desk: Visitor, customer: str, papers: dict[str, dict[str, Any]]
) -> None:
    """Where nothing is written or recorded under a branch none is asked for."""
    wrong = {"Archive-Branch": "no branch"}
    assert desk.client.get("/add?source=file", headers=wrong).status_code == 200
    assert desk.client.get(f"/customers/{customer}", headers=wrong).status_code == 422  # a list is recorded
    answer = desk.client.get(f"/documents/{papers['documents']['id']}", headers=wrong)
    assert (answer.status_code, "branch code" in answer.text) == (422, True)


# -- what a form sends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", NO_NUMBERS)
@pytest.mark.parametrize(("room", "step"), [("documents", "describe"), ("authorizations", "amend")])
def test_a_version_that_is_none_is_stale(
    desk: Visitor, papers: dict[str, dict[str, Any]], room: str, step: str, version: str
) -> None:
    fields = {"reason": "a reason", "title": "A title", "debtor_name": "J. de Vries", "version": version}
    assert desk.client.post(f"/{room}/{papers[room]['id']}/{step}", data=fields).status_code == 412


def test_a_key_that_is_none_is_refused(desk: Visitor, customer: str, papers: dict[str, dict[str, Any]]) -> None:
    fields = {"key": "€", "version": "1", "reason": "a reason", "type": "GUARDIAN_CONSENT"}
    noted_by = {**fields, "customer": customer, "confirmed": "1"}
    assert desk.client.post(f"/customers/{customer}/form", data=fields).status_code == 422
    assert desk.client.post(f"/documents/{papers['documents']['id']}/withdraw", data=fields).status_code == 422
    assert desk.client.post("/add/note", data=noted_by).status_code == 422


@pytest.fixture
def session(served: Served) -> str:
    """A scan with one page."""
    made: str = filled(served.as_("staff"))["id"]
    return made


@pytest.mark.parametrize("pages", [*NO_NUMBERS, "1,²", "0", "-1", HUGE[:18]])
def test_pages_that_are_none_are_not_taken(desk: Visitor, customer: str, session: str, pages: str) -> None:
    fields = {"source": "scan", "session": session, "pages": pages, "version": "€"}
    assert desk.client.post("/add", data=fields).status_code == 200
    saved = desk.client.post("/add/scan", data={**fields, "customer": customer, "type": "LETTER"})
    assert saved.status_code in (412, 422)


@pytest.mark.parametrize("size", NO_NUMBERS)
def test_a_file_of_no_size_is_told_of_without_one(desk: Visitor, size: str) -> None:
    told = {"problem": '{"type": "/problems/file-empty"}', "name": "letter.pdf", "size": size}
    assert desk.client.post("/add/refused", data=told).status_code == 200


def test_a_link_leaves_nothing_behind_that_nobody_offered(desk: Visitor) -> None:
    """Else a link that somebody else made would fill the browser's cookies, until no request is taken any more."""
    for name in ("device", "profile"):
        for value in ("a" * 3_000, "é", "a; Path=/x"):
            answer = desk.client.get("/add", params={"source": "scan", name: value})
            assert answer.status_code == 200
            assert name not in answer.cookies


def test_a_token_has_no_settings(desk: Visitor) -> None:
    for fields in ({"branch": "é"}, {"branch": "B2"}, {"language": "nl"}):
        assert desk.client.post("/settings", data=fields).status_code == 403


# -- what nobody knows the end of -------------------------------------------------------------------------------------


def test_a_form_that_was_maybe_taken_keeps_its_key(served: Served, desk: Visitor) -> None:
    """A twin is under way, or the answer of the database was lost: pressed again, it is saved once."""
    customer = a_customer(served)
    note = {"customer": customer, "type": "GUARDIAN_CONSENT", "confirmed": "1"}
    for address, fields in (("/add/note", note), (f"/customers/{customer}/form", {"type": "GUARDIAN_CONSENT"})):
        key = secrets.token_hex(8)
        with psycopg.connect(served.database_url) as twin:
            row = "insert into archive.command values (%s, %s, '', '{}', now())"
            twin.execute(row, [served.as_("operator").get("/v1/session").json()["user"], served.key_at_rest(key)])
            refused = desk.send(address, {**fields, "key": key})
            assert refused.answer.status_code == 409
            assert refused.value("key") == key
            twin.rollback()
        assert desk.client.post(address, data={**fields, "key": key}).status_code == 303
        refused = desk.send(address, {**fields, "customer": customer, "key": key, "note": "another"})
        assert refused.answer.status_code == 422
        assert refused.value("key") != key, "what was refused for its key gets another"


# -- what a form costs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/octet-stream", "image/png", ""])
def test_a_form_that_is_no_form_is_not_read(served: Served, kind: str) -> None:
    """What is sent as a file may be as large as one, and would be taken apart in memory by who is not signed in."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
    answer = httpx.post(f"{served.url}/sign-in", content=b"user=a&password=b", headers=headers)
    assert answer.status_code == 415


def test_no_form_is_larger_than_a_body_of_json(served: Served) -> None:
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **URLENCODED}
    content = b"user=" + b"a" * served.settings.limits.json_body_bytes_max
    assert httpx.post(f"{served.url}/sign-in", content=content, headers=headers).status_code == 413


@pytest.mark.parametrize("field", ["user", "password"])
def test_what_nobody_types_is_not_compared(served: Served, field: str) -> None:
    """The time to normalize it grows with the square of its length: a name of 200 kB held up a worker for minutes."""
    fields = {"user": "somebody", "password": "something", field: "a" + "\u0301\u0327" * 20_000}
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    attempts = served.sql("select count(*) from staff.attempt")
    answer = httpx.post(f"{served.url}/sign-in", data=fields, headers=headers, timeout=60)
    assert answer.status_code == 401
    assert served.sql("select count(*) from staff.attempt") == attempts


@pytest.mark.parametrize("field", ["old", "new"])
def test_a_password_that_nobody_types_is_refused(served: Served, field: str) -> None:
    fields = {"old": "something", "new": "something else", field: "a" * 1_001}
    fields["again"] = fields["new"]
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    answer = httpx.post(f"{served.url}/password", data=fields, headers=headers, cookies=served.as_user("staff").cookies)
    assert answer.status_code == 422
    assert "must have at most 1000 characters" in answer.text


def test_a_customer_with_an_endless_name_is_refused(served: Served) -> None:
    answer = served.as_("operator").put("/v1/customers/endless", json={"name": "a" + "\u0301\u0327" * 20_000})
    assert answer.status_code == 422
