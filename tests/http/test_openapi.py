"""openapi.json: the committed document is the generated one, it is valid, and the running archive keeps to it."""

import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as conformance

from api.meanings import MEANINGS
from desk.contract import CONTRACT, ROUTES
from domain.access import Verb
from tests.http import contract
from tests.http.desk import DEBT, a_customer, archived, at, issued, noted
from tests.http.served import ROOT, Served
from web import openapi

COMMITTED = ROOT / "api" / "openapi.json"
EXAMPLES, EXAMPLES_LONG = 6, 60
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
schema = schemathesis.openapi.from_dict(openapi.document(CONTRACT)).exclude(path="/v1/events/stream")
schema_long = schemathesis.openapi.from_dict(openapi.document(CONTRACT)).exclude(path="/v1/events/stream")
# The phase that tries each bound of each field has 4,000 cases of its own.
schema.config.phases.coverage.enabled = False


# -- the document -------------------------------------------------------------------------------------------------


def test_the_committed_document_is_the_one_that_the_route_table_gives() -> None:
    """`dossier openapi > api/openapi.json` brings it up to date."""
    assert COMMITTED.read_bytes() == openapi.text(CONTRACT)


def test_the_running_archive_gives_it_to_anyone(served: Served) -> None:
    answer = served.client(None).get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == COMMITTED.read_bytes()


def test_it_is_valid_openapi_3_1() -> None:
    document = msgspec.json.decode(COMMITTED.read_bytes())
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi.document(CONTRACT)["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_each_route_stands_in_it_once_with_a_name_of_its_own() -> None:
    described = [(method, path) for method, path, _ in operations()]
    assert sorted(described) == sorted((route.method, route.path) for route in ROUTES)
    names = [operation["operationId"] for *_, operation in operations()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for *_, operation in operations())


def test_operations_are_named_for_what_they_do() -> None:
    named = {f"{method} {path}": operation["operationId"] for method, path, operation in operations()}
    assert named["POST /v1/documents"] == "documents_archive"
    assert named["POST /v1/documents/{id}/link-customer"] == "documents_link_customer"
    assert named["GET /v1/customers/{id}/documents"] == "customers_documents"
    assert named["GET /v1/document-types"] == "document_types_list"
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in named.values())


def test_every_tag_is_explained() -> None:
    used = {tag for *_, operation in operations() for tag in operation["tags"]}
    assert {tag["name"] for tag in openapi.document(CONTRACT)["tags"]} == used


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, component in openapi.document(CONTRACT)["components"]["schemas"].items():
        for field, about in component.get("properties", {}).items():
            yield f"{name}.{field}", about


def test_every_field_and_parameter_is_explained() -> None:
    """A new one gets its line in api/meanings.py."""
    assert [name for name, about in properties() if not about.get("description")] == []
    told = [(path, p["name"], p.get("description")) for _, path, o in operations() for p in o["parameters"]]
    assert [name for name in told if not name[2]] == []


def test_every_explanation_is_of_a_field_that_is_there() -> None:
    named = {name for name, _ in properties()} | {"Problem.pointer"}
    fields = {name.partition(".")[2] for name in named}
    assert [name for name in MEANINGS if name not in named | fields] == []


def test_examples_fit_their_fields() -> None:
    for name, about in properties():
        for example in about.get("examples", ()):
            contract.validate(example, {key: value for key, value in about.items() if key != "description"})
            assert example is not None or "null" in str(about), name


def test_a_default_does_not_make_a_field_required() -> None:
    """A generator takes a field with a default for one that is always there."""
    assert [name for name, about in properties() if "default" in about] == []


def test_a_file_is_binary_for_every_generator() -> None:
    found = {f"{m} {p}": o for m, p, o in operations()}
    form = found["POST /v1/documents"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert (form["file"]["format"], form["file"]["contentMediaType"]) == ("binary", "application/octet-stream")
    page = found["PUT /v1/scan-sessions/{id}/pages/{n}"]["requestBody"]["content"]
    content = found["GET /v1/documents/{id}/content"]["responses"]["200"]["content"]
    for forms in (page, content):
        assert forms["application/octet-stream"]["schema"]["format"] == "binary"


def test_problem_types_are_open() -> None:
    kind = openapi.document(CONTRACT)["components"]["schemas"]["Problem"]["properties"]["type"]
    assert "enum" not in kind
    assert "/problems/validation-failed" in kind["description"]


def test_an_answer_without_a_body_has_no_content() -> None:
    for method, path, operation in operations():
        for status in ("204", "304"):
            assert "content" not in operation["responses"].get(status, {}), f"{method} {path}"


def test_no_text_names_what_a_reader_does_not_have() -> None:
    text = COMMITTED.read_text("utf-8")
    assert re.findall(r"\w+\.(?:md|py)\b|§|\w\(\)", text) == []


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


asked: Counter[str] = Counter()
"""How many cases of each operation were sent."""


def keep_to_the_contract(case: schemathesis.Case[Any], served: Served, known: dict[str, str]) -> None:
    asked[case.operation.label] += 1
    if zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode()) % 2:
        name_what_exists(case, known)
    # One that asks for a far position waits, and is then told 503: test_api_problems.py has it.
    case.headers.pop("Archive-Min-Position", None)
    case.query.pop("wait", None)  # a station's long poll
    if isinstance(case.body, dict) and case.body.get("kind") == "pause":  # whoever wrote would wait for the view
        case.body = {**case.body, "kind": "resume"}
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
@settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=NEVER_MIND)
def test_made_up_requests_are_answered_as_the_contract_says(
    case: schemathesis.Case[Any], served: Served, known: dict[str, str]
) -> None:
    keep_to_the_contract(case, served, known)


@pytest.mark.long
@schema_long.parametrize()
@settings(max_examples=EXAMPLES_LONG, derandomize=True, database=None, deadline=None, suppress_health_check=NEVER_MIND)
def test_many_made_up_requests_are_answered_as_the_contract_says(
    case: schemathesis.Case[Any], served: Served, known: dict[str, str]
) -> None:
    keep_to_the_contract(case, served, known)


def test_afterwards_the_archive_is_well(
    served: Served, errors_before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """None of the texts above stands before a view."""
    with capsys.disabled():
        sys.stdout.write(f"\n{asked.total()} made-up requests of {len(asked)} operations\n")
    last = noted(served.as_("staff"), a_customer(served))["position"]
    assert served.as_("staff").get("/v1/history", headers=at(last)).status_code == 200
    assert served.client(None).get("/readyz").json()["parts"]["projections"] == "ok"
    assert served.sql("select * from views.parked") == []
    assert served.errors() == errors_before
    assert Path(served.settings.home / "operator.token").exists()
