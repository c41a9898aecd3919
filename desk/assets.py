"""Serves style sheets, scripts and icons from memory, under an address with the digest of them all.

Vendored files are in assets/vendor; a test compares them with their MANIFEST.json.
"""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from api.call import Call
from domain.refusals import NotFound

FOLDER = Path(__file__).parent / "assets"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    content: bytes
    media_type: str


class Assets(NamedTuple):
    """`digest` covers all files together, because modules import each other by relative names."""

    digest: str
    by_name: dict[str, Asset]


@cache
def assets() -> Assets:
    """Reads all files, once, before the workers are forked."""
    files = sorted(file for file in FOLDER.rglob("*") if file.suffix in MEDIA_TYPES)
    digest = hashlib.sha256()
    found = {}
    for file in files:
        name, content = str(file.relative_to(FOLDER)), file.read_bytes()
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        found[name] = Asset(content, MEDIA_TYPES[file.suffix])
    return Assets(digest.hexdigest()[:12], found)


def address(name: str) -> str:
    """The address of an asset. KeyError for an unknown name, so that a template cannot link to a missing file."""
    known = assets()
    known.by_name[name]
    return f"/assets/{known.digest}/{name}"


async def serve(call: Call) -> None:
    """GET /assets/{digest}/{name}: cacheable for ever under the current digest, revalidated under any other."""
    known = assets()
    asset = known.by_name.get(call.params["name"])
    if asset is None:
        raise NotFound
    call.resp.content_type = asset.media_type
    call.resp.set_header("Vary", "Accept-Encoding")
    call.resp.set_header("Cache-Control", FOREVER if call.params["digest"] == known.digest else "no-cache")
    zipped = "gzip" in (call.req.get_header("Accept-Encoding") or "")
    if zipped:
        call.resp.set_header("Content-Encoding", "gzip")
    call.resp.data = gzip_asset(call.params["name"]) if zipped else asset.content


@cache
def gzip_asset(name: str) -> bytes:
    """The gzip form of an asset, compressed at its first request."""
    return gzip.compress(assets().by_name[name].content, 9, mtime=0)
