"""Turns refusals into HTTP: RFC 9457 problems, and the error handlers that send them. No other module does.

desk/problem_pages.py has the pages about problems for people.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, lru_cache
from gettext import NullTranslations, translation
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import falcon
import falcon.asgi
import msgspec

from domain import refusals
from domain.refusals import N_, FieldError, Refusal, ValidationFailed
from domain.values import NO_DAY
from web.pointers import JSON_BODY, Pointer, escape_step, in_query, place_of_fields, pointer_of
from web.statuses import status_of
from web.subpath import add_base, base_of

Translate = Callable[[str], str]
Write = Callable[[bytes], object]
Show = Callable[[Any, Any, Refusal], None]

LOCALE = Path(__file__).parent / "locale"
PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS_DEFAULT = 2
# The values of a sentence that are translated: they are our own words (marked N_), never the sender's.
WORDS = ("reason", "source", "state")
# Headers that a handler may have set before it failed and that do not describe the problem sent instead.
STALE_HEADERS = (
    "Accept-Ranges", "Cache-Control", "Content-Digest", "Content-Disposition", "Content-Length", "Content-Range",
    "ETag", "Last-Modified", "Link", "Location", "Repr-Digest",
)  # fmt: skip


class BodyIncomplete(ConnectionError):
    """The client disconnected before the end of its request body, so what was read is not complete."""


class ReadyAnswer(NamedTuple):
    """A response ready to send; header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def build_problem(
    refusal: Refusal,
    *,
    instance: str,
    trace_id: str,
    language: str = "en",
    locale: Path = LOCALE,
    base: str = "",
    fields_at: str = JSON_BODY,
) -> ReadyAnswer:
    """The problem+json answer for a refusal.

    `instance` is the request's path without its query, `language` one with a catalog, `base` the sub-path that is put
    before both addresses (web/subpath.py), `fields_at` where the request had its fields (web/pointers.py).
    """
    translate = catalog(language, locale)
    members: dict[str, Any] = {
        **refusal.extra,
        "type": f"{base}/problems/{refusal.slug}",
        "title": translate(refusal.title),
        "status": status_of(refusal),
        "detail": detail(refusal, translate),
        "instance": quote(add_base(instance, base), safe="/:@!$&'()*+,;=-._~"),
        "trace_id": trace_id,
    }
    if isinstance(refusal, ValidationFailed):
        members["errors"] = [
            {"pointer": pointer_of(error.field, fields_at), "detail": field_detail(error, translate)}
            for error in refusal.errors
        ]
    body = msgspec.json.encode(members)
    headers = [("content-type", PROBLEM_TYPE), ("content-length", str(len(body))), *language_headers(language)]
    return ReadyAnswer(status_of(refusal), [*headers, *headers_of(refusal)], body)


def detail(refusal: Refusal, translate: Translate) -> str:
    """The refusal's sentence with its values; its title when a value is missing."""
    values = {k: translate(v) if k in WORDS and v else v for k, v in refusal.values.items()}
    try:
        return translate(refusal.sentence).format_map(values)
    except KeyError:
        return translate(refusal.title)


def field_detail(error: FieldError, translate: Translate) -> str:
    try:
        return translate(error.detail).format_map(error.values)
    except KeyError:
        return translate(error.detail)


def language_headers(language: str) -> list[tuple[str, str]]:
    """Content-Language, and the Vary that says that the request chose it."""
    return [("content-language", language), ("vary", "Accept-Language")]


def headers_of(refusal: Refusal) -> list[tuple[str, str]]:
    """The headers that HTTP requires with the refusal's status, from the refusal's `values`."""
    values = refusal.values
    if status_of(refusal) in (408, 429, 503) or refusal.slug == "idempotency-in-flight":
        seconds = values.get("retry_after_seconds", RETRY_AFTER_SECONDS_DEFAULT)
        return [("retry-after", str(max(1, round(float(seconds)))))]
    if status_of(refusal) == 401:
        return [("www-authenticate", 'Bearer realm="dossier"')]
    if status_of(refusal) == 405 and "allow" in values:
        return [("allow", with_head(str(values["allow"])))]
    if status_of(refusal) == 416 and "size_bytes" in values:
        return [("content-range", f"bytes */{values['size_bytes']}")]
    return []


