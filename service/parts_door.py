"""How the parts of a running `serve` stand, told by its supervisor on HOME/run/parts.sock; `dossier status` asks there.

One JSON list a connection, without a question. The folder is 0700: only the account of serve and root come in.
"""

import select
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from service.beats import PartStatus

ASK_SECONDS = 2.0
TELL_SECONDS = 0.5


class PartsDoor:
    """Lives in the supervisor's loop, in place of its sleep."""

    def __init__(self, path: Path, standing: Callable[[], list[PartStatus]]) -> None:
        self._standing = standing
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(8)

    def close(self) -> None:
        self._socket.close()

    def answer_for(self, seconds: float) -> None:
        """So long at most; whoever asks meanwhile is told."""
        if not select.select([self._socket], [], [], seconds)[0]:
            return
        try:
            asking, _ = self._socket.accept()
            with asking:
                asking.settimeout(TELL_SECONDS)
                asking.sendall(msgspec.json.encode(self._standing()))
        except OSError:
            return  # whoever asked is gone


def fetch_part_statuses(home: Path) -> list[PartStatus] | None:
    """None where no `serve` runs on this HOME, or where it does not answer."""
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
