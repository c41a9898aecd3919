"""View customer documents (S8) with its scripts: live rows that move nothing, the slider of the past, further rows."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.desks import Desk
from tests.http.desk import a_customer, archived, at, corrected, noted, view
from tests.http.served import Served, serving, wait_until
from tests.service.program import command, environment

LIVE_MS = 2_000  # within which a row of another tab is to be there
POLL_MS = 20_000
PAST = "You are viewing"
STREAM = "**/v1/events/stream**"
# Whether the page has asked for this address since it is there, and has the answer.
ASKED = "address => performance.getEntriesByType('resource').some(one => one.name.endsWith(address))"


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture(scope="module")
def quiet() -> Iterator[Served]:
    """An archive in which nothing happens but what the test does."""
    with serving() as archive:
        yield archive


def signed_in(desk: Desk) -> Desk:
    """A shared worker has no headers of a page: the cookie speaks for it."""
    for name, value in desk.served.as_user("staff").cookies.items():
        desk.context.add_cookies([{"name": name, "value": value, "url": desk.served.url}])
    return desk


def live(desk: Desk, customer: str) -> Page:
    """The list, with the stream of events open."""
    page = signed_in(desk).open(f"/customers/{customer}")
    expect(page.locator("[data-live]")).to_have_class("live", timeout=POLL_MS)
    return page


def unfold(page: Page) -> None:
    page.locator("#filters summary").click()


def rows(page: Page) -> Locator:
    return page.locator("#list tbody tr")


def ids(page: Page) -> list[str]:
    return [(row.get_attribute("id") or "").removeprefix("row-") for row in rows(page).all()]


def told_until(staff: httpx.Client, customer: str, position: int) -> None:
    """Until the views have it, so that a page that is opened now shows it."""
    staff.get(f"/v1/customers/{customer}", headers=at(position)).raise_for_status()
    view(staff, customer, position)


def seen(staff: httpx.Client, customer: str, count: int) -> list[dict[str, Any]]:
    """So many authorizations of a customer, oldest first, in the views."""
    made = [noted(staff, customer) for _ in range(count)]
    told_until(staff, customer, made[-1]["position"])
    return made


# -- every page owes ------------------------------------------------------------------------------------------------


def test_without_scripts_tabs_filters_pages_and_the_past_work(desks: Callable[..., Desk], staff: httpx.Client) -> None:
    desk = desks(java_script_enabled=False)
    customer = a_customer(desk.served)
    first = archived(staff, customer)
    made = seen(staff, customer, 52)
    page = desk.open(f"/customers/{customer}")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Show more").click()
    expect(rows(page)).to_have_count(3)
    page.get_by_role("link", name="Documents 1", exact=True).click()
    expect(rows(page)).to_have_count(1)
    unfold(page)
    page.get_by_label("Document type").select_option("FORM")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No results for this filter")).to_be_visible()
    page.goto(f"/customers/{customer}?as_of={made[0]['position']}")
    expect(page.get_by_text(PAST)).to_be_visible()
    expect(rows(page)).to_have_count(2)
    expect(page.locator("#slide")).to_be_hidden()
    page.get_by_label("Date").fill("2001-01-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", name="No documents at that time")).to_be_visible()
    page.get_by_role("link", name="Now", exact=True).click()
    expect(page.locator(f"#row-{first['id']}")).to_have_count(0)
    expect(rows(page)).to_have_count(50)


# -- live rows ------------------------------------------------------------------------------------------------------


def test_a_document_of_another_tab_is_announced_and_shown_when_asked_for(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    [first] = seen(staff, customer, 1)
    page = live(desks(), customer)
    made = [archived(staff, customer, note=f"letter {n}") for n in range(2)]
    button = page.get_by_role("button", name="2 new – show")
    expect(button).to_be_visible(timeout=LIVE_MS)
    expect(page.locator("#tab-all")).to_have_text(re.compile(r"All\s+3"))
    assert ids(page) == [first["id"]]
    button.click()
    expect(rows(page)).to_have_count(3)
    assert ids(page) == [made[1]["id"], made[0]["id"], first["id"]]
    expect(rows(page).first).to_have_class("fresh")
    expect(rows(page).first.get_by_role("link", name="Letter", exact=True)).to_be_focused()
    expect(button).to_be_hidden()
    expect(page.locator("#count")).to_have_text("3 items, last received first")


def test_an_empty_list_shows_its_first_row_by_itself(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    page = live(desks(), customer)
    expect(page.get_by_role("heading", name="Jan de Vries has no documents yet")).to_be_visible()
    archived(staff, customer)
    expect(rows(page)).to_have_count(1, timeout=LIVE_MS)


def test_what_others_change_is_put_in_place_where_nobody_feels_it(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer)
    told_until(staff, customer, paper["position"])
    page = live(desks(), customer)
    corrected(staff, paper, "withdraw")
    expect(rows(page).get_by_text("Withdrawn")).to_be_visible(timeout=LIVE_MS)
    expect(page.locator("#fresh")).to_be_hidden()


def test_nothing_moves_or_changes_under_the_focus_or_the_pointer(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer)
    told_until(staff, customer, paper["position"])
    page = live(desks(), customer)
    link = rows(page).get_by_role("link", name="Letter", exact=True)
    ways: tuple[tuple[Callable[[], None], Callable[[], None]], ...] = (
        (link.focus, page.locator("#day").focus),
        (rows(page).first.hover, lambda: page.mouse.move(0, 0)),
    )
    for hold, let_go in ways:
        hold()
        before, words = link.bounding_box(), rows(page).last.inner_text()
        status = "restore" if "Withdrawn" in words else "withdraw"
        paper = corrected(staff, paper, status)
        archived(staff, customer)
        expect(page.locator("#fresh")).to_contain_text("1 changed", timeout=LIVE_MS)
        assert (link.bounding_box(), rows(page).last.inner_text()) == (before, words)
        let_go()
        expect(rows(page).last.get_by_text("Archived" if status == "restore" else "Withdrawn")).to_be_visible()
        expect(page.locator("#fresh")).to_be_visible()
    assert rows(page).count() == 1


def test_what_goes_to_another_customer_waits_to_go(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer, other = a_customer(served), a_customer(served)
    paper = archived(staff, customer)
    [kept] = seen(staff, customer, 1)
    page = live(desks(), customer)
    corrected(served.as_("supervisor"), paper, "reassign", customer=other)
    page.get_by_role("button", name="1 changed – show").click(timeout=LIVE_MS)
    expect(rows(page)).to_have_count(1)
    assert ids(page) == [kept["id"]]


def test_what_others_do_for_other_customers_is_not_asked_for(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer, other = a_customer(served), a_customer(served)
    [first] = seen(staff, customer, 1)
    page = live(desks(), customer)
    wait_until(lambda: page.evaluate(ASKED, f"/customers/{customer}"), 10, "what goes live does not ask")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    noted(staff, other)
    noted(staff, customer)
    expect(page.get_by_role("button", name="1 new – show")).to_be_visible(timeout=LIVE_MS)
    assert ids(page) == [first["id"]]
    assert len([url for url in asked if url.endswith(f"/customers/{customer}")]) == 1


def test_nine_tabs_are_live_and_a_tenth_loads(desks: Callable[..., Desk], served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    seen(staff, customer, 1)
    desk = desks()
    tabs = [live(desk, customer), *(desk.tab(f"/customers/{customer}") for _ in range(8))]
    for tab in tabs:
        expect(tab.locator("[data-live]")).to_have_class("live", timeout=POLL_MS)
    archived(staff, customer)
    for tab in tabs:
        expect(tab.get_by_role("button", name="1 new – show")).to_be_attached(timeout=POLL_MS)
    expect(desk.tab(f"/customers/{customer}").get_by_role("heading", name="View customer documents")).to_be_visible()


def test_without_a_stream_the_words_change_and_rows_come_all_the_same(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    """The stream is cut off in the page: there is no shared worker here, which no page can reach into."""
    customer = a_customer(served)
    seen(staff, customer, 1)
    desk = desks()
    desk.expected = ("Failed to load resource",)
    desk.context.add_init_script("delete globalThis.SharedWorker")
    desk.context.route(STREAM, lambda route: route.abort())
    desk.context.clock.install()
    page = desk.open(f"/customers/{customer}")
    expect(page.get_by_text("Live updates stopped; the list refreshes every 15 s.")).to_be_visible(timeout=POLL_MS)
    seen(staff, customer, 1)
    desk.context.clock.fast_forward(15_000)
    expect(page.get_by_role("button", name="1 new – show")).to_be_visible(timeout=POLL_MS)


# -- the past -------------------------------------------------------------------------------------------------------


def test_thirty_five_fast_presses_end_with_the_rows_of_the_last_place(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    made = seen(staff, customer, 40)
    page = desks().open(f"/customers/{customer}")
    slider = page.get_by_label("As of", exact=False).and_(page.locator("input[type=range]"))
    expect(slider).to_be_visible()
    slider.focus()
    for _ in range(35):
        page.keyboard.press("ArrowLeft")
    expected = [item["id"] for item in view(staff, customer, as_of=made[4]["recorded_at"])]
    expect(rows(page)).to_have_count(len(expected))
    expect(page.get_by_text(PAST)).to_be_visible()
    assert ids(page) == expected
    assert page.evaluate("new URLSearchParams(location.search).get('as_of')") == made[4]["recorded_at"]
    expect(page.locator("main").get_by_role("link", name="Add document")).to_have_count(0)
    expect(page.locator(".who").get_by_role("link", name="Add document")).to_have_count(0)
    expect(rows(page).get_by_role("link", name="Change")).to_have_count(0)
    expect(slider).to_be_focused()


def test_a_slow_answer_of_an_earlier_place_is_never_shown(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    made = seen(staff, customer, 6)
    page = desks().open(f"/customers/{customer}")
    held: list[Route] = []
    page.route(re.compile(r"as_of="), lambda route: held.append(route) if not held else route.continue_())
    slider = page.locator("input[type=range]")
    expect(slider).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('#as-of-now').textContent !== 'Now'")
    expect.set_options(timeout=10_000)
    while not held:
        page.wait_for_timeout(20)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(rows(page)).to_have_count(3)
    held[0].continue_()
    page.keyboard.press("ArrowRight")
    expect(rows(page)).to_have_count(4)
    assert ids(page) == [one["id"] for one in made[3::-1]]


def test_arrow_keys_go_from_change_to_change_and_home_and_end_to_the_ends(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer)
    paper = corrected(staff, paper, "withdraw")
    paper = corrected(staff, paper, "restore")
    told_until(staff, customer, paper["position"])
    page = desks().open(f"/customers/{customer}")
    slider = page.locator("input[type=range]")
    expect(slider).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(rows(page).get_by_text("Withdrawn")).to_be_visible()
    page.keyboard.press("Home")
    expect(rows(page).get_by_text("Archived")).to_be_visible()
    expect(page.get_by_text(PAST)).to_be_visible()
    expect(slider).not_to_have_attribute("aria-valuetext", "Now")
    page.keyboard.press("End")
    expect(page.get_by_text(PAST)).to_have_count(0)
    expect(slider).to_have_attribute("aria-valuetext", "Now")
    expect(page.locator("body")).not_to_have_class("then")


def test_date_and_time_are_an_equal_way_and_move_the_slider(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    seen(staff, customer, 2)
    page = desks().open(f"/customers/{customer}")
    slider = page.locator("input[type=range]")
    expect(slider).to_be_visible()
    page.get_by_label("Date").fill("4.5.2020")
    page.get_by_label("Time", exact=True).fill("10:30")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("You are viewing 4 May 2020, 10:30. Read-only.")).to_be_visible()
    expect(page.get_by_role("heading", name="No documents at that time")).to_be_visible()
    expect(slider).to_have_attribute("aria-valuetext", re.compile("4 May 2020"))
    expect(page.locator("body")).to_have_class("then")
    page.get_by_role("link", name="Now", exact=True).click()
    expect(rows(page)).to_have_count(2)
    expect(slider).to_have_attribute("aria-valuetext", "Now")


def test_nothing_new_comes_into_the_past(desks: Callable[..., Desk], served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    made = seen(staff, customer, 3)
    page = live(desks(), customer)
    slider = page.locator("input[type=range]")
    expect(slider).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(rows(page)).to_have_count(2)
    last = archived(staff, customer)
    told_until(staff, customer, last["position"])
    page.keyboard.press("ArrowLeft")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#fresh")).to_be_hidden()
    assert ids(page) == [made[0]["id"]]
    page.keyboard.press("End")
    expect(rows(page)).to_have_count(4)


# -- further rows, filters ------------------------------------------------------------------------------------------


def test_further_rows_come_below_and_the_focus_goes_to_the_first_of_them(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    made = seen(staff, customer, 52)
    page = live(desks(), customer)
    page.get_by_role("link", name="Show more").click()
    expect(rows(page)).to_have_count(52)
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)
    expect(rows(page).nth(50).locator(".open")).to_be_focused()
    assert ids(page) == [one["id"] for one in reversed(made)]
    last = archived(staff, customer)
    page.get_by_role("button", name="1 new – show").click(timeout=LIVE_MS)
    expect(rows(page)).to_have_count(53)
    assert ids(page) == [last["id"], *(one["id"] for one in reversed(made))]
    rows(page).nth(52).locator(".open").click()
    page.wait_for_url(re.compile(r"/(documents|authorizations)/"))
    page.go_back()
    expect(rows(page)).to_have_count(53)  # as many as before, and where they were
    expect(rows(page).nth(52)).to_be_in_viewport()


def test_a_choice_filters_at_once_and_the_address_keeps_it(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    letter = archived(staff, customer)
    seen(staff, customer, 1)
    page = desks().open(f"/customers/{customer}")
    unfold(page)
    page.get_by_label("Document type").select_option("LETTER")
    expect(rows(page)).to_have_count(1)
    assert ids(page) == [letter["id"]]
    rows(page).first.locator(".open").click()
    page.wait_for_url("**/documents/*")
    page.locator(".crumbs").get_by_role("link", name="Documents").click()
    page.wait_for_url("**type=LETTER**")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="Documents", exact=True).first.click()  # the bar: whose, but one press away
    page.locator("#recent").get_by_role("link").click()
    page.wait_for_url(f"**/customers/{customer}")
    page.go_back()
    page.go_back()
    page.get_by_role("link", name=re.compile("^Authorizations")).click()
    expect(page.get_by_role("heading", name="No results for this filter")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="No results for this filter")).to_be_visible()
    expect(page.get_by_label("Document type")).to_have_value("LETTER")


def test_what_is_pressed_while_its_part_is_to_be_exchanged_hears_its_click(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    archived(staff, customer)
    seen(staff, customer, 1)
    page = desks().open(f"/customers/{customer}")
    unfold(page)
    page.get_by_role("link", name=re.compile("^Authorizations")).hover()
    page.mouse.down()
    with page.expect_response("**type=LETTER**"):
        page.get_by_label("Document type").select_option("LETTER")
    page.wait_for_timeout(300)  # in which it would be exchanged
    page.mouse.up()
    page.wait_for_url("**papers=authorizations**")
    expect(rows(page)).to_contain_text(["Guardian consent"])


def test_change_of_a_row_leads_to_what_can_be_changed(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer)
    told_until(staff, customer, paper["position"])
    page = desks().open(f"/customers/{customer}")
    rows(page).first.get_by_role("link", name="Change").click()
    page.wait_for_url(f"**/documents/{paper['id']}#change")
    expect(page.get_by_role("heading", name="Change", exact=True)).to_be_in_viewport()


def test_enter_on_a_row_opens_it_and_arrows_go_from_row_to_row(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    first = archived(staff, customer)
    second = archived(staff, customer)
    told_until(staff, customer, second["position"])
    page = desks().open(f"/customers/{customer}")
    rows(page).first.locator(".open").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"#row-{first['id']} .open")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/documents/{first['id']}")


def test_the_whole_row_opens_its_paper(desks: Callable[..., Desk], served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    letter = archived(staff, customer)
    told_until(staff, customer, letter["position"])
    page = desks().open(f"/customers/{customer}")
    rows(page).first.locator("td").nth(5).click(force=True)  # the title's link lies over the row
    page.wait_for_url(f"**/documents/{letter['id']}")


@pytest.mark.parametrize("scripts", [True, False])
def test_headings_sort_the_list_and_the_latest_received_comes_first(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client, scripts: bool
) -> None:
    customer = a_customer(served)
    days = ("2025-05-05", "2026-01-01", "2024-12-31")
    middle, newest, oldest = (archived(staff, customer, received_on=day)["id"] for day in days)
    form = archived(staff, customer, type="FORM", received_on="2020-01-01")
    told_until(staff, customer, form["position"])
    page = desks(java_script_enabled=scripts).open(f"/customers/{customer}")
    received = page.get_by_role("columnheader", name="Received")
    expect(received).to_have_attribute("aria-sort", "descending")
    assert ids(page) == [newest, middle, oldest, form["id"]]
    received.get_by_role("link").click()
    expect(received).to_have_attribute("aria-sort", "ascending")
    assert ids(page) == [form["id"], oldest, middle, newest]
    kind = page.get_by_role("columnheader", name="Document")
    kind.get_by_role("link").click()
    expect(kind).to_have_attribute("aria-sort", "ascending")
    assert ids(page)[0] == form["id"]
    kind.get_by_role("link").click()
    expect(kind).to_have_attribute("aria-sort", "descending")
    assert ids(page)[-1] == form["id"]
    assert "sort=-type" in page.url


# -- made anew ------------------------------------------------------------------------------------------------------


def test_a_view_that_is_made_anew_leaves_the_page_byte_for_byte(desks: Callable[..., Desk], quiet: Served) -> None:
    staff, customer = quiet.as_("staff"), a_customer(quiet)
    paper = corrected(staff, archived(staff, customer, note="a note"), "describe", title="A title", note="another")
    last = seen(staff, customer, 3)[-1]
    addresses = (f"/customers/{customer}", f"/customers/{customer}?as_of={paper['position']}")
    page = desks(at=quiet).open(addresses[0])

    def made() -> list[str]:
        return [page.request.get(address, headers={"Accept": "text/html"}).text() for address in addresses]

    before = made()
    assert last["id"] in before[0]
    ended = command("projection", "rebuild", "--json", env=environment(quiet.home, quiet.database_url))
    assert ended.code == 0, ended.err
    assert made() == before
