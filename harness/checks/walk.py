"""The walk A, B, A': iptables, eBPF, iptables again, with each phase awaited and timed before it is judged.

Convergence and verdict are two measures. A phase is awaited until every node's kernel has the dataplane and fresh
connections through every node were right several times in a row; only then are its samples taken, and every one of
them counts. A phase that does not come into force is sampled all the same, so that the report names the cells.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from harness.checks import controls, convergence, proving, rollout, sampling, scene
from harness.core import errors, waiting
from harness.dataplane import calico, proof
from harness.kube import inventory
from harness.model import cells, matrix, records, words

log = logging.getLogger("harness.walk")

Tell = Callable[[str], None]
# A phase with fewer samples is through before a line about it is read.
_WORTH_TELLING, _PARTS = 500, 5


class Walk:
    """Phases in their order, each run once and remembered, so that a run switches at most twice."""

    def __init__(
        self,
        place: scene.Scene,
        *,
        samples: int,
        rows: Sequence[matrix.Row] = matrix.WALKTHROUGH,
        phases: Sequence[words.Phase] = tuple(words.Phase),
        tell: Tell = log.info,
        observe: convergence.Observe = proof.observe,
        examine: proving.Examine | None = None,
        told: calico.Way | None = None,
        confined: bool = False,
        after: Callable[[records.PhaseRecord], object] = lambda _record: None,
        clock: waiting.Clock = waiting.REAL,
    ) -> None:
        """Walk on a scene.

        Args:
            place: The cluster and the client.
            samples: How many samples a cell gets.
            rows: What of the matrix to sample.
            phases: What the walk consists of, in its order.
            tell: Hears of progress.
            observe: Asks every node what is in force on it, again and again while a switch is awaited.
            examine: Collects all evidence of it, once a phase; None leaves it at what was awaited.
            told: The way to eBPF mode that the user wants; None chooses one that the cluster has.
            confined: Whether nothing may be switched; then the walk is the phase in force and no other.
            after: Is called with every phase that has been judged, before anything else is switched.
            clock: Time.
        """
        self._place = place
        self._samples = samples
        self._rows = tuple(rows)
        self._phases = tuple(phases)
        self._tell = tell
        self._observe = observe
        self._proving = proving.Proving(place, examine) if examine is not None else None
        self._told = told
        self._confined = confined
        self._after = after
        self._clock = clock
        self._done: dict[words.Phase, records.PhaseRecord] = {}
        self._found: words.Dataplane | None = None
        self._switched = False
        self._settled: words.Dataplane | None = None
        self._forgotten_at = 0.0

    @property
    def done(self) -> tuple[records.PhaseRecord, ...]:
        """The phases so far, in their order."""
        return tuple(self._done.values())

    @property
    def phases(self) -> tuple[words.Phase, ...]:
        """What the walk consists of."""
        return self._phases

    @property
    def rows(self) -> tuple[matrix.Row, ...]:
        """What of the matrix is sampled."""
        return self._rows

    def reach(self, phase: words.Phase) -> records.PhaseRecord:
        """The record of a phase; it and those before it are run if they have not been yet.

        Raises:
            HarnessError: The cluster or the probe failed, so that nothing could be measured.
        """
        for earlier in self._phases:
            if earlier not in self._done:
                # Whatever ends a phase before its end, this is what is then known of it.
                self._done[earlier] = unfinished(earlier)
                self._done[earlier] = record = self._run(earlier)
                self._after(record)
            if earlier is phase:
                return self._done[phase]
        raise AssertionError(phase)

    def _run(self, phase: words.Phase) -> records.PhaseRecord:
        started = self._clock.now()
        switched = self._ask_for(phase.dataplane)
        settled = self._settle(phase)
        if switched and self._proving is not None and not settled.trouble:
            rollout.settle(self._place, tell=self._tell, clock=self._clock)
        known = self._place.facts()
        self._tell(f"{phase.value}: {settled.trouble or proof.text(settled.found)}; {self._samples} samples a cell")
        if self._proving is not None:
            self._proving.begin(known)
        progress = _Progress(phase, self._tell)
        checked, held = controls.check(
            self._place,
            phase,
            known,
            samples=self._samples,
            rows=self._rows,
            tell=progress,
            clock=self._clock,
            datagrams_at=self._forgotten_at if phase.dataplane is words.Dataplane.BPF else 0.0,
        )
        self._forgotten_at = self._clock.now() + sampling.FORGOTTEN_S
        proven: Mapping[str, str] = {state.node: state.summary for state in settled.found}
        trouble = settled.trouble
        if self._proving is not None:
            result = self._proving.end(phase, known, checked.verdicts)
            self._tell(f"{phase.value}: by evidence\n{result.table}")
            proven, trouble = result.by_node, trouble or result.trouble
        return records.PhaseRecord(
            phase=phase,
            proof=proven,
            switched=switched,
            proven_s=_since(started, settled.proven_at),
            converged_s=_since(started, settled.right_at),
            trouble=trouble,
            verdicts=checked.verdicts,
            skipped=checked.skipped,
            controls=held,
        )

    def _settle(self, phase: words.Phase) -> convergence.Settled:
        awaited = convergence.awaited(self._rows, outside=self._place.who is not None)
        found = convergence.settle(
            self._place, phase, rows=awaited, observe=self._observe, tell=self._tell, clock=self._clock
        )
        self._settled = None if found.trouble else phase.dataplane
        return found

    def restore(self) -> None:
        """Put back the dataplane that the cluster was found with, if a phase has changed it, and wait for the proof.

        Raises:
            ApiError: The API refused.
            CleanupError: It did not come back into force.
        """
        if not self._switched or self._found is None or self._settled is self._found:
            return
        if declared(self._place.api.get(inventory.INSTALLATION)) != self._found.value:
            self._tell(f"switching back to {self._found.value}")
            self._switch(self._found)
        back = words.Phase.EBPF if self._found is words.Dataplane.BPF else words.Phase.REVERTED
        settled = self._settle(back)
        if settled.trouble:
            raise errors.CleanupError([("the cluster's dataplane", errors.HarnessError(settled.trouble))])
        self._tell(f"back to what was found: {proof.text(settled.found)}")

    def _ask_for(self, dataplane: words.Dataplane) -> bool:
        current = declared(self._place.api.get(inventory.INSTALLATION))
        if self._confined:
            if current != dataplane.value:
                self._tell(f"the Installation declares {current}; {dataplane.value} is in force, and is what is judged")
            return False
        if self._found is None:
            self._found = words.Dataplane(current)
        if current == dataplane.value:
            return False
        self._switched, self._settled = True, None
        self._tell(f"switching to {dataplane.value}")
        self._switch(dataplane)
        return True

    def _switch(self, dataplane: words.Dataplane) -> None:
        patience_s = self._place.patience.rollout_s
        calico.switch(self._place.api, dataplane, told=self._told, timeout_s=patience_s, clock=self._clock)


def unfinished(phase: words.Phase) -> records.PhaseRecord:
    """A phase that was begun and did not come to its end, which is an error. Pure."""
    return records.PhaseRecord(
        phase=phase,
        proof={},
        switched=False,
        proven_s=None,
        converged_s=None,
        trouble="begun and not finished",
        verdicts=(),
    )


class _Progress:
    """Tells how far a phase is, at every fifth of it: enough to follow, and not one line a sample."""

    def __init__(self, phase: words.Phase, tell: Tell) -> None:
        self._phase = phase
        self._tell = tell
        self._told = 0

    def __call__(self, done: int, of: int) -> None:
        """Hear of samples taken."""
        part = done * _PARTS // of
        if part > self._told and of >= _WORTH_TELLING:
            self._told = part
            self._tell(f"{self._phase.value}: {done:,} of {of:,} samples")


def declared(installation: Mapping[str, object]) -> str:
    """What an Installation asks for; ``Iptables`` is the operator's default. Pure."""
    spec = installation.get("spec")
    network = spec.get("calicoNetwork") if isinstance(spec, dict) else None
    value = network.get("linuxDataplane") if isinstance(network, dict) else None
    return str(value or words.Dataplane.IPTABLES.value)


def _since(started: float, moment: float | None) -> float | None:
    return round(moment - started, 3) if moment is not None else None


def failures(record: records.PhaseRecord, verdicts: tuple[cells.Verdict, ...]) -> tuple[str, ...]:
    """Why these verdicts of a phase are not good enough: its controls, its own trouble, one sentence a cell. Pure."""
    misbehaved = controls.failures(record.controls)
    trouble = (f"{record.phase.value}: {record.trouble}",) if record.trouble else ()
    bad = tuple(verdict.sentence for verdict in verdicts if verdict.outcome is not words.Outcome.PASS)
    found = (*misbehaved, *trouble, *bad)
    return found if verdicts else (*found, f"{record.phase.value}: no cell was planned")
