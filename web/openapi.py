"""Builds an OpenAPI 3.1 document from route tables and the meanings of fields; desk/contract.py passes both.

The document suits client generators too: every field has a description, the fields of an answer are all required,
bytes have the format `binary`. The defaults of a body are stated in its descriptions, because generators make a field
with a `default` a required one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from inspect import cleandoc
from typing import Any

import msgspec

from domain.access import Verb
from domain.promises import require_value
from domain.refusals import all_refusals
from web.cookies import COOKIE
from web.query import Parameter
from web.route import Route

REQUEST_HEADERS = {
    "Archive-Branch": ("Code of the branch to write for, when the token has none of its own.", "CENTRAL"),
    "Idempotency-Key": (
        "1 to 200 visible characters. For 24 hours, a repeated key gets the first answer again.",
        "0193573b-upload-17",
    ),
    "If-Match": ("The ETag that was read.", '"1"'),
    "Last-Event-ID": ("The last position that was received; the stream continues after it.", "1"),
    "Archive-Min-Position": (
        "Wait until the views have reached this position, the Archive-Position of a write.",
        "1",
    ),
}
RESPONSE_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Request-Id": ("Id of the request; the `trace_id` of a problem.", {"type": "string", "pattern": "^[0-9a-f]{32}$"}),
    "Archive-Position": ("Position of the log that the answer reflects.", {"type": "integer"}),
    "ETag": ("Version of the resource, for If-Match and If-None-Match.", {"type": "string"}),
    "Location": ("Path of the new resource.", {"type": "string"}),
    "Link": ('The next page, `rel="next"`; absent on the last page.', {"type": "string"}),
    "Idempotency-Replayed": (
        "`true` when this repeats the first answer to the Idempotency-Key; absent otherwise.",
        {"type": "string"},
    ),
    "Retry-After": ("Seconds to wait before the same request is sent again.", {"type": "integer"}),
    "Accept-Ranges": ("`bytes`: Range is supported.", {"type": "string"}),
    "Content-Range": ("The range of bytes in this answer.", {"type": "string"}),
    "Content-Disposition": ("The name of the file.", {"type": "string"}),
    "Repr-Digest": ("SHA-256 of the whole content.", {"type": "string"}),
    "Content-Digest": ("SHA-256 of the bytes of this answer.", {"type": "string"}),
}
ABSENT_SOMETIMES = {"Link", "Idempotency-Replayed", "Retry-After", "Content-Disposition", "Location"}
OF_SESSIONS = "The session of a user who signed in (POST /v1/session); accepted only from pages of the same origin."
TEXT = {"type": "string"}
BYTES = {"type": "string", "format": "binary"}
ANY_BYTES = "application/octet-stream"
PROBLEM_TYPE = "application/problem+json"
NOTHING: Any = object()


class Meaning(msgspec.Struct, frozen=True):
    """The meaning of a field. `example` is one value; `values` lists all of them if the list is closed."""

    text: str
    example: Any = NOTHING
    values: tuple[str, ...] | None = None


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The input of the document.

    `meanings` has the keys `field` or `Struct.field`. `rooms` describes the tags by the path step after /v1.
    `path_parameters` has the key name, or a room in which the parameter has a meaning of its own. `may_be_absent` lists
    the fields that answers may leave out, as (struct, field).
    """

    title: str
    summary: str
    description: str
    routes: Sequence[Route]
    rooms: Mapping[str, str]
    path_parameters: Mapping[str, str]
    meanings: Mapping[str, Meaning]
    may_be_absent: Set[tuple[str, str]] = frozenset()

    def meaning_of(self, struct: str, field: str) -> Meaning | None:
        return self.meanings.get(f"{struct}.{field}") or self.meanings.get(field)


