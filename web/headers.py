"""Builds and parses header values: file names, entity tags, digests. Pure; web/ranges.py decides with them."""

import base64
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import quote

from domain.file_name import printable
from domain.refusals import N_, MalformedRequest

# RFC 8187, attr-char: the punctuation that an extended value does not escape.
ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
# RFC 6266, appendix D: no quote, backslash or percent sign in the fallback, since browsers differ on them.
FALLBACK_UNSAFE = re.compile(r"[^ !#$&'()+,\-.0-9;=@A-Z\[\]^_`a-z{}~]")
# RFC 9110, section 8.8.3: an opaque tag has no quote, blank or control character.
ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


class EntityTag(NamedTuple):
    value: str
    weak: bool


def content_disposition(file_name: str | None, *, kind: str = "attachment") -> str:
    """The header (RFC 6266): an ASCII `filename` and, if that differs from the name, `filename*` (RFC 8187).

    The value is printable ASCII for every name, so a name can neither end the header nor add one.
    """
    name = printable(file_name or "")
    if not name:
        return kind
    fallback = ascii_fallback(name) or "_"
    if fallback == name:
        return f'{kind}; filename="{fallback}"'
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe=ATTRIBUTE_CHARACTERS)}"


def ascii_fallback(name: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return FALLBACK_UNSAFE.sub("_", plain)


def etag(value: str | int) -> str:
    """A strong entity tag of a value of ours (a version, a digest), never of a caller's text."""
    tag = f'"{value}"'
    if not ENTITY_TAG.fullmatch(tag):
        raise ValueError("an entity tag may only have visible characters other than quotes")
    return tag


def entity_tags(header: str) -> tuple[EntityTag, ...] | None:
    """The tags of If-Match or If-None-Match; None means `*`. Raises MalformedRequest."""
    if header.strip() == "*":
        return None
    tags, at = [], 0
    while at < len(header):
        if header[at] in " \t,":
            at += 1
            continue
        found = ENTITY_TAG.match(header, at)
        if not found or (found.end() < len(header) and header[found.end()] not in " \t,"):
            raise MalformedRequest(reason=N_("an entity tag is malformed"))
        tags.append(EntityTag(found[2], found[1] is not None))
        at = found.end()
    return tuple(tags)


def weak_match(header: str, current: str) -> bool:
    """True if If-None-Match matches our tag; weak tags match too (RFC 9110, section 13.1.2)."""
    tags = entity_tags(header)
    return tags is None or any(f'"{tag.value}"' == current for tag in tags)


def digest_field(sha256: bytes) -> str:
    """The value of Content-Digest and Repr-Digest (RFC 9530) for 32 bytes of SHA-256."""
    if len(sha256) != 32:
        raise ValueError("a SHA-256 has 32 bytes")
    return f"sha-256=:{base64.b64encode(sha256).decode('ascii')}:"
