"""Everything about a customer, from their screen (docs/domain.md G12)."""

import zipfile
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desks import Desk
from tests.http.desk import a_customer, archived


def test_a_supervisor_downloads_everything_in_the_customers_language(desks: Callable[..., Desk]) -> None:
    desk = desks(role="supervisor")
    customer = a_customer(desk.served)
    archived(desk.served.as_("supervisor"), customer)
    page = desk.open(f"/customers/{customer}")
    page.get_by_role("link", name="Export everything").click()
    page.get_by_label("Language of the overview").select_option("nl")
    page.get_by_label("Leave out the content").check()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download everything").click()
    with zipfile.ZipFile(downloading.value.path()) as packed:
        assert packed.testzip() is None
        [index] = [name for name in packed.namelist() if name.endswith("/data/index.html")]
        assert b'lang="nl"' in packed.read(index)
        [person] = [name for name in packed.namelist() if name.endswith("/data/person.json")]
        assert b'"joint_papers": "left_out"' in packed.read(person)


def test_staff_have_no_button_for_it(desks: Callable[..., Desk]) -> None:
    desk = desks(role="staff")
    page = desk.open(f"/customers/{a_customer(desk.served)}")
    expect(page.locator("#who")).to_be_visible()
    expect(page.get_by_role("link", name="Export everything")).to_have_count(0)
