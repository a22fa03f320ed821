"""The cells in which the lab is known to differ from the recorded cluster, as data, each with its cause.

``docs/lab-vs-calico.md`` has the same list for people. A listed difference that no longer occurs fails the test as an
unlisted one does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tests.lab.matrix import recorded

Key = tuple[str, recorded.Cell]

ECHOHOST, PORT = "echohost", 30202
OWN = {"host-cp": "kind-control-plane", "host-w1": "kind-worker", "host-w2": "kind-worker2"}
BPF = ("ebpf", "ebpf-noctlb")
ELSEWHERE = {
    "host-cp": ("kind-control-plane", "kind-worker", "kind-worker2"),
    "host-w1": ("kind-control-plane", "kind-worker2"),
    "host-w2": ("kind-control-plane", "kind-worker", "kind-worker2"),
}
EVERYWHERE = {client: tuple(OWN.values()) for client in OWN}
ANSWERED_BY_THE_BACKEND = {"host-cp": ("kind-worker", "kind-worker2"), "host-w2": ("kind-control-plane", "kind-worker")}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One known difference.

    Attributes:
        name: What it is called in the page.
        cause: Why the lab differs.
        by_cell: What the lab shows instead, by phase and cell.
    """

    name: str
    cause: str
    by_cell: Mapping[Key, str]


def _own_node(phases: tuple[str, ...], protocol: str, ways: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Key, str]]:
    """Cells of host-network clients to the host-network backend; the lab shows the client's own node."""
    for phase in phases:
        for client, nodes in ways.items():
            for via in nodes:
                cell = recorded.Cell(client=client, service=ECHOHOST, via=via, protocol=protocol, port=PORT)
                yield (phase, cell), f"node:{OWN[client]}"


def _without(ways: Mapping[str, tuple[str, ...]], others: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {client: tuple(via for via in nodes if via not in others.get(client, ())) for client, nodes in ways.items()}


_OBSERVED = "observed on v3.32.1 on every attempt, cause not established (the recordings' finding 6)"

DIFFERENCES = (
    Difference(
        name="unanswered datagrams",
        cause=f"A host's datagram to a host-network backend got no answer: {_OBSERVED}. The lab answers it.",
        by_cell=MappingProxyType(
            dict(
                [
                    *_own_node(BPF, "UDP", ELSEWHERE),
                    *_own_node(BPF, "UDP-unconnected", _without(ELSEWHERE, ANSWERED_BY_THE_BACKEND)),
                ]
            )
        ),
    ),
    Difference(
        name="answers under the backend's own name",
        cause=(
            f"The answer to a host's datagram came from the backend's own address and port instead of those that were "
            f"asked: {_OBSERVED}. A connected socket takes no such answer. The lab gives the answer its address back."
        ),
        by_cell=MappingProxyType(dict(_own_node(BPF, "UDP-unconnected", ANSWERED_BY_THE_BACKEND))),
    ),
    Difference(
        name="failed connections without connect-time load balancing",
        cause=(
            f"A host's connection to a host-network backend was not answered, refused through the host's own node and "
            f"reset on the backend's: {_OBSERVED}. The lab answers it."
        ),
        by_cell=MappingProxyType(dict(_own_node(("ebpf-noctlb",), "TCP", EVERYWHERE))),
    ),
)


def cause(phase: str, cell: recorded.Cell) -> Difference | None:
    """The listed difference that a cell belongs to, or None."""
    return next((item for item in DIFFERENCES if (phase, cell) in item.by_cell), None)
