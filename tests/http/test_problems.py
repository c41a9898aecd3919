"""Refusals as RFC 9457 problems: members, headers, languages, pages; and every error of an app leaves as one."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import falcon
import falcon.asgi
import falcon.testing
import msgspec
import pytest

from api import problems
from api.problems import BodyIncomplete, best_language, index, install, page, preferred, problem, translator
from domain import refusals
from domain.refusals import FieldError, Refusal, ValidationFailed

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET = "Jansen 1970-01-01"


def english(text: str) -> str:
    return text


def members_of(refusal: Refusal, *, instance: str = "/v1/x") -> dict[str, Any]:
    members: dict[str, Any] = json.loads(problem(refusal, instance=instance, trace_id=TRACE, translate=english).body)
    return members


@pytest.mark.parametrize("kind", refusals.every(), ids=lambda kind: kind.slug)
def test_each_refusal_is_a_complete_problem_with_a_page(kind: type[Refusal]) -> None:
    members = members_of(kind())
    assert list(members)[:6] == ["type", "title", "status", "detail", "instance", "trace_id"]
    assert members["type"] == f"/problems/{kind.slug}"
    assert (members["title"], members["status"], members["trace_id"]) == (kind.title, kind.status, TRACE)
    assert "{" not in members["detail"]
    shown = page(kind.slug, english).decode()
    assert kind.title in shown.replace("&#x27;", "'")
    assert str(kind.status) in shown
    assert f'href="/problems/{kind.slug}"' in index(english).decode()


def test_values_fill_the_sentence_and_extra_members_cannot_replace_the_standard_ones() -> None:
    refusal = refusals.DuplicateContent(extra={"existing": "0193", "status": 200, "type": "x"})
    members = members_of(refusal)
    assert members["existing"] == "0193"
    assert (members["status"], members["type"]) == (409, "/problems/duplicate-content")
    assert members_of(refusals.PreconditionFailed(version=7))["detail"].count("version 7") == 1
    assert members_of(refusals.PreconditionFailed())["detail"] == refusals.PreconditionFailed.title


def test_field_errors_carry_pointer_and_filled_detail() -> None:
    note = FieldError("/form/note", "at most {limit} characters", limit=4)
    refusal = ValidationFailed(note, FieldError("/a", "at most {limit}"))
    assert members_of(refusal)["errors"] == [
        {"pointer": "/form/note", "detail": "at most 4 characters"},
        {"pointer": "/a", "detail": "at most {limit}"},
    ]


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
    answer = problem(refusal, instance="/", trace_id=TRACE, translate=english)
    assert dict(answer.headers)[name] == value
    assert dict(answer.headers)["content-length"] == str(len(answer.body))


def test_an_unknown_slug_has_no_page_and_pages_run_nothing() -> None:
    with pytest.raises(refusals.NotFound):
        page("no-such-slug", english)
    assert problems.PAGE_HEADERS["Content-Security-Policy"].startswith("default-src 'none';")
    assert b"<script" not in page("not-found", lambda text: f"<script>{text}")


# --- an app of which every handler fails in its own way ---


class Body(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    rows: list["Body"] = []
    by_name: dict[str, int] = {}
    text: str = ""
    kind: Literal["a", "b"] = "a"


class Down(Exception):
    pass


ERRORS: dict[str, Callable[[], Exception]] = {
    "refusal": refusals.CustomerErased,
    "field": lambda: FieldError("/query/limit", "is wrong"),
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
        (b'{"count": "x"}', "/count", "Expected `int`, got `str`"),
        (b'{"count": 1, "rows": [{"count": 1}, {}]}', "/rows/1/count", "Object missing required field `count`"),
        (b'{"count": 1, "more/~": 2}', "/more~1~0", "Object contains unknown field `more/~`"),
        (b'{"count": 1, "by_name": {"k": "v"}}', "/by_name", "Expected `int`, got `str`"),
        (b"[]", "", "Expected `object`, got `array`"),
        (b'{"count": 1, "kind": "a {b"}', "/kind", "Invalid enum value 'a {b'"),
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
    """Write a compiled gettext catalog: header, two tables of (length, offset), then the texts."""
    pairs = sorted({"": "Content-Type: text/plain; charset=UTF-8\n", **messages}.items())
    texts, tables, at = b"", (b"", b""), 28 + 16 * len(pairs)
    for pair in pairs:
        for column in (0, 1):
            text = pair[column].encode()
            tables = tuple(  # type: ignore[assignment]  # two of them again
                table + struct.pack("<II", len(text), at + len(texts)) if i == column else table
                for i, table in enumerate(tables)
            )
            texts += text + b"\0"
    target = folder / tag / "LC_MESSAGES" / "dossier.mo"
    target.parent.mkdir(parents=True)
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    target.write_bytes(head + tables[0] + tables[1] + texts)


def test_a_catalog_is_used_for_who_prefers_it(tmp_path: Path) -> None:
    catalog_with(tmp_path, "nl", {refusals.NotFound.title: "Niet gevonden"})
    dutch = translator("de, nl-BE;q=0.8, en;q=0.5", tmp_path)
    answer = json.loads(problem(refusals.NotFound(), instance="/", trace_id=TRACE, translate=dutch).body)
    assert answer["title"] == "Niet gevonden"
    assert answer["detail"] == refusals.NotFound.sentence
    assert translator("en, nl;q=0.8", tmp_path)(refusals.NotFound.title) == refusals.NotFound.title
    assert translator(None, tmp_path)(refusals.NotFound.title) == refusals.NotFound.title


def test_a_reason_is_translated_with_its_sentence(tmp_path: Path) -> None:
    catalog_with(
        tmp_path, "nl", {"it is odd": "het is vreemd", "The request cannot be read: {reason}.": "Zo niet: {reason}."}
    )
    refusal = refusals.MalformedRequest(reason="it is odd")
    answer = json.loads(problem(refusal, instance="/", trace_id=TRACE, translate=translator("nl", tmp_path)).body)
    assert answer["detail"] == "Zo niet: het is vreemd."


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("nl", ["nl"]), ("en;q=0.1, nl;q=0.9", ["nl", "en"]), ("nl;q=0, en", ["en"]), ("*, nl", ["nl"]),
        ("de-AT;q=0.5,,x y,fr;q=2", ["de-AT"]), ("", []), ("../../etc", []),
    ],
)  # fmt: skip
def test_accept_language_is_read_best_first(header: str, tags: list[str]) -> None:
    assert preferred(header) == tags


def test_without_a_catalog_everyone_gets_english() -> None:
    assert best_language("fr, xx;q=0.5") == "en"
    assert best_language(None) == "en"
