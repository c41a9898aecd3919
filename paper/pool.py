"""A server of limited children on a Unix socket. The supervisor forks a process for it; client.py talks to it.

The process that runs `serve` imports the decoders once and forks children from itself (a zygote). broker.py hands each
child its requests over a socket that only the two of them have.
"""

import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from domain.limits import Limits
from paper import confinement
from paper.broker import Broker, packets_of

CHILDREN: Final = 3
"""Two cores decode; with a third child the two that are left serve others while one is held."""

_BACKLOG = 256
_CONTROL = 3

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
    listener = _listen(socket_path)
    try:
        if not confinement.leave_network():
            _log.warning("paper: this system lets no process leave the network; decoding goes on without that wall")
        _supervise(listener, children, limits, beat)
    finally:
        socket_path.unlink(missing_ok=True)


def _supervise(listener: socket.socket, children: int, limits: Limits, beat: Callable[[], None]) -> None:
    # Imported here, so that only this process carries the decoders and not the supervisor that forks it.
    from paper import child

    child.prepare(limits)
    gc.collect()
    gc.freeze()
    Broker(listener, lambda control: _fork(control, limits), children=children, limits=limits, beat=beat).run()


def _fork(control: int, limits: Limits) -> int:
    """Signals wait meanwhile: the child has the broker's handlers until it has set its own."""
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    pid = os.fork()
    if pid == 0:
        _live(control, limits, parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _live(control: int, limits: Limits, parent: int) -> NoReturn:
    """The forked child. Whatever happens in it, it never comes back into the zygote's code.

    It keeps no descriptor but `control`: the broker holds files and connections of many.
    """
    from paper import child

    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if control != _CONTROL:
            os.dup2(control, _CONTROL)
        os.closerange(_CONTROL + 1, os.sysconf("SC_OPEN_MAX"))
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        child.run(packets_of(_CONTROL), limits, parent)
    finally:
        os._exit(1)


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
