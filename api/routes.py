"""The route table: every address, who may use it, what it takes and gives. openapi.json and the policy test read it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from api import authorizations, content, customers, documents, history, operations, types
from api.bodies import (
    AccessItem,
    AuthorizationBody,
    CustomerAnswer,
    CustomerBody,
    DescribeBody,
    HistoryItem,
    ReasonBody,
    ReclassifyBody,
    TypeAnswer,
    TypeBody,
)
from api.call import Call
from domain.access import Verb
from projections.customer_documents import Item

Handle = Callable[[Call], Awaitable[None]]


class Query(msgspec.Struct, frozen=True):
    """A query parameter and the JSON schema of its text."""

    name: str
    meaning: str
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})
    required: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` is the struct of a 2xx body or of a list's items; `media_type` is that of the answer."""

    method: str
    path: str
    verb: Verb
    handle: Handle
    summary: str
    body: type[msgspec.Struct] | None = None
    form: bool = False
    answer: type[msgspec.Struct] | None = None
    listed: bool = False
    status: tuple[int, ...] = (200,)
    query: tuple[Query, ...] = ()
    media_type: str = "application/json"
    if_match: bool = False
    idempotent: bool = False


WHOLE = {"type": "integer", "minimum": 1}
AS_OF = Query("as_of", "a position or an RFC 3339 time of the past: the answer as it was then")
PAGING = (
    Query("limit", "at most so many items", {**WHOLE, "maximum": 200, "default": 50}),
    Query("cursor", "where the page begins: `next` of the page before"),
)
FILTERS = (
    Query("kind", "only this kind", {"type": "string", "enum": ["document", "authorization", "mandate"]}),
    Query("type", "only this document type"),
    Query("status", "only this status"),
    Query("source", "only this source", {"type": "string", "enum": ["scan", "file", "none"]}),
    Query("q", "words of the note, the file name, the label"),
)
PERIOD = (
    Query("from", "not before this time", {"type": "string", "format": "date-time"}),
    Query("to", "not after this time", {"type": "string", "format": "date-time"}),
)
AUDIT = (
    Query("actor", "only by this staff member or program"),
    Query("action", "only this action, such as document-archived"),
    Query("branch", "only at this branch"),
    Query("type", "only papers of this document type"),
    *PERIOD,
    AS_OF,
    *PAGING,
)
EXTERNAL = (Query("external_id", "the caller's own id", required=True), AS_OF)


def read(path: str, verb: Verb, handle: Handle, summary: str, **more: Any) -> Route:
    return Route(method="GET", path=path, verb=verb, handle=handle, summary=summary, **more)


def correction(name: str, handle: Handle, body: type[msgspec.Struct], summary: str) -> Route:
    return Route(
        method="POST",
        path=f"/v1/documents/{{id}}/{name}",
        verb=Verb.DOCUMENTS_CORRECT,
        handle=handle,
        summary=summary,
        body=body,
        answer=Item,
        if_match=True,
        idempotent=True,
    )


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
        query=(Query("q", "what is known of the customer", required=True), PAGING[0]),
    ),
    read("/v1/customers/{id}", Verb.CUSTOMERS_READ, customers.show, "One customer", answer=CustomerAnswer),
    read(
        "/v1/customers/{id}/documents",
        Verb.DOCUMENTS_READ,
        customers.documents,
        "View customer documents: every document and authorization of a customer",
        answer=Item,
        listed=True,
        query=(*FILTERS, AS_OF, *PAGING),
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
        form=True,
        answer=Item,
        status=(201,),
        idempotent=True,
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
        answer=Item,
        query=(AS_OF,),
    ),
    read(
        "/v1/documents/{id}/content",
        Verb.CONTENT_READ,
        content.download,
        "The archived bytes, byte for byte; Range and conditions work",
        media_type="*/*",
        status=(200, 206, 304),
        query=(Query("content_version", "an earlier content", WHOLE),),
    ),
    read(
        "/v1/documents/{id}/pages/{n}",
        Verb.CONTENT_READ,
        content.page_image,
        "Page n (from 1) as an image made on the server",
        media_type="image/jpeg",
        query=(Query("width", "pixels", {"type": "integer", "minimum": 16, "maximum": 2400, "default": 1000}),),
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
    Route(
        method="POST",
        path="/v1/authorizations",
        verb=Verb.AUTHORIZATIONS_NOTE,
        handle=authorizations.note,
        summary="No upload: note an authorization whose original is kept on paper",
        body=AuthorizationBody,
        answer=Item,
        status=(201,),
        idempotent=True,
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
        answer=Item,
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
    read(
        "/v1/document-types",
        Verb.TYPES_READ,
        types.list_types,
        "The catalogue of document types",
        answer=TypeAnswer,
        listed=True,
    ),
    read("/v1/document-types/{code}", Verb.TYPES_READ, types.show, "One document type", answer=TypeAnswer),
    Route(
        method="PUT",
        path="/v1/document-types/{code}",
        verb=Verb.TYPES_WRITE,
        handle=types.put,
        summary="Add or change a document type",
        body=TypeBody,
        answer=TypeAnswer,
        status=(200, 201),
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
        "/v1/access-log",
        Verb.ACCESS_LOG_READ,
        history.access_log,
        "Who read what, newest first",
        answer=AccessItem,
        listed=True,
        query=(Query("customer", "only reads of this customer"), *AUDIT[:2], *PERIOD, *PAGING),
    ),
    read("/livez", Verb.PUBLIC, operations.alive, "This process answers"),
    read("/readyz", Verb.PUBLIC, operations.ready, "Every part can serve", status=(200, 503)),
    read("/version", Verb.PUBLIC, operations.version, "Version of the program"),
    read("/metrics", Verb.OPERATIONS, operations.metrics, "Prometheus metrics", media_type="text/plain"),
    read("/openapi.json", Verb.PUBLIC, operations.contract, "This contract"),
    read("/problems", Verb.PUBLIC, operations.problems, "Every refusal", media_type="text/html"),
    read("/problems/{slug}", Verb.PUBLIC, operations.problem_page, "One refusal explained", media_type="text/html"),
)
