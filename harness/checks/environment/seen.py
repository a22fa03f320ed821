"""What a look at the environment has read, before anybody decides what it means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from harness.model import facts, words

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class NodeSeen:
    """One node.

    Attributes:
        node: The node.
        system: What it runs, by kind: kernel, operating system, kubelet, calico-node's image.
        forward: The filter table's FORWARD policy, ``ACCEPT`` or ``DROP``; empty if it was not read.
        forwarded: How many packets have met that policy.
        rp_filter: ``net.ipv4.conf.*.rp_filter`` by device, ``all`` among them.
        skew_s: By how many seconds the node's clock is ahead of this machine's; None if it was not read.
        skew_within_s: How far that can be wrong, which is how long the asking took.
        iptables: The NodePorts that kube-proxy's rules translate, by reachability.
        bpf: The NodePorts that Calico's NAT map translates.
        trouble: Why the node could not be asked; empty if it answered.
    """

    node: facts.Node
    system: Mapping[str, str] = field(default_factory=dict)
    forward: str = ""
    forwarded: int = 0
    rp_filter: Mapping[str, int] = field(default_factory=dict)
    skew_s: float | None = None
    skew_within_s: float = 0.0
    iptables: frozenset[int] = frozenset()
    bpf: frozenset[int] = frozenset()
    trouble: str = ""

    @property
    def dataplanes(self) -> frozenset[words.Dataplane]:
        """What translates NodePorts on it; the kernel's word and not the API's."""
        found = {words.Dataplane.IPTABLES: self.iptables, words.Dataplane.BPF: self.bpf}
        return frozenset(dataplane for dataplane, ports in found.items() if ports)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One connection from the client to a node's own port, which no Service translates.

    Attributes:
        node: The node's name.
        port: The node's port; 0 if nothing there could be dialled.
        local: The client's own end, as its socket says.
        saw: Who the node's socket is connected to.
    """

    node: str
    port: int = 0
    local: facts.Address | None = None
    saw: frozenset[facts.Address] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """Which addresses the cluster gives out.

    Attributes:
        pods: The CIDRs of the pools of pods.
        services: The CIDRs of Services; where no object says them, the ClusterIPs that there are.
        blocks: Each block of pod addresses with its node.
        local: What kube-proxy takes for pods (``clusterCIDR``); empty if it goes by something else or does not say.
    """

    pods: tuple[Network, ...] = ()
    services: tuple[Network, ...] = ()
    blocks: tuple[tuple[Network, str], ...] = ()
    local: tuple[Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """HTTP proxies in somebody's environment.

    Attributes:
        where: Whose environment.
        variables: The variables that are set, names in lower case.
        targets: Whom it reaches over HTTP, and must reach directly: addresses or names.
    """

    where: str
    variables: Mapping[str, str]
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All of it.

    Attributes:
        client: Who dials from outside the cluster; None if nobody does.
        gateway: The address of the machine that hosts the nodes, if it is known.
        declared: The dataplane that the Installation asks for.
        nodes: Every node.
        ways: From the client to each node.
        addressing: The cluster's addresses.
        proxies: The environments that were read.
    """

    client: facts.Client | None
    gateway: facts.Address | None
    declared: str
    nodes: tuple[NodeSeen, ...]
    ways: tuple[Way, ...]
    addressing: Addressing
    proxies: tuple[Proxies, ...] = ()
