"""A document (S9) with its scripts: pages in a viewer, keys, corrections that keep what was typed, word of a change."""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.desks import Desk
from tests.browser.test_view import signed_in, told_until
from tests.http.desk import a_customer, a_letter, archived, corrected, replace
from tests.http.served import Served
from tests.paper.files import a_pdf, saved

LIVE_MS = 2_000
SLOWLY_MS = 50  # as people press keys: what comes faster is a wand


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def kept(served: Served, data: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """A document that every page sees."""
    staff, customer = served.as_("staff"), a_customer(served)
    paper = archived(staff, customer, data, **fields)
    told_until(staff, customer, paper["position"])
    return {**paper, "customer": customer}


def viewed(desk: Desk, paper: dict[str, Any], query: str = "") -> Page:
    page = desk.open(f"/documents/{paper['id']}{query}")
    expect(page.locator("#viewer-acts")).to_be_visible()
    return page


def picture(page: Page, n: int) -> Locator:
    return page.locator(f"#page-{n} img")


def is_shown(page: Page, n: int) -> None:
    """Page n of the document is loaded and in view."""
    expect(page.locator("#page-now")).to_have_text(re.compile(f"^Page {n} of "))
    expect(picture(page, n)).to_be_in_viewport()
    page.wait_for_function("(n) => document.querySelector(`#page-${n} img`).naturalWidth > 0", arg=n)


# -- every page owes ------------------------------------------------------------------------------------------------


def test_without_scripts_the_pages_are_a_list_and_a_correction_is_a_form(
    desks: Callable[..., Desk], served: Served
) -> None:
    page = desks(java_script_enabled=False).open(f"/documents/{kept(served, a_letter(3))['id']}")
    expect(page.locator("#viewer-acts")).to_be_hidden()
    for n in (1, 2, 3):
        picture(page, n).scroll_into_view_if_needed()
        expect(picture(page, n)).to_be_visible()
    page.get_by_text("Change description").click()
    page.get_by_label("Description (optional)").fill("By post")
    page.locator("#describe-reason").fill("clearer")
    page.get_by_role("button", name="Save description").click()
    expect(page.get_by_text("Details saved.")).to_be_visible()
    expect(page.locator(".facts").get_by_text("By post")).to_be_visible()


# -- the viewer -----------------------------------------------------------------------------------------------------


def test_sixty_pages_scroll_and_only_those_near_are_held(desks: Callable[..., Desk], served: Served) -> None:
    page = viewed(desks(), kept(served, a_letter(60)))
    is_shown(page, 1)
    held = (
        "[...document.querySelectorAll('.pages img')].filter((one) => one.hasAttribute('src') && one.complete).length"
    )
    page.locator("#pages").focus()
    for n in range(2, 41):
        page.keyboard.press("PageDown")
        expect(page.locator("#page-now")).to_have_text(f"Page {n} of 60")
    is_shown(page, 40)
    page.wait_for_function(f"() => {held} < 12")
    for n in range(39, 0, -1):
        page.keyboard.press("PageUp")
        expect(page.locator("#page-now")).to_have_text(f"Page {n} of 60")
    is_shown(page, 1)


def test_scrolling_and_thumbnails_say_which_page_is_looked_at(desks: Callable[..., Desk], served: Served) -> None:
    page = viewed(desks(), kept(served, a_letter(5)))
    thumbs = page.locator(".thumbs a")
    expect(thumbs.first).to_have_attribute("aria-current", "true")
    thumbs.nth(3).click()
    is_shown(page, 4)
    expect(thumbs.nth(3)).to_have_attribute("aria-current", "true")
    expect(page.locator("#pages")).to_be_focused()
    page.locator("#pages").evaluate("(well) => well.scrollTo(0, 0)")
    is_shown(page, 1)
    expect(page.get_by_role("button", name="Previous page")).to_be_disabled()


def test_keys_turn_zoom_and_leaf_where_the_viewer_has_the_focus_and_nowhere_else(
    desks: Callable[..., Desk], served: Served
) -> None:
    page = viewed(desks(), kept(served, a_letter(3)))
    is_shown(page, 1)
    zoom, first = page.locator("#zoom-now"), page.locator("#page-1")
    press = partial(page.keyboard.press, delay=SLOWLY_MS)
    page.locator("#look-up").focus()
    for key in ("PageDown", "+", "r"):
        press(key)
    is_shown(page, 1)
    expect(zoom).to_have_text("100%")
    expect(first).not_to_have_attribute("data-degrees", re.compile("."))
    page.locator("#pages").focus()
    press("+")
    expect(zoom).to_have_text("125%")
    press("-")
    press("-")
    expect(zoom).to_have_text("75%")
    press("0")
    expect(zoom).not_to_have_text("75%")
    press("r")
    expect(first).to_have_attribute("data-degrees", "90")
    press("PageDown")
    is_shown(page, 2)
    press("PageUp")
    is_shown(page, 1)


def test_a_turned_page_lies_on_its_side_and_the_document_is_not_changed(
    desks: Callable[..., Desk], served: Served
) -> None:
    paper = kept(served, a_pdf(1, size=(400, 800)))
    page = viewed(desks(), paper)
    is_shown(page, 1)
    page.wait_for_function("() => document.querySelector('#page-1').dataset.ratio")
    upright = picture(page, 1).bounding_box()
    page.get_by_role("button", name="Rotate").click()
    turned = picture(page, 1).bounding_box()
    assert upright is not None
    assert turned is not None
    assert turned["width"] / turned["height"] == pytest.approx(upright["height"] / upright["width"], rel=0.02)
    assert served.as_("staff").get(f"/v1/documents/{paper['id']}").json()["version"] == 1


def test_looked_at_closely_a_page_is_drawn_finer(desks: Callable[..., Desk], served: Served) -> None:
    page = viewed(desks(), kept(served, a_letter(1)))
    is_shown(page, 1)
    for _ in range(4):
        page.get_by_role("button", name="Larger").click()
    expect(picture(page, 1)).to_have_attribute("src", re.compile("width=(1600|2400)"))
    expect(page.get_by_role("button", name="Larger")).to_be_disabled()
    is_shown(page, 1)


def test_a_picture_is_a_page_too(desks: Callable[..., Desk], served: Served) -> None:
    photo = saved(Image.new("RGB", (1200, 800), "#2a6"), "PNG")
    page = viewed(desks(), kept(served, photo, name="photo.png"))
    is_shown(page, 1)
    box = page.locator("#page-1").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(1.5, rel=0.02)


# -- its content ----------------------------------------------------------------------------------------------------


def test_the_download_has_the_digest_that_is_shown_and_its_name(desks: Callable[..., Desk], served: Served) -> None:
    data = a_letter(2)
    page = viewed(desks(), kept(served, data, name="Brief van 3 mei.pdf"))
    with page.expect_download() as started:
        page.get_by_role("link", name="Download original").click()
    assert started.value.suggested_filename == "Brief van 3 mei.pdf"
    saved_bytes = started.value.path().read_bytes()
    shown = page.locator("#sha-256").get_attribute("title")
    assert hashlib.sha256(saved_bytes).hexdigest() == shown == hashlib.sha256(data).hexdigest()


def test_verified_says_when_and_nothing_else_of_the_page_moves(desks: Callable[..., Desk], served: Served) -> None:
    page = viewed(desks(), kept(served, a_letter(3)))
    page.get_by_role("button", name="Next page").click()
    is_shown(page, 2)
    page.get_by_role("link", name="Verify now").click()
    expect(page.get_by_text("Content verified")).to_be_visible()
    is_shown(page, 2)


def test_the_print_opens_its_window_when_all_pages_are_there(desks: Callable[..., Desk], served: Served) -> None:
    desk = desks()
    desk.context.add_init_script("globalThis.printed = 0; globalThis.print = () => { printed += 1 };")
    page = viewed(desk, kept(served, a_letter(3)))
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Print").click()
    sheet = opened.value
    sheet.wait_for_function("() => printed === 1")
    assert sheet.evaluate("[...document.querySelectorAll('.sheets img')].every((one) => one.naturalWidth === 1600)")
    assert desk.violations(sheet) == []


# -- corrections ----------------------------------------------------------------------------------------------------


def test_a_stale_edit_shows_both_and_keeps_what_was_typed_until_it_is_kept(
    desks: Callable[..., Desk], served: Served
) -> None:
    paper = kept(served, note="first words")
    desk = desks()
    desk.expected = ("Failed to load resource",)
    page = viewed(desk, paper, "?change=describe")
    page.get_by_label("Description (optional)").fill("my words")
    page.locator("#describe-reason").fill("I know better")
    corrected(served.as_("supervisor"), paper, "describe", note="their words", reason="clearer")
    page.get_by_role("button", name="Save description").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone changed this")
    expect(page.locator("[data-summary]")).to_be_focused()
    expect(page.get_by_text("their words").first).to_be_visible()
    expect(page.get_by_label("Description (optional)")).to_have_value("my words")
    assert desk.violations() == []
    page.get_by_role("button", name="Save my version").click()
    expect(page.get_by_text("Details saved.")).to_be_visible()
    expect(page.locator(".facts").get_by_text("my words")).to_be_visible()


def test_it_is_moved_to_a_customer_who_is_looked_for(desks: Callable[..., Desk], served: Served) -> None:
    other = a_customer(served, name="Wilhelmina Zonderland")
    page = viewed(desks("supervisor"), kept(served), "?change=reassign")
    page.locator("#reassign-q").fill(other)
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name=re.compile("Wilhelmina Zonderland"))).to_be_checked()
    page.locator("#reassign-reason").fill("the wrong customer")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("Document moved to the other customer.")).to_be_visible()
    expect(page.locator("#who")).to_contain_text("Wilhelmina Zonderland")


