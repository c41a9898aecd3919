"""Scan page (S2) in a browser, on simulated scanners: from the sheet on the glass to the customer's document."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from scanner.station import scanner_id_of
from tests.browser.desks import Desk
from tests.http.desk import a_customer, issue, item_of, view
from tests.http.pages import Visitor
from tests.http.scanning import a_code_page, a_form_page, a_page, filled, saved
from tests.http.served import Served, serving, wait_until
from tests.scanner.stations import SECONDS

GLASS, FEEDER = "simulated:flatbed?seconds=0", "simulated:feeder?pages=3&seconds=0"
JAM = "simulated:feeder?pages=30&jam=21&seconds=0"
COVER, STUCK = "simulated:feeder?cover=2&seconds=0", "simulated:feeder?stall=2&seconds=0"
SLOW, EMPTY = "simulated:feeder?pages=9&seconds=1", "simulated:feeder?pages=0&seconds=0"
SHORT = "simulated:feeder?pages=2&seconds=1"
AWAY, TAKEN = "simulated:flatbed?offline=1", "simulated:feeder?busy=1"
DEVICES = (GLASS, FEEDER, JAM, COVER, STUCK, SLOW, SHORT, EMPTY, AWAY, TAKEN)
PROFILES = "letter.resolution_dpi=100,letter.silence_seconds_max=6"
SLOW_TO_SAY = 30_000
"""Milliseconds. A station looks now and then, on a machine that is at much else."""


@pytest.fixture(scope="module")
def archive() -> Iterator[Served]:
    """With a station of its own, as `DOSSIER_SCANNERS=simulated ./run serve` starts one."""
    variables = {
        "DOSSIER_SCANNERS": ",".join(DEVICES),
        "DOSSIER_SCANNER_NAMES": f"{GLASS}=Front desk",
        "DOSSIER_SCAN_PROFILES": PROFILES,
    }
    with serving(**variables) as running:
        staff = running.as_("staff")
        wait_until(lambda: len(staff.get("/v1/scanners").json()["items"]) == len(DEVICES), SECONDS, "no station")
        yield running


class AtScanner:
    """A person at the page that scans."""

    def __init__(self, desk: Desk, *, customer: str | None = None) -> None:
        self.desk, self.archive = desk, desk.served.as_("staff")
        self.page = desk.open(f"/add?source=scan{f'&customer={customer}' if customer else ''}")

    def choose(self, device: str) -> "AtScanner":
        """And the pane that is made anew for it is there."""
        option = self.page.locator(f'#scan-with option[value$=":{scanner_id_of(device)}"]').first
        with self.page.expect_response("**/add") as answered:
            self.page.get_by_label("Scanner", exact=True).select_option(option.get_attribute("value"))
        answered.value.finished()
        self.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        return self

    def press(self, name: str | re.Pattern[str]) -> "AtScanner":
        self.page.locator("#scan").get_by_role("button", name=name).first.click()
        return self

    def scan(self, device: str, pages: int) -> "AtScanner":
        """One pass to its end."""
        self.choose(device).press("Scan page")
        if ":flatbed" in device:
            self.press("Yes, scan")
        return self.until(pages)

    def until(self, pages: int) -> "AtScanner":
        expect(self.thumbs).to_have_count(pages, timeout=SLOW_TO_SAY)
        expect(self.page.get_by_role("button", name="Discard all")).to_be_visible(timeout=SLOW_TO_SAY)
        return self

    @property
    def thumbs(self) -> Locator:
        return self.page.locator("#scan-strip [data-n]")

    @property
    def session(self) -> str:
        found = re.search(r"session=([0-9a-f-]{36})", self.page.url)
        assert found, self.page.url
        return found[1]

    def stored(self) -> dict[str, Any]:
        return item_of(self.archive.get(f"/v1/scan-sessions/{self.session}"))

    def order(self) -> list[str]:
        """The pages as they are stored, by what is on them."""
        return [page["sha256"] for page in self.stored()["pages"]]

    def shown(self) -> list[str | None]:
        return [one.get_attribute("data-sha") for one in self.thumbs.all()]

    def says(self, *sentences: str) -> None:
        for sentence in sentences:
            expect(self.page.locator("#scan-state")).to_contain_text(sentence, timeout=SLOW_TO_SAY)


@pytest.fixture
def at(desks: Callable[..., Desk], archive: Served) -> Callable[..., AtScanner]:
    def open_desk(customer: str | None = None, **options: Any) -> AtScanner:
        return AtScanner(desks(at=archive, **options), customer=customer)

    return open_desk


@pytest.fixture
def customer(archive: Served) -> str:
    return a_customer(archive, name="Anna de Vries")


# -- from the sheet to the document ---------------------------------------------------------------------------------


def test_a_form_on_the_glass_becomes_the_evidence_of_its_authorization(
    at: Callable[..., AtScanner], archive: Served, customer: str
) -> None:
    """B1 to B9, B11."""
    code = issue(archive.as_("staff"), customer).json()["scan_code"]
    desk = at().choose(GLASS).press("Scan page")
    desk.says("Is the page on the glass?")
    expect(desk.page.get_by_role("button", name="Yes, scan")).to_be_focused()
    assert desk.stored()["state"] == "awaiting_confirmation"
    desk.press("Yes, scan").until(1)
    desk.page.get_by_label("Document scan code").click()
    desk.desk.shoot_with_wand(code)
    found = desk.page.locator("#collection")
    expect(found).to_contain_text("Anna de Vries")
    expect(found).to_contain_text("Guardian consent")
    assert view(archive.as_("staff"), customer)[0]["evidence"] is None
    desk.page.get_by_role("button", name="OK").click()
    expect(desk.page.locator("div[data-done]")).to_contain_text("Saved")
    expect(desk.page.get_by_label("Card number or scan code")).to_be_focused()
    [row] = view(archive.as_("staff"), customer)
    assert (row["status"], row["source"], row["scan_code"], row["pages"]) == ("active", "scan", code, 1)
    assert row["evidence"]


def test_no_leaves_nothing_behind(at: Callable[..., AtScanner], archive: Served) -> None:
    desk = at().choose(GLASS).press("Scan page")
    desk.says("Is the page on the glass?")
    session = desk.session
    desk.press("Cancel")
    expect(desk.page.get_by_role("button", name="Scan page")).to_be_focused()
    assert archive.as_("staff").get(f"/v1/scan-sessions/{session}").json()["state"] == "cancelled"
    assert "session=" not in desk.page.url


def test_a_feeder_is_not_asked_about_and_a_page_without_a_code_needs_customer_and_type(
    at: Callable[..., AtScanner], archive: Served, customer: str
) -> None:
    """B10."""
    desk = at().scan(FEEDER, 3).press("All as one document")
    page = desk.page
    save = page.get_by_role("button", name="Save Ctrl+Enter")
    expect(save).to_have_attribute("aria-disabled", "true")
    page.locator("#about").get_by_role("button", name="Search customer").click()
    page.get_by_role("searchbox").fill(customer)
    page.get_by_role("radio", name=re.compile("Anna de Vries")).check()
    page.get_by_role("button", name="OK").click()
    page.get_by_role("radio", name=re.compile("Letter")).check()
    page.get_by_role("button", name="OK").click()
    save.click()
    expect(page.locator("div[data-done]")).to_contain_text("Saved")
    [row] = view(archive.as_("staff"), customer)
    assert (row["type"], row["source"], row["pages"], row["scan_code"]) == ("LETTER", "scan", 3, None)


def test_a_code_on_the_page_is_offered_and_never_applied_silently(
    at: Callable[..., AtScanner], archive: Served, customer: str
) -> None:
    staff = archive.as_("staff")
    form = issue(staff, customer).json()
    session = filled(staff, a_form_page(staff, form["form"]))
    desk = at()
    page = desk.desk.open(f"/add?source=scan&session={session['id']}")
    field = page.get_by_label("Document scan code")
    expect(page.locator("#scan-codes")).to_contain_text("Code on page 1")
    expect(field).to_have_value("")
    expect(page.locator("#collection")).to_be_hidden()
    desk.press("Use it")
    expect(page.locator("#collection")).to_contain_text("Anna de Vries")
    field.press("End")
    field.press("Backspace")
    expect(page.locator("#collection")).to_be_hidden()
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Control+Enter")
    assert view(staff, customer)[0]["evidence"] is None


def test_who_it_is_not_voids_the_check(at: Callable[..., AtScanner], archive: Served, customer: str) -> None:
    staff = archive.as_("staff")
    session = filled(staff, a_form_page(staff, issue(staff, customer).json()["form"]))
    desk = at()
    page = desk.desk.open(f"/add?source=scan&session={session['id']}")
    desk.press("Use it")
    expect(page.locator("#who")).to_contain_text("Anna de Vries")
    desk.press("Not this customer")
    expect(page.locator("#who")).to_contain_text("No customer chosen")
    expect(page.get_by_label("Document scan code")).to_be_focused()


def test_ok_twice_saves_once(at: Callable[..., AtScanner], archive: Served, customer: str) -> None:
    staff = archive.as_("staff")
    session = filled(staff, a_page(), a_page())
    page = at().desk.open(f"/add?source=scan&session={session['id']}&customer={customer}&type=LETTER")
    page.locator("#save").dblclick()
    expect(page.locator("div[data-done]")).to_contain_text("Saved")
    assert len(view(staff, customer)) == 1


# -- pages ----------------------------------------------------------------------------------------------------------


def test_pages_are_turned_moved_by_buttons_and_by_hand_and_removed(at: Callable[..., AtScanner]) -> None:
    desk = at().scan(FEEDER, 3)
    one, two, three = desk.order()
    desk.press("Rotate")
    expect(desk.page.locator("#page-view img")).to_have_attribute("src", re.compile(r"\.90$"))
    assert desk.stored()["pages"][0]["degrees"] == 90
    desk.press("Right")
    expect(desk.thumbs.nth(0)).to_have_attribute("data-sha", two)
    assert desk.order() == [two, one, three]
    expect(desk.page.locator("#scan-right")).to_be_focused()
    desk.thumbs.nth(2).drag_to(desk.thumbs.nth(0))
    expect(desk.thumbs.nth(0)).to_have_attribute("data-sha", three)
    assert desk.order() == desk.shown() == [three, two, one]
    desk.page.get_by_role("link", name="Page 2").click()
    desk.press("Remove")
    desk.says("Remove page 2? You cannot undo this.")
    desk.press("Cancel")
    expect(desk.page.locator("#scan-question")).to_have_count(0)
    assert desk.order() == [three, two, one]
    desk.press("Remove")
    remove = desk.page.locator("#scan-state").get_by_role("button", name="Remove")
    expect(remove).to_have_class(re.compile(r"\bfinal\b"))
    remove.click()
    expect(desk.thumbs).to_have_count(2)
    assert desk.order() == [three, one]


def test_a_page_is_scanned_again_in_its_place(at: Callable[..., AtScanner]) -> None:
    desk = at().scan(FEEDER, 3)
    one, two, three = desk.order()
    desk.page.get_by_role("link", name="Page 2").click()
    desk.press("Rescan")
    desk.says("Is page 2 alone in the feeder?")
    desk.press("Yes, scan")
    # Five pages are there twice: before the last one came, and when it took the place of page 2.
    wait_until(lambda: desk.order() == [one, one, two, three, three], SLOW_TO_SAY / 1_000, f"{desk.order()}")
    desk.until(5)


def test_the_other_sides_of_a_stack_become_the_backs_of_its_sheets(at: Callable[..., AtScanner]) -> None:
    desk = at().scan(FEEDER, 3)
    one, two, three = desk.order()
    desk.press("Scan the other sides")
    desk.says("Turn the stack over and put it back into the feeder.")
    desk.press("Scan the other sides").until(6)
    expect(desk.page.get_by_text("Fronts and backs are interleaved.")).to_be_visible()
    assert desk.order() == [one, three, two, two, three, one]
    desk.press("Reverse the order of the backs")
    expect(desk.thumbs.nth(1)).to_have_attribute("data-sha", one)
    assert desk.order() == [one, one, two, two, three, three]


def test_a_pass_that_is_over_before_it_is_seen_is_collated_all_the_same(at: Callable[..., AtScanner]) -> None:
    """A page that came late took it for one that nobody had asked for."""
    desk = at().scan(FEEDER, 3)
    one, two, three = desk.order()
    desk.press("Scan the other sides")
    desk.says("Turn the stack over and put it back into the feeder.")

    def late(route: Route) -> None:
        time.sleep(1.5)
        route.continue_()

    desk.page.route("**/add", late)
    desk.press("Scan the other sides")
    expect(desk.page.get_by_text("Fronts and backs are interleaved.")).to_be_visible()
    assert desk.order() == [one, three, two, two, three, one]


def test_a_page_that_is_drawn_after_the_pass_is_over_puts_what_it_brought_in_its_place(
    at: Callable[..., AtScanner],
) -> None:
    """It is asked for while the pass goes on. The page that was scanned again stayed beside the new ones."""
    desk = at().scan(SHORT, 2)
    one, two = desk.order()
    desk.page.get_by_role("link", name="Page 2").click()
    desk.press("Rescan")
    desk.says("Is page 2 alone in the feeder?")
    drawn: list[Route] = []

    def late(route: Route) -> None:
        """All but the first, which shows that the pass has begun."""
        drawn.append(route)
        if len(drawn) > 1:
            wait_until(lambda: desk.stored()["state"] == "review", SECONDS, "it has no end")
        route.continue_()

    desk.page.route("**/add", late)
    desk.press("Yes, scan").until(3)
    assert desk.order() == [one, one, two]


def test_a_batch_is_saved_document_by_document_and_the_rest_stays(
    at: Callable[..., AtScanner], archive: Served, customer: str
) -> None:
    staff, other = archive.as_("staff"), a_customer(archive, name="Bea Jansen")
    forms = [issue(staff, one).json() for one in (customer, other)]
    first, second = (a_form_page(staff, form["form"]) for form in forms)
    session = filled(staff, first, a_page(), second)
    desk = at()
    page = desk.desk.open(f"/add?source=scan&session={session['id']}")
    expect(page.get_by_text("These pages look like 2 documents")).to_be_visible()
    for pages, name, count in (("1,2", "Anna de Vries", "2 of 3 pages"), ("1", "Bea Jansen", "1 page")):
        expect(page.locator("[name=pages]")).to_have_value(pages if count.startswith("2") else "")
        expect(page.locator("#rail")).to_contain_text(count)
        desk.press("Use it")
        expect(page.locator("#who")).to_contain_text(name)
        page.locator("#save").click()
        expect(page.locator("#done")).to_contain_text(name)
    assert [view(staff, one)[0]["pages"] for one in (customer, other)] == [2, 1]


def test_the_tools_of_a_page_stand_above_it_and_stay_in_view(at: Callable[..., AtScanner], archive: Served) -> None:
    """Below a tall page they were out of view, and so was the question that they ask."""
    session = filled(archive.as_("staff"), a_page(), a_page())
    page = at().desk.open(f"/add?source=scan&session={session['id']}")
    tools, well = page.get_by_role("button", name="Remove"), page.locator("#page-view")
    below, top = tools.bounding_box(), well.bounding_box()
    assert below is not None
    assert top is not None
    assert below["y"] + below["height"] <= top["y"]


def test_a_page_that_looks_blank_is_kept_or_removed(at: Callable[..., AtScanner], archive: Served) -> None:
    blank = saved(Image.new("L", (413, 585), 250))
    session = filled(archive.as_("staff"), a_page(), blank, a_page(), blank)
    desk = at()
    page = desk.desk.open(f"/add?source=scan&session={session['id']}")
    expect(page.get_by_text("Pages 2, 4 look blank. Keep or remove?")).to_be_visible()
    desk.press("Keep")
    expect(page.get_by_text("look blank")).to_have_count(0)
    page.reload()
    page.locator("#scan-pages .note").get_by_role("button", name="Remove").click()
    expect(desk.thumbs).to_have_count(2)


def test_after_somebody_was_first_no_other_page_is_removed(at: Callable[..., AtScanner], archive: Served) -> None:
    """Of two blank pages the second removal went by numbers that were of other pages by then."""
    blank = saved(Image.new("L", (413, 585), 250))
    session = filled(archive.as_("staff"), a_page(), blank, a_page(), blank)
    desk = at()
    desk.desk.expected = ("Failed to load resource",)
    page = desk.desk.open(f"/add?source=scan&session={session['id']}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/remove") else None)
    late = json.dumps({"type": "/problems/precondition-failed", "status": 412, "detail": "Somebody was first."})
    page.route("**/remove", lambda route: route.fulfill(status=412, content_type="application/problem+json", body=late))
    page.locator("#scan-pages .note").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Somebody was first.")).to_be_visible()
    expect(desk.thumbs).to_have_count(4)
    assert [address.rpartition("/pages/")[2] for address in asked] == ["4/remove"]


# -- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_jam_on_page_21_keeps_pages_1_to_20_also_over_a_reload(at: Callable[..., AtScanner]) -> None:
    desk = at().choose(JAM).press("Scan page").until(20)
    sentence = "Paper jam after page 20. Pages 1-20 are kept."
    desk.says(sentence)
    expect(desk.page.locator("body")).not_to_contain_text("as the name says")
    pages = desk.order()
    desk.page.reload()
    desk.says(sentence)
    assert desk.shown() == desk.order() == pages
    expect(desk.page.locator("#page-view img")).to_have_js_property("complete", True)
    again = desk.desk.tab(desk.page.url)  # as after a crash
    expect(again.locator("#scan-strip [data-n]")).to_have_count(20)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        (COVER, "Close the cover and press Scan again. Page 1 is kept."),
        (STUCK, "The scanner stopped after page 1. Page 1 is kept."),
        (EMPTY, "There is no paper in the feeder. Put the paper in and press Scan again."),
        (TAKEN, "The scanner is in use. Wait or choose another scanner."),
        (AWAY, "The scanner does not answer. Check cable and power."),
    ],
)
def test_each_trouble_of_a_scanner_has_its_sentence(at: Callable[..., AtScanner], device: str, sentence: str) -> None:
    """Point 17, and never a driver's word."""
    desk = at()
    desk.desk.expected = ("Failed to load resource",)
    desk.choose(device).press("Scan page")
    if device == TAKEN:  # nothing is known of it yet, so it is taken for a flatbed
        desk.press("Yes, scan")
    desk.says(sentence)
    expect(desk.page.locator("body")).not_to_contain_text("as the name says")
    expect(desk.page.get_by_role("button", name="Scan again")).to_be_visible()


