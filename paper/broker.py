"""Takes in all requests to the decoders and hands each to a child in the order of turns.py.

client.py connects, child.py answers on the same connection, zygote.py forks the children. This module looks into no
file. Each request gets a fresh child, except an upload of an asker whose last upload the child has just examined: a
file that takes over its child reaches no file of another asker. This module kills a child that has used up its time or
whose asker has left.
"""

import errno
import logging
import math
import os
import resource
import select
import signal
import socket
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec

from domain.limits import Limits
from paper import confinement, messages
from paper.allowances import KEPT_PROCESSOR_SECONDS, Allowance, allowance_of
from paper.turns import QueueFull, Turns
from paper.zygote import Zygote, end_process

REQUESTS_MAX: Final = 1_000
"""Requests of all askers in the queue; each holds two descriptors."""

_BACK_OFF_SECONDS = 0.05
_LOOK_SECONDS = 0.05
_BEAT_SECONDS = 1.0
_KEPT_SECONDS = 10.0
_KEPT_MAX = 8
"""Children that stay for their askers' next uploads."""
_LEAVE_SECONDS = 1.0
"""Time for a child to send its last answer and end by itself."""
_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP}
)
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)

_log = logging.getLogger(__name__)


class DecoderJob(msgspec.Struct, eq=False, kw_only=True):
    """A request from the queue. Descriptors are plain numbers: an object that closes them late could close
    another's.
    """

    asker: bytes
    stores: bool
    request: bytes
    allowed: Allowance
    is_upload: bool
    file: int
    connection: int
    child: "DecoderChild | None" = None


class DecoderChild(msgspec.Struct, eq=False, kw_only=True):
    """A child that waits for a job or works on it.

    `until`, `processor_until`: the limits of the current step; `verdict`: set when it
    is killed, empty if no client waits; `asker`, `uploads`: the asker that it served and the number of its uploads;
    `kept_until`: when it stops waiting for another upload, or has to have ended.
    """

    pid: int
    control: int
    job: DecoderJob | None = None
    steps_left: int = 0
    until: float = 0.0
    processor_until: float = 0.0
    verdict: bytes | None = None
    asker: bytes = b""
    uploads: int = 0
    kept_until: float = 0.0


