"""The kernel's table: what the nodes remember of each sample, and by which rules or programs it came about.

In iptables mode that is the kernel's own connection table, which the watchers dump; in eBPF mode the connection map
of Calico's programs. Both forget, so this witness's silence means nothing. What was there before the first sample
counts for nothing either: a port may have been used before.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.dataplane import attribution, attribution_bpf, attribution_reading, attribution_rules, attribution_ruleset
from harness.dataplane.attribution import Changed, Flow, Hop, Made
from harness.kube import client
from harness.model import cells, facts, words
from harness.witness import following, stations
from harness.witness.witnesses import Question, Told


@dataclass(frozen=True, kw_only=True)
class KernelTable:
    """The witness; asks the watchers and the calico-node pods."""

    api: client.Client
    kind: words.Witness = words.Witness.KERNEL

    @contextlib.contextmanager
    def watching(self, known: facts.Facts, planned: Sequence[cells.Cell]) -> Iterator[KernelWatch]:
        """Remember what is there before the first sample, and have what comes after kept even if it ends soon."""
        ports = sorted({port for cell in planned for port in _ports(cell)})
        reader = Reader(
            api=self.api,
            posts=stations.stations(self.api),
            agents=attribution_reading.pods(self.api),
            ports=ports,
            bpf=any(cell.phase.dataplane is words.Dataplane.BPF for cell in planned),
        )
        before = Before(tables=reader.tables(), rules=reader.rules())
        owners = following.owners_in(known, planned)
        reader.track(ports)
        try:
            yield KernelWatch(reader=reader, known=known, owners=owners, before=before)
        finally:
            reader.track(())


def _ports(cell: cells.Cell) -> set[int]:
    destination = cell.destination
    return {destination.node_port, destination.port, destination.target_port} - {0}


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How the nodes are asked.

    Attributes:
        api: The cluster's API.
        posts: The watchers.
        agents: The calico-node pods.
        ports: The ports at the far end of every sample.
        bpf: Whether eBPF mode is expected to be in force.
    """

    api: client.Client
    posts: stations.Stations
    agents: Mapping[str, str]
    ports: Sequence[int]
    bpf: bool

    def tables(self) -> dict[str, dict[Flow, Flow]]:
        """Each node's own connection table."""

        def one(_: str, pod: str) -> dict[Flow, Flow]:
            answer = stations.ask(self.api, pod, {"op": "table", "ports": list(self.ports)})
            return following.table_from(answer[:-1])

        return stations.everywhere(one, self.posts)

    def track(self, ports: Sequence[int]) -> None:
        """Have every node keep its new connections to these ports from now on; without ports, none."""
        request = {"op": "track", "ports": list(ports)}
        stations.everywhere(lambda _, pod: stations.ask(self.api, pod, request), self.posts)

    def rules(self) -> dict[str, attribution_ruleset.Ruleset]:
        """Each node's nat table."""
        return stations.everywhere(lambda _, pod: attribution_reading.read_rules(self.api, pod), self.agents)

    def everything(self) -> dict[str, attribution_reading.Read]:
        """Each node's rules, maps and devices."""
        return stations.everywhere(lambda _, pod: attribution_reading.read(self.api, pod, bpf=self.bpf), self.agents)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What was there before the first sample, by node."""

    tables: Mapping[str, Mapping[Flow, Flow]] = field(default_factory=dict)
    rules: Mapping[str, attribution_ruleset.Ruleset] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is there after the last sample, by node."""

    tables: Mapping[str, Mapping[Flow, Flow]] = field(default_factory=dict)
    read: Mapping[str, attribution_reading.Read] = field(default_factory=dict)

    @property
    def maps(self) -> Mapping[str, Mapping[Flow, Flow]]:
        """The connection map of each node's programs."""
        return {node: read.connections for node, read in self.read.items()}


