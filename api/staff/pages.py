"""The screens' route table, beside api/routes.py: every page and every form's address, with the verb it needs."""

from functools import wraps

from api.call import Call
from api.routes import Handle, Route
from api.staff import add, assets, view
from api.staff.render import language_of
from domain.access import Verb


def spoken(handle: Handle) -> Handle:
    """In the language of the page, the archive's own words included."""

    @wraps(handle)
    async def speak(call: Call) -> None:
        call.language = language_of(call)
        await handle(call)

    return speak


def page(path: str, verb: Verb, handle: Handle, summary: str) -> Route:
    return Route(method="GET", path=path, verb=verb, handle=spoken(handle), summary=summary, media_type="text/html")


def form(path: str, verb: Verb, handle: Handle, summary: str) -> Route:
    """What a form of a page sends: answered by a page again, or by the way to one (303)."""
    return Route(
        method="POST",
        path=path,
        verb=verb,
        handle=spoken(handle),
        summary=summary,
        media_type="text/html",
        status=(303,),
    )


PAGES = (
    page("/", Verb.CUSTOMERS_READ, add.home, "The way in: ?card= and ?customer= lead to a customer"),
    page("/find", Verb.CUSTOMERS_READ, add.find, "What the code field finds: a customer, or a form's customer"),
    page("/add", Verb.DOCUMENTS_ARCHIVE, add.show, "Upload customer document"),
    page("/customers/{id}", Verb.DOCUMENTS_READ, view.show, "View customer documents"),
    Route(
        method="GET",
        path="/assets/{digest}/{name:path}",
        verb=Verb.PUBLIC,
        handle=assets.serve,
        summary="Style sheets, scripts, icons",
        media_type="text/css",
    ),
)
