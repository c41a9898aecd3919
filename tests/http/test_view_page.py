"""View customer documents (S8) as the server makes it, which is also how it works without scripts."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from domain.scan_code import group_code
from tests.http.desk import a_customer, a_text, archived, at, corrected, handed_in, issued, noted, select_file, view
from tests.http.pages import Page, Visitor
from tests.http.served import Served

ZONE = ZoneInfo("Europe/Amsterdam")
CHANGES = ("Add document", "Change")
PAST = "You are viewing"


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def listed(page: Page) -> list[str]:
    """The ids of the rows, from above."""
    return [a["id"].removeprefix("row-") for a, _ in page.all("tr") if a.get("id", "").startswith("row-")]


def tabs(page: Page) -> dict[str, str]:
    return {a["id"]: words for a, words in page.all("a") if a.get("id", "").startswith("tab-")}


def opened(served: Served, path: str, position: int = 0, role: str = "staff", **query: str) -> Page:
    with Visitor(served, role, **at(position)) as visitor:
        return visitor.open(path, **query)


# -- what it shows --------------------------------------------------------------------------------------------------


def test_all_documents_and_authorizations_stand_in_it_newest_first(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    first = archived(staff, customer, note="Home delivery")
    held = noted(staff, customer)
    last = handed_in(staff, issued(staff, customer)["scan_code"])
    page = opened(served, f"/customers/{customer}", last["position"])
    assert listed(page) == [last["id"], held["id"], first["id"]]
    for words in (
        "Customer correspondence",
        "Home delivery",
        "Original held",
        "B 12",
        "Guardian consent",
        "letter.pdf",
    ):
        assert words in page.main, words
    assert tabs(page) == {
        "tab-all": "All 3",
        "tab-documents": "Documents 1",
        "tab-authorizations": "Authorizations 2",
        "tab-timeline": "Timeline",
    }


def test_a_row_has_every_column(served: Served, staff: httpx.Client) -> None:
    """E3: type, kind, note, scan code, status, date, branch, staff member, pages or file, original held, kept until."""
    customer = a_customer(served)
    letter = archived(staff, customer, note="Home delivery", received_on="2026-01-02")
    letter = corrected(staff, letter, "describe", title="Reminder")
    until = noted(staff, customer, type="OTHER_AUTHORIZATION", valid_until="2099-12-31")
    issued_code = issued(staff, customer)["scan_code"]
    scanned = handed_in(staff, issued_code)
    page = opened(served, f"/customers/{customer}", scanned["position"])
    rows = {paper["id"]: page.text_of(f"row-{paper['id']}") for paper in (letter, until, scanned)}
    columns = {
        letter["id"]: (
            "Reminder",
            "Letter, Document: Home delivery",
            "Archived",
            "2 Jan 2026",
            "letter.pdf",
            "While member",
        ),
        until["id"]: ("Other authorization", "Authorization", "Active", "Original held", "B 12", "31 Dec 2101"),
        scanned["id"]: ("Guardian consent", "Authorization", group_code(issued_code), "Active", "letter.pdf"),
    }
    for paper in (letter, until, scanned):
        for words in (*columns[paper["id"]], paper["actor"], paper["branch"]):
            assert words in rows[paper["id"]], words


def test_a_tab_shows_its_kind_and_keeps_the_filters(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    document = archived(staff, customer)
    statement = noted(staff, customer)
    for papers, expected in (("documents", document), ("authorizations", statement)):
        page = opened(served, f"/customers/{customer}", statement["position"], papers=papers, source="")
        assert listed(page) == [expected["id"]]
    with Visitor(served) as visitor:
        page = visitor.open(f"/customers/{customer}", type="LETTER")
        other = page.one("tab-authorizations")[1]["href"]
        assert "type=LETTER" in other
        assert "papers=authorizations" in other


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("q", "needle", {"needle"}),
        ("type", "FORM", {"form"}),
        ("status", "withdrawn", {"gone"}),
        ("status", "held", {"held"}),
        ("source", "none", {"held"}),
        ("from", "01/01/2019", {"needle", "form", "gone", "held"}),
        ("to", "31/12/2018", {"old"}),
    ],
)
def test_every_filter_narrows_the_list_and_stays_in_its_field(
    served: Served, staff: httpx.Client, name: str, value: str, found: set[str]
) -> None:
    customer = a_customer(served)
    papers = {
        "old": archived(staff, customer, received_on="2016-02-12"),
        "needle": archived(staff, customer, note="a needle"),
        "form": archived(staff, customer, type="FORM"),
        "gone": corrected(staff, archived(staff, customer), "withdraw"),
        "held": noted(staff, customer),
    }
    page = opened(served, f"/customers/{customer}", papers["held"]["position"], **{name: value})
    assert set(listed(page)) == {papers[each]["id"] for each in found}
    chosen = [a["value"] for a, _ in page.all("option") if "selected" in a] + [page.fields().get(name)]
    assert value in chosen


def test_what_fits_no_filter_says_so_and_leads_back(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    last = archived(staff, customer)
    page = opened(served, f"/customers/{customer}", last["position"], q="nowhere")
    assert "No results for this filter" in page.main
    assert ({"href": f"/customers/{customer}"}.items()) <= dict(
        next(a for a, w in page.all("a") if w == "Show all")
    ).items()


def test_a_customer_without_papers_is_told_what_to_do_next(served: Served) -> None:
    customer = a_customer(served)
    page = opened(served, f"/customers/{customer}")
    assert "Jan de Vries has no documents yet" in page.main
    assert f"/add?customer={customer}" in [a["href"] for a, _ in page.all("a")]
    assert "Add document" not in opened(served, f"/customers/{customer}", role="viewer").main


def test_further_rows_are_a_page_away(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    made = [noted(staff, customer) for _ in range(52)]
    with Visitor(served, **at(made[-1]["position"])) as visitor:
        first = visitor.open(f"/customers/{customer}")
        second = visitor.open(first.one("show-more")[1]["href"])
        assert listed(first) + listed(second) == [one["id"] for one in reversed(made)]
        assert not second.has("show-more")
        assert "52 items, last received first" in second.text_of("count")
        assert "Back to the start of the list" in second.main


def test_names_and_notes_are_text_and_never_markup(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served, name="<b>Jan</b> & 'co' \"x\"")
    last = select_file(
        staff, customer, a_text(), name="<img src=x onerror=alert(1)>.txt", note="</td><script>1</script>"
    )
    page = opened(served, f"/customers/{customer}", last.json()["position"])
    assert "<b>Jan</b> & 'co' \"x\"" in page.words
    assert not page.all("script", src="x")
    assert [a for a, _ in page.all("img") if "onerror" in a] == []


def test_a_customer_that_is_not_there_is_a_page_that_says_so(served: Served) -> None:
    page = opened(served, "/customers/nobody")
    assert page.answer.status_code == 404
    assert "Reference" not in page.main  # a number to tell is for faults


# -- the past -------------------------------------------------------------------------------------------------------


def test_a_day_and_a_time_of_the_past_show_the_list_as_it_was_and_no_way_to_change(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    document = archived(staff, customer)
    changed = corrected(staff, document, "withdraw")
    with Visitor(served, **at(changed["position"])) as visitor:
        now = visitor.open(f"/customers/{customer}")
        then = visitor.open(f"/customers/{customer}", as_of=document["recorded_at"])
    assert PAST not in now.words
    assert "Withdrawn" in now.text_of("list")
    assert PAST in then.text_of("past")
    assert "Archived" in then.text_of("list")
    controls = (*then.all("a"), *then.all("button"), *then.all("summary"))
    offered = [words for a, words in controls if a.get("href") != "/add"]  # the bar's, of no customer
    assert not [words for words in offered for change in CHANGES if words.startswith(change)]
    assert ("body", {"class": "then"}) in [(tag, attributes) for tag, attributes, _ in then.elements]


def test_links_of_the_past_stay_in_it(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    document = archived(staff, customer)
    position = str(document["position"])
    page = opened(served, f"/customers/{customer}", document["position"], as_of=position)
    assert f"/documents/{document['id']}?as_of={position}" in [
        a["href"] for a, _ in page.all("a", **{"class": "open cut"})
    ]
    assert f"as_of={position}" in page.one("tab-documents")[1]["href"]
    assert "as_of" not in page.one("now")[1]["href"]


def test_a_minute_includes_all_of_itself_and_a_day_too(served: Served, staff: httpx.Client) -> None:
    """What a row shows as its time is what people choose."""
    customer = a_customer(served)
    document = archived(staff, customer)
    local = datetime.fromisoformat(document["recorded_at"]).astimezone(ZONE)
    query = {"day": local.date().isoformat(), "time": local.strftime("%H:%M")}
    assert listed(opened(served, f"/customers/{customer}", document["position"], **query)) == [document["id"]]
    yesterday = (local.date() - timedelta(days=1)).isoformat()
    before = opened(served, f"/customers/{customer}", day=yesterday)
    assert (listed(before), before.value("day"), before.value("time")) == (
        [],
        f"{local - timedelta(days=1):%d/%m/%Y}",
        "23:59",
    )
    assert "No documents at that time" in before.main


def test_the_rest_of_today_is_now_and_tomorrow_is_refused_with_what_was_typed(served: Served) -> None:
    customer, today = a_customer(served), datetime.now(UTC).astimezone(ZONE).date()
    assert PAST not in opened(served, f"/customers/{customer}", day=today.isoformat()).words
    tomorrow = (today + timedelta(days=1)).isoformat()
    page = opened(served, f"/customers/{customer}", day=tomorrow, time="10:15")
    assert page.answer.status_code == 422
    assert "must not be in the future" in page.text_of("problem")
    assert (page.value("day"), page.value("time")) == (f"{today + timedelta(days=1):%d/%m/%Y}", "10:15")
    assert PAST not in page.words


@pytest.mark.parametrize(
    "query",
    [
        {"day": "yesterday"},
        {"day": "2026-02-30"},
        {"day": "2026-01-01", "time": "noon"},
        {"as_of": "x"},
        {"day": "0001-01-01"},
    ],
)
def test_a_moment_that_is_none_is_refused_in_words(served: Served, query: dict[str, str]) -> None:
    page = opened(served, f"/customers/{a_customer(served)}", 0, **query)
    assert page.answer.status_code in (200, 422)
    assert (page.answer.status_code == 200) is (query["day" if "day" in query else "as_of"] == "0001-01-01")


def test_as_of_a_position_of_the_timeline_is_the_list_of_that_position(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    papers = [archived(staff, customer), noted(staff, customer), archived(staff, customer)]
    for paper in papers:
        page = opened(served, f"/customers/{customer}", papers[-1]["position"], as_of=str(paper["position"]))
        assert listed(page) == [item["id"] for item in view(staff, customer, as_of=paper["position"])]


def test_a_hidden_type_is_neither_listed_nor_counted_nor_named_in_the_filter(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    archived(staff, customer)
    last = archived(staff, customer, type="READING_DISABILITY")
    page = opened(served, f"/customers/{customer}", last["position"], role="viewer")
    assert len(listed(page)) == 1
    assert tabs(page)["tab-all"] == "All 1"
    assert "Reading disability" not in page.words


def test_a_reader_gets_no_buttons_to_change(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    last = archived(staff, customer)
    page = opened(served, f"/customers/{customer}", last["position"], role="viewer")
    assert [w for a, w in page.all("a") if w == "Add document" and a["href"] != "/add"] == []
    assert "Timeline" in [w for _, w in page.all("a")]


def test_days_are_written_in_the_readers_language(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    last = archived(staff, customer, received_on=date(2026, 3, 4).isoformat())
    for language, day in (("en", "4 Mar 2026"), ("nl", "4 mrt 2026"), ("de", "04.03.2026")):
        page = opened(served, f"/customers/{customer}", last["position"], lang=language)
        assert day in page.text_of("list")
        assert page.all("html", lang=language)
