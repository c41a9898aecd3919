"""A thin line between a browser and the archive that can be cut, in the middle of whatever is on its way."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy

from tests.http.served import Served

PIECE_BYTES = 16 * 1024


class Line:
    """Passes bytes on in both directions; towards the archive at most `bytes_per_second` a connection, 0: all."""

    def __init__(self, port: int) -> None:
        self.target, self.bytes_per_second = port, 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            self._open |= {near, far}
            for ends in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, thin: bool) -> None:
        try:
            while data := source.recv(PIECE_BYTES):
                sink.sendall(data)
                if thin and self.bytes_per_second:
                    time.sleep(len(data) / self.bytes_per_second)
        except OSError:
            pass
        finally:
            self._end(source, sink)

    def _end(self, *ends: socket.socket) -> None:
        for end in ends:
            self._open.discard(end)
            end.close()

    def cut(self) -> None:
        """What is on its way is lost, and nobody gets through."""
        self._is_cut = True
        for end in list(self._open):
            with suppress(OSError):  # it has just ended by itself
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


@contextmanager
def through_a_line(served: Served) -> Iterator[tuple[Served, Line]]:
    """The archive as it is seen from behind the line, for Desk(at=…), and the line."""
    line = Line(served.settings.port)
    thread = threading.Thread(target=line.run, daemon=True)
    thread.start()
    behind = copy(served)
    behind.url = line.url
    try:
        yield behind, line
    finally:
        line.close()
        thread.join()
