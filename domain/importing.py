"""Import of many lines from another system's list: each line is decided by the rules of filing.py; all valid lines of a
batch are one append.

A line is imported once: its external id, or else all of its content, is a claim of the paper that it became.
service/import_lines.py knows the list formats. This module does not know whether anything is stored: a dry run passes
ports that keep nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date
from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import authorization
from domain.arrivals import Arrival, Arrivals
from domain.authorization import Authorization, AuthorizationExpired, AuthorizationRegistered, Lapse, Register
from domain.changes import Change, in_stream
from domain.claims import Claims
from domain.commands import ATTEMPTS, LOST_RACES, MAX_POSITION, Caller, Commands, refusal_of, retry_conflicts
from domain.document_type import DocumentType
from domain.mandate import Mandate
from domain.noting import build_registration
from domain.orders import ArchiveFile, NoteAuthorization
from domain.papers import load_types
from domain.ports import AlreadyClaimed, Claim, CustomerReference, CustomerReferenceRaced, Ports, UnsentAppend
from domain.promises import PromiseBroken
from domain.received_file import Examined, FileChanged, Received, put_content, refuse_content
from domain.refusals import (
    N_,
    CustomerErased,
    CustomerUnknown,
    DocumentTypeUnknown,
    ExternalIdTaken,
    FieldError,
    InsufficientStorage,
    Refusal,
    Unavailable,
    ValidationFailed,
)
from domain.scan_code import Scheme, parse_code
from domain.values import Kind, Source

BATCH_LINES_MAX = 100
T = TypeVar("T")


class ImportLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list. Its numbers are checked here, because their rules depend on the type. The file stays open
    until the line is imported."""

    customer: str
    type: str
    received_on: date | None = None
    note: str | None = None
    scan_code: str | None = None
    iban: str | None = None
    debtor_name: str | None = None
    mandate_reference: str | None = None
    signature_date: date | None = None
    external_id: str | None = None
    last_collection_on: date | None = None
    file: Received | None = None


class TakenDraft(msgspec.Struct, frozen=True):
    """The line was imported. `paper` is the authorization, or for a plain document type the document. `over`: the
    expiry that the calendar follower is going to record, for an authorization that has already ended."""

    paper: UUID
    over: AuthorizationExpired | None = None


class AlreadyImported(msgspec.Struct, frozen=True):
    """The line was imported before, as this paper."""

    paper: UUID


class RefusedDraft(msgspec.Struct, frozen=True):
    """The line is refused. `owner` is the paper that already has a value the line claims."""

    error: Refusal | FieldError
    owner: UUID | None = None


Result = TakenDraft | AlreadyImported | RefusedDraft
Examine = Callable[[Sequence[Received]], Sequence[Examined | Refusal]]
"""Examines files and returns the results in the same order; called only for lines that were not imported before."""

ClaimKey = tuple[str, bytes]
F = TypeVar("F", "Draft", "ImportEntry")


class Lookups(msgspec.Struct, frozen=True, kw_only=True):
    """Data looked up for several batches: the document types, the existing customers, and the owners of their papers.
    An erased customer has no owner."""

    types: Mapping[str, DocumentType]
    customers: Set[str]
    owners: dict[str, CustomerReference]

    def add_owners(self, stored: Iterable[CustomerReference]) -> None:
        """Record that the log now has these owners."""
        self.owners.update((owner.customer_id, replace(owner, fresh=False)) for owner in stored if owner.fresh)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A line that becomes a paper if all values that it claims are free."""

    line: ImportLine
    type: DocumentType
    owner: CustomerReference
    paper: UUID
    itself: Claim
    """The claim on its external id, or else on all of its content, so that the line is imported once."""
    scan_code: str | None
    today: date


class ImportEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with its events; its content is stored."""

    draft: Draft
    change: Change
    content: UUID | None = None
    over: AuthorizationExpired | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to append. `found` holds the entries of `append`, and the results that are known already."""

    found: Sequence[ImportEntry | Result]
    append: UnsentAppend | None
    values: Set[bytes]
    """The digests of all claims. Lines that claim one of them must not be sent before this attempt has ended: of two
    equal lines the first one has to be imported."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that were examined one by one, ready to be appended."""

    lines: Sequence[ImportLine]
    known: Lookups
    entries: Sequence[ImportEntry | Result]
    attempt: Attempt
    caller: Caller
    examine: Examine
    newcomers: Set[str]
    """Customers without an archived paper. Their other lines must not be looked up or prepared before this append: they
    would get another reference, and all would have to be repeated."""

    def send(self) -> None:
        """Send the append without waiting; append_lines must follow. Raises Unavailable."""
        if self.attempt.append:
            self.attempt.append.send()


