"""The timeline (S10) with its scripts: earlier acts below, a choice that counts at once, the way to the past."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.desks import Desk
from tests.browser.test_view import rows, seen, told_until
from tests.http.desk import a_customer, archived, corrected
from tests.http.served import Served


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def test_a_moment_of_the_timeline_is_the_list_as_it_was(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer)
    last = corrected(staff, paper, "withdraw")
    told_until(staff, customer, last["position"])
    page = desks().open(f"/customers/{customer}/timeline")
    page.locator(f"#act-{paper['position']}").get_by_role("link", name="View that moment").click()
    expect(page.get_by_text("You are viewing")).to_be_visible()
    expect(rows(page).get_by_text("Archived")).to_be_visible()
    page.get_by_role("link", name="Back to now").click()
    expect(rows(page).get_by_text("Withdrawn")).to_be_visible()


def test_earlier_acts_come_below_in_their_day(desks: Callable[..., Desk], served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    made = seen(staff, customer, 52)
    page = desks().open(f"/customers/{customer}/timeline")
    acts = page.locator("#timeline li")
    expect(acts).to_have_count(50)
    days = page.locator("#timeline h2").count()
    page.get_by_role("link", name="Show earlier activity").click()
    expect(acts).to_have_count(52)
    expect(page.locator("#timeline h2")).to_have_count(days)
    expect(page.get_by_role("link", name="Show earlier activity")).to_have_count(0)
    ids = [act.get_attribute("id") for act in acts.all()]
    assert ids == [f"act-{one['position']}" for one in reversed(made)]
    expect(acts.nth(50).get_by_role("link").first).to_be_focused()


def test_a_choice_counts_at_once_and_the_export_follows_it(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    last = corrected(staff, archived(staff, customer), "withdraw")
    told_until(staff, customer, last["position"])
    page = desks().open(f"/customers/{customer}/timeline")
    page.get_by_label("Kind of activity").select_option("document-withdrawn")
    expect(page.locator("#timeline li")).to_have_count(1)
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    assert started.value.suggested_filename == f"timeline-{customer}.csv"
    lines = started.value.path().read_text("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "document-withdrawn" in lines[1]


def test_on_paper_stand_days_and_acts_and_no_buttons(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    seen(staff, customer, 1)
    page = desks().open(f"/customers/{customer}/timeline")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.get_by_role("link", name="View that moment")).to_be_hidden()
    expect(page.locator("#timeline h2")).to_be_visible()
    expect(page.locator("#timeline h3")).to_be_visible()


def test_without_scripts_it_is_read_filtered_and_paged(
    desks: Callable[..., Desk], served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    seen(staff, customer, 51)
    page = desks(java_script_enabled=False).open(f"/customers/{customer}/timeline")
    page.get_by_role("link", name="Show earlier activity").click()
    expect(page.locator("#timeline li")).to_have_count(1)
    page.get_by_label("Staff member").fill("nobody")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No results for this filter")).to_be_visible()
