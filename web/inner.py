"""Builds the inner request with which a page calls a route of the API in the same process (desk/door.py)."""

from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi

Receive = Callable[[], Awaitable[dict[str, Any]]]


def inner_request(
    outer: Any, *, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], receive: Receive
) -> tuple[Any, Any]:
    """A request with the outer one's scope, and an empty response for its answer. `query` is URL-encoded."""
    own = {"method": method, "path": path, "query_string": query.encode(), "headers": headers}
    return falcon.asgi.Request({**outer.scope, **own}, receive, options=outer.options), falcon.asgi.Response()