class Importing(msgspec.Struct, frozen=True, kw_only=True):
    """The import in steps, so that a caller prepares lines while the append of earlier lines is under way.
    `creditor` is the institution's SEPA creditor identifier."""

    ports: Ports
    commands: Commands
    claims: Claims
    arrivals: Arrivals
    creditor: str | None

    def look_up(self, customer_ids: Set[str]) -> Lookups:
        """Load the data for all lines of these customers that are about to be prepared."""
        customers = self.ports.customers.existing_ids(customer_ids)
        return Lookups(
            types=load_types(self.ports.log), customers=customers, owners=self.ports.keys.owners_of(customers)
        )

    def prepare_lines(self, lines: Sequence[ImportLine], known: Lookups, caller: Caller, examine: Examine) -> Prepared:
        """Examine up to 100 lines. The content of the valid ones is durable on return.

        A refused line stops no other. Raises Unavailable and InsufficientStorage.
        """
        if len(lines) > BATCH_LINES_MAX:
            raise ValueError(f"a batch has at most {BATCH_LINES_MAX} lines")
        try:
            return self._prepare_once(lines, known, caller, examine)
        except LOST_RACES:  # what is known is outdated
            return retry_conflicts(self._look_up_and_prepare, lines, caller, examine)

    def _look_up_and_prepare(self, lines: Sequence[ImportLine], caller: Caller, examine: Examine) -> Prepared:
        return self._prepare_once(lines, self.look_up(_customers_of(lines)), caller, examine)

    def _prepare_once(self, lines: Sequence[ImportLine], known: Lookups, caller: Caller, examine: Examine) -> Prepared:
        entries = self._build_entries(self._find_imported(self._draft_lines(lines, known)), examine)
        try:
            attempt = self._build_attempt(entries, {}, caller)
        except CustomerReferenceRaced:  # a customer was erased since the look-up
            self._drop_contents(entries)
            raise
        owners = [entry.draft.owner for entry in entries if isinstance(entry, ImportEntry)]
        return Prepared(
            lines=lines,
            known=known,
            entries=entries,
            attempt=attempt,
            caller=caller,
            examine=examine,
            newcomers={owner.customer_id for owner in owners if owner.fresh},
        )

    def append_lines(self, prepared: Prepared) -> Sequence[Result]:
        """Append the prepared lines and return the result of each. Imported lines are durable on return, all by one
        append.

        Raises Unavailable and InsufficientStorage: then the caller may send the same lines again, whatever their state.
        """
        try:
            return self._append_or_prepare_again(prepared)
        except CustomerErased as erased:  # a moment ago, and the log does not say which
            if len(prepared.lines) == 1:
                return [RefusedDraft(erased)]
            alone = (self._prepare_again(prepared, [line]) for line in prepared.lines)
            return [result for one in alone for result in self.append_lines(one)]

    def _append_or_prepare_again(self, prepared: Prepared) -> Sequence[Result]:
        try:
            return self._append_prepared(prepared)
        except LOST_RACES:
            return retry_conflicts(self._prepare_and_append, prepared)

    def _prepare_and_append(self, prepared: Prepared) -> Sequence[Result]:
        return self._append_prepared(self._prepare_again(prepared, prepared.lines))

    def _prepare_again(self, prepared: Prepared, lines: Sequence[ImportLine]) -> Prepared:
        return self.prepare_lines(lines, self.look_up(_customers_of(lines)), prepared.caller, prepared.examine)

    def _append_prepared(self, prepared: Prepared) -> Sequence[Result]:
        """Append once. Drops content that no event names, except when the result of the commit is unknown."""
        try:
            results = self._append_until_free(prepared)
        except Unavailable:
            raise  # the commit may have happened
        except (Refusal, CustomerReferenceRaced):
            self._drop_contents(prepared.entries)
            raise
        ended = [*zip(prepared.entries, results, strict=True)]
        self._drop_contents([entry for entry, result in ended if not isinstance(result, TakenDraft)])
        taken = (entry for entry, result in ended if isinstance(entry, ImportEntry) and isinstance(result, TakenDraft))
        prepared.known.add_owners(entry.draft.owner for entry in taken)
        return results

    def _drop_contents(self, entries: Sequence[ImportEntry | Result]) -> None:
        for entry in entries:
            if isinstance(entry, ImportEntry) and entry.content:
                self.ports.contents.drop(entry.content)

    # -- what needs no claim ----------------------------------------------------------------------------------

    def _draft_lines(self, lines: Sequence[ImportLine], known: Lookups) -> list[Draft | Result]:
        today = self.ports.clock.today()
        return [_or_refused(partial(self._draft_line, line, known, today)) for line in lines]

    def _draft_line(self, line: ImportLine, known: Lookups, today: date) -> Draft:
        document_type = known.types.get(line.type)
        if document_type is None:
            raise DocumentTypeUnknown(type=line.type)
        if line.customer not in known.customers:
            raise CustomerUnknown
        if line.customer not in known.owners:
            raise CustomerErased
        _require_fit(line, document_type, today)
        paper = self.ports.ids.new()
        code = parse_code(line.scan_code, document_type.definition.scheme or Scheme.MOD97) if line.scan_code else None
        return Draft(
            line=line,
            type=document_type,
            owner=known.owners[line.customer],
            paper=paper,
            itself=self._claim_of_line(line, paper),
            scan_code=code,
            today=today,
        )

    def _claim_of_line(self, line: ImportLine, paper: UUID) -> Claim:
        if line.external_id:
            return self.claims.claim_of("external-id", line.external_id, paper)
        return Claim(
            kind="import-line", digest=self.ports.keys.claim_digest("import-line", line_identity(line)), owner=paper
        )

    def _find_imported(self, drafts: Sequence[Draft | Result]) -> list[Draft | Result]:
        """Mark the lines that were imported before, so that their files need not be examined. Lines without a file are
        found by the append."""
        asked = [draft for draft in drafts if isinstance(draft, Draft)]
        if not any(draft.line.file for draft in asked):
            return [*drafts]
        owners = self._owners_of_claims([draft.itself for draft in asked])
        found = [(isinstance(draft, Draft) and _conflict_of([draft.itself], owners)) or draft for draft in drafts]
        return self._recognize_imported(drafts, found)

    # -- files and events -------------------------------------------------------------------------------------

    def _build_entries(self, drafts: Sequence[Draft | Result], examine: Examine) -> list[ImportEntry | Result]:
        files = [draft.line.file for draft in drafts if isinstance(draft, Draft) and draft.line.file]
        examined = iter(examine(files) if files else ())
        return [
            _or_refused(partial(self._build_entry, draft, next(examined) if draft.line.file else None))
            if isinstance(draft, Draft)
            else draft
            for draft in drafts
        ]

    def _build_entry(self, draft: Draft, file: Examined | Refusal | None) -> ImportEntry:
        if file is None:
            return self._without_file(draft)
        if isinstance(file, Refusal):
            raise file
        return self._with_file(draft, file)

    def _without_file(self, draft: Draft) -> ImportEntry:
        """The entry of an authorization without a file: the original is held, without a shelf mark, because the list
        does not say where it is kept."""
        events = authorization.decide(None, self._registration_of_draft(draft))
        state = authorization.fold(events)
        self.ports.keys.new_paper(draft.paper)
        claims = [
            *self.claims.claims_of_reference(state, draft.paper),
            *self.claims.claims_of_account(state, draft.paper),
        ]
        change = Change(steps=in_stream(draft.paper, events), claims=claims, papers={draft.paper: draft.owner})
        return self._claim_entry(draft, change, state)

    def _registration_of_draft(self, draft: Draft) -> Register:
        line, mandate = draft.line, None
        if line.iban or line.debtor_name or line.mandate_reference:
            mandate = Mandate(debtor_name=line.debtor_name, iban=line.iban, mandate_reference=line.mandate_reference)
        order = NoteAuthorization(
            original_held=True,
            signed_on=line.signature_date or line.received_on,
            mandate=mandate,
            note=line.note,
            external_id=line.external_id,
            last_collection_on=line.last_collection_on,
        )
        return build_registration(
            order, draft.type, draft.owner, draft.paper, draft.today, self.creditor, draft.scan_code
        )

    def _with_file(self, draft: Draft, file: Examined) -> ImportEntry:
        """The entry of a line with a file. An authorization's file is its evidence, and the original need not be
        held."""
        refuse_content(draft.type, file)
        alone = draft.type.definition.kind is Kind.DOCUMENT
        register = (
            None if alone else replace(self._registration_of_draft(draft), source=Source.FILE, original_held=False)
        )
        paper, content = draft.paper if alone else self.ports.ids.new(), self.ports.ids.new()
        self.ports.keys.new_paper(paper)
        arrival = Arrival(
            paper=paper,
            owner=draft.owner,
            type=draft.type,
            file=file,
            content=put_content(self.ports.contents, content, paper, file),
            statement=None if alone else draft.paper,
            today=draft.today,
        )
        try:
            change = self.arrivals.change_for_new(_order_from(draft.line), arrival, register)
            return self._claim_entry(draft, change, _statement_in(change), content)
        except (Refusal, CustomerReferenceRaced):
            self.ports.contents.drop(content)
            raise

    def _claim_entry(
        self, draft: Draft, change: Change, state: Authorization | None, content: UUID | None = None
    ) -> ImportEntry:
        """The entry with its claims. `state`: the authorization to register. An authorization that has already ended
        does not claim its account, because its successor may be in the same list."""
        over = _expiry_of(state, draft.today)
        code = [self.claims.claim_of("scan-code", draft.scan_code, draft.paper)] if draft.scan_code else []
        left = (draft.itself.kind, "mandate" if over else None)
        claims = [draft.itself, *code, *[claim for claim in change.claims if claim.kind not in left]]
        return ImportEntry(draft=draft, change=replace(change, claims=claims), content=content, over=over)

    # -- append -----------------------------------------------------------------------------------------------

    def _build_attempt(
        self, entries: Sequence[ImportEntry | Result], known: Mapping[ClaimKey, UUID], caller: Caller
    ) -> Attempt:
        digests = [c.digest for entry in entries if isinstance(entry, ImportEntry) for c in entry.change.claims]
        values = {*digests}
        found = refuse_conflicts(entries, known) if known or len(values) < len(digests) else entries
        chosen = [entry for entry in found if isinstance(entry, ImportEntry)]
        return Attempt(found=found, append=self._append_of(chosen, caller) if chosen else None, values=values)

    def _append_of(self, entries: Sequence[ImportEntry], caller: Caller) -> UnsentAppend:
        return self.ports.log.append_later(
            self.commands.wrap_steps([step for entry in entries for step in entry.change.steps], caller, {}),
            claims=[claim for entry in entries for claim in entry.change.claims],
            papers={paper: owner for entry in entries for paper, owner in entry.change.papers.items()},
        )

    def _append_until_free(self, prepared: Prepared) -> list[Result]:
        """Append without checking claims first. After a conflict look up all owners and append the remaining lines."""
        entries, attempt = prepared.entries, prepared.attempt
        for _ in range(ATTEMPTS):
            try:
                if attempt.append:
                    attempt.append.result()
            except AlreadyClaimed:
                claims = [claim for entry in entries if isinstance(entry, ImportEntry) for claim in entry.change.claims]
                attempt = self._build_attempt(entries, self._owners_of_claims(claims), prepared.caller)
                continue
            drafts = [entry.draft if isinstance(entry, ImportEntry) else entry for entry in entries]
            return [
                TakenDraft(result.draft.paper, result.over) if isinstance(result, ImportEntry) else result
                for result in self._recognize_imported(drafts, attempt.found)
            ]
        raise Unavailable

    def _owners_of_claims(self, claims: Sequence[Claim]) -> dict[ClaimKey, UUID]:
        """The papers that own these claims, by kind and digest."""
        return {
            (kind, digest): owner
            for kind in dict.fromkeys(claim.kind for claim in claims)
            for digest, owner in self.ports.log.owners_of_claims(
                kind, [c.digest for c in claims if c.kind == kind]
            ).items()
        }

    def _recognize_imported(self, drafts: Sequence[Draft | Result], found: Sequence[F | Result]) -> list[F | Result]:
        """Replace a conflict over an external id by There, when the paper with that id began with the line's customer
        and type, whichever way it was archived."""
        others = [
            one.owner for one in found if isinstance(one, RefusedDraft) and isinstance(one.error, ExternalIdTaken)
        ]
        if not others:
            return list(found)
        origins = self._origins_of([paper for paper in others if paper])

        def recognized(draft: Draft | Result, result: F | Result) -> F | Result:
            match draft, result:
                case Draft(owner=owner, type=document_type), RefusedDraft(ExternalIdTaken(), UUID() as paper):
                    return (
                        AlreadyImported(paper)
                        if origins.get(paper) == (owner.reference, document_type.code)
                        else result
                    )
            return result

        return [recognized(draft, result) for draft, result in zip(drafts, found, strict=True)]

    def _origins_of(self, papers: Sequence[UUID]) -> dict[UUID, tuple[UUID, str]]:
        """The customer and type of the first event of each paper."""
        recorded = self.ports.log.load_recorded(papers, MAX_POSITION)
        firsts = [one.envelope for one in recorded if one.envelope.originator_version == 1]
        return {first.originator_id: (first.body.customer, first.body.type.code) for first in firsts}


