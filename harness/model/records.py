"""What a run leaves behind: one record, from which every report is made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model import cells, facts, words


@dataclass(frozen=True, kw_only=True)
class PhaseRecord:
    """One phase, as measured.

    Attributes:
        phase: Which.
        proof: What is in force on each node, by node name, as its kernel said: a dataplane's name, or what is wrong.
        switched: Whether the dataplane had to be switched for this phase.
        converged_s: Seconds from the request (or the start of the phase) until fresh connections were first right
            and then stayed right; None if that never came.
        proven_s: Seconds until every node's kernel had then been asked and had the dataplane; None likewise. It
            includes the asking, which takes longer than the connections do.
        trouble: What kept the phase from coming into force; empty if nothing did.
        verdicts: One for every planned cell.
    """

    phase: words.Phase
    proof: Mapping[str, str]
    switched: bool
    proven_s: float | None
    converged_s: float | None
    trouble: str
    verdicts: tuple[cells.Verdict, ...]

    @property
    def passed(self) -> bool:
        """The dataplane came into force, and every planned cell passed."""
        return not self.trouble and bool(self.verdicts) and all(v.outcome is words.Outcome.PASS for v in self.verdicts)

    def of_policy(self, policy: words.Policy) -> tuple[cells.Verdict, ...]:
        """The verdicts of one traffic policy."""
        return tuple(verdict for verdict in self.verdicts if verdict.cell.policy is policy)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes:
        provider: ``lab``, ``kind`` or ``existing``.
        description: What the dataplane really is, in the words that every report must show.
        client: Who dialled.
        samples: Samples a cell.
        started: When the run began, ISO 8601 in UTC.
        phases: In the order in which they were run.
        timings_s: Other measured times, in seconds, by name.
        memory_mib: Sum of the provider's processes' PSS, or None where it can't be measured.
        skipped: What was left out, with the reason.
    """

    provider: str
    description: str
    client: facts.Client
    samples: int
    started: str
    phases: tuple[PhaseRecord, ...]
    timings_s: Mapping[str, float] = field(default_factory=dict)
    memory_mib: float | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """At least one phase ran, and all passed."""
        return bool(self.phases) and all(phase.passed for phase in self.phases)
