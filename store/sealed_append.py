"""An append that is sent and not waited for: its caller prepares the next one while the server is at work.

store/log.py makes them. One that is waited for goes by store/recorder.py alone, which takes fewer steps.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from eventsourcing.postgres import PostgresDatastore
from psycopg import Cursor
from psycopg.rows import tuple_row

from domain.ports import Appended
from store.recorder import APPEND, FAULTS, refusing


class SealedAppend:
    """domain/ports.Later. From `send` on it holds a connection, until its result was asked for."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        arguments: tuple[Any, ...],
        decided: Callable[[Callable[[], Appended]], Appended],
    ) -> None:
        """`decided` is told how to get the result, and does what an append does besides."""
        self._datastore, self._arguments, self._decided = datastore, arguments, decided
        self._held = ExitStack()
        self._cursor: Cursor[Any] | None = None
        self._fault: Exception | None = None

    def send(self) -> None:
        """As a transaction in so many words: the server then commits without being asked again."""
        try:
            with ExitStack() as held:
                conn = held.enter_context(self._datastore.get_connection())
                held.callback(conn.rollback)  # after a refusal
                held.enter_context(conn.pipeline())
                conn.execute("begin")
                self._cursor = conn.cursor(row_factory=tuple_row).execute(APPEND, self._arguments, prepare=True)
                conn.execute("commit")
                self._held = held.pop_all()
        except FAULTS as fault:  # a refusal may be heard before all is sent
            self._fault = fault

    def result(self) -> Appended:
        if self._cursor is None and self._fault is None:
            self.send()
        return self._decided(self._answered)

    def _answered(self) -> Appended:
        with refusing(), self._held:
            if self._fault is not None:
                raise self._fault
            assert self._cursor is not None, "it was sent"
            row = self._cursor.fetchone()
        assert row is not None, "the function answers one row"
        positions, at, _ = row
        return Appended(tuple(positions), at)
