"""Select file and No upload: documents and authorizations for a customer, with or without a file or a scan code."""

from collections.abc import Callable
from datetime import date
from typing import Any, BinaryIO, Protocol, TypeVar
from uuid import UUID

import msgspec

from domain import authorization, document
from domain.access import NO_RIGHTS, Rights
from domain.authorization import AttachEvidence, Authorization, NoteSigned, Register, Terms
from domain.check_tokens import CheckTokens
from domain.document import ArchiveDocument, Description, NoteSeen
from domain.document_type import DocumentType
from domain.mandate import Mandate
from domain.ports import Claim, CommandKey, CustomerReference, CustomerReferenceRaced, VersionConflict
from domain.refusals import (
    N_,
    FieldError,
    FilePasswordProtected,
    FileTypeNotAllowed,
    Refusal,
    ScanCodeOtherCustomer,
    Unavailable,
    ValidationFailed,
)
from domain.use_cases import Caller, Change, Outcome, in_stream, merge_changes
from domain.values import Content, Kind, Source


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A received file and what paper/ found in it. `file` is read from its start."""

    file: BinaryIO
    name: str | None
    size_bytes: int
    sha256: bytes
    media_type: str
    pages: int | None
    preview: bool
    password_protected: bool
    flags: tuple[str, ...]


class Received(Protocol):
    """A received file, complete and hashed, not yet examined."""

    @property
    def name(self) -> str: ...

    @property
    def file(self) -> BinaryIO: ...

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> bytes: ...


class Finding(Protocol):
    """The findings of paper/ about a content."""

    @property
    def media_type(self) -> str: ...

    @property
    def pages(self) -> int | None: ...

    @property
    def preview(self) -> bool: ...

    @property
    def password_protected(self) -> bool: ...

    @property
    def flags(self) -> tuple[str, ...]: ...


def build_examined(received: Received, found: Finding) -> Examined:
    """A received file with its findings."""
    return Examined(
        file=received.file,
        name=received.name or None,
        size_bytes=received.size,
        sha256=received.sha256,
        media_type=found.media_type,
        pages=found.pages,
        preview=found.preview,
        password_protected=found.password_protected,
        flags=found.flags,
    )


class ArchiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """The order to archive a file. `authorization`: the file is its signed form, found by the scan code; customer and
    type may then be omitted. `check_token`: the token of that code's Check; without one no Check is required. `source`:
    how the file was made."""

    customer: str | None = None
    type: str | None = None
    authorization: UUID | None = None
    check_token: str | None = None
    received_on: date | None = None
    signed_on: date | None = None
    note: str | None = None
    ground: str | None = None
    external_id: str | None = None
    duplicate_allowed: bool = False
    source: Source = Source.FILE


class SeenPaper(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a paper that was seen and is not kept: its kind, the last digits of its number, the day."""

    paper: str
    number_suffix: str
    seen_on: date


class NoteAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """The order to note an authorization without a file. `authorization`: it was issued with a form, found by the scan
    code; customer and type may then be omitted. `check_token` as for ArchiveFile."""

    customer: str | None = None
    type: str | None = None
    authorization: UUID | None = None
    check_token: str | None = None
    original_held: bool = False
    shelf_mark: str | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    mandate: Mandate | None = None
    verification: SeenPaper | None = None
    note: str | None = None
    external_id: str | None = None
    last_collection_on: date | None = None


Order = TypeVar("Order", ArchiveFile, NoteAuthorization)


class FilingAnswer(Protocol):
    """The result of a use case. `replayed`: it repeats the result of the first request with this Idempotency-Key."""

    @property
    def replayed(self) -> bool: ...


