"""The bytes of one file as everything in paper/ reads them; child.py maps the descriptor that it was handed."""

import mmap


class Mapped(mmap.mmap):
    """A file mapped into memory: it costs no heap, and no offset is shared with whoever sent the descriptor."""

    def getvalue(self) -> "Mapped":
        """The whole, as io.BytesIO gives it: with this method Pillow hands a TIFF to libtiff without copying it."""
        return self


Content = bytes | Mapped
"""Both can be sliced, searched and measured alike, so the functions that look at bytes are pure."""


def mapped(descriptor: int, size_bytes: int) -> Content:
    """The first `size_bytes` of a file. Raises ValueError when it is shorter; private, so nobody's file is changed."""
    return Mapped(descriptor, size_bytes, access=mmap.ACCESS_COPY) if size_bytes else b""
