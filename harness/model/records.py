"""What a run leaves behind: one record, from which every report is made. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.model import cells, facts, matrix, words

CONTROLS = frozenset({"positive", "negative", "unreachable"})
"""The names of the controls; a phase that was sampled without one of them proves nothing."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """Something that must be so in every phase, whatever the dataplane.

    Attributes:
        name: ``positive``, ``negative`` or ``unreachable``.
        held: Whether it was so.
        text: What was to be seen, and what was.
    """

    name: str
    held: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Something about the machine or the cluster that would change what is seen, and is not the dataplane.

    Attributes:
        cause: Which, in a few words that stay the same from run to run.
        where: The node or the place.
        text: What was found, in one sentence.
        remedy: What a person can do about it; may be empty.
        blocking: Whether nothing that is measured with it means anything, so that the run is INVALID.
    """

    cause: str
    where: str
    text: str
    remedy: str = ""
    blocking: bool = False

    @property
    def sentence(self) -> str:
        """One line that names it."""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"ENVIRONMENT {self.cause}, {self.where}: {self.text}{remedy}"


@dataclass(frozen=True, kw_only=True)
class PhaseRecord:
    """One phase, as measured.

    Attributes:
        phase: Which.
        proof: What is in force on each node, by node name, as its kernel said: a dataplane's name, or what is wrong;
            after a colon the evidence, where all of it was collected.
        switched: Whether the dataplane had to be switched for this phase.
        converged_s: Seconds from the request (or the start of the phase) until fresh connections were first right
            and then stayed right; None if that never came.
        proven_s: Seconds until every node's kernel had then been asked and had the dataplane; None likewise. It
            includes the asking, which takes longer than the connections do.
        trouble: What kept the phase from coming into force; empty if nothing did.
        verdicts: One for every planned cell.
        skipped: The rows of the matrix that have no place or no expectation here.
        controls: What must hold in every phase, or the run proves nothing.
    """

    phase: words.Phase
    proof: Mapping[str, str]
    switched: bool
    proven_s: float | None
    converged_s: float | None
    trouble: str
    verdicts: tuple[cells.Verdict, ...]
    skipped: tuple[cells.Skipped, ...] = ()
    controls: tuple[Control, ...] = ()

    @property
    def outcome(self) -> words.Outcome:
        """INVALID if a control misbehaved or never was, else the worst of the cells; without a cell an error."""
        found = {verdict.outcome for verdict in self.verdicts}
        missing = CONTROLS - {control.name for control in self.controls}
        if not all(control.held for control in self.controls) or (self.verdicts and missing):
            found.add(words.Outcome.INVALID)
        if not self.verdicts:
            found.add(words.Outcome.ERROR)
        if self.trouble:
            found.add(words.Outcome.FAIL)
        return words.worst(found)

    @property
    def passed(self) -> bool:
        """The dataplane came into force, every control held, and every planned cell passed."""
        return self.outcome is words.Outcome.PASS

    @property
    def warnings(self) -> int:
        """How many cells differ from what was only observed, never explained."""
        return sum(bool(verdict.warnings) for verdict in self.verdicts)

    def of_rows(self, rows: Iterable[matrix.Row]) -> tuple[cells.Verdict, ...]:
        """The verdicts of these rows."""
        chosen = set(rows)
        return tuple(verdict for verdict in self.verdicts if verdict.cell.row in chosen)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes:
        provider: ``lab``, ``kind`` or ``existing``.
        description: What the dataplane really is, in the words that every report must show.
        client: Who dialled from outside the cluster; None if nobody did.
        samples: Samples a cell.
        started: When the run began, ISO 8601 in UTC.
        phases: In the order in which they were run.
        timings_s: Other measured times, in seconds, by name.
        memory_mib: Sum of the provider's processes' PSS, or None where it can't be measured.
        skipped: What was left out, with the reason.
        wanted: The phases that the run was to have; one that is not there was never run.
        environment: What was found before the first phase.
        interrupted: What ended the run before its end; empty if nothing did.
    """

    provider: str
    description: str
    client: facts.Client | None
    samples: int
    started: str
    phases: tuple[PhaseRecord, ...]
    timings_s: Mapping[str, float] = field(default_factory=dict)
    memory_mib: float | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[words.Phase, ...] = ()
    environment: tuple[Environment, ...] = ()
    interrupted: str = ""

    @property
    def client_text(self) -> str:
        """Who dialled, for a report."""
        who = self.client
        return f"{who.kind.value}, {who.address}" if who is not None else "inside the cluster only"

    @property
    def outcome(self) -> words.Outcome:
        """The worst of the phases; an environment that blocks is INVALID, and what never ran is an error."""
        found = {phase.outcome for phase in self.phases}
        if any(finding.blocking for finding in self.environment):
            found.add(words.Outcome.INVALID)
        if self.interrupted or not self.phases or set(self.wanted) - {phase.phase for phase in self.phases}:
            found.add(words.Outcome.ERROR)
        return words.worst(found)

    @property
    def skips(self) -> Mapping[words.SkipReason, int]:
        """How much was left out, by reason: rows of the matrix in each phase, and capabilities."""
        rows = Counter(item.reason for phase in self.phases for item in phase.skipped)
        return rows + Counter({words.SkipReason.CAPABILITY: len(self.skipped)})

    @property
    def warnings(self) -> int:
        """How many cells warn."""
        return sum(phase.warnings for phase in self.phases)

    @property
    def passed(self) -> bool:
        """Everything that was to be run ran, and passed."""
        return self.outcome is words.Outcome.PASS
