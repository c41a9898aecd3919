"""The addresses that `serve` listens on: bound before anything is started, or refused with a reason."""

import errno
import socket


class PortTaken(Exception):
    """Another program listens on the address."""


class PortUnfit(Exception):
    """This machine or this account cannot listen on the address."""


def listen_on(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket. `setting` names the setting to change, for the error message. Raises PortTaken, PortUnfit."""
    where = address_of(host, port)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"{where} is used by another program: stop it, or set {setting}") from None
        raise PortUnfit(f"cannot listen on {where} ({error.strerror}): set DOSSIER_HOST or {setting}") from None


def require_free(host: str, port: int, *, setting: str) -> None:
    """Raises as listen_on() does. The web child binds the port a moment later; gunicorn alone would retry for
    seconds."""
    listen_on(host, port, setting=setting).close()


def address_of(host: str, port: int) -> str:
    """HOST:PORT as in a URL: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
