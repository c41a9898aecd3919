"""The whole application: the routes of the API and the pages of the desk, built on web/app.py.

service/wiring.py passes in `open_parts`, which runs in each worker after the fork.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from api.admission import admit_call
from api.parts import Parts
from desk.assets import assets
from desk.contract import ROUTES
from desk.pages import PAGES
from desk.refused import show_problem_page
from domain.limits import Limits
from web.app import build_app
from web.problems import Write
from web.wrapper import Front

ALL = (*ROUTES, *PAGES)


def create_app(
    open_parts: Callable[[], AbstractAsyncContextManager[Parts]],
    *,
    limits: Limits,
    write: Write,
    hosts: tuple[str, ...] = (),
    base: str = "",
    unavailable: tuple[type[Exception], ...] = (),
) -> Front:
    """Builds the ASGI application before the fork. It reads only the assets, whose memory all workers share."""
    assets()
    return build_app(
        ALL,
        open_parts,
        admit=admit_call,
        show=show_problem_page,
        limits=limits,
        write=write,
        hosts=hosts,
        base=base,
        unavailable=unavailable,
    )


def rooms() -> set[str]:
    """The first segments of all paths; a configured sub-path must not begin with one of them."""
    return {route.path.split("/")[1] for route in ALL} - {""}
