"""View audit_history: one row per event, with actor, time and the fields before and after. Rows are only added."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
from msgspec import UnsetType
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.access import Rights
from domain.administration import (
    ArchiveExported,
    CustomerExported,
    TokenCreated,
    TokenEvent,
    TokenRevoked,
    UserAdded,
    UserBound,
    UserDisabled,
    UserEnabled,
    UserEvent,
    UserPasswordChanged,
    UserPasswordReset,
    UserUnbound,
)
from domain.authorization import (
    AuthorizationCancelled,
    AuthorizationDestroyed,
    AuthorizationEvent,
    AuthorizationExpired,
    AuthorizationHoldLifted,
    AuthorizationHoldPlaced,
    AuthorizationIssued,
    AuthorizationReassigned,
    AuthorizationRegistered,
    AuthorizationReinstated,
    AuthorizationResumed,
    AuthorizationRevoked,
    AuthorizationSigned,
    AuthorizationStatus,
    AuthorizationSuperseded,
    AuthorizationSuspended,
    CollectionReported,
    EvidenceAttached,
    EvidenceRestored,
    EvidenceWithdrawn,
    MandateAmended,
    NoteWithdrawn,
    RevocationReceived,
)
from domain.customer_file import (
    STATUS_AFTER,
    CustomerDeceasedReported,
    CustomerDeletedInSource,
    CustomerFileEvent,
    CustomerHoldLifted,
    CustomerHoldPlaced,
    CustomerLeft,
    CustomerReturned,
)
from domain.destruction import DestructionGround
from domain.disposal import DisposalApproved, DisposalCompleted, DisposalEvent, DisposalProposed, DisposalState
from domain.document import (
    ContentDestroyed,
    ContentReplaced,
    CustomerLinked,
    CustomerUnlinked,
    Description,
    DocumentArchived,
    DocumentDescribed,
    DocumentEvent,
    DocumentHoldLifted,
    DocumentHoldPlaced,
    DocumentReassigned,
    DocumentReclassified,
    DocumentRestored,
    DocumentStatus,
    DocumentWithdrawn,
    IdentitySeen,
)
from domain.document_type import DocumentTypeChanged, DocumentTypeDefined, TypeEvent, diff_definitions
from domain.envelope import UNSET, Event, Recorded
from domain.mandate import Mandate
from domain.scan_session import PageCaptured, PagesArchived, ScanEvent, ScanInterrupted, ScanStarted
from domain.values import Content, Source
from projections.reading import read_cursor, write_cursor
from projections.view import DESTROYING, EVENTS, ArchiveEvent, RowChanges, View, second_customer_of, value_or_none

NAME = "audit_history"
CUSTOMERS = ("customer", "linked_customer")
CUSTOMER = "customer"
"""The subject of events of a customer's file."""
Fields = dict[str, Any]
Changed = tuple[Fields, Fields]


class HistoryRow(msgspec.Struct, frozen=True, gc=False):
    """The table's columns, in its order. `before` and `after` hold the changed fields only, without erased ones.

    `other_customer`: the former customer of a moved paper, or the linked one of a joint paper. Customers are
    references, also in `before` and `after` (see with_customer_ids).
    """

    position: int
    recorded_at: datetime
    as_of: datetime
    occurred_at: datetime
    actor: str
    branch: str
    action: str
    subject_kind: str
    subject_id: UUID
    subject_name: str | None
    customer: UUID | None
    reason: str | None
    before: Fields
    after: Fields
    other_customer: UUID | None = None


# -- events to rows ---------------------------------------------------------------------------------------------


def row_of(recorded: Recorded[ArchiveEvent], as_of: datetime) -> HistoryRow:
    envelope = recorded.envelope
    body, meta = envelope.body, envelope.meta
    subject = SUBJECTS[type(body)]
    before, after = subject.changed(body)
    return HistoryRow(
        position=recorded.position,
        recorded_at=recorded.recorded_at,
        as_of=as_of,
        occurred_at=meta.occurred_at,
        actor=meta.actor,
        branch=meta.branch,
        action=body.topic.rpartition(".")[0],
        subject_kind=subject.kind,
        subject_id=envelope.originator_id,
        subject_name=getattr(body, subject.name) if subject.name else None,
        customer=getattr(body, "customer", None),
        reason=value_or_none(getattr(body, "reason", None)),
        before=before,
        after=after,
        other_customer=second_customer_of(body),
    )


