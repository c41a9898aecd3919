"""A proxy in front of the archive that hands on what lies below one path, and refuses everything else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

NOT_HERE = b"HTTP/1.1 404 Not Found\r\ncontent-length: 19\r\nconnection: close\r\n\r\noutside the archive"
PIECE_BYTES = 64 * 1024


class Proxy(ThreadingTCPServer):
    """One request a connection. `strips`: the archive is asked for the path without `base`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, base: str, *, strips: bool) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.port, self.base, self.strips = port, base.encode(), strips
        self.outside: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is nobody's failure."""


class Exchange(StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        first, base = self.rfile.readline(), self.server.base
        if not first:
            return
        method, path, version = first.split(b" ", 2)
        if path != base and not path.startswith((base + b"/", base + b"?")):
            self.server.outside.append(path.decode())
            self.wfile.write(NOT_HERE)
            return
        inner = (path[len(base) :] or b"/") if self.server.strips else path
        with socket.create_connection(("127.0.0.1", self.server.port)) as archive:
            archive.sendall(b" ".join([method, inner, version]) + b"Connection: close\r\n")
            threading.Thread(target=self.hand_on, args=[archive], daemon=True).start()
            while piece := archive.recv(PIECE_BYTES):
                self.wfile.write(piece)

    def hand_on(self, archive: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                if not line.lower().startswith(b"connection:"):
                    archive.sendall(line)
            archive.sendall(b"\r\n")
            while piece := self.rfile.read1(PIECE_BYTES):
                archive.sendall(piece)
            archive.shutdown(socket.SHUT_RDWR)  # who asked is gone


@contextmanager
def proxied(port: int, base: str, *, strips: bool) -> Iterator[tuple[Proxy, str]]:
    """The proxy and its own address, with the path."""
    with Proxy(port, base, strips=strips) as proxy:
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield proxy, f"http://127.0.0.1:{proxy.server_address[1]}{base}"
        proxy.shutdown()
