"""Every answer against the contract: what succeeds by its schema in openapi.json, what fails as a problem."""

import json
import re
from collections import Counter
from functools import cache
from typing import Any
from urllib.parse import unquote

import httpx
import jsonschema

from desk.contract import CONTRACT
from web import openapi

PROBLEM_TYPE = "application/problem+json"
JSON_TYPES = ("application/json", PROBLEM_TYPE)
TRACE_ID = re.compile(r"[0-9a-f]{32}")
BODILESS = (204, 304)

seen: Counter[tuple[str, str, int]] = Counter()
"""How often each (method, template, status) was checked in this run."""


@cache
def contract() -> dict[str, Any]:
    return openapi.document(CONTRACT)


@cache
def templates() -> list[tuple[re.Pattern[str], str]]:
    """Literal steps before parameters: /v1/documents/{id} must not swallow anything else."""
    paths = sorted(contract()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]


def template_of(path: str) -> str | None:
    return next((template for pattern, template in templates() if pattern.fullmatch(path)), None)


def check(response: httpx.Response) -> None:
    """An httpx response hook. Raises AssertionError for an answer that the contract does not allow."""
    method, path = response.request.method, unquote(response.request.url.raw_path.decode().partition("?")[0])
    template = template_of(path)
    seen[method, template or "-", response.status_code] += 1
    content_type = response.headers.get("Content-Type", "").partition(";")[0]
    if content_type in JSON_TYPES or response.status_code >= 400:
        response.read()
    if response.status_code >= 400 and not (template == "/readyz" and content_type == "application/json"):
        check_problem(response)
    else:
        assert template is not None, f"{method} {path} answered {response.status_code} and is not in the contract"
        check_success(response, contract()["paths"][template][documented(method)], content_type)


def documented(method: str) -> str:
    """HEAD works wherever GET does."""
    return "get" if method == "HEAD" else method.lower()


def check_problem(response: httpx.Response) -> None:
    assert response.headers["Content-Type"] == PROBLEM_TYPE, response.headers
    if response.request.method == "HEAD":
        return
    problem = response.json()
    validate(problem, contract()["components"]["schemas"]["Problem"])
    assert problem["status"] == response.status_code
    assert TRACE_ID.fullmatch(problem["trace_id"])
    assert "{" not in problem["title"] + problem["detail"], "a sentence was not filled in"
    if problem["type"] == "/problems/validation-failed":
        assert all(e["pointer"].startswith("/") or e["pointer"] == "" for e in problem["errors"])
    if response.status_code in (429, 503):
        assert int(response.headers["Retry-After"]) >= 1


def check_success(response: httpx.Response, operation: dict[str, Any], content_type: str) -> None:
    answers = operation["responses"]
    assert str(response.status_code) in answers, f"{response.status_code} is not documented for {operation['summary']}"
    check_headers(response, answers[str(response.status_code)].get("headers", {}))
    if response.request.method == "HEAD" or response.status_code in BODILESS:
        return
    forms = answers[str(response.status_code)]["content"]
    if "*/*" not in forms:  # which stands for whatever was archived
        any_of_its_kind = content_type.partition("/")[0] + "/*"
        assert {content_type, any_of_its_kind} & {*forms}, (
            f"{content_type} is not documented for {operation['summary']}"
        )
    if content_type == "application/json" and "*/*" not in forms:
        validate(response.json(), forms["application/json"].get("schema", {}))


def check_headers(response: httpx.Response, documented: dict[str, Any]) -> None:
    """Those that the contract knows: what is sent is documented for this answer, what is required is sent."""
    known = contract()["components"]["headers"]
    sent = {name for name in known if name in response.headers}
    required = {name for name in documented if known[name]["required"]}
    assert required <= sent <= documented.keys(), f"sent {sorted(sent)}, documented {sorted(documented)}"


@cache
def closed_components() -> dict[str, Any]:
    """The components, where an object has the fields that it declares and no more."""
    components = contract()["components"]
    closed = {name: closed_schema(schema) for name, schema in components["schemas"].items() if name != "Problem"}
    return {**components, "schemas": {**components["schemas"], **closed}}


def closed_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": False, **schema} if "properties" in schema else schema


@cache
def validator_of(schema: str) -> jsonschema.Draft202012Validator:
    """The validator of a schema in JSON, made once: it keeps the components that it has looked up."""
    whole = {**json.loads(schema), "components": closed_components()}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def validate(value: Any, schema: dict[str, Any]) -> None:
    """JSON Schema 2020-12 with formats; references go to the contract's components."""
    error = jsonschema.exceptions.best_match(validator_of(json.dumps(schema)).iter_errors(value))
    assert error is None, f"{error.json_path}: {error.message} in {json.dumps(value)[:2000]}"
