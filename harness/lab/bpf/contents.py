"""What the maps must hold, from the cluster and the settings. Pure.

Frontends follow what the recorded ``calico-node -bpf nat dump`` shows: each ClusterIP, each NodePort on every
address of this node and once on 255.255.255.255, which stands for the other nodes' addresses as pods and the host
itself see them. Backends of this node come first, so that a count is all it takes to stay on the node.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.lab import services
from harness.lab.bpf import layouts

Address = ipaddress.IPv4Address
Network = ipaddress.IPv4Network


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How services are served.

    Attributes:
        external_service_mode: The way back from a remote backend: through the node that was dialled, or straight to
            the client with that node's address (``bpfExternalServiceMode``).
        connect_time: Whose connections are translated at ``connect``: TCP's, all (``Enabled``, datagrams included)
            or none (``bpfConnectTimeLoadBalancing``).
        vxlan_vni: The overlay's network identifier.
        vxlan_port: Its UDP port.
    """

    external_service_mode: Literal["Tunnel", "DSR"] = "Tunnel"
    connect_time: Literal["TCP", "Enabled", "Disabled"] = "TCP"
    vxlan_vni: int = 4096
    vxlan_port: int = 4789


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node: its InternalIP, the address of its vxlan.calico and the blocks its pods have their addresses from."""

    name: str
    address: Address
    tunnel_address: Address
    blocks: tuple[Network, ...]


@dataclass(frozen=True, kw_only=True)
class LocalPod:
    """A pod with a network of its own on this node, and the host's end of its veth."""

    ip: Address
    ifname: str


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A range of pod addresses, and whether its pods are masqueraded when they leave it."""

    cidr: Network
    nat_outgoing: bool = True


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cluster as one node sees it.

    Attributes:
        ports: Every port of every Service.
        nodes: All nodes, this one included.
        local_pods: The pods of this node that have a veth.
        host_addresses: Further addresses of this node that serve NodePorts.
        pools: The pools, which the programs do not need but ``routes dump`` shows.
    """

    ports: tuple[services.ServicePort, ...] = ()
    nodes: tuple[Node, ...] = ()
    local_pods: tuple[LocalPod, ...] = ()
    host_addresses: tuple[Address, ...] = ()
    pools: tuple[Pool, ...] = ()

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """What a frontend leads to: all its backends, the first ``local`` of them on this node."""

    backends: tuple[layouts.Backend, ...]
    local: int
    affinity_s: int
    flags: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """What an address is; ``ifname`` for a pod of this node, ``next_hop`` for anything on another."""

    flags: int
    next_hop: Address = layouts.NOWHERE
    ifname: str = ""


@dataclass(frozen=True, kw_only=True)
class MapContents:
    """The maps that user space alone writes."""

    frontends: Mapping[layouts.FrontendKey, Frontend] = field(default_factory=dict)
    routes: Mapping[Network, Route] = field(default_factory=dict)


def desired(settings: Settings, cluster: Cluster, node: str) -> MapContents:
    """What the maps of that node must hold.

    Raises:
        KeyError: The cluster has no such node.
    """
    own = cluster.node(node)
    addresses = (own.address, own.tunnel_address, *cluster.host_addresses)
    frontends: dict[layouts.FrontendKey, Frontend] = {}
    for port in cluster.ports:
        if port.protocol in layouts.PROTOCOLS:
            frontends.update(_frontends(port, node, addresses))
    return MapContents(frontends=frontends, routes=dict(_routes(cluster, own)))


def settings_flags(settings: Settings) -> int:
    """The settings as the programs read them."""
    connect = {
        "TCP": layouts.SETTING_CONNECT_TCP,
        "Enabled": layouts.SETTING_CONNECT_TCP | layouts.SETTING_CONNECT_UDP,
        "Disabled": 0,
    }[settings.connect_time]
    return connect | (layouts.SETTING_DSR if settings.external_service_mode == "DSR" else 0)


def _frontends(
    port: services.ServicePort, node: str, addresses: Iterable[Address]
) -> Iterator[tuple[layouts.FrontendKey, Frontend]]:
    protocol = layouts.PROTOCOLS[port.protocol]
    internal = layouts.INTERNAL_LOCAL if port.internal_policy == "Local" else 0
    outside = layouts.EXTERNAL | (layouts.EXTERNAL_LOCAL if port.external_policy == "Local" else 0)
    yield layouts.FrontendKey(Address(port.cluster_ip), port.port, protocol), _frontend(port, node, internal)
    for ip in (*port.external_ips, *port.load_balancer_ips):
        if ":" not in ip:
            yield layouts.FrontendKey(Address(ip), port.port, protocol), _frontend(port, node, outside)
    if port.node_port:
        for address in (*addresses, layouts.ANY_NODE):
            yield layouts.FrontendKey(address, port.node_port, protocol), _frontend(port, node, outside)


def _frontend(port: services.ServicePort, node: str, flags: int) -> Frontend:
    local = _usable(endpoint for endpoint in port.endpoints if endpoint.node == node)
    everywhere = _usable(port.endpoints)
    # Where no endpoint is ready, those that still serve while they end are better than nothing; a node's own
    # ones may be such when others are ready elsewhere, and then count for policy Local only.
    ordered = tuple(dict.fromkeys((*(b for b in local if b in everywhere), *everywhere)))
    only_local = sum(backend in local for backend in ordered)
    if flags & (layouts.EXTERNAL_LOCAL | layouts.INTERNAL_LOCAL) and not only_local:
        ordered, only_local = (*local, *ordered), len(local)
    return Frontend(backends=ordered, local=only_local, affinity_s=port.affinity_s or 0, flags=flags)


def _usable(endpoints: Iterable[services.Endpoint]) -> tuple[layouts.Backend, ...]:
    listed = tuple(endpoints)
    chosen = [endpoint for endpoint in listed if endpoint.ready] or [
        endpoint for endpoint in listed if endpoint.serving and endpoint.terminating
    ]
    return tuple(layouts.Backend(Address(endpoint.ip), endpoint.port) for endpoint in chosen)


def _routes(cluster: Cluster, own: Node) -> Iterator[tuple[Network, Route]]:
    for pool in cluster.pools:
        yield pool.cidr, Route(flags=_pool_flags(cluster, pool.cidr))
    for node in cluster.nodes:
        if node.name != own.name:
            yield from _remote(cluster, node)
    for address in (own.address, own.tunnel_address, *cluster.host_addresses):
        yield Network(address), Route(flags=layouts.LOCAL | layouts.HOST)
    for pod in cluster.local_pods:
        flags = layouts.LOCAL | layouts.WORKLOAD | _pool_flags(cluster, Network(pod.ip))
        yield Network(pod.ip), Route(flags=flags, ifname=pod.ifname)


def _remote(cluster: Cluster, node: Node) -> Iterator[tuple[Network, Route]]:
    for block in node.blocks:
        flags = layouts.WORKLOAD | layouts.TUNNELED | _pool_flags(cluster, block)
        yield block, Route(flags=flags, next_hop=node.address)
    tunnel = Network(node.tunnel_address)
    flags = layouts.HOST | layouts.TUNNELED | _pool_flags(cluster, tunnel)
    yield tunnel, Route(flags=flags, next_hop=node.address)
    yield Network(node.address), Route(flags=layouts.HOST, next_hop=node.address)


def _pool_flags(cluster: Cluster, network: Network) -> int:
    for pool in cluster.pools:
        if network.subnet_of(pool.cidr):
            return layouts.IN_POOL | (layouts.NAT_OUT if pool.nat_outgoing else 0)
    return 0
