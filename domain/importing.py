"""Many lines of another system's list: each is decided as filing.py decides it, and all that stand go in together.

A line is taken once: its external id, else all that it says, is a claim of the paper that it became. What a list looks
like is the service's, service/import_lines.py; here it is not known whether anything is stored (a dry run hands in
ports that keep nothing).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date
from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import authorization
from domain.authorization import Authorization, AuthorizationExpired, AuthorizationRegistered, Lapse, Register
from domain.document_type import DocumentType
from domain.filing import ArchiveFile, Arrival, Examined, FileChanged, Filing, NoteAuthorization, Received
from domain.mandate import Mandate
from domain.ports import AlreadyClaimed, Claim, Later, Owner, OwnerRaced
from domain.promises import PromiseBroken
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
from domain.use_cases import ATTEMPTS, MAX_POSITION, Caller, Change, in_stream, refusal_of
from domain.values import Kind, Source

BATCH_LINES_MAX = 100
T = TypeVar("T")


class ImportLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a line says. The numbers on it are checked here, for what they must be depends on the type. The file stays
    open until the line was taken."""

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


class Taken(msgspec.Struct, frozen=True):
    """`paper` is the authorization, of a plain document the document. `over`: an authorization whose time is over
    already, as the follower of the calendar is going to write it down."""

    paper: UUID
    over: AuthorizationExpired | None = None


class There(msgspec.Struct, frozen=True):
    """The line was taken before, as this paper."""

    paper: UUID


class Refused(msgspec.Struct, frozen=True):
    """`owner` is the paper that has what the line claims."""

    error: Refusal | FieldError
    owner: UUID | None = None


Result = Taken | There | Refused
Examine = Callable[[Sequence[Received]], Sequence[Examined | Refusal]]
"""What the files are, in their order; asked only for those of lines that were not taken before."""

Value = tuple[str, bytes]
F = TypeVar("F", "Draft", "Entry")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked up for some batches: the document types, which customers exist, and who owns their papers. An
    erased one has no owner."""

    types: Mapping[str, DocumentType]
    customers: Set[str]
    owners: dict[str, Owner]

    def add_owners(self, stored: Iterable[Owner]) -> None:
        """These are known to the log from now on."""
        self.owners.update((owner.customer_id, replace(owner, fresh=False)) for owner in stored if owner.fresh)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A line that can become a paper, if all that it claims is free."""

    line: ImportLine
    type: DocumentType
    owner: Owner
    paper: UUID
    itself: Claim
    """That of its external id, else of all that it says: not to be taken twice."""
    scan_code: str | None
    today: date


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with its events, its content stored."""

    draft: Draft
    change: Change
    content: UUID | None = None
    over: AuthorizationExpired | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """`found` are the lines that go in with `append`, and what is known of the others already."""

    found: Sequence[Entry | Result]
    append: Later | None
    values: Set[bytes]
    """The digests of all that was to be claimed. Lines that claim one of them must not be sent before these are taken:
    the first of two lines that say the same is to be the one that is taken."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that have been looked at, one by one, and what they came to."""

    lines: Sequence[ImportLine]
    known: Known
    entries: Sequence[Entry | Result]
    attempt: Attempt
    caller: Caller
    examine: Examine
    newcomers: Set[str]
    """Customers of whom nothing was archived before. Lines of theirs must not be looked up or prepared before these are
    taken: they would be given another reference, and all would have to be done again."""

    def send(self) -> None:
        """On their way into the log; take_lines has to follow. Raises Unavailable."""
        if self.attempt.append:
            self.attempt.append.send()


