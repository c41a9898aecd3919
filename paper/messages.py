"""What goes between client.py and child.py: one request with one descriptor, one answer. MessagePack on a stream.

Request: the encoded structure, sent with the descriptor in one piece. Answer: its length in four bytes, then itself.
"""

import struct
from typing import Any, Final

import msgspec

from domain import refusals

REQUEST_BYTES_MAX: Final = 4096
FORM_BYTES_MAX: Final = 65_536
NAME_CHARACTERS_MAX: Final = 255

_LENGTH = struct.Struct(">I")


class Finding(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What content is. `pages`: PDF pages and the pictures of a TIFF or HEIC, 1 for other pictures, else None.

    `preview`: page images can be made. `flags`: of macros, javascript, attachments, active-content, sorted.
    """

    media_type: str
    pages: int | None
    preview: bool
    password_protected: bool
    flags: tuple[str, ...] = ()


class Examine(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="examine"):
    """Ask for a Finding about the first `size` bytes of the file."""

    size: int
    name: str


class Render(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="render"):
    """Ask for the image of page `page` (from 1), `width` pixels wide."""

    size: int
    media_type: str
    page: int
    width: int


class Draw(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="draw"):
    """Ask for the PDF of the form.Form whose JSON is the first `size` bytes of the file."""

    size: int


class Found(msgspec.Struct, frozen=True, array_like=True, tag="found"):
    """The answer to Examine."""

    finding: Finding


class Rendered(msgspec.Struct, frozen=True, array_like=True, tag="rendered"):
    """The answer to Render: a JPEG."""

    image: bytes


class Drawn(msgspec.Struct, frozen=True, array_like=True, tag="drawn"):
    """The answer to Draw: a PDF."""

    pdf: bytes


class Faulty(msgspec.Struct, frozen=True, array_like=True, tag="faulty"):
    """The answer to Draw when the form is wrong."""

    reason: str


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """A refusal by its slug, with what fills its sentence."""

    slug: str
    values: dict[str, str]


class FormFault(Exception):
    """A form that cannot be drawn. The fault is of whoever put it together, so it is no refusal; it names no person."""


Request = Examine | Render | Draw
Answer = Found | Rendered | Drawn | Faulty | Refused

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_REFUSALS: Final[dict[str, type[refusals.Refusal]]] = {refusal.slug: refusal for refusal in refusals.every()}


def encode_request(request: Request) -> bytes:
    """Bytes of a request; its name is short enough for REQUEST_BYTES_MAX."""
    return _encoder.encode(request)


def decode_request(data: bytes) -> Request:
    """Raises msgspec.DecodeError."""
    request: Request = _requests.decode(data)
    return request


def encode_answer(answer: Answer) -> bytes:
    """Bytes of an answer with its length before it."""
    body = _encoder.encode(answer)
    return _LENGTH.pack(len(body)) + body


def missing_bytes(data: bytes | bytearray) -> int:
    """How many bytes of the answer are still to come; at least 1 while the length itself is not there."""
    if len(data) < _LENGTH.size:
        return _LENGTH.size - len(data)
    (length,) = _LENGTH.unpack_from(data)
    return _LENGTH.size + int(length) - len(data)


def decode_answer(data: bytes | bytearray) -> Finding | bytes:
    """The finding, image or PDF of a whole answer. Raises the refusal or FormFault in it, or msgspec.DecodeError."""
    answer: Any = _answers.decode(memoryview(data)[_LENGTH.size :])
    match answer:
        case Found(finding):
            return finding
        case Rendered(image):
            return image
        case Drawn(pdf):
            return pdf
        case Faulty(reason):
            raise FormFault(reason)
        case Refused(slug, values):
            raise _REFUSALS[slug](extra=None, **values)
    raise AssertionError(answer)


def refused(refusal: refusals.Refusal) -> Refused:
    """The message for a refusal."""
    return Refused(refusal.slug, {name: str(value) for name, value in refusal.values.items()})
