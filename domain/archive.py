"""The use cases: load the states they touch, decide, append all events in one save. store/ fills the ports.

Everything a caller is told comes out of what these return, and they return only after the commit.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

import msgspec

from domain import administration, authorization, document, document_type
from domain.access import Rights
from domain.administration import Administration
from domain.authorization import AttachEvidence, Mandate, Register, Terms
from domain.document import ArchiveDocument, Description, Document, NoteSeen
from domain.document_type import DefineType, DocumentType
from domain.envelope import Envelope, Meta, Recorded
from domain.iban import bic, creditor_id, iban, mandate_reference
from domain.ports import (
    AlreadyClaimed,
    Appended,
    Claim,
    Clock,
    CommandKey,
    Contents,
    CustomerDirectory,
    Earlier,
    EventLog,
    Ids,
    KeyRing,
    Owner,
    OwnerRaced,
    Replayed,
    VersionConflict,
)
from domain.refusals import (
    N_,
    CustomerErased,
    CustomerUnknown,
    DocumentTypeUnknown,
    DuplicateContent,
    ExternalIdTaken,
    FieldError,
    FilePasswordProtected,
    FileTypeNotAllowed,
    MandateExists,
    MandateReferenceTaken,
    NotFound,
    PreconditionFailed,
    Refusal,
    Unavailable,
    ValidationFailed,
)
from domain.values import Content, Kind, Source

T = TypeVar("T")
ATTEMPTS = 5
TYPE_TOPICS = [t.topic for t in (document_type.DocumentTypeDefined, document_type.DocumentTypeChanged)]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, for which branch, under which Idempotency-Key (None: the caller did not send one)."""

    actor: str
    branch: str
    correlation_id: UUID
    idempotency_key: str | None = None


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A received file after paper/ looked at it. `file` is read from its start."""

    file: BinaryIO
    name: str | None
    size_bytes: int
    sha256: bytes
    media_type: str
    pages: int | None
    preview: bool
    password_protected: bool
    flags: tuple[str, ...]


class ArchiveFile(msgspec.Struct, frozen=True, kw_only=True):
    customer: str
    type: str
    received_on: date | None = None
    note: str | None = None
    ground: str | None = None
    external_id: str | None = None
    duplicate_allowed: bool = False


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a paper that is not kept: its kind, the last digits of its number, the day."""

    paper: str
    number_suffix: str
    seen_on: date


class NoteAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    customer: str
    type: str
    original_held: bool = False
    shelf_mark: str | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    mandate: Mandate | None = None
    verification: Verification | None = None
    note: str | None = None
    external_id: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """The events of one command as the log has them. `replayed`: they are those of the first request."""

    customer: str
    recorded: Sequence[Recorded[Any]]
    replayed: bool = False

    @property
    def position(self) -> int:
        return self.recorded[-1].position


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """All parts that the use cases need. `creditor` is the institution's own SEPA creditor identifier."""

    log: EventLog
    keys: KeyRing
    contents: Contents
    customers: CustomerDirectory
    clock: Clock
    ids: Ids
    creditor: str | None = None

    # -- Select file ------------------------------------------------------------------------------------------

    def archive_file(self, order: ArchiveFile, file: Examined, caller: Caller) -> Outcome:
        """Select file (C1 to C8): content first, then its event. An authorization type gets its authorization too."""
        command = self._command(caller, order, file.sha256)
        if earlier := self._earlier(command):
            return earlier
        kind = self._type(order.type)
        self._refuse_file(kind, order, file)
        self._require_customer(order.customer)
        return self._repeated(lambda: self._archive_file(order, kind, file, caller, command))

    def _archive_file(
        self, order: ArchiveFile, kind: DocumentType, file: Examined, caller: Caller, command: CommandKey | None
    ) -> Outcome:
        owner = self.keys.owner(order.customer)
        paper, content_id = self.ids.new(), self.ids.new()
        self.keys.new_paper(paper)
        content = self._store(paper, content_id, file)
        try:
            outcome = self._append_file(order, kind, file, content, owner, paper, caller, command)
        except Unavailable:
            raise  # the commit may have happened: the sweeper decides, a day later
        except (Refusal, OwnerRaced, VersionConflict):
            self.contents.drop(content_id)
            raise  # after any other error nobody knows either
        if outcome.replayed:  # a twin was quicker, and its content is the one that is named
            self.contents.drop(content_id)
        return outcome

    def _store(self, paper: UUID, content_id: UUID, file: Examined) -> Content:
        stored = self.contents.put(paper, content_id, file.file)
        if (stored.size_bytes, stored.sha256) != (file.size_bytes, file.sha256):
            raise RuntimeError("the file changed while it was stored")
        return Content(
            id=content_id,
            media_type=file.media_type,
            size_bytes=stored.size_bytes,
            sealed_size_bytes=stored.sealed_size_bytes,
            sealed_sha256=stored.sealed_sha256,
            pages=file.pages,
            preview=file.preview,
            password_protected=file.password_protected,
            flags=file.flags,
        )

    def _append_file(
        self,
        order: ArchiveFile,
        kind: DocumentType,
        file: Examined,
        content: Content,
        owner: Owner,
        paper: UUID,
        caller: Caller,
        command: CommandKey | None,
    ) -> Outcome:
        received = order.received_on or self.clock.today()
        needs_authorization = kind.definition.kind is not Kind.DOCUMENT
        statement = self.ids.new() if needs_authorization else None
        archive = ArchiveDocument(
            customer=owner.reference,
            type=kind,
            source=Source.FILE,
            content=content,
            sha256=file.sha256,
            file_name=file.name,
            description=Description(order.note, received),
            evidence_of=statement,
            ground=order.ground,
            external_id=order.external_id,
        )
        archived = _in(paper, document.decide(None, archive))
        events = archived if statement is None else self._beside(order, kind, owner, statement, paper, archived)
        claims = [
            Claim(
                kind="content",
                digest=self.keys.digest_within(owner, file.sha256),
                owner=paper,
                shared=order.duplicate_allowed,
            ),
            *self._external(order.external_id, statement or paper),
        ]
        return self._append(events, owner, claims, caller, command)

    def _beside(
        self,
        order: ArchiveFile,
        kind: DocumentType,
        owner: Owner,
        statement: UUID,
        paper: UUID,
        archived: "Steps",
    ) -> "Steps":
        """The authorization of a file that is itself the evidence: noted, archived and evidenced in one save."""
        today = self.clock.today()
        register = Register(
            customer=owner.reference,
            type=kind,
            source=Source.FILE,
            original_held=False,
            shelf_mark=None,
            terms=Terms(signed_on=min(order.received_on or today, today)),
            today=today,
            note=order.note,
            external_id=order.external_id,
        )
        self.keys.new_paper(statement)
        registered = authorization.decide(None, register)
        state = authorization.fold(registered)
        attached = authorization.decide(state, AttachEvidence(paper))
        return [*_in(statement, registered), *archived, *_in(statement, attached)]

    def _refuse_file(self, kind: DocumentType, order: ArchiveFile, file: Examined) -> None:
        """All that can be refused before a byte of content is stored."""
        document.require_archivable(kind, Source.FILE, order.ground)
        if file.password_protected and not kind.definition.password_protected_allowed:
            raise FilePasswordProtected
        allowed = kind.definition.media_types
        if allowed and file.media_type not in allowed:
            raise FileTypeNotAllowed(found=file.media_type)
        if order.received_on is not None and order.received_on > self.clock.today():
            raise ValidationFailed(FieldError("/form/received_on", N_("must not be in the future")))

    # -- No upload --------------------------------------------------------------------------------------------

    def note_authorization(self, order: NoteAuthorization, caller: Caller) -> Outcome:
        """No upload (D1 to D7): an authorization without a file, or what was seen of a paper that is not kept."""
        command = self._command(caller, order)
        if earlier := self._earlier(command):
            return earlier
        kind = self._type(order.type)
        self._require_customer(order.customer)
        note = self._note_seen if kind.definition.verify_only else self._register
        return self._repeated(lambda: note(order, kind, self.keys.owner(order.customer), caller, command))

    def _note_seen(
        self, order: NoteAuthorization, kind: DocumentType, owner: Owner, caller: Caller, command: CommandKey | None
    ) -> Outcome:
        if order.verification is None:
            raise ValidationFailed(FieldError("/verification", N_("is needed: say what was seen")))
        if order.verification.seen_on > self.clock.today():
            raise ValidationFailed(FieldError("/verification/seen_on", N_("must not be in the future")))
        paper = self.ids.new()
        seen = NoteSeen(
            customer=owner.reference,
            type=kind,
            paper=order.verification.paper,
            number_suffix=order.verification.number_suffix,
            seen_on=order.verification.seen_on,
            note=order.note,
            external_id=order.external_id,
        )
        self.keys.new_paper(paper)
        claims = self._external(order.external_id, paper)
        return self._append(_in(paper, document.decide(None, seen)), owner, claims, caller, command)

    def _register(
        self, order: NoteAuthorization, kind: DocumentType, owner: Owner, caller: Caller, command: CommandKey | None
    ) -> Outcome:
        statement, today = self.ids.new(), self.clock.today()
        mandate = self._mandate(order, statement, kind)
        signed = (mandate.signature_date if mandate else None) or order.signed_on or today
        register = Register(
            customer=owner.reference,
            type=kind,
            source=Source.NONE,
            original_held=order.original_held,
            shelf_mark=order.shelf_mark,
            terms=Terms(signed_on=signed, valid_from=order.valid_from, valid_until=order.valid_until),
            today=today,
            mandate=mandate,
            note=order.note,
            external_id=order.external_id,
        )
        events = authorization.decide(None, register)
        self.keys.new_paper(statement)
        claims = [*self._external(order.external_id, statement), *self._mandate_claims(mandate, owner, statement)]
        return self._append(_in(statement, events), owner, claims, caller, command)

    def _mandate(self, order: NoteAuthorization, statement: UUID, kind: DocumentType) -> Mandate | None:
        """The collection data with every number checked; a reference is made when the caller gives none."""
        given = order.mandate
        if given is None or kind.definition.kind is not Kind.MANDATE:
            return given
        creditor = given.creditor_id or self.creditor
        return msgspec.structs.replace(
            given,
            iban=iban(given.iban) if given.iban else None,
            bic=bic(given.bic) if given.bic else None,
            mandate_reference=mandate_reference(given.mandate_reference or f"M{statement.hex.upper()}"),
            creditor_id=creditor_id(creditor) if creditor else None,
            signature_date=given.signature_date or order.signed_on or self.clock.today(),
        )

    def _mandate_claims(self, mandate: Mandate | None, owner: Owner, statement: UUID) -> list[Claim]:
        """I6: a UMR is unique; at most one active mandate per customer, creditor and IBAN."""
        if mandate is None or mandate.mandate_reference is None:
            return []
        claims = [self._claim("mandate-reference", mandate.mandate_reference.upper(), statement)]
        if mandate.iban:
            account = f"{owner.reference}|{mandate.creditor_id or ''}|{mandate.iban}"
            claims.append(self._claim("mandate", account, statement))
        return claims

    # -- Corrections ------------------------------------------------------------------------------------------

    def correct(
        self, paper: UUID, command: document.Command, caller: Caller, *, rights: Rights, expected_version: int | None
    ) -> Outcome:
        """Describe, reclassify, withdraw or restore a document that the caller may see and read at that version."""
        key = self._command(caller, paper, *_asked(command))
        if earlier := self._earlier(key):
            return earlier
        state = self._document(paper, rights)
        if expected_version not in (None, state.version):
            raise PreconditionFailed(version=state.version)
        events = document.decide(state, command)
        owner = Owner(self._customer_id(state.customer), state.customer, fresh=False)
        if not events:
            return Outcome(owner.customer_id, self.log.load_recorded([paper], MAX_POSITION))
        try:
            outcome = self._append(_in(paper, events), owner, [], caller, key, known={paper: state.version})
        except VersionConflict:
            raise PreconditionFailed(version=self._document(paper, rights).version) from None
        return msgspec.structs.replace(outcome, recorded=self.log.load_recorded([paper], outcome.position))

    def _document(self, paper: UUID, rights: Rights) -> Document:
        envelopes = self.log.load(paper)
        state = document.fold(e.body for e in envelopes if isinstance(e.body, document.DocumentEvent))
        if state is None or not rights.see(state.type.code, envelopes[0].meta.branch):
            raise NotFound
        return state

    def is_visible(self, paper: UUID, rights: Rights) -> bool:
        """Whether a document or an authorization exists for this reader, asked of the log: no view lags behind it."""
        envelopes = self.log.load(paper)
        state = document.fold(e.body for e in envelopes if isinstance(e.body, document.DocumentEvent)) or (
            authorization.fold(e.body for e in envelopes if isinstance(e.body, authorization.AuthorizationEvent))
        )
        return state is not None and rights.see(state.type.code, envelopes[0].meta.branch)

    # -- Catalogues -------------------------------------------------------------------------------------------

    def types(self) -> dict[str, DocumentType]:
        return document_type.fold(e.body for e in self.log.load_topics(TYPE_TOPICS))

    def define_type(self, command: DefineType, caller: Caller, *, expected_version: int | None = None) -> bool:
        """Add or change a document type; False when nothing changes. Durable on return."""
        stream = document_type.stream_of(command.code)

        def attempt() -> bool:
            state = document_type.fold(e.body for e in self.log.load(stream)).get(command.code)
            version = state.version if state else 0
            if expected_version not in (None, version):
                raise PreconditionFailed(version=version)
            return self._append_catalogue(stream, version, document_type.decide(state, command), caller)

        return self._repeated(attempt)

    def ship_types(self, shipped: Mapping[str, document_type.Definition], caller: Caller) -> list[str]:
        """Define the types that the archive brings and that were never defined; what people changed stays."""
        known = self.types()
        return [code for code in shipped if code not in known and self._ship(code, shipped[code], caller)]

    def _ship(self, code: str, definition: document_type.Definition, caller: Caller) -> bool:
        try:
            return self.define_type(DefineType(code, definition), caller, expected_version=0)
        except PreconditionFailed:
            return False  # somebody was quicker

    def access(self) -> Administration:
        return administration.fold(e.body for e in self.log.load(administration.STREAM))

    def administer(self, command: administration.Command, caller: Caller) -> bool:
        """Create or revoke a token; False when nothing changes. Durable on return."""

        def attempt() -> bool:
            state = self.access()
            events = administration.decide(state, command)
            return self._append_catalogue(administration.STREAM, state.version, events, caller)

        return self._repeated(attempt)

    def _append_catalogue(self, stream: UUID, version: int, events: Sequence[Any], caller: Caller) -> bool:
        if events:
            self.log.append(self._envelopes(_in(stream, events), caller, known={stream: version}))
        return bool(events)

    # -- What all use cases share -----------------------------------------------------------------------------

    def _append(
        self,
        events: "Steps",
        owner: Owner,
        claims: Sequence[Claim],
        caller: Caller,
        command: CommandKey | None,
        *,
        known: Mapping[UUID, int] | None = None,
    ) -> Outcome:
        envelopes = self._envelopes(events, caller, known=known or {})
        papers = {} if known else dict.fromkeys((stream for stream, _ in events), owner)
        try:
            appended = self.log.append(envelopes, claims=claims, papers=papers, command=command)
        except AlreadyClaimed as taken:
            raise _refusal_of(taken) from None
        except Replayed as replayed:
            return self._outcome(replayed.earlier)
        return Outcome(owner.customer_id, _recorded(envelopes, appended))

    def _envelopes(self, events: "Steps", caller: Caller, *, known: Mapping[UUID, int]) -> list[Envelope[Any]]:
        meta = Meta(caller.actor, caller.branch, self.clock.now(), self.ids.new(), caller.correlation_id)
        versions = dict(known)
        envelopes = []
        for stream, body in events:
            versions[stream] = versions.get(stream, 0) + 1
            envelopes.append(Envelope(stream, versions[stream], body, meta))
        return envelopes

    def _command(self, caller: Caller, *parts: object) -> CommandKey | None:
        if caller.idempotency_key is None:
            return None
        body = self.keys.digest("command", msgspec.msgpack.encode((caller.branch, parts)))
        return CommandKey(caller.actor, caller.idempotency_key, body)

    def _earlier(self, command: CommandKey | None) -> Outcome | None:
        """Looked up before deciding: a second Save must not be refused as a duplicate of the first."""
        earlier = self.log.earlier(command) if command else None
        return self._outcome(earlier) if earlier else None

    def _outcome(self, earlier: Earlier) -> Outcome:
        recorded = self.log.load_recorded(earlier.papers, earlier.position)
        reference = recorded[0].envelope.body.customer
        return Outcome(self._customer_id(reference), recorded, replayed=True)

    def _customer_id(self, reference: UUID) -> str:
        found = self.keys.customer_ids([reference])
        if reference not in found:
            raise CustomerErased
        return found[reference]

    def _repeated(self, attempt: Callable[[], T]) -> T:
        """Two first papers race for a customer's reference, two changes for a catalogue: the loser goes again."""
        for _ in range(ATTEMPTS - 1):
            try:
                return attempt()
            except (OwnerRaced, VersionConflict):
                continue
        return attempt()

    def _type(self, code: str) -> DocumentType:
        kind = self.types().get(code)
        if kind is None:
            raise DocumentTypeUnknown(type=code)
        return kind

    def _require_customer(self, customer: str) -> None:
        if not self.customers.exists(customer):
            raise CustomerUnknown

    def _external(self, external_id: str | None, paper: UUID) -> list[Claim]:
        return [self._claim("external-id", external_id, paper)] if external_id else []

    def _claim(self, kind: str, value: str, owner: UUID) -> Claim:
        return Claim(kind=kind, digest=self.keys.digest(kind, value.encode()), owner=owner)


