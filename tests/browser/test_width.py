"""No page has to be scrolled sideways, whatever people are called and files are named; and a list shows many rows."""

import secrets
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desks import Desk, a_user
from tests.http.desk import (
    DEBT,
    a_customer,
    a_mandate,
    an_iban,
    archived,
    corrected,
    handed_in,
    issued,
    noted,
    stepped,
    view,
)
from tests.http.served import Served

WIDTHS = (1280, 768, 360)
ROWS_MIN = 11
"""On a screen of 1280 × 900."""
WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
LONG_NAME = "Wilhelmina-Alexandrina van der Schaepmeester-Hohenzollern-Sigmaringen de Vries"
ADDRESS = f"https://www.example.org/een/lang/adres/zonder/spatie?token={'x' * 90}"
FILE = f"een_bestandsnaam_zonder_spaties_zoals_scanners_ze_maken_{'1234567890' * 4}.pdf"
HEAD_SHARE_MAX = 1 / 4
"""Of the height of the screen, by the bar and the customer's band."""
PHONE = {"width": 360, "height": 740}
PHONE_HEAD_SHARE_MAX = 0.22
PHONE_ROW_MAX = 170
"""Pixels of a row of the list."""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
IN_VIEW = """[...document.querySelectorAll("#list tbody tr")]
    .filter((row) => row.getBoundingClientRect().bottom <= innerHeight).length"""


class Hostile(NamedTuple):
    """A customer of whom everything is long and without blanks, and some of the papers."""

    customer: str
    document: str
    titled: str
    suspended: str

    @property
    def pages(self) -> dict[str, str]:
        return {
            "list": f"/customers/{self.customer}",
            "document": f"/documents/{self.titled}?change=describe",
            "authorization": f"/authorizations/{self.suspended}?change=amend",
            "timeline": f"/customers/{self.customer}/timeline",
            "list filtered": f"/customers/{self.customer}?q=e&status=archived",
            "list of the past": f"/customers/{self.customer}?day=2020-01-01",
            "other document": f"/documents/{self.document}",
            "print": f"/documents/{self.document}/print",
            "timeline of a document": f"/documents/{self.titled}/timeline",
            "customers": "/customers?q=Donaudampf",
            "change customer": f"/customers/{self.customer}/edit",
            "form": f"/customers/{self.customer}/form",
            "search": "/search?q=Donaudampf",
            "find": f"/find?code={'X1' * 90}",
            "work list": "/work?all=1",
            "reference": "/docs",
        }


SHORT = ("list", "document", "authorization", "timeline")


@cache
def hostile(served: Served) -> Hostile:
    staff = served.as_("staff")
    customer = a_customer(served, name=f"{WORD} van {WORD[:30]}", card_numbers=["2" * 60, "3" * 60])
    document = archived(staff, customer, name=FILE, note=ADDRESS)
    titled = corrected(staff, archived(staff, customer, name=FILE), "describe", title=WORD, note=ADDRESS)
    corrected(staff, archived(staff, customer, name=FILE), "withdraw", reason=ADDRESS)
    noted(staff, customer, original={"held": True, "shelf_mark": "Kast_achter_de_balie_plank_12_map_3_zonder"})
    mandate = noted(staff, customer, type=DEBT, mandate=a_mandate(iban=an_iban(), debtor_name="W" * 70))
    suspended = stepped(staff, mandate, "suspend", reason=ADDRESS)
    last = handed_in(staff, issued(staff, customer)["scan_code"], name=FILE)
    assert len(view(staff, customer, last["position"])) == 6
    return Hostile(customer, document["id"], titled["id"], suspended["id"])


def excess(page: Page) -> dict[int, int]:
    """Pixels by which the page is wider than a window of each of the widths where it is."""
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found[width] = page.evaluate(SIDEWAYS)
    return {width: pixels for width, pixels in found.items() if pixels}


@pytest.mark.parametrize("language", ["en", "nl", "de"])
@pytest.mark.parametrize("which", [SHORT, pytest.param((), marks=pytest.mark.long)], ids=["some", "all"])
def test_no_page_is_wider_than_the_window(
    desks: Callable[..., Desk], served: Served, language: str, which: tuple[str, ...]
) -> None:
    pages = hostile(served).pages
    desk = desks("operator", language=language)
    desk.expected = ("Failed to load resource",)
    found = {name: pixels for name in which or pages if (pixels := excess(desk.open(pages[name])))}
    assert found == {}


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_a_list_shows_eleven_rows_on_an_ordinary_screen(
    desks: Callable[..., Desk], served: Served, language: str
) -> None:
    staff, customer = (
        served.as_("staff"),
        a_customer(served, card_numbers=[f"{secrets.randbelow(10**14):014}"], birth_date="1971-03-12"),
    )
    for n in range(14):
        name, note = (FILE, ADDRESS) if n % 2 else ("letter.pdf", "Payment arrangement")
        last = archived(
            staff, customer, name=name, note=note, type="READING_DISABILITY", received_on=f"2026-01-{n + 1:02}"
        )
    page = desks(language=language).open(f"/customers/{customer}?at={last['position']}")
    expect(page.locator("#slide")).to_be_visible()
    assert page.evaluate(IN_VIEW) >= ROWS_MIN


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_the_head_leaves_three_quarters_of_the_screen(
    desks: Callable[..., Desk], served: Served, language: str
) -> None:
    known = {"card_numbers": [f"{secrets.randbelow(10**14):014}"], "birth_date": "1971-03-12", "home_branch": "CENTRAL"}
    ordinary, long = a_customer(served, **known), a_customer(served, **{**known, "card_numbers": []}, name=LONG_NAME)
    desk = desks(None, language=language)
    desk.come_in(a_user(served))
    for customer, width, height in (
        (long, 1280, 900),
        (ordinary, 1280, 900),
        (ordinary, 1024, 768),
        (ordinary, 768, 1024),
        (ordinary, 360, 740),
    ):
        desk.page.set_viewport_size({"width": width, "height": height})
        page = desk.open(f"/customers/{customer}")
        if width >= 640:
            expect(page.locator(".live")).to_be_visible()
        head = page.locator(".top").evaluate("(top) => top.getBoundingClientRect().height")
        assert head <= height * HEAD_SHARE_MAX, (customer, width, head)


