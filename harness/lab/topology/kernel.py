"""The few system calls that Python 3.11 has no name for: namespaces, mounts and a parent's end.

Flags are those of Linux' ``sched.h`` and ``mount.h``. Everything here raises ``OSError`` with the kernel's number,
and nothing here allocates or locks beyond what ctypes does, so that the functions may run between fork and exec.
"""

from __future__ import annotations

import ctypes
import functools
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

_PR_SET_PDEATHSIG = 1
# These numbers are the same on every architecture (all system calls since Linux 5.0 are).
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_FSCONFIG_CMD_CREATE = 6
_FD_CLOEXEC_FLAG = 1


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library; call it once before forking, so that a child finds it loaded."""
    return ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones: unshare(2)."""
    _check(libc().unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace behind a descriptor: setns(2). ``kind`` 0 takes any."""
    _check(libc().setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount, or change how a mount propagates: mount(2)."""
    done = libc().mount(
        source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), options and options.encode()
    )
    _check(done, f"mount {target}")


def end_with_parent(signal_number: int) -> None:
    """Get that signal when the thread that started this process ends: prctl(2)."""
    _check(libc().prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")


def detached_mount(kind: str) -> int:
    """A descriptor for the root of a file system that is mounted nowhere: fsopen(2), fsmount(2), Linux 5.2.

    Its files are at ``/proc/self/fd/N/…``. The mount goes with its descriptor, and no mount table ever shows it.
    """
    context = _check(libc().syscall(_SYS_FSOPEN, kind.encode(), _FD_CLOEXEC_FLAG), f"fsopen {kind}")
    try:
        made = libc().syscall(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        _check(made, f"fsconfig {kind}")
        return _check(libc().syscall(_SYS_FSMOUNT, context, _FD_CLOEXEC_FLAG, 0), f"fsmount {kind}")
    finally:
        os.close(context)


def _check(returned: int, what: str) -> int:
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return returned
