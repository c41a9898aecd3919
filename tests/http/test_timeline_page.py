"""Timelines (S10) as the server makes them: each act once, in words, with before and after, and its moment."""

import csv
import io
import json
import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import httpx
import pytest

from desk.acts import words_of
from desk.timeline import VIEWS_SHOWN
from domain.act_words import ACTS, OF_PAPERS
from projections.view import EVENTS
from tests.http.desk import (
    a_customer,
    a_letter,
    access_lines,
    archived,
    at,
    corrected,
    debt_issued,
    handed_in,
    item_of,
    noted,
    replace,
    step,
    stepped,
    view,
)
from tests.http.pages import Page, Visitor
from tests.http.served import Served, wait_until

ZONE = ZoneInfo("Europe/Amsterdam")
SEEN = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}


class Life(NamedTuple):
    """A customer to whose papers much was done."""

    customer: str
    letter: dict[str, Any]
    mandate: dict[str, Any]
    position: int


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture(scope="module")
def life(served: Served) -> Life:
    """Every event that papers can have, but those that the calendar brings."""
    desk, customer, other = served.as_("supervisor"), a_customer(served), a_customer(served)
    letter = archived(desk, customer, note="first words")
    letter = corrected(desk, letter, "describe", note="second words", reason="a typing error")
    letter = corrected(desk, letter, "reclassify", type="FORM", reason="it is a form")
    letter = item_of(replace(desk, letter["id"], a_letter(3), letter["version"], reason="a better scan"))
    letter = corrected(desk, letter, "link-customer", customer=other, reason="a joint letter")
    letter = corrected(desk, letter, "unlink-customer", customer=other, reason="not joint")
    letter = corrected(desk, letter, "withdraw", reason="the wrong customer")
    letter = corrected(desk, letter, "restore", reason="it was the right one")
    noted(desk, customer, type="IDENTIFICATION", original=None, verification=SEEN)
    mandate = handed_in(desk, debt_issued(desk, customer)["scan_code"])
    mandate = stepped(desk, mandate, "amend", iban="BE68539007547034", reason="another bank")
    mandate = stepped(desk, mandate, "suspend")
    mandate = stepped(desk, mandate, "resume")
    mandate = stepped(desk, mandate, "collections", presented_on="2026-02-01", due_on="2026-02-05", outcome="paid")
    mandate = item_of(
        step(desk, mandate["id"], "revoke", mandate["version"], reason="by letter", received_on="2026-02-06")
    )
    cancelled = stepped(desk, item_of_form(debt_issued(desk, customer)), "cancel")
    return Life(customer, letter, mandate, cancelled["position"])


def item_of_form(form: dict[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = form["authorization"]
    return statement


def opened(served: Served, path: str, position: int = 0, role: str = "staff", **query: str) -> Page:
    with Visitor(served, role) as visitor:
        served.as_(role).get("/v1/history", params={"limit": 1}, headers=at(position)).raise_for_status()
        return visitor.open(path, **query)


def acts(page: Page) -> list[tuple[int, str]]:
    """Position and words of each act, from above."""
    found = [(a["id"].removeprefix("act-"), words) for a, words in page.all("li") if a.get("id", "").startswith("act-")]
    return [(int(position), words) for position, words in found]


def of(page: Page, words: str) -> str:
    """The one act that is called so."""
    [act] = [said for _, said in acts(page) if said.removeprefix(said[:5]).lstrip().startswith(words)]
    return act


# -- every event has its words --------------------------------------------------------------------------------------


def test_every_event_of_the_archive_has_words_and_no_words_are_of_none() -> None:
    assert {kind.topic.rpartition(".")[0] for kind in EVENTS} == set(ACTS)
    assert all(words and icon for words, icon in ACTS.values())


def test_a_customers_timeline_has_each_act_once_newest_first(served: Served, staff: httpx.Client, life: Life) -> None:
    page = opened(served, f"/customers/{life.customer}/timeline", life.position)
    history = item_of(staff.get(f"/v1/customers/{life.customer}/history", params={"limit": 200}))["items"]
    assert [position for position, _ in acts(page)] == [item["position"] for item in history]
    for (_, said), item in zip(acts(page), history, strict=True):
        words = words_of(item["action"], item["after"]).words
        assert words in said, (item["action"], said)
        assert (item["reason"] or "") in said


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"received_on": "2026-01-02"}, "Date of receipt changed"),
        ({"title": "Minutes"}, "Title changed"),
        ({"note": "x", "title": "Minutes"}, "Details changed"),
    ],
)
def test_a_change_is_called_by_what_was_changed(
    served: Served, staff: httpx.Client, changed: dict[str, str], words: str
) -> None:
    customer = a_customer(served)
    paper = corrected(staff, archived(staff, customer), "describe", **changed)
    page = opened(served, f"/customers/{customer}/timeline", paper["position"])
    assert words in acts(page)[0][1]


