"""A desk on a real database: the archive with its log and keys, and what a test wants to say about the views."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import ConnectionPool

from domain.access import Rights
from domain.archive import Examined, IssueForm, Outcome, Ports, Rules, build_archive
from domain.authorization import ReportCollection, Revoke
from domain.catalogue import SHIPPED
from domain.customer import CustomerStatus
from domain.document import Command
from domain.document_type import DefineType, Definition, DocumentType
from domain.hold import LiftHold
from domain.holding import HoldOrder
from domain.life import Order
from domain.mandate import CollectionOutcome
from projections import parking, tracking
from projections.customer_documents import Item, ItemContext, ListedPaper, PaperRow, render_item, render_items
from projections.follow import Follower
from projections.parking import Parked
from store.key_encryption import KeyEncryptionKeys
from store.keys import Keys, make_institution_key
from store.log import Log
from store.mapper import SealingMapper
from store.recorder import ArchiveRecorder, make_datastore
from store.system import RandomIds
from tests.builders.memory import Clock, Directory, MemoryContents
from tests.builders.papers import CREDITOR, a_caller, a_mandate_note, a_note, a_seen_note, an_order, an_upload

T = TypeVar("T")
KEK = KeyEncryptionKeys({1: b"k" * 32})
CUSTOMERS = tuple(str(100_234 + n) for n in range(40))
EVERYTHING = Rights(list(SHIPPED))
AS_IT_IS: Any = {"rights": EVERYTHING, "expected_version": None}


def shown(row: PaperRow | ListedPaper, types: Mapping[str, DocumentType] | None = None, language: str = "en") -> Item:
    """The item that a caller gets for a row."""
    reader = ItemContext(types=types or {}, language=language, today=date(2026, 11, 24))
    found = render_item(row, reader) if isinstance(row, PaperRow) else render_items([row], reader)[0]
    return msgspec.json.decode(found, type=Item)


class Desk:
    def __init__(self, url: str, log: Log, keys: Keys) -> None:
        self.url, self.log, self.keys, self.clock = url, log, keys, Clock(datetime.now(UTC))
        self.archive = build_archive(
            Ports(
                log=log,
                keys=keys,
                contents=MemoryContents(),
                customers=Directory(*CUSTOMERS),
                clock=self.clock,
                ids=RandomIds(),
            ),
            Rules(creditor=CREDITOR),
        )
        self._uploads = 0

    # -- what is done -------------------------------------------------------------------------------------------

    def letter(
        self, customer: str = CUSTOMERS[0], *, branch: str = "CENTRAL", actor: str = "j.smit", **order: Any
    ) -> Outcome:
        """Select file; each call another file. With an authorization type an authorization and its evidence."""
        upload = self._upload(order.pop("file_name", "letter.pdf"))
        caller = a_caller(branch=branch, actor=actor, idempotency_key=order.pop("key", None))
        return self.archive.filing.archive_file(an_order(customer=customer, **order), upload, caller, EVERYTHING)

    def _upload(self, name: str) -> Examined:
        self._uploads += 1
        return an_upload(b"%%PDF-1.7 %d %d" % (threading.get_ident(), self._uploads), name=name)

    def consent(self, customer: str = CUSTOMERS[0], **note: Any) -> Outcome:
        return self.archive.noting.note_authorization(a_note(customer=customer, **note), a_caller(), EVERYTHING)

    def mandate(self, customer: str = CUSTOMERS[0], **note: Any) -> Outcome:
        return self.archive.noting.note_authorization(a_mandate_note(customer=customer, **note), a_caller(), EVERYTHING)

    def seen(self, customer: str = CUSTOMERS[0]) -> Outcome:
        return self.archive.noting.note_authorization(a_seen_note(customer=customer), a_caller(), EVERYTHING)

    def form(self, customer: str = CUSTOMERS[0], **order: Any) -> Outcome:
        """Issue: a guardian's consent, if nothing else is said."""
        usual = {"customer": customer, "type": "GUARDIAN_CONSENT", "language": "en"}
        return self.archive.forms.issue_form(IssueForm(**usual | order), a_caller())

    def sign(self, statement: UUID, **note: Any) -> Outcome:
        """No upload by code: an issued form came back and is kept on paper."""
        signed = a_note(**{"customer": None, "type": None, "authorization": statement, **note})
        return self.archive.noting.note_authorization(signed, a_caller(), EVERYTHING)

    def attach(self, statement: UUID, **order: Any) -> Outcome:
        """Select file with a code."""
        upload = self._upload(order.pop("file_name", "letter.pdf"))
        attached = an_order(**{"customer": None, "type": None, "authorization": statement, **order})
        return self.archive.filing.archive_file(attached, upload, a_caller(), EVERYTHING)

    def change(self, statement: UUID, order: Order) -> Outcome:
        return self.archive.life.change_authorization(statement, order, a_caller(), **AS_IT_IS)

    def collect(self, mandate: UUID, due_on: date, outcome: str = "paid", **more: Any) -> Outcome:
        today = self.clock.today()
        return self.change(
            mandate,
            ReportCollection(
                presented_on=today, due_on=due_on, outcome=CollectionOutcome(outcome), today=today, **more
            ),
        )

    def revoke(self, statement: UUID, *, later_days: int = 0) -> Outcome:
        today = self.clock.today()
        effective_on = today + timedelta(days=later_days)
        return self.change(
            statement, Revoke(received_on=today, effective_on=effective_on, today=today, reason="no longer wanted")
        )

    def correct(self, paper: UUID, command: Command) -> Outcome:
        return self.archive.corrections.correct_document(paper, command, a_caller(), **AS_IT_IS)

    def move(self, paper: UUID, customer: str) -> Outcome:
        """A document, with the authorization that it is evidence of."""
        return self.archive.corrections.reassign_document(paper, customer, "wrong customer", a_caller(), **AS_IT_IS)

    def move_authorization(self, statement: UUID, customer: str) -> Outcome:
        return self.archive.corrections.reassign_authorization(
            statement, customer, "wrong customer", a_caller(), **AS_IT_IS
        )

    def link(self, paper: UUID, customer: str) -> Outcome:
        return self.archive.corrections.link_customer(paper, customer, "a joint letter", a_caller(), **AS_IT_IS)

    def unlink(self, paper: UUID, customer: str) -> Outcome:
        return self.archive.corrections.unlink_customer(paper, customer, "not joint", a_caller(), **AS_IT_IS)

    def replace(self, paper: UUID, file_name: str = "better.pdf") -> Outcome:
        upload = self._upload(file_name)
        return self.archive.corrections.replace_content(paper, upload, "a better scan", a_caller(), **AS_IT_IS)

    def report(self, customer: str, status: CustomerStatus, on: date) -> Outcome:
        return self.archive.customer_files.report_customer(customer, status, on, "told at the desk", a_caller())

    def hold(self, paper: UUID, *, until: date | None = None, is_document: bool = True) -> Outcome:
        """Place a legal hold on a paper."""
        place = self.archive.holding.hold_document if is_document else self.archive.holding.hold_authorization
        return place(paper, HoldOrder("a court asks for it", until), a_caller(), **AS_IT_IS)

    def release(self, paper: UUID, hold: UUID, *, is_document: bool = True) -> Outcome:
        lift = self.archive.holding.release_document if is_document else self.archive.holding.release_authorization
        return lift(paper, LiftHold(hold, "the court has decided"), a_caller(), **AS_IT_IS)

    def hold_customer(self, customer: str, *, until: date | None = None) -> Outcome:
        return self.archive.holding.hold_customer(customer, HoldOrder("an inquiry", until), a_caller())

    def release_customer(self, customer: str, hold: UUID) -> Outcome:
        return self.archive.holding.release_customer(customer, LiftHold(hold, "the inquiry was closed"), a_caller())

    def define(self, code: str, definition: Definition) -> None:
        self.archive.catalogues.define_type(DefineType(code, definition), a_caller())

    def reference(self, customer: str = CUSTOMERS[0]) -> UUID:
        return self.keys.owner_of(customer).reference

    def types(self) -> dict[str, DocumentType]:
        return self.archive.catalogues.load_types()

    def erase_key(self, paper: UUID) -> None:
        """The paper cannot be read any more, by anyone."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("delete from keys.paper where paper = %s", [paper])
        self.keys.forget_all()

    # -- what is seen -------------------------------------------------------------------------------------------

    def follow(self) -> int:
        """Bring every view up to the end of the log with a follower of its own; the position they stand at."""
        last = self.log.fence()
        with following(self):
            self.wait_until(last)
        assert not self.parked(), "events were parked"
        return last

    def parked(self) -> list[Parked]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            return parking.list_parked(conn)

    def wait_until(self, position: int, *, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        with psycopg.connect(self.url, autocommit=True) as conn:
            while time.monotonic() < deadline:
                if min(t.position for t in tracking.list_tracked(conn) if not t.paused) >= position:
                    return
                time.sleep(0.005)
        raise AssertionError(f"the views did not reach {position}")

    def ask(self, question: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        """A query of a view, as the web worker asks it."""

        async def answer() -> T:
            async with await AsyncConnection.connect(self.url, autocommit=True) as conn:
                return await question(conn)

        return asyncio.run(answer())

    def rows(self, query: str, *bound: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            return conn.execute(query, bound).fetchall()


def paper_of(outcome: Outcome) -> UUID:
    """The paper that a command changed first: of an authorization with its evidence the authorization."""
    paper: UUID = outcome.recorded[0].envelope.originator_id
    return paper


@contextmanager
def open_log(url: str, *, connections: int = 4) -> Iterator[tuple[Log, Keys]]:
    """A log of one process, with a key-encryption key that every process of a test has."""
    events = make_datastore(url, connections=connections, wait_seconds=10.0, role=None)
    with ConnectionPool(url, min_size=1, max_size=connections, kwargs={"autocommit": True}) as pool:
        keys = Keys(pool, KEK)
        try:
            yield Log(ArchiveRecorder(events), keys, SealingMapper(keys.cipher_of)), keys
        finally:
            events.close()


@contextmanager
def open_desk(url: str, *, connections: int = 4) -> Iterator[Desk]:
    with psycopg.connect(url, autocommit=True) as conn:
        make_institution_key(conn, KEK)
    with open_log(url, connections=connections) as (log, keys):
        desk = Desk(url, log, keys)
        desk.archive.catalogues.ship_types(SHIPPED, a_caller(actor="system"))
        yield desk


@contextmanager
def following(desk: Desk, **parts: Any) -> Iterator[Follower]:
    """A follower in a thread of this process, with a log of its own."""
    stop = threading.Event()
    with open_log(desk.url, connections=2) as (log, _):
        follower = Follower(desk.url, log, **parts)
        thread = threading.Thread(target=follower.run, args=[stop])
        thread.start()
        try:
            yield follower
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive(), "the follower did not stop"
