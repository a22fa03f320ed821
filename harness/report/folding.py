"""Verdicts that say the same, as one: what a person can read of a thousand cells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.model import cells, records, words


@dataclass(frozen=True, kw_only=True)
class Group:
    """Verdicts of one phase and one way through the cluster that differ in protocol, backend and entry node only.

    Attributes:
        phase: When.
        verdicts: At least one; they share path name, expectation, outcome and what was seen.
    """

    phase: words.Phase
    verdicts: tuple[cells.Verdict, ...]

    @property
    def first(self) -> cells.Verdict:
        """The one that is shown for all."""
        return self.verdicts[0]

    @property
    def right(self) -> int:
        """How many samples agree, in all cells together."""
        return sum(verdict.right for verdict in self.verdicts)

    @property
    def total(self) -> int:
        """How many samples were asked for, in all cells together."""
        return sum(verdict.total for verdict in self.verdicts)

    @property
    def over(self) -> str:
        """The protocols."""
        return spoken(verdict.cell.row.protocol for verdict in self.verdicts)

    @property
    def to(self) -> str:
        """The kinds of backend."""
        return " ".join(dict.fromkeys("host" if item.cell.row.host_backend else "pod" for item in self.verdicts))

    @property
    def seen_text(self) -> str:
        """What was seen, most often first, with counts where it was not all the same."""
        counts: Counter[str] = Counter()
        for verdict in self.verdicts:
            counts.update(verdict.seen)
        return cells.seen_text(counts)


def groups(record: records.RunRecord, *, warned: bool = False) -> tuple[Group, ...]:
    """All verdicts that did not pass, or all that passed with a warning, folded; the worst outcome first."""
    found: dict[tuple[object, ...], list[cells.Verdict]] = {}
    for phase in record.phases:
        for verdict in phase.verdicts:
            bad = verdict.outcome is not words.Outcome.PASS
            if (verdict.warnings and not bad) if warned else bad:
                found.setdefault(_shared(verdict), []).append(verdict)
    folded = (Group(phase=shared[0].cell.phase, verdicts=tuple(shared)) for shared in found.values())
    return tuple(sorted(folded, key=lambda group: -list(words.Outcome).index(group.first.outcome)))


def _shared(verdict: cells.Verdict) -> tuple[object, ...]:
    # A flapping cell shows the same faults at other counts elsewhere, so what was seen counts and how often does not.
    seen = frozenset(verdict.seen)
    return verdict.cell.phase, verdict.cell.row.path_name, verdict.outcome, verdict.expectation.text, seen


def by_path(phase: records.PhaseRecord) -> Mapping[str, Sequence[cells.Verdict]]:
    """A phase's verdicts by the way through the cluster, in the matrix's order."""
    found: dict[str, list[cells.Verdict]] = {}
    for verdict in phase.verdicts:
        found.setdefault(verdict.cell.row.path_name, []).append(verdict)
    return found


def spoken(protocols: Iterable[words.Protocol]) -> str:
    """Protocols in few letters."""
    distinct = list(dict.fromkeys(protocols))
    if len(distinct) == len(words.Protocol):
        return "all"
    return " ".join(protocol.value for protocol in distinct).replace("UDP-unconnected", "UDPu")


def classes(expectation: cells.Expectation) -> str:
    """Whose address is expected, or that no answer is."""
    if isinstance(expectation, cells.NoAnswer):
        return "no answer"
    return ", ".join(dict.fromkeys(source.klass.value for source in expectation.sources))


def confirmed(expectation: cells.Expectation) -> str:
    """What stands behind an expectation, in a word."""
    return f"observed on {expectation.observed}" if expectation.observed else expectation.confirmed.value
