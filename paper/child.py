"""One limited child of pool.py: takes a request from broker.py, answers on its connection, and so on until it grew.

A request that takes too long is ended by the kernel, with the child: no Python code has to run for that, so a
decoder stuck in C ends too. broker.py tells client.py.
"""

import gc
import os
import resource
import signal
import socket
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from domain.limits import Limits
from domain.refusals import FileDamaged, Refusal
from paper import assembly, checks, confinement, content, form, form_text, messages, page, pictures, rendering, walls

GROWTH_BYTES_MAX: Final = 64 * 1024 * 1024
"""A child whose peak grew by more than this answers, then makes way for a fresh one."""

_MEBIBYTE: Final = 1024 * 1024
_PIECE_BYTES: Final = _MEBIBYTE
_PROCESSOR_PART: Final = 0.75
_Question = messages.Examine | messages.Inspect | messages.Render | messages.Draw

# While a request is worked on, the connection, the file and its mapping take the last free numbers.
_DESCRIPTORS_PER_REQUEST: Final = 3


def prepare(limits: Limits) -> None:
    """What all children share, done once before the first is forked."""
    warnings.simplefilter("ignore")
    pictures.configure(limits)
    form_text.prepare()
    confinement.return_memory()
    gc.freeze()  # what all have is never garbage: a child looks through its own alone


def run(control: socket.socket, limits: Limits, parent: int) -> None:
    """The life of a child, from fork to exit; never returns. `control` is the way to the broker."""
    os.dup2(0, 1)
    os.dup2(0, 2)
    walls.shut_in(
        parent,
        memory_bytes=limits.decode_memory_bytes_max,
        descriptors=control.fileno() + 1 + _DESCRIPTORS_PER_REQUEST,
    )
    bound = _peak_bytes() + GROWTH_BYTES_MAX
    while True:
        _serve(control, limits)
        _allow(0, 0)
        gc.collect()  # a fault holds the frames that it went through, and with them the file and its descriptor
        if _peak_bytes() > bound:
            os._exit(0)
        control.send(messages.FREE)


def _serve(control: socket.socket, limits: Limits) -> None:
    """One request, one answer. A client that went away is not answered; without a broker there is nothing to do."""
    data, descriptors, _, _ = socket.recv_fds(control, messages.REQUEST_BYTES_MAX, 2)
    if not data:
        os._exit(0)
    file, number = descriptors
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=number) as connection:
        try:
            request = messages.decode_request(data)
            _allow(limits.decode_seconds_max, _processor_seconds(request, limits))
            for answer in _answers(request, file, limits):
                control.send(messages.ANSWERS)
                for packet in messages.packets(answer):
                    connection.sendall(packet)
        except (OSError, msgspec.MsgspecError):
            return
        finally:
            os.close(file)


def _processor_seconds(request: messages.Request, limits: Limits) -> float:
    """What a request may take of a processor: a small upload little. Below decode_seconds_max in any case, so that a
    file that takes too long is told from a machine that has no time."""
    most = limits.decode_seconds_max * _PROCESSOR_PART
    if isinstance(request, messages.Examine | messages.Inspect):
        return min(most, limits.decode_seconds_per_mebibyte * max(1.0, request.size / _MEBIBYTE))
    return most


def _answers(request: messages.Request, descriptor: int, limits: Limits) -> Iterator[messages.Answer]:
    """One answer to all requests but Assemble, which has pieces; a refusal is the last."""
    try:
        if isinstance(request, messages.Assemble):
            yield from _assembled(request, descriptor, limits)
        else:
            yield _answer(request, _mapped(descriptor, request.size), limits)
    except Refusal as refusal:
        yield messages.refused(refusal)
    except messages.FormFault as fault:
        yield messages.Faulty(str(fault))


def _mapped(descriptor: int, size_bytes: int) -> content.Content:
    try:
        return content.mapped(descriptor, size_bytes)
    except (OSError, ValueError) as fault:
        # Shorter than its sender says, or nothing that can be mapped.
        raise FileDamaged() from fault


def _answer(request: _Question, file: content.Content, limits: Limits) -> messages.Answer:
    match request:
        case messages.Examine(name=name):
            return messages.Found(checks.examine(file, name, limits))
        case messages.Inspect():
            return messages.Inspected(page.inspect(file, limits))
        case messages.Render(media_type=media_type, page=number, width=width, degrees=degrees):
            image = rendering.page_image(file, media_type, number, width, limits, degrees=degrees)
            return messages.Rendered(image)
        case messages.Draw():
            return messages.Drawn(form.draw_encoded(file[:]))


def _assembled(request: messages.Assemble, descriptor: int, limits: Limits) -> Iterator[messages.Answer]:
    for data in assembly.pdf(_pages(request.parts, descriptor, limits), limits):
        for start in range(0, len(data), _PIECE_BYTES):
            yield messages.Piece(bytes(data[start : start + _PIECE_BYTES]))
    yield messages.Piece(b"")


def _pages(parts: Sequence[messages.Part], descriptor: int, limits: Limits) -> Iterator[tuple[bytes, int]]:
    """Read one at a time, not mapped: a mapping counts as memory. Each has the time of a request."""
    for part in parts:
        _allow(limits.decode_seconds_max, limits.decode_seconds_max * _PROCESSOR_PART)
        image = os.pread(descriptor, part.size, part.offset)
        if len(image) < part.size:
            raise FileDamaged()
        yield image, part.degrees


def _allow(seconds: float, processor_seconds: float) -> None:
    """Seconds of wall and of processor time from now, 0 for no end. The default action of both signals is the end."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, processor_seconds)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