def build_importing(ports: Ports, creditor: str | None) -> Importing:
    claims = Claims(ports.keys)
    return Importing(
        ports=ports,
        commands=Commands(log=ports.log, keys=ports.keys, clock=ports.clock, ids=ports.ids),
        claims=claims,
        arrivals=Arrivals(claims, ports.keys),
        creditor=creditor,
    )


def line_identity(line: ImportLine) -> bytes:
    """The identity of a line without an external id: all of its values and the content of its file. The file name is
    left out, because the next delivery may use it for another scan. Empty columns, and columns added later, change
    nothing."""
    said = {name: value for name, value in msgspec.structs.asdict(line).items() if value is not None}
    return msgspec.msgpack.encode(said | {"file": line.file.sha256} if line.file else said)


OF_AUTHORIZATIONS = dict.fromkeys(("scan_code", "signature_date"), N_("is only for authorizations"))
OF_MANDATES = dict.fromkeys(
    ("iban", "debtor_name", "mandate_reference", "last_collection_on"), N_("is only for mandates")
)
# The columns that must be empty for a kind of document type.
FOREIGN: dict[Kind, dict[str, str]] = {
    Kind.DOCUMENT: OF_AUTHORIZATIONS | OF_MANDATES,
    Kind.AUTHORIZATION: OF_MANDATES,
    Kind.MANDATE: {},
}


