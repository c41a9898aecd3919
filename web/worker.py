"""Runs gunicorn's asgi worker with the guards it lacks; web/wrapper.py guards each request after it.

It uses private names of gunicorn, so the version is pinned and checked. The guards, each with a test in
tests/http/test_worker_*.py: a deadline for the first request's headers, a cap on connections, a listen backlog, a
deadline for clients that stop reading, and a shutdown that open streams cannot block.
"""

import asyncio
import errno
import logging
import mmap
import os
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gunicorn  # type: ignore[import-untyped]  # gunicorn ships no types
from gunicorn import glogging  # as above
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # as above
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]  # as above
from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]  # as above
from gunicorn.workers import gasgi  # type: ignore[import-untyped]  # as above

from domain.limits import Limits

GUNICORN_VERSION = "27.0.1"
BACKLOG = 2048
KEEP_ALIVE_SECONDS = 5
# gunicorn's `timeout`: the longest time the event loop may be blocked, and the longest wait for bytes of a body.
HEARTBEAT_SECONDS = 30
# The worker waits about 1.5 s before its grace period begins, and the arbiter kills it at the end of its own, so the
# worker's is shorter by this much.
ARBITER_LEAD_SECONDS = 4
# A handler whose client has disconnected runs this long, then it is cancelled and its decoder is free again.
GONE_SECONDS = 1
# A worker that stops waits this long for the first request of a connection that was just accepted.
JUST_COME_SECONDS = 1
NO_DESCRIPTORS_SECONDS = 1.0
ANOTHERS_TURN_SECONDS = 0.001
SLOTS, NOBODY = 32, -1
CLOSE = (b"connection", b"close")
READS = ("GET", "HEAD")

Application = Callable[[Any, Any, Any], Any]
logger = logging.getLogger("dossier.web")


class Protocol(ASGIProtocol):  # type: ignore[misc]  # the base is untyped
    """One connection: refused over the cap, closed when headers or readers stall."""

    def __init__(self, worker: "Worker") -> None:
        super().__init__(worker)
        self.header_deadline: asyncio.TimerHandle | None = None
        self.write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self.worker.nr_conns >= self.worker.worker_connections:
            self._conn_lost_handled = True  # it was never counted, so its end must not be subtracted
            transport.abort()
            return
        super().connection_made(transport)
        self.worker.protocols.add(self)
        self.worker.tell_load()
        self.header_deadline = self.worker.loop.call_later(self.worker.app.header_seconds, self._close_transport)

    def _on_headers_complete(self) -> Any:
        if self.header_deadline is not None:
            self.header_deadline.cancel()
            self.header_deadline = None
        return super()._on_headers_complete()

    def _send_response_start(self, status: int, headers: Any, request: Any, close: bool = False) -> None:
        """Closes the connection after an answer with `Connection: close`; gunicorn itself obeys only the request's."""
        if CLOSE in headers:
            self._keepalive = 0
        super()._send_response_start(status, headers, request, close)

    def eof_received(self) -> bool:
        """Keep the connection open when the client has sent a whole write and closed its direction, because it may
        still read the answer. A client that has left looks the same, so the write has only the time of such a client.
        A read ends at once."""
        receiver = self._body_receiver
        if receiver is None or not receiver._complete or receiver.request.method in READS:
            return False
        self._keepalive = 0
        self.worker.loop.call_later(GONE_SECONDS, self._close_transport)
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self.expect_progress()

    def resume_writing(self) -> None:
        if self.write_deadline is not None:
            self.write_deadline.cancel()
            self.write_deadline = None
        super().resume_writing()

    def expect_progress(self) -> None:
        if self.write_deadline is None:
            seconds = self.worker.app.write_stall_seconds
            self.write_deadline = self.worker.loop.call_later(seconds, self.transport.abort)

    def _close_transport(self) -> None:
        """Closes with a deadline, because closing waits until the peer has read what is buffered."""
        super()._close_transport()
        if self.transport is not None and not self._conn_lost_handled:
            self.expect_progress()

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in (self.header_deadline, self.write_deadline):
            if handle is not None:
                handle.cancel()
        self.worker.protocols.discard(self)
        super().connection_lost(exc)
        self.worker.tell_load()

    def leave(self) -> None:
        """Closes the connection if it is idle; one that is being served continues.

        A connection without its first request is closed JUST_COME_SECONDS later: the request may be on its way, and
        the client would get an empty answer.
        """
        if self.header_deadline is not None:
            self.worker.loop.call_later(JUST_COME_SECONDS, self._leave_if_idle)
        else:
            self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if self._awaiting_request and not self._request_ready.is_set():
            self._close_transport()
            self._request_ready.set()