def test_who_has_the_scanner_is_said(at: Callable[..., AtScanner]) -> None:
    first = at().choose(GLASS).press("Scan page")
    first.says("Is the page on the glass?")
    second = at()
    second.desk.expected = ("Failed to load resource",)
    second.choose(GLASS).press("Scan page")
    second.says("is scanning for staff (page 1). Wait or choose another scanner.")
    first.press("Cancel")
    expect(first.page.get_by_role("button", name="Scan page")).to_be_focused()
    second.press("Scan again")
    second.says("Is the page on the glass?")
    second.press("Cancel")
    expect(second.page.get_by_role("button", name="Scan page")).to_be_focused()


def test_a_stopped_scan_keeps_its_pages(at: Callable[..., AtScanner]) -> None:
    desk = at().choose(SLOW).press("Scan page")
    desk.says("Scanning page 2")
    desk.press("Stop")
    expect(desk.page.get_by_role("button", name="Discard all")).to_be_visible()
    assert 1 <= len(desk.stored()["pages"]) < 9
    desk.press("Discard all")
    desk.page.locator("#scan-state").get_by_role("button", name="Discard all").click()
    expect(desk.page.get_by_role("button", name="Scan page")).to_be_focused()


def test_while_the_archive_is_away_pages_stay_and_scanning_goes_on_by_itself(at: Callable[..., AtScanner]) -> None:
    """Point 36."""
    desk = at()
    desk.desk.expected = ("Failed to load resource",)
    desk.choose(SLOW).press("Scan page")
    desk.says("Scanning page 2")
    desk.desk.context.set_offline(True)
    expect(desk.page.get_by_text("There is no connection to the archive.")).to_be_visible()
    expect(desk.thumbs.first).to_be_visible()
    desk.desk.context.set_offline(False)
    expect(desk.page.get_by_text("There is no connection to the archive.")).to_have_count(0)
    desk.says("Scanning page 4")
    desk.press("Stop")
    expect(desk.page.get_by_role("button", name="Discard all")).to_be_visible()


