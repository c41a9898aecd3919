"""Serves `GET /metrics` without a token on a port of its own; api/ serves it on the main port with one.

It runs in a thread of the projector process, so it answers when the web workers do not. The supervisor owns the
listening socket, so callers wait while that process restarts.
"""

import asyncio
import logging
import os
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from domain.refusals import N_, MalformedRequest, MethodNotAllowed, NotFound, Refusal, Unavailable
from web.problems import build_problem

REQUEST_SECONDS = 5.0
HEAD_BYTES_MAX = 8 * 1024
CONNECTIONS_MAX = 32
TEXT = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]\r\n")
logger = logging.getLogger("dossier.metrics")


def start_metrics_port(listener: socket.socket, text: Callable[[], bytes]) -> None:
    """Starts a thread that answers until the process ends. `text` returns the metrics; it may wait for the database."""
    door = MetricsDoor(text)
    threading.Thread(target=lambda: asyncio.run(door.serve(listener)), name="metrics", daemon=True).start()


class MetricsDoor:
    """Answers one request a connection, and closes the connections of slow and surplus callers."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")  # one collection at a time
        self._connections = 0

    async def serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._serve_connection, sock=listener, limit=HEAD_BYTES_MAX)
        await server.serve_forever()

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= CONNECTIONS_MAX:
                async with asyncio.timeout(REQUEST_SECONDS):
                    writer.write(await self._answer_to(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a slow, broken or oversized request gets no answer
        finally:
            self._connections -= 1
            writer.close()

    async def _answer_to(self, head: bytes) -> bytes:
        asked = REQUEST_LINE.match(head)
        if asked is None:
            return _format_refusal(MalformedRequest(reason=N_("its first line is malformed")), "/", "GET")
        method, path = asked[1].decode(), asked[2].decode().partition("?")[0]
        if path != "/metrics":
            return _format_refusal(NotFound(), path, method)
        if method not in ("GET", "HEAD"):
            return _format_refusal(MethodNotAllowed(allow="GET, HEAD"), path, method)
        try:
            body = await asyncio.get_running_loop().run_in_executor(self._thread, self._text)
        except Exception:  # the edge of a request: the caller gets 503, the log has the reason
            logger.exception("metrics: collecting failed, answered 503")
            return _format_refusal(Unavailable(), path, method)
        headers = [("content-type", TEXT), ("content-length", str(len(body)))]
        return _format_response(200, headers, body, with_body=method == "GET")


def _format_refusal(refusal: Refusal, path: str, method: str) -> bytes:
    told = build_problem(refusal, instance=path, trace_id=os.urandom(16).hex())
    return _format_response(told.status, told.headers, told.body, with_body=method != "HEAD")


def _format_response(status: int, headers: list[tuple[str, str]], body: bytes, *, with_body: bool) -> bytes:
    always = [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("connection", "close")]
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{n}: {v}" for n, v in [*headers, *always])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body if with_body else b"")
