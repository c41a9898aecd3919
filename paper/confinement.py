"""Linux calls for the processes that handle foreign bytes: giving up rights, limiting resources, forking.

A call whose refusal is bearable returns whether the kernel granted it; the others raise OSError.
"""

import ctypes
import math
import os
import resource
import signal
import time
from pathlib import Path
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_NOBODYS: Final = 65_533
"""An account that no system assigns (systemd keeps 65,520 to 65,533 unused)."""
_UNMAPPED: Final = 65_534
"""The kernel's number for an account that is not mapped in this user namespace."""
_TASKS_MAX: Final = 64
_TASKS_OF_ALL_MAX: Final = 4_096
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_HEAP_BYTES: Final = 4 * 1024 * 1024
_CLONE_PARENT: Final = 0x8000
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_MADV_COLLAPSE: Final = 25
_HUGE_PAGE_BYTES: Final = 2 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_locked_libc = ctypes.PyDLL(None, use_errno=True)
"""libc whose calls keep the interpreter lock."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends, even by kill -9; exits at once if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def leave_network() -> bool:
    """Move into a network namespace without any interface. False where this kernel or container does not allow it.

    Root needs no user namespace for it, and could not leave its account inside one.
    """
    return any(_libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def leave_account() -> bool:
    """As root, switch to an account that owns nothing here; other accounts stay. False where root may not switch."""
    if os.geteuid() != 0:
        return True
    try:
        os.setgroups([])
        os.setresgid(_NOBODYS, _NOBODYS, _NOBODYS)
        os.setresuid(_NOBODYS, _NOBODYS, _NOBODYS)
    except OSError:
        return False
    return True


def give_up_privileges() -> None:
    """Prevent every program that this process starts from gaining more rights than it has."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def limit_resources(*, data_bytes: int, descriptors: int) -> None:
    """Private memory up to `data_bytes`; no descriptor at or above `descriptors`; no files written."""
    _set_limit(resource.RLIMIT_DATA, data_bytes)
    _set_limit(resource.RLIMIT_NOFILE, descriptors)
    _set_limit(resource.RLIMIT_FSIZE, 0)
    _set_limit(resource.RLIMIT_CORE, 0)


def limit_work(processor_seconds: float) -> None:
    """Limit processor time to whole seconds, after which the kernel kills this process, and the number of threads.

    The kernel counts the threads of an account. If other processes may share this account (after neither leave_account
    nor a user namespace), the limit leaves room for theirs.
    """
    _set_limit(resource.RLIMIT_CPU, math.ceil(processor_seconds) + 1)
    tasks = _TASKS_MAX if os.geteuid() in (_NOBODYS, _UNMAPPED) else _TASKS_OF_ALL_MAX
    _, given = resource.getrlimit(resource.RLIMIT_NPROC)
    _set_limit(resource.RLIMIT_NPROC, tasks if given == resource.RLIM_INFINITY else min(tasks, given))


def fork_sibling() -> int:
    """Fork this single-threaded process as a child of its parent: 0 in the child, else its process id. Raises OSError.

    It bypasses the fork handlers of Python and glibc, which are for threads and make a child copy 160 pages. glibc
    keeps the thread id of the first process; it only compares it with those of other threads.
    """
    pid = int(_locked_libc.syscall(_CLONE[os.uname().machine], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    if pid < 0:
        _raise_errno()
    return pid


def processor_seconds(pid: int) -> float:
    """Processor seconds that a child has used. Raises OSError when it was already waited for."""
    clock = ctypes.c_int()
    code = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if code != 0:
        raise OSError(code, os.strerror(code))
    return time.clock_gettime(clock.value)


def return_memory() -> None:
    """Set the C heap to return large freed blocks to the kernel, and return now what is free."""
    _libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_HEAP_BYTES)
    _libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_HEAP_BYTES)
    _libc.malloc_trim(0)


def gather_memory() -> None:
    """Move this process's memory into huge pages where the kernel can: a fork copies their page table entries."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        bounds, rights, *rest = line.split()
        if rights == "rw-p" and rest[2] == "0":  # of no file
            first, end = (int(bound, 16) for bound in bounds.split("-"))
            for page in range(-(-first // _HUGE_PAGE_BYTES), end // _HUGE_PAGE_BYTES):
                _libc.madvise(page * _HUGE_PAGE_BYTES, _HUGE_PAGE_BYTES, _MADV_COLLAPSE)


def data_bytes() -> int:
    """Private writable memory of this process in bytes, as RLIMIT_DATA counts it."""
    return int(Path("/proc/self/statm").read_bytes().split()[5]) * resource.getpagesize()


def _set_limit(kind: int, limit: int) -> None:
    resource.setrlimit(kind, (limit, limit))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        _raise_errno()


def _raise_errno() -> NoReturn:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
