"""The route table of the screens: each page and each form with the verb it needs. Neighbour: api/routes.py."""

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
    person,
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


def in_page_language(handle: Handle) -> Handle:
    """Wraps a handler so that refusals, too, are in the language of the page."""

    @wraps(handle)
    async def handle_in_language(call: Call) -> None:
        call.language = language_of(call)
        await handle(call)

    return handle_in_language


def page_route(path: str, verb: Verb, handle: Handle, summary: str) -> Route:
    return Route(
        method="GET", path=path, verb=verb, handle=in_page_language(handle), summary=summary, media_type="text/html"
    )


def form_route(path: str, verb: Verb, handle: Handle, summary: str) -> Route:
    """A route for a form of a page; it answers with a page or a redirect (303)."""
    return Route(
        method="POST",
        path=path,
        verb=verb,
        handle=in_page_language(handle),
        summary=summary,
        media_type="text/html",
        status=(303,),
    )


PAGES = (
    page_route("/", Verb.SESSION, add.home, "Home: ?card= and ?customer= redirect to a customer"),
    page_route("/find", Verb.CUSTOMERS_READ, find.show_find, "Look up a code: a customer, or a form's customer"),
    form_route("/find", Verb.CUSTOMERS_READ, find.search, "Look up a code, with the fields of Add"),
    page_route("/add", Verb.DOCUMENTS_ARCHIVE, add.show, "Upload customer document"),
    form_route("/add", Verb.DOCUMENTS_ARCHIVE, add.show_again, "Upload customer document, with the entered fields"),
    form_route("/add/file", Verb.DOCUMENTS_ARCHIVE, file.save_file, "Select file, without scripts"),
    form_route("/add/refused", Verb.DOCUMENTS_ARCHIVE, file.show_refusal, "Render the refusal of a file"),
    form_route("/add/scan", Verb.DOCUMENTS_ARCHIVE, scanned.save_scan, "Scan page: save the pages as a document"),
    form_route("/add/note", Verb.AUTHORIZATIONS_NOTE, note.save_note, "No upload: ask, then record"),
    form_route("/add/undo", Verb.DOCUMENTS_CORRECT, saved.undo_save, "Undo the last save"),
    page_route("/search", Verb.CUSTOMERS_READ, search.show_search, "Search customer"),
    form_route("/search", Verb.CUSTOMERS_READ, search.search, "Search customer, with the entered fields"),
    page_route("/choice", Verb.DOCUMENTS_ARCHIVE, choice.show, "Make a choice…"),
    form_route("/choice", Verb.DOCUMENTS_ARCHIVE, choice.choose, "Make a choice…, with the entered fields"),
    page_route(
        "/authorizations/{id}",
        Verb.DOCUMENTS_READ,
        authorization.show_authorization,
        "One authorization and its mandate",
    ),
    form_route(
        "/authorizations/{id}/{step}", Verb.DOCUMENTS_READ, authorization.take_step, "A step of an authorization's life"
    ),
    page_route("/customers", Verb.CUSTOMERS_READ, customers.search_customers, "Find a customer"),
    page_route("/customers/new", Verb.CUSTOMERS_WRITE, customers.show_new_customer, "Add a customer"),
    form_route("/customers/new", Verb.CUSTOMERS_WRITE, customers.save_new, "Add a customer"),
    page_route("/customers/{id}/edit", Verb.CUSTOMERS_WRITE, customers.edit_customer, "Change a customer"),
    form_route("/customers/{id}/edit", Verb.CUSTOMERS_WRITE, customers.save, "Change a customer"),
    page_route("/customers/{id}/form", Verb.FORMS_ISSUE, forms.show_form, "Issue a form"),
    form_route("/customers/{id}/form", Verb.FORMS_ISSUE, forms.issue_form, "Issue a form"),
    page_route(
        "/customers/{id}/export", Verb.CUSTOMERS_EXPORT, person.show_export, "Export everything about a customer"
    ),
    page_route("/customers/{id}", Verb.DOCUMENTS_READ, view.show_view, "View customer documents"),
    page_route("/customers/{id}/timeline", Verb.HISTORY_READ, timeline.of_customer, "Timeline of a customer"),
    page_route("/documents/{id}/timeline", Verb.HISTORY_READ, timeline.of_document, "Timeline of a document"),
    page_route(
        "/authorizations/{id}/timeline", Verb.HISTORY_READ, timeline.of_authorization, "Timeline of an authorization"
    ),
    *[
        Route(
            method="GET",
            path=f"/{room}/{{id}}/timeline.{file_format}",
            verb=Verb.HISTORY_READ,
            handle=partial(timeline.export_timeline, room=room, file_format=file_format),
            summary=f"A timeline as {file_format.upper()}",
            media_type=media_type,
        )
        for room in ("customers", "documents", "authorizations")
        for file_format, media_type in timeline.EXPORTS.items()
    ],
    page_route("/documents/{id}", Verb.DOCUMENTS_READ, document.show_document, "One document and its pages"),
    page_route("/documents/{id}/print", Verb.CONTENT_READ, document.print_view, "A document for printing"),
    form_route(
        "/documents/{id}/content", Verb.DOCUMENTS_MOVE, document.replace_content, "Replace the content of a document"
    ),
    form_route(
        "/documents/{id}/{change}", Verb.DOCUMENTS_READ, document.correct_document, "A correction of a document"
    ),
    page_route("/work", Verb.AUTHORIZATIONS_READ, work.show_work, "Work list"),
    form_route("/work/reopen", Verb.SCANS_USE, work.reopen_scan, "Reopen a scan that expired"),
    page_route("/operators", Verb.OPERATIONS, operators.show_operators, "Operators"),
    form_route("/operators", Verb.OPERATIONS, operators.queue_operation, "Queue an operation"),
    page_route("/sign-in", Verb.PUBLIC, entrance.show_sign_in, "Sign in"),
    form_route("/sign-in", Verb.PUBLIC, entrance.sign_in, "Sign in by user name and password"),
    page_route(elsewhere.HERE, Verb.PUBLIC, elsewhere.go_to_provider, "Sign in with the library account"),
    page_route(elsewhere.BACK, Verb.PUBLIC, elsewhere.come_back, "Return from the identity provider"),
    form_route("/sign-out", Verb.SESSION, entrance.sign_out, "Sign out"),
    page_route("/password", Verb.SESSION, entrance.show_password, "Set a new password"),
    form_route("/password", Verb.SESSION, entrance.change_password, "Set a new password"),
    page_route("/settings", Verb.SESSION, settings.show_settings, "Settings of a user"),
    form_route("/settings", Verb.SESSION, settings.choose, "Settings of a user"),
    page_route("/docs", Verb.PUBLIC, reference.show_reference, "The API's reference, to read and print"),
    page_route("/docs/try", Verb.PUBLIC, reference.try_out, "The API, to call from the browser"),
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
        handle=problem_pages.list_problems,
        summary="Every refusal",
        media_type="text/html",
        does="problems",
    ),
    Route(
        method="GET",
        path="/problems/{slug}",
        verb=Verb.PUBLIC,
        handle=problem_pages.show_problem,
        summary="One refusal explained",
        media_type="text/html",
        does="problem",
    ),
)
"""The pages in the contract (desk/contract.py): the `type` of each problem is the address of one."""
