"""A server of limited children on a Unix socket. The supervisor forks a process for it; client.py talks to it.

broker.py takes requests in and hands each to a child of its own; zygote.py forks the children.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from domain.limits import Limits
from paper import confinement, zygote
from paper.broker import Broker

CHILDREN: Final = 3
"""Two cores decode; with a third child the two that are left serve others while one is held. As many more wait."""

_BACKLOG = 256

_log = logging.getLogger(__name__)


def serve(
    socket_path: Path, *, children: int = CHILDREN, limits: Limits, beat: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM, then end all children, remove the socket and return.

    To be called in a freshly forked process of one thread: it closes every inherited descriptor but the standard
    ones, and it dies with its parent. The socket accepts from the moment it appears at `socket_path`, mode 0600. `beat`
    is called every second while this process works.
    """
    confinement.die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    _drop_descriptors()
    try:
        if not confinement.leave_network():
            _log.warning("paper: this system lets no process leave the network; decoding goes on without that wall")
        with _listen(socket_path) as listener, zygote.start_zygote(limits) as source:
            Broker(listener, source, children=children, limits=limits, beat=beat).run()
    finally:
        socket_path.unlink(missing_ok=True)


def _listen(socket_path: Path) -> socket.socket:
    """A listening socket that appears under its name at once and private, in place of one left by a killed server."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    nascent = socket_path.with_name(f"{socket_path.name}.{os.getpid()}")
    listener.bind(str(nascent))
    nascent.chmod(0o600)
    listener.listen(_BACKLOG)
    nascent.rename(socket_path)
    return listener


def _drop_descriptors() -> None:
    """Nothing inherited stays open: no database connection, no log file, no listening port of the web."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
