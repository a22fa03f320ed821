"""Network namespaces by name, as ``ip netns`` keeps them in ``/run/netns``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core import process
from harness.lab.topology import kernel

FOLDER = Path("/run/netns")


def path(name: str) -> Path:
    """The file behind which the namespace of that name is."""
    return FOLDER / name


def create(name: str) -> None:
    """Make a network namespace; CommandError if it exists or the kernel refuses."""
    process.run(["ip", "netns", "add", name])


@contextmanager
def entered(name: str) -> Iterator[None]:
    """Be in that network namespace. It holds for the calling thread only."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(path(name))
        try:
            yield
        finally:
            kernel.setns(here, kernel.CLONE_NEWNET)
    finally:
        os.close(here)


def enter(file: Path) -> None:
    """Go into the network namespace behind that file for good."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.setns(descriptor, kernel.CLONE_NEWNET)
    finally:
        os.close(descriptor)
