"""Which nodes of a cluster take part: all of a small one, and of a large one enough for every kind of pair. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import errors
from harness.kube import client, placing
from harness.model import covering, facts, laying

SMALL = 8
"""Up to so many nodes, every one is dialled and dialled from."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is used of a cluster.

    Attributes:
        nodes: The names of all nodes that take part; empty for every node there is.
        hosts: Those that the run's pods stand on; empty likewise.
        backend: The name of the node that the backends stand on; empty where the scheduler may choose.
        pairs: The client's node and the dialled one, by name; empty where the first that fits will do.
    """

    nodes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    backend: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


ALL = Sample()


def chosen(objects: Sequence[client.Object], known: Sequence[facts.Node]) -> Sample:
    """What to use of a cluster.

    Args:
        objects: Its nodes, as the API has them.
        known: The same nodes, as the model has them.

    Raises:
        ParseError: Fewer than two nodes can take part, or none can take the backends.
    """
    fit = {str(item["metadata"]["name"]) for item in objects if placing.takes_pods(item)}
    able = [node for node in known if node.name in fit]
    if len(able) == len(objects) <= SMALL and all(node.os == laying.LINUX for node in able):
        return ALL
    backend = placing.backend(objects)["metadata"]["name"]
    cover = _covered(able, backend)
    names = set(cover.nodes)
    hosts = tuple(node.name for node in able if node.name in names and node.os == laying.LINUX)
    return Sample(nodes=cover.nodes, hosts=hosts, backend=backend, pairs=cover.pairs)


def _covered(able: Sequence[facts.Node], backend: str) -> covering.Cover:
    if len(able) < 2:
        raise errors.ParseError(f"{len(able)} ready nodes take pods; a NodePort needs two")
    return covering.cover(able, backend)
