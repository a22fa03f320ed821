"""``docs/lab-vs-calico.md``, made from the list of differences: ``python -m tests.lab.matrix.page`` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import tabulate

from tests.lab.matrix import listed, outcomes, recorded

PATH = Path(__file__).resolve().parents[3] / "docs" / "lab-vs-calico.md"

HEAD = """\
# What the lab shows otherwise than Calico

The lab is held against recordings of a real kind + Calico v3.32.1 cluster, cell by cell and phase by phase, by
`tests/lab/test_matrix_recordings.py`. A cell is a client, a Service, the node that is dialled and a protocol. It is
equal if the lab shows nothing but what was recorded: whose address the server saw or which silence, whom the client's
socket was connected to, and who answered. Every cell that is not equal is on this page with its cause, and the test
fails on a difference that is not here and on one that is here and no longer occurs. `python -m tests.lab.matrix`
prints recorded beside seen.

This page is made from `tests/lab/matrix/listed.py` by `python -m tests.lab.matrix.page`; a test holds both together.

## Phases
"""

PHASES = """\
The lab has no `nftables` phase (378 recorded cells). It renders kube-proxy's iptables rules and no nftables ones, so
its operator refuses `linuxDataplane: Nftables` as Degraded instead of pretending. In the recordings every nftables
cell equals its iptables cell, and the oracle predicts both, so what is not exercised is that dataplane's own code,
not an address.
"""

DIFFERENCES = """\
All of them are one kind of path: a host-network client dials the NodePort of a host-network backend in eBPF mode. In
these cells the oracle marks its prediction *observed*, so on a real cluster a deviation there is a warning and never
a failure; the lab forwards what real Calico lost. "seen" is the address that the backend saw.
"""


def text() -> str:
    """The whole page."""
    parts = [HEAD, _table(("phase", "recorded cells", "equal", "different"), _phases()), "", PHASES]
    parts += ["## Differences\n", DIFFERENCES]
    for item in listed.DIFFERENCES:
        parts += [f"### {item.name.capitalize()}\n", f"{item.cause}\n", _cells(item), ""]
    return "\n".join(parts).rstrip() + "\n"


def _phases() -> Iterator[tuple[str, int, int, int]]:
    for phase in recorded.PHASES:
        cells = len(recorded.cells(phase))
        different = sum(where == phase for item in listed.DIFFERENCES for where, _ in item.by_cell)
        yield phase, cells, cells - different, different


def _cells(item: listed.Difference) -> str:
    # The nodes through which a client shows the same are named in one line.
    rows = sorted((_same(key, lab), key[1].via) for key, lab in item.by_cell.items())
    lines = []
    for (phase, client, protocol, was, lab), group in groupby(rows, key=lambda row: row[0]):
        lines.append((phase, client, protocol, ", ".join(via for _, via in group), was, lab))
    return _table(("phase", "client", "protocol", "through", "recorded", "lab"), lines)


def _same(key: listed.Key, lab: str) -> tuple[str, str, str, str, str]:
    phase, cell = key
    found = recorded.cells(phase)[cell]
    was = " / ".join(sorted(str(outcome) for outcome in found))
    silent = all(outcome.seen in outcomes.SILENCES for outcome in found)
    return phase, cell.client, cell.protocol, was if silent else f"seen {was}", f"seen {lab}"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    return tabulate.tabulate(rows, headers=list(head), tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
