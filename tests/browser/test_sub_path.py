"""The screens below a sub-path, behind a proxy that strips it: every script finds its way, none asks outside of it."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desks import Desk
from tests.browser.test_add import Adding, a_payload
from tests.http.desk import a_customer
from tests.http.served import OWN_PASSWORD, serving
from tests.http.sub_path import proxied

BASE = "/archive"


def test_a_desk_below_a_sub_path_saves_looks_and_hears(desks: Callable[..., Desk]) -> None:
    """Scripts, live events, uploads, dialogs, the code field and pictures."""
    with serving(DOSSIER_PUBLIC_URL=f"http://library.example{BASE}") as served:
        customer = a_customer(served, name="Ada Vermeer")
        with proxied(served.settings.port, BASE, strips=True) as (proxy, url):
            desk = desks(None, at=served, url=url.removesuffix(BASE))
            come_in_for_the_first_time(desk, served.new_user("ada", "staff"))
            at = Adding(desk, BASE, source="file").search(customer).choose_type("letter")
            at.choose_file(a_payload(name="my letter.pdf")).save_button.click()
            expect(at.done).to_contain_text("for Ada Vermeer: Letter, my letter.pdf, 1 page")
            expect(at.page.get_by_role("img", name="First page")).to_be_visible()
            assert at.page.evaluate("location.pathname") == f"{BASE}/add"
            picture = at.page.get_by_role("img", name="First page")
            assert picture.evaluate("async (image) => (await image.decode(), image.naturalWidth)") > 0

            at.done.get_by_role("link").first.click()
            expect(at.page.locator("main h1")).to_be_visible()
            assert at.page.evaluate("location.pathname").startswith(f"{BASE}/documents/")
            page = desk.open(f"{BASE}/customers/{customer}")
            expect(page.locator(".live")).to_have_class("live")
            page.locator("#look-up").fill(customer)
            page.keyboard.press("Enter")
            expect(page).to_have_url(re.compile(f"{BASE}/"))
            assert proxy.outside == []
            desk.close()


def come_in_for_the_first_time(desk: Desk, password: str) -> None:
    """The cookie is of the sub-path, so the pages are used for it."""
    page = desk.open(f"{BASE}/")
    page.locator("[name=user]").fill("ada")
    page.locator("[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.locator("[name=new]").fill(OWN_PASSWORD)
    page.locator("[name=again]").fill(OWN_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{BASE}/add*")