def _changes_of_scan(body: ScanEvent) -> Changed:
    """The content of the pages is left out: nothing may remain of a cancelled session."""
    match body:
        case ScanStarted(device=device):
            return {}, _drop_absent(msgspec.structs.asdict(device)) if device else {}
        case PageCaptured(n=n):
            return {}, {"page": n}
        case PagesArchived(document=document, pages=gone):
            return {}, {"document": document, "pages": len(gone)}
        case ScanInterrupted(problem=problem):
            return {}, {"problem": problem}
    return {}, {}


def _changes_of_document(body: DocumentEvent) -> Changed:
    match body:
        case DocumentArchived():
            return {}, _fields_of_archiving(body)
        case IdentitySeen():
            return {}, _fields_of_verification(body)
        case DocumentDescribed(old=old, new=new):
            return _changes_of_description(old, new)
        case DocumentReclassified(old=was, new=now):
            return {"type": was.code}, {"type": now.code}
        case DocumentWithdrawn():
            return {"status": DocumentStatus.ARCHIVED}, {"status": DocumentStatus.WITHDRAWN}
        case DocumentRestored():
            return {"status": DocumentStatus.WITHDRAWN}, {"status": DocumentStatus.ARCHIVED}
        case DocumentReassigned(old=was, customer=now):
            return {"customer": was}, {"customer": now}
        case ContentReplaced():
            return _changes_of_content(body)
        case CustomerLinked(linked=customer):
            return {"linked_customer": None}, {"linked_customer": customer}
        case CustomerUnlinked(linked=customer):
            return {"linked_customer": customer}, {"linked_customer": None}
        case DocumentHoldPlaced(hold=hold, until=until):
            return _changes_of_hold_placed(hold, until)
        case DocumentHoldLifted(hold=hold):
            return {"hold": hold}, {"hold": None}
        case ContentDestroyed(was=was, ground=ground):
            return {"status": was}, {"status": DocumentStatus.DESTROYED, **_fields_of_ground(ground)}


def _changes_of_authorization(body: AuthorizationEvent) -> Changed:
    match body:
        case AuthorizationIssued():
            return {}, _fields_of_issue(body)
        case AuthorizationRegistered():
            return {}, _fields_of_registration(body)
        case AuthorizationSigned():
            return {"status": AuthorizationStatus.ISSUED}, _fields_of_signature(body)
        case EvidenceAttached():
            return _changes_of_attachment(body)
        case EvidenceWithdrawn():
            return _changes_of_withdrawal(body)
        case EvidenceRestored():
            return _changes_of_restoration(body)
        case NoteWithdrawn():
            return _changes_of_note_withdrawal(body)
        case MandateAmended():
            return _changes_of_mandate(body)
        case AuthorizationSuspended(on=on):
            return {"status": AuthorizationStatus.ACTIVE}, {"status": AuthorizationStatus.SUSPENDED, "on": on}
        case AuthorizationResumed(on=on):
            return {"status": AuthorizationStatus.SUSPENDED}, {"status": AuthorizationStatus.ACTIVE, "on": on}
        case RevocationReceived():
            return {}, _fields_of_revocation(body)
        case AuthorizationRevoked(was=was):
            return {"status": was}, {"status": AuthorizationStatus.REVOKED, **_fields_of_revocation(body)}
        case AuthorizationSuperseded(was=was, on=on, by=by):
            return {"status": was}, {"status": AuthorizationStatus.SUPERSEDED, "on": on, "by": by}
        case AuthorizationExpired(was=was, on=on, cause=cause):
            return {"status": was}, {"status": AuthorizationStatus.EXPIRED, "on": on, "cause": cause}
        case AuthorizationReinstated(was=was, status=status):
            return {"status": was}, {"status": status}
        case AuthorizationCancelled(on=on):
            return {"status": AuthorizationStatus.ISSUED}, {"status": AuthorizationStatus.CANCELLED, "on": on}
        case CollectionReported():
            return {}, _fields_of_collection(body)
        case AuthorizationReassigned(old=was, customer=now):
            return {"customer": was}, {"customer": now}
        case AuthorizationHoldPlaced(hold=hold, until=until):
            return _changes_of_hold_placed(hold, until)
        case AuthorizationHoldLifted(hold=hold):
            return {"hold": hold}, {"hold": None}
        case AuthorizationDestroyed(was=was, ground=ground):
            return {"status": was}, {"status": AuthorizationStatus.DESTROYED, **_fields_of_ground(ground)}


def _changes_of_hold_placed(hold: UUID, until: date | None) -> Changed:
    return {"hold": None}, _drop_absent({"hold": hold, "hold_until": until})