class Importing(Filing, frozen=True, kw_only=True):
    """In parts, so that lines can be prepared while those before them are on their way into the log."""

    def look_up(self, customer_ids: Set[str]) -> Known:
        """For all lines of these customers that are going to be prepared."""
        customers = self.customers.existing_ids(customer_ids)
        return Known(types=self.load_types(), customers=customers, owners=self.keys.owners_of(customers))

    def prepare_lines(self, lines: Sequence[ImportLine], known: Known, caller: Caller, examine: Examine) -> Prepared:
        """Look at up to 100 lines; the content of those that may be taken is durable on return.

        One that is refused stops no other. Raises Unavailable and InsufficientStorage.
        """
        if len(lines) > BATCH_LINES_MAX:
            raise ValueError(f"a batch has at most {BATCH_LINES_MAX} lines")
        waiting = [known]

        def prepare() -> Prepared:
            return self._prepare_once(
                lines, waiting.pop() if waiting else self.look_up(_customers_of(lines)), caller, examine
            )

        return self._retry_conflicts(prepare)

    def _prepare_once(self, lines: Sequence[ImportLine], known: Known, caller: Caller, examine: Examine) -> Prepared:
        entries = self._build_entries(self._find_imported(self._draft_lines(lines, known)), examine)
        try:
            attempt = self._build_attempt(entries, {}, caller)
        except OwnerRaced:  # erased since they were looked up
            self._drop_contents(entries)
            raise
        owners = [entry.draft.owner for entry in entries if isinstance(entry, Entry)]
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
        """What became of each line. Those that are taken are durable on return, all by one append.

        Raises Unavailable and InsufficientStorage: then the same lines may be brought again, whatever became of them.
        """
        waiting = [prepared]

        def append() -> Sequence[Result]:
            return self._append_prepared(waiting.pop() if waiting else self._prepare_again(prepared, prepared.lines))

        try:
            return self._retry_conflicts(append)
        except CustomerErased as erased:  # a moment ago, and the log does not say which
            if len(prepared.lines) == 1:
                return [Refused(erased)]
            alone = (self._prepare_again(prepared, [line]) for line in prepared.lines)
            return [result for one in alone for result in self.append_lines(one)]

    def _prepare_again(self, prepared: Prepared, lines: Sequence[ImportLine]) -> Prepared:
        return self.prepare_lines(lines, self.look_up(_customers_of(lines)), prepared.caller, prepared.examine)

    def _append_prepared(self, prepared: Prepared) -> Sequence[Result]:
        """Content that the log did not come to name is dropped, unless nobody knows whether it did."""
        try:
            results = self._append_until_free(prepared)
        except Unavailable:
            raise  # the commit may have happened
        except (Refusal, OwnerRaced):
            self._drop_contents(prepared.entries)
            raise
        ended = [*zip(prepared.entries, results, strict=True)]
        self._drop_contents([entry for entry, result in ended if not isinstance(result, Taken)])
        taken = (entry for entry, result in ended if isinstance(entry, Entry) and isinstance(result, Taken))
        prepared.known.add_owners(entry.draft.owner for entry in taken)
        return results

    def _drop_contents(self, entries: Sequence[Entry | Result]) -> None:
        for entry in entries:
            if isinstance(entry, Entry) and entry.content:
                self.contents.drop(entry.content)

    # -- what needs no claim ----------------------------------------------------------------------------------

    def _draft_lines(self, lines: Sequence[ImportLine], known: Known) -> list[Draft | Result]:
        today = self.clock.today()
        return [_or_refused(partial(self._draft_line, line, known, today)) for line in lines]

    def _draft_line(self, line: ImportLine, known: Known, today: date) -> Draft:
        kind = known.types.get(line.type)
        if kind is None:
            raise DocumentTypeUnknown(type=line.type)
        if line.customer not in known.customers:
            raise CustomerUnknown
        if line.customer not in known.owners:
            raise CustomerErased
        _require_fit(line, kind, today)
        paper = self.ids.new()
        code = parse_code(line.scan_code, kind.definition.scheme or Scheme.MOD97) if line.scan_code else None
        return Draft(
            line=line,
            type=kind,
            owner=known.owners[line.customer],
            paper=paper,
            itself=self._claim_of_line(line, paper),
            scan_code=code,
            today=today,
        )

    def _claim_of_line(self, line: ImportLine, paper: UUID) -> Claim:
        if line.external_id:
            return self._claim_of("external-id", line.external_id, paper)
        return Claim(kind="import-line", digest=self.keys.claim_digest("import-line", line_identity(line)), owner=paper)

    def _find_imported(self, drafts: Sequence[Draft | Result]) -> list[Draft | Result]:
        """Before files are looked at: which lines are there already. Of lines without a file the append tells it."""
        asked = [draft for draft in drafts if isinstance(draft, Draft)]
        if not any(draft.line.file for draft in asked):
            return [*drafts]
        owners = self._owners_of_claims([draft.itself for draft in asked])
        found = [(isinstance(draft, Draft) and _conflict_of([draft.itself], owners)) or draft for draft in drafts]
        return self._recognize_imported(drafts, found)

    # -- files and events -------------------------------------------------------------------------------------

    def _build_entries(self, drafts: Sequence[Draft | Result], examine: Examine) -> list[Entry | Result]:
        files = [draft.line.file for draft in drafts if isinstance(draft, Draft) and draft.line.file]
        examined = iter(examine(files) if files else ())
        return [
            _or_refused(partial(self._build_entry, draft, next(examined) if draft.line.file else None))
            if isinstance(draft, Draft)
            else draft
            for draft in drafts
        ]

    def _build_entry(self, draft: Draft, file: Examined | Refusal | None) -> Entry:
        if file is None:
            return self._without_file(draft)
        if isinstance(file, Refusal):
            raise file
        return self._with_file(draft, file)

    def _without_file(self, draft: Draft) -> Entry:
        """The paper of an imported authorization lies somewhere, and nobody said where: held, without a shelf mark."""
        events = authorization.decide(None, self._registration_of_draft(draft))
        state = authorization.fold(events)
        self.keys.new_paper(draft.paper)
        claims = [*self._reference_claims(state, draft.paper), *self._account_claims(state, draft.paper)]
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
        return self._registration_of_note(order, draft.type, draft.owner, draft.paper, draft.today, draft.scan_code)

    def _with_file(self, draft: Draft, file: Examined) -> Entry:
        """An authorization's file is its evidence, and the original need not be held."""
        self._refuse_content(draft.type, file)
        alone = draft.type.definition.kind is Kind.DOCUMENT
        register = (
            None if alone else replace(self._registration_of_draft(draft), source=Source.FILE, original_held=False)
        )
        paper, content = draft.paper if alone else self.ids.new(), self.ids.new()
        self.keys.new_paper(paper)
        arrival = Arrival(
            paper=paper,
            owner=draft.owner,
            type=draft.type,
            content=self._store_content(paper, content, file),
            sha256=file.sha256,
            file_name=file.name,
            statement=None if alone else draft.paper,
        )
        try:
            change = self._arrival_change(_order_from(draft.line), arrival, register)
            return self._claim_entry(draft, change, _statement_in(change), content)
        except (Refusal, OwnerRaced):
            self.contents.drop(content)
            raise

    def _claim_entry(
        self, draft: Draft, change: Change, state: Authorization | None, content: UUID | None = None
    ) -> Entry:
        """`state`: of the authorization that is noted. One whose time is over leaves its account free: the one that
        came after it may stand in the same list."""
        over = _expiry_of(state, draft.today)
        code = [self._claim_of("scan-code", draft.scan_code, draft.paper)] if draft.scan_code else []
        left = (draft.itself.kind, "mandate" if over else None)
        claims = [draft.itself, *code, *[claim for claim in change.claims if claim.kind not in left]]
        return Entry(draft=draft, change=replace(change, claims=claims), content=content, over=over)

    # -- append -----------------------------------------------------------------------------------------------

    def _build_attempt(self, entries: Sequence[Entry | Result], known: Mapping[Value, UUID], caller: Caller) -> Attempt:
        digests = [c.digest for entry in entries if isinstance(entry, Entry) for c in entry.change.claims]
        values = {*digests}
        found = refuse_conflicts(entries, known) if known or len(values) < len(digests) else entries
        chosen = [entry for entry in found if isinstance(entry, Entry)]
        return Attempt(found=found, append=self._append_of(chosen, caller) if chosen else None, values=values)

    def _append_of(self, entries: Sequence[Entry], caller: Caller) -> Later:
        return self.log.append_later(
            self._wrap_steps([step for entry in entries for step in entry.change.steps], caller, {}),
            claims=[claim for entry in entries for claim in entry.change.claims],
            papers={paper: owner for entry in entries for paper, owner in entry.change.papers.items()},
        )

    def _append_until_free(self, prepared: Prepared) -> list[Result]:
        """Tried without asking first. When a value is taken all are looked up, and what is left is tried again."""
        entries, attempt = prepared.entries, prepared.attempt
        for _ in range(ATTEMPTS):
            try:
                if attempt.append:
                    attempt.append.result()
            except AlreadyClaimed:
                claims = [claim for entry in entries if isinstance(entry, Entry) for claim in entry.change.claims]
                attempt = self._build_attempt(entries, self._owners_of_claims(claims), prepared.caller)
                continue
            drafts = [entry.draft if isinstance(entry, Entry) else entry for entry in entries]
            return [
                Taken(result.draft.paper, result.over) if isinstance(result, Entry) else result
                for result in self._recognize_imported(drafts, attempt.found)
            ]
        raise Unavailable

    def _owners_of_claims(self, claims: Sequence[Claim]) -> dict[Value, UUID]:
        """Who has what these claim."""
        return {
            (kind, digest): owner
            for kind in dict.fromkeys(claim.kind for claim in claims)
            for digest, owner in self.log.owners_of_claims(kind, [c.digest for c in claims if c.kind == kind]).items()
        }

    def _recognize_imported(self, drafts: Sequence[Draft | Result], found: Sequence[F | Result]) -> list[F | Result]:
        """A paper with a line's external id that began as one of the line's customer and type is what the line became,
        by whatever door it came in."""
        others = [one.owner for one in found if isinstance(one, Refused) and isinstance(one.error, ExternalIdTaken)]
        if not others:
            return list(found)
        origins = self._origins_of([paper for paper in others if paper])

        def recognized(draft: Draft | Result, result: F | Result) -> F | Result:
            match draft, result:
                case Draft(owner=owner, type=kind), Refused(ExternalIdTaken(), UUID() as paper):
                    return There(paper) if origins.get(paper) == (owner.reference, kind.code) else result
            return result

        return [recognized(draft, result) for draft, result in zip(drafts, found, strict=True)]

    def _origins_of(self, papers: Sequence[UUID]) -> dict[UUID, tuple[UUID, str]]:
        """The customer and the type with which they began."""
        recorded = self.log.load_recorded(papers, MAX_POSITION)
        firsts = [one.envelope for one in recorded if one.envelope.originator_version == 1]
        return {first.originator_id: (first.body.customer, first.body.type.code) for first in firsts}


