"""`dossier import` without its command line: passes the lines of service/import_lines.py to domain/importing.py.
While two batches are being appended to the log, the next one is read and examined."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from uuid import UUID

import msgspec

from domain.archive import Caller, Examined, build_examined
from domain.authorization import ExpiryCause
from domain.importing import (
    BATCH_LINES_MAX,
    AlreadyImported,
    Importing,
    ImportLine,
    Lookups,
    Prepared,
    RefusedDraft,
    Result,
    TakenDraft,
)
from domain.limits import Limits
from domain.received_file import Received
from domain.refusals import FieldError, InsufficientStorage, Refusal, Unavailable, ValidationFailed
from paper.client import Examiner
from projections.view import pause_collector
from service.csv_lines import FileUnreadable
from service.exits import field_words
from service.import_lines import LineErrors, ListedLine, Listing, open_line

EXAMINED_AT_ONCE = 4
LOOKED_UP_AT_ONCE = 1_000  # lines whose customers are looked up in one query
UNDER_WAY_MAX = 2  # batches: while one is being made durable, the database works on the other
CONNECTIONS = UNDER_WAY_MAX + 1  # connections of the store: one more, for queries


class LineOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a line: taken, there or refused; `words` is the reason or a remark."""

    line: ListedLine
    outcome: str
    paper: UUID | None = None
    words: str = ""
    ended: bool = False


class ImportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Lines by outcome. `ended` are counted in `taken` too: authorizations that had already expired."""

    taken: int = 0
    there: int = 0
    refused: int = 0
    ended: int = 0

    def add_lines(self, told: Sequence[LineOutcome]) -> "ImportCounts":
        """The counts including these lines."""
        outcomes = [one.outcome for one in told]
        return ImportCounts(
            taken=self.taken + outcomes.count("taken"),
            there=self.there + outcomes.count("there"),
            refused=self.refused + outcomes.count("refused"),
            ended=self.ended + sum(one.ended for one in told),
        )


class Importer(msgspec.Struct, frozen=True, kw_only=True):
    """Parts that an import uses. In a dry run `importing` has the ports of rehearsal_of()."""

    importing: Importing
    caller: Caller
    examiner: Examiner
    limits: Limits
    free_bytes: Callable[[], int]


def import_listing(
    listing: Listing, importer: Importer, on_told: Callable[[Sequence[LineOutcome]], None]
) -> ImportCounts:
    """Import every acceptable line. Batches have 100 lines; each is durable before `on_told` is called. Idempotent:
    importing the same list again finds the stored papers. Raises FileUnreadable, Unavailable and
    InsufficientStorage."""
    with pause_collector():
        run = ImportRun(importer, listing, on_told)
        try:
            ahead = ReadAhead(listing.lines)
            while lines := ahead.next_stretch():
                run.import_stretch(lines, meanwhile=partial(ahead.fetch_lines, BATCH_LINES_MAX))
        finally:
            run.settle()
    return run.done


class ReadAhead:
    """Reads lines while earlier ones are being appended to the log."""

    def __init__(self, lines: Iterator[ListedLine]) -> None:
        self._lines = lines
        self._read: list[ListedLine] = []
        self._fault: FileUnreadable | None = None

    def fetch_lines(self, number: int) -> None:
        try:
            self._read.extend(islice(self._lines, number))
        except FileUnreadable as fault:
            self._fault = fault

    def next_stretch(self) -> list[ListedLine]:
        """The next lines, at most as many as are looked up at once; empty at the end of the list. Raises
        FileUnreadable after all lines before the place that cannot be read were returned."""
        self.fetch_lines(LOOKED_UP_AT_ONCE - len(self._read))
        lines, self._read = self._read, []
        if self._fault and not lines:
            raise self._fault
        return lines


class ImportBatch:
    """Lines with their files open, until `close`. `readable` are the lines without errors, in order."""

    def __init__(self, lines: Sequence[ListedLine], listing: Listing, limits: Limits) -> None:
        self._lines, self._files = lines, ExitStack()
        self._parsed = [open_line(line, listing.root, limits, self._files) for line in lines]
        self.readable = [parsed for parsed in self._parsed if isinstance(parsed, ImportLine)]
        self.close = self._files.close

    def pair_results(self, results: Sequence[Result]) -> list[tuple[ListedLine, Result | LineErrors]]:
        """Every line with its result or its errors."""
        found = iter(results)
        parsed = zip(self._lines, self._parsed, strict=True)
        return [(line, next(found) if isinstance(one, ImportLine) else one) for line, one in parsed]


class ImportRun:
    """One import. Up to two batches are under way while the next is examined. Batches under way share no claim and
    no new customer, so the order of their appends does not matter."""

    def __init__(self, importer: Importer, listing: Listing, on_told: Callable[[Sequence[LineOutcome]], None]) -> None:
        self._importer, self._listing, self._on_told = importer, listing, on_told
        self._under_way: deque[tuple[ImportBatch, Prepared]] = deque()
        self._places: dict[UUID, str] = {}
        self.done = ImportCounts()

    def import_stretch(self, lines: Sequence[ListedLine], meanwhile: Callable[[], None]) -> None:
        """Import a stretch of the list batch by batch. Results of the last batches are reported by a later call or
        by settle(). `meanwhile` is called while a batch is under way."""
        customers = {line.parsed.customer for line in lines if isinstance(line.parsed, ImportLine)}
        self._settle_newcomers(customers)
        known = self._importer.importing.look_up(customers)
        for n in range(0, len(lines), BATCH_LINES_MAX):
            self._import_batch(ImportBatch(lines[n : n + BATCH_LINES_MAX], self._listing, self._importer.limits), known)
            meanwhile()

    def _settle_newcomers(self, customers: set[str]) -> None:
        if any(prepared.newcomers & customers for _, prepared in self._under_way):
            self.settle()

    def _import_batch(self, batch: ImportBatch, known: Lookups) -> None:
        """Send the batch before reporting results, so that the database does not wait for the report."""
        self._settle_newcomers({line.customer for line in batch.readable})
        importing, caller = self._importer.importing, self._importer.caller
        with ExitStack() as failing:
            failing.callback(batch.close)
            prepared = importing.prepare_lines(batch.readable, known, caller, self._examine)
            if any(prepared.attempt.values & other.attempt.values for _, other in self._under_way):
                self.settle()
            ended = self._finish_batch() if len(self._under_way) == UNDER_WAY_MAX else []
            failing.pop_all()
        self._under_way.append((batch, prepared))
        try:
            prepared.send()
        finally:
            self._report_results(ended)

    def settle(self) -> None:
        """Wait for all batches under way, even if one fails, and report their results."""
        if not self._under_way:
            return
        try:
            self._report_results(self._finish_batch())
        finally:
            self.settle()

    def _finish_batch(self) -> Sequence[tuple[ListedLine, Result | LineErrors]]:
        """The results of the oldest batch under way."""
        batch, prepared = self._under_way.popleft()
        with closing(batch):
            results = self._importer.importing.append_lines(prepared)
        return batch.pair_results(results)

    def _report_results(self, ended: Sequence[tuple[ListedLine, Result | LineErrors]]) -> None:
        if not ended:
            return
        told = []
        for line, result in ended:
            told.append(outcome_of(line, result, self._places))
            if isinstance(result, TakenDraft):
                self._places[result.paper] = line.place
        self.done = self.done.add_lines(told)
        self._on_told(told)

    def _examine(self, files: Sequence[Received]) -> Sequence[Examined | Refusal]:
        """Examine files that are about to be stored. Raises InsufficientStorage below the minimum of free space."""
        if self._importer.free_bytes() < self._importer.limits.disk_free_bytes_min:
            raise InsufficientStorage
        return asyncio.run(self._examine_all(files))

    async def _examine_all(self, files: Sequence[Received]) -> Sequence[Examined | Refusal]:
        examiner, free = self._importer.examiner, asyncio.Semaphore(EXAMINED_AT_ONCE)

        async def one(received: Received) -> Examined | Refusal:
            async with free:
                try:
                    found = await examiner.examine(received.file.fileno(), size=received.size, name=received.name)
                except (Unavailable, InsufficientStorage):
                    raise
                except Refusal as refused:
                    return refused
            return build_examined(received, found)

        return await asyncio.gather(*map(one, files))


# -- words ----------------------------------------------------------------------------------------------------------

# The column that a refusal is about; refusals with other slugs are about the file.
COLUMNS = {
    "customer-unknown": "customer",
    "customer-erased": "customer",
    "document-type-unknown": "type",
    "document-type-inactive": "type",
    "source-not-allowed": "type",
    "scan-code-malformed": "scan_code",
    "scan-code-taken": "scan_code",
    "iban-invalid": "iban",
    "mandate-exists": "iban",
    "mandate-reference-taken": "mandate_reference",
    "external-id-taken": "external_id",
}

OVER = {
    ExpiryCause.VALIDITY: "its validity ended",
    ExpiryCause.NO_COLLECTION: "36 months without a collection ended",
}


def outcome_of(line: ListedLine, result: Result | LineErrors, places: Mapping[UUID, str]) -> LineOutcome:
    """The outcome of a line. `places` are those of papers that this import stored."""
    match result:
        case TakenDraft(paper, over):
            words = f"{OVER[over.cause]} on {over.on}: `serve` will record it as expired" if over else ""
            return LineOutcome(line=line, outcome="taken", paper=paper, words=words, ended=over is not None)
        case AlreadyImported(paper):
            words = f"{places[paper]} says the same" if paper in places else ""
            return LineOutcome(line=line, outcome="there", paper=paper, words=words)
        case RefusedDraft(error, owner):
            where = f" ({places.get(owner, owner)})" if owner else ""
            return LineOutcome(line=line, outcome="refused", words=words_of(error) + where)
    return LineOutcome(line=line, outcome="refused", words="; ".join(map(words_of, result)))


def words_of(error: Refusal | FieldError) -> str:
    """The column and its error, as `iban: The IBAN has …`."""
    if isinstance(error, FieldError):
        return field_words(error).lstrip(": ")
    if isinstance(error, ValidationFailed):
        return "; ".join(map(words_of, error.errors))
    return f"{COLUMNS.get(error.slug, 'file')}: {error}"
