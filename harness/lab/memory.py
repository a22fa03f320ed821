"""How much memory a lab takes: the sum of its processes' proportional set sizes."""

from __future__ import annotations

import re
from pathlib import Path

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def pss_kib(owner: int) -> int:
    """KiB of all processes in the PID namespace that the owner is process 1 of; 0 if it has ended."""
    try:
        namespace = Path(f"/proc/{owner}/ns/pid").stat().st_ino
    except OSError:
        return 0
    return sum(_pss_of(entry, namespace) for entry in Path("/proc").glob("[0-9]*"))


def _pss_of(entry: Path, namespace: int) -> int:
    # A process may end while it is looked at.
    try:
        if (entry / "ns" / "pid").stat().st_ino != namespace:
            return 0
        found = _PSS.search((entry / "smaps_rollup").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
