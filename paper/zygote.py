"""The process that has the decoders loaded and forks a child of child.py for each request. pool.py starts it.

It is a program of its own and no fork of `serve`: that has seen keys and passwords, and a child has a copy of all that
its ancestors had in memory. So it has next to no environment either. It raises the walls that a child inherits, looks
into no file and never sees a request: broker.py gives it one end of a pair of sockets, and the child reads there.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from domain.limits import Limits
from paper import confinement, walls

PROGRAM: Final = "import sys; sys.path[:] = sys.argv[3:]; from paper import zygote; zygote.main()"
_NAME: Final = "dossier-decoder"
"""What `ps` and `top` show of it and of all children."""
_CHANNEL: Final = 3
_NUMBER_BYTES_MAX: Final = 16
_DESCRIPTORS_MAX: Final = _CHANNEL + 5
"""With a child's way to the broker, the file, the mapping of it and the connection."""

# Python's own small blocks lie in pieces that no huge page fits into; the C heap is one range.
_ENVIRONMENT: Final = {"PYTHONMALLOC": "malloc"}


class Zygote(msgspec.Struct, frozen=True):
    """As broker.py has it, which is its parent and that of all its children."""

    pid: int
    channel: socket.socket

    def ask_for_child(self, control: socket.socket) -> None:
        """`control` is what the child will listen to; take_number() says who it is. Raises OSError."""
        socket.send_fds(self.channel, [b"."], [control.fileno()])

    def take_number(self) -> int | None:
        """The process id of the next child that was asked for, 0 where that failed; None: none is said yet."""
        try:
            said = self.channel.recv(_NUMBER_BYTES_MAX, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionError):
            return None
        return int(said) if said else None


@contextmanager
def start_zygote(limits: Limits) -> Iterator[Zygote]:
    """A zygote that dies with this process, and is ended at the end. It may still be loading what it needs."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    flags = ["-B"] if sys.dont_write_bytecode else []
    told = [str(os.getpid()), msgspec.json.encode(limits).decode(), *sys.path]
    with its:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-S", "-s", "-P", *flags, "-c", PROGRAM, *told],
            _ENVIRONMENT,
            file_actions=[(os.POSIX_SPAWN_DUP2, its.fileno(), _CHANNEL)],
            setsigmask=(),
        )
    with ours:
        try:
            yield Zygote(pid, ours)
        finally:
            end_process(pid)


def end_process(pid: int) -> None:
    """Kill a child of this process, which may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def main() -> None:
    """The life of a zygote; its arguments are those that start_zygote() passes."""
    broker, limits = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Limits)
    confinement.die_with_parent(broker)
    Path("/proc/self/comm").write_text(_NAME, encoding="ascii")
    # Imported here, so that whoever starts a zygote does not carry the decoders.
    from paper import child

    child.prepare(limits)
    gc.collect()
    gc.freeze()  # what all have is never garbage: a child looks through its own alone
    confinement.gather_memory()
    walls.raise_lasting(broker, memory_bytes=limits.decode_memory_bytes_max, descriptors=_DESCRIPTORS_MAX)
    calls = walls.call_filter()
    for standard in (1, 2):
        os.dup2(0, standard)
    _fork_on_demand(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=_CHANNEL), limits, calls, broker)


def _fork_on_demand(channel: socket.socket, limits: Limits, calls: walls.Filter, broker: int) -> None:
    """Until the broker is gone."""
    while True:
        asked, controls, _, _ = socket.recv_fds(channel, 1, 1)
        if not asked:
            return
        [control] = controls
        try:
            pid = confinement.fork_sibling()
        except OSError:
            pid = 0
        else:
            if pid == 0:
                _run_child(control, limits, calls, broker)
        os.close(control)
        channel.send(b"%d" % pid)


def _run_child(control: int, limits: Limits, calls: walls.Filter, broker: int) -> NoReturn:
    """The forked child. Whatever happens in it, it never comes back into the zygote's code."""
    from paper import child

    try:
        os.close(_CHANNEL)
        child.run(control, limits, calls, broker)
    finally:
        os._exit(1)
