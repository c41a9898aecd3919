"""Datagrams between the processes of one HOME, so that a waiting process looks at once. Each process has its own
socket.

A web worker tells followers that it appended; a follower tells readers the position of the views. A hint may be lost: a
waiting process polls as well, and processes of other nodes only poll.
"""

import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

FOLLOWER, READER = "f", "r"  # their sockets have no longer names than paper.sock: HOME can be as long as before
POSITION_BYTES = 8
logger = logging.getLogger("dossier.hints")


class Hints:
    """The socket of this process, a FOLLOWER or a READER. Thread-safe; no call blocks."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._path = folder, folder / f"{kind}-{os.getpid()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._path.unlink(missing_ok=True)
            self._socket.bind(str(self._path))
            self._path.chmod(0o600)
        except OSError as error:  # polling is slower, but a process must start
            logger.warning("hints: socket not bound, this process only polls: %s", error.strerror or error)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_hint(self, kind: str, position: int = 0) -> None:
        """Send a hint to every process of this kind, without a guarantee. A process with a full queue needs no further
        hint; the socket of a dead process is removed where the disk allows it."""
        for path in self._folder.glob(f"{kind}-*"):
            with suppress(OSError):
                try:
                    self._socket.sendto(position.to_bytes(POSITION_BYTES), str(path))
                except ConnectionRefusedError:
                    path.unlink()

    def receive_hints(self) -> int:
        """Read all datagrams and return the highest position; 0 without any."""
        highest = 0
        with suppress(BlockingIOError):
            while True:
                highest = max(highest, int.from_bytes(self._socket.recv(POSITION_BYTES)))
        return highest

    def close(self) -> None:
        self._socket.close()
        with suppress(OSError):
            self._path.unlink()
