"""The operators' screen in a browser (S12): what it shows and what its buttons do, without disturbing the reader."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.desks import Desk
from tests.http.desk import a_customer, archived, at
from tests.http.served import Served
from tests.http.test_api_operations import ended, seen

DONE = 60_000
"""Milliseconds. A task is a process of its own, on a machine that is at much else."""
VIEW = "authorizations"
OFTEN = "const every = setInterval; setInterval = (again, ms) => every(again, ms / 10);"
"""The page reads itself again ten times as often."""


@pytest.fixture
def page(desks: Callable[..., Desk]) -> Page:
    desk = desks(role="operator")
    desk.expected = ("Failed to load resource: the server responded with a status of 422",)
    letter = archived(desk.served.as_("staff"), a_customer(desk.served))
    staff = desk.served.as_("staff")
    staff.get(f"/v1/documents/{letter['id']}/content", headers=at(letter["position"])).raise_for_status()
    desk.context.add_init_script(OFTEN)
    return desk.open("/operators")


@pytest.fixture
def going_on(served: Served) -> Iterator[None]:
    """Whatever a test pauses goes on afterwards."""
    yield
    operator = served.as_("operator")
    resumed = operator.post("/v1/operations", json={"kind": "resume", "view": VIEW}).json()
    ended(operator, resumed["id"])


def view(page: Page, name: str = VIEW) -> Locator:
    return page.get_by_role("region", name="Views").get_by_role("row").filter(has_text=name)


def newest(page: Page) -> Locator:
    """The task that was asked for last."""
    return page.get_by_role("region", name="Requests").get_by_role("row").nth(1)


def press(page: Page, button: str) -> None:
    view(page).get_by_role("button", name=f"{button} {VIEW}").click()
    expect(newest(page)).to_contain_text(button)


def test_a_view_is_paused_and_resumed_by_its_buttons(page: Page, going_on: None) -> None:
    press(page, "Pause")
    expect(view(page)).to_contain_text("Paused", timeout=DONE)
    expect(page.get_by_text(f"{VIEW} is paused.", exact=False)).to_be_visible(timeout=DONE)
    expect(view(page).get_by_role("button", name="Pause")).to_have_count(0)
    press(page, "Resume")
    expect(newest(page)).to_contain_text("Done", timeout=DONE)
    expect(view(page)).to_contain_text(re.compile("Live|Behind"), timeout=DONE)


def test_a_view_is_rebuilt_and_the_one_before_put_back(page: Page) -> None:
    press(page, "Rebuild and switch over")
    expect(newest(page)).to_contain_text(re.compile(f"{VIEW}: identical, .* switched over in .* ms"), timeout=DONE)
    expect(view(page)).to_contain_text("rebuilt", timeout=DONE)
    press(page, "Roll back to the previous view")
    expect(newest(page)).to_contain_text("Done", timeout=DONE)


def test_everything_is_compared_and_verified(page: Page) -> None:
    page.get_by_role("button", name="Compare with the log").click()
    page.get_by_role("button", name="Verify everything").click()
    expect(newest(page)).to_contain_text("No problems:", timeout=DONE)
    tasks = page.get_by_role("region", name="Requests")
    for name in ("audit_history", "authorizations", "customer_documents", "scan_sessions"):
        expect(tasks.get_by_role("row").nth(2)).to_contain_text(f"{name}: identical")
    expect(page.locator("#part-tiles")).not_to_contain_text("not yet from this page")


def test_a_double_click_asks_once(page: Page, served: Served) -> None:
    before = {task["id"] for task in seen(served.as_("operator"))["tasks"]}
    page.get_by_role("button", name="Compare with the log").dblclick()
    expect(newest(page)).to_contain_text("identical", timeout=DONE)
    after = {task["id"] for task in seen(served.as_("operator"))["tasks"]}
    assert len(after - before) == 1


def test_what_the_archive_refuses_is_told_at_the_top(page: Page, served: Served) -> None:
    form = page.locator("form").filter(has=page.get_by_role("button", name=f"Pause {VIEW}"))
    form.locator("[name=view]").evaluate("one => { one.value = 'nothing' }")
    with page.expect_response(lambda answer: answer.request.method == "POST") as refused:
        page.evaluate("document.addEventListener('submit', (event) => event.stopImmediatePropagation(), true)")
        form.evaluate("one => one.submit()")
    assert refused.value.status == 422
    expect(page.locator("[data-summary]")).to_contain_text("must be one of")


def test_charts_are_drawn_and_have_a_table_beside_them(page: Page) -> None:
    for name, column in (("Events recorded", "events"), ("Documents viewed", "reads")):
        figure = page.get_by_role("figure", name=name)
        expect(figure.locator("canvas")).to_be_visible()
        assert is_drawn(figure.locator("canvas"))
        figure.get_by_text("Show as table").click()
        table = figure.get_by_role("table", name=name)
        expect(table.get_by_role("columnheader", name=column)).to_be_visible()
        counts = [int(text.replace(",", "")) for text in table.locator("td.num").all_inner_texts()]
        assert len(counts) == 4
        assert sum(counts) > 0


def is_drawn(canvas: Locator) -> bool:
    """Whether a pixel of it has a colour."""
    script = """one => one.getContext("2d").getImageData(0, 0, one.width, one.height).data.some(value => value > 0)"""
    return bool(canvas.evaluate(script))


def test_it_is_read_again_by_itself(page: Page, served: Served) -> None:
    position = page.locator("#part-tiles dd").first
    before = position.inner_text()
    archived(served.as_("staff"), a_customer(served))
    expect(position).not_to_have_text(before, timeout=DONE)


def test_to_be_read_again_moves_no_focus_and_closes_nothing(page: Page, served: Served) -> None:
    button = view(page).get_by_role("button", name=f"Pause {VIEW}")
    button.focus()
    button.evaluate("one => { one.dataset.marked = 'yes' }")
    table = page.get_by_role("figure", name="Events recorded").get_by_text("Show as table")
    table.evaluate("one => { one.parentElement.open = true }")
    position = page.locator("#part-tiles dd").first
    for _ in range(2):
        before = position.inner_text()
        archived(served.as_("staff"), a_customer(served))
        expect(position).not_to_have_text(before, timeout=DONE)
    expect(button).to_be_focused()
    assert button.get_attribute("data-marked") == "yes", "the part under the hand was exchanged"
    expect(page.get_by_role("figure", name="Events recorded").get_by_role("table")).to_be_visible()


def test_what_has_ended_is_said(page: Page) -> None:
    page.get_by_role("button", name="Compare with the log").click()
    said = page.locator("#said").get_by_text("Compare with the log, everything: done")
    expect(said).to_be_attached(timeout=DONE)


def test_events_that_are_parked_are_listed_and_tried_again(page: Page, served: Served, going_on: None) -> None:
    served.sql(
        "alter table views.authorizations add constraint cramped check (type <> 'OTHER_AUTHORIZATION') not valid"
    )
    try:
        body = {"customer": a_customer(served), "type": "OTHER_AUTHORIZATION", "original": {"held": True}}
        parked = served.as_("staff").post("/v1/authorizations", json=body).json()["position"]
        listed = page.get_by_role("region", name="Parked events").get_by_role("row").filter(has_text=f"{parked:,}")
        expect(listed).to_contain_text("CheckViolation", timeout=DONE)
        expect(listed).to_contain_text("authorization-registered")
        expect(view(page)).to_contain_text("parked")
    finally:
        served.sql("alter table views.authorizations drop constraint cramped")
    press(page, "Resume")
    expect(page.get_by_role("region", name="Parked events")).to_have_count(0, timeout=DONE)


def test_scanners_and_stations_are_there_or_how_to_have_them(page: Page) -> None:
    for name in ("Scanners", "Stations"):
        expect(page.get_by_role("region", name=name)).to_be_visible()


def test_other_roles_are_not_led_here_and_told_why(desks: Callable[..., Desk]) -> None:
    desk = desks(role="supervisor")
    desk.expected = ("Failed to load resource",)
    page = desk.open("/operators")
    expect(page.get_by_text("Your account may not do this.", exact=False)).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Operators")).to_have_count(0)
