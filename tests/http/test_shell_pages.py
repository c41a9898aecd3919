"""The shell of the screens: what browsers load beside a page, whose language it speaks, how people are refused."""

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest

from desk import reference, render
from desk.assets import FOLDER
from desk.refused import field_of
from tests.http.desk import a_customer, problem_of
from tests.http.pages import Page, Visitor
from tests.http.served import Served

PEOPLE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
PROGRAMS = {"Accept": "application/json"}


@pytest.fixture
def anybody(served: Served) -> Iterator[httpx.Client]:
    """A browser of whoever: no token, no cookie."""
    with httpx.Client(base_url=served.url, headers=PEOPLE, verify=False) as client:
        yield client


def addresses_in(page: Page) -> set[str]:
    return set(re.findall(r'"(/assets/[^"#]+)', page.answer.text))


# -- what is loaded beside a page -------------------------------------------------------------------------------------


def test_what_a_page_loads_is_kept_for_good_under_its_digest(served: Served) -> None:
    with Visitor(served) as visitor:
        found = addresses_in(visitor.open("/add"))
        assert {address.rpartition("/")[2] for address in found} >= {"dossier.css", "desk.js", "icons.svg"}
        for address in found:
            answer = visitor.client.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.content == (FOLDER / address.split("/", 3)[3]).read_bytes()


def test_a_file_of_another_digest_is_asked_for_again(anybody: httpx.Client) -> None:
    answer = anybody.get("/assets/000000000000/dossier.css")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


def test_files_are_sent_zipped_to_who_takes_that_and_plain_to_others(anybody: httpx.Client) -> None:
    zipped, plain = (
        anybody.get("/assets/0/dossier.css", headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity")
    )
    assert (zipped.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
    assert zipped.content == plain.content == (FOLDER / "dossier.css").read_bytes()
    assert int(zipped.headers["Content-Length"]) == len(gzip.compress(plain.content, 9))
    assert zipped.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["nothing.css", "vendor/MANIFEST.json", "vendor/nothing.js", "dossier.css/"])
def test_nothing_else_is_served_beside_them(anybody: httpx.Client, name: str) -> None:
    assert anybody.get(f"/assets/0/{name}").status_code == 404


def test_nobody_climbs_out_of_their_folder(anybody: httpx.Client) -> None:
    assert anybody.get("/assets/0/..%2F..%2Fassets.py").status_code == 400


# -- whose language ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "de-AT,en;q=0.5", "de"), ("?lang=nl", "de", "nl"), ("?lang=xx", "de", "de"), ("", "fr", "en"),
        ("?lang=de&lang=nl", "nl", "nl"),
    ],
)  # fmt: skip
def test_a_page_speaks_as_its_address_or_else_the_browser_asks(
    anybody: httpx.Client, query: str, header: str, language: str
) -> None:
    answer = anybody.get(f"/docs{query}", headers={"Accept-Language": header})
    assert answer.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in answer.text


def test_the_other_languages_are_one_press_away_at_the_same_page(served: Served) -> None:
    customer = a_customer(served)
    with Visitor(served) as visitor:
        page = visitor.open("/customers", q=customer)
        links = [attributes["href"] for attributes, words in page.all("a", hreflang="nl") if words == "nl"]
        assert links == [f"/customers?q={customer}&lang=nl"]
        assert "Klant" in visitor.open(links[0]).main


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_program_is_refused_as_a_program_at_the_address_of_a_page_too(served: Served) -> None:
    assert problem_of(served.client(None).get("/customers", headers=PROGRAMS), 401) == "unauthenticated"
    assert problem_of(served.as_("viewer").get("/operators", headers=PROGRAMS), 403) == "forbidden"
    missing = served.as_("staff").get("/v1/documents/0", headers=PEOPLE)
    assert problem_of(missing, 404) == "not-found", "below /v1 there are only programs"


def test_who_is_not_signed_in_is_led_there_and_comes_back(anybody: httpx.Client) -> None:
    led = anybody.get("/customers/104882?papers=documents")
    assert (led.status_code, led.headers["Location"]) == (
        303,
        "/sign-in?next=%2Fcustomers%2F104882%3Fpapers%3Ddocuments",
    )
    sent = anybody.post("/customers/new", data={"id": "1"})
    assert (sent.status_code, sent.headers["Location"]) == (303, "/sign-in"), "what a form sends is not sent again"


def test_who_lacks_a_right_is_told_who_can_give_it_and_keeps_the_bar(served: Served) -> None:
    with Visitor(served, "viewer") as visitor:
        page = visitor.open("/operators")
        assert page.answer.status_code == 403
        assert "Ask your Dossier administrator for access." in page.main
        assert [words for attributes, words in page.all("a", href="/customers")] == ["Documents", "Search customer"]
        assert not page.all("a", href="/operators")


def test_a_page_that_is_missing_says_so_and_leads_on(served: Served) -> None:
    with Visitor(served) as visitor:
        page = visitor.open("/customers/nobody-at-all")
        assert page.answer.status_code == 404
        assert page.answer.headers["Content-Security-Policy"] == render.POLICY
        assert page.all("a", href="/add")
        assert "Reference" not in page.main


@pytest.mark.parametrize(
    ("pointer", "field"),
    [
        ("/form/note", "note"), ("/query/q", "q"), ("/mandate/iban", "iban"), ("/card_numbers/0", "card_numbers"),
        ("/id", "id"), ("/path/id", "id"), ("/original/shelf_mark", "shelf_mark"), ("", ""), ("/mandate", "mandate"),
    ],
)  # fmt: skip
def test_a_pointer_leads_to_the_field_of_the_form(pointer: str, field: str) -> None:
    assert field_of(pointer) == field


# -- the reference ----------------------------------------------------------------------------------------------------


def test_anchors_of_the_reference_are_each_there_once(anybody: httpx.Client) -> None:
    ids = re.findall(r' id="([^"]+)"', anybody.get("/docs").text)
    assert len(ids) == len(set(ids))
    assert len(ids) > sum(len(operations) for _, operations in reference.rooms())


def test_swagger_ui_has_a_policy_of_its_own_which_lets_nothing_in_from_elsewhere(anybody: httpx.Client) -> None:
    policy = anybody.get("/docs/try").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert anybody.get("/docs").headers["Content-Security-Policy"] == render.POLICY
