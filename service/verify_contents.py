"""Compares the contents that the log names with the content store; verify.py reads the log."""

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import msgspec

from domain.ports import ContentDamaged, Missing
from domain.refusals import Unavailable
from domain.values import Content
from service.wiring import Store
from store.content_format import Tally, content_key, open_range

KEYS_PER_LOOK = 1_000


class NamedContent(msgspec.Struct, frozen=True):
    """A content as its event describes it; `sha256` of the plain bytes is None where the event cannot be opened."""

    content: Content
    paper: UUID
    position: int
    sha256: bytes | None

    @property
    def id(self) -> UUID:
        return self.content.id


def check_content(store: Store, named: NamedContent, *, quick: bool) -> tuple[str, str] | None:
    """Kind and detail of the problem, None when there is none. Reads the content once, in pieces, so memory is
    constant."""
    expected = named.content.sealed_size_bytes
    try:
        found = store.directory.size(str(named.id))
        if found is None:
            return "content-missing", ""
        if found != expected:
            return "content-size-differs", f"{found} of {expected} bytes"
        return None if quick else _check_bytes(store, named)
    except Missing:
        return "content-missing", ""
    except ContentDamaged:
        return "content-damaged", ""
    except Unavailable as error:
        return "content-unreadable", type(error.__cause__).__name__


def _check_bytes(store: Store, named: NamedContent) -> tuple[str, str] | None:
    """Compare the ciphertext with its digest in clear, and the plain bytes with the digest sealed in the event."""
    sealed, plain = Tally(), Tally()
    content, secret = named.content, store.keys.secret_of(named.paper)

    def fetch_range(first: int, last: int) -> Iterator[bytes]:
        return sealed.pass_through(store.directory.read(str(content.id), first, last))

    if secret is None:
        _drain(fetch_range(0, content.sealed_size_bytes - 1))
    else:
        key = content_key(secret, content.id)
        _drain(plain.pass_through(open_range(key, content.id, fetch_range, content.sealed_size_bytes)))
    if sealed.sha256 != content.sealed_sha256:
        return "content-digest-differs", "sealed"
    if secret is None or named.sha256 is None:
        return None
    if (plain.size_bytes, plain.sha256) != (content.size_bytes, named.sha256):
        return "content-digest-differs", "plain"
    return None


def _drain(pieces: Iterator[bytes]) -> None:
    for _ in pieces:
        pass


def count_unnamed(store: Store, *, now: float) -> tuple[int, int]:
    """Count contents in the store that no event names: orphans, and those young enough to be part of an upload under
    way."""
    oldest = now - store.settings.limits.orphan_age_hours * 3600
    orphans = in_flight = 0
    keys = store.directory.list_keys()
    while look := dict(islice(keys, KEYS_PER_LOOK)):
        with store.pool.connection() as conn:
            known = {key for (key,) in conn.execute(LISTED, [list(look)])}
        young = [written_at > oldest for key, written_at in look.items() if key not in known]
        in_flight += sum(young)
        orphans += len(young) - sum(young)
    return orphans, in_flight


LISTED = "select content::text from archive.content where content = any(%s::uuid[])"
