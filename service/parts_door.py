"""The socket HOME/run/parts.sock, on which the supervisor of a running `serve` reports its parts; `dossier status`
reads it. A connection receives one JSON list, without sending a request. The folder is 0700: only the account of serve
and root can connect."""

import select
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from service.beats import PartStatus

ASK_SECONDS = 2.0
TELL_SECONDS = 0.5


class PartsDoor:
    """Used by the supervisor's loop in place of a sleep."""

    def __init__(self, path: Path, standing: Callable[[], list[PartStatus]]) -> None:
        self._standing = standing
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(8)

    def close(self) -> None:
        self._socket.close()

    def answer_for(self, seconds: float) -> None:
        """Answer callers for at most `seconds`."""
        if not select.select([self._socket], [], [], seconds)[0]:
            return
        try:
            asking, _ = self._socket.accept()
            with asking:
                asking.settimeout(TELL_SECONDS)
                asking.sendall(msgspec.json.encode(self._standing()))
        except OSError:
            return  # the caller has disconnected


def fetch_part_statuses(home: Path) -> list[PartStatus] | None:
    """The parts of the `serve` on this HOME; None when none runs or it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(ASK_SECONDS)
            asking.connect(str(socket_path_of(home)))
            told = b"".join(iter(lambda: asking.recv(65_536), b""))
        return msgspec.json.decode(told, type=list[PartStatus])
    except (OSError, msgspec.DecodeError):
        return None


def socket_path_of(home: Path) -> Path:
    return home / "run" / "parts.sock"