def test_a_desk_without_a_scanner_is_told_what_to_do(desks: Callable[..., Desk]) -> None:
    desk = desks()
    page = desk.open("/add?source=scan")
    expect(page.get_by_role("heading", name="No scanner is set up")).to_be_visible()
    assert desk.violations() == []
    page.locator("#scan").get_by_role("link", name="Select file").click()
    expect(page).to_have_url(re.compile("source=file"))


def test_a_desk_of_a_branch_without_a_scanner_is_told_where_there_are_some(at: Callable[..., AtScanner]) -> None:
    """What a clerk can do and say, and what an operator has to start. In its own branch the scanner has its name."""
    page = at(branch="EAST").page
    expect(page.get_by_role("heading", name="No scanner at branch EAST")).to_be_visible()
    expect(page.locator("#scan")).to_contain_text("The scanners are at other branches: MAIN.")
    expect(page.locator("#sources")).to_contain_text("No scanner at branch EAST")
    expect(page.get_by_text("DOSSIER_SCANNERS")).to_be_hidden()
    page.get_by_text("For the administrator").click()
    expect(page.get_by_text("DOSSIER_BRANCH=EAST")).to_be_visible()
    expect(at(branch="MAIN").page.get_by_label("Scanner", exact=True)).to_contain_text("Front desk, flatbed: ready")


