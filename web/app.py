"""Builds a Falcon application from route tables: one resource for each address (desk/app.py builds ours).

For each request it admits the call, checks the query and runs the route's handler. web/wrapper.py guards it. The parts
are opened after the fork and passed to the handlers; this module does not know which there are.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import falcon
import falcon.asgi

from domain.limits import Limits
from domain.promises import require_value
from domain.refusals import LengthRequired
from web import problems
from web.problems import Show, Write
from web.query import require_known
from web.route import Route
from web.wrapper import METHODS, Front


class Parts(Protocol):
    """The counters that the application calls; a worker's parts provide them."""

    @property
    def answered(self) -> Callable[[str, str, int, float], None]: ...
    @property
    def refused(self) -> Callable[[str, bool], None]: ...
    @property
    def uploading(self) -> Callable[[int], None]: ...


OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]
Admit = Callable[[Route, Any, Any, Any, dict[str, str]], Awaitable[Any]]
"""Makes a handler's call from route, request, response, parts and path parameters. Raises refusals."""


def build_app(
    routes: Sequence[Route],
    open_parts: OpenParts,
    *,
    admit: Admit,
    show: Show,
    limits: Limits,
    write: Write,
    hosts: tuple[str, ...] = (),
    base: str = "",
    unavailable: tuple[type[Exception], ...] = (),
) -> Front:
    """The ASGI application. It is built before the workers are forked, so nothing is opened here."""
    lifespan = Lifespan(open_parts, {(route.method, route.path) for route in routes if route.form or route.image})
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[lifespan])
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_qs_csv = False
    problems.install(app, write=write, unavailable=unavailable, show=show)
    for path, of_path in groupby(sorted(routes, key=lambda r: r.path), key=lambda r: r.path):
        app.add_route(path, resource(list(of_path), lifespan, admit))
    return Front(app, limits=limits, write=write, hosts=hosts, base=base, uploading=lifespan.uploading)


class Lifespan:
    """Falcon middleware that opens a worker's parts at start, counts its answers and closes the parts at its end."""

    def __init__(self, open_parts: OpenParts, taking_files: set[tuple[str, str]]) -> None:
        self._open_parts, self._taking_files = open_parts, taking_files
        self._context: AbstractAsyncContextManager[Parts] | None = None
        self.parts: Parts | None = None

    async def process_startup(self, scope: Any, event: Any) -> None:
        self._context = self._open_parts()
        self.parts = await self._context.__aenter__()

    async def process_request(self, req: Any, resp: Any) -> None:
        req.context.began = time.perf_counter()
        if self.parts is not None:
            req.context.parts = self.parts

    async def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        if self.parts is not None:
            route = req.scope["state"].get("route", "-")
            # Callers can invent methods, so all unknown ones share one counter.
            method = req.method if req.method in METHODS else "OTHER"
            self.parts.answered(method, route, resp.status_code, time.perf_counter() - req.context.began)
            if reason := getattr(req.context, "refused", None):
                self.parts.refused(reason, (req.method, route) in self._taking_files)

    def uploading(self, more: int) -> None:
        """Counts a large body: `more` is 1 when it begins and -1 when its request ends."""
        if self.parts is not None:
            self.parts.uploading(more)

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        if self._context is not None:
            await self._context.__aexit__(None, None, None)


def resource(routes: list[Route], lifespan: Lifespan, admit: Admit) -> object:
    """A Falcon resource for one address, with a responder for each method."""
    responders = {f"on_{route.method.lower()}": staticmethod(responder(route, lifespan, admit)) for route in routes}
    return type("Resource", (), responders)()


def responder(route: Route, lifespan: Lifespan, admit: Admit) -> Callable[..., Awaitable[None]]:
    async def respond(req: Any, resp: Any, **params: str) -> None:
        req.scope["state"]["route"] = route.path
        parts = require_value(lifespan.parts, "the server sends no request before startup")
        if req.scope["state"].get("length_missing"):
            raise LengthRequired
        # A stream calls it again and again to check that its reader is still allowed.
        req.context.admit = partial(admit, route, req, resp, parts, params)
        call = req.context.call = await req.context.admit()
        if route.path.startswith("/v1/"):
            require_known(route.query, req.params)
        await route.handle(call)

    return respond
