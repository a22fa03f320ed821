"""Whose address is it: decided by exact membership, never by CIDR or prefix. Pure."""

from __future__ import annotations

from harness.model import cells, facts, words


def classify(address: facts.Address, cell: cells.Cell, known: facts.Facts) -> words.AddressClass:
    """The class of an address as seen from that cell; ``unknown`` if nobody owns it.

    A node can have two roles at once, and then the entry node comes before the backend's node.

    Raises:
        ValueError: The client's address is also another's, so nothing that is seen could be told apart.
    """
    owners = _owners(cell, known)
    held = [klass for klass, addresses in owners if address in addresses]
    if words.AddressClass.CLIENT in held and len(held) > 1:
        raise ValueError(f"{address} is the client's and also of class {held[1].value}: nothing can be told apart")
    return held[0] if held else words.AddressClass.UNKNOWN


def _owners(cell: cells.Cell, known: facts.Facts) -> list[tuple[words.AddressClass, set[facts.Address]]]:
    backend_nodes = {pod.node for pod in cell.destination.backends}
    hosts = [node for node in known.nodes if node.name in backend_nodes]
    pods = [*known.other_pods, *(pod for destination in known.destinations for pod in destination.backends)]
    classes = words.AddressClass
    # The gateway is left out where it is the client itself, which is how a run from the hosting machine looks.
    gateway = {known.gateway} - {None, known.client.address}
    return [
        (classes.CLIENT, {known.client.address}),
        (classes.ENTRY_NODE, {cell.entry.address}),
        (classes.ENTRY_TUNNEL, _some(cell.entry.tunnel)),
        (classes.BACKEND_NODE, {node.address for node in hosts}),
        (classes.BACKEND_TUNNEL, set().union(*(_some(node.tunnel) for node in hosts))),
        (classes.OTHER_NODE, set().union(*({node.address} | _some(node.tunnel) for node in known.nodes))),
        (classes.POD, {pod.address for pod in pods if not pod.host_network}),
        (classes.GATEWAY, {address for address in gateway if address is not None}),
        (classes.SERVICE, set().union(*(_some(destination.cluster_ip) for destination in known.destinations))),
    ]


def _some(address: facts.Address | None) -> set[facts.Address]:
    return {address} if address is not None else set()
