"""One person's browser at the desk, and what every page owes them."""

import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # It ships without types.
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.http.served import OWN_PASSWORD, Served

AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # to gather what passed takes a third of its time
}
HEIGHT = 900
WAND_SECONDS = 0.005


class Desk:
    """`page` is the tab in front; `client` asks the API as whoever sits there. Without a role nobody is signed in.
    `url` is where the browser finds the archive. `expected` are beginnings of console errors that a test provokes on
    purpose, such as "Failed to load resource" for a refusal that is looked for."""

    def __init__(
        self,
        browser: Browser,
        served: Served,
        role: str | None = "staff",
        *,
        branch: str | None = None,
        url: str | None = None,
        width: int = 1280,
        language: str = "en",
        **options: Any,
    ) -> None:
        self.served, self.role, self.url = served, role, url or served.url
        self.client = served.as_(role, **({"branch": branch} if branch else {})) if role else served.client(None)
        self.context = browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": HEIGHT},
            locale=language,
            reduced_motion="reduce",
            timezone_id="Europe/Amsterdam",
            extra_http_headers={"Authorization": self.client.headers["Authorization"]} if role else None,
            **options,
        )
        self.expected: tuple[str, ...] = ()
        self.errors: list[str] = []
        self.abroad: list[str] = []
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self.errors.append(f"{error.error}"))
        self.context.on("request", self._request)
        self.page = self.context.new_page()

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def tab(self, path: str) -> Page:
        """Another tab of the same browser."""
        page = self.context.new_page()
        page.goto(path)
        return page

    def come_in(self, user: str, page: Page | None = None) -> None:
        """By the page for it, in whatever language, with the password that a_user() chose."""
        front = page or self.page
        front.goto("/sign-in")
        front.locator("[name=user]").fill(user)
        front.locator("[name=password]").fill(OWN_PASSWORD)
        front.keyboard.press("Enter")
        front.wait_for_url(lambda url: "sign-in" not in url)

    def violations(self, page: Page | None = None) -> list[str]:
        """What axe finds: rule and first place. From the top of the page: a control that has scrolled half under the
        bar counts as too small."""
        (page or self.page).evaluate("scrollTo(0, 0)")
        found = Axe().run(page or self.page, options=AXE).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found]

    def is_too_wide(self, page: Page | None = None) -> bool:
        """Whether the page has to be scrolled sideways."""
        root = (page or self.page).evaluate("[document.documentElement.scrollWidth, innerWidth]")
        return bool(root[0] > root[1])

    def shoot_with_wand(self, code: str, page: Page | None = None) -> None:
        """As a barcode gun types: digits and Enter, 5 ms apart by the browser's clock, however busy it all is."""
        browser = self.context.new_cdp_session(page or self.page)
        begun_at = time.time() - (len(code) + 1) * WAND_SECONDS
        for n, sign in enumerate(f"{code}\r"):
            stroke = {
                "key": "Enter" if sign == "\r" else sign,
                "text": sign,
                "windowsVirtualKeyCode": ord(sign.upper()),
                "timestamp": begun_at + n * WAND_SECONDS,
            }
            browser.send("Input.dispatchKeyEvent", {"type": "keyDown", **stroke})
            browser.send("Input.dispatchKeyEvent", {"type": "keyUp", **stroke})
        browser.detach()

    def close(self) -> None:
        self.context.close()

    def check(self) -> None:
        unexpected = [error for error in self.errors if not error.startswith(self.expected or "\0")]
        assert unexpected == [], unexpected
        assert self.abroad == [], f"asked of another origin: {self.abroad}"

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws") and f"{address.scheme}://{address.netloc}" != self.url:
            self.abroad.append(request.url)


def a_user(served: Served, role: str = "staff", name: str | None = None) -> str:
    """A new user who has chosen a password; the name."""
    name = name or f"desk-{secrets.token_hex(4)}"
    browser = served.browser()
    served.come_in(browser, name, served.new_user(name, role))
    assert browser.put("/v1/session/password", json={"new": OWN_PASSWORD}).is_success
    return name