def errors_in_line(line: ImportLine, document_type: DocumentType, today: date) -> Iterator[FieldError]:
    """The columns of a line that its type or the day does not allow."""
    definition = document_type.definition
    if definition.verify_only:
        yield FieldError("type", N_("is verified and not kept: note this paper at the desk"))
    elif definition.kind is Kind.DOCUMENT and line.file is None:
        yield FieldError("file", N_("is required: only an authorization can be imported without a file"))
    for column, detail in FOREIGN[definition.kind].items():
        if getattr(line, column):
            yield FieldError(column, detail)
    if line.received_on and line.received_on > today:
        yield FieldError("received_on", N_("must not be in the future"))
    if line.signature_date and line.signature_date > today:
        yield FieldError("signature_date", N_("must not be in the future"))


def refuse_conflicts(
    entries: Sequence[ImportEntry | Result], known: Mapping[ClaimKey, UUID]
) -> list[ImportEntry | Result]:
    """Refuse entries whose claims are owned, in the order of the lines: a claim of one entry blocks the later ones.
    `known` are the owners in the log."""
    owners = dict(known)
    found: list[ImportEntry | Result] = []
    for entry in entries:
        result = (_conflict_of(entry.change.claims, owners) or entry) if isinstance(entry, ImportEntry) else entry
        if isinstance(result, ImportEntry):
            owners.update(((claim.kind, claim.digest), claim.owner) for claim in result.change.claims)
        found.append(result)
    return found


