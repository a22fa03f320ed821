"""The walk A, B, A': iptables, eBPF, iptables again, with each phase awaited and timed before it is judged.

Convergence and verdict are two measures. A phase is awaited until every node's kernel has the dataplane and fresh
connections through every node were right several times in a row; only then are its samples taken, and every one of
them counts. A phase that does not come into force is sampled all the same, so that the report names the cells.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.checks import scene, source_ip
from harness.core import errors, waiting
from harness.dataplane import calico, proof
from harness.kube import client, inventory
from harness.model import cells, facts, records, words

log = logging.getLogger("harness.walk")

# How many looks in a row must be right before a phase counts as converged.
STREAK = 3
_DELAY_S = 0.05

Tell = Callable[[str], None]
Observe = Callable[[client.Client, facts.Facts], tuple[proof.InForce, ...]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a cluster that may be under way from one dataplane to the other.

    Attributes:
        at: When it ended, on the clock of the wait.
        found: What is in force on each node.
        wrong: One sentence for every fresh connection that was not right; None while the proof is still missing.
    """

    at: float
    found: tuple[proof.InForce, ...]
    wrong: tuple[str, ...] | None

    @property
    def right(self) -> bool:
        """The kernels have it, and fresh connections show it."""
        return self.wrong == ()

    def __str__(self) -> str:
        return proof.text(self.found) + (f"; {'; '.join(self.wrong)}" if self.wrong else "")


class Walk:
    """Phases in their order, each run once and remembered, so that a run switches at most twice."""

    def __init__(
        self,
        place: scene.Scene,
        *,
        samples: int,
        tell: Tell = log.info,
        observe: Observe = proof.observe,
        clock: waiting.Clock = waiting.REAL,
    ) -> None:
        """Walk on a scene.

        Args:
            place: The cluster and the client.
            samples: How many samples a cell gets.
            tell: Hears of progress.
            observe: Asks every node what is in force on it.
            clock: Time.
        """
        self._place = place
        self._samples = samples
        self._tell = tell
        self._observe = observe
        self._clock = clock
        self._done: dict[words.Phase, records.PhaseRecord] = {}
        self._found: words.Dataplane | None = None

    @property
    def done(self) -> tuple[records.PhaseRecord, ...]:
        """The phases so far, in their order."""
        return tuple(self._done.values())

    def reach(self, phase: words.Phase) -> records.PhaseRecord:
        """The record of a phase; it and those before it are run if they have not been yet.

        Raises:
            HarnessError: The cluster or the probe failed, so that nothing could be measured.
        """
        for earlier in words.Phase:
            if earlier not in self._done:
                self._done[earlier] = self._run(earlier)
            if earlier is phase:
                return self._done[phase]
        raise AssertionError(phase)

    def _run(self, phase: words.Phase) -> records.PhaseRecord:
        started = self._clock.now()
        switched = self._ask_for(phase.dataplane)
        looks, trouble = self._settle(phase)
        streak = first_of_streak(looks)
        known = self._place.facts()
        self._tell(f"{phase.value}: {trouble or proof.text(looks[-1].found)}; taking {self._samples} samples a cell")
        return records.PhaseRecord(
            phase=phase,
            proof={state.node: state.text for state in looks[-1].found},
            switched=switched,
            proven_s=_since(started, first_proven(looks)),
            converged_s=_since(started, streak),
            trouble=trouble,
            verdicts=source_ip.verdicts(self._place, phase, known, samples=self._samples),
        )

    def restore(self) -> None:
        """Ask for the dataplane that the cluster was found with, if a phase has changed it; raises ApiError."""
        if self._found is not None and declared(self._place.api.get(inventory.INSTALLATION)) != self._found.value:
            self._tell(f"switching back to {self._found.value}")
            calico.switch(self._place.api, self._found)

    def _ask_for(self, dataplane: words.Dataplane) -> bool:
        current = declared(self._place.api.get(inventory.INSTALLATION))
        if self._found is None:
            self._found = words.Dataplane(current)
        if current == dataplane.value:
            return False
        self._tell(f"switching to {dataplane.value}")
        calico.switch(self._place.api, dataplane)
        return True

    def _settle(self, phase: words.Phase) -> tuple[list[Look], str]:
        looks: list[Look] = []

        def observe() -> Look:
            looks.append(self._look(phase))
            return looks[-1]

        try:
            waiting.wait_until(
                observe,
                lambda look: look.right,
                what=f"{phase.dataplane.value} in force and seen",
                timeout_s=self._place.patience.switch_s,
                delay_s=_DELAY_S,
                successes=STREAK,
                clock=self._clock,
            )
        except errors.WaitTimeout as error:
            return looks, str(error)
        return looks, ""

    def _look(self, phase: words.Phase) -> Look:
        known = self._place.facts()
        found = self._observe(self._place.api, known)
        wrong = self._wrong(phase, known) if proof.is_everywhere(found, phase.dataplane) else None
        return Look(at=self._clock.now(), found=found, wrong=wrong)

    def _wrong(self, phase: words.Phase, known: facts.Facts) -> tuple[str, ...]:
        """What one fresh connection a cell shows; those that must stay unanswered are left to the verdict."""
        answering = dataclasses.replace(
            known, destinations=tuple(item for item in known.destinations if item.policy is words.Policy.CLUSTER)
        )
        hasty = dataclasses.replace(self._place.patience, probe_s=self._place.patience.unanswered_s)
        place = dataclasses.replace(self._place, patience=hasty)
        try:
            found = source_ip.verdicts(place, phase, answering, samples=1)
        except errors.CapabilityMissing as error:
            # A pod that is being replaced leaves its Service without a backend for a moment.
            return (str(error),)
        return tuple(verdict.sentence for verdict in found if verdict.outcome is not words.Outcome.PASS)


def declared(installation: Mapping[str, object]) -> str:
    """What an Installation asks for; ``Iptables`` is the operator's default. Pure."""
    spec = installation.get("spec")
    network = spec.get("calicoNetwork") if isinstance(spec, dict) else None
    value = network.get("linuxDataplane") if isinstance(network, dict) else None
    return str(value or words.Dataplane.IPTABLES.value)


def first_of_streak(looks: list[Look]) -> Look | None:
    """The first of the right looks that the wait ended with; None if it ended without enough of them. Pure."""
    streak: list[Look] = []
    for look in reversed(looks):
        if not look.right:
            break
        streak.append(look)
    return streak[-1] if len(streak) >= STREAK else None


def first_proven(looks: list[Look]) -> Look | None:
    """The first look at which every kernel had the dataplane. Pure."""
    return next((look for look in looks if look.wrong is not None), None)


def _since(started: float, look: Look | None) -> float | None:
    return round(look.at - started, 3) if look is not None else None


def failures(record: records.PhaseRecord, verdicts: tuple[cells.Verdict, ...]) -> tuple[str, ...]:
    """Why these verdicts of a phase are not good enough: the phase's own trouble, then one sentence a cell. Pure."""
    trouble = (f"{record.phase.value}: {record.trouble}",) if record.trouble else ()
    bad = tuple(verdict.sentence for verdict in verdicts if verdict.outcome is not words.Outcome.PASS)
    return (*trouble, *bad) if verdicts else (*trouble, f"{record.phase.value}: no cell was planned")
