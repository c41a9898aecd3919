"""The screens' route table, beside api/routes.py: every page and every form's address, with the verb it needs."""

from functools import partial, wraps

from api.call import Call
from desk import (
    add,
    assets,
    authorization,
    choice,
    customers,
    document,
    elsewhere,
    entrance,
    file,
    find,
    forms,
    note,
    operators,
    problem_pages,
    reference,
    saved,
    scanned,
    search,
    settings,
    timeline,
    view,
    work,
)
from desk.render import language_of
from domain.access import Verb
from web.route import Handle, Route


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
    page("/", Verb.SESSION, add.home, "The way in: ?card= and ?customer= lead to a customer"),
    page("/find", Verb.CUSTOMERS_READ, find.show, "What the code field finds: a customer, or a form's customer"),
    form("/find", Verb.CUSTOMERS_READ, find.search, "The same with what was entered beside it"),
    page("/add", Verb.DOCUMENTS_ARCHIVE, add.show, "Upload customer document"),
    form("/add", Verb.DOCUMENTS_ARCHIVE, add.show_again, "The same with what was entered"),
    form("/add/file", Verb.DOCUMENTS_ARCHIVE, file.save, "Select file, without scripts"),
    form("/add/refused", Verb.DOCUMENTS_ARCHIVE, file.refused, "The refusal of a file in the words of the page"),
    form("/add/scan", Verb.DOCUMENTS_ARCHIVE, scanned.save, "Scan page: OK, the pages become a document"),
    form("/add/note", Verb.AUTHORIZATIONS_NOTE, note.save, "No upload: the question, then the note"),
    form("/add/undo", Verb.DOCUMENTS_CORRECT, saved.undo, "Undo what was saved just now"),
    page("/search", Verb.CUSTOMERS_READ, search.show, "Search customer"),
    form("/search", Verb.CUSTOMERS_READ, search.search, "Search customer, with what was entered"),
    page("/choice", Verb.DOCUMENTS_ARCHIVE, choice.show, "Make a choice…"),
    form("/choice", Verb.DOCUMENTS_ARCHIVE, choice.choose, "Make a choice…, with what was entered"),
    page("/authorizations/{id}", Verb.DOCUMENTS_READ, authorization.show, "One authorization and its mandate"),
    form("/authorizations/{id}/{step}", Verb.DOCUMENTS_READ, authorization.step, "A step of an authorization's life"),
    page("/customers", Verb.CUSTOMERS_READ, customers.search, "Find a customer"),
    page("/customers/new", Verb.CUSTOMERS_WRITE, customers.add, "Add a customer"),
    form("/customers/new", Verb.CUSTOMERS_WRITE, customers.save_new, "Add a customer"),
    page("/customers/{id}/edit", Verb.CUSTOMERS_WRITE, customers.edit, "Change a customer"),
    form("/customers/{id}/edit", Verb.CUSTOMERS_WRITE, customers.save, "Change a customer"),
    page("/customers/{id}/form", Verb.FORMS_ISSUE, forms.show, "Issue a form"),
    form("/customers/{id}/form", Verb.FORMS_ISSUE, forms.issue, "Issue a form"),
    page("/customers/{id}", Verb.DOCUMENTS_READ, view.show, "View customer documents"),
    page("/customers/{id}/timeline", Verb.HISTORY_READ, timeline.of_customer, "What was done for a customer"),
    page("/documents/{id}/timeline", Verb.HISTORY_READ, timeline.of_document, "What was done with a document"),
    page("/authorizations/{id}/timeline", Verb.HISTORY_READ, timeline.of_authorization, "The life of an authorization"),
    *[
        Route(
            method="GET",
            path=f"/{room}/{{id}}/timeline.{kind}",
            verb=Verb.HISTORY_READ,
            handle=partial(timeline.export, room=room, kind=kind),
            summary=f"A timeline as {kind.upper()}",
            media_type=media_type,
        )
        for room in ("customers", "documents", "authorizations")
        for kind, media_type in timeline.EXPORTS.items()
    ],
    page("/documents/{id}", Verb.DOCUMENTS_READ, document.show, "One document and its pages"),
    page("/documents/{id}/print", Verb.CONTENT_READ, document.print_view, "A document to be printed"),
    form("/documents/{id}/content", Verb.DOCUMENTS_MOVE, document.replace, "Replace the content of a document"),
    form("/documents/{id}/{change}", Verb.DOCUMENTS_READ, document.correct, "A correction of a document"),
    page("/work", Verb.AUTHORIZATIONS_READ, work.show, "Work list"),
    form("/work/reopen", Verb.SCANS_USE, work.reopen, "Reopen a scan that expired"),
    page("/operators", Verb.OPERATIONS, operators.show, "Operators"),
    form("/operators", Verb.OPERATIONS, operators.order, "Have something done"),
    page("/sign-in", Verb.PUBLIC, entrance.show_sign_in, "Sign in"),
    form("/sign-in", Verb.PUBLIC, entrance.sign_in, "Sign in by user name and password"),
    page(elsewhere.HERE, Verb.PUBLIC, elsewhere.leave, "Sign in with the library account"),
    page(elsewhere.BACK, Verb.PUBLIC, elsewhere.come_back, "Back from there"),
    form("/sign-out", Verb.SESSION, entrance.sign_out, "Sign out"),
    page("/password", Verb.SESSION, entrance.show_password, "A new password"),
    form("/password", Verb.SESSION, entrance.change_password, "A new password"),
    page("/settings", Verb.SESSION, settings.show_settings, "What a user chooses"),
    form("/settings", Verb.SESSION, settings.choose, "What a user chooses"),
    page("/docs", Verb.PUBLIC, reference.show, "The API's reference, to read and print"),
    page("/docs/try", Verb.PUBLIC, reference.try_out, "The API, to call from the browser"),
    Route(
        method="GET",
        path="/assets/{digest}/{name:path}",
        verb=Verb.PUBLIC,
        handle=assets.serve,
        summary="Style sheets, scripts, icons",
        media_type="text/css",
    ),
)

PROBLEM_PAGES = (
    Route(
        method="GET",
        path="/problems",
        verb=Verb.PUBLIC,
        handle=problem_pages.every,
        summary="Every refusal",
        media_type="text/html",
        does="problems",
    ),
    Route(
        method="GET",
        path="/problems/{slug}",
        verb=Verb.PUBLIC,
        handle=problem_pages.one,
        summary="One refusal explained",
        media_type="text/html",
        does="problem",
    ),
)
"""The pages that the contract promises: the `type` of each problem leads to one (desk/contract.py)."""
