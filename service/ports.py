"""The addresses that `serve` listens on: bound before anything is started, or refused with a reason."""

import errno
import socket


class PortTaken(Exception):
    """Another program listens on the address."""


class PortUnfit(Exception):
    """This machine or this account cannot listen on the address."""


def bind_to(host: str, port: int, *, setting: str) -> socket.socket:
    """A bound socket that refuses connections until somebody calls listen() on it. `setting` names the setting to
    change, for the error message. Raises PortTaken, PortUnfit."""
    where = address_of(host, port)
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        return door
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"{where} is used by another program: stop it, or set {setting}") from None
        raise PortUnfit(f"cannot listen on {where} ({error.strerror}): set DOSSIER_HOST or {setting}") from None


def address_of(host: str, port: int) -> str:
    """HOST:PORT as in a URL: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
