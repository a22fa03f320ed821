"""From facts to a plan: every cell of a phase with what must be seen in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.model import cells, facts, paths, words
from harness.oracle import (
    calico_bpf,
    calico_vpp,
    classes,
    kube_proxy_iptables,
    kube_proxy_ipvs,
    kube_proxy_nftables,
    rules,
    windows_hns,
)

BOOKS: Mapping[words.Dataplane, rules.Book] = MappingProxyType(
    {
        words.Dataplane.IPTABLES: kube_proxy_iptables.BOOK,
        words.Dataplane.NFTABLES: kube_proxy_nftables.BOOK,
        words.Dataplane.IPVS: kube_proxy_ipvs.BOOK,
        words.Dataplane.BPF: calico_bpf.BOOK,
        words.Dataplane.VPP: calico_vpp.BOOK,
        words.Dataplane.HNS: windows_hns.BOOK,
    }
)

Plan = tuple[tuple[cells.Cell, cells.Expectation], ...]


def expect_on(path: paths.Path, dataplane: words.Dataplane, known: facts.Facts) -> cells.Expectation:
    """What must be seen on that path while that dataplane is in force.

    Raises:
        NoPrediction: Nothing is known about such a path.
    """
    return BOOKS[dataplane].expect(path, known)


def expect(cell: cells.Cell, known: facts.Facts) -> cells.Expectation:
    """What must be seen in that cell.

    Raises:
        NoPrediction: Nothing is known about such a cell.
    """
    return expect_on(paths.from_cell(cell, known), cell.phase.dataplane, known)


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
