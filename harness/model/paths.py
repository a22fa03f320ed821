"""One way through a cluster, from a client to a Service, without a phase. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import facts, words


@dataclass(frozen=True, kw_only=True)
class Path:
    """Who dials what through which node.

    Attributes:
        client: Who dials.
        entry: The node whose address is dialled; None where a ClusterIP or a pod's address is.
        destination: What is dialled, and who stands behind it.
    """

    client: facts.Client
    entry: facts.Node | None
    destination: facts.Destination

    def __post_init__(self) -> None:
        if (self.entry is None) is (self.destination.target is words.Target.NODE_PORT):
            raise ValueError("a NodePort is dialled on an entry node, and nothing else is")

    @property
    def text(self) -> str:
        """Readable in a message."""
        through = f"{self.entry.name}:{self.destination.node_port}" if self.entry else self.destination.target.value
        who = self.client.pod or self.client.node or str(self.client.address)
        return f"{self.client.kind.value} {who} -> {through} ({self._asked})"

    @property
    def dialled(self) -> tuple[facts.Address, int]:
        """The address and the port that the client dials.

        Raises:
            LookupError: There is no such address or port: a headless Service, or nobody behind it.
        """
        target, destination = self.destination.target, self.destination
        if self.entry is not None:
            return self.entry.address, destination.node_port
        if target is words.Target.CLUSTER_IP:
            if destination.cluster_ip is None:
                raise LookupError(f"{destination.service} has no ClusterIP")
            return destination.cluster_ip, destination.port
        return destination.backends[0].address, destination.target_port

    @property
    def policy(self) -> words.Policy:
        """The traffic policy that speaks of what is dialled."""
        node_port = self.destination.target is words.Target.NODE_PORT
        return self.destination.policy if node_port else self.destination.internal_policy

    @property
    def _asked(self) -> str:
        return f"{self.destination.service}, {self.policy.value}, {self.destination.protocol.value}"
