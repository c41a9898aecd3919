"""Calls the routes of the API in the same process, with the rights of the signed-in reader.

The API's refusals and access-log lines therefore hold for the screens too. Neighbour: api/routes.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from copy import copy
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from api.call import OWN_WRITES_SHOWN, Call
from api.routes import ROUTES
from domain.access import require_verb
from domain.refusals import FieldError, ValidationFailed
from web.inner import inner_request
from web.problems import of_decode_error
from web.query import require_known

BY_ADDRESS = {(route.method, route.path): route for route in ROUTES}
LIST_PAGE = 200
KEPT_HEADERS = (b"host", b"archive-branch")


class Reply(msgspec.Struct, frozen=True):
    """A reply of the API. `body` is the decoded JSON or None; header names are in lower case."""

    body: Any
    headers: Mapping[str, str]

    @property
    def position(self) -> str:
        """The log position of this write; a read given it as Archive-Min-Position shows the write."""
        return self.headers["archive-position"]


async def ask(
    call: Call,
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    form: AsyncIterator[bytes] | None = None,
    **params: str,
) -> Reply:
    """Calls one route. `path` is as in the route table, `params` fill it in; query values of None are left out.

    `body` is sent as JSON; `form` streams the multipart body of the page's own request. Raises the route's Refusal.
    """
    content = b"" if body is None else msgspec.json.encode(body)
    sent = [
        *headers_to_keep(call, form is not None),
        *encode_headers(headers or {}),
        *([] if form else content_headers(content)),
    ]
    return reply_from_response(
        await answer(call, method, path, params, query, sent, receive_pieces(form) if form else receive_once(content))
    )


async def ask_all(call: Call, path: str) -> list[Any]:
    """All items of a list, read page by page."""
    items: list[Any] = []
    cursor = None
    while True:
        found = (await ask(call, "GET", path, query={"limit": LIST_PAGE, "cursor": cursor})).body
        items += found["items"]
        cursor = found["next"]
        if cursor is None:
            return items


@asynccontextmanager
async def open_file(
    call: Call, path: str, *, query: Mapping[str, Any] | None = None, **params: str
) -> AsyncIterator[tuple[Mapping[str, str], AsyncIterator[bytes]]]:
    """GETs a file: yields its headers (names in lower case) and its bytes in pieces."""
    resp = await answer(call, "GET", path, params, query, headers_to_keep(call, form=False), receive_once(b""))
    try:
        yield lower_names(resp.headers), resp.stream or single_piece(resp.data)
    finally:
        if resp.stream is not None:
            await resp.stream.close()


async def single_piece(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def answer(
    call: Call,
    method: str,
    path: str,
    params: Mapping[str, str],
    query: Mapping[str, Any] | None,
    headers: list[tuple[bytes, bytes]],
    receive: Callable[[], Awaitable[dict[str, Any]]],
) -> Any:
    route = BY_ADDRESS[method, path]
    require_verb(call.principal, route.verb)
    if method != "GET":
        call.req.scope["state"].pop(OWN_WRITES_SHOWN, None)
    inner = copy(call)
    inner.params, inner.is_of_a_page = params, True
    asked = urlencode({k: v for k, v in (query or {}).items() if v is not None}, quote_via=quote)
    inner.req, inner.resp = inner_request(
        call.req, method=method, path=path.format_map(params), query=asked, headers=headers, receive=receive
    )
    require_known(route.query, inner.req.params)
    await run_handler(route.handle, inner)
    call.types, call.types_version = inner.types, inner.types_version  # the handler may have reloaded them
    return inner.resp


def headers_to_keep(call: Call, form: bool) -> list[tuple[bytes, bytes]]:
    names = (*KEPT_HEADERS, b"content-type", b"content-length") if form else KEPT_HEADERS
    return [(name, value) for name, value in call.req.scope["headers"] if name in names]


def encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def content_headers(content: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]


def receive_once(content: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive


def receive_pieces(pieces: AsyncIterator[bytes]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """An ASGI `receive` that streams the outer request's body without buffering it."""

    async def receive() -> dict[str, Any]:
        piece = await anext(pieces, b"")
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    return receive


async def run_handler(handle: Callable[[Call], Awaitable[None]], inner: Call) -> None:
    try:
        await handle(inner)
    except msgspec.DecodeError as error:
        raise of_decode_error(error) from None
    except FieldError as error:
        raise ValidationFailed(error) from None


def reply_from_response(resp: Any) -> Reply:
    return Reply(
        body=msgspec.json.decode(resp.data) if resp.data else None,
        headers=lower_names(resp.headers),
    )


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
