"""A browser at the desk: Debian's Chromium on the served archive. Every page is held to what all pages owe.

Its shell without windows (chromium-headless-shell) takes a third of the processor time of the whole browser.

After each test: no script failed, the policy of the page was not broken, nothing was asked of another origin.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.desks import Desk
    from tests.browser.showroom import Showroom
    from tests.http.served import Served

PATIENCE_MS = 20_000
"""For a broken product, and for a machine that is at much else; nothing here takes as long."""
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)


FOLDER = ExitStack()
"""What the tests of this folder share. It ends with the last of them: a browser keeps an event loop running."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path.parent != item.path.parent:
        FOLDER.close()
        browser.cache_clear()
        furnished.cache_clear()


@pytest.fixture
def chromium() -> "Browser":
    if CHROMIUM is None:
        pytest.skip("NOT TESTED, there is no browser: apt-get install chromium-headless-shell fonts-dejavu-core")
    return browser(CHROMIUM)


@cache
def browser(path: str) -> "Browser":
    from playwright.sync_api import expect, sync_playwright  # not before it is asked for: 165 MB

    expect.set_options(timeout=PATIENCE_MS)
    playwright = FOLDER.enter_context(sync_playwright())
    launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
    FOLDER.callback(launched.close)
    return launched


@pytest.fixture
def showroom() -> "Showroom":
    """An archive with everything in it, to look at: nobody changes it."""
    return furnished()


@cache
def furnished() -> "Showroom":
    from tests.browser.showroom import SETTINGS, furnish
    from tests.http.served import serving

    return furnish(FOLDER.enter_context(serving(**SETTINGS)))


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