def _changes_of_customer(body: CustomerFileEvent) -> Changed:
    match body:
        case CustomerDeceasedReported() | CustomerLeft() | CustomerDeletedInSource() | CustomerReturned():
            return {"status": body.was}, {"status": STATUS_AFTER[type(body)], "on": body.on}
        case CustomerHoldPlaced(hold=hold, until=until):
            return _changes_of_hold_placed(hold, until)
        case CustomerHoldLifted(hold=hold):
            return {"hold": hold}, {"hold": None}


def _changes_of_disposal(body: DisposalEvent) -> Changed:
    """The list itself is read from the disposal; here are its size and result."""
    match body:
        case DisposalProposed(papers=papers):
            return {}, {"status": DisposalState.PROPOSED, "listed": len(papers)}
        case DisposalApproved():
            return {"status": DisposalState.PROPOSED}, {"status": DisposalState.APPROVED}
        case DisposalCompleted(destroyed=destroyed, kept=kept):
            return {}, {"status": DisposalState.DONE, "destroyed": destroyed, "kept": len(kept)}


def _changes_of_type(body: TypeEvent) -> Changed:
    match body:
        case DocumentTypeDefined(definition=definition):
            return {}, _drop_absent(msgspec.structs.asdict(definition))
        case DocumentTypeChanged(old=before, new=after):
            return diff_definitions(before, after)


def _changes_of_user(body: UserEvent) -> Changed:
    """A password event has no fields: its history is that it happened."""
    match body:
        case UserAdded():
            return {}, _fields_of_rights(body)
        case UserDisabled():
            return {"disabled": False}, {"disabled": True}
        case UserEnabled():
            return {"disabled": True}, {"disabled": False}
        case UserBound(issuer=issuer, subject=subject):
            return {}, {"issuer": issuer, "subject": subject}
        case UserUnbound(issuer=issuer, subject=subject):
            return {"issuer": issuer, "subject": subject}, {}
        case UserPasswordReset() | UserPasswordChanged():
            return {}, {}


def _changes_of_token(body: TokenEvent) -> Changed:
    """The token's digest is never among the changed fields."""
    match body:
        case TokenCreated():
            return {}, _fields_of_rights(body)
        case TokenRevoked():
            return {"revoked": False}, {"revoked": True}


def _changes_of_export(body: CustomerExported | ArchiveExported) -> Changed:
    match body:
        case CustomerExported(customer=customer, joint=joint):
            return {}, _drop_absent({"customer": customer, "joint": joint})
        case ArchiveExported(position=position):
            return {}, {"position": position}


def _drop_absent(fields: Fields) -> Fields:
    """The fields without empty and erased ones."""
    return {name: value for name, value in fields.items() if value is not None and value is not UNSET}


def _fields_of_archiving(body: DocumentArchived) -> Fields:
    return _drop_absent(
        {
            "type": body.type.code,
            "source": body.source,
            "status": DocumentStatus.ARCHIVED,
            "file_name": body.file_name,
            **_fields_of_content(body.content, body.sha256),
            **_fields_of_description(body.description),
            "ground": body.ground,
            "external_id": body.external_id,
            "evidence_of": body.evidence_of,
        }
    )


def _fields_of_verification(body: IdentitySeen) -> Fields:
    return _drop_absent(
        {
            "type": body.type.code,
            "source": Source.NONE,
            "status": DocumentStatus.ARCHIVED,
            "paper": body.paper,
            "number_suffix": body.number_suffix,
            "seen_on": body.seen_on,
            **_fields_of_description(body.description),
            "external_id": body.external_id,
        }
    )


def _fields_of_description(description: Description | UnsetType) -> Fields:
    return {} if isinstance(description, UnsetType) else msgspec.structs.asdict(description)


def _changes_of_description(old: Description | UnsetType, new: Description | UnsetType) -> Changed:
    return _difference_of(_fields_of_description(old), _fields_of_description(new))


def _difference_of(before: Fields, after: Fields) -> Changed:
    """The fields whose values differ; a field missing on one side was erased and is left out."""
    changed = [name for name in after if name in before and before[name] != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}


def _changes_of_content(body: ContentReplaced) -> Changed:
    """The old content is described by its name and digest; its other fields are in the event that brought it."""
    before = {"file_name": body.old_file_name, "sha256": _hex_of(body.old_sha256)}
    after = {"file_name": body.file_name, **_fields_of_content(body.content, body.sha256)}
    for name in [n for n, value in before.items() if value == after[n]]:
        del before[name], after[name]
    return _drop_absent(before), _drop_absent(after)