def test_who_looked_is_told_by_the_names_of_the_papers_each_once(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    papers = [archived(staff, customer, type=kind) for kind in ("FORM", "FORM", "LETTER")]
    for paper in papers:
        assert staff.get(f"/v1/documents/{paper['id']}/pages/1", headers=at(paper["position"])).status_code == 200
    with Visitor(served, "supervisor", **at(papers[-1]["position"])) as visitor:
        page = visitor.open(f"/customers/{customer}/timeline", show="views")
    assert "Form × 2" in page.main
    assert "Letter" in page.main
    assert "a document" not in page.main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Description changed", "Description: before first words → after second words"),
        ("Type corrected", "Document type: before Letter → after Form"),
        ("Content replaced", "File: before letter.pdf → after better.pdf"),
        ("Withdrawn", "Status: before Archived → after Withdrawn"),
        ("Restored", "Status: before Withdrawn → after Archived"),
        ("Mandate amended", "IBAN: before NL91 ABNA 0417 1643 00 → after BE68 5390 0754 7034"),
        ("Authorization suspended", "Status: before Active → after Suspended"),
        ("Authorization resumed", "Status: before Suspended → after Active"),
        ("Authorization revoked", "Received: 6 Feb 2026"),
        ("Collection reported", "Outcome: Paid"),
        ("Authorization signed", "Status: before Issued → after Active"),
        ("Identification seen, not kept", "Paper: passport; Number ends with: X41; Seen on: 5 Jan 2026"),
    ],
)
def test_before_and_after_are_told_in_words(served: Served, life: Life, words: str, said: str) -> None:
    assert said in of(opened(served, f"/customers/{life.customer}/timeline", life.position), words)


def test_who_may_not_amend_sees_no_whole_iban(served: Served, life: Life) -> None:
    page = opened(served, f"/customers/{life.customer}/timeline", life.position, role="viewer")
    assert "7034" in of(page, "Mandate amended")
    assert "BE68 5390 0754 7034" not in page.words


def test_linked_customers_are_told_by_their_numbers(served: Served, life: Life) -> None:
    page = opened(served, f"/documents/{life.letter['id']}/timeline", life.position)
    linked, unlinked = of(page, "Second customer linked"), of(page, "Second customer unlinked")
    number = linked.partition("after ")[2].split()[0]
    assert f"before {number}" in unlinked.replace("Reason", " Reason")


def test_days_are_groups_with_a_heading(served: Served, life: Life) -> None:
    page = opened(served, f"/customers/{life.customer}/timeline", life.position)
    day = datetime.fromisoformat(life.letter["recorded_at"]).astimezone(ZONE)
    assert [words for _, words in page.all("h2") if str(day.year) in words] == [f"{day:%A}, {day.day} {day:%B %Y}"]


# -- each paper its own ---------------------------------------------------------------------------------------------


def test_a_paper_has_a_timeline_of_its_own(served: Served, life: Life) -> None:
    document = opened(served, f"/documents/{life.letter['id']}/timeline", life.position)
    assert len(acts(document)) == 8
    mandate = opened(served, f"/authorizations/{life.mandate['id']}/timeline", life.position)
    assert "Authorization revoked" in mandate.main
    assert "File saved" not in mandate.main
    for page, name in ((document, "Form"), (mandate, "Debt authorization")):
        assert f"Timeline: {name}" in page.main


