"""Users over HTTP: sign-in, its cookie and its end, what pages of others cannot do with it, and how guesses are slowed.

Who may do what once signed in is in test_api_access.py; the clock of sessions in tests/store/test_sessions.py.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from domain.administration import DisableUser
from domain.users import Users
from service.prepare import system_caller
from tests.http.desk import a_customer, access_lines, archived, at, no_upload, pointers, problem_of, select_file, view
from tests.http.served import OWN_PASSWORD, ROOT, Served, new_home, serving

COOKIE, SECURE_COOKIE = "dossier_session", "__Host-dossier_session"


class Staff:
    """A user of its own, and the browser that it uses."""

    def __init__(self, served: Served, role: str = "staff", **rights: Any) -> None:
        self.served, self.name = served, f"{role}-{secrets.token_hex(4)}"
        self.password = served.new_user(self.name, role, **rights)
        self.browser = served.browser()

    def come_in(self) -> dict[str, Any]:
        return self.served.come_in(self.browser, self.name, self.password)

    def choose(self, password: str = OWN_PASSWORD) -> "Staff":
        """A password of its own, signed in."""
        self.come_in()
        assert self.browser.put("/v1/session/password", json={"new": password}).status_code == 200
        self.password = password
        return self

    def another_browser(self) -> httpx.Client:
        browser = self.served.browser()
        self.served.come_in(browser, self.name, self.password)
        return browser

    @property
    def cookie(self) -> str:
        value = self.browser.cookies.get(COOKIE)
        assert value
        return value

    def times(self, **ages: str) -> None:
        """Move the times of its sessions into the past."""
        for column, age in ages.items():
            self.served.sql(
                f"update staff.session set {column} = clock_timestamp() - %s::interval where user_name = %s",  # noqa: S608  # columns of ours
                [age, self.name],
            )


@pytest.fixture
def staff(served: Served) -> Staff:
    return Staff(served).choose()


def signed_in(client: httpx.Client, cookie: str | None = None) -> bool:
    """Whether a request gets through; with another cookie than its own when one is given."""
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
    answer = client.get("/v1/document-types", headers=headers)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def tried(client: httpx.Client, user: str, password: str, **headers: str) -> httpx.Response:
    return client.post("/v1/session", json={"user": user, "password": password}, headers=headers)


# -- sign-in ----------------------------------------------------------------------------------------------------------


def test_a_user_signs_in_and_is_told_who_and_until_when(served: Served) -> None:
    staff = Staff(served, "supervisor")
    session = staff.come_in()
    until = datetime.fromisoformat(session.pop("ends_at"))
    assert timedelta(minutes=29) < until - datetime.now(UTC) <= timedelta(minutes=30)
    assert session == {
        "user": staff.name,
        "role": "supervisor",
        "branch": served.settings.branch,
        "language": None,
        "keys_off": False,
        "must_change_password": True,
    }


def test_the_name_may_be_written_in_any_case(served: Served) -> None:
    staff = Staff(served)
    assert served.come_in(staff.browser, staff.name.upper(), staff.password)["user"] == staff.name


def test_until_a_password_of_ones_own_is_chosen_nothing_else_is_done(served: Served) -> None:
    staff, customer = Staff(served, "operator"), a_customer(served)
    staff.come_in()
    for answer in (staff.browser.get("/v1/document-types"), select_file(staff.browser, customer)):
        assert problem_of(answer, 403) == "forbidden"
        assert answer.json()["detail"] == "Choose a password of your own first."
    assert staff.browser.get("/v1/session").json()["must_change_password"] is True
    staff.choose()
    assert staff.browser.get("/v1/session").json()["must_change_password"] is False
    assert select_file(staff.browser, customer).status_code == 201


def test_a_token_says_who_it_is_and_has_no_session_to_change(served: Served) -> None:
    client = served.as_("viewer")
    assert client.get("/v1/session").json()["role"] == "viewer"
    assert client.get("/v1/session").json()["ends_at"] is None
    for answer in (
        client.put("/v1/session", json={}),
        client.put("/v1/session/password", json={"new": "x" * 20}),
        client.delete("/v1/session"),
    ):
        assert problem_of(answer, 403) == "forbidden"


@pytest.mark.parametrize(
    "wrong",
    ["", "x", OWN_PASSWORD + " ", OWN_PASSWORD.upper(), OWN_PASSWORD[:-1], "\x00", "x" * 1000],
)
def test_a_wrong_password_gets_nobody_in(staff: Staff, wrong: str) -> None:
    staff.served.sql("delete from staff.attempt")
    answer = tried(staff.served.browser(), staff.name, wrong)
    assert problem_of(answer, 401) == "unauthenticated"
    assert "Set-Cookie" not in answer.headers


def test_all_who_may_not_come_in_are_told_the_same(served: Served, staff: Staff) -> None:
    """A wrong password, a name that is none, that of a token, a disabled user: byte for byte."""
    gone = Staff(served).choose()
    with served.users() as users:
        users.disable_user(gone.name, system_caller(served.settings))
    served.sql("delete from staff.attempt")
    told = []
    for name, password in ((staff.name, "wrong"), ("nobody", "wrong"), ("operator", "x"), (gone.name, gone.password)):
        answer = tried(served.browser(), name, password)
        assert problem_of(answer, 401) == "unauthenticated"
        told.append({k: v for k, v in answer.json().items() if k != "trace_id"})
        assert "Set-Cookie" not in answer.headers
    assert told == [told[0]] * 4
    assert told[0]["detail"] == "The user name or the password is wrong."


# -- the cookie -------------------------------------------------------------------------------------------------------


def flags(answer: httpx.Response, name: str = COOKIE) -> dict[str, Any]:
    cookie = SimpleCookie(answer.headers["Set-Cookie"])[name]
    return {flag: cookie[flag] for flag in ("httponly", "secure", "samesite", "path", "domain", "max-age", "expires")}


def test_the_cookie_is_for_this_host_and_for_no_script(staff: Staff) -> None:
    answer = tried(staff.served.browser(), staff.name, staff.password)
    assert flags(answer) == {
        "httponly": True,
        "secure": "",
        "samesite": "Lax",
        "path": "/",
        "domain": "",
        "max-age": "",
        "expires": "",
    }


def test_over_https_the_cookie_goes_over_https_only(staff: Staff) -> None:
    """As a proxy says that it did; the tests come from an address that is trusted for it."""
    for proto, secure in (("https", True), ("http", "")):
        answer = tried(staff.served.browser(), staff.name, staff.password, **{"X-Forwarded-Proto": proto})
        assert flags(answer, SECURE_COOKIE if secure else COOKIE)["secure"] == secure


def test_over_https_the_cookie_has_a_name_that_no_other_host_of_the_domain_can_set(staff: Staff) -> None:
    """L3 of the security review: a second cookie of the plain name, set by a sibling host, signs nobody out."""
    browser, https = staff.served.client(None), {"X-Forwarded-Proto": "https", "Sec-Fetch-Site": "same-origin"}
    cookie = SimpleCookie(tried(browser, staff.name, staff.password, **https).headers["Set-Cookie"])[
        SECURE_COOKIE
    ].value
    for others in ("", f"{COOKIE}=planted; "):
        headers = {**https, "Cookie": f"{others}{SECURE_COOKIE}={cookie}"}
        assert browser.get("/v1/session", headers=headers).status_code == 200
    plain = browser.get("/v1/session", headers={**https, "Cookie": f"{COOKIE}={cookie}"})
    assert plain.status_code == 401
    left = browser.delete("/v1/session", headers={**https, "Cookie": f"{SECURE_COOKIE}={cookie}"})
    assert flags(left, SECURE_COOKIE)["secure"] is True


def test_a_cookie_is_long_random_and_kept_nowhere(served: Served, staff: Staff) -> None:
    cookies = {staff.cookie, *(staff.another_browser().cookies[COOKIE] for _ in range(3))}
    assert len(cookies) == 4
    assert all(len(cookie) == 43 for cookie in cookies)
    everything = [row for (row,) in served.sql("select row_to_json(s)::text from staff.session as s")]
    for cookie in cookies:
        assert not [row for row in everything if cookie in row]
        assert cookie not in served.said()


def test_signing_in_gives_a_new_value_and_ends_the_one_before(served: Served, staff: Staff) -> None:
    """Fixation: what a browser had may be known to somebody else."""
    before = staff.cookie
    staff.come_in()
    assert staff.cookie != before
    assert (signed_in(served.browser(), before), signed_in(staff.browser)) == (False, True)


def test_a_value_that_somebody_made_up_is_never_taken(served: Served, staff: Staff) -> None:
    planted = secrets.token_urlsafe(32)
    browser = served.browser()
    answer = tried(browser, staff.name, staff.password, Cookie=f"{COOKIE}={planted}")
    assert answer.status_code == 201
    assert not signed_in(served.browser(), planted)
    for cookie in ("", "x", staff.cookie[:-1], staff.cookie + "x", staff.cookie.swapcase(), "x" * 4000):
        assert not signed_in(served.browser(), cookie)


def test_of_two_cookies_none_is_taken(served: Served, staff: Staff) -> None:
    """One may be what another host of the domain has set."""
    answer = served.browser().get("/v1/session", headers={"Cookie": f"{COOKIE}={staff.cookie}; {COOKIE}=x"})
    assert problem_of(answer, 401) == "unauthenticated"


def test_a_token_counts_before_a_cookie_and_a_bad_one_is_not_made_good_by_it(served: Served, staff: Staff) -> None:
    token = served.as_("viewer").headers["Authorization"]
    assert staff.browser.get("/v1/session", headers={"Authorization": token}).json()["role"] == "viewer"
    answer = staff.browser.get("/v1/session", headers={"Authorization": "Bearer x"})
    assert problem_of(answer, 401) == "unauthenticated"


# -- the end of a session ---------------------------------------------------------------------------------------------


def everywhere(served: Served, cookie: str) -> set[int]:
    """What both workers say: a connection each time."""
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    return {httpx.get(f"{served.url}/v1/document-types", headers=headers).status_code for _ in range(10)}


def test_signing_out_ends_this_session_in_every_worker_at_once(served: Served, staff: Staff) -> None:
    other, cookie = staff.another_browser(), staff.cookie
    answer = staff.browser.delete("/v1/session")
    assert answer.status_code == 204
    assert staff.browser.cookies.get(COOKIE) is None
    assert everywhere(served, cookie) == {401}
    assert signed_in(other)


def test_a_changed_password_ends_all_sessions_but_the_new_one(served: Served, staff: Staff) -> None:
    other, before = staff.another_browser(), staff.cookie
    body = {"old": staff.password, "new": "another password"}
    assert staff.browser.put("/v1/session/password", json=body).status_code == 200
    assert everywhere(served, before) == everywhere(served, other.cookies[COOKIE]) == {401}
    assert everywhere(served, staff.cookie) == {200}
    assert tried(served.browser(), staff.name, staff.password).status_code == 401
    assert tried(served.browser(), staff.name, "another password").status_code == 201


@pytest.mark.parametrize("step", [Users.reset_password, Users.disable_user])
def test_who_is_reset_or_disabled_is_out_at_once(served: Served, staff: Staff, step: Callable[..., object]) -> None:
    with served.users() as users:
        step(users, staff.name, system_caller(served.settings))
    assert everywhere(served, staff.cookie) == {401}
    assert tried(served.browser(), staff.name, staff.password).status_code == 401


def test_a_session_under_a_password_that_counts_no_more_is_over(served: Served, staff: Staff) -> None:
    """The command that disabled the user ended before it came to forget the password."""
    with served.archive() as archive:
        archive.catalogues.administer(DisableUser(staff.name), system_caller(served.settings))
    deadline = time.monotonic() + 5
    while signed_in(staff.browser):
        assert time.monotonic() < deadline, "a disabled user is still in"
    assert served.sql("select count(*) from staff.session where user_name = %s", [staff.name]) == [(0,)]


@pytest.mark.parametrize(
    ("ages", "goes_on"),
    [
        ({"created_at": "11 hours 59 minutes"}, True),
        ({"created_at": "12 hours 1 second"}, False),
        ({"last_seen_at": "29 minutes 50 seconds"}, True),
        ({"last_seen_at": "30 minutes 1 second"}, False),
    ],
)
def test_a_session_ends_by_the_clock(staff: Staff, ages: dict[str, str], goes_on: bool) -> None:
    staff.times(**ages)
    assert signed_in(staff.browser) is goes_on


def test_what_a_user_does_prolongs_the_session_and_what_a_page_asks_by_itself_does_not(staff: Staff) -> None:
    def left() -> timedelta:
        until = staff.browser.get("/v1/session").json()["ends_at"]
        return datetime.fromisoformat(until) - datetime.now(UTC)

    staff.times(last_seen_at="20 minutes")
    assert left() < timedelta(minutes=11)
    assert left() < timedelta(minutes=11), "asking when it ends is nobody's doing"
    assert signed_in(staff.browser)
    assert left() > timedelta(minutes=29)
    staff.times(last_seen_at="20 minutes")
    staff.browser.put("/v1/session", json={})
    assert left() > timedelta(minutes=29)


def test_nothing_prolongs_a_session_beyond_its_twelve_hours(staff: Staff) -> None:
    staff.times(created_at="11 hours 50 minutes", last_seen_at="5 minutes")
    until = staff.browser.put("/v1/session", json={}).json()["ends_at"]
    assert datetime.fromisoformat(until) - datetime.now(UTC) <= timedelta(minutes=10)


# -- a new password ---------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_new_password_is_said_at_its_field(staff: Staff) -> None:
    for body, pointer in (
        ({"old": staff.password, "new": "x" * 11}, "/new"),
        ({"old": staff.password, "new": "x" * 201}, "/new"),
        ({"old": staff.password, "new": staff.name}, "/new"),
        ({"old": staff.password, "new": staff.password}, "/new"),
        ({"old": "wrong", "new": "another password"}, "/old"),
        ({"new": "another password"}, "/old"),
        ({"old": staff.password}, "/new"),
    ):
        assert pointers(staff.browser.put("/v1/session/password", json=body)) == {pointer}
    assert signed_in(staff.browser)


def test_the_one_time_password_cannot_be_kept(served: Served) -> None:
    staff = Staff(served)
    staff.come_in()
    assert pointers(staff.browser.put("/v1/session/password", json={"new": staff.password})) == {"/new"}


def test_guesses_at_the_old_password_count_as_misses(staff: Staff) -> None:
    """Somebody left the desk without signing out."""
    staff.served.sql("delete from staff.attempt")
    body = {"old": "guess", "new": "another password"}
    most = staff.served.settings.limits.sign_in_misses_max
    answers = [staff.browser.put("/v1/session/password", json=body).status_code for _ in range(most + 1)]
    assert answers == [422] * most + [429]
    assert signed_in(staff.browser)


# -- pages of others --------------------------------------------------------------------------------------------------

ORIGIN = "https://elsewhere.example"
# What a browser says, and whether a change, a read of /v1 and a page get through.
FROM = [
    ({"Sec-Fetch-Site": "same-origin"}, True, True, True),
    ({"Sec-Fetch-Site": "none"}, True, True, True),
    ({"Sec-Fetch-Site": "same-site"}, False, False, True),
    ({"Sec-Fetch-Site": "cross-site"}, False, False, True),
    ({"Sec-Fetch-Site": "anything"}, False, False, True),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "{own}"}, False, False, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}, True, True, True),
    ({"Origin": "{own}"}, True, True, True),
    ({"Origin": ORIGIN}, False, True, True),
    ({"Origin": "null"}, False, True, True),
    ({"Origin": "{own}.elsewhere.example"}, False, True, True),
    ({"Origin": "{https}"}, False, True, True),
    ({}, False, True, True),
    ({"Referer": "{own}/"}, False, True, True),
]


@pytest.mark.parametrize(("says", "changes", "reads", "visits"), FROM)
def test_only_a_page_of_the_archive_itself_may_use_the_cookie(
    served: Served, staff: Staff, says: dict[str, str], changes: bool, reads: bool, visits: bool
) -> None:
    own = served.url
    headers = {name: value.format(own=own, https=own.replace("http:", "https:")) for name, value in says.items()}
    client = served.client(None)
    client.headers["Cookie"] = f"{COOKIE}={staff.cookie}"
    customer = a_customer(served)
    for answer in (
        no_upload(client, customer, headers=headers),
        client.put("/v1/session", json={}, headers=headers),
        client.put(f"/v1/customers/{customer}", json={"name": "Jan"}, headers=headers),
        client.request("DELETE", "/v1/scan-sessions/x", headers=headers),
    ):
        assert ("Another page" in answer.text) is not changes, answer.text
        if not changes:
            assert problem_of(answer, 403) == "forbidden"
    for path in ("/v1/document-types", f"/v1/customers/{customer}/documents"):
        assert client.get(path, headers=headers).status_code == (200 if reads else 403)
    page = httpx.get(f"{own}/add", headers={**headers, "Cookie": client.headers["Cookie"]})
    assert (page.status_code == 200) is visits


@pytest.mark.parametrize("name", ["jan", "Zoë O'Brien (100% balie)"])
def test_a_page_acts_for_nobody_but_for_whom_it_was_made(served: Served, name: str) -> None:
    """What somebody left open, when another signs in after them (Archive-User)."""
    user, browser = f"{name} {secrets.token_hex(4)}", served.browser()
    password = served.new_user(user, "staff")
    served.come_in(browser, user, password)
    assert browser.put("/v1/session/password", json={"new": OWN_PASSWORD}).status_code == 200
    customer = a_customer(served)
    for whose, status in (("somebody else", 401), ("", 401), (user, 201)):
        headers = {"Archive-User": quote(whose, safe="!'()*")}  # as encodeURIComponent() does it
        noted = no_upload(browser, customer, headers=headers)
        assert noted.status_code == status, noted.text
    [row] = view(served.as_("staff"), customer, noted.json()["position"])
    assert row["actor"] == user


def test_a_token_needs_no_page(served: Served) -> None:
    client = served.as_("staff")
    for headers in ({"Origin": ORIGIN}, {"Sec-Fetch-Site": "cross-site"}, {}):
        assert no_upload(client, a_customer(served), headers=headers).status_code == 201


def test_no_other_page_signs_anybody_in(served: Served, staff: Staff) -> None:
    """Else somebody would work under a name that is not theirs. A program, which says nothing of pages, may."""
    for says, status in (
        ({"Origin": ORIGIN}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": served.url}, 403),
        ({"Origin": served.url}, 201),
        ({}, 201),
    ):
        answer = tried(served.client(None), staff.name, staff.password, **says)
        assert answer.status_code == status
        assert ("Set-Cookie" in answer.headers) is (status == 201)


def test_behind_a_proxy_the_origin_is_the_one_that_browsers_see(served: Served, staff: Staff) -> None:
    client = served.client(None)
    client.headers["Cookie"] = f"{SECURE_COOKIE}={staff.cookie}"
    host = served.url.removeprefix("http://")
    for origin, status in ((f"https://{host}", 200), (f"http://{host}", 403)):
        headers = {"X-Forwarded-Proto": "https", "Origin": origin}
        assert client.put("/v1/session", json={}, headers=headers).status_code == status


# -- choices ----------------------------------------------------------------------------------------------------------


def test_what_a_user_chose_is_there_at_the_next_sign_in(staff: Staff) -> None:
    browser = staff.browser
    assert browser.put("/v1/session", json={"language": "nl", "keys_off": True}).json()["language"] == "nl"
    browser.delete("/v1/session")
    session = staff.come_in()
    assert (session["language"], session["keys_off"]) == ("nl", True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"language": "xx"}, "/language"),
        ({"keys_off": "yes"}, "/keys_off"),
        ({"branch": "not a branch"}, "/branch"),
        ({"role": "operator"}, "/role"),
    ],
)
def test_what_cannot_be_chosen_is_named(staff: Staff, body: dict[str, Any], pointer: str) -> None:
    assert pointers(staff.browser.put("/v1/session", json=body)) == {pointer}


def test_papers_come_from_the_branch_that_was_chosen_for_the_session(served: Served, staff: Staff) -> None:
    customer, other = a_customer(served), staff.another_browser()
    assert staff.browser.put("/v1/session", json={"branch": "EAST"}).json()["branch"] == "EAST"
    assert archived(staff.browser, customer)["branch"] == "EAST"
    assert archived(staff.browser, customer, headers={"Archive-Branch": "NORTH"})["branch"] == "NORTH"
    assert archived(other, customer)["branch"] == served.settings.branch


def test_a_user_of_a_branch_writes_as_that_branch_whatever_was_chosen(served: Served) -> None:
    staff, customer = Staff(served, branch="WEST").choose(), a_customer(served)
    assert staff.browser.put("/v1/session", json={"branch": "EAST"}).json()["branch"] == "WEST"
    assert archived(staff.browser, customer, headers={"Archive-Branch": "EAST"})["branch"] == "WEST"


# -- rights -----------------------------------------------------------------------------------------------------------


def test_a_user_sees_what_a_token_of_the_same_rights_sees(served: Served) -> None:
    customer, desk = a_customer(served), served.as_("staff")
    health = archived(desk, customer, type="READING_DISABILITY")
    west = archived(served.as_("staff", branch="WEST"), customer)
    for role, rights in (
        ("viewer", {}),
        ("viewer", {"granted": ("health",)}),
        ("staff", {"without": ("health",)}),
        ("staff", {"branch": "WEST", "own_branch_only": True}),
    ):
        seen = view(served.as_user(role, **rights), customer, west["position"])
        assert seen == view(served.as_(role, **rights), customer, west["position"])
    assert served.as_user("viewer").get(f"/v1/authorizations/{health['id']}").status_code == 404


def test_history_names_the_user(served: Served, staff: Staff) -> None:
    customer = a_customer(served)
    saved = archived(staff.browser, customer)
    assert saved["actor"] == staff.name
    history = staff.browser.get(f"/v1/documents/{saved['id']}/history", headers=at(saved["position"]))
    assert [item["actor"] for item in history.json()["items"]] == [staff.name]


# -- the access log and the history of users --------------------------------------------------------------------------


def lines_of(served: Served, actor: str) -> list[tuple[str, int]]:
    return [(line["branch"], line["status"]) for line in access_lines(served, actor, action="sign-in")][::-1]


def test_who_signed_in_and_who_missed_is_in_the_access_log(served: Served) -> None:
    staff = Staff(served, branch="WEST")
    tried(staff.browser, staff.name.upper(), "wrong")
    staff.choose()
    assert lines_of(served, staff.name) == [("WEST", 401), ("WEST", 200), ("WEST", 200)]


def test_what_was_typed_as_a_name_that_is_none_is_written_nowhere(served: Served) -> None:
    """It may be a password in the wrong field."""
    typed = f"secret-{secrets.token_hex(8)}"
    before = len(lines_of(served, "unknown"))
    assert tried(served.browser(), typed, typed).status_code == 401
    assert len(lines_of(served, "unknown")) == before + 1
    everything = served.sql("select row_to_json(l)::text from access.log as l")
    everything += served.sql("select row_to_json(a)::text from staff.attempt as a")
    assert not [row for (row,) in everything if typed in row]
    assert typed not in served.said()


def test_where_the_access_log_cannot_be_written_nobody_comes_in(served: Served, staff: Staff) -> None:
    with refusing_lines(served):
        answer = tried(served.browser(), staff.name, staff.password)
    assert answer.status_code == 500
    assert "Set-Cookie" not in answer.headers


@contextmanager
def refusing_lines(served: Served) -> Iterator[None]:
    served.sql("alter table access.log add constraint refusing check (action <> 'sign-in') not valid")
    try:
        yield
    finally:
        served.sql("alter table access.log drop constraint refusing")


def test_the_history_tells_operators_what_became_of_a_user(served: Served) -> None:
    staff = Staff(served).choose()
    with served.users() as users:
        users.disable_user(staff.name, system_caller(served.settings))
        users.enable_user(staff.name, system_caller(served.settings))
        users.reset_password(staff.name, system_caller(served.settings))
        last = served.last_position()
    items = [
        item
        for item in served.as_("operator").get("/v1/history?limit=200", headers=at(last)).json()["items"]
        if item["subject"] == {"kind": "user", "id": staff.name}
    ]
    assert [(item["action"], item["actor"]) for item in items] == [
        ("user-password-reset", "system"),
        ("user-enabled", "system"),
        ("user-disabled", "system"),
        ("user-password-changed", staff.name),
        ("user-added", "system"),
    ]
    assert items[-1]["after"]["role"] == "staff"
    assert "password" not in items[-1]["after"]
    assert staff.name not in served.as_("supervisor").get("/v1/history?limit=200").text


# -- guesses ----------------------------------------------------------------------------------------------------------


def test_after_ten_misses_a_name_has_to_wait_whoever_asks(served: Served, staff: Staff) -> None:
    served.sql("delete from staff.attempt")
    most = served.settings.limits.sign_in_misses_max
    assert [tried(served.browser(), staff.name, "wrong").status_code for _ in range(most)] == [401] * most
    answer = tried(served.browser(), staff.name.upper(), staff.password)
    assert problem_of(answer, 429) == "too-many-requests"
    assert 590 < int(answer.headers["Retry-After"]) <= 600
    assert signed_in(staff.browser), "who is in stays in"
    assert tried(served.browser(), "another", "wrong").status_code == 401
    served.sql("update staff.attempt set at = at - interval '10 minutes'")
    assert tried(served.browser(), staff.name, staff.password).status_code == 201


def test_who_guesses_elsewhere_keeps_nobody_out(served: Served) -> None:
    """One who came in from a desk before comes in there, however often somebody misses from other addresses."""
    served.sql("delete from staff.attempt")
    staff, desk = Staff(served).choose(), {"X-Forwarded-For": "10.3.0.1"}
    assert tried(served.browser(), staff.name, staff.password, **desk).status_code == 201
    most = served.settings.limits.sign_in_misses_max
    guesses = [tried(served.browser(), staff.name, "wrong", **{"X-Forwarded-For": f"10.4.0.{n}"}) for n in range(most)]
    assert [guess.status_code for guess in guesses] == [401] * most
    elsewhere = tried(served.browser(), staff.name, staff.password, **{"X-Forwarded-For": "10.5.0.1"})
    assert problem_of(elsewhere, 429) == "too-many-requests"
    assert tried(served.browser(), staff.name, staff.password, **desk).status_code == 201


def test_who_came_in_has_all_misses_before_forgiven(served: Served, staff: Staff) -> None:
    served.sql("delete from staff.attempt")
    most = served.settings.limits.sign_in_misses_max
    for _ in range(2):
        assert {tried(served.browser(), staff.name, "wrong").status_code for _ in range(most - 1)} == {401}
        assert tried(served.browser(), staff.name, staff.password).status_code == 201


def test_a_name_that_is_none_has_to_wait_too(served: Served) -> None:
    """Else the wait would tell which names there are."""
    served.sql("delete from staff.attempt")
    most = served.settings.limits.sign_in_misses_max
    answers = [tried(served.browser(), "nobody-at-all", "wrong").status_code for _ in range(most + 1)]
    assert answers == [401] * most + [429]


def test_one_address_has_to_wait_after_many_names_and_others_have_not(served: Served, staff: Staff) -> None:
    served.sql("delete from staff.attempt")
    guesser = f"10.1.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    assert tried(served.browser(), "one", "wrong", **{"X-Forwarded-For": guesser}).status_code == 401
    most = served.settings.limits.sign_in_misses_per_address_max
    served.sql(
        "insert into staff.attempt (name, address)"
        " select n::text::bytea, address from staff.attempt, generate_series(2, %s) as n",
        [most],
    )
    refused = tried(served.browser(), staff.name, staff.password, **{"X-Forwarded-For": guesser})
    assert problem_of(refused, 429) == "too-many-requests"
    assert tried(served.browser(), staff.name, staff.password, **{"X-Forwarded-For": "10.2.0.1"}).status_code == 201
    forged = tried(served.browser(), staff.name, staff.password, **{"X-Forwarded-For": f"10.2.0.1, {guesser}"})
    assert problem_of(forged, 429) == "too-many-requests", "what the caller itself put before it counts for nothing"


def test_an_address_of_ipv6_counts_with_its_whole_network(served: Served) -> None:
    served.sql("delete from staff.attempt")
    addresses = (
        "2001:db8::1",
        "2001:db8::ffff:1",
        "2001:db8:0:1::1",
        "::ffff:10.6.0.1",
        "::ffff:10.6.0.2",
        "no address",
    )
    for n, address in enumerate(addresses):
        assert tried(served.browser(), f"nobody-{n}", "wrong", **{"X-Forwarded-For": address}).status_code == 401
    assert served.sql("select count(distinct address) from staff.attempt") == [(len(addresses) - 1,)]


# -- an archive of its own --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone() -> Iterator[Served]:
    """That nobody signed in to before, and that believes no proxy on this machine."""
    with serving(None, ROOT, None, new_home(), DOSSIER_TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.1") as running:
        yield running


def test_the_first_start_makes_an_operator_whose_password_lies_in_home_until_it_is_changed(alone: Served) -> None:
    path = alone.home / "admin.password"
    said = alone.said()
    assert f"sign in at {alone.url}/ as admin" in said
    assert str(path) in said
    assert path.stat().st_mode & 0o777 == 0o600
    password = path.read_text().removesuffix("\n")
    assert password not in said
    browser = alone.browser()
    session = alone.come_in(browser, "admin", password)
    assert (session["role"], session["must_change_password"]) == ("operator", True)
    assert path.exists()
    assert browser.put("/v1/session/password", json={"new": OWN_PASSWORD}).status_code == 200
    assert not path.exists()
    assert browser.get("/v1/history?limit=1").status_code == 200


def test_who_is_no_proxy_is_not_believed(alone: Served) -> None:
    staff = Staff(alone).choose()
    answer = tried(alone.browser(), staff.name, staff.password, **{"X-Forwarded-Proto": "https"})
    assert flags(answer)["secure"] == ""
    alone.sql("delete from staff.attempt")
    for n in range(3):
        tried(alone.browser(), f"nobody-{n}", "wrong", **{"X-Forwarded-For": f"10.2.0.{n}"})
    assert alone.sql("select count(distinct address) from staff.attempt") == [(1,)]
