"""The process that has the decoders loaded and forks a child of child.py for each request. pool.py starts it.

It is a new program and no fork of `serve`, because `serve` knows keys and passwords and a child has a copy of all
memory of its ancestors. For the same reason it gets almost no environment. It raises the walls that a child inherits,
reads no file and sees no request: broker.py sends it one end of a socket pair, and the child reads from that.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from domain.limits import Limits
from paper import confinement, walls

PROGRAM: Final = "import sys; sys.path[:] = sys.argv[3:]; from paper import zygote; zygote.main()"
_NAME: Final = "dossier-decoder"
"""Its name, and that of all children, in `ps` and `top`."""
_CHANNEL: Final = 3
_NUMBER_BYTES_MAX: Final = 16
_DESCRIPTORS_MAX: Final = _CHANNEL + 5
"""Includes a child's socket to the broker, the file, its mapping and the connection."""

# Python's small-block arenas are too small for huge pages; the C heap is one range.
_ENVIRONMENT: Final = {"PYTHONMALLOC": "malloc"}


class Zygote(msgspec.Struct, frozen=True):
    """The zygote as broker.py sees it, which is its parent and the parent of all its children."""

    pid: int
    channel: socket.socket

    def ask_for_child(self, control: socket.socket) -> None:
        """Order a child that listens on `control`; take_number() returns its process id. Raises OSError."""
        socket.send_fds(self.channel, [b"."], [control.fileno()])

    def take_number(self) -> int | None:
        """The process id of the next ordered child, 0 if its fork failed, None if no answer has arrived."""
        try:
            said = self.channel.recv(_NUMBER_BYTES_MAX, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionError):
            return None
        return int(said) if said else None


@contextmanager
def start_zygote(limits: Limits) -> Iterator[Zygote]:
    """A zygote that dies with this process. It may still be loading its decoders.

    At the end it is killed, and every child of this process is waited for: it may just have forked one.
    """
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
            with suppress(ChildProcessError):
                while True:
                    os.wait()


def end_process(pid: int) -> None:
    """Kill and reap a child of this process; it may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def main() -> None:
    """Run the zygote; its arguments are those that start_zygote() passes."""
    broker, limits = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Limits)
    confinement.die_with_parent(broker)
    Path("/proc/self/comm").write_text(_NAME, encoding="ascii")
    # Imported here, so that the process that starts a zygote does not load the decoders.
    from paper import child

    child.prepare(limits)
    gc.collect()
    gc.freeze()  # shared objects are never garbage: a child collects only its own
    confinement.gather_memory()
    walls.raise_lasting(broker, memory_bytes=limits.decode_memory_bytes_max, descriptors=_DESCRIPTORS_MAX)
    calls = walls.call_filter()
    for standard in (1, 2):
        os.dup2(0, standard)
    _fork_on_demand(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=_CHANNEL), limits, calls, broker)


def _fork_on_demand(channel: socket.socket, limits: Limits, calls: walls.Filter, broker: int) -> None:
    """Fork a child for each order until the broker ends."""
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
    """Run the forked child; it exits in any case and never returns into the zygote's code."""
    from paper import child

    try:
        os.close(_CHANNEL)
        child.run(control, limits, calls, broker)
    finally:
        os._exit(1)
