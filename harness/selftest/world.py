"""A healthy cluster without a network: whom its backends see, as recorded, and how that is told. Pure.

The table is written down from ``matrix/iptables.json`` and ``matrix/ebpf.json`` of the recordings and not computed, so
that a mutation is held against what a real cluster showed and not against the oracle that is on trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from harness.model import facts, matrix, words

Event = dict[str, Any]

NODES = (
    facts.Node(name="kind-control-plane", address=ip_address("172.18.0.2"), tunnel=ip_address("10.244.82.0")),
    facts.Node(name="kind-worker", address=ip_address("172.18.0.3"), tunnel=ip_address("10.244.162.128")),
    facts.Node(name="kind-worker2", address=ip_address("172.18.0.4"), tunnel=ip_address("10.244.110.128")),
)
CUSTOMER = facts.Pod(
    namespace="yaobank-customer", name="customer-1", address=ip_address("10.244.162.134"), node="kind-worker"
)
SUMMARY = facts.Pod(
    namespace="yaobank-summary", name="summary-1", address=ip_address("10.244.110.130"), node="kind-worker2"
)
ECHO = facts.Pod(namespace="echo", name="echo-1", address=ip_address("10.244.162.135"), node="kind-worker")
ASKING = facts.Pod(namespace="echo", name="pod-cp-1", address=ip_address("10.244.82.1"), node="kind-control-plane")

CLIENT = "client"
_TCP, _UNCONNECTED = words.Protocol.TCP.value, words.Protocol.UDP_UNCONNECTED.value
# Who dials, what, over what; whom the backend sees in iptables mode and in eBPF mode, or how it stays silent.
_RECORDED = (
    ("external", "172.18.0.2:30180", "HTTP", "10.244.82.0", CLIENT),
    ("external", "172.18.0.3:30180", "HTTP", "172.18.0.3", CLIENT),
    ("external", "172.18.0.4:30180", "HTTP", "10.244.110.128", CLIENT),
    ("external", "172.18.0.2:30181", "HTTP", "timeout", "refused"),
    ("external", "172.18.0.3:30181", "HTTP", CLIENT, CLIENT),
    ("external", "172.18.0.4:30181", "HTTP", "timeout", "refused"),
    ("external", "172.18.0.2:30200", _TCP, "10.244.82.0", CLIENT),
    ("external", "172.18.0.3:30200", _TCP, "172.18.0.3", CLIENT),
    ("external", "172.18.0.4:30200", _TCP, "10.244.110.128", CLIENT),
    ("external", "172.18.0.2:30200", _UNCONNECTED, "10.244.82.0", CLIENT),
    ("external", "172.18.0.3:30200", _UNCONNECTED, "172.18.0.3", CLIENT),
    ("external", "172.18.0.4:30200", _UNCONNECTED, "10.244.110.128", CLIENT),
    ("host kind-control-plane", "172.18.0.3:30200", _TCP, "172.18.0.3", "10.244.82.0"),
    ("pod kind-control-plane", "10.96.65.100:8080", _TCP, CLIENT, CLIENT),
)
_SILENCES = frozenset(how.value for how in words.Silence)

ROWS = (
    *matrix.WALKTHROUGH,
    *(
        matrix.row(name)
        for name in (
            "external/with/NodePort-Cluster/TCP/pod",
            "external/without/NodePort-Cluster/TCP/pod",
            "external/with/NodePort-Cluster/UDP-unconnected/pod",
            "external/without/NodePort-Cluster/UDP-unconnected/pod",
            "host@other/with/NodePort-Cluster/TCP/pod",
            "pod@other/-/ClusterIP-Cluster/TCP/pod",
        )
    ),
)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One sample as it happens.

    Attributes:
        dataplane: What is in force where it is dialled.
        client: Who dials.
        dialled: What is dialled.
        protocol: What is spoken.
        token: What it carries.
        index: The sample's number of those that are dialled together, from 0.
        count: How many those are; convergence is awaited with one at a time.
        saw: From whom the backend gets it; None if it does not.
        silence: How the client stays without an answer; None if it gets one.
        port: The source port at the client and, where nothing says otherwise, at the backend.
    """

    dataplane: words.Dataplane
    client: facts.Client
    dialled: tuple[facts.Address, int]
    protocol: words.Protocol
    token: str
    index: int
    count: int
    saw: facts.Address | None
    silence: words.Silence | None
    port: int

    @property
    def last(self) -> bool:
        """Whether it is the last of several."""
        return self.count > 1 and self.index == self.count - 1

    @property
    def backend(self) -> facts.Pod:
        """The pod that answers."""
        return CUSTOMER if self.protocol is words.Protocol.HTTP else ECHO


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is told of one sample.

    Attributes:
        event: The agent's own words; None if it says nothing.
        lines: What is added to customer's log.
        asked: What is added to summary's log, which customer asks before it answers.
        wire: Whom the witness on the wire saw; None if it saw nothing.
        wire_backend: At which pod.
    """

    event: Event | None
    lines: bytes
    asked: bytes
    wire: facts.Address | None
    wire_backend: facts.Pod


def forwarded(moment: Moment) -> Moment:
    """The network of a healthy cluster does nothing more than what the table says."""
    return moment


def told(moment: Moment, telling: Telling) -> Telling:
    """Nobody in a healthy cluster tells anything else than what happened."""
    del moment
    return telling


def read(log: bytes) -> bytes:
    """A healthy log is read as it was written."""
    return log


def destinations() -> tuple[facts.Destination, ...]:
    """What is dialled: customer's two Services, and echo over TCP and UDP."""
    customer = facts.Destination(
        namespace="yaobank-customer",
        service="customer",
        node_port=30180,
        policy=words.Policy.CLUSTER,
        protocol=words.Protocol.HTTP,
        cluster_ip=ip_address("10.96.64.51"),
        backends=(CUSTOMER,),
    )
    local = replace(
        customer,
        service="customer-local",
        node_port=30181,
        policy=words.Policy.LOCAL,
        cluster_ip=ip_address("10.96.35.44"),
    )
    echo = replace(
        customer,
        namespace="echo",
        service="echo",
        node_port=30200,
        protocol=words.Protocol.TCP,
        cluster_ip=ip_address("10.96.65.100"),
        port=8080,
        target_port=8080,
        backends=(ECHO,),
    )
    return customer, local, echo, replace(echo, protocol=words.Protocol.UDP_UNCONNECTED)


