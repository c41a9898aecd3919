"""openapi.json: the committed document is the generated one, it is valid, and the running archive keeps to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as conformance

from api import openapi
from api.routes import ROUTES
from domain.access import Verb
from tests.http.desk import DEBT, a_customer, archived, at, issued, noted
from tests.http.served import ROOT, Served

COMMITTED = ROOT / "api" / "openapi.json"
EXAMPLES, EXAMPLES_LONG = 30, 300
# That what the schema allows is accepted and all else refused cannot be asked: whether a customer exists, a code fits
# or a day has come is no matter of schemas, and an empty parameter is taken as an absent one.
KEPT_TO = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
    conformance.ignored_auth,
]
# The stream has no end to wait for: test_api_events_stream.py has it.
schema = schemathesis.openapi.from_dict(openapi.document()).exclude(path="/v1/events/stream")


# -- the document -------------------------------------------------------------------------------------------------


def test_the_committed_document_is_the_one_that_the_route_table_gives() -> None:
    """`dossier openapi > api/openapi.json` brings it up to date."""
    assert COMMITTED.read_bytes() == openapi.text()


def test_the_running_archive_gives_it_to_anyone(served: Served) -> None:
    answer = served.client(None).get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == COMMITTED.read_bytes()


def test_it_is_valid_openapi_3_1() -> None:
    document = msgspec.json.decode(COMMITTED.read_bytes())
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi.document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_each_route_stands_in_it_once_with_a_name_of_its_own() -> None:
    described = [(method, path) for method, path, _ in operations()]
    assert sorted(described) == sorted((route.method, route.path) for route in ROUTES)
    names = [operation["operationId"] for *_, operation in operations()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for *_, operation in operations())


def test_only_what_is_public_says_that_it_needs_no_token() -> None:
    public = {(route.method, route.path) for route in ROUTES if route.verb is Verb.PUBLIC}
    assert {(method, path) for method, path, operation in operations() if operation.get("security") == []} == public


def test_every_answer_that_is_no_success_is_a_problem() -> None:
    for method, path, operation in operations():
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}, f"{method} {path}"


def test_every_correction_says_that_it_needs_the_version_read() -> None:
    for route in ROUTES:
        [operation] = [o for method, path, o in operations() if (method, path) == (route.method, route.path)]
        required = {p["name"] for p in operation["parameters"] if p["in"] == "header" and p["required"]}
        assert ("If-Match" in required) is route.if_match, route.path


# -- the running archive keeps to it ------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def errors_before(served: Served) -> list[str]:
    """Other tests of the shared archive break it on purpose."""
    return served.errors()


@pytest.fixture(scope="module")
def known(served: Served) -> dict[str, str]:
    """Ids that exist, for a part of the examples: most made-up ones meet nothing but a 404."""
    staff, customer = served.as_("staff"), a_customer(served)
    document, authorization, form = (
        archived(staff, customer),
        noted(staff, customer, type=DEBT),
        issued(staff, customer),
    )
    assert staff.get(f"/v1/documents/{document['id']}", headers=at(form["position"])).status_code == 200
    return {
        "customers": customer,
        "documents": document["id"],
        "authorizations": authorization["id"],
        "forms": form["authorization"]["id"],
        "scan-codes": form["scan_code"],
    }


def keep_to_the_contract(case: schemathesis.Case[Any], served: Served, known: dict[str, str], existing: bool) -> None:
    if existing:
        name_what_exists(case, known)
    # One that asks for a far position waits, and is then told 503: test_api_problems.py has it.
    case.headers.pop("Archive-Min-Position", None)
    case.query.pop("wait", None)  # as it says, a station is kept waiting
    case.query.pop("wait", None)  # a station's long poll
    answer = case.call(base_url=served.url, headers={"Authorization": f"Bearer {served.operator_token}"})
    case.validate_response(answer, checks=KEPT_TO)


def name_what_exists(case: schemathesis.Case[Any], known: dict[str, str]) -> None:
    room = case.path.split("/")[2] if case.path.startswith("/v1/") else ""
    name = "code" if room == "scan-codes" else "id"
    if name in case.path_parameters and room in known:
        case.path_parameters[name] = known[room]
        if "If-Match" in case.headers:
            case.headers["If-Match"] = "*"


NEVER_MIND = list(HealthCheck)  # made-up texts of any script are slow to make; that is no fault of ours


@schema.parametrize()
@schema.given(existing=st.booleans())
@settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=NEVER_MIND)
def test_made_up_requests_are_answered_as_the_contract_says(
    case: schemathesis.Case[Any], served: Served, known: dict[str, str], existing: bool
) -> None:
    keep_to_the_contract(case, served, known, existing)


@pytest.mark.long
@schema.parametrize()
@schema.given(existing=st.booleans())
@settings(max_examples=EXAMPLES_LONG, derandomize=True, database=None, deadline=None, suppress_health_check=NEVER_MIND)
def test_many_made_up_requests_are_answered_as_the_contract_says(
    case: schemathesis.Case[Any], served: Served, known: dict[str, str], existing: bool
) -> None:
    keep_to_the_contract(case, served, known, existing)


def test_afterwards_the_archive_is_well(served: Served, errors_before: list[str]) -> None:
    """None of the texts above stands before a view."""
    last = noted(served.as_("staff"), a_customer(served))["position"]
    assert served.as_("staff").get("/v1/history", headers=at(last)).status_code == 200
    assert served.client(None).get("/readyz").json()["parts"]["projections"] == "ok"
    assert served.sql("select * from views.parked") == []
    assert served.errors() == errors_before
    assert Path(served.settings.home / "operator.token").exists()
