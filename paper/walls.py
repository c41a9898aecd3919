"""The walls around a decoder that may be hijacked. zygote.py raises the lasting ones, child.py the others.

confinement.py has the single limits; this module combines them with a Landlock domain without any rule and a seccomp
filter that allows the few system calls of a decoder. It assembles the filter itself, because libseccomp is a package of
the system that a fresh system need not have.
"""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from paper import confinement

NETWORK: Final = "network namespace"
ACCOUNT: Final = "account of its own"
LANDLOCK: Final = "Landlock"
SECCOMP: Final = "seccomp"

_ALLOWED: Final = {
    "brk": (12, 214),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "futex": (202, 98),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getsockname": (51, 204),
    "madvise": (28, 233),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "pread64": (17, 67),
    "recvmsg": (47, 212),
    "restart_syscall": (219, 128),
    "rt_sigprocmask": (14, 135),
    "rseq": (334, 293),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "sendto": (44, 206),
    "set_robust_list": (273, 99),
    "write": (1, 64),
}
"""System calls by their numbers on x86_64 and aarch64: only those that decoders were observed to make.

No stat of any kind: glibc 2.33 to 2.38 uses newfstatat for descriptors, which also takes a path. A filter cannot read
the path, and Landlock does not hide whether a path exists.
"""

_MMAP: Final = (9, 222)
_MPROTECT: Final = (10, 226)
_FCNTL: Final = (72, 25)
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_F_DUPFD_CLOEXEC: Final = 1030
_PROT_EXEC: Final = 4
_MAP_SHARED: Final = 1
_A_THREAD: Final = 0x3D0F00
"""Flags of glibc's pthread_create: libde265 (HEIC) starts one thread for each picture and decodes none without it."""

# linux/audit.h. A 32-bit call on a 64-bit kernel carries another number here, and other meanings of its own.
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/bpf_common.h, linux/seccomp.h
_LOAD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
_ALLOW: Final = 0x7FFF0000
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2

_LANDLOCK_CREATE: Final = 444
_LANDLOCK_RESTRICT: Final = 446
_LANDLOCK_VERSION: Final = 1
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""Landlock version -> how many file rights it knows, each a bit."""
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_ALL_NETWORK, _ALL_SCOPES = 0b11, 0b11

_TRIAL_BYTES: Final = 16 * 1024 * 1024
_TRIAL_SECONDS: Final = 10

_libc = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class FilterStep(NamedTuple):
    """One instruction of the kernel's packet filter; after a comparison it skips `yes` or `no` instructions."""

    code: int
    value: int
    yes: int = 0
    no: int = 0


def raise_lasting(parent: int, *, memory_bytes: int, descriptors: int) -> tuple[str, ...]:
    """Raise for good the walls that child processes inherit; this process dies with `parent`. Returns the missing
    walls.

    Afterwards it cannot open, create or remove a file. `memory_bytes`: private memory beyond its present use.
    """
    lacking = [] if confinement.leave_account() else [ACCOUNT]
    confinement.die_with_parent(parent)  # only now: the kernel forgets it with the account
    confinement.give_up_privileges()
    data_bytes = confinement.data_bytes() + memory_bytes
    if not _leave_files():
        lacking.append(LANDLOCK)
    confinement.limit_resources(data_bytes=data_bytes, descriptors=descriptors)
    return tuple(lacking)


def shut_in(parent: int, calls: Filter, *, processor_seconds: float) -> bool:
    """Raise the other walls around this process for good; it dies with `parent`. False where no filter can be set.

    Afterwards it can reach no socket, program, process or signal, and cannot share memory or make it executable: each
    such call fails with EPERM. The kernel ends it some time after `processor_seconds`.
    """
    confinement.die_with_parent(parent)
    confinement.limit_work(processor_seconds)
    return install_filter(calls)


