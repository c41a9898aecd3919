"""A Falcon application over route tables: one resource an address, one way in for every call (desk/app.py has ours).

A call is admitted, its query is checked, then its route's handler runs. web/wrapper.py stands before it. Which parts
there are is nothing to this module: they are opened after the fork and handed on.
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
    """What the application itself asks of the parts that its handlers work with: to be told what it did."""

    @property
    def answered(self) -> Callable[[str, str, int, float], None]: ...
    @property
    def refused(self) -> Callable[[str, bool], None]: ...
    @property
    def uploading(self) -> Callable[[int], None]: ...


OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]
Admit = Callable[[Route, Any, Any, Any, dict[str, str]], Awaitable[Any]]
"""The call that a handler gets of route, request, response, parts and parameters of the path. Raises refusals."""


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
    """The ASGI application. Nothing is opened here: it is built before the workers are forked."""
    lifespan = Lifespan(open_parts, {(route.method, route.path) for route in routes if route.form or route.image})
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[lifespan])
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_qs_csv = False
    problems.install(app, write=write, unavailable=unavailable, show=show)
    for path, of_path in groupby(sorted(routes, key=lambda r: r.path), key=lambda r: r.path):
        app.add_route(path, resource(list(of_path), lifespan, admit))
    return Front(app, limits=limits, write=write, hosts=hosts, base=base, uploading=lifespan.uploading)


class Lifespan:
    """Falcon middleware: opens a worker's parts when it starts, counts its answers, closes the parts when it ends."""

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
            # Callers may invent as many methods as they like: those that HTTP does not have are counted as one.
            method = req.method if req.method in METHODS else "OTHER"
            self.parts.answered(method, route, resp.status_code, time.perf_counter() - req.context.began)
            if reason := getattr(req.context, "refused", None):
                self.parts.refused(reason, (req.method, route) in self._taking_files)

    def uploading(self, more: int) -> None:
        """A large body has begun to come in, or is through."""
        if self.parts is not None:
            self.parts.uploading(more)

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        if self._context is not None:
            await self._context.__aexit__(None, None, None)


def resource(routes: list[Route], lifespan: Lifespan, admit: Admit) -> object:
    """A Falcon resource of one address: a responder for each of its methods."""
    responders = {f"on_{route.method.lower()}": staticmethod(responder(route, lifespan, admit)) for route in routes}
    return type("Resource", (), responders)()


def responder(route: Route, lifespan: Lifespan, admit: Admit) -> Callable[..., Awaitable[None]]:
    async def respond(req: Any, resp: Any, **params: str) -> None:
        req.scope["state"]["route"] = route.path
        parts = require_value(lifespan.parts, "the server calls nothing before start-up")
        if req.scope["state"].get("length_missing"):
            raise LengthRequired
        # A stream asks again, while it lasts, whether its reader may still come in.
        req.context.admit = partial(admit, route, req, resp, parts, params)
        call = req.context.call = await req.context.admit()
        if route.path.startswith("/v1/"):
            require_known(route.query, req.params)
        await route.handle(call)

    return respond
