"""Nameless network namespaces of this process: held by a descriptor, gone when it is closed."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

CLONE_FS = 0x200
CLONE_NEWNS = 0x20000
CLONE_NEWNET = 0x40000000

_NET = "/proc/thread-self/ns/net"
_MOUNTS = "/proc/thread-self/ns/mnt"


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace of its own; this thread can be inside for a while."""

    def __init__(self) -> None:
        outside = os.open(_NET, os.O_RDONLY)
        try:
            _checked(_libc().unshare(CLONE_NEWNET))
            self._fd = os.open(_NET, os.O_RDONLY)
            _checked(_libc().setns(outside, CLONE_NEWNET))
        finally:
            os.close(outside)

    @property
    def path(self) -> str:
        """How ``ip link set … netns`` names it."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread, and what it starts, be inside."""
        outside = os.open(_NET, os.O_RDONLY)
        try:
            _checked(_libc().setns(self._fd, CLONE_NEWNET))
            yield
        finally:
            _checked(_libc().setns(outside, CLONE_NEWNET))
            os.close(outside)

    def close(self) -> None:
        """Let go of it; the kernel removes it with its devices once no socket is left in it."""
        os.close(self._fd)


@contextlib.contextmanager
def private_mounts() -> Iterator[None]:
    """Mounts that only this process sees, and that are gone afterwards."""
    outside = os.open(_MOUNTS, os.O_RDONLY)
    folder = Path.cwd()
    try:
        _checked(_libc().unshare(CLONE_FS | CLONE_NEWNS))
        _checked(_libc().mount(None, b"/", None, 1 << 18 | 1 << 14, None))
        yield
    finally:
        _checked(_libc().setns(outside, CLONE_NEWNS))
        os.chdir(folder)
        os.close(outside)


def mount(kind: str, target: str) -> None:
    """Mount a file system of that kind, such as ``bpf`` or ``cgroup2``."""
    _checked(_libc().mount(kind.encode(), target.encode(), kind.encode(), 0, None))
