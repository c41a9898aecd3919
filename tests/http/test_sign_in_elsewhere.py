"""Sign-in by the library's own identity provider, against a small one of our own: the way there and back, every word of
it that must not be believed, and who comes in by a good one.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import msgspec
import pytest

pytest.importorskip("authlib", reason="NOT TESTED without the extra oidc: DOSSIER_EXTRAS=oidc ./run version")

from domain.access import Role
from domain.administration import AddUser, Identity, NewUser
from domain.refusals import ValidationFailed
from service.prepare import system_caller
from tests.builders.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, Wrong, a_key, providing
from tests.http.served import Served, serving
from tests.service.program import command, environment

SESSION, WAY = "dossier_session", "dossier_sign_in"
THERE, BACK = "/sign-in/elsewhere", "/sign-in/elsewhere/back"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as made:
        yield made


@pytest.fixture(scope="module")
def archive(provider: Provider) -> Iterator[Served]:
    with serving(**provider.settings()) as running:
        yield running


@pytest.fixture(scope="module")
def adding(provider: Provider) -> Iterator[Served]:
    """Adds who comes first, under the name in `email`; started while the provider is away."""
    provider.away = True
    with serving(**provider.settings(DOSSIER_OIDC_ROLE="viewer", DOSSIER_OIDC_CLAIM="email")) as running:
        yield running


@pytest.fixture(autouse=True)
def sound(provider: Provider) -> None:
    provider.person, provider.wrong, provider.away = {}, Wrong(), False


class Browser:
    def __init__(self, served: Served) -> None:
        headers = {"Accept": "text/html", "Accept-Language": "en"}
        self.client = httpx.Client(base_url=served.url, headers=headers, verify=False)

    def leave(self, following: str = "/work") -> str:
        """Where the browser is sent to."""
        answer = self.client.get(THERE, params={"next": following})
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def returned(self, address: str) -> str:
        """Where the provider sends it back to."""
        answer = self.client.get(address)
        assert answer.status_code == 302
        return answer.headers["Location"]

    def round_trip(self, following: str = "/work") -> httpx.Response:
        return self.client.get(self.returned(self.leave(following)))

    @property
    def session(self) -> dict[str, Any] | None:
        answer = self.client.get("/v1/session", headers={"Accept": "application/json"})
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found


@pytest.fixture
def another() -> Iterator[Callable[[Served], Browser]]:
    """Opens a browser, as many as a test wants."""
    with ExitStack() as opened:

        def open_one(served: Served) -> Browser:
            made = Browser(served)
            opened.enter_context(made.client)
            return made

        yield open_one


@pytest.fixture
def browser(archive: Served, another: Callable[[Served], Browser]) -> Browser:
    return another(archive)


@pytest.fixture
def known(archive: Served, provider: Provider) -> str:
    """A user of the archive who is bound to the person that the provider will speak for."""
    name, subject = f"known-{secrets.token_hex(4)}", secrets.token_hex(8)
    archive.new_user(name, "supervisor", branch="WEST")
    bind(archive, provider, name, subject)
    provider.person = {"sub": subject, "preferred_username": "called otherwise there"}
    return name


def said(archive: Served, provider: Provider, *words: str) -> str:
    """What `dossier users` prints beside the running archive."""
    settings = archive.settings
    ended = command("users", *words, env=environment(settings.home, settings.database_url, **provider.settings()))
    assert ended.code == 0, ended.err
    return ended.out


def bind(archive: Served, provider: Provider, name: str, subject: str) -> bool:
    with archive.users() as users:
        return users.bind_user(name, Identity(provider.issuer, subject), system_caller(archive.settings))


def refused(answer: httpx.Response, browser: Browser, words: str) -> None:
    assert answer.status_code == 401, answer.text
    assert words in answer.text
    assert SESSION not in answer.headers.get("Set-Cookie", "")
    assert browser.session is None


NOT_PROVEN = "was not completed"


# -- the way there and back -------------------------------------------------------------------------------------------


def test_the_sign_in_page_has_a_second_button(browser: Browser, served: Served) -> None:
    page = browser.client.get("/sign-in?next=/work")
    assert re.search(r'href="/sign-in/elsewhere\?next=%2Fwork"', page.text)
    assert "Sign in with the library account" in page.text
    without = httpx.get(f"{served.url}/sign-in", headers={"Accept": "text/html"})
    assert "library account" not in without.text
    assert httpx.get(f"{served.url}{THERE}").status_code == 404
    assert httpx.get(f"{served.url}{BACK}").status_code == 404


def test_who_is_known_there_and_here_comes_in_with_the_rights_it_has_here(browser: Browser, known: str) -> None:
    answer = browser.round_trip("/work?x=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/work?x=1")
    session = browser.session
    assert session is not None
    assert (session["user"], session["role"], session["branch"]) == (known, "supervisor", "WEST")
    assert session["must_change_password"] is False, "it has not come in by the one-time password"
    assert "/password" not in browser.client.get("/settings").text, "nor has it one to change"


def test_what_is_asked_is_as_the_standards_have_it(browser: Browser, archive: Served, provider: Provider) -> None:
    address = urlsplit(browser.leave())
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/authorize"
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert asked["redirect_uri"] == f"{archive.url}{BACK}"
    assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT_ID, "S256")
    again = parse_qs(urlsplit(browser.leave()).query)
    for secret in ("state", "nonce", "code_challenge"):
        assert len(asked[secret]) == 43
        assert again[secret][0] != asked[secret]


def test_the_cookie_of_the_way_is_for_this_way_alone(browser: Browser) -> None:
    answer = browser.client.get(THERE)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{WAY}=")
    for flag in ("HttpOnly", "SameSite=Lax", f"Path={THERE}", "Max-Age=600"):
        assert flag in cookie


@pytest.mark.parametrize("elsewhere", ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example"])
def test_the_way_back_never_leads_to_another_place(browser: Browser, known: str, elsewhere: str) -> None:
    assert browser.round_trip(elsewhere).headers["Location"] == "/"


def test_the_sign_in_is_in_the_access_log(browser: Browser, known: str, archive: Served) -> None:
    browser.round_trip()
    answer = archive.as_("operator").get("/v1/access-log", params={"actor": known, "action": "sign-in"})
    assert [(line["status"], line["branch"]) for line in answer.json()["items"]] == [(200, "WEST")]


# -- what must not be believed ----------------------------------------------------------------------------------------


def without_signature(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join([*encoded, ""])


def signed_with_secret(secret: str | bytes) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    return jwt.encode({"alg": "HS256"}, {"preferred_username": "x"}, OctKey.import_key(secret), ["HS256"])


NOW = int(time.time())
WORDS: dict[str, Wrong] = {
    "another key under its id": Wrong(key=a_key()),
    "no signature": Wrong(id_token=without_signature({"preferred_username": "x"})),
    "signed with the secret of both": Wrong(id_token=signed_with_secret(CLIENT_SECRET)),
    "no token at all": Wrong(id_token="x.y.z"),
    "another issuer": Wrong(claims={"iss": "https://elsewhere.example"}),
    "no issuer": Wrong(claims={"iss": None}),
    "for another": Wrong(claims={"aud": "another"}),
    "for nobody": Wrong(claims={"aud": None}),
    "for several, and not said whose": Wrong(claims={"aud": [CLIENT_ID, "another"]}),
    "for several, and another's": Wrong(claims={"aud": [CLIENT_ID, "another"], "azp": "another"}),
    "over": Wrong(claims={"exp": NOW - 3600}),
    "without an end": Wrong(claims={"exp": None}),
    "of the future": Wrong(claims={"nbf": NOW + 3600}),
    "another nonce": Wrong(claims={"nonce": "another"}),
    "no nonce": Wrong(claims={"nonce": None}),
    "nobody's": Wrong(claims={"sub": None}),
    "a subject that is none": Wrong(claims={"sub": ["x"]}),
    "an empty subject": Wrong(claims={"sub": ""}),
    "a subject without end": Wrong(claims={"sub": "x" * 256}),
    "a code that is none": Wrong(status=400),
    "another's answer": Wrong(issuer="https://elsewhere.example"),
}


@pytest.mark.parametrize("wrong", WORDS.values(), ids=WORDS.keys())
def test_a_word_that_cannot_be_believed_signs_nobody_in(
    browser: Browser, known: str, provider: Provider, wrong: Wrong
) -> None:
    provider.wrong = wrong
    refused(browser.round_trip(), browser, NOT_PROVEN)


def test_for_several_and_the_archive_among_them_is_believed(browser: Browser, known: str, provider: Provider) -> None:
    provider.wrong = Wrong(claims={"aud": ["another", CLIENT_ID], "azp": CLIENT_ID})
    assert browser.round_trip().status_code == 303


def test_keys_that_the_provider_changed_are_read_anew(browser: Browser, known: str, provider: Provider) -> None:
    assert browser.round_trip().status_code == 303
    provider.key = a_key()
    assert browser.round_trip().status_code == 303


def test_without_the_cookie_of_the_way_nobody_is_signed_in(
    browser: Browser, another: Callable[[Served], Browser], archive: Served, known: str
) -> None:
    """A link that somebody else made: whoever follows it would work under a name that is not theirs."""
    address = browser.returned(browser.leave())
    other, own = another(archive), another(archive)
    refused(other.client.get(address), other, NOT_PROVEN)
    own.leave()
    refused(own.client.get(address), own, NOT_PROVEN)


def test_a_way_back_is_gone_once(browser: Browser, known: str) -> None:
    address = browser.returned(browser.leave())
    assert browser.client.get(address).status_code == 303
    browser.client.cookies.delete(SESSION)
    refused(browser.client.get(address), browser, NOT_PROVEN)


def test_a_cookie_that_was_changed_or_is_old_is_none(browser: Browser, archive: Served, known: str) -> None:
    def changed(content: bytes, signed: bytes) -> str:
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (content, signed))

    for change in ("next", "expires", "signature"):
        address = browser.returned(browser.leave())
        content, signature = (
            base64.urlsafe_b64decode(part + "==") for part in browser.client.cookies[WAY].strip('"').split(".")
        )
        way = msgspec.msgpack.decode(content)
        if change == "signature":
            cookie = changed(content, signature[::-1])
        else:
            way[3 if change == "next" else 4] = "/elsewhere" if change == "next" else int(time.time()) - 1
            content = msgspec.msgpack.encode(way)
            with archive.archive() as opened:
                genuine = opened.keys.keyed_digest("sign-in", content)
            cookie = changed(content, signature if change == "next" else genuine)
        browser.client.cookies.delete(WAY)
        answer = browser.client.get(address, headers={"Cookie": f"{WAY}={cookie}"})
        refused(answer, browser, NOT_PROVEN)


@pytest.mark.parametrize("state", ["", "é", "a" * 3_000])
def test_another_state_signs_nobody_in(browser: Browser, state: str) -> None:
    browser.leave()
    answer = browser.client.get(BACK, params={"code": "any", "state": state})
    refused(answer, browser, NOT_PROVEN)


def test_what_the_provider_refuses_is_said(browser: Browser) -> None:
    """It sends back an error in place of a code."""
    state = parse_qs(urlsplit(browser.leave()).query)["state"][0]
    answer = browser.client.get(BACK, params={"error": "access_denied", "state": state})
    refused(answer, browser, NOT_PROVEN)


# -- who comes in -----------------------------------------------------------------------------------------------------


def test_who_is_no_user_here_does_not_come_in_and_is_told_why(
    browser: Browser, provider: Provider, archive: Served
) -> None:
    name = f"stranger-{secrets.token_hex(4)}"
    provider.person = {"sub": secrets.token_hex(8), "preferred_username": name}
    refused(browser.round_trip(), browser, "is not a user of this archive")
    with archive.users() as users:
        assert users.find_user(name) is None


@pytest.mark.parametrize("name", ["admin", "ADMIN", "known"])
def test_a_name_at_the_provider_makes_nobody_a_user_of_that_name(
    browser: Browser, provider: Provider, known: str, name: str
) -> None:
    """Whoever may choose a name there would be the operator here."""
    provider.person = {"sub": secrets.token_hex(8), "preferred_username": known if name == "known" else name}
    refused(browser.round_trip(), browser, "is not a user of this archive")


def test_a_bound_user_comes_in_whatever_the_name_there_is(browser: Browser, provider: Provider, known: str) -> None:
    for name in (None, "", ["x"], "admin"):
        provider.person = {**provider.person, "preferred_username": name}
        assert browser.round_trip().status_code == 303
        session = browser.session
        assert session is not None
        assert session["user"] == known


def test_the_same_subject_of_another_provider_is_somebody_else(
    browser: Browser, archive: Served, provider: Provider
) -> None:
    name, subject = f"other-{secrets.token_hex(4)}", secrets.token_hex(8)
    archive.new_user(name, "staff")
    with archive.users() as users:
        users.bind_user(name, Identity("https://elsewhere.example", subject), system_caller(archive.settings))
    provider.person = {"sub": subject, "preferred_username": name}
    refused(browser.round_trip(), browser, "is not a user of this archive")


def test_who_is_bound_to_nobody_waits_for_an_operator_who_binds_them(
    browser: Browser, archive: Served, provider: Provider
) -> None:
    subject, name = secrets.token_hex(8), f"new-{secrets.token_hex(4)}"
    provider.person = {"sub": subject, "preferred_username": "Kim"}
    refused(browser.round_trip(), browser, "is not a user of this archive")
    refused(browser.round_trip(), browser, "is not a user of this archive")
    archive.new_user(name, "staff")
    waiting = json.loads(said(archive, provider, "waiting", "--json"))["items"]
    assert [one["name"] for one in waiting if one["subject"] == subject] == ["Kim"]
    said(archive, provider, "bind", name, "--subject", subject)
    assert subject not in said(archive, provider, "waiting", "--json")
    assert browser.round_trip().status_code == 303
    session = browser.session
    assert session is not None
    assert session["user"] == name


def test_an_identity_and_a_user_are_bound_once(archive: Served, provider: Provider, known: str) -> None:
    other = f"other-{secrets.token_hex(4)}"
    archive.new_user(other, "staff")
    subject = provider.person["sub"]
    assert not bind(archive, provider, known, subject), "the same again changes nothing"
    for name, taken in ((other, subject), (known, secrets.token_hex(8)), ("admin", secrets.token_hex(8))):
        with pytest.raises(ValidationFailed):
            bind(archive, provider, name, taken)


def test_a_binding_that_is_taken_away_ends_the_sessions_that_it_opened(
    browser: Browser, another: Callable[[Served], Browser], archive: Served, provider: Provider, known: str
) -> None:
    subject = provider.person["sub"]
    browser.round_trip()
    with archive.users() as users:
        assert users.unbind_user(known, system_caller(archive.settings))
    assert browser.session is None
    refused(another(archive).round_trip(), browser, "is not a user of this archive")
    bind(archive, provider, known, subject)
    assert browser.session is None, "an old session does not come back with the binding"
    seen = {"Archive-Min-Position": str(archive.last_position())}
    history = (
        archive.as_("operator").get("/v1/history", params={"action": "user-unbound"}, headers=seen).json()["items"]
    )
    assert history[0]["before"] == {"issuer": provider.issuer, "subject": subject}


def test_a_disabled_user_does_not_come_in(browser: Browser, archive: Served, known: str) -> None:
    browser.round_trip()
    with archive.users() as users:
        users.disable_user(known, system_caller(archive.settings))
    assert browser.session is None, "and whoever was in is out"
    refused(browser.round_trip(), browser, "is not a user of this archive")


def test_where_a_role_is_named_who_comes_first_is_added_with_it(
    adding: Served, provider: Provider, another: Callable[[Served], Browser]
) -> None:
    """And while the provider is away, that is said; a start of the archive does not ask it."""
    archive, provider.away = adding, True
    browser, other = another(archive), another(archive)
    answer = browser.client.get(THERE)
    assert (answer.status_code, int(answer.headers["Retry-After"]) >= 1) == (503, True)
    assert "Not available just now" in answer.text
    provider.away = False
    provider.person = {"sub": "k", "preferred_username": "x", "email": "k.visser@library.example"}
    assert browser.round_trip().status_code == 303
    session = browser.session
    assert session is not None
    assert (session["user"], session["role"]) == ("k.visser@library.example", "viewer")
    assert browser.round_trip().status_code == 303
    provider.person = {"sub": "m", "email": "k.visser@library.example"}
    refused(other.round_trip(), other, "is not a user of this archive")  # another person has this name
    provider.person = {"sub": "m", "email": "two words"}
    refused(other.round_trip(), other, "is not a user of this archive")
    provider.person = {"sub": "m", "email": "ｍira"}
    refused(other.round_trip(), other, "is not a user of this archive")  # it reads as a name in plain letters
    provider.person = {"sub": "m", "email": "operator"}
    refused(other.round_trip(), other, "is not a user of this archive")  # a token has this name
    with archive.users() as users:
        assert sorted(users.catalogues.load_administration().users) == ["admin", "k.visser@library.example"]
    bound = archive.as_("operator").get("/v1/history", params={"action": "user-bound"}).json()["items"]
    assert [item["after"] for item in bound] == [{"issuer": provider.issuer, "subject": "k"}]
    history = archive.as_("operator").get("/v1/history", params={"action": "user-added"}).json()["items"]
    assert {item["actor"] for item in history} == {"system"}


def test_who_comes_first_with_two_browsers_at_once_is_added_once_and_comes_in_with_both(
    adding: Served, provider: Provider, another: Callable[[Served], Browser]
) -> None:
    """The other one adds while this one is about to."""
    name, archive = f"twice-{secrets.token_hex(4)}", adding
    provider.person = {"sub": "twice", "email": name}
    browser, stored = another(archive), uuid4()
    back = browser.returned(browser.leave())
    with archive.users() as users, ThreadPoolExecutor(1) as threads:
        with users.passwords.lock_user(name):
            answer = threads.submit(browser.client.get, back)
            wait_until_one_waits(archive)
            users.passwords.put(stored, name, "of the other", once=True)
            added = AddUser(NewUser(name=name, role=Role.VIEWER), stored, Identity(provider.issuer, "twice"))
            users.catalogues.administer(added, system_caller(archive.settings))
        assert answer.result().status_code == 303, answer.result().text
    session = browser.session
    assert session is not None
    assert session["user"] == name


def wait_until_one_waits(archive: Served) -> None:
    deadline = time.monotonic() + 5
    while not archive.sql("select 1 from pg_locks where locktype = 'advisory' and not granted"):
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)