def with_head(allow: str) -> str:
    """The methods of an Allow header, with HEAD wherever there is GET: web/wrapper.py answers it."""
    methods = [m.strip() for m in allow.split(",") if m.strip()]
    return ", ".join(dict.fromkeys([*methods, "HEAD"] if "GET" in methods else methods))


def install(
    app: "falcon.asgi.App[Any, Any]",
    *,
    write: Write,
    unavailable: tuple[type[Exception], ...] = (),
    show: Show | None = None,
) -> None:
    """Makes the app answer every error, the framework's own included, with a problem.

    `show` turns the problem into a page for a browser (desk/refused.py). `unavailable` are the driver exceptions that
    mean that a part is down (503). `write` gets one JSON log line for each of these and for each unexpected exception
    (500); the line has types and places and no messages, because messages quote data.
    """

    def fill(req: Any, resp: Any, refusal: Refusal) -> None:
        req.context.refused = refusal.slug
        put_problem(req, resp, refusal)
        if show is not None and hasattr(req.context, "parts"):
            show(req, resp, refusal)

    async def refused(req: Any, resp: Any, error: Refusal, params: Any) -> None:
        fill(req, resp, error)

    async def of_field(req: Any, resp: Any, error: FieldError, params: Any) -> None:
        fill(req, resp, ValidationFailed(error))

    async def of_framework(req: Any, resp: Any, error: falcon.HTTPError, params: Any) -> None:
        fill(req, resp, of_http_error(error))

    async def undecodable(req: Any, resp: Any, error: msgspec.DecodeError, params: Any) -> None:
        fill(req, resp, of_decode_error(error))

    async def not_text(req: Any, resp: Any, error: UnicodeDecodeError, params: Any) -> None:
        # msgspec raises it for a string that is not UTF-8. It can be a defect of ours as well, so it is logged.
        write(failure_line(error, level="warning", trace_id=trace_id_of(req.scope)))
        fill(req, resp, refusals.MalformedRequest(reason=N_("its body is not UTF-8")))

    async def cut(req: Any, resp: Any, error: BodyIncomplete, params: Any) -> None:
        fill(req, resp, refusals.MalformedRequest(reason=N_("its body ended early")))

    async def down(req: Any, resp: Any, error: Exception, params: Any) -> None:
        write(failure_line(error, level="warning", trace_id=trace_id_of(req.scope)))
        fill(req, resp, refusals.Unavailable())

    async def unforeseen(req: Any, resp: Any, error: Exception, params: Any) -> None:
        write(failure_line(error, level="error", trace_id=trace_id_of(req.scope)))
        fill(req, resp, refusals.InternalError())

    app.add_error_handler(Exception, unforeseen)
    app.add_error_handler(falcon.HTTPError, of_framework)
    app.add_error_handler(Refusal, refused)
    app.add_error_handler(FieldError, of_field)
    app.add_error_handler(msgspec.DecodeError, undecodable)
    app.add_error_handler(UnicodeDecodeError, not_text)
    app.add_error_handler(BodyIncomplete, cut)
    for kind in unavailable:
        app.add_error_handler(kind, down)


def put_problem(req: Any, resp: Any, refusal: Refusal) -> None:
    """Replaces whatever the handler has put into a Falcon response with the problem."""
    language = best_language(req.get_header("Accept-Language"))
    answer = build_problem(
        refusal,
        instance=req.path,
        trace_id=trace_id_of(req.scope),
        language=language,
        base=base_of(req.scope),
        fields_at=place_of_fields(req.method, req.content_type),
    )
    for name in STALE_HEADERS:
        resp.delete_header(name)
    resp.stream = resp.sse = None
    resp.status = answer.status
    resp.data = answer.body
    for name, value in answer.headers:
        if name != "content-length":
            resp.set_header(name, value)


def trace_id_of(scope: Any) -> str:
    """The trace id that web/wrapper.py put into the scope; empty for an app without the wrapper."""
    return str(scope.get("state", {}).get("trace_id", ""))