class Broker:
    """The request queue and its children: `children` work at a time, and as many wait. Calls `beat` at least every
    second."""

    def __init__(
        self, listener: socket.socket, zygote: Zygote, *, children: int, limits: Limits, beat: Callable[[], None]
    ) -> None:
        self._listener, self._zygote, self._children_max, self._beat = listener, zygote, children, beat
        self._limits = limits
        self._turns = Turns[DecoderJob](
            decoders=children,
            waiting_max=limits.decodes_waiting_per_caller_max,
            wait_seconds=limits.queue_wait_seconds,
            own_seconds=limits.decode_seconds_max,
        )
        self._epoll = select.epoll()
        self._unread = set[int]()
        self._jobs: dict[int, DecoderJob] = {}
        self._unborn = deque[int]()
        self._children: dict[int, DecoderChild] = {}
        self._idle: dict[int, DecoderChild] = {}
        self._busy: dict[int, DecoderChild] = {}
        self._kept: dict[int, DecoderChild] = {}
        self._leaving: dict[int, DecoderChild] = {}
        self._early: dict[int, int] = {}
        self._controls: dict[int, DecoderChild] = {}
        self._ended: list[int] = []
        self._fork_at = 0.0
        self._look_at = 0.0

    def run(self) -> None:
        """Serve until SIGTERM, then kill every child."""
        allow_descriptors()
        with wake_on_signals() as wake:
            self._epoll.register(wake.fileno(), select.EPOLLIN)
            self.start()
            try:
                self._serve(wake)
            finally:
                signal.set_wakeup_fd(-1)
                self._end_children()

    def _serve(self, wake: socket.socket) -> None:
        while True:
            self._beat()
            ready = self.poll(self._seconds_to_wait())
            if wake.fileno() in ready:
                if signal.SIGTERM in wake.recv(4096):
                    return
                self._reap_children()
            self.handle_batch(ready)

    def start(self) -> None:
        """Watch for connections and order the first children."""
        self._listener.setblocking(False)
        for descriptor in (self._listener.fileno(), self._zygote.channel.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)
        self._order_children()

    def poll(self, seconds: float) -> list[int]:
        """The descriptors that are ready, after at most this many seconds."""
        return [descriptor for descriptor, _ in self._epoll.poll(seconds)]

    def handle_batch(self, ready: Iterable[int]) -> None:
        """Handle one batch of ready descriptors, then everything that is due."""
        for descriptor in ready:
            self._handle_event(descriptor)
        self._refuse_overdue()
        self._stop_overdue()
        self._stop_kept_children()
        self._close_ended()
        self._order_children()
        self._dispatch_jobs()

    def _seconds_to_wait(self) -> float:
        if self._turns.is_empty and not self._busy and len(self._idle) == self._children_max:
            return _BEAT_SECONDS
        until = min((child.until for child in self._busy.values() if child.verdict is None), default=math.inf)
        return max(0.0, min(_LOOK_SECONDS, until - time.monotonic()))

    def _handle_event(self, descriptor: int) -> None:
        """Handle one event; an event whose descriptor was closed by an earlier one is ignored."""
        if descriptor == self._listener.fileno():
            self._accept_connections()
        elif descriptor == self._zygote.channel.fileno():
            self._register_children()
        elif descriptor in self._controls:
            self._read_control(self._controls[descriptor])
        elif descriptor in self._unread:
            self._read_request(descriptor)
        elif descriptor in self._jobs:
            self._drop_job(self._jobs[descriptor])

    # -- requests -----------------------------------------------------------------------------------------------------

    def _accept_connections(self) -> None:
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
            self._read_request(number)

    def _read_request(self, number: int) -> None:
        connection = packets_of(number)
        try:
            data, files = receive_request(connection)
        except BlockingIOError:
            return
        except OSError:
            data, files = b"", []
        finally:
            connection.detach()
        self._unread.discard(number)
        try:
            asking = messages.decode_asking(data) if len(files) == 1 else None
            request = messages.decode_request(asking.request) if asking else None
        except msgspec.MsgspecError:
            request = None
        if asking is None or request is None:
            for file in files:
                os.close(file)
            self._forget_connection(number)
            return
        self._queue_request(asking, request, files[0], number)

    def _queue_request(self, asking: messages.Asking, request: messages.Request, file: int, connection: int) -> None:
        job = DecoderJob(
            asker=asking.asker,
            stores=asking.stores,
            request=bytes(asking.request),
            allowed=allowance_of(request, self._limits),
            is_upload=messages.is_upload(request),
            file=file,
            connection=connection,
        )
        self._jobs[connection] = job
        try:
            if len(self._jobs) > REQUESTS_MAX:
                raise QueueFull
            self._turns.join(job, time.monotonic())
        except QueueFull:
            self._refuse_job(job, messages.BUSY)
            return
        self._epoll.modify(connection, select.EPOLLRDHUP)

    def _dispatch_jobs(self) -> None:
        while self._idle:
            job = self._turns.next(time.monotonic())
            if job is None:
                return
            child = self._take_child(job)
            self._busy[child.pid] = child
            child.job, job.child = job, child
            child.steps_left = job.allowed.steps
            self._begin_step(child, job)
            control = packets_of(child.control)
            # One that has just died is found by _reap(), which then says that the request was lost.
            with suppress(OSError):
                socket.send_fds(control, [job.request], [job.file, job.connection])
            control.detach()
            os.close(job.file)

    def _take_child(self, job: DecoderJob) -> DecoderChild:
        """A child that has just served an upload of this asker, for another upload; else a fresh one."""
        kept = (child for child in self._kept.values() if child.asker == job.asker)
        child = next(kept, None) if job.is_upload else None
        if child is None:
            _, child = self._idle.popitem()
            child.asker = job.asker
        self._kept.pop(child.pid, None)
        child.uploads += 1
        return child

    def _drop_job(self, job: DecoderJob) -> None:
        """Drop the job of an asker that has left or already has its answer."""
        child = job.child
        if child is None:
            self._turns.leave(job)
            os.close(job.file)
            self._forget_connection(job.connection)
            return
        self._read_control(child)
        if child.job is job:
            self._epoll.unregister(job.connection)
            kill_child(child, b"")

    def _refuse_overdue(self) -> None:
        if not self._turns.is_empty:
            for job in self._turns.remove_overdue(time.monotonic()):
                self._refuse_job(job, messages.BUSY)

    def _refuse_job(self, job: DecoderJob, verdict: bytes) -> None:
        os.close(job.file)
        send_verdict(job.connection, verdict)
        self._forget_connection(job.connection)

    def _forget_connection(self, connection: int) -> None:
        """Close the connection after this batch. epoll is informed, because a child may hold the same connection."""
        self._unread.discard(connection)
        self._jobs.pop(connection, None)
        with suppress(FileNotFoundError):
            self._epoll.unregister(connection)
        self._ended.append(connection)

    def _close_ended(self) -> None:
        """Close the ended connections after the batch: until then an event may still name the number, which must not be
        reused."""
        for descriptor in self._ended:
            os.close(descriptor)
        self._ended.clear()

    # -- children -----------------------------------------------------------------------------------------------------

    def _order_children(self) -> None:
        """Keep as many children waiting as may work at a time, so that no request waits for a fork."""
        while len(self._idle) + len(self._unborn) < self._children_max and time.monotonic() >= self._fork_at:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours, its, suppress(OSError):  # one that has just died is found by _reap()
                self._zygote.ask_for_child(its)
                self._unborn.append(ours.detach())

    def _register_children(self) -> None:
        """Register new children in the order in which they were ordered; some may have ended already."""
        while (pid := self._zygote.take_number()) is not None:
            control = self._unborn.popleft()
            if pid == 0:
                os.close(control)
                self._fork_at = time.monotonic() + _BACK_OFF_SECONDS
                continue
            child = DecoderChild(pid=pid, control=control)
            self._children[pid] = self._idle[pid] = self._controls[control] = child
            self._epoll.register(control, select.EPOLLIN | select.EPOLLET)
            if pid in self._early:
                self._remove_child(pid, self._early.pop(pid), 0.0)

    def _begin_step(self, child: DecoderChild, job: DecoderJob) -> None:
        allowed = job.allowed
        child.steps_left -= 1
        child.until = time.monotonic() + allowed.seconds
        child.processor_until = confinement.processor_seconds(child.pid) + allowed.processor_seconds

    def _read_control(self, child: DecoderChild) -> None:
        """Handle what the child has reported. A hijacked child gets no more steps than its request has."""
        control = packets_of(child.control)
        with suppress(BlockingIOError, ConnectionError):
            while (said := control.recv(1, socket.MSG_DONTWAIT)) and child.job is not None:
                if said == messages.NEXT and child.steps_left:
                    self._begin_step(child, child.job)
                elif said == messages.FREE and child.verdict is None:
                    self._finish_request(child, child.job)
        control.detach()

    def _finish_request(self, child: DecoderChild, job: DecoderJob) -> None:
        """End an upload whose answer is about to follow. Its child waits for the asker's next upload if it is below the
        limits, and else ends after the answer."""
        self._end_job(child, job)
        del self._busy[child.pid]
        used = confinement.processor_seconds(child.pid)
        if not job.is_upload:
            kill_child(child, b"")
        elif child.uploads < self._limits.decoder_uploads_max and used < KEPT_PROCESSOR_SECONDS:
            child.kept_until = time.monotonic() + _KEPT_SECONDS
            self._kept[child.pid] = child
        else:
            child.kept_until = time.monotonic() + _LEAVE_SECONDS
            self._leaving[child.pid] = child
            shut_control(child)

    def _stop_kept_children(self) -> None:
        """Stop the longest waiting children: those above _KEPT_MAX and those that waited too long. Stop those too that
        should have ended by themselves."""
        now = time.monotonic()
        for child in self._leaving.values():
            if now >= child.kept_until:
                kill_child(child, b"")
        for child in [*self._kept.values()]:
            if len(self._kept) <= _KEPT_MAX and now < child.kept_until:
                return
            del self._kept[child.pid]
            kill_child(child, b"")

    def _end_children(self) -> None:
        """Kill every child. One that is forked but not yet reported has no request, and ends as its control closes."""
        for pid in self._children:
            end_process(pid)
        for control in self._unborn:
            os.close(control)

    def _end_job(self, child: DecoderChild, job: DecoderJob) -> None:
        self._turns.end(job, time.monotonic())
        self._forget_connection(job.connection)
        child.job = None

    def _stop_overdue(self) -> None:
        """Kill children that have used up their time. A child cannot prevent it: no signal or timer of its own is
        involved."""
        now = time.monotonic()
        looks = now >= self._look_at
        if looks:
            self._look_at = now + _LOOK_SECONDS
        for child in self._busy.values():
            if looks and confinement.processor_seconds(child.pid) >= child.processor_until:
                kill_child(child, messages.SLOW)
            elif now >= child.until:
                kill_child(child, messages.LOST)

    def _reap_children(self) -> None:
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                os.kill(pid, signal.SIGKILL)  # its client would wait in vain
            elif pid == self._zygote.pid:
                raise ZygoteEnded(f"the process that forks the decoders {describe_end(status)}")
            elif pid in self._children:
                self._remove_child(pid, status, used.ru_utime + used.ru_stime)
            else:
                self._early[pid] = status

    def _remove_child(self, pid: int, status: int, used_seconds: float) -> None:
        child = self._children.pop(pid)
        was_idle = self._idle.pop(pid, None) is not None
        self._busy.pop(pid, None)
        self._kept.pop(pid, None)
        self._leaving.pop(pid, None)
        if was_idle:
            self._fork_at = time.monotonic() + _BACK_OFF_SECONDS
        if child.job is not None:
            verdict = verdict_of(status) if child.verdict is None else child.verdict
            if verdict == messages.LOST and used_seconds >= child.processor_until:
                verdict = messages.SLOW
            if verdict:
                send_verdict(child.job.connection, verdict)
            self._end_job(child, child.job)
        del self._controls[child.control]
        self._ended.append(child.control)
        if child.verdict is None and status:
            _log.warning("paper: child %d %s", pid, describe_end(status))


