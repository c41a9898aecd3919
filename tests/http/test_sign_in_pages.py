"""Sign in (S13), a new password, settings, sign out as pages, without scripts: what a browser sends and gets."""

import re
import secrets
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from tests.http.desk import a_customer
from tests.http.served import OWN_PASSWORD, Served

COOKIE = "dossier_session"


class Browser:
    """Somebody with a browser that knows forms and cookies, and no scripts."""

    def __init__(self, served: Served, language: str = "en") -> None:
        self.served = served
        headers = {"Accept": "text/html", "Accept-Language": language, "Sec-Fetch-Site": "same-origin"}
        self.client = httpx.Client(base_url=served.url, headers=headers, verify=False)
        served.sql("delete from staff.attempt")

    def open(self, path: str) -> httpx.Response:
        return self.client.get(path, follow_redirects=True)

    def send(self, path: str, **fields: str) -> httpx.Response:
        """A form; the answer is not followed."""
        return self.client.post(path, data=fields)

    def come_in(self, user: str, password: str, path: str = "/") -> httpx.Response:
        return self.send("/sign-in", user=user, password=password, next=path)

    @property
    def is_in(self) -> bool:
        return self.client.get("/v1/session", headers={"Accept": "application/json"}).status_code == 200


@pytest.fixture
def browser(served: Served) -> Iterator[Browser]:
    made = Browser(served)
    yield made
    made.client.close()


@pytest.fixture
def newcomer(served: Served) -> tuple[str, str]:
    """A user and its one-time password."""
    name = f"new-{secrets.token_hex(4)}"
    return name, served.new_user(name, "staff")


@pytest.fixture(scope="module")
def known(served: Served) -> str:
    """A user who has chosen OWN_PASSWORD."""
    name = f"known-{secrets.token_hex(4)}"
    made = Browser(served)
    made.come_in(name, served.new_user(name, "staff"))
    assert made.send("/password", new=OWN_PASSWORD, again=OWN_PASSWORD).status_code == 303
    made.client.close()
    return name


def heading(page: httpx.Response) -> str:
    found = re.search(r"<h1[^>]*>([^<]*)", page.text)
    assert found, page.text
    return unescape(found[1])


def inputs(page: httpx.Response) -> dict[str, dict[str, str]]:
    """The fields of a page by name, each with its attributes."""
    fields = [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", page.text)]
    return {field["name"]: field for field in fields if "name" in field}


# -- sign in ----------------------------------------------------------------------------------------------------------


def test_who_is_not_signed_in_is_asked_to_and_comes_back_to_where_it_wanted_to_be(
    browser: Browser, served: Served, known: str
) -> None:
    wanted = f"/customers/{a_customer(served)}?q=a%20b"
    asked = browser.open(wanted)
    assert (asked.status_code, heading(asked)) == (200, "Sign in")
    following = unescape(inputs(asked)["next"]["value"])
    answer = browser.come_in(known, OWN_PASSWORD, following)
    assert (answer.status_code, answer.headers["Location"]) == (303, wanted)
    assert browser.open(wanted).status_code == 200


def test_the_fields_are_those_that_password_managers_know(browser: Browser) -> None:
    page = browser.open("/sign-in")
    assert re.findall(r"<label[^>]*>([^<]*)</label>", page.text) == ["User name", "Password"]
    fields = inputs(page)
    assert (fields["user"]["autocomplete"], fields["user"]["type"]) == ("username", "text")
    assert (fields["password"]["autocomplete"], fields["password"]["type"]) == ("current-password", "password")
    assert "onpaste" not in page.text


def test_a_first_sign_in_leads_to_a_password_of_ones_own_and_then_on(
    browser: Browser, newcomer: tuple[str, str]
) -> None:
    answer = browser.come_in(*newcomer, path="/work")
    assert answer.headers["Location"] == "/password?next=%2Fwork"
    page = browser.open(answer.headers["Location"])
    assert heading(page) == "Choose a password"
    assert {"old"} & inputs(page).keys() == set()
    assert [inputs(page)[name]["autocomplete"] for name in ("user", "new", "again")] == [
        "username", "new-password", "new-password",
    ]  # fmt: skip
    assert [name for name, field in inputs(page).items() if "autofocus" in field] == ["new"]
    assert heading(browser.open("/add")) == "Choose a password", "nothing else is shown before"
    answer = browser.send("/password", new=OWN_PASSWORD, again=OWN_PASSWORD, next="/work")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/work")
    assert heading(browser.open("/add")) != "Choose a password"


def test_what_did_not_work_is_said_and_the_name_is_kept_the_password_not(browser: Browser, known: str) -> None:
    page = browser.come_in(f'{known}"<b>', "not the password", "/work")
    assert page.status_code == 401
    assert "The user name or the password is wrong." in page.text
    assert 'role="alert"' in page.text
    fields = inputs(page)
    assert unescape(fields["user"]["value"]) == f'{known}"<b>'
    assert "value" not in fields["password"]
    assert "not the password" not in page.text
    assert fields["next"]["value"] == "/work"
    assert not browser.is_in


def test_after_too_many_misses_the_page_says_how_long_to_wait(browser: Browser, known: str) -> None:
    for _ in range(browser.served.settings.limits.sign_in_misses_max):
        browser.come_in(known, "wrong")
    page = browser.come_in(known, OWN_PASSWORD)
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 500
    assert re.search(r"Wait \d+ seconds", page.text)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/work", "/work"),
        ("/customers/é?q=a b&c=%2F", "/customers/%C3%A9?q=a%20b&c=%2F"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("/\t/elsewhere.example/", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("work", "/"),
        ("/work\r\nSet-Cookie: a=b", "/"),
        ("/sign-in?next=/work", "/"),
        ("/sign-out", "/"),
        ("", "/"),
    ],
)
def test_the_way_on_never_leads_to_another_place(browser: Browser, known: str, path: str, leads_to: str) -> None:
    answer = browser.come_in(known, OWN_PASSWORD, path)
    assert (answer.status_code, answer.headers["Location"]) == (303, leads_to)
    assert "a=b" not in answer.headers["Set-Cookie"]


def test_who_is_signed_in_goes_on_at_once(browser: Browser, known: str) -> None:
    browser.come_in(known, OWN_PASSWORD)
    answer = browser.client.get("/sign-in?next=/work")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/work")


def test_no_other_page_can_send_its_form(browser: Browser, known: str) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://elsewhere.example"},
    ):
        answer = browser.client.post("/sign-in", data={"user": known, "password": OWN_PASSWORD}, headers=headers)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers


# -- a new password ---------------------------------------------------------------------------------------------------


def test_a_password_is_changed_whenever_one_likes(browser: Browser, newcomer: tuple[str, str], served: Served) -> None:
    browser.come_in(*newcomer)
    browser.send("/password", new=OWN_PASSWORD, again=OWN_PASSWORD)
    page = browser.open("/password")
    assert heading(page) == "Change password"
    assert inputs(page)["old"]["autocomplete"] == "current-password"
    wrong = browser.send("/password", old="wrong", new="another password", again="another password")
    assert (wrong.status_code, "is not your current password" in wrong.text) == (422, True)
    done = browser.send("/password", old=OWN_PASSWORD, new=" another password ", again=" another password ")
    assert (done.status_code, "Password changed." in done.text) == (200, True)
    assert browser.is_in
    again = Browser(served)
    assert again.come_in(newcomer[0], "another password").status_code == 401, "blanks are part of a password"
    assert again.come_in(newcomer[0], " another password ").status_code == 303
    again.client.close()


@pytest.mark.parametrize(
    ("new", "again", "said"),
    [
        ("a long enough one", "a long enough two", "must match the password above"),
        ("too short", "too short", "must have at least 12 characters"),
        ("", "", "must have at least 12 characters"),
    ],
)
def test_what_is_wrong_with_a_password_is_said_at_its_field(
    browser: Browser, newcomer: tuple[str, str], new: str, again: str, said: str
) -> None:
    browser.come_in(*newcomer)
    page = browser.send("/password", new=new, again=again, next="/work")
    assert (page.status_code, said in page.text) == (422, True)
    assert 'aria-invalid="true"' in page.text
    assert inputs(page)["next"]["value"] == "/work"
    assert not new or new not in page.text


# -- settings and the language of pages -------------------------------------------------------------------------------


def language(page: httpx.Response) -> str:
    found = re.search(r'<html lang="(\w+)"', page.text)
    assert found
    assert page.headers["Content-Language"] == found[1]
    return found[1]


def test_the_language_is_the_users_then_that_of_the_address_then_the_browsers(served: Served, known: str) -> None:
    german = Browser(served, "de, en;q=0.5")
    assert language(german.open("/sign-in")) == "de"
    assert language(german.open("/sign-in?lang=nl")) == "nl"
    assert language(german.open("/sign-in?lang=xx")) == "de"
    german.come_in(known, OWN_PASSWORD)
    assert language(german.open("/settings?lang=nl")) == "nl"
    answer = german.send("/settings", language="en", next="/work?lang=nl")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/work?lang=nl")
    assert language(german.open("/settings?lang=nl")) == "en"
    german.send("/settings", language="xx")
    assert language(german.open("/settings")) == "en"
    german.client.close()


def test_settings_are_kept_and_shown(browser: Browser, known: str) -> None:
    browser.come_in(known, OWN_PASSWORD)
    answer = browser.send("/settings", own_page="1", language="en", branch="EAST", keys_off="on")
    assert answer.headers["Location"] == "/settings"
    page = browser.open("/settings")
    assert inputs(page)["branch"]["value"] == "EAST"
    assert re.search(r'name="keys_off" checked', page.text)
    browser.send("/settings", own_page="1", language="en")
    assert not re.search(r'name="keys_off" checked', browser.open("/settings").text)
    wrong = browser.send("/settings", own_page="1", language="en", branch="not a branch")
    assert (wrong.status_code, inputs(wrong)["branch"]["value"]) == (422, "not a branch")


def test_a_language_from_the_bar_leaves_the_keys_as_they_are(browser: Browser, known: str) -> None:
    browser.come_in(known, OWN_PASSWORD)
    browser.send("/settings", own_page="1", keys_off="on")
    browser.send("/settings", language="nl")
    assert re.search(r'name="keys_off" checked', browser.open("/settings").text)
    browser.send("/settings", own_page="1", language="en")


# -- sign out ---------------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_and_leads_to_the_way_in(browser: Browser, known: str) -> None:
    browser.come_in(known, OWN_PASSWORD)
    cookie = browser.client.cookies[COOKIE]
    answer = browser.send("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert COOKIE not in browser.client.cookies
    browser.client.cookies.set(COOKIE, cookie)
    assert not browser.is_in


def test_no_link_signs_anybody_out(browser: Browser, known: str) -> None:
    browser.come_in(known, OWN_PASSWORD)
    assert browser.client.get("/sign-out").status_code == 405
    assert browser.client.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.is_in


def test_a_page_of_who_is_signed_in_is_kept_by_no_cache(browser: Browser, known: str) -> None:
    browser.come_in(known, OWN_PASSWORD)
    for path in ("/settings", "/password", "/sign-in"):
        assert browser.client.get(path).headers["Cache-Control"] == "no-store"
