"""What every page owes everybody: read by whoever, on whatever, in each language; light, quick, and from here alone.

The short run looks at each page once, in a language and colours that take turns; `--long` at all of them in all, and
goes by keyboard to the end of each.
"""

import gzip
import os
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # It ships without types.
from playwright.sync_api import Page, Response

from desk.pages import PAGES
from tests.browser.desks import AXE, Desk
from tests.browser.showroom import SCREENS, Screen, Showroom
from web.route import Route

WEIGHTS_MAX = {"javascript": 60_000, "css": 15_000}
"""Bytes of a page, gzipped."""
TABS, TABS_NARROW = (400, 400) if os.environ.get("DOSSIER_LONG") == "1" else (25, 8)
SWAGGER, SWAGGER_PATH = "s16b-try", "/docs/try"
ELSEWHERE = ("/", "/sign-in/elsewhere", "/sign-in/elsewhere/back")
"""Addresses that show nothing themselves: they lead on."""


class Look(NamedTuple):
    """How somebody looks at a page."""

    language: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return "-".join([self.language, *self.options.values()]).replace("active", "forced")


COLOURS = ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"})
LOOKS = [Look(language, colours) for language in ("en", "nl", "de") for colours in COLOURS]


def turns() -> Iterator[Any]:
    """Each page with one look in the short run and with all others in the long one."""
    for screen, first in zip(SCREENS, cycle(LOOKS), strict=False):
        yield pytest.param(screen, first, id=f"{screen.name}-{first}")
        for look in LOOKS:
            if look != first:
                yield pytest.param(screen, look, id=f"{screen.name}-{look}", marks=pytest.mark.long)


def looking(
    desks: Callable[..., Desk], room: Showroom, screen: Screen, width: int = 1280, **options: Any
) -> tuple[Desk, Page]:
    """Somebody of the right role in front of the page."""
    role = None if screen.role == "user" else screen.role
    desk = desks(role, at=room.served, width=width, **options)
    desk.expected = ("Failed to load resource",) if screen.name.startswith("s14") else ()
    if screen.role == "user":
        desk.come_in(room.user)
    page = desk.open(screen.address(room))
    page.wait_for_load_state("networkidle")
    return desk, page


def test_every_page_that_there_is_stands_in_the_list() -> None:
    shown = [screen.path.partition("?")[0] for screen in SCREENS]
    assert [route.path for route in PAGES if is_page(route) and not any(fits(route.path, path) for path in shown)] == []


def is_page(route: Route) -> bool:
    return route.method == "GET" and route.media_type == "text/html" and route.path not in ELSEWHERE


def fits(path: str, shown: str) -> bool:
    """Whether an address of the list is one of a route."""
    return len(path.split("/")) == len(shown.split("/")) and all(
        ours == theirs or ours.startswith("{") for ours, theirs in zip(path.split("/"), shown.split("/"), strict=True)
    )


@pytest.mark.parametrize(("screen", "look"), [*turns()])
def test_a_page_is_for_everybody(desks: Callable[..., Desk], showroom: Showroom, screen: Screen, look: Look) -> None:
    """What it breaks of its policy and what it asks of other origins is looked at after each test (conftest.py)."""
    loaded: list[Response] = []
    page = opened(desks, showroom, screen, look, loaded)
    assert page.locator("html").get_attribute("lang") == look.language
    faults = [*breaks(page), *page.evaluate(CONTROLS), *page.evaluate(WIDE)]
    if screen.name != SWAGGER:  # which is not ours; /docs says the same and is
        faults += [*heavy(loaded), *lost(page, TABS), *narrow(page)]
    assert faults == []


def opened(
    desks: Callable[..., Desk], room: Showroom, screen: Screen, look: Look, loaded: list[Response] | None = None
) -> Page:
    """Somebody of the right role in front of the page, which is read to its end."""
    role = None if screen.role == "user" else screen.role
    desk = desks(role, at=room.served, language=look.language, **look.options)
    desk.expected = ("Failed to load resource",) if screen.name.startswith("s14") else ()
    if screen.role == "user":
        desk.come_in(room.user)
    if loaded is not None:
        desk.context.on("response", lambda answer: loaded.append(answer))
    address = screen.address(room)
    return desk.open(f"{address}{'&' if '?' in address else '?'}lang={look.language}")


# -- read by whoever --------------------------------------------------------------------------------------------------


