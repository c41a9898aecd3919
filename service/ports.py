"""The addresses that `serve` listens on: taken, or told in words why not, before anything is started."""

import errno
import socket


class PortTaken(Exception):
    """Another program listens there."""


class PortUnfit(Exception):
    """This machine or this account cannot listen there."""


def listen_on(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket that takes connections from now on. `setting` is what a person has to change when it cannot be had."""
    where = address_of(host, port)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"{where} is taken by another program: end that, or set {setting}") from None
        raise PortUnfit(f"cannot listen on {where} ({error.strerror}): set DOSSIER_HOST or {setting}") from None


def require_free(host: str, port: int, *, setting: str) -> None:
    """Raises as listener() does. The web child takes the port a moment later; gunicorn alone would try for seconds."""
    listen_on(host, port, setting=setting).close()


def address_of(host: str, port: int) -> str:
    """HOST:PORT as a URL has it: the address of IPv6 stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
