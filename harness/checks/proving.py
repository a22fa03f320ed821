"""The full proof of a phase: every node's evidence, before and after the samples that had to leave their traces."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.checks import scene
from harness.dataplane import deciding, evidence, showing
from harness.kube import client
from harness.model import cells, facts, words

_COUNTED = frozenset({words.Protocol.HTTP, words.Protocol.TCP})


class Examine(Protocol):
    """Asks every node what ``evidence.QUESTIONS`` names, or only some of it; ``evidence.collect`` does."""

    def __call__(
        self, api: client.Client, known: facts.Facts, *, only: Container[str] = evidence.QUESTIONS
    ) -> tuple[evidence.Evidence, ...]:
        """A node's evidence each; raises ApiError."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What a phase's evidence says.

    Attributes:
        by_node: A line a node: the dataplane's name, or why there is none, and then the evidence.
        table: All of it for people.
        trouble: One sentence if not every node has the phase's dataplane; empty if it has.
    """

    by_node: Mapping[str, str]
    table: str
    trouble: str


class Proving:
    """Collects evidence around the samples of a phase."""

    def __init__(self, place: scene.Scene, examine: Examine = evidence.collect) -> None:
        """Ask the nodes of a scene; ``examine`` asks them everything."""
        self._place = place
        self._examine = examine
        self._before: tuple[evidence.Evidence, ...] = ()

    def begin(self, known: facts.Facts) -> None:
        """Read the counters that the samples must move; raises ApiError."""
        self._before = self._examine(self._place.api, known, only=("rules",))

    def end(self, phase: words.Phase, known: facts.Facts, verdicts: Iterable[cells.Verdict]) -> Proven:
        """Decide by what the nodes show now, and by which counters moved since; raises ApiError."""
        found = self._examine(self._place.api, known)
        decisions = deciding.decide_all(found, self._before, dialled(verdicts))
        return Proven(
            by_node={item.node: item.summary for item in decisions},
            table=showing.table(found, decisions),
            trouble=deciding.trouble(decisions, phase.dataplane),
        )


def dialled(verdicts: Iterable[cells.Verdict]) -> dict[str, frozenset[int]]:
    """By node, the NodePorts whose rule a client outside the cluster must have met there. Pure."""
    found: dict[str, frozenset[int]] = {}
    for verdict in verdicts:
        cell = verdict.cell
        outside = cell.client.kind in (words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY)
        if outside and cell.entry is not None and verdict.samples and cell.destination.protocol in _COUNTED:
            ports = found.get(cell.entry.name, frozenset())
            found[cell.entry.name] = ports | {cell.destination.node_port}
    return found
