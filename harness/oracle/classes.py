"""Whose address is it: decided by exact membership, never by CIDR or prefix. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from harness.model import facts, paths, words

_OUTSIDE = frozenset({words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY})


def classify(address: facts.Address, path: paths.Path, known: facts.Facts) -> words.AddressClass:
    """The class of an address as seen on that path; ``unknown`` if nobody owns it.

    A node can have several roles at once, and then the client comes first, the entry node next and the client's
    node before the backend's. A host-network client's own address is its node's, so it is of class ``client``.

    Raises:
        ValueError: The address of a client outside the cluster is also another's, so nothing that is seen could be
            told apart.
    """
    owners = _owners(path, known)
    held = [klass for klass, addresses in owners if address in addresses]
    if path.client.kind in _OUTSIDE and words.AddressClass.CLIENT in held and len(held) > 1:
        raise ValueError(f"{address} is the client's and also of class {held[1].value}: nothing can be told apart")
    return held[0] if held else words.AddressClass.UNKNOWN


def _owners(path: paths.Path, known: facts.Facts) -> list[tuple[words.AddressClass, set[facts.Address]]]:
    classes = words.AddressClass
    names = {pod.node for pod in path.destination.backends}
    entry = [path.entry] if path.entry is not None else []
    own = [node for node in known.nodes if node.name == path.client.node]
    hosts = [node for node in known.nodes if node.name in names]
    return [
        (classes.CLIENT, {path.client.address}),
        (classes.ENTRY_NODE, {node.address for node in entry}),
        (classes.ENTRY_TUNNEL, _tunnels(entry)),
        (classes.CLIENT_NODE, {node.address for node in own}),
        (classes.CLIENT_TUNNEL, _tunnels(own)),
        (classes.BACKEND_NODE, {node.address for node in hosts}),
        (classes.BACKEND_TUNNEL, _tunnels(hosts)),
        (classes.OTHER_NODE, {node.address for node in known.nodes} | _tunnels(known.nodes)),
        (classes.POD, _pods(path, known)),
        # The gateway is left out where it is the client itself, which is how a run from the hosting machine looks.
        (classes.GATEWAY, _some(known.gateway) - {path.client.address}),
        (classes.SERVICE, _services(path, known)),
    ]


def _pods(path: paths.Path, known: facts.Facts) -> set[facts.Address]:
    behind = [pod for destination in (*known.destinations, path.destination) for pod in destination.backends]
    return {pod.address for pod in (*known.other_pods, *known.clients, *behind) if not pod.host_network}


def _services(path: paths.Path, known: facts.Facts) -> set[facts.Address]:
    return set().union(*(_some(item.cluster_ip) for item in (*known.destinations, path.destination)))


def _tunnels(nodes: Iterable[facts.Node]) -> set[facts.Address]:
    return set().union(*(_some(node.tunnel) for node in nodes))


def _some(address: facts.Address | None) -> set[facts.Address]:
    return {address} if address is not None else set()