class ConnectionCounts:
    """The number of connections of each worker, in memory that all workers share; NOBODY marks an unused slot."""

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * SLOTS)).cast("i")
        for slot in range(SLOTS):
            self._counts[slot] = NOBODY

    def tell(self, age: int, connections: int) -> None:
        """Stores a worker's number of connections. `age` is gunicorn's number of the worker; two workers that share a
        slot are balanced less well, nothing else."""
        self._counts[age % SLOTS] = connections

    def is_above(self, connections: int) -> bool:
        """True if some worker has fewer connections than this one."""
        return any(NOBODY < count < connections for count in self._counts)


class Acceptor:
    """Accepts connections one by one, and waits a moment before it accepts one while another worker has fewer.

    uvloop's own server accepts all that wait: of 16 simultaneous callers one worker got 15, and one core was idle.
    """

    def __init__(self, worker: "Worker", protocol: Callable[[], ASGIProtocol], sock: socket.socket) -> None:
        self._worker, self._protocol, self._sock = worker, protocol, sock
        self._loop: asyncio.AbstractEventLoop = worker.loop.real
        self._taking: set[asyncio.Task[Any]] = set()
        self._loop.add_reader(sock, self._come)

    def _come(self) -> None:
        if self._worker.has_most():
            self._pause(ANOTHERS_TURN_SECONDS, self._take)
        else:
            self._take()

    def _take(self) -> None:
        try:
            connection, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0)
            logger.error("accepting a connection failed, retrying in %g s: %s", NO_DESCRIPTORS_SECONDS, reason)
            self._pause(NO_DESCRIPTORS_SECONDS, lambda: None)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._taking.add(task)
        task.add_done_callback(self._end_taking)

    def _end_taking(self, task: "asyncio.Task[Any]") -> None:
        self._taking.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that has disconnected meanwhile is no error worth a log line

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.call_later(seconds, self._resume, then)

    def _resume(self, then: Callable[[], None]) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._come)
            then()

    def close(self) -> None:
        self._loop.remove_reader(self._sock)
        self._sock.close()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._taking, return_exceptions=True)


class Loop:
    """The event loop that gunicorn gets: its servers are Acceptors, everything else is the real loop's."""

    def __init__(self, worker: "Worker", loop: asyncio.AbstractEventLoop) -> None:
        self._worker, self.real = worker, loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def create_server(self, protocol: Callable[[], ASGIProtocol], *, sock: socket.socket, **_: Any) -> Acceptor:
        return Acceptor(self._worker, protocol, sock)


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]  # the base is untyped
    """A worker process. It puts an asyncio.Event named `stopping` into the lifespan state, which endless streams wait
    for."""

    app: "Server"
    loop: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.protocols: set[Protocol] = set()
        self.serving = False

    def init_process(self) -> None:
        self.app.on_fork(self.ppid)
        gasgi.ASGIProtocol = Protocol
        self.cfg.set("graceful_timeout", max(1, self.cfg.graceful_timeout - ARBITER_LEAD_SECONDS))
        self.state["stopping"] = asyncio.Event()
        super().init_process()

    def _setup_event_loop(self) -> None:
        super()._setup_event_loop()
        self.loop = Loop(self, self.loop)
        self.tell_load()

    def _cleanup(self) -> None:
        self.loop = self.loop.real  # gunicorn finds the tasks to cancel by their loop
        super()._cleanup()

    def tell_load(self) -> None:
        self.app.loads.tell(self.age, self.nr_conns)

    def has_most(self) -> bool:
        return bool(self.app.loads.is_above(self.nr_conns))

    def handle_exit_signal(self) -> None:
        super().handle_exit_signal()
        self.state["stopping"].set()
        for protocol in list(self.protocols):
            protocol.leave()

    def notify(self) -> None:
        """Sends the heartbeat; the first one after the sockets are served raises their backlog from asyncio's 100."""
        super().notify()
        if self.servers and not self.serving:
            self.serving = True
            for listener in self.sockets:
                listener.sock.listen(self.cfg.backlog)
            self.app.report_ready(str(self.sockets[0]))


