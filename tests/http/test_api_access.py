"""Who may do what over HTTP (docs/api-guide.md), what does not exist for whom, and who read what (the access log).

The history as a reader sees it is in test_api_history.py; the policy function alone is in tests/unit/test_access.py.
"""

import hashlib
import re
import secrets
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import falcon.inspect
import httpx
import psycopg
import pytest

from desk.app import create_app
from desk.contract import ROUTES
from desk.pages import PAGES
from domain.access import Verb
from domain.limits import Limits
from tests.http.desk import (
    CONSENT,
    DEBT,
    a_customer,
    a_letter,
    a_mandate,
    a_text,
    access_lines,
    an_iban,
    archived,
    at,
    correct,
    corrected,
    issued,
    no_upload,
    noted,
    pointers,
    problem_of,
    refusing_lines,
    select_file,
    stepped,
    view,
    wrongly_lapsed,
)
from tests.http.disposing import a_disposal, an_ended
from tests.http.scanning import FEEDER, JPEG, SESSIONS, Station, a_page, a_scanner, started
from tests.http.scanning import filled as with_page
from tests.http.served import Served, wait_until
from web.route import Route

ROLES = ("viewer", "staff", "supervisor", "operator", "station", "integration")
ANYONE = "anyone, without a token too"
SIGNED_IN = ""  # by name and password: a token of no role has a session
READERS = "viewer staff supervisor operator"
DESK = "staff supervisor operator"
SUPERVISION = "supervisor operator"

