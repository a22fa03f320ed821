"""The eBPF dataplane as felix's agent sees it; loaded only where it is asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import errors
from harness.lab.felix import cluster, flows, workloads

if TYPE_CHECKING:
    from harness.lab.bpf import contents, dataplane

_MAPS = "maps"

log = logging.getLogger("felix.bpf_ep_mgr")


class Dataplane:
    """``harness.lab.bpf`` behind the six calls that the agent makes."""

    def __init__(self, node: str, *, bpffs: Path, cgroup: Path) -> None:
        self._node = node
        self._bpffs = bpffs
        self._cgroup = cgroup
        self._opened: dataplane.Dataplane | None = None

    def unsupported(self) -> str:
        """Why the kernel cannot run it; empty where it can.

        Found by loading all that a switch needs: what would be tried in small only to be done again right after
        would make the switch take longer.
        """
        from harness.lab.bpf import kernel

        try:
            self.prepare()
        except (errors.CapabilityMissing, kernel.KernelError) as error:
            self.stop()
            return str(error)
        return ""

    def prepare(self) -> None:
        """Do what takes time and touches no packet."""
        self._open().prepare()

    def apply(self, state: cluster.Cluster, pods: tuple[workloads.Pod, ...]) -> None:
        """Make programs and maps agree with the cluster."""
        self._open().apply(settings(state.settings), view(state, pods))

    def retire(self) -> tuple[flows.Flow, ...]:
        """Let no new flow begin, and tell which flows of datagrams are under way; those go on until ``stop``.

        Until then the stack gets no new one either: what the programs still know would decide its answers. It works on
        the pinned maps alone, so it does not matter which process has made them.
        """
        if not (self._bpffs / _MAPS / "sip_conntrack").exists():
            return ()
        from harness.lab.bpf import kernel

        with contextlib.closing(kernel.Map.at(self._bpffs / _MAPS / "sip_settings")) as known:
            for key, raw in known.items().items():
                known.put(key, retired(raw))
        with contextlib.closing(kernel.Map.at(self._bpffs / _MAPS / "sip_conntrack")) as table:
            return tuple(sorted(datagrams(table.items())))

    def sweep(self) -> None:
        """Forget connections that have expired."""
        self._open().sweep()

    def stop(self) -> None:
        """Detach and remove everything."""
        if self._opened is not None or self._left_behind():
            self._open().stop()
            self._opened = None

    def _left_behind(self) -> bool:
        return self._bpffs.is_dir() and any(self._bpffs.iterdir())

    def _open(self) -> dataplane.Dataplane:
        # A node in iptables mode, which is the usual case, does without the memory that this needs.
        from harness.lab.bpf import dataplane

        if self._opened is None:
            self._opened = dataplane.Dataplane(self._node, bpffs=self._bpffs, cgroup=self._cgroup)
        return self._opened


def settings(asked: cluster.Settings) -> contents.Settings:
    """The part of FelixConfiguration that the programs obey."""
    from harness.lab.bpf import contents

    return contents.Settings(
        external_service_mode=asked.service_mode,
        connect_time=asked.load_balancing,
        vxlan_vni=asked.vxlan_vni,
        vxlan_port=asked.vxlan_port,
    )


def view(state: cluster.Cluster, pods: tuple[workloads.Pod, ...]) -> contents.Cluster:
    """The cluster as the programs' maps show it; a node without a tunnel address cannot be reached yet."""
    from harness.lab.bpf import contents

    return contents.Cluster(
        ports=state.services,
        nodes=tuple(
            contents.Node(name=node.name, address=node.address, tunnel_address=node.tunnel, blocks=node.blocks)
            for node in state.nodes
            if node.tunnel is not None
        ),
        local_pods=tuple(contents.LocalPod(ip=pod.address, ifname=pod.device) for pod in pods),
        pools=tuple(contents.Pool(cidr=pool.cidr, nat_outgoing=pool.nat_outgoing) for pool in state.pools),
    )


def retired(raw: bytes) -> bytes:
    """The settings under which the programs take no new flow. Pure."""
    from harness.lab.bpf import layouts

    known = layouts.SettingsValue.unpack(raw)
    return dataclasses.replace(known, flags=known.flags | layouts.SETTING_RETIRED).pack()


def datagrams(table: Mapping[bytes, bytes]) -> Iterator[flows.Flow]:
    """The flows of datagrams that this node translates, as they are after translation. Pure."""
    from harness.lab.bpf import layouts, sweeping

    entries = {layouts.Tuple.unpack(key): layouts.Flow.unpack(value) for key, value in table.items()}
    for connection in sweeping.connections(entries):
        forward = connection.forward.translated(connection.key.protocol)
        elsewhere = bool(connection.forward.flags & layouts.ENCAP)
        if forward.protocol == layouts.PROTOCOLS["UDP"] and not elsewhere:
            yield flows.Flow(forward.source, forward.source_port, forward.destination, forward.destination_port)
