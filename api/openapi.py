"""openapi.json, generated from the route table. The committed file is served; a test fails when it drifts."""

import re
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import msgspec

from api.cookies import COOKIE
from api.query import Query
from api.routes import ROUTES, Route
from domain.access import Verb
from domain.refusals import every

HEADERS = {
    "Archive-Branch": "branch code to write for, and to enter this read under, where the token has none of its own",
    "Idempotency-Key": "1 to 200 visible characters; the same key gives the first answer again for 24 hours",
    "If-Match": "the ETag that was read",
    "Last-Event-ID": "the position that was got last: the stream goes on behind it",
    "Archive-Min-Position": "wait until the views stand at this position (Archive-Position of a write)",
}
OF_SESSIONS = "Of a user who signed in (POST /v1/session); taken from pages of this origin only"
TEXT = {"type": "string"}


def document() -> dict[str, Any]:
    """The contract as OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dossier",
            "version": "1",
            "summary": "The customer document archive of a library",
            "description": "Errors are RFC 9457 problems; each type has a page under /problems/.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": OF_SESSIONS},
            },
            "schemas": {**schemas(), "Problem": PROBLEM},
            "responses": {"Problem": {"description": "A refusal", "content": {PROBLEM_TYPE: _schema("Problem")}}},
        },
    }


PROBLEM_TYPE = "application/problem+json"
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "trace_id"],
    "properties": {
        "type": {"type": "string", "enum": [f"/problems/{kind.slug}" for kind in every()]},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "instance": TEXT,
        "trace_id": TEXT,
        "existing": TEXT,
        "found": TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": TEXT, "detail": TEXT},
            },
        },
    },
}


def operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [room_of(route.path)],
        "x-verb": route.verb.value,
        "parameters": parameters(route),
        "responses": {
            **{str(status): answer(route, status) for status in route.status},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if route.verb is Verb.PUBLIC:
        described["security"] = []
    if body := request_body(route):
        described["requestBody"] = body
    return described


def room_of(path: str) -> str:
    """What a route is about: documents, for /v1/documents/{id}/content; outside of /v1 it is the service."""
    steps = path.strip("/").split("/")
    return steps[1] if steps[0] == "v1" else "service"


def _operation_id(route: Route) -> str:
    words = re.sub(r"[^a-z]+", "_", route.path.removeprefix("/v1").lower()).strip("_")
    return f"{route.method.lower()}_{words}"


def parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        _parameter(name, "path", _path_schema(name), required=True) for name in re.findall(r"{(\w+)}", route.path)
    ]
    in_query = [_query(q) for q in route.query]
    return [*in_path, *in_query, *[_header(name, route) for name in _headers(route)]]


def _path_schema(name: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1} if name == "n" else TEXT


def _query(query: Query) -> dict[str, Any]:
    found = _parameter(query.name, "query", query.schema, required=query.required)
    return {**found, "description": query.meaning}


def _headers(route: Route) -> list[str]:
    """The request headers that this route knows."""
    own = route.path.startswith("/v1/session")
    writes, asks = route.method != "GET" and not own, route.path.startswith("/v1") and route.method == "GET" and not own
    known = {
        "Archive-Branch": writes or route.verb in (Verb.CONTENT_READ, Verb.HISTORY_READ),
        "Idempotency-Key": route.idempotent,
        "If-Match": route.if_match or route.may_match,
        "Last-Event-ID": route.media_type == "text/event-stream",
        "Archive-Min-Position": asks and "document-types" not in route.path,
    }
    return [name for name, applies in known.items() if applies]


def _header(name: str, route: Route) -> dict[str, Any]:
    found = _parameter(name, "header", TEXT, required=name == "If-Match" and route.if_match)
    return {**found, "description": HEADERS[name]}


def _parameter(name: str, where: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}


def request_body(route: Route) -> dict[str, Any] | None:
    if route.form:
        return {"required": True, "content": {"multipart/form-data": {"schema": form_schema(route.form)}}}
    if route.image:
        return {"required": True, "content": {"image/*": {}}}
    if route.body is not None:
        return {"required": True, "content": {"application/json": _schema(route.body.__name__)}}
    return None


def form_schema(meanings: Mapping[str, str]) -> dict[str, Any]:
    fields = {name: {"type": "string", "description": meaning} for name, meaning in sorted(meanings.items())}
    return {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}, **fields},
    }


def answer(route: Route, status: int) -> dict[str, Any]:
    described: dict[str, Any] = {"description": route.summary if status < 300 else "Not changed, or not ready"}
    if status == 304:
        return described
    if route.answer is not None:
        one = _schema(route.answer.__name__)["schema"]
        described["content"] = {"application/json": {"schema": _list(one) if route.listed else one}}
    elif route.media_type != "application/json":
        described["content"] = {route.media_type: {}}
    else:
        described["content"] = {"application/json": {"schema": {"type": "object"}}}
    return described


def _list(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["items", "position", "next"],
        "properties": {
            "items": {"type": "array", "items": one},
            "position": {"type": "integer"},
            "next": {"type": ["string", "null"]},
        },
    }


def schemas() -> dict[str, Any]:
    """Their descriptions are docstrings, which only Python 3.13 and later has without the indent of the source."""
    structs = [kind for route in ROUTES for kind in (route.body, route.answer) if kind is not None]
    _, found = msgspec.json.schema_components(dict.fromkeys(structs), ref_template="#/components/schemas/{name}")
    return {
        name: {key: cleandoc(value) if key == "description" else value for key, value in schema.items()}
        for name, schema in found.items()
    }


def _schema(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def text() -> bytes:
    """The document as it is committed."""
    return msgspec.json.format(msgspec.json.encode(document(), order="sorted"), indent=1) + b"\n"