def test_scan_page_tells_of_the_callers_own_unfinished_scan_alone(archive: Served) -> None:
    mine, theirs = (archive.client(archive.new_token(secrets.token_hex(4), "staff")) for _ in "ab")
    told = "You have an unfinished scan of"
    with Visitor(archive, Authorization=mine.headers["Authorization"]) as visitor:
        filled(theirs)
        assert told not in visitor.open("/add", source="scan").main
        scan = filled(mine)
        page = visitor.open("/add", source="scan")
        assert told in page.main
        assert any(scan["id"] in link["href"] for link, words in page.all("a") if words.startswith("Continue"))


def test_why_scanner_and_profile_cannot_be_changed_is_seen(at: Callable[..., AtScanner], archive: Served) -> None:
    session = filled(archive.as_("staff"), a_page())
    page = at().desk.open(f"/add?source=scan&session={session['id']}")
    expect(page.get_by_label("Scanner", exact=True)).to_be_disabled()
    expect(page.get_by_text("These pages were sent as files. You cannot add scanned pages.")).to_be_in_viewport()
    there = at().scan(GLASS, 1).page
    expect(there.get_by_text("Scanner and profile stay the same until")).to_be_in_viewport()


def test_what_is_no_scan_code_is_not_offered(at: Callable[..., AtScanner], archive: Served) -> None:
    session = filled(archive.as_("staff"), a_code_page("https://example.org/"))
    page = at().desk.open(f"/add?source=scan&session={session['id']}")
    expect(page.locator("#scan-strip [data-n]")).to_have_count(1)
    expect(page.get_by_text("Code on page")).to_have_count(0)