def _fields_of_content(content: Content, digest: bytes | UnsetType) -> Fields:
    return {
        "media_type": content.media_type,
        "size_bytes": content.size_bytes,
        "sha256": _hex_of(digest),
        "pages": content.pages,
    }


def _hex_of(digest: bytes | UnsetType) -> str | None:
    return None if isinstance(digest, UnsetType) else digest.hex()


def _fields_of_ground(ground: DestructionGround) -> Fields:
    return _drop_absent(msgspec.structs.asdict(ground))


def _fields_of_issue(body: AuthorizationIssued) -> Fields:
    return _drop_absent(
        {
            "type": body.type.code,
            "status": AuthorizationStatus.ISSUED,
            "language": body.language,
            "lapses_on": body.lapses_on,
            "valid_from": body.valid_from,
            "valid_until": body.valid_until,
            "scan_code": body.scan_code,
            "mandate": body.mandate,
            "note": body.note,
            "external_id": body.external_id,
        }
    )


def _fields_of_registration(body: AuthorizationRegistered) -> Fields:
    return _drop_absent(
        {
            "type": body.type.code,
            "source": body.source,
            "status": AuthorizationStatus.ACTIVE,
            "original_held": body.original_held,
            "shelf_mark": body.shelf_mark,
            **msgspec.structs.asdict(body.terms),
            "mandate": body.mandate,
            "note": body.note,
            "external_id": body.external_id,
            "scan_code": body.scan_code,
            "last_collection_on": body.last_collection_on,
        }
    )


def _fields_of_signature(body: AuthorizationSigned) -> Fields:
    return _drop_absent(
        {
            "source": body.source,
            "status": AuthorizationStatus.ACTIVE,
            "original_held": body.original_held,
            "shelf_mark": body.shelf_mark,
            **msgspec.structs.asdict(body.terms),
            "mandate": body.mandate,
            "note": body.note,
            "external_id": body.external_id,
        }
    )


def _changes_of_mandate(body: MandateAmended) -> Changed:
    """The amended fields; for a mandate noted without collection data every field was empty before."""
    if isinstance(body.old, UnsetType) or isinstance(body.new, UnsetType):
        return {}, {}
    old = body.old or Mandate()
    return {n: getattr(old, n) for n in body.fields}, {n: getattr(body.new, n) for n in body.fields}


def _fields_of_revocation(body: RevocationReceived | AuthorizationRevoked) -> Fields:
    return {"received_on": body.received_on, "effective_on": body.effective_on}


def _fields_of_collection(body: CollectionReported) -> Fields:
    return _drop_absent({name: getattr(body, name) for name in ("presented_on", "due_on", "outcome", "reference")})


def _changes_of_attachment(body: EvidenceAttached) -> Changed:
    before, after = {"evidence": None}, {"evidence": body.document}
    if body.original_was_held:
        return {**before, "original_held": True}, {**after, "original_held": False}
    return before, after


def _changes_of_withdrawal(body: EvidenceWithdrawn) -> Changed:
    before: Fields = {"status": body.was, "evidence": body.document, "original_held": False}
    after: Fields = {"status": body.status, "evidence": None, "original_held": body.original_held}
    until = {} if body.status is body.was else {"lapses_on": body.lapses_on}
    before, after = _difference_of(before, after)
    return before, after | until


def _changes_of_restoration(body: EvidenceRestored) -> Changed:
    before = {"status": body.was, "evidence": None, "original_held": body.original_was_held}
    after = {"status": body.status, "evidence": body.document, "original_held": False}
    return _difference_of(before, after)


def _changes_of_note_withdrawal(body: NoteWithdrawn) -> Changed:
    after = {"status": body.status, "original_held": False, "lapses_on": body.lapses_on}
    return {"status": body.was, "original_held": True}, _drop_absent(after)


def _fields_of_rights(body: TokenCreated | UserAdded) -> Fields:
    return _drop_absent(
        {name: getattr(body, name) for name in ("role", "branch", "own_branch_only", "granted", "without")}
    )


def customers_in(rows: Sequence[HistoryRow]) -> set[UUID]:
    """References of the customers that rows name; with_customer_ids() needs the ids of these."""
    changes = [fields for row in rows for fields in (row.before, row.after)]
    subjects = {row.customer for row in rows if row.subject_kind == CUSTOMER and row.customer}
    return subjects | {UUID(str(fields[name])) for fields in changes for name in CUSTOMERS if fields.get(name)}


