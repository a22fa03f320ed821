"""The ``bpftool`` command of a calico-node pod, as far as people and the harness use it there: ``cgroup show``.

The node's own bpftool may be too old or not there at all, so it is the one in calico-node's image that counts. The
words and the layout are those of bpftool 7.5 (``nodes/ebpf/NODE/bpftool-cgroup.txt`` of the recordings).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from harness.core import errors

USAGE = "Usage: bpftool cgroup show CGROUP\n"
# Where a real calico-node mounts the node's cgroup hierarchy; the lab's is elsewhere.
_MOUNTED = "/run/calico/cgroup"


def main(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command; 255 is one that failed, as bpftool has it."""
    if list(argv[:2]) != ["cgroup", "show"] or len(argv) != 3:
        sys.stderr.write(USAGE)
        return 255
    from harness.lab.bpf import cgroups

    path = environment.get("CALICO_CGROUP_PATH", argv[2]) if argv[2] == _MOUNTED else argv[2]
    try:
        sys.stdout.write(render(cgroups.attached(path)))
    except (errors.HarnessError, OSError) as error:
        sys.stderr.write(f"Error: can't open cgroup {argv[2]}: {error}\n")
        return 255
    return 0


def render(found: Sequence[tuple[int, str, str]]) -> str:
    """ID, attach type and name of each program; nothing at all where there is none. Pure."""
    if not found:
        return ""
    lines = [f"{identity:<8} {kind:<15} {'multi':<15} {name:<15}\n" for identity, kind, name in found]
    return "".join([f"{'ID':<8} {'AttachType':<15} {'AttachFlags':<15} {'Name':<15}\n", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
