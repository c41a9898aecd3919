"""The bytes of one file as everything in paper/ reads them; child.py maps the descriptor that it was handed."""

import mmap
import os


class Mapped(mmap.mmap):
    """A file mapped into memory: it costs no heap, and no offset is shared with whoever sent the descriptor."""

    def getvalue(self) -> "Mapped":
        """The whole, as io.BytesIO gives it: with this method Pillow hands a TIFF to libtiff without copying it."""
        return self


Content = bytes | Mapped
"""Both can be sliced, searched and measured alike, so the functions that look at bytes are pure."""


def map_file(descriptor: int, size_bytes: int) -> Content:
    """The first `size_bytes` of a file. Raises ValueError when it is shorter; private, so nobody's file is changed."""
    if not size_bytes:
        return b""
    # mmap itself asks fstat, which walls.py refuses, and then maps what is not there: a touch ends the process.
    if not os.pread(descriptor, 1, size_bytes - 1):
        raise ValueError("the file is shorter")
    return Mapped(descriptor, size_bytes, access=mmap.ACCESS_COPY)
