"""What code would try that has taken over a decoder. It runs in a real child, in the place of a decoder's own code.

run_attack() takes the place of checks.examine in the zygote, before the first child is forked; the "file" says which
attack, with its targets, and the finding says in its flags what came of it. Nothing of it is harmful where it works.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from domain.finding import Finding
from domain.limits import Limits
from paper.content import Content

_libc = ctypes.CDLL(None, use_errno=True)
_COLUMN: Final = ["x86_64", "aarch64"].index(os.uname().machine)
CALLS: Final = {
    "bpf": (321, 280),
    "execveat": (322, 281),
    "faccessat": (269, 48),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "memfd_create": (319, 279),
    "mount": (165, 40),
    "open_by_handle_at": (304, 265),
    "openat2": (437, 437),
    "perf_event_open": (298, 241),
    "pidfd_open": (434, 434),
    "prctl": (157, 167),
    "process_vm_readv": (310, 270),
    "ptrace": (101, 117),
    "newfstatat": (262, 79),
    "setns": (308, 268),
    "shmget": (29, 194),
    "statx": (332, 291),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
_PTRACE_SEIZE: Final = 0x4206
_EMPTY_PATH: Final = 0x1000
_NEW_USER: Final = 0x10000000

THREADS: Final = 5_000

Target = dict[str, Any]

seen: list[bytes] = []
"""All files that this process was handed."""
answers: list[str] = []
"""What it will say of the next ones, whatever they are."""


def run_attack(content: Content, name: str, limits: Limits) -> Finding:
    """The attack that the file names; a file of another kind is a letter."""
    order = json.loads(bytes(content))
    seen.append(bytes(content))
    if order["attack"] in LASTING:
        told = LASTING[order["attack"]]()
    elif order["attack"] == "none":
        told = answers.pop() if answers else f"an honest answer, after {len(seen) - 1} others"
    else:
        told = _outcome(order)
    return Finding(media_type="text/plain", pages=None, preview=False, password_protected=False, flags=(told,))


def draw(*_: object, **__: object) -> bytes:
    """In the place of rendering.draw_page_image."""
    seen.append(b"a page")
    return b"a page, after %d others" % (len(seen) - 1)


def _outcome(order: dict[str, Any]) -> str:
    _free_descriptors()
    try:
        return f"DONE: {ATTACKS[order['attack']](order['target'])}"
    except OSError as refused:
        return f"{type(refused).__name__} {refused.errno}"


@cache
def _free_descriptors() -> None:
    """Their number is limited too, and nobody misses the standard ones. Once: then the next request has them."""
    os.close(1)
    os.close(2)


def _call(name: str, *arguments: Any) -> int:
    result = int(_libc.syscall(CALLS[name][_COLUMN], *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def _read_secret(path: str) -> str:
    with open(path) as file:  # noqa: PTH123  as hostile code would
        return file.read()


def _read_memory(target: Target) -> str:
    return _read_secret(f"/proc/{target['server']}/maps")


def _is_there(target: Target) -> str:
    found = []
    for name in ("key", "nothing"):
        with suppress(FileNotFoundError):
            found.append(os.stat(f"{target['folder']}/{name}").st_size)  # noqa: PTH116  as hostile code would
    return str(found)


def _connect(family: int, address: Any) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.connect(address)
    return "connected"


def _fork(target: Target) -> str:
    if os.fork() == 0:
        os.setsid()
        os._exit(0)
    os.wait()
    return "a grandchild in a session of its own"


def _spawn(target: Target) -> str:
    return str(os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}))


def _run_shell(target: Target) -> str:
    os.execv("/bin/sh", ["sh", "-c", "exit 3"])
    raise AssertionError


def _run_from_memory(target: Target) -> str:
    program = _call("memfd_create", b"program", 0)
    return str(_call("execveat", program, b"", None, None, _EMPTY_PATH))


def _seize(target: Target) -> str:
    return str(_call("ptrace", _PTRACE_SEIZE, target["sibling"], 0, 0))


def _read_process(target: Target) -> str:
    buffer = ctypes.create_string_buffer(8)
    here = struct.pack("@PN", ctypes.addressof(buffer), 8)
    return str(_call("process_vm_readv", target["sibling"], here, 1, here, 1, 0))


def _signal(target: Target) -> str:
    os.kill(target["server"], 0)
    return "it would have come"


def _make_and_remove(target: Target) -> str:
    folder = Path(target["folder"])
    done = []
    for act in (
        lambda: (folder / "made").mkdir(),
        lambda: (folder / "link").symlink_to("/etc"),
        lambda: (folder / "given").rename(folder / "taken"),
        lambda: (folder / "taken").unlink(),
        lambda: (folder / "open").chmod(0o777),
    ):
        try:
            act()
            done.append("done")
        except OSError as refused:
            last = refused
    if not done:
        raise last
    return str(done)


def _run_memory(target: Target) -> str:
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE):
        return "memory that can be written and run"


def _make_memory_run(target: Target) -> str:
    with mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE) as page:
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        if _libc.mprotect(ctypes.c_void_p(address), 4096, 5) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
        os._exit(7)  # the mapping is exported to ctypes and cannot be closed


def _change_the_upload(target: Target) -> str:
    """Behind the digest that the archive has already taken of it."""
    with mmap.mmap(_own_upload(), 1, flags=mmap.MAP_SHARED, prot=mmap.PROT_WRITE) as file:
        file[0:1] = b"X"
    return "changed"


def _own_upload() -> int:
    """The request's descriptor: the highest that is open and is a file."""
    for descriptor in range(16, 2, -1):
        try:
            if os.pread(descriptor, 1, 0):
                return descriptor
        except OSError:
            continue
    raise AssertionError("a child without its request")


