"""Playing mutations through the harness's own pipeline, and what comes of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks import convergence, scene, walk
from harness.checks.environment import look
from harness.clusters import cluster, run
from harness.core import errors, waiting
from harness.dataplane import proof
from harness.model import matrix, records, words
from harness.probing import runners
from harness.selftest import catching, mutations, stage, world

SAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of one mutation.

    Attributes:
        mutation: Which.
        complaint: What caught it as it must be caught; None for a survivor, and for a harmless one that stayed green.
        seen: All that the run came to.
        seconds: How long it took.
    """

    mutation: mutations.Mutation
    complaint: catching.Complaint | None
    seen: catching.Seen
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the harness was not fooled: it caught what is wrong, and let be what is not."""
        return self.seen.green if self.mutation.catch is None else self.complaint is not None


class RedBaseline(errors.HarnessError):
    """The cluster is not green before anything is mutated, so nothing that follows would prove anything."""


def recorded(
    place: scene.Scene,
    on: cluster.Cluster,
    phases: Sequence[words.Phase],
    *,
    rows: Sequence[matrix.Row],
    samples: int,
    observe: convergence.Observe = proof.observe,
    clock: waiting.Clock = waiting.REAL,
    environment: tuple[records.Environment, ...] = (),
) -> records.RunRecord:
    """The record of a run of these phases, made by what ``verify`` and pytest make theirs by.

    Where the environment blocks, nothing is measured.

    Raises:
        HarnessError: Nothing could be measured.
    """
    steps = walk.Walk(place, samples=samples, rows=rows, phases=phases, observe=observe, clock=clock)
    current = run.Run(cluster=on, place=place, walk=steps, samples=samples, started="", environment=environment)
    for phase in phases if not current.blocked else ():
        steps.reach(phase)
    return current.record(wanted=phases)


def seen_in(of: world.World, phase: words.Phase, *, samples: int = SAMPLES) -> catching.Seen:
    """What a run in a world without a network comes to."""
    clock = stage.Clock()
    place = stage.set_up(of, phase, clock)
    on = cluster.Cluster(
        provider="none", description="told", kubeconfig=Path(), runner=runners.Runner(prefix=()), who=place.who
    )
    try:
        with place.clients:
            observe = stage.observing(of, phase)
            found = recorded(
                place,
                on,
                (phase,),
                rows=of.rows,
                samples=samples,
                observe=observe,
                clock=clock,
                environment=look.findings(stage.looked_at(of, phase)),
            )
    except errors.HarnessError as error:
        return catching.of_refusal(error)
    return catching.of_record(found)


def try_evidence(mutation: mutations.OfEvidence, *, healthy: world.World) -> Tried:
    """One mutation of what is told."""
    began = time.monotonic()
    try:
        seen = seen_in(mutation.change(healthy), mutation.phase)
    except ValueError as error:
        # A value that can't be is refused where it is made, before anything runs.
        seen = catching.of_refusal(error)
    return tried(mutation, seen, began)


def tried(mutation: mutations.Mutation, seen: catching.Seen, began: float) -> Tried:
    """What came of a mutation that was begun at that moment of the monotonic clock."""
    complaint = catching.catches(seen, mutation.catch)
    return Tried(mutation=mutation, complaint=complaint, seen=seen, seconds=round(time.monotonic() - began, 3))


def try_all_evidence(
    chosen: Sequence[mutations.OfEvidence], *, healthy: world.World, tell: Callable[[str], None]
) -> Iterator[Tried]:
    """Every one of these mutations, after the world that they are made of has been found green.

    Raises:
        RedBaseline: It is not.
    """
    for phase in dict.fromkeys(mutation.phase for mutation in chosen):
        require_green(seen_in(healthy, phase), f"the recorded cluster in phase {phase.value}")
        tell(f"the recorded cluster is green in phase {phase.value}; what is told of it is mutated now")
    for mutation in chosen:
        yield try_evidence(mutation, healthy=healthy)


def require_green(seen: catching.Seen, what: str) -> None:
    """Refuse to mutate what is not green; raises RedBaseline."""
    if not seen.green:
        wrong = "; ".join(item.text for item in seen.complaints[:3])
        raise RedBaseline(f"{what} is not green before anything is mutated, so a selftest proves nothing: {wrong}")
