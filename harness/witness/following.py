"""A connection's way through the nodes, read from what each node's kernel remembers of it. Pure.

The client's own tuple is looked up on the node where it starts; as what it goes on there is looked up on the node
that it goes to, until it is at a pod, or at a node itself. Where an entry is gone the way ends, and nobody guesses.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.dataplane.attribution import Flow, Hop
from harness.model import cells, facts, words
from harness.witness.witnesses import Question

Table = Mapping[Flow, Flow]
"""What a node remembers: how each flow came, and as what it went on."""

Owners = Mapping[facts.Address, str]
"""The node that has an address, or on which the pod with it is."""

_MOST_HOPS = 8


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way as far as it is known.

    Attributes:
        hops: One for every node that remembers the flow, those included that changed nothing.
        whole: Whether the last of them is where it ends.
    """

    hops: tuple[Hop, ...]
    whole: bool


def table_from(lines: Iterable[Sequence[Any]]) -> dict[Flow, Flow]:
    """A watcher's lines of its kernel's table; what goes on is what is answered, turned round."""
    found: dict[Flow, Flow] = {}
    for protocol, original, reply, *_ in lines:
        came = Flow(
            protocol=str(protocol),
            source=ipaddress.ip_address(original[0]),
            source_port=int(original[1]),
            destination=ipaddress.ip_address(original[2]),
            port=int(original[3]),
        )
        found[came] = Flow(
            protocol=came.protocol,
            source=ipaddress.ip_address(reply[2]),
            source_port=int(reply[3]),
            destination=ipaddress.ip_address(reply[0]),
            port=int(reply[1]),
        )
    return found


def sent(asked: Question) -> Flow | None:
    """The flow as its socket sent it; None if it never had one, or is not known well enough."""
    cell, reply = asked.cell, asked.reply
    if reply.local is None:
        return None
    tcp = cell.destination.protocol in (words.Protocol.HTTP, words.Protocol.TCP)
    destination = reply.peer or cell.path.dialled
    return Flow(
        protocol="TCP" if tcp else "UDP",
        source=cells.own_address(reply, cell),
        source_port=reply.local[1],
        destination=destination[0],
        port=destination[1],
    )


def connected(asked: Question) -> Hop | None:
    """What connect-time load balancing did, if the socket's peer is another one than was dialled."""
    flow, dialled = sent(asked), asked.cell.path.dialled
    if flow is None or (flow.destination, flow.port) == dialled:
        return None
    before = dataclasses.replace(flow, destination=dialled[0], port=dialled[1])
    return Hop(node=asked.cell.client.node or "?", before=before, after=flow, local=True)


def follow(asked: Question, tables: Mapping[str, Table], owners: Owners) -> Way:
    """The way of one sample through these tables."""
    flow, client = sent(asked), asked.cell.client
    node = client.node or (asked.cell.entry.name if asked.cell.entry is not None else "")
    local = client.kind is words.ClientKind.HOST
    hops: list[Hop] = []
    while flow is not None and len(hops) < _MOST_HOPS:
        after = tables.get(node, {}).get(flow)
        if after is None:
            break
        hops.append(Hop(node=node, before=flow, after=after, local=local))
        owner = owners.get(after.destination, "")
        if owner in ("", node):
            return Way(hops=tuple(hops), whole=owner == node)
        node, flow, local = owner, after, False
    return Way(hops=tuple(hops), whole=False)


def follow_bpf(asked: Question, tables: Mapping[str, Table], owners: Owners) -> Way:
    """The way of one sample through the connection maps of Calico's programs.

    A node that only hands a packet over remembers it too, as translated, though the backend's node does that. So only
    the client's own node and the backend's are asked, the client's only if it is in the cluster.
    """
    flow, client = sent(asked), asked.cell.client
    hops: list[Hop] = []
    for node in dict.fromkeys((client.node, *(pod.node for pod in asked.cell.destination.backends))):
        after = tables.get(node, {}).get(flow) if flow is not None else None
        if flow is None or after is None:
            continue
        hops.append(Hop(node=node, before=flow, after=after, local=client.kind is words.ClientKind.HOST))
        flow = after
    end = hops[-1] if hops else None
    # A pod that is answered by itself gets another source in between, of which the maps do not speak.
    hairpin = end is not None and end.after.destination == client.address
    whole = end is not None and not hairpin and owners.get(end.after.destination) == end.node
    return Way(hops=tuple(hops), whole=whole)


def only_way(asked: Question) -> Hop | None:
    """What programs must have done with an answered sample whose Service has one backend; None if that is not so.

    A client in the cluster is translated on its own node, and one outside of it on the backend's.
    """
    flow, destination = sent(asked), asked.cell.destination
    bpf = asked.cell.phase.dataplane is words.Dataplane.BPF
    if flow is None or not bpf or not asked.reply.answered or len(destination.backends) != 1:
        return None
    (backend,), client = destination.backends, asked.cell.client
    after = dataclasses.replace(flow, destination=backend.address, port=destination.target_port)
    return Hop(node=client.node or backend.node, before=flow, after=after, local=client.kind is words.ClientKind.HOST)


def owners_in(known: facts.Facts, planned: Iterable[cells.Cell]) -> dict[facts.Address, str]:
    """The node that has each address, or on which the pod with it is."""
    backends = (pod for cell in planned for pod in cell.destination.backends)
    found = {pod.address: pod.node for pod in (*known.other_pods, *known.clients, *backends)}
    return found | {address: node.name for node in known.nodes for address in (node.address, node.tunnel) if address}


def account(way: Way, cell: cells.Cell) -> cells.Account | None:
    """What the last node on a whole way says of the source; None if that is no backend's."""
    if not way.whole:
        return None
    last = way.hops[-1]
    end = (last.after.destination, last.after.port)
    for pod in cell.destination.backends:
        if (pod.address, cell.destination.target_port) == end and pod.node == last.node:
            return cells.Account(
                witness=words.Witness.KERNEL,
                address=last.after.source,
                backend=f"{pod.namespace}/{pod.name}",
                port=last.after.source_port,
                detail=f"{last.node}'s table: {last.before.text}, went on as {last.after.text}",
            )
    return None
