"""Strips the sub-path of DOSSIER_PUBLIC_URL from requests and adds it to answers; no handler knows it.

A proxy may strip the sub-path or pass it on, with the same result. web/wrapper.py adds it to the headers of every
answer, desk/render.py to pages, web/problems.py to the types of problems. `base` is "" or a path such as /archive.
"""

import re
from typing import Any

# The attributes of our templates that hold addresses. Text from people cannot look like one, because its quotes are
# escaped. str.replace for each takes 0.02 ms a page, one regular expression 0.27 ms.
ADDRESSES = ("href", "src", "action", "data-address", "data-contract", "data-drop", "data-else", "data-else-customer")
COOKIE_PATH = re.compile(rb"(;\s*path=)(/[^;]*)", re.IGNORECASE)
LINK = re.compile(rb"<(/[^>]*)>")


def base_of(scope: Any) -> str:
    """The sub-path that web/wrapper.py put into a request's scope; "" for an app without the wrapper."""
    return str(scope.get("state", {}).get("base", ""))


def add_base(path: str, base: str) -> str:
    """The address below `base`, if it is root-relative; other addresses and those below `base` stay unchanged."""
    if not base or not path.startswith("/") or path.startswith("//") or is_below(path, base):
        return path
    return base + path


def is_below(path: str, base: str) -> bool:
    return path == base or path.startswith((f"{base}/", f"{base}?", f"{base}#"))


def strip_base(path: str, base: str) -> str:
    """The path without `base`, as the routes have it."""
    return (path[len(base) :] or "/") if base and (path == base or path.startswith(f"{base}/")) else path


def rooted_page(html: str, base: str) -> str:
    """A page with all its addresses below `base`."""
    if base:
        for name in ADDRESSES:
            html = html.replace(f'{name}="/', f'{name}="{base}/')
    return html


def rooted_header(name: bytes, value: bytes, base: str) -> bytes:
    """A header's value with its addresses below `base`: Location, Link and the path of a cookie."""
    if name == b"location":
        return add_base(value.decode("latin-1"), base).encode("latin-1")
    if name == b"link":
        return LINK.sub(lambda found: b"<" + add_base(found[1].decode("latin-1"), base).encode("latin-1") + b">", value)
    if name == b"set-cookie":
        return COOKIE_PATH.sub(lambda found: found[1] + base.encode() + found[2].rstrip(b"/"), value)
    return value