# The rights of docs/api-guide.md, written out for each address by hand: who may.
TABLE = {
    ("PUT", "/v1/customers/{id}"): "operator integration",
    ("POST", "/v1/customers/{id}/report"): f"{SUPERVISION} integration",
    ("GET", "/v1/customers"): f"{READERS} integration",
    ("GET", "/v1/customers/{id}"): f"{READERS} integration",
    ("GET", "/v1/customers/{id}/documents"): READERS,
    ("GET", "/v1/customers/{id}/summary"): READERS,
    ("GET", "/v1/customers/{id}/changes"): READERS,
    ("GET", "/v1/customers/{id}/history"): READERS,
    ("GET", "/v1/customers/{id}/export"): SUPERVISION,
    ("POST", "/v1/documents"): DESK,
    ("GET", "/v1/documents"): READERS,
    ("GET", "/v1/documents/{id}"): READERS,
    ("GET", "/v1/documents/{id}/content"): READERS,
    ("GET", "/v1/documents/{id}/pages/{n}"): READERS,
    ("GET", "/v1/documents/{id}/history"): READERS,
    ("POST", "/v1/documents/{id}/describe"): DESK,
    ("POST", "/v1/documents/{id}/reclassify"): DESK,
    ("POST", "/v1/documents/{id}/withdraw"): DESK,
    ("POST", "/v1/documents/{id}/restore"): DESK,
    ("POST", "/v1/documents/{id}/reassign"): SUPERVISION,
    ("POST", "/v1/documents/{id}/link-customer"): SUPERVISION,
    ("POST", "/v1/documents/{id}/unlink-customer"): SUPERVISION,
    ("PUT", "/v1/documents/{id}/content"): SUPERVISION,
    ("POST", "/v1/authorizations"): f"{DESK} integration",
    ("GET", "/v1/authorizations"): f"{READERS} integration",
    ("GET", "/v1/authorizations/{id}"): f"{READERS} integration",
    ("GET", "/v1/disposals"): SUPERVISION,
    ("POST", "/v1/disposals"): SUPERVISION,
    ("GET", "/v1/disposals/{id}"): SUPERVISION,
    ("POST", "/v1/disposals/{id}/approve"): SUPERVISION,
    ("GET", "/v1/disposals/{id}/declaration"): SUPERVISION,
    ("GET", "/v1/keys/signing"): " ".join(ROLES),
    ("POST", "/v1/disposals/{id}/run"): SUPERVISION,
    ("GET", "/v1/operations"): "operator",
    ("POST", "/v1/operations"): "operator",
    ("GET", "/v1/work-list/ending"): f"{READERS} integration",
    ("GET", "/v1/work-list/originals"): f"{READERS} integration",
    ("GET", "/v1/authorizations/{id}/history"): READERS,
    ("POST", "/v1/authorizations/{id}/amend"): DESK,
    ("POST", "/v1/authorizations/{id}/suspend"): DESK,
    ("POST", "/v1/authorizations/{id}/resume"): DESK,
    ("POST", "/v1/authorizations/{id}/revoke"): DESK,
    ("POST", "/v1/authorizations/{id}/supersede"): DESK,
    ("POST", "/v1/authorizations/{id}/cancel"): DESK,
    ("POST", "/v1/authorizations/{id}/withdraw"): DESK,
    ("POST", "/v1/authorizations/{id}/reinstate"): DESK,
    ("POST", "/v1/authorizations/{id}/reassign"): SUPERVISION,
    ("POST", "/v1/authorizations/{id}/collections"): f"{DESK} integration",
    ("GET", "/v1/authorizations/{id}/dossier"): DESK,
    ("POST", "/v1/forms"): f"{DESK} integration",
    ("GET", "/v1/forms/{id}.pdf"): f"{DESK} integration",
    ("GET", "/v1/scan-codes/{code}"): DESK,
    ("GET", "/v1/scan-stations"): f"{DESK} station",
    ("PUT", "/v1/scan-stations/{name}"): "station operator",
    ("DELETE", "/v1/scan-stations/{name}"): "operator",
    ("GET", "/v1/scan-stations/{name}/jobs"): "station operator",
    ("GET", "/v1/scanners"): f"{DESK} station",
    ("GET", "/v1/scan-sessions"): DESK,
    ("POST", "/v1/scan-sessions"): DESK,
    ("GET", "/v1/scan-sessions/{id}"): f"{DESK} station",
    ("DELETE", "/v1/scan-sessions/{id}"): DESK,
    ("POST", "/v1/scan-sessions/{id}/confirm"): DESK,
    ("POST", "/v1/scan-sessions/{id}/stop"): DESK,
    ("POST", "/v1/scan-sessions/{id}/reopen"): DESK,
    ("POST", "/v1/scan-sessions/{id}/finish"): "station operator",
    ("GET", "/v1/scan-sessions/{id}/split"): DESK,
    ("POST", "/v1/scan-sessions/{id}/collate"): DESK,
    ("PUT", "/v1/scan-sessions/{id}/pages/{n}"): f"{DESK} station",
    ("GET", "/v1/scan-sessions/{id}/pages/{n}"): DESK,
    ("POST", "/v1/scan-sessions/{id}/pages/{n}/rotate"): DESK,
    ("POST", "/v1/scan-sessions/{id}/pages/{n}/move"): DESK,
    ("POST", "/v1/scan-sessions/{id}/pages/{n}/remove"): DESK,
    ("POST", "/v1/scan-sessions/{id}/archive"): DESK,
    ("GET", "/v1/document-types"): " ".join(ROLES),
    ("GET", "/v1/document-types/{code}"): " ".join(ROLES),
    ("PUT", "/v1/document-types/{code}"): SUPERVISION,
    ("GET", "/v1/history"): READERS,
    ("GET", "/v1/events"): f"{READERS} integration",
    ("GET", "/v1/events/stream"): f"{READERS} integration",
    ("GET", "/v1/access-log"): SUPERVISION,
    ("POST", "/v1/session"): ANYONE,
    ("GET", "/v1/session"): " ".join(ROLES),
    ("PUT", "/v1/session"): SIGNED_IN,
    ("DELETE", "/v1/session"): SIGNED_IN,
    ("PUT", "/v1/session/password"): SIGNED_IN,
    ("GET", "/livez"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/version"): ANYONE,
    ("GET", "/metrics"): "operator",
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/problems"): ANYONE,
    ("GET", "/problems/{slug}"): ANYONE,
}
GUARDED = [address for address, who in TABLE.items() if who is not ANYONE]
PUBLIC = [address for address, who in TABLE.items() if who is ANYONE and address[0] == "GET"]
CELLS = [(address, role) for address in GUARDED for role in TABLE[address].split()]
Address = tuple[str, str]


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


# -- every route has its rights -------------------------------------------------------------------------------------


def unwritten(routes: Iterable[Route]) -> set[Address]:
    """Routes of whom the table does not say who may use them."""
    return {(route.method, route.path) for route in routes} - set(TABLE)


def test_every_route_stands_in_the_table_of_rights_and_no_other() -> None:
    assert unwritten(ROUTES) == set()
    assert {(route.method, route.path) for route in ROUTES} == set(TABLE)


def test_a_new_route_without_rights_is_noticed() -> None:
    known = ROUTES[0]
    new = Route(method="DELETE", path="/v1/new", verb=Verb.OPERATIONS, handle=known.handle, summary="new")
    assert unwritten([*ROUTES, new]) == {("DELETE", "/v1/new")}
    with pytest.raises(TypeError, match="verb"):
        Route(method="GET", path="/v1/new", handle=known.handle, summary="new")  # type: ignore[call-arg]  # what is wrong


def test_the_application_answers_at_no_address_beside_the_table() -> None:
    """A resource added to the framework alone would go by every check."""
    front = create_app(lambda: None, limits=Limits(), write=lambda line: None)  # type: ignore[arg-type, return-value]  # never opened
    routes = falcon.inspect.inspect_routes(front.app)  # type: ignore[arg-type]  # the framework's own
    answered = {(m.method, route.path) for route in routes for m in route.methods if not m.internal}
    assert answered == set(TABLE) | {(page.method, page.path) for page in PAGES}  # these: test_screens_access.py


# -- role by route ----------------------------------------------------------------------------------------------------


class Asking:
    """A proper request for each address, so that only rights can refuse it."""

    def __init__(self, served: Served) -> None:
        self.served, self.desk, self.customer = served, served.as_("operator"), a_customer(served)
        self.letter = archived(self.desk, self.customer, external_id=secrets.token_hex(8))
        self.consent = noted(self.desk, self.customer, external_id=secrets.token_hex(8))
        self.form = issued(self.desk, self.customer)
        self.position = self.form["position"]
        self.station = Station(served.as_("station"), f"s{secrets.token_hex(4)}")
        self.scan = started(self.desk, scanner=self.station.scanner("feeder"))

    def __call__(self, client: httpx.Client, address: Address) -> httpx.Response:
        method, path = address
        name = "s" + hashlib.sha256(client.headers.get("Authorization", "").encode()).hexdigest()[:8]
        if path.endswith("/jobs"):  # those of a station of its own
            client.put(f"/v1/scan-stations/{name}", json={"scanners": [a_scanner()]})
        known = {"id": self.id_for(path), "n": 1, "code": "LETTER", "slug": "not-found", "name": name}
        if path.endswith("/stream"):  # which has no end: its head is the answer
            with client.stream(method, path) as answer:
                return answer
        more: dict[str, Any] = getattr(self, "_" + re.sub(r"\W+", "_", f"{method} {path}").strip("_").lower(), dict)()
        return client.request(method, more.pop("url", path.format(**known)), **more)

    def id_for(self, path: str) -> str:
        if "/scan-" in path:
            return str(self.scan["id"])
        return self.customer if "/customers/" in path else (self.consent if "/auth" in path else self.letter)["id"]

    def _put_v1_customers_id(self) -> dict[str, Any]:
        return {"url": f"/v1/customers/c{secrets.token_hex(5)}", "json": {"name": "Jan de Vries"}}

    def _post_v1_customers_id_report(self) -> dict[str, Any]:
        return {"json": {"event": "left", "on": "2026-01-02", "reason": "moved to Gent"}}

    def _get_v1_customers(self) -> dict[str, Any]:
        return {"params": {"q": self.customer}}

    def _post_v1_documents(self) -> dict[str, Any]:
        form = {"customer": self.customer, "type": "LETTER"}
        return {"data": form, "files": {"file": ("letter.pdf", a_letter())}}

    def _post_v1_disposals(self) -> dict[str, Any]:
        an_ended(self.served)
        return {"json": {"types": ["OTHER_AUTHORIZATION"]}, "headers": at(self.served.last_position())}

    def _get_v1_disposals_id(self) -> dict[str, Any]:
        return {"url": a_disposal(self.served, self.letter["id"])}

    def _get_v1_disposals_id_declaration(self) -> dict[str, Any]:
        address = a_disposal(self.served, self.letter["id"])
        self.desk.post(f"{address}/run").raise_for_status()
        wait_until(lambda: self.desk.get(address).json()["state"] == "done", 30, "the run did not end")
        return {"url": f"{address}/declaration"}

    def _post_v1_disposals_id_approve(self) -> dict[str, Any]:
        return {"url": a_disposal(self.served, self.letter["id"]) + "/approve", "json": {"reason": "compared"}}

    def _post_v1_disposals_id_run(self) -> dict[str, Any]:
        return {"url": a_disposal(self.served, self.letter["id"]) + "/run"}

    def _post_v1_operations(self) -> dict[str, Any]:
        return {"json": {"kind": "replay", "view": "authorizations"}}

    def _get_v1_documents(self) -> dict[str, Any]:
        return {"params": {"external_id": self.letter["external_id"]}}

    def _get_v1_authorizations(self) -> dict[str, Any]:
        return {"params": {"external_id": self.consent["external_id"]}}

    def _post_v1_authorizations(self) -> dict[str, Any]:
        original = {"held": True, "shelf_mark": "B 12"}
        return {"json": {"customer": self.customer, "type": "GUARDIAN_CONSENT", "original": original}}

    def _post_v1_documents_id_describe(self) -> dict[str, Any]:
        return self.correction("describe", note="another")

    def _post_v1_documents_id_reclassify(self) -> dict[str, Any]:
        return self.correction("reclassify", type="FORM")

    def _post_v1_documents_id_withdraw(self) -> dict[str, Any]:
        return self.correction("withdraw")

    def _post_v1_documents_id_restore(self) -> dict[str, Any]:
        return self.correction("restore")

    def _put_v1_document_types_code(self) -> dict[str, Any]:
        body = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary"}
        return {"url": f"/v1/document-types/T_{secrets.token_hex(4).upper()}", "json": body}

    def _post_v1_documents_id_reassign(self) -> dict[str, Any]:
        return self.correction("reassign", customer=a_customer(self.served))

    def _post_v1_documents_id_link_customer(self) -> dict[str, Any]:
        return self.correction("link-customer", customer=a_customer(self.served))

    def _post_v1_documents_id_unlink_customer(self) -> dict[str, Any]:
        return self.correction("unlink-customer", customer=a_customer(self.served))

    def _put_v1_documents_id_content(self) -> dict[str, Any]:
        correction = self.correction("content")
        return {**correction, "json": None, "data": {"reason": "slip"}, "files": {"file": ("a.txt", a_text())}}

    def _post_v1_authorizations_id_amend(self) -> dict[str, Any]:
        return self.step("amend", debtor_name="K. Another")

    def _post_v1_authorizations_id_suspend(self) -> dict[str, Any]:
        return self.step("suspend")

    def _post_v1_authorizations_id_resume(self) -> dict[str, Any]:
        return self.step("resume")

    def _post_v1_authorizations_id_revoke(self) -> dict[str, Any]:
        return self.step("revoke", received_on="2026-02-01")

    def _post_v1_authorizations_id_supersede(self) -> dict[str, Any]:
        return self.step("supersede", by=self.debt()["id"])

    def _post_v1_authorizations_id_cancel(self) -> dict[str, Any]:
        return self.step("cancel")

    def _post_v1_authorizations_id_withdraw(self) -> dict[str, Any]:
        return self.step("withdraw")

    def _post_v1_authorizations_id_reinstate(self) -> dict[str, Any]:
        return self.step("reinstate")

    def _post_v1_authorizations_id_reassign(self) -> dict[str, Any]:
        return self.step("reassign", customer=a_customer(self.served))

    def _post_v1_authorizations_id_collections(self) -> dict[str, Any]:
        asked = self.step("collections", presented_on="2026-02-01", due_on="2026-02-06", outcome="paid")
        del asked["json"]["reason"]
        return asked

    def _post_v1_forms(self) -> dict[str, Any]:
        return {"json": {"customer": self.customer, "type": CONSENT}}

    def _get_v1_forms_id_pdf(self) -> dict[str, Any]:
        return {"url": self.form["form"]}

    def _get_v1_scan_codes_code(self) -> dict[str, Any]:
        return {"url": f"/v1/scan-codes/{self.form['scan_code']}"}

    def _put_v1_session(self) -> dict[str, Any]:
        return {"json": {}}

    def _delete_v1_session(self) -> dict[str, Any]:
        return {}

    def _put_v1_session_password(self) -> dict[str, Any]:
        return {"json": {"new": "x" * 20}}

    def _put_v1_scan_stations_name(self) -> dict[str, Any]:
        return {"url": f"/v1/scan-stations/s{secrets.token_hex(4)}", "json": {"scanners": [a_scanner()]}}

    def _delete_v1_scan_stations_name(self) -> dict[str, Any]:
        name = f"s{secrets.token_hex(4)}"
        self.served.as_("station").put(f"/v1/scan-stations/{name}", json={"scanners": [a_scanner()]})
        return {"url": f"/v1/scan-stations/{name}"}

    def _post_v1_scan_sessions(self) -> dict[str, Any]:
        return {"json": {}}

    def _delete_v1_scan_sessions_id(self) -> dict[str, Any]:
        return self.page("")

    def _post_v1_scan_sessions_id_confirm(self) -> dict[str, Any]:
        """Each on a glass of its own, for it is held."""
        glass = f"glass-{secrets.token_hex(4)}"
        assert self.station.report(a_scanner(id=glass), FEEDER).is_success
        return {"url": f"{SESSIONS}/{started(self.desk, scanner=self.station.scanner(glass))['id']}/confirm"}

    def _post_v1_scan_sessions_id_stop(self) -> dict[str, Any]:
        return {"url": self.page("/stop")["url"]}

    def _post_v1_scan_sessions_id_reopen(self) -> dict[str, Any]:
        return {"url": self.page("/reopen")["url"]}

    def _post_v1_scan_sessions_id_finish(self) -> dict[str, Any]:
        return {"json": {"pass": 1}}

    def _get_v1_scan_sessions_id_split(self) -> dict[str, Any]:
        return self.page("/split")

    def _post_v1_scan_sessions_id_collate(self) -> dict[str, Any]:
        return self.page("/collate", sheets=[[1]])

    def _put_v1_scan_sessions_id_pages_n(self) -> dict[str, Any]:
        return {"content": a_page(), "headers": JPEG}

    def _get_v1_scan_sessions_id_pages_n(self) -> dict[str, Any]:
        return self.page("/pages/1")

    def _post_v1_scan_sessions_id_pages_n_rotate(self) -> dict[str, Any]:
        return self.page("/pages/1/rotate", degrees=90)

    def _post_v1_scan_sessions_id_pages_n_move(self) -> dict[str, Any]:
        return self.page("/pages/1/move", to=1)

    def _post_v1_scan_sessions_id_pages_n_remove(self) -> dict[str, Any]:
        return self.page("/pages/1/remove")

    def _post_v1_scan_sessions_id_archive(self) -> dict[str, Any]:
        return self.page("/archive", customer=self.customer, type="LETTER")

    def page(self, step: str, **body: Any) -> dict[str, Any]:
        """Something about a session that has a page."""
        asked = {"json": body} if step.rpartition("/")[2].isalpha() else {}
        return {"url": f"{SESSIONS}/{with_page(self.desk)['id']}{step}", **asked}

    def correction(self, verb: str, **body: Any) -> dict[str, Any]:
        paper = archived(self.desk, self.customer, a_text(), name="a.txt")
        if verb == "restore":
            paper = corrected(self.desk, paper, "withdraw")
        headers = {"If-Match": f'"{paper["version"]}"'}
        return {"url": f"/v1/documents/{paper['id']}/{verb}", "headers": headers, "json": {"reason": "slip", **body}}

    def step(self, verb: str, **body: Any) -> dict[str, Any]:
        paper = issued(self.desk, self.customer)["authorization"] if verb == "cancel" else self.debt()
        if verb == "resume":
            paper = stepped(self.desk, paper, "suspend")
        if verb == "reinstate":
            paper = wrongly_lapsed(self.served, paper)
        headers = {"If-Match": f'"{paper["version"]}"'}
        url = f"/v1/authorizations/{paper['id']}/{verb}"
        return {"url": url, "headers": headers, "json": {"reason": "slip", **body}}

    def debt(self) -> dict[str, Any]:
        """A mandate for an account of its own."""
        return noted(self.desk, self.customer, type=DEBT, mandate=a_mandate(iban=an_iban()))


@pytest.fixture(scope="module")
def asking(served: Served) -> Asking:
    asking = Asking(served)
    asking.desk.get(f"/v1/documents/{asking.letter['id']}", headers=at(asking.position)).raise_for_status()
    return asking


@pytest.mark.parametrize(("address", "role"), CELLS)
def test_each_role_may_what_the_contract_gives_it(served: Served, asking: Asking, address: Address, role: str) -> None:
    """What it does not give is in the next tests."""
    answer = asking(served.as_(role), address)
    assert answer.is_success, answer.text


def test_a_verb_that_a_role_lacks_is_forbidden_whatever_the_object(served: Served) -> None:
    """An absent object, a malformed one and a wrong body change nothing of that answer."""
    known = {"n": 1, "code": "NONE", "slug": "none", "name": "none"}
    for (method, path), who in TABLE.items():
        for role in set(ROLES) - set(who.split()) if who is not ANYONE else ():
            for paper in (uuid4(), "x"):
                answer = served.as_(role).request(method, path.format(id=paper, **known), content=b"{")
                assert problem_of(answer, 403) == "forbidden", (role, method, path)


@pytest.mark.parametrize("role", ROLES)
def test_a_user_may_what_a_token_of_its_role_may(served: Served, asking: Asking, role: str) -> None:
    """Reads of every address, and each change without its body: rights are asked before it is."""
    user = served.as_user(role)
    for method, path in GUARDED:
        if TABLE[method, path] is SIGNED_IN or path.endswith(("/jobs", "/stream")):
            continue
        if method == "GET":
            answer = asking(user, (method, path))
        else:
            address = path.format(id=uuid4(), n=1, code="NONE", slug="none", name="none")
            answer = user.request(method, address, content=b"{")
        assert (answer.status_code == 403) is (role not in TABLE[method, path].split()), (method, path)


def test_what_was_forbidden_has_not_happened(served: Served, asking: Asking) -> None:
    last = "select max(notification_id), (select count(*) from register.customer) from archive.archive_events"
    for address in GUARDED:
        for role in ("viewer", "station"):
            if address[0] == "GET" or role in TABLE[address].split():
                continue
            request = getattr(asking, "_" + re.sub(r"\W+", "_", " ".join(address)).strip("_").lower())()
            client, before = served.as_(role), served.sql(last)
            answer = client.request(address[0], request.pop("url", address[1]), **request)
            assert problem_of(answer, 403) == "forbidden"
            assert served.sql(last) == before


# -- tokens ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def revoked(served: Served) -> str:
    name = f"revoked-{secrets.token_hex(4)}"
    token = served.new_token(name, "operator")
    client = served.client(token)
    assert client.get("/v1/history?limit=1").status_code == 200
    served.revoke_token(name)
    wait_until(lambda: client.get("/v1/history?limit=1").status_code == 401, 5, "a revoked token still works")
    return token


def refused(served: Served, address: Address, authorization: str | None) -> None:
    method, path = address
    headers: Any = {} if authorization is None else {"Authorization": authorization.encode()}
    whole = path.format(id=uuid4(), n=1, code="LETTER", name="none")
    answer = served.client(None).request(method, whole, headers=headers)
    assert problem_of(answer, 401) == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("address", GUARDED)
def test_no_address_answers_without_a_good_token(served: Served, revoked: str, address: Address) -> None:
    for authorization in (None, "Bearer", f"Basic {served.operator_token}", f"Bearer {revoked}"):
        refused(served, address, authorization)


def test_nothing_but_a_whole_token_is_a_good_one(served: Served) -> None:
    good = served.operator_token
    for authorization in (
        "", "Bearer x", f"Bearer {good}x", f"Bearer {good[:-1]}", f"Bearer {good.upper()}", f"Token {good}", good,
        f"Bearer {good} {good}", f"Bearer,{good}", f"Bearer {'x' * 600}", "Bearer ünï",
    ):  # fmt: skip
        for address in (("GET", "/v1/history"), ("POST", "/v1/documents"), ("PUT", "/v1/customers/{id}")):
            refused(served, address, authorization)


def test_a_token_is_taken_from_its_header_alone(served: Served) -> None:
    client, token = served.client(None), served.operator_token
    for query in (f"access_token={token}", f"token={token}", f"authorization=Bearer%20{token}"):
        assert problem_of(client.get(f"/v1/history?{query}"), 401) == "unauthenticated"
    assert problem_of(client.get("/v1/history", headers={"Cookie": f"token={token}"}), 401) == "unauthenticated"


def test_the_name_of_the_scheme_is_read_in_any_case(served: Served) -> None:
    client = served.client(None)
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer "):
        headers = {"Authorization": f"{scheme} {served.operator_token}"}
        assert client.get("/v1/document-types", headers=headers).status_code == 200


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_for_anyone_needs_no_token_and_minds_no_bad_one(served: Served, address: Address) -> None:
    path = address[1].format(slug="not-found")
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert served.client(None).get(path, headers=headers).status_code == 200


def test_a_revoked_token_is_refused_by_every_process(served: Served, revoked: str) -> None:
    for _ in range(20):  # a connection each, so that all workers are asked
        answer = httpx.get(f"{served.url}/v1/document-types", headers={"Authorization": f"Bearer {revoked}"})
        assert answer.status_code == 401


def test_no_token_is_in_what_the_program_writes(served: Served, revoked: str) -> None:
    assert revoked not in served.said()
    assert served.operator_token not in served.said()


# -- what does not exist for whom -------------------------------------------------------------------------------------


class Hidden:
    """A customer with a letter that all may see, and papers of each sensitivity that some may not."""

    def __init__(self, served: Served) -> None:
        staff, word = served.as_("staff"), secrets.token_hex(6)
        self.customer, self.word, self.secret = a_customer(served), word, a_letter()
        self.letter = archived(staff, self.customer, note=f"letter {word}", external_id=f"{word}-letter")
        self.debt = noted(staff, self.customer, type="DEBT_AUTHORIZATION", mandate=a_mandate(), note=word)
        self.health = archived(
            staff, self.customer, self.secret, type="READING_DISABILITY", note=word, external_id=f"{word}-health"
        )
        self.seen = noted(
            staff,
            self.customer,
            type="IDENTIFICATION",
            original=None,
            verification={"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"},
            note=word,
            external_id=f"{word}-seen",
        )
        self.position = self.seen["position"]

    def addresses(self, paper: dict[str, Any]) -> list[str]:
        """Everywhere a paper can be read alone."""
        room = "documents" if paper["kind"] == "document" else "authorizations"
        found = [f"/v1/{room}/{paper['id']}", f"/v1/{room}/{paper['id']}/history"]
        if paper["evidence"]:
            document = f"/v1/documents/{paper['evidence']}"
            found += [document, f"{document}/content", f"{document}/pages/1", f"{document}/history"]
        return found

    def ids(self, *papers: dict[str, Any]) -> set[str]:
        return {paper[name] for paper in papers for name in ("id", "evidence") if paper[name]}


@pytest.fixture(scope="module")
def hidden(served: Served) -> Hidden:
    made = Hidden(served)
    view(served.as_("staff"), made.customer, made.position)
    return made


# Of whom, which rights, and the papers that do not exist for them.
BLIND = [
    ("viewer", {}, "health seen"),
    ("viewer", {"granted": ("health",)}, "seen"),
    ("viewer", {"granted": ("health", "identity")}, ""),
    ("viewer", {"without": ("financial",)}, "debt health seen"),
    ("staff", {}, ""),
    ("staff", {"without": ("health",)}, "health"),
    ("staff", {"without": ("identity", "financial")}, "debt seen"),
    ("supervisor", {"without": ("health",)}, "health"),
    ("operator", {"without": ("health", "identity")}, "health seen"),
    ("viewer", {"granted": ("health",), "without": ("health",)}, "health seen"),
]


@pytest.fixture(params=BLIND, ids=lambda case: f"{case[0]}-{case[1]}")
def reader(request: pytest.FixtureRequest, served: Served) -> tuple[httpx.Client, list[str], list[str]]:
    """A client, the names of the papers that it may see, and of those that it may not."""
    role, rights, blind = request.param
    names = ["letter", "debt", "health", "seen"]
    return served.as_(role, **rights), [n for n in names if n not in blind.split()], blind.split()


Reader = tuple[httpx.Client, list[str], list[str]]


def test_what_a_reader_may_not_see_is_in_no_list_count_filter_or_search(hidden: Hidden, reader: Reader) -> None:
    """I12 and edge case 18."""
    client, visible, _ = reader
    shown = [getattr(hidden, name)["id"] for name in visible][::-1]
    for limit in (1, 2, 200):
        assert [row["id"] for row in view(client, hidden.customer, limit=limit)] == shown
    assert [row["id"] for row in view(client, hidden.customer, q=hidden.word)] == shown
    for column in ("kind", "status", "source"):
        for name in ("letter", "debt", "health", "seen"):
            wanted = getattr(hidden, name)[column]
            rows = view(client, hidden.customer, **{column: wanted})
            assert {row["id"] for row in rows} <= set(shown)
    path = f"/v1/customers/{hidden.customer}/documents"
    for name in ("letter", "debt", "health", "seen"):
        answer = client.get(path, params={"type": getattr(hidden, name)["type"]})
        if name in visible:
            assert {row["id"] for row in answer.json()["items"]} <= set(shown)
        else:  # as of a type that is not there
            assert pointers(answer) == {"/query/type"}
            assert answer.json()["errors"] == client.get(path, params={"type": "NOPE"}).json()["errors"]
    assert [row["id"] for row in view(client, hidden.customer, as_of=hidden.position)] == shown


def test_what_a_reader_may_not_see_is_not_found_like_what_is_not_there(hidden: Hidden, reader: Reader) -> None:
    client, visible, blind = reader
    for name in visible:
        for address in hidden.addresses(getattr(hidden, name)):
            assert client.get(address).status_code == 200, address
    for name in blind:
        for address in hidden.addresses(getattr(hidden, name)):
            absent = re.sub(r"[0-9a-f-]{36}", str(uuid4()), address)
            assert_same_refusal(client.get(address), client.get(absent))
            assert_same_refusal(client.head(address), client.head(absent))


def assert_same_refusal(one: httpx.Response, other: httpx.Response) -> None:
    """404, and nothing tells them apart."""
    assert one.status_code == other.status_code == 404
    if one.content:
        assert problem_of(one, 404) == "not-found"
        assert told(one) == told(other)
    assert set(one.headers) == set(other.headers)


def told(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name not in ("instance", "trace_id")}


def test_what_a_reader_may_not_see_has_no_history_and_no_external_id(hidden: Hidden, reader: Reader) -> None:
    client, visible, blind = reader
    for address in (f"/v1/customers/{hidden.customer}/history", "/v1/history?limit=200"):
        subjects = {item["subject"]["id"] for item in client.get(address).json()["items"]}
        assert not subjects & hidden.ids(*(getattr(hidden, name) for name in blind))
        assert subjects >= hidden.ids(*(getattr(hidden, name) for name in visible))
    for name in ("health", "seen"):
        room = "documents" if name == "seen" else "authorizations"
        found = client.get(f"/v1/{room}", params={"external_id": f"{hidden.word}-{name}"}).json()
        assert len(found["items"]) == (name in visible)


def test_a_type_that_a_reader_may_not_see_is_not_in_its_catalogue(hidden: Hidden, reader: Reader) -> None:
    client, visible, blind = reader
    listed = {item["code"] for item in client.get("/v1/document-types").json()["items"]}
    for name in visible:
        code = getattr(hidden, name)["type"]
        assert code in listed
        assert client.get(f"/v1/document-types/{code}").status_code == 200
    for name in blind:
        code = getattr(hidden, name)["type"]
        assert code not in listed
        absent = client.get("/v1/document-types/NO_SUCH_TYPE")
        assert_same_refusal(client.get(f"/v1/document-types/{code}"), absent)


def test_who_may_not_see_a_type_cannot_write_it_either(served: Served, hidden: Hidden) -> None:
    """The answer is that of a type that does not exist."""
    blind, code = served.as_("staff", without=("health",)), "READING_DISABILITY"
    letter = archived(blind, hidden.customer)
    for wanted in (code, "NO_SUCH_TYPE"):
        assert problem_of(select_file(blind, hidden.customer, type=wanted), 422) == "document-type-unknown"
        assert problem_of(no_upload(blind, hidden.customer, type=wanted), 422) == "document-type-unknown"
        answer = correct(blind, letter["id"], "reclassify", 1, type=wanted, reason="slip")
        assert problem_of(answer, 422) == "document-type-unknown"
    assert problem_of(no_upload(served.as_("integration"), hidden.customer, type=code), 422) == "document-type-unknown"


@pytest.mark.parametrize("verb", ["describe", "reclassify", "withdraw", "restore"])
def test_who_may_not_see_a_document_cannot_correct_it(served: Served, hidden: Hidden, verb: str) -> None:
    blind = served.as_("staff", without=("health", "identity"))
    body = {"describe": {"note": "x"}, "reclassify": {"type": "LETTER"}}.get(verb, {})
    for paper in (hidden.health["evidence"], hidden.seen["id"]):
        for version in (1, 7, "*"):
            answer = correct(blind, paper, verb, version, reason="slip", **body)
            assert_same_refusal(answer, correct(blind, str(uuid4()), verb, version, reason="slip", **body))


@pytest.fixture(scope="module")
def health_type(served: Served) -> str:
    """A document type of health, to and from which a document can be reclassified."""
    code = f"T_{secrets.token_hex(4).upper()}"
    body = {"labels": {"en": "Doctor's letter"}, "kind": "document", "sensitivity": "health"}
    assert served.as_("operator").put(f"/v1/document-types/{code}", json=body).status_code == 201
    return code


def test_a_document_that_became_hidden_is_hidden_in_its_past_too(
    served: Served, staff: httpx.Client, health_type: str
) -> None:
    """It was filed under the wrong type: as of that day it would have shown what it must not."""
    customer, viewer = a_customer(served), served.as_("viewer")
    letter = archived(staff, customer, a_text(), name="a.txt", external_id=secrets.token_hex(8))
    changed = corrected(staff, letter, "reclassify", type=health_type)
    then: dict[str, Any] = {"as_of": letter["position"]}
    assert [row["type"] for row in view(staff, customer, changed["position"], **then)] == ["LETTER"]
    assert view(viewer, customer, **then) == []
    assert view(viewer, customer, as_of=letter["recorded_at"]) == []
    assert problem_of(viewer.get(f"/v1/documents/{letter['id']}", params=then), 404) == "not-found"
    known = viewer.get("/v1/documents", params={"external_id": letter["external_id"], **then})
    assert known.json()["items"] == []


def test_a_document_that_was_hidden_shows_nothing_of_that_time(
    served: Served, staff: httpx.Client, health_type: str
) -> None:
    customer, viewer = a_customer(served), served.as_("viewer")
    paper = archived(staff, customer, a_text(), name="a.txt", type=health_type, note="as it was")
    changed = corrected(staff, paper, "reclassify", type="LETTER")
    assert [row["type"] for row in view(viewer, customer, changed["position"])] == ["LETTER"]
    assert view(viewer, customer, as_of=paper["position"]) == []


def test_a_refusal_names_the_paper_in_the_way_only_to_who_may_see_it(
    served: Served, staff: httpx.Client, hidden: Hidden, health_type: str
) -> None:
    (actor, blind), customer = a_reader(served, without=("health",)), a_customer(served)
    data, external_id = a_text(), secrets.token_hex(8)
    paper = archived(staff, customer, data, name="a.txt", type=health_type, external_id=external_id)
    for client, existing in ((staff, paper["id"]), (blind, None)):
        same = select_file(client, customer, data, name="a.txt")
        assert problem_of(same, 409) == "duplicate-content"
        assert same.json().get("existing") == existing
        taken = no_upload(client, customer, external_id=external_id)
        assert problem_of(taken, 409) == "external-id-taken"
        assert taken.json().get("existing") == existing
    told = [(line["document"], line["status"]) for line in lines_of(served, actor, action="existence")]
    assert told == [(paper["id"], 409)] * 2, "who learned that it is there stands in the access log"


def test_a_mandate_of_another_branch_is_not_named_to_who_reads_its_own_only(served: Served) -> None:
    customer, debt = a_customer(served), debt_of_one_account()
    first = noted(served.as_("staff", branch="EAST"), customer, **debt)
    own = no_upload(served.as_("staff", branch="WEST", own_branch_only=True), customer, **debt)
    everywhere = no_upload(served.as_("staff", branch="WEST"), customer, **debt)
    assert problem_of(own, 409) == problem_of(everywhere, 409) == "mandate-exists"
    assert ("existing" in own.json(), everywhere.json()["existing"]) == (False, first["id"])


def test_a_mandate_that_is_read_with_its_account_is_a_line(served: Served) -> None:
    actor, client = a_reader(served)
    mandate = noted(client, a_customer(served), **debt_of_one_account())
    plain = noted(client, a_customer(served))
    for paper in (mandate, plain):
        assert client.get(f"/v1/authorizations/{paper['id']}").status_code == 200
    assert [(line["action"], line["authorization"]) for line in lines_of(served, actor)] == [
        ("authorization", mandate["id"])
    ]


def debt_of_one_account() -> dict[str, Any]:
    return {"type": "DEBT_AUTHORIZATION", "mandate": a_mandate()}


def test_an_iban_is_whole_only_for_who_may_amend(served: Served, hidden: Hidden) -> None:
    """And nothing of the rest of it is told to others, in the history neither."""
    iban = a_mandate()["iban"]
    for role in ("viewer", "integration"):
        mandate = served.as_(role).get(f"/v1/authorizations/{hidden.debt['id']}").json()["mandate"]
        assert mandate["iban"] != iban
        assert mandate["debtor_name"] == "J. de Vries"
    assert iban not in served.as_("viewer").get(f"/v1/authorizations/{hidden.debt['id']}/history").text
    assert served.as_("staff").get(f"/v1/authorizations/{hidden.debt['id']}").json()["mandate"]["iban"] == iban


# -- branches ---------------------------------------------------------------------------------------------------------


def test_a_token_of_a_branch_writes_as_that_branch_whatever_the_request_says(served: Served) -> None:
    client, customer = served.as_("staff", branch="WEST"), a_customer(served)
    for headers in ({}, {"Archive-Branch": "EAST"}, {"Archive-Branch": "not a branch"}):
        assert archived(client, customer, headers=headers)["branch"] == "WEST"
        assert noted(client, customer, headers=headers)["branch"] == "WEST"


def test_a_token_without_a_branch_writes_as_the_request_says_else_as_the_default(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    saved = archived(staff, customer, headers={"Archive-Branch": "EAST-2"})
    assert (saved["branch"], archived(staff, customer)["branch"]) == ("EAST-2", served.settings.branch)
    headers = {"Archive-Branch": "NORTH", "If-Match": '"1"'}
    body = {"note": "x", "reason": "slip"}
    changed = staff.post(f"/v1/documents/{saved['id']}/describe", json=body, headers=headers).json()
    history = staff.get(f"/v1/documents/{saved['id']}/history", headers=at(changed["position"])).json()["items"]
    assert [item["branch"] for item in history] == ["NORTH", "EAST-2"]
    assert changed["branch"] == "EAST-2", "a paper stays at the branch that archived it"


@pytest.mark.parametrize("branch", ["two words", "x" * 33, "-x", "a/b", "é", "a;b"])
def test_what_is_no_branch_is_named(served: Served, staff: httpx.Client, branch: str) -> None:
    headers: Any = {"Archive-Branch": branch.encode("latin-1")}
    assert pointers(no_upload(staff, a_customer(served), headers=headers)) == {"/header/Archive-Branch"}


def test_who_reads_its_own_branch_only_finds_nothing_of_another(served: Served) -> None:
    customer, word = a_customer(served), secrets.token_hex(6)
    own = served.as_("staff", branch="WEST", own_branch_only=True)
    everywhere = served.as_("staff", branch="WEST")
    mine = archived(own, customer, note=word, external_id=f"{word}-mine")
    theirs = archived(served.as_("staff", branch="EAST"), customer, note=word, external_id=f"{word}-theirs")
    last = theirs["position"]
    assert [row["id"] for row in view(everywhere, customer, last)] == [theirs["id"], mine["id"]]
    for query in ({}, {"q": word}, {"as_of": last}, {"limit": 1}, {"type": "LETTER"}):
        assert [row["id"] for row in view(own, customer, last, **query)] == [mine["id"]]
    for part in ("", "/content", "/pages/1", "/history"):
        assert own.get(f"/v1/documents/{mine['id']}{part}").status_code == 200
        absent = own.get(f"/v1/documents/{uuid4()}{part}")
        assert_same_refusal(own.get(f"/v1/documents/{theirs['id']}{part}"), absent)
    assert own.get("/v1/documents", params={"external_id": f"{word}-theirs"}).json()["items"] == []
    subjects = {i["subject"]["id"] for i in own.get(f"/v1/customers/{customer}/history").json()["items"]}
    assert subjects == {mine["id"]}
    assert problem_of(correct(own, theirs["id"], "withdraw", 1, reason="slip"), 404) == "not-found"


def test_a_grant_gives_no_verb(served: Served, hidden: Hidden) -> None:
    for role in ("station", "integration"):
        granted = served.as_(role, granted=("health", "identity"))
        assert problem_of(granted.get(f"/v1/customers/{hidden.customer}/documents"), 403) == "forbidden"
    integration = served.as_("integration", granted=("health",))
    assert integration.get(f"/v1/authorizations/{hidden.health['id']}").status_code == 200
    answer = served.as_("integration").get(f"/v1/authorizations/{hidden.health['id']}")
    assert problem_of(answer, 404) == "not-found"


# -- the access log ---------------------------------------------------------------------------------------------------


READS: list[tuple[str, str, str]] = [
    ("/v1/documents/{evidence}/content", "content", "customer document"),
    ("/v1/documents/{evidence}/pages/1", "page", "customer document"),
    ("/v1/documents/{evidence}/history", "history", "customer document"),
    ("/v1/authorizations/{id}/history", "history", "customer authorization"),
    ("/v1/authorizations/{id}/dossier", "export", "customer authorization"),
    ("/v1/customers/{customer}/history", "history", "customer"),
    ("/v1/customers/{customer}/export", "export", "customer"),
    ("/v1/history", "history", ""),
    ("/v1/documents/{evidence}", "document", "customer document"),
    ("/v1/authorizations/{id}", "authorization", "customer authorization"),
]


def a_reader(served: Served, **rights: Any) -> tuple[str, httpx.Client]:
    """A program of its own, so that its lines are its alone."""
    name = f"reader-{secrets.token_hex(4)}"
    return name, served.client(served.new_token(name, "supervisor", **rights))


def lines_of(served: Served, actor: str, **query: Any) -> list[dict[str, Any]]:
    """Its lines in the order of its reads."""
    return access_lines(served, actor, **query)[::-1]


def filled(address: str, hidden: Hidden) -> str:
    return address.format(customer=hidden.customer, **{n: hidden.health[n] for n in ("id", "evidence")})


@pytest.mark.parametrize(("address", "action", "about"), READS)
def test_every_read_is_a_line_that_says_who_what_and_when(
    served: Served, hidden: Hidden, address: str, action: str, about: str
) -> None:
    actor, client = a_reader(served)
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01", "Archive-Branch": "SOUTH"}
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert client.get(filled(address, hidden), headers=headers).status_code == 200
    after = datetime.now(UTC)
    (line,) = lines_of(served, actor)
    assert before <= datetime.fromisoformat(line.pop("at")) <= after
    known = {
        "customer": hidden.customer,
        "document": hidden.health["evidence"],
        "authorization": hidden.health["id"],
    }
    assert line == {
        "actor": actor,
        "branch": "SOUTH",
        "action": action,
        **{name: known[name] if name in about.split() else None for name in known},
        "status": 200,
        "trace_id": trace,
        "kind": None,
        "scan_session": None,
        "page": 1 if action == "page" else None,
    }


def test_parts_and_what_was_not_changed_count_as_reads(served: Served, hidden: Hidden) -> None:
    actor, client = a_reader(served, branch="WEST")
    address = f"/v1/documents/{hidden.health['evidence']}/content"
    client.get(address, headers={"Range": "bytes=0-9"})
    client.get(address, headers={"If-None-Match": "*"})
    client.head(address)
    lines = lines_of(served, actor)
    assert [(line["action"], line["status"], line["branch"]) for line in lines] == [
        ("content", 206, "WEST"),
        ("content", 304, "WEST"),
        ("content", 200, "WEST"),
    ]


def test_what_was_refused_was_not_read(served: Served, hidden: Hidden) -> None:
    name = f"refused-{secrets.token_hex(4)}"
    client = served.client(served.new_token(name, "viewer"))
    letter = f"/v1/documents/{hidden.letter['id']}"
    for address, headers in (
        (f"/v1/documents/{hidden.health['evidence']}/content", {}),
        (f"/v1/documents/{hidden.health['evidence']}/pages/1", {}),
        (f"/v1/documents/{uuid4()}/history", {}),
        ("/v1/customers/nobody-at-all/history", {}),
        (f"{letter}/content", {"Range": "bytes=99999999-"}),
        (f"{letter}/content?content_version=9", {}),
        (f"{letter}/pages/9", {}),
        (f"{letter}/pages/1?width=1", {}),
        ("/v1/access-log", {}),
    ):
        assert client.get(address, headers=headers).status_code >= 400
    assert lines_of(served, name) == []


@pytest.mark.parametrize("address", [address for address, _, _ in READS])
def test_not_a_byte_comes_out_before_the_line_is_committed(served: Served, hidden: Hidden, address: str) -> None:
    """The table is locked, so the line waits; and the answer with it."""
    actor, client = a_reader(served)
    with psycopg.connect(served.database_url) as locking, asked(served, client, filled(address, hidden)) as connection:
        locking.execute("lock table access.log in access exclusive mode")
        connection.go()
        wait_until(lambda: waiting_for_the_log(served) > 0, 20, "no line was written")
        assert not connection.readable()
        locking.rollback()
        assert connection.status() == 200
    assert len(lines_of(served, actor)) == 1


class Connection:
    """One request on a socket of its own, to see when the first byte comes."""

    def __init__(self, served: Served, client: httpx.Client, path: str) -> None:
        self._socket = socket.create_connection((served.settings.host, served.settings.port))
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {served.settings.host}\r\n"
            f"Authorization: {client.headers['Authorization']}\r\nConnection: close\r\n\r\n"
        ).encode()

    def go(self) -> None:
        self._socket.sendall(self._request)

    def readable(self) -> bool:
        return bool(select.select([self._socket], [], [], 0)[0])

    def status(self) -> int:
        self._socket.settimeout(30)
        return int(self._socket.recv(16).split()[1])

    def close(self) -> None:
        self._socket.close()


@contextmanager
def asked(served: Served, client: httpx.Client, path: str) -> Iterator[Connection]:
    connection = Connection(served, client, path)
    try:
        yield connection
    finally:
        connection.close()


def waiting_for_the_log(served: Served) -> int:
    waiting = "select count(*) from pg_locks where relation = 'access.log'::regclass and not granted"
    return int(served.sql(waiting)[0][0])


def test_where_no_line_can_be_written_nothing_is_read(served: Served, hidden: Hidden) -> None:
    """The table refuses: each reader is told at once, and nobody waits for ever."""
    actor, client = a_reader(served)
    with refusing_lines(served):
        for address, _, _ in READS:
            answer = client.get(filled(address, hidden))
            assert problem_of(answer, 500) == "internal-error"
            assert not {"ETag", "Content-Digest", "Content-Disposition"} & set(answer.headers)
    assert lines_of(served, actor) == []
    for address, _, _ in READS:
        assert client.get(filled(address, hidden)).status_code == 200
    assert len(lines_of(served, actor)) == len(READS)


def test_a_line_is_never_changed_or_removed(served: Served, hidden: Hidden) -> None:
    _, client = a_reader(served)
    client.get(f"/v1/documents/{hidden.letter['id']}/content")
    for statement in ("update access.log set actor = 'x'", "delete from access.log", "truncate access.log"):
        with pytest.raises(psycopg.Error, match="append-only"):
            served.sql(statement)


def test_the_access_log_and_the_programs_output_name_no_person(served: Served, staff: httpx.Client) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    customer = f"{canary}-id"
    assert served.as_("operator").put(f"/v1/customers/{customer}", json={"name": f"{canary} name"}).status_code == 201
    saved = archived(staff, customer, name=f"{canary}.pdf", note=f"{canary} note", external_id=f"{canary}-external")
    view(staff, customer, saved["position"], q=canary)
    staff.get("/v1/customers", params={"q": canary})
    staff.get("/v1/documents", params={"external_id": f"{canary}-external"})
    for address in (f"/v1/documents/{saved['id']}/content", f"/v1/customers/{customer}/history"):
        assert staff.get(address).status_code == 200
    wait_until(lambda: len(access_lines(served, "staff", action="search")) >= 2, 20, "searches are no lines")
    assert served.sql("select count(*) from access.log where log::text like %s", [f"%{canary}%"])[0][0] == 0
    columns = "select column_name from information_schema.columns where table_schema = 'access' and table_name = 'log'"
    assert {name for (name,) in served.sql(columns)} == {
        "id", "at", "actor", "branch", "action", "customer", "document", "authorization_id", "status", "trace_id",
        "kind", "scan_session", "page",
    }  # fmt: skip
    assert canary not in served.said()


def test_reads_of_papers_that_a_supervisor_may_not_see_are_not_in_its_access_log(
    served: Served, hidden: Hidden
) -> None:
    """I12: who was told that somebody read such a paper would know that there is one."""
    actor, client = a_reader(served)
    for address, _, _ in READS:
        client.get(filled(address, hidden))
    client.get(f"/v1/documents/{hidden.letter['id']}/content")
    assert len(lines_of(served, actor)) == len(READS) + 1
    blind = served.as_("supervisor", without=("health",))
    seen = blind.get("/v1/access-log", params={"actor": actor}).json()["items"]
    papers = {line["document"] or line["authorization"] for line in seen}
    assert papers == {hidden.letter["id"], None}
    assert len(seen) == 4
    for limit in (1, 2):
        assert [line["trace_id"] for line in paged(blind, actor, limit)] == [line["trace_id"] for line in seen]


def paged(client: httpx.Client, actor: str, limit: int) -> Iterator[dict[str, Any]]:
    query: dict[str, Any] = {"actor": actor, "limit": limit}
    while True:
        page = client.get("/v1/access-log", params=query).json()
        yield from page["items"]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]