BY_STATUS: dict[int, type[Refusal]] = {
    status_of(kind): kind
    for kind in (
        refusals.MalformedRequest, refusals.Unauthenticated, refusals.Forbidden, refusals.NotFound,
        refusals.MethodNotAllowed, refusals.NotAcceptable, refusals.RequestTimeout, refusals.LengthRequired,
        refusals.PreconditionFailed, refusals.ContentTooLarge, refusals.UnsupportedMediaType,
        refusals.RangeNotSatisfiable, refusals.ValidationFailed, refusals.PreconditionRequired,
        refusals.TooManyRequests, refusals.InternalError, refusals.Unavailable, refusals.InsufficientStorage,
    )
}  # fmt: skip
REASONS: tuple[tuple[type[falcon.HTTPError], str], ...] = (
    (falcon.MediaNotFoundError, N_("its body is empty")),
    (falcon.MediaMalformedError, N_("its body is not well-formed")),
    (falcon.HTTPInvalidHeader, N_("a header is malformed")),
    (falcon.HTTPMissingHeader, N_("a header is missing")),
)
PARAMETER = re.compile(r'The "([^"]+)" parameter is (required|invalid)')


def of_http_error(error: falcon.HTTPError) -> Refusal:
    """The refusal for an error of Falcon, by its status; an error about a parameter names it."""
    if isinstance(error, falcon.HTTPInvalidParam | falcon.HTTPMissingParam):
        return of_parameter(error)
    kind = BY_STATUS.get(error.status_code)
    if kind is None:
        kind = refusals.MalformedRequest if error.status_code < 500 else refusals.InternalError
    headers = dict(error.headers or {})
    if kind is refusals.MethodNotAllowed:
        return kind(allow=headers.get("Allow", ""))
    if kind is refusals.RangeNotSatisfiable:
        return kind(size_bytes=headers.get("Content-Range", "*/0").partition("/")[2])
    if kind is refusals.UnsupportedMediaType:
        return kind(reason=N_("its media type is not supported"))
    if kind is refusals.MalformedRequest:
        reasons = (reason for error_type, reason in REASONS if isinstance(error, error_type))
        return kind(reason=next(reasons, N_("it is not well-formed")))
    return kind()


def of_parameter(error: falcon.HTTPError) -> Refusal:
    found = PARAMETER.match(error.description or "")
    if found is None:
        return refusals.MalformedRequest(reason=N_("a parameter is malformed"))
    sentence = N_("is missing") if found[2] == "required" else N_("has a wrong value")
    return ValidationFailed(FieldError(in_query(found[1]), sentence))


# msgspec's message ends with the path: "Expected `int`, got `str` - at `$.b[0].x`" (or "at `key` in `$.m`").
DECODER_PATH = re.compile(r"(?s)(.*) - at `(?:key` in `)?\$(.*)`")
DECODER_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|(\[\.\.\.\])")
DECODER_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `([^`]+)`")
# msgspec's messages are English and quote the sender; ours replace them. The first pattern that matches the beginning
# of a message counts.
DECODER_MESSAGES = tuple(
    (re.compile(begins), detail)
    for begins, detail in (
        (r"Object missing required field", N_("is required")),
        (r"Object contains unknown field", N_("is not a field of this request")),
        (r"Expected `str` of length >= (?P<limit>\d+)", N_("must have at least {limit} characters")),
        (r"Expected `str` of length <= (?P<limit>\d+)", N_("must have at most {limit} characters")),
        (r"Expected `str` matching regex '\^\[\^\\\\x00", N_("must not contain control characters")),
        (r"Expected `int` >= (?P<limit>-?\d+)", N_("must be at least {limit}")),
        (r"Expected `int` <= (?P<limit>-?\d+)", N_("must be at most {limit}")),
        (r"Expected `int\b.*, got", N_("must be a whole number")),
        (r"Expected `str\b.*, got", N_("must be text")),
        (r"Expected `bool\b.*, got", N_("must be true or false")),
        (r"Expected `array\b.*, got", N_("must be a list")),
        (r"Expected `object\b.*, got", N_("must be an object with fields")),
        (r"Expected `date\b|Invalid RFC3339 encoded date", NO_DAY),
        (r"Invalid enum value", N_("is not one of the allowed values")),
        (r"", N_("has a wrong value")),
    )
)


