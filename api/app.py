"""The Falcon application: one resource an address of api/routes.py, one way in for every call.

A call is authenticated, then the route's verb is checked, then its handler runs. web/wrapper.py stands before it,
service/wiring.py hands in how the parts are opened after the fork.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import groupby
from typing import Any

import falcon
import falcon.asgi

from api.admission import admitted
from api.parts import Parts
from api.routes import ROUTES, Route
from api.staff.assets import assets
from api.staff.pages import PAGES
from api.staff.refused import refused
from domain.limits import Limits
from domain.promises import require_value
from domain.refusals import LengthRequired
from web import problems
from web.problems import Write
from web.query import require_known
from web.wrapper import Front

TAKING_FILES = {(route.method, route.path) for route in ROUTES if route.form is not None or route.image}
OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]


def create_app(
    open_parts: OpenParts,
    *,
    limits: Limits,
    write: Write,
    hosts: tuple[str, ...] = (),
    base: str = "",
    unavailable: tuple[type[Exception], ...] = (),
) -> Front:
    """The whole ASGI application. Nothing is opened here: it is built before the workers are forked."""
    assets()
    lifespan = Lifespan(open_parts)
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[lifespan])
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_qs_csv = False
    problems.install(app, write=write, unavailable=unavailable, show=refused)
    for path, routes in groupby(sorted((*ROUTES, *PAGES), key=lambda r: r.path), key=lambda r: r.path):
        app.add_route(path, resource(list(routes), lifespan))
    return Front(app, limits=limits, write=write, hosts=hosts, base=base, uploading=lifespan.uploading)


def rooms() -> set[str]:
    """The first steps of all addresses: a sub-path must not begin with one of them."""
    return {route.path.split("/")[1] for route in (*ROUTES, *PAGES)} - {""}


class Lifespan:
    """Falcon middleware: opens a worker's parts when it starts, counts its answers, closes the parts when it ends."""

    def __init__(self, open_parts: OpenParts) -> None:
        self._open_parts = open_parts
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
            self.parts.answered(req.method, route, resp.status_code, time.perf_counter() - req.context.began)
            if reason := getattr(req.context, "refused", None):
                self.parts.refused(reason, (req.method, route) in TAKING_FILES)

    def uploading(self, more: int) -> None:
        """A large body has begun to come in, or is through."""
        if self.parts is not None:
            self.parts.uploading(more)

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        if self._context is not None:
            await self._context.__aexit__(None, None, None)


def resource(routes: list[Route], lifespan: Lifespan) -> object:
    """A Falcon resource of one address: a responder for each of its methods."""
    responders = {f"on_{route.method.lower()}": staticmethod(responder(route, lifespan)) for route in routes}
    return type("Resource", (), responders)()


def responder(route: Route, lifespan: Lifespan) -> Callable[..., Awaitable[None]]:
    async def respond(req: Any, resp: Any, **params: str) -> None:
        req.scope["state"]["route"] = route.path
        parts = require_value(lifespan.parts, "the server calls nothing before start-up")
        if req.scope["state"].get("length_missing"):
            raise LengthRequired
        # A stream asks again, while it lasts, whether its reader may still come in.
        req.context.admit = partial(admitted, route, req, resp, parts, params)
        call = req.context.call = await req.context.admit()
        if route.path.startswith("/v1/"):
            require_known(route.query, req.params)
        await route.handle(call)

    return respond
