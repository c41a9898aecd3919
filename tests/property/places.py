"""Where lives.py acts: the archive over ports in memory, and the same archive over the real log on Postgres."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg

from domain.archive import Archive, Ports, Rules, build_archive
from domain.catalogue import SHIPPED
from domain.envelope import Envelope
from domain.ports import Appended
from store.system import RandomIds
from tests.builders.memory import Clock, Directory, MemoryArchive, MemoryContents
from tests.builders.papers import CREDITOR, a_caller
from tests.builders.postgres_log import open_log
from tests.fixtures.database import create_database, drop_database


class Place(Protocol):
    """`before_append`: each runs once, ahead of the next append, as what another desk does in that moment."""

    archive: Archive
    clock: Clock
    contents: MemoryContents
    before_append: list[Callable[[], object]]

    def trace(self) -> object:
        """All that an append can leave in the log and beside it."""

    def stored(self, after: int) -> Sequence[tuple[int, bytes]]:
        """The events behind a position as they lie there, with their positions."""

    def holders(self, paper: UUID) -> set[str]:
        """The customers whose key opens a paper."""

    def close(self) -> None: ...


class InMemory:
    def __init__(self, *customers: str) -> None:
        self._parts = MemoryArchive()
        self._parts.customers.known = Directory(*customers).known
        self.archive, self.clock, self.contents = self._parts.archive, self._parts.clock, self._parts.contents
        self.before_append = self._parts.log.before_append

    def trace(self) -> object:
        recorder, keys = self._parts.log._recorder, self._parts.keys
        return (
            self._parts.log.last_position(),
            dict(recorder._claims),
            dict(recorder._commands),
            {**keys.papers},
            {**keys.references},
        )

    def stored(self, after: int) -> Sequence[tuple[int, bytes]]:
        found = self._parts.log._recorder.select_notifications(after, 1 << 31, inclusive_of_start=False)
        return [(int(n.id), n.state) for n in found]

    def holders(self, paper: UUID) -> set[str]:
        return set(self._parts.keys.customer_ids(self._parts.keys.papers[paper]).values())

    def close(self) -> None:
        """Nothing is held."""


class Interrupted:
    """The log, with what another desk does ahead of an append."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.before_append: list[Callable[[], object]] = []

    def append(self, envelopes: Sequence[Envelope[Any]], **more: Any) -> Appended:
        while self.before_append:
            self.before_append.pop(0)()
        appended: Appended = self._log.append(envelopes, **more)
        return appended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class OnPostgres:
    """On a database of its own, which goes with close(). The clock of the use cases is the test's."""

    def __init__(self, cluster_url: str, template: str, *customers: str) -> None:
        self._stack = ExitStack()
        name = f"lives_{uuid4().hex}"
        self.url = create_database(cluster_url, name, template)
        self._stack.callback(drop_database, cluster_url, name)
        parts = self._stack.enter_context(open_log(self.url))
        self._conn = self._stack.enter_context(psycopg.connect(self.url, autocommit=True))
        log: Any = Interrupted(parts.log)
        self.clock, self.contents, self.before_append = Clock(), MemoryContents(), log.before_append
        self.archive = build_archive(
            Ports(
                log=log,
                keys=parts.keys,
                contents=self.contents,
                customers=Directory(*customers),
                clock=self.clock,
                ids=RandomIds(),
            ),
            Rules(creditor=CREDITOR),
        )
        self.archive.catalogues.ship_types(SHIPPED, a_caller(actor="system"))

    def trace(self) -> object:
        return self._conn.execute(TRACE).fetchone()

    def stored(self, after: int) -> Sequence[tuple[int, bytes]]:
        return self._conn.execute(STORED, [after]).fetchall()

    def holders(self, paper: UUID) -> set[str]:
        held = [customer for (customer,) in self._conn.execute(HOLDERS, [paper]).fetchall()]
        return set(self.archive.keys.customer_ids(held).values())

    def close(self) -> None:
        self._stack.close()


TRACE = """
    select
        (select count(*) from archive.archive_events),
        (select md5(string_agg(c::text, '' order by c::text)) from archive.claim as c),
        (select md5(string_agg(c::text, '' order by c::text)) from archive.command as c),
        (select md5(string_agg(c::text, '' order by c::text)) from archive.content as c),
        (select md5(string_agg(p::text, '' order by p::text)) from keys.paper as p),
        (select md5(string_agg(c::text, '' order by c::text)) from keys.customer as c)
"""
STORED = "select notification_id, state from archive.archive_events where notification_id > %s order by 1"
HOLDERS = "select customer from keys.paper where paper = %s"