class WorkerLog(glogging.Logger):  # type: ignore[misc]  # the base is untyped
    """Passes gunicorn's messages to the program's own logging: gunicorn's format quotes addresses and tracebacks."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Master(Arbiter):  # type: ignore[misc]  # the base is untyped
    """The arbiter; it calls `beat` each time it checks its workers."""

    app: "Server"

    def start(self) -> None:
        with warnings.catch_warnings():
            # gunicorn duplicates the socket that it is given (service/web.py) and forgets the duplicate.
            warnings.simplefilter("ignore", ResourceWarning)
            super().start()

    def murder_workers(self) -> None:
        self.app.beat()
        super().murder_workers()


class Server(BaseApplication):  # type: ignore[misc]  # the base is untyped
    """The gunicorn application, built once before the workers are forked; each worker has it as `app`."""

    def __init__(
        self,
        make: Callable[[], Application],
        options: dict[str, Any],
        *,
        on_ready: Callable[[str], None],
        header_seconds: float,
        write_stall_seconds: float,
        on_fork: Callable[[int], None] = lambda _: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.make, self.options, self.on_ready, self.on_fork, self.beat = make, options, on_ready, on_fork, beat
        self.header_seconds, self.write_stall_seconds = header_seconds, write_stall_seconds
        self.token, self.loads = one_byte_pipe(), ConnectionCounts()
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)
        self.cfg.set("child_exit", lambda _, worker: self.loads.tell(worker.age, NOBODY))

    def load(self) -> Application:
        return self.make()

    def run(self) -> None:
        Master(self).run()

    def report_ready(self, address: str) -> None:
        """Calls `on_ready` once for all workers: each calls this, and the first to read the pipe's byte reports."""
        try:
            os.read(self.token, 1)
        except BlockingIOError:
            return
        self.on_ready(address)


def one_byte_pipe() -> int:
    """The reading end of a pipe that holds one byte; it never blocks, and forked workers share it."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.write(writer, b"1")
    return reader


def serve_options(
    *,
    bind: Sequence[str],
    workers: int,
    limits: Limits,
    graceful_seconds: int = 30,
    trusted_proxies: Sequence[str] = (),
) -> dict[str, Any]:
    """gunicorn's settings for this service; gunicorn refuses unknown names at start."""
    return {
        "forwarded_allow_ips": ",".join(trusted_proxies),
        "secure_scheme_headers": {"X-FORWARDED-PROTO": "https"},
        "bind": list(bind),
        "workers": workers,
        "worker_class": Worker,
        "worker_connections": limits.connections_max,
        "backlog": BACKLOG,
        "timeout": HEARTBEAT_SECONDS,
        "graceful_timeout": graceful_seconds,
        "keepalive": KEEP_ALIVE_SECONDS,
        "limit_request_line": 8190,
        "limit_request_fields": 64,
        "limit_request_field_size": 4096,
        "asgi_lifespan": "on",
        "asgi_disconnect_grace_period": GONE_SECONDS,
        "http_parser": "python",
        "control_socket_disable": True,
        "preload_app": True,
        "accesslog": None,
        "loglevel": "warning",
        "logger_class": WorkerLog,
        "proc_name": "dossier",
    }


def run(
    make: Callable[[], Application],
    *,
    bind: Sequence[str],
    workers: int,
    limits: Limits,
    on_ready: Callable[[str], None],
    graceful_seconds: int = 30,
    write_stall_seconds: float = 30.0,
    on_fork: Callable[[int], None] = lambda _: None,
    beat: Callable[[], None] = lambda: None,
    trusted_proxies: Sequence[str] = (),
) -> int:
    """Serves until SIGTERM, SIGINT or SIGQUIT and returns gunicorn's exit code.

    `make` is called once, before the fork, so the application opens pools and starts threads in its lifespan startup.
    `on_ready` is called once, in the first worker that serves (not in this process), with the first address.
    `on_fork` is called first in each worker, with the arbiter's pid; `beat` about every second in the arbiter.
    `trusted_proxies` are addresses or networks whose X-Forwarded-Proto sets the scheme of a request.
    While it runs, gunicorn handles this process's signals and reaps all its children, including those of other code.
    """
    if gunicorn.__version__ != GUNICORN_VERSION:
        raise RuntimeError(f"web/worker.py needs gunicorn {GUNICORN_VERSION}, found {gunicorn.__version__}")
    options = serve_options(
        bind=bind,
        workers=workers,
        limits=limits,
        graceful_seconds=graceful_seconds,
        trusted_proxies=trusted_proxies,
    )
    server = Server(
        make,
        options,
        on_ready=on_ready,
        header_seconds=limits.header_seconds_max,
        write_stall_seconds=write_stall_seconds,
        on_fork=on_fork,
        beat=beat,
    )
    return arbitrate(server)


def arbitrate(server: Server) -> int:
    """Runs the arbiter and returns its exit code. A worker ends with os._exit, because unwinding the stack would run
    the caller's clean-up in the worker too."""
    master, code = os.getpid(), 1
    try:
        server.run()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        if os.getpid() != master:
            logging.shutdown()
            sys.stdout.flush()
            os._exit(code)
    return code