def _conflict_of(claims: Iterable[Claim], owners: Mapping[ClaimKey, UUID]) -> Result | None:
    for claim in claims:
        if (owner := owners.get((claim.kind, claim.digest))) is None:
            continue
        if claim.kind == "import-line":
            return AlreadyImported(owner)
        return RefusedDraft(refusal_of(AlreadyClaimed(claim.kind, owner)), owner)
    return None


def _require_fit(line: ImportLine, document_type: DocumentType, today: date) -> None:
    document_type.require_active()
    if errors := [*errors_in_line(line, document_type, today)]:
        raise ValidationFailed(*errors)
    document_type.require_source(Source.FILE if line.file else Source.NONE)


def _statement_in(change: Change) -> Authorization | None:
    _, first = change.steps[0]
    return authorization.evolve(None, first) if isinstance(first, AuthorizationRegistered) else None


def _expiry_of(state: Authorization | None, today: date) -> AuthorizationExpired | None:
    if state is None or (lapses_on := state.lapses_on) is None or lapses_on >= today:
        return None
    match authorization.decide(state, Lapse(today)):
        case [AuthorizationExpired() as expired]:
            return expired
    raise PromiseBroken("what was noted just now expires, for it is not revoked")


def _or_refused(step: Callable[[], T]) -> T | RefusedDraft:
    """The result of the step, or Refused when the line is wrong. Unavailable and InsufficientStorage stop the batch."""
    try:
        return step()
    except (Unavailable, InsufficientStorage):
        raise
    except (Refusal, FieldError) as error:
        return RefusedDraft(error)
    except FileChanged:
        return RefusedDraft(FieldError("file", N_("changed while it was being read; import the line again")))


def _customers_of(lines: Sequence[ImportLine]) -> set[str]:
    return {line.customer for line in lines}


def _order_from(line: ImportLine) -> ArchiveFile:
    return ArchiveFile(
        received_on=line.received_on, signed_on=line.signature_date, note=line.note, external_id=line.external_id
    )
