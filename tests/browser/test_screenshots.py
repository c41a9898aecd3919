"""Pictures of every screen, for people to look at: `./run test --screenshots DIR`. Nothing is compared.

Whoever signs in is an operator of the showroom; fonts are there and every picture on a page has been scrolled to.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.desks import Desk
from tests.browser.showroom import SCREENS, Showroom

SHOTS = [
    ("en", 1280, "light"),
    ("en", 1280, "dark"),
    ("en", 768, "light"),
    ("en", 360, "light"),
    ("nl", 1280, "light"),
    ("de", 1280, "light"),
]
TALL_PIXELS = 6_000
"""A picture ends there: the reference is forty times as long."""


@pytest.mark.pictures
@pytest.mark.parametrize(("language", "width", "scheme"), SHOTS)
def test_pictures(desks: Callable[..., Desk], showroom: Showroom, language: str, width: int, scheme: str) -> None:
    folder = Path(os.environ["DOSSIER_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    make_busy(showroom)
    look = {"language": language, "width": width, "color_scheme": scheme}
    signed_in, nobody = (desks(None, at=showroom.served, **look) for _ in range(2))
    viewer = desks("viewer", at=showroom.served, **look)
    for desk in (signed_in, nobody, viewer):
        desk.expected = ("Failed to load resource",)
    signed_in.come_in(showroom.user)
    for screen in SCREENS:
        desk = {None: nobody, "viewer": viewer}.get(screen.role, signed_in)
        page = desk.open(screen.address(showroom))
        settle(page)
        name = folder / f"{screen.name}-{language}-{width}-{scheme}.png"
        height = min(page.evaluate("document.documentElement.scrollHeight"), TALL_PIXELS)
        page.screenshot(path=name, full_page=height < TALL_PIXELS)


def make_busy(room: Showroom) -> None:
    """Something to see for operators."""
    operator = room.served.as_("operator")
    for body in ({"kind": "verify"}, {"kind": "rebuild", "view": "authorizations"}, {"kind": "replay"}):
        operator.post("/v1/operations", json=body, headers={"Idempotency-Key": f"picture-{body['kind']}"})


def settle(page: Page) -> None:
    """Fonts loaded, and pictures that else are loaded only when somebody scrolls to them."""
    page.evaluate(SETTLED)


SETTLED = """
async () => {
  await document.fonts.ready;
  for (const image of document.images) image.loading = "eager";
  // A viewer lets go of pages that are far away, and what it lets go of is never decoded.
  const decoded = [...document.images].map((image) => image.decode().catch(() => undefined));
  await Promise.race([Promise.all(decoded), new Promise((resolve) => setTimeout(resolve, 10_000))]);
  document.activeElement.blur();
  scrollTo(0, 0);
}
"""
