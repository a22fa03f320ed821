"""Network namespaces of a test's own: without a name, gone when the test lets go of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from harness.core import process
from harness.lab.topology import kernel


class Namespace:
    """A network namespace that lives as long as it is held."""

    def __init__(self) -> None:
        with _thread_returns():
            kernel.unshare(kernel.CLONE_NEWNET)
            self._descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            process.run(["ip", "link", "set", "lo", "up"])

    @property
    def path(self) -> str:
        """Where other programs find it while it is held."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts, is in the namespace. A socket stays in that in which it was made."""
        with _thread_returns():
            kernel.setns(self._descriptor, kernel.CLONE_NEWNET)
            yield

    def ip(self, *lines: str) -> None:
        """Run commands of ``ip`` in it."""
        with self.inside():
            process.run(["ip", "-batch", "-"], stdin="".join(f"{line}\n" for line in lines).encode())

    def release(self) -> None:
        """Let it end."""
        os.close(self._descriptor)


@contextlib.contextmanager
def _thread_returns() -> Iterator[None]:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        kernel.setns(home, kernel.CLONE_NEWNET)
        os.close(home)
