"""Every refusal that a request can meet today, met; the framework's own errors; the pages that explain; the wire."""

import ast
import json
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest

from desk.contract import ROUTES
from domain import refusals
from tests.http import wire
from tests.http.desk import (
    DEBT,
    IBANS,
    a_customer,
    a_letter,
    a_mandate,
    an_iban,
    archived,
    at,
    check,
    correct,
    debt_issued,
    hand_in,
    handed_in,
    issued,
    no_upload,
    noted,
    pointers,
    problem_of,
    select_file,
    step,
    stepped,
    view,
    wrongly_lapsed,
)
from tests.http.scanning import a_page, a_scanner, a_station, started
from tests.http.scanning import put as put_page
from tests.http.scanning import start as start_scan
from tests.http.served import ROOT, Served
from tests.http.tiny import Answer
from tests.paper.files import a_blank_png, a_locked_pdf
from web.problems import catalog
from web.statuses import status_of

Provoke = Callable[[Served, httpx.Client], httpx.Response | Answer]
REACHED: dict[str, Provoke] = {}
MEMBERS = {"type", "title", "status", "detail", "instance", "trace_id"}

# Reached in another file, which has the archive that it takes.
REACHED_THERE = {
    "request-timeout": "test_api_limits.py",
    "insufficient-storage": "test_api_outages.py",
    "approval-by-proposer": "test_api_disposals.py",
    "approval-missing": "test_api_disposals.py",
    "paper-destroyed": "test_api_content.py",
}
NOT_REACHED = {
    **dict.fromkeys(
        ("scanner-jammed", "scanner-cover-open", "scanner-out-of-paper", "scanner-failed"),
        "a session tells it of its last pass, in `problem`: test_api_stations.py; no request is refused by it",
    ),
    **dict.fromkeys(
        ("under-legal-hold", "retention-not-reached"),
        "a disposal tells it of a paper that it kept: tests/unit/test_disposal.py; no request is refused by it",
    ),
    "not-acceptable": "nothing negotiates: each address has one form of answer and sends it whatever Accept says",
    "scan-code-taken": "a form draws another number; only what is imported brings a code along",
    "internal-error": "a fault of ours: a request that reached it would be a bug to mend, not one to keep",
}


def reaches(slug: str) -> Callable[[Provoke], Provoke]:
    def keep(provoke: Provoke) -> Provoke:
        REACHED[slug] = provoke
        return provoke

    return keep


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def token_of(client: httpx.Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


# -- each refusal -------------------------------------------------------------------------------------------------


@reaches("malformed-request")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return staff.post("/v1/authorizations", content=b'{"type": ', headers={"Content-Type": "application/json"})


@reaches("unauthenticated")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return served.client("a-token-that-nobody-made").get("/v1/document-types")


@reaches("forbidden")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return served.as_("viewer").put("/v1/customers/1", json={"name": "Jan"})


@reaches("not-found")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return staff.get(f"/v1/documents/{uuid4()}")


@reaches("method-not-allowed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return staff.delete("/v1/documents")


@reaches("length-required")
def _(served: Served, staff: httpx.Client) -> Answer:
    chunked = wire.head("POST", "/v1/documents", wire.MULTIPART, "Transfer-Encoding: chunked", token=token_of(staff))
    return wire.ask(served, chunked + b"0\r\n\r\n")


@reaches("precondition-required")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    item = archived(staff, a_customer(served))
    return correct(staff, item["id"], "withdraw", None, reason="because")


@reaches("precondition-failed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    item = archived(staff, a_customer(served))
    return correct(staff, item["id"], "withdraw", 7, reason="because")


@reaches("content-too-large")
def _(served: Served, staff: httpx.Client) -> Answer:
    return wire.ask(served, wire.upload(token_of(staff), b"", "Expect: 100-continue", length=10**9))


@reaches("unsupported-media-type")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return staff.post("/v1/documents", json={"customer": "1"})


@reaches("range-not-satisfiable")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    item = archived(staff, a_customer(served))
    beyond = {"Range": "bytes=1000000-", **at(item["position"])}
    return staff.get(f"/v1/documents/{item['id']}/content", headers=beyond)


@reaches("validation-failed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return staff.get("/v1/customers")


@reaches("unavailable")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    """A position that the views do not reach in time."""
    return staff.get(f"/v1/documents/{uuid4()}", headers=at(10**15))


@reaches("view-paused")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    """A position that no view reaches, in one that does not even try."""
    pausing = "update views.tracking set paused = %s where name = 'customer_documents'"
    served.sql(pausing, [True])
    try:
        return staff.get(f"/v1/documents/{uuid4()}", headers=at(10**15))
    finally:
        served.sql(pausing, [False])


@reaches("file-empty")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), b"")


@reaches("file-type-not-allowed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), b"MZ\x90\0\x03" + bytes(200))


@reaches("file-damaged")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), a_letter()[:200])


@reaches("file-too-many-pixels")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), a_blank_png(12_000, 12_000), name="poster.png")


