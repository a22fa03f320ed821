"""The owner's own mount namespace: private ``/run``, ``/proc`` of the lab, a bpffs and the cgroup v2 hierarchy."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.lab.topology import cgroups, kernel, namespaces

log = logging.getLogger("harness.lab.owner")

BPF_FOLDER = Path("/run/lab/bpf")
_EMPTY = Path("/run/lab/resolv.conf")
_RUN = Path("/run")
_QUIET_MOUNT = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
# Any of these may be mounted over by a program of the lab, and none of that may reach the machine.
_PROJECT = Path(__file__).resolve().parents[3]


def enter(keep: Sequence[Path]) -> int:
    """Leave the machine's mount namespace. Those directories below ``/run``, if any, stay visible where they are.

    The caller must be process 1 of a PID namespace. Returns a descriptor of the namespace that was left, for
    ``leave``. Raises OSError with what the kernel refused.
    """
    outside = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    _private_run([*keep, _PROJECT, Path(sys.prefix), Path(sys.base_prefix)])
    kernel.mount("proc", "/proc", "proc", _QUIET_MOUNT)
    _mounted_if_known("bpf", BPF_FOLDER, "bpf")
    _mounted("cgroup2", cgroups.MOUNT, "cgroup2")
    namespaces.FOLDER.mkdir()
    _without_resolver()
    # Pods have mount namespaces of their own that are slaves of this one, so that a namespace which is
    # deleted here is not kept alive there.
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SHARED)
    return outside


def leave(outside: int) -> None:
    """Go back to the mount namespace that ``enter`` left."""
    kernel.setns(outside, kernel.CLONE_NEWNS)


def _private_run(keep: Sequence[Path]) -> None:
    kept = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in below_run(keep)]
    kernel.mount("tmpfs", str(_RUN), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
    for path, descriptor in kept:
        path.mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{descriptor}", str(path), None, kernel.MS_BIND)
        os.close(descriptor)


def below_run(paths: Sequence[Path]) -> list[Path]:
    """Those of the paths that a private ``/run`` would hide, each once. Pure but for symbolic links."""
    resolved = sorted({path.resolve() for path in paths})
    return [path for path in resolved if path != _RUN and path.is_relative_to(_RUN)]


def _mounted(source: str, folder: Path, kind: str) -> None:
    folder.mkdir(parents=True)
    kernel.mount(source, str(folder), kind, _QUIET_MOUNT)


def _mounted_if_known(source: str, folder: Path, kind: str) -> None:
    try:
        _mounted(source, folder, kind)
    except OSError as error:
        # A kernel without BPF has a lab too; it is felix that says what can't be had there.
        if error.errno != errno.ENODEV:
            raise
        log.warning("no %s on this kernel", kind)


def _without_resolver() -> None:
    # The cluster's network is closed, so a name that no hosts file has can't be known: say so at once, not after
    # the time-outs of the machine's own resolver. A link into /run leads nowhere by now, which does the same.
    target = Path("/etc/resolv.conf")
    if target.is_file():
        _EMPTY.touch()
        kernel.mount(str(_EMPTY), str(target), None, kernel.MS_BIND)
