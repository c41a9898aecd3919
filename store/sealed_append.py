"""An append that is sent without waiting: its caller prepares the next one while the server works.

store/log.py creates them. An append with a waiting caller uses store/recorder.py alone.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from typing import Any
from weakref import WeakSet

from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import execute, send
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from domain.ports import Appended
from domain.promises import require_value
from store.recorder import APPEND, FAULTS, translate_errors


class SealedAppend:
    """Implements domain/ports.UnsentAppend. Holds a connection from `send` until its result was fetched."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        arguments: tuple[Any, ...],
        decided: Callable[[Callable[[], Appended]], Appended],
    ) -> None:
        """`decided` receives a function that fetches the result, and does the rest of an append."""
        self._datastore, self._arguments, self._decided = datastore, arguments, decided
        self._held = ExitStack()
        self._conn: Connection[Any] | None = None
        self._fault: Exception | None = None

    def send(self) -> None:
        """Send one statement, which the server makes durable without a further message."""
        try:
            with ExitStack() as held:
                conn = held.enter_context(self._datastore.get_connection())
                send_append(conn, self._arguments)
                self._conn, self._held = conn, held.pop_all()
        except FAULTS as fault:
            self._fault = fault

    def result(self) -> Appended:
        if self._conn is None and self._fault is None:
            self.send()
        return self._decided(self._receive_answer)

    def _receive_answer(self) -> Appended:
        with translate_errors(), self._held:
            if self._fault is not None:
                raise self._fault
            conn = require_value(self._conn, "it was sent")
            row = Transformer(conn)
            row.set_pgresult(answer_of(conn))
            positions, at, _ = row.load_row(0, tuple)
        return Appended(tuple(positions), at)


# -- the statement ----------------------------------------------------------------------------------------------------

# Through libpq, because a cursor of the driver sends and waits. Its pipeline does not wait, but needs an explicit
# transaction and a final message: five messages to the server and two answers instead of one of each.
NAME = b"append"
prepared: WeakSet[Connection[Any]] = WeakSet()
"""Connections on which the statement is prepared."""


def send_append(conn: Connection[Any], arguments: Sequence[str | bytes | None]) -> None:
    if conn not in prepared:
        conn.pgconn.send_prepare(NAME, NUMBERED)
        answer_of(conn)
        prepared.add(conn)
    values = [value.encode() if isinstance(value, str) else value for value in arguments]
    formats = [Format.TEXT if isinstance(value, str) else Format.BINARY for value in arguments]
    conn.pgconn.send_query_prepared(NAME, values, formats, Format.BINARY)
    conn.wait(send(conn.pgconn))


def answer_of(conn: Connection[Any]) -> PGresult:
    result: PGresult
    [result] = conn.wait(execute(conn.pgconn))
    if result.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(result)
    return result


def _number_parameters(statement: str) -> bytes:
    numbers = count(1)
    return re.sub("%[sb]", lambda _: f"${next(numbers)}", statement).encode()


NUMBERED = _number_parameters(APPEND)