def line_identity(line: ImportLine) -> bytes:
    """What makes a line without an external id the same one: all that it says and what is in its file. Not the file's
    name: in the next delivery it stands for another scan. Columns that are empty, or came later, change nothing."""
    said = {name: value for name, value in msgspec.structs.asdict(line).items() if value is not None}
    return msgspec.msgpack.encode(said | {"file": line.file.sha256} if line.file else said)


OF_AUTHORIZATIONS = dict.fromkeys(("scan_code", "signature_date"), N_("is for authorizations only"))
OF_MANDATES = dict.fromkeys(
    ("iban", "debtor_name", "mandate_reference", "last_collection_on"), N_("is for mandates only")
)
# What a line of this kind does not say.
FOREIGN: dict[Kind, dict[str, str]] = {
    Kind.DOCUMENT: OF_AUTHORIZATIONS | OF_MANDATES,
    Kind.AUTHORIZATION: OF_MANDATES,
    Kind.MANDATE: {},
}


def errors_in_line(line: ImportLine, kind: DocumentType, today: date) -> Iterator[FieldError]:
    """What the type of a line, or the day, does not allow in it."""
    definition = kind.definition
    if definition.verify_only:
        yield FieldError("/type", N_("is verified and not kept: note at the desk what was seen"))
    elif definition.kind is Kind.DOCUMENT and line.file is None:
        yield FieldError("/file", N_("is needed: only an authorization may come without one"))
    for column, detail in FOREIGN[definition.kind].items():
        if getattr(line, column):
            yield FieldError(f"/{column}", detail)
    if line.received_on and line.received_on > today:
        yield FieldError("/received_on", N_("must not be in the future"))
    if line.signature_date and line.signature_date > today:
        yield FieldError("/signature_date", N_("must not be in the future"))