def document(contract: Contract) -> dict[str, Any]:
    """The contract as OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for route in contract.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route, contract)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract.title,
            "version": "1",
            "summary": contract.summary,
            "description": contract.description,
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": room, "description": contract.rooms[room]}
            for room in dict.fromkeys(room_of(route.path) for route in contract.routes)
        ],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": OF_SESSIONS},
            },
            "headers": {name: _response_header(name) for name in RESPONSE_HEADERS},
            "schemas": {**schemas(contract), **lists(contract), "Problem": problem_schema(contract)},
            "responses": {
                "Problem": {
                    "description": "A refusal",
                    "headers": _headers_of(("Request-Id", "Retry-After")),
                    "content": {PROBLEM_TYPE: _schema("Problem")},
                }
            },
        },
    }


# -- operations ---------------------------------------------------------------------------------------------------


def operation(route: Route, contract: Contract) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [room_of(route.path)],
        "x-verb": route.verb.value,
        "parameters": parameters(route, contract),
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
    """The room of a path: `documents` for /v1/documents/{id}/content, `service` for paths outside of /v1."""
    steps = path.strip("/").split("/")
    return steps[1] if steps[0] == "v1" else "service"


def operation_id(route: Route) -> str:
    """The operation's name, such as `documents_archive`: the room, then the route's `does` or the steps of its path."""
    room = room_of(route.path)
    steps = [step for step in route.path.strip("/").split("/")[2:] if not step.startswith("{")]
    usual = {"GET": "list" if route.listed else "read", "POST": "create", "PUT": "write", "DELETE": "delete"}
    done = route.does or "_".join(steps) or usual[route.method]
    return f"{room}_{done}".replace("-", "_")


def parameters(route: Route, contract: Contract) -> list[dict[str, Any]]:
    in_path = [_in_path(name, route, contract) for name in re.findall(r"{(\w+)}", route.path)]
    in_query = [_query(q) for q in route.query]
    return [*in_path, *in_query, *[_header(name, route) for name in _headers(route)]]


def _in_path(name: str, route: Route, contract: Contract) -> dict[str, Any]:
    found = _parameter(name, "path", {"type": "integer", "minimum": 1} if name == "n" else TEXT, required=True)
    own = contract.path_parameters.get(room_of(route.path)) if name != "n" else None
    return {**found, "description": own or contract.path_parameters[name]}


def _query(query: Parameter) -> dict[str, Any]:
    found = _parameter(query.name, "query", query.schema, required=query.required)
    return {**found, "description": query.meaning}


def _headers(route: Route) -> list[str]:
    """The request headers that this route reads."""
    reads = route.method == "GET"
    of_branch = not reads or route.verb in (Verb.CONTENT_READ, Verb.HISTORY_READ)
    known = {
        "Archive-Branch": route.archive_headers and of_branch,
        "Idempotency-Key": route.idempotent,
        "If-Match": route.if_match or route.may_match,
        "Last-Event-ID": route.media_type == "text/event-stream",
        "Archive-Min-Position": route.archive_headers and reads and route.path.startswith("/v1"),
    }
    return [name for name, applies in known.items() if applies]


def _header(name: str, route: Route) -> dict[str, Any]:
    text, example = REQUEST_HEADERS[name]
    found = _parameter(name, "header", TEXT, required=name == "If-Match" and route.if_match)
    return {**found, "description": text, "example": example}


def _parameter(name: str, where: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}


# -- bodies and answers -------------------------------------------------------------------------------------------


def request_body(route: Route) -> dict[str, Any] | None:
    if route.form:
        return {"required": True, "content": {"multipart/form-data": {"schema": form_schema(route.form)}}}
    if route.image:
        return {
            "required": True,
            "description": "The image's bytes: JPEG, PNG or TIFF, whatever Content-Type says.",
            "content": {ANY_BYTES: {"schema": BYTES}},
        }
    if route.body is not None:
        return {"required": True, "content": {"application/json": _schema(route.body.__name__)}}
    return None


def form_schema(meanings: Mapping[str, str]) -> dict[str, Any]:
    """The schema of a multipart form. `file` is required, and `reason` wherever the form has one."""
    fields = {name: {"type": "string", "description": meaning} for name, meaning in sorted(meanings.items())}
    return {
        "type": "object",
        "required": ["file", *(["reason"] if "reason" in fields else [])],
        "properties": {
            "file": {**BYTES, "contentMediaType": ANY_BYTES, "description": "The file, with its name."},
            **fields,
        },
    }


def answer(route: Route, status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": route.summary if status < 300 else "Not changed, or not ready",
        "headers": _headers_of(response_headers(route, status)),
    }
    if content := content_of(route, status):
        described["content"] = content
    return described


def content_of(route: Route, status: int) -> dict[str, Any]:
    if status in (204, 304):
        return {}
    if route.answer is not None:
        return {"application/json": _schema(list_name(route) if route.listed else route.answer.__name__)}
    if route.media_type == "application/json":
        return {"application/json": {"schema": {"type": "object"}}}
    if route.media_type.startswith("text/"):
        return {route.media_type: {"schema": TEXT}}
    # Generators support only the second type for bytes.
    return {media_type: {"schema": BYTES} for media_type in (route.media_type, ANY_BYTES)}


def response_headers(route: Route, status: int) -> Iterator[str]:
    yield "Request-Id"
    if route.answer is not None and route.positioned:
        yield "Archive-Position"
    if route.versioned:
        yield "ETag"
    if route.idempotent:
        yield "Idempotency-Replayed"
    if route.listed:
        yield "Link"
    if route.method == "POST" and status == 201:
        yield "Location"
    if route.media_type == "*/*":
        yield "Accept-Ranges"
        if status != 304:
            yield from ("Content-Disposition", "Repr-Digest", "Content-Digest")
        if status == 206:
            yield "Content-Range"
    elif route.media_type in ("application/zip", "application/pdf"):
        yield "Content-Disposition"


def _headers_of(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response_header(name: str) -> dict[str, Any]:
    text, schema = RESPONSE_HEADERS[name]
    return {"description": text, "required": name not in ABSENT_SOMETIMES, "schema": schema}


# -- schemas ------------------------------------------------------------------------------------------------------


def lists(contract: Contract) -> dict[str, Any]:
    """A schema for the pages of each list."""
    return {list_name(route): _list(list_name(route), route, contract) for route in contract.routes if route.listed}


def list_name(route: Route) -> str:
    return f"{'Customer' if route.beside else ''}{_item_of_list(route).__name__}List"


def _item_of_list(route: Route) -> type[Any]:
    return require_value(route.answer, "a route with `listed` has an `answer`")


def _list(name: str, route: Route, contract: Contract) -> dict[str, Any]:
    beside = {field: _ref(struct.__name__) for field, struct in route.beside.items()}
    properties = {
        **beside,
        "items": {"type": "array", "items": _ref(_item_of_list(route).__name__)},
        "position": {"type": "integer"},
        "next": {"type": ["string", "null"]},
    }
    return {
        "title": name,
        "description": "A page of a list.",
        "type": "object",
        "required": [*properties],
        "properties": {field: explain_field(contract, name, field, schema) for field, schema in properties.items()},
    }


def schemas(contract: Contract) -> dict[str, Any]:
    """The schemas of all bodies and answers by name."""
    bodies = _components(route.body for route in contract.routes)
    beside = [struct for route in contract.routes for struct in route.beside.values()]
    answers = _components([*(route.answer for route in contract.routes), *beside])
    return {
        **{name: describe_struct(contract, name, schema, answered=True) for name, schema in answers.items()},
        **{name: describe_struct(contract, name, schema, answered=False) for name, schema in bodies.items()},
    }


def _components(structs: Iterable[type[msgspec.Struct] | None]) -> dict[str, Any]:
    kinds = dict.fromkeys(struct for struct in structs if struct is not None)
    return msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")[1]


def describe_struct(contract: Contract, name: str, schema: Mapping[str, Any], *, answered: bool) -> dict[str, Any]:
    """A struct's schema with the meanings of its fields. An answer requires all fields that may not be absent."""
    whole: dict[str, Any] = {**schema}
    # The description is a docstring, and Python before 3.13 keeps the indentation of the source in it.
    if "description" in whole:
        whole["description"] = cleandoc(whole["description"])
    if "properties" not in whole:
        return {"type": "string", **whole} if "enum" in whole else whole
    properties = whole["properties"]
    if answered:
        whole["required"] = [
            field for field, about in properties.items() if (name, field) not in contract.may_be_absent
        ]
    explained = {field: explain_field(contract, name, field, about) for field, about in properties.items()}
    return {**whole, "properties": explained}


