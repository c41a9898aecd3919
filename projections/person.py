"""Everything about one person, as the payload of a bag (domain/bag.py): papers, contents, history, who looked.

A caller gets what it may see, and nothing tells of the rest. The payload is made a batch of papers at a time, all at
one position of the log. Other customers are never named. person_pages.py makes the pages for people.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from functools import partial
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from domain import authorization, document
from domain.access import Rights
from domain.administration import COMMAND, SYSTEM, Administration
from domain.authorization import AuthorizationEvent, CollectionReported
from domain.bag import BagPart
from domain.customer import Customer
from domain.document import ContentVersion, Document, DocumentEvent
from domain.document_type import DocumentType
from domain.envelope import Recorded
from domain.file_name import portable_name
from domain.moment import format_moment
from projections import audit_history, customer_documents
from projections.audit_history import HistoryFilters, HistoryRow
from projections.customer_documents import ItemContext, ListedPaper, PaperFilters
from projections.history_items import HistoryItem, history_item

PAPERS_AT_ONCE = 50
LINES_AT_ONCE = 200
SHOWN_PAPERS_MAX = 2_000
SHOWN_LINES_MAX = 500
"""The newest of each list that the pages for people show; the JSON files have all."""
OTHER = "other"
"""Stands for any customer but the one whose data this is."""
PAPERS = ("document", "authorization")
FREE_TEXT = ("file_name", "title", "note")
encode_line = msgspec.json.Encoder(decimal_format="number").encode


class PersonOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data, for whom, in which language.

    `customer` is None for one who is no longer in the register, `reference` for one without papers. `joint`: with the
    contents and free text of papers that also concern another person. `names`: staff by name, not only by role.
    """

    customer_id: str
    customer: Customer | None
    reference: UUID | None
    rights: Rights
    types: Mapping[str, DocumentType]
    administration: Administration
    language: str
    now: datetime
    today: date
    zone: ZoneInfo
    institution: str
    joint: bool = True
    names: bool = False


