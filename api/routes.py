"""The route table: every address, who may use it, what it takes and gives. openapi.json and the policy test read it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, get_args

import msgspec

from api import (
    authorizations,
    content,
    customers,
    documents,
    dossier,
    events,
    forms,
    history,
    operations,
    operators,
    own_session,
    scan_codes,
    scans,
    stations,
    types,
    work_list,
)
from api.bodies import (
    AccessItem,
    AmendBody,
    ArchiveScanBody,
    AuthorizationBody,
    AuthorizationItem,
    ChangesAnswer,
    CheckAnswer,
    ChoiceBody,
    CollateBody,
    CollectionBody,
    CustomerAnswer,
    CustomerBody,
    CustomerReasonBody,
    DescribeBody,
    DocumentItem,
    FinishBody,
    FormAnswer,
    FormBody,
    HistoryItem,
    JobItem,
    MoveBody,
    NothingBody,
    OperationsAnswer,
    PasswordBody,
    ReasonBody,
    ReclassifyBody,
    RevokeBody,
    RotateBody,
    SavedItem,
    ScanBody,
    ScanItem,
    ScannerItem,
    SessionAnswer,
    SessionItem,
    SignInBody,
    SplitItem,
    StationBody,
    StationItem,
    SummaryAnswer,
    SupersedeBody,
    TaskBody,
    TaskItem,
    TypeAnswer,
    TypeBody,
    WorkItem,
)
from api.call import Call
from api.events import CloudEvent
from api.staff import problem_pages
from domain.access import AccessAction, Verb
from domain.authorization import AuthorizationStatus
from domain.document import DocumentStatus
from domain.values import Kind, Source
from projections.customer_documents import NEWEST, SORTS, Item
from projections.feed import TOPICS
from web.query import Query

Handle = Callable[[Call], Awaitable[None]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` is the struct of a 2xx body or of a list's items; `media_type` is that of the answer. `form`: the fields
    of a multipart body beside its file, with their meanings. `image`: the body is a picture. `if_match`: a change needs
    the version that was read; `may_match`: it takes it. `passive`: pages ask by themselves, so a session gets no longer
    by it. `does`: the operation's name behind its room, where the path does not tell it. `beside`: what a list's answer
    has beside its items. `positioned`: the answer tells the position of the log."""

    method: str
    path: str
    verb: Verb
    handle: Handle
    summary: str
    body: type[msgspec.Struct] | None = None
    form: Mapping[str, str] | None = None
    image: bool = False
    answer: type[msgspec.Struct] | None = None
    listed: bool = False
    status: tuple[int, ...] = (200,)
    query: tuple[Query, ...] = ()
    media_type: str = "application/json"
    if_match: bool = False
    may_match: bool = False
    idempotent: bool = False
    passive: bool = False
    does: str | None = None
    beside: Mapping[str, type[msgspec.Struct]] = msgspec.field(default_factory=dict)
    positioned: bool = True

    @property
    def versioned(self) -> bool:
        """Whether the answer has an ETag."""
        if self.answer is None:
            return self.media_type in ("*/*", "image/jpeg")
        named = "version" in self.answer.__struct_fields__ or self.answer in (CheckAnswer, FormAnswer)
        return named and not self.listed