class ZygoteEnded(Exception):
    """The process that forks the children has ended; the supervisor restarts the whole server."""


def kill_child(child: DecoderChild, verdict: bytes) -> None:
    """Kill the child with this verdict about its job; a verdict set earlier stays."""
    if child.verdict is None:
        child.verdict = verdict
        os.kill(child.pid, signal.SIGKILL)


def shut_control(child: DecoderChild) -> None:
    """Tell the child that no further request comes."""
    control = packets_of(child.control)
    with suppress(OSError):  # it has ended
        control.shutdown(socket.SHUT_WR)
    control.detach()


def packets_of(number: int) -> socket.socket:
    """A socket object for a descriptor; the caller must detach it before it is collected."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=number)


def receive_request(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The next packet and its descriptors. Raises BlockingIOError when none has arrived, and OSError.

    socket.recv_fds() ignores its flags and would wait for a silent asker.
    """
    files = array("i")
    room = socket.CMSG_LEN(files.itemsize)
    data, extras, _, _ = connection.recvmsg(messages.REQUEST_BYTES_MAX, room, socket.MSG_DONTWAIT)
    for level, kind, content in extras:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(content)
    return data, files.tolist()


def send_verdict(number: int, verdict: bytes) -> None:
    connection = packets_of(number)
    with suppress(OSError):
        connection.send(verdict, socket.MSG_DONTWAIT)
    connection.detach()


def verdict_of(status: int) -> bytes:
    """The verdict on the file of a child that ended; empty where its answer is complete."""
    if os.WIFSIGNALED(status):
        return messages.FAULT if os.WTERMSIG(status) in _CRASHES else messages.LOST
    return messages.FAULT if os.WEXITSTATUS(status) else b""


def describe_end(status: int) -> str:
    """The end of a process in words, for the log."""
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with {os.WEXITSTATUS(status)}"


def wake_on_signals() -> socket.socket:
    """A socket that receives the number of each signal in _SIGNALS; it unblocks these signals."""
    wake, signalled = socket.socketpair()
    for socket_end in (wake, signalled):
        socket_end.setblocking(False)
    signal.set_wakeup_fd(signalled.detach(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return wake


def allow_descriptors() -> None:
    """Raise the limit of descriptors to what a full queue needs, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * REQUESTS_MAX + 64
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
