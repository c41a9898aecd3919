"""Where a request comes from: the page that asked for it, and the address it was sent from. api/admission.py asks.

A browser sends cookies along with whatever a page asks for, so a request that only a cookie speaks for has to come from
a page of the archive itself.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any

from domain.refusals import ForeignPage

Network = IPv4Network | IPv6Network
OWN = ("same-origin", "none")  # none: the user's own doing, as typed into the address bar
READS = ("GET", "HEAD")


def require_own_page(req: Any) -> None:
    """Of a request that only a cookie speaks for. Raises ForeignPage.

    Sec-Fetch-Site counts where it is sent; where not, a change has to name its origin. Pages may be linked to from
    anywhere, what lies below /v1 may not: else another page could embed it.
    """
    site = req.get_header("Sec-Fetch-Site")
    if req.method in READS:
        foreign = site is not None and site not in OWN and req.path.startswith("/v1/")
    else:
        foreign = site not in OWN if site is not None else req.get_header("Origin") != origin_of(req)
    if foreign:
        raise ForeignPage


def require_no_other_page(req: Any) -> None:
    """Of a request to sign in: programs, which say nothing of a page, may. Raises ForeignPage."""
    if req.get_header("Sec-Fetch-Site") is not None or req.get_header("Origin") is not None:
        require_own_page(req)


def origin_of(req: Any) -> str:
    """As a browser writes it. The scheme is what a trusted proxy says (web/worker.py)."""
    return f"{req.scheme}://{req.get_header('Host')}".lower()


def address_of(req: Any, trusted: Sequence[Network]) -> str:
    """Whence it was sent: the last address in X-Forwarded-For that is not itself one of a trusted proxy. Of IPv6 the
    network, for whoever has one address has all of it."""
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