class KernelWatch:
    """Reads the tables once, when it is first asked."""

    def __init__(self, *, reader: Reader, known: facts.Facts, owners: following.Owners, before: Before) -> None:
        """Speak for what has come into the tables since."""
        self._reader = reader
        self._known = known
        self._owners = owners
        self._ways: dict[str, following.Way] = {}
        self._before = before
        self._seen: Seen | None = None

    def covers(self, cell: cells.Cell) -> bool:
        """The tables of every backend's node can be read."""
        nodes = {pod.node for pod in cell.destination.backends}
        there = self._reader.agents if cell.phase.dataplane is words.Dataplane.BPF else self._before.tables
        return bool(nodes) and nodes <= set(there)

    def accounts(self, asked: Sequence[Question]) -> Told:
        """The source that a backend's node remembers, of those samples whose whole way is still remembered."""
        found = ((item, following.account(self._way(item), item.cell)) for item in asked)
        return {item.token: (account,) for item, account in found if account is not None}

    def rewrites(self, asked: Sequence[Question]) -> Mapping[str, tuple[cells.Rewrite, ...]]:
        """Every change on the part of each sample's way that is remembered."""
        explaining = Explaining(known=self._known, before=self._before, seen=self._read())
        return {item.token: explaining.rewrites(item, self._way(item)) for item in asked}

    def _way(self, asked: Question) -> following.Way:
        if asked.token not in self._ways:
            self._ways[asked.token] = _way(asked, self._read(), self._owners)
        return self._ways[asked.token]

    def _read(self) -> Seen:
        if self._seen is None:
            old, tables = self._before.tables, self._reader.tables()
            new = {node: _without(table, old.get(node, {})) for node, table in tables.items()}
            self._seen = Seen(tables=new, read=self._reader.everything())
        return self._seen


def _without(table: Mapping[Flow, Flow], old: Mapping[Flow, Flow]) -> dict[Flow, Flow]:
    return {flow: after for flow, after in table.items() if old.get(flow) != after}


def _way(asked: Question, seen: Seen, owners: following.Owners) -> following.Way:
    way = following.follow(asked, seen.tables, owners)
    if asked.cell.phase.dataplane is not words.Dataplane.BPF or way.whole:
        return way
    by_maps = following.follow_bpf(asked, seen.maps, owners)
    return by_maps if by_maps.hops else way


class Explaining:
    """Who made each change, with equal questions answered once."""

    def __init__(self, *, known: facts.Facts, before: Before, seen: Seen) -> None:
        """Look things up in what was read."""
        self._known = known
        self._before = before
        self._seen = seen
        self._made: dict[tuple[object, ...], Made | None] = {}

    def rewrites(self, asked: Question, way: following.Way) -> tuple[cells.Rewrite, ...]:
        """The changes on one sample's way."""
        connected = following.connected(asked)
        if connected is None and not way.hops:
            return self._forgotten(asked)

        def explain(hop: Hop, changed: Changed) -> Made | None:
            before, after = hop.before, hop.after
            key = (
                asked.cell.name,
                hop.node,
                changed,
                before.source,
                before.destination,
                after.source,
                after.destination,
            )
            if key not in self._made:
                self._made[key] = self._explain(asked.cell, hop, changed, by_socket=hop is connected)
            return self._made[key]

        return attribution.rewrites((*((connected,) if connected is not None else ()), *way.hops), explain)

    def _forgotten(self, asked: Question) -> tuple[cells.Rewrite, ...]:
        """What a NAT map alone says: of an answer there can be no doubt where a frontend has one backend only."""
        hop = following.only_way(asked)
        read = self._seen.read.get(hop.node) if hop is not None else None
        if hop is None or read is None:
            return ()
        made = attribution_bpf.explain(hop, "destination", read.maps, _origin(asked.cell, hop, by_socket=False))
        found = attribution.rewrites([hop], lambda *_: made)
        evidence = "the connection map has forgotten it, and the Service has no other backend"
        return tuple(dataclasses.replace(item, evidence=evidence) for item in found if made is not None)

    def _explain(self, cell: cells.Cell, hop: Hop, changed: Changed, *, by_socket: bool) -> Made | None:
        read = self._seen.read.get(hop.node)
        if read is None:
            return None
        made = attribution_bpf.explain(hop, changed, read.maps, _origin(cell, hop, by_socket=by_socket))
        if made is not None:
            return made
        around = attribution_rules.surroundings(self._known.node(hop.node), self._known)
        before = self._before.rules.get(hop.node, {})
        return attribution_rules.explain(hop, changed, read.rules, before, around)


def _origin(cell: cells.Cell, hop: Hop, *, by_socket: bool) -> attribution_bpf.Origin:
    here = cell.client.node == hop.node
    return attribution_bpf.Origin(
        pod=cell.client.pod if here and cell.client.kind is words.ClientKind.POD else "",
        host=here and cell.client.kind is words.ClientKind.HOST,
        handed=cell.entry is not None and cell.entry.name != hop.node and not here,
        connected=by_socket,
    )
