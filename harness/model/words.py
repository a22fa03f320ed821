"""The words of the domain, as ``docs/design.md`` section 4 defines them. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Phase(enum.Enum):
    """Where a run is on its way A, B, A'."""

    IPTABLES = "iptables"
    EBPF = "ebpf"
    REVERTED = "reverted"

    @property
    def dataplane(self) -> Dataplane:
        """The dataplane that must be in force during this phase."""
        return Dataplane.BPF if self is Phase.EBPF else Dataplane.IPTABLES


class Dataplane(enum.Enum):
    """What translates Services, by Calico's own names where it has one.

    The first four are values of ``Installation.spec.calicoNetwork.linuxDataplane``, ``HNS`` is the one of
    ``windowsDataplane``; ``IPVS`` is kube-proxy's mode of that name below Calico's ``Iptables``.
    """

    IPTABLES = "Iptables"
    BPF = "BPF"
    NFTABLES = "Nftables"
    VPP = "VPP"
    IPVS = "IPVS"
    HNS = "HNS"


class ClientKind(enum.Enum):
    """Who opens the connection."""

    EXTERNAL = "external"
    GATEWAY = "gateway"
    POD = "pod"
    HOST = "host"


class Policy(enum.Enum):
    """``Service.spec.externalTrafficPolicy`` or ``internalTrafficPolicy``."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class Protocol(enum.Enum):
    """What a sample speaks."""

    HTTP = "HTTP"
    TCP = "TCP"
    UDP = "UDP"
    UDP_UNCONNECTED = "UDP-unconnected"


class Target(enum.Enum):
    """What of a Service is dialled."""

    NODE_PORT = "NodePort"
    CLUSTER_IP = "ClusterIP"
    POD_ADDRESS = "pod address"


class ConnectTime(enum.Enum):
    """``FelixConfiguration.spec.bpfConnectTimeLoadBalancing``: what is translated at the socket call already."""

    TCP = "TCP"
    ENABLED = "Enabled"
    DISABLED = "Disabled"

    def covers(self, protocol: Protocol) -> bool:
        """Whether a socket of that protocol is connected to a backend rather than to the Service."""
        if self is ConnectTime.TCP:
            return protocol in (Protocol.HTTP, Protocol.TCP)
        return self is ConnectTime.ENABLED


class Confirmed(enum.Enum):
    """What stands behind a prediction, best first."""

    RECORDED = "recorded"
    DOCUMENTED = "documented"
    UNCONFIRMED = "unconfirmed"


class Witness(enum.Enum):
    """Who gives an account of a sample's source address."""

    APPLICATION = "application"
    WIRE = "wire"
    KERNEL = "kernel"


class SkipReason(enum.Enum):
    """Why a cell of the matrix was not sampled."""

    NO_PLACE = "no place"
    NOT_KNOWN = "not known"
    CAPABILITY = "capability"


class AddressClass(enum.Enum):
    """Whose address was seen, decided by exact membership and never by prefix or CIDR."""

    CLIENT = "client"
    ENTRY_NODE = "entry-node"
    ENTRY_TUNNEL = "entry-tunnel"
    CLIENT_NODE = "client-node"
    CLIENT_TUNNEL = "client-tunnel"
    BACKEND_NODE = "backend-node"
    BACKEND_TUNNEL = "backend-tunnel"
    OTHER_NODE = "other-node"
    POD = "pod"
    GATEWAY = "gateway"
    SERVICE = "service"
    UNKNOWN = "unknown"


class Silence(enum.Enum):
    """How a connection can stay without an answer."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    DROPPED = "dropped"
    """By the client's own kernel, which says so: EPERM for a datagram that a rule of its own node drops."""


class Outcome(enum.Enum):
    """What a verdict says, best first. A control that misbehaved makes all else meaningless, so INVALID is worst."""

    PASS = "PASS"
    SKIP = "SKIP"
    FAIL = "FAIL"
    ERROR = "ERROR"
    INVALID = "INVALID"

    @property
    def exit_code(self) -> int:
        """What a process ends with that comes to this: 0, 1, or 3 where nothing was proven either way."""
        return {Outcome.PASS: 0, Outcome.SKIP: 0, Outcome.INVALID: 3}.get(self, 1)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of these; PASS if there is none."""
    return max(outcomes, key=list(Outcome).index, default=Outcome.PASS)
