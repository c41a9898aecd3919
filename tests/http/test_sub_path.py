"""The archive below a sub-path (DOSSIER_PUBLIC_URL), behind a proxy that strips it and one that does not."""

import json
import re
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from service.serve import require_free_base
from service.settings import SettingsError, load_settings_from
from tests.http.desk import a_customer, a_letter, archived, at, issue, noted
from tests.http.served import OWN_PASSWORD, Served, serving
from tests.http.sub_path import proxied
from web.subpath import add_base, rooted_header, rooted_page, strip_base

BASE = "/archive"
PUBLIC = f"http://library.example{BASE}"
# What in a page leads somewhere; `value` and texts are people's own words.
ADDRESS = re.compile(r'\b(?!value|placeholder|content|title|alt|aria-)([a-z-]+)="(/[^"]*)"')


@pytest.fixture(scope="module")
def below() -> Iterator[Served]:
    with serving(DOSSIER_PUBLIC_URL=f"{PUBLIC}/") as served:
        yield served


@pytest.fixture(params=[True, False], ids=["stripped", "kept"])
def door(below: Served, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client at the proxy: whatever it asks outside the sub-path fails the test."""
    with proxied(below.settings.port, BASE, strips=request.param) as (proxy, url):
        origin = url.removesuffix(BASE)
        with httpx.Client(base_url=origin, timeout=60) as client:
            yield client
        assert proxy.outside == [], "an address outside the sub-path was asked for"


def test_a_desk_worker_signs_in_and_every_address_of_every_page_lies_below(below: Served, door: httpx.Client) -> None:
    """Also cookies: what belongs to other programs of the host is not sent ours."""
    name = f"desk-{secrets.token_hex(4)}"
    password = below.new_user(name, "operator")
    door.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
    front = door.get(f"{BASE}/", follow_redirects=True)
    assert front.status_code == 200
    assert str(front.url.path) == f"{BASE}/sign-in"
    answer = door.post(f"{BASE}/sign-in", data={"user": name, "password": password, "next": "/work"})
    assert answer.headers["Location"].startswith(f"{BASE}/password")
    assert "path=/archive;" in answer.headers["Set-Cookie"].lower()
    chosen = door.post(f"{BASE}/password", data={"new": OWN_PASSWORD, "again": OWN_PASSWORD, "next": "/work"})
    assert chosen.headers["Location"] == f"{BASE}/work"

    customer = a_customer(below)
    letter = archived(below.as_("staff"), customer)
    mandate = noted(below.as_("staff"), customer, note="/v1/not-an-address")
    pages = [
        "add",
        "add?source=file",
        "work?all=1",
        "customers",
        "operators",
        "settings",
        "password",
        "docs",
        "docs/try",
    ]
    pages += ["problems", f"customers/{customer}", f"customers/{customer}/timeline", f"documents/{letter['id']}"]
    pages += [f"authorizations/{mandate['id']}", f"customers/{customer}/edit", "customers/99999999"]
    for page in pages:
        shown = door.get(f"{BASE}/{page}", headers={"Archive-Min-Position": str(mandate["position"])})
        assert shown.status_code in (200, 404), page
        outside = [found for found in ADDRESS.findall(shown.text) if not found[1].startswith(f"{BASE}/")]
        assert outside == [], page
    for asset in set(re.findall(rf'"({BASE}/assets/[^"#]+)', front.text)):
        assert door.get(asset).status_code == 200


def test_what_a_program_is_answered_leads_on_below(below: Served, door: httpx.Client) -> None:
    """Location, Link, the type of a problem, the form of an authorization, the server of the contract."""
    door.headers["Authorization"] = f"Bearer {below.operator_token}"
    customer = a_customer(below)
    files = {"file": ("letter.pdf", a_letter())}
    made = door.post(f"{BASE}/v1/documents", data={"customer": customer, "type": "LETTER"}, files=files)
    assert made.status_code == 201
    assert made.headers["Location"].startswith(f"{BASE}/v1/documents/")
    seen = {"Archive-Min-Position": made.headers["Archive-Position"]}
    assert door.get(made.headers["Location"], headers=seen).status_code == 200

    letter = archived(below.as_("staff"), customer)
    listed = door.get(f"{BASE}/v1/customers/{customer}/history?limit=1", headers=at(letter["position"]))
    following = re.findall(r"<([^>]*)>", listed.headers["Link"])[0]
    assert door.get(following).status_code == 200

    missing = door.get(f"{BASE}/v1/documents/{secrets.token_hex(4)}").json()
    assert missing["type"] == f"{BASE}/problems/not-found"
    assert door.get(missing["type"], headers={"Accept": "application/json"}).status_code == 200
    assert door.get(f"{BASE}/v1/documents//").json()["type"].startswith(f"{BASE}/problems/")

    form = issue(below.as_("staff"), customer).json()["form"]
    assert door.get(form).headers["Content-Type"] == "application/pdf"
    assert door.get(f"{BASE}/openapi.json").json()["servers"] == [{"url": BASE}]
    with door.stream("GET", f"{BASE}/v1/events/stream?after=0") as stream:
        assert next(stream.iter_lines())


def test_the_archive_itself_is_asked_without_the_sub_path_by_stations_and_checks_of_health(below: Served) -> None:
    with httpx.Client(base_url=below.url) as direct:
        assert direct.get("/readyz").status_code == 200
        assert json.loads(direct.get("/v1/documents").content)["type"] == f"{BASE}/problems/unauthenticated"


@pytest.mark.parametrize(
    "url",
    ["l.example", "ftp://l.example", "https://u:p@l.example", "https://l.example/a?b", "https://l.example/a/../b"],
)
def test_a_public_url_is_an_address_with_an_optional_path(url: str) -> None:
    with pytest.raises(SettingsError, match="DOSSIER_PUBLIC_URL"):
        load_settings_from({"DOSSIER_PUBLIC_URL": url})


def test_a_sub_path_that_begins_like_an_address_of_the_archive_is_refused() -> None:
    for path in ("v1", "documents/x", "assets"):
        with pytest.raises(SettingsError, match="address of the archive itself"):
            require_free_base(load_settings_from({"DOSSIER_PUBLIC_URL": f"https://library.example/{path}"}))
    require_free_base(load_settings_from({"DOSSIER_PUBLIC_URL": "https://library.example"}))


def test_addresses_are_brought_below_once() -> None:
    brought = {"/": "/archive/", "/add?x=/y": "/archive/add?x=/y", "/archives": "/archive/archives"}
    left = ["/archive/add", "//elsewhere", "add", "https://x/"]
    assert {path: add_base(path, BASE) for path in (*brought, *left)} == {**brought, **{path: path for path in left}}
    assert [strip_base(p, BASE) for p in ("/archive", "/archive/", "/archive/add", "/archives", "/add")] == [
        "/", "/", "/add", "/archives", "/add",
    ]  # fmt: skip
    assert rooted_header(b"set-cookie", b"a=b; HttpOnly; Path=/; SameSite=Lax", BASE).endswith(
        b"Path=/archive; SameSite=Lax"
    )
    page = '<a href="/add">/add</a><input value="/add">'
    assert rooted_page(page, BASE) == '<a href="/archive/add">/add</a><input value="/add">'
    assert rooted_page(page, "") == page
    assert urlsplit(add_base("/add", "")).path == "/add"
