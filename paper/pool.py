"""A server of limited children on a Unix socket. The supervisor forks a process for it; client.py talks to it.

The process that runs `serve` imports the decoders once and forks children from itself (a zygote). The children
wait on the same listening socket, so the kernel hands each connection to a free one.
"""

import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from domain.limits import Limits
from paper import confinement

_BACKLOG = 256
_YOUNG_SECONDS = 1.0
_BACK_OFF_SECONDS = 0.05
_BEAT_SECONDS = 1.0

_log = logging.getLogger(__name__)


def serve(socket_path: Path, *, children: int = 2, limits: Limits, beat: Callable[[], None] = lambda: None) -> None:
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
    born: dict[int, float] = {}
    try:
        while True:
            while len(born) < children:
                born[_fork(listener, limits)] = time.monotonic()
            beat()
            told = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, _BEAT_SECONDS)
            if told is not None and told.si_signo == signal.SIGTERM:
                return
            if _reap(born):
                time.sleep(_BACK_OFF_SECONDS)
    finally:
        for pid in born:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _fork(listener: socket.socket, limits: Limits) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(listener, limits, parent)
    return pid


def _live(listener: socket.socket, limits: Limits, parent: int) -> NoReturn:
    """The forked child. Whatever happens in it, it never comes back into the zygote's code."""
    from paper import child

    try:
        for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        child.run(listener, limits, parent)
    finally:
        os._exit(1)


def _reap(born: dict[int, float]) -> bool:
    """Take leave of every child that ended or was stopped. True when one of them died young."""
    died_young = False
    while born:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            break
        if os.WIFSTOPPED(status):
            # Its client would wait in vain; killed, the request goes to another child.
            os.kill(pid, signal.SIGKILL)
            continue
        died_young |= time.monotonic() - born.pop(pid) < _YOUNG_SECONDS
        if os.WIFSIGNALED(status):
            _log.warning("paper: child %d ended by %s; a new one takes its place", pid, _name(os.WTERMSIG(status)))
    return died_young


def _name(number: int) -> str:
    return signal.Signals(number).name


def _listen(socket_path: Path) -> socket.socket:
    """A listening socket that appears under its name at once and private, in place of one left by a killed server."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