def breaks(page: Page) -> list[str]:
    """Rules of axe. Of the reference the first rooms stand for all: they are alike, and many. Swagger UI has a `main`
    of its own."""
    without = [["#swagger"], ["main > .desk > .stack > section:nth-child(n+4)"]]
    found = Axe().run(page, context={"exclude": without}, options=AXE).response["violations"]
    ours = [one for one in found if SWAGGER_PATH not in page.url or one["id"] != "landmark-no-duplicate-main"]
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in ours for node in one["nodes"]]


# Controls that can be seen and have no word in sight, or are less than 24 pixels high or wide. A link within a sentence
# is as high as its line (WCAG 2.5.8), and a box or dot counts with its label.
CONTROLS = """
() => {
  const wrong = [];
  const sight = (one) => {
    const copy = one.cloneNode(true);
    for (const hidden of copy.querySelectorAll(".vh, svg, template")) hidden.remove();
    return copy.textContent.trim() || [...one.querySelectorAll("img[alt]")].map((image) => image.alt).join("");
  };
  const inSentence = (one) => one.matches("a") && getComputedStyle(one).display === "inline"
    && sight(one.parentElement) !== sight(one);
  const named = "a[href], button, summary, [role=button]";
  for (const one of document.querySelectorAll(`${named}, input:not([type=hidden]), select, textarea`)) {
    if (!one.checkVisibility({ visibilityProperty: true }) || one.closest("#swagger, .vh")) continue;
    const told = `${one.tagName} ${one.id || one.className} ${one.textContent.trim().slice(0, 40)}`;
    if (one.matches(named) && !sight(one) && !one.querySelector("img")) wrong.push(`no word in sight: ${told}`);
    const target = one.matches("[type=radio], [type=checkbox]") && one.labels[0] || one;
    const { width, height } = target.getBoundingClientRect();
    if (!inSentence(one) && (width < 23.99 || height < 23.99)) wrong.push(`${width} x ${height}: ${told}`);
  }
  return wrong;
}
"""


# -- on whatever ------------------------------------------------------------------------------------------------------


def narrow(page: Page) -> list[str]:
    """320 pixels are also what is left of 1280 at 400 %, and then 256 of 1024 in height."""
    page.set_viewport_size({"width": 320, "height": 900})
    found = [*page.evaluate(WIDE), *page.evaluate(CONTROLS)]
    page.set_viewport_size({"width": 320, "height": 256})
    return [*found, *page.evaluate(WIDE), *lost(page, TABS_NARROW)]


# What stands out to the right, where the page is wider than the screen.
WIDE = """
() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !one.closest(".vh") && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => `${one.tagName} ${one.id || one.className} ${one.textContent.trim().slice(0, 40)}`)
"""


def lost(page: Page, tabs: int) -> list[str]:
    """Where somebody who goes by keyboard does not see where they are, in their first steps."""
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    seen = []
    for _ in range(tabs):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUS))
        if seen[-1] == "over":
            break
    return [one for one in seen if one not in ("", "over")]


# "" when who has the focus can be seen, not under a bar that sticks, and shows that it has it; "over" behind the last.
FOCUS = """
() => {
  const one = document.activeElement;
  if (!one || one === document.body) return "over";
  const told = `${one.tagName} ${one.id || one.className} ${one.textContent.trim().slice(0, 40)}`;
  const marked = one.closest("label") ?? one;
  const row = one.closest("tr:has(.open:focus-visible)");
  const rings = [one, marked, row].filter(Boolean).map((it) => getComputedStyle(it));
  const isRing = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  const isInside = one.matches("[type=date], [type=time]") && !one.matches(":focus-visible");  // its own button has it
  if (!isInside && !rings.some(isRing)) return `no ring: ${told}`;
  const box = one.getClientRects()[0];
  if (!box || !box.width) return `not to be seen: ${told}`;
  const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
  const y = Math.min(Math.max(box.top + Math.min(box.height / 2, 12), 0), innerHeight - 1);
  const top = document.elementFromPoint(x, y);
  if (top && (one.contains(top) || top.contains(one) || marked.contains(top))) return "";
  return `under ${top?.tagName} ${top?.id || top?.className}: ${told}`;
}
"""


# -- light ------------------------------------------------------------------------------------------------------------


def heavy(loaded: list[Response]) -> list[str]:
    weights = {kind: weight(loaded, kind) for kind in WEIGHTS_MAX}
    return [f"{weights[kind]} bytes of {kind}" for kind, most in WEIGHTS_MAX.items() if not 0 < weights[kind] <= most]


def weight(loaded: list[Response], kind: str) -> int:
    """Bytes as they are sent; the worker that all pages share is one of the scripts."""
    found = {answer.url: answer for answer in loaded if kind in answer.headers.get("content-type", "")}
    return sum(len(gzip.compress(answer.body(), 9)) for answer in found.values())
