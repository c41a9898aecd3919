"""A limited child of zygote.py: takes a request from broker.py, answers on its connection, and ends.

Only after an upload does it offer itself for the next upload of the same asker, so it sees files of one asker only.
broker.py kills a child that takes too long, including a decoder stuck in C or a hijacked one, and reports the end to
client.py.
"""

import gc
import os
import socket
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from domain.limits import Limits
from domain.refusals import FileDamaged, Refusal
from paper import (
    allowances,
    assembly,
    checks,
    confinement,
    content,
    form,
    form_text,
    messages,
    page,
    pictures,
    rendering,
    report,
    walls,
)

_PIECE_BYTES: Final = 1024 * 1024
_TWO_DESCRIPTORS_BYTES: Final = socket.CMSG_SPACE(struct.calcsize("=2i"))
_Question = messages.Examine | messages.Inspect | messages.Render | messages.Draw | messages.DrawReport


def prepare(limits: Limits) -> None:
    """Load and configure what all children share, once before the first fork."""
    warnings.simplefilter("ignore")
    pictures.configure(limits)
    form_text.load_fonts()
    confinement.return_memory()


def run(control: int, limits: Limits, calls: walls.Filter, broker: int) -> NoReturn:
    """Run a child from fork to exit. `control` is the socket to the broker.

    The first request is read before the last walls are raised, because it decides the time they allow; its sender is
    trusted.
    """
    way = socket.SocketType(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=control)
    request, file, connection = _receive_request(way)
    allowed = allowances.allowance_of(request, limits)
    walls.shut_in(broker, calls, processor_seconds=allowances.lifetime_seconds(allowed, limits))
    while True:
        with suppress(OSError):  # the client has left
            for answer in _answers_to(request, file, control, limits):
                if messages.is_upload(request):
                    way.send(messages.FREE)  # first, because the broker kills a busy child whose asker has left
                for packet in messages.packets_of(answer):
                    os.write(connection, packet)
        if not messages.is_upload(request):
            os._exit(0)
        os.close(file)
        os.close(connection)
        gc.collect()  # an exception holds its frames, and so the file and its descriptor
        request, file, connection = _receive_request(way)


def _receive_request(way: socket.SocketType) -> tuple[messages.Request, int, int]:
    """The next request with its file and connection; exits this process when the broker has ended or sends no more."""
    data, ancillary, _, _ = way.recvmsg(messages.REQUEST_BYTES_MAX, _TWO_DESCRIPTORS_BYTES)
    if not data:
        os._exit(0)
    [(_, _, descriptors)] = ancillary
    file, connection = struct.unpack("=2i", descriptors)
    return messages.decode_request(data), file, connection


def _answers_to(request: messages.Request, descriptor: int, control: int, limits: Limits) -> Iterator[messages.Answer]:
    """One answer, or the pieces of an Assemble; a refusal is the last answer."""
    try:
        if isinstance(request, messages.Assemble):
            yield from _assemble_pieces(request, descriptor, control, limits)
        else:
            yield _answer_to(request, _map_file(descriptor, request.size), limits)
    except Refusal as refusal:
        yield messages.message_of(refusal)
    except messages.FormFault as fault:
        yield messages.Faulty(str(fault))


def _map_file(descriptor: int, size_bytes: int) -> content.Content:
    try:
        return content.map_file(descriptor, size_bytes)
    except (OSError, ValueError) as fault:
        # The file is shorter than its sender says, or cannot be mapped.
        raise FileDamaged() from fault


def _answer_to(request: _Question, file: content.Content, limits: Limits) -> messages.Answer:
    match request:
        case messages.Examine(name=name):
            return messages.Found(checks.examine(file, name, limits))
        case messages.Inspect():
            return messages.Inspected(page.inspect(file, limits))
        case messages.Render(media_type=media_type, page=number, width=width, degrees=degrees):
            image = rendering.draw_page_image(file, media_type, number, width, limits, degrees=degrees)
            return messages.Rendered(image)
        case messages.Draw():
            return messages.Drawn(form.draw_json(file[:]))
        case messages.DrawReport():
            return messages.Drawn(report.draw_report_json(file[:]))


def _assemble_pieces(
    request: messages.Assemble, descriptor: int, control: int, limits: Limits
) -> Iterator[messages.Answer]:
    for data in assembly.assemble_pdf(_read_pages(request.parts, descriptor, control), limits):
        for start in range(0, len(data), _PIECE_BYTES):
            yield messages.Piece(bytes(data[start : start + _PIECE_BYTES]))
    yield messages.Piece(b"")


def _read_pages(parts: Sequence[messages.ImagePart], descriptor: int, control: int) -> Iterator[tuple[bytes, int]]:
    """The page images, read one at a time: a mapping would count as memory. The broker gives each the time of a
    request."""
    for number, part in enumerate(parts):
        if number:
            os.write(control, messages.NEXT)
        image = os.pread(descriptor, part.size, part.offset)
        if len(image) < part.size:
            raise FileDamaged()
        yield image, part.degrees