def find_missing() -> tuple[str, ...]:
    """The walls that this system cannot raise around a decoder, found by a child that raises and tests them."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _try_out(writing)
    os.close(writing)
    with os.fdopen(reading) as report:
        told = report.read()
    _, status = os.waitpid(pid, 0)
    return tuple(filter(None, told.split("\n"))) if status == 0 else (SECCOMP,)


def _try_out(report: int) -> None:
    """Run the child of the trial; it always exits."""
    code = 1
    try:
        parent = os.getppid()
        lacking = [] if confinement.leave_network() else [NETWORK]
        lacking += raise_lasting(parent, memory_bytes=_TRIAL_BYTES, descriptors=report + 1)
        is_filtered = shut_in(parent, call_filter(), processor_seconds=_TRIAL_SECONDS)
        os.write(report, "\n".join(lacking if is_filtered else [*lacking, SECCOMP]).encode())
        code = 0 if not is_filtered or _walls_hold(parent) else 1
    finally:
        os._exit(code)


def _walls_hold(parent: int) -> bool:
    attempts = (lambda: os.open("/", os.O_RDONLY), socket.socket, lambda: os.kill(parent, 0), os.fork)
    for attempt in attempts:
        try:
            attempt()
        except PermissionError:
            continue
        return False
    return True


def _leave_files() -> bool:
    """Enter a Landlock domain that handles every known right and grants none. False where the kernel cannot."""
    version = _libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return False
    rights = ruleset_for(version)
    descriptor = _libc.syscall(_LANDLOCK_CREATE, rights, len(rights), 0)
    if descriptor < 0:
        return False
    try:
        return bool(_libc.syscall(_LANDLOCK_RESTRICT, descriptor, 0) == 0)
    finally:
        os.close(descriptor)


def ruleset_for(version: int) -> bytes:
    """The kernel's struct landlock_ruleset_attr for this Landlock version."""
    files = (1 << max(bits for since, bits in _FILE_RIGHTS.items() if since <= version)) - 1
    attributes = struct.pack("=Q", files)
    if version >= _NETWORK_SINCE:
        attributes += struct.pack("=Q", _ALL_NETWORK)
    if version >= _SCOPES_SINCE:
        attributes += struct.pack("=Q", _ALL_SCOPES)
    return attributes


def call_filter() -> Filter:
    """The filter of shut_in() for this machine; an empty one, which every kernel refuses, for an unknown machine."""
    machine = os.uname().machine
    return filter_of(program_for(machine) if machine in _ARCHITECTURES else ())


def filter_of(steps: Sequence[FilterStep]) -> Filter:
    """The steps in the kernel's binary form."""
    instructions = b"".join(struct.pack("=HBBI", step.code, step.yes, step.no, step.value) for step in steps)
    return Filter(len(steps), instructions)


def install_filter(calls: Filter) -> bool:
    """Filter every later system call of this thread and its children. False where the system forbids it."""
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(calls), 0, 0) == 0)


def program_for(machine: str) -> list[FilterStep]:
    """The filter for a machine by its platform.machine(): allowed calls pass, all others fail with EPERM."""
    column = list(_ARCHITECTURES).index(machine)
    steps = [
        FilterStep(_LOAD, _ARCHITECTURE_AT),
        FilterStep(_IF_EQUAL, _ARCHITECTURES[machine], yes=1),
        FilterStep(_RETURN, _KILL),
        FilterStep(_LOAD, _NUMBER_AT),
    ]
    for numbers in _ALLOWED.values():
        steps += _for_call(numbers[column], [FilterStep(_RETURN, _ALLOW)])
    # Memory is never both writable and executable, and no mapping can change the sender's file.
    steps += _for_call(
        _MMAP[column], [*_refuse_bits(2, _PROT_EXEC), *_refuse_bits(3, _MAP_SHARED), FilterStep(_RETURN, _ALLOW)]
    )
    steps += _for_call(_MPROTECT[column], [*_refuse_bits(2, _PROT_EXEC), FilterStep(_RETURN, _ALLOW)])
    # Python's mmap duplicates the descriptor; F_SETOWN and its like would send signals.
    steps += _for_call(_FCNTL[column], _allow_only(1, _F_DUPFD_CLOEXEC))
    # The flags of clone3 are in memory, where a filter cannot read: after ENOSYS glibc uses clone.
    steps += _for_call(_CLONE[column], _allow_only(0, _A_THREAD))
    steps += _for_call(_CLONE3[column], [FilterStep(_RETURN, _UNKNOWN)])
    return [*steps, FilterStep(_RETURN, _REFUSE)]


def _for_call(number: int, then: list[FilterStep]) -> list[FilterStep]:
    """The steps for one call. `then` ends in a decision, so the call's number need not be loaded again after it."""
    return [FilterStep(_IF_EQUAL, number, no=len(then)), *then]


def _refuse_bits(argument: int, bits: int) -> list[FilterStep]:
    return [_load_argument(argument), FilterStep(_IF_ANY_BIT, bits, no=1), FilterStep(_RETURN, _REFUSE)]


def _allow_only(argument: int, value: int) -> list[FilterStep]:
    return [
        _load_argument(argument),
        FilterStep(_IF_EQUAL, value, no=1),
        FilterStep(_RETURN, _ALLOW),
        FilterStep(_RETURN, _REFUSE),
    ]


def _load_argument(index: int) -> FilterStep:
    """Load the lower half of an argument: the checked arguments use no higher bits."""
    return FilterStep(_LOAD, _ARGUMENTS_AT + 8 * index)