def test_what_a_reader_may_not_see_has_no_timeline(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    hidden = archived(staff, customer, type="READING_DISABILITY")
    page = opened(served, f"/customers/{customer}/timeline", hidden["position"], role="viewer")
    assert "No activity yet" in page.main
    assert opened(served, f"/documents/{hidden['evidence']}/timeline", role="viewer").answer.status_code == 404


# -- the state at a moment ------------------------------------------------------------------------------------------


def test_the_state_at_each_moment_is_the_list_as_of_it(served: Served, staff: httpx.Client, life: Life) -> None:
    page = opened(served, f"/customers/{life.customer}/timeline", life.position)
    shown = [a["href"] for a, words in page.all("a") if words.startswith("View that moment")]
    assert len(shown) == len(acts(page))
    with Visitor(served) as visitor:
        for href, (position, _) in zip(shown, acts(page), strict=True):
            then = visitor.open(href)
            rows = [a["id"].removeprefix("row-") for a, _ in then.all("tr") if a.get("id")]
            assert rows == [item["id"] for item in view(staff, life.customer, as_of=position, sort="-received")]


def test_the_state_of_a_paper_leads_to_its_page_as_of_the_moment(served: Served, life: Life) -> None:
    page = opened(served, f"/documents/{life.letter['id']}/timeline", life.position)
    hrefs = [a["href"] for a, words in page.all("a") if words.startswith("View that moment")]
    with Visitor(served) as visitor:
        withdrawn = visitor.open(hrefs[1])
    assert "You are viewing" in withdrawn.words
    assert "Withdrawn" in withdrawn.main


# -- filters --------------------------------------------------------------------------------------------------------


def test_filters_leave_the_acts_that_fit(served: Served, staff: httpx.Client) -> None:
    customer, other = a_customer(served), served.as_("supervisor")
    paper = archived(staff, customer)
    last = corrected(other, paper, "withdraw")
    path, day = f"/customers/{customer}/timeline", datetime.fromisoformat(last["recorded_at"]).astimezone(ZONE).date()
    both = [last["position"], paper["position"]]
    for query, expected in (
        ({}, both),
        ({"actor": "supervisor"}, both[:1]),
        ({"action": "document-archived"}, both[1:]),
        ({"from": f"{day}", "to": f"{day}"}, both),
        ({"to": f"{day - timedelta(days=1)}"}, []),
        ({"from": f"{day + timedelta(days=1)}"}, []),
    ):
        page = opened(served, path, last["position"], "staff", **query)
        assert [position for position, _ in acts(page)] == expected, query
        assert ("No results for this filter" in page.main) is (not expected)


def test_every_act_of_papers_can_be_chosen(served: Served, life: Life) -> None:
    page = opened(served, f"/customers/{life.customer}/timeline", life.position)
    assert {a["value"] for a, _ in page.all("option")} >= set(OF_PAPERS)


def test_earlier_acts_are_a_page_away(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    made = [noted(staff, customer)["position"] for _ in range(52)]
    first = opened(served, f"/customers/{customer}/timeline", made[-1])
    with Visitor(served) as visitor:
        second = visitor.open(first.one("show-more")[1]["href"])
    assert [position for position, _ in (*acts(first), *acts(second))] == made[::-1]
    assert not second.has("show-more")


# -- who looked -----------------------------------------------------------------------------------------------------


def test_who_looked_is_told_to_those_who_may_know(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    reader = served.client(served.new_token(f"nosy-{secrets.token_hex(3)}", "staff"))
    for _ in range(3):
        assert reader.get(f"/v1/documents/{paper['id']}/content", headers=at(paper["position"])).is_success
    path = f"/documents/{paper['id']}/timeline"
    watched = opened(served, path, paper["position"], "supervisor")
    assert "Content read" in watched.main
    assert "3 times since" in watched.main
    assert "nosy" in watched.main
    assert "nosy" not in opened(served, path, paper["position"]).main
    assert not opened(served, path, paper["position"]).has("show")
    changes = opened(served, path, paper["position"], "supervisor", show="changes")
    assert ("nosy" in changes.main, len(acts(changes))) == (False, 1)
    views = opened(served, path, paper["position"], "supervisor", show="views")
    assert ("nosy" in views.main, len(acts(views))) == (True, 0)


def test_looks_stand_between_the_acts_where_they_belong(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    assert staff.get(f"/v1/documents/{paper['id']}/content", headers=at(paper["position"])).is_success
    last = corrected(staff, paper, "withdraw")
    page = opened(served, f"/documents/{paper['id']}/timeline", last["position"], "supervisor")
    said = page.text_of("timeline")
    order = [said.index(words) for words in ("Status: before Archived", "Content read", "File: letter.pdf")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Seen in a list"), ("nl", "In een lijst gezien"), ("de", "In einer Liste gesehen")],
)
def test_who_saw_the_list_is_told_and_can_be_chosen(
    served: Served, staff: httpx.Client, language: str, words: str
) -> None:
    paper = archived(staff, customer := a_customer(served))
    nosy = f"nosy-{secrets.token_hex(3)}"
    reader = served.client(served.new_token(nosy, "staff"))
    view(reader, customer, paper["position"])
    assert reader.get(f"/v1/documents/{paper['id']}/content").is_success
    wait_until(lambda: access_lines(served, nosy, action="list") != [], 20, "no line")
    path = f"/customers/{customer}/timeline"
    page = opened(served, path, paper["position"], "supervisor", action="list", lang=language)
    assert {nosy in page.main, words in page.main} == {True}
    assert (acts(page), ("list", words) in [(a["value"], said) for a, said in page.all("option")]) == ([], True)
    contents = opened(served, path, paper["position"], "supervisor", action="content", show="views")
    assert ("nosy" in contents.main, "Content read" in contents.main) == (True, True)
    assert f"<h3>{words}" not in contents.answer.text
    assert "nosy" not in opened(served, path, paper["position"], "supervisor", action="document-archived").main
    assert ("list", words) not in [(a["value"], said) for a, said in opened(served, path).all("option")]


def test_earlier_looks_are_a_page_away(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, customer := a_customer(served))
    for name in ("early", "late"):
        reader = served.client(served.new_token(f"{name}-{paper['id']}", "staff"))
        for _ in range(VIEWS_SHOWN // 2 + 1):
            assert reader.head(f"/v1/documents/{paper['id']}/content", headers=at(paper["position"])).is_success
    first = opened(served, f"/customers/{customer}/timeline", paper["position"], "supervisor", show="views")
    assert first.has("show-more")
    with Visitor(served, "supervisor") as visitor:
        second = visitor.open(first.one("show-more")[1]["href"])
    assert ("late" in first.main, "early" in second.main, "late" in second.main) == (True, True, False)


# -- what goes out --------------------------------------------------------------------------------------------------


def test_as_json_it_is_the_whole_history(served: Served, staff: httpx.Client, life: Life) -> None:
    path = f"/customers/{life.customer}/timeline"
    link = next(a["href"] for a, words in opened(served, path, life.position).all("a") if words == "JSON")
    with Visitor(served) as visitor:
        answer = visitor.client.get(link)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="timeline-{life.customer}.json"')
    history = item_of(staff.get(f"/v1/customers/{life.customer}/history", params={"limit": 200}))["items"]
    assert json.loads(answer.content)["items"] == history


def test_as_csv_every_line_has_its_columns_and_no_cell_is_a_formula(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer, note='=HYPERLINK("http://evil","x")')
    last = corrected(staff, paper, "withdraw", reason="=1+1; @SUM(A1)")
    served.as_("staff").get("/v1/history", params={"limit": 1}, headers=at(last["position"]))
    with Visitor(served) as visitor:
        answer = visitor.client.get(f"/customers/{customer}/timeline.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith("\ufeff".encode())
    rows = [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]
    assert [row["action"] for row in rows] == ["document-withdrawn", "document-archived"]
    assert rows[0]["reason"] == "'=1+1; @SUM(A1)"
    assert json.loads(rows[1]["after"])["note"] == '=HYPERLINK("http://evil","x")'
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_an_export_goes_on_beyond_a_page_and_keeps_the_filters(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    for _ in range(201):
        last = noted(staff, customer)
    served.as_("staff").get("/v1/history", params={"limit": 1}, headers=at(last["position"]))
    with Visitor(served) as visitor:
        whole = visitor.client.get(f"/customers/{customer}/timeline.json").json()
        none = visitor.client.get(f"/customers/{customer}/timeline.json", params={"actor": "nobody"}).json()
    positions = [item["position"] for item in whole["items"]]
    assert len(positions) == 201
    assert positions == sorted(set(positions), reverse=True)
    assert none["items"] == []


def test_who_may_not_read_histories_gets_no_export(served: Served) -> None:
    customer = a_customer(served)
    with Visitor(served, "integration") as visitor:
        for kind in ("json", "csv"):
            assert visitor.client.get(f"/customers/{customer}/timeline.{kind}").status_code == 403
