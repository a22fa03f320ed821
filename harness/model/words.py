"""The words of the domain, as ``docs/design.md`` section 4 defines them. Pure."""

from __future__ import annotations

import enum


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
    """Dataplanes by Calico's own names, the values of ``Installation.spec.calicoNetwork.linuxDataplane``."""

    IPTABLES = "Iptables"
    BPF = "BPF"
    NFTABLES = "Nftables"
    VPP = "VPP"


class ClientKind(enum.Enum):
    """Who opens the connection."""

    EXTERNAL = "external"
    GATEWAY = "gateway"
    POD = "pod"
    HOST = "host"


class Policy(enum.Enum):
    """``Service.spec.externalTrafficPolicy``."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class Protocol(enum.Enum):
    """What a sample speaks."""

    HTTP = "HTTP"
    TCP = "TCP"
    UDP = "UDP"


class AddressClass(enum.Enum):
    """Whose address was seen, decided by exact membership and never by prefix or CIDR."""

    CLIENT = "client"
    ENTRY_NODE = "entry-node"
    ENTRY_TUNNEL = "entry-tunnel"
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


class Outcome(enum.Enum):
    """What a verdict says."""

    PASS = "PASS"
    FAIL = "FAIL"
    INVALID = "INVALID"
    ERROR = "ERROR"
    SKIP = "SKIP"
