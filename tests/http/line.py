"""A line between somebody and the archive that can be thin, and that can be cut in the middle of what is on its way."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE_BYTES = 16 * 1024


class Line:
    """TCP to the archive; towards it at most `bytes_per_second` a connection, 0: all. Cut, who speaks is cut off, and
    who calls reaches nobody: `refused` counts them."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self.bytes_per_second = self.refused = 0
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                if self._is_cut:
                    self.refused += 1
                    caller.close()
                else:
                    threading.Thread(target=self._connect, args=(caller,), daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        with caller:
            try:
                archive = socket.create_connection(self._target)
            except OSError:
                return
            with archive:
                with self._lock:
                    self._open |= {caller, archive}
                back = threading.Thread(target=self._pump, args=(archive, caller), daemon=True)
                back.start()
                self._pump(caller, archive, thin=True)
                back.join()
                with self._lock:
                    self._open -= {caller, archive}

    def _pump(self, source: socket.socket, target: socket.socket, *, thin: bool = False) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                target.sendall(piece)
                if thin and self.bytes_per_second:
                    time.sleep(len(piece) / self.bytes_per_second)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def a_line(port: int) -> Iterator[Line]:
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
