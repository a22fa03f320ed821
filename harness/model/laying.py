"""Where a cell of the matrix is in a cluster: which client, which node, which Service. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TypeVar

from harness.model import facts, matrix, paths, words
from harness.model.matrix import Entry, Place

Item = TypeVar("Item")
# The agent is a Linux program, so clients stand on Linux nodes only.
LINUX = "linux"
NO_NODE_WITHOUT = "no node without a backend"


class NoPlace(LookupError):
    """The cluster has nobody or nothing for a cell; the message says what is missing."""


class NoClient(NoPlace):
    """There is no client outside the cluster, which is nothing that the cluster lacks."""


def lay(row: matrix.Row, known: facts.Facts) -> paths.Path:
    """The path of that cell in that cluster: the first Service, node and client that fit.

    Raises:
        NoPlace: Nothing in the cluster fits.
    """
    return lay_all(row, known)[0]


def lay_all(row: matrix.Row, known: facts.Facts) -> tuple[paths.Path, ...]:
    """The paths of that cell: through every entry node that fits for a client outside, else through the first.

    Where the facts name pairs of nodes, a client that stands elsewhere dials by each pair that fits.

    Raises:
        NoPlace: Nothing in the cluster fits.
    """
    destination = _destination(row, known.destinations)
    backend = destination.backends[0]
    entries = _entries(row.standing.entry, destination, known)
    if known.pairs and row.standing.place is Place.OTHER and row.standing.entry is not Entry.NONE:
        return tuple(_by_pairs(row, destination, known))
    chosen = entries if row.standing.place is Place.OUTSIDE else entries[:1]
    return tuple(
        paths.Path(client=_client(row, entry, backend, known), entry=entry, destination=destination) for entry in chosen
    )


def _by_pairs(row: matrix.Row, destination: facts.Destination, known: facts.Facts) -> Iterable[paths.Path]:
    backend = destination.backends[0]
    entries = {entry.name: entry for entry in _entries(row.standing.entry, destination, known) if entry is not None}
    fitting = [
        (client, entries[entry])
        for client, entry in known.pairs
        if entry in entries and client not in (entry, backend.node)
    ]
    if not fitting:
        raise NoPlace(f"no pair of nodes with an entry node {row.standing.entry.value} a backend")
    for client, entry in fitting:
        yield paths.Path(client=_client_on(row, known.node(client), known), entry=entry, destination=destination)


def _destination(row: matrix.Row, offered: Iterable[facts.Destination]) -> facts.Destination:
    node_port = row.dialled.target is words.Target.NODE_PORT
    for item in offered:
        policy = item.policy if node_port else item.internal_policy
        if (
            item.backends
            and all(pod.host_network is row.host_backend for pod in item.backends)
            and item.protocol is row.protocol
            and (policy is row.dialled.policy or row.dialled.target is words.Target.POD_ADDRESS)
            and (item.node_port if node_port else item.cluster_ip or row.dialled.target is words.Target.POD_ADDRESS)
        ):
            return dataclasses.replace(item, target=row.dialled.target)
    raise NoPlace(
        f"no Service for {row.dialled.text} over {row.protocol.value} "
        f"with a {'host-network pod' if row.host_backend else 'pod'} behind it"
    )


def _entries(kind: Entry, destination: facts.Destination, known: facts.Facts) -> tuple[facts.Node | None, ...]:
    if kind is Entry.NONE:
        return (None,)
    taken = {pod.node for pod in destination.backends}
    fitting = [node for node in known.places if (node.name in taken) is (kind is Entry.WITH)]
    if not fitting:
        raise NoPlace(NO_NODE_WITHOUT if kind is Entry.WITHOUT else "no node with a backend")
    # Of several nodes with a backend the first backend's own comes first: clients are placed by it.
    return tuple(sorted(fitting, key=lambda node: node.name != destination.backends[0].node))


def _client(row: matrix.Row, entry: facts.Node | None, backend: facts.Pod, known: facts.Facts) -> facts.Client:
    standing = row.standing
    if standing.client is words.ClientKind.GATEWAY:
        if known.gateway is None:
            raise NoPlace("the gateway's address is not known")
        return facts.Client(kind=standing.client, address=known.gateway)
    if standing.client is words.ClientKind.EXTERNAL:
        if known.client is None:
            raise NoClient("there is no client outside the cluster; --client-cmd names one")
        return known.client
    if standing.place is Place.ITSELF:
        return _pod_client(backend)
    node = _first(_nodes(standing.place, entry, backend, known), f"node for a client at {standing.place.value}")
    return _client_on(row, node, known)


def _client_on(row: matrix.Row, node: facts.Node, known: facts.Facts) -> facts.Client:
    if row.standing.client is words.ClientKind.HOST:
        return facts.Client(kind=row.standing.client, address=node.address, node=node.name)
    able = known.clients or known.other_pods
    pods = (pod for pod in able if pod.node == node.name and not pod.host_network)
    return _pod_client(_first(pods, f"pod that can dial from {node.name}"))


def _nodes(place: Place, entry: facts.Node | None, backend: facts.Pod, known: facts.Facts) -> Iterable[facts.Node]:
    dialled = entry.name if entry is not None else ""
    if place is Place.ENTRY:
        return (node for node in known.nodes if node.name == dialled)
    if place is Place.BACKEND:
        return (node for node in known.nodes if node.name == backend.node)
    return (node for node in known.places if node.os == LINUX and node.name not in (dialled, backend.node))


def _pod_client(pod: facts.Pod) -> facts.Client:
    return facts.Client(
        kind=words.ClientKind.POD, address=pod.address, node=pod.node, pod=f"{pod.namespace}/{pod.name}"
    )


def _first(items: Iterable[Item], what: str) -> Item:
    for item in items:
        return item
    raise NoPlace(f"no {what}")
