"""The route table: every address with its verb, request and answer; openapi.json and the policy test read it."""

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from api import (
    authorizations,
    content,
    customers,
    disposals,
    documents,
    dossier,
    events,
    forms,
    history,
    operations,
    operators,
    own_session,
    person,
    scan_codes,
    scans,
    stations,
    types,
    work_list,
)
from api.authorizations import (
    AmendBody,
    AuthorizationBody,
    AuthorizationItem,
    CollectionBody,
    RevokeBody,
    SupersedeBody,
)
from api.bodies import CustomerAnswer, CustomerReasonBody, ReasonBody, SavedItem
from api.customers import ChangesAnswer, CustomerBody, ReportBody, SummaryAnswer
from api.disposals import DisposalAnswer, DisposalBody, DueItem, SigningKeyAnswer
from api.documents import DescribeBody, DocumentItem, ReclassifyBody
from api.events import CloudEvent
from api.forms import FormAnswer, FormBody
from api.history import AccessItem
from api.operators import OperationsAnswer, TaskBody, TaskItem
from api.own_session import ChoiceBody, PasswordBody, SessionAnswer, SignInBody
from api.scan_codes import CheckAnswer
from api.scans import (
    ArchiveScanBody,
    CollateBody,
    FinishBody,
    MoveBody,
    NothingBody,
    RotateBody,
    ScanBody,
    ScanItem,
    SessionItem,
    SplitItem,
)
from api.stations import JobItem, ScannerItem, StationBody, StationItem
from api.types import TypeAnswer, TypeBody
from api.work_list import WorkItem
from domain.access import AccessAction, Verb
from domain.authorization import AuthorizationStatus
from domain.declaration import SignedDeclaration
from domain.document import DocumentStatus
from domain.values import Kind, Source
from projections.customer_documents import NEWEST, SORTS, Item
from projections.feed import TOPICS
from projections.history_items import HistoryItem
from web.query import Parameter
from web.route import Handle, Route


