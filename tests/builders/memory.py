"""The ports of the use cases in memory, and an archive made of them. tests/contract/ holds the log to its port."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import BinaryIO
from uuid import UUID

from domain.archive import Archive
from domain.catalogue import SHIPPED
from domain.customer import Customer
from domain.ports import Stored
from tests.builders.memory_keys import MemoryKeys
from tests.builders.memory_log import MemoryLog
from tests.builders.papers import CREDITOR, a_caller


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, moment: datetime = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def today(self) -> date:
        return self.day(self.moment)

    def day(self, moment: datetime) -> date:
        return moment.date()


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

    def get_many(self, customer_ids: Iterable[str]) -> dict[str, Customer]:
        return {i: self.known[i] for i in customer_ids if i in self.known}

    def search(self, text: str, limit: int) -> Sequence[Customer]:
        return list(self.get_many([text]).values())


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
        self.archive = Archive(
            log=self.log,
            keys=self.keys,
            contents=self.contents,
            customers=self.customers,
            clock=self.clock,
            ids=self.ids,
            creditor=creditor,
        )
        self.archive.ship_types(SHIPPED, a_caller(actor="system"))
        self.begun_at = self.log.last_position()

    @property
    def topics(self) -> list[str]:
        """Of all events since the beginning, in the order of the log."""
        return self.log.topics(after=self.begun_at)
