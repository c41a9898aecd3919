"""The reference of the API: /docs to read and print, /docs/try to call it from the browser.

Both are rendered from api/openapi.json, which web/openapi.py generates.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from api.call import Call
from desk import render

# Swagger UI uses data: images and innerHTML, so its page has a policy of its own.
TRY_POLICY = render.POLICY.replace("img-src 'self' blob:", "img-src 'self' data:").partition(" require-trusted")[0]


class Field(NamedTuple):
    """A parameter, or a field of a body."""

    name: str
    kind: str
    required: bool
    meaning: str


class Operation(NamedTuple):
    room: str
    method: str
    path: str
    summary: str
    verb: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answers: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        return f"{self.method}{self.path}".replace("/", "-").replace("{", "").replace("}", "").replace(".", "-")


async def show_reference(call: Call) -> None:
    """GET /docs."""
    render.show(call, "reference.html", rooms=rooms(), shapes=shapes())


async def try_out(call: Call) -> None:
    """GET /docs/try."""
    render.show(call, "try.html")
    call.resp.set_header("Content-Security-Policy", TRY_POLICY)


@cache
def contract() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(files("api").joinpath("openapi.json").read_bytes())
    return found


@cache
def shapes() -> list[tuple[str, str, list[Field]]]:
    """The schemas of bodies and answers: name, description, fields."""
    schemas = contract()["components"]["schemas"]
    return [(name, about.get("description", ""), [*properties(about)]) for name, about in sorted(schemas.items())]


@cache
def rooms() -> list[tuple[str, list[Operation]]]:
    """The operations, grouped by tag in alphabetical order."""
    found = sorted(operations(contract()), key=attrgetter("room", "path", "method"))
    return [(room, list(ones)) for room, ones in groupby(found, key=attrgetter("room"))]


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            yield Operation(
                room=about["tags"][0],
                method=method.upper(),
                path=path,
                summary=about["summary"],
                verb=about.get("x-verb", ""),
                parameters=tuple(map(parameter_of, about.get("parameters", ()))),
                body=tuple(fields_of(about.get("requestBody", {}), schemas)),
                answers=tuple(answers_of(about)),
            )


def parameter_of(about: Mapping[str, Any]) -> Field:
    required = about.get("required", False)
    return Field(
        about["name"], f"{about['in']}, {type_of(about.get('schema', {}))}", required, about.get("description", "")
    )


def fields_of(body: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[Field]:
    for media_type, content in body.get("content", {}).items():
        schema = resolve_reference(content.get("schema", {}), schemas)
        if "properties" not in schema:
            yield Field(media_type, type_of(schema), True, "")
        yield from properties(schema)


def properties(schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, about in schema.get("properties", {}).items():
        yield Field(name, type_of(about), name in schema.get("required", ()), about.get("description", ""))


def answers_of(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for status, answer in about["responses"].items():
        if status != "default":
            yield status, ", ".join([answer.get("description", ""), *media_types(answer)])


def media_types(answer: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in answer.get("content", {}).items():
        type_name = type_of(content.get("schema", {}))
        yield f"{media_type} ({type_name})" if type_name not in ("object", "any") else media_type


def resolve_reference(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def type_of(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: integer, list of Item, a | b."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(type_of, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")
