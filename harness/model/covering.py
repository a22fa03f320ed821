"""Which nodes of a large cluster to use: enough that every kind of pair of nodes is met, and no more. Pure.

Nodes of one zone, one network, one operating system and one dataplane are of one kind: what happens between two nodes
depends on their kinds. So the number of pairs grows with the number of kinds of pairs, not with the square of the
nodes; and within a kind the nodes take turns, so that as many of them as possible take part.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model import facts, laying

Kind = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Cover:
    """What is used of a cluster.

    Attributes:
        pairs: The client's node and the node that it dials, by name; every kind of pair is there.
        nodes: The names of all nodes in them, the backend's included, in the cluster's order.
    """

    pairs: tuple[tuple[str, str], ...]
    nodes: tuple[str, ...]


def kind_of(node: facts.Node) -> Kind:
    """What of a node may make a difference to a packet."""
    return node.zone, node.network, node.os, node.dataplane.value if node.dataplane is not None else ""


def cover(nodes: Sequence[facts.Node], backend: str) -> Cover:
    """A pair of nodes for every ordered pair of kinds, the backend's own node on neither side where that can be.

    Args:
        nodes: The nodes that may be used, in the cluster's order.
        backend: The name of the node that the backend is on; it is always among the nodes.
    """
    turns = {kind: _Turns(kind_nodes) for kind, kind_nodes in _by_kind(nodes, backend).items()}
    pairs: list[tuple[str, str]] = []
    for client, entry in itertools.product(turns, turns):
        # The probe is a Linux program, so no client stands on another system's node.
        if client[2] == laying.LINUX:
            pairs += _pair(turns[client], turns[entry])
    used = {backend, *itertools.chain.from_iterable(pairs)}
    return Cover(pairs=tuple(pairs), nodes=tuple(node.name for node in nodes if node.name in used))


class _Turns:
    """Nodes of one kind, taken in turn."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._next = itertools.cycle(names)

    def take(self, other_than: Iterable[str] = ()) -> str | None:
        """The next node that is none of those; None if there is no such one."""
        avoided = set(other_than)
        return next((name for name in itertools.islice(self._next, len(self.names)) if name not in avoided), None)


def _pair(clients: _Turns, entries: _Turns) -> list[tuple[str, str]]:
    client = clients.take()
    entry = entries.take((client,)) if client is not None else None
    return [(client, entry)] if client is not None and entry is not None else []


def _by_kind(nodes: Sequence[facts.Node], backend: str) -> dict[Kind, list[str]]:
    found: dict[Kind, list[str]] = {}
    for node in nodes:
        found.setdefault(kind_of(node), [])
        if node.name != backend:
            found[kind_of(node)].append(node.name)
    # A kind whose only node is the backend's is met by the cells that dial the backend's node.
    return {kind: names for kind, names in found.items() if names}