def one_of(values: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": [*map(str, values)]}


WHOLE = {"type": "integer", "minimum": 1}
WIDTH = {"type": "integer", "minimum": 16, "maximum": 2400}
DAY = {"type": "string", "format": "date"}
AS_OF = Query("as_of", "a position or an RFC 3339 time of the past: the answer as it was then")
CONTENT_VERSION = Query("content_version", "an earlier content, for those who correct documents", WHOLE)
PAGING = (
    Query("limit", "at most so many items", {**WHOLE, "maximum": 200, "default": 50}),
    Query("cursor", "where the page begins: `next` of the page before"),
)
TYPE = Query("type", "only papers of this document type")
FILTERS = (
    Query("kind", "only this kind", one_of(Kind)),
    TYPE,
    Query("status", "only this status", one_of((*DocumentStatus, *AuthorizationStatus))),
    Query("source", "only this source", one_of(Source)),
    Query("q", "words of the note, the file name, the label"),
    Query(
        "papers",
        "only documents, or only authorizations, mandates among them",
        one_of(("documents", "authorizations")),
    ),
    Query("original_held", "only where the paper has to be kept, or only where not", {"type": "boolean"}),
    Query("received_from", "received (or else recorded) not before this day", DAY),
    Query("received_to", "received (or else recorded) not after this day", DAY),
)
SORT = Query(
    "sort",
    "the order; `-` before it: descending. `type` sorts by label, `status` puts what is in force first",
    {"type": "string", "enum": [*SORTS], "default": NEWEST},
)
PERIOD = (
    Query("from", "not before this time", {"type": "string", "format": "date-time"}),
    Query("to", "not after this time", {"type": "string", "format": "date-time"}),
)
BRANCH = Query("branch", "only at this branch")
AUDIT = (
    Query("actor", "only by this staff member or program"),
    Query("action", "only this action", one_of(sorted(TOPICS))),
    BRANCH,
    TYPE,
    *PERIOD,
    AS_OF,
    *PAGING,
)
FEED = (
    Query("after", "events behind this position, or `now`", {"type": "string", "pattern": "^([0-9]{1,18}|now)$"}),
    Query("type", "only these topics, with or without their version", {"type": "array", "items": {"type": "string"}}),
    Query("customer", "only what was done to papers of this customer"),
    Query("brief", "whose papers, and not what the events say", {"type": "boolean", "default": False}),
)
EXTERNAL = (Query("external_id", "the caller's own id", required=True), AS_OF, *PAGING)


def read(path: str, verb: Verb, handle: Handle, summary: str, **more: Any) -> Route:
    return Route(method="GET", path=path, verb=verb, handle=handle, summary=summary, **more)


def correction(
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


def life(name: str, handle: Handle, body: type[msgspec.Struct], summary: str) -> Route:
    return correction(name, handle, body, summary, verb=Verb.AUTHORIZATIONS_CHANGE, of="authorizations")


def move(name: str, handle: Handle, summary: str, *, of: str = "documents") -> Route:
    return correction(name, handle, CustomerReasonBody, summary, verb=Verb.DOCUMENTS_MOVE, of=of)


def session(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    usual: dict[str, Any] = {"verb": Verb.SCANS_USE, "answer": ScanItem, "idempotent": method == "POST", **more}
    return Route(method=method, path=f"/v1/scan-sessions{path}", handle=handle, summary=summary, **usual)


ROUTES: tuple[Route, ...] = (
    Route(
        method="PUT",
        path="/v1/customers/{id}",
        verb=Verb.CUSTOMERS_WRITE,
        handle=customers.put,
        summary="Add or change a customer of the built-in register",
        body=CustomerBody,
        answer=CustomerAnswer,
        status=(200, 201),
    ),
    read(
        "/v1/customers",
        Verb.CUSTOMERS_READ,
        customers.search,
        "Search customers by id, card number, name or birth date",
        answer=CustomerAnswer,
        listed=True,
        query=(Query("q", "what is known of the customer", required=True), *PAGING),
        does="search",
    ),
    read(
        "/v1/customers/{id}",
        Verb.CUSTOMERS_READ,
        customers.show,
        "One customer",
        answer=CustomerAnswer,
        positioned=False,
    ),
    read(
        "/v1/customers/{id}/documents",
        Verb.DOCUMENTS_READ,
        customers.documents,
        "View customer documents: every document and authorization of a customer",
        answer=Item,
        listed=True,
        query=(*FILTERS, SORT, AS_OF, *PAGING),
        beside={"customer": CustomerAnswer},
    ),
    read(
        "/v1/customers/{id}/summary",
        Verb.DOCUMENTS_READ,
        customers.summary,
        "How many papers the list has, and which instant an as_of names",
        answer=SummaryAnswer,
        query=(*FILTERS, AS_OF),
    ),
    read(
        "/v1/customers/{id}/changes",
        Verb.DOCUMENTS_READ,
        customers.changes,
        "The moments at which something happened to the customer's papers",
        answer=ChangesAnswer,
    ),
    read(
        "/v1/customers/{id}/history",
        Verb.HISTORY_READ,
        history.of_customer,
        "What was done for a customer, newest first",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    Route(
        method="POST",
        path="/v1/documents",
        verb=Verb.DOCUMENTS_ARCHIVE,
        handle=documents.archive,
        summary="Select file: archive a file for a customer",
        form=documents.FIELDS,
        answer=SavedItem,
        status=(201,),
        idempotent=True,
        does="archive",
    ),
    read(
        "/v1/documents",
        Verb.DOCUMENTS_READ,
        documents.look_up,
        "Find documents by the caller's own id",
        answer=Item,
        listed=True,
        query=EXTERNAL,
    ),
    read(
        "/v1/documents/{id}",
        Verb.DOCUMENTS_READ,
        documents.show,
        "Metadata of a document",
        answer=DocumentItem,
        query=(AS_OF,),
    ),
    read(
        "/v1/documents/{id}/content",
        Verb.CONTENT_READ,
        content.download,
        "The archived bytes, byte for byte; Range and conditions work",
        media_type="*/*",
        status=(200, 206, 304),
        query=(CONTENT_VERSION,),
    ),
    read(
        "/v1/documents/{id}/pages/{n}",
        Verb.CONTENT_READ,
        content.page_image,
        "Page n (from 1) as an image made on the server",
        media_type="image/jpeg",
        status=(200, 304),
        query=(
            Query("width", "pixels", {**WIDTH, "default": 1000}),
            CONTENT_VERSION,
        ),
        does="page",
    ),
    read(
        "/v1/documents/{id}/history",
        Verb.HISTORY_READ,
        history.of_document,
        "Timeline of a document with before and after",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    correction("describe", documents.describe, DescribeBody, "Correct what is said about a document"),
    correction("reclassify", documents.reclassify, ReclassifyBody, "Give a document another type"),
    correction("withdraw", documents.withdraw, ReasonBody, "Hide a document; its content is kept"),
    correction("restore", documents.restore, ReasonBody, "Bring a withdrawn document back"),
    move("reassign", documents.reassign, "Move a document to the right customer, with its authorization"),
    move("link-customer", documents.link_customer, "Show a joint document with a second customer too"),
    move("unlink-customer", documents.unlink_customer, "Take a second customer off a joint document"),
    Route(
        method="PUT",
        path="/v1/documents/{id}/content",
        verb=Verb.DOCUMENTS_MOVE,
        handle=documents.replace,
        summary="Replace the content: a new version, the earlier ones are kept",
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
        handle=authorizations.note,
        summary="No upload: note an authorization whose original is kept on paper",
        body=AuthorizationBody,
        answer=SavedItem,
        status=(201,),
        idempotent=True,
        does="note",
    ),
    read(
        "/v1/authorizations",
        Verb.AUTHORIZATIONS_READ,
        authorizations.look_up,
        "Find authorizations by the caller's own id",
        answer=Item,
        listed=True,
        query=EXTERNAL,
    ),
    read(
        "/v1/authorizations/{id}",
        Verb.AUTHORIZATIONS_READ,
        authorizations.show,
        "One authorization with its mandate",
        answer=AuthorizationItem,
        query=(AS_OF,),
    ),
    read(
        "/v1/authorizations/{id}/history",
        Verb.HISTORY_READ,
        history.of_authorization,
        "Timeline of an authorization with before and after",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    life("amend", authorizations.amend, AmendBody, "Change the collection data of a mandate"),
    life("suspend", authorizations.suspend, ReasonBody, "Let an authorization rest"),
    life("resume", authorizations.resume, ReasonBody, "Let a suspended authorization count again"),
    life("revoke", authorizations.revoke, RevokeBody, "The customer takes it back, at once or from a later day on"),
    life("supersede", authorizations.supersede, SupersedeBody, "Another authorization takes its place"),
    life("cancel", authorizations.cancel, ReasonBody, "Call back a form that was never signed"),
    life(
        "reinstate",
        authorizations.reinstate,
        ReasonBody,
        "Take back what the calendar ended while it was wrong",
    ),
    move("reassign", authorizations.reassign, "Move it to the right customer, with its evidence", of="authorizations"),
    correction(
        "collections",
        authorizations.collections,
        CollectionBody,
        "Report a direct debit that was presented, and what became of it",
        verb=Verb.COLLECTIONS_REPORT,
        of="authorizations",
    ),
    read(
        "/v1/authorizations/{id}/dossier",
        Verb.AUTHORIZATIONS_CHANGE,
        dossier.download,
        "Everything about one authorization as a zip, for a dispute",
        media_type="application/zip",
    ),
    Route(
        method="POST",
        path="/v1/forms",
        verb=Verb.FORMS_ISSUE,
        handle=forms.issue,
        summary="Issue an authorization with a printable form and its scan code",
        body=FormBody,
        answer=FormAnswer,
        status=(201,),
        idempotent=True,
        does="issue",
    ),
    read(
        "/v1/forms/{id}.pdf",
        Verb.FORMS_ISSUE,
        forms.pdf,
        "The printable form, as often as it is needed",
        media_type="application/pdf",
        does="print",
    ),
    read(
        "/v1/scan-codes/{code}",
        Verb.SCAN_CODES_CHECK,
        scan_codes.check,
        "Check: whose form this is and what it says",
        answer=CheckAnswer,
        does="check",
        positioned=False,
    ),
    read(
        "/v1/scan-stations",
        Verb.SCANNERS_READ,
        stations.list_stations,
        "Scan stations",
        answer=StationItem,
        listed=True,
        query=PAGING,
    ),
    Route(
        method="PUT",
        path="/v1/scan-stations/{name}",
        verb=Verb.STATIONS_WORK,
        handle=stations.report,
        summary="A station tells what scanners it has",
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
    read(
        "/v1/scan-stations/{name}/jobs",
        Verb.STATIONS_WORK,
        stations.jobs,
        "What a station has to scan just now",
        answer=JobItem,
        listed=True,
        query=(Query("wait", "seconds to wait for a job", {"type": "integer", "minimum": 0, "maximum": 25}), *PAGING),
    ),
    read(
        "/v1/scanners",
        Verb.SCANNERS_READ,
        stations.list_scanners,
        "Configured scanners",
        answer=ScannerItem,
        listed=True,
        query=(
            Query(
                "elsewhere",
                "instead of the scanners that the caller can use, those of other branches",
                {"type": "boolean", "default": False},
            ),
            *PAGING,
        ),
    ),
    session(
        "POST",
        "",
        scans.start,
        "Scan page: begin",
        body=ScanBody,
        status=(201,),
        does="start",
    ),
    session(
        "GET",
        "",
        scans.list_sessions,
        "Unfinished scan sessions",
        answer=SessionItem,
        listed=True,
        query=(BRANCH, *PAGING),
    ),
    session("GET", "/{id}", scans.show, "One scan session", verb=Verb.SCANS_FILL),
    session(
        "DELETE",
        "/{id}",
        scans.cancel,
        "Cancel: nothing is left behind",
        answer=None,
        status=(204,),
        does="cancel",
        idempotent=True,
    ),
    session("POST", "/{id}/confirm", scans.confirm, "The Yes of the flatbed, and of every further pass", status=(202,)),
    session("POST", "/{id}/stop", scans.stop, "Stop the pass under way; its pages stay"),
    session("POST", "/{id}/reopen", scans.reopen, "Reopen a session that expired, with all its pages"),
    session(
        "POST",
        "/{id}/finish",
        scans.finish,
        "A station is done with a pass",
        verb=Verb.STATIONS_WORK,
        body=FinishBody,
    ),
    session(
        "PUT",
        "/{id}/pages/{n}",
        scans.put_page,
        "One page image; the same again changes nothing, another takes its place",
        verb=Verb.SCANS_FILL,
        status=(200, 201),
        image=True,
        does="put_page",
    ),
    session(
        "GET",
        "/{id}/pages/{n}",
        scans.page_image,
        "The image of a page",
        answer=None,
        media_type="image/*",
        query=(
            Query("width", "pixels: a JPEG of that width, turned", WIDTH),
            Query("of", "any text: lets the address of an image change with the image, for caches"),
        ),
        does="page",
    ),
    session(
        "GET", "/{id}/split", scans.split, "A batch of forms: which pages seem to belong together", answer=SplitItem
    ),
    session(
        "POST",
        "/{id}/pages/{n}/rotate",
        scans.rotate,
        "Turn a page",
        body=RotateBody,
        may_match=True,
        does="rotate_page",
    ),
    session(
        "POST",
        "/{id}/pages/{n}/move",
        scans.move,
        "Move a page",
        body=MoveBody,
        may_match=True,
        does="move_page",
    ),
    session(
        "POST",
        "/{id}/pages/{n}/remove",
        scans.remove,
        "Take a page out",
        body=NothingBody,
        may_match=True,
        does="remove_page",
    ),
    session(
        "POST",
        "/{id}/collate",
        scans.collate,
        "Two passes, fronts and backs, become sheets",
        body=CollateBody,
        may_match=True,
    ),
    session(
        "POST",
        "/{id}/archive",
        scans.archive,
        "OK: the pages become a document",
        body=ArchiveScanBody,
        answer=SavedItem,
        status=(201,),
        may_match=True,
    ),
    read(
        "/v1/document-types",
        Verb.TYPES_READ,
        types.list_types,
        "The catalogue of document types",
        answer=TypeAnswer,
        listed=True,
        query=PAGING,
    ),
    read(
        "/v1/document-types/{code}",
        Verb.TYPES_READ,
        types.show,
        "One document type",
        answer=TypeAnswer,
        positioned=False,
    ),
    Route(
        method="PUT",
        path="/v1/document-types/{code}",
        verb=Verb.TYPES_WRITE,
        handle=types.put,
        summary="Add or change a document type",
        body=TypeBody,
        answer=TypeAnswer,
        status=(200, 201),
        may_match=True,
    ),
    read(
        "/v1/work-list/ending",
        Verb.AUTHORIZATIONS_READ,
        work_list.ending,
        "Authorizations that end by themselves before long",
        answer=WorkItem,
        listed=True,
        query=(
            Query("days", "within so many days", {"type": "integer", "minimum": 0, "maximum": 366, "default": 30}),
            BRANCH,
            *PAGING,
        ),
    ),
    read(
        "/v1/work-list/originals",
        Verb.AUTHORIZATIONS_READ,
        work_list.originals,
        "Authorizations whose original is held on a shelf",
        answer=WorkItem,
        listed=True,
        query=(BRANCH, *PAGING),
    ),
    read(
        "/v1/operations",
        Verb.OPERATIONS,
        operators.show,
        "Where the views stand, what is parked, what was asked for",
        answer=OperationsAnswer,
    ),
    Route(
        method="POST",
        path="/v1/operations",
        verb=Verb.OPERATIONS,
        handle=operators.ask,
        summary="Have a view paused, resumed, replayed, rebuilt or put back, or everything verified",
        body=TaskBody,
        answer=TaskItem,
        status=(202,),
        idempotent=True,
        does="request",
        positioned=False,
    ),
    read(
        "/v1/history",
        Verb.HISTORY_READ,
        history.of_all,
        "Audit queries over everything",
        answer=HistoryItem,
        listed=True,
        query=AUDIT,
    ),
    read(
        "/v1/events",
        Verb.EVENTS_READ,
        events.show,
        "The feed: what happened, in the order of the log, as CloudEvents",
        answer=CloudEvent,
        listed=True,
        query=(*FEED, PAGING[0]),
        passive=True,
    ),
    read(
        "/v1/events/stream",
        Verb.EVENTS_READ,
        events.stream,
        "The feed as it happens: server-sent events, from Last-Event-ID, `after` or now on",
        media_type="text/event-stream",
        query=FEED,
        passive=True,
    ),
    read(
        "/v1/access-log",
        Verb.ACCESS_LOG_READ,
        history.access_log,
        "Who read what, newest first",
        answer=AccessItem,
        listed=True,
        query=(
            Query("customer", "only reads of this customer"),
            Query("paper", "only reads of this document or authorization, its evidence and its scan, by its id"),
            Query("scan_session", "only looks at pages of this scan session"),
            AUDIT[0],
            Query("action", "only this action", one_of(get_args(AccessAction))),
            *PERIOD,
            *PAGING,
        ),
    ),
    Route(
        method="POST",
        path="/v1/session",
        verb=Verb.PUBLIC,
        handle=own_session.sign_in,
        summary="Sign in by user name and password; the answer sets the cookie of the session",
        body=SignInBody,
        answer=SessionAnswer,
        status=(201,),
        does="sign_in",
        positioned=False,
    ),
    read(
        "/v1/session",
        Verb.SESSION,
        own_session.show,
        "Who am I, and until when",
        answer=SessionAnswer,
        passive=True,
        positioned=False,
    ),
    Route(
        method="PUT",
        path="/v1/session",
        verb=Verb.SESSION,
        handle=own_session.choose,
        summary="Somebody is here: the session goes on; what is given is remembered",
        body=ChoiceBody,
        answer=SessionAnswer,
        does="choose",
        positioned=False,
    ),
    Route(
        method="DELETE",
        path="/v1/session",
        verb=Verb.SESSION,
        handle=own_session.sign_out,
        summary="Sign out",
        status=(204,),
        does="sign_out",
    ),
    Route(
        method="PUT",
        path="/v1/session/password",
        verb=Verb.SESSION,
        handle=own_session.change_password,
        summary="A new password: every session of the user ends, and a new one begins",
        body=PasswordBody,
        answer=SessionAnswer,
        does="change_password",
        positioned=False,
    ),
    read(
        "/livez",
        Verb.PUBLIC,
        operations.alive,
        "This process answers",
        does="alive",
    ),
    read(
        "/readyz",
        Verb.PUBLIC,
        operations.ready,
        "Every part can serve",
        status=(200, 503),
        does="ready",
    ),
    read(
        "/version",
        Verb.PUBLIC,
        operations.version,
        "Version of the program",
        does="version",
    ),
    read(
        "/metrics",
        Verb.OPERATIONS,
        operations.metrics,
        "Prometheus metrics",
        media_type="text/plain",
        does="metrics",
    ),
    read(
        "/openapi.json",
        Verb.PUBLIC,
        operations.contract,
        "This contract",
        does="contract",
    ),
    read(
        "/problems",
        Verb.PUBLIC,
        problem_pages.every,
        "Every refusal",
        media_type="text/html",
        does="problems",
    ),
    read(
        "/problems/{slug}",
        Verb.PUBLIC,
        problem_pages.one,
        "One refusal explained",
        media_type="text/html",
        does="problem",
    ),
)
