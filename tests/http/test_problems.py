"""Refusals as RFC 9457 problems: members, headers, languages, pages; and every error of an app leaves as one."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import falcon
import falcon.asgi
import falcon.testing
import msgspec
import pytest

from api.bodies import Code, single_line
from domain import refusals
from domain.refusals import FieldError, Refusal, ValidationFailed
from tests.builders.refusals import a_refusal
from tests.docs.translations import Sentences, mo
from web import problems
from web.pointers import in_form, in_header, in_path, in_query, place_of_fields, pointer_of
from web.problems import BodyIncomplete, best_language, build_problem, install, parse_languages
from web.statuses import status_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET = "Jansen 1970-01-01"


def members_of(refusal: Refusal, *, instance: str = "/v1/x") -> dict[str, Any]:
    members: dict[str, Any] = json.loads(build_problem(refusal, instance=instance, trace_id=TRACE).body)
    return members


@pytest.mark.parametrize("kind", refusals.all_refusals(), ids=lambda kind: kind.slug)
def test_each_refusal_is_a_complete_problem(kind: type[Refusal]) -> None:
    members = members_of(a_refusal(kind))
    assert members.keys() >= {"type", "title", "status", "detail", "instance", "trace_id"}
    assert members["type"] == f"/problems/{kind.slug}"
    assert (members["title"], members["status"], members["trace_id"]) == (kind.title, status_of(kind), TRACE)
    assert "{" not in members["detail"]


def test_values_fill_the_sentence_and_extra_members_cannot_replace_the_standard_ones() -> None:
    refusal = refusals.DuplicateContent(extra={"existing": "0193", "status": 200, "type": "x"})
    members = members_of(refusal)
    assert members["existing"] == "0193"
    assert (members["status"], members["type"]) == (409, "/problems/duplicate-content")
    assert members_of(refusals.PreconditionFailed(version=7))["detail"].count("version 7") == 1
    assert members_of(refusals.PreconditionFailed())["detail"] == refusals.PreconditionFailed.title


def test_field_errors_carry_pointer_and_filled_detail() -> None:
    note = FieldError(in_form("note"), "at most {limit} characters", limit=4)
    refusal = ValidationFailed(note, FieldError("a", "at most {limit}"))
    assert members_of(refusal)["errors"] == [
        {"pointer": "/form/note", "detail": "at most 4 characters"},
        {"pointer": "/a", "detail": "at most {limit}"},
    ]


@pytest.mark.parametrize(
    ("method", "content_type", "pointer"),
    [
        ("POST", "multipart/form-data; boundary=x", "/form/mandate/iban"),
        ("POST", "application/json", "/mandate/iban"),
        ("PUT", None, "/mandate/iban"),
        ("GET", None, "/query/mandate/iban"),
    ],
)
def test_the_door_knows_where_a_field_of_the_domain_stood(method: str, content_type: str | None, pointer: str) -> None:
    place = place_of_fields(method, content_type)
    assert pointer_of("mandate.iban", place) == pointer
    assert [pointer_of(at, place) for at in (in_header("A"), in_query("a/b~c"), in_path("id"), "")] == [
        "/header/A", "/query/a~1b~0c", "/path/id", "",
    ]  # fmt: skip


def test_an_instance_is_a_reference_whatever_the_path_holds() -> None:
    assert members_of(refusals.NotFound(), instance='/a b/"é\n')["instance"] == "/a%20b/%22%C3%A9%0A"


@pytest.mark.parametrize(
    ("refusal", "name", "value"),
    [
        (refusals.Unavailable(), "retry-after", "2"),
        (refusals.Unavailable(retry_after_seconds=0.2), "retry-after", "1"),
        (refusals.TooManyRequests(retry_after_seconds=30), "retry-after", "30"),
        (refusals.IdempotencyInFlight(), "retry-after", "2"),
        (refusals.Unauthenticated(), "www-authenticate", 'Bearer realm="dossier"'),
        (refusals.MethodNotAllowed(allow="GET, POST"), "allow", "GET, POST, HEAD"),
        (refusals.MethodNotAllowed(allow="POST"), "allow", "POST"),
        (refusals.RangeNotSatisfiable(size_bytes=9), "content-range", "bytes */9"),
    ],
)
def test_the_headers_that_a_status_asks_for(refusal: Refusal, name: str, value: str) -> None:
    answer = build_problem(refusal, instance="/", trace_id=TRACE)
    assert dict(answer.headers)[name] == value
    assert dict(answer.headers)["content-length"] == str(len(answer.body))


# --- an app of which every handler fails in its own way ---


class Body(msgspec.Struct, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(ge=0, le=9)]
    rows: list["Body"] = []
    by_name: dict[str, int] = {}
    text: str = ""
    kind: Literal["a", "b"] = "a"
    short: Annotated[str, single_line(5, 1)] | None = None
    code: Code | None = None
    day: date | None = None
    held: bool = False


class Down(Exception):
    pass


ERRORS: dict[str, Callable[[], Exception]] = {
    "refusal": refusals.CustomerErased,
    "field": lambda: FieldError("limit", "is wrong"),
    "cut": BodyIncomplete,
    "down": lambda: Down(SECRET),
    "fault": lambda: LookupError(SECRET),
    "teapot": lambda: falcon.HTTPError(418),
    "gateway": lambda: falcon.HTTPError(502),
}


class Failing:
    async def on_get(self, req: Any, resp: Any, case: str) -> None:
        resp.set_header("ETag", '"1"')
        resp.set_header("Content-Disposition", "attachment")
        resp.text = "half done"
        raise ERRORS[case]() if case in ERRORS else falcon.HTTPError(int(case))

    async def on_post(self, req: Any, resp: Any, case: str) -> None:
        if case == "number":
            req.get_param_as_int("n", required=True)
        elif case == "media":
            await req.get_media()
        else:
            msgspec.json.decode(await req.stream.read(), type=Body)


@pytest.fixture
def lines() -> list[bytes]:
    return []


@pytest.fixture
def client(lines: list[bytes]) -> falcon.testing.TestClient:
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    app.add_route("/{case}", Failing())
    install(app, write=lines.append, unavailable=(Down,))
    return falcon.testing.TestClient(app)


def slug(result: falcon.testing.Result) -> str:
    assert result.headers["content-type"] == "application/problem+json"
    assert result.json["status"] == result.status_code
    assert result.json["instance"].startswith("/")
    return str(result.json["type"]).rpartition("/")[2]


@pytest.mark.parametrize(
    ("case", "status", "expected"),
    [
        ("refusal", 410, "customer-erased"), ("field", 422, "validation-failed"), ("cut", 400, "malformed-request"),
        ("down", 503, "unavailable"), ("fault", 500, "internal-error"), ("teapot", 400, "malformed-request"),
        ("gateway", 500, "internal-error"), ("401", 401, "unauthenticated"), ("403", 403, "forbidden"),
        ("404", 404, "not-found"), ("406", 406, "not-acceptable"), ("411", 411, "length-required"),
        ("412", 412, "precondition-failed"), ("413", 413, "content-too-large"), ("415", 415, "unsupported-media-type"),
        ("429", 429, "too-many-requests"), ("503", 503, "unavailable"), ("507", 507, "insufficient-storage"),
        ("431", 400, "malformed-request"), ("a/b", 404, "not-found"),
    ],
)  # fmt: skip
def test_every_error_leaves_as_a_problem_in_place_of_what_was_begun(
    client: falcon.testing.TestClient, case: str, status: int, expected: str
) -> None:
    result = client.simulate_get("/" + case)
    assert (result.status_code, slug(result)) == (status, expected)
    assert "etag" not in result.headers
    assert "content-disposition" not in result.headers
    assert SECRET not in result.text


def test_an_unknown_method_names_the_allowed_ones(client: falcon.testing.TestClient) -> None:
    result = client.simulate_delete("/x")
    assert slug(result) == "method-not-allowed"
    assert set(result.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b'{"count": "x"}', "/count", "must be a whole number"),
        (b'{"count": 1, "rows": [{"count": 1}, {}]}', "/rows/1/count", "is required"),
        (b'{"count": 1, "more/~": 2}', "/more~1~0", "is not a field of this request"),
        (b'{"count": 1, "by_name": {"k": "v"}}', "/by_name", "must be a whole number"),
        (b"[]", "", "must be an object with fields"),
        (b'{"count": 1, "kind": "a {b"}', "/kind", "is not one of the allowed values"),
        (b'{"count": -1}', "/count", "must be at least 0"),
        (b'{"count": 10}', "/count", "must be at most 9"),
        (b'{"count": 1, "text": 1}', "/text", "must be text"),
        (b'{"count": 1, "rows": 1}', "/rows", "must be a list"),
        (b'{"count": 1, "short": ""}', "/short", "must have at least 1 characters"),
        (b'{"count": 1, "short": "abcdef"}', "/short", "must have at most 5 characters"),
        (b'{"count": 1, "short": "\\u0000"}', "/short", "must not contain control characters"),
        (b'{"count": 1, "code": "a"}', "/code", "has a wrong value"),
        (b'{"count": 1, "day": "24-11-2026"}', "/day", "must be a date like 2026-11-24"),
        (b'{"count": 1, "day": 3}', "/day", "must be a date like 2026-11-24"),
        (b'{"count": 1, "held": "yes"}', "/held", "must be true or false"),
    ],
)
def test_a_body_of_a_wrong_shape_names_the_field(
    client: falcon.testing.TestClient, body: bytes, pointer: str, detail: str
) -> None:
    result = client.simulate_post("/json", body=body)
    assert slug(result) == "validation-failed"
    assert result.json["errors"] == [{"pointer": pointer, "detail": detail}]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"count": 1}x', b'{"text": "\xff"}', b'{"text": "\\ud800"}', b"\xef\xbb\xbf{}"]
)
def test_a_body_that_is_no_json_is_malformed(client: falcon.testing.TestClient, body: bytes) -> None:
    assert slug(client.simulate_post("/json", body=body)) == "malformed-request"


def test_the_frameworks_own_parameter_and_media_errors_are_named(client: falcon.testing.TestClient) -> None:
    missing = client.simulate_post("/number").json
    assert missing["errors"] == [{"pointer": "/query/n", "detail": "is missing"}]
    wrong = client.simulate_post("/number", params={"n": "x"}).json
    assert wrong["errors"] == [{"pointer": "/query/n", "detail": "has a wrong value"}]
    assert (
        "body is empty" in client.simulate_post("/media", headers={"content-type": "application/json"}).json["detail"]
    )
    assert slug(client.simulate_post("/media", body=b"x", headers={"content-type": "a/b"})) == "unsupported-media-type"


def test_a_fault_is_logged_by_type_and_place_without_what_it_says(
    client: falcon.testing.TestClient, lines: list[bytes]
) -> None:
    client.simulate_get("/fault")
    client.simulate_get("/down")
    client.simulate_get("/404")
    fault, down = (json.loads(line) for line in lines)
    assert (fault["level"], fault["failure"][0]["type"]) == ("error", "builtins.LookupError")
    assert fault["failure"][0]["at"][-1].endswith("on_get")
    assert (down["level"], down["failure"][0]["type"].rpartition(".")[2]) == ("warning", "Down")
    assert not re.search(rb"Jansen|1970", b"".join(lines))


def test_the_log_names_the_causes_too() -> None:
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as cause:
            raise LookupError(SECRET) from cause
    except LookupError as error:
        line = problems.failure_line(error, level="error", trace_id=TRACE)
    assert [cause["type"] for cause in json.loads(line)["failure"]] == ["builtins.LookupError", "builtins.ValueError"]
    assert SECRET.encode() not in line


# --- languages ---


def catalog_with(folder: Path, tag: str, messages: dict[str, str]) -> None:
    catalog = Sentences(tag)
    for message, translated in messages.items():
        catalog.add(message, translated)
    target = folder / tag / "LC_MESSAGES" / "dossier.mo"
    target.parent.mkdir(parents=True)
    target.write_bytes(mo(catalog))


def test_a_catalog_is_used_for_who_prefers_it(tmp_path: Path) -> None:
    catalog_with(tmp_path, "nl", {refusals.NotFound.title: "Niet gevonden"})
    assert best_language("de, nl-BE;q=0.8, en;q=0.5", tmp_path) == "nl"
    assert best_language("en, nl;q=0.8", tmp_path) == "en"
    answer = build_problem(refusals.NotFound(), instance="/", trace_id=TRACE, language="nl", locale=tmp_path)
    assert json.loads(answer.body)["title"] == "Niet gevonden"
    assert json.loads(answer.body)["detail"] == refusals.NotFound.sentence


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_problem_says_its_language_and_that_it_was_chosen(language: str) -> None:
    headers = dict(build_problem(refusals.NotFound(), instance="/", trace_id=TRACE, language=language).headers)
    assert (headers["content-language"], headers["vary"]) == (language, "Accept-Language")


@pytest.mark.parametrize(
    ("refusal", "detail"),
    [
        (refusals.MalformedRequest(reason="it is odd"), "Zo niet: het is vreemd."),
        (refusals.DocumentTypeUnknown(type="it is odd"), "it is odd is niets."),
    ],
)
def test_our_words_in_a_sentence_are_translated_and_the_senders_are_not(
    tmp_path: Path, refusal: Refusal, detail: str
) -> None:
    messages = {refusals.MalformedRequest.sentence: "Zo niet: {reason}."}
    messages |= {refusals.DocumentTypeUnknown.sentence: "{type} is niets.", "it is odd": "het is vreemd"}
    catalog_with(tmp_path, "nl", messages)
    answer = build_problem(refusal, instance="/", trace_id=TRACE, language="nl", locale=tmp_path)
    assert json.loads(answer.body)["detail"] == detail


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("nl", ["nl"]), ("en;q=0.1, nl;q=0.9", ["nl", "en"]), ("nl;q=0, en", ["en"]), ("*, nl", ["nl"]),
        ("de-AT;q=0.5,,x y,fr;q=2", ["de-AT"]), ("", []), ("../../etc", []),
    ],
)  # fmt: skip
def test_accept_language_is_read_best_first(header: str, tags: list[str]) -> None:
    assert parse_languages(header) == tags


def test_who_wants_another_language_gets_english() -> None:
    assert best_language("fr, xx;q=0.5") == "en"
    assert best_language(None) == "en"
