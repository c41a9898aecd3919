"""What a desk owes who types: nothing is lost by a session's end or an archive that is away, nothing is saved twice."""

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desks import Desk, a_user
from tests.http.desk import a_customer, view
from tests.http.served import Served

AWAY = "There is no connection to the archive."
SOON, IDLE_MINUTES = "29 minutes", 30


class AtDesk:
    """Somebody who has signed in."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.served, self.user = desk, desk.served, a_user(desk.served, "operator")
        desk.come_in(self.user)
        self.page = desk.page

    def open(self, path: str) -> Page:
        """With what a page asks of the session when it is opened answered: it would cover itself before it is used."""
        with self.page.expect_response("**/v1/session"):
            return self.desk.open(path)

    def signed_out(self) -> None:
        """By the archive, as when nobody did anything for long."""
        self.served.sql("delete from staff.session where user_name = %s", [self.user])

    def idle(self, interval: str) -> None:
        query = "update staff.session set last_seen_at = clock_timestamp() - %s::interval where user_name = %s"
        self.served.sql(query, [interval, self.user])

    def looked_at_again(self) -> None:
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.fixture
def at_desk(desks: Callable[..., Desk]) -> AtDesk:
    return AtDesk(desks(role=None))


@pytest.fixture
def operator(desks: Callable[..., Desk]) -> Desk:
    """Who may add customers."""
    return desks("operator")


@pytest.fixture
def customer(served: Served) -> str:
    return a_customer(served, name="Anna de Vries")


# -- the end of a session -------------------------------------------------------------------------------------------


def test_who_types_is_warned_before_the_session_ends_and_may_stay(at_desk: AtDesk, customer: str) -> None:
    page = at_desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    page.get_by_label("Note").fill("half a note")
    at_desk.idle(SOON)
    at_desk.looked_at_again()
    warning = page.get_by_role("dialog")
    expect(warning).to_contain_text("You will be signed out at")
    assert at_desk.desk.violations() == []
    page.get_by_role("button", name="Stay signed in").click()
    expect(warning).to_have_count(0)
    expect(page.get_by_label("Note")).to_have_value("half a note")
    with page.expect_response("**/v1/session"):
        at_desk.looked_at_again()
    expect(warning).to_have_count(0)


def test_the_end_of_the_session_keeps_what_was_typed_and_the_save_goes_on(at_desk: AtDesk, customer: str) -> None:
    """Point 35."""
    desk = at_desk.desk
    desk.expected = ("Failed to load resource",)
    page = at_desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    page.get_by_label("Note").fill("half a note")
    at_desk.signed_out()
    page.locator("#save").click()
    expect(page.get_by_role("dialog", name="You are signed out")).to_be_visible()
    assert desk.violations() == []
    desk.come_in(at_desk.user, desk.tab("/sign-in"))
    page.bring_to_front()
    expect(page.get_by_role("alertdialog")).to_contain_text("Anna de Vries")
    page.get_by_role("button", name="OK").click()
    expect(page.locator("#noted")).to_contain_text("Anna de Vries")
    [row] = view(desk.served.as_("staff"), customer)
    assert (row["note"], row["actor"]) == ("half a note", at_desk.user)


def test_a_form_that_the_browser_sends_waits_for_the_sign_in_too(at_desk: AtDesk) -> None:
    desk = at_desk.desk
    desk.expected = ("Failed to load resource",)
    page = filled_in(at_desk.open("/customers/new"))
    at_desk.signed_out()
    save(page)
    expect(page.get_by_role("dialog", name="You are signed out")).to_be_visible()
    desk.come_in(at_desk.user, desk.tab("/sign-in"))
    page.bring_to_front()
    expect(page.locator("#who")).to_contain_text("Carla Meijer")


def test_nobody_else_goes_on_with_what_was_typed(at_desk: AtDesk, customer: str) -> None:
    desk = at_desk.desk
    desk.expected = ("Failed to load resource",)
    page = at_desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    at_desk.signed_out()
    page.locator("#save").click()
    other = a_user(desk.served, "operator")
    desk.come_in(other, desk.tab("/sign-in"))
    page.bring_to_front()
    expect(page.get_by_role("dialog")).to_contain_text(
        f"{other} is signed in now. Only {at_desk.user} can continue here."
    )
    assert view(desk.served.as_("staff"), customer) == []


def test_a_page_that_was_left_open_does_nothing_in_the_name_of_who_signed_in_since(
    at_desk: AtDesk, customer: str
) -> None:
    """Nobody's session ended under it: one signed out in another tab, and the next came in."""
    desk = at_desk.desk
    desk.expected = ("Failed to load resource",)
    page = at_desk.open(f"/add?source=none&customer={customer}&type=GUARDIAN_CONSENT")
    sign_out(tab := desk.tab("/work"))
    other = a_user(desk.served, "operator")
    desk.come_in(other, tab)
    page.bring_to_front()
    page.locator("#save").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        f"{other} is signed in now. Only {at_desk.user} can continue here."
    )
    assert view(desk.served.as_("staff"), customer) == []
    tab.goto("/work")
    sign_out(tab)
    desk.come_in(at_desk.user, tab)
    page.bring_to_front()
    page.get_by_role("button", name="OK").click()
    expect(page.locator("#noted")).to_contain_text("Anna de Vries")


