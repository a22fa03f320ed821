"""What is known of a cluster in one phase: read once, then never asked again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from harness.model import words

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node.

    Attributes:
        name: Its name.
        address: Its InternalIP: what a client dials, and what a masquerade on the way to a local pod shows.
        tunnel: Its address on the overlay's device (annotation ``projectcalico.org/IPv4VXLANTunnelAddr``), or None.
        zone: Its failure zone (label ``topology.kubernetes.io/zone``); empty if it has none.
        network: The network that its address is in (annotation ``projectcalico.org/IPv4Address``); empty if unknown.
        os: Its operating system (label ``kubernetes.io/os``).
        dataplane: What translates Services on it where that is not what the cluster is switched to, such as ``HNS``
            on Windows; None where it is.
    """

    name: str
    address: Address
    tunnel: Address | None
    zone: str = ""
    network: str = ""
    os: str = "linux"
    dataplane: words.Dataplane | None = None


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod that can answer or be mistaken for a source."""

    namespace: str
    name: str
    address: Address
    node: str
    host_network: bool = False


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One port of one Service, and what of it is dialled.

    Attributes:
        namespace: The Service's namespace.
        service: Its name.
        node_port: The port on every node; 0 if it has none.
        policy: Its externalTrafficPolicy.
        protocol: What its samples speak.
        cluster_ip: Its ClusterIP, or None for a headless Service.
        backends: The ready pods behind it.
        target: Whether its NodePort is dialled, its ClusterIP, or a backend's own address.
        port: The port on its ClusterIP.
        target_port: The port on which its backends listen.
        internal_policy: Its internalTrafficPolicy, which speaks of the ClusterIP only.
    """

    namespace: str
    service: str
    node_port: int
    policy: words.Policy
    protocol: words.Protocol
    cluster_ip: Address | None
    backends: tuple[Pod, ...]
    target: words.Target = words.Target.NODE_PORT
    port: int = 80
    target_port: int = 80
    internal_policy: words.Policy = words.Policy.CLUSTER


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who opens the connections, and from which address.

    Attributes:
        kind: Where it is.
        address: Its own address; for a host-network client its node's InternalIP.
        node: The node that it runs on; empty for a client outside the cluster.
        pod: Its pod as namespace/name, so that a backend that dials itself is found out; empty if it is none.
    """

    kind: words.ClientKind
    address: Address
    node: str = ""
    pod: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A cluster in one phase.

    Attributes:
        nodes: All nodes, in the order of the API.
        destinations: What is dialled.
        client: Who dials from outside the cluster; None if nobody does.
        overlay: ``encapsulation`` of the pods' IP pool, in the operator's words (``VXLAN``, ``None``, ...).
        other_pods: Every other pod with an address of its own, so that its address can be named.
        clients: The pods that the harness may run a probe in; without any, every other pod counts as one.
        gateway: The address of the machine that hosts the nodes, or None if it is not known.
        dsr: Whether replies leave the backend's node directly: ``bpfExternalServiceMode: DSR``, and on Windows
            kube-proxy's ``--enable-dsr``.
        connect_time: What the eBPF dataplane translates at the socket call.
        sampled: The names of the nodes that are dialled and dialled from; empty for all. What is not sampled still
            counts when an address is classified.
        pairs: Which client's node dials which node, by names, where a client elsewhere may stand on several; empty
            for the first that fits.
        host_nat: ``bpfHostNetworkedNATWithoutCTLB``: whether the node's own packets to a Service are translated
            where the socket call does not do it.
    """

    nodes: tuple[Node, ...]
    destinations: tuple[Destination, ...]
    client: Client | None
    overlay: str
    other_pods: tuple[Pod, ...] = ()
    clients: tuple[Pod, ...] = ()
    gateway: Address | None = None
    dsr: bool = False
    connect_time: words.ConnectTime = words.ConnectTime.TCP
    host_nat: bool = True
    sampled: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def asked(self) -> tuple[Node, ...]:
        """The nodes that take part and whose dataplane can be proven: those of another one have no agent to ask."""
        return tuple(node for node in self.places if node.dataplane is None)

    @property
    def places(self) -> tuple[Node, ...]:
        """The nodes that take part."""
        return tuple(node for node in self.nodes if not self.sampled or node.name in self.sampled)

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
