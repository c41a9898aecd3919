"""The messages between client.py, broker.py and child.py: one request with one descriptor, one answer. MessagePack.

Connections preserve packets (SOCK_SEQPACKET). Request: one packet, an Asking, sent with the descriptor. Answer: packets
that begin with MORE or LAST and together are one structure; Assemble has several answers. A packet that begins with a
verdict (BUSY, LOST, FAULT, SLOW) comes from the broker instead of the rest.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from domain import refusals
from domain.finding import Finding, PageFinding

REQUEST_BYTES_MAX: Final = 20_992
FORM_BYTES_MAX: Final = 65_536
REPORT_BYTES_MAX: Final = 4 * 1024 * 1024
NAME_CHARACTERS_MAX: Final = 255
PARTS_MAX: Final = 1_000
"""Pages of one Assemble; each takes up to 20 bytes of the request."""

PACKET_BYTES_MAX: Final = 65_536
MORE: Final = b"+"
LAST: Final = b"."
BUSY: Final = b"b"
"""No decoder was free in time, or this asker has too many requests waiting."""
LOST: Final = b"l"
"""The child was killed from outside."""
FAULT: Final = b"f"
"""The child crashed, possibly because of the file."""
SLOW: Final = b"s"
"""The file used up its processor time."""

NEXT: Final = b"n"
"""From a child to the broker: the next page of an Assemble begins."""
FREE: Final = b"."
"""From a child to the broker: its answer follows, and then it can take another upload of the same asker."""


class ImagePart(msgspec.Struct, frozen=True, array_like=True):
    """A page image inside a file of several: offset and size in bytes, and its clockwise turn in degrees."""

    offset: int
    size: int
    degrees: int


class Examine(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="examine"):
    """Ask for a Finding about the first `size` bytes of the file."""

    size: int
    name: str


class Inspect(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="inspect"):
    """Ask for a PageFinding about the first `size` bytes of the file."""

    size: int


class Render(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="render"):
    """Ask for the image of page `page` (from 1), turned clockwise by `degrees` and then `width` pixels wide."""

    size: int
    media_type: str
    page: int
    width: int
    degrees: int


class Assemble(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="assemble"):
    """Ask for one PDF of page images in this order."""

    parts: tuple[ImagePart, ...]


class Draw(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="draw"):
    """Ask for the PDF of the FormContent whose JSON is the first `size` bytes of the file."""

    size: int


class DrawReport(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="report"):
    """Ask for the PDF of the PrintedReport whose JSON is the first `size` bytes of the file."""

    size: int


class Found(msgspec.Struct, frozen=True, array_like=True, tag="found"):
    """The answer to Examine."""

    finding: Finding


class Inspected(msgspec.Struct, frozen=True, array_like=True, tag="inspected"):
    """The answer to Inspect."""

    finding: PageFinding


class Rendered(msgspec.Struct, frozen=True, array_like=True, tag="rendered"):
    """The answer to Render: a JPEG."""

    image: bytes


class Drawn(msgspec.Struct, frozen=True, array_like=True, tag="drawn"):
    """The answer to Draw and DrawReport: a PDF."""

    pdf: bytes


class Piece(msgspec.Struct, frozen=True, array_like=True, tag="piece"):
    """A part of the answer to Assemble: the next bytes of the PDF, empty at its end."""

    data: bytes


class Faulty(msgspec.Struct, frozen=True, array_like=True, tag="faulty"):
    """The answer to Draw and DrawReport when the form or the report is wrong."""

    reason: str


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """A refusal by its slug, with the values of its sentence."""

    slug: str
    values: dict[str, str]


class FormFault(Exception):
    """A form or report that cannot be drawn. Its maker is at fault, so it is no refusal; no message names a person."""


Request = Examine | Inspect | Render | Draw | DrawReport | Assemble


class Asking(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A request on its way to the broker. `asker`: an opaque key; `stores`: True for every request but a page image."""

    asker: bytes
    stores: bool
    request: msgspec.Raw


Answer = Found | Inspected | Rendered | Drawn | Piece | Faulty | Refused

_encoder = msgspec.msgpack.Encoder()
_askings = msgspec.msgpack.Decoder(Asking)
_requests = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_REFUSALS: Final[dict[str, type[refusals.Refusal]]] = {refusal.slug: refusal for refusal in refusals.all_refusals()}


def is_upload(request: Request) -> bool:
    """True if the file of the request was just sent by the asker itself."""
    return isinstance(request, Examine | Inspect)


def encode_request(request: Request, *, asker: bytes) -> bytes:
    """The bytes of an Asking; the caller keeps its name short enough for REQUEST_BYTES_MAX."""
    raw = msgspec.Raw(_encoder.encode(request))
    return _encoder.encode(Asking(asker=asker, stores=not isinstance(request, Render), request=raw))


def decode_asking(data: bytes) -> Asking:
    """Raises msgspec.DecodeError."""
    asking: Asking = _askings.decode(data)
    return asking


def decode_request(data: bytes) -> Request:
    """Raises msgspec.DecodeError."""
    request: Request = _requests.decode(data)
    return request


def packets_of(answer: Answer) -> Iterator[bytes]:
    """The packets of an answer."""
    body = memoryview(_encoder.encode(answer))
    step = PACKET_BYTES_MAX - 1
    for at in range(0, len(body), step):
        yield (LAST if at + step >= len(body) else MORE) + body[at : at + step]


def decode_answer(encoded: bytes | bytearray) -> Finding | PageFinding | bytes:
    """The finding, image or PDF in a whole answer. Raises the refusal or FormFault in it, or msgspec.DecodeError."""
    answer: Any = _answers.decode(encoded)
    match answer:
        case Found(finding) | Inspected(finding):
            return finding
        case Rendered(data) | Drawn(data) | Piece(data):
            return data
        case Faulty(reason):
            raise FormFault(reason)
        case Refused(slug, values):
            raise _REFUSALS[slug](extra=None, **values)
    raise AssertionError(answer)


def message_of(refusal: refusals.Refusal) -> Refused:
    """The message that carries a refusal."""
    return Refused(refusal.slug, {name: str(value) for name, value in refusal.values.items()})