def sign_out(page: Page) -> None:
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


# -- an archive that is away ----------------------------------------------------------------------------------------


def test_while_the_archive_is_away_a_form_waits_and_goes_on_by_itself(operator: Desk) -> None:
    """Point 36."""
    desk = operator
    desk.expected = ("Failed to load resource",)
    page = filled_in(desk.open("/customers/new"))
    desk.context.set_offline(True)
    expect(page.get_by_text(AWAY)).to_be_visible()
    expect(page.locator(".live")).to_have_text("Offline")
    save(page)
    expect(page.get_by_label("Name", exact=True)).to_have_value("Carla Meijer")
    desk.context.set_offline(False)
    expect(page.locator("#who")).to_contain_text("Carla Meijer")


def test_a_look_up_waits_as_well(desk: Desk, customer: str) -> None:
    desk.expected = ("Failed to load resource",)
    page = desk.open("/work")
    desk.context.set_offline(True)
    expect(page.get_by_text(AWAY)).to_be_visible()
    field = page.get_by_label("Card number or scan code")
    field.fill(customer)
    field.press("Enter")
    expect(page.get_by_text(AWAY)).to_be_visible()
    desk.context.set_offline(False)
    expect(page.locator("#who")).to_contain_text("Anna de Vries")


def test_parts_of_a_page_come_when_the_archive_is_there_again(desk: Desk, customer: str) -> None:
    desk.expected = ("Failed to load resource",)
    page = desk.open("/add?source=none")
    page.route("**/find", lambda route: route.abort())
    field = page.get_by_label("Card number or scan code")
    field.fill(customer)
    field.press("Enter")
    expect(page.get_by_text(AWAY)).to_be_visible()
    page.unroute("**/find")
    expect(page.locator("#who")).to_contain_text("Anna de Vries")
    expect(page.get_by_text(AWAY)).to_have_count(0)


# -- once -----------------------------------------------------------------------------------------------------------


def test_a_form_is_sent_once_however_often_its_button_is_pressed(operator: Desk) -> None:
    page = filled_in(operator.open("/customers/new"))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.locator("main").get_by_role("button", name="Save").dblclick()
    expect(page.locator("#who")).to_contain_text("Carla Meijer")
    assert len(sent) == 1


def test_what_is_not_possible_says_why(desk: Desk) -> None:
    page = desk.open("/add?source=none")
    page.locator("#save").click(force=True)
    expect(page.locator("#said")).to_contain_text("Choose the customer.")


def filled_in(page: Page) -> Page:
    page.get_by_label("Customer number").fill(f"c{secrets.token_hex(4)}")
    page.get_by_label("Name", exact=True).fill("Carla Meijer")
    return page


def save(page: Page) -> None:
    page.locator("main").get_by_role("button", name="Save").click()
