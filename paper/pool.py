"""Serves decoding by limited children on a Unix socket. The supervisor forks a process for it; client.py connects to
it.

broker.py takes the requests in and hands each to a child; zygote.py forks the children.
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
"""Two cores decode; with a third child, two still serve other askers while one is held. As many more wait."""

_BACKLOG = 256

_log = logging.getLogger(__name__)


def serve(
    socket_path: Path, *, children: int = CHILDREN, limits: Limits, beat: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM, then end all children, remove the socket and return.

    Call it in a freshly forked process of one thread: it closes every inherited descriptor except the standard ones,
    and dies with its parent. The socket accepts connections from the moment it appears at `socket_path`, with mode
    0600. `beat` is called at least every second while this process works.
    """
    confinement.die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    _drop_descriptors()
    try:
        if not confinement.leave_network():
            _log.warning("paper: this system allows no network namespace; decoders run without that wall")
        with _listen(socket_path) as listener, zygote.start_zygote(limits) as source:
            Broker(listener, source, children=children, limits=limits, beat=beat).run()
    finally:
        socket_path.unlink(missing_ok=True)


def _listen(socket_path: Path) -> socket.socket:
    """A listening socket, renamed into place when it is private and ready; it replaces that of a killed server."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    nascent = socket_path.with_name(f"{socket_path.name}.{os.getpid()}")
    listener.bind(str(nascent))
    nascent.chmod(0o600)
    listener.listen(_BACKLOG)
    nascent.rename(socket_path)
    return listener


def _drop_descriptors() -> None:
    """Close everything inherited: database connections, log files, listening web ports."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
