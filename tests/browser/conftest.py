"""A browser at the desk: Debian's Chromium on the served archive. Every page is held to what all pages owe.

After each test: no script failed, the policy of the page was not broken, nothing was asked of another origin.
"""

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.desks import Desk
    from tests.browser.showroom import Showroom
    from tests.http.served import Served

PATIENCE_MS = 20_000
"""For a broken product, and for a machine that is at much else; nothing here takes as long."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    if CHROMIUM is None:
        pytest.skip("NOT TESTED, there is no browser: apt-get install chromium fonts-dejavu-core, then ./run test")
    from playwright.sync_api import expect, sync_playwright  # not before it is asked for: 165 MB

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def desks(chromium: "Browser", served: "Served") -> Iterator[Callable[..., "Desk"]]:
    """Opens desks at the shared archive: `desks(role="staff", width=1280, **options)`. Each is a browser of its own."""
    from tests.browser.desks import Desk

    opened: list[Desk] = []

    def open_desk(role: str | None = "staff", at: "Served | None" = None, **options: Any) -> Desk:
        opened.append(Desk(chromium, at or served, role, **options))
        return opened[-1]

    yield open_desk
    for desk in opened:
        desk.close()
    for desk in opened:
        desk.check()


@pytest.fixture
def desk(desks: Callable[..., "Desk"]) -> "Desk":
    """A desk worker's browser: role staff, 1280 pixels wide, English, light."""
    return desks()


@pytest.fixture(scope="session")
def showroom() -> Iterator["Showroom"]:
    """An archive with everything in it, to look at: nobody changes it."""
    from tests.browser.showroom import SETTINGS, furnish
    from tests.http.served import serving

    with serving(**SETTINGS) as served:
        yield furnish(served)
