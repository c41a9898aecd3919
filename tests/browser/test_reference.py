"""The API's reference in a browser: read and printed without an account, and called by Swagger UI under its policy."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.desks import Desk


@pytest.fixture
def nobody(desks: Callable[..., Desk]) -> Desk:
    """Who is not signed in."""
    return desks(role=None)


def test_every_route_is_there_with_its_parameters_and_answers(nobody: Desk) -> None:
    page = nobody.open("/docs")
    paths = page.request.get("/openapi.json").json()["paths"]
    shown = set(page.locator("h3 code").all_inner_texts())
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} <= shown
    section = page.get_by_role("region", name="POST /v1/operations", exact=True)
    expect(section.get_by_role("table", name="Body")).to_contain_text(
        "back | pause | rebuild | replay | resume | verify"
    )
    expect(section).to_contain_text("202")


def test_its_contents_lead_to_each_room(nobody: Desk) -> None:
    page = nobody.open("/docs")
    page.get_by_role("navigation", name="API reference").get_by_role("link", name="operations").click()
    expect(page.get_by_role("heading", name="operations", exact=True)).to_be_in_viewport()


def test_it_is_printed_without_bars_and_buttons(nobody: Desk) -> None:
    page = nobody.open("/docs")
    page.emulate_media(media="print")
    expect(page.locator("header.bar")).to_be_hidden()
    expect(page.get_by_role("link", name="Try it in the browser")).to_be_hidden()
    expect(page.get_by_role("navigation", name="API reference")).to_be_hidden()
    expect(page.get_by_role("heading", name="API reference")).to_be_visible()
    assert page.pdf().startswith(b"%PDF-")


def test_swagger_ui_shows_the_contract_and_calls_the_archive(desk: Desk) -> None:
    """The page breaks neither its own policy nor that nothing leaves the origin: tests/browser/conftest.py looks."""
    page = desk.open("/docs/try")
    operation = page.locator(".opblock").filter(has=page.locator("[data-path='/v1/document-types']"))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table").first).to_contain_text("DEBT_AUTHORIZATION")


def test_without_scripts_the_page_that_needs_them_leads_to_the_one_that_does_not(nobody: Desk) -> None:
    page = nobody.open("/docs/try")
    assert "This page needs JavaScript; the API reference does not." in page.locator("main > noscript").inner_html()
    page.locator("main").get_by_role("link", name="API reference").first.click()
    expect(page.get_by_role("heading", name="API reference")).to_be_visible()