def of_decode_error(error: msgspec.DecodeError) -> Refusal:
    """The refusal for a body that cannot be decoded: ValidationFailed names the field of a wrong type,
    MalformedRequest stands for a body that is not JSON."""
    if not isinstance(error, msgspec.ValidationError):
        return refusals.MalformedRequest(reason=N_("its body is not well-formed"))
    found = DECODER_PATH.fullmatch(str(error))
    message, path = (found[1], found[2]) if found else (str(error), "")
    pointer = json_pointer(path)
    if field := DECODER_FIELD.match(message):
        pointer += "/" + escape_step(field[1])
    return ValidationFailed(field_error(Pointer(pointer), message))


def field_error(pointer: Pointer, message: str) -> FieldError:
    begun = ((words.match(message), detail) for words, detail in DECODER_MESSAGES)
    match, detail = next((match, detail) for match, detail in begun if match)
    return FieldError(pointer, detail, **match.groupdict())


def json_pointer(path: str) -> str:
    """The JSON pointer (RFC 6901) for a path such as `.b[0].x`. It ends before `[...]`, with which msgspec stands for
    some key of an object."""
    steps = []
    for name, index, unknown in DECODER_STEP.findall(path):
        if unknown:
            break
        steps.append("/" + escape_step(name or index))
    return "".join(steps)


PART = "web"
"""The process that answers requests, in lines of the log (service/logs.py has the other parts)."""


def failure_line(error: BaseException, *, level: str, trace_id: str) -> bytes:
    """One JSON log line about an exception and its causes: types and places of raising, no messages, no values."""
    process = {"part": PART, "pid": os.getpid()}
    line = {"time": datetime.now(UTC), "level": level, **process, "trace_id": trace_id, "failure": chain(error)}
    return msgspec.json.encode(line) + b"\n"


def chain(error: BaseException | None) -> list[dict[str, Any]]:
    causes, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = type(error)
        at = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
        causes.append({"type": f"{kind.__module__}.{kind.__qualname__}", "at": at})
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return causes


def to_stderr(line: bytes) -> None:
    """Writes one log line to stderr in a single write, so that the lines of several workers do not mix."""
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()


@lru_cache(maxsize=256)
def best_language(accept_language: str | None, locale: Path = LOCALE) -> str:
    """The first language of an Accept-Language header that has a catalog; `en`, the language of the source, if none."""
    known = languages(locale)
    wanted = (tag.lower().partition("-")[0] for tag in parse_languages((accept_language or "")[:500]))
    return next((tag for tag in wanted if tag in known), "en")


@cache
def languages(locale: Path = LOCALE) -> frozenset[str]:
    return frozenset({"en", *(found.parents[1].name for found in locale.glob("*/LC_MESSAGES/dossier.mo"))})


def catalog(tag: str, locale: Path = LOCALE) -> Translate:
    """gettext for a language; English, the language of the source, if it has no catalog."""
    return translations(tag, locale).gettext


@lru_cache(maxsize=16)  # callers choose the tag, so the cache is bounded
def translations(tag: str, locale: Path = LOCALE) -> NullTranslations:
    if tag == "en":
        return NullTranslations()
    return translation("dossier", localedir=locale, languages=[tag], fallback=True)


LANGUAGE_RANGE = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)[ \t]*(?:;[ \t]*q=([01](?:\.\d{0,3})?))?")


def parse_languages(accept_language: str) -> list[str]:
    """The language tags, best first, without malformed ones and those with q=0."""
    found = (LANGUAGE_RANGE.fullmatch(item.strip()) for item in accept_language.split(","))
    weighted = [(float(match[2] or 1), match[1]) for match in found if match]
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]


CURES = {
    "again": N_("Send the same request again after the number of seconds in Retry-After."),
    "operator": N_("Sending the request again will not help. Give the trace id of the answer to the operator."),
    "conflict": N_("Read the current state first, then decide whether the request still makes sense."),
    "change": N_("Change the request before you send it again."),
}


def cure(status: int) -> str:
    """The advice to the client for an answer with this status."""
    if status in (408, 429, 503):
        return CURES["again"]
    if status in (500, 507):
        return CURES["operator"]
    return CURES["conflict" if status in (409, 410, 412) else "change"]