def explain_field(contract: Contract, struct: str, field: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A field's schema with its description, an example and the closed list of its values, without its default."""
    found = {key: value for key, value in _add_type(schema).items() if key != "default"}
    meaning = contract.meaning_of(struct, field)
    if meaning is None:
        return found
    if meaning.values is not None:
        found = _list_values(found, meaning.values)
    example = {} if meaning.example is NOTHING else {"examples": [meaning.example]}
    return {**found, "description": meaning.text, **example}


def _add_type(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the `type` that msgspec leaves out of the schema of a Literal."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_add_type(one) for one in schema["anyOf"]]}
    if "enum" in schema and "type" not in schema:
        return {"type": "string" if isinstance(schema["enum"][0], str) else "integer", **schema}
    return {**schema}


def _list_values(schema: dict[str, Any], values: tuple[str, ...]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_list_values(one, values) if one == TEXT else one for one in schema["anyOf"]]}
    return {**schema, "enum": [*values]} if schema == TEXT else schema


def problem_schema(contract: Contract) -> dict[str, Any]:
    """The schema of a problem. It is open: a later release may add types, and a refusal may add fields."""
    error = {name: explain_field(contract, "Problem", name, TEXT) for name in ("pointer", "detail")}
    optional: dict[str, Any] = {
        **dict.fromkeys(("existing", "found", "authorization_status", "holder"), TEXT),
        "errors": {"type": "array", "items": {"type": "object", "required": [*error], "properties": error}},
    }
    required = dict.fromkeys(("title", "detail", "instance", "trace_id"), TEXT)
    types = {
        "type": "string",
        "format": "uri-reference",
        "description": "The type of the problem. A later release may add types to these: "
        f"{', '.join(f'/problems/{k.slug}' for k in all_refusals())}.",
        "examples": ["/problems/validation-failed"],
    }
    fields = {**required, "status": {"type": "integer"}, **optional}
    return {
        "title": "Problem",
        "description": "Why a request was refused (RFC 9457).",
        "type": "object",
        "required": ["type", *required, "status"],
        "properties": {
            "type": types,
            **{name: explain_field(contract, "Problem", name, about) for name, about in fields.items()},
        },
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(name: str) -> dict[str, Any]:
    return {"schema": _ref(name)}


def text(contract: Contract) -> bytes:
    """The document as formatted JSON, as it is committed."""
    return msgspec.json.format(msgspec.json.encode(document(contract), order="sorted"), indent=1) + b"\n"
