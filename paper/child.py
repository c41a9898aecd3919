"""One limited child of pool.py: takes a connection, answers the one request on it, and so on until it has grown.

A request that takes too long is ended by the kernel, with the child: no Python code has to run for that, so a
decoder stuck in C ends too. client.py sees the connection close without an answer.
"""

import os
import resource
import signal
import socket
import warnings
from typing import Final

import msgspec

from domain.limits import Limits
from domain.refusals import FileDamaged, Refusal
from paper import checks, confinement, content, form, form_text, messages, pictures, rendering

GROWTH_BYTES_MAX: Final = 64 * 1024 * 1024
"""A child whose peak grew by more than this answers, then makes way for a fresh one."""

# While a request is worked on, the connection, the file and its mapping take the last free numbers.
_DESCRIPTORS_PER_REQUEST: Final = 3


def prepare(limits: Limits) -> None:
    """What all children share, done once before the first is forked."""
    warnings.simplefilter("ignore")
    pictures.configure(limits)
    form_text.prepare()
    confinement.return_memory()


def run(listener: socket.socket, limits: Limits, parent: int) -> None:
    """The life of a child, from fork to exit; never returns."""
    confinement.die_with_parent(parent)
    confinement.give_up_privileges()
    os.dup2(0, 1)
    os.dup2(0, 2)
    confinement.limit_resources(
        memory_bytes=limits.decode_memory_bytes_max,
        descriptors=listener.fileno() + 1 + _DESCRIPTORS_PER_REQUEST,
    )
    bound = _peak_bytes() + GROWTH_BYTES_MAX
    while _peak_bytes() <= bound:
        connection, _ = listener.accept()
        with connection:
            _allow(limits.decode_seconds_max)
            _serve(connection, limits)
            _allow(0)
    os._exit(0)


def _serve(connection: socket.socket, limits: Limits) -> None:
    """One request, one answer. A client that went away or talks nonsense is not answered."""
    try:
        data, descriptors, _, _ = socket.recv_fds(connection, messages.REQUEST_BYTES_MAX, 1)
        if len(descriptors) != 1:
            return
        try:
            answer = _answer(messages.decode_request(data), descriptors[0], limits)
        finally:
            os.close(descriptors[0])
        connection.sendall(messages.encode_answer(answer))
    except (OSError, msgspec.MsgspecError):
        return


def _answer(request: messages.Request, descriptor: int, limits: Limits) -> messages.Answer:
    try:
        file = content.mapped(descriptor, request.size)
    except (OSError, ValueError):
        # Shorter than its sender says, or nothing that can be mapped.
        return messages.refused(FileDamaged())
    try:
        match request:
            case messages.Examine(name=name):
                return messages.Found(checks.examine(file, name, limits))
            case messages.Render(media_type=media_type, page=page, width=width):
                return messages.Rendered(rendering.page_image(file, media_type, page, width, limits))
            case messages.Draw():
                return messages.Drawn(form.draw_encoded(file[:]))
    except Refusal as refusal:
        return messages.refused(refusal)
    except messages.FormFault as fault:
        return messages.Faulty(str(fault))


def _allow(seconds: float) -> None:
    """Seconds of wall and of processor time from now, 0 for no end. The default action of both signals is the end."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