def refuse_conflicts(entries: Sequence[Entry | Result], known: Mapping[Value, UUID]) -> list[Entry | Result]:
    """Those that can be taken, in the order of the lines: what one of them claims the next may not. `known` are the
    owners in the log."""
    owners = dict(known)
    found: list[Entry | Result] = []
    for entry in entries:
        result = (_conflict_of(entry.change.claims, owners) or entry) if isinstance(entry, Entry) else entry
        if isinstance(result, Entry):
            owners.update(((claim.kind, claim.digest), claim.owner) for claim in result.change.claims)
        found.append(result)
    return found


def _conflict_of(claims: Iterable[Claim], owners: Mapping[Value, UUID]) -> Result | None:
    for claim in claims:
        if (owner := owners.get((claim.kind, claim.digest))) is None:
            continue
        if claim.kind == "import-line":
            return There(owner)
        return Refused(refusal_of(AlreadyClaimed(claim.kind, owner)), owner)
    return None


def _require_fit(line: ImportLine, kind: DocumentType, today: date) -> None:
    kind.require_active()
    if errors := [*errors_in_line(line, kind, today)]:
        raise ValidationFailed(*errors)
    kind.require_source(Source.FILE if line.file else Source.NONE)


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


def _or_refused(step: Callable[[], T]) -> T | Refused:
    """What is wrong with a line is that line's alone; what is wrong with the archive stops the batch."""
    try:
        return step()
    except (Unavailable, InsufficientStorage):
        raise
    except (Refusal, FieldError) as error:
        return Refused(error)
    except FileChanged:
        return Refused(FieldError("/file", N_("changed while it was read")))


def _customers_of(lines: Sequence[ImportLine]) -> set[str]:
    return {line.customer for line in lines}


def _order_from(line: ImportLine) -> ArchiveFile:
    return ArchiveFile(
        received_on=line.received_on, signed_on=line.signature_date, note=line.note, external_id=line.external_id
    )
