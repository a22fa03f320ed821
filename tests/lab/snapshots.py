"""What is on a machine, as one JSON object on standard output: run inside the machine that is looked at.

``python -P -m tests.lab.snapshots CGROUP_PREFIX FOLDER…`` lists everything that a lab could leave behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core import process
from harness.lab.topology import cgroups

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def main(arguments: Sequence[str]) -> None:
    """Print the snapshot."""
    prefix, *folders = arguments
    found = {
        "processes": list(_processes()),
        "namespaces": sorted(set(_namespaces())),
        "mounts": list(_mounts()),
        "links": [name for _, name in socket.if_nameindex()],
        "listeners": list(_listeners()),
        "settings": list(_settings()),
        "firewall": list(_firewall()),
        "cgroups": list(_cgroups(prefix)),
        "files": [str(path) for folder in folders for path in sorted([Path(folder), *Path(folder).rglob("*")])],
    }
    json.dump(found, sys.stdout)


def _others() -> Iterator[Path]:
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        if int(entry.name) != os.getpid():
            yield entry


def _processes() -> Iterator[str]:
    for entry in _others():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield f"{entry.name} {(entry / 'cmdline').read_bytes().replace(bytes(1), b' ').decode().strip()}"


def _namespaces() -> Iterator[str]:
    for entry in _others():
        for kind in NAMESPACES:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield str((entry / "ns" / kind).readlink())


def _mounts() -> Iterator[str]:
    # The first two fields are numbers that the kernel gives out.
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield " ".join(line.split()[2:])


def _listeners() -> Iterator[str]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            yield fields[1]


def _settings() -> Iterator[str]:
    for name in ("conf/all/forwarding", "conf/all/rp_filter", "conf/default/rp_filter", "conf/lo/rp_filter"):
        yield f"{name}={(Path('/proc/sys/net/ipv4') / name).read_text().strip()}"


def _firewall() -> Iterator[str]:
    if shutil.which("iptables-save"):
        for line in process.run(["iptables-save"]).text.splitlines():
            # Comments have the time of day in them.
            if not line.startswith("#"):
                yield line


def _cgroups(prefix: str) -> Iterator[str]:
    with cgroups.hierarchy() as top:
        for folder in sorted(top.glob(f"sourceip-{prefix}*")):
            yield folder.name


if __name__ == "__main__":
    main(sys.argv[1:])