def recorded_facts() -> facts.Facts:
    """The recorded cluster, with its own client."""
    return facts.Facts(
        nodes=NODES,
        destinations=destinations(),
        client=facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address("172.18.0.5")),
        overlay="VXLAN",
        other_pods=(SUMMARY,),
        clients=(ASKING,),
        gateway=ip_address("172.18.0.1"),
    )


def external(known: facts.Facts) -> facts.Client:
    """The client outside the cluster, which every staged world has."""
    if known.client is None:
        raise ValueError("a world without a client outside the cluster")
    return known.client


@dataclass(frozen=True, kw_only=True)
class World:
    """A cluster, and what is told of it.

    Attributes:
        known: Its facts.
        rows: What of the matrix is sampled.
        in_force: What is in force on a node, where it is not what the phase asks for.
        proven: What a node's kernel says is in force, where it is not what is.
        forwards: What the network does with one sample.
        tells: What is told of it.
        reads: What comes of customer's log on its way to the reader.
        arrives_as: With which address the external client arrives at the nodes; None if with its own.
    """

    known: facts.Facts = field(default_factory=recorded_facts)
    rows: tuple[matrix.Row, ...] = ROWS
    in_force: Mapping[str, words.Dataplane] = field(default_factory=dict)
    proven: Mapping[str, words.Dataplane] = field(default_factory=dict)
    forwards: Callable[[Moment], Moment] = forwarded
    tells: Callable[[Moment, Telling], Telling] = told
    reads: Callable[[bytes], bytes] = read
    arrives_as: facts.Address | None = None


def on_its_way(
    dataplane: words.Dataplane, client: facts.Client, dialled: tuple[facts.Address, int], protocol: words.Protocol
) -> tuple[facts.Address | None, words.Silence | None]:
    """Whom the backend sees, or how the client stays without an answer, as recorded.

    Raises:
        LookupError: Nothing like it is written down here.
    """
    who = f"{client.kind.value} {client.node}".strip()
    wanted = (who, f"{dialled[0]}:{dialled[1]}", protocol.value)
    for *key, iptables, bpf in _RECORDED:
        if tuple(key) == wanted:
            seen = bpf if dataplane is words.Dataplane.BPF else iptables
            if seen in _SILENCES:
                return None, words.Silence(seen)
            return (client.address if seen == CLIENT else ip_address(seen)), None
    raise LookupError(f"{wanted}: not in the table of what was recorded")
