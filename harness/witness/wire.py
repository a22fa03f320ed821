"""The wire: what arrived at each backend, seen by a watcher in the backend's own network namespace.

An account is the source address of the packet that carried the token, after every rewrite on its way and before the
backend's own namespace could rewrite anything. For a host-network backend it is what arrived at its node: from
another machine still before the node's rules, which may translate its destination but in no mode its source.
"""

from __future__ import annotations

import contextlib
import ipaddress
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.kube import client
from harness.model import cells, facts, words
from harness.witness import stations
from harness.witness.witnesses import Question, Told


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One packet with a token.

    Attributes:
        token: The token.
        source: Whom it came from.
        source_port: From which port.
        destination: What it was for when it was seen.
        port: For which port.
        backend: The address of the backend that was watched.
    """

    token: str
    source: facts.Address
    source_port: int
    destination: facts.Address
    port: int
    backend: facts.Address


@dataclass(frozen=True, kw_only=True)
class Wire:
    """The witness; asks the watchers through the API."""

    api: client.Client
    kind: words.Witness = words.Witness.WIRE

    @contextlib.contextmanager
    def watching(self, known: facts.Facts, planned: Sequence[cells.Cell]) -> Iterator[WireWatch]:
        """Watch every backend on a node that has a watcher."""
        del known
        name, posts, wanted = str(uuid.uuid4()), stations.stations(self.api), targets(planned)

        def watch(node: str, mine: Sequence[Mapping[str, object]]) -> Sequence[str]:
            answer = stations.ask(self.api, posts[node], {"op": "watch", "id": name, "targets": mine})
            return [str(address) for address in answer[-1]["watched"]]

        found = stations.everywhere(watch, {node: mine for node, mine in wanted.items() if node in posts})
        posts = {node: posts[node] for node in found}
        try:
            yield WireWatch(api=self.api, name=name, posts=posts, watched=addresses(found))
        finally:
            stations.everywhere(lambda _, pod: stations.ask(self.api, pod, {"op": "stop", "id": name}), posts)


class WireWatch:
    """Watchers in their places, and which backends they have lost sight of."""

    def __init__(self, *, api: client.Client, name: str, posts: stations.Stations, watched: frozenset[str]) -> None:
        """Speak for the watch of that name, with the addresses that are really watched."""
        self._api = api
        self._name = name
        self._posts = posts
        self._watched = watched

    def covers(self, cell: cells.Cell) -> bool:
        """Every backend is watched, no packet was lost there, and a packet of this cell would be seen."""
        return is_visible(cell) and {str(pod.address) for pod in cell.destination.backends} <= self._watched

    def accounts(self, asked: Sequence[Question]) -> Told:
        """What arrived, by token; where a watcher can't say, or has lost a packet, nothing is covered from now on."""
        answers = stations.everywhere(
            lambda _, pod: stations.ask(self._api, pod, {"op": "report", "id": self._name}), self._posts
        )
        self._watched &= intact(answer[-1] for answer in answers.values())
        packets = [packet_from(line) for answer in answers.values() for line in answer[:-1]]
        return told(asked, packets)

    def rewrites(self, asked: Sequence[Question]) -> Mapping[str, tuple[cells.Rewrite, ...]]:
        """A packet that has arrived does not say who changed it."""
        del asked
        return {}


def targets(planned: Sequence[cells.Cell]) -> dict[str, list[dict[str, Any]]]:
    """What the watcher on each node has to watch. Pure."""
    ports: dict[facts.Pod, set[int]] = {}
    for cell in planned:
        for pod in cell.destination.backends:
            ports.setdefault(pod, set()).update(_ports(pod, cell.destination))
    merged: dict[str, dict[tuple[str, bool], set[int]]] = {}
    for pod, mine in ports.items():
        # Host-network backends of one node share its address.
        merged.setdefault(pod.node, {}).setdefault((str(pod.address), pod.host_network), set()).update(mine)
    return {
        node: [{"address": address, "host": host, "ports": sorted(mine)} for (address, host), mine in found.items()]
        for node, found in merged.items()
    }


def _ports(pod: facts.Pod, destination: facts.Destination) -> set[int]:
    return {destination.target_port, destination.node_port} - {0} if pod.host_network else {destination.target_port}


def addresses(found: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """All addresses that some watcher watches. Pure."""
    return frozenset(address for watched in found.values() for address in watched)


def intact(summaries: Iterator[Mapping[str, Any]]) -> frozenset[str]:
    """The addresses that a watcher has reported on without having lost a packet. Pure."""
    return frozenset(str(address) for item in summaries for address, lost in item["lost"].items() if lost == 0)


def packet_from(line: Sequence[Any]) -> Packet:
    """A line of a watcher's report. Pure."""
    token, _, source, source_port, destination, port, backend = line
    return Packet(
        token=str(token),
        source=ipaddress.ip_address(source),
        source_port=int(source_port),
        destination=ipaddress.ip_address(destination),
        port=int(port),
        backend=ipaddress.ip_address(backend),
    )


def is_visible(cell: cells.Cell) -> bool:
    """Whether a packet of that cell would be seen, and only where it ends. Pure.

    What a pod sends to a ClusterIP is for a host-network backend of its own node only after that node's rules, and
    these come after the watcher. And a NodePort that was dialled on a node with one of several host-network backends
    is seen there even if the node sends it on.
    """
    backends = cell.destination.backends
    if any(pod.address.version != 4 for pod in backends) or not backends:
        return False
    hosts = {pod.node for pod in backends if pod.host_network}
    if cell.phase.dataplane is words.Dataplane.BPF or not hosts:
        # Programs at a device's entry have translated everything before the watcher.
        return True
    if cell.destination.target is words.Target.CLUSTER_IP:
        return not (cell.client.kind is words.ClientKind.POD and cell.client.node in hosts)
    return len(backends) == 1 or cell.entry is None or cell.entry.name not in hosts


def told(asked: Sequence[Question], packets: Sequence[Packet]) -> dict[str, tuple[cells.Account, ...]]:
    """Accounts of the samples that were asked about, by token. Pure."""
    cells_by_token = {item.token: item.cell for item in asked}
    found: dict[str, tuple[cells.Account, ...]] = {}
    for packet in packets:
        cell = cells_by_token.get(packet.token)
        if cell is not None and packet.port in _arriving(packet, cell):
            found[packet.token] = (*found.get(packet.token, ()), _account(packet, cell))
    return found


def _arriving(packet: Packet, cell: cells.Cell) -> frozenset[int]:
    """The ports by which a packet is on its last step; another token-bearing packet is only passing."""
    destination = cell.destination
    host = any(pod.address == packet.backend and pod.host_network for pod in destination.backends)
    return frozenset({destination.target_port, destination.node_port} if host else {destination.target_port})


def _account(packet: Packet, cell: cells.Cell) -> cells.Account:
    names = (f"{pod.namespace}/{pod.name}" for pod in cell.destination.backends if pod.address == packet.backend)
    return cells.Account(
        witness=words.Witness.WIRE,
        address=packet.source,
        # What arrives at somebody who is not behind the Service has no name there.
        backend=next(names, str(packet.backend)),
        port=packet.source_port,
        detail=f"{packet.source}:{packet.source_port} -> {packet.destination}:{packet.port} arrived",
    )