@reaches("file-password-protected")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    code = a_type(served, password_protected_allowed=False)
    return select_file(staff, a_customer(served), a_locked_pdf(), type=code)


@reaches("duplicate-content")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    customer, data = a_customer(served), a_letter()
    archived(staff, customer, data)
    return select_file(staff, customer, data)


@reaches("customer-unknown")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, "nobody-at-all")


@reaches("customer-erased")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    """Erasure has no address yet; this is what it will leave: no key, and the customer's mark among the erased."""
    customer = a_customer(served)
    archived(staff, customer)
    with served.archive() as archive:
        digest = archive.keys.keyed_digest("erased", customer.encode())
    served.sql(
        "with gone as (delete from keys.customer where customer_id = %s returning reference)"
        " insert into keys.erasure (reference, customer_digest) select reference, %s from gone",
        [customer, digest],
    )
    return select_file(staff, customer)


@reaches("document-type-unknown")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), type="NO_SUCH_TYPE")


@reaches("document-type-inactive")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), type=a_type(served, active=False))


@reaches("source-not-allowed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return select_file(staff, a_customer(served), type=a_type(served, sources=["scan"]))


@reaches("scan-code-unknown")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return no_upload(staff, a_customer(served), scan_code="DA48271903665144")


@reaches("scan-code-malformed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return no_upload(staff, None, type=None, scan_code="DA48271903665141")


@reaches("scan-code-redeemed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    code = issued(staff, a_customer(served))["scan_code"]
    handed_in(staff, code)
    return check(staff, code)


@reaches("scan-code-other-customer")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return hand_in(staff, issued(staff, a_customer(served))["scan_code"], customer=a_customer(served))


@reaches("check-required")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return hand_in(staff, issued(staff, a_customer(served))["scan_code"], check_token="x")


@reaches("authorization-not-active")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    made = issued(staff, a_customer(served))
    stepped(staff, made["authorization"], "cancel")
    return check(staff, made["scan_code"])


@reaches("too-many-requests")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    guesser = served.client(served.new_token(f"guesser-{secrets.token_hex(4)}", "staff"))
    return [check(guesser, "x") for _ in range(served.settings.limits.check_misses_per_minute_max + 1)][-1]


@reaches("iban-invalid")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    wrong = a_mandate(iban="NL92ABNA0417164300")
    return no_upload(staff, a_customer(served), type="DEBT_AUTHORIZATION", mandate=wrong)


@reaches("mandate-exists")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    customer = a_customer(served)
    noted(staff, customer, type="DEBT_AUTHORIZATION", mandate=a_mandate())
    return no_upload(staff, customer, type="DEBT_AUTHORIZATION", mandate=a_mandate())


@reaches("collection-presented")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    signed = handed_in(staff, debt_issued(staff, a_customer(served))["scan_code"])
    day = signed["signed_on"]
    stepped(staff, signed, "collections", presented_on=day, due_on=day, outcome="paid")
    return correct(staff, signed["evidence"], "withdraw", 1, reason="of another customer")


@reaches("evidence-attached")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    signed = handed_in(staff, issued(staff, a_customer(served))["scan_code"])
    return step(staff, signed["id"], "withdraw", "*", reason="of another customer")


@reaches("lapse-stands")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    ended = noted(staff, a_customer(served), signed_on="2026-01-01", valid_until="2026-02-01")
    return step(staff, ended["id"], "reinstate", "*", reason="it is still wanted")


@reaches("evidence-changed")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    signed = handed_in(staff, debt_issued(staff, a_customer(served))["scan_code"])
    ended = wrongly_lapsed(served, signed)
    correct(staff, signed["evidence"], "withdraw", 1, reason="of another customer")
    return step(staff, ended["id"], "reinstate", "*", reason="the clock was wrong")


@reaches("mandate-reference-taken")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    reference = f"R{secrets.token_hex(6).upper()}"
    first, second = (a_mandate(mandate_reference=reference, iban=iban) for iban in IBANS[:2])
    noted(staff, a_customer(served), type="DEBT_AUTHORIZATION", mandate=first)
    return no_upload(staff, a_customer(served), type="DEBT_AUTHORIZATION", mandate=second)


@reaches("illegal-transition")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    item = archived(staff, a_customer(served))
    return correct(staff, item["id"], "restore", 1, reason="because")


@reaches("idempotency-key-reused")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    customer, key = a_customer(served), {"Idempotency-Key": secrets.token_hex(8)}
    noted(staff, customer, headers=key)
    return no_upload(staff, customer, headers=key, note="another body")


@reaches("idempotency-in-flight")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    """A twin that does not end: its row is written and not committed."""
    key = secrets.token_hex(8)
    with psycopg.connect(served.database_url) as twin:
        twin.execute("insert into archive.command values ('staff', %s, '', '{}', now())", [served.key_at_rest(key)])
        return no_upload(staff, a_customer(served), headers={"Idempotency-Key": key})


@reaches("external-id-taken")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    external = secrets.token_hex(8)
    noted(staff, a_customer(served), external_id=external)
    return no_upload(staff, a_customer(served), external_id=external)


# -- and what it says beside its slug ------------------------------------------------------------------------------


def in_state(served: Served, staff: httpx.Client, state: str) -> dict[str, Any]:
    """A mandate that is in this state, with its version."""
    if state in ("issued", "cancelled"):
        made = issued(staff, a_customer(served), type=DEBT)["authorization"]
        return stepped(staff, made, "cancel") if state == "cancelled" else made
    item = noted(staff, a_customer(served), type=DEBT, mandate=a_mandate())
    match state:
        case "suspended":
            return stepped(staff, item, "suspend")
        case "revoked":
            return stepped(staff, item, "revoke", received_on="2026-02-01")
        case "superseded":
            other = noted(staff, item["customer"], type=DEBT, mandate=a_mandate(iban=IBANS[1]))
            return stepped(staff, item, "supersede", by=other["id"])
    return item


BODIES: dict[str, dict[str, Any]] = {
    "suspend": {},
    "resume": {},
    "cancel": {},
    "reinstate": {},
    "withdraw": {},
    "revoke": {"received_on": "2026-02-01"},
    "supersede": {"by": str(uuid4())},
}
FORBIDDEN = {
    "issued": "suspend resume revoke reinstate withdraw",
    "active": "resume cancel reinstate",
    "suspended": "suspend cancel reinstate",
    "revoked": "suspend resume revoke cancel reinstate withdraw",
    "superseded": "suspend resume revoke cancel reinstate withdraw",
    "cancelled": "suspend resume revoke cancel reinstate withdraw",
}


@pytest.mark.parametrize("language", ["en", "nl", "de"])
@pytest.mark.parametrize("state", FORBIDDEN)
def test_what_the_life_cycle_forbids_names_the_present_state(
    served: Served, staff: httpx.Client, state: str, language: str
) -> None:
    item = in_state(served, staff, state)
    translate = catalog(language)
    word = translate(refusals.IllegalTransition.states[state])
    for verb in FORBIDDEN[state].split():
        answer = step(
            staff, item["id"], verb, item["version"], {"Accept-Language": language}, reason="slip", **BODIES[verb]
        )
        assert problem_of(answer, 409) == "illegal-transition"
        assert answer.json()["state"] == state
        assert answer.json()["detail"] == translate(refusals.IllegalTransition.sentence).format(state=word)


@pytest.mark.parametrize("state", ["issued", "suspended", "revoked", "cancelled"])
def test_what_is_not_active_says_what_it_is_and_what_to_do(served: Served, staff: httpx.Client, state: str) -> None:
    """Asked by a collection that comes too late or too early; by a Check it is in test_api_check.py."""
    item = in_state(served, staff, state)
    body: dict[str, Any] = {"presented_on": today(served), "due_on": today(served), "outcome": "paid"}
    answer = step(staff, item["id"], "collections", item["version"], **body)
    assert problem_of(answer, 409) == "authorization-not-active"
    assert answer.json()["authorization_status"] == state
    assert answer.json()["detail"] == refusals.AuthorizationNotActive.sentences[state]


def today(served: Served) -> str:
    return datetime.now(ZoneInfo(served.settings.timezone)).date().isoformat()


@reaches("scanner-busy")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    scanner = a_station(served).scanner()
    assert start_scan(served.as_("supervisor"), scanner=scanner).status_code == 201
    return start_scan(staff, scanner=scanner)


@reaches("scanner-offline")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return start_scan(staff, scanner=a_station(served, a_scanner(state="offline")).scanner())


@reaches("scanner-too-many-pages")
def _(served: Served, staff: httpx.Client) -> httpx.Response:
    return put_page(staff, started(staff), served.settings.limits.scan_pages_max + 1, a_page())


def a_type(served: Served, **changes: Any) -> str:
    code = f"T_{secrets.token_hex(4).upper()}"
    usual = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary", "sources": ["file"]}
    answer = served.as_("supervisor").put(f"/v1/document-types/{code}", json={**usual, **changes})
    assert answer.status_code == 201, answer.text
    return code


STATUS = {kind.slug: status_of(kind) for kind in refusals.all_refusals()}


@pytest.mark.parametrize("slug", REACHED)
def test_a_refusal_is_reached_through_http(served: Served, staff: httpx.Client, slug: str) -> None:
    answer = REACHED[slug](served, staff)
    if isinstance(answer, httpx.Response):
        assert problem_of(answer, STATUS[slug]) == slug
        members, sent = answer.json(), dict(answer.headers)
    else:
        assert (answer.status, answer.slug) == (STATUS[slug], slug)
        members, sent = answer.problem, answer.headers
    assert set(members) >= MEMBERS
    assert members["title"] != members["detail"], "the sentence was not filled in"
    assert ("retry-after" in sent) is (STATUS[slug] in (429, 503) or slug == "idempotency-in-flight")
    assert ("www-authenticate" in sent) is (slug == "unauthenticated")


def test_every_refusal_is_reached_or_it_is_said_why_not() -> None:
    every = {kind.slug for kind in refusals.all_refusals()}
    assert {*REACHED, *REACHED_THERE, *NOT_REACHED} == every
    assert len(REACHED) + len(REACHED_THERE) + len(NOT_REACHED) == len(every)


@pytest.mark.parametrize("slug", REACHED_THERE)
def test_the_other_file_reaches_it(slug: str) -> None:
    assert f'"{slug}"' in (Path(__file__).parent / REACHED_THERE[slug]).read_text("utf-8")


# -- the framework's own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1", "/v1/", "/v1/nothing", "/v2/documents", "/favicon.ico", "/v1/documents/a/b/c/d/e",
        "/problems/", "/problems/no-such-slug", "/V1/documents",
    ],
)  # fmt: skip
def test_an_unknown_address_is_a_problem_for_everybody(served: Served, staff: httpx.Client, path: str) -> None:
    for client in (staff, served.client(None)):
        answer = client.get(path)
        assert problem_of(answer, 404) == "not-found"
        assert answer.json()["instance"] == path


def methods_of(path: str) -> set[str]:
    own = {route.method for route in ROUTES if route.path == path}
    return own | ({"HEAD"} if "GET" in own else set())


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_method_that_an_address_does_not_take_is_told_which_it_takes(
    served: Served, staff: httpx.Client, path: str
) -> None:
    filled = path.replace("{id}", str(uuid4())).replace("{n}", "1").replace("{code}", "LETTER")
    filled = filled.replace("{slug}", "not-found")
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods_of(path):
        answer = staff.request(method, filled, content=b"" if method in ("POST", "PUT", "PATCH") else None)
        assert problem_of(answer, 405) == "method-not-allowed"
        allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
        assert allowed - {"OPTIONS"} == methods_of(path)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "get", "HACK", "CONNECT"])
