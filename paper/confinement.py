"""Linux calls for the processes around foreign bytes: what they give up, how they are made and what they may use.

Each call says whether the kernel granted it where a refusal is bearable; the others raise OSError.
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
"""An account that no system gives away (systemd keeps 65,520 to 65,533 unused)."""
_UNMAPPED: Final = 65_534
"""What the kernel calls an account without a name in this user namespace."""
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
"""Its calls keep the lock of the interpreter."""


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process as soon as `parent` is gone, even by kill -9; at once when it is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def leave_network() -> bool:
    """Move into a network namespace without any interface. False where this kernel or container does not allow it.

    Root needs no user namespace for it, and in one it could not leave its account.
    """
    return any(_libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def leave_account() -> bool:
    """As root: become an account that owns nothing here. False where root may not; others keep their own."""
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
    """No program that this process may start can have more rights than it has."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def limit_resources(*, data_bytes: int, descriptors: int) -> None:
    """Private memory up to `data_bytes`; no descriptor at or above `descriptors`; no files written."""
    _set_limit(resource.RLIMIT_DATA, data_bytes)
    _set_limit(resource.RLIMIT_NOFILE, descriptors)
    _set_limit(resource.RLIMIT_FSIZE, 0)
    _set_limit(resource.RLIMIT_CORE, 0)


def limit_work(processor_seconds: float) -> None:
    """Whole seconds of a processor, at the end of which the kernel kills this process; few threads.

    The kernel counts the threads of an account. Where others have this one too (neither leave_account nor a user
    namespace), the limit leaves room for theirs.
    """
    _set_limit(resource.RLIMIT_CPU, math.ceil(processor_seconds) + 1)
    tasks = _TASKS_MAX if os.geteuid() in (_NOBODYS, _UNMAPPED) else _TASKS_OF_ALL_MAX
    _, given = resource.getrlimit(resource.RLIMIT_NPROC)
    _set_limit(resource.RLIMIT_NPROC, tasks if given == resource.RLIM_INFINITY else min(tasks, given))


def fork_sibling() -> int:
    """Fork this process of one thread for its own parent: 0 in the child, else its number. Raises OSError.

    What Python and glibc do around a fork is for processes with threads, and makes a child copy 160 pages. The number
    that glibc keeps of this thread is that of the first process; it only compares it with those of other threads.
    """
    pid = int(_locked_libc.syscall(_CLONE[os.uname().machine], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    if pid < 0:
        _raise_errno()
    return pid


def processor_seconds(pid: int) -> float:
    """What a child has used of processors so far. Raises OSError when it was waited for."""
    clock = ctypes.c_int()
    code = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if code != 0:
        raise OSError(code, os.strerror(code))
    return time.clock_gettime(clock.value)


def return_memory() -> None:
    """Let the C heap hand large blocks back to the kernel when they are freed, and now all that is free already."""
    _libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_HEAP_BYTES)
    _libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_HEAP_BYTES)
    _libc.malloc_trim(0)


def gather_memory() -> None:
    """Move the memory that this process has into huge pages where the kernel can: a fork copies their table entries."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        bounds, rights, *rest = line.split()
        if rights == "rw-p" and rest[2] == "0":  # of no file
            first, end = (int(bound, 16) for bound in bounds.split("-"))
            for page in range(-(-first // _HUGE_PAGE_BYTES), end // _HUGE_PAGE_BYTES):
                _libc.madvise(page * _HUGE_PAGE_BYTES, _HUGE_PAGE_BYTES, _MADV_COLLAPSE)


def data_bytes() -> int:
    """Private writable memory of this process, as RLIMIT_DATA counts it."""
    return int(Path("/proc/self/statm").read_bytes().split()[5]) * resource.getpagesize()


def _set_limit(kind: int, limit: int) -> None:
    resource.setrlimit(kind, (limit, limit))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        _raise_errno()


def _raise_errno() -> NoReturn:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
