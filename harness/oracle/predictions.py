"""From facts to a plan: every cell of a phase with what must be seen in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.model import cells, facts, laying, matrix, paths, words
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a phase samples, and what it leaves out.

    Attributes:
        planned: Each cell with what must be seen in it.
        skipped: The rows that are left out, each with its reason.
    """

    planned: tuple[tuple[cells.Cell, cells.Expectation], ...]
    skipped: tuple[cells.Skipped, ...] = ()


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
    return expect_on(cell.path, _in_force(cell, known), known)


def _in_force(cell: cells.Cell, known: facts.Facts) -> words.Dataplane:
    """The dataplane of the node that translates: the one that is dialled, or the client's own where none is."""
    entry = cell.path.entry
    where = entry if entry is not None else next((n for n in known.nodes if n.name == cell.path.client.node), None)
    own = where.dataplane if where is not None else None
    return own or cell.phase.dataplane


def plan(phase: words.Phase, known: facts.Facts, rows: Sequence[matrix.Row]) -> Plan:
    """Every one of these rows at its places, each with its expectation, or with the reason why there is none.

    Raises:
        ValueError: No row has a place and an expectation, so nothing would be checked; or the address of a client
            outside the cluster is also another's, so nothing could be told apart.
    """
    placed: list[tuple[cells.Cell, cells.Expectation]] = []
    skipped: list[cells.Skipped] = []
    for row in rows:
        try:
            laid = [cells.Cell(phase=phase, row=row, path=path) for path in laying.lay_all(row, known)]
            placed += [(cell, expect(cell, known)) for cell in laid]
        except laying.NoClient as error:
            skipped.append(cells.Skipped(phase=phase, row=row, reason=words.SkipReason.CAPABILITY, detail=str(error)))
        except laying.NoPlace as error:
            skipped.append(cells.Skipped(phase=phase, row=row, reason=words.SkipReason.NO_PLACE, detail=str(error)))
        except cells.NoPrediction as error:
            skipped.append(cells.Skipped(phase=phase, row=row, reason=words.SkipReason.NOT_KNOWN, detail=str(error)))
    if not placed:
        reasons = "; ".join(dict.fromkeys(item.detail for item in skipped)) or "no row was asked for"
        raise ValueError(f"a plan without a cell would pass whatever happens: {reasons}")
    for cell, _ in placed:
        classes.classify(cell.client.address, cell.path, known)
    return Plan(planned=tuple(placed), skipped=tuple(skipped))