def test_a_method_that_nobody_knows_is_refused(served: Served, method: str) -> None:
    answer = wire.ask(served, wire.head(method, "/v1/documents", "Content-Length: 0"))
    assert 400 <= answer.status < 500
    if answer.headers.get("content-type") == "application/problem+json":
        assert answer.slug in ("method-not-allowed", "malformed-request")


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nothing", b"{'type': 1}", b'{"type": NaN}', b'{} {}', b'{"note": "\xff"}',
     b'{"note": "\\ud800"}', b"\xef\xbb\xbf{}", b'{"note": ' + b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_json_is_malformed(served: Served, staff: httpx.Client, body: bytes) -> None:
    answer = staff.post("/v1/authorizations", content=body, headers=JSON)
    if b"[[[" in body:  # refused before its depth is found out
        assert pointers(answer) == {"/note"}
    else:
        assert problem_of(answer, 400) == "malformed-request"


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"text"', b"true", b"[{}]"])
def test_a_body_that_is_no_object_is_named_as_a_whole(staff: httpx.Client, body: bytes) -> None:
    assert pointers(staff.post("/v1/authorizations", content=body, headers=JSON)) == {""}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"type": 7}, "/type"),
        ({"original": "held"}, "/original"),
        ({"original": {"held": "yes"}}, "/original/held"),
        ({"original": {}}, "/original/held"),
        ({"signed_on": "31-12-2026"}, "/signed_on"),
        ({"mandate": {"signature_date": 7}}, "/mandate/signature_date"),
        ({"mandate": {"colour/of~ink": "red"}}, "/mandate/colour~1of~0ink"),
        ({"verification": {"paper": "passport", "seen_on": "2026-01-01"}}, "/verification/number_suffix"),
        ({"note": {"text": "a"}}, "/note"),
    ],
)
def test_a_field_of_the_wrong_kind_is_pointed_at(staff: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    assert pointers(staff.post("/v1/authorizations", json=body)) == {pointer}


def test_every_missing_field_is_pointed_at_at_once(staff: httpx.Client) -> None:
    assert pointers(staff.post("/v1/authorizations", json={})) == {"/type", "/customer"}
    assert pointers(staff.post("/v1/documents", files={"note": (None, "x")})) == {
        "/form/customer",
        "/form/type",
        "/form/file",
    }


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/jsonx", "multipart/form-data"])
def test_a_body_of_another_kind_is_refused_as_such(staff: httpx.Client, kind: str) -> None:
    answer = staff.post("/v1/authorizations", content=b"{}", headers={"Content-Type": kind})
    assert problem_of(answer, 415) == "unsupported-media-type"
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_say_so_in_more_words(staff: httpx.Client, kind: str) -> None:
    assert pointers(staff.post("/v1/authorizations", content=b"{}", headers={"Content-Type": kind})) != set()


@pytest.mark.parametrize("part", ["customer", "type", "note", "file"])
def test_a_part_that_stands_twice_is_pointed_at(served: Served, staff: httpx.Client, part: str) -> None:
    parts: list[tuple[str, Any]] = [
        ("customer", (None, a_customer(served))), ("type", (None, "LETTER")), ("note", (None, "a")),
        ("file", ("a.pdf", a_letter())),
    ]  # fmt: skip
    twice = [*parts, next(p for p in parts if p[0] == part)]
    with wire.nothing_stored(served):
        assert pointers(staff.post("/v1/documents", files=twice)) == {f"/form/{part}"}


def test_a_query_parameter_that_stands_twice_is_pointed_at(staff: httpx.Client) -> None:
    assert pointers(staff.get("/v1/history?limit=1&limit=2")) == {"/query/limit"}


TEXTS: dict[str, dict[str, Any]] = {
    "/original/shelf_mark": {"original": {"held": True, "shelf_mark": "B\0"}},
    "/external_id": {"external_id": "a\0b"},
    "/note": {"note": "a\0b"},
    "/mandate/debtor_name": {"type": "DEBT_AUTHORIZATION", "mandate": a_mandate(debtor_name="J.\0")},
    "/verification/paper": {"verification": {"paper": "\0", "number_suffix": "1", "seen_on": "2026-01-01"}},
    "/verification/number_suffix": {"verification": {"paper": "a", "number_suffix": "\0", "seen_on": "2026-01-01"}},
}


@pytest.mark.parametrize("pointer", TEXTS)
def test_a_nul_in_a_text_is_named_and_holds_up_no_view(served: Served, staff: httpx.Client, pointer: str) -> None:
    """Postgres takes no NUL: an event with one stood before all later papers of its customer, and never entered."""
    customer = a_customer(served)
    assert pointers(no_upload(staff, customer, **TEXTS[pointer])) == {pointer}
    item = noted(staff, customer)
    assert [row["id"] for row in view(staff, customer, item["position"])] == [item["id"]]
    assert served.sql("select * from views.parked") == []


def test_a_nul_in_a_definition_is_named(served: Served) -> None:
    supervisor, code = served.as_("supervisor"), f"T_{secrets.token_hex(4).upper()}"
    usual = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary"}
    wrong: dict[str, dict[str, Any]] = {
        "/labels": {"labels": {"en": "a", "n\0": "b"}},
        "/scheme": {"scheme": "\0"},
        "/media_types/0": {"media_types": ["a\0"]},
        "/retention/trigger": {"retention": {"trigger": "\0", "months": 1}},
        "/retention/legal_basis": {"retention": {"trigger": "a", "months": 1, "legal_basis": "\0"}},
    }
    for pointer, change in wrong.items():
        assert pointers(supervisor.put(f"/v1/document-types/{code}", json={**usual, **change})) == {pointer}
    assert problem_of(supervisor.get(f"/v1/document-types/{code}"), 404) == "not-found"


# -- who asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", "Bearer a b", "Token x", "Bearer " + "x" * 600])
def test_without_a_good_token_nobody_gets_in(served: Served, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = served.client(None).get("/v1/document-types", headers=headers)
    assert problem_of(answer, 401) == "unauthenticated"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="dossier"'


def test_a_revoked_token_is_no_token(served: Served) -> None:
    name = f"leaver-{secrets.token_hex(4)}"
    client = served.client(served.new_token(name, "staff"))
    assert client.get("/v1/document-types").status_code == 200
    served.revoke_token(name)
    with wire.nothing_stored(served):
        assert problem_of(select_file(client, "1"), 401) == "unauthenticated"


# -- pages and words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", [kind.slug for kind in refusals.all_refusals()])
def test_each_problem_has_a_page_that_anyone_may_read(served: Served, slug: str) -> None:
    anyone = served.client(None)
    page = anyone.get(f"/problems/{slug}")
    kind = next(kind for kind in refusals.all_refusals() if kind.slug == slug)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert f"<title>{kind.title} – Dossier</title>" in page.text.replace("&#39;", "'")
    assert str(status_of(kind)) in page.text
    assert f'href="/problems/{slug}"' in anyone.get("/problems").text
    without = anyone.head(f"/problems/{slug}")
    assert (without.status_code, without.content) == (200, b"")


@pytest.mark.parametrize("language", ["fr", "fr-BE, nl;q=0", "xx", "*", ";;;q=,", "q" * 3000])
def test_a_language_that_there_is_not_is_answered_in_english(served: Served, language: str) -> None:
    """Those that there are: test_api_languages.py."""
    anyone, wanted = served.client(None), {"Accept-Language": language}
    assert anyone.get("/v1/documents", headers=wanted).json()["title"] == refusals.Unauthenticated.title
    assert '<html lang="en">' in anyone.get("/problems/not-found", headers=wanted).text


def sentences(tree: ast.AST) -> Iterator[ast.expr]:
    """What a refusal or a field's error says: the second argument of FieldError, `reason=` of any call."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        if name == "FieldError" and len(call.args) > 1:
            yield call.args[1]
        if any(kind.__name__ == name for kind in refusals.all_refusals()):
            yield from (keyword.value for keyword in call.keywords if keyword.arg == "reason")


def test_everything_that_is_said_is_marked_for_translation() -> None:
    """A literal that is not within N_() would never reach a translator."""
    bare, found = [], 0
    for room in ("api", "desk", "domain", "paper", "projections", "store", "web"):
        for file in (ROOT / room).rglob("*.py"):
            for said in sentences(ast.parse(file.read_text("utf-8"))):
                found += 1
                if isinstance(said, ast.JoinedStr | ast.Constant):
                    bare.append(f"{file.relative_to(ROOT)}:{said.lineno} {ast.unparse(said)}")
    assert found > 50
    assert bare == []


# -- on the wire, end to end --------------------------------------------------------------------------------------

BAD_REQUESTS: dict[str, Callable[[str, bytes], bytes]] = {
    "no Host": lambda token, body: wire.upload(token, body, host=None),
    "malformed Host": lambda token, body: wire.upload(token, body, host="a b"),
    "empty Host": lambda token, body: wire.upload(token, body, host=""),
    "two Hosts": lambda token, body: wire.upload(token, body, "Host: other"),
    "two Content-Lengths": lambda token, body: wire.upload(token, body, f"Content-Length: {len(body)}"),
    "chunked": lambda token, body: (
        wire.head("POST", "/v1/documents", wire.MULTIPART, "Transfer-Encoding: chunked", token=token)
        + f"{len(body):x}\r\n".encode()
        + body
        + b"\r\n0\r\n\r\n"
    ),
    "chunked and a length": lambda token, body: wire.upload(token, body, "Transfer-Encoding: chunked"),
    "no length": lambda token, body: wire.head("POST", "/v1/documents", wire.MULTIPART, token=token) + body,
    "gzip": lambda token, body: wire.upload(token, body, "Content-Encoding: gzip"),
    "identity, then gzip": lambda token, body: wire.upload(token, body, "Content-Encoding: identity, gzip"),
    "no boundary": lambda token, body: wire.upload(token, body).replace(wire.BOUNDARY.encode(), b"", 1),
    "another boundary": lambda token, body: wire.upload(token, body).replace(wire.BOUNDARY.encode(), b"x", 1),
    "no last boundary": lambda token, body: wire.upload(token, body[:-20]),
}
ADDRESSES = ["/v1/doc%00uments", "/v1/../v1/documents", "/v1/%2e%2e/documents", "/v1/documents%0d%0aX: y",
             "/v1\\documents", "/v1/documents?q=%00", "http://elsewhere/v1/documents", "/v1/documents/%ff",
             "/" + "a" * 3000]  # fmt: skip


@pytest.mark.parametrize("what", BAD_REQUESTS)
def test_a_bad_request_with_a_good_form_stores_nothing(served: Served, staff: httpx.Client, what: str) -> None:
    body = wire.form(a_customer(served), a_letter())
    with wire.nothing_stored(served):
        answer = wire.ask(served, BAD_REQUESTS[what](token_of(staff), body))
        assert 400 <= answer.status < 500, answer
        assert_problem_or_the_servers_own(answer)


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_bad_address_with_a_good_form_stores_nothing(served: Served, staff: httpx.Client, path: str) -> None:
    body = wire.form(a_customer(served), a_letter())
    request = wire.upload(token_of(staff), body).replace(b"/v1/documents", path.encode("latin-1"), 1)
    with wire.nothing_stored(served):
        answer = wire.ask(served, request)
        assert answer.status in (400, 404), answer
        assert_problem_or_the_servers_own(answer)


def test_what_lapses_meanwhile_is_not_taken_for_an_upload_and_an_upload_is_found(
    served: Served, staff: httpx.Client
) -> None:
    mandate = noted(staff, a_customer(served), type=DEBT, mandate=a_mandate(iban=an_iban()))
    with wire.nothing_stored(served):
        wrongly_lapsed(served, mandate)
    with pytest.raises(AssertionError), wire.nothing_stored(served):
        archived(staff, a_customer(served))


def assert_problem_or_the_servers_own(answer: Answer) -> None:
    """A web server's own 400 to broken HTTP, before a request exists, may lack problem+json."""
    if answer.headers.get("content-type") == "application/problem+json":
        assert set(json.loads(answer.body)) >= MEMBERS
    else:
        assert answer.status == 400


def test_the_same_form_sent_well_is_stored(served: Served, staff: httpx.Client) -> None:
    """So that the tests above refuse it for what they say."""
    answer = wire.ask(served, wire.upload(token_of(staff), wire.form(a_customer(served), a_letter())))
    assert answer.status == 201
