"""The bytes of one file in the form that paper/ reads them; child.py maps the descriptor that it receives."""

import mmap
import os


class Mapped(mmap.mmap):
    """A file mapped into memory: it uses no heap and shares no offset with the sender of the descriptor."""

    def getvalue(self) -> "Mapped":
        """The whole content, as io.BytesIO returns it: with this method Pillow passes a TIFF to libtiff without a
        copy.
        """
        return self


Content = bytes | Mapped
"""Both can be sliced, searched and measured alike, so functions over bytes stay pure."""


def map_file(descriptor: int, size_bytes: int) -> Content:
    """Map the first `size_bytes` of a file, privately: the file itself never changes. Raises ValueError if it is
    shorter."""
    if not size_bytes:
        return b""
    # mmap calls fstat, which walls.py refuses, and then maps beyond the end: touching that kills the process.
    if not os.pread(descriptor, 1, size_bytes - 1):
        raise ValueError("the file is shorter")
    return Mapped(descriptor, size_bytes, access=mmap.ACCESS_COPY)