def _run_on(target: Target) -> str:
    """The end of a request's time is a signal."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    return "deaf to the end of its time"


def _set_limit(kind: int, limit: int) -> str:
    try:
        resource.setrlimit(kind, (limit, limit))
    except ValueError as refused:  # Python's word for EPERM here
        raise PermissionError(errno.EPERM, "setrlimit") from refused
    return "another limit"


def _many_threads(target: Target) -> str:
    """libde265 needs one; the kernel counts them."""
    gate = threading.Event()
    threading.stack_size(32_768)
    try:
        for _ in range(THREADS):
            threading.Thread(target=gate.wait, daemon=True).start()
    except RuntimeError as refused:
        raise PermissionError(errno.EAGAIN, "threads") from refused
    finally:
        gate.set()
    return f"{THREADS} threads"


def _answer_for_all() -> str:
    answers.extend(["a lie"] * 10)
    return "taken over"


def _stay() -> str:
    """To be handed the next file too, and not to end."""
    os._exit = _go_on_serving  # type: ignore[assignment]  # what a child does after its answer
    return "taken over"


def _go_on_serving(code: int) -> None:
    _ignore_the_end()
    control = next(number for number in range(3, 9) if _is_socket(number))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=control) as way:
        while True:
            socket.recv_fds(way, 65_536, 2)
            time.sleep(0.01)


def _is_socket(number: int) -> bool:
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=number).detach()
    except OSError:
        return False
    return True


def _ignore_the_end() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF, signal.ITIMER_VIRTUAL):
        with suppress(OSError):
            signal.setitimer(timer, 0)


def _work_without_end() -> str:
    _ignore_the_end()
    while True:
        pass


def _sleep_without_end() -> str:
    _ignore_the_end()
    while True:
        time.sleep(1)


LASTING: Final[dict[str, Callable[[], str]]] = {
    "remember all files": lambda: "taken over",
    "answer for all files": _answer_for_all,
    "stay after the answer": _stay,
    "work without end": _work_without_end,
    "sleep without end": _sleep_without_end,
}
"""What code does that wants more than its own file and its own time."""

ATTACKS: Final[dict[str, Callable[[Target], str]]] = {
    "read the key": lambda t: _read_secret(t["key"]),
    "read the operator's token": lambda t: _read_secret(t["token"]),
    "read its own program": lambda t: _read_secret("/proc/self/maps"),
    "read the supervisor's memory": _read_memory,
    "look whether a path exists": _is_there,
    "look by faccessat": lambda t: str(_call("faccessat", -100, t["key"].encode(), 0)),
    "look by statx": lambda t: str(_call("statx", -100, t["key"].encode(), 0, 0xFFF, ctypes.create_string_buffer(256))),
    "look at a descriptor": lambda t: str(
        _call("newfstatat", _own_upload(), b"", ctypes.create_string_buffer(256), _EMPTY_PATH)
    ),
    "list a folder": lambda t: str([*os.scandir(t["folder"])]),
    "open by openat2": lambda t: str(_call("openat2", -100, t["key"].encode(), struct.pack("=QQQ", 0, 0, 0), 24)),
    "open by handle": lambda t: str(_call("open_by_handle_at", -100, struct.pack("=II8s", 8, 1, b""), 0)),
    "connect to the database": lambda t: _connect(socket.AF_UNIX, t["database"]),
    "connect to the network": lambda t: _connect(socket.AF_INET, ("127.0.0.1", t["port"])),
    "talk by a pair of sockets": lambda t: str(socket.socketpair()),
    "fork": _fork,
    "spawn": _spawn,
    "run a shell": _run_shell,
    "run from memory": _run_from_memory,
    "signal the supervisor": _signal,
    "signal by pidfd": lambda t: str(_call("pidfd_open", t["server"], 0)),
    "trace a sibling": _seize,
    "read a sibling": _read_process,
    "change files": _make_and_remove,
    "ask by io_uring": lambda t: str(_call("io_uring_setup", 1, ctypes.create_string_buffer(120))),
    "load a program into the kernel": lambda t: str(_call("bpf", 0, ctypes.create_string_buffer(72), 72)),
    "mount": lambda t: str(_call("mount", b"none", t["folder"].encode(), b"tmpfs", 0, None)),
    "leave its namespaces": lambda t: str(_call("unshare", _NEW_USER)),
    "ask for keys": lambda t: str(_call("keyctl", 0, -3, 1)),
    "handle page faults": lambda t: str(_call("userfaultfd", 1)),
    "watch the machine": lambda t: str(_call("perf_event_open", ctypes.create_string_buffer(112), 0, -1, -1, 0)),
    "share memory": lambda t: str(_call("shmget", 0, 4096, 0o1600)),
    "turn process settings": lambda t: str(_call("prctl", 4, 1, 0, 0, 0)),
    "write and run memory": _run_memory,
    "make memory run": _make_memory_run,
    "change the upload": _change_the_upload,
    "outlast its time": _run_on,
    "set its limits": lambda t: _set_limit(resource.RLIMIT_CORE, 0),
    "start many threads": _many_threads,
}