def head_of(page: Page) -> float:
    height: float = page.locator(".top").evaluate("(top) => top.getBoundingClientRect().height")
    return height


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_the_head_of_an_operator_fits_a_phone(desks: Callable[..., Desk], served: Served, language: str) -> None:
    desk = desks(None, language=language)
    desk.come_in(a_user(served, "operator"))
    desk.page.set_viewport_size(PHONE)  # type: ignore[arg-type] # a plain dict
    card = f"{secrets.randbelow(10**14):014}"
    customer = a_customer(served, card_numbers=[card], birth_date="1971-03-12", home_branch="CENTRAL")
    head = head_of(desk.open(f"/customers/{customer}"))
    assert head <= PHONE["height"] * PHONE_HEAD_SHARE_MAX, head


def test_a_name_without_a_blank_leaves_three_quarters_of_the_screen(desks: Callable[..., Desk], served: Served) -> None:
    desk = desks("operator")
    desk.page.set_viewport_size({"width": 1280, "height": 900})
    page = desk.open(f"/customers/{hostile(served).customer}")
    assert head_of(page) <= 900 * HEAD_SHARE_MAX
    name = page.locator("#who .whole")
    assert name.get_attribute("title") == f"{WORD} van {WORD[:30]}"


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_a_row_of_the_list_is_short_on_a_phone(desks: Callable[..., Desk], served: Served, language: str) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    archived(staff, customer, name=FILE, note=ADDRESS, type="READING_DISABILITY")
    noted(staff, customer, original={"held": True, "shelf_mark": "Cupboard 2, folder 14"})
    last = handed_in(staff, issued(staff, customer)["scan_code"], name="letter.pdf")
    desk = desks("operator", language=language)
    desk.page.set_viewport_size(PHONE)  # type: ignore[arg-type] # a plain dict
    page = desk.open(f"/customers/{customer}?at={last['position']}")
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(3)
    heights = rows.evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")
    assert max(heights) <= PHONE_ROW_MAX, heights


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_what_one_does_to_a_row_stays_inside_the_list(
    desks: Callable[..., Desk], served: Served, language: str
) -> None:
    desk = desks("operator", language=language)
    desk.page.set_viewport_size({"width": 768, "height": 1024})
    page = desk.open(f"/customers/{hostile(served).customer}")
    edge, *ends = page.evaluate(
        """() => ["#list", "#list .go .btn"].flatMap((which) => [...document.querySelectorAll(which)])
            .map((one) => one.getBoundingClientRect().right)"""
    )
    assert ends
    assert max(ends) <= edge


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_the_tools_of_the_pages_stand_on_one_line(desks: Callable[..., Desk], served: Served, language: str) -> None:
    page = desks(language=language).open(f"/documents/{hostile(served).document}")
    tops = page.locator("#viewer-acts .btn:visible").evaluate_all("all => all.map((one) => one.offsetTop)")
    assert len(tops) == 6
    assert len(set(tops)) == 1


@pytest.mark.parametrize("which", ["list", "document", "authorization"])
def test_a_page_is_printed_without_what_can_only_be_pressed(
    desks: Callable[..., Desk], served: Served, which: str
) -> None:
    page = desks().open(hostile(served).pages[which].partition("?")[0])
    pressed = page.locator(":is(a, button, summary):is(.btn, .tabs *, .bar *, .fold *, .change *):visible")
    expect(pressed.first).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("main h1")).to_be_visible()
    expect(pressed).to_have_count(0)
    expect(page.locator(".imprint")).to_be_visible()
    expect(page.locator(".imprint span"), "when and by whom it was printed").to_be_visible()


@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_the_word_for_a_state_is_not_broken(desks: Callable[..., Desk], served: Served, language: str) -> None:
    page = desks(language=language).open(f"/customers/{hostile(served).customer}")
    heights = page.locator("#list span.tag").evaluate_all("all => all.map((one) => one.offsetHeight)")
    assert heights
    assert max(heights) <= 24


def test_a_card_number_stands_on_one_line_where_people_are_compared(desks: Callable[..., Desk], served: Served) -> None:
    name = f"Vergelijk {secrets.token_hex(4)}"
    for _ in range(2):
        a_customer(served, name=name, card_numbers=[f"{secrets.randbelow(10**14):014}"], birth_date="1971-12-12")
    page = desks(language="de").open("/add?source=file")
    page.locator("#customer-search").click()
    page.locator("dialog #q").fill(name)
    rows = page.locator("dialog label:has([type=radio])")
    expect(rows).to_have_count(2)
    lines = rows.first.locator("> *").nth(3).evaluate("(cell) => cell.getClientRects().length && cell.offsetHeight")
    assert lines <= 24


def test_the_thumbnail_keeps_its_size_beside_long_names(desks: Callable[..., Desk], served: Served) -> None:
    page = desks().open(f"/customers/{hostile(served).customer}")
    sizes = page.locator("#list img.paper").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert sizes
    assert min(sizes) >= 28
