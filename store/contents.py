"""Sealed content of papers: domain/ports.Contents over a content store, with keys derived from the paper's key."""

from collections.abc import Iterator
from typing import BinaryIO
from uuid import UUID

from domain.ports import ContentStore, Stored
from domain.refusals import CustomerErased
from store.content_format import Sealing, content_key, open_range
from store.keys import Keys


class SealedContents:
    """Sealed content of papers: plain bytes in and out, only ciphertext in `store`."""

    def __init__(self, store: ContentStore, keys: Keys) -> None:
        self.store, self._keys = store, keys

    def put(self, paper: UUID, content: UUID, file: BinaryIO) -> Stored:
        file.seek(0)
        secret = self._keys.secret_of(paper)
        if secret is None:
            raise CustomerErased
        sealing = Sealing(content_key(secret, content), content, file)
        self.store.put(str(content), sealing)
        return sealing.measure()

    def drop(self, content: UUID) -> None:
        self.store.delete(str(content))

    def read(self, paper: UUID, content: UUID, sealed_size_bytes: int, first: int, last: int) -> Iterator[bytes] | None:
        """Plain bytes first..last inclusive in pieces of at most 64 KiB; None when the paper's key is destroyed.

        Raises Missing, or ContentDamaged before any byte that is not authentic.
        """
        secret = self._keys.secret_of(paper)
        if secret is None:
            return None
        key = content_key(secret, content)
        return open_range(
            key, content, lambda a, b: self.store.read(str(content), a, b), sealed_size_bytes, first, last
        )
