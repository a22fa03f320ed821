"""The client's way to each node: dial a port of the node's own, and ask the node's kernel who that is.

No Service is involved, so what the kernel shows is what any dataplane gets. The connection stays open until the node
has been asked; that it is answered sensibly does not matter.
"""

from __future__ import annotations

import concurrent.futures
import uuid
from collections.abc import Mapping

from harness.checks import scene
from harness.checks.environment import reading, sockets
from harness.checks.environment.seen import Way
from harness.kube import client
from harness.model import cells, facts, words
from harness.probing import client as probing

_TRIED = 3
_TIMEOUT_S = 1.0

Dialled = tuple[int, cells.Reply]


def look(
    place: scene.Scene, known: facts.Facts, pods: Mapping[str, client.Object], before: reading.Answers
) -> tuple[Way, ...]:
    """One way for each node that can be asked; none without a client outside the cluster.

    Raises:
        ProbeError: The probe failed.
        ApiError: The API refused.
    """
    services = frozenset(item.node_port for item in known.destinations)
    ports = {
        node.name: sockets.own_ports(reading.sockets_of(before, node.name), node, services)[:_TRIED]
        for node in known.asked
    }
    probe = place.probe
    if probe is None:
        return ()
    with concurrent.futures.ThreadPoolExecutor(max(1, min(len(known.asked), 16))) as pool:
        dialled = list(pool.map(lambda node: _dial(probe, node, ports[node.name]), known.asked))
    after = reading.ask(place.api, pods, (reading.SOCKETS,))
    return tuple(
        way_from(node, replies, reading.sockets_of(before, node.name), reading.sockets_of(after, node.name))
        for node, replies in zip(known.asked, dialled, strict=True)
    )


def _dial(probe: probing.Dialler, node: facts.Node, ports: tuple[int, ...]) -> tuple[Dialled, ...]:
    """The first of these ports that takes a connection; nothing if none does."""
    for port in ports:
        wanted = probing.Dial(
            address=node.address,
            port=port,
            protocol=words.Protocol.HTTP,
            tokens=(str(uuid.uuid4()),),
            timeout_s=_TIMEOUT_S,
            keep_open=True,
        )
        reply = next(iter(probe.dial(wanted).values()))
        if reply.local is not None:
            return ((port, reply),)
    return ()


def way_from(
    node: facts.Node,
    dialled: tuple[Dialled, ...],
    before: tuple[sockets.Socket, ...],
    after: tuple[sockets.Socket, ...],
) -> Way:
    """What the node's sockets say of the connection that was made. Pure."""
    for port, reply in dialled:
        if reply.local is not None:
            address, far_port = reply.local
            return Way(node=node.name, port=port, local=address, saw=sockets.peers(before, after, port, far_port))
    return Way(node=node.name)
