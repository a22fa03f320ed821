"""What felix knows of the cluster, parsed once from API objects into frozen types. Pure.

Field names and defaults of ``FelixConfiguration`` are those of Calico v3.32's reference page for that resource.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.core import errors
from harness.lab import plan, services

Object = Mapping[str, Any]
ServiceMode = Literal["Tunnel", "DSR"]
LoadBalancing = Literal["TCP", "Enabled", "Disabled"]

NODES = "/api/v1/nodes"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
FELIX_CONFIGURATIONS = "/apis/crd.projectcalico.org/v1/felixconfigurations"
IP_POOLS = "/apis/crd.projectcalico.org/v1/ippools"
BLOCK_AFFINITIES = "/apis/crd.projectcalico.org/v1/blockaffinities"
COLLECTIONS = (NODES, SERVICES, SLICES, FELIX_CONFIGURATIONS, IP_POOLS, BLOCK_AFFINITIES)

TUNNEL_ANNOTATION = "projectcalico.org/IPv4VXLANTunnelAddr"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node as the overlay needs it.

    Attributes:
        name: Its name.
        address: Its InternalIP.
        tunnel: The address of its vxlan.calico; None until one is assigned.
        blocks: The address blocks of its pods, in order.
    """

    name: str
    address: ipaddress.IPv4Address
    tunnel: ipaddress.IPv4Address | None
    blocks: tuple[ipaddress.IPv4Network, ...]

    @property
    def tunnel_mac(self) -> str:
        """The MAC of its vxlan.calico, which every node computes alike."""
        block = ipaddress.IPv4Network((self.address, 32))
        return plan.NodePlan(name=self.name, address=self.address, block=block).tunnel_mac


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One IPPool.

    Attributes:
        cidr: Its addresses.
        nat_outgoing: Whether traffic from it to addresses outside every pool is masqueraded.
    """

    cidr: ipaddress.IPv4Network
    nat_outgoing: bool


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The part of FelixConfiguration that the lab obeys.

    Attributes:
        bpf_enabled: The eBPF dataplane is asked for.
        bpf_ahead: It is about to be: the operator sets ``nftablesMode`` before it replaces calico-node for eBPF mode.
        service_mode: How replies of remote backends return: through the entry node, or straight to the client.
        load_balancing: Which protocols are translated at ``connect`` in the node's cgroup.
        host_nat_without_ctlb: Host-network clients are translated without connect-time load balancing too.
        cleanup_kube_proxy: kube-proxy's rules are removed in eBPF mode.
        refresh_s: Seconds between two looks at rules that nobody said had changed.
        vxlan_port: The overlay's UDP port.
        vxlan_vni: The overlay's network identifier.
        health_port: Where readiness and liveness are served on 127.0.0.1.
    """

    bpf_enabled: bool = False
    bpf_ahead: bool = False
    service_mode: ServiceMode = "Tunnel"
    load_balancing: LoadBalancing = "TCP"
    host_nat_without_ctlb: bool = True
    cleanup_kube_proxy: bool = True
    refresh_s: float = 180.0
    vxlan_port: int = plan.VXLAN_PORT
    vxlan_vni: int = plan.VXLAN_VNI
    health_port: int = 9099


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Everything one pass of felix acts on.

    Attributes:
        nodes: All nodes that have an address, by name.
        pools: The address pools.
        services: The Services' ports with their endpoints.
        settings: FelixConfiguration ``default``.
    """

    nodes: tuple[Node, ...]
    pools: tuple[Pool, ...]
    services: tuple[services.ServicePort, ...]
    settings: Settings

    def node(self, name: str) -> Node | None:
        """The node of that name, or None while the API has no address for it."""
        return next((node for node in self.nodes if node.name == name), None)


def cluster(objects: Mapping[str, Iterable[Object]]) -> Cluster:
    """Parse whole collections, keyed by their API path.

    Raises:
        ParseError: An object has not the form that its kind promises.
    """
    try:
        blocks = _blocks(objects[BLOCK_AFFINITIES])
        nodes = [_node(item, blocks) for item in objects[NODES]]
        return Cluster(
            nodes=tuple(sorted((node for node in nodes if node is not None), key=lambda node: node.name)),
            pools=tuple(_pool(item) for item in objects[IP_POOLS] if ":" not in item["spec"]["cidr"]),
            services=services.service_ports(objects[SERVICES], objects[SLICES]),
            settings=_settings(objects[FELIX_CONFIGURATIONS]),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise errors.ParseError(f"the cluster's objects: {error!r}") from error


def _blocks(affinities: Iterable[Object]) -> dict[str, tuple[ipaddress.IPv4Network, ...]]:
    found: dict[str, list[ipaddress.IPv4Network]] = {}
    for item in affinities:
        spec = item["spec"]
        # Calico writes "deleted" as a string; a block that is being given up has no pods left to route to.
        if spec.get("state") == "confirmed" and spec.get("deleted", "false") != "true" and ":" not in spec["cidr"]:
            found.setdefault(spec["node"], []).append(ipaddress.IPv4Network(spec["cidr"]))
    return {name: tuple(sorted(blocks)) for name, blocks in found.items()}


def _node(item: Object, blocks: Mapping[str, tuple[ipaddress.IPv4Network, ...]]) -> Node | None:
    name = item["metadata"]["name"]
    addresses = (item.get("status") or {}).get("addresses") or ()
    internal = [entry["address"] for entry in addresses if entry["type"] == "InternalIP" and "." in entry["address"]]
    if not internal:
        return None
    tunnel = (item["metadata"].get("annotations") or {}).get(TUNNEL_ANNOTATION)
    return Node(
        name=name,
        address=ipaddress.IPv4Address(internal[0]),
        tunnel=ipaddress.IPv4Address(tunnel) if tunnel else None,
        blocks=blocks.get(name, ()),
    )


def _pool(item: Object) -> Pool:
    spec = item["spec"]
    return Pool(cidr=ipaddress.IPv4Network(spec["cidr"]), nat_outgoing=bool(spec.get("natOutgoing")))


def _settings(configurations: Iterable[Object]) -> Settings:
    spec: Object = next((item["spec"] for item in configurations if item["metadata"]["name"] == "default"), {})
    default = Settings()
    mode = str(spec.get("bpfExternalServiceMode") or default.service_mode)
    return Settings(
        bpf_enabled=bool(spec.get("bpfEnabled", default.bpf_enabled)),
        bpf_ahead=spec.get("nftablesMode") == "Enabled",
        # Calico reads this one field without regard to case.
        service_mode="DSR" if mode.upper() == "DSR" else "Tunnel",
        load_balancing=_load_balancing(spec, default),
        host_nat_without_ctlb=spec.get("bpfHostNetworkedNATWithoutCTLB", "Enabled") == "Enabled",
        cleanup_kube_proxy=bool(spec.get("bpfKubeProxyIptablesCleanupEnabled", default.cleanup_kube_proxy)),
        refresh_s=duration_s(spec.get("iptablesRefreshInterval"), default.refresh_s),
        vxlan_port=int(spec.get("vxlanPort") or default.vxlan_port),
        vxlan_vni=int(spec.get("vxlanVNI") or default.vxlan_vni),
        health_port=int(spec.get("healthPort") or default.health_port),
    )


def _load_balancing(spec: Object, default: Settings) -> LoadBalancing:
    value = spec.get("bpfConnectTimeLoadBalancing") or default.load_balancing
    if value == "Disabled":
        return "Disabled"
    return "Enabled" if value == "Enabled" else "TCP"


_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(value: str | None, default: float) -> float:
    """Read a Go duration of one unit, such as ``180s`` or ``3m``, in seconds.

    Raises:
        ValueError: It is no such duration.
    """
    if not value:
        return default
    number = value.rstrip("smh")
    return float(number) * _UNITS_S[value[len(number) :]]