def test_a_double_click_is_one_correction(desks: Callable[..., Desk], served: Served, staff: httpx.Client) -> None:
    paper = kept(served)
    page = viewed(desks(), paper, "?change=withdraw")
    page.locator("#withdraw-reason").fill("twice")
    page.get_by_role("button", name="Withdraw", exact=True).dblclick()
    expect(page.get_by_text("Document withdrawn.")).to_be_visible()
    history = staff.get(f"/v1/documents/{paper['id']}/history").json()["items"]
    assert [item["action"] for item in history] == ["document-withdrawn", "document-archived"]


def test_a_replaced_content_comes_from_a_chosen_file(desks: Callable[..., Desk], served: Served) -> None:
    page = viewed(desks("supervisor"), kept(served, a_letter(1)), "?change=content")
    file = {"name": "better.pdf", "mimeType": "application/pdf", "buffer": a_letter(4)}
    page.get_by_label("Better file").set_input_files(file)  # type: ignore[arg-type]  # a FilePayload is this dict
    page.locator("#content-reason").fill("a better scan")
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.get_by_text("Content replaced.")).to_be_visible()
    expect(page.locator("#page-now")).to_have_text("Page 1 of 4")
    page.get_by_role("link", name="Content 1").click()
    expect(page.get_by_text("You are viewing")).to_be_visible()
    expect(page.locator("#page-now")).to_have_text("Page 1 of 1")