def with_customer_ids(row: HistoryRow, ids: Mapping[UUID, str]) -> HistoryRow:
    """The row with customers by the library system's own id, None for a customer that is no longer known."""
    before, after = ({**fields, **_ids_of(fields, ids)} for fields in (row.before, row.after))
    name = ids.get(row.customer) if row.subject_kind == CUSTOMER and row.customer else row.subject_name
    return msgspec.structs.replace(row, before=before, after=after, subject_name=name)


def _ids_of(fields: Fields, ids: Mapping[UUID, str]) -> Fields:
    return {name: ids.get(UUID(str(fields[name]))) for name in CUSTOMERS if fields.get(name)}


class EventSubject(msgspec.Struct, frozen=True):
    """A kind of subject: the function that gives its changes, and the field of its name, if it has one."""

    kind: str
    changed: Callable[[Any], Changed]
    name: str | None = None


# By the event's class. An event of a later release has no entry, so it is parked.
SUBJECTS: dict[type[Event], EventSubject] = {
    **dict.fromkeys(get_args(DocumentEvent), EventSubject("document", _changes_of_document)),
    **dict.fromkeys(get_args(AuthorizationEvent), EventSubject("authorization", _changes_of_authorization)),
    **dict.fromkeys(get_args(CustomerFileEvent), EventSubject(CUSTOMER, _changes_of_customer)),
    **dict.fromkeys(get_args(DisposalEvent), EventSubject("disposal", _changes_of_disposal)),
    **dict.fromkeys(get_args(ScanEvent), EventSubject("scan_session", _changes_of_scan)),
    **dict.fromkeys(get_args(TypeEvent), EventSubject("document_type", _changes_of_type, "code")),
    **dict.fromkeys(get_args(TokenEvent), EventSubject("token", _changes_of_token, "name")),
    **dict.fromkeys(get_args(UserEvent), EventSubject("user", _changes_of_user, "name")),
    **dict.fromkeys((CustomerExported, ArchiveExported), EventSubject("export", _changes_of_export)),
}


# The fields of `before` and `after` that come from sealed fields, by the kind of subject.
PERSONAL = {
    "document": frozenset(
        {
            "file_name", "sha256", "note", "received_on", "title", "ground", "external_id", "paper", "number_suffix",
        }
    ),
    "authorization": frozenset({"scan_code", "mandate", "note", "external_id", "shelf_mark", "reference"}),
}  # fmt: skip


def redact(row: HistoryRow) -> HistoryRow:
    """The row without personal values: the one that the same event makes when the paper's key is destroyed. An
    amendment has no other values."""
    names = PERSONAL.get(row.subject_kind, frozenset())
    amended = row.action == "mandate-amended"
    before, after = (
        {} if amended else {name: value for name, value in fields.items() if name not in names}
        for fields in (row.before, row.after)
    )
    return msgspec.structs.replace(row, reason=None, before=before, after=after)


class HistoryFold:
    """The fold. Each event makes one row on its own, so no row waits for another event."""

    def __init__(self) -> None:
        self._rows: list[HistoryRow] = []
        self._destroyed: dict[UUID, None] = {}

    def add_event(self, recorded: Recorded[Any], as_of: datetime) -> None:
        self._rows.append(row_of(recorded, as_of))
        if type(recorded.envelope.body) in DESTROYING:
            self._destroyed[recorded.envelope.originator_id] = None

    def take_rows(self, last: Mapping[UUID, int] | None = None) -> RowChanges:
        rows, destroyed = self._rows, self._destroyed
        self._rows, self._destroyed = [], {}
        if destroyed:
            rows = [redact(row) if row.subject_id in destroyed else row for row in rows]
        return RowChanges(rows, destroyed=[*destroyed])

    @property
    def pending_count(self) -> int:
        return 0


def _build_fold(stored: Iterable[Any]) -> HistoryFold:
    return HistoryFold()


VIEW = View(
    name=NAME,
    row=HistoryRow,
    key=("position",),
    json=("before", "after"),
    events=EVENTS,
    fold=_build_fold,
    read=HistoryRow,
    shape=2,
    redact=redact,
    paper="subject_id",
)


# -- queries ----------------------------------------------------------------------------------------------------


class HistoryFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which history: of a `customer` or a `subject`, or of all, narrowed by the other fields. `since` and `until` are
    inclusive."""

    customer: UUID | None = None
    subject: UUID | None = None
    actor: str | None = None
    action: str | None = None
    branch: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class HistoryPage(msgspec.Struct, frozen=True):
    """`position`: that of the view. `next`: the cursor of the next page, None at the end. `labels`: those of the
    papers' present types, by the papers' ids."""

    rows: list[HistoryRow]
    position: int
    next: str | None = None
    labels: dict[UUID, dict[str, str]] = {}


async def fetch_page(
    conn: AsyncConnection[Any],
    filters: HistoryFilters,
    rights: Rights,
    *,
    operations: bool = False,
    exports: bool = False,
    as_of: int | None = None,
    limit: int,
    cursor: str | None = None,
) -> HistoryPage:
    """The newest rows first. A paper's history is visible with its present type: hidden type, no history.

    Everyone who may read histories sees that of document types; `operations` adds that of tokens, users and scan
    sessions, `exports` that of exports.
    """
    place = read_cursor(cursor) if cursor else None
    bound = {
        **{name: getattr(filters, name) for name in HistoryFilters.__struct_fields__},
        "types": rights.types,
        "own_branch": rights.branch,
        "operations": operations,
        "exports": exports,
        "as_of": place.pinned if place else as_of,
        "before": place.last if place else None,
        "limit": limit + 1,
    }
    async with conn.cursor(row_factory=tuple_row) as c:
        await c.execute(_build_query(bound), bound, prepare=True)
        found = await c.fetchall()
    rows = [HistoryRow(*values[1:-1]) for values in found if values[1] is not None]
    labels = {row.subject_id: values[-1] for row, values in zip(rows, found, strict=False) if values[-1]}
    position = found[0][0]
    pinned = position if bound["as_of"] is None else bound["as_of"]
    following = write_cursor(pinned, rows[limit - 1].position) if len(rows) > limit else None
    return HistoryPage(rows[:limit], position, following, labels)


# The statement has only the given conditions, so that each is planned with the index that fits it. A customer's history
# includes events that moved papers away or linked them: a separate scan, because an OR would prevent use of its index.
CONDITIONS = {
    "customer": ("h.customer = %(customer)s", "h.other_customer = %(customer)s"),
    "subject": ("h.subject_id = %(subject)s",),
    "actor": ("h.actor = %(actor)s",),
    "action": ("h.action = %(action)s",),
    "branch": ("h.branch = %(branch)s",),
    "type": ("case h.subject_kind when 'document_type' then h.subject_name else d.type end = %(type)s",),
    "since": ("h.recorded_at >= %(since)s",),
    "until": ("h.recorded_at <= %(until)s",),
    "as_of": ("h.position <= %(as_of)s",),
    "before": ("h.position < %(before)s",),
}
QUERY = """
    select t.position, found.*
    from views.tracking as t
    left join lateral (
        select *
        from ({scans}) as scanned
        order by position desc
        limit %(limit)s
    ) as found on true
    where t.name = 'audit_history'
"""
# Rows joined with the present version of their papers, and the condition for rows that a reader may see.
SUBJECTED = """views.audit_history as h
        left join views.customer_documents as d on d.id = h.subject_id and d.to_position is null and not d.linked"""
VISIBLE = """d.type = any(%(types)s) and (%(own_branch)s::text is null or d.branch = %(own_branch)s)
            or h.subject_kind = 'document_type' and h.subject_name = any(%(types)s)
            or h.subject_kind = 'customer' and (%(own_branch)s::text is null or h.branch = %(own_branch)s)
            or h.subject_kind in ('token', 'user', 'scan_session') and %(operations)s
            or h.subject_kind in ('export', 'disposal') and %(exports)s
                and (%(own_branch)s::text is null or h.branch = %(own_branch)s)"""
SCAN = """(
        select {columns}, d.labels as labels_now
        from {subjected}
        where (
            {visible}
        )
        {conditions}
        order by h.position desc
        limit %(limit)s
    )"""


def _build_query(bound: Mapping[str, Any]) -> str:
    columns = ", ".join(f"h.{n}" for n in VIEW.columns)
    wanted = [alternatives for name, alternatives in CONDITIONS.items() if bound[name] is not None]
    parts = {"columns": columns, "subjected": SUBJECTED, "visible": VISIBLE}
    scans = [SCAN.format(**parts, conditions=_join_conditions(chosen)) for chosen in itertools.product(*wanted)]
    return QUERY.format(scans=" union all ".join(scans))


def _join_conditions(conditions: Iterable[str]) -> str:
    return "\n        ".join(f"and {condition}" for condition in conditions)