MAX_POSITION = 2**63 - 1
Steps = Sequence[tuple[UUID, Any]]
"""Events, each with its stream, in the order in which they enter the log."""


def _in(stream: UUID, events: Sequence[Any]) -> Steps:
    return [(stream, event) for event in events]


def _asked(command: document.Command) -> tuple[object, ...]:
    """A correction as its Idempotency-Key knows it: whatever the day it is sent again, and the type then."""
    name = type(command).__name__
    match command:
        case document.Describe():
            return name, msgspec.structs.replace(command, today=date.min)
        case document.Reclassify(type=kind, reason=reason):
            return name, kind.code, reason
    return name, command


def _recorded(envelopes: Sequence[Envelope[Any]], appended: Appended) -> list[Recorded[Any]]:
    pairs = zip(appended.positions, envelopes, strict=True)
    return [Recorded(position, appended.recorded_at, envelope) for position, envelope in pairs]


def _refusal_of(taken: AlreadyClaimed) -> Exception:
    existing = {"existing": str(taken.owner)}
    match taken.kind:
        case "content":
            return DuplicateContent(extra=existing)
        case "external-id":
            return ExternalIdTaken(extra=existing)
        case "mandate":
            return MandateExists(extra=existing)
        case "mandate-reference":
            return MandateReferenceTaken()
    raise AssertionError(f"a claim of an unknown kind: {taken.kind}")
