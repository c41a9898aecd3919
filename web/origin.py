"""Checks the page that sent a request, and finds the client's address; api/admission.py uses it.

A browser adds cookies to every request of any page, so a request that is authenticated only by a cookie has to come
from a page of the archive.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any

from domain.refusals import ForeignPage

Network = IPv4Network | IPv6Network
OWN = ("same-origin", "none")  # none: the user's own act, such as an address typed into the address bar
READS = ("GET", "HEAD")


def require_own_page(req: Any) -> None:
    """Raises ForeignPage unless the request, which is authenticated only by a cookie, comes from an own page.

    Sec-Fetch-Site decides if it is sent; without it, a change has to name our origin. Any site may link to the pages,
    but not to addresses below /v1, because it could embed them.
    """
    site = req.get_header("Sec-Fetch-Site")
    if req.method in READS:
        foreign = site is not None and site not in OWN and req.path.startswith("/v1/")
    else:
        foreign = site not in OWN if site is not None else req.get_header("Origin") != origin_of(req)
    if foreign:
        raise ForeignPage


def require_no_other_page(req: Any) -> None:
    """Raises ForeignPage for a request to sign in from a foreign page. Programs send neither header and may sign in."""
    if req.get_header("Sec-Fetch-Site") is not None or req.get_header("Origin") is not None:
        require_own_page(req)


def origin_of(req: Any) -> str:
    """The archive's origin as a browser writes it. A trusted proxy sets the scheme (web/worker.py)."""
    return f"{req.scheme}://{req.get_header('Host')}".lower()


def address_of(req: Any, trusted: Sequence[Network]) -> str:
    """The client address: the last one in X-Forwarded-For that is not a trusted proxy's.

    For IPv6 its /64, because one client usually owns the whole network.
    """
    passed = [part.strip() for part in (req.get_header("X-Forwarded-For") or "").split(",") if part.strip()]
    address = str(req.remote_addr)
    while passed and is_one_of(address, trusted):
        address = passed.pop()
    return network_of(address)


def network_of(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address) or found.ipv4_mapped:
        return address
    return str(IPv6Network((int(found), 64), strict=False))


def is_one_of(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
