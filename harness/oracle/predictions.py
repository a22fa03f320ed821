"""From facts to a plan: every cell of a phase with what must be seen in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.model import cells, facts, words
from harness.oracle import calico_bpf, classes, kube_proxy_iptables, rules

BOOKS: Mapping[words.Dataplane, rules.Book] = MappingProxyType(
    {words.Dataplane.IPTABLES: kube_proxy_iptables.BOOK, words.Dataplane.BPF: calico_bpf.BOOK}
)

Plan = tuple[tuple[cells.Cell, cells.Expectation], ...]


def expect(cell: cells.Cell, known: facts.Facts) -> cells.Expectation:
    """What must be seen in that cell.

    Raises:
        NoPrediction: Nothing is known about such a cell.
    """
    book = BOOKS.get(cell.phase.dataplane)
    if book is None:
        raise cells.NoPrediction(f"{cell.name}: no dataplane {cell.phase.dataplane.value} in the books")
    return book.expect(cell, known)


def plan(phase: words.Phase, known: facts.Facts) -> Plan:
    """Every destination through every node, each with its expectation.

    Raises:
        NoPrediction: Nothing is known about one of the cells.
        ValueError: There is no node or no destination, so nothing would be checked; or the client's address is
            also another's, so nothing could be told apart.
    """
    if not known.nodes or not known.destinations:
        raise ValueError("a plan without a cell would pass whatever happens")
    planned = [
        cells.Cell(phase=phase, client=known.client.kind, entry=node, destination=destination)
        for destination in known.destinations
        for node in known.nodes
    ]
    for cell in planned:
        classes.classify(known.client.address, cell, known)
    return tuple((cell, expect(cell, known)) for cell in planned)
