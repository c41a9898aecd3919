"""No word of a page is missing in the catalogs: in a language in which every sentence is marked, nothing else is said.

The archive serves from a copy of the tree whose Dutch catalog has each sentence between ⟦ and ⟧. What is in no mark has
to be of the archive (names, numbers, types of papers), a date, or of the few words that are the same everywhere.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from babel.dates import get_day_names, get_month_names
from babel.messages import Catalog
from playwright.sync_api import Page, expect

from desk import render
from desk.contract import ROUTES
from tests.browser.desks import Desk
from tests.browser.showroom import SCREENS, SETTINGS, Screen, Showroom, furnish
from tests.docs.translations import mo, sentences
from tests.http.served import serving
from tests.tree import ROOMS, ROOT
from web.openapi import room_of

LANGUAGE = "nl"
MARK = re.compile(r"⟦[^⟦⟧]*⟧")
WORD = re.compile(r"[^\W\d_]{2,}")
DATA = {
    "actor", "bic", "branch", "card_numbers", "creditor_id", "customer_name", "debtor_name", "error_type",
    "external_id", "file_name", "ground", "holder", "home_branch", "iban", "id", "label", "mandate_reference",
    "name", "note", "number_suffix", "paper", "reason", "reference", "scan_code", "sha256", "shelf_mark", "station",
    "subject", "title", "topic", "type", "type_label", "view",
}  # fmt: skip
"""Fields whose values are the archive's, not ours. A status or a source is ours, and has a sentence."""
EVERYWHERE = (
    "Dossier", "Alt", "Ctrl", "Enter", "Esc", "Home", "End", "PageUp", "PageDown", "English", "Nederlands", "Deutsch",
    "HTTP", "KB", "MB", "GB", "sha-256", "PDF", "JPEG", "PNG", "TIFF", "JSON", "CSV", "openapi.json",
    "DOSSIER_SCANNERS", "operator", "viewer", *SETTINGS.values(), *map(room_of, {route.path for route in ROUTES}),
)  # fmt: skip


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showroom]:
    """The showroom, served in the marked language."""
    tree = tmp_path_factory.mktemp("marked")
    shutil.copytree(ROOT / "web", tree / "web", ignore=shutil.ignore_patterns("__pycache__"))
    for room in {*ROOMS, "tests"} - {"web"}:
        (tree / room).symlink_to(ROOT / room)
    catalog = Catalog(LANGUAGE)
    for sentence in sentences():
        catalog.add(sentence, f"⟦{sentence}⟧")
    (tree / "web" / "locale" / LANGUAGE / "LC_MESSAGES" / "dossier.mo").write_bytes(mo(catalog))  # type: ignore[arg-type]  # like ours
    with serving(None, tree, **SETTINGS) as served:
        yield furnish(served)


@pytest.mark.long
@pytest.mark.parametrize("screen", [pytest.param(one, id=one.name) for one in SCREENS if one.name != "s16b-try"])
def test_everything_that_a_page_says_is_in_the_catalogs(
    desks: Callable[..., Desk], marked: Showroom, screen: Screen
) -> None:
    desk = desks(None if screen.role == "user" else screen.role, at=marked.served, language=LANGUAGE)
    desk.expected = ("Failed to load resource",)
    if screen.role == "user":
        desk.come_in(marked.user)
    address = screen.address(marked)
    page = desk.open(f"{address}{'&' if '?' in address else '?'}lang={LANGUAGE}")
    expect(page.locator("main")).to_contain_text("⟦")
    assert unmarked(said(page), known(desk, marked)) == []


def said(page: Page) -> list[str]:
    """Every text that somebody sees or hears, or that scripts are to say, but for codes and what is in another language
    on purpose."""
    found: list[str] = page.evaluate(SAID)
    return found


SAID = """
() => {
  const texts = [document.title];
  const words = ["aria-label", "aria-valuetext", "placeholder", "title", "alt"];
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.closest("[lang]:not(html)")) continue;
      for (const { name, value } of one.attributes) {
        if (words.includes(name) || (name.startsWith("data-") && /^[A-Z].* [a-z]/.test(value))) texts.push(value);
      }
      if (one.matches("template")) look(one.content);
    }
    let block = "";
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const inside = walker.currentNode.parentElement;
      if (inside?.closest("script, style, noscript, title, code, [lang]:not(html)")) continue;
      block += walker.currentNode.data + "\\u0001";
    }
    texts.push(block);
  };
  look(document);
  return texts;
}
"""


def unmarked(texts: list[str], known: list[str]) -> list[str]:
    """Pieces with a word in no mark that is not of the archive."""
    left = []
    for text in texts:
        bare = text
        while MARK.search(bare):
            bare = MARK.sub("\1", bare)
        for value in known:
            bare = bare.replace(value, "\1")
        left += [piece.strip() for piece in re.split("[\1\n]", bare) if WORD.search(piece)]
    return left


def known(desk: Desk, room: Showroom) -> list[str]:
    """What the archive itself says, longest first, and the names of months and days."""
    answers = [desk.served.as_("operator").get(path, headers={"Accept-Language": LANGUAGE}) for path in paths(room)]
    values = {value for answer in answers for value in values_of(answer.json())}
    wide, short = (get_month_names(width, locale=LANGUAGE) for width in ("wide", "abbreviated"))
    days = [*get_day_names("wide", locale=LANGUAGE).values(), *get_day_names("abbreviated", locale=LANGUAGE).values()]
    reference = re.compile("[0-9a-f]{32}").findall(desk.page.content())
    all_of_them = {*values, *reference, *EVERYWHERE, *wide.values(), *short.values(), *days, room.user}
    return sorted((value for value in all_of_them if WORD.search(value)), key=len, reverse=True)


def paths(room: Showroom) -> list[str]:
    papers = [f"/v1/customers/{room.customer}/documents", f"/v1/customers/{room.customer}/history"]
    one = [f"/v1/documents/{room.document}", f"/v1/authorizations/{room.mandate}", f"/v1/authorizations/{room.issued}"]
    lists = ["/v1/document-types", "/v1/scanners", "/v1/scan-stations", "/v1/operations", "/v1/scan-sessions"]
    people = ["/v1/customers?q=vries", "/v1/customers/104883"]
    work = ["/v1/work-list/ending?days=366", "/v1/work-list/originals", "/v1/history?limit=200"]
    return [*papers, *one, *lists, *people, *work]


def values_of(body: Any, field: str = "") -> Iterator[str]:
    """Of the fields of the archive, also as the screens write them."""
    match body:
        case dict():
            for name, value in body.items():
                yield from values_of(value, name)
        case list():
            for value in body:
                yield from values_of(value, field)
        case str() if field in DATA:
            yield from (body, render.group_code(body), render.group_iban(body))
            yield from body.split() if field == "name" else ()  # what was searched for stands out in it
