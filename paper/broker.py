"""The one place where all requests to the decoders meet: takes them in, lets turns.py choose, hands each to a child.

client.py connects, child.py answers on the same connection, pool.py says how a child is forked. No file is looked into
here. A request whose asker has left is dropped; if a child is at work on it, the child is killed.
"""

import errno
import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from domain.limits import Limits
from paper import messages
from paper.turns import QueueFull, Turns

REQUESTS_MAX: Final = 1_000
"""In the queue, of all askers together; each holds two descriptors."""

_YOUNG_SECONDS = 1.0
_BACK_OFF_SECONDS = 0.05
_LOOK_SECONDS = 0.05
_BEAT_SECONDS = 1.0
_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP}
)
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)

_log = logging.getLogger(__name__)

Fork = Callable[[int], int]
"""Makes a child that listens on this descriptor; its process id."""


class Job(msgspec.Struct, eq=False, kw_only=True):
    """A request that was read. Descriptors are numbers: an object of a closed one would close it again in a child."""

    asker: bytes
    stores: bool
    request: bytes
    file: int
    connection: int
    child: "Child | None" = None


class Child(msgspec.Struct, eq=False, kw_only=True):
    """`job`: what it works on; `answers`: its answer has begun; `killed`: by the broker, for an asker who left."""

    pid: int
    control: int
    born: float
    job: Job | None = None
    answers: bool = False
    killed: bool = False
    gone: bool = False


