"""The eBPF dataplane as felix's agent sees it; loaded only where it is asked for."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from harness.lab.felix import cluster

log = logging.getLogger("felix.bpf_ep_mgr")


class Dataplane:
    """``harness.lab.bpf`` behind the four calls that the agent makes."""

    def __init__(self, node: str, *, bpffs: Path, cgroup: Path) -> None:
        self._node = node
        self._bpffs = bpffs
        self._cgroup = cgroup

    def unsupported(self) -> str:
        """Why the kernel cannot run it; empty where it can."""
        if importlib.util.find_spec("harness.lab.bpf") is None:
            return "no eBPF dataplane in this build"
        return ""

    def apply(self, state: cluster.Cluster, devices: tuple[str, ...]) -> None:
        """Make programs and maps agree with the cluster."""

    def sweep(self) -> None:
        """Forget connections that have expired."""

    def stop(self) -> None:
        """Detach and remove everything."""
