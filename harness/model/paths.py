"""One way through a cluster, from a client to a Service, without a phase. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import cells, facts, words


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
        return (
            f"{self.client.kind.value} {who} -> {through} "
            f"({self.destination.service}, {self.destination.protocol.value})"
        )


def from_cell(cell: cells.Cell, known: facts.Facts) -> Path:
    """The path of a cell of a run."""
    client = facts.Client(kind=cell.client, address=known.client.address, node=known.client.node, pod=known.client.pod)
    return Path(client=client, entry=cell.entry, destination=cell.destination)
