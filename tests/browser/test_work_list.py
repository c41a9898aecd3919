"""The work list in a browser (S11): what waits, for whom, and where its rows lead."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.desks import Desk
from tests.http.desk import a_branch, a_customer, a_letter, at, issued, noted
from tests.http.line import a_line
from tests.http.scanning import a_page, filled
from tests.http.served import Served


def in_days(days: int) -> str:
    return (date.today() + timedelta(days=days)).isoformat()  # noqa: DTZ011  # a day more or less is in the list as well


LONG = a_letter() + b"\n%" + b"%" * 20_000_000 + b"\n%%EOF\n"


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    """In a branch where nothing else waits."""
    return desks(branch=a_branch())


def work(desk: Desk, query: str = "") -> Page:
    """The page, not before the views show everything that was done."""
    last = desk.served.last_position()
    desk.served.as_("staff").get("/v1/work-list/originals", headers=at(last)).raise_for_status()
    return desk.open(f"/work{query}")


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def a_name(served: Served) -> tuple[str, str]:
    """A customer with a name like no other."""
    customer = a_customer(served)
    name = f"Waiting {customer}"
    served.as_("operator").put(f"/v1/customers/{customer}", json={"name": name}).raise_for_status()
    return customer, name


def test_an_authorization_that_ends_soon_is_listed_with_its_day_and_opens(desk: Desk) -> None:
    customer, name = a_name(desk.served)
    consent = noted(desk.client, customer, valid_until=in_days(9))
    page = work(desk)
    expiring = page.get_by_role("region", name=re.compile("Expiring authorizations"))
    expect(expiring.get_by_role("row").filter(has_text=name)).to_contain_text("Its validity ends")
    expiring.get_by_role("link", name=re.compile(f"Open Guardian consent, {name}")).click()
    page.wait_for_url(f"**/authorizations/{consent['id']}")


def test_an_original_on_its_shelf_is_listed_until_then(desk: Desk) -> None:
    customer, name = a_name(desk.served)
    noted(desk.client, customer, original={"held": True, "shelf_mark": "Z 99"})
    page = work(desk)
    held = page.get_by_role("region", name=re.compile("Originals held")).get_by_role("row").filter(has_text=name)
    expect(held).to_contain_text("Z 99")


def test_a_scan_that_nobody_finished_goes_on(desk: Desk) -> None:
    scan = filled(desk.client, a_page(), a_page())
    page = work(desk)
    link = page.locator(f"a[href*='{scan['id']}']")
    expect(page.get_by_role("row").filter(has=link)).to_contain_text("2 pages")
    link.click()
    expect(page.locator("#scan-strip [data-n]")).to_have_count(2)


def test_an_upload_that_was_interrupted_is_listed_in_its_browser_and_goes_on(
    desks: Callable[..., Desk], served: Served, tmp_path: Path
) -> None:
    """A tab that was closed in the middle of it: nothing of the file is left but its name, and only for who sent it."""
    customer = a_customer(served)
    (long := tmp_path / "long.pdf").write_bytes(LONG)
    with a_line(served.settings.port) as line:
        desk = desks(url=line.url)
        desk.expected = ("Failed to load resource",)
        page = desk.tab(f"/add?source=file&customer={customer}&type=LETTER")
        line.bytes_per_second = 4_000_000
        page.locator("#file").set_input_files(long)
        page.locator("#save:not([aria-disabled])").click()
        expect(page.locator("[data-state]")).to_contain_text(re.compile(r"^[1-9]\d?% of"))
        others = desk.open("/work").get_by_role("region", name="Interrupted uploads")
        expect(others.get_by_text("This browser has no interrupted uploads.")).to_be_visible()
        line.cut()
        page.close()
        line.mend()
        line.bytes_per_second = 0
        uploads = desk.open("/work").get_by_role("region", name="Interrupted uploads")
        expect(uploads.get_by_role("row").filter(has_text="long.pdf")).to_contain_text(
            re.compile(rf"{customer}.*%", re.DOTALL)
        )
        expect(desk.page.get_by_role("navigation", name="Work list")).to_contain_text("Interrupted uploads 1")
        assert desk.violations() == []
        uploads.get_by_role("link", name="Continue long.pdf").click()
        expect(desk.page.locator("#who")).to_have_attribute("data-customer", customer)
        page = desk.open(f"{desk.page.url}&type=LETTER")
        page.locator("#file").set_input_files(long)
        page.locator("#save:not([aria-disabled])").click()
        expect(page.locator("[data-done]")).to_be_visible()
        expect(desk.open("/work").get_by_text("This browser has no interrupted uploads.")).to_be_visible()


def test_an_upload_that_nobody_goes_on_with_is_taken_off_the_list(desk: Desk) -> None:
    desk.open("/work").evaluate(
        "localStorage.setItem('dossier-unsent-1', JSON.stringify({name: 'old.pdf', customer: '1', at: Date.now(),"
        " user: document.getElementById('desk').dataset.user, heard: 0}))"
    )
    page = desk.open("/work")
    page.get_by_role("button", name="Remove old.pdf").click()
    expect(page.get_by_text("This browser has no interrupted uploads.")).to_be_visible()
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('unsent'))") == []


def test_an_upload_that_came_through_or_was_refused_is_not_listed(desk: Desk) -> None:
    customer = a_customer(desk.served)
    desk.expected = ("Failed to load resource",)
    for data in (a_letter(), b"no letter at all"):
        page = desk.open(f"/add?source=file&customer={customer}&type=LETTER")
        page.locator("#file").set_input_files({"name": "a.pdf", "mimeType": "application/pdf", "buffer": data})
        page.locator("#save:not([aria-disabled])").click()
        expect(page.locator("[data-done], [data-summary]")).to_be_visible()
    uploads = desk.open("/work").get_by_role("region", name="Interrupted uploads")
    expect(uploads.get_by_text("This browser has no interrupted uploads.")).to_be_visible()


def test_each_branch_sees_its_own_first_and_all_by_one_press(desks: Callable[..., Desk]) -> None:
    desk = desks()
    customer, name = a_name(desk.served)
    noted(desk.served.as_("staff", branch="NORTH"), customer, valid_until=in_days(9))
    page = work(desk)
    expect(row(page, name)).to_have_count(0)
    mine, everybody = page.get_by_role("link", name="My branch: MAIN"), page.get_by_role("link", name="All branches")
    expect(mine).to_have_attribute("aria-current", "page")
    everybody.click()
    expect(row(page, name).first).to_contain_text("NORTH")
    expect(everybody).to_have_attribute("aria-current", "page")


def test_the_numbers_lead_to_their_lists(desk: Desk) -> None:
    customer, _ = a_name(desk.served)
    issued(desk.client, customer)
    noted(desk.client, customer)
    page = work(desk)
    jump = page.get_by_role("navigation", name="Work list")
    for name in ("Unfinished scans", "Expiring authorizations", "Originals held"):
        link = jump.get_by_role("link", name=re.compile(name))
        number = int(link.locator("b").inner_text())
        heading = page.get_by_role("heading", name=re.compile(name))
        expect(heading).to_contain_text(str(number))
        rows = page.locator("section").filter(has=heading).get_by_role("row")
        assert max(0, rows.count() - 1) == number
        link.click()
        expect(heading).to_be_in_viewport()


def test_a_role_that_does_not_scan_sees_no_scans(desks: Callable[..., Desk]) -> None:
    desk = desks(role="viewer")
    filled(desk.served.as_("staff"), a_page())
    page = work(desk, "?all=1")
    expect(page.get_by_text("There are no unfinished scans.")).to_be_visible()


def test_papers_of_a_sensitivity_that_the_reader_lacks_do_not_wait(desks: Callable[..., Desk]) -> None:
    desk = desks(role="viewer")
    customer, name = a_name(desk.served)
    noted(desk.served.as_("staff"), customer, type="READING_DISABILITY", valid_until=in_days(9))
    expect(row(work(desk, "?all=1"), name)).to_have_count(0)