class Broker:
    """`beat` is called at least every second while it works."""

    def __init__(
        self, listener: socket.socket, fork: Fork, *, children: int, limits: Limits, beat: Callable[[], None]
    ) -> None:
        self._listener, self._fork, self._wanted, self._beat = listener, fork, children, beat
        self._turns = Turns[Job](
            decoders=children,
            waiting_max=limits.decodes_waiting_per_caller_max,
            wait_seconds=limits.queue_wait_seconds,
            own_seconds=limits.decode_seconds_max,
        )
        self._epoll = select.epoll()
        self._unread = set[int]()
        self._jobs: dict[int, Job] = {}
        self._children: dict[int, Child] = {}
        self._controls: dict[int, Child] = {}
        self._ended: list[int] = []
        self._fork_at = 0.0

    def run(self) -> None:
        """Until SIGTERM; then every child is killed."""
        allow_descriptors()
        wake = wake_on_signals()
        self._listener.setblocking(False)
        for descriptor in (wake.fileno(), self._listener.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)
        try:
            while True:
                self._beat()
                self._fill()
                self._dispatch()
                for descriptor, _ in self._epoll.poll(self._pause()):
                    if descriptor == wake.fileno():
                        if signal.SIGTERM in wake.recv(4096):
                            return
                        self._reap()
                    else:
                        self._see(descriptor)
                self._refuse_overdue()
                self._close_ended()
        finally:
            for child in self._children.values():
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)

    def _pause(self) -> float:
        is_short = len(self._children) < self._wanted
        return _BEAT_SECONDS if self._turns.is_empty and not is_short else _LOOK_SECONDS

    def _see(self, descriptor: int) -> None:
        """One event may have closed what the next one is about; then nothing is to be done."""
        if descriptor == self._listener.fileno():
            self._accept()
        elif descriptor in self._controls:
            self._hear(self._controls[descriptor])
        elif descriptor in self._unread:
            self._read(descriptor)
        elif descriptor in self._jobs:
            self._drop(self._jobs[descriptor])

    # -- requests -----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                time.sleep(_BACK_OFF_SECONDS)  # the queue has to drain first
                return
            number = connection.detach()
            self._unread.add(number)
            self._epoll.register(number, select.EPOLLIN | select.EPOLLRDHUP)
            self._read(number)

    def _read(self, number: int) -> None:
        connection = packets_of(number)
        try:
            data, files, _, _ = socket.recv_fds(connection, messages.REQUEST_BYTES_MAX, 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data, files = b"", []
        finally:
            connection.detach()
        self._unread.discard(number)
        try:
            asking = messages.decode_asking(data) if len(files) == 1 else None
        except msgspec.MsgspecError:
            asking = None
        if asking is None:
            for file in files:
                os.close(file)
            self._forget(number)
            return
        self._take_in(asking, files[0], number)

    def _take_in(self, asking: messages.Asking, file: int, connection: int) -> None:
        request = bytes(asking.request)
        job = Job(asker=asking.asker, stores=asking.stores, request=request, file=file, connection=connection)
        self._jobs[connection] = job
        try:
            if len(self._jobs) > REQUESTS_MAX:
                raise QueueFull
            self._turns.join(job, time.monotonic())
        except QueueFull:
            self._refuse(job, messages.BUSY)
            return
        self._epoll.modify(connection, select.EPOLLRDHUP)

    def _dispatch(self) -> None:
        idle = [child for child in self._children.values() if child.job is None and not child.gone]
        for child in idle:
            job = self._turns.next(time.monotonic())
            if job is None:
                return
            child.job, job.child = job, child
            control = packets_of(child.control)
            # One that has just died is found by _reap(), which then says that the request was lost.
            with suppress(OSError):
                socket.send_fds(control, [job.request], [job.file, job.connection])
            control.detach()
            os.close(job.file)

    def _drop(self, job: Job) -> None:
        """The asker has left."""
        child = job.child
        if child is None:
            self._turns.leave(job)
            os.close(job.file)
            self._forget(job.connection)
            return
        self._hear(child)
        if child.job is job:
            self._epoll.unregister(job.connection)
            if not child.answers:  # else the child finds out by itself, or is through
                child.killed = True
                os.kill(child.pid, signal.SIGKILL)

    def _refuse_overdue(self) -> None:
        if not self._turns.is_empty:
            for job in self._turns.overdue(time.monotonic()):
                self._refuse(job, messages.BUSY)

    def _refuse(self, job: Job, verdict: bytes) -> None:
        os.close(job.file)
        tell(job.connection, verdict)
        self._forget(job.connection)

    def _forget(self, connection: int) -> None:
        """Have it closed. A child may hold the same connection, so epoll has to be told."""
        self._unread.discard(connection)
        self._jobs.pop(connection, None)
        with suppress(FileNotFoundError):
            self._epoll.unregister(connection)
        self._ended.append(connection)

    def _close_ended(self) -> None:
        """Not earlier: another event of the same batch may name the number, which then has to be nobody else's."""
        for descriptor in self._ended:
            os.close(descriptor)
        self._ended.clear()

    # -- children -----------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        while len(self._children) < self._wanted and time.monotonic() >= self._fork_at:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with its:
                pid = self._fork(its.fileno())
            child = Child(pid=pid, control=ours.detach(), born=time.monotonic())
            self._children[pid] = self._controls[child.control] = child
            self._epoll.register(child.control, select.EPOLLIN)

    def _hear(self, child: Child) -> None:
        """What the child has said; silence for good means that it is ending."""
        control = packets_of(child.control)
        try:
            while said := control.recv(1, socket.MSG_DONTWAIT):
                if said == messages.ANSWERS:
                    child.answers = True
                elif child.job is not None:
                    self._end(child)
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        finally:
            control.detach()
        if not child.gone:
            child.gone = True
            self._epoll.unregister(child.control)

    def _end(self, child: Child) -> None:
        if child.job is not None:
            self._turns.end(child.job, time.monotonic())
            self._forget(child.job.connection)
        child.job, child.answers = None, False

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                os.kill(pid, signal.SIGKILL)  # its client would wait in vain
            elif (child := self._children.pop(pid, None)) is not None:
                self._bury(child, status)

    def _bury(self, child: Child, status: int) -> None:
        self._hear(child)
        if child.job is not None:
            tell(child.job.connection, verdict_of(status))
            self._end(child)
        if not child.gone:
            self._epoll.unregister(child.control)
        del self._controls[child.control]
        self._ended.append(child.control)
        if child.killed:
            return
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            _log.warning("paper: child %d ended by %s; a new one takes its place", child.pid, name)
        if time.monotonic() - child.born < _YOUNG_SECONDS:
            self._fork_at = time.monotonic() + _BACK_OFF_SECONDS


def packets_of(number: int) -> socket.socket:
    """A socket object for a descriptor; to be detached before it goes."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=number)


def tell(number: int, verdict: bytes) -> None:
    connection = packets_of(number)
    with suppress(OSError):
        connection.send(verdict, socket.MSG_DONTWAIT)
    connection.detach()


def verdict_of(status: int) -> bytes:
    """What a child's end says of the file that it worked on."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return messages.SLOW if number == signal.SIGPROF else messages.FAULT if number in _CRASHES else messages.LOST
    return messages.FAULT if os.WEXITSTATUS(status) else messages.LOST


def wake_on_signals() -> socket.socket:
    """A socket that gets the number of each signal of _SIGNALS that comes; they are let in from now on."""
    wake, signalled = socket.socketpair()
    for end in (wake, signalled):
        end.setblocking(False)
    signal.set_wakeup_fd(signalled.detach(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return wake


def allow_descriptors() -> None:
    """As many as a full queue needs, where the system grants them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * REQUESTS_MAX + 64
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