def test_a_file_that_came_too_late_stays_chosen_until_it_is_kept(desks: Callable[..., Desk], served: Served) -> None:
    paper = kept(served, a_letter(1))
    desk = desks("supervisor")
    desk.expected = ("Failed to load resource",)
    page = viewed(desk, paper, "?change=content")
    file = {"name": "mine.pdf", "mimeType": "application/pdf", "buffer": a_letter(4)}
    page.get_by_label("Better file").set_input_files(file)  # type: ignore[arg-type]  # a FilePayload is this dict
    page.locator("#content-reason").fill("mine is better")
    assert replace(served.as_("supervisor"), paper["id"], a_letter(2), 1, name="theirs.pdf").is_success
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.get_by_text("Someone changed this")).to_be_visible()
    expect(page.get_by_text("theirs.pdf")).to_be_visible()
    expect(page.locator("[data-summary]")).to_be_focused()
    assert page.get_by_label("Better file").evaluate("(field) => field.files[0].name") == "mine.pdf"
    page.get_by_role("button", name="Save my version").click()
    expect(page.get_by_text("Content replaced.")).to_be_visible()
    expect(page.locator(".facts").get_by_text("mine.pdf")).to_be_visible()
    expect(page.get_by_role("link", name="Content 2")).to_be_visible()


def test_a_file_over_the_limit_is_not_sent_and_says_so(desks: Callable[..., Desk], served: Served) -> None:
    """Nothing was said."""
    page = viewed(desks("supervisor"), kept(served, a_letter(1)), "?change=content")
    file = {"name": "better.pdf", "mimeType": "application/pdf", "buffer": a_letter(4)}
    page.get_by_label("Better file").set_input_files(file)  # type: ignore[arg-type]  # a FilePayload is this dict
    page.locator("#content-reason").fill("a better scan")
    page.evaluate("document.getElementById('form-content').dataset.limit = 10")
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.locator("[data-summary]")).to_contain_text("the limit is")
    expect(page.locator("[data-summary]")).to_be_focused()
    expect(page.locator("#page-now")).to_have_text("Page 1 of 1")


def test_a_role_without_the_right_has_no_button(desks: Callable[..., Desk], served: Served) -> None:
    paper = kept(served)
    for role, forms in (("viewer", 0), ("staff", 3)):
        page = viewed(desks(role), paper)
        expect(page.locator(".change details")).to_have_count(forms)


def test_who_has_it_open_is_told_that_somebody_changed_it(desks: Callable[..., Desk], served: Served) -> None:
    paper = kept(served)
    page = signed_in(desks()).open(f"/documents/{paper['id']}")
    expect(page.locator("[data-live]")).to_have_class("live", timeout=20_000)
    corrected(served.as_("supervisor"), paper, "withdraw")
    told = page.locator("#meanwhile").get_by_text("Someone has just changed this document.")
    expect(told).to_be_visible(timeout=LIVE_MS)
    page.get_by_role("link", name="Show the current version").click()
    expect(page.get_by_text("This document was withdrawn.")).to_be_visible()
    expect(told).to_be_hidden()


def test_ones_own_correction_is_not_told_as_anothers(desks: Callable[..., Desk], served: Served) -> None:
    paper = kept(served)
    page = signed_in(desks()).open(f"/documents/{paper['id']}?change=withdraw")
    page.locator("#withdraw-reason").fill("mine")
    page.get_by_role("button", name="Withdraw", exact=True).click()
    expect(page.get_by_text("Document withdrawn.")).to_be_visible()
    expect(page.locator("[data-live]")).to_have_class("live", timeout=20_000)
    expect(page.locator("#meanwhile")).to_be_hidden()
