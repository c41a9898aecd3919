"""The ports of the use cases in memory, and an archive made of them. tests/contract/ holds the log to its port."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, BinaryIO
from uuid import UUID

from msgspec.structs import replace

from domain import authorization, document
from domain.access import Rights
from domain.archive import Outcome, Ports, Rules, build_archive
from domain.authorization import Authorization
from domain.catalogue import SHIPPED
from domain.customer import Customer, CustomerStatus
from domain.document import Document
from domain.document_type import DefineType
from domain.importing import build_importing
from domain.life import Order
from domain.ports import Stored
from tests.builders.memory_keys import MemoryKeys
from tests.builders.memory_log import MemoryLog
from tests.builders.papers import CREDITOR, PDF, a_caller, a_document_type, a_form, a_note, an_order, an_upload

EVERYTHING = Rights(list(SHIPPED))


class Clock:
    """Stands still until a test moves it. `zone` is that of the institution."""

    def __init__(self, moment: datetime = datetime(2026, 11, 24, 9, 30, tzinfo=UTC), zone: tzinfo = UTC) -> None:
        self.moment, self.zone = moment, zone

    def now(self) -> datetime:
        return self.moment

    def today(self) -> date:
        return self.day_of(self.moment)

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def move_to(self, day: date) -> None:
        """The same time of another day."""
        self.moment += timedelta(days=(day - self.today()).days)


class Ids:
    """UUIDv7 in form, counted up from one."""

    def __init__(self) -> None:
        self.given: list[UUID] = []

    def new(self) -> UUID:
        self.given.append(UUID(int=0x0193F3A0_0000_7000_8000_000000000001 + len(self.given)))
        return self.given[-1]


class Directory:
    """Customers by id. Its search finds by the exact id only; what a search must do is another suite's matter."""

    def __init__(self, *customer_ids: str) -> None:
        self.known = {i: Customer(id=i, name=f"Customer {i}") for i in customer_ids}

    def exists(self, customer_id: str) -> bool:
        return customer_id in self.known

    def get(self, customer_id: str) -> Customer | None:
        return self.known.get(customer_id)

    def existing_ids(self, customer_ids: Iterable[str]) -> set[str]:
        return set(customer_ids) & self.known.keys()

    def set_status(self, customer_id: str, status: CustomerStatus) -> None:
        if customer_id in self.known:
            self.known[customer_id] = replace(self.known[customer_id], status=status)

    def search(self, text: str, limit: int) -> Sequence[Customer]:
        return [self.known[text]] if text in self.known else []


class MemoryContents:
    """Plain bytes by content id; `put_in_order` tells every id that was ever stored."""

    def __init__(self) -> None:
        self.plain: dict[UUID, bytes] = {}
        self.put_in_order: list[UUID] = []

    def put(self, paper: UUID, content: UUID, file: BinaryIO) -> Stored:
        file.seek(0)
        plain = self.plain[content] = file.read()
        self.put_in_order.append(content)
        sealed = b"sealed" + plain
        return Stored(
            size_bytes=len(plain),
            sha256=hashlib.sha256(plain).digest(),
            sealed_size_bytes=len(sealed),
            sealed_sha256=hashlib.sha256(sealed).digest(),
        )

    def drop(self, content: UUID) -> None:
        self.plain.pop(content, None)


class MemoryArchive:
    """An archive with the shipped document types that knows the customers 100234 and 100235."""

    def __init__(self, *, creditor: str | None = CREDITOR) -> None:
        self.keys, self.contents = MemoryKeys(), MemoryContents()
        self.customers, self.clock, self.ids = Directory("100234", "100235"), Clock(), Ids()
        self.log = MemoryLog(self.keys, self.clock)
        self.archive = build_archive(
            Ports(
                log=self.log,
                keys=self.keys,
                contents=self.contents,
                customers=self.customers,
                clock=self.clock,
                ids=self.ids,
            ),
            Rules(creditor=creditor),
        )
        self.importing = build_importing(self.archive.ports, creditor)
        self.archive.catalogues.ship_types(SHIPPED, a_caller(actor="system"))
        self.begun_at = self.log.last_position()

    @property
    def topics(self) -> list[str]:
        """Of all events since the beginning, in the order of the log."""
        return self.log.topics(after=self.begun_at)


class MemoryDesk(MemoryArchive):
    """Somebody at the desk of that archive who may see everything. What comes in answers the id of its paper, of an
    authorization with its evidence that of the authorization."""

    def issue(self, **form: Any) -> UUID:
        return paper_of(self.archive.forms.issue_form(a_form(**form), a_caller()))

    def note(self, **note: Any) -> UUID:
        return paper_of(self.archive.noting.note_authorization(a_note(**note), a_caller(), EVERYTHING))

    def file(self, plain: bytes = PDF, **order: Any) -> UUID:
        return paper_of(self.archive.filing.archive_file(an_order(**order), an_upload(plain), a_caller(), EVERYTHING))

    def note_signed(self, form: UUID, *, key: str | None = None, **note: Any) -> Outcome:
        """No upload by the code of an issued form."""
        order = a_note(**{"customer": None, "type": None, "authorization": form, **note})
        return self.archive.noting.note_authorization(order, a_caller(idempotency_key=key), EVERYTHING)

    def attach(self, form: UUID, plain: bytes = PDF, *, key: str | None = None, **order: Any) -> Outcome:
        """Select file by the code of an issued form."""
        archive = an_order(**{"customer": None, "type": None, "authorization": form, **order})
        return self.archive.filing.archive_file(archive, an_upload(plain), a_caller(idempotency_key=key), EVERYTHING)

    def change(
        self,
        paper: UUID,
        order: Order,
        version: int | None = None,
        *,
        key: str | None = None,
        rights: Rights = EVERYTHING,
    ) -> Outcome:
        caller = a_caller(idempotency_key=key)
        return self.archive.life.change_authorization(paper, order, caller, rights=rights, expected_version=version)

    def correct(self, paper: UUID, command: document.Command, version: int | None = None) -> Outcome:
        return self.archive.corrections.correct_document(
            paper, command, a_caller(), rights=EVERYTHING, expected_version=version
        )

    def define(self, code: str, **changes: Any) -> None:
        self.archive.catalogues.define_type(DefineType(code, a_document_type(code, **changes).definition), a_caller())

    def authorization(self, paper: UUID) -> Authorization:
        state = authorization.fold(e.body for e in self.log.load(paper))
        assert state is not None
        return state

    def document(self, paper: UUID) -> Document:
        state = document.fold(e.body for e in self.log.load(paper))
        assert state is not None
        return state

    def code(self, paper: UUID) -> str:
        """The scan code of an issued form."""
        code = self.authorization(paper).scan_code
        assert code is not None
        return code

    def evidence(self, paper: UUID) -> UUID:
        evidence = self.authorization(paper).evidence
        assert evidence is not None
        return evidence

    def trace(self) -> tuple[object, ...]:
        """All that a command can leave behind; a refused one leaves it as it was."""
        claims = dict(self.log._recorder._claims)
        return (
            self.log.last_position(),
            claims,
            dict(self.contents.plain),
            {**self.keys.papers},
            {**self.keys.references},
        )


def paper_of(outcome: Outcome) -> UUID:
    paper: UUID = outcome.recorded[0].envelope.originator_id
    return paper
