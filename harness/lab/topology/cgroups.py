"""The lab's part of the cgroup v2 hierarchy: ``sourceip-NAME/NODE`` and a leaf for each pod.

BPF programs that act on sockets are attached to a node's cgroup. A machine with cgroup v1 in front (hybrid) has the
v2 hierarchy too; what is mounted where on the machine does not matter here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core import errors
from harness.lab.topology import kernel

MOUNT = Path("/run/lab/cgroup")
"""Where the lab's own mount namespace has the hierarchy."""


def name_of(lab: str) -> str:
    """The name of a lab's cgroup."""
    return f"sourceip-{lab}"


def node_path(lab: str, node: str) -> Path:
    """A node's cgroup as seen inside the lab."""
    return MOUNT / name_of(lab) / node


@contextmanager
def hierarchy() -> Iterator[Path]:
    """The root of the cgroup v2 hierarchy, for one who is outside the lab and changes no mount table.

    Raises:
        CapabilityMissing: The kernel has no cgroup v2, is older than Linux 5.2, or the caller may not mount.
    """
    try:
        descriptor = kernel.detached_mount("cgroup2")
    except PermissionError as error:
        raise errors.CapabilityMissing("mounts", f"{error.strerror}", "needs root with CAP_SYS_ADMIN") from error
    except OSError as error:
        raise errors.CapabilityMissing("cgroup v2", f"{error.strerror}", "needs Linux 5.2 or newer") from error
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def populated(folder: Path) -> bool:
    """Whether a process is in that cgroup or below it; False if there is no such cgroup."""
    try:
        text = (folder / "cgroup.events").read_text()
    except FileNotFoundError:
        return False
    return "populated 1" in text


def join(folder: Path) -> None:
    """Put the calling process into that cgroup."""
    (folder / "cgroup.procs").write_text("0")


def own() -> str:
    """The calling process's place in the v2 hierarchy, relative to its root; the line ``0::`` of proc(5)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::/"):
            return line.removeprefix("0::/")
    return ""


def pids(folder: Path) -> list[int]:
    """The processes in that cgroup, in the caller's PID namespace; none if there is no such cgroup."""
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except FileNotFoundError:
        return []


def remove(folder: Path) -> None:
    """Remove a cgroup and those below it; OSError EBUSY while a process is in one of them."""
    try:
        children = [child for child in folder.iterdir() if child.is_dir()]
    except FileNotFoundError:
        return
    for child in children:
        remove(child)
    folder.rmdir()