A = TypeVar("A", bound=FilingAnswer)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A paper about to be appended: its id and content, its owner, and the authorization that it is evidence of."""

    paper: UUID
    owner: CustomerReference
    type: DocumentType
    content: Content
    sha256: bytes
    file_name: str | None
    statement: UUID | None = None


NOTHING = Change(steps=())


class FileChanged(Exception):
    """The stored file differs from the examined one; the stored content is removed again."""


class Filing(CheckTokens, frozen=True, kw_only=True):
    # -- Select file ------------------------------------------------------------------------------------------

    def archive_file(self, order: ArchiveFile, file: Examined, caller: Caller, rights: Rights = NO_RIGHTS) -> Outcome:
        """Select file (C1 to C8): store the content, then append its event. A file of an authorization type also
        registers its authorization; the signed form of an issued authorization is attached to that one (D9). `rights`
        are those of a caller who names an authorization. Durable on return."""
        command = self._command_key(caller, without_token(order), file.sha256)

        def decide_and_append() -> Outcome:
            if order.authorization is not None:
                return self._archive_evidence(order.authorization, order, file, caller, command, rights)
            kind = self._require_type(order.type or "")
            self._refuse_file(kind, order, file)
            self._require_customer(order.customer or "")
            return self._archive_file(order, kind, file, caller, command)

        return self._answer_once(lambda: self._find_earlier(command), decide_and_append)

    def _archive_file(
        self,
        order: ArchiveFile,
        kind: DocumentType,
        file: Examined,
        caller: Caller,
        command: CommandKey | None,
        along: Callable[[Arrival], Change] = lambda _: NOTHING,
    ) -> Outcome:
        owner = self.keys.owner_of(order.customer or "")
        needs_authorization = kind.definition.kind is not Kind.DOCUMENT
        statement = self.ids.new() if needs_authorization else None

        def append(arrival: Arrival) -> Outcome:
            change = merge_changes(self._arrival_change(order, arrival), along(arrival))
            return self._append_new(change, owner, caller, command)

        return self._archive_new_paper(file, owner, kind, statement, append)

    def _archive_new_paper(
        self,
        file: Examined,
        owner: CustomerReference,
        kind: DocumentType,
        statement: UUID | None,
        append: Callable[[Arrival], Outcome],
    ) -> Outcome:
        """Store the content of a new paper, then append. A crash in between leaves an orphan content, never an event
        without content."""
        paper = self.ids.new()
        self.keys.new_paper(paper)

        def with_stored(content: Content) -> Outcome:
            return append(
                Arrival(
                    paper=paper,
                    owner=owner,
                    type=kind,
                    content=content,
                    sha256=file.sha256,
                    file_name=file.name,
                    statement=statement,
                )
            )

        return self._store_then_append(paper, file, with_stored)

    def _store_then_append(self, paper: UUID, file: Examined, append: Callable[[Content], A]) -> A:
        """Store the content, then call `append`. Drops the content when no event names it, except when the result of
        the commit is unknown: then the sweeper decides, a day later."""
        content_id = self.ids.new()
        content = self._store_content(paper, content_id, file)
        try:
            answer = append(content)
        except Unavailable:
            raise  # the commit may have happened
        except (Refusal, CustomerReferenceRaced, VersionConflict):
            self.contents.drop(content_id)
            raise  # after any other error the result is unknown too
        if answer.replayed:  # a twin request was faster, and its content is the named one
            self.contents.drop(content_id)
        return answer

    def _store_content(self, paper: UUID, content_id: UUID, file: Examined) -> Content:
        """Store the file as content. Raises FileChanged, which can happen to a file in another program's folder and
        never to a received one."""
        stored = self.contents.put(paper, content_id, file.file)
        if (stored.size_bytes, stored.sha256) != (file.size_bytes, file.sha256):
            self.contents.drop(content_id)
            raise FileChanged
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

    def _arrival_change(self, order: ArchiveFile, arrival: Arrival, register: Register | None = None) -> Change:
        """The change that adds a new document. The authorization of a file that is its evidence is registered in the
        same save, from `register` when the caller knows more than the order says."""
        archived = self._archive_steps(order, arrival)
        claims = [
            self._content_claim(arrival.owner, arrival.sha256, arrival.paper, shared=order.duplicate_allowed),
            *self._external_id_claims(order.external_id, arrival.statement or arrival.paper),
        ]
        papers = {arrival.paper: arrival.owner}
        if arrival.statement is None:
            return Change(steps=archived, claims=claims, papers=papers)
        papers[arrival.statement] = arrival.owner
        self.keys.new_paper(arrival.statement)
        registered = authorization.decide(None, register or self._registration_of_file(order, arrival))
        attached = authorization.decide(authorization.fold(registered), self._attachment_of(order, arrival))
        beside = self._change_of_authorization(
            arrival.statement, None, [*registered, *attached], claims=claims, papers=papers
        )
        return msgspec.structs.replace(beside, steps=[*beside.steps[:1], *archived, *beside.steps[1:]])

    def _archive_steps(self, order: ArchiveFile, arrival: Arrival) -> list[tuple[UUID, Any]]:
        archive = ArchiveDocument(
            customer=arrival.owner.reference,
            type=arrival.type,
            source=order.source,
            content=arrival.content,
            sha256=arrival.sha256,
            file_name=arrival.file_name,
            description=Description(order.note, order.received_on or self.clock.today()),
            evidence_of=arrival.statement,
            ground=order.ground,
            external_id=order.external_id,
        )
        return [(arrival.paper, event) for event in document.decide(None, archive)]

    def _registration_of_file(self, order: ArchiveFile, arrival: Arrival) -> Register:
        return Register(
            customer=arrival.owner.reference,
            type=arrival.type,
            source=order.source,
            original_held=False,
            shelf_mark=None,
            terms=self._terms_of(order),
            today=self.clock.today(),
            note=order.note,
            external_id=order.external_id,
        )

    def _attachment_of(self, order: ArchiveFile, arrival: Arrival) -> AttachEvidence:
        return AttachEvidence(
            document=arrival.paper,
            type=arrival.type,
            source=order.source,
            terms=self._terms_of(order),
            today=self.clock.today(),
        )

    def _terms_of(self, order: ArchiveFile) -> Terms:
        """The terms of an order: signed on the stated day, else at the latest on the day of receipt."""
        today = self.clock.today()
        return Terms(signed_on=order.signed_on or min(order.received_on or today, today))

    def _refuse_file(self, kind: DocumentType, order: ArchiveFile, file: Examined) -> None:
        """Raise every refusal that is possible before a byte of content is stored."""
        evidence = order.authorization is not None
        document.require_archivable(kind, order.source, order.ground, evidence=evidence)
        self._refuse_content(kind, file)
        today = self.clock.today()
        late = [n for n in ("received_on", "signed_on") if (day := getattr(order, n)) is not None and day > today]
        if late:
            where = [document.field_pointer(order.source, name) for name in late]
            raise ValidationFailed(*(FieldError(pointer, N_("must not be in the future")) for pointer in where))

    def _refuse_content(self, kind: DocumentType, file: Examined) -> None:
        if file.password_protected and not kind.definition.password_protected_allowed:
            raise FilePasswordProtected
        allowed = kind.definition.media_types
        if allowed and file.media_type not in allowed:
            raise FileTypeNotAllowed(found=file.media_type)

    # -- signed forms -----------------------------------------------------------------------------------------

    def _archive_evidence(
        self,
        statement: UUID,
        order: ArchiveFile,
        file: Examined,
        caller: Caller,
        command: CommandKey | None,
        rights: Rights,
        along: Callable[[Arrival], Change] = lambda _: NOTHING,
    ) -> Outcome:
        """Append document, signature and evidence in one save. The loser of a race is refused with the winner's
        document. `along` adds further changes to the save."""
        state = self._load_authorization(statement, rights)
        self._require_check(order.check_token, statement, state, caller.actor)
        kind, owner = self._require_type(state.type.code), self._owner_of(state.customer)
        require_agreement(state, owner.customer_id, order, document.field_pointer(order.source, "type"))
        self._refuse_file(kind, order, file)

        def append(arrival: Arrival) -> Outcome:
            change = merge_changes(self._evidence_change(state, order, arrival, statement), along(arrival))
            return self._append_to_paper(statement, change, caller, command)

        return self._archive_new_paper(file, owner, kind, statement, append)

    def _evidence_change(self, state: Authorization, order: ArchiveFile, arrival: Arrival, statement: UUID) -> Change:
        events = authorization.decide(state, self._attachment_of(order, arrival))
        claims = [
            self._content_claim(arrival.owner, arrival.sha256, arrival.paper, shared=order.duplicate_allowed),
            *self._external_id_claims(order.external_id, arrival.paper),
        ]
        change = self._change_of_authorization(
            statement, state, events, claims=claims, papers={arrival.paper: arrival.owner}
        )
        return msgspec.structs.replace(change, steps=[*self._archive_steps(order, arrival), *change.steps])


class Noting(CheckTokens, frozen=True, kw_only=True):
    """No upload: authorizations without a file."""

    def note_authorization(self, order: NoteAuthorization, caller: Caller, rights: Rights = NO_RIGHTS) -> Outcome:
        """No upload (D1 to D8): note an authorization without a file, or a paper that was seen and is not kept. Durable
        on return."""
        command = self._command_key(caller, without_token(order))

        def decide_and_append() -> Outcome:
            if order.authorization is not None:
                return self._note_signed(order.authorization, order, caller, command, rights)
            kind = self._require_type(order.type or "")
            self._require_customer(order.customer or "")
            note = self._note_seen if kind.definition.verify_only else self._register_authorization
            return note(order, kind, self.keys.owner_of(order.customer or ""), caller, command)

        return self._answer_once(lambda: self._find_earlier(command), decide_and_append)

    def _note_seen(
        self,
        order: NoteAuthorization,
        kind: DocumentType,
        owner: CustomerReference,
        caller: Caller,
        command: CommandKey | None,
    ) -> Outcome:
        paper = self.ids.new()
        events = document.decide(None, self._build_note_seen(order, kind, owner))
        self.keys.new_paper(paper)
        claims = self._external_id_claims(order.external_id, paper)
        change = Change(steps=in_stream(paper, events), claims=claims, papers={paper: owner})
        return self._append_new(change, owner, caller, command)

    def _build_note_seen(self, order: NoteAuthorization, kind: DocumentType, owner: CustomerReference) -> NoteSeen:
        given = [name for name in NOT_SEEN if getattr(order, name)]
        if given:
            raise ValidationFailed(
                *(FieldError(f"/{n}", N_("is not recorded for a paper that is only seen")) for n in given)
            )
        if order.verification is None:
            raise ValidationFailed(FieldError("/verification", N_("is required: enter the paper that was seen")))
        if order.verification.seen_on > self.clock.today():
            raise ValidationFailed(FieldError("/verification/seen_on", N_("must not be in the future")))
        return NoteSeen(
            customer=owner.reference,
            type=kind,
            paper=order.verification.paper,
            number_suffix=order.verification.number_suffix,
            seen_on=order.verification.seen_on,
            note=order.note,
            external_id=order.external_id,
        )

    def _register_authorization(
        self,
        order: NoteAuthorization,
        kind: DocumentType,
        owner: CustomerReference,
        caller: Caller,
        command: CommandKey | None,
    ) -> Outcome:
        statement = self.ids.new()
        events = authorization.decide(
            None, self._registration_of_note(order, kind, owner, statement, self.clock.today())
        )
        self.keys.new_paper(statement)
        claims = self._external_id_claims(order.external_id, statement)
        change = self._change_of_authorization(statement, None, events, claims=claims, papers={statement: owner})
        return self._append_new(change, owner, caller, command)

    def _registration_of_note(
        self,
        order: NoteAuthorization,
        kind: DocumentType,
        owner: CustomerReference,
        statement: UUID,
        today: date,
        scan_code: str | None = None,
    ) -> Register:
        if order.verification is not None:
            raise ValidationFailed(
                FieldError("/verification", N_("is only for document types that are seen and not kept"))
            )
        terms = _terms_of_note(order, order.mandate, today)
        mandate = self._complete_mandate(order.mandate, kind, statement, terms)
        return Register(
            customer=owner.reference,
            type=kind,
            source=Source.NONE,
            original_held=order.original_held,
            shelf_mark=order.shelf_mark,
            terms=terms,
            today=today,
            mandate=mandate,
            note=order.note,
            external_id=order.external_id,
            scan_code=scan_code,
            last_collection_on=order.last_collection_on,
        )

    def _complete_mandate(
        self, given: Mandate | None, kind: DocumentType, statement: UUID, terms: Terms
    ) -> Mandate | None:
        if given is None or kind.definition.kind is not Kind.MANDATE:
            return given
        return msgspec.structs.replace(self._parse_mandate(given, statement), signature_date=terms.signed_on)

    def _note_signed(
        self, statement: UUID, order: NoteAuthorization, caller: Caller, command: CommandKey | None, rights: Rights
    ) -> Outcome:
        """No upload by code (D2): the issued form was signed and is kept on paper."""
        state = self._load_authorization(statement, rights)
        self._require_check(order.check_token, statement, state, caller.actor)
        kind, customer = self._require_type(state.type.code), self._customer_id(state.customer)
        require_agreement(state, customer, order, "/type")
        if order.verification is not None:
            raise ValidationFailed(
                FieldError("/verification", N_("is only for document types that are seen and not kept"))
            )
        if order.last_collection_on is not None:
            raise ValidationFailed(
                FieldError("/last_collection_on", N_("is only for a mandate that was signed in another system"))
            )
        events = authorization.decide(state, self._note_signed_of(state, order, kind, statement))
        claims: list[Claim] = self._external_id_claims(order.external_id, statement)
        return self._append_to_paper(
            statement, self._change_of_authorization(statement, state, events, claims=claims), caller, command
        )

    def _note_signed_of(
        self, state: Authorization, order: NoteAuthorization, kind: DocumentType, statement: UUID
    ) -> NoteSigned:
        today = self.clock.today()
        given = order.mandate and merge_mandates(state.mandate, order.mandate)
        terms = _terms_of_note(order, given or state.mandate, today)
        return NoteSigned(
            type=kind,
            original_held=order.original_held,
            shelf_mark=order.shelf_mark,
            terms=terms,
            today=today,
            mandate=self._complete_mandate(given, kind, statement, terms),
            note=order.note,
            external_id=order.external_id,
        )


# Fields that must be empty for a paper that is only seen.
NOT_SEEN = (
    "original_held",
    "shelf_mark",
    "signed_on",
    "valid_from",
    "valid_until",
    "mandate",
    "last_collection_on",
)


def _terms_of_note(order: NoteAuthorization, mandate: Mandate | None, today: date) -> Terms:
    """The terms of a note. The signature date is that of the mandate, else `signed_on`, else today (docs/domain.md
    §6)."""
    signed = (mandate and mandate.signature_date) or order.signed_on or today
    return Terms(signed_on=signed, valid_from=order.valid_from, valid_until=order.valid_until)


def without_token(order: Order) -> Order:
    """The order as its Idempotency-Key compares it: a second Check before the repeated request changes nothing."""
    return msgspec.structs.replace(order, check_token=None)


def require_agreement(
    state: Authorization, customer: str, order: ArchiveFile | NoteAuthorization, type_pointer: str
) -> None:
    """Raise a refusal unless the code's customer and type match those of the order (D8)."""
    if order.customer not in (None, customer):
        raise ScanCodeOtherCustomer
    if order.type not in (None, state.type.code):
        raise ValidationFailed(FieldError(type_pointer, N_("is not the type that the form was issued for")))


def merge_mandates(issued: Mandate | None, given: Mandate) -> Mandate:
    """The mandate of the form, with the values that staff typed from the signed paper in their places."""
    typed = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not None}
    return msgspec.structs.replace(issued or Mandate(), **typed)