class PersonSources(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data is read. `load_recorded` gives the events of streams up to a position, `read_access` lines of the
    access log before a line, `read_content` plain bytes (None: the key was destroyed); it is called while a part is
    written."""

    connection: Callable[[], AbstractAsyncContextManager[Any]]
    load_recorded: Callable[[Sequence[UUID], int], Awaitable[Sequence[Recorded[Any]]]]
    read_access: Callable[..., Awaitable[tuple[Sequence[Any], int | None]]]
    read_content: Callable[[UUID, UUID, int, int, int], Iterator[bytes] | None]


class ShownPaper(msgspec.Struct, kw_only=True):
    """A paper as the pages for people show it. `files` are added while they are written."""

    number: int
    item: Mapping[str, Any]
    joint: bool
    collection: Mapping[str, Any] | None
    collections: Sequence[Mapping[str, Any]]
    files: list[str] = msgspec.field(default_factory=list)


class Shown(msgspec.Struct):
    """What the pages for people show; the counts tell what they leave out."""

    papers: list[ShownPaper] = msgspec.field(default_factory=list)
    history: list[Mapping[str, Any]] = msgspec.field(default_factory=list)
    looks: list[Mapping[str, Any]] = msgspec.field(default_factory=list)
    paper_count: int = 0
    history_count: int = 0
    look_count: int = 0
    numbers: dict[str, int] = msgspec.field(default_factory=dict)


class StoredPaper(msgspec.Struct, frozen=True, kw_only=True):
    """A listed paper with the state of its document and its authorization, as far as it has them."""

    item: dict[str, Any]
    document_id: UUID
    document: Document | None
    authorization: authorization.Authorization | None
    collections: Sequence[Mapping[str, Any]]

    @property
    def is_joint(self) -> bool:
        return self.document is not None and bool(self.document.linked)


class PersonExport:
    """One export. Read parts() to its end, then `shown` is complete."""

    def __init__(self, order: PersonOrder, sources: PersonSources) -> None:
        self._order, self._from = order, sources
        self._position: int | None = None
        self._own: set[UUID] = set()
        self._joint: set[UUID] = set()
        self._elsewhere: list[UUID] = []
        self.shown = Shown()

    async def parts(self) -> AsyncIterator[Sequence[BagPart]]:
        """The parts of the payload, batch by batch; each is written before the next is asked for."""
        yield [_text_part("person.json", msgspec.json.format(encode_line(self._facts()), indent=1))]
        async for papers in self._papers():
            for paper in papers:
                yield self._parts_of(paper)
        async for part in _array("history.json", self._history()):
            yield [part]
        async for part in _array("viewed.json", self._looks()):
            yield [part]

    def _facts(self) -> dict[str, Any]:
        order = self._order
        return {
            "customer": order.customer or {"id": order.customer_id},
            "library": order.institution,
            "exported_at": format_moment(order.now),
            "joint_papers": "included" if order.joint else "left_out",
        }

    # -- papers -------------------------------------------------------------------------------------------------

    async def _papers(self) -> AsyncIterator[list[StoredPaper]]:
        order, cursor = self._order, None
        while order.reference is not None:
            async with self._from.connection() as conn:
                page = await customer_documents.fetch_page(
                    conn,
                    order.reference,
                    order.rights,
                    PaperFilters(),
                    as_of=None,
                    limit=PAPERS_AT_ONCE,
                    cursor=cursor,
                )
            self._position = page.position if self._position is None else self._position
            yield await self._with_events(page.rows, self._position)
            cursor = page.next
            if cursor is None:
                return

    async def _with_events(self, rows: Sequence[ListedPaper], position: int) -> list[StoredPaper]:
        order = self._order
        birth_date = order.customer.birth_date if order.customer else None
        reader = ItemContext(types=order.types, language=order.language, today=order.today, birth_date=birth_date)
        items = [msgspec.json.decode(raw) for raw in customer_documents.render_items(rows, reader)]
        streams = [UUID(text) for item in items for text in (item["id"], item["evidence"]) if text]
        events: dict[UUID, list[Recorded[Any]]] = {stream: [] for stream in streams}
        for recorded in await self._from.load_recorded(streams, position) if streams else ():
            events[recorded.envelope.originator_id].append(recorded)
        return [self._stored(item, events) for item in items]

    def _stored(self, item: dict[str, Any], events: Mapping[UUID, Sequence[Recorded[Any]]]) -> StoredPaper:
        own = events[UUID(item["id"])]
        document_id = UUID(item["evidence"] or item["id"])
        state = document.fold(_bodies(events[document_id], DOCUMENT_EVENTS))
        return StoredPaper(
            item=item,
            document_id=document_id,
            document=state if state and self._may_see(state, events[document_id]) else None,
            authorization=authorization.fold(_bodies(own, AUTHORIZATION_EVENTS)),
            collections=[
                audit_history.row_of(r, r.recorded_at).after
                for r in own
                if isinstance(r.envelope.body, CollectionReported)
            ],
        )

    def _may_see(self, state: Document, events: Sequence[Recorded[Any]]) -> bool:
        return self._order.rights.may_see(state.type.code, events[0].envelope.meta.branch)

    def _parts_of(self, paper: StoredPaper) -> list[BagPart]:
        shown, left_out = self._note_paper(paper), paper.is_joint and not self._order.joint
        folder = f"papers/{shown.number:04d}-{portable_name(paper.item['type']).lower()}"
        contents: list[dict[str, Any]] = []
        files = paper.document.files if paper.document else ()
        parts = [
            BagPart(
                path := f"{folder}/{n}-{portable_name(file.name or 'content')}",
                partial(self._read_file, paper, file, n, shown, contents, path, left_out=left_out),
                compress=False,
            )
            for n, file in enumerate(files, start=1)
        ]
        return [*parts, BagPart(f"{folder}/paper.json", lambda: [self._paper_text(shown, contents)])]

    def _note_paper(self, paper: StoredPaper) -> ShownPaper:
        shown, order = self.shown, self._order
        shown.paper_count += 1
        item = {name: value for name, value in paper.item.items() if name != "actor"}
        if paper.is_joint:
            self._note_joint(paper)
            if not order.joint:
                item |= dict.fromkeys(FREE_TEXT if item["kind"] == "document" else FREE_TEXT[:2])
        item["by"] = self._by(paper.item["actor"])
        self._own |= {UUID(item["id"]), paper.document_id}
        state = paper.authorization
        noted = ShownPaper(
            number=shown.paper_count,
            item=item,
            joint=paper.is_joint,
            collection=msgspec.to_builtins(state.mandate) if state and state.mandate else None,
            collections=msgspec.to_builtins(paper.collections),
        )
        if len(shown.papers) < SHOWN_PAPERS_MAX:
            shown.papers.append(noted)
            shown.numbers |= dict.fromkeys((item["id"], str(paper.document_id)), noted.number)
        return noted

    def _note_joint(self, paper: StoredPaper) -> None:
        self._joint.add(paper.document_id)
        if paper.document and paper.document.customer != self._order.reference:
            self._elsewhere.append(paper.document_id)

    def _read_file(
        self,
        paper: StoredPaper,
        file: ContentVersion,
        number: int,
        shown: ShownPaper,
        contents: list[dict[str, Any]],
        path: str,
        *,
        left_out: bool,
    ) -> Iterable[bytes] | None:
        """The plain bytes of a content version, noted in `contents`; None if it is left out or destroyed."""
        content = file.content
        read = None if left_out else self._from.read_content(
            paper.document_id, content.id, content.sealed_size_bytes, 0, content.size_bytes - 1
        )  # fmt: skip
        told: dict[str, Any] = {"content_version": number, "media_type": content.media_type}
        if read is not None:
            shown.files.append(path)
            digest = file.sha256.hex() if file.sha256 else None
            told |= {"file": path.rpartition("/")[2], "size_bytes": content.size_bytes, "sha256": digest}
            told["file_name"] = file.name
        contents.append({**told, "state": "included" if read else "left_out" if left_out else "destroyed"})
        return read

    def _paper_text(self, shown: ShownPaper, contents: Sequence[Mapping[str, Any]]) -> bytes:
        facts: dict[str, Any] = {"paper": shown.item, "joint": shown.joint, "contents": contents}
        if shown.item["kind"] != "document":
            facts |= {"mandate": shown.collection, "collections": shown.collections}
        return msgspec.json.format(encode_line(facts), indent=1)

    # -- history and reads ----------------------------------------------------------------------------------------

    async def _history(self) -> AsyncIterator[list[Mapping[str, Any]]]:
        """What was done with the person's papers, the newest first; then what was done with papers of another person
        that also concern this one."""
        reference = self._order.reference
        if reference is None:
            return
        async for rows in self._history_of(HistoryFilters(customer=reference)):
            yield self._note_history(rows)
        for paper in self._elsewhere:
            async for rows in self._history_of(HistoryFilters(subject=paper)):
                yield self._note_history([r for r in rows if reference not in (r.customer, r.other_customer)])

    async def _history_of(self, filters: HistoryFilters) -> AsyncIterator[list[HistoryRow]]:
        cursor = None
        while True:
            async with self._from.connection() as conn:
                page = await audit_history.fetch_page(
                    conn,
                    filters,
                    self._order.rights,
                    exports=True,
                    as_of=self._position,
                    limit=LINES_AT_ONCE,
                    cursor=cursor,
                )
            yield page.rows
            cursor = page.next
            if cursor is None:
                return

    def _note_history(self, rows: Sequence[HistoryRow]) -> list[Mapping[str, Any]]:
        told: list[Mapping[str, Any]] = [
            self._history_line(history_item(self._without_others(row), whole_iban=True)) for row in rows
        ]
        self.shown.history_count += len(told)
        self.shown.history += told[: SHOWN_LINES_MAX - len(self.shown.history)]
        return told

    def _without_others(self, row: HistoryRow) -> HistoryRow:
        """The row without other customers. Of a paper that was moved to another person, and of a joint paper that is
        left out, only the customers stay."""
        if (row.subject_id in self._joint and not self._order.joint) or self._is_of_another(row):
            row = _only_customers(row)
        own = {self._order.reference: self._order.customer_id} if self._order.reference else {}
        named = audit_history.with_customer_ids(row, own)
        before, after = (
            {name: OTHER if name in audit_history.CUSTOMERS and was[name] and value is None else value
             for name, value in fields.items()}
            for was, fields in ((row.before or {}, named.before or {}), (row.after or {}, named.after or {}))
        )  # fmt: skip
        return msgspec.structs.replace(named, before=before, after=after)

    def _is_of_another(self, row: HistoryRow) -> bool:
        return row.subject_kind in PAPERS and row.subject_id not in self._own

    def _history_line(self, item: HistoryItem) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(item)
        told["by"] = self._by(told.pop("actor"))
        return told

    async def _looks(self) -> AsyncIterator[list[Mapping[str, Any]]]:
        """Who read what, the newest first; then the reads of papers of another person that also concern this one."""
        reference = self._order.reference
        if reference is None:
            return
        async for lines in self._looks_at(customer=reference, paper=None):
            yield self._note_looks(lines)
        for paper in self._elsewhere:
            async for lines in self._looks_at(customer=None, paper=paper):
                yield self._note_looks([line for line in lines if line.customer != reference])

    async def _looks_at(self, **about: UUID | None) -> AsyncIterator[Sequence[Any]]:
        before: int | None = None
        while True:
            lines, before = await self._from.read_access(
                self._order.rights, limit=LINES_AT_ONCE, before=before, **about
            )
            yield lines
            if before is None:
                return

    def _note_looks(self, lines: Sequence[Any]) -> list[Mapping[str, Any]]:
        told: list[Mapping[str, Any]] = [
            {
                "at": format_moment(line.at),
                "action": line.action,
                "by": self._by(line.actor),
                "branch": line.branch,
                "document": line.document and str(line.document),
                "authorization": line.authorization and str(line.authorization),
                "page": line.page,
            }
            for line in lines
        ]
        self.shown.look_count += len(told)
        self.shown.looks += told[: SHOWN_LINES_MAX - len(self.shown.looks)]
        return told

    def _by(self, actor: str) -> dict[str, str]:
        """The role of a staff member or program, and its name if the order says so."""
        role = role_of(actor, self._order.administration)
        return {"role": role, "name": actor} if self._order.names else {"role": role}


def _only_customers(row: HistoryRow) -> HistoryRow:
    before, after = (
        {name: value for name, value in (fields or {}).items() if name in audit_history.CUSTOMERS}
        for fields in (row.before, row.after)
    )
    return msgspec.structs.replace(row, before=before, after=after, reason=None)


def role_of(actor: str, administration: Administration) -> str:
    """The present role of an actor; `system` for the archive itself, `command` for its command line, else `unknown`."""
    if actor == SYSTEM:
        return SYSTEM
    if actor.startswith(COMMAND):
        return "command"
    if token := administration.tokens.get(actor):
        return str(token.principal.role)
    user = administration.user_named(actor)
    return str(user.principal.role) if user else "unknown"


DOCUMENT_EVENTS = get_args(DocumentEvent)
AUTHORIZATION_EVENTS = get_args(AuthorizationEvent)


def _bodies(recorded: Iterable[Recorded[Any]], kinds: tuple[type[Any], ...]) -> Iterator[Any]:
    return (r.envelope.body for r in recorded if isinstance(r.envelope.body, kinds))


def _text_part(path: str, text: bytes) -> BagPart:
    return BagPart(path, lambda: [text])


async def _array(path: str, pages: AsyncIterator[list[Mapping[str, Any]]]) -> AsyncIterator[BagPart]:
    """A JSON array, one entry a line, written page by page."""
    between = b"[\n"
    async for page in pages:
        if page:
            yield _text_part(path, between + b",\n".join(map(encode_line, page)))
            between = b",\n"
    yield _text_part(path, b"[]\n" if between == b"[\n" else b"\n]\n")
