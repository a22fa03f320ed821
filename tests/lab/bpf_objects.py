"""BPF programs, maps and links by their number, which the kernel does not give out again soon.

``python -P -m tests.lab.bpf_objects FOLDER`` prints those that have a name in that folder of a bpffs; it is run
where that folder is to be seen.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.lab.bpf import kernel as bpf
from harness.lab.topology import kernel

_CALL = {"x86_64": 321, "aarch64": 280}
# BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID and BPF_LINK_GET_FD_BY_ID of linux/bpf.h.
_BY_NUMBER = {"prog": 13, "map": 14, "link": 30}
_NUMBER = re.compile(r"^(prog|map|link)_id:\s+(\d+)$", re.MULTILINE)
_ATTR_SIZE = 144


def named_in(folder: Path) -> Iterator[str]:
    """``KIND NUMBER`` of everything below a folder; a link names its program too."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            descriptor = bpf.pinned(path)
            text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
            os.close(descriptor)
            for kind, number in _NUMBER.findall(text):
                yield f"{kind} {number}"


def exists(named: str) -> bool:
    """Whether the kernel still has that ``KIND NUMBER``."""
    kind, _, number = named.partition(" ")
    packed = struct.pack("I", int(number)).ljust(_ATTR_SIZE, bytes(1))
    attributes = ctypes.create_string_buffer(packed, _ATTR_SIZE)
    found = int(kernel.libc().syscall(_CALL[platform.machine()], _BY_NUMBER[kind], attributes, _ATTR_SIZE))
    if found < 0:
        if ctypes.get_errno() != errno.ENOENT:
            raise OSError(ctypes.get_errno(), f"bpf: {named}")
        return False
    os.close(found)
    return True


if __name__ == "__main__":
    sys.stdout.writelines(f"{named}\n" for named in named_in(Path(sys.argv[1])))
