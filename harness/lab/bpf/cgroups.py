"""Which programs a cgroup has, asked of the kernel itself (``BPF_PROG_QUERY``)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from harness.lab.bpf import kernel

_KINDS = {
    kernel.CGROUP_CONNECT4: "cgroup_inet4_connect",
    kernel.CGROUP_SENDMSG4: "cgroup_udp4_sendmsg",
    kernel.CGROUP_RECVMSG4: "cgroup_udp4_recvmsg",
}


def attached(path: str | Path) -> list[tuple[int, str, str]]:
    """ID, attach type and name of every program that is attached to a cgroup itself.

    Raises:
        KernelError: The kernel refused; the path is no cgroup.
        OSError: There is no such folder.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, folder)
        return [
            (identity, kind, kernel.program_name(identity))
            for attach_type, kind in _KINDS.items()
            for identity in kernel.attached_programs(folder, attach_type)
        ]
