"""What happens in the archive comes to every page by one stream of the browser, or by asking every 15 s (live.js)."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.desks import Desk
from tests.browser.test_view import told_until
from tests.http.desk import a_customer, noted
from tests.http.served import Served, name_of, serving, wait_until
from tests.http.streams import Stream

# Listens as a screen does; what it hears is for the test to look at.
LISTEN = """async (after) => {
    const { src } = document.querySelector("script[src$='/desk.js']");
    const { listen } = await import(src.replace("desk.js", "live.js"));
    globalThis.heard = [];
    globalThis.states = [];
    listen((event) => heard.push(event), (state) => states.push(state), { after });
}"""
WITHOUT_SHARED_WORKER = "delete globalThis.SharedWorker"
LOST = "Failed to load resource"  # what the browser says of a request that is refused or cut
POLL_MS = 25_000
QUIET = "/customers"  # a page that listens to nothing of itself


@pytest.fixture(scope="module")
def one_place() -> Iterator[Served]:
    """A worker with room for one stream: a second one of the same browser would be refused."""
    with serving(DOSSIER_WORKERS="1", DOSSIER_EVENTS_STREAMS_MAX="1") as archive:
        yield archive


def signed_in(desk: Desk) -> Desk:
    """A shared worker has no headers of a page: the cookie speaks for it."""
    for name, value in desk.served.as_user("staff").cookies.items():
        desk.context.add_cookies([{"name": name, "value": value, "url": desk.served.url}])
    return desk


def listening(page: Page, *, after: int | None = None) -> Page:
    page.evaluate(LISTEN, after)
    return page


def is_live(page: Page) -> None:
    expect(page.locator("[data-live]")).to_have_text("Live", timeout=POLL_MS)
    expect(page.locator("[data-live]")).to_have_class("live")


def hears(page: Page, *positions: int) -> list[dict[str, Any]]:
    """All that this page heard once the last of these was among it; each of them once, in their order."""
    page.wait_for_function(
        "(last) => heard.some((event) => Number(event.id) >= last)", arg=positions[-1], timeout=POLL_MS
    )
    events: list[dict[str, Any]] = page.evaluate("heard")
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(set(ids))
    assert set(positions) <= set(ids)
    return events


def free(archive: Served) -> None:
    """Until the streams of the tests before are gone; a HEAD takes no place."""
    wait_until(lambda: archive.as_("staff").head("/v1/events/stream").status_code == 200, 20, "no place")


def test_a_page_hears_what_happens_and_says_that_it_is_live(desks: Callable[..., Desk], one_place: Served) -> None:
    staff, customer = one_place.as_("staff"), a_customer(one_place)
    page = listening(signed_in(desks(at=one_place)).open(f"/customers/{customer}"))
    is_live(page)
    made = noted(staff, customer)
    [event] = hears(page, made["position"])
    assert (event["type"], event["subject"]) == ("authorization-registered.v2", made["id"])
    assert event["data"] == {"kind": "authorization", "customers": [customer]}
    assert page.evaluate("states") == ["live"]


def test_nine_tabs_hear_by_one_stream_and_a_tenth_loads(desks: Callable[..., Desk], one_place: Served) -> None:
    """There is room for one, and six connections to a server are all that a browser opens over HTTP/1.1."""
    free(one_place)
    staff, customer = one_place.as_("staff"), a_customer(one_place)
    desk = signed_in(desks(at=one_place))
    tabs = [listening(desk.tab(f"/customers/{customer}")) for _ in range(9)]
    for tab in tabs:
        is_live(tab)
    made = noted(staff, customer)["position"]
    for tab in tabs:
        hears(tab, made)
    assert desk.tab(f"/customers/{customer}").title()


def test_a_page_that_comes_later_hears_what_came_since_it_was_made(
    desks: Callable[..., Desk], one_place: Served
) -> None:
    free(one_place)
    staff, customer = one_place.as_("staff"), a_customer(one_place)
    desk = signed_in(desks(at=one_place))
    first = listening(desk.open(QUIET))
    is_live(first)
    made = [noted(staff, customer)["position"] for _ in range(3)]
    hears(first, *made)
    later = listening(desk.tab(QUIET), after=made[0])
    hears(later, *made[1:])
    assert made[0] not in {int(event["id"]) for event in later.evaluate("heard")}


def test_the_first_page_hears_what_came_since_it_was_made(desks: Callable[..., Desk], one_place: Served) -> None:
    free(one_place)
    staff, customer = one_place.as_("staff"), a_customer(one_place)
    made = [noted(staff, customer)["position"] for _ in range(3)]
    page = listening(signed_in(desks(at=one_place)).open(QUIET), after=made[0])
    hears(page, *made[1:])


@pytest.mark.long
def test_the_stream_ends_when_no_page_is_left(desks: Callable[..., Desk], one_place: Served) -> None:
    free(one_place)
    customer = a_customer(one_place)
    desk = signed_in(desks(at=one_place))
    page = listening(desk.open(f"/customers/{customer}"))
    is_live(page)
    desk.context.new_page()  # the browser stays, and with it whatever does not end by itself
    page.close()
    free(one_place)


def test_while_there_is_no_stream_the_same_is_asked_for_and_the_words_say_so(
    desks: Callable[..., Desk], one_place: Served
) -> None:
    free(one_place)
    staff, customer = one_place.as_("staff"), a_customer(one_place)
    desk = signed_in(desks(at=one_place))
    desk.expected = (LOST,)
    desk.context.add_init_script(WITHOUT_SHARED_WORKER)  # whose clock no page can put forward
    desk.context.clock.install()
    with Stream(one_place, staff) as taken:
        assert taken.status == 200
        page = listening(desk.open(f"/customers/{customer}"))
        expect(page.locator("[data-live]")).to_have_text("Every 15 s")
        expect(page.locator("[data-live]")).to_have_class(re.compile("poll"))
        made = noted(staff, customer)["position"]
        told_until(staff, customer, made)
        page.clock.fast_forward(15_000)
        hears(page, made)
    free(one_place)
    page.clock.fast_forward(15_000)
    is_live(page)
    following = noted(staff, customer)["position"]
    hears(page, made, following)


@pytest.mark.long
def test_where_there_is_no_shared_worker_each_page_has_a_stream_of_its_own(
    desks: Callable[..., Desk], one_place: Served
) -> None:
    free(one_place)
    staff, customer = one_place.as_("staff"), a_customer(one_place)
    desk = signed_in(desks(at=one_place))
    desk.context.add_init_script(WITHOUT_SHARED_WORKER)
    page = listening(desk.open(f"/customers/{customer}"))
    is_live(page)
    made = noted(staff, customer)["position"]
    hears(page, made)


@pytest.mark.long
def test_cut_off_and_back_again_everything_is_heard_once(desks: Callable[..., Desk]) -> None:
    """The web worker is killed: another takes its place, and the browser comes again by itself."""
    with serving(DOSSIER_WORKERS="1") as archive:
        staff, customer = archive.as_("staff"), a_customer(archive)
        desk = signed_in(desks(at=archive))
        desk.expected = (LOST,)
        page = listening(desk.open(f"/customers/{customer}"))
        is_live(page)
        made = [noted(staff, customer)["position"]]
        hears(page, *made)
        for _ in range(2):
            os.kill(web_worker(archive), signal.SIGKILL)
            made += [noted_again(archive, customer) for _ in range(3)]
            hears(page, *made)
        is_live(page)
        desk.close()


def web_worker(archive: Served) -> int:
    """The youngest process of the door: the arbiter is older."""
    return max(pid for pid in archive.processes() if name_of(pid) == "dossier-web")


def noted_again(archive: Served, customer: str) -> int:
    """As soon as the door is open again."""
    made: list[int] = []

    def done() -> bool:
        try:
            made.append(noted(archive.as_("staff"), customer)["position"])
        except httpx.TransportError:
            return False
        return True

    wait_until(done, 30, "the door stays shut")
    return made[0]