def one_of(values: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": [*map(str, values)]}


WHOLE = {"type": "integer", "minimum": 1}
WIDTH = {"type": "integer", "minimum": 16, "maximum": 2400}
DAY = {"type": "string", "format": "date"}
AS_OF = Parameter("as_of", "a position or an RFC 3339 time of the past: the answer as it was then")
CONTENT_VERSION = Parameter(
    "content_version", "number of an earlier content; needs the permission to correct documents", WHOLE
)
PAGING = (
    Parameter("limit", "the most items of a page", {**WHOLE, "maximum": 200, "default": 50}),
    Parameter("cursor", "`next` of the page before: where this page begins"),
)
TYPE = Parameter("type", "only papers of this document type")
FILTERS = (
    Parameter("kind", "only this kind", one_of(Kind)),
    TYPE,
    Parameter("status", "only this status", one_of(dict.fromkeys([*DocumentStatus, *AuthorizationStatus]))),
    Parameter("source", "only this source", one_of(Source)),
    Parameter("q", "words of the note, the file name or the label"),
    Parameter(
        "papers",
        "only documents, or only authorizations, including mandates",
        one_of(("documents", "authorizations")),
    ),
    Parameter("original_held", "true: only papers whose original is kept; false: only the others", {"type": "boolean"}),
    Parameter("received_from", "the first day of receipt, or of recording if there is none", DAY),
    Parameter("received_to", "the last day of receipt, or of recording if there is none", DAY),
)
SORT = Parameter(
    "sort",
    "the order; `-` before it: descending. `type` sorts by label, `status` puts what is in force first",
    {"type": "string", "enum": [*SORTS], "default": NEWEST},
)
PERIOD = (
    Parameter("from", "not before this time", {"type": "string", "format": "date-time"}),
    Parameter("to", "not after this time", {"type": "string", "format": "date-time"}),
)
BRANCH = Parameter("branch", "only at this branch")
AUDIT = (
    Parameter("actor", "only by this staff member or program"),
    Parameter("action", "only this action", one_of(sorted(TOPICS))),
    BRANCH,
    TYPE,
    *PERIOD,
    AS_OF,
    *PAGING,
)
FEED = (
    Parameter("after", "events after this position, or `now`", {"type": "string", "pattern": "^([0-9]{1,18}|now)$"}),
    Parameter(
        "type", "only these topics, with or without their version", {"type": "array", "items": {"type": "string"}}
    ),
    Parameter("customer", "only events of papers of this customer"),
    Parameter(
        "brief", "only the customers of each event's paper, not its fields", {"type": "boolean", "default": False}
    ),
)
EXTERNAL = (Parameter("external_id", "the caller's own id", required=True), AS_OF, *PAGING)


def read_route(path: str, verb: Verb, handle: Handle, summary: str, **more: Any) -> Route:
    return Route(method="GET", path=path, verb=verb, handle=handle, summary=summary, **more)


def correction_route(
    name: str,
    handle: Handle,
    body: type[msgspec.Struct],
    summary: str,
    *,
    verb: Verb = Verb.DOCUMENTS_CORRECT,
    of: str = "documents",
) -> Route:
    return Route(
        method="POST",
        path=f"/v1/{of}/{{id}}/{name}",
        verb=verb,
        handle=handle,
        summary=summary,
        body=body,
        answer=SavedItem,
        does=name.replace("-", "_"),
        if_match=True,
        idempotent=True,
    )


def life_route(name: str, handle: Handle, body: type[msgspec.Struct], summary: str) -> Route:
    return correction_route(name, handle, body, summary, verb=Verb.AUTHORIZATIONS_CHANGE, of="authorizations")


def move_route(name: str, handle: Handle, summary: str, *, of: str = "documents") -> Route:
    return correction_route(name, handle, CustomerReasonBody, summary, verb=Verb.DOCUMENTS_MOVE, of=of)


def session_route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    usual: dict[str, Any] = {"verb": Verb.SCANS_USE, "answer": ScanItem, "idempotent": method == "POST", **more}
    return Route(method=method, path=f"/v1/scan-sessions{path}", handle=handle, summary=summary, **usual)


ROUTES: tuple[Route, ...] = (
    Route(
        method="PUT",
        path="/v1/customers/{id}",
        verb=Verb.CUSTOMERS_WRITE,
        handle=customers.put_customer,
        summary="Add or change a customer of the built-in register",
        body=CustomerBody,
        answer=CustomerAnswer,
        status=(200, 201),
    ),
    Route(
        method="POST",
        path="/v1/customers/{id}/report",
        verb=Verb.CUSTOMERS_REPORT,
        handle=customers.report_customer,
        summary="Report that a customer has died, left, was deleted in the library system or has returned",
        body=ReportBody,
        answer=CustomerAnswer,
        idempotent=True,
        does="report",
    ),
    read_route(
        "/v1/customers",
        Verb.CUSTOMERS_READ,
        customers.search_customers,
        "Search for customers by id, card number, name or birth date",
        answer=CustomerAnswer,
        listed=True,
        query=(Parameter("q", "an id, card number, name or birth date", required=True), *PAGING),
        does="search",
    ),
    read_route(
        "/v1/customers/{id}",
        Verb.CUSTOMERS_READ,
        customers.show_customer,
        "Get a customer",
        answer=CustomerAnswer,
        positioned=False,
    ),
    read_route(
        "/v1/customers/{id}/documents",
        Verb.DOCUMENTS_READ,
        customers.list_documents,
        "List every document and authorization of a customer",
        answer=Item,
        listed=True,
        query=(*FILTERS, SORT, AS_OF, *PAGING),
        beside={"customer": CustomerAnswer},
    ),
    read_route(
        "/v1/customers/{id}/summary",
        Verb.DOCUMENTS_READ,
        customers.show_summary,
        "Get the number of papers in the list, and the instant that `as_of` names",
        answer=SummaryAnswer,
        query=(*FILTERS, AS_OF),
    ),
    read_route(
        "/v1/customers/{id}/changes",
        Verb.DOCUMENTS_READ,
        customers.list_changes,
        "List the moments at which the customer's papers changed",
        answer=ChangesAnswer,
    ),
    read_route(
        "/v1/customers/{id}/export",
        Verb.CUSTOMERS_EXPORT,
        person.send_export,
        "Get everything about a person as a BagIt bag in a zip; an event names each export",
        media_type="application/zip",
        query=person.EXPORT,
    ),
    read_route(
        "/v1/customers/{id}/history",
        Verb.HISTORY_READ,
        history.of_customer,
        "List what was done for a customer, newest first",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    Route(
        method="POST",
        path="/v1/documents",
        verb=Verb.DOCUMENTS_ARCHIVE,
        handle=documents.archive_document,
        summary="Archive a file for a customer",
        form=documents.FIELDS,
        answer=SavedItem,
        status=(201,),
        idempotent=True,
        does="archive",
    ),
    read_route(
        "/v1/documents",
        Verb.DOCUMENTS_READ,
        documents.look_up,
        "Find documents by the caller's own id",
        answer=Item,
        listed=True,
        query=EXTERNAL,
    ),
    read_route(
        "/v1/documents/{id}",
        Verb.DOCUMENTS_READ,
        documents.show_document,
        "Get the metadata of a document",
        answer=DocumentItem,
        query=(AS_OF,),
    ),
    read_route(
        "/v1/documents/{id}/content",
        Verb.CONTENT_READ,
        content.send_content,
        "Get the archived bytes unchanged; supports Range and conditional requests",
        media_type="*/*",
        status=(200, 206, 304),
        query=(CONTENT_VERSION,),
    ),
    read_route(
        "/v1/documents/{id}/pages/{n}",
        Verb.CONTENT_READ,
        content.page_image,
        "Get page n (from 1) as an image drawn on the server",
        media_type="image/jpeg",
        status=(200, 304),
        query=(
            Parameter("width", "pixels", {**WIDTH, "default": 1000}),
            CONTENT_VERSION,
        ),
        does="page",
    ),
    read_route(
        "/v1/documents/{id}/history",
        Verb.HISTORY_READ,
        history.of_document,
        "List the changes of a document with the values before and after",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    correction_route(
        "describe", documents.describe_document, DescribeBody, "Correct the note, title or day of receipt of a document"
    ),
    correction_route("reclassify", documents.reclassify_document, ReclassifyBody, "Change the type of a document"),
    correction_route("withdraw", documents.withdraw_document, ReasonBody, "Hide a document; its content is kept"),
    correction_route("restore", documents.restore_document, ReasonBody, "Restore a withdrawn document"),
    move_route(
        "reassign", documents.reassign_document, "Move a document to the right customer, with its authorization"
    ),
    move_route("link-customer", documents.link_customer, "Link a joint document to a further customer"),
    move_route("unlink-customer", documents.unlink_customer, "Remove a further customer from a joint document"),
    Route(
        method="PUT",
        path="/v1/documents/{id}/content",
        verb=Verb.DOCUMENTS_MOVE,
        handle=documents.replace_content,
        summary="Replace the content by a new version; the earlier ones are kept",
        form=documents.REPLACEMENT,
        answer=SavedItem,
        if_match=True,
        does="replace_content",
        idempotent=True,
    ),
    Route(
        method="POST",
        path="/v1/authorizations",
        verb=Verb.AUTHORIZATIONS_NOTE,
        handle=authorizations.note_authorization,
        summary="Note an authorization without an upload; its original may be kept on paper",
        body=AuthorizationBody,
        answer=SavedItem,
        status=(201,),
        idempotent=True,
        does="note",
    ),
    read_route(
        "/v1/authorizations",
        Verb.AUTHORIZATIONS_READ,
        authorizations.look_up,
        "Find authorizations by the caller's own id",
        answer=Item,
        listed=True,
        query=EXTERNAL,
    ),
    read_route(
        "/v1/authorizations/{id}",
        Verb.AUTHORIZATIONS_READ,
        authorizations.show_authorization,
        "Get an authorization with its mandate",
        answer=AuthorizationItem,
        query=(AS_OF,),
    ),
    read_route(
        "/v1/authorizations/{id}/history",
        Verb.HISTORY_READ,
        history.of_authorization,
        "List the changes of an authorization with the values before and after",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    life_route("amend", authorizations.amend_mandate, AmendBody, "Change the collection data of a mandate"),
    life_route("suspend", authorizations.suspend_authorization, ReasonBody, "Suspend an authorization"),
    life_route("resume", authorizations.resume_authorization, ReasonBody, "Resume a suspended authorization"),
    life_route(
        "revoke",
        authorizations.revoke_authorization,
        RevokeBody,
        "Revoke an authorization for the customer, at once or from a later day",
    ),
    life_route(
        "supersede", authorizations.supersede_authorization, SupersedeBody, "Replace it by another authorization"
    ),
    life_route("cancel", authorizations.cancel_authorization, ReasonBody, "Cancel a form that was never signed"),
    correction_route(
        "withdraw",
        authorizations.withdraw_authorization,
        ReasonBody,
        "Withdraw an authorization noted by mistake: it is issued again, or cancelled if it has no scan code",
        of="authorizations",
    ),
    life_route(
        "reinstate",
        authorizations.reinstate_authorization,
        ReasonBody,
        "Take back an end by the calendar that a wrong clock caused",
    ),
    move_route(
        "reassign",
        authorizations.reassign_authorization,
        "Move it to the right customer, with its evidence",
        of="authorizations",
    ),
    correction_route(
        "collections",
        authorizations.report_collection,
        CollectionBody,
        "Report a direct debit that was presented, and its outcome",
        verb=Verb.COLLECTIONS_REPORT,
        of="authorizations",
    ),
    read_route(
        "/v1/authorizations/{id}/dossier",
        Verb.AUTHORIZATIONS_CHANGE,
        dossier.send_dossier,
        "Get everything about an authorization as a zip, for a dispute",
        media_type="application/zip",
    ),
    Route(
        method="POST",
        path="/v1/forms",
        verb=Verb.FORMS_ISSUE,
        handle=forms.issue_form,
        summary="Issue an authorization with a printable form and its scan code",
        body=FormBody,
        answer=FormAnswer,
        tagged=True,
        status=(201,),
        idempotent=True,
        does="issue",
    ),
    read_route(
        "/v1/forms/{id}.pdf",
        Verb.FORMS_ISSUE,
        forms.send_form,
        "Print the form, as often as needed",
        media_type="application/pdf",
        does="print",
    ),
    read_route(
        "/v1/scan-codes/{code}",
        Verb.SCAN_CODES_CHECK,
        scan_codes.check_code,
        "Check a scan code: get its customer and authorization",
        answer=CheckAnswer,
        tagged=True,
        does="check",
        positioned=False,
    ),
    read_route(
        "/v1/scan-stations",
        Verb.SCANNERS_READ,
        stations.list_stations,
        "List the scan stations",
        answer=StationItem,
        listed=True,
        query=PAGING,
    ),
    Route(
        method="PUT",
        path="/v1/scan-stations/{name}",
        verb=Verb.STATIONS_WORK,
        handle=stations.report,
        summary="Report the scanners of a station",
        body=StationBody,
        answer=StationItem,
        does="report",
        positioned=False,
    ),
    Route(
        method="DELETE",
        path="/v1/scan-stations/{name}",
        verb=Verb.OPERATIONS,
        handle=stations.release,
        summary="Release the name of a station for another branch",
        status=(204,),
        does="release",
        positioned=False,
    ),
    read_route(
        "/v1/scan-stations/{name}/jobs",
        Verb.STATIONS_WORK,
        stations.jobs,
        "List the passes that a station has to scan now",
        answer=JobItem,
        listed=True,
        query=(
            Parameter("wait", "seconds to wait for a job", {"type": "integer", "minimum": 0, "maximum": 25}),
            *PAGING,
        ),
    ),
    read_route(
        "/v1/scanners",
        Verb.SCANNERS_READ,
        stations.list_scanners,
        "List the configured scanners",
        answer=ScannerItem,
        listed=True,
        query=(
            Parameter(
                "elsewhere",
                "instead of the scanners that the caller can use, those of other branches",
                {"type": "boolean", "default": False},
            ),
            *PAGING,
        ),
    ),
    session_route(
        "POST",
        "",
        scans.start_session,
        "Begin a scan session",
        body=ScanBody,
        status=(201,),
        does="start",
    ),
    session_route(
        "GET",
        "",
        scans.list_sessions,
        "List unfinished scan sessions",
        answer=SessionItem,
        listed=True,
        query=(BRANCH, *PAGING),
    ),
    session_route("GET", "/{id}", scans.show_session, "Get a scan session", verb=Verb.SCANS_FILL),
    session_route(
        "DELETE",
        "/{id}",
        scans.cancel_session,
        "Cancel a scan session and destroy its pages",
        answer=None,
        status=(204,),
        does="cancel",
        idempotent=True,
    ),
    session_route(
        "POST", "/{id}/confirm", scans.confirm_scan, "Confirm that the scanner may scan the next pass", status=(202,)
    ),
    session_route("POST", "/{id}/stop", scans.stop_scan, "Stop the running pass; its pages stay"),
    session_route("POST", "/{id}/reopen", scans.reopen_session, "Reopen a session that expired, with all its pages"),
    session_route(
        "POST",
        "/{id}/finish",
        scans.finish_pass,
        "Report the end of a pass",
        verb=Verb.STATIONS_WORK,
        body=FinishBody,
    ),
    session_route(
        "PUT",
        "/{id}/pages/{n}",
        scans.store_page,
        "Store a page image; repeating it changes nothing, another image replaces it",
        verb=Verb.SCANS_FILL,
        status=(200, 201),
        image=True,
        does="put_page",
    ),
    session_route(
        "GET",
        "/{id}/pages/{n}",
        scans.page_image,
        "Get the image of a page",
        answer=None,
        media_type="image/*",
        query=(
            Parameter("width", "width in pixels of a rotated JPEG; left out: the image as it was received", WIDTH),
            Parameter("of", "any text that changes with the image, so that caches see a new address"),
        ),
        does="page",
    ),
    session_route(
        "GET",
        "/{id}/split",
        scans.suggest_split,
        "Suggest which pages of a batch of forms belong together",
        answer=SplitItem,
    ),
    session_route(
        "POST",
        "/{id}/pages/{n}/rotate",
        scans.rotate,
        "Rotate a page",
        body=RotateBody,
        may_match=True,
        does="rotate_page",
    ),
    session_route(
        "POST",
        "/{id}/pages/{n}/move",
        scans.move,
        "Move a page",
        body=MoveBody,
        may_match=True,
        does="move_page",
    ),
    session_route(
        "POST",
        "/{id}/pages/{n}/remove",
        scans.remove,
        "Remove a page",
        body=NothingBody,
        may_match=True,
        does="remove_page",
    ),
    session_route(
        "POST",
        "/{id}/collate",
        scans.collate,
        "Order the fronts and backs of two passes into sheets",
        body=CollateBody,
        may_match=True,
    ),
    session_route(
        "POST",
        "/{id}/archive",
        scans.archive_session,
        "Archive the pages as a document",
        body=ArchiveScanBody,
        answer=SavedItem,
        status=(201,),
        may_match=True,
    ),
    read_route(
        "/v1/document-types",
        Verb.TYPES_READ,
        types.list_types,
        "List the document types",
        answer=TypeAnswer,
        listed=True,
        query=PAGING,
        archive_headers=False,
    ),
    read_route(
        "/v1/document-types/{code}",
        Verb.TYPES_READ,
        types.show_type,
        "Get a document type",
        answer=TypeAnswer,
        positioned=False,
        archive_headers=False,
    ),
    Route(
        method="PUT",
        path="/v1/document-types/{code}",
        verb=Verb.TYPES_WRITE,
        handle=types.put_type,
        summary="Add or change a document type",
        body=TypeBody,
        answer=TypeAnswer,
        status=(200, 201),
        may_match=True,
    ),
    read_route(
        "/v1/work-list/ending",
        Verb.AUTHORIZATIONS_READ,
        work_list.ending,
        "List the authorizations that end by the calendar soon",
        answer=WorkItem,
        listed=True,
        query=(
            Parameter(
                "days",
                "they end within this number of days",
                {"type": "integer", "minimum": 0, "maximum": 366, "default": 30},
            ),
            BRANCH,
            *PAGING,
        ),
    ),
    read_route(
        "/v1/work-list/originals",
        Verb.AUTHORIZATIONS_READ,
        work_list.originals,
        "List the authorizations whose original is held on a shelf",
        answer=WorkItem,
        listed=True,
        query=(BRANCH, *PAGING),
    ),
    read_route(
        "/v1/disposals",
        Verb.DISPOSALS,
        disposals.list_due,
        "List the papers that may be destroyed, because their retention has ended",
        answer=DueItem,
        listed=True,
        query=(
            Parameter("due_before", "papers that may be destroyed before this day; default: up to today", DAY),
            Parameter("due", "the same as due_before", DAY),
            TYPE,
            *PAGING,
        ),
    ),
    Route(
        method="POST",
        path="/v1/disposals",
        verb=Verb.DISPOSALS,
        handle=disposals.propose,
        summary="Propose a disposal: freeze the list of what is due and not under a hold",
        body=DisposalBody,
        answer=DisposalAnswer,
        status=(201,),
        idempotent=True,
    ),
    read_route(
        "/v1/disposals/{id}",
        Verb.DISPOSALS,
        disposals.show,
        "Get a disposal",
        answer=DisposalAnswer,
    ),
    read_route(
        "/v1/disposals/{id}/declaration",
        Verb.DISPOSALS,
        disposals.declaration,
        "Get the signed destruction declaration of a disposal that is done",
        answer=SignedDeclaration,
    ),
    read_route(
        "/v1/keys/signing",
        Verb.SESSION,
        disposals.show_signing_key,
        "Get the public key of the institution's signatures",
        answer=SigningKeyAnswer,
        positioned=False,
        archive_headers=False,
    ),
    Route(
        method="POST",
        path="/v1/disposals/{id}/approve",
        verb=Verb.DISPOSALS,
        handle=disposals.approve,
        summary="Approve a disposal that another person has proposed",
        body=ReasonBody,
        answer=DisposalAnswer,
        idempotent=True,
    ),
    Route(
        method="POST",
        path="/v1/disposals/{id}/run",
        verb=Verb.DISPOSALS,
        handle=disposals.run,
        summary="Destroy the papers of a disposal for good",
        answer=DisposalAnswer,
        status=(202,),
        idempotent=True,
    ),
    read_route(
        "/v1/operations",
        Verb.OPERATIONS,
        operators.show_operations,
        "Get the state of the views, the parked events and the queued tasks",
        answer=OperationsAnswer,
    ),
    Route(
        method="POST",
        path="/v1/operations",
        verb=Verb.OPERATIONS,
        handle=operators.queue_task,
        summary="Queue an operation: pause, resume, replay, rebuild or roll back a view, or verify the archive",
        body=TaskBody,
        answer=TaskItem,
        status=(202,),
        idempotent=True,
        does="request",
        positioned=False,
    ),
    read_route(
        "/v1/history",
        Verb.HISTORY_READ,
        history.of_all,
        "List the history of the whole archive, with filters",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    read_route(
        "/v1/events",
        Verb.EVENTS_READ,
        events.list_events,
        "List the events in the order of the log, as CloudEvents",
        answer=CloudEvent,
        listed=True,
        query=(*FEED, PAGING[0]),
        passive=True,
    ),
    read_route(
        "/v1/events/stream",
        Verb.EVENTS_READ,
        events.stream_events,
        "Stream the events live as server-sent events, from Last-Event-ID, `after` or now",
        media_type="text/event-stream",
        query=FEED,
        passive=True,
    ),
    read_route(
        "/v1/access-log",
        Verb.ACCESS_LOG_READ,
        history.access_log,
        "List the reads of customers and papers, newest first",
        answer=AccessItem,
        listed=True,
        query=(
            Parameter("customer", "only reads of this customer"),
            Parameter("paper", "only reads of the document or authorization with this id, its evidence and its scan"),
            Parameter("scan_session", "only reads of pages of this scan session"),
            AUDIT[0],
            Parameter("action", "only this action", one_of(get_args(AccessAction))),
            *PERIOD,
            *PAGING,
        ),
    ),
    Route(
        method="POST",
        path="/v1/session",
        verb=Verb.PUBLIC,
        handle=own_session.sign_in,
        summary="Sign in with user name and password; the answer sets the session cookie",
        body=SignInBody,
        answer=SessionAnswer,
        status=(201,),
        does="sign_in",
        positioned=False,
        archive_headers=False,
    ),
    read_route(
        "/v1/session",
        Verb.SESSION,
        own_session.show_session,
        "Get the caller, its role and branch, and the end of its session",
        answer=SessionAnswer,
        passive=True,
        positioned=False,
        archive_headers=False,
    ),
    Route(
        method="PUT",
        path="/v1/session",
        verb=Verb.SESSION,
        handle=own_session.choose_settings,
        summary="Save the given preferences and extend the session",
        body=ChoiceBody,
        answer=SessionAnswer,
        does="choose",
        positioned=False,
        archive_headers=False,
    ),
    Route(
        method="DELETE",
        path="/v1/session",
        verb=Verb.SESSION,
        handle=own_session.sign_out,
        summary="Sign out",
        status=(204,),
        does="sign_out",
        archive_headers=False,
    ),
    Route(
        method="PUT",
        path="/v1/session/password",
        verb=Verb.SESSION,
        handle=own_session.change_password,
        summary="Change the password; every session of the user ends, and a new one begins",
        body=PasswordBody,
        answer=SessionAnswer,
        does="change_password",
        positioned=False,
        archive_headers=False,
    ),
    read_route(
        "/livez",
        Verb.PUBLIC,
        operations.answer_alive,
        "Check that this process answers",
        does="alive",
    ),
    read_route(
        "/readyz",
        Verb.PUBLIC,
        operations.answer_ready,
        "Check that every part can serve",
        status=(200, 503),
        does="ready",
    ),
    read_route(
        "/version",
        Verb.PUBLIC,
        operations.answer_version,
        "Get the version of the program",
        does="version",
    ),
    read_route(
        "/metrics",
        Verb.OPERATIONS,
        operations.send_metrics,
        "Get the Prometheus metrics",
        media_type="text/plain",
        does="metrics",
    ),
    read_route(
        "/openapi.json",
        Verb.PUBLIC,
        operations.send_contract,
        "Get this contract",
        does="contract",
    ),
)