def test_a_session_that_is_over_is_said_to_be(at: Callable[..., AtScanner], archive: Served) -> None:
    staff = archive.as_("staff")
    session = filled(staff, a_page())
    staff.delete(f"/v1/scan-sessions/{session['id']}")
    page = at().desk.open(f"/add?source=scan&session={session['id']}")
    expect(page.get_by_text("These pages no longer exist")).to_be_visible()


# -- for everyone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (320, "dark"),
        pytest.param(1280, "light", marks=pytest.mark.long),
        pytest.param(320, "light", marks=pytest.mark.long),
        pytest.param(1280, "dark", marks=pytest.mark.long),
    ],
)
def test_the_page_that_scans_is_for_everyone(
    at: Callable[..., AtScanner], archive: Served, width: int, scheme: str
) -> None:
    staff = archive.as_("staff")
    form = issue(staff, a_customer(archive), type="DEBT_AUTHORIZATION", mandate={"debtor_name": "J. de Vries"}).json()
    session = filled(staff, a_form_page(staff, form["form"]), a_page(), a_form_page(staff, form["form"]))
    desk = at(width=width, color_scheme=scheme)

    def is_fine(page: Page) -> None:
        assert desk.desk.violations() == []
        assert not desk.desk.is_too_wide()

    is_fine(desk.page)
    desk.choose(GLASS).press("Scan page")
    desk.says("Is the page on the glass?")
    is_fine(desk.page)
    desk.press("Cancel")
    page = desk.desk.open(f"/add?source=scan&session={session['id']}")
    expect(page.get_by_text("Code on page 1")).to_be_visible()
    is_fine(page)
    desk.press("Use it")
    expect(page.locator("#collection")).to_be_visible()
    is_fine(page)
